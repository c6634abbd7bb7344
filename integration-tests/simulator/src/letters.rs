//! Letters of systems without a profile, with sides, ids and numbers in the hand of whoever writes
//! them: old ones that speak HL7 v2.4, and ones that speak FHIR.
//!
//! Everything else in them is as any simulated hospital writes it, at the present time.

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Act, Case, Charset, Party, Person, Sort, Speaks, Statement, System, new_number, now};

/// Who says something to whom, about which case.
struct About<'a> {
    /// Sender and receiver, as they are called in the message.
    sides: (&'a str, &'a str),
    /// Who calls the case by `own_number`; empty if whoever speaks does not know.
    origin: &'a str,
    own_number: &'a str,
    /// The broker's number of the case, or that of its parent.
    number: Option<&'a str>,
    person: &'a Person,
}

impl About<'_> {
    /// Writes the letter. Without a message id it has a new one.
    fn letter(
        &self,
        system: &System,
        (act, sort): (Act, Sort),
        message_id: Option<&str>,
        answers: Option<&str>,
    ) -> Result<Vec<u8>> {
        let to = Party { code: self.sides.1.to_owned(), ..Party::default() };
        let case = Case {
            sort,
            origin: self.origin.to_owned(),
            own_number: self.own_number.to_owned(),
            patient: self.person.clone(),
            experts: Vec::new(),
        };
        let number = self.number.map(str::to_owned);
        let statement = Statement {
            by: system,
            act,
            case: &case,
            to: act.names_somebody().then_some(&to),
            message_id: message_id.map_or_else(|| system.new_message_id(), str::to_owned),
            number: number.clone().filter(|_| !act.asks()),
            parent: number.filter(|_| act.asks()),
            answers: answers.map(str::to_owned),
            now: Timestamp::now(),
        };
        Ok(statement.letter()?.bytes)
    }
}

/// A referral in HL7 v2.4, as an old system writes it.
///
/// `from` is MSH-4 of the sender, `to` what it calls the receiver. The message's control id and
/// business number are given, because the answer must carry them.
pub fn hl7_referral(
    sides: (&str, &str),
    (control_id, own_number): (&str, &str),
    person: &Person,
    charset: Charset,
) -> Result<Vec<u8>> {
    let about = About { sides, origin: sides.0, own_number, number: None, person };
    let system = System::plain(sides.0, Speaks::Hl7v2, charset);
    about.letter(&system, (Act::Refer, Sort::Referral), Some(control_id), None)
}

/// RRI^I12 to a referral or transfer: `status` is RF1-1, `A` or `R`.
///
/// MSA-2 is the control id of the REF^I12 that is answered, RF1-6 its number.
pub fn hl7_answer(
    sides: (&str, &str),
    status: &str,
    (answered, own_number): (&str, &str),
    charset: Charset,
) -> Result<Vec<u8>> {
    let act = if status == "R" { Act::Decline } else { Act::Accept };
    let person = &Person::default();
    let about = About { sides, origin: "", own_number, number: None, person };
    let system = System::plain(sides.0, Speaks::Hl7v2, charset);
    about.letter(&system, (act, Sort::Referral), None, Some(answered))
}

/// ADT^A04 in HL7 v2.4: the patient has come. PV1-5 names the case.
pub fn hl7_visit(
    sides: (&str, &str),
    case_number: &str,
    person: &Person,
    charset: Charset,
) -> Result<Vec<u8>> {
    let about =
        About { sides, origin: "", own_number: case_number, number: Some(case_number), person };
    let system = System::plain(sides.0, Speaks::Hl7v2, charset);
    about.letter(&system, (Act::Receive, Sort::Transfer), None, None)
}

/// A referral as a FHIR system sends it.
pub fn fhir_referral(sides: (&str, &str), own_number: &str, person: &Person) -> Result<Value> {
    let about = About { sides, origin: sides.0, own_number, number: None, person };
    about.bundle((Act::Refer, Sort::Referral))
}

/// A discharge-back transfer. `parent` is the number of the referral that brought the patient up.
pub fn fhir_transfer(
    sides: (&str, &str),
    own_number: &str,
    person: &Person,
    parent: &str,
) -> Result<Value> {
    let about = About { sides, origin: sides.0, own_number, number: Some(parent), person };
    about.bundle((Act::Offer, Sort::Transfer))
}

/// What a FHIR system says about a case: a Task with one of our events.
pub fn fhir_answer(event: &str, sides: (&str, &str), case_number: &str) -> Result<Value> {
    let said = Act::of_kind(event).with_context(|| format!("nobody says {event}"))?;
    let (number, person) = (Some(case_number), &Person::default());
    About { sides, origin: "", own_number: case_number, number, person }.bundle(said)
}

/// A FHIR message: a header with one of our events, and these resources.
#[must_use]
pub fn bundle(event: &str, (from, to): (&str, &str), resources: Vec<Value>) -> Value {
    let endpoint = |code: &str| format!("urn:tierlink:organisation:{code}");
    let header = json!({
        "resourceType": "MessageHeader",
        "id": new_number("FHIR"),
        "eventCoding": { "system": "urn:tierlink:event", "code": event },
        "destination": [{ "endpoint": endpoint(to) }],
        "source": { "endpoint": endpoint(from), "software": "HIS" },
    });
    let entries: Vec<Value> = std::iter::once(header)
        .chain(resources)
        .map(|resource| {
            json!({ "fullUrl": format!("urn:uuid:{}", Uuid::now_v7()), "resource": resource })
        })
        .collect();
    json!({
        "resourceType": "Bundle",
        "id": Uuid::now_v7(),
        "type": "message",
        "timestamp": now(),
        "entry": entries,
    })
}

impl About<'_> {
    fn bundle(&self, said: (Act, Sort)) -> Result<Value> {
        let system = System::plain(self.sides.0, Speaks::Fhir, Charset::Utf8);
        Ok(serde_json::from_slice(&self.letter(&system, said, None, None)?)?)
    }
}
