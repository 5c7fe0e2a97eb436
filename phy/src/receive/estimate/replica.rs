//! A decoded transmission as it was received: its channel, estimated from all of its data, and its subtraction.
//!
//! Every resource element of a transmission is known once it is decoded. Least squares on the data symbols give the
//! channel; the reference signals are left out, since another UE at the same place may send the same ones:
//!
//! 1. let the carrier offset spread each subcarrier over its neighbours, as it does on the grid;
//! 2. find the offset and the delay under which the data add up best;
//! 3. in time, a polynomial for each subcarrier: level, slope, .. (weighted: precoded data have no constant amplitude);
//! 4. smooth its normal equations over frequency; window and number of terms by generalised cross-validation;
//! 5. subtract.

use super::smooth::{HALF_WIDTHS, Smoother};
use super::weights::TimeWeights;
use super::{Estimator, GROUP, LEAST_RATIO, Measurement, PerAntenna, State, parabola, phasor, power};
use crate::Sample;
use crate::channel::layout::Layout;
use crate::grid::Grid;
use crate::numerology::{Numerology, SUBCARRIER_SPACING};
use crate::sc_fdma::rotate;
use crate::units::{Antennas, Hertz};
use std::f64::consts::PI;

/// Most terms of the polynomial in time.
const TERMS: usize = 4;

/// Moments of the normal equations, two in each complex number.
const MOMENTS: usize = TERMS;

/// Subcarriers on either side to which an offset spreads a subcarrier: at 1000 Hz, 30 dB below it is beyond.
const REACH: usize = 8;

/// Offset in Hz below which nothing is spread: 48 dB of interference.
const UNSPREAD: f64 = 40.0;

/// Steps on either side of the first guess in which offset and delay are searched.
const STEPS: i32 = 4;

/// Step of the search of the offset in Hz, a sixth of the width of a subframe's spectrum.
const OFFSET_STEP: f64 = 150.0;

/// Symbols of a subframe at most.
const SYMBOLS: usize = 14;

/// A transmission that is known, on the grid of its encoder.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub grid: &'a Grid,
    pub first: usize,
    pub m_sc: usize,
    pub layout: Layout,
}

/// Estimates one known transmission at a time, and subtracts it.
pub(crate) struct Replica {
    numerology: Numerology,
    /// Share of the FFT window that lies before the symbol.
    advance: f64,
    spread: Grid,
    ramp: Vec<Sample>,
    smoother: Smoother,
    antennas: Vec<Antenna>,
    fit: Fit,
    moments: [Vec<Sample>; MOMENTS],
    smooth_moments: [Vec<Sample>; MOMENTS],
}

/// Sums of one antenna over time, by subcarrier.
struct Antenna {
    /// Received times conjugate sent values of a symbol, summed over groups, by symbol.
    groups: Vec<Sample>,
    /// The groups, summed over either half of the subframe.
    halves: [Vec<Sample>; 2],
    /// The same times each power of the time, summed over symbols.
    sums: [Vec<Sample>; TERMS],
    smooth_sums: [Vec<Sample>; TERMS],
    energy: Vec<f32>,
    /// Weight in sums over the antennas.
    weight: f32,
    /// Energy that the last fit leaves, and the power of a resource element that the best one leaves.
    rest: f32,
    noise: f32,
    /// Coefficients of the polynomial.
    trial: [Vec<Sample>; TERMS],
    best: [Vec<Sample>; TERMS],
}

/// Place on the grid and turns of a transmission.
#[derive(Clone, Copy, Debug)]
struct Fit {
    layout: Layout,
    first: usize,
    m_sc: usize,
    /// First subcarrier of the spread signal, and the one after the last.
    from: usize,
    to: usize,
    /// Times of the symbols in seconds.
    times: [f64; SYMBOLS],
    symbols: usize,
    /// Offset in Hz that is in the spread signal, and the one beyond it.
    offset_hz: f64,
    more_hz: f64,
    /// Turns a subcarrier.
    turns: f64,
}

impl Fit {
    const NONE: Self = Self {
        layout: Layout { data: &[], dmrs: &[] },
        first: 0,
        m_sc: 0,
        from: 0,
        to: 0,
        times: [0.0; SYMBOLS],
        symbols: 1,
        offset_hz: 0.0,
        more_hz: 0.0,
        turns: 0.0,
    };

