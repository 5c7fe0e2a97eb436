//! Multiples of a fixed base, so that a product costs additions only: no doubling, and no branch or address that
//! depends on the scalar.

use zeroize::Zeroizing;

use super::field::{Field, Lanes, invert, invert_all};
use super::params::{PAIRED_GENERATOR, Residue};
use super::point::{Affine, Jacobian, all_to_affine};
use super::scalar::{DIGITS, Digits, ODD_MULTIPLES, WINDOW};
use super::sum::{sum_by_lane, sum_of_all};

/// The odd multiples 1, 3 .. 31 of 32^i times a point, for each of the 208 digits i: 3328 points (832 KiB of numbers
/// with 128 octets, 1040 KiB of those with 160).
pub(crate) struct PointTable<F> {
    /// By step (LANES digits side by side) and multiple.
    entries: Vec<[F; 2]>,
}

impl<F: Field> PointTable<F> {
    /// Computes the multiples of a point of order q.
    pub(crate) fn new(base: &Affine) -> Self {
        let [ones, twos] = powers_of_32::<F::Single>(base);
        let one = F::splat(&Residue::ONE);
        let mut all = Vec::with_capacity(DIGITS / F::LANES * ODD_MULTIPLES);
        for step in 0..DIGITS / F::LANES {
            let lanes = |of: &[Affine], take: fn(&Affine) -> Residue| {
                F::pack(|lane| take(&of[step * F::LANES + lane]))
            };
            let [two_x, two_y] = [lanes(&twos, |two| two.x), lanes(&twos, |two| two.y)];
            let mut multiple =
                Jacobian { x: lanes(&ones, |one| one.x), y: lanes(&ones, |one| one.y), z: one };
            for _ in 0..ODD_MULTIPLES {
                all.push(multiple);
                multiple = multiple.add_mixed(&two_x, &two_y);
            }
        }
        let entries = all_to_affine(&all).expect("a point of order q has no small multiple at infinity");
        Self { entries }
    }

    /// Returns the product with a scalar.
    pub(crate) fn product(&self, digits: &Digits) -> Jacobian<Residue> {
        let mut points = no_points(steps::<F>());
        self.take(digits, &mut points);
        sum_of_all(points).lane(0)
    }

    /// Returns the sums of a product each with two tables.
    pub(crate) fn sums_of_products(of: [(&Self, &[Digits]); 2]) -> Vec<Jacobian<Residue>> {
        let mut sums = Vec::with_capacity(of[0].1.len());
        let chunks = of[0].1.chunks(F::LANES).zip(of[1].1.chunks(F::LANES));
        for (first, second) in chunks {
            let both = [(of[0].0, first), (of[1].0, second)];
            if first.len() * 2 > F::LANES {
                sums.extend(Self::sums_by_lane(both).lanes().take(first.len()));
            } else {
                sums.extend(first.iter().zip(second).map(|(first, second)| {
                    let mut points = no_points(2 * steps::<F>());
                    of[0].0.take(first, &mut points);
                    of[1].0.take(second, &mut points);
                    sum_of_all(points).lane(0)
                }));
            }
        }
        sums
    }

    /// The same with a scalar for each lane; lanes without one have the last.
    fn sums_by_lane(of: [(&Self, &[Digits]); 2]) -> Jacobian<F> {
        let mut points = no_points(2 * DIGITS);
        for (table, digits) in of {
            for (step, of_step) in table.entries.chunks(ODD_MULTIPLES).enumerate() {
                // One coordinate after the other: half of the step is what the first cache holds.
                let from = points.len();
                for lane in 0..F::LANES {
                    let digit = Digit::of_each::<F>(digits, step * F::LANES + lane);
                    let x = F::select_of_lane(of_step, 0, lane, |multiple| digit.chosen(multiple));
                    points.push([x, x]);
                }
                for (lane, [_, y]) in points[from..].iter_mut().enumerate() {
                    let digit = Digit::of_each::<F>(digits, step * F::LANES + lane);
                    *y = F::select_of_lane(of_step, 1, lane, |multiple| digit.chosen(multiple));
                    let negated = y.neg();
                    y.assign_where(&negated, digit.negative);
                }
            }
        }
        sum_by_lane(points)
    }

    /// Takes the multiples that make the product with a scalar, [`Field::LANES`] at a time.
    fn take(&self, digits: &Digits, points: &mut Vec<[F; 2]>) {
        points.extend((0..DIGITS / F::LANES).map(|step| self.entry(digits, step)));
    }

    /// Takes each lane's multiple: reads all of them.
    fn entry(&self, digits: &Digits, step: usize) -> [F; 2] {
        let of_step = &self.entries[step * ODD_MULTIPLES..(step + 1) * ODD_MULTIPLES];
        let digit = Digit::of_step::<F>(digits, step);
        let [x, mut y] = F::select(of_step, |multiple| digit.chosen(multiple));
        let negated = y.neg();
        y.assign_where(&negated, digit.negative);
        [x, y]
    }
}

