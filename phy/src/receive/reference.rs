//! Possible synchronisation references in a range of samples: every SLSS in it with the MIB-SL beside it. Read first:
//! TS 36.331 §5.10.8.2 (from memory): a candidate is one whose MIB-SL was received.

use super::diversity::Views;
use super::estimate::Measurement;
use super::sync::{Detection, Search, SearchConfig};
use crate::Sample;
use crate::channel::psbch;
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::sc_fdma::Demodulator;
use crate::sequence::dmrs::References;
use crate::units::{Antennas, DfnSubframe, Hertz, SidelinkMode, SlssId};
use std::sync::Arc;

/// A UE that can serve as synchronisation reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// First sample of its subframe, counted from the start of the range.
    pub sample: f64,
    /// Identity.
    pub id: SlssId,
    /// MIB-SL (40 bits) or MIB-SL-V2X (48), one a byte; zeros behind 40.
    pub mib: [u8; 48],
    /// Time of the MIB.
    pub time: DfnSubframe,
    /// Measurement of the radio channel; the carrier offset is that of the antenna signal.
    pub measurement: Measurement,
}

/// Searches references. Nothing is allocated after construction.
pub struct ReferenceSearch {
    numerology: Numerology,
    sidelink: SidelinkMode,
    search: Search,
    found: Vec<Detection>,
    demodulator: Demodulator,
    /// One an antenna.
    grids: Vec<Grid>,
    psbch: psbch::Decoder,
}

impl ReferenceSearch {
    /// Makes a search over at most `max_samples` of each antenna; `None` at a rate for which there is no search
    /// ([`Search::new`]).
    pub fn new(
        numerology: Numerology,
        sidelink: SidelinkMode,
        max_samples: usize,
        antennas: Antennas,
    ) -> Option<Self> {
        let config = SearchConfig { antennas, ..SearchConfig::default() };
        let search = Search::new(numerology, psbch::ssss_form(sidelink), max_samples, config)?;
        let references = Arc::new(References::new(numerology.bandwidth().prbs()));
        Some(Self {
            numerology,
            sidelink,
            search,
            found: Vec::with_capacity(32),
            demodulator: Demodulator::new(numerology, numerology.fft() * 72 / 2048),
            grids: (0..antennas.count()).map(|_| Grid::new(numerology)).collect(),
            psbch: psbch::Decoder::new(numerology, sidelink, references, antennas),
        })
    }

    /// Searches a range and passes to `emit` every candidate whose subframe is completely in it, the best detected first.
    pub fn search(&mut self, samples: &[Sample], emit: &mut dyn FnMut(Candidate)) {
        self.search_antennas(&[samples], emit);
    }

    /// Does the same as [`Self::search`] with the samples of each antenna, all equally long. An antenna without samples
    /// is silent.
    pub fn search_antennas(&mut self, samples: &[&[Sample]], emit: &mut dyn FnMut(Candidate)) {
        self.found.clear();
        self.search.search_antennas(samples, &mut self.found);
        let n = self.numerology.subframe_samples();
        for detection in &self.found {
            let start = detection.sample.round();
            if start < 0.0 {
                continue;
            }
            let Some(subframe) = Views::new(samples.iter().copied()).part(start as usize, n) else {
                continue;
            };
            for (samples, grid) in subframe.iter().zip(&mut self.grids) {
                self.demodulator.demodulate(samples, detection.cfo, grid);
            }
            let mut mib = [0; 48];
            let bits = &mut mib[..psbch::payload_bits(self.sidelink)];
            let Some(decoded) = self.psbch.decode(&self.grids, detection.id, bits) else { continue };
            let Some(time) = psbch::frame_time(bits) else { continue };
            let mut measurement = decoded.measurement;
            measurement.cfo = Hertz::from(measurement.cfo.to_f32() + detection.cfo.to_f32());
            let sample = start + f64::from(measurement.delay) * self.numerology.sample_rate().0;
            emit(Candidate { sample, id: detection.id, mib, time, measurement });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::awgn::Awgn;
    use crate::sc_fdma::Modulator;
    use crate::units::{Bandwidth, CyclicPrefix};

    #[test]
    fn every_reference_is_found_with_its_time() {
        let numerology = Numerology::standard(Bandwidth::Prb15, CyclicPrefix::Normal);
        let n = numerology.subframe_samples();
        let references = Arc::new(References::new(15));
        let mut encoder = psbch::Encoder::new(numerology, SidelinkMode::D2d, references);
        let mut modulator = Modulator::new(numerology);
        let mut grid = Grid::new(numerology);
        let mut samples = vec![Sample::default(); 42 * n];
        let mut subframe = vec![Sample::default(); n];
        for (at, id, dfn) in [(3 * n + 100, 200, 17u8), (20 * n + 7, 55, 99)] {
            let mut mib = [0u8; 40];
            for (bit, out) in (0..10).rev().zip(&mut mib[6..16]) {
                *out = (u16::from(dfn) >> bit & 1) as u8;
            }
            mib[16..20].copy_from_slice(&[0, 1, 1, 0]);
            grid.clear();
            let id = SlssId::new(id).unwrap();
            encoder.encode(&mib, id, 1.0 / (180f32).sqrt(), &mut grid).unwrap();
            modulator.modulate(&grid, &mut subframe);
            samples[at..at + n].copy_from_slice(&subframe);
        }
        Awgn::new(1e-3, 5).process(&mut samples);
        let mut found = Vec::new();
        let mut search =
            ReferenceSearch::new(numerology, SidelinkMode::D2d, samples.len(), Antennas::ONE).unwrap();
        search.search(&samples, &mut |c| found.push((c.id.value(), c.time.count(), c.sample)));
        found.sort_by_key(|f| f.0);
        assert_eq!(found.len(), 2, "{found:?}");
        for ((id, time, sample), (wanted, count, at)) in
            found.into_iter().zip([(55, 996, 20 * n + 7), (200, 176, 3 * n + 100)])
        {
            assert_eq!((id, time), (wanted, count));
            assert!((sample - at as f64).abs() < 1.0, "{sample} {at}");
        }
    }
}
