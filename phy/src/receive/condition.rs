//! Corrects faults of a receiver's samples before anything is known of the signal: a line at 0 Hz, other lines (spurs),
//! a level far from 1. All are corrected here, block by block, and need no attention further on.
//!
//! The line of direct-conversion receivers (local oscillator leakage, converter offset) lies between the two central
//! subcarriers of SC-FDMA, which are shifted by half a subcarrier spacing (TS 36.211 §9.3.3), and leaks into all of
//! them. It is the mean of the samples: blocks are averaged with the inverse of their power as weight, since the mean
//! of a quiet block shows most of the line, and that of a busy one least.

mod spurs;

use crate::Sample;
use crate::kernel::samples::best;
pub use spurs::SpurTracker;
use spurs::Spurs;

/// Weight that earlier blocks keep after a block: a memory of about 32 blocks.
const MEMORY: f64 = 1.0 - 1.0 / 32.0;

/// Largest share of a block's power in the mean of a signal without a line: the signal is at least 180 kHz wide and a
/// block 1 ms long, therefore the mean holds 1/180 of the power on average, and ten times that once in 20 000.
const LARGEST_MEAN: f64 = 10.0 / 180.0;

/// Least share of a block's power that counts as not being the line: the rest after rounding.
const SMALLEST_REST: f64 = 1e-12;

/// Range of root mean squares that need no change of level.
const LEVELS: std::ops::Range<f64> = 1e-4..1e4;

/// Tracks the line at 0 Hz from block to block.
#[derive(Clone, Debug, Default)]
pub struct LineTracker {
    /// Weighted sum of the blocks' means, and of the weights.
    sum: [f64; 2],
    weight: f64,
}

impl LineTracker {
    /// Returns the line, in units of the samples; 0 before the first block.
    pub fn line(&self) -> Sample {
        if self.weight > 0.0 {
            Sample::new((self.sum[0] / self.weight) as f32, (self.sum[1] / self.weight) as f32)
        } else {
            Sample::default()
        }
    }

    /// Returns the line if it is stronger than the mean of signals without one; otherwise 0.
    pub fn certain_line(&self) -> Sample {
        let line = self.line();
        let certain = f64::from(line.norm_sqr()) * self.weight > LARGEST_MEAN;
        if certain { line } else { Sample::default() }
    }

    /// Observes a block of about a subframe from which `removed` was already subtracted.
    pub fn observe(&mut self, block: &[Sample], removed: Sample) {
        if block.is_empty() {
            return;
        }
        let (mean, power) = moments(block);
        let rest = power - (mean[0] * mean[0] + mean[1] * mean[1]);
        let mean = [mean[0] + f64::from(removed.re), mean[1] + f64::from(removed.im)];
        self.track(mean, rest.max(SMALLEST_REST * power));
    }

    /// Observes the mean of a block, and its power without the mean.
    fn track(&mut self, mean: [f64; 2], rest: f64) {
        if rest <= 0.0 || !rest.is_finite() {
            return;
        }
        if self.weight > 0.0 {
            let known = [self.sum[0] / self.weight, self.sum[1] / self.weight];
            let apart = (mean[0] - known[0]).powi(2) + (mean[1] - known[1]).powi(2);
            if apart > LARGEST_MEAN * rest {
                // the line itself moved: another gain, another channel
                *self = Self::default();
            }
        }
        let weight = 1.0 / rest;
        for (sum, mean) in self.sum.iter_mut().zip(mean) {
            *sum = MEMORY * *sum + weight * mean;
        }
        self.weight = MEMORY * self.weight + weight;
    }
}

/// Conditions a stream of samples. Allocates nothing after construction.
#[derive(Clone)]
pub struct Conditioner {
    /// Factor of every sample, a power of two; 0 before the first block with any power.
    gain: f32,
    tracker: LineTracker,
    spurs: Spurs,
}

impl Conditioner {
    /// Makes a conditioner for blocks of `block` samples, about a subframe.
    pub fn new(block: usize) -> Self {
        Self { gain: 0.0, tracker: LineTracker::default(), spurs: Spurs::new(block) }
    }

    /// Reports that `count` samples were lost before the next block.
    pub fn skip(&mut self, count: u64) {
        self.spurs.pass(count);
    }

    /// Returns the line at 0 Hz, in units of the conditioned samples.
    pub fn line(&self) -> Sample {
        self.tracker.line()
    }

    /// Conditions a block in place. Blocks are about a subframe long: their means are tracked.
    pub fn process(&mut self, block: &mut [Sample]) {
        if block.is_empty() {
            return;
        }
        let (mean, power) = moments(block);
        self.level(power);
        if self.gain != 1.0 && self.gain != 0.0 {
            block.iter_mut().for_each(|x| *x *= self.gain);
        }
        let gain = if self.gain == 0.0 { 1.0 } else { f64::from(self.gain) };
        self.track([mean[0] * gain, mean[1] * gain], power * gain * gain);
        let line = self.line();
        if line != Sample::default() {
            (best().subtract)(block, line);
        }
        let of_line = mean[0] * mean[0] + mean[1] * mean[1];
        self.spurs.process(block, (power - of_line).max(0.0) * gain * gain);
    }

