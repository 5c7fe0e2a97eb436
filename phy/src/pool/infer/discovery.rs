//! Infers a discovery pool from decoded PSDCH (TS 36.213 §14.3).
//!
//! An announcing UE sends once in a period. In the right period the messages come evenly and lie in few subframes: a
//! shorter one is empty at times, in a longer one and in those that do not divide it they lie in more.

mod prbs;

use super::Clock;
use crate::pool::{DiscoveryPool, PoolPrbs};

/// Values of discPeriod in subframes (TS 36.331 §6.3.8; those below 320 are of later releases, from memory).
const PERIODS: [u32; 15] = [40, 60, 70, 80, 120, 140, 160, 240, 280, 320, 640, 1280, 2560, 5120, 10_240];

/// Longest bitmap and most repetitions that are accepted.
const LONGEST_BITMAP: usize = 100;
const MOST_REPETITIONS: usize = 50;

/// Numbers of messages and periods after which a pool is accepted.
const AGREEING_MESSAGES: usize = 6;
const AGREEING_PERIODS: usize = 3;

/// Required margin in likelihood over any period that is not a multiple of it: natural logarithm.
const MARGIN: f64 = 5.0;

/// Messages without another subframe, in groups of subframes of the period, after which the subframes count as
/// complete: in one of 20 pools a group is still missing.
const SATURATION: u64 = 3;

/// Cost in nats of a message that is missing where one is expected: one in ten is lost.
const MISSING: f64 = 2.3;

/// One of this many transmissions may contradict a pool.
const TOLERATED: u32 = 16;

/// Number of messages whose times are kept.
const MESSAGES: usize = 256;

/// Largest number of possible starts of a period that are tried.
const MOST_STARTS: usize = 320;

/// No transmission was observed here.
const UNSEEN: u8 = u8::MAX;

/// A decoded transmission of PSDCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoverySighting {
    /// Subframe, by the learner's clock.
    pub subframe: u64,
    /// Number of the transmission of its message, 0 to 3.
    pub transmission: u8,
    /// Whether its message was not seen before.
    pub is_new: bool,
}

/// Learns one pool. Nothing is allocated after construction.
pub struct DiscoveryLearner {
    clock: Clock,
    carrier_prbs: usize,
    folds: Vec<Fold>,
    sightings: u64,
    messages: u64,
    /// Subframes of the last messages, in a ring.
    times: Vec<u64>,
    transmissions: u8,
    places: prbs::Places,
}

/// A pool that agrees with all observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryFit {
    /// discPeriod in subframes.
    pub period: u32,
    /// Start of the first period, subframes.
    pub offset: u32,
    /// Subframe bitmap: its length, and a_0 in bit 0.
    pub bitmap: (usize, u128),
    /// numRepetition, repetitions of the bitmap in a period.
    pub repetitions: u32,
    /// Number of transmissions of a message.
    pub transmissions: u32,
    /// PRBs of the pool.
    pub prbs: PoolPrbs,
    /// Whether no other PRBs agree.
    pub is_prbs_exact: bool,
    /// Whether the subframes are probably complete: for long, no message came in another one.
    pub is_complete: bool,
    /// Numbers of transmissions and of messages that agree.
    pub agreeing: (u64, u64),
    /// Number of observations that contradict it.
    pub contradictions: u64,
}

/// Agreement of a period with the observations.
#[derive(Clone, Copy)]
struct Cost {
    /// Negative natural logarithm of its likelihood.
    nats: f64,
    /// Start of the period.
    start: usize,
    /// Periods with a message.
    periods: usize,
}

/// All observations, folded to one period.
struct Fold {
    period: u32,
    /// Number of the transmission of a message in each subframe.
    cells: Vec<u8>,
    used: u32,
    /// Number of messages at the time when a new subframe was used last.
    grown_at: u64,
    agreed: u32,
    contradicted: u32,
}

impl DiscoveryLearner {
    /// Makes a learner for a carrier.
    pub fn new(carrier_prbs: usize) -> Self {
        let fold = |&period: &u32| Fold {
            period,
            cells: vec![UNSEEN; period as usize],
            used: 0,
            grown_at: 0,
            agreed: 0,
            contradicted: 0,
        };
        Self {
            clock: Clock::Capture,
            carrier_prbs,
            folds: PERIODS.iter().map(fold).collect(),
            sightings: 0,
            messages: 0,
            times: Vec::with_capacity(MESSAGES),
            transmissions: 0,
            places: prbs::Places::new(),
        }
    }

