//! Native JSON: the canonical message as it is, for hospitals that write a client of their own.
//!
//! ```text
//!   bytes ─strict─▶ JSON ─tidy─▶ ours to fill ─maps─▶ our codes ─schema─▶ canonical message
//!            │         │                         │          │
//!            └─────────┴── deviations            └──────────┴── problems, all at once
//! ```
//!
//! A client validates against `schemas/json/<kind>.schema.json` and posts. What it gets wrong it
//! hears in one answer, each field with its path and the fix, and without a word of its message.
//!
//! Going out, the canonical bytes travel as they are: nothing is lost, so there are no losses.
//!
//! Deliberately absent: sockets, clocks, and what a message means for its case.

mod answers;
mod codes;
mod decode;
mod maps;
mod strict;
mod tidy;

use tierlink_codec::{Answer, Answered, Codec, Decoded, Encoded, Reading, Reply, Sender, Writing};
use tierlink_schemas::{Message, OrganisationCode, Problem, message};

pub use strict::{DEPTH_MAX, MESSAGE_BYTES_MAX, VALUES_MAX};

/// Media type of messages and verdicts.
const JSON: &str = "application/json";

/// The native JSON codec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    fn sender(&self, bytes: &[u8]) -> Sender {
        decode::sender(bytes)
    }

    fn decode(&self, bytes: &[u8], with: &Reading<'_>) -> Decoded {
        decode::decode(bytes, with)
    }

    fn encode(
        &self,
        message: &Message,
        _to: &OrganisationCode,
        _with: &Writing<'_>,
    ) -> Result<Encoded, Vec<Problem>> {
        Ok(Encoded {
            bytes: message::to_vec(message),
            media_type: JSON,
            control_id: message.control_id(),
            losses: Vec::new(),
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
