//! The one entrance: what a message means for its case.
//!
//! The shell has looked everything up; this only decides. Ownership is checked before state, so a
//! stranger learns nothing from the order of refusals.

use jiff::Timestamp;
use tierlink_schemas::{Kind, Message, OrganisationCode, Problem, Refusal};
use uuid::Uuid;

use crate::case::{Booking, Case};
use crate::county::County;

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
    /// ([`needs_request`]).
    pub request: Option<&'a Message>,
    /// Of the bookings that [`wanted_bookings`] named, those that another case holds.
    pub taken: &'a [Booking],
    /// The slot that the appointment names at its sender, if it was published.
    pub slot: Option<SlotUse>,
    /// The county.
    pub county: &'a County,
    /// Now.
    pub now: Timestamp,
    /// The counter for the number of a new case.
    pub counter: u64,
    /// The id for one further message that the decision may write.
    pub spare: Uuid,
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

/// Why not: the rule, its code and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose mistake.
    pub refusal: Refusal,
    /// The code (`R…`), the field and the fix.
    pub problem: Problem,
}

/// Who shall hear of it, and which message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The destination.
    pub to: OrganisationCode,
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

/// Whether the decision on a message of this kind may need [`Ask::request`]: somebody who knows
/// nothing of the case yet may have to hear of it.
#[must_use]
pub const fn needs_request(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ReferralReview
            | Kind::ConsultationReview
            | Kind::ReferralRedirect
            | Kind::TransferRedirect
            | Kind::ReferralSchedule
            | Kind::ConsultationSchedule
    )
}

/// Decides what a message means for its case.
#[must_use]
pub fn decide(ask: &Ask<'_>) -> Decision {
    Decision::Refused(
        if ask.case.is_none() {
            crate::rule::Rule::NoSuchCase
        } else {
            crate::rule::Rule::WrongFamily
        }
        .refuse(),
    )
}

/// The bookings.
#[must_use]
pub fn wanted_bookings(_message: &Message, case: Option<&Case>) -> Vec<Booking> {
    case.map(|case| case.bookings.clone()).unwrap_or_default()
}
