//! Portable lanes. One lane is the plain algorithm; eight of them suit compiled code for any 128-bit machine.

use super::siso::{HalfIteration, decide, half_iteration, interleave};
use super::{Kernel, Lanes};

pub(super) static KERNELS: [Kernel; 2] = [kernel::<8>(), kernel::<1>()];

/// Returns the portable kernel of `N` lanes.
pub(super) const fn kernel<const N: usize>() -> Kernel {
    Kernel {
        lanes: N,
        // SAFETY: no instruction set is needed.
        half_iteration: |job: &mut HalfIteration<'_>| unsafe { half_iteration::<[i16; N]>(job) },
        // SAFETY: no instruction set is needed.
        interleave: |order, natural, interleaved| unsafe {
            interleave::<[i16; N]>(order, natural, interleaved)
        },
        // SAFETY: no instruction set is needed.
        decide: |window, terms, words| unsafe { decide::<[i16; N]>(window, terms, words) },
    }
}

impl<const N: usize> Lanes for [i16; N] {
    const LANES: usize = N;

    #[inline(always)]
    unsafe fn splat(x: i16) -> Self {
        [x; N]
    }

    #[inline(always)]
    unsafe fn load(from: *const i16) -> Self {
        // SAFETY: the caller guarantees N elements.
        unsafe { from.cast::<Self>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i16) {
        // SAFETY: the caller guarantees N elements.
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i].wrapping_add(other[i]))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i].wrapping_sub(other[i]))
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        std::array::from_fn(|i| (self[i] as u16).max(other[i] as u16) as i16)
    }

    #[inline(always)]
    unsafe fn average(self, other: Self) -> Self {
        std::array::from_fn(|i| (u32::from(self[i] as u16) + u32::from(other[i] as u16)).div_ceil(2) as i16)
    }

    #[inline(always)]
    unsafe fn clamp(self, limit: i16) -> Self {
        std::array::from_fn(|i| self[i].clamp(-limit, limit))
    }

    #[inline(always)]
    unsafe fn scale(self, factor: Self) -> Self {
        std::array::from_fn(|i| ((i32::from(self[i]) * i32::from(factor[i]) + (1 << 14)) >> 15) as i16)
    }

    #[inline(always)]
    unsafe fn permute(self, index: *const u8) -> Self {
        // SAFETY: the caller guarantees N indices.
        let index = unsafe { index.cast::<[u8; N]>().read_unaligned() };
        std::array::from_fn(|i| self[index[i] as usize])
    }

    #[inline(always)]
    unsafe fn push_sign(self, bit: Self) -> Self {
        std::array::from_fn(|i| self[i] << 1 | (bit[i] < 0) as i16)
    }
}
