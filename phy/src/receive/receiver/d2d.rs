//! Modes 1 and 2: searches SCI format 0, and receives the PSSCH that each announces for its whole period.
//!
//! ```text
//! collide.rs    what decoded transmissions hid
//! layout.rs     a pool, laid out by subframe in the period
//! grant.rs      a tracked SCI
//! blind.rs      its PSSCH by their DMRS, without a pool or the time
//! learning.rs   learning a pool that was not configured: accepted, used, dropped
//! ```

mod blind;
mod collide;
mod grant;
mod layout;
mod learning;

use super::credible;
use super::event::{ControlInformation, Event, SharedBlock, Undelivered};
use super::front::{Front, View, with_common};
use super::{CommunicationPlace, Config, Tuning};
use crate::channel::layout::Layout;
use crate::channel::pscch;
use crate::channel::pssch::{self, Grant, Process, REDUNDANCY_VERSIONS};
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::pool::infer::{ControlSighting, DataSighting};
use crate::pool::{Hopping, TrpSet, into_period, time_resource_pattern};
use crate::receive::cancel::{Canceller, LAYERS};
use crate::receive::estimate::Measurement;
use crate::receive::learn::Learnt;
use crate::receive::presence::Presence;
use crate::receive::search::{ControlSearch, Found};
use crate::sci::{Format0, MAX_BITS};
use crate::sequence::dmrs::References;
use crate::tables;
use crate::units::{Bandwidth, CyclicPrefix, DfnSubframe, Hertz, Modulation, PrbRange, SidelinkMode};
use collide::Hidden;
use grant::{Following, Origin};
use layout::PoolLayout;
use learning::Learning;
use std::sync::Arc;

/// Largest number of tracked SCIs.
const GRANTS: usize = 48;

/// Carrier offset in Hz that may remain when a PSSCH is demodulated.
const TOLERANCE_QPSK: Hertz = Hertz(450.0);
const TOLERANCE_QAM: Hertz = Hertz(150.0);

pub(super) struct D2d {
    numerology: Numerology,
    control_cp: CyclicPrefix,
    cp: CyclicPrefix,
    tuning: Tuning,
    told: Option<PoolLayout>,
    learning: Learning,
    /// Whether the DFN is known, and therefore the place of transmissions in a pool.
    is_timed: bool,
    is_settled: bool,
    presence: Presence,
    search: ControlSearch,
    shared: pssch::Decoder,
    heard: Vec<Heard>,
    grants: Vec<Following>,
    /// Indices of the grants of a subframe, in the order of reception.
    order: Vec<usize>,
    /// PSSCH of the subframe that have decoded: they are not given to another grant.
    taken: Vec<(u16, PrbRange)>,
    /// For a single transmission.
    single: Process,
    block: Vec<u8>,
    control_canceller: Canceller<pscch::Encoder>,
    shared_canceller: Canceller<pssch::Encoder>,
    hidden: Hidden,
}

/// An SCI of the present subframe.
struct Heard {
    sci: Format0,
    bits: [u8; MAX_BITS],
    prb: usize,
    cfo: Hertz,
    measurement: Measurement,
    excess: f32,
}

/// The samples of a received transmission.
struct Air<'a> {
    k: u64,
    /// One an antenna.
    grids: &'a [Grid],
    /// Carrier offset in Hz that remains on the grid.
    near: Hertz,
    /// Carrier offset in Hz that was removed from the samples for all UEs.
    common: Hertz,
    /// Transmissions that were subtracted before.
    layer: u8,
}

