//! Channel estimation from the reference signals of one allocation in one subframe.
//!
//! Every allocation is estimated for itself, since several UEs share a subframe, each with a delay, a carrier offset
//! and a channel of its own:
//!
//! 1. divide the received DMRS by its reference: least-squares values on M_sc subcarriers of 2, 3 or 4 symbols;
//! 2. find the delay that aligns them best, and take its phase ramp out;
//! 3. find the carrier offset from the phase between symbols, and take it out;
//! 4. smooth over frequency with the widest window that the data allow (generalised cross-validation);
//! 5. measure the noise from what the smoothing took away;
//! 6. weigh the DMRS symbols for each data symbol by how much the channel moves (Wiener weights in time).

mod smooth;
mod weights;

use crate::Sample;
use crate::channel::layout::Layout;
use crate::grid::Grid;
use crate::numerology::{Numerology, SUBCARRIER_HZ};
use crate::sequence::dmrs::{Dmrs, MAX_DMRS, References};
use rustfft::{Fft, FftPlanner};
use smooth::Smoother;
use std::f64::consts::PI;
use std::sync::Arc;
pub use weights::TimeWeights;

/// Subcarriers that are summed before the delay search. Six of them tell delays of ±5.5 µs apart.
const DELAY_BLOCK: usize = 6;

/// Largest delay that is searched, in seconds, on both sides: a little more than the normal cyclic prefix.
const MAX_DELAY: f64 = 5.2e-6;

/// What was measured on one allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measurement {
    /// Carrier offset in Hz, one of the values that the DMRS spacing cannot tell apart.
    pub cfo_hz: f32,
    /// Spacing in Hz of the offsets that the DMRS cannot tell apart.
    pub cfo_ambiguity_hz: f32,
    /// Delay in seconds against the start of the receive window, positive when late.
    pub delay: f32,
    /// Power of a resource element.
    pub signal: f32,
    /// Noise power of a resource element.
    pub noise: f32,
}

impl Measurement {
    /// Signal to noise ratio in dB.
    pub fn snr_db(&self) -> f32 {
        crate::units::decibel((self.signal / self.noise.max(1e-12)).max(1e-6))
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
    average: Vec<Sample>,
    pub(super) smooth: [Vec<Sample>; MAX_DMRS],
    smoother: Smoother,
    pub(super) state: State,
}

/// Everything about the allocation that was estimated last.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) first: usize,
    pub(super) m_sc: usize,
    pub(super) dmrs_symbols: usize,
    /// Symbol times in seconds.
    pub(super) times: [f64; 14],
    pub(super) cfo_hz: f64,
    pub(super) delay_turns: f64,
    pub(super) weights: TimeWeights,
    pub(super) measurement: Measurement,
}

impl Estimator {
    /// For a carrier; nothing is allocated afterwards.
    pub fn new(numerology: Numerology, references: Arc<References>) -> Self {
        let m_max = numerology.subcarriers().max(72);
        let mut planner = FftPlanner::new();
        let mut delay_ffts = Vec::new();
        let mut size = 16;
        while size < 4 * m_max.div_ceil(DELAY_BLOCK) {
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
            average: zero(),
            smooth: std::array::from_fn(|_| zero()),
            smoother: Smoother::new(m_max),
            state: State::default(),
        }
    }

