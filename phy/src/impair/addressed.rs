//! The same impairments addressed by sample number: any range of the output by itself, in any order.
//!
//! If several receivers listen to several transmitters, each mixes for itself, at its own time and in blocks of its own
//! size. Its samples are then a pure function of sample numbers and seeds: no state depends on earlier calls, except
//! caches.
//!
//! Time is counted in samples of the nominal rate, the *common time*. A [`SampleClock`] gives the times at which a
//! radio takes its samples, a path maps the receiver's sample numbers to the transmitter's.

use super::fading::{ChannelModel, FadingError, Path, Profile, Rayleigh};
use super::offset::phase_of_turns;
use super::path::PathError;
use super::resample::windowed_sinc::interpolation_weights;
use super::rng::Rng;
use crate::Sample;
use crate::kernel::Backend;
use crate::kernel::channel::{Loops, loops};
use crate::kernel::elementary::cos_sin;
use crate::kernel::noise::{self, Generators};
use crate::units::{Decibel, Hertz};
use core::ops::Range;

/// White Gaussian noise, a function of the sample number.
#[derive(Clone, Debug)]
pub struct AddressedNoise {
    add: noise::Add,
    rng: Rng,
    scale: f32,
    generators: Generators,
    /// Chunk that `generators` make next.
    next: Option<u64>,
    /// The chunk of which a part was read last, and its noise.
    chunk: Option<u64>,
    noise: [Sample; noise::CHUNK],
}

impl AddressedNoise {
    /// Samples between two seeds: reading on from a sample costs least, reading from any other at most this much more.
    pub const BLOCK: usize = 1024;

    const CHUNKS: u64 = (Self::BLOCK / noise::CHUNK) as u64;

    /// Makes noise of `power` = E|w|² per sample. A power that is not above 0 adds nothing.
    pub fn new(power: f64, seed: u64) -> Self {
        let scale = if power.is_finite() && power > 0.0 { power.sqrt() as f32 } else { 0.0 };
        let rng = Rng::new(seed);
        Self {
            add: noise::add(Backend::detect()),
            scale,
            generators: rng.fork_lanes(0),
            rng,
            next: None,
            chunk: None,
            noise: [Sample::default(); noise::CHUNK],
        }
    }

    /// Adds noise samples `first` and after to `output`.
    pub fn add(&mut self, first: u64, output: &mut [Sample]) {
        if self.scale == 0.0 {
            return;
        }
        const CHUNK: usize = noise::CHUNK;
        let (mut at, mut rest) = (first, output);
        while !rest.is_empty() {
            let (chunk, offset) = (at / CHUNK as u64, (at % CHUNK as u64) as usize);
            let whole = if offset == 0 { (rest.len() / CHUNK) as u64 } else { 0 };
            let whole = whole.min(Self::CHUNKS - chunk % Self::CHUNKS);
            let length = if whole > 0 { whole as usize * CHUNK } else { rest.len().min(CHUNK - offset) };
            let (part, after) = rest.split_at_mut(length);
            if whole > 0 {
                self.seek(chunk);
                (self.add)(&mut self.generators, self.scale, part);
                self.next = Some(chunk + whole);
            } else {
                self.hold(chunk);
                super::path::add(part, &self.noise[offset..]);
            }
            (at, rest) = (at.wrapping_add(length as u64), after);
        }
    }

    /// Makes the noise of one chunk.
    fn hold(&mut self, chunk: u64) {
        if self.chunk != Some(chunk) {
            self.seek(chunk);
            self.noise.fill(Sample::default());
            (self.add)(&mut self.generators, self.scale, &mut self.noise);
            (self.next, self.chunk) = (Some(chunk + 1), Some(chunk));
        }
    }

    /// Sets the generators to the draws of a chunk.
    fn seek(&mut self, chunk: u64) {
        let (block, within) = (chunk / Self::CHUNKS, chunk % Self::CHUNKS);
        if self.next != Some(chunk) || within == 0 {
            self.generators = self.rng.fork_lanes(block);
            self.generators.skip(within as usize);
        }
    }
}

