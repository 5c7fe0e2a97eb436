//! Plain loops over the functions of frequency that channels are made of, compiled for every instruction set.
//!
//! The functions lie side by side in the lanes.

use super::elementary::ln;
use super::estimate::{MODES, total};
use crate::Sample;

/// Functions of frequency that are computed at once.
pub(crate) const FUNCTIONS: usize = 16;

/// Least signal that is assumed, against the noise.
pub(crate) const LEAST_SIGNAL: f32 = 0.02;

/// Most groups of a window.
pub(crate) const LONGEST: usize = 24;

/// Subcarriers that are written at once.
const LANES: usize = 16;

super::compile_loops! {
    /// Adds the energies of the functions in the window of each pair of planes that begins with group `start`, every group
    /// multiplied by its turn first.
    fn add_energies(analysis: &[[f32; FUNCTIONS]], turns: Option<&[[f32; LONGEST]; 2]>, planes: &[Vec<f32>], start: usize, sums: &mut [[f32; FUNCTIONS]; MODES]);
    /// Sum of the energies of all modes, each times the weight of its function.
    fn weighted(energies: &[[f32; FUNCTIONS]; MODES], weights: &[f32; FUNCTIONS]) -> f32;
    /// Minus the logarithm of the likelihood of energies in `windows` windows, for functions and modes of given powers, a
    /// ratio of signal and noise and the power of the noise.
    fn unlikely(energies: &[[f32; FUNCTIONS]; MODES], powers: &[f32; FUNCTIONS], modes: &[f32], levels: [f32; 2], windows: f32) -> f32;
    /// The same for the only window of a narrow allocation, whose noise is what its signal leaves. `levels` are the power of a
    /// value and the least noise. Returns the cost and the noise.
    fn unlikely_narrow(functions: &Narrow, turns: Option<&[[f32; LONGEST]; 2]>, planes: &[Vec<f32>], modes: &[f32], levels: [f32; 2]) -> [f32; 2];
    /// Writes the sum of the functions, each with its coefficient in the window that begins with group `start` times its
    /// gain, from subcarrier `skip` on. `synthesis` has a row of `width` subcarriers for each function that is used.
    fn smooth(analysis: &[[f32; FUNCTIONS]], gains: &[f32; FUNCTIONS], planes: (&[Vec<f32>; 2], usize), synthesis: (&[f32], usize, usize), out: &mut [Sample]);
}

/// Functions of a narrow allocation, each twice: for real and imaginary part of its coefficient.
#[derive(Clone, Debug, Default)]
pub(crate) struct Narrow {
    /// One row a group.
    pub(crate) analysis: Vec<[f32; FUNCTIONS]>,
    /// Power of each in a channel of power 1.
    pub(crate) powers: [f32; FUNCTIONS],
    /// 1 for those that are signal when the noise is measured.
    pub(crate) signal: [f32; FUNCTIONS],
    /// Values of a symbol that the signal leaves free.
    pub(crate) freedom: f32,
}

#[inline(always)]
fn add_energies(
    analysis: &[[f32; FUNCTIONS]],
    turns: Option<&[[f32; LONGEST]; 2]>,
    planes: &[Vec<f32>],
    start: usize,
    sums: &mut [[f32; FUNCTIONS]; MODES],
) {
    // two at once: the sums of one would wait for each other; four do not fit the registers
    for (planes, sums) in planes.chunks(4).zip(sums.chunks_mut(2)) {
        match planes.len() {
            4 => add_energies_of::<2>(analysis, turns, planes, start, sums),
            _ => add_energies_of::<1>(analysis, turns, planes, start, sums),
        }
    }
}

#[inline(always)]
fn add_energies_of<const N: usize>(
    analysis: &[[f32; FUNCTIONS]],
    turns: Option<&[[f32; LONGEST]; 2]>,
    planes: &[Vec<f32>],
    start: usize,
    sums: &mut [[f32; FUNCTIONS]],
) {
    let mut windows = [[[0.0f32; LONGEST]; 2]; N];
    for ([re, im], planes) in windows.iter_mut().zip(planes.as_chunks::<2>().0) {
        let [x, y] = window(planes, start);
        match turns {
            None => (*re, *im) = (*x, *y),
            Some([cos, sin]) => {
                for i in 0..LONGEST {
                    re[i] = x[i] * cos[i] - y[i] * sin[i];
                    im[i] = x[i] * sin[i] + y[i] * cos[i];
                }
            }
        }
    }
    let mut coefficients = [[[0.0f32; FUNCTIONS]; 2]; N];
    for (g, u) in analysis.iter().enumerate().take(LONGEST) {
        for ([re, im], [x, y]) in coefficients.iter_mut().zip(&windows) {
            for i in 0..FUNCTIONS {
                re[i] += u[i] * x[g];
                im[i] += u[i] * y[g];
            }
        }
    }
    for (sums, [re, im]) in sums.iter_mut().zip(&coefficients) {
        for i in 0..FUNCTIONS {
            sums[i] += re[i] * re[i] + im[i] * im[i];
        }
    }
}

