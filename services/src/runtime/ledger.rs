//! Commits of a network function, and what is known of the ones that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use sidelink_security::counter::reserve::{CounterStore, Granted, Reservation, StreamId};

use crate::status::Counters;
use crate::store::{Store, Write, Written};

/// A store, with an account of failed commits.
pub(super) struct Ledger {
    store: Box<dyn Store>,
    name: &'static str,
    counters: std::sync::Arc<Counters>,
    fails: bool,
    /// Numbers that a failed commit may have raised nevertheless, and to what.
    uncertain: BTreeMap<StreamId, BTreeSet<u64>>,
}

impl Ledger {
    pub(super) fn new(name: &'static str, store: Box<dyn Store>, counters: std::sync::Arc<Counters>) -> Self {
        Self { store, name, counters, fails: false, uncertain: BTreeMap::new() }
    }

    /// Whether the last commit failed.
    pub(super) const fn fails(&self) -> bool {
        self.fails
    }

    /// Makes all changes durable; none where that failed. What fails is logged once until it works again.
    pub(super) fn commit(&mut self, changes: &[Write]) -> Option<Vec<Written>> {
        match self.store.commit(changes) {
            Ok(written) => {
                if std::mem::take(&mut self.fails) {
                    tracing::info!("{}: the database works again", self.name);
                }
                Some(written)
            }
            Err(error) => {
                self.counters.store_failures.add();
                if !std::mem::replace(&mut self.fails, true) {
                    tracing::error!("{}: {error}; what waits for it is answered with 503", self.name);
                }
                for change in changes {
                    if let Write::Raise { stream, to, .. } = change {
                        self.uncertain.entry(*stream).or_default().insert(*to);
                    }
                }
                None
            }
        }
    }

    /// The proof that a reservation is durable, once its change was `written`.
    pub(super) fn grant(&mut self, reservation: Reservation, written: Option<Written>) -> Option<Granted> {
        let stream = reservation.stream();
        let is_durable = match written {
            Some(Written::Done) => true,
            Some(Written::Conflict) => self.raise_again(&reservation),
            None => false,
        };
        if !is_durable {
            return None;
        }
        self.uncertain.remove(&stream);
        reservation.commit(&mut Durable).ok()
    }

    /// A number that stands where a failed commit of our own would have put it: that commit was made after all. Nothing
    /// below it was handed out, since nobody was granted it.
    fn raise_again(&mut self, reservation: &Reservation) -> bool {
        let (stream, to) = (reservation.stream(), reservation.range().end);
        let Ok(found) = self.store.reserved(stream) else { return false };
        if found > to || !self.uncertain.get(&stream).is_some_and(|ours| ours.contains(&found)) {
            tracing::error!("{}: another process uses the sequence numbers of this database", self.name);
            return false;
        }
        let raise = [Write::Raise { stream, from: found, to }];
        self.commit(&raise).is_some_and(|written| written == [Written::Done])
    }
}

/// What was committed already.
struct Durable;

impl CounterStore for Durable {
    type Error = Infallible;

    fn reserved(&self, _: &StreamId) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn raise(&mut self, _: &StreamId, _: u64, _: u64) -> Result<bool, Infallible> {
        Ok(true)
    }
}

/// The change that makes a reservation durable.
pub(super) fn raise(reservation: &Reservation) -> Write {
    let range = reservation.range();
    Write::Raise { stream: reservation.stream(), from: range.start, to: range.end }
}

#[cfg(test)]
mod tests;
