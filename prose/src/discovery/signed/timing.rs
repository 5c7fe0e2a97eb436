//! The discovery periods, counted without end, and the sets of a signed announcement in them.
//!
//! DFN and subframe give the time within 10.24 s exactly, UTC says which 10.24 s they are: the count is that of the
//! milliseconds since 1900 which is nearest to UTC and has this DFN and subframe.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::{Hint, SignedTime};

use crate::discovery::{AirTime, FrameTime};

/// Milliseconds in which DFN turns.
const TURN: u64 = FrameTime::TURN as u64;
/// Milliseconds from 1900 to 1970.
const TO_1970: u64 = 2_208_988_800_000;

/// The discovery periods, and the length of the sets: all UEs of a pool have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetTiming {
    period: u16,
    offset: u16,
    periods: u8,
}

/// The operator's error: no sets can have this timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimingError {
    /// A discovery period has 10 to 10240 milliseconds.
    Period(u32),
    /// A set has 7 to 255 periods: the longest signature needs 7 fragments, and an index has 8 bits.
    Periods(u32),
}

impl fmt::Display for TimingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Period(millis) => {
                write!(f, "a discovery period of {millis} ms: it has 10 to {TURN}")
            }
            Self::Periods(periods) => write!(f, "a signed set of {periods} periods: it has 7 to 255"),
        }
    }
}

impl std::error::Error for TimingError {}

impl SetTiming {
    /// Periods of a set unless configured: 20 s at 320 ms.
    pub const PERIODS: u8 = 64;
    /// Periods of 320 ms that begin with the turn of DFN.
    pub const DEFAULT: Self = Self { period: 320, offset: 0, periods: Self::PERIODS };

    /// Makes the timing of a pool whose periods of `period_millis` begin `offset_millis` after the turn of DFN.
    ///
    /// # Errors
    /// Out of range.
    pub const fn new(period_millis: u32, offset_millis: u32, periods: u32) -> Result<Self, TimingError> {
        if period_millis < 10 || period_millis as u64 > TURN {
            return Err(TimingError::Period(period_millis));
        }
        if periods < super::MAX_NEEDED as u32 || periods > u8::MAX as u32 {
            return Err(TimingError::Periods(periods));
        }
        let offset = (offset_millis as u64 % TURN) as u16;
        Ok(Self { period: period_millis as u16, offset, periods: periods as u8 })
    }

    /// Returns the milliseconds of a discovery period.
    pub const fn period_millis(&self) -> u64 {
        self.period as u64
    }

    /// Returns the periods of a set.
    pub const fn periods(&self) -> u8 {
        self.periods
    }

    /// Returns the milliseconds of a set.
    pub const fn set_millis(&self) -> u64 {
        self.period as u64 * self.periods as u64
    }

    /// Returns the set of a key with `hint` that a time lies in, `shift` milliseconds later or earlier.
    pub(super) fn place(&self, now: &AirTime, shift: i64, hint: Hint) -> Place {
        let utc = now.slot.millis().saturating_add(TO_1970);
        let frame = u64::from(now.frame.count());
        // The distance of the frame's count from UTC, to the nearest turn.
        let behind = (frame + TURN - utc % TURN) % TURN;
        let ahead = if behind > TURN / 2 { behind as i64 - TURN as i64 } else { behind as i64 };
        let count = utc.saturating_add_signed(ahead).saturating_add_signed(shift);
        let since = count.saturating_sub(u64::from(self.offset));
        let in_turn = TURN.div_ceil(self.period_millis());
        let period = since / TURN * in_turn + since % TURN / self.period_millis();
        let (length, stagger) = (u64::from(self.periods), self.stagger(hint));
        let number = (period + stagger) / length;
        let first = (number * length).saturating_sub(stagger);
        let start = first / in_turn * TURN + first % in_turn * self.period_millis() + u64::from(self.offset);
        Place { number, index: ((period + stagger) % length) as u8, start, ahead }
    }

    /// Returns the begin of a set by its number.
    pub(super) fn begin(&self, now: &AirTime, number: u64, hint: Hint) -> Place {
        let in_turn = TURN.div_ceil(self.period_millis());
        let first = (number * u64::from(self.periods)).saturating_sub(self.stagger(hint));
        let start = first / in_turn * TURN + first % in_turn * self.period_millis() + u64::from(self.offset);
        Place { number, index: 0, start, ..self.place(now, 0, hint) }
    }

    /// Returns the periods by which the sets of a key begin earlier than those of others.
    const fn stagger(&self, hint: Hint) -> u64 {
        (u16::from_be_bytes(hint.0) >> 4) as u64 % self.periods as u64
    }
}

/// Where a time lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the set.
    pub(super) number: u64,
    /// Periods since its begin.
    pub(super) index: u8,
    /// Begin of the set, in subframes since 1900 by DFN.
    start: u64,
    /// By how much that count is ahead of UTC, milliseconds.
    ahead: i64,
}

impl Place {
    /// Returns the signed time: the begin of the set. UTC is that of our clock, `error` milliseconds later or earlier.
    pub(super) const fn signed_time(&self, error: i64) -> SignedTime {
        let utc = self.start.saturating_add_signed(-self.ahead).saturating_add_signed(error);
        let frame = FrameTime::of_count((self.start % TURN) as u16);
        let utc = UtcTime::from_millis(utc.saturating_sub(TO_1970));
        SignedTime::of(utc, frame.dfn, frame.subframe)
    }

    /// Returns the times that the announcer may have signed, if its UTC differs from ours by at most `uncertainty`
    /// milliseconds: one, or two near the edge of a second. Ours comes first.
    pub(super) fn signed_times(&self, uncertainty: u64) -> impl Iterator<Item = SignedTime> + use<> {
        let reach = uncertainty.min(1000) as i64;
        let [ours, early, late] = [0, -reach, reach].map(|error| self.signed_time(error));
        let early = Some(early).filter(|early| *early != ours);
        let late = Some(late).filter(|late| *late != ours && Some(*late) != early);
        core::iter::once(ours).chain(early).chain(late)
    }
}

/// Returns the two octets of a fragment's set: the hint with the number of the set in its low bits. It is its own
/// inverse.
pub(super) const fn tag(hint: [u8; 2], number: u64) -> [u8; 2] {
    [hint[0], hint[1] ^ (number as u8 & 0xf)]
}
