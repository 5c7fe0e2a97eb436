//! Changing over-the-air IDs: TR 33.833 §6.2.1.4, "Protecting restricted discovery identifiers".
//!
//! ```text
//! octet 0   then 216 bits                                        octet 28
//! type      nonce (option 1 only) | code | zeros up to 216       LSB of the rotation period's number
//! ```
//!
//! The code is a one-way function of the ProSe ID, a key and a fresh value, cut to `code_bits`:
//!
//! - [`Variant::Literal`], as in the study: HMAC-SHA-1, *keyed by the fresh value* padded with zeros, over the ProSe
//!   ID. The key is public, so only the entropy of the ID protects it; 160 bits at most.
//! - [`Variant::Keyed`]: HMAC-SHA-256 keyed by the ProSe Application Key, over FC 0xF0 "ota", fresh value and ProSe
//!   ID.
//! - the final specification's is [`restricted`](super::restricted).
//!
//! The fresh value is nonce || number of the rotation period (64 bits). Option 1 sends the nonce; option 2 sends
//! nothing, because both sides know the time. In both options the time limits replay to one rotation period and the
//! uncertainty of the clocks. Every bit of the message is checked, including type, LSB and zeros.

use std::fmt;

use sha1::block_api::compress as compress_sha1;
use subtle::ConstantTimeEq;

use super::rotation::{PeriodIndex, RotationPeriod, Window};
use super::{MESSAGE_OCTETS, Message, Refusal, Verified};
use crate::counter::UtcTime;
use crate::hmac::{Keyed, short_block};
use crate::kdf::fc::{self, Fc};
use crate::keys::ApplicationKey;

/// ProSe ID: 160 bits that cannot be guessed, not derived from user or subscriber.
pub type ProseId = [u8; 20];

/// The one-way function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// As in the study: HMAC-SHA-1 keyed by the fresh value.
    Literal,
    /// HMAC-SHA-256 keyed by the ProSe Application Key.
    Keyed,
}

/// Type of these messages: reserved discovery type bits 11, so that a standard receiver drops them (TS 24.554 §11.2.1),
/// announcement, model A.
pub const MESSAGE_TYPE: u8 = 0xC1;

/// The parameters that announcer and monitors share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtaConfig {
    variant: Variant,
    code_bits: u16,
    nonce_bits: u16,
    period: RotationPeriod,
}

/// The operator's error: parameters that do not fit the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtaConfigError {
    /// Fewer than 8 bits of code, or more than the function returns.
    CodeBits {
        /// The requested number of bits.
        bits: u16,
        /// 160 for the literal variant, 216 for the keyed one.
        limit: u16,
    },
    /// Not whole octets, or above 128 bits.
    NonceBits {
        /// The requested number of bits.
        bits: u16,
    },
    /// Nonce and code together exceed 216 bits.
    TooLong {
        /// Their sum.
        bits: u16,
    },
}

impl fmt::Display for OtaConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CodeBits { bits, limit } => write!(f, "a code of {bits} bits: 8 to {limit} are possible"),
            Self::NonceBits { bits } => write!(f, "a nonce of {bits} bits: 0 to 128 in whole octets"),
            Self::TooLong { bits } => write!(f, "nonce and code have {bits} bits together, more than 216"),
        }
    }
}

impl std::error::Error for OtaConfigError {}

impl OtaConfig {
    /// Checks the parameters. `nonce_bits` = 0 is option 2, any other value option 1.
    pub const fn new(
        variant: Variant,
        code_bits: u16,
        nonce_bits: u16,
        period: RotationPeriod,
    ) -> Result<Self, OtaConfigError> {
        let limit = match variant {
            Variant::Literal => 160,
            Variant::Keyed => 216,
        };
        if code_bits < 8 || code_bits > limit {
            return Err(OtaConfigError::CodeBits { bits: code_bits, limit });
        }
        if nonce_bits > 128 || !nonce_bits.is_multiple_of(8) {
            return Err(OtaConfigError::NonceBits { bits: nonce_bits });
        }
        if code_bits + nonce_bits > 216 {
            return Err(OtaConfigError::TooLong { bits: code_bits + nonce_bits });
        }
        Ok(Self { variant, code_bits, nonce_bits, period })
    }

    /// Returns the one-way function.
    pub const fn variant(&self) -> Variant {
        self.variant
    }

    /// Returns the number of bits of the code.
    pub const fn code_bits(&self) -> u16 {
        self.code_bits
    }

