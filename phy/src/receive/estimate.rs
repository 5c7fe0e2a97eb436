//! Channel estimation from the reference signals of one allocation in one subframe.
//!
//! Every allocation is estimated separately, since several UEs share a subframe, each with a delay, a carrier offset
//! and a channel of its own:
//!
//! 1. divide the received DMRS by its reference: least-squares values on M_sc subcarriers of 2, 3 or 4 symbols;
//! 2. find the delay that aligns them best, and remove its phase ramp;
//! 3. measure the noise on each symbol: motion is not noise, nor are delays;
//! 4. find the carrier offset from the phase between symbols, and the Doppler under which the symbols are most likely;
//!    an offset that motion explains better is left in;
//! 5. find the delay profile under which the subcarriers are most likely, of nine from none to the whole prefix;
//! 6. estimate the channel of that profile and Doppler, over frequency and time together, and count the
//!    remaining error as noise.
//!
//! Where a decoder knows that this failed, [`Estimator::suppose`] does the last step again for another channel (PSCCH, PSBCH); PSDCH
//! keeps the soft bits of both.

mod bessel;
mod branch;
pub(super) mod covariance;
mod evidence;
mod fit;
mod known;
mod motion;
mod profile;
mod replica;
mod smooth;
mod suppose;
mod weights;

use super::diversity::PerAntenna;
use crate::Sample;
use crate::channel::layout::Layout;
use crate::grid::Grid;
use crate::kernel::elementary::cos_sin;
use crate::kernel::estimate::{MODES, best as estimate_loops};
use crate::kernel::samples::best;
use crate::numerology::{Numerology, SUBCARRIER_SPACING};
use crate::sequence::dmrs::{Dmrs, MAX_DMRS, References};
use crate::units::{Antennas, Decibel, Hertz};
pub(super) use branch::Branch;
use branch::Time;
use covariance::Covariance;
pub(crate) use evidence::Evidence;
use known::Known;
use motion::{Motion, Observed, Products};
use profile::{PROFILES, Window};
pub(crate) use replica::{Replica, Sent};
use rustfft::{Fft, FftPlanner};
use std::f64::consts::PI;
use std::sync::Arc;
pub use suppose::Hypothesis;

/// Subcarriers that are summed before delay and motion are estimated. Six of them distinguish delays of ±5.5 µs.
const GROUP: usize = 6;

/// Largest delay that is searched, in seconds, on both sides: a little more than the normal cyclic prefix.
const MAX_DELAY: f64 = 5.2e-6;

/// Advantage in likelihood (in nats) of a flat channel.
const FLAT_ADVANTAGE: f64 = 0.5;

/// Modes over time with less power are left out.
const LEAST_MODE: f32 = 1e-5;

/// Least ratio of signal and noise of a combination of antennas.
const LEAST_RATIO: f32 = 1e-3;

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
    /// Power of a resource element, at the strongest antenna.
    pub signal: f32,
    /// Noise power of a resource element. For several antennas the one that gives `signal` the ratio after they were
    /// combined.
    pub noise: f32,
    /// Signal and noise of each antenna.
    pub antennas: PerAntenna,
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
///
/// Several antennas receive the same delay, offset and motion, each through a channel and with a noise of its own.
pub struct Estimator {
    references: Arc<References>,
    /// Seconds from symbol 0 to each symbol.
    times: [f64; 14],
    delay_ffts: Vec<Arc<dyn Fft<f32>>>,
    delay_bins: Vec<Sample>,
    delay_power: Vec<f32>,
    fft_scratch: Vec<Sample>,
    /// Phase ramp of the delay: aligned subcarriers are multiplied by it to restore the delay.
    pub(super) ramp: Vec<Sample>,
    motion: Motion,
    /// One an antenna.
    pub(super) branches: Vec<Branch>,
    /// Noise and interference of several antennas.
    pub(super) covariance: Covariance,
    /// Evidence of other subframes of the same UE, and of this one.
    evidence: Option<Evidence>,
    /// The true channel, where it is given.
    known: Option<Known>,
    pub(super) state: State,
}

