//! X.509 certificates (RFC 5280) with Ed25519 keys (RFC 8410): one root, one leaf, a revocation list.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::time::Time;

use super::Failure;
use crate::counter::UtcTime;

/// id-Ed25519, RFC 8410 §3.
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// id-at-commonName, RFC 5280 Appendix A.
pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// id-ce-cRLNumber, RFC 5280 §5.2.3.
pub(super) const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
/// id-ce-basicConstraints, RFC 5280 §4.2.1.9.
pub(super) const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");

/// The longest certificate that is looked at, in octets.
const MAX_LEN: usize = 4096;

/// Why a certificate or a revocation list is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not DER, not canonical, or too long.
    Malformed,
    /// Key or signature are not Ed25519.
    Algorithm,
    /// A critical extension that is not understood.
    CriticalExtension,
    /// The signature of the issuer is wrong.
    Signature,
    /// A revocation list of another issuer.
    Issuer,
    /// A revocation list that is not newer than the one in use.
    NotNewer,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed DER",
            Self::Algorithm => "not Ed25519",
            Self::CriticalExtension => "a critical extension that is not understood",
            Self::Signature => "the issuer's signature is wrong",
            Self::Issuer => "of another issuer",
            Self::NotNewer => "not newer than the one in use",
        })
    }
}

impl std::error::Error for CertificateError {}

/// A root that is trusted, and what it revoked.
#[derive(Debug)]
pub struct Root {
    /// Subject, DER.
    name: Vec<u8>,
    key: [u8; 32],
    crl_number: u32,
    revoked: Vec<Vec<u8>>,
}

impl Root {
    /// From its own certificate (DER), which signs itself.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = parse(der)?;
        let key = key(&certificate)?;
        let name =
            certificate.tbs_certificate().subject().to_der().map_err(|_| CertificateError::Malformed)?;
        verify_signature(&certificate, &key)?;
        Ok(Self { name, key, crl_number: 0, revoked: Vec::new() })
    }

    /// First 4 octets of the hash of its key: how requests name it.
    pub fn hint(&self) -> [u8; 4] {
        let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(self.key).into();
        [a, b, c, d]
    }

    /// The number of the revocation list in use; 0 without one. The caller keeps it durable, and installs the list of
    /// that number again after a start.
    pub const fn crl_number(&self) -> u32 {
        self.crl_number
    }

    /// Uses a revocation list (DER) that is newer than the one in use.
    pub fn install_crl(&mut self, der: &[u8]) -> Result<(), CertificateError> {
        let malformed = |_| CertificateError::Malformed;
        let list: CertificateList = CertificateList::from_der(der).map_err(malformed)?;
        let tbs = &list.tbs_cert_list;
        if tbs.issuer.to_der().map_err(malformed)? != self.name {
            return Err(CertificateError::Issuer);
        }
        let signed = tbs.to_der().map_err(malformed)?;
        check(&self.key, &signed, list.signature.raw_bytes())?;
        let number = tbs.crl_extensions.iter().flatten().find(|e| e.extn_id == CRL_NUMBER);
        let number = number.and_then(|e| u32::from_der(e.extn_value.as_bytes()).ok());
        let number = number.ok_or(CertificateError::Malformed)?;
        if number <= self.crl_number {
            return Err(CertificateError::NotNewer);
        }
        self.crl_number = number;
        let revoked = tbs.revoked_certificates.iter().flatten();
        self.revoked = revoked.map(|r| r.serial_number.as_bytes().to_vec()).collect();
        Ok(())
    }

    /// Its name, DER.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether its revocation list names this serial number.
    pub(super) fn revokes(&self, serial: &[u8]) -> bool {
        self.revoked.iter().any(|revoked| revoked == serial)
    }

    /// Whether a certificate names this root as its issuer.
    pub(super) fn issued(&self, der: &[u8]) -> bool {
        let issuer = parse(der).ok().and_then(|c| c.tbs_certificate().issuer().to_der().ok());
        issuer.is_some_and(|issuer| issuer == self.name)
    }
}

