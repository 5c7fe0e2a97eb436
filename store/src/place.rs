//! A store records its place, and a small file beside it, `STORE.witness`, records the state that it has reached. A
//! copy is at another place; an older state that came back is behind its witness. Either may receive but not send.
//!
//! Each gift or withdrawal of a right to send, and each reservation of counters, is one epoch: committed in the store,
//! then in the witness, then used. A store one epoch ahead of its witness was therefore stopped between the two and has
//! used nothing of that epoch.

use super::entry::{Right, Suspension};
use super::error::{Doing, Error};
use super::{KeyStore, damaged, sealed, unsealed, utc_now};
use redb::{ReadableDatabase, TableDefinition, TableError, WriteTransaction};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// One entry, [`NAME`].
const PLACE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("place");

const NAME: &str = "place";

/// First line of a witness.
const TITLE: &str = "sidelink key store witness 1";

/// Identity and place of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// Drawn when the store was made, and anew when it takes another place.
    id: String,
    position: Position,
    /// Path of its witness.
    witness: PathBuf,
    epoch: u64,
}

/// Place of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    file_system: u64,
    inode: u64,
    /// A checksum of the machine's ID, if it has one.
    machine: Option<u64>,
}

impl Position {
    fn of(path: &Path) -> std::io::Result<Self> {
        // the device number changes from boot to boot for some file systems, the ID of the file system does not
        let file_system = rustix::fs::statvfs(path)?.f_fsid;
        let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path)?);
        let machine = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
        let machine = machine.iter().find_map(|path| std::fs::read(path).ok());
        Ok(Self { file_system, inode, machine: machine.map(|name| super::checksum(&[&name])) })
    }
}

/// Returns the path of a store's witness.
pub fn witness_of(path: &Path) -> PathBuf {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.into_os_string();
    name.push(".witness");
    name.into()
}

impl KeyStore {
    /// Checks that the store is at its place, and as new as its witness; otherwise suspends it. Follows a store that
    /// was moved.
    pub(super) fn look_around(&mut self) -> Result<(), Error> {
        self.suspended = match self.identity()? {
            None => Some(Suspension("the store does not say where it belongs: an earlier version made it")),
            Some(identity) => self.suspicion(identity)?,
        };
        Ok(())
    }

    fn suspicion(&self, identity: Identity) -> Result<Option<Suspension>, Error> {
        let failed = |e: std::io::Error| Error::io(&self.path, Doing::Read, &e);
        if Position::of(&self.path).map_err(failed)? != identity.position {
            return Ok(Some(Suspension("the store is a copy, or was restored at another place")));
        }
        let beside = witness_of(&self.path);
        let witnessed = match read_witness(&beside) {
            Some((id, epoch)) if id == identity.id => Some(epoch),
            Some(_) => None,
            None => match read_witness(&identity.witness) {
                // the store was moved: its witness follows
                Some((id, epoch)) if id == identity.id => {
                    write_witness(&beside, &id, epoch)?;
                    let moved = Identity { witness: beside.clone(), ..identity.clone() };
                    self.write(|transaction| set(transaction, &moved))?;
                    if beside != identity.witness {
                        let _ = std::fs::remove_file(&identity.witness);
                    }
                    Some(epoch)
                }
                _ => None,
            },
        };
        Ok(match witnessed {
            None => Some(Suspension("the store's witness, the file NAME.witness beside it, is gone")),
            Some(epoch) if epoch == identity.epoch || epoch + 1 == identity.epoch => None,
            Some(_) => Some(Suspension("the store is older than its witness: an earlier state was put back")),
        })
    }

    /// Gives the store a new identity at its place, and a new witness.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        let id = sidelink_wire::hex::of_bytes(super::random(16)?.as_bytes());
        let position = Position::of(&self.path).map_err(|e| Error::io(&self.path, Doing::Read, &e))?;
        let identity = Identity { id, position, witness: witness_of(&self.path), epoch: 1 };
        self.write(|transaction| set(transaction, &identity))?;
        write_witness(&identity.witness, &identity.id, identity.epoch)?;
        self.suspended = None;
        Ok(())
    }

    /// Prepares the store for new rights to send. A suspended store loses the rights that it holds, for good, and
    /// belongs here from now on.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn settle_for_new_rights(&mut self) -> Result<(), Error> {
        if self.suspended.is_some() {
            let mut keys = self.keys()?;
            keys.end_rights(Right::Lost, utc_now());
            self.put(&keys)?;
            self.settle()?;
        }
        Ok(())
    }

    /// Returns the reason why no right of the store may be used, if it is suspended.
    pub fn suspended(&self) -> Option<&Suspension> {
        self.suspended.as_ref()
    }

    /// Writes a change of counters or rights: an epoch, which is in the witness on return.
    pub(super) fn write_witnessed<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        if self.suspended.is_some() {
            return self.write(change);
        }
        let Some(mut identity) = self.identity()? else { return self.write(change) };
        // the store's present place, not the one in the file
        identity.witness = witness_of(&self.path);
        let witness = |identity: &Identity| write_witness(&identity.witness, &identity.id, identity.epoch);
        if read_witness(&identity.witness).is_none_or(|(_, epoch)| epoch != identity.epoch) {
            // the last epoch was committed, and its witness could not be written
            witness(&identity)?;
        }
        identity.epoch += 1;
        let result = self.write(|transaction| {
            set(transaction, &identity)?;
            change(transaction)
        })?;
        witness(&identity)?;
        Ok(result)
    }

    fn identity(&self) -> Result<Option<Identity>, Error> {
        let broken = |e: redb::Error| damaged(&self.path, &e.to_string());
        let transaction = self.database.begin_read().map_err(|e| broken(e.into()))?;
        let table = match transaction.open_table(PLACE) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(e) => return Err(broken(e.into())),
        };
        let entry = table.get(NAME).map_err(|e| broken(e.into()))?;
        entry.map(|entry| unsealed(&self.path, NAME, entry.value())).transpose()
    }
}

fn set(transaction: &WriteTransaction, identity: &Identity) -> Result<(), redb::Error> {
    let bytes = sealed(NAME, identity).map_err(|e| redb::Error::Corrupted(e.to_string()))?;
    transaction.open_table(PLACE).map_err(redb::Error::from)?.insert(NAME, bytes.as_slice())?;
    Ok(())
}

fn read_witness(path: &Path) -> Option<(String, u64)> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut lines = text.strip_suffix('\n')?.lines();
    if lines.next()? != TITLE {
        return None;
    }
    let id = lines.next()?.strip_prefix("store ")?;
    let epoch = lines.next()?.strip_prefix("epoch ")?.parse().ok()?;
    lines.next().is_none().then(|| (id.to_owned(), epoch))
}

/// Writes a witness; it is on the disk on return.
fn write_witness(path: &Path, id: &str, epoch: u64) -> Result<(), Error> {
    let text = format!("{TITLE}\nstore {id}\nepoch {epoch}\n");
    replace(path, &text).map_err(|e| Error::io(path, Doing::Witness, &e))
}

/// Puts a file for its owner alone in the place of `path`, old or new and never mixed; it is on the disk on return.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    sync_folder(path)
}

/// Makes the names in the folder of `path` durable.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
