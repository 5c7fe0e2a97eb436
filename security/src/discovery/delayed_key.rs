//! Delayed key disclosure: a MIC whose key everybody learns later, when it is too late to forge with it. RFC 4082 §3.2 to
//! §3.6, for TR 33.833 §6.2.3 (option C).
//!
//! ```text
//! octet    0      1 .. 13     14 .. 17   18 .. 27          28
//!          0xCD   code        MIC        chain key i-d     LSB of i
//!          8      104         32         80                8 bits
//!
//! MIC = last 32 bits of KDF(K'i, "delayed MIC", P1 = octets 0 to 13 || octets 18 to 27, P2 = i)
//! K'i = KDF(Ki, "chain MAC", P1 = salt)            Ki = element i of a one-way chain
//! ```
//!
//! Ki is disclosed in slot i + d ([`Plan`] has the slots). A lost key is computed from any later one. In the first d slots
//! key 0 stands in the message: the anchor. The MICs of the last d slots are never disclosed: a chain is d slots longer than
//! its use.
//!
//! **The safe test** (RFC 4082 §3.5) comes before everything else: at receipt, at time t of our clock, which differs by at most D from the
//! announcer's, slot i + d must not have begun: t + D < start + (i + d - 1) T. A message that fails is not stored. So a forged
//! one is never accepted while D holds; a false D (a false clock, adversary A9) lets forgeries through: this protection fails openly
//! there.
//!
//! **The delay.** Three bounds, with D the largest difference of two clocks and T the length of a slot:
//!
//! - d >= ceil(D / T) + 1 ([`least_delay`]): a receiver whose clock agrees with the announcer's accepts every message. With
//!   fewer slots the clock is not good enough, and everything is refused ([`Refusal::ClockUncertain`]).
//! - d >= ceil(2 D / T) + 1 ([`lossless_delay`], RFC 4082 §3.6): every receiver accepts every message. Below that a receiver whose clock
//!   is ahead drops a part of the messages; it accepts no false ones, for each d.
//! - d = 1 never works.
//!
//! 80 bits of key and 32 of MIC are below the defaults of RFC 4383 §6: 232 bits have no room for more.

use std::collections::VecDeque;

use subtle::ConstantTimeEq;

use super::chain::{self, ChainSeed, Element, JUMP, Known, Plan, Traversal, Use};
use super::signature::{self, Purpose, Signature, SigningKey, VerifyingKey};
use super::{MESSAGE_OCTETS, Message, Mic, Refusal, Verified};
use crate::counter::UtcTime;
use crate::kdf::derive;
use crate::kdf::fc;

/// Message type of these messages: discovery type 11 is reserved, so that a standard receiver drops them.
pub const MESSAGE_TYPE: u8 = 0xCD;

/// A code of 104 bits.
pub type ShortCode = [u8; 13];

/// The most slots from a MIC to its key.
pub const MAX_DELAY: u16 = 1024;

/// The messages of one slot that are stored until their key comes. More than one are forged, but which is not known yet.
pub const CANDIDATES: usize = 4;

/// Returns the fewest slots of `period_millis` after which a key may be disclosed when two clocks differ by at most
/// `difference_millis`: ceil(D / T) + 1.
pub const fn least_delay(difference_millis: u64, period_millis: u64) -> u64 {
    difference_millis.div_ceil(period_millis) + 1
}

/// Returns the slots of `period_millis` after which a key may be disclosed without the loss of a message, when two clocks differ
/// by at most `difference_millis`: ceil(2 D / T) + 1. RFC 4082 §3.6.
pub const fn lossless_delay(difference_millis: u64, period_millis: u64) -> u64 {
    least_delay(2 * difference_millis, period_millis)
}

/// The public begin of a chain of keys. Whoever accepts one must have checked its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAnchor {
    /// Key 0.
    pub key: [u8; 10],
    /// Times, length and salt.
    pub plan: Plan,
    /// Slots from a MIC to its key, 2 to [`MAX_DELAY`].
    pub delay: u16,
}

impl KeyAnchor {
    /// Octets of [`Self::octets`].
    pub const OCTETS: usize = 10 + Plan::OCTETS + 2;

