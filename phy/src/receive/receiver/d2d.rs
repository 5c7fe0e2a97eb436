//! Modes 1 and 2: search for SCI format 0, and receive the PSSCH that each announces for its whole period.

use super::event::{ControlInformation, Event, SharedBlock, Undelivered};
use super::front::{Front, with_common};
use super::{CommunicationPlace, Config, Tuning};
use crate::channel::layout::Layout;
use crate::channel::pssch::{self, Grant, Process, REDUNDANCY_VERSIONS};
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::pool::{CommunicationPool, Hopping, HoppingConfig, PsschSubframes, TrpSet, time_resource_pattern};
use crate::receive::presence::Presence;
use crate::receive::search::{ControlSearch, Found};
use crate::sci::{Format0, MAX_BITS};
use crate::sequence::dmrs::{Dmrs, References};
use crate::tables;
use crate::units::{Bandwidth, CyclicPrefix, DfnSubframe, Modulation, PrbRange};
use std::sync::Arc;

/// SCIs that are followed at a time.
const GRANTS: usize = 48;

/// Longest sc-Period in subframes (TS 36.331 §6.3.8): how long an SCI is followed when the pool is not known.
const LONGEST_PERIOD: u32 = 320;

/// Subframes within which the same SCI again is its second transmission, when the pool is not known.
const CONTROL_WINDOW: u64 = 40;

/// Carrier offset in Hz that may stay when a PSSCH is demodulated.
const TOLERANCE_QPSK: f32 = 450.0;
const TOLERANCE_QAM: f32 = 150.0;

pub(super) struct D2d {
    numerology: Numerology,
    control_cp: CyclicPrefix,
    cp: CyclicPrefix,
    tuning: Tuning,
    pool: Option<Pool>,
    presence: Presence,
    search: ControlSearch,
    shared: pssch::Decoder,
    heard: Vec<(Format0, [u8; MAX_BITS], f32)>,
    grants: Vec<Following>,
    block: Vec<u8>,
}

/// The pool, laid out by subframe in the period.
struct Pool {
    pool: CommunicationPool,
    is_control: Vec<bool>,
    control_prbs: Vec<usize>,
    /// Index j of the PSSCH pool.
    data_index: Vec<Option<u32>>,
    data_count: u32,
    hopping_prbs: usize,
}

/// An SCI and the transport blocks that it announces.
struct Following {
    /// Capture subframes in which it is followed; empty when the slot is free.
    from: u64,
    until: u64,
    bits: [u8; MAX_BITS],
    sci: Format0,
    prbs: PrbRange,
    hopping: Option<Hopping>,
    modulation: Modulation,
    size: usize,
    cfo_hz: f32,
    /// Capture subframe at which the period begins, as far as it is known. It may lie before the capture.
    period_start: Option<i64>,
    process: Process,
    rv: [u8; 4],
    block_index: Option<u32>,
    delivered: bool,
}

impl D2d {
    /// For a pool, or for all PRBs where none is known.
    pub(super) fn new(
        config: &Config,
        place: Option<&CommunicationPlace>,
        references: Arc<References>,
    ) -> Self {
        let control_cp = place.map_or(config.numerology.cp(), |p| p.control_cp);
        let cp = place.map_or(config.numerology.cp(), |p| p.data_cp);
        let numerology = config.numerology.with_cp(cp);
        let carrier_prbs = numerology.bandwidth().prbs();
        let empty = Format0 {
            hopping: false,
            rb_assignment: 0,
            trp: 0,
            mcs: 0,
            timing_advance: 0,
            group_destination: 0,
        };
        Self {
            numerology,
            control_cp,
            cp,
            tuning: config.tuning,
            pool: place.map(|p| Pool::new(&p.pool, carrier_prbs)),
            presence: Presence::new(carrier_prbs, references.clone()),
            search: ControlSearch::new(numerology.with_cp(control_cp), config.mode, references.clone()),
            shared: pssch::Decoder::new(numerology, config.mode, references),
            heard: Vec::with_capacity(carrier_prbs),
            grants: (0..GRANTS)
                .map(|_| Following {
                    from: 0,
                    until: 0,
                    bits: [0; MAX_BITS],
                    sci: empty,
                    prbs: PrbRange { start: 0, len: 0 },
                    hopping: None,
                    modulation: Modulation::Qpsk,
                    size: 0,
                    cfo_hz: 0.0,
                    period_start: None,
                    process: Process::new(carrier_prbs),
                    rv: [0; 4],
                    block_index: None,
                    delivered: false,
                })
                .collect(),
            block: vec![0; pssch::max_transport_block(carrier_prbs) / 8],
        }
    }

