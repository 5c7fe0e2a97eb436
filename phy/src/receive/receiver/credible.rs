//! Whether what decodes on PSSCH can be a block: a CRC of 24 bits holds by chance, and that of zeros always does.

use super::event::Undelivered;

/// Factor by which the signal to noise ratio of a block may lie below what Shannon asks for, for the error of its
/// measurement: 6 dB. What is left by chance where no block was lies tens of dB below.
const DOUBT: f32 = 4.0;

/// Least agreement of the soft bits with a block of one octet over and over. Where nothing was received every soft bit is
/// about 0, which decodes to zeros, and zeros have a CRC of zeros; their agreement is about 0.
const LEAST_AGREEMENT: f32 = 0.35;

/// Least signal to noise ratio, summed over transmissions, that carries `bits` in one that has `elements` resource elements
/// (Shannon).
pub(super) fn least_snr(bits: usize, elements: usize) -> f32 {
    (bits as f32 / elements.max(1) as f32).exp2() - 1.0
}

/// The same octet over and over: no evidence of anything.
pub(super) fn is_constant(block: &[u8]) -> bool {
    block.iter().all(|&octet| octet == block[0])
}

/// Refuse a block that decoded at a signal to noise ratio of `snr`, where `least` is the least that can carry it, or of which
/// the soft bits know nothing: `agreement` is asked for where the block is constant.
pub(super) fn check(
    block: &[u8],
    snr: f32,
    least: f32,
    agreement: impl FnOnce() -> f32,
) -> Result<(), Undelivered> {
    if DOUBT * snr < least {
        return Err(Undelivered::TooNoisy);
    }
    if is_constant(block) && agreement() < LEAST_AGREEMENT {
        return Err(Undelivered::Empty);
    }
    Ok(())
}
