//! 128-EEA0..3 and 128-EIA0..3 of TS 33.401 Annex B, and MILENAGE of TS 35.206.
//!
//! [`Eea`] and [`Eia`] are keyed once and used per PDU without an allocation. Lengths are in octets, or in bits for the
//! `_bits` functions: bit 0 is the most significant bit of the first octet, and output bits after LENGTH are zero. Key
//! objects wipe their keys when dropped. Data that a PDU leaves on the stack (keystream, the SNOW 3G state) is not
//! wiped: that would cost more than the cipher itself.
//!
//! No function panics, whatever the octets; a LENGTH beyond the data is the only error.

mod eea1;
mod eea2;
mod eea3;
mod eia1;
mod eia2;
mod eia3;
mod kernel;
pub mod milenage;
mod snow3g;

use std::fmt;

use subtle::ConstantTimeEq;

use self::kernel::Backend;
use crate::counter::Count;
use crate::keys::{Pek, Pik};

/// The algorithm identities of TS 33.401 §5.1.3.2 (EEA) and §5.1.4.2 (EIA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// EEA0, EIA0: a keystream of zeros, a MAC-I of zeros.
    // TS 33.401 §5.1.3.2, §5.1.4.2
    Null = 0,
    /// 128-EEA1, 128-EIA1.
    Snow3g = 1,
    /// 128-EEA2, 128-EIA2.
    Aes = 2,
    /// 128-EEA3, 128-EIA3.
    Zuc = 3,
}

impl Algorithm {
    /// All four algorithms, by identity.
    // TS 33.303 §6.2.3.6.1 (1)
    pub const ALL: [Self; 4] = [Self::Null, Self::Snow3g, Self::Aes, Self::Zuc];

    /// Returns the identity for key derivations and messages.
    pub const fn id(self) -> u8 {
        self as u8
    }
}

impl TryFrom<u8> for Algorithm {
    type Error = CipherError;

    fn try_from(id: u8) -> Result<Self, CipherError> {
        Self::ALL.get(usize::from(id)).copied().ok_or(CipherError::UnknownAlgorithm { id })
    }
}

/// BEARER, 5 bits. On a sidelink it is the logical channel ID (TS 33.303 §6.2.3.6.1, §6.5.6.2, §6.5.6.3; TS 38.323 §5.8
/// takes the 5 LSB of the LCID).
/// TS 38.323 §5.8 takes the 5 LSB of the LCID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bearer(u8);

impl Bearer {
    /// Makes a bearer of a value up to 31; `None` above.
    pub const fn new(value: u8) -> Option<Self> {
        if value < 32 { Some(Self(value)) } else { None }
    }

    /// Makes a bearer of the five least significant bits of a logical channel ID.
    pub const fn from_lcid(lcid: u8) -> Self {
        Self(lcid & 0x1f)
    }

    /// Returns the value, 0 to 31.
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// DIRECTION, 1 bit. One-to-many communication always uses zero (TS 36.323 §5.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// 0: uplink on Uu; every one-to-many PDU.
    Zero,
    /// 1: downlink on Uu; on a one-to-one link, the PDUs of the UE that sent the Direct Security Mode Command.
    One,
}

impl Direction {
    pub(crate) const fn bit(self) -> u32 {
        match self {
            Self::Zero => 0,
            Self::One => 1,
        }
    }
}

/// COUNT, BEARER and DIRECTION of one PDU. TS 33.401 §B.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// COUNT, 32 bits; never twice under one key.
    pub count: Count,
    /// BEARER, 5 bits.
    pub bearer: Bearer,
    /// DIRECTION, 1 bit.
    pub direction: Direction,
}

impl Inputs {
    /// Returns COUNT, and BEARER || DIRECTION || 0^26.
    // TS 33.401 §B.1.1, §B.2.1
    const fn words(self) -> (u32, u32) {
        (self.count.value(), (self.bearer.0 as u32) << 27 | self.direction.bit() << 26)
    }
}

/// Errors in a call to a cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CipherError {
    /// The caller's error: LENGTH exceeds the data.
    LengthBeyondData {
        /// The requested LENGTH in bits.
        length_bits: usize,
        /// Bits in the data.
        available: usize,
    },
    /// The peer's or the operator's error: an identity above 3.
    UnknownAlgorithm {
        /// The identity.
        id: u8,
    },
}

impl fmt::Display for CipherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LengthBeyondData { length_bits, available } => {
                write!(f, "LENGTH of {length_bits} bits, but the data hold {available}")
            }
            Self::UnknownAlgorithm { id } => write!(f, "no algorithm has the identity {id} (0 to 3 exist)"),
        }
    }
}

impl std::error::Error for CipherError {}

/// A ciphering algorithm with its key. Ciphering and deciphering are the same operation.
pub struct Eea(EeaKind);

// The variants differ in size (an AES key schedule is 176 octets); boxing the large ones would cost a cache miss a PDU.
#[allow(clippy::large_enum_variant)]
enum EeaKind {
    Null,
    Snow3g(eea1::Eea1),
    Aes(eea2::Eea2),
    Zuc(eea3::Eea3),
}

impl Eea {
    /// Sets up `algorithm` with `key`.
    pub fn new(algorithm: Algorithm, key: &Pek) -> Self {
        Self::with_backend(algorithm, key, Backend::detect())
    }

    fn with_backend(algorithm: Algorithm, key: &Pek, backend: Backend) -> Self {
        Self(match algorithm {
            Algorithm::Null => EeaKind::Null,
            Algorithm::Snow3g => EeaKind::Snow3g(eea1::Eea1::new(key)),
            Algorithm::Aes => EeaKind::Aes(eea2::Eea2::new(key, backend)),
            Algorithm::Zuc => EeaKind::Zuc(eea3::Eea3::new(key)),
        })
    }

