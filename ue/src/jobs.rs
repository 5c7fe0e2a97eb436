//! Jobs that may wait for a disk or take long, beside the sample path: making counters durable, building tables of
//! codes, encapsulating keys. Tables have a thread of their own: nothing durable waits for them.
//!
//! Every job is due a fixed number of subframes after its request, and its result is returned in that subframe, not
//! before: the transmissions of a UE do not depend on the speed of the disk. In lock-step the UE waits for a late job;
//! in real time a late result is returned when it is there, and the delay is counted.

mod tables;

use crate::group_keys::GroupWrite;
use crossbeam::channel::{Receiver, Sender, bounded};
pub use sidelink_prose::direct_link::KdStore;
use sidelink_prose::direct_link::{Admission, Change, KdRecord, Ticket};
use sidelink_prose::discovery::Job as TableJob;
pub use sidelink_prose::group_keys::GroupKeyStore;
use sidelink_prose::group_keys::{self, Kept, SealJob};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, Granted, Reservation, StreamId};
use std::collections::VecDeque;
use std::fmt::Display;

pub use tables::{Cores, TableThread, TableTimes, build_table};

/// Subframes from the request of a job to its result.
const DUE: u64 = 40;

/// Places of a table for which its result is due a subframe later: one of a million is due after 284.
const PLACES_A_SUBFRAME: u64 = 4096;

/// Pending jobs, at most.
const MOST: usize = 256;

/// A job.
pub enum Job {
    /// Make counters durable.
    Reserve(Reservation),
    /// Build a table.
    Build(TableJob),
    /// Make keys of links durable.
    Keys(Ticket, Vec<Change>),
    /// Read how far the counters of a stream are reserved.
    ReadCounter(StreamId),
    /// Make state of group keys durable.
    Group {
        /// Machine that asks.
        machine: usize,
        /// Its ticket.
        ticket: u64,
        /// The state.
        write: GroupWrite,
    },
    /// Make messages that bring a GMK.
    Seal {
        /// Machine that asks.
        machine: usize,
        /// The work.
        job: SealJob,
    },
}

/// The result of a job.
pub enum JobResult {
    /// Counters are durable.
    Granted(Granted),
    /// Counters of a stream are not durable; the text says why.
    Failed(StreamId, String),
    /// A table is built.
    Table(TableJob),
    /// Keys are durable.
    KeysStored(Ticket),
    /// Keys are not durable; the text says why.
    KeysFailed(Ticket, String),
    /// How far the counters of a stream are reserved.
    Counter(StreamId, u64),
    /// State of group keys is durable.
    GroupStored {
        /// Machine that asked.
        machine: usize,
        /// Its ticket.
        ticket: u64,
    },
    /// State of group keys is not durable.
    GroupFailed {
        /// Machine that asked.
        machine: usize,
        /// Its ticket.
        ticket: u64,
        /// Why.
        why: String,
    },
    /// Messages that bring a GMK are made.
    Sealed {
        /// Machine that asked.
        machine: usize,
        /// The work, done.
        job: SealJob,
    },
}

/// The engine that requested a job and gets its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Layer 2.
    Engine,
    /// Discovery.
    Agent,
    /// One-to-one links.
    Links,
    /// Links from end to end, through UE-to-UE relays.
    EndToEnd,
    /// Machines of group keys.
    GroupKeys,
}

/// An executor of jobs.
pub trait Jobs {
    /// Begins a job of `owner` in subframe `t`. Returns the job when too many are pending.
    fn begin(&mut self, t: u64, owner: Owner, job: Job) -> Option<Job>;

    /// Returns the next result that is due by subframe `t`, and its owner.
    fn take(&mut self, t: u64) -> Option<(Owner, JobResult)>;

    /// Returns the number of subframes in which a due result was missing.
    fn late(&self) -> u64;

