//! Which lanes could not be opened at their last try, and why.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::{BusError, Lane, LaneTrouble};

/// A lane that was not tried again for so long is none of ours any more: it was paused, or its
/// organisation left. Tries are at most half as far apart.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(1);

/// What can fail on the way to an open lane. Each is over when it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Making sure that its queue is there, with our settings.
    Declaring,
    /// Joining those who read it.
    Joining,
}

/// Lanes that could not be opened.
#[derive(Default)]
pub(super) struct Unopened(Mutex<BTreeMap<(Lane, Step), (LaneTrouble, Instant)>>);

impl Unopened {
    /// Notes what came of the last try.
    pub(super) fn note<T>(&self, lane: &Lane, step: Step, outcome: &Result<T, BusError>) {
        let key = (lane.clone(), step);
        match outcome {
            Ok(_) => {
                self.lock().remove(&key);
            }
            Err(error) => {
                let trouble = LaneTrouble::new(lane.clone(), error);
                self.lock().insert(key, (trouble, Instant::now()));
            }
        }
    }

    /// Those that are not open now, by name. Of two reasons the first that must go is told.
    pub(super) fn list(&self) -> Vec<LaneTrouble> {
        let mut known = self.lock();
        known.retain(|_, (_, at)| at.elapsed() < FORGOTTEN_AFTER);
        let mut lanes: Vec<LaneTrouble> =
            known.values().map(|(trouble, _)| trouble.clone()).collect();
        lanes.dedup_by(|later, earlier| later.lane == earlier.lane);
        lanes
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Lane, Step), (LaneTrouble, Instant)>> {
        self.0.lock()
    }
}
