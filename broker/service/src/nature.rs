//! What the program takes from outside without asking anybody: the time, chance, fresh ids.
//!
//! Whatever carries messages on gets these three handed in, so that a test can live through days
//! in a moment, and live through the same day twice.

use jiff::Timestamp;
use rand::Rng;
use uuid::Uuid;

/// Where time, chance and fresh ids come from.
pub trait Nature: Send + Sync {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// A throw of dice, from 0 to 1.
    fn chance(&self) -> f64;

    /// An id that nobody had before.
    fn id(&self) -> Uuid;
}

/// The clock and the dice of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real;

impl Nature for Real {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn chance(&self) -> f64 {
        rand::rng().random()
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
