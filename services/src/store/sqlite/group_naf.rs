//! The tables of a NAF of groups.

use std::path::Path;

use rusqlite::{Transaction, params};
use sidelink_network::group_naf::{Change, Durable, GroupRecord};

use super::{Sqlite, collect};
use crate::store::rows::group_naf::{
    GROUPS, UES, USED, USERS, admission_number, group, millis, standing_number, ue, used, user,
};
use crate::store::{GroupNafStore, StoreError, Written};

pub(super) const TABLES: &str = "
CREATE TABLE group_naf_group (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, admission INTEGER NOT NULL, pgk_id INTEGER NOT NULL,
    pgk BLOB NOT NULL, expires INTEGER NOT NULL, since BLOB NOT NULL);
CREATE TABLE group_naf_user (
    id INTEGER NOT NULL, ue TEXT NOT NULL, standing INTEGER NOT NULL, PRIMARY KEY (id, ue)) WITHOUT ROWID;
CREATE TABLE group_naf_used (
    id INTEGER NOT NULL, nonce BLOB NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (id, nonce)) WITHOUT ROWID;
CREATE TABLE group_naf_ue (ue TEXT PRIMARY KEY, nonce BLOB NOT NULL, tag BLOB NOT NULL, answer BLOB NOT NULL);
";

/// The store of a NAF of groups in a file of SQLite, which may be that of other network functions.
#[derive(Debug)]
pub struct SqliteGroupNaf(Sqlite);

impl SqliteGroupNaf {
    /// Opens it, as [`Sqlite::open`] does.
    ///
    /// # Errors
    /// Those of [`Sqlite::open`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Sqlite::open(path, "group-naf").map(Self)
    }
}

impl GroupNafStore for SqliteGroupNaf {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.0.commit_all(changes, apply).map(drop)
    }

    fn durable(&mut self) -> Result<Durable, StoreError> {
        let connection = &self.0.connection;
        let mut durable = Durable::default();
        // Users and invitations after their groups.
        let groups = collect(connection, GROUPS, |row| group(row))?;
        let users = collect(connection, USERS, |row| user(row))?;
        let invitations = collect(connection, USED, |row| used(row))?;
        let ues = collect(connection, UES, |row| ue(row))?;
        let all = groups.into_iter().chain(users).chain(invitations).chain(ues);
        all.for_each(|change| durable.apply(change));
        Ok(durable)
    }
}

fn apply(to: &Transaction<'_>, change: &Change) -> Result<Written, StoreError> {
    match change {
        Change::PutGroup(record) => put_group(to, record)?,
        Change::PutUser(id, user, standing) => to
            .prepare_cached("INSERT OR REPLACE INTO group_naf_user VALUES (?1, ?2, ?3)")?
            .execute(params![id.number(), user.as_str(), standing_number(*standing)])?,
        Change::RemoveUser(id, user) => to
            .prepare_cached("DELETE FROM group_naf_user WHERE id = ?1 AND ue = ?2")?
            .execute(params![id.number(), user.as_str()])?,
        Change::PutUsed(id, nonce, until) => to
            .prepare_cached("INSERT OR REPLACE INTO group_naf_used VALUES (?1, ?2, ?3)")?
            .execute(params![id.number(), &nonce.0[..], millis(*until)?])?,
        Change::RemoveUsed(id, nonce) => to
            .prepare_cached("DELETE FROM group_naf_used WHERE id = ?1 AND nonce = ?2")?
            .execute(params![id.number(), &nonce.0[..]])?,
        Change::PutUe(ue, record) => to
            .prepare_cached("INSERT OR REPLACE INTO group_naf_ue VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![ue.as_str(), &record.nonce.0[..], &record.tag[..], &record.answer])?,
    };
    Ok(Written::Done)
}

fn put_group(to: &Transaction<'_>, record: &GroupRecord) -> Result<usize, StoreError> {
    let mut insert =
        to.prepare_cached("INSERT OR REPLACE INTO group_naf_group VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    Ok(insert.execute(params![
        record.id.number(),
        record.owner.as_str(),
        admission_number(record.admission),
        record.pgk_id,
        &record.pgk.as_bytes()[..],
        millis(record.expires)?,
        &record.since.0[..],
    ])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{folder, group_naf as cases};

    fn store(folder: &tempfile::TempDir) -> SqliteGroupNaf {
        SqliteGroupNaf::open(&folder.path().join("network.db")).unwrap()
    }

    #[test]
    fn it_does_what_the_store_of_a_naf_of_groups_does() {
        let first = folder();
        cases::what_a_naf_keeps_is_there_after_a_restart(&|| Box::new(store(&first)));
        cases::all_or_nothing(&mut store(&folder()));
        let other = folder();
        let mut damaged = store(&other);
        let execute = |store: &mut SqliteGroupNaf, statement: &str| {
            assert_eq!(store.0.connection.execute(statement, []).unwrap(), 1, "{statement}");
        };
        cases::a_damaged_row_is_an_error_that_shows_no_key(&mut damaged, execute, "x'0909'");
    }
}
