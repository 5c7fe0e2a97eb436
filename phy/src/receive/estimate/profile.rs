//! Delay profiles, and the functions of frequency that channels of each are made of.
//!
//! A channel whose paths lie anywhere between two delays has the covariance `sinc(width Δf)` over frequency, once the
//! middle of the two is taken out. Over a window of subcarriers few functions carry all of its power: the eigenvectors of
//! that covariance (discrete prolate spheroidal sequences). The best linear estimate weights each by `s / (s + noise)` of
//! its own power, so one small table serves every signal to noise ratio.
//!
//! ```text
//! window of L groups of G subcarriers     |---+---+---+---+---+---|     analysis:  sums of groups -> coefficients
//! what is written of it                           |---+---|             synthesis: coefficients -> subcarriers
//! the next window                             |---+---+---+---+---+---|
//! ```

use crate::kernel::functions::{FUNCTIONS, LONGEST, Narrow};
use crate::numerology::SUBCARRIER_SPACING;
use std::f64::consts::PI;
use std::sync::LazyLock;

/// First and last delay in seconds against the strongest path, narrowest profile first: the strongest path is an early one
/// more often than a late one.
const DELAYS: [(f64, f64); PROFILES] = [
    (0.0, 0.0),
    (-0.15e-6, 0.15e-6),
    (-0.15e-6, 0.45e-6),
    (-0.4e-6, 0.8e-6),
    (-0.5e-6, 1.5e-6),
    (-0.8e-6, 2.7e-6),
    (-1.5e-6, 2.7e-6),
    (-2.5e-6, 5.2e-6),
    (-5.2e-6, 2.5e-6),
];

/// Part of the power that may lie beyond the delays of a profile of at least a width in seconds: weak paths far off would
/// else be errors at high signal to noise ratios.
const BEYOND: [(f64, f64); 2] = [(1.5e-6, 0.05), (1.0e-6, 0.01)];

/// The same for windows of one or two PRBs, over which nothing can be told from a path far off.
const BEYOND_NARROW: [(f64, f64); 2] = [(1.5e-6, 0.15), (0.3e-6, 0.04)];

/// Width in seconds of all delays, about the middle of a profile.
const EVERYWHERE: f64 = 8e-6;

/// Number of profiles.
pub(super) const PROFILES: usize = 9;

/// The widest profile but two: supposed where nothing is known.
pub(super) const WIDE: usize = 6;

/// Most functions of a profile that are used.
const MOST: usize = 12;

/// Functions with less than this part of the power of the first are left out.
const LEAST_POWER: f64 = 1e-5;

/// Functions with more than this part of the power of the first are signal when the noise is measured.
const SIGNAL: f64 = 0.003;

/// Passes over a matrix after which it is diagonal.
const SWEEPS: usize = 8;

/// The shapes of windows, by allocation.
static WINDOWS: LazyLock<[Window; 7]> = LazyLock::new(|| {
    [(1, 12), (1, 24), (3, 12), (4, 12), (5, 12), (6, 12), (4, 12)]
        .map(|(group, length)| Window::new(group, length))
});

/// Window of subcarriers over which a channel is described.
#[derive(Debug)]
pub(super) struct Window {
    /// Subcarriers that are summed.
    pub(super) group: usize,
    /// Groups of a window.
    pub(super) length: usize,
    pub(super) profiles: [Basis; PROFILES],
}

/// The functions of one profile over a window, most powerful first.
#[derive(Debug)]
pub(super) struct Basis {
    /// Phase of the middle delay, in turns a subcarrier.
    pub(super) centre: f64,
    /// Takes the middle delay out of the groups of a window: real and imaginary parts.
    pub(super) turns: [[f32; LONGEST]; 2],
    /// Functions that are used.
    pub(super) functions: usize,
    /// Power of each function in a channel of power 1.
    pub(super) powers: [f32; FUNCTIONS],
    /// 1 for the functions that are signal when the noise is measured, and their number.
    pub(super) signal: [f32; FUNCTIONS],
    pub(super) signals: usize,
    /// Part of the power of the channel, on the subcarriers that are written, that each function carries.
    pub(super) shares: [f32; FUNCTIONS],
    /// One row a group: the value of each function.
    pub(super) analysis: Vec<[f32; FUNCTIONS]>,
    /// The same functions for a window of single subcarriers.
    pub(super) narrow: Narrow,
    /// One row of as many values as the window has subcarriers for each function that is used.
    pub(super) synthesis: Vec<f32>,
}

