//! The samples of the last subframes, on which a better timing is tried.

use super::super::diversity::Views;
use crate::Sample;
use crate::units::Antennas;
use std::collections::VecDeque;

/// Samples of a stream at every antenna, numbered from the stream's first.
pub(super) struct History {
    antennas: Vec<VecDeque<Sample>>,
    start: i64,
}

impl History {
    /// Makes room for `capacity` samples of each antenna; nothing is allocated while no more are held.
    pub(super) fn new(capacity: usize, antennas: Antennas) -> Self {
        let room = || VecDeque::with_capacity(capacity);
        Self { antennas: (0..antennas.count()).map(|_| room()).collect(), start: 0 }
    }

    /// Returns the number of the first sample that is held.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// Returns the number of the sample behind the last.
    pub(super) fn end(&self) -> i64 {
        self.start + self.len() as i64
    }

    /// Returns the number of samples that are held of each antenna.
    pub(super) fn len(&self) -> usize {
        self.antennas[0].len()
    }

    /// Appends samples of each antenna, all equally many.
    pub(super) fn extend(&mut self, antennas: &[Vec<Sample>]) {
        for (own, samples) in self.antennas.iter_mut().zip(antennas) {
            own.extend(samples);
        }
    }

    /// Drops all samples before number `start`.
    pub(super) fn trim(&mut self, start: i64) {
        let drop = (start - self.start).clamp(0, self.len() as i64);
        for samples in &mut self.antennas {
            samples.drain(..drop as usize);
        }
        self.start += drop;
    }

    /// Continues at sample `start`, which lies behind all that are held: they are dropped.
    pub(super) fn restart(&mut self, start: i64) {
        self.antennas.iter_mut().for_each(VecDeque::clear);
        self.start = start;
    }

    /// Returns all samples, each antenna in one piece.
    pub(super) fn all(&mut self) -> Views<'_> {
        Views::new(self.antennas.iter_mut().map(|samples| &*samples.make_contiguous()))
    }

    /// Reverses the spectrum of all samples.
    pub(super) fn conjugate(&mut self) {
        self.antennas.iter_mut().flatten().for_each(|x| *x = x.conj());
    }

    /// Copies the samples from number `from` on into `out`, equally long for each antenna; those that are not held become
    /// zero. Returns how many are held.
    pub(super) fn copy(&self, from: i64, out: &mut [Vec<Sample>]) -> usize {
        let copied = self.antennas.iter().zip(out).map(|(samples, out)| copy(samples, self.start, from, out));
        copied.fold(0, usize::max)
    }
}

/// Copies samples, of which the first is number `start`.
fn copy(samples: &VecDeque<Sample>, start: i64, from: i64, out: &mut [Sample]) -> usize {
    let missing = (start - from).clamp(0, out.len() as i64) as usize;
    let skip = (from - start).max(0) as usize;
    out[..missing].fill(Sample::default());
    let count = samples.len().saturating_sub(skip).min(out.len() - missing);
    let (a, b) = samples.as_slices();
    let mut at = missing;
    let wanted = skip..skip + count;
    for (slice, offset) in [(a, 0), (b, a.len())] {
        let from = wanted.start.clamp(offset, offset + slice.len()) - offset;
        let to = wanted.end.clamp(offset, offset + slice.len()) - offset;
        out[at..at + to - from].copy_from_slice(&slice[from..to]);
        at += to - from;
    }
    out[at..].fill(Sample::default());
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_keep_their_numbers_whatever_is_dropped() {
        let mut history = History::new(10, Antennas::new(2).unwrap());
        let value = |x: i64| Sample::new(x as f32, 0.0);
        let mut next = 0;
        for round in 0..50 {
            let new: Vec<_> = (next..next + 3).map(value).collect();
            let other: Vec<_> = new.iter().map(|x| -x).collect();
            history.extend(&[new, other]);
            next += 3;
            history.trim(history.end() - 7);
            assert_eq!(history.end(), next);
            let mut out = vec![vec![Sample::default(); 4]; 2];
            let from = history.start() - 1;
            let held = history.copy(from, &mut out);
            assert_eq!(held, 3.min(history.len()), "round {round}");
            assert_eq!(out[0][0], Sample::default());
            assert_eq!((out[0][1], out[1][1]), (value(from + 1), -value(from + 1)));
        }
        let first = value(history.start());
        let all = history.all();
        assert_eq!((all[0].first(), all[1].first()), (Some(&first), Some(&-first)));
        history.restart(1000);
        assert_eq!((history.start(), history.end()), (1000, 1000));
    }
}
