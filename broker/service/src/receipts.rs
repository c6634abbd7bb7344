//! Reads the receipts that adapters beside hospitals write to `tierlink.receipts`.
//!
//! Whoever has the RabbitMQ user of one hospital can write there what they like, and operators read
//! what becomes of it. So a receipt is read as strictly as a message: bounded, each name known and
//! there once, and nothing that it says in words is kept. Its codes and the names of fields are
//! enough to act on; the words are ours.
//!
//! Deliberately not here: whether the delivery is one of the sender's lane. That needs the store.

use tierlink_bus::Parcel;
use tierlink_codec::strict_json::{self, JsonLimits, Numbers};
use tierlink_core::delivery::Outcome;
use tierlink_edge::lane::{UNREADABLE, read_parcel_id};
use tierlink_schemas::answer::{Receipt, ReceiptOutcome};
use tierlink_schemas::delivery::{BodyHash, DeliveryId};
use tierlink_schemas::{LaneName, Problem, outside, schema};

/// Largest receipt, in bytes. One with a hundred problems has a quarter of it.
pub const RECEIPT_BYTES_MAX: usize = 64 * 1024;

/// Most problems of a receipt that are passed on.
const PROBLEMS_MAX: usize = 20;

/// Most tries that a receipt may speak of. Three days of one try each second are fewer.
const ATTEMPTS_MAX: u32 = 1_000_000;

/// Member of a receipt beside those of its schema: SHA-256 of the body that the adapter read, in
/// hexadecimal digits.
const BODY_HASH: &str = "body_sha256";

const LIMITS: JsonLimits = JsonLimits {
    bytes_max: RECEIPT_BYTES_MAX,
    // A receipt, its problems, a problem, a text.
    depth_max: 4,
    values_max: 1_000,
    numbers: Numbers::Read,
};

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The delivery that it is about.
    pub id: DeliveryId,
    /// How its last try ended.
    pub outcome: Outcome,
    /// Tries so far, as the adapter counted them.
    pub attempts: u32,
    /// The hash of the body that the adapter read. It cannot ask the store what is true, so the
    /// broker looks afterwards.
    pub body_hash: BodyHash,
}

/// Reads the receipt that the adapter of the lane `from` has sent. An error says what is wrong with
/// it, without any of its content.
pub fn read(parcel: &Parcel, from: &LaneName) -> Result<Said, &'static str> {
    let read = strict_json::read(&parcel.body, &LIMITS)
        .map_err(|_place| "it is no JSON, or longer or deeper than a receipt")?;
    if !read.twice.is_empty() {
        return Err("it says something twice");
    }
    let mut value = read.value;
    let stated = value.as_object_mut().and_then(|receipt| receipt.remove(BODY_HASH));
    let body_hash = stated
        .as_ref()
        .and_then(|stated| BodyHash::read_hex(stated.as_str()?))
        .ok_or("it does not say in `body_sha256` which body was read")?;
    let receipt: Receipt =
        serde_json::from_value(value).map_err(|_quotes| "it does not follow the schema")?;
    if receipt.destination != *from.organisation() {
        return Err("it speaks for another organisation");
    }
    let id = DeliveryId { message: receipt.of, to: receipt.destination };
    // Its round counts for the delivery of its name, so both must name the same one.
    if read_parcel_id(&parcel.id).as_ref() != Some(&id) {
        return Err("it speaks of another delivery than its name");
    }
    if receipt.attempts > ATTEMPTS_MAX {
        return Err("it counts more tries than can be");
    }
    let problems = || receipt.problems.iter().take(PROBLEMS_MAX).map(retold).collect();
    let outcome = match receipt.outcome {
        ReceiptOutcome::Delivered => {
            Outcome::Taken { number: receipt.number.as_deref().and_then(outside::number) }
        }
        ReceiptOutcome::Refused => Outcome::Refused { problems: problems() },
        ReceiptOutcome::Unsendable => Outcome::Unsendable { problems: problems() },
        ReceiptOutcome::Silent => Outcome::GaveUp { problems: problems() },
        ReceiptOutcome::Withdrawn => {
            return Err("only a person at the broker can withdraw a delivery");
        }
    };
    Ok(Said { id, outcome, attempts: receipt.attempts, body_hash })
}