    /// Time of symbol `l`, -1 to 1 in the subframe.
    fn relative_time(&self, l: usize) -> f32 {
        let half = 0.5 * self.times[self.symbols.saturating_sub(2)].max(1e-6);
        ((self.times[l] - half) / half) as f32
    }

    fn groups(&self) -> usize {
        self.m_sc / GROUP
    }
}

impl Replica {
    /// Makes one for a carrier, for as many antennas; nothing is allocated afterwards.
    pub(crate) fn new(numerology: Numerology, antennas: Antennas) -> Self {
        let m_max = numerology.subcarriers().max(72);
        let zero = || vec![Sample::default(); m_max];
        let antenna = || Antenna {
            groups: vec![Sample::default(); SYMBOLS * (m_max / GROUP)],
            halves: std::array::from_fn(|_| vec![Sample::default(); m_max / GROUP]),
            sums: std::array::from_fn(|_| zero()),
            smooth_sums: std::array::from_fn(|_| zero()),
            energy: vec![0.0; m_max],
            weight: 1.0,
            rest: 0.0,
            noise: 0.0,
            trial: std::array::from_fn(|_| zero()),
            best: std::array::from_fn(|_| zero()),
        };
        Self {
            numerology,
            advance: 72.0 / 2048.0,
            spread: Grid::new(numerology),
            ramp: zero(),
            smoother: Smoother::new(m_max),
            antennas: (0..antennas.count()).map(|_| antenna()).collect(),
            fit: Fit::NONE,
            moments: std::array::from_fn(|_| zero()),
            smooth_moments: std::array::from_fn(|_| zero()),
        }
    }

    /// Estimates a transmission on the grids of all antennas. `measurement` is the one with which it was decoded, its
    /// offset that on the grids. Returns `false` when the grids have no finite fit.
    pub(crate) fn fit(&mut self, sent: &Sent<'_>, measurement: &Measurement, grids: &[Grid]) -> bool {
        let Some(mut fit) = self.place(sent, measurement, grids) else { return false };
        let weights = measurement.antennas.inverse_noise();
        self.antennas.iter_mut().zip(weights).for_each(|(antenna, weight)| antenna.weight = weight);
        self.spread(sent, &fit);
        self.multiply(&fit, grids);
        fit.more_hz = self.more_offset(&fit);
        fit.turns = self.turns(&fit);
        self.accumulate(&fit, grids);
        self.fit = fit;
        self.choose(&fit)
    }

    /// Subtracts the transmission that was estimated last.
    pub(crate) fn subtract(&self, grids: &mut [Grid]) {
        self.take_out(&self.fit, grids);
    }

    fn place(&self, sent: &Sent<'_>, measurement: &Measurement, grids: &[Grid]) -> Option<Fit> {
        let (first, m_sc) = (sent.first, sent.m_sc);
        let carrier = self.spread.subcarriers();
        let offset_hz = measurement.offset.0;
        let fits = m_sc >= 12
            && first + m_sc <= carrier
            && sent.layout.fits(self.spread.symbols())
            && grids.len() == self.antennas.len()
            && grids.iter().all(|g| g.subcarriers() == carrier && g.symbols() == self.spread.symbols())
            && offset_hz.is_finite()
            && measurement.delay.is_finite();
        if !fits {
            return None;
        }
        let reach = if offset_hz.abs() > UNSPREAD { REACH } else { 0 };
        let symbols = self.spread.symbols();
        let mut times = [0.0; SYMBOLS];
        for (l, t) in times.iter_mut().enumerate().take(symbols) {
            *t = self.numerology.symbol_distance(0, l);
        }
        Some(Fit {
            layout: sent.layout,
            first,
            m_sc,
            from: first.saturating_sub(reach),
            to: (first + m_sc + reach).min(carrier),
            times,
            symbols,
            offset_hz,
            more_hz: 0.0,
            turns: -f64::from(measurement.delay) * SUBCARRIER_SPACING.0,
        })
    }

