//! What is learnt of a pool that nobody told, or whose place in time nobody told: believed after several agreeing blocks,
//! given up when blocks contradict it.

use super::super::belief::Belief;
use super::layout::PoolLayout;
use crate::pool::CommunicationPool;
use crate::pool::infer::{CommunicationFit, CommunicationLearner, ControlSighting, DataSighting};
use crate::receive::learn::{Evidence, Learnt, Open, OpenValue, Part};
use crate::units::DfnSubframe;

/// SCIs in a row whose blocks do not come where the pool puts them, after which it is given up.
const BARREN: u32 = 8;

/// Blocks without any pool that agrees with them, after which everything is forgotten: something was wrong among them.
const PATIENCE: u64 = 600;

/// Subframes between one try to find the pool and the next.
const BETWEEN_FITS: u64 = 20;

/// One subframe in so many is searched whole beside a pool that is believed. A prime: every subframe of the period has its
/// turn.
const AUDIT: u64 = 41;

pub(super) struct Learning {
    learner: CommunicationLearner,
    carrier_prbs: usize,
    belief: Belief<CommunicationFit>,
    /// The pool that is believed.
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

    /// Note what the time is in capture subframe `k`. A time that jumps makes everything that was learnt worthless.
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

    /// A sighting in a capture subframe as the learner counts.
    fn counted(&self, sighting: ControlSighting) -> ControlSighting {
        ControlSighting { subframe: self.belief.count(sighting.subframe), ..sighting }
    }

    /// Subframe of the believed period that capture subframe `k` is.
    pub(super) fn phase(&self, k: u64) -> Option<usize> {
        Some(self.belief.pool()?.phase(self.learner.clock(), self.belief.count(k)))
    }

    /// Whether the believed pool has PSCCH there.
    pub(super) fn has_control(&self, sighting: &ControlSighting) -> bool {
        self.belief.pool().is_some_and(|fit| fit.has_control(self.learner.clock(), &self.counted(*sighting)))
    }

    /// Whether PSCCH is looked for outside of the believed pool too.
    pub(super) fn is_audited(&self, k: u64) -> bool {
        self.belief.pool().is_none_or(|fit| k.is_multiple_of(AUDIT) || self.belief.is_idle(k, fit.period))
    }

    /// Take in a PSCCH whose SCI is confirmed.
    pub(super) fn control(&mut self, sighting: ControlSighting) {
        self.learner.control(self.counted(sighting));
    }

    /// Take in both PSCCH of a confirmed SCI.
    pub(super) fn pair(&mut self, pair: [ControlSighting; 2]) {
        self.learner.pair(pair.map(|sighting| self.counted(sighting)));
    }

    /// Take in a PSSCH that decoded, in capture subframes.
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

    /// Note that no block came of an SCI where the pool puts them.
    pub(super) fn came_to_nothing(&mut self) {
        self.barren += 1;
    }

    /// Believe a pool or give it up, after subframe `k`. `true` when the layout has changed.
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

    /// The pool as it is known now, with what was seen since it was believed. Allocates.
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
