//! Counters and time, which make every protected frame different from every other.
//!
//! - [`Count`] is COUNT of TS 36.323 §5.6.1, [`UtcCounter`] the UTC-based counter of discovery, [`UtcTime`] the finer
//!   time from which both the counter and a rotation period follow. No clock is read here.
//! - [`replay`] keeps windows of received COUNT values.
//! - [`reserve`] reserves counters for sending, so that no crash makes one repeat.
//! - [`memory`] keeps counters for tests and benchmarks, which may lose them.
//! - [`clock_guard`] refuses a clock that went back.

pub mod clock_guard;
pub mod memory;
pub mod replay;
pub mod reserve;

use std::fmt;

/// COUNT, 32 bits. One-to-many: PTK identity (16 MSB) || PDCP SN (16 LSB); one-to-one: KD-sess identity || PDCP SN.
/// TS 36.323 §5.6.1, §5.6.2 (the concatenation is derived from the widths of the fields).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(u32);

impl Count {
    /// Makes a COUNT of 32 bits.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// Makes a COUNT of PTK identity or KD-sess identity, and PDCP SN.
    // TS 33.303 §6.2.3.6.1 (2); TS 36.323 §6.3.5
    pub const fn from_parts(identity: u16, sn: u16) -> Self {
        Self((identity as u32) << 16 | sn as u32)
    }

    /// Returns all 32 bits.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Returns the PTK identity or KD-sess identity.
    pub const fn identity(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Returns the PDCP SN.
    pub const fn sn(self) -> u16 {
        self.0 as u16
    }
}

/// UTC-based counter: seconds of UTC, 32 bits. The counter of a discovery message is that of the first subframe of its
/// slot; its repetitions have the same. Here it counts from 1970, on the air from 1900, see [`Self::on_air`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcCounter(u32);

impl UtcCounter {
    /// Makes a counter of seconds since 1970.
    pub const fn new(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Returns the seconds since 1970.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Returns the counter of messages and derivations: the 32 least significant bits of the UTC of TS 36.331
    /// (TS 24.334 §12.2.2.18). That UTC counts from 1900-01-01 (T_ref of TS 36.331 §5.10.14; that its SIB16 does too is
    /// from memory).
    // TS 24.334 §12.2.2.18; TS 33.303 §6.1.3.3.1 step 4 (3)
    pub const fn on_air(self) -> u32 {
        self.0.wrapping_add(SECONDS_FROM_1900_TO_1970)
    }

    /// Makes a counter of a counter on the air.
    pub const fn from_air(seconds: u32) -> Self {
        Self(seconds.wrapping_sub(SECONDS_FROM_1900_TO_1970))
    }

    /// Returns the least significant bits, which a discovery message carries; the other bits of the octet are zero.
    // TS 24.334 §12.2.2.22 (1); TS 24.334 §12.2.2.22 (2); TS 33.303 §6.1.3.3.1 step 5 (2)
    pub const fn lsb(self, width: LsbWidth) -> u8 {
        self.on_air() as u8 & width.mask()
    }

    /// Returns the counter with its 4 least significant bits zero, for scrambling: the same for 16 seconds.
    /// TS 33.303 §6.1.3.4.3.5.
    pub const fn for_scrambling(self) -> Self {
        Self(self.0 & !0xf)
    }

    /// Returns the seconds between two counters, in either order.
    pub const fn distance(self, other: Self) -> u32 {
        self.0.abs_diff(other.0)
    }

    /// Returns a counter later by `seconds`, at most the largest counter.
    pub const fn plus(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Returns the counter nearest to `self` whose least significant bits are those of `lsb`; the other bits of the
    /// octet are spare.
    ///
    /// Of two counters at the same distance the lower one is returned: 8 below rather than 8 above, or 128. Near the
    /// ends of the range the nearest one that exists is returned.
    // TS 33.303 §6.1.3.3.1 step 11 (2)
    pub const fn rebuild(self, lsb: u8, width: LsbWidth) -> Self {
        let spare = 8 - width.bits();
        // As a signed number of this many bits.
        let ahead = ((lsb.wrapping_sub(self.lsb(width)) << spare) as i8 >> spare) as i32;
        match self.0.checked_add_signed(ahead) {
            Some(value) => Self(value),
            // Only this near to 0 or 2^32: one alias towards the inside.
            None if ahead < 0 => Self((self.0 as i64 + ahead as i64 + (1 << width.bits())) as u32),
            None => Self((self.0 as i64 + ahead as i64 - (1 << width.bits())) as u32),
        }
    }
}

/// Seconds from 1900-01-01 to 1970-01-01: a multiple of 16, so that the 4 least significant bits are the same.
const SECONDS_FROM_1900_TO_1970: u32 = 2_208_988_800;

/// Number of the counter's least significant bits that a discovery message carries. TS 24.334 §12.2.2.22.
/// (TS 33.303 §6.1.3.4 has four in restricted discovery too; the field of stage 3 has eight.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LsbWidth {
    /// Open discovery: the others are spare, sent as zero and ignored (§12.1A).
    Four,
    /// Restricted and public-safety discovery.
    Eight,
}

impl LsbWidth {
    /// Returns the width for a message type: discovery type 01 is open discovery. TS 24.334 §12.2.2.10.
    pub const fn of(message_type: u8) -> Self {
        if message_type >> 6 == 0b01 { Self::Four } else { Self::Eight }
    }