    /// Estimate the allocation of `m_sc` subcarriers from `first` on.
    ///
    /// `cfo_near` is the offset in Hz that the ambiguous measurement is resolved to: 0 when nothing better is known.
    /// The allocation must lie on the grid and have a width that transform precoding allows.
    pub fn estimate(
        &mut self,
        grid: &Grid,
        first: usize,
        m_sc: usize,
        layout: Layout,
        dmrs: &Dmrs,
        cfo_near: f32,
    ) -> Measurement {
        let n_d = layout.dmrs.len();
        for (m, &l) in layout.dmrs.iter().enumerate() {
            let received = &grid.symbol(l as usize)[first..first + m_sc];
            self.references.strip(dmrs, m, received, &mut self.ls[m][..m_sc]);
        }
        let mut times = [0.0; 14];
        for (l, t) in times.iter_mut().enumerate().take(grid.symbols()) {
            *t = self.numerology.symbol_distance(0, l);
        }
        let mut dmrs_times = [0.0; MAX_DMRS];
        for (t, &l) in dmrs_times.iter_mut().zip(layout.dmrs) {
            *t = times[l as usize];
        }

        let delay_turns = self.align_delay(m_sc, n_d);
        let (cfo, ambiguity) = self.carrier_offset(m_sc, &dmrs_times[..n_d], cfo_near as f64);
        for m in 0..n_d {
            let turn = phasor(-cfo * dmrs_times[m]);
            for x in &mut self.ls[m][..m_sc] {
                *x *= turn;
            }
        }

        let average = &mut self.average[..m_sc];
        average.fill(Sample::default());
        for ls in &self.ls[..n_d] {
            for (a, &x) in average.iter_mut().zip(ls) {
                *a += x;
            }
        }
        for a in average.iter_mut() {
            *a *= 1.0 / n_d as f32;
        }
        let window = self.smoother.choose(average);
        let (signal, noise) = self.measure(m_sc, n_d, window);
        let correlation = self.correlation(m_sc, &dmrs_times[..n_d], noise);
        let smoothed_noise = noise / self.smoother.gain(window, m_sc);
        let weights = TimeWeights::new(
            layout,
            &times,
            &dmrs_times[..n_d],
            correlation,
            smoothed_noise / signal.max(1e-12),
        );
        if weights.is_static() {
            self.smoother.run(window, &self.average[..m_sc], &mut self.smooth[0][..m_sc]);
        } else {
            for m in 0..n_d {
                self.smoother.run(window, &self.ls[m][..m_sc], &mut self.smooth[m][..m_sc]);
            }
        }

        let measurement = Measurement {
            cfo_hz: cfo as f32,
            cfo_ambiguity_hz: ambiguity as f32,
            delay: (-delay_turns / SUBCARRIER_HZ) as f32,
            signal,
            noise,
        };
        self.state = State {
            first,
            m_sc,
            dmrs_symbols: if weights.is_static() { 1 } else { n_d },
            times,
            cfo_hz: cfo,
            delay_turns,
            weights,
            measurement,
        };
        measurement
    }

    /// What was measured last.
    pub fn measurement(&self) -> Measurement {
        self.state.measurement
    }

    /// Channel of the allocation that was estimated last on data symbol 0, delay put back: for display.
    pub fn channel(&self, out: &mut [Sample]) {
        let m_sc = self.state.m_sc.min(out.len());
        let mut ramp = Ramp::new(0.0, self.state.delay_turns);
        for k in 0..m_sc {
            out[k] = self.smooth[0][k] * ramp.next();
        }
    }

