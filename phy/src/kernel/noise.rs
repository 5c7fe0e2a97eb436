//! Gaussian noise in lanes of 32 bits, the same bits on every machine.
//!
//! ```text
//! 16 generators, one a lane -> halves of 16 bits -> a polynomial each: nearly Gaussian, |y| < 2.91
//!   -> 16 rows of 16 lanes -> Hadamard transform over the rows / 4 -> 128 complex samples
//! ```
//!
//! The transform is orthogonal: what goes in white comes out white, with the same power. Each value is the sum of 16
//! independent ones whose cumulants of order 4 and 6 are 0, which leaves an 8th of -13.6 / 16³: the tail beyond
//! 4.5 standard deviations is 0.1 % too light, that beyond 5.5 is 2 %; the largest value is 11.6.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;

use super::Backend;
use crate::Sample;

/// Generators side by side.
const LANES: usize = 16;

/// Values that are transformed together.
const ROWS: usize = 16;

/// Samples that are made at a time.
pub(crate) const CHUNK: usize = ROWS * LANES / 2;

/// `y = u (A + B u⁴ + C u⁸)` of a uniform `u` in (-1, 1) has the moments 1, 3 and 15 of order 2, 4 and 6.
const SHAPE: [f32; 3] = [1.688_540_4, -2.136_580_3, 3.351_578_2];

/// xoshiro128++ 1.0 in every lane (D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", ACM Trans.
/// Math. Softw. 47(4), 2021).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generators([[u32; LANES]; 4]);

impl Generators {
    /// 64-bit words of a state.
    pub(crate) const SEEDS: usize = 2 * LANES;

    /// Makes generators from uniform bits.
    pub(crate) fn new(seeds: &[u64; Self::SEEDS]) -> Self {
        Self(core::array::from_fn(|word| {
            core::array::from_fn(|lane| (seeds[word / 2 * LANES + lane] >> (word % 2 * 32)) as u32)
        }))
    }

    /// Goes on by the draws of `chunks` chunks.
    pub(crate) fn skip(&mut self, chunks: usize) {
        for _ in 0..chunks * ROWS / 2 {
            // SAFETY: the scalar lanes need no instruction set.
            unsafe { draw(&mut self.0) };
        }
    }
}

/// [`LANES`] lanes of 32 bits. Sums of integers wrap; those of `f32` are rounded one by one, never fused.
///
/// # Safety
/// Every function needs the instruction set of the implementation.
trait Lanes: Copy {
    unsafe fn load(from: &[u32; LANES]) -> Self;
    unsafe fn store(self, to: &mut [u32; LANES]);
    unsafe fn splat(x: u32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    /// `self & mask | bits`.
    unsafe fn select(self, mask: u32, bits: u32) -> Self;
    unsafe fn shift_left<const N: u32>(self) -> Self;
    unsafe fn rotate_left<const N: u32>(self) -> Self;
    /// Signed integers to the nearest `f32`.
    unsafe fn float(self) -> Self;
    unsafe fn float_add(self, other: Self) -> Self;
    unsafe fn float_sub(self, other: Self) -> Self;
    unsafe fn float_mul(self, other: Self) -> Self;
    /// Adds 16 `f32` to those of 8 samples.
    unsafe fn float_add_to(self, to: &mut [Sample; LANES / 2]);
}

/// 32 bits in each lane.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn draw<L: Lanes>(state: &mut [L; 4]) -> L {
    let [mut a, mut b, mut c, mut d] = *state;
    // SAFETY: the caller has the instruction set.
    unsafe {
        let out = a.add(d).rotate_left::<7>().add(a);
        let t = b.shift_left::<9>();
        c = c.xor(a);
        d = d.xor(b);
        b = b.xor(c);
        a = a.xor(d);
        *state = [a, b, c.xor(t), d.rotate_left::<11>()];
        out
    }
}

/// Adds noise of power `scale²` to whole chunks; what is left behind the last is not touched.
pub(crate) type Add = fn(&mut Generators, f32, &mut [Sample]);

/// Returns the loop of a backend.
pub(crate) fn add(backend: Backend) -> Add {
    match backend.or_scalar() {
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => avx512::add,
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => avx2::add,
        _ => scalar::add,
    }
}

