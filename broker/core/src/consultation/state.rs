//! The states of a consultation or a reading, and what is said about one.

use serde::{Deserialize, Serialize};

/// Where a consultation or a reading stands.
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
    /// The origin has read it. Left by close, a correction.
    Acknowledged,
    /// It is over. Final.
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
    /// Every state.
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

    /// The state as it is written.
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

    /// Whether nothing can change it any more.
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

    /// Where the case goes when nobody acted for too long. Work that was begun never expires.
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

/// What is said about a consultation, as far as it decides the next state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// The origin states the request again. `reviews_left`: a reviewer has not passed it yet.
    Amend {
        /// Whether a review is still to come.
        reviews_left: bool,
    },
    /// A reviewer lets it pass, or sends a declined one elsewhere.
    Review {
        /// Whether another review is still to come.
        reviews_left: bool,
    },
    /// More is needed.
    Return,
    /// The asked side, or one of its experts, accepts.
    Accept {
        /// Whether everybody has accepted with this.
        all: bool,
    },
    /// It does not.
    Decline,
    /// A session is set or moved.
    Schedule,
    /// The session began.
    Start,
    /// The opinion is issued.
    Opinion,
    /// The origin has read it, or read a critical value back.
    Acknowledge {
        /// Whether it is a critical value that was read back.
        critical: bool,
    },
    /// Somebody did not come.
    NoShow,
    /// The origin withdraws.
    Cancel,
    /// The case is over.
    Close,
    /// A reader takes the recording.
    Claim,
    /// The recording must be made again.
    Recollect,
    /// The report is written.
    Report,
    /// A second person audits it.
    Audit {
        /// Whether it may go out.
        passed: bool,
    },
    /// A critical value is raised.
    Critical,
}
