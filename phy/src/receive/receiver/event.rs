//! Events of a receiver.

use crate::channel::pssch::Grant;
use crate::receive::estimate::Measurement;
use crate::sci;
use crate::units::{Decibel, DfnSubframe, Hertz, SlssId};

/// A reception in a subframe. `subframe` counts capture subframes from 0; bits are one a byte.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Synchronisation signals.
    Slss {
        /// Capture subframe.
        subframe: u64,
        /// Identity.
        id: SlssId,
        /// Carrier offset.
        cfo: Hertz,
        /// Signal to noise ratio of a resource element.
        snr: Decibel,
    },
    /// A MIB-SL or MIB-SL-V2X.
    Mib {
        /// Capture subframe.
        subframe: u64,
        /// Identity of the sender's synchronisation signals.
        id: SlssId,
        /// 40 or 48 bits.
        bits: &'a [u8],
        /// Direct frame number and subframe number, `None` when they are invalid.
        time: Option<DfnSubframe>,
        /// Measurement of the radio channel.
        measurement: Measurement,
        /// Error vector magnitude in percent.
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
        /// CRC of the SCI.
        crc16: u16,
        /// The fields of the SCI.
        information: ControlInformation,
        /// Reason why no announced block follows, if it is known already: always in modes 3 and 4; in modes 1 and 2,
        /// whose blocks come later, if they cannot come.
        undelivered: Option<Undelivered>,
        /// Measurement of the radio channel.
        measurement: Measurement,
        /// Error vector magnitude in percent.
        evm_percent: f32,
    },
    /// A transport block of SL-SCH.
    SlSch(SharedBlock<'a>),
    /// A discovery message of SL-DCH.
    SlDch {
        /// Capture subframe of the last transmission that was combined.
        subframe: u64,
        /// Subframes since the first transmission of the message, received or not: the message's statement of the time
        /// is valid there. 0 if the pool or the time is unknown.
        since_first: u32,
        /// Redundancy versions that were combined.
        rv: &'a [u8],
        /// First PRB in that subframe.
        prb_start: usize,
        /// 29 octets.
        message: &'a [u8],
        /// Whether the message was reported before from an earlier transmission.
        repeat: bool,
        /// Measurement of the radio channel in the last transmission.
        measurement: Measurement,
        /// Error vector magnitude of the last transmission, in percent.
        evm_percent: f32,
    },
    /// The begin of subframes has moved: samples were lost, or inserted.
    Discontinuity {
        /// First capture subframe with a reception afterwards.
        subframe: u64,
        /// Sample of the stream up to which the old timing was valid: the fault lies between it and the subframe.
        since: i64,
        /// Samples by which subframes begin later (inserted) or earlier (lost) than before, modulo a subframe.
        shift: i64,
    },
}

/// SCI of either format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlInformation {
    /// Modes 1 and 2.
    Format0(sci::Format0),
    /// Modes 3 and 4. `None` when the number of sub-channels is unknown: then it cannot be parsed.
    Format1(Option<sci::Format1>),
}

/// Reason why an SCI has no transport block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undelivered {
    /// No pool was configured, and none was learnt.
    PoolUnknown,
    /// The SCI names an allocation that the pool, or transform precoding, does not have.
    Allocation,
    /// I_MCS 29 to 31 without the transmission format of Release 15.
    ReservedMcs,
    /// I_TRP or the hopping bits are reserved.
    ReservedPattern,
    /// No reference signals of a PSSCH are at the place that the SCI gives.
    Absent,
    /// More bits than the transmission can carry: the code rate is above 1.
    CodeRate,
    /// The signal to noise ratio is below the requirement of the MCS.
    TooNoisy,
    /// The CRC failed, and the retransmission is pending.
    AwaitsRetransmission,
    /// The CRC failed.
    CrcFailed,
    /// One repeated octet, which the soft bits do not support: nothing was received.
    Empty,
}

impl Undelivered {
    /// Returns a name of one word or a few, with underscores, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::PoolUnknown => "pool_unknown",
            Self::Allocation => "allocation_outside_pool",
            Self::ReservedMcs => "reserved_mcs",
            Self::ReservedPattern => "reserved_pattern",
            Self::Absent => "no_pssch",
            Self::CodeRate => "code_rate_above_1",
            Self::TooNoisy => "snr_too_low_for_mcs",
            Self::AwaitsRetransmission => "awaits_retransmission",
            Self::CrcFailed => "crc_failed",
            Self::Empty => "empty",
        }
    }
}

impl std::fmt::Display for Undelivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PoolUnknown => "the pool is not known",
            Self::Allocation => "the allocation is not in the pool",
            Self::ReservedMcs => "the MCS is reserved",
            Self::ReservedPattern => "the pattern is reserved",
            Self::Absent => "no PSSCH is there",
            Self::CodeRate => "the code rate is above 1",
            Self::TooNoisy => "too noisy for the MCS",
            Self::AwaitsRetransmission => "CRC failed, a retransmission follows",
            Self::CrcFailed => "CRC failed",
            Self::Empty => "nothing but silence",
        })
    }
}

/// A transport block and its reception.
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
    /// Measurement of the radio channel in the last transmission.
    pub measurement: Measurement,
    /// Error vector magnitude of the last transmission, in percent.
    pub evm_percent: f32,
}

impl Event<'_> {
    /// Returns the capture subframe.
    pub fn subframe(&self) -> u64 {
        match self {
            Self::Slss { subframe, .. }
            | Self::Mib { subframe, .. }
            | Self::Sci { subframe, .. }
            | Self::SlDch { subframe, .. }
            | Self::Discontinuity { subframe, .. } => *subframe,
            Self::SlSch(block) => block.subframe,
        }
    }

    /// Returns the measurement of the radio channel, if there is one.
    pub fn measurement(&self) -> Option<&Measurement> {
        match self {
            Self::Slss { .. } | Self::Discontinuity { .. } => None,
            Self::Mib { measurement, .. }
            | Self::Sci { measurement, .. }
            | Self::SlDch { measurement, .. } => Some(measurement),
            Self::SlSch(block) => Some(&block.measurement),
        }
    }
}
