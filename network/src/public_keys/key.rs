//! A public key as it is registered and told, with its names: on the air two octets, in lists of revoked keys sixteen.

use core::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sidelink_security::discovery::signature::{self, Hint, Scheme, VerifyingKey};

use crate::pc3::{ApplicationId, OutOfRange, Rpauid};

/// Begins what a fingerprint is the hash of.
const FINGERPRINT: &[u8] = b"sidelink fingerprint of a public key 1";

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyName {
    /// A user: the key is told to those who may discover that user.
    User(Rpauid),
    /// What is announced openly: the key is told to all who may monitor openly.
    Application(ApplicationId),
}

impl KeyName {
    /// From its text: an RPAUID, or a ProSe Application ID where it begins with `mcc`, as TS 23.003 §24.2 has those.
    ///
    /// # Errors
    /// Its length, or a control character.
    pub fn new(text: &str) -> Result<Self, OutOfRange> {
        match text.starts_with("mcc") && text.contains(".ProSeApp.") {
            true => ApplicationId::new(text).map(Self::Application),
            false => Rpauid::new(text).map(Self::User),
        }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::User(rpauid) => rpauid.as_str(),
            Self::Application(id) => id.as_str(),
        }
    }

    /// An octet for the kind, for what is signed.
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::User(_) => 1,
            Self::Application(_) => 2,
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a list of revoked keys says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A public key with its octets: the scheme, then what the scheme takes.
#[derive(Clone)]
pub struct PublicKey {
    // Shared: keys are told again and again, and checked once.
    key: Arc<VerifyingKey>,
    octets: Vec<u8>,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.scheme(), self.fingerprint())
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets
    }
}

impl Eq for PublicKey {}

impl PublicKey {
    /// From its octets, as [`VerifyingKey::to_octets`] gives them.
    ///
    /// # Errors
    /// They are no key of a scheme.
    pub fn from_octets(octets: &[u8]) -> Result<Self, signature::Error> {
        VerifyingKey::from_octets(octets).map(Self::of)
    }

    /// Of a key.
    pub fn of(key: VerifyingKey) -> Self {
        Self { octets: key.to_octets(), key: Arc::new(key) }
    }

    /// Its scheme.
    pub fn scheme(&self) -> Scheme {
        self.key.scheme()
    }

    /// Its octets, that of the scheme first.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Its name on the air.
    pub fn hint(&self) -> Hint {
        self.key.hint()
    }

    /// Its name in lists.
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = Sha256::new().chain_update(FINGERPRINT).chain_update(&self.octets).finalize();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        Fingerprint(short)
    }

    /// The key itself.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }
}
