//! What happens on a link that is up: protected messages, keep-alive, release.

use super::hub::Hub;
use super::io::{Closed, Error, LinkId};
use super::link::{Asked, Repeat, Stage};
use super::note::{Cause, Note};
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body, Repr};

impl Hub {
    /// A message that a key of the link opened; `current` when it is the one that sends.
    pub(super) fn protected_message(
        &mut self,
        index: usize,
        current: bool,
        lcid: Lcid,
        repr: Repr<'_>,
        octets: &[u8],
    ) {
        let link = &mut self.links[index];
        let (peer, id) = (link.peer, link.id);
        let (up, commanded) =
            (link.stage != Stage::Connecting, link.active.as_ref().is_some_and(|a| a.commanded()));
        let asked = link.asking.as_ref().map(|asking| (asking.rekeying, &asking.phase));
        let security_mode = lcid == Lcid::PC5_S_SECURITY_MODE;
        match repr.body {
            Body::SecurityModeComplete { .. } if security_mode && commanded && up => self.answer_again(index),
            Body::SecurityModeCommand(_) if security_mode && !commanded => {
                // The complete was lost: the peer commands again under the same key.
                if matches!(asked, Some((_, Asked::Completed { .. }))) {
                    self.complete(index);
                }
            }
            _ if security_mode => self.unexpected(index, lcid, &repr, "not on this channel"),
            Body::CommunicationAccept { up, connection, .. }
                if current && matches!(asked, Some((false, Asked::Completed { .. }))) =>
            {
                self.accepted(index, up, connection);
            }
            Body::RekeyingResponse if current && matches!(asked, Some((true, Asked::Completed { .. }))) => {
                self.asking_done(index);
            }
            Body::CommunicationReject { cause } if current && !up => {
                let cause = Cause::from_value(cause);
                self.note(Note::PeerRefuses { peer, cause, proven: true });
                self.close(index, Closed::NoAnswer { hint: Some(cause) });
            }
            Body::SecurityModeReject { cause, .. } if up => {
                self.rekeying_refused(index, Cause::from_value(cause))
            }
            Body::RekeyingRequest(request) if current && up => self.rekeying_heard(index, &request, octets),
            Body::Authentication { phase, content, .. } if current && up => match phase {
                AuthenticationPhase::Request => self.challenge_heard(index, content),
                AuthenticationPhase::Response => self.rekeying_response_heard(index, content),
                AuthenticationPhase::Reject => {
                    let cause = Cause::from_value(content.first().copied().unwrap_or(0));
                    self.rekeying_refused(index, cause);
                }
            },
            Body::IdentifierUpdateRequest(asked) if current && link.stage == Stage::Up => {
                self.update_heard(index, asked);
            }
            Body::IdentifierUpdateAccept { new, asked } if link.stage == Stage::Up => {
                self.update_accepted(index, current, new, asked);
            }
            Body::IdentifierUpdateAck(new) if up => self.update_acknowledged(index, new),
            Body::IdentifierUpdateReject { cause } if current && up => {
                self.update_refused(index, Cause::from_value(cause));
            }
            Body::RekeyingTrigger if current && up => self.triggered(index),
            Body::Keepalive { counter, .. } if up => {
                self.send_protected(index, Lcid::PC5_S_PROTECTED, Body::KeepaliveAck { counter });
            }
            // That it was heard is all that it says; the timer is stopped already.
            Body::KeepaliveAck { .. } if up => {}
            Body::Release { reason } if up => {
                self.send_protected(index, Lcid::PC5_S_PROTECTED, Body::ReleaseAccept);
                self.close(index, Closed::ByPeer { reason: Cause::from_value(reason) });
            }
            Body::ReleaseAccept if link.stage == Stage::Releasing => self.close(index, Closed::Released),
            _ => self.unexpected(index, lcid, &repr, "not in this state"),
        }
        debug_assert!(self.links.iter().filter(|link| link.id == id).count() <= 1);
    }

    fn unexpected(&mut self, index: usize, lcid: Lcid, repr: &Repr<'_>, why: &'static str) {
        let (source, message) = (self.links[index].peer, repr.body.message_type());
        self.note(Note::Unexpected { source, lcid, message, why });
    }

    /// The peer, proven, will not re-key so.
    fn rekeying_refused(&mut self, index: usize, cause: Cause) {
        let now = self.now;
        let link = &mut self.links[index];
        let peer = link.peer;
        let pending = matches!(link.asking.as_ref().map(|asking| &asking.phase), Some(Asked::Requested));
        if pending {
            link.asking = None;
        }
        if pending || link.answering.take().is_some() {
            link.rekeyed = now;
            self.note(Note::PeerRefuses { peer, cause, proven: true });
            self.note(Note::RekeyingGivenUp { peer });
        }
    }

    /// The peer wants this side to ask.
    fn triggered(&mut self, index: usize) {
        let link = &self.links[index];
        let (peer, early) = (link.peer, self.now < link.rekeyed.plus_millis(self.config.rekey_interval));
        if early {
            return self.note(Note::RekeyingStorm { peer });
        }
        // Already under way, or nothing to re-key: the trigger has nothing to add.
        let _ = self.start_rekeying(index, false);
    }

    pub(super) fn release(&mut self, id: LinkId) -> Result<(), Error> {
        let index = self.links.iter().position(|link| link.id == id).ok_or(Error::NotUp(id))?;
        match self.links[index].stage {
            Stage::Connecting => self.close(index, Closed::Released),
            Stage::Releasing => {}
            Stage::Up => {
                self.links[index].stage = Stage::Releasing;
                self.links[index].asking = None;
                self.links[index].answering = None;
                self.links[index].update = None;
                self.release_again(index, 1);
            }
        }
        Ok(())
    }

    fn release_again(&mut self, index: usize, tries: u8) {
        let deadline = self.now.plus_millis(self.config.t4101());
        self.links[index].release = Some(Repeat { deadline, tries });
        let body = Body::Release { reason: Cause::NoLongerNeeded.value() };
        self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
    }

    /// Keep-alive, inactivity, release.
    pub(super) fn upkeep_due(&mut self, index: usize) {
        let (now, tries) = (self.now, self.config.tries);
        let link = &self.links[index];
        match link.stage {
            Stage::Connecting => {}
            Stage::Releasing => match link.release {
                Some(repeat) if repeat.deadline > now => {}
                Some(repeat) if repeat.tries < tries => self.release_again(index, repeat.tries + 1),
                // The peer is gone, or will find out by its inactivity timer.
                _ => self.close(index, Closed::Released),
            },
            Stage::Up if link.heard.plus_millis(self.config.inactivity) <= now => {
                self.close(index, Closed::Inactive);
            }
            Stage::Up => match link.keepalive {
                Some(repeat) if repeat.deadline <= now && repeat.tries < tries => {
                    self.keep_alive(index, repeat.tries + 1);
                }
                None if link.heard.plus_millis(self.config.keepalive) <= now => self.keep_alive(index, 1),
                _ => {}
            },
        }
    }

    fn keep_alive(&mut self, index: usize, tries: u8) {
        let deadline = self.now.plus_millis(self.config.t4101());
        let link = &mut self.links[index];
        link.keepalive = Some(Repeat { deadline, tries });
        link.counter = link.counter.wrapping_add(u32::from(tries == 1));
        let body = Body::Keepalive { counter: link.counter, maximum_inactivity: None };
        self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
    }
}
