//! Signed discovery entries: the public key for everybody, the private key for the announcer alone (TR 33.833 §6.2.3).
//!
//! ```toml
//! [discovery.signed]
//! scheme = "ed25519"          # ecdsa-p256, eccsi-full, eccsi-compressed, eccsi-cached-pvt
//! rotation = "coded"          # or plain
//! verifying-key = "01.."      # of ECCSI: KPAK and the identity, and PVT where the signature leaves it out
//! signing-key = "01.."        # at the announcer
//! group-key = ".."            # conceals the code from all who do not have it
//! ```

use super::entry::{Discovery, Hex, Keys, Secret};
use super::fresh::random;
use crate::chains::fresh_signing_key;
use crate::error::{Error, Fault};
use serde::{Deserialize, Serialize};
use sidelink_prose::discovery::signed::{Rotation, SignedFollow, SignedSender};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::signature::{Scheme, SigningKey, VerifyingKey};
use sidelink_security::keys::Duck;

/// Octets of the key that conceals a code.
const GROUP_KEY: usize = 32;

/// A way to sign, as entries name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum SchemeName {
    /// Ed25519: 64 octets, 4 blocks.
    Ed25519,
    /// ECDSA over P-256: 64 octets, 4 blocks.
    EcdsaP256,
    /// ECCSI as in RFC 6507: 129 octets, 7 blocks.
    EccsiFull,
    /// ECCSI with a compressed PVT: 97 octets, 5 blocks.
    EccsiCompressed,
    /// ECCSI without its PVT, which monitors have: 64 octets, 4 blocks.
    EccsiCachedPvt,
}

impl From<SchemeName> for Scheme {
    fn from(name: SchemeName) -> Self {
        match name {
            SchemeName::Ed25519 => Self::Ed25519,
            SchemeName::EcdsaP256 => Self::EcdsaP256,
            SchemeName::EccsiFull => Self::EccsiFull,
            SchemeName::EccsiCompressed => Self::EccsiCompressed,
            SchemeName::EccsiCachedPvt => Self::EccsiCachedPvt,
        }
    }
}

/// Which fragment is sent when, as entries name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum RotationName {
    /// The same fragments over and over.
    Plain,
    /// Parity that is always new: fewer periods, and one false fragment does not deny the announcement.
    #[default]
    Coded,
}

impl From<RotationName> for Rotation {
    fn from(name: RotationName) -> Self {
        match name {
            RotationName::Plain => Self::Plain,
            RotationName::Coded => Self::Coded,
        }
    }
}

/// The keys of a signed announcement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignedEntry {
    /// How it is signed.
    pub scheme: SchemeName,
    /// How it is sent.
    #[serde(default)]
    pub rotation: RotationName,
    /// Public key.
    pub verifying_key: Hex,
    /// Private key, at the announcer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<Secret>,
    /// Key of the group that alone can read the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_key: Option<Secret>,
}

impl SignedEntry {
    /// Makes an entry with a fresh private key; for ECCSI that of an identity in `keys`, which is its owner's until the end of
    /// its period. The second result is the first second, UTC, at which the key is no longer valid, where it has an end.
    ///
    /// # Errors
    /// No random source; ECCSI without an identity, or with one that has no key now.
    pub fn fresh(
        scheme: SchemeName,
        rotation: RotationName,
        (keys, identity): (&Keys, Option<&str>),
        now: UtcTime,
    ) -> Result<(Self, Option<u32>), Error> {
        let (key, until) = if Scheme::from(scheme).is_eccsi() {
            let name = identity.ok_or_else(|| Error::entry("", Fault::Lacks("identity".to_owned())))?;
            let (key, until) = of_identity(scheme.into(), keys, name, now)?;
            (key, Some(until))
        } else {
            (fresh_signing_key(scheme.into())?, None)
        };
        let verifying_key = Hex(key.verifying_key().to_octets());
        let signing_key = Some(Secret::new(key.to_octets().to_vec()));
        Ok((Self { scheme, rotation, verifying_key, signing_key, group_key: None }, until))
    }

