//! The broker's answers to senders: accepted, repeated, refused.
//!
//! A verdict is given only after the message is on disk. "Try again" is not a verdict: it means
//! that nothing was stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use uuid::Uuid;

use crate::names::CaseNumber;
use crate::problem::Problem;

/// The sort of a refusal, which formats translate to their own status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The bytes could not be read (HTTP 400, AR).
    Unreadable,
    /// The content is wrong (HTTP 422, AE).
    Invalid,
    /// The case does not exist, or the sender has no part in it: both get the same answer
    /// (HTTP 404, AE).
    NotFound,
    /// Other content was accepted under the same message id before (HTTP 409 conflict, AE 205).
    Conflict,
    /// The state of the case does not allow it (HTTP 409 conflict, AE).
    Rule,
    /// What it refers to has not arrived yet; sending it again later may work (HTTP 425, AE 204).
    Early,
    /// The sender may not send at all, or not in this name (HTTP 403, AR).
    Sender,
}

/// The broker's answer to a message.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The message is on disk and will be delivered.
    Accepted {
        /// The broker's id of the message.
        message: Uuid,
        /// Number of its case; absent for messages about no case.
        case_number: Option<CaseNumber>,
        /// State of the case after the message.
        state: Option<String>,
    },
    /// The same message was accepted before; nothing changed now.
    Repeated {
        /// The broker's id of the first message.
        message: Uuid,
        /// Number of its case; absent for messages about no case.
        case_number: Option<CaseNumber>,
        /// State of the case after the first message.
        state: Option<String>,
    },
    /// The message was refused.
    Refused {
        /// The sort of refusal.
        refusal: Refusal,
        /// Every problem found, at least one.
        problems: Vec<Problem>,
    },
}

impl Verdict {
    /// A refusal with one problem.
    #[must_use]
    pub fn refused(refusal: Refusal, problem: Problem) -> Self {
        Self::Refused { refusal, problems: vec![problem] }
    }

    /// Whether the message is on disk and will be delivered.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        match self {
            Self::Accepted { .. } | Self::Repeated { .. } => true,
            Self::Refused { .. } => false,
        }
    }

    /// The label of the verdict in metrics: `accepted`, `repeated` or the code of
    /// the first problem.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Repeated { .. } => "repeated",
            Self::Refused { problems, .. } => {
                problems.first().map_or("refused", |problem| problem.code.as_str())
            }
        }
    }
}
