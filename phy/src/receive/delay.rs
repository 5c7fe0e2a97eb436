//! Delay of a UE's own burst: a known burst, and its place in received samples.
//!
//! Not of 3GPP: it measures the delay from the transmit clock of a radio to its receive clock through a cable, or
//! through its own leakage.

use crate::Sample;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Samples of the burst, at any rate.
pub const BURST: usize = 1024;

/// Bins that it fills around the carrier, the carrier itself included: 59 % of the rate, which filters pass. A prime:
/// all cyclic shifts of the sequence are orthogonal.
const BINS: usize = 601;

/// Root of the Zadoff-Chu sequence in the bins.
const ROOT: u64 = 25;

/// Root mean square amplitude: its peaks stay below 1.
const AMPLITUDE: f32 = 0.3;

/// Least coherence of a detection. On noise alone the coherence exceeds x with a probability of exp(-1024 x) a place:
/// 1e-44 here. A burst as strong as the noise has 0.5, one of -9 dB this.
const LEAST: f32 = 0.1;

/// A detected burst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Its first sample, with the fraction of a sample.
    pub at: f64,
    /// Share of the power there that belongs to the burst: 0 to 1.
    pub coherence: f32,
}

/// Searches the burst. Allocates only at construction.
pub struct DelaySearch {
    burst: Vec<Sample>,
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    /// Conjugate spectrum of the burst.
    template: Vec<Sample>,
    work: Vec<Sample>,
    scratch: Vec<Sample>,
    most: usize,
}

impl DelaySearch {
    /// Makes a search over at most `most` samples.
    pub fn new(most: usize) -> Self {
        let mut planner = FftPlanner::new();
        let mut burst = vec![Sample::default(); BURST];
        for (n, value) in zadoff_chu().enumerate() {
            burst[(n + BURST - BINS / 2) % BURST] = value;
        }
        planner.plan_fft_inverse(BURST).process(&mut burst);
        let scale = AMPLITUDE / (BINS as f32).sqrt();
        for v in &mut burst {
            *v *= scale;
        }
        let length = (most + BURST).next_power_of_two();
        let (forward, inverse) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
        let mut template = vec![Sample::default(); length];
        template[..BURST].copy_from_slice(&burst);
        forward.process(&mut template);
        for v in &mut template {
            *v = v.conj() / length as f32;
        }
        let scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        Self {
            burst,
            forward,
            inverse,
            template,
            work: vec![Sample::default(); length],
            scratch: vec![Sample::default(); scratch],
            most,
        }
    }

    /// Returns the burst to send.
    pub fn burst(&self) -> &[Sample] {
        &self.burst
    }

    /// Returns the clearest place of the whole burst in `samples`, `None` if it is not detected. Samples beyond the
    /// length given to [`Self::new`] are ignored.
    pub fn find(&mut self, samples: &[Sample]) -> Option<Found> {
        let samples = &samples[..samples.len().min(self.most)];
        let places = (samples.len() + 1).checked_sub(BURST).filter(|&p| p > 0)?;
        self.work[..samples.len()].copy_from_slice(samples);
        self.work[samples.len()..].fill(Sample::default());
        self.forward.process_with_scratch(&mut self.work, &mut self.scratch);
        for (w, t) in self.work.iter_mut().zip(&self.template) {
            *w *= t;
        }
        self.inverse.process_with_scratch(&mut self.work, &mut self.scratch);

        let own: f64 = self.burst.iter().map(|v| f64::from(v.norm_sqr())).sum();
        let mut energy: f64 = samples[..BURST].iter().map(|v| f64::from(v.norm_sqr())).sum();
        let whole: f64 = samples.iter().map(|v| f64::from(v.norm_sqr())).sum();
        // in silence the rounding errors of the transforms can look like a burst
        let floor = whole * 1e-6;
        let mut best = (0.0, 0);
        for at in 0..places {
            if at > 0 {
                energy += f64::from(samples[at + BURST - 1].norm_sqr() - samples[at - 1].norm_sqr());
            }
            let coherence = f64::from(self.work[at].norm_sqr()) / (own * energy.max(floor));
            if energy > floor && coherence > best.0 {
                best = (coherence, at);
            }
        }
        let (coherence, at) = best;
        let step = match at {
            0 => 0.0,
            _ if at + 1 >= places => 0.0,
            _ => vertex([at - 1, at, at + 1].map(|i| f64::from(self.work[i].norm()))),
        };
        let found = Found { at: at as f64 + step, coherence: coherence as f32 };
        (found.coherence >= LEAST).then_some(found)
    }
}

