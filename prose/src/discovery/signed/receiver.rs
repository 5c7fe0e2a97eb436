//! The monitoring side: fragments to sets, sets to verified codes. Everything is bounded: the sets that are not complete,
//! the fragments of one, the verifications of one and of a slot, the hints that are asked for.

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::signature::{Hint, KeyDigest, SignedTime, VerifyingKey};
use sidelink_security::discovery::{CodeFilter, Message, Refusal};
use sidelink_security::keys::Duck;
use sidelink_wire::pc5_discovery::{Packet, Repr};

use super::keys::{ByHint, NotFollowed, OldList, Revoked, Unknown};
use super::sender::fragment_of;
use super::sets::{Added, Message as SetMessage, PartialSet};
use super::timing::{Place, tag};
use super::{CODE_OCTETS, FRAGMENT_OCTETS, Heard, Partial, Rotation, fragments};
use crate::discovery::{AirTime, Finding, Subject, TimePolicy};

/// Periods after which a set without a new fragment makes room for another.
const PATIENCE_PERIODS: u64 = 4;

/// Sizes and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedConfig {
    /// Sets that are not complete, at most.
    pub sets: usize,
    /// Verifications in one slot, at most: each takes 20 to 250 us.
    pub verifications: u32,
    /// Hints without a key that are remembered.
    pub unknown_hints: usize,
    /// A hint without a key is asked for again after this time, milliseconds.
    pub ask_again_millis: u64,
    /// All hints together are asked for no faster than once in this time, milliseconds, after a burst of eight.
    pub ask_interval_millis: u64,
}

impl Default for SignedConfig {
    fn default() -> Self {
        Self {
            sets: 64,
            verifications: 2,
            unknown_hints: 256,
            ask_again_millis: 60_000,
            ask_interval_millis: 1000,
        }
    }
}

/// Look-ups of unknown hints that may be made at once.
const ASK_BURST: u64 = 8;

/// The owner of a private key, as a monitor follows it.
pub struct SignedFollow {
    /// Its public key: a monitor without it is not authorised (TR 33.833 §6.2.3.1).
    pub key: VerifyingKey,
    /// How it sends.
    pub rotation: Rotation,
    /// The first second at which the key is no longer valid.
    pub valid_until: UtcCounter,
    /// The codes that are wanted; all, if there is none.
    pub filter: Option<CodeFilter>,
    /// The key of the group for which the code is concealed.
    pub group: Option<Duck>,
}

/// What is followed, with what was verified last.
struct Follower {
    follow: SignedFollow,
    digest: KeyDigest,
    needed: usize,
    /// The newest set that was verified.
    verified: Option<(u64, SetMessage, Finding)>,
}

/// Signed announcements of a monitor.
pub struct SignedMonitor {
    config: SignedConfig,
    keys: Vec<Option<Follower>>,
    hints: ByHint,
    sets: Vec<PartialSet>,
    /// The slot whose verifications are counted, and their number.
    slot: (UtcTime, u32),
    verifications: u64,
    unknown: Unknown,
    revoked: Revoked,
}

impl SignedMonitor {
    /// Returns the octets of memory that keys and sets take.
    pub(in crate::discovery) fn octets(&self) -> usize {
        self.keys.iter().flatten().count() * size_of::<Follower>()
            + self.sets.iter().map(PartialSet::octets).sum::<usize>()
    }

    pub(in crate::discovery) fn new(config: SignedConfig) -> Self {
        let unknown = Unknown::new(
            config.unknown_hints,
            config.ask_again_millis,
            config.ask_interval_millis,
            ASK_BURST,
        );
        Self {
            keys: Vec::new(),
            hints: ByHint::default(),
            sets: Vec::new(),
            slot: (UtcTime::from_millis(0), 0),
            verifications: 0,
            unknown,
            revoked: Revoked::default(),
            config,
        }
    }

    pub(in crate::discovery) fn follow(&mut self, follow: SignedFollow) -> Result<u32, NotFollowed> {
        let digest = follow.key.digest();
        if self.revoked.contains(digest) {
            return Err(NotFollowed::Revoked);
        }
        let free = self.keys.iter().position(Option::is_none).unwrap_or(self.keys.len());
        let place = free as u32;
        self.hints.add(digest.hint(), place)?;
        self.unknown.forget(digest.hint());
        let needed = fragments(follow.key.scheme());
        if free == self.keys.len() {
            self.keys.push(None);
        }
        self.keys[free] = Some(Follower { follow, digest, needed, verified: None });
        Ok(place)
    }

    pub(in crate::discovery) fn unfollow(&mut self, place: u32) {
        if let Some(key) = self.keys.get_mut(place as usize) {
            *key = None;
        }
        self.hints.remove(place);
        self.sets.retain(|set| set.key != place);
    }

