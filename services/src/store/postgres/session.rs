//! A connection with the lock of its network function.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, Statement};

use super::group_naf::GroupNafStatements;
use super::kms::KmsStatements;
use super::pkmf::PkmfStatements;
use super::public_keys::PublicKeyStatements;
use super::{Address, group_naf, kms, pkmf, public_keys};
use crate::store::StoreError;

/// How long the lock of a network function is waited for: the server notices late that a process has ended.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Between two tries to lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The first number of our advisory locks, `SL`; the second is that of the function, or 0 for the schema.
const LOCKS: i32 = 0x534c;

/// What a connection is set to.
const SETTINGS: &str = "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed';
    SET client_min_messages = warning; SET lock_timeout = '2s'";

/// Steps from each version of the schema to the next.
pub(super) const MIGRATIONS: [&str; 9] = [
    FIRST,
    pkmf::TABLES,
    pkmf::REMOTES,
    REFUSAL,
    PRUKS,
    kms::TABLES,
    group_naf::TABLES,
    pkmf::REVOKED_RELAYS,
    public_keys::TABLES,
];

const FIRST: &str = "
CREATE TABLE counter (stream BYTEA PRIMARY KEY, reserved BIGINT NOT NULL);
CREATE TABLE subscriber (
    imsi TEXT PRIMARY KEY, impi TEXT NOT NULL UNIQUE, k BYTEA NOT NULL, opc BYTEA NOT NULL, prose TEXT);
CREATE TABLE bootstrapped (
    impi TEXT PRIMARY KEY, b_tid TEXT NOT NULL UNIQUE, rand BYTEA NOT NULL, ks BYTEA NOT NULL,
    created BIGINT NOT NULL, expires BIGINT NOT NULL);
CREATE TABLE entry (
    ue TEXT NOT NULL, entry BIGINT NOT NULL, valid_until BIGINT NOT NULL, kept_until BIGINT NOT NULL,
    content TEXT NOT NULL, PRIMARY KEY (ue, entry));
CREATE TABLE holder (id SERIAL PRIMARY KEY, function TEXT NOT NULL UNIQUE, life BYTEA NOT NULL);
";

const REFUSAL: &str = "CREATE TABLE refusal (ue TEXT PRIMARY KEY, until BIGINT NOT NULL)";

const PRUKS: &str = "
CREATE TABLE cp_pruk (
    imsi TEXT NOT NULL, service BIGINT NOT NULL, id TEXT NOT NULL UNIQUE, key BYTEA NOT NULL,
    PRIMARY KEY (imsi, service));
CREATE TABLE up_pruk (
    imsi TEXT NOT NULL, slot BIGINT NOT NULL, id TEXT NOT NULL, key BYTEA NOT NULL, expires BIGINT NOT NULL,
    PRIMARY KEY (imsi, slot));
";

/// Which connection of a store it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// The first: the schema is brought up to date, and the database marked as ours.
    First,
    /// Another one, of a store whose machine remembers what it has read: the mark must still be there.
    Again,
}

/// Who opens a session.
pub(super) struct Owner<'a> {
    pub(super) address: &'a Address,
    pub(super) function: &'a str,
    /// Random, another one for each store: the mark.
    pub(super) life: &'a [u8],
}

/// A connection, with its lock and its statements.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) statements: Statements,
    connection: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // It holds the socket, and with it the lock.
        self.connection.abort();
    }
}

/// Aborts a connection that never becomes a session.
struct Guard(Option<JoinHandle<()>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.abort();
        }
    }
}

impl Session {
    pub(super) async fn begin(owner: &Owner<'_>, beginning: Beginning) -> Result<Self, StoreError> {
        let address = owner.address;
        let failed = |error| refused(address, &error);
        let (mut client, connection) = address.settings.connect(NoTls).await.map_err(failed)?;
        let connection = tokio::spawn(async move {
            // What ends it, each request hears too.
            let _ = connection.await;
        });
        let mut guard = Guard(Some(connection));
        client.batch_execute(SETTINGS).await.map_err(failed)?;
        let fsync: String = client.query_one("SHOW fsync", &[]).await.map_err(failed)?.get(0);
        if fsync != "on" {
            return Err(StoreError::NotDurable(address.to_string()));
        }
        match beginning {
            Beginning::First => {
                migrate(address, &mut client).await?;
                let mark = "INSERT INTO holder (function, life) VALUES ($1, '') ON CONFLICT DO NOTHING";
                client.execute(mark, &[&owner.function]).await.map_err(failed)?;
                lock(owner, &client).await?;
                let mark = "UPDATE holder SET life = $2 WHERE function = $1";
                client.execute(mark, &[&owner.function, &owner.life]).await.map_err(failed)?;
            }
            Beginning::Again => {
                lock(owner, &client).await?;
                let marked = "SELECT life FROM holder WHERE function = $1 AND life = $2";
                let found =
                    client.query_opt(marked, &[&owner.function, &owner.life]).await.map_err(failed)?;
                found.ok_or_else(|| StoreError::Superseded(address.to_string()))?;
            }
        }
        let statements = Statements::prepare(&client).await.map_err(failed)?;
        let connection = guard.0.take().expect("it was put there above");
        Ok(Self { client, statements, connection })
    }
}

