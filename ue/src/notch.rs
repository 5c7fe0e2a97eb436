//! Removal of lines from the received samples: the line at 0 Hz (leakage of the local oscillator and offsets of the
//! converters of the radio), and spurs.
//!
//! A block of the length of one subframe begins at every multiple of that length in the radio's count of samples. The
//! line that is removed from a block is estimated from the blocks before it: no sample is delayed, and the result does
//! not depend on how the radio cuts its samples. Nothing is removed while no line is certain, so that a clean signal
//! passes unchanged. The level is not changed: powers stay in the units of the radio.

use crate::Framer;
use crate::Sample;
use sidelink_phy::receive::condition::{LineTracker, SpurTracker};
use std::ops::Range;

/// Own bursts that are remembered: more than are planned ahead.
const BURSTS: usize = 64;

/// Removes lines. No memory is allocated after construction.
pub(super) struct Notch {
    /// Samples of a block.
    block: u64,
    tracker: LineTracker,
    /// The line that is removed from the current block.
    line: Sample,
    spurs: SpurTracker,
    /// Number of the first sample of the block that `spurs` has reached.
    at: u64,
    /// Number of the next expected sample.
    next: u64,
    /// No sample is missing from this number on.
    whole_from: u64,
    /// The last own bursts as ranges of samples, in a ring.
    bursts: [(u64, u64); BURSTS],
    sent: usize,
}

impl Notch {
    /// Makes a notch with blocks of `block` samples.
    pub(super) fn new(block: usize) -> Self {
        Self {
            block: block as u64,
            tracker: LineTracker::default(),
            line: Sample::default(),
            spurs: SpurTracker::new(block),
            at: 0,
            next: 0,
            whole_from: 0,
            bursts: [(0, 0); BURSTS],
            sent: 0,
        }
    }

    /// Returns the line that is removed now.
    #[cfg(test)]
    pub(super) fn line(&self) -> Sample {
        self.line
    }

    /// Returns the number of samples from number `first` to the end of its block.
    pub(super) fn room(&self, first: u64) -> usize {
        (self.block - first % self.block) as usize
    }

    /// Removes the lines from the last `count` samples of `framer`, of which the first has number `first`; they must
    /// not go beyond the end of their block.
    pub(super) fn process(&mut self, first: u64, framer: &mut Framer, count: usize) {
        if first != self.next {
            self.whole_from = first;
        }
        self.next = first + count as u64;
        if self.line != Sample::default() {
            framer.last_mut(count).iter_mut().for_each(|x| *x -= self.line);
        }
        let start = first - first % self.block;
        if start < self.at {
            self.spurs.forget();
        } else {
            self.spurs.pass(start - self.at);
        }
        self.at = start;
        self.spurs.subtract((first - start) as usize, framer.last_mut(count));
        if count > 0 && self.next.is_multiple_of(self.block) {
            self.learn(framer);
        }
    }

    /// Records an own burst. It leaks into the receiver in an unknown way, so its samples say nothing about the line.
    pub(super) fn transmitted(&mut self, samples: Range<u64>) {
        self.bursts[self.sent % BURSTS] = (samples.start, samples.end);
        self.sent += 1;
    }

