//! The command `sidelink` within a test, and files for it that are gone afterwards.

use clap::Parser;
use num_complex::Complex;
use sidelink_flowgraphs::commands::{self, Cli};
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What a command said when it would not, or could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl Deref for Refusal {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs `sidelink` with these words behind it.
///
/// # Errors
/// What the command says.
pub fn run(words: &[&str]) -> Result<(), Refusal> {
    let cli = Cli::try_parse_from(["sidelink"].iter().chain(words)).map_err(|e| Refusal(e.to_string()))?;
    commands::run(cli.command).map_err(|e| Refusal(format!("{e:#}")))
}

/// A folder of its own among the temporary files.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// Makes one for the test of this name.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn new(test: &str) -> Self {
        let folder = TempDir::with_prefix(format!("sidelink-test-{test}-"));
        Self(folder.unwrap_or_else(|e| panic!("a folder for {test}: {e}")))
    }

    /// The folder itself.
    pub fn as_path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and returns its path.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    /// Names of what is in it, in order.
    ///
    /// # Panics
    /// It cannot be read.
    pub fn names(&self) -> Vec<String> {
        let entries =
            std::fs::read_dir(self.0.path()).unwrap_or_else(|e| panic!("{}: {e}", self.0.path().display()));
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// Runs `sidelink generate` on a scenario, and returns the samples.
///
/// # Panics
/// The scenario is refused, or nothing can be written.
pub fn generate(name: &str, scenario: &str) -> Vec<Complex<f32>> {
    let folder = Folder::new(name);
    let (toml, raw) = (folder.put("s.toml", scenario), folder.path("s.cf32"));
    run(&["generate", "-c", text(&toml), "-w", text(&raw)]).unwrap_or_else(|e| panic!("{name}: {e}"));
    let bytes = std::fs::read(&raw).unwrap_or_else(|e| panic!("{}: {e}", raw.display()));
    let float = |at: usize| f32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    (0..bytes.len() / 8).map(|i| Complex::new(float(8 * i), float(8 * i + 4))).collect()
}

/// A path as a word of a command.
///
/// # Panics
/// It is no text.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_else(|| panic!("{}: no text", path.display()))
}
