//! Layer 2 of one UE, composed: blocks, opportunities and application data in; blocks, results and requests out.
//!
//! # The run-loop contract
//!
//! The engine has no clock, thread, random source or I/O. Whoever drives it
//!
//! 1. hands over one [`Input`] by [`Engine::handle_input`], with the time in it;
//! 2. calls [`Engine::poll_output`] until it gives [`Output::Timeout`], and acts on each output;
//! 3. goes back to 1 with the next event, or with [`Input::Tick`] when the time of the timeout has come.
//!
//! An output borrows the engine and is gone at the next call. The same inputs give the same outputs, always; a whole
//! exchange can be replayed faster than real time. What a peer or an attacker does wrong is an output, never an `Err`:
//! that is for our own mistakes and the operator's.
//!
//! ```
//! use sidelink_mac::discovery::AirTime;
//! use sidelink_mac::engine::{Bearer, Config, Engine, Input, Output};
//! use sidelink_wire::ids::{Layer2Id, Lcid};
//! use sidelink_mac::mux::Address;
//! use sidelink_mac::pdcp::{PlainSn, Protection};
//! use sidelink_wire::pdcp::SduType;
//! use sidelink_security::counter::UtcTime;
//!
//! let group = Address::Group(Layer2Id::new(0x0001a2)?);
//! let lcid = Lcid::new(1)?;
//! let (mut alice, mut bob) = (Engine::new(Config::new(Layer2Id::new(1)?))?, Engine::new(Config::new(Layer2Id::new(2)?))?);
//! alice.add_destination(group, Protection::Plain(PlainSn::Zero));
//! alice.add_bearer(Bearer::new(group, lcid))?;
//! bob.listen(group);
//!
//! let now = AirTime::at(UtcTime::from_millis(1_700_000_000_000));
//! alice.handle_input(Input::Send { now, address: group, lcid, sdu_type: SduType::Ip, data: b"hello" })?;
//! alice.handle_input(Input::SlSchOpportunity { now, address: None, len: 40 })?;
//! let mut heard = Vec::new();
//! loop {
//!     match alice.poll_output() {
//!         Output::SlSch { address, block, .. } => {
//!             // On air: the block, and the SCI with the low octet of the destination.
//!             bob.handle_input(Input::SlSch { now, group: address.group_destination(), block })?;
//!             loop {
//!                 match bob.poll_output() {
//!                     Output::Received(sdu) => heard.push(sdu.data.to_vec()),
//!                     Output::Timeout(_) => break,
//!                     _ => {}
//!                 }
//!             }
//!         }
//!         Output::Timeout(_) => break,
//!         _ => {}
//!     }
//! }
//! assert_eq!(heard, [b"hello"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::ops::Range;
use std::collections::VecDeque;

use sidelink_security::counter::clock_guard::ClockGuard;
use sidelink_security::counter::reserve::StreamId;
use sidelink_security::discovery::book::NonceNotFollowable;
use sidelink_security::discovery::{Message, Refusal};
use sidelink_security::group;
use sidelink_security::outcome::{Counters, Outcome};

use crate::discovery::{
    AirTime, Announcer, Discovered, Discoveree, Discoverer, Dropped, Finding, Monitor, checked, more_telling,
};
use crate::mux::{Address, Built, Demultiplexed, Filter, Multiplexer};
use crate::pdcp::{self, Header, Protection, Transmitter};
use crate::rlc_um::{self, Key, ReceiverCounters};
use sidelink_wire::ids::{GroupDestinationId, Layer2Id, Lcid};
use sidelink_wire::mib_sl;
use sidelink_wire::pc5_discovery::MessageType;

mod io;

pub use io::{Bearer, Cause, Config, Drop, Error, Input, Origin, Output, Received};

/// An output that waits; octets lie in the engine's buffer.
enum Event {
    SlSch { address: Address, built: Built, octets: Range<usize> },
    SlDch { origin: Origin, message: Message },
    Silent { origin: Origin, refusal: Refusal },
    Received { fixed: Received<'static>, octets: Range<usize> },
    OneToOne { source: Layer2Id, address: Address, lcid: Lcid, octets: Range<usize> },
    Discovered(Discovered),
    Answered { discoverer: usize, finding: Finding },
    Asked,
    Synchronisation(mib_sl::Repr),
    Dropped(Drop),
}

/// The outputs that wait, with a fixed amount of memory.
struct Outbox {
    events: VecDeque<Event>,
    capacity: usize,
    octets: Vec<u8>,
    octet_capacity: usize,
    counters: Counters,
}

/// Whose counters are reserved.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Destination(Address),
    Clock,
}

