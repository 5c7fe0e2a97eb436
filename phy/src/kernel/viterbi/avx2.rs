//! x86-64 with AVX2: all 64 states in four vectors.

use std::arch::x86_64::*;

use super::{Branches, Decisions, NORMALISE, PATTERN, Paths};

pub(super) fn recursion(branches: &[Branches], paths: &mut Paths, decisions: &mut [Decisions]) {
    // SAFETY: `super::recursion` returns this only if the machine has the instruction set.
    unsafe { run(branches, paths, decisions) }
}

#[target_feature(enable = "avx2")]
fn run(branches: &[Branches], paths: &mut Paths, decisions: &mut [Decisions]) {
    // SAFETY: all pointers are to arrays of the length that is accessed.
    unsafe {
        // Bytes of the branch metric of states 0 to 15 and 16 to 31 in the table of a step.
        let pattern = [0, 16].map(|i| {
            let index = _mm256_cvtepu8_epi16(_mm_loadu_si128(PATTERN.as_ptr().add(i).cast()));
            _mm256_add_epi16(_mm256_mullo_epi16(index, _mm256_set1_epi16(0x0202)), _mm256_set1_epi16(0x0100))
        });
        let mut m = [0, 16, 32, 48].map(|i| _mm256_loadu_si256(paths.metrics.as_ptr().add(i).cast()));
        let mut s = [0, 16, 32, 48].map(|i| _mm256_loadu_si256(paths.starts.as_ptr().add(i).cast()));
        for (steps, decisions) in branches.chunks(NORMALISE).zip(decisions.chunks_mut(NORMALISE)) {
            for (branches, decisions) in steps.iter().zip(decisions) {
                let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(branches.as_ptr().cast()));
                let ([m0, m1], won0) = butterflies(m[0], m[2], _mm256_shuffle_epi8(table, pattern[0]));
                let ([m2, m3], won1) = butterflies(m[1], m[3], _mm256_shuffle_epi8(table, pattern[1]));
                let ([s0, s1], [s2, s3]) = (follow(s[0], s[2], won0), follow(s[1], s[3], won1));
                (m, s) = ([m0, m1, m2, m3], [s0, s1, s2, s3]);
                *decisions = [gather_signs(won0[0], won1[0]), gather_signs(won0[1], won1[1])];
            }
            let zero = _mm256_broadcastw_epi16(_mm256_castsi256_si128(m[0]));
            m = m.map(|metrics| _mm256_sub_epi16(metrics, zero));
        }
        for (i, (m, s)) in m.into_iter().zip(s).enumerate() {
            _mm256_storeu_si256(paths.metrics.as_mut_ptr().add(16 * i).cast(), m);
            _mm256_storeu_si256(paths.starts.as_mut_ptr().add(16 * i).cast(), s);
        }
    }
}

/// Returns the metrics of the 32 states that 16 states and their partners lead to, and the masks of the partners that
/// won for even and for odd ones.
#[target_feature(enable = "avx2")]
fn butterflies(low: __m256i, high: __m256i, branch: __m256i) -> ([__m256i; 2], [__m256i; 2]) {
    let (even_low, even_high) = (_mm256_add_epi16(low, branch), _mm256_sub_epi16(high, branch));
    let (odd_low, odd_high) = (_mm256_sub_epi16(low, branch), _mm256_add_epi16(high, branch));
    let zipped = zip(_mm256_max_epi16(even_low, even_high), _mm256_max_epi16(odd_low, odd_high));
    (zipped, [_mm256_cmpgt_epi16(even_high, even_low), _mm256_cmpgt_epi16(odd_high, odd_low)])
}

/// Returns the start states that the winners carry to the 32 states.
#[target_feature(enable = "avx2")]
fn follow(low: __m256i, high: __m256i, won: [__m256i; 2]) -> [__m256i; 2] {
    zip(_mm256_blendv_epi8(low, high, won[0]), _mm256_blendv_epi8(low, high, won[1]))
}

/// Interleaves the elements of both vectors.
#[target_feature(enable = "avx2")]
fn zip(even: __m256i, odd: __m256i) -> [__m256i; 2] {
    // Unpacking works within each half: elements 0-7 and 16-23 of the result, then 8-15 and 24-31.
    let (a, b) = (_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd));
    [_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b)]
}

/// Returns the sign bits of 32 elements of 16 bits.
#[target_feature(enable = "avx2")]
fn gather_signs(a: __m256i, b: __m256i) -> u32 {
    // Packing works within each half too: the quarters come out as a0 b0 a1 b1.
    let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi16(a, b));
    _mm256_movemask_epi8(bytes) as u32
}
