//! Common part of learning D2D and discovery pools: when a pool is searched, accepted and dropped.

use crate::pool::infer::Clock;
use crate::units::DfnSubframe;

/// Blocks or messages outside of an accepted pool, after which it is dropped.
const CONTRADICTING: u32 = 3;

/// Periods without a reception in the pool, after which every subframe is searched completely again.
const IDLE_PERIODS: u64 = 4;

/// An accepted pool `F`, or none yet.
pub(super) struct Belief<F> {
    /// The subframe count of DFN time of capture subframe 0.
    zero: Option<u32>,
    believed: Option<F>,
    contradicting: u32,
    contradictions: u64,
    last_inside: u64,
    fit_after: u64,
    fitted: u64,
    /// Subframes between two tries to find the pool.
    between_fits: u64,
}

impl<F: Copy> Belief<F> {
    pub(super) fn new(between_fits: u64) -> Self {
        Self {
            zero: None,
            believed: None,
            contradicting: 0,
            contradictions: 0,
            last_inside: 0,
            fit_after: 0,
            fitted: 0,
            between_fits,
        }
    }

    /// Updates the time in capture subframe `k`. Returns `true` when it jumps, which invalidates everything that was
    /// learnt.
    pub(super) fn set_time(&mut self, k: u64, time: Option<DfnSubframe>) -> bool {
        let zero = time.map(|t| t.count_of_capture_start(k));
        let jumps = zero != self.zero;
        self.zero = zero;
        jumps
    }

    /// Forgets the pool, and the earlier tries.
    pub(super) fn restart(&mut self) {
        self.believed = None;
        (self.contradicting, self.fitted) = (0, 0);
    }

    pub(super) fn is_timed(&self) -> bool {
        self.zero.is_some()
    }

    /// Returns the clock of the subframes of sightings.
    pub(super) fn clock(&self) -> Clock {
        if self.is_timed() { Clock::Dfn } else { Clock::Capture }
    }

    /// Returns capture subframe `k` by that clock: the time may have become known since.
    pub(super) fn count(&self, k: u64) -> u64 {
        k + u64::from(self.zero.unwrap_or(0))
    }

    pub(super) fn pool(&self) -> Option<F> {
        self.believed
    }

    /// Records a reception in the pool.
    pub(super) fn agree(&mut self, k: u64) {
        self.last_inside = k;
    }

    /// Records a new reception outside of the pool.
    pub(super) fn contradict(&mut self) {
        if self.believed.is_some() {
            self.contradicting += 1;
            self.contradictions += 1;
        }
    }

    /// Drops the pool: its predictions fail.
    pub(super) fn give_up(&mut self) {
        self.contradictions += 1;
        self.restart();
    }

    /// Drops the pool if it is contradicted.
    pub(super) fn review(&mut self) {
        if self.contradicting >= CONTRADICTING {
            (self.believed, self.contradicting) = (None, 0);
        }
    }

    /// Whether a pool is searched after subframe `k`, when `seen` blocks or messages were received.
    pub(super) fn is_due(&mut self, k: u64, seen: u64) -> bool {
        if self.believed.is_some() || k < self.fit_after || seen == self.fitted {
            return false;
        }
        (self.fit_after, self.fitted) = (k + self.between_fits, seen);
        true
    }

    /// Accepts a pool from subframe `k` on.
    pub(super) fn believe(&mut self, k: u64, pool: F) {
        (self.believed, self.last_inside) = (Some(pool), k);
    }

    /// Whether the pool, of `period` subframes, was silent for long.
    pub(super) fn is_idle(&self, k: u64, period: u32) -> bool {
        k.saturating_sub(self.last_inside) > IDLE_PERIODS * u64::from(period)
    }

    /// Returns the number of contradictions of the accepted pools.
    pub(super) fn contradictions(&self) -> u64 {
        self.contradictions
    }
}