    /// Learns from the block that has just ended.
    fn learn(&mut self, framer: &Framer) {
        let start = self.next - self.block;
        let own = self.bursts.iter().any(|&(from, to)| from < self.next && start < to);
        if start < self.whole_from || own {
            return;
        }
        if let Some(block) = framer.cut(start as i64, self.block as usize) {
            self.tracker.observe(block, self.line);
            self.line = self.tracker.certain_line();
            self.spurs.observe(block);
            self.at = self.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_phy::impair::rng::Rng;

    const BLOCK: u64 = 1920;
    const LINE: Sample = Sample::new(3.0, -1.0);

    /// A stream of samples through a framer and a notch.
    struct Stream {
        framer: Framer,
        notch: Notch,
    }

    impl Stream {
        fn new() -> Self {
            Self { framer: Framer::new(100 * BLOCK as usize), notch: Notch::new(BLOCK as usize) }
        }

        fn push(&mut self, mut first: u64, mut samples: &[Sample]) {
            while !samples.is_empty() {
                let (now, later) = samples.split_at(self.notch.room(first).min(samples.len()));
                self.framer.push(first, now);
                self.notch.process(first, &mut self.framer, now.len());
                (first, samples) = (first + now.len() as u64, later);
            }
        }
    }

    /// Returns noise of power 1 with a line.
    fn heard(blocks: u64, line: Sample, seed: u64) -> Vec<Sample> {
        let mut rng = Rng::new(seed);
        (0..blocks * BLOCK).map(|_| rng.complex_gaussian() + line).collect()
    }

    #[test]
    fn the_line_is_gone_after_the_first_block_however_the_samples_are_cut() {
        let samples = heard(20, LINE, 1);
        let first = 777;
        let mut whole = Stream::new();
        whole.push(first, &samples);
        assert!((whole.notch.line() - LINE).norm() < 0.02, "{}", whole.notch.line());
        for cut in [1, 7, 960, 1920, 5000] {
            let mut pieces = Stream::new();
            for (i, piece) in samples.chunks(cut).enumerate() {
                pieces.push(first + (i * cut) as u64, piece);
            }
            assert_eq!(pieces.framer.samples(), whole.framer.samples(), "pieces of {cut}");
        }
        let settled = &whole.framer.samples()[3 * BLOCK as usize..];
        let mean = settled.iter().sum::<Sample>() / settled.len() as f32;
        assert!(mean.norm() < 0.02, "{mean}");
    }

    #[test]
    fn a_spur_is_taken_out_once_it_is_known_however_the_samples_are_cut() {
        let clean = heard(80, Sample::default(), 7);
        let spur = |i: usize| Sample::from_polar(1.0, (0.31 * i as f64 % std::f64::consts::TAU) as f32);
        let samples: Vec<_> = clean.iter().enumerate().map(|(i, x)| x + spur(i)).collect();
        let mut whole = Stream::new();
        whole.push(0, &samples);
        let from = 60 * BLOCK as usize;
        let kept = whole.framer.cut(from as i64, samples.len() - from).unwrap();
        let rest = kept.iter().zip(&clean[from..]).map(|(a, b)| (a - b).norm_sqr()).sum::<f32>();
        assert!(rest / (kept.len() as f32) < 0.01, "{}", rest / kept.len() as f32);
        let mut pieces = Stream::new();
        for (i, piece) in samples.chunks(777).enumerate() {
            pieces.push((i * 777) as u64, piece);
        }
        let apart = pieces.framer.samples().iter().zip(whole.framer.samples()).map(|(a, b)| (a - b).norm());
        assert!(apart.fold(0.0, f32::max) < 1e-4);
    }

    #[test]
    fn a_stream_without_a_line_passes_as_it_is() {
        let samples = heard(50, Sample::default(), 2);
        let mut stream = Stream::new();
        stream.push(0, &samples);
        assert_eq!(stream.framer.samples(), samples);
    }

    #[test]
    fn own_bursts_and_gaps_tell_nothing() {
        let mut stream = Stream::new();
        stream.push(0, &heard(10, LINE, 3));
        let before = stream.notch.line();
        // Our own burst leaks: half in one block, half in the next.
        stream.notch.transmitted(10 * BLOCK + 960..11 * BLOCK + 960);
        let mut own = heard(2, LINE, 4);
        own[960..2880].iter_mut().for_each(|x| *x += Sample::new(20.0, 20.0));
        stream.push(10 * BLOCK, &own);
        assert_eq!(stream.notch.line(), before);
        // Half a block is lost, and filled with zeros, which stay zeros.
        stream.push(12 * BLOCK + 960, &heard(1, LINE, 5)[..960]);
        assert_eq!(stream.notch.line(), before);
        let hole = stream.framer.cut(12 * BLOCK as i64, 960).unwrap();
        assert!(hole.iter().all(|x| *x == Sample::default()));
        // After that the line is tracked again.
        stream.push(13 * BLOCK, &heard(1, LINE, 6));
        assert_ne!(stream.notch.line(), before);
        assert!((stream.notch.line() - LINE).norm() < 0.02);
    }
}
