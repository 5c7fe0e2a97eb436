//! Identity-based keys: the key management servers whose public keys are known, and the keys of identities for each
//! period. MIKEY-SAKKE (RFC 6509), TS 33.180 Annex D.

mod material;

pub use material::{IdentityCredential, ServerKeys};

use super::entry::{Hex, Keys, Secret};
use super::material::wrong;
use crate::error::{Error, Fault};
use serde::{Deserialize, Serialize};
use sidelink_security::counter::UtcTime;
use sidelink_security::identity::master::EncryptionSecret;
use sidelink_security::identity::{eccsi, sakke};
use sidelink_security::key_period::KeyPeriods;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

/// Octets of an integer modulo the order of P-256.
const ECCSI_SCALAR: usize = 32;

/// Whose name an identity is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum IdentityKind {
    /// A user's.
    #[default]
    User,
    /// A group's: its manager signs as the group.
    Group,
    /// A device's, put into it when it was made.
    Device,
}

/// A key management server: its name, its periods, its public keys. The one that makes keys holds the master secrets too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KmsEntry {
    /// Name, for people.
    pub name: String,
    /// KmsUri: the server's identifier in the octets that keys are made for.
    pub uri: String,
    /// Length of its periods in seconds; identities are URIs, hashed (TS 33.180 Annex F.2.1). Without one, periods are months
    /// and identities telephone numbers (RFC 6509 §3.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_length: Option<NonZeroU32>,
    /// Start of period 0, in seconds after the first of 1900.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub period_offset: u32,
    /// Z_T, the public key of SAKKE, 257 octets.
    pub z: Hex,
    /// KPAK, the public key of ECCSI, 65 octets.
    pub kpak: Hex,
    /// Master secret of SAKKE, 128 octets. Whoever has it reads everything of this server's users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<Secret>,
    /// KSAK, the master secret of ECCSI, 32 octets. Whoever has it signs as every user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ksak: Option<Secret>,
}

/// An identity and its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IdentityEntry {
    /// Name, for people.
    pub name: String,
    /// UserUri.
    pub uri: String,
    /// Whose name it is.
    #[serde(default)]
    pub kind: IdentityKind,
    /// Name of the [`KmsEntry`] that made its keys.
    pub kms: String,
    /// UE that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ue: Option<String>,
    /// Whether it was revoked: its secrets are wiped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// Its keys, by period.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<IdentityKeys>,
}

/// Keys of an identity for one period. The secrets are absent when they were revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IdentityKeys {
    /// KeyPeriodNo.
    pub period: u32,
    /// First second at which they are used, UTC.
    pub valid_from: u32,
    /// First second at which they are no longer used, UTC.
    pub valid_until: u32,
    /// PVT, the public validation token, 65 octets.
    pub pvt: Hex,
    /// SSK, the signing key of ECCSI, 32 octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssk: Option<Secret>,
    /// RSK, the receiver's key of SAKKE, 257 octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsk: Option<Secret>,
}

const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl KmsEntry {
    /// Returns its periods.
    pub fn periods(&self) -> KeyPeriods {
        match self.period_length {
            None => KeyPeriods::Months,
            Some(length) => KeyPeriods::Seconds { length, offset: self.period_offset },
        }
    }

    /// Returns the same server without its master secrets, as others may have it.
    #[must_use]
    pub fn public(&self) -> Self {
        Self { master: None, ksak: None, ..self.clone() }
    }

    /// Whether it can make keys here.
    pub const fn is_master(&self) -> bool {
        self.master.is_some() && self.ksak.is_some()
    }

    fn check(&self) -> Result<(), Error> {
        let place = format!("kms {:?}", self.name);
        text("uri", &self.uri, &place)?;
        octets("z", &self.z.0, sakke::POINT_OCTETS, &place)?;
        octets("kpak", &self.kpak.0, eccsi::POINT_OCTETS, &place)?;
        secret("master", self.master.as_ref(), EncryptionSecret::OCTETS, &place)?;
        secret("ksak", self.ksak.as_ref(), ECCSI_SCALAR, &place)
    }
}

impl IdentityEntry {
    /// Returns the keys to sign with and to be written to at a time: those of the latest period that has begun.
    pub fn keys_at(&self, periods: KeyPeriods, now: UtcTime) -> Option<&IdentityKeys> {
        let present = periods.at(now)?.number;
        let usable = |keys: &&IdentityKeys| keys.is_usable(now) && keys.period <= present;
        self.keys.iter().filter(usable).max_by_key(|keys| keys.period)
    }

    /// Returns all keys that open messages at a time; around the end of a period there are two.
    pub fn accepted_at(&self, now: UtcTime) -> impl Iterator<Item = &IdentityKeys> {
        self.keys.iter().filter(move |keys| keys.is_usable(now))
    }

