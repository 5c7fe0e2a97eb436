//! Modes 3 and 4: searches SCI format 1 and receives the PSSCH beside each.
//!
//! ```text
//! pool configured   SCI -> its fields -> its place -> block
//! no pool           SCI -> every place that its reference signals allow, every reading of its fields -> block
//!                   blocks -> learner -> pools, and from then on as configured, with a search beside them now and then
//! ```

mod blocks;
mod collide;
mod extent;
mod learner;

use super::event::{ControlInformation, Event, Undelivered};
use super::front::{Front, with_common};
use super::{Config, Tuning};
use crate::channel::{pscch, pssch};
use crate::pool::V2xPool;
use crate::receive::cancel::Canceller;
use crate::receive::estimate::Measurement;
use crate::receive::learn::Learnt;
use crate::receive::search::{ControlSearch, Found};
use crate::sci::{Format1, MAX_SUBCHANNELS, riv_bits, riv_decode};
use crate::sequence::dmrs::References;
use crate::tables::largest_precoding_size;
use crate::units::{CyclicPrefix, DfnSubframe, Hertz, PrbRange, SidelinkMode};
use blocks::{Announced, Blocks, Delivered, Known};
use collide::Collisions;
use extent::{Extent, Finder};
use learner::{Explained, Fields, Learner, Supposed};
use std::sync::Arc;

/// With accepted pools, one of this many subframes is searched beyond them too.
const LOOK_AROUND_EVERY: u64 = 7;

/// Subframes in which all PRBs are searched after a detection that no accepted pool explains.
const LOOK_AROUND_FOR: u64 = 400;

/// Carrier offset in Hz that may remain when reference signals are searched.
const TOLERANCE: Hertz = Hertz(450.0);

/// Most SCIs of a subframe, for each PRB of the carrier.
const MOST_HEARD: usize = 2;

/// Possible widths of a frequency resource location, bits.
const WIDTHS: [usize; 8] = [0, 2, 3, 4, 5, 6, 7, 8];

pub(super) struct V2x {
    carrier_prbs: usize,
    tuning: Tuning,
    /// Configured pools.
    told: Vec<Told>,
    learner: Learner,
    finder: Finder,
    search: ControlSearch,
    blocks: Blocks,
    heard: Vec<Heard>,
    control: Canceller<pscch::Encoder>,
    shared: Canceller<pssch::Encoder>,
    collisions: Collisions,
    /// All PRBs are searched before this subframe, in spite of accepted pools.
    look_around_until: u64,
}

struct Told {
    pool: V2xPool,
    /// Index in t^SL by subframe of DFN time.
    indices: Vec<Option<u32>>,
}

impl Told {
    fn n_ssf(&self, time: Option<DfnSubframe>) -> Known {
        let index = time.and_then(|t| self.indices[t.count() as usize]);
        Known::Time(index.map(|i| (i % 10) as u8))
    }
}

/// An SCI of the present subframe.
#[derive(Clone, Copy)]
struct Heard {
    prb: usize,
    cyclic_shift: u8,
    bits: [u8; Format1::BITS],
    crc16: u16,
    cfo: Hertz,
    measurement: Measurement,
    evm_percent: f32,
    excess: f32,
    attempt: Attempt,
    /// Whether its PSCCH was subtracted: another may be below it.
    is_contested: bool,
    /// Outcome so far, of an SCI whose block may come when others are subtracted.
    pending: Option<(Option<Format1>, Undelivered)>,
}

/// Whether the block of an SCI is received in a subframe for the first time, or once more without others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    First,
    Again,
}

impl Heard {
    fn new(found: &Found, layer: u8) -> Self {
        let mut bits = [0; Format1::BITS];
        bits.copy_from_slice(&found.bits[..Format1::BITS]);
        let measurement = Measurement { layer, ..found.decoded.measurement };
        Self {
            prb: found.prb,
            cyclic_shift: found.cyclic_shift,
            bits,
            crc16: found.decoded.crc16,
            cfo: measurement.offset,
            measurement,
            evm_percent: found.decoded.evm_percent,
            excess: found.decoded.excess,
            attempt: Attempt::First,
            is_contested: false,
            pending: None,
        }
    }

    fn word(&self) -> u32 {
        self.bits.iter().fold(0, |word, &bit| word << 1 | (bit & 1) as u32)
    }

    /// Returns the expected share of the power that the reference signals of its PSSCH explain, which is sent 3 dB
    /// below PSCCH (TS 36.213 §14.1.1.5), on the mean antenna.
    fn expected_share(&self) -> f32 {
        let Measurement { signal, noise, antennas, .. } = self.measurement;
        let snr = 0.5 * signal / noise.max(1e-12) / antennas.count().max(1) as f32;
        snr / (1.0 + snr)
    }
}

