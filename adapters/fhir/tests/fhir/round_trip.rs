//! What goes out in FHIR comes back as it was: every kind, and every field that its schema has.
//!
//! The second half fills every field that the JSON Schema of a kind names, so a field that is added
//! to the canonical schema is tried here without a new test.

use std::collections::BTreeSet;

use crate::county::{self, COUNTY, HOSPITAL, reading, writing};
use serde_json::{Map, Value, json};
use tierlink_codec::{Codec, FamilyKnown};
use tierlink_fhir::Fhir;
use tierlink_schemas::kind::Body;
use tierlink_schemas::message::{self, Context, Message, ReplyTo};
use tierlink_schemas::{CaseNumber, Kind, OrganisationCode};

/// Writes a message for `to`, reads it as sent by `source`, and compares.
fn check(message: &Message) {
    let county = county::open();
    let to = OrganisationCode::new(county::other(message)).unwrap();
    let encoded = Fhir.encode(message, &to, &writing(&county, to.as_str())).unwrap();
    assert_eq!(encoded.losses, [], "{}", message.kind());

    let source = message.source.organisation.as_str();
    let decoded = Fhir.decode(&encoded.bytes, &reading(&county, source));
    let (found, family) =
        decoded.outcome.unwrap_or_else(|problems| panic!("{}: {problems:?}", message.kind()));

    let mut expected = message.clone();
    expected.id = found.id;
    expected.received_at = found.received_at;
    // Only the broker hears numbers that nobody claims: what it sends says whose each one is.
    expected.case.unassigned.clear();
    expected.source.message_id = message.id.to_string();
    expected.destinations.clone_from(&found.destinations);
    // Who an answer is about comes back as what its sender believes.
    expected.subject = expected.context.take().map(|context| context.patient);
    expected.in_reply_to.clone_from(&found.in_reply_to);
    if message.kind().states_request() {
        assert_eq!(found.extras, message.extras, "{}", message.kind());
    } else {
        // Who the case is about has no place in what is said about it, and is kept beside it.
        expected.extras.clone_from(&found.extras);
        for extra in &message.extras {
            assert!(found.extras.contains(extra), "{}", message.kind());
        }
        if message.context.is_none() {
            assert_eq!(found.extras, message.extras, "{}", message.kind());
        }
    }
    let (found, expected) = (flat(&found), flat(&expected));
    let lost: Vec<_> = expected.difference(&found).collect();
    let invented: Vec<_> = found.difference(&expected).collect();
    assert!(
        lost.is_empty() && invented.is_empty(),
        "{}: lost {lost:#?}, invented {invented:#?}",
        message.kind()
    );
    assert_eq!(family, FamilyKnown::Stated);
    assert_eq!(decoded.deviations, [], "{}", message.kind());
}

/// Every value of a message with its path, so that a difference is short to read.
fn flat(message: &Message) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    walk(member, &format!("{path}.{name}"), found);
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    walk(item, &format!("{path}[{at}]"), found);
                }
            }
            leaf => {
                found.insert(format!("{path} = {leaf}"));
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&serde_json::to_value(message).unwrap(), "", &mut found);
    found
}

#[test]
fn every_example_comes_back() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/examples");
    let mut seen = 0;
    for kind in Kind::ALL {
        let Ok(bytes) = std::fs::read(format!("{folder}/{kind}.json")) else {
            continue;
        };
        let message = message::from_slice(&bytes).unwrap();
        check(&message);
        seen += 1;
    }
    assert!(seen > 0, "no examples in {folder}");
}

#[test]
fn every_field_of_every_kind_comes_back() {
    for kind in Kind::ALL {
        check(&full(*kind));
    }
}

#[test]
fn the_same_message_gives_the_same_bytes_and_another_destination_another_bundle() {
    let county = county::open();
    let message = full(Kind::ReferralSubmit);
    let to = |code: &str| {
        let code = OrganisationCode::new(code).unwrap();
        Fhir.encode(&message, &code, &writing(&county, code.as_str())).unwrap()
    };

    assert_eq!(to(HOSPITAL).bytes, to(HOSPITAL).bytes);
    assert_ne!(to(HOSPITAL).bytes, to(county::CITY).bytes);
    assert_eq!(to(HOSPITAL).control_id, message.id.to_string());
}

#[test]
fn the_one_who_asked_hears_its_own_id_and_others_hear_ours() {
    let county = county::open();
    let mut message = full(Kind::ReferralAccept);
    let ours = uuid::Uuid::from_u128(0x0192_3c4d_5e6f_7a8b_9c0d_1e2f_3a4b_5c6d);
    message.in_reply_to = Some(ReplyTo {
        id: Some(ours),
        organisation: Some(OrganisationCode::new(county::TOWNSHIP).unwrap()),
        message_id: Some("HIS-1".to_owned()),
    });
    let answered = |to: &str| {
        let to = OrganisationCode::new(to).unwrap();
        let encoded = Fhir.encode(&message, &to, &writing(&county, to.as_str())).unwrap();
        let bundle: Value = serde_json::from_slice(&encoded.bytes).unwrap();
        bundle["entry"][0]["resource"]["response"]["identifier"].clone()
    };

    assert_eq!(answered(county::TOWNSHIP), "HIS-1");
    assert_eq!(answered(county::CITY), ours.to_string());
}

