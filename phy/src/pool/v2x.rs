//! Pools of modes 3 and 4: sub-channels (TS 36.213 §14.1.1.4A to C, §14.1.5, §14.2.4).

use crate::sci;
use crate::tables::largest_precoding_size;
use crate::units::{PrbRange, SUBFRAMES_PER_DFN_PERIOD};
use core::fmt;

/// A V2X pool (SL-CommResourcePoolV2X, TS 36.331 §6.3.8) with the clauses' formulas over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V2xPool {
    /// sizeSubchannel, PRBs of a sub-channel.
    pub size: usize,
    /// numSubchannel.
    pub num: usize,
    /// startRB-Subchannel.
    pub start: usize,
    /// adjacencyPSCCH-PSSCH: PSCCH in the first two PRBs of the first sub-channel.
    pub adjacent: bool,
    /// startRB-PSCCH-Pool, used when not adjacent.
    pub control_start: usize,
    /// sl-Subframe, the bitmap of the pool.
    pub bitmap: Vec<bool>,
    /// syncOffsetIndicators, modulo 160: every subframe of the carrier in which a synchronisation signal is configured,
    /// whichever of them a UE sends in. Empty without synchronisation signals.
    // TS 36.211 §9.2.4 (3)
    pub sync_offsets: Vec<u32>,
}

/// Reason why a pool does not fit a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolError {
    /// numSubchannel is 0 or above 20.
    Number,
    /// sizeSubchannel is too small.
    Size,
    /// The sub-channels do not end inside the carrier.
    BeyondCarrier,
    /// The PSCCH resources do not end inside the carrier.
    ControlBeyondCarrier,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "num must be 1 to 20",
            Self::Size => "size is too small: a sub-channel has 4 PRBs or more",
            Self::BeyondCarrier => "start + size x num goes beyond the carrier",
            Self::ControlBeyondCarrier => "the PSCCH pool goes beyond the carrier",
        })
    }
}

impl core::error::Error for PoolError {}

/// Period of synchronisation subframes in modes 3 and 4, in subframes (TS 36.331 §5.10.7).
pub(crate) const V2X_SYNC_PERIOD: u32 = 160;

impl V2xPool {
    /// Returns adjacent sub-channels from PRB 0, every subframe, no synchronisation subframes.
    pub fn simple(size: usize, num: usize) -> Self {
        Self {
            size,
            num,
            start: 0,
            adjacent: true,
            control_start: 0,
            bitmap: vec![true; 20],
            sync_offsets: Vec::new(),
        }
    }

    /// Checks that the pool fits a carrier of `carrier_prbs`.
    ///
    /// # Errors
    /// The reason why it does not.
    pub fn check(&self, carrier_prbs: usize) -> Result<(), PoolError> {
        if self.num == 0 || self.num > sci::MAX_SUBCHANNELS {
            return Err(PoolError::Number);
        }
        if self.size < if self.adjacent { 4 } else { 1 } {
            return Err(PoolError::Size);
        }
        if self.start + self.size * self.num > carrier_prbs {
            return Err(PoolError::BeyondCarrier);
        }
        if !self.adjacent && self.control_start + 2 * self.num > carrier_prbs {
            return Err(PoolError::ControlBeyondCarrier);
        }
        Ok(())
    }

    /// Returns the PRBs of PSCCH resource `m`.
    // TS 36.213 §14.2.4 (1)
    pub fn control(&self, m: usize) -> PrbRange {
        // TS 36.213 §14.2.4 (2)
        let start = if self.adjacent { self.start + m * self.size } else { self.control_start + 2 * m };
        PrbRange { start, len: 2 }
    }

    /// Returns the PSCCH resource at `prb`.
    pub fn control_index(&self, prb: usize) -> Option<usize> {
        (0..self.num).find(|&m| self.control(m).start == prb)
    }

    /// Returns the PRBs of PSSCH over `len` sub-channels from `first` on: as many as transform precoding allows.
    // TS 36.213 §14.1.1.4C (6)
    pub fn data(&self, first: usize, len: usize) -> Option<PrbRange> {
        if len == 0 || first + len > self.num {
            return None;
        }
        let beta = if self.adjacent { 2 } else { 0 };
        let prbs = largest_precoding_size((len * self.size).checked_sub(beta)?);
        (prbs > 0).then_some(PrbRange { start: self.start + first * self.size + beta, len: prbs })
    }

    /// Returns the index k of every subframe t_k^SL that is in the pool, by subframe: `table[s]` is the subscript in
    /// t^SL when `s` (0 to 10239) belongs to the pool.
    ///
    /// Synchronisation subframes and the evenly spread reserved ones are left out before the bitmap is laid over the
    /// rest (TS 36.213 §14.1.5).
    // TS 36.213 §14.1.5 (4)
    pub fn subframe_indices(&self) -> Vec<Option<u32>> {
        let in_pool =
            |k: u32| self.bitmap.get(k as usize % self.bitmap.len().max(1)).copied().unwrap_or(false);
        self.sidelink_subframes().into_iter().map(|k| k.filter(|&k| in_pool(k))).collect()
    }

    /// Index k of every subframe t_k^SL, whether or not the bitmap takes it, by subframe (TS 36.213 §14.1.5): the subframes
    /// of all synchronisation offsets are left out, then (10240 - N_slss) mod L_bitmap evenly spread ones.
    // TS 36.211 §9.2.4 (2); TS 36.213 §14.1.5 (1)
    pub fn sidelink_subframes(&self) -> Vec<Option<u32>> {
        let total = SUBFRAMES_PER_DFN_PERIOD;
        let is_sync = |s: u32| self.sync_offsets.iter().any(|o| s % V2X_SYNC_PERIOD == o % V2X_SYNC_PERIOD);
        let mut remaining: Vec<u32> = (0..total).filter(|&s| !is_sync(s)).collect();
        let l_bitmap = self.bitmap.len().max(1) as u32;
        let n = remaining.len() as u32;
        let n_reserved = n % l_bitmap;
        for m in (0..n_reserved).rev() {
            // TS 36.213 §14.1.5 (3)
            remaining.remove((m * n / n_reserved) as usize);
        }
        let mut table = vec![None; total as usize];
        for (k, &s) in remaining.iter().enumerate() {
            table[s as usize] = Some(k as u32);
        }
        table
    }
}
