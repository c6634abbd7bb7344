//! What a decision changes, and what is recorded of it.

use jiff::Timestamp;
use tierlink_schemas::{Kind, Message, OrganisationCode, SystemName};
use uuid::Uuid;

use crate::case::Case;

/// Who shall hear of it, and which message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The destination.
    pub to: OrganisationCode,
    /// Which system of it; `None` is its default system.
    pub system: Option<SystemName>,
    /// Which of [`Change::messages`].
    pub message: Uuid,
}

/// What changed, to be written together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The case afterwards.
    pub case: Case,
    /// The event.
    pub event: Event,
    /// The messages to remember and to send, complete with case, context and reply: the first is
    /// the message itself, a second one may restate the request for a new target.
    pub messages: Vec<Message>,
    /// Who hears what. Never the author.
    pub dispatches: Vec<Dispatch>,
}

/// What is recorded when a message changed a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number within the case, from 1.
    pub number: u32,
    /// The message.
    pub message: Uuid,
    /// What it said.
    pub kind: Kind,
    /// Who said it.
    pub by: OrganisationCode,
    /// The state before; `None` for the first event.
    pub from_state: Option<&'static str>,
    /// The state after.
    pub to_state: &'static str,
    /// When, by our clock.
    pub at: Timestamp,
    /// Coded reason, if the message gave one.
    pub reason: Option<String>,
    /// What happened beside it: `reviews_skipped`, `overdue:accept`, `rescheduled`.
    pub note: Option<String>,
}
