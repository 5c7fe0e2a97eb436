//! The PKMF: PC8 from the HTTPS server, MIKEY from and to a UDP socket.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use sidelink_network::hss;
use sidelink_network::identity::Impi;
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::pkmf::{self, Event, Kind, Output, Pkmf, RequestId, Response, Ticket};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Lease, Reservation, ReserveConfig, StreamId};

use super::bsf::Pushing;
use super::group_naf::Zpn;
use super::ledger::{Ledger, raise};
use super::seeds::Seeds;
use super::{Address, Function, Reply, now};
use crate::error::StartError;
use crate::mikey::Sender;
use crate::status::Counters;
use crate::store::{PkmfStore, PkmfWrite};
use crate::udp::Datagram;

/// The stream of the numbers that keys are bound to.
pub(crate) const NUMBERS: StreamId = StreamId(*b"PKMF            ");

/// What a PKMF is asked.
pub(crate) enum PkmfCommand {
    /// The body of a request over PC8, of a UE that TLS has proven.
    Request { ue: Impi, address: IpAddr, content_type: String, body: Vec<u8>, reply: Reply<Response> },
    /// A datagram on the port of MIKEY.
    Datagram(Datagram),
    /// The operator takes the keys of a circle from a UE, or lets it have them again.
    Member { change: Membership, circle: Circle, ue: Impi, reply: Reply<Result<(), MemberError>> },
    /// The BSF answered over Zpn.
    Pushed { ticket: hss::Ticket, result: Pushing },
}

/// What somebody is a member of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Circle {
    /// Those who have keys of a service.
    Service(ServiceId),
    /// UEs that may use relays.
    Remotes,
    /// UEs that may be relays.
    Relays,
}

/// What becomes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// It is revoked.
    Revoked,
    /// It is admitted again.
    Admitted,
}

/// Why a member was not revoked or admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberError {
    /// No such group or discovery.
    NoService(ServiceId),
    /// Not a member.
    NoMember(ServiceId),
    /// No remote UE of relays.
    NoRemote,
    /// No relay.
    NoRelay,
    /// The change could not be made durable yet. What could be done without was done: a UE that is revoked gets nothing.
    Store,
    /// The key management function does not run here, or does not answer.
    NotHere,
}

impl fmt::Display for MemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoService(id) => write!(f, "there is no group or discovery {id}: look at [pkmf]"),
            Self::NoMember(id) => write!(f, "no such member of {id}: look at [pkmf]"),
            Self::NoRemote => f.write_str("no such remote UE: look at [[pkmf.remotes]]"),
            Self::NoRelay => f.write_str("no such relay: look at [[pkmf.relays]]"),
            Self::Store => f.write_str("the change could not be stored: see the log; it is tried again"),
            Self::NotHere => {
                f.write_str("the key management function does not run in this process, or does not answer")
            }
        }
    }
}

impl std::error::Error for MemberError {}

/// How the PKMF asks the BSF for GPIs.
pub(crate) struct PkmfBsf {
    /// For GPIs.
    pub(crate) zpn: Zpn,
    /// Where its answers go.
    pub(crate) own: Address<PkmfCommand>,
}

/// The PKMF of a process.
pub(crate) struct PkmfThread {
    machine: Pkmf,
    ledger: Ledger<PkmfWrite>,
    counters: Arc<Counters>,
    mikey: Sender,
    bsf: PkmfBsf,
    members: BTreeMap<Circle, BTreeSet<Impi>>,
    names: u64,
    requests: HashMap<u64, Reply<Response>>,
    stores: Vec<Ticket>,
    writes: Vec<PkmfWrite>,
    reservations: Vec<Reservation>,
    /// Who waits until what is being stored is durable.
    waiting: Vec<Reply<Result<(), MemberError>>>,
    seeds: Seeds,
}

