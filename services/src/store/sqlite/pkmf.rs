//! The tables of a PKMF.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::path::Path;

use rusqlite::{Row, Transaction, params};
use sidelink_network::identity::Impi;
use sidelink_network::key_delivery::{KeyName, Period, PmkId, ServiceId};
use sidelink_network::pc8::{Code, PrukId};
use sidelink_network::pkmf::{
    self, Change, DiscoveryCode, Durable, KeyRecord, PrukRecord, RemoteRecord, Standing, UeRecord, Wanted,
};
use sidelink_security::counter::UtcCounter;
use sidelink_security::counter::reserve::StreamId;
use sidelink_security::keys::{Pmk, Pruk, Secret256};
use zeroize::Zeroizing;

use super::{Sqlite, collect, raise};
use crate::store::rows::{damaged, octets, signed, time};
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

/// PRUKs in pairs of columns: both null, or none.
pub(super) const REMOTES: &str = "
CREATE TABLE pkmf_remote (
    ue TEXT PRIMARY KEY, confirmed_id BLOB, confirmed BLOB, confirmed_since INTEGER, candidate_id BLOB, candidate BLOB,
    candidate_since INTEGER, revoked INTEGER NOT NULL) WITHOUT ROWID;
";

const REMOTE: &str = "pkmf_remote";
const UE: &str = "pkmf_ue";
const KEY: &str = "pkmf_key";
const REVOCATION: &str = "pkmf_revocation";

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
        for ue in collect(connection, query, ue)? {
            let number = self.0.number(pkmf::stream(ue.pmk_id))?;
            ues.push((ue, number));
        }
        Ok(Durable {
            ues,
            keys: collect(connection, "SELECT service, id, key, begins, ends, revoked FROM pkmf_key", key)?,
            revocations: collect(connection, "SELECT service, ue FROM pkmf_revocation", revocation)?,
            remotes: collect(
                connection,
                "SELECT ue, revoked, confirmed_id, confirmed, confirmed_since, candidate_id, candidate,
                 candidate_since FROM pkmf_remote",
                remote,
            )?,
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
        Change::PutKey(record) => {
            let mut insert =
                to.prepare_cached("INSERT OR REPLACE INTO pkmf_key VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            insert.execute(params![
                record.name.service.number(),
                record.name.id.get(),
                &record.key.as_bytes()[..],
                record.period.from.value(),
                record.period.to.value(),
                record.standing == Standing::Revoked,
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
        Change::PutRemote(record) => put_remote(to, record)?,
    };
    Ok(())
}

fn put_remote(to: &Transaction<'_>, record: &RemoteRecord) -> Result<usize, StoreError> {
    let columns = |pruk: &Option<PrukRecord>| {
        let since = pruk.as_ref().map(|pruk| signed(REMOTE, pruk.since.millis())).transpose()?;
        Ok::<_, StoreError>((pruk.as_ref().map(|pruk| pruk.id.0), since))
    };
    let key = |pruk: &Option<PrukRecord>| pruk.as_ref().map(|pruk| Zeroizing::new(*pruk.pruk.as_bytes()));
    let (confirmed, candidate) = (columns(&record.confirmed)?, columns(&record.candidate)?);
    let (confirmed_key, candidate_key) = (key(&record.confirmed), key(&record.candidate));
    let mut insert =
        to.prepare_cached("INSERT OR REPLACE INTO pkmf_remote VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    Ok(insert.execute(params![
        record.ue.as_str(),
        confirmed.0,
        confirmed_key.as_ref().map(|key| &key[..]),
        confirmed.1,
        candidate.0,
        candidate_key.as_ref().map(|key| &key[..]),
        candidate.1,
        record.standing == Standing::Revoked,
    ])?)
}

/// A PMK ID that another UE has is an error, not a replacement.
fn put_ue(to: &Transaction<'_>, record: &UeRecord) -> Result<usize, StoreError> {
    let wanted: Vec<String> = record.wanted.iter().map(wanted_text).collect();
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
        wanted.join(" "),
    ])?)
}

