//! Compares the clock of this machine with every other one that can be had, before a case may end
//! by it.
//!
//! ```text
//!   wall, steady clock, store ──look──▶ tierlink_core::doubt ──▶ certain: cases may end
//!                                                           └──▶ in doubt: told in log, figure,
//!                                                                readiness; over after a while, or
//!                                                                when a person vouches
//! ```
//!
//! Deliberately absent: what a doubt delays. That is for the clock task and the core.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tierlink_core::deadline;
use tierlink_core::doubt::{AGREES_FOR, Doubts, Look, Seen, Why};
use tierlink_store::StoredTime;
use tokio::time::Instant;
use tracing::{error, info};

/// What the clock of this process is worth, for whoever shows it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ClockStatus(Arc<Mutex<Option<Why>>>);

impl ClockStatus {
    /// Why the clock is in doubt, in words; `None` if it is not.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let why = *self.0.lock();
        why.map(|why| {
            format!(
                "in doubt: {}; no case expires or is closed by itself until it has agreed for \
                 {} minutes, or until `tierlink clock vouch`",
                why.text(),
                AGREES_FOR.as_secs() / 60
            )
        })
    }

    fn set(&self, why: Option<Why>) {
        *self.0.lock() = why;
        metrics::gauge!("tierlink_clock_in_doubt").set(f64::from(u8::from(why.is_some())));
    }
}

/// Follows the clock of this process.
pub struct ClockWatch {
    doubts: Doubts,
    begun: Instant,
    /// How often somebody had vouched when the doubt began.
    vouched: u64,
    status: ClockStatus,
}

impl ClockWatch {
    /// Begins to watch.
    #[must_use]
    pub fn new(status: ClockStatus) -> Self {
        status.set(None);
        Self { doubts: Doubts::default(), begun: Instant::now(), vouched: 0, status }
    }

    /// Looks at the clocks: `wall` is ours, read just now, and `stored` what the store said.
    pub fn look(&mut self, wall: Timestamp, stored: &StoredTime) -> deadline::Clock {
        let steady: Duration = self.begun.elapsed();
        let look = Look { wall, steady, database: stored.server, newest: stored.newest };
        if self.doubts.why().is_some() && stored.vouched != self.vouched {
            self.doubts.vouch(&look);
            info!("Somebody vouches for the clock: cases may end by it again.");
        }
        match self.doubts.look(&look) {
            Seen::AsBefore => {}
            Seen::Doubt(why) => error!(
                "The clock of this machine is in doubt: {}. Deadlines are reported all the same; \
                 no case expires or is closed by itself. See \
                 ops/runbooks/TierLinkClockInDoubt.md.",
                why.text()
            ),
            Seen::Certain => info!("The clock agrees again: cases may end by it."),
        }
        if self.doubts.why().is_none() {
            self.vouched = stored.vouched;
        }
        self.status.set(self.doubts.why());
        match self.doubts.why() {
            Some(_) => deadline::Clock::InDoubt,
            None => deadline::Clock::Certain,
        }
    }
}
