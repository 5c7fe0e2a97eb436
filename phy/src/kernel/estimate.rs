//! Plain loops of the channel estimator, compiled for every instruction set.
//!
//! Dopplers lie side by side in the lanes, and real and imaginary parts apart in planes: no loop has to move values between
//! lanes.

use super::elementary::{cos_sin, ln};
use crate::Sample;

/// Maximum Doppler frequencies that are computed at once.
pub(crate) const DOPPLERS: usize = 16;

/// Most symbols, or modes over them.
pub(crate) const MODES: usize = 4;

/// Pairs of symbols, each with itself included.
pub(crate) const PAIRS: usize = MODES * (MODES + 1) / 2;

/// Values of a plane that are written at once.
pub(crate) const BLOCK: usize = 8;

/// Most subcarriers of a group.
const WIDEST: usize = 6;

/// Partial sums of a long sum, and of a short one.
const LANES: usize = 16;
const FEW: usize = 4;

super::compile_loops! {
    /// `exp(j 2 pi k step / 2^32)` for k = 0, 1, ..
    fn ramp(out: &mut [Sample], step: u32);
    /// Energy of the third difference.
    fn third_difference(x: &[Sample]) -> f32;
    /// `sums = sums + weight |x|^2`.
    fn add_powers(x: &[Sample], weight: f32, sums: &mut [f32]);
    /// The largest value; that of an empty slice is -infinity.
    fn largest(x: &[f32]) -> f32;
    /// Sums of neighbours, two and two.
    fn pairs(x: &[Sample], sums: &mut [Sample]);
    /// Sums groups of 1, 3, 4, 5 or 6 values of each symbol, and writes the planes of each row of `weights`: the sum of the
    /// groups, each times the weight of its symbol; without weights those of each symbol. Planes are written in whole blocks.
    fn gather(symbols: &[&[Sample]], weights: Option<&[[Sample; MODES]; MODES]>, group: usize, planes: &mut [Vec<f32>]);
    /// Multiplies value k of all planes by `exp(j 2 pi (start + k step) / 2^32)`, in whole blocks of 16 up to `count`.
    fn turn(planes: &mut [Vec<f32>], count: usize, start: u32, step: u32);
    /// Minus the logarithm of the likelihood of each Doppler, from the energies `forms` of the products of the symbols.
    fn motions(forms: &[[[f64; DOPPLERS]; PAIRS]; MODES], powers: &[[f32; DOPPLERS]; MODES], products: &[f64; PAIRS], levels: [f32; 2], groups: f32) -> [f32; DOPPLERS];
    /// Sums of `conj(x) y` of each row with itself and with those after it.
    fn products(rows: &[&[Sample]], sums: &mut [[Sample; MODES]; MODES]);
}

/// Adds partial sums in pairs.
#[inline(always)]
pub(super) fn total(s: [f32; LANES]) -> f32 {
    let mut eight = [0.0; 8];
    for i in 0..8 {
        eight[i] = s[i] + s[i + 8];
    }
    let four = [eight[0] + eight[4], eight[1] + eight[5], eight[2] + eight[6], eight[3] + eight[7]];
    (four[0] + four[2]) + (four[1] + four[3])
}

/// Returns real and imaginary parts one after the other.
#[inline(always)]
fn parts(x: &[Sample]) -> &[f32] {
    // SAFETY: a sample is its two parts, without gaps.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), 2 * x.len()) }
}

#[inline(always)]
fn ramp(out: &mut [Sample], step: u32) {
    for (k, x) in out.iter_mut().enumerate() {
        let (cos, sin) = cos_sin((k as u32).wrapping_mul(step));
        *x = Sample::new(cos, sin);
    }
}

