//! Resource selection of transmission mode 4: what was sensed, which resources remain, and for how long one is kept.
//! Read first: TS 36.213 §14.1.1.6 (steps 1 to 9, read), TS 36.321 §5.14.1.1 (counter and keeping, from memory).
//!
//! Time is the index k of t_k^SL (TS 36.213 §14.1.5), which the caller lets run on beyond 10240: subframes that can
//! never belong to a pool are not counted. A resource is a subframe and L contiguous sub-channels.

use std::collections::VecDeque;

use super::{Entropy, Error, uniform, within};

/// A power in dBm.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Dbm(pub f32);

impl Dbm {
    fn milliwatts(self) -> f32 {
        10f32.powf(self.0 / 10.0)
    }
}

/// P_step of FDD and of TDD configuration 6 and up. TS 36.213 Table 14.1.1.6-1.
pub const P_STEP: u32 = 100;

/// The largest number of sub-channels of a pool. TS 36.331 §6.3.8.
pub const MAX_SUBCHANNELS: u8 = 20;

/// Thresholds raised this often exceed every power that a receiver reports.
const MAX_RAISES: u32 = 100;

/// The largest selection window: T2 is at most 100.
const MAX_WINDOW: usize = 101;

/// A reservation period P_rsvp. TS 36.321 §5.14.1.1, TS 36.213 Table 14.2.1-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(u16);

impl Period {
    /// 20, 50, or 100 to 1000 milliseconds in steps of 100.
    pub fn from_milliseconds(milliseconds: u16) -> Result<Self, Error> {
        match milliseconds {
            20 | 50 => Ok(Self(milliseconds)),
            100..=1000 if milliseconds.is_multiple_of(100) => Ok(Self(milliseconds)),
            _ => Err(Error::OutOfRange {
                what: "reservation period",
                value: milliseconds.into(),
                min: 20,
                max: 1000,
            }),
        }
    }

    /// From the 4-bit field of SCI format 1; `None` for no reservation and for reserved values.
    pub fn from_sci(field: u8) -> Option<Self> {
        match field {
            1..=10 => Some(Self(u16::from(field) * 100)),
            0b1011 => Some(Self(50)),
            0b1100 => Some(Self(20)),
            _ => None,
        }
    }

    /// The 4-bit field of SCI format 1.
    pub const fn sci(self) -> u8 {
        match self.0 {
            50 => 0b1011,
            20 => 0b1100,
            hundreds => (hundreds / 100) as u8,
        }
    }

    /// P'_rsvp = P_step P_rsvp / 100, in indices of t^SL.
    fn steps(self, p_step: u32) -> u64 {
        u64::from(p_step) * u64::from(self.0) / 100
    }

    /// How often the reservation repeats inside 100 ms when it is shorter than that.
    fn per_hundred(self) -> u64 {
        if self.0 < 100 { 100 / u64::from(self.0) } else { 1 }
    }

    /// The range of SL_RESOURCE_RESELECTION_COUNTER.
    const fn counter_range(self) -> (u32, u32) {
        match self.0 {
            20 => (25, 75),
            50 => (10, 30),
            _ => (5, 15),
        }
    }
}

/// A pool and the rules of its use.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Sub-channels of the pool, 1 to 20.
    pub subchannels: u8,
    /// The pool's bitmap over t^SL, repeated for ever; one entry for a pool of all subframes.
    pub bitmap: Vec<bool>,
    /// P_step.
    pub p_step: u32,
    /// T1 and T2, the selection window after the request: T1 <= 4, 20 <= T2 <= 100.
    pub window: (u8, u8),
    /// SL-ThresPSSCH-RSRP for (own priority, other's priority), both 1 to 8, row by row: 0 is minus infinity, n is
    /// -128 + 2 (n - 1) dBm, 66 is plus infinity (TS 36.331 §6.3.8, from memory).
    pub thresholds: [u8; 64],
    /// The periods that the pool allows (restrictResourceReservationPeriod).
    pub periods: Vec<Period>,
    /// probResourceKeep in fifths, 0 to 4.
    pub keep_fifths: u8,
}

