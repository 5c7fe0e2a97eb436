//! Protection of the 232-bit PC5_DISCOVERY message, on its 29 octets. TS 33.303 §6.1.3; TR 33.833 §6.2.
//!
//! ```text
//! octet    0      1 .. 23             24 .. 27   28
//!          type   code or content     MIC        UTC-based counter LSB      TS 24.334 §11.2.5
//!          8      184                 32         8 bits; open: 0000, 4 bits
//! ```
//!
//! | protection | module | secret | bits spent | replay |
//! |---|---|---|---|---|
//! | open: MIC, checked by the network | [`open`] | Discovery Key | 40 | MAX_OFFSET |
//! | restricted: MIC, mask, scrambling | [`restricted`] | DUIK, DUCK, DUSK | 40 | MAX_OFFSET, or strict |
//! | public safety: the same, from PSDK | [`public_safety`] | PSDK | 40 | as restricted |
//! | rotating id, nonce sent or time known | [`ota`] | ProSe ID, Application Key | code and nonce | one rotation period |
//! | signed, in several blocks | [`signature`] | private key of the announcer | 64 to 129 octets | signed time |
//! | request and response | [`request_response`] | pre-shared secret | 40 | cache, and binding |
//! | MIC, its key disclosed later | [`delayed_key`] | of the announcer alone | 120 | one slot, and safe clocks |
//! | signed chain of codes | [`code_chain`] | of the announcer alone | 40 | one slot |
//! | pointer to a signature on SL-SCH | [`pointer`] | of the announcer alone | 40 | the subframe |
//!
//! A successful check returns a [`Verified`] value, which only this crate can make, a failed one a [`Refusal`]. A check
//! computes everything before it decides: the reason of a refusal is visible in the result, not in the time that it
//! took. [`matching`] follows up to a million codes at once, at the cost of one look-up per frame.
//!
//! No function panics whatever the 29 octets hold.

pub mod book;
pub mod chain;
pub mod code_chain;
pub mod delayed_key;
pub mod matching;
pub mod open;
pub mod ota;
pub mod pointer;
pub mod public_safety;
pub mod request_response;
pub mod restricted;
pub mod rotation;
pub mod signature;

use std::fmt;
use std::ops::{Deref, Range};

use subtle::ConstantTimeEq;

use crate::counter::{LsbWidth, UtcCounter};

/// Octets of a PC5_DISCOVERY message: the 232 bits of an SL-DCH transport block.
pub const MESSAGE_OCTETS: usize = 29;

/// A PC5_DISCOVERY message.
pub type Message = [u8; MESSAGE_OCTETS];

/// Code or content: 184 bits.
pub type Code = [u8; 23];

/// Message integrity check, 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct Mic(pub [u8; 4]);

impl PartialEq for Mic {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Mic {}

/// Position of the counter's LSB, which decides which octets scrambling leaves out: message type and LSB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// The LTE message: LSB in the last octet, octets 1 to 27 protected.
    #[default]
    LsbLast,
    /// LSB right after the message type, as the formula of TS 33.503 §6.1.3.2.3 demands; octets 2 to 28 protected.
    LsbSecond,
}

impl Layout {
    /// Returns the octets of code and MIC.
    pub const fn protected(self) -> Range<usize> {
        match self {
            Self::LsbLast => 1..28,
            Self::LsbSecond => 2..29,
        }
    }

    /// Returns the octet of the counter's LSB.
    pub const fn lsb(self) -> usize {
        match self {
            Self::LsbLast => 28,
            Self::LsbSecond => 1,
        }
    }
}

/// Time for which one scrambling sequence of a DUSK is valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scrambling {
    /// 16 seconds: the 4 least significant bits of the counter count as zero. TS 33.303 §6.1.3.4.3.5. The XOR of two
    /// messages in this time is that of the messages before scrambling: an outsider sees which ones have the same code.
    #[default]
    SixteenSeconds,
    /// Our own: one second. Messages of one code in different seconds have nothing in common.
    OneSecond,
}

impl Scrambling {
    /// Returns the counter for the sequence.
    pub(crate) const fn counter(self, counter: UtcCounter) -> UtcCounter {
        match self {
            Self::SixteenSeconds => counter.for_scrambling(),
            Self::OneSecond => counter,
        }
    }
}

