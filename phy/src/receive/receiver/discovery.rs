//! PSDCH: every resource of the discovery pool, transmissions combined; without a pool every pair of PRBs.
//!
//! ```text
//! collide.rs    what decoded messages hid
//! schedule.rs   a pool, laid out by subframe in the period
//! waiting.rs    transmissions that wait for the presence of the next ones
//! learning.rs   learning a pool that was not configured: accepted, used, dropped
//! ```

mod collide;
mod learning;
mod schedule;
mod waiting;

use super::event::Event;
use super::front::{Front, with_common};
use super::{Config, DiscoveryPlace};
use crate::channel::layout::Layout;
use crate::channel::psdch::{self, MESSAGE_BYTES, Process, REDUNDANCY_VERSIONS};
use crate::grid::Grid;
use crate::pool::into_period;
use crate::receive::cancel::{Canceller, Explained, may_hide};
use crate::receive::estimate::Measurement;
use crate::receive::learn::Learnt;
use crate::receive::presence::Presence;
use crate::sequence::dmrs::{Dmrs, References};
use crate::units::{CyclicPrefix, DfnSubframe, Hertz, PrbRange, SidelinkMode};
use collide::Decoded;
use learning::Learning;
use schedule::{Schedule, Slot};
use std::sync::Arc;

pub(super) struct Discovery {
    cp: CyclicPrefix,
    carrier_prbs: usize,
    threshold: f32,
    max_cfo: Hertz,
    rv: [u8; 4],
    presence: Presence,
    decoder: psdch::Decoder,
    told: Option<Schedule>,
    learning: Learning,
    /// The accepted pool.
    learnt: Schedule,
    blind: Process,
    /// Where transmissions that waited are received.
    again: Vec<Grid>,
    canceller: Canceller<psdch::Encoder>,
    /// Messages of the present subframe that may hide others.
    decoded: Vec<Decoded>,
}

/// Turns in radians by which the reference signals of another may be off, as they are tried.
const TURNS: [f32; 3] = [0.0, 0.6, -0.6];

/// Times that the data are decided and the channel is estimated by them before a decode.
const DECISIONS: usize = 3;

/// The pool by which a subframe is received.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Told,
    Learnt,
}

impl Discovery {
    /// Makes a receiver for a pool, or for all PRBs if none is known.
    pub(super) fn new(config: &Config, place: Option<&DiscoveryPlace>, references: Arc<References>) -> Self {
        let cp = place.map_or(config.numerology.cp(), |p| p.cp);
        let numerology = config.numerology.with_cp(cp);
        let size = (config.antennas.count(), numerology.symbols());
        let carrier_prbs = numerology.bandwidth().prbs();
        Self {
            cp,
            carrier_prbs,
            threshold: config.tuning.discovery,
            max_cfo: config.tuning.max_cfo,
            rv: config.discovery_rv,
            presence: Presence::new(carrier_prbs, references.clone()),
            canceller: Canceller::of_discovery(numerology, references.clone(), config.antennas),
            decoded: Vec::with_capacity(carrier_prbs),
            decoder: psdch::Decoder::new(numerology, references, config.antennas),
            told: place.map(|p| Schedule::told(&p.pool, carrier_prbs, size)),
            learning: Learning::new(carrier_prbs),
            learnt: Schedule::empty(carrier_prbs, size),
            blind: Process::new(),
            again: (0..config.antennas.count()).map(|_| Grid::new(numerology)).collect(),
        }
    }

    /// Returns the learnt pool, if none was configured. Allocates.
    pub(super) fn learnt(&mut self) -> Option<Learnt<DiscoveryPlace>> {
        let Learnt { pool, evidence } = self.learning.learnt().filter(|_| self.told.is_none())?;
        Some(Learnt { pool: DiscoveryPlace { pool, cp: self.cp }, evidence })
    }

    pub(super) fn process(
        &mut self,
        k: u64,
        time: Option<DfnSubframe>,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        if let (Some(pool), Some(time)) = (&self.told, time) {
            let Some(into) = into_period(pool.offset, pool.period, time.count()) else { return };
            return self.scheduled(k, By::Told, into as usize, front, emit);
        }
        self.learning.set_time(k, time);
        if let Some(fit) = self.learning.judge(k) {
            self.learnt.learn(&fit, self.carrier_prbs);
        }
        let phase = self.learning.phase(k);
        if let Some(into) = phase {
            self.scheduled(k, By::Learnt, into, front, emit);
        }
        if self.learning.is_audited(k) {
            self.search(k, phase, front, emit);
        }
    }

