//! Channel estimation from the reference signals of one allocation in one subframe.
//!
//! Every allocation is estimated separately, since several UEs share a subframe, each with a delay, a carrier offset
//! and a channel of its own:
//!
//! 1. divide the received DMRS by its reference: least-squares values on M_sc subcarriers of 2, 3 or 4 symbols;
//! 2. find the delay that aligns them best, and remove its phase ramp;
//! 3. measure the noise of each symbol separately, from the residual of smoothing over frequency: motion is not noise;
//! 4. find the carrier offset from the phase between symbols, and the Doppler under which the symbols are most likely;
//!    an offset that motion explains better is left in;
//! 5. smooth over frequency with the widest window that the data allow (generalised cross-validation): the mean of the symbols
//!    when the channel is static, each of them when it moves;
//! 6. weight the symbols for each data symbol by the speed of the channel (Wiener weights in time), and count the
//!    remaining error as noise.

mod bessel;
mod motion;
mod replica;
mod smooth;
mod weights;

use crate::Sample;
use crate::channel::layout::Layout;
use crate::grid::Grid;
use crate::numerology::{Numerology, SUBCARRIER_SPACING};
use crate::sc_fdma::rotate;
use crate::sequence::dmrs::{Dmrs, MAX_DMRS, References};
use crate::units::{Decibel, Hertz};
use motion::{Motion, Products};
pub(crate) use replica::{Replica, Sent};
use rustfft::{Fft, FftPlanner};
use smooth::Smoother;
use std::f64::consts::PI;
use std::sync::Arc;
pub use weights::TimeWeights;

/// Subcarriers that are summed before delay and motion are estimated. Six of them distinguish delays of ±5.5 µs.
const GROUP: usize = 6;

/// Largest delay that is searched, in seconds, on both sides: a little more than the normal cyclic prefix.
const MAX_DELAY: f64 = 5.2e-6;

/// Measurements of one allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measurement {
    /// Carrier offset, one of the values that the DMRS spacing cannot distinguish.
    pub cfo: Hertz,
    /// Spacing of the offsets that the DMRS cannot distinguish.
    pub cfo_ambiguity: Hertz,
    /// Carrier offset to be removed from a transmission beside this one: `cfo`, unless motion explains the DMRS better
    /// than an offset does.
    pub offset: Hertz,
    /// Maximum Doppler frequency, the most likely one of a coarse list; 0 for a static channel.
    pub doppler: Hertz,
    /// Delay in seconds against the start of the receive window, positive when late.
    pub delay: f32,
    /// Power of a resource element.
    pub signal: f32,
    /// Noise power of a resource element.
    pub noise: f32,
    /// Transmissions that were subtracted from its place before it was received: 0 but after a collision, in which it was
    /// the weaker.
    pub layer: u8,
}

impl Measurement {
    /// Returns the signal to noise ratio.
    pub fn ratio(&self) -> f32 {
        self.signal / self.noise.max(1e-12)
    }

    /// Returns the signal to noise ratio in decibels.
    pub fn snr(&self) -> Decibel {
        Decibel::of_ratio_f32(self.ratio().max(1e-6))
    }
}

/// Estimates one allocation at a time; keeps the result for the equaliser.
pub struct Estimator {
    references: Arc<References>,
    numerology: Numerology,
    delay_ffts: Vec<Arc<dyn Fft<f32>>>,
    delay_bins: Vec<Sample>,
    delay_power: Vec<f32>,
    fft_scratch: Vec<Sample>,
    ls: [Vec<Sample>; MAX_DMRS],
    /// Sums of `ls` over groups of [`GROUP`] subcarriers.
    groups: [Vec<Sample>; MAX_DMRS],
    average: Vec<Sample>,
    /// Phase ramp of the delay: aligned subcarriers are multiplied by it to restore the delay.
    pub(super) ramp: Vec<Sample>,
    motion: Motion,
    pub(super) smooth: [Vec<Sample>; MAX_DMRS],
    smoother: Smoother,
    pub(super) state: State,
}

/// All values of the last estimated allocation.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) first: usize,
    pub(super) m_sc: usize,
    pub(super) dmrs_symbols: usize,
    /// Symbol times in seconds.
    pub(super) times: [f64; 14],
    /// Offset in Hz that is turned back.
    pub(super) offset_hz: f64,
    pub(super) weights: TimeWeights,
    pub(super) measurement: Measurement,
}

