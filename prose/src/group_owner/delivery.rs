//! Keys on their way to members: few at a time, and again until the member confirms them or its own are over.

use sidelink_security::counter::UtcTime;
use sidelink_security::hpke;
use sidelink_security::kdf::own::k_unicast;
use sidelink_wire::group_owner::{Body, Keys, Kind, SEALED, SIGNATURE};
use zeroize::Zeroizing;

use super::common::{Common, KEYS};
use super::owner::{Epoch, Membership, Owner, Pending};
use super::pace::back_off;

impl Owner {
    /// Sends keys of the epoch to members that do not have them, as long as few are on their way: first to those to whom
    /// none were sent, then again where no confirm came.
    pub(super) fn deliver(&mut self) {
        let Some(epoch) = &self.epoch else { return };
        let common = &mut self.common;
        let (now, window) = (common.now, common.config.window.max(1));
        let mut on_their_way = on_their_way(&self.members, now).count();
        for member in &mut self.members {
            if on_their_way >= window {
                return;
            }
            if lacks(member, epoch) {
                issue(common, epoch, member);
                on_their_way += 1;
            }
        }
        for member in &mut self.members {
            if on_their_way >= window {
                return;
            }
            if member.pending.as_ref().is_some_and(|pending| pending.at <= now) {
                send_again(common, member);
                on_their_way += 1;
            }
        }
    }

    /// Returns when keys to members are to be sent next.
    pub(super) fn delivery_due(&self) -> Option<UtcTime> {
        let (now, window) = (self.common.now, self.common.config.window.max(1));
        let pending = self.members.iter().filter_map(|member| member.pending.as_ref());
        match on_their_way(&self.members, now).count() >= window {
            true => on_their_way(&self.members, now).min(),
            false => pending.map(|pending| pending.at).min(),
        }
    }

    /// Returns the number of members to whom keys of the epoch are still to be sent for the first time.
    pub(super) fn unsent(&self) -> usize {
        let Some(epoch) = &self.epoch else { return 0 };
        self.members.iter().filter(|member| lacks(member, epoch)).count()
    }

    /// Sends the keys of this epoch to a UE that has just proven itself; `None` while an epoch waits.
    pub(super) fn issue_first(&mut self, member: &mut Membership) -> Option<()> {
        let epoch = self.epoch.as_ref()?;
        issue(&mut self.common, epoch, member);
        member.pending.is_some().then_some(())
    }
}

/// Returns whether no keys of the epoch were sent to a member that does not have them.
fn lacks(member: &Membership, epoch: &Epoch) -> bool {
    member.pending.is_none() && member.held.as_ref().is_none_or(|held| held.epoch != epoch.number)
}

/// Returns until when the keys on their way count as such.
fn on_their_way(members: &[Membership], now: UtcTime) -> impl Iterator<Item = UtcTime> {
    let until = members.iter().filter_map(|member| member.pending.as_ref()).map(|pending| pending.until);
    until.filter(move |until| *until > now)
}

/// Sends a member its keys of an epoch. A public key of small order gets none: it was refused before.
pub(super) fn issue(common: &mut Common, epoch: &Epoch, member: &mut Membership) {
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
    let now = common.now;
    member.pending = Some(Pending { epoch: epoch.number, kd, octets, sent: 0, at: now, until: now });
    send_again(common, member);
}

/// Returns the `info` of HPKE: keys of one join cannot be opened in another.
pub(super) fn info(transcript: &[u8; 32]) -> Vec<u8> {
    [KEYS, transcript].concat()
}

/// Sends the keys that a member has not confirmed.
pub(super) fn send_again(common: &mut Common, member: &mut Membership) {
    let (now, retry, random) = (common.now, common.config.retry, common.draw_number());
    let Some(pending) = &mut member.pending else { return };
    pending.sent = pending.sent.saturating_add(1);
    pending.at = now.plus_millis(back_off(retry, pending.sent, random));
    pending.until = now.plus_millis(retry);
    let octets = pending.octets.clone();
    common.send(member.layer2, Kind::Keys, octets);
}
