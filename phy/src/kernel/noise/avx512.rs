//! x86-64 with AVX-512 F, BW and VL: one vector.

use super::{Generators, LANES, Lanes, add_lanes};
use crate::Sample;
use std::arch::x86_64::*;

pub(super) fn add(generators: &mut Generators, scale: f32, out: &mut [Sample]) {
    // SAFETY: `super::add` returns this only if the machine has the instruction set.
    unsafe { run(generators, scale, out) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl")]
fn run(generators: &mut Generators, scale: f32, out: &mut [Sample]) {
    // SAFETY: this function has the instruction set.
    unsafe { add_lanes::<Lanes16>(generators, scale, out) }
}

#[derive(Clone, Copy)]
struct Lanes16(__m512i);

#[inline(always)]
fn float(x: Lanes16) -> __m512 {
    // SAFETY: a cast; whoever has the vector has the instruction set.
    unsafe { _mm512_castsi512_ps(x.0) }
}

#[inline(always)]
fn bits(x: __m512) -> Lanes16 {
    // SAFETY: as above.
    unsafe { Lanes16(_mm512_castps_si512(x)) }
}

// SAFETY of all functions: the caller of a `Lanes` function has the instruction set; all pointers are those of
// references to the length that is accessed.

impl Lanes for Lanes16 {
    #[inline(always)]
    unsafe fn load(from: &[u32; LANES]) -> Self {
        unsafe { Self(_mm512_loadu_si512(from.as_ptr().cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: &mut [u32; LANES]) {
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn splat(x: u32) -> Self {
        unsafe { Self(_mm512_set1_epi32(x as i32)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        unsafe { Self(_mm512_xor_si512(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn select(self, mask: u32, bits: u32) -> Self {
        unsafe {
            let masked = _mm512_and_si512(self.0, Self::splat(mask).0);
            Self(_mm512_or_si512(masked, Self::splat(bits).0))
        }
    }

    #[inline(always)]
    unsafe fn shift_left<const N: u32>(self) -> Self {
        unsafe { Self(_mm512_slli_epi32::<N>(self.0)) }
    }

    #[inline(always)]
    unsafe fn rotate_left<const N: u32>(self) -> Self {
        unsafe { Self(_mm512_rolv_epi32(self.0, Self::splat(N).0)) }
    }

    #[inline(always)]
    unsafe fn float(self) -> Self {
        unsafe { bits(_mm512_cvtepi32_ps(self.0)) }
    }

    #[inline(always)]
    unsafe fn float_add(self, other: Self) -> Self {
        unsafe { bits(_mm512_add_ps(float(self), float(other))) }
    }

    #[inline(always)]
    unsafe fn float_sub(self, other: Self) -> Self {
        unsafe { bits(_mm512_sub_ps(float(self), float(other))) }
    }

    #[inline(always)]
    unsafe fn float_mul(self, other: Self) -> Self {
        unsafe { bits(_mm512_mul_ps(float(self), float(other))) }
    }

    #[inline(always)]
    unsafe fn float_add_to(self, to: &mut [Sample; LANES / 2]) {
        // `Complex<f32>` is two f32 without padding (repr(C)), as its documentation promises.
        unsafe {
            let to = to.as_mut_ptr().cast::<f32>();
            _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), float(self)));
        }
    }
}
