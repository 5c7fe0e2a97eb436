//! The machine: state, inputs to their handlers, outputs in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_security::group::GroupKey;
use sidelink_security::keys::Pgk;
use sidelink_wire::group_keys as wire;
use sidelink_wire::ids::Layer2Id;
use zeroize::Zeroizing;

use super::Identity;
use super::call::Announcing;
use super::config::{Callers, Config};
use super::distribution::Distribution;
use super::io::{Call, Destination, Error, Event, Input, LocalIdentity, Message, MessageKind, Output, Path};
use super::keyring::Keyring;
use super::note::Refusal;
use super::ports::{Kind, Messages};
use super::record::{CallRecord, Change, CsbId, GmkId, GroupKind, Kept, Stream, Ticket};
use crate::direct_link::Budget;

/// Queued outputs above which events are dropped.
const WAITING: usize = 4096;

/// What is done when changes are durable.
#[derive(Debug)]
pub(super) enum Then {
    /// Nothing more.
    Nothing,
    /// A GMK came: say so, and acknowledge it.
    Received { group: Layer2Id, gmk_id: GmkId, to: Destination },
    /// A GMK was made: distribute it.
    Distribute { group: Layer2Id, gmk_id: GmkId },
    /// A call was made: announce it, at once or with the command that starts it.
    Announce { announcing: Box<Announcing>, prepared: bool },
    /// The announcement was made anew.
    Refresh { group: Layer2Id, octets: Vec<u8>, time: UtcTime },
    /// A call was joined.
    Join { group: Layer2Id, csb_id: CsbId, known: bool },
}

/// Changes on their way into the store.
#[derive(Debug)]
pub(super) struct Pending {
    changes: Vec<Change>,
    then: Then,
    /// The group, and the times that are raised.
    pub(super) group: Layer2Id,
    pub(super) streams: Vec<(Stream, Identity)>,
}

/// The group keys of a UE.
#[derive(Debug)]
pub struct GroupKeys {
    pub(super) config: Config,
    pub(super) messages: Arc<dyn Messages>,
    pub(super) rng: Entropy,
    pub(super) now: UtcTime,
    pub(super) keyring: Keyring,
    pub(super) pending: BTreeMap<Ticket, Pending>,
    pub(super) distributions: Vec<Distribution>,
    /// Calls of this UE.
    pub(super) announcing: Vec<Announcing>,
    /// When each call was heard last.
    pub(super) heard: BTreeMap<(Layer2Id, CsbId), UtcTime>,
    /// Protected links that are up, by peer.
    pub(super) links: BTreeMap<Layer2Id, Identity>,
    pub(super) outbox: VecDeque<Output>,
    judged: Budget,
    next_ticket: u64,
}

impl GroupKeys {
    /// Opens the group keys with what is kept. `seed` is secret and random. Calls in progress are installed again, and
    /// GMKs that this UE distributes are distributed to the end: poll the outputs first.
    pub fn open(
        config: Config,
        messages: Box<dyn Messages>,
        seed: &[u8; 32],
        kept: Kept,
        now: UtcTime,
    ) -> Self {
        let mut machine = Self {
            config,
            messages: messages.into(),
            rng: Entropy::new(seed),
            now,
            keyring: Keyring::new(kept),
            pending: BTreeMap::new(),
            distributions: Vec::new(),
            announcing: Vec::new(),
            heard: BTreeMap::new(),
            links: BTreeMap::new(),
            outbox: VecDeque::new(),
            judged: Budget::default(),
            next_ticket: 0,
        };
        machine.end_what_is_over();
        let calls: Vec<_> = machine.keyring.calls.iter().map(|call| (call.group, call.csb_id)).collect();
        for (group, csb_id) in calls {
            machine.heard.insert((group, csb_id), now);
            machine.install(group, csb_id);
        }
        let own = machine.keyring.gmks.iter().filter(|record| record.distributes);
        machine.distributions = own.map(|record| Distribution::new(record, now)).collect();
        machine
    }