    /// Returns the number of bits of the nonce; 0 in option 2.
    pub const fn nonce_bits(&self) -> u16 {
        self.nonce_bits
    }

    /// Returns the time for which a code is valid.
    pub const fn period(&self) -> RotationPeriod {
        self.period
    }

    const fn nonce_octets(&self) -> usize {
        self.nonce_bits as usize / 8
    }

    /// Makes the message of a code from the function's output (its leftmost bits are used).
    pub(crate) fn message(&self, nonce: &[u8], function: &[u8; 32], index: PeriodIndex) -> Message {
        let mut message = [0; MESSAGE_OCTETS];
        message[0] = MESSAGE_TYPE;
        let start = 1 + self.nonce_octets();
        message[1..start].copy_from_slice(nonce);
        let octets = usize::from(self.code_bits).div_ceil(8);
        message[start..start + octets].copy_from_slice(&function[..octets]);
        if let used @ 1.. = self.code_bits % 8 {
            message[start + octets - 1] &= 0xff << (8 - used);
        }
        message[28] = index.lsb();
        message
    }
}

/// One identity under one variant, as the announcer and every authorised monitor hold it.
pub struct OtaIdentity {
    config: OtaConfig,
    id: ProseId,
    /// The key of [`Variant::Keyed`].
    key: Option<Keyed>,
}

impl Drop for OtaIdentity {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.id);
    }
}

impl OtaIdentity {
    /// Makes an identity for either variant; the literal one does not use the key.
    pub fn new(config: OtaConfig, id: ProseId, key: &ApplicationKey) -> Self {
        let key = match config.variant {
            Variant::Literal => None,
            Variant::Keyed => Some(Keyed::new(key.as_bytes())),
        };
        Self { config, id, key }
    }

    /// Returns the message to announce at `time`. The announcer calls it again at every edge of a period; with option
    /// 1, for every announcement with a nonce that it has never used.
    ///
    /// Returns `None` if `nonce` does not have exactly `nonce_bits` bits (none in option 2).
    pub fn announce(&self, time: UtcTime, nonce: &[u8]) -> Option<Message> {
        if nonce.len() != self.config.nonce_octets() {
            return None;
        }
        Some(self.expected(self.config.period.index(time), nonce))
    }

    /// Checks whether `message` is of this identity and of the present time.
    ///
    /// Refused: [`Refusal::Replay`] when it is authentic but of a period before the window, [`Refusal::Clock`] of one
    /// after it, otherwise [`Refusal::Unknown`]. The LSB of the period say so from 128 periods before the window's
    /// last to 127 after it.
    pub fn verify(&self, window: Window, message: &Message) -> Result<Verified<PeriodIndex>, Refusal> {
        let index = window.nearest(message[28]);
        let nonce = &message[1..1 + self.config.nonce_octets()];
        let right: bool = self.expected(index, nonce).ct_eq(message).into();
        match right {
            false => Err(Refusal::Unknown),
            true if index < window.first => Err(Refusal::Replay),
            true if index > window.last => Err(Refusal::Clock),
            true => Ok(Verified::new(index)),
        }
    }

    fn expected(&self, index: PeriodIndex, nonce: &[u8]) -> Message {
        let function = match &self.key {
            Some(key) => {
                let (input, length) = keyed_input(nonce, index, &self.id);
                key.mac_short(&input[..length])
            }
            None => LiteralHash::new(nonce, index).function(&self.id),
        };
        self.config.message(nonce, &function, index)
    }
}

/// The label of the keyed variant: P0 behind [`fc::OWN`].
const LABEL: &[u8] = match fc::OWN_OTA_ID {
    Fc::Own(label) => label.as_bytes(),
    _ => panic!("a derivation of our own has a label"),
};

/// Octets of FC and label before the parameters.
const HEAD: usize = 1 + LABEL.len() + 2;

/// Octets of FC, label, nonce of up to 128 bits, period number, ProSe ID and their lengths: they fit one block.
const KEYED_INPUT: usize = HEAD + (16 + 8 + 2) + (20 + 2);
const _: () = assert!(KEYED_INPUT <= crate::hmac::SHORT);

