//! X.509 certificates (RFC 5280) with Ed25519 keys (RFC 8410): one root, one leaf, a revocation list.
//!
//! The path is two certificates long. The checks of RFC 5280 §6 are made here, in `root` and in `extension`: names,
//! signatures, algorithms, validities, key usage, basic constraints, revocation. Extensions that would need more of
//! path validation (name constraints, policies) are refused.

use x509_cert::Certificate;
use x509_cert::der::asn1::{Any, ObjectIdentifier};
use x509_cert::der::{Encode, Tag, Tagged};
use x509_cert::ext::pkix::KeyUsage;

use super::der::{key, millis, parse, verify_signature};
use super::extension::Allowed;
use super::root::{Root, in_time};
use super::{CertificateError, Dated, Failure, Roles, Subject};
use crate::counter::UtcTime;

/// id-at-commonName, RFC 5280 Appendix A.
pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Returns the key of a certificate that a trusted root issued to `identity` and that is valid at `now`, with a
/// tolerance of `guard` milliseconds. After its own end it is taken for `grace` milliseconds more.
pub(super) fn verify(
    der: &[u8],
    roots: &[Root],
    identity: Subject<'_>,
    now: UtcTime,
    [guard, grace]: [u64; 2],
) -> Result<[u8; 32], Failure> {
    let certificate = parse(der).map_err(Failure::Certificate)?;
    let tbs = certificate.tbs_certificate();
    let malformed = |_| Failure::Certificate(CertificateError::Malformed);
    let issuer = tbs.issuer().to_der().map_err(malformed)?;
    let self_signed = tbs.issuer() == tbs.subject();
    // An issuer with a new key keeps its name, and one with a new certificate also its key.
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
    in_time(Dated::Certificate, from, Some(until.saturating_add(grace)), now, guard)?;
    if issuers.iter().any(|root| root.has_revoked(tbs.serial_number().as_bytes())) {
        return Err(Failure::Revoked);
    }
    // One root that is valid now is enough; otherwise the last one gives the reason.
    let mut in_time = Err(Failure::UnknownIssuer { self_signed });
    for root in issuers {
        in_time = in_time.or_else(|_| root.check_times(now, guard));
    }
    in_time?;
    let (name, role) = identity.claim()?;
    if subject_name(&certificate)? != name {
        return Err(Failure::WrongIdentity);
    }
    let has_role = |roles: &Roles, (role, service)| roles.allow(role, service);
    if role.is_some_and(|role| !allowed.roles.as_ref().is_some_and(|roles| has_role(roles, role))) {
        return Err(Failure::NoRole);
    }
    key(&certificate).map_err(Failure::Certificate)
}

/// Returns issuer (DER), serial number and first moment after the validity of a certificate.
pub(super) fn ends(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>, UtcTime)> {
    let certificate = parse(der).ok()?;
    let tbs = certificate.tbs_certificate();
    let end = UtcTime::from_millis(millis(&tbs.validity().not_after).saturating_add(1000));
    Some((tbs.issuer().to_der().ok()?, tbs.serial_number().as_bytes().to_vec(), end))
}

/// Returns the octets of the only common name of a subject: UTF-8, or ASCII, which is a subset.
fn subject_name(certificate: &Certificate) -> Result<&[u8], Failure> {
    let mut names = certificate.tbs_certificate().subject().iter().filter(|name| name.oid == COMMON_NAME);
    let (Some(name), None) = (names.next(), names.next()) else { return Err(Failure::WrongIdentity) };
    readable(&name.value).ok_or(Failure::Certificate(CertificateError::NameType))
}

/// Returns the octets of a DirectoryString (RFC 5280 §4.1.2.4) if they are UTF-8. In the other types (BMPString and
/// others) the same octets are other characters.
fn readable(value: &Any) -> Option<&[u8]> {
    matches!(value.tag(), Tag::Utf8String | Tag::PrintableString).then(|| value.value())
}

/// Returns the common name of a certificate's subject (DER), if there is exactly one and it is readable.
pub fn common_name(der: &[u8]) -> Option<String> {
    let certificate = parse(der).ok()?;
    String::from_utf8(subject_name(&certificate).ok()?.to_vec()).ok()
}

/// Returns the roles at UE-to-UE relays that a certificate (DER) gives; `None` where it gives none.
pub fn roles(der: &[u8]) -> Option<Roles> {
    let certificate = parse(der).ok()?;
    Allowed::read(certificate.tbs_certificate().extensions().map_or(&[], |all| all)).ok()?.roles
}

/// Returns the serial number of a certificate, if it is positive and has at most 32 bits.
pub fn serial_number(der: &[u8]) -> Option<u32> {
    let certificate = parse(der).ok()?;
    let octets = certificate.tbs_certificate().serial_number().as_bytes();
    let positive = octets.first().is_some_and(|first| *first < 0x80);
    let octets = octets.strip_prefix(&[0]).unwrap_or(octets);
    (positive && octets.len() <= 4).then(|| octets.iter().fold(0, |all, octet| all << 8 | u32::from(*octet)))
}
