//! Counters of a server, for metrics. Only numbers: no addresses, paths or contents.

use std::sync::Arc;

pub use tierlink_socket::Count;

/// Counters of one server since its start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections open now.
    pub open: Arc<Count>,
    /// Connections that were accepted.
    pub accepted: Count,
    /// Connections closed at once because there were too many.
    pub refused_full: Count,
    /// Connections whose TLS handshake failed.
    pub handshakes_failed: Count,
    /// Connections closed because no request came for too long.
    pub closed_idle: Count,
    /// Connections closed because the headers of a request came too slowly.
    pub closed_slow_headers: Count,
    /// Connections closed because the other side did not read our response.
    pub closed_slow_readers: Count,
    /// Requests whose headers were read.
    pub requests: Count,
    /// Requests refused because their head could be read in two ways.
    pub malformed: Count,
    /// Requests refused because their body was too large.
    pub too_large: Count,
    /// Requests refused because their body came too slowly.
    pub too_slow: Count,
    /// Requests whose body ended early or was not valid.
    pub broken_off: Count,
    /// Requests refused because too many were being handled.
    pub too_busy: Count,
    /// Requests whose handler panicked.
    pub crashed: Count,
}
