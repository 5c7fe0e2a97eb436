//! A pool of modes 1 and 2, laid out by subframe in the period.

use crate::pool::infer::CommunicationFit;
use crate::pool::{CommunicationPool, HoppingConfig, HoppingSpan, TrpSet, time_resource_pattern};

/// Longest sc-Period in subframes (TS 36.331 §6.3.8).
pub(super) const LONGEST_PERIOD: u32 = 320;

/// Channels by subframe in a period.
pub(super) struct PoolLayout {
    pub(super) period: u32,
    pub(super) offset: u32,
    pub(super) is_control: Vec<bool>,
    pub(super) control_prbs: Vec<usize>,
    /// Index j of the PSSCH pool.
    data_index: Vec<Option<u32>>,
    data_count: u32,
    /// PRBs that hopping goes over.
    pub(super) hopping_span: HoppingSpan,
    pub(super) hopping: HoppingConfig,
    pub(super) trp_set: TrpSet,
}

impl PoolLayout {
    /// Lays out a configured pool.
    pub(super) fn told(pool: &CommunicationPool, carrier_prbs: usize) -> Self {
        let mut is_control = vec![false; pool.period as usize];
        for s in pool.control_subframes() {
            is_control[s as usize] = true;
        }
        let mut data_index = vec![None; pool.period as usize];
        let data = pool.data_subframes();
        for (j, &s) in data.iter().enumerate() {
            if let Some(place) = data_index.get_mut(s as usize) {
                *place = Some(j as u32);
            }
        }
        Self {
            period: pool.period,
            offset: pool.offset,
            is_control,
            // TS 36.213 §14.2.3 (4)
            control_prbs: pool.control_prbs.list(carrier_prbs),
            data_index,
            data_count: data.len() as u32,
            hopping_span: pool.hopping_span(),
            hopping: pool.hopping,
            trp_set: pool.trp_set,
        }
    }

    /// Makes room for a learnt pool.
    pub(super) fn empty(carrier_prbs: usize) -> Self {
        Self {
            period: LONGEST_PERIOD,
            offset: 0,
            is_control: Vec::with_capacity(LONGEST_PERIOD as usize),
            control_prbs: Vec::with_capacity(carrier_prbs),
            data_index: Vec::with_capacity(LONGEST_PERIOD as usize),
            data_count: 0,
            hopping_span: HoppingSpan::Carrier,
            hopping: HoppingConfig::default(),
            trp_set: TrpSet::default(),
        }
    }

    /// Lays out a learnt pool, in the existing room.
    pub(super) fn learn(&mut self, fit: &CommunicationFit, carrier_prbs: usize) {
        let period = fit.period as usize;
        (self.period, self.offset) = (fit.period, fit.offset);
        let (control_len, control) = fit.control;
        self.is_control.clear();
        self.is_control.extend((0..period).map(|s| s < control_len && control >> s & 1 == 1));
        self.control_prbs.clear();
        self.control_prbs.extend((0..carrier_prbs).filter(|&q| fit.control_prbs.contains(q)));
        let (offset, len, bits) = fit.data;
        let mut count = 0;
        self.data_index.clear();
        self.data_index.extend((0..period).map(|s| {
            let is_data = s >= offset && bits >> ((s - offset) % len) & 1 == 1;
            is_data.then(|| {
                count += 1;
                count - 1
            })
        }));
        self.data_count = count;
    }

    /// Returns pool index j and number of the transmission of pattern `trp` in subframe `into` of the period.
    // TS 36.213 §14.1.1.1
    pub(super) fn position(&self, trp: u8, into: u32) -> Option<(u32, u32)> {
        let j = (*self.data_index.get(into as usize)?)?;
        let index = transmission_number(self.trp_set, trp, j)?;
        // a block that the end of the period would cut is not sent
        let usable = used_before(self.trp_set, trp, self.data_count)? / 4 * 4;
        (index < usable).then_some((j, index))
    }
}

/// Returns the number of the transmission of pattern `trp` with pool index `j`, if it uses that index.
pub(super) fn transmission_number(set: TrpSet, trp: u8, j: u32) -> Option<u32> {
    let pattern = time_resource_pattern(set, trp)?;
    (pattern >> (j % set.len() as u32) & 1 == 1).then(|| used_before(set, trp, j)).flatten()
}

/// Returns the number of pool indices before `j` that pattern `trp` uses.
fn used_before(set: TrpSet, trp: u8, j: u32) -> Option<u32> {
    let pattern = time_resource_pattern(set, trp)? as u32;
    let n = set.len() as u32;
    Some(j / n * pattern.count_ones() + (pattern & ((1 << (j % n)) - 1)).count_ones())
}
