//! Doubt of a timing: when it arises, what is tried instead, and what confirms it.

use super::super::diversity::Views;
use super::super::receiver::Event;
use super::hunt::{Hypothesis, Reach, Source};
use super::{
    BELIEVED, BURST, DOUBT_AFTER, Emit, Heard, LONGEST_PATIENCE, Lock, Powers, Spectrum, StreamReceiver,
};
use crate::units::Hertz;

/// Ranges without a result in which everything is tried; afterwards every [`SELDOM`]th.
const EAGER: u64 = 3;
const SELDOM: u64 = 8;

/// Hypotheses of one kind that are tried at most.
const TRIES: usize = 6;

/// Carrier offsets that differ by less are one hypothesis.
const SAME_OFFSET: Hertz = Hertz(4e3);

/// Evidence that replaces an accepted timing: a block, a MIB with its signals, or three SCIs.
const REPLACES: u32 = 3;

/// Fraction of a subframe (its inverse) up to which a later begin counts as insertion; more counts as a loss.
const INSERTED: i64 = 8;

/// Another timing while it is tried.
struct Trial {
    source: Source,
    /// Evidence that it takes.
    needed: u32,
    /// What is told once there is enough evidence.
    lost: Option<Lost>,
    /// Sample at which the next subframe begins, and its number.
    at: i64,
    k: u64,
    heard: Heard,
    /// End of the last subframe that added evidence.
    heard_at: i64,
}

/// Samples that were lost or inserted.
#[derive(Clone, Copy)]
struct Lost {
    /// Sample up to which the timing before was heard.
    since: i64,
    /// How much later subframes begin, in samples.
    shift: i64,
}

impl Trial {
    fn evidence(&self) -> u32 {
        self.heard.speaks_for(self.source)
    }
}

impl StreamReceiver {
    /// Records a reception with the present timing.
    pub(super) fn confirm(&mut self, evidence: u32) {
        let k = self.subframes;
        let at = self.next;
        let Some(lock) = &mut self.lock else { return };
        lock.evidence = lock.evidence.saturating_add(evidence);
        lock.heard_at = at;
        lock.look_at = k + DOUBT_AFTER;
        lock.patience = 1;
        lock.wait_until = k;
        lock.busy += (1.0 - lock.busy) / 16.0;
        if lock.unexplained > 0 {
            lock.unexplained = 0;
            self.hunter.unfold();
        }
        // the samples of receptions are explained: another timing is tried on later samples only
        self.history.trim(at.min(self.history.end()));
    }

    /// Records that the subframe that began at sample `at` had no reception.
    pub(super) fn doubt(&mut self, at: i64, power: Powers, last: bool, emit: &mut Emit<'_>) {
        let k = self.subframes;
        let burst = power.iter().zip(self.floor).any(|(&power, floor)| power > BURST * floor);
        let Some(lock) = &mut self.lock else { return };
        lock.busy -= lock.busy / 16.0;
        // one pause of a permanent transmitter is not a reason, two in a row are
        if burst || lock.busy > 0.4 && (lock.unexplained > 0 || lock.busy < 0.8) {
            lock.unexplained += 1;
            if lock.unexplained == 1 {
                self.hunter.unfold();
            }
            self.hunter.fold(&Views::new(self.subframe.iter().map(|samples| &samples[..])), at);
            if lock.unexplained.is_power_of_two() && k >= lock.wait_until {
                self.suspect(last, emit);
                return;
            }
        }
        if k >= lock.look_at {
            lock.look_at = k + DOUBT_AFTER;
            let believed = lock.evidence >= BELIEVED;
            if self.look(believed, last, emit) {
                return;
            }
            self.misses += 1;
            if let Some(lock) = &mut self.lock {
                lock.unexplained = 0;
            }
        }
    }

    /// Checks subframes with power and without a reception: are their prefixes elsewhere?
    fn suspect(&mut self, last: bool, emit: &mut Emit<'_>) {
        let near = self.receiver.common_cfo();
        let n = self.numerology.subframe_samples() as i64;
        let found = self.hunter.folded(near, self.next.rem_euclid(n) as usize);
        if self.try_all(found, 0, last, emit) {
            return;
        }
        let k = self.subframes;
        if let Some(lock) = &mut self.lock {
            lock.wait_until = k + lock.patience;
            lock.patience = (2 * lock.patience).min(LONGEST_PATIENCE);
        }
    }

