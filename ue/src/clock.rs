//! Sample counter <-> subframe <-> DFN <-> UTC: the single place where time is made.
//!
//! The radio's sample counter is the only clock. Everything else is a line through it: subframe `t` begins at sample
//! [`Clock::start_of`], and the slope includes the drift of the sample clock against the air. Subframes are counted
//! from an epoch of their own without wrapping; the DFN is the count modulo 10240 (TS 36.331 §5.10.13 for UTC:
//! subframes since 1900-01-01, from memory).
//!
//! Sources of the line:
//!
//! - [`Clock::from_utc`]: the radio knows UTC (GNSS, PPS, the host): subframes begin at whole milliseconds of UTC;
//! - [`Clock::from_subframe`]: a synchronisation signal was heard, and its MIB gave the number of its subframe; or
//!   nothing was heard, and the UE begins a count of its own.
//!
//! [`Clock::steer`] then corrects the line by measurements.

use sidelink_phy::units::DfnSubframe;
use sidelink_radio::{Anchor, T_REF_MS};
use sidelink_security::counter::UtcTime;

/// Fraction of a measured timing error that is corrected at once.
const GAIN: f64 = 0.5;

/// Fraction of the error that is attributed to drift, over the time between two measurements.
const DRIFT_GAIN: f64 = 0.12;

/// The largest drift that is accepted: 50 parts per million.
const MAX_DRIFT: f64 = 50e-6;

/// The line that maps subframes to samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Clock {
    rate: f64,
    /// Subframe that begins at sample `sample`.
    subframe: u64,
    sample: f64,
    /// Relative excess of the length of a subframe in samples over that of the nominal rate: the sample clock is too
    /// fast by it.
    drift: f64,
    /// UTC of sample 0.
    utc: Option<Anchor>,
    /// Subframe of the last correction.
    steered: Option<u64>,
}

impl Clock {
    /// Makes a clock whose subframes begin at whole milliseconds of UTC.
    pub fn from_utc(rate: f64, anchor: Anchor) -> Self {
        let ms = 1_000_000;
        let whole = anchor.utc_ns.div_euclid(ms) + i64::from(anchor.utc_ns.rem_euclid(ms) > 0);
        let ahead_ns = (whole * ms - anchor.utc_ns) as f64;
        let subframe = (whole + T_REF_MS).max(0) as u64;
        let sample = ahead_ns * 1e-9 * rate;
        Self { rate, subframe, sample, drift: 0.0, utc: Some(anchor), steered: None }
    }

    /// Makes a clock in which subframe `subframe` begins at sample `sample`, which may lie before the first sample.
    /// `utc` is the UTC of the radio, if it is known.
    pub fn from_subframe(rate: f64, subframe: u64, sample: f64, utc: Option<Anchor>) -> Self {
        Self { rate, subframe, sample, drift: 0.0, utc, steered: None }
    }

    /// Keeps the drift of the line `before` this one where both agree within `prefix` samples: the time was found again, and
    /// the sample clock is the same.
    pub fn keep_drift(self, before: Option<&Self>, prefix: usize) -> Self {
        let agrees = |before: &&Self| (before.start_of(self.subframe) - self.sample).abs() <= prefix as f64;
        Self { drift: before.filter(agrees).map_or(0.0, |before| before.drift), ..self }
    }

    /// The count nearest to `near` of the subframe that the air calls `dfn`.
    pub fn count_near(near: u64, dfn: DfnSubframe) -> u64 {
        let period = u64::from(sidelink_phy::units::SUBFRAMES_PER_DFN_PERIOD);
        let base = near - near % period + u64::from(dfn.count());
        [Some(base), Some(base + period), base.checked_sub(period)]
            .into_iter()
            .flatten()
            .min_by_key(|t| t.abs_diff(near))
            .unwrap_or(base)
    }

    /// Returns an approximate subframe count of sample 0, for a UE whose radio knows UTC roughly or not at all.
    pub fn rough_count(utc: Option<Anchor>) -> u64 {
        let ms = utc.map_or(0, |anchor| anchor.utc_ns.div_euclid(1_000_000));
        (ms + T_REF_MS).max(0) as u64
    }

    /// Returns the nominal sample rate in samples per second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns the length of a subframe in samples, with the estimated drift.
    pub fn subframe_samples(&self) -> f64 {
        self.rate * 1e-3 * (1.0 + self.drift)
    }

    /// Returns the first sample of a subframe, not rounded; negative before the radio's start.
    // TS 36.211 §9.10 (1)
    pub fn start_of(&self, subframe: u64) -> f64 {
        let ahead = subframe as i64 - self.subframe as i64;
        self.sample + ahead as f64 * self.subframe_samples()
    }

    /// Returns the subframe in which a sample lies.
    pub fn subframe_at(&self, sample: f64) -> u64 {
        let ahead = ((sample - self.sample) / self.subframe_samples()).floor();
        (self.subframe as i64 + ahead as i64).max(0) as u64
    }

    /// Returns the first subframe that begins at sample `sample` or later.
    pub fn first_whole(&self, sample: u64) -> u64 {
        let t = self.subframe_at(sample as f64);
        if self.start_of(t).round() < sample as f64 { t + 1 } else { t }
    }

    /// Returns the DFN and subframe number of a subframe.
    pub fn dfn(subframe: u64) -> DfnSubframe {
        DfnSubframe::from_count(subframe)
    }

    /// Returns the UTC at which a subframe begins; `None` when UTC is unknown.
    pub fn utc(&self, subframe: u64) -> Option<UtcTime> {
        let anchor = self.utc?;
        let ns = anchor.utc_ns as f64 + self.start_of(subframe) / self.rate * 1e9;
        Some(UtcTime::from_millis((ns / 1e6).round().max(0.0) as u64))
    }

