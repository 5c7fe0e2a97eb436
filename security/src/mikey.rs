//! MIKEY: keys of messages and of traffic, their ciphers and MACs. RFC 3830 §4.1.2 to §4.1.4, §4.2.3, RFC 6043, RFC 6509,
//! TS 33.180. Formats are in the crate `wire`.
//!
//! Keys of a message follow from a pre-shared key, CSB ID and RAND. The key stream of a message follows from them and its
//! timestamp: two messages under one key must never have the same timestamp, whatever their RAND
//! (TS 33.303 §6.2.3.3.2.3.1).
//!
//! - [`MessageKeys`], the keys of a message; [`expand`], the PRF; [`traffic_key`], what a TGK becomes
//! - [`key_wrap`], AES key wrap with an initial value of the caller
//! - [`ticket`], MIKEY-TICKET
//! - [`profile`], GUK-ID, key parameters and SRTP keys of 3GPP

use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::hmac::Keyed;

pub mod key_wrap;
pub mod profile;
pub mod ticket;

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

/// How keys are ciphered; [`MessageKeys`] never leaves them in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// AES in counter mode, 128 bits.
    AesCm128,
    /// AES key wrap, 128 bits, with the salt as initial value.
    AesKw128,
    /// AES in counter mode, 256 bits. RFC 6043 §6.2.
    AesCm256,
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

/// What a key is derived for: the constant of its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Constant(u32);

impl Constant {
    /// The key that ciphers, of a pre-shared key. RFC 3830 §4.1.4.
    const ENCRYPTION: Self = Self(0x1505_33E1);
    /// The key of the MAC.
    const AUTHENTICATION: Self = Self(0x2D22_AC75);
    /// The salt.
    const SALT: Self = Self(0x29B8_8916);
}

/// What a TGK becomes. RFC 3830 §4.1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrafficKey {
    /// A TEK.
    Tek,
    /// A key of a MAC.
    Authentication,
    /// A key that ciphers.
    Encryption,
    /// A salt.
    Salt,
}

impl TrafficKey {
    const fn constant(self) -> Constant {
        Constant(match self {
            Self::Tek => 0x2AD0_1C64,
            Self::Authentication => 0x1B5C_7973,
            Self::Encryption => 0x1579_8CEF,
            Self::Salt => 0x39A2_C14B,
        })
    }
}

/// A crypto session of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CryptoSession {
    /// CS ID. TS 33.180 §E.1.3 has those of 3GPP.
    pub cs_id: u8,
    /// CSB ID.
    pub csb_id: u32,
}

/// Derives a key of one crypto session from a TGK, as long as `out` is. RFC 3830 §4.1.3.
pub fn traffic_key(
    prf: Prf,
    purpose: TrafficKey,
    tgk: &[u8],
    session: CryptoSession,
    rand: &[u8],
    out: &mut [u8],
) {
    expand(prf, tgk, &label(purpose.constant(), session.cs_id, session.csb_id, &[rand]), out);
}

/// In the place of a CS ID: no session, the message itself.
const NO_SESSION: u8 = 0xff;

/// constant || CS ID || CSB ID || the rest.
fn label(constant: Constant, cs_id: u8, csb_id: u32, rest: &[&[u8]]) -> Vec<u8> {
    [&constant.0.to_be_bytes()[..], &[cs_id], &csb_id.to_be_bytes(), &rest.concat()].concat()
}

/// The keys of one message, and of its verification message.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MessageKeys {
    encryption: [u8; 32],
    salt: [u8; 14],
    authentication: [u8; 32],
    #[zeroize(skip)]
    csb_id: u32,
    #[zeroize(skip)]
    mac: MacAlgorithm,
}

/// Why key data do not cipher or decipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyDataError {
    /// AES key wrap takes multiples of 8 octets, at least 16 of them: another validity makes it fit.
    NotWrappable {
        /// Octets of the key data.
        octets: usize,
    },
    /// Wrapped under another key, or altered.
    WrongKey,
}

impl std::fmt::Display for KeyDataError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotWrappable { octets } => {
                write!(
                    f,
                    "AES key wrap takes multiples of 8 octets above 8, not {octets}: add an SPI that fills them up"
                )
            }
            Self::WrongKey => f.write_str("the wrapped keys are of another key, or altered"),
        }
    }
}

