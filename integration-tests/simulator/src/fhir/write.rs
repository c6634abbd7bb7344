//! FHIR R4 messages as a hospital writes them.
//!
//! A request is a ServiceRequest with what hangs on it; everything that is said about a case later
//! is a Task. The event says which.

use anyhow::Result;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{CASE_NUMBER, ORGANISATION};
use crate::{Act, Doctor, Party, Sort, Statement, json};

const EVENT: &str = "urn:tierlink:event";
const EXTENSION: &str = "urn:tierlink:extension:";
const DATA_ELEMENT: &str = "urn:oid:2.16.156.10011.2.2.1";

/// A Bundle that is being written.
struct Bundle {
    entries: Vec<Value>,
}

impl Bundle {
    /// Adds a resource and gives the reference to it.
    fn add(&mut self, resource: Value) -> Value {
        let url = format!("urn:uuid:{}", Uuid::now_v7());
        let reference = json!({ "reference": url });
        let entry = [("fullUrl".to_owned(), url.into()), ("resource".to_owned(), resource)];
        self.entries.push(Value::Object(entry.into_iter().collect()));
        reference
    }

    fn organisation(&mut self, party: &Party) -> Value {
        self.add(json!({
            "resourceType": "Organization",
            "identifier": [{ "system": "urn:tierlink:organisation", "value": party.code }],
            "name": party.name,
        }))
    }

    fn practitioner(&mut self, doctor: Doctor) -> Value {
        self.person(&json::person(doctor))
    }

    /// A person in the canonical form.
    fn person(&mut self, person: &Value) -> Value {
        self.add(json!({
            "resourceType": "Practitioner",
            "identifier": [{ "value": person["code"] }],
            "name": [{ "text": person["name"] }],
            "qualification": [{ "code": { "text": person["title"] } }],
        }))
    }

    fn side(&mut self, party: &Party, department: (&str, &str)) -> Value {
        let organisation = self.organisation(party);
        let practitioner = party.doctor.map(|doctor| self.practitioner(doctor));
        let mut role = json!({
            "resourceType": "PractitionerRole",
            "organization": organisation,
            "specialty": [{
                "coding": [{ "system": "urn:tierlink:codes:department", "code": department.0 }],
                "text": department.1,
            }],
        });
        if let Some(practitioner) = practitioner {
            role["practitioner"] = practitioner;
        }
        if !party.phone.is_empty() {
            role["telecom"] = json!([{ "system": "phone", "value": party.phone }]);
        }
        self.add(role)
    }
}

/// Writes a message.
pub(crate) fn write(s: &Statement<'_>) -> Result<Vec<u8>> {
    let mut bundle = Bundle { entries: Vec::new() };
    let (focus, author) = if s.act.asks() || s.act == Act::Amend {
        (request(&mut bundle, s, s.asked()?)?, None)
    } else {
        task(&mut bundle, s)?
    };
    let sender = bundle.organisation(&s.by.party);
    let mut header = json!({
        "resourceType": "MessageHeader",
        "id": s.message_id,
        "eventCoding": { "system": EVENT, "code": s.kind() },
        "sender": sender,
        "source": {
            "software": s.by.called(),
            "endpoint": format!("{ORGANISATION}{}", s.by.party.code),
        },
        "focus": [focus],
    });
    match author {
        Some(author) => header["author"] = author,
        None => {
            let endpoint = format!("{ORGANISATION}{}", s.asked()?.code);
            header["destination"] = json!([{ "endpoint": endpoint }]);
        }
    }
    if let Some(answered) = &s.answers {
        header["response"] = json!({ "identifier": answered, "code": "ok" });
    }
    let url = format!("urn:uuid:{}", s.message_id);
    bundle.entries.insert(0, json!({ "fullUrl": url, "resource": header }));
    let bundle = json!({
        "resourceType": "Bundle",
        "id": Uuid::now_v7().to_string(),
        "type": "message",
        "timestamp": s.now.to_string(),
        "entry": bundle.entries,
    });
    Ok(bundle.to_string().into_bytes())
}

fn own_number(s: &Statement<'_>) -> Value {
    json!({ "system": format!("{ORGANISATION}{}", s.by.party.code), "value": s.number_here() })
}

