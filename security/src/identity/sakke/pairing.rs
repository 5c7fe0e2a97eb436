//! The modified Tate-Lichtenbaum pairing (RFC 6508 §3.2), without inversion but for its last step. The pairing is
//! symmetric: the receiver's RSK is the fixed argument, whose lines are computed once.
//!
//! A value is a pair (a, b) for a + i b, up to a factor of F_p; the number b / a represents it. Vertical lines lie in
//! F_p and are left out.

use crypto_bigint::U1024;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::field::{Field, invert_all};
use super::params::{Residue, order};
use super::point::{Affine, Jacobian};

/// What a step multiplies the squared value with, at a point (x, y): `linear x + constant + i y` of a tangent, or the
/// product of a tangent and a chord, without the vertical line in between: `linear x + constant - x^2 + i slopes y`.
struct Step<F: Zeroize> {
    linear: F,
    constant: F,
    slopes: Option<F>,
}

impl<F: Zeroize> Drop for Step<F> {
    fn drop(&mut self) {
        self.linear.zeroize();
        self.constant.zeroize();
        self.slopes.zeroize();
    }
}

impl<F: Zeroize> ZeroizeOnDrop for Step<F> {}

/// The lines of a fixed point: 1021 steps, 353 of them with a chord (299 KiB of numbers with 128 octets, 449 KiB of
/// those with 192). As secret as the point, and wiped when dropped.
pub(crate) struct Lines<F: Zeroize> {
    steps: Vec<Step<F>>,
}

/// A line `slope x + constant + i y`.
#[derive(Clone, Copy)]
struct Line {
    slope: Residue,
    constant: Residue,
}

/// Returns the digits (1, 0, -1) of q in non-adjacent form, the highest first and left out. The last one is left out
/// as well: its line is vertical, since q times the point is the point at infinity.
fn digits() -> impl Iterator<Item = i8> {
    let q = order();
    let triple = q.wrapping_add(&q).wrapping_add(&q);
    let bit = |integer: &U1024, at: u32| i8::from(bool::from(integer.bit(at)));
    (2..triple.bit_width() - 1).rev().map(move |at| bit(&triple, at) - bit(&q, at)).chain([0])
}

impl<F: Field + Zeroize> Lines<F> {
    /// Computes the lines of a point of order q: about 30 000 products, once for a key. The steps depend on q only.
    pub(crate) fn new(point: &Affine) -> Self {
        let negated = Affine { x: point.x, y: point.y.neg() };
        // numerators of slope and constant, by step and with what they are divided by in `divisors`
        let mut lines = Zeroizing::new(Vec::new());
        let mut divisors = Zeroizing::new(Vec::new());
        let mut multiple = Jacobian::from(*point);
        for digit in digits() {
            let doubled = multiple.double();
            let (line, divisor) = tangent(&multiple, &doubled);
            lines.push(line);
            divisors.push(divisor);
            multiple = doubled;
            if digit != 0 {
                let other = if digit > 0 { point } else { &negated };
                let sum = multiple.add_affine(other);
                let (line, divisor) = chord(&multiple, &sum, other);
                lines.extend([line, Line { slope: multiple.x, constant: Residue::ZERO }]);
                divisors.extend([divisor, multiple.z.square()]);
                multiple = sum;
            }
        }
        invert_all(&mut divisors);
        let mut lines = lines.iter().zip(divisors.iter()).map(|(line, inverse)| Line {
            slope: line.slope.mul(inverse),
            constant: line.constant.mul(inverse),
        });
        let mut next =
            || lines.next().expect("a tangent of each digit, a chord and a vertical of those not 0");
        let steps = digits().map(|digit| {
            let tangent = next();
            if digit == 0 {
                return Step::pack(&tangent.slope, &tangent.constant, None);
            }
            let (chord, vertical) = (next(), next().slope);
            Step::join(&tangent, &chord, &vertical)
        });
        Self { steps: steps.collect() }
    }

