//! The store in a file of SQLite: write-ahead log, each commit synchronised with the disk.
//!
//! The file is made for its owner alone. What runs on it is kept out twice: a lock a network function keeps a second process
//! from it, and the file must be the one that was opened, or nothing is written: a commit into a file that somebody has
//! removed would be lost with the next start.

mod group_naf;
mod kms;
mod pkmf;
mod public_keys;

pub use group_naf::SqliteGroupNaf;
pub use kms::SqliteKms;
pub use pkmf::SqlitePkmf;

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use sidelink_network::bsf;
use sidelink_network::panf;
use sidelink_network::pc3::Imsi as Ue;
use sidelink_network::prose_function::{Change, Record};
use sidelink_network::public_keys::server::Durable;
use sidelink_network::sbi::pkmf as remote_keys;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::StreamId;

use super::rows::{self, damaged, signed};
use super::{NewSubscriber, Store, StoreError, StoredSubscriber, Write, Written};

/// How long a commit waits for the commit of another network function.
const PATIENCE: Duration = Duration::from_secs(2);

/// Steps from each version of the schema to the next.
const MIGRATIONS: [&str; 9] = [
    FIRST,
    pkmf::TABLES,
    pkmf::REMOTES,
    REFUSAL,
    REMOTE_UES,
    kms::TABLES,
    group_naf::TABLES,
    pkmf::REVOKED_RELAYS,
    public_keys::TABLES,
];

const REMOTE_UES: &str = "
CREATE TABLE cp_pruk (
    imsi TEXT NOT NULL, service INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, key BLOB NOT NULL,
    PRIMARY KEY (imsi, service)) WITHOUT ROWID;
CREATE TABLE up_pruk (
    imsi TEXT NOT NULL, slot INTEGER NOT NULL, id TEXT NOT NULL, key BLOB NOT NULL, expires INTEGER NOT NULL,
    PRIMARY KEY (imsi, slot)) WITHOUT ROWID;
";

const FIRST: &str = "
CREATE TABLE counter (stream BLOB PRIMARY KEY, reserved INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE subscriber (
    imsi TEXT PRIMARY KEY, impi TEXT NOT NULL UNIQUE, k BLOB NOT NULL, opc BLOB NOT NULL, prose TEXT);
CREATE TABLE bootstrapped (
    impi TEXT PRIMARY KEY, b_tid TEXT NOT NULL UNIQUE, rand BLOB NOT NULL, ks BLOB NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL);
CREATE TABLE entry (
    ue TEXT NOT NULL, entry INTEGER NOT NULL, valid_until INTEGER NOT NULL, kept_until INTEGER NOT NULL,
    content TEXT NOT NULL, PRIMARY KEY (ue, entry)) WITHOUT ROWID;
";

const REFUSAL: &str = "CREATE TABLE refusal (ue TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;";

/// A store in a file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    connection: Connection,
    /// Device and number of the file that is open.
    file: (u64, u64),
    /// Held as long as this store lives.
    _lock: File,
}

impl Sqlite {
    /// Opens the store of one network function, makes the file where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened, others may read it, another process runs `function` on it, or it is none of ours.
    pub fn open(path: &Path, function: &str) -> Result<Self, StoreError> {
        let failed = |why| StoreError::Open { path: path.to_owned(), why };
        let made = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
        let metadata = made.and_then(|file| file.metadata()).map_err(failed)?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(StoreError::Readable(path.to_owned()));
        }
        let lock = lock(path, function)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        migrate(path, &mut connection)?;
        Ok(Self { path: path.to_owned(), connection, file: (metadata.dev(), metadata.ino()), _lock: lock })
    }

    /// Fails where the file that is open is not the one at its path.
    fn is_there(&self) -> Result<(), StoreError> {
        match std::fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == self.file => Ok(()),
            _ => Err(StoreError::Gone(self.path.clone())),
        }
    }
}

#[cfg(test)]
impl Sqlite {
    pub(crate) fn connection_for_tests(&self) -> &Connection {
        &self.connection
    }
}

/// The lock of a network function, beside the database.
fn lock(path: &Path, function: &str) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("-{function}.lock"));
    let lock_path = PathBuf::from(name);
    let failed = |why| StoreError::Open { path: lock_path.clone(), why };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
        Err(TryLockError::Error(why)) => Err(failed(why)),
    }
}

