//! Infers a pool of modes 1 and 2 from decoded PSCCH and PSSCH (TS 36.213 §14.1.3, §14.1.4, §14.2.1, §14.2.3).

use super::Clock;
use super::bitmap::{self, IndexSet};
use crate::pool::communication::TRANSMISSIONS;
use crate::pool::{
    CommunicationPool, HoppingConfig, PoolPrbs, PsschSubframes, TrpSet, time_resource_pattern,
};
use crate::units::PrbRange;

/// Values of sc-Period in subframes (TS 36.331 §6.3.8).
const PERIODS: [u32; 10] = [40, 60, 70, 80, 120, 140, 160, 240, 280, 320];

/// Longest subframe bitmap of PSCCH that is accepted.
const CONTROL_SPAN: usize = 40;

/// Numbers after which a pool is accepted: repetitions of an SCI in successive periods, and transport blocks.
const AGREEING_PERIODS: usize = 2;
const AGREEING_BLOCKS: u32 = 6;

/// Number of PSCCH whose times are kept.
const TIMES: usize = 64;

/// One of this many observations may contradict a pool, due to a loss of samples or to another system.
const TOLERATED: u32 = 16;

/// Number of pairs of PSCCH transmissions that are kept, and number after which the clause that relates them counts as
/// verified.
const PAIRS: usize = 64;
const VERIFYING_PAIRS: usize = 6;

/// A PSCCH with a confirmed SCI: a transport block that it announces has decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlSighting {
    /// Subframe, by the learner's clock.
    pub subframe: u64,
    /// First PRB.
    pub prb: usize,
}

/// A transmission of PSSCH that led to a decoded transport block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSighting {
    /// Subframe, by the learner's clock.
    pub subframe: u64,
    /// Subframe of the last PSCCH before it that announces it.
    pub control: u64,
    /// I_TRP of the SCI.
    pub trp: u8,
    /// n_ssf: the pool index modulo 10.
    pub n_ssf: u8,
    /// Number of the transmission of its transport block, 0 to 3.
    pub transmission: u8,
    /// Its PRBs.
    pub prbs: PrbRange,
    /// Whether its transport block was not seen before.
    pub is_new: bool,
}

/// Learns one pool of N_TRP = 8. Nothing is allocated after construction.
pub struct CommunicationLearner {
    clock: Clock,
    carrier_prbs: usize,
    folds: Vec<Fold>,
    controls: u64,
    blocks: u64,
    /// Subframes of the last PSCCH.
    times: Vec<u64>,
    pairs: Vec<[ControlSighting; 2]>,
    next_pair: usize,
    control_prbs: Extent,
    data_prbs: Extent,
    /// Scratch of a fit: subframes of the period with the pool indices that they may have.
    seen: Vec<(usize, IndexSet)>,
}

/// A pool that agrees with all observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommunicationFit {
    /// sc-Period in subframes.
    pub period: u32,
    /// Start of the first period, subframes.
    pub offset: u32,
    /// Subframe bitmap of PSCCH: its length, and a_0 in bit 0.
    pub control: (usize, u64),
    /// PRBs of PSCCH.
    pub control_prbs: PoolPrbs,
    /// Start of the bitmap of PSSCH in the period, its length, and b_0 in bit 0.
    pub data: (usize, usize, u64),
    /// PRBs of PSSCH that were used.
    pub data_prbs: PoolPrbs,
    /// Whether the subframes of PSCCH are exact; otherwise they are all that agree.
    pub is_control_exact: bool,
    /// Whether no other bitmap of PSSCH of this length agrees.
    pub is_data_exact: bool,
    /// Numbers of PSCCH and of blocks that agree.
    pub agreeing: (u64, u64),
    /// Number of observations that contradict it.
    pub contradictions: u64,
}

/// Lowest and highest observed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    first: usize,
    last: usize,
}

/// All observations, folded to one period.
struct Fold {
    period: u32,
    cells: Vec<Cell>,
    agreed: u32,
    contradicted: u32,
}

/// Observations in one subframe of the period.
#[derive(Clone, Copy)]
struct Cell {
    control: u16,
    data: u16,
    /// Observed transmissions of a block, a bit each.
    transmissions: u8,
    /// Pool indices that agree with all PSSCH in this subframe.
    indices: IndexSet,
    /// Differences whose running sum is the number of intervals within a period that straddle this subframe: 1 at the
    /// begin, -1 at the end.
    straddled: i32,
}

