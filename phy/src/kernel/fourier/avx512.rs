//! x86-64 with AVX-512 F and VL: 16 lanes, or 8 with twice the registers of AVX2.

use super::avx2::Lanes8;
use super::lanes::{Lanes, Pair};
use super::{Kernel, kernel_of};
use crate::Sample;
use std::arch::x86_64::*;

pub(super) const SIXTEEN: Kernel = kernel_of!(Lanes16, 16, "avx2,fma,avx512f,avx512bw,avx512vl");
pub(super) const EIGHT: Kernel = kernel_of!(Lanes8, 8, "avx2,fma,avx512f,avx512bw,avx512vl");

#[derive(Clone, Copy)]
struct Lanes16(__m512);

// SAFETY of all functions: the caller of a `Lanes` function has the instruction set and guarantees the pointers.

impl Lanes<16> for Lanes16 {
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(x)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, term.0)) }
    }

    #[inline(always)]
    unsafe fn mul_sub(self, factor: Self, term: Self) -> Self {
        unsafe { Self(_mm512_fmsub_ps(self.0, factor.0, term.0)) }
    }

    #[inline(always)]
    unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self {
        unsafe { Self(_mm512_fnmadd_ps(self.0, factor.0, term.0)) }
    }

    #[inline(always)]
    unsafe fn load_samples(from: *const Sample) -> Pair<Self> {
        unsafe {
            let from: *const f32 = from.cast();
            let (a, b) = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(16)));
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            Pair { re: Self(_mm512_permutex2var_ps(a, even, b)), im: Self(_mm512_permutex2var_ps(a, odd, b)) }
        }
    }

    #[inline(always)]
    unsafe fn store_samples(parts: Pair<Self>, to: *mut Sample) {
        unsafe {
            let to: *mut f32 = to.cast();
            let (re, im) = (parts.re.0, parts.im.0);
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            _mm512_storeu_ps(to, _mm512_permutex2var_ps(re, low, im));
            _mm512_storeu_ps(to.add(16), _mm512_permutex2var_ps(re, high, im));
        }
    }

    #[inline(always)]
    unsafe fn transpose(rows: [Self; 16]) -> [Self; 16] {
        unsafe {
            let mut r = rows.map(|r| r.0);
            // rows 4 i .. 4 i + 3: columns 4 j + c of quarter j to row 4 i + c
            for i in [0, 4, 8, 12] {
                let a = _mm512_unpacklo_ps(r[i], r[i + 1]);
                let b = _mm512_unpackhi_ps(r[i], r[i + 1]);
                let c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]);
                let d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
                r[i] = _mm512_shuffle_ps::<0x44>(a, c);
                r[i + 1] = _mm512_shuffle_ps::<0xee>(a, c);
                r[i + 2] = _mm512_shuffle_ps::<0x44>(b, d);
                r[i + 3] = _mm512_shuffle_ps::<0xee>(b, d);
            }
            // quarters: a matrix of 4 x 4 for each c
            let mut out = rows;
            for c in 0..4 {
                let a = _mm512_shuffle_f32x4::<0x88>(r[c], r[4 + c]);
                let b = _mm512_shuffle_f32x4::<0xdd>(r[c], r[4 + c]);
                let d = _mm512_shuffle_f32x4::<0x88>(r[8 + c], r[12 + c]);
                let e = _mm512_shuffle_f32x4::<0xdd>(r[8 + c], r[12 + c]);
                out[c] = Self(_mm512_shuffle_f32x4::<0x88>(a, d));
                out[8 + c] = Self(_mm512_shuffle_f32x4::<0xdd>(a, d));
                out[4 + c] = Self(_mm512_shuffle_f32x4::<0x88>(b, e));
                out[12 + c] = Self(_mm512_shuffle_f32x4::<0xdd>(b, e));
            }
            out
        }
    }
}
