//! What the event and the statuses of a message came to: what `events.rs` and `bars.rs` decide, and
//! `request.rs` and `statement.rs` read on from.

use tierlink_schemas::answer::FeedbackStage;
use tierlink_schemas::kind::{Family, Kind};

use crate::bundle::At;
use crate::codes;
use crate::reader::Reader;

/// A request: whether it opens or amends, and what family the event states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// It completes or corrects an earlier one.
    pub amends: bool,
    /// The family that the event states.
    pub family: Option<Family>,
}

impl Opening {
    /// The kind, once the family is certain.
    pub const fn kind(self, family: Family) -> Kind {
        match (family, self.amends) {
            (Family::Transfer, false) => Kind::TransferOffer,
            (Family::Transfer, true) => Kind::TransferAmend,
            (Family::Consultation, false) => Kind::ConsultationRequest,
            (Family::Consultation, true) => Kind::ConsultationAmend,
            (Family::Referral | Family::Slot | Family::Status | Family::Receipt, false) => {
                Kind::ReferralSubmit
            }
            (Family::Referral | Family::Slot | Family::Status | Family::Receipt, true) => {
                Kind::ReferralAmend
            }
        }
    }
}

/// What the message means.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// It opens or amends a case.
    Request(Opening),
    /// It says something about a case. `exact` where the family is stated.
    Statement {
        /// The kind, or its referral form where the family is not stated.
        kind: Kind,
        /// Whether the family is stated.
        exact: bool,
        /// What else the statuses said.
        found: Found,
    },
}

/// What the event decided beyond the kind.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How far a feedback goes, where the statuses say it.
    pub stage: Option<FeedbackStage>,
    /// Where else a reason may stand: resource and path, most exact first.
    pub reasons: Vec<(At, String)>,
    /// The reason that a status stands for when none is given.
    pub implied_reason: Option<&'static str>,
    /// The appointment that the message is about.
    pub appointment: Option<At>,
    /// The visit that the message is about.
    pub visit: Option<At>,
}

/// The statuses that are decided on together, with where they stand.
pub struct Statuses {
    pub request: Option<String>,
    pub task: Option<String>,
    pub visit: Option<(At, String)>,
    pub appointment: Option<(At, String)>,
    pub reason: Option<String>,
}

impl Reader<'_> {
    /// Refuses a message whose statuses contradict each other.
    pub fn contradiction(&mut self, text: &str) {
        let text = format!("{text}; correct one of them, the message was not read");
        self.problem(codes::CONTRADICTION, "MessageHeader.eventCoding.code", text);
    }
}
