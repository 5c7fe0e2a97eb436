//! Finds the place of an SCI's PSSCH by its reference signals alone: they depend on the width of the allocation and on
//! its begin, and on the CRC of the SCI.

use super::Heard;
use crate::channel::layout::Layout;
use crate::grid::Grid;
use crate::receive::presence::Presence;
use crate::sequence::dmrs::{Dmrs, References};
use crate::tables::is_precoding_size;
use crate::units::{CyclicPrefix, PrbRange, SidelinkMode};
use std::sync::Arc;

/// Number of places that are reported, the most likely first.
pub(super) const PLACES: usize = 3;

/// Number of places that are checked again with all reference signals after a check of the first of them.
const SHORTLIST: usize = 8;

/// Share of the power of noise that any sequence explains, with a margin; the best of many spreads beyond it with the
/// number of PRBs.
const NOISE_SHARE: f32 = 0.12;
const NOISE_SPREAD: f32 = 0.3;

/// Share of the presence expected by the PSCCH, below which the n_ssf by the time is not trusted.
const EXPECTED: f32 = 0.4;

/// Most searches that may be done at once, in searches of one n_ssf; each subframe adds to the budget.
const MOST_EFFORT: u32 = 40;

/// A place at which PSSCH may lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub prbs: PrbRange,
    pub n_ssf: u8,
    /// Explained power beyond that of noise.
    score: f32,
    share: f32,
}

/// The best places so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best<const N: usize> {
    places: [Option<Extent>; N],
}

impl<const N: usize> Best<N> {
    fn new() -> Self {
        Self { places: [None; N] }
    }