/// Layout and protection of messages; the default is the LTE standard. Other values are for the layout of 5G, for a
/// protection of our own, and to measure the cost of fewer bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Position of the counter's LSB.
    pub layout: Layout,
    /// Time for which one scrambling sequence is valid.
    pub scrambling: Scrambling,
    /// Number of bits of the MIC that are computed, 1 to 32 (other values count as the nearest); the rest, at the
    /// front, is zero. The standard has 32: fewer only show how forgery scales.
    pub mic_bits: u8,
}

impl Default for Profile {
    fn default() -> Self {
        Self { layout: Layout::LsbLast, scrambling: Scrambling::SixteenSeconds, mic_bits: 32 }
    }
}

impl Profile {
    /// Returns the 32 least significant bits of a KDF output, with only `mic_bits` of them kept.
    // TS 33.303 §A.2 (2)
    pub(crate) fn mic(&self, derived: &[u8; 32]) -> Mic {
        let [.., a, b, c, d] = *derived;
        let mask = u32::MAX >> (32 - u32::from(self.mic_bits.clamp(1, 32)));
        Mic((u32::from_be_bytes([a, b, c, d]) & mask).to_be_bytes())
    }
}

/// The times for a check of a frame: its reception by our own air clock, and the ProSe clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// UTC-based counter of the slot that carried the frame, by our own air clock.
    pub slot: UtcCounter,
    /// The ProSe clock: CURRENT_TIME of the ProSe Function, advanced since then.
    pub clock: UtcCounter,
    /// MAX_OFFSET, in seconds, 1 to 32 (TS 24.334 §12.2.2.24). TS 36.508 §4.7F.1 tests with 32.
    pub max_offset: u32,
    /// Our own strict mode: also refuses a counter further than this many seconds from `slot`.
    pub strict: Option<u32>,
}

impl Freshness {
    /// MAX_OFFSET of the conformance tests, in seconds. TS 36.508 §4.7F.1.
    pub const MAX_OFFSET: u32 = 32;

    /// Makes times at which slot and ProSe clock agree, with [`Self::MAX_OFFSET`] and without strict mode.
    pub const fn at(now: UtcCounter) -> Self {
        Self { slot: now, clock: now, max_offset: Self::MAX_OFFSET, strict: None }
    }

    /// Checks whether a message may be announced or received in this slot: the slot's counter must be within MAX_OFFSET
    /// of the ProSe clock. TS 33.303 §6.1.3.3.1, steps 5 and 10.
    // TS 33.303 §6.1.3.3.1 step 5 (1)
    pub const fn may_announce(&self) -> Result<(), Refusal> {
        if self.slot.distance(self.clock) <= self.max_offset {
            Ok(())
        } else {
            Err(Refusal::OutsideMaxOffset)
        }
    }

    /// Returns the whole counter of a received message of this type: the value nearest to the slot's counter with the
    /// received LSB. TS 33.303 §6.1.3.3.1, step 11.
    /// TS 33.303 §6.1.3.3.1, step 11.
    ///
    /// Neither it nor the slot's own counter may be further than MAX_OFFSET from the ProSe clock: no message is
    /// received then, and no older one accepted. (With eight bits the nearest value may be 128 s away, with four it is
    /// 8 s.)
    // TS 33.303 §6.1.3.3.1 step 10; TS 33.303 §6.1.3.4.2.1 step 12
    pub fn rebuild(&self, message_type: u8, lsb: u8) -> Result<UtcCounter, Refusal> {
        self.may_announce()?;
        let counter = self.slot.rebuild(lsb, LsbWidth::of(message_type));
        if counter.distance(self.clock) > self.max_offset {
            return Err(Refusal::OutsideMaxOffset);
        }
        match self.strict {
            Some(limit) if counter.distance(self.slot) > limit => {
                Err(if counter < self.slot { Refusal::Replay } else { Refusal::Clock })
            }
            _ => Ok(counter),
        }
    }
}

