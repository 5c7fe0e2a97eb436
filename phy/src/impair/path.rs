//! Path of one transmitter to a receiver: every impairment of this folder in its place, without delay of its own.

use super::fading::{ChannelModel, Fading, FadingError};
use super::offset::{ClockDrift, FractionalDelay, FrequencyOffset, Gain};
use crate::Sample;
use crate::units::{Decibel, Hertz};
use core::fmt;

/// Effects on a signal between a transmitter and a receiver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathConfig {
    /// Power gain.
    pub gain: Decibel,
    /// Rotation in radians.
    pub phase_radians: f64,
    /// Offset of the transmitter's carrier from the receiver's, positive if it is higher.
    pub frequency: Hertz,
    /// Time of flight in samples; negative for a transmitter that sends early.
    pub delay_samples: f64,
    /// Speed of the transmitter's sample clock relative to the receiver's, in parts per million, positive if it is
    /// faster.
    pub drift_ppm: f64,
    /// Multipath.
    pub channel: ChannelModel,
    /// Seed of the multipath realisation.
    pub seed: u64,
}

impl Default for PathConfig {
    /// Returns a path that changes nothing.
    fn default() -> Self {
        Self {
            gain: Decibel(0.0),
            phase_radians: 0.0,
            frequency: Hertz(0.0),
            delay_samples: 0.0,
            drift_ppm: 0.0,
            channel: ChannelModel::Awgn,
            seed: 0,
        }
    }
}

/// Refusal of the numbers of a path: the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// The gain is not in -200 to 200 dB, or the phase is not finite.
    Gain,
    /// The frequency offset is not finite or beyond half the sample rate.
    Frequency,
    /// The delay is not finite, or is beyond 10⁸ samples.
    Delay,
    /// The drift is beyond 1000 parts per million.
    Drift,
    /// The multipath is out of range.
    Fading(FadingError),
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gain => "the gain is not in -200 to 200 dB",
            Self::Frequency => "the frequency offset is not within half the sample rate",
            Self::Delay => "the delay is not within 100000000 samples",
            Self::Drift => "the clock drift is not within 1000 parts per million",
            Self::Fading(e) => return e.fmt(f),
        })
    }
}

impl core::error::Error for PathError {}

/// Passes a stream through a [`PathConfig`].
///
/// The filters' own delays are taken out: sample `m` of the input arrives at time `m / (1 + drift) + delay` of the
/// output. Output therefore lags behind input by a few dozen samples; feed zeros to drain the end.
pub struct RadioPath {
    drift: Option<ClockDrift>,
    gain: Option<Gain>,
    fading: Option<Fading>,
    delay: Option<FractionalDelay>,
    frequency: Option<FrequencyOffset>,
    /// Samples still to be dropped: the latency of the filters, and a negative delay.
    skip: usize,
}

impl RadioPath {
    /// Makes a path at a sample rate. Nothing is allocated afterwards.
    ///
    /// # Errors
    /// [`PathError`] if a number is out of range.
    pub fn new(config: &PathConfig, sample_rate: Hertz) -> Result<Self, PathError> {
        let PathConfig { gain, phase_radians, frequency, delay_samples, drift_ppm, channel, seed } = *config;
        let within = |x: f64, bound: f64| x.abs() <= bound;
        if !within(gain.0, 200.0) || !phase_radians.is_finite() {
            return Err(PathError::Gain);
        }
        if !within(frequency.0, sample_rate.0 / 2.0) {
            return Err(PathError::Frequency);
        }
        if !within(delay_samples, 1e8) {
            return Err(PathError::Delay);
        }
        if !within(drift_ppm, 1000.0) {
            return Err(PathError::Drift);
        }
        let fading = channel.fading(sample_rate, seed).map_err(PathError::Fading)?;
        let early = (-delay_samples).max(0.0).ceil();
        let delay = (delay_samples != 0.0).then(|| FractionalDelay::new(delay_samples + early));
        let skip = early as usize
            + fading.as_ref().map_or(0, |_| Fading::LATENCY)
            + delay.as_ref().map_or(0, |_| FractionalDelay::LATENCY);
        // The ratio of output to input samples is 1 / (1 + drift).
        let ratio_ppm = (1.0 / (1.0 + drift_ppm * 1e-6) - 1.0) * 1e6;
        let drift = match drift_ppm != 0.0 {
            true => Some(ClockDrift::new(ratio_ppm).map_err(|_| PathError::Drift)?),
            false => None,
        };
        Ok(Self {
            drift,
            gain: (gain.0 != 0.0 || phase_radians != 0.0).then(|| Gain::new(gain, phase_radians)),
            fading,
            delay,
            frequency: (frequency.0 != 0.0).then(|| FrequencyOffset::new(frequency, sample_rate)),
            skip,
        })
    }

    /// Returns the room that [`Self::process`] needs for `input_len` samples: at least as many as it writes.
    pub fn room(&self, input_len: usize) -> usize {
        self.drift.as_ref().map_or(input_len, |d| d.output_len(input_len))
    }

