//! Detects narrow lines that are permanent.

use crate::Sample;
use rustfft::{Fft, FftPlanner};
use std::f32::consts::TAU;
use std::sync::Arc;

/// Number of spectra whose logarithms are averaged.
const SPECTRA: u32 = 16;

/// After the first [`SPECTRA`] blocks, one of this many is examined.
const EVERY: u64 = 8;

/// Spectra that fit into a block: each is a quarter of a subframe long, about 4 kHz from bin to bin at every sampling
/// rate.
const PART: usize = 4;

/// Natural logarithm of the power by which a line exceeds its neighbours: 9 dB. The mean of 16 logarithms of noise
/// deviates by 1.4 dB.
const ABOVE: f32 = 2.07;

/// Bins on either side that belong to a line: the window's main lobe.
const LOBE: usize = 3;

/// Bins on either side with which a line is compared: 100 kHz, less than a PRB.
const NEIGHBOURS: usize = 24;

/// Averages spectra.
#[derive(Clone)]
pub(super) struct Watch {
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    bins: Vec<Sample>,
    scratch: Vec<Sample>,
    logarithms: Vec<f32>,
    spectra: u32,
    blocks: u64,
}

impl Watch {
    /// Makes it for blocks of `block` samples.
    pub(super) fn new(block: usize) -> Self {
        let len = (block / PART).max(64);
        let fft = FftPlanner::new().plan_fft_forward(len);
        let window = (0..len).map(|i| 0.5 - 0.5 * (TAU * (i as f32 + 0.5) / len as f32).cos());
        Self {
            window: window.collect(),
            bins: vec![Sample::default(); len],
            scratch: vec![Sample::default(); fft.get_inplace_scratch_len()],
            logarithms: vec![0.0; len],
            spectra: 0,
            blocks: 0,
            fft,
        }
    }

    /// Restarts.
    pub(super) fn forget(&mut self) {
        self.logarithms.fill(0.0);
        self.spectra = 0;
        self.blocks = 0;
    }

    /// Examines a block, and passes the frequencies of lines to `found`, in turns per sample and to about a tenth of a
    /// bin.
    pub(super) fn look(&mut self, block: &[Sample], mut found: impl FnMut(f64)) {
        let now = self.blocks < u64::from(SPECTRA) || self.blocks.is_multiple_of(EVERY);
        self.blocks += 1;
        let len = self.window.len();
        if !now || block.len() < len {
            return;
        }
        // another part of the block each time
        let parts = (block.len() / len) as u32;
        let start = (self.spectra % parts) as usize * len;
        for ((bin, x), w) in self.bins.iter_mut().zip(&block[start..]).zip(&self.window) {
            *bin = x * w;
        }
        self.fft.process_with_scratch(&mut self.bins, &mut self.scratch);
        for (mean, bin) in self.logarithms.iter_mut().zip(&self.bins) {
            *mean += bin.norm_sqr().max(f32::MIN_POSITIVE).ln() / SPECTRA as f32;
        }
        self.spectra += 1;
        if self.spectra == SPECTRA {
            (0..len).filter(|&k| self.is_line(k)).for_each(|k| found(self.frequency(k)));
            self.logarithms.fill(0.0);
            self.spectra = 0;
        }
    }

    fn at(&self, k: usize, offset: isize) -> f32 {
        let len = self.logarithms.len();
        self.logarithms[(k as isize + offset).rem_euclid(len as isize) as usize]
    }

    /// Whether bin `k` is the middle of a line, and not the one at 0 Hz.
    fn is_line(&self, k: usize) -> bool {
        let (here, lobe, n) = (self.at(k, 0), LOBE as isize, NEIGHBOURS as isize);
        let len = self.logarithms.len();
        if k.min(len - k) <= LOBE
            || here < ABOVE + self.at(k, -n / 2).min(self.at(k, n / 2))
            || (1..=lobe).any(|i| self.at(k, i) > here || self.at(k, -i) >= here)
        {
            return false;
        }
        let mut around = [0.0f32; 2 * (NEIGHBOURS - LOBE)];
        for (i, value) in (lobe + 1..=n).flat_map(|i| [i, -i]).zip(&mut around) {
            *value = self.at(k, i);
        }
        let middle = around.len() / 2;
        let (_, median, _) = around.select_nth_unstable_by(middle, f32::total_cmp);
        here > *median + ABOVE
    }

    /// Returns the frequency of the line at bin `k`: with a Hann window the larger neighbour gives the fraction of a bin.
    fn frequency(&self, k: usize) -> f64 {
        let side = if self.at(k, 1) > self.at(k, -1) { 1 } else { -1 };
        let ratio = f64::from(0.5 * (self.at(k, side) - self.at(k, 0))).exp();
        let part = ((2.0 * ratio - 1.0) / (ratio + 1.0)).clamp(0.0, 0.5);
        let len = self.logarithms.len() as f64;
        let at = (k as f64 + side as f64 * part) / len;
        if at >= 0.5 { at - 1.0 } else { at }
    }
}
