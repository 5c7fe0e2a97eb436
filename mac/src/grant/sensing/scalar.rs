//! Reference for the bookkeeping of [`Sensing`](super::Sensing): the nine steps as they are written, one loop for each
//! letter, over everything that was recorded. TS 36.213 §14.1.1.6.

use std::collections::{BTreeMap, BTreeSet};

use super::{Config, HeardSci, LEAST_MONITORED, MAX_RAISES, Missed, P_STEP, Period, Request};

/// Everything that was recorded.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    config: Config,
    began: Option<u64>,
    /// S-RSSI in milliwatts of the subframes that were monitored.
    monitored: BTreeMap<u64, Vec<f32>>,
    heard: Vec<HeardSci>,
}

/// The remaining resources, and their mean S-RSSI.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Left {
    pub(super) mean: BTreeMap<(u64, u8), f32>,
    pub(super) raised: u32,
    pub(super) missed: Missed,
}

impl Scalar {
    pub(super) fn new(config: Config) -> Self {
        Self { config, began: None, monitored: BTreeMap::new(), heard: Vec::new() }
    }

    pub(super) fn record_subframe(&mut self, subframe: u64, milliwatts: Option<Vec<f32>>) {
        self.began.get_or_insert(subframe);
        match milliwatts {
            Some(row) => self.monitored.insert(subframe, row),
            None => self.monitored.remove(&subframe),
        };
    }

    pub(super) fn record_sci(&mut self, sci: HeardSci) {
        if sci.length > 0 && sci.first + sci.length <= self.config.subchannels {
            self.heard.push(sci);
        }
    }

    /// Runs steps 1 to 8; `None` if nothing may be selected.
    pub(super) fn left(&self, request: &Request, c_resel: u32) -> Option<Left> {
        let config = &self.config;
        let (t1, t2) = (config.window.0, request.t2.unwrap_or(config.window.1));
        let all: BTreeSet<(u64, u8)> = (request.now + u64::from(t1)..=request.now + u64::from(t2))
            .filter(|&y| config.in_pool(y))
            .flat_map(|y| (0..=config.subchannels - request.length).map(move |x| (y, x)))
            .collect();
        let needed = all.len().div_ceil(5);
        let memory = 10 * u64::from(config.p_step);
        let step5 = |periods: &[Period]| {
            let busy = self.missed(request, memory, periods);
            let mut left = all.clone();
            left.retain(|&(y, _)| !self.meets(y, request, c_resel, |k| busy.contains(&k)));
            left
        };
        let (mut left, mut missed) = (step5(&config.periods), Missed::AllPeriods);
        if left.len() < needed && self.began.is_some_and(|began| began + memory <= request.now) {
            let lately =
                (request.now.saturating_sub(P_STEP.into())..request.now).filter(|&k| config.in_pool(k));
            let (of, heard) =
                (lately.clone().count(), lately.filter(|k| self.monitored.contains_key(k)).count());
            if (heard as u64) * 100 < of as u64 * LEAST_MONITORED {
                return None;
            }
            (left, missed) = (step5(&self.heard_periods(request.now, memory)), Missed::HeardPeriods);
            if left.len() < needed {
                (left, missed) = (all.clone(), Missed::Ignored);
            }
        }
        let mut raised = 0;
        let left = loop {
            let free = self.without_reserved(&left, request, c_resel, memory, raised);
            if free.len() >= needed || raised == MAX_RAISES {
                break free;
            }
            raised += 1;
        };
        let mean = left.into_iter().map(|(y, x)| ((y, x), self.mean(y, x, request, memory))).collect();
        Some(Left { mean, raised, missed })
    }

    /// Whether an own repetition of subframe `y` meets a subframe for which `busy` holds.
    fn meets(&self, y: u64, request: &Request, c_resel: u32, busy: impl Fn(u64) -> bool) -> bool {
        let own = request.period.steps(self.config.p_step);
        // Nothing is reserved beyond a second and the reach of a retransmission.
        let reach = request.now + 1100;
        (0..u64::from(c_resel)).map(|j| y + j * own).take_while(|k| *k < reach).any(busy)
    }

