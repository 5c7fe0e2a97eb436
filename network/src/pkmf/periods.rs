//! PGKs and PSDKs: which IDs they have, when they count, when the next is given out, who loses them. TS 33.303 §6.2.3.1,
//! §6.2.3.2, §6.6.3.2.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::keys::Secret256;

use super::config::{Kind, Service};
use super::deliveries::Subject;
use super::io::{Change, Event, KeyRecord, Standing};
use super::storing::{Slot, Then};
use super::{Pkmf, RETRY_INTERVAL};
use crate::identity::Impi;
use crate::key_delivery::{KeyName, Period, ServiceId};
use crate::pc8::MemberId;

/// A key as it is known here.
pub(super) struct Entry {
    pub(super) key: Secret256,
    pub(super) period: Period,
    pub(super) standing: Standing,
    /// Whether it is durable: nobody has it before.
    pub(super) stored: bool,
}

/// The keys of a service, and who may have them.
pub(super) struct Keys {
    id: ServiceId,
    members: BTreeMap<Impi, MemberId>,
    pub(super) revoked: BTreeSet<Impi>,
    /// Revoked until it is durable that they are not any more.
    admitting: BTreeSet<Impi>,
    entries: BTreeMap<NonZeroU8, Entry>,
    last: Option<NonZeroU8>,
    /// When something is to be done.
    pub(super) due: Option<UtcTime>,
}

impl Keys {
    pub(super) fn new(service: &Service) -> Self {
        let members = match &service.kind {
            Kind::Group { members, .. } => members.iter().cloned().collect(),
            // Nobody has an identity in a discovery.
            Kind::Discovery { ues, .. } => ues.iter().map(|ue| (ue.clone(), MemberId([0; 3]))).collect(),
        };
        Self {
            id: service.id,
            members,
            revoked: BTreeSet::new(),
            admitting: BTreeSet::new(),
            entries: BTreeMap::new(),
            last: None,
            due: None,
        }
    }

    pub(super) fn load(&mut self, record: KeyRecord) {
        let KeyRecord { name, key, period, standing } = record;
        let newest = self.last.and_then(|id| self.entries.get(&id)).map(|entry| entry.period.to);
        if newest.is_none_or(|to| period.to >= to) {
            self.last = Some(name.id);
        }
        self.entries.insert(name.id, Entry { key, period, standing, stored: true });
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Impi> {
        self.members.keys()
    }

    /// Whether the store should say that a UE may have no keys.
    pub(super) fn is_to_be_revoked(&self, ue: &Impi) -> bool {
        self.revoked.contains(ue) && !self.admitting.contains(ue)
    }

    /// The identity of a UE that may have keys.
    pub(super) fn member(&self, ue: &Impi) -> Option<MemberId> {
        self.members.get(ue).copied().filter(|_| !self.revoked.contains(ue))
    }

    pub(super) fn may_have(&self, ue: &Impi) -> bool {
        self.member(ue).is_some()
    }

    pub(super) fn entry(&self, id: NonZeroU8) -> Option<&Entry> {
        self.entries.get(&id)
    }

    fn name(&self, id: NonZeroU8) -> KeyName {
        KeyName { service: self.id, id }
    }

    fn valid(&self) -> impl Iterator<Item = (NonZeroU8, &Entry)> {
        let valid = |(_, entry): &(&NonZeroU8, &Entry)| entry.standing == Standing::Valid;
        self.entries.iter().filter(valid).map(|(id, entry)| (*id, entry))
    }

    /// Keys that a UE should have now.
    pub(super) fn to_give(&self, now: UtcCounter) -> impl Iterator<Item = KeyName> {
        self.valid()
            .filter(move |(_, entry)| entry.stored && now < entry.period.to)
            .map(|(id, _)| self.name(id))
    }

    /// Whether a UE that has this key is to delete it.
    pub(super) fn is_to_delete(&self, id: NonZeroU8) -> bool {
        self.entries.get(&id).is_none_or(|entry| entry.standing == Standing::Revoked)
    }

    /// When the last of the valid keys ends.
    fn covered_until(&self) -> Option<UtcCounter> {
        self.valid().map(|(_, entry)| entry.period.to).max()
    }

    /// The next ID after the last whose five least significant bits no key has. TS 33.303 §6.2.3.2.
    fn free_id(&self) -> Option<NonZeroU8> {
        let last = self.last.map_or(0, NonZeroU8::get);
        let next = |step: u16| NonZeroU8::new(((u16::from(last) + step - 1) % 255 + 1) as u8);
        let index = |id: NonZeroU8| id.get() & 0x1f;
        (1..=255).filter_map(next).find(|id| !self.entries.keys().any(|other| index(*other) == index(*id)))
    }

    /// Forgets ended keys: all but the one that ended last, which UEs may still have (§6.2.3.1). What was revoked goes too.
    fn forget(&mut self, now: UtcCounter) -> Vec<KeyName> {
        let ended = |entry: &&Entry| entry.period.to <= now && entry.standing == Standing::Valid;
        let last = self.entries.values().filter(ended).map(|entry| entry.period.to).max();
        let gone = |entry: &Entry| {
            entry.stored
                && entry.period.to <= now
                && (entry.standing == Standing::Revoked || Some(entry.period.to) != last)
        };
        let ids: Vec<_> = self.entries.iter().filter(|(_, entry)| gone(entry)).map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| _ = self.entries.remove(id));
        ids.into_iter().map(|id| self.name(id)).collect()
    }

