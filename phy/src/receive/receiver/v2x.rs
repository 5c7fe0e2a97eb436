//! Modes 3 and 4: search for SCI format 1 and receive the PSSCH beside each.

mod guess;

use super::event::{ControlInformation, Event, SharedBlock};
use super::front::{Front, with_common};
use super::{Config, Tuning};
use crate::channel::layout::Layout;
use crate::channel::pssch::{self, Grant, Process, REDUNDANCY_VERSIONS_V2X};
use crate::pool::V2xPool;
use crate::receive::presence::Presence;
use crate::receive::search::{ControlSearch, Found};
use crate::sci::Format1;
use crate::sequence::dmrs::{Dmrs, References};
use crate::units::{CyclicPrefix, DfnSubframe, Modulation, PrbRange};
use guess::PoolGuess;
use std::sync::Arc;

/// Transport blocks that are waiting for their retransmission at a time.
const PROCESSES: usize = 20;

/// Subframes beyond SF_gap in which a retransmission is still taken for one: SF_gap counts subframes of the pool, which
/// leaves out synchronisation and reserved ones.
const GAP_SLACK: u64 = 2;

/// Carrier offset in Hz that may stay when a PSSCH is demodulated: 26 dB of interference for QPSK, 35 dB for more.
const TOLERANCE_QPSK: f32 = 450.0;
const TOLERANCE_QAM: f32 = 150.0;

/// n_ssf values that are tried at most when the time is not known.
const MAX_TRIES: usize = 4;

pub(super) struct V2x {
    carrier_prbs: usize,
    tuning: Tuning,
    pool: Option<Pool>,
    guess: PoolGuess,
    presence: Presence,
    search: ControlSearch,
    shared: pssch::Decoder,
    waiting: Vec<Waiting>,
    heard: Vec<Heard>,
    block: Vec<u8>,
    /// (k + offset) mod 10 was the n_ssf of what was received last.
    n_ssf_offset: Option<u8>,
}

struct Pool {
    pool: Arc<V2xPool>,
    /// Index in t^SL by subframe of DFN time.
    indices: Vec<Option<u32>>,
}

/// An SCI of the subframe at hand.
#[derive(Clone, Copy)]
struct Heard {
    prb: usize,
    bits: [u8; Format1::BITS],
    crc16: u16,
    cfo_hz: f32,
}

/// A transport block between its initial transmission and its retransmission.
struct Waiting {
    process: Process,
    /// Subframes in which the retransmission may come; empty when the slot is free.
    until: std::ops::Range<u64>,
    first_subchannel: usize,
    subchannels: usize,
    mcs: u8,
    decoded: bool,
}

impl V2x {
    pub(super) fn new(config: &Config, references: Arc<References>) -> Self {
        let numerology = config.numerology.with_cp(CyclicPrefix::Normal);
        let carrier_prbs = numerology.bandwidth().prbs();
        let pool = config.v2x.as_ref().filter(|p| p.check(carrier_prbs).is_ok());
        Self {
            carrier_prbs,
            tuning: config.tuning,
            pool: pool.map(|p| Pool { indices: p.subframe_indices(), pool: Arc::new(p.clone()) }),
            guess: PoolGuess::new(carrier_prbs),
            presence: Presence::new(carrier_prbs, references.clone()),
            search: ControlSearch::new(numerology, true, references.clone()),
            shared: pssch::Decoder::new(numerology, config.mode, references),
            waiting: (0..PROCESSES)
                .map(|_| Waiting {
                    process: Process::new(carrier_prbs),
                    until: 0..0,
                    first_subchannel: 0,
                    subchannels: 0,
                    mcs: 0,
                    decoded: false,
                })
                .collect(),
            heard: Vec::with_capacity(carrier_prbs),
            block: vec![0; pssch::max_transport_block(carrier_prbs) / 8],
            n_ssf_offset: None,
        }
    }

    pub(super) fn assumed_pool(&self) -> Option<&V2xPool> {
        self.guess.settled().map(|p| &**p)
    }