/// Returns S of the keyed variant: FC and label, P1 = nonce || period number, P2 = ProSe ID.
fn keyed_input(nonce: &[u8], index: PeriodIndex, id: &ProseId) -> ([u8; KEYED_INPUT], usize) {
    let mut s = [0; KEYED_INPUT];
    s[0] = fc::OWN;
    s[1..=LABEL.len()].copy_from_slice(LABEL);
    s[HEAD - 1] = LABEL.len() as u8;
    let after = HEAD + nonce.len() + 8;
    s[HEAD..after - 8].copy_from_slice(nonce);
    s[after - 8..after].copy_from_slice(&index.0.to_be_bytes());
    s[after + 1] = (nonce.len() + 8) as u8;
    s[after + 2..after + 22].copy_from_slice(id);
    s[after + 23] = 20;
    (s, after + 24)
}

/// Position of the ProSe ID in the input of the keyed variant in option 2.
pub(super) const ID_AT: usize = HEAD + 8 + 2;

/// Returns the padded block of the keyed variant in option 2, as words, with zeros for the ProSe ID.
pub(super) fn keyed_block(index: PeriodIndex) -> [u32; 16] {
    let (input, length) = keyed_input(&[], index, &[0; 20]);
    let block = short_block(&input[..length]);
    let mut words = [0; 16];
    for (word, octets) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*octets);
    }
    words
}

/// HMAC-SHA-1 keyed by a fresh value: its two states serve all IDs of a period.
pub(crate) struct LiteralHash {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl LiteralHash {
    /// Initial value of SHA-1, FIPS 180-4 §5.3.1.
    const H0: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    /// Absorbs the fresh value. `nonce` has at most 16 octets.
    pub(crate) fn new(nonce: &[u8], index: PeriodIndex) -> Self {
        let mut key = [0; 64];
        key[..nonce.len()].copy_from_slice(nonce);
        key[nonce.len()..nonce.len() + 8].copy_from_slice(&index.0.to_be_bytes());
        let (mut inner, mut outer) = (Self::H0, Self::H0);
        compress_sha1(&mut inner, &[key.map(|octet| octet ^ 0x36)]);
        compress_sha1(&mut outer, &[key.map(|octet| octet ^ 0x5c)]);
        Self { inner, outer }
    }

    /// Returns the 160 bits of the code function for an ID, then zeros.
    pub(crate) fn function(&self, id: &ProseId) -> [u8; 32] {
        let mut inner = self.inner;
        compress_sha1(&mut inner, &[last_block(id)]);
        let mut digest = [0; 20];
        put(&mut digest, &inner);
        let mut outer = self.outer;
        compress_sha1(&mut outer, &[last_block(&digest)]);
        let mut out = [0; 32];
        put(&mut out[..20], &outer);
        out
    }

    /// Returns the states after the key, inner and outer.
    pub(super) const fn states(&self) -> [&[u32; 5]; 2] {
        [&self.inner, &self.outer]
    }
}

/// Returns the last block for 20 octets after the keyed block.
fn last_block(octets: &[u8; 20]) -> [u8; 64] {
    let mut block = [0; 64];
    block[..20].copy_from_slice(octets);
    block[20] = 0x80;
    block[56..].copy_from_slice(&(8 * (64 + 20) as u64).to_be_bytes());
    block
}

fn put(octets: &mut [u8], words: &[u32; 5]) {
    for (chunk, word) in octets.chunks_exact_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit, Mac};

    #[test]
    fn literal_variant_is_hmac_sha1_keyed_by_the_fresh_value() {
        for nonce in [&[][..], &[7; 8], &[9; 16]] {
            let index = PeriodIndex(0x0102_0304_0506_0708);
            let fresh = [nonce, &index.0.to_be_bytes()].concat();
            let mut oracle = Hmac::<sha1::Sha1>::new_from_slice(&fresh).unwrap();
            oracle.update(&[5; 20]);
            let expected = oracle.finalize().into_bytes();
            let function = LiteralHash::new(nonce, index).function(&[5; 20]);
            assert_eq!(function[..20], expected[..]);
        }
    }

    #[test]
    fn keyed_variant_is_the_kdf() {
        let index = PeriodIndex(77);
        let (input, length) = keyed_input(&[3; 8], index, &[5; 20]);
        let expected = crate::kdf::kdf(
            &[6; 32],
            fc::OWN_OTA_ID,
            &[&[&[3; 8][..], &77_u64.to_be_bytes()].concat(), &[5; 20]],
        )
        .unwrap();
        assert_eq!(Keyed::new(&[6; 32]).mac_short(&input[..length]), *expected);
    }
}
