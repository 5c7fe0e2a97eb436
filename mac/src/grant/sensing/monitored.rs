//! Monitored subframes, a bit for each, and the exclusions of step 5 for those that were not (TS 36.213 §14.1.1.6).

use super::config::{Config, Period};
use super::window::{Offsets, Window};

/// Bits of the ring: longer than the memory and a selection window together.
const BITS: u64 = 2048;

/// Direction of time between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    WentOn,
    /// Farther back than the memory reaches: the memory was cleared.
    WentBack,
}

/// Subframes of the pool that were not monitored, as bits by their number modulo [`BITS`].
#[derive(Debug, Clone)]
pub(super) struct Monitored {
    missed: Vec<u64>,
    /// Length of the memory, subframes.
    memory: u64,
    /// The first recorded subframe.
    began: Option<u64>,
    /// All bits before this subframe are written, back to the end of the memory.
    next: Option<u64>,
}

impl Monitored {
    pub(super) fn new(memory: u64) -> Self {
        Self { missed: vec![0; (BITS / 64) as usize], memory, began: None, next: None }
    }

    /// Records a subframe. Those between it and the last one were not monitored.
    pub(super) fn record(&mut self, subframe: u64, monitored: bool, config: &Config) -> Time {
        let mut time = Time::WentOn;
        if self.next.is_some_and(|next| subframe + self.memory < next) {
            (self.began, self.next) = (None, None);
            time = Time::WentBack;
        }
        self.began.get_or_insert(subframe);
        self.reach(subframe, config);
        self.set(subframe, !monitored && config.in_pool(subframe));
        self.next = self.next.max(Some(subframe + 1));
        time
    }

    /// Marks all subframes before `now` that were not recorded as not monitored.
    // TS 36.213 §14.1.1.6 step 2
    pub(super) fn reach(&mut self, now: u64, config: &Config) {
        let oldest = now.saturating_sub(self.memory);
        let from = self.next.map_or(oldest, |next| next.max(oldest));
        for subframe in from..now {
            self.set(subframe, config.in_pool(subframe));
        }
        self.next = self.next.max(Some(now));
    }

    fn set(&mut self, subframe: u64, missed: bool) {
        let (word, bit) = ((subframe % BITS / 64) as usize, subframe % 64);
        self.missed[word] = self.missed[word] & !(1 << bit) | u64::from(missed) << bit;
    }

    /// Returns the subframes that remain of the first 10 P_step of sensing.
    pub(super) fn first_second(&self, now: u64) -> Option<u32> {
        let Some(began) = self.began else { return Some(self.memory as u32) };
        let left = self.memory.saturating_sub(now.saturating_sub(began));
        (left > 0).then_some(left as u32)
    }

    /// Returns the number of monitored subframes of the pool among the last `last`, and the number of subframes of the
    /// pool among them.
    pub(super) fn lately(&self, now: u64, last: u64, config: &Config) -> (u64, u64) {
        let range = now.saturating_sub(last)..now;
        let of = range.clone().filter(|&k| config.in_pool(k)).count() as u64;
        let missed = range.filter(|k| self.missed[(k % BITS / 64) as usize] >> (k % 64) & 1 == 1).count();
        (of - (missed as u64).min(of), of)
    }

    /// Returns the offsets of the window that step 5 excludes: those of which a repetition, every own P'_rsvp_TX, meets
    /// what a UE with one of `periods` may have reserved in a subframe that was not monitored.
    // TS 36.213 §14.1.1.6 step 5 (1)
    pub(super) fn missed(&self, window: &Window, periods: impl Iterator<Item = Period>) -> Offsets {
        let mut excluded = 0;
        for period in periods {
            let steps = period.steps(window.p_step);
            for q in 1..=period.per_hundred() {
                // Periods below 100 ms count several times, but only when they lie within the last period.
                // TS 36.213 §14.1.1.6 step 5 (2)
                let back = if q == 1 { self.memory } else { steps };
                let oldest = window.now.saturating_sub(back);
                for j in 0..window.c_resel {
                    // The subframe whose reservation the j-th repetition of the window's first subframe would meet.
                    let first = (window.first + j * window.steps) as i64 - (q * steps) as i64;
                    if first >= window.now as i64 {
                        break;
                    }
                    excluded |= self.bits(first, oldest, window.now);
                }
            }
        }
        excluded
    }

    /// Returns the bits from subframe `first` on of those subframes that lie in `oldest..now`.
    fn bits(&self, first: i64, oldest: u64, now: u64) -> Offsets {
        let below = (oldest as i64 - first).max(0);
        let above = now as i64 - first;
        if below >= 128 || above <= below {
            return 0;
        }
        let position = first.rem_euclid(BITS as i64) as usize;
        let word = |i: usize| Offsets::from(self.missed[(position / 64 + i) % self.missed.len()]);
        let shift = position % 64;
        let low = (word(0) | word(1) << 64) >> shift;
        let bits = if shift == 0 { low } else { low | word(2) << (128 - shift) };
        let kept = if above >= 128 { Offsets::MAX } else { (1 << above) - 1 };
        bits & kept & (Offsets::MAX << below)
    }
}
