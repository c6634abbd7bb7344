//! Tells of parcels in a lane that the broker did not put there, or not like this.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tierlink_schemas::LaneName;
use tracing::error;

use super::genuine::Foreign;
use crate::trouble::Trouble;

/// Wait before a lane has changed parcels published again once more.
const PUBLISH_AGAIN_EVERY: Duration = Duration::from_secs(10);

/// What is wrong with the parcels of one lane. Kept outside of the consumer, because the lane joins
/// the bus repeatedly while it goes on.
pub(super) struct Poison {
    /// Parcels that are none of this lane.
    strange: Trouble,
    /// Parcels that somebody changed.
    changed: Trouble,
    published_again: Mutex<Option<Instant>>,
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
            published_again: Mutex::new(None),
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

    /// Whether changed parcels may be published again now. Only so often, whatever comes.
    pub(super) fn may_publish_again(&self) -> bool {
        let mut last = self.published_again.lock();
        let may = last.is_none_or(|last| last.elapsed() >= PUBLISH_AGAIN_EVERY);
        if may {
            *last = Some(Instant::now());
        }
        may
    }
}
