//! Search for sidelink synchronisation signals in samples of unknown timing and carrier offset (TS 36.211 §9.7).
//!
//! All of it runs at 1.92 MS/s, for any carrier: PSSS and SSSS lie in its six central PRBs.
//!
//! 1. decimate;
//! 2. correlate with PSSS of both roots by fast convolution, at half that rate; add the two equal symbols;
//! 3. for the best places, against the energy found there: refine time and carrier offset at the full 1.92 MS/s;
//! 4. demodulate both SSSS symbols, equalise with PSSS, and score all 168 identities of the root;
//! 5. keep detections that noise would not produce: PSSS and SSSS are judged together.

mod correlate;

use super::diversity::{Views, as_of_one};
use super::estimate::parabola;
use super::slss::Secondary;
use crate::Sample;
use crate::channel::layout::SlssLayout;
use crate::impair::resample::Decimator;
use crate::numerology::Numerology;
use crate::sequence::{SSSS_LEN, SsssForm, psss};
use crate::units::{Antennas, Bandwidth, CyclicPrefix, Decibel, Hertz, SlssId};
use correlate::Correlator;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::PI;
use std::sync::Arc;

/// Sample rate of the search, samples a second.
const RATE: f64 = 1.92e6;

/// FFT size at that rate.
const FFT: usize = 128;

/// Input samples that are turned to another carrier offset at a time.
const PIECE: usize = 6144;

/// Carrier offset that one search covers on either side: PSSS loses 2 dB there.
pub const REACH: Hertz = Hertz(5e3);

/// Carrier offset at which the decimated samples still contain all of the signals: the edge of the filter lies
/// beyond.
pub const PREPARED: Hertz = Hertz(100e3);

/// Acceptance thresholds of the search; measured in `sidelink bench bler --case slss`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchConfig {
    /// Least normalised PSSS correlation of a place that is examined, 0 to 1.
    pub candidate: f32,
    /// Least score of a detection. The score adds the log-likelihood gains of PSSS and SSSS; noise reaches `x` with a
    /// probability of about `exp(-x)` a candidate and identity.
    pub accept: f32,
    /// Largest number of places that are examined in one search.
    pub candidates: usize,
    /// Number of antennas; the thresholds are those of one.
    pub antennas: Antennas,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self { candidate: 0.05, accept: 34.0, candidates: 12, antennas: Antennas::ONE }
    }
}

/// A synchronisation signal that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// First sample of its subframe, at the rate of the input and counted from the start of the input; it may lie
    /// before it.
    pub sample: f64,
    /// Identity.
    pub id: SlssId,
    /// Carrier offset.
    pub cfo: Hertz,
    /// Signal to noise ratio of a resource element.
    pub snr: Decibel,
    /// Score of the detection, see [`SearchConfig::accept`].
    pub score: f32,
}

/// Searches blocks of samples for one form of SLSS.
pub struct Search {
    config: SearchConfig,
    narrow: Numerology,
    slss: SlssLayout,
    decimator: Decimator,
    factor: usize,
    /// Decimated samples of each antenna.
    samples: Vec<Vec<Sample>>,
    /// A piece of the input with another carrier offset.
    mixed: Vec<Sample>,
    /// [`Self::samples`] with another carrier offset.
    turned: Vec<Vec<Sample>>,
    /// Number of samples that [`Self::prepare`] has written, and the offset that it has removed.
    written: usize,
    coarse: Hertz,
    correlator: Correlator,
    fft: Arc<dyn Fft<f32>>,
    scratch: Vec<Sample>,
    half_shift: [Sample; FFT],
    /// PSSS in time, roots 26 and 37.
    templates: [[Sample; FFT]; 2],
    primary: [[Sample; SSSS_LEN]; 2],
    secondary: Secondary,
}

