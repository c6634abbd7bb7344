//! What a server hands its messages to, and within which limits.

use std::time::Duration;

use bytes::Bytes;
use tierlink_socket::Peer;

use crate::codec;
use crate::frame::Broken;

/// Where messages go. One door serves all connections of a server, many at a time.
#[async_trait::async_trait]
pub trait Door: Send + Sync + 'static {
    /// Whether a message that begins like this is from somebody who may speak here. Asked until it
    /// is true once, so it must be quick: those who are known keep their places and get more room.
    fn knows(&self, peer: &Peer, head: &[u8]) -> bool;

    /// Takes one message and says what to answer. Runs to its end even if the sender hangs up.
    async fn receive(&self, peer: Peer, message: Bytes) -> Answer;

    /// Hears of a frame that broke, and may answer it. `broken.raw` may hold patient data.
    async fn broken(&self, peer: Peer, broken: Broken) -> Option<Bytes>;
}

/// What to tell the sender of a message.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// These, each in a frame of its own, in order: an acknowledgement, or in enhanced mode a
    /// commit acknowledgement and the application's.
    Reply(Vec<Bytes>),
    /// Nothing; the connection stays.
    Silent,
    /// Nothing; the connection is closed.
    Close,
}

/// How much a server takes, and how long it waits.
///
/// The memory that frames fill is the server's `ByteBudget`, whatever these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MllpLimits {
    /// The longest message.
    pub frame_bytes_max: usize,
    /// The most bytes to look through for a frame's start.
    pub junk_bytes_max: usize,
    /// How much of a broken frame the door gets to see.
    pub raw_bytes_max: usize,
    /// Open connections in all. A further one takes the place of another
    /// ([`tierlink_socket::places`]), or is closed at once.
    pub connections_max: usize,
    /// Open connections from one address.
    pub connections_per_peer_max: usize,
    /// How long a connection may stay without a message. Senders keep connections for hours.
    pub idle_lasts: Duration,
    /// How long a frame may take from first byte to last: 8 MiB over a village's 1 Mbit/s line.
    pub frame_lasts: Duration,
    /// How long the sender may take to read our answer.
    pub write_lasts: Duration,
    /// How long TLS may take to agree.
    pub handshake_lasts: Duration,
    /// How long messages in hand may take to be answered once the server stops.
    pub stop_lasts: Duration,
}

impl Default for MllpLimits {
    fn default() -> Self {
        Self {
            frame_bytes_max: codec::FRAME_BYTES_MAX,
            junk_bytes_max: codec::JUNK_BYTES_MAX,
            raw_bytes_max: codec::RAW_BYTES_MAX,
            connections_max: 1024,
            connections_per_peer_max: 32,
            idle_lasts: Duration::from_hours(4),
            frame_lasts: Duration::from_mins(2),
            write_lasts: Duration::from_secs(30),
            handshake_lasts: Duration::from_secs(10),
            stop_lasts: Duration::from_secs(20),
        }
    }
}

impl MllpLimits {
    pub(crate) fn codec(&self) -> codec::FrameLimits {
        codec::FrameLimits {
            frame_bytes_max: self.frame_bytes_max,
            junk_bytes_max: self.junk_bytes_max,
            raw_bytes_max: self.raw_bytes_max,
        }
    }
}
