//! Requests to the NAF, one after another, each until it is answered.

use sidelink_security::counter::UtcTime;

use super::NafGroups;
use super::io::{Event, Output};
use crate::group_naf::message::{Cause, Policy};
use crate::group_naf_client::{self as client, Dropped};
use crate::identity::Impi;
use crate::key_delivery::ServiceId;

/// Doublings of the time that the NAF may take.
const DOUBLINGS: u32 = 5;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Create(Policy),
    Join(Option<Vec<u8>>),
    Refresh(Vec<Impi>),
    State(Vec<Impi>),
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// Its answer; then it is repeated as it was.
    Answer,
    /// A better time, to be repeated as it was.
    Later,
    /// A better time, to be made anew.
    Anew,
}

/// The request that is with the NAF.
pub(super) struct Doing {
    group: ServiceId,
    what: What,
    tries: u32,
    waits: Waits,
    until: UtcTime,
}

impl Doing {
    pub(super) const fn due(&self) -> UtcTime {
        self.until
    }
}

impl NafGroups {
    /// Queues a request, unless it waits there already.
    pub(super) fn want(&mut self, group: ServiceId, what: What) {
        if matches!(what, What::Join(_)) {
            if self.wants_to_join(group) {
                return;
            }
            self.report(Event::Joining { group });
        }
        if !self.queue.iter().any(|(queued, known)| *queued == group && *known == what) {
            self.queue.push_back((group, what));
        }
    }

    pub(super) fn wants_to_join(&self, group: ServiceId) -> bool {
        let doing = self.doing.as_ref().map(|doing| (doing.group, &doing.what));
        let queued = self.queue.iter().map(|(group, what)| (*group, what));
        queued.chain(doing).any(|(of, what)| of == group && matches!(what, What::Join(_)))
    }

    /// Makes the next request, or repeats the one that is due.
    pub(super) fn pump(&mut self) {
        let now = self.now;
        match self.doing.as_mut() {
            None => {
                let Some((group, what)) = self.queue.pop_front() else { return };
                self.doing = Some(Doing { group, what, tries: 0, waits: Waits::Answer, until: now });
                self.ask();
            }
            Some(doing) if doing.until > now => {}
            Some(doing) if doing.waits == Waits::Anew => self.ask(),
            Some(doing) => {
                if doing.waits == Waits::Answer {
                    doing.tries += 1;
                }
                self.wait_for_answer();
                self.client.handle_input(client::Input::Again);
                self.follow();
            }
        }
    }

    fn wait_for_answer(&mut self) {
        let (now, patience) = (self.now, self.rules.patience);
        if let Some(doing) = &mut self.doing {
            doing.waits = Waits::Answer;
            doing.until = now.plus_millis(patience << doing.tries.min(DOUBLINGS));
        }
    }

    fn ask(&mut self) {
        let now = self.now;
        self.wait_for_answer();
        let Some(Doing { group, what, .. }) = &self.doing else { return };
        let group = *group;
        self.client.handle_input(match what.clone() {
            What::Create(policy) => client::Input::Create { now, group, policy },
            What::Join(invitation) => client::Input::Join { now, group, invitation },
            What::Refresh(removed) => client::Input::Refresh { now, group, removed },
            What::State(users) => client::Input::State { now, group, users },
        });
        self.follow();
    }

    /// Does what the client says.
    pub(super) fn follow(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                client::Output::Request(octets) => self.outputs.push_back(Output::ToNaf(octets)),
                client::Output::Store(array) => self.outputs.push_back(Output::Store(array)),
                client::Output::Key(key) => {
                    self.key(key);
                    self.finish();
                }
                client::Output::State(client::GroupState { group, pgk_id, joined }) => {
                    if self.groups.get(&group).is_some_and(|group| group.part.is_owner()) {
                        self.joined(group, joined);
                    }
                    self.present_key(group, pgk_id);
                    self.finish();
                }
                client::Output::Refused(cause) => self.refused(cause),
                client::Output::Dropped(why) => self.dropped(why),
            }
        }
    }

    /// The request is done where the client waits for nothing: a key that the NAF brought by itself is no answer.
    fn finish(&mut self) {
        if !self.client.is_waiting() {
            self.doing = None;
        }
    }

    /// Where a pushed key could not be used, its GPI is used up, and the same answer would come again: another request is made.
    /// Anybody can send what is no message, or answers nothing: that changes nothing.
    fn dropped(&mut self, why: Dropped) {
        self.report(Event::Dropped(why));
        let is_used_up = matches!(
            why,
            Dropped::Tag | Dropped::Wrapped | Dropped::Expired | Dropped::OutOfSync | Dropped::Gpi(_)
        );
        if is_used_up {
            self.make_anew(|what| match what {
                // The NAF has done it.
                What::Create(_) | What::Refresh(_) => What::Join(None),
                what => what,
            });
        }
    }

    fn make_anew(&mut self, change: impl FnOnce(What) -> What) {
        let until = self.now.plus_millis(self.about(self.rules.later));
        if let Some(doing) = &mut self.doing {
            doing.what = change(doing.what.clone());
            (doing.waits, doing.until) = (Waits::Anew, until);
        }
    }

    fn refused(&mut self, cause: Cause) {
        let Some(doing) = &self.doing else { return };
        let group = doing.group;
        let is_join = matches!(doing.what, What::Join(_));
        self.report(Event::Refused { group, cause });
        match cause {
            Cause::TooOften | Cause::Busy | Cause::Late | Cause::Store | Cause::NoPush => {
                let until = self.now.plus_millis(self.about(self.rules.later));
                if let Some(doing) = &mut self.doing {
                    (doing.waits, doing.until) = (Waits::Later, until);
                }
            }
            // The clock went back, or an owner has started again.
            Cause::Replay => self.make_anew(|what| what),
            Cause::GroupTaken => self.make_anew(|_| What::Join(None)),
            // Its owner has not made it yet.
            Cause::UnknownGroup if is_join => self.make_anew(|what| what),
            Cause::Invitation
            | Cause::UnknownGroup
            | Cause::NotAllowed
            | Cause::Malformed
            | Cause::UnknownBTid
            | Cause::Tag => {
                self.doing = None;
                if is_join {
                    self.refused_join(group);
                }
            }
        }
    }
}
