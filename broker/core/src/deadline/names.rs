//! The names of deadlines: what a case can wait for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a deadline waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// A reviewer passes or returns the request.
    Review,
    /// The origin completes a returned request.
    Resubmit,
    /// The target accepts or declines.
    Accept,
    /// The target gives an appointment.
    Schedule,
    /// The target reports whether the patient came.
    Arrive,
    /// The target decides how to go on after a missed appointment.
    Rebook,
    /// The target answers a request to cancel.
    AnswerCancel,
    /// The target reports findings and treatment.
    Feedback,
    /// The origin reports the discharge.
    Discharge,
    /// The target reports that the patient arrived.
    Receive,
    /// The target reports a follow-up.
    FollowUp,
    /// The doctor who treated the patient at the upper hospital contacts the patient.
    Contact,
    /// The origin or the dispatcher chooses another target.
    FindAnother,
    /// The start of the session is reported.
    Start,
    /// The opinion is issued.
    Opinion,
    /// The origin acknowledges the opinion or report.
    Acknowledge,
    /// The report is written.
    Write,
    /// The report is audited.
    Audit,
    /// The recording is made again.
    Recollect,
    /// The origin acknowledges the critical value.
    Critical,
    /// Nobody: the broker closes the case at this time.
    Close,
    /// Nobody: the broker lets the request expire at this time.
    Expire,
}

impl Name {
    /// The names of all deadlines.
    pub const ALL: [Self; 22] = [
        Self::Review,
        Self::Resubmit,
        Self::Accept,
        Self::Schedule,
        Self::Arrive,
        Self::Rebook,
        Self::AnswerCancel,
        Self::Feedback,
        Self::Discharge,
        Self::Receive,
        Self::FollowUp,
        Self::Contact,
        Self::FindAnother,
        Self::Start,
        Self::Opinion,
        Self::Acknowledge,
        Self::Write,
        Self::Audit,
        Self::Recollect,
        Self::Critical,
        Self::Close,
        Self::Expire,
    ];

    /// The name in the store, in JSON and in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Resubmit => "resubmit",
            Self::Accept => "accept",
            Self::Schedule => "schedule",
            Self::Arrive => "arrive",
            Self::Rebook => "rebook",
            Self::AnswerCancel => "answer_cancel",
            Self::Feedback => "feedback",
            Self::Discharge => "discharge",
            Self::Receive => "receive",
            Self::FollowUp => "follow_up",
            Self::Contact => "contact",
            Self::FindAnother => "find_another",
            Self::Start => "start",
            Self::Opinion => "opinion",
            Self::Acknowledge => "acknowledge",
            Self::Write => "write",
            Self::Audit => "audit",
            Self::Recollect => "recollect",
            Self::Critical => "critical",
            Self::Close => "close",
            Self::Expire => "expire",
        }
    }
}

/// A running deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// What it waits for.
    pub name: Name,
    /// From when its time counts. If the same thing must be done again, it starts again.
    pub since: Timestamp,
    /// When the time ends; after an escalation, when it is reported again.
    pub due: Timestamp,
    /// How often it was reported so far.
    pub escalations: u32,
}
