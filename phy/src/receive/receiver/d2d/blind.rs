//! PSSCH with an unknown place in time: the DMRS of a subframe give its pool index modulo 10, and the pattern of the
//! SCI gives the next indices.

use super::super::credible;
use super::{Air, D2d, sent_elements};
use crate::channel::layout::Layout;
use crate::channel::pssch::REDUNDANCY_VERSIONS;
use crate::grid::Grid;
use crate::pool::TrpSet;
use crate::receive::receiver::Event;
use crate::sequence::dmrs::Dmrs;
use crate::units::{PrbRange, SidelinkMode};

impl D2d {
    /// Receives the PSSCH of a tracked SCI in the present subframe, if there is one.
    pub(super) fn receive_blind(&mut self, i: usize, air: &Air<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        let set = self.told.as_ref().map_or(TrpSet::Eight, |pool| pool.trp_set);
        let Some(n_ssf) = self.present(i, air.grids) else { return };
        let tracked = self.grants[i].next_index(air.k, n_ssf, set, None);
        if let Some((j, index)) = tracked
            && self.transmission(i, air, n_ssf, index, emit)
        {
            self.grants[i].tracked = Some((j, air.k));
            return;
        }
        // a transmission was missed, or the wrong block is combined: try each one alone, in any version
        for number in (0..4).filter(|n| tracked.is_none_or(|(_, index)| index % 4 != *n)) {
            if self.alone(i, air, n_ssf, number, emit) {
                return;
            }
        }
        if let Some((j, _)) = tracked {
            self.grants[i].tracked = Some((j, air.k));
        }
    }

    /// Receives one transmission as number `number` of its block, without those before.
    fn alone(
        &mut self,
        i: usize,
        air: &Air<'_>,
        n_ssf: u8,
        number: u32,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> bool {
        let set = self.told.as_ref().map_or(TrpSet::Eight, |pool| pool.trp_set);
        let g = &mut self.grants[i];
        let rv = REDUNDANCY_VERSIONS[number as usize];
        let Some(grant) = g.grant(n_ssf, rv) else { return false };
        if self.taken.contains(&(grant.n_id, grant.prbs)) || self.single.start(g.size).is_err() {
            return false;
        }
        let Ok(received) = self.shared.receive(air.grids, &grant, air.near, &mut self.single) else {
            return false;
        };
        let out = &mut self.block[..g.size / 8];
        // zeros are the same in every version: they give no place in time
        if self.shared.decode(&mut self.single, out).is_none() || out.iter().all(|&b| b == 0) {
            return false;
        }
        let snr = received.measurement.ratio();
        let least = credible::least_snr(g.size, sent_elements(grant.prbs, self.cp));
        if credible::check(out, snr, least, || self.shared.agreement(&self.single)).is_err()
            || self.hidden.is_known(&grant, out)
        {
            return false;
        }
        let Some((j, index)) = g.next_index(air.k, n_ssf, set, Some(number)) else { return false };
        std::mem::swap(&mut self.single, &mut g.process);
        (g.rv[0], g.snr) = (rv, snr);
        g.delivered &= g.block_index == Some(index / 4);
        (g.tracked, g.block_index) = (Some((j, air.k)), Some(index / 4));
        self.deliver(i, air, grant, received, Some(index), emit);
        true
    }

    /// Returns the n_ssf whose reference signals are in the grid.
    fn present(&mut self, i: usize, grids: &[Grid]) -> Option<u8> {
        let g = &self.grants[i];
        let layout = Layout::shared(SidelinkMode::D2d, self.cp);
        let all = Dmrs::pssch_all(g.sci.group_destination as u16, SidelinkMode::D2d);
        let mut best = (0, 0.0);
        for (n_ssf, dmrs) in all.iter().enumerate() {
            let Some(prbs) = g.hopping.map_or(Some(g.prbs), |h| h.prbs(n_ssf as u8)) else { continue };
            let metric = self.presence.wide(grids, prbs.first_subcarrier(), prbs.subcarriers(), layout, dmrs);
            if metric > best.1 {
                best = (n_ssf as u8, metric);
            }
        }
        // one PRB explains a twelfth of noise on average, and the best of ten much more
        let spread = 1.0 / (best_pilots(g.prbs) as f32).sqrt();
        (best.1 > self.tuning.shared + 0.6 * spread).then_some(best.0)
    }
}

/// Returns the number of correlations over which the presence of an allocation is averaged.
fn best_pilots(prbs: PrbRange) -> usize {
    2 * prbs.len
}
