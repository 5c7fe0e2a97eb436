//! The elements of each PC5-S message.

use super::SIGNATURE_LEN;
use super::capabilities::Capabilities;
use super::message_type::MessageType;
use super::relay::RelayMessage;

/// Which identity User Info carries, TS 24.334 §12.5.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserInfo<'a> {
    /// Type of identity: 1 of upper layers, 2 PRUK ID, 3 IMSI.
    pub kind: u8,
    /// The identity, up to 254 octets. Of an IMSI all octets: the first holds digit 1, odd or even, and the type; then two
    /// digits an octet, the earlier one in the low bits, filled up by 1111.
    pub value: &'a [u8],
}

/// Chosen algorithms, TS 24.334 §12.5.1.23: identities 0 to 7, ciphering in bits 7-5 and integrity in bits 3-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Algorithms {
    /// Ciphering.
    pub eea: u8,
    /// Integrity.
    pub eia: u8,
}

/// Security policy of a UE for ciphering and for integrity: 0 not needed, 1 preferred, 2 required; ciphering in bits
/// 7-5, integrity in bits 3-1 (TS 24.587 §8.4, from memory; all zero is both not needed: TS 38.508-1 §4.7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecurityPolicy {
    /// Policy for ciphering, at most 7.
    pub ciphering: u8,
    /// Policy for integrity, at most 7.
    pub integrity: u8,
}

/// Protection of user data: on or off, in the bits of [`SecurityPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserPlane {
    /// Whether user data is ciphered.
    pub ciphering: bool,
    /// Whether user data is integrity protected.
    pub integrity: bool,
}

/// The new identifiers of one end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identifiers {
    /// Its half of the KD-sess ID.
    pub kd_sess: u8,
    /// Its layer-2 identity.
    pub layer2: [u8; 3],
}

/// DIRECT_COMMUNICATION_REQUEST, in NR DIRECT LINK ESTABLISHMENT REQUEST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommunicationRequest<'a> {
    /// User info of UE_1, the initiating UE.
    pub user_info: UserInfo<'a>,
    /// IP address configuration, TS 24.334 §12.5.1.4: 0 DHCPv4 server, 1 IPv6 router, 2 both, 3 address allocation not
    /// supported. Not in NR, where it is read as 0.
    pub ip_config: u8,
    /// Maximum inactivity period, seconds; not in NR, where it is read as 0.
    pub maximum_inactivity: u32,
    /// Nonce_1.
    pub nonce: [u8; 16],
    /// Security capabilities of UE_1.
    pub capabilities: Capabilities,
    /// 8 most significant bits of KD-sess ID.
    pub kd_sess_msb: u8,
    /// KD ID, if UE_1 has a KD for the peer.
    pub kd_id: Option<[u8; 4]>,
    /// Relay Service Code.
    pub relay_service_code: Option<[u8; 3]>,
    /// ECCSI signature.
    pub signature: Option<[u8; SIGNATURE_LEN]>,
    /// Link-local IPv6 address.
    pub link_local: Option<[u8; 16]>,
    /// Key establishment information, up to 255 octets: our own element in LTE, IE 74 of the 5G twin.
    pub key_info: Option<&'a [u8]>,
    /// The connection identity that stands for who asks, beside an empty User Info: our own element, in LTE only.
    pub connection: Option<[u8; 4]>,
    /// Signalling security policy: NR only, and always there.
    pub policy: Option<SecurityPolicy>,
    /// User info of the target: optional in NR. In LTE our own element: the user at the far end of a UE-to-UE relay.
    pub target: Option<&'a [u8]>,
}

/// DIRECT_SECURITY_MODE_COMMAND.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecurityModeCommand<'a> {
    /// UE_1's capabilities, echoed.
    pub capabilities: Capabilities,
    /// Nonce_2.
    pub nonce: [u8; 16],
    /// Chosen algorithms.
    pub algorithms: Algorithms,
    /// 8 least significant bits of KD-sess ID.
    pub kd_sess_lsb: u8,
    /// 16 most significant bits of a new KD's ID.
    pub kd_id_msb: Option<[u8; 2]>,
    /// KD freshness parameter.
    pub kd_freshness: Option<[u8; 16]>,
    /// GBA push information.
    pub gpi: Option<&'a [u8]>,
    /// User info of UE_2, the target UE.
    pub user_info: Option<UserInfo<'a>>,
    /// ECCSI signature.
    pub signature: Option<[u8; SIGNATURE_LEN]>,
    /// The shared key under SAKKE. Two octets of length: TS 24.334 §12.5.1.34 has one, which cannot hold its 273.
    pub encrypted_payload: Option<&'a [u8]>,
    /// UE_1's policy, echoed: NR only, and mandatory there.
    pub policy: Option<SecurityPolicy>,
}