/// Returns the values of the sequence: exp(-j pi u n (n + 1) / N).
fn zadoff_chu() -> impl Iterator<Item = Sample> {
    (0..BINS as u64).map(|n| {
        // the phase repeats every 2 N
        let turns = ROOT * n * (n + 1) % (2 * BINS as u64);
        let phase = -std::f64::consts::PI * turns as f64 / BINS as f64;
        Sample::new(phase.cos() as f32, phase.sin() as f32)
    })
}

/// Returns the vertex of the parabola through three values, relative to the middle one.
fn vertex([before, middle, after]: [f64; 3]) -> f64 {
    let bend = before - 2.0 * middle + after;
    if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::rng::Rng;

    /// Returns noise of a standard deviation of `sigma` a component.
    fn noise(rng: &mut Rng, count: usize, sigma: f32) -> Vec<Sample> {
        // the sum of twelve uniform numbers has variance 1
        let mut normal = || (0..12).map(|_| rng.uniform() as f32 - 0.5).sum::<f32>() * sigma;
        (0..count).map(|_| Sample::new(normal(), normal())).collect()
    }

    #[test]
    fn a_burst_is_found_where_it_lies() {
        let mut search = DelaySearch::new(6000);
        let mut rng = Rng::new(7);
        for (at, gain, sigma) in [(0, 1.0, 0.0), (1234, 0.01, 0.001), (4976, 1.0, 0.2), (3000, 0.3, 0.1)] {
            let mut samples = noise(&mut rng, 6000, sigma);
            let turned = Sample::from_polar(gain, 1.0);
            for (s, b) in samples[at..].iter_mut().zip(search.burst()) {
                *s += b * turned;
            }
            let found = search.find(&samples).unwrap();
            assert!((found.at - at as f64).abs() < 0.3, "{found:?} {at}");
        }
    }

    #[test]
    fn half_a_sample_is_seen() {
        let mut search = DelaySearch::new(4000);
        let mut samples = vec![Sample::default(); 4000];
        for (i, b) in search.burst().to_vec().into_iter().enumerate() {
            // a delay of half a sample within the band, by its two neighbours
            samples[500 + i] += b * 0.5;
            samples[501 + i] += b * 0.5;
        }
        let found = search.find(&samples).unwrap();
        assert!((found.at - 500.5).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn noise_silence_and_too_little_are_nothing() {
        let mut search = DelaySearch::new(5000);
        assert_eq!(search.find(&noise(&mut Rng::new(3), 5000, 1.0)), None);
        assert_eq!(search.find(&[Sample::default(); 5000]), None);
        let burst = search.burst().to_vec();
        assert_eq!(search.find(&burst[..BURST - 1]), None);
        assert!(search.find(&burst).is_some_and(|f| f.coherence > 0.99));
    }

    #[test]
    fn its_level_leaves_room() {
        let search = DelaySearch::new(2000);
        let power: f32 = search.burst().iter().map(|v| v.norm_sqr()).sum::<f32>() / BURST as f32;
        assert!((power.sqrt() - AMPLITUDE).abs() < 1e-3, "{power}");
        assert!(search.burst().iter().all(|v| v.norm() < 1.0));
    }
}
