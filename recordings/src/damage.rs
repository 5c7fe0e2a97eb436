//! Faults of a recording that reading survives.

use std::fmt;

use crate::SampleFormat;
use crate::sigmf::FieldError;

/// A fault of the file as a whole, known when the recording is opened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The file ends within a sample; its last bytes are not read.
    PartialSample {
        /// Number of these bytes.
        bytes: u64,
        /// Number of channels.
        channels: usize,
    },
    /// The metadata describe samples that are not in the file.
    ShorterThanMetadata {
        /// Place in the metadata.
        place: String,
        /// Number of samples that it requires.
        needs: u64,
        /// Number of samples in the file.
        has: u64,
    },
    /// The archive ends within the data.
    MemberCutShort {
        /// Announced bytes of the member.
        announced: u64,
        /// Bytes of it in the archive.
        present: u64,
    },
    /// The samples look like those of another format.
    LooksLike {
        /// The format as which they are read.
        format: SampleFormat,
        /// The format that they look like.
        instead: SampleFormat,
    },
    /// The samples look like those of two interleaved channels.
    TwoChannels,
    /// Neither the file nor the operator names the format; it was guessed from the samples.
    FormatGuessed {
        /// The format that they look like.
        format: SampleFormat,
    },
    /// The operator and the file name different formats; the operator's takes precedence.
    FormatDiffers {
        /// The operator's.
        said: SampleFormat,
        /// The file's.
        file: String,
    },
    /// The operator and the file name different numbers of channels; the operator's takes precedence.
    ChannelsDiffer {
        /// The operator's.
        said: usize,
        /// The file's.
        file: u64,
    },
    /// The captures have different frequencies; a receiver for one carrier receives only a part.
    SeveralFrequencies {
        /// The first capture's, in hertz.
        first: f64,
        /// The first frequency that differs, in hertz.
        other: f64,
    },
    /// Invalid metadata that decoding does not need.
    PassedOver(FieldError),
    /// Invalid annotations, which are skipped.
    WrongAnnotations {
        /// Number of these annotations.
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
            Self::PartialSample { bytes, channels } => {
                let what = if *channels == 1 { "a sample" } else { "a sample of every channel" };
                write!(
                    f,
                    "the last {bytes} bytes are less than {what} and are left out: was the file cut short?"
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
                f.write_str("the samples look like two channels that take turns: try --channels 2")
            }
            Self::FormatGuessed { format } => write!(
                f,
                "its name does not say how the samples are stored; they look like {0}: give --format {0} to be sure",
                format.short_name()
            ),
            Self::FormatDiffers { said, file } => {
                write!(f, "--format {} goes before {file}, which the file says", said.short_name())
            }
            Self::ChannelsDiffer { said, file } => {
                write!(
                    f,
                    "--channels {said} goes before the {file} of which the file says that they take turns"
                )
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

/// A run of damaged samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// The first sample of the run.
    pub sample: u64,
    /// Number of samples in the run.
    pub count: u64,
    /// Kind of damage.
    pub what: DamageKind,
}

/// Kind of damage of a sample.
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

/// The damage found so far: the first runs in full, the rest as a number.
#[derive(Debug, Clone, Default)]
pub struct DamageLog {
    /// Sorted by sample, never overlapping.
    runs: Vec<Damage>,
    unlisted: u64,
}

impl DamageLog {
    /// Number of runs that are listed.
    const MAX_RUNS: usize = 256;

    /// Returns the runs, sorted by sample.
    pub fn runs(&self) -> &[Damage] {
        &self.runs
    }

    /// Returns the number of damaged samples beyond the list. A sample that is read twice (after a seek) counts twice
    /// here.
    pub const fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// Returns the number of all damaged samples.
    pub fn samples(&self) -> u64 {
        self.runs.iter().fold(self.unlisted, |sum, run| sum.saturating_add(run.count))
    }

    /// Whether no damage was found.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.unlisted == 0
    }

    /// Records `count` samples from `sample` on; samples already in the list are not recorded again.
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
