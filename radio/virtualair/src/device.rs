//! A port of the air as a device: samples by their numbers, bursts, status.
//!
//! Numbers count from the start of the port. In lock-step a read promises to send nothing more in the range that it
//! requests.

use num_complex::Complex32 as Sample;
use sidelink_radio::Antennas;
use sidelink_radio::{self as radio, Anchor, Event, RadioError, RadioSettings, Receive, Streams, Transmit};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest lead of writes over the present, in seconds: the medium holds a fifth of its memory ahead.
const AHEAD: f64 = 25e-3;

/// Samples taken by one write, in seconds.
const TAKEN: f64 = 5e-3;

/// Begin of a burst without a time, in seconds after the present.
const SOON: f64 = 5e-3;

/// Sample 0 of a port, in seconds after its start.
const START: f64 = 11e-3;

/// Interval of checks during a wait.
const LOOK: Duration = Duration::from_millis(1);

/// Capacity for statuses that are not polled.
const STATUSES: usize = 256;

/// Reason why a call returned nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No samples came, or none fitted, in time.
    Timeout,
    /// The port is gone.
    Gone,
    /// Received samples were lost before those that come next.
    Overflow,
    /// A burst came after its time, or too far before it.
    Time,
    /// Samples of a burst came too slowly.
    Underflow,
}

/// Status of sent bursts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The failure; `None`: a burst was sent to its end.
    pub trouble: Option<Trouble>,
    /// The sample that it concerns.
    pub sample: Option<u64>,
}

/// A port of an air, to be started when the rate is known.
pub struct Device {
    words: String,
    name: String,
    running: Mutex<Option<Running>>,
    receive: Mutex<Option<ReceiveSide>>,
    transmit: Mutex<Option<TransmitSide>>,
    statuses: Mutex<VecDeque<Status>>,
    overflowed: AtomicBool,
    receiving: AtomicBool,
    /// Reason why the port is gone.
    last_words: Mutex<String>,
}

struct Running {
    rate: f64,
    real_time: bool,
    anchor: Option<Anchor>,
    /// A sample, and the latest time at which it was the present.
    known: (f64, Instant),
}

struct ReceiveSide {
    end: Box<dyn Receive>,
    next: u64,
    /// Samples of each antenna behind a loss, kept until the loss has been reported.
    kept: Vec<Vec<Sample>>,
    kept_first: u64,
}

struct TransmitSide {
    end: Box<dyn Transmit>,
    /// The next sample of the burst that is open.
    next: Option<u64>,
    /// Drops the rest of this burst, since its start was dropped.
    dropping: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    /// Makes the device of these arguments: those of `driver=air`.
    pub fn new(words: &str) -> Self {
        static NUMBER: AtomicI64 = AtomicI64::new(1);
        // A port's name is unique in the medium.
        let name = format!("soapy-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        Self {
            words: words.to_owned(),
            name,
            running: Mutex::default(),
            receive: Mutex::default(),
            transmit: Mutex::default(),
            statuses: Mutex::default(),
            overflowed: AtomicBool::new(false),
            receiving: AtomicBool::new(false),
            last_words: Mutex::default(),
        }
    }

    /// Attaches to the air and starts, unless it runs.
    ///
    /// # Errors
    /// The arguments, the rate or the medium are wrong.
    pub fn start(&self, rate: f64, frequency: f64, receiving: bool) -> Result<(), RadioError> {
        let mut running = lock(&self.running);
        if running.is_none() {
            let mut settings = RadioSettings::new(self.name.clone(), rate);
            settings.frequency = (frequency > 0.0).then_some(frequency);
            let radio = radio::open(&format!("driver=air,{}", self.words), &settings)?;
            let real_time = radio.description().real_time;
            let Streams { receive, transmit, anchor } = radio.start()?;
            let known = (anchor.and_then(|a| since(a, rate)).unwrap_or(-START * rate), Instant::now());
            *lock(&self.receive) = Some(ReceiveSide {
                end: receive,
                next: 0,
                kept: vec![Vec::new(); Antennas::MAX],
                kept_first: 0,
            });
            *lock(&self.transmit) = Some(TransmitSide { end: transmit, next: None, dropping: false });
            lock(&self.statuses).clear();
            *running = Some(Running { rate, real_time, anchor, known });
        }
        if receiving {
            self.receiving.store(true, Relaxed);
        }
        Ok(())
    }