/// Outcome of an SCI.
struct Outcome {
    sci: Option<Format1>,
    block: Result<Delivered, Undelivered>,
}

impl V2x {
    pub(super) fn new(config: &Config, references: Arc<References>) -> Self {
        let numerology = config.numerology.with_cp(CyclicPrefix::Normal);
        let carrier_prbs = numerology.bandwidth().prbs();
        let pools = config.v2x.iter().chain(config.v2x.iter().flat_map(|_| &config.v2x_also));
        let pools = pools.filter(|p| p.check(carrier_prbs).is_ok());
        Self {
            carrier_prbs,
            tuning: config.tuning,
            told: pools.map(|p| Told { indices: p.subframe_indices(), pool: p.clone() }).collect(),
            learner: Learner::new(carrier_prbs),
            finder: Finder::new(carrier_prbs, references.clone()),
            search: ControlSearch::new(numerology, config.mode, references.clone(), config.antennas),
            control: Canceller::of_control(
                numerology,
                SidelinkMode::V2x,
                references.clone(),
                config.antennas,
            ),
            shared: Canceller::of_shared(numerology, config.mode, references.clone(), config.antennas),
            collisions: Collisions::new(carrier_prbs),
            blocks: Blocks::new(config, references),
            heard: Vec::with_capacity(MOST_HEARD * carrier_prbs),
            look_around_until: 0,
        }
    }

    /// Returns the accepted pools. Allocates.
    pub(super) fn learnt(&self, timed: bool) -> Vec<Learnt<V2xPool>> {
        self.learner.believed().iter().map(|pool| pool.report(timed)).collect()
    }

    pub(super) fn process(
        &mut self,
        k: u64,
        time: Option<DfnSubframe>,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        self.finder.next_subframe();
        self.heard.clear();
        self.collisions.clear();
        self.control(k, 0, front);
        self.contest(0, front);
        for i in 0..self.heard.len() {
            self.receive(i, k, time, front, emit);
        }
        self.receive_hidden(k, time, front, emit);
    }

    /// Receives the block of an SCI, and reports both.
    fn receive(
        &mut self,
        i: usize,
        k: u64,
        time: Option<DfnSubframe>,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let heard = self.heard[i];
        let outcome = if self.told.is_empty() {
            self.receive_untold(k, &heard, front)
        } else {
            self.receive_told(k, time, &heard, front)
        };
        if let Err(undelivered) = outcome.block
            && self.may_come(i, undelivered)
        {
            self.heard[i].pending = Some((outcome.sci, undelivered));
            return;
        }
        self.heard[i].pending = None;
        report(k, &heard, outcome.sci, outcome.block.err(), front.common_cfo(), emit);
        if let Ok(delivered) = &outcome.block {
            let information = ControlInformation::Format1(outcome.sci);
            self.blocks.emit(k, delivered, information, emit);
            self.subtract_block(i, delivered, front);
        }
    }

    /// Finds and decodes every PSCCH of the subframe; beyond layer 0 where something is left.
    // TS 36.213 §14 par. 7 (2)
    fn control(&mut self, k: u64, layer: u8, front: &mut Front) {
        let grids = front.grid(CyclicPrefix::Normal);
        let Self { heard, collisions, .. } = self;
        let mut report = |found: &Found| {
            let new = Heard::new(found, layer);
            let is_known = |h: &Heard| h.prb == new.prb && h.bits == new.bits;
            if heard.len() < heard.capacity() && !heard.iter().any(is_known) {
                heard.push(new);
            }
        };
        let is_open = |prb: &usize| layer == 0 || collisions.is_open(*prb);
        let believed = self.learner.believed();
        let look_around = k < self.look_around_until || k.is_multiple_of(LOOK_AROUND_EVERY);
        if !self.told.is_empty() {
            let pools = &self.told;
            // TS 36.213 §14.2.2 (2)
            let mut places = places(pools.len(), |i| &pools[i].pool).filter(is_open);
            self.search.search(grids, &mut places, &self.tuning, &mut report);
        } else if believed.is_empty() || look_around {
            self.search.search(grids, &mut (0..self.carrier_prbs).filter(is_open), &self.tuning, &mut report);
        } else {
            let mut places = places(believed.len(), |i| &believed[i].pool).filter(is_open);
            self.search.search(grids, &mut places, &self.tuning, &mut report);
        }
    }

