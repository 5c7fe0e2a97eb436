//! KD of what the networks of two UEs carried between them: flow N of TR 33.833 §6.4.1. The formulas are our own; the
//! report leaves them open.
//!
//! ```text
//! half keys      KD = KDF(KM_1 || KM_2, connection id 1, connection id 2, DKSI)
//! public values  KD = KDF(X25519, connection id 1, connection id 2, DKSI, public value 1, public value 2)
//! ```
//!
//! Half keys are made by the networks: whoever carries both knows KD. Public values are made by the UEs: who only carries
//! them does not know it, but who replaces both is in the middle of the link, as nothing signs them.

use zeroize::Zeroizing;

use super::signed::Ephemeral;
use crate::kdf::{derive, fc};
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
}
