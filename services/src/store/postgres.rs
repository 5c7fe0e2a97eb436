//! The store in a database of PostgreSQL: one commit a batch, each synchronised with the disk of the server.
//!
//! ```text
//! address.rs   where the database is
//! session.rs   a connection: schema, lock of the network function, statements
//! change.rs    changes as statements
//! group_naf.rs the tables of a NAF of groups
//! kms.rs       the tables of a key management server of identities
//! pkmf.rs      the tables of a PKMF
//! ```
//!
//! A second process is kept out by an advisory lock of the server, which the connection holds. The server gives it back when the
//! connection ends, after the last commit over it: a new connection that has the lock sees all that the one before has committed.
//! Since the lock is free while the server is away, each store marks the database as its own, and a connection that finds
//! another mark is not used: another process has changed what this one has read.
//!
//! All statements of a batch go to the server at once; COMMIT follows when all of them were made. A connection that breaks before
//! that costs a second try, one that breaks after it costs an answer: nobody knows what became of the batch.
//!
//! The client is `tokio-postgres` and not its blocking form `postgres`, which waits without end for a server that hangs.
//! Its buffers are not zeroized, and neither is the password of an address.

mod address;
mod change;
mod group_naf;
mod kms;
mod pkmf;
mod public_keys;
mod session;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use sidelink_network::bsf;
use sidelink_network::panf;
use sidelink_network::pc3::Imsi as Ue;
use sidelink_network::prose_function::Record;
use sidelink_network::public_keys::server::Durable;
use sidelink_network::sbi::pkmf as remote_keys;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::StreamId;
use tokio::runtime::Runtime;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::rows::{self, Columns, damaged};
use super::{Store, StoreError, StoredSubscriber, Write, Written};
pub use address::{Address, AddressError};
pub(crate) use group_naf::PostgresGroupNaf;
pub(crate) use kms::PostgresKms;
pub(crate) use pkmf::PostgresPkmf;
use session::{Beginning, Owner, Session, Statements, refused};

/// How long the server may take for a batch, or to open a session.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long the server may take to give a whole table.
const TABLE_PATIENCE: Duration = Duration::from_secs(60);

/// A store on a server. It blocks: not to be used in an event loop.
pub(crate) struct Postgres {
    address: Address,
    function: &'static str,
    /// The mark of this store in the database.
    life: [u8; 16],
    // Before its runtime, which it needs to end.
    session: Option<Session>,
    runtime: Runtime,
}

/// Where a batch failed.
enum Failure {
    /// A change is none that can be stored: nothing was sent.
    Change(StoreError),
    /// Nothing of it is durable.
    Before(StoreError),
    /// It may be durable.
    AtCommit(StoreError),
}

/// Makes a statement of a change.
type StepOf<W> = for<'a> fn(&'a Statements, &W) -> Result<change::Step<'a>, StoreError>;

