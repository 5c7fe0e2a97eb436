//! Offsets between two radios: carrier frequency, sample clock, delay, gain and phase; and the converter's limits.

use super::resample::windowed_sinc::interpolation_weights;
use super::resample::{Resampler, UnsupportedRatio};
use crate::Sample;
use crate::kernel::Backend;
use crate::kernel::channel::{Loops, loops};
use crate::kernel::elementary::{cos_sin, cos_sin_turns};
use crate::units::{Decibel, Hertz};

/// Shifts a stream in frequency: sample `n` is multiplied by `exp(j 2 pi (phase + n frequency / sample_rate))`.
///
/// The phase is an integer of 2⁻⁶⁴ turns: it wraps without error and never loses precision, for any length of the stream.
#[derive(Clone, Debug)]
pub struct FrequencyOffset {
    phase: u64,
    step: u64,
    /// `k * step` for the samples of one chunk.
    ahead: [u64; Self::CHUNK],
}

impl FrequencyOffset {
    const CHUNK: usize = 32;

    /// Makes a shift by `frequency` (of either sign) at `sample_rate`, with phase 0 on the first sample. A
    /// quotient that is not finite counts as 0.
    pub fn new(frequency: Hertz, sample_rate: Hertz) -> Self {
        let mut offset = Self { phase: 0, step: 0, ahead: [0; Self::CHUNK] };
        offset.set_frequency(frequency, sample_rate);
        offset
    }

    /// Changes the frequency from the next sample on; the phase stays continuous.
    pub fn set_frequency(&mut self, frequency: Hertz, sample_rate: Hertz) {
        self.step = phase_of_turns(frequency / sample_rate);
        for (k, ahead) in self.ahead.iter_mut().enumerate() {
            *ahead = self.step.wrapping_mul(k as u64);
        }
    }

    /// Sets the phase of the next sample, in radians.
    pub fn set_phase(&mut self, radians: f64) {
        self.phase = phase_of_turns(radians / core::f64::consts::TAU);
    }

    /// Rotates in place.
    pub fn process(&mut self, samples: &mut [Sample]) {
        for chunk in samples.chunks_mut(Self::CHUNK) {
            for (s, ahead) in chunk.iter_mut().zip(&self.ahead) {
                let (cos, sin) = cos_sin(((self.phase.wrapping_add(*ahead)) >> 32) as u32);
                *s = Sample::new(s.re * cos - s.im * sin, s.re * sin + s.im * cos);
            }
            self.phase = self.phase.wrapping_add(self.step.wrapping_mul(chunk.len() as u64));
        }
    }
}

/// Returns a number of turns as 2⁻⁶⁴ turns, whole turns dropped; 0 if it is not finite.
pub(crate) fn phase_of_turns(turns: f64) -> u64 {
    let part = turns - turns.round();
    if part.is_finite() { (part * 18_446_744_073_709_551_616.0) as i128 as u64 } else { 0 }
}

/// Sample clocks that run at different speeds.
///
/// The receiver's clock is `ppm` parts per million faster than the transmitter's: it takes `1 + ppm / 10⁶` samples for
/// each transmitted one. An oscillator that drives the mixer too also shifts the carrier, by `-ppm / 10⁶ * carrier`:
/// add a [`FrequencyOffset`] for that.
#[derive(Clone, Debug)]
pub struct ClockDrift {
    resampler: Resampler,
}

impl ClockDrift {
    /// Makes a drift of `ppm` parts per million, of either sign.
    ///
    /// # Errors
    /// [`UnsupportedRatio`] if `ppm` is not finite or far out of range.
    pub fn new(ppm: f64) -> Result<Self, UnsupportedRatio> {
        Ok(Self { resampler: Resampler::with_ratio(1.0 + ppm * 1e-6)? })
    }

    /// Returns the number of samples that [`ClockDrift::process`] will write for `input_len` more input samples.
    pub fn output_len(&self, input_len: usize) -> usize {
        self.resampler.output_len(input_len)
    }

    /// Consumes all of `input` and returns how many samples it wrote; output `n` is the input at time
    /// `n / (1 + ppm / 10⁶)`. See [`Resampler::process`].
    ///
    /// # Panics
    /// If `output` is shorter than [`ClockDrift::output_len`].
    pub fn process(&mut self, input: &[Sample], output: &mut [Sample]) -> usize {
        self.resampler.process(input, output)
    }
}

/// Delays a stream by any number of samples: output `n` is the input at time `n - LATENCY - delay`.
///
/// The error stays below -70 dB for signals in ±0.45 of the sample rate. A whole number of samples is exact.
#[derive(Clone, Debug)]
pub struct FractionalDelay {
    /// The last samples: as many as the whole part of the delay and the latency require.
    line: Vec<Sample>,
    oldest: usize,
    filter: Fir,
}

impl FractionalDelay {
    /// Additional delay in samples, which gives the interpolation its look-ahead.
    pub const LATENCY: usize = Self::TAPS / 2 - 1;
    const TAPS: usize = 64;
    const ATTENUATION_DB: f64 = 80.0;

