//! Infers V2X pools that explain the transport blocks received without a configured pool.
//!
//! A block with a valid CRC gives the places of its PSCCH and its PSSCH, and its SCI gives their number of
//! sub-channels. Every pool that explains these places is a hypothesis; few remain after blocks from several places.
//! The pool that explains most is accepted, then the one that explains most of the rest, and so on: a carrier can have
//! several.

use crate::pool::V2xPool;
use crate::receive::learn::{Evidence, Learnt, Open, OpenValue, Part};
use crate::sci::{Format1, MAX_SUBCHANNELS, riv_bits, riv_decode};
use crate::tables::largest_precoding_size;
use crate::units::PrbRange;
use std::ops::RangeInclusive;

/// Largest number of pools that are distinguished.
const MAX_POOLS: usize = 4;

/// Largest number of stored observations, blocks of different form or place.
const MAX_OBSERVATIONS: usize = 48;

/// Largest number of blocks that are stored until their retransmission comes.
const MAX_RECENT: usize = 24;

/// Transmissions with a valid CRC that a pool must explain before it is accepted. A retransmission counts: it has
/// another place and another scrambling.
const BELIEVED_FROM: u32 = 3;

/// Blocks at its places that a pool may leave unexplained after the last one that it explains.
const GIVEN_UP_FROM: u32 = 4;

/// Subframes after SF_gap subframes of the pool in which a retransmission may still come.
const GAP_SLACK: u64 = 4;

/// Values of numSubchannel and sizeSubchannel (TS 36.331 §6.3.8; spares left out): others are possible, but less likely.
const NUM: [usize; 7] = [1, 3, 5, 8, 10, 15, 20];
const SIZE: [usize; 19] = [4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 25, 30, 48, 50, 72, 75, 96, 100];

/// Bits of an SCI before the frequency resource location: priority and resource reservation.
const BITS_BEFORE_RIV: usize = 7;

/// A transport block with a valid CRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Explained {
    /// Capture subframe.
    pub subframe: u64,
    /// First PRB of the PSCCH.
    pub control: usize,
    /// PRBs of the PSSCH.
    pub prbs: PrbRange,
    /// SCI, bit 31 first.
    pub word: u32,
    /// Widths of the frequency resource location with which the block decodes, as a bit mask.
    pub widths: u16,
    /// A value that differs between blocks of different content.
    pub content: u32,
}

/// Blocks of one form at one place.
#[derive(Clone, Copy, Debug)]
struct Observation {
    control: usize,
    prbs: PrbRange,
    word: u32,
    widths: u16,
    /// PRB of the PSCCH of the other transmission of such a block.
    partner: Option<usize>,
    /// Transmissions, and how many of them were not retransmissions of a received block.
    received: u32,
    blocks: u32,
    /// `false` when its pool was dropped: it counts again from the next such block on.
    live: bool,
    first_seen: u64,
    last_seen: u64,
}

/// A block whose retransmission may come.
#[derive(Clone, Copy, Debug)]
struct Recent {
    subframe: u64,
    content: u32,
    observation: usize,
}

/// Collects blocks, and the pools that explain them.
pub(super) struct Learner {
    carrier_prbs: usize,
    /// [`largest_precoding_size`] of every number of PRBs.
    precoding: Vec<usize>,
    seen: Vec<Observation>,
    recent: Vec<Recent>,
    recent_at: usize,
    /// Pools in use first, and of them the accepted ones.
    pools: Vec<Supposed>,
    explains: [u64; MAX_POOLS],
    count: usize,
    believed: usize,
}

/// A pool that explains received blocks.
#[derive(Clone, Debug)]
pub(super) struct Supposed {
    pub pool: V2xPool,
    /// SCIs at its places that are valid in it.
    pub scis: u32,
    /// Transmissions that it explains.
    pub received: u32,
    /// Blocks that it explains. Retransmissions are not counted.
    pub blocks: u32,
    /// Blocks at its places that it does not explain.
    pub contradictions: u32,
    /// Values of all pools that explain equally much.
    spread: Spread,
}

/// The least and largest value of each parameter.
#[derive(Clone, Debug)]
struct Spread {
    size: RangeInclusive<usize>,
    num: RangeInclusive<usize>,
    start: RangeInclusive<usize>,
    control_start: RangeInclusive<usize>,
}

