//! Impulse noise: ignition, switching supplies, radars.

use super::rng::Rng;
use crate::Sample;

/// Adds short bursts of white Gaussian noise at random times.
///
/// The number of samples from the end of one burst to the start of the next is geometrically distributed: a Poisson
/// process with a dead time.
#[derive(Clone, Debug)]
pub struct ImpulseNoise {
    rng: Rng,
    /// A burst begins with a sample whose draw lies below this, of 2⁶⁴.
    threshold: u64,
    length: usize,
    scale: f32,
    /// Samples of the current burst that are still to come.
    left: usize,
}

impl ImpulseNoise {
    /// Makes bursts of `length` samples and of `power` = E|w|² (linear) in each, which begin with `probability` in each
    /// sample outside one. A power that is negative or not finite counts as 0, a probability that is not finite too.
    pub fn new(probability: f64, length: usize, power: f64, seed: u64) -> Self {
        let scale = if power.is_finite() && power > 0.0 { power.sqrt() as f32 } else { 0.0 };
        // The cast saturates, and maps NaN to 0.
        let threshold = (probability * 18_446_744_073_709_551_616.0) as u64;
        Self { rng: Rng::new(seed), threshold, length, scale, left: 0 }
    }

    /// Adds the bursts in place.
    pub fn process(&mut self, samples: &mut [Sample]) {
        for s in samples {
            if self.left == 0 && self.rng.next_u64() < self.threshold {
                self.left = self.length;
            }
            if self.left > 0 {
                self.left -= 1;
                *s += self.scale * self.rng.complex_gaussian();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::testing::in_blocks;

    fn noise(probability: f64, seed: u64) -> Vec<Sample> {
        let mut x = vec![Sample::default(); 1_000_000];
        ImpulseNoise::new(probability, 15, 100.0, seed).process(&mut x);
        x
    }

    #[test]
    fn bursts_are_as_many_as_long_and_as_strong_as_promised() {
        let x = noise(1e-3, 3);
        let struck: Vec<usize> = (0..x.len()).filter(|&n| x[n] != Sample::default()).collect();
        // A burst may follow another at once: bursts are counted by their samples.
        let bursts = struck.len() as f64 / 15.0;
        let expected = 1e6 / (1000.0 + 15.0);
        assert!((bursts - expected).abs() < 5.0 * expected.sqrt(), "{bursts} bursts for {expected}");
        let lengths = struck.chunk_by(|a, b| a + 1 == *b).map(<[usize]>::len);
        assert!(lengths.filter(|l| l % 15 != 0).count() <= 1, "the last one may be cut");
        let power = struck.iter().map(|&n| f64::from(x[n].norm_sqr())).sum::<f64>() / struck.len() as f64;
        assert!((power / 100.0 - 1.0).abs() < 0.05, "{power}");
    }

    #[test]
    fn nothing_strikes_where_nothing_is_to() {
        for (probability, power) in [(0.0, 1.0), (f64::NAN, 1.0), (-1.0, 1.0), (1.0, 0.0), (1.0, f64::NAN)] {
            let mut x = vec![Sample::default(); 1000];
            ImpulseNoise::new(probability, 3, power, 1).process(&mut x);
            assert_eq!(x, vec![Sample::default(); 1000]);
        }
    }

    #[test]
    fn blocks_do_not_matter() {
        let mut parts = vec![Sample::default(); 1_000_000];
        let mut impulses = ImpulseNoise::new(1e-3, 15, 100.0, 4);
        in_blocks(&mut parts, &[1, 0, 333_333, 7], |block| impulses.process(block));
        assert_eq!(parts, noise(1e-3, 4));
    }
}
