//! Cheap tests for the presence of a channel: the share of the power on its DMRS symbols that its reference sequence
//! explains. Run on every candidate before any decode.

use crate::Sample;
use crate::channel::layout::Layout;
use crate::grid::Grid;
use crate::sequence::dmrs::{Dmrs, References};
use std::sync::Arc;

/// Subcarriers whose correlation is summed coherently: delays of ±2 µs turn them by less than a quarter.
const BLOCK: usize = 6;

/// The same for distinguishing cyclic shifts, which differ by quarter turns a subcarrier: a multiple of four.
const SPAN: usize = 8;

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
        }
    }

    /// Returns the metric of a narrow channel (1 or 2 PRBs) at subcarrier `first`: all of its pilots coherently.
    pub fn narrow(&mut self, grid: &Grid, first: usize, m_sc: usize, layout: Layout, dmrs: &Dmrs) -> f32 {
        let blocks = m_sc / BLOCK;
        let mut power = [0.0f32; RAMPS.len()];
        let mut energy = 0.0;
        for (m, &l) in layout.dmrs.iter().enumerate() {
            let received = &grid.symbol(l as usize)[first..first + m_sc];
            let stripped = &mut self.stripped[..m_sc];
            self.references.strip(dmrs, m, received, stripped);
            energy += received.iter().map(|x| x.norm_sqr()).sum::<f32>();
            let mut sums = [Sample::default(); 4];
            for (s, x) in sums.iter_mut().zip(stripped.chunks_exact(BLOCK)) {
                *s = x.iter().sum();
            }
            for (p, turns) in power.iter_mut().zip(&self.turns) {
                let total: Sample = sums[..blocks].iter().zip(turns).map(|(s, t)| s * t).sum();
                *p += total.norm_sqr();
            }
        }
        let best = power.into_iter().fold(0.0, f32::max);
        if energy > 0.0 { best / (energy * m_sc as f32) } else { 0.0 }
    }

    /// Screens PSCCH of modes 3 and 4 at subcarrier `first` with its four cyclic shifts at once: returns the best shift
    /// (0, 3, 6 or 9) and its metric.
    pub fn control_v2x(&mut self, grid: &Grid, first: usize, layout: Layout) -> (u8, f32) {
        const M_SC: usize = 24;
        let dmrs = Dmrs::pscch_v2x(0);
        let mut power = [[0.0f32; RAMPS.len()]; 4];
        let mut energy = 0.0;
        for (m, &l) in layout.dmrs.iter().enumerate() {
            let received = &grid.symbol(l as usize)[first..first + M_SC];
            let stripped = &mut self.stripped[..M_SC];
            self.references.strip(&dmrs, m, received, stripped);
            energy += received.iter().map(|x| x.norm_sqr()).sum::<f32>();
            let mut spans = [[Sample::default(); 4]; M_SC / SPAN];
            for (span, x) in spans.iter_mut().zip(stripped.chunks_exact(SPAN)) {
                let mut residue = [Sample::default(); 4];
                for (n, x) in x.iter().enumerate() {
                    residue[n % 4] += x;
                }
                *span = quarter_turns(residue);
            }
            for (shift, power) in power.iter_mut().enumerate() {
                for (p, turns) in power.iter_mut().zip(&self.span_turns) {
                    let total: Sample = spans.iter().zip(turns).map(|(s, t)| s[shift] * t).sum();
                    *p += total.norm_sqr();
                }
            }
        }
        if energy <= 0.0 {
            return (0, 0.0);
        }
        let best = power.map(|p| p.into_iter().fold(0.0, f32::max));
        let shift = (0..4).max_by(|&a, &b| best[a].total_cmp(&best[b])).unwrap_or(0);
        (3 * shift as u8, best[shift] / (energy * M_SC as f32))
    }

    /// Returns the metric of a channel of any width: PRB by PRB, powers added; it does not depend on the delay.
    pub fn wide(&mut self, grid: &Grid, first: usize, m_sc: usize, layout: Layout, dmrs: &Dmrs) -> f32 {
        self.explained(grid, first, m_sc, layout, dmrs).share()
    }

    /// Returns the same as powers, to compare allocations of different widths.
    pub fn explained(
        &mut self,
        grid: &Grid,
        first: usize,
        m_sc: usize,
        layout: Layout,
        dmrs: &Dmrs,
    ) -> Explained {
        let (mut power, mut energy) = (0.0, 0.0);
        for (m, &l) in layout.dmrs.iter().enumerate() {
            let received = &grid.symbol(l as usize)[first..first + m_sc];
            let stripped = &mut self.stripped[..m_sc];
            self.references.strip(dmrs, m, received, stripped);
            energy += received.iter().map(|x| x.norm_sqr()).sum::<f32>();
            power += stripped.chunks_exact(12).map(|x| x.iter().sum::<Sample>().norm_sqr()).sum::<f32>();
        }
        Explained { power: power / 12.0, energy }
    }
}

/// Power on the DMRS symbols of an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Explained {
    /// Power that the reference explains.
    pub power: f32,
    /// Total power.
    pub energy: f32,
}

impl Explained {
    /// Returns the explained share; 0 for silence.
    pub fn share(&self) -> f32 {
        if self.energy > 0.0 { self.power / self.energy } else { 0.0 }
    }
}

/// Computes sums over four residues with a quarter turn back for each: a DFT of length 4.
fn quarter_turns(r: [Sample; 4]) -> [Sample; 4] {
    let j = Sample::new(0.0, 1.0);
    let (even, odd) = (r[0] + r[2], r[1] + r[3]);
    let (even_difference, odd_difference) = (r[0] - r[2], (r[1] - r[3]) * j);
    [even + odd, even_difference - odd_difference, even - odd, even_difference + odd_difference]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerology::Numerology;
    use crate::units::{Bandwidth, CyclicPrefix, SidelinkMode};

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
            let (shift, metric) = presence.control_v2x(&grid, 60, layout);
            assert_eq!(shift, n_cs);
            assert!(metric > 0.999, "{metric}");
            assert!(presence.control_v2x(&grid, 120, layout).1 == 0.0, "silence is not explained");
        }
        let layout = Layout::shared(SidelinkMode::D2d, CyclicPrefix::Normal);
        let mut grid = Grid::new(numerology);
        let mut total = 0.0;
        for _ in 0..200 {
            for l in 0..14 {
                grid.symbol_mut(l).fill_with(|| rng.complex_gaussian());
            }
            total += presence.narrow(&grid, 12, 24, layout, &Dmrs::pscch_or_psdch());
            assert!(presence.wide(&grid, 0, 240, layout, &Dmrs::pssch(77, 3, SidelinkMode::D2d)) < 0.2);
        }
        assert!(total / 200.0 < 0.1, "{}", total / 200.0);
    }
}
