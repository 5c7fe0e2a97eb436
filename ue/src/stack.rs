//! Layer 2, discovery and links of one UE, with their jobs: the only place that acts on the outputs of the engines.
//!
//! Every input of an engine is followed by [`Stack::drain`], which empties all of them: a PDU for a link goes to the
//! links at once, a PDU of a link to layer 2 at once; so do messages of group keys. No PDU is queued between the engines.

use super::BuildError;
use super::event::{Event, Tell, Warning};
use super::group_keys::{GroupKeys, Heard};
use super::jobs::{Job, JobResult, Jobs, Owner, TableTimes, Threaded};
use super::link_bearers::LinkBearers;
use super::links::Links;
use super::provision::{GroupNews, IdentityNews, RenewTerms};
use super::refused::Refused;
use super::relays::Relays;
use super::u2u::Paths;
use crate::provision::FollowedList;
use sidelink_mac::engine::{self, Engine};
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link;
use sidelink_prose::discovery::agent::{self, Agent, Origin};
use sidelink_prose::discovery::{AirTime, Announcing, FrameTime, Subject};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::Message;
use sidelink_security::outcome::Counters;
use sidelink_store::Discovery;
use sidelink_wire::ids::{GroupDestinationId, Lcid};
use sidelink_wire::pdcp::SduType;
use std::borrow::Cow;
use std::collections::HashMap;

/// Names for reports.
#[derive(Debug, Default)]
pub struct Names {
    /// Names of the followed identities.
    pub who: HashMap<Subject, String>,
    /// Lists of followed identities.
    pub listed: Vec<FollowedList>,
    /// Names of the announcers, the discoverers and the discoveree.
    pub origin: HashMap<Origin, String>,
    /// Groups to which the UE can send, and links.
    pub groups: HashMap<String, Address>,
    /// Groups to which the UE cannot send, and the reasons.
    pub receive_only: HashMap<String, BuildError>,
}

mod chains;
mod group_keys;
mod links;
mod relays;
mod u2u;

/// Octets that a link adds to data, at most: a header of PDCP and a MAC-I.
const LINK_HEADERS: usize = 16;

/// Layer 2, discovery and links of one UE.
pub struct Stack<J = Threaded> {
    engine: Engine,
    agent: Agent,
    links: Option<Links>,
    u2u: Option<Paths>,
    link_bearers: LinkBearers,
    group_keys: GroupKeys,
    relays: Option<Relays>,
    /// Whether a machine of group keys gave the links an input whose outputs are not handled yet.
    has_link_input: bool,
    jobs: J,
    names: Names,
    /// The subframe that began last.
    t: u64,
    now: AirTime,
    /// The earliest time at which layer 2, discovery or the links want to act.
    due: Option<UtcTime>,
    /// Number of announcers and discoverers: each sends a message in every discovery period.
    messages: usize,
    /// Whether entries are announced that applications ask for.
    announcing: HashMap<String, Announcing>,
    /// Durable writes of the links since their last step.
    writes: u64,
}

/// Destination of the outputs while the engines are drained.
struct Sink<'s, 't> {
    /// Room for a transport block, if one was requested.
    block: Option<&'s mut [u8]>,
    filled: bool,
    message: Option<Message>,
    tell: &'s mut Tell<'t>,
}

impl<'s, 't> Sink<'s, 't> {
    fn events(tell: &'s mut Tell<'t>) -> Self {
        Self { block: None, filled: false, message: None, tell }
    }
}

impl<J: Jobs> Stack<J> {
    /// Makes a stack from an engine and an agent that have their keys.
    pub fn new((engine, agent): (Engine, Agent), names: Names, jobs: J) -> Self {
        Self {
            messages: names.messages(),
            engine,
            agent,
            links: None,
            u2u: None,
            link_bearers: LinkBearers::default(),
            group_keys: GroupKeys::default(),
            relays: None,
            has_link_input: false,
            jobs,
            names,
            t: 0,
            now: AirTime::at(UtcTime::from_millis(0)),
            due: Some(UtcTime::from_millis(0)),
            writes: 0,
            announcing: HashMap::new(),
        }
    }

    /// Adds links. The engine must hand over unopened PDUs for this UE ([`engine::Config::one_to_one`]).
    #[must_use]
    pub fn with_links(mut self, links: Links) -> Self {
        for (name, peer) in links.peers() {
            self.names.groups.insert(format!("link:{name}"), Address::Ue(peer));
        }
        self.links = Some(links);
        self
    }

