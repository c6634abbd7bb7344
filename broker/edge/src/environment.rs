//! Everything that the program takes from outside and that no test can repeat: the time, random
//! numbers and fresh ids.
//!
//! Code that carries messages gets these handed in. A test can then play days in a moment, and
//! play the same day twice.

use jiff::Timestamp;
use rand::Rng;
use uuid::Uuid;

/// Where time, random numbers and fresh ids come from.
pub trait Environment: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// A uniform random number in [0, 1).
    fn random(&self) -> f64;

    /// A fresh UUIDv7.
    fn id(&self) -> Uuid;
}

/// The clock and the random numbers of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn random(&self) -> f64 {
        rand::rng().random()
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
