//! A trusted root and its revocation list (RFC 5280 §5, §6).

use sha2::{Digest, Sha256};
use x509_cert::Version;
use x509_cert::crl::CertificateList;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::KeyUsage;

use super::der::{check, key, millis, parse, same_ed25519, verify_signature};
use super::extension::{Allowed, check_entry, crl_number};
use super::{CertificateError, Dated, Failure};
use crate::counter::UtcTime;

/// A trusted root, with its revocations.
#[derive(Debug)]
pub struct Root {
    /// Subject (DER).
    pub(super) name: Vec<u8>,
    pub(super) key: [u8; 32],
    /// notBefore and notAfter, in milliseconds.
    validity: (u64, u64),
    /// Whether its key may sign revocation lists.
    signs_lists: bool,
    list: Option<List>,
}

/// A revocation list in use.
#[derive(Debug)]
struct List {
    number: u32,
    /// thisUpdate, and nextUpdate if the list has one, in milliseconds.
    times: (u64, Option<u64>),
    serials: Vec<Vec<u8>>,
}

impl Root {
    /// Reads a root from its own certificate (DER): that of an issuer, signed by itself.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = parse(der)?;
        let key = key(&certificate)?;
        let tbs = certificate.tbs_certificate();
        if tbs.issuer() != tbs.subject() {
            return Err(CertificateError::NotSelfSigned);
        }
        let name = tbs.subject().to_der().map_err(|_| CertificateError::Malformed)?;
        verify_signature(&certificate, &key)?;
        let allowed = Allowed::read(tbs.extensions().map_or(&[], |all| all))?;
        if !allowed.ca {
            return Err(CertificateError::NotIssuer);
        }
        if !allowed.allows(KeyUsage::key_cert_sign) {
            return Err(CertificateError::Usage);
        }
        let validity = (millis(&tbs.validity().not_before), millis(&tbs.validity().not_after));
        Ok(Self { name, key, validity, signs_lists: allowed.allows(KeyUsage::crl_sign), list: None })
    }

    /// Returns the first 4 octets of the hash of its key, which identify it in requests.
    pub fn hint(&self) -> [u8; 4] {
        let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(self.key).into();
        [a, b, c, d]
    }

    /// Returns its public key: the numbers of its revocation lists are kept per key, whatever certificate holds it.
    pub const fn public(&self) -> &[u8; 32] {
        &self.key
    }

    /// Returns the number of the revocation list in use; 0 without one. The caller keeps the highest number durable,
    /// and refuses to start with an older list or without one: an older copy would hide a revocation.
    pub fn crl_number(&self) -> u32 {
        self.list.as_ref().map_or(0, |list| list.number)
    }

    /// Returns the time at which the revocation list in use was issued; `None` without one.
    pub fn list_issued(&self) -> Option<UtcTime> {
        self.list.as_ref().map(|list| UtcTime::from_millis(list.times.0))
    }

    /// Installs a revocation list (DER) that is newer than the one in use. Its times are checked when a peer is.
    pub fn install_crl(&mut self, der: &[u8]) -> Result<(), CertificateError> {
        let malformed = |_| CertificateError::Malformed;
        let list: CertificateList = CertificateList::from_der(der).map_err(malformed)?;
        if list.to_der().map_err(malformed)? != der {
            return Err(CertificateError::Malformed);
        }
        let tbs = &list.tbs_cert_list;
        if tbs.issuer.to_der().map_err(malformed)? != self.name {
            return Err(CertificateError::Issuer);
        }
        same_ed25519(&tbs.signature, &list.signature_algorithm)?;
        let signed = tbs.to_der().map_err(malformed)?;
        check(&self.key, &signed, &list.signature)?;
        if !self.signs_lists {
            return Err(CertificateError::Usage);
        }
        if tbs.version != Version::V2 {
            return Err(CertificateError::Malformed);
        }
        let number = crl_number(tbs.crl_extensions.as_deref().unwrap_or(&[]))?;
        let entries = tbs.revoked_certificates.as_deref().unwrap_or(&[]);
        for entry in entries {
            check_entry(entry.crl_entry_extensions.as_deref().unwrap_or(&[]))?;
        }
        if number <= self.crl_number() {
            return Err(CertificateError::NotNewer);
        }
        let times = (millis(&tbs.this_update), tbs.next_update.as_ref().map(millis));
        let serials = entries.iter().map(|entry| entry.serial_number.as_bytes().to_vec()).collect();
        self.list = Some(List { number, times, serials });
        Ok(())
    }

    /// Whether a certificate names this root as its issuer, and has its signature.
    pub(super) fn issued(&self, der: &[u8]) -> bool {
        let Ok(certificate) = parse(der) else { return false };
        let issuer = certificate.tbs_certificate().issuer().to_der();
        issuer.is_ok_and(|issuer| issuer == self.name) && verify_signature(&certificate, &self.key).is_ok()
    }

    /// Whether it has revoked a certificate with this serial number.
    pub(super) fn has_revoked(&self, serial: &[u8]) -> bool {
        self.list.as_ref().is_some_and(|list| list.serials.iter().any(|revoked| revoked == serial))
    }

    /// Checks its own validity, and the times of its list, if there is one.
    pub(super) fn check_times(&self, now: UtcTime, guard: u64) -> Result<(), Failure> {
        let (from, until) = self.validity;
        in_time(Dated::Issuer, from, Some(until), now, guard)?;
        match &self.list {
            Some(List { times: (from, until), .. }) => {
                in_time(Dated::RevocationList, *from, *until, now, guard)
            }
            None => Ok(()),
        }
    }
}

/// Checks whether `now` lies between two times in milliseconds, with a tolerance of `guard` milliseconds; `until` is
/// the last second.
pub(super) fn in_time(
    what: Dated,
    from: u64,
    until: Option<u64>,
    now: UtcTime,
    guard: u64,
) -> Result<(), Failure> {
    if now.millis().saturating_add(guard) < from {
        return Err(Failure::NotYetValid { what, by: from - now.millis() });
    }
    match until {
        Some(until) if now.millis() >= until.saturating_add(1000).saturating_add(guard) => {
            Err(Failure::Expired { what, by: now.millis() - until })
        }
        _ => Ok(()),
    }
}
