//! [`Writer`]: writes samples and annotations to a SigMF pair, a SigMF archive or a raw file.
//!
//! A name that is `-`, a pipe or a device receives raw samples at once. Otherwise the samples go to `NAME.part`, and
//! [`Writer::finish`] gives the file its name, the metadata last: an unfinished recording never has the name of a
//! recording. An abandoned `.part` is left: its samples can be read with `--format`.

mod annotations;
mod check;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha512};
use tar::Header;

use crate::raw::Layout;
use crate::raw::name::{appended, format_of_name};
use crate::reader::hex;
use crate::sigmf::archive::BLOCK;
use crate::sigmf::{Annotation, Capture, Global, Metadata, RadioConfig};
use crate::{Container, Error, Sample, SampleFormat, UtcMicros};
use annotations::Annotations;
use check::check;

/// Format and metadata of a recording. `new` fills in the least; the rest is public.
#[derive(Debug, Clone, PartialEq)]
pub struct WriterOptions {
    /// [`SampleFormat::CF32_LE`] or [`SampleFormat::CI16_LE`].
    pub format: SampleFormat,
    /// Each sample is multiplied by this before it is written. For integers, full scale is then 1.0.
    pub scale: f32,
    /// The largest magnitude in the file, if one is wanted: floats are scaled to it when the recording is finished.
    /// (Not for integers and streams, whose scale the caller has to know before.)
    pub peak: Option<f32>,
    /// Number of channels, 1 to [`crate::MAX_CHANNELS`]: one an antenna of the receiver.
    pub channels: usize,
    /// Samples per second.
    pub rate: f64,
    /// Centre frequency in hertz.
    pub frequency: Option<f64>,
    /// Time of the first sample.
    pub start: Option<UtcMicros>,
    /// The program, e.g. `sidelink 0.1.0`.
    pub recorder: String,
    /// The radio.
    pub hw: Option<String>,
    /// Author of the recording.
    pub author: Option<String>,
    /// Description, free text.
    pub description: Option<String>,
    /// An URL.
    pub license: Option<String>,
    /// The radio configuration, for the `sidelink:` keys.
    pub radio: RadioConfig,
}

impl WriterOptions {
    /// Returns one channel of `cf32_le` at scale 1, without optional fields.
    pub fn new(rate: f64) -> Self {
        Self {
            format: SampleFormat::CF32_LE,
            scale: 1.0,
            peak: None,
            channels: 1,
            rate,
            frequency: None,
            start: None,
            recorder: concat!("sidelink-recordings ", env!("CARGO_PKG_VERSION")).to_owned(),
            hw: None,
            author: None,
            description: None,
            license: None,
            radio: RadioConfig::default(),
        }
    }
}

/// Summary of a finished recording.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The files, the one with the samples first.
    pub files: Vec<PathBuf>,
    /// The number of samples of a channel.
    pub samples: u64,
    /// Components (I or Q) beyond full scale, written as full scale.
    pub clipped: u64,
    /// Components that were NaN or infinite, written as zero.
    pub not_finite: u64,
    /// Annotations that were lost, because a raw file has no place for them.
    pub annotations_lost: u64,
}

/// A recording that is being written. Without [`Writer::finish`] there is no recording, only a `.part`.
#[derive(Debug)]
pub struct Writer {
    options: WriterOptions,
    container: Container,
    /// The final names of the files.
    data_path: PathBuf,
    meta_path: Option<PathBuf>,
    /// The file that is written; of a stream, its own name.
    part: PathBuf,
    file: File,
    hash: Sha512,
    buffer: Vec<u8>,
    /// Samples of all channels, in the order of the file.
    mixed: Vec<Sample>,
    annotations: Annotations,
    annotations_lost: u64,
    samples: u64,
    clipped: u64,
    not_finite: u64,
    /// The largest power of a sample so far, as it was written.
    peak_power: f32,
}

/// Samples that are encoded at once.
const BLOCK_SAMPLES: usize = 16 * 1024;

