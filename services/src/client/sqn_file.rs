//! The sequence numbers that a test USIM has accepted, in a file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sidelink_network::aka::ARRAY;
use sidelink_network::usim::SqnArray;

/// Why the state of a USIM cannot be read or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum SqnFileError {
    /// It is not what this program writes.
    Damaged(PathBuf),
    /// The file cannot be read.
    Read(PathBuf, std::io::Error),
    /// The file cannot be written.
    Write(PathBuf, std::io::Error),
}

impl fmt::Display for SqnFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(path) => write!(
                f,
                "the state of the USIM is damaged; {}; remove it: the next challenge resynchronises",
                path.display()
            ),
            Self::Read(path, why) => {
                write!(f, "cannot read the state of the USIM: {why}; {}; check its rights", path.display())
            }
            Self::Write(path, why) => write!(
                f,
                "cannot write the state of the USIM: {why}; {}; check its folder and its rights",
                path.display()
            ),
        }
    }
}

impl std::error::Error for SqnFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Damaged(_) => None,
            Self::Read(_, why) | Self::Write(_, why) => Some(why),
        }
    }
}

/// A file with the state of a USIM. Copies of one value may be used in several threads; two processes may not use one file.
#[derive(Clone, Debug)]
pub struct SqnFile(PathBuf, Arc<Mutex<()>>);

impl SqnFile {
    /// At this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into(), Arc::default())
    }

    /// The state; that of a new card where there is no file.
    pub fn load(&self) -> Result<SqnArray, SqnFileError> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(SqnArray::default()),
            Err(why) => return Err(SqnFileError::Read(self.0.clone(), why)),
        };
        let damaged = || SqnFileError::Damaged(self.0.clone());
        let entries: [u64; ARRAY] = serde_json::from_str::<Vec<u64>>(&text)
            .ok()
            .and_then(|entries| entries.try_into().ok())
            .ok_or_else(damaged)?;
        SqnArray::from_entries(entries).map_err(|_| damaged())
    }

    /// Adds what a protocol has accepted, durably, and returns the state with it. No number goes back: each protocol of a card
    /// may have accepted what the others have not seen.
    pub fn raise(&self, array: &SqnArray) -> Result<SqnArray, SqnFileError> {
        let _alone = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let array = self.load()?.merged(array);
        self.store(&array)?;
        Ok(array)
    }

    /// Replaces the state, durably.
    pub fn store(&self, array: &SqnArray) -> Result<(), SqnFileError> {
        self.write(array).map_err(|why| SqnFileError::Write(self.0.clone(), why))
    }

    fn write(&self, array: &SqnArray) -> std::io::Result<()> {
        let beside = self.0.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(serde_json::to_string(&array.entries()[..])?.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.0)?;
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}
