//! Chance and time of a world: everything comes from one seed and one virtual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tierlink_edge::environment::Environment;
use tokio::time::Instant;
use uuid::Uuid;

/// One generator for the whole world. Cheap to clone.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<StdRng>>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// True so many times in a hundred.
    pub fn percent(&self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// A number from 0 up to, but not, `end`.
    pub fn below(&self, end: u64) -> u64 {
        self.0.lock().random_range(0..end.max(1))
    }

    /// One of these.
    pub fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.at(from.len())]
    }

    /// A place in a list of this length.
    pub fn at(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// Draws 32 random bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0.lock().random()
    }

    /// Lets up to so many milliseconds pass.
    pub async fn wait(&self, ms_max: u64) {
        self.wait_between(0, ms_max).await;
    }

    pub async fn wait_between(&self, ms_min: u64, ms_max: u64) {
        let wait = ms_min + self.below(ms_max.saturating_sub(ms_min) + 1);
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }
}

/// The environment that one process sees: its clock may be wrong.
pub struct OneClock {
    dice: Dice,
    begun: Instant,
    wrong_by_s: AtomicI64,
}

impl OneClock {
    pub fn new(dice: Dice, begun: Instant) -> Self {
        Self { dice, begun, wrong_by_s: AtomicI64::new(0) }
    }

    /// Sets the clock wrong by so many seconds, or right again.
    pub fn set_wrong(&self, seconds: i64) {
        self.wrong_by_s.store(seconds, Ordering::Relaxed);
    }
}

impl Environment for OneClock {
    fn now(&self) -> Timestamp {
        // A Wednesday morning at ten, in Shanghai.
        let morning: Timestamp = Timestamp::from_second(1_772_589_600).unwrap();
        let gone = SignedDuration::try_from(self.begun.elapsed()).unwrap();
        morning + gone + SignedDuration::from_secs(self.wrong_by_s.load(Ordering::Relaxed))
    }

    fn random(&self) -> f64 {
        f64::from(u32::try_from(self.dice.below(1_000)).unwrap()) / 1_000.0
    }

    fn id(&self) -> Uuid {
        let ms = u64::try_from(self.now().as_millisecond()).unwrap();
        let random: [u8; 10] = self.dice.bytes()[..10].try_into().unwrap();
        uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
    }
}
