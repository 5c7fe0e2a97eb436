//! Certificates and revocation lists for a test bed: an issuer in one file. Real operators use a real one.

use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use x509_cert::der::Encode;
use x509_cert::der::asn1::{GeneralizedTime, ObjectIdentifier, UtcTime as ShortTime};
use x509_cert::time::Time;

use super::certificate::COMMON_NAME;
use super::der::ED25519;
use super::extension::{BASIC_CONSTRAINTS, CRL_NUMBER, KEY_USAGE};
use super::role::{ROLES, Roles};
use crate::counter::UtcTime;

/// BOOLEAN TRUE.
const YES: [u8; 3] = [0x01, 0x01, 0xff];

/// An issuer: a name and a key.
pub struct Issuer {
    name: String,
    key: SigningKey,
}

/// Period of validity, both ends included, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub from: UtcTime,
    /// Last second.
    pub until: UtcTime,
}

impl Issuer {
    /// Makes an issuer with a name, and a seed that is drawn for it.
    pub fn new(name: &str, seed: &[u8; 32]) -> Self {
        Self { name: name.to_owned(), key: SigningKey::from_bytes(seed) }
    }

    /// Returns its own certificate, for others to trust.
    pub fn certificate(&self, validity: Validity) -> Vec<u8> {
        // It is a CA (RFC 5280 §4.2.1.9), and its key signs certificates and revocation lists: bits 5 and 6 (§4.2.1.3).
        let ca = extension(BASIC_CONSTRAINTS, true, &tlv(0x30, &YES));
        let usage = extension(KEY_USAGE, true, &tlv(0x03, &[0x01, 0x06]));
        let key = self.key.verifying_key().to_bytes();
        self.certified(&name(self.name.as_bytes()), 1, &key, validity, &[ca, usage].concat())
    }

    /// Issues a certificate of `subject` (UTF-8) and its public key.
    pub fn issue(&self, subject: &[u8], serial: u32, key: &[u8; 32], validity: Validity) -> Vec<u8> {
        self.certified(&name(subject), serial, key, validity, &[])
    }

    /// Issues such a certificate that gives roles at UE-to-UE relays.
    pub fn issue_with_roles(
        &self,
        subject: &[u8],
        serial: u32,
        key: &[u8; 32],
        validity: Validity,
        roles: &Roles,
    ) -> Vec<u8> {
        let extension = extension(ROLES, false, &roles.emit());
        self.certified(&name(subject), serial, key, validity, &extension)
    }

    /// Issues a certificate of a whole subject, with these extensions.
    pub(super) fn certified(
        &self,
        subject: &[u8],
        serial: u32,
        key: &[u8; 32],
        validity: Validity,
        extensions: &[u8],
    ) -> Vec<u8> {
        let version = tlv(0xa0, &integer(2));
        let dates = tlv(0x30, &[time(validity.from), time(validity.until)].concat());
        let info = tlv(0x30, &[algorithm(), bits(key)].concat());
        let issuer = name(self.name.as_bytes());
        let parts = [version, integer(serial), algorithm(), issuer, dates, subject.to_vec(), info];
        let extensions = match extensions {
            [] => Vec::new(),
            all => tlv(0xa3, &tlv(0x30, all)),
        };
        self.signed(&tlv(0x30, &[parts.concat(), extensions].concat()))
    }

    /// Issues a revocation list without a time for the next one.
    pub fn revoke(&self, number: u32, serials: &[u32], now: UtcTime) -> Vec<u8> {
        self.list(number, &entries(serials, now), now, None, &[])
    }

    /// Issues a revocation list that is valid within `validity`: another one must follow before its end.
    pub fn revoke_within(&self, number: u32, serials: &[u32], validity: Validity) -> Vec<u8> {
        self.list(number, &entries(serials, validity.from), validity.from, Some(validity.until), &[])
    }

    /// Issues a list of entries, with extensions in addition to its number.
    pub(super) fn list(
        &self,
        number: u32,
        entries: &[u8],
        now: UtcTime,
        next: Option<UtcTime>,
        extensions: &[u8],
    ) -> Vec<u8> {
        let entries = if entries.is_empty() { Vec::new() } else { tlv(0x30, entries) };
        let number = extension(CRL_NUMBER, false, &integer(number));
        let extensions = tlv(0xa0, &tlv(0x30, &[&number, extensions].concat()));
        let dates = [time(now), next.map(time).unwrap_or_default()].concat();
        let parts = [integer(1), algorithm(), name(self.name.as_bytes()), dates, entries, extensions];
        self.signed(&tlv(0x30, &parts.concat()))
    }

    pub(super) fn signed(&self, tbs: &[u8]) -> Vec<u8> {
        let signature = self.key.sign(tbs).to_bytes();
        tlv(0x30, &[tbs, &algorithm(), &bits(&signature)].concat())
    }
}

fn entries(serials: &[u32], at: UtcTime) -> Vec<u8> {
    serials.iter().flat_map(|serial| entry(*serial, at, &[])).collect()
}

/// Encodes an entry of a revocation list, with its extensions.
pub(super) fn entry(serial: u32, at: UtcTime, extensions: &[u8]) -> Vec<u8> {
    let extensions = if extensions.is_empty() { Vec::new() } else { tlv(0x30, extensions) };
    tlv(0x30, &[integer(serial), time(at), extensions].concat())
}

/// Encodes an extension; DER omits the default, that it is not critical.
pub(super) fn extension(oid: ObjectIdentifier, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { &YES[..] } else { &[] };
    tlv(0x30, &[&oid.to_der().unwrap_or_default(), critical, &tlv(0x04, value)].concat())
}

pub(super) fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match value.len() {
        len @ 0..0x80 => out.push(len as u8),
        len @ 0x80..0x100 => out.extend([0x81, len as u8]),
        len => out.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    out.extend(value);
    out
}

/// Encodes a positive integer in as few octets as DER requires.
pub(super) fn integer(value: u32) -> Vec<u8> {
    let octets = [&[0][..], &value.to_be_bytes()].concat();
    let zeros = octets.windows(2).take_while(|w| w[0] == 0 && w[1] < 0x80).count();
    tlv(0x02, &octets[zeros..])
}

pub(super) fn algorithm() -> Vec<u8> {
    tlv(0x30, &ED25519.to_der().unwrap_or_default())
}

pub(super) fn bits(octets: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], octets].concat())
}

fn name(common: &[u8]) -> Vec<u8> {
    tlv(0x30, &common_name(0x0c, common))
}

/// Encodes a part of a name: a common name of a string type.
pub(super) fn common_name(tag: u8, value: &[u8]) -> Vec<u8> {
    tlv(0x31, &tlv(0x30, &[COMMON_NAME.to_der().unwrap_or_default(), tlv(tag, value)].concat()))
}

/// Encodes UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). Beyond the year 9999: that year's last
/// second.
pub(super) fn time(at: UtcTime) -> Vec<u8> {
    let at = Duration::from_secs(at.millis() / 1000);
    let last = Duration::from_secs(253_402_300_799);
    let short = ShortTime::from_unix_duration(at).map(Time::UtcTime);
    let time = short.or_else(|_| GeneralizedTime::from_unix_duration(at.min(last)).map(Time::GeneralTime));
    time.and_then(|time| time.to_der()).unwrap_or_default()
}
