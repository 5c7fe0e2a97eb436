//! A receiver for a stream of samples: finds where subframes begin, keeps there, and hands each one on.
//!
//! A timing and a carrier offset are hypotheses until something is received with them, and are doubted when nothing is:
//!
//! ```text
//! samples -> Conditioner -> History (the subframes in which nothing was heard, up to 42)
//!   no lock     hunt: SLSS, cyclic prefixes, offsets up to 100 kHz, the spectrum inverted; each tried on the history
//!   locked      a subframe at a time; the timing follows the delay of what is heard
//!               power without anything heard: do its prefixes stand elsewhere?       samples were lost, or inserted
//!               40 subframes without anything: look for synchronisation signals and prefixes again
//! ```
//!
//! What decodes with another timing replaces the old one from the last subframe on in which anything was heard.

mod doubt;
mod history;
mod hunt;

use super::condition::{Conditioner, Spectrum};
use super::receiver::{Config, Event, Receiver};
use super::sync::Detection;
use crate::Sample;
use crate::numerology::Numerology;
use history::History;
use hunt::{Hunter, Source};

/// Subframes that are collected before a timing is looked for: one synchronisation period of modes 1 and 2, and the
/// signal's own subframe twice.
const CHUNK_SUBFRAMES: usize = 42;

/// Subframes without anything heard after which the timing is looked for beside the one that is held.
const DOUBT_AFTER: u64 = 40;

/// Evidence from which a lock is believed: nobody looks for offsets or an inverted spectrum any more.
const BELIEVED: u32 = 4;

/// Power against that of a quiet subframe from which something should be heard: 3 dB.
const BURST: f32 = 2.0;

/// By how much the power of a quiet subframe rises each subframe, until another is as quiet.
const FLOOR_RISE: f32 = 1.01;

/// Longest wait in subframes between tries of another timing that led to nothing.
const LONGEST_PATIENCE: u64 = 256;

/// Share of a measured delay that is taken out at once.
const TIMING_GAIN: f64 = 0.5;

/// Delays in seconds that are left alone: a tenth of the shortest cyclic prefix.
const DEAD_ZONE: f64 = 0.4e-6;

/// Share of a measured carrier offset that is taken out at once where no MIB tells it.
const CARRIER_GAIN: f64 = 0.05;

/// Subframes for which the carrier offset of a MIB's sender goes before that of others.
const MIB_RULES: u64 = 500;

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
    conditioner: Conditioner,
    /// Samples that do not make a block yet.
    incoming: Vec<Sample>,
    history: History,
    hunter: Hunter,
    subframe: Vec<Sample>,
    /// Sample of the stream at which capture subframe `subframes` begins.
    next: i64,
    subframes: u64,
    /// Fraction of a sample by which the subframes are later than `next` says.
    drift: f64,
    lock: Option<Lock>,
    first_sample: Option<i64>,
    signals_heard: u64,
    /// Stretches in which nothing was found.
    misses: u64,
    /// Power of a quiet subframe.
    floor: f32,
    last_mib: Option<u64>,
}

/// A timing that is held.
#[derive(Clone, Copy, Debug)]
struct Lock {
    source: Source,
    evidence: u32,
    /// Sample behind the last subframe in which something was heard.
    heard_at: i64,
    /// Capture subframe from which another look is due.
    look_at: u64,
    /// Subframes with power and nothing heard since `heard_at`.
    unexplained: u32,
    /// Subframes to wait after the next try that leads to nothing.
    patience: u64,
    /// Before this capture subframe no other timing is tried on unexplained power.
    wait_until: u64,
    /// Share of the last subframes in which something was heard.
    busy: f32,
}

/// What a subframe or a try has shown.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    events: u32,
    evidence: u32,
    signals: u32,
    cfo_hz: Option<f32>,
    mib: bool,
}

impl Heard {
    /// What speaks for a timing. Synchronisation signals without a MIB do so only where they are what it was taken from:
    /// data of others looks like them now and then.
    fn speaks_for(&self, source: Source) -> u32 {
        let signals = if matches!(source, Source::Slss(_)) { self.signals } else { 0 };
        self.evidence + signals
    }

