//! Resource selection of transmission mode 4: what was sensed, which resources remain, and for how long one is kept.
//! Read first: TS 36.213 §14.1.1.6 (steps 1 to 9), TS 36.321 §5.14.1.1, §5.14.1.2.2 (counter and keeping).
//!
//! Time is the index k of t_k^SL (TS 36.213 §14.1.5), which the caller lets run on beyond 10240: subframes that can
//! never belong to a pool are not counted. A resource is a subframe and L contiguous sub-channels.
//!
//! ```text
//! monitored.rs    monitored subframes: a bit for each, written once                         step 5
//! reserved.rs     reservations of other UEs, by the reserved subframe, written once         step 6
//! window.rs       the resources that may still be chosen
//! reservation.rs  one resource and its counter
//! ```
//!
//! Recording a subframe or an SCI takes well under a microsecond, a selection some ten. The work of the steps is done
//! when something is received: a UE that has fallen behind can afford to select.
//!
//! Step 5 is bounded (ours). It excludes all that any UE might have reserved in a subframe that was not monitored, for
//! each period that the pool allows: a UE that missed a hundred subframes in a row could select nothing for a second,
//! and one that misses a tenth of all subframes could never select. If step 5 leaves less than a fifth, only the
//! periods that were observed count; if that still leaves too little, step 5 is left out, as step 5a of the same
//! procedure in NR does (TS 38.214 §8.1.4, from memory). Neither holds in the first second of sensing, nor while less
//! than [`LEAST_MONITORED`] of the last P_step subframes were monitored: a UE that hears nothing stays silent.

use sidelink_wire::rng::Rng;

use super::{Error, within};

mod config;
mod monitored;
mod reservation;
mod reserved;
#[cfg(test)]
mod scalar;
mod window;

pub use config::{Config, Dbm, HeardSci, MAX_SUBCHANNELS, P_STEP, Period, Request, Resource};
pub use reservation::{Occasion, Reservation};

use monitored::Monitored;
use reserved::Reserved;
use window::{MAX_WINDOW, Window};

/// Limit of raises. Thresholds raised this often exceed every power that a receiver reports.
const MAX_RAISES: u32 = 100;

/// The share of the last P_step subframes, in percent, that must have been monitored before step 5 is relaxed.
pub const LEAST_MONITORED: u64 = 20;

/// The memory of 10 P_step subframes, and the selection over it. Allocates at construction only.
#[derive(Debug, Clone)]
pub struct Sensing {
    config: Config,
    monitored: Monitored,
    reserved: Reserved,
    /// The subframe of each row of `s_rssi`; `u64::MAX` where it was not monitored.
    rows: Vec<u64>,
    /// S-RSSI in milliwatts, one row of sub-channels a subframe.
    s_rssi: Vec<f32>,
    /// Sums of step 8, one row of sub-channels for each residue of subframes, and how many rows each sums.
    sums: Vec<f32>,
    summed: Vec<u32>,
    ranked: Vec<(f32, u64, Resource)>,
}

/// Treatment of subframes that were not monitored, in step 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Everything that might have been reserved in them was excluded, as the step is written.
    AllPeriods,
    /// Only reservations with periods that were observed were excluded.
    HeardPeriods,
    /// Nothing was excluded for them.
    Ignored,
}

/// The outcome of the nine steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidates<'a> {
    /// S_B: the resources that are reported to MAC with their rank, best first.
    ranked: &'a [(f32, u64, Resource)],
    /// M_total.
    pub total: usize,
    /// Number of times that the thresholds were raised by 3 dB.
    pub raised: u32,
    /// Treatment of subframes that were not monitored.
    pub missed: Missed,
}

impl Candidates<'_> {
    /// Returns the resources, best first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Resource> + '_ {
        self.ranked.iter().map(|&(_, _, resource)| resource)
    }
}

impl Sensing {
    /// Makes a memory without any sensed subframe.
    pub fn new(config: Config) -> Result<Self, Error> {
        config.check()?;
        let len = 10 * config.p_step as usize;
        let per_subframe = usize::from(config.subchannels);
        Ok(Self {
            monitored: Monitored::new(len as u64),
            reserved: Reserved::new(&config),
            rows: vec![u64::MAX; len],
            s_rssi: vec![0.0; len * per_subframe],
            sums: vec![0.0; config.p_step as usize * per_subframe],
            summed: vec![0; config.p_step as usize],
            ranked: Vec::with_capacity(MAX_WINDOW * per_subframe),
            config,
        })
    }

    /// Returns the pool and its rules.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Records a subframe: the S-RSSI of each sub-channel, or `None` if the UE did not monitor it, because it
    /// transmitted or was too slow. Missing sub-channels count as silent. Subframes that are not recorded were not
    /// monitored.
    pub fn record_subframe(&mut self, subframe: u64, s_rssi: Option<&[Dbm]>) {
        if self.monitored.record(subframe, s_rssi.is_some(), &self.config) == monitored::Time::WentBack {
            self.reserved.clear();
        }
        let per_subframe = usize::from(self.config.subchannels);
        let at = (subframe % self.rows.len() as u64) as usize;
        let Some(s_rssi) = s_rssi else {
            self.rows[at] = u64::MAX;
            return;
        };
        self.rows[at] = subframe;
        let row = &mut self.s_rssi[at * per_subframe..][..per_subframe];
        row.fill(0.0);
        for (to, from) in row.iter_mut().zip(s_rssi) {
            *to = from.milliwatts();
        }
    }

