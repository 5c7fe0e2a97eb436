//! Drives the machines of group keys: their messages in and out of layer 2, their durable state, their PGKs.

use super::{Sink, Stack};
use crate::event::{Event, GroupReport, Tell, Warning};
use crate::group_keys::{GroupAction, GroupInput, GroupMachine, GroupMessage, GroupOutput, Unread, copy};
use crate::jobs::{Job, JobResult, Jobs, Owner};
use crate::links::LinkChange;
use crate::refused::Refused;
use sidelink_mac::engine::{self, Bearer};
use sidelink_mac::mux::Address;
use sidelink_mac::pdcp::Protection;
use sidelink_prose::direct_link::{self, Identity};
use sidelink_prose::group_keys::{Destination, Messages};
use sidelink_prose::long_message::Way;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{ReserveConfig, StreamId};
use sidelink_security::group::{GroupConfig, GroupKey, Receiver, ReceiverConfig, Sender};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::long_message::Content;
use sidelink_wire::pdcp::{HEADER_LEN, MAC_I_LEN};

impl<J: Jobs> Stack<J> {
    /// Adds a machine of group keys. Layer 2 must hand over unopened PDUs for this UE and signalling to groups
    /// ([`engine::Config::one_to_one`], [`engine::Config::group_signalling`]), and listen to both.
    #[must_use]
    pub fn with_group_machine(mut self, machine: Box<dyn GroupMachine>) -> Self {
        self.add_group_machine(machine);
        self
    }

    /// Adds a machine of group keys to a stack that is complete, as [`Self::with_group_machine`] does.
    pub fn add_group_machine(&mut self, machine: Box<dyn GroupMachine>) {
        self.group_keys.machines.push(machine);
    }

    /// Takes other keys of identities for the groups by identities.
    pub fn set_group_messages(&mut self, messages: Box<dyn Messages>) {
        let by_identities = |machine: &&mut Box<dyn GroupMachine>| machine.content() == Some(Content::Mikey);
        if let Some(machine) = self.group_keys.machines.iter_mut().find(by_identities) {
            machine.set_messages(messages);
        }
    }

    /// Sets the way in which the messages of these machines are sent.
    #[must_use]
    pub fn with_long_messages(mut self, way: Way) -> Self {
        self.group_keys.set_way(way);
        self
    }

    /// Makes a request of a group `after` this many subframes.
    pub fn plan_for_group(&mut self, after: u64, group: Layer2Id, action: GroupAction) {
        self.group_keys.plans.push((after, group, action));
    }

    /// Makes a request of a group, by its name.
    ///
    /// # Errors
    /// There is no such group.
    pub fn act_on_group(
        &mut self,
        group: &str,
        action: &GroupAction,
        tell: &mut Tell<'_>,
    ) -> Result<(), Refused> {
        let Some(Address::Group(id)) = self.names.groups.get(group).copied() else {
            return Err(Refused::NoGroup(group.to_owned()));
        };
        self.group_keys.act(self.now.slot, id, action);
        self.drain(&mut Sink::events(tell));
        Ok(())
    }

    /// Hands the result of a job to whoever asked.
    pub(super) fn finish_group_job(&mut self, result: JobResult) {
        let now = self.now.slot;
        match result {
            JobResult::Counter(stream, stored) => self.may_send(stream, stored),
            JobResult::Failed(stream, _) => self.not_reserved(stream),
            JobResult::Granted(granted) => {
                if let Some(machine) = self.reserving(granted.stream()) {
                    self.group_keys.handle_input(machine, GroupInput::Granted { now, granted });
                }
            }
            JobResult::GroupStored { machine, ticket } => {
                self.group_keys.handle_input(machine, GroupInput::Stored { now, ticket });
            }
            JobResult::GroupFailed { machine, ticket, .. } => {
                self.group_keys.handle_input(machine, GroupInput::StoreFailed { now, ticket });
            }
            JobResult::Sealed { machine, job } => {
                self.group_keys.handle_input(machine, GroupInput::Sealed { now, job });
            }
            JobResult::Table(_) | JobResult::KeysStored(_) | JobResult::KeysFailed(..) => {}
        }
    }

    /// Takes the machine whose reservation of a stream is pending.
    fn reserving(&mut self, stream: StreamId) -> Option<usize> {
        let reserving = &mut self.group_keys.reserving;
        let at = reserving.iter().position(|(known, _)| *known == stream)?;
        Some(reserving.swap_remove(at).1)
    }

    /// Counters cannot be reserved or read. Nothing is sent under a PGK whose counters cannot be read.
    fn not_reserved(&mut self, stream: StreamId) {
        self.group_keys.unread.retain(|known| known.stream != stream);
        if let Some(machine) = self.reserving(stream) {
            let now = self.now.slot;
            self.group_keys.handle_input(machine, GroupInput::ReservationFailed { now, stream });
        }
    }

