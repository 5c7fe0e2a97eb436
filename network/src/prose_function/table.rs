//! Discovery entries: what is durable, and how it is found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::restricted::Material;
use sidelink_security::keys::DiscoveryKey;
use zeroize::Zeroizing;

use super::codes;
use super::config::Application;
use crate::pc3::{ApplicationCode, ApplicationId, EntryId, Imsi, Metadata, RestrictedCode, Rpauid};

/// A discovery entry. TS 24.334 §6.2.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub ue: Imsi,
    /// Its name among those of the UE, never 0.
    pub entry: EntryId,
    /// The UE uses it until then: T4000, T4002, T4007, T4009, T4011, T4013.
    pub valid_until: UtcTime,
    /// It is kept until then: T4001, T4003, T4008, T4010, T4012, T4014.
    pub kept_until: UtcTime,
    /// What it is.
    pub content: Content,
}

/// Keys of a restricted code, compared in constant time each.
#[derive(Debug)]
pub struct Keys(pub Material);

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        a.dusk == b.dusk && a.duik == b.duik && a.duck == b.duck
    }
}

impl Eq for Keys {}

/// Kinds of entries.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// An announcer of open discovery.
    OpenAnnounce {
        /// What it announces.
        application_id: ApplicationId,
        /// By which code.
        code: ApplicationCode,
        /// Under which key.
        key: DiscoveryKey,
        /// What goes with it.
        metadata: Option<Metadata>,
    },
    /// A monitor of open discovery.
    OpenMonitor {
        /// What it looks for.
        application_id: ApplicationId,
    },
    /// An announcer of restricted discovery, model A.
    RestrictedAnnounce {
        /// As whom.
        rpauid: Rpauid,
        /// For which application.
        application: Application,
        /// By which code.
        code: RestrictedCode,
        /// Under which keys.
        keys: Keys,
    },
    /// A monitor of restricted discovery, model A.
    RestrictedMonitor {
        /// As whom.
        rpauid: Rpauid,
        /// For which application.
        application: Application,
        /// Whom it looks for.
        targets: Vec<Rpauid>,
    },
    /// Who answers in restricted discovery, model B.
    Discoveree {
        /// As whom.
        rpauid: Rpauid,
        /// For which application.
        application: Application,
        /// By which codes.
        pair: Box<Pair>,
    },
    /// Who asks in restricted discovery, model B.
    Discoverer {
        /// As whom.
        rpauid: Rpauid,
        /// For which application.
        application: Application,
        /// Whom it asks for.
        targets: Vec<Rpauid>,
    },
}

/// The codes of a discoveree, each under keys of its own. TS 33.303 §6.1.3.4.2.2.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair {
    /// ProSe Query Code: all who may ask have it.
    pub query: RestrictedCode,
    /// Its keys.
    pub query_keys: Keys,
    /// ProSe Response Code.
    pub response: RestrictedCode,
    /// Its keys.
    pub response_keys: Keys,
}

impl Pair {
    pub(super) fn copy(&self) -> Self {
        let (query_keys, response_keys) = (self.query_keys.copy(), self.response_keys.copy());
        Self { query_keys, response_keys, ..*self }
    }
}

/// A key again: 16 octets, or 32.
pub(super) fn copy<K: From<[u8; 16]> + From<[u8; 32]>>(octets: &[u8]) -> K {
    if let Ok(short) = <[u8; 16]>::try_from(octets) {
        return K::from(*Zeroizing::new(short));
    }
    let mut long = Zeroizing::new([0; 32]);
    long.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    K::from(*long)
}

/// Keys of a code again.
pub(crate) fn copy_material(keys: &Material) -> Material {
    Material {
        dusk: keys.dusk.as_ref().map(|key| copy(key.as_bytes())),
        duik: keys.duik.as_ref().map(|key| copy(key.as_bytes())),
        duck: keys.duck.as_ref().map(|(key, mask)| (copy(key.as_bytes()), *mask)),
    }
}

impl Keys {
    pub(super) fn copy(&self) -> Self {
        Self(copy_material(&self.0))
    }
}

impl Record {
    pub(super) const fn key(&self) -> (Imsi, EntryId) {
        (self.ue, self.entry)
    }

    pub(super) fn copy(&self) -> Self {
        let content = match &self.content {
            Content::OpenAnnounce { application_id, code, key, metadata } => Content::OpenAnnounce {
                application_id: application_id.clone(),
                code: *code,
                key: copy(key.as_bytes()),
                metadata: metadata.clone(),
            },
            Content::OpenMonitor { application_id } => {
                Content::OpenMonitor { application_id: application_id.clone() }
            }
            Content::RestrictedAnnounce { rpauid, application, code, keys } => Content::RestrictedAnnounce {
                rpauid: rpauid.clone(),
                application: application.clone(),
                code: *code,
                keys: keys.copy(),
            },
            Content::RestrictedMonitor { rpauid, application, targets } => Content::RestrictedMonitor {
                rpauid: rpauid.clone(),
                application: application.clone(),
                targets: targets.clone(),
            },
            Content::Discoveree { rpauid, application, pair } => Content::Discoveree {
                rpauid: rpauid.clone(),
                application: application.clone(),
                pair: Box::new(pair.copy()),
            },
            Content::Discoverer { rpauid, application, targets } => Content::Discoverer {
                rpauid: rpauid.clone(),
                application: application.clone(),
                targets: targets.clone(),
            },
        };
        Self { content, ..*self }
    }
}

