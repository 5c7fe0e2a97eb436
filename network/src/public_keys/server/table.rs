//! Keys that are registered, by name, hint, UE and end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::Hint;

use super::io::KeyRecord;
use crate::pc3::Imsi;
use crate::public_keys::key::KeyName;

/// Name and UE.
pub(super) type Place = (KeyName, Imsi);

/// All keys.
#[derive(Default)]
pub(super) struct Table {
    names: BTreeMap<KeyName, BTreeMap<Imsi, KeyRecord>>,
    hints: HashMap<Hint, BTreeSet<Place>>,
    ues: BTreeMap<Imsi, BTreeSet<KeyName>>,
    ends: BTreeSet<(UtcTime, Place)>,
    len: usize,
}

impl Table {
    /// Puts a key in the place of that of its name and UE.
    pub(super) fn put(&mut self, record: KeyRecord) {
        let place = (record.name.clone(), record.ue);
        self.remove(&place);
        self.hints.entry(record.hint()).or_default().insert(place.clone());
        self.ues.entry(record.ue).or_default().insert(record.name.clone());
        self.ends.insert((record.valid_until, place));
        self.names.entry(record.name.clone()).or_default().insert(record.ue, record);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, place: &Place) -> Option<KeyRecord> {
        let (name, ue) = place;
        let of_name = self.names.get_mut(name)?;
        let record = of_name.remove(ue)?;
        if of_name.is_empty() {
            self.names.remove(name);
        }
        if let Some(places) = self.hints.get_mut(&record.hint()) {
            places.remove(place);
            if places.is_empty() {
                self.hints.remove(&record.hint());
            }
        }
        if let Some(names) = self.ues.get_mut(ue) {
            names.remove(name);
            if names.is_empty() {
                self.ues.remove(ue);
            }
        }
        self.ends.remove(&(record.valid_until, place.clone()));
        self.len -= 1;
        Some(record)
    }

    pub(super) fn get(&self, name: &KeyName, ue: Imsi) -> Option<&KeyRecord> {
        self.names.get(name)?.get(&ue)
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Keys of a UE.
    pub(super) fn count_of(&self, ue: Imsi) -> usize {
        self.ues.get(&ue).map_or(0, BTreeSet::len)
    }

    pub(super) fn of_name(&self, name: &KeyName) -> impl Iterator<Item = &KeyRecord> {
        self.names.get(name).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn of_hint(&self, hint: Hint) -> impl Iterator<Item = &KeyRecord> {
        let places = self.hints.get(&hint).into_iter().flatten();
        places.filter_map(|(name, ue)| self.get(name, *ue))
    }

    pub(super) fn of_ue(&self, ue: Imsi) -> impl Iterator<Item = &KeyRecord> {
        self.ues.get(&ue).into_iter().flatten().filter_map(move |name| self.get(name, ue))
    }

    /// The first end.
    pub(super) fn next_end(&self) -> Option<UtcTime> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Takes out what has ended.
    pub(super) fn expire(&mut self, now: UtcTime) -> Vec<Place> {
        let mut ended = Vec::new();
        while let Some((end, place)) = self.ends.first().cloned() {
            if end > now {
                break;
            }
            self.remove(&place);
            ended.push(place);
        }
        ended
    }
}
