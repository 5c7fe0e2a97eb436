//! Randomness of a machine: its first seed, and fresh ones now and then.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_wire::rng::Rng;
use zeroize::Zeroizing;

use super::now;
use crate::error::StartError;

/// Milliseconds between two seeds.
const RESEED: u64 = 60_000;

/// A seed.
type Seed = Zeroizing<[u8; 32]>;

/// When a machine was seeded last.
pub(super) struct Seeds(UtcTime);

impl Seeds {
    /// The first seed.
    ///
    /// # Errors
    /// The system gives no random octets.
    pub(super) fn first() -> Result<(Self, Seed), StartError> {
        let seed = seed().ok_or(StartError::NoRandomness)?;
        Ok((Self(now()), seed))
    }

    /// Another seed, now and then: a state of the machine that got out says nothing of later codes and keys.
    pub(super) fn again(&mut self, now: UtcTime) -> Option<Seed> {
        if now.millis() < self.0.plus_millis(RESEED).millis() {
            return None;
        }
        let seed = seed()?;
        self.0 = now;
        Some(seed)
    }
}

/// Random octets for a machine that is handed them with each input.
pub(super) struct Chance {
    seeds: Seeds,
    entropy: Entropy,
    draws: u64,
    /// Drawn and not handed out yet.
    left: Vec<u64>,
}

impl Chance {
    /// # Errors
    /// The system gives no random octets.
    pub(super) fn new() -> Result<Self, StartError> {
        let (seeds, seed) = Seeds::first()?;
        Ok(Self { seeds, entropy: Entropy::new(&seed), draws: 0, left: Vec::new() })
    }

    /// Takes a fresh seed, now and then.
    pub(super) fn renew(&mut self, now: UtcTime) {
        if let Some(seed) = self.seeds.again(now) {
            self.entropy.mix(&seed[..]);
        }
    }
}

impl Rng for Chance {
    fn next_u64(&mut self) -> u64 {
        loop {
            if let Some(number) = self.left.pop() {
                return number;
            }
            self.draws += 1;
            let drawn = Zeroizing::new(self.entropy.draw(self.draws));
            self.left.extend(drawn.as_chunks().0.iter().map(|eight| u64::from_be_bytes(*eight)));
        }
    }
}

fn seed() -> Option<Seed> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut seed[..]).ok()?;
    Some(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_seed_comes_once_a_minute() {
        let (mut seeds, first) = Seeds::first().unwrap();
        let begin = seeds.0;
        assert!(seeds.again(begin.plus_millis(RESEED - 1)).is_none());
        let second = seeds.again(begin.plus_millis(RESEED)).unwrap();
        assert_ne!(first, second);
        assert!(seeds.again(begin.plus_millis(2 * RESEED - 1)).is_none());
        assert!(seeds.again(begin.plus_millis(2 * RESEED)).is_some());
    }

    #[test]
    fn no_number_comes_twice_and_no_two_sources_agree() {
        let mut all = std::collections::BTreeSet::new();
        for _ in 0..2 {
            let mut chance = Chance::new().unwrap();
            for _ in 0..100 {
                assert!(all.insert(chance.next_u64()));
            }
        }
    }
}