/// A change of what is durable.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// Add this entry, or replace that of its UE and name.
    Put(Box<Record>),
    /// Remove the entry of this UE and name.
    Remove(Imsi, EntryId),
}

impl Change {
    pub(super) fn copy(&self) -> Self {
        match self {
            Self::Put(record) => Self::Put(Box::new(record.copy())),
            Self::Remove(ue, entry) => Self::Remove(*ue, *entry),
        }
    }

    /// What is put, if something is.
    pub(super) fn content(&self) -> Option<&Content> {
        match self {
            Self::Put(record) => Some(&record.content),
            Self::Remove(..) => None,
        }
    }

    pub(super) fn key(&self) -> (Imsi, EntryId) {
        match self {
            Self::Put(record) => record.key(),
            Self::Remove(ue, entry) => (*ue, *entry),
        }
    }
}

/// UE, and name of the entry.
pub(super) type Key = (Imsi, EntryId);

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Table {
    records: BTreeMap<Key, Record>,
    ends: BTreeSet<(UtcTime, Key)>,
    open: HashMap<[u8; 22], Key>,
    restricted: HashMap<RestrictedCode, Key>,
    announced: BTreeMap<ApplicationId, BTreeSet<Key>>,
    announced_as: BTreeMap<Rpauid, BTreeSet<Key>>,
}

impl Table {
    pub(super) fn put(&mut self, record: Record) {
        let key = record.key();
        self.remove(key);
        self.ends.insert((record.kept_until, key));
        match &record.content {
            Content::OpenAnnounce { application_id, code, .. } => {
                self.open.insert(codes::name(code), key);
                self.announced.entry(application_id.clone()).or_default().insert(key);
            }
            Content::RestrictedAnnounce { rpauid, code, .. } => {
                self.restricted.insert(*code, key);
                self.announced_as.entry(rpauid.clone()).or_default().insert(key);
            }
            Content::Discoveree { rpauid, pair, .. } => {
                self.restricted.extend([(pair.query, key), (pair.response, key)]);
                self.announced_as.entry(rpauid.clone()).or_default().insert(key);
            }
            Content::OpenMonitor { .. } | Content::RestrictedMonitor { .. } | Content::Discoverer { .. } => {}
        }
        self.records.insert(key, record);
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Record> {
        let record = self.records.remove(&key)?;
        self.ends.remove(&(record.kept_until, key));
        match &record.content {
            Content::OpenAnnounce { application_id, code, .. } => {
                self.open.remove(&codes::name(code));
                forget(&mut self.announced, application_id, key);
            }
            Content::RestrictedAnnounce { rpauid, code, .. } => {
                self.restricted.remove(code);
                forget(&mut self.announced_as, rpauid, key);
            }
            Content::Discoveree { rpauid, pair, .. } => {
                self.restricted.remove(&pair.query);
                self.restricted.remove(&pair.response);
                forget(&mut self.announced_as, rpauid, key);
            }
            Content::OpenMonitor { .. } | Content::RestrictedMonitor { .. } | Content::Discoverer { .. } => {}
        }
        Some(record)
    }

    pub(super) fn get(&self, key: Key) -> Option<&Record> {
        self.records.get(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Those of a UE.
    pub(super) fn of(&self, ue: Imsi) -> impl Iterator<Item = &Record> {
        let all = EntryId::new(0).ok().zip(EntryId::new(u16::MAX).ok());
        all.into_iter()
            .flat_map(move |(first, last)| self.records.range((ue, first)..=(ue, last)))
            .map(|(_, r)| r)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// Who announces a code, whatever its metadata index.
    pub(super) fn announcer(&self, code: &ApplicationCode) -> Option<&Record> {
        self.open.get(&codes::name(code)).and_then(|key| self.records.get(key))
    }

    /// Whose a restricted code, query code or response code is: which of them says the record.
    pub(super) fn holder(&self, code: RestrictedCode) -> Option<&Record> {
        self.restricted.get(&code).and_then(|key| self.records.get(key))
    }

    /// Announcers of a ProSe Application ID.
    pub(super) fn announcers(&self, id: &ApplicationId) -> impl Iterator<Item = &Record> {
        self.announced.get(id).into_iter().flatten().filter_map(|key| self.records.get(key))
    }

    /// Announcers and discoverees as an RPAUID.
    pub(super) fn announcers_as(&self, rpauid: &Rpauid) -> impl Iterator<Item = &Record> {
        self.announced_as.get(rpauid).into_iter().flatten().filter_map(|key| self.records.get(key))
    }

    /// The first end.
    pub(super) fn next_end(&self) -> Option<UtcTime> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Takes out what has ended.
    pub(super) fn expire(&mut self, now: UtcTime) -> Vec<Key> {
        let mut ended = Vec::new();
        while let Some((end, key)) = self.ends.first().copied() {
            if end > now {
                break;
            }
            self.remove(key);
            ended.push(key);
        }
        ended
    }
}

fn forget<N: Ord>(names: &mut BTreeMap<N, BTreeSet<Key>>, name: &N, key: Key) {
    if let Some(keys) = names.get_mut(name) {
        keys.remove(&key);
        if keys.is_empty() {
            names.remove(name);
        }
    }
}
