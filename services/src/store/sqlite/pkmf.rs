//! The tables of a PKMF.

use std::path::Path;

use rusqlite::{Transaction, params};
use sidelink_network::pkmf::{self, Change, Durable, RemoteRecord, UeRecord};
use sidelink_security::counter::reserve::StreamId;

use super::{Sqlite, collect, raise};
use crate::store::rows::pkmf::{
    PrukColumns, UE, key, remote, revocation, revoked_relay, standing_number, ue, wishes_text,
};
use crate::store::rows::signed;
use crate::store::{PkmfStore, PkmfWrite, StoreError, Written};

pub(super) const TABLES: &str = "
CREATE TABLE pkmf_ue (
    ue TEXT PRIMARY KEY, pmk_id BLOB NOT NULL UNIQUE, pmk BLOB NOT NULL, since INTEGER NOT NULL,
    address TEXT NOT NULL, wanted TEXT NOT NULL);
CREATE TABLE pkmf_key (
    service INTEGER NOT NULL, id INTEGER NOT NULL, key BLOB NOT NULL, begins INTEGER NOT NULL,
    ends INTEGER NOT NULL, revoked INTEGER NOT NULL, PRIMARY KEY (service, id)) WITHOUT ROWID;
CREATE TABLE pkmf_revocation (
    service INTEGER NOT NULL, ue TEXT NOT NULL, PRIMARY KEY (service, ue)) WITHOUT ROWID;
";

/// Remote UEs of relays. A PRUK that is not there has the time -1.
pub(super) const REMOTES: &str = "
CREATE TABLE pkmf_remote (
    ue TEXT PRIMARY KEY, revoked INTEGER NOT NULL, confirmed_id BLOB NOT NULL, confirmed BLOB NOT NULL,
    confirmed_since INTEGER NOT NULL, candidate_id BLOB NOT NULL, candidate BLOB NOT NULL,
    candidate_since INTEGER NOT NULL) WITHOUT ROWID;
";

/// Relays that may be none any more.
pub(super) const REVOKED_RELAYS: &str =
    "CREATE TABLE pkmf_revoked_relay (ue TEXT PRIMARY KEY) WITHOUT ROWID;";

/// The store of a PKMF in a file of SQLite, which may be that of other network functions.
#[derive(Debug)]
pub struct SqlitePkmf(Sqlite);

impl SqlitePkmf {
    /// Opens it, as [`Sqlite::open`] does.
    ///
    /// # Errors
    /// Those of [`Sqlite::open`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Sqlite::open(path, "pkmf").map(Self)
    }
}

impl PkmfStore for SqlitePkmf {
    fn commit(&mut self, changes: &[PkmfWrite]) -> Result<Vec<Written>, StoreError> {
        self.0.commit_all(changes, apply)
    }

    fn reserved(&mut self, stream: StreamId) -> Result<u64, StoreError> {
        self.0.number(stream)
    }

    fn durable(&mut self) -> Result<Durable, StoreError> {
        let connection = &self.0.connection;
        let query = "SELECT ue, pmk_id, pmk, since, address, wanted FROM pkmf_ue";
        let mut ues = Vec::new();
        for ue in collect(connection, query, |row| ue(row))? {
            let number = self.0.number(pkmf::stream(ue.pmk_id))?;
            ues.push((ue, number));
        }
        Ok(Durable {
            ues,
            keys: collect(
                connection,
                "SELECT service, id, key, begins, ends, revoked FROM pkmf_key",
                |row| key(row),
            )?,
            revocations: collect(connection, "SELECT service, ue FROM pkmf_revocation", |row| {
                revocation(row)
            })?,
            remotes: collect(
                connection,
                "SELECT ue, revoked, confirmed_id, confirmed, confirmed_since, candidate_id, candidate,
                 candidate_since FROM pkmf_remote",
                |row| remote(row),
            )?,
            revoked_relays: collect(connection, "SELECT ue FROM pkmf_revoked_relay", |row| {
                revoked_relay(row)
            })?,
        })
    }
}

fn apply(to: &Transaction<'_>, change: &PkmfWrite) -> Result<Written, StoreError> {
    let changed = match change {
        PkmfWrite::Raise { stream, from, to: raised } => raise(to, *stream, *from, *raised)?,
        PkmfWrite::Change(change) => {
            put(to, change)?;
            1
        }
    };
    Ok(if changed == 1 { Written::Done } else { Written::Conflict })
}

fn put(to: &Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::PutUe(record) => put_ue(to, record)?,
        Change::PutRemote(record) => put_remote(to, record)?,
        Change::PutKey(record) => {
            let mut insert =
                to.prepare_cached("INSERT OR REPLACE INTO pkmf_key VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            insert.execute(params![
                record.name.service.number(),
                record.name.id.get(),
                &record.key.as_bytes()[..],
                record.period.from.value(),
                record.period.to.value(),
                standing_number(record.standing),
            ])?
        }
        Change::RemoveKey(name) => to
            .prepare_cached("DELETE FROM pkmf_key WHERE service = ?1 AND id = ?2")?
            .execute(params![name.service.number(), name.id.get()])?,
        Change::PutRevocation(service, ue) => to
            .prepare_cached("INSERT OR IGNORE INTO pkmf_revocation VALUES (?1, ?2)")?
            .execute(params![service.number(), ue.as_str()])?,
        Change::RemoveRevocation(service, ue) => to
            .prepare_cached("DELETE FROM pkmf_revocation WHERE service = ?1 AND ue = ?2")?
            .execute(params![service.number(), ue.as_str()])?,
        Change::PutRelayRevocation(ue) => to
            .prepare_cached("INSERT OR IGNORE INTO pkmf_revoked_relay VALUES (?1)")?
            .execute(params![ue.as_str()])?,
        Change::RemoveRelayRevocation(ue) => to
            .prepare_cached("DELETE FROM pkmf_revoked_relay WHERE ue = ?1")?
            .execute(params![ue.as_str()])?,
    };
    Ok(())
}

fn put_remote(to: &Transaction<'_>, record: &RemoteRecord) -> Result<usize, StoreError> {
    let (confirmed, candidate) =
        (PrukColumns::of(record.confirmed.as_ref())?, PrukColumns::of(record.candidate.as_ref())?);
    let mut insert =
        to.prepare_cached("INSERT OR REPLACE INTO pkmf_remote VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    Ok(insert.execute(params![
        record.ue.as_str(),
        standing_number(record.standing),
        confirmed.id,
        &confirmed.key[..],
        confirmed.since,
        candidate.id,
        &candidate.key[..],
        candidate.since,
    ])?)
}

/// A PMK ID that another UE has is an error, not a replacement.
fn put_ue(to: &Transaction<'_>, record: &UeRecord) -> Result<usize, StoreError> {
    let mut insert = to.prepare_cached(
        "INSERT INTO pkmf_ue VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (ue) DO UPDATE SET
         pmk_id = ?2, pmk = ?3, since = ?4, address = ?5, wanted = ?6",
    )?;
    Ok(insert.execute(params![
        record.ue.as_str(),
        &record.pmk_id.0[..],
        &record.pmk.as_bytes()[..],
        signed(UE, record.since.millis())?,
        record.address.to_string(),
        wishes_text(record),
    ])?)
}

#[cfg(test)]
mod tests;
