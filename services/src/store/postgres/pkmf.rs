//! The tables of a PKMF.

use sidelink_network::pkmf::{self, Change, Durable};
use sidelink_security::counter::reserve::StreamId;
use tokio_postgres::{Client, Statement};

use super::change::{Rows, Step, key, number, octets, raise, text};
use super::session::Statements;
use super::{Address, Postgres, TABLE_PATIENCE};
use crate::store::rows::pkmf::{
    PrukColumns, UE, key as key_of, remote, revocation, revoked_relay, standing_number, ue, wishes_text,
};
use crate::store::rows::signed;
use crate::store::{PkmfStore, PkmfWrite, StoreError, Written};

pub(super) const TABLES: &str = "
CREATE TABLE pkmf_ue (
    ue TEXT PRIMARY KEY, pmk_id BYTEA NOT NULL UNIQUE, pmk BYTEA NOT NULL, since BIGINT NOT NULL,
    address TEXT NOT NULL, wanted TEXT NOT NULL);
CREATE TABLE pkmf_key (
    service BIGINT NOT NULL, id BIGINT NOT NULL, key BYTEA NOT NULL, begins BIGINT NOT NULL,
    ends BIGINT NOT NULL, revoked BIGINT NOT NULL, PRIMARY KEY (service, id));
CREATE TABLE pkmf_revocation (service BIGINT NOT NULL, ue TEXT NOT NULL, PRIMARY KEY (service, ue));
";

/// Remote UEs of relays. A PRUK that is not there has the time -1.
pub(super) const REMOTES: &str = "
CREATE TABLE pkmf_remote (
    ue TEXT PRIMARY KEY, revoked BIGINT NOT NULL, confirmed_id BYTEA NOT NULL, confirmed BYTEA NOT NULL,
    confirmed_since BIGINT NOT NULL, candidate_id BYTEA NOT NULL, candidate BYTEA NOT NULL,
    candidate_since BIGINT NOT NULL);
";

/// Relays that may be none any more.
pub(super) const REVOKED_RELAYS: &str = "CREATE TABLE pkmf_revoked_relay (ue TEXT PRIMARY KEY);";

/// The store of a PKMF on a server, which may be that of other network functions. It blocks: not to be used in an event loop.
pub(crate) struct PostgresPkmf(Postgres);

impl PostgresPkmf {
    /// Opens it, as [`Postgres::open`] does.
    ///
    /// # Errors
    /// Those of [`Postgres::open`].
    pub(crate) fn open(address: &Address) -> Result<Self, StoreError> {
        Postgres::open(address, "pkmf").map(Self)
    }
}

impl PkmfStore for PostgresPkmf {
    fn commit(&mut self, changes: &[PkmfWrite]) -> Result<Vec<Written>, StoreError> {
        self.0.commit_all(changes, step)
    }

    fn reserved(&mut self, stream: StreamId) -> Result<u64, StoreError> {
        self.0.number(stream)
    }

    fn durable(&mut self) -> Result<Durable, StoreError> {
        let numbers = self.0.numbers()?;
        let mut rows = |query| self.0.query(TABLE_PATIENCE, query, &[]);
        let ues = rows("SELECT ue, pmk_id, pmk, since, address, wanted FROM pkmf_ue ORDER BY ue")?;
        let keys = rows("SELECT service, id, key, begins, ends, revoked FROM pkmf_key ORDER BY service, id")?;
        let revocations = rows("SELECT service, ue FROM pkmf_revocation ORDER BY service, ue")?;
        let remotes = rows(
            "SELECT ue, revoked, confirmed_id, confirmed, confirmed_since, candidate_id, candidate, candidate_since
             FROM pkmf_remote ORDER BY ue",
        )?;
        let revoked_relays = rows("SELECT ue FROM pkmf_revoked_relay ORDER BY ue")?;
        let with_number = |row| {
            let ue = ue(row)?;
            let number = numbers.get(&pkmf::stream(ue.pmk_id).0[..]).copied().unwrap_or(0);
            Ok((ue, number))
        };
        Ok(Durable {
            ues: ues.iter().map(with_number).collect::<Result<_, StoreError>>()?,
            keys: keys.iter().map(key_of).collect::<Result<_, _>>()?,
            revocations: revocations.iter().map(revocation).collect::<Result<_, _>>()?,
            remotes: remotes.iter().map(remote).collect::<Result<_, _>>()?,
            revoked_relays: revoked_relays.iter().map(revoked_relay).collect::<Result<_, _>>()?,
        })
    }
}