    const fn bits(self) -> u32 {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// Returns a mask of the bits in the octet that belong to the counter.
    pub const fn mask(self) -> u8 {
        0xff >> (8 - self.bits())
    }
}

impl fmt::Display for UtcCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

/// UTC in milliseconds, which the one clock of the program derives from samples or subframes. It is an argument
/// everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(u64);

impl UtcTime {
    /// Makes a time of milliseconds since 1970.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the start of a second.
    pub const fn from_counter(counter: UtcCounter) -> Self {
        Self(counter.0 as u64 * 1000)
    }

    /// Returns the milliseconds since 1970.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Returns the UTC-based counter of this instant (beyond 2^32 s: the last counter).
    pub const fn counter(self) -> UtcCounter {
        let seconds = self.0 / 1000;
        UtcCounter(if seconds > u32::MAX as u64 { u32::MAX } else { seconds as u32 })
    }

    /// Returns a time later by `millis`.
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Returns a time earlier by `millis`, at least zero.
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
        // TS 33.303 §6.1.3.3.1 step 11 (2)
        fn rebuilt_counter_is_the_nearest(local: u32, lsb: u8, open: bool) {
            let (width, modulus) = if open { (LsbWidth::Four, 16) } else { (LsbWidth::Eight, 256) };
            let rebuilt = UtcCounter::new(local).rebuild(lsb, width);
            prop_assert_eq!(u32::from(rebuilt.lsb(width)), u32::from(lsb) % modulus);
            // The definition without tricks: the nearest of all within two aliases, the lower on a tie.
            let reach = 2 * i64::from(modulus);
            let nearest = (-reach..=reach)
                .map(|ahead| i64::from(local) + ahead)
                .filter(|c| u32::try_from(*c).is_ok_and(|c| UtcCounter::new(c).lsb(width) == lsb & width.mask()))
                .min_by_key(|c| (c - i64::from(local)).abs())
                .unwrap();
            prop_assert_eq!(i64::from(rebuilt.value()), nearest);
        }
    }

    /// 1 January 1972 was 2 272 060 800 seconds after 1900-01-01 (the table of leap seconds of RFC 5905's NTP).
    #[test]
    // TS 24.334 §12.2.2.18; TS 33.303 §6.1.3.3.1 step 4 (3)
    fn the_air_counts_from_1900() {
        let counter = UtcCounter::new(2 * 365 * 86_400);
        assert_eq!(counter.on_air(), 2_272_060_800);
        assert_eq!(UtcCounter::from_air(counter.on_air()), counter);
        let counter = UtcCounter::new(0x0102_0304);
        assert_eq!((counter.lsb(LsbWidth::Four), counter.lsb(LsbWidth::Eight)), (0x4, 0x84));
    }

    #[test]
    // TS 33.303 §6.2.3.6.1 (2)
    fn count_is_identity_then_sn() {
        let count = Count::from_parts(0x1234, 0xabcd);
        assert_eq!((count.value(), count.identity(), count.sn()), (0x1234_abcd, 0x1234, 0xabcd));
    }
}
