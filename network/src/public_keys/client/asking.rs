//! FETCH: one at a time, with all names and hints that are due. TR 33.833 §6.2.3.2, step 2.

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::Hint;

use super::io::{HeldKey, NoAnswer, Output, Warning};
use super::{About, PublicKeysClient, backoff};
use crate::public_keys::key::{Fingerprint, KeyName};
use crate::public_keys::list::{ListNumber, RevocationList};
use crate::public_keys::message::{Fetch, KeyMessage, Keys, ListNews, MOST_ASKED, Subject};

/// A FETCH that is on its way.
pub(super) struct InFlight {
    names: Vec<KeyName>,
    hints: Vec<Hint>,
    until: UtcTime,
}

impl PublicKeysClient {
    pub(super) fn fetch_deadline(&self) -> Option<UtcTime> {
        match &self.fetching {
            Some(fetching) => Some(fetching.until),
            None if !self.fetches() => None,
            None => {
                let hint = self.hints.wants().then_some(self.now);
                let list = Some(self.list_due);
                hint.into_iter().chain(self.names.next()).chain(list).min().map(|at| at.max(self.next_fetch))
            }
        }
    }

    /// Whether it has anything to do with keys of others: a UE that announces alone asks for none, and for no list.
    fn fetches(&self) -> bool {
        self.names.len() > 0 || self.hints.wants() || self.followed.good().next().is_some()
    }

    pub(super) fn fetch_due(&mut self) {
        let now = self.now;
        if self.fetching.as_ref().is_some_and(|fetching| fetching.until <= now) {
            self.pending.retain(|(_, about)| !matches!(about, About::Fetch));
            self.fetch_lost(NoAnswer::Lost);
        }
        if self.fetching.is_some() || now < self.next_fetch || !self.fetches() {
            return;
        }
        let names = self.names.due(now, MOST_ASKED);
        if names.is_empty() && !self.hints.wants() && now < self.list_due {
            return;
        }
        let hints = self.hints.take(MOST_ASKED, now.plus_millis(self.config.negative));
        let message = Fetch {
            watcher: self.config.watcher.clone(),
            names: names.clone(),
            hints: hints.clone(),
            list: self.list.as_ref().map(|list| list.number),
        };
        let until = now.plus_millis(self.config.patience);
        self.fetching = Some(InFlight { names, hints, until });
        self.next_fetch = now.plus_millis(self.config.interval);
        self.send(About::Fetch, &KeyMessage::Fetch(message));
    }

    /// Names stay due; hints may be asked for again.
    pub(super) fn fetch_lost(&mut self, why: NoAnswer) {
        let Some(fetching) = self.fetching.take() else { return };
        self.hints.ask_again(&fetching.hints);
        let wait = match why {
            NoAnswer::Lost => {
                self.failures += 1;
                backoff(self.config.retry, self.failures - 1)
            }
            NoAnswer::Wait(millis) => millis.max(1),
            NoAnswer::Forbidden => self.config.negative,
        };
        self.next_fetch = self.next_fetch.max(self.now.plus_millis(wait));
    }

    /// KEYS: the list first, since all else is judged by it.
    pub(super) fn told(&mut self, keys: Keys) {
        let came = match &keys.list {
            ListNews::Same(number) => *number,
            ListNews::New(list) => list.number,
        };
        if let Some(has) = self.list.as_ref().map(|list| list.number).filter(|has| came < *has) {
            self.outputs.push_back(Output::Warning(Warning::ListWentBack { has, came }));
            return self.fetch_lost(NoAnswer::Lost);
        }
        if matches!(keys.list, ListNews::Same(_)) && self.list.is_none() {
            // Nobody has said what is in it.
            self.outputs.push_back(Output::Warning(Warning::Malformed(None)));
            return self.fetch_lost(NoAnswer::Lost);
        }
        let Some(fetching) = self.fetching.take() else { return };
        self.failures = 0;
        self.outputs.push_back(Output::Clock(keys.current_time));
        self.take_list(keys.list, keys.current_time);
        self.take_keys(
            &fetching,
            keys.keys
                .into_iter()
                .map(|key| HeldKey { name: key.name, key: key.key, valid_until: key.valid_until })
                .collect(),
            came,
        );
        for absent in keys.absent {
            // Not longer than a UE of ours waits for itself, whatever the server says.
            let most = self.now.plus_millis(24 * 3_600_000);
            let at = absent.not_before.max(self.now.plus_millis(self.config.interval)).min(most);
            match absent.subject {
                Subject::Name(name) if fetching.names.contains(&name) => {
                    self.names.ask_at(&name, at);
                    self.forget_untold(&name, &[]);
                    self.outputs.push_back(Output::Absent(name));
                }
                Subject::Hint(hint) if fetching.hints.contains(&hint) => self.hints.quiet_until(hint, at),
                Subject::Name(_) | Subject::Hint(_) => {}
            }
        }
    }

    fn take_list(&mut self, news: ListNews, current_time: UtcTime) {
        match news {
            // It is the newest still.
            ListNews::Same(_) => {
                if let Some(list) = &mut self.list {
                    list.issued = list.issued.max(current_time);
                }
            }
            ListNews::New(list) => self.list = Some(RevocationList { issued: current_time, ..list }),
        }
        self.list_due = self.now.plus_millis(self.config.list_interval);
        self.outputs.extend(self.list.clone().map(Output::List));
        self.judge_by_list();
        self.judge_age();
    }

    /// Keys that were asked for, by name or by hint; and of a name that was asked for, what was not told is over.
    fn take_keys(&mut self, fetching: &InFlight, keys: Vec<HeldKey>, number: ListNumber) {
        let (mut told, mut ends) = (Vec::<(KeyName, Fingerprint)>::new(), Vec::<(KeyName, UtcTime)>::new());
        for key in keys {
            let by_name = fetching.names.contains(&key.name);
            let is_asked = by_name || fetching.hints.contains(&key.key.hint());
            if !is_asked || key.valid_until <= self.now {
                continue;
            }
            told.push((key.name.clone(), key.key.fingerprint()));
            if by_name {
                ends.push((key.name.clone(), key.valid_until));
            }
            self.hold_told(key, number);
        }
        for name in &fetching.names {
            let of_name = ends.iter().filter(|(of, _)| of == name).map(|(_, end)| *end);
            let Some(first) = of_name.min() else {
                // The server says nothing of it, neither key nor absence: asked again later.
                self.names.ask_at(name, self.now.plus_millis(self.config.negative));
                continue;
            };
            self.names.has_until(name, first, self.now);
            let prints: Vec<Fingerprint> =
                told.iter().filter(|(of, _)| of == name).map(|(_, print)| *print).collect();
            self.forget_untold(name, &prints);
        }
    }
}
