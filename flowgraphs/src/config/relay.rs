//! `[relay]` of `ue.toml`: what a UE is to relays.

use super::network_toml::RelayKeysRole;
use super::ue_toml::UeConfig;
use super::{ConfigError, OneOrMany};
use serde::Deserialize;
use sidelink_prose::direct_link::Identity;
use sidelink_prose::discovery::TimePolicy;
use sidelink_prose::relay::admission::AdmissionRules;
use sidelink_prose::relay::discovery::{Kind, Model, RelayProfile, ServiceKeys};
use sidelink_prose::relay::selection::{Rules, Strength};
use sidelink_security::counter::UtcCounter;
use sidelink_store::{Discovery, Hex, Keys, Protection};
use sidelink_ue::{RelayRole, Relays};
use sidelink_wire::ids::Layer2Id;

/// Largest number of remote UEs of a relay: what `[relay] most` may say.
const MOST: usize = 64;

/// What a UE is to relays.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RelaySection {
    /// `remote`: it uses a relay; `relay`: it is one.
    pub role: RelayRoleName,
    /// Relay Service Code, six hexadecimal digits; a relay may have several.
    pub service: OneOrMany<Hex>,
    /// User Info ID in discovery: at most six characters. Without it the name of the UE, where that is short enough.
    #[serde(default)]
    pub user_info: Option<String>,
    /// Whether relays announce themselves (`a`), are asked for (`b`), or both.
    #[serde(default)]
    pub model: RelayModel,
    /// Where the KD of a link comes from.
    #[serde(default)]
    pub keying: RelayKeying,
    /// A remote UE: what it calls itself towards the relay; without it the network's end says it.
    #[serde(default)]
    pub user: Option<String>,
    /// A remote UE: the User Info ID of the one relay that it uses.
    #[serde(default)]
    pub only: Option<String>,
    /// A remote UE: least SD-RSRP in dBm of the relay in use.
    #[serde(default = "threshold")]
    pub threshold: f32,
    /// A remote UE: decibels above the threshold that a relay needs to be selected.
    #[serde(default = "hysteresis")]
    pub hysteresis: f32,
    /// A remote UE: filterCoefficient, 0 to 19.
    #[serde(default = "filter")]
    pub filter: u8,
    /// A remote UE: T4110 in milliseconds.
    #[serde(default)]
    pub t4110: Option<u64>,
    /// A remote UE: T4109 in milliseconds.
    #[serde(default)]
    pub t4109: Option<u64>,
    /// A remote UE: milliseconds for which a relay that does not allow a link is not asked again.
    #[serde(default)]
    pub not_allowed: Option<u64>,
    /// A relay: largest number of remote UEs.
    #[serde(default = "most")]
    pub most: usize,
    /// A relay: ECGI of its cell, 14 hexadecimal digits, told as additional information.
    #[serde(default)]
    pub ecgi: Option<Hex>,
}

/// What a UE is to relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayRoleName {
    /// It uses one.
    Remote,
    /// It is one.
    Relay,
}

/// Model of the discovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayModel {
    /// Relays announce themselves.
    #[default]
    A,
    /// Remote UEs ask for relays.
    B,
    /// Both.
    Both,
}

/// Where the KD of a link to a relay comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayKeying {
    /// The PRUK of the remote UE: TS 33.303 §6.7.
    #[default]
    Pruk,
    /// EAP through the relay: TR 33.833 §6.5.1.
    Eap,
}

impl UeConfig {
    /// Looks whether the KDs of `[relay]` can come from where `keying` says.
    ///
    /// # Errors
    /// What brings them is missing, or is of another role.
    pub(crate) fn check_relay_keying(&self) -> Result<(), ConfigError> {
        let Some(relay) = &self.relay else { return Ok(()) };
        let (is_there, remedy) = match (relay.keying, relay.role) {
            (RelayKeying::Pruk, role) => {
                let wanted = match role {
                    RelayRoleName::Remote => RelayKeysRole::Remote,
                    RelayRoleName::Relay => RelayKeysRole::Relay,
                };
                let keys = self.network.as_ref().and_then(|network| network.relay_keys.as_ref());
                (
                    keys.is_some_and(|keys| keys.role == wanted),
                    "add [network.relay-keys] with the role of [relay]",
                )
            }
            (RelayKeying::Eap, RelayRoleName::Remote) => {
                (self.eap.as_ref().is_some_and(|eap| eap.remote.is_some()), "add [eap.remote]")
            }
            (RelayKeying::Eap, RelayRoleName::Relay) => {
                (self.eap.as_ref().is_some_and(|eap| eap.relay.is_some()), "add [eap.relay]")
            }
        };
        if is_there {
            return Ok(());
        }
        Err(wrong("nothing brings the KDs of its links", "keying", remedy))
    }
}

