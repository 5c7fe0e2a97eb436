//! Control information detected in noise.

use sidelink_phy::channel::pscch;
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::receive::receiver::Tuning;
use sidelink_phy::receive::search::ControlSearch;
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{Antennas, Bandwidth, CyclicPrefix, SidelinkMode, TransmissionMode};
use std::sync::Arc;

/// Result of a search in noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Places that were screened.
    pub screened: u64,
    /// Places that were decoded.
    pub decoded: u64,
    /// SCIs that were reported.
    pub found: u64,
}

/// Searches `subframes` subframes of white noise at 50 PRBs, everywhere.
pub fn run(sidelink: SidelinkMode, subframes: u32, seed: u64) -> Outcome {
    let numerology = Numerology::standard(Bandwidth::Prb50, CyclicPrefix::Normal);
    let references = Arc::new(References::new(50));
    let mode = match sidelink {
        SidelinkMode::V2x => TransmissionMode::Tm4,
        SidelinkMode::D2d => TransmissionMode::Tm2,
    };
    let mut search = ControlSearch::new(numerology, mode, references, Antennas::ONE);
    let tuning = Tuning::default();
    let mut rng = Rng::new(seed);
    let mut grid = Grid::new(numerology);
    let mut outcome = Outcome::default();
    for _ in 0..subframes {
        for l in 0..grid.symbols() {
            grid.symbol_mut(l).fill_with(|| rng.complex_gaussian());
        }
        let places = 50 - pscch::prbs(sidelink) + 1;
        outcome.screened += places as u64;
        search.search(std::slice::from_ref(&grid), &mut (0..places), &tuning, &mut |_| outcome.found += 1);
        outcome.decoded += search.decoded() as u64;
    }
    outcome
}
