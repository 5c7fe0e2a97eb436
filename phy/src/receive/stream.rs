//! A receiver for a stream of samples: finds the begin of subframes, tracks it, and passes each subframe on.
//!
//! A timing and a carrier offset are hypotheses until a reception confirms them, and are doubted when there is none:
//!
//! ```text
//! samples -> Conditioner of each antenna -> History (the subframes without a reception, up to 42)
//!   no lock     hunt: SLSS, cyclic prefixes, offsets up to 100 kHz, the spectrum inverted; each tried on the history
//!   locked      a subframe at a time; the timing follows the delay of receptions
//!               power without a reception: are its prefixes elsewhere?               samples were lost, or inserted
//!               40 subframes without a reception: search synchronisation signals and prefixes again
//! ```
//!
//! A timing with new decodes replaces the old one from the last subframe with a reception on.

mod ahead;
mod doubt;
mod history;
mod hunt;
mod intake;

pub use ahead::{Ahead, Filled, Forecast, Prepared};

use super::diversity::Views;
use super::receiver::{Config, Event, Receiver, Transformed};
use super::sync::Detection;
use crate::Sample;
use crate::numerology::Numerology;
use crate::units::{Antennas, Hertz};
use history::History;
use hunt::{Hunter, Source};
use intake::Intake;

/// Subframes that are collected before a timing is searched: one synchronisation period of modes 1 and 2, and twice the
/// signal's own subframe.
const CHUNK_SUBFRAMES: usize = 42;

/// Subframes without a reception after which another timing is searched beside the present one.
const DOUBT_AFTER: u64 = 40;

/// Evidence from which a lock is accepted: offsets and an inverted spectrum are not searched any more.
const BELIEVED: u32 = 4;

/// Power relative to that of a quiet subframe from which a reception is expected: 3 dB.
const BURST: f32 = 2.0;

/// Factor by which the power of a quiet subframe rises each subframe, until another is as quiet.
const FLOOR_RISE: f32 = 1.01;

/// Longest wait in subframes between unsuccessful tries of another timing.
const LONGEST_PATIENCE: u64 = 256;

/// Share of a measured delay that is corrected at once.
const TIMING_GAIN: f64 = 0.5;

/// Delays in seconds that are not corrected: a tenth of the shortest cyclic prefix.
const DEAD_ZONE: f64 = 0.4e-6;

/// Share of a measured carrier offset that is corrected at once without a MIB.
const CARRIER_GAIN: f64 = 0.05;

/// Carrier offset in Hz that is corrected: a smaller one costs nothing, and grids that were made ahead stay right.
const CARRIER_STEP: Hertz = Hertz(25.0);

/// Subframes for which the carrier offset of a MIB's sender takes precedence over that of others.
const MIB_RULES: u64 = 500;

/// Source of the timing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alignment {
    /// Synchronisation signals.
    Slss(Detection),
    /// Cyclic prefixes.
    CyclicPrefix {
        /// Carrier offset.
        cfo: Hertz,
    },
    /// None: subframes are assumed to begin with the first sample.
    Assumed,
}

/// Direction of the frequencies of the samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spectrum {
    /// Higher frequencies of the air are higher ones of the samples.
    #[default]
    Normal,
    /// Reversed: a mixer above the carrier, or I and Q exchanged.
    Inverted,
}

/// Powers of a subframe at each antenna.
type Powers = [f32; Antennas::MAX];

/// Receives each event, and the sample of the stream at which its subframe began.
pub type Emit<'a> = dyn FnMut(Event<'_>, i64) + 'a;

/// Receives a stream.
pub struct StreamReceiver {
    receiver: Receiver,
    numerology: Numerology,
    intake: Intake,
    spectrum: Spectrum,
    history: History,
    /// Grids that were made ahead, and the sample of the stream at which their subframe begins.
    ready: Transformed,
    ready_for: Option<i64>,
    hunter: Hunter,
    /// The present subframe of each antenna.
    subframe: Vec<Vec<Sample>>,
    /// Sample of the stream at which capture subframe `subframes` begins.
    next: i64,
    subframes: u64,
    /// Fraction of a sample by which the subframes are later than `next`.
    drift: f64,
    lock: Option<Lock>,
    first_sample: Option<i64>,
    signals_heard: u64,
    /// Ranges without a result.
    misses: u64,
    /// Power of a quiet subframe at each antenna.
    floor: Powers,
    last_mib: Option<u64>,
    /// Measured carrier offset that is not corrected yet.
    carrier_rest: Hertz,
}