/// The fields of an SCI that depend on the width of its frequency resource location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub riv: usize,
    pub time_gap: u8,
    pub mcs: u8,
    pub retransmission: bool,
    pub transmission_format: bool,
    pub reserved: u32,
}

impl Fields {
    /// Parses an SCI whose frequency resource location has `width` bits, 8 at most.
    pub(super) fn of(word: u32, width: usize) -> Self {
        let at = Format1::BITS - BITS_BEFORE_RIV - width;
        let take = |from: usize, bits: usize| (word >> from) & ((1u32 << bits) - 1);
        Self {
            riv: take(at, width) as usize,
            time_gap: take(at - 4, 4) as u8,
            mcs: take(at - 9, 5) as u8,
            retransmission: take(at - 10, 1) == 1,
            transmission_format: take(at - 11, 1) == 1,
            reserved: take(0, at - 11),
        }
    }
}

/// Score of a hypothesis, the most important criterion first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    /// Observations that it explains.
    explained: u32,
    /// Whether every block that is sent once names its own sub-channel as the start of its frequency resource.
    own_start: bool,
    /// Number of its parameters that are values of TS 36.331.
    listed: u8,
    /// PSCCH right below PSSCH counts as adjacent: with one sub-channel no receiver could distinguish it.
    adjacent: bool,
}

/// Sub-channels without a bitmap: the object of hypotheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    size: usize,
    num: usize,
    start: usize,
    adjacent: bool,
    control_start: usize,
}

impl Learner {
    /// Makes a learner for a carrier; nothing is allocated afterwards.
    pub(super) fn new(carrier_prbs: usize) -> Self {
        let pool = V2xPool::simple(1, 1);
        let spread = Shape::of(&pool).spread();
        let empty = Supposed { pool, scis: 0, received: 0, blocks: 0, contradictions: 0, spread };
        Self {
            carrier_prbs,
            precoding: (0..=carrier_prbs).map(largest_precoding_size).collect(),
            seen: Vec::with_capacity(MAX_OBSERVATIONS),
            recent: Vec::with_capacity(MAX_RECENT),
            recent_at: 0,
            pools: vec![empty; MAX_POOLS],
            explains: [0; MAX_POOLS],
            count: 0,
            believed: 0,
        }
    }

    /// Returns the accepted pools, the one with most evidence first.
    pub(super) fn believed(&self) -> &[Supposed] {
        &self.pools[..self.believed]
    }

    /// Returns every pool that explains a block, the accepted ones first.
    pub(super) fn supposed(&self) -> &[Supposed] {
        &self.pools[..self.count]
    }

    /// Counts an SCI that is valid in pool `i`.
    pub(super) fn count_sci(&mut self, i: usize) {
        if let Some(pool) = self.pools[..self.count].get_mut(i) {
            pool.scis = pool.scis.saturating_add(1);
        }
    }

    /// Adds a block as evidence.
    pub(super) fn note(&mut self, block: &Explained) {
        let (index, new) = self.observation(block);
        let again = self.pair(index, block);
        let seen = &mut self.seen[index];
        seen.last_seen = block.subframe;
        seen.received = seen.received.saturating_add(1);
        seen.blocks = seen.blocks.saturating_add(u32::from(again.is_none()));
        let revived = !std::mem::replace(&mut seen.live, true);
        if new || revived || again == Some(true) || self.due_for_belief(index) {
            self.solve();
        } else if let Some(i) = (0..self.count).find(|&i| self.explains[i] >> index & 1 == 1) {
            self.pools[i].received += 1;
            self.pools[i].blocks += u32::from(again.is_none());
        }
    }

