//! Errors of the bus, with what to do about each.
//!
//! No text holds the RabbitMQ address, because the address holds a password.

use std::time::Duration;

use tierlink_schemas::problem::Code;

/// An error of the client library. Kept as the cause, and never repeated in our own text.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the bus could not do something.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// These settings can never work.
    #[error("the RabbitMQ settings cannot be used: {why}")]
    Settings {
        /// What is wrong with them, without any of their values.
        why: &'static str,
    },
    /// RabbitMQ cannot be reached, or the connection broke. Ends by itself when RabbitMQ is back.
    #[error("could not {doing}: RabbitMQ is not reachable")]
    Unavailable {
        /// What was attempted.
        doing: &'static str,
        /// The error of the client library.
        #[source]
        source: Cause,
    },
    /// RabbitMQ is up but blocks publishers.
    #[error(
        "RabbitMQ accepts no messages: its disk or memory alarm is on; free space on its machine"
    )]
    Blocked,
    /// A queue or exchange of this name exists with other settings.
    #[error("could not {doing}: it exists in RabbitMQ with other settings; see ops/errors/B004.md")]
    OtherSettings {
        /// What was attempted.
        doing: &'static str,
        /// The answer of RabbitMQ, which names the queue or exchange.
        #[source]
        source: Cause,
    },
    /// The RabbitMQ user or its permissions are wrong.
    #[error("could not {doing}: RabbitMQ refused; check user, password, virtual host, permissions")]
    NotAllowed {
        /// What was attempted.
        doing: &'static str,
        /// The answer of RabbitMQ.
        #[source]
        source: Cause,
    },
    /// A queue or exchange is missing.
    #[error("could not {doing}: {name} does not exist; open the lane or import the definitions")]
    Missing {
        /// What was attempted.
        doing: &'static str,
        /// Name of the lane, queue or exchange.
        name: String,
    },
    /// A consumer lost its connection. What it gave out and was not finished comes again.
    #[error("the consumer of {name} was interrupted; what it held comes again")]
    Interrupted {
        /// Name of the lane or queue.
        name: String,
    },
    /// The caller passed something that the bus can never carry.
    #[error("{what} cannot travel: {why}")]
    Unfit {
        /// What was passed.
        what: &'static str,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// RabbitMQ did not answer in time.
    #[error("could not {doing}: RabbitMQ did not answer within {waited:?}")]
    Silent {
        /// What was attempted.
        doing: &'static str,
        /// How long we waited.
        waited: Duration,
    },
}

impl BusError {
    /// Whether only this lane is affected and RabbitMQ itself works.
    pub(crate) const fn is_of_one_lane(&self) -> bool {
        match self {
            Self::OtherSettings { .. }
            | Self::NotAllowed { .. }
            | Self::Missing { .. }
            | Self::Unfit { .. }
            | Self::Silent { .. } => true,
            Self::Settings { .. }
            | Self::Unavailable { .. }
            | Self::Blocked
            | Self::Interrupted { .. } => false,
        }
    }

    /// The stable error code. Each has a page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Settings { .. } => Code::new("B001"),
            Self::Unavailable { .. } => Code::new("B002"),
            Self::Blocked => Code::new("B003"),
            Self::OtherSettings { .. } => Code::new("B004"),
            Self::NotAllowed { .. } => Code::new("B005"),
            Self::Missing { .. } => Code::new("B006"),
            Self::Interrupted { .. } => Code::new("B007"),
            Self::Unfit { .. } => Code::new("B008"),
            Self::Silent { .. } => Code::new("B009"),
        }
    }
}
