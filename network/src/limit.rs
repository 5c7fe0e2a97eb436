//! How often something is done: token buckets.

use sidelink_security::counter::UtcTime;

/// So many at once, and one more after each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Most at once.
    pub burst: u32,
    /// Milliseconds until one more is granted; 0 for no limit.
    pub interval: u64,
}

/// What is left of a [`RateLimit`].
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    tokens: u32,
    since: UtcTime,
}

impl Bucket {
    /// A full one.
    pub fn new(limit: RateLimit, now: UtcTime) -> Self {
        Self { tokens: limit.burst, since: now }
    }

    /// Takes one, if there is one. A clock that went back gives nothing and takes nothing.
    pub fn take(&mut self, limit: RateLimit, now: UtcTime) -> bool {
        if limit.interval == 0 {
            return true;
        }
        self.refill(limit, now);
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }

    /// Whether it is as it was in the beginning, so that it need not be remembered.
    pub(crate) fn is_full(&self, limit: RateLimit, now: UtcTime) -> bool {
        let mut later = *self;
        later.refill(RateLimit { interval: limit.interval.max(1), ..limit }, now);
        later.tokens >= limit.burst
    }

    fn refill(&mut self, limit: RateLimit, now: UtcTime) {
        let elapsed = now.millis().saturating_sub(self.since.millis());
        let earned = elapsed / limit.interval;
        let room = limit.burst.saturating_sub(self.tokens);
        if now < self.since || earned >= u64::from(room) {
            self.since = now;
        } else {
            self.since = self.since.plus_millis(earned * limit.interval);
        }
        self.tokens += u32::try_from(earned).unwrap_or(u32::MAX).min(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_an_interval_and_never_more_than_the_burst() {
        let limit = RateLimit { burst: 2, interval: 100 };
        let at = UtcTime::from_millis;
        let mut bucket = Bucket::new(limit, at(1000));
        assert!(bucket.is_full(limit, at(1000)));
        let taken = |bucket: &mut Bucket, now| (0..5).filter(|_| bucket.take(limit, at(now))).count();
        assert_eq!(taken(&mut bucket, 1000), 2);
        assert!(!bucket.is_full(limit, at(1199)) && bucket.is_full(limit, at(1200)));
        assert_eq!((taken(&mut bucket, 1099), taken(&mut bucket, 1100), taken(&mut bucket, 1199)), (0, 1, 0));
        assert_eq!((taken(&mut bucket, 1200), taken(&mut bucket, 1_000_000)), (1, 2));
        assert_eq!((taken(&mut bucket, 0), taken(&mut bucket, 100)), (0, 1), "a clock that went back");
        let mut endless = Bucket::new(RateLimit { burst: 0, interval: 0 }, at(0));
        assert!(endless.take(RateLimit { burst: 0, interval: 0 }, at(0)));
    }
}
