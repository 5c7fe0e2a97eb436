//! Time of a repeated call.

use std::time::{Duration, Instant};

/// A subframe in seconds.
const SUBFRAME: f64 = 1e-3;

/// Times of one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// The measured item.
    pub name: String,
    /// Number of calls.
    pub calls: usize,
    /// Median in µs.
    pub median_us: f64,
    /// 99th percentile in µs.
    pub p99_us: f64,
    /// A rate that is more informative than a time, such as Mbit/s.
    pub rate: Option<(f64, &'static str)>,
    /// The median of a peer for the same, in µs, and the required factor.
    pub peer: Option<(f64, f64)>,
}

impl Timing {
    /// Returns the share of the 1 ms subframe that the median takes, in percent.
    pub fn budget_percent(&self) -> f64 {
        100.0 * self.median_us * 1e-6 / SUBFRAME
    }

    /// Adds a peer's time for the same, and the required speed-up.
    #[must_use]
    pub fn against(mut self, peer_us: f64, factor: f64) -> Self {
        self.peer = Some((peer_us, factor));
        self
    }

    /// Adds a rate: `amount` a call, in units of `unit` a second.
    #[must_use]
    pub fn with_rate(mut self, amount: f64, unit: &'static str) -> Self {
        self.rate = Some((amount / (self.median_us * 1e-6), unit));
        self
    }
}

/// Calls `f` for about `budget`, at least 20 times, after warming up; times each call.
pub fn time(name: impl Into<String>, budget: Duration, mut f: impl FnMut()) -> Timing {
    for _ in 0..3 {
        f();
    }
    let mut times = Vec::with_capacity(4096);
    let start = Instant::now();
    while times.len() < 20 || (start.elapsed() < budget && times.len() < 1_000_000) {
        let before = Instant::now();
        f();
        times.push(before.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Timing {
        name: name.into(),
        calls: times.len(),
        median_us: at(0.5),
        p99_us: at(0.99),
        rate: None,
        peer: None,
    }
}
