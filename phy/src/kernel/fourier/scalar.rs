//! Lanes in portable code, to compare with.

use super::lanes::{Lanes, Pair};
use crate::Sample;
use std::array::from_fn;

impl<const L: usize> Lanes<L> for [f32; L] {
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        [x; L]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller guarantees L elements.
        unsafe { from.cast::<Self>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller guarantees L elements.
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        from_fn(|i| self[i] + other[i])
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        from_fn(|i| self[i] - other[i])
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        from_fn(|i| self[i] * other[i])
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        from_fn(|i| self[i].mul_add(factor[i], term[i]))
    }

    #[inline(always)]
    unsafe fn mul_sub(self, factor: Self, term: Self) -> Self {
        from_fn(|i| self[i].mul_add(factor[i], -term[i]))
    }

    #[inline(always)]
    unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self {
        from_fn(|i| (-self[i]).mul_add(factor[i], term[i]))
    }

    #[inline(always)]
    unsafe fn load_samples(from: *const Sample) -> Pair<Self> {
        // SAFETY: the caller guarantees L samples.
        let x = unsafe { from.cast::<[Sample; L]>().read_unaligned() };
        Pair { re: x.map(|x| x.re), im: x.map(|x| x.im) }
    }

    #[inline(always)]
    unsafe fn store_samples(parts: Pair<Self>, to: *mut Sample) {
        let x: [Sample; L] = from_fn(|i| Sample::new(parts.re[i], parts.im[i]));
        // SAFETY: the caller guarantees room for L samples.
        unsafe { to.cast::<[Sample; L]>().write_unaligned(x) }
    }

    #[inline(always)]
    unsafe fn transpose(rows: [Self; L]) -> [Self; L] {
        from_fn(|i| from_fn(|j| rows[j][i]))
    }
}
