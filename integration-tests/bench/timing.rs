//! Times of many messages, and what can be said about them.

use std::time::Duration;

/// Times in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<u32>);

impl Times {
    /// Adds one measured time.
    pub fn note(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Takes over another's.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// The time within which so many of a thousand were done, in milliseconds.
    pub fn within(&mut self, of_thousand: usize) -> f64 {
        if self.0.is_empty() {
            return 0.0;
        }
        self.0.sort_unstable();
        let at = (self.0.len() * of_thousand / 1_000).min(self.0.len() - 1);
        f64::from(self.0[at]) / 1_000.0
    }
}

/// The middle one of some figures; of two, their mean.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_of_a_thousand_is_beyond_the_ninety_ninth_percent() {
        let mut times = Times::default();
        for milliseconds in 1..=1_000 {
            times.note(Duration::from_millis(milliseconds));
        }

        let said = [500, 990, 999].map(|share| format!("{:.0}", times.within(share)));

        assert_eq!(said, ["501", "991", "1000"]);
    }

    #[test]
    fn one_wild_run_of_three_does_not_move_the_median() {
        assert_eq!(median(&[10.0, 900.0, 11.0]).to_bits(), 11.0_f64.to_bits());
    }
}
