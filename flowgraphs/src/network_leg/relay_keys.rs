//! Keys of links between remote UE and relay, from the PKMF over PC8. TS 33.303 §6.7.3.
//!
//! ```text
//! pruks.rs   a remote UE: its PRUKs in a file, asked for in coverage
//! kds.rs     a relay: KDs for its remote UEs
//! ```

mod kds;
mod pruks;

use super::questions::Desk;
use super::{News, Note};
use crate::config::ConfigError;
use crate::config::IdentityMethod;
use crate::config::network_toml::{NetworkConfig, RelayKeysConfig, RelayKeysRole, UsimFile};
use crate::config::ue_toml::UeConfig;
use crate::relay_keys::MncDigits;
use crate::relay_keys::relay::{RelaySettings, RequestId};
use crate::relay_keys::remote::RemoteSettings;
use kds::Kds;
use pruks::Pruks;
use sidelink_network::relay_kd::Derivation;
use sidelink_network::remote_ue::Config;
use sidelink_services::client::{PkmfAddress, PkmfWay, SqnFile, UeClient};
use sidelink_ue::{KeyNetwork, Links};
use zeroize::Zeroizing;

pub(crate) use pruks::PrukNews;

/// The part of the network leg that concerns relays.
pub(super) enum RelayKeysLeg {
    /// Of a remote UE.
    Remote(Box<Pruks>),
    /// Of a relay.
    Relay(Box<Kds>),
}

/// What the links of a UE ask for keys between remote UE and relay.
pub(crate) struct RelayKeysEnd {
    keys: Box<dyn KeyNetwork>,
    again: Option<u64>,
}

impl RelayKeysEnd {
    /// Lets the links of a UE ask here.
    pub(crate) fn equip(self, links: &mut Links) {
        links.establish_from_pruk(self.keys);
        if let Some(again) = self.again {
            links.ask_relays_again(again);
        }
    }
}

impl RelayKeysLeg {
    /// Reads what the UE's file says; none where it says nothing of relays' keys.
    pub(super) fn wanted(
        config: &UeConfig,
        network: &NetworkConfig,
        usim: SqnFile,
    ) -> anyhow::Result<Option<Self>> {
        let Some(keys) = &network.relay_keys else { return Ok(None) };
        if config.identity.as_ref().is_some_and(|own| own.method == IdentityMethod::Ticket) {
            let what = "links ask for tickets, and for keys of relays";
            let remedy = "take out [identity] method = \"ticket\", or [network.relay-keys]";
            return Err(ConfigError::new(what, "[network.relay-keys]", remedy).into());
        }
        keys.check()?;
        let pkmf = pkmf(network)?;
        Ok(Some(match keys.role {
            RelayKeysRole::Remote => Self::Remote(Box::new(Pruks::open(network, keys, pkmf, usim)?)),
            RelayKeysRole::Relay => {
                Self::Relay(Box::new(Kds::new(relay_settings(keys, &network.usim()?), pkmf)))
            }
        }))
    }

    /// Asks once, and waits for it.
    pub(super) fn fetch(&mut self, client: &mut UeClient) -> anyhow::Result<Option<News>> {
        match self {
            Self::Remote(pruks) => pruks.fetch(client).map(|news| Some(News::Pruk(news))),
            // A KD is asked for when a remote UE wants a link.
            Self::Relay(_) => Ok(None),
        }
    }

    /// Does what is due.
    pub(super) fn go_on(&mut self, client: &mut UeClient) -> Vec<News> {
        match self {
            Self::Remote(pruks) => pruks.go_on(client),
            Self::Relay(kds) => kds.go_on(client),
        }
    }

    /// Gives a UE that runs its end; once.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn take_end(&mut self, desk: Desk<RequestId>) -> std::io::Result<Option<RelayKeysEnd>> {
        match self {
            Self::Remote(pruks) => pruks.take_end(),
            Self::Relay(kds) => Ok(kds.take_end(desk)),
        }
    }

    /// Takes the way to the PKMF under a new key.
    pub(super) fn take_way(&mut self) -> Option<PkmfWay> {
        match self {
            Self::Remote(_) => None,
            Self::Relay(kds) => kds.take_way(),
        }
    }

    /// Asks the PKMF, and bootstraps where it does not take the key.
    pub(super) fn ask(&self, client: &mut UeClient, document: &[u8]) -> Result<Zeroizing<Vec<u8>>, Note> {
        match self {
            Self::Remote(_) => Err(Note::Trouble("a remote UE asks for no KD".to_owned())),
            Self::Relay(kds) => kds.ask(client, document),
        }
    }

    /// Whether links ask for KDs over PC8.
    pub(super) const fn asks(&self) -> bool {
        matches!(self, Self::Relay(_))
    }
}

/// Returns the end of a UE that does not ask the network: a remote UE, with the PRUKs that it has; none where its file says
/// nothing of relays' keys.
///
/// # Errors
/// The file; or a relay, which cannot do without.
pub(crate) fn without_network(config: &UeConfig) -> anyhow::Result<Option<RelayKeysEnd>> {
    let Some((network, keys)) = config.network.as_ref().and_then(|n| Some((n, n.relay_keys.as_ref()?)))
    else {
        return Ok(None);
    };
    if keys.role == RelayKeysRole::Relay {
        let what = "a relay asks the network for the key of each link";
        let remedy = "say refresh = \"automatic\", and run it in real time";
        return Err(ConfigError::new(what, "[network.relay-keys]", remedy).into());
    }
    keys.check()?;
    let usim = super::usim_file(network);
    Ok(Pruks::open(network, keys, pkmf(network)?, usim)?.take_end()?)
}

/// Returns the settings of a remote UE.
fn remote_settings(
    network: &NetworkConfig,
    keys: &RelayKeysConfig,
    usim: &UsimFile,
) -> Result<RemoteSettings, ConfigError> {
    let impi = usim.imsi.impi(usim.mnc_digits);
    let impi = impi.map_err(|e| ConfigError::new(e.to_string(), "[network] usim", "correct it"))?;
    let (imsi, pkmf) = (network.pc3(usim)?.ue, network.relay_pkmf()?.0);
    let config = Config { impi, imsi, pkmf, policy: keys.imsi.into(), derivation: Derivation::Text };
    Ok(RemoteSettings { config, mnc: mnc(usim), kd_lifetime: keys.kd_lifetime })
}

/// Returns the settings of a relay, whose remote UEs have MNCs as long as its own.
fn relay_settings(keys: &RelayKeysConfig, usim: &UsimFile) -> RelaySettings {
    RelaySettings { mnc: mnc(usim), kd_lifetime: keys.kd_lifetime, ..RelaySettings::default() }
}

const fn mnc(usim: &UsimFile) -> MncDigits {
    match usim.mnc_digits {
        3 => MncDigits::Three,
        _ => MncDigits::Two,
    }
}

fn pkmf(network: &NetworkConfig) -> Result<PkmfAddress, ConfigError> {
    let (name, address) = network.relay_pkmf()?;
    Ok(PkmfAddress { local: network.local_address, ..PkmfAddress::new(name, address) })
}