    /// Returns the links, if there are any: to give them credentials, and to act on them.
    pub fn links(&mut self) -> Option<&mut Links> {
        self.links.as_mut()
    }

    /// Returns discovery, to change what it follows and announces.
    pub fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// Replaces the discovery entries called `old` by `new`, as [`RenewTerms::renew_discovery`] does.
    ///
    /// # Errors
    /// An inconsistent entry.
    pub fn renew_discovery(
        &mut self,
        terms: &RenewTerms,
        old: &[String],
        new: &[Discovery],
    ) -> Result<(), BuildError> {
        terms.open_discovery_group(&mut self.engine, new)?;
        let result = terms.renew_discovery(&mut self.agent, &mut self.names, old, new);
        self.apply_announcing();
        result
    }

    /// Announces the entries of this name, or does not, from now on: those that are renewed too.
    pub fn set_announcing(&mut self, name: &str, announcing: Announcing) {
        self.announcing.insert(name.to_owned(), announcing);
        self.apply_announcing();
    }

    fn apply_announcing(&mut self) {
        for (origin, name) in &self.names.origin {
            if let (Origin::Announcer(place), Some(announcing)) = (origin, self.announcing.get(name))
                && let Some(announcer) = self.agent.announcer(*place)
            {
                announcer.set_announcing(*announcing);
            }
        }
        self.messages = self.names.messages() - self.agent.silenced();
    }

    /// Adds the PGKs of a group, as [`RenewTerms::renew_group`] does.
    ///
    /// # Errors
    /// An inconsistent group.
    pub fn renew_group(&mut self, terms: &RenewTerms, news: &GroupNews) -> Result<(), BuildError> {
        terms.renew_group(&mut self.engine, &mut self.names, news)
    }

    /// Takes other keys of this UE's identities: links that are up and GMKs that are here go on.
    pub fn renew_identities(&mut self, news: IdentityNews) {
        let IdentityNews { links, groups } = news;
        if let (Some(own), Some((keys, rules))) = (&mut self.links, links) {
            own.establish_by_identity(keys, rules);
        }
        if let Some(messages) = groups {
            self.set_group_messages(messages);
        }
    }

    /// Returns layer 2, to change its destinations and bearers.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Returns the counters of outcomes of everything that was received.
    pub fn counters(&self) -> Counters {
        let counters = *self.engine.counters() + *self.agent.counters();
        self.relays.as_ref().map_or(counters, |relays| counters + *relays.counters())
    }

    /// Returns the number of subframes in which a job was late.
    pub fn late_errands(&self) -> u64 {
        self.jobs.late()
    }

    /// Returns how long tables of codes took to build.
    pub fn table_times(&self) -> TableTimes {
        self.jobs.table_times()
    }

    /// Begins subframe `t` at `utc`. The ProSe clock shows the same time, and DFN is that of the count of subframes.
    pub fn begin(&mut self, t: u64, utc: UtcTime, tell: &mut Tell<'_>) {
        self.begin_in(t, utc, FrameTime::of_count((t % u64::from(FrameTime::TURN)) as u16), tell);
    }

    /// Begins subframe `t`, which has another DFN than the count of subframes.
    pub fn begin_in(&mut self, t: u64, utc: UtcTime, frame: FrameTime, tell: &mut Tell<'_>) {
        self.t = t;
        self.now = AirTime { slot: utc, prose_clock: UtcCounter::new(utc.counter().value()), frame };
        let sink = &mut Sink::events(tell);
        self.finish_jobs(sink);
        if self.due.is_some_and(|due| due <= utc) {
            self.layer2(engine::Input::Tick { now: utc }, sink);
            self.agent.handle_input(agent::Input::Tick { now: self.now });
            self.link(Some(direct_link::Input::Tick { now: utc }), sink);
            self.tick_u2u(utc, sink);
            self.group_keys.tick(utc);
            self.tick_relays(utc);
        }
        self.group_keys.begin(t, utc);
        if let Some(links) = &mut self.links {
            links.begin(t, utc, &mut |error| (sink.tell)(Event::Warning(&Warning::Link(error))));
        }
        self.begin_u2u(t, utc, sink);
        if t.is_multiple_of(100) {
            let links = &self.links;
            let is_up = |id| links.as_ref().is_some_and(|links| links.is_up(id));
            self.link_bearers.close_unused(&mut self.engine, t, is_up);
        }
        self.drain(sink);
    }

