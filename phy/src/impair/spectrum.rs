//! The power of a stream over frequency.

use crate::Sample;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::TAU;
use std::sync::Arc;

/// Mean power spectrum of a stream (Welch's method: Hann window, blocks that overlap by half).
///
/// Samples with a NaN or an infinity count as zero.
pub struct Spectrum {
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    scale: f64,
    block: Vec<Sample>,
    filled: usize,
    work: Vec<Sample>,
    scratch: Vec<Sample>,
    sums: Vec<f64>,
    blocks: u64,
}

impl Spectrum {
    /// Makes a spectrum of `bins` bins, 2 at least; nothing is allocated afterwards.
    pub fn new(bins: usize) -> Self {
        let bins = bins.max(2);
        let fft = FftPlanner::new().plan_fft_forward(bins);
        let window: Vec<f32> =
            (0..bins).map(|n| (0.5 - 0.5 * (TAU * n as f64 / bins as f64).cos()) as f32).collect();
        let energy: f64 = window.iter().map(|&w| f64::from(w * w)).sum();
        Self {
            scratch: vec![Sample::default(); fft.get_inplace_scratch_len()],
            fft,
            window,
            // the bins add up to the mean power of a sample
            scale: 1.0 / (energy * bins as f64),
            block: vec![Sample::default(); bins],
            filled: 0,
            work: vec![Sample::default(); bins],
            sums: vec![0.0; bins],
            blocks: 0,
        }
    }

    /// Returns the number of bins.
    pub fn bins(&self) -> usize {
        self.window.len()
    }

    /// Adds the next samples of the stream.
    pub fn add(&mut self, samples: &[Sample]) {
        let bins = self.bins();
        let mut rest = samples;
        while !rest.is_empty() {
            let n = rest.len().min(bins - self.filled);
            let (now, later) = rest.split_at(n);
            for (b, s) in self.block[self.filled..].iter_mut().zip(now) {
                *b = if s.re.is_finite() && s.im.is_finite() { *s } else { Sample::default() };
            }
            self.filled += n;
            rest = later;
            if self.filled == bins {
                self.transform();
                self.block.copy_within(bins - bins / 2.., 0);
                self.filled = bins / 2;
            }
        }
    }

    /// Returns the number of blocks since the last [`Self::take`].
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Writes the mean power of each bin, the lowest frequency (minus half the sample rate) first, and restarts. All
    /// zeros if no block is complete. The sum over the bins is the mean power of a sample.
    ///
    /// # Panics
    /// If the length of `out` is not [`Self::bins`].
    pub fn take(&mut self, out: &mut [f32]) {
        assert_eq!(out.len(), self.bins());
        let half = self.bins() / 2;
        let scale = if self.blocks == 0 { 0.0 } else { self.scale / self.blocks as f64 };
        for (k, sum) in self.sums.iter_mut().enumerate() {
            let at = if k < self.window.len() - half { k + half } else { k + half - self.window.len() };
            out[at] = (*sum * scale) as f32;
            *sum = 0.0;
        }
        self.blocks = 0;
        self.filled = 0;
    }

    fn transform(&mut self) {
        for ((w, s), &h) in self.work.iter_mut().zip(&self.block).zip(&self.window) {
            *w = s * h;
        }
        self.fft.process_with_scratch(&mut self.work, &mut self.scratch);
        for (sum, w) in self.sums.iter_mut().zip(&self.work) {
            *sum += f64::from(w.norm_sqr());
        }
        self.blocks += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::awgn::Awgn;
    use crate::impair::testing::tone_sample;

    fn spectrum(bins: usize, samples: &[Sample], block: usize) -> Vec<f32> {
        let mut s = Spectrum::new(bins);
        samples.chunks(block).for_each(|c| s.add(c));
        let mut out = vec![0.0; bins];
        s.take(&mut out);
        out
    }

    #[test]
    fn a_tone_stands_in_its_bin() {
        for bins in [64, 63] {
            for k in [-20, -1, 0, 7, 30] {
                let x: Vec<_> =
                    (0..640).map(|n| 2.0 * tone_sample(k as f64 / bins as f64, n as f64)).collect();
                let s = spectrum(bins, &x, 100);
                let at = (k + bins as isize / 2) as usize;
                let peak = s.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
                assert_eq!(peak, at, "{bins} bins, tone {k}");
                assert!((s.iter().sum::<f32>() - 4.0).abs() < 1e-3, "{}", s.iter().sum::<f32>());
            }
        }
    }

    #[test]
    fn white_noise_is_flat_and_adds_up() {
        let mut x = vec![Sample::default(); 200_000];
        Awgn::new(3.0, 8).process(&mut x);
        let s = spectrum(32, &x, 777);
        assert!((s.iter().sum::<f32>() - 3.0).abs() < 0.05);
        assert!(s.iter().all(|b| (b / (3.0 / 32.0) - 1.0).abs() < 0.1), "{s:?}");
    }

    #[test]
    fn blocks_do_not_matter_and_a_short_stretch_gives_zeros() {
        let x: Vec<_> = (0..1000).map(|n| tone_sample(0.013, (n * n) as f64)).collect();
        assert_eq!(spectrum(128, &x, 1), spectrum(128, &x, 1000));
        assert_eq!(spectrum(128, &x[..127], 50), vec![0.0; 128]);
    }

    #[test]
    fn bad_samples_count_as_zero() {
        let mut x = vec![Sample::new(1.0, 0.0); 256];
        x[17].re = f32::NAN;
        x[40].im = f32::INFINITY;
        assert!(spectrum(64, &x, 256).iter().all(|b| b.is_finite()));
    }
}
