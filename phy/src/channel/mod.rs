//! The four physical channels, one file each with its `Encoder` and its `Decoder`.
//!
//! | channel | carries | clause |
//! |---|---|---|
//! | [`psbch`] | MIB-SL, with the synchronisation signals | TS 36.211 §9.6, §9.7 |
//! | [`pscch`] | SCI formats 0 and 1 | TS 36.211 §9.4 |
//! | [`pssch`] | SL-SCH transport blocks | TS 36.211 §9.3 |
//! | [`psdch`] | SL-DCH discovery messages | TS 36.211 §9.5 |
//!
//! Siblings never import each other; what they share is in [`layout`] and [`mapper`].

pub mod layout;
pub mod mapper;
pub mod psbch;
pub mod pscch;
pub mod psdch;
pub mod pssch;

use std::fmt;

/// A caller broke a rule of an encoder or a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// PRBs beyond the carrier, or a number of them that transform precoding does not allow.
    Allocation {
        /// First PRB.
        start: usize,
        /// Number of PRBs.
        len: usize,
    },
    /// A payload of the wrong length.
    Payload {
        /// Number of bits given.
        got: usize,
        /// Bits that the channel carries.
        want: usize,
    },
    /// An MCS that is not defined for the mode.
    Mcs(u8),
    /// The channel does not exist with this cyclic prefix.
    CyclicPrefix,
    /// The transport block does not fit; the coder has the reason.
    Coding,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocation { start, len } => {
                write!(f, "{len} PRBs from PRB {start} on: beyond the carrier, or not 2^a 3^b 5^c")
            }
            Self::Payload { got, want } => {
                write!(f, "the payload has {got} bits, the channel carries {want}")
            }
            Self::Mcs(mcs) => write!(f, "MCS {mcs} is not defined in this mode"),
            Self::CyclicPrefix => f.write_str("modes 3 and 4 only have the normal cyclic prefix"),
            Self::Coding => f.write_str("the transport block size does not fit its resources"),
        }
    }
}

impl std::error::Error for Error {}
