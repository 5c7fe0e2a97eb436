//! Parsing of certificates (RFC 5280), and their signatures by Ed25519 (RFC 8410).

use ed25519_dalek::{Signature, VerifyingKey};
use x509_cert::der::asn1::{BitString, ObjectIdentifier};
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;
use x509_cert::{Certificate, Version};

use super::CertificateError;

/// id-Ed25519, RFC 8410 §3.
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The longest certificate that is parsed, in octets.
const MAX_LEN: usize = 4096;

pub(super) fn parse(der: &[u8]) -> Result<Certificate, CertificateError> {
    if der.len() > MAX_LEN {
        return Err(CertificateError::Malformed);
    }
    let certificate = Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
    // The signature is verified over the encoding of the parsed certificate: it must equal the received octets.
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

/// Checks that the algorithm inside the signed part equals the one outside (RFC 5280 §4.1.1.2, §5.1.1.2), and is
/// Ed25519.
pub(super) fn same_ed25519(
    inner: &AlgorithmIdentifierOwned,
    outer: &AlgorithmIdentifierOwned,
) -> Result<(), CertificateError> {
    if inner == outer && is_ed25519(outer) { Ok(()) } else { Err(CertificateError::Algorithm) }
}

/// Whether an algorithm is Ed25519, which has no parameters (RFC 8410 §3).
fn is_ed25519(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.oid == ED25519 && algorithm.parameters.is_none()
}

/// Verifies a signature of whole octets: unused bits would be another encoding of the same signature.
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
