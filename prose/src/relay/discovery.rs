//! Relay discovery for public safety: announcements and additional information (model A), solicitations and responses
//! (model B), protected by the PSDKs of a Relay Service Code. TS 24.334 §10A.2, TS 33.303 §6.6.
//!
//! ```text
//! relay.rs    the relay: announces, answers
//! remote.rs   the remote UE: monitors, solicits
//!
//! Relay Service Code -> Key Type -> PSDKs with their ends -> of those that have not ended the one that ends first
//!                                                             DUSK, DUIK, DUCK as the security metadata say
//! ```
//!
//! A receiver takes the PSDK of the second that the message names, not that of its own clock: a message of the last second of a
//! PSDK opens although it is heard after its end. A message that is further than MAX_OFFSET from the clock is no message.

mod relay;
mod remote;

pub use relay::{RelayDiscovery, RelayProfile, Solicited};
pub use remote::{Found, RemoteDiscovery};

use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::restricted::{Material, MicCheck, Received, Receiver, Sender};
use sidelink_security::discovery::{Announcement, CodeFilter, Message, Profile, Refusal};
use sidelink_security::pdu::Assurance;
use sidelink_wire::pc5_discovery::{Content, LEN, MessageType, Repr};

use crate::discovery::{AirTime, TimePolicy};

/// Whether relays announce themselves, or are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Model {
    /// Model A: relays announce.
    #[default]
    A,
    /// Model B: remote UEs solicit, relays answer.
    B,
    /// Both.
    Both,
}

impl Model {
    /// Whether relays announce themselves.
    pub const fn announces(self) -> bool {
        matches!(self, Self::A | Self::Both)
    }

    /// Whether remote UEs solicit.
    pub const fn asks(self) -> bool {
        matches!(self, Self::B | Self::Both)
    }
}

/// A message of relay discovery, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UE-to-network relay discovery announcement.
    Announcement,
    /// Relay discovery additional information.
    AdditionalInformation,
    /// UE-to-network relay discovery solicitation.
    Solicitation,
    /// UE-to-network relay discovery response.
    Response,
}

impl Kind {
    /// Returns what a message type is for; `None` if it is not of relay discovery.
    pub const fn of(message_type: MessageType) -> Option<Self> {
        Some(match message_type {
            MessageType::RelayAnnouncement => Self::Announcement,
            MessageType::RelayAdditionalInformation => Self::AdditionalInformation,
            MessageType::RelaySolicitation => Self::Solicitation,
            MessageType::RelayResponse => Self::Response,
            _ => return None,
        })
    }

    /// Returns the name for reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announcement => "announcement",
            Self::AdditionalInformation => "additional information",
            Self::Solicitation => "solicitation",
            Self::Response => "response",
        }
    }
}

/// Keys of one PSDK.
struct Psdk {
    /// First second at which it is not used any more.
    expiry: UtcCounter,
    sender: Sender,
    receiver: Receiver,
}

/// The keys that protect the discovery of one Relay Service Code.
pub struct ServiceKeys {
    service: [u8; 3],
    /// The one that ends first in front.
    psdks: Vec<Psdk>,
}

/// A message that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) content: Content,
    pub(super) announcement: Announcement,
    pub(super) assurance: Assurance,
}

impl ServiceKeys {
    /// Takes the material that PSDKs give, each with the first second at which it is not valid any more.
    // TS 24.334 §10A.2.1
    pub fn new(service: [u8; 3], psdks: impl IntoIterator<Item = (UtcCounter, Material)>) -> Self {
        // TS 24.334 §10A.2.3.2 (2)
        let filter = service_filter(service);
        let psdk = |(expiry, material): (UtcCounter, Material)| Psdk {
            expiry,
            sender: Sender::new(&material, Profile::default()),
            receiver: Receiver::new(&material, MicCheck::Local, vec![filter], Profile::default()),
        };
        let mut psdks: Vec<_> = psdks.into_iter().map(psdk).collect();
        psdks.sort_by_key(|psdk| psdk.expiry);
        Self { service, psdks }
    }

    /// Returns the Relay Service Code.
    pub const fn service(&self) -> [u8; 3] {
        self.service
    }

    /// Returns the PSDK of a second: of those that have not ended the one that ends first.
    // TS 33.303 §6.6.7 (1)
    fn of(&self, second: UtcCounter) -> Result<&Psdk, Refusal> {
        self.psdks.iter().find(|psdk| second < psdk.expiry).ok_or(Refusal::Expired)
    }

    /// Returns the protected message for the slot of `now`.
    ///
    /// Refused: [`Refusal::OutsideMaxOffset`] where the clocks disagree, [`Refusal::Expired`] where every PSDK has ended,
    /// [`Refusal::Type`] for a field with a reserved value.
    pub(super) fn protect(
        &self,
        policy: &TimePolicy,
        now: &AirTime,
        content: &Content,
    ) -> Result<Message, Refusal> {
        let freshness = policy.freshness(now);
        content.check().map_err(|_| Refusal::Type)?;
        let mut message = [0; LEN];
        let emitted = Repr::Standard { content: *content, mic: [0; 4], utc_lsb: 0 }.emit(&mut message);
        emitted.map_err(|_| Refusal::Type)?;
        self.of(freshness.slot)?.sender.protect(&freshness, &mut message)?;
        Ok(message)
    }

    /// Opens a message of this service.
    pub(super) fn open(
        &self,
        policy: &TimePolicy,
        now: &AirTime,
        message_type: MessageType,
        message: &Message,
    ) -> Result<Opened, Refusal> {
        let freshness = policy.freshness(now);
        let second = freshness.rebuild(message_type.octet(), message[LEN - 1])?;
        let (announcement, assurance) = match self.of(second)?.receiver.verify(&freshness, message)? {
            Received::Verified(announcement) => (announcement.into_inner(), Assurance::Verified),
            Received::ToReport(announcement) | Received::Unprotected(announcement) => {
                (announcement, Assurance::Unprotected)
            }
        };
        let content = Content::read(message_type, &announcement.code);
        // TS 24.334 §12.1A (4)
        content.check().map_err(|_| Refusal::Type)?;
        Ok(Opened { content, announcement, assurance })
    }
}

/// The bits of a body that name its service: the first three octets of every message of relay discovery.
fn service_filter(service: [u8; 3]) -> CodeFilter {
    let mut filter = CodeFilter { code: [0; 23], mask: [0; 23] };
    filter.code[..3].copy_from_slice(&service);
    filter.mask[..3].fill(0xff);
    filter
}

#[cfg(test)]
mod tests;
