//! Sources of bytes: a file with random access, or a stream that can be read once.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// Length of a stream while its end is unknown: whole samples of any format, and far below 2^63.
pub(super) const ENDLESS: u64 = 1 << 62;
/// Most bytes of a stream that are kept for [`Source::keep`].
const MAX_KEPT: usize = 1 << 29;
/// Bytes that are skipped at once in a stream.
const SKIP: usize = 64 * 1024;

/// A file or a stream.
#[derive(Debug)]
pub(super) enum Source {
    /// A regular file, and its position if known.
    File(File, Option<u64>),
    /// A pipe, a device or standard input.
    Stream(Stream),
}

/// Bytes that can be read once, with those of them that are kept.
pub(super) struct Stream {
    input: Box<dyn Read + Send>,
    /// Bytes taken from `input`.
    taken: u64,
    /// The last bytes taken.
    kept: Vec<u8>,
    keeping: bool,
}

impl Source {
    pub(super) fn file(file: File) -> Self {
        Self::File(file, None)
    }

    pub(super) fn stream(input: Box<dyn Read + Send>) -> Self {
        Self::Stream(Stream { input, taken: 0, kept: Vec::new(), keeping: true })
    }

    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Reads from byte `offset` on until the buffer is full or the end is reached.
    pub(super) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file, at) => {
                if *at != Some(offset) {
                    file.seek(SeekFrom::Start(offset))?;
                }
                *at = None;
                let read = fill(file, buffer)?;
                *at = Some(offset + read as u64);
                Ok(read)
            }
            Self::Stream(stream) => stream.read_at(offset, buffer),
        }
    }

    /// Keeps the bytes that are read from a stream from now on, until [`Source::keep_no_more`].
    pub(super) fn keep(&mut self) {
        if let Self::Stream(stream) = self {
            stream.keeping = true;
        }
    }

    /// Stops keeping bytes. Those kept can be read once more, up to the present position of the stream.
    pub(super) fn keep_no_more(&mut self) {
        if let Self::Stream(stream) = self {
            stream.keeping = false;
        }
    }
}

impl Stream {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let begin = self.taken - self.kept.len() as u64;
        if offset < begin {
            let problem = "a pipe passes once and cannot be read again: save it to a file";
            return Err(io::Error::new(ErrorKind::Unsupported, problem));
        }
        if offset > self.taken {
            self.skip(offset - self.taken)?;
        }
        // First the kept bytes, then new ones.
        let behind = usize::try_from(offset.saturating_sub(self.taken - self.kept.len() as u64));
        let old = self.kept.get(behind.unwrap_or(usize::MAX)..).unwrap_or_default();
        let copied = old.len().min(buffer.len());
        buffer[..copied].copy_from_slice(&old[..copied]);
        if copied == buffer.len() {
            return Ok(copied);
        }
        let fresh = fill(&mut self.input, &mut buffer[copied..])?;
        self.take(&buffer[copied..copied + fresh]);
        Ok(copied + fresh)
    }

    fn take(&mut self, bytes: &[u8]) {
        self.taken += bytes.len() as u64;
        if self.keeping && self.kept.len() + bytes.len() <= MAX_KEPT {
            self.kept.extend_from_slice(bytes);
        } else {
            self.keeping = false;
            self.kept = Vec::new();
        }
    }

    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        let mut passed = vec![0; SKIP];
        while count > 0 {
            let want = count.min(SKIP as u64) as usize;
            let read = fill(&mut self.input, &mut passed[..want])?;
            self.take(&passed[..read]);
            count -= read as u64;
            if read < want {
                break;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("taken", &self.taken).field("kept", &self.kept.len()).finish()
    }
}

/// Reads until the buffer is full or the input ends.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match input.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Source {
        Source::stream(Box::new(io::Cursor::new((0..100).collect::<Vec<u8>>())))
    }

    #[test]
    fn what_is_kept_is_read_once_more_and_then_let_go() {
        let mut source = stream();
        let mut out = [0; 10];
        assert_eq!(source.read_at(0, &mut out).unwrap(), 10);
        source.keep_no_more();
        assert_eq!(source.read_at(5, &mut out).unwrap(), 10);
        assert_eq!(out, [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
        assert_eq!(source.read_at(5, &mut out).unwrap_err().kind(), ErrorKind::Unsupported);
        source.keep();
        assert_eq!(source.read_at(20, &mut out).unwrap(), 10);
        assert_eq!(source.read_at(90, &mut out[..5]).unwrap(), 5);
        source.keep_no_more();
        assert_eq!(source.read_at(20, &mut out).unwrap(), 10);
        assert_eq!(out[0], 20);
        assert_eq!(source.read_at(93, &mut out).unwrap(), 7, "the end");
    }
}
