//! Derivations that no specification defines, under the proprietary FC of TS 33.220 §B.2.2, each with a label
//! ([`fc::OWN`]); no allocated value equals them. Used by request and response discovery (TR 33.833), by direct
//! communication requests of the LTE profile, and for public names.

use subtle::ConstantTimeEq;

use super::{derive, fc, low_128};
use crate::counter::UtcCounter;
use crate::keys::{AccountingKey, Duik, Gmk, Gsk, KGo, Kd, KsNaf, Pgk, PresharedSecret, Psdk, Secret256};
use crate::mikey::WrongMac;

/// The role in request and response discovery that a key serves. TR 33.833 §6.2.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DiscoveryRole {
    /// The key protects the discovery request (solicitation).
    Request = 0,
    /// The key protects the discovery response.
    Response = 1,
}

/// Computes the key that protects requests, or responses, of one query code: KDF(secret, role, query code), used as a
/// DUIK. TR 33.833 §6.2.2.2.
pub fn discovery_session(secret: &PresharedSecret, role: DiscoveryRole, query_code: &[u8; 23]) -> Duik {
    Duik::from(*derive(secret.as_bytes(), fc::OWN_DISCOVERY_SESSION, &[&[role as u8], query_code]))
}

/// Computes a PSDK for only one relay service code or discovery group; the standard has one PSDK for all that a Key
/// Type ID covers.
pub fn psdk_of_identity(psdk: &Psdk, identity: [u8; 3]) -> Psdk {
    Psdk::from(*derive(psdk.as_bytes(), fc::OWN_PSDK_OF_IDENTITY, &[&identity]))
}

/// Computes the keystream of a direct communication request in the LTE profile, as TS 33.503 §A.5 under an FC of our
/// own.
pub fn dcr_keystream(key: &Secret256, counter: UtcCounter, relay_service_code: [u8; 3]) -> Secret256 {
    let parameters: [&[u8]; 2] = [&counter.on_air().to_be_bytes(), &relay_service_code];
    Secret256::from(*derive(key.as_bytes(), fc::OWN_DCR_KEYSTREAM, &parameters))
}

/// Computes the key of a usage log, of the key that UE and ProSe Function share. TR 33.833 §5.5.2.
pub fn accounting_key(ks_naf: &KsNaf) -> AccountingKey {
    AccountingKey::from(*derive(ks_naf.as_bytes(), fc::OWN_ACCOUNTING, &[]))
}

/// Computes the PGK of a call from its session key: PGK_call = KDF(GSK, CSB ID, GMK ID). TR 33.833 §6.3.1.3.2.
pub fn pgk_of_call(gsk: &Gsk, csb_id: u32, gmk_id: u32) -> Pgk {
    Pgk::from(*derive(gsk.as_bytes(), fc::OWN_PGK_FROM_GSK, &[&csb_id.to_be_bytes(), &gmk_id.to_be_bytes()]))
}

/// Computes the MAC by which a member acknowledges a GMK: who has the GMK can make it, and nobody else. `member` is cut
/// off after 65535 octets.
pub fn gmk_acknowledgement(gmk: &Gmk, gmk_id: u32, time: u64, member: &[u8]) -> [u8; 16] {
    let member = &member[..member.len().min(usize::from(u16::MAX))];
    let parameters: [&[u8]; 3] = [&gmk_id.to_be_bytes(), &time.to_be_bytes(), member];
    low_128(&derive(gmk.as_bytes(), fc::OWN_GMK_ACKNOWLEDGEMENT, &parameters))
}

/// Verifies such a MAC, in constant time.
///
/// # Errors
/// It is wrong.
pub fn verify_gmk_acknowledgement(
    gmk: &Gmk,
    gmk_id: u32,
    time: u64,
    member: &[u8],
    mac: &[u8; 16],
) -> Result<(), WrongMac> {
    if gmk_acknowledgement(gmk, gmk_id, time, member).ct_eq(mac).into() { Ok(()) } else { Err(WrongMac) }
}

