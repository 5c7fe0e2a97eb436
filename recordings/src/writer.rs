//! [`Writer`]: samples and annotations into a SigMF pair, a SigMF archive or a raw file.
//!
//! The samples go to `NAME.part`. [`Writer::finish`] gives the file its name, the metadata last; what was not finished
//! never has the name of a recording. An abandoned `.part` is left: its samples can be read with `--format`.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha512};
use tar::Header;

use crate::raw::name::{appended, hints_of_name};
use crate::reader::hex;
use crate::sigmf::archive::BLOCK;
use crate::sigmf::{Annotation, Capture, Global, Metadata, RadioConfig};
use crate::{Container, Error, Sample, SampleFormat, UtcMicros};

/// What a recording says about itself. `new` fills in the least; the rest is public.
#[derive(Debug, Clone, PartialEq)]
pub struct WriterOptions {
    /// [`SampleFormat::CF32_LE`] or [`SampleFormat::CI16_LE`].
    pub format: SampleFormat,
    /// Each sample is multiplied by this before it is written. For integers, full scale is then 1.0.
    pub scale: f32,
    /// Samples per second.
    pub rate: f64,
    /// Centre frequency in hertz.
    pub frequency: Option<f64>,
    /// When the first sample was taken.
    pub start: Option<UtcMicros>,
    /// The program, e.g. `sidelink 0.1.0`.
    pub recorder: String,
    /// The radio.
    pub hw: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// An URL.
    pub license: Option<String>,
    /// The radio configuration, for the `sidelink:` keys.
    pub radio: RadioConfig,
}

impl WriterOptions {
    /// `cf32_le` at scale 1, without any of the optional statements.
    pub fn new(rate: f64) -> Self {
        Self {
            format: SampleFormat::CF32_LE,
            scale: 1.0,
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

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The files, the samples first.
    pub files: Vec<PathBuf>,
    /// The number of samples.
    pub samples: u64,
    /// Components (I or Q) beyond full scale, written as full scale.
    pub clipped: u64,
    /// Components that were NaN or infinite, written as zero.
    pub not_finite: u64,
    /// Annotations that were lost, because a raw file has no place for them.
    pub annotations_lost: usize,
}

/// A recording in the making. Without [`Writer::finish`] there is no recording, only a `.part`.
#[derive(Debug)]
pub struct Writer {
    options: WriterOptions,
    container: Container,
    /// The names that the files get in the end.
    data_path: PathBuf,
    meta_path: Option<PathBuf>,
    part: PathBuf,
    file: File,
    hash: Sha512,
    buffer: Vec<u8>,
    annotations: Vec<Annotation>,
    samples: u64,
    clipped: u64,
    not_finite: u64,
}

/// Samples that are turned into bytes at once.
const BLOCK_SAMPLES: usize = 16 * 1024;

impl Container {
    /// What a writer makes of a name: `.sigmf` is an archive, the extension of a sample format ([`crate::hints_of_name`])
    /// a raw file, anything else a SigMF pair.
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("sigmf") => Self::SigmfArchive,
            _ if hints_of_name(path).format.is_some() => Self::Raw,
            _ => Self::SigmfPair,
        }
    }
}

impl Writer {
    /// Begins a recording; [`Container::of_name`] says of which kind. A pair may be named by either file or by neither
    /// extension.
    ///
    /// # Errors
    /// [`Error::Argument`] for a rate, a scale or a format that cannot be written (the extension of a raw file must agree
    /// with the format), [`Error::Io`].
    pub fn create(path: &Path, options: WriterOptions) -> Result<Self, Error> {
        let container = Container::of_name(path);
        check(path, container, &options)?;
        let (data_path, meta_path) = match container {
            Container::Raw | Container::SigmfArchive => (path.to_owned(), None),
            Container::SigmfPair => {
                let base = match path.extension().and_then(|extension| extension.to_str()) {
                    Some("sigmf-meta" | "sigmf-data") => path.with_extension(""),
                    _ => path.to_owned(),
                };
                (appended(&base, ".sigmf-data"), Some(appended(&base, ".sigmf-meta")))
            }
        };
        let part = appended(&data_path, ".part");
        let mut file = File::create(&part).map_err(Error::io(&part, "create"))?;
        if container == Container::SigmfArchive {
            // The member's header, once its size is known.
            file.write_all(&[0; BLOCK as usize]).map_err(Error::io(&part, "write"))?;
        }
        Ok(Self {
            options,
            container,
            data_path,
            meta_path,
            part,
            file,
            hash: Sha512::new(),
            buffer: Vec::new(),
            annotations: Vec::new(),
            samples: 0,
            clipped: 0,
            not_finite: 0,
        })
    }

    /// The number of samples that were written so far: that of the next one.
    pub const fn position(&self) -> u64 {
        self.samples
    }

    /// Says when the first sample was taken, where that became known only now.
    pub const fn set_start(&mut self, start: UtcMicros) {
        self.options.start = Some(start);
    }

