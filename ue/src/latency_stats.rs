//! Processing time of each stage of a subframe, which lasts one millisecond.

use hdrhistogram::Histogram;
use sidelink_phy::receive::receiver::Part;
use std::time::{Duration, Instant};

/// A stage of the work on a subframe, in the order of execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Stage {
    /// From the antenna to the start of the work: the time in buffers.
    Samples,
    /// The receiver without layer 2: the sum of the five stages that follow.
    Receive,
    /// FFT of the subframe.
    Transform,
    /// Synchronisation signals and PSBCH.
    Synchronisation,
    /// Search for PSCCH; in modes 3 and 4 with the PSSCH that each SCI announces.
    Control,
    /// Decoding of PSSCH in modes 1 and 2.
    Shared,
    /// Search for PSDCH and its decoding.
    Discovery,
    /// MAC, RLC, PDCP and security of received data, and the event handlers of the applications.
    Layer2,
    /// Search for other references.
    Sync,
    /// Work of the applications.
    Application,
    /// Resources, MAC, RLC, PDCP and security of the transmissions.
    Plan,
    /// Coding, mapping and IFFT.
    Encode,
    /// Hand-over to the radio.
    Send,
    /// The whole subframe.
    Whole,
    /// Processor time of the UE's thread for the subframe. The rest of the whole is time in which the thread did not
    /// run.
    Processor,
    /// From the last sample of a subframe on the air to the moment at which the radio has the burst that may answer it.
    /// Only with radios that report their time ([`sidelink_radio::Transmit::now`]).
    TurnRound,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 16] = [
        Self::Samples,
        Self::Receive,
        Self::Transform,
        Self::Synchronisation,
        Self::Control,
        Self::Shared,
        Self::Discovery,
        Self::Layer2,
        Self::Sync,
        Self::Application,
        Self::Plan,
        Self::Encode,
        Self::Send,
        Self::Whole,
        Self::Processor,
        Self::TurnRound,
    ];

    /// Returns the stage of a part of the receiver.
    pub const fn of(part: Part) -> Self {
        match part {
            Part::Transform => Self::Transform,
            Part::Synchronisation => Self::Synchronisation,
            Part::Shared => Self::Shared,
            Part::Control => Self::Control,
            Part::Discovery => Self::Discovery,
        }
    }

    /// Returns the name of the stage in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Samples => "samples in",
            Self::Receive => "receive",
            Self::Transform => "FFT",
            Self::Synchronisation => "synchronisation",
            Self::Control => "control search",
            Self::Shared => "decode",
            Self::Discovery => "discovery search",
            Self::Layer2 => "layer 2 in",
            Self::Sync => "reference search",
            Self::Application => "applications",
            Self::Plan => "layer 2 out",
            Self::Encode => "encode",
            Self::Send => "hand over",
            Self::Whole => "whole subframe",
            Self::Processor => "its processor time",
            Self::TurnRound => "turn-round",
        }
    }
}

/// Histograms of nanoseconds, one for each stage. Recording does not allocate.
pub struct LatencyStats {
    histograms: Vec<Histogram<u64>>,
    began: Instant,
    last: Instant,
    within: Duration,
    processor: Duration,
}

/// The longest time that is recorded: one second. Longer times count as this.
const LONGEST_NS: u64 = 1_000_000_000;

impl Default for LatencyStats {
    fn default() -> Self {
        Self::new()
    }
}

impl LatencyStats {
    /// Makes empty histograms.
    pub fn new() -> Self {
        let empty = || {
            // 1 ns to 1 s with three digits is a valid range
            Histogram::new_with_bounds(1, LONGEST_NS, 3).unwrap_or_else(|_| unreachable!("a valid range"))
        };
        let now = Instant::now();
        let histograms = Stage::ALL.iter().map(|_| empty()).collect();
        Self { histograms, began: now, last: now, within: Duration::ZERO, processor: Duration::ZERO }
    }

    /// Returns the histogram of a stage, in nanoseconds.
    pub fn histogram(&self, stage: Stage) -> &Histogram<u64> {
        &self.histograms[stage as usize]
    }

    /// Returns p50, p99, p99.9 and the maximum of a stage, in microseconds.
    pub fn microseconds(&self, stage: Stage) -> [f64; 4] {
        let histogram = self.histogram(stage);
        [0.5, 0.99, 0.999, 1.0].map(|q| histogram.value_at_quantile(q) as f64 * 1e-3)
    }

    /// Returns the number of measurements of a stage and their sum in microseconds.
    pub fn sum_microseconds(&self, stage: Stage) -> (u64, f64) {
        let histogram = self.histogram(stage);
        let count = histogram.len();
        (count, if count == 0 { 0.0 } else { histogram.mean() * count as f64 * 1e-3 })
    }

    /// Returns the values of [`Self::microseconds`] for every stage that was measured.
    pub fn microseconds_of_all(&self) -> Vec<(Stage, [f64; 4])> {
        let measured = Stage::ALL.into_iter().filter(|stage| !self.histogram(*stage).is_empty());
        measured.map(|stage| (stage, self.microseconds(stage))).collect()
    }

    /// Returns how often a stage took longer than `time`.
    pub fn longer_than(&self, stage: Stage, time: Duration) -> u64 {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.histogram(stage)
            .iter_recorded()
            .filter(|v| v.value_iterated_to() > ns)
            .map(|v| v.count_at_value())
            .sum()
    }

    /// Clears all histograms.
    pub fn reset(&mut self) {
        for histogram in &mut self.histograms {
            histogram.reset();
        }
    }

    /// Adds the measurements of another.
    pub fn merge(&mut self, other: &Self) {
        for (into, from) in self.histograms.iter_mut().zip(&other.histograms) {
            // Both have the same bounds.
            let _ = into.add(from);
        }
    }

    /// Records a time that was measured elsewhere.
    pub fn record(&mut self, stage: Stage, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.histograms[stage as usize].saturating_record(ns.max(1));
    }

    pub(super) fn begin(&mut self) {
        self.began = Instant::now();
        self.last = self.began;
        self.within = Duration::ZERO;
        self.processor = processor_time();
    }

    /// Records a stage that ran inside the current stage, and excludes its time from the current one.
    pub(super) fn within(&mut self, stage: Stage, time: Duration) {
        self.within += time;
        self.record(stage, time);
    }

    pub(super) fn mark(&mut self, stage: Stage) {
        let now = Instant::now();
        self.record(stage, (now - self.last).saturating_sub(self.within));
        self.within = Duration::ZERO;
        self.last = now;
    }

    pub(super) fn end(&mut self) {
        self.record(Stage::Whole, self.began.elapsed());
        self.record(Stage::Processor, processor_time().saturating_sub(self.processor));
    }
}

/// Returns the processor time of this thread so far; zero where the system does not report it.
fn processor_time() -> Duration {
    #[cfg(unix)]
    {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
    }
    #[cfg(not(unix))]
    Duration::ZERO
}
