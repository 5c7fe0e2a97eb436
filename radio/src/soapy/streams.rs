//! The two ends of a running device.

use super::library::{Device, Fault, Read, Stream, code};
use super::time::Ticks;
use crate::Sample;
use crate::{Event, RadioError, Receive, Received, Transmit, too_few};
use crossbeam::queue::ArrayQueue;
use sidelink_phy::units::Antennas;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::{Duration, Instant};

/// Time without samples after which a device counts as gone.
const SILENCE: Duration = Duration::from_secs(3);

/// Pause before a failed device is restarted.
const RESTART: Duration = Duration::from_millis(50);

/// Capacity for events that are not polled.
const EVENTS: usize = 256;

/// Refused bursts in a row after which a device counts as gone.
const REFUSALS: u32 = 200;

/// Largest number of acknowledgements that are skipped in one poll for events.
const STATUSES: usize = 16;

/// Shared state of both ends.
pub(super) struct Shared {
    ticks: Ticks,
    /// Nanoseconds of the device's clock at sample 0.
    base_ns: AtomicI64,
    /// Whether samples come with a time.
    timed: bool,
    /// End of the last received sample.
    newest: AtomicU64,
    device: Device,
    events: ArrayQueue<Event>,
}

impl Shared {
    pub(super) fn new(ticks: Ticks, base_ns: Option<i64>, device: Device) -> Arc<Self> {
        Arc::new(Self {
            ticks,
            base_ns: AtomicI64::new(base_ns.unwrap_or(0)),
            timed: base_ns.is_some(),
            newest: AtomicU64::new(0),
            device,
            events: ArrayQueue::new(EVENTS),
        })
    }

    fn sample_at(&self, time_ns: i64) -> i64 {
        self.ticks.samples(time_ns.saturating_sub(self.base_ns.load(Relaxed)))
    }

    fn time_of(&self, sample: u64) -> i64 {
        let ns = self.ticks.ns(i64::try_from(sample).unwrap_or(i64::MAX));
        self.base_ns.load(Relaxed).saturating_add(ns)
    }

    fn tell(&self, event: Event) {
        // If events are not polled, the oldest are dropped.
        self.events.force_push(event);
    }
}

pub(super) struct ReceiveEnd {
    shared: Arc<Shared>,
    stream: Stream,
    antennas: Antennas,
    /// Samples of antennas that are not taken.
    unused: Vec<Vec<Sample>>,
    order: Order,
    /// Time of the last samples.
    alive: Instant,
    /// The device's last failure.
    fault: Option<Fault>,
}

impl ReceiveEnd {
    pub(super) fn new(shared: Arc<Shared>, stream: Stream, antennas: Antennas) -> Self {
        let now = Instant::now();
        let unused = vec![Vec::new(); antennas.count()];
        Self { shared, stream, antennas, unused, order: Order::new(now), alive: now, fault: None }
    }

    /// Reads all channels of the stream: the first to `into`.
    fn read(&mut self, into: &mut [&mut [Sample]], patience: Duration) -> Result<Read, Fault> {
        let length = into.first().map_or(0, |first| first.len());
        let mut slices: [&mut [Sample]; Antennas::MAX] = Default::default();
        for (slice, unused) in slices.iter_mut().zip(&mut self.unused).skip(into.len()) {
            unused.resize(length.max(unused.len()), Sample::default());
            *slice = &mut unused[..length];
        }
        for (slice, into) in slices.iter_mut().zip(into) {
            *slice = &mut **into;
        }
        self.stream.read(&mut slices[..self.antennas.count()], patience)
    }

    /// Handles a failure of the device: restarts it while it may recover.
    fn answer(&mut self, fault: Fault) -> Result<(), RadioError> {
        match fault.code {
            code::TIMEOUT => return Ok(()),
            code::OVERFLOW => {
                self.order.overflowed = true;
                self.shared.tell(Event::Overflow);
                return Ok(());
            }
            code::NOT_SUPPORTED => return Err(RadioError::Lost(fault.to_string())),
            _ => {}
        }
        tracing::warn!("reception failed and is started anew: {fault}");
        std::thread::sleep(RESTART);
        self.stream.deactivate();
        let again = self.stream.activate();
        self.order.overflowed = true;
        self.fault = Some(again.err().unwrap_or(fault));
        Ok(())
    }

    fn check_life(&self) -> Result<(), RadioError> {
        if self.alive.elapsed() < SILENCE {
            return Ok(());
        }
        let why = self.fault.as_ref().map_or_else(|| "was it unplugged?".to_owned(), Fault::to_string);
        Err(RadioError::Lost(format!("no samples for {} s: {why}", SILENCE.as_secs())))
    }
}

