//! Settings of the services, from TOML.
//!
//! ```text
//! example.toml    a configuration to start from; subscribers.toml beside it
//! text.rs         what stands in the TOML
//! configuration.rs [prose-function.configuration], and its files
//! database.rs     a file, or a server
//! aaa.rs          [aaa], its clients and keys
//! group_naf.rs    [group-naf], the NAF of groups
//! kms.rs          [kms], identities and who has them
//! pkmf.rs         [pkmf], its groups and members
//! sbi.rs          [sbi], interfaces of the 5G core
//! subscribers.rs  the file of subscribers, which holds their keys
//! ```

mod aaa;
mod configuration;
mod database;
mod group_naf;
mod kms;
mod pkmf;
mod sbi;
mod subscribers;
mod text;

pub use aaa::AaaConfig;
pub use group_naf::GroupNafConfig;
pub use kms::KmsConfig;
pub use pkmf::{PkmfConfig, group_id};
pub use sbi::{AusfConfig, SbiConfig};

use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sidelink_network::identity::Fqdn;
use sidelink_network::limit::RateLimit;
use sidelink_network::public_keys::server as public_keys;
use sidelink_network::{bsf, hss, prose_function};
use zeroize::Zeroizing;

pub use database::Database;

use crate::http::Limits;
use crate::peers::Token;
use crate::store::NewSubscriber;
use crate::tls::Credentials;

/// Octets of a configuration, at most, or of more than 100 000 subscribers: a file that was named by mistake is not read into
/// memory.
const MAX_OCTETS: u64 = 64 << 20;

/// A fault of a configuration: what is wrong, where, and what to do. Displayed as these three parts with semicolons between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    what: String,
    place: String,
    remedy: String,
}

impl ConfigError {
    /// `what` is wrong in `place`; `remedy` tells what to do. An empty part is left out.
    pub fn new(what: impl Into<String>, place: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), place: place.into(), remedy: remedy.into() }
    }

    /// Returns the same error in a larger place.
    #[must_use]
    fn within(mut self, place: &str) -> Self {
        self.place = format!("{place} {}", self.place).trim_end().to_owned();
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.what, &self.place, &self.remedy].map(String::as_str);
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(&parts.join("; "))
    }
}

impl std::error::Error for ConfigError {}

/// What runs in a process, and how. A network function that is not configured does not run.
#[derive(Debug)]
pub struct Config {
    /// The database.
    pub database: Database,
    /// What a connection may cost, on every server.
    pub limits: Limits,
    /// The HSS.
    pub hss: Option<hss::Config>,
    /// Subscribers that are added at the start, where they are not there yet.
    pub subscribers: Vec<NewSubscriber>,
    /// The BSF. It needs an HSS.
    pub bsf: Option<BsfConfig>,
    /// The ProSe Function. It needs a BSF and an HSS.
    pub prose_function: Option<ProseFunctionConfig>,
    /// The key management function. It needs a BSF.
    pub pkmf: Option<PkmfConfig>,
    /// The key management server of identities. It needs a BSF.
    pub kms: Option<KmsConfig>,
    /// The NAF of groups. It needs a BSF in this process.
    pub group_naf: Option<GroupNafConfig>,
    /// The AAA server. It needs an HSS.
    pub aaa: Option<AaaConfig>,
    /// Where EAP servers of other makers ask the HSS for vectors: a socket of this machine. It needs an HSS in this process.
    pub auc: Option<PathBuf>,
    /// How functions in different processes reach each other.
    pub peers: Option<PeersConfig>,
    /// Interfaces of the 5G core in front of the functions of this process.
    pub sbi: Option<SbiConfig>,
}

/// How functions in different processes reach each other.
#[derive(Clone, Debug)]
pub struct PeersConfig {
    /// What they show each other.
    pub token: Token,
    /// Where functions of other processes ask those of this one, on this machine.
    pub listen: Option<Neighbour>,
    /// The HSS, where it is in another process.
    pub hss: Option<Neighbour>,
    /// The BSF, where it is in another process.
    pub bsf: Option<Neighbour>,
}

/// An address on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour(SocketAddr);

