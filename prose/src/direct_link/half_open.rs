//! Requests without proof: a bounded table, since anybody can send one.

mod establish;

use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{Capabilities, KdId, KdSessId, Offer};
use sidelink_security::kdf::own;

use super::cause::{Cause, CauseOf};
use super::frame;
use super::hop::{Asked, Hop};
use super::io::{Closed, Pdu, Role};
use super::kd::{Identity, KdRecord, MAX_IDENTITY, Ticket};
use super::key_establishment::Heard;
use super::link::{Common, Link, State};
use super::local::{InUse, Local};
use super::manager::LinkManager;
use super::note::{Note, PduError};
use super::relaying::{RelayLink, SERVICE_ALONE};
use super::session::{Answer, Session, Up};
use super::target::{
    Agreed, AwaitingComplete, Carried, Completed, Establishing, KdInUse, StoringKd, Target, send_accept,
};
use crate::relay::admission::NotAdmitted;
use sidelink_security::direct::Active;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body, CommunicationRequest};
use sidelink_wire::pdcp::{OneToOneRepr, SduType};

/// The method octet of a cookie: no authentication, only the demand to echo it.
pub(super) const COOKIE_METHOD: u8 = 0xc0;

/// A request that this UE answered, until its proof comes.
#[derive(Debug)]
pub(super) struct HalfOpen {
    pub(super) source: Layer2Id,
    /// Identity of the initiating UE, as claimed.
    identity: Identity,
    offer: Offer,
    deadline: UtcTime,
    state: Target,
    /// What makes it a link to a relay, if it is one: this UE is the relay.
    relay: Option<RelayLink>,
    /// What makes it a link of a UE-to-UE relay, if it is one.
    hop: Option<Hop>,
    /// The steps of a method that may go on after the command.
    steps: Option<Establishing>,
}

/// The half-open links of a UE.
#[derive(Debug, Default)]
pub(super) struct HalfOpenTable(VecDeque<HalfOpen>);

impl HalfOpenTable {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn deadline(&self) -> Option<UtcTime> {
        self.0.iter().map(|half| half.deadline).min()
    }

    /// Returns the sources of what waited too long for a network.
    pub(super) fn unanswered(&self, now: UtcTime) -> Vec<Layer2Id> {
        let late = self.0.iter().filter(|half| half.deadline <= now && half.state.asks());
        late.map(|half| half.source).collect()
    }

    /// Drops what waited too long. Gives the source of the last command that had no complete.
    pub(super) fn expire(&mut self, now: UtcTime) -> Option<Layer2Id> {
        let silent = |half: &&HalfOpen| half.deadline <= now && half.state.awaits_complete();
        let silent = self.0.iter().rev().find(silent).map(|half| half.source);
        self.0.retain(|half| half.deadline > now);
        silent
    }

    pub(super) fn mark(&self, in_use: &mut InUse) {
        self.0.iter().filter_map(|half| half.state.id()).for_each(|id| in_use.add(id));
    }

    /// Whether this very request is being answered already: there is one command a try.
    fn has_copy(&self, source: Layer2Id, offer: &Offer) -> bool {
        self.0.iter().any(|half| half.source == source && half.offer.nonce_1 == offer.nonce_1)
    }

    /// Makes room for an entry; when the table is full, the oldest is dropped. Sources do not matter: anybody can use
    /// any.
    fn make_room(&mut self, local: &mut Local) {
        while self.0.len() >= local.config.half_open.max(1)
            && let Some(oldest) = self.0.pop_front()
        {
            local.note(Note::HalfOpenFull { source: oldest.source });
        }
    }