impl Receive for ReceiveEnd {
    fn receive(&mut self, into: &mut [Sample], patience: Duration) -> Result<Received, RadioError> {
        self.receive_antennas(&mut [into], patience)
    }

    fn antennas(&self) -> Antennas {
        self.antennas
    }

    fn receive_antennas(
        &mut self,
        into: &mut [&mut [Sample]],
        patience: Duration,
    ) -> Result<Received, RadioError> {
        if into.len() > self.antennas.count() {
            return Err(too_few(into.len(), self.antennas));
        }
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.read(into, left) {
                Ok(read) if read.count > 0 => {
                    let now = Instant::now();
                    (self.alive, self.fault) = (now, None);
                    let at =
                        read.time_ns.filter(|_| self.shared.timed).map(|t| (self.shared.sample_at(t), t));
                    let first = self.order.place(&self.shared, at, read.count, now);
                    self.shared.newest.store(first + read.count as u64, Relaxed);
                    return Ok(Received { first, count: read.count });
                }
                Ok(_) => {}
                Err(fault) => self.answer(fault)?,
            }
            self.check_life()?;
            if Instant::now() >= deadline {
                return Ok(Received { first: self.order.next, count: 0 });
            }
        }
    }
}

/// Numbers received samples: detects losses, and settings of the device's clock.
///
/// Lost samples and a clock that was set forward look alike. But a sample cannot be received before its time: if the
/// delay from the antenna to here becomes shorter than its minimum, the clock was set.
struct Order {
    next: u64,
    overflowed: bool,
    start: Instant,
    /// Least nanoseconds from the device's time to this computer's, and when it was measured.
    least: Option<(i64, Instant)>,
}

/// A step in the time of samples up to this many is rounding.
const ROUNDING: i64 = 1;

/// The delay must be shorter than its minimum by this many nanoseconds before the clock counts as set: scheduling and
/// the buffers of a driver vary it by less.
const SHORTER_NS: i64 = 20_000_000;

/// Largest relative drift between the clocks of device and computer.
const DRIFT: f64 = 300e-6;

impl Order {
    fn new(start: Instant) -> Self {
        Self { next: 0, overflowed: false, start, least: None }
    }

    /// Returns the number of the first of `count` samples that came `now`; `at` is its number by the device's time, and
    /// that time.
    fn place(&mut self, shared: &Shared, at: Option<(i64, i64)>, count: usize, now: Instant) -> u64 {
        let first = match at {
            Some((at, time_ns)) => self.place_by_time(shared, at, time_ns, count, now),
            None => self.place_by_count(shared, count, now),
        };
        self.overflowed = false;
        self.next = first + count as u64;
        first
    }

    fn place_by_time(&mut self, shared: &Shared, at: i64, time_ns: i64, count: usize, now: Instant) -> u64 {
        let end_ns = time_ns.saturating_add(shared.ticks.ns(count as i64));
        let way = i64::try_from(now.duration_since(self.start).as_nanos()).unwrap_or(i64::MAX) - end_ns;
        let step = at - self.next as i64;
        let shorter = self.least.is_some_and(|(least, since)| {
            let drift = now.duration_since(since).as_secs_f64() * 1e9 * DRIFT;
            way < least - SHORTER_NS - drift as i64
        });
        if step.abs() <= ROUNDING {
            self.learn(way, now);
            return self.next;
        }
        if step > 0 && !shorter {
            if !self.overflowed {
                shared.tell(Event::Overflow);
            }
            self.learn(way, now);
            return at as u64;
        }
        self.least = Some((way, now));
        if let Ok(at) = u64::try_from(at) {
            shared.tell(Event::ClockJump { by: step });
            return at;
        }
        // There are no numbers before sample 0: they go on, and mean other times.
        tracing::warn!("the device's clock was set back beyond the start; sample numbers go on");
        let base = time_ns.saturating_sub(shared.ticks.ns(self.next as i64));
        shared.base_ns.store(base, Relaxed);
        self.next
    }

    fn learn(&mut self, way: i64, now: Instant) {
        let grown = self.least.map(|(least, since)| {
            least.saturating_add((now.duration_since(since).as_secs_f64() * 1e9 * DRIFT) as i64)
        });
        if grown.is_none_or(|g| way < g) {
            self.least = Some((way, now));
        }
    }

