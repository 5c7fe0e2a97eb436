//! Sums of many affine points, as products with a table have them. Affine additions halve the points while there are so
//! many that one inversion for all is cheap; a chain of additions without inversion takes the rest.

use zeroize::Zeroizing;

use super::field::{Field, invert_all};
use super::params::Residue;
use super::point::Jacobian;

/// The point X / ZZ, Y / ZZZ with ZZ^3 = ZZZ^2, whose additions cost less than those of Jacobian coordinates (and
/// doublings more). X and Y have bounds up to 34 (see [`Field`]).
#[derive(Clone, Copy)]
pub(crate) struct Extended<F> {
    x: F,
    y: F,
    zz: F,
    zzz: F,
}

impl<F: Field> Extended<F> {
    /// Takes an affine point with coordinates of any bound.
    fn new([x, y]: &[F; 2]) -> Self {
        let one = F::splat(&Residue::ONE);
        Self { x: x.mul(&one), y: y.mul(&one), zz: one, zzz: one }
    }

    /// Adds an affine point with coordinates of any bound: 8 M + 2 S.
    fn add_mixed(&self, [x, y]: &[F; 2]) -> Self {
        let (u, s) = (x.mul(&self.zz), y.mul(&self.zzz));
        let (h, r) = (u.sub_far(&self.x), s.sub_far(&self.y));
        self.finish_sum([&self.x, &self.y], &h, &r)
    }

    /// Adds: 12 M + 2 S.
    fn add(&self, other: &Self) -> Self {
        let (u, u_other) = (self.x.mul(&other.zz), other.x.mul(&self.zz));
        let (s, s_other) = (self.y.mul(&other.zzz), other.y.mul(&self.zzz));
        let (h, r) = (u_other.sub(&u), s_other.sub(&s));
        let sum = self.finish_sum([&u, &s], &h, &r);
        Self { zz: sum.zz.mul(&other.zz), zzz: sum.zzz.mul(&other.zzz), ..sum }
    }

    /// The second half of both additions.
    fn finish_sum(&self, [u, s]: [&F; 2], h: &F, r: &F) -> Self {
        let hh = h.square();
        let (hhh, v) = (h.mul(&hh), u.mul(&hh));
        let x = r.square().sub(&hhh.add(&v.double()));
        let y = r.mul(&v.sub_far(&x)).sub(&s.mul(&hhh));
        Self { x, y, zz: self.zz.mul(&hh), zzz: self.zzz.mul(&hhh) }
    }

    fn rotate(&self, by: usize) -> Self {
        let [x, y, zz, zzz] = [&self.x, &self.y, &self.zz, &self.zzz].map(|number| number.rotate(by));
        Self { x, y, zz, zzz }
    }

    /// Returns the sum of all lanes, in each lane.
    fn fold(self) -> Self {
        let (mut sum, mut by) = (self, F::LANES / 2);
        while by > 0 {
            sum = sum.add(&sum.rotate(by));
            by /= 2;
        }
        sum
    }

    /// Takes ZZZ for Z.
    fn to_jacobian(self) -> Jacobian<F> {
        let (x, y) = (self.x.mul(&self.zz.square()), self.y.mul(&self.zzz.square()));
        Jacobian { x, y, z: self.zzz }
    }
}

/// Sums of affine points, one for each lane. Z = 0 if points on the way were equal or opposite in some lane, which no
/// scalar but 0 makes of a table (but by chance, once in 2^1000 times).
pub(crate) fn sum_by_lane<F: Field>(points: Zeroizing<Vec<[F; 2]>>) -> Jacobian<F> {
    sum(points).map_or_else(nowhere, Extended::to_jacobian)
}

/// The sum of the affine points in all lanes, in each lane. Z = 0 as for [`sum_by_lane`].
pub(crate) fn sum_of_all<F: Field>(points: Zeroizing<Vec<[F; 2]>>) -> Jacobian<F> {
    sum(points).map_or_else(nowhere, |sum| sum.fold().to_jacobian())
}

fn nowhere<F: Field>() -> Jacobian<F> {
    Jacobian { x: F::zero(), y: F::zero(), z: F::zero() }
}

/// Sums the points, whose coordinates have bounds up to 2 and 32. `None` for a difference of 0.
fn sum<F: Field>(mut points: Zeroizing<Vec<[F; 2]>>) -> Option<Extended<F>> {
    let mut left = points.as_mut_slice();
    // Bounds of the coordinates before each: 2 and 32, 34, 130; after the last one 514.
    for subtract in [F::sub, F::sub_far, F::sub_farther] {
        if left.len() / 2 < F::PAIRS {
            break;
        }
        left = halve(left, subtract)?;
    }
    let (first, rest) = left.split_first()?;
    let mut sum = Extended::new(first);
    for point in rest {
        sum = sum.add_mixed(point);
    }
    Some(sum)
}

/// Adds the points two by two, each sum in 5 M + 1 S and one inversion for all. Returns the sums, and a last point without
/// a partner.
fn halve<F: Field>(points: &mut [[F; 2]], subtract: fn(&F, &F) -> F) -> Option<&mut [[F; 2]]> {
    let (pairs, odd) = points.as_chunks::<2>();
    let mut inverses = Zeroizing::new(Vec::with_capacity(pairs.len()));
    inverses.extend(pairs.iter().map(|[[x, _], [other_x, _]]| subtract(other_x, x)));
    let left = pairs.len() + odd.len();
    invert_all(inverses.as_mut_slice());
    if inverses.first().is_some_and(|inverse| inverse.unpack(0) == Residue::ZERO) {
        return None;
    }
    for (at, inverse) in inverses.iter().enumerate() {
        let [[x, y], [other_x, other_y]] = [&points[2 * at], &points[2 * at + 1]];
        let slope = subtract(other_y, y).mul(inverse);
        let (square, both) = (slope.square(), x.add(other_x));
        // x - (square - both)
        let across = x.add(&both).sub(&square);
        points[at] = [subtract(&square, &both), subtract(&slope.mul(&across), y)];
    }
    if left > inverses.len() {
        points[left - 1] = points[2 * (left - 1)];
    }
    Some(&mut points[..left])
}
