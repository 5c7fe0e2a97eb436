//! The transmissions of one UE in one subframe, and its samples.
//!
//! ```text
//! Transmission  one channel: PSBCH with its signals, PSCCH, PSSCH or PSDCH
//! Modulator     transmissions -> samples of the subframe            modulate.rs
//! ```

mod modulate;

pub use modulate::Modulator;

use crate::channel::pscch;
use crate::channel::psdch::{self, MESSAGE_BYTES};
use crate::channel::pssch::Grant;
use crate::sci::{Format0, Format1};
use crate::units::{Bandwidth, CyclicPrefix, DfnSubframe, Modulation, SidelinkMode, SlssId};
use std::ops::Range;

/// A transmission of one UE on one channel in one subframe.
#[derive(Clone, Debug, PartialEq)]
pub struct Transmission {
    /// Cyclic prefix.
    pub cp: CyclicPrefix,
    /// Amplitude of a resource element relative to the UE's others.
    pub amplitude: f32,
    /// Channel and its content.
    pub content: Content,
}

/// A channel with its content.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// PSSS, SSSS and PSBCH.
    Sync {
        /// N_ID^SL.
        id: SlssId,
        /// MIB-SL (5 octets) or MIB-SL-V2X (6).
        mib: Vec<u8>,
        /// Time of the MIB.
        at: DfnSubframe,
        /// Coverage indication of the MIB.
        in_coverage: bool,
    },
    /// PSCCH.
    Sci {
        /// Fields of the SCI.
        fields: SciFields,
        /// Bits of the SCI, one a byte.
        bits: Vec<u8>,
        /// First PRB.
        prb: usize,
        /// Cyclic shift of the DMRS.
        n_cs: u8,
        /// CRC of the SCI; n_ID^X of the PSSCH beside it in modes 3 and 4.
        crc16: u16,
    },
    /// PSSCH.
    SlSch {
        /// Place and format.
        grant: Grant,
        /// Modulation.
        modulation: Modulation,
        /// The transport block, packed.
        block: Vec<u8>,
        /// Number of the transport block, from 0 on, among those of its entry.
        number: u64,
    },
    /// PSDCH.
    SlDch {
        /// The message, 29 octets.
        message: [u8; MESSAGE_BYTES],
        /// Redundancy version.
        rv: u8,
        /// First PRB.
        prb: usize,
        /// Number of the transmission of the message, from 1 on.
        transmission: u32,
    },
}

/// Fields of an SCI of either format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SciFields {
    /// Modes 1 and 2.
    Format0(Format0),
    /// Modes 3 and 4, with the number of sub-channels.
    Format1(Format1, usize),
}

impl Transmission {
    /// Returns the used subcarriers.
    pub fn subcarriers(&self, bandwidth: Bandwidth) -> Range<usize> {
        match &self.content {
            Content::Sync { .. } => {
                let first = bandwidth.subcarriers() / 2 - 36;
                first..first + 72
            }
            Content::Sci { fields, prb, .. } => {
                let sidelink = match fields {
                    SciFields::Format0(..) => SidelinkMode::D2d,
                    SciFields::Format1(..) => SidelinkMode::V2x,
                };
                let prbs = pscch::prbs(sidelink);
                12 * prb..12 * (prb + prbs)
            }
            Content::SlSch { grant, .. } => grant.prbs.first_subcarrier()..12 * grant.prbs.end(),
            Content::SlDch { prb, .. } => 12 * prb..12 * (prb + psdch::PRBS),
        }
    }

    /// Returns `PSBCH`, `PSCCH`, `PSSCH` or `PSDCH`.
    pub fn channel(&self) -> &'static str {
        match self.content {
            Content::Sync { .. } => "PSBCH",
            Content::Sci { .. } => "PSCCH",
            Content::SlSch { .. } => "PSSCH",
            Content::SlDch { .. } => "PSDCH",
        }
    }
}