    /// Find the phase ramp that aligns the least-squares values, take it out, and return it in turns a subcarrier.
    fn align_delay(&mut self, m_sc: usize, n_d: usize) -> f64 {
        let blocks = m_sc / DELAY_BLOCK;
        let plan =
            self.delay_ffts.iter().position(|f| f.len() >= 4 * blocks).unwrap_or(self.delay_ffts.len() - 1);
        let size = self.delay_ffts[plan].len();
        // bins of DELAY_BLOCK subcarriers: bin b stands for b / (size DELAY_BLOCK) turns a subcarrier
        let reach = ((MAX_DELAY * SUBCARRIER_HZ * (size * DELAY_BLOCK) as f64) as usize).min(size / 2 - 1);
        self.delay_power[..2 * reach + 1].fill(0.0);
        for ls in &self.ls[..n_d] {
            let bins = &mut self.delay_bins[..size];
            bins[blocks..].fill(Sample::default());
            for (b, x) in bins.iter_mut().zip(ls[..m_sc].chunks_exact(DELAY_BLOCK)) {
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
        let turns = -(best as f64 + fine as f64 - reach as f64) / (size * DELAY_BLOCK) as f64;
        for ls in &mut self.ls[..n_d] {
            let mut ramp = Ramp::new(0.0, -turns);
            for x in &mut ls[..m_sc] {
                *x *= ramp.next();
            }
        }
        turns
    }

    /// Carrier offset in Hz nearest to `near`, and the spacing of its ambiguity.
    fn carrier_offset(&self, m_sc: usize, times: &[f64], near: f64) -> (f64, f64) {
        let lag = |step: usize| -> Sample {
            let pairs = self.ls[..times.len()].iter().zip(&self.ls[step..times.len()]);
            pairs.map(|(a, b)| block_correlation(&a[..m_sc], &b[..m_sc])).sum()
        };
        // the shortest spacing decides between aliases, the longer ones refine
        let n = times.len();
        let (shortest, pair) = if n == 3 {
            (times[1] - times[0], block_correlation(&self.ls[0][..m_sc], &self.ls[1][..m_sc]))
        } else {
            ((times[n - 1] - times[0]) / (n - 1) as f64, lag(1))
        };
        let ambiguity = 1.0 / shortest;
        let mut cfo = nearest_alias(turns(pair) / shortest, ambiguity, near);
        for step in 2..n {
            let mut sum = Sample::default();
            let mut span = 0.0;
            for m in 0..n - step {
                let dt = times[m + step] - times[m];
                sum += block_correlation(&self.ls[m][..m_sc], &self.ls[m + step][..m_sc]) * phasor(-cfo * dt);
                span += dt / (n - step) as f64;
            }
            cfo += turns(sum) / span;
        }
        (cfo, ambiguity)
    }

    /// Power of the signal and of the noise on a resource element, from the chosen window.
    fn measure(&mut self, m_sc: usize, n_d: usize, window: usize) -> (f32, f32) {
        self.smoother.run(window, &self.average[..m_sc], &mut self.smooth[0][..m_sc]);
        let mut rest = 0.0;
        let mut total = 0.0;
        for ls in &self.ls[..n_d] {
            for (&x, &s) in ls[..m_sc].iter().zip(&self.smooth[0][..m_sc]) {
                rest += (x - s).norm_sqr();
                total += x.norm_sqr();
            }
        }
        let count = (m_sc * n_d) as f32;
        let spent = m_sc as f32 / self.smoother.gain(window, m_sc);
        let noise = (rest / (count - spent).max(1.0)).max(total * 1e-7 / count).max(1e-12);
        ((total / count - noise).max(noise * 1e-3), noise)
    }

    /// Correlation of the channel between neighbouring DMRS symbols, and their distance in seconds. 1 unless the data
    /// say clearly that the channel moves.
    fn correlation(&self, m_sc: usize, times: &[f64], noise: f32) -> (f64, f64) {
        let n = times.len();
        let distance = (times[n - 1] - times[0]) / (n - 1) as f64;
        let mut product = 0.0;
        for pair in self.ls[..n].windows(2) {
            product += block_correlation(&pair[0][..m_sc], &pair[1][..m_sc]).re;
        }
        product /= (n - 1) as f32;
        let power: f32 =
            self.ls[..n].iter().map(|x| block_correlation(&x[..m_sc], &x[..m_sc]).re).sum::<f32>() / n as f32;
        let noise = noise * m_sc as f32;
        let clean = (power - noise).max(1e-12);
        let snr = clean / noise.max(1e-12);
        let blocks = (m_sc / CORRELATION_BLOCK).max(1) as f32 * (n - 1) as f32;
        let spread = ((2.0 / snr + 1.0 / (snr * snr)) / blocks).sqrt();
        let rho = product / clean;
        let rho = if rho > 1.0 - MOTION_SIGNIFICANCE * spread - 1e-3 { 1.0 } else { rho.clamp(0.0, 1.0) };
        (rho as f64, distance)
    }
}

/// Subcarriers that are summed before symbols are compared: a PRB, over which a channel hardly changes.
const CORRELATION_BLOCK: usize = 12;

/// Standard deviations below full correlation from which a channel counts as moving. At 2 a still channel is taken for a
/// moving one in a few percent of the subframes, at a loss of tenths of a dB; EVA70 lies far outside.
const MOTION_SIGNIFICANCE: f32 = 3.0;

/// Sum over PRBs of conj(sum of a) times (sum of b).
fn block_correlation(a: &[Sample], b: &[Sample]) -> Sample {
    a.chunks_exact(CORRELATION_BLOCK)
        .zip(b.chunks_exact(CORRELATION_BLOCK))
        .map(|(a, b)| a.iter().sum::<Sample>().conj() * b.iter().sum::<Sample>())
        .sum()
}

/// Phase in turns, -0.5 to 0.5.
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

/// Abscissa of the top of the parabola through three equidistant values, -0.5 to 0.5.
pub(crate) fn parabola(left: f32, middle: f32, right: f32) -> f32 {
    let curve = left - 2.0 * middle + right;
    if curve < 0.0 { ((left - right) / (2.0 * curve)).clamp(-0.5, 0.5) } else { 0.0 }
}

/// exp(j 2 pi (start + n step)) one after the other.
pub(crate) struct Ramp {
    value: Sample,
    step: Sample,
}

impl Ramp {
    pub(crate) fn new(start: f64, step: f64) -> Self {
        Self { value: phasor(start), step: phasor(step) }
    }

    pub(crate) fn next(&mut self) -> Sample {
        let value = self.value;
        self.value *= self.step;
        value
    }
}