    /// Hands the results of jobs to their owners.
    fn finish_jobs(&mut self, sink: &mut Sink<'_, '_>) {
        while let Some((owner, result)) = self.jobs.take(self.t) {
            let now = self.now;
            let warning = match &result {
                JobResult::Failed(stream, why) => Some(Warning::Counters(*stream, why.clone())),
                JobResult::KeysFailed(_, why) => Some(Warning::Keys(why.clone())),
                JobResult::GroupFailed { why, .. } => Some(Warning::GroupKeys(why.clone())),
                _ => None,
            };
            if let Some(warning) = warning {
                (sink.tell)(Event::Warning(&warning));
            }
            match (owner, result) {
                (_, JobResult::Table(job)) => self.agent.handle_input(agent::Input::Table { now, job }),
                (Owner::Engine, JobResult::Granted(granted)) => {
                    self.layer2(engine::Input::Granted(granted), sink);
                }
                (Owner::Engine, JobResult::Failed(stream, _)) => {
                    self.layer2(engine::Input::ReservationFailed(stream), sink);
                }
                (Owner::Agent, JobResult::Granted(granted)) => {
                    self.agent.handle_input(agent::Input::Granted { now, granted });
                }
                (Owner::Agent, JobResult::Failed(stream, _)) => {
                    self.agent.handle_input(agent::Input::ReservationFailed { now, stream });
                }
                (Owner::Links, result) => self.link(links::link_input(now.slot, result), sink),
                (Owner::EndToEnd, result) => self.finish_end_job(result, sink),
                (Owner::GroupKeys, result) => self.finish_group_job(result),
                // Neither asks for keys of links or groups.
                (Owner::Engine | Owner::Agent, _) => {}
            }
            self.drain(sink);
        }
    }

    /// Takes a transport block that was received in the current subframe.
    pub fn receive_sl_sch(&mut self, group: Option<u8>, block: &[u8], tell: &mut Tell<'_>) {
        let (now, group) = (self.now.slot, group.map(GroupDestinationId));
        let sink = &mut Sink::events(tell);
        self.layer2(engine::Input::SlSch { now, group, block }, sink);
        self.drain(sink);
    }

    /// Takes a discovery message whose first transmission was `since_first` subframes ago. `power` is that of a resource element of
    /// its reference signals, in the receiver's scale, where it was measured.
    pub fn receive_sl_dch(
        &mut self,
        block: &[u8],
        since_first: u64,
        power: Option<f32>,
        tell: &mut Tell<'_>,
    ) {
        let now = self.now.before(since_first);
        if !self.is_for_relays(&now, block, power, tell) {
            self.agent.handle_input(agent::Input::Message { now, block });
        }
        self.drain(&mut Sink::events(tell));
    }

    /// Sends an SDU of an application.
    ///
    /// # Errors
    /// The queue is full, the destination is unknown, or no counter is available.
    pub fn send(
        &mut self,
        address: Address,
        lcid: Lcid,
        sdu_type: SduType,
        data: &[u8],
        tell: &mut Tell<'_>,
    ) -> Result<(), Refused> {
        let far = match address {
            Address::Ue(peer) => self.send_far(peer, sdu_type, data),
            Address::Group(_) | Address::V2x(_) => None,
        };
        let result = match (far, address, &mut self.links) {
            (Some(result), ..) => result,
            (None, Address::Ue(peer), Some(links)) => {
                // Applications that know no links name the channel of groups.
                let lcid = if lcid == Lcid::GROUP_DATA { Lcid::LINK_DATA } else { lcid };
                if links.is_up(peer) {
                    let has_link = |id| links.is_up(id);
                    self.link_bearers.open(&mut self.engine, (peer, lcid), self.t, has_link);
                    // Checked first: no COUNT is spent on an SDU that cannot be queued.
                    self.engine.check_room(address, lcid, data.len() + LINK_HEADERS)?;
                }
                links.send((peer, lcid), sdu_type, data)
            }
            _ => {
                let now = self.now.slot;
                let input = engine::Input::Send { now, address, lcid, sdu_type, data };
                self.engine.handle_input(input).map_err(Refused::from)
            }
        };
        self.drain(&mut Sink::events(tell));
        result
    }

