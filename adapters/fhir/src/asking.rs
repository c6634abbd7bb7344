//! Requests on the way out: the ServiceRequest and what hangs on it.
//!
//! The way in is `request.rs`; the two must name the same elements, which `tests/round_trip.rs`
//! tries with every field.

use serde_json::{Value, json};
use tierlink_codec::code_maps::Table;
use tierlink_schemas::Priority;
use tierlink_schemas::kind::{Family, Kind};

use crate::appointment::{write as write_appointment, write_care_plan, write_consent, write_visit};
use crate::party::write_side;
use crate::writer::{Rest, Writer, identifier, put, resource};
use crate::{parts, patient, systems};

/// Writes a request, and gives the reference to its ServiceRequest.
pub fn write(writer: &mut Writer<'_>, identifiers: Vec<Value>, body: &mut Rest) -> Value {
    let message = writer.message;
    let kind = message.kind();
    let family = kind.family();
    if let Some(patient) = message.body.patient() {
        body.take("patient");
        writer.subject = Some(patient::write(writer, patient, "body.patient.sex"));
    }
    let mut out = resource("ServiceRequest");
    put(&mut out, "identifier", (!identifiers.is_empty()).then(|| identifiers.into()));
    put(&mut out, "status", Value::from("active"));
    put(&mut out, "intent", Value::from("order"));
    let mut categories =
        vec![json!({ "coding": [{ "system": systems::FAMILY, "code": family.as_str() }] })];
    let code = match family {
        Family::Referral => body.concept("purpose"),
        Family::Consultation => {
            let exam = body.take_at("reading/exam");
            if exam.is_some() {
                categories
                    .push(json!({ "coding": [{ "system": systems::FAMILY, "code": "reading" }] }));
            }
            match exam {
                Some(Value::Object(exam)) => Some(crate::extension::concept(&exam)),
                Some(_) | None => body.concept("kind"),
            }
        }
        Family::Transfer | Family::Slot | Family::Status | Family::Receipt => None,
    };
    put(&mut out, "category", Value::from(categories));
    put(&mut out, "code", code);
    write_priority(writer, message.priority, &mut out);
    put(&mut out, "subject", writer.subject.clone());
    put(&mut out, "authoredOn", json!(message.occurred_at));
    write_sides(writer, body, &mut out);
    let number =
        body.take_at("parent").map(|n| json!({ "system": systems::CASE_NUMBER, "value": n }));
    let number = number.or_else(|| body.take("parent_referral").map(|n| json!({ "value": n })));
    put(&mut out, "basedOn", number.map(|number| json!([{ "identifier": number }])));
    put(&mut out, "occurrencePeriod", body.take("valid_until").map(|end| json!({ "end": end })));
    if let Some(Value::Array(reasons)) = body.take("reasons") {
        let reasons: Vec<Value> =
            reasons.iter().filter_map(Value::as_object).map(crate::extension::concept).collect();
        put(&mut out, "reasonCode", Value::from(reasons));
    }
    let notes = match body.take_at("clinical/notes") {
        Some(Value::Array(notes)) => notes,
        Some(_) | None => Vec::new(),
    };
    let notes: Vec<Value> = notes
        .into_iter()
        .chain(deleted(message).into_iter().map(Value::from))
        .map(|note| json!({ "text": note }))
        .collect();
    put(&mut out, "note", (!notes.is_empty()).then(|| notes.into()));
    write_rest(writer, kind, body);
    let parts = std::mem::take(&mut writer.parts);
    put(&mut out, "supportingInfo", (!parts.is_empty()).then(|| parts.into()));
    writer.add("ServiceRequest", out)
}

/// HL7's explicit null: the sender of an amendment deletes what the field held. FHIR has no word for
/// it, and leaving the element out says nothing, so the reader is told.
fn deleted(message: &tierlink_schemas::Message) -> Option<String> {
    const NULL: &str = "\"\"";
    let amends = message.kind().states_request() && !message.kind().opens();
    let extras = message.extras.iter().filter(|extra| amends && extra.text == NULL);
    let fields: Vec<&str> = extras.map(|extra| named(&extra.path)).collect();
    let fields = fields.join("、");
    (!fields.is_empty()).then(|| format!("[平台提示] 发送方已删除以下内容，请同步删除：{fields}"))
}

/// A field of HL7 v2 as people call it; its own name where we know no other.
fn named(path: &str) -> &str {
    match path {
        "PID-9" => "别名",
        "PID-11" => "地址",
        "PID-13" => "电话",
        "PID-14" => "单位电话",
        "PID-16" => "婚姻状况",
        "PID-19" => "身份证号",
        "PID-22" => "民族",
        other => other,
    }
}

fn write_sides(writer: &mut Writer<'_>, body: &mut Rest, out: &mut serde_json::Map<String, Value>) {
    let number = body.take_at("from/encounter");
    let admitted = body.take_at("stay/admitted_at");
    let discharged = body.take_at("stay/discharged_at");
    let disposition = match body.take_at("stay/disposition") {
        Some(Value::Object(coded)) => Some(crate::extension::concept(&coded)),
        Some(_) | None => None,
    };
    if number.is_some() || admitted.is_some() || discharged.is_some() || disposition.is_some() {
        let visit = write_visit(writer, "unknown", number, (admitted, discharged), disposition);
        put(out, "encounter", visit);
    }
    if let Some(from) = body.object("from") {
        put(out, "requester", write_side(writer, "from", from));
    }
    if let Some(to) = body.object("to") {
        put(out, "performer", json!([write_side(writer, "to", to)]));
    }
}

fn write_rest(writer: &mut Writer<'_>, kind: Kind, body: &mut Rest) {
    if let Some(consent) = body.object("consent") {
        write_consent(writer, consent);
    }
    let wanted = match body.take("wanted") {
        Some(Value::Array(wanted)) => wanted,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for (index, wanted) in wanted.into_iter().enumerate() {
        if let Value::Object(wanted) = wanted {
            let wanted = write_appointment(
                writer,
                &format!("wanted/{index}"),
                "proposed",
                None,
                Rest(wanted),
            );
            writer.parts.push(wanted);
        }
    }
    if kind.family() == Family::Transfer {
        write_care_plan(writer, body);
    }
    parts::write(writer, kind, body);
}

/// Writes the priority. FHIR has no word for chronic cases, so an extension says it.
pub fn write_priority(
    writer: &mut Writer<'_>,
    priority: Option<Priority>,
    out: &mut serde_json::Map<String, Value>,
) {
    let Some(priority) = priority else { return };
    let code = match priority {
        Priority::Emergency => "stat",
        Priority::Urgent => "urgent",
        Priority::Routine | Priority::Chronic => "routine",
    };
    put(out, "priority", writer.code(Table::Priority, priority.as_str(), code, "priority"));
    if priority == Priority::Chronic && !writer.maps.is_given(Table::Priority) {
        let url = format!("{}priority", systems::EXTENSION);
        put(out, "extension", json!([{ "url": url, "valueCode": "chronic" }]));
    }
}

/// The identifiers of a case, ours first.
pub fn case_identifiers(message: &tierlink_schemas::Message) -> Vec<Value> {
    let case = &message.case;
    let ours = case.number.iter().map(|n| identifier(systems::CASE_NUMBER, n.as_str()));
    let id = case.id.iter().map(|id| identifier(systems::CASE_ID, &id.to_string()));
    let theirs = case
        .numbers
        .iter()
        .map(|n| identifier(&format!("{}{}", systems::ORGANISATION, n.organisation), &n.number));
    ours.chain(id).chain(theirs).collect()
}
