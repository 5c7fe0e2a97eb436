//! Reasons why a peer is not trusted.

use std::fmt;

/// Reason why a certificate or a revocation list is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not DER, not canonical, or too long.
    Malformed,
    /// The key or the signature is not Ed25519, or the algorithm inside differs from that outside.
    Algorithm,
    /// A critical extension that this program does not process.
    CriticalExtension,
    /// An extension that occurs twice.
    RepeatedExtension,
    /// Name constraints, which are not evaluated.
    NameConstraints,
    /// The key must not be used for this: keyUsage or extKeyUsage.
    Usage,
    /// A root that is no issuer: basicConstraints without the CA flag.
    NotIssuer,
    /// An issuer's certificate in place of that of a UE.
    IsIssuer,
    /// A root that another one issued.
    NotSelfSigned,
    /// A common name of an unsupported string type.
    NameType,
    /// The signature of the issuer is wrong.
    Signature,
    /// A revocation list of another issuer.
    Issuer,
    /// A revocation list that holds only a part of the revocations, or changes to another list.
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

/// A certificate or a list with a time from which and a time until which it is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    /// The peer's certificate.
    Certificate,
    /// The certificate of its issuer.
    Issuer,
    /// The issuer's revocation list: thisUpdate and nextUpdate.
    RevocationList,
}

impl fmt::Display for Dated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the certificate",
            Self::Issuer => "the issuer's certificate",
            Self::RevocationList => "the issuer's revocation list",
        })
    }
}

/// Reason why a peer is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Malformed octets.
    Malformed(&'static str),
    /// The certificate is unreadable or not supported.
    Certificate(CertificateError),
    /// The raw key is not that of this identity.
    UnknownKey,
    /// The UEs have no root in common.
    NoCommonRoot,
    /// No trusted root issued the certificate.
    UnknownIssuer {
        /// Whether it is signed by itself.
        self_signed: bool,
    },
    /// The validity is over by our clock, with the guard.
    Expired {
        /// The item that expired.
        what: Dated,
        /// Milliseconds since the end of its validity.
        by: u64,
    },
    /// The validity has not begun by our clock, with the guard.
    NotYetValid {
        /// The item that is not valid yet.
        what: Dated,
        /// Milliseconds until the beginning of its validity.
        by: u64,
    },
    /// The serial number is on the revocation list of its issuer.
    Revoked,
    /// The certificate names another identity, or the claimed identity is one that no certificate and no raw key can
    /// prove.
    WrongIdentity,
    /// The certificate does not let its owner be what it claims to be at a UE-to-UE relay, or not in this service.
    NoRole,
    /// The signature is wrong: forged, or over other messages.
    WrongSignature,
    /// An ephemeral key of low order: anyone would know the shared secret.
    WeakKey,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "{what} is malformed"),
            Self::Certificate(error) => write!(f, "the certificate: {error}"),
            Self::UnknownKey => f.write_str("the raw key is not the one that is known for this identity"),
            Self::NoCommonRoot => f.write_str("the peer trusts none of our certificate's issuers"),
            Self::UnknownIssuer { self_signed: true } => {
                f.write_str("the certificate is signed by itself, and is no root here")
            }
            Self::UnknownIssuer { self_signed: false } => {
                f.write_str("no trusted root issued the certificate")
            }
            Self::Expired { what: Dated::RevocationList, by } => write!(
                f,
                "the issuer's revocation list should have been replaced {} s ago by this clock: install a newer one",
                by / 1000
            ),
            Self::Expired { what, by } => write!(f, "{what} expired {} s ago by this clock", by / 1000),
            Self::NotYetValid { what: Dated::RevocationList, by } => {
                let s = by / 1000;
                write!(
                    f,
                    "the issuer's revocation list was made {s} s after now by this clock: set the clock"
                )
            }
            Self::NotYetValid { what, by } => {
                write!(f, "{what} begins to be valid in {} s by this clock", by / 1000)
            }
            Self::Revoked => f.write_str("the certificate is on the revocation list"),
            Self::WrongIdentity => f.write_str("the certificate names somebody else"),
            Self::NoRole => f.write_str(
                "the credential does not give this role at a UE-to-UE relay, or not for this service",
            ),
            Self::WrongSignature => f.write_str("the signature is wrong"),
            Self::WeakKey => f.write_str("the ephemeral key is of low order"),
        }
    }
}

impl std::error::Error for Failure {}
