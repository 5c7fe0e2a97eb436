use std::sync::Arc;

use sidelink_network::bsf;
use sidelink_network::pc3::Imsi as Ue;
use sidelink_network::prose_function::Record;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Lease, ReserveConfig};

use super::*;
use crate::store::{Sqlite, StoreError, StoredSubscriber};

const STREAM: StreamId = StreamId([1; 16]);

/// What the disk does with the next commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    Works,
    Fails,
    /// It is made, and the news of it is lost.
    MakesAndFails,
}

struct Faulty(Sqlite, Arc<std::sync::Mutex<Disk>>);

impl Store for Faulty {
    fn commit(&mut self, changes: &[Write]) -> Result<Vec<Written>, StoreError> {
        let disk = *self.1.lock().unwrap();
        let failed = || StoreError::Database(rusqlite::Error::InvalidQuery);
        if disk == Disk::Fails {
            return Err(failed());
        }
        let made = self.0.commit(changes)?;
        if disk == Disk::Works { Ok(made) } else { Err(failed()) }
    }

    fn reserved(&mut self, stream: StreamId) -> Result<u64, StoreError> {
        self.0.reserved(stream)
    }

    fn subscribers(&mut self) -> Result<Vec<StoredSubscriber>, StoreError> {
        self.0.subscribers()
    }

    fn keys(&mut self) -> Result<Vec<bsf::Record>, StoreError> {
        self.0.keys()
    }

    fn entries(&mut self) -> Result<Vec<Record>, StoreError> {
        self.0.entries()
    }

    fn refusals(&mut self, now: UtcTime) -> Result<Vec<(Ue, UtcTime)>, StoreError> {
        self.0.refusals(now)
    }

    fn cp_pruks(&mut self) -> Result<Vec<sidelink_network::panf::Record>, StoreError> {
        self.0.cp_pruks()
    }

    fn public_keys(&mut self) -> Result<sidelink_network::public_keys::server::Durable, StoreError> {
        self.0.public_keys()
    }

    fn up_pruks(&mut self) -> Result<Vec<sidelink_network::sbi::pkmf::Record>, StoreError> {
        self.0.up_pruks()
    }
}

struct World {
    ledger: Ledger,
    disk: Arc<std::sync::Mutex<Disk>>,
    lease: Lease,
    counters: Arc<Counters>,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = crate::store::tests::folder();
        let disk = Arc::new(std::sync::Mutex::new(Disk::Works));
        let sqlite = Sqlite::open(&folder.path().join("db"), "test").unwrap();
        let counters = Arc::new(Counters::default());
        let store = Box::new(Faulty(sqlite, Arc::clone(&disk)));
        let ledger = Ledger::new("test", store, Arc::clone(&counters));
        let lease = Lease::at(STREAM, 0, 0, 1000, ReserveConfig { block: 4, low_water: 0 });
        Self { ledger, disk, lease, counters, folder }
    }

    /// Asks for the next block while the disk does this.
    fn reserve(&mut self, disk: Disk) -> bool {
        *self.disk.lock().unwrap() = disk;
        let reservation = self.lease.wanted().expect("a block is wanted");
        let written = self.ledger.commit(&[raise(&reservation)]).map(|written| written[0]);
        match self.ledger.grant(reservation, written) {
            Some(granted) => self.lease.grant(granted),
            None => self.lease.failed(),
        }
        std::iter::from_fn(|| self.lease.take().ok()).count() > 0
    }
}

#[test]
fn what_is_not_durable_is_not_granted_and_works_again_afterwards() {
    let mut world = World::new();
    assert!(world.reserve(Disk::Works));
    assert!(!world.reserve(Disk::Fails) && !world.reserve(Disk::Fails));
    assert!(world.ledger.fails());
    assert_eq!(world.counters.status().store_failures, 2);
    assert!(world.reserve(Disk::Works) && !world.ledger.fails());
    assert_eq!(world.lease.peek(), 8);
}

#[test]
fn a_commit_that_was_made_without_our_knowing_does_not_block_the_stream() {
    let mut world = World::new();
    assert!(world.reserve(Disk::Works));
    assert!(!world.reserve(Disk::MakesAndFails));
    assert_eq!(world.ledger.store.reserved(STREAM).unwrap(), 8);
    assert!(world.reserve(Disk::Works));
    assert_eq!((world.lease.peek(), world.ledger.store.reserved(STREAM).unwrap()), (8, 8));
    assert!(world.reserve(Disk::Works));
    assert_eq!((world.lease.peek(), world.ledger.store.reserved(STREAM).unwrap()), (12, 12));
}

#[test]
fn a_number_that_another_process_has_raised_is_never_ours() {
    let mut world = World::new();
    assert!(world.reserve(Disk::Works));
    let mut other = Sqlite::open(&world.folder.path().join("db"), "other").unwrap();
    other.commit(&[Write::Raise { stream: STREAM, from: 4, to: 7 }]).unwrap();
    assert!(!world.reserve(Disk::Works), "4 to 6 are the other's");
    // Nor after a failed commit of our own that was not made: it would have raised to 8.
    assert!(!world.reserve(Disk::Fails));
    assert!(!world.reserve(Disk::Works));
    other.commit(&[Write::Raise { stream: STREAM, from: 7, to: 20 }]).unwrap();
    assert!(!world.reserve(Disk::Works));
    assert_eq!(world.lease.peek(), 4);
}
