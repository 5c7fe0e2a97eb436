//! Multipath fading: the tapped delay lines EPA, EVA and ETU with Jakes Doppler spectra.
//!
//! Each path is an independent Rayleigh process: a sum of sinusoids after Y. Zheng and C. Xiao, "Improved models for
//! the generation of multiple uncorrelated Rayleigh fading waveforms", IEEE Commun. Lett. 6(6), 2002. With M arrival
//! angles `α_n = (2πn - π + θ) / (4M)` and independent uniform θ, φ_n, ψ_n for each path,
//!
//! ```text
//! g(t) = sqrt(1/M) sum_n [ cos(2π f_d t cos α_n + φ_n) + j cos(2π f_d t sin α_n + ψ_n) ]
//! ```
//!
//! has mean power 1 in every realisation, and over the realisations the autocorrelation `J0(2π f_d τ)` exactly.

use super::offset::phase_of_turns;
use super::resample::windowed_sinc::interpolation_weights;
use super::rng::Rng;
use crate::Sample;
use crate::kernel::Backend;
use crate::kernel::channel::{Loops, loops};
use crate::kernel::elementary::{cos_sin, cos_sin_turns};
use crate::units::{Decibel, Hertz};
use core::fmt;
use core::str::FromStr;

/// One path of a delay profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Path {
    /// Excess delay in nanoseconds.
    pub delay_ns: f64,
    /// Power relative to the other paths of the profile.
    pub power: Decibel,
}

/// A delay profile of TS 36.101 Annex B.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// One path: frequency-flat Rayleigh fading. Not a 3GPP profile.
    Flat,
    /// Extended Pedestrian A, 7 paths, rms delay spread 43 ns.
    Epa,
    /// Extended Vehicular A, 9 paths, rms delay spread 357 ns.
    Eva,
    /// Extended Typical Urban, 9 paths, rms delay spread 991 ns.
    Etu,
}

impl Profile {
    /// Returns the paths, the earliest first.
    pub fn paths(self) -> &'static [Path] {
        match self {
            Self::Flat => &FLAT,
            Self::Epa => &EPA,
            Self::Eva => &EVA,
            Self::Etu => &ETU,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Epa => "epa",
            Self::Eva => "eva",
            Self::Etu => "etu",
        }
    }
}

const fn path(delay_ns: f64, power: f64) -> Path {
    Path { delay_ns, power: Decibel(power) }
}

const FLAT: [Path; 1] = [path(0.0, 0.0)];

/// TS 36.101 Table B.2.1-2. Taken from a public implementation and from memory, which agree; TS 36.101 Annex B.2.1 not read.
const EPA: [Path; 7] = [
    path(0.0, 0.0),
    path(30.0, -1.0),
    path(70.0, -2.0),
    path(90.0, -3.0),
    path(110.0, -8.0),
    path(190.0, -17.2),
    path(410.0, -20.8),
];

/// TS 36.101 Table B.2.1-3; same standing as [`EPA`].
const EVA: [Path; 9] = [
    path(0.0, 0.0),
    path(30.0, -1.5),
    path(150.0, -1.4),
    path(310.0, -3.6),
    path(370.0, -0.6),
    path(710.0, -9.1),
    path(1090.0, -7.0),
    path(1730.0, -12.0),
    path(2510.0, -16.9),
];

/// TS 36.101 Table B.2.1-4; same standing as [`EPA`].
const ETU: [Path; 9] = [
    path(0.0, -1.0),
    path(50.0, -1.0),
    path(120.0, -1.0),
    path(200.0, 0.0),
    path(230.0, 0.0),
    path(500.0, 0.0),
    path(1600.0, -3.0),
    path(2300.0, -5.0),
    path(5000.0, -7.0),
];

/// A propagation condition by its usual name: `awgn`, or a profile followed by the maximum Doppler frequency in Hz, as
/// in `epa5`, `eva70`, `etu300`, `flat0.5` (TS 36.101 §B.2.2). Case does not matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ChannelModel {
    /// No multipath: one path of constant gain 1.
    Awgn,
    /// Rayleigh fading on every path of a profile.
    Fading {
        /// Delays and powers of the paths.
        profile: Profile,
        /// Maximum Doppler frequency; 0 draws the gains once and keeps them.
        doppler: Hertz,
    },
}

