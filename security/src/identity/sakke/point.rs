//! Points of y^2 = x^3 - 3x in Jacobian coordinates. Lanes by themselves, no branch on a coordinate: a sum of equal or
//! opposite points gives Z = 0, which stays 0, and is refused where a result leaves this folder.

use crypto_bigint::U1024;
use zeroize::Zeroize;

use super::field::{Field, invert, invert_all};
use super::params::{GENERATOR, OCTETS, Residue, octets, order, residue};
use crate::identity::kernel::{self, Row};

/// A point with affine coordinates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Affine {
    pub(crate) x: Residue,
    pub(crate) y: Residue,
}

/// The point X / Z^2, Y / Z^3. X and Y have bounds up to 34 (see [`Field`]), Z up to 4.
#[derive(Clone, Copy)]
pub(crate) struct Jacobian<F> {
    pub(crate) x: F,
    pub(crate) y: F,
    pub(crate) z: F,
}

impl Affine {
    /// The generator P.
    pub(crate) const GENERATOR: Self = Self { x: GENERATOR[0], y: GENERATOR[1] };

    /// Reads 04, x, y: coordinates below p, on the curve.
    pub(crate) fn from_octets(octets: &[u8; 2 * OCTETS + 1]) -> Option<Self> {
        let (head, rest) = octets.split_first()?;
        let (x, y) = rest.split_at(OCTETS);
        let (x, y) = (residue(x.try_into().ok()?)?, residue(y.try_into().ok()?)?);
        let point = Self { x, y };
        (*head == 4 && point.is_on_curve()).then_some(point)
    }

    /// Writes 04, x, y.
    pub(crate) fn to_octets(self) -> [u8; 2 * OCTETS + 1] {
        let mut out = [4; 2 * OCTETS + 1];
        out[1..=OCTETS].copy_from_slice(&octets(&self.x));
        out[OCTETS + 1..].copy_from_slice(&octets(&self.y));
        out
    }

    fn is_on_curve(&self) -> bool {
        let three = Residue::ONE.double().add(&Residue::ONE);
        self.y.square() == self.x.square().sub(&three).mul(&self.x)
    }

    /// Whether the point has order q. The group is cyclic of order 4 q: \[4\] of it must not be the point at infinity,
    /// and \[q\] of it must be. The formulas give Z = 0 wrongly for points of order 2 and 4 only, which the first
    /// condition keeps out.
    pub(crate) fn has_order_q(&self) -> bool {
        let four = Jacobian::from(*self).double().double();
        let product = if kernel::is_available() { self.times_q::<Row>() } else { self.times_q::<Residue>() };
        four.z != Residue::ZERO && product.z == Residue::ZERO
    }

    /// Multiplies by q with doublings and sums.
    fn times_q<F: Field>(&self) -> Jacobian<Residue> {
        let [x, y] = [self.x, self.y].map(|number| F::splat(&number));
        let mut product = Jacobian { x, y, z: F::splat(&Residue::ONE) };
        let q = order();
        for bit in (0..q.bit_width() - 1).rev() {
            product = product.double();
            if bool::from(q.bit(bit)) {
                product = product.add_mixed(&x, &y);
            }
        }
        product.lane(0)
    }
}

impl Zeroize for Affine {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
    }
}

impl<F: Zeroize> Zeroize for Jacobian<F> {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
        self.z.zeroize();
    }
}

impl From<[Residue; 2]> for Affine {
    fn from([x, y]: [Residue; 2]) -> Self {
        Self { x, y }
    }
}

impl From<Affine> for Jacobian<Residue> {
    fn from(point: Affine) -> Self {
        Self { x: point.x, y: point.y, z: Residue::ONE }
    }
}

