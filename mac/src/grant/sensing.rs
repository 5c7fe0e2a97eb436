//! Resource selection of transmission mode 4: what was sensed, which resources remain, and for how long one is kept.
//! Read first: TS 36.213 §14.1.1.6 (steps 1 to 9, read), TS 36.321 §5.14.1.1 (counter and keeping, from memory).
//!
//! Time is the index k of t_k^SL (TS 36.213 §14.1.5), which the caller lets run on beyond 10240: subframes that can
//! never belong to a pool are not counted. A resource is a subframe and L contiguous sub-channels.

use std::collections::VecDeque;

use super::{Entropy, Error, uniform, within};

mod config;

pub use config::{Config, Dbm, HeardSci, MAX_SUBCHANNELS, P_STEP, Period, Request, Resource};

/// Thresholds raised this often exceed every power that a receiver reports.
const MAX_RAISES: u32 = 100;

/// The largest selection window: T2 is at most 100.
const MAX_WINDOW: usize = 101;

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
        let back =
            if window.period.milliseconds() >= 100 { u64::from(self.config.p_step) } else { window.steps };
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
