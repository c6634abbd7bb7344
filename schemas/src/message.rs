//! The canonical message: one statement by one organisation about one case.
//!
//! ```text
//!   Envelope { who says it, when, about which case, … , body }
//!                                                        └─ one of the kinds of `kind.rs`
//! ```
//!
//! `Message` is the envelope around any body. Three ids live different lives (BaRS: request id,
//! correlation id, business number): `id` names this statement, `case` the journey, and `numbers`
//! what the hospitals print on paper.
//!
//! This file holds no rules about content; `check.rs` does.

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

/// Longest message id that a source may use for its own message.
pub const SOURCE_MESSAGE_ID_LENGTH_MAX: usize = 200;

/// Who says it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The organisation.
    pub organisation: OrganisationCode,
    /// Its system, such as the application named in MSH-3.
    #[schemars(length(max = 200))]
    pub system: Option<String>,
    /// Its own id for this message. Together with the organisation it makes repeats visible.
    #[schemars(length(min = 1, max = 200))]
    pub message_id: String,
}

/// A number that an organisation prints on paper for a case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessNumber {
    /// Whose number.
    pub organisation: OrganisationCode,
    /// The number.
    #[schemars(length(min = 1, max = 100))]
    pub number: String,
}

/// Which case a message is about, by every number that is known for it.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CaseRef {
    /// Our id, once the case exists.
    pub id: Option<Uuid>,
    /// Our number, once the case exists.
    pub number: Option<CaseNumber>,
    /// The hospitals' own numbers, one per organisation.
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
    /// The case that this one follows from, as whoever opens it says.
    pub parent: Option<CaseNumber>,
}

impl CaseRef {
    /// What `organisation` calls the case.
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
    /// Our id of the answered message.
    pub id: Option<Uuid>,
    /// Who sent the answered message.
    pub organisation: Option<OrganisationCode>,
    /// Its id at the sender (MSH-10). On the way in: the id as the answering side received it,
    /// which is our control id.
    #[schemars(length(max = 200))]
    pub message_id: Option<String>,
}

/// Something of the source's message that has no canonical field: kept, so that no text is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// Where it stood in the source's format, such as `ZPI-3` or `ServiceRequest.extension[0]`.
    #[schemars(length(max = 200))]
    pub path: String,
    /// What stood there.
    #[schemars(length(max = 65536))]
    pub text: String,
}

/// What a receiver needs beside an answer to make sense of it: who the case is about.
///
/// The broker fills it in on the way out; nobody sends it in.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// The patient, as last stated.
    pub patient: Patient,
    /// The origin, as last stated.
    pub from: Party,
    /// The target now.
    pub to: Party,
    /// Diagnoses, as last stated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnoses: Vec<Diagnosis>,
    /// The appointment that stands.
    pub appointment: Option<Appointment>,
    /// The direction of a referral.
    pub direction: Option<Direction>,
}

/// The envelope around a body. Use [`Message`]; the parameter exists for the JSON Schemas.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Envelope<B> {
    /// The version of this schema.
    #[schemars(length(max = 8))]
    pub schema: String,
    /// Our id, a UUIDv7. Absent on the way in over native JSON: the broker gives it.
    #[serde(default)]
    pub id: Uuid,
    /// What the message says.
    kind: Kind,
    /// Which case. Absent on a first submit.
    #[serde(default)]
    pub case: CaseRef,
    /// Who says it.
    pub source: Source,
    /// Who must hear of it. On the way in usually empty: the core decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub destinations: Vec<OrganisationCode>,
    /// When it happened, by the source's clock.
    pub occurred_at: Timestamp,
    /// When we took it, by our clock.
    pub received_at: Option<Timestamp>,
    /// Which message it answers.
    pub in_reply_to: Option<ReplyTo>,
    /// Which message made us write this one.
    pub caused_by: Option<Uuid>,
    /// How urgent. Required where a case is opened; later messages inherit it.
    pub priority: Option<Priority>,
    /// W3C `traceparent` of the sender, if any.
    #[schemars(length(max = 64))]
    pub trace: Option<String>,
    /// What has no canonical field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20000))]
    pub extras: Vec<Extra>,
    /// Who the sender believes the case is about, in a message that does not state the whole
    /// request: compared, never stored.
    pub subject: Option<Patient>,
    /// Who the case is about, on the way out.
    pub context: Option<Context>,
    /// What is said.
    pub body: B,
}

/// One canonical statement.
pub type Message = Envelope<Body>;

impl Message {
    /// A statement about no case yet, with everything optional left open.
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

    /// What it says.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Replaces the body, and with it the kind.
    pub fn set_body(&mut self, body: Body) {
        self.kind = body.kind();
        self.body = body;
    }

    /// Reads the same statement as one of another family, where the verb exists there.
    ///
    /// Formats that do not say which family a case is of (a cancel, an appointment) need this once
    /// the case is found. Gives the message back unchanged if the family has no such verb.
    pub fn adapted(mut self, family: Family) -> Result<Self, Box<Self>> {
        match self.body.clone().adapted(family) {
            Some(body) => {
                self.set_body(body);
                Ok(self)
            }
            None => Err(Box::new(self)),
        }
    }

    /// The id under which hospitals see this message on the wire (MSH-10): the same at every try.
    ///
    /// 20 characters, because that is all that HL7 v2.3 to v2.6 allow: Crockford base 32 of the
    /// first 100 bits of the id, time and enough chance to be unique.
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

    /// Remembers what `organisation` calls the case. Empty and overlong numbers are left out.
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

/// Reads an envelope first and then the body that its kind asks for.
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

/// Reads a message from its canonical bytes.
pub fn from_slice(bytes: &[u8]) -> Result<Message, serde_json::Error> {
    from_value(serde_json::from_slice(bytes)?)
}

/// Writes the canonical bytes. Field order is that of the types, so equal messages are equal bytes.
#[must_use]
pub fn to_vec(message: &Message) -> Vec<u8> {
    serde_json::to_vec(message)
        .unwrap_or_else(|_| unreachable!("canonical types have string keys and no failing writers"))
}

/// The same for a message that is expected to fill about `bytes`: a buffer that has to grow is
/// copied each time.
#[must_use]
pub fn to_vec_of(message: &Message, bytes: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(bytes);
    write_to(message, &mut buffer)
        .unwrap_or_else(|_| unreachable!("canonical types have string keys, and a Vec grows"));
    buffer
}

/// Writes the canonical bytes into `into`, such as a hash, without keeping them in memory.
pub fn write_to(message: &Message, into: impl std::io::Write) -> Result<(), serde_json::Error> {
    serde_json::to_writer(into, message)
}

/// Never used through serde's own `Deserialize`: the body's type follows from the kind.
impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("read canonical messages with tierlink_schemas::message"))
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The wire id of the message with this id. See [`Message::control_id`].
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

/// The first and last message id that have this wire id, for finding the message again.
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
