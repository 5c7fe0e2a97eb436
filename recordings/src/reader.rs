//! [`Recording`]: opens any kind of recording, streams its samples, seeks in it.

mod channels;
mod gaps;
mod locate;
mod segments;
mod source;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha512};

use crate::raw::Layout;
use crate::raw::judge::{self, Looks};
use crate::raw::name::hints_of_name;
use crate::sigmf::{Annotation, FieldError, Metadata};
use crate::{DamageKind, DamageLog, Error, Sample, SampleFormat, UtcMicros, Warning};
use channels::Weave;
pub use channels::{Channels, MAX_CHANNELS};
pub use gaps::{Gap, GapSize};
use locate::{DataRange, Located};
pub use locate::{files_of, is_recording};
use segments::Segment;
use source::Source;

/// Settings of the operator. They take precedence over those of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpenOptions {
    /// Sample format. With it, a raw file that ends within a sample is read up to there.
    pub format: Option<SampleFormat>,
    /// Samples per second.
    pub rate: Option<f64>,
    /// Centre frequency in hertz.
    pub frequency: Option<f64>,
    /// Number of channels that take turns in the file, sample by sample; for a file that does not say it itself.
    pub interleaved: Option<usize>,
    /// The channels that are delivered.
    pub channels: Channels,
}

/// Kind of file of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// Samples and nothing else.
    Raw,
    /// `NAME.sigmf-meta` and its data file.
    SigmfPair,
    /// A `NAME.sigmf` tar archive.
    SigmfArchive,
    /// A WAV, RF64 or BW64 file.
    Wav,
    /// Samples from a pipe, a device or standard input (`-`), which can be read once.
    Stream,
}

/// Properties of a recording.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Info {
    /// The file with the samples.
    pub path: PathBuf,
    /// Kind of file.
    pub container: Container,
    /// Sample format.
    pub format: SampleFormat,
    /// Samples per second: from the options, otherwise the metadata, otherwise the file name.
    pub rate: Option<f64>,
    /// Centre frequency in hertz, from the same sources; of the first capture.
    pub frequency: Option<f64>,
    /// Time of the first sample, if the first capture begins there and has a time.
    pub start: Option<UtcMicros>,
    /// Number of channels in the file: one an antenna of the receiver, sampled together.
    pub channels: usize,
    /// Length in samples of a channel. That of a [`Container::Stream`] is a huge placeholder until its end was read.
    pub length: u64,
    /// The SigMF metadata without their annotations ([`Recording::annotations`]); `None` for a raw file.
    pub metadata: Option<Metadata>,
    /// Number of annotations.
    pub annotations: u64,
    /// Places at which samples are missing, by the metadata: sorted by sample.
    pub gaps: Vec<Gap>,
}

/// Result of comparing the data with `core:sha512`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashCheck {
    /// The data have this hash.
    Match,
    /// They have another: the data were changed or truncated later.
    Mismatch,
    /// The metadata have no hash.
    Absent,
}

/// An open recording. Samples are numbered from 0.
///
/// ```no_run
/// # fn main() -> Result<(), sidelink_recordings::Error> {
/// use sidelink_recordings::{OpenOptions, Recording, Sample};
/// let mut recording = Recording::open("drive.sigmf-meta".as_ref(), &OpenOptions::default())?;
/// let mut subframe = vec![Sample::default(); 15_360];
/// while recording.read(&mut subframe)? == subframe.len() {
///     // decode it
/// }
/// for run in recording.damage().runs() {
///     eprintln!("{run}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Recording {
    info: Info,
    warnings: Vec<Warning>,
    damage: DamageLog,
    source: Source,
    range: DataRange,
    /// The file with the metadata, and their place in it.
    meta: (PathBuf, DataRange),
    segments: Vec<Segment>,
    /// Places of the delivered channels in a sample of all channels.
    weave: Weave,
    /// The next sample that [`Recording::read`] delivers.
    position: u64,
    buffer: Vec<u8>,
}

/// Bytes that are read at once: a multiple of every sample's size, and more than one of every channel.
const BUFFER: usize = 256 * 1024;
/// Number of places that are examined when a file is opened; a page of memory each.
const JUDGE_SPOTS: u64 = (BUFFER / judge::PIECE) as u64;

