//! Discovery of one UE, composed: messages, opportunities and time in; messages, findings and requests out.
//!
//! The run loop is that of `sidelink_mac::engine`: hand over one [`Input`] by [`Agent::handle_input`], then call
//! [`Agent::poll_output`] until it gives [`Output::Timeout`]. The agent has no clock, thread, random source or I/O.
//!
//! ```
//! use sidelink_prose::discovery::agent::{Agent, Config, Event, Input, Origin, Output};
//! use sidelink_prose::discovery::{AirTime, Announcer, MonitorConfig};
//! use sidelink_security::counter::{UtcCounter, UtcTime};
//! use sidelink_security::discovery::ota::{OtaConfig, Variant};
//! use sidelink_security::discovery::rotation::RotationPeriod;
//! use sidelink_security::keys::ApplicationKey;
//!
//! let codes = OtaConfig::new(Variant::Keyed, 64, 0, RotationPeriod::SECOND)?;
//! let (key, end) = (ApplicationKey::from([7; 32]), UtcCounter::new(u32::MAX));
//! let monitor = MonitorConfig { rotating: Some(codes), ..MonitorConfig::default() };
//! let (mut alice, mut bob) = (Agent::new(Config::default())?, Agent::new(Config { monitor, ..Config::default() })?);
//! alice.add_announcer(Announcer::changing(codes, [1; 20], &key, end));
//! bob.monitor().follow_rotating([([1; 20], &key, end)]);
//!
//! let now = AirTime::at(UtcTime::from_millis(1_700_000_000_000));
//! bob.handle_input(Input::Tick { now });
//! while let Output::Build(mut job) = bob.poll_output() {
//!     while !job.run(1000) {}
//!     bob.handle_input(Input::Table { now, job });
//! }
//! alice.handle_input(Input::Opportunity { now, period: 0, nonce: [0; 2] });
//! let Output::Message { origin: Origin::Announcer(0), message } = alice.poll_output() else { unreachable!() };
//! bob.handle_input(Input::Message { now, block: &message });
//! assert!(matches!(bob.poll_output(), Output::Event(Event::Discovered(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::VecDeque;

use sidelink_security::counter::clock_guard::ClockGuard;
use sidelink_security::counter::reserve::StreamId;
use sidelink_security::discovery::book::NonceNotFollowable;
use sidelink_security::discovery::{Message, Refusal};
use sidelink_security::outcome::{Counters, Outcome};

use super::signed::{Fragmented, SetTiming};
use super::{
    AirTime, Announcer, Announcing, Discovered, Discoveree, Discoverer, Dropped, Monitor, Sighted, checked,
    more_telling,
};
use sidelink_wire::pc5_discovery::MessageType;

mod io;

pub use io::{Config, Event, Input, Origin, Output};

/// The pending outputs, a bounded number of them.
struct Outbox {
    outputs: VecDeque<Output>,
    capacity: usize,
    counters: Counters,
}

/// Discovery of one UE.
pub struct Agent {
    config: Config,
    now: Option<AirTime>,
    /// Refuses a clock that went back, even across restarts.
    clock_guard: Option<ClockGuard>,
    /// The stream of the guard's reservation that is pending in the store.
    reserving: Option<StreamId>,
    monitor: Monitor,
    /// Whether the tables of the followed codes could not be built.
    unfollowable: bool,
    /// With the period of the last announcement; `None` where one was removed: the others keep their index.
    announcers: Vec<Option<(Announcer, Option<u64>)>>,
    /// With the period of the last query; `None` where one was removed.
    discoverers: Vec<Option<(Discoverer, Option<u64>)>>,
    discoveree: Discoveree,
    outbox: Outbox,
}

