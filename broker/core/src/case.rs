//! A case: what the broker remembers about one referral, transfer or consultation.
//!
//! The state here is that of the *case*. Deliveries, appointments and documents have axes of their
//! own (design: four axes, never one field).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use tierlink_schemas::answer::{ExpertRef, Reason};
use tierlink_schemas::message::{BusinessNumber, Context, ReplyTo};
use tierlink_schemas::request::{ConsultationForm, Modality};
use tierlink_schemas::{CaseNumber, Family, OrganisationCode, Priority, SystemName};
use uuid::Uuid;

use crate::deadline::names::Deadline;
use crate::{consultation, referral, transfer};

/// Where a case stands, by family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "family", content = "state", rename_all = "snake_case")]
pub enum State {
    /// A referral's state.
    Referral(referral::State),
    /// A transfer's state.
    Transfer(transfer::State),
    /// A consultation's state.
    Consultation(consultation::State),
}

impl State {
    /// The family of the case.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::Referral(_) => Family::Referral,
            Self::Transfer(_) => Family::Transfer,
            Self::Consultation(_) => Family::Consultation,
        }
    }

    /// The state as it is written, such as `in_review`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Referral(state) => state.as_str(),
            Self::Transfer(state) => state.as_str(),
            Self::Consultation(state) => state.as_str(),
        }
    }

    /// Whether nothing can change it any more.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Referral(state) => state.is_terminal(),
            Self::Transfer(state) => state.is_terminal(),
            Self::Consultation(state) => state.is_terminal(),
        }
    }
}

/// A target that the case had before it was redirected, declined or dispatched again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastTarget {
    /// Who.
    pub organisation: OrganisationCode,
    /// Until when.
    pub until: Timestamp,
    /// Why it moved on.
    pub reason: Option<Reason>,
    /// Whether the reviews had let the case go to it. One that was only named, in a case that was
    /// sent elsewhere before its review was over, has heard nothing and sees nothing.
    #[serde(default = "heard_of_it")]
    pub heard: bool,
    /// How urgent the case was then. `None` in cases that an earlier release wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// What an earlier release took for granted.
const fn heard_of_it() -> bool {
    true
}

/// An expert of a consultation and the expert's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedExpert {
    /// Who.
    pub expert: ExpertRef,
    /// Whether the expert has accepted; `None` while there is no answer.
    pub accepted: Option<bool>,
    /// The review that must let the case go to this expert first, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}

/// A review that one expert of a consultation waits for, because the case would leave the county.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Whose review.
    pub by: OrganisationCode,
    /// Since when it is waited for.
    pub since: Timestamp,
}

/// A resource that a case occupies for a time: an expert or a room. Never twice at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Booking {
    /// `expert/<organisation>/<practitioner>` or `room/<organisation>/<room>`.
    pub resource: String,
    /// From.
    pub start: Timestamp,
    /// Until, exclusive.
    pub end: Timestamp,
}

/// What the request says that decides how the case goes on.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// How a consultation is held.
    pub form: ConsultationForm,
    /// The type of consultation, or the reading service: sets the deadlines.
    pub service: Option<String>,
    /// What is read, for a reading: decides which system of an organisation hears of it.
    pub modality: Option<Modality>,
    /// When the recording of a reading was uploaded, or its report taken back for a correction:
    /// the reading's deadlines start here.
    pub uploaded_at: Option<Timestamp>,
    /// Until when the request stands.
    pub valid_until: Option<Timestamp>,
    /// The reviewer that passed it last, who may dispatch a declined consultation again.
    pub dispatcher: Option<OrganisationCode>,
    /// Whether the organisation below has followed up a transfer.
    pub followed_up: bool,
    /// Whether the doctor above has contacted the patient of a transfer.
    pub contacted: bool,
}

/// A critical value of a reading, until it is read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriticalAlert {
    /// When it was raised.
    pub raised_at: Timestamp,
    /// When it was read back.
    pub acknowledged_at: Option<Timestamp>,
}

/// One case.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The id: that of the message that opened it.
    pub id: Uuid,
    /// The number that a person can read out.
    pub number: CaseNumber,
    /// Where it stands.
    pub state: State,
    /// Who asked.
    pub origin: OrganisationCode,
    /// Who has it now: the current receiver.
    pub target: OrganisationCode,
    /// Reviewers still to pass, in order. The first one holds the case while it is in review.
    pub reviews: Vec<OrganisationCode>,
    /// Who else hears of every event: reviewers that let it pass or were skipped.
    pub watchers: Vec<OrganisationCode>,
    /// Targets before this one. They keep sight of the case up to the moment it left them.
    pub past_targets: Vec<PastTarget>,
    /// How urgent.
    pub priority: Priority,
    /// Who and what it is about, as last stated.
    pub context: Context,
    /// What each organisation calls it.
    pub numbers: Vec<BusinessNumber>,
    /// The message that last stated the whole request (submit, offer, request or amend).
    pub request: Uuid,
    /// The same message as its sender knows it, for answers.
    pub request_reply: ReplyTo,
    /// The system of the origin that stated it; `None` is the origin's default system.
    pub request_system: Option<SystemName>,
    /// The case that this one follows from.
    pub parent: Option<CaseNumber>,
    /// What the request says that decides how the case goes on.
    #[serde(default)]
    pub terms: Terms,
    /// Experts who are asked, for a consultation.
    pub experts: Vec<AskedExpert>,
    /// Experts and rooms that are occupied.
    pub bookings: Vec<Booking>,
    /// Who wrote the report of a reading: must not audit it.
    pub writer: Option<String>,
    /// A critical value, for a reading.
    pub critical: Option<CriticalAlert>,
    /// Until when somebody must act.
    pub deadlines: Vec<Deadline>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Since when it is in its state with its holder.
    pub since: Timestamp,
    /// How many events it has. The next event has this number plus one.
    pub events: u32,
}

impl Case {
    /// The instant at which somebody must have acted, the nearest first.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.deadlines.iter().map(|deadline| deadline.due).min()
    }

    /// What `organisation` calls the case.
    #[must_use]
    pub fn number_of(&self, organisation: &OrganisationCode) -> Option<&str> {
        self.numbers.iter().find(|n| n.organisation == *organisation).map(|n| n.number.as_str())
    }
}