    /// An end that no other key has: each has one of its own (§6.2.3.1).
    fn own_end(&self, wanted: UtcCounter) -> UtcCounter {
        let taken = |to: UtcCounter| self.entries.values().any(|entry| entry.period.to == to);
        let mut to = wanted;
        while taken(to) && to.value() < u32::MAX {
            to = to.plus(1);
        }
        to
    }
}

impl Pkmf {
    /// A service has a key for now, if it can be.
    pub(super) fn ensure_key(&mut self, service: ServiceId) {
        let now = self.now.counter();
        let covered = self.services.get(&service).and_then(Keys::covered_until);
        if covered.is_none_or(|until| until <= now) {
            self.make_key(service, now, Vec::new());
        } else {
            self.schedule(service);
        }
    }

    /// What is due of all services: keys that ended, and the next in time.
    pub(super) fn keys_due(&mut self) {
        let now = self.now;
        let due = |keys: &Keys| keys.due.is_some_and(|at| at <= now);
        let services: Vec<_> =
            self.services.iter().filter(|(_, keys)| due(keys)).map(|(id, _)| *id).collect();
        for service in services {
            self.service_due(service);
        }
    }

    fn service_due(&mut self, service: ServiceId) {
        let now = self.now.counter();
        let Some(keys) = self.services.get_mut(&service) else { return };
        keys.due = None;
        let gone = keys.forget(now);
        if !gone.is_empty() {
            self.store(gone.into_iter().map(Slot::Key).collect(), Then::Nothing);
        }
        let covered = self.services.get(&service).and_then(Keys::covered_until);
        let wanted = !self.wanting(service).is_empty();
        match covered {
            Some(until) if until <= now.plus(self.config.lead) && wanted => {
                self.make_key(service, until.max(now), Vec::new());
            }
            // Somebody waits for a first one.
            None if wanted => self.make_key(service, now, Vec::new()),
            _ => self.schedule(service),
        }
    }

    /// Makes a key that counts from `from` on, and stores it. It takes the place of others, which those who have them delete
    /// then.
    fn make_key(&mut self, service: ServiceId, from: UtcCounter, replaces: Vec<KeyName>) {
        let Some(keys) = self.services.get(&service) else { return };
        let Some(id) = keys.free_id() else {
            self.report(Event::NoFreeId(service));
            self.withdraw(service, &replaces);
            self.schedule(service);
            return;
        };
        let period = Period { from, to: keys.own_end(from.plus(self.config.lifetime)) };
        let Ok(number) = self.numbers.take() else { return self.again(service, &replaces) };
        let key = Secret256::from(self.keys_from.draw(number));
        let name = KeyName { service, id };
        if let Some(keys) = self.services.get_mut(&service) {
            keys.entries.insert(id, Entry { key, period, standing: Standing::Valid, stored: false });
            keys.last = Some(id);
        }
        self.store(vec![Slot::Key(name)], Then::Give { key: name, replaces });
        self.schedule(service);
    }

    /// No number was there: what is replaced goes at once, the new key comes with the next look.
    fn again(&mut self, service: ServiceId, replaces: &[KeyName]) {
        self.withdraw(service, replaces);
        let at = self.now.plus_millis(RETRY_INTERVAL);
        if let Some(keys) = self.services.get_mut(&service) {
            keys.due = Some(at);
        }
    }