const fn threshold() -> f32 {
    -110.0
}

const fn hysteresis() -> f32 {
    3.0
}

const fn filter() -> u8 {
    4
}

const fn most() -> usize {
    8
}

impl RelaySection {
    /// Returns the Relay Service Codes.
    ///
    /// # Errors
    /// None, one that has another length, one that stands twice, or several of a remote UE.
    pub fn services(&self) -> Result<Vec<[u8; 3]>, ConfigError> {
        let mut services = Vec::new();
        for code in self.service.as_slice() {
            let code: [u8; 3] = code.0.as_slice().try_into().map_err(|_| {
                let what = format!("{} octets", code.0.len());
                wrong(what, "service", "a Relay Service Code has six hexadecimal digits")
            })?;
            if services.contains(&code) {
                return Err(wrong("a service stands twice", "service", "name each once"));
            }
            services.push(code);
        }
        match (self.role, services.len()) {
            (_, 0) => Err(wrong("no service", "service", "say service = \"000001\"")),
            (RelayRoleName::Remote, 2..) => {
                Err(wrong("several services", "service", "a remote UE looks for relays of one service"))
            }
            _ => Ok(services),
        }
    }

    /// Returns the User Info ID.
    ///
    /// # Errors
    /// It does not fit 48 bits.
    pub fn info(&self, ue: &str) -> Result<[u8; 6], ConfigError> {
        user_info(self.user_info.as_deref().unwrap_or(ue), "user-info")
    }

    /// Whether an entry of the key store belongs to the discovery of these relays, for this UE.
    fn claims(&self, entry: &Discovery, ue: &str) -> Result<Option<[u8; 3]>, ConfigError> {
        if entry.protection != Protection::PublicSafety || entry.revoked || !entry.is_for(ue) {
            return Ok(None);
        }
        if Kind::of(entry.message_type()?).is_none() {
            return Ok(None);
        }
        let code = entry.code()?;
        Ok(self.services()?.into_iter().find(|service| code[..3] == *service))
    }

    /// Returns the keys without what belongs to the discovery of relays.
    ///
    /// # Errors
    /// An entry that cannot be.
    pub fn without_own(&self, keys: &Keys, ue: &str) -> Result<Keys, ConfigError> {
        let mut others = keys.clone();
        others.discovery.clear();
        for entry in &keys.discovery {
            if self.claims(entry, ue)?.is_none() {
                others.discovery.push(entry.clone());
            }
        }
        Ok(others)
    }

    /// Returns the keys of each service.
    fn keys(&self, keys: &Keys, ue: &str) -> Result<Vec<ServiceKeys>, ConfigError> {
        let mut all = Vec::new();
        for service in self.services()? {
            let mut psdks = Vec::new();
            for entry in &keys.discovery {
                if self.claims(entry, ue)? == Some(service) {
                    psdks.push((UtcCounter::new(entry.valid_until), entry.material()?));
                }
            }
            if psdks.is_empty() {
                let code = sidelink_wire::hex::of_bytes(&service);
                let what = format!("the key store has no PSDK of the relay service {code} for {ue:?}");
                let remedy = format!(
                    "`sidelink keys new-relay NAME --service {code} --ue {ue} --ue ..` makes one, `keys import` brings it"
                );
                return Err(wrong(what, "service", &remedy));
            }
            all.push(ServiceKeys::new(service, psdks));
        }
        Ok(all)
    }

