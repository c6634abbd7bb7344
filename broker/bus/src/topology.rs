//! Everything that TierLink declares in RabbitMQ, in one place.
//!
//! ```text
//!  tierlink.deliver  (direct) ──<organisation>──▶ tierlink.to.<organisation>   one active consumer
//!  tierlink.receipts (topic)  ──#──────────────▶ tierlink.receipts
//!  tierlink.events   (topic)  ──your key───────▶ your queue
//!  tierlink.dead     (fanout) ─────────────────▶ tierlink.dead                  alarm if not empty
//! ```
//!
//! The broker declares it at start-up, and `ops/rabbitmq/definitions.json` is written from the
//! same lines; a test fails when the file is stale.
//!
//! Receipts travel by a topic exchange with the organisation as the routing key, because RabbitMQ
//! can then hold each hospital's user to its own organisation. A header could be forged.

use crate::Lane;

/// Most parcels in one lane: weeks of a hospital that does not answer, and still a bounded disk.
/// Beyond it RabbitMQ refuses and the outbox keeps the rest.
pub const LANE_DEPTH_MAX: i64 = 1_000_000;

/// Most bytes in one lane, for the same reason.
pub const LANE_BYTES_HELD_MAX: i64 = 4 * 1024 * 1024 * 1024;

/// How often a parcel may come back before RabbitMQ puts it with the dead ones.
///
/// RabbitMQ 4 would stop at 20, and a parcel that a restart or a pause gives back is not dead. A
/// version-independent "never" does not exist (3.x knows no -1), and the number must be the same
/// in all versions: a queue's arguments cannot change after an upgrade.
pub const DELIVERY_LIMIT: i64 = 1_000_000;

/// Queues that listeners to case events declare themselves begin with this, and a policy in the
/// definitions bounds them: a listener that went away for good must not fill the disk.
pub const LISTENER_PREFIX: &str = "tierlink.listen.";

/// Most announcements that wait for one listener. The oldest go first: they are news, no orders.
pub const LISTENER_DEPTH_MAX: i64 = 100_000;

/// A listener's queue without a reader goes after a week, in milliseconds.
pub const LISTENER_EXPIRES_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// How an exchange picks its queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By the whole routing key.
    Direct,
    /// By a pattern over the routing key.
    Topic,
    /// To all of them.
    Fanout,
}

impl Kind {
    /// RabbitMQ's own name for it.
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
    /// A word.
    Text(String),
    /// A number.
    Number(i64),
    /// A switch.
    Switch(bool),
}

/// A durable exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What it is called.
    pub name: String,
    /// How it picks its queues.
    pub kind: Kind,
}

/// A durable quorum queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// What it is called.
    pub name: String,
    /// Its arguments, which can never change.
    pub arguments: Vec<(&'static str, Setting)>,
    /// The exchange that feeds it.
    pub fed_by: String,
    /// With which key.
    pub key: String,
}

/// The names in one installation.
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
    /// Names everything after `prefix`. Only tests have a reason for another one than `tierlink`.
    #[must_use]
    pub fn named(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The exchange that leads to the lanes.
    #[must_use]
    pub fn deliver(&self) -> String {
        format!("{}.deliver", self.prefix)
    }

    /// The exchange of case events.
    #[must_use]
    pub fn events(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// The exchange and the queue of receipts.
    #[must_use]
    pub fn receipts(&self) -> String {
        format!("{}.receipts", self.prefix)
    }

    /// The exchange and the queue of what no consumer could read.
    #[must_use]
    pub fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// The queue of a lane.
    #[must_use]
    pub fn queue_of(&self, lane: &Lane) -> String {
        format!("{}.to.{lane}", self.prefix)
    }

    /// All exchanges.
    #[must_use]
    pub fn exchanges(&self) -> [Exchange; 4] {
        [
            Exchange { name: self.deliver(), kind: Kind::Direct },
            Exchange { name: self.receipts(), kind: Kind::Topic },
            Exchange { name: self.events(), kind: Kind::Topic },
            Exchange { name: self.dead(), kind: Kind::Fanout },
        ]
    }

    /// The queues that exist once, without the lanes.
    #[must_use]
    pub fn queues(&self) -> [Queue; 2] {
        let dead = Queue {
            name: self.dead(),
            arguments: vec![("x-queue-type", Setting::Text("quorum".to_owned()))],
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

    /// The queue of a lane, with all that keeps it honest.
    #[must_use]
    pub fn lane(&self, lane: &Lane) -> Queue {
        let mut arguments = self.guarded();
        // Two processes may both want the lane. Only one gets it, so the order is kept.
        arguments.push(("x-single-active-consumer", Setting::Switch(true)));
        Queue {
            name: self.queue_of(lane),
            arguments,
            fed_by: self.deliver(),
            key: lane.as_str().to_owned(),
        }
    }

    /// Nothing leaves the queue unseen: what it rejects is kept, and what does not fit is refused
    /// while the publisher still has it. RabbitMQ needs `reject-publish` for `at-least-once`.
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
