//! Replay windows for COUNT values without a proof: anyone who knows the header can send any value.
//!
//! One forged PDU could move a window that follows the highest COUNT to the end, and no later PDU of an honest sender
//! would be new. Here a COUNT moves a window by [`ReplayWindow::WIDTH`] at most; one that lies farther ahead opens a
//! window of its own, and the one below it remains. Accepted values are remembered as ranges of COUNT values, so that
//! none is accepted twice, and values below the first range are refused.

use super::{ReplayWindow, Replayed};
use crate::counter::Count;

/// A range of COUNT values that count as received, except the free places of its window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Range {
    start: u32,
    window: ReplayWindow,
    /// Number of PDUs that were accepted in it.
    accepted: u32,
}

impl Range {
    fn at(count: Count) -> Self {
        let mut window = ReplayWindow::new();
        // The first COUNT of a window is new.
        let _ = window.accept(count);
        Self { start: count.value(), window, accepted: 1 }
    }

    fn highest(&self) -> u32 {
        self.window.highest().map_or(0, Count::value)
    }
}

/// The COUNT values of one sender that were accepted, in at most [`UnprovenWindow::RANGES`] ranges. No memory is
/// allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnprovenWindow {
    ranges: [Range; Self::RANGES],
    len: usize,
}

impl UnprovenWindow {
    /// Number of separate ranges, at most.
    pub const RANGES: usize = 8;

    /// Makes an empty window: the first COUNT opens it, so that a receiver can join in mid-stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks whether `count` would be new. Call it before deciphering.
    ///
    /// # Errors
    /// It was accepted before, or is not known to be new.
    pub fn check(&self, count: Count) -> Result<(), Replayed> {
        let ranges = &self.ranges[..self.len];
        let Some(first) = ranges.first() else { return Ok(()) };
        match ranges.iter().rev().find(|range| range.start <= count.value()) {
            Some(range) => range.window.check(count),
            // The places of a window below its first COUNT.
            None => first.window.check(count),
        }
    }

    /// Accepts `count`.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn accept(&mut self, count: Count) -> Result<(), Replayed> {
        self.check(count)?;
        let below = self.ranges[..self.len].iter().rposition(|range| range.start <= count.value());
        let Some(index) = below.or((self.len > 0).then_some(0)) else {
            (self.ranges[0], self.len) = (Range::at(count), 1);
            return Ok(());
        };
        let range = &mut self.ranges[index];
        if count.value() <= range.highest().saturating_add(ReplayWindow::WIDTH) {
            range.accepted = range.accepted.saturating_add(1);
            return range.window.accept(count);
        }
        let mut at = index + 1;
        if self.len == Self::RANGES {
            at -= usize::from(self.merge(index) < at);
        }
        self.ranges.copy_within(at..self.len, at + 1);
        self.ranges[at] = Range::at(count);
        self.len += 1;
        Ok(())
    }

    /// Merges the two ranges that are nearest to each other: values between them count as received. The range with the
    /// most accepted PDUs can still advance, and so can the one at `before`. Returns the place of the range that is
    /// gone.
    fn merge(&mut self, before: usize) -> usize {
        let ranges = &self.ranges[..self.len];
        let busiest = (0..self.len).max_by_key(|&i| ranges[i].accepted).unwrap_or(0);
        let gap = |i: usize| ranges[i + 1].start - ranges[i].highest();
        let pairs = (0..self.len - 1).filter(|&i| i != busiest && i != before);
        let lower = pairs.min_by_key(|&i| gap(i)).unwrap_or(0);
        let (kept, gone) = (self.ranges[lower], self.ranges[lower + 1]);
        let mut window = gone.window;
        window.close_below(gone.start);
        let accepted = kept.accepted.saturating_add(gone.accepted);
        self.ranges[lower] = Range { start: kept.start, window, accepted };
        self.ranges.copy_within(lower + 2..self.len, lower + 1);
        self.len -= 1;
        lower + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn one_forged_count_silences_nobody() {
        let mut window = UnprovenWindow::new();
        for honest in 0x1_0001..0x1_0400u32 {
            assert_eq!(window.accept(Count::new(honest)), Ok(()), "{honest:x}");
            if honest == 0x1_0100 {
                assert_eq!(window.accept(Count::new(u32::MAX)), Ok(()));
            }
        }
        assert_eq!(window.accept(Count::new(u32::MAX)), Err(Replayed::Seen));
        assert_eq!(window.accept(Count::new(0x1_0050)), Err(Replayed::Late));
    }

    #[test]
    fn a_forger_of_every_tenth_pdu_silences_nobody() {
        let mut window = UnprovenWindow::new();
        let mut heard = 0;
        for n in 0..10_000u32 {
            heard += u32::from(window.accept(Count::new(0x1_0001 + n)).is_ok());
            if n.is_multiple_of(10) {
                let _ = window.accept(Count::new(0x1_0001 + n + (n.wrapping_mul(0x9e37_79b9) >> 4)));
            }
        }
        assert!(heard > 9900, "{heard} of 10 000 were heard");
    }

    #[test]
    fn gaps_of_any_size_are_gone_over() {
        let mut window = UnprovenWindow::new();
        let mut count = 1u32;
        for n in 0..1000u32 {
            assert_eq!(window.accept(Count::new(count)), Ok(()), "{n}");
            assert_eq!(window.accept(Count::new(count)), Err(Replayed::Seen), "{n}");
            count += 1 + (n * n) % 5000;
        }
        assert_eq!(window.accept(Count::new(1)), Err(Replayed::Late));
    }

    proptest! {
        #[test]
        fn nothing_is_accepted_twice(
            counts in prop::collection::vec((0u8..4, any::<u32>(), 0u32..300), 1..600),
        ) {
            let mut window = UnprovenWindow::new();
            let mut accepted = BTreeSet::new();
            let mut near = 0x8000_0000u32;
            for (kind, anywhere, step) in counts {
                let count = match kind {
                    0 => anywhere,
                    1 => near - step.min(near),
                    _ => near + step,
                };
                near = if kind == 2 { count } else { near };
                let count = Count::new(count);
                let fresh = window.check(count);
                prop_assert_eq!(window.accept(count), fresh);
                if fresh.is_ok() {
                    prop_assert!(accepted.insert(count), "{:?} twice", count);
                }
            }
        }
    }
}
