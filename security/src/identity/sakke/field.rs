//! The field F_p as the algorithms see it: one number, or several side by side.

use crypto_bigint::Uint;
use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, Zeroizing};

use super::params::Residue;

/// [`Self::LANES`] elements of F_p side by side. Every operation works on each lane by itself, in constant time.
///
/// Numbers need not be reduced. With a bound of `A` for "below `A p`": a product has 2 if the bounds of its factors have
/// a product below 2^16; a sum has the sum of both bounds; a difference has that of its minuend and 32, and its
/// subtrahend at most 32 ([`Self::sub`]); 128 for both ([`Self::sub_far`]), or 512 ([`Self::sub_farther`]). Packed
/// numbers have 1. No bound may reach 2^15.
pub(crate) trait Field: Copy + Send + Sync + Zeroize + 'static {
    /// Number of lanes.
    const LANES: usize;

    /// Number of additions of affine points from which on one inversion for all pays.
    const PAIRS: usize;

    /// Single numbers of the same backend, for what cannot go side by side.
    type Single: Field;

    /// Takes a number for each lane.
    fn pack(lanes: impl FnMut(usize) -> Residue) -> Self;

    /// Returns the number of a lane.
    fn unpack(&self, lane: usize) -> Residue;

    /// Returns the numbers of all lanes.
    fn unpack_all(&self) -> Zeroizing<Vec<Residue>> {
        Zeroizing::new((0..Self::LANES).map(|lane| self.unpack(lane)).collect())
    }

    /// Returns the products.
    fn mul(&self, other: &Self) -> Self;

    /// Returns the squares.
    fn square(&self) -> Self;

    /// Returns the sums.
    fn add(&self, other: &Self) -> Self;

    /// Returns the differences, where `other` is a product or the sum of few.
    fn sub(&self, other: &Self) -> Self;

    /// Returns the differences, where `other` may be a difference.
    fn sub_far(&self, other: &Self) -> Self;

    /// Returns the differences, where `other` may be a sum of differences.
    fn sub_farther(&self, other: &Self) -> Self;

    /// Returns the number of lane `(lane + by) % LANES` in each lane.
    fn rotate(&self, by: usize) -> Self;

    /// Takes the numbers of `other` in the lanes whose choice is set.
    fn assign_where(&mut self, other: &Self, lanes: Lanes);

    /// Returns in each lane the numbers of the entry (the first one, or one of index 1 and above whose choice has the
    /// lane). Reads every entry. At most 64 entries.
    fn select<const N: usize>(entries: &[[Self; N]], chosen: impl Fn(usize) -> Lanes) -> [Self; N] {
        let mut taken = entries[0];
        for (at, entry) in entries.iter().enumerate().skip(1) {
            let lanes = chosen(at);
            for (taken, number) in taken.iter_mut().zip(entry) {
                taken.assign_where(number, lanes);
            }
        }
        taken
    }

    /// Returns in each lane the number that lane `lane` of an entry has in a column, of the entry whose choice has the
    /// lane: just one has it. Reads that lane of every entry. At most 64 entries.
    fn select_of_lane<const N: usize>(
        entries: &[[Self; N]],
        column: usize,
        lane: usize,
        chosen: impl Fn(usize) -> Lanes,
    ) -> Self;

    /// Returns products that do not depend on each other.
    fn mul_each<const N: usize>(pairs: [[&Self; 2]; N]) -> [Self; N] {
        pairs.map(|[a, b]| a.mul(b))
    }

    /// Returns the same number in each lane.
    fn splat(number: &Residue) -> Self {
        Self::pack(|_| *number)
    }

    /// Returns 0 in each lane.
    fn zero() -> Self;

    /// Returns the doubles.
    fn double(&self) -> Self {
        self.add(self)
    }

    /// Returns the negated numbers, which are products or packed.
    fn neg(&self) -> Self {
        Self::zero().sub(self)
    }
}

/// [`Field::select_of_lane`] where there is one lane.
pub(crate) fn select_single<F: Field, const N: usize>(
    entries: &[[F; N]],
    column: usize,
    chosen: impl Fn(usize) -> Lanes,
) -> F {
    let mut taken = entries[0][column];
    for (at, entry) in entries.iter().enumerate().skip(1) {
        taken.assign_where(&entry[column], chosen(at));
    }
    taken
}

/// A choice for each lane, bit 0 for lane 0.
#[derive(Clone, Copy)]
pub(crate) struct Lanes(pub(crate) u8);

impl Field for Residue {
    const LANES: usize = 1;
    const PAIRS: usize = 24;
    type Single = Self;

    fn pack(mut lanes: impl FnMut(usize) -> Self) -> Self {
        lanes(0)
    }

    fn unpack(&self, _: usize) -> Self {
        *self
    }

    fn zero() -> Self {
        Self::ZERO
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

    fn sub_far(&self, other: &Self) -> Self {
        Self::sub(self, other)
    }

    fn sub_farther(&self, other: &Self) -> Self {
        Self::sub(self, other)
    }

    fn rotate(&self, _: usize) -> Self {
        *self
    }

    fn assign_where(&mut self, other: &Self, lanes: Lanes) {
        *self = select(self, other, Choice::from(lanes.0 & 1));
    }

    fn select_of_lane<const N: usize>(
        entries: &[[Self; N]],
        column: usize,
        _: usize,
        chosen: impl Fn(usize) -> Lanes,
    ) -> Self {
        select_single(entries, column, chosen)
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
pub(crate) fn invert_all<F: Field>(numbers: &mut [F]) {
    let one = F::splat(&Residue::ONE);
    let mut before = Zeroizing::new(Vec::with_capacity(numbers.len()));
    let mut product = one;
    for number in &*numbers {
        before.push(product);
        product = product.mul(number);
    }
    let mut inverse = invert_lanes(&product);
    for (number, before) in numbers.iter_mut().zip(before.iter()).rev() {
        let products = F::mul_each([[&inverse, before], [&inverse, number]]);
        (*number, inverse) = (products[0], products[1]);
    }
}

/// Inverts the number of each lane. If one of them is 0, all results are 0.
fn invert_lanes<F: Field>(numbers: &F) -> F {
    // In each lane the product of 1, 2, 4 .. lanes from it on, and the product of all others.
    let (mut product, mut others, mut by) = (*numbers, None, F::LANES / 2);
    while by > 0 {
        let next = product.rotate(by);
        others = Some(others.map_or(next, |others: F| others.mul(&next)));
        product = product.mul(&next);
        by /= 2;
    }
    let product = Zeroizing::new(product.unpack(0));
    let inverse = F::splat(&Zeroizing::new(invert(&product)));
    others.map_or(inverse, |others| others.mul(&inverse))
}
