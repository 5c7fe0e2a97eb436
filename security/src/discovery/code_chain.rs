//! A signed chain of codes: each code proves itself, at no cost in bits. Our own, for TR 33.833 §6.2.3 (option D).
//!
//! ```text
//! octet    0      1 .. 23     24 .. 27   28
//!          0xD1   code i      hint       LSB of i
//!          8      184         32         8 bits
//! ```
//!
//! Code i is element i of a one-way chain ([`chain`](super::chain)) and belongs to slot i. The anchor (code 0, start,
//! period, length and salt: 45 octets) is signed and comes ahead, by the key store, over PC3 or a link. A monitor that
//! missed m codes computes m one-way functions. The hint names the chain; it is public and no protection.
//!
//! A copy in a later slot falls out by its index. A copy in the same slot at another place is accepted, as with every
//! protection that only knows the time. The announced codes are fixed in advance: there is no room for live data.
//!
//! The position in the chain follows from the time alone, and nothing about it is durable: in one slot there is one
//! code, before a crash and after it, and it is no secret any more once it was on the air. Harm comes from a clock that
//! is ahead: a code that is announced before its slot is everybody's until then. Two rules limit that. The clock guard
//! ([`clock_guard`](crate::counter::clock_guard)) keeps the latest time durable and refuses a clock that went back, and
//! announcing needs an air clock within MAX_OFFSET of the ProSe clock.

use subtle::ConstantTimeEq;

use super::chain::{self, ChainSeed, Element, Known, Plan, Traversal, Use};
use super::signature::{self, Purpose, Signature, SigningKey, VerifyingKey};
use super::{Code, MESSAGE_OCTETS, Message, Refusal, Verified};
use crate::counter::UtcTime;
use crate::kdf::derive;
use crate::kdf::fc;

/// Message type of these messages: discovery type 11 is reserved, so that a standard receiver drops them.
pub const MESSAGE_TYPE: u8 = 0xD1;

/// The public begin of a chain of codes. Whoever accepts one must have checked its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeAnchor {
    /// Code 0.
    pub code: Code,
    /// Times, length and salt.
    pub plan: Plan,
}

impl CodeAnchor {
    /// Octets of [`Self::octets`].
    pub const OCTETS: usize = 23 + Plan::OCTETS;

    /// Computes the anchor of a chain. Costs one computation for each element.
    pub fn of(plan: Plan, seed: &ChainSeed) -> Self {
        Self { code: chain::anchor(Use::Codes, &plan, seed), plan }
    }

    /// Returns the octets that are signed: code 0, then the plan.
    pub fn octets(&self) -> [u8; Self::OCTETS] {
        let mut out = [0; Self::OCTETS];
        out[..23].copy_from_slice(&self.code);
        out[23..].copy_from_slice(&self.plan.octets());
        out
    }

    /// Signs the anchor. `nonce` are fresh random octets.
    pub fn sign(&self, key: &SigningKey, nonce: [u8; 32]) -> Signature {
        key.sign(Purpose::CodeChainAnchor, &self.octets(), nonce)
    }

    /// Verifies the signature of the anchor.
    ///
    /// # Errors
    /// The owner of the key did not sign it.
    pub fn verify(self, key: &VerifyingKey, signature: &[u8]) -> Result<Verified<Self>, signature::Error> {
        key.verify(Purpose::CodeChainAnchor, &self.octets(), signature)?;
        Ok(Verified::new(self))
    }

    /// Returns the name of the chain that its messages carry.
    pub fn hint(&self) -> [u8; 4] {
        let [.., a, b, c, d] = *derive(&[], fc::OWN_CODE_HINT, &[&self.octets()]);
        [a, b, c, d]
    }
}

/// The announcer's end of a chain of codes.
#[derive(Debug)]
pub struct CodeChain {
    plan: Plan,
    hint: [u8; 4],
    seed: ChainSeed,
    codes: Traversal<23>,
    current: Element<23>,
    /// Index of the last code that was announced, 0 before.
    announced: u32,
}

impl CodeChain {
    /// Prepares the codes of `anchor` from the slot of `now` on. Costs a computation for each code after it: call it off
    /// the sample path.
    pub fn new(anchor: &CodeAnchor, seed: &ChainSeed, now: UtcTime) -> Self {
        let plan = anchor.plan;
        let at = u32::try_from(plan.index(now).saturating_sub(1)).unwrap_or(u32::MAX);
        let (codes, current) = Traversal::from(Use::Codes, plan, seed, at);
        Self { plan, hint: anchor.hint(), seed: seed.clone(), codes, current, announced: 0 }
    }