    /// Consumes `input`, writes to the front of `output` and returns how many samples it wrote.
    ///
    /// # Panics
    /// If `output` is shorter than [`Self::room`].
    pub fn process(&mut self, input: &[Sample], output: &mut [Sample]) -> usize {
        let n = match &mut self.drift {
            Some(drift) => drift.process(input, output),
            None => {
                output[..input.len()].copy_from_slice(input);
                input.len()
            }
        };
        let block = &mut output[..n];
        if let Some(gain) = &self.gain {
            gain.process(block);
        }
        if let Some(fading) = &mut self.fading {
            fading.process(block);
        }
        if let Some(delay) = &mut self.delay {
            delay.process(block);
        }
        let skipped = self.skip.min(n);
        self.skip -= skipped;
        block.copy_within(skipped.., 0);
        let block = &mut output[..n - skipped];
        if let Some(frequency) = &mut self.frequency {
            frequency.process(block);
        }
        n - skipped
    }
}

/// Adds `term` to `sum`, sample by sample, as far as both reach.
pub fn add(sum: &mut [Sample], term: &[Sample]) {
    for (s, t) in sum.iter_mut().zip(term) {
        *s += t;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::testing::tone_sample;

    fn run(config: &PathConfig, input: &[Sample], block: usize) -> Vec<Sample> {
        let mut path = RadioPath::new(config, Hertz(1.92e6)).unwrap();
        let mut out = Vec::new();
        for part in input.chunks(block) {
            let mut room = vec![Sample::default(); path.room(part.len())];
            let n = path.process(part, &mut room);
            out.extend_from_slice(&room[..n]);
        }
        out
    }

    fn tone(n: usize) -> Vec<Sample> {
        (0..n).map(|i| tone_sample(0.01, i as f64)).collect()
    }

    #[test]
    fn an_ideal_path_changes_nothing() {
        let x = tone(1000);
        assert_eq!(run(&PathConfig::default(), &x, 77), x);
    }

    #[test]
    fn delays_of_either_sign_have_no_latency_of_their_own() {
        let x = tone(4000);
        for delay in [3.0, -5.0, 2.25, -7.5] {
            let y = run(&PathConfig { delay_samples: delay, ..PathConfig::default() }, &x, 333);
            assert!(y.len() > 3900);
            for n in 1000..2000 {
                let expected = tone_sample(0.01, n as f64 - delay);
                assert!((y[n] - expected).norm() < 1e-3, "delay {delay}, sample {n}");
            }
        }
    }

    #[test]
    fn a_fast_transmitter_arrives_ever_earlier() {
        let x = tone(60_000);
        let y = run(&PathConfig { drift_ppm: 100.0, ..PathConfig::default() }, &x, 1920);
        for n in [1000, 20_000, 50_000] {
            let expected = tone_sample(0.01, n as f64 * (1.0 + 100e-6));
            assert!((y[n] - expected).norm() < 1e-3, "sample {n}");
        }
    }

    #[test]
    fn the_block_size_does_not_matter_and_gain_and_frequency_apply() {
        let config = PathConfig {
            gain: Decibel(-6.0),
            phase_radians: 1.0,
            frequency: Hertz(700.0),
            delay_samples: 10.5,
            drift_ppm: -20.0,
            channel: "epa5".parse().unwrap(),
            seed: 4,
        };
        let x = tone(5000);
        let whole = run(&config, &x, 5000);
        assert_eq!(whole, run(&config, &x, 41));
        let flat = PathConfig { channel: ChannelModel::Awgn, delay_samples: 0.0, drift_ppm: 0.0, ..config };
        let y = run(&flat, &x, 500);
        for n in [0, 1, 3000] {
            let turns = 700.0 / 1.92e6 * n as f64 + 1.0 / core::f64::consts::TAU;
            let expected = x[n] * tone_sample(1.0, turns) * 10f32.powf(-0.3);
            assert!((y[n] - expected).norm() < 1e-4, "sample {n}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let with = |f: fn(&mut PathConfig)| {
            let mut c = PathConfig::default();
            f(&mut c);
            RadioPath::new(&c, Hertz(1.92e6)).err()
        };
        assert_eq!(with(|c| c.gain = Decibel(f64::NAN)), Some(PathError::Gain));
        assert_eq!(with(|c| c.frequency = Hertz(1e6)), Some(PathError::Frequency));
        assert_eq!(with(|c| c.delay_samples = f64::INFINITY), Some(PathError::Delay));
        assert_eq!(with(|c| c.drift_ppm = 1001.0), Some(PathError::Drift));
        let far = ChannelModel::Fading { profile: crate::impair::fading::Profile::Epa, doppler: Hertz(1e6) };
        let c = PathConfig { channel: far, ..PathConfig::default() };
        assert_eq!(RadioPath::new(&c, Hertz(1.92e6)).err(), Some(PathError::Fading(FadingError::Doppler)));
    }
}
