//! Blind search for control information: every place is screened, and decoded if it passes.

use super::presence::Presence;
use super::tuning::Tuning;
use crate::channel::layout::Layout;
use crate::channel::pscch::{self, Decoded};
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::sci::{Format0, Format1, MAX_BITS, MAX_SUBCHANNELS};
use crate::sequence::dmrs::{Dmrs, References};
use crate::tables;
use crate::units::{Antennas, Bandwidth, SidelinkMode, TransmissionMode};
use std::sync::Arc;

/// Largest timing advance indication: floor(20512 / 16) (TS 36.213 §4.2.3, §14.2.1).
const MAX_TIMING_ADVANCE: u16 = 1282;

/// An SCI that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// First PRB of its PSCCH.
    pub prb: usize,
    /// Cyclic shift of its DMRS.
    pub cyclic_shift: u8,
    /// SCI without CRC, one bit a byte: the first [`ControlSearch::bits`] of them.
    pub bits: [u8; MAX_BITS],
    /// Quality of the decode.
    pub decoded: Decoded,
}

/// Searches one subframe at a time for the SCI format of a mode family.
pub struct ControlSearch {
    mode: TransmissionMode,
    sidelink: SidelinkMode,
    bandwidth: Bandwidth,
    layout: Layout,
    presence: Presence,
    decoder: pscch::Decoder,
    candidates: Vec<(usize, u8, f32)>,
    decoded: usize,
}

impl ControlSearch {
    /// Makes a search for a carrier, a mode and a number of antennas; nothing is allocated afterwards.
    pub fn new(
        numerology: Numerology,
        mode: TransmissionMode,
        references: Arc<References>,
        antennas: Antennas,
    ) -> Self {
        let (prbs, sidelink) = (numerology.bandwidth().prbs(), mode.sidelink());
        Self {
            mode,
            sidelink,
            bandwidth: numerology.bandwidth(),
            layout: Layout::shared(sidelink, numerology.cp()),
            presence: Presence::new(prbs, references.clone()),
            decoder: pscch::Decoder::new(numerology, sidelink, references, antennas),
            candidates: Vec::with_capacity(prbs),
            decoded: 0,
        }
    }

    /// Returns the number of bits of an SCI without CRC.
    pub fn bits(&self) -> usize {
        self.decoder.payload_bits()
    }

    /// Returns the number of places that the last search decoded, after screening.
    pub fn decoded(&self) -> usize {
        self.decoded
    }

    /// Reports every SCI of `grids`, one an antenna, that begins at one of `places` (PRBs; those beyond the carrier are skipped), the one
    /// with the strongest reference signals first.
    pub fn search(
        &mut self,
        grids: &[Grid],
        places: &mut dyn Iterator<Item = usize>,
        tuning: &Tuning,
        report: &mut dyn FnMut(&Found),
    ) {
        let width = pscch::prbs(self.sidelink);
        let subcarriers = grids.first().map_or(0, Grid::subcarriers);
        self.candidates.clear();
        self.decoded = 0;
        for prb in places {
            if 12 * (prb + width) > subcarriers || self.candidates.len() == self.candidates.capacity() {
                continue;
            }
            let (shift, metric) = if self.sidelink == SidelinkMode::V2x {
                self.presence.control_v2x(grids, 12 * prb, self.layout)
            } else {
                (0, self.presence.narrow(grids, 12 * prb, 12, self.layout, &Dmrs::pscch_or_psdch()))
            };
            if metric
                >= match self.sidelink {
                    SidelinkMode::V2x => tuning.control_v2x,
                    SidelinkMode::D2d => tuning.control,
                }
            {
                self.candidates.push((prb, shift, metric));
            }
        }
        // TS 36.213 §14 par. 8 (1)
        self.candidates.sort_unstable_by(|a, b| b.2.total_cmp(&a.2));
        let bits = self.decoder.payload_bits();
        let mut at = 0;
        while at < self.candidates.len() {
            let (prb, cyclic_shift, _) = self.candidates[at];
            at += 1;
            self.decoded += 1;
            let mut found = Found { prb, cyclic_shift, bits: [0; MAX_BITS], decoded: Decoded::default() };
            let decoded =
                self.decoder.decode(grids, prb, cyclic_shift, tuning.max_cfo, &mut found.bits[..bits]);
            let Some(decoded) = decoded else { continue };
            if !decoded.is_certain() && !self.is_usual(&found.bits[..bits]) {
                continue;
            }
            found.decoded = decoded;
            report(&found);
            // reference sequences also correlate one PRB off: of two overlapping places only one can be real
            let mut rest = at;
            for i in at..self.candidates.len() {
                if self.candidates[i].0.abs_diff(prb) >= width {
                    self.candidates[rest] = self.candidates[i];
                    rest += 1;
                }
            }
            self.candidates.truncate(rest);
        }
    }