/// Steps of a table: [`Field::LANES`] digits side by side.
const fn steps<F: Field>() -> usize {
    DIGITS / F::LANES
}

fn no_points<F: Field>(capacity: usize) -> Zeroizing<Vec<[F; 2]>> {
    Zeroizing::new(Vec::with_capacity(capacity))
}

/// A digit in each lane, bit by bit.
struct Digit {
    index: [u8; WINDOW - 1],
    negative: Lanes,
}

impl Digit {
    /// Takes a step's digits of a scalar.
    fn of_step<F: Field>(digits: &Digits, step: usize) -> Self {
        Self::new::<F>(|lane| (digits, step * F::LANES + lane))
    }

    /// Takes one digit of each scalar; lanes without one have the last.
    fn of_each<F: Field>(digits: &[Digits], at: usize) -> Self {
        Self::new::<F>(|lane| (&digits[lane.min(digits.len() - 1)], at))
    }

    fn new<'a, F: Field>(of_lane: impl Fn(usize) -> (&'a Digits, usize)) -> Self {
        let (mut index, mut negative) = ([0; WINDOW - 1], 0);
        for lane in 0..F::LANES {
            let (digits, at) = of_lane(lane);
            let own = digits.index(at);
            for (bit, lanes) in index.iter_mut().enumerate() {
                *lanes |= (own >> bit & 1) << lane;
            }
            negative |= digits.is_negative(at) << lane;
        }
        Self { index, negative: Lanes(negative) }
    }

    /// Returns the lanes whose digit has the magnitude of this index.
    fn chosen(&self, magnitude: usize) -> Lanes {
        let differ = |bit: usize| self.index[bit] ^ ((magnitude >> bit & 1) as u8).wrapping_neg();
        Lanes(!(0..WINDOW - 1).fold(0, |all, bit| all | differ(bit)))
    }
}

/// Returns 32^i times a point of order q and twice that, by i.
fn powers_of_32<F: Field>(base: &Affine) -> [Vec<Affine>; 2] {
    let [x, y] = [base.x, base.y].map(|number| F::splat(&number));
    let mut power = Jacobian { x, y, z: F::splat(&Residue::ONE) };
    let (mut ones, mut twos) = (Vec::with_capacity(2 * DIGITS), Vec::with_capacity(DIGITS));
    for _ in 0..DIGITS {
        let two = power.double();
        ones.push(power);
        twos.push(two);
        power = (1..WINDOW).fold(two, |power, _| power.double());
    }
    ones.append(&mut twos);
    let all = all_to_affine(&ones).expect("a point of order q has no multiple by 2 at infinity");
    let mut ones: Vec<_> = all.iter().map(|[x, y]| Affine { x: x.unpack(0), y: y.unpack(0) }).collect();
    let twos = ones.split_off(DIGITS);
    [ones, twos]
}

/// Multiplies a point that has no table, in constant time.
pub(crate) fn multiply<F: Field>(base: &Affine, digits: &Digits) -> Option<Jacobian<Residue>> {
    let two = Jacobian::from(*base).double().to_affine()?;
    let [x, y, two_x, two_y] = [base.x, base.y, two.x, two.y].map(|number| F::splat(&number));
    let mut multiple = Jacobian { x, y, z: F::splat(&Residue::ONE) };
    let mut multiples = Vec::with_capacity(ODD_MULTIPLES);
    for _ in 0..ODD_MULTIPLES {
        multiples.push(multiple);
        multiple = multiple.add_mixed(&two_x, &two_y);
    }
    let multiples = all_to_affine(&multiples)?;
    let entry = |at: usize| {
        let digit = Digit::of_step::<F>(digits, at);
        let [x, mut y] = F::select(&multiples, |multiple| digit.chosen(multiple));
        let negated = y.neg();
        y.assign_where(&negated, digit.negative);
        [x, y]
    };
    let [x, y] = entry(DIGITS - 1);
    let mut sum = Jacobian { x, y, z: F::splat(&Residue::ONE) };
    for at in (0..DIGITS - 1).rev() {
        let [x, y] = entry(at);
        sum = (0..WINDOW).fold(sum, |sum, _| sum.double()).add_mixed(&x, &y);
    }
    Some(sum.lane(0))
}

/// The powers of g as 1 + i t, for each digit: 3328 numbers.
pub(crate) struct PowerTable<F> {
    entries: Vec<[F; 1]>,
}

