//! From a pushed key to an answer.

use sidelink_security::counter::UtcTime;

use super::io::{Admission, Change, Event, GroupRecord, Output, Standing, UeRecord};
use super::message::{Cause, Nonce, Policy, Push, TAG, wrap};
use super::{GroupNaf, Job, What};
use crate::gba_push::bsf::{Pushed, Refusal};
use crate::identity::Impi;
use crate::limit::Bucket;

/// PGK IDs of a group: their five last bits, which are on the air, differ for as long as can be.
const IDS: u8 = 31;

impl GroupNaf {
    /// The BSF pushed a key to a UE, or not.
    pub(super) fn pushed(&mut self, mut job: Job, result: Result<Pushed, Refusal>) {
        let pushed = match result {
            Ok(pushed) => pushed,
            Err(why) if job.to.is_none() => {
                return self.report(Event::NotPushed { group: job.group, user: job.ue, why });
            }
            Err(_) => return self.fail(&job, Cause::NoPush),
        };
        let record = match &job.what {
            What::Create(_) | What::Refresh(_) => Some(self.new_record(&job)),
            What::Join(_) | What::Bring => {
                self.durable.groups.get(&job.group).map(|group| group.record.copy())
            }
        };
        let Some(record) = record else { return self.fail(&job, Cause::UnknownGroup) };
        let message = Push {
            group: job.group,
            nonce: job.nonce,
            pgk_id: record.pgk_id,
            expires: u32::try_from(record.expires.millis() / 1000).unwrap_or(u32::MAX),
            wrapped: wrap(&pushed.ks_naf, job.group, &record.pgk),
            gpi: pushed.gpi,
        };
        let Ok(octets) = message.emit(&pushed.ks_naf) else { return self.fail(&job, Cause::NoPush) };
        if job.to.is_none() {
            return self.outputs.push_back(Output::Deliver { to: job.ue, octets });
        }
        job.changes = changes(&job, record);
        let ue = UeRecord { nonce: job.nonce, tag: job.tag, answer: octets.clone() };
        job.changes.push(Change::PutUe(job.ue.clone(), ue));
        job.answer = octets;
        let ticket = self.ticket();
        let changes = job.changes.iter().map(Change::copy).collect();
        self.outputs.push_back(Output::Store { ticket, changes });
        self.storing.insert(ticket, job);
    }

    /// A group with a new key.
    fn new_record(&mut self, job: &Job) -> GroupRecord {
        let pgk = self.new_key();
        let before = self.durable.groups.get(&job.group).map(|group| &group.record);
        let admission = match (&job.what, before) {
            (What::Create(Policy::WhiteList(_)), _) => Admission::WhiteList,
            (_, Some(before)) => before.admission,
            _ => Admission::Invitation,
        };
        // The messages have whole seconds.
        let expires = self.now.plus_millis(self.config.key_lifetime).millis() / 1000 * 1000;
        GroupRecord {
            id: job.group,
            owner: job.ue.clone(),
            admission,
            pgk_id: before.map_or(0, |before| before.pgk_id) % IDS + 1,
            pgk,
            expires: UtcTime::from_millis(expires),
            since: job.nonce,
        }
    }

    /// All of a request is durable: only now it counts.
    pub(super) fn stored(&mut self, job: Job) {
        let Job { to, ue, group, what, answer, changes, .. } = job;
        changes.into_iter().for_each(|change| self.durable.apply(change));
        if let Some(request) = to {
            self.outputs.push_back(Output::Respond { request, octets: answer });
        }
        let Some(state) = self.durable.groups.get(&group) else { return };
        let pgk_id = state.record.pgk_id;
        match what {
            What::Create(_) => self.report(Event::NewKey { group, pgk_id }),
            What::Join(_) => self.report(Event::Joined { group, user: ue }),
            What::Refresh(_) => {
                let members = state.users.iter().filter(|(user, standing)| {
                    **standing == Standing::Member && **user != state.record.owner
                });
                let members: Vec<_> = members.map(|(user, _)| (group, user.clone())).collect();
                // Whom the last key has not reached yet gets this one.
                self.queue.retain(|(other, _)| *other != group);
                self.queue.extend(members);
                self.report(Event::NewKey { group, pgk_id });
            }
            What::Bring => {}
        }
    }

    /// Brings members the new key, as fast as vectors may be used.
    pub(super) fn bring(&mut self) {
        let limit = self.config.vectors;
        while let Some((group, ue)) = self.queue.front().cloned() {
            let bucket = self.vectors.get_or_insert_with(|| Bucket::new(limit, self.now));
            if !bucket.take(limit, self.now) {
                return;
            }
            self.queue.pop_front();
            let until = self.now.plus_millis(self.config.patience);
            let (nonce, tag) = (Nonce::NONE, [0; TAG]);
            let (answer, changes) = (Vec::new(), Vec::new());
            self.ask_push(
                Job { to: None, ue, group, nonce, tag, what: What::Bring, until, answer, changes },
                None,
            );
        }
    }
}

/// What a job changes of its group.
fn changes(job: &Job, record: GroupRecord) -> Vec<Change> {
    let put = |user: &Impi, standing| Change::PutUser(job.group, user.clone(), standing);
    match &job.what {
        What::Create(policy) => {
            let listed: &[Impi] = match policy {
                Policy::Invitation => &[],
                Policy::WhiteList(list) => list,
            };
            let listed = listed.iter().map(|user| put(user, Standing::Listed));
            let owner = put(&job.ue, Standing::Member);
            std::iter::once(Change::PutGroup(record)).chain(listed).chain([owner]).collect()
        }
        What::Join(used) => {
            let used = used.map(|(nonce, until)| Change::PutUsed(job.group, nonce, until));
            std::iter::once(put(&job.ue, Standing::Member)).chain(used).collect()
        }
        What::Refresh(removed) => {
            let removed = removed.iter().map(|user| Change::RemoveUser(job.group, user.clone()));
            std::iter::once(Change::PutGroup(record)).chain(removed).collect()
        }
        What::Bring => Vec::new(),
    }
}
