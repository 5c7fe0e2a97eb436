//! Random numbers for what goes on the air: resources, timing, identities, nonces.
//!
//! ChaCha20, keyed by the system's random source or by a seed. Who knows the seed knows every draw, so a seed serves only
//! where nobody is there to be deceived: recordings, and an air that runs in lock-step. Nonces never come from a seed.

use crate::BuildError;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// A source of random numbers, as layer 2 takes it.
#[derive(Clone)]
pub struct AirRng(ChaCha20Rng);

impl AirRng {
    /// Keyed by the system's random source: no two of them are alike, and nobody predicts one.
    ///
    /// # Errors
    /// The system has no random source.
    pub fn of_system() -> Result<Self, BuildError> {
        let source = ChaCha20Rng::try_from_os_rng();
        source.map(Self).map_err(|e| BuildError::NoRandom(e.to_string()))
    }

    /// The draws of `seed`, other ones for each `name`: two files that differ in the name alone must not give the same
    /// resources. For simulations.
    pub fn seeded(seed: u64, name: &str) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&of_name(name).to_le_bytes());
        Self(ChaCha20Rng::from_seed(key))
    }

    /// 64 independent random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Another source, whose draws tell nothing of those of this one.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(ChaCha20Rng::from_rng(&mut self.0))
    }
}

impl sidelink_wire::rng::Rng for AirRng {
    fn next_u64(&mut self) -> u64 {
        Self::next_u64(self)
    }
}

/// What a UE draws from.
#[derive(Clone)]
pub struct UeRngs {
    /// Identities and times.
    pub timing: AirRng,
    /// What it sends.
    pub planner: PlannerRngs,
}

/// What is drawn for transmissions.
#[derive(Clone)]
pub struct PlannerRngs {
    /// Resources.
    pub resources: AirRng,
    /// Nonces in messages: always the system's.
    pub nonces: AirRng,
}

impl UeRngs {
    /// All from `source`, but for the nonces.
    ///
    /// # Errors
    /// The system has no random source.
    pub fn new(mut source: AirRng) -> Result<Self, BuildError> {
        let planner = PlannerRngs { resources: source.fork(), nonces: AirRng::of_system()? };
        Ok(Self { timing: source, planner })
    }
}

/// FNV-1a.
fn of_name(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_the_system_does_not() {
        let first = |mut air_rng: AirRng| [air_rng.next_u64(), air_rng.next_u64()];
        assert_eq!(first(AirRng::seeded(1, "alice")), first(AirRng::seeded(1, "alice")));
        assert_ne!(first(AirRng::seeded(1, "alice")), first(AirRng::seeded(1, "bob")));
        assert_ne!(first(AirRng::seeded(1, "alice")), first(AirRng::seeded(2, "alice")));
        assert_ne!(first(AirRng::of_system().unwrap()), first(AirRng::of_system().unwrap()));
        let of_seed = || UeRngs::new(AirRng::seeded(1, "alice")).unwrap();
        assert_eq!(first(of_seed().planner.resources), first(of_seed().planner.resources));
        assert_ne!(first(of_seed().planner.nonces), first(of_seed().planner.nonces));
    }
}
