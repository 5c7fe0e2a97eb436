//! The PRUKs of a remote UE, in a file of its owner: two slots, and since when each PRUK is there. TS 33.303 §6.7.3.1.

use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sidelink_network::pc8::PrukId;
use sidelink_network::remote_ue::{Held, Slots};
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::Pruk;
use zeroize::Zeroizing;

use super::secret_file::{self, KeyFileError};
use crate::runtime::now;

/// The file, held: other processes stay out of it until this is dropped.
pub struct PrukFile {
    path: PathBuf,
    state: State,
    _lock: File,
}

/// What the file holds.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    current: Option<Row>,
    pending: Option<Row>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: [u8; 8],
    pruk: Zeroizing<[u8; 32]>,
    /// Milliseconds of UTC.
    since: u64,
}

/// Octets of the file, at most.
const ROOM: usize = 1024;

impl Row {
    fn held(&self) -> Held {
        Held { id: PrukId(self.id), pruk: Pruk::from(*self.pruk) }
    }
}

impl State {
    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.current.iter().chain(&self.pending)
    }

    /// A PRUK that was there before is as old as it was.
    fn row(&self, held: Option<&Held>, now: UtcTime) -> Option<Row> {
        let held = held?;
        let since = self.rows().find(|row| row.id == held.id.0).map_or(now.millis(), |row| row.since);
        Some(Row { id: held.id.0, pruk: Zeroizing::new(*held.pruk.as_bytes()), since })
    }
}

impl PrukFile {
    /// Opens it; without a file there is no PRUK.
    ///
    /// # Errors
    /// It is damaged, others may read it, or another process has it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KeyFileError> {
        let path = path.into();
        let lock = secret_file::lock(&path)?;
        Ok(Self { state: secret_file::load(&path)?, path, _lock: lock })
    }

    /// The PRUKs.
    pub fn slots(&self) -> Slots {
        let held = |row: &Option<Row>| row.as_ref().map(Row::held);
        Slots { current: held(&self.state.current), pending: held(&self.state.pending) }
    }

    /// Since when a PRUK is in the file.
    pub fn since(&self, id: PrukId) -> Option<UtcTime> {
        self.state.rows().find(|row| row.id == id.0).map(|row| UtcTime::from_millis(row.since))
    }

    /// Puts these in the place of what is there, durably: all or nothing.
    ///
    /// # Errors
    /// The file; what was there counts.
    pub fn store(&mut self, slots: &Slots) -> Result<(), KeyFileError> {
        let now = now();
        let state = State {
            current: self.state.row(slots.current.as_ref(), now),
            pending: self.state.row(slots.pending.as_ref(), now),
        };
        secret_file::store(&self.path, &state, ROOM)?;
        self.state = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(octet: u8) -> Option<Held> {
        Some(Held { id: PrukId([octet; 8]), pruk: Pruk::from([octet; 32]) })
    }

    #[test]
    fn both_slots_come_back_with_their_age() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice.usim.pruk");
        let mut file = PrukFile::open(&path).unwrap();
        assert_eq!(file.slots(), Slots::default());
        file.store(&Slots { current: held(1), pending: held(2) }).unwrap();
        let since = file.since(PrukId([2; 8])).unwrap();
        drop(file);
        std::thread::sleep(std::time::Duration::from_millis(5));
        let mut file = PrukFile::open(&path).unwrap();
        assert_eq!(file.slots(), Slots { current: held(1), pending: held(2) });
        // One that moves to the other slot is as old as it was.
        file.store(&Slots { current: held(2), pending: held(3) }).unwrap();
        assert_eq!(file.since(PrukId([2; 8])), Some(since));
        assert!(file.since(PrukId([3; 8])).unwrap() > since && file.since(PrukId([1; 8])).is_none());
        file.store(&Slots::default()).unwrap();
        drop(file);
        assert_eq!(PrukFile::open(&path).unwrap().slots(), Slots::default());
    }

    #[test]
    fn it_is_its_owners_alone_and_one_process_has_it_at_a_time() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice.usim.pruk");
        let mut file = PrukFile::open(&path).unwrap();
        assert!(matches!(PrukFile::open(&path), Err(KeyFileError::InUse(_))));
        file.store(&Slots { current: held(0xab), pending: None }).unwrap();
        drop(file);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < ROOM, "{}", text.len());
        std::fs::write(&path, text.replace("171,", "")).unwrap();
        let error = PrukFile::open(&path).err().unwrap();
        assert!(matches!(error, KeyFileError::Damaged(_)) && !error.to_string().contains("171"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(PrukFile::open(&path), Err(KeyFileError::Readable(_))));
    }

    /// What cannot be written does not count.
    #[test]
    fn a_write_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        std::fs::create_dir(&place).unwrap();
        let mut file = PrukFile::open(place.join("alice.usim.pruk")).unwrap();
        file.store(&Slots { current: held(1), pending: None }).unwrap();
        std::fs::remove_dir_all(&place).unwrap();
        let result = file.store(&Slots { current: held(1), pending: held(2) });
        assert!(matches!(result, Err(KeyFileError::Write(..))));
        assert_eq!(file.slots(), Slots { current: held(1), pending: None });
    }
}
