//! TS 33.536 Annex A and TS 33.503 Annex A: the 5G counterparts, with FC values from the clauses.

use zeroize::Zeroizing;

use super::{ParameterTooLong, derive, fc, kdf, low_128};
use crate::counter::UtcCounter;
use crate::keys::{CpPruk, KausfP, KnrProse, Knrp, KnrpSess, Nrpek, Nrpik, UpPruk};

/// Computes K_NRP-sess = KDF(K_NRP, 0x7F, Nonce_1, Nonce_2). TS 33.536 §A.4.
pub fn knrp_sess(knrp: &Knrp, nonce_1: &[u8; 16], nonce_2: &[u8; 16]) -> KnrpSess {
    KnrpSess::from(*derive(knrp.as_bytes(), fc::KNRP_SESS, &[nonce_1, nonce_2]))
}

/// Computes NRPEK = 128 LSB of KDF(K_NRP-sess, 0x7E, 0x00, algorithm identity of TS 33.501). TS 33.536 §A.3.
pub fn nrpek(knrp_sess: &KnrpSess, algorithm_id: u8) -> Nrpek {
    Nrpek::from(low_128(&derive(knrp_sess.as_bytes(), fc::NRPEK_NRPIK, &[&[0x00], &[algorithm_id]])))
}

/// Computes NRPIK = 128 LSB of KDF(K_NRP-sess, 0x7E, 0x01, algorithm identity of TS 33.501). TS 33.536 §A.3.
pub fn nrpik(knrp_sess: &KnrpSess, algorithm_id: u8) -> Nrpik {
    Nrpik::from(low_128(&derive(knrp_sess.as_bytes(), fc::NRPEK_NRPIK, &[&[0x01], &[algorithm_id]])))
}

/// Computes CP-PRUK = KDF(K_AUSF_P, 0x85, SUPI, relay service code). TS 33.503 §A.2. `supi` is P0 of TS 33.501 §A.7.0.
pub fn cp_pruk(
    kausf_p: &KausfP,
    supi: &str,
    relay_service_code: [u8; 3],
) -> Result<CpPruk, ParameterTooLong> {
    let derived = kdf(kausf_p.as_bytes(), fc::CP_PRUK, &[supi.as_bytes(), &relay_service_code])?;
    Ok(CpPruk::from(*derived))
}

/// Computes CP-PRUK ID* = KDF(K_AUSF_P, 0x86, "PRUK-ID", relay service code, SUPI), which names CP-PRUK and is no secret.
/// TS 33.503 §A.3. `supi` is P0 of TS 33.501 §A.7.0.
pub fn cp_pruk_id(
    kausf_p: &KausfP,
    supi: &str,
    relay_service_code: [u8; 3],
) -> Result<[u8; 32], ParameterTooLong> {
    let parameters: [&[u8]; 3] = [b"PRUK-ID", &relay_service_code, supi.as_bytes()];
    Ok(*kdf(kausf_p.as_bytes(), fc::CP_PRUK_ID, &parameters)?)
}

/// Computes K_NR_ProSe = KDF(CP-PRUK, 0x87, Nonce_2, Nonce_1). TS 33.503 §A.4.
pub fn knr_prose(cp_pruk: &CpPruk, nonce_1: &[u8; 16], nonce_2: &[u8; 16]) -> KnrProse {
    KnrProse::from(*derive(cp_pruk.as_bytes(), fc::KNR_PROSE, &[nonce_2, nonce_1]))
}

/// Computes the keystream that hides RSC and UP-PRUK ID in a direct communication request: the `N` last octets of
/// KDF(key, 0x88, UTC-based counter, relay service code). TS 33.503 §A.5. `N` is at most 32.
pub fn dcr_keystream<const N: usize>(
    key: &[u8; 32],
    counter: UtcCounter,
    relay_service_code: [u8; 3],
) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 32, "the KDF gives 32 octets") };
    let derived = derive(key, fc::DCR_KEYSTREAM, &[&counter.on_air().to_be_bytes(), &relay_service_code]);
    let mut keystream = Zeroizing::new([0; N]);
    keystream.copy_from_slice(&derived[32 - N..]);
    keystream
}

/// Computes K_NRP = KDF(UP-PRUK, 0x8A, relay service code, freshness 1, freshness 2). TS 33.503 §A.8.
pub fn knrp_from_up_pruk(
    up_pruk: &UpPruk,
    relay_service_code: [u8; 3],
    freshness_1: &[u8; 16],
    freshness_2: &[u8; 16],
) -> Knrp {
    let parameters: [&[u8]; 3] = [&relay_service_code, freshness_1, freshness_2];
    Knrp::from(*derive(up_pruk.as_bytes(), fc::KNRP_FROM_UP_PRUK, &parameters))
}