    /// Receive what was announced before. It goes before [`Self::control`]: an SCI never announces its own subframe.
    pub(super) fn shared(&mut self, k: u64, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        for i in 0..self.grants.len() {
            if (self.grants[i].from..self.grants[i].until).contains(&k) {
                self.receive(i, k, front, emit);
            }
        }
    }

    /// Find and decode every PSCCH of the subframe.
    pub(super) fn control(
        &mut self,
        k: u64,
        time: Option<DfnSubframe>,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let mut period_start = None;
        if let (Some(pool), Some(time)) = (&self.pool, time) {
            let Some(start) = pool.pool.period_start(time.count()) else { return };
            let into = time.count() - start;
            if !pool.is_control.get(into as usize).copied().unwrap_or(false) {
                return;
            }
            period_start = Some(k as i64 - into as i64);
        }
        let common = front.common_cfo();
        let grid = front.grid(self.control_cp);
        let bandwidth = self.numerology.bandwidth();
        let width = self.search.bits();
        let trp_set = self.pool.as_ref().map_or(TrpSet::default(), |p| p.pool.trp_set);
        let heard = &mut self.heard;
        heard.clear();
        let mut report = |found: &Found| {
            let Ok(sci) = Format0::parse(bandwidth, &found.bits[..width]) else { return };
            emit(Event::Sci {
                subframe: k,
                prb: found.prb,
                cyclic_shift: 0,
                bits: &found.bits[..width],
                crc16: found.decoded.crc16,
                information: ControlInformation::Format0(sci),
                undelivered: hopeless(&sci, bandwidth, trp_set),
                measurement: with_common(found.decoded.measurement, common),
                evm_percent: found.decoded.evm_percent,
            });
            heard.push((sci, found.bits, found.decoded.measurement.offset_hz));
        };
        match &self.pool {
            Some(p) => {
                self.search.search(grid, &mut p.control_prbs.iter().copied(), &self.tuning, &mut report)
            }
            None => self.search.search(grid, &mut (0..bandwidth.prbs()), &self.tuning, &mut report),
        }
        for i in 0..self.heard.len() {
            let (sci, bits, cfo_hz) = self.heard[i];
            self.follow(k, period_start, sci, &bits, cfo_hz);
        }
    }

    /// Note an SCI; its second transmission adds nothing.
    fn follow(
        &mut self,
        k: u64,
        period_start: Option<i64>,
        sci: Format0,
        bits: &[u8; MAX_BITS],
        cfo_hz: f32,
    ) {
        let window = self.pool.as_ref().map_or(CONTROL_WINDOW, |p| p.pool.period as u64);
        let again = self.grants.iter().any(|g| {
            let same_period = match (g.period_start, period_start) {
                (Some(a), Some(b)) => a == b,
                _ => k - g.from.min(k) < window,
            };
            g.until > k && g.bits == *bits && same_period
        });
        if again {
            return;
        }
        let carrier = self.numerology.bandwidth();
        let (over, config) = match &self.pool {
            Some(p) => (p.hopping_prbs, p.pool.hopping),
            None => (carrier.prbs(), HoppingConfig::default()),
        };
        let hopping = if sci.hopping {
            match Hopping::new(sci.rb_assignment, carrier.prbs(), over, config) {
                Some(h) => Some(h),
                None => return,
            }
        } else {
            None
        };
        let prbs = match hopping {
            Some(h) => h.prbs(1),
            None => sci.allocation(carrier).ok().map(|(start, len)| PrbRange { start, len }),
        };
        let Some(prbs) = prbs else { return };
        let grant = Grant { prbs, mcs: sci.mcs, rv: 0, n_id: 0, n_ssf: 0, transmission_format: false };
        let Ok((modulation, size)) = grant.size(false) else { return };
        let set = self.pool.as_ref().map_or(TrpSet::default(), |p| p.pool.trp_set);
        if time_resource_pattern(set, sci.trp).is_none() || !tables::is_precoding_size(prbs.len) {
            return;
        }
        let period = self.pool.as_ref().map_or(LONGEST_PERIOD, |p| p.pool.period);
        let Some(slot) = (0..GRANTS).min_by_key(|&i| self.grants[i].until) else { return };
        let g = &mut self.grants[slot];
        if g.process.start(size).is_err() {
            return;
        }
        g.from = k + 1;
        g.until = match period_start {
            Some(start) => (start + period as i64).max(0) as u64,
            None => k + 1 + period as u64,
        };
        g.bits = *bits;
        (g.sci, g.prbs, g.hopping, g.modulation, g.size) = (sci, prbs, hopping, modulation, size);
        (g.cfo_hz, g.period_start, g.block_index, g.delivered) = (cfo_hz, period_start, None, false);
    }

