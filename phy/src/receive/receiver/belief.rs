//! What the learning of D2D and discovery pools shares: when a pool is looked for, believed and given up.

use crate::pool::infer::Clock;
use crate::units::DfnSubframe;

/// Blocks or messages outside of a pool that is believed, after which it is given up.
const CONTRADICTING: u32 = 3;

/// Periods without anything in the pool, after which every subframe is searched whole again.
const IDLE_PERIODS: u64 = 4;

/// A pool `F` that is believed, or none yet.
pub(super) struct Belief<F> {
    /// The subframe count of DFN time of capture subframe 0.
    zero: Option<u32>,
    believed: Option<F>,
    contradicting: u32,
    contradictions: u64,
    last_inside: u64,
    fit_after: u64,
    fitted: u64,
    /// Subframes between one try to find the pool and the next.
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

    /// Note what the time is in capture subframe `k`. `true` when it jumps, which makes everything that was learnt
    /// worthless.
    pub(super) fn set_time(&mut self, k: u64, time: Option<DfnSubframe>) -> bool {
        let zero = time.map(|t| t.count_of_capture_start(k));
        let jumps = zero != self.zero;
        self.zero = zero;
        jumps
    }

    /// Forget the pool, and what was tried.
    pub(super) fn restart(&mut self) {
        self.believed = None;
        (self.contradicting, self.fitted) = (0, 0);
    }

    pub(super) fn is_timed(&self) -> bool {
        self.zero.is_some()
    }

    /// What the subframes of sightings are counted by.
    pub(super) fn clock(&self) -> Clock {
        if self.is_timed() { Clock::Dfn } else { Clock::Capture }
    }

    /// Capture subframe `k` by that clock: the time may have become known since.
    pub(super) fn count(&self, k: u64) -> u64 {
        k + u64::from(self.zero.unwrap_or(0))
    }

    pub(super) fn pool(&self) -> Option<F> {
        self.believed
    }

    /// Something came in the pool.
    pub(super) fn agree(&mut self, k: u64) {
        self.last_inside = k;
    }

    /// Something new came outside of the pool.
    pub(super) fn contradict(&mut self) {
        if self.believed.is_some() {
            self.contradicting += 1;
            self.contradictions += 1;
        }
    }

    /// The pool does not hold what it promises.
    pub(super) fn give_up(&mut self) {
        self.contradictions += 1;
        self.restart();
    }

    /// Give the pool up if it is contradicted.
    pub(super) fn review(&mut self) {
        if self.contradicting >= CONTRADICTING {
            (self.believed, self.contradicting) = (None, 0);
        }
    }

    /// Whether a pool is looked for after subframe `k`, when so many blocks or messages were seen.
    pub(super) fn is_due(&mut self, k: u64, seen: u64) -> bool {
        if self.believed.is_some() || k < self.fit_after || seen == self.fitted {
            return false;
        }
        (self.fit_after, self.fitted) = (k + self.between_fits, seen);
        true
    }

    /// Believe a pool from subframe `k` on.
    pub(super) fn believe(&mut self, k: u64, pool: F) {
        (self.believed, self.last_inside) = (Some(pool), k);
    }

    /// Whether nothing came in the pool, of `period` subframes, for long.
    pub(super) fn is_idle(&self, k: u64, period: u32) -> bool {
        k.saturating_sub(self.last_inside) > IDLE_PERIODS * u64::from(period)
    }

    /// What contradicted the pools that were believed.
    pub(super) fn contradictions(&self) -> u64 {
        self.contradictions
    }
}
