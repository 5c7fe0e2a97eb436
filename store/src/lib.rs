//! The key store: keys of groups, of discovery and of identities, and the counters that were used under them, in one file.
//!
//! ```text
//! entry.rs      groups and discovery keys as they are stored in the file and in the TOML form
//! material.rs   entries -> keys of sidelink-security, checked
//! credential.rs keys and certificates of one-to-one links, in PEM
//! error.rs      errors of keys
//! kds.rs        root keys on which links agreed
//! group_keys.rs keys of groups by identities: GMKs, calls, the highest time of each sender
//! fresh.rs      new keys from the system's random source; revocation
//! sending.rs    rights to send: which UE may send under which PGK from here
//! place.rs      the place of a store, and the witness of its state
//! handover.rs   movement of rights to send: store, file, store
//! from_network.rs  PGKs that a key management function gave: the right to send under each is taken once
//! identity.rs   identity-based keys: servers and identities
//! shared.rs     one open store for several threads
//! ```
//!
//! The file is an embedded database (redb): a table of entries, a table of counters, a format version. Its properties:
//!
//! - **mode 0600**: it is created with this mode. A file that other users may read or write is refused, with the
//!   remedy. The same holds for the TOML form, which contains the same secrets.
//! - **one process**: the process that opens it holds its lock until the end; a second one is refused. [`read`] takes
//!   the lock as well, while it reads.
//! - **never overwritten**: a file that is not a key store, of another format version or damaged is an error and stays
//!   unchanged: a copy in memory is opened and read first. Entries and counters carry a checksum of their own (against
//!   damage, not against an attacker, whom the mode keeps out). One damage cannot be told from a loss of power: that of
//!   the last commit alone, which brings back the state before it.
//! - **counters survive**: [`CounterStore::raise`] returns when the new number is on the disk (fsync). A sender that
//!   crashes skips at most [`ReserveConfig::max_skip`](sidelink_security::counter::reserve::ReserveConfig::max_skip)
//!   counters, 1536 as configured by default, and repeats none. A right to send is in one place, and moves with its counters: a
//!   store that was copied or put back, and a file without rights, may receive and not send.
//! - **wiped**: secrets in our own memory are overwritten when dropped. Pages that the database caches and blocks that the
//!   disk gives up are not.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
// A store is a file, and new keys come from the system's random source (ARCHITECTURE.md).
#![allow(clippy::disallowed_methods)]

mod chains;
pub mod credential;
mod entry;
mod error;
mod fresh;
mod from_network;
mod group_keys;
mod handover;
pub mod identity;
mod kds;
mod material;
mod place;
mod sending;
mod shared;
mod signed;

pub use chains::{ChainEntry, FreshChain, OwnAnnouncement, PointerEntry, fresh_signing_key};
pub use credential::CredentialConfig;
pub use entry::{
    Cipher, Discovery, Group, Hex, Keys, Member, MicCheckName, PgkEntry, Protection, Right, Secret, Sending,
    Suspension, VariantName,
};
pub use error::{CredentialFault, Doing, Error, Fault, Foreign, Format, NoRight};
pub use fresh::{random, revoke, revoke_ue, utc_now};
pub use from_network::{GivenPgks, TakenGroup};
pub use handover::{Handed, Source, write_handed};
pub use identity::{IdentityCredential, IdentityEntry, IdentityKeys, IdentityKind, KmsEntry, ServerKeys};
pub use material::{ENOUGH_BITS, Followed, content, rotating};
pub use place::witness_of;
pub use shared::SharedStore;
pub use signed::{RotationName, SchemeName, SignedEntry};

use redb::backends::InMemoryBackend;
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError,
    TableHandle,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sidelink_security::counter::reserve::{CounterStore, StreamId};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Version of the file's format.
pub const VERSION: u64 = 1;

/// Magic octets of a redb file.
const MAGIC: &[u8; 9] = b"redb\x1A\x0A\xA9\x0D\x0A";

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("sidelink-meta");
const GROUPS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("groups");
const DISCOVERY: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("discovery");
/// Absent in stores of earlier versions, as the next one.
const KMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("kms");
const IDENTITIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("identities");
/// Stream -> (number, checksum).
const COUNTERS: TableDefinition<'_, [u8; 16], (u64, u64)> = TableDefinition::new("counters");

/// Counter of the latest time that was used: a clock that shows less is not trusted.
pub const CLOCK: StreamId = StreamId(*b"sidelink:clock:1");

type Entries = TableDefinition<'static, &'static str, &'static [u8]>;

/// An entry as stored in the file, with its name.
type Stored = (String, Zeroizing<Vec<u8>>);