    /// Returns the observation of the block, and whether the block is new evidence.
    fn observation(&mut self, block: &Explained) -> (usize, bool) {
        let word = block.word << BITS_BEFORE_RIV >> BITS_BEFORE_RIV;
        let same = |o: &Observation| o.control == block.control && o.prbs == block.prbs && o.word == word;
        if let Some(i) = self.seen.iter().position(same) {
            let both = self.seen[i].widths & block.widths;
            let news = both != 0 && both != self.seen[i].widths;
            if both != 0 {
                self.seen[i].widths = both;
            }
            return (i, news);
        }
        let fresh = Observation {
            control: block.control,
            prbs: block.prbs,
            word,
            widths: block.widths,
            partner: None,
            received: 0,
            blocks: 0,
            live: true,
            first_seen: block.subframe,
            last_seen: block.subframe,
        };
        if self.seen.len() < MAX_OBSERVATIONS {
            self.seen.push(fresh);
            return (self.seen.len() - 1, true);
        }
        let oldest = (0..self.seen.len()).min_by_key(|&i| self.seen[i].last_seen).unwrap_or(0);
        self.recent.iter_mut().filter(|r| r.observation == oldest).for_each(|r| r.subframe = u64::MAX);
        self.seen[oldest] = fresh;
        (oldest, true)
    }

    /// Whether the block was received before in its other transmission, and then whether its place there is new.
    fn pair(&mut self, index: usize, block: &Explained) -> Option<bool> {
        let width = self.seen[index].widths.trailing_zeros() as usize;
        let fields = Fields::of(block.word, width);
        let reach = u64::from(fields.time_gap) + GAP_SLACK;
        let is_other = |r: &Recent| {
            r.content == block.content && r.subframe < block.subframe && block.subframe - r.subframe <= reach
        };
        let other = (fields.retransmission).then(|| self.recent.iter().find(|r| is_other(r))).flatten();
        if let Some(other) = other.map(|r| r.observation) {
            let news = self.seen[index].partner.is_none() || self.seen[other].partner.is_none();
            let (here, there) = (self.seen[index].control, self.seen[other].control);
            self.seen[index].partner = Some(there);
            self.seen[other].partner = Some(here);
            return Some(news);
        }
        if fields.time_gap > 0 && !fields.retransmission {
            let recent = Recent { subframe: block.subframe, content: block.content, observation: index };
            if self.recent.len() < MAX_RECENT {
                self.recent.push(recent);
            } else {
                self.recent[self.recent_at] = recent;
                self.recent_at = (self.recent_at + 1) % MAX_RECENT;
            }
        }
        None
    }

    /// Whether this block may decide that a pool is accepted or dropped.
    fn due_for_belief(&self, index: usize) -> bool {
        let of = |i: usize| self.explains[i] >> index & 1 == 1;
        let undecided = (self.believed..self.count).any(of);
        let contradicting = !(0..self.count).any(of)
            || (0..self.believed)
                .any(|i| !of(i) && self.pools[i].pool.control_index(self.seen[index].control).is_some());
        undecided || contradicting
    }

    /// Solves for the pools again.
    fn solve(&mut self) {
        self.cover();
        // a pool is stale if blocks contradict it that all came after its own
        let stale = (0..self.count).find(|&i| self.contradicted_lately(i) >= GIVEN_UP_FROM);
        if let Some(i) = stale {
            let explains = self.explains[i];
            for (o, seen) in self.seen.iter_mut().enumerate() {
                if explains >> o & 1 == 1 {
                    (seen.live, seen.received, seen.blocks) = (false, 0, 0);
                }
            }
            self.cover();
        }
    }

    fn cover(&mut self) {
        let scis = std::array::from_fn::<_, MAX_POOLS, _>(|i| {
            let p = &self.pools[i];
            (Shape::of(&p.pool), if i < self.count { p.scis } else { 0 })
        });
        let mut open = 0u64;
        for (i, seen) in self.seen.iter().enumerate() {
            open |= u64::from(seen.live) << i;
        }
        self.count = 0;
        while self.count < MAX_POOLS && open != 0 {
            let bits = (0..self.seen.len()).filter(|i| open >> i & 1 == 1);
            let Some(seed) = bits.max_by_key(|&i| (self.seen[i].blocks, std::cmp::Reverse(i))) else { break };
            let explained = self.best(seed, open);
            if explained == 0 {
                open &= !(1 << seed);
                continue;
            }
            open &= !explained;
            let at = self.count;
            self.explains[at] = explained;
            let shape = Shape::of(&self.pools[at].pool);
            let known = scis.iter().find(|(s, _)| *s == shape).map_or(0, |(_, n)| *n);
            self.weigh(at, known);
            self.count += 1;
        }
        self.sort();
    }

