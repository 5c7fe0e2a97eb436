//! Cheap tests for the presence of a channel: the share of the power on its DMRS symbols that its reference sequence
//! explains. Run on every candidate before any decode.

use super::diversity::{PerAntenna, Shares};
use crate::Sample;
use crate::channel::layout::Layout;
use crate::grid::Grid;
use crate::kernel::samples::best as best_loops;
use crate::sequence::dmrs::{Dmrs, MAX_DMRS, References};
use crate::units::Antennas;
use std::sync::Arc;

/// Subcarriers whose correlation is summed coherently: delays of ±2 µs turn them by less than a quarter.
const BLOCK: usize = 6;

/// The same for distinguishing cyclic shifts, which differ by quarter turns a subcarrier: a multiple of four.
const SPAN: usize = 8;

/// Subcarriers of a PSCCH of modes 3 and 4.
const CONTROL_V2X: usize = 24;

/// What a symbol without values has.
const SILENCE: [Sample; CONTROL_V2X] = [Sample::new(0.0, 0.0); CONTROL_V2X];

/// Phase steps between blocks that are tried, in radians: for delays of 0 and ±1.8 µs.
const RAMPS: [f32; 3] = [0.0, 1.0, -1.0];

/// Screens candidates. The metric is the share of the power on the DMRS symbols that the reference explains: 1 without
/// noise, `snr / (1 + snr)` with, and about `ln(trials) / pilots` on noise alone.
pub struct Presence {
    references: Arc<References>,
    stripped: Vec<Sample>,
    /// `exp(j ramp b)` of each ramp for blocks of [`BLOCK`] and of [`SPAN`] subcarriers.
    turns: [[Sample; 4]; RAMPS.len()],
    span_turns: [[Sample; 4]; RAMPS.len()],
    /// Weight of each antenna in sums over them.
    weights: [f32; Antennas::MAX],
}

impl Presence {
    /// Makes a screen for a carrier of `carrier_prbs`; nothing is allocated afterwards.
    pub fn new(carrier_prbs: usize, references: Arc<References>) -> Self {
        let turns =
            |step: f32| RAMPS.map(|r| std::array::from_fn(|b| Sample::from_polar(1.0, r * step * b as f32)));
        Self {
            references,
            stripped: vec![Sample::default(); 12 * carrier_prbs.max(6)],
            turns: turns(1.0),
            span_turns: turns(SPAN as f32 / BLOCK as f32),
            weights: [1.0; Antennas::MAX],
        }
    }

    /// Gives each antenna its weight in comparisons of allocations, the inverse of its noise. 1 each before the first
    /// call.
    pub fn weigh(&mut self, antennas: &PerAntenna) {
        self.weights = antennas.inverse_noise();
    }

    /// Returns the metric of a narrow channel (1 or 2 PRBs) at subcarrier `first`: all of its pilots coherently.
    pub fn narrow(&mut self, grids: &[Grid], first: usize, m_sc: usize, layout: Layout, dmrs: &Dmrs) -> f32 {
        let mut seen = [Powers::default(); Antennas::MAX];
        for (seen, grid) in seen.iter_mut().zip(grids) {
            *seen = self.narrow_powers(grid, first, m_sc, layout, dmrs);
        }
        best(&seen[..grids.len().min(Antennas::MAX)], m_sc, layout.dmrs.len()).1
    }

    fn narrow_powers(
        &mut self,
        grid: &Grid,
        first: usize,
        m_sc: usize,
        layout: Layout,
        dmrs: &Dmrs,
    ) -> Powers<1> {
        let blocks = m_sc / BLOCK;
        let mut seen = Powers::default();
        for (m, &l) in layout.dmrs.iter().enumerate() {
            let received = &grid.symbol(l as usize)[first..first + m_sc];
            let stripped = &mut self.stripped[..m_sc];
            self.references.strip(dmrs, m, received, stripped);
            seen.energy += (best_loops().power)(received);
            let mut sums = [Sample::default(); 4];
            (best_loops().sixes)(stripped, &mut sums);
            for (p, turns) in seen.power[0].iter_mut().zip(&self.turns) {
                let total: Sample = sums[..blocks].iter().zip(turns).map(|(s, t)| s * t).sum();
                *p += total.norm_sqr();
            }
        }
        seen
    }

