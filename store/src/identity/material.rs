//! Entries -> checked keys of `sidelink-security`, and keys that a laboratory's server makes.

use super::{IdentityEntry, IdentityKeys, KmsEntry};
use crate::entry::{Hex, Secret};
use crate::error::{Error, Fault};
use crate::fresh::random;
use sidelink_security::counter::UtcTime;
use sidelink_security::identity::eccsi::{PublicAuthenticationKey, SigningKey};
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::{PublicKey, ReceiverKey};
use sidelink_security::key_period::{KeyPeriod, KeyPeriods};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// The public keys of a server, checked.
#[derive(Clone, Debug)]
pub struct ServerKeys {
    /// KmsUri.
    pub uri: String,
    /// Its periods.
    pub periods: KeyPeriods,
    /// Z_T.
    pub z: PublicKey,
    /// KPAK.
    pub kpak: PublicAuthenticationKey,
}

impl ServerKeys {
    /// Returns the octets that keys of a name are made for at a time.
    pub fn identifier_at(&self, uri: &str, time: UtcTime) -> Option<Vec<u8>> {
        self.periods.identifier(uri, &self.uri, &self.periods.at(time)?)
    }
}

/// An identity for one period, its keys checked against its server.
#[derive(Debug)]
pub struct IdentityCredential {
    /// UserUri.
    pub uri: String,
    /// KmsUri.
    pub kms: String,
    /// The period.
    pub period: KeyPeriod,
    /// Signs as the identity.
    pub signing: SigningKey,
    /// Opens what is written to the identity.
    pub receiver: ReceiverKey,
}

impl KmsEntry {
    /// Makes a server of a laboratory, with fresh master secrets: with a length its periods are of seconds, without they are
    /// months.
    ///
    /// # Errors
    /// The system has no random source.
    pub fn new(name: &str, uri: &str, length: Option<NonZeroU32>, offset: u32) -> Result<Self, Error> {
        let place = format!("kms {name:?}");
        let master = EncryptionSecret::generate(&*octets::<144>()?).map_err(|e| sakke(&place, e))?;
        let ksak = AuthenticationSecret::generate(&*octets::<64>()?).map_err(|e| eccsi(&place, e))?;
        Ok(Self {
            name: name.to_owned(),
            uri: uri.to_owned(),
            period_length: length,
            period_offset: offset,
            z: Hex(master.public_key().to_octets().to_vec()),
            kpak: Hex(ksak.public_key().as_octets().to_vec()),
            master: Some(Secret::new(master.to_octets().to_vec())),
            ksak: Some(Secret::new(ksak.to_octets().to_vec())),
        })
    }

    /// Returns its public keys, checked: points of the right order.
    ///
    /// # Errors
    /// They are none.
    pub fn public_keys(&self) -> Result<ServerKeys, Error> {
        let place = format!("kms {:?}", self.name);
        Ok(ServerKeys {
            uri: self.uri.clone(),
            periods: self.periods(),
            z: PublicKey::from_octets(&self.z.0).map_err(|e| sakke(&place, e))?,
            kpak: PublicAuthenticationKey::from_octets(&self.kpak.0).map_err(|e| eccsi(&place, e))?,
        })
    }

    /// Makes keys of a name for a period. Each issue has its own pair for signing; the receiver's key is always the same.
    ///
    /// # Errors
    /// The master secrets are not here, the name is none of this server's, or the system has no random source.
    pub fn issue(&self, uri: &str, period: &KeyPeriod) -> Result<IdentityKeys, Error> {
        let place = format!("kms {:?}", self.name);
        let (Some(master), Some(ksak)) = (&self.master, &self.ksak) else {
            return Err(Error::entry(place, Fault::NoMaster));
        };
        let identifier = self.identifier(uri, period)?;
        let secret = exactly::<{ EncryptionSecret::OCTETS }>("master", master, &place)?;
        let secret = EncryptionSecret::from_octets(&secret).map_err(|e| sakke(&place, e))?;
        let rsk = secret.issue(&identifier).map_err(|e| sakke(&place, e))?;
        let ksak = exactly::<32>("ksak", ksak, &place)?;
        let ksak = AuthenticationSecret::from_octets(&ksak).map_err(|e| eccsi(&place, e))?;
        let signing = ksak.issue(&identifier, &*octets::<64>()?).map_err(|e| eccsi(&place, e))?;
        let second = |time: UtcTime| u32::try_from(time.millis() / 1000).unwrap_or(u32::MAX);
        Ok(IdentityKeys {
            period: period.number,
            valid_from: second(period.early()),
            valid_until: second(period.late()),
            pvt: Hex(signing.pvt().to_vec()),
            ssk: Some(Secret::new(signing.ssk().to_vec())),
            rsk: Some(Secret::new(rsk.to_octets().to_vec())),
        })
    }

    fn identifier(&self, uri: &str, period: &KeyPeriod) -> Result<Vec<u8>, Error> {
        let identifier = self.periods().identifier(uri, &self.uri, period);
        let fault = || Error::entry(format!("kms {:?}", self.name), Fault::NoTel(uri.to_owned()));
        identifier.ok_or_else(fault)
    }
}

impl IdentityEntry {
    /// Returns a key set of it, checked against its server: the pairing, and the equation of the pair for signing. It takes
    /// some milliseconds.
    ///
    /// # Errors
    /// They are of another identity, period or server, or revoked.
    pub fn credential(&self, kms: &KmsEntry, keys: &IdentityKeys) -> Result<IdentityCredential, Error> {
        let place = format!("identity {:?} period {}", self.name, keys.period);
        let lacks = |field: &str| Error::entry(place.clone(), Fault::Lacks(field.to_owned()));
        let period = kms.periods().numbered(keys.period);
        let period = period.ok_or_else(|| Error::entry(&*place, Fault::NoSuchPeriod(keys.period)))?;
        let server = kms.public_keys()?;
        let identifier = kms.identifier(&self.uri, &period)?;
        let ssk = keys.ssk.as_ref().ok_or_else(|| lacks("ssk"))?;
        let ssk = exactly::<32>("ssk", ssk, &place)?;
        let signing = SigningKey::new(&server.kpak, &identifier, &ssk, &keys.pvt.0);
        let rsk = keys.rsk.as_ref().ok_or_else(|| lacks("rsk"))?;
        let receiver = ReceiverKey::new(&server.z, &identifier, rsk.as_bytes());
        Ok(IdentityCredential {
            uri: self.uri.clone(),
            kms: kms.uri.clone(),
            period,
            signing: signing.map_err(|e| eccsi(&place, e))?,
            receiver: receiver.map_err(|e| sakke(&place, e))?,
        })
    }
}

fn eccsi(place: &str, error: sidelink_security::identity::eccsi::Error) -> Error {
    Error::entry(place, Fault::Eccsi(error))
}

fn sakke(place: &str, error: sidelink_security::identity::sakke::Error) -> Error {
    Error::entry(place, Fault::Sakke(error))
}

fn octets<const N: usize>() -> Result<Zeroizing<[u8; N]>, Error> {
    exactly("random octets", &random(N)?, "")
}

fn exactly<const N: usize>(field: &str, secret: &Secret, place: &str) -> Result<Zeroizing<[u8; N]>, Error> {
    let octets: Result<[u8; N], _> = secret.as_bytes().try_into();
    let wrong = |_| super::wrong(field, N, secret.as_bytes().len(), place);
    octets.map(Zeroizing::new).map_err(wrong)
}
