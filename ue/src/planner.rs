//! What a UE sends in which subframe: synchronisation, communication, discovery, in this order of right of way (TS 36.211
//! §9.1.3, TS 36.300 §23.10.1, TS 36.321 §5.14.1.2.2, §5.15.1.2.2).
//!
//! Discovery gives way to what this UE sends on PSCCH and PSSCH and to the subframes in which it hears PSCCH. To PSSCH of
//! others it does not: the planner does not know which of it was announced. What gave way keeps its place in the sequence of
//! its transmissions.

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
use sidelink_phy::units::{CyclicPrefix, SidelinkMode, TransmissionMode};
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
    // TS 36.211 §9.1.3 (6)
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
        // TS 36.321 §5.16.1
        if let Some(signal) = sync.signal(t, air_rng) {
            let mut mib = self.spare.one();
            let bandwidth = self.numerology.bandwidth();
            mapping::fill_mib_sl(&mut mib, bandwidth, self.mode.sidelink(), at, signal.in_coverage);
            let content = Content::Sync { id: signal.id, mib, at, in_coverage: signal.in_coverage };
            // TS 36.213 §14.4 (2)
            out.push(Transmission { cp: self.sync_cp, amplitude: 1.0, content });
        }
        for communication in &mut self.communication {
            communication.plan(t, stack, &mut self.air_rng.resources, &mut self.spare, out, tell);
        }
        if let Some(mode4) = &mut self.mode4 {
            mode4.plan(t, stack, &mut self.air_rng.resources, &mut self.spare, out, tell);
        }
        for discovery in &mut self.discovery {
            // TS 36.321 §5.14.1.2.2 (4)
            discovery.plan(t, stack, &mut self.air_rng, out, tell);
        }
        let subframe = Subframe {
            synchronisation: sync.config().offsets.contains(&((t % u64::from(sync.config().period)) as u32)),
            control: self.communication.iter().any(|communication| communication.is_control(t)),
            sidelink: self.mode.sidelink(),
        };
        self.keep_possible(subframe, out);
    }

    /// Keeps of what was planned, in its order, what may be sent together.
    // TS 36.211 §9.1.3 (2)
    fn keep_possible(&mut self, subframe: Subframe, out: &mut Vec<Transmission>) {
        self.used.clear();
        let Self { used, spare, numerology, .. } = self;
        out.retain_mut(|transmission| {
            let range = transmission.subcarriers(numerology.bandwidth());
            let possible = subframe.allows(&transmission.content, &range, used);
            if possible {
                used.push(range);
            } else {
                spare.take_from(&mut transmission.content);
            }
            possible
        });
    }
}

/// What a subframe is beside being sent in.
#[derive(Clone, Copy, Debug)]
struct Subframe {
    /// Synchronisation signals have it.
    synchronisation: bool,
    /// PSCCH is heard in it.
    control: bool,
    sidelink: SidelinkMode,
}

impl Subframe {
    /// Whether `content` may be sent beside what is sent in `used` already.
    ///
    /// In the subframes of synchronisation signals nothing else is sent (TS 36.211 §9.1.3), and no PRB twice. In modes 1 and
    /// 2 a UE sends one cluster, of several grants one of its choice (TS 36.321 §5.14.1.1 NOTE 11): the first; in modes 3
    /// and 4 PSCCH and PSSCH go together. PSDCH goes alone (TS 36.321 §5.15.1.2.2).
    fn allows(self, content: &Content, range: &Range<usize>, used: &[Range<usize>]) -> bool {
        match content {
            Content::Sync { .. } => true,
            _ if self.synchronisation => false,
            // TS 36.300 §23.10.1; TS 36.321 §5.15.1.2.2 (2)
            Content::SlDch { .. } => !self.control && used.is_empty(),
            Content::Sci { .. } | Content::SlSch { .. } => match self.sidelink {
                // TS 36.321 §5.14.1.1 (29); TS 36.321 §5.14.1.3 (2)
                SidelinkMode::D2d => used.is_empty(),
                SidelinkMode::V2x => !used.iter().any(|u| u.start < range.end && range.start < u.end),
            },
        }
    }
}

#[cfg(test)]
mod tests;