    /// Acts on all outputs of the machines. Returns their next time-out.
    pub(super) fn drain_groups(&mut self, sink: &mut Sink<'_, '_>) -> Option<UtcTime> {
        let (mut due, mut quiet): (Option<UtcTime>, bool) = (None, true);
        for machine in 0..self.group_keys.machines.len() {
            loop {
                match self.group_keys.poll_output(machine) {
                    GroupOutput::Timeout(at) => {
                        due = due.into_iter().chain(at).min();
                        break;
                    }
                    GroupOutput::Message(message) => self.send_group_message(machine, &message, sink),
                    GroupOutput::Store { ticket, write } => {
                        self.writes += 1;
                        let job = Job::Group { machine, ticket, write };
                        if self.jobs.begin(self.t, Owner::GroupKeys, job).is_some() {
                            let now = self.now.slot;
                            self.group_keys.handle_input(machine, GroupInput::StoreFailed { now, ticket });
                        }
                    }
                    GroupOutput::Reserve(reservation) => {
                        self.writes += 1;
                        let stream = reservation.stream();
                        self.group_keys.reserving.push((stream, machine));
                        if self.jobs.begin(self.t, Owner::GroupKeys, Job::Reserve(reservation)).is_some() {
                            self.not_reserved(stream);
                        }
                    }
                    GroupOutput::Seal(job) => {
                        let refused = self.jobs.begin(self.t, Owner::GroupKeys, Job::Seal { machine, job });
                        if let Some(Job::Seal { job, .. }) = refused {
                            let now = self.now.slot;
                            self.group_keys.handle_input(machine, GroupInput::Sealed { now, job });
                        }
                    }
                    GroupOutput::Install { group, key, may_send, config } => {
                        if let Some(config) = config {
                            self.agree(group, config);
                        }
                        self.install(group, key, may_send, sink);
                    }
                    GroupOutput::LinkKey(record) => {
                        if let Some(links) = &mut self.links {
                            links.add_kd(*record);
                        }
                    }
                    GroupOutput::Remove { group, pgk_id } => self.remove_pgk(group, pgk_id),
                    GroupOutput::Connect { peer, identity } => self.connect_for_group(peer, identity, sink),
                    GroupOutput::Open { name, config } => self.open_group(name, config, sink),
                    GroupOutput::Close(group) => self.close_group(group),
                    GroupOutput::Event(event) => (sink.tell)(Event::GroupKeys(GroupReport::Event(&event))),
                    GroupOutput::Refused(error) => (sink.tell)(Event::Warning(&Warning::Group(error))),
                }
                quiet = false;
            }
        }
        if !quiet {
            let (took, writes) = (self.group_keys.take_spent(), std::mem::take(&mut self.writes));
            (sink.tell)(Event::GroupKeys(GroupReport::Step { took, writes }));
        }
        due
    }

    /// Hands the PDUs of a message to RLC, or the message to a link.
    fn send_group_message(&mut self, machine: usize, message: &GroupMessage, sink: &mut Sink<'_, '_>) {
        let lcid = Lcid::PC5_S_UNPROTECTED;
        let address = match message.to {
            Destination::Ue(peer) => Address::Ue(peer),
            Destination::Group(group) => Address::Group(group),
            Destination::Link(peer) => return self.send_over_link(machine, peer, message, sink),
        };
        let pdus = match self.group_keys.pdus(machine, address, &message.octets) {
            Ok(pdus) => pdus,
            Err(error) => return (sink.tell)(Event::Warning(&Warning::LongMessage(error))),
        };
        let octets = pdus.iter().map(Vec::len).sum();
        (sink.tell)(Event::GroupKeys(GroupReport::Sent { message, pdus: pdus.len(), octets }));
        if let Address::Ue(peer) = address {
            let links = &self.links;
            let has_link = |id| links.as_ref().is_some_and(|links| links.is_up(id));
            self.link_bearers.open(&mut self.engine, (peer, lcid), self.t, has_link);
        }
        for pdu in &pdus {
            self.layer2(engine::Input::SendPdu { address, lcid, pdu }, sink);
        }
    }

    /// Hands the parts of a message to the link with `peer`, which protects them; they go over it or not at all.
    fn send_over_link(
        &mut self,
        machine: usize,
        peer: Layer2Id,
        message: &GroupMessage,
        sink: &mut Sink<'_, '_>,
    ) {
        let now = self.now.slot;
        let Some(link) = self.links.as_ref().and_then(|links| links.link_with(peer)) else {
            return (sink.tell)(Event::Warning(&Warning::NoLinkForGroup(peer)));
        };
        let parts = match self.group_keys.over_link(machine, &message.octets) {
            Ok(parts) => parts,
            Err(error) => return (sink.tell)(Event::Warning(&Warning::LongMessage(error))),
        };
        let octets = parts.iter().map(|part| HEADER_LEN + part.len() + MAC_I_LEN).sum();
        (sink.tell)(Event::GroupKeys(GroupReport::Sent { message, pdus: parts.len(), octets }));
        for message in &parts {
            self.link(Some(direct_link::Input::SendUpper { now, link, message }), sink);
        }
        self.has_link_input = true;
    }