impl D2d {
    /// Makes a receiver for a pool, or for all PRBs if none is known.
    pub(super) fn new(
        config: &Config,
        place: Option<&CommunicationPlace>,
        references: Arc<References>,
    ) -> Self {
        let control_cp = place.map_or(config.numerology.cp(), |p| p.control_cp);
        let cp = place.map_or(config.numerology.cp(), |p| p.data_cp);
        let numerology = config.numerology.with_cp(cp);
        let carrier_prbs = numerology.bandwidth().prbs();
        Self {
            numerology,
            control_cp,
            cp,
            tuning: config.tuning,
            told: place.map(|p| PoolLayout::told(&p.pool, carrier_prbs)),
            learning: Learning::new(carrier_prbs),
            is_timed: false,
            is_settled: false,
            presence: Presence::new(carrier_prbs, references.clone()),
            search: ControlSearch::new(
                numerology.with_cp(control_cp),
                config.mode,
                references.clone(),
                config.antennas,
            ),
            control_canceller: Canceller::of_control(
                numerology.with_cp(control_cp),
                SidelinkMode::D2d,
                references.clone(),
                config.antennas,
            ),
            shared_canceller: Canceller::of_shared(
                numerology,
                config.mode,
                references.clone(),
                config.antennas,
            ),
            hidden: Hidden::new(carrier_prbs),
            shared: pssch::Decoder::new(numerology, config.mode, references, config.antennas),
            heard: Vec::with_capacity(carrier_prbs),
            grants: (0..GRANTS).map(|_| Following::new(carrier_prbs)).collect(),
            order: Vec::with_capacity(GRANTS),
            taken: Vec::with_capacity(GRANTS),
            single: Process::new(carrier_prbs),
            block: vec![0; pssch::max_transport_block(carrier_prbs) / 8],
        }
    }

    /// Returns the learnt pool, if none was configured. Allocates.
    pub(super) fn learnt(&mut self) -> Option<Learnt<CommunicationPlace>> {
        let Learnt { pool, evidence } = self.learning.learnt().filter(|_| self.told.is_none())?;
        let place = CommunicationPlace { pool, control_cp: self.control_cp, data_cp: self.cp };
        Some(Learnt { pool: place, evidence })
    }

    /// Receives PSSCH that was announced before. Runs before [`Self::control`]: an SCI never announces its own subframe.
    pub(super) fn shared(&mut self, k: u64, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let Self { order, grants, taken, hidden, .. } = self;
        taken.clear();
        hidden.clear();
        order.clear();
        order.extend((0..grants.len()).filter(|&i| grants[i].is_active(k)));
        // transmissions placed by a pool come before those that are searched, a new SCI before an old one
        order.sort_unstable_by_key(|&i| {
            (grants[i].origin == Origin::Blind, std::cmp::Reverse(grants[i].from), i)
        });
        for at in 0..self.order.len() {
            let i = self.order[at];
            let layer = self.uncover(i, front);
            self.receive(i, k, layer, front, emit);
            self.subtract_block(front);
            let g = &self.grants[i];
            if matches!(g.origin, Origin::Learnt(_)) && g.until == k + 1 && g.decoded.is_none() {
                self.learning.came_to_nothing();
            }
        }
        self.receive_hidden(k, front, emit);
    }

    /// Finds and decodes every PSCCH of the subframe.
    pub(super) fn control(
        &mut self,
        k: u64,
        time: Option<DfnSubframe>,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        if self.told.is_none() || time.is_none() {
            self.learning.set_time(k, time);
            if self.learning.judge(k) {
                self.end_grants(k, |origin| matches!(origin, Origin::Learnt(_)));
            }
        }
        self.is_timed = time.is_some();
        let period = self.period(k, time);
        if !self.is_searched(k, period) {
            return;
        }
        let period_start = period.map(|(start, _)| start);
        self.hear(k, period_start, front, emit);
        for i in 0..self.heard.len() {
            let Heard { sci, bits, prb, cfo, .. } = self.heard[i];
            let sighting = ControlSighting { subframe: k, prb };
            let origin = match period_start {
                Some(start) if self.told.is_some() && self.is_timed => Origin::Told(start),
                Some(start) if self.learning.has_control(&sighting) => Origin::Learnt(start),
                _ => Origin::Blind,
            };
            if !self.is_known(k, (origin, period), &bits, sighting) {
                self.follow(k, origin, sci, (&bits, sighting), cfo);
            }
        }
    }

