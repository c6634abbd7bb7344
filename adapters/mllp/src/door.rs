//! The interface between a server and the broker, and the server's limits.

use std::time::Duration;

use bytes::Bytes;
use tierlink_socket::Peer;

use crate::codec;
use crate::frame::Broken;

/// Receives messages. One door serves all connections of a server, several at the same time.
#[async_trait::async_trait]
pub trait Door: Send + Sync + 'static {
    /// Whether a message that begins like this is from somebody who may speak here. Asked until it
    /// is true once, so it must be quick: those who are known keep their places and get more room.
    fn knows(&self, peer: &Peer, head: &[u8]) -> bool;

    /// Takes one message and says what to answer. Runs to its end even if the sender hangs up.
    async fn receive(&self, peer: Peer, message: Bytes) -> Answer;

    /// Receives a broken frame, and may answer it. `broken.raw` may contain patient data.
    async fn broken(&self, peer: Peer, broken: Broken) -> Option<Bytes>;
}

/// The answer to the sender of a message.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// These, in order, each in a frame of its own: an acknowledgement or, in enhanced mode, a
    /// commit acknowledgement and an application acknowledgement.
    Reply(Vec<Bytes>),
    /// No answer; the connection stays open.
    Silent,
    /// No answer; the connection is closed.
    Close,
}

/// Limits of a server.
///
/// The memory that frames fill is the server's `ByteBudget`, whatever these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MllpLimits {
    /// Longest message, in bytes.
    pub frame_bytes_max: usize,
    /// Most bytes to search for a frame's start.
    pub junk_bytes_max: usize,
    /// Most bytes of a broken frame to pass to the door.
    pub raw_bytes_max: usize,
    /// Open connections in all. A further one takes the place of another
    /// ([`tierlink_socket::places`]), or is closed at once.
    pub connections_max: usize,
    /// Most open connections from one address.
    pub connections_per_peer_max: usize,
    /// How long a connection may be idle between messages. Senders keep connections for hours.
    pub idle_lasts: Duration,
    /// Longest time for a frame, from first to last byte: 8 MiB on a village's 1 Mbit/s line.
    pub frame_lasts: Duration,
    /// Longest time for the sender to read our answer.
    pub write_lasts: Duration,
    /// Longest time for a TLS handshake.
    pub handshake_lasts: Duration,
    /// How long a stopping server waits for messages that are being handled.
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