    /// Returns the sources of the entries.
    pub(super) fn sources(&self) -> impl Iterator<Item = Layer2Id> + '_ {
        self.0.iter().map(|half| half.source)
    }

    /// Returns the index of the entry whose command has this KD-sess ID.
    pub(super) fn position(&self, source: Layer2Id, id: KdSessId) -> Option<usize> {
        self.0.iter().position(|half| half.source == source && half.state.id() == Some(id))
    }

    /// Drops entries whose KD did not become durable: no link may use it.
    pub(super) fn not_stored(&mut self, ticket: Ticket) {
        self.0.retain(|half| !half.state.stores(ticket));
    }
}

/// An unprotected request.
struct Attempt<'a> {
    source: Layer2Id,
    identity: Identity,
    /// The KD ID in it.
    kd: Option<KdId>,
    offer: Offer,
    info: Option<&'a [u8]>,
    /// What makes it a link to a relay, if it is one.
    relay: Option<RelayLink>,
    /// What makes it a link of a UE-to-UE relay, if it is one.
    hop: Option<Hop>,
    /// Whether it has a signature, which is verified before anything is answered.
    signed: bool,
    message: &'a [u8],
}

/// The initiating UE of an entry.
struct Asker {
    source: Layer2Id,
    identity: Identity,
    offer: Offer,
    hop: Option<Hop>,
}

impl LinkManager {
    /// Handles an unprotected request: anybody can have sent it, therefore it costs little and ends nothing.
    pub(super) fn on_request(
        &mut self,
        source: Layer2Id,
        request: &CommunicationRequest<'_>,
        message: &[u8],
    ) {
        let info = &request.user_info;
        let known = self.local.connection_from(request.connection);
        let named = request.kd_id.map(|id| KdId(u32::from_be_bytes(id)));
        let claimed = || Identity { kind: info.kind, value: info.value.to_vec() };
        let (identity, kd) = known.map_or_else(|| (claimed(), named), |(peer, kd)| (peer, Some(kd)));
        let asked = match self.local.is_nr() {
            true => Asked::Other,
            false => Asked::of(request, &self.local.config.identity, &self.local.config.relays),
        };
        let (identity, hop) = match asked {
            Asked::Other => (identity, None),
            Asked::Hop(identity, hop) => (identity, Some(hop)),
            Asked::NoRelay => return self.refuse_request(source, Cause::NotAllowed),
        };
        if source == self.local.config.source || identity.value.len() > MAX_IDENTITY {
            return self.refuse_request(source, Cause::ProtocolError);
        }
        if !self.local.config.accept {
            // TS 24.334 §10.4.2.5 (2)
            return self.refuse_request(source, Cause::NotAllowed);
        }
        let offer = Offer {
            nonce_1: request.nonce,
            msb: request.kd_sess_msb,
            capabilities: Capabilities { eea: request.capabilities.eea, eia: request.capabilities.eia },
            stated: request.policy.and_then(frame::stated),
        };
        if self.half_open.has_copy(source, &offer) {
            return;
        }
        // A UE must not authenticate to itself: a command for this nonce would fit the request of this end.
        if self.links.iter().any(|link| link.state.asked_with(&offer.nonce_1)) {
            return self.local.note(Note::Reflected { source });
        }
        // A signature alone is all that TS 33.303 §6.5.7.3.1 has, and a service all that §6.7.3.2.1.1 has.
        let alone = request.signature.map(|_| &[][..]).or(request.relay_service_code.map(|_| SERVICE_ALONE));
        let relay = if hop.is_some() { None } else { RelayLink::of_request(request) };
        let info = request.key_info.or(alone.filter(|_| hop.is_none()));
        let signed = request.signature.is_some();
        let attempt = Attempt { source, identity, kd, offer, info, relay, hop, signed, message };
        match self.place_for(&attempt) {
            Ok(true) if self.admits(&attempt) => self.answer_request(&attempt),
            Ok(true) => {}
            Ok(false) => {}
            Err(cause) => self.refuse_request(source, cause),
        }
    }