impl Neighbour {
    /// Refused where it is not loopback: keys go there in the clear.
    pub fn new(address: SocketAddr) -> Result<Self, ConfigError> {
        if address.ip().is_loopback() {
            return Ok(Self(address));
        }
        Err(ConfigError::new(
            format!("{address} is not on this machine, and keys would go there in the clear"),
            "[peers]",
            "write 127.0.0.1, and let a tunnel (ssh, WireGuard) lead elsewhere",
        ))
    }

    /// The address.
    pub const fn address(self) -> SocketAddr {
        self.0
    }
}

/// A BSF and its server.
#[derive(Clone, Debug)]
pub struct BsfConfig {
    /// The BSF.
    pub bsf: bsf::Config,
    /// Where it listens.
    pub listen: Listen,
}

/// A ProSe Function and its server.
#[derive(Clone, Debug)]
pub struct ProseFunctionConfig {
    /// The ProSe Function.
    pub prose_function: prose_function::Config,
    /// Its server of public keys of signed discovery.
    pub public_keys: public_keys::Config,
    /// Its name as a NAF.
    pub name: Fqdn,
    /// Where it listens.
    pub listen: Listen,
    /// What it configures UEs with.
    pub configuration: Option<ConfigurationConfig>,
}

/// What a ProSe Function configures UEs with, and how those of public safety reach it.
#[derive(Clone, Debug)]
pub struct ConfigurationConfig {
    /// The document that counts is kept here.
    pub state: PathBuf,
    /// What the operator says at the start: a document of [`Provision`](sidelink_network::configuration::Provision).
    pub document: Option<Vec<u8>>,
    /// Requests of one UE.
    pub rate: RateLimit,
    /// A server for UEs with certificates.
    pub certificates: Option<CertificatesConfig>,
}

/// A server for UEs with certificates.
#[derive(Clone, Debug)]
pub struct CertificatesConfig {
    /// Where it listens.
    pub listen: Listen,
    /// Its own, and who issues those of UEs.
    pub credentials: Credentials,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(SocketAddr);

/// Who may reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// This machine.
    #[default]
    Loopback,
    /// Whoever can reach its address.
    Network,
}

impl Listen {
    /// An address and port; port 0 takes a free one. One that is not loopback has to be meant.
    pub fn new(address: SocketAddr, reach: Reach) -> Result<Self, ConfigError> {
        if !address.ip().is_loopback() && reach == Reach::Loopback {
            return Err(ConfigError::new(
                format!("others can reach {address}"),
                "listen",
                "write reach = \"network\" beside it if that is meant, or listen on 127.0.0.1",
            ));
        }
        Ok(Self(address))
    }

    /// The address.
    pub const fn address(self) -> SocketAddr {
        self.0
    }
}

