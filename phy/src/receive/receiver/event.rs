//! What a receiver reports.

use crate::channel::pssch::Grant;
use crate::receive::estimate::Measurement;
use crate::sci;
use crate::units::{DfnSubframe, SlssId};

/// Something that was heard in a subframe. `subframe` counts capture subframes from 0; bits are one a byte.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Synchronisation signals.
    Slss {
        /// Capture subframe.
        subframe: u64,
        /// Identity.
        id: SlssId,
        /// Carrier offset in Hz.
        cfo_hz: f32,
        /// Signal to noise ratio of a resource element in dB.
        snr_db: f32,
    },
    /// A MIB-SL or MIB-SL-V2X.
    Mib {
        /// Capture subframe.
        subframe: u64,
        /// Identity of the sender's synchronisation signals.
        id: SlssId,
        /// 40 or 48 bits.
        bits: &'a [u8],
        /// Direct frame number and subframe number, `None` when they make no sense.
        time: Option<DfnSubframe>,
        /// The channel that it came over.
        measurement: Measurement,
        /// Error vector magnitude.
        evm_percent: f32,
    },
    /// Sidelink control information.
    Sci {
        /// Capture subframe.
        subframe: u64,
        /// PRB of the PSCCH, the first of two in modes 3 and 4.
        prb: usize,
        /// Cyclic shift of its DMRS, 0 in modes 1 and 2.
        cyclic_shift: u8,
        /// SCI without CRC.
        bits: &'a [u8],
        /// Its CRC.
        crc16: u16,
        /// The same as fields.
        information: ControlInformation,
        /// The channel that it came over.
        measurement: Measurement,
        /// Error vector magnitude.
        evm_percent: f32,
    },
    /// A transport block of SL-SCH.
    SlSch(SharedBlock<'a>),
    /// A discovery message of SL-DCH.
    SlDch {
        /// Capture subframe of the last transmission that was combined.
        subframe: u64,
        /// Subframes since the first transmission of the message, whether or not it was received: what the message says of
        /// the time holds there. 0 where the pool or the time is not known.
        since_first: u32,
        /// Redundancy versions that were combined.
        rv: &'a [u8],
        /// First PRB in that subframe.
        prb_start: usize,
        /// 29 octets.
        message: &'a [u8],
        /// Whether the message was reported before from an earlier transmission.
        repeat: bool,
        /// The channel of the last transmission.
        measurement: Measurement,
        /// Error vector magnitude of the last transmission.
        evm_percent: f32,
    },
}

/// SCI of either format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlInformation {
    /// Modes 1 and 2.
    Format0(sci::Format0),
    /// Modes 3 and 4. `None` when the number of sub-channels is not known, without which it cannot be parsed.
    Format1(Option<sci::Format1>),
}

/// A transport block and how it came.
#[derive(Clone, Copy, Debug)]
pub struct SharedBlock<'a> {
    /// Capture subframe of the last transmission that was combined.
    pub subframe: u64,
    /// Redundancy versions that were combined, in order.
    pub rv: &'a [u8],
    /// Place and format of that transmission.
    pub grant: Grant,
    /// The control information that announced it.
    pub information: ControlInformation,
    /// Transport block, packed.
    pub block: &'a [u8],
    /// Whether the block was reported before from an earlier transmission.
    pub repeat: bool,
    /// The channel of the last transmission.
    pub measurement: Measurement,
    /// Error vector magnitude of the last transmission.
    pub evm_percent: f32,
}

impl Event<'_> {
    /// Capture subframe.
    pub fn subframe(&self) -> u64 {
        match self {
            Self::Slss { subframe, .. }
            | Self::Mib { subframe, .. }
            | Self::Sci { subframe, .. }
            | Self::SlDch { subframe, .. } => *subframe,
            Self::SlSch(block) => block.subframe,
        }
    }

    /// The channel that it came over, where one was estimated.
    pub fn measurement(&self) -> Option<&Measurement> {
        match self {
            Self::Slss { .. } => None,
            Self::Mib { measurement, .. }
            | Self::Sci { measurement, .. }
            | Self::SlDch { measurement, .. } => Some(measurement),
            Self::SlSch(block) => Some(&block.measurement),
        }
    }
}
