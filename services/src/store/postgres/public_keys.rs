//! The tables of the server of public keys.

use sidelink_network::public_keys::server::{Change, Durable};
use tokio_postgres::{Client, Statement};

use super::change::{Rows, Step, number, octets, text};
use super::{Postgres, TABLE_PATIENCE};
use crate::store::StoreError;
use crate::store::rows::public_keys::{self, KEYS, REVOKED, key, place, revoked, times};

pub(super) const TABLES: &str = "
CREATE TABLE public_key (
    name TEXT NOT NULL, kind BIGINT NOT NULL, ue TEXT NOT NULL, key BYTEA NOT NULL,
    valid_until BIGINT NOT NULL, challenged BIGINT NOT NULL, PRIMARY KEY (name, kind, ue));
CREATE TABLE revoked_key (number BIGINT PRIMARY KEY, fingerprint BYTEA NOT NULL, until BIGINT NOT NULL);
";

impl Postgres {
    pub(super) fn durable_public_keys(&mut self) -> Result<Durable, StoreError> {
        let mut durable = Durable::default();
        for row in &self.query(TABLE_PATIENCE, KEYS, &[])? {
            durable.apply(key(row)?);
        }
        for row in &self.query(TABLE_PATIENCE, REVOKED, &[])? {
            durable.apply(revoked(row)?);
        }
        Ok(durable)
    }
}

/// What a server of public keys asks again and again.
pub(super) struct PublicKeyStatements {
    put_key: Statement,
    remove_key: Statement,
    put_revoked: Statement,
    remove_revoked: Statement,
}

impl PublicKeyStatements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            put_key: client
                .prepare(
                    "INSERT INTO public_key VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name, kind, ue) DO UPDATE SET
                     key = $4, valid_until = $5, challenged = $6",
                )
                .await?,
            remove_key: client
                .prepare("DELETE FROM public_key WHERE name = $1 AND kind = $2 AND ue = $3")
                .await?,
            put_revoked: client
                .prepare(
                    "INSERT INTO revoked_key VALUES ($1, $2, $3) ON CONFLICT (number) DO UPDATE SET
                     fingerprint = $2, until = $3",
                )
                .await?,
            remove_revoked: client.prepare("DELETE FROM revoked_key WHERE number = $1").await?,
        })
    }
}

/// The statement of a change.
pub(super) fn step<'a>(of: &'a PublicKeyStatements, change: &Change) -> Result<Step<'a>, StoreError> {
    let (statement, values) = match change {
        Change::PutKey(record) => {
            let ((name, kind, ue), [valid_until, challenged]) =
                (place(&record.name, record.ue), times(record)?);
            let key = octets(record.key.octets());
            let values =
                vec![text(name), number(kind), text(&ue), key, number(valid_until), number(challenged)];
            (&of.put_key, values)
        }
        Change::RemoveKey(name, ue) => {
            let (name, kind, ue) = place(name, *ue);
            (&of.remove_key, vec![text(name), number(kind), text(&ue)])
        }
        Change::PutRevoked(record) => {
            let [list, until] = public_keys::numbers(record)?;
            (&of.put_revoked, vec![number(list), octets(&record.key.0), number(until)])
        }
        Change::RemoveRevoked(gone) => (&of.remove_revoked, vec![number(public_keys::number(*gone)?)]),
    };
    Ok(Step { statement, values, rows: Rows::Any })
}
