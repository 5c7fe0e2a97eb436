//! TS 33.303 Annex A: keys and input strings of LTE ProSe.

use super::fc::{self, Fc};
use super::{derive, low_128};
use crate::cipher::Algorithm;
use crate::counter::UtcCounter;
use crate::keys::{Duck, Duik, Dusk, Kd, KdSess, Pek, Pgk, Pik, Pruk, Psdk, Ptk};

/// Octets of the input string of a MIC: FC, three parameters and their lengths.
pub(crate) const MIC_INPUT: usize = 1 + (1 + 2) + (23 + 2) + (4 + 2);

/// Returns the input string of the MIC, TS 33.303 §A.2: P0 = message type, P1 = code or content (23 octets), P2 = the
/// whole UTC-based counter.
// TS 33.303 §A.2 (1)
pub(crate) fn mic_input(message_type: u8, content: &[u8; 23], counter: UtcCounter) -> [u8; MIC_INPUT] {
    let mut s = [0; MIC_INPUT];
    s[0] = const { octet(fc::MIC) };
    s[1] = message_type;
    s[3] = 1;
    s[4..27].copy_from_slice(content);
    s[28] = 23;
    s[29..33].copy_from_slice(&counter.on_air().to_be_bytes());
    s[34] = 4;
    s
}

/// Returns the input string of the scrambling bits, TS 33.303 §A.5: P0 = UTC-based counter, whose 4 least significant
/// bits the caller has set to zero (§6.1.3.4.3.5).
// TS 33.303 §A.5 (1)
pub(crate) fn scrambling_input(counter: UtcCounter) -> [u8; 7] {
    let mut s = [0; 7];
    s[0] = const { octet(fc::SCRAMBLING) };
    s[1..5].copy_from_slice(&counter.on_air().to_be_bytes());
    s[6] = 4;
    s
}

/// Octets of the input string of a keystream: FC, two parameters and their lengths.
pub(crate) const CONFIDENTIALITY_INPUT: usize = 1 + (4 + 2) + (27 + 2);

/// Returns the input string of the message-specific keystream, TS 33.303 §A.6: P0 = UTC-based counter, P1 = the bits of
/// code and MIC that are not encrypted, 27 octets: Key_calc_mask AND (code || MIC), where Key_calc_mask = NOT
/// Encrypted_bits_mask || ones (§6.1.3.4.3.6).
// TS 33.303 §6.1.3.4.3.6 step 1, 2; TS 33.303 §A.6 (1)
pub(crate) fn confidentiality_input(
    counter: UtcCounter,
    code: &[u8; 23],
    mask: &[u8; 23],
    mic: &[u8; 4],
) -> [u8; CONFIDENTIALITY_INPUT] {
    let mut s = [0; CONFIDENTIALITY_INPUT];
    s[0] = const { octet(fc::CONFIDENTIALITY) };
    s[1..5].copy_from_slice(&counter.on_air().to_be_bytes());
    s[6] = 4;
    for i in 0..23 {
        s[7 + i] = code[i] & !mask[i];
    }
    s[30..34].copy_from_slice(mic);
    s[35] = 27;
    s
}

/// Returns the octet of an allocated FC.
const fn octet(fc: Fc) -> u8 {
    match fc {
        Fc::Octet(fc) => fc,
        _ => panic!("an allocated FC is one octet"),
    }
}

/// Computes PTK = KDF(PGK, 0x4A, Group Member Identity, PTK Identity, Group Identity), whole 256 bits. TS 33.303 §A.3.
///
/// Group Member Identity is the layer-2 source address of the sender.
// TS 33.303 §A.3
pub fn ptk(pgk: &Pgk, group_member_identity: [u8; 3], ptk_identity: u16, group_identity: [u8; 3]) -> Ptk {
    let derived = derive(
        pgk.as_bytes(),
        fc::PTK,
        &[&group_member_identity, &ptk_identity.to_be_bytes(), &group_identity],
    );
    Ptk::from(*derived)
}

/// A key from which PEK and PIK derive: PTK in one-to-many, KD-sess in one-to-one communication. TS 33.303 §A.4.
pub trait TrafficRoot {
    /// Returns the 256 bits.
    fn root(&self) -> &[u8; 32];
}

impl TrafficRoot for Ptk {
    fn root(&self) -> &[u8; 32] {
        self.as_bytes()
    }
}

impl TrafficRoot for KdSess {
    fn root(&self) -> &[u8; 32] {
        self.as_bytes()
    }
}

/// Computes PEK = 128 LSB of KDF(PTK or KD-sess, 0x4B, 0x00, algorithm). TS 33.303 §A.4.
// TS 33.303 §A.4
pub fn pek(root: &impl TrafficRoot, algorithm: Algorithm) -> Pek {
    Pek::from(low_128(&derive(root.root(), fc::PEK_PIK, &[&[0x00], &[algorithm.id()]])))
}

/// Computes PIK = 128 LSB of KDF(PTK or KD-sess, 0x4B, 0x01, algorithm). TS 33.303 §A.4.
// TS 33.303 §A.4
pub fn pik(root: &impl TrafficRoot, algorithm: Algorithm) -> Pik {
    Pik::from(low_128(&derive(root.root(), fc::PEK_PIK, &[&[0x01], &[algorithm.id()]])))
}

/// Computes KD-sess = KDF(KD, 0x4E, Nonce_1, Nonce_2), whole 256 bits. TS 33.303 §A.9.
// TS 33.303 §A.9
pub fn kd_sess(kd: &Kd, nonce_1: &[u8; 16], nonce_2: &[u8; 16]) -> KdSess {
    KdSess::from(*derive(kd.as_bytes(), fc::KD_SESS, &[nonce_1, nonce_2]))
}

/// Computes KD of a UE-to-network relay = KDF(PRUK, 0x48, Relay Service Code, Nonce_1, KD Freshness Parameter), whole 256
/// bits. TS 33.303 §A.7.
// TS 33.303 §A.7
pub fn relay_kd(pruk: &Pruk, service: &[u8; 3], nonce_1: &[u8; 16], freshness: &[u8; 16]) -> Kd {
    Kd::from(*derive(pruk.as_bytes(), fc::RELAY_KD, &[service, nonce_1, freshness]))
}

/// P1 of §A.8: the only defined algorithm identity.
const DISCOVERY_ALGORITHM: [u8; 1] = [0x00];

/// Computes DUSK = KDF(PSDK, 0x4F, 0x00, 0x00), whole 256 bits. TS 33.303 §A.8.
// TS 33.303 §6.6.7 (2); TS 33.303 §A.8
pub fn dusk_from_psdk(psdk: &Psdk) -> Dusk {
    Dusk::from(*derive(psdk.as_bytes(), fc::FROM_PSDK, &[&[0x00], &DISCOVERY_ALGORITHM]))
}

/// Computes DUCK = KDF(PSDK, 0x4F, 0x01, 0x00), whole 256 bits. TS 33.303 §A.8.
// TS 33.303 §A.8
pub fn duck_from_psdk(psdk: &Psdk) -> Duck {
    Duck::from(*derive(psdk.as_bytes(), fc::FROM_PSDK, &[&[0x01], &DISCOVERY_ALGORITHM]))
}

/// Computes DUIK = KDF(PSDK, 0x4F, 0x02, 0x00), whole 256 bits. TS 33.303 §A.8.
pub fn duik_from_psdk(psdk: &Psdk) -> Duik {
    Duik::from(*derive(psdk.as_bytes(), fc::FROM_PSDK, &[&[0x02], &DISCOVERY_ALGORITHM]))
}
