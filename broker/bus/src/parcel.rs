//! What the bus carries, and its size limits.

use std::fmt;

use bytes::Bytes;
use tierlink_schemas::outside;
use tierlink_schemas::problem::Code;

use crate::BusError;

/// Longest lane name, in bytes. RabbitMQ allows 255 for a queue name, which has a prefix before
/// the lane's name.
pub const LANE_BYTES_MAX: usize = 100;

/// Longest id, in bytes: AMQP carries it as a short string.
pub const ID_BYTES_MAX: usize = 255;

/// Largest body, in bytes. RabbitMQ 4 closes the channel for anything above 16 MiB, and with it
/// every other parcel published at the same time. We stay below and refuse only the one.
pub const BODY_BYTES_MAX: usize = 15 * 1024 * 1024;

/// Name of a lane: the queue of one system of an organisation,
/// `organisation` or `organisation:system`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(String);

impl Lane {
    /// Checks the name of a lane: letters, digits, `-`, `_`, `.` and `:`, because it becomes part
    /// of queue names and routing keys.
    pub fn new(name: impl Into<String>) -> Result<Self, BusError> {
        let name = name.into();
        let fits = (1..=LANE_BYTES_MAX).contains(&name.len());
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        if fits && plain {
            Ok(Self(name))
        } else {
            Err(BusError::Unfit {
                what: "a lane",
                why: "its name must be 1 to 100 letters, digits, '-', '_', '.' and ':'",
            })
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One delivery on the bus. The bus does not read `body`.
#[derive(Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The lane it goes to; for a receipt, the lane it comes from.
    pub lane: Lane,
    /// Identifies the delivery. The same at every repeat.
    pub id: String,
    /// The delivery's round. Requeuing starts a new one, so parcels of older rounds are
    /// recognised as stale.
    pub round: u32,
    /// The delivery's number within its case and destination. Lower numbers are delivered first.
    pub number: u64,
    /// The canonical message, as JSON.
    pub body: Bytes,
}

/// Shows everything but the body, which may be about a patient.
impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, id, round, number, body } = self;
        write!(f, "parcel {id} to {lane} (round {round}, number {number}, {} bytes)", body.len())
    }
}

/// The result of publishing one parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Published {
    /// It is in its lane, and on disk if the bus remembers.
    Safe,
    /// The lane does not exist. Open it and publish again.
    Unroutable,
    /// Unconfirmed. Publish again later; it may then arrive twice.
    NotSafe,
    /// The lane holds as much as it may. It takes parcels again once some of it has been read.
    Full,
    /// Its id or its body exceeds the limits of the bus, so it can never be published. A
    /// person must act.
    TooLong,
}

/// News about a case, for any listener. Must not contain patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The routing key: what happened and for whom, such as `referral.accepted.<organisation>`.
    pub key: String,
    /// Id of the event.
    pub id: String,
    /// The event, as JSON.
    pub body: Bytes,
}

/// Identifies a parcel to the consumer that gave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The consumer's session that it came in: tags of an older session are void.
    pub(crate) session: u64,
    pub(crate) number: u64,
}

/// A parcel that a consumer gave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The parcel as it was published.
    pub parcel: Parcel,
    /// Names it for `done`, `give_back` and `bury`.
    pub tag: Tag,
    /// Whether it may have been given out before.
    pub again: bool,
}

/// How many parcels and readers a lane has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneDepth {
    /// Parcels waiting for a consumer.
    pub ready: u64,
    /// Parcels given out and not finished; `None` for RabbitMQ, which does not report it over AMQP.
    pub held: Option<u64>,
    /// Consumers of the lane, over all processes; `None` where the bus does not know.
    pub readers: Option<u64>,
}

/// A lane that is not open, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneTrouble {
    /// The lane that is not open.
    pub lane: Lane,
    /// The code of the error. Each has a page in `ops/errors/`.
    pub code: Code,
    /// The error and its causes, on one line.
    pub why: String,
}

impl LaneTrouble {
    /// Records that `lane` is not open because of `error`.
    pub(crate) fn new(lane: Lane, error: &BusError) -> Self {
        // Part of it are words of the server.
        Self { lane, code: error.code(), why: outside::sentence(chain(error)) }
    }
}

/// A queue that belongs to no lane and does not have the settings that it should have. It is used as
/// it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueTrouble {
    /// Name of the queue.
    pub queue: String,
    /// The code of the error. Each has a page in `ops/errors/`.
    pub code: Code,
}

/// The error and all of its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Whether a parcel is within the limits of the bus.
pub(crate) fn can_travel(id: &str, body: &Bytes) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && body.len() <= BODY_BYTES_MAX
}

/// Whether an announcement is within the limits of the bus.
pub(crate) fn check_announcement(announcement: &Announcement) -> Result<(), BusError> {
    let Announcement { key, id, body } = announcement;
    let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !plain || key.is_empty() || key.len() > ID_BYTES_MAX {
        return Err(BusError::Unfit {
            what: "an announcement",
            why: "its key must be 1 to 255 letters, digits, '-', '_' and '.'",
        });
    }
    if !can_travel(id, body) {
        return Err(BusError::Unfit {
            what: "an announcement",
            why: "its id must be 1 to 255 bytes and its body at most 15 MiB",
        });
    }
    Ok(())
}
