//! MIKEY with a pre-shared key: what a message is ciphered and authenticated with. RFC 3830 §4.1.2 to §4.1.4, §4.2.3
//! (from memory; the values of two independent programs are the same). Formats are in the crate `wire`.
//!
//! Keys follow from the pre-shared key, CSB ID and RAND. The key stream of a message follows from them and its counter:
//! two messages under one key must never have the same counter, whatever their RAND (TS 33.303 §6.2.3.3.2.3.1).

use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::hmac::Keyed;
use crate::keys::Pmk;

/// The pseudo-random function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prf {
    /// MIKEY-1: HMAC-SHA-1. RFC 3830 §4.1.2.
    Mikey1,
    /// The same with HMAC-SHA-256. RFC 6043 §6.1.
    HmacSha256,
}

/// What a MAC is made with; there is none without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MacAlgorithm {
    /// HMAC-SHA-1-160.
    HmacSha1,
    /// HMAC-SHA-256-256.
    HmacSha256,
}

impl MacAlgorithm {
    /// Octets of a MAC and of its key. TS 33.246 §6.4.1 has 160 bits for the key of HMAC-SHA-1.
    pub const fn octets(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
        }
    }
}

/// A MAC that is wrong. Nothing says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongMac;

impl std::fmt::Display for WrongMac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the MAC is wrong: another key, or an altered message")
    }
}

impl std::error::Error for WrongMac {}

/// Label of the key that ciphers, of a pre-shared key. RFC 3830 §4.1.4.
const ENCRYPTION: u32 = 0x1505_33E1;
/// Of the key of the MAC.
const AUTHENTICATION: u32 = 0x2D22_AC75;
/// Of the salt.
const SALT: u32 = 0x29B8_8916;
/// In the place of a CS ID: no session, the message itself.
const NO_SESSION: u8 = 0xff;

/// The keys of one message, and of its verification message.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MessageKeys {
    encryption: [u8; 16],
    salt: [u8; 14],
    authentication: [u8; 32],
    #[zeroize(skip)]
    csb_id: u32,
    #[zeroize(skip)]
    mac: MacAlgorithm,
}

impl MessageKeys {
    /// From the pre-shared key and what the message says.
    pub fn derive(pmk: &Pmk, prf: Prf, mac: MacAlgorithm, csb_id: u32, rand: &[u8]) -> Self {
        let (mut encryption, mut salt, mut authentication) = ([0; 16], [0; 14], [0; 32]);
        let label = |constant: u32| {
            let session = [&constant.to_be_bytes()[..], &[NO_SESSION], &csb_id.to_be_bytes()].concat();
            [&session, rand].concat()
        };
        expand(prf, pmk.as_bytes(), &label(ENCRYPTION), &mut encryption);
        expand(prf, pmk.as_bytes(), &label(SALT), &mut salt);
        expand(prf, pmk.as_bytes(), &label(AUTHENTICATION), &mut authentication);
        Self { encryption, salt, authentication, csb_id, mac }
    }

    /// Ciphers, or deciphers, in place: AES-CM-128. RFC 3830 §4.2.3: IV = (salt XOR (CSB ID || T)) || 0, with T of 64 bits,
    /// here a counter behind 32 zeros.
    pub fn cipher(&self, counter: u32, data: &mut [u8]) {
        let mut iv = Zeroizing::new([0; 16]);
        iv[..14].copy_from_slice(&self.salt);
        iv[2..6].iter_mut().zip(self.csb_id.to_be_bytes()).for_each(|(octet, with)| *octet ^= with);
        iv[10..14].iter_mut().zip(counter.to_be_bytes()).for_each(|(octet, with)| *octet ^= with);
        // 16 bits of the IV count blocks: a KEMAC has at most 4096.
        Ctr128BE::<aes::Aes128>::new(&self.encryption.into(), &(*iv).into()).apply_keystream(data);
    }

    /// The MAC of a message that is given as parts, as many octets as its algorithm has.
    pub fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        let key = &self.authentication[..self.mac.octets()];
        match self.mac {
            MacAlgorithm::HmacSha1 => hmac_sha1(key, parts).to_vec(),
            MacAlgorithm::HmacSha256 => Keyed::new(key).mac(parts).to_vec(),
        }
    }

    /// Whether a MAC is right, in constant time for one of the right length.
    ///
    /// # Errors
    /// It is wrong.
    pub fn verify(&self, parts: &[&[u8]], mac: &[u8]) -> Result<(), WrongMac> {
        if self.mac(parts).ct_eq(mac).into() { Ok(()) } else { Err(WrongMac) }
    }
}

impl std::fmt::Debug for MessageKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageKeys(redacted)")
    }
}

/// PRF(key, label), as long as `out` is. RFC 3830 §4.1.2: the key in blocks of 256 bits, each through P, and all XORed.
pub fn expand(prf: Prf, key: &[u8], label: &[u8], out: &mut [u8]) {
    out.fill(0);
    for block in key.chunks(32) {
        match prf {
            Prf::Mikey1 => expand_block(|parts| hmac_sha1(block, parts), label, out),
            Prf::HmacSha256 => {
                let keyed = Keyed::new(block);
                expand_block(|parts| keyed.mac(parts), label, out);
            }
        }
    }
}

/// XORs P(s, label) into `out`: HMAC(s, A_1 || label) || HMAC(s, A_2 || label) || .., A_0 the label, A_i = HMAC(s, A_(i-1)).
fn expand_block<const N: usize>(hmac: impl Fn(&[&[u8]]) -> [u8; N], label: &[u8], out: &mut [u8]) {
    let mut a = Zeroizing::new(hmac(&[label]));
    for chunk in out.chunks_mut(N) {
        let with = Zeroizing::new(hmac(&[&a[..], label]));
        chunk.iter_mut().zip(&with[..]).for_each(|(octet, with)| *octet ^= with);
        a = Zeroizing::new(hmac(&[&a[..]]));
    }
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    // No key of ours is above the block of SHA-1, 64 octets.
    let mut block = Zeroizing::new([0; 64]);
    block[..key.len()].copy_from_slice(key);
    let mut hmac = Hmac::<Sha1>::new(&(*block).into());
    parts.iter().for_each(|part| hmac.update(part));
    hmac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
