//! PSDCH: every resource of the discovery pool, transmissions combined; without a pool every pair of PRBs.
//!
//! ```text
//! schedule.rs   a pool, laid out by subframe in the period
//! learning.rs   learning a pool that was not configured: accepted, used, dropped
//! ```

mod learning;
mod schedule;

use super::event::Event;
use super::front::{Front, with_common};
use super::{Config, DiscoveryPlace};
use crate::channel::layout::Layout;
use crate::channel::psdch::{self, MESSAGE_BYTES, Process, REDUNDANCY_VERSIONS};
use crate::grid::Grid;
use crate::pool::into_period;
use crate::receive::learn::Learnt;
use crate::receive::presence::Presence;
use crate::sequence::dmrs::{Dmrs, References};
use crate::units::{CyclicPrefix, DfnSubframe, Hertz, SidelinkMode};
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
    /// By [`By`] and transmission j, the subframes of a group in which some resource has too little presence to be worth
    /// its soft bits yet: where the next transmission brings enough, they are still there.
    kept: [[Vec<Grid>; 4]; 2],
}

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
        let carrier_prbs = numerology.bandwidth().prbs();
        Self {
            cp,
            carrier_prbs,
            threshold: config.tuning.discovery,
            max_cfo: config.tuning.max_cfo,
            rv: config.discovery_rv,
            presence: Presence::new(carrier_prbs, references.clone()),
            decoder: psdch::Decoder::new(numerology, references, config.antennas),
            told: place.map(|p| Schedule::told(&p.pool, carrier_prbs)),
            learning: Learning::new(carrier_prbs),
            learnt: Schedule::empty(carrier_prbs),
            blind: Process::new(),
            kept: std::array::from_fn(|_| {
                std::array::from_fn(|_| (0..config.antennas.count()).map(|_| Grid::new(numerology)).collect())
            }),
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
        let Self { told, learnt, learning, .. } = self;
        let schedule = match (by, told) {
            (By::Told, Some(told)) => told,
            _ => learnt,
        };
        let Some(Some(l)) = schedule.index.get(into) else { return };
        // TS 36.321 §5.15.2.1.1
        let j = *l as usize % schedule.transmissions;
        let since_first = into as u32 - schedule.subframes[*l as usize - j];
        // do not wait for j = 0: that subframe may have been lost, or the UE transmitted in it
        let group = Some((k as i64 - into as i64, *l / schedule.transmissions as u32));
        if schedule.group != group {
            schedule.group = group;
            schedule.slots.iter_mut().for_each(Slot::clear);
        }
        let layout = Layout::shared(SidelinkMode::D2d, self.cp);
        let dmrs = Dmrs::pscch_or_psdch();
        let common = front.common_cfo();
        let grids = front.grid(self.cp);
        let mut waiting = false;
        for (a, slot) in schedule.slots.iter_mut().take(schedule.resources).enumerate() {
            let Some(prb) = schedule.prbs[a * schedule.transmissions + j] else { continue };
            slot.presence += self.presence.narrow(grids, 12 * prb, 12 * psdch::PRBS, layout, &dmrs);
            // TS 36.321 §5.15.2.1.2 (1)
            slot.rv[slot.count] = self.rv[j % 4];
            slot.heard[slot.count] = (j % 4, prb);
            slot.count += 1;
            if slot.presence < self.threshold * (slot.count as f32).sqrt() {
                waiting = true;
                continue;
            }
            let mut received = None;
            for i in slot.combined..slot.count {
                let (of, prb) = slot.heard[i];
                let grids = if i + 1 == slot.count { grids } else { &self.kept[by as usize][of] };
                let (rv, sides) = (slot.rv[i], &mut slot.sides);
                received = self.decoder.receive_both_sides(grids, prb, rv, self.max_cfo, sides);
            }
            slot.combined = slot.count;
            let Some(received) = received else { continue };
            let mut message = [0; MESSAGE_BYTES];
            let sides = slot.sides.iter_mut();
            if sides.into_iter().any(|side| decode(&mut self.decoder, side, &mut message)) {
                slot.places[j % 4] = Some(prb);
                let first = k.saturating_sub(since_first as u64);
                if !slot.delivered {
                    slot.delivered = !learning.inside((first, k), &message, j as u8, slot.places);
                }
                emit(Event::SlDch {
                    subframe: k,
                    since_first,
                    rv: &slot.rv[..slot.count],
                    prb_start: prb,
                    message: &message,
                    repeat: slot.delivered,
                    measurement: with_common(received.measurement, common),
                    evm_percent: received.evm_percent,
                });
                slot.delivered = true;
            }
        }
        if waiting && j + 1 < schedule.transmissions {
            for (kept, grid) in self.kept[by as usize][j % 4].iter_mut().zip(grids) {
                kept.copy_from(grid);
            }
        }
    }

    /// Decodes each pair of PRBs alone: without the pool it is unknown before decoding which transmissions belong
    /// together. The resources of the accepted pool in subframe `phase` of its period are left out.
    fn search(&mut self, k: u64, phase: Option<usize>, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let layout = Layout::shared(SidelinkMode::D2d, self.cp);
        let dmrs = Dmrs::pscch_or_psdch();
        let common = front.common_cfo();
        let grids = front.grid(self.cp);
        let mut taken = 0;
        for prb in 0..self.carrier_prbs.saturating_sub(1) {
            if prb < taken {
                continue;
            }
            if self.presence.narrow(grids, 12 * prb, 12 * psdch::PRBS, layout, &dmrs) < 2.0 * self.threshold {
                continue;
            }
            let Some(received) = self.decoder.receive(grids, prb, Hertz(0.0)) else { continue };
            for rv in REDUNDANCY_VERSIONS {
                self.blind.reset();
                self.decoder.combine(&mut self.blind, rv);
                let mut message = [0; MESSAGE_BYTES];
                if !decode(&mut self.decoder, &mut self.blind, &mut message) {
                    continue;
                }
                taken = prb + psdch::PRBS;
                let transmission = self.rv.iter().position(|&v| v == rv).unwrap_or(0);
                if phase.is_some_and(|into| self.learnt.has(into, prb, transmission)) {
                    break;
                }
                let is_new = self.learning.outside(k, &message, transmission as u8, prb);
                emit(Event::SlDch {
                    subframe: k,
                    since_first: 0,
                    rv: &[rv],
                    prb_start: prb,
                    message: &message,
                    repeat: !is_new,
                    measurement: with_common(received.measurement, common),
                    evm_percent: received.evm_percent,
                });
                break;
            }
        }
    }
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
        let schedule = Schedule::told(&config.discovery[0].pool, 6);
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