    /// Sets up a link that a machine asks for, or tells the machine of the one that is there.
    fn connect_for_group(&mut self, peer: Layer2Id, identity: Identity, sink: &mut Sink<'_, '_>) {
        let now = self.now.slot;
        let error = match &mut self.links {
            None => Warning::NoLinkForGroup(peer),
            Some(links) => match links.connect(now, peer, identity) {
                Ok(()) => {
                    self.has_link_input = true;
                    return;
                }
                Err(error) => Warning::Link(error),
            },
        };
        (sink.tell)(Event::Warning(&error));
        self.group_keys.link(now, &LinkChange::Down { peer });
    }

    /// Opens a group that a machine has learnt of. One that is configured stays as it is.
    fn open_group(&mut self, name: String, config: GroupConfig, sink: &mut Sink<'_, '_>) {
        let group = Layer2Id::from_octets(config.group_id);
        if self.engine.group(group).is_some() {
            return;
        }
        let (address, member) = (Address::Group(group), self.engine.source().octets());
        self.engine.add_group(Receiver::new(ReceiverConfig::new(config)));
        self.engine.listen(address);
        self.engine.add_destination(address, Protection::Group(Sender::new(config, member)));
        let signalling = Bearer { priority: 1, ..Bearer::new(address, Lcid::PC5_S_UNPROTECTED) };
        for bearer in [signalling, Bearer::new(address, Lcid::GROUP_DATA)] {
            if let Err(error) = self.engine.add_bearer(bearer) {
                (sink.tell)(Event::Warning(&Warning::Engine(error)));
            }
        }
        // A group that is called like another one is not reached by its name.
        let is_free = !self.names.groups.contains_key(&name);
        if is_free {
            self.names.groups.insert(name.clone(), address);
        }
        self.group_keys.opened.push((group, is_free.then_some(name)));
    }

    /// Closes a group that a machine had opened.
    fn close_group(&mut self, group: Layer2Id) {
        let Some(at) = self.group_keys.opened.iter().position(|(known, _)| *known == group) else { return };
        let (_, name) = self.group_keys.opened.swap_remove(at);
        self.engine.remove_group(group);
        if let Some(name) = name {
            self.names.groups.remove(&name);
        }
        self.group_keys.unread.retain(|known| known.group != group);
    }

    /// Takes other algorithms for a group, whose keys of before are gone then.
    fn agree(&mut self, group: Layer2Id, config: GroupConfig) {
        let known = self.engine.group(group).map(|receiver| receiver.config().group);
        if known != Some(config) {
            let source = self.engine.source().octets();
            self.engine.add_group(Receiver::new(ReceiverConfig::new(config)));
            let sender = Sender::new(config, source);
            self.engine.add_destination(Address::Group(group), Protection::Group(sender));
        }
    }

    /// Opens under a PGK from now on; sends under it once the store said which counters were used.
    fn install(&mut self, group: Layer2Id, key: GroupKey, may_send: bool, sink: &mut Sink<'_, '_>) {
        let Some(receiver) = self.engine.group(group) else { return };
        if let Err(key) = receiver.install(copy(&key)) {
            (sink.tell)(Event::Warning(&Warning::PgkIndexTaken { group, pgk_id: key.pgk_id }));
            return;
        }
        if !may_send {
            return;
        }
        let sender = self.engine.destination(Address::Group(group)).and_then(|to| to.group());
        let Some(stream) = sender.map(|sender| sender.stream(&key)) else { return };
        if self.jobs.begin(self.t, Owner::GroupKeys, Job::ReadCounter(stream)).is_none() {
            self.group_keys.unread.push(Unread { stream, group, key });
        }
    }

    /// Sends under the PGK of a stream from now on, from the counter that is in the store.
    fn may_send(&mut self, stream: StreamId, stored: u64) {
        let unread = &mut self.group_keys.unread;
        let Some(at) = unread.iter().position(|known| known.stream == stream) else { return };
        let Unread { group, key, .. } = unread.remove(at);
        let to = Address::Group(group);
        if let Some(sender) = self.engine.destination(to).and_then(|to| to.group()) {
            // The receiver has refused an index that is in use before.
            let _ = sender.add(key, ReserveConfig::default(), stored);
        }
    }

    fn remove_pgk(&mut self, group: Layer2Id, pgk_id: u8) {
        if let Some(receiver) = self.engine.group(group) {
            receiver.remove(pgk_id);
        }
        if let Some(sender) = self.engine.destination(Address::Group(group)).and_then(|to| to.group()) {
            sender.remove(pgk_id);
        }
        self.group_keys.unread.retain(|known| known.group != group || known.key.pgk_id != pgk_id);
    }
}