    /// Puts a list of revoked keys in force: what they sign is refused at once, and they cannot be followed.
    ///
    /// # Errors
    /// A newer list is in force.
    pub fn revoke(&mut self, number: u32, keys: &[KeyDigest]) -> Result<(), OldList> {
        self.revoked.replace(number, keys)?;
        let gone = |place: u32| {
            let key = self.keys.get(place as usize).and_then(Option::as_ref);
            key.is_none_or(|key| self.revoked.contains(key.digest))
        };
        self.sets.retain(|set| !gone(set.key));
        Ok(())
    }

    /// Returns the number of the list of revoked keys in force; 0 if there is none.
    pub const fn revocation_number(&self) -> u32 {
        self.revoked.number()
    }

    /// Does not ask for the key of a hint until a time: the network does not know it.
    pub fn silence(&mut self, hint: Hint, until: UtcTime) {
        self.unknown.silence(hint, until);
    }

    /// Returns a hint whose key is wanted, once.
    pub const fn take_wanted(&mut self) -> Option<Hint> {
        self.unknown.take_wanted()
    }

    /// Returns the number of signatures that were verified so far, right or wrong.
    pub const fn verifications(&self) -> u64 {
        self.verifications
    }

    /// Returns the number of sets that are not complete.
    pub const fn incomplete(&self) -> usize {
        self.sets.len()
    }

    /// Whether a set is to be verified.
    pub(in crate::discovery) fn is_pending(&self) -> bool {
        self.sets.iter().any(|set| set.fresh)
    }

    /// Takes a fragment.
    pub(in crate::discovery) fn receive(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message: &Message,
    ) -> Result<Heard, Refusal> {
        policy.freshness(now).may_announce()?;
        let Ok(Repr::Fragment { index, set, data }) = Repr::parse(&Packet::new_unchecked(message)) else {
            return Err(Refusal::Type);
        };
        self.expire(&policy.sets, now);
        let place = policy.sets.place(now, 0, Hint(set));
        let hint = Hint(tag(set, place.number));
        let mut result = Err(Refusal::Unknown);
        for number in 0..self.hints.of(hint).len() {
            let key = self.hints.of(hint)[number];
            match (self.take(policy, now, (key, &place), index, data), &result) {
                (Ok(heard), _) => result = Ok(heard),
                (Err(refusal), Err(Refusal::Unknown)) => result = Err(refusal),
                (Err(_), _) => {}
            }
        }
        if matches!(result, Err(Refusal::Unknown)) {
            let mut others = (1..16_u8).map(|low| Hint([hint.0[0], hint.0[1] ^ low]));
            if others.any(|other| !self.hints.of(other).is_empty()) {
                // Of a set of another number, as far as can be known.
                return Err(Refusal::Replay);
            }
            self.unknown.note(hint, now.slot);
        }
        result
    }

    /// Takes a fragment for one key that it may be from.
    fn take(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        (key, place): (u32, &Place),
        index: u8,
        data: [u8; FRAGMENT_OCTETS],
    ) -> Result<Heard, Refusal> {
        let Some(Some(follower)) = self.keys.get(key as usize) else { return Err(Refusal::Unknown) };
        if self.revoked.contains(follower.digest) {
            return Err(Refusal::NotAuthorised);
        }
        if now.slot.counter() >= follower.follow.valid_until {
            return Err(Refusal::Expired);
        }
        let (needed, rotation) = (follower.needed, follower.follow.rotation);
        if index != place.index {
            return Err(Refusal::Replay);
        }
        let index = rotation.fragment(index, needed);
        if let Some((number, message, finding)) = &follower.verified
            && *number == place.number
        {
            let right = fragment_of(message.octets(), needed, index) == data;
            return if right {
                Ok(Heard::Proven(Subject::Signed(key), *finding))
            } else {
                Err(Refusal::BadMic)
            };
        }
        let at = self.set_of(&policy.sets, now, (key, place.number), needed, rotation)?;
        let set = &mut self.sets[at];
        match set.add(index, data, now.slot.millis()) {
            Added::GivenUp => Err(Refusal::BadMic),
            Added::New | Added::Known | Added::Contradicted => Ok(Heard::Kept(Partial {
                who: Subject::Signed(key),
                set: place.number,
                index,
                have: set.have() as u8,
                needed: needed as u8,
            })),
        }
    }