    /// Tries all hypotheses on a range, without a lock.
    pub(super) fn hunt(&mut self, last: bool, emit: &mut Emit<'_>) -> bool {
        if self.history.len() == 0 {
            return false;
        }
        if self.look(false, last, emit) {
            return true;
        }
        // generated and cut recordings begin with a subframe
        let begin = (self.next - self.history.start()) as isize;
        let assumed =
            Hypothesis { begin, cfo: self.receiver.common_cfo(), source: Source::Assumption, score: 0.0 };
        let origin = self.history.start();
        self.attempt(&assumed, origin, last, emit)
    }

    /// Searches a timing in all samples without a reception; with `believed` only one like the present one.
    fn look(&mut self, believed: bool, last: bool, emit: &mut Emit<'_>) -> bool {
        let near = self.receiver.common_cfo();
        if self.look_at(near, last, emit)
            || near != Hertz(0.0) && !believed && self.look_at(Hertz(0.0), last, emit)
        {
            return true;
        }
        if believed || !(last || self.misses < EAGER || self.misses.is_multiple_of(SELDOM)) {
            return false;
        }
        if self.look_far(Reach::Offset, last, emit) {
            return true;
        }
        self.turn_round();
        if self.look_at(Hertz(0.0), last, emit) || self.look_far(Reach::Offset, last, emit) {
            return true;
        }
        self.turn_round();
        (last || self.misses.is_multiple_of(SELDOM * SELDOM)) && self.look_far(Reach::Beside, last, emit)
    }

    fn look_at(&mut self, near: Hertz, last: bool, emit: &mut Emit<'_>) -> bool {
        let origin = self.history.start();
        let n = self.numerology.subframe_samples() as i64;
        let believed = self.lock.filter(|lock| lock.evidence >= BELIEVED);
        let held = believed.map(|_| (self.next - origin).rem_euclid(n) as usize);
        for by_signals in [true, false] {
            let stretch = self.history.all();
            let found = if by_signals {
                self.hunter.signals(&stretch, near)
            } else {
                self.hunter.prefixes(&stretch, near, held)
            };
            if self.try_all(found, origin, last, emit) {
                return true;
            }
        }
        false
    }

    /// Searches synchronisation signals with larger offsets.
    fn look_far(&mut self, reach: Reach, last: bool, emit: &mut Emit<'_>) -> bool {
        let origin = self.history.start();
        let found = self.hunter.signals_far(&self.history.all(), reach);
        self.try_all(found, origin, last, emit)
    }

    /// Tries the hypotheses of the hunter.
    fn try_all(&mut self, found: usize, origin: i64, last: bool, emit: &mut Emit<'_>) -> bool {
        (0..found.min(TRIES)).any(|i| {
            let hypothesis = self.hunter.hypothesis(i);
            hypothesis.is_some_and(|h| self.attempt(&h, origin, last, emit))
        })
    }

    fn turn_round(&mut self) {
        self.spectrum = match self.spectrum {
            Spectrum::Normal => Spectrum::Inverted,
            Spectrum::Inverted => Spectrum::Normal,
        };
        self.ready_for = None;
        self.history.conjugate();
    }