/// What a PKMF asks again and again.
pub(super) struct PkmfStatements {
    put_ue: Statement,
    put_key: Statement,
    remove_key: Statement,
    put_revocation: Statement,
    remove_revocation: Statement,
    put_remote: Statement,
    put_revoked_relay: Statement,
    remove_revoked_relay: Statement,
}

impl PkmfStatements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            // A PMK ID that another UE has is an error, not a replacement.
            put_ue: client
                .prepare(
                    "INSERT INTO pkmf_ue VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (ue) DO UPDATE SET
                     pmk_id = $2, pmk = $3, since = $4, address = $5, wanted = $6",
                )
                .await?,
            put_key: client
                .prepare(
                    "INSERT INTO pkmf_key VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (service, id) DO UPDATE SET
                     key = $3, begins = $4, ends = $5, revoked = $6",
                )
                .await?,
            remove_key: client.prepare("DELETE FROM pkmf_key WHERE service = $1 AND id = $2").await?,
            put_revocation: client
                .prepare("INSERT INTO pkmf_revocation VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .await?,
            remove_revocation: client
                .prepare("DELETE FROM pkmf_revocation WHERE service = $1 AND ue = $2")
                .await?,
            put_remote: client
                .prepare(
                    "INSERT INTO pkmf_remote VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (ue) DO UPDATE SET
                     revoked = $2, confirmed_id = $3, confirmed = $4, confirmed_since = $5, candidate_id = $6,
                     candidate = $7, candidate_since = $8",
                )
                .await?,
            put_revoked_relay: client
                .prepare("INSERT INTO pkmf_revoked_relay VALUES ($1) ON CONFLICT DO NOTHING")
                .await?,
            remove_revoked_relay: client.prepare("DELETE FROM pkmf_revoked_relay WHERE ue = $1").await?,
        })
    }
}

/// The statement of a change.
fn step<'a>(of: &'a Statements, change: &PkmfWrite) -> Result<Step<'a>, StoreError> {
    let of_pkmf = &of.pkmf;
    let (statement, values) = match change {
        PkmfWrite::Raise { stream, from, to } => return raise(of, *stream, *from, *to),
        PkmfWrite::Change(Change::PutUe(record)) => {
            let values = vec![
                text(record.ue.as_str()),
                octets(&record.pmk_id.0),
                key(&record.pmk.as_bytes()[..]),
                number(signed(UE, record.since.millis())?),
                text(&record.address.to_string()),
                text(&wishes_text(record)),
            ];
            (&of_pkmf.put_ue, values)
        }
        PkmfWrite::Change(Change::PutKey(record)) => {
            let values = vec![
                number(record.name.service.number().into()),
                number(record.name.id.get().into()),
                key(&record.key.as_bytes()[..]),
                number(record.period.from.value().into()),
                number(record.period.to.value().into()),
                number(standing_number(record.standing)),
            ];
            (&of_pkmf.put_key, values)
        }
        PkmfWrite::Change(Change::RemoveKey(name)) => {
            (&of_pkmf.remove_key, vec![number(name.service.number().into()), number(name.id.get().into())])
        }
        PkmfWrite::Change(Change::PutRevocation(service, ue)) => {
            (&of_pkmf.put_revocation, vec![number(service.number().into()), text(ue.as_str())])
        }
        PkmfWrite::Change(Change::RemoveRevocation(service, ue)) => {
            (&of_pkmf.remove_revocation, vec![number(service.number().into()), text(ue.as_str())])
        }
        PkmfWrite::Change(Change::PutRemote(record)) => {
            let mut values = vec![text(record.ue.as_str()), number(standing_number(record.standing))];
            for pruk in [&record.confirmed, &record.candidate] {
                let PrukColumns { id, key: pruk, since } = PrukColumns::of(pruk.as_ref())?;
                values.extend([octets(&id), key(&pruk), number(since)]);
            }
            (&of_pkmf.put_remote, values)
        }
        PkmfWrite::Change(Change::PutRelayRevocation(ue)) => {
            (&of_pkmf.put_revoked_relay, vec![text(ue.as_str())])
        }
        PkmfWrite::Change(Change::RemoveRelayRevocation(ue)) => {
            (&of_pkmf.remove_revoked_relay, vec![text(ue.as_str())])
        }
    };
    Ok(Step { statement, values, rows: Rows::Any })
}

#[cfg(test)]
impl PostgresPkmf {
    pub(crate) fn for_tests(&mut self) -> &mut Postgres {
        &mut self.0
    }
}
