//! From a canonical message to bytes. Equal messages give equal bytes, at every try.
//!
//! ```text
//!   Bundle { id derived, timestamp, entry: [ MessageHeader, Patient, …, ServiceRequest, Task ] }
//! ```

use serde_json::{Map, Value, json};
use tierlink_codec::code_maps::Table;
use tierlink_codec::{CodeMaps, Encoded};
use tierlink_schemas::answer::ReceiptOutcome;
use tierlink_schemas::kind::Body;
use tierlink_schemas::{Loss, Message, OrganisationCode, Problem};

use crate::asking::case_identifiers;
use crate::party::{write_organisation, write_side};
use crate::statement::response_code;
use crate::writer::{Rest, Writer, entry, put, resource};
use crate::{asking, codes, patient, statement, systems};

/// Media type of FHIR in JSON.
pub const MEDIA_TYPE: &str = "application/fhir+json";

/// Writes a message for a destination.
pub fn encode(
    message: &Message,
    to: &OrganisationCode,
    maps: &CodeMaps<'_>,
) -> Result<Encoded, Vec<Problem>> {
    let mut writer = Writer::new(message, to, *maps);
    let bundle_id = writer.bundle_id();
    let identifiers = case_identifiers(message);
    let mut header = resource("MessageHeader");
    let mut envelope = envelope(message);
    let mut body = mapped(&mut writer, &message.body, "body");
    let mut reason = None;
    let mut sides = None;
    let asked = if message.kind().states_request() {
        Some(asking::write(&mut writer, identifiers.clone(), &mut body))
    } else {
        sides = write_context(&mut writer, &mut envelope);
        reason = statement::write(&mut writer, &mut header, &mut body);
        None
    };
    let focus = asked.clone();
    let task = statement::write_task(&mut writer, &identifiers, asked, reason, sides, body);
    write_header(&mut writer, &mut header);
    let focus: Vec<Value> = std::iter::once(task).chain(focus).collect();
    put(&mut header, "focus", Value::from(focus));
    envelope.close(&mut header);
    let (mut entries, losses) = writer.finish();
    let full_url = format!("urn:uuid:{}", message.id);
    entries.insert(0, entry(full_url, header));
    let mut bundle = resource("Bundle");
    put(&mut bundle, "id", json!(bundle_id));
    put(&mut bundle, "type", Value::from("message"));
    put(&mut bundle, "timestamp", json!(message.occurred_at));
    put(&mut bundle, "entry", Value::Array(entries));
    let bytes = serde_json::to_vec(&bundle).map_err(|_| {
        let text = "the message cannot be written as JSON; the canonical message is at fault";
        vec![Problem::new(codes::UNWRITABLE, "body", text)]
    })?;
    Ok(Encoded {
        bytes: bytes.into(),
        media_type: MEDIA_TYPE,
        control_id: message.id.to_string(),
        losses,
        code_maps: maps.version(),
    })
}

/// Tables whose codes are put into a part of the message before it is written. The others are
/// written with ours beside theirs, or into an element that holds one code only.
const IN_PLACE: [Table; 2] = [Table::Department, Table::Organisation];

/// All members of a part of the message, with the receiver's codes.
fn mapped<T: serde::Serialize>(writer: &mut Writer<'_>, part: &T, path: &str) -> Rest {
    let mut value = Value::Object(Rest::of(part).0);
    writer.maps.write_into(&mut value, path, &IN_PLACE, &mut writer.losses);
    match value {
        Value::Object(members) => Rest(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Rest::default()
        }
    }
}

/// What the envelope holds that the header has no element for.
fn envelope(message: &Message) -> Rest {
    let mut rest = Rest::default();
    let members = [
        ("trace", message.trace.as_ref().map(|trace| json!(trace))),
        ("caused_by", message.caused_by.map(|id| json!(id))),
        ("case_state", message.case.state.as_ref().map(|state| json!(state))),
        ("case_parent", message.case.parent.as_ref().map(|number| json!(number))),
        ("extras", (!message.extras.is_empty()).then(|| json!(message.extras))),
    ];
    for (name, value) in members {
        put(&mut rest.0, name, value);
    }
    rest
}