impl Config {
    /// A pool of all subframes with the widest window, one threshold for all priorities and every period.
    pub fn new(subchannels: u8, threshold: u8) -> Self {
        let periods = [20, 50].into_iter().chain((1..=10).map(|hundreds| hundreds * 100)).map(Period);
        Self {
            subchannels,
            bitmap: vec![true],
            p_step: P_STEP,
            window: (4, 100),
            thresholds: [threshold; 64],
            periods: periods.collect(),
            keep_fifths: 0,
        }
    }

    fn check(&self) -> Result<(), Error> {
        within("sub-channels", self.subchannels.into(), 1, MAX_SUBCHANNELS.into())?;
        within("T1", self.window.0.into(), 0, 4)?;
        within("T2", self.window.1.into(), 20, 100)?;
        within("P_step", self.p_step, 10, 100)?;
        within("probResourceKeep in fifths", self.keep_fifths.into(), 0, 4)?;
        for &threshold in &self.thresholds {
            within("SL-ThresPSSCH-RSRP", threshold.into(), 0, 66)?;
        }
        if !self.bitmap.contains(&true) {
            return Err(Error::NothingToChoose { what: "subframe" });
        }
        Ok(())
    }

    fn in_pool(&self, k: u64) -> bool {
        self.bitmap[(k % self.bitmap.len() as u64) as usize]
    }

    /// The threshold for a pair of priorities, raised by `raised` steps of 3 dB; `None` is plus infinity.
    fn threshold(&self, own: u8, other: u8, raised: u32) -> Option<Dbm> {
        let index = usize::from(own.clamp(1, 8) - 1) * 8 + usize::from(other.clamp(1, 8) - 1);
        match self.thresholds[index] {
            0 => Some(Dbm(f32::NEG_INFINITY)),
            66.. => None,
            n => Some(Dbm(-128.0 + 2.0 * f32::from(n - 1) + 3.0 * raised as f32)),
        }
    }
}

/// What an SCI of another UE told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeardSci {
    /// Subframe in which it came, index of t^SL.
    pub subframe: u64,
    /// First sub-channel.
    pub first: u8,
    /// Sub-channels.
    pub length: u8,
    /// Priority, 1 to 8.
    pub priority: u8,
    /// Reservation, if any.
    pub period: Option<Period>,
    /// PSSCH-RSRP.
    pub rsrp: Dbm,
    /// The other transmission of the same block: subframes from this one, and its first sub-channel.
    pub other: Option<(i8, u8)>,
}

/// A candidate single-subframe resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Index of t^SL.
    pub subframe: u64,
    /// First sub-channel.
    pub first: u8,
    /// Sub-channels.
    pub length: u8,
}

/// What the higher layers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The subframe n of the request, index of t^SL.
    pub now: u64,
    /// Contiguous sub-channels.
    pub length: u8,
    /// Own priority, 1 to 8.
    pub priority: u8,
    /// Own reservation period.
    pub period: Period,
    /// Whether each block is sent twice.
    pub retransmit: bool,
}

/// A sensed subframe of the last 10 P_step.
#[derive(Debug, Clone, Copy)]
struct Slot {
    subframe: u64,
    monitored: bool,
}

/// The memory of 10 P_step subframes, and the choice over it. Allocates at construction only.
#[derive(Debug, Clone)]
pub struct Sensing {
    config: Config,
    slots: Vec<Slot>,
    /// S-RSSI in milliwatts, one row of sub-channels a slot.
    s_rssi: Vec<f32>,
    heard: VecDeque<HeardSci>,
    ranked: Vec<(f32, u64, Resource)>,
}

/// The outcome of the nine steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidates<'a> {
    /// S_B: the resources that are reported to MAC with their rank, best first.
    ranked: &'a [(f32, u64, Resource)],
    /// M_total.
    pub total: usize,
    /// How often the thresholds were raised by 3 dB.
    pub raised: u32,
}

impl Candidates<'_> {
    /// The resources, best first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Resource> + '_ {
        self.ranked.iter().map(|&(_, _, resource)| resource)
    }
}