fn request(bundle: &mut Bundle, s: &Statement<'_>, to: &Party) -> Result<Value> {
    let patient = &s.case.patient;
    let subject = bundle.add(patient.fhir());
    let requester = bundle.side(&s.by.party, ("04", "外科"));
    let performer = bundle.side(to, ("04.01", "普通外科"));
    let (code, words) = &patient.diagnosis;
    let diagnosis = bundle.add(json!({
        "resourceType": "Condition",
        "code": { "coding": [{ "system": "urn:tierlink:codes:ICD-10-CN", "code": code }], "text": words },
        "subject": subject,
    }));
    let complaint = bundle.add(json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "coding": [{ "system": DATA_ELEMENT, "code": "DE04.01.119.00", "display": "主诉" }] },
        "subject": subject,
        "valueString": patient.complaint,
    }));
    let consent = bundle.add(json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "treatment",
        }] },
        "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
        "patient": subject,
        "dateTime": s.now.to_string(),
        "performer": [{ "display": patient.name }],
    }));
    let is_transfer =
        matches!((s.act, s.case.sort), (Act::Offer, _) | (Act::Amend, Sort::Transfer));
    let (reasons, reason, words) = if is_transfer {
        ("reason_down", "DN06", "完成难度较大的诊治且病情平稳")
    } else {
        ("reason_up", "UP04", "因技术、设备条件限制不能处置")
    };
    let mut request = json!({
        "resourceType": "ServiceRequest",
        "identifier": [own_number(s)],
        "status": "active",
        "intent": "order",
        "priority": match s.priority() {
            Some("emergency") => "stat",
            Some("urgent") => "urgent",
            _ => "routine",
        },
        "code": { "coding": [{ "system": "urn:tierlink:codes:referral_purpose", "code": "surgery" }],
                  "text": "手术" },
        "subject": subject,
        "authoredOn": s.now.to_string(),
        "requester": requester,
        "performer": [performer],
        "reasonCode": [{ "coding": [{ "system": format!("urn:tierlink:codes:{reasons}"), "code": reason }],
                         "text": words }],
        "supportingInfo": [diagnosis, complaint, consent],
    });
    if is_transfer {
        request["category"] = json!([family("transfer")]);
    } else if s.case.sort == Sort::Consultation
        || matches!(s.act, Act::AskForExperts | Act::AskForReading)
    {
        consultation(bundle, s, &subject, &mut request)?;
    }
    if let Some(parent) = &s.parent {
        let parent = json!({ "system": CASE_NUMBER, "value": parent });
        request["basedOn"] = json!([{ "identifier": parent }]);
    } else if is_transfer {
        let reason = json!({ "code": "NR02", "text": "急诊或120直接送达" });
        let reason = extension(&format!("{EXTENSION}no_referral_reason"), &reason);
        request["extension"] = reason.into_iter().collect::<Value>();
    }
    Ok(bundle.add(request))
}

fn family(code: &str) -> Value {
    json!({ "coding": [{ "system": "urn:tierlink:family", "code": code }] })
}

/// Makes a request one for a consultation: what FHIR has no element for goes by the county's guide.
fn consultation(
    bundle: &mut Bundle,
    s: &Statement<'_>,
    subject: &Value,
    request: &mut Value,
) -> Result<()> {
    let mut body = json::body(s)?;
    let mut categories = vec![family("consultation")];
    let mut coded = body["kind"].take();
    if let Some(exam) = body["reading"].as_object_mut().and_then(|reading| reading.remove("exam")) {
        categories.push(family("reading"));
        coded = exam;
    }
    request["category"] = categories.into();
    request["code"] = json!({
        "coding": [{
            "system": format!("urn:tierlink:codes:{}", coded["system"].as_str().unwrap_or_default()),
            "code": coded["code"],
        }],
        "text": coded["text"],
    });
    if let Some(request) = request.as_object_mut() {
        request.remove("reasonCode");
    }
    for (element, name, what) in
        [("purpose", "会诊目的", "DE06.00.214.00"), ("summary", "病历摘要", "DE06.00.182.00")]
    {
        if let Some(words) = body[element].as_str() {
            let section = bundle.add(section(what, name, words, Some(subject)));
            if let Some(info) = request["supportingInfo"].as_array_mut() {
                info.push(section);
            }
        }
    }
    let extensions = ["form", "experts", "reading"]
        .iter()
        .filter_map(|name| extension(&format!("{EXTENSION}{name}"), &body[*name]));
    request["extension"] = extensions.collect::<Vec<_>>().into();
    Ok(())
}