    /// Clears everything; subframes are counted by `clock` from now on.
    pub fn restart(&mut self, clock: Clock) {
        for fold in &mut self.folds {
            fold.cells.fill(UNSEEN);
            (fold.used, fold.grown_at, fold.agreed, fold.contradicted) = (0, 0, 0, 0);
        }
        self.clock = clock;
        (self.sightings, self.messages, self.transmissions) = (0, 0, 0);
        self.times.clear();
        self.places.clear();
    }

    /// Returns the clock of the subframe counts.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Returns the number of messages that were added.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Adds a transmission.
    pub fn transmission(&mut self, sighting: DiscoverySighting) {
        self.sightings += 1;
        self.transmissions = self.transmissions.max(sighting.transmission + 1);
        for fold in &mut self.folds {
            let (at, _) = self.clock.fold(sighting.subframe, fold.period);
            if fold.cells[at] == UNSEEN {
                fold.cells[at] = sighting.transmission;
                (fold.used, fold.grown_at) = (fold.used + 1, self.messages);
            }
            if fold.cells[at] == sighting.transmission {
                fold.agreed += 1;
            } else {
                fold.contradicted += 1;
            }
        }
        if sighting.is_new {
            if self.times.len() < MESSAGES {
                self.times.push(sighting.subframe);
            } else {
                self.times[self.messages as usize % MESSAGES] = sighting.subframe;
            }
            self.messages += 1;
        }
    }

    /// Adds the first PRBs of the transmissions of one message; `None` for one that was not received.
    pub fn places(&mut self, prbs: [Option<usize>; 4]) {
        self.places.add(prbs);
    }

    /// Returns the pool, when there are enough observations and only one period agrees with them.
    pub fn fit(&mut self) -> Option<DiscoveryFit> {
        if self.times.len() < AGREEING_MESSAGES {
            return None;
        }
        let mut costs = [None; PERIODS.len()];
        for (cost, fold) in costs.iter_mut().zip(&self.folds) {
            *cost = fold.cost(self.clock, &self.times, self.transmissions);
        }
        let all = costs.iter().enumerate().filter_map(|(i, cost)| Some((i, (*cost)?)));
        let (best, Cost { nats, start, periods }) = all.min_by(|a, b| a.1.nats.total_cmp(&b.1.nats))?;
        let period = PERIODS[best];
        // a multiple of the right period agrees with everything too
        let competes = |i: usize| i != best && !PERIODS[i].is_multiple_of(period);
        let is_likelier = |other: &Option<Cost>| other.is_none_or(|other| other.nats >= nats + MARGIN);
        let is_clear = (0..costs.len()).filter(|&i| competes(i)).all(|i| is_likelier(&costs[i]));
        if periods < AGREEING_PERIODS || !is_clear {
            return None;
        }
        let fold = &self.folds[best];
        let groups = fold.used as u64 / self.transmissions.max(1) as u64;
        let is_complete = self.messages - fold.grown_at >= SATURATION * groups.max(3);
        let (bitmap, repetitions) = fold.bitmap(start, self.transmissions)?;
        let (prbs, is_prbs_exact) = self.places.fit(self.carrier_prbs, self.transmissions as usize)?;
        Some(DiscoveryFit {
            period,
            offset: start as u32,
            bitmap,
            repetitions,
            transmissions: self.transmissions as u32,
            prbs,
            is_prbs_exact,
            is_complete,
            agreeing: (self.sightings, self.messages),
            contradictions: fold.contradicted as u64,
        })
    }
}

impl Fold {
    /// Returns the cost of the observations with this period; `None` if they contradict it.
    fn cost(&self, clock: Clock, times: &[u64], transmissions: u8) -> Option<Cost> {
        if self.contradicted * TOLERATED > self.agreed {
            return None;
        }
        let groups = (self.used as f64 / transmissions.max(1) as f64).max(1.0);
        let (start, missing) = self.start(clock, times)?;
        let (_, periods) = self.missing(clock, times, start);
        Some(Cost { nats: times.len() as f64 * groups.ln() + MISSING * missing as f64, start, periods })
    }

