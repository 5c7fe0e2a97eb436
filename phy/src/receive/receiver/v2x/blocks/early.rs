//! Blocks whose soft bits the second thread makes.

use super::n_ssf::PRESENT;
use super::{Announced, Blocks, Known, tolerance};
use crate::channel::pssch::Grant;
use crate::receive::receiver::front::{Front, Way};
use crate::receive::receiver::v2x::Heard;
use crate::receive::receiver::v2x::ahead::{Ask, MOST_AHEAD};
use crate::units::{CyclicPrefix, Hertz, SidelinkMode};

impl Blocks {
    /// Announces the blocks of SCIs to the second thread, if there is one: those that it can make.
    pub(in crate::receive::receiver::v2x) fn announce<'a>(
        &mut self,
        k: u64,
        blocks: impl Iterator<Item = (&'a Heard, Announced)>,
        front: &mut Front,
    ) {
        if self.ahead.is_none() {
            return;
        }
        let mut asks = std::mem::take(&mut self.asks);
        asks.clear();
        asks.extend(
            blocks.filter_map(|(heard, announced)| self.ask(k, heard, &announced, front)).take(MOST_AHEAD),
        );
        if let Some(ahead) = &mut self.ahead {
            ahead.begin(front.shared(CyclicPrefix::Normal), &asks);
        }
        self.asks = asks;
    }

    /// Ends the work of the second thread on a subframe.
    pub(in crate::receive::receiver::v2x) fn end(&mut self) {
        if let Some(ahead) = &mut self.ahead {
            ahead.end();
        }
    }

    /// Returns the question for a block's soft bits: the most likely grant, on the grids as received. `None` where only one
    /// thread can make them.
    pub(super) fn ask(&self, k: u64, heard: &Heard, announced: &Announced, front: &Front) -> Option<Ask> {
        self.ahead.as_ref()?;
        let by_time = match announced.n_ssf {
            Known::Measured(_) => return None,
            Known::Time(n_ssf) => n_ssf,
            Known::Nothing => None,
        };
        let n_ssf = by_time.or(self.likely_n_ssf(k))?;
        let grant = Grant { n_ssf, ..self.grant(heard, announced) };
        let (modulation, _) = grant.size(SidelinkMode::V2x).ok()?;
        if !front.is_as_received(CyclicPrefix::Normal) {
            return None;
        }
        let way = front.way(CyclicPrefix::Normal, heard.cfo, tolerance(modulation), announced.prbs);
        let (near, turned) = match way {
            Way::Common => (heard.cfo, None),
            Way::Part => (Hertz(0.0), Some(heard.cfo.to_f32())),
            Way::Whole(_) => return None,
        };
        Some(Ask { grant, near, turned })
    }

    /// Whether the second thread has made a block, and its reference signals are there.
    pub(super) fn is_made(&self, ask: &Ask) -> bool {
        let made = self.ahead.as_ref().and_then(|ahead| ahead.take(ask));
        made.is_some_and(|made| made.presence > PRESENT)
    }
}