/// Sample clock of a radio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleClock {
    /// Common time of its sample 0, in samples.
    pub start: f64,
    /// Relative error in parts per million, positive if it runs too fast.
    pub drift_ppm: f64,
}

impl SampleClock {
    /// The clock of common time.
    pub const COMMON: Self = Self { start: 0.0, drift_ppm: 0.0 };

    fn speed(self) -> f64 {
        1.0 + self.drift_ppm * 1e-6
    }

    /// Returns the common time of a sample.
    pub fn time_of(self, sample: f64) -> f64 {
        self.start + sample / self.speed()
    }

    /// Returns the sample number at a common time.
    pub fn sample_at(self, time: f64) -> f64 {
        (time - self.start) * self.speed()
    }
}

/// Path between a transmitter and a receiver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddressedConfig {
    /// Power gain.
    pub gain: Decibel,
    /// Offset of the transmitter's carrier from the receiver's, positive if it is higher.
    pub frequency: Hertz,
    /// Time of flight, in samples of common time.
    pub delay_samples: f64,
    /// The transmitter's clock.
    pub transmitter: SampleClock,
    /// The receiver's clock.
    pub receiver: SampleClock,
    /// Multipath. It is a function of common time: both directions of a pair with the same seed fade alike.
    pub channel: ChannelModel,
    /// Seed of the multipath realisation.
    pub seed: u64,
}

/// A straight line over sample numbers, in 2⁻⁶⁴.
#[derive(Clone, Copy, Debug)]
struct Line {
    origin: i128,
    step: i128,
}

impl Line {
    fn new(origin: f64, step: f64) -> Self {
        let fixed = |x: f64| ((x.floor() as i128) << 64) + ((x - x.floor()) * TWO_POW_64) as i128;
        Self { origin: fixed(origin), step: fixed(step) }
    }

    fn at(self, n: u64) -> i128 {
        self.origin + i128::from(n) * self.step
    }

    /// Returns the position between samples: at `n + halves / 2`.
    fn at_half(self, n: u64, halves: usize) -> i128 {
        self.at(n) + ((self.step * halves as i128) >> 1)
    }
}

const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;
const ONE: i128 = 1 << 64;

/// A path from a transmitter's samples to a receiver's, addressed by the receiver's sample number.
///
/// Sample `n` of the receiver is taken at the common time `t` of its clock and holds the transmitted signal of time
/// `t - delay`: fractions are interpolated, with an error below -55 dB for signals in ±0.4 of the sample rate. A path
/// without multipath that shifts by whole samples is exact.
#[derive(Clone, Debug)]
pub struct AddressedPath {
    /// Receiver's sample number -> transmitter's.
    position: Line,
    /// Receiver's sample number -> common time.
    time: Line,
    gain: f32,
    /// Turns in 2⁻⁶⁴ per sample.
    rotation: u64,
    /// `None`: whole samples, one path.
    filter: Option<Filter>,
    output: Vec<[f32; 2]>,
}

/// Interpolation and multipath in one filter, which is constant for a group of samples.
#[derive(Clone, Debug)]
struct Filter {
    loops: Loops,
    bank: Vec<f32>,
    taps: Vec<FadingTap>,
    /// Outputs for which one set of weights is used: a power of two; aligned.
    group: usize,
    /// Samples of common time between two evaluations of the gains.
    interval: u64,
    /// Grid point whose gains were evaluated last, with those of the next.
    cell: Option<u64>,
    /// Longest delay in samples, rounded up.
    spread: usize,
    /// Weights of the real and the imaginary part.
    weights: [Vec<f32>; 2],
    /// Whether the weights never change and have been made.
    constant: bool,
    made: bool,
    /// The input and the input times j.
    window: [Vec<[f32; 2]>; 2],
}

