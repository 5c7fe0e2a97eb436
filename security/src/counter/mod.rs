//! Counters and time: what makes every protected frame different from every other.
//!
//! - [`Count`] is COUNT of TS 36.323 §5.6.1, [`UtcCounter`] the UTC-based counter of discovery, [`UtcTime`] the finer
//!   time from which both the counter and a rotation period follow. None of them is read from a clock here.
//! - [`replay`] keeps a window of what was received.
//! - [`reserve`] hands out counters for sending that no crash can hand out again.
//! - [`memory`] keeps them for tests and benchmarks, which may lose them.
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
    /// From 32 bits.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// From PTK identity or KD-sess identity, and PDCP SN.
    // TS 33.303 §6.2.3.6.1 (2); TS 36.323 §6.3.5
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

/// UTC-based counter: seconds of UTC, 32 bits. The counter of a discovery message is that of the first subframe of its
/// slot; repetitions share it. Here it counts from 1970; on the air it does from 1900, see [`Self::on_air`].
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

    /// As messages and derivations have it: the 32 least significant bits of the UTC of TS 36.331. TS 24.334 §12.2.2.18.
    /// That counts from 1900-01-01 (T_ref of TS 36.331 §5.10.14; that its SIB16 does too is from memory).
    // TS 24.334 §12.2.2.18; TS 33.303 §6.1.3.3.1 step 4 (3)
    pub const fn on_air(self) -> u32 {
        self.0.wrapping_add(SECONDS_FROM_1900_TO_1970)
    }

    /// The counter that is this one on the air.
    pub const fn from_air(seconds: u32) -> Self {
        Self(seconds.wrapping_sub(SECONDS_FROM_1900_TO_1970))
    }

    /// The least significant bits, which a discovery message carries; what else is in the octet is zero.
    // TS 24.334 §12.2.2.22 (1); TS 24.334 §12.2.2.22 (2); TS 33.303 §6.1.3.3.1 step 5 (2)
    pub const fn lsb(self, width: LsbWidth) -> u8 {
        self.on_air() as u8 & width.mask()
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

    /// The counter nearest to `self` whose least significant bits are those of `lsb`; what else is in the octet is spare.
    ///
    /// Of two that are as near the lower one is taken: 8 below wins over 8 above, or 128. Near the ends of the range the
    /// nearest that exists is.
    // TS 33.303 §6.1.3.3.1 step 11 (2)
    pub const fn rebuild(self, lsb: u8, width: LsbWidth) -> Self {
        let spare = 8 - width.bits();
        // As a signed number of so many bits.
        let ahead = ((lsb.wrapping_sub(self.lsb(width)) << spare) as i8 >> spare) as i32;
        match self.0.checked_add_signed(ahead) {
            Some(value) => Self(value),
            // Only so near to 0 or 2^32: step one alias towards the inside.
            None if ahead < 0 => Self((self.0 as i64 + ahead as i64 + (1 << width.bits())) as u32),
            None => Self((self.0 as i64 + ahead as i64 - (1 << width.bits())) as u32),
        }
    }
}

/// Seconds from 1900-01-01 to 1970-01-01: a multiple of 16, so that the 4 least significant bits are the same.
const SECONDS_FROM_1900_TO_1970: u32 = 2_208_988_800;

/// How many of the counter's least significant bits a discovery message carries. TS 24.334 §12.2.2.22. (TS 33.303 §6.1.3.4
/// speaks of four in restricted discovery too; the field of stage 3 has eight.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LsbWidth {
    /// Open discovery: the others are spare, sent as zero and ignored (§12.1A).
    Four,
    /// Restricted and public-safety discovery.
    Eight,
}

impl LsbWidth {
    /// Of a message of this type: discovery type 01 is open discovery. TS 24.334 §12.2.2.10.
    pub const fn of(message_type: u8) -> Self {
        if message_type >> 6 == 0b01 { Self::Four } else { Self::Eight }
    }

    const fn bits(self) -> u32 {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// The bits of the octet that count.
    pub const fn mask(self) -> u8 {
        0xff >> (8 - self.bits())
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
        // TS 33.303 §6.1.3.3.1 step 11 (2)
        fn rebuilt_counter_is_the_nearest(local: u32, lsb: u8, open: bool) {
            let (width, modulus) = if open { (LsbWidth::Four, 16) } else { (LsbWidth::Eight, 256) };
            let rebuilt = UtcCounter::new(local).rebuild(lsb, width);
            prop_assert_eq!(u32::from(rebuilt.lsb(width)), u32::from(lsb) % modulus);
            // The definition, dumber: the nearest of all within two aliases, the lower on a tie.
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