/// Reason why a message is refused. The fault of the peer, of an attacker or of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// No followed code or key fits: a message for others, or random bits.
    Unknown,
    /// The code fits a filter but the MIC is wrong: forged, damaged, or made under another key.
    BadMic,
    /// Authentic, but its time is over or it was received before.
    Replay,
    /// The counter lies further than MAX_OFFSET from the ProSe clock.
    OutsideMaxOffset,
    /// Authentic, but its time has not come: one of the clocks is wrong.
    Clock,
    /// The validity of the key or code is over.
    Expired,
    /// The sender is known but not authorised for this.
    NotAuthorised,
    /// The message type does not belong to this protection.
    Type,
    /// More answers than the rate allows, or more messages at once than can be remembered.
    RateLimited,
    /// The key of its MIC may be known already: it came too late for that, and anybody can have made it.
    KeyDisclosed,
    /// The own clock is not good enough for keys that are disclosed so soon.
    ClockUncertain,
    /// More elements of a chain were missed than may be computed: a newer anchor is needed.
    TooManyMissed,
    /// The signature of its transport block is wrong.
    BadSignature,
}

impl Refusal {
    /// Returns the word for reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::BadMic => "bad_mic",
            Self::Replay => "replay",
            Self::OutsideMaxOffset => "outside_max_offset",
            Self::Clock => "clock",
            Self::Expired => "expired",
            Self::NotAuthorised => "not_authorised",
            Self::Type => "type",
            Self::RateLimited => "rate_limited",
            Self::KeyDisclosed => "key_disclosed",
            Self::ClockUncertain => "clock_uncertain",
            Self::TooManyMissed => "too_many_missed",
            Self::BadSignature => "bad_signature",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no followed code or key fits",
            Self::BadMic => "the code fits but its MIC is wrong",
            Self::Replay => "authentic, but of a time that is over or already taken",
            Self::OutsideMaxOffset => "the counter lies further than MAX_OFFSET from the ProSe clock",
            Self::Clock => "authentic, but of a time that has not come: a clock is wrong",
            Self::Expired => "the validity of key or code is over",
            Self::NotAuthorised => "the sender is not authorised for this",
            Self::Type => "the message type is not one of this protection",
            Self::RateLimited => "more came at once than there is time or memory for",
            Self::KeyDisclosed => "too late: the key of its MIC may be known to everybody",
            Self::ClockUncertain => "the own clock is not good enough for keys that are disclosed so soon",
            Self::TooManyMissed => {
                "more of its chain was missed than may be computed: a newer anchor is needed"
            }
            Self::BadSignature => "the signature of its transport block is wrong",
        })
    }
}

impl std::error::Error for Refusal {}

/// The proof that `T` was verified: only the checks of this crate make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value without its proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Content of a discovery message, descrambled and deciphered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Octet 0: discovery type, content type, model. TS 24.334 §11.2.5.
    pub message_type: u8,
    /// Code or content.
    pub code: Code,
    /// The received MIC.
    pub mic: Mic,
    /// The whole UTC-based counter.
    pub counter: UtcCounter,
}

/// A discovery filter: the bits under the mask must be equal. TS 24.334 §12.2.2 ("discovery filter").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// TS 24.334 §12.2.2.12
pub struct CodeFilter {
    /// The required bits.
    pub code: Code,
    /// 1 where a bit is compared.
    pub mask: Code,
}

impl CodeFilter {
    /// Makes a filter that compares every bit.
    pub const fn exact(code: Code) -> Self {
        Self { code, mask: [0xff; 23] }
    }

    /// Compares in constant time.
    pub fn matches(&self, code: &Code) -> bool {
        let mut difference = 0;
        for i in 0..23 {
            difference |= (self.code[i] ^ code[i]) & self.mask[i];
        }
        difference.ct_eq(&0).into()
    }
}

/// Splits a message into its type, code, MIC and LSB octet.
pub(crate) fn split(message: &Message, layout: Layout) -> (u8, Code, Mic, u8) {
    let start = layout.protected().start;
    let (mut code, mut mic) = ([0; 23], [0; 4]);
    code.copy_from_slice(&message[start..start + 23]);
    mic.copy_from_slice(&message[start + 23..start + 27]);
    (message[0], code, Mic(mic), message[layout.lsb()])
}

// TS 33.303 §6.1.3.4.2.1 step 11 (2)
pub(crate) fn join(message_type: u8, code: &Code, mic: Mic, counter: UtcCounter, layout: Layout) -> Message {
    let mut message = [0; MESSAGE_OCTETS];
    let start = layout.protected().start;
    message[0] = message_type;
    message[start..start + 23].copy_from_slice(code);
    message[start + 23..start + 27].copy_from_slice(&mic.0);
    message[layout.lsb()] = counter.lsb(LsbWidth::of(message_type));
    message
}

#[cfg(test)]
mod tests;
