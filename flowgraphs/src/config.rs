//! The radio configuration: knowledge of a receiver or a transmitter besides the samples.
//!
//! One set of types is read from TOML (`--config`, the `[radio]` table of a scenario), from the SigMF `sidelink:` keys
//! and from flags, and written to SigMF. Names follow RRC (TS 36.331 §6.3.8) without its suffixes. [`RadioConfig`]
//! holds the given keys, possibly incomplete; [`Radio`] is its meaning, in the types of the modem.
//!
//! ```text
//! pools.rs     the tables of the pools, and their meaning
//! resolve.rs   RadioConfig -> Radio: everything checked, every message names the key
//! combine.rs   flags, file and SigMF combined; contradictions named
//! sigmf.rs     to and from the `sidelink:` keys
//! text.rs      TOML and JSON, their errors as ConfigError
//! types.rs     Bitmap, OneOrMany, CyclicPrefixName
//! ue_toml.rs   ue.toml, and a UE made from it                  ue_toml/
//! links.rs     [[link]] of it; link_rules.rs [links]; groups.rs [[group]]
//! v2x_flag.rs  --v2x-pool size=10,num=5,..
//! ```

mod combine;
pub mod eap;
mod error;
mod groups;
mod identity;
mod link_rules;
mod links;
pub mod network_toml;
mod pools;
mod relay;
mod resolve;
mod sigmf;
#[cfg(test)]
mod tests;
mod text;
mod types;
pub(crate) mod u2u;
pub mod ue_toml;
mod v2x_flag;

pub use combine::{Said, combine};
pub use error::ConfigError;
pub use groups::{
    GroupConfig, GroupKind, GroupMember, GroupPlan, GroupRole, GroupSolution, LongMessageWay, LongMessages,
    PlannedAction,
};
pub use identity::{IdentityConfig, IdentityMethod};
pub use link_rules::LinkRules;
pub use links::LinkConfig;
pub(crate) use pools::set_timing;
pub use pools::{CommunicationConfig, DiscoveryConfig, HoppingSection, PrbSet, SyncConfig, V2xConfig};
pub use relay::{RelayKeying, RelayModel, RelayRoleName, RelaySection};
pub(crate) use resolve::slss_id;
pub use resolve::{Communication, Discovery, Radio, Sync, receiver_config};
pub use sigmf::{from_sigmf, to_sigmf};
pub(crate) use text::{parse_toml, read as read_text};
pub use types::{Bitmap, CyclicPrefixName, OneOrMany};
pub use u2u::UeRelayConfig;

use serde::{Deserialize, Serialize};
use sidelink_radio::number::Number;
use std::path::Path;

/// The given keys of the radio configuration. Every key is optional: a receiver searches for missing values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RadioConfig {
    /// Channel bandwidth in PRBs: 6, 15, 25, 50, 75 or 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prb: Option<u32>,
    /// Samples a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Number>,
    /// Centre frequency in Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Number>,
    /// Transmission mode, 1 to 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tm: Option<u8>,
    /// Cyclic prefix of every channel without one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cp: Option<CyclicPrefixName>,
    /// Synchronisation signals and PSBCH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncConfig>,
    /// Pools of modes 1 and 2.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub communication: Vec<CommunicationConfig>,
    /// Discovery pools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub discovery: Vec<DiscoveryConfig>,
    /// The pool of modes 3 and 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v2x: Option<V2xConfig>,
    /// Further pools of modes 3 and 4 on the carrier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub v2x_also: Vec<V2xConfig>,
}

impl RadioConfig {
    /// Reads a TOML text: the keys at the top, or in a table `[radio]` as in a scenario (other tables are then ignored).
    ///
    /// # Errors
    /// The line, and the nearest key that exists.
    pub fn from_toml(text: &str, name: &str) -> Result<Self, ConfigError> {
        #[derive(Deserialize)]
        struct Scenario {
            radio: RadioConfig,
        }
        match text.parse::<toml::Table>() {
            Ok(table) if table.contains_key("radio") => Ok(parse_toml::<Scenario>(text, name)?.radio),
            _ => parse_toml(text, name),
        }
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    /// As [`Self::from_toml`], or that there is no such file.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        Self::from_toml(&read_text(path)?, &path.display().to_string())
    }

    /// Returns samples a second, if given.
    pub fn sample_rate(&self) -> Option<f64> {
        self.rate.map(|r| r.0)
    }
}