impl Container {
    /// Returns the kind of recording by its name: `-` is a stream, `.sigmf` an archive, the extension of a sample
    /// format ([`crate::hints_of_name`]) a raw file, any other a SigMF pair.
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.as_os_str() == "-" => Self::Stream,
            Some("sigmf") => Self::SigmfArchive,
            _ if format_of_name(path).is_some() => Self::Raw,
            _ => Self::SigmfPair,
        }
    }

    /// Does the same, after a look at an existing file of that name: a pipe or a device is a stream.
    pub fn of_output(path: &Path) -> Self {
        let special = std::fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir());
        if special { Self::Stream } else { Self::of_name(path) }
    }

    /// Returns the files that a writer makes for `path`, the one with the samples first; none for a stream.
    pub fn files(self, path: &Path) -> Vec<PathBuf> {
        match self {
            Self::Stream => Vec::new(),
            Self::Raw | Self::Wav | Self::SigmfArchive => vec![path.to_owned()],
            Self::SigmfPair => {
                let base = match path.extension().and_then(|extension| extension.to_str()) {
                    Some("sigmf-meta" | "sigmf-data") => path.with_extension(""),
                    _ => path.to_owned(),
                };
                vec![appended(&base, ".sigmf-data"), appended(&base, ".sigmf-meta")]
            }
        }
    }
}

impl Writer {
    /// Begins a recording; [`Container::of_output`] gives its kind. A pair may be named by either file or by neither
    /// extension.
    ///
    /// # Errors
    /// [`Error::Argument`] for a rate, a scale or a format that cannot be written (the extension of a raw file must agree
    /// with the format), [`Error::Io`].
    pub fn create(path: &Path, options: WriterOptions) -> Result<Self, Error> {
        let container = Container::of_output(path);
        check(path, container, &options)?;
        let mut names = container.files(path).into_iter();
        let data_path = names.next().unwrap_or_else(|| path.to_owned());
        let meta_path = names.next();
        if container == Container::Stream {
            let file = open_stream(path)?;
            return Ok(Self::new(options, container, (data_path.clone(), None, data_path), file));
        }
        let part = appended(&data_path, ".part");
        let mut how = File::options();
        how.read(true).write(true).create(true).truncate(true);
        let mut file = how.open(&part).map_err(Error::io(&part, "create"))?;
        if container == Container::SigmfArchive {
            // Room for the member's header, which is written once its size is known.
            file.write_all(&[0; BLOCK as usize]).map_err(Error::io(&part, "write"))?;
        }
        Ok(Self::new(options, container, (data_path, meta_path, part), file))
    }

    fn new(
        options: WriterOptions,
        container: Container,
        (data_path, meta_path, part): (PathBuf, Option<PathBuf>, PathBuf),
        file: File,
    ) -> Self {
        let folder = data_path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let annotations = Annotations::new(folder.unwrap_or(Path::new(".")));
        Self {
            options,
            container,
            data_path,
            meta_path,
            part,
            file,
            hash: Sha512::new(),
            buffer: Vec::new(),
            mixed: Vec::new(),
            annotations,
            annotations_lost: 0,
            samples: 0,
            clipped: 0,
            not_finite: 0,
            peak_power: 0.0,
        }
    }

    /// Returns the number of samples of a channel written so far, which is the number of the next one.
    pub const fn position(&self) -> u64 {
        self.samples
    }

    /// Returns the number of channels.
    pub const fn channels(&self) -> usize {
        self.options.channels
    }

    /// Returns the largest magnitude so far.
    pub fn peak(&self) -> f32 {
        self.peak_power.sqrt()
    }

    /// Returns the factor by which the samples will be multiplied when the recording is finished
    /// ([`WriterOptions::peak`]).
    pub fn scale_to_come(&self) -> f32 {
        let floats = self.options.format == SampleFormat::CF32_LE && self.container != Container::Stream;
        match self.options.peak {
            Some(peak) if floats && self.peak_power > 1e-30 => peak / self.peak(),
            _ => 1.0,
        }
    }

    /// Sets the description, for a caller that knows it only now.
    pub fn set_description(&mut self, description: String) {
        self.options.description = Some(description);
    }

    /// Sets the time of the first sample, for a caller that knows it only now.
    pub const fn set_start(&mut self, start: UtcMicros) {
        self.options.start = Some(start);
    }

    /// Appends samples of several channels, all of one length ([`WriterOptions::channels`]).
    ///
    /// # Errors
    /// As [`Writer::write`]; [`Error::Argument`] for another number of channels, or channels of unequal length.
    pub fn write_channels(&mut self, channels: &[&[Sample]]) -> Result<(), Error> {
        if let ([one], 1) = (channels, self.options.channels) {
            return self.write(one);
        }
        let length = channels.first().map_or(0, |first| first.len());
        if channels.len() != self.options.channels || channels.iter().any(|c| c.len() != length) {
            let problem = format!(
                "{} slices for {} channels, all of one length",
                channels.len(),
                self.options.channels
            );
            return Err(Error::Argument { what: "channels", problem });
        }
        for start in (0..length).step_by(BLOCK_SAMPLES) {
            let end = length.min(start + BLOCK_SAMPLES);
            let mut mixed = std::mem::take(&mut self.mixed);
            mixed.clear();
            mixed.extend((start..end).flat_map(|n| channels.iter().map(move |channel| channel[n])));
            let written = self.write(&mixed);
            self.mixed = mixed;
            written?;
        }
        Ok(())
    }

