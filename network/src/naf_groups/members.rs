//! The part of a member: invitations that come, and whether the key is the present one.

use sidelink_security::counter::UtcTime;

use super::NafGroups;
use super::io::{Error, Event, Output, Part, Passed};
use super::requests::What;
use crate::group_naf::message::Invitation;
use crate::key_delivery::ServiceId;

impl NafGroups {
    pub(super) fn join(&mut self, id: ServiceId) -> Result<(), Error> {
        let group = self.groups.get_mut(&id).ok_or(Error::NoGroup(id))?;
        if group.part.is_owner() {
            return Err(Error::Owner(id));
        }
        let invitation = group.invitation.take();
        self.want(id, What::Join(invitation));
        Ok(())
    }

    pub(super) fn leave(&mut self, id: ServiceId) -> Result<(), Error> {
        let group = self.groups.get_mut(&id).ok_or(Error::NoGroup(id))?;
        if group.part.is_owner() {
            return Err(Error::Owner(id));
        }
        self.forget(id);
        Ok(())
    }

    /// Forgets the key, and asks no more.
    fn forget(&mut self, id: ServiceId) {
        self.queue.retain(|(queued, _)| *queued != id);
        let Some(group) = self.groups.get_mut(&id) else { return };
        (group.next, group.last, group.invitation) = (None, None, None);
        if let Some((pgk_id, _)) = group.key.take() {
            self.outputs.push_back(Output::Remove { group: id, pgk_id });
        }
    }

    /// An invitation came: by its look it is for this UE, and whether it is the owner's, the NAF knows.
    pub(super) fn invitation(&mut self, octets: &[u8]) -> Result<(), Passed> {
        let now = self.now;
        let invitation = Invitation::parse(octets).map_err(Passed::Malformed)?;
        let id = invitation.group;
        let group = self.groups.get_mut(&id).filter(|group| group.part == Part::Invited);
        let group = group.ok_or(Passed::NoGroup(id))?;
        if invitation.invitee != self.own {
            return Err(Passed::ForAnother);
        }
        if UtcTime::from_millis(u64::from(invitation.expires) * 1000) <= now {
            return Err(Passed::Expired);
        }
        // A repetition.
        if group.key.is_some() {
            return Ok(());
        }
        group.invitation = Some(octets.to_vec());
        group.next = Some(group.not_before.max(now));
        Ok(())
    }

    pub(super) fn act_as_member(&mut self, id: ServiceId) {
        let now = self.now;
        let is_joining = self.wants_to_join(id);
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.next.is_none_or(|at| at > now) {
            return;
        }
        group.next = None;
        if is_joining {
            return;
        }
        let what = match group.invitation.take().filter(|_| group.key.is_none()) {
            Some(invitation) => What::Join(Some(invitation)),
            None => What::State(Vec::new()),
        };
        self.want(id, what);
    }

    /// The NAF says which key there is: it is asked for, where it is another one.
    pub(super) fn present_key(&mut self, id: ServiceId, pgk_id: Option<u8>) {
        let (now, look) = (self.now, self.about(self.rules.look));
        let Some(group) = self.groups.get_mut(&id) else { return };
        let is_owner = group.part.is_owner();
        if pgk_id.is_none() && !is_owner {
            self.forget(id);
            return self.report(Event::Out { group: id });
        }
        if !is_owner {
            group.next = Some(now.plus_millis(look));
        }
        if pgk_id.is_some() && pgk_id != group.last {
            self.want(id, What::Join(None));
        }
    }

    /// The NAF does not let this UE join: by another invitation it may, but not at once. Where it has a key, it asks for how long.
    pub(super) fn refused_join(&mut self, id: ServiceId) {
        let pause = self.now.plus_millis(self.about(self.rules.later));
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.not_before = pause;
        group.next = (group.invitation.is_some() || group.key.is_some()).then_some(pause);
    }
}
