//! From a path to the file with the samples, its metadata and the range of its data.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::raw::name::{appended, format_of_name, hints_of_name};
use crate::sigmf::archive::{self, Member};
use crate::sigmf::{Annotation, FieldError, Metadata, Visit};
use crate::wav::{self, Wav, WavError};
use crate::{Error, SampleFormat, Warning};

use super::Container;
use super::source::{ENDLESS, Source};

/// The bytes of a file that are the data: all of it, or a member of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DataRange {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// The files and ranges that a path leads to.
pub(super) struct Located {
    pub(super) container: Container,
    pub(super) data_path: PathBuf,
    /// The file with the metadata, for messages.
    pub(super) meta_path: PathBuf,
    pub(super) metadata: Option<Metadata>,
    /// The bytes of that file that are the metadata.
    pub(super) meta_range: DataRange,
    pub(super) annotated: Annotated,
    /// Content of the head of a WAV file.
    pub(super) wav: Option<Wav>,
    pub(super) source: Source,
    pub(super) range: DataRange,
    pub(super) warnings: Vec<Warning>,
}

/// Summary of the annotations, collected while the metadata are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Annotated {
    pub(super) count: u64,
    /// Index of the annotation that ends last, and its end.
    pub(super) farthest: Option<(u64, u64)>,
    /// Number of invalid ones, and the first error.
    pub(super) wrong: u64,
    pub(super) first_wrong: Option<FieldError>,
}

impl Annotated {
    fn note(&mut self, annotation: Result<Annotation, FieldError>) {
        match annotation {
            Ok(annotation) => {
                let end = annotation.sample_start.saturating_add(annotation.sample_count.unwrap_or(1));
                if self.farthest.is_none_or(|(_, most)| end > most) {
                    self.farthest = Some((self.count, end));
                }
            }
            Err(error) => {
                self.wrong += 1;
                self.first_wrong.get_or_insert(error);
            }
        }
        self.count += 1;
    }
}

/// Examines `path`. With a `format`, a `.sigmf-data` without its metadata is a raw file.
pub(super) fn locate(path: &Path, format: Option<SampleFormat>) -> Result<Located, Error> {
    match path.extension().and_then(|extension| extension.to_str()) {
        _ if path.as_os_str() == "-" => {}
        Some("sigmf-meta") => return pair(path),
        Some("sigmf-data") => {
            let meta = path.with_extension("sigmf-meta");
            if meta.exists() {
                return pair(&meta);
            }
            if format.is_none() {
                let remedy = format!(
                    "it says how {} is stored; to read the data without it, give --format and --rate",
                    path.display()
                );
                return Err(Error::NotFound { path: meta, remedy });
            }
        }
        Some("sigmf") => return archive(path),
        _ if !path.exists() => {
            let meta = appended(path, ".sigmf-meta");
            if meta.exists() {
                return pair(&meta);
            }
            let whole = appended(path, ".sigmf");
            if whole.exists() {
                return archive(&whole);
            }
        }
        _ => {}
    }
    raw(path, format)
}

/// Returns the existing files of the recording `path`: metadata, samples, an archive.
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("sigmf-meta") => files.push(path.with_extension("sigmf-data")),
        Some("sigmf-data") => files.push(path.with_extension("sigmf-meta")),
        _ if path.exists() => {}
        _ => files.extend([".sigmf-meta", ".sigmf-data", ".sigmf"].map(|suffix| appended(path, suffix))),
    }
    // Metadata may name their data; they are read only if no other file has the samples.
    if let Some(meta) = files.iter().find(|file| file.extension().is_some_and(|e| e == "sigmf-meta")).cloned()
        && !meta.with_extension("sigmf-data").exists()
        && let Ok(located) = pair(&meta)
    {
        files.push(located.data_path);
    }
    files.retain(|file| file.exists());
    files
}

/// Whether an existing file is a recording, by its name or by its first bytes. An empty file is not.
pub fn is_recording(path: &Path) -> bool {
    if !std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() > 0) {
        return false;
    }
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let by_name =
        extension.is_some_and(|e| RECORDINGS.contains(&e.as_str())) || format_of_name(path).is_some();
    by_name || begins_as_recording(path)
}

/// Extensions of recordings, beside those that name a sample format.
const RECORDINGS: [&str; 14] = [
    "sigmf",
    "sigmf-meta",
    "sigmf-data",
    "sigmf-collection",
    "wav",
    "rf64",
    "w64",
    "iq",
    "raw",
    "bin",
    "dat",
    "complex",
    "sdriq",
    "part",
];

