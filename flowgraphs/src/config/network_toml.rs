//! The network side of a UE's TOML: `[network]`, and the file of its USIM.

mod public_keys;
mod relay_keys;

pub use public_keys::{PublicKeysConfig, RegisteredKey};
pub use relay_keys::{RelayKeysConfig, RelayKeysRole, ShowImsi};

use super::ConfigError;
use serde::Deserialize;
use sidelink_network::configuration::SealingKey;
use sidelink_network::identity::{Fqdn, Imsi};
use sidelink_network::key_delivery::{PORT, ServiceId};
use sidelink_network::kms_messages::Uri;
use sidelink_network::pc3::{self, ApplicationId, OsAppId, OutOfRange, Plmn, Rpauid};
use sidelink_network::pc3_client::{self, Wanted};
use sidelink_network::pc8::Code;
use sidelink_network::prose_function::Application;
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_store::{self as keystore, Hex, Secret};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Milliseconds until an answer of the network counts as lost, and between two requests.
const PATIENCE: u64 = 10_000;

/// What a UE asks the network for, and where.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetworkConfig {
    /// File of the test USIM.
    pub usim: PathBuf,
    /// Address of the BSF.
    pub bsf: SocketAddr,
    /// Name of the BSF; without it that of TS 23.003 §16.2.
    #[serde(default)]
    pub bsf_name: Option<String>,
    /// Address of the ProSe Function.
    pub prose_function: SocketAddr,
    /// Name of the ProSe Function.
    pub prose_function_name: String,
    /// Version of TLS: 1.2 or 1.3.
    #[serde(default)]
    pub tls: TlsVersion,
    /// UUID of the operating system, 32 hexadecimal digits.
    pub os_id: Hex,
    /// The application.
    pub os_app_id: String,
    /// Own user name of restricted discovery.
    #[serde(default)]
    pub rpauid: Option<String>,
    /// ProSe Application IDs to announce.
    #[serde(default)]
    pub announce: Vec<String>,
    /// ProSe Application IDs to monitor.
    #[serde(default)]
    pub monitor: Vec<String>,
    /// Whether others may discover the own user name.
    #[serde(default)]
    pub be_discovered: Discoverable,
    /// User names to discover.
    #[serde(default)]
    pub discover: Vec<String>,
    /// User names to ask for.
    #[serde(default)]
    pub ask: Vec<String>,
    /// Groups whose PGKs the PKMF gives.
    #[serde(default)]
    pub group: Vec<NetworkGroup>,
    /// Relay services whose PSDKs the PKMF gives.
    #[serde(default)]
    pub relay: Vec<NetworkRelay>,
    /// Identities whose keys the key management server gives.
    #[serde(default)]
    pub identity: Vec<NetworkIdentity>,
    /// Address of the key management server of identities.
    #[serde(default)]
    pub kms: Option<SocketAddr>,
    /// Name of the key management server.
    #[serde(default)]
    pub kms_name: Option<String>,
    /// Address of the NAF of groups.
    #[serde(default)]
    pub naf: Option<SocketAddr>,
    /// Name of the NAF of groups.
    #[serde(default)]
    pub naf_name: Option<String>,
    /// Address of PC8 of the PKMF.
    #[serde(default)]
    pub pkmf: Option<SocketAddr>,
    /// Name of the PKMF.
    #[serde(default)]
    pub pkmf_name: Option<String>,
    /// Address of MIKEY of the PKMF; without it that of PC8 with port 2269.
    #[serde(default)]
    pub mikey: Option<SocketAddr>,
    /// Own port of MIKEY.
    #[serde(default = "mikey_port")]
    pub mikey_port: u16,
    /// Keys of links between remote UE and relay, which the PKMF gives.
    #[serde(default)]
    pub relay_keys: Option<RelayKeysConfig>,
    /// Public keys of signed discovery.
    #[serde(default)]
    pub public_keys: Option<PublicKeysConfig>,
    /// Own address, for UEs that share a machine: the PKMF sends to the address that asked.
    #[serde(default)]
    pub local_address: Option<IpAddr>,
    /// Whether a UE that runs fetches by itself.
    #[serde(default)]
    pub refresh: Refresh,
    /// File of the operator's configuration: fetched with the keys, and without it the UE does not start.
    #[serde(default)]
    pub configuration: Option<PathBuf>,
    /// Where the UE is: degrees north and east.
    #[serde(default)]
    pub at: Option<[f64; 2]>,
}

