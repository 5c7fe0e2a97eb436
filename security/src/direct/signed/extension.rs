//! Extensions of certificates and revocation lists: a critical one is either processed, or a reason for refusal
//! (RFC 5280 §4.2).

use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::CrlReason;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

use super::CertificateError;
use super::role::{ROLES, Roles};

/// id-ce-keyUsage, RFC 5280 §4.2.1.3.
pub(super) const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
/// id-ce-basicConstraints, RFC 5280 §4.2.1.9.
pub(super) const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
/// id-ce-cRLNumber, RFC 5280 §5.2.3.
pub(super) const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
/// id-ce-cRLReasons, RFC 5280 §5.3.1.
const CRL_REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
/// id-ce-deltaCRLIndicator, RFC 5280 §5.2.4.
const DELTA_CRL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
/// id-ce-issuingDistributionPoint, RFC 5280 §5.2.5.
const DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
/// id-ce-nameConstraints, RFC 5280 §4.2.1.10.
const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");
/// id-ce-extKeyUsage, RFC 5280 §4.2.1.12.
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
/// anyExtendedKeyUsage, RFC 5280 §4.2.1.12.
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// The uses that the extensions of a certificate allow.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    /// It is the certificate of an issuer.
    pub(super) ca: bool,
    /// Allowed uses of its key; `None` allows any.
    usage: Option<KeyUsage>,
    /// Roles at UE-to-UE relays.
    pub(super) roles: Option<Roles>,
}

impl Allowed {
    /// Reads the extensions of a certificate.
    pub(super) fn read(extensions: &[Extension]) -> Result<Self, CertificateError> {
        no_repetition(extensions)?;
        let malformed = |_| CertificateError::Malformed;
        let mut allowed = Self::default();
        for extension in extensions {
            let value = extension.extn_value.as_bytes();
            match extension.extn_id {
                KEY_USAGE => allowed.usage = Some(KeyUsage::from_der(value).map_err(malformed)?),
                BASIC_CONSTRAINTS => allowed.ca = BasicConstraints::from_der(value).map_err(malformed)?.ca,
                EXTENDED_KEY_USAGE => {
                    let purposes = ExtendedKeyUsage::from_der(value).map_err(malformed)?;
                    if !purposes.0.contains(&ANY_USAGE) {
                        return Err(CertificateError::Usage);
                    }
                }
                ROLES => allowed.roles = Some(Roles::parse(value).ok_or(CertificateError::Malformed)?),
                NAME_CONSTRAINTS => return Err(CertificateError::NameConstraints),
                _ if extension.critical => return Err(CertificateError::CriticalExtension),
                _ => {}
            }
        }
        Ok(allowed)
    }

    /// Whether the key may be used for `usage`.
    pub(super) fn allows(&self, usage: fn(&KeyUsage) -> bool) -> bool {
        self.usage.as_ref().is_none_or(usage)
    }
}

/// Returns the number of a full revocation list, from its extensions.
pub(super) fn crl_number(extensions: &[Extension]) -> Result<u32, CertificateError> {
    no_repetition(extensions)?;
    let mut number = None;
    for extension in extensions {
        match extension.extn_id {
            CRL_NUMBER => number = u32::from_der(extension.extn_value.as_bytes()).ok(),
            DELTA_CRL | DISTRIBUTION_POINT => return Err(CertificateError::PartialList),
            _ if extension.critical => return Err(CertificateError::CriticalExtension),
            _ => {}
        }
    }
    number.filter(|number| *number > 0).ok_or(CertificateError::ListNumber)
}

/// Checks the extensions of an entry of a full list.
pub(super) fn check_entry(extensions: &[Extension]) -> Result<(), CertificateError> {
    no_repetition(extensions)?;
    for extension in extensions {
        if extension.extn_id == CRL_REASON {
            let reason = CrlReason::from_der(extension.extn_value.as_bytes());
            match reason.map_err(|_| CertificateError::Malformed)? {
                CrlReason::RemoveFromCRL => return Err(CertificateError::PartialList),
                _ => continue,
            }
        }
        if extension.critical {
            return Err(CertificateError::CriticalExtension);
        }
    }
    Ok(())
}

fn no_repetition(extensions: &[Extension]) -> Result<(), CertificateError> {
    let mut all: Vec<_> = extensions.iter().map(|e| e.extn_id).collect();
    all.sort_unstable();
    let repeated = all.windows(2).any(|pair| pair[0] == pair[1]);
    if repeated { Err(CertificateError::RepeatedExtension) } else { Ok(()) }
}