/// Computes the KD of a remote UE and the relay through which EAP authenticated it, from the first half of the MSK: bound to the name of
/// the relay, as its network knows it, and to the service. A name of more than 65535 octets is cut off there. TR 33.833 §6.5.1.
pub fn kd_from_msk(msk: &[u8; 64], relay: &[u8], service: [u8; 3]) -> Kd {
    let relay = &relay[..relay.len().min(usize::from(u16::MAX))];
    Kd::from(*derive(&msk[..32], fc::OWN_KD_FROM_MSK, &[relay, &service]))
}

/// Computes K_unicast of group owner mode, which plays the part of a KD between the owner and one member: KDF(K_GO, group,
/// member, epoch). TR 33.833 §6.3.4. An identity of more than 65535 octets is cut off there.
pub fn k_unicast(k_go: &KGo, group: [u8; 3], member: &[u8], epoch: u32) -> Kd {
    let member = &member[..member.len().min(usize::from(u16::MAX))];
    Kd::from(*derive(k_go.as_bytes(), fc::OWN_K_UNICAST, &[&group, member, &epoch.to_be_bytes()]))
}

/// Computes K_multicast of group owner mode, which plays the part of a PGK: KDF(K_GO, group, epoch). TR 33.833 §6.3.4.
pub fn k_multicast(k_go: &KGo, group: [u8; 3], epoch: u32) -> Pgk {
    Pgk::from(*derive(k_go.as_bytes(), fc::OWN_K_MULTICAST, &[&group, &epoch.to_be_bytes()]))
}

/// Computes the MAC of a message of group owner mode under K_unicast. `purpose` separates the messages, `transcript` binds
/// it to one join.
pub fn group_owner_mac(k_unicast: &Kd, purpose: &[u8], transcript: &[u8; 32], message: &[u8]) -> [u8; 16] {
    let message = &message[..message.len().min(usize::from(u16::MAX))];
    low_128(&derive(k_unicast.as_bytes(), fc::OWN_GROUP_CONFIRM, &[purpose, transcript, message]))
}

/// Whether the MAC of a message of group owner mode is right; in constant time.
pub fn is_group_owner_mac(
    k_unicast: &Kd,
    purpose: &[u8],
    transcript: &[u8; 32],
    (message, mac): (&[u8], &[u8; 16]),
) -> bool {
    group_owner_mac(k_unicast, purpose, transcript, message).ct_eq(mac).into()
}

/// Computes the name of the counters of a key in a store: it depends on the key itself, not on the operator's name for
/// it, so that a key that is imported twice has one stream of counters. It reveals nothing about the key, and never
/// changes: see [`fc::OWN_STREAM_ID`].
pub fn stream_id(key: &[u8], context: &[u8; 6]) -> [u8; 16] {
    low_128(&derive(key, fc::OWN_STREAM_ID, &[context]))
}

/// Computes the key under which a UE seals its configuration, from a secret of its own. An identity of more than 65535 octets is
/// cut off there.
pub fn configuration_seal(secret: &[u8], ue: &[u8]) -> Secret256 {
    let ue = &ue[..ue.len().min(usize::from(u16::MAX))];
    Secret256::from(*derive(secret, fc::OWN_CONFIGURATION_SEAL, &[ue]))
}

/// Computes the public name of a session key.
pub(crate) fn fingerprint(key: &[u8]) -> [u8; 16] {
    low_128(&derive(key, fc::OWN_FINGERPRINT, &[]))
}

/// Computes the check of a long message whose content is of type `content`. It has no key: it finds damage and parts that
/// do not belong together, and proves nothing about the sender. A message of more than 65535 octets is cut off there.
pub fn message_check(content: u8, message: &[u8]) -> [u8; 8] {
    let message = &message[..message.len().min(usize::from(u16::MAX))];
    let [a, b, c, d, e, f, g, h, ..] = *derive(&[], fc::OWN_MESSAGE_CHECK, &[&[content], message]);
    [a, b, c, d, e, f, g, h]
}

/// Computes a cookie under `secret`, bound to `context`.
pub fn cookie(secret: &[u8], context: &[u8]) -> [u8; 16] {
    let context = &context[..context.len().min(usize::from(u16::MAX))];
    low_128(&derive(secret, fc::OWN_COOKIE, &[context]))
}
