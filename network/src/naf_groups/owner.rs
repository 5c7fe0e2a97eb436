//! The part of an owner: groups made, members invited until the NAF has them, new keys.

use std::collections::BTreeSet;

use sidelink_security::counter::UtcTime;

use super::io::{Error, Event, Invitee, Output, Part};
use super::requests::What;
use super::{Group, NafGroups};
use crate::group_naf::message::Policy;
use crate::identity::Impi;
use crate::key_delivery::ServiceId;

/// Times that a slow round takes until the next one: invitations take an eighth of the air at most.
const QUIET: u64 = 7;

impl Group {
    /// Invitees that the NAF does not know as joined.
    fn missing(&self) -> Vec<Invitee> {
        match &self.part {
            Part::Inviter(all) => {
                all.iter().filter(|invitee| !self.joined.contains(&invitee.user)).cloned().collect()
            }
            Part::Lister(_) | Part::Invited | Part::Listed => Vec::new(),
        }
    }

    fn remove(&mut self, user: &Impi) -> bool {
        let before = self.part.clone();
        match &mut self.part {
            Part::Inviter(all) => all.retain(|invitee| invitee.user != *user),
            Part::Lister(all) => all.retain(|listed| listed != user),
            Part::Invited | Part::Listed => {}
        }
        self.joined.remove(user);
        self.round.retain(|invitee| invitee.user != *user);
        self.part != before
    }
}

impl NafGroups {
    pub(super) fn distribute(&mut self, id: ServiceId) -> Result<(), Error> {
        let group = self.owned(id)?;
        let what = match (&group.last, &group.part) {
            (Some(_), _) => What::Refresh(Vec::new()),
            (None, Part::Lister(list)) => What::Create(Policy::WhiteList(list.clone())),
            (None, _) => What::Create(Policy::Invitation),
        };
        self.want(id, what);
        Ok(())
    }

    pub(super) fn exclude(&mut self, id: ServiceId, user: &Impi) -> Result<(), Error> {
        let group = self.owned(id)?;
        if group.last.is_none() {
            return Err(Error::NoKey(id));
        }
        if !group.remove(user) {
            return Err(Error::NoMember { group: id, user: user.clone() });
        }
        self.want(id, What::Refresh(vec![user.clone()]));
        Ok(())
    }

    fn owned(&mut self, id: ServiceId) -> Result<&mut Group, Error> {
        let group = self.groups.get_mut(&id).ok_or(Error::NoGroup(id))?;
        if group.part.is_owner() { Ok(group) } else { Err(Error::NotOwner(id)) }
    }

    /// A key came: what an owner or a member does next.
    pub(super) fn has_key(&mut self, id: ServiceId, before: Option<u8>, expires: UtcTime) {
        let (now, renew_before) = (self.now, self.rules.renew_before);
        let look = self.about(self.rules.look);
        let Some(group) = self.groups.get_mut(&id) else { return };
        if !group.part.is_owner() {
            group.next = Some(now.plus_millis(look));
            return;
        }
        group.renew_at = Some(expires.minus_millis(renew_before)).filter(|at| *at > now);
        if before != group.last {
            // The NAF takes no invitation of before.
            group.invitations.clear();
            group.rounds = 0;
            self.begin_round(id);
        }
    }

    /// Invites those who have not joined.
    fn begin_round(&mut self, id: ServiceId) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.round = group.missing().into();
        group.next = (!group.round.is_empty()).then_some(now);
        if group.round.is_empty() {
            return;
        }
        group.rounds += 1;
        let event = Event::Inviting { group: id, missing: group.round.len(), round: group.rounds };
        self.report(event);
    }

    pub(super) fn act_as_owner(&mut self, id: ServiceId) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.renew_at.is_some_and(|at| at <= now) {
            group.renew_at = None;
            self.want(id, What::Refresh(Vec::new()));
        }
        while self.groups.get(&id).is_some_and(|group| group.next.is_some_and(|at| at <= now)) {
            self.invite_or_ask(id);
        }
    }

    /// Invites the next one of the round; after the last one has had time to join, asks who has.
    fn invite_or_ask(&mut self, id: ServiceId) {
        let (now, rules) = (self.now, self.rules.clone());
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(invitee) = group.round.pop_front() else {
            group.next = None;
            let users: Vec<_> = group.missing().into_iter().map(|invitee| invitee.user).collect();
            if !users.is_empty() {
                self.want(id, What::State(users));
            }
            return;
        };
        let wait = match (group.round.is_empty(), group.rounds < rules.rounds) {
            (false, _) => rules.spacing,
            (true, true) => rules.round,
            // However many are away, the air is for the group.
            (true, false) => rules.slow_round.max(QUIET * rules.spacing * group.missing().len() as u64),
        };
        group.next = Some(now.plus_millis(wait));
        let good = group.invitations.get(&invitee.user).filter(|(_, until)| *until > now.plus_millis(wait));
        let octets = match good {
            Some((octets, _)) => octets.clone(),
            None => {
                let until = now.plus_millis(rules.valid);
                let octets = self.client.invite(now, id, invitee.user.clone(), until);
                group.invitations.insert(invitee.user, (octets.clone(), until));
                octets
            }
        };
        self.outputs.push_back(Output::Invite { to: invitee.layer2, octets });
    }

    /// The NAF says who has joined: the others are invited again.
    pub(super) fn joined(&mut self, id: ServiceId, joined: Vec<Impi>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let new: BTreeSet<_> = joined.into_iter().filter(|user| group.joined.insert(user.clone())).collect();
        let is_complete = group.missing().is_empty() && !group.joined.is_empty();
        new.into_iter().for_each(|user| self.report(Event::Joined { group: id, user }));
        if is_complete {
            return self.report(Event::Complete { group: id });
        }
        self.begin_round(id);
    }
}
