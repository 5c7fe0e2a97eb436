//! Periods of identity-based keys: a key management server makes the keys of an identity anew for each. Either lengths of
//! seconds from an offset (TS 33.180 Annex D.3.2.2, Annex F.2.1), or months of the calendar (RFC 6509 §3.2).
//!
//! Around the end of a period two keys are in use: the next ones are given out and accepted from two days before, the
//! last ones are accepted for two days more. For months that is the recommendation of RFC 6509 §3.3: from the
//! second-to-last day of a month, and until the second of the next.
//!
//! How the octets that keys are made for follow from a name goes with it: a hash with periods of seconds (UserIdFormat 2),
//! month and telephone number with months.

use std::num::NonZeroU32;

use jiff::ToSpan;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::counter::UtcTime;
use crate::identity::uid::{self, uid};

/// Seconds from the first second of 1900, where NTP counts from, to that of 1970. RFC 5905 §6.
pub const NTP_TO_UNIX: u64 = 2_208_988_800;

/// Longest overlap of two periods, milliseconds. RFC 6509 §3.3.
pub const OVERLAP: u64 = 2 * 86_400_000;

/// First period of months: January 1900, as the offset of TS 33.180 counts. Ours: RFC 6509 writes out year and month.
const FIRST_YEAR: i16 = 1900;

/// How time is cut into periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPeriods {
    /// Months of the calendar, UTC. RFC 6509 §3.2.
    Months,
    /// A length and an offset from the first second of 1900, both in seconds: UserKeyPeriod and UserKeyOffset.
    /// TS 33.180 Annex D.3.2.2.
    Seconds {
        /// Length of a period.
        length: NonZeroU32,
        /// Start of period 0.
        offset: u32,
    },
}

/// A period: its number, its first moment, and the first after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPeriod {
    /// KeyPeriodNo; for months, months since January 1900.
    pub number: u32,
    /// First moment.
    pub from: UtcTime,
    /// First moment after it.
    pub until: UtcTime,
}

impl KeyPeriods {
    /// Returns the period of a time; none before the offset, or beyond the calendar.
    pub fn at(self, time: UtcTime) -> Option<KeyPeriod> {
        let number = match self {
            Self::Months => {
                let date = date_of(time)?;
                let years = u32::try_from(date.year() - FIRST_YEAR).ok()?;
                years * 12 + u32::from(date.month().unsigned_abs()) - 1
            }
            Self::Seconds { length, offset } => {
                let since = (time.millis() / 1000 + NTP_TO_UNIX).checked_sub(u64::from(offset))?;
                u32::try_from(since / u64::from(length.get())).ok()?
            }
        };
        self.numbered(number)
    }

    /// Returns the period of a number; none where it began before 1970, or is beyond the calendar.
    pub fn numbered(self, number: u32) -> Option<KeyPeriod> {
        match self {
            Self::Months => {
                let year = FIRST_YEAR.checked_add(i16::try_from(number / 12).ok()?)?;
                let date = Date::new(year, i8::try_from(number % 12).ok()? + 1, 1).ok()?;
                let next = date.checked_add(1.month()).ok()?;
                Some(KeyPeriod { number, from: time_of(date)?, until: time_of(next)? })
            }
            Self::Seconds { length, offset } => {
                let length = u64::from(length.get());
                let end = u64::from(offset) + length * (u64::from(number) + 1);
                // A period that was running as 1970 began counts from there.
                let from = (end - length).saturating_sub(NTP_TO_UNIX);
                let until = end.checked_sub(NTP_TO_UNIX).filter(|until| *until > 0)?;
                let at = |seconds: u64| seconds.checked_mul(1000).map(UtcTime::from_millis);
                Some(KeyPeriod { number, from: at(from)?, until: at(until)? })
            }
        }
    }

    /// Returns the periods whose keys a server gives out at a time: the present one, and the next from shortly before its
    /// start. Never more than one of the future. RFC 6509 §3.3.
    pub fn given_at(self, now: UtcTime) -> Vec<KeyPeriod> {
        let present = self.at(now);
        let next = present.and_then(|present| self.numbered(present.number.checked_add(1)?));
        present.into_iter().chain(next.filter(|next| now >= next.early())).collect()
    }

