//! Waiting: for other ports by a doorbell across processes, for the wall clock by sleeping.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// Returns the time in nanoseconds of the clock that all processes of this machine share and that nobody sets.
#[cfg(unix)]
pub(super) fn now_ns() -> i64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec.saturating_mul(1_000_000_000).saturating_add(t.tv_nsec)
}

/// A doorbell that rings after each change.
pub(super) struct Doorbell<'a> {
    rings: &'a AtomicU32,
    waiting: &'a AtomicU32,
}

impl<'a> Doorbell<'a> {
    pub(super) fn new([rings, waiting]: [&'a AtomicU32; 2]) -> Self {
        Self { rings, waiting }
    }

    /// Returns the number of rings.
    pub(super) fn rings(&self) -> u32 {
        self.rings.load(SeqCst)
    }

    /// Wakes all waiters.
    pub(super) fn ring(&self) {
        self.rings.fetch_add(1, SeqCst);
        if self.waiting.load(SeqCst) > 0 {
            wake(self.rings);
        }
    }

    /// Waits until the number of rings is no longer `heard`, for at most `patience`.
    pub(super) fn wait(&self, heard: u32, patience: Duration) {
        self.waiting.fetch_add(1, SeqCst);
        sleep_while(self.rings, heard, patience);
        self.waiting.fetch_sub(1, SeqCst);
    }
}

#[cfg(target_os = "linux")]
fn sleep_while(word: &AtomicU32, value: u32, patience: Duration) {
    use rustix::thread::futex;
    let timeout = futex::Timespec {
        tv_sec: patience.as_secs().min(3600) as i64,
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    // The caller checks its condition again, whatever the reason for waking.
    let _ = futex::wait(word, futex::Flags::empty(), value, Some(&timeout));
}

#[cfg(target_os = "linux")]
fn wake(word: &AtomicU32) {
    let _ = rustix::thread::futex::wake(word, rustix::thread::futex::Flags::empty(), i32::MAX as u32);
}

#[cfg(not(target_os = "linux"))]
fn sleep_while(word: &AtomicU32, value: u32, patience: Duration) {
    if word.load(SeqCst) == value {
        std::thread::sleep(patience.min(Duration::from_micros(100)));
    }
}

#[cfg(not(target_os = "linux"))]
fn wake(_: &AtomicU32) {}

/// Returns the time left until `deadline`, `None` when it has passed.
pub(super) fn left(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}
