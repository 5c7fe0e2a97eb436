//! Errors of opening, reading and writing recordings.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::SampleFormat;
use crate::plain::Escaping;

/// Reason why a recording could not be opened, read or written: sorted by blame, see [`Error::blame`].
///
/// Every message names the file, the cause and, where there is one, the remedy.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file: it, or its archive member, is empty.
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file: its length is not a whole number of samples, and its format was not confirmed by the operator.
    PartialSample {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
        /// The format, as the file name suggests it.
        format: SampleFormat,
        /// Number of channels.
        channels: usize,
    },
    /// The file: metadata that violate SigMF.
    Metadata {
        /// The metadata file, or the archive.
        path: PathBuf,
        /// Place in it: a key path such as `captures[2].core:sample_start`, or a line and a column.
        place: String,
        /// The problem there.
        problem: String,
    },
    /// The file: not a SigMF archive, or a broken one.
    Archive {
        /// The archive.
        path: PathBuf,
        /// Offset of the problem in bytes.
        offset: u64,
        /// The problem there.
        problem: String,
    },
    /// The operator: no such file.
    NotFound {
        /// The file.
        path: PathBuf,
        /// Its purpose, or the names that were tried as well.
        remedy: String,
    },
    /// The operator: the name is not that of a regular file.
    NotAFile {
        /// The path.
        path: PathBuf,
        /// Kind of what it is instead.
        what: &'static str,
    },
    /// The operator: neither an option nor the file name tells the sample format.
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The format that the samples look like, if that is clear.
        looks: Option<SampleFormat>,
    },
    /// The operator: a legitimate file of a kind that is not supported.
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Its kind, and the remedy.
        what: String,
    },
    /// The operator or the caller: an argument out of its range.
    Argument {
        /// The argument.
        what: &'static str,
        /// The allowed values and the actual one.
        problem: String,
    },
    /// The machine: the file system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// The operation that failed.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

/// The party at fault for an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The recording's: its bytes are wrong.
    File,
    /// The operator's: a name or an option is wrong.
    Operator,
    /// The machine's: the file system refused.
    Machine,
}

impl Error {
    /// Returns the party at fault.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Empty { .. }
            | Self::PartialSample { .. }
            | Self::Metadata { .. }
            | Self::Archive { .. } => Blame::File,
            Self::NotFound { .. }
            | Self::NotAFile { .. }
            | Self::UnknownFormat { .. }
            | Self::Unsupported { .. }
            | Self::Argument { .. } => Blame::Operator,
            Self::Io { .. } => Blame::Machine,
        }
    }

    /// Returns an [`Error::Io`] for `path`, for `map_err`.
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, doing, source }
    }
}

impl fmt::Display for Error {
    /// Names from a file are shown as [`Plain`](crate::Plain).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words(&mut Escaping(f))
    }
}

impl Error {
    fn words(&self, f: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Empty { path } => write!(f, "{}: empty: there is no sample in it", path.display()),
            Self::PartialSample { path, bytes, format, channels } => {
                let size = format.bytes_per_sample() * channels;
                let name = format.short_name();
                write!(f, "{}: {bytes} bytes is not a whole number of ", path.display())?;
                match channels {
                    1 => write!(f, "{name} samples ({size} bytes each): ")?,
                    _ => write!(f, "{name} samples of {channels} channels ({size} bytes together): ")?,
                }
                let fewer =
                    (1..*channels).rev().find(|n| bytes % (format.bytes_per_sample() * n) as u64 == 0);
                match (fewer, format.narrower_that_divides(*bytes)) {
                    (Some(1), _) => f.write_str("has it one channel? try --channels 1; ")?,
                    (Some(fewer), _) => write!(f, "has it {fewer}? try --channels {fewer}; ")?,
                    (None, Some(other)) => write!(f, "is it {0}? try --format {0}; ", other.short_name())?,
                    (None, None) => {}
                }
                let rest = bytes % size as u64;
                write!(f, "if it was cut short, --format {name} reads all but its last {rest} bytes")
            }
            Self::Metadata { path, place, problem } => {
                write!(f, "{}: {place}: {problem}", path.display())
            }
            Self::Archive { path, offset, problem } => {
                write!(f, "{}: at byte {offset}: {problem}", path.display())
            }
            Self::NotFound { path, remedy } => write!(f, "{}: no such file: {remedy}", path.display()),
            Self::NotAFile { path, what } => {
                write!(
                    f,
                    "{}: is {what}; SigMF metadata and archives are regular files (a pipe carries raw samples)",
                    path.display()
                )
            }
            Self::UnknownFormat { path, looks } => {
                let path = path.display();
                write!(f, "{path}: its name does not say how the samples are stored: give --format ")?;
                match looks {
                    Some(format) => write!(f, "{} (they look like that; known are ", format.short_name())?,
                    None => f.write_str("(one of ")?,
                }
                write!(f, "{})", SampleFormat::NAMES)
            }
            Self::Unsupported { path, what } => write!(f, "{}: {what}", path.display()),
            Self::Argument { what, problem } => write!(f, "{what}: {problem}"),
            Self::Io { path, doing, source } => write!(f, "{}: cannot {doing}: {source}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
