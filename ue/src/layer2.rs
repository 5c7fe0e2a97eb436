//! The engine of layer 2 with its jobs and its names: blocks and opportunities in; blocks, and what happened, out.

use super::jobs::{Job, JobResult, Jobs};
use super::link_bearers::LinkBearers;
use super::links::{Links, Wish};
use super::refused::Refused;
use crate::BuildError;
use sidelink_mac::engine::{Drop, Engine, Input, Output};
use sidelink_mac::mux::Address;
use sidelink_mac::pdcp::Header;
use sidelink_prose::direct_link::{Metered, Pdu, State};
use sidelink_prose::discovery::agent::{self, Agent, Origin};
use sidelink_prose::discovery::{AirTime, Discovered, Subject};
use sidelink_security::counter::reserve::StreamId;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::outcome::{Counters, Outcome};
use sidelink_security::pdu::Assurance;
use sidelink_wire::ids::{GroupDestinationId, Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use std::collections::HashMap;
use std::time::Duration;

/// Something that people, programs and applications are told.
#[derive(Clone, Copy, Debug)]
pub enum Happening<'a> {
    /// Data came.
    Received {
        /// Sender.
        source: Layer2Id,
        /// For whom.
        address: Address,
        /// PDCP header.
        header: Header,
        /// What is known of it.
        assurance: Assurance,
        /// What the data is.
        sdu_type: SduType,
        /// The data.
        data: &'a [u8],
    },
    /// Somebody who is followed was heard.
    Discovered {
        /// Its name in the store.
        name: &'a str,
        /// As the reports say it.
        outcome: Outcome,
        /// Whether it is news.
        news: bool,
    },
    /// A question of ours was answered.
    Answered {
        /// Its name in the store.
        name: &'a str,
        /// As the reports say it.
        outcome: Outcome,
    },
    /// An own announcement went out.
    Announced {
        /// Its name in the store.
        name: &'a str,
    },
    /// An own announcement did not go out.
    Silent {
        /// Its name.
        name: &'a str,
        /// Why.
        why: &'a str,
    },
    /// A PDU or message was dropped.
    Dropped {
        /// Sender and destination, where the MAC header was whole.
        from: Option<(Layer2Id, Address)>,
        /// As the reports say it.
        outcome: Outcome,
    },
    /// Something that an operator must know.
    Trouble(&'a str),
    /// Data came over a link.
    LinkData {
        /// The peer.
        peer: Layer2Id,
        /// What the data is.
        sdu_type: SduType,
        /// The data.
        data: &'a [u8],
    },
    /// A link changed.
    Link {
        /// The peer.
        peer: Layer2Id,
        /// What it is now.
        state: &'a State,
    },
    /// A message of PC5 signalling was sent or believed.
    Meter(Metered),
    /// A link handed this PDU to RLC.
    LinkPdu(&'a Pdu),
    /// A link has done what was told since the last step, in so long; so many durable writes were asked for.
    LinkStep {
        /// Time of the processor.
        took: Duration,
        /// Reservations of numbers and changes of keys.
        writes: u64,
    },

    /// A line for the log.
    Note(&'a str),
}

/// Takes what happened.
pub type Tell<'a> = dyn FnMut(Happening<'_>) + 'a;

/// Who is who in the reports.
#[derive(Debug, Default)]
pub struct Names {
    /// Followed identities.
    pub who: HashMap<Subject, String>,
    /// Announcers, discoverers and the discoveree, by their places.
    pub origin: HashMap<Origin, String>,
    /// Groups that it can send to.
    pub groups: HashMap<String, Address>,
    /// Groups to which it cannot send, and why.
    pub receive_only: HashMap<String, BuildError>,
}

/// Layer 2 of a UE in time.
pub struct Layer2 {
    engine: Engine,
    agent: Agent,
    jobs: Jobs,
    names: Names,
    now: AirTime,
    t: u64,
    /// Messages that want to go out in every discovery period.
    messages: usize,
    links: Option<Links>,
    /// PDUs for the links.
    for_links: Vec<(Layer2Id, Lcid, Vec<u8>)>,
    link_bearers: LinkBearers,
    link_streams: Vec<StreamId>,
}

impl Layer2 {
    /// With an engine and an agent that know their keys.
    pub fn new((engine, agent): (Engine, Agent), names: Names, jobs: Jobs) -> Self {
        let messages =
            names.origin.keys().filter(|o| !matches!(o, Origin::Discoveree | Origin::Clock)).count();
        let now = AirTime::at(UtcTime::from_millis(0));
        Self {
            engine,
            agent,
            jobs,
            names,
            now,
            t: 0,
            messages,
            links: None,
            for_links: Vec::new(),
            link_bearers: LinkBearers::default(),
            link_streams: Vec::new(),
        }
    }

    /// Has links too. The engine must hand over what is for this UE alone.
    pub fn with_links(mut self, links: Links) -> Self {
        for (name, peer) in links.peers() {
            self.names.groups.insert(format!("link:{name}"), Address::Ue(peer));
        }
        self.links = Some(links);
        self
    }

    /// The links, if it has any: to give them credentials.
    pub fn links(&mut self) -> Option<&mut Links> {
        self.links.as_mut()
    }

    /// Discovery: to change what it follows and announces.
    pub fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// Logical channels towards the peers of links.
    #[cfg(test)]
    pub(super) fn link_channels(&self) -> usize {
        self.engine.bearers()
    }

    /// What became of everything that was received.
    pub fn counters(&self) -> Counters {
        *self.engine.counters() + *self.agent.counters()
    }

    /// Subframes in which a job was late.
    pub fn late_errands(&self) -> u64 {
        self.jobs.late()
    }

    /// Subframe `t` begins at `utc`. What `prose_clock` says of UTC is the same unless told.
    pub fn begin(&mut self, t: u64, utc: UtcTime, tell: &mut Tell<'_>) {
        self.t = t;
        self.now = AirTime { slot: utc, prose_clock: UtcCounter::new(utc.counter().value()) };
        while let Some(done) = self.jobs.take(t) {
            let now = self.now;
            let done = match (done, &mut self.links) {
                (JobResult::Granted(granted), Some(links))
                    if self.link_streams.contains(&granted.stream()) =>
                {
                    links.granted(utc, granted);
                    continue;
                }
                (JobResult::Failed(stream, why), Some(links)) if self.link_streams.contains(&stream) => {
                    tell(Happening::Trouble(&why));
                    links.reservation_failed(utc, stream);
                    continue;
                }
                (JobResult::KeysStored(ticket), Some(links)) => {
                    links.stored(utc, ticket, true);
                    continue;
                }
                (JobResult::KeysFailed(ticket, why), Some(links)) => {
                    tell(Happening::Trouble(&why));
                    links.stored(utc, ticket, false);
                    continue;
                }
                (done, _) => done,
            };
            match done {
                JobResult::KeysStored(_) | JobResult::KeysFailed(..) => {}
                JobResult::Granted(granted) if self.agent.reserves(granted.stream()) => {
                    self.discover(agent::Input::Granted { now, granted }, tell);
                }
                JobResult::Granted(granted) => self.input(Input::Granted(granted), tell),
                JobResult::Failed(stream, why) => {
                    tell(Happening::Trouble(&why));
                    if self.agent.reserves(stream) {
                        self.discover(agent::Input::ReservationFailed { now, stream }, tell);
                    } else {
                        self.input(Input::ReservationFailed(stream), tell);
                    }
                }
                JobResult::Table(job) => _ = self.discover(agent::Input::Table { now, job }, tell),
            }
        }
        if t.is_multiple_of(10) {
            self.discover(agent::Input::Tick { now: self.now }, tell);
        }
        if let Some(links) = &mut self.links {
            links.begin(t, utc);
            if t.is_multiple_of(100) {
                self.link_bearers.close_unused(&mut self.engine, t, |id| links.is_up(id));
            }
        }
        self.serve_links(tell);
    }

    /// What came for the links to them, and what they wish.
    fn serve_links(&mut self, tell: &mut Tell<'_>) {
        let Some(links) = &mut self.links else { return };
        let utc = self.now.slot;
        for (source, lcid, pdu) in self.for_links.drain(..) {
            links.receive(utc, source, lcid, &pdu);
        }
        let mut writes = 0;
        while let Some(wish) = links.next_wish() {
            match wish {
                Wish::Pdu(pdu) => {
                    let Pdu { peer, lcid, .. } = pdu;
                    tell(Happening::LinkPdu(&pdu));
                    let address = Address::Ue(peer);
                    self.link_bearers.open(&mut self.engine, (peer, lcid), self.t, |id| links.is_up(id));
                    let input = Input::SendPdu { address, lcid, pdu: &pdu.octets };
                    if let Err(error) = self.engine.handle_input(input) {
                        tell(Happening::Trouble(&error.to_string()));
                    }
                }
                Wish::Data(peer, sdu_type, data) => tell(Happening::LinkData { peer, sdu_type, data: &data }),
                Wish::State(peer, state) => tell(Happening::Link { peer, state: &state }),
                Wish::Meter(metered) => tell(Happening::Meter(metered)),
                Wish::Note(note) => tell(Happening::Note(&note)),
                Wish::Step(took) => {
                    tell(Happening::LinkStep { took, writes: std::mem::take(&mut writes) });
                }
                Wish::Reserve(reservation) => {
                    writes += 1;
                    let stream = reservation.stream();
                    if !self.link_streams.contains(&stream) {
                        self.link_streams.push(stream);
                    }
                    if self.jobs.begin(self.t, Job::Reserve(reservation)).is_some() {
                        links.reservation_failed(utc, stream);
                    }
                }
                Wish::Store(ticket, changes) => {
                    writes += 1;
                    if self.jobs.begin(self.t, Job::Keys(ticket, changes)).is_some() {
                        links.stored(utc, ticket, false);
                    }
                }
            }
        }
    }

    /// A transport block was received in the subframe that began last.
    pub fn receive_sl_sch(&mut self, group: Option<u8>, block: &[u8], tell: &mut Tell<'_>) {
        let group = group.map(GroupDestinationId);
        self.input(Input::SlSch { now: self.now.slot, group, block }, tell);
        self.serve_links(tell);
    }

    /// A discovery message was received whose first transmission was `since_first` subframes ago.
    pub fn receive_sl_dch(&mut self, block: &[u8], since_first: u64, tell: &mut Tell<'_>) {
        let slot = self.now.slot.minus_millis(since_first);
        self.discover(agent::Input::Message { now: AirTime { slot, ..self.now }, block }, tell);
    }

    /// An application sends.
    ///
    /// # Errors
    /// A full queue, no destination, or no counter to send under.
    pub fn send(
        &mut self,
        address: Address,
        lcid: Lcid,
        sdu_type: SduType,
        data: &[u8],
        tell: &mut Tell<'_>,
    ) -> Result<(), Refused> {
        if let (Address::Ue(peer), Some(links)) = (address, &mut self.links) {
            let result = links.send(self.now.slot, peer, sdu_type, data);
            self.serve_links(tell);
            return result;
        }
        let now = self.now.slot;
        let result = self.engine.handle_input(Input::Send { now, address, lcid, sdu_type, data });
        self.pump_engine(None, tell);
        Ok(result?)
    }

    /// Send `data` to a group by its name.
    ///
    /// # Errors
    /// Why nothing was sent.
    pub fn say(&mut self, group: &str, data: &[u8], tell: &mut Tell<'_>) -> Result<(), Refused> {
        let Some(&address) = self.names.groups.get(group) else {
            return Err(Refused::NoGroup(group.to_owned()));
        };
        if let Some(why) = self.names.receive_only.get(group) {
            return Err(Refused::ReceiveOnly(why.clone()));
        }
        self.send(address, Lcid::GROUP_DATA, SduType::NonIp, data, tell)
    }

    /// Whose data is most urgent: the address, its octet for the SCI, the octets that wait, and their priority.
    pub fn waiting(&self) -> Option<Waiting> {
        let (address, priority) = self.engine.next_address()?;
        let octets = self.engine.queued(address);
        (octets > 0).then_some(Waiting { address, octets, priority })
    }

    /// Octets that wait for an address.
    pub fn queued(&self, address: Address) -> usize {
        self.engine.queued(address)
    }

    /// Fill a transport block of `block.len()` octets for `address`; `false` when nothing waits.
    pub fn fill(&mut self, address: Address, block: &mut [u8], tell: &mut Tell<'_>) -> bool {
        let input = Input::Opportunity { address: Some(address), len: block.len() };
        if let Err(error) = self.engine.handle_input(input) {
            tell(Happening::Trouble(&error.to_string()));
        }
        self.pump_engine(Some(block), tell)
    }

    /// Messages that want a resource in a discovery period.
    pub fn messages_wanted(&mut self) -> usize {
        self.messages + self.agent.discoveree().waiting()
    }

    /// The message for a discovery resource; `None` when none is due in `period`.
    pub fn announce(&mut self, period: u64, nonce: [u64; 2], tell: &mut Tell<'_>) -> Option<[u8; 29]> {
        self.discover(agent::Input::Opportunity { now: self.now, period, nonce }, tell)
    }

    fn input(&mut self, input: Input<'_>, tell: &mut Tell<'_>) {
        if let Err(error) = self.engine.handle_input(input) {
            tell(Happening::Trouble(&error.to_string()));
        }
        self.pump_engine(None, tell);
    }

    /// Acts on the outputs of the engine, then lets discovery know the time. A transport block goes into `block`; `true`
    /// when it was filled.
    fn pump_engine(&mut self, mut block: Option<&mut [u8]>, tell: &mut Tell<'_>) -> bool {
        let mut filled = false;
        loop {
            match self.engine.poll_output() {
                Output::SlSch { block: built, .. } => {
                    if let Some(block) = block.as_deref_mut().filter(|b| b.len() == built.len()) {
                        block.copy_from_slice(built);
                        filled = true;
                    }
                }
                Output::Received(sdu) => tell(Happening::Received {
                    source: sdu.source,
                    address: sdu.address,
                    header: sdu.header,
                    assurance: sdu.assurance,
                    sdu_type: sdu.header.sdu_type(),
                    data: sdu.data,
                }),
                Output::OneToOne { source, lcid, pdu, .. } => {
                    self.for_links.push((source, lcid, pdu.to_vec()))
                }
                Output::Dropped(Drop { from, cause, .. }) => {
                    tell(Happening::Dropped { from, outcome: cause.outcome() });
                }
                Output::Reserve(reservation) => {
                    let stream = reservation.stream();
                    if self.jobs.begin(self.t, Job::Reserve(reservation)).is_some() {
                        // asked for again when there is room
                        let _ = self.engine.handle_input(Input::ReservationFailed(stream));
                    }
                }
                Output::Timeout(_) => break,
            }
        }
        self.discover(agent::Input::Tick { now: self.now }, tell);
        filled
    }

    /// Hands one event to discovery and acts on the outputs. Returns the message that is to go on the air, if any.
    fn discover(&mut self, input: agent::Input<'_>, tell: &mut Tell<'_>) -> Option<[u8; 29]> {
        let mut message = None;
        self.agent.handle_input(input);
        loop {
            match self.agent.poll_output() {
                agent::Output::Message { origin, message: built } => {
                    message = Some(built);
                    tell(Happening::Announced { name: name(&self.names.origin, &origin) });
                }
                agent::Output::Silent { origin, refusal } => {
                    let why = refusal.to_string();
                    tell(Happening::Silent { name: name(&self.names.origin, &origin), why: &why });
                }
                agent::Output::Discovered(Discovered { who, finding, report }) => {
                    tell(Happening::Discovered {
                        name: name(&self.names.who, &who),
                        outcome: finding.outcome(),
                        news: report,
                    });
                }
                agent::Output::Answered { discoverer, finding } => tell(Happening::Answered {
                    name: name(&self.names.origin, &Origin::Discoverer(discoverer)),
                    outcome: finding.outcome(),
                }),
                agent::Output::Asked => {}
                agent::Output::Dropped(dropped) => {
                    tell(Happening::Dropped { from: None, outcome: dropped.outcome() });
                }
                agent::Output::Reserve(reservation) => {
                    let stream = reservation.stream();
                    if self.jobs.begin(self.t, Job::Reserve(reservation)).is_some() {
                        // asked for again when there is room
                        self.agent.handle_input(agent::Input::ReservationFailed { now: self.now, stream });
                    }
                }
                agent::Output::Build(job) => {
                    if let Some(Job::Build(job)) = self.jobs.begin(self.t, Job::Build(job)) {
                        tell(Happening::Trouble("too many jobs: a table of codes is late"));
                        self.agent.handle_input(agent::Input::Table { now: self.now, job });
                    }
                }
                agent::Output::Unfollowable(error) => tell(Happening::Trouble(&error.to_string())),
                agent::Output::Timeout(_) => return message,
            }
        }
    }
}

/// Data that waits for a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// For whom.
    pub address: Address,
    /// How much.
    pub octets: usize,
    /// ProSe per-packet priority, 1 the highest.
    pub priority: u8,
}

impl Waiting {
    /// The group destination identity for the SCI.
    pub fn group_destination(&self) -> u8 {
        self.address.group_destination().map_or(0, |g| g.0)
    }
}

fn name<'a, K: std::hash::Hash + Eq>(names: &'a HashMap<K, String>, key: &K) -> &'a str {
    names.get(key).map_or("?", String::as_str)
}
