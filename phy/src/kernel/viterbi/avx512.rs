//! x86-64 with AVX-512 F, BW and VL: all 64 states in two vectors.

use std::arch::x86_64::*;

use super::{Branches, Decisions, NORMALISE, PATTERN, Paths};

pub(super) fn recursion(branches: &[Branches], paths: &mut Paths, decisions: &mut [Decisions]) {
    // SAFETY: `super::recursion` returns this only if the machine has the instruction set.
    unsafe { run(branches, paths, decisions) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl")]
fn run(branches: &[Branches], paths: &mut Paths, decisions: &mut [Decisions]) {
    /// Indices of elements of two vectors, one after the other, that make the even and odd states of the lower half.
    const ZIP: [i16; 32] = {
        let mut index = [0; 32];
        let mut i = 0;
        while i < 32 {
            index[i] = (i / 2 + 32 * (i % 2)) as i16;
            i += 1;
        }
        index
    };
    // SAFETY: all pointers are to arrays of the length that is accessed.
    unsafe {
        let pattern = _mm512_cvtepu8_epi16(_mm256_loadu_si256(PATTERN.as_ptr().cast()));
        let zip_low = _mm512_loadu_epi16(ZIP.as_ptr());
        let zip_high = _mm512_add_epi16(zip_low, _mm512_set1_epi16(16));
        let mut low = _mm512_loadu_epi16(paths.metrics.as_ptr());
        let mut high = _mm512_loadu_epi16(paths.metrics.as_ptr().add(32));
        let mut start_low = _mm512_loadu_epi16(paths.starts.as_ptr());
        let mut start_high = _mm512_loadu_epi16(paths.starts.as_ptr().add(32));
        let normalise = |low: &mut __m512i, high: &mut __m512i| {
            let zero = _mm512_broadcastw_epi16(_mm512_castsi512_si128(*low));
            *low = _mm512_sub_epi16(*low, zero);
            *high = _mm512_sub_epi16(*high, zero);
        };
        for (steps, decisions) in branches.chunks(NORMALISE).zip(decisions.chunks_mut(NORMALISE)) {
            for (branches, decisions) in steps.iter().zip(decisions) {
                let table = _mm512_castsi128_si512(_mm_loadu_si128(branches.as_ptr().cast()));
                let branch = _mm512_permutexvar_epi16(pattern, table);
                let (even_low, even_high) = (_mm512_add_epi16(low, branch), _mm512_sub_epi16(high, branch));
                let (odd_low, odd_high) = (_mm512_sub_epi16(low, branch), _mm512_add_epi16(high, branch));
                let even_won = _mm512_cmpgt_epi16_mask(even_high, even_low);
                let odd_won = _mm512_cmpgt_epi16_mask(odd_high, odd_low);
                *decisions = [even_won, odd_won];
                let even = _mm512_max_epi16(even_low, even_high);
                let odd = _mm512_max_epi16(odd_low, odd_high);
                low = _mm512_permutex2var_epi16(even, zip_low, odd);
                high = _mm512_permutex2var_epi16(even, zip_high, odd);
                let even = _mm512_mask_blend_epi16(even_won, start_low, start_high);
                let odd = _mm512_mask_blend_epi16(odd_won, start_low, start_high);
                start_low = _mm512_permutex2var_epi16(even, zip_low, odd);
                start_high = _mm512_permutex2var_epi16(even, zip_high, odd);
            }
            normalise(&mut low, &mut high);
        }
        _mm512_storeu_epi16(paths.metrics.as_mut_ptr(), low);
        _mm512_storeu_epi16(paths.metrics.as_mut_ptr().add(32), high);
        _mm512_storeu_epi16(paths.starts.as_mut_ptr(), start_low);
        _mm512_storeu_epi16(paths.starts.as_mut_ptr().add(32), start_high);
    }
}
