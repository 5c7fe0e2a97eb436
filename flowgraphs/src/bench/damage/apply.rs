//! Applies a damage to a signal.

use super::{Damage, Signal};
use crate::Sample;
use sidelink_phy::impair::imbalance::IqImbalance;
use sidelink_phy::impair::impulse::ImpulseNoise;
use sidelink_phy::impair::loss::SampleLoss;
use sidelink_phy::impair::offset::{ClockDrift, FrequencyOffset, Saturation};
use sidelink_phy::impair::phase_noise::PhaseNoise;
use sidelink_phy::impair::tone::Tone;
use sidelink_phy::units::{Decibel, Hertz};
use std::ops::Range;

/// Frequencies of the spurs, from the carrier.
const SPURS: [Hertz; 2] = [Hertz(1.2345e6), Hertz(-1.1003e6)];

/// Length of an impulse in seconds.
const IMPULSE: f64 = 1e-6;

/// Fraction of a subframe at which samples are lost.
const INTO_SUBFRAME: f64 = 0.4;

/// Zeros behind a drifting signal, up to which the interpolation needs input.
const TAIL: usize = 64;

/// Samples after the damage.
pub struct Damaged {
    /// The samples.
    pub samples: Vec<Sample>,
    /// New places of the old samples.
    pub places: Places,
}

/// Maps samples before a damage to samples behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Places {
    /// Samples behind the damage for each before it.
    stretch: f64,
    loss: Option<SampleLoss>,
    /// End of the only loss, in samples before the damage.
    loss_end: Option<i64>,
}

impl Places {
    /// No sample has moved.
    pub const UNMOVED: Self = Self { stretch: 1.0, loss: None, loss_end: None };

    fn lossy(loss: SampleLoss, loss_end: Option<i64>) -> Self {
        Self { loss: Some(loss), loss_end, ..Self::UNMOVED }
    }

    /// Returns the new place of a sample; for a lost one that of the next that was kept.
    pub fn at(&self, sample: i64) -> i64 {
        match (&self.loss, u64::try_from(sample)) {
            (Some(loss), Ok(sample)) => loss.position(sample) as i64,
            _ => (sample as f64 * self.stretch).round() as i64,
        }
    }

    /// Whether any of these samples is lost.
    pub fn is_hit(&self, samples: Range<i64>) -> bool {
        let [start, end] = [samples.start, samples.end].map(|n| n.max(0) as u64);
        self.loss.is_some_and(|loss| loss.hits(start..end))
    }

    /// Returns the end of the loss in samples before the damage, if there is exactly one.
    pub fn only_loss_end(&self) -> Option<i64> {
        self.loss_end
    }
}

impl Damage {
    /// Damages a signal; random values are drawn from `seed`.
    pub fn apply(&self, signal: &Signal, seed: u64) -> Damaged {
        let mut samples = signal.samples.clone();
        let rate = signal.numerology.sample_rate();
        let amplitude = |level: Decibel| (signal.power * 10_f64.powf(level.0 / 10.0)).sqrt() as f32;
        let mut places = Places::UNMOVED;
        match *self {
            Self::None => {}
            Self::Dc { level } => {
                Tone::dc(Sample::from_polar(amplitude(level), 0.7)).process(&mut samples);
            }
            Self::Spurs { count, level } => {
                for frequency in &SPURS[..count.min(2)] {
                    let amplitude = Sample::new(amplitude(level), 0.0);
                    Tone::new(amplitude, *frequency, rate).process(&mut samples);
                }
            }
            Self::LossOnce { count } => {
                let first = middle(signal);
                places = Places::lossy(SampleLoss::once(first, count), Some((first + count) as i64));
            }
            Self::LossEvery { count, period_ms } => {
                let period = (rate.0 * 1e-3 * period_ms as f64).round() as u64;
                let first = period / 2 + into_subframe(signal);
                places = Places::lossy(SampleLoss::every(period, first, count), None);
            }
            Self::Offset { offset } => FrequencyOffset::new(offset, rate).process(&mut samples),
            Self::Drift { ppm } => {
                samples = drifted(samples, ppm);
                places.stretch = 1.0 + ppm * 1e-6;
            }
            Self::Imbalance { gain, phase_degrees } => {
                IqImbalance::new(gain, phase_degrees).process(&mut samples)
            }
            Self::PhaseNoise { linewidth } => PhaseNoise::new(linewidth, rate, seed).process(&mut samples),
            Self::Clipping { level } => {
                Saturation::new(amplitude(level)).process(&mut samples);
            }
            Self::Words { level, dc_steps } => quantise(&mut samples, amplitude(-level), dc_steps),
            Self::Impulses { per_second, level } => {
                let power = f64::from(amplitude(level)).powi(2);
                let length = (IMPULSE * rate.0).round() as usize;
                ImpulseNoise::new(per_second / rate.0, length, power, seed).process(&mut samples);
            }
        }
        if let Some(mut loss) = places.loss {
            let kept = loss.process(&mut samples);
            samples.truncate(kept);
        }
        Damaged { samples, places }
    }
}

fn into_subframe(signal: &Signal) -> u64 {
    (INTO_SUBFRAME * signal.numerology.subframe_samples() as f64) as u64
}

/// Returns a sample in the middle of the signal, within a subframe.
fn middle(signal: &Signal) -> u64 {
    let n = signal.numerology.subframe_samples() as u64;
    signal.samples.len() as u64 / n / 2 * n + into_subframe(signal)
}

/// Returns the same signal in samples of a clock that is `ppm` too fast.
fn drifted(mut samples: Vec<Sample>, ppm: f64) -> Vec<Sample> {
    let Ok(mut drift) = ClockDrift::new(ppm) else { return samples };
    samples.resize(samples.len() + TAIL, Sample::default());
    let mut out = vec![Sample::default(); drift.output_len(samples.len())];
    let written = drift.process(&samples, &mut out);
    out.truncate(written);
    out
}

/// Quantises to words of 8 bits with this full scale, after `dc_steps` steps were added to I and to Q.
fn quantise(samples: &mut [Sample], full_scale: f32, dc_steps: f64) {
    let dc = full_scale / 128.0 * dc_steps as f32;
    Tone::dc(Sample::new(dc, dc)).process(samples);
    Saturation::with_word_length(full_scale, 8).process(samples);
}