    pub(super) fn process(
        &mut self,
        k: u64,
        time: Option<DfnSubframe>,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        self.control(k, front, emit);
        for i in 0..self.heard.len() {
            let heard = self.heard[i];
            self.receive(k, time, &heard, front, emit);
        }
    }

    /// Find and decode every PSCCH of the subframe.
    fn control(&mut self, k: u64, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let common = front.common_cfo();
        let grid = front.grid(CyclicPrefix::Normal);
        self.heard.clear();
        let subchannels = self.pool.as_ref().map(|p| &p.pool).or(self.guess.settled()).map(|p| p.num);
        let heard = &mut self.heard;
        let mut report = |found: &Found| {
            let mut bits = [0; Format1::BITS];
            bits.copy_from_slice(&found.bits[..Format1::BITS]);
            emit(Event::Sci {
                subframe: k,
                prb: found.prb,
                cyclic_shift: found.cyclic_shift,
                bits: &bits,
                crc16: found.decoded.crc16,
                information: ControlInformation::Format1(
                    subchannels.and_then(|n| Format1::parse(n, &bits).ok()),
                ),
                measurement: with_common(found.decoded.measurement, common),
                evm_percent: found.decoded.evm_percent,
            });
            let cfo_hz = found.decoded.measurement.offset_hz;
            heard.push(Heard { prb: found.prb, bits, crc16: found.decoded.crc16, cfo_hz });
        };
        match &self.pool {
            Some(p) => {
                let mut places = (0..p.pool.num).map(|m| p.pool.control(m).start);
                self.search.search(grid, &mut places, &self.tuning, &mut report);
            }
            None => self.search.search(grid, &mut (0..self.carrier_prbs), &self.tuning, &mut report),
        }
    }

    /// Receive the PSSCH that an SCI announces.
    fn receive(
        &mut self,
        k: u64,
        time: Option<DfnSubframe>,
        heard: &Heard,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let known = self.pool.as_ref().map(|p| &p.pool).or(self.guess.settled());
        match known.cloned() {
            Some(pool) => {
                let index = time.and_then(|t| self.pool.as_ref()?.indices[t.count() as usize]);
                self.receive_in(k, index, heard, &pool, front, emit);
            }
            None => {
                for i in 0..self.guess.len() {
                    let pool = self.guess.candidate(i).clone();
                    if self.receive_in(k, None, heard, &pool, front, emit) {
                        self.guess.settle(i);
                        break;
                    }
                }
            }
        }
    }

