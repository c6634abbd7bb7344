//! Checks a canonical message before the broker decides about it.
//!
//! ```text
//!   message ──check──▶ problems   (refused: every one, with path and fix)
//!                 └──▶ deviations (taken, and noted)
//! ```
//!
//! Each format can get different things wrong, so these checks run on the messages of all of them.
//! All problems are reported at once, because a hospital that can correct only one field per try
//! gives up soon.
//!
//! A problem makes the message useless or unsafe for the receiver and refuses it. What is merely
//! missing on paper is a deviation. No text quotes the message.
//!
//! Not checked here: what the state of the case allows, and who may send what. The
//! core decides that.
//!
//! Each file in `check/` has one topic, and each code a page in `ops/errors/`.

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

/// Returns everything that is wrong with `message`.
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