impl Estimator {
    /// Makes an estimator for a carrier; nothing is allocated afterwards.
    pub fn new(numerology: Numerology, references: Arc<References>) -> Self {
        let m_max = numerology.subcarriers().max(72);
        let mut planner = FftPlanner::new();
        let mut delay_ffts = Vec::new();
        let mut size = 16;
        while size < 4 * m_max.div_ceil(GROUP) {
            delay_ffts.push(planner.plan_fft_inverse(size));
            size *= 2;
        }
        delay_ffts.push(planner.plan_fft_inverse(size));
        let scratch = delay_ffts.iter().map(|f| f.get_inplace_scratch_len()).max().unwrap_or(0);
        let zero = || vec![Sample::default(); m_max];
        Self {
            references,
            numerology,
            delay_ffts,
            delay_bins: vec![Sample::default(); size],
            delay_power: vec![0.0; size],
            fft_scratch: vec![Sample::default(); scratch],
            ls: std::array::from_fn(|_| zero()),
            groups: std::array::from_fn(|_| vec![Sample::default(); m_max / GROUP]),
            average: zero(),
            ramp: zero(),
            motion: Motion::default(),
            smooth: std::array::from_fn(|_| zero()),
            smoother: Smoother::new(m_max),
            state: State::default(),
        }
    }

    /// Estimates the allocation of `m_sc` subcarriers from `first` on.
    ///
    /// `cfo_near` is the offset to which the ambiguous measurement is resolved: 0 when no better value is known.
    /// The allocation must lie on the grid and have a width that transform precoding allows.
    pub fn estimate(
        &mut self,
        grid: &Grid,
        first: usize,
        m_sc: usize,
        layout: Layout,
        dmrs: &Dmrs,
        cfo_near: Hertz,
    ) -> Measurement {
        let n_d = layout.dmrs.len();
        for (m, &l) in layout.dmrs.iter().enumerate() {
            let received = &grid.symbol(l as usize)[first..first + m_sc];
            self.references.strip(dmrs, m, received, &mut self.ls[m][..m_sc]);
        }
        let times = self.symbol_times(grid.symbols());
        let mut dmrs_times = [0.0; MAX_DMRS];
        for (t, &l) in dmrs_times.iter_mut().zip(layout.dmrs) {
            *t = times[l as usize];
        }
        let dmrs_times = &dmrs_times[..n_d];
        let delay_turns = self.align_delay(m_sc, n_d);
        let (cfo, ambiguity) = self.carrier_offset(m_sc, dmrs_times, cfo_near.0);
        let (window, noise) = self.smoother.choose_for_each(&self.ls[..n_d], m_sc);
        let groups: [&[Sample]; MAX_DMRS] = std::array::from_fn(|m| &self.groups[m][..m_sc / GROUP]);
        let explained = self.motion.explain(
            &Products::new(&groups[..n_d]),
            dmrs_times,
            (GROUP as f64 * noise as f64).max(1e-12),
            motion::offsets(cfo, ambiguity, cfo_near.0),
        );
        self.turn_back(m_sc, dmrs_times, explained.offset_hz);
        let (signal, noise, weights) = if explained.doppler_hz > 0.0 {
            let (signal, noise) = self.smooth_each(m_sc, n_d, window);
            let ratio = noise / self.smoother.gain(window, m_sc) / signal;
            (signal, noise, TimeWeights::moving(layout, &times, dmrs_times, explained.doppler_hz, ratio))
        } else {
            let (signal, noise) = self.smooth_mean(m_sc, n_d);
            (signal, noise, TimeWeights::still())
        };
        let measurement = Measurement {
            cfo: Hertz::from(cfo as f32),
            cfo_ambiguity: Hertz::from(ambiguity as f32),
            offset: Hertz::from(explained.offset_hz as f32),
            doppler: Hertz::from(explained.doppler_hz as f32),
            delay: (-delay_turns / SUBCARRIER_SPACING.0) as f32,
            signal,
            noise,
            layer: 0,
        };
        self.state = State {
            first,
            m_sc,
            dmrs_symbols: if weights.is_static() { 1 } else { n_d },
            times,
            offset_hz: explained.offset_hz,
            weights,
            measurement,
        };
        measurement
    }

    /// Takes the channel of a known transmission instead of estimating one. Returns its measurement.
    pub(crate) fn adopt(&mut self, replica: &Replica) -> Measurement {
        replica.lend(self);
        self.state.measurement
    }