/// Whether a file is a WAV file, or a tar whose first member belongs to a SigMF recording.
fn begins_as_recording(path: &Path) -> bool {
    let mut head = [0; 512];
    let read = File::open(path).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    let head = &head[..read];
    let wav = head.get(8..12) == Some(b"WAVE");
    let tar = head.get(257..262) == Some(b"ustar");
    wav || tar && head[..100].windows(6).any(|window| window == b".sigmf")
}

/// Extensions of compressed files. (Samples may contain a packer's magic number by chance.)
const PACKED: [&str; 6] = ["gz", "xz", "zip", "bz2", "zst", "tgz"];

fn raw(path: &Path, format: Option<SampleFormat>) -> Result<Located, Error> {
    let (mut source, length) = open_data(path, "nor is there one with .sigmf-meta or .sigmf appended")?;
    let mut start = [0; 16];
    let have = source.read_at(0, &mut start).map_err(Error::io(path, "read"))?;
    let start = &start[..have];
    let packed =
        path.extension().is_some_and(|e| PACKED.contains(&e.to_string_lossy().to_lowercase().as_str()));
    if (packed || format.or(hints_of_name(path).format).is_none())
        && let Some(error) = archive::compressed(path, start)
    {
        return Err(error);
    }
    let stream = source.is_stream();
    let mut located = Located {
        container: if stream { Container::Stream } else { Container::Raw },
        data_path: path.to_owned(),
        meta_path: path.to_owned(),
        metadata: None,
        meta_range: DataRange { offset: 0, length: 0 },
        annotated: Annotated::default(),
        source,
        wav: None,
        range: DataRange { offset: 0, length },
        warnings: Vec::new(),
    };
    if wav::is_wav(start) {
        let wav = wav::parse(&mut |at, into| located.source.read_at(at, into), length);
        let wav = wav.map_err(|error| match error {
            WavError::Broken(offset, problem) => Error::Archive { path: path.to_owned(), offset, problem },
            WavError::Unsupported(what) => Error::Unsupported { path: path.to_owned(), what },
            WavError::Io(source) => Error::Io { path: path.to_owned(), doing: "read", source },
        })?;
        located.range = DataRange { offset: wav.offset, length: wav.length };
        if wav.missing > 0 && !stream {
            let (announced, present) = (wav.length + wav.missing, wav.length);
            located.warnings.push(Warning::MemberCutShort { announced, present });
        }
        if !stream {
            located.container = Container::Wav;
        }
        located.wav = Some(wav);
    }
    Ok(located)
}

fn pair(meta_path: &Path) -> Result<Located, Error> {
    let (mut meta, length) = open(meta_path, "a SigMF recording is a .sigmf-meta and a .sigmf-data file")?;
    let meta_range = DataRange { offset: 0, length };
    let (metadata, annotated) = read_metadata(meta_path, &mut meta, meta_range)?;
    let data_path = match &metadata.global.dataset {
        None => meta_path.with_extension("sigmf-data"),
        Some(name) => {
            // A name without a path: metadata from elsewhere must not make us read arbitrary files.
            if Path::new(name).file_name().is_none_or(|file_name| file_name != name.as_str()) {
                return Err(Error::Metadata {
                    path: meta_path.to_owned(),
                    place: "global.core:dataset".to_owned(),
                    problem: format!("{name:?} is not the name of a file beside the metadata"),
                });
            }
            meta_path.with_file_name(name)
        }
    };
    let (source, length) =
        open_data(&data_path, &format!("{} says that the samples are there", meta_path.display()))?;
    Ok(Located {
        container: Container::SigmfPair,
        data_path,
        meta_path: meta_path.to_owned(),
        metadata: Some(metadata),
        meta_range,
        annotated,
        wav: None,
        source,
        range: DataRange { offset: 0, length },
        warnings: Vec::new(),
    })
}