/// A problem of an adapter in our words. Its own may quote a patient.
fn retold(problem: &Problem) -> Problem {
    let field = if schema::some_kind_knows(&problem.field) { &problem.field } else { "receipt" };
    match outside::code(problem.code.as_str()) {
        Some(_) => Problem::new(
            problem.code.clone(),
            field,
            "told by the adapter beside the hospital; its own log says more",
        ),
        None => Problem::new(
            UNREADABLE,
            field,
            "told by the adapter beside the hospital without a code of ours; its own log says more",
        ),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};
    use tierlink_bus::Lane;
    use uuid::Uuid;

    use super::*;

    const FROM: &str = "330199001";
    const MESSAGE: Uuid = Uuid::from_u128(7);

    fn receipt(change: impl FnOnce(&mut Value)) -> Value {
        let mut receipt = json!({
            "of": MESSAGE, "destination": FROM, "outcome": "refused", "attempts": 2,
            "body_sha256": BodyHash::of(b"body").hex(),
            "problems": [{ "code": "D035", "field": "body.patient.name", "text": "no" }],
        });
        change(&mut receipt);
        receipt
    }

    fn heard_bytes(body: Vec<u8>) -> Result<Said, &'static str> {
        let parcel = Parcel {
            lane: Lane::new(FROM).unwrap(),
            id: format!("{MESSAGE}@{FROM}"),
            round: 1,
            number: 1,
            body: Bytes::from(body),
        };
        read(&parcel, &FROM.parse().unwrap())
    }

    fn heard(receipt: &Value) -> Result<Said, &'static str> {
        heard_bytes(receipt.to_string().into_bytes())
    }

    fn problems(said: &Said) -> &[Problem] {
        said.outcome.problems()
    }

    #[test]
    fn a_receipt_keeps_its_codes_and_fields_and_loses_its_words() {
        let said = heard(&receipt(|_| {})).unwrap();

        assert_eq!((said.attempts, problems(&said).len()), (2, 1));
        assert_eq!(said.body_hash, BodyHash::of(b"body"));
        let problem = &problems(&said)[0];
        assert_eq!((problem.code.as_str(), problem.field.as_str()), ("D035", "body.patient.name"));
        assert!(!problem.text.contains("no;") && problem.text.contains("adapter"));
    }

    #[test]
    fn what_operators_would_read_is_filtered() {
        let evil = "\u{1b}[2J汪德福 990101195001010010 13900000001";
        let said = heard(&receipt(|it| {
            it["problems"] = json!([{ "code": evil, "field": evil, "text": evil.repeat(500) }]);
        }))
        .unwrap();

        let told = serde_json::to_string(&said.outcome).unwrap();
        for value in ["\\u001b", "\u{1b}", "汪德福", "990101", "139000"] {
            assert!(!told.contains(value), "{told}");
        }
        let taken = heard(&receipt(|it| {
            it["outcome"] = json!("delivered");
            it["number"] = json!(evil);
        }));
        assert_eq!(taken.unwrap().outcome, Outcome::Taken { number: None });
    }

    #[test]
    fn what_is_not_a_receipt_to_the_letter_is_refused() {
        type Change = fn(&mut Value);
        let wrong: [(&str, Change); 11] = [
            ("no hash", |it| drop(it.as_object_mut().unwrap().remove("body_sha256"))),
            ("half a hash", |it| it["body_sha256"] = json!("ba7816bf")),
            ("an unknown field", |it| it["patient"] = json!("汪德福")),
            ("an unknown field of a problem", |it| it["problems"][0]["value"] = json!("汪")),
            ("another organisation", |it| it["destination"] = json!("330199002")),
            ("another delivery", |it| it["of"] = json!(Uuid::from_u128(8))),
            ("an unknown outcome", |it| it["outcome"] = json!("lost")),
            ("a withdrawal", |it| it["outcome"] = json!("withdrawn")),
            ("too many tries", |it| it["attempts"] = json!(2_000_000)),
            ("200 kB", |it| it["problems"][0]["text"] = json!("长".repeat(70_000))),
            ("a flood of problems", |it| {
                let problem = it["problems"][0].clone();
                it["problems"] = Value::from(vec![problem; 1_000]);
            }),
        ];
        for (what, change) in wrong {
            assert!(heard(&receipt(change)).is_err(), "{what}");
        }
        let twice = receipt(|_| {}).to_string().replacen('{', "{\"outcome\":\"delivered\",", 1);
        assert!(heard_bytes(twice.into_bytes()).is_err(), "an outcome twice");
        assert!(heard_bytes(b"\xff\xfe".to_vec()).is_err(), "no text");
    }
}
