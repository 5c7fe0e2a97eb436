//! FETCH, and what the functions of other networks ask. TR 33.833 §6.2.3.2, step 2.

use std::collections::{BTreeMap, BTreeSet};

use sidelink_security::counter::UtcTime;

use super::io::{Event, KeyRecord, OtherQuery, Output, QuestionId};
use super::{PublicKeyServer, Stop, Work};
use crate::limit::{Bucket, RateLimit};
use crate::pc3::{Imsi, Plmn, Rpauid};
use crate::prose_function::{RequestId, Role};
use crate::public_keys::key::KeyName;
use crate::public_keys::list::ListNumber;
use crate::public_keys::message::{Absent, Fetch, KeyCause, KeyMessage, Keys, MOST_TOLD, Subject, ToldKey};

/// What a UE may have.
struct Watch {
    watcher: Option<Rpauid>,
    /// Whether it may monitor openly.
    openly: bool,
}

/// A request for which other networks are asked.
pub(super) struct Asked {
    request: RequestId,
    list: Option<ListNumber>,
    watch: Watch,
    subjects: Vec<Subject>,
    questions: BTreeSet<QuestionId>,
    told: Vec<ToldKey>,
    more: BTreeSet<Subject>,
    pub(super) deadline: UtcTime,
}

impl PublicKeyServer {
    pub(super) fn fetch(&mut self, work: &Work, fetch: Fetch) -> Result<(), Stop> {
        let Fetch { watcher, names, hints, list } = fetch;
        let may = |role| work.subscription.rights.iter().any(|(_, right)| *right == role);
        let watch = Watch { openly: may(Role::OpenMonitor), watcher };
        if watch.watcher.as_ref().is_some_and(|watcher| !work.subscription.rpauids.contains(watcher)) {
            return Err(KeyCause::NotYours.into());
        }
        if !watch.openly && !may(Role::RestrictedMonitor) {
            return Err(KeyCause::NotAuthorised.into());
        }
        let subjects: BTreeSet<Subject> =
            names.into_iter().map(Subject::Name).chain(hints.into_iter().map(Subject::Hint)).collect();
        let mut asked = Asked {
            request: work.request,
            list,
            watch,
            subjects: subjects.into_iter().collect(),
            questions: BTreeSet::new(),
            told: Vec::new(),
            more: BTreeSet::new(),
            deadline: self.now.plus_millis(self.config.limits.patience),
        };
        for subject in &asked.subjects {
            let (told, has_more) = self.keys_of(subject, &asked.watch);
            asked.told.extend(told);
            if has_more {
                asked.more.insert(subject.clone());
            }
        }
        self.ask_others(work.ue, &mut asked);
        if asked.questions.is_empty() {
            self.finish(asked);
        } else {
            self.asked.push(asked);
        }
        Ok(())
    }

    /// Keys that this watcher may have, and whether there are more than are told.
    fn keys_of(&self, subject: &Subject, watch: &Watch) -> (Vec<ToldKey>, bool) {
        let may_have = |record: &&KeyRecord| {
            record.valid_until > self.now
                && self.may(&record.name, watch)
                && !self.revoked.has(&record.key.fingerprint())
        };
        let most = self.config.limits.candidates;
        let mut records: Vec<&KeyRecord> = match subject {
            Subject::Name(name) => self.table.of_name(name).filter(may_have).take(most + 1).collect(),
            Subject::Hint(hint) => self.table.of_hint(*hint).filter(may_have).take(most + 1).collect(),
        };
        let has_more = records.len() > most;
        records.truncate(most);
        (records.into_iter().map(told).collect(), has_more)
    }

    fn may(&self, name: &KeyName, watch: &Watch) -> bool {
        match (name, &watch.watcher) {
            (KeyName::Application(_), _) => watch.openly,
            (KeyName::User(target), Some(watcher)) => {
                self.permissions.contains(&(target.clone(), watcher.clone()))
            }
            (KeyName::User(_), None) => false,
        }
    }

    /// Asks other networks for names that have no key here, and for hints, which may be another key's there, as far as the rate of the UE goes.
    fn ask_others(&mut self, ue: Imsi, asked: &mut Asked) {
        if self.config.partners.is_empty() || self.asked.len() >= self.config.limits.waiting {
            return;
        }
        let (limits, now) = (self.config.limits, self.now);
        let mut questions: BTreeMap<Plmn, Vec<Subject>> = BTreeMap::new();
        for subject in &asked.subjects {
            let is_here = match subject {
                Subject::Name(name) => asked.told.iter().any(|told| told.name == *name),
                Subject::Hint(_) => false,
            };
            if is_here || !pay(&mut self.budgets, ue, (limits.others, limits.ues), now) {
                continue;
            }
            for plmn in &self.config.partners {
                questions.entry(*plmn).or_default().push(subject.clone());
            }
        }
        for (plmn, subjects) in questions {
            let question = QuestionId(self.next_question);
            self.next_question += 1;
            asked.questions.insert(question);
            let query = OtherQuery { watcher: asked.watch.watcher.clone(), subjects };
            self.outbox.push_back(Output::AskOther { question, plmn, query });
        }
    }

