//! The tables of a key management server of identity-based keys.

use sidelink_network::kms::{Change, Durable};
use sidelink_security::counter::UtcTime;
use tokio_postgres::{Client, Statement};

use super::change::{Rows, Step, number, octets, text};
use super::session::Statements;
use super::{Address, Postgres, TABLE_PATIENCE};
use crate::store::rows::Columns;
use crate::store::rows::kms::{millis, revocation, seen, seen_columns};
use crate::store::{KmsStore, StoreError};

pub(super) const TABLES: &str = "
CREATE TABLE kms_revocation (identity TEXT PRIMARY KEY);
CREATE TABLE kms_issued (
    at BIGINT NOT NULL, identity TEXT NOT NULL, period BIGINT NOT NULL, holder TEXT NOT NULL, pvt BYTEA NOT NULL);
CREATE TABLE kms_escrowed (
    at BIGINT NOT NULL, identity TEXT NOT NULL, period BIGINT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL);
CREATE TABLE kms_seen (name BYTEA PRIMARY KEY, until BIGINT NOT NULL);
";

/// The store of a key management server on a server of PostgreSQL, which may be that of other network functions. It blocks:
/// not to be used in an event loop.
pub(crate) struct PostgresKms(Postgres);

impl PostgresKms {
    /// Opens it, as [`Postgres::open`] does.
    ///
    /// # Errors
    /// Those of [`Postgres::open`].
    pub(crate) fn open(address: &Address) -> Result<Self, StoreError> {
        Postgres::open(address, "kms").map(Self)
    }
}

impl KmsStore for PostgresKms {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.0.commit_all(changes, step).map(drop)
    }

    fn durable(&mut self, now: UtcTime) -> Result<Durable, StoreError> {
        let mut rows = |query| self.0.query(TABLE_PATIENCE, query, &[]);
        let revocations = rows("SELECT identity FROM kms_revocation ORDER BY identity")?;
        let taken = rows("SELECT name, until FROM kms_seen ORDER BY name")?;
        let mut taken = taken.iter().map(seen).collect::<Result<Vec<_>, _>>()?;
        taken.retain(|(_, until)| *until > now);
        Ok(Durable {
            revocations: revocations.iter().map(revocation).collect::<Result<_, _>>()?,
            seen: taken,
        })
    }

    fn is_used(&mut self) -> Result<bool, StoreError> {
        let query =
            "SELECT COUNT(*) FROM (SELECT 1 FROM kms_issued UNION ALL SELECT 1 FROM kms_escrowed) AS given";
        let rows = self.0.query(TABLE_PATIENCE, query, &[])?;
        rows.first().map_or(Ok(false), |row| row.number(0).map(|count| count > 0))
    }
}

/// What a key management server asks again and again.
pub(super) struct KmsStatements {
    put_revocation: Statement,
    remove_revocation: Statement,
    issued: Statement,
    escrowed: Statement,
    seen: Statement,
}

impl KmsStatements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            put_revocation: client
                .prepare("INSERT INTO kms_revocation VALUES ($1) ON CONFLICT DO NOTHING")
                .await?,
            remove_revocation: client.prepare("DELETE FROM kms_revocation WHERE identity = $1").await?,
            issued: client.prepare("INSERT INTO kms_issued VALUES ($1, $2, $3, $4, $5)").await?,
            escrowed: client.prepare("INSERT INTO kms_escrowed VALUES ($1, $2, $3, $4, $5)").await?,
            // One that is there already is an error, not a replacement.
            seen: client
                .prepare(
                    "WITH ended AS (DELETE FROM kms_seen WHERE until <= $3) INSERT INTO kms_seen VALUES ($1, $2)",
                )
                .await?,
        })
    }
}

/// The statement of a change.
fn step<'a>(of: &'a Statements, change: &Change) -> Result<Step<'a>, StoreError> {
    let of_kms = &of.kms;
    let (statement, values) = match change {
        Change::PutRevocation(user) => (&of_kms.put_revocation, vec![text(user.as_str())]),
        Change::RemoveRevocation(user) => (&of_kms.remove_revocation, vec![text(user.as_str())]),
        Change::Issued(record) => {
            let values = vec![
                number(millis(record.at)?),
                text(record.user.as_str()),
                number(record.period.into()),
                text(&record.holder.to_string()),
                octets(&record.pvt),
            ];
            (&of_kms.issued, values)
        }
        Change::Escrowed(record) => {
            let values = vec![
                number(millis(record.at)?),
                text(record.user.as_str()),
                number(record.period.into()),
                text(record.by.as_str()),
                text(record.why.as_str()),
            ];
            (&of_kms.escrowed, values)
        }
        Change::Seen(record) => {
            let (name, until, now) = seen_columns(record)?;
            (&of_kms.seen, vec![octets(name), number(until), number(now)])
        }
    };
    Ok(Step { statement, values, rows: Rows::Any })
}

#[cfg(test)]
impl PostgresKms {
    pub(crate) fn for_tests(&mut self) -> &mut Postgres {
        &mut self.0
    }
}
