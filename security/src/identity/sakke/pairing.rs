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

/// What a step multiplies the squared value with, at a point (x, y) with Y = i y: the lines of one digit or two.
/// Coefficients stand with the lowest power first.
enum Step<F: Zeroize> {
    /// A digit 0, a tangent: c0 + c1 x + Y.
    Tangent([F; 2]),
    /// Two digits 0, the value squared twice: c0 + c1 x + c2 x^2 + Y (c3 - x).
    Tangents([F; 4]),
    /// A digit 0 and one that is not, the value squared twice: c0 + c1 x + c2 x^2 + x^3 + Y (c3 + c4 x).
    Chord([F; 5]),
}

impl<F: Zeroize> Drop for Step<F> {
    fn drop(&mut self) {
        match self {
            Self::Tangent(numbers) => numbers.zeroize(),
            Self::Tangents(numbers) => numbers.zeroize(),
            Self::Chord(numbers) => numbers.zeroize(),
        }
    }
}

impl<F: Zeroize> ZeroizeOnDrop for Step<F> {}

/// The lines of a fixed point: 562 steps for 1021 digits (356 KiB of numbers with 128 octets, 562 KiB of those with
/// 192). As secret as the point, and wiped when dropped.
pub(crate) struct Lines<F: Zeroize> {
    steps: Vec<Step<F>>,
}

/// Number of lines: a tangent and a vertical for each digit, and a chord for those that are not 0.
const LINES: usize = 2 * 1021 + 351;

/// A line `slope x + constant + Y`.
#[derive(Clone, Copy)]
struct Line<F> {
    slope: F,
    constant: F,
}

impl<F: Zeroize> Zeroize for Line<F> {
    fn zeroize(&mut self) {
        self.slope.zeroize();
        self.constant.zeroize();
    }
}

/// The lines of a digit.
struct OfDigit<F> {
    tangent: Line<F>,
    /// X of the doubled point, whose vertical line is x + X.
    vertical: F,
    chord: Option<Line<F>>,
}

/// Returns the digits (1, 0, -1) of q in non-adjacent form, the highest first and left out. The last one is left out
/// as well: its line is vertical, since q times the point is the point at infinity.
fn digits() -> impl Iterator<Item = i8> {
    let q = order();
    let triple = q.wrapping_add(&q).wrapping_add(&q);
    let bit = |integer: &U1024, at: u32| i8::from(bool::from(integer.bit(at)));
    (2..triple.bit_width() - 1).rev().map(move |at| bit(&triple, at) - bit(&q, at)).chain([0])
}

/// Returns the digits step by step: one that is not 0 with the 0 before it, the other ones two by two as far as they go.
fn digits_by_step() -> impl Iterator<Item = Vec<i8>> {
    let digits: Vec<i8> = digits().collect();
    let runs: Vec<_> = digits.split_inclusive(|digit| *digit != 0).map(<[i8]>::to_vec).collect();
    runs.into_iter().flat_map(|run| {
        let ends = usize::from(run.last() != Some(&0));
        let (zeros, chord) = run.split_at(run.len() - 2 * ends);
        let steps = zeros.chunks(2).chain((ends == 1).then_some(chord)).map(<[i8]>::to_vec);
        steps.collect::<Vec<_>>()
    })
}

