//! Phase noise of a free-running oscillator.

use super::offset::phase_of_turns;
use super::rng::Rng;
use crate::Sample;
use crate::kernel::elementary::cos_sin;
use crate::units::Hertz;

/// Turns a stream by a random walk of the phase (a Wiener process): the line of a free-running oscillator.
///
/// An oscillator whose line is a Lorentzian of full width `linewidth` Hz at half its height has a phase whose variance
/// grows by `2 pi linewidth / sample_rate` rad² a sample; at an offset `f` well outside the line its noise density is
/// `10 log10(linewidth / (pi f²))` dBc/Hz: 1 Hz gives -105 dBc/Hz at 100 kHz.
#[derive(Clone, Debug)]
pub struct PhaseNoise {
    rng: Rng,
    /// Units of 2⁻⁶⁴ turns.
    phase: u64,
    /// Turns per unit of a component of a complex Gaussian of power 1, whose variance is 1/2.
    scale: f64,
}

impl PhaseNoise {
    /// Makes phase noise of `linewidth`, with phase 0 before the first sample. A quotient that is negative or not
    /// finite counts as 0.
    pub fn new(linewidth: Hertz, sample_rate: Hertz, seed: u64) -> Self {
        let variance = core::f64::consts::TAU * linewidth.0 / sample_rate.0;
        let radians = if variance.is_finite() && variance > 0.0 { (2.0 * variance).sqrt() } else { 0.0 };
        Self { rng: Rng::new(seed), phase: 0, scale: radians / core::f64::consts::TAU }
    }

    /// Turns in place.
    pub fn process(&mut self, samples: &mut [Sample]) {
        for s in samples {
            let turns = self.scale * f64::from(self.rng.complex_gaussian().re);
            self.phase = self.phase.wrapping_add(phase_of_turns(turns));
            let (cos, sin) = cos_sin((self.phase >> 32) as u32);
            *s *= Sample::new(cos, sin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::testing::{in_blocks, wide};

    fn noisy(linewidth: f64, seed: u64, n: usize) -> Vec<Sample> {
        let mut x = vec![Sample::new(1.0, 0.0); n];
        PhaseNoise::new(Hertz(linewidth), Hertz(1e6), seed).process(&mut x);
        x
    }

    /// The autocorrelation of a Lorentzian line falls as exp(-pi linewidth delay).
    #[test]
    fn the_line_is_as_wide_as_promised() {
        let x = noisy(1000.0, 5, 2_000_000);
        for delay in [50, 200, 400] {
            let pairs = x.iter().zip(&x[delay..]).map(|(a, b)| (wide(*b) * wide(*a).conj()).re);
            let measured = pairs.sum::<f64>() / (x.len() - delay) as f64;
            let expected = (-core::f64::consts::PI * 1000.0 * delay as f64 / 1e6).exp();
            // some 2000 independent segments of the correlation time
            assert!((measured - expected).abs() < 0.05, "{delay} samples: {measured} for {expected}");
        }
    }

    #[test]
    fn magnitudes_stay_and_no_width_changes_nothing() {
        assert!(noisy(1e5, 1, 10_000).iter().all(|s| (s.norm() - 1.0).abs() < 1e-5));
        for linewidth in [0.0, -1.0, f64::NAN] {
            assert_eq!(noisy(linewidth, 1, 100), vec![Sample::new(1.0, 0.0); 100]);
        }
    }

    #[test]
    fn blocks_do_not_matter() {
        let mut parts = vec![Sample::new(1.0, 0.0); 1000];
        let mut noise = PhaseNoise::new(Hertz(500.0), Hertz(1e6), 9);
        in_blocks(&mut parts, &[1, 0, 63, 500], |block| noise.process(block));
        assert_eq!(parts, noisy(500.0, 9, 1000));
    }
}
