//! The tables of a key management server of identity-based keys.

use std::path::Path;

use rusqlite::{Transaction, params};
use sidelink_network::kms::{Change, Durable};
use sidelink_security::counter::UtcTime;

use super::{Sqlite, collect};
use crate::store::rows::kms::{millis, revocation, seen, seen_columns};
use crate::store::{KmsStore, StoreError, Written};

pub(super) const TABLES: &str = "
CREATE TABLE kms_revocation (identity TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE kms_issued (
    at INTEGER NOT NULL, identity TEXT NOT NULL, period INTEGER NOT NULL, holder TEXT NOT NULL, pvt BLOB NOT NULL);
CREATE TABLE kms_escrowed (
    at INTEGER NOT NULL, identity TEXT NOT NULL, period INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL);
CREATE TABLE kms_seen (name BLOB PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
";

/// The store of a key management server in a file of SQLite, which may be that of other network functions.
#[derive(Debug)]
pub struct SqliteKms(Sqlite);

impl SqliteKms {
    /// Opens it, as [`Sqlite::open`] does.
    ///
    /// # Errors
    /// Those of [`Sqlite::open`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Sqlite::open(path, "kms").map(Self)
    }
}

impl KmsStore for SqliteKms {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.0.commit_all(changes, apply).map(drop)
    }

    fn durable(&mut self, now: UtcTime) -> Result<Durable, StoreError> {
        let connection = &self.0.connection;
        let revocations = collect(connection, "SELECT identity FROM kms_revocation", |row| revocation(row))?;
        let mut seen = collect(connection, "SELECT name, until FROM kms_seen", |row| seen(row))?;
        seen.retain(|(_, until)| *until > now);
        Ok(Durable { revocations, seen })
    }

    fn is_used(&mut self) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM kms_issued) OR EXISTS (SELECT 1 FROM kms_escrowed)";
        Ok(self.0.connection.query_row(query, [], |row| row.get(0))?)
    }
}

fn apply(to: &Transaction<'_>, change: &Change) -> Result<Written, StoreError> {
    match change {
        Change::PutRevocation(user) => {
            to.prepare_cached("INSERT OR IGNORE INTO kms_revocation VALUES (?1)")?.execute([user.as_str()])?
        }
        Change::RemoveRevocation(user) => {
            to.prepare_cached("DELETE FROM kms_revocation WHERE identity = ?1")?.execute([user.as_str()])?
        }
        Change::Issued(record) => {
            to.prepare_cached("INSERT INTO kms_issued VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
                millis(record.at)?,
                record.user.as_str(),
                record.period,
                record.holder.to_string(),
                &record.pvt[..],
            ])?
        }
        Change::Escrowed(record) => {
            to.prepare_cached("INSERT INTO kms_escrowed VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
                millis(record.at)?,
                record.user.as_str(),
                record.period,
                record.by.as_str(),
                record.why.as_str(),
            ])?
        }
        Change::Seen(record) => {
            let (name, until, now) = seen_columns(record)?;
            to.prepare_cached("DELETE FROM kms_seen WHERE until <= ?1")?.execute([now])?;
            // One that is there already is an error, not a replacement.
            to.prepare_cached("INSERT INTO kms_seen VALUES (?1, ?2)")?.execute(params![name, until])?
        }
    };
    Ok(Written::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{folder, kms as cases};

    fn store(folder: &tempfile::TempDir) -> SqliteKms {
        SqliteKms::open(&folder.path().join("network.db")).unwrap()
    }

    #[test]
    fn it_does_what_the_store_of_a_key_management_server_does() {
        let first = folder();
        cases::what_a_server_keeps_is_there_after_a_restart(&|| Box::new(store(&first)));
        cases::all_or_nothing(&mut store(&folder()));
        let damaged = store(&folder());
        damaged.0.connection.execute("INSERT INTO kms_revocation VALUES ('a b')", []).unwrap();
        let mut damaged = damaged;
        assert!(matches!(
            damaged.durable(UtcTime::from_millis(0)),
            Err(StoreError::Damaged { table: "kms", .. })
        ));
    }
}
