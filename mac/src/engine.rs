//! Layer 2 of one UE, composed: blocks, opportunities and application data in; blocks, results and requests out.
//!
//! # The run-loop contract
//!
//! The engine has no clock, thread, random source or I/O. Its driver
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
//! use sidelink_mac::engine::{Bearer, Config, Engine, Event, Input, Output};
//! use sidelink_wire::ids::{Layer2Id, Lcid};
//! use sidelink_mac::mux::Address;
//! use sidelink_mac::pdcp::{PlainSn, Protection};
//! use sidelink_wire::pdcp::SduType;
//! use sidelink_security::counter::UtcTime;
//!
//! let group = Address::Group(Layer2Id::new(0x0001a2)?);
//! let lcid = Lcid::new(1)?;
//! let (mut alice, mut bob) = (Engine::new(Config::new(Layer2Id::new(1)?)), Engine::new(Config::new(Layer2Id::new(2)?)));
//! alice.add_destination(group, Protection::Plain(PlainSn::Zero));
//! alice.add_bearer(Bearer::new(group, lcid))?;
//! bob.listen(group);
//!
//! let now = UtcTime::from_millis(1_700_000_000_000);
//! alice.handle_input(Input::Send { now, address: group, lcid, sdu_type: SduType::Ip, data: b"hello" })?;
//! alice.handle_input(Input::Opportunity { address: None, len: 40 })?;
//! let mut heard = Vec::new();
//! loop {
//!     match alice.poll_output() {
//!         Output::SlSch { address, block, .. } => {
//!             // On air: the block, and the SCI with the low octet of the destination.
//!             bob.handle_input(Input::SlSch { now, group: address.group_destination(), block })?;
//!             loop {
//!                 match bob.poll_output() {
//!                     Output::Event(Event::Received(sdu)) => heard.push(sdu.data.to_vec()),
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

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::StreamId;
use sidelink_security::group;
use sidelink_security::outcome::{Counters, Outcome};

use crate::mux::{Address, Built, Demultiplexed, Filter, Multiplexer};
use crate::pdcp::{self, Header, Protection, Transmitter};
use crate::rlc_um::{self, Key, ReceiverCounters};
use sidelink_wire::ids::{GroupDestinationId, Layer2Id, Lcid};

mod io;

pub use io::{Bearer, Cause, Config, Drop, Error, Event, Input, Output, Received};

/// An output that waits; octets lie in the engine's buffer.
enum Waiting {
    SlSch { address: Address, built: Built, octets: Range<usize> },
    Received { fixed: Received<'static>, octets: Range<usize> },
    Unopened { source: Layer2Id, address: Address, lcid: Lcid, octets: Range<usize> },
    Dropped(Drop),
}

/// The pending outputs, with a fixed amount of memory.
struct Outbox {
    events: VecDeque<Waiting>,
    capacity: usize,
    octets: Vec<u8>,
    octet_capacity: usize,
    counters: Counters,
}

/// Layer 2 of one UE.
pub struct Engine {
    config: Config,
    mux: Multiplexer,
    filter: Filter,
    rlc: rlc_um::Receiver,
    pdcp: pdcp::Receiver,
    transmitters: Vec<(Address, Transmitter)>,
    /// Addresses whose reservations are pending in the store, by stream.
    reserving: Vec<(StreamId, Address)>,
    outbox: Outbox,
}

impl Engine {
    /// Makes a UE without destinations, keys and bearers.
    pub fn new(config: Config) -> Self {
        Self {
            mux: Multiplexer::new(config.source),
            filter: if config.promiscuous { Filter::everything() } else { Filter::new() },
            rlc: rlc_um::Receiver::new(config.rlc),
            pdcp: pdcp::Receiver::new(config.pdcp),
            transmitters: Vec::new(),
            reserving: Vec::new(),
            outbox: Outbox {
                events: VecDeque::with_capacity(config.outputs),
                capacity: config.outputs,
                octets: Vec::with_capacity(config.output_octets),
                octet_capacity: config.output_octets,
                counters: Counters::default(),
            },
            config,
        }
    }

    /// Returns our layer-2 identity.
    pub const fn source(&self) -> Layer2Id {
        self.config.source
    }

    /// Receives for a destination.
    pub fn listen(&mut self, address: Address) {
        self.filter.insert(address);
    }

    /// Stops receiving for a destination.
    pub fn ignore(&mut self, address: Address) {
        self.filter.remove(address);
    }

    /// Adds the keys of a group for receiving, or replaces them. Call [`Self::listen`] to receive for the group.
    pub fn add_group(&mut self, group: group::Receiver) {
        self.pdcp.insert_group(group);
    }

    /// Returns the keys of a group for receiving.
    pub fn group(&mut self, id: Layer2Id) -> Option<&mut group::Receiver> {
        self.pdcp.group(id)
    }

