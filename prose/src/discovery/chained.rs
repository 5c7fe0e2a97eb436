//! Announcements that only their announcer can make, by other means than fragments (TR 33.833 §6.2.3): what a monitor follows
//! of them, and what a message of each kind leads to.
//!
//! | | message | proof |
//! |---|---|---|
//! | [`delayed`](super::delayed) | code, MIC, an earlier key | the key, some slots later |
//! | [`chain`](super::chain) | a code of a signed chain | the message itself |
//! | [`pointer`](super::pointer) | code and pointer | a signature on the SL-SCH |
//!
//! One message of the first and the last kind has two results: that its identity was matched, and later that it is proven.

use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::code_chain::CodeChainFollower;
use sidelink_security::discovery::delayed_key::KeyChainFollower;
use sidelink_security::discovery::signature::VerifyingKey;
use sidelink_security::discovery::{CodeFilter, Message, Refusal};

use super::chain::Chains;
use super::delayed::{Delayed, ShortFilter};
use super::pointer::Pointers;
use super::{AirTime, Dropped, Finding, Monitor, Sighted, Subject, TimePolicy, checked};
use sidelink_wire::pc5_discovery::MessageType;

/// An identity whose announcements only its announcer can make.
// One per followed identity, built once.
#[allow(clippy::large_enum_variant)]
pub enum FollowChained {
    /// Codes that pass the filter, proven by keys that are disclosed later.
    Delayed(ShortFilter, KeyChainFollower, UtcCounter),
    /// The codes of a signed chain.
    Chain(CodeChainFollower, UtcCounter),
    /// Codes that pass the filter, signed on the SL-SCH by the owner of a key.
    Pointer(CodeFilter, VerifyingKey, UtcCounter),
}

/// A result of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is stored until its proof comes.
    Matched(Subject),
    /// It is proven, or an earlier one is.
    Found(Subject, Finding),
    /// It was dropped.
    Refused(Refusal),
}

/// Everything of this kind that a monitor follows.
#[derive(Default)]
pub(super) struct Chained {
    delayed: Delayed,
    chains: Chains,
    pointers: Pointers,
}

impl Chained {
    /// Returns the octets of memory that it takes.
    pub(super) fn octets(&self) -> usize {
        self.delayed.octets() + self.chains.octets() + self.pointers.octets()
    }
}

/// Whether messages of this type are handled here.
pub(super) const fn handles(message_type: MessageType) -> bool {
    matches!(message_type, MessageType::DelayedKey | MessageType::ChainCode | MessageType::Pointer)
}

impl Monitor {
    /// Returns the octets of memory of everything that is followed: keys, tables, sets that are not complete, and what was
    /// heard. Model B and the agent's outputs are not among it.
    pub fn octets(&self) -> usize {
        self.octets_of_codes() + self.signed.octets() + self.chained.octets()
    }

    /// Follows an identity whose announcements only its announcer can make.
    pub fn follow_chained(&mut self, follow: FollowChained) -> Subject {
        self.chained.follow(follow)
    }

    /// Checks one SL-DCH block of a type that this module has; `None` for another. One block may prove several earlier ones.
    pub fn receive_chained(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        bytes: &[u8],
    ) -> Option<Vec<Result<Sighted, Dropped>>> {
        let (message_type, message) = checked(bytes).ok()?;
        handles(message_type).then(|| {
            let mut heard = Vec::new();
            self.chained.receive(policy, now, message, &mut heard);
            self.accept_chained(policy, now, heard)
        })
    }

    /// Takes an announcement of the SL-SCH, to which a discovery message points.
    pub fn receive_announcement(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        octets: &[u8],
    ) -> Vec<Result<Sighted, Dropped>> {
        let mut heard = Vec::new();
        self.chained.receive_announcement(policy, now, octets, &mut heard);
        self.accept_chained(policy, now, heard)
    }

    fn accept_chained(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        heard: Vec<Heard>,
    ) -> Vec<Result<Sighted, Dropped>> {
        let accept = |heard| match heard {
            Heard::Matched(who) => Ok(Sighted::Matched(who)),
            Heard::Found(who, finding) => match self.accept(policy, now, who, finding) {
                Ok(discovered) => Ok(Sighted::Discovered(discovered)),
                Err(refusal) => Err(Dropped::Refused(refusal)),
            },
            Heard::Refused(refusal) => Err(Dropped::Refused(refusal)),
        };
        heard.into_iter().map(accept).collect()
    }
}

impl Chained {
    pub(super) fn follow(&mut self, follow: FollowChained) -> Subject {
        match follow {
            FollowChained::Delayed(filter, follower, valid_until) => {
                Subject::Delayed(self.delayed.follow(filter, follower, valid_until))
            }
            FollowChained::Chain(follower, valid_until) => {
                Subject::Chain(self.chains.follow(follower, valid_until))
            }
            FollowChained::Pointer(filter, key, valid_until) => {
                Subject::Pointer(self.pointers.follow(filter, key, valid_until))
            }
        }
    }

    pub(super) fn unfollow(&mut self, who: Subject) {
        match who {
            Subject::Delayed(index) => self.delayed.unfollow(index),
            Subject::Chain(index) => self.chains.unfollow(index),
            Subject::Pointer(index) => self.pointers.unfollow(index),
            _ => {}
        }
    }

    /// Takes a message of a type that [`handles`].
    pub(super) fn receive(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message: &Message,
        heard: &mut Vec<Heard>,
    ) {
        let before = heard.len();
        let result = policy.freshness(now).may_announce().and_then(|()| match message[0] {
            octet if octet == MessageType::DelayedKey.octet() => {
                self.delayed.receive(policy, now, message, heard)
            }
            octet if octet == MessageType::ChainCode.octet() => {
                self.chains.receive(policy, now, message).map(|found| heard.push(found))
            }
            octet if octet == MessageType::Pointer.octet() => {
                self.pointers.receive(policy, now, message).map(|found| heard.push(found))
            }
            _ => Err(Refusal::Type),
        });
        if let Err(refusal) = result {
            heard.insert(before, Heard::Refused(refusal));
        }
    }

    /// Takes octets of an announcement on the SL-SCH.
    pub(super) fn receive_announcement(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        octets: &[u8],
        heard: &mut Vec<Heard>,
    ) {
        let result = policy.freshness(now).may_announce();
        match result.and_then(|()| self.pointers.receive_announcement(policy, now, octets)) {
            Ok(Some(found)) => heard.push(found),
            Ok(None) => {}
            Err(refusal) => heard.push(Heard::Refused(refusal)),
        }
    }
}

/// Checks that an identity is valid in the slot of `now`.
pub(super) fn unexpired(now: &AirTime, valid_until: UtcCounter) -> Result<(), Refusal> {
    if now.slot.counter() < valid_until { Ok(()) } else { Err(Refusal::Expired) }
}

#[cfg(test)]
mod tests;
