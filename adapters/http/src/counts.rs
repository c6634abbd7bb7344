//! What a server has seen, for metrics. Numbers only: no addresses, no paths, no payloads.

use std::sync::Arc;

pub use tierlink_socket::Count;

/// Counts of one server, from its start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections that are open now.
    pub open: Arc<Count>,
    /// Connections that were let in.
    pub accepted: Count,
    /// Connections closed at once because there were too many.
    pub refused_full: Count,
    /// Connections that never got through their TLS handshake.
    pub handshakes_failed: Count,
    /// Connections closed because nothing came for too long.
    pub closed_idle: Count,
    /// Connections closed because a request's headers came too slowly.
    pub closed_slow_headers: Count,
    /// Connections closed because nobody read our response.
    pub closed_slow_readers: Count,
    /// Requests whose headers were read.
    pub requests: Count,
    /// Requests refused because their head could be read in two ways.
    pub malformed: Count,
    /// Requests refused because their body was too large.
    pub too_large: Count,
    /// Requests refused because their body came too slowly.
    pub too_slow: Count,
    /// Requests whose body ended early or made no sense.
    pub broken_off: Count,
    /// Requests refused because too much was in hand already.
    pub too_busy: Count,
    /// Requests that ended in a panic of ours.
    pub crashed: Count,
}