impl Recording {
    /// Opens a recording: a `.sigmf-meta`, its `.sigmf-data`, the name without either, a `.sigmf` archive; a WAV file; or raw
    /// samples in a file, a pipe, a device or standard input (`-`), whose format is in the options or in the extension, and
    /// whose rate and frequency are in the options or in the name ([`crate::hints_of_name`]).
    ///
    /// # Errors
    /// See [`Error`]: no such file, an unknown format, no sample, malformed metadata or archive.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        check_positive("rate", options.rate)?;
        check_positive("frequency", options.frequency)?;
        channels::check(options)?;
        let mut located = locate::locate(path, options.format)?;
        if located.range.length == 0 {
            return Err(Error::Empty { path: located.data_path });
        }
        let format = format_of(&mut located, options.format)?;
        let weave = channels::of(&mut located, options)?;
        let layout = Layout { format, channels: weave.channels() };
        let Located { data_path, meta_path, metadata, annotated, wav, range, .. } = &located;
        let mut warnings = Vec::new();
        let (segments, length) = match metadata {
            Some(metadata) => segments::of_metadata(metadata, annotated, *range, layout, &mut warnings)
                .map_err(|FieldError { place, problem }| Error::Metadata {
                    path: meta_path.clone(),
                    place,
                    problem,
                })?,
            None => {
                let vouched = options.format.is_some() || wav.is_some();
                segments::of_raw(data_path, *range, layout, vouched, &mut warnings)?
            }
        };
        let info = info_of(&located, options, layout, length);
        let Located { meta_path, meta_range, source, range, .. } = located;
        let warnings = [located.warnings, warnings].concat();
        let mut recording = Self {
            info,
            warnings,
            damage: DamageLog::default(),
            source,
            range,
            meta: (meta_path, meta_range),
            segments,
            weave,
            position: 0,
            buffer: vec![0; BUFFER],
        };
        recording.judge_format()?;
        recording.source.keep_no_more();
        Ok(recording)
    }

    /// Returns the properties of the recording.
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// Returns the faults that were found when the recording was opened.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Returns the damage of the samples that were read so far.
    pub const fn damage(&self) -> &DamageLog {
        &self.damage
    }

    /// Reads the metadata once more and passes each annotation to `visit`, in the order of the file. Invalid ones are
    /// skipped. Memory is bounded for any number of them.
    ///
    /// # Errors
    /// [`Error::Io`], or metadata that were changed since the recording was opened.
    pub fn annotations(&self, visit: &mut dyn FnMut(Annotation)) -> Result<(), Error> {
        let (path, range) = &self.meta;
        if self.info.metadata.is_none() {
            return Ok(());
        }
        let mut file = File::open(path).map_err(Error::io(path, "open"))?;
        let mut pass = |annotation: Result<Annotation, FieldError>| annotation.map_or((), &mut *visit);
        locate::stream_metadata(path, &mut file, *range, &mut pass).map(drop)
    }

    /// Returns the number of the next sample.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Fills `out` with the next samples of a recording that delivers one channel ([`OpenOptions::channels`]). Returns
    /// their number; it is smaller than `out` only at the end of the recording.
    ///
    /// A sample that is not finite is delivered as zero and recorded in [`Recording::damage`]. Allocates nothing except
    /// for the list of damage.
    ///
    /// # Errors
    /// [`Error::Io`]; the position is then after the samples that could be read. [`Error::Argument`] if it delivers
    /// several channels.
    pub fn read(&mut self, out: &mut [Sample]) -> Result<usize, Error> {
        self.read_channels(&mut [out])
    }

    /// Returns the number of channels that are delivered ([`OpenOptions::channels`]).
    pub const fn delivered(&self) -> usize {
        self.weave.delivered()
    }

    /// Does the same for several channels: `out` has a slice for each that is delivered, all of one length.
    ///
    /// A sample that is not finite in one channel is recorded as damage of the sample, whatever the channel.
    ///
    /// # Errors
    /// As [`Recording::read`]; [`Error::Argument`] for another number of slices, or slices of unequal length.
    pub fn read_channels(&mut self, out: &mut [&mut [Sample]]) -> Result<usize, Error> {
        let want = out.first().map_or(0, |first| first.len());
        if out.len() != self.delivered() || out.iter().any(|channel| channel.len() != want) {
            let problem = format!(
                "{} slices for the {} channels that are delivered, all of one length",
                out.len(),
                self.delivered()
            );
            return Err(Error::Argument { what: "channels", problem });
        }
        let mut done = 0;
        while done < want {
            match self.read_block(out, done)? {
                0 => break,
                read => done += read,
            }
        }
        Ok(done)
    }

    /// Ensures that the next samples can be read again after a [`Recording::seek`] back to here. Only a stream needs
    /// it; the next seek ends it.
    pub fn mark(&mut self) {
        self.source.keep();
    }

    /// Makes `sample` the next sample; at most the length, which is the end of the recording. In a stream, samples
    /// before those that are kept ([`Recording::mark`]) cannot be read again.
    ///
    /// # Errors
    /// [`Error::Argument`] beyond the length.
    pub fn seek(&mut self, sample: u64) -> Result<(), Error> {
        if sample > self.info.length {
            let problem =
                format!("{sample} is beyond the end: the recording has {} samples", self.info.length);
            return Err(Error::Argument { what: "sample to seek", problem });
        }
        self.position = sample;
        self.source.keep_no_more();
        Ok(())
    }

    /// Compares the data with `core:sha512`: reads all of them once. The position is unchanged.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn verify_hash(&mut self) -> Result<HashCheck, Error> {
        let Some(expected) = self.info.metadata.as_ref().and_then(|metadata| metadata.global.sha512.as_ref())
        else {
            return Ok(HashCheck::Absent);
        };
        let mut hash = Sha512::new();
        let mut done = 0;
        while done < self.range.length {
            let want = (self.range.length - done).min(BUFFER as u64) as usize;
            let read = self
                .source
                .read_at(self.range.offset + done, &mut self.buffer[..want])
                .map_err(Error::io(&self.info.path, "read the data"))?;
            if read == 0 {
                break;
            }
            hash.update(&self.buffer[..read]);
            done += read as u64;
        }
        let same = hex(&hash.finalize()).eq_ignore_ascii_case(expected.trim());
        Ok(if same { HashCheck::Match } else { HashCheck::Mismatch })
    }

    /// Warns when the samples look like those of another format. Examines the whole file, since many begin with silence.
    fn judge_format(&mut self) -> Result<(), Error> {
        let size = self.layout().bytes() as u64;
        // Of a stream, only its start.
        let most = if self.source.is_stream() { BUFFER / 4 } else { judge::PIECE };
        let mut have = 0;
        for spot in 0..JUDGE_SPOTS {
            if self.source.is_stream() && have > 0 {
                break;
            }
            // The product is below 2^63 * 64, hence the wider number; the quotient is below the length.
            let sample = (u128::from(self.info.length) * u128::from(spot) / u128::from(JUDGE_SPOTS)) as u64;
            let Some(segment) = self.segment_of(sample) else { break };
            let within = sample - segment.first;
            let want = ((segment.count - within) * size).min(most as u64) as usize;
            let spot = &mut self.buffer[have..have + want];
            have += self
                .source
                .read_at(segment.offset + within * size, spot)
                .map_err(Error::io(&self.info.path, "read"))?;
        }
        let several = self.info.channels > 1;
        let looks = judge::looks(self.info.format, &self.buffer[..have]);
        let looks = looks.filter(|looks| !(several && *looks == Looks::TwoChannels));
        self.warnings.extend(looks.map(|looks| match looks {
            Looks::Like(instead) => Warning::LooksLike { format: self.info.format, instead },
            Looks::TwoChannels => Warning::TwoChannels,
        }));
        Ok(())
    }

    /// Returns the segment of a sample. Segments are sorted and cover 0..length without a gap.
    fn segment_of(&self, sample: u64) -> Option<Segment> {
        let after = self.segments.partition_point(|segment| segment.first <= sample);
        after.checked_sub(1).map(|n| self.segments[n])
    }

    const fn layout(&self) -> Layout {
        Layout { format: self.info.format, channels: self.info.channels }
    }

    /// Reads at most one buffer of samples of one segment to place `done` of each channel.
    fn read_block(&mut self, out: &mut [&mut [Sample]], done: usize) -> Result<usize, Error> {
        let Some(segment) = self.segment_of(self.position) else { return Ok(0) };
        let within = self.position - segment.first;
        let size = self.layout().bytes();
        let room = out.first().map_or(0, |first| first.len() - done);
        let count = (segment.count - within).min(room as u64).min((BUFFER / size) as u64) as usize;
        if count == 0 {
            return Ok(0);
        }
        let offset = segment.offset + within * size as u64;
        let bytes = &mut self.buffer[..count * size];
        let read = self.source.read_at(offset, bytes).map_err(Error::io(&self.info.path, "read"))?;

        let read = self.weave.decode(self.info.format, &bytes[..read], out, done);
        out.iter_mut().for_each(|channel| self.mend(&mut channel[done..done + read]));
        self.position += read as u64;
        if read < count {
            if !self.source.is_stream() {
                self.damage.note(self.position, self.info.length - self.position, DamageKind::Missing);
            }
            // Report it once: the recording ends here now.
            self.info.length = self.position;
            self.segments.retain(|other| other.first <= segment.first);
            if let Some(last) = self.segments.last_mut() {
                last.count = within + read as u64;
            }
        }
        Ok(read)
    }

    /// Replaces samples that are not finite by zero, and records them.
    fn mend(&mut self, samples: &mut [Sample]) {
        // The usual case in one pass that vectorises, as a sum of floats does not: an exponent of ones is no number.
        const INFINITE: u32 = f32::INFINITY.to_bits();
        let is_none = |part: f32| u32::from(part.to_bits() & INFINITE == INFINITE);
        let all_finite = samples.iter().fold(0, |any, s| any | is_none(s.re) | is_none(s.im)) == 0;
        if all_finite {
            return;
        }
        for (n, sample) in samples.iter_mut().enumerate().filter(|(_, sample)| !sample.is_finite()) {
            *sample = Sample::default();
            self.damage.note(self.position + n as u64, 1, DamageKind::NotFinite);
        }
    }
}

