//! Random numbers for everything that goes on the air: resources, timing, identities, nonces.
//!
//! ChaCha20, keyed by the system's random source or by a seed. The seed determines every draw, so a seed serves only
//! where there is no attacker: recordings, and an air that runs in lock-step. Nonces never come from a seed.

use crate::BuildError;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// A source of random numbers, with the interface that layer 2 expects.
#[derive(Clone)]
pub struct AirRng(ChaCha20Rng);

impl AirRng {
    /// Makes a source that is keyed by the system's random source: no two are alike, and none can be predicted.
    ///
    /// # Errors
    /// The system has no random source.
    pub fn of_system() -> Result<Self, BuildError> {
        let source = ChaCha20Rng::try_from_os_rng();
        source.map(Self).map_err(|e| BuildError::NoRandom(e.to_string()))
    }

    /// Makes the source of `seed`. Its draws depend on `name` as well: two files that differ in the name alone must not
    /// give the same resources. For simulations.
    pub fn seeded(seed: u64, name: &str) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&of_name(name).to_le_bytes());
        Self(ChaCha20Rng::from_seed(key))
    }

    /// Returns 64 independent random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns independent random octets.
    pub fn octets<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        self.0.fill_bytes(&mut octets);
        octets
    }

    /// Makes another source, whose draws reveal nothing about those of this one.
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

/// The random sources of a UE.
#[derive(Clone)]
pub struct UeRngs {
    /// For identities and times.
    pub timing: AirRng,
    /// For transmissions.
    pub planner: PlannerRngs,
}

/// The random sources of the planner.
#[derive(Clone)]
pub struct PlannerRngs {
    /// For resources.
    pub resources: AirRng,
    /// For nonces in messages: always keyed by the system.
    pub nonces: AirRng,
}

impl UeRngs {
    /// Takes every source from `source`, except that of the nonces.
    ///
    /// # Errors
    /// The system has no random source.
    pub fn new(mut source: AirRng) -> Result<Self, BuildError> {
        let planner = PlannerRngs { resources: source.fork(), nonces: AirRng::of_system()? };
        Ok(Self { timing: source, planner })
    }
}

/// Returns the FNV-1a hash of a name.
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
