//! When what has no answer is sent again, and how fast the owner gets on.

use sidelink_security::counter::UtcTime;

/// Doublings of the window of a back-off, at most.
const DOUBLINGS: u8 = 6;

/// Returns the milliseconds until something that was sent `sent` times is sent again: a random time from `retry` to
/// `retry` times 2^`sent`, at most 64 (binary exponential back-off).
pub(super) fn back_off(retry: u64, sent: u8, random: u64) -> u64 {
    let window = retry.saturating_mul(1 << sent.min(DOUBLINGS));
    retry + random % (window - retry + 1)
}

/// Returns a random time from `wait` to one and a half times that.
pub(super) fn spread(wait: u64, random: u64) -> u64 {
    wait + random % (wait / 2 + 1)
}

/// How long one of those takes that wait in a row, measured while there is a row.
#[derive(Debug)]
pub(super) struct Pace {
    /// Milliseconds for each.
    each: u64,
    last: Option<UtcTime>,
}

impl Pace {
    /// Starts with an estimate in milliseconds.
    pub(super) const fn new(each: u64) -> Self {
        Self { each, last: None }
    }

    /// One is done. `more` says whether others wait: without them the time until the next one says nothing.
    pub(super) fn done(&mut self, now: UtcTime, more: bool) {
        if let Some(last) = self.last {
            self.each = (7 * self.each + now.millis().saturating_sub(last.millis())) / 8;
        }
        self.last = more.then_some(now);
    }

    /// Returns the milliseconds that this many take.
    pub(super) const fn of(&self, number: usize) -> u64 {
        self.each.saturating_mul(number as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_doubles_and_has_an_end() {
        for (sent, window) in [(1, 800), (2, 1600), (6, 25_600), (7, 25_600), (255, 25_600)] {
            assert_eq!(back_off(400, sent, 0), 400);
            assert_eq!(back_off(400, sent, window - 400), window);
            assert_eq!(back_off(400, sent, window - 399), 400);
        }
        assert_eq!(back_off(400, 0, 77), 400);
        assert!(back_off(u64::MAX, 9, 5) >= u64::MAX - 1);
        assert_eq!(
            (spread(1000, 0), spread(1000, 500), spread(1000, 501), spread(0, 9)),
            (1000, 1500, 1000, 0)
        );
    }

    #[test]
    fn the_pace_is_that_of_a_row() {
        let at = UtcTime::from_millis;
        let mut pace = Pace::new(800);
        pace.done(at(0), true);
        pace.done(at(1600), true);
        assert_eq!((pace.of(1), pace.of(3)), (900, 2700));
        // Nobody waited: the time until the next one is not taken.
        pace.done(at(2500), false);
        let each = pace.of(1);
        pace.done(at(900_000), true);
        assert_eq!(pace.of(1), each);
        assert_eq!(pace.of(0), 0);
    }
}
