//! The outputs of a command as a set: checked together before anything runs, when a mistake costs nothing.
//!
//! No output is an input, by any name (hard and symbolic links included); none is an existing recording, unless the
//! operator gives `--force`; no two are the same; each folder exists. A regular file is written as `NAME.part` and gets
//! its name when it is complete; a live output is written under its own name, since it may be read meanwhile. `-` is
//! standard output; pipes and devices are written directly.
//!
//! ```text
//! Outputs ──claim()──> Place ──create()──> OutputFile   complete at finish()
//!                            ──live()────> OutputFile   at once
//! ```

mod file;
#[cfg(test)]
mod tests;

use crate::config::ConfigError;
use clap::Args;
pub use file::OutputFile;
use sidelink_recordings::{Container, files_of, is_recording};
use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Whether recordings that exist may be replaced.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ForceArgs {
    /// Replace recordings that exist, and the file of --learn (never an input).
    #[arg(long)]
    pub force: bool,
}

/// Treatment of an existing recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    Keep,
    /// It is replaced.
    Replace,
}

impl From<ForceArgs> for Existing {
    fn from(args: ForceArgs) -> Self {
        if args.force { Self::Replace } else { Self::Keep }
    }
}

/// All inputs and outputs of a command.
#[derive(Debug)]
pub struct Outputs {
    existing: Existing,
    inputs: Vec<(Identity, PathBuf)>,
    claimed: Vec<Claimed>,
}

/// A place that an option has claimed.
#[derive(Debug)]
struct Claimed {
    option: String,
    key: Key,
    identity: Option<Identity>,
    /// Whether it gives way to data.
    for_people: bool,
}

/// Identity of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Standard,
    StandardError,
    /// The folder without links, and the name in it.
    Path(PathBuf),
}

/// Identity of a file, independent of its name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Returns the identity of a regular file or a pipe; several outputs may write to one device.
    fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().and_then(|about| Self::of_metadata(&about))
    }

    fn of_metadata(about: &Metadata) -> Option<Self> {
        let one = about.is_file() || about.file_type().is_fifo();
        one.then(|| Self { device: about.dev(), inode: about.ino() })
    }
}

