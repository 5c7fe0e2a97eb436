//! A port as a radio: its two ends, and the conditions on which they block.

use super::config::{Pace, PortConfig};
use super::medium::{Cell, Medium, State};
use super::mix::Mixer;
use super::pace::left;
use crate::Sample;
use crate::{Anchor, Description, Event, Radio, RadioError, Receive, Received, Streams, Transmit, too_few};
use crossbeam::queue::ArrayQueue;
use sidelink_phy::impair::addressed::SampleClock;
use sidelink_phy::units::Antennas;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::{Duration, Instant};

/// Longest wait between two checks for dead processes and for an end of this port.
const LOOK_AROUND: Duration = Duration::from_millis(50);
/// Capacity for events that are not polled.
const EVENTS: usize = 256;

/// A port that has not started.
pub(super) struct Port {
    shared: Arc<Shared>,
    description: Description,
    /// Timeout of the start while it waits for other ports.
    patience: Duration,
}

/// Shared state of both ends.
struct Shared {
    medium: Arc<Medium>,
    slot: usize,
    generation: u64,
    port: PortConfig,
    /// Offset of the port's sample numbers from the ring's, after its clock was set.
    jumped: AtomicI64,
    events: ArrayQueue<Event>,
}

impl Shared {
    /// Returns an error if this port has been ended.
    fn check(&self) -> Result<(), RadioError> {
        let mine = self.medium.word(self.slot, Cell::Generation).load(Acquire) == self.generation;
        match self.medium.state(self.slot) {
            State::Running | State::Attached if mine => Ok(()),
            _ => Err(RadioError::Lost(format!(
                "port {:?} was ended, or kept the others waiting for more than {} s",
                self.port.name,
                self.medium.config().stall
            ))),
        }
    }

    fn word(&self, word: Cell) -> &AtomicU64 {
        self.medium.word(self.slot, word)
    }

    fn tell(&self, event: Event) {
        // If events are not polled, the oldest are dropped.
        self.events.force_push(event);
    }

    fn clock(&self) -> SampleClock {
        self.medium.clock(self.slot)
    }

    fn pace(&self) -> Pace {
        self.medium.config().pace
    }

    /// Returns the sample that is on the air now.
    fn now(&self) -> f64 {
        self.clock().sample_at(self.medium.wall_time())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.check().is_ok() {
            self.medium.set_state(self.slot, State::Left);
        }
    }
}

impl Port {
    pub(super) fn new(medium: Arc<Medium>, slot: usize, port: PortConfig, patience: Duration) -> Self {
        let config = medium.config();
        let description = Description {
            name: format!("virtual air, port {:?}", port.name),
            rate: config.rate.0,
            frequency: config.frequency.0,
            full_duplex: !port.half_duplex,
            antennas: port.count(),
            real_time: config.pace == Pace::Realtime,
        };
        let generation = medium.word(slot, Cell::Generation).load(Acquire);
        let events = ArrayQueue::new(EVENTS);
        let shared = Shared { medium, slot, generation, port, jumped: AtomicI64::new(0), events };
        Self { shared: Arc::new(shared), description, patience }
    }

    /// Waits for the required ports, and begins.
    fn begin(&self) -> Result<(), RadioError> {
        let medium = &self.shared.medium;
        let wanted = medium.config().wait_for;
        let deadline = Instant::now() + self.patience;
        while !medium.began() {
            let heard = medium.doorbell().rings();
            if medium.present() >= wanted {
                medium.begin();
                continue;
            }
            let Some(left) = left(deadline) else {
                let what = format!(
                    "only {} of {wanted} ports came to the virtual air within {} s",
                    medium.present(),
                    self.patience.as_secs_f64()
                );
                return Err(RadioError::unusable(what, "start the others, or lower wait-for"));
            };
            medium.doorbell().wait(heard, left.min(LOOK_AROUND));
        }
        Ok(())
    }

