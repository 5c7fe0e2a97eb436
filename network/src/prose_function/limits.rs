//! What one UE, and all together, may ask for: token buckets.

use sidelink_security::counter::UtcTime;

/// Tokens that come back with time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    burst: u32,
    /// Milliseconds a token.
    interval: u64,
    /// The time at which the bucket is full again.
    full_at: UtcTime,
}

impl Bucket {
    pub(super) const fn new(burst: u32, interval: u64) -> Self {
        Self { burst, interval, full_at: UtcTime::from_millis(0) }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: UtcTime) -> bool {
        let full_at = self.full_at.max(now).plus_millis(self.interval);
        let room = now.plus_millis(self.interval.saturating_mul(u64::from(self.burst)));
        let fits = full_at <= room;
        if fits {
            self.full_at = full_at;
        }
        fits
    }

    /// Tokens that are taken, of a hundred.
    pub(super) fn load(&self, now: UtcTime) -> u64 {
        let missing = self.full_at.millis().saturating_sub(now.millis()).div_ceil(self.interval.max(1));
        missing.saturating_mul(100) / u64::from(self.burst.max(1))
    }

    /// Whether it is as it was in the beginning, so that it need not be remembered.
    pub(super) fn is_full(&self, now: UtcTime) -> bool {
        self.full_at <= now
    }

    /// Milliseconds until a token is there.
    pub(super) fn wait(&self, now: UtcTime) -> u64 {
        let room = now.plus_millis(self.interval.saturating_mul(u64::from(self.burst)));
        self.full_at.plus_millis(self.interval).millis().saturating_sub(room.millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_an_interval() {
        let mut bucket = Bucket::new(3, 100);
        let at = UtcTime::from_millis;
        let taken = |bucket: &mut Bucket, now| (0..10).filter(|_| bucket.take(at(now))).count();
        assert_eq!(taken(&mut bucket, 5000), 3);
        assert_eq!(bucket.wait(at(5000)), 100);
        assert_eq!(taken(&mut bucket, 5099), 0);
        assert_eq!(taken(&mut bucket, 5100), 1);
        assert!(!bucket.is_full(at(5299)));
        assert_eq!(taken(&mut bucket, 5300), 2);
        assert_eq!([5300, 5301, 5400, 5600].map(|now| bucket.load(at(now))), [100, 100, 66, 0]);
        assert!(bucket.is_full(at(5600)));
        assert_eq!(taken(&mut bucket, 9000), 3);
    }

    #[test]
    fn the_end_of_time_takes_no_more_than_a_burst() {
        let mut bucket = Bucket::new(3, u64::MAX);
        let end = UtcTime::from_millis(u64::MAX);
        assert!(bucket.take(end), "nothing overflows");
    }
}