impl Postgres {
    /// Opens the store of one network function and brings the schema up to date.
    ///
    /// # Errors
    /// The server is away or refuses, another process runs `function` on the database, or the server is not durable.
    pub(crate) fn open(address: &Address, function: &'static str) -> Result<Self, StoreError> {
        let away = |why: String| StoreError::Away { server: address.to_string(), why };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| away(why.to_string()))?;
        let mut life = [0; 16];
        getrandom::fill(&mut life).map_err(|why| away(why.to_string()))?;
        let mut store = Self { address: address.clone(), function, life, session: None, runtime };
        store.session = Some(store.begin(Beginning::First)?);
        Ok(store)
    }

    fn begin(&self, beginning: Beginning) -> Result<Session, StoreError> {
        let owner = Owner { address: &self.address, function: self.function, life: &self.life };
        self.within(PATIENCE, Session::begin(&owner, beginning))
    }

    /// Takes the session out: one that fails is not put back.
    fn session(&mut self) -> Result<Session, StoreError> {
        self.session.take().map_or_else(|| self.begin(Beginning::Again), Ok)
    }

    /// Makes all changes durable, or none.
    fn commit_all<W>(&mut self, changes: &[W], step: StepOf<W>) -> Result<Vec<Written>, StoreError> {
        let was_open = self.session.is_some();
        let written = match self.attempt(changes, step) {
            // The server ended the connection while nothing was asked: nothing has been made yet.
            Err(Failure::Before(StoreError::Away { .. })) if was_open => self.attempt(changes, step),
            written => written,
        };
        written.map_err(|failure| match failure {
            Failure::Change(error) | Failure::Before(error) | Failure::AtCommit(error) => error,
        })
    }

    fn attempt<W>(&mut self, changes: &[W], step: StepOf<W>) -> Result<Vec<Written>, Failure> {
        let session = self.session().map_err(Failure::Before)?;
        let written = self.write(&session, changes, step);
        if matches!(written, Ok(_) | Err(Failure::Change(_))) {
            self.session = Some(session);
        }
        written
    }

    fn write<W>(&self, session: &Session, changes: &[W], step: StepOf<W>) -> Result<Vec<Written>, Failure> {
        let steps = changes.iter().map(|change| step(&session.statements, change));
        let steps = steps.collect::<Result<Vec<_>, _>>().map_err(Failure::Change)?;
        let changed = self.within(PATIENCE, make(&self.address, session, &steps)).map_err(Failure::Before)?;
        let commit = async {
            session.client.batch_execute("COMMIT").await.map_err(|error| refused(&self.address, &error))
        };
        self.within(PATIENCE, commit).map_err(Failure::AtCommit)?;
        Ok(steps.iter().zip(changed).map(|(step, changed)| step.written(changed)).collect())
    }

    /// Rows of a query.
    fn query(
        &mut self,
        patience: Duration,
        query: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let session = self.session()?;
        let rows = async {
            session.client.query(query, values).await.map_err(|error| refused(&self.address, &error))
        };
        let rows = self.within(patience, rows)?;
        self.session = Some(session);
        Ok(rows)
    }

    fn number(&mut self, stream: StreamId) -> Result<u64, StoreError> {
        let query = "SELECT reserved FROM counter WHERE stream = $1";
        let found = self.query(PATIENCE, query, &[&&stream.0[..]])?;
        rows::unsigned("counter", found.first().map_or(Ok(0), |row| row.number(0))?)
    }

    /// The number of every stream.
    fn numbers(&mut self) -> Result<BTreeMap<Vec<u8>, u64>, StoreError> {
        let mut numbers = BTreeMap::new();
        for row in self.query(TABLE_PATIENCE, "SELECT stream, reserved FROM counter", &[])? {
            let stream = row.octets(0).ok_or_else(|| damaged("counter", "a stream is no octets"))?;
            numbers.insert(stream.to_vec(), rows::unsigned("counter", row.number(1)?)?);
        }
        Ok(numbers)
    }

    /// Waits for the server, not without end.
    fn within<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let late =
            || StoreError::Away { server: self.address.to_string(), why: "no answer in time".to_owned() };
        let done = self.runtime.block_on(async { tokio::time::timeout(patience, work).await });
        done.unwrap_or_else(|_| Err(late()))
    }
}

/// A request that is on its way to the server.
type Request<'a> = Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + 'a>>;