    /// Sorts: blocks that a pool explains first, and of them those of accepted pools.
    fn sort(&mut self) {
        for i in 1..self.count {
            let mut j = i;
            while j > 0 && self.pools[j - 1].received < self.pools[j].received {
                self.pools.swap(j - 1, j);
                self.explains.swap(j - 1, j);
                j -= 1;
            }
        }
        self.believed = self.pools[..self.count].iter().take_while(|p| p.received >= BELIEVED_FROM).count();
    }

    /// Counts the evidence for a pool and against it.
    fn weigh(&mut self, at: usize, scis: u32) {
        let pool = &mut self.pools[at];
        (pool.received, pool.blocks, pool.contradictions) = (0, 0, 0);
        for (i, seen) in self.seen.iter().enumerate() {
            if self.explains[at] >> i & 1 == 1 {
                pool.received += seen.received;
                pool.blocks += seen.blocks;
            } else if pool.pool.control_index(seen.control).is_some() {
                pool.contradictions += seen.blocks;
            }
        }
        pool.scis = scis.max(pool.received);
    }

    /// Returns the number of blocks at the places of a pool that it does not explain and that came after the last one
    /// that it does.
    fn contradicted_lately(&self, at: usize) -> u32 {
        let explained = |i: &usize| self.explains[at] >> i & 1 == 1;
        let own = (0..self.seen.len()).filter(explained).map(|i| self.seen[i].last_seen).max().unwrap_or(0);
        let others = (0..self.seen.len()).filter(|i| !explained(i)).map(|i| &self.seen[i]);
        let here =
            others.filter(|o| o.first_seen > own && self.pools[at].pool.control_index(o.control).is_some());
        here.map(|o| o.blocks).sum()
    }

    /// Writes to the next place, of all pools that explain observation `seed`, the one that explains most of `open`.
    /// Returns the observations that it explains, 0 if no pool explains the seed.
    fn best(&mut self, seed: usize, open: u64) -> u64 {
        let mut best: Option<Best> = None;
        let seen = self.seen[seed];
        for adjacent in [true, false] {
            for num in 1..=MAX_SUBCHANNELS.min(self.carrier_prbs) {
                for size in (if adjacent { 4 } else { 1 })..=self.carrier_prbs / num {
                    for m in 0..num {
                        let Some(shape) = Shape::around(&seen, m, size, num, adjacent) else { continue };
                        if shape.fits(self.carrier_prbs) && self.explains(&shape, &seen).is_some() {
                            let (score, explained) = self.score(&shape, open);
                            Best::improve(
                                &mut best,
                                Best { score, shape, explained, spread: shape.spread() },
                            );
                        }
                    }
                }
            }
        }
        let Some(best) = best else { return 0 };
        let learnt = &mut self.pools[self.count];
        let Shape { size, num, start, adjacent, control_start } = best.shape;
        (learnt.pool.size, learnt.pool.num, learnt.pool.start) = (size, num, start);
        (learnt.pool.adjacent, learnt.pool.control_start) = (adjacent, control_start);
        learnt.spread = best.spread;
        best.explained
    }

    fn score(&self, shape: &Shape, open: u64) -> (Score, u64) {
        let mut explained = 0u64;
        let mut own_start = true;
        for (i, seen) in self.seen.iter().enumerate() {
            if open >> i & 1 == 0 {
                continue;
            }
            if let Some(own) = self.explains(shape, seen) {
                explained |= 1 << i;
                own_start &= own;
            }
        }
        let listed = u8::from(NUM.contains(&shape.num)) + u8::from(SIZE.contains(&shape.size));
        let adjacent = shape.adjacent;
        (Score { explained: explained.count_ones(), own_start, listed, adjacent }, explained)
    }

    /// Whether a pool explains the place of a block: `None` if not, otherwise whether its SCI names the sub-channel
    /// that it must name or, if it is sent once, is likely to name.
    fn explains(&self, shape: &Shape, seen: &Observation) -> Option<bool> {
        let width = riv_bits(shape.num);
        if seen.widths >> width & 1 == 0 {
            return None;
        }
        let fields = Fields::of(seen.word, width);
        let (other, len) = riv_decode(shape.num, fields.riv)?;
        let own = shape.control_index(seen.control)?;
        let beta = if shape.adjacent { 2 } else { 0 };
        let prbs = *self.precoding.get((len * shape.size).checked_sub(beta)?)?;
        let right = own + len <= shape.num
            && seen.prbs.start == shape.start + own * shape.size + beta
            && seen.prbs.len == prbs;
        if !right {
            return None;
        }
        match (fields.time_gap, seen.partner) {
            (0, _) => Some(other == own),
            (_, Some(partner)) => (shape.control(other) == partner).then_some(true),
            (_, None) => Some(true),
        }
    }
}

