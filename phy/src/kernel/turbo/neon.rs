//! AArch64: 8 lanes.

use std::arch::aarch64::*;

use super::{Kernel, Lanes, kernel, scalar};

pub(super) static KERNELS: [Kernel; 2] = [kernel!(Lanes8, "neon"), scalar::kernel::<1>()];

#[derive(Clone, Copy)]
struct Lanes8(int16x8_t);

// SAFETY of all functions: the caller of a `Lanes` function has the instruction set and guarantees the pointers.

impl Lanes for Lanes8 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: i16) -> Self {
        unsafe { Self(vdupq_n_s16(x)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i16) -> Self {
        unsafe { Self(vld1q_s16(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i16) {
        unsafe { vst1q_s16(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(vaddq_s16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(vsubq_s16(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe {
            let (a, b) = (vreinterpretq_u16_s16(self.0), vreinterpretq_u16_s16(other.0));
            Self(vreinterpretq_s16_u16(vmaxq_u16(a, b)))
        }
    }

    #[inline(always)]
    unsafe fn average(self, other: Self) -> Self {
        unsafe {
            let (a, b) = (vreinterpretq_u16_s16(self.0), vreinterpretq_u16_s16(other.0));
            Self(vreinterpretq_s16_u16(vrhaddq_u16(a, b)))
        }
    }

    #[inline(always)]
    unsafe fn clamp(self, limit: i16) -> Self {
        unsafe { Self(vminq_s16(vmaxq_s16(self.0, vdupq_n_s16(-limit)), vdupq_n_s16(limit))) }
    }

    #[inline(always)]
    unsafe fn scale(self, factor: Self) -> Self {
        unsafe { Self(vqrdmulhq_s16(self.0, factor.0)) }
    }

    #[inline(always)]
    unsafe fn permute(self, index: *const u8) -> Self {
        unsafe {
            // Bytes 2 i and 2 i + 1 for every lane i.
            let index = vmovl_u8(vld1_u8(index));
            let bytes = vaddq_u16(vmulq_n_u16(index, 0x0202), vdupq_n_u16(0x0100));
            let moved = vqtbl1q_u8(vreinterpretq_u8_s16(self.0), vreinterpretq_u8_u16(bytes));
            Self(vreinterpretq_s16_u8(moved))
        }
    }

    #[inline(always)]
    unsafe fn push_sign(self, bit: Self) -> Self {
        unsafe { Self(vsubq_s16(vaddq_s16(self.0, self.0), vshrq_n_s16::<15>(bit.0))) }
    }
}
