//! TS 33.303 Annex A: keys of LTE ProSe.
//!
//! Of these only §A.3 was read; what the others rest on stands at each. A derivation whose FC is unknown uses the
//! placeholder of [`fc`] and never claims to interoperate.

use super::fc::{self, Fc};
use super::{derive, low_128};
use crate::cipher::Algorithm;
use crate::counter::UtcCounter;
use crate::keys::{Duck, Duik, Dusk, Kd, KdSess, Pek, Pgk, Pik, Psdk, Ptk};

/// Octets of the input string of a MIC: FC, three parameters and their lengths.
pub(crate) const MIC_INPUT: usize = 2 + (1 + 2) + (23 + 2) + (4 + 2);

/// The input string of the MIC, TS 33.303 §A.2 (from memory, not read): P0 = message type, P1 = code or content
/// (23 octets), P2 = the whole UTC-based counter. Gives the string and its length.
pub(crate) fn mic_input(
    fc: Fc,
    message_type: u8,
    content: &[u8; 23],
    counter: UtcCounter,
) -> ([u8; MIC_INPUT], usize) {
    let mut s = [0; MIC_INPUT];
    let at = put_fc(&mut s, fc);
    s[at] = message_type;
    s[at + 2] = 1;
    s[at + 3..at + 26].copy_from_slice(content);
    s[at + 27] = 23;
    s[at + 28..at + 32].copy_from_slice(&counter.value().to_be_bytes());
    s[at + 33] = 4;
    (s, at + 34)
}

/// The input string of the scrambling bits, TS 33.303 §A.5 (from memory, FC unknown): P0 = UTC-based counter.
pub(crate) fn scrambling_input(fc: Fc, counter: UtcCounter) -> ([u8; 8], usize) {
    let mut s = [0; 8];
    let at = put_fc(&mut s, fc);
    s[at..at + 4].copy_from_slice(&counter.value().to_be_bytes());
    s[at + 5] = 4;
    (s, at + 6)
}

/// The input string of the message-specific keystream, TS 33.303 §A.6: inputs as TS 33.503 §A.7 quotes them
/// (DUCK, UTC-based counter, MIC), order inferred from that, FC unknown.
pub(crate) fn confidentiality_input(fc: Fc, counter: UtcCounter, mic: &[u8; 4]) -> ([u8; 14], usize) {
    let mut s = [0; 14];
    let at = put_fc(&mut s, fc);
    s[at..at + 4].copy_from_slice(&counter.value().to_be_bytes());
    s[at + 5] = 4;
    s[at + 6..at + 10].copy_from_slice(mic);
    s[at + 11] = 4;
    (s, at + 12)
}

fn put_fc(s: &mut [u8], fc: Fc) -> usize {
    match fc {
        Fc::Octet(fc) => {
            s[0] = fc;
            1
        }
        Fc::Extended(fc) => {
            s[0] = 0xff;
            s[1] = fc;
            2
        }
    }
}

/// PTK = KDF(PGK, 0x4A, Group Member Identity, PTK Identity, Group Identity), whole 256 bits. TS 33.303 §A.3.
///
/// Group Member Identity is the layer-2 source address of the sender.
pub fn ptk(pgk: &Pgk, group_member_identity: [u8; 3], ptk_identity: u16, group_identity: [u8; 3]) -> Ptk {
    let derived = derive(
        pgk.as_bytes(),
        fc::PTK,
        &[&group_member_identity, &ptk_identity.to_be_bytes(), &group_identity],
    );
    Ptk::from(*derived)
}

/// What PEK and PIK derive from: PTK one-to-many, KD-sess one-to-one. TS 33.303 §A.4.
pub trait TrafficRoot {
    /// The 256 bits.
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

/// PEK = 128 LSB of KDF(PTK or KD-sess, 0x4B, 0x00, algorithm). TS 33.303 §A.4 (from memory; same structure as
/// TS 33.536 §A.3, which was read).
pub fn pek(root: &impl TrafficRoot, algorithm: Algorithm) -> Pek {
    Pek::from(low_128(&derive(root.root(), fc::PEK_PIK, &[&[0x00], &[algorithm.id()]])))
}

/// PIK = 128 LSB of KDF(PTK or KD-sess, 0x4B, 0x01, algorithm). TS 33.303 §A.4 (from memory, as [`pek`]).
pub fn pik(root: &impl TrafficRoot, algorithm: Algorithm) -> Pik {
    Pik::from(low_128(&derive(root.root(), fc::PEK_PIK, &[&[0x01], &[algorithm.id()]])))
}

/// KD-sess = KDF(KD, ?, Nonce_1, Nonce_2). TS 33.303 §6.5 (from memory, by the 5G twin TS 33.536 §A.4; FC unknown:
/// [`fc::KD_SESS`] is a placeholder).
pub fn kd_sess(fc: Fc, kd: &Kd, nonce_1: &[u8; 16], nonce_2: &[u8; 16]) -> KdSess {
    KdSess::from(*derive(kd.as_bytes(), fc, &[nonce_1, nonce_2]))
}

/// DUSK from PSDK, for a relay service code or discovery group identity. TS 33.303 §A.8: one KDF per key, P0 = key
/// type, P1 = the identity (from memory, uncertain; the type octets 0, 1, 2 are our own; FC unknown).
pub fn dusk_from_psdk(fc: Fc, psdk: &Psdk, identity: [u8; 3]) -> Dusk {
    Dusk::from(*derive(psdk.as_bytes(), fc, &[&[0x00], &identity]))
}

/// DUIK from PSDK, as [`dusk_from_psdk`].
pub fn duik_from_psdk(fc: Fc, psdk: &Psdk, identity: [u8; 3]) -> Duik {
    Duik::from(*derive(psdk.as_bytes(), fc, &[&[0x01], &identity]))
}

/// DUCK from PSDK, as [`dusk_from_psdk`].
pub fn duck_from_psdk(fc: Fc, psdk: &Psdk, identity: [u8; 3]) -> Duck {
    Duck::from(*derive(psdk.as_bytes(), fc, &[&[0x02], &identity]))
}
