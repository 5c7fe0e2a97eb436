//! Commits of a network function, and what is known of the ones that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use sidelink_security::counter::reserve::{CounterStore, Granted, Reservation, StreamId};

use crate::status::Counters;
use crate::store::{PkmfStore, PkmfWrite, Store, StoreError, Write, Written};

/// What a ledger needs of a store of changes `W`.
pub(super) trait Commit<W>: Send {
    fn commit(&mut self, changes: &[W]) -> Result<Vec<Written>, StoreError>;
    fn reserved(&mut self, stream: StreamId) -> Result<u64, StoreError>;
}

impl<S: Store + ?Sized> Commit<Write> for Box<S> {
    fn commit(&mut self, changes: &[Write]) -> Result<Vec<Written>, StoreError> {
        (**self).commit(changes)
    }

    fn reserved(&mut self, stream: StreamId) -> Result<u64, StoreError> {
        (**self).reserved(stream)
    }
}

impl<S: PkmfStore + ?Sized> Commit<PkmfWrite> for Box<S> {
    fn commit(&mut self, changes: &[PkmfWrite]) -> Result<Vec<Written>, StoreError> {
        (**self).commit(changes)
    }

    fn reserved(&mut self, stream: StreamId) -> Result<u64, StoreError> {
        (**self).reserved(stream)
    }
}

/// Changes, one of which raises the number of a stream.
pub(super) trait Raise: Sized {
    fn raise(stream: StreamId, from: u64, to: u64) -> Self;
    /// The stream that is raised, and to what.
    fn raised(&self) -> Option<(StreamId, u64)>;
}

impl Raise for Write {
    fn raise(stream: StreamId, from: u64, to: u64) -> Self {
        Self::Raise { stream, from, to }
    }

    fn raised(&self) -> Option<(StreamId, u64)> {
        if let Self::Raise { stream, to, .. } = self { Some((*stream, *to)) } else { None }
    }
}

impl Raise for PkmfWrite {
    fn raise(stream: StreamId, from: u64, to: u64) -> Self {
        Self::Raise { stream, from, to }
    }

    fn raised(&self) -> Option<(StreamId, u64)> {
        if let Self::Raise { stream, to, .. } = self { Some((*stream, *to)) } else { None }
    }
}

/// A store, with an account of failed commits.
pub(super) struct Ledger<W = Write> {
    store: Box<dyn Commit<W>>,
    name: &'static str,
    counters: std::sync::Arc<Counters>,
    fails: bool,
    /// Numbers that a failed commit may have raised nevertheless, and to what.
    uncertain: BTreeMap<StreamId, BTreeSet<u64>>,
}

impl<W: Raise> Ledger<W> {
    pub(super) fn new(
        name: &'static str,
        store: impl Commit<W> + 'static,
        counters: std::sync::Arc<Counters>,
    ) -> Self {
        Self { store: Box::new(store), name, counters, fails: false, uncertain: BTreeMap::new() }
    }

    /// Whether the last commit failed.
    pub(super) const fn fails(&self) -> bool {
        self.fails
    }

    /// Makes all changes durable; none where that failed. What fails is logged once until it works again.
    pub(super) fn commit(&mut self, changes: &[W]) -> Option<Vec<Written>> {
        match (*self.store).commit(changes) {
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
                for (stream, to) in changes.iter().filter_map(Raise::raised) {
                    self.uncertain.entry(stream).or_default().insert(to);
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
        let Ok(found) = (*self.store).reserved(stream) else { return false };
        if found > to || !self.uncertain.get(&stream).is_some_and(|ours| ours.contains(&found)) {
            tracing::error!("{}: another process uses the sequence numbers of this database", self.name);
            return false;
        }
        let raise = [W::raise(stream, found, to)];
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
pub(super) fn raise<W: Raise>(reservation: &Reservation) -> W {
    let range = reservation.range();
    W::raise(reservation.stream(), range.start, range.end)
}

#[cfg(test)]
mod tests;