    /// Pairs the fixed point with another one: 6 479 products. Returns the pair (a, b).
    pub(crate) fn pair(&self, with: &Affine) -> [Residue; 2] {
        let [x, y] = [with.x, with.y].map(|number| F::splat(&number));
        let xx = x.square();
        let [mut a, mut b] = [Residue::ONE, Residue::ZERO].map(|number| F::splat(&number));
        for step in &self.steps {
            // Bounds: a and b up to 34 before the step; see Field.
            let (sum, difference) = (a.add(&b), a.sub_far(&b));
            let (squared, factor) = match &step.slopes {
                None => {
                    let [c, ab, linear] = F::mul_each([[&sum, &difference], [&a, &b], [&step.linear, &x]]);
                    ([c, ab.double()], [linear.add(&step.constant), y])
                }
                Some(slopes) => {
                    let [c, ab, linear, d] =
                        F::mul_each([[&sum, &difference], [&a, &b], [&step.linear, &x], [slopes, &y]]);
                    ([c, ab.double()], [linear.add(&step.constant).sub(&xx), d])
                }
            };
            [a, b] = multiply(&squared, &factor);
        }
        // to the power of (p + 1) / q = 4
        for _ in 0..2 {
            let (sum, difference) = (a.add(&b), a.sub_far(&b));
            let [c, ab] = F::mul_each([[&sum, &difference], [&a, &b]]);
            [a, b] = [c, ab.double()];
        }
        [a.unpack(0), b.unpack(0)]
    }
}

impl<F: Field + Zeroize> Step<F> {
    fn pack(linear: &Residue, constant: &Residue, slopes: Option<&Residue>) -> Self {
        Self { linear: F::splat(linear), constant: F::splat(constant), slopes: slopes.map(F::splat) }
    }

    /// Multiplies a tangent at R, a chord through 2 R, and divides by the vertical line x + X of 2 R. With y^2 = x^3 - 3x
    /// the product is -x^3 + s t x^2 + .. + i (s + t)(x + X) y of the slopes s and t, and x + X divides both parts.
    fn join(tangent: &Line, chord: &Line, vertical: &Residue) -> Self {
        let three = Residue::ONE.double().add(&Residue::ONE);
        let linear = tangent.slope.mul(&chord.slope).add(vertical);
        let mixed = tangent.slope.mul(&chord.constant).add(&chord.slope.mul(&tangent.constant));
        let constant = mixed.add(&three).sub(&linear.mul(vertical));
        Self::pack(&linear, &constant, Some(&tangent.slope.add(&chord.slope)))
    }
}

impl Zeroize for Line {
    fn zeroize(&mut self) {
        self.slope.zeroize();
        self.constant.zeroize();
    }
}

/// The tangent in a point, and what its slope and constant are still to be divided by: 2 Y Z^3.
fn tangent(at: &Jacobian<Residue>, doubled: &Jacobian<Residue>) -> (Line, Residue) {
    let zz = at.z.square();
    let product = at.x.sub(&zz).mul(&at.x.add(&zz));
    let m = product.double().add(&product);
    let line = Line { slope: m.mul(&zz), constant: m.mul(&at.x).sub(&at.y.square().double()) };
    (line, doubled.z.mul(&zz))
}

/// The line through a point and an affine one, and what its slope and constant are still to be divided by.
fn chord(at: &Jacobian<Residue>, sum: &Jacobian<Residue>, other: &Affine) -> (Line, Residue) {
    let r = other.y.mul(&at.z.mul(&at.z.square())).sub(&at.y);
    (Line { slope: r, constant: r.mul(&other.x).sub(&other.y.mul(&sum.z)) }, sum.z)
}

/// (a + i b)(c + i d) with three products.
fn multiply<F: Field>([a, b]: &[F; 2], [c, d]: &[F; 2]) -> [F; 2] {
    let (left, right) = (a.add(b), c.add(d));
    let [ac, bd, all] = F::mul_each([[a, c], [b, d], [&left, &right]]);
    [ac.sub(&bd), all.sub(&ac.add(&bd))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_make_q_without_the_last_one() {
        let mut sum = U1024::ONE;
        let (mut adds, mut doublings) = (0, 0);
        for digit in digits() {
            sum = sum.wrapping_add(&sum);
            doublings += 1;
            match digit {
                1 => sum = sum.wrapping_add(&U1024::ONE),
                -1 => sum = sum.wrapping_sub(&U1024::ONE),
                _ => continue,
            }
            adds += 1;
        }
        assert_eq!(sum, order().wrapping_add(&U1024::ONE));
        assert_eq!(adds + doublings, 1372);
    }
}