/// Returns the window of two planes that begins with group `start`; beyond their end there are zeros.
#[inline(always)]
fn window(planes: &[Vec<f32>; 2], start: usize) -> [&[f32; LONGEST]; 2] {
    planes
        .each_ref()
        .map(|plane| plane.get(start..).and_then(|plane| plane.first_chunk()).unwrap_or(&[0.0; LONGEST]))
}

/// Returns real and imaginary part of the coefficient of each function in a window.
#[inline(always)]
fn coefficients(analysis: &[[f32; FUNCTIONS]], [x, y]: [&[f32; LONGEST]; 2]) -> [[f32; FUNCTIONS]; 2] {
    let (mut re, mut im) = ([0.0; FUNCTIONS], [0.0; FUNCTIONS]);
    for ((u, x), y) in analysis.iter().zip(x).zip(y) {
        for i in 0..FUNCTIONS {
            re[i] += u[i] * x;
            im[i] += u[i] * y;
        }
    }
    [re, im]
}

#[inline(always)]
fn weighted(energies: &[[f32; FUNCTIONS]; MODES], weights: &[f32; FUNCTIONS]) -> f32 {
    let mut sums = [0.0; FUNCTIONS];
    for energies in energies {
        for i in 0..FUNCTIONS {
            sums[i] += energies[i] * weights[i];
        }
    }
    total(sums)
}

#[inline(always)]
fn unlikely(
    energies: &[[f32; FUNCTIONS]; MODES],
    powers: &[f32; FUNCTIONS],
    modes: &[f32],
    [ratio, noise]: [f32; 2],
    windows: f32,
) -> f32 {
    let (mut determinants, mut gains) = ([1.0; FUNCTIONS], [0.0; FUNCTIONS]);
    for (energies, mode) in energies.iter().zip(modes) {
        let ratio = ratio * mode;
        for i in 0..FUNCTIONS {
            let s = ratio * powers[i];
            determinants[i] *= 1.0 + s;
            gains[i] += energies[i] * s / (1.0 + s);
        }
    }
    let scale = 1.0 / noise;
    let mut costs = [0.0; FUNCTIONS];
    for i in 0..FUNCTIONS {
        costs[i] = windows * ln(determinants[i]) - gains[i] * scale;
    }
    total(costs)
}

#[inline(always)]
fn unlikely_narrow(
    functions: &Narrow,
    turns: Option<&[[f32; LONGEST]; 2]>,
    planes: &[Vec<f32>],
    modes: &[f32],
    [power, least]: [f32; 2],
) -> [f32; 2] {
    let mut energies = [[0.0; FUNCTIONS]; MODES];
    for (planes, sums) in planes.chunks(4).zip(energies.chunks_mut(2)) {
        match planes.len() {
            4 => narrow_energies::<2>(&functions.analysis, turns, planes, sums),
            _ => narrow_energies::<1>(&functions.analysis, turns, planes, sums),
        }
    }
    let values = (functions.analysis.len() * modes.len()) as f32;
    let total = power * values;
    let rest = total - weighted(&energies, &functions.signal);
    let rest = if rest > 0.0 { rest } else { 0.0 };
    let noise = rest / (functions.freedom * modes.len() as f32);
    let noise = if noise > least { noise } else { least };
    let signal = power - noise;
    let signal = if signal > LEAST_SIGNAL * noise { signal } else { LEAST_SIGNAL * noise };
    // each function is there twice
    let cost = unlikely(&energies, &functions.powers, modes, [signal / noise, noise], 0.5);
    [cost + values * ln(noise) + total / noise, noise]
}

/// Writes the energies of real and imaginary parts in the first window of `N` pairs of planes.
#[inline(always)]
fn narrow_energies<const N: usize>(
    analysis: &[[f32; FUNCTIONS]],
    turns: Option<&[[f32; LONGEST]; 2]>,
    planes: &[Vec<f32>],
    energies: &mut [[f32; FUNCTIONS]],
) {
    let mut windows = [[[0.0f32; 2]; LONGEST]; N];
    for (window_of_mode, planes) in windows.iter_mut().zip(planes.as_chunks::<2>().0) {
        let [x, y] = window(planes, 0);
        match turns {
            None => {
                for i in 0..LONGEST {
                    window_of_mode[i] = [x[i], y[i]];
                }
            }
            Some([cos, sin]) => {
                for i in 0..LONGEST {
                    window_of_mode[i] = [x[i] * cos[i] - y[i] * sin[i], x[i] * sin[i] + y[i] * cos[i]];
                }
            }
        }
    }
    let mut coefficients = [[0.0f32; FUNCTIONS]; N];
    for (g, u) in analysis.iter().enumerate().take(LONGEST) {
        for (coefficients, window) in coefficients.iter_mut().zip(&windows) {
            let pair = window[g];
            for i in 0..FUNCTIONS {
                coefficients[i] += u[i] * pair[i % 2];
            }
        }
    }
    for (energies, coefficients) in energies.iter_mut().zip(&coefficients) {
        for i in 0..FUNCTIONS {
            energies[i] = coefficients[i] * coefficients[i];
        }
    }
}

