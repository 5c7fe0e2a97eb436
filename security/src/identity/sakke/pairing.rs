//! The modified Tate-Lichtenbaum pairing (RFC 6508 §3.2), without inversion but for its last step. The pairing is
//! symmetric: the receiver's RSK is the fixed argument, whose lines are computed once.
//!
//! A value is a pair (a, b) for a + i b, up to a factor of F_p; the number b / a represents it. Vertical lines lie in
//! F_p and are left out.

use crypto_bigint::U1024;
use zeroize::{Zeroize, Zeroizing};

use super::field::invert_all;
use super::params::{Residue, order};
use super::point::{Affine, Jacobian};

/// A line through multiples of the fixed point: at (x, y) its value is `slope * x + constant + i y`.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    slope: Residue,
    constant: Residue,
}

impl Zeroize for Line {
    fn zeroize(&mut self) {
        self.slope.zeroize();
        self.constant.zeroize();
    }
}

/// The lines of a fixed point, in the order of the loop: 1372 lines, 343 KiB. As secret as the point.
pub(crate) struct Lines {
    lines: Zeroizing<Vec<Line>>,
}

/// Returns the digits (1, 0, -1) of q in non-adjacent form, the highest first and left out. The last one is left out
/// as well: its line is vertical, since q times the point is the point at infinity.
fn digits() -> impl Iterator<Item = i8> {
    let q = order();
    let triple = q.wrapping_add(&q).wrapping_add(&q);
    let bit = |integer: &U1024, at: u32| i8::from(bool::from(integer.bit(at)));
    (2..triple.bit_width() - 1).rev().map(move |at| bit(&triple, at) - bit(&q, at)).chain([0])
}

impl Lines {
    /// Computes the lines of a point of order q: about 30 000 products, once for a key. The steps depend on q only.
    pub(crate) fn new(point: &Affine) -> Self {
        let negated = Affine { x: point.x, y: point.y.neg() };
        // numerators of slope and constant; what both are divided by
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
                lines.push(line);
                divisors.push(divisor);
                multiple = sum;
            }
        }
        invert_all(&mut divisors);
        for (line, inverse) in lines.iter_mut().zip(divisors.iter()) {
            line.slope = line.slope.mul(inverse);
            line.constant = line.constant.mul(inverse);
        }
        Self { lines }
    }

    /// Pairs the fixed point with another one: 7 534 products. Returns the pair (a, b).
    pub(crate) fn pair(&self, with: &Affine) -> [Residue; 2] {
        let mut lines = self.lines.iter();
        let mut value = [Residue::ONE, Residue::ZERO];
        let mut step = |value: [Residue; 2]| match lines.next() {
            Some(line) => {
                let a = line.slope.mul(&with.x).add(&line.constant);
                multiply(&value, &[a, with.y])
            }
            None => value,
        };
        for digit in digits() {
            value = step(square(&value));
            if digit != 0 {
                value = step(value);
            }
        }
        // to the power of (p + 1) / q = 4
        square(&square(&value))
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
fn multiply([a, b]: &[Residue; 2], [c, d]: &[Residue; 2]) -> [Residue; 2] {
    let (ac, bd) = (a.mul(c), b.mul(d));
    let all = a.add(b).mul(&c.add(d));
    [ac.sub(&bd), all.sub(&ac).sub(&bd)]
}

/// (a + i b)^2 with two products.
fn square([a, b]: &[Residue; 2]) -> [Residue; 2] {
    [a.add(b).mul(&a.sub(b)), a.mul(b).double()]
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
