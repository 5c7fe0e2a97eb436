//! Plain loops over complex samples, compiled for every instruction set.
//!
//! All stop at the end of the shortest slice.

use crate::Sample;
use num_complex::Complex64;

/// Partial sums of a long sum: one addition need not wait for the one before.
const LANES: usize = 8;

/// Samples of a block of [`Loops::turn_blocks`].
pub(crate) const BLOCK: usize = 32;

/// Samples that are summed in single precision by [`Loops::moments`].
const RUN: usize = 256;

/// Subcarriers after which turns are repeated: four PRBs, a whole number of vectors of any backend.
pub(crate) const TURNS: usize = 48;

super::compile_loops! {
    /// `out = x y factor`.
    fn scaled_product(x: &[Sample], y: &[Sample], factor: Sample, out: &mut [Sample]);
    /// `sum = sum + x y factor`.
    fn add_product(x: &[Sample], y: &[Sample], factor: Sample, sum: &mut [Sample]);
    /// `out = x conj(y)`.
    fn quotient(x: &[Sample], y: &[Sample], out: &mut [Sample]);
    /// `x = x factor`.
    fn scale(x: &mut [Sample], factor: Sample);
    /// `x = x conj(y)`.
    fn turn_back(x: &mut [Sample], y: &[Sample]);
    /// `x = x - y`.
    fn subtract(x: &mut [Sample], y: Sample);
    /// Turns blocks of samples by the phasors of `within`, the first by `at` besides, and each by `step` more than the one
    /// before.
    fn turn_blocks(x: &mut [Sample], within: &[Sample; BLOCK], at: Complex64, step: Complex64);
    /// Sums of the real parts, of the imaginary parts and of the squared magnitudes, in single precision over
    /// [`RUN`] samples.
    fn moments(x: &[Sample]) -> [f64; 3];
    /// `out = x conj(y turns)`, with the turns of a few PRBs repeated.
    fn turned_quotient(x: &[Sample], y: &[Sample], turns: &[Sample; TURNS], out: &mut [Sample]);
    /// `sum = sum + x weight`.
    fn add_weighted(sum: &mut [Sample], x: &[Sample], weight: f32);
    /// Sums over groups of six.
    fn sixes(x: &[Sample], sums: &mut [Sample]);
    /// Sum of the squared magnitudes.
    fn power(x: &[Sample]) -> f32;
    /// For 24 values of each symbol, times the conjugate of `y`: powers of their sums with a quarter of a turn back a value, 0
    /// to 3 times, their three spans of eight turned by each row of `turns`; added over the symbols. The second result is
    /// the energy of the values.
    fn quarter_turn_powers(symbols: &[&[Sample; 24]], y: &[Sample; 24], turns: &[[Sample; 4]; 3]) -> ([[f32; 4]; 3], f32);
    /// `conj(h ramp) / (|h|^2 + noise)` in the place of `h`; the sum of `|h|^2 / (|h|^2 + noise)`.
    fn equalise(h: &mut [Sample], ramp: &[Sample], noise: f32) -> f32;
}

/// Adds partial sums in pairs: a chain of additions would take longer than a short loop.
#[inline(always)]
fn total(s: [f32; LANES]) -> f32 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

#[inline(always)]
fn scale(x: &mut [Sample], factor: Sample) {
    for x in x {
        *x *= factor;
    }
}

#[inline(always)]
fn turn_back(x: &mut [Sample], y: &[Sample]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x *= y.conj();
    }
}

#[inline(always)]
fn subtract(x: &mut [Sample], y: Sample) {
    for x in x {
        *x -= y;
    }
}

#[inline(always)]
fn turn_blocks(x: &mut [Sample], within: &[Sample; BLOCK], mut at: Complex64, step: Complex64) {
    for block in x.chunks_mut(BLOCK) {
        let base = Sample::new(at.re as f32, at.im as f32);
        for (x, &turn) in block.iter_mut().zip(within) {
            *x *= base * turn;
        }
        at *= step;
    }
}

#[inline(always)]
fn moments(x: &[Sample]) -> [f64; 3] {
    let mut sums = [0.0f64; 3];
    for run in x.chunks(RUN) {
        let (whole, rest) = run.as_chunks::<LANES>();
        for x in rest {
            sums[0] += f64::from(x.re);
            sums[1] += f64::from(x.im);
            sums[2] += f64::from(x.re) * f64::from(x.re) + f64::from(x.im) * f64::from(x.im);
        }
        // real and imaginary parts in turn, and the squared magnitude twice
        let (mut parts, mut squares) = ([0.0f32; 2 * LANES], [0.0f32; 2 * LANES]);
        for x in whole {
            // SAFETY: eight samples are sixteen parts, without gaps.
            let x: &[f32; 2 * LANES] = unsafe { &*x.as_ptr().cast() };
            for i in 0..2 * LANES {
                parts[i] += x[i];
            }
            for i in 0..2 * LANES {
                squares[i] += x[i] * x[i] + x[i ^ 1] * x[i ^ 1];
            }
        }
        // all of them, or the compiler leaves the vectors for those that are used
        let (mut wide, mut powers) = ([0.0f64; 2 * LANES], [0.0f64; 2 * LANES]);
        for i in 0..2 * LANES {
            wide[i] = f64::from(parts[i]);
            powers[i] = f64::from(squares[i]);
        }
        for i in 0..LANES {
            sums[0] += wide[2 * i];
            sums[1] += wide[2 * i + 1];
            sums[2] += powers[2 * i];
        }
    }
    sums
}