    /// Returns the start of the period: after the longest pause; without one, where the messages come most evenly.
    /// Returns the number of missing messages as well.
    fn start(&self, clock: Clock, times: &[u64]) -> Option<(usize, usize)> {
        let period = self.period as usize;
        let first = (0..period).find(|&s| self.cells[s] == 0)?;
        let (mut pause, mut longest) = (0, (0, first));
        for at in (first + 1..=first + period).map(|at| at % period) {
            if self.cells[at] == UNSEEN {
                pause += 1;
                continue;
            }
            if self.cells[at] == 0 && pause > longest.0 {
                longest = (pause, at);
            }
            pause = 0;
        }
        if longest.0 > period / 8 {
            return Some((longest.1, self.missing(clock, times, longest.1).0));
        }
        let starts = (0..period).filter(|&s| self.cells[s] == 0).take(MOST_STARTS);
        let all = starts.map(|s| (s, self.missing(clock, times, s).0));
        all.min_by_key(|&(s, missing)| (missing, s != longest.1))
    }

    /// Returns the number of messages that are missing for every period to have as many as the fullest; a longer
    /// silence counts as one period. Returns the number of periods with messages as well.
    fn missing(&self, clock: Clock, times: &[u64], start: usize) -> (usize, usize) {
        let (mut periods, mut gaps, mut most, mut count) = (0, 0, 0, 0);
        let mut last = None;
        // the ring begins somewhere in the middle: its seam costs one period
        for &time in times {
            let (_, of) = clock.fold(time + self.period as u64 - start as u64, self.period);
            if last == Some(of) {
                count += 1;
            } else {
                gaps += usize::from(last.is_some_and(|last| of != last + 1));
                (periods, count, last) = (periods + 1, 1, Some(of));
            }
            most = most.max(count);
        }
        // the first and the last may be incomplete
        let all = most * (periods + gaps);
        (all.saturating_sub(times.len()).saturating_sub(most.saturating_sub(1)), periods)
    }

    /// Returns the bitmap from `start` on and its number of repetitions, if the transmissions of a message can follow
    /// each other in its subframes.
    fn bitmap(&self, start: usize, transmissions: u8) -> Option<((usize, u128), u32)> {
        let period = self.period as usize;
        let cell = |into: usize| self.cells[(start + into) % period];
        let len = (0..period).rev().find(|&into| cell(into) != UNSEEN)? + 1;
        // of the bitmaps that agree, the one with the fewest subframes without an observation
        let mut best: Option<(usize, usize, u128)> = None;
        for bits_len in 1..=len.min(LONGEST_BITMAP) {
            let repetitions = len.div_ceil(bits_len);
            if repetitions > MOST_REPETITIONS || bits_len * repetitions > period {
                continue;
            }
            let used = (0..len).filter(|&into| cell(into) != UNSEEN);
            let bits = used.fold(0u128, |bits, into| bits | 1 << (into % bits_len));
            let subframes = || (0..bits_len * repetitions).filter(|i| bits >> (i % bits_len) & 1 == 1);
            let seen = |i: usize| if i < len { cell(i) } else { UNSEEN };
            let agrees =
                |(l, i): (usize, usize)| [UNSEEN, (l % transmissions as usize) as u8].contains(&seen(i));
            let unseen = subframes().filter(|&i| seen(i) == UNSEEN).count();
            if best.is_none_or(|(least, ..)| unseen < least) && subframes().enumerate().all(agrees) {
                best = Some((unseen, bits_len, bits));
            }
        }
        let (_, bits_len, bits) = best?;
        Some(((bits_len, bits), len.div_ceil(bits_len) as u32))
    }
}

impl DiscoveryFit {
    /// Returns the pool. Allocates.
    pub fn pool(&self) -> DiscoveryPool {
        let (len, bits) = self.bitmap;
        DiscoveryPool {
            period: self.period,
            offset: self.offset,
            bitmap: (0..len).map(|i| bits >> i & 1 == 1).collect(),
            repetitions: self.repetitions,
            transmissions: self.transmissions,
            prbs: self.prbs,
        }
    }

    /// Returns the subframe in the period.
    pub fn phase(&self, clock: Clock, subframe: u64) -> usize {
        let (at, _) = clock.fold(subframe, self.period);
        (at + self.period as usize - self.offset as usize) % self.period as usize
    }

    /// Whether the pool has this subframe of the period.
    pub fn has_subframe(&self, into: usize) -> bool {
        let (len, bits) = self.bitmap;
        into < len * self.repetitions as usize && bits >> (into % len) & 1 == 1
    }
}

#[cfg(test)]
mod tests;