#[derive(Clone, Debug)]
struct FadingTap {
    /// `None`: gain 1.
    process: Option<Rayleigh>,
    /// In 2⁻⁶⁴ samples.
    delay: i128,
    gains: [Sample; 2],
}

/// Outputs that are computed at a time.
const CHUNK: usize = 256;
/// Weights of the interpolation; with [`ATTENUATION_DB`] flat up to ±0.42 of the sample rate.
const TAPS: usize = 32;
const ATTENUATION_DB: f64 = 66.0;
/// Stored kernels per sample; those between are interpolated linearly.
const PHASES: usize = 128;
/// Largest phase, in radians, by which the signal may turn against weights that are constant for a group.
const STILL_RADIANS: f64 = 1.5e-3;
/// Largest phase, in radians at the maximum Doppler frequency, over which gains are interpolated linearly: an error of
/// -58 dB.
const STRAIGHT_RADIANS: f64 = 0.1;
const LONGEST_INTERVAL: u64 = 4096;
const LARGEST_GROUP: usize = 16;

impl AddressedPath {
    /// Makes a path at a nominal sample rate. Nothing is allocated afterwards.
    ///
    /// # Errors
    /// [`PathError`] if a number is out of range.
    pub fn new(config: &AddressedConfig, sample_rate: Hertz) -> Result<Self, PathError> {
        let AddressedConfig { gain, frequency, delay_samples, transmitter, receiver, channel, seed } =
            *config;
        let within = |x: f64, bound: f64| x.abs() <= bound;
        if !within(gain.0, 400.0) {
            return Err(PathError::Gain);
        }
        if !within(frequency.0, sample_rate.0 / 2.0) {
            return Err(PathError::Frequency);
        }
        if !(within(delay_samples, 1e8) && within(transmitter.start, 1e15) && within(receiver.start, 1e15)) {
            return Err(PathError::Delay);
        }
        if !(within(transmitter.drift_ppm, 1000.0) && within(receiver.drift_ppm, 1000.0)) {
            return Err(PathError::Drift);
        }
        let step = transmitter.speed() / receiver.speed();
        let origin = transmitter.sample_at(receiver.start - delay_samples);
        let position = Line::new(origin, step);
        let direct = channel == ChannelModel::Awgn && position.step == ONE && position.origin % ONE == 0;
        let filter = match direct {
            true => None,
            false => Some(Filter::new(channel, step, sample_rate, seed).map_err(PathError::Fading)?),
        };
        Ok(Self {
            position,
            time: Line::new(receiver.start, 1.0 / receiver.speed()),
            gain: gain.amplitude_ratio() as f32,
            rotation: phase_of_turns(frequency / sample_rate),
            filter,
            output: vec![[0.0; 2]; CHUNK],
        })
    }

    /// Returns the range of the transmitter's samples on which `count` samples from `first` on depend.
    pub fn reach(&self, first: u64, count: usize) -> Range<i64> {
        let floor = |position: i128| (position >> 64) as i64;
        let (begin, end) = (floor(self.position.at(first)), floor(self.position.at(first + count as u64)));
        match &self.filter {
            None => begin..end,
            // One sample on either side, since the weights of a group are made for its middle.
            Some(filter) => begin - (TAPS / 2 + filter.spread) as i64 - 1..end + (TAPS / 2) as i64 + 2,
        }
    }

    /// Returns the first sample of the receiver that is not known yet when the transmitter's are known before `sent`.
    pub fn known_before(&self, sent: i64) -> u64 {
        let lookahead = self.filter.as_ref().map_or(0, |_| TAPS as i64 / 2 + 1);
        let end = (i128::from(sent) - i128::from(lookahead)) << 64;
        // The last position that still lies before the end.
        let last = end - 1 - self.position.origin;
        let known = last.div_euclid(self.position.step) + i128::from(self.filter.is_none());
        known.clamp(0, i128::from(u64::MAX)) as u64
    }

