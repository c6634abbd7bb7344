//! The arguments and the result of a decision.

use jiff::Timestamp;
use tierlink_schemas::Message;
use uuid::Uuid;

use super::change::Change;
use crate::case::{Booking, Case};
use crate::county::County;
use crate::rule::Refused;

/// A message to decide about, with everything that was looked up for it.
pub struct Ask<'a> {
    /// The message. Its source is authenticated.
    pub message: &'a Message,
    /// Whether the format states the family of the case. If not, the family of the
    /// case found counts.
    pub family_stated: bool,
    /// The case that it names, if one was found (see `find`). The sender may not be allowed
    /// to see it.
    pub case: Option<&'a Case>,
    /// The parent case that an opening message names, if one was found.
    pub parent: Option<&'a Case>,
    /// The message that last stated the case's request; required for the
    /// kinds of [`super::needs_request`].
    pub request: Option<&'a Message>,
    /// Those of [`super::wanted_bookings`] that another case has booked.
    pub taken: &'a [Booking],
    /// The published slot that the appointment names at its sender; `None` if there is none.
    pub slot: Option<SlotUse>,
    /// Organisations and rules.
    pub county: &'a County,
    /// The present time, by the broker's clock.
    pub now: Timestamp,
    /// The counter for a new case number, used only if the message opens a case.
    pub counter: u64,
    /// The id for a second message, used only if the decision writes one: the answer to a query, or
    /// the request restated for a new target.
    pub second_message_id: Uuid,
}

/// How many cases may use a slot, and how many do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotUse {
    /// Number of cases that may use it.
    pub places: u16,
    /// Number of other cases that use it.
    pub used: u16,
}

/// Result of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The case changes.
    Changed(Box<Change>),
    /// The message was a query: nothing changes, and this answers the asker.
    Answered(Box<Message>),
    /// Published slots are stored or withdrawn, as the message says. Nobody is told.
    Noted,
    /// The message is refused.
    Refused(Refused),
}