/// `KIND-DIGITS`.
fn wanted_text(wanted: &Wanted) -> String {
    let (kind, octets) = match wanted {
        Wanted::Group(id) => ("group", id.0),
        Wanted::Discovery(DiscoveryCode::Relay(code)) => ("relay", code.0),
        Wanted::Discovery(DiscoveryCode::GroupMember(code)) => ("member", code.0),
    };
    format!("{kind}-{}", hex::encode(octets))
}

fn wanted_of(text: &str) -> Option<Wanted> {
    let (kind, digits) = text.split_once('-')?;
    let mut octets = [0; 3];
    hex::decode_to_slice(digits, &mut octets).ok()?;
    match kind {
        "group" => Some(Wanted::Group(ServiceId(octets))),
        "relay" => Some(Wanted::Discovery(DiscoveryCode::Relay(Code(octets)))),
        "member" => Some(Wanted::Discovery(DiscoveryCode::GroupMember(Code(octets)))),
        _ => None,
    }
}

fn ue(row: &Row<'_>) -> Result<UeRecord, StoreError> {
    let (address, wanted): (String, String) = (row.get(4)?, row.get(5)?);
    let wanted: Option<BTreeSet<Wanted>> = wanted.split_whitespace().map(wanted_of).collect();
    Ok(UeRecord {
        ue: impi(UE, row, 0)?,
        pmk_id: PmkId(*octets(UE, row, 1)?),
        pmk: Pmk::from(*octets(UE, row, 2)?),
        since: time(UE, row, 3)?,
        address: address.parse::<IpAddr>().map_err(|e| damaged(UE, e))?,
        wanted: wanted.ok_or_else(|| damaged(UE, "what it wants is not KIND-DIGITS"))?,
    })
}

fn key(row: &Row<'_>) -> Result<KeyRecord, StoreError> {
    let id = NonZeroU8::new(row.get(1)?).ok_or_else(|| damaged(KEY, "an ID is 0"))?;
    let period = Period { from: UtcCounter::new(row.get(3)?), to: UtcCounter::new(row.get(4)?) };
    Ok(KeyRecord {
        name: KeyName { service: service(KEY, row)?, id },
        key: Secret256::from(*octets(KEY, row, 2)?),
        period,
        standing: if row.get(5)? { Standing::Revoked } else { Standing::Valid },
    })
}

fn remote(row: &Row<'_>) -> Result<RemoteRecord, StoreError> {
    let pruk = |column: usize| -> Result<Option<PrukRecord>, StoreError> {
        if row.get::<_, Option<i64>>(column + 2)?.is_none() {
            return Ok(None);
        }
        Ok(Some(PrukRecord {
            id: PrukId(*octets(REMOTE, row, column)?),
            pruk: Pruk::from(*octets(REMOTE, row, column + 1)?),
            since: time(REMOTE, row, column + 2)?,
        }))
    };
    Ok(RemoteRecord {
        ue: impi(REMOTE, row, 0)?,
        standing: if row.get(1)? { Standing::Revoked } else { Standing::Valid },
        confirmed: pruk(2)?,
        candidate: pruk(5)?,
    })
}

fn revocation(row: &Row<'_>) -> Result<(ServiceId, Impi), StoreError> {
    Ok((service(REVOCATION, row)?, impi(REVOCATION, row, 1)?))
}

fn service(table: &'static str, row: &Row<'_>) -> Result<ServiceId, StoreError> {
    ServiceId::from_number(row.get(0)?).ok_or_else(|| damaged(table, "a service has more than 24 bits"))
}

fn impi(table: &'static str, row: &Row<'_>, column: usize) -> Result<Impi, StoreError> {
    Impi::new(&row.get::<_, String>(column)?).map_err(|e| damaged(table, e))
}

#[cfg(test)]
mod tests;