    /// Returns how long tables of codes took that were built on another thread.
    fn table_times(&self) -> TableTimes {
        TableTimes::default()
    }
}

/// Runs jobs in threads of its own: one for tables, one for all others.
pub struct Threaded {
    to_worker: Sender<(Owner, Job)>,
    from_worker: Receiver<(Owner, JobResult)>,
    due: VecDeque<u64>,
    tables: TableThread,
    tables_due: VecDeque<(u64, Owner)>,
    table_times: TableTimes,
    waits: bool,
    late: u64,
}

impl Threaded {
    /// Starts the threads. With `waits`, [`Jobs::take`] blocks until a late result is there (lock-step).
    pub fn new<S>(mut store: S, waits: bool) -> Self
    where
        S: CounterStore + KdStore + GroupKeyStore + Send + 'static,
        <S as CounterStore>::Error: Display,
    {
        let (to_worker, jobs) = bounded::<(Owner, Job)>(MOST);
        let (done, from_worker) = bounded(MOST);
        std::thread::spawn(move || {
            for (owner, job) in jobs {
                let result = match job {
                    Job::Reserve(reservation) => commit(reservation, &mut store),
                    Job::ReadCounter(stream) => read(stream, &store),
                    Job::Group { machine, ticket, write } => keep(machine, ticket, &write, &mut store),
                    Job::Keys(ticket, changes) => match KdStore::apply(&mut store, &changes) {
                        Ok(()) => JobResult::KeysStored(ticket),
                        Err(error) => JobResult::KeysFailed(ticket, error.to_string()),
                    },
                    // Its thread could not take it.
                    Job::Build(job) => built(job),
                    Job::Seal { machine, job } => sealed(machine, job),
                };
                if done.send((owner, result)).is_err() {
                    return;
                }
            }
        });
        let (tables, tables_due) = (TableThread::start(), VecDeque::new());
        Self {
            to_worker,
            from_worker,
            due: VecDeque::with_capacity(MOST),
            tables,
            tables_due,
            table_times: TableTimes::default(),
            waits,
            late: 0,
        }
    }

    fn take_table(&mut self, t: u64) -> Option<(Owner, JobResult)> {
        let (_, owner) = *self.tables_due.front().filter(|(due, _)| *due <= t)?;
        let built = if self.waits { self.tables.wait() } else { self.tables.take() };
        match built {
            Some((job, took)) => {
                self.tables_due.pop_front();
                self.table_times.add(took);
                Some((owner, JobResult::Table(job)))
            }
            None => {
                self.late += 1;
                None
            }
        }
    }

    fn take_other(&mut self, t: u64) -> Option<(Owner, JobResult)> {
        if self.due.front().is_none_or(|due| *due > t) {
            return None;
        }
        let done = if self.waits { self.from_worker.recv().ok() } else { self.from_worker.try_recv().ok() };
        match done {
            Some(done) => {
                self.due.pop_front();
                Some(done)
            }
            None => {
                self.late += 1;
                None
            }
        }
    }
}

impl Jobs for Threaded {
    fn begin(&mut self, t: u64, owner: Owner, job: Job) -> Option<Job> {
        if let Job::Build(job) = job {
            let due = t + DUE + job.places() as u64 / PLACES_A_SUBFRAME;
            let refused = self.tables.begin(job);
            if refused.is_none() {
                self.tables_due.push_back((due, owner));
            }
            return refused.map(Job::Build);
        }
        match self.to_worker.try_send((owner, job)) {
            Ok(()) => {
                self.due.push_back(t + DUE);
                None
            }
            Err(e) => Some(e.into_inner().1),
        }
    }

    fn take(&mut self, t: u64) -> Option<(Owner, JobResult)> {
        self.take_other(t).or_else(|| self.take_table(t))
    }

    fn table_times(&self) -> TableTimes {
        self.table_times
    }

    fn late(&self) -> u64 {
        self.late
    }
}