/// All values of the last estimated allocation that its antennas have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) first: usize,
    pub(super) m_sc: usize,
    pub(super) dmrs_symbols: usize,
    /// Symbol times in seconds.
    pub(super) times: [f64; 14],
    /// Offset in Hz that is turned back.
    pub(super) offset_hz: f64,
    delay_turns: f64,
    /// Last delay in seconds that the profile has, against the start of the receive window.
    last_delay: f64,
    /// Times of the reference symbols in seconds.
    reference_times: [f64; MAX_DMRS],
    references: usize,
    pub(super) measurement: Measurement,
}

impl Estimator {
    /// Makes an estimator for a carrier and a number of antennas; nothing is allocated afterwards.
    pub fn new(numerology: Numerology, references: Arc<References>, antennas: Antennas) -> Self {
        profile::prepare();
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
        Self {
            references,
            times: std::array::from_fn(|l| match l < numerology.symbols() {
                true => numerology.symbol_distance(0, l),
                false => 0.0,
            }),
            delay_ffts,
            delay_bins: vec![Sample::default(); size],
            delay_power: vec![0.0; size],
            fft_scratch: vec![Sample::default(); scratch],
            ramp: vec![Sample::default(); m_max],
            motion: Motion::default(),
            branches: (0..antennas.count()).map(|_| Branch::new(m_max, antennas)).collect(),
            covariance: Covariance::new(m_max, antennas),
            evidence: None,
            known: None,
            state: State::default(),
        }
    }

    /// Estimates the allocation of `m_sc` subcarriers from `first` on, in one grid an antenna.
    ///
    /// `cfo_near` is the offset to which the ambiguous measurement is resolved: 0 when no better value is known.
    /// The allocation must lie on the grids and have a width that transform precoding allows. An antenna without a grid
    /// receives nothing.
    pub fn estimate(
        &mut self,
        grids: &[Grid],
        first: usize,
        m_sc: usize,
        layout: Layout,
        dmrs: &Dmrs,
        cfo_near: Hertz,
    ) -> Measurement {
        if let Some(measurement) = self.take_known(first, m_sc, layout) {
            return measurement;
        }
        let n_d = layout.dmrs.len();
        self.strip(grids, first, m_sc, layout, dmrs);
        let times = self.times;
        let mut reference_times = [0.0; MAX_DMRS];
        for (t, &l) in reference_times.iter_mut().zip(layout.dmrs) {
            *t = times[l as usize];
        }
        let dmrs_times = &reference_times[..n_d];
        let delay_turns = self.align_delay(m_sc, n_d);
        let (cfo, ambiguity) = self.carrier_offset(m_sc, dmrs_times, cfo_near.0);
        self.motion.prepare(layout, &times, dmrs_times);
        let observed = self.observe(m_sc, n_d);
        let offsets = motion::offsets(cfo, ambiguity, cfo_near.0);
        let explained = self.motion.explain(&observed, dmrs_times, offsets);
        self.state = State {
            first,
            m_sc,
            dmrs_symbols: 1,
            times,
            offset_hz: explained.offset_hz,
            delay_turns,
            last_delay: 0.0,
            reference_times,
            references: n_d,
            measurement: Measurement {
                cfo: Hertz::from(cfo as f32),
                cfo_ambiguity: Hertz::from(ambiguity as f32),
                offset: Hertz::from(explained.offset_hz as f32),
                delay: (-delay_turns / SUBCARRIER_SPACING.0) as f32,
                ..Measurement::default()
            },
        };
        self.settle(explained.doppler, None)
    }

