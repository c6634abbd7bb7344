//! Whether things go wrong just now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::dice::Dice;

/// The switch for everything that goes wrong by chance. Cheap to clone.
#[derive(Clone)]
pub struct Faults {
    on: Arc<AtomicBool>,
    /// How rough this world is, in percent of the usual chances.
    rough: u64,
    /// The next transaction of this name fails.
    next: Arc<Mutex<Option<&'static str>>>,
}

impl Faults {
    pub fn new(rough: u64) -> Self {
        Self { on: Arc::new(AtomicBool::new(true)), rough, next: Arc::default() }
    }

    /// From now on nothing goes wrong any more.
    pub fn end(&self) {
        self.on.store(false, Ordering::Relaxed);
    }

    /// Has the next transaction of this name fail.
    pub fn fail_next(&self, what: &'static str) {
        *self.next.lock() = Some(what);
    }

    /// Whether this is the transaction that is to fail.
    pub fn is_next(&self, what: &'static str) -> bool {
        self.next.lock().take_if(|next| *next == what).is_some()
    }

    pub fn happens(&self, dice: &Dice, percent: u64) -> bool {
        self.on.load(Ordering::Relaxed) && dice.below(10_000) < percent * self.rough
    }
}
