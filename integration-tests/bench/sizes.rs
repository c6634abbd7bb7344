//! How long and how much: the whole measurement, and the quick one that only shows that it works.

use std::time::Duration;

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Sending before anything is counted.
    pub warm: Duration,
    /// One load at full speed.
    pub burst: Duration,
    /// The load at a fixed rate.
    pub steady: Duration,
    /// Messages for the silent organisation.
    pub waiting: u32,
    /// The load of the others meanwhile.
    pub others: Duration,
    /// Closed cases in the store.
    pub cases: u32,
    /// Pages and cases that are looked up.
    pub lookups: u32,
    /// Starts of the process.
    pub starts: u32,
    /// One codec in one direction.
    pub codec: Duration,
}

impl Sizes {
    /// The figures that count.
    pub const fn full() -> Self {
        Self {
            warm: Duration::from_secs(2),
            burst: Duration::from_secs(5),
            steady: Duration::from_mins(1),
            waiting: 20_000,
            others: Duration::from_secs(15),
            cases: 1_000_000,
            lookups: 3_000,
            starts: 5,
            codec: Duration::from_millis(500),
        }
    }

    /// Under two minutes in all.
    pub const fn quick() -> Self {
        Self {
            warm: Duration::from_millis(500),
            burst: Duration::from_millis(1_500),
            steady: Duration::from_secs(10),
            waiting: 2_000,
            others: Duration::from_secs(6),
            cases: 50_000,
            lookups: 300,
            starts: 3,
            codec: Duration::from_millis(200),
        }
    }
}
