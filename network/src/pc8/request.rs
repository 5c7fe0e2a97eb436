//! KEY_REQUEST: what a UE asks for, has, and wants no more. TS 33.303 Annex E.3, E.4.2.

use super::values::{Algorithms, Auts, Code, CodeNumber, DiscoveryCapabilities, HeldId, PrukId};
use crate::key_delivery::ServiceId;
use crate::pc3::fields::records;
use crate::pc3::{Imsi, TransactionId};

records! {
    /// Keys of a group. TS 33.303 §6.2.3.3.2.2.
    GroupRequest {
        /// Group Identity.
        group: ServiceId = one "GroupId",
        /// PGK IDs that the UE has; 0 alone where it has none.
        held: Vec<HeldId> = some "PGKId",
    }

    /// Keys of relay discovery. TS 33.303 §6.6.4.2.2.
    RelayRequest {
        /// Relay service code.
        code: Code = one "RelayServiceCode",
        /// PSDK IDs that the UE has; 0 alone where it has none.
        held: Vec<HeldId> = some "PSDKId",
    }

    /// Keys of group member discovery. TS 33.303 §6.6.4.2.2.
    GroupMemberRequest {
        /// Discovery Group ID.
        group: Code = one "DiscoveryGroupID",
        /// The PSDK ID that the UE has, or 0.
        held: HeldId = one "PSDKId",
    }

    /// A relay asks for the KD of a remote UE. TS 33.303 §6.7.
    KdRequest {
        /// PRUK ID of the remote UE.
        pruk_id: Option<PrukId> = maybe "PRUKID",
        /// Or its IMSI.
        imsi: Option<Imsi> = maybe "IMSI",
        /// For which service.
        relay_service_code: Code = one "RelayServiceCode",
        /// Nonce_1 of the remote UE.
        nonce_1: [u8; 16] = one "Nonce1",
        /// RAND of the challenge that its USIM did not take.
        rand: Option<[u8; 16]> = maybe "RAND",
        /// AUTS of its USIM.
        auts: Option<Auts> = maybe "AUTS",
    }

    /// KEY_REQUEST.
    KeyRequest {
        /// Names the transaction.
        transaction: TransactionId = one "transaction-ID",
        /// Ciphering that the UE has for one-to-many communication.
        algorithms: Option<Algorithms> = maybe "AlgorithmAvailable",
        /// Groups whose keys it wants.
        groups: Vec<GroupRequest> = many "GroupKeyReq",
        /// Groups whose keys it wants no more.
        stop_groups: Vec<ServiceId> = many "GroupKeyStop",
        /// Protection that the UE has for public-safety discovery.
        discovery: Option<DiscoveryCapabilities> = maybe "PSDiscoverySecurityCapabilities",
        /// Relay service codes whose keys it wants.
        relays: Vec<RelayRequest> = many "RelayDiscoveryKeyRequest",
        /// Relay service codes whose keys it wants no more.
        stop_relays: Vec<CodeNumber> = many "RelayDiscoveryKeyStop",
        /// Discovery groups whose keys it wants.
        group_members: Vec<GroupMemberRequest> = many "GroupMemberDiscoveryKeyRequest",
        /// Discovery groups whose keys it wants no more.
        stop_group_members: Vec<CodeNumber> = many "GroupMemberDiscoveryKeyStop",
        /// A remote UE asks for a PRUK, and says which it has.
        pruk_id: Option<PrukId> = maybe "PRUKID",
        /// A relay asks for a KD.
        kd: Option<KdRequest> = maybe "KDReqinfo",
    }
}

impl KeyRequest {
    /// Asks for nothing yet.
    pub const fn new(transaction: TransactionId) -> Self {
        Self {
            transaction,
            algorithms: None,
            groups: Vec::new(),
            stop_groups: Vec::new(),
            discovery: None,
            relays: Vec::new(),
            stop_relays: Vec::new(),
            group_members: Vec::new(),
            stop_group_members: Vec::new(),
            pruk_id: None,
            kd: None,
        }
    }
}