/// Layer 2 of one UE.
pub struct Engine {
    config: Config,
    now: Option<AirTime>,
    mux: Multiplexer,
    filter: Filter,
    rlc: rlc_um::Receiver,
    pdcp: pdcp::Receiver,
    transmitters: Vec<(Address, Transmitter)>,
    /// Whose reservations are on their way to the store.
    reserving: Vec<(StreamId, Owner)>,
    /// Refuses a clock that went back, across restarts too.
    clock_guard: Option<ClockGuard>,
    monitor: Monitor,
    /// The followed codes could not be tabled.
    unfollowable: bool,
    announcers: Vec<(Announcer, Option<u64>)>,
    discoverers: Vec<(Discoverer, Option<u64>)>,
    discoveree: Discoveree,
    outbox: Outbox,
}

impl Engine {
    /// A UE that knows nobody.
    pub fn new(config: Config) -> Result<Self, NonceNotFollowable> {
        Ok(Self {
            now: None,
            mux: Multiplexer::new(config.source),
            filter: if config.promiscuous { Filter::everything() } else { Filter::new() },
            rlc: rlc_um::Receiver::new(config.rlc),
            pdcp: pdcp::Receiver::new(config.pdcp),
            transmitters: Vec::new(),
            reserving: Vec::new(),
            clock_guard: None,
            monitor: Monitor::new(config.monitor)?,
            unfollowable: false,
            announcers: Vec::new(),
            discoverers: Vec::new(),
            discoveree: Discoveree::new(config.discoveree, &config.time),
            outbox: Outbox {
                events: VecDeque::with_capacity(config.outputs),
                capacity: config.outputs,
                octets: Vec::with_capacity(config.output_octets),
                octet_capacity: config.output_octets,
                counters: Counters::default(),
            },
            config,
        })
    }

    /// Our Layer-2 identity.
    pub const fn source(&self) -> Layer2Id {
        self.config.source
    }

    /// Listens to a destination.
    pub fn listen(&mut self, address: Address) {
        self.filter.insert(address);
    }

    /// Listens to it no more.
    pub fn ignore(&mut self, address: Address) {
        self.filter.remove(address);
    }

    /// Adds the keys of a group for receiving, or replaces them. Listening is said apart.
    pub fn add_group(&mut self, group: group::Receiver) {
        self.pdcp.insert_group(group);
    }

    /// The keys of a group for receiving.
    pub fn group(&mut self, id: Layer2Id) -> Option<&mut group::Receiver> {
        self.pdcp.group(id)
    }

    /// Says how data to a destination is protected. Replaces what was said before.
    pub fn add_destination(&mut self, address: Address, protection: Protection) {
        let transmitter = Transmitter::new(protection);
        match self.transmitters.iter_mut().find(|(known, _)| *known == address) {
            Some((_, known)) => *known = transmitter,
            None => self.transmitters.push((address, transmitter)),
        }
    }

    /// The keys of a destination for sending.
    pub fn destination(&mut self, address: Address) -> Option<&mut Transmitter> {
        self.transmitters.iter_mut().find(|(known, _)| *known == address).map(|(_, transmitter)| transmitter)
    }

    /// Guards the clock of discovery: while it shows less than the durable mark, nothing is announced and nothing believed.
    pub fn guard_clock(&mut self, guard: ClockGuard) {
        self.clock_guard = Some(guard);
    }

    /// Adds a bearer for sending.
    pub fn add_bearer(&mut self, bearer: Bearer) -> Result<(), Error> {
        let Bearer { address, lcid, priority, queue_octets, queue_sdus } = bearer;
        Ok(self.mux.add_channel(address, lcid, priority, queue_octets, queue_sdus)?)
    }

    /// Adds an announcer.
    pub fn add_announcer(&mut self, announcer: Announcer) -> usize {
        self.announcers.push((announcer, None));
        self.announcers.len() - 1
    }

    /// An announcer, to give it a new code or key.
    pub fn announcer(&mut self, index: usize) -> Option<&mut Announcer> {
        self.announcers.get_mut(index).map(|(announcer, _)| announcer)
    }

    /// Adds a discoverer.
    pub fn add_discoverer(&mut self, discoverer: Discoverer) -> usize {
        self.discoverers.push((discoverer, None));
        self.discoverers.len() - 1
    }

    /// What is followed.
    pub const fn monitor(&mut self) -> &mut Monitor {
        self.unfollowable = false;
        &mut self.monitor
    }

