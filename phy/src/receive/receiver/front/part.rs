//! Removes a carrier offset from the subcarriers of one allocation: by transforms of M_sc, without the samples.

use crate::Sample;
use crate::grid::Grid;
use crate::numerology::{Numerology, SUBCARRIER_SPACING};
use crate::receive::estimate::phasor;
use crate::sc_fdma::{Precoding, rotate};
use crate::tables::is_precoding_size;
use crate::units::PrbRange;

/// Turns the subcarriers of allocations. Nothing is allocated after construction.
pub(crate) struct PartTurner {
    numerology: Numerology,
    /// Samples of each window that come out of the cyclic prefix.
    advance: usize,
    precoding: Precoding,
    /// Buffer for the phasors of one symbol.
    turns: Vec<Sample>,
}

impl PartTurner {
    /// Makes a turner for grids of a numerology, whose windows begin `advance` samples before the end of the cyclic prefix.
    pub(crate) fn new(numerology: Numerology, advance: usize) -> Self {
        Self {
            numerology,
            advance,
            precoding: Precoding::new(numerology.bandwidth().prbs()),
            turns: vec![Sample::default(); numerology.subcarriers()],
        }
    }

    /// Whether turning `prbs` alone is accurate enough for an offset of `cfo` Hz, and cheaper than the whole band. `tolerance`
    /// is the offset in Hz that may remain.
    pub(crate) fn suffices(&self, cfo: f32, tolerance: f32, prbs: PrbRange) -> bool {
        // the loss at the edges grows with the square of the offset, and is shared by all subcarriers
        cfo.abs() <= tolerance * (prbs.len as f32).sqrt()
            && 2 * prbs.len <= self.numerology.bandwidth().prbs()
            && self.turns(prbs)
    }

    /// Whether `prbs` can be turned alone.
    pub(crate) fn turns(&self, prbs: PrbRange) -> bool {
        prbs.end() <= self.numerology.bandwidth().prbs() && is_precoding_size(prbs.len)
    }

    /// Writes the subcarriers of `prbs`, with `cfo` Hz removed, to `into`; the others stay as they are. One grid an antenna.
    pub(crate) fn turn(&mut self, grids: &[Grid], cfo: f32, prbs: PrbRange, into: &mut [Grid]) {
        let Self { numerology: n, advance, precoding, turns } = self;
        let (first, m_sc) = (prbs.first_subcarrier(), prbs.subcarriers());
        let turns_a_second = -cfo as f64;
        let turns_a_symbol = turns_a_second / SUBCARRIER_SPACING.0;
        let step = turns_a_symbol / m_sc as f64;
        // the end of the transform is the part that the window took out of the cyclic prefix, before the symbol
        let body = m_sc - (m_sc * *advance + n.fft() / 2) / n.fft();
        let turns = &mut turns[..m_sc];
        turns.fill(Sample::new(1.0, 0.0));
        rotate(&mut turns[..body], 0.0, step);
        rotate(&mut turns[body..], step * body as f64 - turns_a_symbol, step);
        for l in 0..n.symbols() {
            let begin = turns_a_second * (n.symbol_start(l) + n.cp_samples(l)) as f64 / n.sample_rate().0;
            let begin = phasor(begin);
            for (grid, into) in grids.iter().zip(&mut *into) {
                let part = &mut into.symbol_mut(l)[first..first + m_sc];
                part.copy_from_slice(&grid.symbol(l)[first..first + m_sc]);
                precoding.despread(part);
                for (x, t) in part.iter_mut().zip(&*turns) {
                    *x *= begin * t;
                }
                precoding.precode(part);
            }
        }
    }
}
