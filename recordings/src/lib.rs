//! Recordings: IQ samples in and out of files, and decoded PDUs out as pcap. Read first: SigMF 1.2.6.
//!
//! This crate knows files and no radio: it imports neither the modem nor layer 2. A sample is a [`Sample`]
//! (`Complex32`, full scale 1.0), a time is a number of microseconds that the caller provides.
//!
//! ```text
//! lib.rs       this floor plan
//! reader.rs    Recording: open any kind of recording, stream its channels, seek in it      damage.rs: faults that reading survives
//! writer.rs    Writer: stream samples and annotations out; whole at finish() or not at all
//! raw.rs       SampleFormat: bytes <-> samples; hints of names, formats by the look of samples  raw/{name,judge}.rs
//! wav.rs       WAV, RF64 and BW64: the place of the samples, their time and frequency
//! sigmf.rs     the metadata, typed; unknown keys are kept                                       sigmf/{global,fields,archive,radio}.rs
//! time.rs      UtcMicros: microseconds since 1970 <-> ISO 8601
//! pcap.rs      PDUs for Wireshark (../wireshark/sidelink.lua dissects those that Wireshark does not know)
//! error.rs     Error: party at fault, place, remedy
//! ```
//!
//! # Contracts
//!
//! - Nothing here panics, whatever the bytes. Files are streamed through a buffer of bounded size: their length does
//!   not matter.
//! - A fault that reading survives is a [`Warning`] (known when the file is opened) or a [`Damage`] (found while
//!   reading: the sample is replaced by zero). Any other is an [`Error`] with the party at fault and the remedy.
//! - A file under its own name is complete: the writer works on `NAME.part` and renames at `finish()`.

#![forbid(unsafe_code)]
// This crate works on files (clippy.toml).
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
pub use reader::{
    Channels, Container, Gap, GapSize, HashCheck, Info, MAX_CHANNELS, OpenOptions, Recording, files_of,
    is_recording,
};
pub use time::{ParseTimeError, UtcMicros};
pub use writer::{Summary, Writer, WriterOptions};

/// One complex baseband sample. Full scale of the integer formats is 1.0.
pub type Sample = num_complex::Complex32;