    /// Removes a group: its keys, its destination and its bearers with their queues, and stops receiving for it.
    pub fn remove_group(&mut self, id: Layer2Id) {
        let address = Address::Group(id);
        self.ignore(address);
        self.pdcp.remove_group(id);
        self.transmitters.retain(|(known, _)| *known != address);
        self.mux.remove_address(address);
    }

    /// Sets the protection of data to a destination, in place of an earlier one.
    pub fn add_destination(&mut self, address: Address, protection: Protection) {
        let transmitter = Transmitter::new(protection);
        match self.transmitters.iter_mut().find(|(known, _)| *known == address) {
            Some((_, known)) => *known = transmitter,
            None => self.transmitters.push((address, transmitter)),
        }
    }

    /// Returns the keys of a destination for sending.
    pub fn destination(&mut self, address: Address) -> Option<&mut Transmitter> {
        self.transmitters.iter_mut().find(|(known, _)| *known == address).map(|(_, transmitter)| transmitter)
    }

    /// Adds a bearer for sending.
    pub fn add_bearer(&mut self, bearer: Bearer) -> Result<(), Error> {
        let Bearer { address, lcid, priority, queue_octets, queue_sdus } = bearer;
        Ok(self.mux.add_channel(address, lcid, priority, queue_octets, queue_sdus)?)
    }

    /// Returns the number of bearers.
    pub const fn bearers(&self) -> usize {
        self.mux.channels()
    }

    /// Removes a bearer with its queue.
    ///
    /// # Errors
    /// No such bearer.
    pub fn remove_bearer(&mut self, address: Address, lcid: Lcid) -> Result<(), Error> {
        Ok(self.mux.remove_channel(address, lcid)?)
    }

    /// Checks that the queue of a bearer has room for a PDU of `len` octets.
    ///
    /// # Errors
    /// It has not, or there is no such bearer.
    pub fn check_room(&self, address: Address, lcid: Lcid, len: usize) -> Result<(), Error> {
        Ok(self.mux.check_room(address, lcid, len)?)
    }

    /// Returns the destination with the most urgent data, for which to draw a grant, and its priority (1 is the highest).
    pub fn next_address(&self) -> Option<(Address, u8)> {
        self.mux.next_address()
    }

    /// Returns the queued octets for a destination.
    pub fn queued(&self, address: Address) -> usize {
        self.mux.queued(address)
    }

    /// Returns the counters of outcomes of everything that was received.
    pub const fn counters(&self) -> &Counters {
        &self.outbox.counters
    }

    /// Returns the counters of reassembly.
    pub const fn rlc_counters(&self) -> &ReceiverCounters {
        self.rlc.counters()
    }

    /// Takes one input. Drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Error> {
        if self.outbox.events.is_empty() {
            self.outbox.octets.clear();
        }
        match input {
            Input::SlSch { now, group, block } => self.receive_sl_sch(now, group, block),
            Input::Tick { now } => self.tick(now),
            Input::Send { now, address, lcid, sdu_type, data } => {
                let transmitter = self.transmitters.iter_mut().find(|(known, _)| *known == address);
                let (_, transmitter) = transmitter.ok_or(Error::NoDestination(address))?;
                // Checked first: no COUNT is spent on an SDU that cannot be queued.
                self.mux.check_room(address, lcid, transmitter.pdu_len(data.len()))?;
                let pdu = transmitter.emit_pdu(now.counter(), lcid, sdu_type, data)?;
                self.mux.push(address, lcid, pdu)?;
            }
            Input::SendPdu { address, lcid, pdu } => {
                self.mux.check_room(address, lcid, pdu.len())?;
                self.mux.push(address, lcid, pdu)?;
            }
            // TS 36.321 §5.14.1.1 (1)
            Input::Opportunity { address, len } => {
                let waiting = address.filter(|&address| self.mux.queued(address) > 0);
                let next = || self.mux.next_address().map(|(address, _)| address);
                let address = if address.is_some() { waiting } else { next() };
                if let Some(address) = address {
                    self.fill(address, len)?;
                }
            }
            Input::Granted(granted) => {
                if let Some(sender) = self.reserving(granted.stream()) {
                    sender.grant(granted);
                }
            }
            Input::ReservationFailed(stream) => {
                if let Some(sender) = self.reserving(stream) {
                    sender.failed(stream);
                }
            }
        }
        Ok(())
    }

