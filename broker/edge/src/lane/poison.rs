//! Tells of parcels in a lane that the broker did not put there, or not like this.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tierlink_schemas::LaneName;
use tracing::error;

use super::genuine::Foreign;
use crate::trouble::Trouble;

/// Changed parcels that a lane has published again in [`PUBLISHED_AGAIN_IN`].
const PUBLISHED_AGAIN_MAX: usize = 64;
/// How long that many are enough.
const PUBLISHED_AGAIN_IN: Duration = Duration::from_secs(10);

/// What is wrong with the parcels of one lane. Kept outside of the consumer, because the lane joins
/// the bus repeatedly while it goes on.
pub(super) struct Poison {
    /// Parcels that are none of this lane.
    strange: Trouble,
    /// Parcels that somebody changed.
    changed: Trouble,
    /// When counting began, and how many were published again since then.
    published_again: Mutex<(Instant, usize)>,
}

impl Poison {
    pub(super) fn new(lane: &LaneName) -> Self {
        Self {
            strange: Trouble::new(format!(
                "ALARM: parcels in the lane of {lane} are among the dead parcels now"
            )),
            changed: Trouble::new(format!(
                "ALARM: somebody changed parcels in the lane of {lane}; they were not sent and are \
                 among the dead parcels now"
            )),
            published_again: Mutex::new((Instant::now(), 0)),
        }
    }

    /// Counts a parcel that is set aside, and logs at intervals.
    pub(super) fn tell(&self, lane: &LaneName, foreign: Foreign) {
        metrics::counter!("tierlink_buried_total").increment(1);
        if foreign.is_change() {
            metrics::counter!("tierlink_changed_parcels_total").increment(1);
        }
        let trouble = if foreign.is_change() { &self.changed } else { &self.strange };
        if let Some(line) = trouble.begins_or_goes_on(foreign.why()) {
            error!(%lane, code = %foreign.code(), "{line}");
        }
    }

    /// How many of `wanted` changed parcels may be published again now. Only so many, whatever comes.
    pub(super) fn may_publish_again(&self, wanted: usize) -> usize {
        let mut counted = self.published_again.lock();
        if counted.0.elapsed() >= PUBLISHED_AGAIN_IN {
            *counted = (Instant::now(), 0);
        }
        let may = wanted.min(PUBLISHED_AGAIN_MAX - counted.1);
        counted.1 += may;
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_changes_every_parcel_keeps_nobody_busy() {
        let poison = Poison::new(&"330199001".parse().unwrap());

        let may: usize = (0..1_000).map(|_| poison.may_publish_again(3)).sum();

        assert_eq!(may, PUBLISHED_AGAIN_MAX);
        poison.published_again.lock().0 -= PUBLISHED_AGAIN_IN;
        assert_eq!(poison.may_publish_again(3), 3);
    }
}