    /// Returns the capture subframes in which the period began and in which it ends, if a pool gives them.
    fn period(&mut self, k: u64, time: Option<DfnSubframe>) -> Option<(i64, u64)> {
        let (into, period) = match (&self.told, time) {
            (Some(pool), Some(time)) => (into_period(pool.offset, pool.period, time.count())?, pool.period),
            _ => (self.learning.phase(k)? as u32, self.learning.layout.period),
        };
        let start = k as i64 - into as i64;
        let end = (start + period as i64) as u64;
        if !std::mem::replace(&mut self.is_settled, true) {
            // an SCI tracked without a pool lasts for the period that has begun
            let blind = self.grants.iter_mut().filter(|g| g.origin == Origin::Blind);
            blind.for_each(|g| g.until = g.until.min(end));
        }
        Some((start, end))
    }

    /// Whether PSCCH is searched in capture subframe `k`.
    fn is_searched(&mut self, k: u64, period: Option<(i64, u64)>) -> bool {
        let Some((start, _)) = period else {
            self.is_settled = false;
            // before the first period of a configured pool with a known place in time, nothing is sent
            return self.told.is_none() || !self.is_timed;
        };
        let into = (k as i64 - start) as usize;
        match (&self.told, self.is_timed) {
            (Some(pool), true) => pool.is_control.get(into).copied().unwrap_or(false),
            _ => self.learning.layout.is_control[into] || self.learning.is_audited(k),
        }
    }

    /// Finds every SCI of the subframe, and those that others hid.
    fn hear(&mut self, k: u64, start: Option<i64>, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        self.heard.clear();
        self.hidden.clear();
        for layer in 0..LAYERS {
            let known = self.heard.len();
            self.hear_layer(k, (start, layer), front, emit);
            if !self.contest(known, front) {
                break;
            }
        }
        front.show(View::Received);
    }

    // TS 36.213 §14.2.2 (1)
    fn hear_layer(
        &mut self,
        k: u64,
        (start, layer): (Option<i64>, u8),
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let common = front.common_cfo();
        let grids = front.grid(self.control_cp);
        let bandwidth = self.numerology.bandwidth();
        let width = self.search.bits();
        let trp_set = self.told.as_ref().map_or(TrpSet::default(), |pool| pool.trp_set);
        let Self { heard, hidden, .. } = self;
        let mut report = |found: &Found| {
            let Ok(sci) = Format0::parse(bandwidth, &found.bits[..width]) else { return };
            let is_known = |h: &Heard| h.prb == found.prb && h.bits == found.bits;
            if heard.iter().any(is_known) || heard.len() == heard.capacity() {
                return;
            }
            let measurement = Measurement { layer, ..found.decoded.measurement };
            emit(Event::Sci {
                subframe: k,
                prb: found.prb,
                cyclic_shift: 0,
                bits: &found.bits[..width],
                crc16: found.decoded.crc16,
                information: ControlInformation::Format0(sci),
                undelivered: hopeless(&sci, bandwidth, trp_set),
                measurement: with_common(measurement, common),
                evm_percent: found.decoded.evm_percent,
            });
            heard.push(Heard {
                sci,
                bits: found.bits,
                prb: found.prb,
                cfo: measurement.offset,
                measurement,
                excess: found.decoded.excess,
            });
        };
        let is_open = |prb: &usize| layer == 0 || hidden.is_open(*prb);
        let learnt = (start.is_some() && !self.learning.is_audited(k)).then_some(&self.learning.layout);
        match self.told.as_ref().or(learnt) {
            Some(pool) => {
                let places = &mut pool.control_prbs.iter().copied().filter(is_open);
                self.search.search(grids, places, &self.tuning, &mut report);
            }
            None => {
                let places = &mut (0..bandwidth.prbs()).filter(is_open);
                self.search.search(grids, places, &self.tuning, &mut report);
            }
        }
    }

