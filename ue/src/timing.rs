//! Acquisition, tracking and loss of time: the search for references, and the clock that follows from one.

use super::Ue;
use super::latency_stats::Stage;
use super::silence::Lateness;
use super::sync::{Candidate, Role, SyncConfig};
use crate::clock::Clock;
use crate::mapping;
use sidelink_phy::receive::reference;
use sidelink_phy::units::Decibel;

/// Subframes of a search for references in addition to one period: the signal's subframe is whole wherever the search
/// begins.
pub(super) const SEARCH_MARGIN: usize = 2;

/// Subframes between two searches while the reference is not received at its offset.
const MISSED_AGAIN: u64 = 80;

/// Subframes for which a UE without its reference keeps its time against references that contradict it.
const CONTRADICTED_AFTER: u64 = 5000;

impl Ue {
    /// Handles a step of the radio's clock just before sample `first`: the count of subframes goes on, or is acquired
    /// again where others give it. Samples from before the step have the old count, and are not touched.
    pub(super) fn answer_jump(&mut self, first: u64) {
        let off = (first as i64).saturating_sub(self.streams.first().next() as i64);
        if self.jump == 0 || off.saturating_sub(self.jump).abs() >= off.abs() {
            return;
        }
        let by = std::mem::take(&mut self.jump);
        // Sample 0 of the new count was at another time.
        self.anchor.utc_ns -= (by as f64 / self.numerology.sample_rate().0 * 1e9).round() as i64;
        if self.sync.config().absolute {
            if let Some(clock) = &mut self.clock {
                clock.jumped(by);
            }
        } else {
            self.clock = None;
            self.sync.restart();
            self.streams.clear();
        }
    }

    /// Removes silent references, and searches for others from time to time. A search takes longer than a subframe, so
    /// it needs `time` to be [`Lateness::InTime`].
    pub(super) fn follow(&mut self, t: u64, time: Lateness) {
        if time == Lateness::Deaf {
            return self.sync.missed();
        }
        let draw = self.rng.next_u64();
        if self.sync.tick(t, draw) {
            self.totals.reference_changes += 1;
            let (name, id) = (&self.name, self.sync.role());
            self.contradicted_after = t + CONTRADICTED_AFTER;
            tracing::info!("{name}: the reference is lost in subframe {t}; now {id:?}");
        }
        if time != Lateness::InTime {
            return;
        }
        let free = matches!(self.sync.role(), Role::Reference | Role::Following(..));
        if free && t >= self.searched + self.search_after {
            self.searched = t;
            self.search_after = 1500 + draw % 1000;
            let may_contradict = self.sync.role() == Role::Reference && t >= self.contradicted_after;
            if let Some(candidate) = self.best_candidate(may_contradict, false) {
                self.take_time(candidate);
            }
            self.latency_stats.mark(Stage::Sync);
        } else if t >= self.searched + MISSED_AGAIN && self.sync.misses_reference(t) {
            self.searched = t;
            if let Some(candidate) = self.best_candidate(false, true) {
                self.take_time(candidate);
            }
            self.latency_stats.mark(Stage::Sync);
        }
    }

    /// Returns the subframes to be kept: a whole stretch only while a search may be due before one has come in, otherwise
    /// no more than what a subframe is cut from. So the samples of a UE that has its time stay in the processor's cache.
    pub(super) fn kept_subframes(&self) -> u64 {
        /// Subframes from which one is cut, and the block of the notch behind it.
        const CUT: u64 = 3;
        let stretch = u64::from(self.sync.config().period) + SEARCH_MARGIN as u64 + 1;
        let due = self.next + stretch >= self.searched + self.search_after;
        let needed = match self.sync.role() {
            _ if self.clock.is_none() => true,
            Role::Absolute => false,
            Role::Searching => true,
            Role::Reference => due,
            Role::Following(..) => due || self.sync.is_overdue(self.next),
        };
        if needed { stretch } else { CUT }
    }

    /// Acquires the time: searches for references, or begins a count of its own after too many searches.
    pub(super) fn look_for_time(&mut self) {
        let n = self.numerology.subframe_samples();
        let stretch = (self.sync.config().period as usize + SEARCH_MARGIN) * n;
        if self.streams.first().samples().len() < stretch {
            return;
        }
        if let Some(candidate) = self.best_candidate(true, false) {
            self.take_time(candidate);
            return;
        }
        self.searched += (stretch / n) as u64;
        if self.searched < self.patience {
            // The next stretch overlaps this one, so that no signal is cut.
            self.streams.keep_last(SEARCH_MARGIN * n);
            return;
        }
        let draw = self.rng.next_u64();
        self.sync.begin(draw);
        let sample = self.streams.first().next();
        let count = Clock::rough_count(Some(self.anchor)) + sample / n as u64;
        let clock =
            Clock::from_subframe(self.numerology.sample_rate().0, count, sample as f64, Some(self.anchor));
        tracing::info!("{}: no reference is heard; the UE becomes one itself", self.name);
        self.set_clock(clock);
    }

