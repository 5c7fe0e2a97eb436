//! Formats of layer 2, of the PC5 messages and of MIKEY: bytes in, meaning out, and back. Imports nothing of the house.
//!
//! One file per format, each in the same order: figure and clause, `mod field` (offsets), `Packet` (a view
//! over bytes: offsets only, it never judges), `Repr` (only valid states: `parse`, `buffer_len`, `emit`), tests.
//! The formats import nothing from the rest of the project: identities are octets and numbers here, and get
//! their meaning in [`ids`].
//!
//! # Panic contract
//!
//! - `Packet::new_checked` runs `check_len`. After a successful `check_len` no accessor panics, whatever the bytes.
//! - `Packet::new_unchecked` followed by an accessor may panic when the buffer is short. Use it only on a buffer
//!   that was just sized by `buffer_len`.
//! - `check_len` proves lengths and nothing else: reserved values pass. `Repr::parse` judges values too, and never
//!   panics on a checked `Packet`.
//! - `Repr::emit` never panics: a buffer that is too short or a field that does not fit is an [`Error`].
//! - The doc comment of a field narrower than its type gives its width; `parse` never exceeds it and `emit` refuses more.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

use core::fmt;

pub mod direct_keying;
pub mod group_keys;
pub mod group_owner;
pub mod hex;
pub mod ids;
pub mod ip;
pub mod long_message;
pub mod mib_sl;
pub mod mikey;
pub mod pc5_discovery;
pub mod pc5_signalling;
pub mod pdcp;
pub mod relay_keying;
pub mod remote_ue_report;
pub mod rlc_um;
pub mod rng;
pub mod sdes;
pub mod sl_sch;

/// Refusal of bytes that are not valid, or of a value that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Malformed bytes: the buffer ends before the field does.
    Truncated {
        /// The field that is cut short.
        what: &'static str,
        /// Octets needed up to its end.
        needed: usize,
        /// Octets available.
        have: usize,
    },
    /// Malformed bytes: the buffer is longer than the format.
    Oversized {
        /// The format.
        what: &'static str,
        /// Octets of the format.
        max: usize,
        /// Length of the buffer, octets.
        have: usize,
    },
    /// Malformed bytes: a length field announces more octets than follow.
    LengthLies {
        /// The length field.
        what: &'static str,
        /// Octets that the field announces.
        stated: usize,
        /// Octets that follow.
        have: usize,
    },
    /// Malformed bytes: a value that the specification reserves.
    Reserved {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u32,
    },
    /// Malformed bytes, or our misuse: more elements than one PDU may hold.
    TooMany {
        /// The elements.
        what: &'static str,
        /// The largest number accepted.
        max: usize,
    },
    /// Our misuse: the coding has no such message or element.
    NotCarried {
        /// The message or element that cannot be written, or the mandatory element that is missing.
        what: &'static str,
    },
    /// Our misuse: the output buffer is too short.
    BufferTooShort {
        /// Octets needed.
        needed: usize,
        /// Length of the buffer, octets.
        have: usize,
    },
    /// Our misuse: a value does not fit in its field.
    OutOfRange {
        /// The field.
        what: &'static str,
        /// The value.
        value: u32,
        /// The largest value that fits.
        max: u32,
    },
}

impl Error {
    /// Whether the bytes are to blame, rather than our own use of the format.
    pub const fn is_malformed(&self) -> bool {
        !matches!(self, Self::BufferTooShort { .. } | Self::OutOfRange { .. } | Self::NotCarried { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { what, needed, have } => {
                write!(f, "{what} is cut short: {needed} octets are needed, {have} are there")
            }
            Self::Oversized { what, max, have } => write!(f, "{what} has {have} octets, {max} is the most"),
            Self::LengthLies { what, stated, have } => {
                write!(f, "{what} announces {stated} octets, {have} follow")
            }
            Self::Reserved { what, value } => write!(f, "{what} has the reserved value {value:#x}"),
            Self::TooMany { what, max } => write!(f, "more than {max} {what} in one PDU"),
            Self::NotCarried { what } => {
                write!(f, "{what}: not of this coding, or missing where it must stand")
            }
            Self::BufferTooShort { needed, have } => {
                write!(f, "output buffer too short: {needed} octets are needed, {have} were offered")
            }
            Self::OutOfRange { what, value, max } => write!(f, "{what} {value:#x} is above {max:#x}"),
        }
    }
}

impl std::error::Error for Error {}

/// Returns `Ok` when `have` octets suffice for the field that ends at `needed`.
pub(crate) const fn need(what: &'static str, needed: usize, have: usize) -> Result<(), Error> {
    if have < needed { Err(Error::Truncated { what, needed, have }) } else { Ok(()) }
}

/// Returns `Ok` when the output buffer suffices.
pub(crate) const fn room(needed: usize, have: usize) -> Result<(), Error> {
    if have < needed { Err(Error::BufferTooShort { needed, have }) } else { Ok(()) }
}

/// Returns `Ok` when `value` fits.
pub(crate) const fn fits(what: &'static str, value: u32, max: u32) -> Result<(), Error> {
    if value > max { Err(Error::OutOfRange { what, value, max }) } else { Ok(()) }
}