/// Returns the last delay of a profile in seconds against the strongest path.
pub(super) fn last_delay(profile: usize) -> f64 {
    DELAYS[profile].1
}

/// Makes the tables, unless they are made: receivers do not allocate later.
pub(super) fn prepare() {
    LazyLock::force(&WINDOWS);
}

impl Window {
    /// Returns the window for an allocation of `m_sc` subcarriers.
    pub(super) fn of(m_sc: usize) -> &'static Self {
        let prbs = m_sc / 12;
        &WINDOWS[if prbs <= 6 { prbs.saturating_sub(1) } else { 6 }]
    }

    /// Groups between the beginnings of two windows where several cover the allocation.
    pub(super) fn step(&self) -> usize {
        self.length / 3
    }

    fn new(group: usize, length: usize) -> Self {
        Self { group, length, profiles: DELAYS.map(|(first, last)| Basis::new(group, length, first, last)) }
    }
}

impl Basis {
    fn new(group: usize, length: usize, first: f64, last: f64) -> Self {
        let centre = 0.5 * (last + first) * SUBCARRIER_SPACING.0;
        let covariance = covariance(group, length, last - first);
        // covariance of a subcarrier with the sum of a group, of mean power 1 for noise of power 1
        let scale = 1.0 / (group as f64).sqrt();
        let with_group = |k: usize, g: usize| -> f64 {
            (group * g..group * (g + 1)).map(|other| covariance[k.abs_diff(other)]).sum::<f64>() * scale
        };
        let mut matrix = vec![0.0; length * length];
        for (i, x) in matrix.iter_mut().enumerate() {
            let first = group * (i / length);
            *x = (first..first + group).map(|k| with_group(k, i % length)).sum::<f64>() * scale;
        }
        let mut vectors = vec![0.0; length * length];
        diagonalise(&mut matrix, &mut vectors, length);
        let mut modes: Vec<(f64, &[f64])> =
            (0..length).map(|i| (matrix[i * (length + 1)], &vectors[i * length..][..length])).collect();
        modes.sort_by(|x, y| y.0.total_cmp(&x.0));
        let used = modes.iter().take(MOST).take_while(|(p, _)| *p > LEAST_POWER * modes[0].0).count();
        let modes = &modes[..used];
        let mut made = Self {
            centre,
            turns: [[0.0; LONGEST]; 2],
            functions: used,
            powers: [0.0; FUNCTIONS],
            signal: [0.0; FUNCTIONS],
            signals: modes.iter().take_while(|(p, _)| *p > SIGNAL * modes[0].0).count(),
            shares: [0.0; FUNCTIONS],
            analysis: vec![[0.0; FUNCTIONS]; length],
            narrow: Narrow::default(),
            synthesis: Vec::with_capacity(used * group * length),
        };
        made.signal[..made.signals].fill(1.0);
        for g in 0..length {
            let turn = super::phasor(centre * ((group * g) as f64 + middle(group)));
            (made.turns[0][g], made.turns[1][g]) = (turn.re, turn.im);
        }
        for (q, (power, vector)) in modes.iter().enumerate() {
            made.powers[q] = *power as f32;
            made.analysis.iter_mut().zip(*vector).for_each(|(row, x)| row[q] = *x as f32);
            let value =
                |k| (0..length).map(|g| with_group(k, g) * vector[g]).sum::<f64>() as f32 / *power as f32;
            made.synthesis.extend((0..group * length).map(value));
            let row = &made.synthesis[q * group * length..];
            made.shares[q] = made.powers[q] * row.iter().map(|x| x * x).sum::<f32>() / row.len() as f32;
        }
        if group == 1 {
            made.narrow = made.doubled();
        }
        made
    }

    /// Returns the functions of a narrow window: few are used, each in two lanes.
    fn doubled(&self) -> Narrow {
        let twice = |x: &[f32; FUNCTIONS]| std::array::from_fn(|i| x[i / 2]);
        Narrow {
            analysis: self.analysis.iter().map(twice).collect(),
            powers: twice(&self.powers),
            signal: twice(&self.signal),
            freedom: (self.analysis.len() - self.signals) as f32,
        }
    }
}

/// Returns the covariance of subcarriers 0, 1, .. apart of a channel whose delays differ by as many seconds at most.
fn covariance(group: usize, length: usize, delays: f64) -> Vec<f64> {
    let table = if group == 1 { &BEYOND_NARROW } else { &BEYOND };
    let beyond = table.iter().find(|(least, _)| delays >= *least).map_or(0.0, |(_, part)| *part);
    let within = |width: f64, apart: usize| sinc(width * SUBCARRIER_SPACING.0 * apart as f64);
    let subcarriers = 0..group * length;
    subcarriers
        .map(|apart| (1.0 - beyond) * within(delays, apart) + beyond * within(EVERYWHERE, apart))
        .collect()
}

