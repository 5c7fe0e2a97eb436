//! A discovery pool, laid out by subframe in the period, and the combined soft bits of its resources.

use super::waiting::Waiting;
use crate::channel::psdch::Process;
use crate::pool::infer::DiscoveryFit;
use crate::pool::{DiscoveryPool, PoolPrbs};

/// Longest discPeriod in subframes.
const LONGEST_PERIOD: usize = 10_240;

/// Resources by subframe in a period.
pub(super) struct Schedule {
    pub(super) period: u32,
    pub(super) offset: u32,
    /// Index l of the pool subframe, by subframe in the period.
    pub(super) index: Vec<Option<u32>>,
    /// Subframe in the period, by index l.
    pub(super) subframes: Vec<u32>,
    pub(super) transmissions: usize,
    /// First PRB of the transmission j of the resources with a_1 = a, by `a * transmissions + j`.
    pub(super) prbs: Vec<Option<usize>>,
    /// One resource in frequency each; those beyond [`Self::resources`] are not in use.
    pub(super) slots: Vec<Slot>,
    /// The same for what is below, once the message of the slot was subtracted.
    pub(super) below: Vec<Slot>,
    pub(super) resources: usize,
    /// Capture subframe at which the period began, and group of transmissions in it, of the content of the slots.
    pub(super) group: Option<(i64, u32)>,
}

pub(super) struct Slot {
    /// Soft bits under two hypotheses: offsets on either side of zero, or the likeliest channel and a wide and fast one.
    pub(super) sides: [Process; 2],
    pub(super) rv: [u8; 4],
    /// Transmissions that are not in [`Self::sides`] yet.
    pub(super) waiting: Waiting,
    /// First PRB of each received transmission of the message.
    pub(super) places: [Option<usize>; 4],
    pub(super) count: usize,
    pub(super) presence: f32,
    pub(super) delivered: bool,
}

impl Schedule {
    /// Lays out a configured pool; `size` is the number of antennas and that of symbols.
    pub(super) fn told(pool: &DiscoveryPool, carrier_prbs: usize, size: (usize, usize)) -> Self {
        let mut schedule = Self::with_capacity(pool.period as usize, pool.n_f(carrier_prbs), size);
        (schedule.period, schedule.offset) = (pool.period, pool.offset);
        let subframes = pool.subframes();
        schedule.lay_out(pool.transmissions, pool.prbs, carrier_prbs, &|into| subframes.contains(&into));
        schedule
    }

    /// Makes room for a learnt pool.
    pub(super) fn empty(carrier_prbs: usize, size: (usize, usize)) -> Self {
        Self::with_capacity(LONGEST_PERIOD, carrier_prbs / 2, size)
    }

    /// Lays out a learnt pool, in the existing room.
    pub(super) fn learn(&mut self, fit: &DiscoveryFit, carrier_prbs: usize) {
        (self.period, self.offset) = (fit.period, fit.offset);
        self.lay_out(fit.transmissions, fit.prbs, carrier_prbs, &|into| fit.has_subframe(into as usize));
    }

    fn with_capacity(period: usize, pairs: usize, size: (usize, usize)) -> Self {
        Self {
            period: period as u32,
            offset: 0,
            index: Vec::with_capacity(period),
            subframes: Vec::with_capacity(period),
            transmissions: 1,
            prbs: Vec::with_capacity(4 * pairs),
            slots: (0..pairs).map(|_| Slot::new(size)).collect(),
            below: (0..pairs).map(|_| Slot::new(size)).collect(),
            resources: 0,
            group: None,
        }
    }

    fn lay_out(
        &mut self,
        transmissions: u32,
        prbs: PoolPrbs,
        carrier_prbs: usize,
        has: &dyn Fn(u32) -> bool,
    ) {
        let n_tx = transmissions.clamp(1, 4) as usize;
        self.transmissions = n_tx;
        self.subframes.clear();
        self.subframes.extend((0..self.period).filter(|&into| has(into)));
        self.subframes.truncate(self.subframes.len() / n_tx * n_tx);
        self.index.clear();
        self.index.extend((0..self.period).map(|_| None));
        for (l, s) in self.subframes.iter().enumerate() {
            self.index[*s as usize] = Some(l as u32);
        }
        let in_pool = || (0..carrier_prbs).filter(|&q| prbs.contains(q));
        let n_f = in_pool().count() / 2;
        self.resources = n_f.min(self.slots.len());
        self.prbs.clear();
        for a in 0..self.resources {
            for j in 0..n_tx {
                // TS 36.213 §14.3.1 type 1 (2)
                let mut pair = in_pool().skip(2 * ((j * (n_f / n_tx) + a) % n_f));
                let (first, second) = (pair.next(), pair.next());
                self.prbs.push(first.filter(|first| second == Some(first + 1)));
            }
        }
        self.group = None;
    }

    /// Whether transmission number `transmission` has a place at `prb` in subframe `into` of the period.
    pub(super) fn has(&self, into: usize, prb: usize, transmission: usize) -> bool {
        let Some(Some(l)) = self.index.get(into) else { return false };
        let j = *l as usize % self.transmissions;
        let places = self.prbs.iter().skip(j).step_by(self.transmissions);
        j == transmission && places.flatten().any(|&first| first == prb)
    }
}

impl Slot {
    fn new((antennas, symbols): (usize, usize)) -> Self {
        Self {
            sides: [Process::new(), Process::new()],
            rv: [0; 4],
            waiting: Waiting::new(antennas, symbols),
            places: [None; 4],
            count: 0,
            presence: 0.0,
            delivered: false,
        }
    }

    pub(super) fn clear(&mut self) {
        self.sides.iter_mut().filter(|side| side.transmissions() > 0).for_each(Process::reset);
        self.waiting.clear();
        self.places = [None; 4];
        self.count = 0;
        self.presence = 0.0;
        self.delivered = false;
    }
}
