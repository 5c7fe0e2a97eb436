//! Refuses a clock that went back: our own rule, against forged time and restored clocks.
//!
//! The latest time that was used for sending or accepted is durable. A UE whose clock is below it neither announces nor
//! accepts until it is synchronised again. The mark is reserved ahead like any counter ([`super::reserve`]), by `ahead`
//! seconds, so that no caller waits for the store; after a crash a UE is silent for at most this time.

use std::fmt;

use super::UtcCounter;
use super::reserve::{CommitError, CounterStore, Granted, Lease, Reservation, ReserveConfig, StreamId};

/// The durable high-water mark of time.
#[derive(Debug)]
pub struct ClockGuard {
    lease: Lease,
    floor: UtcCounter,
}

/// Reason why a clock is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockError {
    /// The clock shows an earlier time than one already used: it went back, or a false time was used before.
    WentBack {
        /// Seconds by which it is below the mark.
        seconds: u32,
    },
    /// The mark of this time is not durable yet; try again.
    Waiting,
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WentBack { seconds } => {
                write!(f, "the clock is {seconds} s below a time that was already used: synchronise it")
            }
            Self::Waiting => f.write_str("the time mark is not durable yet"),
        }
    }
}

impl std::error::Error for ClockError {}

/// A time that the guard accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GuardedTime(UtcCounter);

impl GuardedTime {
    /// Returns the time as a counter.
    pub const fn counter(self) -> UtcCounter {
        self.0
    }
}

impl ClockGuard {
    /// Reads the mark of `stream`; `ahead` seconds are reserved at a time. Blocks on the medium: call it at start only.
    pub fn open<S: CounterStore>(
        stream: StreamId,
        now: UtcCounter,
        ahead: u32,
        store: &mut S,
    ) -> Result<Self, CommitError<S::Error>> {
        let floor = store.reserved(&stream).map_err(CommitError::Store)?;
        let floor = UtcCounter::new(u32::try_from(floor).unwrap_or(u32::MAX));
        let config = ReserveConfig { block: ahead.max(2), low_water: ahead.max(2) / 2 };
        let first = u64::from(now.value().max(floor.value()));
        let lease = Lease::open(stream, first, 1 << 32, config, store)?;
        Ok(Self { lease, floor })
    }

    /// Checks whether `now` may be used. Equal times are accepted any number of times.
    pub fn check(&mut self, now: UtcCounter) -> Result<GuardedTime, ClockError> {
        if now < self.floor {
            return Err(ClockError::WentBack { seconds: self.floor.distance(now) });
        }
        self.lease.skip_to(u64::from(now.value()));
        if u64::from(now.value()) >= self.lease.end() {
            return Err(ClockError::Waiting);
        }
        self.floor = now;
        Ok(GuardedTime(now))
    }

    /// Returns the reservation to be made durable now, if any.
    pub fn wanted(&mut self) -> Option<Reservation> {
        self.lease.wanted()
    }

    /// Takes a reservation that is durable.
    pub fn grant(&mut self, granted: Granted) {
        self.lease.grant(granted);
    }

    /// Records that the reservation failed: [`Self::wanted`] returns it again.
    pub fn failed(&mut self) {
        self.lease.failed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter::memory::Memory;

    const AHEAD: u32 = 8;

    fn open(store: &mut Memory, now: u32) -> ClockGuard {
        ClockGuard::open(StreamId([1; 16]), UtcCounter::new(now), AHEAD, store).unwrap()
    }

    fn serve(guard: &mut ClockGuard, store: &mut Memory) {
        if let Some(reservation) = guard.wanted() {
            guard.grant(reservation.commit(store).unwrap());
        }
    }

    #[test]
    fn time_goes_on_and_never_back() {
        let mut store = Memory::default();
        let mut guard = open(&mut store, 1000);
        for now in [1000, 1000, 1001, 1005, 1005, 1011, 1012] {
            serve(&mut guard, &mut store);
            assert_eq!(guard.check(UtcCounter::new(now)).map(GuardedTime::counter), Ok(UtcCounter::new(now)));
        }
        assert_eq!(guard.check(UtcCounter::new(1010)), Err(ClockError::WentBack { seconds: 2 }));
        assert!(guard.check(UtcCounter::new(1012)).is_ok());
    }

    /// A clock that is restored after a crash is refused until it has passed every time that was used. A correct clock
    /// is refused for at most the seconds that were reserved ahead.
    #[test]
    fn a_crash_does_not_forget_the_mark() {
        let mut store = Memory::default();
        let mut guard = open(&mut store, 1000);
        for now in 1000..1100 {
            serve(&mut guard, &mut store);
            assert!(guard.check(UtcCounter::new(now)).is_ok(), "{now}");
        }
        let mark = u32::try_from(store.reserved(&StreamId([1; 16])).unwrap()).unwrap();
        assert!((1100..=1100 + AHEAD + AHEAD / 2).contains(&mark), "{mark}");
        let mut guard = open(&mut store, 500);
        for now in [500, 1000, 1099, mark - 1] {
            assert_eq!(guard.check(UtcCounter::new(now)), Err(ClockError::WentBack { seconds: mark - now }));
        }
        assert!(guard.check(UtcCounter::new(mark)).is_ok());
    }

    #[test]
    fn a_jump_ahead_waits_for_one_reservation() {
        let mut store = Memory::default();
        let mut guard = open(&mut store, 1000);
        serve(&mut guard, &mut store);
        assert_eq!(guard.check(UtcCounter::new(90_000)), Err(ClockError::Waiting));
        serve(&mut guard, &mut store);
        assert!(guard.check(UtcCounter::new(90_000)).is_ok());
    }
}
