//! Weights of several antennas: maximum ratio combining, and rejection of interference that is correlated across them.
//!
//! Both are the MMSE solution `R^-1 h / (1 + h^H R^-1 h)`, where `R` is the covariance of noise and interference: a
//! diagonal for the former. Antennas are normalised by their noise first.

use super::super::estimate::covariance::{Matrix, inverse};
use super::super::estimate::{Branch, Estimator};
use super::Equaliser;
use crate::Sample;
use crate::units::Antennas;

/// Least noise that is divided by.
const LEAST_NOISE: f32 = 1e-30;

impl Equaliser {
    /// Computes the weights of all antennas for data symbol `i`, delay included; returns the mean gain.
    pub(super) fn weigh_antennas(&mut self, estimator: &Estimator, i: usize) -> f32 {
        let m_sc = estimator.state.m_sc;
        self.normalise(estimator, i);
        let mut gain = 0.0;
        match estimator.covariance.groups() {
            0 => gain = self.combine(m_sc),
            groups => {
                for g in 0..groups {
                    let range = estimator.covariance.subcarriers(g, m_sc);
                    let inverse = estimator
                        .covariance
                        .at(range.start)
                        .and_then(|matrix| inverse(&with_errors(matrix, &estimator.branches, i)));
                    gain += match inverse {
                        Some(inverse) => self.reject(&inverse, range),
                        None => 0.0,
                    };
                }
            }
        }
        for (weights, branch) in self.weights.iter_mut().zip(&estimator.branches) {
            let scale = scale(branch, i, estimator.covariance.groups() > 0);
            for (w, r) in weights[..m_sc].iter_mut().zip(&estimator.ramp) {
                *w = (*w * r).conj() * scale;
            }
        }
        gain / m_sc as f32
    }

    /// Writes the channel of each antenna on data symbol `i`, divided by the root of its noise.
    fn normalise(&mut self, estimator: &Estimator, i: usize) {
        let m_sc = estimator.state.m_sc;
        let rejects = estimator.covariance.groups() > 0;
        for (a, (weights, branch)) in self.weights.iter_mut().zip(&estimator.branches).enumerate() {
            let out = &mut weights[..m_sc];
            if !branch.is_heard() {
                out.fill(Sample::default());
                continue;
            }
            match estimator.known_channel(a, i) {
                Some(known) => out.copy_from_slice(known),
                None => super::channel_at(branch, estimator.state.dmrs_symbols, i, out),
            }
            let scale = scale(branch, i, rejects);
            out.iter_mut().for_each(|h| *h *= scale);
        }
    }

    /// Turns normalised channels into weights for independent noise; returns the sum of the gains.
    fn combine(&mut self, m_sc: usize) -> f32 {
        let power = &mut self.power[..m_sc];
        power.fill(0.0);
        for weights in &self.weights {
            power.iter_mut().zip(weights).for_each(|(p, h)| *p += h.norm_sqr());
        }
        let mut gain = 0.0;
        for p in power.iter_mut() {
            let inverse = 1.0 / (1.0 + *p);
            gain += *p * inverse;
            *p = inverse;
        }
        for weights in &mut self.weights {
            weights.iter_mut().zip(&*power).for_each(|(h, inverse)| *h *= inverse);
        }
        gain
    }

    /// Turns normalised channels into weights for noise with the inverse covariance `inverse`; returns the sum of the
    /// gains.
    fn reject(&mut self, inverse: &Matrix, range: std::ops::Range<usize>) -> f32 {
        let count = self.weights.len();
        let mut sum = 0.0;
        for k in range {
            let mut h = [Sample::default(); Antennas::MAX];
            h.iter_mut().zip(&self.weights).for_each(|(h, weights)| *h = weights[k]);
            let q: [Sample; Antennas::MAX] =
                std::array::from_fn(|a| (0..count).map(|b| inverse[a][b] * h[b]).sum());
            let power: f32 = h.iter().zip(&q).map(|(h, q)| (h.conj() * q).re).sum::<f32>().max(0.0);
            let shrink = 1.0 / (1.0 + power);
            sum += power * shrink;
            self.weights.iter_mut().zip(q).for_each(|(weights, q)| weights[k] = q * shrink);
        }
        sum
    }
}

/// Returns the inverse root of the noise of an antenna on data symbol `i`; what is unknown of the channel counts as
/// noise, unless the covariance has it.
fn scale(branch: &Branch, i: usize, rejects: bool) -> f32 {
    let unknown = if rejects { 0.0 } else { branch.weights.error(i) * branch.signal };
    1.0 / (branch.noise + unknown).max(LEAST_NOISE).sqrt()
}

/// Adds what is unknown of the channels on data symbol `i` to a normalised covariance.
fn with_errors(matrix: &Matrix, branches: &[Branch], i: usize) -> Matrix {
    let mut sum = *matrix;
    for (a, branch) in branches.iter().enumerate().filter(|(_, b)| b.is_heard()) {
        sum[a][a].re += branch.weights.error(i) * branch.signal / branch.noise.max(LEAST_NOISE);
    }
    sum
}
