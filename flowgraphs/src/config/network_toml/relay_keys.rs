//! `[network.relay-keys]`: KDs of links between remote UE and relay, by way of the PKMF. TS 33.303 §6.7.3.

use super::{NetworkConfig, server};
use crate::config::ConfigError;
use serde::Deserialize;
use sidelink_network::identity::Fqdn;
use sidelink_network::remote_ue::ImsiPolicy;
use std::net::SocketAddr;

/// Where a UE gets the keys of links between remote UE and relay.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RelayKeysConfig {
    /// `remote`: this UE has a PRUK; `relay`: it asks for the KDs of others.
    pub role: RelayKeysRole,
    /// A remote UE: when it shows its IMSI to a relay.
    #[serde(default)]
    pub imsi: ShowImsi,
    /// Seconds that a KD lives at most; it ends with its link before.
    #[serde(default = "kd_lifetime")]
    pub kd_lifetime: u32,
    /// A remote UE: milliseconds after which a relay is asked again when the link to it ended or came to nothing.
    #[serde(default)]
    pub again: Option<u64>,
}

/// What a UE is to the PKMF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayKeysRole {
    /// A remote UE.
    Remote,
    /// A relay.
    Relay,
}

/// When a remote UE shows its IMSI to a relay, and so to everybody who listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShowImsi {
    /// Never.
    Never,
    /// While it has no PRUK.
    WithoutPruk,
    /// Also when a holder of the keys of relay discovery says that its PRUK ID is unknown.
    #[default]
    WhenProven,
    /// When anybody says so: TS 33.303 §6.7.3.2.1.1 step 3.
    WhenRejected,
}

impl From<ShowImsi> for ImsiPolicy {
    fn from(show: ShowImsi) -> Self {
        match show {
            ShowImsi::Never => Self::Never,
            ShowImsi::WithoutPruk => Self::WithoutPruk,
            ShowImsi::WhenProven => Self::WhenProven,
            ShowImsi::WhenRejected => Self::WhenRejected,
        }
    }
}

fn kd_lifetime() -> u32 {
    86_400
}

const PLACE: &str = "[network.relay-keys]";

impl NetworkConfig {
    /// Returns the name of the PKMF that relays and remote UEs ask, and its address.
    ///
    /// # Errors
    /// One of them is missing, or not the name of a host.
    pub fn relay_pkmf(&self) -> Result<(Fqdn, SocketAddr), ConfigError> {
        server("[network.relay-keys] needs", "pkmf", 8444, (self.pkmf, self.pkmf_name.as_deref()))
    }
}

impl RelayKeysConfig {
    /// Looks whether all of it can be.
    ///
    /// # Errors
    /// What cannot.
    pub fn check(&self) -> Result<(), ConfigError> {
        let of_remote = [("imsi", self.imsi != ShowImsi::default()), ("again", self.again.is_some())];
        match of_remote.iter().find(|(_, said)| *said) {
            Some((key, _)) if self.role == RelayKeysRole::Relay => {
                let what = format!("{key} belongs to a remote UE");
                Err(ConfigError::new(what, PLACE, "leave it out, or say role = \"remote\""))
            }
            _ if self.kd_lifetime == 0 => {
                Err(ConfigError::new("kd-lifetime = 0", PLACE, "say at least a second"))
            }
            _ => Ok(()),
        }
    }
}