    /// Screens PSCCH of modes 3 and 4 at subcarrier `first` with its four cyclic shifts at once: returns the best shift
    /// (0, 3, 6 or 9) and its metric.
    pub fn control_v2x(&mut self, grids: &[Grid], first: usize, layout: Layout) -> (u8, f32) {
        let mut seen = [Powers::default(); Antennas::MAX];
        for (seen, grid) in seen.iter_mut().zip(grids) {
            *seen = self.control_powers(grid, first, layout);
        }
        let (shift, metric) = best(&seen[..grids.len().min(Antennas::MAX)], CONTROL_V2X, layout.dmrs.len());
        (3 * shift as u8, metric)
    }

    fn control_powers(&self, grid: &Grid, first: usize, layout: Layout) -> Powers<4> {
        let mut symbols = [&SILENCE; MAX_DMRS];
        for (symbol, &l) in symbols.iter_mut().zip(layout.dmrs) {
            if let Some(values) = grid.symbol(l as usize)[first..].first_chunk() {
                *symbol = values;
            }
        }
        let symbols = &symbols[..layout.dmrs.len().min(MAX_DMRS)];
        // the same group on every symbol
        let reference = self.references.group(Dmrs::pscch_v2x(0).u[0], CONTROL_V2X);
        let mut seen = Powers::default();
        if let Some(reference) = reference.first_chunk() {
            let (powers, energy) = (best_loops().quarter_turn_powers)(symbols, reference, &self.span_turns);
            seen.energy = energy;
            for (ramp, powers) in powers.iter().enumerate() {
                for (seen, power) in seen.power.iter_mut().zip(powers) {
                    seen[ramp] = *power;
                }
            }
        }
        seen
    }

    /// Returns the metric of a channel of any width: PRB by PRB, powers added; it does not depend on the delay.
    pub fn wide(&mut self, grids: &[Grid], first: usize, m_sc: usize, layout: Layout, dmrs: &Dmrs) -> f32 {
        self.explained(grids, first, m_sc, layout, dmrs).share()
    }

    /// Returns the same as powers, to compare allocations of different widths.
    pub fn explained(
        &mut self,
        grids: &[Grid],
        first: usize,
        m_sc: usize,
        layout: Layout,
        dmrs: &Dmrs,
    ) -> Explained {
        let mut explained = Explained::default();
        let mut shares = Shares::default();
        for (grid, weight) in grids.iter().zip(self.weights) {
            let (mut power, mut energy) = (0.0, 0.0);
            for (m, &l) in layout.dmrs.iter().enumerate() {
                let received = &grid.symbol(l as usize)[first..first + m_sc];
                let stripped = &mut self.stripped[..m_sc];
                self.references.strip(dmrs, m, received, stripped);
                energy += (best_loops().power)(received);
                power += stripped.chunks_exact(12).map(|x| x.iter().sum::<Sample>().norm_sqr()).sum::<f32>();
            }
            power /= 12.0;
            explained.power += weight * power;
            explained.energy += weight * energy;
            shares.add(power, energy);
        }
        let dimensions = m_sc * layout.dmrs.len();
        explained.share = shares.combined(dimensions as f32, dimensions as f32 / 12.0);
        explained
    }
}

/// Power on the DMRS symbols of an allocation, summed over the antennas with their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Explained {
    /// Power that the reference explains.
    pub power: f32,
    /// Total power.
    pub energy: f32,
    share: f32,
}

impl Explained {
    /// Returns the explained share; 0 for silence. That of several antennas is one that noise reaches as often as it
    /// reaches the share of one antenna.
    pub fn share(&self) -> f32 {
        self.share
    }
}

