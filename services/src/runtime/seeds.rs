//! Randomness of a machine: its first seed, and fresh ones now and then.

use sidelink_security::counter::UtcTime;
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
}
