//! x86-64 with AVX2: 16 or 8 lanes.

use std::arch::x86_64::*;

use super::{Kernel, Lanes, kernel, scalar};

pub(super) static KERNELS: [Kernel; 3] =
    [kernel!(Lanes16, "avx2"), kernel!(Lanes8, "avx2"), scalar::kernel::<1>()];

#[derive(Clone, Copy)]
struct Lanes16(__m256i);

#[derive(Clone, Copy)]
struct Lanes8(__m128i);

// SAFETY of all functions: the caller of a `Lanes` function has the instruction set and guarantees the pointers.

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
            // Bytes are shuffled only within each half: look up both halves of the source, then choose.
            let index = _mm256_cvtepu8_epi16(_mm_loadu_si128(index.cast()));
            let bytes = _mm256_add_epi16(
                _mm256_mullo_epi16(index, _mm256_set1_epi16(0x0202)),
                _mm256_set1_epi16(0x0100),
            );
            let low = _mm256_shuffle_epi8(_mm256_permute2x128_si256::<0x00>(self.0, self.0), bytes);
            let high = _mm256_shuffle_epi8(_mm256_permute2x128_si256::<0x11>(self.0, self.0), bytes);
            Self(_mm256_blendv_epi8(low, high, _mm256_cmpgt_epi16(index, _mm256_set1_epi16(7))))
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
            let bytes = _mm_add_epi16(_mm_mullo_epi16(index, _mm_set1_epi16(0x0202)), _mm_set1_epi16(0x0100));
            Self(_mm_shuffle_epi8(self.0, bytes))
        }
    }

    #[inline(always)]
    unsafe fn push_sign(self, bit: Self) -> Self {
        unsafe { Self(_mm_sub_epi16(_mm_add_epi16(self.0, self.0), _mm_srai_epi16::<15>(bit.0))) }
    }
}
