//! What a UE sends in which subframe: synchronisation, discovery, communication, in this order of right of way.

mod communication;
mod discovery;
mod mode4;
mod spare;

pub use communication::{Communication, CommunicationSettings};
pub use discovery::{Discovery, DiscoverySettings};
pub use mode4::{Mode4Communication, Mode4Settings};

use self::spare::Spare;
use super::event::Tell;
use super::stack::Stack;
use super::sync::Sync;
use crate::air_rng::PlannerRngs;
use crate::clock::Clock;
use crate::mapping::transmit::{Content, Transmission};
use crate::mapping::{self, Mode4};
use sidelink_phy::numerology::Numerology;
use sidelink_phy::receive::receiver::{ControlInformation, Receiver};
use sidelink_phy::units::{CyclicPrefix, TransmissionMode};
use std::ops::Range;

/// Plans every subframe once, in their order, or leaves it out.
pub struct Planner {
    numerology: Numerology,
    mode: TransmissionMode,
    sync_cp: CyclicPrefix,
    discovery: Vec<Discovery>,
    communication: Vec<Communication>,
    mode4: Option<Mode4Communication>,
    air_rng: PlannerRngs,
    used: Vec<Range<usize>>,
    spare: Spare,
}

impl Planner {
    /// With its pools.
    pub fn new(
        numerology: Numerology,
        mode: TransmissionMode,
        sync_cp: CyclicPrefix,
        discovery: Vec<Discovery>,
        communication: Vec<Communication>,
        mode4: Option<Mode4Communication>,
        air_rng: PlannerRngs,
    ) -> Self {
        let spare = Spare::new(numerology);
        let used = Vec::with_capacity(16);
        Self { numerology, mode, sync_cp, discovery, communication, mode4, air_rng, used, spare }
    }

    /// An SCI was heard in subframe `t` at PRB `prb`, with so much power a resource element.
    pub fn heard(&mut self, t: u64, prb: usize, information: &ControlInformation, power: f32) {
        if let (Some(mode4), ControlInformation::Format1(Some(sci))) = (&mut self.mode4, information) {
            mode4.heard(t, prb, sci, power);
        }
    }

    /// Subframe `t` was received by this receiver, or missed.
    pub fn sensed(&mut self, t: u64, receiver: Option<&mut Receiver>) {
        if let Some(mode4) = &mut self.mode4 {
            mode4.sensed(t, receiver);
        }
    }

    /// The selection of mode 4, for its counters.
    pub fn selection(&self) -> Option<&Mode4> {
        self.mode4.as_ref().map(Mode4Communication::selection)
    }

    /// Nothing is sent in subframe `t`, for which it is too late. What would have been sent in it stays queued. Costs next to
    /// nothing.
    pub fn skip(&mut self, t: u64) {
        for discovery in &mut self.discovery {
            discovery.skip(t);
        }
        for communication in &mut self.communication {
            communication.skip(t);
        }
    }

    /// What is sent in subframe `t`, in the place of what was sent before.
    pub fn plan(
        &mut self,
        t: u64,
        sync: &Sync,
        stack: &mut Stack,
        out: &mut Vec<Transmission>,
        tell: &mut Tell<'_>,
    ) {
        self.spare.take_back(out);
        let air_rng = self.air_rng.resources.next_u64();
        let at = Clock::dfn(t);
        if let Some(signal) = sync.signal(t, air_rng) {
            let mut mib = self.spare.one();
            let bandwidth = self.numerology.bandwidth();
            mapping::fill_mib_sl(&mut mib, bandwidth, self.mode.sidelink(), at, signal.in_coverage);
            let content = Content::Sync { id: signal.id, mib, at, in_coverage: signal.in_coverage };
            out.push(Transmission { cp: self.sync_cp, amplitude: 1.0, content });
        }
        for discovery in &mut self.discovery {
            discovery.plan(t, stack, &mut self.air_rng, out, tell);
        }
        for communication in &mut self.communication {
            communication.plan(t, stack, &mut self.air_rng.resources, &mut self.spare, out, tell);
        }
        if let Some(mode4) = &mut self.mode4 {
            mode4.plan(t, stack, &mut self.air_rng.resources, &mut self.spare, out, tell);
        }
        self.keep_possible(t, sync, out);
    }

    /// In the subframes of synchronisation signals nothing else is sent (TS 36.211 §9.1.3), and no PRB twice.
    fn keep_possible(&mut self, t: u64, sync: &Sync, out: &mut Vec<Transmission>) {
        let config = sync.config();
        let phase = (t % u64::from(config.period)) as u32;
        let reserved = config.offsets.contains(&phase);
        self.used.clear();
        let Self { used, spare, numerology, .. } = self;
        out.retain_mut(|transmission| {
            let other = reserved && !matches!(transmission.content, Content::Sync { .. });
            let range = transmission.subcarriers(numerology.bandwidth());
            let clash = used.iter().any(|u| u.start < range.end && range.start < u.end);
            if other || clash {
                spare.take_from(&mut transmission.content);
                return false;
            }
            used.push(range);
            true
        });
    }
}