    fn add(&mut self, other: &Self) {
        self.evidence += other.evidence;
        self.signals += other.signals;
    }

    fn note(&mut self, event: &Event<'_>) {
        self.evidence += match event {
            Event::Sci { .. } => 1,
            Event::Mib { .. } => 2,
            // the soft values of a block that decoded before decode again, whatever is added to them
            Event::SlSch(block) if !block.repeat => 4,
            Event::SlDch { repeat: false, .. } => 4,
            _ => 0,
        };
        self.events += 1;
        self.signals += u32::from(matches!(event, Event::Slss { .. }));
        self.mib |= matches!(event, Event::Mib { .. });
        if self.cfo_hz.is_none() {
            self.cfo_hz = event.measurement().map(|m| m.cfo_hz);
        }
    }
}

impl StreamReceiver {
    /// For a carrier and mode.
    pub fn new(config: Config) -> Self {
        let numerology = config.numerology;
        let n = numerology.subframe_samples();
        let longest = (CHUNK_SUBFRAMES + 2) * n;
        Self {
            hunter: Hunter::new(&config, longest),
            receiver: Receiver::new(config),
            numerology,
            conditioner: Conditioner::new(n),
            incoming: Vec::with_capacity(n),
            history: History::new(longest),
            subframe: vec![Sample::default(); n],
            next: 0,
            subframes: 0,
            drift: 0.0,
            lock: None,
            first_sample: None,
            signals_heard: 0,
            misses: 0,
            floor: f32::INFINITY,
            last_mib: None,
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

    /// How the timing was found; `None` before anything was tried.
    pub fn alignment(&self) -> Option<Alignment> {
        let cfo_hz = self.receiver.common_cfo();
        match self.lock.map(|lock| lock.source) {
            Some(Source::Slss(detection)) if self.signals_heard > 0 => Some(Alignment::Slss(detection)),
            Some(Source::Slss(_) | Source::Prefixes) => Some(Alignment::CyclicPrefix { cfo_hz }),
            Some(Source::Assumption) => Some(Alignment::Assumed),
            None => (self.misses > 0).then_some(Alignment::Assumed),
        }
    }

    /// Which way the frequencies of the samples run, by what was received.
    pub fn spectrum(&self) -> Spectrum {
        self.conditioner.spectrum()
    }

    /// Sample of the stream at which capture subframe 0 began; negative when the stream began late.
    pub fn first_sample(&self) -> Option<i64> {
        self.first_sample
    }

    /// Capture subframes so far.
    pub fn subframes(&self) -> u64 {
        let n = self.numerology.subframe_samples() as i64;
        let waiting = if self.lock.is_none() { (self.history.end() - self.next).max(0) / n } else { 0 };
        self.subframes + waiting as u64
    }

    /// Takes more samples, of any number.
    pub fn push(&mut self, mut samples: &[Sample], emit: &mut Emit<'_>) {
        let n = self.numerology.subframe_samples();
        while !samples.is_empty() {
            let (now, later) = samples.split_at((n - self.incoming.len()).min(samples.len()));
            self.incoming.extend_from_slice(now);
            samples = later;
            if self.incoming.len() == n {
                self.flush();
                self.advance(false, emit);
            }
        }
    }

    /// Takes note that `count` samples of the stream were lost at this place: their number is known, and so is the timing
    /// behind them.
    pub fn skip(&mut self, count: u64, emit: &mut Emit<'_>) {
        let n = self.numerology.subframe_samples() as i64;
        self.flush();
        self.conditioner.skip(count);
        let end = self.history.end() + count.min(i64::MAX as u64 / 2) as i64;
        // a stretch ends here: what it holds is tried now
        self.advance(self.lock.is_none(), emit);
        let symbol = n / self.numerology.symbols() as i64;
        if let Some(lock) = &mut self.lock {
            let whole = ((end - symbol - self.next).max(0) + n - 1) / n;
            self.next += whole * n;
            self.subframes += whole as u64;
            *lock =
                Lock { heard_at: self.next, look_at: self.subframes + DOUBT_AFTER, unexplained: 0, ..*lock };
        }
        self.history.restart(end);
    }

    /// The stream has ended: receives what is left.
    pub fn finish(&mut self, emit: &mut Emit<'_>) {
        self.flush();
        self.advance(true, emit);
        self.first_sample.get_or_insert(0);
    }

    /// Conditions what came.
    fn flush(&mut self) {
        self.conditioner.process(&mut self.incoming);
        self.history.extend(&self.incoming);
        self.incoming.clear();
    }

    fn advance(&mut self, last: bool, emit: &mut Emit<'_>) {
        let n = self.numerology.subframe_samples();
        if self.lock.is_none() {
            if self.history.len() < CHUNK_SUBFRAMES * n && !last {
                return;
            }
            if !self.hunt(last, emit) {
                self.misses += 1;
                // a subframe may lie across the end of the stretch
                self.history.trim(self.history.end() - n as i64);
                return;
            }
        }
        while self.step(last, emit) {}
    }

    /// Receives the next subframe of a lock; `false` when it is not there yet.
    fn step(&mut self, last: bool, emit: &mut Emit<'_>) -> bool {
        let n = self.numerology.subframe_samples() as i64;
        let Some(power) = self.load(self.next, last) else { return false };
        let (at, k) = (self.next, self.subframes);
        let heard = self.receive(at, k, emit);
        self.subframes += 1;
        self.next += n + self.follow();
        self.history.trim(self.next.min(self.history.end()) - (CHUNK_SUBFRAMES as i64) * n);
        self.floor = (self.floor * FLOOR_RISE).min(power);
        if heard.events > 0 {
            self.confirm(self.lock.map_or(0, |lock| heard.speaks_for(lock.source)));
        } else {
            self.doubt(at, power, last, emit);
        }
        true
    }

    /// The subframe that begins at sample `at`, into `self.subframe`: its power, or `None` when it is not whole.
    fn load(&mut self, at: i64, last: bool) -> Option<f32> {
        let n = self.numerology.subframe_samples();
        let missing = (self.history.start() - at).max(0) as usize;
        let behind = (self.history.end() - at).max(0) as usize;
        // a subframe that lacks its last, empty symbol is whole enough; so is one that lacks as much at the start
        let symbol = n / self.numerology.symbols();
        let enough = if last { behind + symbol >= n } else { behind >= n };
        if !enough || missing > symbol {
            return None;
        }
        self.history.copy(at, &mut self.subframe);
        Some(self.subframe.iter().step_by(4).map(|x| x.norm_sqr()).sum())
    }

    /// Receives what [`Self::load`] has taken.
    fn receive(&mut self, at: i64, k: u64, emit: &mut Emit<'_>) -> Heard {
        let mut heard = Heard::default();
        self.receiver.process(k, &self.subframe, &mut |event: Event<'_>| {
            heard.note(&event);
            emit(event, at);
        });
        self.signals_heard += u64::from(heard.signals);
        if heard.mib {
            self.last_mib = Some(k);
        } else if let Some(cfo) = heard.cfo_hz
            && self.last_mib.is_none_or(|m| k > m + MIB_RULES)
        {
            let common = self.receiver.common_cfo();
            self.receiver.set_common_cfo(common + CARRIER_GAIN * (f64::from(cfo) - common));
        }
        heard
    }

    /// Samples by which the next subframe begins later than the last one's length says.
    fn follow(&mut self) -> i64 {
        let Some(delay) = self.receiver.delay() else { return 0 };
        if (delay as f64).abs() < DEAD_ZONE {
            return 0;
        }
        self.drift += TIMING_GAIN * delay as f64 * self.numerology.sample_rate();
        let whole = self.drift.round();
        self.drift -= whole;
        whole as i64
    }
}
