//! UTC as microseconds since 1970, and as ISO 8601 text. There is no clock here: the caller provides the time.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

/// A moment: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcMicros(pub u64);

const PER_SECOND: u64 = 1_000_000;
const PER_DAY: u64 = 86_400 * PER_SECOND;

/// Days of the Gregorian calendar in 400 years.
const DAYS_400_YEARS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

impl fmt::Display for UtcMicros {
    /// Formats as `2026-11-21T08:30:00.250000Z`, the form of SigMF's `core:datetime`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.0 / PER_DAY);
        let second = self.0 % PER_DAY / PER_SECOND;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let micros = self.0 % PER_SECOND;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

/// A text that is not a UTC date and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseTimeError {
    text: String,
}

impl fmt::Display for ParseTimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no date and time since 1970 such as 2026-11-21T08:30:00.25Z", self.text)
    }
}

impl std::error::Error for ParseTimeError {}

impl FromStr for UtcMicros {
    type Err = ParseTimeError;

    /// Parses `YYYY-MM-DDThh:mm:ss`, an optional fraction, and `Z` or an offset `+hh:mm`. Digits beyond microseconds
    /// are dropped.
    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        parse(text).ok_or_else(|| ParseTimeError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<UtcMicros> {
    let (date, rest) = (text.get(..10)?, text.get(10..)?);
    let [year, month, day] = split_numbers(date, '-')?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let [hour, minute, second] = split_numbers(rest.get(..8)?, ':')?;
    let rest = rest.get(8..)?;
    // 60 is a leap second; it becomes the first second of the next minute.
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    let days = days_since_1970(year, month, day);
    if date_of(days) != (year, month, day) {
        return None;
    }
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (fraction, zone) = rest.split_at(zone_at);
    let micros = ((days * 24 + hour) * 60 + minute) * 60 * PER_SECOND
        + second * PER_SECOND
        + fraction_micros(fraction)?;
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let [hours, minutes] = split_numbers(zone.get(1..)?, ':')?;
            (hours <= 23 && minutes <= 59).then_some((hours * 60 + minutes) * 60 * PER_SECOND)?
        }
    };
    // A clock east of Greenwich is ahead of UTC.
    let utc = if zone.starts_with('+') { micros.checked_sub(offset)? } else { micros + offset };
    Some(UtcMicros(utc))
}

/// Splits into exactly `N` unsigned decimal numbers, each of two digits or (a year) four.
fn split_numbers<const N: usize>(text: &str, separator: char) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for number in &mut numbers {
        let part = parts.next()?;
        let digits = matches!(part.len(), 2 | 4) && part.bytes().all(|b| b.is_ascii_digit());
        *number = if digits { part.parse().ok()? } else { return None };
    }
    parts.next().is_none().then_some(numbers)
}

/// Parses nothing, or `.` and digits, as microseconds.
fn fraction_micros(text: &str) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(['.', ','])?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(
        digits
            .bytes()
            .chain(std::iter::repeat(b'0'))
            .take(6)
            .fold(0, |sum, b| sum * 10 + u64::from(b - b'0')),
    )
}

/// Returns (year, month 1..12, day 1..31) of a day since 1970. Years are counted from March: the leap day is the last.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days / DAYS_400_YEARS, days % DAYS_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Inverts [`date_of`] for year >= 1970 and month 1..12; a day beyond the month's end runs into the next.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5 + day.saturating_sub(1);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * DAYS_400_YEARS + day_of_era).saturating_sub(DAYS_TO_1970)
}
