//! Files beside the USIM.

use crate::outputs::{Existing, Outputs};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Names of the entries at the ProSe Function, by what they are for: the next fetch goes on with them.
pub(super) struct Places {
    path: PathBuf,
    known: BTreeMap<String, u16>,
    stored: BTreeMap<String, u16>,
}

impl Places {
    /// A file that is missing or damaged means new entries, with new codes.
    pub(super) fn load(usim: &Path) -> Self {
        let path = beside(usim, ".entries");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let known: BTreeMap<_, _> = toml::from_str(&text).unwrap_or_default();
        Self { path, stored: known.clone(), known }
    }

    pub(super) fn get(&self, key: &str) -> Option<u16> {
        self.known.get(key).copied()
    }

    pub(super) fn set(&mut self, key: &str, entry: Option<u16>) {
        match entry {
            Some(entry) => _ = self.known.insert(key.to_owned(), entry),
            None => _ = self.known.remove(key),
        }
    }

    /// Writes the file, if it has changed.
    pub(super) fn store(&mut self) -> anyhow::Result<()> {
        if self.known == self.stored {
            return Ok(());
        }
        let mut file = Outputs::new(Existing::Replace).claim("the file of entries", &self.path)?.create()?;
        file.write_all(toml::to_string(&self.known)?.as_bytes())?;
        file.finish()?;
        self.stored.clone_from(&self.known);
        Ok(())
    }
}

/// Returns the path of a file beside another one.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