    /// Appends samples; of several channels, one of each in turn, and all of the last turn.
    ///
    /// # Errors
    /// [`Error::Io`], e.g. a full disk. [`Error::Argument`] if the last turn is not whole.
    pub fn write(&mut self, samples: &[Sample]) -> Result<(), Error> {
        let channels = self.options.channels;
        if !samples.len().is_multiple_of(channels) {
            let problem = format!("{} samples in turns of {channels}", samples.len());
            return Err(Error::Argument { what: "channels", problem });
        }
        for block in samples.chunks(BLOCK_SAMPLES * channels) {
            self.buffer.clear();
            if let Some(losses) = self.options.format.encode(block, self.options.scale, &mut self.buffer) {
                self.clipped += losses.clipped;
                self.not_finite += losses.not_finite;
            }
            self.file.write_all(&self.buffer).map_err(Error::io(&self.part, "write"))?;
            let power = |power: f32, sample: &Sample| power.max(sample.norm_sqr());
            let peak_power = block.iter().fold(0.0, power) * self.options.scale * self.options.scale;
            self.peak_power = self.peak_power.max(peak_power).min(f32::MAX);
            // Samples that will be scaled are hashed afterwards.
            if self.options.peak.is_none()
                && matches!(self.container, Container::SigmfPair | Container::SigmfArchive)
            {
                self.hash.update(&self.buffer);
            }
            self.samples += (block.len() / channels) as u64;
        }
        Ok(())
    }

    /// Adds an annotation of a range of samples; it may be anywhere, in any order.
    ///
    /// Some programs show the label, others the comment: if one of them is missing, it is filled from the other, or
    /// from the channel. Memory is bounded for any number of annotations.
    ///
    /// # Errors
    /// [`Error::Io`] for the temporary file in which they are queued when there are many.
    pub fn annotate(&mut self, mut annotation: Annotation) -> Result<(), Error> {
        if matches!(self.container, Container::Raw | Container::Stream) {
            self.annotations_lost += 1;
            return Ok(());
        }
        let channel = annotation.channel.clone();
        let label = annotation.label.take().or(channel).or_else(|| annotation.comment.clone());
        annotation.comment = annotation.comment.take().or_else(|| label.clone());
        annotation.label = label;
        annotation.generator.get_or_insert_with(|| self.options.recorder.clone());
        self.annotations.push(&annotation).map_err(Error::io(&self.part, "keep the annotations"))
    }

    /// Completes the recording: everything is on the disk before the files get their names.
    ///
    /// # Errors
    /// [`Error::Io`]; the `.part` is left.
    pub fn finish(mut self) -> Result<Summary, Error> {
        if self.options.peak.is_some() && self.container != Container::Stream {
            self.scale_all(self.scale_to_come()).map_err(Error::io(&self.part, "scale the samples"))?;
        }
        let mut summary = Summary {
            files: vec![self.data_path.clone()],
            samples: self.samples,
            clipped: self.clipped,
            not_finite: self.not_finite,
            annotations_lost: self.annotations_lost,
        };
        match (self.container, self.meta_path.take()) {
            (Container::Stream, _) => self.file.flush().map_err(Error::io(&self.part, "write"))?,
            (Container::SigmfArchive, _) => {
                self.complete_archive()?;
                self.publish_data()?;
            }
            (_, Some(meta_path)) => {
                let meta_part = appended(&meta_path, ".part");
                let mut file = File::create(&meta_part).map_err(Error::io(&meta_part, "create"))?;
                self.write_metadata(&mut file)
                    .and_then(|_| file.sync_all())
                    .map_err(Error::io(&meta_part, "write the metadata"))?;
                // An older recording of this name: its metadata must never be beside the new data, not even for a moment.
                if meta_path.exists() {
                    std::fs::remove_file(&meta_path).map_err(Error::io(&meta_path, "replace"))?;
                }
                self.publish_data()?;
                std::fs::rename(&meta_part, &meta_path)
                    .map_err(Error::io(&meta_path, "name the metadata"))?;
                summary.files.push(meta_path);
            }
            (_, None) => self.publish_data()?,
        }
        Ok(summary)
    }

    const fn layout(&self) -> Layout {
        Layout { format: self.options.format, channels: self.options.channels }
    }