    /// Whether an SCI has a content that UEs send. Of random bits, fewer than one in 2000 do in mode 2, but most in
    /// modes 3 and 4.
    fn is_usual(&self, bits: &[u8]) -> bool {
        match self.sidelink {
            SidelinkMode::V2x => self.is_usual_format_1(bits),
            SidelinkMode::D2d => self.is_usual_format_0(bits),
        }
    }

    fn is_usual_format_0(&self, bits: &[u8]) -> bool {
        let Ok(sci) = Format0::parse(self.bandwidth, bits) else { return false };
        // mode 2 has no timing advance, and sets 0 (TS 36.213 §14.2.1)
        let timing_advance = match self.mode {
            TransmissionMode::Tm1 => sci.timing_advance <= MAX_TIMING_ADVANCE,
            // TS 36.213 §14.2.1 mode 2 (2)
            _ => sci.timing_advance == 0,
        };
        let place = sci.hopping
            || sci.allocation(self.bandwidth).is_ok_and(|(_, len)| tables::is_precoding_size(len));
        timing_advance && place && tables::mcs(sci.mcs).is_some()
    }

    /// Whether it is plausible in some pool, which is unknown here.
    fn is_usual_format_1(&self, bits: &[u8]) -> bool {
        (1..=MAX_SUBCHANNELS).any(|num| {
            Format1::parse(num, bits).is_ok_and(|sci| {
                let mcs = if sci.transmission_format { Some(()) } else { tables::mcs(sci.mcs).map(|_| ()) };
                mcs.is_some() && sci.reservation_ms().is_some() && sci.allocation(num).is_ok()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::rng::Rng;
    use crate::units::CyclicPrefix;

    /// Returns the number of SCIs found of `count` that were sent at an Es/N0 in dB with a timing advance, and the
    /// least quality of any.
    fn found(mode: TransmissionMode, timing_advance: u16, es_n0_db: f32, count: usize) -> (usize, f32) {
        let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
        let references = Arc::new(References::new(25));
        let sidelink = mode.sidelink();
        let mut encoder = pscch::Encoder::new(numerology, sidelink, references.clone());
        let mut search = ControlSearch::new(numerology, mode, references, Antennas::ONE);
        let mut rng = Rng::new(4);
        let mut grid = Grid::new(numerology);
        let noise = 10f32.powf(-es_n0_db / 20.0);
        let (mut found, mut least) = (0, f32::INFINITY);
        for _ in 0..count {
            let mut bits: Vec<u8> = (0..search.bits()).map(|_| rng.below(2) as u8).collect();
            if sidelink == SidelinkMode::D2d {
                let sci = Format0 {
                    hopping: false,
                    rb_assignment: rng.below(25) as u16,
                    trp: rng.below(100) as u8,
                    mcs: rng.below(20) as u8,
                    timing_advance,
                    group_destination: rng.below(256) as u8,
                };
                sci.emit(Bandwidth::Prb25, &mut bits).unwrap();
            } else {
                // a resource reservation that is not reserved
                bits[3] = 0;
            }
            grid.clear();
            encoder.encode(&bits, 7, 0, 1.0, &mut grid).unwrap();
            for l in 0..grid.symbols() {
                grid.symbol_mut(l).iter_mut().for_each(|x| *x += rng.complex_gaussian() * noise);
            }
            search.search(
                std::slice::from_ref(&grid),
                &mut std::iter::once(7),
                &Tuning::default(),
                &mut |f| {
                    found += usize::from(f.bits[..bits.len()] == bits);
                    least = least.min(f.decoded.quality());
                },
            );
        }
        (found, least)
    }

    /// Mode 2 sends no timing advance: an SCI with one must be certain.
    #[test]
    // TS 36.213 §14.2.1 mode 2 (2)
    fn what_means_nothing_usual_has_to_be_certain() {
        let at = |mode, timing_advance, es_n0_db| found(mode, timing_advance, es_n0_db, 60).0;
        let (usual, unusual) = (at(TransmissionMode::Tm2, 0, 0.0), at(TransmissionMode::Tm2, 500, 0.0));
        assert!(usual >= 52 && unusual <= 40, "{usual} {unusual}");
        assert!(at(TransmissionMode::Tm1, 500, 0.0) >= 52);
        assert_eq!(at(TransmissionMode::Tm2, 500, 10.0), 60);
    }

    /// Far below the sensitivity a decode succeeds now and then: only those of sufficient quality are reported.
    #[test]
    fn nothing_below_the_least_quality_is_reported() {
        for (mode, es_n0_db, least) in
            [(TransmissionMode::Tm2, -5.0, 0.64), (TransmissionMode::Tm4, -8.0, 0.57)]
        {
            let (found, quality) = found(mode, 0, es_n0_db, 1000);
            assert!(found > 5 && quality > least, "{mode:?}: {found} {quality}");
        }
        let (found, _) = found(TransmissionMode::Tm4, 0, -4.0, 100);
        assert!(found >= 90, "{found}");
    }
}
