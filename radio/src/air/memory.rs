//! The memory of a medium: words that threads and processes share. The only unsafe code of this crate.
//!
//! Everything is an atomic word, so that whatever another process writes is a value and never undefined behaviour. A word
//! of a file is reserved ([`Memory::reserve`]) before it is touched: where the file system is full, touching it would end
//! the program with a bus error. What is left to trust is that nobody makes the file shorter while it is mapped.

use memmap2::{MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Bytes before the words: the bell and its waiters, on a page of their own.
const HEAD: usize = 4096;

/// Words that threads, or processes, share. They are 0 at first, and cost nothing until they are reserved or written.
pub(super) struct Memory {
    map: MmapRaw,
    /// Where they lie, if other processes share them.
    file: Option<File>,
}

/// What a file system has, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) size: u64,
    pub(super) free: u64,
}

impl Memory {
    /// Memory of this process.
    pub(super) fn anonymous(words: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(bytes(words)?).no_reserve_swap().map_anon()?;
        Ok(Self { map: map.into(), file: None })
    }

    /// A new file, which must not be there yet. Nothing of it is reserved.
    pub(super) fn create(path: &Path, words: usize) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        file.set_len(bytes(words)? as u64)?;
        Self::map(file)
    }

    /// A file that another process of this user made.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] for one that others made or may use: they could change what is read from it, or
    /// end this program by making it shorter.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NO_LINK);
        let file = options.open(path)?;
        // What is open, not what has the name by now.
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

    /// Takes the room that these words need from the file system; from 0 on, all before them too.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`], among others.
    pub(super) fn reserve(&self, words: Range<usize>) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let first = if words.start == 0 { 0 } else { HEAD + 8 * words.start };
        reserve(file, first as u64, (HEAD + 8 * words.end - first) as u64)
    }

    /// What the file system of the file has.
    pub(super) fn space(&self) -> Option<Space> {
        space(self.file.as_ref()?)
    }

    /// Whether the file at `path` is this one, and not another that was made there since.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let Some(here) = self.file.as_ref().and_then(|file| file.metadata().ok()) else { return false };
        std::fs::metadata(path).is_ok_and(|there| same(&here, &there))
    }

    /// All words.
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

    /// The bell that rings when anything changed, and how many wait for it.
    pub(super) fn doorbell(&self) -> [&AtomicU32; 2] {
        // SAFETY: as above: the first 8 bytes lie within the mapping, aligned, and are only ever used as these two.
        #[allow(unsafe_code)]
        unsafe {
            let start = self.map.as_mut_ptr().cast::<AtomicU32>();
            [&*start, &*start.add(1)]
        }
    }
}

/// A symbolic link is not followed: it may be somebody else's.
#[cfg(unix)]
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// Whether a file is of `user` alone.
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
            // Of file systems that reserve nothing, none is known that lies in memory.
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
