//! The samples of an attacker, cut into subframes: no notch, no search, a clock that is known from the beginning.

use crate::Sample;
use sidelink_phy::numerology::Numerology;
use sidelink_radio::Anchor;
use sidelink_ue::clock::Clock;
use sidelink_ue::{Continuity, Framer};

/// Subframes from the last one heard to the one that is planned.
const LEAD: u64 = 4;

/// Whole subframes of samples as they come.
pub(super) struct Subframes {
    /// Samples of one.
    length: usize,
    framer: Framer,
    clock: Clock,
    /// The one that is cut next.
    next: u64,
    received: u64,
    /// Subframes after which it is over.
    duration: u64,
}

/// A subframe whose samples have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subframe {
    /// Its number.
    pub(super) t: u64,
    /// Its first sample.
    start: i64,
}

impl Subframe {
    /// The subframe that is planned when this one has been heard.
    pub(super) fn coming(self) -> u64 {
        self.t + LEAD
    }
}

impl Subframes {
    /// Knows the time by `anchor`.
    pub(super) fn new(numerology: Numerology, anchor: Anchor) -> Self {
        let length = numerology.subframe_samples();
        let clock = Clock::from_utc(numerology.sample_rate().0, anchor);
        let next = clock.first_whole(0);
        Self { length, framer: Framer::new(8 * length), next, clock, received: 0, duration: u64::MAX }
    }

    /// End after so many subframes.
    pub(super) fn set_duration(&mut self, subframes: u64) {
        self.duration = subframes;
    }

    /// Samples of a subframe.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Take samples of which the first has number `first`. After a break the next subframe is the first whole one.
    pub(super) fn push(&mut self, first: u64, samples: &[Sample]) {
        if self.framer.push(first, samples) == Continuity::Break {
            self.next = self.next.max(self.clock.first_whole(first));
        }
    }

    /// The next subframe, once all of it has come.
    pub(super) fn next(&mut self) -> Option<Subframe> {
        let start = self.clock.start_of(self.next).round() as i64;
        if start + self.length as i64 > self.framer.next() as i64 {
            self.framer.forget(start);
            return None;
        }
        let t = self.next;
        self.next += 1;
        self.received += 1;
        Some(Subframe { t, start })
    }

    /// Samples of a subframe; `None` where some are gone.
    pub(super) fn samples(&self, subframe: Subframe) -> Option<&[Sample]> {
        self.framer.cut(subframe.start, self.length)
    }

    /// Number of the first sample of subframe `t`.
    pub(super) fn start_of(&self, t: u64) -> u64 {
        self.clock.start_of(t).round().max(0.0) as u64
    }

    /// Number of the sample before which nothing is sent.
    pub(super) fn first_promise(&self) -> u64 {
        self.clock.start_of(self.next + LEAD).max(0.0) as u64
    }

    /// Whether as many as were asked for have been cut.
    pub(super) fn is_over(&self) -> bool {
        self.received >= self.duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_phy::units::{Bandwidth, CyclicPrefix};

    /// Subframes come once, in order, whole and by their numbers, however the samples are cut; what is missing is not cut.
    #[test]
    fn subframes_are_cut_whole_and_in_order() {
        let numerology = Numerology::standard(Bandwidth::Prb6, CyclicPrefix::Normal);
        let mut subframes = Subframes::new(numerology, Anchor { utc_ns: 0, uncertainty_ns: 0 });
        let n = subframes.length() as u64;
        let origin = subframes.next;
        let begin = subframes.start_of(origin);
        let numbered = |from: u64, count: u64| -> Vec<Sample> {
            (from..from + count).map(|i| Sample::new(i as f32, 0.0)).collect()
        };
        let mut heard = Vec::new();
        let mut at = begin;
        while at < begin + 3 * n {
            subframes.push(at, &numbered(at, 700));
            at += 700;
            while let Some(subframe) = subframes.next() {
                let samples = subframes.samples(subframe).unwrap();
                assert_eq!(samples.len() as u64, n);
                assert_eq!(samples[0].re as u64, subframes.start_of(subframe.t));
                heard.push(subframe.t);
            }
        }
        assert_eq!(heard, [origin, origin + 1, origin + 2]);
        assert!(!subframes.is_over());
        subframes.set_duration(3);
        assert!(subframes.is_over());

        // after a break the subframe that is cut is one of which all has come
        let later = at + 100 * n + 7;
        subframes.push(later, &numbered(later, 2 * n));
        let subframe = subframes.next().unwrap();
        assert!(subframes.start_of(subframe.t) >= later && subframes.samples(subframe).is_some());
        assert!(subframes.first_promise() > subframes.start_of(subframe.coming()));
    }
}
