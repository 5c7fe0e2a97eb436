//! Folding of long messages to sixteen bytes with the same remainder, by carry-less multiplication.

/// Bytes that one step of the folding takes.
pub(crate) const STRIDE: usize = 64;

/// x^n modulo the polynomial of 32 bits, for n = 576, 512, 192 and 128: the weights of the halves of sixteen bytes, 64
/// and 16 bytes further down.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only x86-64 folds so far"))]
pub(crate) struct Powers(pub(crate) [u32; 4]);

impl Powers {
    /// Computes the powers for a polynomial without its leading term x^32.
    pub(crate) const fn of(polynomial: u32) -> Self {
        Self([power(576, polynomial), power(512, polynomial), power(192, polynomial), power(128, polynomial)])
    }
}

const fn power(n: usize, polynomial: u32) -> u32 {
    let (mut value, mut i) = (1u32, 0);
    while i < n {
        value = (value << 1) ^ if value >> 31 == 1 { polynomial } else { 0 };
        i += 1;
    }
    value
}

/// Returns sixteen bytes that are congruent to all of `blocks`, or `None` if there are fewer than two blocks or the
/// machine has no carry-less multiplication.
pub(crate) fn fold(blocks: &[[u8; STRIDE]], powers: Powers) -> Option<[u8; 16]> {
    #[cfg(target_arch = "x86_64")]
    if blocks.len() > 1 && is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("ssse3") {
        // SAFETY: the machine has the instruction set.
        return unsafe { x86::fold(blocks, powers) };
    }
    let _ = (blocks, powers);
    None
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Powers, STRIDE};

    #[target_feature(enable = "pclmulqdq,ssse3")]
    pub(super) fn fold(blocks: &[[u8; STRIDE]], powers: Powers) -> Option<[u8; 16]> {
        let [far_high, far_low, near_high, near_low] = powers.0.map(i64::from);
        let (far, near) = (_mm_set_epi64x(far_high, far_low), _mm_set_epi64x(near_high, near_low));
        let (first, rest) = blocks.split_first()?;
        let mut sums = load(first);
        for block in rest {
            for (sum, next) in sums.iter_mut().zip(load(block)) {
                *sum = advance(*sum, next, far);
            }
        }
        let [a, b, c, d] = sums;
        let sum = advance(advance(advance(a, b, near), c, near), d, near);
        let mut bytes = [0; 16];
        // SAFETY: sixteen bytes are written to an array of sixteen.
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), reverse(sum)) };
        Some(bytes)
    }

    /// Reverses the bytes: the first one comes to the top of a vector.
    #[target_feature(enable = "ssse3")]
    fn reverse(x: __m128i) -> __m128i {
        _mm_shuffle_epi8(x, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
    }

    #[target_feature(enable = "ssse3")]
    fn load(block: &[u8; STRIDE]) -> [__m128i; 4] {
        // SAFETY: the block has 64 bytes.
        unsafe {
            let at = |i: usize| _mm_loadu_si128(block.as_ptr().add(16 * i).cast());
            [reverse(at(0)), reverse(at(1)), reverse(at(2)), reverse(at(3))]
        }
    }

    /// Adds to `next` the value that is congruent to `sum` that many bytes further up.
    #[target_feature(enable = "pclmulqdq,ssse3")]
    fn advance(sum: __m128i, next: __m128i, powers: __m128i) -> __m128i {
        let high = _mm_clmulepi64_si128::<0x11>(sum, powers);
        let low = _mm_clmulepi64_si128::<0x00>(sum, powers);
        _mm_xor_si128(_mm_xor_si128(high, low), next)
    }
}
