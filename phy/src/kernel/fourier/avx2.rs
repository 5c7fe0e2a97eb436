//! x86-64 with AVX2 and FMA: 8 lanes.

use super::lanes::{Lanes, Pair};
use super::{Kernel, kernel_of};
use crate::Sample;
use std::arch::x86_64::*;

pub(super) const EIGHT: Kernel = kernel_of!(Lanes8, 8, "avx2,fma");

#[derive(Clone, Copy)]
pub(super) struct Lanes8(__m256);

// SAFETY of all functions: the caller of a `Lanes` function has the instruction set and guarantees the pointers.

impl Lanes<8> for Lanes8 {
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self(_mm256_set1_ps(x)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm256_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm256_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm256_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, term.0)) }
    }

    #[inline(always)]
    unsafe fn mul_sub(self, factor: Self, term: Self) -> Self {
        unsafe { Self(_mm256_fmsub_ps(self.0, factor.0, term.0)) }
    }

    #[inline(always)]
    unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self {
        unsafe { Self(_mm256_fnmadd_ps(self.0, factor.0, term.0)) }
    }

    #[inline(always)]
    unsafe fn load_samples(from: *const Sample) -> Pair<Self> {
        unsafe {
            let from: *const f32 = from.cast();
            let (a, b) = (_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8)));
            // samples 0 1 4 5 | 2 3 6 7
            let (low, high) = (_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
            Pair {
                re: Self(_mm256_shuffle_ps::<0x88>(low, high)),
                im: Self(_mm256_shuffle_ps::<0xdd>(low, high)),
            }
        }
    }

    #[inline(always)]
    unsafe fn store_samples(parts: Pair<Self>, to: *mut Sample) {
        unsafe {
            let to: *mut f32 = to.cast();
            let low = _mm256_unpacklo_ps(parts.re.0, parts.im.0);
            let high = _mm256_unpackhi_ps(parts.re.0, parts.im.0);
            _mm256_storeu_ps(to, _mm256_permute2f128_ps::<0x20>(low, high));
            _mm256_storeu_ps(to.add(8), _mm256_permute2f128_ps::<0x31>(low, high));
        }
    }

    #[inline(always)]
    unsafe fn transpose(rows: [Self; 8]) -> [Self; 8] {
        unsafe {
            let pair = |a: __m256, b: __m256| [_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)];
            let four =
                |a: __m256, b: __m256| [_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b)];
            let eight = |a: __m256, b: __m256| {
                [_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b)]
            };
            let r = rows.map(|r| r.0);
            let ([a, b], [c, d]) = (pair(r[0], r[1]), pair(r[2], r[3]));
            let ([e, f], [g, h]) = (pair(r[4], r[5]), pair(r[6], r[7]));
            let ([a0, a1], [b0, b1]) = (four(a, c), four(b, d));
            let ([e0, e1], [f0, f1]) = (four(e, g), four(f, h));
            let ([r0, r4], [r1, r5]) = (eight(a0, e0), eight(a1, e1));
            let ([r2, r6], [r3, r7]) = (eight(b0, f0), eight(b1, f1));
            [r0, r1, r2, r3, r4, r5, r6, r7].map(Self)
        }
    }
}