impl Sensing {
    /// Nothing sensed yet.
    pub fn new(config: Config) -> Result<Self, Error> {
        config.check()?;
        let len = 10 * config.p_step as usize;
        let per_subframe = usize::from(config.subchannels);
        Ok(Self {
            slots: vec![Slot { subframe: u64::MAX, monitored: false }; len],
            s_rssi: vec![0.0; len * per_subframe],
            heard: VecDeque::with_capacity(len * per_subframe),
            ranked: Vec::with_capacity(MAX_WINDOW * per_subframe),
            config,
        })
    }

    /// The pool and its rules.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Records a subframe: the S-RSSI of each sub-channel, or that the UE could not listen because it sent itself.
    /// Missing sub-channels count as silent.
    pub fn record_subframe(&mut self, subframe: u64, s_rssi: Option<&[Dbm]>) {
        let per_subframe = usize::from(self.config.subchannels);
        let at = self.slot(subframe);
        self.slots[at] = Slot { subframe, monitored: s_rssi.is_some() };
        let row = &mut self.s_rssi[at * per_subframe..][..per_subframe];
        row.fill(0.0);
        for (to, from) in row.iter_mut().zip(s_rssi.unwrap_or(&[])) {
            *to = from.milliwatts();
        }
    }

    /// Records an SCI. One that names no resource of this pool is ignored; the oldest gives way when too many come.
    pub fn record_sci(&mut self, sci: HeardSci) {
        let inside = sci.first.checked_add(sci.length).is_some_and(|end| end <= self.config.subchannels);
        if sci.length == 0 || !inside {
            return;
        }
        if self.heard.len() == self.heard.capacity() {
            self.heard.pop_front();
        }
        self.heard.push_back(sci);
    }

    /// Steps 1 to 9 for a request whose reservation lasts `c_resel` = 10 SL_RESOURCE_RESELECTION_COUNTER periods.
    /// Equal ranks are ordered by chance.
    pub fn candidates(
        &mut self,
        request: &Request,
        c_resel: u32,
        entropy: &mut (impl Entropy + ?Sized),
    ) -> Result<Candidates<'_>, Error> {
        within("sub-channels of a request", request.length.into(), 1, self.config.subchannels.into())?;
        if !self.config.periods.contains(&request.period) {
            return Err(Error::NothingToChoose { what: "such reservation period" });
        }
        // Subframes before the memory have no say any more.
        let oldest = request.now.saturating_sub(self.slots.len() as u64);
        self.heard.retain(|sci| (oldest..request.now).contains(&sci.subframe));