    /// Takes what another network tells, as far as it was asked for: it has no say about other names or hints.
    pub(super) fn other_answered(&mut self, question: QuestionId, keys: Option<Vec<ToldKey>>) {
        let Some(at) = self.asked.iter().position(|asked| asked.questions.contains(&question)) else {
            return;
        };
        let longest = self.now.plus_millis(self.config.others_validity);
        let revoked = &self.revoked;
        let asked = &mut self.asked[at];
        asked.questions.remove(&question);
        for mut key in keys.into_iter().flatten().take(MOST_TOLD) {
            let names = [Subject::Name(key.name.clone()), Subject::Hint(key.key.hint())];
            let is_asked = names.iter().any(|subject| asked.subjects.contains(subject));
            let is_fit = match key.name {
                KeyName::Application(_) => asked.watch.openly,
                KeyName::User(_) => asked.watch.watcher.is_some(),
            };
            if is_asked && is_fit && !revoked.has(&key.key.fingerprint()) {
                key.valid_until = key.valid_until.min(longest);
                asked.told.push(key);
            }
        }
        if asked.questions.is_empty() {
            let asked = self.asked.remove(at);
            self.finish(asked);
        }
    }

    /// Answers with what is known by now.
    pub(super) fn finish(&mut self, asked: Asked) {
        let Asked { request, list, subjects, told, mut more, .. } = asked;
        let mut keys: Vec<ToldKey> = Vec::new();
        for key in told {
            let is_new = keys.iter().all(|known| known.key != key.key || known.name != key.name);
            // Revoked, or over, while other networks were asked.
            let counts = key.valid_until > self.now && !self.revoked.has(&key.key.fingerprint());
            if is_new && counts {
                keys.push(key);
            }
        }
        for cut in keys.split_off(keys.len().min(MOST_TOLD)) {
            more.insert(Subject::Hint(cut.key.hint()));
        }
        let has = |subject: &Subject| match subject {
            Subject::Name(name) => keys.iter().any(|key| key.name == *name),
            Subject::Hint(hint) => keys.iter().any(|key| key.key.hint() == *hint),
        };
        let not_before = self.now.plus_millis(self.config.negative);
        let missing = subjects.into_iter().filter(|subject| !has(subject) && !more.contains(subject));
        let absent = missing.map(|subject| Absent { subject, not_before }).collect();
        let hints = more.into_iter().filter_map(|subject| match subject {
            Subject::Hint(hint) => Some(hint),
            Subject::Name(_) => None,
        });
        let answer = Keys {
            current_time: self.now,
            more: hints.take(MOST_TOLD).collect(),
            absent,
            list: self.revoked.news(list, self.now),
            keys,
        };
        self.answer(request, &KeyMessage::Keys(answer));
    }

    pub(super) fn other_network(&mut self, request: RequestId, plmn: Plmn, query: &OtherQuery) {
        let (limits, now) = (self.config.limits, self.now);
        let is_partner = self.config.partners.contains(&plmn);
        let pays = is_partner
            && query.subjects.len() <= 2 * crate::public_keys::MOST_ASKED
            && query
                .subjects
                .iter()
                .all(|_| pay(&mut self.others, plmn, (limits.other, super::MOST_PARTNERS), now));
        if !pays {
            self.report(Event::OtherNetworkFloods { plmn });
            return self.outbox.push_back(Output::Tell { request, keys: None });
        }
        let watch = Watch { watcher: query.watcher.clone(), openly: true };
        let mut keys = Vec::new();
        for subject in &query.subjects {
            keys.extend(self.keys_of(subject, &watch).0);
        }
        keys.truncate(MOST_TOLD);
        self.outbox.push_back(Output::Tell { request, keys: Some(keys) });
    }
}

fn told(record: &KeyRecord) -> ToldKey {
    ToldKey { name: record.name.clone(), key: record.key.clone(), valid_until: record.valid_until }
}

/// Takes a token of whoever asks, of those that are remembered.
fn pay<K: Ord>(
    buckets: &mut BTreeMap<K, Bucket>,
    whose: K,
    (limit, most): (RateLimit, usize),
    now: UtcTime,
) -> bool {
    if !buckets.contains_key(&whose) && buckets.len() >= most {
        buckets.retain(|_, bucket| !bucket.is_full(limit, now));
        if buckets.len() >= most {
            return false;
        }
    }
    buckets.entry(whose).or_insert_with(|| Bucket::new(limit, now)).take(limit, now)
}
