//! The transmissions of a UE in each subframe: synchronisation, communication, discovery, in this order of precedence
//! (TS 36.211 §9.1.3, TS 36.300 §23.10.1, TS 36.321 §5.14.1.2.2, §5.15.1.2.2).
//!
//! Discovery gives way to our own PSCCH and PSSCH and to the subframes in which we receive PSCCH. It does not give way
//! to the PSSCH of others: the planner does not know which of it was announced. A transmission that gives way keeps its
//! place in the sequence: the others keep their redundancy versions.

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

/// Plans every subframe once, in order, or skips it.
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
    /// Makes a planner with its pools.
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

    /// Records an SCI that was received in subframe `t` at PRB `prb`, with this power per resource element.
    pub fn heard(&mut self, t: u64, prb: usize, information: &ControlInformation, power: f32) {
        if let (Some(mode4), ControlInformation::Format1(Some(sci))) = (&mut self.mode4, information) {
            mode4.heard(t, prb, sci, power);
        }
    }

    /// Records that subframe `t` was received by this receiver, or missed (`None`).
    pub fn sensed(&mut self, t: u64, receiver: Option<&mut Receiver>) {
        if let Some(mode4) = &mut self.mode4 {
            mode4.sensed(t, receiver);
        }
    }

    /// Returns the resource selection of mode 4, for its counters.
    pub fn selection(&self) -> Option<&Mode4> {
        self.mode4.as_ref().map(Mode4Communication::selection)
    }

    /// Skips subframe `t`, for which it is too late: nothing is sent in it, and its data stay queued. Takes almost no
    /// time.
    pub fn skip(&mut self, t: u64) {
        for discovery in &mut self.discovery {
            discovery.skip(t);
        }
        for communication in &mut self.communication {
            communication.skip(t);
        }
    }

    /// Plans subframe `t`: puts its transmissions into `out` in place of the earlier ones.
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

    /// Keeps, in order, the planned transmissions that may be sent together.
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

/// Properties of a subframe that restrict transmissions.
#[derive(Clone, Copy, Debug)]
struct Subframe {
    /// The subframe is reserved for synchronisation signals.
    synchronisation: bool,
    /// We receive PSCCH in the subframe.
    control: bool,
    sidelink: SidelinkMode,
}

impl Subframe {
    /// Whether `content` may be sent together with the transmissions whose subcarriers are in `used`.
    ///
    /// Nothing else is sent in the subframes of synchronisation signals (TS 36.211 §9.1.3), and no PRB is used twice.
    /// In modes 1 and 2 a UE sends one cluster; of several grants it may choose one (TS 36.321 §5.14.1.1 NOTE 11): here
    /// the first. In modes 3 and 4 PSCCH and PSSCH are sent together. PSDCH is sent alone (TS 36.321 §5.15.1.2.2).
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
