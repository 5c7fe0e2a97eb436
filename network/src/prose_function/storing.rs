//! Changes on their way to the store: what depends on them happens once they are there.

use super::io::{Output, Refused, Response, Ticket};
use super::table::{Change, Key};
use super::work::{Puts, Storing, Then};
use super::{Event, ProseFunction, RETRY_INTERVAL};

impl ProseFunction {
    /// Changes that are being stored.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Change> {
        self.storing.iter().flat_map(|storing| &storing.changes)
    }

    /// Entries whose names are not free, whatever the table says: what the store has of them is to change again.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = &Key> {
        let cancelled = self.storing.iter().flat_map(|storing| &storing.cancelled);
        cancelled.chain(self.retries.iter().flat_map(|(_, keys, _)| keys))
    }

    pub(super) fn store(&mut self, changes: Vec<Change>, puts: Puts, then: Then) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.outbox.push_back(Output::Store { ticket, changes: changes.iter().map(Change::copy).collect() });
        let deadline = self.now.plus_millis(self.config.limits.patience);
        self.storing.push(Storing { ticket, changes, puts, cancelled: Vec::new(), then, deadline });
    }

    fn take_stored(&mut self, ticket: Ticket) -> Option<Storing> {
        let position = self.storing.iter().position(|storing| storing.ticket == ticket)?;
        Some(self.storing.remove(position))
    }

    pub(super) fn stored(&mut self, ticket: Ticket) {
        let Some(storing) = self.take_stored(ticket) else { return };
        for change in storing.changes {
            match change {
                Change::Put(record)
                    if storing.puts == Puts::OnceStored && !self.is_removed_later(record.key()) =>
                {
                    self.table.put(*record);
                }
                _ => {}
            }
        }
        if !storing.cancelled.is_empty() {
            let changes = self.as_it_is(&storing.cancelled);
            self.store(changes, Puts::Done, Then::Nothing);
        }
        match storing.then {
            Then::Respond { request, ue, body, allotted } => {
                self.respond(request, Response::Message(body));
                allotted.into_iter().for_each(|entry| self.report(Event::Allotted { ue, entry }));
            }
            Then::Push(pushes) => self.pushes.extend(pushes),
            Then::Nothing => {}
        }
    }

    /// Whether an entry ended or was stopped while it was being stored.
    fn is_removed_later(&self, key: Key) -> bool {
        let removed = |change: &Change| matches!(change, Change::Remove(..)) && change.key() == key;
        self.pending().any(removed) || self.unsettled().any(|unsettled| *unsettled == key)
    }

    /// Nothing was allotted then; what was withdrawn stays withdrawn, and is tried again.
    pub(super) fn store_failed(&mut self, ticket: Ticket) {
        let Some(storing) = self.take_stored(ticket) else { return };
        let Storing { changes, puts, then, .. } = storing;
        let lost = |change: &Change| puts == Puts::OnceStored && matches!(change, Change::Put(_));
        let keys: Vec<Key> = changes.iter().filter(|change| !lost(change)).map(Change::key).collect();
        let then = match then {
            Then::Respond { request, .. } => {
                self.respond(request, Response::Refused(Refused::Busy));
                Then::Nothing
            }
            then => then,
        };
        if !keys.is_empty() {
            self.retries.push((self.now.plus_millis(RETRY_INTERVAL), keys, then));
        }
    }

    /// Tries again what is due.
    pub(super) fn retry(&mut self) {
        let now = self.now;
        while let Some(due) = self.retries.iter().position(|(at, ..)| *at <= now) {
            let (_, keys, then) = self.retries.remove(due);
            let changes = self.as_it_is(&keys);
            self.store(changes, Puts::Done, then);
        }
    }

    /// The changes that make these entries durable as the table has them, or has them not.
    fn as_it_is(&self, keys: &[Key]) -> Vec<Change> {
        let change = |key: &Key| match self.table.get(*key) {
            Some(record) => Change::Put(Box::new(record.copy())),
            None => Change::Remove(key.0, key.1),
        };
        keys.iter().map(change).collect()
    }
}
