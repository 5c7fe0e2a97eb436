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
//! | request and response | [`request_response`] | pre-shared secret | 40 | cache, and binding |
//!
//! Receiving gives a [`Verified`] value, which nothing outside this module can make, or a [`Refusal`]. A check
//! computes everything before it decides: what was wrong shows in the answer, not in the time it took.
//! [`matching`] follows up to a million codes at once, at the cost of one look-up per frame.
//!
//! No function panics whatever the 29 octets hold.

pub mod book;
pub mod matching;
pub mod open;
pub mod ota;
pub mod public_safety;
pub mod request_response;
pub mod restricted;
pub mod rotation;

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
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Mic {}

/// Where the counter's LSB stands, which decides what scrambling leaves out: message type and LSB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// The LTE message: LSB in the last octet, octets 1 to 27 protected.
    #[default]
    LsbLast,
    /// LSB right after the message type, as the formula of TS 33.503 §6.1.3.2.3 needs it; octets 2 to 28 protected.
    LsbSecond,
}

impl Layout {
    /// The octets of code and MIC.
    pub const fn protected(self) -> Range<usize> {
        match self {
            Self::LsbLast => 1..28,
            Self::LsbSecond => 2..29,
        }
    }

    /// The octet of the counter's LSB.
    pub const fn lsb(self) -> usize {
        match self {
            Self::LsbLast => 28,
            Self::LsbSecond => 1,
        }
    }
}

/// How long one scrambling sequence of a DUSK lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scrambling {
    /// 16 seconds: the 4 least significant bits of the counter count as zero. TS 33.303 §6.1.3.4.3.5. The XOR of two
    /// messages within is that of the messages before scrambling: an outsider sees which ones have the same code.
    #[default]
    SixteenSeconds,
    /// Our own: one second. Of one code, messages of other seconds have nothing in common.
    OneSecond,
}

impl Scrambling {
    /// What of the counter goes into the sequence.
    pub(crate) const fn counter(self, counter: UtcCounter) -> UtcCounter {
        match self {
            Self::SixteenSeconds => counter.for_scrambling(),
            Self::OneSecond => counter,
        }
    }
}

/// How messages are laid out and protected, where the default is the standard of LTE: for the layout of 5G, for a
/// protection of our own, and to measure what fewer bits cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Position of the counter's LSB.
    pub layout: Layout,
    /// How long one scrambling sequence lasts.
    pub scrambling: Scrambling,
    /// How many of the 32 bits of the MIC are computed, 1 to 32 (others count as the nearest); the rest, in front, is
    /// zero. The standard has 32: fewer only show how forging scales.
    pub mic_bits: u8,
}

impl Default for Profile {
    fn default() -> Self {
        Self { layout: Layout::LsbLast, scrambling: Scrambling::SixteenSeconds, mic_bits: 32 }
    }
}

impl Profile {
    /// The 32 least significant bits of a KDF output, of which `mic_bits` stay.
    // TS 33.303 §A.2 (2)
    pub(crate) fn mic(&self, derived: &[u8; 32]) -> Mic {
        let [.., a, b, c, d] = *derived;
        let mask = u32::MAX >> (32 - u32::from(self.mic_bits.clamp(1, 32)));
        Mic((u32::from_be_bytes([a, b, c, d]) & mask).to_be_bytes())
    }
}

/// What time it is for a frame: when it was received by our own air clock, and what the ProSe clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// UTC-based counter of the slot that carried the frame, by our own air clock.
    pub slot: UtcCounter,
    /// The ProSe clock: CURRENT_TIME of the ProSe Function, advanced since.
    pub clock: UtcCounter,
    /// MAX_OFFSET, in seconds, 1 to 32 (TS 24.334 §12.2.2.24). TS 36.508 §4.7F.1 tests with 32.
    pub max_offset: u32,
    /// Our own strict mode: also refuse a counter further than this many seconds from `slot`.
    pub strict: Option<u32>,
}

impl Freshness {
    /// MAX_OFFSET of the conformance tests, in seconds. TS 36.508 §4.7F.1.
    pub const MAX_OFFSET: u32 = 32;

    /// Slot and ProSe clock agree, MAX_OFFSET is [`Self::MAX_OFFSET`], not strict.
    pub const fn at(now: UtcCounter) -> Self {
        Self { slot: now, clock: now, max_offset: Self::MAX_OFFSET, strict: None }
    }

    /// May a message be announced in this slot, or listened for? While the slot's counter is within MAX_OFFSET of the
    /// ProSe clock. TS 33.303 §6.1.3.3.1, steps 5 and 10.
    // TS 33.303 §6.1.3.3.1 step 5 (1)
    pub const fn may_announce(&self) -> Result<(), Refusal> {
        if self.slot.distance(self.clock) <= self.max_offset {
            Ok(())
        } else {
            Err(Refusal::OutsideMaxOffset)
        }
    }

    /// The whole counter of a received message of this type: the value nearest to the slot's whose LSB were received.
    /// TS 33.303 §6.1.3.3.1, step 11.
    ///
    /// Neither it nor the slot's own may be further than MAX_OFFSET from the ProSe clock: nothing is listened for then,
    /// and nothing older believed. (With eight bits the nearest value may be 128 s away, with four it is 8 s.)
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

/// A message that is not believed, and why. The peer's fault, or an attacker's, or the clock's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// No code or key that we follow fits: not for us, or random bits.
    Unknown,
    /// The code fits a filter but the MIC is wrong: forged, damaged, or made under another key.
    BadMic,
    /// Authentic, but of a time that is over, or already taken.
    Replay,
    /// The counter lies further than MAX_OFFSET from the ProSe clock.
    OutsideMaxOffset,
    /// Authentic, but of a time that has not come: a clock is wrong, here or there.
    Clock,
    /// The key's or code's validity is over.
    Expired,
    /// The sender is known but not authorised for this.
    NotAuthorised,
    /// The message type is not one that this protection carries.
    Type,
    /// More answers were asked for than the rate allows, or more was heard at once than is remembered.
    RateLimited,
}

impl Refusal {
    /// The word that reports use.
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

    /// The value, without its proof.
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

/// What a discovery message said, descrambled and deciphered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Octet 0: discovery type, content type, model. TS 24.334 §11.2.5.
    pub message_type: u8,
    /// Code or content.
    pub code: Code,
    /// The MIC that it carried.
    pub mic: Mic,
    /// The whole UTC-based counter.
    pub counter: UtcCounter,
}

/// A code that is looked for: the bits under the mask must be equal. TS 24.334 §12.2.2 ("discovery filter").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// TS 24.334 §12.2.2.12
pub struct CodeFilter {
    /// Wanted bits.
    pub code: Code,
    /// 1 where a bit matters.
    pub mask: Code,
}

impl CodeFilter {
    /// Every bit matters.
    pub const fn exact(code: Code) -> Self {
        Self { code, mask: [0xff; 23] }
    }

    /// In constant time.
    pub fn matches(&self, code: &Code) -> bool {
        let mut difference = 0;
        for i in 0..23 {
            difference |= (self.code[i] ^ code[i]) & self.mask[i];
        }
        difference.ct_eq(&0).into()
    }
}

/// Code and MIC, and the octets around them.
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