/// A key store, locked by this process.
pub struct KeyStore {
    path: PathBuf,
    database: Database,
    suspended: Option<Suspension>,
}

impl KeyStore {
    /// Makes a new, empty store.
    ///
    /// # Errors
    /// The file exists or cannot be made.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = create_private(path)?;
        let database = Database::builder().create_file(file).map_err(|e| refused(path, e))?;
        let mut store = Self { path: path.to_owned(), database, suspended: None };
        store.write(|transaction| {
            transaction.open_table(META).map_err(redb::Error::from)?.insert("version", VERSION)?;
            transaction.open_table(GROUPS).map_err(redb::Error::from)?;
            transaction.open_table(DISCOVERY).map_err(redb::Error::from)?;
            transaction.open_table(COUNTERS).map_err(redb::Error::from)?;
            Ok(())
        })?;
        store.settle()?;
        Ok(store)
    }

    /// Opens a store and locks it.
    ///
    /// # Errors
    /// There is no such file, other users may read it, another process holds it, or it is of another version or damaged.
    pub fn open(path: &Path) -> Result<Self, Error> {
        check_mode(path)?;
        if !is_database(path)? {
            return Err(Error::Foreign(path.to_owned(), Foreign::File));
        }
        check_copy(path)?;
        let database = Database::builder().open(path).map_err(|e| refused(path, e))?;
        let mut store = Self { path: path.to_owned(), database, suspended: None };
        store.check()?;
        store.look_around()?;
        Ok(store)
    }

    /// Opens a store, or makes one if there is no file.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Self::create`].
    pub fn open_or_create(path: &Path) -> Result<Self, Error> {
        if path.exists() { Self::open(path) } else { Self::create(path) }
    }

    /// Returns all entries, sorted by name.
    ///
    /// # Errors
    /// A damaged file.
    pub fn keys(&self) -> Result<Keys, Error> {
        let (group, discovery) = (self.all(GROUPS)?, self.all(DISCOVERY)?);
        let (kms, identity) = (self.all(KMS)?, self.all(IDENTITIES)?);
        Ok(Keys { version: VERSION, group, discovery, kms, identity, suspended: self.suspended.clone() })
    }

    /// Puts the entries of `keys` into the store, all or none; those of the same name are replaced.
    ///
    /// # Errors
    /// An invalid entry, or an error of the disk.
    pub fn put(&self, keys: &Keys) -> Result<(), Error> {
        self.put_with(keys, &[])
    }

    /// Does the same, and raises the streams in `counters`: no counter below these numbers is given out from now on.
    fn put_with(&self, keys: &Keys, counters: &[(StreamId, u64)]) -> Result<(), Error> {
        keys.check()?;
        let mut groups = Vec::new();
        let mut discovery = Vec::new();
        for group in &keys.group {
            groups.push((group.name.as_str(), sealed(&group.name, group)?));
        }
        for entry in &keys.discovery {
            discovery.push((entry.name.as_str(), sealed(&entry.name, entry)?));
        }
        let kms = keys.kms.iter().map(|kms| Ok((kms.name.as_str(), sealed(&kms.name, kms)?)));
        let kms = kms.collect::<Result<Vec<_>, Error>>()?;
        let identities = keys.identity.iter().map(|id| Ok((id.name.as_str(), sealed(&id.name, id)?)));
        let identities = identities.collect::<Result<Vec<_>, Error>>()?;
        self.write_witnessed(|transaction| {
            let mut table = transaction.open_table(COUNTERS).map_err(redb::Error::from)?;
            for (stream, next) in counters {
                let stored = table.get(stream.0)?.map_or(0, |value| value.value().0);
                let next = stored.max(*next);
                table.insert(stream.0, (next, checksum(&[&stream.0, &next.to_be_bytes()])))?;
            }
            drop(table);
            let all = [(GROUPS, &groups), (DISCOVERY, &discovery), (KMS, &kms), (IDENTITIES, &identities)];
            for (table, entries) in all.into_iter().filter(|(_, entries)| !entries.is_empty()) {
                let mut table = transaction.open_table(table).map_err(redb::Error::from)?;
                for (name, bytes) in entries {
                    table.insert(*name, bytes.as_slice())?;
                }
            }
            Ok(())
        })
    }

    /// Resets the time that was used, if it was wrong.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn reset_clock(&mut self) -> Result<(), Error> {
        self.write(|transaction| {
            transaction.open_table(COUNTERS).map_err(redb::Error::from)?.remove(CLOCK.0)?;
            Ok(())
        })
    }

    fn all<T: DeserializeOwned>(&self, table: Entries) -> Result<Vec<T>, Error> {
        let read = || -> Result<Vec<Stored>, redb::Error> {
            let transaction = self.database.begin_read()?;
            let table = match transaction.open_table(table) {
                Err(TableError::TableDoesNotExist(name))
                    if [KMS.name(), IDENTITIES.name()].contains(&&*name) =>
                {
                    return Ok(Vec::new());
                }
                table => table?,
            };
            let mut all = Vec::new();
            for entry in table.iter()? {
                let (name, bytes) = entry?;
                all.push((name.value().to_owned(), Zeroizing::new(bytes.value().to_vec())));
            }
            Ok(all)
        };
        let all = read().map_err(|e| damaged(&self.path, &e.to_string()))?;
        all.iter().map(|(name, bytes)| unsealed(&self.path, name, bytes)).collect()
    }

    /// Checks that all content can be read and is valid.
    fn check(&self) -> Result<(), Error> {
        self.check_version()?;
        self.keys()?;
        self.group_keys()?;
        self.check_counters()
    }

    fn check_version(&self) -> Result<(), Error> {
        let place = self.path.display().to_string();
        let transaction = self.database.begin_read().map_err(|e| damaged(&self.path, &e.to_string()))?;
        let version = match transaction.open_table(META) {
            Ok(table) => {
                table.get("version").map_err(|e| damaged(&self.path, &e.to_string()))?.map(|v| v.value())
            }
            Err(TableError::TableDoesNotExist(_)) => {
                return Err(Error::Foreign(self.path.clone(), Foreign::Database));
            }
            Err(e) => return Err(damaged(&self.path, &e.to_string())),
        };
        match version {
            Some(VERSION) => Ok(()),
            Some(other) => Err(Error::Version { place, found: Format::Store(other) }),
            None => Err(damaged(&self.path, "no format version")),
        }
    }

    fn check_counters(&self) -> Result<(), Error> {
        let read = || -> Result<bool, redb::Error> {
            let transaction = self.database.begin_read()?;
            for entry in transaction.open_table(COUNTERS)?.iter()? {
                let (stream, value) = entry?;
                let (number, sum) = value.value();
                if checksum(&[&stream.value(), &number.to_be_bytes()]) != sum {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match read() {
            Ok(true) => Ok(()),
            Ok(false) => Err(damaged(&self.path, "a counter has a wrong checksum")),
            Err(e) => Err(damaged(&self.path, &e.to_string())),
        }
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        let run = || -> Result<T, redb::Error> {
            // Durability::Immediate is the default: a committed transaction is on the disk.
            let transaction = self.database.begin_write()?;
            let result = change(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|e| Error::Io {
            path: self.path.clone(),
            doing: Doing::Change,
            kind: std::io::ErrorKind::Other,
            why: e.to_string(),
        })
    }
}

impl CounterStore for KeyStore {
    type Error = Error;

    fn reserved(&self, stream: &StreamId) -> Result<u64, Error> {
        let read = || -> Result<Option<(u64, u64)>, redb::Error> {
            let transaction = self.database.begin_read()?;
            Ok(transaction.open_table(COUNTERS)?.get(stream.0)?.map(|v| v.value()))
        };
        match read() {
            Ok(None) => Ok(0),
            Ok(Some((number, sum))) if checksum(&[&stream.0, &number.to_be_bytes()]) == sum => Ok(number),
            Ok(Some(_)) => Err(damaged(&self.path, "a counter has a wrong checksum")),
            Err(e) => Err(damaged(&self.path, &e.to_string())),
        }
    }

    fn raise(&mut self, stream: &StreamId, from: u64, to: u64) -> Result<bool, Error> {
        if self.reserved(stream)? != from || to < from {
            return Ok(false);
        }
        self.write_witnessed(|transaction| {
            let mut table = transaction.open_table(COUNTERS).map_err(redb::Error::from)?;
            table.insert(stream.0, (to, checksum(&[&stream.0, &to.to_be_bytes()])))?;
            Ok(true)
        })
    }
}

/// Reads the keys in `path`, a store or its TOML form.
///
/// # Errors
/// As [`KeyStore::open`], or invalid TOML.
pub fn read(path: &Path) -> Result<Keys, Error> {
    check_mode(path)?;
    if is_database(path)? {
        return KeyStore::open(path)?.keys();
    }
    read_toml(path)
}

fn read_toml(path: &Path) -> Result<Keys, Error> {
    let mut text = Zeroizing::new(String::new());
    let place = path.display().to_string();
    let file = File::open(path).and_then(|file| file.take(256 << 20).read_to_string(&mut text));
    file.map_err(|e| Error::Foreign(path.to_owned(), Foreign::Binary(e.to_string())))?;
    Keys::from_toml(&text, &place)
}

/// Creates a file that only its owner may read, and writes `text` to it.
///
/// # Errors
/// The file exists or cannot be made.
pub fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    let mut file = create_private(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|e| Error::io(path, Doing::Write, &e))
}

/// Creates a file that only its owner may read.
///
/// # Errors
/// The file exists or cannot be made.
pub fn create_private(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| Error::io(path, Doing::Make, &e))
}

/// Checks that a file with secrets is for its owner alone: key stores and their TOML form, keys in PEM, tokens, and
/// `ue.toml` with a `kd`.
///
/// # Errors
/// There is no such file, or other users may read or write it.
// TS 33.303 §6.2.2
pub fn check_mode(path: &Path) -> Result<(), Error> {
    let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, Doing::Find, &e))?;
    if !metadata.is_file() {
        return Err(Error::NotAFile(path.to_owned()));
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::Exposed(path.to_owned(), mode));
        }
    }
    Ok(())
}

