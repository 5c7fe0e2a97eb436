//! Requests that wait for another function.

use std::collections::BTreeMap;

use sidelink_security::counter::UtcTime;

use super::RequestId;
use super::problem::{Cause, Problem};

/// Requests that wait, at most.
pub(super) const MOST: usize = 1000;

/// How long each waits, in milliseconds.
pub(super) const PATIENCE: u64 = 8_000;

/// What waits, by a number that whoever was asked hands back.
pub(super) struct Pending<T> {
    waiting: BTreeMap<u64, (RequestId, UtcTime, T)>,
    tickets: u64,
}

impl<T> Pending<T> {
    pub(super) const fn new() -> Self {
        Self { waiting: BTreeMap::new(), tickets: 0 }
    }

    /// Whether another one has room.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.waiting.len() < MOST {
            return Ok(());
        }
        Err(Problem::new(Cause::NfCongestion, "too many requests wait for another function"))
    }

    /// Keeps a request, which [`Self::check`] has room for; the number that it waits under.
    pub(super) fn keep(&mut self, now: UtcTime, request: RequestId, what: T) -> u64 {
        self.tickets += 1;
        self.waiting.insert(self.tickets, (request, now.plus_millis(PATIENCE), what));
        self.tickets
    }

    /// Takes one. One that came too late is not there any more.
    pub(super) fn take(&mut self, ticket: u64) -> Option<(RequestId, T)> {
        self.waiting.remove(&ticket).map(|(request, _, what)| (request, what))
    }

    /// Those that have waited for too long, and the answer to each.
    pub(super) fn expire(&mut self, now: UtcTime) -> Vec<(RequestId, Problem)> {
        let late = self.waiting.iter().filter(|(_, (_, until, _))| *until <= now).map(|(ticket, _)| *ticket);
        let late: Vec<u64> = late.collect();
        let problem = || Problem::new(Cause::UpstreamServerError, "another function did not answer in time");
        late.into_iter()
            .filter_map(|ticket| self.take(ticket))
            .map(|(request, _)| (request, problem()))
            .collect()
    }

    /// When the next one has.
    pub(super) fn next(&self) -> Option<UtcTime> {
        self.waiting.values().map(|(_, until, _)| *until).min()
    }
}