#[inline(always)]
fn third_difference(x: &[Sample]) -> f32 {
    let x = parts(x);
    let n = x.len().saturating_sub(6);
    let Some([a, b, c, d]) = x.get(..n + 6).map(|x| [&x[..n], &x[2..n + 2], &x[4..n + 4], &x[6..n + 6]])
    else {
        return 0.0;
    };
    let [a, b, c, d] = [a, b, c, d].map(|x| x.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (((a, b), c), d) in a.0.iter().zip(b.0).zip(c.0).zip(d.0) {
        for i in 0..LANES {
            let x = d[i] - a[i] + (b[i] - c[i]) * 3.0;
            sums[i] += x * x;
        }
    }
    for ((((sum, a), b), c), d) in sums.iter_mut().zip(a.1).zip(b.1).zip(c.1).zip(d.1) {
        let x = d - a + (b - c) * 3.0;
        *sum += x * x;
    }
    total(sums)
}

#[inline(always)]
fn add_powers(x: &[Sample], weight: f32, sums: &mut [f32]) {
    for (sum, x) in sums.iter_mut().zip(x) {
        *sum += x.norm_sqr() * weight;
    }
}

#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    let (whole, rest) = x.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let larger = |lane: &mut f32, x: f32| *lane = if x > *lane { x } else { *lane };
    for x in whole {
        for i in 0..LANES {
            larger(&mut lanes[i], x[i]);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        larger(lane, x);
    }
    let mut most = lanes[0];
    for lane in lanes {
        larger(&mut most, lane);
    }
    most
}

#[inline(always)]
fn pairs(x: &[Sample], sums: &mut [Sample]) {
    for (sum, [a, b]) in sums.iter_mut().zip(x.as_chunks::<2>().0) {
        *sum = a + b;
    }
}

#[inline(always)]
fn gather(
    symbols: &[&[Sample]],
    weights: Option<&[[Sample; MODES]; MODES]>,
    group: usize,
    planes: &mut [Vec<f32>],
) {
    match group {
        1 => gather_groups::<1>(symbols, weights, planes),
        3 => gather_groups::<3>(symbols, weights, planes),
        4 => gather_groups::<4>(symbols, weights, planes),
        5 => gather_groups::<5>(symbols, weights, planes),
        _ => gather_groups::<WIDEST>(symbols, weights, planes),
    }
}

#[inline(always)]
fn gather_groups<const GROUP: usize>(
    symbols: &[&[Sample]],
    weights: Option<&[[Sample; MODES]; MODES]>,
    planes: &mut [Vec<f32>],
) {
    let count = symbols.first().map_or(0, |x| x.len() / GROUP);
    for at in (0..count).step_by(BLOCK) {
        let mut sums = [[[0.0f32; BLOCK]; 2]; MODES];
        for (sums, x) in sums.iter_mut().zip(symbols) {
            let x = &x[GROUP * at..];
            if x.len() >= GROUP * BLOCK {
                sum_groups::<GROUP>(x, sums);
            } else {
                let mut padded = [Sample::default(); WIDEST * BLOCK];
                padded[..x.len()].copy_from_slice(x);
                sum_groups::<GROUP>(&padded, sums);
            }
        }
        let planes = planes.as_chunks_mut::<2>().0.iter_mut();
        let Some(weights) = weights else {
            for (planes, [re, im]) in planes.zip(&sums) {
                planes[0][at..at + BLOCK].copy_from_slice(re);
                planes[1][at..at + BLOCK].copy_from_slice(im);
            }
            continue;
        };
        for (planes, weights) in planes.zip(weights) {
            let (mut re, mut im) = ([0.0f32; BLOCK], [0.0f32; BLOCK]);
            for ([a, b], w) in sums.iter().zip(weights).take(symbols.len()) {
                for i in 0..BLOCK {
                    re[i] += a[i] * w.re - b[i] * w.im;
                    im[i] += a[i] * w.im + b[i] * w.re;
                }
            }
            planes[0][at..at + BLOCK].copy_from_slice(&re);
            planes[1][at..at + BLOCK].copy_from_slice(&im);
        }
    }
}

/// Sums [`BLOCK`] groups.
#[inline(always)]
fn sum_groups<const GROUP: usize>(x: &[Sample], [re, im]: &mut [[f32; BLOCK]; 2]) {
    let x = &parts(x)[..2 * GROUP * BLOCK];
    for i in 0..BLOCK {
        let (mut a, mut b) = (0.0, 0.0);
        for j in 0..GROUP {
            a += x[2 * (GROUP * i + j)];
            b += x[2 * (GROUP * i + j) + 1];
        }
        (re[i], im[i]) = (a, b);
    }
}

#[inline(always)]
fn turn(planes: &mut [Vec<f32>], count: usize, start: u32, step: u32) {
    for at in (0..count).step_by(LANES) {
        let (mut cos, mut sin) = ([0.0f32; LANES], [0.0f32; LANES]);
        for i in 0..LANES {
            (cos[i], sin[i]) = cos_sin(start.wrapping_add(step.wrapping_mul((at + i) as u32)));
        }
        for [re, im] in planes.as_chunks_mut::<2>().0 {
            let (Some(re), Some(im)) =
                (re[at..].first_chunk_mut::<LANES>(), im[at..].first_chunk_mut::<LANES>())
            else {
                continue;
            };
            for i in 0..LANES {
                let (a, b) = (re[i], im[i]);
                re[i] = a * cos[i] - b * sin[i];
                im[i] = a * sin[i] + b * cos[i];
            }
        }
    }
}

#[inline(always)]
fn motions(
    forms: &[[[f64; DOPPLERS]; PAIRS]; MODES],
    powers: &[[f32; DOPPLERS]; MODES],
    products: &[f64; PAIRS],
    [ratio, noise]: [f32; 2],
    groups: f32,
) -> [f32; DOPPLERS] {
    let (mut determinants, mut energies) = ([1.0; DOPPLERS], [0.0; DOPPLERS]);
    for (forms, powers) in forms.iter().zip(powers) {
        let mut energy = [0.0f64; DOPPLERS];
        for (form, product) in forms.iter().zip(products) {
            for i in 0..DOPPLERS {
                energy[i] += form[i] * product;
            }
        }
        for i in 0..DOPPLERS {
            let power = 1.0 + ratio * powers[i];
            determinants[i] *= power;
            energies[i] += energy[i] as f32 / power;
        }
    }
    let scale = 1.0 / noise;
    let mut costs = [0.0; DOPPLERS];
    for i in 0..DOPPLERS {
        costs[i] = groups * ln(determinants[i]) + energies[i] * scale;
    }
    costs
}

#[inline(always)]
fn products(rows: &[&[Sample]], sums: &mut [[Sample; MODES]; MODES]) {
    match rows.first().map_or(0, |row| row.len()) {
        count @ 0..=FEW => products_of::<FEW>(rows, count, sums, |s| (s[0] + s[2]) + (s[1] + s[3])),
        count => products_of::<LANES>(rows, count, sums, total),
    }
}

#[inline(always)]
fn products_of<const LANES: usize>(
    rows: &[&[Sample]],
    count: usize,
    sums: &mut [[Sample; MODES]; MODES],
    total: impl Fn([f32; LANES]) -> f32,
) {
    let mut lanes = [[[[0.0f32; LANES]; 2]; MODES]; MODES];
    for at in (0..count).step_by(LANES) {
        let mut planes = [[[0.0f32; LANES]; 2]; MODES];
        for ([re, im], row) in planes.iter_mut().zip(rows) {
            let row = &row[at..];
            if let Some(row) = row.first_chunk::<LANES>() {
                for i in 0..LANES {
                    (re[i], im[i]) = (row[i].re, row[i].im);
                }
            } else {
                for ((re, im), x) in re.iter_mut().zip(im).zip(row) {
                    (*re, *im) = (x.re, x.im);
                }
            }
        }
        for (i, (lanes, [a, b])) in lanes.iter_mut().zip(&planes).enumerate().take(rows.len()) {
            for ([re, im], [c, d]) in lanes.iter_mut().zip(&planes).take(rows.len()).skip(i) {
                for k in 0..LANES {
                    re[k] += a[k] * c[k] + b[k] * d[k];
                    im[k] += a[k] * d[k] - b[k] * c[k];
                }
            }
        }
    }
    for (i, (sums, lanes)) in sums.iter_mut().zip(&lanes).enumerate().take(rows.len()) {
        for (sum, [re, im]) in sums.iter_mut().zip(lanes).take(rows.len()).skip(i) {
            *sum = Sample::new(total(*re), total(*im));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Backend;
    use num_complex::Complex64;
    use proptest::prelude::*;

    fn wide(x: &Sample) -> Complex64 {
        Complex64::new(x.re.into(), x.im.into())
    }

    fn turn_of(phase: f64) -> Complex64 {
        Complex64::from_polar(1.0, 2.0 * std::f64::consts::PI * phase / 4_294_967_296.0)
    }

    fn values(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Sample>> {
        let part = -3.0f32..3.0;
        proptest::collection::vec((part.clone(), part).prop_map(|(re, im)| Sample::new(re, im)), count)
    }

    fn backends() -> impl Iterator<Item = &'static Loops> {
        Backend::ALL.into_iter().filter(|b| b.is_available()).map(loops)
    }

    proptest! {
        /// Each loop of each backend against its definition in double precision.
        #[test]
        fn loops_over_samples_are_those_of_the_definition(x in values(0..90), step in any::<u32>()) {
            for loops in backends() {
                let mut ramp = x.clone();
                (loops.ramp)(&mut ramp, step);
                for (k, x) in ramp.iter().enumerate() {
                    prop_assert!((wide(x) - turn_of(k as f64 * f64::from(step))).norm() < 1e-6);
                }
                let exact: f64 = x.windows(4).map(|x| {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|i| wide(&x[i]));
                    (d - a + (b - c) * 3.0).norm_sqr()
                }).sum();
                prop_assert!((f64::from((loops.third_difference)(&x)) - exact).abs() <= 1e-5 * exact);
                let mut powers = vec![0.5; x.len().saturating_sub(1)];
                (loops.add_powers)(&x, 2.0, &mut powers);
                for (p, x) in powers.iter().zip(&x) {
                    prop_assert!((f64::from(*p) - 0.5 - 2.0 * wide(x).norm_sqr()).abs() < 1e-4);
                }
                prop_assert_eq!((loops.largest)(&powers), powers.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                let mut sums = vec![Sample::default(); x.len() / 2];
                (loops.pairs)(&x, &mut sums);
                prop_assert!(sums.iter().zip(x.chunks_exact(2)).all(|(sum, x)| *sum == x[0] + x[1]));
                let rows = [&x[..x.len() / 2], &x[x.len() - x.len() / 2..], &sums];
                let mut products = [[Sample::default(); MODES]; MODES];
                (loops.products)(&rows, &mut products);
                for (i, a) in rows.iter().enumerate() {
                    for (j, b) in rows.iter().enumerate().skip(i) {
                        let exact: Complex64 = a.iter().zip(*b).map(|(a, b)| wide(a).conj() * wide(b)).sum();
                        prop_assert!((wide(&products[i][j]) - exact).norm() < 1e-2);
                    }
                }
            }
        }

        #[test]
        fn groups_are_summed_and_turned(x in values(4 * 180..4 * 180 + 1), count in 1usize..31, step in any::<u32>()) {
            for (loops, group) in backends().flat_map(|loops| [1, 3, 4, 5, 6].map(|group| (loops, group))) {
                let symbols: Vec<&[Sample]> = x.chunks_exact(180).map(|x| &x[..group * count]).collect();
                for n in 2..=4 {
                    let weights: [[Sample; MODES]; MODES] = std::array::from_fn(|j| std::array::from_fn(|m| x[5 * j + m]));
                    let mut planes = vec![vec![0.0; 30 + LANES]; 2 * n];
                    (loops.gather)(&symbols[..n], None, group, &mut planes);
                    for (m, g) in (0..n).flat_map(|m| (0..count).map(move |g| (m, g))) {
                        let exact: Complex64 = symbols[m][group * g..][..group].iter().map(wide).sum();
                        let sum = Sample::new(planes[2 * m][g], planes[2 * m + 1][g]);
                        prop_assert!((wide(&sum) - exact).norm() < 1e-4);
                    }
                    (loops.gather)(&symbols[..n], Some(&weights), group, &mut planes);
                    (loops.turn)(&mut planes, count, 77, step);
                    for (j, g) in (0..n).flat_map(|j| (0..count).map(move |g| (j, g))) {
                        let sum: Complex64 = (0..n).map(|m| {
                            let sum: Complex64 = symbols[m][group * g..][..group].iter().map(wide).sum();
                            wide(&weights[j][m]) * sum
                        }).sum();
                        let exact = sum * turn_of(77.0 + g as f64 * f64::from(step));
                        let (re, im) = (planes[2 * j][g], planes[2 * j + 1][g]);
                        prop_assert!((wide(&Sample::new(re, im)) - exact).norm() < 1e-3, "{group} {n} {j} {g}");
                    }
                }
            }
        }

        #[test]
        fn likelihoods_of_dopplers_are_those_of_the_definition(
            x in proptest::collection::vec(0.0f32..3.0, 160..161),
            ratio in 0.01f32..1e5,
            noise in 0.01f32..10.0,
        ) {
            let powers: [[f32; DOPPLERS]; MODES] = std::array::from_fn(|j| std::array::from_fn(|i| x[j + i]));
            let forms = std::array::from_fn(|j| std::array::from_fn(|p| std::array::from_fn(|i| f64::from(x[j + 3 * p + i]))));
            let products = std::array::from_fn(|p| f64::from(x[140 + p]));
            for loops in backends() {
                let costs = (loops.motions)(&forms, &powers, &products, [ratio, noise], 5.0);
                for (i, cost) in costs.into_iter().enumerate() {
                    let mut exact = 0.0;
                    for j in 0..MODES {
                        let power = 1.0 + f64::from(ratio) * f64::from(powers[j][i]);
                        let energy: f64 = (0..PAIRS).map(|p| forms[j][p][i] * products[p]).sum();
                        exact += 5.0 * power.ln() + energy / power / f64::from(noise);
                    }
                    prop_assert!((f64::from(cost) - exact).abs() < 1e-5 * exact.abs() + 1e-2, "{i}: {cost} {exact}");
                }
            }
        }
    }
}