/// The key of a certificate that a trusted root issued to `identity` and that is valid `now`, give or take `guard`
/// milliseconds.
pub(super) fn verify(
    der: &[u8],
    roots: &[Root],
    identity: &[u8],
    now: UtcTime,
    guard: u64,
) -> Result<[u8; 32], Failure> {
    let certificate = parse(der).map_err(Failure::Certificate)?;
    let tbs = certificate.tbs_certificate();
    let malformed = |_| Failure::Certificate(CertificateError::Malformed);
    let issuer = tbs.issuer().to_der().map_err(malformed)?;
    let self_signed = issuer == tbs.subject().to_der().map_err(malformed)?;
    let root = roots.iter().find(|root| root.name == issuer).ok_or(Failure::UnknownIssuer { self_signed })?;
    if verify_signature(&certificate, &root.key).is_err() {
        return Err(Failure::UnknownIssuer { self_signed });
    }
    let critical = |e: &&x509_cert::ext::Extension| {
        e.critical && e.extn_id != BASIC_CONSTRAINTS && e.extn_id != KEY_USAGE
    };
    if tbs.extensions().is_some_and(|all| all.iter().any(|e| critical(&e))) {
        return Err(Failure::Certificate(CertificateError::CriticalExtension));
    }
    let (from, until) = (millis(&tbs.validity().not_before), millis(&tbs.validity().not_after));
    if now.millis().saturating_add(guard) < from {
        return Err(Failure::NotYetValid { by: from - now.millis() });
    }
    // notAfter is the last second of validity.
    if now.millis() >= until.saturating_add(1000).saturating_add(guard) {
        return Err(Failure::Expired { by: now.millis() - until });
    }
    if root.revoked.iter().any(|serial| serial == tbs.serial_number().as_bytes()) {
        return Err(Failure::Revoked);
    }
    let names = tbs.subject().iter().filter(|name| name.oid == COMMON_NAME);
    let mut values = names.map(|name| name.value.value());
    if values.next() != Some(identity) || values.next().is_some() {
        return Err(Failure::WrongIdentity);
    }
    key(&certificate).map_err(Failure::Certificate)
}

/// Issuer (DER), serial number and first moment after the validity of a certificate.
pub(super) fn ends(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>, UtcTime)> {
    let certificate = parse(der).ok()?;
    let tbs = certificate.tbs_certificate();
    let end = UtcTime::from_millis(millis(&tbs.validity().not_after).saturating_add(1000));
    Some((tbs.issuer().to_der().ok()?, tbs.serial_number().as_bytes().to_vec(), end))
}

/// The common name of a certificate's subject (DER), where there is exactly one.
pub fn common_name(der: &[u8]) -> Option<String> {
    let certificate = parse(der).ok()?;
    let mut names = certificate.tbs_certificate().subject().iter().filter(|name| name.oid == COMMON_NAME);
    let name = String::from_utf8(names.next()?.value.value().to_vec()).ok();
    name.filter(|_| names.next().is_none())
}

/// Its serial number, where that is a positive one of at most 32 bits.
pub fn serial_number(der: &[u8]) -> Option<u32> {
    let certificate = parse(der).ok()?;
    let octets = certificate.tbs_certificate().serial_number().as_bytes();
    let positive = octets.first().is_some_and(|first| *first < 0x80);
    let octets = octets.strip_prefix(&[0]).unwrap_or(octets);
    (positive && octets.len() <= 4).then(|| octets.iter().fold(0, |all, octet| all << 8 | u32::from(*octet)))
}

fn parse(der: &[u8]) -> Result<Certificate, CertificateError> {
    if der.len() > MAX_LEN {
        return Err(CertificateError::Malformed);
    }
    let certificate = Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
    // What is verified is the encoding of what was read: it must be what came.
    match certificate.to_der() {
        Ok(again) if again == der => Ok(certificate),
        _ => Err(CertificateError::Malformed),
    }
}

fn key(certificate: &Certificate) -> Result<[u8; 32], CertificateError> {
    let info = certificate.tbs_certificate().subject_public_key_info();
    let key = info.subject_public_key.raw_bytes();
    match <[u8; 32]>::try_from(key) {
        Ok(key) if info.algorithm.oid == ED25519 => Ok(key),
        _ => Err(CertificateError::Algorithm),
    }
}

fn verify_signature(certificate: &Certificate, key: &[u8; 32]) -> Result<(), CertificateError> {
    if certificate.signature_algorithm().oid != ED25519 {
        return Err(CertificateError::Algorithm);
    }
    let tbs = certificate.tbs_certificate().to_der().map_err(|_| CertificateError::Malformed)?;
    check(key, &tbs, certificate.signature().raw_bytes())
}

fn check(key: &[u8; 32], signed: &[u8], signature: &[u8]) -> Result<(), CertificateError> {
    let wrong = |_| CertificateError::Signature;
    let key = VerifyingKey::from_bytes(key).map_err(wrong)?;
    let signature = Signature::from_slice(signature).map_err(wrong)?;
    key.verify_strict(signed, &signature).map_err(wrong)
}

fn millis(time: &Time) -> u64 {
    let duration = match time {
        Time::UtcTime(time) => time.to_unix_duration(),
        Time::GeneralTime(time) => time.to_unix_duration(),
    };
    duration.as_secs() * 1000
}