    /// Returns the octets that keys of a name are made for, in a period of a server: the UID of TS 33.180 Annex F.2.1, or
    /// month and telephone number (RFC 6509 §3.2). None where months meet a name that is no tel URI in its global form.
    pub fn identifier(self, uri: &str, kms: &str, period: &KeyPeriod) -> Option<Vec<u8>> {
        match self {
            Self::Months => {
                let digits = uri.strip_prefix("tel:+")?;
                let is_number =
                    (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
                let month = year_and_month(period).filter(|_| is_number)?;
                Some(format!("{month}\0{uri}\0").into_bytes())
            }
            Self::Seconds { length, offset } => {
                let periods = uid::EqualPeriods { length: length.into(), offset: offset.into() };
                Some(uid(uri, kms, periods, period.number.into()).to_vec())
            }
        }
    }
}

impl KeyPeriod {
    /// Milliseconds for which it overlaps with its neighbours: two days, or a quarter of a period that is short.
    const fn overlap(&self) -> u64 {
        let quarter = (self.until.millis() - self.from.millis()) / 4;
        if quarter < OVERLAP { quarter } else { OVERLAP }
    }

    /// Returns the first moment at which its keys are given out and accepted.
    pub const fn early(&self) -> UtcTime {
        self.from.minus_millis(self.overlap())
    }

    /// Returns the first moment at which its keys are no longer accepted.
    pub const fn late(&self) -> UtcTime {
        self.until.plus_millis(self.overlap())
    }

    /// Whether messages under its keys are made and accepted at a time. RFC 6509 §3.3.
    pub fn accepts(&self, now: UtcTime) -> bool {
        (self.early()..self.late()).contains(&now)
    }

