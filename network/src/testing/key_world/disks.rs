//! What is durable, of a PKMF and of a UE.

use std::collections::{BTreeMap, BTreeSet};

use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::CounterStore;
use sidelink_security::keys::{Pmk, Secret256};

use crate::identity::Impi;
use crate::key_delivery::{KeyName, ServiceId};
use crate::pkmf::{self, Change, UeRecord};
use crate::pkmf_client::{self as client, PmkRecord, Wanted};

/// What is durable of a PKMF.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) counters: Memory,
    pub(crate) ues: BTreeMap<Impi, UeRecord>,
    pub(crate) keys: BTreeMap<KeyName, pkmf::KeyRecord>,
    pub(crate) revocations: BTreeSet<(ServiceId, Impi)>,
    pub(crate) remotes: BTreeMap<Impi, pkmf::RemoteRecord>,
    pub(crate) revoked_relays: BTreeSet<Impi>,
}

impl Disk {
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::PutUe(record) => _ = self.ues.insert(record.ue.clone(), *record),
            Change::PutKey(record) => _ = self.keys.insert(record.name, *record),
            Change::RemoveKey(name) => _ = self.keys.remove(&name),
            Change::PutRevocation(service, ue) => _ = self.revocations.insert((service, ue)),
            Change::RemoveRevocation(service, ue) => _ = self.revocations.remove(&(service, ue)),
            Change::PutRemote(record) => _ = self.remotes.insert(record.ue.clone(), *record),
            Change::PutRelayRevocation(ue) => _ = self.revoked_relays.insert(ue),
            Change::RemoveRelayRevocation(ue) => _ = self.revoked_relays.remove(&ue),
        }
    }

    pub(crate) fn durable(&self) -> pkmf::Durable {
        let ue = |record: &UeRecord| {
            let copy = UeRecord {
                ue: record.ue.clone(),
                pmk: Pmk::from(*record.pmk.as_bytes()),
                wanted: record.wanted.clone(),
                ..*record
            };
            (copy, self.counters.reserved(&pkmf::stream(record.pmk_id)).unwrap())
        };
        let key = |record: &pkmf::KeyRecord| pkmf::KeyRecord {
            key: Secret256::from(*record.key.as_bytes()),
            ..*record
        };
        pkmf::Durable {
            ues: self.ues.values().map(ue).collect(),
            keys: self.keys.values().map(key).collect(),
            revocations: self.revocations.iter().cloned().collect(),
            remotes: self.remotes.values().map(pkmf::RemoteRecord::duplicate).collect(),
            revoked_relays: self.revoked_relays.iter().cloned().collect(),
        }
    }
}

/// What is durable of a UE.
#[derive(Default)]
pub(crate) struct Card {
    pub(crate) pmk: Option<PmkRecord>,
    pub(crate) grants: BTreeMap<Wanted, client::Terms>,
    pub(crate) keys: BTreeMap<KeyName, client::KeyRecord>,
}

impl Card {
    pub(crate) fn apply(&mut self, change: client::Change) {
        match change {
            client::Change::PutPmk(record) => self.pmk = Some(record),
            client::Change::PutGrant(wanted, terms) => _ = self.grants.insert(wanted, terms),
            client::Change::RemoveGrant(wanted) => _ = self.grants.remove(&wanted),
            client::Change::PutKey(record) => _ = self.keys.insert(record.name, record),
            client::Change::RemoveKey(name) => _ = self.keys.remove(&name),
        }
    }

    pub(crate) fn durable(&self) -> client::Durable {
        let pmk = |record: &PmkRecord| PmkRecord { pmk: Pmk::from(*record.pmk.as_bytes()), ..*record };
        let key = |record: &client::KeyRecord| client::KeyRecord {
            key: Secret256::from(*record.key.as_bytes()),
            ..*record
        };
        client::Durable {
            pmk: self.pmk.as_ref().map(pmk),
            grants: self.grants.iter().map(|(wanted, terms)| (*wanted, *terms)).collect(),
            keys: self.keys.values().map(key).collect(),
        }
    }
}