    /// What is answered.
    pub const fn discoveree(&mut self) -> &mut Discoveree {
        &mut self.discoveree
    }

    /// Whose data is most urgent, and its priority: for whom to draw a grant.
    pub fn next_address(&self) -> Option<(Address, u8)> {
        self.mux.next_address()
    }

    /// Octets that wait for a destination.
    pub fn queued(&self, address: Address) -> usize {
        self.mux.queued(address)
    }

    /// What became of everything that was received.
    pub const fn counters(&self) -> &Counters {
        &self.outbox.counters
    }

    /// What reassembly counted.
    pub const fn rlc_counters(&self) -> &ReceiverCounters {
        self.rlc.counters()
    }

    /// Takes one event. Drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Error> {
        if self.outbox.events.is_empty() {
            self.outbox.octets.clear();
        }
        match input {
            Input::Tick { now } => self.now = Some(now),
            Input::SlSch { now, group, block } => {
                self.now = Some(now);
                self.receive_sl_sch(&now, group, block);
            }
            Input::SlDch { now, block } => {
                self.now = Some(now);
                self.receive_sl_dch(&now, block);
            }
            Input::SlBch { now, block } => {
                self.now = Some(now);
                let parsed =
                    mib_sl::Packet::new_checked(block).and_then(|packet| mib_sl::Repr::parse(&packet));
                match parsed {
                    Ok(mib) => self.outbox.push(Event::Synchronisation(mib)),
                    Err(error) => self.outbox.drop(None, None, Cause::Mib(error)),
                }
            }
            Input::Send { now, address, lcid, sdu_type, data } => {
                self.now = Some(now);
                let transmitter = self.transmitters.iter_mut().find(|(known, _)| *known == address);
                let (_, transmitter) = transmitter.ok_or(Error::NoDestination(address))?;
                // Asked first: a COUNT is not spent on what cannot be queued.
                self.mux.check_room(address, lcid, transmitter.pdu_len(data.len()))?;
                let pdu = transmitter.emit_pdu(now.slot.counter(), lcid, sdu_type, data)?;
                self.mux.push(address, lcid, pdu)?;
            }
            Input::SendPdu { now, address, lcid, pdu } => {
                self.now = Some(now);
                self.mux.check_room(address, lcid, pdu.len())?;
                self.mux.push(address, lcid, pdu)?;
            }
            Input::SlSchOpportunity { now, address, len } => {
                self.now = Some(now);
                let waiting = address.filter(|&address| self.mux.queued(address) > 0);
                let next = || self.mux.next_address().map(|(address, _)| address);
                let address = if address.is_some() { waiting } else { next() };
                if let Some(address) = address {
                    self.fill(address, len)?;
                }
            }
            Input::SlDchOpportunity { now, period, nonce } => {
                self.now = Some(now);
                self.discover(&now, period, nonce);
            }
            Input::Granted { now, granted } => {
                self.now = Some(now);
                match self.reserving(granted.stream()) {
                    Some(Owner::Clock) => {
                        if let Some(guard) = &mut self.clock_guard {
                            guard.grant(granted);
                        }
                    }
                    Some(Owner::Destination(address)) => {
                        if let Some(sender) = self.destination(address).and_then(Transmitter::group) {
                            sender.grant(granted);
                        }
                    }
                    None => {}
                }
            }
            Input::ReservationFailed { now, stream } => {
                self.now = Some(now);
                match self.reserving(stream) {
                    Some(Owner::Clock) => {
                        if let Some(guard) = &mut self.clock_guard {
                            guard.failed();
                        }
                    }
                    Some(Owner::Destination(address)) => {
                        if let Some(sender) = self.destination(address).and_then(Transmitter::group) {
                            sender.failed(stream);
                        }
                    }
                    None => {}
                }
            }
            Input::Table { now, job } => {
                self.now = Some(now);
                self.monitor.install(job);
            }
        }
        Ok(())
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output<'_> {
        if let Some(event) = self.outbox.events.pop_front() {
            return event.output(&self.outbox.octets);
        }
        for (address, transmitter) in &mut self.transmitters {
            if let Some(sender) = transmitter.group()
                && let Some(reservation) = sender.wanted().next()
            {
                self.reserving.push((reservation.stream(), Owner::Destination(*address)));
                return Output::Reserve(reservation);
            }
        }
        if let Some(reservation) = self.clock_guard.as_mut().and_then(ClockGuard::wanted) {
            self.reserving.push((reservation.stream(), Owner::Clock));
            return Output::Reserve(reservation);
        }
        let Some(now) = &self.now else { return Output::Timeout(None) };
        if !self.unfollowable {
            match self.monitor.job(&self.config.time, now) {
                Ok(Some(job)) => return Output::Build(job),
                Ok(None) => {}
                Err(error) => {
                    self.unfollowable = true;
                    return Output::Unfollowable(error);
                }
            }
        }
        Output::Timeout(self.monitor.next_edge(now))
    }

    fn receive_sl_sch(&mut self, now: &AirTime, group: Option<GroupDestinationId>, block: &[u8]) {
        let Self { config, filter, rlc, pdcp, outbox, .. } = self;
        let pdu = match Demultiplexed::parse(block, group) {
            Ok(pdu) => pdu,
            Err(error) => return outbox.drop(None, None, Cause::Mac(error)),
        };
        let (source, address) = (pdu.source, pdu.address);
        if !filter.accepts(address) {
            outbox.counters.count(Outcome::NotForUs);
            return;
        }
        if source == config.source && !config.promiscuous {
            return outbox.drop(Some((source, address)), None, Cause::Reflected);
        }
        let one_to_one = config.one_to_one && matches!(address, Address::Ue(_));
        for (lcid, data) in pdu.sdus() {
            let key = Key { source, destination: address.layer2_id(), lcid };
            let received = rlc.receive(key, data, |sdu| {
                if one_to_one {
                    return outbox.one_to_one(source, address, lcid, sdu);
                }
                match pdcp.receive(now.slot.counter(), source, address, lcid, sdu) {
                    Ok(delivered) => {
                        let pdcp::Delivered { header, data, assurance, pgk_id } = delivered;
                        let fixed = Received { source, address, lcid, header, assurance, pgk_id, data: &[] };
                        outbox.deliver(fixed, data);
                    }
                    Err(error) => {
                        let header = Header::parse(address, sdu).ok();
                        outbox.drop(Some((source, address)), header, Cause::Pdcp(error));
                    }
                }
            });
            if let Err(error) = received {
                outbox.drop(Some((source, address)), None, Cause::Rlc(error));
            }
        }
    }

    fn receive_sl_dch(&mut self, now: &AirTime, block: &[u8]) {
        if let Err(refusal) = self.check_clock(now) {
            return self.outbox.drop(None, None, Cause::Discovery(Dropped::Refused(refusal)));
        }
        let policy = &self.config.time;
        let (message_type, message) = match checked(block) {
            Ok(checked) => checked,
            Err(error) => {
                return self.outbox.drop(None, None, Cause::Discovery(Dropped::Malformed(error)));
            }
        };
        let mut refusal = Refusal::Unknown;
        if is_question(message_type) {
            match self.discoveree.receive(policy, now, message_type, message) {
                Ok(()) => {
                    self.outbox.counters.count(Outcome::Verified);
                    return self.outbox.push(Event::Asked);
                }
                Err(other) => refusal = more_telling(refusal, other),
            }
        } else if message_type.is_model_b() {
            for (index, (discoverer, _)) in self.discoverers.iter_mut().enumerate() {
                match discoverer.receive(policy, now, message_type, message) {
                    Ok(finding) => {
                        self.outbox.counters.count(finding.outcome());
                        return self.outbox.push(Event::Answered { discoverer: index, finding });
                    }
                    Err(other) => refusal = more_telling(refusal, other),
                }
            }
        }
        match self.monitor.receive(policy, now, block) {
            Ok(discovered) => {
                self.outbox.counters.count(discovered.finding.outcome());
                self.outbox.push(Event::Discovered(discovered));
            }
            Err(Dropped::Refused(other)) => {
                let dropped = Dropped::Refused(more_telling(refusal, other));
                self.outbox.drop(None, None, Cause::Discovery(dropped));
            }
            Err(dropped) => self.outbox.drop(None, None, Cause::Discovery(dropped)),
        }
    }

    fn fill(&mut self, address: Address, len: usize) -> Result<(), Error> {
        let start = self.outbox.octets.len();
        if !self.outbox.has_room(len) {
            self.outbox.counters.count(Outcome::OutputFull);
            return Ok(());
        }
        self.outbox.octets.resize(start + len, 0);
        match self.mux.emit_transport_block(address, &mut self.outbox.octets[start..]) {
            Ok(built) => {
                self.outbox.push(Event::SlSch { address, built, octets: start..start + len });
                Ok(())
            }
            Err(error) => {
                self.outbox.octets.truncate(start);
                Err(error.into())
            }
        }
    }

    /// One message for one resource: an answer that waits, else a question, else an announcement, each once a period.
    fn discover(&mut self, now: &AirTime, period: u64, nonce: [u64; 2]) {
        if let Err(refusal) = self.check_clock(now) {
            return self.outbox.push(Event::Silent { origin: Origin::Clock, refusal });
        }
        let policy = &self.config.time;
        if let Some(answer) = self.discoveree.respond(policy, now) {
            return self.outbox.announce(Origin::Discoveree, answer);
        }
        for (index, (discoverer, last)) in self.discoverers.iter_mut().enumerate() {
            if last.replace(period) != Some(period) {
                return self.outbox.announce(Origin::Discoverer(index), discoverer.solicit(policy, now));
            }
        }
        let mut nonce = nonce.into_iter();
        let mut entropy = || nonce.next().unwrap_or(0);
        for (index, (announcer, last)) in self.announcers.iter_mut().enumerate() {
            if last.replace(period) != Some(period) {
                let message = announcer.announce(now, policy, &mut entropy);
                return self.outbox.announce(Origin::Announcer(index), message);
            }
        }
    }

    /// Who asked for a reservation of this stream; asked no more.
    fn reserving(&mut self, stream: StreamId) -> Option<Owner> {
        let index = self.reserving.iter().position(|(known, _)| *known == stream)?;
        Some(self.reserving.swap_remove(index).1)
    }

    /// Whether the clock may be used for discovery.
    fn check_clock(&mut self, now: &AirTime) -> Result<(), Refusal> {
        match &mut self.clock_guard {
            Some(guard) => guard.check(now.slot.counter()).map(|_| ()).map_err(|_| Refusal::Clock),
            None => Ok(()),
        }
    }
}