    /// Whether it is the period of a time.
    pub fn contains(&self, now: UtcTime) -> bool {
        (self.from..self.until).contains(&now)
    }
}

/// Returns year and month as an identifier of RFC 6509 §3.2 has them: `2026-11`.
pub fn year_and_month(period: &KeyPeriod) -> Option<String> {
    let date = date_of(period.from)?;
    Some(format!("{:04}-{:02}", date.year(), date.month()))
}

fn date_of(time: UtcTime) -> Option<Date> {
    let seconds = i64::try_from(time.millis() / 1000).ok()?;
    Some(TimeZone::UTC.to_datetime(jiff::Timestamp::from_second(seconds).ok()?).date())
}

fn time_of(date: Date) -> Option<UtcTime> {
    let seconds = TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok()?.as_second();
    Some(UtcTime::from_millis(u64::try_from(seconds).ok()?.checked_mul(1000)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 86_400_000;

    fn at(text: &str) -> UtcTime {
        let time: jiff::Timestamp = text.parse().unwrap();
        UtcTime::from_millis(time.as_millisecond().try_into().unwrap())
    }

    fn seconds(length: u32, offset: u32) -> KeyPeriods {
        KeyPeriods::Seconds { length: length.try_into().unwrap(), offset }
    }

    #[test]
    fn a_month_is_one_of_the_calendar() {
        let november = KeyPeriods::Months.at(at("2026-11-29T21:00:00Z")).unwrap();
        assert_eq!((november.from, november.until), (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z")));
        assert_eq!(
            (november.number, year_and_month(&november).unwrap().as_str()),
            (126 * 12 + 10, "2026-11")
        );
        let february = KeyPeriods::Months.numbered(124 * 12 + 1).unwrap();
        assert_eq!(february.until.millis() - february.from.millis(), 29 * DAY, "2024 is a leap year");
        assert_eq!(KeyPeriods::Months.numbered(69 * 12 + 11), None, "before 1970");
        assert_eq!(KeyPeriods::Months.numbered(u32::MAX), None);
        assert_eq!(KeyPeriods::Months.at(UtcTime::from_millis(u64::MAX)), None);
    }

    /// New keys from the second-to-last day of the month, old ones until the second day of the next.
    #[test]
    fn two_months_overlap_by_the_days_of_rfc_6509() {
        let november = KeyPeriods::Months.at(at("2026-11-15T00:00:00Z")).unwrap();
        let december = KeyPeriods::Months.numbered(november.number + 1).unwrap();
        assert_eq!(december.early(), at("2026-11-29T00:00:00Z"));
        assert_eq!(november.late(), at("2026-12-03T00:00:00Z"));
        for (time, old, new) in [
            ("2026-11-28T23:59:59Z", true, false),
            ("2026-11-29T00:00:00Z", true, true),
            ("2026-12-02T23:59:59Z", true, true),
            ("2026-12-03T00:00:00Z", false, true),
        ] {
            let time = at(time);
            assert_eq!((november.accepts(time), december.accepts(time)), (old, new), "{time:?}");
        }
        let given = |time| -> Vec<u32> {
            KeyPeriods::Months.given_at(at(time)).iter().map(|period| period.number).collect()
        };
        assert_eq!(given("2026-11-28T23:59:59Z"), [november.number]);
        assert_eq!(given("2026-11-29T00:00:00Z"), [november.number, december.number]);
        assert_eq!(given("2026-12-01T00:00:00Z"), [december.number], "the old ones are given no more");
    }

    /// The number of a published key set: period 16777215 s, offset 0, number 236 (shared vectors, from 2025-05).
    #[test]
    fn a_length_of_seconds_counts_from_1900() {
        let period = seconds(16_777_215, 0).numbered(236).unwrap();
        assert_eq!(period.from.millis(), (236 * 16_777_215 - NTP_TO_UNIX) * 1000);
        assert_eq!(seconds(16_777_215, 0).at(period.from), Some(period));
        assert_eq!(seconds(16_777_215, 0).at(period.until).unwrap().number, 237);
        let shifted = seconds(604_800, 432_000).at(at("2014-02-23T08:39:14Z")).unwrap();
        assert_eq!(u64::from(shifted.number), (0xD6B4_3232 - 432_000) / 604_800);
        assert_eq!(seconds(1, u32::MAX).at(UtcTime::from_millis(0)), None, "before the offset");
        assert_eq!(seconds(100, 0).numbered(0), None, "in 1900");
    }

    /// The identifier of RFC 6507 Appendix A and RFC 6508 Appendix A.
    #[test]
    fn a_telephone_number_and_a_month_are_an_identifier() {
        let period = KeyPeriods::Months.at(at("2011-02-10T00:00:00Z")).unwrap();
        let of = |uri| KeyPeriods::Months.identifier(uri, "kms", &period);
        assert_eq!(of("tel:+447700900123").unwrap(), b"2011-02\0tel:+447700900123\0");
        for uri in
            ["tel:07700900123", "tel:+44-7700", "tel:+1;ext=2", "tel:+", "sip:+44@b", "tel:+1234567890123456"]
        {
            assert_eq!(of(uri), None, "{uri}");
        }
    }

    /// A published UID (shared vectors, of another implementation).
    #[test]
    fn a_uri_a_server_and_a_period_are_hashed() {
        let periods = seconds(16_777_215, 0);
        let period = periods.numbered(236).unwrap();
        let uid = periods.identifier("gms@streamwide.com", "kms.mydev.streamwide.com", &period).unwrap();
        let hex: String = uid.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(hex, "15a4d5b12856538d02d91fedbb766e6dd377b014c92e216666c8fb678608d20e");
    }

    #[test]
    fn a_short_period_overlaps_by_a_quarter() {
        let hour = seconds(3600, 0).at(at("2026-11-29T21:10:00Z")).unwrap();
        assert_eq!(hour.early(), at("2026-11-29T20:45:00Z"));
        assert_eq!(hour.late(), at("2026-11-29T22:15:00Z"));
    }

    proptest! {
        #[test]
        fn periods_follow_each_other_without_gap(
            time in 0..4_000_000_000_000_u64, length in 1..=100_000_000_u32, offset in 0..2_208_988_800_u32,
            months in any::<bool>(),
        ) {
            let periods = if months { KeyPeriods::Months } else { seconds(length, offset) };
            let time = UtcTime::from_millis(time);
            let period = periods.at(time).unwrap();
            prop_assert!(period.contains(time) && period.accepts(time));
            let next = periods.at(period.until).unwrap();
            prop_assert_eq!((next.number, next.from), (period.number + 1, period.until));
            prop_assert!(periods.given_at(time).len() <= 2);
            let accepted = (0..=3).filter_map(|ahead| periods.numbered((period.number + ahead).checked_sub(1)?));
            prop_assert!(accepted.filter(|period| period.accepts(time)).count() <= 2);
        }

        #[test]
        fn no_number_and_no_time_panics(time: u64, number: u32, length in 1..=u32::MAX, offset: u32) {
            for periods in [KeyPeriods::Months, seconds(length, offset)] {
                let _ = periods.given_at(UtcTime::from_millis(time));
                if let Some(period) = periods.numbered(number) {
                    prop_assert!(period.from < period.until && period.early() <= period.late());
                }
            }
        }
    }
}
