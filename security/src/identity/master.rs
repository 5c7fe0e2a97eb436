//! The secrets of a key management server: KSAK and z, what it publishes of them (KPAK, Z), and the keys that it issues
//! (SSK with PVT, RSK).
//!
//! Randomness is an argument: octets of a generator that is fit for keys, used once. A key that leaves this module has
//! passed the check that its user does as well.

use std::fmt;

use crypto_bigint::U1024;
use p256::Scalar;
use p256::elliptic_curve::ff::{Field, FromUniformBytes, PrimeField};
use zeroize::Zeroizing;

use super::eccsi::{self, PublicAuthenticationKey, SigningKey};
use super::sakke::{self, PublicKey, ReceiverKey};

/// KSAK, with which a KMS issues signing keys (RFC 6507 §4.2).
pub struct AuthenticationSecret {
    ksak: Zeroizing<Scalar>,
    kpak: PublicAuthenticationKey,
}

impl AuthenticationSecret {
    /// Makes KSAK from 64 random octets.
    pub fn generate(random: &[u8; 64]) -> Result<Self, eccsi::Error> {
        Self::new(Zeroizing::new(Scalar::from_uniform_bytes(random)))
    }

    /// Reads a stored KSAK, an integer from 1 to q - 1.
    pub fn from_octets(octets: &[u8; 32]) -> Result<Self, eccsi::Error> {
        Self::new(Zeroizing::new(eccsi::secret(octets)?))
    }

    fn new(ksak: Zeroizing<Scalar>) -> Result<Self, eccsi::Error> {
        if bool::from(ksak.is_zero()) {
            return Err(eccsi::Error::Secret);
        }
        let kpak = PublicAuthenticationKey::from_secret(&ksak);
        Ok(Self { ksak, kpak })
    }

    /// Returns KSAK. Code that stores it is responsible for its secrecy.
    pub fn to_octets(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.ksak.to_repr().into())
    }

    /// Returns KPAK.
    pub const fn public_key(&self) -> &PublicAuthenticationKey {
        &self.kpak
    }

    /// Issues SSK and PVT for an identifier from 64 random octets that are used for nothing else (RFC 6507 §5.1.1).
    pub fn issue(&self, identifier: &[u8], random: &[u8; 64]) -> Result<SigningKey, eccsi::Error> {
        self.issue_with(identifier, &Zeroizing::new(Scalar::from_uniform_bytes(random)))
    }

    pub(super) fn issue_with(&self, identifier: &[u8], v: &Scalar) -> Result<SigningKey, eccsi::Error> {
        SigningKey::issue(&self.ksak, &self.kpak, identifier, v)
    }
}

impl fmt::Debug for AuthenticationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthenticationSecret({:?}, redacted)", self.kpak)
    }
}

/// z, with which a KMS issues receiver keys (RFC 6508 §6.1.1).
pub struct EncryptionSecret {
    secret: Zeroizing<U1024>,
    z: PublicKey,
}

impl EncryptionSecret {
    /// Octets of a stored secret.
    pub const OCTETS: usize = sakke::params::OCTETS;

    /// Makes z from 144 random octets.
    pub fn generate(random: &[u8; 144]) -> Result<Self, sakke::Error> {
        Self::new(sakke::scalar::secret_from_random(random).ok_or(sakke::Error::Secret)?)
    }

    /// Reads a stored z, an integer from 2 to q - 1.
    pub fn from_octets(octets: &[u8; Self::OCTETS]) -> Result<Self, sakke::Error> {
        Self::new(sakke::scalar::secret(octets).ok_or(sakke::Error::Secret)?)
    }

    fn new(secret: Zeroizing<U1024>) -> Result<Self, sakke::Error> {
        let z = PublicKey::from_secret(&secret)?;
        Ok(Self { secret, z })
    }

    /// Returns z. Code that stores it is responsible for its secrecy.
    pub fn to_octets(&self) -> Zeroizing<[u8; Self::OCTETS]> {
        Zeroizing::new(sakke::params::integer_octets(&self.secret))
    }

    /// Returns Z.
    pub const fn public_key(&self) -> &PublicKey {
        &self.z
    }

    /// Issues RSK for an identifier (RFC 6508 §6.1.1), always the same one.
    pub fn issue(&self, identifier: &[u8]) -> Result<ReceiverKey, sakke::Error> {
        ReceiverKey::issue(&self.secret, &self.z, identifier)
    }
}

impl fmt::Debug for EncryptionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionSecret({:?}, redacted)", self.z)
    }
}