impl PkmfThread {
    /// With what a store has.
    pub(crate) fn new(
        config: pkmf::Config,
        mut store: Box<dyn PkmfStore>,
        counters: Arc<Counters>,
        mikey: Sender,
        bsf: PkmfBsf,
    ) -> Result<Self, StartError> {
        let durable = store.durable()?;
        let numbers = Lease::at(NUMBERS, store.reserved(NUMBERS)?, 1, u64::MAX, ReserveConfig::default());
        let (seeds, seed) = Seeds::first()?;
        let members = circles(&config);
        Ok(Self {
            machine: Pkmf::new(config, numbers, &seed, durable)?,
            ledger: Ledger::new("PKMF", store, Arc::clone(&counters)),
            counters,
            mikey,
            bsf,
            members,
            names: 0,
            requests: HashMap::new(),
            stores: Vec::new(),
            writes: Vec::new(),
            reservations: Vec::new(),
            waiting: Vec::new(),
            seeds,
        })
    }

    fn drain(&mut self) -> Option<UtcTime> {
        loop {
            match self.machine.poll_output() {
                Output::Respond { request, response } => {
                    match response {
                        Response::Message(_) => self.counters.pc8_answered.add(),
                        Response::Refused(_) => self.counters.pc8_refused.add(),
                    }
                    if let Some(reply) = self.requests.remove(&request.0) {
                        reply(response);
                    }
                }
                Output::Send { to, octets } => {
                    self.counters.mikey_sent.add();
                    self.mikey.send(to, &octets);
                }
                Output::Store { ticket, changes } => {
                    self.stores.push(ticket);
                    self.writes.extend(changes.into_iter().map(PkmfWrite::Change));
                }
                Output::Push(request) => {
                    let own = self.bsf.own.clone();
                    // A queue that is full: the machine gives the push up by its own time.
                    let reply = move |(ticket, result)| _ = own.send(PkmfCommand::Pushed { ticket, result });
                    (self.bsf.zpn)(*request, Box::new(reply));
                }
                Output::Reserve(reservation) => self.reservations.push(reservation),
                Output::Event(event) => self.report(&event),
                Output::Timeout(at) => return at,
            }
        }
    }

    fn report(&self, event: &Event) {
        let counters = &self.counters;
        match event {
            Event::NewPmk { .. } => counters.pmks.add(),
            Event::Rejected { .. } => counters.keys_rejected.add(),
            Event::NewKey(_) => counters.group_keys.add(),
            Event::Delivered { .. } => counters.group_keys_delivered.add(),
            Event::Deleted { .. } => counters.group_keys_deleted.add(),
            Event::Unanswered { .. } => counters.mikey_unanswered.add(),
            Event::Refused { .. } => counters.mikey_refused.add(),
            Event::Pushed { .. } => counters.pruks_pushed.add(),
            Event::NotPushed { ue, why } => {
                counters.pruks_not_pushed.add();
                return tracing::warn!("PKMF: no PRUK is pushed to {}: {why}", ue.as_str());
            }
            Event::Flood => return tracing::warn!("PKMF: more requests than are served"),
            Event::NoFreeId(service) => {
                return tracing::error!("PKMF: {service} has no free key ID until a key ends");
            }
            _ => {}
        }
        tracing::debug!("PKMF: {event:?}");
    }

    fn commit(&mut self) {
        let (stores, reservations) =
            (std::mem::take(&mut self.stores), std::mem::take(&mut self.reservations));
        let mut writes = std::mem::take(&mut self.writes);
        let changes = writes.len();
        writes.extend(reservations.iter().map(raise::<PkmfWrite>));
        let written = self.ledger.commit(&writes);
        let now = now();
        for ticket in stores {
            self.machine.handle_input(match written {
                Some(_) => pkmf::Input::Stored { now, ticket },
                None => pkmf::Input::StoreFailed { now, ticket },
            });
        }
        for (at, reservation) in reservations.into_iter().enumerate() {
            let stream = reservation.stream();
            let written = written.as_ref().and_then(|written| written.get(changes + at).copied());
            self.machine.handle_input(match self.ledger.grant(reservation, written) {
                Some(granted) => pkmf::Input::Granted { now, granted },
                None => pkmf::Input::ReservationFailed { now, stream },
            });
        }
        let done = if written.is_some() { Ok(()) } else { Err(MemberError::Store) };
        self.waiting.drain(..).for_each(|reply| reply(done));
    }

