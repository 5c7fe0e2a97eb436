//! Resource pools: the subframes and the PRBs that a channel may use.
//!
//! | pool | clause |
//! |---|---|
//! | [`CommunicationPool`] | TS 36.213 §14.1.3, §14.1.4, §14.2.1, §14.2.3 (modes 1 and 2) |
//! | [`DiscoveryPool`] | TS 36.213 §14.3 |
//! | [`V2xPool`] | TS 36.213 §14.1.1.4A to C, §14.1.5, §14.2.4 (modes 3 and 4) |
//!
//! Subframes are counted from DFN 0 subframe 0 and taken modulo 10240.

mod communication;
mod discovery;
mod hopping;
pub mod infer;
mod trp;
mod v2x;

pub use communication::{CommunicationPool, PsschSubframes};
pub use discovery::{DiscoveryPool, Type2bParameters};
pub use hopping::{Hopping, HoppingConfig, HoppingSpan};
pub use trp::{TrpSet, time_resource_pattern};
pub use v2x::{PoolError, V2xPool};

use crate::units::{PrbRange, SUBFRAMES_PER_DFN_PERIOD};

/// PRBs of a pool of modes 1 and 2 and of discovery: prb-Num of them from prb-Start upwards and prb-Num downwards from
/// prb-End, each once (TS 36.213 §14.1.3, §14.2.3, §14.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolPrbs {
    /// prb-Start, S1.
    pub start: usize,
    /// prb-End, S2.
    pub end: usize,
    /// prb-Num, M.
    pub num: usize,
}

impl PoolPrbs {
    /// Returns every PRB of a carrier.
    pub fn whole(prbs: usize) -> Self {
        Self { start: 0, end: prbs - 1, num: prbs }
    }

    /// Whether PRB `q` is in the pool: S1 <= q < S1 + M or S2 - M < q <= S2.
    // TS 36.211 §9.5.6 (4); TS 36.213 §14.1.3 (3)
    pub fn contains(&self, q: usize) -> bool {
        (q >= self.start && q < self.start + self.num) || (q + self.num > self.end && q <= self.end)
    }

    /// m_0, m_1, .. on a carrier of `carrier_prbs`.
    pub fn on(self, carrier_prbs: usize) -> impl Iterator<Item = usize> {
        (0..carrier_prbs).filter(move |&q| self.contains(q))
    }

    /// The same as a list.
    // TS 36.213 §14.1.3 (3)
    pub fn list(&self, carrier_prbs: usize) -> Vec<usize> {
        self.on(carrier_prbs).collect()
    }
}

/// Subframes since the period of a pool began that `subframe` (modulo 10240) lies in (TS 36.213 §14.2.3, §14.3.3).
///
/// Period i = 0, 1, .. begins at O + i P while that is below 10240, and is P long: the last one goes on over the turn of
/// the DFN, where no new one begins. `None` between its end and O.
// TS 36.211 §9.5.6 (5); TS 36.213 §14.2.3 (1); TS 36.213 §14.2.3 (2); TS 36.213 §14.3.3 (1)
pub(crate) fn into_period(offset: u32, period: u32, subframe: u32) -> Option<u32> {
    let (turn, period) = (SUBFRAMES_PER_DFN_PERIOD, period.max(1));
    let (offset, s) = (offset % turn, subframe % turn);
    if s >= offset {
        return Some((s - offset) % period);
    }
    let into = (turn - 1 - offset) % period + 1 + s;
    (into < period).then_some(into)
}

/// Returns the pair m_{2a}, m_{2a+1} of a pool if it is contiguous on the carrier.
// TS 36.213 §14.3.1 type 1 (3)
fn pair(prbs: &[usize], a: usize) -> Option<PrbRange> {
    let (&first, &second) = (prbs.get(2 * a)?, prbs.get(2 * a + 1)?);
    (second == first + 1).then_some(PrbRange { start: first, len: 2 })
}

#[cfg(test)]
mod tests;
