//! HMAC-SHA-256 (RFC 2104) that keeps the state after the key: a message of up to 55 octets then costs two compressions
//! and no allocation, on which the matching of a million discovery codes relies.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Initial value of SHA-256, FIPS 180-4 §5.3.3.
const H0: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The longest message that fits one block after the key, with the padding.
pub(crate) const SHORT: usize = 55;

/// The states of the inner and the outer hash after the padded key: 64 octets.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Keyed {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl Keyed {
    /// Absorbs a key: two compressions (a key above 64 octets is hashed first).
    pub(crate) fn new(key: &[u8]) -> Self {
        if key.len() > 64 {
            let digest: [u8; 32] = Sha256::digest(key).into();
            return Self::new(&digest);
        }
        let mut block = [0x36; 64];
        for (pad, key) in block.iter_mut().zip(key) {
            *pad ^= key;
        }
        let mut inner = H0;
        compress256(&mut inner, &[block]);
        for octet in &mut block {
            *octet ^= 0x36 ^ 0x5c;
        }
        let mut outer = H0;
        compress256(&mut outer, &[block]);
        block.zeroize();
        Self { inner, outer }
    }

    /// Makes one of the states after a key, inner and outer.
    pub(crate) const fn from_states(inner: [u32; 8], outer: [u32; 8]) -> Self {
        Self { inner, outer }
    }

    /// Returns the states after the key, inner and outer.
    pub(crate) const fn states(&self) -> [&[u32; 8]; 2] {
        [&self.inner, &self.outer]
    }

    /// Begins an HMAC of a message of any length.
    pub(crate) fn start(&self) -> Running<'_> {
        Running { keyed: self, state: self.inner, block: [0; 64], total: 0 }
    }

    /// Returns the HMAC of a message in parts.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut running = self.start();
        for part in parts {
            running.update(part);
        }
        running.finish()
    }

    /// Returns the HMAC of a message of at most [`SHORT`] octets: two compressions.
    #[inline]
    pub(crate) fn mac_short(&self, message: &[u8]) -> [u8; 32] {
        let mut state = self.inner;
        compress256(&mut state, &[short_block(message)]);
        self.outer(state)
    }

    /// Computes the second half of the HMAC.
    #[inline]
    fn outer(&self, inner: [u32; 8]) -> [u8; 32] {
        let mut block = [0; 64];
        put_words(&mut block, &inner);
        block[32] = 0x80;
        block[56..].copy_from_slice(&(8 * (64 + 32) as u64).to_be_bytes());
        let mut state = self.outer;
        compress256(&mut state, &[block]);
        let mut out = [0; 32];
        put_words(&mut out, &state);
        out
    }
}

/// An HMAC in progress.
pub(crate) struct Running<'k> {
    keyed: &'k Keyed,
    state: [u32; 8],
    block: [u8; 64],
    /// Octets so far; the last ones (modulo 64) are in `block`.
    total: u64,
}

impl Running<'_> {
    pub(crate) fn update(&mut self, mut part: &[u8]) {
        let mut used = (self.total % 64) as usize;
        self.total += part.len() as u64;
        while !part.is_empty() {
            let taken = part.len().min(64 - used);
            self.block[used..used + taken].copy_from_slice(&part[..taken]);
            part = &part[taken..];
            used += taken;
            if used == 64 {
                compress256(&mut self.state, &[self.block]);
                used = 0;
            }
        }
    }

    pub(crate) fn finish(mut self) -> [u8; 32] {
        let used = (self.total % 64) as usize;
        self.block[used] = 0x80;
        self.block[used + 1..].fill(0);
        if used > SHORT {
            compress256(&mut self.state, &[self.block]);
            self.block = [0; 64];
        }
        self.block[56..].copy_from_slice(&(8 * (64 + self.total)).to_be_bytes());
        compress256(&mut self.state, &[self.block]);
        self.keyed.outer(self.state)
    }
}

/// Pads a message of at most [`SHORT`] octets to the block that follows the key.
#[inline]
pub(crate) fn short_block(message: &[u8]) -> [u8; 64] {
    debug_assert!(message.len() <= SHORT);
    let mut block = [0; 64];
    block[..message.len()].copy_from_slice(message);
    block[message.len()] = 0x80;
    block[56..].copy_from_slice(&(8 * (64 + message.len() as u64)).to_be_bytes());
    block
}

#[inline]
fn put_words(octets: &mut [u8], words: &[u32; 8]) {
    for (chunk, word) in octets.chunks_exact_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_hmac_crate(key in proptest::collection::vec(any::<u8>(), 0..=130),
                                 message in proptest::collection::vec(any::<u8>(), 0..300),
                                 cut in 0_usize..300) {
            let mut oracle = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            oracle.update(&message);
            let expected: [u8; 32] = oracle.finalize().into_bytes().into();
            let keyed = Keyed::new(&key);
            let (a, b) = message.split_at(cut.min(message.len()));
            prop_assert_eq!(keyed.mac(&[a, b]), expected);
            if message.len() <= SHORT {
                prop_assert_eq!(keyed.mac_short(&message), expected);
            }
        }
    }
}
