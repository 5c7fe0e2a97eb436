//! Weight of each DMRS symbol for each data symbol.

use super::bessel::j0;
use crate::channel::layout::Layout;
use crate::sequence::dmrs::MAX_DMRS;
use std::f64::consts::PI;

/// Data symbols of a subframe at most.
const MAX_DATA: usize = 12;

/// Wiener weights in time: row = data symbol in mapping order, column = DMRS symbol.
///
/// The correlation of the channel over a time t is that of the Jakes spectrum, `J0(2 pi f_d t)`.
#[derive(Clone, Debug, Default)]
pub struct TimeWeights {
    still: bool,
    rows: [[f32; MAX_DMRS]; MAX_DATA],
    /// Mean square error of the channel estimate of each row, against the power of the channel.
    errors: [f32; MAX_DATA],
}

impl TimeWeights {
    /// Returns the weights for a static channel.
    pub(super) fn still() -> Self {
        Self { still: true, rows: [[1.0, 0.0, 0.0, 0.0]; MAX_DATA], errors: [0.0; MAX_DATA] }
    }

    /// Returns the weights for a moving channel; `noise` is the noise to signal ratio of the smoothed estimates.
    pub(super) fn moving(layout: Layout, times: &[f64], dmrs: &[f64], doppler_hz: f64, noise: f32) -> Self {
        let correlation = |dt: f64| j0(2.0 * PI * doppler_hz * dt);
        let n = dmrs.len();
        let mut matrix = [[0.0; MAX_DMRS]; MAX_DMRS];
        for i in 0..n {
            for j in 0..n {
                matrix[i][j] = correlation(dmrs[i] - dmrs[j]) + if i == j { noise as f64 } else { 0.0 };
            }
        }
        let mut rows = [[0.0; MAX_DMRS]; MAX_DATA];
        let mut errors = [0.0; MAX_DATA];
        for ((row, error), &l) in rows.iter_mut().zip(&mut errors).zip(layout.data) {
            let mut right = [0.0; MAX_DMRS];
            for (r, t) in right.iter_mut().zip(dmrs) {
                *r = correlation(times[l as usize] - t);
            }
            let mut weights = right;
            solve(matrix, &mut weights, n);
            let explained: f64 = weights.iter().zip(&right).map(|(w, r)| w * r).sum();
            *row = weights.map(|w| w as f32);
            *error = (1.0 - explained).clamp(0.0, 1.0) as f32;
        }
        Self { still: false, rows, errors }
    }

    /// Returns the weights of a polynomial in time with the coefficients as its estimates: the powers of `time`.
    pub(super) fn powers(layout: Layout, time: impl Fn(usize) -> f32) -> Self {
        let mut rows = [[0.0; MAX_DMRS]; MAX_DATA];
        for (row, &l) in rows.iter_mut().zip(layout.data) {
            let t = time(l as usize);
            *row = [1.0, t, t * t, t * t * t];
        }
        Self { still: false, rows, errors: [0.0; MAX_DATA] }
    }

    /// Whether one estimate, the mean of all DMRS symbols, is used for every data symbol.
    pub fn is_static(&self) -> bool {
        self.still
    }

    /// Returns the weights for data symbol `i` in mapping order.
    pub fn row(&self, i: usize) -> &[f32; MAX_DMRS] {
        &self.rows[i]
    }

    /// Returns the mean square error of the channel on data symbol `i`, against the power of the channel; 0 if it is
    /// static.
    pub fn error(&self, i: usize) -> f32 {
        self.errors[i]
    }
}

/// Solves a positive definite system by Gaussian elimination.
fn solve(mut a: [[f64; MAX_DMRS]; MAX_DMRS], b: &mut [f64; MAX_DMRS], n: usize) {
    for i in 0..n {
        let pivot = a[i][i].max(1e-9);
        for j in i + 1..n {
            let factor = a[j][i] / pivot;
            for k in i..n {
                a[j][k] -= factor * a[i][k];
            }
            b[j] -= factor * b[i];
        }
    }
    for i in (0..n).rev() {
        let rest: f64 = (i + 1..n).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - rest) / a[i][i].max(1e-9);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{CyclicPrefix, SidelinkMode};

    /// On a reference symbol itself and without noise there is no error; half-way between two that a fast channel
    /// decorrelates, the error is large.
    #[test]
    fn errors_grow_with_distance_speed_and_noise() {
        let times: Vec<f64> = (0..14).map(|l| l as f64 * 71.4e-6).collect();
        let layout = Layout::shared(SidelinkMode::D2d, CyclicPrefix::Normal);
        let dmrs = [times[3], times[10]];
        let weights = |doppler, noise| TimeWeights::moving(layout, &times, &dmrs, doppler, noise);
        // data symbols 2 and 6 are symbols 2 and 7
        let (slow, fast) = (weights(50.0, 1e-4), weights(500.0, 1e-4));
        assert!(slow.error(2) < 1e-3 && slow.error(6) < 1e-2, "{slow:?}");
        assert!(fast.error(6) > fast.error(2) && fast.error(2) > slow.error(2), "{fast:?}");
        assert!(weights(50.0, 0.1).error(2) > 0.02);
        let sum: f32 = slow.row(6).iter().sum();
        assert!((sum - 1.0).abs() < 0.01, "a slow channel is interpolated: {sum}");
    }
}