    /// Handles an event. Poll the outputs afterwards.
    ///
    /// # Errors
    /// A command that cannot be followed. Whatever others send is no error.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Error> {
        if let Some(now) = input.now() {
            self.now = self.now.max(now);
        }
        // Nothing is done with what is over at this moment.
        self.end_what_is_over();
        let result = self.dispatch(input);
        self.run_timers();
        result
    }

    fn dispatch(&mut self, input: Input<'_>) -> Result<(), Error> {
        match input {
            Input::Tick { .. } => Ok(()),
            Input::Message { path, octets, .. } => {
                self.on_message(path, octets);
                Ok(())
            }
            Input::Distribute { group, members, period, .. } => self.distribute(group, members, period),
            Input::CreateAdHoc { group, name, members, period, identity, .. } => {
                self.create_ad_hoc(group, name, members, period, identity)
            }
            Input::Rekey { group, without, period, .. } => self.rekey(group, without, period),
            Input::SetMembers { group, members, .. } => self.set_members(group, members),
            Input::LinkUp { peer, identity, .. } => {
                self.links.insert(peer, identity.clone());
                self.on_link_up(peer);
                Ok(())
            }
            Input::LinkDown { peer, .. } => {
                self.links.remove(&peer);
                Ok(())
            }
            Input::PrepareCall { group, .. } => self.make_call(group, true),
            Input::StartCall { group, .. } => self.start_call(group),
            Input::EndCall { group, .. } => self.end_call(group),
            Input::Stored { ticket, .. } => {
                self.on_stored(ticket);
                Ok(())
            }
            Input::StoreFailed { ticket, .. } => {
                if let Some(pending) = self.pending.remove(&ticket) {
                    self.event(Event::StoreFailed { group: pending.group });
                }
                Ok(())
            }
            Input::Sealed { job, .. } => {
                self.sealed(job);
                Ok(())
            }
            Input::Entropy { seed } => {
                self.rng.mix(seed);
                Ok(())
            }
        }
    }

    /// Takes other keys of identities: those of another month.
    pub fn set_messages(&mut self, messages: Box<dyn Messages>) {
        self.messages = messages.into();
    }

    /// Returns the next output; [`Output::Timeout`] is the last one.
    pub fn poll_output(&mut self) -> Output {
        self.outbox.pop_front().unwrap_or_else(|| Output::Timeout(self.deadline()))
    }

    /// Returns the GMK of a group under which a call would be made now.
    pub fn current_gmk(&self, group: Layer2Id) -> Option<GmkId> {
        self.keyring.current(group, self.now.counter()).map(|record| record.id)
    }

    /// Returns the calls in progress.
    pub fn calls(&self) -> impl Iterator<Item = Call> + '_ {
        self.keyring.calls.iter().map(call_of)
    }

    /// Returns the ad-hoc groups of this UE, each as often as it has GMKs, with their names.
    pub fn ad_hoc_groups(&self) -> impl Iterator<Item = (Layer2Id, &Identity)> + '_ {
        let ad_hoc = self.keyring.gmks.iter().filter(|record| record.kind == GroupKind::AdHoc);
        ad_hoc.map(|record| (record.group, &record.name))
    }

    /// Returns the members that have not acknowledged the GMK that this UE distributes to a group.
    pub fn missing(&self, group: Layer2Id) -> usize {
        self.distributions.iter().filter(|d| d.group == group).map(Distribution::missing).sum()
    }

    fn deadline(&self) -> Option<UtcTime> {
        let second = |counter| UtcTime::from_counter(counter);
        let distributions = self.distributions.iter().filter_map(Distribution::deadline);
        let announcements = self.announcing.iter().filter_map(Announcing::deadline);
        let after = |at: &UtcTime| *at > self.now;
        let gmks = self.keyring.gmks.iter();
        let periods = gmks.flat_map(|r| [second(r.period.activation), second(r.period.expiry)]).filter(after);
        let calls = self.keyring.calls.iter().map(|call| second(call.expiry)).filter(after);
        distributions.chain(announcements).chain(periods).chain(calls).min()
    }

    fn run_timers(&mut self) {
        self.end_what_is_over();
        self.run_distributions();
        self.run_announcements();
    }

    fn on_message(&mut self, path: Path<'_>, octets: &[u8]) {
        let result = match octets.first() {
            Some(&wire::ACKNOWLEDGEMENT) => self.on_acknowledgement(path, octets),
            Some(&wire::AD_HOC_GMK) => self.on_ad_hoc(path, octets),
            _ => self.messages.claim(octets).and_then(|(kind, claim)| match kind {
                Kind::Gmk => self.on_gmk(path, octets, &claim),
                Kind::Call => self.on_call(path, octets, &claim),
            }),
        };
        if let Err(why) = result {
            self.event(Event::Refused { source: source_of(path), why });
        }
    }

    fn on_stored(&mut self, ticket: Ticket) {
        let Some(Pending { changes, then, .. }) = self.pending.remove(&ticket) else { return };
        for change in changes {
            self.keyring.apply(change);
        }
        match then {
            Then::Nothing => {}
            Then::Received { group, gmk_id, to } => self.received(group, gmk_id, to),
            Then::Distribute { group, gmk_id } => self.begin_distribution(group, gmk_id),
            Then::Announce { announcing, prepared } => self.announce(*announcing, prepared),
            Then::Refresh { group, octets, time } => self.refreshed(group, octets, time),
            Then::Join { group, csb_id, known } => self.joined(group, csb_id, known),
        }
    }

    /// Removes what is over: GMKs, and calls.
    pub(super) fn end_what_is_over(&mut self) {
        let now = self.now.counter();
        let gmks = self.keyring.ended(now);
        let over = |call: &&CallRecord| {
            let ended = gmks.iter().any(|(_, id, _)| *id == call.gmk_id);
            call.expiry <= now || ended || self.keyring.gmk(call.gmk_id).is_none()
        };
        let calls: Vec<_> = self.keyring.calls.iter().filter(over).map(call_of).collect();
        let mut changes = Vec::new();
        for call in calls {
            changes.push(Change::RemoveCall(call.group, call.csb_id));
            self.forget_call(call);
        }
        for (group, gmk_id, replaced) in gmks {
            changes.push(Change::RemoveGmk(group, gmk_id));
            self.keyring.apply(Change::RemoveGmk(group, gmk_id));
            self.distributions.retain(|d| (d.group, d.gmk_id) != (group, gmk_id));
            self.event(Event::GmkEnded { group, gmk_id, replaced });
        }
        if let Some(group) = changes.first().map(group_of) {
            // What is over is not used from now on, whether its removal becomes durable or not.
            self.store(group, changes, Then::Nothing);
        }
    }

    /// Takes a call out of memory and out of the layer 2.
    pub(super) fn forget_call(&mut self, call: Call) {
        let prepared = self.announcing.iter().any(|own| own.is(&call) && own.is_prepared());
        self.announcing.retain(|own| !own.is(&call));
        self.heard.remove(&(call.group, call.csb_id));
        self.keyring.apply(Change::RemoveCall(call.group, call.csb_id));
        if !prepared {
            self.outbox.push_back(Output::Remove { group: call.group, pgk_id: call.csb_id.pgk_id() });
            self.event(Event::CallEnded(call));
        }
    }

    /// Puts the key of a call into the layer 2.
    pub(super) fn install(&mut self, group: Layer2Id, csb_id: CsbId) {
        let Some(call) = self.keyring.call(group, csb_id) else { return };
        let pgk = Pgk::from(*call.pgk.as_bytes());
        let key = GroupKey { pgk_id: csb_id.pgk_id(), pgk, valid_from: call.since, expiry: call.expiry };
        let may_send = call.may_send;
        self.outbox.push_back(Output::Install { group, key, may_send });
    }

    /// Requests that changes become durable.
    pub(super) fn store(&mut self, group: Layer2Id, changes: Vec<Change>, then: Then) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let copies = changes.iter().map(Change::copy).collect();
        let raised = changes.iter().filter_map(|change| match change {
            Change::Raise(highest) => Some((highest.stream, highest.sender.clone())),
            _ => None,
        });
        let streams = raised.collect();
        self.pending.insert(ticket, Pending { changes, then, group, streams });
        self.outbox.push_back(Output::Store { ticket, changes: copies });
    }

    /// Whether a message of a sender for a group is on its way into the store.
    pub(super) fn is_pending(&self, stream: Stream, sender: &Identity, group: Layer2Id) -> bool {
        let of = |p: &Pending| p.group == group && p.streams.iter().any(|(s, i)| *s == stream && i == sender);
        self.pending.values().any(of)
    }

    pub(super) fn check_clock(&self) -> Result<(), Error> {
        self.keyring.check_clock(self.now, &self.config).map_err(|used| Error::ClockWentBack { used })
    }

    /// Takes one from the budget of signatures to verify.
    pub(super) fn judge(&mut self) -> Result<(), Refusal> {
        let most = self.config.judged;
        if self.judged.spend(self.now, 1000, most) { Ok(()) } else { Err(Refusal::RateLimited) }
    }

    /// Whether an identity is one of this UE.
    pub(super) fn is_local(&self, identity: &Identity) -> bool {
        *identity == self.config.identity
            || self.config.me.as_ref().is_some_and(|me| me.identity == *identity)
    }

    /// Returns which identity of this UE it is.
    pub(super) fn local_kind(&self, identity: &Identity) -> LocalIdentity {
        if *identity == self.config.identity { LocalIdentity::User } else { LocalIdentity::Me }
    }

    /// Whether an identity may call under a GMK.
    pub(super) fn may_call(&self, gmk_id: GmkId, caller: &Identity) -> bool {
        let Some(record) = self.keyring.gmk(gmk_id) else { return false };
        match record.kind {
            GroupKind::AdHoc => record.members.iter().any(|member| member.identity == *caller),
            GroupKind::Standard => {
                let group = self.config.groups.iter().find(|group| group.layer2 == record.group);
                group.is_some_and(|group| match &group.callers {
                    Callers::Listed(list) => list.contains(caller),
                    Callers::WithGmk => true,
                })
            }
        }
    }

    fn set_members(&mut self, group: Layer2Id, members: &[Identity]) -> Result<(), Error> {
        let known = self.config.groups.iter_mut().find(|known| known.layer2 == group);
        known.ok_or(Error::UnknownGroup(group))?.callers = Callers::Listed(members.iter().cloned().collect());
        Ok(())
    }

    pub(super) fn send(&mut self, to: Destination, kind: MessageKind, repetition: bool, octets: Vec<u8>) {
        let octets = Zeroizing::new(octets);
        self.outbox.push_back(Output::Message(Message { to, kind, repetition, octets }));
    }

    /// Reports an event, unless nobody takes them.
    pub(super) fn event(&mut self, event: Event) {
        if self.outbox.len() < WAITING {
            self.outbox.push_back(Output::Event(event));
        }
    }
}

/// Returns the IDs of a call.
pub(super) fn call_of(record: &CallRecord) -> Call {
    Call { group: record.group, csb_id: record.csb_id, gmk_id: record.gmk_id, caller: record.caller.clone() }
}

/// Returns the layer-2 source of a message.
pub(super) const fn source_of(path: Path<'_>) -> Layer2Id {
    match path {
        Path::Ue { source } | Path::Group { source, .. } => source,
        Path::Link { peer, .. } => peer,
    }
}

fn group_of(change: &Change) -> Layer2Id {
    match change {
        Change::PutGmk(record) => record.group,
        Change::PutCall(record) => record.group,
        Change::RemoveGmk(group, _) | Change::RemoveCall(group, _) => *group,
        Change::Raise(highest) => highest.group,
    }
}