    /// Computes the anchor of a chain. Costs one computation for each element.
    pub fn of(plan: Plan, delay: u16, seed: &ChainSeed) -> Self {
        Self { key: chain::anchor(Use::Keys, &plan, seed), plan, delay }
    }

    /// Returns the octets that are signed: key 0, the plan, the delay.
    pub fn octets(&self) -> [u8; Self::OCTETS] {
        let mut out = [0; Self::OCTETS];
        out[..10].copy_from_slice(&self.key);
        out[10..32].copy_from_slice(&self.plan.octets());
        out[32..].copy_from_slice(&self.delay.to_be_bytes());
        out
    }

    /// Signs the anchor. `nonce` are fresh random octets.
    pub fn sign(&self, key: &SigningKey, nonce: [u8; 32]) -> Signature {
        key.sign(Purpose::DelayedKeyAnchor, &self.octets(), nonce)
    }

    /// Verifies the signature of the anchor.
    ///
    /// # Errors
    /// The owner of the key did not sign it.
    pub fn verify(self, key: &VerifyingKey, signature: &[u8]) -> Result<Verified<Self>, signature::Error> {
        key.verify(Purpose::DelayedKeyAnchor, &self.octets(), signature)?;
        Ok(Verified::new(self))
    }
}

/// The announcer's end of a chain of keys.
#[derive(Debug)]
pub struct KeyChain {
    plan: Plan,
    delay: u16,
    seed: ChainSeed,
    keys: Traversal<10>,
    /// The keys from that which is disclosed to that of the present slot.
    recent: VecDeque<Element<10>>,
    /// Index of the last slot of a message, 0 before.
    announced: u32,
}

impl KeyChain {
    /// Prepares the keys of `anchor` from the slot of `now` on, and those that are disclosed in it. Costs a computation for
    /// each key after them: call it off the sample path.
    pub fn new(anchor: &KeyAnchor, seed: &ChainSeed, now: UtcTime) -> Self {
        let KeyAnchor { plan, delay, .. } = *anchor;
        let at = plan.index(now).saturating_sub(1 + u64::from(delay));
        let (keys, first) = Traversal::from(Use::Keys, plan, seed, u32::try_from(at).unwrap_or(u32::MAX));
        let mut recent = VecDeque::with_capacity(usize::from(delay) + 2);
        recent.push_back(first);
        Self { plan, delay, seed: seed.clone(), keys, recent, announced: 0 }
    }

    /// Returns the elements that are kept, for measurements.
    pub const fn traversal(&self) -> &Traversal<10> {
        &self.keys
    }

    /// Returns times and length.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the message of a code in the slot of `time`. Costs about log2 n computations; where the time jumps, up to
    /// one for each key after it.
    ///
    /// Refused: [`Refusal::Clock`] before the chain's start or before a slot that was announced, [`Refusal::Expired`]
    /// after its end.
    pub fn announce(&mut self, time: UtcTime, code: &ShortCode) -> Result<Message, Refusal> {
        let index = self.plan.element(time)?;
        let oldest = index.saturating_sub(u32::from(self.delay));
        if index < self.announced {
            return Err(Refusal::Clock);
        }
        let (first, last) = (self.recent.front(), self.recent.back());
        let is_behind = first.is_none_or(|key| key.index > oldest);
        if is_behind || last.is_none_or(|key| key.index < index && index - key.index > JUMP) {
            let (keys, first) = Traversal::from(Use::Keys, self.plan, &self.seed, oldest);
            self.keys = keys;
            self.recent.clear();
            self.recent.push_back(first);
        }
        while self.recent.back().is_some_and(|key| key.index < index) {
            self.recent.push_back(self.keys.next().ok_or(Refusal::Expired)?);
            if self.recent.front().is_some_and(|key| key.index < oldest) {
                self.recent.pop_front();
            }
        }
        let find = |index| self.recent.iter().find(|key| key.index == index).ok_or(Refusal::Clock);
        let (key, disclosed) = (find(index)?, find(oldest)?);
        self.announced = index;
        let mut message = [0; MESSAGE_OCTETS];
        message[0] = MESSAGE_TYPE;
        message[1..14].copy_from_slice(code);
        message[18..28].copy_from_slice(&disclosed.value);
        message[28] = index as u8;
        let mic = mic(&self.plan, key, &message);
        message[14..18].copy_from_slice(&mic.0);
        Ok(message)
    }
}