impl CommunicationLearner {
    /// Makes a learner for a carrier.
    pub fn new(carrier_prbs: usize) -> Self {
        let fold = |&period: &u32| Fold {
            period,
            cells: vec![Cell::EMPTY; period as usize + 1],
            agreed: 0,
            contradicted: 0,
        };
        let longest = PERIODS.last().map_or(0, |&p| p as usize);
        Self {
            clock: Clock::Capture,
            carrier_prbs,
            folds: PERIODS.iter().map(fold).collect(),
            controls: 0,
            blocks: 0,
            times: Vec::with_capacity(TIMES),
            pairs: Vec::with_capacity(PAIRS),
            next_pair: 0,
            control_prbs: Extent::NONE,
            data_prbs: Extent::NONE,
            seen: Vec::with_capacity(longest),
        }
    }

    /// Clears everything; subframes are counted by `clock` from now on.
    pub fn restart(&mut self, clock: Clock) {
        for fold in &mut self.folds {
            fold.cells.fill(Cell::EMPTY);
            (fold.agreed, fold.contradicted) = (0, 0);
        }
        self.clock = clock;
        (self.controls, self.blocks, self.next_pair) = (0, 0, 0);
        self.pairs.clear();
        self.times.clear();
        (self.control_prbs, self.data_prbs) = (Extent::NONE, Extent::NONE);
    }

    /// Returns the clock of the subframe counts.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Returns the number of transport blocks that were added.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Adds a PSCCH of a confirmed SCI.
    pub fn control(&mut self, sighting: ControlSighting) {
        self.controls += 1;
        self.control_prbs.add(sighting.prb);
        for fold in &mut self.folds {
            let (at, _) = self.clock.fold(sighting.subframe, fold.period);
            let cell = &mut fold.cells[at];
            cell.control = cell.control.saturating_add(1);
        }
        if self.times.len() == TIMES {
            self.times.remove(0);
        }
        self.times.push(sighting.subframe);
    }

    /// Adds two PSCCH, the earlier first, that are the transmissions of one SCI in one period.
    pub fn pair(&mut self, pair: [ControlSighting; 2]) {
        for fold in &mut self.folds {
            fold.join(self.clock, pair[0].subframe, pair[1].subframe);
        }
        if self.pairs.len() < PAIRS {
            self.pairs.push(pair);
        } else {
            self.pairs[self.next_pair % PAIRS] = pair;
        }
        self.next_pair = self.next_pair.wrapping_add(1);
    }

    /// Adds a PSSCH.
    pub fn data(&mut self, sighting: DataSighting) {
        let indices = indices(sighting.trp, sighting.n_ssf, sighting.transmission);
        self.blocks += u64::from(sighting.is_new);
        self.data_prbs.add(sighting.prbs.start);
        self.data_prbs.add(sighting.prbs.end() - 1);
        for fold in &mut self.folds {
            fold.data(self.clock, &sighting, &indices);
        }
    }

    /// Returns the pool, when there are enough observations and only one period agrees with them.
    pub fn fit(&mut self) -> Option<CommunicationFit> {
        let mut found = None;
        for i in 0..self.folds.len() {
            let Some(fit) = self.fit_period(i) else { continue };
            if found.is_some() {
                return None;
            }
            found = Some(fit);
        }
        found
    }

    fn fit_period(&mut self, i: usize) -> Option<CommunicationFit> {
        let control_prbs = self.control_prbs_that_agree();
        let Self { folds, seen, .. } = self;
        let fold = &folds[i];
        if self.blocks < AGREEING_BLOCKS as u64 || fold.contradicted * TOLERATED > fold.agreed {
            return None;
        }
        let starts = fold.starts()?;
        if fold.successions(self.clock, &self.times, starts.last) < AGREEING_PERIODS {
            return None;
        }
        let cells = |start: usize| fold.from(start);
        seen.clear();
        let of_data = cells(starts.last).enumerate().filter(|(_, cell)| cell.data > 0);
        seen.extend(of_data.map(|(into, cell)| (into, cell.indices)));
        let data = bitmap::fit(seen)?;
        let last_data = seen.last()?.0;
        let exact = verify_pairs(&self.pairs, self.clock, fold, starts.last);
        // the last block of the period is whole: nothing after it was usable, and the next period may begin there
        let is_whole = cells(starts.last).nth(last_data)?.transmissions >> (TRANSMISSIONS - 1) & 1 == 1;
        let start = if exact.is_some() || !is_whole { starts.last } else { starts.first };
        let earlier = (starts.last + fold.period as usize - start) % fold.period as usize;
        let controls = || cells(start).enumerate().filter(|(_, cell)| cell.control > 0).map(|(into, _)| into);
        let used = controls().fold(0, |bits, into| bits | 1u64 << into);
        let data_offset = data.offset + earlier;
        let last_used = controls().last()?;
        // unobserved PSCCH precedes PSSCH as well
        let last_control = match exact {
            Some(()) => last_used,
            None => last_used.max(data_offset.clamp(1, CONTROL_SPAN) - 1),
        };
        let all = (1u64 << (last_control + 1)) - 1;
        Some(CommunicationFit {
            period: fold.period,
            offset: start as u32,
            control: (last_control + 1, if exact.is_some() { used } else { all }),
            control_prbs,
            data: (data_offset, data.len, data.bits),
            data_prbs: self.data_prbs.prbs(),
            is_control_exact: exact.is_some(),
            is_data_exact: data.unique,
            agreeing: (self.controls, self.blocks),
            contradictions: u64::from(fold.contradicted),
        })
    }