    /// Returns the uncertainty of UTC in milliseconds, rounded up.
    pub fn utc_uncertainty_millis(&self) -> Option<u64> {
        self.utc.map(|anchor| anchor.uncertainty_ns.div_ceil(1_000_000))
    }

    /// Returns the relative excess of the sample clock's rate against the air.
    pub fn drift(&self) -> f64 {
        self.drift
    }

    /// Corrects the clock: a signal of subframe `subframe` arrived `late` seconds later than the clock predicts. The
    /// line bends at that subframe.
    pub fn steer(&mut self, subframe: u64, late: f64) {
        let at = self.start_of(subframe);
        if let Some(before) = self.steered
            && subframe > before
        {
            let seconds = (subframe - before) as f64 * 1e-3;
            self.drift = (self.drift + DRIFT_GAIN * late / seconds).clamp(-MAX_DRIFT, MAX_DRIFT);
        }
        self.steered = Some(subframe);
        self.subframe = subframe;
        self.sample = at + GAIN * late * self.rate;
    }

    /// Follows a step of the radio's sample counter: the sample that was number `n` is now number `n + by`.
    pub fn jumped(&mut self, by: i64) {
        self.sample += by as f64;
        if let Some(anchor) = &mut self.utc {
            anchor.utc_ns -= (by as f64 / self.rate * 1e9).round() as i64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_radio::next_dfn_period;

    const RATE: f64 = 15.36e6;

    #[test]
    fn subframes_begin_at_whole_milliseconds_of_utc() {
        let anchor = Anchor { utc_ns: 1_700_000_000_000_250_000, uncertainty_ns: 1_500_000 };
        let clock = Clock::from_utc(RATE, anchor);
        let first = clock.subframe_at(0.75e-3 * RATE);
        assert_eq!(clock.start_of(first), 0.75e-3 * RATE);
        assert_eq!(clock.utc(first).unwrap().millis(), 1_700_000_000_001);
        assert_eq!(clock.utc(first + 5).unwrap().millis(), 1_700_000_000_006);
        assert_eq!(clock.utc_uncertainty_millis(), Some(2));
        // 1900-01-01 was subframe 0 of DFN 0
        let ms = 1_700_000_000_001_u64 + T_REF_MS as u64;
        assert_eq!(u64::from(Clock::dfn(first).count()), ms % 10_240);
    }

    #[test]
    fn a_dfn_period_begins_at_most_10_24_s_later() {
        for utc_ns in [1_700_000_000_000_250_000, 1_700_000_000_000_000_000, 1_700_000_005_120_000_000, 0] {
            let at = next_dfn_period(utc_ns);
            assert!((utc_ns..utc_ns + 10_240_000_000).contains(&at), "{at}");
            let clock = Clock::from_utc(RATE, Anchor { utc_ns: at, uncertainty_ns: 0 });
            let first = clock.subframe_at(0.0);
            assert_eq!((clock.start_of(first), Clock::dfn(first).count()), (0.0, 0));
            assert_eq!(next_dfn_period(at), at);
        }
    }

    #[test]
    fn the_count_is_the_nearest_of_that_name() {
        for (near, dfn, wanted) in
            [(10_239, 0, 10_240), (10_241, 10_239, 10_239), (0, 10_239, 10_239), (30_000, 9_520, 30_000)]
        {
            assert_eq!(Clock::count_near(near, DfnSubframe::from_count(dfn)), wanted);
        }
    }

    #[test]
    // TS 36.211 §9.10 (1)
    fn steering_takes_out_delay_and_drift() {
        // our sample clock is 20 ppm too fast, and the count began 3 us early
        let truth = |t: u64| 3e-6 * RATE + t as f64 * RATE * 1e-3 * (1.0 + 20e-6);
        let mut clock = Clock::from_subframe(RATE, 0, 0.0, None);
        for t in (0..4000).step_by(40) {
            clock.steer(t, (truth(t) - clock.start_of(t)) / RATE);
        }
        let error = (truth(4039) - clock.start_of(4039)) / RATE;
        assert!(error.abs() < 0.05e-6, "{error}");
        assert!((clock.drift() - 20e-6).abs() < 0.5e-6, "{}", clock.drift());
        assert_eq!(clock.utc(17), None);
    }

    #[test]
    fn the_drift_outlives_a_reference_that_is_found_again() {
        let before = Clock { drift: 12e-6, ..Clock::from_subframe(RATE, 1000, 15_360_000.0, None) };
        let found = |late: f64| {
            let sample = before.start_of(5000) + late;
            Clock::from_subframe(RATE, 5000, sample, None).keep_drift(Some(&before), 72)
        };
        assert_eq!((found(-60.0).drift(), found(60.0).drift()), (12e-6, 12e-6));
        assert_eq!((found(-80.0).drift(), found(80.0).drift()), (0.0, 0.0));
        assert_eq!(Clock::from_subframe(RATE, 0, 0.0, None).keep_drift(None, 72).drift(), 0.0);
    }

    #[test]
    fn a_jump_of_the_counter_changes_nothing_on_the_air() {
        let anchor = Anchor { utc_ns: 1_700_000_000_000_000_000, uncertainty_ns: 0 };
        let mut clock = Clock::from_utc(RATE, anchor);
        let t = clock.subframe_at(1.5e6);
        let (start, utc) = (clock.start_of(t), clock.utc(t));
        clock.jumped(-7);
        assert_eq!(clock.start_of(t), start - 7.0);
        assert_eq!(clock.utc(t), utc);
    }
}
