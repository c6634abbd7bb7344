//! The canonical message: one statement by one organisation about one case.
//!
//! ```text
//!   Envelope { source, time, case, … , body }
//!                                    └─ one of the kinds of `kind.rs`
//! ```
//!
//! `Message` is the envelope around any body. There are three sorts of ids, as in BaRS (request id,
//! correlation id, business number): `id` identifies this message, `case` the case over its whole
//! life, and `numbers` are what the hospitals print on paper.
//!
//! This file has no rules about content; those are in `check.rs`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_with::skip_serializing_none;
use uuid::Uuid;

use crate::answer::Appointment;
use crate::clinical::Diagnosis;
use crate::kind::{Body, Family, Kind};
use crate::names::{BUSINESS_NUMBER_LENGTH_MAX, CaseNumber, OrganisationCode, Priority};
use crate::person::{Party, Patient};
use crate::request::Direction;

/// The version of the canonical schema that this code writes.
pub const SCHEMA_VERSION: &str = "1.0";

/// Longest id, in characters, that a source may give its message.
pub const SOURCE_MESSAGE_ID_LENGTH_MAX: usize = 200;

/// The sender of a message.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Code of the organisation that sends.
    pub organisation: OrganisationCode,
    /// Name of the sending system, such as the application in MSH-3.
    #[schemars(length(max = 200))]
    pub system: Option<String>,
    /// The source's own id for this message. A second message with the same organisation, system
    /// and id is a repeat.
    #[schemars(length(min = 1, max = 200))]
    pub message_id: String,
}

/// A number that an organisation prints on paper for a case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessNumber {
    /// Code of the organisation that uses the number.
    pub organisation: OrganisationCode,
    /// The number, as the organisation writes it.
    #[schemars(length(min = 1, max = 100))]
    pub number: String,
}

/// The case that a message is about, with all numbers known for it.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CaseRef {
    /// The broker's id of the case, a UUIDv7; absent before the case exists.
    pub id: Option<Uuid>,
    /// The broker's number of the case; absent before the case exists.
    pub number: Option<CaseNumber>,
    /// The organisations' own numbers for the case, one for each organisation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub numbers: Vec<BusinessNumber>,
    /// Numbers that the message gives without saying whose they are. The case is looked up by each
    /// of them as the number of any side, within what the sender may see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100)))]
    pub unassigned: Vec<String>,
    /// The state after this message. Filled in by the broker.
    #[schemars(length(max = 40))]
    pub state: Option<String>,
    /// Number of the case that this one follows from. Filled in by the broker, from what the opening
    /// message names.
    pub parent: Option<CaseNumber>,
}

impl CaseRef {
    /// The number that `organisation` uses for the case.
    #[must_use]
    pub fn number_of(&self, organisation: &OrganisationCode) -> Option<&str> {
        self.numbers.iter().find(|n| n.organisation == *organisation).map(|n| n.number.as_str())
    }
}

/// The message that this one answers.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplyTo {
    /// The broker's id of the answered message.
    pub id: Option<Uuid>,
    /// Code of the organisation that sent the answered message.
    pub organisation: Option<OrganisationCode>,
    /// The answered message's id at its sender (MSH-10). In messages to the broker: the id as the
    /// answering side received it, which is the broker's control id.
    #[schemars(length(max = 200))]
    pub message_id: Option<String>,
}

/// Content of the source's message that has no canonical field. Kept, so that no text is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// Path in the source's format, such as `ZPI-3` or `ServiceRequest.extension[0]`.
    #[schemars(length(max = 200))]
    pub path: String,
    /// The content as text.
    #[schemars(length(max = 65536))]
    pub text: String,
}

/// The patient and the present facts of the case, for receivers of messages that do not state
/// the whole request.
///
/// Filled in by the broker in outgoing messages; senders leave it out.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// The patient, as last stated by a request.
    pub patient: Patient,
    /// The origin's side, as last stated by a request.
    pub from: Party,
    /// The target's side now.
    pub to: Party,
    /// Diagnoses, as last stated by a request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnoses: Vec<Diagnosis>,
    /// The current appointment.
    pub appointment: Option<Appointment>,
    /// Direction of the referral.
    pub direction: Option<Direction>,
}

