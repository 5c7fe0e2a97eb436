//! Reservations of other UEs, by the reserved subframe (TS 36.213 §14.1.1.6, step 6).
//!
//! The exclusion grows with the power of a reservation: of all reservations of a sub-channel in a subframe only the
//! strongest counts. One number is kept for each class of priorities with the same thresholds.

use core::ops::Range;
use std::collections::VecDeque;

use super::config::{Config, Dbm, HeardSci, MAX_SUBCHANNELS, Period};
use super::window::Window;

/// Subframes beyond the memory that are kept: a retransmission comes up to 15 later, and some are spare.
const BEYOND: u64 = 128;

/// Largest distance between the two transmissions of a block, subframes.
const FARTHEST: u64 = 15;

/// Number of ProSe per-packet priorities.
const PRIORITIES: usize = 8;

/// A reserved resource.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Subframe of the transmission that reserved it.
    subframe: u64,
    /// The subframe in which the SCI came that says so.
    heard: u64,
    first: u8,
    length: u8,
    class: usize,
    rsrp: f32,
    period: Period,
}

#[derive(Debug, Clone)]
pub(super) struct Reserved {
    /// PSSCH-RSRP of the strongest reservation of each class and sub-channel, one row a subframe.
    strongest: Vec<f32>,
    /// Subframe of each row.
    rows: Vec<u64>,
    /// Periods below 100 ms: these repeat within 100 ms while they are new.
    short: VecDeque<Place>,
    /// Class of each priority: those with the same thresholds share one.
    class: [usize; PRIORITIES],
    /// A priority of each class.
    priority: Vec<u8>,
    /// Last subframe in which each period was observed, in the order of [`Config::periods`].
    heard: Vec<Option<u64>>,
    memory: u64,
    subchannels: usize,
}

impl Reserved {
    pub(super) fn new(config: &Config) -> Self {
        let column = |other: usize| config.thresholds.iter().skip(other).step_by(PRIORITIES);
        let mut class = [0; PRIORITIES];
        let mut priority: Vec<u8> = Vec::with_capacity(PRIORITIES);
        for other in 0..PRIORITIES {
            let same = priority.iter().position(|&p| column(usize::from(p) - 1).eq(column(other)));
            class[other] = same.unwrap_or(priority.len());
            if same.is_none() {
                priority.push(other as u8 + 1);
            }
        }
        let memory = 10 * u64::from(config.p_step);
        let (rows, subchannels) = ((memory + BEYOND) as usize, usize::from(config.subchannels));
        Self {
            strongest: vec![f32::NEG_INFINITY; rows * priority.len() * subchannels],
            rows: vec![u64::MAX; rows],
            short: VecDeque::with_capacity((config.p_step as usize + FARTHEST as usize) * 2 * subchannels),
            class,
            priority,
            heard: vec![None; config.periods.len()],
            memory,
            subchannels,
        }
    }

    pub(super) fn clear(&mut self) {
        self.rows.fill(u64::MAX);
        self.short.clear();
        self.heard.fill(None);
    }

    /// Records what an SCI announces: the retransmission of its own block, with a reservation or without, and what comes
    /// again after the period (TS 36.213 §14.1.1.6 step 6, §14.1.1.4C).
    // TS 36.213 §14.1.1.6 step 6 (1)
    pub(super) fn record(&mut self, sci: &HeardSci, config: &Config) {
        let class = self.class[usize::from(sci.priority.clamp(1, 8) - 1)];
        // A power that is no number cannot be below a threshold.
        let rsrp = if sci.rsrp.0.is_nan() { f32::INFINITY } else { sci.rsrp.0 };
        let gap = |gap: i8| sci.subframe.checked_add_signed(gap.into());
        let other = sci.other.and_then(|(at, first)| Some((gap(at)?, first)));
        // TS 36.213 §14.1.1.6 step 6 (2)
        if let Some((subframe, first)) = other.filter(|(subframe, _)| *subframe > sci.subframe) {
            self.note(subframe, first..first.saturating_add(sci.length), class, rsrp);
        }
        let Some(period) = sci.period else { return };
        if let Some(at) = config.periods.iter().position(|p| *p == period) {
            self.heard[at] = self.heard[at].max(Some(sci.subframe));
        }
        let place = Place {
            subframe: sci.subframe,
            heard: sci.subframe,
            first: sci.first,
            length: sci.length,
            class,
            rsrp,
            period,
        };
        self.place(place, config);
        if let Some((subframe, first)) = other {
            // TS 36.213 §14 par. 8 (2)
            self.place(Place { subframe, first, ..place }, config);
        }
    }