impl<F: Field + Zeroize> Lines<F> {
    /// Computes the lines of a point of order q: about 35 000 products, once for a key. The steps depend on q only.
    pub(crate) fn new(point: &Affine) -> Self {
        let [x, y] = [point.x, point.y].map(|number| F::splat(&number));
        let negated = y.neg();
        // numerators of slope and constant, by step and with what they are divided by in `divisors`
        let mut lines = Zeroizing::new(Vec::with_capacity(LINES));
        let mut divisors = Zeroizing::new(Vec::with_capacity(LINES));
        let mut multiple = Zeroizing::new(Jacobian { x, y, z: F::splat(&Residue::ONE) });
        for digit in digits() {
            let doubled = multiple.double();
            let (line, divisor) = tangent(&multiple, &doubled);
            lines.extend([line, Line { slope: doubled.x, constant: F::zero() }]);
            divisors.extend([divisor, doubled.z.square()]);
            *multiple = doubled;
            if digit != 0 {
                let y = if digit > 0 { &y } else { &negated };
                let sum = multiple.add_mixed(&x, y);
                let (line, divisor) = chord(&multiple, &sum, [&x, y]);
                lines.push(line);
                divisors.push(divisor);
                *multiple = sum;
            }
        }
        invert_all(divisors.as_mut_slice());
        let mut lines = lines.iter().zip(divisors.iter()).map(|(line, inverse)| {
            let [slope, constant] = F::mul_each([[&line.slope, inverse], [&line.constant, inverse]]);
            Line { slope, constant }
        });
        let mut next =
            || lines.next().expect("a tangent and a vertical of each digit, a chord of those not 0");
        let mut of_digit = |digit: i8| OfDigit {
            tangent: next(),
            vertical: next().slope,
            chord: (digit != 0).then(&mut next),
        };
        let steps = digits_by_step().map(|digits| {
            let first = of_digit(digits[0]);
            match digits.get(1) {
                None => Step::Tangent([first.tangent.constant, first.tangent.slope]),
                Some(digit) => Step::join(&first, &of_digit(*digit)),
            }
        });
        Self { steps: steps.collect() }
    }

    /// Pairs the fixed point with another one: 5 566 products. Returns the pair (a, b).
    pub(crate) fn pair(&self, with: &Affine) -> [Residue; 2] {
        let [x, y] = [with.x, with.y].map(|number| F::splat(&number));
        let (xx, xy) = (x.square(), x.mul(&y));
        let xxx = xx.mul(&x);
        let [mut a, mut b] = [Residue::ONE, Residue::ZERO].map(|number| F::splat(&number));
        for step in &self.steps {
            // Bounds: a and b up to 34 before the step, coefficients up to 162; see Field.
            let (sum, difference) = (a.add(&b), a.sub_far(&b));
            let (squared, factor) = match step {
                Step::Tangent([c0, c1]) => {
                    let [c, ab, x] = F::mul_each([[&sum, &difference], [&a, &b], [c1, &x]]);
                    ([c, ab.double()], [x.add(c0), y])
                }
                Step::Tangents([c0, c1, c2, c3]) => {
                    let [c, ab, x, xx, y] =
                        F::mul_each([[&sum, &difference], [&a, &b], [c1, &x], [c2, &xx], [c3, &y]]);
                    (square([c, ab.double()]), [x.add(&xx).add(c0), y.sub(&xy)])
                }
                Step::Chord([c0, c1, c2, c3, c4]) => {
                    let [c, ab, x, xx, y, xy] = F::mul_each([
                        [&sum, &difference],
                        [&a, &b],
                        [c1, &x],
                        [c2, &xx],
                        [c3, &y],
                        [c4, &xy],
                    ]);
                    (square([c, ab.double()]), [x.add(&xx).add(c0).add(&xxx), y.add(&xy)])
                }
            };
            [a, b] = multiply(&squared, &factor);
        }
        // to the power of (p + 1) / q = 4
        [a, b] = square(square([a, b]));
        [a.unpack(0), b.unpack(0)]
    }
}

