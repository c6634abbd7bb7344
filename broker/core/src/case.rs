//! A case: what the broker remembers about one referral, transfer or consultation.
//!
//! The state here is that of the case. Deliveries, appointments and documents have states of their
//! own and never share this field.

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

/// The state of a case, by family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "family", content = "state", rename_all = "snake_case")]
pub enum State {
    /// State of a referral.
    Referral(referral::State),
    /// State of a transfer.
    Transfer(transfer::State),
    /// State of a consultation or reading.
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

    /// The name of the state in the store, in JSON and in lists, such as `in_review`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Referral(state) => state.as_str(),
            Self::Transfer(state) => state.as_str(),
            Self::Consultation(state) => state.as_str(),
        }
    }

    /// Whether the state is final: no message changes it any more.
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
    /// The organisation that was the target.
    pub organisation: OrganisationCode,
    /// When the case left it, by the broker's clock.
    pub until: Timestamp,
    /// Reason from the message that moved the case on; `None` if it gave none.
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
    /// The expert, with the expert's organisation.
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

/// An expert or a room that a case occupies for a time. Two bookings of one resource never overlap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Booking {
    /// `expert/<organisation>/<practitioner>` or `room/<organisation>/<room>`.
    pub resource: String,
    /// Start of the booking, inclusive.
    pub start: Timestamp,
    /// End of the booking, exclusive.
    pub end: Timestamp,
}

/// What the request says that decides how the case goes on.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// How a consultation is held: live, offline, or as a reading.
    pub form: ConsultationForm,
    /// The type of consultation, or the reading service, as a code. Selects the deadlines.
    pub service: Option<String>,
    /// What is read, for a reading: decides which system of an organisation hears of it.
    pub modality: Option<Modality>,
    /// When the recording of a reading was uploaded, or its report withdrawn for a correction. The
    /// reading's deadlines count from here.
    pub uploaded_at: Option<Timestamp>,
    /// When the request expires, as its origin set it; `None` if it set no time.
    pub valid_until: Option<Timestamp>,
    /// The last reviewer that passed the request. It may dispatch a declined consultation again.
    pub dispatcher: Option<OrganisationCode>,
    /// Since when the origin waits for another appointment than the one that stands.
    pub time_asked_at: Option<Timestamp>,
    /// Whether the organisation that received a transferred patient has reported a follow-up.
    pub followed_up: bool,
    /// Whether the doctor who treated a transferred patient before has contacted the patient.
    pub contacted: bool,
}

/// A critical value of a reading and whether the origin has confirmed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriticalAlert {
    /// When it was raised, by the broker's clock.
    pub raised_at: Timestamp,
    /// When the origin confirmed that it has read it; `None` until then.
    pub acknowledged_at: Option<Timestamp>,
}

/// One case.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its id: that of the message that opened it, a UUIDv7.
    pub id: Uuid,
    /// Its number, as people read it.
    pub number: CaseNumber,
    /// State of the case.
    pub state: State,
    /// The organisation that opened it.
    pub origin: OrganisationCode,
    /// The organisation that it is for now: it accepts, schedules and answers.
    pub target: OrganisationCode,
    /// Reviewers that have not passed it yet, in order. The first one must act while it
    /// is in review.
    pub reviews: Vec<OrganisationCode>,
    /// Other organisations that are told of every event: reviewers that passed it or were skipped.
    pub watchers: Vec<OrganisationCode>,
    /// Earlier targets. Each sees the case as it was up to the moment when it left.
    pub past_targets: Vec<PastTarget>,
    /// Its priority, from the request or an amendment.
    pub priority: Priority,
    /// Patient and clinical subject, as last stated by a request. Copied into outgoing messages.
    pub context: Context,
    /// The number that each organisation uses for it.
    pub numbers: Vec<BusinessNumber>,
    /// Id of the message that last stated the whole request (submit, offer, request or amend).
    pub request: Uuid,
    /// The source and source id of that message, for `in_reply_to` of answers to it.
    pub request_reply: ReplyTo,
    /// The system of the origin that stated it; `None` is the origin's default system.
    pub request_system: Option<SystemName>,
    /// Number of the case that this one follows from.
    pub parent: Option<CaseNumber>,
    /// Parts of the request that decide how the case goes on.
    #[serde(default)]
    pub terms: Terms,
    /// Experts of a consultation, with their answers.
    pub experts: Vec<AskedExpert>,
    /// Experts and rooms that it occupies.
    pub bookings: Vec<Booking>,
    /// Code of the practitioner who wrote the report of a reading, and so must not audit it.
    pub writer: Option<String>,
    /// The critical value of a reading, if one was raised.
    pub critical: Option<CriticalAlert>,
    /// The deadlines that run now.
    pub deadlines: Vec<Deadline>,
    /// When it was opened, by the broker's clock.
    pub opened_at: Timestamp,
    /// When its last event was recorded, by the broker's clock.
    pub changed_at: Timestamp,
    /// When it came into its state and to its present holder. Deadlines of the state
    /// count from here.
    pub since: Timestamp,
    /// Number of its events. The next event gets this number plus one.
    pub events: u32,
}

impl Case {
    /// When the earliest of its deadlines is due; `None` if none runs.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.deadlines.iter().map(|deadline| deadline.due).min()
    }

    /// The number that `organisation` uses for the case.
    #[must_use]
    pub fn number_of(&self, organisation: &OrganisationCode) -> Option<&str> {
        self.numbers.iter().find(|n| n.organisation == *organisation).map(|n| n.number.as_str())
    }
}
