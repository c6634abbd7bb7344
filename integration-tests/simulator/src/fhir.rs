//! FHIR messages: how a hospital reads one and what its server answers, by hand.
//!
//! A refusal quotes the patient on purpose. Real systems do, and nothing of it may travel on.

mod write;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Incoming, Reply};
use crate::{Received, Turn, case_numbers};

pub(crate) use write::write;

pub(crate) const CASE_NUMBER: &str = "urn:tierlink:case-number";
pub(crate) const ORGANISATION: &str = "urn:tierlink:organisation:";
const FHIR: &str = "application/fhir+json";

/// Reads a message as it arrived.
pub(crate) fn read(message: Incoming<'_>) -> Received {
    let bundle: Value = serde_json::from_slice(message.raw).unwrap_or_default();
    let text = String::from_utf8_lossy(message.raw).into_owned();
    let header = &bundle["entry"][0]["resource"];
    let kind = header["eventCoding"]["code"].as_str().unwrap_or_default().to_owned();
    let mut numbers = Vec::new();
    for entry in bundle["entry"].as_array().into_iter().flatten() {
        let resource = &entry["resource"];
        let listed = match resource["resourceType"].as_str() {
            Some("ServiceRequest") => &resource["identifier"],
            Some("Task") => &resource["basedOn"],
            _ => continue,
        };
        for one in listed.as_array().into_iter().flatten() {
            let identifier = one.get("identifier").unwrap_or(one);
            let system = identifier["system"].as_str().unwrap_or_default();
            if system == CASE_NUMBER || system.starts_with(ORGANISATION) {
                numbers.extend(identifier["value"].as_str().map(str::to_owned));
            }
        }
    }
    Received {
        control_id: header["id"].as_str().unwrap_or_default().to_owned(),
        case_numbers: case_numbers(&text),
        says: kind.clone(),
        kind,
        numbers,
        token: message.token.map(str::to_owned),
        turn: Turn::Take,
        taken: false,
        raw: message.raw.to_vec(),
        text,
    }
}

/// The answer of a FHIR server; `None` where this turn gives none.
pub(crate) fn answer(message: &[u8], turn: Turn) -> Option<Reply> {
    let message: Value = serde_json::from_slice(message).unwrap_or_default();
    let quoted = patient_of(&message);
    let outcome = |code: &str| {
        let issue = json!({
            "severity": "error", "code": code, "diagnostics": quoted,
            "expression": ["Patient.name[0]"],
        });
        json!({ "resourceType": "OperationOutcome", "issue": [issue] }).to_string()
    };
    let taken = |id: &Value| {
        let header = json!({
            "resourceType": "MessageHeader",
            "id": Uuid::now_v7(),
            "eventCoding": message["entry"][0]["resource"]["eventCoding"],
            "source": { "endpoint": "urn:example:hospital" },
            "response": { "identifier": id, "code": "ok" },
        });
        let bundle = json!({
            "resourceType": "Bundle", "type": "message", "entry": [{ "resource": header }],
        });
        (200, FHIR, bundle.to_string())
    };
    let (status, media_type, body) = match turn {
        Turn::Take | Turn::Late => taken(&message["entry"][0]["resource"]["id"]),
        Turn::OtherId => taken(&json!(Uuid::now_v7())),
        Turn::Refuse | Turn::TwoMinds => (422, FHIR, outcome("required")),
        Turn::NotNow => (503, FHIR, outcome("transient")),
        Turn::Garbage => (200, "text/html", format!("<html>{quoted}</html>")),
        Turn::Mute | Turn::Silent => return None,
    };
    Some(Reply { status, media_type, body: body.into_bytes(), retry_after: None })
}

fn patient_of(message: &Value) -> &str {
    let entries = message["entry"].as_array().into_iter().flatten();
    entries
        .map(|entry| &entry["resource"])
        .find(|resource| resource["resourceType"] == "Patient")
        .and_then(|patient| patient.pointer("/name/0/text").and_then(Value::as_str))
        .unwrap_or("nobody")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_the_identifiers_of_its_case() {
        let bundle = json!({ "resourceType": "Bundle", "entry": [
            { "resource": { "resourceType": "MessageHeader", "id": "m1",
                "eventCoding": { "code": "referral.accept" } } },
            { "resource": { "resourceType": "Task", "basedOn": [
                { "identifier": { "system": CASE_NUMBER, "value": "R2600000011" } },
                { "identifier": { "system": "urn:tierlink:organisation:330199102", "value": "BM1" } },
                { "identifier": { "system": "urn:other", "value": "x" } },
            ] } },
        ]});

        let heard = read(Incoming { raw: bundle.to_string().as_bytes(), token: Some("t") });

        assert_eq!((heard.control_id.as_str(), heard.says.as_str()), ("m1", "referral.accept"));
        assert_eq!(heard.ours(), Some("R2600000011"));
        assert_eq!(heard.numbers, ["R2600000011", "BM1"]);
        assert_eq!(heard.token.as_deref(), Some("t"));
    }
}