    /// Appends samples.
    ///
    /// # Errors
    /// [`Error::Io`], e.g. a full disk.
    pub fn write(&mut self, samples: &[Sample]) -> Result<(), Error> {
        for block in samples.chunks(BLOCK_SAMPLES) {
            self.buffer.clear();
            if let Some(losses) = self.options.format.encode(block, self.options.scale, &mut self.buffer) {
                self.clipped += losses.clipped;
                self.not_finite += losses.not_finite;
            }
            self.file.write_all(&self.buffer).map_err(Error::io(&self.part, "write"))?;
            if self.container != Container::Raw {
                self.hash.update(&self.buffer);
            }
            self.samples += block.len() as u64;
        }
        Ok(())
    }

    /// Says what lies in a span of samples; it may be anywhere, and the order does not matter.
    ///
    /// Some programs show the label, others the comment: where one of them is missing, it is filled from the other, or from
    /// the channel.
    pub fn annotate(&mut self, mut annotation: Annotation) {
        let channel = annotation.channel.clone();
        let label = annotation.label.take().or(channel).or_else(|| annotation.comment.clone());
        annotation.comment = annotation.comment.take().or_else(|| label.clone());
        annotation.label = label;
        annotation.generator.get_or_insert_with(|| self.options.recorder.clone());
        self.annotations.push(annotation);
    }

    /// Completes the recording: everything is on the disk before the files get their names.
    ///
    /// # Errors
    /// [`Error::Io`]; the `.part` is left.
    pub fn finish(mut self) -> Result<Summary, Error> {
        let mut summary = Summary {
            files: vec![self.data_path.clone()],
            samples: self.samples,
            clipped: self.clipped,
            not_finite: self.not_finite,
            annotations_lost: 0,
        };
        match (self.container, self.meta_path.take()) {
            (Container::SigmfArchive, _) => {
                let text = self.metadata().emit();
                self.complete_archive(text.as_bytes())?;
                self.publish_data()?;
            }
            (_, Some(meta_path)) => {
                let text = self.metadata().emit();
                let meta_part = appended(&meta_path, ".part");
                File::create(&meta_part)
                    .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
                    .map_err(Error::io(&meta_part, "write the metadata"))?;
                // An older recording of this name: its metadata must not stand beside the new data, not even for a moment.
                if meta_path.exists() {
                    std::fs::remove_file(&meta_path).map_err(Error::io(&meta_path, "replace"))?;
                }
                self.publish_data()?;
                std::fs::rename(&meta_part, &meta_path)
                    .map_err(Error::io(&meta_path, "name the metadata"))?;
                summary.files.push(meta_path);
            }
            (_, None) => {
                summary.annotations_lost = self.annotations.len();
                self.publish_data()?;
            }
        }
        Ok(summary)
    }

    fn publish_data(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io(&self.part, "write"))?;
        std::fs::rename(&self.part, &self.data_path).map_err(Error::io(&self.data_path, "name the recording"))
    }

    fn metadata(&mut self) -> Metadata {
        let options = self.options.clone();
        let global = Global {
            datatype: options.format.to_string(),
            sample_rate: Some(options.rate),
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
        let annotations = std::mem::take(&mut self.annotations);
        Metadata { global, captures: vec![capture], annotations, ..Metadata::default() }
    }

    /// Pads the data, appends the metadata and the two blocks that end a tar, and fills in the header at the front.
    fn complete_archive(&mut self, metadata: &[u8]) -> Result<(), Error> {
        let name =
            self.data_path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let data_length = self.samples * self.options.format.bytes_per_sample() as u64;
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
        let mut complete = || {
            self.file.write_all(padding(data_length))?;
            self.file.write_all(header(".sigmf-meta", metadata.len() as u64)?.as_bytes())?;
            self.file.write_all(metadata)?;
            self.file.write_all(padding(metadata.len() as u64))?;
            self.file.write_all(&[0; 2 * BLOCK as usize])?;
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(header(".sigmf-data", data_length)?.as_bytes())
        };
        complete().map_err(Error::io(&self.part, "complete the archive"))
    }
}

/// Zeros up to the next multiple of a tar block.
fn padding(length: u64) -> &'static [u8] {
    &[0; BLOCK as usize][..(length.next_multiple_of(BLOCK) - length) as usize]
}

fn check(path: &Path, container: Container, options: &WriterOptions) -> Result<(), Error> {
    let argument = |what, problem| Err(Error::Argument { what, problem });
    // SigMF 1.2.6: above 0, at most 10^12.
    if !(options.rate > 0.0 && options.rate <= 1e12) {
        return argument("rate", format!("must be above 0 and at most 1e12, and is {}", options.rate));
    }
    if options.frequency.is_some_and(|frequency| frequency.is_nan() || frequency.abs() > 1e12) {
        return argument("frequency", "must be at most 1e12 hertz".to_owned());
    }
    if !(options.scale.is_finite() && options.scale != 0.0) {
        return argument("scale", format!("must be a number other than 0, and is {}", options.scale));
    }
    if !options.format.is_writable() {
        return argument("format", format!("{} is not written: choose cf32 or ci16", options.format));
    }
    let named = hints_of_name(path).format;
    if container == Container::Raw && named != Some(options.format) {
        let problem =
            format!("{} is to be written, and the name {} says otherwise", options.format, path.display());
        return argument("format", problem);
    }
    if container == Container::SigmfArchive {
        let stem = path.file_stem().map_or(0, |stem| stem.to_string_lossy().len());
        if !(1..=80).contains(&stem) {
            return argument("name", format!("{}: an archive's name has from 1 to 80 bytes", path.display()));
        }
    }
    Ok(())
}
