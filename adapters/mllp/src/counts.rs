//! What a server has seen, for metrics. Numbers only: no addresses, no payloads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one server, from its start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections that are open now.
    pub open: Count,
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

/// One number that only ever needs to be roughly in step with the others.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, now: usize) {
        self.0
            .store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