    /// Returns the best reference in the kept samples by the rules of selection. Unless it `may_contradict` our time,
    /// only one that agrees with it is returned: anyone can repeat an old synchronisation signal. Where the reference
    /// is `missed`, the strongest that agrees replaces it: usually the same UE, restarted some samples away.
    fn best_candidate(&mut self, may_contradict: bool, missed: bool) -> Option<reference::Candidate> {
        let Self { search, streams, sync, .. } = self;
        let framer = streams.first();
        let search = search.as_mut()?;
        let n = self.numerology.subframe_samples() as f64;
        let stretch = (sync.config().period as usize + SEARCH_MARGIN) * n as usize;
        let skipped = framer.samples().len().saturating_sub(stretch);
        let kept = streams.kept(skipped);
        let mut best = None;
        let mut strongest = Decibel(f64::NEG_INFINITY);
        let followed = sync.role();
        search.search_antennas(&kept[..streams.antennas().count()], &mut |candidate| {
            let Some(mib) = mapping::parse_mib_sl(payload(&candidate.mib, sync.config())) else { return };
            let period = u64::from(sync.config().period);
            let offset = (u64::from(candidate.time.count()) % period) as u32;
            let power = Decibel::of_ratio_f32(candidate.measurement.signal.max(1e-20));
            let rough = framer.first() as f64 + skipped as f64 + candidate.sample;
            let near = match &self.clock {
                Some(clock) => clock.subframe_at(rough),
                None => Clock::rough_count(Some(self.anchor)) + (rough / n) as u64,
            };
            let heard = Clock::count_near(near, candidate.time);
            let agrees = self.clock.as_ref().is_none_or(|clock| clock.subframe_at(rough + n / 2.0) == heard);
            if !agrees && !may_contradict {
                return;
            }
            let selected = sync.heard(Candidate { id: candidate.id, mib, offset, power, heard });
            if !missed && selected {
                best = Some(candidate);
            } else if missed && power > strongest && !passes_on(followed, &candidate, offset) {
                strongest = power;
                sync.follow(candidate.id, offset);
                best = Some(candidate);
            }
        });
        best.map(|candidate| reference::Candidate {
            sample: framer.first() as f64 + skipped as f64 + candidate.sample,
            ..candidate
        })
    }

    /// Follows a reference whose subframe began at sample `candidate.sample` of the stream.
    fn take_time(&mut self, candidate: reference::Candidate) {
        let n = self.numerology.subframe_samples();
        let rough = Clock::rough_count(Some(self.anchor)) + (candidate.sample.max(0.0) / n as f64) as u64;
        let near = self.clock.as_ref().map_or(rough, |clock| clock.subframe_at(candidate.sample));
        let count = Clock::count_near(near, candidate.time);
        self.cfo = candidate.measurement.cfo;
        self.totals.reference_changes += 1;
        tracing::info!("{}: follows {} at sample {:.0}", self.name, candidate.id, candidate.sample);
        let rate = self.numerology.sample_rate().0;
        let clock = Clock::from_subframe(rate, count, candidate.sample, Some(self.anchor));
        self.set_clock(clock.keep_drift(self.clock.as_ref(), self.numerology.cp_samples(1)));
    }

    fn set_clock(&mut self, clock: Clock) {
        // Two subframes later, so that no promise of the old time is broken; the count itself may go back.
        self.next =
            clock.first_whole(self.streams.first().next() + 2 * self.numerology.subframe_samples() as u64);
        self.searched = self.next;
        self.search_after = 1500 + self.rng.next_u64() % 1000;
        self.clock = Some(clock);
    }
}

/// Whether a candidate relays the time of the followed reference: it will lose that reference as we do, and two UEs
/// that follow each other would drift away together.
fn passes_on(followed: Role, candidate: &reference::Candidate, offset: u32) -> bool {
    matches!(followed, Role::Following(id, at) if id == candidate.id && at != offset)
}

fn payload<'a>(mib: &'a [u8; 48], config: &SyncConfig) -> &'a [u8] {
    // Modes 3 and 4 have a period of 160 subframes and 48 bits.
    if config.period == 160 { mib } else { &mib[..40] }
}