/// Destination of an output: claimed, and not opened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard output.
    Standard,
    /// Standard error, if standard output carries data.
    StandardError,
    /// A pipe or a device.
    Stream(PathBuf),
    /// A regular file.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("standard output"),
            Self::StandardError => f.write_str("standard error"),
            Self::Stream(path) | Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Outputs {
    /// Makes an empty set.
    pub fn new(existing: impl Into<Existing>) -> Self {
        Self { existing: existing.into(), inputs: Vec::new(), claimed: Vec::new() }
    }

    /// Adds files that are read: a configuration, a key store. Add inputs before outputs.
    pub fn reads<'a>(&mut self, paths: impl IntoIterator<Item = &'a PathBuf>) {
        let identities = paths.into_iter().filter_map(|path| Some((Identity::of(path)?, path.clone())));
        self.inputs.extend(identities);
    }

    /// Adds recordings that are read, each with all its files.
    pub fn reads_recordings<'a>(&mut self, paths: impl IntoIterator<Item = &'a PathBuf>) {
        for path in paths {
            self.reads(&files_of(path));
        }
    }

    /// Claims a place for the output that `option` names.
    ///
    /// # Errors
    /// It is an input, the place of another output, a recording that exists, a folder; or its folder is missing.
    pub fn claim(&mut self, option: &str, path: &Path) -> Result<Place, ConfigError> {
        if path.as_os_str() == "-" {
            self.claim_standard(option)?;
            return Ok(Place::Standard);
        }
        let place = place(option, path)?;
        if let Place::File(path) = &place {
            // The unfinished file must not be another output or input either.
            self.must_be_free(option, &part_of(path))?;
        }
        let key = key(option, path)?;
        self.must_be_free(option, path)?;
        if self.existing == Existing::Keep && is_recording(path) {
            return Err(overwrites(option, path));
        }
        self.take(option, key, Identity::of(path))?;
        Ok(place)
    }

    /// Does the same as [`Self::claim`] for a secret or a file that belongs to one: an existing file is never replaced.
    ///
    /// # Errors
    /// As [`Self::claim`], and that the file exists.
    pub fn claim_fresh(&mut self, option: &str, path: &Path) -> Result<Place, ConfigError> {
        match self.claim(option, path)? {
            Place::File(path) if fs::symlink_metadata(&path).is_ok() => Err(ConfigError::new(
                format!("{option} would replace a file that exists"),
                path.display().to_string(),
                "nothing is overwritten here: name another file, or remove it",
            )),
            place => Ok(place),
        }
    }

    /// Claims a folder that exists or will be made, with the places of new files in it. `files` are their names.
    ///
    /// # Errors
    /// It is not a folder, its parent is missing, or one of the files exists.
    pub fn claim_folder(&mut self, option: &str, folder: &Path, files: &[String]) -> Result<(), ConfigError> {
        if folder.as_os_str() == "-" {
            return Err(ConfigError::usage(
                format!("{option} - names no folder"),
                "name one, which may be new",
            ));
        }
        match fs::metadata(folder) {
            Ok(about) if about.is_dir() => {
                files.iter().try_for_each(|name| self.claim_fresh(option, &folder.join(name)).map(drop))
            }
            Ok(_) => {
                let what = format!("{option} names a file");
                Err(ConfigError::new(what, folder.display().to_string(), "name a folder, which may be new"))
            }
            Err(_) => {
                let key = key(option, folder)?;
                self.take(option, key, None)
            }
        }
    }

    /// Does the same as [`Self::claim`] for a file that people may have edited since it was written: an existing one is
    /// kept, too.
    ///
    /// # Errors
    /// As [`Self::claim`], and that the file exists.
    pub fn claim_new(&mut self, option: &str, path: &Path) -> Result<Place, ConfigError> {
        let there = fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() > 0);
        if self.existing == Existing::Keep && there {
            return Err(ConfigError::new(
                format!("{option} would replace a file that exists"),
                path.display().to_string(),
                "name another file, or say --force",
            ));
        }
        self.claim(option, path)
    }

    /// Claims the places of a recording that a [`sidelink_recordings::Writer`] will make of `path`.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub fn claim_recording(&mut self, option: &str, path: &Path) -> Result<(), ConfigError> {
        let container = Container::of_output(path);
        if container == Container::Stream {
            return self.claim(option, path).map(drop);
        }
        for file in container.files(path) {
            place(option, &file)?;
            let key = key(option, &file)?;
            self.must_be_free(option, &file)?;
            self.must_be_free(option, &part_of(&file))?;
            let there = fs::metadata(&file).is_ok_and(|about| about.len() > 0);
            if self.existing == Existing::Keep && there {
                return Err(overwrites(option, &file));
            }
            self.take(option, key, Identity::of(&file))?;
        }
        Ok(())
    }

    /// Adds the inputs that the arguments of a device name, and claims the recording that it writes.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub fn device(&mut self, args: &str) -> Result<(), ConfigError> {
        let (read, written) = sidelink_radio::files_of(args);
        self.reads_recordings(&read);
        written.map_or(Ok(()), |path| self.claim_recording("write=", &path))
    }

    /// Claims standard output, for one option only.
    ///
    /// # Errors
    /// Another output has claimed it.
    pub fn claim_standard(&mut self, option: &str) -> Result<(), ConfigError> {
        // A file to which standard output is redirected is one more name of the same place.
        let sent_to = Path::new("/dev/stdout");
        self.must_be_free(option, sent_to)?;
        self.take(option, Key::Standard, Identity::of(sent_to))
    }

    /// Returns the place for text to people: standard output, or standard error if data of another option go to the
    /// former.
    ///
    /// # Errors
    /// The place carries other text already.
    pub fn for_people(&mut self, option: &str) -> Result<Place, ConfigError> {
        let data = self.claimed.iter().any(|claimed| claimed.key == Key::Standard && !claimed.for_people);
        let (key, place) = match data {
            true => (Key::StandardError, Place::StandardError),
            false => (Key::Standard, Place::Standard),
        };
        match key {
            Key::StandardError => self.take(option, key, None)?,
            _ => self.claim_standard(option)?,
        }
        if let Some(claimed) = self.claimed.last_mut() {
            claimed.for_people = true;
        }
        Ok(place)
    }

    fn must_be_free(&self, option: &str, path: &Path) -> Result<(), ConfigError> {
        let Some(identity) = Identity::of(path) else { return Ok(()) };
        match self.inputs.iter().find(|(input, _)| *input == identity) {
            None => Ok(()),
            Some((_, input)) => {
                let what = format!("{option} would overwrite an input");
                let place = match input == path {
                    true => path.display().to_string(),
                    false => format!("{} is {}", path.display(), input.display()),
                };
                Err(ConfigError::new(what, place, remedy(option)))
            }
        }
    }

    fn take(&mut self, option: &str, key: Key, identity: Option<Identity>) -> Result<(), ConfigError> {
        let same = |other: &&Claimed| other.key == key || identity.is_some() && other.identity == identity;
        if let Some(other) = self.claimed.iter().find(same) {
            let place = match &key {
                Key::Standard => "standard output".to_owned(),
                Key::StandardError => "standard error".to_owned(),
                Key::Path(path) => path.display().to_string(),
            };
            let what = match other.option == option {
                true => format!("{option} writes twice to the same place"),
                false => format!("{} and {option} both write to the same place", other.option),
            };
            return Err(ConfigError::new(what, place, "give each a file of its own, as in json:out.json"));
        }
        self.claimed.push(Claimed { option: option.to_owned(), key, identity, for_people: false });
        Ok(())
    }
}

