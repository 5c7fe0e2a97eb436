//! PSDCH: every resource of the discovery pool, transmissions combined; without a pool every pair of PRBs.

use super::event::Event;
use super::front::{Front, with_common};
use super::{Config, DiscoveryPlace};
use crate::channel::layout::Layout;
use crate::channel::psdch::{self, MESSAGE_BYTES, Process, REDUNDANCY_VERSIONS};
use crate::pool::DiscoveryPool;
use crate::receive::presence::Presence;
use crate::sequence::dmrs::{Dmrs, References};
use crate::units::{CyclicPrefix, DfnSubframe};
use std::sync::Arc;

pub(super) struct Discovery {
    cp: CyclicPrefix,
    carrier_prbs: usize,
    threshold: f32,
    max_cfo: f32,
    rv: [u8; 4],
    presence: Presence,
    decoder: psdch::Decoder,
    schedule: Option<Schedule>,
    blind: Process,
}

/// The pool, laid out by subframe.
struct Schedule {
    pool: DiscoveryPool,
    /// Index l of the pool subframe, by subframe in the period.
    index: Vec<Option<u32>>,
    /// The other way round.
    subframes: Vec<u32>,
    transmissions: usize,
    /// First PRB of the transmission j of the resources with a_1 = a, by `a * transmissions + j`.
    prbs: Vec<Option<usize>>,
    /// One resource in frequency each.
    slots: Vec<Slot>,
    /// Capture subframe at which the period began, and the group of transmissions in it, that the slots hold.
    group: Option<(i64, u32)>,
}

struct Slot {
    /// Soft bits, resolved to an offset on either side of zero where the reference signals allow both.
    sides: [Process; 2],
    rv: [u8; 4],
    count: usize,
    presence: f32,
    delivered: bool,
}

impl Discovery {
    /// For a pool, or for all PRBs where none is known.
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
            decoder: psdch::Decoder::new(numerology, references),
            schedule: place.map(|p| Schedule::new(&p.pool, carrier_prbs)),
            blind: Process::new(),
        }
    }

    pub(super) fn process(
        &mut self,
        k: u64,
        time: Option<DfnSubframe>,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        match (self.schedule.is_some(), time) {
            (true, Some(time)) => self.scheduled(k, time, front, emit),
            // the pool is known but not the time: the PRBs still are
            _ => self.search(k, front, emit),
        }
    }

    fn scheduled(&mut self, k: u64, time: DfnSubframe, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let Some(schedule) = &mut self.schedule else { return };
        let Some(start) = schedule.pool.period_start(time.count()) else { return };
        let into = (time.count() - start) as usize;
        let Some(Some(l)) = schedule.index.get(into) else { return };
        let j = *l as usize % schedule.transmissions;
        let since_first = into as u32 - schedule.subframes[*l as usize - j];
        // not at j = 0: that subframe may have been lost, or spent sending
        let group = Some((k as i64 - into as i64, *l / schedule.transmissions as u32));
        if schedule.group != group {
            schedule.group = group;
            schedule.slots.iter_mut().for_each(Slot::clear);
        }
        let layout = Layout::shared(false, self.cp);
        let dmrs = Dmrs::pscch_or_psdch();
        let common = front.common_cfo();
        let grid = front.grid(self.cp);
        for (a, slot) in schedule.slots.iter_mut().enumerate() {
            let Some(prb) = schedule.prbs[a * schedule.transmissions + j] else { continue };
            slot.presence += self.presence.narrow(grid, 12 * prb, 12 * psdch::PRBS, layout, &dmrs);
            slot.rv[slot.count] = self.rv[j % 4];
            slot.count += 1;
            let rv = slot.rv[slot.count - 1];
            let received = self.decoder.receive_both_sides(grid, prb, rv, self.max_cfo, &mut slot.sides);
            let Some(received) = received else { continue };
            if slot.presence < self.threshold * (slot.count as f32).sqrt() {
                continue;
            }
            let mut message = [0; MESSAGE_BYTES];
            let sides = slot.sides.iter_mut();
            if sides.into_iter().any(|side| decode(&mut self.decoder, side, &mut message)) {
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
    }

    /// Each pair of PRBs alone: without the pool it is not known which transmissions belong together.
    fn search(&mut self, k: u64, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let layout = Layout::shared(false, self.cp);
        let dmrs = Dmrs::pscch_or_psdch();
        let common = front.common_cfo();
        let grid = front.grid(self.cp);
        let mut taken = 0;
        for prb in 0..self.carrier_prbs.saturating_sub(1) {
            if prb < taken {
                continue;
            }
            if self.presence.narrow(grid, 12 * prb, 12 * psdch::PRBS, layout, &dmrs) < 2.0 * self.threshold {
                continue;
            }
            let Some(received) = self.decoder.receive(grid, prb, 0.0) else { continue };
            for rv in REDUNDANCY_VERSIONS {
                self.blind.reset();
                self.decoder.combine(&mut self.blind, rv);
                let mut message = [0; MESSAGE_BYTES];
                if !decode(&mut self.decoder, &mut self.blind, &mut message) {
                    continue;
                }
                emit(Event::SlDch {
                    subframe: k,
                    since_first: 0,
                    rv: &[rv],
                    prb_start: prb,
                    message: &message,
                    repeat: false,
                    measurement: with_common(received.measurement, common),
                    evm_percent: received.evm_percent,
                });
                taken = prb + psdch::PRBS;
                break;
            }
        }
    }
}

/// Decode, and refuse the all-zero message: its CRC always holds, so it is no evidence of anything.
fn decode(decoder: &mut psdch::Decoder, process: &mut Process, message: &mut [u8; MESSAGE_BYTES]) -> bool {
    decoder.decode(process, message).is_some() && message.iter().any(|&b| b != 0)
}

impl Schedule {
    fn new(pool: &DiscoveryPool, carrier_prbs: usize) -> Self {
        let mut index = vec![None; pool.period as usize];
        let n_tx = pool.transmissions.clamp(1, 4) as usize;
        let usable = pool.n_t() * n_tx;
        let subframes: Vec<u32> = pool.subframes().into_iter().take(usable).collect();
        for (l, s) in subframes.iter().enumerate() {
            index[*s as usize] = Some(l as u32);
        }
        let n_f = pool.n_f(carrier_prbs);
        let mut prbs = Vec::with_capacity(n_f * n_tx);
        for a in 0..n_f {
            let places = pool.type2b(carrier_prbs, (a as u32, 0));
            prbs.extend(
                (0..n_tx).map(|j| places.as_ref().and_then(|p| p.get(j)).map(|&(_, range)| range.start)),
            );
        }
        let slots = (0..n_f).map(|_| Slot::new()).collect();
        Self { pool: pool.clone(), index, subframes, transmissions: n_tx, prbs, slots, group: None }
    }
}

impl Slot {
    fn new() -> Self {
        Self {
            sides: [Process::new(), Process::new()],
            rv: [0; 4],
            count: 0,
            presence: 0.0,
            delivered: false,
        }
    }

    fn clear(&mut self) {
        self.sides.iter_mut().for_each(Process::reset);
        self.count = 0;
        self.presence = 0.0;
        self.delivered = false;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Receiver;
    use super::*;
    use crate::Sample;
    use crate::impair::awgn::Awgn;
    use crate::numerology::Numerology;
    use crate::pool::PoolPrbs;
    use crate::units::{Bandwidth, CyclicPrefix, TransmissionMode};

    /// A UE that sends hears nothing in that subframe, and one that is too slow leaves some out: whichever transmissions of a
    /// message are missing, those of another are never combined with it.
    #[test]
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
}
