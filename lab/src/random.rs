//! Numbers that look random and come again with the same seed.

use std::time::Duration;

/// A SplitMix64 generator.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_bits() % limit
    }

    /// A time shorter than `limit`.
    pub fn shorter_than(&mut self, limit: Duration) -> Duration {
        Duration::from_nanos(self.below(limit.as_nanos().max(1) as u64))
    }
}

/// The seed of this run: `PMD_LAB_SEED`, or always the same.
pub fn seed() -> u64 {
    std::env::var("PMD_LAB_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(2026)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_sequence_again() {
        let take = |seed| {
            let mut random = Random::new(seed);
            [random.next_bits(), random.below(10), random.next_bits()]
        };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
        assert!(Random::new(3).shorter_than(Duration::from_millis(5)) < Duration::from_millis(5));
    }
}
