//! n_ssf of a PSSCH: by the time, or by its reference signals.

use super::{Blocks, Known};
use crate::channel::pssch::Grant;
use crate::grid::Grid;
use crate::receive::receiver::v2x::extent::least_share;
use crate::sequence::dmrs::Dmrs;
use crate::units::SidelinkMode;

/// Largest number of n_ssf values that are tried when the time is unknown.
const MAX_TRIES: usize = 4;

/// Presence from which the n_ssf by the time is not doubted.
const PRESENT: f32 = 0.5;

/// Values of n_ssf in the order of tries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tries {
    values: [u8; MAX_TRIES],
    count: usize,
}

impl Tries {
    pub(super) fn one(n_ssf: u8) -> Self {
        let mut tries = Self::default();
        tries.push(n_ssf);
        tries
    }

    /// Adds a value if there is room.
    fn push(&mut self, n_ssf: u8) {
        if let Some(value) = self.values.get_mut(self.count) {
            *value = n_ssf;
            self.count += 1;
        }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, u8> {
        self.values().iter()
    }

    pub(super) fn values(&self) -> &[u8] {
        &self.values[..self.count]
    }
}

impl Blocks {
    /// Returns the values of n_ssf in the order of tries: the one by the time, then those by the DMRS.
    pub(super) fn n_ssf_candidates(&mut self, k: u64, known: Known, grids: &[Grid], grant: &Grant) -> Tries {
        let (time, least) = match known {
            Known::Measured(n) => return Tries::one(n),
            Known::Time(n) => (n, self.least),
            Known::Nothing => (None, least_share(grant.prbs.len)),
        };
        let likely = time.or(self.likely_n_ssf(k));
        let all = Dmrs::pssch_all(grant.n_id, SidelinkMode::V2x);
        let mut metrics = [0.0f32; 10];
        let (first, m_sc) = (grant.prbs.first_subcarrier(), grant.prbs.subcarriers());
        if let Some(n) = likely {
            let metric = self.presence.wide(grids, first, m_sc, self.layout, &all[n as usize]);
            if metric > PRESENT {
                return Tries::one(n);
            }
        }
        for (metric, dmrs) in metrics.iter_mut().zip(&all) {
            *metric = self.presence.wide(grids, first, m_sc, self.layout, dmrs);
        }
        if let Some(n) = likely {
            // the time outweighs a presence that differs by noise only
            metrics[n as usize] = metrics[n as usize] * 1.5 + 0.05;
        }
        let best = metrics.iter().copied().fold(0.0, f32::max);
        let mut tries = Tries::default();
        if best < least {
            return tries;
        }
        while tries.count < MAX_TRIES {
            let Some(n) = (0..10).max_by(|&a, &b| metrics[a].total_cmp(&metrics[b])) else { break };
            if metrics[n] < 0.6 * best {
                break;
            }
            tries.push(n as u8);
            metrics[n] = -1.0;
        }
        tries
    }
}