impl Search {
    /// Makes a search for blocks of at most `max_samples` at the rate of `numerology`; nothing is allocated afterwards.
    ///
    /// `None` when the rate is not a multiple of 1.92 MS/s (no rate of [`Bandwidth::fft_sizes`] is).
    pub fn new(
        numerology: Numerology,
        form: SsssForm,
        max_samples: usize,
        config: SearchConfig,
    ) -> Option<Self> {
        let factor = numerology.fft() / FFT;
        let decimator = Decimator::new(factor).ok()?;
        let narrow = Numerology::standard(Bandwidth::Prb6, numerology.cp());
        let len = max_samples / factor + decimator.delay() + 2;
        let mut planner = FftPlanner::new();
        let fft = planner.plan_fft_forward(FFT);
        let half_shift = std::array::from_fn(|i| {
            let angle = -PI * i as f64 / FFT as f64;
            Sample::new(angle.cos() as f32, angle.sin() as f32)
        });
        let primary = [psss(true), psss(false)];
        let templates = primary.map(|d| in_time(&d));
        Some(Self {
            config,
            narrow,
            slss: SlssLayout::new(numerology.cp()),
            decimator,
            factor,
            samples: vec![vec![Sample::default(); len]; config.antennas.count()],
            mixed: vec![Sample::default(); PIECE],
            turned: vec![vec![Sample::default(); len]; config.antennas.count()],
            written: 0,
            coarse: Hertz(0.0),
            correlator: Correlator::new(&mut planner, &templates, pair_spacing(numerology.cp()), len),
            scratch: vec![Sample::default(); fft.get_inplace_scratch_len()],
            fft,
            half_shift,
            templates,
            primary,
            secondary: Secondary::new(form),
        })
    }

    /// Searches `input` (at most the `max_samples` of the constructor) and appends the detections to `found`, in the
    /// order of their scores. `found` does not grow beyond its capacity.
    pub fn search(&mut self, input: &[Sample], found: &mut Vec<Detection>) {
        self.search_antennas(&[input], found);
    }

    /// Does the same as [`Self::search`] with the samples of each antenna, all equally long. An antenna without samples
    /// is silent.
    pub fn search_antennas(&mut self, input: &[&[Sample]], found: &mut Vec<Detection>) {
        let input = Views::new(input.iter().copied().take(self.samples.len()));
        let count = input.first().map_or(0, |first| first.len());
        let whole = input.len() == self.samples.len() && input.iter().all(|samples| samples.len() == count);
        if self.factor == 1 && whole && count <= self.samples[0].len() {
            // nothing to decimate
            return self.find(&input, Hertz(0.0), found);
        }
        self.prepare(Hertz(0.0), &input);
        self.search_near(Hertz(0.0), found);
    }

    /// Prepares the samples of each antenna for [`Self::search_near`], turned back by `coarse`.
    pub fn prepare(&mut self, coarse: Hertz, input: &[&[Sample]]) {
        let max = (self.samples[0].len() - self.decimator.delay() - 2) * self.factor;
        self.coarse = coarse;
        self.written = 0;
        for a in 0..self.samples.len() {
            let input = input.get(a).copied().unwrap_or(&[]);
            let input = &input[..input.len().min(max)];
            self.decimator.reset();
            let written = self.decimate(coarse, a, input);
            if a == 0 {
                self.written = written;
            } else if written < self.written {
                self.samples[a][written..self.written].fill(Sample::default());
            }
        }
    }

    /// Searches the prepared input for signals whose carrier is about `near` off beyond its `coarse` ([`REACH`]);
    /// `near` is at most [`PREPARED`]. Appends to `found` as [`Self::search`] does.
    pub fn search_near(&mut self, near: Hertz, found: &mut Vec<Detection>) {
        let delay = self.decimator.delay();
        let (from, to) = (delay.min(self.written), self.written);
        let mut samples = std::mem::take(&mut self.samples);
        if near != Hertz(0.0) {
            for (turned, samples) in self.turned.iter_mut().zip(&samples) {
                turned[..to].copy_from_slice(&samples[..to]);
                crate::sc_fdma::rotate(&mut turned[..to], 0.0, -near.0 / RATE);
            }
            std::mem::swap(&mut samples, &mut self.turned);
        }
        self.find(&Views::new(samples.iter().map(|s| &s[from..to])), self.coarse + near, found);
        if near != Hertz(0.0) {
            std::mem::swap(&mut samples, &mut self.turned);
        }
        self.samples = samples;
    }

