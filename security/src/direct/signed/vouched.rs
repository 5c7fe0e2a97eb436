//! The certificate that authenticated a peer: when it ends, the KD that it helped to make ends too.

use sha2::{Digest, Sha256};

use super::{Reader, Trust, certificate};
use crate::counter::UtcTime;

/// The certificate of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// SHA-256 of its issuer's name (DER).
    pub issuer: [u8; 32],
    /// Its serial number, as in DER; at most 20 octets (RFC 5280 §4.1.2.2).
    pub serial: Vec<u8>,
    /// First moment at which it is no longer valid.
    pub end: UtcTime,
}

impl Vouched {
    /// Reads the certificate of the target UE from its accepted container 0xE0. `None` for a raw key.
    pub fn of_challenge(content: &[u8]) -> Option<Self> {
        let mut reader = Reader(content);
        reader.take::<38>()?;
        Self::of_credential(reader)
    }

    /// Reads the certificate of the initiating UE from its accepted container 0xE1. `None` for a raw key.
    pub fn of_response(content: &[u8]) -> Option<Self> {
        let mut reader = Reader(content);
        reader.take::<4>()?;
        Self::of_credential(reader)
    }

    pub(super) fn of_credential(mut reader: Reader<'_>) -> Option<Self> {
        let [kind] = reader.take()?;
        let length = usize::from(u16::from_be_bytes(reader.take()?));
        let (issuer, serial, end) = certificate::ends(reader.0.get(..length).filter(|_| kind == 1)?)?;
        Some(Self { issuer: Sha256::digest(issuer).into(), serial, end }).filter(|own| own.serial.len() <= 20)
    }
}

impl Trust {
    /// Whether a revocation list names this certificate.
    pub fn revokes(&self, vouched: &Vouched) -> bool {
        self.roots.iter().any(|root| {
            let issuer: [u8; 32] = Sha256::digest(&root.name).into();
            issuer == vouched.issuer && root.has_revoked(&vouched.serial)
        })
    }
}
