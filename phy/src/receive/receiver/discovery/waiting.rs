//! Transmissions of a message that wait for the presence of the next ones: their resource elements alone.

use crate::Sample;
use crate::channel::psdch;
use crate::grid::Grid;

/// Transmissions that wait at most: all but the last.
const MOST: usize = 3;

/// Subcarriers of a transmission.
const WIDTH: usize = 12 * psdch::PRBS;

/// The transmissions of one message that wait. No memory is allocated after construction.
pub(super) struct Waiting {
    values: Vec<Sample>,
    /// First PRB and redundancy version of each.
    places: [(usize, u8); MOST],
    count: usize,
}

impl Waiting {
    /// Makes room for subframes of `symbols` symbols and a number of antennas.
    pub(super) fn new(antennas: usize, symbols: usize) -> Self {
        Self {
            values: vec![Sample::default(); MOST * antennas * symbols * WIDTH],
            places: [(0, 0); MOST],
            count: 0,
        }
    }

    /// Returns the number of transmissions.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Keeps the transmission at `prb` of a subframe, if one more may follow.
    pub(super) fn keep(&mut self, grids: &[Grid], prb: usize, rv: u8) {
        let Some(place) = self.places.get_mut(self.count) else { return };
        *place = (prb, rv);
        let length = self.values.len() / MOST;
        let mut parts = self.values[self.count * length..][..length].chunks_exact_mut(WIDTH);
        for grid in grids {
            for (l, part) in (0..grid.symbols()).zip(&mut parts) {
                part.copy_from_slice(&grid.symbol(l)[12 * prb..][..WIDTH]);
            }
        }
        self.count += 1;
    }

    /// Writes transmission `i` to its place in `grids`; returns its first PRB and its redundancy version.
    pub(super) fn restore(&self, i: usize, grids: &mut [Grid]) -> (usize, u8) {
        let (prb, rv) = self.places[i];
        let length = self.values.len() / MOST;
        let mut parts = self.values[i * length..][..length].chunks_exact(WIDTH);
        for grid in grids {
            for (l, part) in (0..grid.symbols()).zip(&mut parts) {
                grid.symbol_mut(l)[12 * prb..][..WIDTH].copy_from_slice(part);
            }
        }
        (prb, rv)
    }
}