fn mic(plan: &Plan, key: &Element<10>, message: &Message) -> Mic {
    let mac_key = derive(&key.value, fc::OWN_CHAIN_MAC, &[&plan.salt()]);
    let mut covered = [0; 24];
    covered[..14].copy_from_slice(&message[..14]);
    covered[14..].copy_from_slice(&message[18..28]);
    let [.., a, b, c, d] = *derive(&*mac_key, fc::OWN_DELAYED_MIC, &[&covered, &key.index.to_be_bytes()]);
    Mic([a, b, c, d])
}

/// A code whose MIC was proven, after its key came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayedCode {
    /// The slot of its MIC.
    pub index: u32,
    /// The code.
    pub code: ShortCode,
}

/// A stored message.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    message: Message,
}

/// The stored messages of a slot.
#[derive(Clone, Debug)]
struct Slot {
    index: u32,
    candidates: Vec<Candidate>,
    /// Different messages that came, stored or not.
    seen: u32,
}

/// The monitor's end of a chain of keys: verifies keys, and stores messages until their key comes.
#[derive(Clone, Debug)]
pub struct KeyChainFollower {
    known: Known<10>,
    delay: u16,
    slots: VecDeque<Slot>,
    random: u64,
    dropped: u64,
}

/// What came of a received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The message itself: stored until its key comes, or the reason why it was not.
    pub stored: Result<u32, Refusal>,
    /// Earlier messages that its key proves.
    pub proven: Vec<Verified<DelayedCode>>,
    /// Stored messages that its key shows to be forged.
    pub forged: u32,
}

impl KeyChainFollower {
    /// Returns the octets of memory that it takes, stored messages included.
    pub fn octets(&self) -> usize {
        let stored = |slot: &Slot| size_of::<Slot>() + slot.candidates.len() * size_of::<Candidate>();
        size_of::<Self>() + self.slots.iter().map(stored).sum::<usize>()
    }

    /// Follows a chain whose anchor was proven. `random` decides which of many messages for one slot are stored; an
    /// attacker must not know it.
    pub fn new(anchor: Verified<KeyAnchor>, random: u64) -> Self {
        let KeyAnchor { key, plan, delay } = anchor.into_inner();
        let known = Known::new(Use::Keys, plan, key);
        Self { known, delay, slots: VecDeque::with_capacity(usize::from(delay) + 2), random, dropped: 0 }
    }

    /// Returns the number of stored messages: at most [`CANDIDATES`] for each of d + 2 slots.
    pub fn stored(&self) -> usize {
        self.slots.iter().map(|slot| slot.candidates.len()).sum()
    }

    /// Returns the number of messages for which there was no place.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns the number of one-way functions of the chain that were computed so far.
    pub const fn hashes(&self) -> u64 {
        self.known.hashes()
    }

    /// Whether our clock, which differs by at most `difference_millis` from the announcer's, is good enough.
    ///
    /// Refused: [`Refusal::ClockUncertain`].
    pub const fn check_clock(&self, difference_millis: u64) -> Result<(), Refusal> {
        let period = self.known.plan().period().millis();
        if least_delay(difference_millis, period) <= self.delay as u64 {
            Ok(())
        } else {
            Err(Refusal::ClockUncertain)
        }
    }

    /// Takes a message that was received at `time`, the begin of its subframe, when the two clocks differ by at most
    /// `difference_millis`: the safe test, then the disclosed key and what it proves, then the message is stored.
    ///
    /// Refused: [`Refusal::ClockUncertain`] as [`Self::check_clock`] says, [`Refusal::KeyDisclosed`] for a message that fails the safe
    /// test, [`Refusal::Clock`] for one of a slot that has not come, [`Refusal::Expired`] after the chain's end,
    /// [`Refusal::BadMic`] when the disclosed key is false, [`Refusal::TooManyMissed`] when too many keys were missed,
    /// [`Refusal::RateLimited`] when there is no place, [`Refusal::Replay`] for a copy.
    pub fn receive(&mut self, time: UtcTime, difference_millis: u64, message: &Message) -> Received {
        let (mut proven, mut forged) = (Vec::new(), 0);
        let stored = self.take(time, difference_millis, message, &mut proven, &mut forged);
        Received { stored, proven, forged }
    }

