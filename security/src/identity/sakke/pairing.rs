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

/// The lines of a fixed point: 1021 steps, 351 of them with a chord (299 KiB of numbers with 128 octets, 449 KiB of
/// those with 192). As secret as the point, and wiped when dropped.
pub(crate) struct Lines<F: Zeroize> {
    steps: Vec<Step<F>>,
}

/// Number of lines, the verticals between tangent and chord counted.
const LINES: usize = 1021 + 2 * 351;

/// A line `slope x + constant + i y`.
#[derive(Clone, Copy)]
struct Line<F> {
    slope: F,
    constant: F,
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
        let [x, y] = [point.x, point.y].map(|number| F::splat(&number));
        let negated = y.neg();
        // numerators of slope and constant, by step and with what they are divided by in `divisors`
        let mut lines = Zeroizing::new(Vec::with_capacity(LINES));
        let mut divisors = Zeroizing::new(Vec::with_capacity(LINES));
        let mut multiple = Jacobian { x, y, z: F::splat(&Residue::ONE) };
        for digit in digits() {
            let doubled = multiple.double();
            let (line, divisor) = tangent(&multiple, &doubled);
            lines.push(line);
            divisors.push(divisor);
            multiple = doubled;
            if digit != 0 {
                let y = if digit > 0 { &y } else { &negated };
                let sum = multiple.add_mixed(&x, y);
                let (line, divisor) = chord(&multiple, &sum, [&x, y]);
                lines.extend([line, Line { slope: multiple.x, constant: F::zero() }]);
                divisors.extend([divisor, multiple.z.square()]);
                multiple = sum;
            }
        }
        invert_all(divisors.as_mut_slice());
        let mut lines = lines.iter().zip(divisors.iter()).map(|(line, inverse)| {
            let [slope, constant] = F::mul_each([[&line.slope, inverse], [&line.constant, inverse]]);
            Line { slope, constant }
        });
        let mut next =
            || lines.next().expect("a tangent of each digit, a chord and a vertical of those not 0");
        let steps = digits().map(|digit| {
            let Line { slope, constant } = next();
            if digit == 0 {
                return Step { linear: slope, constant, slopes: None };
            }
            let (chord, vertical) = (next(), next().slope);
            Step::join(&Line { slope, constant }, &chord, &vertical)
        });
        Self { steps: steps.collect() }
    }

    /// Pairs the fixed point with another one: 6 477 products. Returns the pair (a, b).
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
    /// Multiplies a tangent at R, a chord through 2 R, and divides by the vertical line x + X of 2 R. With y^2 = x^3 - 3x
    /// the product is -x^3 + s t x^2 + .. + i (s + t)(x + X) y of the slopes s and t, and x + X divides both parts.
    fn join(tangent: &Line<F>, chord: &Line<F>, vertical: &F) -> Self {
        let one = F::splat(&Residue::ONE);
        let [product, left, right] = F::mul_each([
            [&tangent.slope, &chord.slope],
            [&tangent.slope, &chord.constant],
            [&chord.slope, &tangent.constant],
        ]);
        let linear = product.add(vertical);
        let sum = left.add(&right).add(&one.double().add(&one));
        let constant = sum.sub(&linear.mul(vertical));
        Self { linear, constant, slopes: Some(tangent.slope.add(&chord.slope)) }
    }
}

impl<F: Zeroize> Zeroize for Line<F> {
    fn zeroize(&mut self) {
        self.slope.zeroize();
        self.constant.zeroize();
    }
}

/// The tangent in a point, and what its slope and constant are still to be divided by: 2 Y Z^3.
fn tangent<F: Field>(at: &Jacobian<F>, doubled: &Jacobian<F>) -> (Line<F>, F) {
    let [zz, yy] = F::mul_each([[&at.z, &at.z], [&at.y, &at.y]]);
    let product = at.x.sub(&zz).mul(&at.x.add(&zz));
    let m = product.double().add(&product);
    let [slope, constant, divisor] = F::mul_each([[&m, &zz], [&m, &at.x], [&doubled.z, &zz]]);
    (Line { slope, constant: constant.sub(&yy.double()) }, divisor)
}

/// The line through a point and an affine one, and what its slope and constant are still to be divided by.
fn chord<F: Field>(at: &Jacobian<F>, sum: &Jacobian<F>, [x, y]: [&F; 2]) -> (Line<F>, F) {
    let slope = y.mul(&at.z.mul(&at.z.square())).sub_far(&at.y);
    let [left, right] = F::mul_each([[&slope, x], [y, &sum.z]]);
    (Line { slope, constant: left.sub(&right) }, sum.z)
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
        assert_eq!((doublings, adds), (1021, 351));
    }
}
