//! Converts transmissions to samples: the encoders and the modulator of one cyclic prefix.

use super::{Content, Transmission};
use crate::Sample;
use crate::channel::{Error, psbch, pscch, psdch, pssch};
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::sc_fdma;
use crate::sequence::dmrs::References;
use crate::units::{CyclicPrefix, TransmissionMode};
use std::sync::Arc;

/// Makes the subframes of any UE. Nothing is allocated after construction.
pub struct Modulator {
    normal: Chain,
    extended: Option<Chain>,
    other: Vec<Sample>,
}

struct Chain {
    psbch: psbch::Encoder,
    pscch: pscch::Encoder,
    pssch: pssch::Encoder,
    psdch: psdch::Encoder,
    grid: Grid,
    modulator: sc_fdma::Modulator,
}

impl Modulator {
    /// Makes a modulator for a carrier, a mode, and the cyclic prefixes of its channels.
    pub fn new(numerology: Numerology, mode: TransmissionMode, prefixes: &[CyclicPrefix]) -> Self {
        let extended = prefixes.contains(&CyclicPrefix::Extended);
        let references = Arc::new(References::new(numerology.bandwidth().prbs()));
        let chain = |cp| Chain::new(numerology.with_cp(cp), mode, &references);
        Self {
            normal: chain(CyclicPrefix::Normal),
            extended: extended.then(|| chain(CyclicPrefix::Extended)),
            other: vec![Sample::default(); if extended { numerology.subframe_samples() } else { 0 }],
        }
    }

    /// Fills `out` with a subframe of one UE. A transmission that cannot be encoded is left out and reported.
    ///
    /// # Errors
    /// The error of the last such encoder.
    // TS 36.211 §9.9 (2)
    pub fn render(&mut self, transmissions: &[Transmission], out: &mut [Sample]) -> Result<(), Error> {
        let has = |cp| transmissions.iter().any(|t| t.cp == cp);
        out.fill(Sample::default());
        let mut result = Ok(());
        if has(CyclicPrefix::Normal) {
            result = self.normal.render(transmissions, CyclicPrefix::Normal, out);
        }
        if let Some(extended) = self.extended.as_mut().filter(|_| has(CyclicPrefix::Extended)) {
            result = result.and(extended.render(transmissions, CyclicPrefix::Extended, &mut self.other));
            out.iter_mut().zip(&self.other).for_each(|(x, y)| *x += y);
        }
        result
    }
}

impl Chain {
    fn new(numerology: Numerology, mode: TransmissionMode, references: &Arc<References>) -> Self {
        let sidelink = mode.sidelink();
        Self {
            psbch: psbch::Encoder::new(numerology, sidelink, Arc::clone(references)),
            pscch: pscch::Encoder::new(numerology, sidelink, Arc::clone(references)),
            pssch: pssch::Encoder::new(numerology, mode, Arc::clone(references)),
            psdch: psdch::Encoder::new(numerology, Arc::clone(references)),
            grid: Grid::new(numerology),
            modulator: sc_fdma::Modulator::new(numerology),
        }
    }

    fn render(
        &mut self,
        transmissions: &[Transmission],
        cp: CyclicPrefix,
        out: &mut [Sample],
    ) -> Result<(), Error> {
        // TS 36.211 §9.2.2
        self.grid.clear();
        let mut result = Ok(());
        for t in transmissions.iter().filter(|t| t.cp == cp) {
            result = result.and(self.encode(t));
        }
        self.modulator.modulate(&self.grid, out);
        result
    }

    fn encode(&mut self, t: &Transmission) -> Result<(), Error> {
        let (amplitude, grid) = (t.amplitude, &mut self.grid);
        match &t.content {
            Content::Sync { id, mib, .. } => {
                let mut bits = [0; 48];
                let count = mib.len().min(6) * 8;
                for (i, bit) in bits[..count].iter_mut().enumerate() {
                    // TS 36.212 §5.4.1.1 (1)
                    *bit = mib[i / 8] >> (7 - i % 8) & 1;
                }
                self.psbch.encode(&bits[..count], *id, amplitude, grid)
            }
            Content::Sci { bits, prb, n_cs, .. } => {
                self.pscch.encode(bits, *prb, *n_cs, amplitude, grid).map(|_crc| ())
            }
            Content::SlSch { grant, block, .. } => self.pssch.encode(block, grant, amplitude, grid),
            Content::SlDch { message, rv, prb, .. } => self.psdch.encode(message, *rv, *prb, amplitude, grid),
        }
    }
}
