//! KEY_RESPONSE: what a UE will get, how it is used, and why not. TS 33.303 Annex E.3, E.4.3.

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::restricted::EncryptedBitmask;
use sidelink_security::keys::{Kd, Pmk, Pruk};

use super::values::{
    Code, ErrorCode, Gpi, MemberId, Msisdn, OtherId, ProtectionProfile, PrukId, SelectedAlgorithm,
};
use crate::key_delivery::{PmkId, ServiceId};
use crate::pc3::fields::records;
use crate::pc3::{Imsi, MaxOffset, TransactionId};

records! {
    /// No keys of this group.
    GroupReject {
        /// Group Identity.
        group: ServiceId = one "GroupId",
        /// Why.
        error: ErrorCode = one "error-code",
    }

    /// Keys of this group come by MIKEY.
    GroupResponse {
        /// Group Identity.
        group: ServiceId = one "GroupId",
        /// The UE within the group.
        member: MemberId = one "GroupMemberId",
        /// How the group ciphers.
        algorithm: SelectedAlgorithm = one "AlgorithmInfo",
    }

    /// No keys of this relay service code.
    RelayReject {
        /// Relay service code.
        code: Code = one "RelayServiceCode",
        /// Why.
        error: ErrorCode = one "error-code",
    }

    /// Keys of this relay service code come by MIKEY.
    RelayResponse {
        /// Relay service code.
        code: Code = one "RelayServiceCode",
        /// Its keys come under this name.
        key_type: Code = one "KeyTypeID",
        /// What is applied.
        protection: ProtectionProfile = one "ProtectionProfile",
        /// The bits that message-specific confidentiality ciphers.
        encrypted: Option<EncryptedBitmask> = maybe "EncryptedBitMask",
    }

    /// No keys of this discovery group.
    GroupMemberReject {
        /// Discovery Group ID.
        group: Code = one "DiscoveryGroupID",
        /// Why.
        error: ErrorCode = one "error-code",
    }

    /// Keys of this discovery group come by MIKEY.
    GroupMemberResponse {
        /// Discovery Group ID.
        group: Code = one "DiscoveryGroupID",
        /// Its keys come under this name.
        key_type: Code = one "KeyTypeID",
        /// What is applied.
        protection: ProtectionProfile = one "ProtectionProfile",
        /// The bits that message-specific confidentiality ciphers.
        encrypted: Option<EncryptedBitmask> = maybe "EncryptedBitMask",
    }

    /// The key that protects MIKEY from now on.
    PmkInfo {
        /// Its name.
        id: PmkId = one "PMK-ID",
        /// The key.
        pmk: Pmk = one "PMK",
    }

    /// A key for relays.
    PrukInfo {
        /// Its name.
        id: PrukId = one "PRUKID",
        /// The key.
        pruk: Pruk = one "PRUK",
    }

    /// The KD of a remote UE.
    KdResponse {
        /// KD.
        kd: Kd = one "KeyKD",
        /// KD freshness parameter.
        freshness: [u8; 16] = one "KDFreshnessParameter",
        /// For the remote UE, by GBA push.
        gpi: Option<Gpi> = maybe "GPI",
        /// Who it is.
        imsi: Option<Imsi> = maybe "RemoteUEIMSI",
        /// Who it is.
        msisdn: Option<Msisdn> = maybe "RemoteUEMSISDN",
        /// Who it is.
        other: Option<OtherId> = maybe "RemoteUEOtherID",
    }

    /// KEY_RESPONSE.
    KeyResponse {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// Refused.
        group_rejects: Vec<GroupReject> = many "GroupNotSupported",
        /// Granted.
        groups: Vec<GroupResponse> = many "GroupResponse",
        /// Refused.
        relay_rejects: Vec<RelayReject> = many "RelayNotSupported",
        /// Granted.
        relays: Vec<RelayResponse> = many "RelayResponse",
        /// Refused.
        group_member_rejects: Vec<GroupMemberReject> = many "GroupMemberNotSupported",
        /// Granted.
        group_members: Vec<GroupMemberResponse> = many "GroupMemberResponse",
        /// A new PMK.
        pmk: Option<PmkInfo> = maybe "Key-info",
        /// CURRENT_TIME.
        current_time: Option<UtcTime> = maybe "CurrentTime",
        /// MAX_OFFSET.
        max_offset: Option<MaxOffset> = maybe "MaxOffset",
        /// A PRUK.
        pruk: Option<PrukInfo> = maybe "PRUKinfo",
        /// Why there is none.
        pruk_error: Option<ErrorCode> = maybe "PRUKError",
        /// A KD.
        kd: Option<KdResponse> = maybe "KDRespinfo",
        /// Why there is none.
        kd_error: Option<ErrorCode> = maybe "KDError",
    }
}

impl KeyResponse {
    /// Says nothing yet.
    pub const fn new(transaction: TransactionId) -> Self {
        Self {
            transaction,
            group_rejects: Vec::new(),
            groups: Vec::new(),
            relay_rejects: Vec::new(),
            relays: Vec::new(),
            group_member_rejects: Vec::new(),
            group_members: Vec::new(),
            pmk: None,
            current_time: None,
            max_offset: None,
            pruk: None,
            pruk_error: None,
            kd: None,
            kd_error: None,
        }
    }
}
