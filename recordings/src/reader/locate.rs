//! From a path to the file with the samples, its metadata and the bytes that are data.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::raw::name::appended;
use crate::sigmf::archive::{self, Member};
use crate::sigmf::{FieldError, Metadata};
use crate::{Error, SampleFormat, Warning};

use super::Container;
use super::segments::DataRange;

/// Metadata longer than this are refused, so that memory stays bounded: some hundred thousand annotations.
const MAX_METADATA: u64 = 64 << 20;

/// What a path turned out to be.
pub(super) struct Located {
    pub(super) container: Container,
    pub(super) data_path: PathBuf,
    /// For messages: the file in which the metadata are.
    pub(super) meta_path: PathBuf,
    pub(super) metadata: Option<Metadata>,
    pub(super) file: File,
    pub(super) range: DataRange,
    pub(super) warnings: Vec<Warning>,
}

/// Finds out what `path` is. A `format` makes a `.sigmf-data` without its metadata a raw file.
pub(super) fn locate(path: &Path, format: Option<SampleFormat>) -> Result<Located, Error> {
    match path.extension().and_then(|extension| extension.to_str()) {
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
    raw(path)
}

fn raw(path: &Path) -> Result<Located, Error> {
    let (file, length) = open(path, "nor is there one with .sigmf-meta or .sigmf appended")?;
    Ok(Located {
        container: Container::Raw,
        data_path: path.to_owned(),
        meta_path: path.to_owned(),
        metadata: None,
        file,
        range: DataRange { offset: 0, length },
        warnings: Vec::new(),
    })
}

fn pair(meta_path: &Path) -> Result<Located, Error> {
    let (mut meta, length) = open(meta_path, "a SigMF recording is a .sigmf-meta and a .sigmf-data file")?;
    let metadata = read_metadata(meta_path, &mut meta, DataRange { offset: 0, length })?;
    let data_path = match &metadata.global.dataset {
        None => meta_path.with_extension("sigmf-data"),
        Some(name) => {
            // A name and no path: metadata from elsewhere must not make us read any file.
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
    let (file, length) =
        open(&data_path, &format!("{} says that the samples are there", meta_path.display()))?;
    Ok(Located {
        container: Container::SigmfPair,
        data_path,
        meta_path: meta_path.to_owned(),
        metadata: Some(metadata),
        file,
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
    let metas: Vec<&Member> = members.iter().filter(|member| member.name.ends_with(".sigmf-meta")).collect();
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
    let metadata = read_metadata(path, &mut file, DataRange { offset: meta.offset, length: meta.size })?;
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
        range: DataRange { offset: data.offset, length: present },
        file,
        warnings,
    })
}

/// Reads and checks what concerns the way in which the samples are stored.
fn read_metadata(path: &Path, file: &mut File, range: DataRange) -> Result<Metadata, Error> {
    let error = |place: &str, problem: String| Error::Metadata {
        path: path.to_owned(),
        place: place.to_owned(),
        problem,
    };
    if range.length > MAX_METADATA {
        let problem = format!("{} bytes of metadata; {MAX_METADATA} is the most that is read", range.length);
        return Err(error("the file", problem));
    }
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(range.offset))
        .and_then(|_| file.take(range.length).read_to_end(&mut text))
        .map_err(Error::io(path, "read the metadata"))?;
    let metadata = Metadata::parse(&text).map_err(|FieldError { place, problem }| error(&place, problem))?;
    let unsupported = |what: String| Error::Unsupported { path: path.to_owned(), what };
    if metadata.global.metadata_only {
        return Err(unsupported("is metadata only (core:metadata_only): it has no samples".to_owned()));
    }
    match metadata.global.num_channels {
        None | Some(1) => Ok(metadata),
        Some(0) => Err(error("global.core:num_channels", "must be 1 or more, and is 0".to_owned())),
        Some(more) => Err(unsupported(format!(
            "has {more} channels interleaved (core:num_channels): split it into one file each"
        ))),
    }
}

/// Opens a regular file; its length in bytes. `remedy` goes into the message where there is none.
fn open(path: &Path, remedy: &str) -> Result<(File, u64), Error> {
    // Asked before it is opened: opening a pipe waits for a writer.
    let about = std::fs::metadata(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => Error::NotFound { path: path.to_owned(), remedy: remedy.to_owned() },
        _ => Error::Io { path: path.to_owned(), doing: "open", source },
    })?;
    if !about.is_file() {
        let what = if about.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(Error::NotAFile { path: path.to_owned(), what });
    }
    let file = File::open(path).map_err(Error::io(path, "open"))?;
    Ok((file, about.len()))
}