#[inline(always)]
fn smooth(
    analysis: &[[f32; FUNCTIONS]],
    gains: &[f32; FUNCTIONS],
    (planes, start): (&[Vec<f32>; 2], usize),
    (synthesis, width, skip): (&[f32], usize, usize),
    out: &mut [Sample],
) {
    let [mut re, mut im] = coefficients(analysis, window(planes, start));
    for i in 0..FUNCTIONS {
        re[i] *= gains[i];
        im[i] *= gains[i];
    }
    let mut at = 0;
    while out.len() - at >= LANES {
        synthesise::<LANES>(&re, &im, (synthesis, width, skip + at), &mut out[at..]);
        at += LANES;
    }
    while out.len() - at >= 4 {
        synthesise::<4>(&re, &im, (synthesis, width, skip + at), &mut out[at..]);
        at += 4;
    }
    while at < out.len() {
        synthesise::<1>(&re, &im, (synthesis, width, skip + at), &mut out[at..]);
        at += 1;
    }
}

/// Writes `N` subcarriers.
#[inline(always)]
fn synthesise<const N: usize>(
    re: &[f32; FUNCTIONS],
    im: &[f32; FUNCTIONS],
    (synthesis, width, skip): (&[f32], usize, usize),
    out: &mut [Sample],
) {
    let (mut x, mut y) = ([0.0; N], [0.0; N]);
    for ((row, a), b) in synthesis.chunks_exact(width).zip(re).zip(im) {
        let row = &row[skip..skip + N];
        for i in 0..N {
            x[i] += row[i] * a;
            y[i] += row[i] * b;
        }
    }
    let out = &mut out[..N];
    for i in 0..N {
        out[i] = Sample::new(x[i], y[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Backend;
    use num_complex::Complex64;
    use proptest::prelude::*;

    fn backends() -> impl Iterator<Item = &'static Loops> {
        Backend::ALL.into_iter().filter(|b| b.is_available()).map(loops)
    }

    fn wide(x: &Sample) -> Complex64 {
        Complex64::new(x.re.into(), x.im.into())
    }

    proptest! {
        #[test]
        fn functions_are_analysed_and_synthesised(
            x in proptest::collection::vec(-3.0f32..3.0, 600..601),
            length in prop_oneof![Just(12usize), Just(24)],
            skip in 0usize..5,
            count in 0usize..30,
        ) {
            let analysis: Vec<[f32; FUNCTIONS]> = x.as_chunks().0[..length].to_vec();
            // windows begin with group 5
            let planes: [Vec<f32>; 8] = std::array::from_fn(|i| x[7 * i..][..5 + LONGEST].to_vec());
            let turns: [[f32; LONGEST]; 2] = [140, 170].map(|at| *x[at..].first_chunk().unwrap());
            let coefficient = |mode: usize, turned: bool, f: usize| -> Complex64 {
                (0..length).map(|g| {
                    let value = Complex64::new(planes[2 * mode][5 + g].into(), planes[2 * mode + 1][5 + g].into());
                    let turn = Complex64::new(turns[0][g].into(), turns[1][g].into());
                    value * if turned { turn } else { 1.0.into() } * f64::from(analysis[g][f])
                }).sum()
            };
            let gains = std::array::from_fn(|f| x[200 + f]);
            let (width, used) = (40, 7);
            let synthesis = &x[220..220 + width * used];
            for loops in backends() {
                for (turned, modes) in [false, true].into_iter().flat_map(|turned| [1, 2, 3, 4].map(|n| (turned, n))) {
                    let mut sums = [[1.0; FUNCTIONS]; MODES];
                    (loops.add_energies)(&analysis, turned.then_some(&turns), &planes[..2 * modes], 5, &mut sums);
                    for (j, f) in (0..modes).flat_map(|j| (0..FUNCTIONS).map(move |f| (j, f))) {
                        let exact = 1.0 + coefficient(j, turned, f).norm_sqr();
                        prop_assert!((f64::from(sums[j][f]) - exact).abs() < 1e-4 * exact + 1e-2);
                    }
                    prop_assert!(sums[modes..].iter().all(|sums| *sums == [1.0; FUNCTIONS]));
                }
                let mut out = vec![Sample::default(); count];
                (loops.smooth)(&analysis, &gains, (&planes.as_chunks().0[1], 5), (synthesis, width, skip), &mut out);
                for (k, out) in out.iter().enumerate() {
                    let exact: Complex64 = (0..used)
                        .map(|f| coefficient(1, false, f) * f64::from(gains[f] * synthesis[width * f + skip + k]))
                        .sum();
                    prop_assert!((wide(out) - exact).norm() < 1e-2);
                }
            }
        }


        /// The loop for narrow allocations gives what the others give together.
        #[test]
        fn narrow_allocations_are_like_others(
            x in proptest::collection::vec(-3.0f32..3.0, 600..601),
            length in prop_oneof![Just(12usize), Just(24)],
        ) {
            let analysis: Vec<[f32; FUNCTIONS]> = x.as_chunks().0[..length].to_vec();
            let planes: [Vec<f32>; 8] = std::array::from_fn(|i| x[7 * i..][..LONGEST].to_vec());
            let turns: [[f32; LONGEST]; 2] = [140, 170].map(|at| *x[at..].first_chunk().unwrap());
            for loops in backends() {
                let double = |x: &[f32; FUNCTIONS]| std::array::from_fn(|i| x[i / 2]);
                let half = |x: &[f32; FUNCTIONS]| std::array::from_fn(|i| if i < FUNCTIONS / 2 { x[i] } else { 0.0 });
                let powers = half(&std::array::from_fn(|f| x[300 + f].abs()));
                let signal = half(&std::array::from_fn(|f| if f < 3 { 1.0 } else { 0.0 }));
                let functions = Narrow {
                    analysis: analysis.iter().map(double).collect(),
                    powers: double(&powers),
                    signal: double(&signal),
                    freedom: (length - 3) as f32,
                };
                let halves: Vec<[f32; FUNCTIONS]> = analysis.iter().map(half).collect();
                for (turned, n) in [(true, 2), (false, 3), (true, 4)] {
                    let (turns, planes, modes) = (turned.then_some(&turns), &planes[..2 * n], &[2.0, 1.0, 0.5, 0.3][..n]);
                    let [cost, noise] = (loops.unlikely_narrow)(&functions, turns, planes, modes, [900.0, 1e-4]);
                    let mut energies = [[0.0; FUNCTIONS]; MODES];
                    (loops.add_energies)(&halves, turns, planes, 0, &mut energies);
                    let values = (length * n) as f32;
                    let rest = 900.0 * values - (loops.weighted)(&energies, &signal);
                    let exact = (rest / ((length - 3) * n) as f32).max(1e-4);
                    prop_assert!((noise - exact).abs() < 1e-3 * exact, "{noise} {exact}");
                    let levels = [(900.0 - noise).max(LEAST_SIGNAL * noise) / noise, noise];
                    let exact = (loops.unlikely)(&energies, &powers, modes, levels, 1.0)
                        + values * noise.ln() + 900.0 * values / noise;
                    prop_assert!((cost - exact).abs() < 1e-3 * exact.abs() + 1e-2, "{cost} {exact}");
                }
            }
        }

        #[test]
        fn likelihoods_of_profiles_are_those_of_the_definition(
            x in proptest::collection::vec(0.0f32..3.0, 90..91),
            ratio in 0.01f32..1e5,
            noise in 0.01f32..10.0,
            count in 2usize..5,
        ) {
            let energies: [[f32; FUNCTIONS]; MODES] = std::array::from_fn(|j| std::array::from_fn(|f| x[16 * j + f]));
            let powers: [f32; FUNCTIONS] = std::array::from_fn(|f| x[64 + f]);
            let modes = &x[80..80 + count];
            let sum: f64 = (0..64).map(|i| f64::from(x[i]) * f64::from(powers[i % FUNCTIONS])).sum();
            let mut exact = 0.0;
            for (f, j) in (0..FUNCTIONS).flat_map(|f| (0..count).map(move |j| (f, j))) {
                let s = f64::from(ratio) * f64::from(powers[f]) * f64::from(modes[j]);
                exact += 3.0 * (1.0 + s).ln() - f64::from(energies[j][f]) / f64::from(noise) * s / (1.0 + s);
            }
            for loops in backends() {
                let cost = (loops.unlikely)(&energies, &powers, modes, [ratio, noise], 3.0);
                prop_assert!((f64::from(cost) - exact).abs() < 1e-5 * exact.abs() + 1e-2, "{cost} {exact}");
                prop_assert!((f64::from((loops.weighted)(&energies, &powers)) - sum).abs() < 1e-3);
            }
        }
    }
}
