//! How much each DMRS symbol counts for each data symbol.

use crate::channel::layout::Layout;
use crate::sequence::dmrs::MAX_DMRS;

/// Wiener weights in time: row = data symbol in mapping order, column = DMRS symbol.
///
/// The correlation of the channel over a time t is taken as rho^((t / distance)^2), which agrees with the Jakes spectrum
/// to second order.
#[derive(Clone, Debug, Default)]
pub struct TimeWeights {
    still: bool,
    rows: [[f32; MAX_DMRS]; 12],
}

impl TimeWeights {
    /// `(rho, distance)` as measured between neighbouring DMRS symbols; `noise` is the noise to signal ratio of the
    /// smoothed estimates.
    pub(super) fn new(
        layout: Layout,
        times: &[f64],
        dmrs: &[f64],
        (rho, distance): (f64, f64),
        noise: f32,
    ) -> Self {
        if rho >= 1.0 {
            return Self { still: true, rows: [[1.0, 0.0, 0.0, 0.0]; 12] };
        }
        let rate = -(rho.max(0.05)).ln() / (distance * distance);
        let correlation = |dt: f64| (-rate * dt * dt).exp();
        let n = dmrs.len();
        let mut matrix = [[0.0; MAX_DMRS]; MAX_DMRS];
        for i in 0..n {
            for j in 0..n {
                matrix[i][j] = correlation(dmrs[i] - dmrs[j]) + if i == j { noise as f64 } else { 0.0 };
            }
        }
        let mut rows = [[0.0; MAX_DMRS]; 12];
        for (row, &l) in rows.iter_mut().zip(layout.data) {
            let mut right = [0.0; MAX_DMRS];
            for (r, t) in right.iter_mut().zip(dmrs) {
                *r = correlation(times[l as usize] - t);
            }
            solve(matrix, &mut right, n);
            *row = right.map(|w| w as f32);
        }
        Self { still: false, rows }
    }

    /// Whether one estimate, the mean of all DMRS symbols, serves every data symbol.
    pub fn is_static(&self) -> bool {
        self.still
    }

    /// Weights for data symbol `i` in mapping order.
    pub fn row(&self, i: usize) -> &[f32; MAX_DMRS] {
        &self.rows[i]
    }
}

/// Gaussian elimination of a positive definite system.
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
