//! `.sigmf` archives: a tar with one `.sigmf-meta` and its data, found in place and never unpacked.
//!
//! POSIX.1-2017 pax §"ustar Interchange Format", and the long names of GNU tar. Only headers are parsed; the samples
//! are read from their place in the archive.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use tar::{EntryType, Header};

use crate::Error;

/// Size of a tar block; every member begins at a multiple of it.
pub(crate) const BLOCK: u64 = 512;
/// Size limit of extended headers and long names, bytes: they hold a name and a size.
const MAX_EXTENDED: u64 = 1 << 20;
/// Limit of the members of an archive: a recording has two.
const MAX_MEMBERS: usize = 65_536;
/// Limit of the bytes of all names together.
const MAX_NAMES: usize = 8 << 20;

/// A regular file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its path in the archive.
    pub(crate) name: String,
    /// Offset of its first byte.
    pub(crate) offset: u64,
    /// Size in its header, bytes; the file may end earlier.
    pub(crate) size: u64,
}

/// Returns the regular files of the tar `file` of `length` bytes, in their order.
///
/// # Errors
/// [`Error::Archive`] for an invalid header, [`Error::Unsupported`] for a compressed file, [`Error::Io`].
pub(crate) fn members(path: &Path, file: &mut File, length: u64) -> Result<Vec<Member>, Error> {
    let mut members = Vec::new();
    let (mut at, mut names) = (0, 0);
    let mut extended = Extended::default();
    while let Some(header) = header_at(path, file, at, length)? {
        let broken =
            |problem: &str| Error::Archive { path: path.to_owned(), offset: at, problem: problem.to_owned() };
        let kind = header.entry_type();
        let own_size =
            header.entry_size().map_err(|_| broken("the size in this tar header is not a number"))?;
        let size = if is_file(kind) { extended.size.unwrap_or(own_size) } else { own_size };
        // Below 2^63: offsets are valid for a seek.
        let offset = at + BLOCK;
        let end = offset
            .checked_add(size)
            .and_then(|end| end.checked_next_multiple_of(BLOCK))
            .filter(|end| i64::try_from(*end).is_ok())
            .ok_or_else(|| broken("the size in this tar header is beyond 2^63"))?;
        match kind {
            EntryType::XHeader => extended.read_pax(&block_of(path, file, offset, size)?),
            EntryType::GNULongName => {
                let name = block_of(path, file, offset, size)?;
                extended.name = Some(text(name.split(|byte| *byte == 0).next().unwrap_or_default()));
            }
            EntryType::GNUSparse => {
                return Err(broken("a sparse member: pack the archive again without --sparse"));
            }
            _ => {
                let name = extended.name.take().unwrap_or_else(|| text(&header.path_bytes()));
                extended = Extended::default();
                if is_file(kind) {
                    names += name.len();
                    if members.len() == MAX_MEMBERS || names > MAX_NAMES {
                        return Err(broken("too many members for a recording, or too long names"));
                    }
                    members.push(Member { name, offset, size });
                }
            }
        }
        at = end;
    }
    Ok(members)
}

/// Content of an extended header, which describes the next member.
#[derive(Default)]
struct Extended {
    name: Option<String>,
    size: Option<u64>,
}

impl Extended {
    /// Parses records of the form `LENGTH KEY=VALUE\n`.
    fn read_pax(&mut self, records: &[u8]) {
        for record in tar::PaxExtensions::new(records).flatten() {
            match record.key() {
                Ok("path") => self.name = Some(text(record.value_bytes())),
                Ok("size") => self.size = record.value().ok().and_then(|size| size.parse().ok()),
                _ => {}
            }
        }
    }
}

const fn is_file(kind: EntryType) -> bool {
    matches!(kind, EntryType::Regular | EntryType::Continuous)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads the header at byte `at`; `None` at the end of the archive (a block of zeros, or the file's end).
fn header_at(path: &Path, file: &mut File, at: u64, length: u64) -> Result<Option<Header>, Error> {
    let broken =
        |problem: &str| Error::Archive { path: path.to_owned(), offset: at, problem: problem.to_owned() };
    if at >= length {
        return Ok(None);
    }
    let mut block = [0; BLOCK as usize];
    let have = length.min(at + BLOCK) - at;
    file.seek(SeekFrom::Start(at))
        .and_then(|_| file.read_exact(&mut block[..have as usize]))
        .map_err(Error::io(path, "read the archive"))?;
    if at == 0
        && let Some(error) = compressed(path, &block)
    {
        return Err(error);
    }
    if have < BLOCK {
        return Err(broken("the archive ends within a tar header: was it cut short?"));
    }
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let header = Header::from_byte_slice(&block);
    // The checksum counts its own field (bytes 148..156) as spaces.
    let sum =
        block.iter().enumerate().map(|(n, byte)| if (148..156).contains(&n) { 32 } else { u32::from(*byte) });
    if header.cksum().ok() != Some(sum.sum()) {
        return Err(broken(if at == 0 {
            "not a tar header: a .sigmf file is a tar archive"
        } else {
            "not a tar header: the archive is damaged here"
        }));
    }
    Ok(Some(header.clone()))
}

/// Returns an error if a file begins like a compressed one.
pub(crate) fn compressed(path: &Path, start: &[u8]) -> Option<Error> {
    let packers = [
        (&b"\x1f\x8b"[..], "gzip", "gunzip -k"),
        (b"\xfd7zXZ\0", "xz", "unxz -k"),
        (b"PK\x03\x04", "zip", "unzip"),
        (b"BZh", "bzip2", "bunzip2 -k"),
        (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
    ];
    let (_, packer, command) = packers.into_iter().find(|(magic, ..)| start.starts_with(magic))?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let what = format!(
        "is compressed ({packer}), and samples are read in place: unpack it first, with `{command} {name}`"
    );
    Some(Error::Unsupported { path: path.to_owned(), what })
}

/// Reads the content of a small member.
fn block_of(path: &Path, file: &mut File, offset: u64, size: u64) -> Result<Vec<u8>, Error> {
    let broken =
        |problem: &str| Error::Archive { path: path.to_owned(), offset, problem: problem.to_owned() };
    if size > MAX_EXTENDED {
        return Err(broken("an extended tar header of more than 1 MiB"));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.take(size).read_to_end(&mut bytes))
        .map_err(Error::io(path, "read the archive"))?;
    if bytes.len() as u64 != size {
        return Err(broken("the archive ends within an extended tar header: was it cut short?"));
    }
    Ok(bytes)
}