    /// Writes the sent signal as its offset makes it appear on the grid: each symbol turned, each subcarrier spread over
    /// its neighbours.
    fn spread(&mut self, sent: &Sent<'_>, fit: &Fit) {
        let spacings = fit.offset_hz / SUBCARRIER_SPACING.0;
        let is_spread = fit.from < fit.first || fit.to > fit.first + fit.m_sc;
        let n = self.numerology.fft() as f64;
        let shares: [Sample; 2 * REACH + 1] = std::array::from_fn(|i| {
            let apart = spacings - (i as f64 - REACH as f64);
            let share =
                if apart.abs() < 1e-9 { 1.0 } else { (PI * apart).sin() / (n * (PI * apart / n).sin()) };
            // the phase in the middle of the window
            phasor(apart * (0.5 - self.advance - 0.5 / n)) * share as f32
        });
        for l in 0..fit.symbols - 1 {
            let turn = phasor(fit.offset_hz * fit.times[l]);
            let x = &sent.grid.symbol(l)[fit.first..fit.first + fit.m_sc];
            let out = &mut self.spread.symbol_mut(l)[fit.from..fit.to];
            if !is_spread {
                let turn = turn * shares[REACH];
                out.iter_mut().zip(x).for_each(|(out, x)| *out = x * turn);
                continue;
            }
            out.fill(Sample::default());
            for (i, share) in shares.iter().enumerate() {
                // sent subcarrier k arrives at k + i - REACH
                let at = (fit.first + i) as isize - (REACH + fit.from) as isize;
                let (skip, at) = ((-at).max(0) as usize, at.max(0) as usize);
                let (Some(out), Some(x)) = (out.get_mut(at..), x.get(skip..)) else { continue };
                let share = share * turn;
                out.iter_mut().zip(x).for_each(|(out, x)| *out += x * share);
            }
        }
    }

    /// Sums received times conjugate sent values over groups of subcarriers, for each data symbol.
    fn multiply(&mut self, fit: &Fit, grids: &[Grid]) {
        let (first, end) = (fit.first, fit.first + fit.m_sc);
        for (antenna, grid) in self.antennas.iter_mut().zip(grids) {
            for (l, groups) in used(fit).zip(antenna.groups.chunks_exact_mut(fit.groups())) {
                let (y, x) = (&grid.symbol(l)[first..end], &self.spread.symbol(l)[first..end]);
                for ((group, y), x) in groups.iter_mut().zip(y.chunks_exact(GROUP)).zip(x.chunks_exact(GROUP))
                {
                    *group = y.iter().zip(x).map(|(y, x)| y * x.conj()).sum();
                }
            }
        }
    }

    /// Returns the offset in Hz, beyond that of the spread signal, with which the symbols add up best.
    fn more_offset(&self, fit: &Fit) -> f64 {
        search(0.0, OFFSET_STEP, |hz| {
            let mut turns = [Sample::default(); SYMBOLS];
            used(fit).zip(&mut turns).for_each(|(l, turn)| *turn = phasor(-hz * fit.times[l]));
            let mut power = 0.0;
            for antenna in &self.antennas {
                for g in 0..fit.groups() {
                    let values = antenna.groups[g..].iter().step_by(fit.groups());
                    let sum: Sample = used(fit).zip(values).zip(&turns).map(|((_, x), t)| x * t).sum();
                    power += sum.norm_sqr() * antenna.weight;
                }
            }
            power
        })
    }

