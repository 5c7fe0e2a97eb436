//! `[[aaa.relays]]` and `[[aaa.remotes]]`: which relays serve whom, and who makes the KD. TR 33.833 §6.5.1.

use serde::Deserialize;
use sidelink_network::identity::Imsi;
use sidelink_network::radius::Client;
use sidelink_network::relay_access::{self, KdMaker, RelayAccess, RelayGrant, RemoteGrant};
use sidelink_wire::relay_keying::MAX_NAME;

use super::AaaText;
use crate::config::ConfigError;
use crate::config::pkmf::codes;

/// Seconds that a KD lives.
const LIFETIME: u32 = 3600;

/// Who makes the KD.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KdMakerText {
    /// The network, for one relay and service.
    #[default]
    Network,
    /// The relay, from the MSK that it gets: the draft.
    Relay,
}

/// A relay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RelayText {
    name: String,
    codes: Vec<String>,
}

/// A subscriber who may use relays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RemoteText {
    imsi: String,
    name: String,
    codes: Vec<String>,
}

impl AaaText {
    /// Returns which relays serve whom.
    pub(super) fn relays(&self, clients: &[Client]) -> Result<RelayAccess, ConfigError> {
        let relays = self.relays.iter().map(RelayText::resolve).collect::<Result<Vec<_>, _>>()?;
        let remotes = self.remotes.iter().map(RemoteText::resolve).collect::<Result<Vec<_>, _>>()?;
        let is_client = |name: &[u8]| clients.iter().any(|client| client.relay.as_deref() == Some(name));
        if let Some(relay) = relays.iter().find(|relay| !is_client(&relay.name)) {
            let place = format!("relay {:?}", String::from_utf8_lossy(&relay.name));
            let remedy = "add relay = \"NAME\" to its [[aaa.clients]]";
            return Err(ConfigError::new("no client is this relay", place, remedy));
        }
        let is_relay = |name: &[u8]| relays.iter().any(|relay| relay.name == name);
        if let Some(name) = clients.iter().filter_map(|c| c.relay.as_deref()).find(|name| !is_relay(name)) {
            let place = format!("client {:?}", String::from_utf8_lossy(name));
            return Err(ConfigError::new("it serves nothing", place, "add [[aaa.relays]] with its codes"));
        }
        let lifetime = self.kd_lifetime_s.unwrap_or(LIFETIME);
        if lifetime == 0 {
            let remedy = format!("say seconds, such as {LIFETIME}");
            return Err(ConfigError::new("a KD that does not live", "kd-lifetime-s", remedy));
        }
        let maker = match self.kd_maker {
            KdMakerText::Network => KdMaker::Network,
            KdMakerText::Relay => KdMaker::Relay,
        };
        Ok(RelayAccess::new(relay_access::Config { relays, remotes, maker, lifetime }))
    }
}

impl RelayText {
    fn resolve(&self) -> Result<RelayGrant, ConfigError> {
        let place = format!("relay {:?}", self.name);
        Ok(RelayGrant { name: name(&self.name, &place)?, services: codes(&self.codes, &place)? })
    }
}

impl RemoteText {
    fn resolve(&self) -> Result<RemoteGrant, ConfigError> {
        let place = format!("remote {:?}", self.imsi);
        let imsi = Imsi::new(&self.imsi);
        let imsi = imsi.map_err(|e| ConfigError::new(e.to_string(), &place, "correct it"))?;
        Ok(RemoteGrant { imsi, name: name(&self.name, &place)?, services: codes(&self.codes, &place)? })
    }
}

/// A name on the air.
fn name(text: &str, place: &str) -> Result<Vec<u8>, ConfigError> {
    if !(1..=MAX_NAME).contains(&text.len()) {
        let what = format!("a name of {} octets", text.len());
        return Err(ConfigError::new(what, place, format!("write 1 to {MAX_NAME} octets")));
    }
    Ok(text.as_bytes().to_vec())
}