/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn add_lanes<L: Lanes>(generators: &mut Generators, scale: f32, out: &mut [Sample]) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        // half the power in each of I and Q, and the transform without its 1 / 4
        let scale = L::splat((scale * (core::f32::consts::FRAC_1_SQRT_2 / 4.0)).to_bits());
        let mut state = generators.0.each_ref().map(|word| L::load(word));
        for chunk in out.as_chunks_mut::<CHUNK>().0 {
            let mut rows = [scale; ROWS];
            for pair in rows.as_chunks_mut::<2>().0 {
                let bits = draw(&mut state);
                // odd numbers of 17 bits: symmetric about 0
                pair[0] = shaped(bits.select(0xffff_0000, 0x8000));
                pair[1] = shaped(bits.shift_left::<16>().select(0xffff_ffff, 0x8000));
            }
            transform(&mut rows);
            for (part, row) in chunk.as_chunks_mut::<{ LANES / 2 }>().0.iter_mut().zip(rows) {
                row.float_mul(scale).float_add_to(part);
            }
        }
        for (word, lanes) in generators.0.iter_mut().zip(state) {
            lanes.store(word);
        }
    }
}

/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn shaped<L: Lanes>(bits: L) -> L {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let [a, b, c] = SHAPE.map(|x| L::splat(x.to_bits()));
        let u = bits.float().float_mul(L::splat((1.0 / 2_147_483_648.0_f32).to_bits()));
        let u2 = u.float_mul(u);
        let u4 = u2.float_mul(u2);
        u.float_mul(a.float_add(u4.float_mul(b.float_add(u4.float_mul(c)))))
    }
}

/// Hadamard transform of every lane over the rows.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn transform<L: Lanes>(rows: &mut [L; ROWS]) {
    for half in [8, 4, 2, 1] {
        for r in 0..ROWS {
            if r & half == 0 {
                let (a, b) = (rows[r], rows[r + half]);
                // SAFETY: the caller has the instruction set.
                unsafe { (rows[r], rows[r + half]) = (a.float_add(b), a.float_sub(b)) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::rng::Rng;

    fn generators(seed: u64) -> Generators {
        let mut rng = Rng::new(seed);
        Generators::new(&core::array::from_fn(|_| rng.next_u64()))
    }

    /// The reference sequence of xoshiro128++ that is in general use: state {1, 2, 3, 4}.
    #[test]
    fn published_sequence() {
        let mut lanes = Generators([1, 2, 3, 4].map(|word| [word; LANES]));
        let first: [u32; 4] = core::array::from_fn(|_| {
            // SAFETY: the scalar lanes need no instruction set.
            unsafe { draw(&mut lanes.0)[7] }
        });
        assert_eq!(first, [641, 1_573_767, 3_222_811_527, 3_517_856_514]);
    }

    #[test]
    fn all_backends_give_the_same_bits_and_leave_the_rest() {
        let make = |backend, count: usize| {
            let mut out: Vec<Sample> = (0..count).map(|i| Sample::new(i as f32, 0.5)).collect();
            let mut state = generators(3);
            add(backend)(&mut state, 0.7, &mut out);
            (state, out.iter().map(|s| [s.re.to_bits(), s.im.to_bits()]).collect::<Vec<_>>())
        };
        for count in [0, 1, CHUNK, 3 * CHUNK + 5] {
            let expected = make(Backend::Scalar, count);
            for i in count / CHUNK * CHUNK..count {
                assert_eq!(expected.1[i], [(i as f32).to_bits(), 0.5_f32.to_bits()]);
            }
            let mut skipped = generators(3);
            skipped.skip(count / CHUNK);
            assert_eq!(skipped, expected.0);
            for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
                assert_eq!(make(backend, count), expected, "{backend:?}");
            }
        }
    }

    /// A plain sum over the definition of the transform: the signs of row r are the parities of r & k.
    #[test]
    fn the_transform_is_that_of_hadamard() {
        let rows: [[f32; LANES]; ROWS] =
            core::array::from_fn(|r| core::array::from_fn(|i| ((r * 7 + i * 3) % 11) as f32));
        let mut out = rows.map(|row| row.map(f32::to_bits));
        // SAFETY: the scalar lanes need no instruction set.
        unsafe { transform(&mut out) };
        for (k, row) in out.iter().enumerate() {
            for (i, value) in row.iter().enumerate() {
                let sign = |r: usize| if (r & k).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
                assert_eq!(f32::from_bits(*value), (0..ROWS).map(|r| sign(r) * rows[r][i]).sum::<f32>());
            }
        }
    }
}