    fn repeats(now: u64, heard: u64, period: Period) -> u64 {
        let recent = now.saturating_sub(heard) <= u64::from(period.milliseconds());
        if period.milliseconds() < 100 && recent { 100 / u64::from(period.milliseconds()) } else { 1 }
    }

    /// Runs step 5: returns the subframes that may have been reserved in those that were not monitored.
    fn missed(&self, request: &Request, memory: u64, periods: &[Period]) -> BTreeSet<u64> {
        let missed = (request.now.saturating_sub(memory)..request.now)
            .filter(|z| self.config.in_pool(*z) && !self.monitored.contains_key(z));
        missed
            .flat_map(|z| {
                periods.iter().flat_map(move |&period| {
                    let repeats = Self::repeats(request.now, z, period);
                    (1..=repeats).map(move |q| z + q * u64::from(period.milliseconds()))
                })
            })
            .collect()
    }

    fn heard_periods(&self, now: u64, memory: u64) -> Vec<Period> {
        let heard = |period: &&Period| {
            self.heard.iter().any(|sci| sci.period == Some(**period) && sci.subframe + memory >= now)
        };
        self.config.periods.iter().filter(heard).copied().collect()
    }

    /// Runs step 6 with thresholds raised `raised` times.
    fn without_reserved(
        &self,
        left: &BTreeSet<(u64, u8)>,
        request: &Request,
        c_resel: u32,
        memory: u64,
        raised: u32,
    ) -> BTreeSet<(u64, u8)> {
        let mut busy: BTreeMap<u64, Vec<(u8, u8)>> = BTreeMap::new();
        for sci in &self.heard {
            let threshold = self.config.threshold(request.priority, sci.priority, raised);
            if threshold.is_none_or(|threshold| sci.rsrp <= threshold) {
                continue;
            }
            let other = sci
                .other
                .and_then(|(gap, first)| Some((sci.subframe.checked_add_signed(gap.into())?, first)));
            for (subframe, first) in [Some((sci.subframe, sci.first)), other].into_iter().flatten() {
                // The resources that the SCI itself names, those of a retransmission to come among them.
                busy.entry(subframe).or_default().push((first, first.saturating_add(sci.length)));
                let Some(period) = sci.period else { continue };
                // Each transmission counts as long as its own subframe is in the memory.
                if subframe + memory < request.now {
                    continue;
                }
                for q in 1..=Self::repeats(request.now, sci.subframe, period) {
                    let at = subframe + q * u64::from(period.milliseconds());
                    busy.entry(at).or_default().push((first, first.saturating_add(sci.length)));
                }
            }
        }
        let free = |&(y, x): &(u64, u8)| {
            !self.meets(y, request, c_resel, |k| {
                let overlaps = |&(from, to): &(u8, u8)| x < to && x + request.length > from;
                busy.get(&k).is_some_and(|places| places.iter().any(overlaps))
            })
        };
        left.iter().filter(|resource| free(resource)).copied().collect()
    }

    /// Runs step 8.
    fn mean(&self, y: u64, x: u8, request: &Request, memory: u64) -> f32 {
        let own = request.period.milliseconds();
        let back = u64::from(if own >= 100 { 100 } else { own });
        let earlier =
            (1..).map(|j| y.checked_sub(j * back)).map_while(|k| k.filter(|k| k + memory >= request.now));
        let rows = earlier.filter(|k| *k < request.now).filter_map(|k| self.monitored.get(&k));
        let powers = rows.flat_map(|row| &row[usize::from(x)..usize::from(x + request.length)]);
        let (sum, count) = powers.fold((0.0, 0), |(sum, count), power| (sum + f64::from(*power), count + 1));
        if count == 0 { f32::INFINITY } else { (sum / f64::from(count)) as f32 }
    }
}