/// Coherent powers of one antenna, by hypothesis and phase step, and the energy that they are part of.
#[derive(Clone, Copy)]
struct Powers<const N: usize> {
    power: [[f32; RAMPS.len()]; N],
    energy: f32,
}

impl<const N: usize> Default for Powers<N> {
    fn default() -> Self {
        Self { power: [[0.0; RAMPS.len()]; N], energy: 0.0 }
    }
}

impl<const N: usize> Powers<N> {
    /// Returns the best hypothesis and its power.
    fn best(&self) -> (usize, f32) {
        let best = self.power.map(|p| p.into_iter().fold(0.0, f32::max));
        let hypothesis = (0..N).max_by(|&a, &b| best[a].total_cmp(&best[b])).unwrap_or(0);
        (hypothesis, best[hypothesis])
    }
}

/// Returns the best hypothesis of all antennas and its metric. The antennas have the same hypothesis and delay, and a
/// phase of their own on each of the `symbols`.
fn best<const N: usize>(antennas: &[Powers<N>], m_sc: usize, symbols: usize) -> (usize, f32) {
    if let [one] = antennas {
        let (hypothesis, power) = one.best();
        return if one.energy > 0.0 { (hypothesis, power / (one.energy * m_sc as f32)) } else { (0, 0.0) };
    }
    let heard = || antennas.iter().filter(|a| a.energy > 0.0);
    let mut sum = Powers::<N>::default();
    for antenna in heard() {
        for (sum, power) in sum.power.as_flattened_mut().iter_mut().zip(antenna.power.as_flattened()) {
            *sum += power / antenna.energy;
        }
    }
    let (hypothesis, power) = sum.best();
    let ramp = (0..RAMPS.len()).find(|&r| sum.power[hypothesis][r] == power).unwrap_or(0);
    let mut shares = Shares::default();
    for antenna in heard() {
        shares.add(antenna.power[hypothesis][ramp] / m_sc as f32, antenna.energy);
    }
    (hypothesis, shares.combined((m_sc * symbols) as f32, symbols as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerology::Numerology;
    use crate::units::{Bandwidth, CyclicPrefix, SidelinkMode};
    use std::slice::from_ref;

    #[test]
    fn a_reference_explains_itself_and_noise_is_not_explained() {
        let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
        let references = Arc::new(References::new(25));
        let mut presence = Presence::new(25, references.clone());
        let mut rng = crate::impair::rng::Rng::new(1);
        for n_cs in [0, 3, 6, 9] {
            let mut grid = Grid::new(numerology);
            let layout = Layout::shared(SidelinkMode::V2x, CyclicPrefix::Normal);
            let dmrs = Dmrs::pscch_v2x(n_cs);
            for (m, &l) in layout.dmrs.iter().enumerate() {
                references.emit(&dmrs, m, &mut grid.symbol_mut(l as usize)[60..84]);
            }
            let (shift, metric) = presence.control_v2x(from_ref(&grid), 60, layout);
            assert_eq!(shift, n_cs);
            assert!(metric > 0.999, "{metric}");
            assert!(presence.control_v2x(from_ref(&grid), 120, layout).1 == 0.0, "silence is not explained");
        }
        let layout = Layout::shared(SidelinkMode::D2d, CyclicPrefix::Normal);
        let mut grid = Grid::new(numerology);
        let mut total = 0.0;
        for _ in 0..200 {
            for l in 0..14 {
                grid.symbol_mut(l).fill_with(|| rng.complex_gaussian());
            }
            total += presence.narrow(from_ref(&grid), 12, 24, layout, &Dmrs::pscch_or_psdch());
            assert!(
                presence.wide(from_ref(&grid), 0, 240, layout, &Dmrs::pssch(77, 3, SidelinkMode::D2d)) < 0.2
            );
        }
        assert!(total / 200.0 < 0.1, "{}", total / 200.0);
    }
}
