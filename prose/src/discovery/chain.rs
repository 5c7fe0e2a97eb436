//! Signed chains of codes: each code proves itself (TR 33.833 §6.2.3, option D).
//!
//! Found by the hint in the message, so that a follower of thousands computes for one.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::code_chain::{CodeChain, CodeChainFollower};
use sidelink_security::discovery::{Message, Refusal};

use super::chained::{Heard, unexpired};
use super::{AirTime, Announcer, AnnouncerKey, Finding, Subject, TimePolicy};

impl Announcer {
    /// Announces the codes of a signed chain until `valid_until`, at most to the chain's end.
    pub const fn of_chain(chain: CodeChain, valid_until: UtcCounter) -> Self {
        Self::of_key(AnnouncerKey::Chain(chain), valid_until)
    }
}

/// The chains that a monitor follows.
#[derive(Default)]
pub(super) struct Chains {
    followed: Vec<Option<(CodeChainFollower, UtcCounter)>>,
    /// By the hint. Two chains with one hint are both tried.
    by_hint: HashMap<[u8; 4], Vec<u32>, BuildHasherDefault<DefaultHasher>>,
}

impl Chains {
    pub(super) const fn octets(&self) -> usize {
        self.followed.len() * size_of::<(CodeChainFollower, UtcCounter)>()
    }

    pub(super) fn follow(&mut self, follower: CodeChainFollower, valid_until: UtcCounter) -> u32 {
        let index = self.followed.len() as u32;
        self.by_hint.entry(follower.hint()).or_default().push(index);
        self.followed.push(Some((follower, valid_until)));
        index
    }

    pub(super) fn unfollow(&mut self, index: u32) {
        if let Some((follower, _)) = self.followed.get_mut(index as usize).and_then(Option::take)
            && let Some(indexes) = self.by_hint.get_mut(&follower.hint())
        {
            indexes.retain(|known| *known != index);
            if indexes.is_empty() {
                self.by_hint.remove(&follower.hint());
            }
        }
    }

    pub(super) fn receive(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message: &Message,
    ) -> Result<Heard, Refusal> {
        let mut hint = [0; 4];
        hint.copy_from_slice(&message[24..28]);
        let mut refusal = Refusal::Unknown;
        for &index in self.by_hint.get(&hint).into_iter().flatten() {
            let Some(Some((follower, valid_until))) = self.followed.get_mut(index as usize) else { continue };
            match follower.verify(now.slot, policy.uncertainty_millis, message) {
                Ok(code) => {
                    unexpired(now, *valid_until)?;
                    return Ok(Heard::Found(Subject::Chain(index), Finding::Chain(code)));
                }
                Err(other) => refusal = super::more_telling(refusal, other),
            }
        }
        Err(refusal)
    }
}