    /// Whether an SCI is the second transmission of a tracked one; the learner is informed.
    fn is_known(
        &mut self,
        k: u64,
        (origin, period): (Origin, Option<(i64, u64)>),
        bits: &[u8; MAX_BITS],
        sighting: ControlSighting,
    ) -> bool {
        let second = |g: &&mut Following| {
            let same_period = match (g.origin, origin) {
                (Origin::Blind, Origin::Blind) => g.is_second(k),
                (Origin::Blind, _) => g.is_second(k) || period.is_some_and(|(_, end)| g.until <= end),
                (a, b) => a == b,
            };
            g.until > k && g.bits == *bits && same_period
        };
        let Some(g) = self.grants.iter_mut().find(second) else {
            // the same SCI begins another period
            let earlier = |g: &&mut Following| g.origin == Origin::Blind && g.bits == *bits && g.until > k;
            self.grants.iter_mut().filter(earlier).for_each(|g| g.until = k);
            return false;
        };
        if g.control_count < 2 {
            g.controls[1] = sighting;
            g.control_count = 2;
            if g.decoded.is_some() {
                self.learning.control(sighting);
                self.learning.pair(g.controls);
            }
        }
        true
    }

    /// Tracks an SCI.
    fn follow(
        &mut self,
        k: u64,
        origin: Origin,
        sci: Format0,
        (bits, sighting): (&[u8; MAX_BITS], ControlSighting),
        cfo: Hertz,
    ) {
        let carrier = self.numerology.bandwidth();
        let pool = match origin {
            Origin::Learnt(_) => &self.learning.layout,
            _ => self.told.as_ref().unwrap_or(&self.learning.layout),
        };
        let hopping = if sci.hopping {
            match Hopping::new(sci.rb_assignment, carrier.prbs(), pool.hopping_span, pool.hopping) {
                Some(h) => Some(h),
                None => return,
            }
        } else {
            None
        };
        let prbs = match hopping {
            // where it lies is asked for subframe by subframe
            Some(h) => Some(PrbRange { start: 0, len: h.width() }),
            None => sci.allocation(carrier).ok().map(|(start, len)| PrbRange { start, len }),
        };
        let Some(prbs) = prbs else { return };
        let grant = Grant { prbs, mcs: sci.mcs, rv: 0, n_id: 0, n_ssf: 0, transmission_format: false };
        let Ok((modulation, size)) = grant.size(SidelinkMode::D2d) else { return };
        // TS 36.321 §5.14.2.1 (1)
        if time_resource_pattern(pool.trp_set, sci.trp).is_none() || !tables::is_precoding_size(prbs.len) {
            return;
        }
        let until = match origin {
            Origin::Blind => Following::longest(k),
            Origin::Told(start) | Origin::Learnt(start) => (start + pool.period as i64).max(0) as u64,
        };
        let Some(slot) = (0..GRANTS).min_by_key(|&i| self.grants[i].until) else { return };
        let g = &mut self.grants[slot];
        if g.process.start(size).is_err() {
            return;
        }
        g.bits = *bits;
        (g.sci, g.prbs, g.hopping, g.modulation, g.size) = (sci, prbs, hopping, modulation, size);
        g.cfo = cfo;
        g.begin(k, until, origin, sighting);
    }

    /// Ends grants of an origin: the pool that placed them was dropped.
    fn end_grants(&mut self, k: u64, is_meant: impl Fn(Origin) -> bool) {
        for g in self.grants.iter_mut().filter(|g| g.until > k && is_meant(g.origin)) {
            g.until = k;
        }
    }