    // TS 36.213 §14.3.2
    fn scheduled(&mut self, k: u64, by: By, into: usize, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let Self { told, learnt, learning, decoded, .. } = self;
        let schedule = match (by, told) {
            (By::Told, Some(told)) => told,
            _ => learnt,
        };
        let Some(Some(l)) = schedule.index.get(into) else { return };
        // TS 36.321 §5.15.2.1.1
        let j = *l as usize % schedule.transmissions;
        // do not wait for j = 0: that subframe may have been lost, or the UE transmitted in it
        let group = Some((k as i64 - into as i64, *l / schedule.transmissions as u32));
        if schedule.group != group {
            schedule.group = group;
            schedule.slots.iter_mut().chain(&mut schedule.below).for_each(Slot::clear);
        }
        let since_first = into as u32 - schedule.subframes[*l as usize - j];
        let now = Now { k, j, since_first, common: front.common_cfo(), layer: 0 };
        let grids = front.grid(self.cp);
        let mut chain = Chain {
            presence: &mut self.presence,
            decoder: &mut self.decoder,
            canceller: &mut self.canceller,
            alone: &mut self.blind,
            again: &mut self.again,
            layout: Layout::shared(SidelinkMode::D2d, self.cp),
            threshold: self.threshold,
            max_cfo: self.max_cfo,
            // TS 36.321 §5.15.2.1.2 (1)
            rv: self.rv[j % 4],
        };
        decoded.clear();
        for (a, slot) in schedule.slots.iter_mut().take(schedule.resources).enumerate() {
            let Some(prb) = schedule.prbs[a * schedule.transmissions + j] else { continue };
            let mut message = [0; MESSAGE_BYTES];
            let Some(received) = chain.receive(slot, grids, prb, &mut message) else { continue };
            report(slot, learning, &now, (prb, &message, &received), emit);
            let place = PrbRange { start: prb, len: psdch::PRBS };
            if may_hide(&received.measurement, Explained::ByNoise, received.excess, place, grids) {
                decoded.push(Decoded { a, prb, rv: chain.rv, message, measurement: received.measurement });
            }
        }
        if !self.decoded.is_empty() {
            self.scheduled_below(by, now, front, emit);
        }
    }

    /// Decodes each pair of PRBs alone: without the pool it is unknown before decoding which transmissions belong
    /// together. The resources of the accepted pool in subframe `phase` of its period are left out.
    fn search(&mut self, k: u64, phase: Option<usize>, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let now = Now { k, j: 0, since_first: 0, common: front.common_cfo(), layer: 0 };
        let mut taken = 0;
        self.decoded.clear();
        for prb in 0..self.carrier_prbs.saturating_sub(1) {
            if prb >= taken && self.search_at(prb, phase, &now, front, emit) {
                taken = prb + psdch::PRBS;
            }
        }
        if !self.decoded.is_empty() {
            self.search_below(phase, now, front, emit);
        }
    }

    /// Searches one pair of PRBs. Returns whether a message was there.
    fn search_at(
        &mut self,
        prb: usize,
        phase: Option<usize>,
        now: &Now,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> bool {
        let layout = Layout::shared(SidelinkMode::D2d, self.cp);
        let dmrs = Dmrs::pscch_or_psdch();
        let grids = front.grid(self.cp);
        if self.presence.narrow(grids, 12 * prb, 12 * psdch::PRBS, layout, &dmrs) < 2.0 * self.threshold {
            return false;
        }
        let Some(received) = self.decoder.receive(grids, prb, Hertz(0.0)) else { return false };
        for rv in REDUNDANCY_VERSIONS {
            self.blind.reset();
            self.decoder.combine(&mut self.blind, rv);
            let mut message = [0; MESSAGE_BYTES];
            if !decode(&mut self.decoder, &mut self.blind, &mut message) {
                continue;
            }
            let is_known = |d: &Decoded| d.prb == prb && d.message == message;
            if now.layer > 0 && self.decoded.iter().any(is_known) {
                return false;
            }
            let place = PrbRange { start: prb, len: psdch::PRBS };
            let measurement = received.measurement;
            if now.layer == 0 && may_hide(&measurement, Explained::ByNoise, received.excess, place, grids) {
                self.decoded.push(Decoded { a: 0, prb, rv, message, measurement });
            }
            let transmission = self.rv.iter().position(|&v| v == rv).unwrap_or(0);
            if phase.is_some_and(|into| self.learnt.has(into, prb, transmission)) {
                return true;
            }
            let is_new = self.learning.outside(now.k, &message, transmission as u8, prb);
            emit(Event::SlDch {
                subframe: now.k,
                since_first: 0,
                rv: &[rv],
                prb_start: prb,
                message: &message,
                repeat: !is_new,
                measurement: with_common(Measurement { layer: now.layer, ..measurement }, now.common),
                evm_percent: received.evm_percent,
            });
            return true;
        }
        false
    }
}

/// The present subframe.
#[derive(Clone, Copy)]
struct Now {
    k: u64,
    /// Number of the transmission.
    j: usize,
    since_first: u32,
    common: Hertz,
    /// Messages that were subtracted before.
    layer: u8,
}

/// Receiver of the transmissions of a subframe.
struct Chain<'a> {
    presence: &'a mut Presence,
    decoder: &'a mut psdch::Decoder,
    canceller: &'a mut Canceller<psdch::Encoder>,
    /// For a transmission by itself.
    alone: &'a mut Process,
    /// Where transmissions that waited are received.
    again: &'a mut [Grid],
    layout: Layout,
    threshold: f32,
    max_cfo: Hertz,
    rv: u8,
}

