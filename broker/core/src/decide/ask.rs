//! What is asked of the core, and what it answers.

use jiff::Timestamp;
use tierlink_schemas::Message;
use uuid::Uuid;

use super::change::Change;
use crate::case::{Booking, Case};
use crate::county::County;
use crate::rule::Refused;

/// What a message asks, with everything that was looked up for it.
pub struct Ask<'a> {
    /// The message. Its source is authenticated.
    pub message: &'a Message,
    /// Whether the format said what family of case it speaks of (else the case's family counts).
    pub family_stated: bool,
    /// The case that it names, if there is one (see `find`). It may be one that the sender must
    /// not see.
    pub case: Option<&'a Case>,
    /// The case that an opening message names as its parent, if there is one.
    pub parent: Option<&'a Case>,
    /// The message that last stated the case's request, for kinds that hand it on
    /// ([`super::needs_request`]).
    pub request: Option<&'a Message>,
    /// Of the bookings that [`super::wanted_bookings`] named, those that another case holds.
    pub taken: &'a [Booking],
    /// The slot that the appointment names at its sender, if it was published.
    pub slot: Option<SlotUse>,
    /// The county.
    pub county: &'a County,
    /// Now.
    pub now: Timestamp,
    /// The counter for the number of a new case.
    pub counter: u64,
    /// The id of a second message, if the decision writes one: the answer to a query, or the request
    /// restated for somebody new.
    pub second_message_id: Uuid,
}

/// How far a slot is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotUse {
    /// How many cases may use it.
    pub places: u16,
    /// How many do.
    pub used: u16,
}

/// What the core says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The case changes.
    Changed(Box<Change>),
    /// A query: nothing changes, an answer is written for the asker.
    Answered(Box<Message>),
    /// Slots are remembered or taken back, as the message says. Nobody is told.
    Noted,
    /// It does not.
    Refused(Refused),
}