/// Whether a file is a store, rather than the TOML form of one. Its content is not checked.
///
/// # Errors
/// It cannot be read, or other users may read it.
pub fn is_store(path: &Path) -> Result<bool, Error> {
    check_mode(path)?;
    is_database(path)
}

fn is_database(path: &Path) -> Result<bool, Error> {
    let mut start = [0; MAGIC.len()];
    let mut file = File::open(path).map_err(|e| Error::io(path, Doing::Read, &e))?;
    Ok(file.read_exact(&mut start).is_ok() && start == *MAGIC)
}

fn refused(path: &Path, error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Error::InUse(path.to_owned()),
        DatabaseError::UpgradeRequired(version) => {
            Error::Version { place: path.display().to_string(), found: Format::Database(version) }
        }
        other => damaged(path, &other.to_string()),
    }
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::Damaged(path.to_owned(), why.to_owned())
}

/// Opens a copy of the file in memory, repairs it there as after a crash, and reads all of it: inconsistencies are
/// found before the database touches the file.
fn check_copy(path: &Path) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::io(path, Doing::Read, &e);
    let mut file = File::open(path).map_err(failed)?;
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            return Err(refused(path, DatabaseError::DatabaseAlreadyOpen));
        }
        Err(std::fs::TryLockError::Error(e)) => return Err(failed(e)),
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes).map_err(failed)?;
    // The database asserts some of what it reads: a damaged file may make it panic.
    let checked = catch_unwind(AssertUnwindSafe(|| {
        let copy = InMemoryBackend::new();
        copy.set_len(bytes.len() as u64).and_then(|()| copy.write(0, &bytes)).map_err(failed)?;
        let mut database = Database::builder().create_with_backend(copy).map_err(|e| refused(path, e))?;
        match database.check_integrity() {
            Ok(true) => KeyStore { path: path.to_owned(), database, suspended: None }.check(),
            Ok(false) => Err(damaged(path, "the database does not hold together")),
            Err(e) => Err(refused(path, e)),
        }
    }));
    checked.unwrap_or_else(|_| Err(damaged(path, "the database does not hold together")))
}

