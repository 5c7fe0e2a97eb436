//! The keys of a UE: which are there, which end, what a user of them gets.

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::public_safety::{PsdkUse, PublicSafetyKey};
use sidelink_security::group::{GroupConfig, GroupKey};
use sidelink_security::keys::{Pgk, Psdk, Secret256};

use super::io::{Change, Event, Terms, Wanted};
use super::{PkmfClient, Then};
use crate::key_delivery::{KeyName, Period, ServiceId};
use crate::pc8::HeldId;

/// A key that is durable.
pub(super) struct Held {
    pub(super) key: Secret256,
    pub(super) period: Period,
}

impl PkmfClient {
    /// The terms that were granted.
    pub fn terms(&self, wanted: Wanted) -> Option<Terms> {
        self.grants.get(&wanted).copied()
    }

    /// What all members of a group agree on, if it was granted.
    pub fn group(&self, group: ServiceId) -> Option<GroupConfig> {
        match self.terms(Wanted::Group(group))? {
            Terms::Group { algorithm, .. } => {
                let eea: Algorithm = algorithm.algorithm();
                Some(GroupConfig { group_id: group.0, eea, mac: None })
            }
            Terms::Discovery { .. } => None,
        }
    }

    /// The PGKs of a group, the one that ends first in front: those that have not ended, and the one that ended last.
    pub fn group_keys(&self, group: ServiceId) -> Vec<GroupKey> {
        let mut keys: Vec<_> = self.of(group).collect();
        keys.sort_by_key(|(_, held)| held.period.to);
        let key = |(name, held): (KeyName, &Held)| GroupKey {
            pgk_id: name.id.get(),
            pgk: Pgk::from(*held.key.as_bytes()),
            valid_from: held.period.from,
            expiry: held.period.to,
        };
        keys.into_iter().map(key).collect()
    }

    /// The key that protects a discovery now: of those that have not ended the one that ends first. TS 33.303 §6.6.7.
    pub fn discovery_key(&self, wanted: Wanted, now: UtcCounter) -> Option<PublicSafetyKey> {
        self.discovery_keys(wanted, now).into_iter().next().map(|(_, key)| key)
    }

    /// The keys that protect a discovery with their names, the one that ends first in front: those that have not ended.
    pub fn discovery_keys(&self, wanted: Wanted, now: UtcCounter) -> Vec<(KeyName, PublicSafetyKey)> {
        let Some(Terms::Discovery { key_type, protection, encrypted }) = self.terms(wanted) else {
            return Vec::new();
        };
        let mut alive: Vec<_> = self.of(key_type).filter(|(_, held)| now < held.period.to).collect();
        alive.sort_by_key(|(_, held)| held.period.to);
        let key = |(name, held): (KeyName, &Held)| {
            let key = PublicSafetyKey {
                psdk: Psdk::from(*held.key.as_bytes()),
                serves: PsdkUse::KeyType,
                expiry: held.period.to,
                scramble: protection.scrambles(),
                integrity: protection.has_mic(),
                confidentiality: encrypted.filter(|_| protection.is_confidential()),
            };
            (name, key)
        };
        alive.into_iter().map(key).collect()
    }

    pub(super) fn of(&self, service: ServiceId) -> impl Iterator<Item = (KeyName, &Held)> {
        self.keys.iter().filter(move |(name, _)| name.service == service).map(|(name, held)| (*name, held))
    }

    /// IDs of the keys of a service, as a KEY_REQUEST lists them: 0 where there is none.
    pub(super) fn held(&self, service: Option<ServiceId>) -> Vec<HeldId> {
        let ids = service.map(|service| self.of(service).map(|(name, _)| HeldId(name.id.get())).collect());
        ids.filter(|ids: &Vec<_>| !ids.is_empty()).unwrap_or_else(|| vec![HeldId(0)])
    }

    /// Where the keys of something come, as far as it was granted.
    pub(super) fn service_of(&self, wanted: Wanted) -> Option<ServiceId> {
        match (wanted, self.terms(wanted)?) {
            (_, Terms::Discovery { key_type, .. }) => Some(key_type),
            (Wanted::Group(group), Terms::Group { .. }) => Some(group),
            (_, Terms::Group { .. }) => None,
        }
    }

    /// Whether something that was granted has no key now.
    pub(super) fn lacks_keys(&self) -> bool {
        let now = self.now.counter();
        let lacks = |wanted: &Wanted| {
            let service = self.service_of(*wanted);
            service.is_some_and(|service| !self.of(service).any(|(_, held)| now < held.period.to))
        };
        self.grants.keys().any(lacks)
    }

    /// Deletes what has ended: all but the one that ended last of each service. TS 33.303 §6.2.3.1, §6.6.3.2.
    pub(super) fn forget_ended(&mut self) {
        let now = self.now.counter();
        let ended = |held: &Held| held.period.to <= now;
        let later = |name: &KeyName, held: &Held| {
            self.of(name.service).any(|(_, other)| ended(other) && other.period.to > held.period.to)
        };
        let gone: Vec<_> = self
            .keys
            .iter()
            .filter(|(name, held)| ended(held) && later(name, held))
            .map(|(name, _)| *name)
            .collect();
        if gone.is_empty() {
            return;
        }
        for name in &gone {
            self.keys.remove(name);
            self.report(Event::Deleted(*name));
        }
        self.store(gone.into_iter().map(Change::RemoveKey).collect(), Then::Nothing);
    }

    pub(super) fn next_end(&self) -> Option<UtcTime> {
        let ends = self.keys.values().map(|held| UtcTime::from_counter(held.period.to));
        ends.filter(|end| *end > self.now).min()
    }
}
