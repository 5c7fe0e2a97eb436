//! Motion: the speed at which the channel changes from one reference symbol to the next, and whether a turn between
//! them is a carrier offset or motion.
//!
//! A channel with a Jakes spectrum of maximum Doppler f_d has the correlation `J0(2 pi f_d t)` between symbols that are
//! a time t apart. Each hypothesis, a Doppler and an offset, gives the received values a covariance; the one under
//! which they are most likely is taken. All inputs are products of the symbols, summed over the allocation.

use super::bessel::j0;
use super::phasor;
use super::profile::diagonalise;
use super::weights::Interpolation;
use crate::Sample;
use crate::channel::layout::Layout;
use crate::kernel::estimate::{DOPPLERS as COUNT, MODES, PAIRS, best};
use crate::sequence::dmrs::MAX_DMRS;
use crate::units::Antennas;
use std::f64::consts::PI;

/// Maximum Doppler frequencies in Hz that are distinguished.
const DOPPLERS: [f64; COUNT] = [
    0.0, 15.0, 30.0, 50.0, 75.0, 110.0, 160.0, 220.0, 300.0, 400.0, 550.0, 750.0, 1000.0, 1300.0, 1700.0,
    2200.0,
];

/// Standard deviation in Hz of the expected carrier offsets after removal of the common one.
const OFFSET_SPREAD: f64 = 400.0;

/// Difference in Hz of offsets that count as the same.
const SAME_OFFSET: f64 = 20.0;

/// Least advantage in likelihood (in nats) of motion over a static channel.
const STILL_ADVANTAGE: f64 = 1.0;

/// Groups of subcarriers that fade independently at most: more of them are no more evidence.
const INDEPENDENT: f64 = 12.0;

/// Disadvantage in likelihood (in nats) of an offset that was fitted to very many groups.
const OFFSET_DISADVANTAGE: f64 = 2.0;

/// The most likely explanation of the reference symbols.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Explanation {
    /// Carrier offset in Hz.
    pub(super) offset_hz: f64,
    /// Index of the maximum Doppler frequency; 0 for a static channel.
    pub(super) doppler: usize,
}

/// Returns the maximum Doppler frequency in Hz of an index.
pub(super) fn doppler_hz(index: usize) -> f64 {
    DOPPLERS[index]
}

/// Returns the index of the Doppler nearest to `hz`.
pub(super) fn nearest(hz: f64) -> usize {
    let off = |i: &usize| (DOPPLERS[*i] - hz).abs();
    (0..DOPPLERS.len()).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(0)
}

/// Products of the received reference symbols with each other, summed over groups of subcarriers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Products {
    sums: [[Sample; MAX_DMRS]; MAX_DMRS],
    symbols: usize,
    groups: usize,
    /// Noise power of a sum over a group.
    noise: f32,
}

/// Products of an antenna in a subframe at most: those of four transmissions.
const MOST: usize = 4 * Antennas::MAX;

/// Products of every antenna, in one subframe or in several of the same UE.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observed {
    antennas: [Products; MOST],
    count: usize,
}

impl Observed {
    /// Adds products; the last ones replace those before where there are too many.
    pub(super) fn add(&mut self, products: Products) {
        let at = self.count.min(MOST - 1);
        self.antennas[at] = products;
        self.count = at + 1;
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    fn antennas(&self) -> &[Products] {
        &self.antennas[..self.count]
    }
}

impl Products {
    /// Computes the products of the sums of each symbol over each group; `noise` is the noise power of such a sum.
    pub(super) fn new(groups: &[&[Sample]], noise: f32) -> Self {
        let mut sums = [[Sample::default(); MAX_DMRS]; MAX_DMRS];
        (best().products)(groups, &mut sums);
        Self { sums, symbols: groups.len(), groups: groups.first().map_or(0, |g| g.len()), noise }
    }

    /// Returns the signal to noise ratio of a sum.
    fn snr(&self) -> f32 {
        let n = (self.symbols * self.groups).max(1) as f32;
        let power = (0..self.symbols).map(|i| self.sums[i][i].re).sum::<f32>() / n;
        (power / self.noise - 1.0).max(0.02)
    }