/// Returns the place of a path, whether it exists or not.
fn place(option: &str, path: &Path) -> Result<Place, ConfigError> {
    let at = || path.display().to_string();
    match fs::metadata(path) {
        Ok(about) if about.is_dir() => {
            let what = format!("{option} names a folder");
            Err(ConfigError::new(what, at(), "name a file in it"))
        }
        Ok(about) if about.is_file() => Ok(Place::File(path.to_owned())),
        Ok(_) => Ok(Place::Stream(path.to_owned())),
        Err(_) => Ok(Place::File(path.to_owned())),
    }
}

/// Returns the identity of a place. For a file that does not exist yet, its folder must exist.
fn key(option: &str, path: &Path) -> Result<Key, ConfigError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else {
        let what = format!("{option} names no file");
        return Err(ConfigError::new(what, path.display().to_string(), "end it with the name of a file"));
    };
    let folder = fs::canonicalize(folder).ok().filter(|folder| folder.is_dir()).ok_or_else(|| {
        let what = format!("the folder of {option} is not there");
        let remedy = format!("make it (mkdir -p '{}'), or name another", folder.display());
        ConfigError::new(what, path.display().to_string(), remedy)
    })?;
    Ok(Key::Path(folder.join(name)))
}

fn overwrites(option: &str, path: &Path) -> ConfigError {
    let what = format!("{option} would overwrite a recording");
    let remedy = format!("{}, or replace it with --force", remedy(option));
    ConfigError::new(what, path.display().to_string(), remedy)
}

fn remedy(option: &str) -> String {
    match option {
        "--pcap" => {
            "name another file, as in --pcap out.pcap (was the name of the capture left out?)".to_owned()
        }
        _ => "name another file".to_owned(),
    }
}

/// Returns the path of the unfinished file.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
