//! The lanes that could not be opened at the last try, and why.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::{BusError, Lane, LaneTrouble};

/// An entry that was not updated for this long is dropped, because its lane was paused or its
/// organisation removed. A lane that is still wanted is tried at least twice in this time.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(1);

/// Steps of opening a lane that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Making sure that its queue exists with our settings.
    Declaring,
    /// Joining its consumers.
    Joining,
}

/// The lanes that could not be opened.
#[derive(Default)]
pub(super) struct Unopened(Mutex<BTreeMap<(Lane, Step), (LaneTrouble, Instant)>>);

impl Unopened {
    /// Records the result of the last try.
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

    /// The lanes that are not open now, by name. If two steps failed, the earlier one is given.
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