    fn take(
        &mut self,
        time: UtcTime,
        difference_millis: u64,
        message: &Message,
        proven: &mut Vec<Verified<DelayedCode>>,
        forged: &mut u32,
    ) -> Result<u32, Refusal> {
        if message[0] != MESSAGE_TYPE {
            return Err(Refusal::Type);
        }
        self.check_clock(difference_millis)?;
        let plan = *self.known.plan();
        let present = plan.index(time);
        let index = Plan::nearest(present, message[28]);
        // RFC 4082 §3.5: the latest that the announcer's clock may show now is before the disclosure.
        let latest = time.plus_millis(difference_millis);
        let is_safe = latest < plan.slot(index.saturating_add(u64::from(self.delay)));
        if index == 0 || index > u64::from(plan.length()) {
            return Err(if index == 0 { Refusal::Clock } else { Refusal::Expired });
        }
        let index = index as u32;
        let mut disclosed = [0; 10];
        disclosed.copy_from_slice(&message[18..28]);
        let disclosed = Element { index: index.saturating_sub(u32::from(self.delay)), value: disclosed };
        // A true key serves, whatever becomes of the message that brings it.
        self.known.check(present, disclosed)?;
        if u64::from(index) > plan.index(latest) {
            return Err(Refusal::Clock);
        }
        if disclosed.index > self.known.element().index {
            self.known.learn(disclosed);
            self.open(proven, forged);
        }
        if !is_safe || index <= self.known.element().index {
            return Err(Refusal::KeyDisclosed);
        }
        self.store(index, message)
    }

    /// Checks the stored messages whose key is known now.
    fn open(&mut self, proven: &mut Vec<Verified<DelayedCode>>, forged: &mut u32) {
        let plan = *self.known.plan();
        let mut key = self.known.element();
        let known = self.slots.partition_point(|slot| slot.index <= key.index);
        let opened: Vec<Slot> = self.slots.drain(..known).collect();
        let before = proven.len();
        // From the latest slot back: each key is computed once.
        for slot in opened.iter().rev() {
            key = self.known.earlier(key, slot.index);
            for Candidate { message } in &slot.candidates {
                let right: bool = mic(&plan, &key, message).0.ct_eq(&message[14..18]).into();
                if right {
                    let mut code = [0; 13];
                    code.copy_from_slice(&message[1..14]);
                    proven.push(Verified::new(DelayedCode { index: slot.index, code }));
                } else {
                    *forged += 1;
                }
            }
        }
        proven[before..].reverse();
    }

    /// Stores a message. Of more than [`CANDIDATES`] for one slot each has the same chance to be kept, whenever it came
    /// (reservoir sampling): a flood of n messages leaves the true one with a chance of [`CANDIDATES`] / n.
    fn store(&mut self, index: u32, message: &Message) -> Result<u32, Refusal> {
        let at = self.slots.partition_point(|slot| slot.index < index);
        if self.slots.get(at).is_none_or(|slot| slot.index != index) {
            // Slots that pass the safe test and whose key is unknown are at most d + 1, unless keys were lost.
            if self.slots.len() > usize::from(self.delay) + 1 {
                if at == 0 {
                    self.dropped += 1;
                    return Err(Refusal::RateLimited);
                }
                self.slots.pop_front();
                self.dropped += 1;
                return self.store(index, message);
            }
            self.slots.insert(at, Slot { index, candidates: Vec::with_capacity(1), seen: 0 });
        }
        let slot = &mut self.slots[at];
        if slot.candidates.iter().any(|known| known.message == *message) {
            return Err(Refusal::Replay);
        }
        slot.seen = slot.seen.saturating_add(1);
        if slot.candidates.len() < CANDIDATES {
            slot.candidates.push(Candidate { message: *message });
            return Ok(index);
        }
        self.dropped += 1;
        let drawn = splitmix(&mut self.random) % u64::from(slot.seen);
        match slot.candidates.get_mut(drawn as usize) {
            Some(place) => {
                *place = Candidate { message: *message };
                Ok(index)
            }
            None => Err(Refusal::RateLimited),
        }
    }
}

/// A fast generator that is good enough to share places out (S. Vigna's SplitMix64).
const fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