    /// Receives the PSSCH of a tracked SCI in subframe `k`, if there is one.
    // TS 36.213 §14.1.2 (2)
    fn receive(&mut self, i: usize, k: u64, layer: u8, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let g = &self.grants[i];
        let tolerance = tolerance(g.modulation);
        let place = match g.origin {
            Origin::Blind => None,
            Origin::Told(start) => {
                let Some(pool) = &self.told else { return };
                let Some(place) = pool.position(g.sci.trp, (k as i64 - start) as u32) else { return };
                Some(place)
            }
            Origin::Learnt(start) => {
                let pool = &self.learning.layout;
                let Some(place) = pool.position(g.sci.trp, (k as i64 - start) as u32) else { return };
                Some(place)
            }
        };
        let common = front.common_cfo();
        // the place of a hopping allocation depends on n_ssf
        let carrier = PrbRange { start: 0, len: self.numerology.bandwidth().prbs() };
        let prbs = if g.hopping.is_some() { carrier } else { g.prbs };
        let (grids, near) = front.grid_for(self.cp, g.cfo, tolerance, prbs);
        let air = Air { k, grids, near, common, layer };
        match place {
            Some((j, index)) => {
                // TS 36.211 §9.2.4 (1)
                let n_ssf = (j % 10) as u8;
                let decodes = self.transmission(i, &air, n_ssf, index, emit);
                if !decodes && layer == 0 && self.is_worth_a_later_window(i, k) {
                    let cfo = self.grants[i].cfo;
                    let air =
                        Air { k, grids: front.grid_late(self.cp, cfo), near: Hertz(0.0), common, layer };
                    self.grants[i].block_index = None;
                    self.transmission(i, &air, n_ssf, index, emit);
                }
            }
            None => self.receive_blind(i, &air, emit),
        }
    }

    /// Whether the only transmission of a block that did not decode may decode with a later window.
    fn is_worth_a_later_window(&self, i: usize, k: u64) -> bool {
        let g = &self.grants[i];
        let only = g.added == Some(k) && g.process.transmissions() == 1 && !g.delivered;
        only && g.modulation != Modulation::Qpsk && self.shared.is_late()
    }