    /// Stops receiving; with `all`, the port leaves the air.
    pub fn stop(&self, receiving: bool, all: bool) {
        if receiving {
            self.receiving.store(false, Relaxed);
        }
        if all {
            *lock(&self.receive) = None;
            *lock(&self.transmit) = None;
            *lock(&self.running) = None;
        }
    }

    /// Returns UTC at sample 0 in nanoseconds, if the port knows it.
    pub fn utc_ns(&self) -> Option<i64> {
        lock(&self.running).as_ref()?.anchor.map(|a| a.utc_ns)
    }

    /// Returns an estimate of the sample that is on the air now; 0 before the start. Never ahead of the truth once
    /// samples came.
    pub fn now(&self) -> i64 {
        lock(&self.running).as_ref().map_or(0, |r| r.now().floor() as i64)
    }

    /// Returns the number of receive antennas, by the arguments.
    pub fn antennas(&self) -> Antennas {
        let count = self.words.split(',').find_map(|word| word.trim().strip_prefix("antennas="));
        count.and_then(|count| count.parse().ok()).and_then(Antennas::new).unwrap_or(Antennas::ONE)
    }

    /// Reads samples of the first antennas to the start of each slice; returns the number of the first, and how many.
    ///
    /// # Errors
    /// No samples in time, samples lost, the port gone.
    pub fn read(&self, into: &mut [&mut [Sample]], patience: Duration) -> Result<(u64, usize), Trouble> {
        let length = into.first().map_or(0, |first| first.len());
        let mut receive = lock(&self.receive);
        let Some(side) = receive.as_mut() else { return Err(Trouble::Gone) };
        let kept = side.kept.iter().zip(&*into).map(|(kept, _)| kept.len()).min().unwrap_or(0);
        if kept > 0 {
            let count = kept.min(length);
            for (into, kept) in into.iter_mut().zip(&mut side.kept) {
                into[..count].copy_from_slice(&kept[..count]);
                kept.drain(..count);
            }
            let first = side.kept_first;
            side.kept_first += count as u64;
            return Ok((first, count));
        }
        if !self.is_real_time() {
            let until = side.next + length as u64;
            if let Some(transmit) = lock(&self.transmit).as_mut() {
                transmit.end.advance(until).map_err(|e| self.gone(&e))?;
            }
        }
        let received = side.end.receive_antennas(into, patience).map_err(|e| self.gone(&e))?;
        self.look();
        if received.count == 0 {
            return Err(Trouble::Timeout);
        }
        let expected = std::mem::replace(&mut side.next, received.first + received.count as u64);
        if let Some(running) = lock(&self.running).as_mut() {
            running.learn(side.next);
        }
        if self.overflowed.swap(false, Relaxed) && received.first != expected {
            for (kept, into) in side.kept.iter_mut().zip(&*into) {
                kept.clear();
                kept.extend_from_slice(&into[..received.count]);
            }
            side.kept_first = received.first;
            return Err(Trouble::Overflow);
        }
        Ok((received.first, received.count))
    }

    /// Writes samples of a burst: the first is sample `at`, or follows the last ones, or is sent soon. Returns how many
    /// were taken.
    ///
    /// # Errors
    /// No room in time, the port gone. [`Self::status`] reports the outcome of a burst.
    pub fn write(
        &self,
        samples: &[Sample],
        at: Option<u64>,
        ends: bool,
        patience: Duration,
    ) -> Result<usize, Trouble> {
        let deadline = Instant::now() + patience;
        loop {
            let (rate, real_time, now) = match lock(&self.running).as_ref() {
                Some(running) => (running.rate, running.real_time, running.now()),
                None => return Err(Trouble::Gone),
            };
            {
                let mut transmit = lock(&self.transmit);
                let Some(side) = transmit.as_mut() else { return Err(Trouble::Gone) };
                let first = self.begin(side, at, now, rate, real_time);
                let count = match real_time {
                    true => samples.len().min((TAKEN * rate) as usize),
                    false => samples.len(),
                };
                let end = first + count as u64;
                if !real_time || side.dropping || end as f64 <= now + AHEAD * rate {
                    let ends = ends && count == samples.len();
                    self.send(side, first, &samples[..count], ends)?;
                    return Ok(count);
                }
            }
            if Instant::now() >= deadline {
                return Err(Trouble::Timeout);
            }
            std::thread::sleep(LOOK.min(deadline.saturating_duration_since(Instant::now())));
        }
    }

