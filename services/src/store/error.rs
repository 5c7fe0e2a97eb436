//! What goes wrong with a store.

use std::fmt;
use std::path::PathBuf;

/// Why a store does not do what it should: by blame of the operator, of what is stored, of the machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be opened or created.
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// Others may read the file, which holds keys.
    Readable(PathBuf),
    /// Another process runs the same network function on the file.
    InUse(PathBuf),
    /// The file is not where it was, or another file is there.
    Gone(PathBuf),
    /// The database was written by a later version of this program.
    Newer {
        /// Which.
        database: String,
        /// Its version.
        version: i64,
    },
    /// A row is not what this program writes.
    Damaged {
        /// Of which table.
        table: &'static str,
        /// What is wrong.
        what: String,
    },
    /// SQLite refuses.
    Database(rusqlite::Error),
    /// The server of PostgreSQL cannot be reached, or the connection broke.
    Away {
        /// Which: user, host, database.
        server: String,
        /// Why.
        why: String,
    },
    /// The server of PostgreSQL refuses.
    Refused {
        /// Which.
        server: String,
        /// What it says: message and SQLSTATE. Not its details, which repeat values of rows.
        what: String,
    },
    /// Another process runs the same network function on the database of this server.
    Held(String),
    /// Another process has run the same network function since this one began, or another database is in the place.
    Superseded(String),
    /// The server does not synchronise with its disk (`fsync = off`): what it commits does not survive a crash.
    NotDurable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, why } => {
                write!(
                    f,
                    "cannot open the database: {why}; {}; check its folder and its rights",
                    path.display()
                )
            }
            Self::Readable(path) => {
                write!(
                    f,
                    "others can read the database, which holds keys; {0}; chmod 600 {0}",
                    path.display()
                )
            }
            Self::InUse(path) => write!(
                f,
                "another process runs this network function on the database; {}; stop it, or name another database",
                path.display()
            ),
            Self::Gone(path) => write!(
                f,
                "the database is gone, or another file is in its place; {}; move it back, or start again",
                path.display()
            ),
            Self::Newer { database, version } => write!(
                f,
                "the database has version {version}, which is newer than this program; {database}; use the newer program"
            ),
            Self::Damaged { table, what } => {
                write!(f, "the database is damaged: {what}; table {table}; restore it from a copy")
            }
            Self::Database(error) => write!(f, "the database refuses: {error}"),
            Self::Away { server, why } => {
                write!(
                    f,
                    "no connection with the database: {why}; {server}; start PostgreSQL, or correct the address"
                )
            }
            Self::Refused { server, what } => {
                write!(
                    f,
                    "the database refuses: {what}; {server}; check the user, its rights and the log of PostgreSQL"
                )
            }
            Self::Held(server) => write!(
                f,
                "another process runs this network function on the database; {server}; stop it, or name another database"
            ),
            Self::Superseded(server) => write!(
                f,
                "another process has run this network function meanwhile, or the database is another one; {server}; start again"
            ),
            Self::NotDurable(server) => write!(
                f,
                "PostgreSQL runs with fsync = off and would lose what was answered; {server}; set fsync = on"
            ),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open { why, .. } => Some(why),
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}
