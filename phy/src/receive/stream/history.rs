//! The samples of the last subframes, on which a better timing is tried.

use crate::Sample;
use std::collections::VecDeque;

/// Samples of a stream, numbered from the stream's first.
pub(super) struct History {
    samples: VecDeque<Sample>,
    start: i64,
}

impl History {
    /// Makes room for `capacity` samples; nothing is allocated while no more are held.
    pub(super) fn new(capacity: usize) -> Self {
        Self { samples: VecDeque::with_capacity(capacity), start: 0 }
    }

    /// Returns the number of the first sample that is held.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// Returns the number of the sample behind the last.
    pub(super) fn end(&self) -> i64 {
        self.start + self.samples.len() as i64
    }

    /// Returns the number of samples that are held.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// Appends samples.
    pub(super) fn extend(&mut self, samples: &[Sample]) {
        self.samples.extend(samples);
    }

    /// Drops all samples before number `start`.
    pub(super) fn trim(&mut self, start: i64) {
        let drop = (start - self.start).clamp(0, self.samples.len() as i64);
        self.samples.drain(..drop as usize);
        self.start += drop;
    }

    /// Continues at sample `start`, which lies behind all that are held: they are dropped.
    pub(super) fn restart(&mut self, start: i64) {
        self.samples.clear();
        self.start = start;
    }

    /// Returns all samples in one piece.
    pub(super) fn all(&mut self) -> &mut [Sample] {
        self.samples.make_contiguous()
    }

    /// Reverses the spectrum of all samples.
    pub(super) fn conjugate(&mut self) {
        self.samples.iter_mut().for_each(|x| *x = x.conj());
    }

    /// Copies the samples from number `from` on into `out`; those that are not held become zero. Returns how many are
    /// held.
    pub(super) fn copy(&self, from: i64, out: &mut [Sample]) -> usize {
        let missing = (self.start - from).clamp(0, out.len() as i64) as usize;
        let skip = (from - self.start).max(0) as usize;
        out[..missing].fill(Sample::default());
        let count = self.samples.len().saturating_sub(skip).min(out.len() - missing);
        let (a, b) = self.samples.as_slices();
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_keep_their_numbers_whatever_is_dropped() {
        let mut history = History::new(10);
        let value = |x: i64| Sample::new(x as f32, 0.0);
        let mut next = 0;
        for round in 0..50 {
            let new: Vec<_> = (next..next + 3).map(value).collect();
            history.extend(&new);
            next += 3;
            history.trim(history.end() - 7);
            assert_eq!(history.end(), next);
            let mut out = [Sample::default(); 4];
            let from = history.start() - 1;
            let held = history.copy(from, &mut out);
            assert_eq!(held, 3.min(history.len()), "round {round}");
            assert_eq!(out[0], Sample::default());
            assert_eq!(out[1], value(from + 1));
        }
        let first = value(history.start());
        assert_eq!(history.all().first(), Some(&first));
        history.restart(1000);
        assert_eq!((history.start(), history.end()), (1000, 1000));
    }
}