/// A long text, as an Observation that its national data element names.
fn section(code: &str, name: &str, words: &str, subject: Option<&Value>) -> Value {
    let mut section = json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "coding": [{ "system": DATA_ELEMENT, "code": code, "display": name }] },
        "valueString": words,
    });
    if let Some(subject) = subject {
        section["subject"] = subject.clone();
    }
    section
}

/// A value in the canonical form, as an Observation.
fn observation(value: &Value) -> Value {
    let number = value["value"].as_str().and_then(|text| text.parse::<serde_json::Number>().ok());
    let mut written = json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "text": value["what"]["text"] },
        "valueQuantity": { "value": number, "unit": value["unit"] },
    });
    if let Some(flag) = value["flag"].as_str() {
        written["interpretation"] = json!([{ "coding": [{ "code": flag }] }]);
    }
    if let Some(at) = value["at"].as_str() {
        written["effectiveDateTime"] = at.into();
    }
    written
}

/// An extension of the county's guide; none for what says nothing.
fn extension(url: &str, value: &Value) -> Option<Value> {
    let children = |members: Vec<(&str, &Value)>| {
        let children = members.into_iter().filter_map(|(name, value)| extension(name, value));
        children.collect::<Vec<_>>()
    };
    let (name, value) = match value {
        Value::Null => return None,
        Value::Bool(_) => ("valueBoolean", value.clone()),
        Value::Number(number) if number.is_i64() => ("valueInteger", value.clone()),
        Value::Number(_) => ("valueDecimal", value.clone()),
        Value::String(_) => ("valueString", value.clone()),
        Value::Array(items) => {
            ("extension", children(items.iter().map(|item| ("item", item)).collect()).into())
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.as_str(), value));
            ("extension", children(members.collect()).into())
        }
    };
    Some(json!({ "url": url, name: value }))
}

/// What is said about a case: the Task, and who says it.
fn task(bundle: &mut Bundle, s: &Statement<'_>) -> Result<(Value, Option<Value>)> {
    let mut outputs = Vec::new();
    let mut body = match s.act {
        Act::Accept => json!({}),
        Act::Outcome => {
            let words = "甲状腺右叶切除，术后恢复好，病理良性。";
            outputs.push(bundle.add(section("DE06.00.296.00", "诊疗过程描述", words, None)));
            json!({ "stage": "outcome" })
        }
        Act::Schedule | Act::Book | Act::Unschedule => {
            outputs.push(appointment(bundle, s));
            json!({})
        }
        Act::Arrive | Act::Receive => {
            outputs.push(visit(bundle, s));
            json!({})
        }
        Act::Decline => json!({ "reason": { "code": "RJ01", "text": "本周无床位" } }),
        Act::AcceptAsExpert => json!({ "expert": {
            "organisation": s.by.party.code, "practitioner": s.by.doctor().code,
        } }),
        _ => json::body(s)?,
    };
    let mut taken = |name: &str| body.as_object_mut().and_then(|fields| fields.remove(name));
    let reason = taken("reason");
    let people = ["by", "reader", "writer", "auditor"].map(&mut taken);
    // Several sign an opinion; they stay together in the guide's extension.
    let signed = people.into_iter().flatten().find(Value::is_object);
    let author = bundle.person(&signed.unwrap_or_else(|| json::person(s.by.doctor())));
    if s.act == Act::Opinion {
        let by: Vec<Value> = s
            .experts()
            .iter()
            .map(|expert| json::person(expert.doctor.unwrap_or_default()))
            .collect();
        body["by"] = by.into();
    }
    for list in ["items", "observations"] {
        let values = body.as_object_mut().and_then(|fields| fields.remove(list));
        for value in values.as_ref().and_then(Value::as_array).into_iter().flatten() {
            outputs.push(bundle.add(observation(value)));
        }
    }
    let number = json!({ "system": CASE_NUMBER, "value": s.known_number() });
    let mut task = json!({
        "resourceType": "Task",
        "status": status(s.act),
        "intent": "order",
        "basedOn": [{ "identifier": number }, { "identifier": own_number(s) }],
        "focus": { "type": "ServiceRequest", "identifier": number },
        "authoredOn": s.now.to_string(),
    });
    if let Some(reason) = reason {
        task["statusReason"] =
            json!({ "coding": [{ "code": reason["code"] }], "text": reason["text"] });
    }
    if !outputs.is_empty() {
        let outputs = outputs.into_iter();
        let outputs =
            outputs.map(|part| json!({ "type": { "text": "part" }, "valueReference": part }));
        task["output"] = outputs.collect();
    }
    let fields = body.as_object().into_iter().flatten();
    let extensions: Vec<Value> = fields
        .filter_map(|(name, value)| extension(&format!("{EXTENSION}{name}"), value))
        .collect();
    if !extensions.is_empty() {
        task["extension"] = extensions.into();
    }
    Ok((bundle.add(task), Some(author)))
}