/// Returns the sample format: from the operator, otherwise from the file, otherwise from its name.
fn format_of(located: &mut Located, option: Option<SampleFormat>) -> Result<SampleFormat, Error> {
    let of_metadata = |problem: String| Error::Metadata {
        path: located.meta_path.clone(),
        place: "global.core:datatype".to_owned(),
        problem,
    };
    let said = match (&located.metadata, &located.wav) {
        (Some(metadata), _) => Some(metadata.global.datatype.clone()),
        (None, Some(wav)) => Some(wav.format.short_name().to_owned()),
        (None, None) => None,
    };
    match (option, said.filter(|said| !said.is_empty())) {
        (Some(format), said) => {
            let differs = said.filter(|said| said.parse() != Ok(format));
            located.warnings.extend(differs.map(|file| Warning::FormatDiffers { said: format, file }));
            Ok(format)
        }
        (None, Some(said)) => {
            said.parse().map_err(|error: crate::ParseFormatError| of_metadata(error.to_string()))
        }
        (None, None) if located.metadata.is_some() => {
            let problem = "is missing: it must name the sample format, e.g. cf32_le; or give --format";
            Err(of_metadata(problem.to_owned()))
        }
        (None, None) => match hints_of_name(&located.data_path).format {
            Some(format) => Ok(format),
            None => guess(located),
        },
    }
}

