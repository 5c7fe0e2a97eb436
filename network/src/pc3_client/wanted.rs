//! One thing that the UE wants, through its life.

use sidelink_security::counter::UtcTime;

use super::io::{Config, Wanted};
use crate::pc3::EntryId;

/// Part of its life at which an allotment is renewed: nine tenths.
const RENEWED_AT: (u64, u64) = (9, 10);

/// Doublings of the time between two requests.
const MOST_DOUBLINGS: u32 = 6;

/// Something wanted.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) wanted: Wanted,
    /// Its name at the ProSe Function.
    id: Option<EntryId>,
    /// Until when what was allotted counts.
    until: Option<UtcTime>,
    state: State,
    /// Requests in a row without an answer.
    failures: u32,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Asked at this time.
    Asks { at: UtcTime },
    /// The answer counts as lost at this time.
    Waits { until: UtcTime },
    /// Refused or withdrawn: asked again only by [`Entry::again`].
    Over,
}

impl Entry {
    pub(super) const fn new(wanted: Wanted, earlier: Option<EntryId>, now: UtcTime) -> Self {
        Self { wanted, id: earlier, until: None, state: State::Asks { at: now }, failures: 0 }
    }

    /// Its name at the ProSe Function, while something is allotted.
    pub(super) fn id(&self) -> Option<EntryId> {
        self.id.filter(|_| self.until.is_some())
    }

    /// Its name at the ProSe Function, whatever became of it; 0 for a new one. TS 24.334 §12.2.2.33.
    pub(super) const fn earlier(&self) -> Option<EntryId> {
        self.id
    }

    pub(super) fn is_due(&self, now: UtcTime) -> bool {
        matches!(self.state, State::Asks { at } if at <= now)
    }

    pub(super) fn is_late(&self, now: UtcTime) -> bool {
        matches!(self.state, State::Waits { until } if until <= now)
    }

    /// Whether what was allotted has just ended.
    pub(super) fn expired(&mut self, now: UtcTime) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
    }

    pub(super) fn asks(&mut self, now: UtcTime, config: &Config) {
        self.state = State::Waits { until: now.plus_millis(config.patience) };
    }

    pub(super) fn failed(&mut self, now: UtcTime, config: &Config) {
        let wait = config.retry << self.failures.min(MOST_DOUBLINGS);
        self.failures += 1;
        self.waits(now.plus_millis(wait.max(1)));
    }

    pub(super) const fn waits(&mut self, until: UtcTime) {
        self.state = State::Asks { at: until };
    }

    /// What was allotted is gone, and something else may be had.
    pub(super) const fn begins_anew(&mut self, now: UtcTime) {
        (self.id, self.until, self.state) = (None, None, State::Asks { at: now });
    }

    pub(super) const fn refused(&mut self) {
        (self.state, self.until) = (State::Over, None);
    }

    /// Asks at once about what was refused or withdrawn.
    pub(super) const fn again(&mut self, now: UtcTime) {
        if matches!(self.state, State::Over) {
            self.state = State::Asks { at: now };
        }
    }

    /// Something is allotted until `until`: asked again before that.
    pub(super) fn holds(&mut self, id: EntryId, until: UtcTime, now: UtcTime) {
        let lasts = until.millis().saturating_sub(now.millis());
        let at = now.plus_millis(lasts / RENEWED_AT.1 * RENEWED_AT.0);
        (self.id, self.until, self.failures) = (Some(id), Some(until), 0);
        self.state = State::Asks { at };
    }

    pub(super) fn deadline(&self) -> Option<UtcTime> {
        let next = match self.state {
            State::Asks { at } => Some(at),
            State::Waits { until } => Some(until),
            State::Over => None,
        };
        next.into_iter().chain(self.until).min()
    }
}
