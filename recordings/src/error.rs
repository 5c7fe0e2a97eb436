//! Why a recording could not be opened, read or written.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::SampleFormat;
use crate::plain::Escaping;

/// Why a recording could not be opened, read or written: sorted by blame, see [`Error::blame`].
///
/// Every message names the file, the cause and, where there is one, the remedy.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file: it holds no byte (or its archive member does).
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file: its length is no whole number of samples, and nobody vouched for the format.
    PartialSample {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The format, as the file name suggests it.
        format: SampleFormat,
    },
    /// The file: metadata that are not what SigMF says.
    Metadata {
        /// The metadata file, or the archive.
        path: PathBuf,
        /// Where in it: a key path such as `captures[2].core:sample_start`, or a line and a column.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// The file: not a SigMF archive, or a broken one.
    Archive {
        /// The archive.
        path: PathBuf,
        /// The byte at which the trouble begins.
        offset: u64,
        /// What is wrong there.
        problem: String,
    },
    /// The operator: no such file.
    NotFound {
        /// The file.
        path: PathBuf,
        /// What it is needed for, or what else was looked for.
        remedy: String,
    },
    /// The operator: the name is not that of a regular file.
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// The operator: neither an option nor the file name says how the samples are stored.
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// What the samples look like, where that is clear.
        looks: Option<SampleFormat>,
    },
    /// The operator: a legitimate file of a kind that is not supported.
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        what: String,
    },
    /// The operator or the caller: an argument out of its range.
    Argument {
        /// The argument.
        what: &'static str,
        /// What it must be and what it is.
        problem: String,
    },
    /// The machine: the file system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

/// Whose fault an [`Error`] is.
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
    /// Whose fault it is.
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

    /// For `map_err`: an [`Error::Io`] for `path`.
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, doing, source }
    }
}

impl fmt::Display for Error {
    /// Names that came from a file are [`Plain`](crate::Plain) in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words(&mut Escaping(f))
    }
}

impl Error {
    fn words(&self, f: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Empty { path } => write!(f, "{}: empty: there is no sample in it", path.display()),
            Self::PartialSample { path, bytes, format } => {
                write!(
                    f,
                    "{}: {bytes} bytes is not a whole number of {} samples ({} bytes each): ",
                    path.display(),
                    format.short_name(),
                    format.bytes_per_sample()
                )?;
                if let Some(other) = format.narrower_that_divides(*bytes) {
                    write!(f, "is it {0}? try --format {0}; ", other.short_name())?;
                }
                write!(
                    f,
                    "if it was cut short, --format {} reads all but its last {} bytes",
                    format.short_name(),
                    bytes % format.bytes_per_sample() as u64
                )
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