    /// Returns what the UE is to relays. `reference` is the SD-RSRP in dBm of a resource element of power 1.
    ///
    /// # Errors
    /// A value out of range, or a PSDK that is missing.
    pub fn relays(
        &self,
        ue: &str,
        source: Layer2Id,
        keys: &Keys,
        time: TimePolicy,
        reference: f32,
    ) -> Result<Relays, ConfigError> {
        self.check()?;
        let (info, model) = (self.info(ue)?, self.model());
        let mut services = self.keys(keys, ue)?;
        let role = match self.role {
            RelayRoleName::Remote => {
                let keys = services.swap_remove(0);
                let user = self.user.as_deref().map(Identity::user);
                RelayRole::Remote { keys, info, model, rules: self.rules()?, user }
            }
            RelayRoleName::Relay => RelayRole::Relay {
                profile: RelayProfile {
                    model,
                    ecgi: self.ecgi()?,
                    ..RelayProfile::new(services, info, source.octets())
                },
                admission: AdmissionRules::new(self.services()?, self.most),
            },
        };
        Ok(Relays::new(role, time, Strength(reference)))
    }

    /// Checks what concerns the other role, and the ranges of numbers.
    fn check(&self) -> Result<(), ConfigError> {
        let of_other = match self.role {
            RelayRoleName::Relay if self.only.is_some() => Some(("only", "remote")),
            RelayRoleName::Relay if self.user.is_some() => Some(("user", "remote")),
            RelayRoleName::Remote if self.ecgi.is_some() => Some(("ecgi", "relay")),
            _ => None,
        };
        if let Some((key, role)) = of_other {
            let remedy = format!("leave it out, or say role = \"{role}\"");
            return Err(wrong(format!("{key} belongs to a {role}"), key, &remedy));
        }
        if !(1..=MOST).contains(&self.most) {
            return Err(wrong(format!("most = {}", self.most), "most", "say 1 to 64 remote UEs"));
        }
        if self.filter > 19 {
            return Err(wrong(format!("filter = {}", self.filter), "filter", "say 0 to 19"));
        }
        if !(0.0..=30.0).contains(&self.hysteresis) {
            return Err(wrong(format!("hysteresis = {}", self.hysteresis), "hysteresis", "say 0 to 30 dB"));
        }
        if !self.threshold.is_finite() {
            return Err(wrong("threshold is no number", "threshold", "say it in dBm, such as -110.0"));
        }
        Ok(())
    }

    const fn model(&self) -> Model {
        match self.model {
            RelayModel::A => Model::A,
            RelayModel::B => Model::B,
            RelayModel::Both => Model::Both,
        }
    }

    fn rules(&self) -> Result<Rules, ConfigError> {
        let usual = Rules::default();
        Ok(Rules {
            threshold: Strength(self.threshold),
            hysteresis: self.hysteresis,
            filter: self.filter,
            only: self.only.as_deref().map(|only| user_info(only, "only")).transpose()?,
            t4110: self.t4110.unwrap_or(usual.t4110),
            t4109: self.t4109.unwrap_or(usual.t4109),
            not_allowed: self.not_allowed.unwrap_or(usual.not_allowed),
            ..usual
        })
    }

    fn ecgi(&self) -> Result<Option<[u8; 7]>, ConfigError> {
        let octets = |ecgi: &Hex| {
            ecgi.0.as_slice().try_into().map_err(|_| {
                let what = format!("{} octets", ecgi.0.len());
                wrong(what, "ecgi", "14 hexadecimal digits: PLMN of three octets, then the cell")
            })
        };
        self.ecgi.as_ref().map(octets).transpose()
    }
}

/// Returns a User Info ID of 48 bits: text with zeros behind it.
fn user_info(text: &str, key: &str) -> Result<[u8; 6], ConfigError> {
    let mut info = [0; 6];
    let octets = text.as_bytes();
    match info.get_mut(..octets.len()) {
        Some(place) if !octets.is_empty() && !octets.contains(&0) => place.copy_from_slice(octets),
        _ => {
            let what = format!("{text:?} does not fit a User Info ID");
            return Err(wrong(what, key, "say one to six characters: 48 bits go on the air"));
        }
    }
    Ok(info)
}

fn wrong(what: impl Into<String>, key: &str, remedy: &str) -> ConfigError {
    ConfigError::new(what, format!("[relay] {key}"), remedy)
}

#[cfg(test)]
mod tests;