/// The present timing.
#[derive(Clone, Copy, Debug)]
struct Lock {
    source: Source,
    evidence: u32,
    /// End of the last subframe with a reception.
    heard_at: i64,
    /// Capture subframe from which another search is due.
    look_at: u64,
    /// Subframes with power and without a reception since `heard_at`.
    unexplained: u32,
    /// Subframes to wait after the next unsuccessful try.
    patience: u64,
    /// Before this capture subframe no other timing is tried on unexplained power.
    wait_until: u64,
    /// Share of the last subframes that had a reception.
    busy: f32,
}

/// Result of a subframe or a try.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    events: u32,
    evidence: u32,
    signals: u32,
    cfo: Option<Hertz>,
    mib: bool,
}

impl Heard {
    /// Returns the evidence for a timing. Synchronisation signals without a MIB count only if the timing was taken from
    /// them: data of others resembles them now and then.
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
        if self.cfo.is_none() {
            self.cfo = event.measurement().map(|m| m.cfo);
        }
    }
}

impl StreamReceiver {
    /// Makes a receiver for a carrier and mode.
    pub fn new(config: Config) -> Self {
        let numerology = config.numerology;
        let n = numerology.subframe_samples();
        let longest = (CHUNK_SUBFRAMES + 2) * n;
        let antennas = config.antennas;
        Self {
            hunter: Hunter::new(&config, longest),
            receiver: Receiver::new(config),
            numerology,
            intake: Intake::new(numerology, antennas),
            spectrum: Spectrum::Normal,
            ready: Transformed::default(),
            ready_for: None,
            history: History::new(longest, antennas),
            subframe: vec![vec![Sample::default(); n]; antennas.count()],
            next: 0,
            subframes: 0,
            drift: 0.0,
            lock: None,
            first_sample: None,
            signals_heard: 0,
            misses: 0,
            floor: [f32::INFINITY; Antennas::MAX],
            last_mib: None,
            carrier_rest: Hertz(0.0),
        }
    }

