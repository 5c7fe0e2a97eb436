//! Names that are followed, and the keys of others.

use std::collections::BTreeMap;

use sidelink_security::counter::UtcTime;

use super::io::{EndCause, HeldKey, Output, SuspendCause};
use super::{PublicKeysClient, renewed_at};
use crate::public_keys::LIST_LIFETIME;
use crate::public_keys::key::{Fingerprint, KeyName};
use crate::public_keys::list::{ListNumber, Listed};

/// Keys that are held, at most: four a name that may be followed.
const MOST_KEYS: usize = 4 * super::MOST_NAMES;

/// Names that are followed, and when each is asked for next.
#[derive(Default)]
pub(super) struct Names(BTreeMap<KeyName, UtcTime>);

impl Names {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn follow(&mut self, name: KeyName, now: UtcTime) {
        self.0.entry(name).or_insert(now);
    }

    /// A key of it is there until then.
    pub(super) fn has_until(&mut self, name: &KeyName, until: UtcTime, now: UtcTime) {
        if let Some(at) = self.0.get_mut(name) {
            *at = renewed_at(until, now);
        }
    }

    pub(super) fn ask_at(&mut self, name: &KeyName, at: UtcTime) {
        if let Some(next) = self.0.get_mut(name) {
            *next = at;
        }
    }

    /// At once, or earlier than it would be.
    pub(super) fn ask_again(&mut self, name: &KeyName, now: UtcTime) {
        if let Some(next) = self.0.get_mut(name) {
            *next = now.min(*next);
        }
    }

    /// Those that are due, the longest first.
    pub(super) fn due(&self, now: UtcTime, most: usize) -> Vec<KeyName> {
        let mut due: Vec<(&UtcTime, &KeyName)> =
            self.0.iter().filter(|(_, at)| **at <= now).map(|(name, at)| (at, name)).collect();
        due.sort_unstable();
        due.into_iter().take(most).map(|(_, name)| name.clone()).collect()
    }

    pub(super) fn next(&self) -> Option<UtcTime> {
        self.0.values().min().copied()
    }
}

/// What is thought of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    /// The filter of the list has it; the server was not asked yet.
    Doubted,
    /// The filter of the list of this number has it by mistake: the server says so.
    Cleared(ListNumber),
}

/// Keys of others.
#[derive(Default)]
pub(super) struct Followed(BTreeMap<Fingerprint, (HeldKey, Standing)>);

impl Followed {
    pub(super) fn good(&self) -> impl Iterator<Item = &HeldKey> {
        self.0.values().filter(|(_, standing)| *standing != Standing::Doubted).map(|(key, _)| key)
    }

    pub(super) fn next_end(&self) -> Option<UtcTime> {
        self.0.values().map(|(key, _)| key.valid_until).min()
    }

    pub(super) fn expire(&mut self, now: UtcTime) -> Vec<HeldKey> {
        let ended: Vec<Fingerprint> =
            self.0.iter().filter(|(_, (key, _))| key.valid_until <= now).map(|(print, _)| *print).collect();
        ended.iter().filter_map(|print| self.0.remove(print)).map(|(key, _)| key).collect()
    }
}

impl PublicKeysClient {
    /// Takes a key that the server tells, or that was kept. What the server tells under its newest list is not revoked.
    pub(super) fn hold(&mut self, key: HeldKey) {
        self.held(key, None);
    }

    /// Takes a key that came with the list of this number.
    pub(super) fn hold_told(&mut self, key: HeldKey, number: ListNumber) {
        self.held(key, Some(number));
    }

    fn held(&mut self, key: HeldKey, told_with: Option<ListNumber>) {
        let print = key.key.fingerprint();
        let listed = self.list.as_ref().map_or(Listed::No, |list| list.says(&print));
        let standing = match (listed, told_with) {
            // The server contradicts itself, or the key is one of before: the list counts.
            (Listed::Yes, _) => return,
            (Listed::Perhaps, Some(number)) => Standing::Cleared(number),
            (Listed::Perhaps, None) => Standing::Doubted,
            (Listed::No, _) => Standing::Good,
        };
        if !self.followed.0.contains_key(&print) && self.followed.0.len() >= MOST_KEYS {
            return;
        }
        self.followed.0.insert(print, (key.clone(), standing));
        match standing {
            Standing::Doubted => {
                self.names.ask_again(&key.name, self.now);
                self.outputs.push_back(Output::Suspended(SuspendCause::Doubted(Box::new(key))));
            }
            Standing::Good | Standing::Cleared(_) => self.outputs.push_back(Output::Key(key)),
        }
    }

    /// Looks at all keys by a new list.
    pub(super) fn judge_by_list(&mut self) {
        let Some(list) = &self.list else { return };
        let mut revoked = Vec::new();
        for (print, (key, standing)) in &mut self.followed.0 {
            match (list.says(print), *standing) {
                (Listed::Yes, _) => revoked.push(*print),
                (Listed::Perhaps, Standing::Cleared(number)) if number == list.number => {}
                (Listed::Perhaps, Standing::Doubted) => {}
                (Listed::Perhaps, _) => {
                    *standing = Standing::Doubted;
                    self.names.ask_again(&key.name, self.now);
                    let cause = SuspendCause::Doubted(Box::new(key.clone()));
                    self.outputs.push_back(Output::Suspended(cause));
                }
                (Listed::No, Standing::Doubted) => {
                    *standing = Standing::Good;
                    self.outputs.push_back(Output::Key(key.clone()));
                }
                (Listed::No, _) => *standing = Standing::Good,
            }
        }
        for print in revoked {
            self.end(print, EndCause::Revoked);
        }
    }

    fn end(&mut self, print: Fingerprint, why: EndCause) {
        if let Some((key, _)) = self.followed.0.remove(&print) {
            if why == EndCause::Revoked {
                // There may be another key of that name by now.
                self.names.ask_again(&key.name, self.now);
            }
            self.outputs.push_back(Output::Gone { key, why });
        }
    }

    /// The server told all keys of this name: what it did not tell is over.
    pub(super) fn forget_untold(&mut self, name: &KeyName, told: &[Fingerprint]) {
        let held =
            self.followed.0.iter().filter(|(print, (key, _))| key.name == *name && !told.contains(print));
        let gone: Vec<Fingerprint> = held.map(|(print, _)| *print).collect();
        gone.into_iter().for_each(|print| self.end(print, EndCause::NotTold));
    }

    /// When the list that is there will be too old.
    pub(super) fn stale_at(&self) -> Option<UtcTime> {
        let list = self.list.as_ref().filter(|_| !self.is_stale)?;
        Some(list.issued.plus_millis(LIST_LIFETIME))
    }

    /// Keys count while the list is fresh. A UE without any list has no key from the network yet.
    pub(super) fn judge_age(&mut self) {
        let issued = self.list.as_ref().map(|list| list.issued);
        let is_stale = issued.is_some_and(|issued| self.now >= issued.plus_millis(LIST_LIFETIME));
        match (self.is_stale, is_stale) {
            (false, true) => self.outputs.push_back(Output::Suspended(SuspendCause::ListTooOld)),
            (true, false) => self.outputs.push_back(Output::Resumed),
            _ => {}
        }
        self.is_stale = is_stale;
    }
}
