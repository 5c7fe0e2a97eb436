//! Where nonces come from: a seed that the caller drew, and a session number that is durable.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::kdf::{derive, fc};

/// Octets that nobody can guess who does not know the seed: HMAC-SHA-256 as a ratchet. Deterministic; the chance is in
/// the seed, which the caller draws from a real source.
///
/// Each draw is bound to a `number`. With a number that is never used twice ([`crate::counter::reserve`]) no draw
/// repeats, not even when a broken source gives the same seed after every start.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Entropy([u8; 32]);

impl Entropy {
    /// From a seed of full strength.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(*derive(seed, fc::OWN_ENTROPY, &[b"seed"]))
    }

    /// Stir in more.
    pub fn mix(&mut self, seed: &[u8]) {
        let seed = &seed[..seed.len().min(1024)];
        self.0 = *derive(&self.0, fc::OWN_ENTROPY, &[b"mix", seed]);
    }

    /// The next 32 octets, bound to `number`.
    pub fn draw(&mut self, number: u64) -> [u8; 32] {
        let out = *derive(&self.0, fc::OWN_ENTROPY, &[b"out", &number.to_be_bytes()]);
        // The state steps on, so that what was drawn stays secret when the state leaks later.
        self.0 = *derive(&self.0, fc::OWN_ENTROPY, &[b"step"]);
        out
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(redacted)")
    }
}
