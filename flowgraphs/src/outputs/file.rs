//! An output that is being written: its errors name it, and an unfinished file does not look complete.

use super::{Place, part_of};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// An open output, buffered.
pub struct OutputFile {
    /// Name, for messages.
    name: String,
    out: Box<dyn Write + Send>,
    /// The unfinished file, and its final name.
    unfinished: Option<(PathBuf, PathBuf)>,
    /// Whether anything was written.
    touched: bool,
}

impl Place {
    /// Opens it; a regular file gets its name at [`OutputFile::finish`]. Opening a pipe blocks until its reader opens it.
    ///
    /// # Errors
    /// The system's error, with the name.
    pub fn create(&self) -> io::Result<OutputFile> {
        let Self::File(path) = self else { return self.live() };
        // Through a symbolic link: its target is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let part = part_of(&path);
        let name = path.display().to_string();
        let file = File::create(&part).map_err(|e| named(&name, e))?;
        let out = Box::new(BufWriter::new(file));
        Ok(OutputFile { name, out, unfinished: Some((part, path)), touched: false })
    }

    /// Checks that it can be written, if another component writes it by its name; leaves nothing behind.
    ///
    /// # Errors
    /// The system's error, with the name.
    pub fn probe(&self) -> io::Result<()> {
        match self {
            Self::File(_) => self.create().map(drop),
            _ => Ok(()),
        }
    }

    /// Opens it for writing under its own name, to be read at the same time.
    ///
    /// # Errors
    /// The system's error, with the name.
    pub fn live(&self) -> io::Result<OutputFile> {
        let plain = |name: &str, out: Box<dyn Write + Send>| OutputFile {
            name: name.to_owned(),
            out,
            unfinished: None,
            touched: false,
        };
        match self {
            Self::Standard => Ok(plain("standard output", Box::new(BufWriter::new(io::stdout())))),
            Self::StandardError => Ok(plain("standard error", Box::new(BufWriter::new(io::stderr())))),
            Self::Stream(path) | Self::File(path) => {
                let name = path.display().to_string();
                let create = matches!(self, Self::File(_));
                let file = File::options().write(true).create(create).truncate(create).open(path);
                let file = file.map_err(|e| named(&name, e))?;
                Ok(plain(&name, Box::new(BufWriter::new(file))))
            }
        }
    }

    /// Whether it is a terminal that shows colours.
    pub fn has_colours(&self) -> bool {
        match self {
            Self::Standard => crate::terminal::colours_on_stdout(),
            Self::StandardError => crate::terminal::colours_on_stderr(),
            _ => false,
        }
    }
}

impl OutputFile {
    /// Writes the rest and gives the file its name.
    ///
    /// # Errors
    /// The system's error, with the name; the file then keeps its unfinished name.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        match self.unfinished.take() {
            None => Ok(()),
            Some((part, path)) => fs::rename(&part, &path).map_err(|e| named(&self.name, e)),
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.touched = true;
        self.out.write(bytes).map_err(|e| named(&self.name, e))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().map_err(|e| named(&self.name, e))
    }
}

impl Drop for OutputFile {
    /// A file to which nothing was written is removed; any other stays as `NAME.part`.
    fn drop(&mut self) {
        if let Some((part, _)) = self.unfinished.take()
            && !self.touched
        {
            let _ = fs::remove_file(&part);
        }
    }
}

fn named(name: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: cannot write it: {error}"))
}