    /// Returns the places, the most likely first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Extent> + '_ {
        self.places.iter().flatten().copied()
    }

    fn share(&self) -> f32 {
        self.places[0].map_or(0.0, |e| e.share)
    }

    fn add(&mut self, extent: Extent) {
        let same = self.places.iter().position(|p| p.is_some_and(|p| p.prbs == extent.prbs));
        let mut at = match same {
            Some(i) if self.places[i].is_some_and(|p| p.score >= extent.score) => return,
            Some(i) => i,
            None if self.places[N - 1].is_some_and(|p| p.score >= extent.score) => return,
            None => N - 1,
        };
        self.places[at] = Some(extent);
        while at > 0 && self.places[at - 1].is_none_or(|p| p.score < extent.score) {
            self.places.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Returns the least share of the power that the reference of a transmitted allocation explains.
pub(super) fn least_share(prbs: usize) -> f32 {
    NOISE_SHARE + NOISE_SPREAD / (prbs.max(1) as f32).sqrt()
}

/// Searches PSSCH.
pub(super) struct Finder {
    presence: Presence,
    layout: Layout,
    carrier_prbs: usize,
    /// Widths that transform precoding allows.
    sizes: Vec<usize>,
    /// Number of adjacent PRBs with power, from each PRB on.
    occupied: Vec<usize>,
    effort: u32,
}

impl Finder {
    /// Makes a finder for a carrier; nothing is allocated afterwards.
    pub(super) fn new(carrier_prbs: usize, references: Arc<References>) -> Self {
        Self {
            presence: Presence::new(carrier_prbs, references),
            layout: Layout::shared(SidelinkMode::V2x, CyclicPrefix::Normal),
            carrier_prbs,
            sizes: (1..=carrier_prbs).filter(|&n| is_precoding_size(n)).collect(),
            occupied: vec![0; carrier_prbs + 1],
            effort: MOST_EFFORT,
        }
    }

    /// Advances the budget by a subframe.
    pub(super) fn next_subframe(&mut self) {
        self.effort = (self.effort + 1).min(MOST_EFFORT);
    }

    /// Spends `effort`, in searches of one n_ssf, if the budget allows; returns whether it did.
    pub(super) fn spend(&mut self, effort: u32) -> bool {
        let enough = self.effort >= effort;
        if enough {
            self.effort -= effort;
        }
        enough
    }

    /// Searches PSSCH beside its PSCCH.
    pub(super) fn beside(&mut self, grids: &[Grid], heard: &Heard, likely: Option<u8>) -> Best<PLACES> {
        let dmrs = Dmrs::pssch_all(heard.crc16, SidelinkMode::V2x);
        self.presence.weigh(&heard.measurement.antennas);
        let mut best = Best::new();
        if let Some(n) = likely {
            self.widths(
                grids,
                heard.prb + 2,
                self.carrier_prbs,
                &[(n, dmrs[n as usize])],
                self.layout,
                &mut best,
            );
        }
        if best.share() < EXPECTED * heard.expected_share() {
            let all: [_; 10] = std::array::from_fn(|n| (n as u8, dmrs[n]));
            self.widths(grids, heard.prb + 2, self.carrier_prbs, &all, self.layout, &mut best);
        }
        best
    }

    /// Searches PSSCH anywhere on the carrier with power. Finds nothing when the budget is spent.
    pub(super) fn anywhere(&mut self, grids: &[Grid], heard: &Heard, likely: Option<u8>) -> Best<PLACES> {
        let dmrs = Dmrs::pssch_all(heard.crc16, SidelinkMode::V2x);
        let all: [_; 10] = std::array::from_fn(|n| (n as u8, dmrs[n]));
        self.presence.weigh(&heard.measurement.antennas);
        let mut best = Best::new();
        self.occupy(grids, heard);
        if let Some(n) = likely {
            self.sweep(grids, &all[n as usize..=n as usize], &mut best);
        }
        if best.share() < EXPECTED * heard.expected_share() {
            self.sweep(grids, &all, &mut best);
        }
        best
    }

    fn sweep(&mut self, grids: &[Grid], dmrs: &[(u8, Dmrs)], best: &mut Best<PLACES>) {
        if !self.spend(dmrs.len() as u32) {
            return;
        }
        let first_symbol = Layout { dmrs: &self.layout.dmrs[..1], ..self.layout };
        let mut shortlist = Best::<SHORTLIST>::new();
        for first in 0..self.carrier_prbs {
            self.widths(grids, first, first + self.occupied[first], dmrs, first_symbol, &mut shortlist);
        }
        for place in shortlist.iter() {
            let known = dmrs.iter().filter(|(n, _)| *n == place.n_ssf);
            for &(n_ssf, dmrs) in known {
                self.look(grids, place.prbs, (n_ssf, dmrs), self.layout, best);
            }
        }
    }

    /// Checks every width from `first` on up to `end`.
    fn widths<const N: usize>(
        &mut self,
        grids: &[Grid],
        first: usize,
        end: usize,
        dmrs: &[(u8, Dmrs)],
        layout: Layout,
        best: &mut Best<N>,
    ) {
        for i in 0..self.sizes.len() {
            let len = self.sizes[i];
            if first + len > end {
                break;
            }
            for &dmrs in dmrs {
                self.look(grids, PrbRange { start: first, len }, dmrs, layout, best);
            }
        }
    }

    fn look<const N: usize>(
        &mut self,
        grids: &[Grid],
        prbs: PrbRange,
        (n_ssf, dmrs): (u8, Dmrs),
        layout: Layout,
        best: &mut Best<N>,
    ) {
        let seen = self.presence.explained(grids, prbs.first_subcarrier(), prbs.subcarriers(), layout, &dmrs);
        let share = seen.share();
        // a check of one symbol has four times the spread
        if share > if layout.dmrs.len() > 1 { least_share(prbs.len) } else { NOISE_SHARE } {
            best.add(Extent { prbs, n_ssf, score: seen.power - NOISE_SHARE * seen.energy, share });
        }
    }

    /// Counts the adjacent PRBs with power: a little more than noise, and not far below the PSCCH.
    fn occupy(&mut self, grids: &[Grid], heard: &Heard) {
        let antennas = heard.measurement.antennas;
        self.occupied[self.carrier_prbs] = 0;
        for prb in (0..self.carrier_prbs).rev() {
            let data = &self.layout.data[..self.layout.data.len() - 1];
            let has_power = |(grid, (noise, signal)): (&Grid, (&f32, &f32))| {
                let floor = 1.25 * noise + signal / 32.0;
                let sum: f32 = data
                    .iter()
                    .flat_map(|&l| &grid.symbol(l as usize)[12 * prb..12 * prb + 12])
                    .map(|x| x.norm_sqr())
                    .sum();
                sum > floor * (12 * data.len()) as f32
            };
            let held = grids.iter().zip(antennas.noises().iter().zip(antennas.signals())).any(has_power);
            self.occupied[prb] = if held { self.occupied[prb + 1] + 1 } else { 0 };
        }
    }
}