    /// Takes keys of a period in the place of those that it has for it. Of keys that are over it keeps nothing.
    pub fn take(&mut self, keys: IdentityKeys, now: u32) {
        self.keys.retain(|old| old.period != keys.period && now < old.valid_until);
        self.keys.push(keys);
        self.keys.sort_by_key(|keys| keys.period);
        self.revoked = false;
    }

    /// Wipes its secrets.
    pub fn revoke(&mut self) {
        self.revoked = true;
        for keys in &mut self.keys {
            (keys.ssk, keys.rsk) = (None, None);
        }
    }

    fn check(&self, kms: &KmsEntry) -> Result<(), Error> {
        let place = format!("identity {:?}", self.name);
        text("uri", &self.uri, &place)?;
        if kms.periods() == KeyPeriods::Months && !is_tel(&self.uri) {
            return Err(Error::entry(place, Fault::NoTel(self.uri.clone())));
        }
        let mut periods = BTreeSet::new();
        for keys in &self.keys {
            if !periods.insert(keys.period) {
                return Err(Error::entry(place, Fault::SamePeriod(keys.period)));
            }
            let place = format!("{place} period {}", keys.period);
            octets("pvt", &keys.pvt.0, eccsi::POINT_OCTETS, &place)?;
            secret("ssk", keys.ssk.as_ref(), ECCSI_SCALAR, &place)?;
            secret("rsk", keys.rsk.as_ref(), sakke::POINT_OCTETS, &place)?;
        }
        Ok(())
    }
}

impl IdentityKeys {
    /// Whether they have their secrets and are used at a time.
    pub fn is_usable(&self, now: UtcTime) -> bool {
        let second = u32::try_from(now.millis() / 1000).unwrap_or(u32::MAX);
        self.ssk.is_some() && self.rsk.is_some() && (self.valid_from..self.valid_until).contains(&second)
    }
}

impl Keys {
    /// Returns the names of all entries.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        let groups = self.group.iter().map(|group| &group.name);
        let names = groups.chain(self.discovery.iter().map(|entry| &entry.name));
        names.chain(self.kms.iter().map(|kms| &kms.name)).chain(self.identity.iter().map(|id| &id.name))
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// Returns the server of an identity.
    ///
    /// # Errors
    /// It is not among the keys.
    pub fn kms_of(&self, identity: &IdentityEntry) -> Result<&KmsEntry, Error> {
        self.kms.iter().find(|kms| kms.name == identity.kms).ok_or_else(|| {
            Error::entry(format!("identity {:?}", identity.name), Fault::NoSuchKms(identity.kms.clone()))
        })
    }

    /// Identities of a UE, and every server's public keys if it has one: it writes to others' users too.
    pub(super) fn identities_of(&self, ue: &str) -> (Vec<KmsEntry>, Vec<IdentityEntry>) {
        let own = self.identity.iter().filter(|id| id.ue.as_deref() == Some(ue) && !id.revoked);
        let own: Vec<_> = own.cloned().collect();
        let kms = if own.is_empty() { Vec::new() } else { self.kms.iter().map(KmsEntry::public).collect() };
        (kms, own)
    }

    /// Keeps the master secrets of servers in `old`, which these entries replace, under the same public keys.
    pub(super) fn keep_masters(&mut self, old: &Self) {
        for kms in &mut self.kms {
            let same = old.kms.iter().find(|old| old.name == kms.name && old.public() == kms.public());
            if let Some(old) = same.filter(|_| !kms.is_master()) {
                kms.clone_from(old);
            }
        }
    }

    pub(super) fn check_identities(&self) -> Result<(), Error> {
        self.kms.iter().try_for_each(KmsEntry::check)?;
        self.identity.iter().try_for_each(|identity| identity.check(self.kms_of(identity)?))
    }
}

fn text(field: &str, value: &str, place: &str) -> Result<(), Error> {
    if value.is_empty() || value.len() > MAX_URI || value.chars().any(|c| c.is_control() || c == ' ') {
        return Err(Error::entry(place, Fault::NoUri(field.to_owned())));
    }
    Ok(())
}

/// Whether months have keys for it.
fn is_tel(uri: &str) -> bool {
    let month = KeyPeriods::Months.at(UtcTime::from_millis(0));
    month.is_some_and(|month| KeyPeriods::Months.identifier(uri, "", &month).is_some())
}

/// Longest URI, octets. Ours.
const MAX_URI: usize = 255;

fn octets(field: &str, value: &[u8], wanted: usize, place: &str) -> Result<(), Error> {
    if value.len() == wanted { Ok(()) } else { Err(wrong(field, wanted, value.len(), place)) }
}

fn secret(field: &str, value: Option<&Secret>, wanted: usize, place: &str) -> Result<(), Error> {
    value.map_or(Ok(()), |value| octets(field, value.as_bytes(), wanted, place))
}

#[cfg(test)]
mod tests;