    /// Receives the PSSCH that an SCI announces, in the configured pool that explains it.
    // TS 36.213 §14.1.2 (3)
    fn receive_told(
        &mut self,
        k: u64,
        time: Option<DfnSubframe>,
        heard: &Heard,
        front: &mut Front,
    ) -> Outcome {
        let mut outcome = Outcome { sci: None, block: Err(Undelivered::Allocation) };
        for told in &self.told {
            if told.pool.control_index(heard.prb).is_none() {
                continue;
            }
            let tried = receive_in(&mut self.blocks, k, heard, &told.pool, told.n_ssf(time), front);
            if tried.block.is_ok() {
                return tried;
            }
            if outcome.sci.is_none() {
                outcome = tried;
            }
        }
        outcome
    }

    /// Receives the PSSCH that an SCI announces without a configured pool.
    fn receive_untold(&mut self, k: u64, heard: &Heard, front: &mut Front) -> Outcome {
        let mut outcome = Outcome { sci: None, block: Err(Undelivered::PoolUnknown) };
        for i in 0..self.learner.supposed().len() {
            let believed = i < self.learner.believed().len();
            let pool = &self.learner.supposed()[i].pool;
            if pool.control_index(heard.prb).is_none() {
                continue;
            }
            let tried = receive_in(&mut self.blocks, k, heard, pool, Known::Nothing, front);
            if believed && tried.sci.is_some() && heard.attempt == Attempt::First {
                self.learner.count_sci(i);
            }
            if let Ok(delivered) = &tried.block {
                self.learn(k, heard, delivered, None);
                return tried;
            }
            if believed && outcome.sci.is_none() {
                outcome = tried;
            }
        }
        match outcome.block {
            // present as the pool says, but not decodable that way: other pools may read the SCI better
            Err(Undelivered::CrcFailed | Undelivered::AwaitsRetransmission | Undelivered::TooNoisy) => self
                .finder
                .spend(1)
                .then(|| self.receive_beside(k, heard, front))
                .flatten()
                .unwrap_or(outcome),
            _ => {
                self.look_around_until = k + LOOK_AROUND_FOR;
                self.receive_anywhere(k, heard, front).unwrap_or(outcome)
            }
        }
    }

    fn whole(&self) -> PrbRange {
        PrbRange { start: 0, len: self.carrier_prbs }
    }

    /// Receives the PSSCH of an SCI right above its PSCCH.
    fn receive_beside(&mut self, k: u64, heard: &Heard, front: &mut Front) -> Option<Outcome> {
        let likely = self.blocks.likely_n_ssf(k);
        let (grids, _) = front.grid_for(CyclicPrefix::Normal, heard.cfo, TOLERANCE, self.whole());
        let beside = self.finder.beside(grids, heard, likely);
        beside.iter().find_map(|place| self.receive_at(k, heard, &place, front))
    }

    /// Receives the PSSCH of an SCI at any place with its reference signals.
    fn receive_anywhere(&mut self, k: u64, heard: &Heard, front: &mut Front) -> Option<Outcome> {
        if let Some(found) = self.receive_beside(k, heard, front) {
            return Some(found);
        }
        let likely = self.blocks.likely_n_ssf(k);
        let (grids, _) = front.grid_for(CyclicPrefix::Normal, heard.cfo, TOLERANCE, self.whole());
        let anywhere = self.finder.anywhere(grids, heard, likely);
        anywhere.iter().find_map(|place| self.receive_at(k, heard, &place, front))
    }

    /// Receives PSSCH at a place, with every plausible reading of the SCI.
    fn receive_at(&mut self, k: u64, heard: &Heard, place: &Extent, front: &mut Front) -> Option<Outcome> {
        let word = heard.word();
        let mut tried = [None; WIDTHS.len()];
        // reserved bits are sent as 0, though not by all
        for clean in [true, false] {
            for (i, &width) in WIDTHS.iter().enumerate() {
                let fields = Fields::of(word, width);
                let Some(num) = plausible(&fields, width, place.prbs, self.carrier_prbs) else { continue };
                let decides = (fields.mcs, fields.retransmission, fields.transmission_format);
                if (fields.reserved == 0) != clean || tried.contains(&Some(decides)) {
                    continue;
                }
                tried[i] = Some(decides);
                let sci = Format1::parse(num, &heard.bits).ok()?;
                let announced =
                    Announced { sci, prbs: place.prbs, other: None, n_ssf: Known::Measured(place.n_ssf) };
                if let Ok(delivered) = self.blocks.receive(k, heard, &announced, front) {
                    let known = self.learn(k, heard, &delivered, Some(decides));
                    let sci = known.and_then(|num| Format1::parse(num, &heard.bits).ok());
                    return Some(Outcome { sci, block: Ok(delivered) });
                }
            }
        }
        None
    }