    /// Receive the PSSCH of a followed SCI in subframe `k`, if there is one.
    fn receive(&mut self, i: usize, k: u64, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let tolerance =
            if self.grants[i].modulation == Modulation::Qpsk { TOLERANCE_QPSK } else { TOLERANCE_QAM };
        let cfo = self.grants[i].cfo_hz;
        let common = front.common_cfo();
        if let Some(start) = self.grants[i].period_start {
            let Some((j, index)) = self.position(i, (k as i64 - start) as u32) else { return };
            let g = &self.grants[i];
            let Some(prbs) = g.hopping.map_or(Some(g.prbs), |h| h.prbs((j % 10) as u8)) else { return };
            let (grid, near) = front.grid_for(self.cp, cfo, tolerance, prbs);
            self.transmission(i, k, (j % 10) as u8, index, grid, near, common, emit);
            return;
        }
        // neither time nor period: what the DMRS say is the pool index modulo 10
        let g = &self.grants[i];
        let carrier = PrbRange { start: 0, len: self.numerology.bandwidth().prbs() };
        // where a hopping allocation lies depends on n_ssf
        let prbs = if g.hopping.is_some() { carrier } else { g.prbs };
        let (grid, near) = front.grid_for(self.cp, cfo, tolerance, prbs);
        let Some(n_ssf) = self.present(i, grid) else { return };
        let Some((start, index)) = self.anchor(i, k, n_ssf) else { return };
        if self.transmission(i, k, n_ssf, index, grid, near, common, emit) {
            self.grants[i].period_start = Some(start);
        }
    }

    /// Pool index j and number of the transmission for subframe `into` of the period.
    fn position(&self, i: usize, into: u32) -> Option<(u32, u32)> {
        let g = &self.grants[i];
        let (set, j, count) = match &self.pool {
            Some(p) => (p.pool.trp_set, (*p.data_index.get(into as usize)?)?, p.data_count),
            None => (TrpSet::default(), into, LONGEST_PERIOD),
        };
        let pattern = time_resource_pattern(set, g.sci.trp)? as u32;
        let n = set.len() as u32;
        let used_before =
            |j: u32| j / n * pattern.count_ones() + (pattern & ((1 << (j % n)) - 1)).count_ones();
        let usable = used_before(count) / 4 * 4;
        let index = used_before(j);
        (pattern >> (j % n) & 1 == 1 && index < usable).then_some((j, index))
    }

