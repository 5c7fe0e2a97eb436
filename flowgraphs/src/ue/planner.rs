//! What a UE sends in which subframe: synchronisation, discovery, communication, in this order of right of way.

mod communication;
mod discovery;

pub use communication::{Communication, CommunicationSettings};
pub use discovery::{Discovery, DiscoverySettings};

use super::layer2::{Layer2, Tell};
use super::sync::Sync;
use crate::clock::Clock;
use crate::link::{self, Chance};
use crate::scenario::{Content, Transmission};
use sidelink_phy::numerology::Numerology;
use sidelink_phy::units::{CyclicPrefix, TransmissionMode};
use std::ops::Range;

/// Plans every subframe once, in their order.
pub struct Planner {
    numerology: Numerology,
    mode: TransmissionMode,
    sync_cp: CyclicPrefix,
    discovery: Vec<Discovery>,
    communication: Vec<Communication>,
    chance: Chance,
    used: Vec<Range<usize>>,
}

impl Planner {
    /// With its pools.
    pub fn new(
        numerology: Numerology,
        mode: TransmissionMode,
        sync_cp: CyclicPrefix,
        discovery: Vec<Discovery>,
        communication: Vec<Communication>,
        chance: Chance,
    ) -> Self {
        Self { numerology, mode, sync_cp, discovery, communication, chance, used: Vec::with_capacity(16) }
    }

    /// Append what is sent in subframe `t`.
    pub fn plan(
        &mut self,
        t: u64,
        sync: &Sync,
        layer2: &mut Layer2,
        out: &mut Vec<Transmission>,
        tell: &mut Tell<'_>,
    ) {
        out.clear();
        let chance = self.chance.0.next_u64();
        let at = Clock::dfn(t);
        if let Some(signal) = sync.signal(t, chance) {
            let mib = link::mib_sl(self.numerology.bandwidth(), self.mode.is_v2x(), at, signal.in_coverage);
            let content = Content::Sync { id: signal.id, mib, at, in_coverage: signal.in_coverage };
            out.push(Transmission { cp: self.sync_cp, amplitude: 1.0, content });
        }
        for discovery in &mut self.discovery {
            discovery.plan(t, layer2, &mut self.chance, out, tell);
        }
        for communication in &mut self.communication {
            communication.plan(t, layer2, &mut self.chance, out, tell);
        }
        self.keep_possible(t, sync, out);
    }

    /// In the subframes of synchronisation signals nothing else is sent (TS 36.211 §9.1.3), and no PRB twice.
    fn keep_possible(&mut self, t: u64, sync: &Sync, out: &mut Vec<Transmission>) {
        let config = sync.config();
        let phase = (t % u64::from(config.period)) as u32;
        let reserved = config.offsets.contains(&phase);
        self.used.clear();
        let (used, bandwidth) = (&mut self.used, self.numerology.bandwidth());
        out.retain(|transmission| {
            if reserved && !matches!(transmission.content, Content::Sync { .. }) {
                return false;
            }
            let range = transmission.subcarriers(bandwidth);
            let clash = used.iter().any(|u| u.start < range.end && range.start < u.end);
            used.push(range);
            !clash
        });
    }
}