        let mut window = Window::new(&self.config, request, c_resel);
        let total = window.count();
        if total == 0 {
            return Err(Error::NothingToChoose { what: "subframe in the selection window" });
        }
        self.exclude_unmonitored(&mut window, oldest);
        let monitored = window.clone();
        let needed = total.div_ceil(5);
        let mut raised = 0;
        loop {
            let liftable = self.exclude_reserved(&mut window, raised);
            if window.count() >= needed || !liftable || raised == MAX_RAISES {
                break;
            }
            raised += 1;
            window.free = monitored.free;
        }
        if window.count() == 0 {
            return Err(Error::NothingToChoose { what: "resource that was sensed and is free" });
        }
        self.rank(&window, entropy);
        self.ranked.truncate(needed);
        Ok(Candidates { ranked: &self.ranked, total, raised })
    }

    /// Step 5: what a UE would have reserved in a subframe that was not monitored.
    fn exclude_unmonitored(&self, window: &mut Window, oldest: u64) {
        for subframe in oldest..window.now {
            let slot = &self.slots[self.slot(subframe)];
            if !self.config.in_pool(subframe) || (slot.subframe == subframe && slot.monitored) {
                continue;
            }
            for &period in &self.config.periods {
                window.exclude_repeats(subframe, period, self.config.p_step, u32::MAX);
            }
        }
    }

    /// Step 6: what others reserved and is heard above the threshold. Returns whether a higher threshold would
    /// exclude less.
    fn exclude_reserved(&self, window: &mut Window, raised: u32) -> bool {
        let mut liftable = false;
        for sci in &self.heard {
            let threshold = self.config.threshold(window.priority, sci.priority, raised);
            let (Some(period), Some(threshold)) = (sci.period, threshold) else { continue };
            if sci.rsrp <= threshold {
                continue;
            }
            liftable |= threshold.0.is_finite();
            let starts = window.overlapping(sci.first, sci.length);
            window.exclude_repeats(sci.subframe, period, self.config.p_step, starts);
            if let Some((gap, first)) = sci.other
                && let Some(subframe) = sci.subframe.checked_add_signed(gap.into())
            {
                let starts = window.overlapping(first, sci.length);
                window.exclude_repeats(subframe, period, self.config.p_step, starts);
            }
        }
        liftable
    }

    /// Steps 8 and 9: the mean S-RSSI of each remaining resource one period back, two, ..., lowest first.
    fn rank(&mut self, window: &Window, entropy: &mut (impl Entropy + ?Sized)) {
        let per_subframe = usize::from(self.config.subchannels);
        let back = if window.period.0 >= 100 { u64::from(self.config.p_step) } else { window.steps };
        self.ranked.clear();
        for resource in window.resources() {
            let (mut sum, mut count) = (0.0f32, 0u32);
            let mut subframe = resource.subframe;
            for _ in 0..10 * self.config.p_step as u64 / back + MAX_WINDOW as u64 / back + 1 {
                let Some(earlier) = subframe.checked_sub(back) else { break };
                subframe = earlier;
                let at = self.slot(subframe);
                if self.slots[at].subframe != subframe || !self.slots[at].monitored {
                    continue;
                }
                let row = &self.s_rssi[at * per_subframe + usize::from(resource.first)..];
                sum += row[..usize::from(resource.length)].iter().sum::<f32>();
                count += u32::from(resource.length);
            }
            // Never measured: behind all that were.
            let mean = if count == 0 { f32::INFINITY } else { sum / count as f32 };
            self.ranked.push((mean, entropy.next_u64(), resource));
        }
        self.ranked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }

    fn slot(&self, subframe: u64) -> usize {
        (subframe % self.slots.len() as u64) as usize
    }
}

/// The selection window: for each of its subframes the first sub-channels that are still free, as bits.
#[derive(Debug, Clone)]
struct Window {
    now: u64,
    first: u64,
    len: usize,
    free: [u32; MAX_WINDOW],
    length: u8,
    subchannels: u8,
    priority: u8,
    period: Period,
    /// Own P'_rsvp.
    steps: u64,
    c_resel: u64,
}

impl Window {
    fn new(config: &Config, request: &Request, c_resel: u32) -> Self {
        let (t1, t2) = config.window;
        let first = request.now + u64::from(t1);
        let len = usize::from(t2 - t1) + 1;
        let all = (1 << (config.subchannels - request.length + 1)) - 1;
        let mut free = [0; MAX_WINDOW];
        for (offset, starts) in free[..len].iter_mut().enumerate() {
            *starts = if config.in_pool(first + offset as u64) { all } else { 0 };
        }
        Self {
            now: request.now,
            first,
            len,
            free,
            length: request.length,
            subchannels: config.subchannels,
            priority: request.priority,
            period: request.period,
            steps: request.period.steps(config.p_step).max(1),
            c_resel: u64::from(c_resel.max(1)),
        }
    }

    fn count(&self) -> usize {
        self.free[..self.len].iter().map(|starts| starts.count_ones() as usize).sum()
    }