    /// Returns the receiver of subframes.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Returns the receiver of subframes, for example to set the time.
    pub fn receiver_mut(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// Returns the source of the timing; `None` before any try.
    pub fn alignment(&self) -> Option<Alignment> {
        let cfo = self.receiver.common_cfo();
        match self.lock.map(|lock| lock.source) {
            Some(Source::Slss(detection)) if self.signals_heard > 0 => Some(Alignment::Slss(detection)),
            Some(Source::Slss(_) | Source::Prefixes) => Some(Alignment::CyclicPrefix { cfo }),
            Some(Source::Assumption) => Some(Alignment::Assumed),
            None => (self.misses > 0).then_some(Alignment::Assumed),
        }
    }

    /// Returns the direction of the frequencies of the samples, by the receptions.
    pub fn spectrum(&self) -> Spectrum {
        self.spectrum
    }

    /// Returns the sample of the stream at which capture subframe 0 began; negative when the stream began late.
    pub fn first_sample(&self) -> Option<i64> {
        self.first_sample
    }

    /// Returns the number of capture subframes so far.
    pub fn subframes(&self) -> u64 {
        let n = self.numerology.subframe_samples() as i64;
        let waiting = if self.lock.is_none() { (self.history.end() - self.next).max(0) / n } else { 0 };
        self.subframes + waiting as u64
    }

    /// Processes more samples of a single antenna, of any number.
    pub fn push(&mut self, samples: &[Sample], emit: &mut Emit<'_>) {
        self.push_antennas(&[samples], emit);
    }

    /// Processes more samples, of any number, equally many of each antenna. Antennas with fewer, or without a slice, are
    /// silent for the rest.
    pub fn push_antennas(&mut self, samples: &[&[Sample]], emit: &mut Emit<'_>) {
        let all = samples.iter().map(|s| s.len()).max().unwrap_or(0);
        let mut taken = 0;
        while taken < all {
            taken = self.intake.fill(samples, taken);
            if self.intake.is_whole() {
                self.flush();
                self.advance(false, emit);
            }
        }
    }

    /// Reports that `count` samples of the stream were lost at this place: their number is known, and so is the timing
    /// behind them.
    pub fn skip(&mut self, count: u64, emit: &mut Emit<'_>) {
        let n = self.numerology.subframe_samples() as i64;
        self.flush();
        self.intake.skip(count);
        let end = ahead::behind(self.history.end(), count);
        // a range ends here: its content is tried now
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

    /// Ends the stream: receives the rest.
    pub fn finish(&mut self, emit: &mut Emit<'_>) {
        self.flush();
        self.advance(true, emit);
        self.first_sample.get_or_insert(0);
    }

    /// Conditions the samples that came in.
    fn flush(&mut self) {
        enter(self.intake.conditioned(), self.spectrum, &mut self.history);
    }

    fn advance(&mut self, last: bool, emit: &mut Emit<'_>) {
        let n = self.numerology.subframe_samples();
        if self.lock.is_none() {
            if self.history.len() < CHUNK_SUBFRAMES * n && !last {
                return;
            }
            if !self.hunt(last, emit) {
                self.misses += 1;
                // a subframe may lie across the end of the range
                self.history.trim(self.history.end() - n as i64);
                return;
            }
        }
        while self.step(last, emit) {}
    }

    /// Receives the next subframe of a lock; returns `false` when it is not complete yet.
    fn step(&mut self, last: bool, emit: &mut Emit<'_>) -> bool {
        let n = self.numerology.subframe_samples() as i64;
        let Some(power) = self.load(self.next, last) else { return false };
        let (at, k) = (self.next, self.subframes);
        let heard = self.receive(at, k, emit);
        self.subframes += 1;
        self.next += n + self.follow();
        self.history.trim(self.next.min(self.history.end()) - (CHUNK_SUBFRAMES as i64) * n);
        let several = self.floor.len() > 1;
        for (floor, power) in self.floor.iter_mut().zip(power) {
            // one of several antennas is silent where its samples were lost: that is no floor
            if power > 0.0 || !several {
                *floor = (*floor * FLOOR_RISE).min(power);
            }
        }
        if heard.events > 0 {
            self.confirm(self.lock.map_or(0, |lock| heard.speaks_for(lock.source)));
        } else {
            self.doubt(at, power, last, emit);
        }
        true
    }

    /// Copies the subframe that begins at sample `at` into `self.subframe`: returns its power at each antenna, or `None`
    /// when it is not complete.
    fn load(&mut self, at: i64, last: bool) -> Option<Powers> {
        let n = self.numerology.subframe_samples();
        let missing = (self.history.start() - at).max(0) as usize;
        let behind = (self.history.end() - at).max(0) as usize;
        // a subframe without its last, empty symbol is complete enough; so is one that lacks as much at the start
        let symbol = n / self.numerology.symbols();
        let enough = if last { behind + symbol >= n } else { behind >= n };
        if !enough || missing > symbol {
            return None;
        }
        self.history.copy(at, &mut self.subframe);
        let mut powers = Powers::default();
        for (power, samples) in powers.iter_mut().zip(&self.subframe) {
            *power = samples.iter().step_by(4).map(|x| x.norm_sqr()).sum();
        }
        Some(powers)
    }

    /// Receives the subframe that [`Self::load`] copied.
    fn receive(&mut self, at: i64, k: u64, emit: &mut Emit<'_>) -> Heard {
        let mut heard = Heard::default();
        let subframe = Views::new(self.subframe.iter().map(|samples| &samples[..]));
        let ready = (self.ready_for == Some(at)).then_some(&mut self.ready);
        self.receiver.process_transformed(k, &subframe, ready, &mut |event: Event<'_>| {
            heard.note(&event);
            emit(event, at);
        });
        self.signals_heard += u64::from(heard.signals);
        if heard.mib {
            (self.last_mib, self.carrier_rest) = (Some(k), Hertz(0.0));
        } else if let Some(cfo) = heard.cfo
            && self.last_mib.is_none_or(|m| k > m + MIB_RULES)
        {
            self.follow_carrier(cfo);
        }
        heard
    }

    /// Lets the common offset follow a measured one, in steps.
    fn follow_carrier(&mut self, cfo: Hertz) {
        let common = self.receiver.common_cfo();
        let rest = self.carrier_rest;
        self.carrier_rest = rest + Hertz(CARRIER_GAIN * (cfo - common - rest).0);
        if self.carrier_rest.abs() > CARRIER_STEP {
            self.receiver.set_common_cfo(common + self.carrier_rest);
            self.carrier_rest = Hertz(0.0);
        }
    }

    /// Returns the samples by which the next subframe begins later than the length of the last one implies.
    fn follow(&mut self) -> i64 {
        let Some(delay) = self.receiver.delay() else { return 0 };
        if (delay as f64).abs() < DEAD_ZONE {
            return 0;
        }
        self.drift += TIMING_GAIN * delay as f64 * self.numerology.sample_rate().0;
        let whole = self.drift.round();
        self.drift -= whole;
        whole as i64
    }
}

/// Appends a conditioned block to the history, and empties it.
fn enter(block: &mut [Vec<Sample>], spectrum: Spectrum, history: &mut History) {
    if spectrum == Spectrum::Inverted {
        block.iter_mut().flatten().for_each(|x| *x = x.conj());
    }
    history.extend(block);
    block.iter_mut().for_each(Vec::clear);
}