    /// Returns the present, for a port that attaches after time began: a whole millisecond that no port has received yet.
    fn present(&self) -> f64 {
        let medium = &self.shared.medium;
        let latest = match medium.config().pace {
            Pace::Realtime => medium.wall_time(),
            Pace::Free => {
                let read = |slot: usize| {
                    let reading = medium.word(slot, Cell::Reading).load(Acquire);
                    (reading != u64::MAX).then(|| medium.clock(slot).time_of(reading as f64))
                };
                medium
                    .slots()
                    .filter(|&s| medium.state(s) == State::Running)
                    .filter_map(read)
                    .fold(0.0, f64::max)
            }
        };
        let millisecond = medium.config().rate.0 * 1e-3;
        ((latest / millisecond).ceil() + 10.0) * millisecond
    }
}

impl Radio for Port {
    fn description(&self) -> &Description {
        &self.description
    }

    fn start(self: Box<Self>) -> Result<Streams, RadioError> {
        self.begin()?;
        let shared = Arc::clone(&self.shared);
        let (medium, slot, port) = (&shared.medium, shared.slot, &shared.port);
        shared.check()?;
        if medium.state(slot) == State::Attached {
            let start = port.start.map_or(0.0, |s| s.0).max(self.present());
            shared.word(Cell::Start).store(start.to_bits(), Release);
            shared.word(Cell::Reading).store(0, Release);
            medium.set_state(slot, State::Running);
        }
        let since = medium.start(slot) / medium.config().rate.0 * 1e9;
        let anchor = port.utc.then(|| Anchor {
            utc_ns: medium.utc_ns() + since.round() as i64 + (port.utc_error * 1e3).round() as i64,
            uncertainty_ns: (port.utc_uncertainty * 1e3).ceil() as u64,
        });
        let mixer = Mixer::new(Arc::clone(medium), slot, port.clone());
        Ok(Streams {
            receive: Box::new(ReceiveEnd { shared: Arc::clone(&shared), mixer, next: 0, waits: None }),
            transmit: Box::new(TransmitEnd { shared: Arc::clone(&shared) }),
            anchor,
        })
    }
}

struct ReceiveEnd {
    shared: Arc<Shared>,
    mixer: Mixer,
    /// The next sample, in the numbers of the ring.
    next: u64,
    /// The slot that blocks this end, its horizon, and since when.
    waits: Option<(usize, u64, Instant)>,
}

impl Receive for ReceiveEnd {
    fn receive(&mut self, into: &mut [Sample], patience: Duration) -> Result<Received, RadioError> {
        self.receive_antennas(&mut [into], patience)
    }

    fn antennas(&self) -> Antennas {
        self.mixer.antennas()
    }

    fn receive_antennas(
        &mut self,
        into: &mut [&mut [Sample]],
        patience: Duration,
    ) -> Result<Received, RadioError> {
        let (length, antennas) = (into.first().map_or(0, |first| first.len()), into.len());
        if antennas > self.antennas().count() {
            return Err(too_few(antennas, self.antennas()));
        }
        let deadline = Instant::now() + patience;
        self.shared.check()?;
        self.answer_faults();
        self.shared.word(Cell::Reading).store(self.next, Release);
        // Limit of one read: a quarter of the memory.
        let count = length.min(self.shared.medium.ring() / 4);
        let count = match self.shared.pace() {
            Pace::Free => self.wait_for_others(count, deadline)?,
            Pace::Realtime => self.wait_for_the_clock(count, deadline)?,
        };
        let mut parts: [&mut [Sample]; Antennas::MAX] = Default::default();
        for (part, into) in parts.iter_mut().zip(into) {
            *part = &mut into[..count];
        }
        self.mixer.mix(self.next, &mut parts[..antennas]);
        let first = self.next.saturating_add_signed(self.shared.jumped.load(Relaxed));
        self.next += count as u64;
        self.shared.word(Cell::Reading).store(self.next, Release);
        if self.shared.pace() == Pace::Free {
            self.shared.medium.doorbell().ring();
        }
        Ok(Received { first, count })
    }
}

