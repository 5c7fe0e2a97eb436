//! The master secrets of a key management server.

use std::fmt;

use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::{eccsi, sakke};
use sidelink_security::keys::Secret256;
use zeroize::Zeroizing;

/// Octets that the secrets are made of.
const RANDOM: usize = 64 + 144 + 32;

/// KSAK, z, and the key that protects tickets (TPK). Whoever has them is this server.
#[derive(Debug)]
pub struct Masters {
    pub(super) authentication: AuthenticationSecret,
    pub(super) encryption: EncryptionSecret,
    pub(super) tickets: Secret256,
}

/// Why octets are no master secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MastersError {
    /// KSAK.
    Authentication(eccsi::Error),
    /// z.
    Encryption(sakke::Error),
}

impl fmt::Display for MastersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authentication(error) => write!(f, "KSAK: {error}"),
            Self::Encryption(error) => write!(f, "z: {error}"),
        }
    }
}

impl std::error::Error for MastersError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Authentication(error) => Some(error),
            Self::Encryption(error) => Some(error),
        }
    }
}

impl Masters {
    /// Octets of stored secrets.
    pub const OCTETS: usize = 32 + EncryptionSecret::OCTETS + 32;

    /// Octets of real chance that [`Self::generate`] takes.
    pub const RANDOM: usize = RANDOM;

    /// Makes new ones.
    ///
    /// # Errors
    /// The chance gave a secret that does not serve, which real chance does not do.
    pub fn generate(random: &[u8; RANDOM]) -> Result<Self, MastersError> {
        let (ksak, rest) = random.split_first_chunk::<64>().expect("240 octets are more than 64");
        let (z, tickets) = rest.split_first_chunk::<144>().expect("176 octets are more than 144");
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(tickets);
        Ok(Self {
            authentication: AuthenticationSecret::generate(ksak).map_err(MastersError::Authentication)?,
            encryption: EncryptionSecret::generate(z).map_err(MastersError::Encryption)?,
            tickets: Secret256::from(*key),
        })
    }

    /// Reads stored ones.
    ///
    /// # Errors
    /// Which is none.
    pub fn from_octets(octets: &[u8; Self::OCTETS]) -> Result<Self, MastersError> {
        let (ksak, rest) = octets.split_first_chunk::<32>().expect("192 octets are more than 32");
        let (z, tickets) = rest.split_first_chunk::<128>().expect("160 octets are more than 128");
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(tickets);
        Ok(Self {
            authentication: AuthenticationSecret::from_octets(ksak).map_err(MastersError::Authentication)?,
            encryption: EncryptionSecret::from_octets(z).map_err(MastersError::Encryption)?,
            tickets: Secret256::from(*key),
        })
    }

    /// Returns them, to be stored. Code that stores them is responsible for their secrecy.
    pub fn to_octets(&self) -> Zeroizing<[u8; Self::OCTETS]> {
        let mut octets = Zeroizing::new([0; Self::OCTETS]);
        octets[..32].copy_from_slice(&self.authentication.to_octets()[..]);
        octets[32..160].copy_from_slice(&self.encryption.to_octets()[..]);
        octets[160..].copy_from_slice(self.tickets.as_bytes());
        octets
    }

    /// Z_T, which is public.
    pub fn z(&self) -> [u8; 257] {
        self.encryption.public_key().to_octets()
    }

    /// KPAK, which is public.
    pub fn kpak(&self) -> [u8; 65] {
        *self.authentication.public_key().as_octets()
    }
}
