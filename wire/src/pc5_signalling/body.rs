//! The elements of each PC5-S message.

use super::SIGNATURE_LEN;
use super::message_type::MessageType;

/// User Info: the type of an identity (of its values only 3, IMSI, is known) and the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserInfo<'a> {
    /// Type of identity.
    pub kind: u8,
    /// The identity, up to 254 octets.
    pub value: &'a [u8],
}

/// UE security capabilities: EEA0 to EEA7 and EIA0 to EIA7, each from the most significant bit down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Ciphering algorithms.
    pub eea: u8,
    /// Integrity algorithms.
    pub eia: u8,
}

/// Chosen algorithms: identities 0 to 7, ciphering in bits 7-5 and integrity in bits 3-1 (from memory; the public
/// implementation writes ciphering one bit higher).
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
    /// IP address configuration; not in NR, where it is read as 0.
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
    /// Signalling security policy: NR only, and mandatory there.
    pub policy: Option<SecurityPolicy>,
    /// User info of the target: NR only, optional there.
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
    /// The shared key, encrypted under SAKKE. The width of its length field is unknown: two octets here, since the
    /// payload has 273 octets.
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
    /// Re-auth flag: the requester wants a new KD.
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
        /// PC5 signalling protocol cause.
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
        /// Release reason.
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
        /// PC5 signalling protocol cause.
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
        /// Type of the identity that is requested.
        kind: u8,
    },
    /// 19, REMOTE_UE_INFO_RESPONSE.
    RemoteUeInfoResponse {
        /// IMEI or IMEISV, behind a length octet (the coding is our own).
        identity: Option<&'a [u8]>,
    },
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
