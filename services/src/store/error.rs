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
    /// The file was written by a later version of this program.
    Newer {
        /// Which file.
        path: PathBuf,
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
    /// The database refuses.
    Database(rusqlite::Error),
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
            Self::Newer { path, version } => write!(
                f,
                "the database has version {version}, which is newer than this program; {}; use the newer program",
                path.display()
            ),
            Self::Damaged { table, what } => {
                write!(f, "the database is damaged: {what}; table {table}; restore it from a copy")
            }
            Self::Database(error) => write!(f, "the database refuses: {error}"),
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
