//! Recordings: IQ samples in and out of files, and decoded PDUs out as pcap. Read first: SigMF 1.2.6.
//!
//! This crate knows files and nothing of radio: it imports neither the modem nor layer 2. A sample is a
//! [`Sample`] (`Complex32`, full scale 1.0), a time is a number of microseconds that the caller brings.
//!
//! ```text
//! lib.rs       this floor plan
//! reader.rs    Recording: open whatever it is, stream it, seek in it        damage.rs: what was wrong with it
//! writer.rs    Writer: stream samples and annotations out; whole at finish() or not at all
//! raw.rs       SampleFormat: bytes <-> samples; what a name says, what samples look like      raw/{name,judge}.rs
//! wav.rs       WAV, RF64 and BW64: where the samples are, and when and where on the air they were taken
//! sigmf.rs     the metadata, typed; unknown keys are kept                   sigmf/{global,fields,archive,radio}.rs
//! time.rs      UtcMicros: microseconds since 1970 <-> ISO 8601
//! pcap.rs      PDUs for Wireshark (../wireshark/sidelink.lua dissects those that Wireshark does not know)
//! error.rs     Error: whose fault, where, what to do
//! ```
//!
//! # Contracts
//!
//! - Nothing here panics, whatever the bytes. Files are streamed through a buffer of bounded size: their length does
//!   not matter.
//! - What can be read past is a [`Warning`] (known when the file is opened) or a [`Damage`] (met while reading: the
//!   sample is replaced by zero). What cannot is an [`Error`] that says whose fault it is and what to do.
//! - A file under its own name is a whole file: the writer works on `NAME.part` and renames at `finish()`.

#![forbid(unsafe_code)]
// Files are this crate's business (clippy.toml).
#![allow(clippy::disallowed_methods)]

mod damage;
mod error;
pub mod pcap;
mod plain;
mod raw;
mod reader;
pub mod sigmf;
#[cfg(test)]
mod testing;
mod time;
mod wav;
mod writer;

pub use damage::{Damage, DamageKind, DamageLog, Warning};
pub use error::{Blame, Error};
pub use plain::Plain;
pub use raw::name::{NameHints, hints_of_name};
pub use raw::{Losses, ParseFormatError, SampleFormat};
pub use reader::{Container, Gap, GapSize, HashCheck, Info, OpenOptions, Recording, files_of, is_recording};
pub use time::{ParseTimeError, UtcMicros};
pub use writer::{Summary, Writer, WriterOptions};

/// One complex baseband sample. Full scale of the integer formats is 1.0.
pub type Sample = num_complex::Complex32;