    /// Returns times and length.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the elements that are kept, for measurements.
    pub const fn traversal(&self) -> &Traversal<23> {
        &self.codes
    }

    /// Returns the message of the slot of `time`: the same one within a slot. Costs about log2 n computations; where the
    /// time jumps, up to one for each code after it.
    ///
    /// Refused: [`Refusal::Clock`] before the chain's start or before a slot that was announced, [`Refusal::Expired`]
    /// after its end.
    pub fn announce(&mut self, time: UtcTime) -> Result<Message, Refusal> {
        let index = self.plan.element(time)?;
        if index < self.announced {
            return Err(Refusal::Clock);
        }
        if index < self.current.index || index - self.current.index > chain::JUMP {
            let before = index.saturating_sub(1);
            (self.codes, self.current) = Traversal::from(Use::Codes, self.plan, &self.seed, before);
        }
        if index > self.current.index {
            self.current = self.codes.advance(index).ok_or(Refusal::Expired)?;
        }
        self.announced = index;
        Ok(message(&self.current, self.hint))
    }
}

/// The monitor's end of a chain of codes.
#[derive(Clone, Debug)]
pub struct CodeChainFollower {
    known: Known<23>,
    hint: [u8; 4],
}

/// A code that was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainCode {
    /// Its index.
    pub index: u32,
    /// The code.
    pub code: Code,
}

impl CodeChainFollower {
    /// Follows a chain whose anchor was proven.
    pub fn new(anchor: Verified<CodeAnchor>) -> Self {
        let anchor = anchor.into_inner();
        Self { hint: anchor.hint(), known: Known::new(Use::Codes, anchor.plan, anchor.code) }
    }

    /// Returns the name of the chain.
    pub const fn hint(&self) -> [u8; 4] {
        self.hint
    }

    /// Returns the number of one-way functions that were computed so far.
    pub const fn hashes(&self) -> u64 {
        self.known.hashes()
    }

    /// Checks a message that was received in the slot that began at `time`, when the two clocks differ by at most
    /// `uncertainty_millis`.
    ///
    /// Refused: [`Refusal::Unknown`] for a message of another chain, [`Refusal::BadMic`] for a false code,
    /// [`Refusal::Replay`] for a code whose slot is over, [`Refusal::Clock`] for one whose slot has not come,
    /// [`Refusal::TooManyMissed`] when more codes were missed than may be computed, [`Refusal::Expired`] after the end.
    pub fn verify(
        &mut self,
        time: UtcTime,
        uncertainty_millis: u64,
        message: &Message,
    ) -> Result<Verified<ChainCode>, Refusal> {
        if message[0] != MESSAGE_TYPE || !bool::from(self.hint.ct_eq(&message[24..28])) {
            return Err(Refusal::Unknown);
        }
        let plan = *self.known.plan();
        let first = plan.index(time.minus_millis(uncertainty_millis));
        let last = plan.index(time.plus_millis(uncertainty_millis));
        let present = plan.index(time);
        let index = match Plan::nearest(last, message[28]) {
            0 => return Err(Refusal::Replay),
            index if index > u64::from(plan.length()) => return Err(Refusal::Expired),
            index => index,
        };
        let mut code = [0; 23];
        code.copy_from_slice(&message[1..24]);
        let element = Element { index: index as u32, value: code };
        self.known.check(present, element)?;
        if index > last {
            return Err(Refusal::Clock);
        }
        // A code that is older than a known one can be computed by everybody who heard the later one.
        let is_late = index < first || element.index < self.known.element().index;
        self.known.learn(element);
        if is_late {
            Err(Refusal::Replay)
        } else {
            Ok(Verified::new(ChainCode { index: element.index, code }))
        }
    }
}

fn message(element: &Element<23>, hint: [u8; 4]) -> Message {
    let mut message = [0; MESSAGE_OCTETS];
    message[0] = MESSAGE_TYPE;
    message[1..24].copy_from_slice(&element.value);
    message[24..28].copy_from_slice(&hint);
    message[28] = element.index as u8;
    message
}

#[cfg(test)]
mod tests;