#[inline(always)]
fn add_weighted(sum: &mut [Sample], x: &[Sample], weight: f32) {
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum += x * weight;
    }
}

#[inline(always)]
fn scaled_product(x: &[Sample], y: &[Sample], factor: Sample, out: &mut [Sample]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = x * y * factor;
    }
}

#[inline(always)]
fn add_product(x: &[Sample], y: &[Sample], factor: Sample, sum: &mut [Sample]) {
    for ((sum, x), y) in sum.iter_mut().zip(x).zip(y) {
        *sum += x * y * factor;
    }
}

#[inline(always)]
fn quotient(x: &[Sample], y: &[Sample], out: &mut [Sample]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = x * y.conj();
    }
}

#[inline(always)]
fn turned_quotient(x: &[Sample], y: &[Sample], turns: &[Sample; TURNS], out: &mut [Sample]) {
    for ((out, x), y) in out.chunks_mut(TURNS).zip(x.chunks(TURNS)).zip(y.chunks(TURNS)) {
        for (((out, x), y), turn) in out.iter_mut().zip(x).zip(y).zip(turns) {
            *out = x * y.conj() * turn.conj();
        }
    }
}

#[inline(always)]
fn sixes(x: &[Sample], sums: &mut [Sample]) {
    for (sum, x) in sums.iter_mut().zip(x.as_chunks::<6>().0) {
        *sum = six(x);
    }
}

/// Sums six samples, two at a time. Left to itself the compiler gathers single values of several groups.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn six(x: &[Sample; 6]) -> Sample {
    use std::arch::x86_64::{_mm_add_ps, _mm_castps_si128, _mm_loadu_ps, _mm_movehl_ps, _mm_storel_epi64};
    let mut sum = Sample::default();
    // SAFETY: every x86-64 has SSE2; six samples are twelve parts, and one is two, without gaps.
    unsafe {
        let parts = x.as_ptr().cast::<f32>();
        let [a, b, c] = [0, 4, 8].map(|at| _mm_loadu_ps(parts.add(at)));
        let pair = _mm_add_ps(_mm_add_ps(a, b), c);
        let both = _mm_add_ps(pair, _mm_movehl_ps(pair, pair));
        _mm_storel_epi64((&raw mut sum).cast(), _mm_castps_si128(both));
    }
    sum
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn six(x: &[Sample; 6]) -> Sample {
    let pair = [x[0] + x[2] + x[4], x[1] + x[3] + x[5]];
    pair[0] + pair[1]
}

#[inline(always)]
fn quarter_turn_powers(
    symbols: &[&[Sample; 24]],
    y: &[Sample; 24],
    turns: &[[Sample; 4]; 3],
) -> ([[f32; 4]; 3], f32) {
    let (mut powers, mut energies) = ([[0.0; 4]; 3], [0.0; LANES]);
    for x in symbols {
        let mut stripped = [Sample::default(); 24];
        for i in 0..24 {
            stripped[i] = x[i] * y[i].conj();
        }
        for x in x.as_chunks::<LANES>().0 {
            for i in 0..LANES {
                energies[i] += x[i].norm_sqr();
            }
        }
        let of_symbol = quarter_turn_powers_of(&stripped, turns);
        for (sums, powers) in powers.iter_mut().zip(of_symbol) {
            for i in 0..4 {
                sums[i] += powers[i];
            }
        }
    }
    (powers, total(energies))
}

