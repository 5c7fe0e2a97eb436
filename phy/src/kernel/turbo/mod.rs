//! Half an iteration of the turbo decoder: one soft-in soft-out pass over a constituent code of TS 36.212 §5.1.3.2.1.
//!
//! A block of K bits is cut into P windows of W = K / P bits, and a vector holds the same position of all windows: row
//! `r`, lane `j` is position `j W + r`. The recursions of all windows run side by side. They start a few rows inside of
//! the neighbour, from its metrics there in the previous iteration. Because the interleaver is free of contention, the
//! bits of one row of the interleaved order all come from one row of the natural order, and interleaving is a
//! permutation of lanes.
//!
//! With P = 1 the same code is the plain algorithm over the whole block, the reference for the others.
//!
//! Metrics are exact: with the limits below no sum ever saturates, and every backend gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod order;
mod scalar;
mod siso;
mod trellis;

pub(crate) use order::{Order, Orders};
pub(crate) use siso::{Boundary, HalfIteration};

use super::Backend;

/// Limit of a channel value.
///
/// A branch metric lies between sums of nothing and of all of |channel| + |a priori| + |channel| <= 2045 =: B. Any
/// state reaches any other in 3 steps: two metrics of one step differ by at most 3 B = 6135. With metrics brought back
/// to 2^14 every 4 steps, they stay within 3 B + 4 B = 14 315 of that and an extrinsic sum within twice that, plus 511,
/// of 2^15: unsigned words hold both, and have room for the corrections, [`CORRECTION_LIMIT`] a step at most.
pub(crate) const CHANNEL_LIMIT: i16 = 511;

/// Limit of an a priori value.
pub(crate) const EXTRINSIC_LIMIT: i16 = 1023;

/// Limit of the correction of a maximum.
pub(crate) const CORRECTION_LIMIT: i16 = 16;

/// Metric of an impossible state. It is more than 3 B below the others and never wins.
pub(crate) const IMPOSSIBLE: i16 = -6200;

/// The loops of one backend for one number of lanes.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    /// P, the number of lanes.
    pub(crate) lanes: usize,
    pub(crate) half_iteration: fn(&mut HalfIteration<'_>),
    /// Permutes rows of the natural order to that of the second constituent code.
    pub(crate) interleave: fn(Order<'_>, &[i16], &mut [i16]),
    /// Hard decisions: signs of the sum of three arrays of rows. See [`siso::decide`].
    pub(crate) decide: fn(usize, [&[i16]; 3], &mut [u16]),
}

/// Kernels of a backend, most lanes first. The last one has a single lane.
pub(crate) fn kernels(backend: Backend) -> &'static [Kernel] {
    match backend.or_scalar() {
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => &avx512::KERNELS,
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => &avx2::KERNELS,
        #[cfg(target_arch = "aarch64")]
        Backend::Neon => &neon::KERNELS,
        _ => &scalar::KERNELS,
    }
}

/// The kernel over a vector type, compiled for its instruction set.
///
/// Only [`kernels`] returns kernels, after a check of the instruction set.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! kernel {
    ($lanes:ty, $features:literal) => {{
        use super::siso;

        #[target_feature(enable = $features)]
        fn half_iteration(job: &mut siso::HalfIteration<'_>) {
            // SAFETY: this function has the instruction set.
            unsafe { siso::half_iteration::<$lanes>(job) }
        }

        #[target_feature(enable = $features)]
        fn interleave(order: super::Order<'_>, natural: &[i16], interleaved: &mut [i16]) {
            // SAFETY: this function has the instruction set.
            unsafe { siso::interleave::<$lanes>(order, natural, interleaved) }
        }

        #[target_feature(enable = $features)]
        fn decide(window: usize, terms: [&[i16]; 3], words: &mut [u16]) {
            // SAFETY: this function has the instruction set.
            unsafe { siso::decide::<$lanes>(window, terms, words) }
        }

        super::Kernel {
            lanes: <$lanes as super::Lanes>::LANES,
            // SAFETY: the machine has the instruction set, see above.
            half_iteration: |job| unsafe { half_iteration(job) },
            // SAFETY: the machine has the instruction set, see above.
            interleave: |order, natural, interleaved| unsafe { interleave(order, natural, interleaved) },
            // SAFETY: the machine has the instruction set, see above.
            decide: |window, terms, words| unsafe { decide(window, terms, words) },
        }
    }};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use kernel;

/// A vector of 16-bit lanes. Sums and differences wrap.
///
/// # Safety
/// Every function needs the instruction set of the implementation; `load`, `store` and `permute` access `LANES`
/// elements (bytes, for the index of `permute`) behind their pointers, without any alignment.
pub(crate) trait Lanes: Copy {
    const LANES: usize;
    unsafe fn splat(x: i16) -> Self;
    unsafe fn load(from: *const i16) -> Self;
    unsafe fn store(self, to: *mut i16);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// Returns the larger one of unsigned lanes.
    unsafe fn max(self, other: Self) -> Self;
    /// Returns the mean of unsigned lanes, rounded up.
    unsafe fn average(self, other: Self) -> Self;
    /// Limits signed lanes to `-limit..=limit`.
    unsafe fn clamp(self, limit: i16) -> Self;
    /// Returns `(self * factor + 2^14) >> 15`
    unsafe fn scale(self, factor: Self) -> Self;
    /// Lane `j` of the result is lane `index[j]`, all of which are below `LANES`.
    unsafe fn permute(self, index: *const u8) -> Self;
    /// Returns every lane moved up by one bit, with the sign bit of `bit` below.
    unsafe fn push_sign(self, bit: Self) -> Self;
}

/// Portable kernels of every number of lanes that some backend has, to compare with.
#[cfg(test)]
pub(crate) fn portable_kernels() -> &'static [Kernel] {
    static KERNELS: [Kernel; 4] =
        [scalar::kernel::<32>(), scalar::kernel::<16>(), scalar::kernel::<8>(), scalar::kernel::<1>()];
    &KERNELS
}
