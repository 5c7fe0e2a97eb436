//! KD of what others carried between two UEs, or of what one of them sent the other: TR 33.833 §6.4.1 flow N, §6.4.2,
//! §6.4.3. The formulas are our own; the report leaves them open.
//!
//! ```text
//! half keys      KD = KDF(KM_1 || KM_2, connection id 1, connection id 2, DKSI)
//! public values  KD = KDF(X25519, connection id 1, connection id 2, DKSI, public value 1, public value 2)
//! SSV            KD = KDF(SSV of the sender [|| SSV of the answer], identity of UE_1, identity of UE_2)
//! TEK            KD = KDF(TEK, identity of UE_1, identity of UE_2)
//! SDES           KD = KDF(K1 || K2, identity of UE_1, identity of UE_2)
//! ```
//!
//! Half keys are made by the networks: whoever carries both knows KD. Public values are made by the UEs: who only carries
//! them does not know it, but who replaces both is in the middle of the link, as nothing signs them. An SSV comes from
//! SAKKE, a TEK from a MIKEY ticket, K1 and K2 from an offer and its answer (RFC 4568); the two identities in KD make sure
//! that both ends mean the same pair.

use zeroize::Zeroizing;

use super::signed::{Ephemeral, Subject};
use crate::kdf::derive;
use crate::kdf::fc::{self, Fc};
use crate::keys::{Kd, Secret256};

/// Names of an agreement, which both ends put into KD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Names {
    /// The identity that the initiating UE gave to the connection.
    pub initiating: [u8; 4],
    /// The identity that the target UE gave to it.
    pub target: [u8; 4],
    /// Direct key set identifier, of the target UE.
    pub dksi: [u8; 4],
}

/// Computes KD from KM_1 of the initiating UE's network and KM_2 of the target UE's.
pub fn kd_from_half_keys(km_1: &Secret256, km_2: &Secret256, names: &Names) -> Kd {
    let mut key = Zeroizing::new([0; 64]);
    key[..32].copy_from_slice(km_1.as_bytes());
    key[32..].copy_from_slice(km_2.as_bytes());
    let parameters: [&[u8]; 3] = [&names.initiating, &names.target, &names.dksi];
    Kd::from(*derive(&key[..], fc::OWN_KD_FROM_HALF_KEYS, &parameters))
}

/// Computes KD from the own secret, and the public values of the initiating and the target UE, of which one is the own.
/// `None` for a value of small order, with which the secret would be known to everybody, and when neither is the own.
pub fn kd_from_public_values(own: &Ephemeral, values: [&[u8; 32]; 2], names: &Names) -> Option<Kd> {
    let public = own.public();
    let peer = match values {
        [initiating, target] if *initiating == public => target,
        [initiating, target] if *target == public => initiating,
        _ => return None,
    };
    let shared = own.shared(*peer)?;
    let parameters: [&[u8]; 5] = [&names.initiating, &names.target, &names.dksi, values[0], values[1]];
    Some(Kd::from(*derive(shared.as_bytes(), fc::OWN_KD_FROM_PUBLIC_VALUES, &parameters)))
}