/// What an error of the server says, without the values that its details repeat.
pub(super) fn refused(address: &Address, error: &tokio_postgres::Error) -> StoreError {
    let server = address.to_string();
    match error.as_db_error() {
        Some(db) => StoreError::Refused { server, what: format!("{} ({})", db.message(), db.code().code()) },
        None => {
            let source = std::error::Error::source(error).map(|source| format!(": {source}"));
            StoreError::Away { server, why: format!("{error}{}", source.unwrap_or_default()) }
        }
    }
}

async fn migrate(address: &Address, client: &mut Client) -> Result<(), StoreError> {
    let failed = |error| refused(address, &error);
    let transaction = client.transaction().await.map_err(failed)?;
    // Two network functions may start at once.
    let lock = "SELECT pg_advisory_xact_lock($1, 0)";
    transaction.execute(lock, &[&LOCKS]).await.map_err(failed)?;
    let table = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)";
    transaction.batch_execute(table).await.map_err(failed)?;
    let found = transaction.query_opt("SELECT version FROM schema_version", &[]).await.map_err(failed)?;
    let version: i64 = found.map_or(0, |row| row.get(0));
    let newer = || StoreError::Newer { database: address.to_string(), version };
    let done = usize::try_from(version).map_err(|_| newer())?;
    for step in MIGRATIONS.get(done..).ok_or_else(newer)? {
        transaction.batch_execute(step).await.map_err(failed)?;
    }
    let noted =
        format!("DELETE FROM schema_version; INSERT INTO schema_version VALUES ({})", MIGRATIONS.len());
    transaction.batch_execute(&noted).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// Takes the lock of a network function, which the server gives back when the connection ends.
async fn lock(owner: &Owner<'_>, client: &Client) -> Result<(), StoreError> {
    let lock = "SELECT pg_try_advisory_lock($1, id) FROM holder WHERE function = $2";
    let began = Instant::now();
    loop {
        let row = match client.query_opt(lock, &[&LOCKS, &owner.function]).await {
            Ok(Some(row)) => row,
            Ok(None) => return Err(StoreError::Superseded(owner.address.to_string())),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
                return Err(StoreError::Superseded(owner.address.to_string()));
            }
            Err(error) => return Err(refused(owner.address, &error)),
        };
        if row.get(0) {
            return Ok(());
        }
        if began.elapsed() > LOCK_PATIENCE {
            return Err(StoreError::Held(owner.address.to_string()));
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

/// What is asked again and again.
pub(super) struct Statements {
    pub(super) raise_new: Statement,
    pub(super) raise: Statement,
    pub(super) add: Statement,
    pub(super) subscription: Statement,
    pub(super) put_key: Statement,
    pub(super) forget_key: Statement,
    pub(super) put_entry: Statement,
    pub(super) remove_entry: Statement,
    pub(super) group_naf: GroupNafStatements,
    pub(super) kms: KmsStatements,
    pub(super) pkmf: PkmfStatements,
    pub(super) public_keys: PublicKeyStatements,
    pub(super) refuse: Statement,
    pub(super) put_cp_pruk: Statement,
    pub(super) put_up_pruk: Statement,
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            raise_new: client
                .prepare(
                    "INSERT INTO counter VALUES ($1, $3) ON CONFLICT (stream) DO UPDATE SET reserved = $3
                     WHERE counter.reserved = $2",
                )
                .await?,
            raise: client
                .prepare("UPDATE counter SET reserved = $3 WHERE stream = $1 AND reserved = $2")
                .await?,
            add: client
                .prepare("INSERT INTO subscriber VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
                .await?,
            subscription: client.prepare("UPDATE subscriber SET prose = $2 WHERE imsi = $1").await?,
            // A B-TID that another subscriber has is an error, not a replacement.
            put_key: client
                .prepare(
                    "INSERT INTO bootstrapped VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (impi) DO UPDATE SET
                     b_tid = $2, rand = $3, ks = $4, created = $5, expires = $6",
                )
                .await?,
            forget_key: client.prepare("DELETE FROM bootstrapped WHERE impi = $1").await?,
            put_entry: client
                .prepare(
                    "INSERT INTO entry VALUES ($1, $2, $3, $4, $5) ON CONFLICT (ue, entry) DO UPDATE SET
                     valid_until = $3, kept_until = $4, content = $5",
                )
                .await?,
            remove_entry: client.prepare("DELETE FROM entry WHERE ue = $1 AND entry = $2").await?,
            group_naf: GroupNafStatements::prepare(client).await?,
            kms: KmsStatements::prepare(client).await?,
            pkmf: PkmfStatements::prepare(client).await?,
            public_keys: PublicKeyStatements::prepare(client).await?,
            refuse: client
                .prepare(
                    "WITH ended AS (DELETE FROM refusal WHERE until <= $3 AND ue <> $1)
                     INSERT INTO refusal VALUES ($1, $2) ON CONFLICT (ue) DO UPDATE SET until = $2",
                )
                .await?,
            // A name that another subscriber or service has is an error, not a replacement.
            put_cp_pruk: client
                .prepare(
                    "INSERT INTO cp_pruk VALUES ($1, $2, $3, $4) ON CONFLICT (imsi, service) DO UPDATE SET
                     id = $3, key = $4",
                )
                .await?,
            put_up_pruk: client
                .prepare(
                    "INSERT INTO up_pruk VALUES ($1, $2, $3, $4, $5) ON CONFLICT (imsi, slot) DO UPDATE SET
                     id = $3, key = $4, expires = $5",
                )
                .await?,
        })
    }
}