    /// Seconds from symbol 0 to each of the first `symbols` of a subframe.
    fn symbol_times(&self, symbols: usize) -> [f64; 14] {
        let mut times = [0.0; 14];
        for (l, t) in times.iter_mut().enumerate().take(symbols) {
            *t = self.numerology.symbol_distance(0, l);
        }
        times
    }

    /// What was measured last.
    pub fn measurement(&self) -> Measurement {
        self.state.measurement
    }

    /// Writes the channel of the last estimated allocation on data symbol 0, delay restored: for display.
    pub fn channel(&self, out: &mut [Sample]) {
        let m_sc = self.state.m_sc.min(out.len());
        for ((out, smooth), ramp) in out[..m_sc].iter_mut().zip(&self.smooth[0]).zip(&self.ramp) {
            *out = smooth * ramp;
        }
    }

    /// Finds the phase ramp that aligns the least-squares values, removes it, and returns it in turns a subcarrier.
    fn align_delay(&mut self, m_sc: usize, n_d: usize) -> f64 {
        let blocks = m_sc / GROUP;
        let plan =
            self.delay_ffts.iter().position(|f| f.len() >= 4 * blocks).unwrap_or(self.delay_ffts.len() - 1);
        let size = self.delay_ffts[plan].len();
        // bins of GROUP subcarriers: bin b stands for b / (size GROUP) turns a subcarrier
        let reach = ((MAX_DELAY * SUBCARRIER_SPACING.0 * (size * GROUP) as f64) as usize).min(size / 2 - 1);
        self.delay_power[..2 * reach + 1].fill(0.0);
        for ls in &self.ls[..n_d] {
            let bins = &mut self.delay_bins[..size];
            bins[blocks..].fill(Sample::default());
            for (b, x) in bins.iter_mut().zip(ls[..m_sc].chunks_exact(GROUP)) {
                *b = x.iter().sum();
            }
            self.delay_ffts[plan].process_with_scratch(bins, &mut self.fft_scratch);
            let (from_zero, negative) = (&bins[..reach + 1], &bins[size - reach..]);
            for (p, x) in self.delay_power.iter_mut().zip(negative.iter().chain(from_zero)) {
                *p += x.norm_sqr();
            }
        }
        let power = &self.delay_power[..2 * reach + 1];
        let best = (0..power.len()).max_by(|&a, &b| power[a].total_cmp(&power[b])).unwrap_or(reach);
        let fine = if best > 0 && best + 1 < power.len() {
            parabola(power[best - 1], power[best], power[best + 1])
        } else {
            0.0
        };
        // the inverse transform peaks where its ramp is the conjugate of the signal's
        let turns = -(best as f64 + fine as f64 - reach as f64) / (size * GROUP) as f64;
        let ramp = &mut self.ramp[..m_sc];
        ramp.fill(Sample::new(1.0, 0.0));
        rotate(ramp, 0.0, turns);
        for (ls, groups) in self.ls[..n_d].iter_mut().zip(&mut self.groups) {
            let ls = &mut ls[..m_sc];
            for (x, r) in ls.iter_mut().zip(&*ramp) {
                *x *= r.conj();
            }
            for (group, x) in groups.iter_mut().zip(ls.chunks_exact(GROUP)) {
                *group = x.iter().sum();
            }
        }
        turns
    }

    /// Returns the carrier offset in Hz nearest to `near`, and the spacing of its ambiguity.
    fn carrier_offset(&self, m_sc: usize, times: &[f64], near: f64) -> (f64, f64) {
        let correlation = |i: usize, j: usize| -> Sample {
            // over a PRB a channel hardly changes
            let prbs = |m: usize| self.groups[m][..m_sc / GROUP].chunks_exact(12 / GROUP);
            let sum = |x: &[Sample]| x.iter().sum::<Sample>();
            prbs(i).zip(prbs(j)).map(|(a, b)| sum(a).conj() * sum(b)).sum()
        };
        // the shortest spacing decides between aliases, the longer ones refine
        let n = times.len();
        let (shortest, pair) = if n == 3 {
            (times[1] - times[0], correlation(0, 1))
        } else {
            ((times[n - 1] - times[0]) / (n - 1) as f64, (1..n).map(|m| correlation(m - 1, m)).sum())
        };
        let ambiguity = 1.0 / shortest;
        let mut cfo = nearest_alias(turns(pair) / shortest, ambiguity, near);
        for step in 2..n {
            let mut sum = Sample::default();
            let mut span = 0.0;
            for m in 0..n - step {
                let dt = times[m + step] - times[m];
                sum += correlation(m, m + step) * phasor(-cfo * dt);
                span += dt / (n - step) as f64;
            }
            cfo += turns(sum) / span;
        }
        (cfo, ambiguity)
    }

