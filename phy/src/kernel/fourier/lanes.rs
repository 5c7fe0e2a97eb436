//! Vectors of real and of complex numbers.

use crate::Sample;

/// Most lanes of any backend.
pub(super) const MAX: usize = 16;

/// A vector of `L` single-precision lanes.
///
/// # Safety
/// Every function needs the instruction set of the implementation; those with a pointer access `L` elements behind it,
/// without any alignment.
pub(super) trait Lanes<const L: usize>: Copy {
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// Returns `self * factor + term`, rounded once.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// Returns `self * factor - term`, rounded once.
    unsafe fn mul_sub(self, factor: Self, term: Self) -> Self;
    /// Returns `term - self * factor`, rounded once.
    unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self;
    /// Returns real and imaginary parts.
    unsafe fn load_samples(from: *const Sample) -> Pair<Self>;
    unsafe fn store_samples(parts: Pair<Self>, to: *mut Sample);
    /// Turns rows to columns.
    unsafe fn transpose(rows: [Self; L]) -> [Self; L];
}

/// Real and imaginary parts of a vector of complex numbers.
#[derive(Clone, Copy)]
pub(super) struct Pair<V> {
    pub(super) re: V,
    pub(super) im: V,
}

/// # Safety
/// The functions need the instruction set of `V`.
impl<V> Pair<V> {
    /// Reads real parts, then imaginary parts: `2 L` elements.
    #[inline(always)]
    pub(super) unsafe fn load<const L: usize>(from: *const f32) -> Self
    where
        V: Lanes<L>,
    {
        // SAFETY: the caller guarantees the elements.
        unsafe { Self { re: V::load(from), im: V::load(from.add(L)) } }
    }

    #[inline(always)]
    pub(super) unsafe fn store<const L: usize>(self, to: *mut f32)
    where
        V: Lanes<L>,
    {
        // SAFETY: the caller guarantees the elements.
        unsafe {
            self.re.store(to);
            self.im.store(to.add(L));
        }
    }

    /// Reads one complex number for all lanes.
    #[inline(always)]
    pub(super) unsafe fn splat<const L: usize>(re: f32, im: f32) -> Self
    where
        V: Lanes<L>,
    {
        // SAFETY: the caller has the instruction set.
        unsafe { Self { re: V::splat(re), im: V::splat(im) } }
    }

    #[inline(always)]
    pub(super) unsafe fn add<const L: usize>(self, other: Self) -> Self
    where
        V: Lanes<L>,
    {
        // SAFETY: the caller has the instruction set.
        unsafe { Self { re: self.re.add(other.re), im: self.im.add(other.im) } }
    }

    #[inline(always)]
    pub(super) unsafe fn sub<const L: usize>(self, other: Self) -> Self
    where
        V: Lanes<L>,
    {
        // SAFETY: the caller has the instruction set.
        unsafe { Self { re: self.re.sub(other.re), im: self.im.sub(other.im) } }
    }

    /// Returns `self - j other`.
    #[inline(always)]
    pub(super) unsafe fn sub_j<const L: usize>(self, other: Self) -> Self
    where
        V: Lanes<L>,
    {
        // SAFETY: the caller has the instruction set.
        unsafe { Self { re: self.re.add(other.im), im: self.im.sub(other.re) } }
    }

    /// Returns `self + j other`.
    #[inline(always)]
    pub(super) unsafe fn add_j<const L: usize>(self, other: Self) -> Self
    where
        V: Lanes<L>,
    {
        // SAFETY: the caller has the instruction set.
        unsafe { Self { re: self.re.sub(other.im), im: self.im.add(other.re) } }
    }

    #[inline(always)]
    pub(super) unsafe fn mul<const L: usize>(self, other: Self) -> Self
    where
        V: Lanes<L>,
    {
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self {
                re: self.re.mul_sub(other.re, self.im.mul(other.im)),
                im: self.re.mul_add(other.im, self.im.mul(other.re)),
            }
        }
    }

    /// Returns `self + factor other`.
    #[inline(always)]
    pub(super) unsafe fn add_scaled<const L: usize>(self, factor: V, other: Self) -> Self
    where
        V: Lanes<L>,
    {
        // SAFETY: the caller has the instruction set.
        unsafe { Self { re: other.re.mul_add(factor, self.re), im: other.im.mul_add(factor, self.im) } }
    }

    /// Returns `self - factor other`.
    #[inline(always)]
    pub(super) unsafe fn sub_scaled<const L: usize>(self, factor: V, other: Self) -> Self
    where
        V: Lanes<L>,
    {
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self { re: other.re.neg_mul_add(factor, self.re), im: other.im.neg_mul_add(factor, self.im) }
        }
    }

    /// Returns `j self`, with the parts exchanged: no operation.
    #[inline(always)]
    pub(super) fn exchanged(self) -> Self {
        Self { re: self.im, im: self.re }
    }
}