    /// Sends `data` to a group, or over a link, by its name.
    ///
    /// # Errors
    /// The reason why nothing was sent.
    pub fn say(&mut self, group: &str, data: &[u8], tell: &mut Tell<'_>) -> Result<(), Refused> {
        let Some(&address) = self.names.groups.get(group) else {
            return Err(Refused::NoGroup(group.to_owned()));
        };
        if let Some(why) = self.names.receive_only.get(group) {
            return Err(Refused::ReceiveOnly(why.clone()));
        }
        self.send(address, Lcid::GROUP_DATA, SduType::NonIp, data, tell)
    }

    /// Returns the address, the amount and the priority of the most urgent data; `None` when no data is queued.
    pub fn waiting(&self) -> Option<Waiting> {
        let (address, priority) = self.engine.next_address()?;
        let octets = self.engine.queued(address);
        (octets > 0).then_some(Waiting { address, octets, priority })
    }

    /// Returns the number of octets that are queued for an address.
    pub fn queued(&self, address: Address) -> usize {
        self.engine.queued(address)
    }

    /// Fills a transport block of `block.len()` octets for `address`; `false` when nothing is queued.
    pub fn fill(&mut self, address: Address, block: &mut [u8], tell: &mut Tell<'_>) -> bool {
        let len = block.len();
        let mut sink = Sink { block: Some(block), ..Sink::events(tell) };
        self.layer2(engine::Input::Opportunity { address: Some(address), len }, &mut sink);
        self.drain(&mut sink);
        sink.filled
    }

    /// Returns the number of messages that need a resource in the next discovery period.
    pub fn messages_wanted(&mut self) -> usize {
        let of_relays = self.relays.as_ref().map_or(0, Relays::wanted);
        self.messages + self.agent.discoveree().waiting() + of_relays
    }

    /// Returns the message for a discovery resource; `None` when none is due in `period`.
    pub fn announce(&mut self, period: u64, nonce: [u64; 2], tell: &mut Tell<'_>) -> Option<Message> {
        if let Some(message) = self.message_of_relays(period, tell) {
            return Some(message);
        }
        let mut sink = Sink::events(tell);
        self.agent.handle_input(agent::Input::Opportunity { now: self.now, period, nonce });
        self.drain(&mut sink);
        sink.message
    }

    /// Hands one input to layer 2.
    fn layer2(&mut self, input: engine::Input<'_>, sink: &mut Sink<'_, '_>) {
        if let Err(error) = self.engine.handle_input(input) {
            (sink.tell)(Event::Warning(&Warning::Engine(error)));
        }
    }

    /// Hands one input to the links.
    fn link(&mut self, input: Option<direct_link::Input<'_>>, sink: &mut Sink<'_, '_>) {
        if let (Some(links), Some(input)) = (&mut self.links, input)
            && let Err(error) = links.handle_input(input)
        {
            (sink.tell)(Event::Warning(&Warning::Link(error)));
        }
    }

    /// Acts on all outputs of the engines.
    fn drain(&mut self, sink: &mut Sink<'_, '_>) {
        self.drain_engine(sink);
        let agent = self.drain_agent(sink);
        // Discovery may have sent an announcement.
        let engine = self.drain_engine(sink);
        let due = loop {
            self.has_link_input = false;
            let due = [
                self.drain_links(sink),
                self.drain_u2u(sink),
                self.drain_groups(sink),
                self.drain_relays(sink),
            ];
            // Machines of group keys, of relays and of paths through relays act on links, and links on them.
            if !self.has_link_input {
                break due;
            }
        };
        self.due = due.into_iter().chain([engine, agent]).flatten().min();
    }