    fn place(&mut self, place: Place, config: &Config) {
        let reserved = place.subframe + place.period.steps(config.p_step);
        let subchannels = place.first..place.first.saturating_add(place.length);
        self.note(reserved, subchannels, place.class, place.rsrp);
        if place.period.per_hundred() > 1 {
            if self.short.len() == self.short.capacity() {
                self.short.pop_front();
            }
            self.short.push_back(place);
        }
    }

    /// Notes that sub-channels of a subframe are taken.
    fn note(&mut self, subframe: u64, subchannels: Range<u8>, class: usize, rsrp: f32) {
        let at = (subframe % self.rows.len() as u64) as usize;
        let width = self.priority.len() * self.subchannels;
        let row = &mut self.strongest[at * width..][..width];
        if self.rows[at] != subframe {
            self.rows[at] = subframe;
            row.fill(f32::NEG_INFINITY);
        }
        for m in subchannels.map(usize::from).filter(|m| *m < self.subchannels) {
            let strongest = &mut row[class * self.subchannels + m];
            *strongest = strongest.max(rsrp);
        }
    }

    /// The periods that were heard within the memory.
    pub(super) fn periods<'a>(&'a self, now: u64, config: &'a Config) -> impl Iterator<Item = Period> + 'a {
        let lately = move |at: &Option<u64>| at.is_some_and(|at| at + self.memory >= now);
        config.periods.iter().zip(&self.heard).filter(move |(_, at)| lately(at)).map(|(period, _)| *period)
    }

    /// Enters in the window how often the thresholds must be raised before each of its resources is free.
    pub(super) fn measure(&self, window: &mut Window, config: &Config) {
        for offset in 0..window.len() {
            if !window.is_taken(offset) {
                self.measure_subframe(window, offset, config);
            }
        }
        for place in &self.short {
            let steps = place.period.steps(config.p_step);
            // The age is that of the SCI, whichever of the two transmissions comes again.
            // TS 36.213 §14.1.1.6 step 6 (3)
            if window.now.saturating_sub(place.heard) > steps {
                continue;
            }
            let raises = self.raises(window.priority, place.class, place.rsrp, config);
            for q in 2..=place.period.per_hundred() {
                window.reserve(place.subframe + q * steps, place.first, place.length, raises);
            }
        }
    }

    // TS 36.213 §14.1.1.6 step 6 (1)
    fn measure_subframe(&self, window: &mut Window, offset: usize, config: &Config) {
        let first = window.first + offset as u64;
        let mut strongest = [[f32::NEG_INFINITY; MAX_SUBCHANNELS as usize]; PRIORITIES];
        let mut any = false;
        for j in 0..window.c_resel {
            let subframe = first + j * window.steps;
            if subframe >= window.now + self.memory + BEYOND / 2 {
                break;
            }
            let at = (subframe % self.rows.len() as u64) as usize;
            if self.rows[at] != subframe {
                continue;
            }
            any = true;
            let rows = self.strongest.chunks_exact(self.subchannels).skip(at * self.priority.len());
            for (strongest, row) in strongest.iter_mut().zip(rows.take(self.priority.len())) {
                for (strongest, rsrp) in strongest.iter_mut().zip(row) {
                    *strongest = strongest.max(*rsrp);
                }
            }
        }
        for (class, strongest) in strongest.iter().enumerate().take(self.priority.len()).filter(|_| any) {
            for (m, &rsrp) in strongest.iter().enumerate().filter(|(_, rsrp)| **rsrp > f32::NEG_INFINITY) {
                window.raise(offset, m, self.raises(window.priority, class, rsrp, config));
            }
        }
    }

    /// Returns how often the threshold must be raised until the power no longer exceeds it; more than
    /// [`super::MAX_RAISES`] means never.
    fn raises(&self, own: u8, class: usize, rsrp: f32, config: &Config) -> u32 {
        let exceeded =
            |raised: u32| config.threshold(own, self.priority[class], raised).is_some_and(|t| Dbm(rsrp) > t);
        if !exceeded(0) {
            return 0;
        }
        if exceeded(super::MAX_RAISES) {
            return super::MAX_RAISES + 1;
        }
        let (mut below, mut enough) = (0, super::MAX_RAISES);
        while below + 1 < enough {
            let middle = (below + enough) / 2;
            if exceeded(middle) { below = middle } else { enough = middle }
        }
        enough
    }
}