fn migrate(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    // Two network functions may start at once.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let newer = || StoreError::Newer { database: path.display().to_string(), version };
    let done = usize::try_from(version).map_err(|_| newer())?;
    for step in MIGRATIONS.get(done..).ok_or_else(newer)? {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()?;
    Ok(())
}

impl Sqlite {
    /// Makes all changes durable, or none.
    fn commit_all<W>(
        &mut self,
        changes: &[W],
        apply: fn(&Transaction<'_>, &W) -> Result<Written, StoreError>,
    ) -> Result<Vec<Written>, StoreError> {
        self.is_there()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let made = changes.iter().map(|change| apply(&transaction, change)).collect::<Result<_, _>>()?;
        transaction.commit()?;
        self.is_there()?;
        Ok(made)
    }

    fn number(&self, stream: StreamId) -> Result<u64, StoreError> {
        let mut query = self.connection.prepare_cached("SELECT reserved FROM counter WHERE stream = ?1")?;
        let found: Option<i64> = query.query_row([&stream.0[..]], |row| row.get(0)).optional()?;
        rows::unsigned("counter", found.unwrap_or(0))
    }
}

impl Store for Sqlite {
    fn commit(&mut self, changes: &[Write]) -> Result<Vec<Written>, StoreError> {
        self.commit_all(changes, apply)
    }

    fn reserved(&mut self, stream: StreamId) -> Result<u64, StoreError> {
        self.number(stream)
    }

    fn subscribers(&mut self) -> Result<Vec<StoredSubscriber>, StoreError> {
        let query = "SELECT imsi, impi, k, opc, prose FROM subscriber";
        let mut found = collect(&self.connection, query, |row| rows::subscriber(row))?;
        for subscriber in &mut found {
            subscriber.reserved =
                self.reserved(sidelink_network::hss::stream(&subscriber.subscriber.imsi))?;
        }
        Ok(found)
    }

    fn keys(&mut self) -> Result<Vec<bsf::Record>, StoreError> {
        let query = "SELECT impi, b_tid, rand, ks, created, expires FROM bootstrapped";
        collect(&self.connection, query, |row| rows::key(row))
    }

    fn entries(&mut self) -> Result<Vec<Record>, StoreError> {
        let query = "SELECT ue, entry, valid_until, kept_until, content FROM entry";
        collect(&self.connection, query, |row| rows::entry(row))
    }

    fn refusals(&mut self, now: UtcTime) -> Result<Vec<(Ue, UtcTime)>, StoreError> {
        let found = collect(&self.connection, "SELECT ue, until FROM refusal", |row| rows::refusal(row))?;
        Ok(found.into_iter().filter(|(_, until)| *until > now).collect())
    }

    fn cp_pruks(&mut self) -> Result<Vec<panf::Record>, StoreError> {
        let query = "SELECT imsi, service, id, key FROM cp_pruk";
        collect(&self.connection, query, |row| rows::cp_pruk(row))
    }

    fn up_pruks(&mut self) -> Result<Vec<remote_keys::Record>, StoreError> {
        let query = "SELECT imsi, slot, id, key, expires FROM up_pruk";
        collect(&self.connection, query, |row| rows::up_pruk(row))
    }

    fn public_keys(&mut self) -> Result<Durable, StoreError> {
        self.durable_public_keys()
    }
}

impl rows::Columns for rusqlite::Row<'_> {
    fn text(&self, column: usize) -> Result<String, StoreError> {
        Ok(self.get(column)?)
    }

    fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(self.get(column)?)
    }

    fn number(&self, column: usize) -> Result<i64, StoreError> {
        Ok(self.get(column)?)
    }

    fn octets(&self, column: usize) -> Option<&[u8]> {
        self.get_ref(column).ok()?.as_blob().ok()
    }
}

fn collect<T>(
    connection: &Connection,
    query: &str,
    from: impl Fn(&rusqlite::Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut query = connection.prepare(query)?;
    let mut rows = query.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from(row)?);
    }
    Ok(found)
}

fn apply(to: &Transaction<'_>, change: &Write) -> Result<Written, StoreError> {
    let changed = match change {
        Write::Raise { stream, from, to: raised } => raise(to, *stream, *from, *raised)?,
        Write::AddSubscriber(subscriber) => add(to, subscriber)?,
        Write::Subscription(imsi, subscription) => to
            .prepare_cached("UPDATE subscriber SET prose = ?2 WHERE imsi = ?1")?
            .execute(params![imsi.digits(), rows::subscription_text(subscription.as_ref())?])?,
        Write::PutKey(record) => put_key(to, record)?,
        Write::ForgetKey(impi) => {
            to.prepare_cached("DELETE FROM bootstrapped WHERE impi = ?1")?.execute([impi.as_str()])?;
            1
        }
        Write::PutCpPruk(record) => put_cp_pruk(to, record)?,
        Write::PutUpPruk(record) => put_up_pruk(to, record)?,
        Write::Entry(Change::Put(record)) => put_entry(to, record)?,
        Write::Entry(Change::Remove(ue, entry)) => {
            to.prepare_cached("DELETE FROM entry WHERE ue = ?1 AND entry = ?2")?
                .execute(params![rows::ue_text(*ue), entry.value()])?;
            1
        }
        Write::PublicKey(change) => public_keys::apply(to, change)?,
        Write::Refusal { ue, until, now } => refuse(to, *ue, *until, *now)?,
    };
    Ok(if changed == 1 { Written::Done } else { Written::Conflict })
}

