//! What a member does about an owner's notices: it waits while the owner is busy, and joins again when it has missed an epoch.

use sidelink_security::counter::UtcTime;
use sidelink_wire::group_owner::{Kind, Notice};

use super::common::NOTICE;
use super::io::{Event, Forget, Output};
use super::member::{Member, State};
use super::notices::transcript;
use super::pace::{back_off, spread};

/// Doublings of the window in which members ask again that were put off, once the owner has nothing to do: there may be many.
const IDLE: u8 = 3;

/// An epoch of the owner whose keys did not come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missed {
    pub(super) epoch: u32,
    /// When the member joins again, if they still did not.
    pub(super) at: UtcTime,
}

impl Member {
    pub(super) fn on_notice(&mut self, notice: &Notice, message: &[u8]) {
        let wait = u64::from(notice.wait).min(self.common.config.longest_wait);
        match &mut self.state {
            State::Requested { request, .. } => {
                // Anybody can say that the owner is busy. The first notice counts, or one that says less: the owner's own are
                // never far.
                let random = self.common.draw_number();
                let wait_again = match wait {
                    0 => back_off(self.common.config.retry, self.requests.max(IDLE), random),
                    _ => spread(wait, random),
                };
                let at = self.common.now.plus_millis(wait_again);
                let is_first = wait > 0 && !request.deferred;
                if is_first || (request.deferred && at < request.at) {
                    (request.deferred, request.at) = (true, at);
                }
            }
            State::In { keys, missed, leaving: None, .. } => {
                let known = missed.as_ref().map_or(keys.epoch, |missed| missed.epoch);
                if notice.epoch > known {
                    self.on_later_epoch(notice.epoch, wait, message);
                }
            }
            _ => {}
        }
    }

    /// Checks that the owner itself has a later epoch. Its keys may be on their way: the member waits for them.
    fn on_later_epoch(&mut self, epoch: u32, wait: u64, message: &[u8]) {
        let State::In { session, .. } = &self.state else { return };
        let (credential, group) = (session.credential.clone(), self.common.config.group.group_id);
        let proven = self.prove(Kind::Notice, (NOTICE, &transcript(group)), message, &credential);
        if proven.is_none() {
            return;
        }
        let wait = spread(wait.max(2 * self.common.config.retry), self.common.draw_number());
        let at = self.common.now.plus_millis(wait);
        if let State::In { missed, .. } = &mut self.state {
            *missed = Some(Missed { epoch, at });
        }
    }

    /// Joins again if the keys of an epoch did not come; those of before are not used any more.
    pub(super) fn join_if_missed(&mut self) {
        let State::In { keys, missed: Some(missed), leaving: None, .. } = &self.state else { return };
        if missed.at > self.common.now {
            return;
        }
        let (epoch, pgk_id, kd_id) = (missed.epoch, keys.pgk_id, keys.kd_id);
        self.common.push(Output::Forget(Forget::Group(pgk_id)));
        self.common.push(Output::Forget(Forget::Unicast(kd_id, self.owner.1.clone())));
        self.common.event(Event::Missed { epoch });
        (self.by_itself, self.requests) = (true, 0);
        let nonce = self.common.draw_nonce();
        self.request(nonce, None, None);
    }
}