    fn resources(&self) -> impl Iterator<Item = Resource> + '_ {
        let subframes = self.free[..self.len].iter().enumerate();
        subframes.flat_map(move |(offset, &starts)| {
            let subframe = self.first + offset as u64;
            let bits = (0..self.subchannels).filter(move |&first| starts >> first & 1 == 1);
            bits.map(move |first| Resource { subframe, first, length: self.length })
        })
    }

    /// The starts at which `length` own sub-channels would overlap sub-channels `first..first + other`.
    fn overlapping(&self, first: u8, other: u8) -> u32 {
        let starts = (0..self.subchannels).filter(|&own| own < first + other && own + self.length > first);
        starts.fold(0, |mask, start| mask | 1 << start)
    }

    /// Removes the `starts` in each subframe of which a repetition, own every P'_rsvp_TX, meets one of the other UE's
    /// repetitions after `heard`. Another UE's period below 100 ms counts several times, but only when it was heard
    /// within the last period.
    fn exclude_repeats(&mut self, heard: u64, period: Period, p_step: u32, starts: u32) {
        let steps = period.steps(p_step);
        let recent = self.now.saturating_sub(heard) <= steps;
        let repeats = if recent { period.per_hundred() } else { 1 };
        for q in 1..=repeats {
            let busy = heard + q * steps;
            for (offset, free) in self.free[..self.len].iter_mut().enumerate() {
                let Some(distance) = busy.checked_sub(self.first + offset as u64) else { break };
                if distance.is_multiple_of(self.steps) && distance / self.steps < self.c_resel {
                    *free &= !starts;
                }
            }
        }
    }
}

/// A semi-persistent choice and its counter. TS 36.321 §5.14.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    request: Request,
    steps: u64,
    keep_fifths: u8,
    /// SL_RESOURCE_RESELECTION_COUNTER.
    counter: u32,
    /// Drawn when the counter is 1: whether the resource is kept afterwards.
    keeps: bool,
    first: Resource,
    second: Option<Resource>,
}

impl Reservation {
    /// Draws the counter and a resource, and a second one for the retransmission where the first leaves a choice
    /// within 15 subframes.
    pub fn select(
        sensing: &mut Sensing,
        request: Request,
        entropy: &mut (impl Entropy + ?Sized),
    ) -> Result<Self, Error> {
        let counter = draw_counter(request.period, entropy);
        let steps = request.period.steps(sensing.config.p_step).max(1);
        let keep_fifths = sensing.config.keep_fifths;
        let candidates = sensing.candidates(&request, 10 * counter, entropy)?;
        let index = uniform(entropy, candidates.ranked.len() as u32) as usize;
        let chosen = candidates.ranked[index].2;
        let mut other = None;
        if request.retransmit {
            let near = || {
                candidates.iter().filter(|resource| {
                    let gap = resource.subframe.abs_diff(chosen.subframe);
                    (1..=15).contains(&gap) && !gap.is_multiple_of(steps)
                })
            };
            other = near().nth(uniform(entropy, near().count() as u32) as usize);
        }
        let (first, second) = match other {
            Some(other) if other.subframe < chosen.subframe => (other, Some(chosen)),
            other => (chosen, other),
        };
        let mut reservation = Self { request, steps, keep_fifths, counter, keeps: false, first, second };
        reservation.decide(entropy);
        Ok(reservation)
    }

    /// The next transmission, and its retransmission if there is one.
    pub const fn next(&self) -> (Resource, Option<Resource>) {
        (self.first, self.second)
    }

    /// What the SCI of the next transmission announces: the period as long as the resource will be used again.
    pub const fn announced(&self) -> Option<Period> {
        if self.counter > 1 || self.keeps { Some(self.request.period) } else { None }
    }

    /// SL_RESOURCE_RESELECTION_COUNTER.
    pub const fn counter(&self) -> u32 {
        self.counter
    }

    /// Moves on after a transmission. Returns whether the resource stays; when it does not, select anew.
    pub fn advance(&mut self, entropy: &mut (impl Entropy + ?Sized)) -> bool {
        self.counter = self.counter.saturating_sub(1);
        if self.counter == 0 {
            if !self.keeps {
                return false;
            }
            self.counter = draw_counter(self.request.period, entropy);
        }
        self.first.subframe += self.steps;
        if let Some(second) = &mut self.second {
            second.subframe += self.steps;
        }
        self.decide(entropy);
        true
    }

    fn decide(&mut self, entropy: &mut (impl Entropy + ?Sized)) {
        self.keeps = self.counter == 1 && uniform(entropy, 5) < u32::from(self.keep_fifths);
    }
}

fn draw_counter(period: Period, entropy: &mut (impl Entropy + ?Sized)) -> u32 {
    let (low, high) = period.counter_range();
    low + uniform(entropy, high - low + 1)
}

#[cfg(test)]
mod tests;