/// Runs jobs when they are requested; the results are due in a later subframe. For recordings, which are not made in
/// real time and contain no links.
pub struct Immediate<S> {
    store: S,
    /// With the subframe in which each was requested.
    results: VecDeque<(u64, Owner, JobResult)>,
}

impl<S> Immediate<S> {
    /// Makes an executor with a store of counters.
    pub fn new(store: S) -> Self {
        Self { store, results: VecDeque::new() }
    }
}

impl<S> Jobs for Immediate<S>
where
    S: CounterStore,
    S::Error: Display,
{
    fn begin(&mut self, t: u64, owner: Owner, job: Job) -> Option<Job> {
        let result = match job {
            Job::Reserve(reservation) => commit(reservation, &mut self.store),
            Job::ReadCounter(stream) => read(stream, &self.store),
            Job::Group { machine, ticket, .. } => {
                let why = "no keys of groups are kept here".to_owned();
                JobResult::GroupFailed { machine, ticket, why }
            }
            Job::Keys(ticket, _) => {
                JobResult::KeysFailed(ticket, "no keys of links are kept here".to_owned())
            }
            Job::Build(job) => built(job),
            Job::Seal { machine, job } => sealed(machine, job),
        };
        self.results.push_back((t, owner, result));
        None
    }

    fn take(&mut self, t: u64) -> Option<(Owner, JobResult)> {
        self.results.front().filter(|(asked, ..)| *asked != t)?;
        self.results.pop_front().map(|(_, owner, result)| (owner, result))
    }

    fn late(&self) -> u64 {
        0
    }
}

fn commit<S>(reservation: Reservation, store: &mut S) -> JobResult
where
    S: CounterStore,
    S::Error: Display,
{
    let stream = reservation.stream();
    match reservation.commit(store) {
        Ok(granted) => JobResult::Granted(granted),
        Err(error) => JobResult::Failed(stream, error.to_string()),
    }
}

fn read<S>(stream: StreamId, store: &S) -> JobResult
where
    S: CounterStore,
    S::Error: Display,
{
    match store.reserved(&stream) {
        Ok(reserved) => JobResult::Counter(stream, reserved),
        Err(error) => JobResult::Failed(stream, error.to_string()),
    }
}

/// Makes state of group keys durable.
fn keep<S>(machine: usize, ticket: u64, write: &GroupWrite, store: &mut S) -> JobResult
where
    S: CounterStore + GroupKeyStore,
    <S as CounterStore>::Error: Display,
{
    let why = match write {
        GroupWrite::Identity(changes) => GroupKeyStore::apply(store, changes).err().map(|e| e.to_string()),
        GroupWrite::ListNumber(number) => number.commit(store).err().map(|e| e.to_string()),
    };
    match why {
        None => JobResult::GroupStored { machine, ticket },
        Some(why) => JobResult::GroupFailed { machine, ticket, why },
    }
}

fn built(mut job: TableJob) -> JobResult {
    while !job.run(usize::MAX) {}
    JobResult::Table(job)
}

fn sealed(machine: usize, mut job: SealJob) -> JobResult {
    job.run();
    JobResult::Sealed { machine, job }
}

/// Counters of a UE that protects nothing, in memory.
#[derive(Debug, Default)]
pub struct NoStore(std::collections::HashMap<StreamId, u64>);

impl CounterStore for NoStore {
    type Error = std::convert::Infallible;

    fn reserved(&self, stream: &StreamId) -> Result<u64, Self::Error> {
        Ok(self.0.get(stream).copied().unwrap_or(0))
    }

    fn raise(&mut self, stream: &StreamId, from: u64, to: u64) -> Result<bool, Self::Error> {
        if self.reserved(stream)? != from {
            return Ok(false);
        }
        self.0.insert(*stream, to);
        Ok(true)
    }
}

impl KdStore for NoStore {
    type Error = std::convert::Infallible;