    /// The n_ssf whose reference signals are in the grid.
    fn present(&mut self, i: usize, grid: &Grid) -> Option<u8> {
        let g = &self.grants[i];
        let layout = Layout::shared(false, self.cp);
        let all = Dmrs::pssch_all(g.sci.group_destination as u16, false);
        let mut best = (0, 0.0);
        for (n_ssf, dmrs) in all.iter().enumerate() {
            let Some(prbs) = g.hopping.map_or(Some(g.prbs), |h| h.prbs(n_ssf as u8)) else { continue };
            let metric = self.presence.wide(grid, prbs.first_subcarrier(), prbs.subcarriers(), layout, dmrs);
            if metric > best.1 {
                best = (n_ssf as u8, metric);
            }
        }
        // one PRB explains a twelfth of noise on average, and the best of ten much more
        let spread = 1.0 / (best_pilots(g.prbs) as f32).sqrt();
        (best.1 > self.tuning.shared + 0.6 * spread).then_some(best.0)
    }

    /// Start of the period and number of the transmission, if subframe `k` has pool index `n_ssf` modulo 10: the earliest
    /// index that the pattern uses.
    fn anchor(&self, i: usize, k: u64, n_ssf: u8) -> Option<(i64, u32)> {
        let last = self.pool.as_ref().map_or(LONGEST_PERIOD, |p| p.pool.period);
        (0..last).find_map(|into| {
            let (j, index) = self.position(i, into)?;
            (j % 10 == n_ssf as u32).then_some((k as i64 - into as i64, index))
        })
    }

    /// Receive transmission number `index`; `true` when its block decodes.
    fn transmission(
        &mut self,
        i: usize,
        k: u64,
        n_ssf: u8,
        index: u32,
        grid: &Grid,
        near: f32,
        common: f64,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> bool {
        let g = &mut self.grants[i];
        let Some(prbs) = g.hopping.map_or(Some(g.prbs), |h| h.prbs(n_ssf)) else { return false };
        let rv = REDUNDANCY_VERSIONS[index as usize % 4];
        if g.block_index != Some(index / 4) {
            if g.process.start(g.size).is_err() {
                return false;
            }
            g.block_index = Some(index / 4);
            g.delivered = false;
        }
        let grant = Grant {
            prbs,
            mcs: g.sci.mcs,
            rv,
            n_id: g.sci.group_destination as u16,
            n_ssf,
            transmission_format: false,
        };
        let count = g.process.transmissions() as usize;
        let Ok(received) = self.shared.receive(grid, &grant, near, &mut g.process) else { return false };
        g.rv[count.min(3)] = rv;
        let out = &mut self.block[..g.size / 8];
        if self.shared.decode(&mut g.process, out).is_none() {
            return false;
        }
        emit(Event::SlSch(SharedBlock {
            subframe: k,
            rv: &g.rv[..(count + 1).min(4)],
            grant,
            information: ControlInformation::Format0(g.sci),
            block: out,
            repeat: g.delivered,
            measurement: with_common(received.measurement, common + (g.cfo_hz - near) as f64),
            evm_percent: received.evm_percent,
        }));
        g.delivered = true;
        true
    }
}

/// Why the blocks of an SCI cannot come, if so.
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
    grant.exceeds_code_rate_1(false, REDUNDANCY_VERSIONS.len()).then_some(Undelivered::CodeRate)
}

/// Correlations that the presence of an allocation is the mean of.
fn best_pilots(prbs: PrbRange) -> usize {
    2 * prbs.len
}

impl Pool {
    fn new(pool: &CommunicationPool, carrier_prbs: usize) -> Self {
        let period = pool.period as usize;
        let mut is_control = vec![false; period];
        for s in pool.control_subframes() {
            is_control[s as usize] = true;
        }
        let mut data_index = vec![None; period];
        let data = pool.data_subframes();
        for (j, &s) in data.iter().enumerate() {
            if let Some(place) = data_index.get_mut(s as usize) {
                *place = Some(j as u32);
            }
        }
        // mode 2 hops over the PRBs of the pool, mode 1 over the carrier
        let hopping_prbs = match pool.data {
            PsschSubframes::AfterControl => carrier_prbs,
            PsschSubframes::Bitmap { .. } => pool.data_prbs.list(carrier_prbs).len(),
        };
        Self {
            is_control,
            control_prbs: pool.control_prbs.list(carrier_prbs),
            data_count: data.len() as u32,
            data_index,
            hopping_prbs,
            pool: pool.clone(),
        }
    }
}
