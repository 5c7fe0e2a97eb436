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
// TS 36.211 §9.1.1
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

#[cfg(test)]
mod tests {
    use super::layout::Layout;
    use super::*;
    use crate::grid::Grid;
    use crate::numerology::Numerology;
    use crate::sequence::dmrs::References;
    use crate::units::{
        Antennas, Bandwidth, CyclicPrefix, Hertz, PrbRange, SidelinkMode, SlssId, TransmissionMode,
    };
    use std::slice::from_ref;
    use std::sync::Arc;

    /// Their layouts name 14 symbols, where the grid has 12 (TS 36.211 §9.2.1).
    #[test]
    fn modes_3_and_4_have_no_extended_prefix() {
        let n = Numerology::standard(Bandwidth::Prb6, CyclicPrefix::Extended);
        let references = Arc::new(References::new(6));
        let (v2x, mode) = (SidelinkMode::V2x, TransmissionMode::Tm4);
        let mut grid = Grid::new(n);
        let wrong = Some(Error::CyclicPrefix);

        let grant = pssch::Grant {
            prbs: PrbRange { start: 0, len: 4 },
            mcs: 5,
            rv: 0,
            n_id: 0,
            n_ssf: 0,
            transmission_format: false,
        };
        let size = grant.size(v2x).unwrap().1;
        let mut encoder = pssch::Encoder::new(n, mode, references.clone());
        assert_eq!(encoder.encode(&vec![0; size / 8], &grant, 1.0, &mut grid).err(), wrong);
        let mut process = pssch::Process::new(6);
        process.start(size).unwrap();
        let mut decoder = pssch::Decoder::new(n, mode, references.clone(), Antennas::ONE);
        assert_eq!(decoder.receive(from_ref(&grid), &grant, Hertz(0.0), &mut process).err(), wrong);

        let mut encoder = pscch::Encoder::new(n, v2x, references.clone());
        assert_eq!(encoder.encode(&[0; 32], 0, 0, 1.0, &mut grid).err(), wrong);
        let mut decoder = pscch::Decoder::new(n, v2x, references.clone(), Antennas::ONE);
        assert!(decoder.decode(from_ref(&grid), 0, 0, Hertz(0.0), &mut [0; 32]).is_none());

        let id = SlssId::new(1).unwrap();
        let mut encoder = psbch::Encoder::new(n, v2x, references.clone());
        assert_eq!(encoder.encode(&[0; 48], id, 1.0, &mut grid).err(), wrong);
        let mut decoder = psbch::Decoder::new(n, v2x, references, Antennas::ONE);
        assert!(decoder.decode(from_ref(&grid), id, &mut [0; 48]).is_none());
    }

    /// TS 36.212 §5.4.2, TS 36.213 §14.1.1.4B: nothing is mapped to the last symbol.
    #[test]
    // TS 36.211 §9.3.6 (2); TS 36.212 §5.4.2 (4); TS 36.213 §14.1.1 (6)
    fn transmission_format_1_has_nine_symbols() {
        let layout = Layout::shared(SidelinkMode::V2x, CyclicPrefix::Normal).without_last();
        assert_eq!(layout.data, [0, 1, 3, 4, 6, 7, 9, 10, 12]);
        assert_eq!(layout.dmrs, [2, 5, 8, 11]);
    }
}
