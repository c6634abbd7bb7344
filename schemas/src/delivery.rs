//! Deliveries, as the lanes that try them and the store that keeps them refer to them.
//!
//! Not here: states of deliveries and what an outcome leads to. Only the core knows those.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use uuid::Uuid;

use crate::{OrganisationCode, Problem};

/// Identifies a delivery: a message and one of its destinations. The same at every try.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId {
    /// Id of the message.
    pub message: Uuid,
    /// Code of the destination organisation.
    pub to: OrganisationCode,
}

/// How a try ended, as the lane saw it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The destination accepted responsibility.
    Taken {
        /// Its own number for the message, where it gave one.
        number: Option<String>,
    },
    /// The destination refused the message.
    Refused {
        /// Why. Names fields and never values.
        problems: Vec<Problem>,
    },
    /// The message cannot be written in the destination's format without losing a safety field.
    Unsendable {
        /// Which fields, and why.
        problems: Vec<Problem>,
    },
    /// The destination answered "not now".
    NotNow {
        /// Why it cannot take the message now, as far as it said.
        problems: Vec<Problem>,
    },
    /// No answer came. The destination may have the message nevertheless.
    Unanswered {
        /// Why there was no answer, such as a timeout or a broken connection.
        problems: Vec<Problem>,
    },
    /// An answer came that is not the destination's own word on this message: from a gateway or a
    /// proxy, a login page, a check of who we are. It may be about this message or about all.
    TurnedAway {
        /// The HTTP status; `None` over MLLP.
        status: Option<u16>,
        /// What came instead of an answer.
        problems: Vec<Problem>,
    },
    /// The lane is held: nothing gets through to the destination, whatever the message.
    Held {
        /// What the last try met.
        problems: Vec<Problem>,
    },
    /// An adapter beside the hospital, which retries by itself, stopped trying.
    GaveUp {
        /// The result of its last try.
        problems: Vec<Problem>,
    },
}

impl Outcome {
    /// Why it was not taken; empty if it was.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Taken { .. } => &[],
            Self::Refused { problems }
            | Self::Unsendable { problems }
            | Self::NotNow { problems }
            | Self::Unanswered { problems }
            | Self::TurnedAway { problems, .. }
            | Self::Held { problems }
            | Self::GaveUp { problems } => problems,
        }
    }
}

/// The tries that a lane has made in place, while it keeps the delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InPlace {
    /// Number of tries, the last one included.
    pub tries: u32,
    /// Number of tries that were answered with "not now".
    pub not_now: u32,
}