    /// Returns the next output; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output<'_> {
        if let Some(event) = self.outbox.events.pop_front() {
            return event.output(&self.outbox.octets);
        }
        for (address, transmitter) in &mut self.transmitters {
            if let Some(sender) = transmitter.group()
                && let Some(reservation) = sender.wanted().next()
            {
                self.reserving.push((reservation.stream(), *address));
                return Output::Reserve(reservation);
            }
        }
        // TS 36.322 §5.1.2.2.4
        Output::Timeout(self.rlc.next_timeout())
    }

    fn receive_sl_sch(&mut self, now: UtcTime, group: Option<GroupDestinationId>, block: &[u8]) {
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
        if let Some(reserved) = pdu.ignored() {
            outbox.drop(Some((source, address)), None, Cause::Mac(reserved));
        }
        for (lcid, data) in pdu.sdus() {
            let unopened = match address {
                Address::Ue(_) => config.one_to_one,
                Address::Group(_) | Address::V2x(_) => {
                    config.group_signalling && lcid == Lcid::PC5_S_UNPROTECTED
                }
            };
            let key = Key { source, destination: address.layer2_id(), lcid, window: address.window() };
            let received = rlc.receive(key, now, data, |sdu| {
                if unopened {
                    return outbox.unopened(source, address, lcid, sdu);
                }
                outbox.judge(pdcp, now, (source, address, lcid), sdu);
            });
            if let Err(error) = received {
                outbox.drop(Some((source, address)), None, Cause::Rlc(error));
            }
        }
    }

    /// Delivers what waited for a PDU of V2X that did not come.
    fn tick(&mut self, now: UtcTime) {
        let Self { rlc, pdcp, outbox, .. } = self;
        rlc.tick(now, |Key { source, destination, lcid, .. }, sdu| {
            outbox.judge(pdcp, now, (source, Address::V2x(destination), lcid), sdu);
        });
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
                self.outbox.push(Waiting::SlSch { address, built, octets: start..start + len });
                Ok(())
            }
            Err(error) => {
                self.outbox.octets.truncate(start);
                Err(error.into())
            }
        }
    }

    /// Takes the pending reservation of a stream, and returns the sender that requested it.
    fn reserving(&mut self, stream: StreamId) -> Option<&mut group::Sender> {
        let index = self.reserving.iter().position(|(known, _)| *known == stream)?;
        let (_, address) = self.reserving.swap_remove(index);
        self.destination(address).and_then(Transmitter::group)
    }
}

impl Waiting {
    fn output(self, octets: &[u8]) -> Output<'_> {
        match self {
            Self::SlSch { address, built, octets: range } => {
                Output::SlSch { address, built, block: &octets[range] }
            }
            Self::Received { fixed, octets: range } => {
                Output::Event(Event::Received(Received { data: &octets[range], ..fixed }))
            }
            Self::Unopened { source, address, lcid, octets: range } => {
                let pdu = &octets[range];
                match address {
                    Address::Ue(_) => Output::OneToOne { source, address, lcid, pdu },
                    Address::Group(_) | Address::V2x(_) => Output::GroupSignalling { source, address, pdu },
                }
            }
            Self::Dropped(drop) => Output::Event(Event::Dropped(drop)),
        }
    }
}

impl Outbox {
    fn has_room(&self, octets: usize) -> bool {
        self.events.len() < self.capacity && self.octets.len() + octets <= self.octet_capacity
    }

    /// A driver that does not drain loses outputs, and the counters say so.
    fn push(&mut self, event: Waiting) {
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
        self.push(Waiting::Received { fixed, octets: start..start + data.len() });
    }

    /// Delivers what PDCP makes of an RLC SDU, or says why it was dropped.
    fn judge(
        &mut self,
        pdcp: &mut pdcp::Receiver,
        now: UtcTime,
        (source, address, lcid): (Layer2Id, Address, Lcid),
        sdu: &[u8],
    ) {
        // Copies have an RLC entity of their own, and the PDCP entity of the channel that they copy.
        // TS 36.300 §23.14.1.1 (1); TS 36.321 §6.2.4 LCID (2); TS 36.323 §5.1.4 (3)
        let lcid = lcid.duplicated().unwrap_or(lcid);
        match pdcp.receive(now.counter(), source, address, lcid, sdu) {
            Ok(delivered) => {
                let pdcp::Delivered { header, data, assurance, pgk_id } = delivered;
                let fixed = Received { source, address, lcid, header, assurance, pgk_id, data: &[] };
                self.deliver(fixed, data);
            }
            Err(error) => {
                let header = Header::parse(address, sdu).ok();
                self.drop(Some((source, address)), header, Cause::Pdcp(error));
            }
        }
    }

    fn unopened(&mut self, source: Layer2Id, address: Address, lcid: Lcid, pdu: &[u8]) {
        if !self.has_room(pdu.len()) {
            self.counters.count(Outcome::OutputFull);
            return;
        }
        let start = self.octets.len();
        self.octets.extend_from_slice(pdu);
        self.push(Waiting::Unopened { source, address, lcid, octets: start..start + pdu.len() });
    }

    fn drop(&mut self, from: Option<(Layer2Id, Address)>, header: Option<Header>, cause: Cause) {
        self.counters.count(cause.outcome());
        self.push(Waiting::Dropped(Drop { from, header, cause }));
    }
}

#[cfg(test)]
mod tests;
