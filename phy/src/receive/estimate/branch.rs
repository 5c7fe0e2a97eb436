//! One receive antenna of an allocation: its least-squares values, its smoothed channel and its noise.

use super::smooth::Smoother;
use super::weights::TimeWeights;
use super::{GROUP, distance, phasor, power};
use crate::Sample;
use crate::sequence::dmrs::MAX_DMRS;

/// What one antenna received of an allocation, and its channel.
pub(crate) struct Branch {
    /// Received values divided by the reference, one row a DMRS symbol.
    pub(super) ls: [Vec<Sample>; MAX_DMRS],
    /// Sums of `ls` over groups of [`GROUP`] subcarriers.
    pub(super) groups: [Vec<Sample>; MAX_DMRS],
    /// Smoothed channel on each DMRS symbol, without delay and offset; on a static channel the first row alone.
    pub(crate) smooth: [Vec<Sample>; MAX_DMRS],
    /// Weight of each row of `smooth` for each data symbol.
    pub(crate) weights: TimeWeights,
    /// Power of the signal on a resource element.
    pub(crate) signal: f32,
    /// Power of the noise on a resource element.
    pub(crate) noise: f32,
    /// Values on DMRS symbols that the smoothed channel leaves free: degrees of freedom of the noise.
    pub(super) freedom: f32,
    /// Weight in sums over the antennas, the inverse of a first guess of the noise; 0: receives nothing that can be used.
    pub(super) weight: f32,
}

impl Branch {
    pub(super) fn new(m_max: usize) -> Self {
        let zero = || vec![Sample::default(); m_max];
        Self {
            ls: std::array::from_fn(|_| zero()),
            groups: std::array::from_fn(|_| vec![Sample::default(); m_max / GROUP]),
            smooth: std::array::from_fn(|_| zero()),
            weights: TimeWeights::default(),
            signal: 0.0,
            noise: 0.0,
            freedom: 0.0,
            weight: 1.0,
        }
    }

    /// Whether the antenna received anything that can be used: neither silence nor values that are not finite.
    pub(crate) fn is_heard(&self) -> bool {
        self.weight > 0.0
    }

    /// Returns the received values on DMRS symbol `m`, and the channel that is estimated there.
    pub(super) fn row(&self, m: usize) -> (&[Sample], &[Sample]) {
        (&self.ls[m], &self.smooth[if self.weights.is_static() { 0 } else { m }])
    }

    /// Guesses the weight among several antennas from the second difference over frequency: even a channel that is late
    /// by a cyclic prefix leaves less than 1 % of its power there.
    pub(super) fn weigh(&mut self, m_sc: usize, n_d: usize) {
        let (mut rough, mut total) = (0.0, 0.0);
        for ls in &self.ls[..n_d] {
            let ls = &ls[..m_sc];
            total += power(ls);
            rough += ls.windows(3).map(|x| (x[0] - x[1] * 2.0 + x[2]).norm_sqr()).sum::<f32>();
        }
        let noise = (rough / 6.0).max(1e-6 * total) / (m_sc * n_d).max(1) as f32;
        self.weight = if total > 0.0 && noise.is_normal() { 1.0 / noise } else { 0.0 };
        if !self.weight.is_finite() {
            self.weight = 0.0;
        }
    }

    /// Removes the phase ramp of a delay, and sums over groups.
    pub(super) fn align(&mut self, ramp: &[Sample], n_d: usize) {
        for (ls, groups) in self.ls[..n_d].iter_mut().zip(&mut self.groups) {
            let ls = &mut ls[..ramp.len()];
            for (x, r) in ls.iter_mut().zip(ramp) {
                *x *= r.conj();
            }
            for (group, x) in groups.iter_mut().zip(ls.chunks_exact(GROUP)) {
                *group = x.iter().sum();
            }
        }
    }

    /// Returns the product of symbols `i` and `j` over PRBs: a channel hardly changes over one.
    pub(super) fn correlation(&self, i: usize, j: usize, m_sc: usize) -> Sample {
        let prbs = |m: usize| self.groups[m][..m_sc / GROUP].chunks_exact(12 / GROUP);
        let sum = |x: &[Sample]| x.iter().sum::<Sample>();
        prbs(i).zip(prbs(j)).map(|(a, b)| sum(a).conj() * sum(b)).sum::<Sample>() * self.weight
    }

    /// Turns every symbol back by a carrier offset.
    pub(super) fn turn_back(&mut self, m_sc: usize, times: &[f64], offset_hz: f64) {
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

    /// Smooths the mean of all symbols: one estimate for a static channel. `average` is room for it.
    pub(super) fn smooth_mean(&mut self, smoother: &mut Smoother, average: &mut [Sample], n_d: usize) {
        let m_sc = average.len();
        average.copy_from_slice(&self.ls[0][..m_sc]);
        for ls in &self.ls[1..n_d] {
            for (a, &x) in average.iter_mut().zip(ls) {
                *a += x;
            }
        }
        for a in average.iter_mut() {
            *a *= 1.0 / n_d as f32;
        }
        let window = smoother.choose(average);
        smoother.run(window, average, &mut self.smooth[0][..m_sc]);
        let smooth = &self.smooth[0][..m_sc];
        let (mut rest, mut total) = (0.0, 0.0);
        for ls in &self.ls[..n_d] {
            rest += distance(&ls[..m_sc], smooth);
            total += power(&ls[..m_sc]);
        }
        let spent = m_sc as f32 / smoother.gain(window, m_sc);
        self.freedom = (m_sc * n_d) as f32 - spent;
        (self.signal, self.noise) = powers(total, rest, (m_sc * n_d) as f32, spent);
    }

    /// Smooths each symbol separately.
    pub(super) fn smooth_each(&mut self, smoother: &mut Smoother, window: usize, m_sc: usize, n_d: usize) {
        let (mut rest, mut total) = (0.0, 0.0);
        for (ls, smooth) in self.ls[..n_d].iter().zip(&mut self.smooth) {
            let (ls, smooth) = (&ls[..m_sc], &mut smooth[..m_sc]);
            smoother.run(window, ls, smooth);
            rest += distance(ls, smooth);
            total += power(ls);
        }
        let count = (m_sc * n_d) as f32;
        let spent = count / smoother.gain(window, m_sc);
        self.freedom = count - spent;
        (self.signal, self.noise) = powers(total, rest, count, spent);
    }
}

/// Returns the powers of the signal and of the noise on a resource element: of `count` values with the power `total`, a
/// model with `spent` degrees of freedom leaves the residual `rest`.
fn powers(total: f32, rest: f32, count: f32, spent: f32) -> (f32, f32) {
    let noise = (rest / (count - spent).max(1.0)).max(total * 1e-7 / count).max(1e-12);
    ((total / count - noise).max(noise * 1e-3), noise)
}