/// Task.status, as the county's guide gives it to what is said.
fn status(act: Act) -> &'static str {
    match act {
        Act::Refer
        | Act::Offer
        | Act::AskForExperts
        | Act::AskForReading
        | Act::Amend
        | Act::Book
        | Act::Redirect => "requested",
        Act::Review | Act::Claim => "received",
        Act::Return | Act::Recollect => "on-hold",
        Act::Accept
        | Act::AcceptAsExpert
        | Act::Schedule
        | Act::ScheduleSession
        | Act::Unschedule
        | Act::RefuseCancel => "accepted",
        Act::Decline => "rejected",
        Act::Cancel | Act::ConfirmCancel => "cancelled",
        Act::Arrive
        | Act::Start
        | Act::Outcome
        | Act::Discharge
        | Act::Receive
        | Act::FollowUp
        | Act::Report
        | Act::Critical => "in-progress",
        Act::NoShow => "failed",
        Act::Opinion | Act::Audit | Act::ReadBack | Act::Acknowledge | Act::Close => "completed",
    }
}

fn appointment(bundle: &mut Bundle, s: &Statement<'_>) -> Value {
    let (start, end) = s.appointment();
    let mut written = json!({
        "resourceType": "Appointment",
        "status": "booked",
        "identifier": [{ "value": format!("SY{}", s.case.own_number.replace('-', "")) }],
        "start": start.to_string(),
        "end": end.to_string(),
        "specialty": [{
            "coding": [{ "system": "urn:tierlink:codes:department", "code": "04.01" }],
            "text": "普通外科",
        }],
        "patientInstruction": "带身份证、医保卡和全部检查资料，空腹。",
        "participant": [{ "status": "accepted" }],
    });
    match s.act {
        Act::Book => {
            written["status"] = json!("proposed");
            written["identifier"] = Value::Null;
            written["patientInstruction"] = Value::Null;
        }
        // The number is that of whoever gave it, and the time is that of its case.
        Act::Unschedule => {
            let (code, words) = if s.by.party.code == s.case.origin {
                ("CN12", "家属当天有事")
            } else {
                ("CN11", "医生停诊")
            };
            written = json!({
                "resourceType": "Appointment",
                "status": "cancelled",
                "cancelationReason": { "coding": [{ "code": code }], "text": words },
                "participant": [{ "status": "accepted" }],
            });
        }
        _ => {}
    }
    if let Some(fields) = written.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    bundle.add(written)
}

fn visit(bundle: &mut Bundle, s: &Statement<'_>) -> Value {
    let (status, class) =
        if s.act == Act::Arrive { ("in-progress", "IMP") } else { ("arrived", "AMB") };
    bundle.add(json!({
        "resourceType": "Encounter",
        "status": status,
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": class,
        },
        "identifier": [{ "value": s.encounter() }],
        "period": { "start": s.now.to_string() },
    }))
}
