//! X.509 certificates (RFC 5280) with Ed25519 keys (RFC 8410): one root, one leaf, a revocation list.
//!
//! The path is two certificates long, and what RFC 5280 §6 asks of it is done here, in `root` and in `extension`: names,
//! signatures, algorithms, validities, key usage, basic constraints, revocation. Extensions that would need more of
//! path validation (name constraints, policies) are refused.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use x509_cert::der::asn1::{Any, BitString, ObjectIdentifier};
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::pkix::KeyUsage;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;
use x509_cert::{Certificate, Version};

use super::extension::Allowed;
use super::root::{Root, in_time};
use super::{Dated, Failure, Subject};
use crate::counter::UtcTime;

/// id-Ed25519, RFC 8410 §3.
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// id-at-commonName, RFC 5280 Appendix A.
pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The longest certificate that is looked at, in octets.
const MAX_LEN: usize = 4096;

/// Why a certificate or a revocation list is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not DER, not canonical, or too long.
    Malformed,
    /// Key or signature are not Ed25519, or the algorithm inside differs from that outside.
    Algorithm,
    /// A critical extension that is not understood.
    CriticalExtension,
    /// An extension that stands in it twice.
    RepeatedExtension,
    /// Name constraints, which are not evaluated.
    NameConstraints,
    /// The key is not for what it is used for: keyUsage or extKeyUsage.
    Usage,
    /// A root that is no issuer: basicConstraints without the CA flag.
    NotIssuer,
    /// An issuer's certificate where that of a UE is wanted.
    IsIssuer,
    /// A root that another one issued.
    NotSelfSigned,
    /// A common name of a string type that is not read.
    NameType,
    /// The signature of the issuer is wrong.
    Signature,
    /// A revocation list of another issuer.
    Issuer,
    /// A revocation list that holds part of what is revoked, or changes to another one.
    PartialList,
    /// A revocation list without a number, or with 0, or one of more than 32 bits.
    ListNumber,
    /// A revocation list that is not newer than the one in use.
    NotNewer,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed DER",
            Self::Algorithm => "not Ed25519",
            Self::CriticalExtension => "a critical extension that is not understood",
            Self::RepeatedExtension => "an extension stands in it twice",
            Self::NameConstraints => "it constrains names, which is not supported",
            Self::Usage => "its key is not for this use (keyUsage, extKeyUsage)",
            Self::NotIssuer => "not an issuer's certificate (basicConstraints without CA)",
            Self::IsIssuer => "an issuer's certificate, not that of a UE",
            Self::NotSelfSigned => "not signed by itself: it is no root",
            Self::NameType => "its common name is neither UTF8String nor PrintableString",
            Self::Signature => "the issuer's signature is wrong",
            Self::Issuer => "of another issuer",
            Self::PartialList => "not a full revocation list (delta, or of one distribution point)",
            Self::ListNumber => "a revocation list without a number between 1 and 4294967295",
            Self::NotNewer => "not newer than the one in use",
        })
    }
}

impl std::error::Error for CertificateError {}