    /// Multiplies the written samples, and takes their hash.
    fn scale_all(&mut self, scale: f32) -> std::io::Result<()> {
        let size = self.layout().bytes();
        let mut at = if self.container == Container::SigmfArchive { BLOCK } else { 0 };
        let mut samples = vec![Sample::default(); BLOCK_SAMPLES * self.options.channels];
        let mut left = self.samples;
        while left > 0 {
            let count = left.min(BLOCK_SAMPLES as u64) as usize;
            self.buffer.resize(count * size, 0);
            self.file.seek(SeekFrom::Start(at))?;
            self.file.read_exact(&mut self.buffer)?;
            if scale != 1.0 {
                self.options.format.decode(&self.buffer, &mut samples);
                self.buffer.clear();
                let whole = &samples[..count * self.options.channels];
                let _ = self.options.format.encode(whole, scale, &mut self.buffer);
                self.file.seek(SeekFrom::Start(at))?;
                self.file.write_all(&self.buffer)?;
            }
            self.hash.update(&self.buffer);
            at += self.buffer.len() as u64;
            left -= count as u64;
        }
        self.file.seek(SeekFrom::Start(at)).map(drop)
    }

    fn publish_data(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io(&self.part, "write"))?;
        std::fs::rename(&self.part, &self.data_path).map_err(Error::io(&self.data_path, "name the recording"))
    }

    /// Writes the metadata, and returns their length.
    fn write_metadata(&mut self, file: &mut File) -> std::io::Result<u64> {
        let (head, tail) = self.metadata().emit_around();
        let none = Annotations::new(Path::new("."));
        let annotations = std::mem::replace(&mut self.annotations, none);
        let start = file.stream_position()?;
        let mut out = BufWriter::new(file);
        out.write_all(head.as_bytes())?;
        annotations.finish(&mut out)?;
        out.write_all(tail.as_bytes())?;
        let file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(file.stream_position()? - start)
    }

    /// Returns the metadata without annotations.
    fn metadata(&mut self) -> Metadata {
        let options = self.options.clone();
        let global = Global {
            datatype: options.format.to_string(),
            sample_rate: Some(options.rate),
            num_channels: (options.channels > 1).then_some(options.channels as u64),
            recorder: Some(options.recorder),
            hw: options.hw,
            author: options.author,
            description: options.description,
            license: options.license,
            sha512: Some(hex(&self.hash.finalize_reset())),
            radio: options.radio,
            ..Global::default()
        };
        let capture = Capture {
            frequency: options.frequency,
            datetime: options.start.map(|start| start.to_string()),
            ..Capture::default()
        };
        Metadata { global, captures: vec![capture], ..Metadata::default() }
    }

    /// Pads the data, appends the metadata and the two blocks that end a tar, and fills in the headers.
    fn complete_archive(&mut self) -> Result<(), Error> {
        let mut file = self.file.try_clone().map_err(Error::io(&self.part, "complete the archive"))?;
        self.append_to_archive(&mut file).map_err(Error::io(&self.part, "complete the archive"))
    }

    fn append_to_archive(&mut self, file: &mut File) -> std::io::Result<()> {
        let name =
            self.data_path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let data_length = self.samples * self.layout().bytes() as u64;
        let seconds = self.options.start.map_or(0, |start| start.0 / 1_000_000);
        let header = |suffix: &str, size: u64| -> std::io::Result<Header> {
            let mut header = Header::new_ustar();
            header.set_path(format!("{name}/{name}{suffix}"))?;
            header.set_size(size);
            header.set_mode(0o644);
            header.set_mtime(seconds);
            header.set_cksum();
            Ok(header)
        };
        file.write_all(padding(data_length))?;
        let meta_header = file.stream_position()?;
        file.write_all(&[0; BLOCK as usize])?;
        let length = self.write_metadata(file)?;
        file.write_all(padding(length))?;
        file.write_all(&[0; 2 * BLOCK as usize])?;
        for (at, suffix, size) in [(meta_header, ".sigmf-meta", length), (0, ".sigmf-data", data_length)] {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(header(suffix, size)?.as_bytes())?;
        }
        Ok(())
    }
}

/// Opens standard output (`-`), a pipe or a device. Opening a pipe blocks until its reader opens it.
fn open_stream(path: &Path) -> Result<File, Error> {
    if path.as_os_str() == "-" {
        let own = std::io::stdout().as_fd().try_clone_to_owned();
        return own.map(File::from).map_err(Error::io(path, "write to standard output"));
    }
    File::options().write(true).open(path).map_err(Error::io(path, "open"))
}

/// Returns zeros up to the next multiple of a tar block.
fn padding(length: u64) -> &'static [u8] {
    &[0; BLOCK as usize][..(length.next_multiple_of(BLOCK) - length) as usize]
}