    fn apply(&mut self, _changes: &[Change]) -> Result<(), Self::Error> {
        Ok(())
    }

    fn kds(&self) -> Result<Vec<KdRecord>, Self::Error> {
        Ok(Vec::new())
    }

    fn admissions(&self) -> Result<Vec<Admission>, Self::Error> {
        Ok(Vec::new())
    }
}

impl GroupKeyStore for NoStore {
    type Error = std::convert::Infallible;

    fn apply(&mut self, _changes: &[group_keys::Change]) -> Result<(), Self::Error> {
        Ok(())
    }

    fn kept(&mut self, _now: UtcTime) -> Result<Kept, Self::Error> {
        Ok(Kept::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_prose::discovery::{AirTime, Monitor, MonitorConfig, TimePolicy};
    use sidelink_security::counter::UtcCounter;
    use sidelink_security::counter::reserve::{Lease, ReserveConfig};
    use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity, Variant};
    use sidelink_security::discovery::rotation::RotationPeriod;
    use sidelink_security::keys::ApplicationKey;

    #[test]
    fn a_job_comes_back_when_it_is_due_and_not_before() {
        let stream = StreamId([7; 16]);
        let mut store = NoStore::default();
        let config = ReserveConfig { block: 4, low_water: 4 };
        let mut lease = Lease::open(stream, 0, 100, config, &mut store).unwrap();
        let reservation = lease.wanted().unwrap();
        let mut jobs = Threaded::new(store, true);
        assert!(jobs.begin(10, Owner::Links, Job::Reserve(reservation)).is_none());
        assert!(jobs.take(10 + DUE - 1).is_none());
        let Some((Owner::Links, JobResult::Granted(granted))) = jobs.take(10 + DUE) else {
            panic!("not granted")
        };
        lease.grant(granted);
        assert_eq!(lease.end(), 8);
        assert!(jobs.take(10 + DUE).is_none());
        assert_eq!(jobs.late(), 0);
    }

    /// A table of 40 000 identities is due later than what was asked for after it.
    #[test]
    fn nothing_durable_waits_for_a_table() {
        let config = OtaConfig::new(Variant::Keyed, 216, 0, RotationPeriod::SECOND).unwrap();
        let mut monitor =
            Monitor::new(MonitorConfig { rotating: Some(config), ..MonitorConfig::default() }).unwrap();
        let key = ApplicationKey::from([7; 32]);
        let identity = |i: u32| {
            let mut id = [0; 20];
            id[..4].copy_from_slice(&i.to_be_bytes());
            (id, &key, UtcCounter::new(u32::MAX))
        };
        monitor.follow_rotating((0..40_000).map(identity)).unwrap();
        let now = AirTime::at(UtcTime::from_millis(1_800_000_000_500));
        let table = monitor.job(&TimePolicy::default(), &now).unwrap().unwrap();
        assert_eq!(table.places(), 40_000);
        let mut jobs = Threaded::new(NoStore::default(), true);
        let stream = StreamId([7; 16]);
        assert!(jobs.begin(10, Owner::Agent, Job::Build(table)).is_none());
        assert!(jobs.begin(11, Owner::Links, Job::ReadCounter(stream)).is_none());
        assert!(jobs.take(11 + DUE - 1).is_none());
        assert!(matches!(jobs.take(11 + DUE), Some((Owner::Links, JobResult::Counter(_, 0)))));
        assert!(jobs.take(10 + DUE + 8).is_none());
        let Some((Owner::Agent, JobResult::Table(built))) = jobs.take(10 + DUE + 9) else {
            panic!("no table")
        };
        monitor.install(built);
        let (id, key, _) = identity(39_999);
        let message = OtaIdentity::new(config, id, key).announce(now.slot, &[]).unwrap();
        assert!(monitor.receive(&TimePolicy::default(), &now, &message).is_ok());
        assert_eq!(jobs.late(), 0);
    }
}