impl<F: Field> Jacobian<F> {
    /// Doubles: 3 M + 5 S.
    pub(crate) fn double(&self) -> Self {
        let Self { x, y, z } = self;
        let [delta, gamma, yz] = F::mul_each([[z, z], [y, y], [y, z]]);
        let (left, right) = (x.sub(&delta), x.add(&delta));
        let [beta, product, gamma_squared] = F::mul_each([[x, &gamma], [&left, &right], [&gamma, &gamma]]);
        let alpha = product.double().add(&product);
        let beta4 = beta.double().double();
        let x = alpha.square().sub(&beta4.double());
        let gamma8 = gamma_squared.double().double().double();
        let y = alpha.mul(&beta4.sub_far(&x)).sub(&gamma8);
        Self { x, y, z: yz.double() }
    }

    /// Adds a point with Z = 1: 8 M + 3 S.
    pub(crate) fn add_mixed(&self, x: &F, y: &F) -> Self {
        let zz = self.z.square();
        let [u, zzz] = F::mul_each([[x, &zz], [&self.z, &zz]]);
        let h = u.sub_far(&self.x);
        let [s, z, hh] = F::mul_each([[y, &zzz], [&self.z, &h], [&h, &h]]);
        let r = s.sub_far(&self.y);
        let [hhh, v, rr] = F::mul_each([[&h, &hh], [&self.x, &hh], [&r, &r]]);
        let x = rr.sub(&hhh.add(&v.double()));
        let difference = v.sub_far(&x);
        let [y, shhh] = F::mul_each([[&r, &difference], [&self.y, &hhh]]);
        Self { x, y: y.sub(&shhh), z }
    }

    /// Returns affine coordinates, given 1 / Z: products.
    pub(crate) fn scale(&self, inverse: &F) -> [F; 2] {
        let square = inverse.square();
        let [x, cube] = F::mul_each([[&self.x, &square], [inverse, &square]]);
        [x, self.y.mul(&cube)]
    }

    /// Returns a lane.
    pub(crate) fn lane(&self, lane: usize) -> Jacobian<Residue> {
        Jacobian { x: self.x.unpack(lane), y: self.y.unpack(lane), z: self.z.unpack(lane) }
    }

    /// Returns all lanes.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = Jacobian<Residue>> {
        let [x, y, z] = [&self.x, &self.y, &self.z].map(Field::unpack_all);
        (0..F::LANES).map(move |lane| Jacobian { x: x[lane], y: y[lane], z: z[lane] })
    }
}

impl Jacobian<Residue> {
    /// Adds a point with affine coordinates.
    pub(crate) fn add_affine(&self, other: &Affine) -> Self {
        self.add_mixed(&other.x, &other.y)
    }

    /// Returns affine coordinates; `None` for the point at infinity.
    pub(crate) fn to_affine(self) -> Option<Affine> {
        let inverse = invert(&self.z);
        let [x, y] = self.scale(&inverse);
        (inverse != Residue::ZERO).then_some(Affine { x, y })
    }

    /// Whether this is the point with these affine coordinates, in constant time.
    pub(crate) fn is(&self, point: &Affine) -> subtle::Choice {
        use subtle::ConstantTimeEq;
        let zz = self.z.square();
        let same = |a: &Residue, b: &Residue| a.as_montgomery().ct_eq(b.as_montgomery());
        same(&self.x, &point.x.mul(&zz))
            & same(&self.y, &point.y.mul(&zz).mul(&self.z))
            & !self.z.as_montgomery().ct_eq(&U1024::ZERO)
    }
}

/// Returns the affine coordinates of many points with one inversion, `None` if one of them is at infinity.
pub(crate) fn all_to_affine<F: Field>(points: &[Jacobian<F>]) -> Option<Vec<[F; 2]>> {
    let mut inverses: Vec<_> = points.iter().map(|point| point.z).collect();
    invert_all(&mut inverses);
    let none_is_zero = inverses.first().is_none_or(|inverse| inverse.unpack(0) != Residue::ZERO);
    none_is_zero.then(|| points.iter().zip(&inverses).map(|(point, inverse)| point.scale(inverse)).collect())
}