    /// Estimates the channel of every antenna for a Doppler and a delay profile, or the most likely profile.
    fn settle(&mut self, doppler: usize, profile: Option<usize>) -> Measurement {
        let State { m_sc, offset_hz, delay_turns, reference_times, references, .. } = self.state;
        let dmrs_times = &reference_times[..references];
        let shape = Window::of(m_sc);
        let mut turns = [Sample::new(1.0, 0.0); MAX_DMRS];
        if offset_hz != 0.0 {
            turns.iter_mut().zip(dmrs_times).for_each(|(turn, t)| *turn = phasor(-offset_hz * t));
        }
        for branch in self.branches.iter_mut().filter(|b| b.is_heard()) {
            branch.gather(shape, m_sc, &turns[..dmrs_times.len()], &self.motion.modes[doppler]);
        }
        let modes = &self.motion.modes[doppler];
        let mut cost = |profile: usize| -> f64 {
            let heard = self.branches.iter_mut().filter(|b| b.is_heard());
            heard.map(|b| f64::from(b.unlikely(shape, profile, m_sc, modes))).sum::<f64>()
                + if profile > 0 { FLAT_ADVANTAGE } else { 0.0 }
        };
        let profile = match profile {
            None => motion::lowest(PROFILES, cost).1,
            Some(profile) => {
                // for the levels under it
                cost(profile);
                profile
            }
        };
        let centre = shape.profiles[profile].centre;
        (estimate_loops().ramp)(&mut self.ramp[..m_sc], phase(delay_turns - centre));
        let interpolation = &self.motion.interpolations[doppler];
        let carrying = modes.powers.iter().filter(|p| **p > LEAST_MODE).count();
        let kept = if doppler > 0 { carrying.max(2) } else { 1 };
        let time = Time { modes, interpolation, kept, still: (doppler == 0).then(|| interpolation.still()) };
        for branch in self.branches.iter_mut().filter(|b| b.is_heard()) {
            branch.estimate(shape, profile, m_sc, time);
        }
        self.state.dmrs_symbols = kept;
        self.state.last_delay = profile::last_delay(profile) - delay_turns / SUBCARRIER_SPACING.0;
        if self.branches.len() > 1 {
            for branch in self.branches.iter_mut().filter(|b| b.is_heard()) {
                branch.keep_residuals(m_sc, centre, &turns[..dmrs_times.len()], modes);
            }
        }
        let (antennas, signal, noise) = self.powers(m_sc, dmrs_times.len());
        let measurement = &mut self.state.measurement;
        measurement.doppler = Hertz::from(motion::doppler_hz(doppler) as f32);
        (measurement.signal, measurement.noise, measurement.antennas) = (signal, noise, antennas);
        *measurement
    }

    /// Takes the channel of a known transmission instead of estimating one. Returns its measurement.
    pub(crate) fn adopt(&mut self, replica: &Replica) -> Measurement {
        replica.lend(self);
        self.state.measurement
    }

    /// Divides the received reference symbols of every antenna by the reference.
    fn strip(&mut self, grids: &[Grid], first: usize, m_sc: usize, layout: Layout, dmrs: &Dmrs) {
        let weighs = self.branches.len() > 1 || self.evidence.is_some();
        for (a, branch) in self.branches.iter_mut().enumerate() {
            let Some(grid) = grids.get(a) else {
                branch.weight = 0.0;
                continue;
            };
            for (m, &l) in layout.dmrs.iter().enumerate() {
                let received = &grid.symbol(l as usize)[first..first + m_sc];
                self.references.strip(dmrs, m, received, &mut branch.ls[m][..m_sc]);
            }
            branch.weight = 1.0;
            if weighs {
                branch.weigh(m_sc, layout.dmrs.len());
            }
        }
        if weighs {
            self.keep_if_heard();
        }
    }

    /// Measures the levels of every antenna, and the products of its symbols.
    fn observe(&mut self, m_sc: usize, n_d: usize) -> Observed {
        let mut observed = self.evidence.map_or_else(Observed::default, |evidence| evidence.observed);
        let shape = Window::of(m_sc);
        for branch in self.branches.iter_mut().filter(|b| b.is_heard()) {
            branch.measure(shape, m_sc, n_d);
            let groups: [&[Sample]; MAX_DMRS] = std::array::from_fn(|m| &branch.groups[m][..m_sc / GROUP]);
            let noise = GROUP as f32 * branch.levels.noise;
            observed.add(Products::new(&groups[..n_d], noise.max(1e-12)));
        }
        if let Some(evidence) = &mut self.evidence {
            evidence.observed = observed;
        }
        observed
    }

    /// Returns the powers of signal and noise on a resource element of each antenna and of their combination: the signal
    /// of the strongest antenna, and the noise that gives it the ratio of the combination.
    fn powers(&mut self, m_sc: usize, n_d: usize) -> (PerAntenna, f32, f32) {
        let mut antennas = PerAntenna::default();
        for branch in &self.branches {
            let heard = branch.is_heard();
            antennas.push(if heard { branch.signal } else { 0.0 }, if heard { branch.noise } else { 0.0 });
        }
        if let [branch] = &self.branches[..] {
            return (antennas, branch.signal, branch.noise);
        }
        let count = (m_sc * n_d) as f32;
        let freedom = self.branches.iter().filter(|b| b.is_heard()).map(|b| b.freedom).fold(count, f32::min);
        self.covariance.measure(&self.branches, m_sc, n_d, freedom);
        let ratio = match self.covariance.groups() {
            0 => (0..antennas.count()).map(|a| antennas.ratio(a)).sum(),
            _ => self.covariance.ratio(&self.branches, m_sc, 1.0 - freedom / count),
        };
        let signal = antennas.signals().iter().copied().fold(0.0, f32::max);
        (antennas, signal, signal / ratio.max(LEAST_RATIO))
    }

