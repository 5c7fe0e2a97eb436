//! Direct discovery: who announces what in which period, who hears it, and what is believed. Read first: TS 33.303
//! §6.1.3, TS 24.334 §6.2 (open, restricted) and §10A, TR 33.833 §6.2.
//!
//! - [`Announcer`]: model A, sending. The code follows the air clock that is passed in and rotates at the period's edge.
//! - [`Monitor`]: model A, receiving. Any number of followed identities, one look-up a frame for codes that can be
//!   computed ahead; debounced; nothing older than an earlier message of the same identity is accepted.
//! - [`Discoverer`] and [`Discoveree`]: model B, query and response.
//!
//! - [`signed`]: announcements in several blocks, signed by a private key that no monitor has.
//! - [`chained`]: announcements that only their announcer can make, by chains and by signatures on the SL-SCH.
//!
//! - [`agent::Agent`]: all of them in one UE.
//!
//! The protections themselves are `sidelink_security::discovery`; this module decides *when* and *for whom*.

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::rotation::{RotationPeriod, Window};
use sidelink_security::discovery::{Freshness, Message, Refusal};

use sidelink_wire as wire;
use sidelink_wire::pc5_discovery::{LEN, MessageType, Packet};

pub mod agent;
mod announcer;
pub mod chain;
pub mod chained;
mod code_table;
pub mod delayed;
mod model_b;
mod monitor;
pub mod pointer;
mod sightings;
pub mod signed;

pub use announcer::{Announcer, AnnouncerKey, Announcing};
pub use code_table::Job;
pub use model_b::{Answering, Asking, Discoveree, DiscovereeConfig, Discoverer};
pub use monitor::{Discovered, Dropped, Finding, Follow, Monitor, MonitorConfig, Sighted};
pub use sightings::Subject;

/// Times of one discovery slot: the air clock at its first subframe, and the ProSe clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AirTime {
    /// UTC of the first subframe of the slot, by the air clock. Repetitions of a message share it.
    pub slot: UtcTime,
    /// The ProSe clock: CURRENT_TIME of the ProSe Function, advanced since.
    pub prose_clock: UtcCounter,
    /// Frame and subframe of the first subframe of the slot, as the air has them: all UEs that hear each other agree on
    /// them, however their UTC differs.
    pub frame: FrameTime,
}

impl AirTime {
    /// Returns the times of a slot if both clocks agree, and the frames follow from UTC.
    pub const fn at(slot: UtcTime) -> Self {
        Self { slot, prose_clock: slot.counter(), frame: FrameTime::of_utc(slot) }
    }

    /// Returns the times of an earlier subframe. The ProSe clock shows what it shows now.
    #[must_use]
    pub const fn before(&self, millis: u64) -> Self {
        let behind = (millis % FrameTime::TURN as u64) as u16;
        let count = (self.frame.count() + FrameTime::TURN - behind) % FrameTime::TURN;
        Self {
            slot: self.slot.minus_millis(millis),
            prose_clock: self.prose_clock,
            frame: FrameTime::of_count(count),
        }
    }
}

/// A subframe within the 10.24 s in which DFN turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTime {
    /// Direct frame number, 0 to 1023.
    pub dfn: u16,
    /// Subframe of the frame, 0 to 9.
    pub subframe: u8,
}

impl FrameTime {
    /// Subframes until DFN is the same again.
    pub const TURN: u16 = 10_240;
    /// Milliseconds from 1900-01-01 to 1970-01-01, modulo those of a turn.
    const SINCE_1900: u64 = 2_208_988_800_000 % Self::TURN as u64;

    /// Makes a subframe of its number within the turn.
    pub const fn of_count(count: u16) -> Self {
        let count = count % Self::TURN;
        Self { dfn: count / 10, subframe: (count % 10) as u8 }
    }

    /// Returns the number of the subframe within the turn.
    pub const fn count(self) -> u16 {
        self.dfn % 1024 * 10 + self.subframe as u16 % 10
    }

    /// Returns the subframe of a UE whose frames follow UTC: they count the milliseconds since 1900 (TS 36.331 §5.10.14,
    /// from memory).
    pub const fn of_utc(time: UtcTime) -> Self {
        Self::of_count(((time.millis() % Self::TURN as u64 + Self::SINCE_1900) % Self::TURN as u64) as u16)
    }
}

/// Tolerances of clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimePolicy {
    /// MAX_OFFSET, in seconds.
    pub max_offset: u32,
    /// Own strict mode: largest difference in seconds between a counter and the slot's own.
    pub strict: Option<u32>,
    /// Largest difference in milliseconds between the air clocks of two UEs. Rotating codes of the periods within it
    /// are accepted.
    pub uncertainty_millis: u64,
    /// The discovery periods, and how many of them a signed announcement lasts: all UEs have the same.
    pub sets: signed::SetTiming,
}

impl Default for TimePolicy {
    /// Returns the MAX_OFFSET of the conformance tests (TS 36.508 §4.7F.1); clocks within 20 ms, which GNSS and SLSS
    /// keep with a wide margin.
    fn default() -> Self {
        Self {
            max_offset: Freshness::MAX_OFFSET,
            strict: None,
            uncertainty_millis: 20,
            sets: signed::SetTiming::DEFAULT,
        }
    }
}

impl TimePolicy {
    /// Returns the conditions of the protections on the time.
    pub const fn freshness(&self, now: &AirTime) -> Freshness {
        Freshness {
            slot: now.slot.counter(),
            clock: now.prose_clock,
            max_offset: self.max_offset,
            strict: self.strict,
        }
    }

    /// Returns the rotation periods that are accepted now.
    pub const fn window(&self, period: RotationPeriod, now: &AirTime) -> Window {
        period.window(now.slot, self.uncertainty_millis)
    }
}

/// Checks that a message has 29 octets and a known type.
#[inline]
pub(crate) fn checked(bytes: &[u8]) -> Result<(MessageType, &Message), wire::Error> {
    let Ok(message) = <&Message>::try_from(bytes) else {
        // The only reason of this failure; the format reports it.
        Packet::new_checked(bytes)?;
        return Err(wire::Error::Oversized { what: "PC5_DISCOVERY", max: LEN, have: bytes.len() });
    };
    Ok((MessageType::from_octet(message[0])?, message))
}

/// Returns the more informative of two refusals of a message: the one nearest to acceptance.
pub(crate) fn more_telling(a: Refusal, b: Refusal) -> Refusal {
    const fn rank(refusal: Refusal) -> u8 {
        match refusal {
            Refusal::Replay => 8,
            Refusal::Clock => 7,
            Refusal::RateLimited => 6,
            Refusal::NotAuthorised => 5,
            Refusal::Expired => 4,
            Refusal::BadMic | Refusal::BadSignature => 3,
            Refusal::KeyDisclosed | Refusal::ClockUncertain | Refusal::TooManyMissed => 5,
            Refusal::OutsideMaxOffset => 2,
            Refusal::Unknown => 1,
            _ => 0,
        }
    }
    if rank(b) > rank(a) { b } else { a }
}

#[cfg(test)]
mod tests;
