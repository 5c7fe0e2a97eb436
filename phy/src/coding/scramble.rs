//! Scrambling, TS 36.211 §5.3.1, by a sequence that the caller generated.

use crate::Llr;
use crate::kernel::Backend;
use crate::kernel::flip::flip;

/// Adds `sequence` to `bits`, modulo 2. Stops at the shorter of the two.
pub fn scramble_bits(bits: &mut [u8], sequence: &[u8]) {
    for (bit, chip) in bits.iter_mut().zip(sequence) {
        *bit ^= chip & 1;
    }
}

/// Inverts the sign of every soft value where `sequence` is 1: 32 bits a word, the first one lowest. Stops at the shorter
/// of the two; `Llr::MIN`, which has no opposite, becomes `Llr::MAX`.
pub fn descramble_llrs(llrs: &mut [Llr], sequence: &[u32]) {
    flip(Backend::detect())(llrs, sequence);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_soft_values_follow_the_sequence() {
        let mut bits = [0, 1, 0, 1];
        scramble_bits(&mut bits, &[1, 1, 0, 0]);
        assert_eq!(bits, [1, 0, 0, 1]);
        let mut llrs = [5, -5, Llr::MIN, Llr::MAX, Llr::MIN, 0, 3];
        descramble_llrs(&mut llrs, &[0b10_1111]);
        assert_eq!(llrs, [-5, 5, Llr::MAX, -Llr::MAX, Llr::MIN, 0, 3]);
    }
}