/// Returns the middle of a group of subcarriers.
pub(super) fn middle(group: usize) -> f64 {
    0.5 * (group - 1) as f64
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Makes a symmetric matrix of `n` rows diagonal by Jacobi's rotations: its eigenvalues are left on the diagonal, and
/// `vectors` has an eigenvector in each row.
pub(super) fn diagonalise(a: &mut [f64], vectors: &mut [f64], n: usize) {
    for (i, v) in vectors.iter_mut().enumerate() {
        *v = if i % (n + 1) == 0 { 1.0 } else { 0.0 };
    }
    for _ in 0..SWEEPS {
        for p in 0..n {
            for q in p + 1..n {
                let angle = 0.5 * (2.0 * a[p * n + q]).atan2(a[q * n + q] - a[p * n + p]);
                let (sin, cos) = angle.sin_cos();
                let turn = |x: f64, y: f64| (cos * x - sin * y, sin * x + cos * y);
                for row in a.chunks_exact_mut(n) {
                    (row[p], row[q]) = turn(row[p], row[q]);
                }
                for k in 0..n {
                    let (i, j) = (p * n + k, q * n + k);
                    (a[i], a[j]) = turn(a[i], a[j]);
                    (vectors[i], vectors[j]) = turn(vectors[i], vectors[j]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sample;
    use crate::sequence::dmrs::MAX_DMRS;

    #[test]
    fn functions_are_orthogonal_and_carry_the_channel() {
        for window in WINDOWS.iter() {
            for (profile, basis) in window.profiles.iter().enumerate() {
                let used = basis.functions;
                assert!(window.group > 1 || used <= FUNCTIONS / 2, "profile {profile}: {used}");
                assert!(basis.powers[used - 1] > 0.0 && basis.powers[used..].iter().all(|p| *p == 0.0));
                for i in 0..used {
                    for j in 0..used {
                        let product: f32 = basis.analysis.iter().map(|row| row[i] * row[j]).sum();
                        let wanted = if i == j { 1.0 } else { 0.0 };
                        assert!((product - wanted).abs() < 1e-4, "profile {profile}: {i} {j} {product}");
                    }
                }
                let carried: f32 = basis.shares.iter().sum();
                assert!(
                    (0.96..1.001).contains(&carried),
                    "profile {profile} of {}: {carried}",
                    window.length
                );
            }
        }
    }

    /// A path anywhere within a profile is made of its functions, without noise exactly; each window of each allocation.
    #[test]
    fn a_path_within_a_profile_is_followed() {
        use super::super::fit::{self, Fit};
        use super::super::motion::Modes;
        for prbs in [1, 2, 3, 4, 5, 6, 8, 25, 48] {
            let m_sc = 12 * prbs;
            let shape = Window::of(m_sc);
            for (profile, (first, last)) in DELAYS.into_iter().enumerate() {
                let delay = first + 0.7 * (last - first);
                let path = |k: usize| super::super::phasor(-delay * SUBCARRIER_SPACING.0 * k as f64);
                let ls = vec![(0..m_sc).map(path).collect::<Vec<_>>()];
                let mut planes = fit::planes(m_sc);
                let modes = Modes::of_doppler(0.0, &[0.0]);
                fit::gather(&ls, m_sc, &modes.weights(&[Sample::new(1.0, 0.0)]), shape.group, &mut planes);
                let basis = &shape.profiles[profile];
                let groups = m_sc / shape.group;
                fit::centre(&mut planes, groups, basis, shape.group);
                let fit = Fit { modes: &modes, ratio: 1e4, kept: 1, scales: [1.0; MAX_DMRS] };
                let mut smooth: [Vec<Sample>; MAX_DMRS] =
                    std::array::from_fn(|_| vec![Sample::default(); m_sc]);
                fit::estimate(shape, profile, (&planes, groups), &fit, &mut smooth);
                for (k, h) in smooth[0].iter().enumerate() {
                    let exact = path(k) * super::super::phasor(basis.centre * k as f64);
                    let off = (h - exact).norm();
                    assert!(off < 0.2, "{prbs} PRB, profile {profile}, subcarrier {k}: {off}");
                }
            }
        }
    }
}
