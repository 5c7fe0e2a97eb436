//! Why a peer is not believed.

use std::fmt;

use super::CertificateError;

/// Something with a time from which, and a time until which it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    /// The peer's certificate.
    Certificate,
    /// That of its issuer.
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

/// Why a peer is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Malformed octets.
    Malformed(&'static str),
    /// A certificate that cannot be read, or says what is not understood.
    Certificate(CertificateError),
    /// A raw key that is not that of this identity.
    UnknownKey,
    /// No root in common with the peer.
    NoCommonRoot,
    /// Nobody trusted issued the certificate.
    UnknownIssuer {
        /// It is signed by itself.
        self_signed: bool,
    },
    /// The validity is over by our clock, the guard included.
    Expired {
        /// Of what.
        what: Dated,
        /// For how long, in milliseconds.
        by: u64,
    },
    /// The validity has not begun by our clock, the guard included.
    NotYetValid {
        /// Of what.
        what: Dated,
        /// For how long, in milliseconds.
        by: u64,
    },
    /// The serial number is on the revocation list of its issuer.
    Revoked,
    /// The certificate names somebody else, or an identity was claimed that no certificate and no raw key can prove.
    WrongIdentity,
    /// The signature is wrong: forged, or over other messages than these.
    WrongSignature,
    /// An ephemeral key of low order: the shared secret would be known to everybody.
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
            Self::WrongSignature => f.write_str("the signature is wrong"),
            Self::WeakKey => f.write_str("the ephemeral key is of low order"),
        }
    }
}

impl std::error::Error for Failure {}