/// The envelope around a body. Use [`Message`]; the type parameter is for generating JSON Schemas.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Envelope<B> {
    /// Version of the canonical schema, such as `1.0`.
    #[schemars(length(max = 8))]
    pub schema: String,
    /// The broker's id of this message, a UUIDv7. Senders leave it out.
    #[serde(default)]
    pub id: Uuid,
    /// Kind of the message, such as `referral.submit`.
    kind: Kind,
    /// The case that it is about. Absent if it opens a case without a number.
    #[serde(default)]
    pub case: CaseRef,
    /// The sender of the message.
    pub source: Source,
    /// Codes of the organisations that it is delivered to. Senders leave it out:
    /// the broker decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub destinations: Vec<OrganisationCode>,
    /// When the event happened that it reports, by the source's clock.
    pub occurred_at: Timestamp,
    /// When the broker received it, by the broker's clock.
    pub received_at: Option<Timestamp>,
    /// The message that it answers.
    pub in_reply_to: Option<ReplyTo>,
    /// Id of the message that made the broker write this one.
    pub caused_by: Option<Uuid>,
    /// Priority of the case. Required to open a case; later messages inherit it.
    pub priority: Option<Priority>,
    /// W3C `traceparent` of the sender.
    #[schemars(length(max = 64))]
    pub trace: Option<String>,
    /// Content of the source's message that has no canonical field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20000))]
    pub extras: Vec<Extra>,
    /// The patient that the sender believes the case to be about, in a message without the whole
    /// request. Compared with the case and never stored.
    pub subject: Option<Patient>,
    /// The patient and present facts of the case. Only in outgoing messages.
    pub context: Option<Context>,
    /// Content of the message. Its type depends on `kind`.
    pub body: B,
}

/// A canonical message of any kind.
pub type Message = Envelope<Body>;

impl Message {
    /// A message with the required parts only.
    #[must_use]
    pub fn new(id: Uuid, source: Source, occurred_at: Timestamp, body: Body) -> Self {
        Self {
            schema: SCHEMA_VERSION.to_owned(),
            id,
            kind: body.kind(),
            case: CaseRef::default(),
            source,
            destinations: Vec::new(),
            occurred_at,
            received_at: None,
            in_reply_to: None,
            caused_by: None,
            priority: None,
            trace: None,
            extras: Vec::new(),
            subject: None,
            context: None,
            body,
        }
    }

    /// The kind of the message.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Replaces the body, and with it the kind.
    pub fn set_body(&mut self, body: Body) {
        self.kind = body.kind();
        self.body = body;
    }

    /// Turns the message into one of another family, if that family has the same verb
    /// and body type.
    ///
    /// Formats that do not state the family of a case (a cancel, an appointment) need this once the
    /// case is found. Returns the message unchanged as an error if the family has no such verb.
    pub fn adapted(mut self, family: Family) -> Result<Self, Box<Self>> {
        match self.body.clone().adapted(family) {
            Some(body) => {
                self.set_body(body);
                Ok(self)
            }
            None => Err(Box::new(self)),
        }
    }

    /// The id of this message in other formats (MSH-10). The same at every try.
    ///
    /// It has 20 characters, the most that HL7 v2.3 to v2.6 allow: the first 100 bits of the id
    /// (time and enough random bits to be unique) in Crockford base 32.
    #[must_use]
    pub fn control_id(&self) -> String {
        control_id(self.id)
    }

    /// The patient, from the body or from the context.
    #[must_use]
    pub fn patient(&self) -> Option<&Patient> {
        self.body.patient().or(self.context.as_ref().map(|c| &c.patient))
    }

    /// The origin's side, from the body or from the context.
    #[must_use]
    pub fn from(&self) -> Option<&Party> {
        self.body.from().or(self.context.as_ref().map(|c| &c.from))
    }

    /// The target's side, from the body or from the context.
    #[must_use]
    pub fn to(&self) -> Option<&Party> {
        self.body.to().or(self.context.as_ref().map(|c| &c.to))
    }

