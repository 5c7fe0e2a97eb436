//! Rotation periods: the period of an instant, and the periods that a monitor accepts.

use std::fmt;
use std::ops::RangeInclusive;

use crate::counter::UtcTime;

/// Time for which one over-the-air ID is valid: a whole number of radio frames of 10 ms, from one frame to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RotationPeriod(u32);

/// The operator's error: a rotation period outside 10 ms to 24 h, or not of whole radio frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPeriodError {
    /// The requested period in milliseconds.
    pub millis: u64,
}

impl fmt::Display for RotationPeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a rotation period of {} ms: it has 10 ms to 24 h, in steps of 10 ms", self.millis)
    }
}

impl std::error::Error for RotationPeriodError {}

/// Number of a rotation period since the epoch of UTC. With a period of one second it is the UTC-based counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeriodIndex(pub u64);

impl PeriodIndex {
    /// Returns the 8 bits that a message carries.
    pub const fn lsb(self) -> u8 {
        self.0 as u8
    }

    /// Returns the following period.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl RotationPeriod {
    /// One second: the period of the UTC-based counter.
    pub const SECOND: Self = Self(100);

    /// Makes a period of this many milliseconds.
    pub const fn from_millis(millis: u64) -> Result<Self, RotationPeriodError> {
        if millis < 10 || millis > 86_400_000 || !millis.is_multiple_of(10) {
            return Err(RotationPeriodError { millis });
        }
        Ok(Self((millis / 10) as u32))
    }

    /// Returns the milliseconds of a period.
    pub const fn millis(self) -> u64 {
        self.0 as u64 * 10
    }

    /// Returns the period that contains `time`.
    pub const fn index(self, time: UtcTime) -> PeriodIndex {
        PeriodIndex(time.millis() / self.millis())
    }

    /// Returns the begin of a period: its edge.
    pub const fn start(self, index: PeriodIndex) -> UtcTime {
        UtcTime::from_millis(index.0.saturating_mul(self.millis()))
    }

    /// Returns the periods that a sender may be in at our `time`, when the two clocks differ by at most
    /// `uncertainty_millis`: one, and near an edge its neighbour too.
    pub const fn window(self, time: UtcTime, uncertainty_millis: u64) -> Window {
        Window {
            first: self.index(time.minus_millis(uncertainty_millis)),
            last: self.index(time.plus_millis(uncertainty_millis)),
        }
    }
}

/// The periods that are accepted at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The oldest period.
    pub first: PeriodIndex,
    /// The newest period.
    pub last: PeriodIndex,
}

impl Window {
    /// Returns the numbers of all periods.
    pub const fn range(self) -> RangeInclusive<u64> {
        self.first.0..=self.last.0
    }

    /// Whether the window contains `index`.
    pub const fn contains(self, index: PeriodIndex) -> bool {
        self.first.0 <= index.0 && index.0 <= self.last.0
    }

    /// Returns the period with these LSB that is nearest to the window's end.
    pub const fn nearest(self, lsb: u8) -> PeriodIndex {
        let ahead = lsb.wrapping_sub(self.last.lsb()) as i8;
        PeriodIndex(self.last.0.saturating_add_signed(ahead as i64))
    }
}
