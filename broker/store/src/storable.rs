//! Checks which texts a database can keep in a column of their own. PostgreSQL cannot store the NUL
//! character, and an index entry has a limited length.
//!
//! Whole messages are stored as bytes and may contain anything.

use tierlink_core::Change;
use tierlink_schemas::message::SOURCE_MESSAGE_ID_LENGTH_MAX;
use tierlink_schemas::{Body, Code, Message, Problem};

/// Error code: a number or id in the message cannot be stored.
pub const NOT_STORABLE: Code = Code::new("S011");

/// Longest indexed text, in bytes. A PostgreSQL index entry holds at most about 2,700.
const INDEXED_BYTES_MAX: usize = 1_000;

/// Whether a text fits into a column of its own.
pub(crate) fn text(text: &str) -> bool {
    text.len() <= INDEXED_BYTES_MAX && !text.contains('\0')
}

/// The first number or id of an arriving message that cannot be stored.
pub(crate) fn message(message: &Message) -> Option<Problem> {
    let id = &message.source.message_id;
    let fits = text(id) && id.chars().count() <= SOURCE_MESSAGE_ID_LENGTH_MAX;
    if !fits {
        return Some(problem("source.message_id"));
    }
    let numbers = message.case.numbers.iter().all(|number| text(&number.number));
    (!numbers).then(|| problem("case.numbers"))
}

/// The first number or id of a change that cannot be stored.
pub(crate) fn change(change: &Change) -> Option<Problem> {
    let case = &change.case;
    if !case.numbers.iter().all(|number| text(&number.number)) {
        return Some(problem("case.numbers"));
    }
    if !case.bookings.iter().all(|booking| text(&booking.resource)) {
        return Some(problem("body.appointment.experts"));
    }
    let slot = case.context.appointment.as_ref().and_then(|appointment| appointment.slot.as_ref());
    if slot.is_some_and(|slot| !text(slot)) {
        return Some(problem("body.appointment.slot"));
    }
    let event = [&change.event.reason, &change.event.note];
    if event.into_iter().flatten().any(|said| said.contains('\0')) {
        return Some(problem("body.reason"));
    }
    None
}

/// The first number of a published or withdrawn slot that cannot be stored.
pub(crate) fn slots(message: &Message) -> Option<Problem> {
    let fits = if let Body::SlotPublish(publish) = &message.body {
        publish.slots.iter().all(|slot| text(&slot.number) && slot.places > 0)
    } else if let Body::SlotWithdraw(withdraw) = &message.body {
        withdraw.numbers.iter().all(|number| text(number))
    } else {
        true
    };
    (!fits).then(|| problem("body.slots"))
}

fn problem(field: &str) -> Problem {
    Problem::new(
        NOT_STORABLE,
        field,
        "is too long or holds a character that cannot be stored (NUL); send it without",
    )
}
