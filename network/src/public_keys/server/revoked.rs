//! Revocation: at once here, in the list once it is durable.
//!
//! Numbers are given in order, and may become durable in another one. The list is told up to the last number before which
//! all are durable: a UE that has list n has each revocation up to n.

use std::collections::{BTreeMap, HashMap};

use sidelink_security::counter::UtcTime;

use super::io::{Change, Event, KeyRecord, OrderId, Output, RevokedRecord, Withdrawal};
use super::{PublicKeyServer, Then};
use crate::pc3::Imsi;
use crate::prose_function::{GRACE, RequestId};
use crate::public_keys::key::{Fingerprint, KeyName};
use crate::public_keys::list::{ListNumber, RevocationList};
use crate::public_keys::message::ListNews;

/// Who revokes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Operator(OrderId),
    /// The UE, by a request.
    Owner(RequestId),
    /// Another key takes its place.
    Replaced,
}

/// Keys on their way into the list.
pub(super) struct Revoking {
    pub(super) cause: Cause,
    keys: Vec<(RevokedRecord, KeyName, Imsi)>,
}

impl Revoking {
    pub(super) fn changes(&self) -> Vec<Change> {
        let gone = self.keys.iter().map(|(_, name, ue)| Change::RemoveKey(name.clone(), *ue));
        let revoked = self.keys.iter().map(|(record, ..)| Change::PutRevoked(record.clone()));
        gone.chain(revoked).collect()
    }
}

/// Keys that are revoked.
#[derive(Default)]
pub(super) struct Revoked {
    /// Those that are durable, by number.
    durable: BTreeMap<ListNumber, RevokedRecord>,
    /// Those that are not yet.
    pending: BTreeMap<ListNumber, Fingerprint>,
    /// How often each is in one of both.
    known: HashMap<Fingerprint, u32>,
    last: ListNumber,
}

impl Revoked {
    pub(super) fn of(records: Vec<RevokedRecord>) -> Self {
        let mut revoked = Self::default();
        for record in records {
            revoked.last = revoked.last.max(record.number);
            *revoked.known.entry(record.key).or_default() += 1;
            revoked.durable.insert(record.number, record);
        }
        revoked
    }

    pub(super) fn has(&self, key: &Fingerprint) -> bool {
        self.known.contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.durable.len() + self.pending.len()
    }

    /// Gives each key a number. From now on it counts as revoked.
    pub(super) fn begin(&mut self, cause: Cause, records: Vec<KeyRecord>) -> Revoking {
        let mut keys = Vec::new();
        for KeyRecord { name, ue, key, valid_until, .. } in records {
            self.last = ListNumber(self.last.0 + 1);
            let (number, key) = (self.last, key.fingerprint());
            self.pending.insert(number, key);
            *self.known.entry(key).or_default() += 1;
            keys.push((RevokedRecord { number, key, until: valid_until.plus_millis(GRACE) }, name, ue));
        }
        Revoking { cause, keys }
    }

    fn is_durable(&mut self, record: RevokedRecord) {
        self.pending.remove(&record.number);
        self.durable.insert(record.number, record);
    }

    /// The successor of a key was not stored: that key goes on. The number stays unused.
    pub(super) fn take_back(&mut self, revoking: &Revoking) {
        for (record, ..) in &revoking.keys {
            self.pending.remove(&record.number);
            self.forget(&record.key);
        }
    }

    fn forget(&mut self, key: &Fingerprint) {
        if let Some(count) = self.known.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.known.remove(key);
            }
        }
    }

    /// The number of the list that is told.
    pub(super) fn number(&self) -> ListNumber {
        let durable = |before: Option<&ListNumber>| match before {
            Some(pending) => self.durable.range(..*pending).next_back(),
            None => self.durable.last_key_value(),
        };
        durable(self.pending.keys().next()).map_or(ListNumber(0), |(number, _)| *number)
    }

    /// What is new for a UE that has the list of this number.
    pub(super) fn news(&self, has: Option<ListNumber>, now: UtcTime) -> ListNews {
        let number = self.number();
        if has == Some(number) {
            return ListNews::Same(number);
        }
        let told = self.durable.range(..=number).map(|(_, record)| record);
        let keys = told.filter(|record| record.until > now).map(|record| record.key).collect();
        ListNews::New(RevocationList::of(number, now, keys))
    }

    /// Removes what no UE can have any more. The last number stays: none comes twice.
    pub(super) fn expire(&mut self, now: UtcTime) -> Vec<Change> {
        let Some(last) = self.durable.keys().next_back().copied() else { return Vec::new() };
        let ended = self.durable.values().filter(|record| record.until <= now && record.number < last);
        let ended: Vec<(ListNumber, Fingerprint)> = ended.map(|record| (record.number, record.key)).collect();
        for (number, key) in &ended {
            self.durable.remove(number);
            self.forget(key);
        }
        ended.into_iter().map(|(number, _)| Change::RemoveRevoked(number)).collect()
    }

    pub(super) fn next_end(&self) -> Option<UtcTime> {
        let (last, _) = self.durable.last_key_value()?;
        self.durable.values().filter(|record| record.number < *last).map(|record| record.until).min()
    }
}

impl PublicKeyServer {
    pub(super) fn revoke(&mut self, order: OrderId, what: Withdrawal) {
        let records: Vec<KeyRecord> = match &what {
            Withdrawal::Permission(permission) => {
                self.permissions.remove(&(permission.target.clone(), permission.watcher.clone()));
                return self.outbox.push_back(Output::Done { order, revoked: 0 });
            }
            Withdrawal::Name(name) => self.table.of_name(name).cloned().collect(),
            Withdrawal::Ue(ue) => self.table.of_ue(*ue).cloned().collect(),
        };
        let mut all = records;
        for storing in &mut self.storing {
            if let Then::Register { record, is_revoked, .. } = &mut storing.then {
                let is_meant = match &what {
                    Withdrawal::Name(name) => record.name == *name,
                    Withdrawal::Ue(ue) => record.ue == *ue,
                    Withdrawal::Permission(_) => false,
                };
                if is_meant && !*is_revoked {
                    *is_revoked = true;
                    all.push((**record).clone());
                }
            }
        }
        if all.is_empty() {
            return self.outbox.push_back(Output::Done { order, revoked: 0 });
        }
        self.begin_revoking(Cause::Operator(order), all);
    }

    pub(super) fn begin_revoking(&mut self, cause: Cause, records: Vec<KeyRecord>) {
        for record in &records {
            self.table.remove(&(record.name.clone(), record.ue));
        }
        let revoking = self.revoked.begin(cause, records);
        self.store(revoking.changes(), Then::Revoke(revoking));
    }

    /// The revocation is durable: it is told from now on.
    pub(super) fn is_revoked(&mut self, revoking: Revoking) {
        let Revoking { cause, keys } = revoking;
        let revoked = keys.len();
        for (record, name, _) in keys {
            let (key, number) = (record.key, record.number);
            self.revoked.is_durable(record);
            self.report(Event::Revoked { name, key, number });
        }
        match cause {
            Cause::Operator(order) => self.outbox.push_back(Output::Done { order, revoked }),
            Cause::Owner(request) => self.tell_withdrawn(request),
            Cause::Replaced => {}
        }
    }
}
