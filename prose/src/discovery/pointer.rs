//! Announcements whose signature is on the SL-SCH (TR 33.833 §6.2.3, option E).
//!
//! ```text
//! announcer  PSDCH: code, pointer, hint      SL-SCH to DISCOVERY_GROUP: code, signed time, signature
//! monitor    Matched                         Found, or the other way round
//! ```
//!
//! The announcement is one RLC SDU of the logical channel for group data, with PDCP's header of non-IP data, unprotected:
//! the signature protects it. Message and announcement are stored, a bounded number of them for a few seconds, until the
//! other one comes. The signed time must be that of the subframe of the message, within the uncertainty of the clocks.

use std::collections::VecDeque;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::pointer::{self, Announced, PointedCode, Pointing};
use sidelink_security::discovery::signature::{Hint, SignedTime, SigningKey, VerifyingKey};
use sidelink_security::discovery::{Code, CodeFilter, Message, Refusal, Verified};

use super::chained::{Heard, unexpired};
use super::{AirTime, Announcer, AnnouncerKey, Finding, Subject, TimePolicy, more_telling};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::rng::Rng;

/// ProSe Layer-2 group ID of announcements on the SL-SCH: our own, for experiments.
pub const DISCOVERY_GROUP: Layer2Id = Layer2Id::from_octets([0xd1, 0x5c, 0x0e]);

/// Messages, and announcements, that wait for the other one.
const WAITING: usize = 64;

/// How long one waits for the other, milliseconds: many SC periods.
const PATIENCE_MILLIS: u64 = 2000;

/// Octets of an announcement, at most.
const MAX_ANNOUNCEMENT: usize = 256;

/// Signatures that are checked in one second, at most: about 10 ms of computation.
const CHECKS_PER_SECOND: u32 = 64;

impl Announcer {
    /// Announces a code, signed on the SL-SCH, until `valid_until`. Take the announcement after each message by
    /// [`Announcer::take_announcement`].
    pub const fn pointing(key: SigningKey, code: Code, valid_until: UtcCounter) -> Self {
        Self::of_key(AnnouncerKey::Pointer(PointerAnnouncer { key, code, announcement: None }), valid_until)
    }

    /// Returns the announcement for the SL-SCH that belongs to the last message, once.
    pub const fn take_announcement(&mut self) -> Option<Vec<u8>> {
        match self.key() {
            AnnouncerKey::Pointer(pointer) => pointer.announcement.take(),
            _ => None,
        }
    }
}

/// The announcer of a code that is signed on the SL-SCH.
pub struct PointerAnnouncer {
    key: SigningKey,
    code: Code,
    announcement: Option<Vec<u8>>,
}

impl PointerAnnouncer {
    pub(super) fn announce(&mut self, now: &AirTime, entropy: &mut (impl Rng + ?Sized)) -> Message {
        let mut nonce = [0; 32];
        for octets in nonce.chunks_mut(8) {
            octets.copy_from_slice(&entropy.next_u64().to_be_bytes());
        }
        let time = SignedTime::of(now.slot, now.frame.dfn, now.frame.subframe);
        let pointed = pointer::announce(&self.key, &self.code, time, nonce);
        self.announcement = Some(pointed.announcement);
        pointed.message
    }
}

struct Followed {
    filter: CodeFilter,
    key: VerifyingKey,
    hint: Hint,
    valid_until: UtcCounter,
}

/// The keys that a monitor follows, and what waits for its other half.
#[derive(Default)]
pub(super) struct Pointers {
    followed: Vec<Option<Followed>>,
    messages: VecDeque<(AirTime, Pointing)>,
    announcements: VecDeque<(UtcTime, Vec<u8>)>,
    /// The second in which signatures were checked last, and their number.
    checked: (u32, u32),
}

impl Pointers {
    pub(super) fn octets(&self) -> usize {
        let announcements = self.announcements.iter().map(|(_, octets)| octets.len()).sum::<usize>();
        let messages = self.messages.len() * size_of::<(AirTime, Pointing)>();
        self.followed.len() * size_of::<Followed>() + messages + announcements
    }

    pub(super) fn follow(&mut self, filter: CodeFilter, key: VerifyingKey, valid_until: UtcCounter) -> u32 {
        let hint = key.hint();
        self.followed.push(Some(Followed { filter, key, hint, valid_until }));
        self.followed.len() as u32 - 1
    }

    pub(super) fn unfollow(&mut self, index: u32) {
        if let Some(place) = self.followed.get_mut(index as usize) {
            *place = None;
        }
    }

    fn is_followed(&self, hint: Hint, code: &Code) -> Option<u32> {
        let wanted = |place: &Option<Followed>| {
            place.as_ref().is_some_and(|followed| followed.hint == hint && followed.filter.matches(code))
        };
        self.followed.iter().position(wanted).map(|index| index as u32)
    }