    /// Uses a block as evidence; `decides` are the fields with which it decoded, for an SCI with several readings.
    /// Returns the number of sub-channels of the pool that explains it.
    fn learn(
        &mut self,
        k: u64,
        heard: &Heard,
        delivered: &Delivered,
        decides: Option<(u8, bool, bool)>,
    ) -> Option<usize> {
        let word = heard.word();
        let own = |f: &Fields| (f.mcs, f.retransmission, f.transmission_format);
        let decides = decides.unwrap_or((
            delivered.grant.mcs,
            delivered.grant.rv != 0,
            delivered.grant.transmission_format,
        ));
        let readings = WIDTHS.iter().filter(|&&width| own(&Fields::of(word, width)) == decides);
        let widths = readings.fold(0, |mask, &width| mask | 1u16 << width);
        if !delivered.constant {
            self.learner.note(&Explained {
                subframe: k,
                control: heard.prb,
                prbs: delivered.grant.prbs,
                word,
                widths,
                content: delivered.content,
            });
        }
        let explains = |learnt: &&Supposed| {
            let own = learnt.pool.control_index(heard.prb);
            let sci = Format1::parse(learnt.pool.num, &heard.bits).ok();
            let len = sci.and_then(|s| s.allocation(learnt.pool.num).ok()).map(|(_, len)| len);
            let prbs = own.zip(len).and_then(|(own, len)| learnt.pool.data(own, len));
            prbs == Some(delivered.grant.prbs) && widths >> riv_bits(learnt.pool.num) & 1 == 1
        };
        self.learner.supposed().iter().find(explains).map(|learnt| learnt.pool.num)
    }
}

/// Reports an SCI.
fn report(
    k: u64,
    heard: &Heard,
    sci: Option<Format1>,
    undelivered: Option<Undelivered>,
    common: Hertz,
    emit: &mut dyn FnMut(Event<'_>),
) {
    emit(Event::Sci {
        subframe: k,
        prb: heard.prb,
        cyclic_shift: heard.cyclic_shift,
        bits: &heard.bits,
        crc16: heard.crc16,
        information: ControlInformation::Format1(sci),
        undelivered,
        measurement: with_common(heard.measurement, common),
        evm_percent: heard.evm_percent,
    });
}

/// Returns the PRBs at which a PSCCH can begin in any of `count` pools, each once.
fn places<'a>(count: usize, pool: impl Fn(usize) -> &'a V2xPool + Copy) -> impl Iterator<Item = usize> {
    (0..count).flat_map(move |i| {
        let places = (0..pool(i).num).map(move |m| pool(i).control(m).start);
        places.filter(move |&p| (0..i).all(|earlier| pool(earlier).control_index(p).is_none()))
    })
}

/// Receives the PSSCH of an SCI in a pool.
// TS 36.213 §14.1.1 (5)
fn receive_in(
    blocks: &mut Blocks,
    k: u64,
    heard: &Heard,
    pool: &V2xPool,
    n_ssf: Known,
    front: &mut Front,
) -> Outcome {
    match announced_in(pool, heard, n_ssf) {
        Ok(announced) => {
            Outcome { sci: Some(announced.sci), block: blocks.receive(k, heard, &announced, front) }
        }
        Err((sci, why)) => Outcome { sci, block: Err(why) },
    }
}

/// Returns the place of the PSSCH that an SCI announces in a pool; if there is none, the reason, and the SCI where the
/// pool explains it.
fn announced_in(
    pool: &V2xPool,
    heard: &Heard,
    n_ssf: Known,
) -> Result<Announced, (Option<Format1>, Undelivered)> {
    let sci = Format1::parse(pool.num, &heard.bits).map_err(|_| (None, Undelivered::PoolUnknown))?;
    let place = || {
        let own = pool.control_index(heard.prb)?;
        let (other, subchannels) = sci.allocation(pool.num).ok()?;
        // TS 36.213 §14.1.1.4C (2)
        Some((other, pool.data(own, subchannels)?))
    };
    let (other, prbs) = place().ok_or((Some(sci), Undelivered::Allocation))?;
    Ok(Announced { sci, prbs, other: Some(pool.control(other).start), n_ssf })
}

/// Returns a number of sub-channels with which the fields are plausible for an allocation, if there is one.
fn plausible(fields: &Fields, width: usize, prbs: PrbRange, carrier_prbs: usize) -> Option<usize> {
    let q_m = if fields.transmission_format {
        crate::tables::mcs_release15(fields.mcs)
    } else {
        crate::tables::mcs(fields.mcs)
    };
    q_m?;
    (1..=MAX_SUBCHANNELS).filter(|&num| riv_bits(num) == width).find(|&num| {
        riv_decode(num, fields.riv).is_some_and(|(_, len)| {
            (1..=carrier_prbs / num).any(|size| {
                let fits =
                    |beta| (len * size).checked_sub(beta).map(largest_precoding_size) == Some(prbs.len);
                fits(0) || fits(2)
            })
        })
    })
}

#[cfg(test)]
mod tests;