/// Questions of model B, which a discoveree hears.
const fn is_question(message_type: MessageType) -> bool {
    matches!(
        message_type,
        MessageType::RestrictedQuery | MessageType::RelaySolicitation | MessageType::GroupMemberSolicitation
    )
}

impl Event {
    fn output(self, octets: &[u8]) -> Output<'_> {
        match self {
            Self::SlSch { address, built, octets: range } => {
                Output::SlSch { address, built, block: &octets[range] }
            }
            Self::SlDch { origin, message } => Output::SlDch { origin, message },
            Self::Silent { origin, refusal } => Output::Silent { origin, refusal },
            Self::Received { fixed, octets: range } => {
                Output::Received(Received { data: &octets[range], ..fixed })
            }
            Self::OneToOne { source, address, lcid, octets: range } => {
                Output::OneToOne { source, address, lcid, pdu: &octets[range] }
            }
            Self::Discovered(discovered) => Output::Discovered(discovered),
            Self::Answered { discoverer, finding } => Output::Answered { discoverer, finding },
            Self::Asked => Output::Asked,
            Self::Synchronisation(mib) => Output::Synchronisation(mib),
            Self::Dropped(drop) => Output::Dropped(drop),
        }
    }
}

impl Outbox {
    fn has_room(&self, octets: usize) -> bool {
        self.events.len() < self.capacity && self.octets.len() + octets <= self.octet_capacity
    }

