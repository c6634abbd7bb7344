//! Everything that TierLink declares in RabbitMQ.
//!
//! ```text
//!  tierlink.deliver  (direct) ──<organisation>──▶ tierlink.to.<organisation>   one active consumer
//!  tierlink.receipts (topic)  ──#──────────────▶ tierlink.receipts
//!  tierlink.events   (topic)  ──your key───────▶ your queue
//!  tierlink.dead     (fanout) ─────────────────▶ tierlink.dead                  alarm if not empty
//! ```
//!
//! The broker declares it at start-up, and `ops/rabbitmq/definitions.json` is generated from it; a
//! test fails when that file is out of date.
//!
//! Receipts use a topic exchange with the organisation as the routing key, because RabbitMQ can
//! then limit each hospital's user to its own organisation. A header could be forged.

use crate::Lane;

/// Most parcels in one lane: enough for weeks without an answer, and the disk stays bounded. Beyond
/// it RabbitMQ refuses parcels, and they wait in the outbox.
pub const LANE_DEPTH_MAX: i64 = 1_000_000;

/// Most bytes in one lane, for the same reason.
pub const LANE_BYTES_HELD_MAX: i64 = 4 * 1024 * 1024 * 1024;

/// Most dead parcels. They are kept for a person to look at, and the store has what is true in them,
/// so the oldest go first: a queue that refused them would fill the lanes that they come from.
pub const DEAD_DEPTH_MAX: i64 = 10_000;

/// Most bytes of dead parcels, for the same reason.
pub const DEAD_BYTES_HELD_MAX: i64 = 256 * 1024 * 1024;

/// Deliveries of one parcel after which RabbitMQ dead-letters it.
///
/// RabbitMQ 4 would stop at 20, but a parcel that came back after a restart or a pause is not dead.
/// There is no "never" that all versions accept (3.x has no -1), and the number must be the same in
/// all, because the arguments of an existing queue cannot be changed.
pub const DELIVERY_LIMIT: i64 = 1_000_000;

/// Prefix of the queues that listeners to case events declare for themselves. A policy in the
/// definitions bounds them, so that an abandoned queue does not fill the disk.
pub const LISTENER_PREFIX: &str = "tierlink.listen.";

/// Most announcements waiting for one listener. The oldest are dropped first, because announcements
/// are news and no orders.
pub const LISTENER_DEPTH_MAX: i64 = 100_000;

/// A listener's queue without a consumer is deleted after this time, one week in milliseconds.
pub const LISTENER_EXPIRES_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// How an exchange selects queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By the exact routing key.
    Direct,
    /// By a pattern over the routing key.
    Topic,
    /// All bound queues.
    Fanout,
}

impl Kind {
    /// RabbitMQ's name for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Topic => "topic",
            Self::Fanout => "fanout",
        }
    }
}

/// The value of a queue argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A text (AMQP long string).
    Text(String),
    /// A signed 64-bit number.
    Number(i64),
    /// A boolean (AMQP bit).
    Switch(bool),
}

/// A durable exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its name in RabbitMQ.
    pub name: String,
    /// How it selects queues.
    pub kind: Kind,
}

/// A durable quorum queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name in RabbitMQ.
    pub name: String,
    /// Its arguments. RabbitMQ allows no change to those of an existing queue.
    pub arguments: Vec<(&'static str, Setting)>,
    /// Name of the exchange that it is bound to.
    pub fed_by: String,
    /// Routing key of the binding.
    pub key: String,
}

/// The names of queues and exchanges in one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    prefix: String,
}

impl Default for Topology {
    fn default() -> Self {
        Self::named("tierlink")
    }
}

impl Topology {
    /// Uses `prefix` for all names. Only tests need another one than `tierlink`.
    #[must_use]
    pub fn named(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The exchange that delivers to the lanes.
    #[must_use]
    pub fn deliver(&self) -> String {
        format!("{}.deliver", self.prefix)
    }

    /// The exchange of case events.
    #[must_use]
    pub fn events(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// Name of the exchange and the queue of receipts.
    #[must_use]
    pub fn receipts(&self) -> String {
        format!("{}.receipts", self.prefix)
    }

    /// Name of the exchange and the queue of dead-lettered parcels.
    #[must_use]
    pub fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// Name of the queue of a lane.
    #[must_use]
    pub fn queue_of(&self, lane: &Lane) -> String {
        format!("{}.to.{lane}", self.prefix)
    }

    /// All exchanges that are declared.
    #[must_use]
    pub fn exchanges(&self) -> [Exchange; 4] {
        [
            Exchange { name: self.deliver(), kind: Kind::Direct },
            Exchange { name: self.receipts(), kind: Kind::Topic },
            Exchange { name: self.events(), kind: Kind::Topic },
            Exchange { name: self.dead(), kind: Kind::Fanout },
        ]
    }

    /// The queues that exist once. Lanes are not among them.
    #[must_use]
    pub fn queues(&self) -> [Queue; 2] {
        let dead = Queue {
            name: self.dead(),
            arguments: vec![
                ("x-queue-type", Setting::Text("quorum".to_owned())),
                ("x-overflow", Setting::Text("drop-head".to_owned())),
                ("x-max-length", Setting::Number(DEAD_DEPTH_MAX)),
                ("x-max-length-bytes", Setting::Number(DEAD_BYTES_HELD_MAX)),
            ],
            fed_by: self.dead(),
            key: String::new(),
        };
        let receipts = Queue {
            name: self.receipts(),
            arguments: self.guarded(),
            fed_by: self.receipts(),
            key: "#".to_owned(),
        };
        [dead, receipts]
    }

    /// The queue of a lane, with its arguments.
    #[must_use]
    pub fn lane(&self, lane: &Lane) -> Queue {
        let mut arguments = self.guarded();
        // If two processes consume the lane, only one gets parcels, so that the order is kept.
        arguments.push(("x-single-active-consumer", Setting::Switch(true)));
        Queue {
            name: self.queue_of(lane),
            arguments,
            fed_by: self.deliver(),
            key: lane.as_str().to_owned(),
        }
    }

    /// Arguments so that no parcel disappears: a rejected one goes to the dead-letter exchange, and
    /// one that does not fit is refused while its publisher still has it. RabbitMQ requires
    /// `reject-publish` for `at-least-once` dead-lettering.
    fn guarded(&self) -> Vec<(&'static str, Setting)> {
        vec![
            ("x-queue-type", Setting::Text("quorum".to_owned())),
            ("x-dead-letter-exchange", Setting::Text(self.dead())),
            ("x-dead-letter-strategy", Setting::Text("at-least-once".to_owned())),
            ("x-overflow", Setting::Text("reject-publish".to_owned())),
            ("x-max-length", Setting::Number(LANE_DEPTH_MAX)),
            ("x-max-length-bytes", Setting::Number(LANE_BYTES_HELD_MAX)),
            ("x-delivery-limit", Setting::Number(DELIVERY_LIMIT)),
        ]
    }
}