/// Computes KD from the shared secret value of a SAKKE payload, and that of the answer if the target UE sent one.
/// TR 33.833 §6.4.3.
pub fn kd_from_ssv(ssv: &[u8; 16], answer: Option<&[u8; 16]>, ends: [Subject<'_>; 2]) -> Kd {
    let mut key = Zeroizing::new([0; 32]);
    key[..16].copy_from_slice(ssv);
    let length = answer.map_or(16, |answer| {
        key[16..].copy_from_slice(answer);
        32
    });
    between(&key[..length], fc::OWN_KD_FROM_SSV, ends)
}

/// Computes KD from the TEK of a MIKEY ticket. It is as strong as the TEK. TR 33.833 §6.4.2.
pub fn kd_from_tek(tek: &[u8], ends: [Subject<'_>; 2]) -> Kd {
    between(tek, fc::OWN_KD_FROM_TEK, ends)
}

/// Octets of an SDES master key and its salt, AES-CM of 128 bits. RFC 4568 §6.2.
pub const SDES_KEY: usize = 30;

/// Computes KD from the keys of an SDES offer and its answer. TR 33.833 §6.4.2.
pub fn kd_from_sdes(offer: &[u8; SDES_KEY], answer: &[u8; SDES_KEY], ends: [Subject<'_>; 2]) -> Kd {
    let mut key = Zeroizing::new([0; 2 * SDES_KEY]);
    key[..SDES_KEY].copy_from_slice(offer);
    key[SDES_KEY..].copy_from_slice(answer);
    between(&key[..], fc::OWN_KD_FROM_SDES, ends)
}

/// Computes KD from a secret, bound to the initiating and the target UE.
fn between(secret: &[u8], fc: Fc, [initiating, target]: [Subject<'_>; 2]) -> Kd {
    let parameters: [&[u8]; 4] = [&[initiating.kind], initiating.value, &[target.kind], target.value];
    Kd::from(*derive(secret, fc, &parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names = Names { initiating: [1; 4], target: [2; 4], dksi: [3; 4] };

    fn others() -> [Names; 4] {
        [
            Names { initiating: [9; 4], ..NAMES },
            Names { target: [9; 4], ..NAMES },
            Names { dksi: [9; 4], ..NAMES },
            Names { initiating: NAMES.target, target: NAMES.initiating, dksi: NAMES.dksi },
        ]
    }

    #[test]
    fn half_keys_and_all_names_are_in_the_kd() {
        let (one, two) = (Secret256::from([5; 32]), Secret256::from([6; 32]));
        let kd = kd_from_half_keys(&one, &two, &NAMES);
        assert!(kd == kd_from_half_keys(&one, &two, &NAMES));
        assert!(kd != kd_from_half_keys(&two, &one, &NAMES));
        for names in others() {
            assert!(kd != kd_from_half_keys(&one, &two, &names), "{names:?}");
        }
    }

    #[test]
    fn both_ends_compute_one_kd_from_public_values() {
        let (one, two) = (Ephemeral::new([5; 32]), Ephemeral::new([6; 32]));
        let (p1, p2) = (one.public(), two.public());
        let kd = kd_from_public_values(&one, [&p1, &p2], &NAMES).unwrap();
        assert!(kd == kd_from_public_values(&two, [&p1, &p2], &NAMES).unwrap());
        for names in others() {
            assert!(kd != kd_from_public_values(&one, [&p1, &p2], &names).unwrap(), "{names:?}");
        }
        assert!(kd != kd_from_public_values(&one, [&p2, &p1], &NAMES).unwrap(), "roles");
        assert!(kd_from_public_values(&one, [&p2, &p2], &NAMES).is_none(), "not in it");
    }

    /// RFC 7748 §7: values with which X25519 gives zeros to everybody.
    #[test]
    fn a_value_of_small_order_is_refused() {
        let one = Ephemeral::new([5; 32]);
        let mut unit = [0; 32];
        unit[0] = 1;
        for weak in [[0; 32], unit] {
            assert!(kd_from_public_values(&one, [&one.public(), &weak], &NAMES).is_none());
            assert!(kd_from_public_values(&one, [&weak, &one.public()], &NAMES).is_none());
        }
    }

    #[test]
    fn secrets_kinds_and_roles_are_in_the_kd() {
        let of = |kind: u8, value: &'static [u8]| Subject { kind, value };
        let ends = [of(1, b"mary"), of(1, b"john")];
        let all = [
            kd_from_ssv(&[5; 16], None, ends),
            kd_from_ssv(&[6; 16], None, ends),
            kd_from_ssv(&[5; 16], Some(&[6; 16]), ends),
            kd_from_ssv(&[6; 16], Some(&[5; 16]), ends),
            kd_from_ssv(&[5; 16], None, [ends[1], ends[0]]),
            kd_from_ssv(&[5; 16], None, [of(3, b"mary"), ends[1]]),
            kd_from_ssv(&[5; 16], None, [of(1, b"mar"), of(1, b"yjohn")]),
            kd_from_tek(&[5; 16], ends),
            kd_from_sdes(&[5; 30], &[6; 30], ends),
            kd_from_sdes(&[6; 30], &[5; 30], ends),
            kd_from_sdes(&[5; 30], &[6; 30], [ends[1], ends[0]]),
        ];
        for (at, kd) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|other| other != kd), "{at}");
        }
        assert!(all[0] == kd_from_ssv(&[5; 16], None, ends));
    }
}