    /// Acts on all outputs of layer 2. Returns its next time-out.
    fn drain_engine(&mut self, sink: &mut Sink<'_, '_>) -> Option<UtcTime> {
        loop {
            match self.engine.poll_output() {
                engine::Output::SlSch { block: built, .. } => {
                    if let Some(block) = sink.block.as_deref_mut().filter(|b| b.len() == built.len()) {
                        block.copy_from_slice(built);
                        sink.filled = true;
                    }
                    continue;
                }
                engine::Output::OneToOne { source, address, lcid, pdu } => {
                    let now = self.now.slot;
                    let is_open = lcid == Lcid::PC5_S_UNPROTECTED;
                    let u2u = self.u2u.as_mut();
                    if u2u.is_some_and(|u2u| u2u.hear_adapted(source, lcid, pdu)) {
                        self.drain_u2u(sink);
                    } else if is_open
                        && self.group_keys.hear(now, source, address, pdu) != Heard::NotForGroups
                    {
                        self.drain_groups(sink);
                    } else if let Some(links) = &mut self.links
                        && let Err(error) =
                            links.handle_input(direct_link::Input::Pdu { now, source, lcid, pdu })
                    {
                        (sink.tell)(Event::Warning(&Warning::Link(error)));
                    }
                }
                engine::Output::GroupSignalling { source, address, pdu } => {
                    self.group_keys.hear(self.now.slot, source, address, pdu);
                    self.drain_groups(sink);
                }
                engine::Output::Event(event) => {
                    (sink.tell)(Event::Mac(event));
                    if let Some(octets) = chains::announcement(&event) {
                        self.agent.handle_input(agent::Input::Announcement { now: self.now, octets });
                    }
                    continue;
                }
                engine::Output::Reserve(reservation) => {
                    let stream = reservation.stream();
                    if self.jobs.begin(self.t, Owner::Engine, Job::Reserve(reservation)).is_some() {
                        // Requested again when there is room.
                        let _ = self.engine.handle_input(engine::Input::ReservationFailed(stream));
                    }
                    continue;
                }
                engine::Output::Timeout(at) => return at,
            }
            // The answers of the links to one PDU are handled before the next PDU.
            self.drain_links(sink);
        }
    }

    /// Acts on all outputs of discovery. Returns its next time-out.
    fn drain_agent(&mut self, sink: &mut Sink<'_, '_>) -> Option<UtcTime> {
        let now = self.now;
        loop {
            match self.agent.poll_output() {
                agent::Output::Message { message, .. } => sink.message = Some(message),
                agent::Output::Announcement { octets, .. } => self.send_announcement(&octets, sink),
                agent::Output::Event(event) => {
                    let name = self.names.of(&event);
                    (sink.tell)(Event::Discovery { name: &name, event: &event });
                }
                agent::Output::Reserve(reservation) => {
                    let stream = reservation.stream();
                    if self.jobs.begin(self.t, Owner::Agent, Job::Reserve(reservation)).is_some() {
                        // Requested again when there is room.
                        self.agent.handle_input(agent::Input::ReservationFailed { now, stream });
                    }
                }
                agent::Output::Build(job) => {
                    if let Some(Job::Build(job)) = self.jobs.begin(self.t, Owner::Agent, Job::Build(job)) {
                        (sink.tell)(Event::Warning(&Warning::LateTable));
                        self.agent.handle_input(agent::Input::Table { now, job });
                    }
                }
                agent::Output::Timeout(at) => return at,
            }
        }
    }
}

impl Names {
    /// Returns the number of messages that announcers and discoverers send in every discovery period.
    fn messages(&self) -> usize {
        let sends = |origin: &&Origin| !matches!(origin, Origin::Discoveree(_) | Origin::Clock);
        self.origin.keys().filter(sends).count()
    }

    /// Returns the name of an event's announcer, query or followed identity.
    fn of(&self, event: &agent::Event) -> Cow<'_, str> {
        let origin = |origin: &Origin| self.origin.get(origin);
        let name = match event {
            agent::Event::Announced(from) | agent::Event::Silent { origin: from, .. } => origin(from),
            agent::Event::Fragment(partial) => self.who.get(&partial.who),
            agent::Event::KeyWanted(_) => None,
            agent::Event::Matched(who) => self.who.get(who),
            agent::Event::Discovered(discovered) => {
                if let Some(name) = self.listed.iter().find_map(|list| list.name(discovered.who)) {
                    return Cow::Owned(name);
                }
                self.who.get(&discovered.who)
            }
            agent::Event::Answered { discoverer, .. } => origin(&Origin::Discoverer(*discoverer)),
            agent::Event::Asked | agent::Event::Dropped(_) | agent::Event::Unfollowable(_) => None,
        };
        Cow::Borrowed(name.map_or("?", String::as_str))
    }
}

/// Data that is queued for a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Destination of the data.
    pub address: Address,
    /// Queued octets.
    pub octets: usize,
    /// ProSe per-packet priority, 1 the highest.
    pub priority: u8,
}

impl Waiting {
    /// Returns the group destination ID for the SCI.
    pub fn group_destination(&self) -> u8 {
        self.address.group_destination().map_or(0, |g| g.0)
    }
}
