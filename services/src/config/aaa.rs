//! `[aaa]`: the AAA server, who asks it over RADIUS, and which relays serve whom.
//!
//! ```text
//! aaa/relays.rs  relays and their remote UEs
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sidelink_network::aaa::{self, FirstIdentity, ResultIndications};
use sidelink_network::eap_aka::identity::PseudonymKey;
use sidelink_network::identity::Fqdn;
use sidelink_network::radius::{self, Client, Secret};
use zeroize::Zeroizing;

use self::relays::{KdMakerText, RelayText, RemoteText};
use super::text::{octets, rate};
use super::{ConfigError, Listen, Reach, secret};
use crate::radius::PORT;

mod relays;

/// Octets of a shared secret, at least. RFC 2865 §3, from memory: shorter ones are guessed from one datagram.
const SECRET_OCTETS: usize = 16;

/// Octets of the name of an access network, at most. TS 24.302 §8.1.1.1.
const NETWORK_NAME_OCTETS: usize = 253;

/// An AAA server and its socket.
pub struct AaaConfig {
    /// The AAA server. Keys of pseudonyms come from the file too, and one is made up where there are none at all: pseudonyms end
    /// with the process then.
    pub aaa: aaa::Config,
    /// File of the keys of pseudonyms, which is made at the start where there is none.
    pub pseudonym_keys: Option<PathBuf>,
    /// Who is answered over RADIUS.
    pub radius: radius::Config,
    /// Where it listens.
    pub listen: Listen,
}

impl fmt::Debug for AaaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AaaConfig");
        shown.field("pseudonym_keys", &self.pseudonym_keys).field("listen", &self.listen);
        shown.finish_non_exhaustive()
    }
}

impl AaaConfig {
    /// With all keys of pseudonyms.
    ///
    /// # Errors
    /// The file cannot be read or made, others can read it, or it holds something else.
    pub(crate) fn with_pseudonym_keys(mut self) -> Result<Self, ConfigError> {
        if let Some(path) = &self.pseudonym_keys {
            if !path.exists() {
                make_keys(path)?;
            }
            self.aaa.pseudonym_keys.extend(read_keys(path)?);
        }
        if self.aaa.pseudonym_keys.is_empty() {
            self.aaa.pseudonym_keys.push(new_key("[aaa]")?);
        }
        Ok(self)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AaaText {
    listen: Option<SocketAddr>,
    #[serde(default)]
    reach: Reach,
    network_name: Option<String>,
    realm: Option<String>,
    pseudonym_keys: Option<PathBuf>,
    #[serde(default)]
    first_identity: FirstIdentityText,
    #[serde(default)]
    result_indications: ResultIndicationsText,
    answer_timeout_ms: Option<u64>,
    reauthentications: Option<u16>,
    context_lifetime_s: Option<u64>,
    burst: Option<u32>,
    interval_ms: Option<u64>,
    #[serde(default)]
    clients: Vec<ClientText>,
    #[serde(default)]
    kd_maker: KdMakerText,
    kd_lifetime_s: Option<u32>,
    #[serde(default)]
    relays: Vec<RelayText>,
    #[serde(default)]
    remotes: Vec<RemoteText>,
}

/// Whether the IMSI in the first response is believed.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FirstIdentityText {
    #[default]
    AskedAgain,
    Used,
}

/// Whether success is told under AT_MAC.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ResultIndicationsText {
    #[default]
    Offered,
    Never,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ClientText {
    address: IpAddr,
    /// The relay that it is.
    relay: Option<String>,
    secret: Option<Zeroizing<String>>,
    secret_file: Option<PathBuf>,
}

impl AaaText {
    /// Whether a shared secret stands in the configuration itself.
    pub(super) fn has_secrets(&self) -> bool {
        self.clients.iter().any(|client| client.secret.is_some())
    }

    pub(super) fn resolve(self, folder: &Path) -> Result<AaaConfig, ConfigError> {
        let mut addresses = BTreeSet::new();
        let mut clients = Vec::new();
        for client in &self.clients {
            clients.push(client.resolve(folder)?);
            if !addresses.insert(client.address.to_canonical()) {
                let place = format!("client {}", client.address);
                return Err(ConfigError::new("it stands twice", place, "remove one of them"));
            }
        }
        if clients.is_empty() {
            let remedy = "add [[aaa.clients]] with address and secret-file";
            return Err(ConfigError::new("it has no clients: nobody would be answered", "", remedy));
        }
        let loopback = SocketAddr::from(([127, 0, 0, 1], PORT));
        let listen = Listen::new(self.listen.unwrap_or(loopback), self.reach)?;
        let pseudonym_keys = self.pseudonym_keys.as_ref().map(|path| folder.join(path));
        let radius = radius::Config { relays: self.relays(&clients)?, ..radius::Config::new(clients) };
        Ok(AaaConfig { aaa: self.server()?, pseudonym_keys, radius, listen })
    }

