//! The part of a [`Monitor`] for signed announcements.

use sidelink_security::discovery::{Message, Refusal};

use super::{Fragmented, Heard, NotFollowed, SignedFollow, SignedMonitor};
use crate::discovery::{AirTime, Discovered, Dropped, Monitor, Subject, TimePolicy};

impl Monitor {
    /// Follows the owner of a private key.
    ///
    /// # Errors
    /// The key was revoked, or too many keys have its hint.
    pub fn follow_signed(&mut self, follow: SignedFollow) -> Result<Subject, NotFollowed> {
        self.signed.follow(follow).map(Subject::Signed)
    }

    /// Returns the part for signed announcements, to revoke keys and to say that nobody knows one.
    pub const fn signed(&mut self) -> &mut SignedMonitor {
        &mut self.signed
    }

    /// Takes a fragment of a signed announcement. Call [`Self::verified`] afterwards.
    ///
    /// # Errors
    /// It is not from a followed key, or not of this time.
    pub fn receive_fragment(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message: &Message,
    ) -> Result<Fragmented, Refusal> {
        match self.signed.receive(policy, now, message)? {
            Heard::Kept(partial) => Ok(Fragmented::Kept(partial)),
            Heard::Proven(who, finding) => self.accept(policy, now, who, finding).map(Fragmented::Proven),
        }
    }

    /// Verifies the next complete signed announcement, if this slot has time left for it: `None` when nothing is pending,
    /// or must wait for the next slot.
    pub fn verified(&mut self, policy: &TimePolicy, now: &AirTime) -> Option<Result<Discovered, Refusal>> {
        let (who, result) = self.signed.verify_in_time(policy, now)?;
        Some(result.and_then(|finding| self.accept(policy, now, who, finding)))
    }

    /// Takes a fragment, and verifies what it completes whatever that costs.
    pub(in crate::discovery) fn receive_whole(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message: &Message,
    ) -> Result<Discovered, Dropped> {
        let kept = match self.receive_fragment(policy, now, message) {
            Ok(Fragmented::Proven(discovered)) => return Ok(discovered),
            Ok(Fragmented::Kept(partial)) => Dropped::Incomplete(partial),
            Err(refusal) => return Err(Dropped::Refused(refusal)),
        };
        let mut outcome = Err(kept);
        while let Some((who, result)) = self.signed.verify_now(policy, now) {
            match result.and_then(|finding| self.accept(policy, now, who, finding)) {
                Ok(discovered) => return Ok(discovered),
                Err(refusal) => outcome = Err(Dropped::Refused(refusal)),
            }
        }
        outcome
    }
}
