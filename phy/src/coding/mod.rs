//! Channel coding of TS 36.212 §5.
//!
//! | module | what it holds | clause |
//! |---|---|---|
//! | [`crc`] | CRC24A, CRC24B, CRC16 | TS 36.212 §5.1.1 |
//! | [`segmentation`] | a transport block cut into code blocks | TS 36.212 §5.1.2 |
//! | [`tail_biting`] | SCI and MIB-SL: CRC16, convolutional code, rate matching, both ways | TS 36.212 §5.1.3.1, §5.1.4.2 |
//! | [`turbo`] | the turbo code of one code block, both ways | TS 36.212 §5.1.3.2 |
//! | [`rate_match`] | the circular buffers | TS 36.212 §5.1.4 |
//! | [`transport`] | SL-SCH and SL-DCH: a transport block to coded bits and back | TS 36.212 §5.4.2, §5.4.4 |
//! | [`interleave`] | the channel interleaver | TS 36.212 §5.2.2.8 |
//! | [`scramble`] | a scrambling sequence applied to bits and to soft values | TS 36.211 §5.3.1 |
//!
//! Bits are `u8` of value 0 or 1, one per element, first transmitted first; only bit 0 of an input element is read.
//! Packed bits are eight to a byte, first bit in the most significant place. Constructors allocate, nothing else does.
//! A failed CRC is data; a [`CodingError`] means that the caller broke a rule.

pub mod crc;
pub mod interleave;
pub mod rate_match;
pub mod scramble;
pub mod segmentation;
pub mod tail_biting;
pub mod transport;
pub mod turbo;

use std::fmt;

/// A call that breaks a rule of its function. Received values never cause one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodingError {
    /// A transport block or payload is empty or larger than the coder was built for. Sizes in bits.
    BlockSize {
        /// The requested size.
        bits: usize,
        /// The most that this object can hold.
        max: usize,
    },
    /// TS 36.212 Table 5.1.3-3 has no code block of this many bits.
    CodeBlockSize {
        /// The requested size.
        bits: usize,
    },
    /// The modulation order is not 2, 4 or 6 bits per symbol.
    ModulationOrder {
        /// The requested order.
        qm: usize,
    },
    /// The redundancy version is above 3.
    RedundancyVersion {
        /// The requested version.
        rv: u8,
    },
    /// This number of coded bits is not a whole number of symbols, or leaves a code block without any.
    CodedLength {
        /// The requested number.
        bits: usize,
    },
    /// A slice does not have the length that the other arguments imply.
    SliceLength {
        /// Its length.
        found: usize,
        /// The length that was expected.
        expected: usize,
    },
}

impl fmt::Display for CodingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BlockSize { bits, max } => write!(f, "block of {bits} bits where 1 to {max} fit"),
            Self::CodeBlockSize { bits } => write!(f, "no turbo code block has {bits} bits"),
            Self::ModulationOrder { qm } => write!(f, "modulation order {qm} is not 2, 4 or 6"),
            Self::RedundancyVersion { rv } => write!(f, "redundancy version {rv} is above 3"),
            Self::CodedLength { bits } => {
                write!(f, "{bits} coded bits do not fit the code blocks and symbols")
            }
            Self::SliceLength { found, expected } => write!(f, "slice of {found} elements, not {expected}"),
        }
    }
}

impl std::error::Error for CodingError {}

/// Checks the length of a slice argument.
pub(crate) fn expect_len(found: usize, expected: usize) -> Result<(), CodingError> {
    if found == expected { Ok(()) } else { Err(CodingError::SliceLength { found, expected }) }
}