    /// Returns every PRB in which the pool may have PSCCH. The second transmission lies floor(M_RP / 2) pool PRBs above
    /// the first.
    fn control_prbs_that_agree(&self) -> PoolPrbs {
        let distance = |[a, b]: &[ControlSighting; 2]| a.prb.abs_diff(b.prb);
        let Some(shift) = self.pairs.first().map(distance).filter(|&d| d > 0) else {
            return PoolPrbs::whole(self.carrier_prbs);
        };
        if self.pairs.iter().any(|pair| distance(pair) != shift) {
            return PoolPrbs::whole(self.carrier_prbs);
        }
        let lower = |[a, b]: &[ControlSighting; 2]| a.prb.min(b.prb);
        let lowest = self.pairs.iter().map(lower).min().unwrap_or(0);
        let highest = self.pairs.iter().map(lower).max().unwrap_or(0);
        let start = (highest + 1).saturating_sub(shift).min(self.control_prbs.first);
        let end = (lowest + 2 * shift).max(self.control_prbs.last).min(self.carrier_prbs - 1);
        PoolPrbs { start, end, num: end - start + 1 }
    }
}

/// Returns the pool indices of transmission number `transmission` of a block of pattern `trp` that are `n_ssf` modulo 10.
fn indices(trp: u8, n_ssf: u8, transmission: u8) -> IndexSet {
    let mut set = IndexSet::EMPTY;
    let Some(pattern) = time_resource_pattern(TrpSet::Eight, trp) else { return set };
    let mut used = 0;
    for j in 0..bitmap::INDICES {
        if pattern >> (j % TrpSet::Eight.len()) & 1 == 0 {
            continue;
        }
        if j % 10 == n_ssf as usize && used % TRANSMISSIONS == transmission as usize {
            set.insert(j);
        }
        used += 1;
    }
    set
}

/// Checks that the pairs of transmissions are related as TS 36.213 §14.2.1.1 demands, given that every PSCCH subframe
/// of the pool was observed: b2 = (b1 + 1 + a1 mod (L - 1)) mod L. Then no subframe is missing.
fn verify_pairs(pairs: &[[ControlSighting; 2]], clock: Clock, fold: &Fold, start: usize) -> Option<()> {
    let period = fold.period as usize;
    let mut ranks = [0; bitmap::INDICES];
    let mut count = 0;
    for (rank, cell) in ranks.iter_mut().zip(fold.from(start)) {
        *rank = count;
        count += usize::from(cell.control > 0);
    }
    let rank = |s: &ControlSighting| ranks[(clock.fold(s.subframe, fold.period).0 + period - start) % period];
    if count < 2 || pairs.len() < VERIFYING_PAIRS {
        return None;
    }
    let lowest = pairs.iter().flatten().map(|s| s.prb).min()?;
    let agrees = |first_prb: usize| {
        pairs.iter().all(|[x, y]| {
            let (a, b) = if x.prb < y.prb { (x, y) } else { (y, x) };
            let expected = rank(a) + 1 + (a.prb - first_prb) % (count - 1);
            rank(b) == expected % count
        })
    };
    // pairs at one place are no evidence: as many different ones are required as make chance unlikely
    let is_new = |(i, [x, _]): &(usize, &[ControlSighting; 2])| {
        !pairs[..*i].iter().any(|[z, _]| (rank(z), z.prb) == (rank(x), x.prb))
    };
    let different = pairs.iter().enumerate().filter(is_new).count();
    (different >= VERIFYING_PAIRS && (0..=lowest).any(agrees)).then_some(())
}

/// Range of possible starts of the period.
struct Starts {
    /// The earliest place: right after the last PSSCH.
    first: usize,
    /// The latest: with the first PSCCH.
    last: usize,
}

