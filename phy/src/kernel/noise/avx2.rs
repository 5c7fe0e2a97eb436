//! x86-64 with AVX2: two vectors.

use super::{Generators, LANES, Lanes, add_lanes};
use crate::Sample;
use std::arch::x86_64::*;

pub(super) fn add(generators: &mut Generators, scale: f32, out: &mut [Sample]) {
    // SAFETY: `super::add` returns this only if the machine has the instruction set.
    unsafe { run(generators, scale, out) }
}

#[target_feature(enable = "avx2")]
fn run(generators: &mut Generators, scale: f32, out: &mut [Sample]) {
    // SAFETY: this function has the instruction set.
    unsafe { add_lanes::<Lanes8x2>(generators, scale, out) }
}

/// The first and the second half of the lanes.
#[derive(Clone, Copy)]
struct Lanes8x2([__m256i; 2]);

impl Lanes8x2 {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(__m256i, __m256i) -> __m256i) -> Self {
        Self([f(self.0[0], other.0[0]), f(self.0[1], other.0[1])])
    }

    #[inline(always)]
    fn zip_float(self, other: Self, f: impl Fn(__m256, __m256) -> __m256) -> Self {
        // SAFETY: casts; whoever has the vectors has the instruction set.
        self.zip(other, |a, b| unsafe {
            _mm256_castps_si256(f(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)))
        })
    }
}

// SAFETY of all functions: the caller of a `Lanes` function has the instruction set; all pointers are those of
// references to the length that is accessed.

impl Lanes for Lanes8x2 {
    #[inline(always)]
    unsafe fn load(from: &[u32; LANES]) -> Self {
        unsafe { Self([0, 8].map(|i| _mm256_loadu_si256(from.as_ptr().add(i).cast()))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: &mut [u32; LANES]) {
        unsafe {
            _mm256_storeu_si256(to.as_mut_ptr().cast(), self.0[0]);
            _mm256_storeu_si256(to.as_mut_ptr().add(8).cast(), self.0[1]);
        }
    }

    #[inline(always)]
    unsafe fn splat(x: u32) -> Self {
        unsafe { Self([_mm256_set1_epi32(x as i32); 2]) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_add_epi32(a, b) })
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_xor_si256(a, b) })
    }

    #[inline(always)]
    unsafe fn select(self, mask: u32, bits: u32) -> Self {
        unsafe {
            let masked = self.zip(Self::splat(mask), |a, b| _mm256_and_si256(a, b));
            masked.zip(Self::splat(bits), |a, b| _mm256_or_si256(a, b))
        }
    }

    #[inline(always)]
    unsafe fn shift_left<const N: u32>(self) -> Self {
        unsafe { Self(self.0.map(|x| _mm256_sll_epi32(x, _mm_cvtsi32_si128(N as i32)))) }
    }

    #[inline(always)]
    unsafe fn rotate_left<const N: u32>(self) -> Self {
        unsafe {
            let right = Self(self.0.map(|x| _mm256_srl_epi32(x, _mm_cvtsi32_si128(32 - N as i32))));
            self.shift_left::<N>().xor(right)
        }
    }

    #[inline(always)]
    unsafe fn float(self) -> Self {
        unsafe { Self(self.0.map(|x| _mm256_castps_si256(_mm256_cvtepi32_ps(x)))) }
    }

    #[inline(always)]
    unsafe fn float_add(self, other: Self) -> Self {
        self.zip_float(other, |a, b| unsafe { _mm256_add_ps(a, b) })
    }

    #[inline(always)]
    unsafe fn float_sub(self, other: Self) -> Self {
        self.zip_float(other, |a, b| unsafe { _mm256_sub_ps(a, b) })
    }

    #[inline(always)]
    unsafe fn float_mul(self, other: Self) -> Self {
        self.zip_float(other, |a, b| unsafe { _mm256_mul_ps(a, b) })
    }

    #[inline(always)]
    unsafe fn float_add_to(self, to: &mut [Sample; LANES / 2]) {
        // `Complex<f32>` is two f32 without padding (repr(C)), as its documentation promises.
        unsafe {
            let to = to.as_mut_ptr().cast::<f32>();
            for (i, x) in self.0.into_iter().enumerate() {
                let to = to.add(8 * i);
                _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), _mm256_castsi256_ps(x)));
            }
        }
    }
}