    /// Whether there is room for a link with the requesting UE; false in glare when this UE stays the initiating one.
    fn place_for(&self, attempt: &Attempt<'_>) -> Result<bool, Cause> {
        let source = attempt.source;
        let known = |link: &&Link| {
            let crossed = link.state.is_connecting() && link.common.identity == attempt.identity;
            link.common.remote == source || link.common.permanent == source || crossed
        };
        match self.links.iter().find(known) {
            // Glare: both requested. The UE with the lower layer-2 identity stays the initiating UE, and does not answer.
            Some(link) if link.state.is_connecting() && link.common.local < source => Ok(false),
            // TS 24.334 §10.4.2.5 (4)
            Some(link) if link.common.identity != attempt.identity => Err(Cause::Layer2IdConflict),
            Some(_) => Ok(true),
            // TS 24.334 §10.4.2.5 (6)
            None if self.links.len() >= self.local.config.links => Err(Cause::LackOfResources),
            None => Ok(true),
        }
    }

    /// Whether a request is one of two UEs, or one of a remote UE that this relay takes. Refuses it otherwise.
    fn admits(&mut self, attempt: &Attempt<'_>) -> bool {
        let Some((control, relay)) = self.remotes.as_mut().zip(attempt.relay.as_ref()) else { return true };
        let (now, source) = (self.local.now, attempt.source);
        let others = |link: &&Link| link.common.relay.is_some() && link.common.remote != source;
        let used = self.links.iter().filter(others).count();
        match control.admit(now, source, relay.service, used) {
            Ok(()) => return true,
            Err(NotAdmitted::Service) => self.refuse_request(source, Cause::NotAllowed),
            Err(NotAdmitted::Full) => self.refuse_request(source, Cause::LackOfResources),
            Err(NotAdmitted::TooOften) => self.local.note(Note::NoRoom { source, what: TOO_OFTEN }),
            Err(NotAdmitted::TooMany) => self.local.note(Note::NoRoom { source, what: TOO_MANY }),
        }
        false
    }

    fn answer_request(&mut self, attempt: &Attempt<'_>) {
        let Attempt { source, ref identity, offer, .. } = *attempt;
        let (clock, number) = (self.local.clock, self.local.number());
        // TS 24.334 §10.4.2.3 (2)
        let named = attempt.kd.filter(|_| attempt.relay.is_none());
        let record = named.and_then(|id| self.local.keyring.find(id, identity, clock, number));
        let Some(record) = record.map(KdRecord::copy) else {
            if !self.establish(attempt) {
                self.local.note(Note::UnknownKd { identity: identity.clone(), source });
                // TS 24.334 §10.4.2.5 (3)
                self.refuse_request(source, Cause::AuthenticationFailure);
            }
            return;
        };
        if !self.local.may_answer() {
            return self.local.note(Note::NoRoom { source, what: BUDGET });
        }
        let terms = self.local.terms(None);
        match self.local.propose(terms, offer, &record.kd) {
            Err(Some(disagreement)) => {
                self.local.note(Note::Disagreed { peer: source, disagreement });
                self.refuse_request(source, Cause::from(&disagreement));
            }
            Err(None) => self.local.note(Note::NoRoom { source, what: NO_NUMBER_OR_NAME }),
            Ok(proposal) => {
                // TS 24.334 §10.4.5.2 (1)
                let kd = KdInUse::Known(record.id);
                let sequence = self.local.next_sequence();
                let command = AwaitingComplete::new(&self.local, proposal, kd, sequence, &Carried::default());
                let Some(command) = command else { return };
                let (identity, hop) = (identity.clone(), attempt.hop.clone());
                self.await_complete(Asker { source, identity, offer, hop }, None, (command, 0));
            }
        }
    }