    /// Returns the place of a set, a new one if it is the first fragment. One that got nothing new for a while gives way.
    fn set_of(
        &mut self,
        timing: &super::SetTiming,
        now: &AirTime,
        (key, number): (u32, u64),
        needed: usize,
        rotation: Rotation,
    ) -> Result<usize, Refusal> {
        if let Some(at) = self.sets.iter().position(|set| set.key == key && set.number == number) {
            return Ok(at);
        }
        let new = PartialSet::new(key, number, needed, rotation);
        if self.sets.len() < self.config.sets {
            self.sets.push(new);
            return Ok(self.sets.len() - 1);
        }
        let patience = PATIENCE_PERIODS * timing.period_millis();
        let idle = |set: &&PartialSet| now.slot.millis().saturating_sub(set.touched) >= patience;
        let oldest =
            self.sets.iter().filter(idle).min_by_key(|set| set.touched).map(|set| (set.key, set.number));
        let at = self.sets.iter().position(|set| Some((set.key, set.number)) == oldest);
        let at = at.ok_or(Refusal::RateLimited)?;
        self.sets[at] = new;
        Ok(at)
    }

    /// Drops the sets whose time is over for more than four periods.
    fn expire(&mut self, timing: &super::SetTiming, now: &AirTime) {
        let keys = &self.keys;
        self.sets.retain(|set| {
            let Some(Some(follower)) = keys.get(set.key as usize) else { return false };
            let grace = (PATIENCE_PERIODS * timing.period_millis()) as i64;
            let place = timing.place(now, -grace, follower.digest.hint());
            // A clock that went back shows a number below: those of the future are of no use either.
            set.number >= place.number && set.number <= place.number + 2
        });
    }

    /// Verifies the next complete set, if this slot has time left for it.
    pub(in crate::discovery) fn verify_in_time(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
    ) -> Option<(Subject, Result<Finding, Refusal>)> {
        loop {
            if now.slot > self.slot.0 || self.slot.0 > now.slot.plus_millis(60_000) {
                self.slot = (now.slot, 0);
            }
            if self.slot.1 >= self.config.verifications.max(1) {
                return None;
            }
            match self.verify(policy, now)? {
                (_, None) => {}
                (who, Some(result)) => return Some((who, result)),
            }
        }
    }

    /// Verifies the next complete set whatever it costs.
    pub(in crate::discovery) fn verify_now(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
    ) -> Option<(Subject, Result<Finding, Refusal>)> {
        loop {
            match self.verify(policy, now)? {
                (_, None) => {}
                (who, Some(result)) => return Some((who, result)),
            }
        }
    }

    /// Verifies one message of a complete set. The result is `None` where it was wrong and others of the set are left.
    fn verify(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
    ) -> Option<(Subject, Option<Result<Finding, Refusal>>)> {
        let at = self.sets.iter().position(|set| set.fresh)?;
        let (key, number) = (self.sets[at].key, self.sets[at].number);
        let who = Subject::Signed(key);
        let Some(Some(follower)) = self.keys.get_mut(key as usize) else {
            self.sets.remove(at);
            return Some((who, None));
        };
        let set = &mut self.sets[at];
        let Some(message) = set.next() else {
            // Everything that can be tried has failed.
            set.fresh = false;
            return Some((who, Some(Err(Refusal::BadMic))));
        };
        let place = policy.sets.begin(now, number, follower.digest.hint());
        let mut found = Err(Refusal::BadMic);
        for time in place.signed_times(policy.uncertainty_millis) {
            self.slot.1 += 1;
            self.verifications += 1;
            found = follower.check(&message, time);
            if found != Err(Refusal::BadMic) {
                break;
            }
        }
        match found {
            Err(Refusal::BadMic) => {
                set.failed(message);
                // To the end of the queue: other sets come first.
                self.sets[at..].rotate_left(1);
                Some((who, None))
            }
            result => {
                self.sets.remove(at);
                if let Ok(finding) = result {
                    follower.verified = Some((number, message, finding));
                }
                Some((who, Some(result)))
            }
        }
    }
}

impl Follower {
    /// Verifies a message as one that was signed at a time.
    fn check(&self, message: &SetMessage, time: SignedTime) -> Result<Finding, Refusal> {
        let key = &self.follow.key;
        let (code, rest) = message.octets().split_first_chunk::<CODE_OCTETS>().ok_or(Refusal::BadMic)?;
        let (signature, spare) = rest.split_at_checked(key.scheme().octets()).ok_or(Refusal::BadMic)?;
        if spare.iter().any(|&octet| octet != 0) {
            return Err(Refusal::BadMic);
        }
        let proof = key.verify_announcement(code, time, signature).map_err(|_| Refusal::BadMic)?;
        let code = self.follow.group.as_ref().map_or(*code, |group| key.conceal(group, time, code));
        if self.follow.filter.as_ref().is_some_and(|filter| !filter.matches(&code)) {
            return Err(Refusal::Unknown);
        }
        Ok(Finding::Signed { proof, code })
    }
}
