//! Derivations that no specification defines, in the two-octet range 0xFF || 0xE0 and up, which TS 33.220 §B.2.0
//! allows and no allocated value can meet. They serve the proposals of TR 33.833.

use zeroize::Zeroizing;

use super::{ParameterTooLong, derive, fc, kdf, low_128};
use crate::counter::UtcCounter;
use crate::keys::{Duik, Kd, KsNaf, Pgk, PresharedSecret, Secret256};

/// Which of two roles of request and response discovery a key serves. TR 33.833 §6.2.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DiscoveryRole {
    /// Keys the discovery request (solicitation).
    Request = 0,
    /// Keys the discovery response.
    Response = 1,
}

/// KD of a link that the network authorised: KDF(KM_1 || KM_2, connection ids, DKSI). TR 33.833 §6.4.1.
pub fn kd_from_half_keys(
    km_1: &Secret256,
    km_2: &Secret256,
    connection_id_1: &[u8; 4],
    connection_id_2: &[u8; 4],
    dksi: &[u8; 4],
) -> Kd {
    let mut key = Zeroizing::new([0; 64]);
    key[..32].copy_from_slice(km_1.as_bytes());
    key[32..].copy_from_slice(km_2.as_bytes());
    let derived = derive(&key[..], fc::OWN_KD_FROM_HALF_KEYS, &[connection_id_1, connection_id_2, dksi]);
    Kd::from(*derived)
}

/// KD from the SDES keys of offer and answer: KDF(K1 || K2). TR 33.833 §6.4.2.
pub fn kd_from_sdes(k1: &[u8; 30], k2: &[u8; 30]) -> Kd {
    let mut key = Zeroizing::new([0; 60]);
    key[..30].copy_from_slice(k1);
    key[30..].copy_from_slice(k2);
    Kd::from(*derive(&key[..], fc::OWN_KD_FROM_SDES, &[]))
}

/// The key that protects requests, or responses, of one query code: KDF(secret, role, query code), used as a DUIK.
/// TR 33.833 §6.2.2.2.
pub fn discovery_session(secret: &PresharedSecret, role: DiscoveryRole, query_code: &[u8; 23]) -> Duik {
    Duik::from(*derive(secret.as_bytes(), fc::OWN_DISCOVERY_SESSION, &[&[role as u8], query_code]))
}

/// K_unicast of group owner mode, a KD between the owner and one member. TR 33.833 §6.3.4.
pub fn k_unicast(k_go: &Secret256, group_id: [u8; 3], member_id: [u8; 3], epoch: u32) -> Kd {
    let parameters: [&[u8]; 3] = [&group_id, &member_id, &epoch.to_be_bytes()];
    Kd::from(*derive(k_go.as_bytes(), fc::OWN_K_UNICAST, &parameters))
}

/// K_multicast of group owner mode, a PGK of the epoch. TR 33.833 §6.3.4.
pub fn k_multicast(k_go: &Secret256, group_id: [u8; 3], epoch: u32) -> Pgk {
    Pgk::from(*derive(k_go.as_bytes(), fc::OWN_K_MULTICAST, &[&group_id, &epoch.to_be_bytes()]))
}

/// KD from the first half of an EAP MSK, bound to the relay as the AAA authenticated it. TR 33.833 §6.5.1.
pub fn kd_from_msk(
    msk_first_half: &Secret256,
    relay_identity: &[u8],
    relay_service_code: [u8; 3],
) -> Result<Kd, ParameterTooLong> {
    let parameters: [&[u8]; 2] = [relay_identity, &relay_service_code];
    Ok(Kd::from(*kdf(msk_first_half.as_bytes(), fc::OWN_KD_FROM_MSK, &parameters)?))
}

/// The key that wraps a group key pushed to a member. TR 33.833 §6.3.2.
pub fn group_key_wrap(ks_ext_naf: &KsNaf, group_id: [u8; 3]) -> Secret256 {
    Secret256::from(*derive(ks_ext_naf.as_bytes(), fc::OWN_GROUP_KEY_WRAP, &[&group_id]))
}

/// The key before `key` in a chain of keys that are disclosed late, 80 bits. TR 33.833 §6.2.3.
pub fn chain_step(key: &[u8; 10], salt: &[u8; 16]) -> [u8; 10] {
    let mut out = [0; 10];
    out.copy_from_slice(&derive(key, fc::OWN_CHAIN_STEP, &[salt])[22..]);
    out
}

/// The MAC key of a chain key. TR 33.833 §6.2.3.
pub fn chain_mac_key(key: &[u8; 10], salt: &[u8; 16]) -> Duik {
    Duik::from(*derive(key, fc::OWN_CHAIN_MAC, &[salt]))
}

/// The PGK of one group call, from the group session key (128 bits). TR 33.833 §6.3.1.
pub fn pgk_from_gsk(gsk: &[u8; 16], csb_id: u32, gmk_id: u32) -> Pgk {
    let parameters: [&[u8]; 2] = [&csb_id.to_be_bytes(), &gmk_id.to_be_bytes()];
    Pgk::from(*derive(gsk, fc::OWN_PGK_FROM_GSK, &parameters))
}

/// The key of the accounting log. TR 33.833 §5.5.2.
pub fn accounting_key(ks_naf: &KsNaf) -> Secret256 {
    Secret256::from(*derive(ks_naf.as_bytes(), fc::OWN_ACCOUNTING, &[]))
}

/// The keystream of a direct communication request in the LTE profile, as TS 33.503 §A.5 under an FC of our own.
pub fn dcr_keystream(key: &Secret256, counter: UtcCounter, relay_service_code: [u8; 3]) -> Secret256 {
    let parameters: [&[u8]; 2] = [&counter.value().to_be_bytes(), &relay_service_code];
    Secret256::from(*derive(key.as_bytes(), fc::OWN_DCR_KEYSTREAM, &parameters))
}

/// KD from a SAKKE shared secret value, bound to both identities. TR 33.833 §6.4.3.
pub fn kd_from_ssv(ssv: &[u8; 16], initiator: &[u8], responder: &[u8]) -> Result<Kd, ParameterTooLong> {
    Ok(Kd::from(*kdf(ssv, fc::OWN_KD_FROM_SSV, &[initiator, responder])?))
}

/// The name under which the counters of a key stand in a store: it depends on the key itself, not on what the
/// operator calls it, so that a key imported twice has one stream of counters. It reveals nothing of the key.
pub fn stream_id(key: &[u8], context: &[u8; 6]) -> [u8; 16] {
    low_128(&derive(key, fc::OWN_STREAM_ID, &[context]))
}
