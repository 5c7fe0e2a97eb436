//! Detection of replays: a window of accepted COUNT values, and the highest counter of a discovery code.

use super::{Count, UtcCounter};

mod unproven;

pub use unproven::UnprovenWindow;

/// Reason why a COUNT is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It was accepted before.
    Seen,
    /// It is so far behind the highest that it is not known whether it was accepted.
    Late,
}

/// The last 64 COUNT values up to the highest accepted one. The first COUNT opens the window wherever it is, so that a
/// receiver can join in mid-stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayWindow {
    /// `None` until the first COUNT.
    highest: Option<Count>,
    /// Bit i: `highest - i` was accepted.
    seen: u64,
}

impl ReplayWindow {
    /// Number of COUNT values in the window.
    pub const WIDTH: u32 = 64;

    /// Makes an empty window.
    pub const fn new() -> Self {
        Self { highest: None, seen: 0 }
    }

    /// Returns the highest accepted COUNT.
    pub const fn highest(&self) -> Option<Count> {
        self.highest
    }

    /// Checks whether `count` would be new. Call it before deciphering.
    pub fn check(&self, count: Count) -> Result<(), Replayed> {
        let Some(highest) = self.highest else { return Ok(()) };
        match highest.value().checked_sub(count.value()) {
            None => Ok(()),
            Some(behind) if behind >= Self::WIDTH => Err(Replayed::Late),
            Some(behind) if self.seen >> behind & 1 == 1 => Err(Replayed::Seen),
            Some(_) => Ok(()),
        }
    }

    /// Marks everything below `count` as accepted.
    const fn close_below(&mut self, count: u32) {
        let Some(highest) = self.highest else { return };
        let open = highest.value().saturating_sub(count).saturating_add(1);
        if open < Self::WIDTH {
            self.seen |= !0 << open;
        }
    }

    /// Accepts `count`: call it after its PDU was verified, never before.
    pub fn accept(&mut self, count: Count) -> Result<(), Replayed> {
        self.check(count)?;
        let highest = self.highest.unwrap_or(count);
        if count >= highest {
            let ahead = count.value() - highest.value();
            self.seen = if ahead < Self::WIDTH { self.seen << ahead } else { 0 } | 1;
            self.highest = Some(count);
        } else {
            self.seen |= 1 << (highest.value() - count.value());
        }
        Ok(())
    }
}

/// The highest UTC-based counter of a verified message of a code: an older one is a replay. An equal one is not,
/// because the slots of one second have the same counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HighestCounter(Option<UtcCounter>);

impl HighestCounter {
    /// Makes the state of a code without a verified message.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Accepts the counter of a verified message.
    pub fn accept(&mut self, counter: UtcCounter) -> Result<(), Replayed> {
        if self.0.is_some_and(|highest| counter < highest) {
            return Err(Replayed::Late);
        }
        self.0 = Some(counter);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Compared with a set that remembers everything: no COUNT is accepted twice, and every new COUNT within the
        /// window is accepted.
        #[test]
        fn accepts_each_count_once(start: u32, steps in proptest::collection::vec(-100_i64..100, 1..400)) {
            let mut window = ReplayWindow::new();
            let mut accepted = BTreeSet::new();
            let mut at = i64::from(start);
            for step in steps {
                at = (at + step).clamp(0, i64::from(u32::MAX));
                let count = at as u32;
                let expected = match accepted.last() {
                    None => Ok(()),
                    Some(highest) if highest >= &count && highest - count >= 64 => Err(Replayed::Late),
                    _ if accepted.contains(&count) => Err(Replayed::Seen),
                    _ => Ok(()),
                };
                prop_assert_eq!(window.check(Count::new(count)), expected);
                prop_assert_eq!(window.accept(Count::new(count)), expected);
                if expected.is_ok() {
                    accepted.insert(count);
                }
            }
        }
    }

    #[test]
    fn a_far_jump_forgets_the_old_window() {
        let mut window = ReplayWindow::new();
        for count in [5, 5 + 64, u32::MAX] {
            assert_eq!(window.accept(Count::new(count)), Ok(()));
            assert_eq!(window.accept(Count::new(count)), Err(Replayed::Seen));
        }
        assert_eq!(window.accept(Count::new(5)), Err(Replayed::Late));
        assert_eq!(window.accept(Count::new(u32::MAX - 63)), Ok(()));
    }

    #[test]
    fn an_older_counter_is_a_replay_an_equal_one_is_not() {
        let mut highest = HighestCounter::new();
        assert_eq!(highest.accept(UtcCounter::new(7)), Ok(()));
        assert_eq!(highest.accept(UtcCounter::new(7)), Ok(()));
        assert_eq!(highest.accept(UtcCounter::new(6)), Err(Replayed::Late));
        assert_eq!(highest.accept(UtcCounter::new(8)), Ok(()));
    }
}
