//! A delivery, as whoever tries it and whoever keeps it speak of it.
//!
//! Deliberately absent: where a delivery stands and what an outcome means for it, which only the
//! core knows.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use uuid::Uuid;

use crate::{OrganisationCode, Problem};

/// One delivery: a message on its way to one organisation. Unique, and the same at every try.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId {
    /// The message.
    pub message: Uuid,
    /// The destination.
    pub to: OrganisationCode,
}

/// How a try ended, as the lane saw it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The destination took responsibility.
    Taken {
        /// Its own number for the message, where it gave one.
        number: Option<String>,
    },
    /// The destination read it and said no.
    Refused {
        /// Why. Names fields, never values.
        problems: Vec<Problem>,
    },
    /// It cannot be written in the destination's format without losing what matters.
    Unsendable {
        /// Why.
        problems: Vec<Problem>,
    },
    /// The destination says: this message, later.
    NotNow {
        /// Why.
        problems: Vec<Problem>,
    },
    /// No answer came that can be read. The destination may have the message all the same.
    Unanswered {
        /// What kind of silence it was.
        problems: Vec<Problem>,
    },
    /// An adapter beside the hospital, which counts silence itself, gave up.
    GaveUp {
        /// What its last try said.
        problems: Vec<Problem>,
    },
}

impl Outcome {
    /// Why it is not taken. Empty when it is.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Taken { .. } => &[],
            Self::Refused { problems }
            | Self::Unsendable { problems }
            | Self::NotNow { problems }
            | Self::Unanswered { problems }
            | Self::GaveUp { problems } => problems,
        }
    }
}

/// The tries of a lane that holds a delivery and the line behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InPlace {
    /// How many, the last one included.
    pub tries: u32,
    /// How many of them were answered with "not now".
    pub not_now: u32,
}
