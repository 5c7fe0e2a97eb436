//! Where a database of PostgreSQL is, as a configuration names it.

use std::fmt;
use std::net::IpAddr;

use tokio_postgres::config::Host;

/// A database of PostgreSQL: server, user, name. Never shown with its password.
#[derive(Clone)]
pub struct Address {
    pub(super) settings: Box<tokio_postgres::Config>,
    name: String,
    shown: String,
}

/// Why a text names no database of PostgreSQL. It does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// Not `postgres://USER@HOST/NAME`.
    Malformed,
    /// No host.
    NoHost,
    /// No name of a database.
    NoName,
    /// A host that is not this machine: keys would go there in the clear.
    Elsewhere,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is no address of a PostgreSQL database",
            Self::NoHost => "it names no host and no folder of a socket",
            Self::NoName => "it names no database",
            Self::Elsewhere => "its host is not on this machine, and keys would go there in the clear",
        })
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// From `postgres://USER@HOST/NAME`, or `postgres:///NAME?user=USER&host=FOLDER` for a socket in a folder.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let mut settings: tokio_postgres::Config = text.parse().map_err(|_| AddressError::Malformed)?;
        if settings.get_hosts().is_empty() && settings.get_hostaddrs().is_empty() {
            return Err(AddressError::NoHost);
        }
        let name = settings.get_dbname().filter(|name| !name.is_empty()).ok_or(AddressError::NoName)?;
        let name = name.to_owned();
        let is_here = |host: &Host| match host {
            Host::Tcp(host) => host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
            Host::Unix(_) => true,
        };
        if !settings.get_hosts().iter().all(is_here)
            || !settings.get_hostaddrs().iter().all(IpAddr::is_loopback)
        {
            return Err(AddressError::Elsewhere);
        }
        let hosts = settings.get_hosts().iter().map(|host| match host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(folder) => folder.display().to_string(),
        });
        let hosts: Vec<_> = hosts.collect();
        let user = settings.get_user().map_or_else(String::new, |user| format!("{user}@"));
        let shown = format!("postgres://{user}{}/{name}", hosts.join(","));
        settings.application_name("sidelink");
        Ok(Self { settings: Box::new(settings), name, shown })
    }

    /// Name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a password stands in it.
    pub fn has_password(&self) -> bool {
        self.settings.get_password().is_some()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