    fn turn_back(&mut self, m_sc: usize, times: &[f64], offset_hz: f64) {
        if offset_hz == 0.0 {
            return;
        }
        for (ls, t) in self.ls.iter_mut().zip(times) {
            let turn = phasor(-offset_hz * t);
            for x in &mut ls[..m_sc] {
                *x *= turn;
            }
        }
    }

    /// Smooths the mean of all symbols: one estimate for a static channel. Returns the power of the signal and of the
    /// noise on a resource element.
    fn smooth_mean(&mut self, m_sc: usize, n_d: usize) -> (f32, f32) {
        let average = &mut self.average[..m_sc];
        average.copy_from_slice(&self.ls[0][..m_sc]);
        for ls in &self.ls[1..n_d] {
            for (a, &x) in average.iter_mut().zip(ls) {
                *a += x;
            }
        }
        for a in average.iter_mut() {
            *a *= 1.0 / n_d as f32;
        }
        let window = self.smoother.choose(average);
        self.smoother.run(window, average, &mut self.smooth[0][..m_sc]);
        let smooth = &self.smooth[0][..m_sc];
        let (mut rest, mut total) = (0.0, 0.0);
        for ls in &self.ls[..n_d] {
            rest += distance(&ls[..m_sc], smooth);
            total += power(&ls[..m_sc]);
        }
        let spent = m_sc as f32 / self.smoother.gain(window, m_sc);
        powers(total, rest, (m_sc * n_d) as f32, spent)
    }

    /// Smooths each symbol separately. Returns the power of the signal and of the noise on a resource element.
    fn smooth_each(&mut self, m_sc: usize, n_d: usize, window: usize) -> (f32, f32) {
        let (mut rest, mut total) = (0.0, 0.0);
        for (ls, smooth) in self.ls[..n_d].iter().zip(&mut self.smooth) {
            let (ls, smooth) = (&ls[..m_sc], &mut smooth[..m_sc]);
            self.smoother.run(window, ls, smooth);
            rest += distance(ls, smooth);
            total += power(ls);
        }
        let count = (m_sc * n_d) as f32;
        powers(total, rest, count, count / self.smoother.gain(window, m_sc))
    }
}

/// Returns the powers of the signal and of the noise on a resource element: of `count` values with the power `total`, a
/// model with `spent` degrees of freedom leaves the residual `rest`.
fn powers(total: f32, rest: f32, count: f32, spent: f32) -> (f32, f32) {
    let noise = (rest / (count - spent).max(1.0)).max(total * 1e-7 / count).max(1e-12);
    ((total / count - noise).max(noise * 1e-3), noise)
}

/// Partial sums of a long sum: one addition need not wait for the one before.
const LANES: usize = 8;

fn power(x: &[Sample]) -> f32 {
    let mut sums = [0.0; LANES];
    for x in x.chunks(LANES) {
        for (s, x) in sums.iter_mut().zip(x) {
            *s += x.norm_sqr();
        }
    }
    sums.iter().sum()
}

fn distance(x: &[Sample], y: &[Sample]) -> f32 {
    let mut sums = [0.0; LANES];
    for (x, y) in x.chunks(LANES).zip(y.chunks(LANES)) {
        for ((s, x), y) in sums.iter_mut().zip(x).zip(y) {
            *s += (x - y).norm_sqr();
        }
    }
    sums.iter().sum()
}

/// Returns the phase in turns, -0.5 to 0.5.
fn turns(x: Sample) -> f64 {
    x.im.atan2(x.re) as f64 / (2.0 * PI)
}

pub(crate) fn phasor(turns: f64) -> Sample {
    let angle = 2.0 * PI * turns;
    Sample::new(angle.cos() as f32, angle.sin() as f32)
}

fn nearest_alias(value: f64, spacing: f64, near: f64) -> f64 {
    value + ((near - value) / spacing).round() * spacing
}

/// Returns the abscissa of the top of the parabola through three equidistant values, -0.5 to 0.5.
pub(crate) fn parabola(left: f32, middle: f32, right: f32) -> f32 {
    let curve = left - 2.0 * middle + right;
    if curve < 0.0 { ((left - right) / (2.0 * curve)).clamp(-0.5, 0.5) } else { 0.0 }
}

#[cfg(test)]
mod tests;
