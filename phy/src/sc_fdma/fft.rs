//! The transform of one symbol by a general FFT, on machines and for sizes without one of their own.

use super::rotate;
use crate::Sample;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::PI;
use std::sync::Arc;

/// From the subcarriers of a symbol to its samples.
pub(super) struct InverseFft {
    fft: Arc<dyn Fft<f32>>,
    half_shift: Vec<Sample>,
    work: Vec<Sample>,
    scratch: Vec<Sample>,
    gain: f32,
}

impl InverseFft {
    pub(super) fn new(n: usize, gain: f32) -> Self {
        let fft = FftPlanner::new().plan_fft_inverse(n);
        let scratch = vec![Sample::default(); fft.get_inplace_scratch_len()];
        let half_shift = (0..n).map(|i| phasor(0.5 * i as f64 / n as f64)).collect();
        Self { fft, half_shift, work: vec![Sample::default(); n], scratch, gain }
    }

    /// Writes the samples of a symbol without its prefix.
    pub(super) fn run(&mut self, subcarriers: &[Sample], body: &mut [Sample]) {
        let (low, high) = subcarriers.split_at(subcarriers.len() / 2);
        let n = self.work.len();
        self.work.fill(Sample::default());
        self.work[n - low.len()..].copy_from_slice(low);
        self.work[..high.len()].copy_from_slice(high);
        self.fft.process_with_scratch(&mut self.work, &mut self.scratch);
        for ((x, &w), &s) in body.iter_mut().zip(&self.work).zip(&self.half_shift) {
            *x = w * s * self.gain;
        }
    }
}

/// From the samples of a symbol to its subcarriers.
pub(super) struct ForwardFft {
    fft: Arc<dyn Fft<f32>>,
    half_shift: Vec<Sample>,
    work: Vec<Sample>,
    scratch: Vec<Sample>,
    gain: f32,
    advance: usize,
    ramp: Vec<Sample>,
}

impl ForwardFft {
    pub(super) fn new(n: usize, subcarriers: usize, advance: usize, gain: f32) -> Self {
        let fft = FftPlanner::new().plan_fft_forward(n);
        let scratch = vec![Sample::default(); fft.get_inplace_scratch_len()];
        let half_band = subcarriers as isize / 2;
        let ramp = (-half_band..half_band).map(|k| phasor(k as f64 * advance as f64 / n as f64)).collect();
        // the shift restarts at the end of the prefix: inside of the prefix its phase is negative
        let half_shift = (0..n).map(|i| phasor(-0.5 * (i as f64 - advance as f64) / n as f64)).collect();
        Self { fft, half_shift, work: vec![Sample::default(); n], scratch, gain, advance, ramp }
    }

    /// Writes the subcarriers of the symbol whose prefix ends at `end`, every sample turned by `turn`.
    pub(super) fn run(&mut self, samples: &[Sample], end: usize, turn: f64, out: &mut [Sample]) {
        let n = self.work.len();
        let start = end - self.advance;
        let window = &samples[start..start + n];
        for ((w, &x), &s) in self.work.iter_mut().zip(window).zip(&self.half_shift) {
            *w = x * s;
        }
        if turn != 0.0 {
            rotate(&mut self.work, turn * start as f64, turn);
        }
        self.fft.process_with_scratch(&mut self.work, &mut self.scratch);
        let half_band = out.len() / 2;
        let (low, high) = out.split_at_mut(half_band);
        let (ramp_low, ramp_high) = self.ramp.split_at(half_band);
        for ((y, &w), &r) in low.iter_mut().zip(&self.work[n - half_band..]).zip(ramp_low) {
            *y = w * r * self.gain;
        }
        for ((y, &w), &r) in high.iter_mut().zip(&self.work[..half_band]).zip(ramp_high) {
            *y = w * r * self.gain;
        }
    }
}

fn phasor(turns: f64) -> Sample {
    let angle = 2.0 * PI * turns;
    Sample::new(angle.cos() as f32, angle.sin() as f32)
}
