//! Native JSON: how a hospital reads a message and what its webhook answers, by hand.
//!
//! A refusal quotes the patient on purpose. Real systems do, and nothing of it may travel on.

mod write;

use serde_json::{Value, json};

use crate::desk::{Incoming, Reply};
use crate::{Received, Turn, case_numbers, new_number};

pub(crate) use write::{body, person, write};
pub use write::{canonical, said};

/// Reads a message as it arrived.
pub(crate) fn read(message: Incoming<'_>) -> Received {
    let json: Value = serde_json::from_slice(message.raw).unwrap_or_default();
    let text = String::from_utf8_lossy(message.raw).into_owned();
    let kind = json["kind"].as_str().unwrap_or_default().to_owned();
    let own = json["case"]["numbers"].as_array().into_iter().flatten();
    let numbers = std::iter::once(&json["case"]["number"])
        .chain(own.map(|one| &one["number"]))
        .filter_map(|number| number.as_str().map(str::to_owned))
        .collect();
    Received {
        control_id: json["id"].as_str().unwrap_or_default().to_owned(),
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

/// The answer of a webhook; `None` where this turn gives none.
pub(crate) fn answer(message: &[u8], turn: Turn) -> Option<Reply> {
    const JSON: &str = "application/json";
    let message: Value = serde_json::from_slice(message).unwrap_or_default();
    let quoted = patient_of(&message).to_owned();
    let (status, media_type, body) = match turn {
        Turn::Take | Turn::Late => {
            let number = new_number("IN");
            (200, JSON, json!({ "verdict": "accepted", "number": number }).to_string())
        }
        Turn::Refuse | Turn::TwoMinds => {
            let problem = json!({ "code": "H422", "field": "body.patient.name", "text": quoted });
            let body = json!({ "verdict": "refused", "problems": [problem] });
            (422, "application/problem+json", body.to_string())
        }
        Turn::NotNow => (503, "text/plain", quoted),
        // A webhook answers the request itself, so it cannot answer another one.
        Turn::OtherId | Turn::Garbage => (302, "text/html", quoted),
        Turn::Mute | Turn::Silent => return None,
    };
    Some(Reply { status, media_type, body: body.into_bytes(), retry_after: None })
}

fn patient_of(message: &Value) -> &str {
    message
        .pointer("/body/patient/name")
        .or_else(|| message.pointer("/context/patient/name"))
        .and_then(Value::as_str)
        .unwrap_or("nobody")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_every_number_of_its_case() {
        let message = json!({ "id": "m1", "kind": "receipt", "case": {
            "number": "C2600000011", "numbers": [{ "organisation": "A", "number": "HZ1" }],
        }});

        let heard = read(Incoming { raw: message.to_string().as_bytes(), token: None });

        assert_eq!(heard.numbers, ["C2600000011", "HZ1"]);
        assert_eq!((heard.control_id.as_str(), heard.says.as_str()), ("m1", "receipt"));
    }
}
