//! Source of nonces: a seed that the caller drew, and a durable session number.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::kdf::{derive, fc};

/// Octets that cannot be predicted without the seed: HMAC-SHA-256 as a ratchet. Deterministic; the entropy is in the
/// seed, which the caller draws from a real random source.
///
/// Each draw is bound to a `number`. With a number that is never used twice ([`crate::counter::reserve`]) no draw
/// repeats, not even when a broken source returns the same seed after every start.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Entropy([u8; 32]);

impl Entropy {
    /// Makes a source of a seed with full entropy.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(*derive(seed, fc::OWN_ENTROPY, &[b"seed"]))
    }

    /// Mixes in more entropy; of `seed` at most 1024 octets are used.
    pub fn mix(&mut self, seed: &[u8]) {
        let seed = &seed[..seed.len().min(1024)];
        self.0 = *derive(&self.0, fc::OWN_ENTROPY, &[b"mix", seed]);
    }

    /// Returns the next 32 octets, bound to `number`.
    pub fn draw(&mut self, number: u64) -> [u8; 32] {
        let out = *derive(&self.0, fc::OWN_ENTROPY, &[b"out", &number.to_be_bytes()]);
        // The state advances, so that earlier draws stay secret when the state leaks later.
        self.0 = *derive(&self.0, fc::OWN_ENTROPY, &[b"step"]);
        out
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(redacted)")
    }
}
