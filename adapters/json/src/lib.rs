//! Native JSON: the canonical message itself, for hospitals that write their own client.
//!
//! ```text
//!   bytes ─strict─▶ JSON ─tidy─▶ our fields filled ─maps─▶ our codes ─schema─▶ canonical message
//!            │         │                         │          │
//!            └─────────┴── deviations            └──────────┴── problems, all at once
//! ```
//!
//! A client validates against `schemas/json/<kind>.schema.json` and posts. One answer reports all
//! its mistakes, each with the field's path and the fix, and without any value of the message.
//!
//! Outgoing messages are the canonical bytes with the receiver's own codes. A code that its map
//! lacks is the only possible loss.
//!
//! Deliberately absent: sockets, clocks, and what a message means for its case.

mod answers;
mod codes;
mod decode;
mod maps;
mod strict;
mod tidy;

use tierlink_codec::{
    Answer, Answered, CodeMaps, Codec, Decoded, Encoded, Reading, Reply, Sender, Transport, Writing,
};
use tierlink_schemas::{Message, OrganisationCode, Problem, message};

pub use strict::{DEPTH_MAX, MESSAGE_BYTES_MAX, VALUES_MAX};

/// The native JSON codec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn transports(&self) -> &'static [Transport] {
        &[Transport::Http]
    }

    fn has_receipts(&self) -> bool {
        true
    }

    fn sender(&self, bytes: &[u8]) -> Sender {
        decode::sender(bytes)
    }

    fn decode(&self, bytes: &[u8], with: &Reading<'_>) -> Decoded {
        decode::decode(bytes, with).read_with(&CodeMaps::of(with.profile))
    }

    fn encode(
        &self,
        message: &Message,
        _to: &OrganisationCode,
        with: &Writing<'_>,
    ) -> Result<Encoded, Vec<Problem>> {
        let maps = CodeMaps::of(with.profile);
        let code_maps = maps.version();
        let (bytes, losses) = if code_maps.is_some() {
            maps::write(message, &maps)?
        } else {
            (message::to_vec(message), Vec::new())
        };
        Ok(Encoded {
            bytes: bytes.into(),
            media_type: answers::JSON,
            control_id: message.control_id(),
            losses,
            code_maps,
        })
    }

    fn answer(&self, _arrived: &[u8], reply: &Reply<'_>, _with: &Reading<'_>) -> Answer {
        answers::write(reply)
    }

    fn read_answer(
        &self,
        _control_id: &str,
        answer: &[u8],
        status: Option<u16>,
        _with: &Writing<'_>,
    ) -> Answered {
        answers::read(answer, status)
    }
}