    /// Conceals the code with a fresh key from all who do not have it.
    ///
    /// # Errors
    /// No random source.
    pub fn conceal(&mut self) -> Result<(), Error> {
        self.group_key = Some(random(GROUP_KEY)?);
        Ok(())
    }

    fn verifying(&self, place: &str) -> Result<VerifyingKey, Error> {
        let key = VerifyingKey::from_octets(&self.verifying_key.0);
        let key = key.map_err(|error| Error::entry(place, Fault::SignatureKey(error)))?;
        if key.scheme() != self.scheme.into() {
            return Err(Error::entry(place, Fault::OtherScheme(key.scheme())));
        }
        Ok(key)
    }

    fn group(&self, place: &str) -> Result<Option<Duck>, Error> {
        let key = self.group_key.as_ref().map(|key| Duck::try_from(key.as_bytes())).transpose();
        key.map_err(|error| Error::entry(place, Fault::KeyLength(error)))
    }
}

impl Discovery {
    fn signed_keys(&self) -> Result<&SignedEntry, Error> {
        let lacks = || Error::entry(self.place(), Fault::Lacks("table signed".to_owned()));
        self.signed.as_ref().ok_or_else(lacks)
    }

    /// Returns what a monitor follows.
    pub(super) fn signed_follow(&self) -> Result<SignedFollow, Error> {
        let (keys, place) = (self.signed_keys()?, self.place());
        let filter = if self.code.is_some() { Some(self.filter()?) } else { None };
        let key = keys.verifying(&place)?;
        // A private key that does not belong to the public one is found here, not on the air.
        if let Some(own) = self.own_key()?
            && own.verifying_key() != key
        {
            return Err(Error::entry(place, Fault::OtherPublicKey));
        }
        Ok(SignedFollow {
            key,
            rotation: keys.rotation.into(),
            valid_until: UtcCounter::new(self.valid_until),
            filter,
            group: keys.group(&place)?,
        })
    }

    fn own_key(&self) -> Result<Option<SigningKey>, Error> {
        let secret = self.signed_keys()?.signing_key.as_ref();
        let key = secret.map(|secret| SigningKey::from_octets(secret.as_bytes())).transpose();
        key.map_err(|error| Error::entry(self.place(), Fault::SignatureKey(error)))
    }

    /// Returns what its announcer sends; `None` where the private key is elsewhere.
    ///
    /// # Errors
    /// A field is missing or wrong.
    pub fn signed_sender(&self) -> Result<Option<SignedSender>, Error> {
        let (keys, place) = (self.signed_keys()?, self.place());
        let Some(key) = self.own_key()? else { return Ok(None) };
        let sender = SignedSender::new(key, self.code()?, keys.rotation.into());
        Ok(Some(match keys.group(&place)? {
            Some(group) => sender.concealed(group),
            None => sender,
        }))
    }
}

/// Returns the key with which an identity signs now, and the end of its validity.
fn of_identity(scheme: Scheme, keys: &Keys, name: &str, now: UtcTime) -> Result<(SigningKey, u32), Error> {
    let lacks = |what: &str| Error::entry(format!("identity {name:?}"), Fault::Lacks(what.to_owned()));
    let identity = keys.identity.iter().find(|identity| identity.name == name);
    let identity = identity.ok_or_else(|| lacks("entry"))?;
    let kms = keys.kms_of(identity)?;
    let present = identity.keys_at(kms.periods(), now).ok_or_else(|| lacks("key for the present period"))?;
    let (credential, server) = (identity.credential(kms, present)?, kms.public_keys()?);
    let key = SigningKey::eccsi(scheme, &server.kpak, &credential.signing);
    let key = key.map_err(|error| Error::entry(format!("identity {name:?}"), Fault::SignatureKey(error)))?;
    Ok((key, present.valid_until))
}

#[cfg(test)]
mod tests;
