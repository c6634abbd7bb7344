//! Counters of a server, for metrics. Only numbers: no addresses or contents.

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
    /// Connections closed at once because their address is not permitted.
    pub refused_address: Count,
    /// Connections whose TLS handshake failed.
    pub handshakes_failed: Count,
    /// Messages passed to the door.
    pub messages: Count,
    /// Broken frames passed to the door.
    pub broken: Count,
    /// Answers that could not be written.
    pub answers_lost: Count,
}