impl std::error::Error for KeyDataError {}

impl MessageKeys {
    /// From the pre-shared key, or an envelope key, and what the message says. RFC 3830 §4.1.4.
    pub fn derive(key: &[u8], prf: Prf, mac: MacAlgorithm, csb_id: u32, rand: &[u8]) -> Self {
        Self::labelled(key, prf, mac, csb_id, |constant| label(constant, NO_SESSION, csb_id, &[rand]))
    }

    /// The shorter keys are the first octets of the longer ones: RFC 3830 §4.1.2 takes the leftmost bits.
    fn labelled(
        key: &[u8],
        prf: Prf,
        mac: MacAlgorithm,
        csb_id: u32,
        label: impl Fn(Constant) -> Vec<u8>,
    ) -> Self {
        let (mut encryption, mut salt, mut authentication) = ([0; 32], [0; 14], [0; 32]);
        expand(prf, key, &label(Constant::ENCRYPTION), &mut encryption);
        expand(prf, key, &label(Constant::SALT), &mut salt);
        expand(prf, key, &label(Constant::AUTHENTICATION), &mut authentication);
        Self { encryption, salt, authentication, csb_id, mac }
    }

    /// Ciphers, or deciphers, in place: AES-CM-128. RFC 3830 §4.2.3: IV = (salt XOR (0 || CSB ID || T)) || 0; T of a counter
    /// stands behind 32 zeros.
    pub fn cipher(&self, timestamp: u64, data: &mut [u8]) {
        let iv = self.iv(timestamp);
        let (key, _) = self.wrapping();
        // 16 bits of the IV count blocks: a KEMAC has at most 4096.
        Ctr128BE::<aes::Aes128>::new(key.into(), &(*iv).into()).apply_keystream(data);
    }

    fn iv(&self, timestamp: u64) -> Zeroizing<[u8; 16]> {
        let mut iv = Zeroizing::new([0; 16]);
        iv[..14].copy_from_slice(&self.salt);
        iv[2..6].iter_mut().zip(self.csb_id.to_be_bytes()).for_each(|(octet, with)| *octet ^= with);
        iv[6..14].iter_mut().zip(timestamp.to_be_bytes()).for_each(|(octet, with)| *octet ^= with);
        iv
    }

    /// Ciphers key data. RFC 3830 §4.2.3.
    ///
    /// # Errors
    /// [`KeyDataError::NotWrappable`].
    pub fn encrypt(
        &self,
        encryption: Encryption,
        timestamp: u64,
        data: &[u8],
    ) -> Result<Vec<u8>, KeyDataError> {
        match encryption {
            Encryption::AesKw128 => {
                let (key, initial) = self.wrapping();
                key_wrap::wrap(key, initial, data).ok_or(KeyDataError::NotWrappable { octets: data.len() })
            }
            Encryption::AesCm128 | Encryption::AesCm256 => {
                let mut data = data.to_vec();
                self.counter_mode(encryption, timestamp, &mut data);
                Ok(data)
            }
        }
    }

    /// Deciphers key data.
    ///
    /// # Errors
    /// [`KeyDataError::WrongKey`]: only a key wrap can tell.
    pub fn decrypt(
        &self,
        encryption: Encryption,
        timestamp: u64,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyDataError> {
        match encryption {
            Encryption::AesKw128 => {
                let (key, initial) = self.wrapping();
                key_wrap::unwrap(key, initial, data).ok_or(KeyDataError::WrongKey)
            }
            Encryption::AesCm128 | Encryption::AesCm256 => {
                let mut data = Zeroizing::new(data.to_vec());
                self.counter_mode(encryption, timestamp, &mut data);
                Ok(data)
            }
        }
    }

    fn counter_mode(&self, encryption: Encryption, timestamp: u64, data: &mut [u8]) {
        if encryption == Encryption::AesCm256 {
            let iv = self.iv(timestamp);
            Ctr128BE::<aes::Aes256>::new(&self.encryption.into(), &(*iv).into()).apply_keystream(data);
        } else {
            self.cipher(timestamp, data);
        }
    }

    fn wrapping(&self) -> (&[u8; 16], &[u8; 8]) {
        let key = self.encryption.first_chunk().expect("it has 32 octets");
        (key, self.salt.first_chunk().expect("it has 14 octets"))
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
