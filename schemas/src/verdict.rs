//! What the broker answers the sender: accepted, repeated, refused.
//!
//! A verdict is given only after the message is on disk. "Try again" is not a verdict: it says
//! that nothing was stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use uuid::Uuid;

use crate::names::CaseNumber;
use crate::problem::Problem;

/// Whose mistake a refusal points at; formats turn it into their own status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The bytes could not be read (HTTP 400, AR).
    Unreadable,
    /// It was read and its content is wrong (HTTP 422, AE).
    Invalid,
    /// The case does not exist, or is not the sender's: the two look alike (HTTP 404, AE).
    NotFound,
    /// It arrived under an id that carried other content before (HTTP 409 conflict, AE 205).
    Conflict,
    /// The case's state does not allow it (HTTP 409 conflict, AE).
    Rule,
    /// What it refers to has not arrived yet; sending it again later may work (HTTP 425, AE 204).
    Early,
    /// The sender may not send at all, or not in this name (HTTP 403, AR).
    Sender,
}

/// What the broker answers.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// On disk, and on its way.
    Accepted {
        /// Our id for the message.
        message: Uuid,
        /// The case, where there is one.
        case_number: Option<CaseNumber>,
        /// The state of the case afterwards.
        state: Option<String>,
    },
    /// The same message was accepted before; nothing changed now.
    Repeated {
        /// Our id for the first one.
        message: Uuid,
        /// The case, where there is one.
        case_number: Option<CaseNumber>,
        /// The state of the case after the first one.
        state: Option<String>,
    },
    /// Not taken.
    Refused {
        /// Whose mistake.
        refusal: Refusal,
        /// Every problem found, at least one.
        problems: Vec<Problem>,
    },
}

impl Verdict {
    /// A refusal for one reason.
    #[must_use]
    pub fn refused(refusal: Refusal, problem: Problem) -> Self {
        Self::Refused { refusal, problems: vec![problem] }
    }

    /// Whether the sender may rely on it being on disk.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        match self {
            Self::Accepted { .. } | Self::Repeated { .. } => true,
            Self::Refused { .. } => false,
        }
    }

    /// The label of the verdict in metrics: `accepted`, `repeated` or the first code.
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