fn raise(to: &Transaction<'_>, stream: StreamId, from: u64, raised: u64) -> Result<usize, StoreError> {
    let (from, raised) = (signed("counter", from)?, signed("counter", raised)?);
    if raised < from {
        return Err(damaged("counter", "a number would go back"));
    }
    if from == 0 {
        to.prepare_cached("INSERT OR IGNORE INTO counter VALUES (?1, 0)")?.execute([&stream.0[..]])?;
    }
    let mut update =
        to.prepare_cached("UPDATE counter SET reserved = ?3 WHERE stream = ?1 AND reserved = ?2")?;
    Ok(update.execute(params![&stream.0[..], from, raised])?)
}

fn add(to: &Transaction<'_>, subscriber: &NewSubscriber) -> Result<usize, StoreError> {
    let mut insert = to.prepare_cached("INSERT OR IGNORE INTO subscriber VALUES (?1, ?2, ?3, ?4, ?5)")?;
    Ok(insert.execute(params![
        subscriber.imsi.digits(),
        subscriber.impi.as_str(),
        &subscriber.credentials.k[..],
        &subscriber.credentials.opc[..],
        rows::subscription_text(subscriber.subscription.as_ref())?,
    ])?)
}

fn put_key(to: &Transaction<'_>, record: &bsf::Record) -> Result<usize, StoreError> {
    // A B-TID that another subscriber has is an error, not a replacement.
    let mut insert = to.prepare_cached(
        "INSERT INTO bootstrapped VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (impi) DO UPDATE SET
         b_tid = ?2, rand = ?3, ks = ?4, created = ?5, expires = ?6",
    )?;
    Ok(insert.execute(params![
        record.impi.as_str(),
        record.b_tid.as_str(),
        &record.rand.0[..],
        &record.ks.as_bytes()[..],
        signed("bootstrapped", record.created.millis())?,
        signed("bootstrapped", record.expires.millis())?,
    ])?)
}

fn refuse(to: &Transaction<'_>, ue: Ue, until: UtcTime, now: UtcTime) -> Result<usize, StoreError> {
    to.prepare_cached("DELETE FROM refusal WHERE until <= ?1")?
        .execute([signed("refusal", now.millis())?])?;
    let mut insert = to.prepare_cached("INSERT OR REPLACE INTO refusal VALUES (?1, ?2)")?;
    Ok(insert.execute(params![rows::ue_text(ue), signed("refusal", until.millis())?])?)
}

fn put_cp_pruk(to: &Transaction<'_>, record: &panf::Record) -> Result<usize, StoreError> {
    // A name that another subscriber or service has is an error, not a replacement.
    let mut insert = to.prepare_cached(
        "INSERT INTO cp_pruk VALUES (?1, ?2, ?3, ?4) ON CONFLICT (imsi, service) DO UPDATE SET id = ?3, key = ?4",
    )?;
    Ok(insert.execute(params![
        record.imsi.digits(),
        rows::service(record.relay_service_code),
        record.id,
        &record.cp_pruk.as_bytes()[..],
    ])?)
}

fn put_up_pruk(to: &Transaction<'_>, record: &remote_keys::Record) -> Result<usize, StoreError> {
    let mut insert = to.prepare_cached("INSERT OR REPLACE INTO up_pruk VALUES (?1, ?2, ?3, ?4, ?5)")?;
    Ok(insert.execute(params![
        record.imsi.digits(),
        rows::slot(record.slot),
        record.id,
        &record.up_pruk.as_bytes()[..],
        signed("up_pruk", record.expires.millis())?,
    ])?)
}

fn put_entry(to: &Transaction<'_>, record: &Record) -> Result<usize, StoreError> {
    let content = rows::content_text(&record.content)?;
    let mut insert = to.prepare_cached("INSERT OR REPLACE INTO entry VALUES (?1, ?2, ?3, ?4, ?5)")?;
    Ok(insert.execute(params![
        rows::ue_text(record.ue),
        record.entry.value(),
        signed("entry", record.valid_until.millis())?,
        signed("entry", record.kept_until.millis())?,
        content.as_str(),
    ])?)
}
