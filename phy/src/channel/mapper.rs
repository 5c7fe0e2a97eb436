//! The common steps of a transform-precoded channel in transmission: modulate, precode, map, add the reference signals.

use super::Error;
use super::layout::Layout;
use crate::Sample;
use crate::grid::Grid;
use crate::modulation;
use crate::sc_fdma::Precoding;
use crate::sequence::dmrs::{Dmrs, References};
use crate::units::{Modulation, PrbRange};
use std::sync::Arc;

/// Place of one channel on a grid, and its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First subcarrier: on a carrier of an odd number of PRBs, PSBCH starts in the middle of a PRB.
    pub first: usize,
    /// Width in PRBs.
    pub prbs: usize,
    /// Symbols of the subframe.
    pub layout: Layout,
    /// Modulation of the data.
    pub modulation: Modulation,
}

/// Maps the scrambled bits of one channel onto a grid.
pub struct Mapper {
    precoding: Precoding,
    references: Arc<References>,
    symbol: Vec<Sample>,
}

impl Mapper {
    /// Makes a mapper for a carrier of `carrier_prbs`.
    pub fn new(carrier_prbs: usize, references: Arc<References>) -> Self {
        Self {
            precoding: Precoding::new(carrier_prbs),
            references,
            symbol: vec![Sample::default(); 12 * carrier_prbs],
        }
    }

    /// Writes one channel at `place`: `bits` are scrambled and in mapping order. The last symbol of the subframe is
    /// unchanged.
    ///
    /// `amplitude` scales data and reference signals alike.
    // TS 36.211 §9.3.3, §9.3.5; TS 36.211 §9.3.6 (1); TS 36.211 §9.4.3, §9.4.5; TS 36.211 §9.4.6
    // TS 36.211 §9.5.3, §9.5.5; TS 36.211 §9.6.3, §9.6.5
    pub fn map(
        &mut self,
        grid: &mut Grid,
        place: Place,
        bits: &[u8],
        dmrs: &Dmrs,
        amplitude: f32,
    ) -> Result<(), Error> {
        let Place { first, prbs, layout, modulation } = place;
        let m_sc = 12 * prbs;
        let bad = Error::Allocation { start: first / 12, len: prbs };
        if prbs == 0 || first + m_sc > grid.subcarriers() || !self.references.has(prbs) {
            return Err(bad);
        }
        if !layout.fits(grid.symbols()) {
            return Err(Error::CyclicPrefix);
        }
        let last = grid.symbols() - 1;
        let per_symbol = m_sc * modulation.bits();
        for (&l, bits) in layout.data.iter().zip(bits.chunks_exact(per_symbol)) {
            // TS 36.211 §9.2.5; TS 36.211 §9.3.6 (3); TS 36.211 §9.5.6 (1); TS 36.211 §9.6.6 (3)
            if l as usize == last {
                continue;
            }
            let symbol = &mut self.symbol[..m_sc];
            modulation::map(modulation, bits, symbol);
            if !self.precoding.precode(symbol) {
                return Err(bad);
            }
            for (x, &s) in grid.symbol_mut(l as usize)[first..first + m_sc].iter_mut().zip(&*symbol) {
                *x = s * amplitude;
            }
        }
        // TS 36.211 §9.8 (2)
        for (m, &l) in layout.dmrs.iter().enumerate() {
            let out = &mut grid.symbol_mut(l as usize)[first..first + m_sc];
            self.references.emit(dmrs, m, out);
            for x in out {
                *x *= amplitude;
            }
        }
        Ok(())
    }

    /// Checks an allocation against the carrier.
    pub fn check(&self, prbs: PrbRange, carrier_prbs: usize) -> Result<(), Error> {
        if prbs.len == 0 || prbs.end() > carrier_prbs || !self.references.has(prbs.len) {
            return Err(Error::Allocation { start: prbs.start, len: prbs.len });
        }
        Ok(())
    }
}