#[inline(always)]
fn quarter_turn_powers_of(x: &[Sample; 24], turns: &[[Sample; 4]; 3]) -> [[f32; 4]; 3] {
    // for each span its DFT of length 4, real and imaginary parts
    let mut spans = [[[0.0f32; 4]; 2]; 3];
    for ([re, im], x) in spans.iter_mut().zip(x.as_chunks::<8>().0) {
        let r: [Sample; 4] = std::array::from_fn(|n| x[n] + x[n + 4]);
        let (even, odd) = (r[0] + r[2], r[1] + r[3]);
        let (p, q) = (r[0] - r[2], r[1] - r[3]);
        *re = [even.re + odd.re, p.re + q.im, even.re - odd.re, p.re - q.im];
        *im = [even.im + odd.im, p.im - q.re, even.im - odd.im, p.im + q.re];
    }
    let mut powers = [[0.0; 4]; 3];
    for (power, turns) in powers.iter_mut().zip(turns) {
        let (mut sum_re, mut sum_im) = ([0.0f32; 4], [0.0f32; 4]);
        for ([re, im], t) in spans.iter().zip(turns) {
            for i in 0..4 {
                sum_re[i] += re[i] * t.re - im[i] * t.im;
                sum_im[i] += re[i] * t.im + im[i] * t.re;
            }
        }
        for i in 0..4 {
            power[i] = sum_re[i] * sum_re[i] + sum_im[i] * sum_im[i];
        }
    }
    powers
}

#[inline(always)]
fn power(x: &[Sample]) -> f32 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        for (s, x) in sums.iter_mut().zip(x) {
            *s += x.norm_sqr();
        }
    }
    for (s, x) in sums.iter_mut().zip(rest) {
        *s += x.norm_sqr();
    }
    total(sums)
}

