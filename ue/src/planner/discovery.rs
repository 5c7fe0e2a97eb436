//! PSDCH, type 1: in every discovery period a resource for each pending message (TS 36.213 §14.3.1).

use super::super::event::Tell;
use super::super::stack::Stack;
use crate::air_rng::PlannerRngs;
use crate::clock::Clock;
use crate::mapping::Type1;
use crate::mapping::transmit::{Content, Transmission};
use sidelink_phy::channel::psdch::REDUNDANCY_VERSIONS;
use sidelink_phy::pool::DiscoveryPool;
use sidelink_phy::units::{CyclicPrefix, PrbRange};

/// A pool and its use.
#[derive(Clone, Debug)]
pub struct DiscoverySettings {
    /// The pool.
    pub pool: DiscoveryPool,
    /// Its cyclic prefix.
    pub cp: CyclicPrefix,
    /// The pool as prepared for drawing.
    pub draw: Type1,
}

/// Plans the transmissions in one pool.
pub struct Discovery {
    settings: DiscoverySettings,
    // TS 24.334 §10A.2.2.2 (2)
    /// Resources of the current period. The message is requested when the first subframe of its resource is planned, so
    /// that its content belongs to that time.
    current: Vec<Resource>,
    busy: Vec<u32>,
}

struct Resource {
    places: Vec<(u32, PrbRange)>,
    message: Option<[u8; 29]>,
}

impl Discovery {
    /// Makes a planner without resources.
    pub fn new(settings: DiscoverySettings) -> Self {
        Self { settings, current: Vec::new(), busy: Vec::new() }
    }

    pub(super) fn plan(
        &mut self,
        t: u64,
        stack: &mut Stack,
        air_rng: &mut PlannerRngs,
        out: &mut Vec<Transmission>,
        tell: &mut Tell<'_>,
    ) {
        let pool = &self.settings.pool;
        let count = Clock::dfn(t).count();
        let Some(into) = pool.into_period(count) else { return };
        if into == 0 {
            self.begin(stack.messages_wanted(), air_rng);
        }
        // Unique as long as a UE runs.
        let period = t.saturating_sub(u64::from(into));
        for resource in &mut self.current {
            for (j, (_, prbs)) in resource.places.iter().enumerate().filter(|(_, (s, _))| *s == into) {
                // TS 36.321 §5.15.1.2.1
                if j == 0 {
                    let nonce = [air_rng.nonces.next_u64(), air_rng.nonces.next_u64()];
                    resource.message = stack.announce(period, nonce, tell);
                }
                let Some(message) = resource.message else { continue };
                // TS 36.321 §5.15.1.2.2 (1)
                let rv = REDUNDANCY_VERSIONS[j % REDUNDANCY_VERSIONS.len()];
                // TS 36.321 §6.1.4
                let content = Content::SlDch { message, rv, prb: prbs.start, transmission: j as u32 + 1 };
                out.push(Transmission { cp: self.settings.cp, amplitude: 1.0, content });
            }
        }
    }

    /// Skips subframe `t`: a message whose first transmission is in it is not sent in this period. If it is the first
    /// subframe of a period, no message is sent in the period.
    pub(super) fn skip(&mut self, t: u64) {
        if self.settings.pool.into_period(Clock::dfn(t).count()) == Some(0) {
            self.current.clear();
        }
    }

    // TS 36.321 §5.15.1.1 (5)
    fn begin(&mut self, wanted: usize, air_rng: &mut PlannerRngs) {
        self.current.clear();
        self.busy.clear();
        for _ in 0..wanted {
            if let Some(places) = self.settings.draw.draw(&mut self.busy, &mut air_rng.resources) {
                self.current.push(Resource { places, message: None });
            }
        }
    }
}
