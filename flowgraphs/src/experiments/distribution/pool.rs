//! The pool of a group on the simulated clock.

use sidelink_phy::tables::{mcs, transport_block_size};

/// Subframes of the control pool, at the start of a period.
pub(super) const CONTROL: u64 = 8;

/// Subframes of a time pattern, half of which are used: trpt-Subset 4 of FDD. TS 36.213 Table 14.1.1.1.1-1.
pub(super) const PATTERN: u64 = 8;

/// The pool, and how it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    /// SC period in subframes.
    pub(crate) period: u64,
    /// I_MCS of PSSCH.
    pub(crate) mcs: u8,
    /// PRBs of a grant.
    pub(crate) prbs: usize,
    /// Grants beside one another in a subframe of the data pool.
    pub(crate) places: u64,
    /// Places of the control pool.
    pub(crate) control_places: u64,
    /// Share of the blocks that are lost where nobody else transmits.
    pub(crate) loss: f64,
}

impl Pool {
    /// Returns the octets of a transport block. TS 36.213 Table 7.1.7.2.1-1, Table 8.6.1-1.
    pub(crate) fn block_octets(&self) -> usize {
        let size = mcs(self.mcs).and_then(|(_, i_tbs)| transport_block_size(i_tbs, self.prbs));
        size.unwrap_or_default() / 8
    }

    /// Returns the blocks of a grant: one per turn of the pattern.
    pub(crate) fn blocks(&self) -> u64 {
        (self.period.saturating_sub(CONTROL)) / PATTERN
    }
}
