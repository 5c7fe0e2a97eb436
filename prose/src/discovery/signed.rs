//! Signed announcements in fragments: solution 2.3 of TR 33.833 §6.2.3, with signatures that do not fit one block.
//!
//! ```text
//! set        = code (23) || signature (64, 97 or 129) || zeros, in K fragments of 25 octets: K = 4, 5 or 7
//! one block  = type 0xc9 | period in its set (1) | tag (2) | fragment (25)          one a discovery period
//! signed     = label || scheme || code || UTC-based counter (4) || DFN (2) || subframe (1)
//!
//! periods    |  0  |  1  |  2  | ...                          | S-1 |  0  | ...      S = 64, unless configured
//! plain      |  0  |  1  | ..  | K-1 |  0  |  1  | ..         | a new set: new time, new signature
//! coded      |  0  |  1  | ..  | K-1 |  K  | K+1 | .. parity, always new  |
//! ```
//!
//! - **Sets follow from the time.** They begin at edges of discovery periods, and all UEs know which period of which set
//!   it is ([`SetTiming`]). The signed time is the begin of the period that has the first fragment: it is not sent, and a
//!   monitor that missed the first fragment knows it as well.
//! - **The period must be the present one.** A block that is sent again one period later names a wrong period; 10.24 s
//!   later, when DFN is the same, it is another period of the count, and in the end the UTC-based counter differs.
//! - **Tag**: the hint of the key, its four low bits XORed with those of the number of the set. The set's number follows
//!   from the time: a fragment of another set has the hint of another key, which mostly does not exist. The upper
//!   twelve bits of the hint shift the sets, so that not all UEs begin one at once.
//! - **After a set is verified** each further fragment of it is compared with the one that the set gives: one block is
//!   enough from then on. Whoever heard the set could send these too, until its end: within S periods, presence is not
//!   proven again. The time that a finding has is the one that was signed.
//! - A monitor that joins late loses the fragments of the running set only if fewer periods remain than it needs: with
//!   S = 64 and K = 4 that costs 0.3 periods in the mean (measured: `late_monitors_complete`).

use core::fmt;

use sidelink_security::discovery::signature::Scheme;

use super::{Discovered, Finding, Subject};

mod keys;
mod monitor;
mod receiver;
mod sender;
mod sets;
mod timing;

pub use keys::{NotFollowed, OldList};
pub use receiver::{SignedConfig, SignedFollow, SignedMonitor};
pub use sender::SignedSender;
pub use timing::{SetTiming, TimingError};

/// Octets of a fragment.
pub const FRAGMENT_OCTETS: usize = 25;
/// Octets of the code at the front of a set.
const CODE_OCTETS: usize = 23;
/// The most fragments that a set needs.
const MAX_NEEDED: usize = fragments(Scheme::EccsiFull);
/// Octets of the longest set.
const MAX_SET: usize = MAX_NEEDED * FRAGMENT_OCTETS;

/// Returns K: the fragments that a set of this scheme needs.
pub const fn fragments(scheme: Scheme) -> usize {
    (CODE_OCTETS + scheme.octets()).div_ceil(FRAGMENT_OCTETS)
}

/// Which fragment is sent when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// The K fragments over and over: a monitor needs each of them, and one false fragment denies the set.
    Plain,
    /// The K fragments once, then parity that is always new: any K fragments serve ([`crate::erasure`]), and a monitor
    /// tries others where some are false.
    #[default]
    Coded,
}

impl Rotation {
    /// Returns the word for stores and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Coded => "coded",
        }
    }

    /// Returns the fragment that goes in a period of its set.
    const fn fragment(self, period: u8, needed: usize) -> u8 {
        match self {
            Self::Plain => period % needed as u8,
            Self::Coded => period,
        }
    }
}

/// A part of a signed announcement that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// Whose it is, by its hint. Nothing is proven yet.
    pub who: Subject,
    /// Number of its set.
    pub set: u64,
    /// Which fragment it is.
    pub index: u8,
    /// Fragments of different indexes that are here.
    pub have: u8,
    /// Fragments that are needed.
    pub needed: u8,
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fragment {} of a signed announcement: {} of {}", self.index, self.have, self.needed)
    }
}

/// What became of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fragmented {
    /// It is kept; the set may be complete now.
    Kept(Partial),
    /// It belongs to a set that was verified.
    Proven(Discovered),
}

/// What the part for signed announcements makes of a fragment.
pub(super) enum Heard {
    Kept(Partial),
    Proven(Subject, Finding),
}

#[cfg(test)]
mod tests;