impl ChannelModel {
    /// Returns the fading of this condition at a sample rate, or `None` if it has none.
    ///
    /// # Errors
    /// As [`Fading::new`].
    pub fn fading(self, sample_rate: Hertz, seed: u64) -> Result<Option<Fading>, FadingError> {
        match self {
            Self::Awgn => Ok(None),
            Self::Fading { profile, doppler } => Fading::new(profile, doppler, sample_rate, seed).map(Some),
        }
    }
}

impl fmt::Display for ChannelModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Awgn => f.write_str("awgn"),
            Self::Fading { profile, doppler } => write!(f, "{}{}", profile.name(), doppler.0),
        }
    }
}

/// The text is not the name of a propagation condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownChannelModel(pub String);

impl fmt::Display for UnknownChannelModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown channel model {:?}: awgn, or flat, epa, eva, etu with a Doppler in Hz (epa5)",
            self.0
        )
    }
}

impl core::error::Error for UnknownChannelModel {}

impl FromStr for ChannelModel {
    type Err = UnknownChannelModel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownChannelModel(text.to_owned());
        let name = text.to_ascii_lowercase();
        if name == "awgn" {
            return Ok(Self::Awgn);
        }
        for profile in [Profile::Flat, Profile::Epa, Profile::Eva, Profile::Etu] {
            if let Some(number) = name.strip_prefix(profile.name()) {
                // `f64` would also read "inf", "1e3" and signs.
                if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
                    return Err(unknown());
                }
                let doppler = Hertz(number.parse().map_err(|_| unknown())?);
                return Ok(Self::Fading { profile, doppler });
            }
        }
        Err(unknown())
    }
}

/// Refusal of the numbers of a fading channel: the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FadingError {
    /// The sample rate is not in 1 Hz to 1 GHz.
    SampleRate,
    /// The maximum Doppler frequency is negative, not finite or above a tenth of the sample rate.
    Doppler,
}

impl fmt::Display for FadingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SampleRate => "the sample rate is not in 1 Hz to 1 GHz",
            Self::Doppler => "the maximum Doppler frequency is not in 0 to a tenth of the sample rate",
        })
    }
}

impl core::error::Error for FadingError {}

/// Passes a stream through a fading multipath channel of mean power gain 1.
///
/// Output `n` is `sum_i g_i(n) x(n - LATENCY - delay_i * sample_rate)`. Delays between samples are interpolated, with an
/// error below -55 dB for signals in ±0.41 of the sample rate. Two antennas are two channels with two seeds.
#[derive(Clone, Debug)]
pub struct Fading {
    loops: Loops,
    taps: Vec<Tap>,
    /// The last input samples, as many as the longest path needs, and room for a frame.
    window: Vec<[f32; 2]>,
    history: usize,
    /// Samples between two evaluations of the gains, which are interpolated linearly in between.
    interval: usize,
    /// Gains of each path at the grid points of the current frame: `FRAME / interval + 1` for each path.
    gains: Vec<Sample>,
    /// Samples of the current frame already done.
    position: usize,
}

/// One path at a sample rate.
#[derive(Clone, Debug)]
struct Tap {
    process: Rayleigh,
    /// Offset in the window at which the filter of the first sample of a block starts.
    start: usize,
    weights: Vec<f32>,
}

impl Fading {
    /// Additional delay of all paths in samples, which gives the interpolation its look-ahead.
    pub const LATENCY: usize = Self::TAPS / 2 - 1;
    const TAPS: usize = 24;
    const ATTENUATION_DB: f64 = 66.0;
    /// Samples for which gains are computed at a time.
    const FRAME: usize = 256;
    /// Largest phase, in radians at the maximum Doppler frequency, over which gains are interpolated linearly: the
    /// error is an eighth of its square, -58 dB.
    const STRAIGHT_RADIANS: f64 = 0.1;