/// Makes changes in a transaction that is not committed yet; returns how many rows each has changed.
async fn make(
    address: &Address,
    session: &Session,
    steps: &[change::Step<'_>],
) -> Result<Vec<u64>, StoreError> {
    let client = &session.client;
    let mut requests: Vec<Request<'_>> =
        vec![Box::pin(async { client.batch_execute("BEGIN").await.map(|()| 0) })];
    for step in steps {
        requests.push(Box::pin(async move {
            let values: Vec<&(dyn ToSql + Sync)> = step.values.iter().map(|value| &**value).collect();
            client.execute(step.statement, &values).await
        }));
    }
    let answers = in_order(requests).await;
    // The first error is the cause of the others.
    let changed = answers.into_iter().skip(1).collect::<Result<Vec<_>, _>>();
    changed.map_err(|error| refused(address, &error))
}

/// Begins all requests in their order, and waits for all of them.
async fn in_order<F: Future + Unpin>(mut requests: Vec<F>) -> Vec<F::Output> {
    let mut answers: Vec<Option<F::Output>> = requests.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (request, answer) in requests.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(ready) = Pin::new(request).poll(context)
            {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

impl Store for Postgres {
    fn commit(&mut self, changes: &[Write]) -> Result<Vec<Written>, StoreError> {
        self.commit_all(changes, change::step)
    }

    fn reserved(&mut self, stream: StreamId) -> Result<u64, StoreError> {
        self.number(stream)
    }

    fn subscribers(&mut self) -> Result<Vec<StoredSubscriber>, StoreError> {
        let numbers = self.numbers()?;
        let query = "SELECT imsi, impi, k, opc, prose FROM subscriber ORDER BY imsi";
        let rows = self.query(TABLE_PATIENCE, query, &[])?;
        let mut found = rows.iter().map(rows::subscriber).collect::<Result<Vec<_>, _>>()?;
        for subscriber in &mut found {
            let stream = sidelink_network::hss::stream(&subscriber.subscriber.imsi);
            subscriber.reserved = numbers.get(&stream.0[..]).copied().unwrap_or(0);
        }
        Ok(found)
    }

    fn keys(&mut self) -> Result<Vec<bsf::Record>, StoreError> {
        let query = "SELECT impi, b_tid, rand, ks, created, expires FROM bootstrapped ORDER BY impi";
        self.query(TABLE_PATIENCE, query, &[])?.iter().map(rows::key).collect()
    }

    fn entries(&mut self) -> Result<Vec<Record>, StoreError> {
        let query = "SELECT ue, entry, valid_until, kept_until, content FROM entry ORDER BY ue, entry";
        self.query(TABLE_PATIENCE, query, &[])?.iter().map(rows::entry).collect()
    }

    fn refusals(&mut self, now: UtcTime) -> Result<Vec<(Ue, UtcTime)>, StoreError> {
        let found = self.query(TABLE_PATIENCE, "SELECT ue, until FROM refusal ORDER BY ue", &[])?;
        let found: Vec<_> = found.iter().map(rows::refusal).collect::<Result<_, _>>()?;
        Ok(found.into_iter().filter(|(_, until)| *until > now).collect())
    }

    fn cp_pruks(&mut self) -> Result<Vec<panf::Record>, StoreError> {
        let query = "SELECT imsi, service, id, key FROM cp_pruk ORDER BY imsi, service";
        self.query(TABLE_PATIENCE, query, &[])?.iter().map(rows::cp_pruk).collect()
    }

    fn up_pruks(&mut self) -> Result<Vec<remote_keys::Record>, StoreError> {
        let query = "SELECT imsi, slot, id, key, expires FROM up_pruk ORDER BY imsi, slot";
        self.query(TABLE_PATIENCE, query, &[])?.iter().map(rows::up_pruk).collect()
    }

    fn public_keys(&mut self) -> Result<Durable, StoreError> {
        self.durable_public_keys()
    }
}

impl Columns for Row {
    fn text(&self, column: usize) -> Result<String, StoreError> {
        self.try_get(column).map_err(|_| wrong(column))
    }

    fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        self.try_get(column).map_err(|_| wrong(column))
    }

    fn number(&self, column: usize) -> Result<i64, StoreError> {
        self.try_get(column).map_err(|_| wrong(column))
    }

    fn octets(&self, column: usize) -> Option<&[u8]> {
        self.try_get(column).ok()
    }
}

/// The schema was changed by others.
fn wrong(column: usize) -> StoreError {
    damaged("of a query", format_args!("column {column} has another type"))
}

#[cfg(test)]
impl Postgres {
    pub(crate) fn execute_for_tests(&mut self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> u64 {
        let client = &self.session.as_ref().unwrap().client;
        self.runtime.block_on(client.execute(statement, values)).unwrap()
    }
}