    /// Sends a command, and waits for its complete.
    fn await_complete(
        &mut self,
        Asker { source, identity, offer, hop }: Asker,
        steps: Option<Establishing>,
        ((state, pdu), periods): ((AwaitingComplete, Vec<u8>), u64),
    ) {
        // TS 24.334 §10.4.5.2 (7)
        let deadline = self.local.now.plus_millis(self.local.config.t4111_after(periods));
        let addresses = [self.source_towards(source), source];
        self.half_open.make_room(&mut self.local);
        state.transmit(&mut self.local, addresses, pdu);
        let state = Target::AwaitingComplete(state);
        let relay = steps.as_ref().and_then(|steps| steps.relay.clone());
        self.half_open.0.push_back(HalfOpen { source, identity, offer, deadline, state, relay, hop, steps });
    }

    fn send_container(
        &mut self,
        addresses: [Layer2Id; 2],
        phase: AuthenticationPhase,
        method: u8,
        content: &[u8],
    ) {
        let body = Body::Authentication { phase, method, content };
        let message = frame::message(self.local.config.profile, self.local.next_sequence(), body);
        self.local.send_plain(addresses, body.message_type(), &message);
    }

    /// Computes a cookie, bound to source, offer and time (2^16 ms).
    pub(super) fn cookie(&self, source: Layer2Id, offer: &Offer) -> [u8; 16] {
        let epoch = (self.local.now.millis() >> 16).to_be_bytes();
        let [a, b, c] = source.octets();
        let secret = [&self.local.cookies.as_bytes()[..], &offer.nonce_1].concat();
        own::cookie(&secret, &[a, b, c, epoch[5], epoch[6], epoch[7]])
    }

    /// Refuses with a message, once a period: a flood of requests must not make this UE transmit.
    pub(super) fn refuse_request(&mut self, peer: Layer2Id, cause: Cause) {
        if self.local.may_refuse() {
            let body =
                Body::CommunicationReject { cause: cause.octet(self.local.config.profile, CauseOf::Reject) };
            let message = frame::message(self.local.config.profile, self.local.next_sequence(), body);
            let source = self.source_towards(peer);
            self.local.send_plain([source, peer], body.message_type(), &message);
        }
    }

    /// Handles the complete of a set-up.
    pub(super) fn on_half_open_complete(
        &mut self,
        at: usize,
        header: OneToOneRepr,
        octets: &mut [u8],
    ) -> Result<(), PduError> {
        let Some(mut half) = self.half_open.0.remove(at) else { return Ok(()) };
        let waiting = match half.state {
            Target::AwaitingComplete(waiting) => waiting,
            state => {
                self.half_open.0.insert(at, HalfOpen { state, ..half });
                return Ok(());
            }
        };
        let mut proven = match waiting.on_complete(&mut self.local, half.source, header, octets) {
            Completed::Proven(proven) => proven,
            Completed::Ended => return Ok(()),
            Completed::Refused(waiting, error) => {
                half.state = Target::AwaitingComplete(waiting);
                self.half_open.0.insert(at, half);
                return Err(error);
            }
        };
        if let Some(peer) = proven.up_policy {
            match self.local.config.policy.user_plane(peer, proven.active.chosen()) {
                Ok(on) => proven.active.agree_up_integrity(on),
                Err(disagreement) => {
                    self.local.note(Note::Disagreed { peer: half.source, disagreement });
                    self.refuse_proven(half.source, proven.active);
                    return Ok(());
                }
            }
        }
        match proven.agree(&mut self.local) {
            Agreed::Now(active, kd, connection) => {
                self.accept(half.source, (half.identity, half.relay, half.hop), active, (kd, connection));
            }
            Agreed::Storing(storing) => {
                half.state = Target::StoringKd(storing);
                self.half_open.0.insert(at, half);
            }
            Agreed::Nothing => {}
        }
        Ok(())
    }