    /// Finds signals in samples at 1.92 MS/s, one slice an antenna, from which the offset `removed` was taken.
    fn find(&mut self, samples: &[&[Sample]], removed: Hertz, found: &mut Vec<Detection>) {
        self.correlator.run(samples);
        let first = found.len();
        for _ in 0..self.config.candidates {
            let Some(candidate) = self.correlator.take_best(self.config.candidate) else { break };
            if found.len() == found.capacity() {
                break;
            }
            if let Some(mut detection) = self.examine(samples, candidate.root, candidate.at)
                && !found[first..].iter().any(|d| self.is_shadow(&detection, d))
            {
                detection.cfo = Hertz::from(detection.cfo.to_f32() + removed.to_f32());
                found.push(detection);
            }
        }
        found[first..].sort_by(|a, b| b.score.total_cmp(&a.score));
    }

    /// Computes the input of antenna `a` at 1.92 MS/s, turned back by `near`; returns the number of samples.
    fn decimate(&mut self, near: Hertz, a: usize, input: &[Sample]) -> usize {
        if near == Hertz(0.0) {
            return self.decimator.process(input, &mut self.samples[a]);
        }
        let turn = -near.0 / (RATE * self.factor as f64);
        let mut written = 0;
        for (i, piece) in input.chunks(PIECE).enumerate() {
            let mixed = &mut self.mixed[..piece.len()];
            mixed.copy_from_slice(piece);
            crate::sc_fdma::rotate(mixed, turn * (i * PIECE) as f64, turn);
            written += self.decimator.process(mixed, &mut self.samples[a][written..]);
        }
        written
    }

    /// Whether a detection is a second peak of an earlier one: the pair of PSSS symbols also correlates one symbol off.
    fn is_shadow(&self, new: &Detection, old: &Detection) -> bool {
        let apart = (new.sample - old.sample).abs() / self.factor as f64;
        apart < 2.0 * (FFT + self.narrow.cp_samples(1)) as f64 && (apart < 8.0 || new.score < 0.7 * old.score)
    }

    /// Examines the place where PSSS of `root` seems to begin (useful part of its first symbol).
    fn examine(&mut self, samples: &[&[Sample]], root: usize, about: usize) -> Option<Detection> {
        const DIMENSIONS: f32 = 2.0 * SSSS_LEN as f32;
        let (at, fine) = self.peak(samples, root, about)?;
        let cfo = self.offset(samples, root, at)?;
        let subframe = at as isize - useful_start(&self.narrow, self.slss.psss[0]);
        let (mut score_p, mut antennas) = (0.0, 0.0);
        let mut sum = Combined { secondary: [Sample::default(); SSSS_LEN], reference: 0.0, energy: 0.0 };
        for a in 0..samples.len() {
            let symbols = self.symbols(samples[a], root, subframe, cfo)?;
            if samples.len() > 1 && symbols.energy_p <= 0.0 {
                continue;
            }
            let explained = symbols.explained();
            score_p += gain(explained, symbols.energy_p, DIMENSIONS);
            let noise = (symbols.energy_p - explained).max(1e-3 * symbols.energy_p);
            sum.add(&symbols, if samples.len() > 1 { 1.0 / noise } else { 1.0 });
            antennas += 1.0;
        }
        let (id, power) = self.secondary.best(root, &sum.secondary);
        let score_p = as_of_one(score_p, FREEDOM, antennas);
        let explained = power / sum.reference.max(1e-30) / 2.0;
        let score_s = gain(explained, sum.energy, DIMENSIONS * antennas);
        let score = score_p + score_s;
        if score < self.config.accept || score_s < self.config.accept / 3.0 {
            return None;
        }
        let share = (explained / sum.energy.max(1e-30)).clamp(1e-4, 0.9999);
        Some(Detection {
            sample: (subframe as f64 + fine as f64) * self.factor as f64,
            id,
            cfo: Hertz::from(cfo as f32),
            // PSSS and SSSS are 72/62 above a data resource element
            snr: Decibel::of_ratio_f32(share / (1.0 - share) * SSSS_LEN as f32 / 72.0 * antennas),
            score,
        })
    }