/// A group whose PGKs the PKMF gives.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkGroup {
    /// Name of the group in the key store.
    pub name: String,
    /// ProSe Layer-2 group ID, six hexadecimal digits.
    pub id: Hex,
}

/// A relay service whose PSDKs the PKMF gives.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkRelay {
    /// Name of its entries in the key store: the ID of each PSDK follows it.
    pub name: String,
    /// Relay Service Code, six hexadecimal digits.
    pub service: Hex,
}

/// An identity whose keys the key management server gives.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkIdentity {
    /// Name of the entry in the key store.
    pub name: String,
    /// The identity, such as sip:alice@example.org.
    pub uri: String,
}

/// Who fetches for a UE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refresh {
    /// `sidelink ue`, at its start and while it runs.
    #[default]
    Automatic,
    /// `sidelink keys fetch`.
    Manual,
}

fn mikey_port() -> u16 {
    PORT
}

/// Whether a UE announces its own user name, or answers for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Discoverable {
    /// Not at all.
    #[default]
    Never,
    /// By a restricted code, model A.
    Restricted,
    /// When asked, model B.
    WhenAsked,
    /// Either way.
    Both,
}

/// Version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// With a suite of PSK.
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// With an external PSK.
    #[serde(rename = "1.3")]
    V13,
}

/// A test USIM.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct UsimText {
    imsi: String,
    mnc_digits: usize,
    k: Secret,
    opc: Secret,
}

/// A test USIM: who it is, and its keys.
pub struct UsimFile {
    /// Identity.
    pub imsi: Imsi,
    /// Digits of its MNC.
    pub mnc_digits: usize,
    /// K and OPc.
    pub keys: Subscriber,
}

impl UsimFile {
    /// Reads the file of a USIM, which its owner alone may read.
    ///
    /// # Errors
    /// The file, or a value in it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = Zeroizing::new(super::read_text(path)?);
        keystore::check_mode(path)?;
        let text: UsimText = toml::from_str(&text).map_err(|e| {
            ConfigError::new(e.message().to_owned(), shown.clone(), "a USIM has imsi, mnc-digits, k and opc")
        })?;
        let wrong = |what: &str| ConfigError::new(what, shown.clone(), "correct it");
        let imsi = Imsi::new(&text.imsi).map_err(|e| wrong(&e.to_string()))?;
        imsi.impi(text.mnc_digits).map_err(|e| wrong(&e.to_string()))?;
        let octets =
            |secret: &Secret, what: &str| <[u8; 16]>::try_from(secret.as_bytes()).map_err(|_| wrong(what));
        let k = octets(&text.k, "k is not 32 hexadecimal digits")?;
        let opc = octets(&text.opc, "opc is not 32 hexadecimal digits")?;
        Ok(Self { imsi, mnc_digits: text.mnc_digits, keys: Subscriber::with_opc(k, opc) })
    }
}

impl NetworkConfig {
    /// Names of files count from this folder.
    pub(super) fn within(&mut self, folder: &Path) {
        self.usim = folder.join(&self.usim);
        self.configuration = self.configuration.take().map(|path| folder.join(path));
    }

    /// Reads the file of the USIM, which its owner alone may read.
    ///
    /// # Errors
    /// The file, or a value in it.
    pub fn usim(&self) -> Result<UsimFile, ConfigError> {
        UsimFile::read(&self.usim)
    }

    /// Returns the key of the seal of the operator's configuration, from the test USIM.
    ///
    /// # Errors
    /// The file of the USIM.
    pub fn sealing_key(&self) -> Result<SealingKey, ConfigError> {
        let usim = self.usim()?;
        let ue = self.pc3(&usim)?.ue;
        Ok(SealingKey::of_usim(&usim.keys, ue))
    }

