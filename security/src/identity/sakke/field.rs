//! The field F_p as the algorithms see it: one number, or several side by side.

use crypto_bigint::Uint;
use subtle::{Choice, ConditionallySelectable};

use super::params::Residue;

/// [`Self::LANES`] elements of F_p side by side. Every operation works on each lane by itself, in constant time.
pub(crate) trait Field: Copy + Send + Sync + 'static {
    /// Number of lanes.
    const LANES: usize;

    /// Takes a number for each lane.
    fn pack(lanes: impl FnMut(usize) -> Residue) -> Self;

    /// Returns the number of a lane.
    fn unpack(&self, lane: usize) -> Residue;

    /// Returns the products.
    fn mul(&self, other: &Self) -> Self;

    /// Returns the squares.
    fn square(&self) -> Self;

    /// Returns the sums.
    fn add(&self, other: &Self) -> Self;

    /// Returns the differences.
    fn sub(&self, other: &Self) -> Self;

    /// Returns the number of lane `(lane + by) % LANES` in each lane.
    fn rotate(&self, by: usize) -> Self;

    /// Takes the numbers of `other` in the lanes whose choice is set.
    fn assign_where(&mut self, other: &Self, lanes: Lanes);

    /// Returns the same number in each lane.
    fn splat(number: &Residue) -> Self {
        Self::pack(|_| *number)
    }

    /// Returns the doubles.
    fn double(&self) -> Self {
        self.add(self)
    }

    /// Returns the negated numbers.
    fn neg(&self) -> Self {
        Self::splat(&Residue::ZERO).sub(self)
    }
}

/// A choice for each lane, bit 0 for lane 0.
#[derive(Clone, Copy)]
pub(crate) struct Lanes(pub(crate) u8);

impl Field for Residue {
    const LANES: usize = 1;

    fn pack(mut lanes: impl FnMut(usize) -> Residue) -> Self {
        lanes(0)
    }

    fn unpack(&self, _: usize) -> Residue {
        *self
    }

    fn mul(&self, other: &Self) -> Self {
        Self::mul(self, other)
    }

    fn square(&self) -> Self {
        Self::square(self)
    }

    fn add(&self, other: &Self) -> Self {
        Self::add(self, other)
    }

    fn sub(&self, other: &Self) -> Self {
        Self::sub(self, other)
    }

    fn rotate(&self, _: usize) -> Self {
        *self
    }

    fn assign_where(&mut self, other: &Self, lanes: Lanes) {
        *self = select(self, other, Choice::from(lanes.0 & 1));
    }

    fn double(&self) -> Self {
        Self::double(self)
    }

    fn neg(&self) -> Self {
        Self::neg(self)
    }
}

/// Returns `a`, or `b` if the choice is set.
pub(crate) fn select(a: &Residue, b: &Residue, choice: Choice) -> Residue {
    Residue::from_montgomery(Uint::conditional_select(a.as_montgomery(), b.as_montgomery(), choice))
}

/// Returns the inverse, and 0 of 0.
pub(crate) fn invert(number: &Residue) -> Residue {
    number.invert().unwrap_or(Residue::ZERO)
}

/// Inverts many numbers with one inversion (Montgomery's trick). If one of them is 0, all results are 0.
pub(crate) fn invert_all(numbers: &mut [Residue]) {
    let mut before = Vec::with_capacity(numbers.len());
    let mut product = Residue::ONE;
    for number in &*numbers {
        before.push(product);
        product = product.mul(number);
    }
    let mut inverse = invert(&product);
    for (number, before) in numbers.iter_mut().zip(&before).rev() {
        let own = inverse.mul(before);
        inverse = inverse.mul(number);
        *number = own;
    }
    zeroize::Zeroize::zeroize(&mut before);
}