    /// Makes a delay of `samples` beyond [`FractionalDelay::LATENCY`]; negative or non-finite counts as 0. It holds
    /// that many samples in memory.
    pub fn new(samples: f64) -> Self {
        let samples = if samples.is_finite() { samples.max(0.0) } else { 0.0 };
        let mut weights = [0.0; Self::TAPS];
        // Turned around, "a fraction after tap TAPS / 2 - 1" becomes "a fraction before tap TAPS / 2", which is
        // TAPS / 2 - 1 samples old.
        interpolation_weights(&mut weights, samples.fract(), 1.0, Self::ATTENUATION_DB);
        weights.reverse();
        Self {
            line: vec![Sample::default(); samples.trunc() as usize],
            oldest: 0,
            filter: Fir::new(&weights),
        }
    }

    /// Delays in place.
    pub fn process(&mut self, samples: &mut [Sample]) {
        if !self.line.is_empty() {
            for s in samples.iter_mut() {
                core::mem::swap(s, &mut self.line[self.oldest]);
                self.oldest = if self.oldest + 1 == self.line.len() { 0 } else { self.oldest + 1 };
            }
        }
        self.filter.process(samples);
    }
}

/// Filter with real weights on a complex stream: `y[n] = sum_k weights[k] x[n - (taps - 1) + k]`.
#[derive(Clone, Debug)]
struct Fir {
    loops: Loops,
    weights: Vec<f32>,
    window: Vec<[f32; 2]>,
}

impl Fir {
    const CHUNK: usize = 256;

    fn new(weights: &[f32]) -> Self {
        let loops = loops(Backend::detect());
        Self { loops, weights: weights.to_vec(), window: vec![[0.0; 2]; weights.len() - 1 + Self::CHUNK] }
    }

    fn process(&mut self, samples: &mut [Sample]) {
        let history = self.weights.len() - 1;
        for chunk in samples.chunks_mut(Self::CHUNK) {
            for (w, s) in self.window[history..].iter_mut().zip(&*chunk) {
                *w = [s.re, s.im];
            }
            let mut y = [[0.0_f32; 2]; Self::CHUNK];
            let n = chunk.len();
            (self.loops.accumulate_fir)(&self.weights, &self.window[..history + n], &mut y[..n]);
            for (s, v) in chunk.iter_mut().zip(&y) {
                *s = Sample::new(v[0], v[1]);
            }
            self.window.copy_within(n..n + history, 0);
        }
    }
}

/// Constant complex gain.
#[derive(Clone, Copy, Debug)]
pub struct Gain {
    factor: Sample,
}

impl Gain {
    /// Makes a power gain with a rotation by `phase_radians`.
    pub fn new(gain: Decibel, phase_radians: f64) -> Self {
        let amplitude = gain.amplitude_ratio();
        let (cos, sin) = cos_sin_turns(phase_radians / core::f64::consts::TAU);
        Self { factor: Sample::new((amplitude * cos) as f32, (amplitude * sin) as f32) }
    }

    /// Multiplies in place.
    pub fn process(&self, samples: &mut [Sample]) {
        for s in samples {
            *s *= self.factor;
        }
    }
}

/// Limits of a converter: I and Q saturate at ± `full_scale`, and are quantised if a word length is given.
#[derive(Clone, Copy, Debug)]
pub struct Saturation {
    full_scale: f32,
    step: Option<f32>,
}

impl Saturation {
    /// Makes a saturation at `full_scale` (its magnitude counts) without quantisation.
    pub fn new(full_scale: f32) -> Self {
        Self { full_scale: full_scale.abs(), step: None }
    }

    /// Makes a saturation at `full_scale` and rounding to words of `bits` bits with sign, 2 to 22. The largest value is
    /// one step below full scale, as in two's complement.
    pub fn with_word_length(full_scale: f32, bits: u32) -> Self {
        let full_scale = full_scale.abs();
        Self { full_scale, step: Some(full_scale / (1_u32 << (bits.clamp(2, 22) - 1)) as f32) }
    }

    /// Saturates in place and returns the number of samples with a component beyond the limits. A NaN stays one.
    pub fn process(&self, samples: &mut [Sample]) -> usize {
        match self.step {
            Some(step) if step > 0.0 => self.quantise(samples, step),
            _ => self.limit(samples),
        }
    }

    // `max` and `min` instead of `clamp`, which panics if a caller's full scale is NaN.
    fn limit(&self, samples: &mut [Sample]) -> usize {
        let high = self.full_scale;
        let mut saturated = 0_usize;
        for s in samples {
            saturated += usize::from((s.re.abs() > high) | (s.im.abs() > high));
            *s = Sample::new(s.re.max(-high).min(high), s.im.max(-high).min(high));
        }
        saturated
    }

    fn quantise(&self, samples: &mut [Sample], step: f32) -> usize {
        /// Added and subtracted again, it leaves the nearest integer, for magnitudes below 2²².
        const ROUNDER: f32 = 12_582_912.0;
        let limit = self.full_scale / step;
        let per_step = 1.0 / step;
        let round = |v: f32| (v.max(-limit).min(limit - 1.0) + ROUNDER) - ROUNDER;
        let mut saturated = 0_usize;
        for s in samples {
            let (re, im) = (s.re * per_step, s.im * per_step);
            // Beyond the last step by more than rounding corrects.
            let beyond = |v: f32| (v > limit - 0.5) | (v < -limit - 0.5);
            saturated += usize::from(beyond(re) | beyond(im));
            *s = Sample::new(round(re) * step, round(im) * step);
        }
        saturated
    }
}

#[cfg(test)]
mod tests;
