//! `[eap]`: the network authenticates remote UEs through their relay by EAP-AKA'. TR 33.833 §6.5.1.

use super::ConfigError;
use crate::config::network_toml::UsimFile;
use serde::Deserialize;
use sidelink_network::aaa::ResultIndications;
use sidelink_network::eap_peer::{self, IdentityPolicy};
use sidelink_network::radius::{Secret, nas};
use sidelink_network::relay_access::KdMaker;
use sidelink_store as keystore;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Octets of a shared secret, at least. RFC 2865 §3, from memory: shorter ones are guessed from one datagram.
const SECRET: usize = 16;

/// A UE's ends of EAP.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EapConfig {
    /// As a remote UE.
    #[serde(default)]
    pub remote: Option<EapRemote>,
    /// As a relay.
    #[serde(default)]
    pub relay: Option<EapRelay>,
}

/// The end of a remote UE.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EapRemote {
    /// File of the test USIM.
    pub usim: PathBuf,
    /// Name of the access network, which keys are bound to.
    #[serde(default = "network_name")]
    pub network_name: String,
    /// Realm of the identities; without it that of TS 23.003 §14.2.
    #[serde(default)]
    pub realm: Option<String>,
    /// Who makes the KD: what the AAA server does.
    #[serde(default)]
    pub kd_maker: EapKdMaker,
    /// What is said to a network that wants the IMSI although there is a pseudonym.
    #[serde(default)]
    pub identity: EapIdentity,
}

/// The end of a relay.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EapRelay {
    /// Address of the AAA server: RADIUS.
    pub server: SocketAddr,
    /// File of the secret that the relay shares with it.
    pub secret_file: PathBuf,
    /// Own address: the server knows the relay by it.
    #[serde(default)]
    pub local_address: Option<SocketAddr>,
    /// Milliseconds after which a request without a reply is given up.
    #[serde(default = "patience")]
    pub patience: u64,
}

/// Who makes the KD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EapKdMaker {
    /// The network, for one relay and service.
    #[default]
    Network,
    /// The relay, from the MSK that it gets: the draft, and any AAA server that knows nothing of relays.
    Relay,
}

/// What is said to a network that wants the IMSI although there is a pseudonym.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EapIdentity {
    /// The IMSI.
    #[default]
    Liberal,
    /// Nothing.
    Conservative,
}

fn network_name() -> String {
    "WLAN".to_owned()
}

fn patience() -> u64 {
    10_000
}

impl EapConfig {
    /// Names of files count from this folder.
    pub(super) fn within(&mut self, folder: &Path) {
        if let Some(remote) = &mut self.remote {
            remote.usim = folder.join(&remote.usim);
        }
        if let Some(relay) = &mut self.relay {
            relay.secret_file = folder.join(&relay.secret_file);
        }
    }
}

impl EapRemote {
    /// Reads the file of the USIM, which its owner alone may read.
    ///
    /// # Errors
    /// The file, or a value in it.
    pub fn usim(&self) -> Result<UsimFile, ConfigError> {
        UsimFile::read(&self.usim)
    }

    /// Returns the settings of the peer of EAP; `pseudonym` is the one that it was given last.
    ///
    /// # Errors
    /// A name or a realm that cannot be.
    pub fn peer(&self, usim: &UsimFile, pseudonym: Option<String>) -> Result<eap_peer::Config, ConfigError> {
        if !(1..=253).contains(&self.network_name.len()) {
            let what = format!("a name of {} octets", self.network_name.len());
            let remedy = "write that of the AAA server, such as WLAN";
            return Err(ConfigError::new(what, "[eap.remote] network-name", remedy));
        }
        let digits = usim.imsi.digits();
        let (mcc, mnc) = (digits.get(..3).unwrap_or_default(), digits.get(3..3 + usim.mnc_digits));
        let realm = self
            .realm
            .clone()
            .unwrap_or_else(|| format!("wlan.mnc{:0>3}.mcc{mcc}.3gppnetwork.org", mnc.unwrap_or_default()));
        Ok(eap_peer::Config {
            imsi: usim.imsi.clone(),
            realm,
            network_name: self.network_name.clone(),
            pseudonym,
            identity_policy: match self.identity {
                EapIdentity::Liberal => IdentityPolicy::Liberal,
                EapIdentity::Conservative => IdentityPolicy::Conservative,
            },
            // The command of the relay proves success; a round more on the air proves nothing besides.
            result_indications: ResultIndications::Never,
        })
    }

    /// Returns who makes the KD.
    pub const fn maker(&self) -> KdMaker {
        match self.kd_maker {
            EapKdMaker::Network => KdMaker::Network,
            EapKdMaker::Relay => KdMaker::Relay,
        }
    }
}

impl EapRelay {
    /// Returns the settings of the client of RADIUS of a relay of this name.
    ///
    /// # Errors
    /// The file of the secret, which its owner alone may read, or a name that is too long.
    pub fn nas(&self, name: &str) -> Result<nas::Config, ConfigError> {
        let place = self.secret_file.display().to_string();
        let text = Zeroizing::new(super::read_text(&self.secret_file)?);
        keystore::check_mode(&self.secret_file)?;
        let octets = text.trim().as_bytes();
        let secret = Some(octets).filter(|octets| octets.len() >= SECRET);
        let secret = secret.and_then(|octets| Secret::new(octets.to_vec())).ok_or_else(|| {
            let remedy = format!("write {SECRET} characters or more, say of openssl rand -hex 16");
            ConfigError::new("the shared secret is too short", place, remedy)
        })?;
        if !(1..=64).contains(&name.len()) {
            let what = format!("a relay's name of {} octets", name.len());
            return Err(ConfigError::new(what, "name", "write 1 to 64 octets"));
        }
        Ok(nas::Config { patience: self.patience, ..nas::Config::new(name.as_bytes().to_vec(), secret) })
    }
}