fn archive(path: &Path) -> Result<Located, Error> {
    let (mut file, length) = open(path, "a .sigmf file is an archive of metadata and data")?;
    if length == 0 {
        return Err(Error::Empty { path: path.to_owned() });
    }
    let members = archive::members(path, &mut file, length)?;
    // macOS packs a file `._NAME` of its own beside each.
    let of_macos = |name: &str| name.rsplit('/').next().is_some_and(|name| name.starts_with("._"));
    let is_meta = |member: &&Member| member.name.ends_with(".sigmf-meta") && !of_macos(&member.name);
    let metas: Vec<&Member> = members.iter().filter(is_meta).collect();
    let meta = match metas[..] {
        [one] => one,
        [] => {
            let problem = "the archive ends without a .sigmf-meta: was it cut short?".to_owned();
            return Err(Error::Archive { path: path.to_owned(), offset: length, problem });
        }
        _ => {
            let names: Vec<&str> = metas.iter().take(8).map(|member| member.name.as_str()).collect();
            let what =
                format!("holds {} recordings ({}): unpack it and open one", metas.len(), names.join(", "));
            return Err(Error::Unsupported { path: path.to_owned(), what });
        }
    };
    if meta.size > length.saturating_sub(meta.offset) {
        let problem = "the archive ends within its metadata: was it cut short?".to_owned();
        return Err(Error::Archive { path: path.to_owned(), offset: length, problem });
    }
    let meta_range = DataRange { offset: meta.offset, length: meta.size };
    let (metadata, annotated) = read_metadata(path, &mut file, meta_range)?;
    let data_name = match &metadata.global.dataset {
        Some(name) => {
            let folder = meta.name.rfind('/').map_or("", |slash| &meta.name[..=slash]);
            format!("{folder}{name}")
        }
        None => format!("{}-data", meta.name.strip_suffix("-meta").unwrap_or(&meta.name)),
    };
    let Some(data) = members.iter().find(|member| member.name == data_name) else {
        let problem = format!("the archive ends without {data_name:?}, which its metadata describe");
        return Err(Error::Archive { path: path.to_owned(), offset: length, problem });
    };
    let present = data.size.min(length.saturating_sub(data.offset));
    let mut warnings = Vec::new();
    if present < data.size {
        warnings.push(Warning::MemberCutShort { announced: data.size, present });
    }
    Ok(Located {
        container: Container::SigmfArchive,
        data_path: path.to_owned(),
        meta_path: path.to_owned(),
        metadata: Some(metadata),
        meta_range,
        annotated,
        wav: None,
        range: DataRange { offset: data.offset, length: present },
        source: Source::file(file),
        warnings,
    })
}

/// Reads the metadata and checks the fields that concern the layout of the samples.
fn read_metadata(path: &Path, file: &mut File, range: DataRange) -> Result<(Metadata, Annotated), Error> {
    let mut annotated = Annotated::default();
    let metadata = stream_metadata(path, file, range, &mut |annotation| annotated.note(annotation))?;
    if metadata.global.metadata_only {
        let what = "is metadata only (core:metadata_only): it has no samples".to_owned();
        return Err(Error::Unsupported { path: path.to_owned(), what });
    }
    Ok((metadata, annotated))
}

/// Reads the metadata once, passing each annotation to `visit`.
pub(super) fn stream_metadata(
    path: &Path,
    file: &mut File,
    range: DataRange,
    visit: &mut Visit<'_>,
) -> Result<Metadata, Error> {
    file.seek(SeekFrom::Start(range.offset)).map_err(Error::io(path, "read the metadata"))?;
    let metadata = Metadata::read(file.take(range.length), visit);
    metadata.map_err(|FieldError { place, problem }| Error::Metadata {
        path: path.to_owned(),
        place,
        problem,
    })
}

/// Opens the samples: a regular file and its length, or a stream. `remedy` goes into the message if there is none.
fn open_data(path: &Path, remedy: &str) -> Result<(Source, u64), Error> {
    if path.as_os_str() == "-" {
        return Ok((Source::stream(Box::new(std::io::stdin())), ENDLESS));
    }
    let about = about(path, remedy)?;
    if about.is_dir() {
        return Err(Error::NotAFile { path: path.to_owned(), what: "a directory" });
    }
    // Opening a pipe blocks until its writer opens it.
    let file = File::open(path).map_err(Error::io(path, "open"))?;
    if about.is_file() {
        return Ok((Source::file(file), about.len()));
    }
    Ok((Source::stream(Box::new(file)), ENDLESS))
}

/// Opens a regular file; returns its length in bytes too. `remedy` goes into the message if there is none.
fn open(path: &Path, remedy: &str) -> Result<(File, u64), Error> {
    // Checked before it is opened: opening a pipe blocks until a writer opens it.
    let about = about(path, remedy)?;
    if !about.is_file() {
        let what = if about.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(Error::NotAFile { path: path.to_owned(), what });
    }
    let file = File::open(path).map_err(Error::io(path, "open"))?;
    Ok((file, about.len()))
}

fn about(path: &Path, remedy: &str) -> Result<std::fs::Metadata, Error> {
    std::fs::metadata(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => Error::NotFound { path: path.to_owned(), remedy: remedy.to_owned() },
        _ => Error::Io { path: path.to_owned(), doing: "open", source },
    })
}
