//! Common values of several tables.

use super::error::ConfigError;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use sidelink_phy::units::CyclicPrefix;
use std::fmt;
use std::str::FromStr;

/// A subframe bitmap: a text of 0 and 1, the first subframe first. Blanks and underscores between them are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap(pub Vec<bool>);

impl Bitmap {
    const HOW: &'static str = "a text of 0 and 1, the first subframe first, such as \"0110 0000\"";

    /// Whether it contains no subframe.
    pub fn is_zero(&self) -> bool {
        !self.0.contains(&true)
    }
}

impl FromStr for Bitmap {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let bits = text.chars().filter(|c| !matches!(c, ' ' | '_'));
        let bits: Option<Vec<bool>> = bits
            .map(|c| match c {
                '0' => Some(false),
                '1' => Some(true),
                _ => None,
            })
            .collect();
        bits.filter(|b| !b.is_empty()).map(Self).ok_or_else(|| {
            ConfigError::new(format!("{text:?} is no bitmap"), "", format!("a bitmap is {}", Self::HOW))
        })
    }
}

impl fmt::Display for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&b| f.write_str(if b { "1" } else { "0" }))
    }
}

impl Serialize for Bitmap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bitmap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Bitmap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Bitmap::HOW)
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Bitmap, E> {
                v.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// `normal` or `extended`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum CyclicPrefixName {
    /// 14 symbols a subframe.
    Normal,
    /// 12 symbols a subframe.
    Extended,
}

impl From<CyclicPrefixName> for CyclicPrefix {
    fn from(name: CyclicPrefixName) -> Self {
        match name {
            CyclicPrefixName::Normal => Self::Normal,
            CyclicPrefixName::Extended => Self::Extended,
        }
    }
}

impl From<CyclicPrefix> for CyclicPrefixName {
    fn from(cp: CyclicPrefix) -> Self {
        match cp {
            CyclicPrefix::Normal => Self::Normal,
            CyclicPrefix::Extended => Self::Extended,
        }
    }
}

impl fmt::Display for CyclicPrefixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::Extended => "extended",
        })
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "one value or a list of values of that kind")]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// Returns all values.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}
