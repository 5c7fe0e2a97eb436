//! Epochs of an owner: their keys, and who gets them.

use sidelink_security::counter::reserve::TakeError;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::direct::KdId;
use sidelink_security::group::GroupKey;
use sidelink_security::kdf::own::k_multicast;
use sidelink_security::keys::KGo;
use sidelink_wire::group_owner::{Body, Kind, Proven};

use super::admission::Stage;
use super::common::{Common, put_mac};
use super::delivery::issue;
use super::io::{Event, Forget, Gone, GroupKeys, Output, Why};
use super::note::Note;
use super::owner::{Epoch, Membership, Owner};
use crate::direct_link::Identity;

impl Owner {
    /// Begins an epoch, as soon as its number is durable. Until then the old key is not used: a former member has it.
    pub(super) fn begin_epoch(&mut self, why: Why) {
        match self.epochs.take() {
            // Below 2^32: the limit of the stream.
            Ok(number) => self.start_epoch(number as u32, why),
            Err(error) => {
                self.waiting = Some(self.waiting.filter(|known| *known != Why::Started).unwrap_or(why));
                self.epoch = None;
                if let Some(pgk_id) = self.pgk_id.take() {
                    self.common.push(Output::Forget(Forget::Group(pgk_id)));
                }
                // Nobody is to confirm keys that are not used any more.
                self.members.iter_mut().for_each(|member| member.pending = None);
                self.half_open.iter_mut().for_each(|half| {
                    if let Stage::Keyed { member, .. } = &mut half.stage {
                        member.pending = None;
                    }
                });
                self.common.note(match error {
                    TakeError::Exhausted => Note::NotDurable { what: "a further epoch, of 4294967295" },
                    _ => Note::EpochWaits,
                });
            }
        }
    }

    fn start_epoch(&mut self, number: u32, why: Why) {
        let common = &mut self.common;
        self.waiting = None;
        let k_go = KGo::from(common.draw());
        let guard = (common.config.guard / 1000) as u32;
        let life = u32::try_from(common.config.key_lifetime / 1000).unwrap_or(u32::MAX).max(1);
        let now = common.now.counter();
        // Members whose clock is behind use the key at once, too.
        let valid_from = now.value().saturating_sub(guard);
        let expiry = now.value().saturating_add(life);
        // Never index 0, which with PTK identity 0 marks PDUs that are not ciphered.
        let pgk_id = (number % 31 + 1) as u8;
        let epoch = Epoch { number, k_go, pgk_id, valid_from, expiry };
        let key = epoch.group_key(common.config.group.group_id);
        let replaces = self.pgk_id.replace(pgk_id).filter(|old| *old != pgk_id);
        let config = common.config.group;
        common.push(Output::GroupKeys(Box::new(GroupKeys { config, key, replaces })));
        self.half_open.iter_mut().for_each(|half| {
            if let Stage::Keyed { member, .. } = &mut half.stage {
                issue(&mut self.common, &epoch, member);
            }
        });
        // Members get theirs a few at a time; nobody is to confirm keys of before.
        self.members.iter_mut().for_each(|member| member.pending = None);
        // At its start an owner tells at once that it is there: members of a run before have to join again.
        let gap = if why == Why::Started { 0 } else { self.common.config.retry };
        self.notices.begin(self.common.now, gap);
        self.common.event(Event::Epoch { epoch: number, why, members: self.members.len() });
        self.epoch = Some(epoch);
    }

    /// Returns the time at which a new epoch is due by age: three quarters of the life of the keys.
    pub(super) fn key_due(&self) -> Option<UtcTime> {
        let epoch = self.epoch.as_ref()?;
        let end = UtcTime::from_millis(u64::from(epoch.expiry) * 1000);
        Some(end.minus_millis(self.common.config.key_lifetime / 4))
    }

    /// Does what is due: sends keys again, drops what waits too long, begins an epoch.
    pub(super) fn on_time(&mut self) {
        let now = self.common.now;
        self.try_joins_again();
        let over = |member: &&Membership| member.held.as_ref().is_some_and(|held| now >= held.expiry);
        let silent: Vec<_> = self.members.iter().filter(over).map(|member| member.identity.clone()).collect();
        for identity in silent {
            self.drop_member(&identity, Gone::Unreachable);
        }
        let ended = |common: &Common, member: &Membership| common.now >= common.end_of(&member.vouched);
        self.remove_where(Gone::CertificateEnded, Why::Revoked, ended);
        if self.key_due().is_some_and(|due| now >= due) {
            self.begin_epoch(Why::Due);
        }
        self.deliver();
        self.serve();
        self.notify();
    }

    /// Removes the members that a revocation list names.
    pub(super) fn remove_revoked(&mut self) {
        let trust = &self.common.trust;
        self.half_open.retain(|half| match &half.stage {
            Stage::Keyed { member, .. } => !trust.revokes(&member.vouched),
            Stage::Challenged => true,
        });
        let revoked = |common: &Common, member: &Membership| common.trust.revokes(&member.vouched);
        self.remove_where(Gone::Revoked, Why::Revoked, revoked);
    }

    /// Removes members, tells them, and begins an epoch without them.
    pub(super) fn remove_where(
        &mut self,
        gone: Gone,
        why: Why,
        chosen: impl Fn(&Common, &Membership) -> bool,
    ) {
        let out: Vec<Identity> = self
            .members
            .iter()
            .filter(|member| chosen(&self.common, member))
            .map(|member| member.identity.clone())
            .collect();
        if out.is_empty() {
            return;
        }
        for identity in out {
            self.drop_member(&identity, gone);
        }
        self.begin_epoch(why);
    }

    /// Drops one member, with a message under the keys that it has.
    fn drop_member(&mut self, identity: &Identity, why: Gone) {
        let Some(at) = self.members.iter().position(|member| member.identity == *identity) else { return };
        let Membership { layer2, transcript, held, identity, .. } = self.members.remove(at);
        if let Some(held) = held {
            let body = Body::Removal(Proven { epoch: held.epoch, mac: [0; 16] });
            let mut octets = self.common.emit(body);
            put_mac(&held.kd, Kind::Removal, &transcript, &mut octets);
            self.common.send(layer2, Kind::Removal, octets);
            self.forget_kd(held.kd_id, &identity);
        }
        self.common.event(Event::Gone { member: identity, why });
    }

    pub(super) fn forget_kd(&mut self, id: KdId, identity: &Identity) {
        self.common.push(Output::Forget(Forget::Unicast(id, identity.clone())));
    }

    /// Returns a number that no member has.
    pub(super) fn new_slot(&mut self) -> u16 {
        loop {
            self.last_slot = self.last_slot.wrapping_add(1).max(1);
            // Members and joins are far fewer than 65535.
            if !self.all_proven().any(|member| member.slot == self.last_slot) {
                return self.last_slot;
            }
        }
    }
}

impl Epoch {
    pub(super) fn group_key(&self, group: [u8; 3]) -> GroupKey {
        GroupKey {
            pgk_id: self.pgk_id,
            pgk: k_multicast(&self.k_go, group, self.number),
            valid_from: UtcCounter::new(self.valid_from),
            expiry: UtcCounter::new(self.expiry),
        }
    }
}
