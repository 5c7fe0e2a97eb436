//! The elements of each PC5-S message.

use super::SIGNATURE_LEN;

/// Which identity User Info carries: an octet whose values but 3 (IMSI) are unknown, and the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserInfo<'a> {
    /// Type of identity.
    pub kind: u8,
    /// The identity, up to 254 octets.
    pub value: &'a [u8],
}

/// UE security capabilities: EEA0 to EEA7 and EIA0 to EIA7, each from the top bit down.
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

/// DIRECT_COMMUNICATION_REQUEST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommunicationRequest<'a> {
    /// Who asks.
    pub user_info: UserInfo<'a>,
    /// IP address configuration.
    pub ip_config: u8,
    /// Maximum inactivity period, seconds.
    pub maximum_inactivity: u32,
    /// Nonce_1.
    pub nonce: [u8; 16],
    /// What UE_1 can do.
    pub capabilities: Capabilities,
    /// 8 most significant bits of KD-sess ID.
    pub kd_sess_msb: u8,
    /// KD ID, when UE_1 has a KD for the peer.
    pub kd_id: Option<[u8; 4]>,
    /// Relay Service Code.
    pub relay_service_code: Option<[u8; 3]>,
    /// ECCSI signature.
    pub signature: Option<[u8; SIGNATURE_LEN]>,
    /// Link-local IPv6 address.
    pub link_local: Option<[u8; 16]>,
    /// Key establishment information, up to 255 octets: our own element in LTE, IE 74 of the 5G twin.
    pub key_info: Option<&'a [u8]>,
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
    /// Who answers.
    pub user_info: Option<UserInfo<'a>>,
    /// ECCSI signature.
    pub signature: Option<[u8; SIGNATURE_LEN]>,
    /// The shared key under SAKKE; the width of its length is unknown, two octets here, since it has 273.
    pub encrypted_payload: Option<&'a [u8]>,
}

/// DIRECT_REKEYING_REQUEST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RekeyingRequest<'a> {
    /// What the requester can do.
    pub capabilities: Capabilities,
    /// Nonce_1.
    pub nonce: [u8; 16],
    /// 8 most significant bits of the new KD-sess ID.
    pub kd_sess_msb: u8,
    /// Re-auth flag: a new KD is wanted.
    pub re_auth: Option<u8>,
    /// PRUK ID.
    pub pruk_id: Option<[u8; 8]>,
    /// Key establishment information, as in [`CommunicationRequest`].
    pub key_info: Option<&'a [u8]>,
}

/// Which of the project's authentication messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AuthenticationPhase {
    /// UE_2 asks.
    Request = 0xe0,
    /// UE_1 answers.
    Response = 0xe1,
    /// Either refuses.
    Reject = 0xe2,
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
        /// IP address configuration.
        ip_config: u8,
        /// Link-local IPv6 address.
        link_local: Option<[u8; 16]>,
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
        /// Which identity is wanted.
        kind: u8,
    },
    /// 19, REMOTE_UE_INFO_RESPONSE.
    RemoteUeInfoResponse {
        /// IMEI or IMEISV, behind a length octet (the coding is our own).
        identity: Option<&'a [u8]>,
    },
    /// 0xE0 to 0xE2, direct authentication and key establishment: the project's own.
    Authentication {
        /// Which message.
        phase: AuthenticationPhase,
        /// Method of authentication.
        method: u8,
        /// Content, up to 8000 octets behind a length of two octets.
        content: &'a [u8],
    },
}

impl Body<'_> {
    /// The message type.
    pub const fn message_type(&self) -> u8 {
        match self {
            Self::CommunicationRequest(_) => 1,
            Self::CommunicationAccept { .. } => 2,
            Self::CommunicationReject { .. } => 3,
            Self::Keepalive { .. } => 4,
            Self::KeepaliveAck { .. } => 5,
            Self::Release { .. } => 6,
            Self::ReleaseAccept => 7,
            Self::SecurityModeCommand(_) => 12,
            Self::SecurityModeComplete { .. } => 13,
            Self::SecurityModeReject { .. } => 14,
            Self::RekeyingRequest(_) => 15,
            Self::RekeyingResponse => 16,
            Self::RekeyingTrigger => 17,
            Self::RemoteUeInfoRequest { .. } => 18,
            Self::RemoteUeInfoResponse { .. } => 19,
            Self::Authentication { phase, .. } => *phase as u8,
        }
    }
}