impl ReceiveEnd {
    /// Applies the requested faults.
    fn answer_faults(&mut self) {
        let jump = self.shared.word(Cell::Jump).swap(0, AcqRel) as i64;
        // sample numbers do not go below 0
        let number = self.next.saturating_add_signed(self.shared.jumped.load(Relaxed));
        let jump = jump.max(-i64::try_from(number).unwrap_or(i64::MAX));
        if jump != 0 {
            self.shared.jumped.fetch_add(jump, Relaxed);
            self.shared.tell(Event::ClockJump { by: jump });
        }
        let lost = self.shared.word(Cell::Overflow).swap(0, AcqRel);
        if lost > 0 {
            self.next += lost;
            if self.shared.pace() == Pace::Free {
                // A port that lost samples sent nothing in them: it does not block the others, nor they it.
                self.shared.word(Cell::Horizon).fetch_max(self.next, AcqRel);
                self.shared.medium.doorbell().ring();
            }
            self.shared.tell(Event::Overflow);
        }
    }

    fn wait_for_others(&mut self, count: usize, deadline: Instant) -> Result<usize, RadioError> {
        let shared = Arc::clone(&self.shared);
        let doorbell = shared.medium.doorbell();
        loop {
            let heard = doorbell.rings();
            self.mixer.look()?;
            if let Some(next) = self.mixer.lost_before(self.next) {
                self.next = next;
                shared.tell(Event::Overflow);
            }
            if self.mixer.had_company() && !self.mixer.is_company(self.next) {
                return Err(RadioError::Ended);
            }
            let bound = self.mixer.bound();
            let known = usize::try_from(bound.known.saturating_sub(self.next)).unwrap_or(usize::MAX);
            if known >= count {
                self.waits = None;
                return Ok(count);
            }
            let Some(left) = left(deadline) else { return Ok(known) };
            if let Some(slot) = bound.by {
                self.drop_stalled(slot);
            }
            shared.word(Cell::Waiting).store(1, Release);
            doorbell.wait(heard, left.min(LOOK_AROUND));
            shared.word(Cell::Waiting).store(0, Release);
            shared.medium.scan(LOOK_AROUND);
            shared.check()?;
        }
    }

    /// Drops a port that has not advanced for too long. A port that waits itself has three times as long: the port that
    /// blocks it is to be dropped first.
    fn drop_stalled(&mut self, slot: usize) {
        let medium = &self.shared.medium;
        let horizon = medium.word(slot, Cell::Horizon).load(Acquire);
        match self.waits {
            Some((s, h, since)) if (s, h) == (slot, horizon) => {
                let waiting = medium.word(slot, Cell::Waiting).load(Acquire) == 1;
                let stall = Duration::from_secs_f64(medium.config().stall) * if waiting { 3 } else { 1 };
                if slot != self.shared.slot && since.elapsed() > stall {
                    let name = medium.port(slot).map_or_else(String::new, |p| p.name);
                    tracing::warn!(
                        "port {name:?} kept the virtual air waiting for {stall:?} at its sample {horizon} and is left behind"
                    );
                    medium.set_state(slot, State::Dropped);
                    self.waits = None;
                }
            }
            _ => self.waits = Some((slot, horizon, Instant::now())),
        }
    }

    fn wait_for_the_clock(&mut self, count: usize, deadline: Instant) -> Result<usize, RadioError> {
        /// Samples by which the filters look ahead.
        const LOOK_AHEAD: f64 = 32.0;
        let rate = self.shared.medium.config().rate.0;
        loop {
            self.shared.check()?;
            self.mixer.look()?;
            let now = self.shared.now() - LOOK_AHEAD;
            // A quarter of the memory is for bursts that were sent ahead.
            let oldest = now - self.shared.medium.ring() as f64 * 0.75;
            if oldest > self.next as f64 {
                self.next = (now - self.shared.medium.ring() as f64 * 0.25).max(0.0) as u64;
                self.shared.tell(Event::Overflow);
            }
            let missing = self.next as f64 + count as f64 - now;
            if missing <= 0.0 {
                return Ok(count);
            }
            let Some(left) = left(deadline) else {
                return Ok(((now - self.next as f64).max(0.0) as usize).min(count));
            };
            std::thread::sleep(Duration::from_secs_f64(missing / rate).min(left).min(LOOK_AROUND));
        }
    }
}

