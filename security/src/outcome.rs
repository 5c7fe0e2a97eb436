//! Outcomes of received blocks, PDUs and messages: the words for reports, and their counters.

use core::ops::Add;

use crate::discovery::Refusal;
use crate::pdu::{Assurance, PduRefusal};

macro_rules! outcomes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// The outcome of a received block, PDU or message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Outcome {
            $($(#[$doc])* $name,)*
        }

        impl Outcome {
            /// All outcomes.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$name),*];

            /// Returns the word for reports.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

outcomes! {
    /// Proven: by a MIC, a MAC-I or a code that only its owner can make.
    Verified = "verified",
    /// Deciphered, but not proven.
    Deciphered = "deciphered",
    /// Received without protection.
    Unprotected = "unprotected",
    /// The network must check the MIC.
    ToReport = "to_report",
    /// The MIC is wrong.
    BadMic = "bad_mic",
    /// The MAC-I is wrong.
    BadMac = "bad_mac",
    /// A copy, or from a period that is over.
    Replay = "replay",
    /// The COUNT is behind the replay window.
    Late = "late",
    /// The SN is too far ahead for a PDU without a MAC-I.
    TooFarAhead = "too_far_ahead",
    /// No key has this index or destination.
    UnknownKey = "unknown_key",
    /// No followed identity or code matches.
    Unknown = "unknown",
    /// The validity of the key or code is over.
    Expired = "expired",
    /// The counter lies further than MAX_OFFSET from the ProSe clock.
    OutsideMaxOffset = "outside_max_offset",
    /// The time of the message has not come.
    Clock = "clock",
    /// The sender is known, but not authorised.
    NotAuthorised = "not_authorised",
    /// No receiver here expects the message type.
    Type = "type",
    /// More than the rate of answers allows.
    RateLimited = "rate_limited",
    /// The key of the MIC may be known to everybody already.
    KeyDisclosed = "key_disclosed",
    /// The own clock is not good enough for keys that are disclosed so soon.
    ClockUncertain = "clock_uncertain",
    /// More of a chain was missed than may be computed.
    TooManyMissed = "too_many_missed",
    /// The signature is wrong.
    BadSignature = "bad_signature",
    /// All replay windows are taken.
    TooManySenders = "too_many_senders",
    /// The octets are malformed.
    Malformed = "malformed",
    /// Received under our own source identity.
    Reflected = "reflected",
    /// A part of a signed announcement that is not complete yet.
    Incomplete = "incomplete",
    /// Received for another destination.
    NotForUs = "not_for_us",
    /// Our own error: a block without the group destination ID of its SCI.
    Misused = "misused",
    /// Outputs were not drained, and one was lost.
    OutputFull = "output_full",
}

impl From<Assurance> for Outcome {
    fn from(assurance: Assurance) -> Self {
        match assurance {
            Assurance::Verified => Self::Verified,
            Assurance::Deciphered => Self::Deciphered,
            Assurance::Unprotected => Self::Unprotected,
        }
    }
}

impl From<PduRefusal> for Outcome {
    fn from(refusal: PduRefusal) -> Self {
        match refusal {
            PduRefusal::UnknownKey => Self::UnknownKey,
            PduRefusal::Expired => Self::Expired,
            PduRefusal::Replay => Self::Replay,
            PduRefusal::Late => Self::Late,
            PduRefusal::TooFarAhead => Self::TooFarAhead,
            PduRefusal::BadMac => Self::BadMac,
            PduRefusal::TooShort => Self::Malformed,
            PduRefusal::Unprotected => Self::Unprotected,
            PduRefusal::TooManySenders => Self::TooManySenders,
        }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadMic => Self::BadMic,
            Refusal::Replay => Self::Replay,
            Refusal::OutsideMaxOffset => Self::OutsideMaxOffset,
            Refusal::Clock => Self::Clock,
            Refusal::Expired => Self::Expired,
            Refusal::NotAuthorised => Self::NotAuthorised,
            Refusal::Type => Self::Type,
            Refusal::RateLimited => Self::RateLimited,
            Refusal::KeyDisclosed => Self::KeyDisclosed,
            Refusal::ClockUncertain => Self::ClockUncertain,
            Refusal::TooManyMissed => Self::TooManyMissed,
            Refusal::BadSignature => Self::BadSignature,
            _ => Self::Unknown,
        }
    }
}

/// Counters of outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters([u64; Outcome::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Outcome::ALL.len()])
    }
}

impl Counters {
    /// Counts an outcome.
    pub const fn count(&mut self, outcome: Outcome) {
        self.0[outcome as usize] += 1;
    }

    /// Returns the counter of an outcome.
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize]
    }

    /// Returns all outcomes that occurred, with their counters.
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().map(|outcome| (outcome, self.of(outcome))).filter(|(_, count)| *count > 0)
    }
}

impl Add for Counters {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
        self
    }
}
