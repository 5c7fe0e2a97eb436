//! The received samples of all antennas: kept by their numbers, without the lines of the radio. Losses are common to all.

use super::framer::{Continuity, Framer};
use super::notch::Notch;
use crate::Sample;
use sidelink_phy::units::Antennas;
use sidelink_radio::Views;
use std::ops::Range;

/// The samples of the antennas. No memory is allocated after construction.
pub(super) struct Streams {
    /// One an antenna.
    framers: Vec<Framer>,
    notches: Vec<Notch>,
    /// Stands for the samples of an antenna that gives none.
    silence: Vec<Sample>,
}

impl Streams {
    /// Makes streams that keep `capacity` samples, with notches of `block` samples.
    pub(super) fn new(antennas: Antennas, capacity: usize, block: usize) -> Self {
        Self {
            framers: (0..antennas.count()).map(|_| Framer::new(capacity)).collect(),
            notches: (0..antennas.count()).map(|_| Notch::new(block)).collect(),
            silence: vec![Sample::default(); block],
        }
    }

    /// Returns the samples of the first antenna: the numbers are those of all.
    pub(super) fn first(&self) -> &Framer {
        &self.framers[0]
    }

    pub(super) fn antennas(&self) -> Antennas {
        Antennas::new(self.framers.len()).unwrap_or(Antennas::ONE)
    }

    /// Returns the number of samples from number `first` to the end of their block.
    pub(super) fn room(&self, first: u64) -> usize {
        self.notches[0].room(first)
    }

    /// Takes the samples in `range` of each antenna, within one block; the first has number `first`. An antenna without
    /// samples is silent.
    pub(super) fn push(&mut self, first: u64, range: Range<usize>, samples: &[&[Sample]]) -> Continuity {
        let mut continuity = Continuity::Whole;
        for (i, framer) in self.framers.iter_mut().enumerate() {
            let given = samples.get(i).and_then(|samples| samples.get(range.clone()));
            continuity = framer.push(first, given.unwrap_or(&self.silence[..range.len()]));
        }
        for (framer, notch) in self.framers.iter_mut().zip(&mut self.notches) {
            notch.process(first, framer, range.len());
        }
        continuity
    }

    /// Returns `count` samples from number `from` on, if all of them are kept.
    pub(super) fn cut(&self, from: i64, count: usize) -> Option<Views<'_>> {
        let mut slices = Views::default();
        for (slice, framer) in slices.iter_mut().zip(&self.framers) {
            *slice = framer.cut(from, count)?;
        }
        Some(slices)
    }

    /// Returns the samples that are kept, without the oldest `skipped`.
    pub(super) fn kept(&self, skipped: usize) -> Views<'_> {
        let mut slices = Views::default();
        for (slice, framer) in slices.iter_mut().zip(&self.framers) {
            *slice = &framer.samples()[skipped..];
        }
        slices
    }

    /// Records an own burst ([`Notch::transmitted`]).
    pub(super) fn transmitted(&mut self, samples: Range<u64>) {
        self.notches.iter_mut().for_each(|notch| notch.transmitted(samples.clone()));
    }

    /// Drops samples before number `before` ([`Framer::forget`]).
    pub(super) fn forget(&mut self, before: i64) {
        self.framers.iter_mut().for_each(|framer| framer.forget(before));
    }

    /// Drops all but the last `count` samples.
    pub(super) fn keep_last(&mut self, count: usize) {
        self.framers.iter_mut().for_each(|framer| framer.keep_last(count));
    }

    /// Drops all samples.
    pub(super) fn clear(&mut self) {
        self.framers.iter_mut().for_each(Framer::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn antennas_share_numbers_and_losses_and_one_without_samples_is_silent() {
        let mut streams = Streams::new(Antennas::new(3).unwrap(), 1000, 100);
        let ramp = |level: f32| -> Vec<Sample> { (0..100).map(|n| Sample::new(n as f32, level)).collect() };
        let (a, b) = (ramp(1.0), ramp(2.0));
        assert_eq!(streams.push(50, 0..50, &[&a, &b]), Continuity::Whole);
        assert_eq!(streams.push(110, 60..90, &[&a, &b[..60]]), Continuity::Gap(10));
        assert_eq!((streams.first().next(), streams.room(110)), (140, 90));
        let cut = streams.cut(90, 45).unwrap();
        assert_eq!((cut[0][0], cut[1][0], cut[2][0]), (a[40], b[40], Sample::default()));
        assert_eq!((cut[0][15], cut[0][20]), (Sample::default(), a[60]));
        assert!(cut[1][20..].iter().chain(cut[2]).all(|s| *s == Sample::default()));
        assert_eq!(cut[3], []);
        assert!(streams.cut(90, 51).is_none());
        assert_eq!(streams.kept(30)[1].len(), 60);
        streams.keep_last(10);
        assert_eq!((streams.first().first(), streams.kept(0)[2].len()), (130, 10));
        streams.clear();
        assert!(streams.kept(0).iter().all(|kept| kept.is_empty()));
    }
}