    /// Returns the algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            EeaKind::Null => Algorithm::Null,
            EeaKind::Snow3g(_) => Algorithm::Snow3g,
            EeaKind::Aes(_) => Algorithm::Aes,
            EeaKind::Zuc(_) => Algorithm::Zuc,
        }
    }

    /// XORs the keystream of `inputs` onto all of `data`.
    pub fn apply(&self, inputs: Inputs, data: &mut [u8]) {
        match &self.0 {
            EeaKind::Null => {}
            EeaKind::Snow3g(eea) => eea.apply(inputs, data),
            EeaKind::Aes(eea) => eea.apply(inputs, data),
            EeaKind::Zuc(eea) => eea.apply(inputs, data),
        }
    }

    /// XORs the keystream onto the first `length_bits` of `data`; the bits of `data` after them become zero.
    pub fn apply_bits(&self, inputs: Inputs, data: &mut [u8], length_bits: usize) -> Result<(), CipherError> {
        check_length(length_bits, data)?;
        let (head, tail) = data.split_at_mut(length_bits.div_ceil(8));
        self.apply(inputs, head);
        tail.fill(0);
        if let (Some(last), used @ 1..) = (head.last_mut(), length_bits % 8) {
            *last &= 0xff << (8 - used);
        }
        Ok(())
    }
}

impl fmt::Debug for Eea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Eea({:?}, key redacted)", self.algorithm())
    }
}

/// MAC-I, 32 bits, in the order of the PDU. TS 36.323 §6.3.4.
#[derive(Clone, Copy, Debug)]
pub struct MacI(pub [u8; 4]);

impl PartialEq for MacI {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for MacI {}

/// Result of a verification that did not fail.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Integrity {
    /// The MAC-I is right under a real algorithm.
    Verified(MacIVerified),
    /// EIA0: the receiver does not check, and nothing is known of the octets. TS 33.401 §B.0.
    NotProtected,
}

/// The proof that a MAC-I was verified. Only [`Eia::verify`] makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct MacIVerified(());

/// The MAC-I of a PDU is wrong: forged, damaged, or made under another key, COUNT, bearer or direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongMacI;

impl fmt::Display for WrongMacI {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrong MAC-I")
    }
}

impl std::error::Error for WrongMacI {}

/// An integrity algorithm with its key.
pub struct Eia(EiaKind);

#[allow(clippy::large_enum_variant)] // as for EeaKind
enum EiaKind {
    Null,
    Snow3g(eia1::Eia1),
    Aes(eia2::Eia2),
    Zuc(eia3::Eia3),
}

impl Eia {
    /// Sets up `algorithm` with `key`.
    pub fn new(algorithm: Algorithm, key: &Pik) -> Self {
        // TS 33.303 §6.5.6.2 (1)
        Self::with_backend(algorithm, key, Backend::detect())
    }

    fn with_backend(algorithm: Algorithm, key: &Pik, backend: Backend) -> Self {
        Self(match algorithm {
            Algorithm::Null => EiaKind::Null,
            Algorithm::Snow3g => EiaKind::Snow3g(eia1::Eia1::new(key, backend)),
            Algorithm::Aes => EiaKind::Aes(eia2::Eia2::new(key)),
            Algorithm::Zuc => EiaKind::Zuc(eia3::Eia3::new(key, backend)),
        })
    }

    /// Returns the algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            EiaKind::Null => Algorithm::Null,
            EiaKind::Snow3g(_) => Algorithm::Snow3g,
            EiaKind::Aes(_) => Algorithm::Aes,
            EiaKind::Zuc(_) => Algorithm::Zuc,
        }
    }

    /// Returns the MAC-I of all of `message`.
    pub fn protect(&self, inputs: Inputs, message: &[u8]) -> MacI {
        self.mac_i(inputs, message, 8 * message.len())
    }

    /// Returns the MAC-I of the first `length_bits` of `message`.
    pub fn protect_bits(
        &self,
        inputs: Inputs,
        message: &[u8],
        length_bits: usize,
    ) -> Result<MacI, CipherError> {
        check_length(length_bits, message)?;
        Ok(self.mac_i(inputs, message, length_bits))
    }

    /// Checks the MAC-I of all of `message`, in constant time.
    pub fn verify(&self, inputs: Inputs, message: &[u8], mac_i: &MacI) -> Result<Integrity, WrongMacI> {
        // TS 33.401 §B.2.1 (EIA0)
        if matches!(self.0, EiaKind::Null) {
            return Ok(Integrity::NotProtected);
        }
        if self.protect(inputs, message) == *mac_i {
            Ok(Integrity::Verified(MacIVerified(())))
        } else {
            Err(WrongMacI)
        }
    }

    fn mac_i(&self, inputs: Inputs, message: &[u8], length_bits: usize) -> MacI {
        match &self.0 {
            EiaKind::Null => MacI([0; 4]),
            EiaKind::Snow3g(eia) => eia.mac_i(inputs, message, length_bits),
            EiaKind::Aes(eia) => eia.mac_i(inputs, message, length_bits),
            EiaKind::Zuc(eia) => eia.mac_i(inputs, message, length_bits),
        }
    }
}

impl fmt::Debug for Eia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Eia({:?}, key redacted)", self.algorithm())
    }
}

fn check_length(length_bits: usize, data: &[u8]) -> Result<(), CipherError> {
    let available = 8 * data.len();
    if length_bits > available {
        return Err(CipherError::LengthBeyondData { length_bits, available });
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
