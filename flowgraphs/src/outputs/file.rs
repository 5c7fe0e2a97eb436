//! An output that is written: its errors name it, and an unfinished file does not look whole.

use super::{Place, part_of};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// An open output, buffered.
pub struct OutputFile {
    /// For messages.
    name: String,
    out: Box<dyn Write + Send>,
    /// The file in the making, and the name that it gets.
    unfinished: Option<(PathBuf, PathBuf)>,
    /// Whether anything was written.
    touched: bool,
}

impl Place {
    /// Opens it, so that a regular file gets its name at [`OutputFile::finish`]. A pipe waits for its reader.
    ///
    /// # Errors
    /// What the system says, with the name.
    pub fn create(&self) -> io::Result<OutputFile> {
        let Self::File(path) = self else { return self.live() };
        // Through a symbolic link: the file that it means is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let part = part_of(&path);
        let name = path.display().to_string();
        let file = File::create(&part).map_err(|e| named(&name, e))?;
        let out = Box::new(BufWriter::new(file));
        Ok(OutputFile { name, out, unfinished: Some((part, path)), touched: false })
    }

    /// Finds out whether it can be written, where others write it by its name; leaves nothing behind.
    ///
    /// # Errors
    /// What the system says, with the name.
    pub fn probe(&self) -> io::Result<()> {
        match self {
            Self::File(_) => self.create().map(drop),
            _ => Ok(()),
        }
    }

    /// Opens it to be read while it is written.
    ///
    /// # Errors
    /// What the system says, with the name.
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

    /// Whether people read it, in colours.
    pub fn has_colours(&self) -> bool {
        match self {
            Self::Standard => crate::terminal::colours_on_stdout(),
            Self::StandardError => crate::terminal::colours_on_stderr(),
            _ => false,
        }
    }
}

impl OutputFile {
    /// Writes what is left and gives the file its name.
    ///
    /// # Errors
    /// What the system says, with the name; the file then keeps the name of one in the making.
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
    /// A file to which nothing was written leaves nothing behind; any other stays as `NAME.part`.
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