/// Returns an entry with its checksum in front.
fn sealed(name: &str, entry: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let text = serde_json::to_vec(entry).map(Zeroizing::new);
    let text = text.map_err(|e| Error::entry(name, Fault::Unwritable(e.to_string())))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 + text.len()));
    bytes.extend_from_slice(&checksum(&[name.as_bytes(), &text]).to_be_bytes());
    bytes.extend_from_slice(&text);
    Ok(bytes)
}

fn unsealed<T: DeserializeOwned>(path: &Path, name: &str, bytes: &[u8]) -> Result<T, Error> {
    let broken = || damaged(path, &format!("the entry {name:?} has a wrong checksum"));
    let (sum, text) = bytes.split_first_chunk::<8>().ok_or_else(broken)?;
    if checksum(&[name.as_bytes(), text]) != u64::from_be_bytes(*sum) {
        return Err(broken());
    }
    serde_json::from_slice(text).map_err(|_| damaged(path, &format!("the entry {name:?} makes no sense")))
}

/// Computes FNV-1a, 64 bits: against damage.
fn checksum(parts: &[&[u8]]) -> u64 {
    let octets = parts.iter().flat_map(|part| part.iter());
    octets.fold(0xcbf2_9ce4_8422_2325, |sum, octet| {
        (sum ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