    fn server(&self) -> Result<aaa::Config, ConfigError> {
        let network_name = self.network_name.as_deref().unwrap_or("WLAN");
        if !(1..=NETWORK_NAME_OCTETS).contains(&network_name.len()) || network_name.contains('\0') {
            let what = format!(
                "the name of an access network has 1 to {NETWORK_NAME_OCTETS} octets, none of them 0"
            );
            return Err(ConfigError::new(what, "network-name", "write that of the UEs, say WLAN"));
        }
        if let Some(realm) = &self.realm {
            let wrong = |e: sidelink_network::identity::IdentityError| {
                ConfigError::new(e.to_string(), format!("realm = {realm:?}"), "name a realm as a host")
            };
            Fqdn::new(realm).map_err(wrong)?;
        }
        let usual = aaa::Config::without_pseudonyms(network_name);
        Ok(aaa::Config {
            realm: self.realm.clone(),
            first_identity: match self.first_identity {
                FirstIdentityText::AskedAgain => FirstIdentity::AskedAgain,
                FirstIdentityText::Used => FirstIdentity::Used,
            },
            result_indications: match self.result_indications {
                ResultIndicationsText::Offered => ResultIndications::Offered,
                ResultIndicationsText::Never => ResultIndications::Never,
            },
            answer_timeout: self.answer_timeout_ms.unwrap_or(usual.answer_timeout),
            context_lifetime: self
                .context_lifetime_s
                .map_or(usual.context_lifetime, |s| s.saturating_mul(1000)),
            reauthentications: self.reauthentications.unwrap_or(usual.reauthentications),
            rate: rate(usual.rate, self.burst, self.interval_ms),
            ..usual
        })
    }
}

impl ClientText {
    fn resolve(&self, folder: &Path) -> Result<Client, ConfigError> {
        let place = format!("client {}", self.address);
        let text = match (&self.secret, &self.secret_file) {
            (Some(text), None) => text.clone(),
            (None, Some(path)) => secret(&folder.join(path)).map_err(|e| e.within(&place))?,
            _ => {
                let remedy = "give one of them";
                return Err(ConfigError::new("one of secret and secret-file is needed", place, remedy));
            }
        };
        let octets = text.trim().as_bytes();
        let secret = Some(octets).filter(|octets| octets.len() >= SECRET_OCTETS);
        let secret = secret.and_then(|octets| Secret::new(octets.to_vec())).ok_or_else(|| {
            let remedy = format!("write {SECRET_OCTETS} characters or more, say of openssl rand -hex 16");
            ConfigError::new("the shared secret is too short", place, remedy)
        })?;
        let relay = self.relay.as_ref().map(|name| name.as_bytes().to_vec());
        Ok(Client { address: self.address.to_canonical(), secret, relay })
    }
}

/// A key that nobody knows.
fn new_key(place: &str) -> Result<PseudonymKey, ConfigError> {
    let mut made = PseudonymKey { number: 0, key: [0; 16] };
    getrandom::fill(&mut made.key).map_err(|why| {
        ConfigError::new(format!("no random octets: {why}"), place, "is there /dev/urandom?")
    })?;
    Ok(made)
}

/// Makes a file with a new key, durably: pseudonyms under it go out only afterwards.
fn make_keys(path: &Path) -> Result<(), ConfigError> {
    let shown = path.display().to_string();
    let made = new_key(&shown)?;
    let failed = |why: std::io::Error| {
        ConfigError::new(format!("cannot make the file: {why}"), &shown, "check its folder and its rights")
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let line = Zeroizing::new(format!("{:02x} {}\n", made.number, *Zeroizing::new(hex::encode(made.key))));
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::File::open(folder.unwrap_or(Path::new(".")));
    folder.and_then(|folder| folder.sync_all()).map_err(failed)
}

/// A key a line, `NUMBER KEY` in hexadecimal digits: new pseudonyms are made under the first.
fn read_keys(path: &Path) -> Result<Vec<PseudonymKey>, ConfigError> {
    let (text, shown) = (secret(path)?, path.display().to_string());
    let (mut keys, mut numbers) = (Vec::new(), BTreeSet::new());
    for (at, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("{shown} line {at}");
        let (number, key) = line.trim().split_once(' ').ok_or_else(|| {
            ConfigError::new(
                "no key of pseudonyms",
                &place,
                "write NUMBER KEY, of 2 and 32 hexadecimal digits",
            )
        })?;
        let [number] = octets::<1>(number, &place)?;
        if !numbers.insert(number) {
            return Err(ConfigError::new("two keys have one number", place, "number them apart"));
        }
        keys.push(PseudonymKey { number, key: octets(key.trim(), &place)? });
    }
    if keys.is_empty() {
        return Err(ConfigError::new("it holds no key", shown, "remove it: one is made at the start"));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;
