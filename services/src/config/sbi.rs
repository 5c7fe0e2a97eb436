//! `[sbi]`: the service-based interfaces of the 5G core.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sidelink_network::identity::NafId;
use sidelink_network::pc3::Plmn;
use sidelink_network::sbi::pkmf;

use super::text::{fits, name, octets, token};
use super::{ConfigError, Neighbour};
use crate::peers::Token;

/// The interfaces of a process.
#[derive(Clone, Debug)]
pub struct SbiConfig {
    /// What shows that somebody may ask.
    pub token: Token,
    /// Where they are served, on this machine.
    pub listen: Neighbour,
    /// The AUSF and the ProSe anchor function. They need an HSS in this process.
    pub ausf: Option<AusfConfig>,
    /// Keys of remote UEs over the user plane. They need an HSS.
    pub pkmf: Option<pkmf::Config>,
}

/// An AUSF with a ProSe anchor function.
#[derive(Clone, Debug)]
pub struct AusfConfig {
    /// Of its subscribers.
    pub home: Plmn,
    /// Networks that may ask.
    pub serving_networks: Vec<Plmn>,
    /// Routing indicator of subscribers that are named by their IMSI.
    pub routing_indicator: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SbiText {
    token_file: PathBuf,
    listen: SocketAddr,
    ausf: Option<AusfText>,
    pkmf: Option<PkmfText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PkmfText {
    name: String,
    ua_protocol: String,
    mcc: String,
    mnc: String,
    key_lifetime_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct AusfText {
    mcc: String,
    mnc: String,
    #[serde(default)]
    serving_networks: Vec<NetworkText>,
    routing_indicator: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct NetworkText {
    mcc: String,
    mnc: String,
}

impl SbiText {
    pub(super) fn resolve(self, folder: &Path) -> Result<SbiConfig, ConfigError> {
        Ok(SbiConfig {
            token: token(&folder.join(&self.token_file))?,
            listen: Neighbour::new(self.listen)?,
            ausf: self.ausf.map(AusfText::resolve).transpose()?,
            pkmf: self.pkmf.map(PkmfText::resolve).transpose()?,
        })
    }
}

/// Seconds that a UP-PRUK lives, unless it is configured.
const KEY_LIFETIME: u64 = 12 * 3600;

impl PkmfText {
    fn resolve(self) -> Result<pkmf::Config, ConfigError> {
        let home = fits(Plmn::new(&self.mcc, &self.mnc), "pkmf mcc, mnc")?;
        Ok(pkmf::Config {
            naf_id: NafId {
                fqdn: name(&self.name)?,
                protocol: octets(&self.ua_protocol, "pkmf ua-protocol")?,
            },
            home: (home.mcc(), home.mnc()),
            lifetime: self.key_lifetime_s.unwrap_or(KEY_LIFETIME).saturating_mul(1000),
            resynchronisation: 60_000,
            most: 1_000_000,
        })
    }
}

impl AusfText {
    fn resolve(self) -> Result<AusfConfig, ConfigError> {
        let home = fits(Plmn::new(&self.mcc, &self.mnc), "ausf mcc, mnc")?;
        let others = self.serving_networks.iter();
        let others = others.map(|network| fits(Plmn::new(&network.mcc, &network.mnc), "serving-networks"));
        let mut serving_networks = vec![home];
        serving_networks.extend(others.collect::<Result<Vec<_>, _>>()?);
        let routing_indicator = self.routing_indicator.unwrap_or_else(|| "0".to_owned());
        let is_one = (1..=4).contains(&routing_indicator.len())
            && routing_indicator.bytes().all(|b| b.is_ascii_digit());
        if !is_one {
            let what = "a routing indicator has 1 to 4 digits";
            return Err(ConfigError::new(what, "ausf routing-indicator", "correct it"));
        }
        Ok(AusfConfig { home, serving_networks, routing_indicator })
    }
}