    /// Records an SCI. One that names no resource of this pool is ignored.
    pub fn record_sci(&mut self, sci: HeardSci) {
        let inside = sci.first.checked_add(sci.length).is_some_and(|end| end <= self.config.subchannels);
        if sci.length > 0 && inside {
            self.reserved.record(&sci, &self.config);
        }
    }

    /// Runs steps 1 to 9 for a request whose reservation lasts `c_resel` = 10 SL_RESOURCE_RESELECTION_COUNTER periods.
    /// Equal ranks are ordered at random.
    ///
    /// # Errors
    /// A request that the pool does not allow, no free resource, or too few monitored subframes.
    pub fn candidates(
        &mut self,
        request: &Request,
        c_resel: u32,
        entropy: &mut (impl Rng + ?Sized),
    ) -> Result<Candidates<'_>, Error> {
        within("sub-channels of a request", request.length.into(), 1, self.config.subchannels.into())?;
        if let Some(t2) = request.t2 {
            let (t1, t2_max) = self.config.window;
            within("T2 of a request", t2.into(), t1.into(), t2_max.into())?;
        }
        // TS 36.321 §5.14.1.1 (18)
        if !self.config.periods.contains(&request.period) {
            return Err(Error::NothingToChoose { what: "such reservation period" });
        }
        self.monitored.reach(request.now, &self.config);
        let mut window = Window::new(&self.config, request, c_resel);
        // TS 36.213 §14.1.1.6 step 4
        let total = window.count();
        if total == 0 {
            return Err(Error::NothingToChoose { what: "subframe in the selection window" });
        }
        // TS 36.213 §14.1.1.6 step 7
        let needed = total.div_ceil(5);
        let missed = self.exclude_missed(&mut window, needed)?;
        self.reserved.measure(&mut window, &self.config);
        let raised = window.exclude_reserved(needed);
        if window.count() == 0 {
            return Err(Error::NothingToChoose { what: "resource that was sensed and is free" });
        }
        self.rank(&window, needed, entropy);
        Ok(Candidates { ranked: &self.ranked, total, raised, missed })
    }

    /// Runs step 5 with its bound.
    fn exclude_missed(&self, window: &mut Window, needed: usize) -> Result<Missed, Error> {
        let all = window.clone();
        window.exclude(self.monitored.missed(window, self.config.periods.iter().copied()));
        if window.count() >= needed {
            return Ok(Missed::AllPeriods);
        }
        if let Some(left) = self.monitored.first_second(window.now) {
            // As the step is written: nothing is relaxed in the first second of sensing.
            return if window.count() > 0 { Ok(Missed::AllPeriods) } else { Err(Error::Listening { left }) };
        }
        let (heard, of) = self.monitored.lately(window.now, self.config.p_step.into(), &self.config);
        if heard * 100 < of * LEAST_MONITORED {
            return Err(Error::Deaf { monitored: heard as u32, of: of as u32 });
        }
        *window = all.clone();
        window.exclude(self.monitored.missed(window, self.reserved.periods(window.now, &self.config)));
        if window.count() >= needed {
            return Ok(Missed::HeardPeriods);
        }
        *window = all;
        Ok(Missed::Ignored)
    }

    /// Runs steps 8 and 9: the mean S-RSSI of each remaining resource one period back, two, ..., lowest first. Only the
    /// best `needed` are kept.
    // TS 36.213 §14.1.1.6 step 8
    fn rank(&mut self, window: &Window, needed: usize, entropy: &mut (impl Rng + ?Sized)) {
        let per_subframe = usize::from(self.config.subchannels);
        let long = window.period.milliseconds() >= 100;
        let back = if long { u64::from(self.config.p_step) } else { window.steps };
        self.sum(window.now, back);
        self.ranked.clear();
        for resource in window.resources() {
            let residue = (resource.subframe % back) as usize;
            let row = &self.sums[residue * per_subframe + usize::from(resource.first)..];
            let sum: f32 = row[..usize::from(resource.length)].iter().sum();
            let count = self.summed[residue] * u32::from(resource.length);
            // Never measured: ranked behind all that were.
            let mean = if count == 0 { f32::INFINITY } else { sum / count as f32 };
            self.ranked.push((mean, entropy.next_u64(), resource));
        }
        let order =
            |a: &(f32, u64, Resource), b: &(f32, u64, Resource)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        // TS 36.213 §14.1.1.6 step 9
        if needed < self.ranked.len() {
            self.ranked.select_nth_unstable_by(needed, order);
            self.ranked.truncate(needed);
        }
        self.ranked.sort_unstable_by(order);
    }

    /// Sums the S-RSSI of all subframes of a residue modulo `back`.
    // TS 36.213 §14.1.1.6 step 8
    fn sum(&mut self, now: u64, back: u64) {
        let per_subframe = usize::from(self.config.subchannels);
        let memory = now.saturating_sub(self.rows.len() as u64)..now;
        self.sums.fill(0.0);
        self.summed.fill(0);
        for (subframe, row) in self.rows.iter().zip(self.s_rssi.chunks_exact(per_subframe)) {
            if memory.contains(subframe) {
                let residue = (subframe % back) as usize;
                self.summed[residue] += 1;
                let sums = &mut self.sums[residue * per_subframe..][..per_subframe];
                for (sum, power) in sums.iter_mut().zip(row) {
                    *sum += power;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