    /// Where PSSS of `root` correlates best near `about`, and the fraction of a sample beyond that.
    fn peak(&self, samples: &[&[Sample]], root: usize, about: usize) -> Option<(usize, f32)> {
        let spacing = pair_spacing(self.narrow.cp());
        let weights = self.correlator.weights();
        let first = about.saturating_sub(3);
        let powers: [f32; 7] = std::array::from_fn(|i| {
            let of = |samples: &[Sample]| {
                let c = [first + i, first + i + spacing]
                    .map(|t| self.correlation(samples, root, t).map_or(0.0, |c| c.norm_sqr()));
                c[0] + c[1]
            };
            samples.iter().zip(weights).map(|(samples, weight)| of(samples) * weight).sum()
        });
        let power = |at: usize| powers[at - first];
        let near = about.saturating_sub(2)..=about + 2;
        let at = near.max_by(|&a, &b| power(a).total_cmp(&power(b)))?;
        let fine = if at > 0 { parabola(power(at - 1), power(at), power(at + 1)) } else { 0.0 };
        Some((at, fine))
    }

    /// Carrier offset in Hz by the turn from one PSSS symbol to the other.
    fn offset(&self, samples: &[&[Sample]], root: usize, at: usize) -> Option<f64> {
        let spacing = pair_spacing(self.narrow.cp());
        let mut turn = Sample::default();
        for (samples, weight) in samples.iter().zip(self.correlator.weights()) {
            let pair = [at, at + spacing].map(|t| self.correlation(samples, root, t));
            turn += pair[0]?.conj() * pair[1]? * weight;
        }
        Some(turn.im.atan2(turn.re) as f64 / (2.0 * PI) * RATE / spacing as f64)
    }

    /// PSSS and SSSS of the subframe that begins at `subframe`, with the offset taken out.
    fn symbols(&mut self, samples: &[Sample], root: usize, subframe: isize, cfo: f64) -> Option<Symbols> {
        let narrow = self.narrow;
        let symbol_at = |l: usize| subframe + useful_start(&narrow, l);
        let mut primary = [Sample::default(); SSSS_LEN];
        let mut secondary = [Sample::default(); SSSS_LEN];
        let (mut energy_p, mut energy_s) = (0.0, 0.0);
        for i in 0..2 {
            let x = self.demodulate(samples, symbol_at(self.slss.psss[i]), cfo)?;
            let y = self.demodulate(samples, symbol_at(self.slss.ssss[i]), cfo)?;
            for k in 0..SSSS_LEN {
                energy_p += x[k].norm_sqr();
                energy_s += y[k].norm_sqr();
                primary[k] += x[k] * self.primary[root][k].conj();
                secondary[k] += y[k];
            }
        }
        Some(Symbols { primary, secondary, energy_p, energy_s })
    }

    fn correlation(&self, samples: &[Sample], root: usize, at: usize) -> Option<Sample> {
        let window = samples.get(at..at + FFT)?;
        Some((self.correlator.loops().correlation)(window, &self.templates[root]))
    }

    /// Returns the 62 central subcarriers of the symbol whose useful part begins at `at`.
    fn demodulate(&mut self, samples: &[Sample], at: isize, cfo: f64) -> Option<[Sample; SSSS_LEN]> {
        let at = usize::try_from(at).ok()?;
        let window = samples.get(at..at + FFT)?;
        let mut work = [Sample::default(); FFT];
        for ((w, &x), &s) in work.iter_mut().zip(window).zip(&self.half_shift) {
            *w = x * s;
        }
        let turn = -cfo / RATE;
        crate::sc_fdma::rotate(&mut work, turn * at as f64, turn);
        self.fft.process_with_scratch(&mut work, &mut self.scratch);
        Some(std::array::from_fn(|k| work[(k + FFT - SSSS_LEN / 2) % FFT]))
    }
}