/// Handles samples without a declared format: returns an error with the format that they look like. Exception: many
/// programs use `.iq` for many formats; there the guess is taken.
fn guess(located: &mut Located) -> Result<SampleFormat, Error> {
    let path = &located.data_path;
    let mut start = vec![0; located.range.length.min(BUFFER as u64 / 4) as usize];
    let read = located.source.read_at(located.range.offset, &mut start);
    let have = read.map_err(Error::io(path, "read"))?;
    match judge::guess(&start[..have]) {
        Some(format) if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("iq")) => {
            located.warnings.push(Warning::FormatGuessed { format });
            Ok(format)
        }
        looks => Err(Error::UnknownFormat { path: path.clone(), looks }),
    }
}

/// Combines the known properties: options take precedence over metadata, these over a WAV head, and that over the name.
fn info_of(located: &Located, options: &OpenOptions, layout: Layout, length: u64) -> Info {
    let Located { metadata, wav, .. } = located;
    let hints = hints_of_name(&located.data_path);
    let metadata = metadata.as_ref();
    let wav = wav.as_ref();
    let first = metadata.and_then(|metadata| metadata.captures.first());
    let origin = metadata.and_then(|metadata| metadata.global.offset).unwrap_or(0);
    let start = first.filter(|capture| capture.sample_start == origin);
    let start = start.and_then(|capture| capture.datetime.as_deref()).and_then(|text| text.parse().ok());
    let named = hints.start.filter(|_| metadata.is_none());
    let frequency = options.frequency.or_else(|| first.and_then(|capture| capture.frequency));
    let rate = options.rate.or_else(|| metadata.and_then(|metadata| metadata.global.sample_rate));
    let rate = rate.or(wav.map(|wav| wav.rate).filter(|rate| *rate > 0.0)).or(hints.rate);
    Info {
        path: located.data_path.clone(),
        container: located.container,
        format: layout.format,
        rate,
        frequency: frequency.or(wav.and_then(|wav| wav.frequency)).or(hints.frequency),
        start: start.or(wav.and_then(|wav| wav.start)).or(named),
        channels: layout.channels,
        length,
        metadata: metadata.cloned(),
        annotations: located.annotated.count,
        gaps: metadata.map_or(Vec::new(), |metadata| gaps::of_metadata(metadata, rate, length)),
    }
}

fn check_positive(what: &'static str, value: Option<f64>) -> Result<(), Error> {
    match value {
        Some(value) if !(value.is_finite() && value > 0.0) => {
            Err(Error::Argument { what, problem: format!("must be above 0, and is {value}") })
        }
        _ => Ok(()),
    }
}

/// Formats bytes as lower-case hex, the form of `core:sha512`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
