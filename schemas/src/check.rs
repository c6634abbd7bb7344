//! What must hold in a canonical message before the broker decides about it.
//!
//! ```text
//!   message ──check──▶ problems   (refused: every one, with path and fix)
//!                 └──▶ deviations (taken, and noted)
//! ```
//!
//! Formats differ in what they can get wrong, so the checks stand behind all of them: what passes
//! here is whole, whoever sent it. All problems are found at once, because a hospital that mends
//! one field per try gives up before the fifth.
//!
//! The line between the two: a problem makes the message useless or unsafe for the receiver; what
//! is merely missing on paper is a deviation. Nothing here quotes the message.
//!
//! Deliberately absent: what a case's state allows and who may say what. The core decides that.
//!
//! The topics are the files of `check/`; each code has a page under `ops/errors/`.

mod answers;
mod attachments;
mod bookings;
mod coded;
mod envelope;
mod found;
mod patient;
mod requests;
mod required;
mod results;
mod texts;
mod times;

use crate::message::Message;

pub use found::{Checked, FOUND_MAX, Rules};

/// Finds everything that is wrong with `message`.
#[must_use]
pub fn check(message: &Message, with: &Rules<'_>) -> Checked {
    let value = serde_json::to_value(message).unwrap_or_else(|_| {
        unreachable!("canonical types have string keys and no failing writers")
    });
    let mut found = Checked::default();

    texts::check(message.kind(), &value, &mut found);
    envelope::check(message, with, &mut found);
    requests::check(message, &mut found);
    patient::check(message, with, &mut found);
    answers::check(message, &mut found);
    results::check(message, &mut found);
    bookings::check(message, with, &mut found);
    attachments::check(message.body.attachments(), &mut found);
    coded::check(message, &value, &mut found);
    times::check(&value, with, &mut found);
    required::check(message.kind(), &value, with, &mut found);
    found
}

#[cfg(test)]
mod tests;
