//! Announcements whose MIC is proven by a key that is disclosed some slots later (TR 33.833 §6.2.3, option C; RFC 4082).
//!
//! ```text
//! slot     i              i+1            ..      i+d
//! message  code, MIC(Ki)                         code, MIC(Ki+d), Ki
//! monitor  Matched                               Found: that of slot i
//! ```
//!
//! The largest difference between the clocks of two UEs is [`TimePolicy::uncertainty_millis`]. It must be true: with a
//! false one forgeries are accepted.

use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::delayed_key::{KeyChain, KeyChainFollower, ShortCode};
use sidelink_security::discovery::{Message, Refusal};

use super::chained::{Heard, unexpired};
use super::{AirTime, Announcer, AnnouncerKey, Finding, Subject, TimePolicy, more_telling};

impl Announcer {
    /// Announces a code under keys that are disclosed later, until `valid_until`, at most to the chain's end.
    pub const fn delayed(chain: KeyChain, code: ShortCode, valid_until: UtcCounter) -> Self {
        Self::of_key(AnnouncerKey::Delayed(chain, code), valid_until)
    }
}

/// A filter of codes of 104 bits: the bits under the mask must be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortFilter {
    /// The required bits.
    pub code: ShortCode,
    /// 1 where a bit is compared.
    pub mask: ShortCode,
}

impl ShortFilter {
    /// Makes a filter that compares every bit.
    pub const fn exact(code: ShortCode) -> Self {
        Self { code, mask: [0xff; 13] }
    }

    /// Whether a code, which is public, passes.
    pub fn matches(&self, code: &ShortCode) -> bool {
        self.code.iter().zip(code).zip(&self.mask).all(|((ours, theirs), mask)| (ours ^ theirs) & mask == 0)
    }
}

struct Followed {
    filter: ShortFilter,
    follower: KeyChainFollower,
    valid_until: UtcCounter,
}

/// The chains of keys that a monitor follows.
#[derive(Default)]
pub(super) struct Delayed {
    followed: Vec<Option<Followed>>,
}

impl Delayed {
    pub(super) fn octets(&self) -> usize {
        let each = |followed: &Followed| size_of::<Followed>() + followed.follower.octets();
        self.followed.iter().flatten().map(each).sum()
    }

    pub(super) fn follow(
        &mut self,
        filter: ShortFilter,
        follower: KeyChainFollower,
        valid_until: UtcCounter,
    ) -> u32 {
        self.followed.push(Some(Followed { filter, follower, valid_until }));
        self.followed.len() as u32 - 1
    }

    pub(super) fn unfollow(&mut self, index: u32) {
        if let Some(place) = self.followed.get_mut(index as usize) {
            *place = None;
        }
    }

    /// Takes a message. What its key proves is put before what becomes of itself.
    pub(super) fn receive(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message: &Message,
        heard: &mut Vec<Heard>,
    ) -> Result<(), Refusal> {
        let mut code = [0; 13];
        code.copy_from_slice(&message[1..14]);
        let mut refusal = Refusal::Unknown;
        for (index, place) in self.followed.iter_mut().enumerate() {
            let Some(followed) = place.as_mut().filter(|followed| followed.filter.matches(&code)) else {
                continue;
            };
            let who = Subject::Delayed(index as u32);
            unexpired(now, followed.valid_until)?;
            let received = followed.follower.receive(now.slot, policy.uncertainty_millis, message);
            heard.extend(received.proven.iter().map(|code| Heard::Found(who, Finding::Delayed(*code))));
            heard.extend((0..received.forged).map(|_| Heard::Refused(Refusal::BadMic)));
            match received.stored {
                Ok(_) => {
                    heard.push(Heard::Matched(who));
                    return Ok(());
                }
                // Of another announcer with this code.
                Err(Refusal::BadMic) => refusal = more_telling(refusal, Refusal::BadMic),
                Err(other) => return Err(other),
            }
        }
        Err(refusal)
    }
}