/// The synchronisation symbols of a subframe, each pair added up.
struct Symbols {
    /// The channel, as PSSS shows it.
    primary: [Sample; SSSS_LEN],
    secondary: [Sample; SSSS_LEN],
    energy_p: f32,
    energy_s: f32,
}

impl Symbols {
    /// Returns the energy that PSSS explains: blocks of 16 subcarriers, each with a phase of its own.
    fn explained(&self) -> f32 {
        let coherent: f32 =
            self.primary.chunks(16).map(|b| b.iter().sum::<Sample>().norm_sqr() / b.len() as f32).sum();
        coherent / 2.0
    }
}

/// Degrees of freedom of PSSS in noise: blocks with a phase of their own.
const FREEDOM: f32 = SSSS_LEN.div_ceil(16) as f32;

/// SSSS of all antennas, equalised.
struct Combined {
    secondary: [Sample; SSSS_LEN],
    /// Energy of the channels.
    reference: f32,
    energy: f32,
}

impl Combined {
    /// Adds an antenna.
    fn add(&mut self, symbols: &Symbols, weight: f32) {
        let channel = smoothed(&symbols.primary);
        for ((sum, y), h) in self.secondary.iter_mut().zip(&symbols.secondary).zip(&channel) {
            *sum += y * h.conj() * weight;
        }
        self.reference += weight * channel.iter().map(|h| h.norm_sqr()).sum::<f32>();
        self.energy += weight * symbols.energy_s;
    }
}

/// Gain in log-likelihood over noise alone of a component that explains the share `part` of `energy`, spread over
/// `dimensions` complex values.
fn gain(part: f32, energy: f32, dimensions: f32) -> f32 {
    -dimensions * (1.0 - (part / energy.max(1e-30)).min(0.9999)).ln()
}

/// Samples at 1.92 MS/s from the beginning of a subframe to the useful part of symbol `l`.
fn useful_start(narrow: &Numerology, l: usize) -> isize {
    (narrow.symbol_start(l) + narrow.cp_samples(l)) as isize
}

/// Samples at 1.92 MS/s from one PSSS symbol to the other.
fn pair_spacing(cp: CyclicPrefix) -> usize {
    FFT + Numerology::standard(Bandwidth::Prb6, cp).cp_samples(1)
}

/// Returns the useful part of a symbol at 1.92 MS/s that carries `d` on its 62 central subcarriers, of unit energy.
fn in_time(d: &[Sample; SSSS_LEN]) -> [Sample; FFT] {
    let gain = 1.0 / ((FFT * SSSS_LEN) as f64).sqrt();
    std::array::from_fn(|n| {
        let (mut re, mut im) = (0.0, 0.0);
        for (k, d) in d.iter().enumerate() {
            let angle = 2.0 * PI * (k as f64 - SSSS_LEN as f64 / 2.0 + 0.5) * n as f64 / FFT as f64;
            re += d.re as f64 * angle.cos() - d.im as f64 * angle.sin();
            im += d.re as f64 * angle.sin() + d.im as f64 * angle.cos();
        }
        Sample::new((re * gain) as f32, (im * gain) as f32)
    })
}

/// Computes a moving average over 15 subcarriers: the delay is known to half a sample of 1.92 MS/s, a quarter turn over
/// them.
fn smoothed(x: &[Sample; SSSS_LEN]) -> [Sample; SSSS_LEN] {
    const HALF: usize = 7;
    let mut sums = [Sample::default(); SSSS_LEN + 1];
    for (k, x) in x.iter().enumerate() {
        sums[k + 1] = sums[k] + x;
    }
    std::array::from_fn(|k| {
        let (from, to) = (k.saturating_sub(HALF), (k + HALF + 1).min(SSSS_LEN));
        (sums[to] - sums[from]) * (1.0 / (to - from) as f32)
    })
}
