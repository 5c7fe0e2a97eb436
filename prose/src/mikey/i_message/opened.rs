//! What an I_MESSAGE proves.

use sidelink_security::identity::sakke::SSV_OCTETS;
use sidelink_security::kdf::ParameterTooLong;
use sidelink_security::mikey::CryptoSession;
use sidelink_security::mikey::profile::{SrtpMaster, srtp_master};
use sidelink_wire::mikey::{KeyParameters, Prf};
use zeroize::Zeroizing;

use super::csb_id;
use crate::mikey::identity::Kms;
use crate::mikey::{NtpTime, Refused, SignatureCoverage};

/// The sender that a signature proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvenSender {
    /// Of this URI.
    Known(String),
    /// Of an identifier whose URI is not disclosed yet: [`Opened::disclose`] takes it.
    Hidden,
}

/// A message whose sender is proven, and the key that it carried: only
/// [`Received::open`](super::Received::open) makes it. The caller compares its time with the newest of the sender: a
/// message that comes twice opens twice.
pub struct Opened {
    pub(super) sender: ProvenSender,
    pub(super) identifier: Vec<u8>,
    pub(super) time: NtpTime,
    pub(super) csb_id: u32,
    pub(super) prf: Prf,
    pub(super) rand: Vec<u8>,
    pub(super) key: Zeroizing<[u8; SSV_OCTETS]>,
    pub(super) parameters: Option<Zeroizing<Vec<u8>>>,
    pub(super) coverage: SignatureCoverage,
}

impl core::fmt::Debug for Opened {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opened")
            .field("sender", &self.sender)
            .field("time", &self.time)
            .field("csb_id", &self.csb_id)
            .finish_non_exhaustive()
    }
}

impl Opened {
    /// The sender.
    pub const fn sender(&self) -> &ProvenSender {
        &self.sender
    }

    /// URI of the sender, once it is known.
    pub fn identity(&self) -> Option<&str> {
        match &self.sender {
            ProvenSender::Known(uri) => Some(uri),
            ProvenSender::Hidden => None,
        }
    }

    /// Identifier of the sender in the period of the message: what the signature was verified with.
    pub fn sender_identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// T.
    pub const fn time(&self) -> NtpTime {
        self.time
    }

    /// CSB ID: the ID of the key, or a GUK-ID.
    pub const fn csb_id(&self) -> u32 {
        self.csb_id
    }

    /// The PRF of keys that are derived from this one.
    pub const fn prf(&self) -> Prf {
        self.prf
    }

    /// RAND.
    pub fn rand(&self) -> &[u8] {
        &self.rand
    }

    /// SSV: the key.
    pub const fn key(&self) -> &Zeroizing<[u8; SSV_OCTETS]> {
        &self.key
    }

    /// What the signature covers.
    pub const fn coverage(&self) -> SignatureCoverage {
        self.coverage
    }

    /// ID of the key for the member that opened the message: of a GUK-ID the GMK-ID. TS 33.180 §5.2.3.
    ///
    /// # Errors
    /// A URI above 65535 octets.
    pub fn key_id(&self, member: &str) -> Result<u32, ParameterTooLong> {
        csb_id(&self.key, self.csb_id, member)
    }

    /// Parameters of the key. Whether it is revoked depends on whose message it is:
    /// [`KeyStatus::is_revoked`](sidelink_wire::mikey::KeyStatus::is_revoked).
    pub fn parameters(&self) -> Option<KeyParameters<'_>> {
        // They were parsed when the message was opened.
        self.parameters.as_ref().and_then(|octets| KeyParameters::parse(octets).ok())
    }

    /// Master key and salt of SRTP for a CS ID.
    pub fn srtp_master(&self, cs_id: u8) -> SrtpMaster {
        srtp_master(&self.key, CryptoSession { cs_id, csb_id: self.csb_id }, &self.rand)
    }

    /// Takes the URI of a sender that hid it. TS 33.180 §E.7: only then is the message authenticated.
    ///
    /// # Errors
    /// [`Refused::Disclosure`]: it is another's.
    pub fn disclose(mut self, identity: &str, kms: &Kms<'_>) -> Result<Self, Refused> {
        let identifier = kms.identifier(identity, self.time.to_utc()).ok_or(Refused::Period)?;
        if identifier != self.identifier {
            return Err(Refused::Disclosure);
        }
        self.sender = ProvenSender::Known(identity.to_owned());
        Ok(self)
    }
}
