//! Numbers as people type them: `50`, `15.36M`, `5.92e9`, `2.4G`, `10k`.

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A finite number that may be written with a suffix k, M or G.
///
/// In TOML and JSON it is a number, or a string with such a number in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Number(pub f64);

/// Text that is not a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotANumber(String);

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no number; write it like 15.36M, 1.92e6, 2.4G or 50", self.0)
    }
}

impl std::error::Error for NotANumber {}

impl FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let bad = || NotANumber(text.to_owned());
        let trimmed = text.trim();
        let (digits, factor) = match trimmed.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (&trimmed[..at], 1e3),
            Some((at, 'M')) => (&trimmed[..at], 1e6),
            Some((at, 'G')) => (&trimmed[..at], 1e9),
            _ => (trimmed, 1.0),
        };
        // `f64` would also read "inf" and "nan".
        if !digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E')) {
            return Err(bad());
        }
        let value = digits.parse::<f64>().map_err(|_| bad())? * factor;
        if value.is_finite() { Ok(Self(value)) } else { Err(bad()) }
    }
}

impl Number {
    /// Formats the number with a unit, as in `15.36 MS/s`.
    pub fn with_unit(self, unit: &str) -> String {
        let text = self.to_string();
        match text.strip_suffix(['k', 'M', 'G']) {
            Some(digits) => format!("{digits} {}{unit}", &text[digits.len()..]),
            None => format!("{text} {unit}"),
        }
    }
}

impl fmt::Display for Number {
    /// Formats the number with the suffix that keeps it short: the inverse of [`Number::from_str`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (suffix, factor) in [("G", 1e9), ("M", 1e6), ("k", 1e3)] {
            let scaled = self.0 / factor;
            if scaled.abs() >= 1.0 && scaled * factor == self.0 {
                let text = scaled.to_string();
                if text.parse::<f64>() == Ok(scaled) && text.len() <= 12 {
                    return write!(f, "{text}{suffix}");
                }
            }
        }
        write!(f, "{}", self.0)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number such as 15.36e6 or \"15.36M\"")
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Number, E> {
                if v.is_finite() {
                    Ok(Number(v))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(v), &self))
                }
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Number, E> {
                v.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn suffixes_scale() {
        let cases = [
            ("15.36M", 15.36e6),
            ("5.92e9", 5.92e9),
            ("2.4G", 2.4e9),
            ("10k", 1e4),
            ("10K", 1e4),
            ("-500", -500.0),
            (" 50 ", 50.0),
            ("1e3k", 1e6),
        ];
        for (text, value) in cases {
            assert_eq!(text.parse(), Ok(Number(value)), "{text}");
        }
    }

    #[test]
    fn units_take_the_suffix() {
        assert_eq!(Number(15.36e6).with_unit("S/s"), "15.36 MS/s");
        assert_eq!(Number(50.0).with_unit("Hz"), "50 Hz");
    }

    #[test]
    fn nonsense_is_refused_with_the_way_to_write_it() {
        for text in
            ["", "M", "k", "inf", "nan", "NaN", "0x10", "1,5M", "15.36 MHz", "1e400", "é", "1M5", "1 M x"]
        {
            let error = text.parse::<Number>().unwrap_err().to_string();
            assert!(error.contains("15.36M"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(value in prop::num::f64::NORMAL) {
            let back: Number = Number(value).to_string().parse().unwrap();
            prop_assert!((back.0 / value - 1.0).abs() < 1e-15);
        }

        #[test]
        fn any_text_is_taken_or_refused(text: String) {
            let _ = text.parse::<Number>();
        }
    }
}
