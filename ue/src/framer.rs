//! Samples in the order of their arrival, kept until whole subframes can be cut from them.

use crate::Sample;

/// The latest samples of a stream, by their numbers. No memory is allocated after construction.
pub struct Framer {
    buffer: Vec<Sample>,
    /// Number of the first sample in `buffer`.
    first: u64,
    /// Samples that are kept at most.
    capacity: usize,
}

/// Continuity of new samples with the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// The new samples follow the last ones.
    Whole,
    /// This many samples are missing before the new ones, and count as silence.
    Gap(u64),
    /// The new samples do not continue the last ones: more are missing than are kept, or the counter went back.
    Break,
}

impl Framer {
    /// Makes a framer that keeps `capacity` samples.
    pub fn new(capacity: usize) -> Self {
        Self { buffer: Vec::with_capacity(capacity), first: 0, capacity }
    }

    /// Returns the number of the next expected sample.
    pub fn next(&self) -> u64 {
        self.first + self.buffer.len() as u64
    }

    /// Returns the number of the oldest sample that is kept.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Returns the samples that are kept.
    pub fn samples(&self) -> &[Sample] {
        &self.buffer
    }

    /// Takes samples of which the first has number `first`; the oldest samples are dropped to make room.
    pub fn push(&mut self, first: u64, samples: &[Sample]) -> Continuity {
        let samples = &samples[samples.len().saturating_sub(self.capacity)..];
        let mut continuity = Continuity::Whole;
        let gap = first.wrapping_sub(self.next());
        if self.buffer.is_empty() {
            self.first = first;
        } else if first < self.next() || gap > self.capacity as u64 / 2 {
            self.buffer.clear();
            self.first = first;
            continuity = Continuity::Break;
        } else if gap > 0 {
            self.make_room(gap as usize);
            self.buffer.resize(self.buffer.len() + gap as usize, Sample::default());
            continuity = Continuity::Gap(gap);
        }
        self.make_room(samples.len());
        self.buffer.extend_from_slice(samples);
        continuity
    }

    /// Returns `count` samples from number `from` on, if all of them are kept.
    pub fn cut(&self, from: i64, count: usize) -> Option<&[Sample]> {
        let from = usize::try_from(from - self.first as i64).ok()?;
        self.buffer.get(from..from + count)
    }

    /// Returns the last `count` samples, or all where there are fewer.
    pub fn last_mut(&mut self, count: usize) -> &mut [Sample] {
        let from = self.buffer.len().saturating_sub(count);
        &mut self.buffer[from..]
    }

    /// Drops the samples before number `before`, if they are more than those that stay: so no sample is copied more than
    /// once for each that comes.
    pub fn forget(&mut self, before: i64) {
        let useless = (before - self.first as i64).clamp(0, self.buffer.len() as i64) as usize;
        if useless > self.buffer.len() / 2 {
            self.drop_front(useless);
        }
    }

    /// Drops all but the last `count` samples.
    pub fn keep_last(&mut self, count: usize) {
        self.drop_front(self.buffer.len().saturating_sub(count));
    }

    /// Drops all samples.
    pub fn clear(&mut self) {
        self.first = self.next();
        self.buffer.clear();
    }

    fn make_room(&mut self, count: usize) {
        let excess = (self.buffer.len() + count).saturating_sub(self.capacity);
        if excess > 0 {
            // More than necessary, so that the copy is rare.
            let spare = self.capacity / 4;
            self.drop_front((excess + spare).min(self.buffer.len()));
        }
    }

    fn drop_front(&mut self, count: usize) {
        self.buffer.drain(..count);
        self.first += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(first: u64, count: usize) -> Vec<Sample> {
        (0..count).map(|i| Sample::new((first + i as u64) as f32, 0.0)).collect()
    }

    #[test]
    fn samples_are_found_by_their_numbers() {
        let mut framer = Framer::new(1000);
        let mut at = 5;
        for len in [1, 300, 7, 600, 250, 999, 3] {
            assert_eq!(framer.push(at, &ramp(at, len)), Continuity::Whole);
            at += len as u64;
            assert_eq!(framer.next(), at);
            assert!(framer.samples().len() <= 1000);
            let last = framer.cut(at as i64 - 1, 1).unwrap();
            assert_eq!(last[0].re, (at - 1) as f32);
        }
        assert_eq!(framer.cut(at as i64 - 1, 2), None);
        assert_eq!(framer.cut(framer.first() as i64 - 1, 2), None);
    }

    #[test]
    fn a_gap_is_silence_and_a_jump_a_new_start() {
        let mut framer = Framer::new(1000);
        framer.push(0, &ramp(0, 100));
        assert_eq!(framer.push(150, &ramp(150, 50)), Continuity::Gap(50));
        assert_eq!(framer.cut(99, 3).unwrap().iter().map(|s| s.re).collect::<Vec<_>>(), [99.0, 0.0, 0.0]);
        assert_eq!(framer.cut(150, 1).unwrap()[0].re, 150.0);
        assert_eq!(framer.push(5000, &ramp(5000, 10)), Continuity::Break);
        assert_eq!((framer.first(), framer.next()), (5000, 5010));
        assert_eq!(framer.push(20, &ramp(20, 10)), Continuity::Break);
        assert_eq!(framer.cut(20, 10).unwrap().len(), 10);
    }

    #[test]
    fn the_useless_is_forgotten() {
        let mut framer = Framer::new(1000);
        framer.push(0, &ramp(0, 900));
        framer.forget(400);
        assert_eq!(framer.first(), 0);
        framer.forget(700);
        assert_eq!(framer.first(), 700);
        assert_eq!(framer.cut(700, 1).unwrap()[0].re, 700.0);
    }
}
