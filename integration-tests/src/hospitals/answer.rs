//! What hospitals answer, written by hand: ACK, FHIR responses, JSON verdicts.
//!
//! A refusal quotes the patient on purpose. Real systems do, and nothing of it may travel on.

use serde_json::{Value, json};

use super::Turn;
use super::hl7::Hl7;
use super::letters::new_number;

/// An HTTP status, a media type and a body.
pub(super) type HttpAnswer = (u16, &'static str, String);

/// The ACK to a message; `None` to close without one.
pub(super) fn hl7(message: &Hl7, turn: Turn) -> Option<Vec<u8>> {
    let id = message.field("MSH", 10);
    let patient = message.component("PID", 5, 1);
    let (code, id, text, error) = match turn {
        Turn::Take | Turn::Late => ("AA", id, String::new(), None),
        Turn::Refuse | Turn::TwoMinds => {
            ("AE", id, format!("cannot register {patient}"), Some("101"))
        }
        Turn::NotNow => ("AR", id, format!("record of {patient} is locked"), Some("206")),
        Turn::OtherId => ("AA", "SOMETHINGELSE0001", String::new(), None),
        Turn::Garbage => return Some(format!("ORA-01400: cannot insert {patient}").into_bytes()),
        Turn::Mute | Turn::Silent => return None,
    };
    let error =
        error.map_or_else(String::new, |error| format!("ERR|PID^1^5^{error}&{patient}&HL70357\r"));
    let answer = format!(
        "MSH|^~\\&|{}|{}|{}|{}|20260301080000||ACK^{}|A{id}|P|{}||||||UNICODE UTF-8\r\
         MSA|{code}|{id}|{text}\r{error}",
        message.field("MSH", 5),
        message.field("MSH", 6),
        message.field("MSH", 3),
        message.field("MSH", 4),
        message.component("MSH", 9, 2),
        message.field("MSH", 12),
    );
    Some(answer.into_bytes())
}

/// The answer of a FHIR server; `None` to close without one.
pub(super) fn fhir(message: &Value, turn: Turn) -> Option<HttpAnswer> {
    const FHIR: &str = "application/fhir+json";
    let quoted = patient_of(message);
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
            "id": uuid::Uuid::now_v7(),
            "eventCoding": message["entry"][0]["resource"]["eventCoding"],
            "source": { "endpoint": "urn:example:hospital" },
            "response": { "identifier": id, "code": "ok" },
        });
        let bundle = json!({
            "resourceType": "Bundle", "type": "message", "entry": [{ "resource": header }],
        });
        (200, FHIR, bundle.to_string())
    };
    match turn {
        Turn::Take | Turn::Late => Some(taken(&message["entry"][0]["resource"]["id"])),
        Turn::OtherId => Some(taken(&json!(uuid::Uuid::now_v7()))),
        Turn::Refuse | Turn::TwoMinds => Some((422, FHIR, outcome("required"))),
        Turn::NotNow => Some((503, FHIR, outcome("transient"))),
        Turn::Garbage => Some((200, "text/html", format!("<html>{quoted}</html>"))),
        Turn::Mute | Turn::Silent => None,
    }
}

/// The answer of a webhook; `None` to close without one.
pub(super) fn json(message: &Value, turn: Turn) -> Option<HttpAnswer> {
    const JSON: &str = "application/json";
    let quoted = patient_of(message);
    match turn {
        Turn::Take | Turn::Late => {
            let number = new_number("IN");
            Some((200, JSON, json!({ "verdict": "accepted", "number": number }).to_string()))
        }
        Turn::Refuse | Turn::TwoMinds => {
            let problem = json!({ "code": "H422", "field": "body.patient.name", "text": quoted });
            let body = json!({ "verdict": "refused", "problems": [problem] });
            Some((422, "application/problem+json", body.to_string()))
        }
        Turn::NotNow => Some((503, "text/plain", quoted)),
        // A webhook answers the request itself, so it cannot answer another one.
        Turn::OtherId | Turn::Garbage => Some((302, "text/html", quoted)),
        Turn::Mute | Turn::Silent => None,
    }
}

fn patient_of(message: &Value) -> String {
    let name = message
        .pointer("/body/patient/name")
        .or_else(|| message.pointer("/context/patient/name"))
        .and_then(Value::as_str);
    let entries = message["entry"].as_array().into_iter().flatten();
    let named = entries
        .map(|entry| &entry["resource"])
        .find(|resource| resource["resourceType"] == "Patient")
        .and_then(|patient| patient.pointer("/name/0/text").and_then(Value::as_str));
    name.or(named).unwrap_or("nobody").to_owned()
}
