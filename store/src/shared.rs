//! One open key store for several threads of a process.

use super::{Error, KeyStore, Keys};
use sidelink_prose::direct_link::{Admission, Change, KdRecord, KdStore};
use sidelink_prose::group_keys::{self, GroupKeyStore};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, StreamId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A key store that is shared: a UE makes its counters durable while another thread puts new keys.
#[derive(Clone)]
pub struct SharedStore(Arc<Mutex<KeyStore>>);

impl SharedStore {
    /// Shares a store that is open.
    pub fn new(store: KeyStore) -> Self {
        Self(Arc::new(Mutex::new(store)))
    }

    /// Returns all entries, as [`KeyStore::keys`] does.
    ///
    /// # Errors
    /// A damaged file.
    pub fn keys(&self) -> Result<Keys, Error> {
        self.open().keys()
    }

    /// Holds the store until the guard is dropped. The other threads wait: do not keep it.
    pub fn open(&self) -> MutexGuard<'_, KeyStore> {
        // Each change is a transaction: a thread that failed has left none half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CounterStore for SharedStore {
    type Error = Error;

    fn reserved(&self, stream: &StreamId) -> Result<u64, Error> {
        self.open().reserved(stream)
    }

    fn raise(&mut self, stream: &StreamId, from: u64, to: u64) -> Result<bool, Error> {
        self.open().raise(stream, from, to)
    }
}

impl KdStore for SharedStore {
    type Error = Error;

    fn apply(&mut self, changes: &[Change]) -> Result<(), Error> {
        KdStore::apply(&mut *self.open(), changes)
    }

    fn kds(&self) -> Result<Vec<KdRecord>, Error> {
        self.open().kds()
    }

    fn admissions(&self) -> Result<Vec<Admission>, Error> {
        self.open().admissions()
    }
}

impl GroupKeyStore for SharedStore {
    type Error = Error;

    fn apply(&mut self, changes: &[group_keys::Change]) -> Result<(), Error> {
        GroupKeyStore::apply(&mut *self.open(), changes)
    }

    fn kept(&mut self, now: UtcTime) -> Result<group_keys::Kept, Error> {
        self.open().kept(now)
    }
}