impl Agent {
    /// Makes a UE that follows and announces nothing yet. Allocates its tables here.
    ///
    /// # Errors
    /// The tabled configuration has identities with a nonce.
    pub fn new(config: Config) -> Result<Self, NonceNotFollowable> {
        Ok(Self {
            now: None,
            clock_guard: None,
            reserving: None,
            monitor: Monitor::new(config.monitor)?,
            unfollowable: false,
            announcers: Vec::new(),
            discoverers: Vec::new(),
            discoveree: Discoveree::new(config.discoveree, &config.time),
            outbox: Outbox {
                outputs: VecDeque::with_capacity(config.outputs),
                capacity: config.outputs,
                counters: Counters::default(),
            },
            config,
        })
    }

    /// Guards the clock of discovery: while it shows less than the durable mark, nothing is announced and nothing
    /// accepted.
    pub fn guard_clock(&mut self, guard: ClockGuard) {
        self.clock_guard = Some(guard);
    }

    /// Says when the sets of signed announcements begin: all UEs of a pool have the same.
    pub const fn set_timing(&mut self, sets: SetTiming) {
        self.config.time.sets = sets;
    }

    /// Adds an announcer; returns its index.
    pub fn add_announcer(&mut self, announcer: Announcer) -> usize {
        self.announcers.push(Some((announcer, None)));
        self.announcers.len() - 1
    }

    /// Returns an announcer, to give it a new code or key.
    pub fn announcer(&mut self, index: usize) -> Option<&mut Announcer> {
        self.announcers.get_mut(index)?.as_mut().map(|(announcer, _)| announcer)
    }

    /// Returns the number of announcers that are off.
    pub fn silenced(&self) -> usize {
        let is_off = |(announcer, _): &&(Announcer, Option<u64>)| announcer.announcing() == Announcing::Off;
        self.announcers.iter().flatten().filter(is_off).count()
    }

    /// Removes an announcer: nothing of it is announced any more. The others keep their index.
    pub fn remove_announcer(&mut self, index: usize) {
        if let Some(place) = self.announcers.get_mut(index) {
            *place = None;
        }
    }

    /// Adds a discoverer; returns its index.
    pub fn add_discoverer(&mut self, discoverer: Discoverer) -> usize {
        self.discoverers.push(Some((discoverer, None)));
        self.discoverers.len() - 1
    }

    /// Removes a discoverer: it asks no more, and takes no answer. The others keep their index.
    pub fn remove_discoverer(&mut self, index: usize) {
        if let Some(place) = self.discoverers.get_mut(index) {
            *place = None;
        }
    }

    /// Returns the monitor, to change what it follows.
    pub const fn monitor(&mut self) -> &mut Monitor {
        self.unfollowable = false;
        &mut self.monitor
    }

    /// Returns the discoveree, to change what it answers.
    pub const fn discoveree(&mut self) -> &mut Discoveree {
        &mut self.discoveree
    }

    /// Returns the counters of outcomes of everything that was received.
    pub const fn counters(&self) -> &Counters {
        &self.outbox.counters
    }

    /// Whether a reservation of this stream is pending.
    pub fn reserves(&self, stream: StreamId) -> bool {
        self.reserving == Some(stream)
    }

