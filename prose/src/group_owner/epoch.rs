//! Epochs of an owner: their keys, and who gets them.

use sidelink_security::counter::reserve::TakeError;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::direct::KdId;
use sidelink_security::group::GroupKey;
use sidelink_security::hpke;
use sidelink_security::kdf::own::{k_multicast, k_unicast};
use sidelink_security::keys::KGo;
use sidelink_wire::group_owner::{Body, Keys, Kind, Proven, SEALED, SIGNATURE};
use zeroize::Zeroizing;

use super::admission::Stage;
use super::common::{Common, KEYS, put_mac};
use super::io::{Event, Forget, Gone, GroupKeys, Output, Why};
use super::note::Note;
use super::owner::{Epoch, Membership, Owner, Pending};
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
        let common = &mut self.common;
        self.members.iter_mut().for_each(|member| issue(common, &epoch, member));
        common.event(Event::Epoch { epoch: number, why, members: self.members.len() });
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
        let common = &mut self.common;
        self.half_open.retain_mut(|half| {
            let waits = match &mut half.stage {
                Stage::Keyed { member, .. } => send_again(common, member),
                Stage::Challenged => true,
            };
            waits && half.deadline > now
        });
        let mut silent = Vec::new();
        for member in &mut self.members {
            if !send_again(&mut self.common, member) {
                silent.push(member.identity.clone());
            }
        }
        for identity in silent {
            self.drop_member(&identity, Gone::Unreachable);
        }
        let ended = |common: &Common, member: &Membership| common.now >= common.end_of(&member.vouched);
        self.remove_where(Gone::CertificateEnded, Why::Revoked, ended);
        if self.key_due().is_some_and(|due| now >= due) {
            self.begin_epoch(Why::Due);
        }
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

    /// Sends the keys of this epoch to a UE that has just proven itself; `None` while an epoch waits.
    pub(super) fn issue_first(&mut self, member: &mut Membership) -> Option<()> {
        let epoch = self.epoch.as_ref()?;
        issue(&mut self.common, epoch, member);
        member.pending.is_some().then_some(())
    }
}

impl Epoch {
    fn group_key(&self, group: [u8; 3]) -> GroupKey {
        GroupKey {
            pgk_id: self.pgk_id,
            pgk: k_multicast(&self.k_go, group, self.number),
            valid_from: UtcCounter::new(self.valid_from),
            expiry: UtcCounter::new(self.expiry),
        }
    }
}

/// Sends a member its keys of an epoch. A public key of small order gets none: it was refused before.
fn issue(common: &mut Common, epoch: &Epoch, member: &mut Membership) {
    let (group, seed) = (common.config.group, common.draw());
    let kd = k_unicast(&epoch.k_go, group.group_id, &member.identity.value, epoch.number);
    let key = epoch.group_key(group.group_id);
    let content = Zeroizing::new([&kd.as_bytes()[..], key.pgk.as_bytes()].concat());
    let keys = Keys {
        epoch: epoch.number,
        slot: member.slot,
        pgk_id: epoch.pgk_id,
        eea: group.eea.id(),
        eia: group.mac.map_or(0, |eia| eia.id()),
        valid_from: epoch.valid_from,
        expiry: epoch.expiry,
        sealed: [0; SEALED],
        signature: [0; SIGNATURE],
    };
    let header = common.emit(Body::Keys(keys));
    let header = &header[..header.len() - SEALED - SIGNATURE];
    let sealed = hpke::seal(&member.public, &info(&member.transcript), header, &content, seed);
    let Some(sealed) = sealed.and_then(|sealed| <[u8; SEALED]>::try_from(sealed).ok()) else {
        member.pending = None;
        return;
    };
    let octets = common.emit_signed(Body::Keys(Keys { sealed, ..keys }), KEYS, &member.transcript);
    let (tries, at) = (common.config.tries.max(1), common.now.plus_millis(common.config.retry));
    member.pending = Some(Pending { epoch: epoch.number, kd, octets: octets.clone(), tries: tries - 1, at });
    common.send(member.layer2, Kind::Keys, octets);
}

/// Returns the `info` of HPKE: keys of one join cannot be opened in another.
pub(super) fn info(transcript: &[u8; 32]) -> Vec<u8> {
    [KEYS, transcript].concat()
}

/// Sends keys again if it is time; returns whether the member can still confirm.
fn send_again(common: &mut Common, member: &mut Membership) -> bool {
    let Some(pending) = member.pending.as_mut().filter(|pending| pending.at <= common.now) else {
        return true;
    };
    if pending.tries == 0 {
        return false;
    }
    pending.tries -= 1;
    pending.at = common.now.plus_millis(common.config.retry);
    let octets = pending.octets.clone();
    common.send(member.layer2, Kind::Keys, octets);
    true
}
