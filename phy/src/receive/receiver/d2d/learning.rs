//! What is learnt of a pool that nobody told, or whose place in time nobody told: believed after several agreeing blocks,
//! given up when blocks contradict it.

use super::layout::PoolLayout;
use crate::pool::CommunicationPool;
use crate::pool::infer::{Clock, CommunicationFit, CommunicationLearner, ControlSighting, DataSighting};
use crate::receive::learn::{Evidence, Learnt, Open, OpenValue, Part};
use crate::units::DfnSubframe;

/// Blocks outside of a pool that is believed, after which it is given up.
const CONTRADICTING_BLOCKS: u32 = 3;

/// SCIs in a row whose blocks do not come where the pool puts them, after which it is given up.
const BARREN: u32 = 8;

/// Blocks without any pool that agrees with them, after which everything is forgotten: something was wrong among them.
const PATIENCE: u64 = 600;

/// Subframes between one try to find the pool and the next.
const BETWEEN_FITS: u64 = 20;

/// One subframe in so many is searched whole beside a pool that is believed. A prime: every subframe of the period has its
/// turn.
const AUDIT: u64 = 41;

/// Periods without a block in the pool, after which every subframe is searched whole again.
const IDLE_PERIODS: u64 = 4;

pub(super) struct Learning {
    learner: CommunicationLearner,
    carrier_prbs: usize,
    /// The subframe count of DFN time of capture subframe 0.
    zero: Option<u32>,
    believed: Option<CommunicationFit>,
    /// The pool that is believed.
    pub(super) layout: PoolLayout,
    contradicting: u32,
    contradictions: u64,
    barren: u32,
    last_inside: u64,
    fit_after: u64,
    fitted_blocks: u64,
}

impl Learning {
    pub(super) fn new(carrier_prbs: usize) -> Self {
        Self {
            learner: CommunicationLearner::new(carrier_prbs),
            carrier_prbs,
            zero: None,
            believed: None,
            layout: PoolLayout::empty(carrier_prbs),
            contradicting: 0,
            contradictions: 0,
            barren: 0,
            last_inside: 0,
            fit_after: 0,
            fitted_blocks: 0,
        }
    }

    /// Note what the time is in capture subframe `k`. A time that jumps makes everything that was learnt worthless.
    pub(super) fn set_time(&mut self, k: u64, time: Option<DfnSubframe>) {
        let zero = time.map(|t| t.count_of_capture_start(k));
        if zero != self.zero {
            self.zero = zero;
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.learner.restart(if self.zero.is_some() { Clock::Dfn } else { Clock::Capture });
        self.believed = None;
        (self.contradicting, self.barren, self.fitted_blocks) = (0, 0, 0);
    }

    /// A sighting in a capture subframe as the learner counts: the time may have become known since.
    fn counted(&self, sighting: ControlSighting) -> ControlSighting {
        ControlSighting { subframe: sighting.subframe + self.zero.unwrap_or(0) as u64, ..sighting }
    }

    /// Subframe of the believed period that capture subframe `k` is.
    pub(super) fn phase(&self, k: u64) -> Option<usize> {
        Some(self.believed?.phase(self.learner.clock(), k + self.zero.unwrap_or(0) as u64))
    }

    /// Whether the believed pool has PSCCH there.
    pub(super) fn has_control(&self, sighting: &ControlSighting) -> bool {
        self.believed.is_some_and(|fit| fit.has_control(self.learner.clock(), &self.counted(*sighting)))
    }

    /// Whether PSCCH is looked for outside of the believed pool too.
    pub(super) fn is_audited(&self, k: u64) -> bool {
        self.believed.is_none_or(|fit| {
            k.is_multiple_of(AUDIT) || k.saturating_sub(self.last_inside) > IDLE_PERIODS * fit.period as u64
        })
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
        let (k, zero) = (sighting.subframe, self.zero.unwrap_or(0) as u64);
        let (subframe, control) = (k + zero, sighting.control + zero);
        self.learner.data(DataSighting { subframe, control, ..sighting });
        if is_inside {
            (self.last_inside, self.barren) = (k, 0);
        } else if self.believed.is_some() && sighting.is_new {
            self.contradicting += 1;
            self.contradictions += 1;
        }
    }

    /// Note that no block came of an SCI where the pool puts them.
    pub(super) fn came_to_nothing(&mut self) {
        self.barren += 1;
    }

    /// Believe a pool or give it up, after subframe `k`. `true` when the layout has changed.
    pub(super) fn judge(&mut self, k: u64) -> bool {
        if self.believed.is_some() {
            if self.contradicting >= CONTRADICTING_BLOCKS {
                (self.believed, self.contradicting) = (None, 0);
            } else if self.barren >= BARREN {
                self.contradictions += 1;
                self.restart();
            }
        }
        let blocks = self.learner.blocks();
        if self.believed.is_some() || k < self.fit_after || blocks == self.fitted_blocks {
            return false;
        }
        (self.fit_after, self.fitted_blocks) = (k + BETWEEN_FITS, blocks);
        let Some(fit) = self.learner.fit() else {
            if blocks > PATIENCE {
                self.restart();
            }
            return false;
        };
        self.believed = Some(fit);
        (self.last_inside, self.barren) = (k, 0);
        self.layout.learn(&fit, self.carrier_prbs);
        true
    }

    /// The pool as it is known now, with what was seen since it was believed. Allocates.
    pub(super) fn learnt(&mut self) -> Option<Learnt<CommunicationPool>> {
        let fit = self.learner.fit().or(self.believed)?;
        let timed = self.zero.is_some();
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
        let contradictions = fit.contradictions + self.contradictions;
        if !timed {
            open.push(Open { part: Part::Offset, value: OpenValue::Default });
        }
        Some(Learnt { pool: fit.pool(), evidence: Evidence { control, blocks, contradictions, timed, open } })
    }
}