#[test]
fn an_answer_tells_its_receiver_whom_it_is_about() {
    let county = county::open();
    let Body::ReferralSubmit(request) = full(Kind::ReferralSubmit).body else { panic!() };
    let mut message = full(Kind::ReferralAccept);
    message.context = Some(Context {
        patient: request.patient.clone(),
        from: request.from,
        to: request.to,
        diagnoses: request.clinical.diagnoses,
        appointment: None,
        direction: request.direction,
    });
    check(&message);
    let to = OrganisationCode::new(county::TOWNSHIP).unwrap();
    let encoded = Fhir.encode(&message, &to, &writing(&county, to.as_str())).unwrap();
    let text = String::from_utf8(encoded.bytes.into()).unwrap();

    assert!(text.contains("\"Patient\""));
    assert!(text.contains(&serde_json::to_string(&request.patient.name).unwrap()));
}

/// A message of a kind with every field filled that its schema has.
fn full(kind: Kind) -> Message {
    let schema = serde_json::to_value(tierlink_schemas::schema::of(kind)).unwrap();
    let mut value = Filler { schema: &schema }.fill(&schema, "message");
    let (from, to) = match kind.family() {
        tierlink_schemas::Family::Transfer => (HOSPITAL, county::TOWNSHIP),
        _ => (county::TOWNSHIP, HOSPITAL),
    };
    value["schema"] = json!(message::SCHEMA_VERSION);
    value["source"]["organisation"] = json!(from);
    value["id"] = json!("01923c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d");
    value.as_object_mut().unwrap().remove("context");
    value.as_object_mut().unwrap().remove("subject");
    value.as_object_mut().unwrap().remove("in_reply_to");
    value["case"]["numbers"] = json!([{ "organisation": COUNTY, "number": "Z-77" }]);
    let body = &mut value["body"];
    if kind.states_request() {
        body["from"]["organisation"] = json!(from);
        body["to"]["organisation"] = json!(to);
        body["patient"]["document"]["kind"] = json!("03");
        if body.get("direction").is_some() {
            body["direction"] = json!("up");
        }
    }
    message::from_value(value).unwrap()
}

struct Filler<'a> {
    schema: &'a Value,
}

impl Filler<'_> {
    fn fill(&self, at: &Value, name: &str) -> Value {
        if let Some(reference) = at["$ref"].as_str() {
            let definition = reference.strip_prefix("#/$defs/").unwrap();
            return match definition {
                "OrganisationCode" => json!(COUNTY),
                "CaseNumber" => json!(CaseNumber::build('R', 2026, 77)),
                _ => self.fill(&self.schema["$defs"][definition], name),
            };
        }
        if let Some(value) = at.get("const") {
            return value.clone();
        }
        for choice in ["oneOf", "anyOf", "enum"] {
            if let Some(last) = at[choice].as_array().and_then(|all| all.last()) {
                return if choice == "enum" { last.clone() } else { self.fill(last, name) };
            }
        }
        if let Some(properties) = at["properties"].as_object() {
            let members = properties.iter().map(|(name, at)| (name.clone(), self.fill(at, name)));
            return Value::Object(members.collect::<Map<_, _>>());
        }
        match (at["type"].as_str(), at["format"].as_str()) {
            (Some("object"), _) => json!({}),
            (Some("array"), _) => {
                let items = &at["items"];
                json!([
                    self.fill(items, &format!("{name}-a")),
                    self.fill(items, &format!("{name}-b"))
                ])
            }
            (Some("boolean"), _) => json!(true),
            (Some("integer" | "number"), _) => json!(7),
            (Some("string"), Some("date-time")) => json!("2026-11-21T01:02:03Z"),
            (Some("string"), Some("date")) => json!("1950-01-01"),
            (Some("string"), Some("uuid")) => json!("01923c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6e"),
            (Some("string"), _) => json!(text(name, at["maxLength"].as_u64())),
            (kind, _) => panic!("{name}: {kind:?} in {at}"),
        }
    }
}

/// A text with all that is hard: a rare character, a quotation mark, spaces at the ends.
fn text(name: &str, most: Option<u64>) -> String {
    let text = match name {
        "value" => "7.10".to_owned(),
        _ => format!(" 𠮷·\"{name}\" "),
    };
    // Codes and numbers are read without the spaces around them.
    let most = usize::try_from(most.unwrap_or(100)).unwrap();
    let short = most <= 128;
    let text = if short { text.trim().to_owned() } else { text };
    text.chars().take(most).collect::<String>().trim_end_matches(['"', ' ']).to_owned()
}