    /// Returns the turns a subcarrier with which the subcarriers add up best, either half of the subframe separately.
    fn turns(&mut self, fit: &Fit) -> f64 {
        let groups = fit.groups();
        let middle = used(fit).count() / 2;
        for antenna in &mut self.antennas {
            antenna.halves.iter_mut().for_each(|half| half[..groups].fill(Sample::default()));
            for (i, (l, row)) in used(fit).zip(antenna.groups.chunks_exact(groups)).enumerate() {
                let turn = phasor(-fit.more_hz * fit.times[l]);
                let half = &mut antenna.halves[usize::from(i >= middle)];
                half.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * turn);
            }
        }
        let step = 1.0 / (8 * fit.m_sc) as f64;
        search(fit.turns, step, |turns| {
            let one = phasor(-turns * GROUP as f64);
            let halves = self.antennas.iter().flat_map(|a| a.halves.iter().map(|half| (half, a.weight)));
            halves
                .map(|(half, weight)| {
                    let (mut sum, mut turn) = (Sample::default(), Sample::new(1.0, 0.0));
                    for x in &half[..groups] {
                        sum += x * turn;
                        turn *= one;
                    }
                    sum.norm_sqr() * weight
                })
                .sum()
        })
    }

    /// Sums the normal equations of each subcarrier over the data symbols.
    fn accumulate(&mut self, fit: &Fit, grids: &[Grid]) {
        let m_sc = fit.m_sc;
        let ahead = (fit.first - fit.from) as f64;
        let ramp = &mut self.ramp[..fit.to - fit.from];
        ramp.fill(Sample::new(1.0, 0.0));
        rotate(ramp, -ahead * fit.turns, fit.turns);
        let ramp = &ramp[fit.first - fit.from..][..m_sc];
        self.moments.iter_mut().for_each(|m| m[..m_sc].fill(Sample::default()));
        for antenna in &mut self.antennas {
            antenna.sums.iter_mut().for_each(|s| s[..m_sc].fill(Sample::default()));
            antenna.energy[..m_sc].fill(0.0);
        }
        for l in used(fit) {
            let x = &self.spread.symbol(l)[fit.first..][..m_sc];
            let t = fit.relative_time(l);
            let mut power = 1.0;
            for moment in &mut self.moments {
                let pair = Sample::new(power, power * t);
                moment.iter_mut().zip(x).for_each(|(sum, x)| *sum += pair * x.norm_sqr());
                power *= t * t;
            }
            let turn = phasor(-fit.more_hz * fit.times[l]);
            for (antenna, grid) in self.antennas.iter_mut().zip(grids) {
                let y = &grid.symbol(l)[fit.first..][..m_sc];
                antenna.energy.iter_mut().zip(y).for_each(|(sum, y)| *sum += y.norm_sqr());
                let [zeroth, first, second, third] = &mut antenna.sums;
                let powers = [1.0, t, t * t, t * t * t];
                for (k, (y, (x, ramp))) in y.iter().zip(x.iter().zip(ramp)).enumerate() {
                    let z = y * (x * ramp).conj() * turn;
                    zeroth[k] += z;
                    first[k] += z * powers[1];
                    second[k] += z * powers[2];
                    third[k] += z * powers[3];
                }
            }
        }
    }

    /// Chooses smoothing window and number of terms; returns `false` when nothing fits.
    fn choose(&mut self, fit: &Fit) -> bool {
        let values = used(fit).count();
        let mut best = Choice { window: 0, terms: 0, score: f32::INFINITY };
        // a line in time leaves little of slow motion: with it, the window is not chosen on an average that motion cancels
        for window in 0..HALF_WIDTHS.len() {
            self.attempt(window, 2, values, fit.m_sc, &mut best);
        }
        for terms in [1, 3, 4] {
            if best.terms + 1 >= terms {
                self.attempt(best.window, terms, values, fit.m_sc, &mut best);
            }
        }
        if best.terms != 2 {
            for window in [best.window.wrapping_sub(1), best.window + 1] {
                self.attempt(window, best.terms, values, fit.m_sc, &mut best);
            }
        }
        best.score.is_finite()
    }

    /// Fits with a window and a number of terms, and keeps the result if it is the best so far.
    fn attempt(&mut self, window: usize, terms: usize, values: usize, m_sc: usize, best: &mut Choice) {
        let is_whole = window == 0;
        if window >= HALF_WIDTHS.len() || (!is_whole && 2 * HALF_WIDTHS[window] + 1 >= m_sc) {
            return;
        }
        let Self { smoother, antennas, moments, smooth_moments, .. } = self;
        for (x, out) in moments[..terms].iter().zip(&mut *smooth_moments) {
            smoother.run(window, &x[..m_sc], &mut out[..m_sc]);
        }
        let mut rest = 0.0;
        for antenna in &mut *antennas {
            for (x, out) in antenna.sums[..terms].iter().zip(&mut antenna.smooth_sums) {
                smoother.run(window, &x[..m_sc], &mut out[..m_sc]);
            }
            antenna.solve(smooth_moments, terms, m_sc, is_whole);
            antenna.rest = antenna.residual(moments, terms, m_sc);
            rest += antenna.rest * antenna.weight;
        }
        let spent = (terms * m_sc) as f32 / smoother.gain(window, m_sc);
        let freedom = ((values * m_sc) as f32 - spent).max(1.0);
        let score = rest / (freedom * freedom);
        if score < best.score {
            *best = Choice { window, terms, score };
            for antenna in antennas {
                antenna.noise = antenna.rest.max(0.0) / freedom;
                std::mem::swap(&mut antenna.trial, &mut antenna.best);
                antenna.best[terms..].iter_mut().for_each(|c| c[..m_sc].fill(Sample::default()));
            }
        }
    }

    /// Gives an estimator this channel instead of one by the reference signals; the noise of its antennas counts as
    /// independent.
    pub(super) fn lend(&self, estimator: &mut Estimator) {
        let fit = &self.fit;
        let ahead = fit.first - fit.from;
        estimator.ramp[..fit.m_sc].copy_from_slice(&self.ramp[ahead..][..fit.m_sc]);
        let weights = TimeWeights::powers(fit.layout, |l| fit.relative_time(l));
        let mut each = PerAntenna::default();
        for (antenna, branch) in self.antennas.iter().zip(&mut estimator.branches) {
            for (smooth, c) in branch.smooth.iter_mut().zip(&antenna.best) {
                smooth[..fit.m_sc].copy_from_slice(&c[..fit.m_sc]);
            }
            branch.weights = weights.clone();
            branch.signal = power(&antenna.best[0][..fit.m_sc]) / fit.m_sc as f32;
            branch.noise = antenna.noise.max(1e-12);
            branch.weight = antenna.weight;
            each.push(branch.signal, branch.noise);
        }
        estimator.covariance.clear();
        let signal = each.signals().iter().copied().fold(1e-12, f32::max);
        let ratio: f32 = (0..each.count()).map(|a| each.ratio(a)).sum();
        let offset_hz = fit.offset_hz + fit.more_hz;
        let offset = Hertz::from(offset_hz as f32);
        estimator.state = State {
            first: fit.first,
            m_sc: fit.m_sc,
            dmrs_symbols: TERMS,
            times: fit.times,
            offset_hz,
            measurement: Measurement {
                cfo: offset,
                cfo_ambiguity: estimator.state.measurement.cfo_ambiguity,
                offset,
                doppler: Hertz(0.0),
                delay: (-fit.turns / SUBCARRIER_SPACING.0) as f32,
                signal,
                noise: signal / ratio.max(LEAST_RATIO),
                antennas: each,
                layer: 0,
            },
            ..estimator.state
        };
    }

    fn take_out(&self, fit: &Fit, grids: &mut [Grid]) {
        let (from, to) = (fit.from, fit.to);
        let (ahead, last) = (fit.first - from, fit.m_sc - 1);
        for (antenna, grid) in self.antennas.iter().zip(grids) {
            for l in 0..fit.symbols - 1 {
                let turn = phasor(fit.more_hz * fit.times[l]);
                let t = fit.relative_time(l);
                let sent = self.spread.symbol(l)[from..to].iter().zip(&self.ramp);
                let received = grid.symbol_mut(l)[from..to].iter_mut();
                for (i, (y, (x, ramp))) in received.zip(sent).enumerate() {
                    // beyond the allocation as at its edge
                    let k = i.saturating_sub(ahead).min(last);
                    let [c0, c1, c2, c3] = &antenna.best;
                    let h = c0[k] + (c1[k] + (c2[k] + c3[k] * t) * t) * t;
                    *y -= h * x * ramp * turn;
                }
            }
        }
    }
}