    /// Returns the number of the next sample.
    fn begin(&self, side: &mut TransmitSide, at: Option<u64>, now: f64, rate: f64, real_time: bool) -> u64 {
        if let Some(at) = at {
            side.dropping = false;
            return at;
        }
        let soon = (now + SOON * rate).max(0.0) as u64;
        match side.next {
            Some(next) if side.dropping || !real_time || next as f64 > now => next,
            Some(next) => {
                self.tell(Some(Trouble::Underflow), Some(next));
                soon
            }
            None => soon,
        }
    }

    fn send(
        &self,
        side: &mut TransmitSide,
        first: u64,
        samples: &[Sample],
        ends: bool,
    ) -> Result<(), Trouble> {
        let end = first + samples.len() as u64;
        if !side.dropping && !samples.is_empty() {
            side.end.transmit(first, samples).map_err(|e| self.gone(&e))?;
            if !self.is_real_time() && !self.receiving.load(Relaxed) {
                side.end.advance(end).map_err(|e| self.gone(&e))?;
            }
            side.dropping = self.take_events(side);
        }
        if ends && !side.dropping {
            self.tell(None, Some(end));
        }
        side.next = (!ends).then_some(end);
        side.dropping &= !ends;
        Ok(())
    }

    /// Waits for a status.
    pub fn status(&self, patience: Duration) -> Option<Status> {
        let deadline = Instant::now() + patience;
        loop {
            self.look();
            if let Some(status) = lock(&self.statuses).pop_front() {
                return Some(status);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    /// Returns the reason why the port is gone.
    pub fn last_words(&self) -> String {
        lock(&self.last_words).clone()
    }

    /// Takes the events of the air; a writer takes them itself.
    fn look(&self) {
        if let Ok(mut transmit) = self.transmit.try_lock()
            && let Some(side) = transmit.as_mut()
        {
            self.take_events(side);
        }
    }

    /// Takes the events; returns whether a burst was refused.
    fn take_events(&self, side: &mut TransmitSide) -> bool {
        let mut refused = false;
        while let Some(event) = side.end.poll_event() {
            match event {
                Event::Late { first } | Event::TimeError { first } => {
                    refused = true;
                    self.tell(Some(Trouble::Time), Some(first));
                }
                Event::Underflow => self.tell(Some(Trouble::Underflow), None),
                Event::Overflow => self.overflowed.store(true, Relaxed),
                // The times of received samples show them.
                _ => {}
            }
        }
        refused
    }

    fn tell(&self, trouble: Option<Trouble>, sample: Option<u64>) {
        let mut statuses = lock(&self.statuses);
        if statuses.len() == STATUSES {
            statuses.pop_front();
        }
        statuses.push_back(Status { trouble, sample });
    }

    fn gone(&self, error: &RadioError) -> Trouble {
        *lock(&self.last_words) = error.to_string();
        Trouble::Gone
    }

    fn is_real_time(&self) -> bool {
        lock(&self.running).as_ref().is_some_and(|r| r.real_time)
    }
}

impl Running {
    fn now(&self) -> f64 {
        let (sample, when) = self.known;
        if self.real_time { sample + when.elapsed().as_secs_f64() * self.rate } else { sample }
    }

    /// Learns that everything before `next` has been taken.
    fn learn(&mut self, next: u64) {
        if next as f64 > self.now() {
            self.known = (next as f64, Instant::now());
        }
    }
}

/// Returns the samples since sample 0 by this computer's clock, if it is plausible.
fn since(anchor: Anchor, rate: f64) -> Option<f64> {
    let utc = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_nanos();
    let ns = i64::try_from(utc).ok()?.checked_sub(anchor.utc_ns)?;
    // For a port that has just started. If UTC in the air is another one, nothing is known.
    (ns.abs() < 1_000_000_000).then_some(ns as f64 * 1e-9 * rate)
}
