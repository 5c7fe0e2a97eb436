//! Files with keys of a UE: of their owner alone, for one process at a time, whole or not at all.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::configuration::replace;

/// Why keys cannot be read or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It is not what this program writes.
    Damaged(PathBuf),
    /// Others may read it, and it holds keys.
    Readable(PathBuf),
    /// Another process has it.
    InUse(PathBuf),
    /// The file cannot be read.
    Read(PathBuf, std::io::Error),
    /// The file cannot be written.
    Write(PathBuf, std::io::Error),
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(path) => {
                write!(
                    f,
                    "a file of keys is damaged; {}; remove it: the next fetch gets new keys",
                    path.display()
                )
            }
            Self::Readable(path) => {
                write!(f, "others can read a file of keys; {0}; chmod 600 {0}", path.display())
            }
            Self::InUse(path) => {
                write!(f, "another process has this file of keys; {}; wait for its end", path.display())
            }
            Self::Read(path, why) => {
                write!(f, "cannot read a file of keys: {why}; {}; check its rights", path.display())
            }
            Self::Write(path, why) => write!(
                f,
                "cannot write a file of keys: {why}; {}; check its folder and its rights",
                path.display()
            ),
        }
    }
}

impl std::error::Error for KeyFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Damaged(_) | Self::Readable(_) | Self::InUse(_) => None,
            Self::Read(_, why) | Self::Write(_, why) => Some(why),
        }
    }
}

/// Keeps other processes from a file until it is dropped: two that go on from the same state would each take what the other has
/// taken.
pub(super) fn lock(path: &Path) -> Result<File, KeyFileError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let failed = |why| KeyFileError::Write(PathBuf::from(&beside), why);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(KeyFileError::InUse(path.to_owned())),
        Err(TryLockError::Error(why)) => Err(failed(why)),
    }
}

/// What a file holds; nothing where there is none.
pub(super) fn load<T: DeserializeOwned + Default>(path: &Path) -> Result<T, KeyFileError> {
    let failed = |why| KeyFileError::Read(path.to_owned(), why);
    match std::fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            return Err(KeyFileError::Readable(path.to_owned()));
        }
        Ok(_) => {}
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(T::default()),
        Err(why) => return Err(failed(why)),
    }
    let text = Zeroizing::new(std::fs::read(path).map_err(failed)?);
    serde_json::from_slice(&text).map_err(|_| KeyFileError::Damaged(path.to_owned()))
}

/// Replaces it, durably. It has `room` octets at most: growing would leave copies of keys in memory.
pub(super) fn store(path: &Path, state: &impl Serialize, room: usize) -> Result<(), KeyFileError> {
    let written = || -> std::io::Result<()> {
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *text, state)?;
        replace(path, &text)
    };
    written().map_err(|why| KeyFileError::Write(path.to_owned(), why))
}
