//! Description of the machine of a measurement, as far as the system provides it.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Period of the thread that watches for stalls.
const EVERY: Duration = Duration::from_millis(1);

/// Longest stall that is distinguished: ten seconds.
const LONGEST_NS: u64 = 10_000_000_000;

/// A machine at a time.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Name of the processor.
    pub processor: String,
    /// Number of processors that this process may use.
    pub cores: usize,
    /// Mean number of runnable threads in the last minute, those of other processes included.
    pub load: Option<f64>,
    /// Date, UTC.
    pub date: String,
    /// Version of this program.
    pub version: &'static str,
}

impl Machine {
    /// Returns the present machine.
    pub fn here() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|l| l.strip_prefix("model name").and_then(|l| l.split_once(':')));
        let seconds =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        Self {
            processor: model.map_or(std::env::consts::ARCH, |(_, name)| name.trim()).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load: load(),
            date: date(seconds),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// Returns the mean number of runnable threads in the last minute.
pub(super) fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Times for which the machine did not run a thread that only wakes up every millisecond: delays for which no UE is to
/// blame.
pub(super) struct Stalls {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Histogram<u64>>,
}

impl Stalls {
    /// Starts the measurement; `None` if no thread is left.
    pub(super) fn begin() -> Option<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let mut late = Histogram::new_with_bounds(1, LONGEST_NS, 3).ok()?;
        let watch = move || {
            while !told.load(Relaxed) {
                let began = Instant::now();
                std::thread::sleep(EVERY);
                let ns = began.elapsed().saturating_sub(EVERY).as_nanos();
                late.saturating_record(u64::try_from(ns).unwrap_or(u64::MAX).max(1));
            }
            late
        };
        let thread = std::thread::Builder::new().name("stalls".to_owned()).spawn(watch).ok()?;
        Some(Self { over, thread })
    }

    /// Ends the measurement; returns the lateness in nanoseconds.
    pub(super) fn end(self) -> Option<Histogram<u64>> {
        self.over.store(true, Relaxed);
        self.thread.join().ok()
    }
}

/// Returns the processor time of this process so far, seconds.
pub(super) fn cpu_seconds() -> Option<f64> {
    #[cfg(unix)]
    {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Some(t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9)
    }
    #[cfg(not(unix))]
    None
}

/// Returns year, month and day of seconds since 1970.
fn date(seconds: u64) -> String {
    // days from 1 March of year 0, in eras of 400 years
    let days = (seconds / 86_400) as i64 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{of_month:02}", year + era * 400 + later)
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_795_219_200, "2026-11-21"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(super::date(seconds), date);
        }
    }
}
