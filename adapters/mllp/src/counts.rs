//! What a server has seen, for metrics. Numbers only: no addresses, no payloads.

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
    /// Connections closed at once because their address is not on the list.
    pub refused_address: Count,
    /// Connections that never got through their TLS handshake.
    pub handshakes_failed: Count,
    /// Messages handed to the door.
    pub messages: Count,
    /// Broken frames handed to the door.
    pub broken: Count,
    /// Answers that could not be written.
    pub answers_lost: Count,
}