    /// Makes a channel with `profile` and a maximum Doppler frequency, at a sample rate; `seed` draws the realisation.
    ///
    /// # Errors
    /// [`FadingError`] if a number is out of range.
    pub fn new(profile: Profile, doppler: Hertz, sample_rate: Hertz, seed: u64) -> Result<Self, FadingError> {
        if !(1.0..=1e9).contains(&sample_rate.0) {
            return Err(FadingError::SampleRate);
        }
        if !(0.0..=0.1 * sample_rate.0).contains(&doppler.0) {
            return Err(FadingError::Doppler);
        }
        let doppler = doppler / sample_rate;
        let mut interval = Self::FRAME;
        while interval > 1 && core::f64::consts::TAU * doppler * interval as f64 > Self::STRAIGHT_RADIANS {
            interval /= 2;
        }

        let paths = profile.paths();
        let total: f64 = paths.iter().map(|p| p.power.power_ratio()).sum();
        let delay = |p: &Path| p.delay_ns * 1e-9 * sample_rate.0;
        let longest = paths.iter().map(|p| delay(p).floor() as usize).max().unwrap_or(0);
        let history = longest + Self::TAPS - 1;
        let rng = Rng::new(seed);
        let taps = paths.iter().zip(0_u64..).map(|(p, index)| {
            let power = p.power.power_ratio() / total;
            let (whole, fraction) = (delay(p).floor() as usize, delay(p).fract());
            let mut weights = vec![0.0; Self::TAPS];
            interpolation_weights(&mut weights, fraction, 1.0, Self::ATTENUATION_DB);
            weights.reverse();
            let mut start = longest - whole;
            if fraction == 0.0 {
                // A path with a delay of whole samples needs no filter.
                weights = vec![1.0];
                start += Self::TAPS / 2;
            }
            Tap {
                process: Rayleigh::new(power, doppler * interval as f64, &mut rng.fork(index)),
                start,
                weights,
            }
        });
        Ok(Self {
            loops: loops(Backend::detect()),
            taps: taps.collect(),
            window: vec![[0.0; 2]; history + Self::FRAME],
            history,
            interval,
            gains: vec![Sample::default(); paths.len() * (Self::FRAME / interval + 1)],
            position: 0,
        })
    }

    /// Returns the mean gain of each path of the profile over output samples `from..from + len`, counted from the
    /// next frame: those of a channel that has processed nothing.
    pub fn mean_gains(&self, from: usize, len: usize) -> impl Iterator<Item = Sample> {
        /// Points of the mean; over a symbol the gains are nearly straight lines.
        const POINTS: usize = 8;
        let steps = move |i: usize| {
            (from as f64 + len as f64 * (i as f64 + 0.5) / POINTS as f64) / self.interval as f64
        };
        self.taps.iter().map(move |tap| {
            let gains = (0..POINTS).map(|i| {
                // straight between the points at which the process is evaluated, as in the samples
                let (whole, part) = (steps(i).floor(), steps(i).fract() as f32);
                let gain = |step: f64| tap.process.gain_at(step as u64);
                gain(whole) * (1.0 - part) + gain(whole + 1.0) * part
            });
            gains.sum::<Sample>() / POINTS as f32
        })
    }

    /// Fades in place.
    pub fn process(&mut self, samples: &mut [Sample]) {
        let mut rest = samples;
        while !rest.is_empty() {
            if self.position == 0 {
                self.draw_gains();
            }
            let length = rest.len().min(Self::FRAME - self.position);
            let (block, after) = rest.split_at_mut(length);
            self.process_in_frame(block);
            self.position = (self.position + length) % Self::FRAME;
            rest = after;
        }
    }

    /// Evaluates the gains at the grid points of the next frame. Its first point is the last of the frame before.
    fn draw_gains(&mut self) {
        let points = Self::FRAME / self.interval + 1;
        for (tap, gains) in self.taps.iter_mut().zip(self.gains.chunks_exact_mut(points)) {
            for (k, gain) in gains.iter_mut().enumerate() {
                *gain = tap.process.gain();
                if k + 1 < points {
                    tap.process.advance();
                }
            }
        }
    }

