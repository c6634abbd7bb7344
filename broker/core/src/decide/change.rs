//! What a decision changes, and the event that records it.

use jiff::Timestamp;
use tierlink_schemas::{Kind, Message, OrganisationCode, SystemName};
use uuid::Uuid;

use crate::case::Case;

/// One delivery to be made: a destination and the message for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The organisation to deliver to.
    pub to: OrganisationCode,
    /// The system to deliver to; `None` is the default system.
    pub system: Option<SystemName>,
    /// The id of one of [`Change::messages`].
    pub message: Uuid,
}

/// Everything that a message changes. Written together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The case with the change applied.
    pub case: Case,
    /// The event that records the change.
    pub event: Event,
    /// The messages to store and send, complete with case, context and reply. The first is the
    /// message itself; a second one may restate the request for a new target.
    pub messages: Vec<Message>,
    /// Which message goes to which organisation. Never to the author.
    pub dispatches: Vec<Dispatch>,
}

/// The record of one change of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Number of the event within its case, from 1.
    pub number: u32,
    /// Id of the message that caused it.
    pub message: Uuid,
    /// Kind of that message.
    pub kind: Kind,
    /// The organisation that sent it.
    pub by: OrganisationCode,
    /// Name of the state before; `None` for the event that opened the case.
    pub from_state: Option<&'static str>,
    /// Name of the state after.
    pub to_state: &'static str,
    /// When it was decided, by the broker's clock.
    pub at: Timestamp,
    /// Reason code from the message; `None` if it gave none.
    pub reason: Option<String>,
    /// A remark of the broker: `reviews_skipped`, `overdue:accept`, `rescheduled`.
    pub note: Option<String>,
}