/// The key of a certificate that a trusted root issued to `identity` and that is valid `now`, give or take `guard`
/// milliseconds.
pub(super) fn verify(
    der: &[u8],
    roots: &[Root],
    identity: Subject<'_>,
    now: UtcTime,
    guard: u64,
) -> Result<[u8; 32], Failure> {
    let certificate = parse(der).map_err(Failure::Certificate)?;
    let tbs = certificate.tbs_certificate();
    let malformed = |_| Failure::Certificate(CertificateError::Malformed);
    let issuer = tbs.issuer().to_der().map_err(malformed)?;
    let self_signed = tbs.issuer() == tbs.subject();
    // An issuer with a new key keeps its name, and one with a new certificate its key as well.
    let named = roots.iter().filter(|root| root.name == issuer);
    let issuers: Vec<&Root> = named.filter(|r| verify_signature(&certificate, &r.key).is_ok()).collect();
    let allowed = Allowed::read(tbs.extensions().map_or(&[], |all| all)).map_err(Failure::Certificate)?;
    if issuers.is_empty() {
        return Err(Failure::UnknownIssuer { self_signed });
    }
    if allowed.ca {
        return Err(Failure::Certificate(CertificateError::IsIssuer));
    }
    if !allowed.allows(KeyUsage::digital_signature) {
        return Err(Failure::Certificate(CertificateError::Usage));
    }
    let (from, until) = (millis(&tbs.validity().not_before), millis(&tbs.validity().not_after));
    in_time(Dated::Certificate, from, Some(until), now, guard)?;
    if issuers.iter().any(|root| root.has_revoked(tbs.serial_number().as_bytes())) {
        return Err(Failure::Revoked);
    }
    // One that is valid now is enough; else the last one says why not.
    let mut in_time = Err(Failure::UnknownIssuer { self_signed });
    for root in issuers {
        in_time = in_time.or_else(|_| root.check_times(now, guard));
    }
    in_time?;
    if subject_name(&certificate)? != identity.name()? {
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

/// The octets of the one common name of a subject: UTF-8, or ASCII, which is the same.
fn subject_name(certificate: &Certificate) -> Result<&[u8], Failure> {
    let mut names = certificate.tbs_certificate().subject().iter().filter(|name| name.oid == COMMON_NAME);
    let (Some(name), None) = (names.next(), names.next()) else { return Err(Failure::WrongIdentity) };
    readable(&name.value).ok_or(Failure::Certificate(CertificateError::NameType))
}

/// A DirectoryString (RFC 5280 §4.1.2.4) whose octets are its characters in UTF-8. The other types (BMPString and so on)
/// say other characters by the same octets.
fn readable(value: &Any) -> Option<&[u8]> {
    matches!(value.tag(), Tag::Utf8String | Tag::PrintableString).then(|| value.value())
}

/// The common name of a certificate's subject (DER), where there is exactly one that can be read.
pub fn common_name(der: &[u8]) -> Option<String> {
    let certificate = parse(der).ok()?;
    String::from_utf8(subject_name(&certificate).ok()?.to_vec()).ok()
}

/// Its serial number, where that is a positive one of at most 32 bits.
pub fn serial_number(der: &[u8]) -> Option<u32> {
    let certificate = parse(der).ok()?;
    let octets = certificate.tbs_certificate().serial_number().as_bytes();
    let positive = octets.first().is_some_and(|first| *first < 0x80);
    let octets = octets.strip_prefix(&[0]).unwrap_or(octets);
    (positive && octets.len() <= 4).then(|| octets.iter().fold(0, |all, octet| all << 8 | u32::from(*octet)))
}

pub(super) fn parse(der: &[u8]) -> Result<Certificate, CertificateError> {
    if der.len() > MAX_LEN {
        return Err(CertificateError::Malformed);
    }
    let certificate = Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
    // What is verified is the encoding of what was read: it must be what came.
    if !certificate.to_der().is_ok_and(|again| again == der) {
        return Err(CertificateError::Malformed);
    }
    let tbs = certificate.tbs_certificate();
    if tbs.extensions().is_some() && tbs.version() != Version::V3 {
        return Err(CertificateError::Malformed);
    }
    Ok(certificate)
}

pub(super) fn key(certificate: &Certificate) -> Result<[u8; 32], CertificateError> {
    let info = certificate.tbs_certificate().subject_public_key_info();
    let key = info.subject_public_key.as_bytes().map(<[u8; 32]>::try_from);
    match key {
        Some(Ok(key)) if is_ed25519(&info.algorithm) => Ok(key),
        _ => Err(CertificateError::Algorithm),
    }
}

pub(super) fn verify_signature(certificate: &Certificate, key: &[u8; 32]) -> Result<(), CertificateError> {
    same_ed25519(certificate.tbs_certificate().signature(), certificate.signature_algorithm())?;
    let tbs = certificate.tbs_certificate().to_der().map_err(|_| CertificateError::Malformed)?;
    check(key, &tbs, certificate.signature())
}

/// The algorithm inside what is signed is that outside of it (RFC 5280 §4.1.1.2, §5.1.1.2), and Ed25519.
pub(super) fn same_ed25519(
    inner: &AlgorithmIdentifierOwned,
    outer: &AlgorithmIdentifierOwned,
) -> Result<(), CertificateError> {
    if inner == outer && is_ed25519(outer) { Ok(()) } else { Err(CertificateError::Algorithm) }
}

/// Ed25519 has no parameters (RFC 8410 §3).
fn is_ed25519(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.oid == ED25519 && algorithm.parameters.is_none()
}

/// Verifies a signature, which is whole octets: unused bits would be another encoding of the same.
pub(super) fn check(key: &[u8; 32], signed: &[u8], signature: &BitString) -> Result<(), CertificateError> {
    let wrong = |_| CertificateError::Signature;
    let key = VerifyingKey::from_bytes(key).map_err(wrong)?;
    let signature = signature.as_bytes().ok_or(CertificateError::Signature)?;
    let signature = Signature::from_slice(signature).map_err(wrong)?;
    key.verify_strict(signed, &signature).map_err(wrong)
}

pub(super) fn millis(time: &Time) -> u64 {
    let duration = match time {
        Time::UtcTime(time) => time.to_unix_duration(),
        Time::GeneralTime(time) => time.to_unix_duration(),
    };
    duration.as_secs() * 1000
}
