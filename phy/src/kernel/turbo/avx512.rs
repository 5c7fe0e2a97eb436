//! x86-64 with AVX-512 F, BW and VL: 32, 16 or 8 lanes.

use std::arch::x86_64::*;

use super::{Kernel, Lanes, kernel, scalar};

pub(super) static KERNELS: [Kernel; 4] = [
    kernel!(Lanes32, "avx2,avx512f,avx512bw,avx512vl"),
    kernel!(Lanes16, "avx2,avx512f,avx512bw,avx512vl"),
    kernel!(Lanes8, "avx2,avx512f,avx512bw,avx512vl"),
    scalar::kernel::<1>(),
];

#[derive(Clone, Copy)]
struct Lanes32(__m512i);

#[derive(Clone, Copy)]
struct Lanes16(__m256i);

#[derive(Clone, Copy)]
struct Lanes8(__m128i);

// SAFETY of all functions: the caller of a `Lanes` function has the instruction set and guarantees the pointers.

impl Lanes for Lanes32 {
    const LANES: usize = 32;

    #[inline(always)]
    unsafe fn splat(x: i16) -> Self {
        unsafe { Self(_mm512_set1_epi16(x)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i16) -> Self {
        unsafe { Self(_mm512_loadu_epi16(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i16) {
        unsafe { _mm512_storeu_epi16(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_epi16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm512_sub_epi16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm512_max_epu16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn average(self, other: Self) -> Self {
        unsafe { Self(_mm512_avg_epu16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn clamp(self, limit: i16) -> Self {
        unsafe {
            let above = _mm512_max_epi16(self.0, _mm512_set1_epi16(-limit));
            Self(_mm512_min_epi16(above, _mm512_set1_epi16(limit)))
        }
    }

    #[inline(always)]
    unsafe fn scale(self, factor: Self) -> Self {
        unsafe { Self(_mm512_mulhrs_epi16(self.0, factor.0)) }
    }

    #[inline(always)]
    unsafe fn permute(self, index: *const u8) -> Self {
        unsafe {
            let index = _mm512_cvtepu8_epi16(_mm256_loadu_si256(index.cast()));
            Self(_mm512_permutexvar_epi16(index, self.0))
        }
    }

    #[inline(always)]
    unsafe fn push_sign(self, bit: Self) -> Self {
        unsafe { Self(_mm512_sub_epi16(_mm512_add_epi16(self.0, self.0), _mm512_srai_epi16::<15>(bit.0))) }
    }
}

impl Lanes for Lanes16 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: i16) -> Self {
        unsafe { Self(_mm256_set1_epi16(x)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i16) -> Self {
        unsafe { Self(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i16) {
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_epi16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm256_sub_epi16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm256_max_epu16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn average(self, other: Self) -> Self {
        unsafe { Self(_mm256_avg_epu16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn clamp(self, limit: i16) -> Self {
        unsafe {
            let above = _mm256_max_epi16(self.0, _mm256_set1_epi16(-limit));
            Self(_mm256_min_epi16(above, _mm256_set1_epi16(limit)))
        }
    }

    #[inline(always)]
    unsafe fn scale(self, factor: Self) -> Self {
        unsafe { Self(_mm256_mulhrs_epi16(self.0, factor.0)) }
    }

    #[inline(always)]
    unsafe fn permute(self, index: *const u8) -> Self {
        unsafe {
            let index = _mm256_cvtepu8_epi16(_mm_loadu_si128(index.cast()));
            Self(_mm256_permutexvar_epi16(index, self.0))
        }
    }

    #[inline(always)]
    unsafe fn push_sign(self, bit: Self) -> Self {
        unsafe { Self(_mm256_sub_epi16(_mm256_add_epi16(self.0, self.0), _mm256_srai_epi16::<15>(bit.0))) }
    }
}

impl Lanes for Lanes8 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: i16) -> Self {
        unsafe { Self(_mm_set1_epi16(x)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i16) -> Self {
        unsafe { Self(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i16) {
        unsafe { _mm_storeu_si128(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm_add_epi16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm_sub_epi16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm_max_epu16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn average(self, other: Self) -> Self {
        unsafe { Self(_mm_avg_epu16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn clamp(self, limit: i16) -> Self {
        unsafe {
            let above = _mm_max_epi16(self.0, _mm_set1_epi16(-limit));
            Self(_mm_min_epi16(above, _mm_set1_epi16(limit)))
        }
    }

    #[inline(always)]
    unsafe fn scale(self, factor: Self) -> Self {
        unsafe { Self(_mm_mulhrs_epi16(self.0, factor.0)) }
    }

    #[inline(always)]
    unsafe fn permute(self, index: *const u8) -> Self {
        unsafe {
            let index = _mm_cvtepu8_epi16(_mm_loadl_epi64(index.cast()));
            Self(_mm_permutexvar_epi16(index, self.0))
        }
    }

    #[inline(always)]
    unsafe fn push_sign(self, bit: Self) -> Self {
        unsafe { Self(_mm_sub_epi16(_mm_add_epi16(self.0, self.0), _mm_srai_epi16::<15>(bit.0))) }
    }
}