impl Chain<'_> {
    /// Adds the transmission at `prb` to a slot; returns it if its message decodes.
    fn receive(
        &mut self,
        slot: &mut Slot,
        grids: &[Grid],
        prb: usize,
        message: &mut [u8; MESSAGE_BYTES],
    ) -> Option<psdch::Received> {
        let dmrs = Dmrs::pscch_or_psdch();
        slot.presence += self.presence.narrow(grids, 12 * prb, 12 * psdch::PRBS, self.layout, &dmrs);
        slot.rv[slot.count] = self.rv;
        slot.count += 1;
        // Most resources are empty: soft bits are worth their time only where enough presence has come together.
        if slot.presence < self.threshold * (slot.count as f32).sqrt() {
            slot.waiting.keep(grids, prb, self.rv);
            return None;
        }
        let sides = &mut slot.sides;
        for i in 0..slot.waiting.count() {
            let (prb, rv) = slot.waiting.restore(i, self.again);
            let _ = self.decoder.receive_both(self.again, prb, rv, self.max_cfo, sides);
        }
        slot.waiting.clear();
        let received = self.decoder.receive_both(grids, prb, self.rv, self.max_cfo, sides)?;
        if slot.sides.iter_mut().any(|side| decode(self.decoder, side, message)) {
            return Some(received);
        }
        self.receive_again(received, grids, prb, message)
    }

    /// Receives a transmission that did not decode once more, with the channel that its data give where they were decided
    /// right: the reference signals of another at the same place spoil the first one.
    fn receive_again(
        &mut self,
        first: psdch::Received,
        grids: &[Grid],
        prb: usize,
        message: &mut [u8; MESSAGE_BYTES],
    ) -> Option<psdch::Received> {
        let place = PrbRange { start: prb, len: psdch::PRBS };
        if !may_hide(&first.measurement, Explained::ByNoise, first.excess, place, grids) {
            return None;
        }
        for (i, turn) in TURNS.into_iter().enumerate() {
            let mut received = match i {
                0 => first,
                _ => self.decoder.receive(grids, prb, first.measurement.cfo)?,
            };
            for step in 0..DECISIONS {
                let turn = if step == 0 { turn } else { 0.0 };
                let replica =
                    self.canceller.channel((self.decoder, turn), prb, &received.measurement, grids)?;
                received = self.decoder.receive_known(grids, replica)?;
            }
            self.alone.reset();
            self.decoder.combine(self.alone, self.rv);
            if decode(self.decoder, self.alone, message) {
                return Some(received);
            }
        }
        None
    }
}