impl Drop for ReceiveEnd {
    fn drop(&mut self) {
        if self.shared.check().is_ok() {
            self.shared.word(Cell::Reading).store(u64::MAX, Release);
            self.shared.medium.doorbell().ring();
        }
    }
}

struct TransmitEnd {
    shared: Arc<Shared>,
}

impl Transmit for TransmitEnd {
    fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError> {
        self.shared.check()?;
        let shared = &self.shared;
        let at = first.checked_add_signed(-shared.jumped.load(Relaxed));
        let promised = shared.word(Cell::Horizon).load(Relaxed);
        let Some(at) = at.filter(|&at| at >= promised) else {
            shared.tell(Event::Late { first });
            return Ok(());
        };
        let end = at + burst.len() as u64;
        if shared.pace() == Pace::Free {
            self.wait_for_readers(end)?;
            shared.medium.write(shared.slot, at, burst);
            return Ok(());
        }
        if at as f64 <= shared.now() {
            shared.tell(Event::Late { first });
        } else if end as f64 > shared.now() + shared.medium.ring() as f64 * 0.2 {
            // It would overwrite samples that others have yet to receive.
            shared.tell(Event::TimeError { first });
        } else {
            shared.medium.write(shared.slot, at, burst);
            if at as f64 <= shared.now() {
                // A part of it may have been received already.
                shared.tell(Event::Underflow);
            }
        }
        Ok(())
    }

    fn advance(&mut self, until: u64) -> Result<(), RadioError> {
        self.shared.check()?;
        let shared = &self.shared;
        let until = until.saturating_add_signed(-shared.jumped.load(Relaxed));
        let horizon = shared.word(Cell::Horizon);
        if until > horizon.load(Relaxed) {
            horizon.store(until, Release);
            if shared.pace() == Pace::Free {
                shared.medium.doorbell().ring();
            }
        }
        Ok(())
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.shared.events.pop()
    }

    fn now(&self) -> Option<f64> {
        let real_time = self.shared.pace() == Pace::Realtime;
        real_time.then(|| self.shared.now() + self.shared.jumped.load(Relaxed) as f64)
    }
}

impl TransmitEnd {
    /// Waits until all readers are past the samples that a burst up to `end` will overwrite. A reader that stalls is
    /// given up: it gets an overflow.
    fn wait_for_readers(&self, end: u64) -> Result<(), RadioError> {
        let shared = &self.shared;
        let medium = &shared.medium;
        let Some(needed) = end.checked_sub(medium.ring() as u64 / 4 * 3) else { return Ok(()) };
        let needed = shared.clock().time_of(needed as f64);
        let deadline = Instant::now() + Duration::from_secs_f64(medium.config().stall);
        loop {
            let heard = medium.doorbell().rings();
            let late = |slot: &usize| {
                let reading = medium.word(*slot, Cell::Reading).load(Acquire);
                *slot != shared.slot
                    && reading != u64::MAX
                    && medium.state(*slot) == State::Running
                    && medium.clock(*slot).time_of(reading as f64) < needed
            };
            if !medium.slots().any(|s| late(&s)) {
                return Ok(());
            }
            let Some(left) = left(deadline) else {
                for slot in medium.slots().filter(late) {
                    // Until it reads again.
                    medium.word(slot, Cell::Reading).store(u64::MAX, Release);
                }
                return Ok(());
            };
            medium.doorbell().wait(heard, left.min(LOOK_AROUND));
            medium.scan(LOOK_AROUND);
            shared.check()?;
        }
    }
}

impl Drop for TransmitEnd {
    fn drop(&mut self) {
        if self.shared.check().is_ok() {
            self.shared.word(Cell::Horizon).store(u64::MAX, Release);
            self.shared.medium.doorbell().ring();
        }
    }
}
