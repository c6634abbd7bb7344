//! Chance that can be repeated: everything that a test draws comes from one printed seed.

use std::hash::{BuildHasher, RandomState};

/// Names the seed of a run that is to be repeated.
pub const SEED_VARIABLE: &str = "TIERLINK_TEST_SEED";

/// A small generator (SplitMix64). Good enough to choose what to break, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed that the environment names, or a new one.
    pub fn seed() -> u64 {
        std::env::var(SEED_VARIABLE)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or_else(|| RandomState::new().hash_one(0_u8) % 1_000_000)
    }

    /// A generator of its own for one of many, so that they do not depend on who draws first.
    #[must_use]
    pub fn apart(&self, number: u64) -> Self {
        let mut child = Self(self.0 ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        child.draw();
        child
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `from` up to but not including `to`.
    pub fn between(&mut self, from: usize, to: usize) -> usize {
        let width = to.saturating_sub(from).max(1);
        let drawn = self.draw() % u64::try_from(width).unwrap_or(1);
        from + usize::try_from(drawn).unwrap_or(0)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.between(0, times) == 0
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.between(0, from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        let drawn = |seed: u64| -> Vec<u64> {
            let mut chance = Chance::new(seed);
            (0..20).map(|_| chance.draw()).collect()
        };

        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn everything_in_a_range_is_drawn_and_nothing_else() {
        let mut chance = Chance::new(1);
        let mut seen = [0; 5];

        for _ in 0..500 {
            seen[chance.between(3, 8) - 3] += 1;
        }

        assert!(seen.iter().all(|times| *times > 50), "{seen:?}");
    }
}
