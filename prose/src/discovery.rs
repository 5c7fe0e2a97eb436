//! Direct discovery: who announces what in which period, who hears it, and what is believed. Read first: TS 33.303
//! §6.1.3, TS 24.334 §6.2 (open, restricted) and §10A, TR 33.833 §6.2.
//!
//! - [`Announcer`]: model A, sending. The code follows the air clock that is passed in and rotates at the period's edge.
//! - [`Monitor`]: model A, receiving. Any number of followed identities, one look-up a frame where the codes can be
//!   known ahead; debounced; nothing older than what an identity already sent is believed.
//! - [`Discoverer`] and [`Discoveree`]: model B, question and answer.
//!
//! - [`agent::Agent`]: all of them in one UE.
//!
//! The protections themselves are `sidelink_security::discovery`; what is decided here is *when* and *for whom*.

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::rotation::{RotationPeriod, Window};
use sidelink_security::discovery::{Freshness, Message, Refusal};

use sidelink_wire as wire;
use sidelink_wire::pc5_discovery::{LEN, MessageType, Packet};

pub mod agent;
mod announcer;
mod code_table;
mod model_b;
mod monitor;
mod sightings;

pub use announcer::{Announcer, AnnouncerKey};
pub use code_table::Job;
pub use model_b::{Answering, Asking, Discoveree, DiscovereeConfig, Discoverer};
pub use monitor::{Discovered, Dropped, Finding, Follow, Monitor, MonitorConfig};
pub use sightings::Subject;

/// What two clocks say of one discovery slot: the air clock of its first subframe, and the ProSe clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AirTime {
    /// UTC of the first subframe of the slot, by the air clock. Repetitions of a message share it.
    pub slot: UtcTime,
    /// The ProSe clock: CURRENT_TIME of the ProSe Function, advanced since.
    pub prose_clock: UtcCounter,
}

impl AirTime {
    /// Both clocks agree.
    pub const fn at(slot: UtcTime) -> Self {
        Self { slot, prose_clock: slot.counter() }
    }
}

/// How far clocks may be apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimePolicy {
    /// MAX_OFFSET, in seconds.
    pub max_offset: u32,
    /// Own strict mode: seconds that a counter may be away from the slot's own.
    pub strict: Option<u32>,
    /// By how many milliseconds the air clocks of two UEs may differ. Rotating codes of the periods that lie within
    /// are accepted.
    pub uncertainty_millis: u64,
}

impl Default for TimePolicy {
    /// The MAX_OFFSET of the conformance tests (TS 36.508 §4.7F.1); clocks within 20 ms, which GNSS and SLSS keep with
    /// a wide margin.
    fn default() -> Self {
        Self { max_offset: Freshness::MAX_OFFSET, strict: None, uncertainty_millis: 20 }
    }
}

impl TimePolicy {
    /// What the protections ask of the time.
    pub const fn freshness(&self, now: &AirTime) -> Freshness {
        Freshness {
            slot: now.slot.counter(),
            clock: now.prose_clock,
            max_offset: self.max_offset,
            strict: self.strict,
        }
    }

    /// The rotation periods that are accepted now.
    pub const fn window(&self, period: RotationPeriod, now: &AirTime) -> Window {
        period.window(now.slot, self.uncertainty_millis)
    }
}

/// A message of 29 octets and a known type.
#[inline]
pub(crate) fn checked(bytes: &[u8]) -> Result<(MessageType, &Message), wire::Error> {
    let Ok(message) = <&Message>::try_from(bytes) else {
        // The one reason why 29 octets cannot be had, in the words of the format.
        Packet::new_checked(bytes)?;
        return Err(wire::Error::Oversized { what: "PC5_DISCOVERY", max: LEN, have: bytes.len() });
    };
    Ok((MessageType::from_octet(message[0])?, message))
}

/// Which of two refusals says more about a message that nobody believed: what is nearest to acceptance.
pub(crate) fn more_telling(a: Refusal, b: Refusal) -> Refusal {
    const fn rank(refusal: Refusal) -> u8 {
        match refusal {
            Refusal::Replay => 8,
            Refusal::Clock => 7,
            Refusal::RateLimited => 6,
            Refusal::NotAuthorised => 5,
            Refusal::Expired => 4,
            Refusal::BadMic => 3,
            Refusal::OutsideMaxOffset => 2,
            Refusal::Unknown => 1,
            _ => 0,
        }
    }
    if rank(b) > rank(a) { b } else { a }
}

#[cfg(test)]
mod tests;
