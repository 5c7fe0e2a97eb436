//! Finds the carrier offset in whole subcarriers. Cyclic prefixes give an offset modulo the subcarrier spacing only;
//! the reference signals of control and discovery channels (TS 36.211 §9.8), which are the same in every PRB, give the
//! rest.

use super::presence::Presence;
use crate::Sample;
use crate::channel::layout::Layout;
use crate::channel::pscch;
use crate::grid::Grid;
use crate::numerology::{Numerology, SUBCARRIER_SPACING};
use crate::sc_fdma::Demodulator;
use crate::sci::MAX_BITS;
use crate::sequence::dmrs::{Dmrs, References};
use crate::units::{Antennas, Hertz, SidelinkMode};
use std::sync::Arc;

/// Presence that noise does not reach at any of a thousand places.
const EVIDENCE: f32 = 0.4;

/// Shifts in subcarriers that are tried first: ±100 kHz.
const NEAR: i32 = 7;

/// Carrier offset that may remain when the whole subcarriers are right.
const MAX_RESIDUE: Hertz = Hertz(1500.0);

/// A carrier offset and its evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shift {
    /// Whole subcarriers.
    pub subcarriers: i32,
    /// Sum over subframes of the best presence of any place.
    pub score: f32,
}

/// Ranks shifts of the grid. Nothing is allocated after construction.
pub struct CarrierSearch {
    sidelink: SidelinkMode,
    demodulator: Demodulator,
    /// One an antenna.
    grids: Vec<Grid>,
    layout: Layout,
    presence: Presence,
    /// PRBs at which control or discovery may begin; empty for any.
    places: Vec<usize>,
    decoder: pscch::Decoder,
    bits: [u8; MAX_BITS],
    scores: Vec<Shift>,
    /// Subframes since the last [`Self::clear`].
    taken: u32,
}

impl CarrierSearch {
    /// Makes a search for a carrier, with shifts up to `reach` subcarriers on either side. `places`: first PRBs of
    /// PSCCH and PSDCH, if known.
    pub fn new(
        numerology: Numerology,
        sidelink: SidelinkMode,
        places: Vec<usize>,
        reach: i32,
        references: Arc<References>,
        antennas: Antennas,
    ) -> Self {
        Self {
            sidelink,
            demodulator: Demodulator::new(numerology, numerology.fft() * 72 / 2048),
            grids: (0..antennas.count()).map(|_| Grid::new(numerology)).collect(),
            layout: Layout::shared(sidelink, numerology.cp()),
            presence: Presence::new(numerology.bandwidth().prbs(), references.clone()),
            decoder: pscch::Decoder::new(numerology, sidelink, references, antennas),
            bits: [0; MAX_BITS],
            places,
            scores: (-reach..=reach).map(|subcarriers| Shift { subcarriers, score: 0.0 }).collect(),
            taken: 0,
        }
    }

    /// Clears all subframes.
    pub fn clear(&mut self) {
        self.taken = 0;
        let reach = self.scores.len() as i32 / 2;
        for (i, s) in self.scores.iter_mut().enumerate() {
            *s = Shift { subcarriers: i as i32 - reach, score: 0.0 };
        }
    }

    /// Adds a subframe whose carrier is `cfo` off, and possibly some subcarriers more: the samples of each antenna.
    pub fn add(&mut self, subframe: &[&[Sample]], cfo: Hertz) {
        let n = self.demodulator.numerology().subframe_samples();
        if subframe.len() != self.grids.len() || subframe.iter().any(|s| s.len() != n) {
            return;
        }
        let before: f32 = self.scores.iter().map(|s| s.score).sum();
        self.weigh(subframe, cfo, |shift| shift.abs() <= NEAR);
        // whole PRBs are tried if a shift is right except for them; everything once, in case the band's edge hides it
        let near = self.scores.iter().map(|s| s.score).sum::<f32>() > before;
        if near {
            let best =
                self.scores.iter().max_by(|a, b| a.score.total_cmp(&b.score)).map_or(0, |s| s.subcarriers);
            self.weigh(subframe, cfo, |shift| shift.abs() > NEAR && (shift - best) % 12 == 0);
        } else if !self.places.is_empty() || self.taken == 0 {
            self.weigh(subframe, cfo, |shift| shift.abs() > NEAR);
        }
        self.taken += 1;
    }

    fn weigh(&mut self, subframe: &[&[Sample]], cfo: Hertz, which: impl Fn(i32) -> bool) {
        for i in 0..self.scores.len() {
            let shift = self.scores[i].subcarriers;
            if which(shift) {
                for (samples, grid) in subframe.iter().zip(&mut self.grids) {
                    self.demodulator.demodulate(samples, cfo + Self::offset(shift), grid);
                }
                self.scores[i].score += self.score();
            }
        }
    }

    /// Scores the grid for its shift. Reference signals are the same in every PRB: whole PRBs show only in the phase of
    /// the data between them, and there a control channel that decodes well counts.
    fn score(&mut self) -> f32 {
        let all = self.grids[0].subcarriers() / 12;
        let count = if self.places.is_empty() { all } else { self.places.len() };
        let mut best = (EVIDENCE, None);
        for i in 0..count {
            let prb = if self.places.is_empty() { i } else { self.places[i] };
            let (presence, cyclic_shift) = self.at(12 * prb);
            if presence > best.0 {
                best = (presence, Some((prb, cyclic_shift)));
            }
        }
        let (presence, Some((prb, cyclic_shift))) = best else { return 0.0 };
        let bits = self.decoder.payload_bits();
        let decoded =
            self.decoder.decode(&self.grids, prb, cyclic_shift, MAX_RESIDUE, &mut self.bits[..bits]);
        let quality = decoded.map_or(0.0, |d| (2.0 - d.evm_percent / 50.0).max(0.0));
        presence + quality
    }

    /// Returns the presence of a channel whose first subcarrier is `first`, and the cyclic shift of its reference
    /// signals.
    fn at(&mut self, first: usize) -> (f32, u8) {
        let last = self.grids[0].subcarriers();
        if self.sidelink == SidelinkMode::V2x {
            if first + 24 > last {
                return (0.0, 0);
            }
            let (shift, presence) = self.presence.control_v2x(&self.grids, first, self.layout);
            return (presence, shift);
        }
        let dmrs = Dmrs::pscch_or_psdch();
        let widths = [12, 24].into_iter().filter(|width| first + width <= last);
        let presence =
            widths.map(|width| self.presence.narrow(&self.grids, first, width, self.layout, &dmrs));
        (presence.fold(0.0, f32::max), 0)
    }

    /// Returns the shifts with evidence, the best first; of equal ones the smaller one.
    pub fn ranked(&mut self) -> &[Shift] {
        self.scores.sort_unstable_by(|a, b| {
            b.score.total_cmp(&a.score).then(a.subcarriers.abs().cmp(&b.subcarriers.abs()))
        });
        let with_evidence = self.scores.iter().take_while(|s| s.score > 0.0).count();
        &self.scores[..with_evidence]
    }

    /// Returns the carrier offset of a shift.
    pub fn offset(shift: i32) -> Hertz {
        Hertz(f64::from(shift) * SUBCARRIER_SPACING.0)
    }
}