    /// Returns the real part of the products after symbols were turned, pair by pair.
    fn turned(&self, turns: &[Sample; MAX_DMRS]) -> [f64; PAIRS] {
        let mut real = [0.0; PAIRS];
        for (real, (i, j)) in real.iter_mut().zip(pairs()) {
            let turn = turns[i].conj() * turns[j];
            *real = f64::from((self.sums[i][j] * turn).re);
        }
        real
    }
}

/// Returns the pairs of symbols, each with itself included.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..MAX_DMRS).flat_map(|i| (i..MAX_DMRS).map(move |j| (i, j)))
}

/// Tables of each Doppler for one layout.
#[derive(Clone, Debug)]
pub(super) struct Motion {
    layout: Option<Layout>,
    /// Energy of a mode in the products of each pair of symbols, by Doppler.
    forms: Box<[[[f64; COUNT]; PAIRS]; MODES]>,
    /// Power of each mode, by Doppler.
    powers: [[f32; COUNT]; MODES],
    pub(super) modes: Vec<Modes>,
    pub(super) interpolations: Vec<Interpolation>,
}

impl Default for Motion {
    fn default() -> Self {
        Self {
            layout: None,
            forms: Box::new([[[0.0; COUNT]; PAIRS]; MODES]),
            powers: [[0.0; COUNT]; MODES],
            modes: vec![Modes::default(); DOPPLERS.len()],
            interpolations: vec![Interpolation::default(); DOPPLERS.len()],
        }
    }
}

/// Eigenvalues and eigenvectors of the correlation between the reference symbols: what a moving channel is made of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Modes {
    pub(super) symbols: usize,
    /// Power of each mode in a channel of power 1, largest first.
    pub(super) powers: [f32; MAX_DMRS],
    /// Eigenvectors, one a row.
    pub(super) vectors: [[f32; MAX_DMRS]; MAX_DMRS],
}

impl Motion {
    /// Returns the most likely explanation. `times` are those of the symbols in seconds, `offsets` in Hz are the
    /// candidates.
    pub(super) fn explain(
        &self,
        observed: &Observed,
        times: &[f64],
        offsets: impl Iterator<Item = f64>,
    ) -> Explanation {
        let antennas = observed.antennas();
        let groups = antennas.first().map_or(0, |p| p.groups);
        let evidence = (INDEPENDENT / groups.max(1) as f64).min(1.0);
        let mut most_likely = (f64::INFINITY, Explanation::default());
        for offset_hz in offsets {
            let mut turns = [Sample::new(1.0, 0.0); MAX_DMRS];
            if offset_hz != 0.0 {
                turns.iter_mut().zip(times).for_each(|(turn, t)| *turn = phasor(-offset_hz * t));
            }
            let mut costs = [0.0; COUNT];
            for products in antennas {
                let levels = [products.snr(), products.noise];
                let turned = products.turned(&turns);
                let each =
                    (best().motions)(&self.forms, &self.powers, &turned, levels, products.groups as f32);
                costs.iter_mut().zip(each).for_each(|(sum, cost)| *sum += f64::from(cost));
            }
            let mut unlikely = 0.5 * (offset_hz / OFFSET_SPREAD).powi(2);
            if offset_hz != 0.0 {
                unlikely += OFFSET_DISADVANTAGE * (1.0 - evidence);
            }
            let cost = |i: usize| costs[i] * evidence + if i > 0 { STILL_ADVANTAGE } else { 0.0 };
            let (least, i) = lowest(DOPPLERS.len(), cost);
            if least + unlikely < most_likely.0 {
                most_likely = (least + unlikely, Explanation { offset_hz, doppler: i });
            }
        }
        most_likely.1
    }

