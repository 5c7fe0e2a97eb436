//! Types of PC5 signalling messages, independent of their numbers in a coding.

use core::fmt;

/// Type of a message. `Display` gives its name (TS 24.334 §10.4, TS 24.587 §7.3; `DIRECT_AUTH_*` and `LONG_MESSAGE*` are of
/// this project).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageType {
    /// Request for a link, by UE_1.
    CommunicationRequest,
    /// Acceptance of a link, by UE_2.
    CommunicationAccept,
    /// Refusal of a link, by UE_2.
    CommunicationReject,
    /// Keepalive: asks whether the peer is still there.
    Keepalive,
    /// Acknowledgement of a keepalive.
    KeepaliveAck,
    /// Release of a link.
    Release,
    /// Acceptance of a release.
    ReleaseAccept,
    /// A remote UE wants an MBMS session relayed.
    TmgiMonitoringRequest,
    /// The relay does.
    TmgiMonitoringResponse,
    /// A remote UE wants to know the relay's cell.
    CellIdAnnouncementRequest,
    /// The relay will announce it.
    CellIdAnnouncementResponse,
    /// Starts protection with a chosen pair of algorithms.
    SecurityModeCommand,
    /// Confirmation of the security mode.
    SecurityModeComplete,
    /// Refusal of the security mode.
    SecurityModeReject,
    /// Request for a new session key.
    RekeyingRequest,
    /// End of re-keying.
    RekeyingResponse,
    /// Trigger: the peer is to request re-keying.
    RekeyingTrigger,
    /// Request of a relay for the identity of the remote UE of a link.
    RemoteUeInfoRequest,
    /// Response to it.
    RemoteUeInfoResponse,
    /// Request for a proof of identity.
    AuthenticationRequest,
    /// Proof of identity.
    AuthenticationResponse,
    /// Refusal of the authentication.
    AuthenticationReject,
    /// A long message, whole.
    LongMessage,
    /// A fragment of a long message.
    LongMessageFragment,
    /// Change of identifiers.
    IdentifierUpdateRequest,
    /// Acceptance of a change, with the target's new identifiers.
    IdentifierUpdateAccept,
    /// Acknowledgement of the target's new identifiers.
    IdentifierUpdateAck,
    /// Refusal of a change.
    IdentifierUpdateReject,
}

/// Types, their numbers in the coding of LTE, and names. 0xE0 to 0xF3 are of this project: LTE has no such messages.
const TABLE: [(MessageType, u8, &str); 28] = [
    // TS 24.334 §12.5.1.1
    (MessageType::CommunicationRequest, 1, "DIRECT_COMMUNICATION_REQUEST"),
    (MessageType::CommunicationAccept, 2, "DIRECT_COMMUNICATION_ACCEPT"),
    (MessageType::CommunicationReject, 3, "DIRECT_COMMUNICATION_REJECT"),
    (MessageType::Keepalive, 4, "DIRECT_COMMUNICATION_KEEPALIVE"),
    (MessageType::KeepaliveAck, 5, "DIRECT_COMMUNICATION_KEEPALIVE_ACK"),
    (MessageType::Release, 6, "DIRECT_COMMUNICATION_RELEASE"),
    (MessageType::ReleaseAccept, 7, "DIRECT_COMMUNICATION_RELEASE_ACCEPT"),
    (MessageType::TmgiMonitoringRequest, 8, "TMGI_MONITORING_REQUEST"),
    (MessageType::TmgiMonitoringResponse, 9, "TMGI_MONITORING_RESPONSE"),
    (MessageType::CellIdAnnouncementRequest, 10, "CELL_ID_ANNOUNCEMENT_REQUEST"),
    (MessageType::CellIdAnnouncementResponse, 11, "CELL_ID_ANNOUNCEMENT_RESPONSE"),
    (MessageType::SecurityModeCommand, 12, "DIRECT_SECURITY_MODE_COMMAND"),
    (MessageType::SecurityModeComplete, 13, "DIRECT_SECURITY_MODE_COMPLETE"),
    (MessageType::SecurityModeReject, 14, "DIRECT_SECURITY_MODE_REJECT"),
    (MessageType::RekeyingRequest, 15, "DIRECT_REKEYING_REQUEST"),
    (MessageType::RekeyingResponse, 16, "DIRECT_REKEYING_RESPONSE"),
    (MessageType::RekeyingTrigger, 17, "DIRECT_REKEYING_TRIGGER"),
    (MessageType::RemoteUeInfoRequest, 18, "REMOTE_UE_INFO_REQUEST"),
    (MessageType::RemoteUeInfoResponse, 19, "REMOTE_UE_INFO_RESPONSE"),
    (MessageType::AuthenticationRequest, 0xe0, "DIRECT_AUTH_REQUEST"),
    (MessageType::AuthenticationResponse, 0xe1, "DIRECT_AUTH_RESPONSE"),
    (MessageType::AuthenticationReject, 0xe2, "DIRECT_AUTH_REJECT"),
    (MessageType::LongMessage, 0xe3, "LONG_MESSAGE"),
    (MessageType::LongMessageFragment, 0xe4, "LONG_MESSAGE_FRAGMENT"),
    (MessageType::IdentifierUpdateRequest, 0xf0, "DIRECT_LINK_IDENTIFIER_UPDATE_REQUEST"),
    (MessageType::IdentifierUpdateAccept, 0xf1, "DIRECT_LINK_IDENTIFIER_UPDATE_ACCEPT"),
    (MessageType::IdentifierUpdateAck, 0xf2, "DIRECT_LINK_IDENTIFIER_UPDATE_ACK"),
    (MessageType::IdentifierUpdateReject, 0xf3, "DIRECT_LINK_IDENTIFIER_UPDATE_REJECT"),
];

impl MessageType {
    /// Returns the number in the coding of LTE, which reports use in either coding.
    pub const fn lte(self) -> u8 {
        TABLE[self as usize].1
    }

    /// Returns the type with a number of the coding of LTE.
    pub fn from_lte(octet: u8) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == octet).map(|row| row.0)
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TABLE[*self as usize].2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_types_and_turns_round() {
        for (at, (kind, octet, name)) in TABLE.into_iter().enumerate() {
            assert_eq!((kind as usize, kind.lte(), kind.to_string().as_str()), (at, octet, name));
            assert_eq!(MessageType::from_lte(octet), Some(kind));
        }
        assert_eq!((0..=255).filter(|&octet| MessageType::from_lte(octet).is_some()).count(), TABLE.len());
    }
}
