//! Counters and time: what makes every protected frame different from every other.
//!
//! - [`Count`] is COUNT of TS 36.323 §5.6.1, [`UtcCounter`] the UTC-based counter of discovery, [`UtcTime`] the finer
//!   time from which both the counter and a rotation period follow. None of them is read from a clock here.
//! - [`replay`] keeps a window of what was received.
//! - [`reserve`] hands out counters for sending that no crash can hand out again.
//! - [`clock_guard`] refuses a clock that went back.

pub mod clock_guard;
pub mod replay;
pub mod reserve;

use std::fmt;

/// COUNT, 32 bits. One-to-many: PTK identity (16 MSB) || PDCP SN (16 LSB); one-to-one: KD-sess identity || PDCP SN.
/// TS 36.323 §5.6.1, §5.6.2 (the concatenation is derived from the widths of the fields).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(u32);

impl Count {
    /// From 32 bits.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// From PTK identity or KD-sess identity, and PDCP SN.
    pub const fn from_parts(identity: u16, sn: u16) -> Self {
        Self((identity as u32) << 16 | sn as u32)
    }

    /// All 32 bits.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// PTK identity or KD-sess identity.
    pub const fn identity(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// PDCP SN.
    pub const fn sn(self) -> u16 {
        self.0 as u16
    }
}

/// UTC-based counter: seconds of UTC, 32 bits (TS 29.345 §6.3.41 through an implementation). The counter of a
/// discovery message is that of the first subframe of its slot; repetitions share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcCounter(u32);

impl UtcCounter {
    /// From seconds.
    pub const fn new(seconds: u32) -> Self {
        Self(seconds)
    }

    /// In seconds.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// The 8 least significant bits, which a discovery message carries. TS 24.334 §12.2.2 ("UTC-based Counter LSB";
    /// the width was seen in an implementation; TS 33.303 is remembered to speak of 4 bits, too few for
    /// MAX_OFFSET = 32 s).
    pub const fn lsb(self) -> u8 {
        self.0 as u8
    }

    /// With its 4 least significant bits zero, as scrambling takes it: the same for 16 seconds. TS 33.303 §6.1.3.4.3.5.
    pub const fn for_scrambling(self) -> Self {
        Self(self.0 & !0xf)
    }

    /// Seconds between two counters, however they are ordered.
    pub const fn distance(self, other: Self) -> u32 {
        self.0.abs_diff(other.0)
    }

    /// Later by `seconds`, at most the largest counter.
    pub const fn plus(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The counter nearest to `self` whose 8 least significant bits are `lsb`.
    ///
    /// The one that is 128 below wins over the one that is 128 above. Near the ends of the range the nearest that
    /// exists is taken.
    pub const fn rebuild(self, lsb: u8) -> Self {
        let ahead = lsb.wrapping_sub(self.lsb()) as i8;
        match self.0.checked_add_signed(ahead as i32) {
            Some(value) => Self(value),
            // Only within 128 s of 0 or 2^32: step one alias towards the inside.
            None if ahead < 0 => Self((self.0 as i64 + ahead as i64 + 256) as u32),
            None => Self((self.0 as i64 + ahead as i64 - 256) as u32),
        }
    }
}

impl fmt::Display for UtcCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

/// UTC in milliseconds: what the one clock of the program turns a sample or a subframe into. It is an argument
/// everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(u64);

impl UtcTime {
    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The start of a second.
    pub const fn from_counter(counter: UtcCounter) -> Self {
        Self(counter.0 as u64 * 1000)
    }

    /// In milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The UTC-based counter of this instant (beyond 2^32 s: the last counter).
    pub const fn counter(self) -> UtcCounter {
        let seconds = self.0 / 1000;
        UtcCounter(if seconds > u32::MAX as u64 { u32::MAX } else { seconds as u32 })
    }

    /// Later by `millis`.
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Earlier by `millis`, at least zero.
    pub const fn minus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rebuilt_counter_is_the_nearest(local: u32, lsb: u8) {
            let rebuilt = UtcCounter::new(local).rebuild(lsb);
            prop_assert_eq!(rebuilt.lsb(), lsb);
            // The definition, dumber: the nearest of three candidates, the lower on a tie.
            let base = i64::from(local & !0xff | u32::from(lsb));
            let nearest = [base - 256, base, base + 256]
                .into_iter()
                .filter(|c| u32::try_from(*c).is_ok())
                .min_by_key(|c| (c - i64::from(local)).abs())
                .unwrap();
            prop_assert_eq!(i64::from(rebuilt.value()), nearest);
        }
    }

    #[test]
    fn count_is_identity_then_sn() {
        let count = Count::from_parts(0x1234, 0xabcd);
        assert_eq!((count.value(), count.identity(), count.sn()), (0x1234_abcd, 0x1234, 0xabcd));
    }
}
