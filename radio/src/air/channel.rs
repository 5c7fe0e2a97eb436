//! The channel between two UEs, by its name.

use serde::{Deserialize, Deserializer, de};
use sidelink_phy::impair::fading::ChannelModel;

/// A propagation condition by its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel(pub ChannelModel);

impl Default for Channel {
    fn default() -> Self {
        Self(ChannelModel::Awgn)
    }
}

impl std::str::FromStr for Channel {
    type Err = sidelink_phy::impair::fading::UnknownChannelModel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl serde::Serialize for Channel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
