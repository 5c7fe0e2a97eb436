//! The tables of a NAF of groups.

use sidelink_network::group_naf::{Change, Durable};
use tokio_postgres::{Client, Statement};

use super::change::{Rows, Step, key, number, octets, text};
use super::session::Statements;
use super::{Address, Postgres, TABLE_PATIENCE};
use crate::store::rows::group_naf::{
    GROUPS, UES, USED, USERS, admission_number, group, millis, standing_number, ue, used, user,
};
use crate::store::{GroupNafStore, StoreError};

pub(super) const TABLES: &str = "
CREATE TABLE group_naf_group (
    id BIGINT PRIMARY KEY, owner TEXT NOT NULL, admission BIGINT NOT NULL, pgk_id BIGINT NOT NULL,
    pgk BYTEA NOT NULL, expires BIGINT NOT NULL, since BYTEA NOT NULL);
CREATE TABLE group_naf_user (
    id BIGINT NOT NULL, ue TEXT NOT NULL, standing BIGINT NOT NULL, PRIMARY KEY (id, ue));
CREATE TABLE group_naf_used (
    id BIGINT NOT NULL, nonce BYTEA NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (id, nonce));
CREATE TABLE group_naf_ue (
    ue TEXT PRIMARY KEY, nonce BYTEA NOT NULL, tag BYTEA NOT NULL, answer BYTEA NOT NULL);
";

/// The store of a NAF of groups on a server of PostgreSQL, which may be that of other network functions. It blocks: not to be
/// used in an event loop.
pub(crate) struct PostgresGroupNaf(Postgres);

impl PostgresGroupNaf {
    /// Opens it, as [`Postgres::open`] does.
    ///
    /// # Errors
    /// Those of [`Postgres::open`].
    pub(crate) fn open(address: &Address) -> Result<Self, StoreError> {
        Postgres::open(address, "group-naf").map(Self)
    }
}

impl GroupNafStore for PostgresGroupNaf {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.0.commit_all(changes, step).map(drop)
    }

    fn durable(&mut self) -> Result<Durable, StoreError> {
        let mut rows = |query| self.0.query(TABLE_PATIENCE, query, &[]);
        let mut durable = Durable::default();
        // Users and invitations after their groups.
        for row in &rows(GROUPS)? {
            durable.apply(group(row)?);
        }
        for row in &rows(USERS)? {
            durable.apply(user(row)?);
        }
        for row in &rows(USED)? {
            durable.apply(used(row)?);
        }
        for row in &rows(UES)? {
            durable.apply(ue(row)?);
        }
        Ok(durable)
    }
}

/// What a NAF of groups asks again and again.
pub(super) struct GroupNafStatements {
    put_group: Statement,
    put_user: Statement,
    remove_user: Statement,
    put_used: Statement,
    remove_used: Statement,
    put_ue: Statement,
}

impl GroupNafStatements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            put_group: client
                .prepare(
                    "INSERT INTO group_naf_group VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET
                     owner = $2, admission = $3, pgk_id = $4, pgk = $5, expires = $6, since = $7",
                )
                .await?,
            put_user: client
                .prepare(
                    "INSERT INTO group_naf_user VALUES ($1, $2, $3) ON CONFLICT (id, ue) DO UPDATE SET standing = $3",
                )
                .await?,
            remove_user: client.prepare("DELETE FROM group_naf_user WHERE id = $1 AND ue = $2").await?,
            put_used: client
                .prepare(
                    "INSERT INTO group_naf_used VALUES ($1, $2, $3) ON CONFLICT (id, nonce) DO UPDATE SET until = $3",
                )
                .await?,
            remove_used: client.prepare("DELETE FROM group_naf_used WHERE id = $1 AND nonce = $2").await?,
            put_ue: client
                .prepare(
                    "INSERT INTO group_naf_ue VALUES ($1, $2, $3, $4) ON CONFLICT (ue) DO UPDATE SET
                     nonce = $2, tag = $3, answer = $4",
                )
                .await?,
        })
    }
}

/// The statement of a change.
fn step<'a>(of: &'a Statements, change: &Change) -> Result<Step<'a>, StoreError> {
    let of = &of.group_naf;
    let (statement, values) = match change {
        Change::PutGroup(record) => {
            let values = vec![
                number(record.id.number().into()),
                text(record.owner.as_str()),
                number(admission_number(record.admission)),
                number(record.pgk_id.into()),
                key(&record.pgk.as_bytes()[..]),
                number(millis(record.expires)?),
                octets(&record.since.0),
            ];
            (&of.put_group, values)
        }
        Change::PutUser(id, user, standing) => {
            let standing = number(standing_number(*standing));
            (&of.put_user, vec![number(id.number().into()), text(user.as_str()), standing])
        }
        Change::RemoveUser(id, user) => {
            (&of.remove_user, vec![number(id.number().into()), text(user.as_str())])
        }
        Change::PutUsed(id, nonce, until) => {
            (&of.put_used, vec![number(id.number().into()), octets(&nonce.0), number(millis(*until)?)])
        }
        Change::RemoveUsed(id, nonce) => {
            (&of.remove_used, vec![number(id.number().into()), octets(&nonce.0)])
        }
        Change::PutUe(ue, record) => {
            let values =
                vec![text(ue.as_str()), octets(&record.nonce.0), octets(&record.tag), octets(&record.answer)];
            (&of.put_ue, values)
        }
    };
    Ok(Step { statement, values, rows: Rows::Any })
}

#[cfg(test)]
impl PostgresGroupNaf {
    pub(crate) fn for_tests(&mut self) -> &mut Postgres {
        &mut self.0
    }
}
