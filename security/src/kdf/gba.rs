//! TS 33.220 Annex B: keys of the generic bootstrapping architecture.

use super::{ParameterTooLong, fc, kdf};
use crate::keys::{Ks, KsNaf};

/// Computes Ks_NAF (or Ks_ext_NAF) = KDF(Ks, 0x01, "gba-me", RAND, IMPI, NAF_Id). TS 33.220 §B.3.
pub fn ks_naf(ks: &Ks, rand: &[u8; 16], impi: &str, naf_id: &[u8]) -> Result<KsNaf, ParameterTooLong> {
    derive_naf(ks, b"gba-me", rand, impi, naf_id)
}

/// Computes Ks_int_NAF = KDF(Ks, 0x01, "gba-u", RAND, IMPI, NAF_Id). TS 33.220 §B.3.
pub fn ks_int_naf(ks: &Ks, rand: &[u8; 16], impi: &str, naf_id: &[u8]) -> Result<KsNaf, ParameterTooLong> {
    derive_naf(ks, b"gba-u", rand, impi, naf_id)
}

fn derive_naf(
    ks: &Ks,
    label: &[u8],
    rand: &[u8; 16],
    impi: &str,
    naf_id: &[u8],
) -> Result<KsNaf, ParameterTooLong> {
    Ok(KsNaf::from(*kdf(ks.as_bytes(), fc::KS_NAF, &[label, rand, impi.as_bytes(), naf_id])?))
}