/// A window, a number of terms, and how well they fit.
struct Choice {
    window: usize,
    terms: usize,
    score: f32,
}

impl Antenna {
    /// Solves the smoothed normal equations of every subcarrier, from the middle outwards: where the window is cut by an
    /// edge they may have no solution, and that of the neighbour is taken.
    fn solve(&mut self, moments: &[Vec<Sample>; MOMENTS], terms: usize, m_sc: usize, is_whole: bool) {
        let middle = m_sc / 2;
        let mut last = [Sample::default(); TERMS];
        let mean = moments[0][middle].re;
        let Self { smooth_sums, trial, .. } = self;
        let mut at = |k: usize, last: &mut [Sample; TERMS]| {
            if moments[0][k].re > LEAST_WEIGHT * mean {
                let powers: [f32; 2 * MOMENTS] = std::array::from_fn(|i| {
                    if i.is_multiple_of(2) { moments[i / 2][k].re } else { moments[i / 2][k].im }
                });
                let right: [Sample; TERMS] = std::array::from_fn(|i| smooth_sums[i][k]);
                if let Some(solution) = solve(&powers, &right, terms) {
                    *last = solution;
                }
            }
            trial.iter_mut().zip(&*last).for_each(|(c, x)| c[k] = *x);
        };
        at(middle, &mut last);
        if is_whole {
            trial.iter_mut().zip(&last).for_each(|(c, x)| c[..m_sc].fill(*x));
            return;
        }
        let mut outwards = last;
        (middle + 1..m_sc).for_each(|k| at(k, &mut outwards));
        (0..middle).rev().for_each(|k| at(k, &mut last));
    }