/// Writes who the case is about, which an answer alone would not tell.
fn write_context(writer: &mut Writer<'_>, envelope: &mut Rest) -> Option<(Value, Value)> {
    let context = writer.message.context.as_ref()?;
    writer.subject = Some(patient::write(writer, &context.patient, "context.patient.sex"));
    let mut rest = mapped(writer, context, "context");
    rest.take("patient");
    let from = rest.object("from").map(|from| write_side(writer, "from", from));
    let to = rest.object("to").map(|to| write_side(writer, "to", to));
    envelope.0.insert("context".to_owned(), Value::Object(rest.0));
    from.zip(to)
}

fn write_header(writer: &mut Writer<'_>, header: &mut Map<String, Value>) {
    let message = writer.message;
    put(header, "id", json!(message.id));
    let event = json!({ "system": systems::EVENT, "code": message.kind().as_str() });
    put(header, "eventCoding", event);
    let endpoint = |code: &OrganisationCode| format!("{}{code}", systems::ORGANISATION);
    let to = writer.maps.known_as(writer.to.as_str());
    let receiver = write_organisation(writer, to, None);
    put(header, "destination", json!([{ "endpoint": endpoint(writer.to), "receiver": receiver }]));
    let sender = &message.source.organisation;
    let name = message.body.from().filter(|from| from.organisation == *sender);
    let name = name.and_then(|from| from.name.as_deref());
    let path = "source.organisation";
    let known_as = writer.maps.written_organisation(sender.as_str(), path, &mut writer.losses);
    put(header, "sender", write_organisation(writer, &known_as, name));
    let mut source = Map::new();
    put(&mut source, "endpoint", json!(endpoint(sender)));
    put(&mut source, "software", message.source.system.as_ref().map(|system| json!(system)));
    put(header, "source", Value::Object(source));
    let Some(answered) = &message.in_reply_to else {
        return;
    };
    // The destination knows its own message by its own id, and anybody else's by ours.
    let own = answered.organisation.as_ref() == Some(writer.to);
    let identifier = match (&answered.message_id, answered.id) {
        (Some(id), _) if own => Some(id.clone()),
        (_, Some(id)) => Some(id.to_string()),
        (Some(id), None) if answered.organisation.is_none() => Some(id.clone()),
        (_, None) => None,
    };
    let code = match &message.body {
        Body::Receipt(receipt) => response_code(receipt.outcome),
        Body::ReferralSubmit(_)
        | Body::ReferralAmend(_)
        | Body::ReferralReview(_)
        | Body::ReferralReturn(_)
        | Body::ReferralAccept(_)
        | Body::ReferralDecline(_)
        | Body::ReferralRedirect(_)
        | Body::ReferralSchedule(_)
        | Body::ReferralBook(_)
        | Body::ReferralUnschedule(_)
        | Body::ReferralArrive(_)
        | Body::ReferralNoShow(_)
        | Body::ReferralFeedback(_)
        | Body::ReferralCancel(_)
        | Body::ReferralConfirmCancel(_)
        | Body::ReferralRefuseCancel(_)
        | Body::ReferralClose(_)
        | Body::TransferOffer(_)
        | Body::TransferAmend(_)
        | Body::TransferAccept(_)
        | Body::TransferDecline(_)
        | Body::TransferRedirect(_)
        | Body::TransferDischarge(_)
        | Body::TransferReceive(_)
        | Body::TransferFollowUp(_)
        | Body::TransferCancel(_)
        | Body::TransferClose(_)
        | Body::ConsultationRequest(_)
        | Body::ConsultationAmend(_)
        | Body::ConsultationReview(_)
        | Body::ConsultationReturn(_)
        | Body::ConsultationAccept(_)
        | Body::ConsultationDecline(_)
        | Body::ConsultationSchedule(_)
        | Body::ConsultationStart(_)
        | Body::ConsultationOpinion(_)
        | Body::ConsultationAcknowledge(_)
        | Body::ConsultationNoShow(_)
        | Body::ConsultationCancel(_)
        | Body::ConsultationClose(_)
        | Body::ConsultationClaim(_)
        | Body::ConsultationRecollect(_)
        | Body::ConsultationReport(_)
        | Body::ConsultationAudit(_)
        | Body::ConsultationCritical(_)
        | Body::SlotPublish(_)
        | Body::SlotWithdraw(_)
        | Body::StatusQuery(_)
        | Body::StatusReport(_) => response_code(ReceiptOutcome::Delivered),
    };
    if let Some(id) = identifier {
        put(header, "response", json!({ "identifier": id, "code": code }));
    } else {
        let text = "the answered message has no id that this destination knows; left out";
        writer.losses.push(Loss::plain("in_reply_to", text));
    }
}
