//! Transmissions of several UEs: from TOML to samples with their ground truth.
//!
//! A [`Scenario`] is a radio configuration, a length and a list of UEs, each with its place in the air and its
//! transmissions. A [`Generator`] makes it subframe by subframe: [`Generator::next_subframe`] fills in the samples and
//! returns the [`Event`]s in them, for any length.
//!
//! ```text
//! ue.rs            the tables of a UE, as they are written
//! payload.rs       what is in a transport block
//! protected.rs     what is protected by keys instead: the layer 2 of every UE
//! sources.rs       when and where each entry sends: one planner per channel    sources/{sync,discovery,communication,v2x,period}.rs
//! truth.rs         what was sent where: its words, its fields, its annotation
//! generator.rs     all UEs through their paths, added up, with noise
//! example_*.toml   output of `sidelink generate --example`
//! ```

mod generator;
mod payload;
mod protected;
mod sources;
#[cfg(test)]
mod tests;
mod truth;
mod ue;

pub use generator::Generator;
pub use payload::Payload;
pub use protected::Secrets;
pub use sidelink_radio::air::Channel;
pub use truth::Event;
pub use ue::{
    Choice, CommunicationEntry, DiscoveryEntry, ProtectedData, ProtectedMessage, SduKind, SyncEntry, Type2b,
    Ue, V2xEntry,
};

use crate::config::{ConfigError, RadioConfig, parse_toml};
use serde::Deserialize;
use sidelink_radio::number::Number;
use std::path::Path;

/// A D2D scenario (modes 1 and 2, discovery) with comments.
pub const EXAMPLE_D2D: &str = include_str!("scenario/example_d2d.toml");

/// A V2X scenario (modes 3 and 4) with comments.
pub const EXAMPLE_V2X: &str = include_str!("scenario/example_v2x.toml");

/// A scenario whose messages and data a key store protects, with the commands that make one.
pub const EXAMPLE_PROTECTED: &str = include_str!("scenario/example_protected.toml");

/// Several UEs and the air between them and the receiver.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// Length in subframes of 1 ms.
    pub duration: u64,
    /// Number of the first subframe, 10 DFN + subframe, 0 to 10239.
    #[serde(default)]
    pub first_subframe: u32,
    /// Seed of noise, fading, payloads and random resources.
    #[serde(default = "one")]
    pub seed: u64,
    /// Es/N0 of a resource element of a UE with gain 0, in dB; without it the scenario is free of noise.
    #[serde(default)]
    pub snr: Option<f64>,
    /// Carrier offset of all transmissions in Hz, positive if the receiver's carrier is too low.
    #[serde(default)]
    pub cfo: Number,
    /// Delay of all transmissions in samples.
    #[serde(default)]
    pub delay: Number,
    /// Channel of the UEs without one of their own: `awgn`, `epa5`, `eva70`, `etu300`, ..
    #[serde(default)]
    pub channel: Channel,
    /// Receive antennas of the recording, 1 to 4, each a channel of it.
    #[serde(default = "one_antenna")]
    pub antennas: usize,
    /// Correlation between the outermost antennas where the channel fades: 0 (independent) to 1 (alike).
    #[serde(default)]
    pub correlation: f64,
    /// Description in the recording's metadata.
    #[serde(default)]
    pub description: Option<String>,
    /// The radio configuration.
    pub radio: RadioConfig,
    /// The UEs.
    #[serde(default)]
    pub ue: Vec<Ue>,
}

fn one() -> u64 {
    1
}

fn one_antenna() -> usize {
    1
}

impl Scenario {
    /// Reads a TOML text; `name` is that of the file.
    ///
    /// # Errors
    /// The line, and the nearest key that exists.
    pub fn from_toml(text: &str, name: &str) -> Result<Self, ConfigError> {
        parse_toml(text, name)
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    /// As [`Self::from_toml`], or that there is no such file.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        Self::from_toml(&crate::config::read_text(path)?, &path.display().to_string())
    }

    /// Whether any content is protected by keys, and whether any of it needs counters that are never used twice.
    pub fn needs_keys(&self) -> (bool, bool) {
        let data = self.ue.iter().flat_map(|ue| &ue.communication).any(|entry| entry.protected.is_some());
        let messages = self.ue.iter().flat_map(|ue| &ue.discovery).any(|entry| entry.protected.is_some());
        (data || messages, data)
    }
}
