//! Samples as they come, kept until whole subframes can be cut from them.

use crate::Sample;

/// The latest samples of a stream, by their numbers. Nothing is allocated after construction.
pub struct Framer {
    buffer: Vec<Sample>,
    /// Number of the first sample in `buffer`.
    first: u64,
    /// Samples that may be kept.
    capacity: usize,
}

/// What became of the order of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// They follow the last ones.
    Whole,
    /// This many are missing before them, and count as silence.
    Gap(u64),
    /// They have nothing to do with the last ones: more are missing than are kept, or the counter went back.
    Break,
}

impl Framer {
    /// Keeps `capacity` samples.
    pub fn new(capacity: usize) -> Self {
        Self { buffer: Vec::with_capacity(capacity), first: 0, capacity }
    }

    /// Number of the sample that comes next.
    pub fn next(&self) -> u64 {
        self.first + self.buffer.len() as u64
    }

    /// Number of the oldest sample that is kept.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// What is kept.
    pub fn samples(&self) -> &[Sample] {
        &self.buffer
    }

    /// Take samples of which the first has number `first`; the oldest give way.
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

    /// `count` samples from number `from` on, if all of them are here.
    pub fn cut(&self, from: i64, count: usize) -> Option<&[Sample]> {
        let from = usize::try_from(from - self.first as i64).ok()?;
        self.buffer.get(from..from + count)
    }

    /// The last `count` samples, or all where there are fewer.
    pub fn last_mut(&mut self, count: usize) -> &mut [Sample] {
        let from = self.buffer.len().saturating_sub(count);
        &mut self.buffer[from..]
    }

    /// Give up what lies before number `before`, when that is worth the copy.
    pub fn forget(&mut self, before: i64) {
        let useless = (before - self.first as i64).clamp(0, self.buffer.len() as i64) as usize;
        if useless > self.capacity / 2 {
            self.drop_front(useless);
        }
    }

    /// Give up all but the last `count` samples.
    pub fn keep_last(&mut self, count: usize) {
        self.drop_front(self.buffer.len().saturating_sub(count));
    }

    /// Give up everything.
    pub fn clear(&mut self) {
        self.first = self.next();
        self.buffer.clear();
    }

    fn make_room(&mut self, count: usize) {
        let excess = (self.buffer.len() + count).saturating_sub(self.capacity);
        if excess > 0 {
            // more than is needed, so that the copy is made seldom
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
