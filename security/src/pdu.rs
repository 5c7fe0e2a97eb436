//! A receiver's result for a PDU, in groups and links alike: the reason of a refusal, or the assurance.

use core::fmt;

use crate::cipher::MacIVerified;
use crate::counter::replay::Replayed;

/// Assurance of a PDU, without the proof itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Assurance {
    /// The MAC-I shows that a holder of the key sent it.
    Verified,
    /// Deciphered; nothing shows that the octets are right.
    Deciphered,
    /// Received without protection.
    Unprotected,
}

/// Assurance of an opened PDU, with the proof. Only the check of a MAC-I makes [`Proof::Integrity`].
#[derive(Debug, PartialEq, Eq)]
pub enum Proof {
    /// The MAC-I shows that a holder of the key sent it.
    Integrity(MacIVerified),
    /// Deciphered; nothing shows that the octets are right.
    Deciphered,
    /// Received without protection, or under null algorithms: nothing is known.
    Unprotected,
}

impl From<&Proof> for Assurance {
    fn from(proof: &Proof) -> Self {
        match proof {
            Proof::Integrity(_) => Self::Verified,
            Proof::Deciphered => Self::Deciphered,
            Proof::Unprotected => Self::Unprotected,
        }
    }
}

/// Reason why a PDU is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PduRefusal {
    /// No key has this index or identity.
    UnknownKey,
    /// The PGK expired and its grace is over, or its validity has not begun.
    Expired,
    /// This COUNT was accepted before.
    Replay,
    /// The COUNT is behind the replay window.
    Late,
    /// No MAC-I covers the COUNT, and it is further ahead than unproven ones may move the window.
    TooFarAhead,
    /// The MAC-I is wrong.
    BadMac,
    /// Shorter than header and MAC-I.
    TooShort,
    /// Received without protection, which the receiver does not accept.
    Unprotected,
    /// Other senders have taken all replay windows.
    TooManySenders,
}

impl PduRefusal {
    /// Returns the word for reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::Expired => "expired",
            Self::Replay => "replay",
            Self::Late => "late",
            Self::TooFarAhead => "too_far_ahead",
            Self::BadMac => "bad_mac",
            Self::TooShort => "too_short",
            Self::Unprotected => "unprotected",
            Self::TooManySenders => "too_many_senders",
        }
    }
}

impl fmt::Display for PduRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownKey => "no PGK has this index",
            Self::Expired => "the PGK is not valid now",
            Self::Replay => "this COUNT was accepted before",
            Self::Late => "the COUNT is behind the replay window",
            Self::TooFarAhead => "the COUNT is too far ahead for a PDU without a MAC-I",
            Self::BadMac => "wrong MAC-I",
            Self::TooShort => "shorter than header and MAC-I",
            Self::Unprotected => "without protection, which this group does not accept",
            Self::TooManySenders => "all replay windows are taken by other senders",
        })
    }
}

impl std::error::Error for PduRefusal {}

impl From<Replayed> for PduRefusal {
    fn from(replayed: Replayed) -> Self {
        match replayed {
            Replayed::Seen => Self::Replay,
            Replayed::Late => Self::Late,
        }
    }
}