    fn receive_in(
        &mut self,
        k: u64,
        index: Option<u32>,
        heard: &Heard,
        pool: &V2xPool,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> bool {
        let Some(own) = pool.control_index(heard.prb) else { return false };
        let Ok(sci) = Format1::parse(pool.num, &heard.bits) else { return false };
        let Ok((other, subchannels)) = sci.allocation(pool.num) else { return false };
        let Some(prbs) = pool.data(own, subchannels) else { return false };
        let rv = REDUNDANCY_VERSIONS_V2X[sci.retransmission as usize];
        let mut grant = Grant {
            prbs,
            mcs: sci.mcs,
            rv,
            n_id: heard.crc16,
            n_ssf: 0,
            transmission_format: sci.transmission_format,
        };
        let Ok((modulation, size)) = grant.size(true) else { return false };
        let tolerance = if modulation == Modulation::Qpsk { TOLERANCE_QPSK } else { TOLERANCE_QAM };
        let common = front.common_cfo();
        let (grid, near) = front.grid_for(CyclicPrefix::Normal, heard.cfo_hz, tolerance, prbs);

        let slot = self.slot(k, &sci, own, subchannels);
        let combined = sci.retransmission && self.waiting[slot].process.transmissions() > 0;
        if !combined {
            if self.waiting[slot].process.start(size).is_err() {
                return false;
            }
            self.waiting[slot].decoded = false;
        }
        let mut tries = [0u8; MAX_TRIES];
        let known = index.map(|i| (i % 10) as u8);
        let count = self.n_ssf_candidates(k, known, grid, &grant, prbs, &mut tries);
        let mut delivered = false;
        for (attempt, &n_ssf) in tries[..count].iter().enumerate() {
            grant.n_ssf = n_ssf;
            let waiting = &mut self.waiting[slot];
            if attempt > 0 {
                // what the wrong n_ssf has added is noise: start again, without the earlier transmission
                if waiting.process.start(size).is_err() {
                    break;
                }
            }
            let Ok(received) = self.shared.receive(grid, &grant, near, &mut waiting.process) else { break };
            let out = &mut self.block[..size / 8];
            if self.shared.decode(&mut waiting.process, out).is_none() {
                continue;
            }
            let both = [REDUNDANCY_VERSIONS_V2X[0], rv];
            emit(Event::SlSch(SharedBlock {
                subframe: k,
                rv: if combined && attempt == 0 { &both } else { std::slice::from_ref(&rv) },
                grant,
                information: ControlInformation::Format1(Some(sci)),
                block: out,
                repeat: combined && waiting.decoded,
                measurement: with_common(received.measurement, common + (heard.cfo_hz - near) as f64),
                evm_percent: received.evm_percent,
            }));
            waiting.decoded = true;
            delivered = true;
            self.n_ssf_offset = Some(((n_ssf as u64 + 10 - k % 10) % 10) as u8);
            break;
        }
        let waiting = &mut self.waiting[slot];
        if sci.retransmission || sci.time_gap == 0 {
            waiting.until = 0..0;
        } else {
            let due = k + sci.time_gap as u64;
            waiting.until = due..due + GAP_SLACK + 1;
            waiting.first_subchannel = other;
            waiting.subchannels = subchannels;
            waiting.mcs = sci.mcs;
        }
        delivered
    }

    /// The slot of the transport block that a retransmission belongs to, else a free one, else the oldest.
    fn slot(&mut self, k: u64, sci: &Format1, own: usize, subchannels: usize) -> usize {
        if sci.retransmission {
            let matches = |w: &Waiting| {
                w.until.contains(&k)
                    && w.first_subchannel == own
                    && w.subchannels == subchannels
                    && w.mcs == sci.mcs
            };
            if let Some(slot) = self.waiting.iter().position(matches) {
                return slot;
            }
        }
        let slot = (0..PROCESSES).min_by_key(|&i| self.waiting[i].until.end).unwrap_or(0);
        // a slot that is given away has no transmissions of the new block
        let size = self.waiting[slot].process.bits();
        if size > 0 {
            let _ = self.waiting[slot].process.start(size);
        }
        slot
    }

    /// Values of n_ssf in the order in which to try them: the one that time tells, then what the DMRS look like.
    fn n_ssf_candidates(
        &mut self,
        k: u64,
        known: Option<u8>,
        grid: &crate::grid::Grid,
        grant: &Grant,
        prbs: PrbRange,
        out: &mut [u8; MAX_TRIES],
    ) -> usize {
        let layout = Layout::shared(true, CyclicPrefix::Normal);
        let likely = known.or(self.n_ssf_offset.map(|o| ((k + o as u64) % 10) as u8));
        let all = Dmrs::pssch_all(grant.n_id, true);
        let mut metrics = [0.0f32; 10];
        let (first, m_sc) = (prbs.first_subcarrier(), prbs.subcarriers());
        if let Some(n) = likely {
            let metric = self.presence.wide(grid, first, m_sc, layout, &all[n as usize]);
            if metric > 0.5 {
                out[0] = n;
                return 1;
            }
        }
        for (metric, dmrs) in metrics.iter_mut().zip(&all) {
            *metric = self.presence.wide(grid, first, m_sc, layout, dmrs);
        }
        if let Some(n) = likely {
            // time outweighs a presence that differs by noise only
            metrics[n as usize] = metrics[n as usize] * 1.5 + 0.05;
        }
        let best = metrics.iter().copied().fold(0.0, f32::max);
        if best < self.tuning.shared {
            return 0;
        }
        let mut count = 0;
        while count < MAX_TRIES {
            let Some(n) = (0..10).max_by(|&a, &b| metrics[a].total_cmp(&metrics[b])) else { break };
            if metrics[n] < 0.6 * best {
                break;
            }
            out[count] = n as u8;
            metrics[n] = -1.0;
            count += 1;
        }
        count
    }
}