impl Config {
    /// From a file. Names of files in it count from its folder.
    ///
    /// # Errors
    /// The file, or that of the subscribers, cannot be read, has a fault, or may be read by others though it holds keys.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, None)
    }

    /// From a file, with another database in the place of its own: `postgres://..`, or a file, whose name counts from the
    /// working folder.
    ///
    /// # Errors
    /// Those of [`Self::load`], and a password in this database: others would see it among the processes.
    pub fn load_with(path: &Path, database: Option<&str>) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let folder = path.parent().unwrap_or(Path::new(""));
        let text = read(path)?;
        let document = text::Document::read(&text).map_err(|e| e.within(&shown))?;
        if document.has_shared_secrets() {
            private(path, "shared secrets")?;
        }
        let given = database.map(|text| Database::given(text, folder)).transpose()?;
        let is_given = given.is_some();
        let config = Self::resolved(document, folder, given).map_err(|e| e.within(&shown))?;
        if config.database.has_password() && !is_given {
            private(path, "a password")?;
        }
        Ok(config)
    }

    /// From a text; names of files in it count from `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        Self::resolved(text::Document::read(text)?, folder, None)
    }

    fn resolved(
        document: text::Document,
        folder: &Path,
        database: Option<Database>,
    ) -> Result<Self, ConfigError> {
        let config = document.resolve(folder, database)?;
        config.check()?;
        Ok(config)
    }

    /// Whether all functions that are needed can be reached.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let missing = |what: &str, of: &str| {
            let remedy = format!("add a section [{what}], or its address in [peers]");
            Err(ConfigError::new(format!("there is no {what}"), format!("[{of}]"), remedy))
        };
        let functions = [
            self.hss.is_some(),
            self.bsf.is_some(),
            self.prose_function.is_some(),
            self.pkmf.is_some(),
            self.kms.is_some(),
            self.group_naf.is_some(),
            self.aaa.is_some(),
        ];
        if !functions.contains(&true) {
            return Err(ConfigError::new(
                "nothing is to run",
                "",
                "add a section [hss], [bsf], [prose-function], [pkmf], [kms], [group-naf] or [aaa]",
            ));
        }
        let peers = self.peers.as_ref();
        let has_hss = self.hss.is_some() || peers.is_some_and(|peers| peers.hss.is_some());
        let has_bsf = self.bsf.is_some() || peers.is_some_and(|peers| peers.bsf.is_some());
        if self.hss.is_none() && self.sbi.as_ref().is_some_and(|sbi| sbi.ausf.is_some()) {
            let remedy = "add a section [hss], or take the AUSF out";
            return Err(ConfigError::new("there is no hss in this process", "[sbi] ausf", remedy));
        }
        if !has_hss && self.sbi.as_ref().is_some_and(|sbi| sbi.pkmf.is_some()) {
            return missing("hss", "sbi.pkmf");
        }
        match (&self.bsf, &self.prose_function) {
            (Some(_), _) if !has_hss => missing("hss", "bsf"),
            (_, Some(_)) if !has_hss => missing("hss", "prose-function"),
            (_, Some(_)) if !has_bsf => missing("bsf", "prose-function"),
            _ if self.pkmf.is_some() && !has_bsf => missing("bsf", "pkmf"),
            _ if self.kms.is_some() && !has_bsf => missing("bsf", "kms"),
            _ if self.group_naf.is_some() && self.bsf.is_none() => Err(ConfigError::new(
                "there is no bsf in this process",
                "[group-naf]",
                "move the section to the configuration with [bsf]: it pushes keys for it",
            )),
            _ if self.aaa.is_some() && !has_hss => missing("hss", "aaa"),
            _ if self.auc.is_some() && self.hss.is_none() => Err(ConfigError::new(
                "there is no hss in this process",
                "[auc]",
                "move the section to the configuration with [hss]",
            )),
            _ => Ok(()),
        }
    }
}

/// Reads subscribers from the text of their file.
///
/// # Errors
/// A fault, with its line; no key is repeated.
pub fn subscribers(text: &str) -> Result<Vec<NewSubscriber>, ConfigError> {
    subscribers::parse(text)
}

/// Reads a file with keys, which its owner alone may read.
///
/// # Errors
/// It cannot be read, or others can read it.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    secret(path)
}

fn of_toml(error: &toml::de::Error, text: &str) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start);
    let line = text.get(..at).unwrap_or("").matches('\n').count() + 1;
    ConfigError::new(error.message(), format!("line {line}"), "")
}

fn read(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let remedy = "check the name and the rights";
    let failed = |why: std::io::Error| {
        ConfigError::new(format!("cannot read it: {why}"), path.display().to_string(), remedy)
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    // With room from the start: growing would leave copies in memory, and the text may hold keys.
    let size = file.metadata().map_err(failed)?.len().min(MAX_OCTETS);
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    file.take(MAX_OCTETS + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_OCTETS {
        return Err(ConfigError::new(
            "it is too long for a configuration",
            path.display().to_string(),
            remedy,
        ));
    }
    Ok(text)
}

/// Reads a file with keys, which its owner alone may read.
fn secret(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    private(path, "keys")?;
    read(path)
}

/// Fails where others can read a file, which holds `what`.
fn private(path: &Path, what: &str) -> Result<(), ConfigError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => Err(ConfigError::new(
            format!("others can read it, and it holds {what}"),
            path.display().to_string(),
            format!("chmod 600 {}", path.display()),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