impl<F: Field + Zeroize> Step<F> {
    /// Squares the tangent of the first digit, 0, and multiplies with the lines of the second, without the verticals in
    /// between.
    fn join(first: &OfDigit<F>, second: &OfDigit<F>) -> Self {
        let one = F::splat(&Residue::ONE);
        let Line { slope: s, constant: c } = &first.tangent;
        let x = &first.vertical;
        // The squared tangent, with Y^2 = 3 x - x^3: cc + u x + ss x^2 - x^3 + Y (2 c + 2 s x).
        let [ss, cc, sc, xx] = F::mul_each([[s, s], [c, c], [s, c], [x, x]]);
        let u = sc.double().add(&one.double().add(&one));
        // Bounds of what it returns: up to 162 (see Field). Coefficients of the product, the highest first, are a4, a3 .. and b2;
        // (x + X)^2 = x^2 + 2 X x + X^2 divides it.
        match &second.chord {
            None => {
                let Line { slope: t, constant: d } = &second.tangent;
                let [sst, st, ssd, ut] = F::mul_each([[&ss, t], [s, t], [&ss, d], [&u, t]]);
                let a4 = F::zero().sub(&t.add(&s.double()));
                let a3 = sst.sub(&d.add(&c.double()));
                let a2 = ut.add(&ssd).add(&times_6(s));
                let b2 = ss.add(&st.double());
                let [x_a4, xx_a4] = F::mul_each([[x, &a4], [&xx, &a4]]);
                let c1 = a3.sub(&x_a4.double());
                let c0 = a2.sub(&x.mul(&c1).double().add(&xx_a4));
                Self::Tangents([c0, c1, a4, b2.add(&x.double())])
            }
            Some(chord) => {
                let [l, k, t] = join_chord(&second.tangent, chord, &second.vertical);
                let [ssl, sl, sst, st] = F::mul_each([[&ss, &l], [s, &l], [&ss, &t], [s, &t]]);
                let [ssk, ul, ct] = F::mul_each([[&ss, &k], [&u, &l], [c, &t]]);
                let a4 = F::zero().sub(&l.add(&ss).add(&st.double()));
                let a3 = ssl.sub_far(&k.add(&u).add(&ct.double()));
                let a2 = ssk.add(&ul).add(&times_6(&st));
                let c4 = F::zero().sub(&t.add(&s.double()));
                let c2 = a4.sub(&x.double());
                let [x_c2, xx_c2, x_c4] = F::mul_each([[x, &c2], [&xx, &c2], [x, &c4]]);
                let c1 = a3.sub(&x_c2.double().add(&xx));
                let c0 = a2.sub(&x.mul(&c1).double().add(&xx_c2).add(&cc));
                let c3 = sst.add(&sl.double()).sub(&c.double().add(&x_c4.double()));
                Self::Chord([c0, c1, c2, c3, c4])
            }
        }
    }
}

fn times_6<F: Field>(number: &F) -> F {
    number.double().add(number).double()
}

/// Multiplies a tangent at R, a chord through 2 R, and divides by the vertical line x + X of 2 R: the product is
/// -x^3 + s t x^2 + .. + Y (s + t)(x + X) of the slopes s and t, and x + X divides both parts. Returns `linear`,
/// `constant` and `slopes` of -x^2 + linear x + constant + Y slopes.
fn join_chord<F: Field>(tangent: &Line<F>, chord: &Line<F>, vertical: &F) -> [F; 3] {
    let one = F::splat(&Residue::ONE);
    let [product, left, right] = F::mul_each([
        [&tangent.slope, &chord.slope],
        [&tangent.slope, &chord.constant],
        [&chord.slope, &tangent.constant],
    ]);
    let linear = product.add(vertical);
    let sum = left.add(&right).add(&one.double().add(&one));
    let constant = sum.sub(&linear.mul(vertical));
    [linear, constant, tangent.slope.add(&chord.slope)]
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

/// (a + i b)^2 with two products.
fn square<F: Field>([a, b]: [F; 2]) -> [F; 2] {
    let (sum, difference) = (a.add(&b), a.sub_far(&b));
    let [c, ab] = F::mul_each([[&sum, &difference], [&a, &b]]);
    [c, ab.double()]
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
    #[test]
    fn steps_have_all_digits_in_order() {
        let steps: Vec<_> = digits_by_step().collect();
        assert_eq!(steps.concat(), digits().collect::<Vec<_>>());
        let count = |like: fn(&[i8]) -> bool| steps.iter().filter(|step| like(step)).count();
        let chords = count(|step| matches!(step, [0, 1 | -1]));
        let (pairs, single) = (count(|step| matches!(step, [0, 0])), count(|step| matches!(step, [0])));
        assert_eq!((chords, pairs + single), (351, steps.len() - 351));
        assert_eq!((pairs, single), (108, 103));
    }
}
