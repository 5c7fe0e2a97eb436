//! Which database, as a configuration names it.

use std::path::{Path, PathBuf};

use super::ConfigError;
use crate::store::{
    Address, GroupNafStore, KmsStore, PkmfStore, Postgres, PostgresGroupNaf, PostgresKms, PostgresPkmf,
    Sqlite, SqliteGroupNaf, SqliteKms, SqlitePkmf, Store, StoreError,
};

/// A database.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file of SQLite.
    File(PathBuf),
    /// A database of PostgreSQL.
    Postgres {
        /// Which.
        address: Address,
        /// Folder of the configuration, where the socket for orders lies.
        folder: PathBuf,
    },
}

impl From<PathBuf> for Database {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl Database {
    /// `postgres://USER@HOST/NAME`, or the name of a file, which counts from `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let remedy = "write the name of a file, postgres://USER@localhost/NAME, or postgres:///NAME?user=USER&host=FOLDER of its socket";
        let fault = |what: String| ConfigError::new(what, "database", remedy);
        match text.split_once("://") {
            Some(("postgres" | "postgresql", _)) => {
                let address = Address::parse(text).map_err(|e| fault(e.to_string()))?;
                Ok(Self::Postgres { address, folder: folder.to_owned() })
            }
            Some(_) => Err(fault("neither a file nor a database of PostgreSQL".to_owned())),
            None => Ok(Self::File(folder.join(text))),
        }
    }

    /// As [`Self::parse`] has it, from a command line: the name of a file counts from the working folder, and a password is refused.
    pub(crate) fn given(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let from = if text.contains("://") { folder } else { Path::new("") };
        let given = Self::parse(text, from)?;
        if given.has_password() {
            return Err(ConfigError::new(
                "everybody on this machine would see its password among the processes",
                "--database",
                "write it as the database of the configuration, with mode 600, or let PostgreSQL know its user by the socket",
            ));
        }
        Ok(given)
    }

    /// A configuration without one.
    pub(super) fn missing() -> ConfigError {
        let remedy = "write database = \"network.db\", or postgres://USER@localhost/NAME";
        ConfigError::new("there is no database", "database", remedy)
    }

    /// Whether a password stands in its address.
    pub fn has_password(&self) -> bool {
        matches!(self, Self::Postgres { address, .. } if address.has_password())
    }

    /// Where the functions of this database take orders: `NAME.sock` beside a file, or beside the configuration and with the name of
    /// the database in PostgreSQL.
    pub(crate) fn socket(&self) -> PathBuf {
        let mut name = match self {
            Self::File(path) => path.as_os_str().to_owned(),
            Self::Postgres { address, folder } => {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
                let plain = |c| if is_plain(c) { c } else { '_' };
                folder.join(address.name().chars().map(plain).collect::<String>()).into_os_string()
            }
        };
        name.push(".sock");
        PathBuf::from(name)
    }

    /// The store of a network function. It blocks: not to be called in an event loop.
    pub(crate) fn open(&self, function: &'static str) -> Result<Box<dyn Store>, StoreError> {
        Ok(match self {
            Self::File(path) => Box::new(Sqlite::open(path, function)?),
            Self::Postgres { address, .. } => Box::new(Postgres::open(address, function)?),
        })
    }

    /// The store of a PKMF. It blocks: not to be called in an event loop.
    pub(crate) fn open_pkmf(&self) -> Result<Box<dyn PkmfStore>, StoreError> {
        Ok(match self {
            Self::File(path) => Box::new(SqlitePkmf::open(path)?),
            Self::Postgres { address, .. } => Box::new(PostgresPkmf::open(address)?),
        })
    }

    /// The store of a key management server of identities. It blocks: not to be called in an event loop.
    pub(crate) fn open_kms(&self) -> Result<Box<dyn KmsStore>, StoreError> {
        Ok(match self {
            Self::File(path) => Box::new(SqliteKms::open(path)?),
            Self::Postgres { address, .. } => Box::new(PostgresKms::open(address)?),
        })
    }

    /// The store of a NAF of groups. It blocks: not to be called in an event loop.
    pub(crate) fn open_group_naf(&self) -> Result<Box<dyn GroupNafStore>, StoreError> {
        Ok(match self {
            Self::File(path) => Box::new(SqliteGroupNaf::open(path)?),
            Self::Postgres { address, .. } => Box::new(PostgresGroupNaf::open(address)?),
        })
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres { .. } => None,
        }
    }
}