    /// Takes one input. Drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        let now = input.now();
        self.now = Some(now);
        match input {
            Input::Tick { .. } => self.verify_signed(&now),
            Input::Message { block, .. } => self.receive(&now, block),
            Input::Opportunity { period, nonce, .. } => self.announce(&now, period, nonce),
            Input::Granted { granted, .. } => {
                if self.reserving.take_if(|stream| *stream == granted.stream()).is_some()
                    && let Some(guard) = &mut self.clock_guard
                {
                    guard.grant(granted);
                }
            }
            Input::ReservationFailed { stream, .. } => {
                if self.reserving.take_if(|reserving| *reserving == stream).is_some()
                    && let Some(guard) = &mut self.clock_guard
                {
                    guard.failed();
                }
            }
            Input::Table { job, .. } => self.monitor.install(job),
            Input::Announcement { octets, .. } => self.receive_announcement(&now, octets),
        }
    }

    /// Returns the next output; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outbox.outputs.pop_front() {
            return output;
        }
        if let Some(reservation) = self.clock_guard.as_mut().and_then(ClockGuard::wanted) {
            self.reserving = Some(reservation.stream());
            return Output::Reserve(reservation);
        }
        let Some(now) = &self.now else { return Output::Timeout(None) };
        if !self.unfollowable {
            match self.monitor.job(&self.config.time, now) {
                Ok(Some(job)) => return Output::Build(job),
                Ok(None) => {}
                Err(error) => {
                    self.unfollowable = true;
                    return Output::Event(Event::Unfollowable(error));
                }
            }
        }
        Output::Timeout(self.monitor.next_edge(now))
    }

    fn receive(&mut self, now: &AirTime, block: &[u8]) {
        if let Err(refusal) = self.check_clock(now) {
            return self.outbox.drop(Dropped::Refused(refusal));
        }
        let policy = &self.config.time;
        let (message_type, message) = match checked(block) {
            Ok(checked) => checked,
            // TS 24.334 §9.2.2 (2)
            Err(error) => return self.outbox.drop(Dropped::Malformed(error)),
        };
        if message_type == MessageType::Fragment {
            return self.receive_fragment(now, message);
        }
        if let Some(results) = self.monitor.receive_chained(policy, now, block) {
            return self.report(results);
        }
        let mut refusal = Refusal::Unknown;
        if is_question(message_type) {
            match self.discoveree.receive(policy, now, message_type, message) {
                Ok(()) => {
                    self.outbox.counters.count(Outcome::Verified);
                    return self.outbox.event(Event::Asked);
                }
                Err(other) => refusal = more_telling(refusal, other),
            }
        } else if message_type.is_model_b() {
            for (index, place) in self.discoverers.iter_mut().enumerate() {
                let Some((discoverer, _)) = place else { continue };
                match discoverer.receive(policy, now, message_type, message) {
                    Ok(finding) => {
                        self.outbox.counters.count(finding.outcome());
                        return self.outbox.event(Event::Answered { discoverer: index, finding });
                    }
                    Err(other) => refusal = more_telling(refusal, other),
                }
            }
        }
        match self.monitor.receive(policy, now, block) {
            Ok(discovered) => self.outbox.discovered(discovered),
            Err(Dropped::Refused(other)) => {
                self.outbox.drop(Dropped::Refused(more_telling(refusal, other)));
            }
            Err(dropped) => self.outbox.drop(dropped),
        }
    }

    /// Takes a fragment of a signed announcement, and verifies what is complete.
    fn receive_fragment(&mut self, now: &AirTime, message: &Message) {
        match self.monitor.receive_fragment(&self.config.time, now, message) {
            Ok(Fragmented::Kept(partial)) => {
                self.outbox.counters.count(Outcome::Incomplete);
                self.outbox.event(Event::Fragment(partial));
            }
            Ok(Fragmented::Proven(discovered)) => self.outbox.discovered(discovered),
            Err(refusal) => self.outbox.drop(Dropped::Refused(refusal)),
        }
        if let Some(hint) = self.monitor.signed().take_wanted() {
            self.outbox.event(Event::KeyWanted(hint));
        }
        self.verify_signed(now);
    }

    /// Verifies complete signed announcements, as many as one slot has time for.
    fn verify_signed(&mut self, now: &AirTime) {
        while let Some(result) = self.monitor.verified(&self.config.time, now) {
            match result {
                Ok(discovered) => self.outbox.discovered(discovered),
                Err(refusal) => self.outbox.drop(Dropped::Refused(refusal)),
            }
        }
    }

    /// Takes an announcement of the SL-SCH, to which a discovery message points.
    fn receive_announcement(&mut self, now: &AirTime, octets: &[u8]) {
        match self.check_clock(now) {
            Ok(()) => {
                let results = self.monitor.receive_announcement(&self.config.time, now, octets);
                self.report(results);
            }
            Err(refusal) => self.outbox.drop(Dropped::Refused(refusal)),
        }
    }

    fn report(&mut self, results: Vec<Result<Sighted, Dropped>>) {
        for result in results {
            match result {
                Ok(Sighted::Matched(who)) => {
                    self.outbox.counters.count(Outcome::Incomplete);
                    self.outbox.event(Event::Matched(who));
                }
                Ok(Sighted::Discovered(discovered)) => self.outbox.discovered(discovered),
                Err(dropped) => self.outbox.drop(dropped),
            }
        }
    }

    /// Puts out one message for one resource: a pending response, otherwise a query, otherwise an announcement, each
    /// once a period.
    fn announce(&mut self, now: &AirTime, period: u64, nonce: [u64; 2]) {
        if let Err(refusal) = self.check_clock(now) {
            return self.outbox.event(Event::Silent { origin: Origin::Clock, refusal });
        }
        let policy = &self.config.time;
        if let Some((index, answer)) = self.discoveree.respond(policy, now) {
            return self.outbox.message(Origin::Discoveree(index), answer);
        }
        for (index, place) in self.discoverers.iter_mut().enumerate() {
            let Some((discoverer, last)) = place else { continue };
            if last.replace(period) != Some(period) {
                return self.outbox.message(Origin::Discoverer(index), discoverer.solicit(policy, now));
            }
        }
        let mut nonce = nonce.into_iter();
        let mut entropy = || nonce.next().unwrap_or(0);
        for (index, place) in self.announcers.iter_mut().enumerate() {
            let Some((announcer, last)) = place else { continue };
            if announcer.announcing() == Announcing::Off {
                continue;
            }
            if last.replace(period) != Some(period) {
                // TS 24.334 §10A.2.2.2 (6)
                let message = announcer.announce(now, policy, &mut entropy);
                let origin = Origin::Announcer(index);
                if let Some(octets) = announcer.take_announcement() {
                    self.outbox.push(Output::Announcement { origin, octets });
                }
                return self.outbox.message(origin, message);
            }
        }
    }

    /// Checks that the clock may be used for discovery, also for messages that go past this agent.
    ///
    /// # Errors
    /// [`Refusal::Clock`]: it shows less than the durable mark.
    pub fn check_clock(&mut self, now: &AirTime) -> Result<(), Refusal> {
        match &mut self.clock_guard {
            Some(guard) => guard.check(now.slot.counter()).map(|_| ()).map_err(|_| Refusal::Clock),
            None => Ok(()),
        }
    }
}

