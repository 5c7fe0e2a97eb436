//! Lost samples: the silent losses of a bus, a driver or a slow program.

use crate::Sample;
use core::ops::Range;

/// Removes runs of samples from a stream, once or at regular intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleLoss {
    first: u64,
    count: u64,
    /// Samples from one run to the next; 0 for a single run.
    period: u64,
    /// Samples processed so far.
    taken: u64,
}

impl SampleLoss {
    /// Removes `count` samples from sample `first` on.
    pub fn once(first: u64, count: u64) -> Self {
        Self { first, count, period: 0, taken: 0 }
    }

    /// Removes `count` samples from sample `first` on, and again every `period` samples of the stream before the loss.
    /// A period shorter than the run counts as the run: from there on nothing is left.
    pub fn every(period: u64, first: u64, count: u64) -> Self {
        Self { period: period.max(count), ..Self::once(first, count) }
    }

    /// Removes the lost samples of the next block: the others move to its front. Returns their number.
    pub fn process(&mut self, samples: &mut [Sample]) -> usize {
        let (mut read, mut written) = (0, 0);
        while read < samples.len() {
            let left = (samples.len() - read) as u64;
            let (lost, run) = self.run_at(self.taken);
            // at most the length of the block
            let run = run.min(left) as usize;
            if !lost {
                samples.copy_within(read..read + run, written);
                written += run;
            }
            read += run;
            self.taken += run as u64;
        }
        written
    }

    /// Returns the number that sample `n` of the stream before the loss has behind it; for a lost one, that of the next
    /// one that is kept.
    pub fn position(&self, n: u64) -> u64 {
        let Some(into) = n.checked_sub(self.first).filter(|_| self.count > 0) else { return n };
        let (whole, into) = self.split(into);
        n - whole * self.count - into.min(self.count)
    }

    /// Whether any of these samples (of the stream before the loss) is lost.
    pub fn hits(&self, samples: Range<u64>) -> bool {
        let kept = self.position(samples.end) - self.position(samples.start);
        kept < samples.end.saturating_sub(samples.start)
    }

    /// Returns the whole periods before a sample that comes `into` samples after the first run began, and the rest.
    fn split(&self, into: u64) -> (u64, u64) {
        into.checked_div(self.period).map_or((0, into), |whole| (whole, into % self.period))
    }

    /// Whether sample `n` is lost, and for how many samples from it on the answer is the same.
    fn run_at(&self, n: u64) -> (bool, u64) {
        let Some(into) = n.checked_sub(self.first) else { return (false, self.first - n) };
        let (_, into) = self.split(into);
        match self.count.checked_sub(into).filter(|left| *left > 0) {
            Some(left) => (true, left),
            None if self.period == 0 => (false, u64::MAX),
            None => (false, self.period - into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbered(n: usize) -> Vec<Sample> {
        (0..n).map(|n| Sample::new(n as f32, 0.0)).collect()
    }

    fn kept(mut loss: SampleLoss, n: usize, cut: usize) -> Vec<u64> {
        let mut x = numbered(n);
        let mut out = Vec::new();
        for block in x.chunks_mut(cut) {
            let stay = loss.process(block);
            out.extend(block[..stay].iter().map(|s| s.re as u64));
        }
        out
    }

    #[test]
    fn one_run_is_lost() {
        assert_eq!(kept(SampleLoss::once(3, 2), 8, 100), [0, 1, 2, 5, 6, 7]);
        assert_eq!(kept(SampleLoss::once(3, 0), 5, 2), [0, 1, 2, 3, 4]);
        assert_eq!(kept(SampleLoss::once(9, 5), 5, 2), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn runs_come_again() {
        assert_eq!(kept(SampleLoss::every(4, 2, 1), 12, 5), [0, 1, 3, 4, 5, 7, 8, 9, 11]);
        assert_eq!(kept(SampleLoss::every(1, 2, 3), 12, 5), [0, 1]);
    }

    proptest! {
        /// Against a list of the lost samples, sample by sample.
        #[test]
        fn positions_and_hits_follow_from_what_stays(
            period in 0_u64..30, first in 0_u64..60, count in 0_u64..20, cut in 1_usize..50,
        ) {
            let loss = match period {
                0 => SampleLoss::once(first, count),
                _ => SampleLoss::every(period, first, count),
            };
            let stays = kept(loss, 120, cut);
            prop_assert_eq!(&stays, &kept(loss, 120, 1000));
            for n in 0..120 {
                let position = stays.iter().filter(|s| **s < n).count() as u64;
                prop_assert_eq!(loss.position(n), position);
                for end in n..120 {
                    let lost = (n..end).any(|s| stays.binary_search(&s).is_err());
                    prop_assert_eq!(loss.hits(n..end), lost);
                }
            }
        }
    }
}
