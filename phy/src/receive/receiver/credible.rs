//! Checks whether a decode of PSSCH can be a block: a CRC of 24 bits may hold by chance, and that of zeros always does.

use super::event::Undelivered;

/// Factor by which the measured signal to noise ratio of a block may lie below Shannon's limit, due to the error of the
/// measurement: 6 dB. Decodes by chance lie tens of dB below.
const DOUBT: f32 = 4.0;

/// Least agreement of the soft bits with a block of one repeated octet. Without a reception every soft bit is about 0,
/// which decodes to zeros, and zeros have a CRC of zeros; their agreement is about 0.
const LEAST_AGREEMENT: f32 = 0.35;

/// Returns the least signal to noise ratio, summed over transmissions, that can carry `bits`; one transmission has
/// `elements` resource elements (Shannon).
pub(super) fn least_snr(bits: usize, elements: usize) -> f32 {
    (bits as f32 / elements.max(1) as f32).exp2() - 1.0
}

/// Whether a block is one repeated octet, which is no evidence.
pub(super) fn is_constant(block: &[u8]) -> bool {
    block.iter().all(|&octet| octet == block[0])
}

/// Refuses a block that decoded at a signal to noise ratio of `snr` below `least`, the least that can carry it, or a
/// constant block without agreement of its soft bits; `agreement` is called only for a constant block.
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
