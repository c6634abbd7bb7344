//! FHIR R4 messaging to canonical and back, without any input or output.
//!
//! ```text
//!   bytes ─json─▶ tree ─bundle─▶ resources ─events─▶ meaning ─request | statement─▶ message
//!   message ─encode─▶ Bundle { MessageHeader, …, ServiceRequest, Task } ─▶ bytes
//! ```
//!
//! Which element holds which field is the table in `MAPPING.md`. What FHIR has no element for goes
//! into extensions (`extension.rs`), and what a sender's Bundle holds beyond the canonical schema
//! becomes the message's extras (`leftovers.rs`), so no text is lost either way.
//!
//! Read `decode.rs` first, then `events.rs`, where it is decided what a message means.
//!
//! Deliberately absent: typed models of all of FHIR, validation against profiles, terminology
//! servers, XML, sockets and clocks.

mod address;
mod answer;
mod appointment;
mod asking;
mod bars;
mod bundle;
mod clinical;
mod codes;
mod decode;
mod encode;
mod events;
mod extension;
mod items;
mod json;
mod leaves;
mod leftovers;
pub mod limits;
mod meaning;
mod medication;
mod metadata;
mod modifiers;
mod names;
mod observation;
mod opened;
mod parts;
mod party;
mod patient;
mod period;
mod reader;
mod remarks;
mod request;
mod safety;
mod settle;
mod statement;
mod subject;
mod systems;
mod telecom;
mod words;
mod writer;

use std::collections::BTreeSet;

use tierlink_codec::{
    Answer, Answered, CodeMaps, Codec, Decoded, Encoded, Reading, Reply, Sender, Transport, Writing,
};
use tierlink_schemas::{Message, OrganisationCode, Problem};

pub use metadata::metadata;

/// The answer to a body that no reader looks into: an OperationOutcome with HTTP status 415.
#[must_use]
pub fn unsupported(problem: &Problem) -> Answer {
    answer::unsupported(problem)
}

/// The elements that reading a message takes, by resource and path without numbers
/// (`Patient.name.text`). For the check that `MAPPING.md` names every one of them.
#[must_use]
pub fn elements_read(bytes: &[u8], with: &Reading<'_>) -> BTreeSet<String> {
    decode::elements_read(bytes, with)
}

/// FHIR R4 messaging, in JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fhir;

impl Codec for Fhir {
    fn name(&self) -> &'static str {
        "fhir"
    }

    fn transports(&self) -> &'static [Transport] {
        &[Transport::Http]
    }

    fn has_receipts(&self) -> bool {
        true
    }

    fn sender(&self, bytes: &[u8]) -> Sender {
        let Ok(bundle) = json::read(bytes).and_then(bundle::Bundle::open) else {
            return Sender::default();
        };
        let Some(header) = bundle.first("MessageHeader") else {
            return Sender { head: opened::keep(bundle), ..Sender::default() };
        };
        let mut names = Vec::new();
        let mut add = |name: Option<&str>| {
            names.extend(name.map(|name| name.trim().to_owned()));
        };
        // Looked at and not taken: decoding takes it.
        let sender = bundle.peek(header, "sender/reference");
        let sender = sender.and_then(|reference| bundle.target(header, reference));
        if let Some(sender) = sender {
            for index in 0..bundle.count(sender, "identifier").min(10) {
                add(bundle.peek(sender, &format!("identifier/{index}/value")));
            }
        }
        add(bundle.peek(header, "sender/identifier/value"));
        let endpoint = bundle.peek(header, "source/endpoint");
        add(endpoint.map(|text| text.strip_prefix(systems::ORGANISATION).unwrap_or(text)));
        add(sender.and_then(|sender| bundle.peek(sender, "name")));
        add(bundle.peek(header, "source/name"));
        add(bundle.peek(header, "source/software"));
        let system = bundle.peek(header, "source/name").map(|name| name.trim().to_owned());
        Sender { names, system, head: opened::keep(bundle) }
    }

    fn decode(&self, bytes: &[u8], with: &Reading<'_>) -> Decoded {
        decode::decode(bytes, with).read_with(&CodeMaps::of(with.profile))
    }

    fn encode(
        &self,
        message: &Message,
        to: &OrganisationCode,
        with: &Writing<'_>,
    ) -> Result<Encoded, Vec<Problem>> {
        encode::encode(message, to, &CodeMaps::of(with.profile))
    }

    fn answer(&self, arrived: &[u8], reply: &Reply<'_>, with: &Reading<'_>) -> Answer {
        answer::answer(arrived, reply, with)
    }

    fn read_answer(
        &self,
        control_id: &str,
        answer: &[u8],
        status: Option<u16>,
        _with: &Writing<'_>,
    ) -> Answered {
        answer::read_answer(control_id, answer, status)
    }
}
