//! Learning of a pool that was not configured, or whose place in time is unknown: accepted after several agreeing
//! blocks, dropped when blocks contradict it.

use super::super::belief::Belief;
use super::layout::PoolLayout;
use crate::pool::CommunicationPool;
use crate::pool::infer::{CommunicationFit, CommunicationLearner, ControlSighting, DataSighting};
use crate::receive::learn::{Evidence, Learnt, Open, OpenValue, Part};
use crate::units::DfnSubframe;

/// SCIs in a row whose blocks do not come at the places of the pool, after which it is dropped.
const BARREN: u32 = 8;

/// Blocks without any pool that agrees with them, after which everything is forgotten: some of them were wrong.
const PATIENCE: u64 = 600;

/// Subframes between two tries to find the pool.
const BETWEEN_FITS: u64 = 20;

/// One of this many subframes is searched completely beside an accepted pool. A prime: every subframe of the period is
/// searched in turn.
const AUDIT: u64 = 41;

pub(super) struct Learning {
    learner: CommunicationLearner,
    carrier_prbs: usize,
    belief: Belief<CommunicationFit>,
    /// The accepted pool.
    pub(super) layout: PoolLayout,
    barren: u32,
}

impl Learning {
    pub(super) fn new(carrier_prbs: usize) -> Self {
        Self {
            learner: CommunicationLearner::new(carrier_prbs),
            carrier_prbs,
            belief: Belief::new(BETWEEN_FITS),
            layout: PoolLayout::empty(carrier_prbs),
            barren: 0,
        }
    }

    /// Updates the time in capture subframe `k`. A jump invalidates everything that was learnt.
    pub(super) fn set_time(&mut self, k: u64, time: Option<DfnSubframe>) {
        if self.belief.set_time(k, time) {
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.learner.restart(self.belief.clock());
        self.belief.restart();
        self.barren = 0;
    }

    /// Returns a sighting of a capture subframe by the learner's clock.
    fn counted(&self, sighting: ControlSighting) -> ControlSighting {
        ControlSighting { subframe: self.belief.count(sighting.subframe), ..sighting }
    }

    /// Returns the subframe of the accepted period for capture subframe `k`.
    pub(super) fn phase(&self, k: u64) -> Option<usize> {
        Some(self.belief.pool()?.phase(self.learner.clock(), self.belief.count(k)))
    }

    /// Whether the accepted pool has PSCCH there.
    pub(super) fn has_control(&self, sighting: &ControlSighting) -> bool {
        self.belief.pool().is_some_and(|fit| fit.has_control(self.learner.clock(), &self.counted(*sighting)))
    }

    /// Whether PSCCH is searched outside of the accepted pool too.
    pub(super) fn is_audited(&self, k: u64) -> bool {
        self.belief.pool().is_none_or(|fit| k.is_multiple_of(AUDIT) || self.belief.is_idle(k, fit.period))
    }

    /// Adds a PSCCH with a confirmed SCI.
    pub(super) fn control(&mut self, sighting: ControlSighting) {
        self.learner.control(self.counted(sighting));
    }

    /// Adds both PSCCH of a confirmed SCI.
    pub(super) fn pair(&mut self, pair: [ControlSighting; 2]) {
        self.learner.pair(pair.map(|sighting| self.counted(sighting)));
    }

    /// Adds a decoded PSSCH, in capture subframes.
    pub(super) fn data(&mut self, sighting: DataSighting, is_inside: bool) {
        let k = sighting.subframe;
        let (subframe, control) = (self.belief.count(k), self.belief.count(sighting.control));
        self.learner.data(DataSighting { subframe, control, ..sighting });
        if is_inside {
            self.belief.agree(k);
            self.barren = 0;
        } else if sighting.is_new {
            self.belief.contradict();
        }
    }

    /// Records that no block of an SCI came at the places of the pool.
    pub(super) fn came_to_nothing(&mut self) {
        self.barren += 1;
    }

    /// Accepts or drops a pool, after subframe `k`. Returns `true` when the layout has changed.
    pub(super) fn judge(&mut self, k: u64) -> bool {
        self.belief.review();
        if self.belief.pool().is_some() && self.barren >= BARREN {
            self.belief.give_up();
            self.restart();
        }
        let blocks = self.learner.blocks();
        if !self.belief.is_due(k, blocks) {
            return false;
        }
        let Some(fit) = self.learner.fit() else {
            if blocks > PATIENCE {
                self.restart();
            }
            return false;
        };
        self.belief.believe(k, fit);
        self.barren = 0;
        self.layout.learn(&fit, self.carrier_prbs);
        true
    }

    /// Returns the pool as known now, with the observations since its acceptance. Allocates.
    pub(super) fn learnt(&mut self) -> Option<Learnt<CommunicationPool>> {
        let fit = self.learner.fit().or(self.belief.pool())?;
        let timed = self.belief.is_timed();
        let mut open = vec![
            Open { part: Part::ControlPrbs, value: OpenValue::Most },
            Open { part: Part::DataPrbs, value: OpenValue::Seen },
            Open { part: Part::Hopping, value: OpenValue::Default },
        ];
        if !fit.is_control_exact {
            open.push(Open { part: Part::ControlBitmap, value: OpenValue::Most });
        }
        if !fit.is_data_exact {
            open.push(Open { part: Part::DataBitmap, value: OpenValue::Seen });
        }
        let (control, blocks) = fit.agreeing;
        let contradictions = fit.contradictions + self.belief.contradictions();
        if !timed {
            open.push(Open { part: Part::Offset, value: OpenValue::Default });
        }
        Some(Learnt { pool: fit.pool(), evidence: Evidence { control, blocks, contradictions, timed, open } })
    }
}
