//! Multiples of a fixed base, so that a product costs additions only: no doubling, and no branch or address that
//! depends on the scalar.

use super::field::{Field, Lanes, invert, invert_all};
use super::params::{PAIRED_GENERATOR, Residue};
use super::point::{Affine, Jacobian, all_to_affine};
use super::scalar::{DIGITS, Digits, ODD_MULTIPLES, WINDOW};

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

    /// Returns partial sums of the product with a scalar, a lane each.
    pub(crate) fn product(&self, digits: &Digits) -> Jacobian<F> {
        let [x, y] = self.entry(digits, 0);
        self.add_from(1, digits, Jacobian { x, y, z: F::splat(&Residue::ONE) })
    }

    /// Adds the product with a scalar to partial sums.
    pub(crate) fn add_product(&self, digits: &Digits, sums: Jacobian<F>) -> Jacobian<F> {
        self.add_from(0, digits, sums)
    }

    fn add_from(&self, step: usize, digits: &Digits, mut sums: Jacobian<F>) -> Jacobian<F> {
        for step in step..DIGITS / F::LANES {
            let [x, y] = self.entry(digits, step);
            sums = sums.add_mixed(&x, &y);
        }
        sums
    }

    /// Takes each lane's multiple: reads all of them.
    fn entry(&self, digits: &Digits, step: usize) -> [F; 2] {
        let of_step = &self.entries[step * ODD_MULTIPLES..(step + 1) * ODD_MULTIPLES];
        let [x, mut y] = F::select(of_step, |multiple| chosen::<F>(digits, step, multiple));
        let negated = y.neg();
        y.assign_where(&negated, negative::<F>(digits, step));
        [x, y]
    }
}

/// Returns the lanes whose digit has a magnitude.
fn chosen<F: Field>(digits: &Digits, step: usize, multiple: usize) -> Lanes {
    let is = |lane: usize| {
        let different = digits.index(step * F::LANES + lane) ^ multiple as u8;
        // 1 if no bit of the four differs
        (different.wrapping_sub(1) >> 7) << lane
    };
    Lanes((0..F::LANES).map(is).fold(0, |all, lane| all | lane))
}

fn negative<F: Field>(digits: &Digits, step: usize) -> Lanes {
    let is = |lane: usize| digits.is_negative(step * F::LANES + lane) << lane;
    Lanes((0..F::LANES).map(is).fold(0, |all, lane| all | lane))
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
        let [x, mut y] = F::select(&multiples, |multiple| chosen::<F>(digits, at, multiple));
        let negated = y.neg();
        y.assign_where(&negated, negative::<F>(digits, at));
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

    /// Returns g^k as a + i b, not yet divided: b / a represents it.
    pub(crate) fn power(&self, digits: &Digits) -> [F; 2] {
        let mut product = [F::splat(&Residue::ONE), self.entry(digits, 0)];
        for step in 1..DIGITS / F::LANES {
            let t = self.entry(digits, step);
            let [a, b] = product;
            product = [a.sub(&b.mul(&t)), b.add(&a.mul(&t))];
        }
        let one = F::splat(&Residue::ONE);
        let mut by = F::LANES / 2;
        if by > 0 {
            // Each round has raised the bound of a by 32 (see Field): a product has 2 again.
            product = product.map(|number| number.mul(&one));
        }
        while by > 0 {
            let [a, b] = product;
            let (c, d) = (a.rotate(by), b.rotate(by));
            product = [a.mul(&c).sub(&b.mul(&d)), a.mul(&d).add(&b.mul(&c))];
            by /= 2;
        }
        product
    }

    fn entry(&self, digits: &Digits, step: usize) -> F {
        let of_step = &self.entries[step * ODD_MULTIPLES..(step + 1) * ODD_MULTIPLES];
        let [mut t] = F::select(of_step, |multiple| chosen::<F>(digits, step, multiple));
        // 1 / (1 + i t) is 1 - i t but for a factor in F_p, which does not count.
        let negated = t.neg();
        t.assign_where(&negated, negative::<F>(digits, step));
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
