//! A counter for metrics, incremented by several connections at once.
//!
//! Each transport decides which counters its server has.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that need not be exactly consistent with others.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds one to the value.
    pub fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the value, for numbers that also decrease.
    pub fn set(&self, now: usize) {
        self.0.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
