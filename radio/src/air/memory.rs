//! The memory of a medium: words that threads and processes share. The only unsafe code of this crate.
//!
//! Everything is an atomic word: whatever another process writes is a value and never undefined behaviour. A word of a
//! file is reserved ([`Memory::reserve`]) before it is touched: if the file system is full, touching it would end the
//! program with a bus error. One assumption is left: nobody truncates the file while it is mapped.

use memmap2::{MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Bytes before the words: the doorbell and the number of its waiters, on a page of their own.
const HEAD: usize = 4096;

/// Words that threads, or processes, share. They are 0 at first, and take no room until they are reserved or written.
pub(super) struct Memory {
    map: MmapRaw,
    /// The file of the words, if other processes share them.
    file: Option<File>,
}

/// Space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) size: u64,
    pub(super) free: u64,
}

impl Memory {
    /// Maps memory of this process.
    pub(super) fn anonymous(words: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(bytes(words)?).no_reserve_swap().map_anon()?;
        Ok(Self { map: map.into(), file: None })
    }

    /// Makes a new file, which must not exist yet. None of its words is reserved.
    pub(super) fn create(path: &Path, words: usize) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        file.set_len(bytes(words)? as u64)?;
        Self::map(file)
    }

    /// Opens a file that another process of this user made.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] for a file that other users made or may use: they could change its content,
    /// or end this program by truncating it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NO_LINK);
        let file = options.open(path)?;
        // Checks the open file, not the file that has the name by now.
        #[cfg(unix)]
        check_owner(&file.metadata()?, rustix::process::geteuid().as_raw())?;
        Self::map(file)
    }

    fn map(file: File) -> io::Result<Self> {
        let map = MmapOptions::new().map_raw(&file)?;
        if map.len() < HEAD + 8 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too short"));
        }
        Ok(Self { map, file: Some(file) })
    }

    /// Reserves room for these words in the file system; from 0 on, for all before them too.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`], among others.
    pub(super) fn reserve(&self, words: Range<usize>) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let first = if words.start == 0 { 0 } else { HEAD + 8 * words.start };
        reserve(file, first as u64, (HEAD + 8 * words.end - first) as u64)
    }

    /// Returns the space of the file's file system.
    pub(super) fn space(&self) -> Option<Space> {
        space(self.file.as_ref()?)
    }

    /// Whether the file at `path` is this one, and not another that was made there later.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let Some(here) = self.file.as_ref().and_then(|file| file.metadata().ok()) else { return false };
        std::fs::metadata(path).is_ok_and(|there| same(&here, &there))
    }

    /// Returns all words.
    pub(super) fn words(&self) -> &[AtomicU64] {
        let count = (self.map.len() - HEAD) / 8;
        // SAFETY: the mapping is at least HEAD + 8 bytes long (checked by every constructor) and stays for the life of
        // `self`; its start is aligned to a page, HEAD to 8. Any bits are an AtomicU64, and all access from any thread or
        // process is by atomic operations, as nothing else ever takes a reference into this part of it.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.map.as_mut_ptr().add(HEAD).cast::<AtomicU64>(), count)
        }
    }

    /// Returns the word of the doorbell, which changes with every change of the medium, and the number of its waiters.
    pub(super) fn doorbell(&self) -> [&AtomicU32; 2] {
        // SAFETY: as above: the first 8 bytes lie within the mapping, aligned, and are only ever used as these two.
        #[allow(unsafe_code)]
        unsafe {
            let start = self.map.as_mut_ptr().cast::<AtomicU32>();
            [&*start, &*start.add(1)]
        }
    }
}

/// A symbolic link is not followed: another user may have made it.
#[cfg(unix)]
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// Checks that a file belongs to `user` and that no other user may use it.
#[cfg(unix)]
fn check_owner(file: &std::fs::Metadata, user: u32) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let denied = |what: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    match (file.uid(), file.mode() & 0o777) {
        (owner, _) if owner != user => {
            denied(format!("it belongs to user {owner}, and this program runs as user {user}"))
        }
        (_, mode) if mode & 0o077 != 0 => denied(format!("others may read or write it (mode {mode:04o})")),
        _ => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn reserve(file: &File, first: u64, length: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    loop {
        match fallocate(file, FallocateFlags::empty(), first, length) {
            Err(Errno::INTR) => {}
            // No file system without reservations is known that lies in memory.
            Ok(()) | Err(Errno::OPNOTSUPP) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn space(file: &File) -> Option<Space> {
    let all = rustix::fs::fstatvfs(file).ok()?;
    Some(Space { size: all.f_blocks * all.f_frsize, free: all.f_bavail * all.f_frsize })
}

#[cfg(not(unix))]
fn space(_: &File) -> Option<Space> {
    None
}

#[cfg(unix)]
fn same(a: &std::fs::Metadata, b: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same(_: &std::fs::Metadata, _: &std::fs::Metadata) -> bool {
    true
}

fn bytes(words: usize) -> io::Result<usize> {
    let bytes = words.max(1).checked_mul(8).and_then(|b| b.checked_add(HEAD));
    bytes.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "beyond all memory"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_files_of_this_user_alone_are_opened() {
        let folder = std::env::temp_dir().join(format!("sidelink-memory-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("medium");
        drop(Memory::create(&path, 100).unwrap());
        assert!(Memory::open(&path).is_ok());
        let error = || Memory::open(&path).err().map(|e| (e.kind(), e.to_string())).unwrap();
        for mode in [0o666, 0o604, 0o620, 0o601] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let (kind, words) = error();
            assert_eq!(kind, io::ErrorKind::PermissionDenied);
            assert!(words.contains(&format!("mode {mode:04o}")), "{words}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let metadata = File::open(&path).unwrap().metadata().unwrap();
        let me = rustix::process::geteuid().as_raw();
        assert!(check_owner(&metadata, me).is_ok());
        let words = check_owner(&metadata, me + 1).unwrap_err().to_string();
        assert!(words.contains(&format!("belongs to user {me}")), "{words}");
        if std::os::unix::fs::chown(&path, Some(me + 1), None).is_ok() {
            let (kind, words) = error();
            assert_eq!(kind, io::ErrorKind::PermissionDenied);
            assert!(words.contains(&format!("belongs to user {}", me + 1)), "{words}");
        }
        let (link, other) = (folder.join("link"), folder.join("other"));
        drop(Memory::create(&other, 100).unwrap());
        symlink(&other, &link).unwrap();
        assert!(Memory::open(&other).is_ok() && Memory::open(&link).is_err(), "a symbolic link");
        assert!(Memory::open(&folder).is_err());
        let _ = std::fs::remove_dir_all(&folder);
    }
}