/// Reports the message of a slot.
fn report(
    slot: &mut Slot,
    learning: &mut Learning,
    now: &Now,
    (prb, message, received): (usize, &[u8; MESSAGE_BYTES], &psdch::Received),
    emit: &mut dyn FnMut(Event<'_>),
) {
    slot.places[now.j % 4] = Some(prb);
    let first = now.k.saturating_sub(now.since_first as u64);
    if !slot.delivered {
        slot.delivered = !learning.inside((first, now.k), message, now.j as u8, slot.places);
    }
    emit(Event::SlDch {
        subframe: now.k,
        since_first: now.since_first,
        rv: &slot.rv[..slot.count],
        prb_start: prb,
        message,
        repeat: slot.delivered,
        measurement: with_common(Measurement { layer: now.layer, ..received.measurement }, now.common),
        evm_percent: received.evm_percent,
    });
    slot.delivered = true;
}

/// Decodes, and refuses the all-zero message: its CRC always holds, which is no evidence.
fn decode(decoder: &mut psdch::Decoder, process: &mut Process, message: &mut [u8; MESSAGE_BYTES]) -> bool {
    decoder.decode(process, message).is_some() && message.iter().any(|&b| b != 0)
}

#[cfg(test)]
mod tests {
    use super::super::Receiver;
    use super::*;
    use crate::Sample;
    use crate::impair::awgn::Awgn;
    use crate::numerology::Numerology;
    use crate::pool::{DiscoveryPool, PoolPrbs};
    use crate::units::{Bandwidth, CyclicPrefix, TransmissionMode};

    /// A UE that transmits receives nothing in that subframe, and one that is too slow skips some: whichever
    /// transmissions of a message are missing, those of another are never combined with it.
    #[test]
    // TS 36.321 §5.15.2.1.1
    fn subframes_may_be_missing() {
        let numerology = Numerology::standard(Bandwidth::Prb6, CyclicPrefix::Normal);
        let pool = DiscoveryPool {
            period: 40,
            offset: 0,
            bitmap: vec![true; 8],
            repetitions: 2,
            transmissions: 4,
            prbs: PoolPrbs::whole(6),
        };
        let mut config = Config::new(numerology, TransmissionMode::Tm2);
        config.discovery = vec![DiscoveryPlace { pool, cp: CyclicPrefix::Normal }];
        let mut receiver = Receiver::new(config);
        receiver.set_time(0, DfnSubframe::from_count(0));
        let mut samples = vec![Sample::default(); numerology.subframe_samples()];
        Awgn::new(1.0, 3).process(&mut samples);
        for k in (0..4000).filter(|k| k % 4 != 0) {
            let mut heard = 0;
            receiver.process(k, &samples, &mut |event| {
                heard += usize::from(matches!(event, Event::SlDch { .. }))
            });
            assert_eq!(heard, 0);
        }
    }

    /// Messages so weak that one transmission is neither noticed nor decoded: of those that arrive, most have
    /// transmissions that waited for the presence of later ones.
    #[test]
    // TS 36.321 §5.15.2.1.2 (1)
    fn transmissions_that_waited_are_combined() {
        let numerology = Numerology::standard(Bandwidth::Prb6, CyclicPrefix::Normal);
        let pool = DiscoveryPool {
            period: 40,
            offset: 0,
            bitmap: vec![true; 8],
            repetitions: 1,
            transmissions: 4,
            prbs: PoolPrbs::whole(6),
        };
        let mut config = Config::new(numerology, TransmissionMode::Tm2);
        config.discovery = vec![DiscoveryPlace { pool, cp: CyclicPrefix::Normal }];
        config.tuning.discovery = 0.25;
        let mut receiver = Receiver::new(config.clone());
        receiver.set_time(0, DfnSubframe::from_count(0));
        let schedule = Schedule::told(&config.discovery[0].pool, 6, (1, 14));
        let mut encoder = psdch::Encoder::new(numerology, Arc::new(References::new(6)));
        let mut modulator = crate::sc_fdma::Modulator::new(numerology);
        let mut grid = Grid::new(numerology);
        let mut samples = vec![Sample::default(); numerology.subframe_samples()];
        let mut noise = Awgn::new(1.0, 8);
        let message: [u8; MESSAGE_BYTES] = std::array::from_fn(|i| i as u8 + 1);
        // -1 dB a resource element: psdch decodes four transmissions, and hardly one
        let power = 72.0 / 128.0 * crate::units::Decibel(-1.0).power_ratio();
        let amplitude = power.sqrt() as f32;
        let mut counts = [0; 5];
        for period in 0..40 {
            for j in 0..4 {
                let prb = schedule.prbs[j].unwrap();
                grid.clear();
                let rv = REDUNDANCY_VERSIONS[j];
                encoder.encode(&message, rv, prb, amplitude, &mut grid).unwrap();
                modulator.modulate(&grid, &mut samples);
                noise.process(&mut samples);
                receiver.process(40 * period + j as u64, &samples, &mut |event| {
                    if let Event::SlDch { rv, message: heard, repeat: false, .. } = event {
                        assert_eq!(*heard, message);
                        counts[rv.len()] += 1;
                    }
                });
            }
        }
        assert!(counts[1] < 5, "{counts:?}");
        assert!(counts[1..].iter().sum::<u32>() >= 36, "{counts:?}");
    }
}