/// The best hypotheses so far, which are equally good: one of them, and their range.
struct Best {
    score: Score,
    shape: Shape,
    explained: u64,
    spread: Spread,
}

impl Best {
    /// Replaces the best by `other` if that is better, and widens the range if it is equally good. Of equals the one
    /// with most sub-channels represents all: no PSCCH is missed there.
    fn improve(best: &mut Option<Self>, mut other: Self) {
        if let Some(best) = best.as_ref().filter(|b| b.score >= other.score) {
            if best.score > other.score {
                return;
            }
            other.spread.widen(&best.spread);
            if (best.shape.num, other.shape.start) >= (other.shape.num, best.shape.start) {
                (other.shape, other.explained) = (best.shape, best.explained);
            }
        }
        *best = Some(other);
    }
}

impl Shape {
    fn of(pool: &V2xPool) -> Self {
        let V2xPool { size, num, start, adjacent, control_start, .. } = *pool;
        Self { size, num, start, adjacent, control_start }
    }

    /// Returns the pool of `num` sub-channels of `size` PRBs in which `seen` begins at sub-channel `m`.
    fn around(seen: &Observation, m: usize, size: usize, num: usize, adjacent: bool) -> Option<Self> {
        let beta = if adjacent { 2 } else { 0 };
        let start = seen.prbs.start.checked_sub(m * size + beta)?;
        let control_start = if adjacent { 0 } else { seen.control.checked_sub(2 * m)? };
        Some(Self { size, num, start, adjacent, control_start })
    }

    fn fits(&self, carrier_prbs: usize) -> bool {
        self.start + self.size * self.num <= carrier_prbs
            && (self.adjacent || self.control_start + 2 * self.num <= carrier_prbs)
    }

    fn control(&self, m: usize) -> usize {
        if self.adjacent { self.start + m * self.size } else { self.control_start + 2 * m }
    }

    fn control_index(&self, prb: usize) -> Option<usize> {
        let (start, step) = if self.adjacent { (self.start, self.size) } else { (self.control_start, 2) };
        let from = prb.checked_sub(start)?;
        (from.is_multiple_of(step) && from / step < self.num).then_some(from / step)
    }

    fn spread(&self) -> Spread {
        let control = if self.adjacent { 0 } else { self.control_start };
        let [size, num, start, control_start] = [self.size, self.num, self.start, control].map(|v| v..=v);
        Spread { size, num, start, control_start }
    }
}

impl Spread {
    /// Widens the range by another one.
    fn widen(&mut self, other: &Self) {
        let pairs = [
            (&mut self.size, &other.size),
            (&mut self.num, &other.num),
            (&mut self.start, &other.start),
            (&mut self.control_start, &other.control_start),
        ];
        for (range, other) in pairs {
            *range = *range.start().min(other.start())..=*range.end().max(other.end());
        }
    }
}

impl Supposed {
    /// Returns the pool as it is reported. Allocates.
    pub(super) fn report(&self, timed: bool) -> Learnt<V2xPool> {
        let is_open = |range: &RangeInclusive<usize>| range.start() != range.end();
        let parts = [
            (Part::Size, OpenValue::Seen, is_open(&self.spread.size)),
            (Part::Num, OpenValue::Most, is_open(&self.spread.num)),
            (
                Part::Start,
                OpenValue::Seen,
                is_open(&self.spread.start) || is_open(&self.spread.control_start),
            ),
            (Part::Bitmap, OpenValue::Default, true),
            (Part::SyncOffset, OpenValue::Default, true),
        ];
        let open = parts.into_iter().filter(|(.., open)| *open).map(|(part, value, _)| Open { part, value });
        let evidence = Evidence {
            control: u64::from(self.scis),
            blocks: u64::from(self.blocks),
            contradictions: u64::from(self.contradictions),
            timed,
            open: open.collect(),
        };
        Learnt { pool: self.pool.clone(), evidence }
    }
}
