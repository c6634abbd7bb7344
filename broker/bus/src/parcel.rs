//! What travels on the bus, and how large it may be.

use std::fmt;

use bytes::Bytes;
use tierlink_schemas::problem::Code;

use crate::BusError;

/// Longest lane name. RabbitMQ allows 255 bytes for a queue name and ours put a prefix before it.
pub const LANE_BYTES_MAX: usize = 100;

/// Longest id: AMQP carries it as a short string.
pub const ID_BYTES_MAX: usize = 255;

/// Largest body. RabbitMQ 4 closes the channel for anything above 16 MiB, which would take every
/// other parcel of the window down with it; we stay below and refuse the one.
pub const BODY_BYTES_MAX: usize = 15 * 1024 * 1024;

/// The lane of one system of an organisation, by its name: `organisation` or `organisation:system`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(String);

impl Lane {
    /// Takes the name of a lane: letters, digits, `-`, `_`, `.` and `:`, because it becomes part of
    /// queue names and routing keys.
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

    /// The name.
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

/// One delivery on the road. The bus does not look into `body`.
#[derive(Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Where it goes; for a receipt, where it comes from.
    pub lane: Lane,
    /// What the delivery is called. The same on every repeat.
    pub id: String,
    /// Which round of the delivery this is: unparking starts a new one, and a parcel of an older
    /// round is recognised as stale.
    pub round: u32,
    /// The delivery's number within its case and destination.
    pub number: u64,
    /// The message.
    pub body: Bytes,
}

/// Shows everything but the body, which may be about a patient.
impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, id, round, number, body } = self;
        write!(f, "parcel {id} to {lane} (round {round}, number {number}, {} bytes)", body.len())
    }
}

/// What became of one parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Published {
    /// It is in its lane, and on disk if the bus remembers.
    Safe,
    /// There is no such lane. Open it and publish again.
    Unroutable,
    /// Nobody knows, or the lane is full. Publish again later; it may then arrive twice.
    NotSafe,
    /// It can never travel: its id or its body is longer than the bus carries. A person must act.
    TooLong,
}

/// News about a case for anyone who listens. Must not hold patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// What happened and for whom, such as `referral.accepted.<organisation>`.
    pub key: String,
    /// The event's id.
    pub id: String,
    /// The news.
    pub body: Bytes,
}

/// Names a parcel towards the consumer that gave it out, and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Which of the consumer's connections it came over: after a new one, old tags mean nothing.
    pub(crate) session: u64,
    pub(crate) number: u64,
}

/// A parcel as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What was published.
    pub parcel: Parcel,
    /// What to call it when it is finished.
    pub tag: Tag,
    /// Someone may have had it before.
    pub again: bool,
}

/// How much waits in a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneDepth {
    /// Not yet given to a consumer.
    pub ready: u64,
    /// Given out and not finished; RabbitMQ does not tell over AMQP.
    pub held: Option<u64>,
    /// Consumers that have joined the lane, over all processes; `None` where the bus does not know.
    pub readers: Option<u64>,
}

/// Why a lane is not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneTrouble {
    /// Which lane.
    pub lane: Lane,
    /// The code of the error, which names a page in `ops/errors/`.
    pub code: Code,
    /// The error and its causes on one line.
    pub why: String,
}

impl LaneTrouble {
    /// What `error` means for `lane`.
    pub(crate) fn new(lane: Lane, error: &BusError) -> Self {
        Self { lane, code: error.code(), why: chain(error) }
    }
}

/// The error and everything that caused it, on one line.
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

/// Whether a parcel is within what the bus carries.
pub(crate) fn can_travel(id: &str, body: &Bytes) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && body.len() <= BODY_BYTES_MAX
}

/// Whether an announcement is within what the bus carries.
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
