//! Why the bus could not do something, and what to do about it.
//!
//! No text holds the RabbitMQ address, because the address holds a password.

use std::time::Duration;

use tierlink_schemas::problem::Code;

/// What the client library said. Kept as the cause and never repeated in our own text.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the bus could not do something.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The settings can never work.
    #[error("the RabbitMQ settings cannot be used: {why}")]
    Settings {
        /// What is wrong with them, without any of their values.
        why: &'static str,
    },
    /// RabbitMQ is away, or the connection broke. Goes by itself when RabbitMQ is back.
    #[error("could not {doing}: RabbitMQ is not reachable")]
    Unavailable {
        /// What was attempted.
        doing: &'static str,
        /// What the client library said.
        #[source]
        source: Cause,
    },
    /// RabbitMQ is up but takes nothing from publishers.
    #[error(
        "RabbitMQ takes no messages: its disk or memory alarm is on; free space on its machine"
    )]
    Blocked,
    /// Something with our name exists with other settings.
    #[error("could not {doing}: it exists in RabbitMQ with other settings; see ops/errors/B004.md")]
    OtherSettings {
        /// What was attempted.
        doing: &'static str,
        /// What RabbitMQ said; names the queue or exchange.
        #[source]
        source: Cause,
    },
    /// The RabbitMQ user or its permissions are wrong.
    #[error("could not {doing}: RabbitMQ refused; check user, password, virtual host, permissions")]
    NotAllowed {
        /// What was attempted.
        doing: &'static str,
        /// What RabbitMQ said.
        #[source]
        source: Cause,
    },
    /// A queue or exchange is missing.
    #[error("could not {doing}: {name} does not exist; open the lane or import the definitions")]
    Missing {
        /// What was attempted.
        doing: &'static str,
        /// The lane, queue or exchange.
        name: String,
    },
    /// A consumer lost its connection. What it gave out and was not finished comes again.
    #[error("the consumer of {name} was interrupted; what it held comes again")]
    Interrupted {
        /// The lane or queue.
        name: String,
    },
    /// The caller asked for something that can never travel.
    #[error("{what} cannot travel: {why}")]
    Unfit {
        /// What was asked for.
        what: &'static str,
        /// Which rule it breaks.
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
    /// Whether RabbitMQ works and only this lane does not.
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

    /// The stable name of this error, and of its page in `ops/errors/`.
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
