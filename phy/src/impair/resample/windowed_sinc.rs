//! The interpolation kernel of the resampler, the fractional delays and the fading paths: a sinc under a Kaiser window.
//!
//! J. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", Proc. IEEE Int. Symp. Circuits
//! and Systems, 1974: an attenuation of `A` dB takes `β = 0.1102 (A - 8.7)` for `A > 50`, and `taps` taps then leave a
//! transition of `(A - 8) / (14.36 (taps - 1))` cycles per sample, centred on the cut-off.

use crate::kernel::elementary::cos_sin_turns;
use core::f64::consts::PI;

/// Computes weights that interpolate a stream `fraction` of a sample after the tap `taps / 2 - 1`.
///
/// `bandwidth` is twice the cut-off in cycles per sample (1.0 keeps all), `attenuation_db` (above 50) shapes the
/// window. The weights sum to 1: a constant stream is unchanged.
pub(crate) fn interpolation_weights(weights: &mut [f32], fraction: f64, bandwidth: f64, attenuation_db: f64) {
    let taps = weights.len();
    let before = (taps / 2) as f64 - 1.0;
    let beta = 0.1102 * (attenuation_db - 8.7);
    let weight = |k: usize| {
        let t = k as f64 - before - fraction;
        let edge = 2.0 * t / taps as f64;
        sinc(bandwidth * t) * bessel_i0(beta * (1.0 - edge * edge).max(0.0).sqrt())
    };
    let sum: f64 = (0..taps).map(weight).sum();
    for (k, w) in weights.iter_mut().enumerate() {
        *w = (weight(k) / sum) as f32;
    }
}

/// `sin(πx) / (πx)`.
fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { cos_sin_turns(x / 2.0).1 / (PI * x) }
}

/// Modified Bessel function of the first kind and order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > 1e-18 * sum {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_function_at_tabulated_points() {
        // Abramowitz and Stegun, Table 9.8.
        for (x, expected) in [(0.0, 1.0), (1.0, 1.266_065_878), (5.0, 27.239_871_82), (10.0, 2_815.716_628)] {
            assert!((bessel_i0(x) / expected - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn whole_positions_pick_one_sample() {
        let mut weights = [0.0; 16];
        interpolation_weights(&mut weights, 0.0, 1.0, 70.0);
        for (k, w) in weights.iter().enumerate() {
            let expected = if k == 7 { 1.0 } else { 0.0 };
            assert!((w - expected).abs() < 1e-7, "{k}: {w}");
        }
    }
}