    /// Makes the tables of a layout, unless they are those of the last call.
    pub(super) fn prepare(&mut self, layout: Layout, times: &[f64; 14], dmrs: &[f64]) {
        // a layout without its last symbol is a part of the whole
        if self.layout.is_some_and(|made| made.dmrs == layout.dmrs && made.data.starts_with(layout.data)) {
            return;
        }
        self.layout = Some(layout);
        let tables = self.modes.iter_mut().zip(&mut self.interpolations).zip(DOPPLERS);
        for (at, ((modes, interpolation), doppler)) in tables.enumerate() {
            *modes = Modes::of_doppler(doppler, dmrs);
            *interpolation = Interpolation::new(layout, times, dmrs, doppler, modes);
            for (mode, vector) in modes.vectors.iter().enumerate() {
                self.powers[mode][at] = modes.powers[mode];
                for (form, (i, j)) in self.forms[mode].iter_mut().zip(pairs()) {
                    let both = if i == j { 1.0 } else { 2.0 };
                    form[at] = both * f64::from(vector[i]) * f64::from(vector[j]);
                }
            }
        }
    }
}

/// Returns the candidate offsets: the measured one, none, and the expected one.
pub(super) fn offsets(measured: f64, ambiguity: f64, expected: f64) -> impl Iterator<Item = f64> {
    let apart = |a: f64, b: f64| (a - b).abs() > SAME_OFFSET;
    // a multiple of the ambiguity turns the products like no offset
    let none = (apart(measured, 0.0) && measured.abs() <= 0.5 * ambiguity).then_some(0.0);
    let expected = (apart(measured, expected) && apart(expected, 0.0)).then_some(expected);
    [Some(measured), none, expected].into_iter().flatten()
}

/// Returns the index below `count` with the lowest cost, searched in steps of 4, 2 and 1, and that cost.
pub(super) fn lowest(count: usize, mut cost: impl FnMut(usize) -> f64) -> (f64, usize) {
    let mut best = (f64::INFINITY, 0);
    let mut look = |i: usize, best: &mut (f64, usize)| {
        let c = cost(i);
        if c < best.0 {
            *best = (c, i);
        }
    };
    for i in (0..count).step_by(4) {
        look(i, &mut best);
    }
    for step in [2, 1] {
        let centre = best.1;
        if centre >= step {
            look(centre - step, &mut best);
        }
        if centre + step < count {
            look(centre + step, &mut best);
        }
    }
    best
}

impl Modes {
    /// Returns the modes of a Doppler in Hz over symbols at `times`.
    pub(super) fn of_doppler(doppler_hz: f64, times: &[f64]) -> Self {
        let n = times.len();
        let mut matrix = [0.0; MAX_DMRS * MAX_DMRS];
        let mut vectors = matrix;
        for (i, x) in matrix[..n * n].iter_mut().enumerate() {
            *x = j0(2.0 * PI * doppler_hz * (times[i / n] - times[i % n]));
        }
        diagonalise(&mut matrix[..n * n], &mut vectors[..n * n], n);
        let mut order: [usize; MAX_DMRS] = std::array::from_fn(|i| i);
        order[..n].sort_unstable_by(|a, b| matrix[b * (n + 1)].total_cmp(&matrix[a * (n + 1)]));
        let mut modes = Self { symbols: n, ..Self::default() };
        for (j, &i) in order[..n].iter().enumerate() {
            modes.powers[j] = matrix[i * (n + 1)].max(0.0) as f32;
            for (v, x) in modes.vectors[j].iter_mut().zip(&vectors[i * n..][..n]) {
                *v = *x as f32;
            }
        }
        modes
    }