    /// Takes a message of the PSDCH.
    pub(super) fn receive(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message: &Message,
    ) -> Result<Heard, Refusal> {
        self.forget(now.slot);
        let pointing = Pointing::read(message).ok_or(Refusal::Type)?;
        let index = self.is_followed(pointing.hint, &pointing.code).ok_or(Refusal::Unknown)?;
        policy.freshness(now).rebuild(message[0], pointing.utc_lsb)?;
        if self.messages.iter().any(|(_, known)| *known == pointing) {
            return Err(Refusal::Replay);
        }
        for at in 0..self.announcements.len() {
            let octets = std::mem::take(&mut self.announcements[at].1);
            let result = self.judge(policy, now, &octets, &pointing);
            self.announcements[at].1 = octets;
            match result {
                Err(Refusal::Unknown) => {}
                Ok(found) => {
                    self.announcements.remove(at);
                    return Ok(found);
                }
                Err(other) => return Err(other),
            }
        }
        if self.messages.len() == WAITING {
            self.messages.pop_front();
        }
        self.messages.push_back((*now, pointing));
        Ok(Heard::Matched(Subject::Pointer(index)))
    }

    /// Takes an announcement of the SL-SCH; `None` when its message did not come yet.
    pub(super) fn receive_announcement(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        octets: &[u8],
    ) -> Result<Option<Heard>, Refusal> {
        self.forget(now.slot);
        let announced = Announced::read(octets).filter(|_| octets.len() <= MAX_ANNOUNCEMENT);
        let announced = announced.ok_or(Refusal::Type)?;
        self.is_followed(announced.hint, &announced.code).ok_or(Refusal::Unknown)?;
        let mut refusal = Refusal::Unknown;
        for at in 0..self.messages.len() {
            let (slot, pointing) = self.messages[at];
            match self.judge(policy, &slot, octets, &pointing) {
                Ok(found) => {
                    self.messages.remove(at);
                    return Ok(Some(found));
                }
                Err(other) => refusal = more_telling(refusal, other),
            }
        }
        if refusal != Refusal::Unknown {
            return Err(refusal);
        }
        if self.announcements.iter().any(|(_, known)| known == octets) {
            return Err(Refusal::Replay);
        }
        if self.announcements.len() == WAITING {
            self.announcements.pop_front();
        }
        self.announcements.push_back((now.slot, octets.to_vec()));
        Ok(None)
    }

    /// Checks an announcement with a message that was received in the slot of `slot`: [`Refusal::Unknown`] when they do
    /// not belong together.
    fn judge(
        &mut self,
        policy: &TimePolicy,
        slot: &AirTime,
        octets: &[u8],
        pointing: &Pointing,
    ) -> Result<Heard, Refusal> {
        let announced = Announced::read(octets).ok_or(Refusal::Type)?;
        if announced.pointer() != pointing.pointer || announced.code != pointing.code {
            return Err(Refusal::Unknown);
        }
        is_of_slot(policy, slot, announced.time)?;
        let mut refusal = Refusal::Unknown;
        for (index, place) in self.followed.iter().enumerate() {
            let Some(followed) = place else { continue };
            if followed.hint != pointing.hint || !followed.filter.matches(&pointing.code) {
                continue;
            }
            let second = slot.slot.counter().value();
            if self.checked.0 != second {
                self.checked = (second, 0);
            }
            if self.checked.1 >= CHECKS_PER_SECOND {
                return Err(Refusal::RateLimited);
            }
            self.checked.1 += 1;
            match announced.verify(&followed.key, pointing) {
                Ok(code) => {
                    unexpired(slot, followed.valid_until)?;
                    let who = Subject::Pointer(index as u32);
                    return Ok(Heard::Found(who, Finding::Pointer(code)));
                }
                Err(other) => refusal = more_telling(refusal, other),
            }
        }
        Err(refusal)
    }

    fn forget(&mut self, now: UtcTime) {
        let is_old = |since: UtcTime| since.plus_millis(PATIENCE_MILLIS) < now;
        self.messages.retain(|(since, _)| !is_old(since.slot));
        self.announcements.retain(|(since, _)| !is_old(*since));
    }
}

/// Checks that a signed time is that of a slot: [`Refusal::Replay`] when it is earlier, [`Refusal::Clock`] when it is later.
fn is_of_slot(policy: &TimePolicy, slot: &AirTime, signed: SignedTime) -> Result<(), Refusal> {
    const TURN: i64 = 10_240;
    let uncertainty = i64::try_from(policy.uncertainty_millis).unwrap_or(i64::MAX).min(TURN / 2);
    let count = i64::from(signed.dfn) * 10 + i64::from(signed.subframe);
    let ours = i64::from(slot.frame.count());
    // The nearest of the subframes with this DFN.
    let later = (count - ours + TURN / 2).rem_euclid(TURN) - TURN / 2;
    if later.abs() > uncertainty {
        return Err(if later < 0 { Refusal::Replay } else { Refusal::Clock });
    }
    // DFN comes again after 10.24 s: the counter says which one it is.
    let millis = |shift: i64| slot.slot.millis().saturating_add_signed(shift) / 1000;
    let counter = u64::from(signed.counter.value());
    if counter < millis(later - uncertainty) {
        return Err(Refusal::Replay);
    }
    if counter > millis(later + uncertainty) {
        return Err(Refusal::Clock);
    }
    Ok(())
}

/// The number by which later announcements of an identity are told from earlier ones.
pub(super) fn number(code: &Verified<PointedCode>) -> u64 {
    u64::from(code.time.counter.value())
}