    /// Refuses a proven peer whose policy for user data conflicts with that of this UE.
    fn refuse_proven(&mut self, peer: Layer2Id, mut active: Active) {
        let cause = Cause::NotAligned.octet(self.local.config.profile, CauseOf::Reject);
        let body = Body::CommunicationReject { cause };
        let message = frame::message(self.local.config.profile, self.local.next_sequence(), body);
        let lcid = Lcid::PC5_S_PROTECTED;
        if let Ok(octets) = frame::seal(&mut active, lcid, SduType::Pc5Signalling, &message) {
            let (kind, session) = (Some(body.message_type()), Some(active.fingerprint()));
            let source = self.source_towards(peer);
            let pdu = Pdu { source, peer, lcid, message: kind, session, octets };
            self.local.transmit(pdu, message.len());
        }
    }

    /// Continues the half-open entry whose KD is durable now. Returns false when none waits for this ticket.
    pub(super) fn half_open_stored(&mut self, ticket: Ticket) -> bool {
        let Some(at) = self.half_open.0.iter().position(|half| half.state.stores(ticket)) else {
            return false;
        };
        let Some(mut half) = self.half_open.0.remove(at) else { return true };
        match half.state {
            Target::StoringKd(StoringKd { active, kd, connection, .. }) => {
                self.accept(half.source, (half.identity, half.relay, half.hop), active, (kd, connection));
            }
            Target::Establishing(ref mut state) => {
                state.admitting = None;
                let step = state.step(&self.local, &half.identity, Heard::Admitted);
                self.follow(half, step);
            }
            Target::AwaitingComplete(_) => {}
        }
        true
    }

    /// Accepts a link: both ends have proven themselves.
    fn accept(
        &mut self,
        source: Layer2Id,
        (identity, relay, hop): (Identity, Option<RelayLink>, Option<Hop>),
        active: Active,
        (kd, connection): (KdId, Option<[u8; 4]>),
    ) {
        self.half_open.0.retain(|other| other.source != source);
        let known = |link: &Link| {
            let Common { remote, permanent, identity: who, .. } = &link.common;
            *remote == source || *permanent == source || *who == identity
        };
        let others = |link: &&Link| link.common.relay.is_some() && link.common.remote != source;
        if let (Some(control), true) = (&mut self.remotes, relay.is_some()) {
            // Others came up while this one was being proven.
            if self.links.iter().filter(others).count() >= control.most() {
                return self.refuse_request(source, Cause::LackOfResources);
            }
            control.linked(source);
        }
        let old = match self.links.iter().position(known) {
            Some(index) if !self.links[index].state.is_connecting() => {
                // TS 24.334 §10.4.2.6.2 (1); TS 33.303 §6.5.5.2 step 5
                self.close(index, Closed::Replaced);
                None
            }
            None if self.links.len() >= self.local.config.links => {
                return self.refuse_request(source, Cause::LackOfResources);
            }
            old => old,
        };
        let (id, sequence) = match old.map(|index| &self.links[index].common) {
            // The request of this end crossed: its link continues as this one.
            Some(common) => (common.id, common.sequence),
            // The command to this peer had a number of the messages without a link.
            None => (self.local.new_link_id(), self.local.next_sequence()),
        };
        let local = &mut self.local;
        // TS 24.334 §10.4.2.3 (1)
        let mut common = Common::new(id, [local.config.source, source], identity, local.now);
        (common.sequence, common.relay, common.hop) = (sequence, relay, hop);
        local.take_connection(kd, &common.identity, connection);
        let given = local.give_connection(kd, &common.identity);
        let mut session = Session::new(active, kd, Answer::Accept(given), local.now);
        // TS 24.334 §10.4.2.3 (4)
        send_accept(&mut session.active, &mut common, local, given);
        common.report_up(local, Role::Target, session.keys());
        let link = Link { common, state: State::Up(Up::new(session)) };
        match old {
            Some(index) => self.links[index] = link,
            None => self.links.push(link),
        }
    }
}

pub(super) const NO_NUMBER_OR_NAME: &str = "no session number, or no free KD-sess ID";

const TOO_OFTEN: &str = "it asked this relay for a link too often";

const TOO_MANY: &str = "too many remote UEs asked this relay for a link";

const BUDGET: &str = "as many unproven messages as are answered in one SC period came already";