    /// Returns the settings of the UE's end of PC3.
    ///
    /// # Errors
    /// A value that its parameter does not have.
    pub fn pc3(&self, usim: &UsimFile) -> Result<pc3_client::Config, ConfigError> {
        let digits = usim.imsi.digits();
        let (mcc, rest) = digits.split_at(3);
        let (mnc, msin) = rest.split_at(usim.mnc_digits);
        let plmn = fits(Plmn::new(mcc, mnc), "imsi")?;
        let os_id = self.os_id.0.clone().try_into();
        let os_id = os_id.map_err(|_| ConfigError::new("not 32 digits", "[network] os-id", "correct it"))?;
        Ok(pc3_client::Config {
            ue: fits(pc3::Imsi::new(plmn, msin), "imsi")?,
            plmn,
            application: Application { os_id, os_app_id: fits(OsAppId::new(&self.os_app_id), "os-app-id")? },
            rpauid: self.rpauid.as_deref().map(|name| fits(Rpauid::new(name), "rpauid")).transpose()?,
            patience: PATIENCE,
            retry: PATIENCE,
        })
    }

    /// Returns what the UE wants, in this order: to announce, to monitor, to be discovered, to answer, to discover, to ask.
    ///
    /// # Errors
    /// A value that its parameter does not have, or nothing is wanted.
    pub fn wanted(&self) -> Result<Vec<Wanted>, ConfigError> {
        let mut wanted = Vec::new();
        for id in &self.announce {
            wanted.push(Wanted::Announce(fits(ApplicationId::new(id), "announce")?));
        }
        for id in &self.monitor {
            wanted.push(Wanted::Monitor(fits(ApplicationId::new(id), "monitor")?));
        }
        if matches!(self.be_discovered, Discoverable::Restricted | Discoverable::Both) {
            wanted.push(Wanted::AnnounceRestricted);
        }
        if matches!(self.be_discovered, Discoverable::WhenAsked | Discoverable::Both) {
            wanted.push(Wanted::Answer);
        }
        let names = |names: &[String], place| -> Result<Vec<_>, _> {
            names.iter().map(|name| fits(Rpauid::new(name), place)).collect()
        };
        if !self.discover.is_empty() {
            wanted.push(Wanted::MonitorRestricted(names(&self.discover, "discover")?));
        }
        if !self.ask.is_empty() {
            wanted.push(Wanted::Ask(names(&self.ask, "ask")?));
        }
        let restricted = |wanted: &Wanted| !matches!(wanted, Wanted::Announce(_) | Wanted::Monitor(_));
        if self.rpauid.is_none() && wanted.iter().any(restricted) {
            return Err(ConfigError::new(
                "restricted discovery needs a user name",
                "[network]",
                "add rpauid = \"..\"",
            ));
        }
        let servers = [self.kms, self.naf];
        let lists = !self.group.is_empty() || !self.relay.is_empty() || !self.identity.is_empty();
        let has_others = lists || self.relay_keys.is_some() || self.public_keys.is_some();
        if wanted.is_empty() && !has_others && servers.iter().all(Option::is_none) {
            let remedy = "add announce, monitor, be-discovered, discover, ask, [[network.group]], [[network.relay]], [[network.identity]], [network.relay-keys], [network.public-keys], kms or naf";
            return Err(ConfigError::new("nothing is asked for", "[network]", remedy));
        }
        Ok(wanted)
    }

    /// Returns the groups whose PGKs are wanted, by name.
    ///
    /// # Errors
    /// An ID that is none, or a group that stands there twice.
    pub fn groups(&self) -> Result<Vec<(String, ServiceId)>, ConfigError> {
        let mut groups: Vec<(String, ServiceId)> = Vec::new();
        for group in &self.group {
            let place = format!("[[network.group]] {:?}", group.name);
            let id = group.id.0.as_slice().try_into().map_err(|_| {
                ConfigError::new("not six hexadecimal digits", format!("{place} id"), "write id = \"00002a\"")
            })?;
            if groups.iter().any(|(name, known)| *name == group.name || known.0 == id) {
                return Err(ConfigError::new("the group stands there twice", place, "remove one"));
            }
            groups.push((group.name.clone(), ServiceId(id)));
        }
        Ok(groups)
    }

    /// Returns the relay services whose PSDKs are wanted, by name.
    ///
    /// # Errors
    /// A code that is none, or a service that stands there twice.
    pub fn relays(&self) -> Result<Vec<(String, Code)>, ConfigError> {
        let mut relays: Vec<(String, Code)> = Vec::new();
        for relay in &self.relay {
            let place = format!("[[network.relay]] {:?}", relay.name);
            let code = relay.service.0.as_slice().try_into().map_err(|_| {
                let (what, remedy) = ("not six hexadecimal digits", "write service = \"000001\"");
                ConfigError::new(what, format!("{place} service"), remedy)
            })?;
            if relays.iter().any(|(name, known)| *name == relay.name || known.0 == code) {
                return Err(ConfigError::new("the service stands there twice", place, "remove one"));
            }
            relays.push((relay.name.clone(), Code(code)));
        }
        Ok(relays)
    }

