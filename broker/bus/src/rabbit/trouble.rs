//! Logs once that a failure began and once that it ended, however often it occurs in between.
//!
//! While RabbitMQ is away for an hour, hundreds of lanes retry hundreds of times; two log lines are
//! enough. Failures that have no end are logged at intervals, with a count.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::BusError;
use crate::parcel::chain;

/// The state of one thing that can fail.
pub(super) struct Trouble {
    what: String,
    since: Mutex<Option<Instant>>,
}

impl Trouble {
    pub(super) fn with(what: impl Into<String>) -> Self {
        Self { what: what.into(), since: Mutex::new(None) }
    }

    /// Logs a failure, if it is the first since `ends`.
    pub(super) fn begins(&self, error: &BusError) {
        let mut since = self.since.lock();
        if since.is_none() {
            *since = Some(Instant::now());
            let (what, code) = (&self.what, error.code());
            warn!(code = %code, "{what} is in trouble: {}. Trying again until it works.", chain(error));
        }
    }

    /// Logs that it works again, if it had failed.
    pub(super) fn ends(&self) {
        let ended = self.since.lock().take();
        if let Some(since) = ended {
            info!("{} works again after {:.1?}.", self.what, since.elapsed());
        }
    }
}

/// The state of something that many lanes do and that fails for all of them when RabbitMQ is away.
/// The failure begins with the first lane and ends with the last.
pub(super) struct CommonTrouble {
    trouble: Trouble,
    affected: Mutex<BTreeSet<String>>,
}

impl CommonTrouble {
    pub(super) fn with(what: impl Into<String>) -> Self {
        Self { trouble: Trouble::with(what), affected: Mutex::default() }
    }

    /// Logs a failure, if no lane had one before.
    pub(super) fn begins(&self, who: &str, error: &BusError) {
        let mut affected = self.affected.lock();
        affected.insert(who.to_owned());
        self.trouble.begins(error);
    }

    /// Logs that it works again, if `who` was the last lane with a failure.
    pub(super) fn ends(&self, who: &str) {
        let mut affected = self.affected.lock();
        if affected.remove(who) && affected.is_empty() {
            self.trouble.ends();
        }
    }
}

/// Interval between two log lines about a flood.
const TELL_EVERY: Duration = Duration::from_mins(5);

/// Counts events that have no end of their own and may come ten thousand times a second.
#[derive(Default)]
pub(super) struct Flood(Mutex<(Option<Instant>, u64)>);

impl Flood {
    /// Counts one event. When it is time to log again, returns how many came since the last time.
    pub(super) fn counts(&self) -> Option<u64> {
        let mut known = self.0.lock();
        known.1 += 1;
        if known.0.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return None;
        }
        known.0 = Some(Instant::now());
        Some(std::mem::take(&mut known.1))
    }
}

#[cfg(test)]
mod tests {
    use super::Flood;

    #[test]
    fn a_flood_is_told_when_it_begins_and_then_only_counted() {
        let flood = Flood::default();

        let first = flood.counts();
        let later: Vec<u64> = (0..1_000).filter_map(|_| flood.counts()).collect();

        assert_eq!(first, Some(1));
        assert!(later.is_empty(), "{later:?}");
    }
}