    /// Whether one set of weights holds for every data symbol.
    pub(super) fn is_static(&self) -> bool {
        self.state.dmrs_symbols == 1
    }

    /// What was measured last.
    pub fn measurement(&self) -> Measurement {
        self.state.measurement
    }

    /// Returns the last delay in seconds that the channel may have, against the start of the receive window.
    pub fn last_delay(&self) -> f64 {
        self.state.last_delay
    }

    /// Writes the channel of the last estimated allocation on data symbol 0 at antenna 0, delay restored: for display.
    pub fn channel(&self, out: &mut [Sample]) {
        let m_sc = self.state.m_sc.min(out.len());
        for (k, (out, ramp)) in out[..m_sc].iter_mut().zip(&self.ramp).enumerate() {
            *out = self.branches[0].channel(k) * ramp;
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
        for branch in self.branches.iter().filter(|b| b.is_heard()) {
            for ls in &branch.ls[..n_d] {
                let bins = &mut self.delay_bins[..size];
                bins[blocks..].fill(Sample::default());
                (best().sixes)(&ls[..m_sc], bins);
                self.delay_ffts[plan].process_with_scratch(bins, &mut self.fft_scratch);
                let (negative, from_zero) = self.delay_power.split_at_mut(reach);
                (estimate_loops().add_powers)(&bins[size - reach..], branch.weight, negative);
                (estimate_loops().add_powers)(&bins[..reach + 1], branch.weight, from_zero);
            }
        }
        let power = &mut self.delay_power[..2 * reach + 1];
        if let Some(evidence) = &mut self.evidence {
            evidence.add_delays(power);
        }
        let most = (estimate_loops().largest)(power);
        let best = power.iter().rposition(|p| *p == most).unwrap_or(reach);
        let fine = if best > 0 && best + 1 < power.len() {
            parabola(power[best - 1], power[best], power[best + 1])
        } else {
            0.0
        };
        // the inverse transform peaks where its ramp is the conjugate of the signal's
        let turns = -(best as f64 + fine as f64 - reach as f64) / (size * GROUP) as f64;
        let ramp = &mut self.ramp[..m_sc];
        (estimate_loops().ramp)(ramp, phase(turns));
        for branch in self.branches.iter_mut().filter(|b| b.is_heard()) {
            branch.align(ramp, n_d);
        }
        turns
    }

    /// Returns the carrier offset in Hz nearest to `near`, and the spacing of its ambiguity.
    fn carrier_offset(&mut self, m_sc: usize, times: &[f64], near: f64) -> (f64, f64) {
        // the shortest spacing decides between aliases, the longer ones refine
        let n = times.len();
        let mut products = [[Sample::default(); MODES]; MODES];
        for branch in self.branches.iter().filter(|b| b.is_heard()) {
            branch.add_products(m_sc, n, &mut products);
        }
        let evidence = &mut self.evidence;
        let mut correlation = |i: usize, j: usize| -> Sample {
            let own = products[i][j];
            evidence.as_mut().map_or(own, |evidence| evidence.add_pair(i, j, own))
        };
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
}

fn power(x: &[Sample]) -> f32 {
    (best().power)(x)
}

/// Returns the phase in turns, -0.5 to 0.5.
fn turns(x: Sample) -> f64 {
    x.im.atan2(x.re) as f64 / (2.0 * PI)
}

pub(crate) fn phasor(turns: f64) -> Sample {
    let (cos, sin) = cos_sin(phase(turns));
    Sample::new(cos, sin)
}

/// Converts turns to units of 2^-32 turns; what is no number has no phase.
fn phase(turns: f64) -> u32 {
    ((turns - turns.floor()) * 4_294_967_296.0) as u64 as u32
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
