//! What became of what was received: the words that reports use, and their counts.

use core::ops::Add;

use crate::discovery::Refusal;
use crate::pdu::{Assurance, PduRefusal};

macro_rules! outcomes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What became of a block, a PDU or a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Outcome {
            $($(#[$doc])* $name,)*
        }

        impl Outcome {
            /// All of them.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$name),*];

            /// The word that reports use.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

outcomes! {
    /// Proven: MIC, MAC-I or a code that only its owner can make.
    Verified = "verified",
    /// Deciphered, not proven.
    Deciphered = "deciphered",
    /// It came without protection.
    Unprotected = "unprotected",
    /// The network must check it.
    ToReport = "to_report",
    /// Wrong MIC.
    BadMic = "bad_mic",
    /// Wrong MAC-I.
    BadMac = "bad_mac",
    /// A copy, or of a period that is over.
    Replay = "replay",
    /// Behind the replay window.
    Late = "late",
    /// Too far ahead for what no MAC-I covers.
    TooFarAhead = "too_far_ahead",
    /// No key of this index or destination.
    UnknownKey = "unknown_key",
    /// Nothing that is followed.
    Unknown = "unknown",
    /// The validity of key or code is over.
    Expired = "expired",
    /// The counter lies further than MAX_OFFSET from the ProSe clock.
    OutsideMaxOffset = "outside_max_offset",
    /// Of a time that has not come.
    Clock = "clock",
    /// Known, but not authorised.
    NotAuthorised = "not_authorised",
    /// A message type that nobody here expects.
    Type = "type",
    /// Above the rate of answers.
    RateLimited = "rate_limited",
    /// All replay windows are taken.
    TooManySenders = "too_many_senders",
    /// Bytes that are not what they should be.
    Malformed = "malformed",
    /// Under our own source identity.
    Reflected = "reflected",
    /// Another destination.
    NotForUs = "not_for_us",
    /// Our own misuse: a block without the group destination ID of its SCI.
    Misused = "misused",
    /// The outputs were not drained: one was lost.
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
            _ => Self::Unknown,
        }
    }
}

/// How often each outcome came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters([u64; Outcome::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Outcome::ALL.len()])
    }
}

impl Counters {
    /// One more of this outcome.
    pub const fn count(&mut self, outcome: Outcome) {
        self.0[outcome as usize] += 1;
    }

    /// How often this one came.
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize]
    }

    /// All that came at least once.
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
