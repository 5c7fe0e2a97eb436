//! The discovery pool: PSDCH type 1 and type 2B (TS 36.213 §14.3).

use super::{PoolPrbs, pair};
use crate::units::PrbRange;

/// A discovery pool (SL-DiscResourcePool, TS 36.331 §6.3.8) with the clauses' formulas over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryPool {
    /// discPeriod in subframes, P.
    pub period: u32,
    /// offsetIndicator, O3, in subframes.
    pub offset: u32,
    /// subframeBitmap, a_0 first.
    pub bitmap: Vec<bool>,
    /// numRepetition, N_R.
    pub repetitions: u32,
    /// numRetx + 1, N_TX, 1 to 4.
    pub transmissions: u32,
    /// PRBs of the pool.
    pub prbs: PoolPrbs,
}

/// Hopping of type 2B resources between periods (SL-HoppingConfigDisc, TS 36.331 §6.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type2bParameters {
    /// discPRB-Index, a_1^(0).
    pub prb_index: u32,
    /// discSF-Index, b_1^(0).
    pub subframe_index: u32,
    /// a-r12, N_PSDCH^(1).
    pub a: u32,
    /// b-r12, N_PSDCH^(2).
    pub b: u32,
    /// c-r12, N_PSDCH^(3).
    pub c: u32,
    /// n': periods since b-r12 was received.
    pub periods_since: u32,
}

impl DiscoveryPool {
    /// Subframes since the period began that `subframe` (modulo 10240) lies in. The last period of a DFN cycle goes on
    /// over its turn; `None` between that and the first.
    pub fn into_period(&self, subframe: u32) -> Option<u32> {
        super::into_period(self.offset, self.period, subframe)
    }

    /// Returns l^PSDCH_0 .. l^PSDCH_{L-1}, counted from the start of the period.
    // TS 36.211 §9.5.6 (4); TS 36.213 §14.3.3 (2)
    pub fn subframes(&self) -> Vec<u32> {
        let n_b = self.bitmap.len();
        (0..(n_b * self.repetitions as usize).min(self.period as usize))
            .filter(|i| self.bitmap[i % n_b])
            .map(|i| i as u32)
            .collect()
    }

    /// Returns N_t: groups of N_TX subframes in a period.
    // TS 36.213 §14.3.1 type 1 (1)
    pub fn n_t(&self) -> usize {
        self.subframes().len() / self.transmissions.max(1) as usize
    }

    /// Returns N_f: pairs of PRBs on a carrier.
    // TS 36.213 §14.3.3 (3)
    pub fn n_f(&self, carrier_prbs: usize) -> usize {
        self.prbs.list(carrier_prbs).len() / 2
    }

    /// Returns the number of values of n_PSDCH: N_t N_f.
    // TS 36.213 §14.3.1 type 1 (1)
    pub fn resources(&self, carrier_prbs: usize) -> usize {
        self.n_t() * self.n_f(carrier_prbs)
    }

    /// Returns the transmissions of type 1 resource `n`: subframe in the period and PRBs of each (TS 36.213 §14.3.1).
    // TS 36.211 §9.5.6 (2)
    pub fn type1(&self, carrier_prbs: usize, n: usize) -> Option<Vec<(u32, PrbRange)>> {
        (n < self.resources(carrier_prbs))
            .then(|| self.transmissions_of(carrier_prbs, n / self.n_t(), n % self.n_t()))
            .flatten()
    }

    /// `(a_1, b_1)` of type 2B in the period after one in which they were `(a, b)` (TS 36.213 §14.3.1).
    // TS 36.211 §9.5.6 (3); TS 36.213 §14.3.1 type 2B (1)
    pub fn type2b_next(
        &self,
        carrier_prbs: usize,
        p: &Type2bParameters,
        (a, b): (u32, u32),
    ) -> Option<(u32, u32)> {
        let (n_t, n_f) = (self.n_t() as u64, self.n_f(carrier_prbs) as u64);
        if n_t == 0 || n_f == 0 {
            return None;
        }
        let (a, b) = (a as u64, b as u64);
        let a1 = ((p.b as u64 + p.periods_since as u64) % 10 + (a + n_f * b) / n_t) % n_f;
        let b1 = (p.a as u64 + p.c as u64 * a + n_f * b) % n_t;
        Some((a1 as u32, b1 as u32))
    }

    /// Returns the transmissions of the type 2B resource `(a_1, b_1)` of a period.
    pub fn type2b(&self, carrier_prbs: usize, (a, b): (u32, u32)) -> Option<Vec<(u32, PrbRange)>> {
        self.transmissions_of(carrier_prbs, a as usize, b as usize)
    }

    // TS 36.213 §14.3.1 (1)
    fn transmissions_of(&self, carrier_prbs: usize, a1: usize, b1: usize) -> Option<Vec<(u32, PrbRange)>> {
        let subframes = self.subframes();
        let prbs = self.prbs.list(carrier_prbs);
        let n_tx = self.transmissions.max(1) as usize;
        let n_f = prbs.len() / 2;
        (0..n_tx)
            .map(|j| {
                // TS 36.213 §14.3.1 type 1 (2)
                let a = (j * (n_f / n_tx) + a1) % n_f.max(1);
                Some((*subframes.get(n_tx * b1 + j)?, pair(&prbs, a)?))
            })
            .collect()
    }
}