impl<F: Field> PowerTable<F> {
    /// Computes the powers of g.
    pub(crate) fn new() -> Self {
        let powers = powers();
        let number = |at: usize| {
            let (step, multiple) = (at / ODD_MULTIPLES, at % ODD_MULTIPLES);
            [F::pack(|lane| powers[(step * F::LANES + lane) * ODD_MULTIPLES + multiple])]
        };
        Self { entries: (0..DIGITS / F::LANES * ODD_MULTIPLES).map(number).collect() }
    }

    /// Returns g^k as a + i b for each k, not yet divided: b / a represents it.
    pub(crate) fn powers(&self, digits: &[Digits]) -> Vec<[Residue; 2]> {
        let mut powers = Vec::with_capacity(digits.len());
        for digits in digits.chunks(F::LANES) {
            if digits.len() * 2 > F::LANES {
                let entries = (0..DIGITS).map(|at| self.entry_of_all(digits, at));
                let [a, b] = Self::product(entries).map(|numbers| numbers.unpack_all());
                powers.extend(a.iter().zip(b.iter()).map(|(a, b)| [*a, *b]).take(digits.len()));
            } else {
                powers.extend(digits.iter().map(|digits| {
                    let entries = (0..steps::<F>()).map(|step| self.entry(digits, step));
                    Self::fold(&Self::product(entries)).map(|number| number.unpack(0))
                }));
            }
        }
        powers
    }

    /// Returns the product of 1 + i t for each t, in each lane. It has bounds up to 34 (see [`Field`]).
    fn product(entries: impl Iterator<Item = F>) -> [F; 2] {
        let one = F::splat(&Residue::ONE);
        let (mut a, mut b) = (one, F::zero());
        for t in entries {
            let (at, bt) = (a.mul(&t), b.mul(&t));
            a = a.sub(&bt);
            b = b.add(&at);
        }
        // Each round has raised the bound of a by 32: a product has 2 again.
        [a.mul(&one), b.mul(&one)]
    }

    /// Returns the product of all lanes, in each lane.
    fn fold(product: &[F; 2]) -> [F; 2] {
        let (mut product, mut by) = (*product, F::LANES / 2);
        while by > 0 {
            let [a, b] = product;
            let (c, d) = (a.rotate(by), b.rotate(by));
            product = [a.mul(&c).sub(&b.mul(&d)), a.mul(&d).add(&b.mul(&c))];
            by /= 2;
        }
        product
    }

    fn entry_of_all(&self, digits: &[Digits], at: usize) -> F {
        let of_step = &self.entries[at / F::LANES * ODD_MULTIPLES..][..ODD_MULTIPLES];
        let digit = Digit::of_each::<F>(digits, at);
        let mut t = F::select_of_lane(of_step, 0, at % F::LANES, |multiple| digit.chosen(multiple));
        let negated = t.neg();
        t.assign_where(&negated, digit.negative);
        t
    }

    fn entry(&self, digits: &Digits, step: usize) -> F {
        let of_step = &self.entries[step * ODD_MULTIPLES..(step + 1) * ODD_MULTIPLES];
        let digit = Digit::of_step::<F>(digits, step);
        let [mut t] = F::select(of_step, |multiple| digit.chosen(multiple));
        // 1 / (1 + i t) is 1 - i t but for a factor in F_p, which does not count.
        let negated = t.neg();
        t.assign_where(&negated, digit.negative);
        t
    }
}

fn powers() -> Vec<Residue> {
    let multiply =
        |[a, b]: [Residue; 2], [c, d]: [Residue; 2]| [a.mul(&c).sub(&b.mul(&d)), a.mul(&d).add(&b.mul(&c))];
    let mut power = [Residue::ONE, PAIRED_GENERATOR];
    let mut all = Vec::with_capacity(DIGITS * ODD_MULTIPLES);
    for _ in 0..DIGITS {
        let square = multiply(power, power);
        let mut odd = power;
        for _ in 0..ODD_MULTIPLES {
            all.push(odd);
            odd = multiply(odd, square);
        }
        power = (1..WINDOW).fold(square, |power, _| multiply(power, power));
        // Back to 1 + i t: numbers with a common factor would do too, but t is at hand.
        let t = power[1].mul(&invert(&power[0]));
        power = [Residue::ONE, t];
    }
    let mut inverses: Vec<_> = all.iter().map(|[a, _]| *a).collect();
    invert_all(&mut inverses);
    all.iter().zip(&inverses).map(|([_, b], inverse)| b.mul(inverse)).collect()
}

/// Tables of P and g.
pub(crate) struct Fixed<F> {
    pub(crate) generator: PointTable<F>,
    pub(crate) paired: PowerTable<F>,
}

impl<F: Field> Fixed<F> {
    /// Computes both.
    pub(crate) fn new() -> Self {
        Self { generator: PointTable::new(&Affine::GENERATOR), paired: PowerTable::new() }
    }
}