    /// A driver that does not drain loses outputs, and the counters say so.
    fn push(&mut self, event: Event) {
        if self.events.len() < self.capacity {
            self.events.push_back(event);
        } else {
            self.counters.count(Outcome::OutputFull);
        }
    }

    fn deliver(&mut self, fixed: Received<'static>, data: &[u8]) {
        self.counters.count(fixed.assurance.into());
        if !self.has_room(data.len()) {
            self.counters.count(Outcome::OutputFull);
            return;
        }
        let start = self.octets.len();
        self.octets.extend_from_slice(data);
        self.push(Event::Received { fixed, octets: start..start + data.len() });
    }

    fn one_to_one(&mut self, source: Layer2Id, address: Address, lcid: Lcid, pdu: &[u8]) {
        if !self.has_room(pdu.len()) {
            self.counters.count(Outcome::OutputFull);
            return;
        }
        let start = self.octets.len();
        self.octets.extend_from_slice(pdu);
        self.push(Event::OneToOne { source, address, lcid, octets: start..start + pdu.len() });
    }

    fn announce(&mut self, origin: Origin, message: Result<Message, Refusal>) {
        self.push(match message {
            Ok(message) => Event::SlDch { origin, message },
            Err(refusal) => Event::Silent { origin, refusal },
        });
    }

    fn drop(&mut self, from: Option<(Layer2Id, Address)>, header: Option<Header>, cause: Cause) {
        self.counters.count(cause.outcome());
        self.push(Event::Dropped(Drop { from, header, cause }));
    }
}

#[cfg(test)]
mod tests;