    /// Receives transmission number `index` of the period; returns `true` when its block decodes.
    fn transmission(
        &mut self,
        i: usize,
        air: &Air<'_>,
        n_ssf: u8,
        index: u32,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> bool {
        let g = &mut self.grants[i];
        // TS 36.321 §5.14.2.2.2 (1)
        let rv = REDUNDANCY_VERSIONS[index as usize % 4];
        let Some(grant) = g.grant(n_ssf, rv) else { return false };
        if self.taken.contains(&(grant.n_id, grant.prbs)) {
            return false;
        }
        // TS 36.321 §5.14.2.2.1 (1)
        if g.block_index != Some(index / 4) {
            if g.process.start(g.size).is_err() {
                return false;
            }
            g.block_index = Some(index / 4);
            (g.delivered, g.snr) = (false, 0.0);
        } else if g.added == Some(air.k) {
            // once more, without others: what is received now outweighs it, for its noise was measured
            if g.process.transmissions() < 2 {
                g.snr = 0.0;
                if g.process.start(g.size).is_err() {
                    return false;
                }
            } else {
                g.process.replace_last();
            }
        }
        // a block that has decoded before decodes whatever is added: the addition proves nothing
        let proves = !g.delivered || (g.origin == Origin::Blind && self.decodes_alone(i, air, &grant));
        let g = &mut self.grants[i];
        let count = g.process.transmissions() as usize;
        let Ok(received) = self.shared.receive(air.grids, &grant, air.near, &mut g.process) else {
            return false;
        };
        g.added = Some(air.k);
        g.rv[count.min(3)] = rv;
        g.snr += received.measurement.ratio();
        let block = &mut self.block[..g.size / 8];
        if self.shared.decode(&mut g.process, block).is_none() {
            return false;
        }
        let least = credible::least_snr(g.size, sent_elements(grant.prbs, self.cp));
        if credible::check(block, g.snr, least, || self.shared.agreement(&g.process)).is_err()
            || self.hidden.is_known(&grant, block)
        {
            return false;
        }
        self.deliver(i, air, grant, received, proves.then_some(index), emit);
        true
    }

    /// Whether the block of a grant decodes from one transmission alone.
    fn decodes_alone(&mut self, i: usize, air: &Air<'_>, grant: &Grant) -> bool {
        let size = self.grants[i].size;
        self.single.start(size).is_ok()
            && self.shared.receive(air.grids, grant, air.near, &mut self.single).is_ok()
            && self.shared.decode(&mut self.single, &mut self.block[..size / 8]).is_some()
    }

    /// Reports the decoded block; informs the learner when it proves that transmission number `proved` was here.
    fn deliver(
        &mut self,
        i: usize,
        air: &Air<'_>,
        grant: Grant,
        received: pssch::Received,
        proved: Option<u32>,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let g = &mut self.grants[i];
        let block = &self.block[..g.size / 8];
        self.taken.push((grant.n_id, grant.prbs));
        let measurement = Measurement { layer: air.layer, ..received.measurement };
        let offset = Hertz::from(g.cfo.to_f32() - air.near.to_f32());
        self.hidden.note(i, &grant, block, with_common(measurement, offset), received.excess);
        // zeros are no evidence: their CRC always holds. The place of a hopping PSSCH depends on parameters that are
        // not learnt
        let is_evidence =
            block.iter().any(|&b| b != 0) && !g.sci.hopping && !matches!(g.origin, Origin::Told(_));
        if let Some(index) = proved.filter(|_| is_evidence) {
            confirm(&mut self.learning, g, air.k, &grant, index);
        }
        emit(Event::SlSch(SharedBlock {
            subframe: air.k,
            rv: &g.rv[..(g.process.transmissions() as usize).clamp(1, 4)],
            grant,
            information: ControlInformation::Format0(g.sci),
            block,
            repeat: g.delivered,
            measurement: with_common(measurement, air.common + offset),
            evm_percent: received.evm_percent,
        }));
        g.delivered = true;
        g.decoded = Some(air.k);
    }
}

/// Returns the carrier offset that may remain.
fn tolerance(modulation: Modulation) -> Hertz {
    if modulation == Modulation::Qpsk { TOLERANCE_QPSK } else { TOLERANCE_QAM }
}

/// Returns the number of resource elements of a PSSCH that carry data and are sent.
fn sent_elements(prbs: PrbRange, cp: CyclicPrefix) -> usize {
    prbs.subcarriers() * (Layout::shared(SidelinkMode::D2d, cp).data.len() - 1)
}

/// Returns the reason why the blocks of an SCI cannot come, if there is one.
fn hopeless(sci: &Format0, bandwidth: Bandwidth, trp_set: TrpSet) -> Option<Undelivered> {
    if tables::mcs(sci.mcs).is_none() {
        return Some(Undelivered::ReservedMcs);
    }
    if time_resource_pattern(trp_set, sci.trp).is_none() {
        return Some(Undelivered::ReservedPattern);
    }
    if sci.hopping {
        return None;
    }
    let allocation = sci.allocation(bandwidth).ok().filter(|&(_, len)| tables::is_precoding_size(len));
    let Some((start, len)) = allocation else { return Some(Undelivered::Allocation) };
    let grant = Grant {
        prbs: PrbRange { start, len },
        mcs: sci.mcs,
        rv: 0,
        n_id: 0,
        n_ssf: 0,
        transmission_format: false,
    };
    grant.exceeds_code_rate_1(SidelinkMode::D2d, REDUNDANCY_VERSIONS.len()).then_some(Undelivered::CodeRate)
}

/// Informs the learner of a decoded block, and of its SCI when it is the first.
fn confirm(learning: &mut Learning, g: &Following, k: u64, grant: &Grant, index: u32) {
    let [first, second] = g.controls;
    if g.decoded.is_none() {
        learning.control(first);
        if g.control_count == 2 {
            learning.control(second);
            learning.pair(g.controls);
        }
    }
    let sighting = DataSighting {
        subframe: k,
        control: if g.control_count == 2 { second.subframe } else { first.subframe },
        trp: g.sci.trp,
        n_ssf: grant.n_ssf,
        transmission: (index % 4) as u8,
        prbs: grant.prbs,
        is_new: !g.delivered,
    };
    learning.data(sighting, matches!(g.origin, Origin::Learnt(_)));
}