/// Whether it is a query of model B, which a discoveree receives.
const fn is_question(message_type: MessageType) -> bool {
    matches!(
        message_type,
        MessageType::RestrictedQuery | MessageType::RelaySolicitation | MessageType::GroupMemberSolicitation
    )
}

impl Outbox {
    /// Queues an output. If outputs are not drained, new ones are lost and counted.
    fn push(&mut self, output: Output) {
        if self.outputs.len() < self.capacity {
            self.outputs.push_back(output);
        } else {
            self.counters.count(Outcome::OutputFull);
        }
    }

    fn event(&mut self, event: Event) {
        self.push(Output::Event(event));
    }

    fn message(&mut self, origin: Origin, message: Result<Message, Refusal>) {
        match message {
            Ok(message) => {
                self.push(Output::Message { origin, message });
                self.event(Event::Announced(origin));
            }
            Err(refusal) => self.event(Event::Silent { origin, refusal }),
        }
    }

    fn discovered(&mut self, discovered: Discovered) {
        self.counters.count(discovered.finding.outcome());
        self.event(Event::Discovered(discovered));
    }

    fn drop(&mut self, dropped: Dropped) {
        self.counters.count(dropped.outcome());
        self.event(Event::Dropped(dropped));
    }
}

#[cfg(test)]
mod tests;