    /// Returns the energy that the fit leaves on the data symbols.
    fn residual(&self, moments: &[Vec<Sample>; MOMENTS], terms: usize, m_sc: usize) -> f32 {
        let mut rest = 0.0;
        for k in 0..m_sc {
            let moment =
                |i: usize| if i.is_multiple_of(2) { moments[i / 2][k].re } else { moments[i / 2][k].im };
            let mut explained = 0.0;
            for i in 0..terms {
                let c = self.trial[i][k];
                explained += 2.0 * (c.conj() * self.sums[i][k]).re - c.norm_sqr() * moment(2 * i);
                for j in 0..i {
                    explained -= 2.0 * (c.conj() * self.trial[j][k]).re * moment(i + j);
                }
            }
            rest += self.energy[k] - explained;
        }
        rest
    }
}

/// Least weight of the smoothed normal equations of a subcarrier, against that in the middle.
const LEAST_WEIGHT: f32 = 0.4;

/// Returns the data symbols that are sent.
fn used(fit: &Fit) -> impl Iterator<Item = usize> + use<> {
    let last = fit.symbols - 1;
    fit.layout.data.iter().map(|&l| l as usize).filter(move |&l| l < last)
}

/// Returns the place of the maximum of `power` within [`STEPS`] steps on either side of a first guess.
fn search(guess: f64, step: f64, power: impl Fn(f64) -> f32) -> f64 {
    let mut powers = [0.0; 2 * STEPS as usize + 1];
    for (i, p) in (-STEPS..=STEPS).zip(&mut powers) {
        *p = power(guess + step * f64::from(i));
    }
    let best = (0..powers.len()).max_by(|&a, &b| powers[a].total_cmp(&powers[b])).unwrap_or(STEPS as usize);
    let fine = match powers.get(best.wrapping_sub(1)..=best + 1) {
        Some(&[left, middle, right]) => parabola(left, middle, right),
        _ => 0.0,
    };
    guess + step * (best as f64 - f64::from(STEPS) + f64::from(fine))
}

/// Solves normal equations whose matrix has the moment `i + j` at `i, j`, by Cholesky's decomposition; `None` when it is
/// not positive definite.
fn solve(moments: &[f32; 2 * MOMENTS], right: &[Sample; TERMS], terms: usize) -> Option<[Sample; TERMS]> {
    let mut lower = [[0.0f32; TERMS]; TERMS];
    let mut x = [Sample::default(); TERMS];
    for i in 0..terms {
        for j in 0..=i {
            let known: f32 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let value = moments[i + j] - known;
            if i == j {
                if value.is_nan() || value <= 1e-4 * moments[0] {
                    return None;
                }
                lower[i][i] = value.sqrt();
            } else {
                lower[i][j] = value / lower[j][j];
            }
        }
        let known: Sample = (0..i).map(|k| x[k] * lower[i][k]).sum();
        x[i] = (right[i] - known) / lower[i][i];
    }
    for i in (0..terms).rev() {
        let known: Sample = (i + 1..terms).map(|k| x[k] * lower[k][i]).sum();
        x[i] = (x[i] - known) / lower[i][i];
    }
    Some(x)
}