impl Fold {
    fn data(&mut self, clock: Clock, sighting: &DataSighting, indices: &IndexSet) {
        let Some(elapsed) = sighting.subframe.checked_sub(sighting.control) else { return };
        if !clock.is_continuous(sighting.control, sighting.subframe, self.period) {
            return;
        }
        let (at, _) = clock.fold(sighting.subframe, self.period);
        let both = self.cells[at].indices.intersection(indices);
        if elapsed >= self.period as u64 || both.is_empty() {
            self.contradicted += 1;
            return;
        }
        self.agreed += 1;
        let cell = &mut self.cells[at];
        cell.indices = both;
        cell.data = cell.data.saturating_add(1);
        cell.transmissions |= 1 << sighting.transmission;
        self.join(clock, sighting.control, sighting.subframe);
    }

    /// Records that no period begins after one subframe and up to another.
    fn join(&mut self, clock: Clock, from: u64, to: u64) {
        let ((from_at, _), (to_at, _)) = (clock.fold(from, self.period), clock.fold(to, self.period));
        if from_at == to_at || !clock.is_continuous(from, to, self.period) {
            return;
        }
        self.cells[from_at + 1].straddled += 1;
        self.cells[to_at + 1].straddled -= 1;
        if to_at < from_at {
            self.cells[0].straddled += 1;
        }
    }

    /// Returns how often an SCI came in two successive periods: a period that is too short misses some.
    fn successions(&self, clock: Clock, times: &[u64], start: usize) -> usize {
        let period = |t: u64| clock.fold(t + self.period as u64 - start as u64, self.period).1;
        times.windows(2).filter(|t| period(t[1]) == period(t[0]) + 1).count()
    }

    /// Returns the possible starts of a period with no PSSCH in another period than its SCI, and with all PSCCH in its
    /// first subframes. `None` if there is no such place, or more than one.
    fn starts(&self) -> Option<Starts> {
        let period = self.period as usize;
        let mut open = [false; bitmap::INDICES];
        let mut straddled = 0;
        for (open, cell) in open.iter_mut().zip(&self.cells[..period]) {
            straddled += cell.straddled;
            *open = straddled <= 0;
        }
        let has_control = |at: usize| self.cells[at % period].control > 0;
        let is_compact = |start: usize| (CONTROL_SPAN..period).all(|into| !has_control(start + into));
        let mut last = None;
        for at in (0..period).filter(|&at| open[at] && has_control(at) && is_compact(at)) {
            if last.is_some() {
                return None;
            }
            last = Some(at);
        }
        let last = last?;
        let mut first = last;
        for back in 1..period {
            let at = (last + period - back) % period;
            if !open[at] || !is_compact(at) || self.cells[at].data > 0 {
                break;
            }
            first = at;
        }
        Some(Starts { first, last })
    }

    /// Returns the cells of a period that begins with `start`.
    fn from(&self, start: usize) -> impl Iterator<Item = &Cell> {
        let cells = &self.cells[..self.period as usize];
        cells[start..].iter().chain(&cells[..start])
    }
}

impl Cell {
    const EMPTY: Self = Self { control: 0, data: 0, transmissions: 0, indices: IndexSet::ALL, straddled: 0 };
}

impl Extent {
    const NONE: Self = Self { first: usize::MAX, last: 0 };

    fn add(&mut self, at: usize) {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }

    fn prbs(self) -> PoolPrbs {
        let start = self.first.min(self.last);
        PoolPrbs { start, end: self.last, num: self.last - start + 1 }
    }
}

impl CommunicationFit {
    /// Returns the pool. Allocates.
    pub fn pool(&self) -> CommunicationPool {
        let bits = |(len, bits): (usize, u64)| (0..len).map(|i| bits >> i & 1 == 1).collect();
        let (offset, len, data) = self.data;
        CommunicationPool {
            period: self.period,
            offset: self.offset,
            control_bitmap: bits(self.control),
            control_prbs: self.control_prbs,
            data: PsschSubframes::Bitmap { offset: offset as u32, bitmap: bits((len, data)) },
            data_prbs: self.data_prbs,
            trp_set: TrpSet::Eight,
            hopping: HoppingConfig::default(),
        }
    }

    /// Whether the pool has PSCCH at this place.
    pub fn has_control(&self, clock: Clock, sighting: &ControlSighting) -> bool {
        let into = self.phase(clock, sighting.subframe);
        let (len, bits) = self.control;
        into < len && bits >> into & 1 == 1 && self.control_prbs.contains(sighting.prb)
    }

    /// Returns the subframe in the period.
    pub fn phase(&self, clock: Clock, subframe: u64) -> usize {
        let (at, _) = clock.fold(subframe, self.period);
        (at + self.period as usize - self.offset as usize) % self.period as usize
    }
}

#[cfg(test)]
mod tests;
