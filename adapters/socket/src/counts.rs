//! One number for metrics, counted by many connections at once.
//!
//! Which numbers a server has is for its transport to say.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only ever needs to be roughly in step with the others.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more.
    pub fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// For a number that also falls.
    pub fn set(&self, now: usize) {
        self.0.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