/// DIRECT_REKEYING_REQUEST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RekeyingRequest<'a> {
    /// Security capabilities of the requester.
    pub capabilities: Capabilities,
    /// Nonce_1.
    pub nonce: [u8; 16],
    /// 8 most significant bits of the new KD-sess ID.
    pub kd_sess_msb: u8,
    /// Auth Flag (TS 24.334 §12.5.1.32), in NR re-authentication indication: 1, a new KD is wanted.
    pub re_auth: Option<u8>,
    /// PRUK ID.
    pub pruk_id: Option<[u8; 8]>,
    /// Key establishment information, as in [`CommunicationRequest`].
    pub key_info: Option<&'a [u8]>,
}

/// Type of the project's own authentication messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthenticationPhase {
    /// Request by UE_2.
    Request,
    /// Response of UE_1.
    Response,
    /// Reject by either UE.
    Reject,
}

/// The elements of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
// Messages live on the stack one at a time; a box would allocate for each.
#[allow(clippy::large_enum_variant)]
pub enum Body<'a> {
    /// 1, DIRECT_COMMUNICATION_REQUEST.
    CommunicationRequest(CommunicationRequest<'a>),
    /// 2, DIRECT_COMMUNICATION_ACCEPT.
    CommunicationAccept {
        /// IP address configuration; where NR leaves it out, 0.
        ip_config: u8,
        /// Link-local IPv6 address.
        link_local: Option<[u8; 16]>,
        /// User info of UE_2: NR only, and mandatory there.
        user_info: Option<UserInfo<'a>>,
        /// Protection of user data: NR only, and mandatory there.
        up: Option<UserPlane>,
        /// A connection identity: our own element, in LTE only.
        connection: Option<[u8; 4]>,
    },
    /// 3, DIRECT_COMMUNICATION_REJECT.
    CommunicationReject {
        /// PC5 signalling protocol cause: 1 to 10 in LTE, TS 24.334 §12.5.1.7.
        cause: u8,
    },
    /// 4, DIRECT_COMMUNICATION_KEEPALIVE.
    Keepalive {
        /// Keepalive counter.
        counter: u32,
        /// Maximum inactivity period, seconds.
        maximum_inactivity: Option<u32>,
    },
    /// 5, DIRECT_COMMUNICATION_KEEPALIVE_ACK.
    KeepaliveAck {
        /// Keepalive counter.
        counter: u32,
    },
    /// 6, DIRECT_COMMUNICATION_RELEASE.
    Release {
        /// Release reason: 1 to 3 in LTE, TS 24.334 §12.5.1.8. In NR a cause.
        reason: u8,
    },
    /// 7, DIRECT_COMMUNICATION_RELEASE_ACCEPT.
    ReleaseAccept,
    /// 12, DIRECT_SECURITY_MODE_COMMAND.
    SecurityModeCommand(SecurityModeCommand<'a>),
    /// 13, DIRECT_SECURITY_MODE_COMPLETE.
    SecurityModeComplete {
        /// 16 least significant bits of a new KD's ID.
        kd_id_lsb: Option<[u8; 2]>,
        /// UE_1's policy for user data: NR only, and mandatory there.
        up_policy: Option<SecurityPolicy>,
        /// A connection identity: our own element, in LTE only.
        connection: Option<[u8; 4]>,
    },
    /// 14, DIRECT_SECURITY_MODE_REJECT.
    SecurityModeReject {
        /// PC5 signalling protocol cause, as in the reject of a request.
        cause: u8,
        /// RAND of a failed GBA push.
        rand: Option<[u8; 16]>,
        /// AUTS of a failed GBA push.
        auts: Option<[u8; 14]>,
    },
    /// 15, DIRECT_REKEYING_REQUEST.
    RekeyingRequest(RekeyingRequest<'a>),
    /// 16, DIRECT_REKEYING_RESPONSE.
    RekeyingResponse,
    /// 17, DIRECT_REKEYING_TRIGGER.
    RekeyingTrigger,
    /// 18, REMOTE_UE_INFO_REQUEST.
    RemoteUeInfoRequest {
        /// Which identity is wanted: 1 IMEI, 2 IMEISV.
        kind: u8,
    },
    /// 19, REMOTE_UE_INFO_RESPONSE.
    RemoteUeInfoResponse {
        /// IMEI or IMEISV, TS 24.334 §12.5.1.36: digit 1, odd or even, and the type (4, 5); then two digits an octet, the
        /// earlier one in the low bits. The ninth octet is all ones behind an IMEI, and in its high bits behind an IMEISV.
        identity: Option<[u8; 9]>,
    },
    /// 8 to 11, between a remote UE and a relay: LTE only.
    Relay(RelayMessage<'a>),
    /// 0xE0 to 0xE2, direct authentication and key establishment: the project's own.
    Authentication {
        /// Type of the message.
        phase: AuthenticationPhase,
        /// Method of authentication.
        method: u8,
        /// Content, up to 8000 octets behind a length of two octets.
        content: &'a [u8],
    },
    /// 0xF0, DIRECT LINK IDENTIFIER UPDATE REQUEST of NR: the initiating UE's new identifiers.
    IdentifierUpdateRequest(Identifiers),
    /// 0xF1, DIRECT LINK IDENTIFIER UPDATE ACCEPT of NR.
    IdentifierUpdateAccept {
        /// The target UE's new identifiers.
        new: Identifiers,
        /// The identifiers of the request, echoed.
        asked: Identifiers,
    },
    /// 0xF2, DIRECT LINK IDENTIFIER UPDATE ACK of NR: the target UE's new identifiers, echoed.
    IdentifierUpdateAck(Identifiers),
    /// 0xF3, DIRECT LINK IDENTIFIER UPDATE REJECT of NR.
    IdentifierUpdateReject {
        /// PC5 signalling protocol cause.
        cause: u8,
    },
}

impl Body<'_> {
    /// Returns the message type of LTE, which names the message in logs and metrics in either coding. Messages that
    /// only NR has get numbers of the project.
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::CommunicationRequest(_) => MessageType::CommunicationRequest,
            Self::CommunicationAccept { .. } => MessageType::CommunicationAccept,
            Self::CommunicationReject { .. } => MessageType::CommunicationReject,
            Self::Keepalive { .. } => MessageType::Keepalive,
            Self::KeepaliveAck { .. } => MessageType::KeepaliveAck,
            Self::Release { .. } => MessageType::Release,
            Self::ReleaseAccept => MessageType::ReleaseAccept,
            Self::SecurityModeCommand(_) => MessageType::SecurityModeCommand,
            Self::SecurityModeComplete { .. } => MessageType::SecurityModeComplete,
            Self::SecurityModeReject { .. } => MessageType::SecurityModeReject,
            Self::RekeyingRequest(_) => MessageType::RekeyingRequest,
            Self::RekeyingResponse => MessageType::RekeyingResponse,
            Self::RekeyingTrigger => MessageType::RekeyingTrigger,
            Self::RemoteUeInfoRequest { .. } => MessageType::RemoteUeInfoRequest,
            Self::RemoteUeInfoResponse { .. } => MessageType::RemoteUeInfoResponse,
            Self::Relay(message) => message.message_type(),
            Self::Authentication { phase: AuthenticationPhase::Request, .. } => {
                MessageType::AuthenticationRequest
            }
            Self::Authentication { phase: AuthenticationPhase::Response, .. } => {
                MessageType::AuthenticationResponse
            }
            Self::Authentication { phase: AuthenticationPhase::Reject, .. } => {
                MessageType::AuthenticationReject
            }
            Self::IdentifierUpdateRequest(_) => MessageType::IdentifierUpdateRequest,
            Self::IdentifierUpdateAccept { .. } => MessageType::IdentifierUpdateAccept,
            Self::IdentifierUpdateAck(_) => MessageType::IdentifierUpdateAck,
            Self::IdentifierUpdateReject { .. } => MessageType::IdentifierUpdateReject,
        }
    }
}
