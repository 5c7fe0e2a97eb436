//! The tables of the server of public keys.

use rusqlite::{Transaction, params};
use sidelink_network::public_keys::server::{Change, Durable};

use super::{Sqlite, collect};
use crate::store::StoreError;
use crate::store::rows::public_keys::{KEYS, REVOKED, key, number, numbers, place, revoked, times};

pub(super) const TABLES: &str = "
CREATE TABLE public_key (
    name TEXT NOT NULL, kind INTEGER NOT NULL, ue TEXT NOT NULL, key BLOB NOT NULL,
    valid_until INTEGER NOT NULL, challenged INTEGER NOT NULL, PRIMARY KEY (name, kind, ue)) WITHOUT ROWID;
CREATE TABLE revoked_key (number INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL, until INTEGER NOT NULL);
";

impl Sqlite {
    pub(super) fn durable_public_keys(&self) -> Result<Durable, StoreError> {
        let mut durable = Durable::default();
        let keys = collect(&self.connection, KEYS, |row| key(row))?;
        let revoked = collect(&self.connection, REVOKED, |row| revoked(row))?;
        keys.into_iter().chain(revoked).for_each(|change| durable.apply(change));
        Ok(durable)
    }
}

/// A removed row may be gone already.
pub(super) fn apply(to: &Transaction<'_>, change: &Change) -> Result<usize, StoreError> {
    match change {
        Change::PutKey(record) => {
            let ((name, kind, ue), [valid_until, challenged]) =
                (place(&record.name, record.ue), times(record)?);
            to.prepare_cached("INSERT OR REPLACE INTO public_key VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![name, kind, ue, record.key.octets(), valid_until, challenged])?;
        }
        Change::RemoveKey(name, ue) => {
            let (name, kind, ue) = place(name, *ue);
            to.prepare_cached("DELETE FROM public_key WHERE name = ?1 AND kind = ?2 AND ue = ?3")?
                .execute(params![name, kind, ue])?;
        }
        Change::PutRevoked(record) => {
            let [number, until] = numbers(record)?;
            to.prepare_cached("INSERT OR REPLACE INTO revoked_key VALUES (?1, ?2, ?3)")?.execute(params![
                number,
                &record.key.0[..],
                until
            ])?;
        }
        Change::RemoveRevoked(gone) => {
            to.prepare_cached("DELETE FROM revoked_key WHERE number = ?1")?.execute([number(*gone)?])?;
        }
    }
    Ok(1)
}