    /// Numbers samples of a device without a clock: after a loss, this computer's clock measures its length.
    fn place_by_count(&mut self, shared: &Shared, count: usize, now: Instant) -> u64 {
        if !self.overflowed {
            return self.next;
        }
        let elapsed = i64::try_from(now.duration_since(self.start).as_nanos()).unwrap_or(i64::MAX);
        let by_clock = shared.ticks.samples(elapsed) - count as i64;
        self.next.max(u64::try_from(by_clock).unwrap_or(0))
    }
}

pub(super) struct TransmitEnd {
    shared: Arc<Shared>,
    stream: Option<Stream>,
    mtu: usize,
    /// First sample of the last burst handed over.
    last: u64,
    refused: u32,
    speaks: bool,
}

impl TransmitEnd {
    pub(super) fn new(shared: Arc<Shared>, stream: Option<Stream>, mtu: usize) -> Self {
        Self { shared, stream, mtu: mtu.max(1), last: 0, refused: 0, speaks: true }
    }

    /// Returns the event of a status code for the burst at `first`.
    fn event(&self, code: i32, first: u64) -> Option<Event> {
        match code {
            code::TIME_ERROR => {
                let shared = &self.shared;
                let now = match shared.device.has_hardware_time() {
                    true => shared.sample_at(shared.device.hardware_time()),
                    false => 0,
                };
                let late = first as i64 <= now.max(shared.newest.load(Relaxed) as i64);
                Some(if late { Event::Late { first } } else { Event::TimeError { first } })
            }
            code::UNDERFLOW => Some(Event::Underflow),
            _ => None,
        }
    }

    fn refuse(&mut self, first: u64, fault: &Fault) -> Result<(), RadioError> {
        if let Some(event) = self.event(fault.code, first) {
            self.shared.tell(event);
            return Ok(());
        }
        self.refused += 1;
        if self.refused == 1 {
            tracing::warn!("the device did not take a burst: {fault}");
        }
        self.shared.tell(Event::TimeError { first });
        if self.refused > REFUSALS || fault.code == code::NOT_SUPPORTED {
            return Err(RadioError::Lost(format!("it takes nothing more to send: {fault}")));
        }
        Ok(())
    }
}

impl Transmit for TransmitEnd {
    fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError> {
        let Some(stream) = &mut self.stream else {
            return Err(RadioError::unusable(
                "the device has no transmitter",
                "listen with it, or take another",
            ));
        };
        if !self.shared.timed {
            return Err(RadioError::unusable(
                "the device gives samples without their time, so it cannot be told when to send",
                "listen with it, or take another",
            ));
        }
        let newest = self.shared.newest.load(Relaxed);
        // Some devices send late bursts, or drop them without a status.
        if first < newest {
            self.shared.tell(Event::Late { first });
            return Ok(());
        }
        self.last = first;
        let lead = self.shared.ticks.ns((first - newest) as i64).max(0) as u64;
        let length = self.shared.ticks.ns(burst.len() as i64).max(0) as u64;
        let deadline = Instant::now() + Duration::from_nanos(lead + length) + Duration::from_millis(10);
        let time_ns = self.shared.time_of(first);
        let mut sent = 0;
        while sent < burst.len() {
            let end = (sent + self.mtu).min(burst.len());
            let time = (sent == 0).then_some(time_ns);
            let left = deadline.saturating_duration_since(Instant::now());
            match stream.write(&burst[sent..end], time, end == burst.len(), left) {
                Ok(taken) => sent += taken,
                Err(fault) if fault.code == code::TIMEOUT => {}
                Err(fault) => return self.refuse(first, &fault),
            }
            if sent < burst.len() && Instant::now() >= deadline {
                let event = if sent == 0 { Event::Late { first } } else { Event::Underflow };
                self.shared.tell(event);
                return Ok(());
            }
        }
        self.refused = 0;
        Ok(())
    }

    fn advance(&mut self, _until: u64) -> Result<(), RadioError> {
        // Time passes without promises.
        Ok(())
    }

    fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.shared.events.pop() {
            return Some(event);
        }
        for _ in 0..STATUSES {
            if !self.speaks {
                return None;
            }
            let status = self.stream.as_mut()?.status(Duration::ZERO)?;
            if status.code == code::NOT_SUPPORTED {
                self.speaks = false;
            }
            let first = status.time_ns.and_then(|t| u64::try_from(self.shared.sample_at(t)).ok());
            if let Some(event) = self.event(status.code, first.unwrap_or(self.last)) {
                return Some(event);
            }
        }
        None
    }
}
