//! Algorithms of a message: one choice for format and cryptography.

use sidelink_security::mikey as crypto;
use sidelink_wire::mikey::{Encryption, MacAlgorithm, Prf};

use super::Refused;

/// The PRF as the crate `security` has it.
pub(super) const fn prf(prf: Prf) -> crypto::Prf {
    match prf {
        Prf::Mikey1 => crypto::Prf::Mikey1,
        Prf::HmacSha256 => crypto::Prf::HmacSha256,
    }
}

/// The MAC of a message, which must have one.
pub(super) const fn mac(mac: MacAlgorithm) -> Result<crypto::MacAlgorithm, Refused> {
    match mac {
        MacAlgorithm::HmacSha1 => Ok(crypto::MacAlgorithm::HmacSha1),
        MacAlgorithm::HmacSha256 => Ok(crypto::MacAlgorithm::HmacSha256),
        MacAlgorithm::Null => Err(Refused::Profile("a MAC, never NULL")),
    }
}

/// The encryption of keys, which must be ciphered.
pub(super) const fn encryption(encryption: Encryption) -> Result<crypto::Encryption, Refused> {
    match encryption {
        Encryption::AesCm128 => Ok(crypto::Encryption::AesCm128),
        Encryption::AesKw128 => Ok(crypto::Encryption::AesKw128),
        Encryption::AesCm256 => Ok(crypto::Encryption::AesCm256),
        Encryption::Null => Err(Refused::Profile("ciphered keys, never NULL")),
    }
}

/// How the keys of a message are ciphered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum KeyCipher {
    /// AES in counter mode, 128 bits.
    #[default]
    AesCm128,
    /// AES key wrap: the key data have to be a multiple of 8 octets.
    AesKw128,
    /// AES in counter mode, 256 bits.
    AesCm256,
}

impl KeyCipher {
    pub(super) const fn both(self) -> (Encryption, crypto::Encryption) {
        match self {
            Self::AesCm128 => (Encryption::AesCm128, crypto::Encryption::AesCm128),
            Self::AesKw128 => (Encryption::AesKw128, crypto::Encryption::AesKw128),
            Self::AesCm256 => (Encryption::AesCm256, crypto::Encryption::AesCm256),
        }
    }
}

/// PRF and MAC of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Hash {
    /// MIKEY-1 and HMAC-SHA-1-160, which everybody has. RFC 3830 §4.2.
    HmacSha1,
    /// The same with HMAC-SHA-256. RFC 6043 §6.1.
    #[default]
    HmacSha256,
}

impl Hash {
    pub(super) const fn prf(self) -> (Prf, crypto::Prf) {
        match self {
            Self::HmacSha1 => (Prf::Mikey1, crypto::Prf::Mikey1),
            Self::HmacSha256 => (Prf::HmacSha256, crypto::Prf::HmacSha256),
        }
    }

    pub(super) const fn mac(self) -> (MacAlgorithm, crypto::MacAlgorithm) {
        match self {
            Self::HmacSha1 => (MacAlgorithm::HmacSha1, crypto::MacAlgorithm::HmacSha1),
            Self::HmacSha256 => (MacAlgorithm::HmacSha256, crypto::MacAlgorithm::HmacSha256),
        }
    }

    /// Octets of zeros where a MAC will stand.
    pub(super) const fn no_mac(self) -> &'static [u8] {
        match self {
            Self::HmacSha1 => &[0; 20],
            Self::HmacSha256 => &[0; 32],
        }
    }
}
