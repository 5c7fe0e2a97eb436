//! Pools of modes 1 and 2: PSCCH and PSSCH in every sidelink control period.

use super::PoolPrbs;
use super::hopping::{HoppingConfig, HoppingSpan};
use super::trp::{TrpSet, time_resource_pattern};

/// A sidelink communication pool (SL-CommResourcePool, TS 36.331 §6.3.8) with the clauses' formulas over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommunicationPool {
    /// sc-Period, P, in subframes.
    pub period: u32,
    /// Offset of the first period, O, in subframes.
    pub offset: u32,
    /// subframeBitmap of PSCCH, a_0 first.
    pub control_bitmap: Vec<bool>,
    /// PRBs of PSCCH.
    pub control_prbs: PoolPrbs,
    /// Subframes of PSSCH.
    pub data: PsschSubframes,
    /// PRBs of PSSCH.
    pub data_prbs: PoolPrbs,
    /// Time resource patterns in use.
    pub trp_set: TrpSet,
    /// dataHoppingConfig: hopping of PSSCH.
    pub hopping: HoppingConfig,
}

/// Subframes of the PSSCH pool of one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PsschSubframes {
    /// Mode 1: every subframe after the last one of PSCCH (TS 36.213 §14.1.4).
    AfterControl,
    /// Mode 2: a bitmap that is repeated from `offset` in the period on (TS 36.213 §14.1.3).
    Bitmap {
        /// offsetIndicator of the data pool, O2, counted from the start of the period.
        offset: u32,
        /// b_0 first, repeated cyclically.
        bitmap: Vec<bool>,
    },
}

impl CommunicationPool {
    /// Subframes since the period began that `subframe` (modulo 10240) lies in. The last period of a DFN cycle goes on
    /// over its turn; `None` between that and the first.
    pub fn into_period(&self, subframe: u32) -> Option<u32> {
        super::into_period(self.offset, self.period, subframe)
    }

    /// Returns l^PSCCH_0 .. l^PSCCH_{L-1}, counted from the start of the period.
    pub fn control_subframes(&self) -> Vec<u32> {
        // TS 36.213 §14.2.3 (3)
        let in_period = self.control_bitmap.iter().take(self.period as usize).enumerate();
        in_period.filter(|&(_, &a)| a).map(|(i, _)| i as u32).collect()
    }

    /// Returns l^PSSCH_0, l^PSSCH_1, .., counted from the start of the period.
    // TS 36.213 §14.1.1 (2)
    pub fn data_subframes(&self) -> Vec<u32> {
        match &self.data {
            PsschSubframes::AfterControl => {
                // TS 36.213 §14.1.4
                let first = self.control_subframes().last().map_or(0, |last| last + 1);
                (first..self.period).collect()
            }
            // TS 36.213 §14.1.3 (1)
            PsschSubframes::Bitmap { offset, bitmap } if !bitmap.is_empty() => (*offset..self.period)
                .zip(bitmap.iter().cycle())
                .filter(|&(_, &b)| b)
                .map(|(s, _)| s)
                .collect(),
            PsschSubframes::Bitmap { .. } => Vec::new(),
        }
    }

    /// The PRBs that a hopping PSSCH goes over: those of the carrier in mode 1, of the pool in mode 2
    /// (TS 36.213 §14.1.1.2, §14.1.1.4).
    // TS 36.211 §9.3.6 (11); TS 36.211 §9.3.6 (12); TS 36.213 §14.1.1.4 (2); TS 36.213 §14.1.1.4 (3)
    pub fn hopping_span(&self) -> HoppingSpan {
        match self.data {
            PsschSubframes::AfterControl => HoppingSpan::Carrier,
            PsschSubframes::Bitmap { .. } => HoppingSpan::Pool(self.data_prbs),
        }
    }

    /// Number of values of n_PSCCH: floor(M_RP / 2) L (TS 36.213 §14.2.1.1).
    // TS 36.213 §14.2.1.1 (1)
    pub fn control_resources(&self, carrier_prbs: usize) -> usize {
        self.control_prbs.list(carrier_prbs).len() / 2 * self.control_subframes().len()
    }

    /// Returns the two transmissions of PSCCH resource `n`: `(subframe in the period, PRB)` each (TS 36.213 §14.2.1.1).
    // TS 36.213 §14.2.1.1 (1)
    pub fn control_resource(&self, carrier_prbs: usize, n: usize) -> Option<[(u32, usize); 2]> {
        let subframes = self.control_subframes();
        let prbs = self.control_prbs.list(carrier_prbs);
        let l = subframes.len();
        if n >= prbs.len() / 2 * l {
            return None;
        }
        let a1 = n / l;
        let b1 = n % l;
        let a2 = a1 + prbs.len() / 2;
        // TS 36.213 §14.2.1.1 (2)
        let b2 = if l > 1 { (n + 1 + a1 % (l - 1)) % l } else { 0 };
        Some([(subframes[b1], prbs[a1]), (subframes[b2], prbs[a2])])
    }

    /// Returns the subframes of the period that pattern `i_trp` uses, with the pool index j of each:
    /// `(subframe in the period, j)`, cut to whole groups of four (TS 36.213 §14.1.1.1, §14.1.1.3). Empty for a
    /// reserved pattern.
    // TS 36.213 §14.1.1.1
    pub fn pattern_subframes(&self, i_trp: u8) -> Vec<(u32, u32)> {
        let Some(pattern) = time_resource_pattern(self.trp_set, i_trp) else { return Vec::new() };
        let n = self.trp_set.len();
        let mut used: Vec<_> = self
            .data_subframes()
            .into_iter()
            .enumerate()
            .filter(|(j, _)| pattern >> (j % n) & 1 == 1)
            .map(|(j, s)| (s, j as u32))
            .collect();
        used.truncate(used.len() / TRANSMISSIONS * TRANSMISSIONS);
        used
    }
}

/// Transmissions of every transport block of modes 1 and 2 (TS 36.213 §14.1.1).
// TS 36.213 §14.1.1 (1)
pub(crate) const TRANSMISSIONS: usize = 4;