    /// Returns the name of the PKMF, its address, and that of its MIKEY.
    ///
    /// # Errors
    /// One of them is missing, or not the name of a host.
    pub fn pkmf(&self) -> Result<(Fqdn, SocketAddr, SocketAddr), ConfigError> {
        let given = (self.pkmf, self.pkmf_name.as_deref());
        let (name, address) = server("[[network.group]] and [[network.relay]] need", "pkmf", 8444, given)?;
        let mikey = self.mikey.unwrap_or_else(|| SocketAddr::new(address.ip(), PORT));
        Ok((name, address, mikey))
    }

    /// Returns the name of the NAF of groups, and its address.
    ///
    /// # Errors
    /// One of them is missing, or not the name of a host.
    pub fn naf(&self) -> Result<(Fqdn, SocketAddr), ConfigError> {
        server("groups of a NAF need", "naf", 8447, (self.naf, self.naf_name.as_deref()))
    }

    /// Returns the identities whose keys are wanted, by name.
    ///
    /// # Errors
    /// One that is no URI, or a name that stands there twice.
    pub fn identities(&self) -> Result<Vec<(String, Uri)>, ConfigError> {
        let mut identities: Vec<(String, Uri)> = Vec::new();
        for identity in &self.identity {
            let place = format!("[[network.identity]] {:?}", identity.name);
            let uri = Uri::new(&identity.uri).ok_or_else(|| {
                ConfigError::new("no URI", format!("{place} uri"), "write such as sip:alice@example.org")
            })?;
            if identities.iter().any(|(name, _)| *name == identity.name) {
                return Err(ConfigError::new("the name stands there twice", place, "rename one"));
            }
            identities.push((identity.name.clone(), uri));
        }
        Ok(identities)
    }

    /// Returns the name of the key management server of identities, and its address.
    ///
    /// # Errors
    /// One of them is missing, or not the name of a host.
    pub fn kms(&self) -> Result<(Fqdn, SocketAddr), ConfigError> {
        server("identities and tickets need", "kms", 8445, (self.kms, self.kms_name.as_deref()))
    }

    /// Returns the names of BSF and ProSe Function.
    ///
    /// # Errors
    /// Not the name of a host.
    pub fn names(&self, usim: &UsimFile) -> Result<[Fqdn; 2], ConfigError> {
        let wrong = |e: sidelink_network::identity::IdentityError, place: &str| {
            ConfigError::new(e.to_string(), format!("[network] {place}"), "name a host")
        };
        let bsf = match &self.bsf_name {
            Some(name) => Fqdn::new(name),
            None => usim.imsi.bsf(usim.mnc_digits),
        };
        Ok([
            bsf.map_err(|e| wrong(e, "bsf-name"))?,
            Fqdn::new(&self.prose_function_name).map_err(|e| wrong(e, "prose-function-name"))?,
        ])
    }
}

/// Name and address of a server with this key in the file, and with its name beside it; `what` needs both.
fn server(
    what: &str,
    key: &str,
    port: u16,
    (address, name): (Option<SocketAddr>, Option<&str>),
) -> Result<(Fqdn, SocketAddr), ConfigError> {
    let missing = |key: &str, example: &str| {
        ConfigError::new(format!("{what} {key}"), "[network]", format!("add {key} = {example:?}"))
    };
    let address = address.ok_or_else(|| missing(key, &format!("127.0.0.1:{port}")))?;
    let name_key = format!("{key}-name");
    let name = name.ok_or_else(|| missing(&name_key, &format!("{key}.example")))?;
    let place = format!("[network] {name_key}");
    let name = Fqdn::new(name).map_err(|e| ConfigError::new(e.to_string(), place, "name a host"))?;
    Ok((name, address))
}

fn fits<T>(value: Result<T, OutOfRange>, place: &str) -> Result<T, ConfigError> {
    value.map_err(|e| ConfigError::new(e.to_string(), format!("[network] {place}"), "correct it"))
}

#[cfg(test)]
mod tests;
