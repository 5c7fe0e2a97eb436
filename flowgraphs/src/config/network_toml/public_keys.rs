//! `[network.public-keys]`: keys of signed discovery that a UE registers, and whose it fetches.

use crate::config::ConfigError;
use serde::Deserialize;
use sidelink_network::pc3::{Imsi, Rpauid};
use sidelink_network::public_keys::{ClientConfig, KeyName};
use sidelink_store::RotationName;

/// Public keys of signed discovery, by way of the ProSe Function (TR 33.833 §6.2.3).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PublicKeysConfig {
    /// Names whose keys are fetched: users (RPAUIDs) and ProSe Application IDs.
    #[serde(default)]
    pub follow: Vec<String>,
    /// Keys of its own that are registered.
    #[serde(default)]
    pub register: Vec<RegisteredKey>,
    /// How those that are followed send their announcements.
    #[serde(default)]
    pub rotation: RotationName,
    /// Seconds between two questions for the list of revoked keys; the default is an hour.
    #[serde(default)]
    pub list_every_s: Option<u32>,
}

/// A key that is registered.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisteredKey {
    /// The signed entry of the key store, with its private key.
    pub entry: String,
    /// The name that the subscription has: the user or a ProSe Application ID.
    pub name: String,
}

impl PublicKeysConfig {
    /// Returns the settings of the UE's end.
    ///
    /// # Errors
    /// Nothing is registered and nobody followed.
    pub fn client(&self, ue: Imsi, watcher: Option<Rpauid>) -> Result<ClientConfig, ConfigError> {
        if self.follow.is_empty() && self.register.is_empty() {
            let remedy = "add follow = [\"NAME\"], or [[network.public-keys.register]]";
            return Err(ConfigError::new("no key is asked for", "[network.public-keys]", remedy));
        }
        let mut config = ClientConfig::new(ue, watcher);
        if let Some(seconds) = self.list_every_s {
            config.list_interval = u64::from(seconds.max(1)) * 1000;
        }
        Ok(config)
    }

    /// Reads a name.
    ///
    /// # Errors
    /// Its length, or a character in it.
    pub fn name(text: &str) -> Result<KeyName, ConfigError> {
        let place = format!("[network.public-keys] {text:?}");
        KeyName::new(text).map_err(|e| ConfigError::new(e.to_string(), place, "correct it"))
    }
}