    /// Adds samples `first` and after to `output`. `input` holds the transmitter's samples from `input_first` on.
    ///
    /// # Panics
    /// If `input` does not hold all of [`Self::reach`].
    pub fn add(&mut self, first: u64, input_first: i64, input: &[Sample], output: &mut [Sample]) {
        let mut at = first;
        for part in output.chunks_mut(CHUNK) {
            let reach = self.reach(at, part.len());
            let input = &input[(reach.start - input_first) as usize..(reach.end - input_first) as usize];
            let through = &mut self.output[..part.len()];
            match &mut self.filter {
                None => {
                    for (y, x) in through.iter_mut().zip(input) {
                        *y = [x.re, x.im];
                    }
                }
                Some(filter) => filter.process(self.position, self.time, at, reach.start, input, through),
            }
            self.add_rotated(at, part.len(), part);
            at += part.len() as u64;
        }
    }

    fn add_rotated(&self, first: u64, count: usize, output: &mut [Sample]) {
        let gain = self.gain;
        let through = self.output[..count].iter().zip(output);
        if self.rotation == 0 {
            for (x, y) in through {
                y.re += gain * x[0];
                y.im += gain * x[1];
            }
            return;
        }
        let start = self.rotation.wrapping_mul(first);
        for ((x, y), i) in through.zip(0_u64..) {
            let phase = start.wrapping_add(self.rotation.wrapping_mul(i));
            let (cos, sin) = cos_sin((phase >> 32) as u32);
            let (re, im) = (gain * x[0], gain * x[1]);
            y.re += re * cos - im * sin;
            y.im += re * sin + im * cos;
        }
    }
}

impl Filter {
    fn new(channel: ChannelModel, step: f64, rate: Hertz, seed: u64) -> Result<Self, FadingError> {
        // Checks the numbers.
        channel.fading(rate, seed)?;
        let (profile, doppler) = match channel {
            ChannelModel::Awgn => (Profile::Flat, None),
            ChannelModel::Fading { profile, doppler } => (profile, Some(doppler / rate)),
        };
        let turns = |doppler: f64| core::f64::consts::TAU * doppler;
        let mut interval = LONGEST_INTERVAL;
        while interval > 1 && turns(doppler.unwrap_or(0.0)) * interval as f64 > STRAIGHT_RADIANS {
            interval /= 2;
        }
        // A drift moves the samples under the weights: at a band edge of 0.3 of the sample rate.
        let turn = turns(0.3 * (step - 1.0).abs() + doppler.unwrap_or(0.0)) / 2.0;
        let mut group = LARGEST_GROUP;
        while group > 1 && turn * group as f64 > STILL_RADIANS {
            group /= 2;
        }
        let rng = Rng::new(seed);
        let total: f64 = profile.paths().iter().map(|p| p.power.power_ratio()).sum();
        let samples = |p: &Path| p.delay_ns * 1e-9 * rate.0;
        let taps = profile.paths().iter().zip(0_u64..).map(|(p, index)| FadingTap {
            process: doppler.map(|doppler| {
                let power = p.power.power_ratio() / total;
                Rayleigh::new(power, doppler * interval as f64, &mut rng.fork(index))
            }),
            delay: Line::new(samples(p), 0.0).origin,
            gains: [Sample::new(1.0, 0.0); 2],
        });
        let spread = profile.paths().iter().map(|p| samples(p).ceil() as usize).max().unwrap_or(0);
        let mut bank = vec![0.0; TAPS * (PHASES + 1)];
        for (p, kernel) in bank.chunks_exact_mut(TAPS).enumerate() {
            interpolation_weights(kernel, p as f64 / PHASES as f64, 1.0, ATTENUATION_DB);
        }
        let length = TAPS + spread + 1;
        let window = vec![[0.0; 2]; 2 * CHUNK + length + 8];
        Ok(Self {
            loops: loops(Backend::detect()),
            bank,
            taps: taps.collect(),
            group,
            interval,
            cell: None,
            spread,
            weights: [vec![0.0; length], vec![0.0; length]],
            constant: step == 1.0 && doppler.unwrap_or(0.0) == 0.0,
            made: false,
            window: [window.clone(), window],
        })
    }

