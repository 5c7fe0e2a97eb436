//! Blind search for control information: every place is screened, what passes is decoded.

use super::presence::Presence;
use super::receiver::Tuning;
use crate::channel::layout::Layout;
use crate::channel::pscch::{self, Decoded};
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::sci::{Format0, Format1, MAX_BITS, MAX_SUBCHANNELS};
use crate::sequence::dmrs::{Dmrs, References};
use crate::tables;
use crate::units::{Bandwidth, TransmissionMode};
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
    /// How it decoded.
    pub decoded: Decoded,
}

/// Searches one subframe at a time for the SCI format of a mode family.
pub struct ControlSearch {
    mode: TransmissionMode,
    v2x: bool,
    bandwidth: Bandwidth,
    layout: Layout,
    presence: Presence,
    decoder: pscch::Decoder,
    candidates: Vec<(usize, u8, f32)>,
    decoded: usize,
}

impl ControlSearch {
    /// For a carrier and a mode; nothing is allocated afterwards.
    pub fn new(numerology: Numerology, mode: TransmissionMode, references: Arc<References>) -> Self {
        let (prbs, v2x) = (numerology.bandwidth().prbs(), mode.is_v2x());
        Self {
            mode,
            v2x,
            bandwidth: numerology.bandwidth(),
            layout: Layout::shared(v2x, numerology.cp()),
            presence: Presence::new(prbs, references.clone()),
            decoder: pscch::Decoder::new(numerology, v2x, references),
            candidates: Vec::with_capacity(prbs),
            decoded: 0,
        }
    }

    /// Bits of an SCI without CRC.
    pub fn bits(&self) -> usize {
        self.decoder.payload_bits()
    }

    /// Places that the last search decoded, after screening.
    pub fn decoded(&self) -> usize {
        self.decoded
    }

    /// Report every SCI of `grid` that begins at one of `places` (PRBs; those beyond the carrier are passed over), the
    /// one whose reference signals stand out most first.
    pub fn search(
        &mut self,
        grid: &Grid,
        places: &mut dyn Iterator<Item = usize>,
        tuning: &Tuning,
        report: &mut dyn FnMut(&Found),
    ) {
        let width = pscch::prbs(self.v2x);
        self.candidates.clear();
        self.decoded = 0;
        for prb in places {
            if 12 * (prb + width) > grid.subcarriers() || self.candidates.len() == self.candidates.capacity()
            {
                continue;
            }
            let (shift, metric) = if self.v2x {
                self.presence.control_v2x(grid, 12 * prb, self.layout)
            } else {
                (0, self.presence.narrow(grid, 12 * prb, 12, self.layout, &Dmrs::pscch_or_psdch()))
            };
            if metric >= if self.v2x { tuning.control_v2x } else { tuning.control } {
                self.candidates.push((prb, shift, metric));
            }
        }
        self.candidates.sort_unstable_by(|a, b| b.2.total_cmp(&a.2));
        let bits = self.decoder.payload_bits();
        let mut at = 0;
        while at < self.candidates.len() {
            let (prb, cyclic_shift, _) = self.candidates[at];
            at += 1;
            self.decoded += 1;
            let mut found = Found { prb, cyclic_shift, bits: [0; MAX_BITS], decoded: Decoded::default() };
            let decoded =
                self.decoder.decode(grid, prb, cyclic_shift, tuning.max_cfo, &mut found.bits[..bits]);
            let Some(decoded) = decoded else { continue };
            if !decoded.is_certain() && !self.is_usual(&found.bits[..bits]) {
                continue;
            }
            found.decoded = decoded;
            report(&found);
            // reference sequences also correlate one PRB off: of two places that overlap only one can be real
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

    /// Whether an SCI means something that UEs send. Of random bits, fewer than one in 2000 do in mode 2, but most in modes
    /// 3 and 4.
    fn is_usual(&self, bits: &[u8]) -> bool {
        if self.v2x { self.is_usual_format_1(bits) } else { self.is_usual_format_0(bits) }
    }

    fn is_usual_format_0(&self, bits: &[u8]) -> bool {
        let Ok(sci) = Format0::parse(self.bandwidth, bits) else { return false };
        // mode 2 has no timing advance, and sets 0 (TS 36.213 §14.2.1)
        let timing_advance = match self.mode {
            TransmissionMode::Tm1 => sci.timing_advance <= MAX_TIMING_ADVANCE,
            _ => sci.timing_advance == 0,
        };
        let place = sci.hopping
            || sci.allocation(self.bandwidth).is_ok_and(|(_, len)| tables::is_precoding_size(len));
        timing_advance && place && tables::mcs(sci.mcs).is_some()
    }

    /// In some pool: which is not known here.
    fn is_usual_format_1(&self, bits: &[u8]) -> bool {
        (1..=MAX_SUBCHANNELS).any(|num| {
            Format1::parse(num, bits).is_ok_and(|sci| {
                let mcs = if sci.transmission_format { Some(()) } else { tables::mcs(sci.mcs).map(|_| ()) };
                mcs.is_some() && sci.reservation_ms().is_some() && sci.allocation(num).is_ok()
            })
        })
    }
}