    /// Returns the weight of each symbol in each mode, one row a mode, for symbols that are turned.
    pub(super) fn weights(&self, turns: &[Sample]) -> [[Sample; MODES]; MODES] {
        let mut weights = [[Sample::default(); MODES]; MODES];
        for (row, vector) in weights.iter_mut().zip(&self.vectors) {
            for ((weight, turn), v) in row.iter_mut().zip(turns).zip(vector) {
                *weight = turn * v;
            }
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::rng::Rng;
    use crate::units::{CyclicPrefix, SidelinkMode};

    /// Times of the reference symbols of modes 3 and 4, in seconds.
    const TIMES: [f64; 4] = [0.0, 214.1e-6, 428.6e-6, 642.7e-6];

    /// Returns sixteen groups of each symbol, faded by the Doppler of `index`, turned by an offset, 20 dB above the
    /// noise of 1.
    fn received(rng: &mut Rng, index: usize, offset_hz: f64) -> [Vec<Sample>; 4] {
        let modes = Modes::of_doppler(DOPPLERS[index], &TIMES);
        let mut out: [Vec<Sample>; 4] = Default::default();
        for _ in 0..16 {
            let g: [Sample; 4] =
                std::array::from_fn(|j| rng.complex_gaussian() * (100.0 * modes.powers[j]).sqrt());
            for (i, out) in out.iter_mut().enumerate() {
                let h: Sample = (0..4).map(|j| g[j] * modes.vectors[j][i]).sum();
                out.push(h * phasor(offset_hz * TIMES[i]) + rng.complex_gaussian());
            }
        }
        out
    }

    fn motion() -> Motion {
        let mut motion = Motion::default();
        let mut times = [0.0; 14];
        times[2..14].iter_mut().zip(0..).for_each(|(t, i)| *t = i as f64 * 71.4e-6);
        motion.prepare(Layout::shared(SidelinkMode::V2x, CyclicPrefix::Normal), &times, &TIMES);
        motion
    }

    fn explain(values: &[Vec<Sample>; 4], offsets: &[f64]) -> Explanation {
        let groups: Vec<&[Sample]> = values.iter().map(|v| &v[..]).collect();
        let mut observed = Observed::default();
        observed.add(Products::new(&groups, 1.0));
        motion().explain(&observed, &TIMES, offsets.iter().copied())
    }

    #[test]
    fn modes_make_up_their_matrix() {
        let modes = Modes::of_doppler(700.0, &TIMES);
        for i in 0..4 {
            for j in 0..4 {
                let sum: f32 =
                    (0..4).map(|m| modes.powers[m] * modes.vectors[m][i] * modes.vectors[m][j]).sum();
                let exact = j0(2.0 * PI * 700.0 * (TIMES[i] - TIMES[j])) as f32;
                assert!((sum - exact).abs() < 1e-5, "{i} {j}: {sum} {exact}");
            }
        }
    }

    /// Neighbours in the table may be confused, now and then a step more.
    #[test]
    fn the_doppler_is_found() {
        let mut rng = Rng::new(5);
        for index in [0, 8, 10, 12, 14] {
            let trials = 100;
            let near = (0..trials)
                .filter(|_| explain(&received(&mut rng, index, 0.0), &[0.0]).doppler.abs_diff(index) <= 1)
                .count();
            assert!(near >= 90, "{} Hz: {near} of {trials}", DOPPLERS[index]);
        }
    }

    /// A static channel that turns has an offset; a moving one that was not turned has none.
    #[test]
    fn an_offset_is_told_from_motion() {
        let mut rng = Rng::new(6);
        let mut still = 0;
        for _ in 0..100 {
            let found = explain(&received(&mut rng, 0, 900.0), &[900.0, 0.0]);
            assert_eq!(found.offset_hz, 900.0);
            assert!(doppler_hz(found.doppler) <= 50.0, "{found:?}");
            still += usize::from(found.doppler == 0);
        }
        assert!(still >= 85, "{still} of 100");
        let none = (0..100)
            .filter(|_| explain(&received(&mut rng, 12, 0.0), &[500.0, 0.0]).offset_hz == 0.0)
            .count();
        assert!(none >= 90, "{none} of 100");
    }

    #[test]
    fn what_offsets_are_asked_about() {
        let all = |m, a, e| offsets(m, a, e).collect::<Vec<_>>();
        assert_eq!(all(300.0, 4670.0, 0.0), [300.0, 0.0]);
        assert_eq!(all(300.0, 4670.0, 400.0), [300.0, 0.0, 400.0]);
        assert_eq!(all(310.0, 4670.0, 300.0), [310.0, 0.0]);
        assert_eq!(all(10.0, 4670.0, 0.0), [10.0]);
        assert_eq!(all(2500.0, 4670.0, 2500.0), [2500.0], "an alias: none of these");
    }
}