#[inline(always)]
fn equalise(h: &mut [Sample], ramp: &[Sample], noise: f32) -> f32 {
    let mut sums = [0.0; LANES];
    let one = |s: &mut f32, h: &mut Sample, r: &Sample| {
        let power = h.norm_sqr();
        let inverse = 1.0 / (power + noise);
        *s += power * inverse;
        *h = (*h * r).conj() * inverse;
    };
    let n = h.len().min(ramp.len());
    let ((hs, h), (rs, r)) = (h[..n].as_chunks_mut::<LANES>(), ramp[..n].as_chunks::<LANES>());
    for (h, r) in hs.iter_mut().zip(rs) {
        for ((s, h), r) in sums.iter_mut().zip(h).zip(r) {
            one(s, h, r);
        }
    }
    for ((s, h), r) in sums.iter_mut().zip(h).zip(r) {
        one(s, h, r);
    }
    total(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Backend;
    use proptest::prelude::*;

    fn samples(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Sample>> {
        let part = prop_oneof![8 => -10.0f32..10.0, 1 => any::<f32>()];
        proptest::collection::vec((part.clone(), part).prop_map(|(re, im)| Sample::new(re, im)), count)
    }

    fn bits(x: &[Sample]) -> Vec<[u32; 2]> {
        // a NaN is as good as another
        let of = |x: f32| if x.is_nan() { u32::MAX } else { x.to_bits() };
        x.iter().map(|x| [of(x.re), of(x.im)]).collect()
    }

    proptest! {
        #[test]
        fn backends_give_the_bits_of_plain_loops(x in samples(0..200), y in samples(200..201), weight in -2.0f32..2.0) {
            let turns = std::array::from_fn(|i| y[i + 7]);
            for loops in Backend::ALL.into_iter().filter(|b| b.is_available()).map(loops) {
                let run = |new: &dyn Fn(&mut [Sample]) -> f32, plain: &dyn Fn(&mut [Sample]) -> f32| {
                    let (mut a, mut b) = (x.clone(), x.clone());
                    let (p, q) = (new(&mut a), plain(&mut b));
                    (bits(&a), bits(&[Sample::new(p, 0.0)])) == (bits(&b), bits(&[Sample::new(q, 0.0)]))
                };
                let same = |new: &dyn Fn(&mut [Sample]), plain: &dyn Fn(&mut [Sample])| {
                    let (mut a, mut b) = (x.clone(), x.clone());
                    new(&mut a);
                    plain(&mut b);
                    bits(&a) == bits(&b)
                };
                prop_assert!(same(&|out| (loops.scale)(out, y[0]), &|out| scale(out, y[0])));
                prop_assert!(same(&|out| (loops.subtract)(out, y[0]), &|out| subtract(out, y[0])));
                let (turns32, [at, step]) = (y.first_chunk().unwrap(), [0, 1].map(|i| Complex64::new(y[i].re.into(), y[i].im.into())));
                prop_assert!(same(&|out| (loops.turn_blocks)(out, turns32, at, step), &|out| turn_blocks(out, turns32, at, step)));
                let f64_bits = |x: [f64; 3]| x.map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() });
                prop_assert_eq!(f64_bits((loops.moments)(&x)), f64_bits(moments(&x)));
                prop_assert!(same(&|out| (loops.turn_back)(out, &y), &|out| turn_back(out, &y)));
                prop_assert!(same(&|out| (loops.add_weighted)(out, &y, weight), &|out| add_weighted(out, &y, weight)));
                prop_assert!(same(&|out| (loops.scaled_product)(&x, &y, y[0], out), &|out| scaled_product(&x, &y, y[0], out)));
                prop_assert!(same(&|out| (loops.add_product)(&y, &y[1..], y[0], out), &|out| add_product(&y, &y[1..], y[0], out)));
                prop_assert!(same(&|out| (loops.quotient)(&x, &y, out), &|out| quotient(&x, &y, out)));
                prop_assert!(same(&|out| (loops.turned_quotient)(&x, &y, &turns, out), &|out| turned_quotient(&x, &y, &turns, out)));
                let (values, turns) = (y.first_chunk().unwrap(), std::array::from_fn(|i| [y[i], y[i + 30], y[i + 60], y[0]]));
                let symbols = [values, y[50..].first_chunk().unwrap(), y[90..].first_chunk().unwrap()];
                let flat = |(p, energy): ([[f32; 4]; 3], f32)| {
                    p.as_flattened().iter().chain([&energy]).map(|&p| Sample::new(p, 0.0)).collect::<Vec<_>>()
                };
                let reference = y[20..].first_chunk().unwrap();
                let new = (loops.quarter_turn_powers)(&symbols, reference, &turns);
                let plain = quarter_turn_powers(&symbols, reference, &turns);
                prop_assert_eq!(bits(&flat(new)), bits(&flat(plain)));
                prop_assert!(same(&|out| (loops.sixes)(&y, out), &|out| sixes(&y, out)));
                prop_assert!(run(&|out| (loops.power)(out), &|out| power(out)));
                prop_assert!(run(&|out| (loops.equalise)(out, &y, 0.1), &|out| equalise(out, &y, 0.1)));
            }
        }

        /// Against the definitions in double precision.
        #[test]
        fn sums_are_those_of_the_definition(x in proptest::collection::vec((-9.0f32..9.0, -9.0f32..9.0), 0..200)) {
            let x: Vec<Sample> = x.into_iter().map(|(re, im)| Sample::new(re, im)).collect();
            let wide = |x: Sample| Complex64::new(x.re.into(), x.im.into());
            let y: Vec<Sample> = x.iter().rev().copied().collect();
            let turns = std::array::from_fn(|i| Sample::from_polar(1.0, i as f32));
            let (mut turned, mut scaled) = (x.clone(), x.clone());
            turned_quotient(&x, &y, &turns, &mut turned);
            scaled_product(&x, &y, turns[3], &mut scaled);
            let mut sums = vec![Sample::default(); 33];
            sixes(&x, &mut sums);
            for k in 0..x.len() {
                let exact = wide(x[k]) * wide(y[k] * turns[k % TURNS]).conj();
                prop_assert!((wide(turned[k]) - exact).norm() < 1e-3);
                prop_assert!((wide(scaled[k]) - wide(x[k]) * wide(y[k]) * wide(turns[3])).norm() < 1e-3);
                let exact: Complex64 = x[k / 6 * 6..].iter().take(6).map(|&x| wide(x)).sum();
                prop_assert!(k >= x.len() / 6 * 6 || (wide(sums[k / 6]) - exact).norm() < 1e-3);
            }
            let exact: f64 = x.iter().map(|&x| wide(x).norm_sqr()).sum();
            prop_assert!((f64::from(power(&x)) - exact).abs() <= 1e-5 * exact);
            let [re, im, square] = moments(&x);
            let sum: Complex64 = x.iter().map(|&x| wide(x)).sum();
            prop_assert!((Complex64::new(re, im) - sum).norm() < 1e-2 && (square - exact).abs() <= 1e-5 * exact);
            if let Some(x) = x.first_chunk::<24>() {
                let turns = std::array::from_fn(|i| std::array::from_fn(|b| Sample::from_polar(1.0, (i * b) as f32)));
                let reference = std::array::from_fn(|n| Sample::from_polar(1.0, 0.3 * (n * n) as f32));
                let (powers, energy) = quarter_turn_powers(&[x, &reference], &reference, &turns);
                let exact: f64 = x.iter().chain(&reference).map(|&x| wide(x).norm_sqr()).sum();
                prop_assert!((f64::from(energy) - exact).abs() < 1e-5 * exact);
                for (i, k) in [(0, 0), (1, 1), (2, 2), (1, 3), (2, 1)] {
                    let exact: f64 = [x, &reference].map(|x| x.iter().enumerate().map(|(n, &x)| {
                        let angle = -0.5 * std::f64::consts::PI * (k * n) as f64 + (i * (n / 8)) as f64;
                        wide(x) * wide(reference[n]).conj() * Complex64::from_polar(1.0, angle)
                    }).sum::<Complex64>().norm_sqr()).iter().sum();
                    prop_assert!((f64::from(powers[i][k]) - exact).abs() < 1e-5 * exact + 1e-2);
                }
            }
        }
    }
}
