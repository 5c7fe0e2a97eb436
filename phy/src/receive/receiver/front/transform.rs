//! The transforms of a subframe apart from [`Front`](super::Front), for a caller that makes them ahead.

use super::super::Config;
use super::Front;
use crate::Sample;
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::sc_fdma::Demodulator;
use crate::units::{CyclicPrefix, Hertz};

/// The grids of a subframe that a receiver uses: a bit for each of its numerologies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::receive) struct Wanted(u8);

impl Wanted {
    pub(super) fn insert(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    pub(super) fn has(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

/// Common grids of one subframe.
#[derive(Default)]
pub(in crate::receive) struct Transformed {
    /// Carrier offset that was removed.
    pub(super) cfo: Hertz,
    /// Those that were made.
    pub(super) made: Wanted,
    /// Of each numerology one grid an antenna.
    pub(super) grids: Vec<Vec<Grid>>,
}

impl Transformed {
    /// Forgets the content.
    pub(in crate::receive) fn clear(&mut self) {
        self.made = Wanted::default();
    }

    /// Whether there is none.
    #[cfg(test)]
    pub(in crate::receive) fn is_empty(&self) -> bool {
        self.made == Wanted::default()
    }
}

/// Makes common grids.
pub(in crate::receive) struct Transformer {
    demodulators: Vec<Demodulator>,
    antennas: usize,
}

impl Transformer {
    /// Makes it for the grids of a receiver.
    pub(in crate::receive) fn new(config: &Config) -> Self {
        let demodulator = |n: &Numerology| Demodulator::new(*n, Front::advance(*n));
        Self {
            demodulators: numerologies(config).iter().map(demodulator).collect(),
            antennas: config.antennas.count(),
        }
    }

    /// Makes the wanted grids of a subframe of each antenna. Allocates only what `into` lacks.
    pub(in crate::receive) fn run<'a>(
        &mut self,
        subframe: impl Iterator<Item = &'a [Sample]> + Clone,
        cfo: Hertz,
        wanted: Wanted,
        into: &mut Transformed,
    ) {
        into.grids.resize_with(self.demodulators.len(), Vec::new);
        (into.cfo, into.made) = (cfo, wanted);
        for (i, (demodulator, grids)) in self.demodulators.iter_mut().zip(&mut into.grids).enumerate() {
            if !wanted.has(i) {
                continue;
            }
            grids.resize_with(self.antennas, || Grid::new(demodulator.numerology()));
            for (samples, grid) in subframe.clone().zip(grids) {
                demodulator.demodulate(samples, cfo, grid);
            }
        }
    }
}

/// Returns the numerologies of a receiver: that of its carrier first, then those with the cyclic prefixes of its pools.
pub(in crate::receive::receiver) fn numerologies(config: &Config) -> Vec<Numerology> {
    let communication = config.communication.iter().flat_map(|p| [p.control_cp, p.data_cp]);
    let discovery = config.discovery.iter().map(|p| p.cp);
    let mut numerologies = vec![config.numerology];
    let mut add = |cp: CyclicPrefix| {
        let numerology = config.numerology.with_cp(cp);
        if !numerologies.contains(&numerology) {
            numerologies.push(numerology);
        }
    };
    communication.chain(discovery).for_each(&mut add);
    numerologies
}

impl Front {
    /// Returns the common grids that were used since a subframe was loaded.
    pub(in crate::receive) fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        self.bands
            .iter()
            .enumerate()
            .filter(|(_, band)| band.common_valid)
            .for_each(|(i, _)| wanted.insert(i));
        wanted
    }

    /// Takes common grids that were made of the loaded samples, if they are for its carrier offset.
    pub(in crate::receive) fn adopt(&mut self, transformed: &mut Transformed) {
        if transformed.cfo != self.common_cfo {
            return;
        }
        for (i, (band, grids)) in self.bands.iter_mut().zip(&mut transformed.grids).enumerate() {
            if transformed.made.has(i) {
                std::mem::swap(&mut band.common, grids);
                band.common_valid = true;
            }
        }
        transformed.clear();
    }
}
