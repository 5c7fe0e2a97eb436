//! What is wrong with a recording, but can be read past.

use std::fmt;

use crate::SampleFormat;
use crate::sigmf::FieldError;

/// Known when the recording is opened: it concerns the file as a whole.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The last bytes are less than a sample; they are not read.
    PartialSample {
        /// How many bytes are left over.
        bytes: u64,
    },
    /// The metadata speak of samples that are not there.
    ShorterThanMetadata {
        /// Where in the metadata.
        place: String,
        /// The samples that it needs.
        needs: u64,
        /// The samples that are there.
        has: u64,
    },
    /// The archive ends within the data.
    MemberCutShort {
        /// Bytes that the archive announces.
        announced: u64,
        /// Bytes that are there.
        present: u64,
    },
    /// The samples hardly are what they are said to be.
    LooksLike {
        /// What they are read as.
        format: SampleFormat,
        /// What they look like.
        instead: SampleFormat,
    },
    /// The samples look like those of two channels that take turns.
    TwoChannels,
    /// Nobody says how the samples are stored; it was taken from what they look like.
    FormatGuessed {
        /// What they look like.
        format: SampleFormat,
    },
    /// The operator and the file say different formats; the operator's goes before.
    FormatDiffers {
        /// The operator's.
        said: SampleFormat,
        /// The file's.
        file: String,
    },
    /// The captures have different frequencies; a receiver for one carrier understands only a part.
    SeveralFrequencies {
        /// The first capture's, in hertz.
        first: f64,
        /// The first other one.
        other: f64,
    },
    /// Metadata that are wrong, and that decoding does not need.
    PassedOver(FieldError),
    /// Annotations that are wrong; they are passed over.
    WrongAnnotations {
        /// How many.
        count: u64,
        /// The first of them.
        first: FieldError,
    },
    /// The metadata demand an extension that is not known here.
    UnknownExtension {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartialSample { bytes } => {
                write!(
                    f,
                    "the last {bytes} bytes are less than a sample and are left out: was the file cut short?"
                )
            }
            Self::ShorterThanMetadata { place, needs, has } => {
                write!(f, "{place} needs {needs} samples, the data hold {has}: was the file cut short?")
            }
            Self::MemberCutShort { announced, present } => {
                write!(
                    f,
                    "the archive announces {announced} bytes of data and holds {present}: was it cut short?"
                )
            }
            Self::LooksLike { format, instead } => write!(
                f,
                "read as {}, the samples make no sense; they look like {1}: try --format {1}",
                format.short_name(),
                instead.short_name()
            ),
            Self::TwoChannels => {
                f.write_str("the samples look like two channels that take turns: split it into one file each")
            }
            Self::FormatGuessed { format } => write!(
                f,
                "its name does not say how the samples are stored; they look like {0}: give --format {0} to be sure",
                format.short_name()
            ),
            Self::FormatDiffers { said, file } => {
                write!(f, "--format {} goes before {file}, which the file says", said.short_name())
            }
            Self::SeveralFrequencies { first, other } => {
                write!(
                    f,
                    "the captures are at several frequencies ({first} Hz, then {other} Hz); the first is reported"
                )
            }
            Self::PassedOver(error) => write!(f, "{error}; it is passed over"),
            Self::WrongAnnotations { count: 1, first } => write!(f, "{first}; the annotation is passed over"),
            Self::WrongAnnotations { count, first } => {
                write!(f, "{first}; {count} such annotations are passed over")
            }
            Self::UnknownExtension { name } => {
                write!(
                    f,
                    "the metadata say that the extension {name:?} is needed to understand them; it is not known here"
                )
            }
        }
    }
}

/// A run of samples that could not be read as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// The first sample of the run.
    pub sample: u64,
    /// How many there are in a row.
    pub count: u64,
    /// What is wrong with them.
    pub what: DamageKind,
}

/// What is wrong with a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// NaN or infinite; zero was delivered in its place.
    NotFinite,
    /// The file ended before it, though it was there when the file was opened; nothing was delivered.
    Missing,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "sample {}", self.sample)?,
            count => write!(f, "samples {} to {}", self.sample, self.sample.saturating_add(count - 1))?,
        }
        f.write_str(match self.what {
            DamageKind::NotFinite => ": not a finite number, replaced by 0",
            DamageKind::Missing => ": gone since the file was opened",
        })
    }
}

/// The damage that was met so far: the first runs in full, the rest as a number.
#[derive(Debug, Clone, Default)]
pub struct DamageLog {
    /// Sorted by sample, never overlapping.
    runs: Vec<Damage>,
    unlisted: u64,
}

impl DamageLog {
    /// So many runs are listed.
    const MAX_RUNS: usize = 256;

    /// The runs, sorted by sample.
    pub fn runs(&self) -> &[Damage] {
        &self.runs
    }

    /// Damaged samples beyond the list. One that is read twice (after a seek) counts twice here.
    pub const fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// All damaged samples.
    pub fn samples(&self) -> u64 {
        self.runs.iter().fold(self.unlisted, |sum, run| sum.saturating_add(run.count))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.unlisted == 0
    }

    /// Notes `count` samples from `sample` on; what is already in the list is not noted again.
    pub(crate) fn note(&mut self, sample: u64, count: u64, what: DamageKind) {
        let after = self.runs.partition_point(|run| run.sample <= sample);
        if let Some(before) = after.checked_sub(1).and_then(|n| self.runs.get_mut(n)) {
            let end = before.sample.saturating_add(before.count);
            if sample < end {
                return;
            }
            if sample == end && before.what == what {
                before.count += count;
                return;
            }
        }
        if self.runs.len() < Self::MAX_RUNS {
            self.runs.insert(after, Damage { sample, count, what });
        } else {
            self.unlisted = self.unlisted.saturating_add(count);
        }
    }
}