    /// Fades a block that lies within one frame.
    fn process_in_frame(&mut self, block: &mut [Sample]) {
        let n = block.len();
        for (w, s) in self.window[self.history..].iter_mut().zip(&*block) {
            *w = [s.re, s.im];
        }
        block.fill(Sample::default());
        let points = Self::FRAME / self.interval + 1;
        for (tap, gains) in self.taps.iter().zip(self.gains.chunks_exact(points)) {
            let mut filtered = [[0.0_f32; 2]; Self::FRAME];
            let filtered = &mut filtered[..n];
            let window = &self.window[tap.start..tap.start + n + tap.weights.len() - 1];
            (self.loops.accumulate_fir)(&tap.weights, window, filtered);
            add_weighted(filtered, gains, self.interval, self.position, block);
        }
        self.window.copy_within(n..n + self.history, 0);
    }
}

/// `output[n] += g(position + n) input[n]`, with `g` linear between the grid points of `gains`.
fn add_weighted(
    input: &[[f32; 2]],
    gains: &[Sample],
    interval: usize,
    position: usize,
    output: &mut [Sample],
) {
    let per_sample = 1.0 / interval as f32;
    let mut done = 0;
    while done < input.len() {
        let (segment, offset) = ((position + done) / interval, (position + done) % interval);
        let length = (interval - offset).min(input.len() - done);
        let gain = gains[segment];
        let slope = (gains[segment + 1] - gain) * per_sample;
        let pairs = input[done..done + length].iter().zip(&mut output[done..done + length]);
        for ((x, y), i) in pairs.zip(offset as i32..) {
            let g = gain + slope * i as f32;
            y.re += g.re * x[0] - g.im * x[1];
            y.im += g.re * x[1] + g.im * x[0];
        }
        done += length;
    }
}

/// A Rayleigh process, evaluated on a regular grid of times.
#[derive(Clone, Debug)]
pub(super) struct Rayleigh {
    /// Phases of the sinusoids of the real part, then of the imaginary part, in 2⁻⁶⁴ turns.
    phases: [u64; 2 * Self::ANGLES],
    steps: [u64; 2 * Self::ANGLES],
    scale: f32,
}

impl Rayleigh {
    /// Arrival angles, M in the module's formula.
    const ANGLES: usize = 16;

    /// Makes a process of mean `power` with a maximum Doppler of `doppler` turns per grid step.
    pub(super) fn new(power: f64, doppler: f64, rng: &mut Rng) -> Self {
        let m = Self::ANGLES as f64;
        let theta = rng.uniform() - 0.5;
        let phases = core::array::from_fn(|_| rng.next_u64());
        let steps = core::array::from_fn(|k| {
            let n = (k % Self::ANGLES + 1) as f64;
            let (cos, sin) = cos_sin_turns((n - 0.5 + theta) / (4.0 * m));
            phase_of_turns(doppler * if k < Self::ANGLES { cos } else { sin })
        });
        Self { phases, steps, scale: (power / m).sqrt() as f32 }
    }

    fn gain(&self) -> Sample {
        self.gain_at(0)
    }

    /// Returns the gain `steps` grid steps from here; they may wrap around.
    pub(super) fn gain_at(&self, steps: u64) -> Sample {
        let mut waves = [0.0_f32; 2 * Self::ANGLES];
        for (wave, (phase, step)) in waves.iter_mut().zip(self.phases.iter().zip(&self.steps)) {
            *wave = cos_sin((phase.wrapping_add(step.wrapping_mul(steps)) >> 32) as u32).0;
        }
        let (re, im) = waves.split_at(Self::ANGLES);
        Sample::new(re.iter().sum::<f32>() * self.scale, im.iter().sum::<f32>() * self.scale)
    }

    fn advance(&mut self) {
        for (phase, step) in self.phases.iter_mut().zip(&self.steps) {
            *phase = phase.wrapping_add(*step);
        }
    }
}

#[cfg(test)]
mod tests;