    /// Receives all samples without a reception with another timing, counted from sample `origin`. If there is a
    /// reception, this is the timing from now on.
    fn attempt(&mut self, hypothesis: &Hypothesis, origin: i64, last: bool, emit: &mut Emit<'_>) -> bool {
        let at = self.first_whole(origin + hypothesis.begin as i64);
        let shift = self.shift(at);
        if self.is_held(shift, hypothesis.cfo) {
            return false;
        }
        let first_k = self.number(at, shift);
        // what was believed is replaced by more than one SCI, which noise can be taken for
        let believed = self.lock.filter(|lock| lock.evidence >= BELIEVED);
        let needed = if believed.is_some() { REPLACES } else { 1 };
        let lost = believed.filter(|_| shift != 0).map(|lock| Lost { since: lock.heard_at, shift });
        let cfo = self.receiver.common_cfo();
        let rest = std::mem::take(&mut self.carrier_rest);
        let time = self.lock.and_then(|_| self.receiver.forget_time());
        self.receiver.set_common_cfo(hypothesis.cfo);
        let mut trial = Trial {
            source: hypothesis.source,
            needed,
            lost,
            at,
            k: first_k,
            heard: Heard::default(),
            heard_at: at,
        };
        self.receive_all(&mut trial, last, emit);
        if trial.evidence() < needed {
            self.receiver.set_common_cfo(cfo);
            self.carrier_rest = rest;
            if let Some(time) = time {
                self.receiver.restore_time(time);
            }
            return false;
        }
        let n = self.numerology.subframe_samples() as i64;
        self.first_sample.get_or_insert(at - first_k as i64 * n);
        self.hold(&trial);
        true
    }

    /// The first sample of the history at which a subframe begins, if one begins at `begin`.
    fn first_whole(&self, begin: i64) -> i64 {
        let n = self.numerology.subframe_samples() as i64;
        let early = n / self.numerology.symbols() as i64;
        let start = self.history.start();
        let into = (begin - start).rem_euclid(n);
        // a little of the first subframe may be missing
        if into > n - early && start == 0 { into - n } else { start + into }
    }

    /// Samples by which a subframe from `at` on is later than with the timing that was held, modulo a subframe.
    fn shift(&self, at: i64) -> i64 {
        let n = self.numerology.subframe_samples() as i64;
        (at - self.next + n - n / INSERTED).rem_euclid(n) - (n - n / INSERTED)
    }

    /// Whether this is the timing that is held, and anything was heard with it.
    fn is_held(&self, shift: i64, cfo: Hertz) -> bool {
        let prefix = (self.numerology.fft() * 72 / 2048) as i64;
        let same = shift.abs() <= prefix && (cfo - self.receiver.common_cfo()).abs() < SAME_OFFSET;
        same && self.lock.is_some_and(|lock| lock.evidence > 0)
    }

    /// Receives all that there is with the timing of `trial`.
    fn receive_all(&mut self, trial: &mut Trial, last: bool, emit: &mut Emit<'_>) {
        let n = self.numerology.subframe_samples() as i64;
        while self.load(trial.at, last).is_some() {
            let before = trial.evidence();
            let Trial { source, needed, at, k, heard: mut so_far, .. } = *trial;
            let lost = &mut trial.lost;
            let heard = self.receive(at, k, &mut |event: Event<'_>, sample: i64| {
                so_far.note(&event);
                if so_far.speaks_for(source) >= needed
                    && let Some(Lost { since, shift }) = lost.take()
                {
                    emit(Event::Discontinuity { subframe: k, since, shift }, sample);
                }
                emit(event, sample);
            });
            trial.heard.add(&heard);
            trial.k += 1;
            trial.at += n + self.follow();
            if trial.evidence() > before {
                trial.heard_at = trial.at;
            }
        }
    }

    /// Holds the timing of `trial` from now on.
    fn hold(&mut self, trial: &Trial) {
        (self.next, self.subframes) = (trial.at, trial.k);
        self.lock = Some(Lock {
            source: trial.source,
            evidence: trial.evidence(),
            heard_at: trial.heard_at,
            look_at: trial.k + DOUBT_AFTER,
            unexplained: 0,
            patience: 1,
            wait_until: trial.k,
            busy: 0.0,
        });
        self.hunter.unfold();
        self.history.trim(trial.heard_at.min(self.history.end()));
    }

    /// Returns the number of the capture subframe that begins at sample `at`.
    fn number(&self, at: i64, shift: i64) -> u64 {
        let n = self.numerology.subframe_samples() as i64;
        if self.first_sample.is_none() {
            return at.div_euclid(n).max(0) as u64;
        }
        let whole = (at - shift - self.next).div_euclid(n);
        (self.subframes as i64 + whole).max(0) as u64
    }
}
