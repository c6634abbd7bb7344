//! Time, random numbers and new ids: what the program gets from outside and tests must control.
//!
//! Code that handles messages gets these as an argument, so that a test can simulate days in a
//! moment and repeat them exactly.

use jiff::Timestamp;
use rand::Rng;
use uuid::Uuid;

/// Source of time, random numbers and new ids.
pub trait Environment: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// A uniform random number in [0, 1).
    fn random(&self) -> f64;

    /// A new UUIDv7.
    fn id(&self) -> Uuid;
}

/// The real clock and random numbers of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn now(&self) -> Timestamp {
        // Stores keep microseconds. What is finer would differ from itself once it was read back.
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    fn random(&self) -> f64 {
        rand::rng().random()
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
