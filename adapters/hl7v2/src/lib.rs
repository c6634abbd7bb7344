//! HL7 v2 to canonical and back, without any input or output.
//!
//! ```text
//!   bytes ─charset─▶ text ─syntax─▶ lines ─tree─▶ values ─read─▶ decode ─▶ canonical message
//!   canonical message ─encode─▶ write ─escape─▶ text ─charset─▶ bytes
//!   bytes of a message + verdict ─ack─▶ answer          answer ─reply─▶ what it means
//! ```
//!
//! Versions 2.3.1 to 2.8. Messages are read tolerantly and every tolerance is a deviation; safety
//! fields are read for certain or refuse the message; no text is lost, because what the canonical
//! message has no place for is kept among its extras.
//!
//! Read in this order: `syntax.rs`, `tree.rs` and `read.rs` (what a message is), `statement.rs`
//! (what it says), `decode.rs` and `encode.rs` (the mapping), `local.rs` (what HL7 has no place
//! for), `ack.rs` and `reply.rs` (answers).
//!
//! Deliberately absent: sockets, framing, clocks, chance. The same bytes, profile and ids give
//! the same result.

mod ack;
mod appointment;
mod attachments;
mod body;
mod canon;
pub mod charset;
mod clinical;
mod decode;
pub mod delimiters;
mod encode;
pub mod escape;
pub mod fault;
pub mod header;
pub mod limits;
mod lists;
mod local;
#[cfg(test)]
mod mapping_tests;
mod names;
pub mod notes;
mod numbers;
mod party;
mod patient;
mod person_names;
mod places;
pub mod read;
mod reply;
mod results;
mod statement;
mod status;
mod subject;
mod substitute;
mod syntax;
mod telecoms;
pub mod time;
pub mod tree;
mod types;
mod words;
pub mod write;

use std::borrow::Cow;

use tierlink_codec::{
    Answer, Answered, CodeMaps, Codec, Decoded, Encoded, Head, Reading, Reply, Sender, Transport,
    Writing,
};
use tierlink_schemas::{Message, OrganisationCode, Problem};

use crate::charset::Wish;
use crate::header::Header;
use crate::notes::Notes;

pub use names::{APPLICATION, LOCAL_SYSTEM, MEDIA_TYPE};

/// The codec of HL7 v2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hl7v2;

impl Codec for Hl7v2 {
    fn name(&self) -> &'static str {
        "hl7v2"
    }

    fn transports(&self) -> &'static [Transport] {
        &[Transport::Mllp, Transport::Http]
    }

    fn has_receipts(&self) -> bool {
        false
    }

    fn sender(&self, bytes: &[u8]) -> Sender {
        let Some(header) = Header::read(bytes, Wish::default()) else { return Sender::default() };
        let [application, ..] = &header.sending_application;
        let system = Some(application.clone()).filter(|name| !name.is_empty());
        Sender { names: header.sender_names(), system, head: Head::of(header) }
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
        encode::encode(message, to, with)
    }

    fn answer(&self, arrived: &[u8], reply: &Reply<'_>, with: &Reading<'_>) -> Answer {
        let wish = decode::wish(with.profile).unwrap_or_default();
        let header = match decode::known_header(with) {
            Some(known) => Some(known),
            None => Header::read(arrived, wish).map(Cow::Owned),
        };
        let control_id = tierlink_schemas::message::control_id(with.id);
        let answering = ack::Answering {
            control_id: &control_id,
            at: with.received_at,
            zone: decode::zone(with.profile),
            version: &with.profile.format.version,
            line_feeds: with.profile.quirks.line_feeds,
        };
        ack::answer(header.as_deref(), reply, &answering)
    }

    fn read_answer(
        &self,
        control_id: &str,
        answer: &[u8],
        _status: Option<u16>,
        with: &Writing<'_>,
    ) -> Answered {
        let tree = decode::wish(with.profile)
            .and_then(|wish| decode::open(answer, wish, &mut Notes::default()));
        reply::read(control_id, tree, with.profile)
    }
}
