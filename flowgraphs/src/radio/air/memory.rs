//! The memory of a medium: words that threads and processes share. The only unsafe code of this crate.
//!
//! Everything is an atomic word, so that whatever another process writes is a value and never undefined behaviour. What is
//! left to trust is that nobody makes the file shorter while it is mapped: that would end the reader with a bus error, as
//! it would for any program with a mapped file.

use memmap2::{MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Bytes before the words: the bell and its waiters, on a page of their own.
const HEAD: usize = 4096;

/// Words that threads, or processes, share. They are 0 at first, and cost nothing until they are written.
pub(super) struct Memory {
    map: MmapRaw,
}

impl Memory {
    /// Memory of this process.
    pub(super) fn anonymous(words: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(bytes(words)?).no_reserve_swap().map_anon()?;
        Ok(Self { map: map.into() })
    }

    /// A new file, which must not be there yet.
    pub(super) fn create(path: &Path, words: usize) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        file.set_len(bytes(words)? as u64)?;
        Self::map(&file)
    }

    /// A file that another process made.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::map(&OpenOptions::new().read(true).write(true).open(path)?)
    }

    fn map(file: &File) -> io::Result<Self> {
        let map = MmapOptions::new().map_raw(file)?;
        if map.len() < HEAD + 8 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too short"));
        }
        Ok(Self { map })
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
    pub(super) fn bell(&self) -> [&AtomicU32; 2] {
        // SAFETY: as above: the first 8 bytes lie within the mapping, aligned, and are only ever used as these two.
        #[allow(unsafe_code)]
        unsafe {
            let start = self.map.as_mut_ptr().cast::<AtomicU32>();
            [&*start, &*start.add(1)]
        }
    }
}

fn bytes(words: usize) -> io::Result<usize> {
    let bytes = words.max(1).checked_mul(8).and_then(|b| b.checked_add(HEAD));
    bytes.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "beyond all memory"))
}
