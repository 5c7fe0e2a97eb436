//! A receiver for a stream of samples: finds where subframes begin, keeps there, and hands each one on.

use super::acquire::Acquisition;
use super::receiver::{Config, Event, Receiver};
use super::sync::{Detection, Search, SearchConfig};
use crate::Sample;
use crate::channel::psbch;
use crate::numerology::Numerology;

/// Subframes that are collected before they are received: one synchronisation period of modes 1 and 2, and the signal's
/// own subframe twice.
const CHUNK_SUBFRAMES: usize = 42;

/// Subframes without anything heard after which the timing is looked for again.
const LOST_AFTER: u64 = 2000;

/// Share of a measured delay that is taken out at once.
const TIMING_GAIN: f64 = 0.5;

/// Delays in seconds that are left alone: a tenth of the shortest cyclic prefix.
const DEAD_ZONE: f64 = 0.4e-6;

/// How the timing was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alignment {
    /// By synchronisation signals.
    Slss(Detection),
    /// By cyclic prefixes.
    CyclicPrefix {
        /// Carrier offset in Hz.
        cfo_hz: f64,
    },
    /// Not at all: subframes are taken to begin with the first sample.
    Assumed,
}

/// Takes what is heard, and the sample of the stream at which its subframe began.
pub type Emit<'a> = dyn FnMut(Event<'_>, i64) + 'a;

/// Receives a stream.
pub struct StreamReceiver {
    receiver: Receiver,
    numerology: Numerology,
    search: Option<Search>,
    acquisition: Acquisition,
    found: Vec<Detection>,
    buffer: Vec<Sample>,
    /// Samples in the stream before the buffer.
    consumed: u64,
    /// Capture subframes that were received.
    subframes: u64,
    alignment: Option<Alignment>,
    last_heard: u64,
    /// Fraction of a sample by which the subframes are later than the buffer says.
    drift: f64,
    first_sample: Option<i64>,
    silence: Vec<Sample>,
}

impl StreamReceiver {
    /// For a carrier and mode.
    pub fn new(config: Config) -> Self {
        let numerology = config.numerology;
        let n = numerology.subframe_samples();
        let form = psbch::ssss_form(config.mode.is_v2x());
        let chunk = CHUNK_SUBFRAMES * n;
        Self {
            search: Search::new(numerology, form, chunk, SearchConfig::default()),
            acquisition: Acquisition::new(numerology),
            receiver: Receiver::new(config),
            numerology,
            found: Vec::with_capacity(32),
            buffer: Vec::with_capacity(chunk + n),
            consumed: 0,
            subframes: 0,
            alignment: None,
            last_heard: 0,
            drift: 0.0,
            first_sample: None,
            silence: vec![Sample::default(); n],
        }
    }

    /// The receiver inside.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The receiver inside: to tell it the time.
    pub fn receiver_mut(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// How the timing was found, `None` before the first chunk.
    pub fn alignment(&self) -> Option<Alignment> {
        self.alignment
    }

    /// Sample of the stream at which capture subframe 0 began; negative when the stream began late.
    pub fn first_sample(&self) -> Option<i64> {
        self.first_sample
    }

    /// Capture subframes so far.
    pub fn subframes(&self) -> u64 {
        self.subframes
    }

    /// Take more samples, of any number.
    pub fn push(&mut self, mut samples: &[Sample], emit: &mut Emit<'_>) {
        let n = self.numerology.subframe_samples();
        while !samples.is_empty() {
            // once the timing is known a subframe is received as soon as it is whole; a drift may make it a little longer
            let enough = if self.is_settled() && !self.is_lost() { n + n / 64 } else { CHUNK_SUBFRAMES * n };
            let room = enough - self.buffer.len().min(enough);
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.buffer.extend_from_slice(now);
            samples = later;
            if self.buffer.len() >= enough {
                self.receive(false, emit);
            }
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self.alignment, Some(Alignment::Slss(_) | Alignment::CyclicPrefix { .. }))
    }

    /// Nothing was heard for so long that the timing is to be looked for again.
    fn is_lost(&self) -> bool {
        self.subframes.saturating_sub(self.last_heard) > LOST_AFTER
    }

    /// The stream has ended: receive what is left.
    pub fn finish(&mut self, emit: &mut Emit<'_>) {
        self.receive(true, emit);
    }

    fn receive(&mut self, last: bool, emit: &mut Emit<'_>) {
        let n = self.numerology.subframe_samples();
        let mut at = 0isize;
        if !self.is_settled() || self.is_lost() {
            at = self.align();
        }
        loop {
            let from = at.max(0) as usize;
            let missing = (from as isize - at) as usize;
            let available = (self.buffer.len().saturating_sub(from)).min(n - missing);
            // a subframe that lacks its last, empty symbol is whole enough
            let symbol = n / self.numerology.symbols();
            let enough = if last {
                missing + available + symbol >= n && available > n / 2
            } else {
                missing + available == n
            };
            if !enough {
                break;
            }
            let sample = self.consumed as i64 + at as i64;
            self.first_sample.get_or_insert(sample);
            let k = self.subframes;
            let emit = &mut |event: Event<'_>| emit(event, sample);
            let heard = if missing == 0 && available == n {
                self.receiver.process(k, &self.buffer[from..from + n], emit)
            } else {
                self.silence.fill(Sample::default());
                self.silence[missing..missing + available]
                    .copy_from_slice(&self.buffer[from..from + available]);
                self.receiver.process(k, &self.silence, emit)
            };
            self.subframes += 1;
            if heard > 0 {
                self.last_heard = self.subframes;
            }
            at += n as isize + self.follow();
        }
        let used = (at.max(0) as usize).min(self.buffer.len());
        self.consumed += used as u64;
        self.buffer.drain(..used);
    }

    /// Samples by which the next subframe begins later than the last one's length says.
    fn follow(&mut self) -> isize {
        let Some(delay) = self.receiver.delay() else { return 0 };
        if (delay as f64).abs() < DEAD_ZONE {
            return 0;
        }
        self.drift += TIMING_GAIN * delay as f64 * self.numerology.sample_rate();
        let whole = self.drift.round();
        self.drift -= whole;
        whole as isize
    }

    /// Find the timing in the buffer; returns where the first subframe begins, which may be before it.
    fn align(&mut self) -> isize {
        let n = self.numerology.subframe_samples() as isize;
        // a little of a subframe may be missing at the start
        let early = n / self.numerology.symbols() as isize;
        let place = |offset: isize| {
            let offset = offset.rem_euclid(n);
            if offset > n - early { offset - n } else { offset }
        };
        self.found.clear();
        if let Some(search) = &mut self.search {
            search.search(&self.buffer, &mut self.found);
        }
        if let Some(best) = self.found.first() {
            self.alignment = Some(Alignment::Slss(*best));
            self.receiver.set_common_cfo(best.cfo_hz as f64);
            return place(best.sample.round() as isize);
        }
        if let Some(timing) = self.acquisition.find(&self.buffer) {
            self.alignment = Some(Alignment::CyclicPrefix { cfo_hz: timing.cfo_hz });
            self.receiver.set_common_cfo(timing.cfo_hz);
            return place(timing.offset as isize);
        }
        if self.alignment.is_none() {
            self.alignment = Some(Alignment::Assumed);
        }
        0
    }
}