    /// Sets the gain: squares and fourth powers of the samples must stay within single precision.
    fn level(&mut self, power: f64) {
        let rms = power.sqrt();
        if rms <= 0.0 || !rms.is_finite() {
            return;
        }
        let now = rms * f64::from(self.gain);
        if self.gain == 0.0 && LEVELS.contains(&rms) {
            self.gain = 1.0;
        } else if self.gain == 0.0 || !LEVELS.contains(&now) {
            // silence between bursts is not a reason: only a loud block changes the level of a stream that had signals
            // before
            if self.gain == 0.0 || now > LEVELS.end || self.tracker.weight == 0.0 {
                self.gain = (-rms.log2().round()).exp2() as f32;
                self.tracker = LineTracker::default();
                self.spurs.forget();
            }
        }
    }

    fn track(&mut self, mean: [f64; 2], power: f64) {
        let of_line = mean[0] * mean[0] + mean[1] * mean[1];
        self.tracker.track(mean, (power - of_line).max(SMALLEST_REST * power));
    }
}

/// Returns mean and mean power of a block.
fn moments(block: &[Sample]) -> ([f64; 2], f64) {
    let [re, im, square] = (best().moments)(block);
    let n = block.len() as f64;
    ([re / n, im / n], square / n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::rng::Rng;

    fn noise(n: usize, level: f32, seed: u64) -> Vec<Sample> {
        let mut rng = Rng::new(seed);
        (0..n).map(|_| rng.complex_gaussian() * level).collect()
    }

    fn power(x: &[Sample]) -> f32 {
        x.iter().map(|v| v.norm_sqr()).sum::<f32>() / x.len() as f32
    }

    #[test]
    fn a_line_of_any_strength_is_gone_after_the_first_block() {
        for db in [-40.0f32, -10.0, 20.0] {
            let line = Sample::from_polar(10f32.powf(db / 20.0), 2.1);
            let mut conditioner = Conditioner::new(1920);
            for k in 0..40 {
                let clean = noise(7680, 1.0, k);
                let mut block: Vec<_> = clean.iter().map(|x| x + line).collect();
                conditioner.process(&mut block);
                let rest: Vec<_> = block.iter().zip(&clean).map(|(a, b)| a - b).collect();
                assert!(
                    power(&rest) < if k == 0 { 1e-3 } else { 5e-4 },
                    "{db} dB, block {k}: {}",
                    power(&rest)
                );
            }
        }
    }

    #[test]
    fn quiet_blocks_tell_the_line_and_a_jump_is_followed_at_once() {
        let line = Sample::new(0.02, -0.01);
        let mut conditioner = Conditioner::new(1920);
        for k in 0..100 {
            let level = if k % 20 == 3 { 1.0 } else { 1e-2 };
            let mut block: Vec<_> = noise(7680, level, k).iter().map(|x| x + line).collect();
            conditioner.process(&mut block);
        }
        assert!((conditioner.line() - line).norm() < 1e-4, "{}", conditioner.line());
        let jumped = Sample::new(-0.5, 0.3);
        let mut block: Vec<_> = noise(7680, 1e-2, 7).iter().map(|x| x + jumped).collect();
        conditioner.process(&mut block);
        assert!((conditioner.line() - jumped).norm() < 1e-3, "{}", conditioner.line());
    }

    #[test]
    fn a_line_is_certain_when_it_is_stronger_than_the_mean_of_a_signal() {
        let mut tracker = LineTracker::default();
        for k in 0..100 {
            tracker.observe(&noise(1920, 1.0, k), Sample::default());
            assert_eq!(tracker.certain_line(), Sample::default(), "block {k}");
            assert_ne!(tracker.line(), Sample::default());
        }
        let line = Sample::from_polar(0.1, 0.7);
        let mut removed = Sample::default();
        for k in 0..100 {
            let block: Vec<_> = noise(1920, 1.0, k).iter().map(|x| x + line - removed).collect();
            tracker.observe(&block, removed);
            removed = tracker.certain_line();
        }
        assert!((removed - line).norm() < 1e-2, "{removed}");
    }

    #[test]
    fn levels_from_1e_9_to_1e9_come_out_near_1_and_others_as_they_are() {
        for level in [1e-9f32, 1e-5, 1e9] {
            let mut conditioner = Conditioner::new(1920);
            let mut block = noise(1920, level, 5);
            conditioner.process(&mut block);
            assert!((0.2..4.0).contains(&power(&block)), "{level}: {}", power(&block));
        }
        let mut conditioner = Conditioner::new(1920);
        let mut silence = vec![Sample::default(); 1920];
        conditioner.process(&mut silence);
        assert_eq!(power(&silence), 0.0);
        let mut block = noise(1920, 0.1, 5);
        conditioner.process(&mut block);
        assert!((0.009..0.011).contains(&power(&block)));
    }
}
