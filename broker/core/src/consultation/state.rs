//! The states of a consultation or a reading, and the acts that move it.

use serde::{Deserialize, Serialize};

/// State of a consultation or a reading. Each line says what is missing and which acts leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A reviewer must let it pass. Left by review, return, cancel.
    InReview,
    /// The target must answer. Left by accept, schedule, decline, return, cancel.
    Dispatched,
    /// The origin must complete it. Left by amend, cancel.
    Returned,
    /// Everybody who was asked accepted. Left by schedule, opinion (offline), decline, cancel.
    Accepted,
    /// A session is set. Left by start, opinion, no-show, decline, cancel.
    Scheduled,
    /// The session is on. Left by opinion, no-show.
    InSession,
    /// The opinion is issued. Left by acknowledge, close.
    OpinionIssued,
    /// Reading: a reader must take the recording. Left by claim, report, recollect, decline, cancel.
    Uploaded,
    /// Reading: a reader has it. Left by report, recollect, decline, cancel.
    Claimed,
    /// Reading: the report is written and not audited. Left by audit, recollect.
    Written,
    /// Reading: the audited report went back. Left by acknowledge, close, a corrected report.
    Reported,
    /// Reading: the recording must be made again. Left by amend, cancel.
    Recollect,
    /// The origin has acknowledged the opinion or report. Left by close, a correction.
    Acknowledged,
    /// The case has ended. Final.
    Closed,
    /// The target or an expert does not take part. Left by amend, review, cancel, close.
    Declined,
    /// The session did not take place. Left by schedule, decline, cancel, close.
    NoShow,
    /// The origin withdrew. Final.
    Cancelled,
    /// Nobody acted for too long. Final.
    Expired,
}

impl State {
    /// Every state, in the order of its life.
    pub const ALL: [Self; 18] = [
        Self::InReview,
        Self::Dispatched,
        Self::Returned,
        Self::Accepted,
        Self::Scheduled,
        Self::InSession,
        Self::OpinionIssued,
        Self::Uploaded,
        Self::Claimed,
        Self::Written,
        Self::Reported,
        Self::Recollect,
        Self::Acknowledged,
        Self::Closed,
        Self::Declined,
        Self::NoShow,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The name of the state in the store, in JSON and in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InReview => "in_review",
            Self::Dispatched => "dispatched",
            Self::Returned => "returned",
            Self::Accepted => "accepted",
            Self::Scheduled => "scheduled",
            Self::InSession => "in_session",
            Self::OpinionIssued => "opinion_issued",
            Self::Uploaded => "uploaded",
            Self::Claimed => "claimed",
            Self::Written => "written",
            Self::Reported => "reported",
            Self::Recollect => "recollect",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
            Self::Declined => "declined",
            Self::NoShow => "no_show",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether the state is final: no message changes it any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Closed | Self::Cancelled | Self::Expired => true,
            Self::InReview
            | Self::Dispatched
            | Self::Returned
            | Self::Accepted
            | Self::Scheduled
            | Self::InSession
            | Self::OpinionIssued
            | Self::Uploaded
            | Self::Claimed
            | Self::Written
            | Self::Reported
            | Self::Recollect
            | Self::Acknowledged
            | Self::Declined
            | Self::NoShow => false,
        }
    }

    /// The state it gets when nobody acted until its expiry; `None` where it never expires, because
    /// work has begun.
    #[must_use]
    pub const fn expired(self) -> Option<Self> {
        match self {
            Self::InReview
            | Self::Dispatched
            | Self::Returned
            | Self::Accepted
            | Self::Scheduled
            | Self::Uploaded
            | Self::Recollect
            | Self::Declined
            | Self::NoShow => Some(Self::Expired),
            Self::InSession
            | Self::OpinionIssued
            | Self::Claimed
            | Self::Written
            | Self::Reported
            | Self::Acknowledged
            | Self::Closed
            | Self::Cancelled
            | Self::Expired => None,
        }
    }
}

/// What a message does to a consultation, as far as it decides the next state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// The origin states the request again.
    Amend {
        /// Whether a reviewer has not passed it yet.
        reviews_left: bool,
    },
    /// A reviewer passes it, or sends a declined one elsewhere.
    Review {
        /// Whether a further reviewer must pass it.
        reviews_left: bool,
    },
    /// The reviewer, or the target, asks the origin to complete the request.
    Return,
    /// The organisation that was asked, or one of its experts, accepts.
    Accept {
        /// Whether everybody who was asked has accepted now.
        all: bool,
    },
    /// The target, or an expert, declines.
    Decline,
    /// A session is set or moved.
    Schedule,
    /// The session began.
    Start,
    /// The opinion is issued.
    Opinion,
    /// The origin confirms that it has read the opinion or report, or a critical value.
    Acknowledge {
        /// Whether it confirms a critical value.
        critical: bool,
    },
    /// Somebody did not come.
    NoShow,
    /// The origin withdraws.
    Cancel,
    /// The origin or the target closes the case.
    Close,
    /// A reader takes the recording.
    Claim,
    /// The recording must be made again.
    Recollect,
    /// The report is written.
    Report,
    /// A second person audits the report.
    Audit {
        /// Whether the report was approved.
        passed: bool,
    },
    /// The centre raises a critical value.
    Critical,
}
