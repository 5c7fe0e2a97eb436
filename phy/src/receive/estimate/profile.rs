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

use crate::Sample;
use crate::numerology::SUBCARRIER_SPACING;
use std::f64::consts::PI;
use std::sync::LazyLock;

/// First and last delay in seconds against the strongest path, narrowest profile first.
const DELAYS: [(f64, f64); PROFILES] = [
    (0.0, 0.0),
    (-0.15e-6, 0.15e-6),
    (-0.15e-6, 0.45e-6),
    (-0.4e-6, 0.8e-6),
    (-0.5e-6, 1.5e-6),
    (-0.8e-6, 2.7e-6),
    (-1.5e-6, 2.7e-6),
    (-2.5e-6, 5.2e-6),
];

/// Part of the power that may lie beyond the delays of a profile of at least a width in seconds: weak paths far off would
/// else be errors at high signal to noise ratios.
const BEYOND: [(f64, f64); 2] = [(1.5e-6, 0.05), (1.0e-6, 0.01)];

/// Width in seconds of all delays, about the middle of a profile.
const EVERYWHERE: f64 = 8e-6;

/// Number of profiles.
pub(super) const PROFILES: usize = 8;

/// The widest profile but one: supposed where nothing is known.
pub(super) const WIDE: usize = 6;

/// Most functions of a profile that are used.
pub(super) const FUNCTIONS: usize = 12;

/// Most groups of a window.
pub(super) const LONGEST: usize = 24;

/// Functions with less than this part of the power of the first are left out.
const LEAST_POWER: f64 = 1e-5;

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
    /// Takes the middle delay out of the groups of a window.
    pub(super) turns: Vec<Sample>,
    /// Power of each function in a channel of power 1.
    pub(super) powers: Vec<f32>,
    /// Part of the power of the channel, on the subcarriers that are written, that each function carries.
    pub(super) shares: Vec<f32>,
    /// One row of `length` values a function.
    pub(super) analysis: Vec<f32>,
    /// One row of [`FUNCTIONS`] values a subcarrier.
    pub(super) synthesis: Vec<[f32; FUNCTIONS]>,
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
        let width = (last - first) * SUBCARRIER_SPACING.0;
        let centre = 0.5 * (last + first) * SUBCARRIER_SPACING.0;
        let beyond = BEYOND.iter().find(|(least, _)| last - first >= *least).map_or(0.0, |(_, part)| *part);
        // covariance of a subcarrier with the sum of a group, of mean power 1 for noise of power 1
        let scale = 1.0 / (group as f64).sqrt();
        let with_group = |k: usize, g: usize| -> f64 {
            let covariance = |r: usize| {
                let apart = k as f64 - (group * g + r) as f64;
                (1.0 - beyond) * sinc(width * apart)
                    + beyond * sinc(EVERYWHERE * SUBCARRIER_SPACING.0 * apart)
            };
            (0..group).map(covariance).sum::<f64>() * scale
        };
        let covariance: Vec<Vec<f64>> = (0..length)
            .map(|a| {
                let row = |b| (0..group).map(|r| with_group(group * a + r, b)).sum::<f64>() * scale;
                (0..length).map(row).collect()
            })
            .collect();
        let modes = eigenvectors(covariance);
        let used = modes.iter().take(FUNCTIONS).take_while(|(p, _)| *p > LEAST_POWER * modes[0].0).count();
        let modes = &modes[..used];
        let synthesis: Vec<[f32; FUNCTIONS]> = (0..group * length)
            .map(|k| {
                let mut row = [0.0; FUNCTIONS];
                for (x, (power, vector)) in row.iter_mut().zip(modes) {
                    *x =
                        (0..length).map(|g| with_group(k, g) * vector[g]).sum::<f64>() as f32 / *power as f32;
                }
                row
            })
            .collect();
        let share = |(q, (power, _)): (usize, &(f64, Vec<f64>))| {
            let mean = synthesis.iter().map(|row| row[q] * row[q]).sum::<f32>() / (group * length) as f32;
            *power as f32 * mean
        };
        let middle = |g: usize| (group * g) as f64 + 0.5 * (group - 1) as f64;
        Self {
            centre,
            turns: (0..length).map(|g| super::phasor(centre * middle(g))).collect(),
            powers: modes.iter().map(|(p, _)| *p as f32).collect(),
            shares: modes.iter().enumerate().map(share).collect(),
            analysis: modes.iter().flat_map(|(_, v)| v.iter().map(|x| *x as f32)).collect(),
            synthesis,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Returns eigenvalues and eigenvectors of a symmetric matrix by Jacobi's rotations, largest eigenvalue first.
pub(super) fn eigenvectors(mut a: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let n = a.len();
    let mut vectors: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
    for _ in 0..12 {
        for p in 0..n {
            for q in p + 1..n {
                let angle = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
                let (sin, cos) = angle.sin_cos();
                let turn = |x: f64, y: f64| (cos * x - sin * y, sin * x + cos * y);
                for row in &mut a {
                    (row[p], row[q]) = turn(row[p], row[q]);
                }
                for k in 0..n {
                    (a[p][k], a[q][k]) = turn(a[p][k], a[q][k]);
                    (vectors[p][k], vectors[q][k]) = turn(vectors[p][k], vectors[q][k]);
                }
            }
        }
    }
    let mut modes: Vec<(f64, Vec<f64>)> =
        vectors.into_iter().enumerate().map(|(i, v)| (a[i][i].max(0.0), v)).collect();
    modes.sort_by(|x, y| y.0.total_cmp(&x.0));
    modes
}