    fn fades(&self) -> bool {
        self.taps.iter().any(|t| t.process.is_some())
    }

    fn process(
        &mut self,
        position: Line,
        time: Line,
        first: u64,
        input_first: i64,
        input: &[Sample],
        output: &mut [[f32; 2]],
    ) {
        let fades = self.fades();
        for (i, s) in input.iter().enumerate() {
            self.window[0][i] = [s.re, s.im];
            self.window[1][i] = [-s.im, s.re];
        }
        output.fill([0.0; 2]);
        let mut done = 0;
        while done < output.len() {
            let n = first + done as u64;
            let offset = (n % self.group as u64) as usize;
            let length = (self.group - offset).min(output.len() - done);
            // Weights for the middle of the group; from output to output they move on by one input sample.
            let middle = self.group - 1;
            let begin = n - offset as u64;
            let at = position.at_half(begin, middle) - ((middle as i128) << 63);
            if !(self.constant && self.made) {
                self.make_weights(at, time.at_half(begin, middle));
            }
            let from = (at >> 64) as i64 - (TAPS / 2 + self.spread) as i64 + offset as i64;
            let from = (from - input_first) as usize;
            let reach = from..from + length + self.weights[0].len() - 1;
            let y = &mut output[done..done + length];
            (self.loops.accumulate_fir)(&self.weights[0], &self.window[0][reach.clone()], y);
            if fades {
                (self.loops.accumulate_fir)(&self.weights[1], &self.window[1][reach], y);
            }
            done += length;
        }
    }

    /// Computes weights for an output at `position` of the input: the first stands `TAPS / 2 + spread` samples before
    /// its floor.
    fn make_weights(&mut self, position: i128, time: i128) {
        self.evaluate_gains((time >> 64) as i64);
        let within = (time >> 64).rem_euclid(i128::from(self.interval)) as f32 / self.interval as f32;
        let [re, im] = &mut self.weights;
        re.fill(0.0);
        im.fill(0.0);
        let fraction = position & (ONE - 1);
        for tap in &self.taps {
            let at = fraction - tap.delay;
            // The kernel's own first tap stands TAPS / 2 - 1 samples before the floor.
            let start = (self.spread as i64 + 1 + (at >> 64) as i64) as usize;
            let phase = (at & (ONE - 1)) * PHASES as i128;
            let (lower, upper) = self.bank[(phase >> 64) as usize * TAPS..][..2 * TAPS].split_at(TAPS);
            let between = ((phase as u64) >> 40) as f32 * (1.0 / 16_777_216.0);
            let gain = tap.gains[0] + (tap.gains[1] - tap.gains[0]) * within;
            let weights = re[start..start + TAPS].iter_mut().zip(&mut im[start..start + TAPS]);
            for ((re, im), (a, b)) in weights.zip(lower.iter().zip(upper)) {
                let w = a + between * (b - a);
                *re += gain.re * w;
                *im += gain.im * w;
            }
        }
        self.made = true;
    }

    fn evaluate_gains(&mut self, time: i64) {
        let cell = time.div_euclid(self.interval as i64) as u64;
        if self.cell == Some(cell) {
            return;
        }
        for tap in &mut self.taps {
            if let Some(process) = &tap.process {
                let next = process.gain_at(cell.wrapping_add(1));
                let this = if self.cell == Some(cell.wrapping_sub(1)) {
                    tap.gains[1]
                } else {
                    process.gain_at(cell)
                };
                tap.gains = [this, next];
            }
        }
        self.cell = Some(cell);
    }
}

#[cfg(test)]
mod tests;