    fn reseed(&mut self, now: UtcTime) {
        if let Some(seed) = self.seeds.again(now) {
            self.machine.handle_input(pkmf::Input::Entropy { seed: &seed });
        }
    }

    fn member(&mut self, change: Membership, circle: Circle, ue: Impi) -> Result<(), MemberError> {
        let is_member = self.members.get(&circle).map(|members| members.contains(&ue));
        match (circle, is_member) {
            (_, Some(true)) => {}
            (Circle::Service(service), Some(false)) => return Err(MemberError::NoMember(service)),
            (Circle::Service(service), None) => return Err(MemberError::NoService(service)),
            (Circle::Remotes, _) => return Err(MemberError::NoRemote),
            (Circle::Relays, _) => return Err(MemberError::NoRelay),
        }
        let now = now();
        self.machine.handle_input(match (change, circle) {
            (Membership::Revoked, Circle::Service(service)) => pkmf::Input::Revoke { now, service, ue },
            (Membership::Admitted, Circle::Service(service)) => pkmf::Input::Admit { now, service, ue },
            (Membership::Revoked, Circle::Remotes) => pkmf::Input::RevokeRemote { now, ue },
            (Membership::Admitted, Circle::Remotes) => pkmf::Input::AdmitRemote { now, ue },
            (Membership::Revoked, Circle::Relays) => pkmf::Input::RevokeRelay { now, ue },
            (Membership::Admitted, Circle::Relays) => pkmf::Input::AdmitRelay { now, ue },
        });
        Ok(())
    }
}

/// Who is a member of what.
fn circles(config: &pkmf::Config) -> BTreeMap<Circle, BTreeSet<Impi>> {
    let services = config.services.iter();
    let services = services.map(|service| (Circle::Service(service.id), members(&service.kind)));
    let remotes = config.relays.remotes.iter().map(|remote| remote.ue.clone()).collect();
    let relays = config.relays.relays.iter().map(|(relay, _)| relay.clone()).collect();
    services.chain([(Circle::Remotes, remotes), (Circle::Relays, relays)]).collect()
}

fn members(kind: &Kind) -> BTreeSet<Impi> {
    match kind {
        Kind::Group { members, .. } => members.iter().map(|(ue, _)| ue.clone()).collect(),
        Kind::Discovery { ues, .. } => ues.iter().cloned().collect(),
    }
}

impl Function for PkmfThread {
    type Command = PkmfCommand;

    fn take(&mut self, command: PkmfCommand) {
        let now = now();
        self.reseed(now);
        match command {
            PkmfCommand::Request { ue, address, content_type, body, reply } => {
                self.names += 1;
                self.requests.insert(self.names, reply);
                let request = RequestId(self.names);
                let (content_type, body) = (content_type.as_str(), &body[..]);
                let input = pkmf::Input::Request { now, request, ue, address, content_type, body };
                self.machine.handle_input(input);
            }
            PkmfCommand::Datagram(datagram) => {
                let (from, octets) = (datagram.sender().ip(), datagram.octets());
                self.machine.handle_input(pkmf::Input::Datagram { now, from, octets });
            }
            PkmfCommand::Member { change, circle, ue, reply } => match self.member(change, circle, ue) {
                Ok(()) => self.waiting.push(reply),
                Err(why) => reply(Err(why)),
            },
            PkmfCommand::Pushed { ticket, result } => {
                self.machine.handle_input(pkmf::Input::Pushed { now, ticket, result });
            }
        }
    }

    fn tick(&mut self, now: UtcTime) {
        self.machine.handle_input(pkmf::Input::Tick { now });
    }

    /// The machine tries a store that fails again by its own time.
    fn settle(&mut self) -> Option<UtcTime> {
        loop {
            let at = self.drain();
            if self.stores.is_empty() && self.reservations.is_empty() {
                // Nothing had to change: it was so already.
                self.waiting.drain(..).for_each(|reply| reply(Ok(())));
                return at;
            }
            self.commit();
        }
    }
}
