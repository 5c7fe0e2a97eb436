//! Weight of each mode over time for each data symbol.

use super::bessel::j0;
use super::motion::Modes;
use crate::channel::layout::Layout;
use crate::sequence::dmrs::MAX_DMRS;
use std::f64::consts::PI;

/// Data symbols of a subframe at most.
const MAX_DATA: usize = 12;

/// Interpolation in time for one Doppler: row = data symbol in mapping order, column = mode over the DMRS symbols.
///
/// The correlation of the channel over a time t is that of the Jakes spectrum, `J0(2 pi f_d t)`. The best linear
/// estimate on a data symbol is the sum of the estimates of the modes, each times its weight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Interpolation {
    rows: [[f32; MAX_DMRS]; MAX_DATA],
    /// Power that each mode has on each data symbol in a channel of power 1.
    powers: [[f32; MAX_DMRS]; MAX_DATA],
}

impl Interpolation {
    pub(super) fn new(
        layout: Layout,
        times: &[f64; 14],
        dmrs: &[f64],
        doppler_hz: f64,
        modes: &Modes,
    ) -> Self {
        let mut made = Self::default();
        for ((row, powers), &l) in made.rows.iter_mut().zip(&mut made.powers).zip(layout.data) {
            for (j, vector) in modes.vectors.iter().enumerate() {
                let correlation = |t: &f64| j0(2.0 * PI * doppler_hz * (times[l as usize] - t));
                let with_mode: f64 = dmrs.iter().zip(vector).map(|(t, v)| correlation(t) * *v as f64).sum();
                let value = modes.powers[j] as f64;
                if value > 1e-6 {
                    row[j] = (with_mode / value) as f32;
                    powers[j] = (with_mode * with_mode / value) as f32;
                }
            }
        }
        made
    }

    /// Returns the weight of the only mode of a static channel.
    pub(super) fn still(&self) -> f32 {
        self.rows[0][0]
    }
}

/// Weights of one estimate: row = data symbol in mapping order, column = mode over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeWeights {
    still: bool,
    rows: [[f32; MAX_DMRS]; MAX_DATA],
    /// Mean square error of the channel estimate of each row, against the power of the channel.
    errors: [f32; MAX_DATA],
}

impl TimeWeights {
    /// Returns the weights for a static channel, of whose power the part `known` is known.
    pub(super) fn still(known: f32) -> Self {
        let error = (1.0 - known).clamp(0.0, 1.0);
        Self { still: true, rows: [[1.0, 0.0, 0.0, 0.0]; MAX_DATA], errors: [error; MAX_DATA] }
    }

    /// Returns the weights for a moving channel; `known` is the part of the power of each mode that is known.
    pub(super) fn moving(interpolation: &Interpolation, known: &[f32; MAX_DMRS]) -> Self {
        let errors = interpolation.powers.map(|powers| {
            let explained: f32 = powers.iter().zip(known).map(|(p, k)| p * k).sum();
            (1.0 - explained).clamp(0.0, 1.0)
        });
        Self { still: false, rows: interpolation.rows, errors }
    }

    /// Whether one estimate is used for every data symbol.
    pub(crate) fn is_static(&self) -> bool {
        self.still
    }

    /// Returns the weights for data symbol `i` in mapping order.
    pub(crate) fn row(&self, i: usize) -> &[f32; MAX_DMRS] {
        &self.rows[i]
    }

    /// Returns the mean square error of the channel on data symbol `i`, against the power of the channel.
    pub(crate) fn error(&self, i: usize) -> f32 {
        self.errors[i]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{CyclicPrefix, SidelinkMode};

    /// On a reference symbol itself there is no error; half-way between two that a fast channel decorrelates, the error
    /// is large. What is not known of a mode is missing.
    #[test]
    fn errors_grow_with_distance_speed_and_noise() {
        let mut times = [0.0; 14];
        times.iter_mut().enumerate().for_each(|(l, t)| *t = l as f64 * 71.4e-6);
        let layout = Layout::shared(SidelinkMode::D2d, CyclicPrefix::Normal);
        let dmrs = [times[3], times[10]];
        let weights = |doppler, known| {
            let modes = Modes::of_doppler(doppler, &dmrs);
            TimeWeights::moving(&Interpolation::new(layout, &times, &dmrs, doppler, &modes), &known)
        };
        // data symbols 2 and 6 are symbols 2 and 7
        let (slow, fast) = (weights(50.0, [1.0; 4]), weights(500.0, [1.0; 4]));
        assert!(slow.error(2) < 1e-3 && slow.error(6) < 1e-2, "{slow:?}");
        assert!(fast.error(6) > fast.error(2) && fast.error(2) > slow.error(2), "{fast:?}");
        assert!(weights(50.0, [0.95, 0.5, 0.0, 0.0]).error(2) > 0.02);
    }
}