    /// When to look at a service again.
    pub(super) fn schedule(&mut self, service: ServiceId) {
        let (lead, now) = (self.config.lead, self.now);
        let wanted = !self.wanting(service).is_empty();
        let Some(keys) = self.services.get_mut(&service) else { return };
        let next = keys
            .covered_until()
            .filter(|_| wanted)
            .map(|until| UtcCounter::new(until.value().saturating_sub(lead)));
        let ends = keys.entries.values().map(|entry| entry.period.to);
        let at = ends.chain(next).map(UtcTime::from_counter).filter(|at| *at > now).min();
        keys.due = at;
    }

    /// A key is durable: whoever wants it gets it, and then loses what it replaces.
    pub(super) fn give(&mut self, key: KeyName, replaces: &[KeyName]) {
        let Some(entry) = self.services.get_mut(&key.service).and_then(|keys| keys.entries.get_mut(&key.id))
        else {
            return;
        };
        entry.stored = true;
        let valid = entry.standing == Standing::Valid;
        if !valid {
            return self.withdraw(key.service, replaces);
        }
        self.report(Event::NewKey(key));
        let then: Vec<_> = replaces.iter().copied().map(Subject::Delete).collect();
        for ue in self.wanting(key.service) {
            self.deliveries.add(&ue, Subject::Key(key), self.now, then.clone());
        }
    }

    /// Whoever wants keys of a service loses these.
    fn withdraw(&mut self, service: ServiceId, keys: &[KeyName]) {
        for ue in self.wanting(service) {
            for key in keys {
                self.deliveries.add(&ue, Subject::Delete(*key), self.now, Vec::new());
            }
        }
    }

    /// A UE may have no more keys of a service. TS 33.303 has no procedure for it: the keys are replaced (§6.2.3.3.2.3.2 has
    /// how one is deleted).
    pub(super) fn revoke(&mut self, service: ServiceId, ue: Impi) {
        let now = self.now.counter();
        let Some(keys) = self.services.get_mut(&service) else { return };
        if keys.admitting.remove(&ue) {
            // It was given nothing meanwhile.
            return self.store(vec![Slot::Revocation(service, ue)], Then::Nothing);
        }
        if !keys.members.contains_key(&ue) || !keys.revoked.insert(ue.clone()) {
            return;
        }
        let mut replaced = Vec::new();
        for (id, entry) in &mut keys.entries {
            if entry.standing == Standing::Valid {
                entry.standing = Standing::Revoked;
                replaced.push(KeyName { service, id: *id });
            }
        }
        let mut slots = vec![Slot::Revocation(service, ue.clone())];
        slots.extend(replaced.iter().copied().map(Slot::Key));
        self.store(slots, Then::Nothing);
        if self.ues.contains_key(&ue) {
            for key in &replaced {
                self.deliveries.add(&ue, Subject::Delete(*key), self.now, Vec::new());
            }
        }
        if self.wanting(service).is_empty() {
            self.schedule(service);
        } else {
            self.make_key(service, now, replaced);
        }
    }

    /// A UE may have keys of a service again once that is durable, and once it asks.
    pub(super) fn admit(&mut self, service: ServiceId, ue: Impi) {
        let Some(keys) = self.services.get_mut(&service) else { return };
        if keys.revoked.contains(&ue) && keys.admitting.insert(ue.clone()) {
            self.store(vec![Slot::Revocation(service, ue.clone())], Then::Admit(service, ue));
        }
    }

    /// It is durable.
    pub(super) fn admitted(&mut self, service: ServiceId, ue: &Impi) {
        if let Some(keys) = self.services.get_mut(&service)
            && keys.admitting.remove(ue)
        {
            keys.revoked.remove(ue);
        }
    }

    /// The change that makes a key durable as it is here, or is not.
    pub(super) fn key_as_it_is(&self, name: KeyName) -> Change {
        match self.services.get(&name.service).and_then(|keys| keys.entries.get(&name.id)) {
            Some(entry) => Change::PutKey(Box::new(KeyRecord {
                name,
                key: Secret256::from(*entry.key.as_bytes()),
                period: entry.period,
                standing: entry.standing,
            })),
            None => Change::RemoveKey(name),
        }
    }
}