    /// Records the number that `organisation` uses for the case. Ignores empty
    /// and overlong numbers.
    pub fn add_number(&mut self, organisation: OrganisationCode, number: &str) {
        let number = number.trim();
        if number.is_empty() || number.len() > BUSINESS_NUMBER_LENGTH_MAX {
            return;
        }
        if !self.case.numbers.iter().any(|n| n.organisation == organisation) {
            self.case.numbers.push(BusinessNumber { organisation, number: number.to_owned() });
        }
    }
}

/// Reads the envelope first, and then the body by its kind.
pub fn from_value(value: serde_json::Value) -> Result<Message, serde_json::Error> {
    let envelope: Envelope<serde_json::Value> = serde_json::from_value(value)?;
    let body = Body::read(envelope.kind, envelope.body)?;
    Ok(Message {
        schema: envelope.schema,
        id: envelope.id,
        kind: envelope.kind,
        case: envelope.case,
        source: envelope.source,
        destinations: envelope.destinations,
        occurred_at: envelope.occurred_at,
        received_at: envelope.received_at,
        in_reply_to: envelope.in_reply_to,
        caused_by: envelope.caused_by,
        priority: envelope.priority,
        trace: envelope.trace,
        extras: envelope.extras,
        subject: envelope.subject,
        context: envelope.context,
        body,
    })
}

/// Reads a message from canonical bytes.
pub fn from_slice(bytes: &[u8]) -> Result<Message, serde_json::Error> {
    from_value(serde_json::from_slice(bytes)?)
}

/// Writes canonical bytes. Fields are in the order of the types, so equal messages
/// give equal bytes.
#[must_use]
pub fn to_vec(message: &Message) -> Vec<u8> {
    serde_json::to_vec(message)
        .unwrap_or_else(|_| unreachable!("canonical types have string keys and no failing writers"))
}

/// The same for a message of about `bytes` length: a buffer of the right size need not grow, which
/// would copy it each time.
#[must_use]
pub fn to_vec_of(message: &Message, bytes: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(bytes);
    write_to(message, &mut buffer)
        .unwrap_or_else(|_| unreachable!("canonical types have string keys, and a Vec grows"));
    buffer
}

/// Writes canonical bytes to `into`, such as a hash, without keeping them in memory.
pub fn write_to(message: &Message, into: impl std::io::Write) -> Result<(), serde_json::Error> {
    serde_json::to_writer(into, message)
}

/// Not used: the type of a body follows from the kind, which serde's `Deserialize` cannot see.
impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("read canonical messages with tierlink_schemas::message"))
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The control id of the message with this id; see [`Message::control_id`].
#[must_use]
pub fn control_id(id: Uuid) -> String {
    let bits = id.as_u128() >> 28;
    (0..20)
        .rev()
        .map(|place| {
            let five = (bits >> (place * 5)) & 31;
            char::from(CROCKFORD[usize::try_from(five).unwrap_or(0)])
        })
        .collect()
}

/// The first and last message id with this control id, to find the message again.
#[must_use]
pub fn ids_of_control_id(control_id: &str) -> Option<(Uuid, Uuid)> {
    if control_id.len() != 20 {
        return None;
    }
    let mut bits: u128 = 0;
    for letter in control_id.bytes() {
        let five = CROCKFORD.iter().position(|c| *c == letter.to_ascii_uppercase())?;
        bits = (bits << 5) | u128::try_from(five).ok()?;
    }
    let first = bits << 28;
    Some((Uuid::from_u128(first), Uuid::from_u128(first | ((1 << 28) - 1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_id_leads_back_to_its_message() {
        for seed in [1_u128, u128::MAX, 0x0192_3c4d_5e6f_7a8b_9c0d_1e2f_3a4b_5c6d] {
            let id = Uuid::from_u128(seed);

            let (first, last) = ids_of_control_id(&control_id(id)).unwrap();

            assert!(first <= id && id <= last, "{id}");
        }
        assert_eq!(control_id(Uuid::nil()).len(), 20);
        assert_eq!(ids_of_control_id("MSG00001"), None);
    }
}
