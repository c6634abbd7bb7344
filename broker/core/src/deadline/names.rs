//! What a case can wait for, and until when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// A reviewer lets it pass or returns it.
    Review,
    /// The origin completes what was returned.
    Resubmit,
    /// The target answers.
    Accept,
    /// The target gives an appointment.
    Schedule,
    /// The target says whether the patient came.
    Arrive,
    /// Somebody decides how to go on after a missed appointment.
    Rebook,
    /// The target answers a request to cancel.
    AnswerCancel,
    /// The target says what was found and done.
    Feedback,
    /// The origin discharges.
    Discharge,
    /// The target receives the patient.
    Receive,
    /// The target follows up.
    FollowUp,
    /// The doctor above contacts the patient.
    Contact,
    /// The origin or the dispatcher finds another target.
    FindAnother,
    /// The session begins.
    Start,
    /// The opinion is issued.
    Opinion,
    /// The origin reads the opinion or report.
    Acknowledge,
    /// The report is written.
    Write,
    /// The report is audited.
    Audit,
    /// The recording is made again.
    Recollect,
    /// The critical value is read back.
    Critical,
    /// The case is closed by itself.
    Close,
    /// The request expires.
    Expire,
}

impl Name {
    /// Every name.
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

    /// The name as it is written.
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

/// One thing that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// What.
    pub name: Name,
    /// From when its time counts. The same thing waited for anew starts anew.
    pub since: Timestamp,
    /// Until when; after an escalation, when it is reported again.
    pub due: Timestamp,
    /// How often it was reported.
    pub escalations: u32,
}
