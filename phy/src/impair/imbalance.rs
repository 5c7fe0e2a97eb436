//! I/Q imbalance: two branches of a quadrature mixer that are not alike.

use crate::Sample;
use crate::kernel::elementary::cos_sin_turns;
use crate::units::Decibel;

/// Gain and phase error between the I and the Q branch.
///
/// The Q branch has `gain` more gain than the I branch, half of it above and half of it below the nominal one, and
/// its oscillator lags the nominal angle by `phase_degrees`:
///
/// `I' = a I`, `Q' = b (Q cos φ - I sin φ)`, with `20 log10(b / a)` the gain and `a b = 1`.
///
/// A line at `f` gets an image at `-f`, weaker by `20 log10 |a + b exp(-jφ)| / |a - b exp(jφ)|`.
#[derive(Clone, Copy, Debug)]
pub struct IqImbalance {
    /// a.
    i: f32,
    /// b cos φ.
    q: f32,
    /// b sin φ.
    leak: f32,
}

impl IqImbalance {
    /// Makes an imbalance of `gain` and `phase_degrees`, each of either sign.
    pub fn new(gain: Decibel, phase_degrees: f64) -> Self {
        let b = Decibel(gain.0 / 2.0).amplitude_ratio();
        let (cos, sin) = cos_sin_turns(phase_degrees / 360.0);
        Self { i: (1.0 / b) as f32, q: (b * cos) as f32, leak: (b * sin) as f32 }
    }

    /// Distorts in place.
    pub fn process(&self, samples: &mut [Sample]) {
        for s in samples {
            *s = Sample::new(self.i * s.re, self.q * s.im - self.leak * s.re);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::testing::{tone, tone_sample, wide};
    use num_complex::Complex64;

    /// Returns the amplitude of the line at `frequency` (cycles per sample).
    fn line(x: &[Sample], frequency: f64) -> f64 {
        let sum: Complex64 = x.iter().enumerate().map(|(n, s)| wide(*s) * tone(-frequency, n as f64)).sum();
        sum.norm() / x.len() as f64
    }

    #[test]
    fn the_image_is_as_strong_as_the_formula_says() {
        for (gain, degrees) in [(1.0, 0.0), (0.0, 5.0), (2.0, 10.0), (-0.5, -3.0)] {
            let mut x: Vec<Sample> = (0..4000).map(|n| tone_sample(0.1, f64::from(n))).collect();
            IqImbalance::new(Decibel(gain), degrees).process(&mut x);
            let (ratio, phi) = (10_f64.powf(gain / 20.0), degrees.to_radians());
            let (a, b) = (ratio.powf(-0.5), ratio.sqrt());
            let signal = (a + b * Complex64::cis(-phi)).norm() / 2.0;
            let image = (a - b * Complex64::cis(phi)).norm() / 2.0;
            assert!((line(&x, 0.1) - signal).abs() < 1e-5, "{gain} dB, {degrees} degrees");
            assert!((line(&x, -0.1) - image).abs() < 1e-5, "{gain} dB, {degrees} degrees");
        }
    }

    #[test]
    fn no_imbalance_changes_nothing() {
        let mut x = [Sample::new(0.25, -0.5); 9];
        IqImbalance::new(Decibel(0.0), 0.0).process(&mut x);
        assert_eq!(x, [Sample::new(0.25, -0.5); 9]);
    }
}
