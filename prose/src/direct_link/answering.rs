//! UE_2: hears requests, commands, and believes who completes. Set-up and re-keying alike.

use sidelink_security::cipher::Algorithm;
use sidelink_security::direct::{
    Active, Capabilities, Command, Disagreement, KdId, KdSessId, Offer, Profile, Proposed, Stated, Terms,
    pick_half,
};

use super::asking::wire_capabilities;
use super::connection;
use super::frame;
use super::hearing::parse;
use super::hub::Hub;
use super::io::{Closed, State};
use super::kd::{Change, Identity, KdRecord, MAX_IDENTITY, Ticket};
use super::link::{Answer, Answering, Asked, Commanded, HalfOpen, KdInUse, Link, Stage};
use super::note::{Cause, Note, PduError};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{
    Algorithms, Body, CommunicationRequest, MessageType, SecurityModeCommand, UserInfo, UserPlane,
};
use sidelink_wire::pdcp::{HEADER_LEN, OneToOneRepr, SduType};

impl Hub {
    /// A request in the clear: anybody can have sent it, so that it costs little and ends nothing.
    pub(super) fn request_heard(
        &mut self,
        source: Layer2Id,
        request: &CommunicationRequest<'_>,
        message: &[u8],
    ) {
        let connection = request.user_info.kind == connection::KIND;
        let known = if connection { self.connection_from(&request.user_info) } else { None };
        let said = || Identity { kind: request.user_info.kind, value: request.user_info.value.to_vec() };
        let (identity, named) = known.map_or_else(|| (said(), None), |(peer, kd)| (peer, Some(kd)));
        if source == self.config.source || identity.value.len() > MAX_IDENTITY || request.kd_sess_msb == 0 {
            return self.refuse_request(source, Cause::ProtocolError);
        }
        if !self.config.accept {
            return self.refuse_request(source, Cause::NotAllowed);
        }
        let offer = Offer {
            nonce_1: request.nonce,
            msb: request.kd_sess_msb,
            capabilities: Capabilities { eea: request.capabilities.eea, eia: request.capabilities.eia },
            stated: request.policy.and_then(frame::stated),
        };
        // A copy of a request that is being answered: one command a try.
        let copy = |half: &HalfOpen| half.source == source && half.answering.offer.nonce_1 == offer.nonce_1;
        if self.half_open.iter().any(copy) {
            return;
        }
        let known = |link: &&Link| {
            let crossed = link.stage == Stage::Connecting && link.identity == identity;
            link.peer == source || link.home == source || crossed
        };
        if let Some(link) = self.links.iter().find(known) {
            // Glare: both asked. The lower layer-2 identity stays UE_1, so it does not answer.
            if link.stage == Stage::Connecting && link.own < source {
                return;
            }
            if link.identity != identity {
                return self.refuse_request(source, Cause::Layer2IdConflict);
            }
        } else if self.links.len() >= self.config.links {
            return self.refuse_request(source, Cause::LackOfResources);
        }
        let id = named.or(request.kd_id.map(|id| KdId(u32::from_be_bytes(id))));
        let (now, number) = (self.now, self.numbers.peek());
        let record = id.and_then(|id| self.keyring.find(id, &identity, now, number));
        let Some(record) = record.map(KdRecord::copy) else {
            if self.authenticate_half_open(source, &identity, offer, message, request.key_info) {
                return;
            }
            self.note(Note::UnknownKd { identity, source });
            return self.refuse_request(source, Cause::AuthenticationFailure);
        };
        let terms = self.terms(None);
        match self.propose(terms, offer, &record.kd) {
            Err(Some(disagreement)) => {
                self.note(Note::Disagreed { peer: source, disagreement });
                self.refuse_request(source, Cause::from(&disagreement));
            }
            Err(None) => self.note(Note::NoRoom { source, what: "no session number, or no free KD-sess ID" }),
            Ok((proposed, command)) => {
                let (message, pdu, answering) =
                    match self.command(offer, proposed, command, KdInUse::Known(record.id), 0) {
                        Some(all) => all,
                        None => return,
                    };
                let session = answering.session();
                self.remember(HalfOpen { source, identity, answering });
                self.send_octets(
                    source,
                    Lcid::PC5_S_SECURITY_MODE,
                    MessageType::SecurityModeCommand,
                    session,
                    message,
                    pdu,
                );
            }
        }
    }

    /// The keys that answer an offer. `Err(None)` when there is no session number.
    pub(super) fn propose(
        &mut self,
        terms: Terms,
        offer: Offer,
        kd: &sidelink_security::keys::Kd,
    ) -> Result<(Proposed, Command), Option<Disagreement>> {
        let chosen = self.config.policy.choose(offer.capabilities, offer.stated).map_err(Some)?;
        let drawn = self.draw().ok_or(None)?;
        let mut nonce_2 = [0; 16];
        nonce_2.copy_from_slice(&drawn[..16]);
        // The whole name must be free, too: the peer may hold it from an earlier exchange.
        let taken = |half| self.half_taken(KdSessId::lsb, half);
        let lsb = pick_half(drawn[16].into(), 0xff, taken).ok_or(Some(Disagreement::Identity))? as u8;
        let (echo, echo_stated) = (offer.capabilities, offer.stated);
        let command = Command { nonce_2, lsb, chosen, echo, echo_stated };
        let proposed = Proposed::new(terms, kd, &offer, &command).map_err(Some)?;
        // The same nonces as ever: a broken source of chance on both sides, or an attack on it.
        if self.is_new(proposed.fingerprint()) { Ok((proposed, command)) } else { Err(None) }
    }

    /// The command: octets of its message, its PDU, and the state that waits for the complete.
    pub(super) fn command(
        &self,
        offer: Offer,
        mut proposed: Proposed,
        command: Command,
        kd: KdInUse,
        sequence: u16,
    ) -> Option<(usize, Vec<u8>, Answering)> {
        let kd_id_msb = match &kd {
            KdInUse::Known(_) => None,
            KdInUse::New(record) => Some(record.id.msb().to_be_bytes()),
        };
        let body = Body::SecurityModeCommand(SecurityModeCommand {
            capabilities: wire_capabilities(command.echo),
            nonce: command.nonce_2,
            algorithms: Algorithms { eea: command.chosen.eea.id(), eia: command.chosen.eia.id() },
            kd_sess_lsb: command.lsb,
            kd_id_msb,
            kd_freshness: None,
            gpi: None,
            user_info: None,
            signature: None,
            encrypted_payload: None,
            policy: command.echo_stated.map(frame::wire_policy),
        });
        let message = frame::message(self.config.profile, sequence, body);
        let pdu = frame::seal_command(&mut proposed, &message).ok()?;
        let l3_octets = message.len();
        let answering = Answering {
            offer,
            phase: Commanded::Proposed { proposed, kd },
            command: message,
            deadline: self.now.plus_millis(self.config.t4111()),
            tries: 1,
        };
        Some((l3_octets, pdu, answering))
    }

    /// Puts a request into the table; where it is full the oldest goes.
    pub(super) fn remember(&mut self, half: HalfOpen) {
        let source = half.source;
        let of_source = |half: &&HalfOpen| half.source == source;
        if self.half_open.iter().filter(of_source).count() >= self.config.half_open_per_source {
            let oldest = self.half_open.iter().position(|half| half.source == source);
            oldest.map(|at| self.half_open.remove(at));
        } else if self.half_open.len() >= self.config.half_open.max(1)
            && let Some(oldest) = self.half_open.pop_front()
        {
            self.note(Note::HalfOpenFull { source: oldest.source });
        }
        self.half_open.push_back(half);
    }

    /// Refuses in words, once a period: a flood of requests shall not make this UE transmit.
    fn refuse_request(&mut self, source: Layer2Id, cause: Cause) {
        if !self.may_refuse() {
            return;
        }
        let body = Body::CommunicationReject { cause: cause.value() };
        let message = frame::message(self.config.profile, 0, body);
        self.send_plain(source, body.message_type(), &message);
    }

    /// Whether a refusal in the clear may go now.
    pub(super) fn may_refuse(&mut self) -> bool {
        let again = self.refused.map(|at| at.plus_millis(self.config.sc_period));
        let may = again.is_none_or(|again| self.now >= again);
        if may {
            self.refused = Some(self.now);
        }
        may
    }

    /// The complete of a set-up.
    pub(super) fn complete_of_half_open(
        &mut self,
        at: usize,
        header: OneToOneRepr,
        octets: &mut [u8],
    ) -> Result<(), PduError> {
        let Some(half) = self.half_open.get_mut(at) else { return Ok(()) };
        let proven = prove(self.config.profile, &mut half.answering, header, octets)?;
        let Some(Proven { mut active, kd, lsb, up_policy, connection, l3_octets }) = proven else {
            return Ok(());
        };
        let source = half.source;
        self.meter(source, false, MessageType::SecurityModeComplete, l3_octets, octets.len());
        if let Some(peer) = up_policy {
            match self.config.policy.user_plane(peer, active.chosen()) {
                Ok(on) => active.agree_up_integrity(on),
                Err(disagreement) => {
                    self.note(Note::Disagreed { peer: source, disagreement });
                    self.half_open.remove(at);
                    return self.refuse_proven(source, active);
                }
            }
        }
        match (kd, lsb) {
            (KdInUse::Known(kd), _) => {
                if let Some(half) = self.half_open.remove(at) {
                    self.accept(half, active, kd, connection);
                }
            }
            (KdInUse::New(record), Some(lsb)) => {
                let (ticket, kd) = self.store_agreed(record, lsb);
                self.half_open[at].answering.phase = Commanded::Storing { ticket, active, kd, connection };
            }
            // Without its half the new KD has no name: the peer broke the rule.
            (KdInUse::New(_), None) => drop(self.half_open.remove(at)),
        }
        Ok(())
    }

    /// The peer is proven, and wants for its user data what this UE does not.
    fn refuse_proven(&mut self, peer: Layer2Id, mut active: Active) -> Result<(), PduError> {
        let body = Body::CommunicationReject { cause: Cause::NotAligned.value() };
        let message = frame::message(self.config.profile, 0, body);
        let (lcid, session) = (Lcid::PC5_S_PROTECTED, Some(active.fingerprint()));
        if let Ok(pdu) = frame::seal(&mut active, lcid, SduType::Pc5Signalling, &message) {
            self.send_octets(peer, lcid, body.message_type(), session, message.len(), pdu);
        }
        Ok(())
    }

    /// A new KD gets its name and replaces the derived ones of this peer, in one durable step.
    pub(super) fn store_agreed(&mut self, mut record: KdRecord, lsb: u16) -> (Ticket, KdId) {
        record.id = KdId::from_halves(record.id.msb(), lsb);
        let id = record.id;
        let mut changes = self.keyring.others(&record.peer, id);
        changes.push(Change::Put(record));
        (self.store(changes), id)
    }

    /// Both have proven each other: the link is up.
    fn accept(&mut self, half: HalfOpen, active: Active, kd: KdId, connection: Option<[u8; 4]>) {
        let HalfOpen { source, identity, .. } = half;
        self.half_open.retain(|other| other.source != source);
        let known = |l: &Link| l.peer == source || l.home == source || l.identity == identity;
        let index = match self.links.iter().position(known) {
            // Our own request crossed: its link goes on as this one.
            Some(index) if self.links[index].stage == Stage::Connecting => index,
            Some(index) => {
                self.close(index, Closed::Replaced);
                self.new_link(source, identity.clone())
            }
            None if self.links.len() >= self.config.links => {
                return self.refuse_request(source, Cause::LackOfResources);
            }
            None => self.new_link(source, identity.clone()),
        };
        let now = self.now;
        let link = &mut self.links[index];
        let mut up = Link::new(link.id, [self.config.source, source], identity, now);
        up.stage = Stage::Up;
        up.active = Some(active);
        up.kd = kd;
        up.sequence = link.sequence;
        *link = up;
        let peer = link.identity.clone();
        self.take_connection(kd, &peer, connection);
        self.links[index].given = self.give_connection(kd, &peer);
        self.send_accept(index);
        if let Some(keys) = self.links[index].keys() {
            self.state(index, State::Up { initiator: false, keys });
        }
    }

    fn new_link(&mut self, peer: Layer2Id, identity: Identity) -> usize {
        let id = self.new_link_id();
        self.links.push(Link::new(id, [self.config.source, peer], identity, self.now));
        self.links.len() - 1
    }

    /// The complete came again: the answer to it was lost.
    pub(super) fn answer_again(&mut self, index: usize) {
        match self.links[index].answer {
            Answer::Accept => self.send_accept(index),
            Answer::Response => {
                self.send_protected(index, Lcid::PC5_S_PROTECTED, Body::RekeyingResponse);
            }
        }
    }

    /// The accept; in NR it says who accepts, and what protects user data.
    fn send_accept(&mut self, index: usize) {
        let nr = self.config.profile == Profile::Nr;
        let own = self.config.identity.clone();
        let user_info = nr.then_some(UserInfo { kind: own.kind, value: &own.value });
        let active = self.links[index].active.as_ref().filter(|_| nr);
        let up = active.map(|active| UserPlane {
            ciphering: active.chosen().eea != Algorithm::Null,
            integrity: active.up_integrity(),
        });
        let body = Body::CommunicationAccept {
            ip_config: 1,
            link_local: None,
            user_info,
            up,
            connection: self.links[index].given,
        };
        self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
    }

    /// A new KD is durable.
    pub(super) fn stored(&mut self, ticket: Ticket) {
        let waits = |answering: &Answering| matches!(answering.phase, Commanded::Storing { ticket: t, .. } if t == ticket);
        if let Some(at) = self.half_open.iter().position(|half| waits(&half.answering)) {
            if let Some(mut half) = self.half_open.remove(at)
                && let Commanded::Storing { active, kd, connection, .. } = take(&mut half.answering)
            {
                self.accept(half, active, kd, connection);
            }
            return;
        }
        let index = self.links.iter().position(|link| link.answering.as_ref().is_some_and(waits));
        if let Some(index) = index {
            let phase = self.links[index].answering.as_mut().map(take);
            if let Some(Commanded::Storing { active, kd, .. }) = phase {
                self.respond(index, active, kd, true);
            }
            return;
        }
        self.asking_stored(ticket);
    }

    /// A new KD did not become durable: nothing may be built on it.
    pub(super) fn not_stored(&mut self, ticket: Ticket) {
        let waits = |answering: &Answering| matches!(answering.phase, Commanded::Storing { ticket: t, .. } if t == ticket);
        self.half_open.retain(|half| !waits(&half.answering));
        for index in (0..self.links.len()).rev() {
            let link = &mut self.links[index];
            if link.answering.as_ref().is_some_and(waits) {
                link.answering = None;
            }
            let asked = link.asking.as_ref().map(|asking| &asking.phase);
            if matches!(asked, Some(Asked::Storing { ticket: t, .. }) if *t == ticket) {
                if link.stage == Stage::Connecting {
                    self.close(index, Closed::Store);
                } else {
                    link.asking = None;
                }
            }
        }
    }
}

/// What a complete proves.
pub(super) struct Proven {
    pub(super) active: Active,
    pub(super) kd: KdInUse,
    /// UE_1's half of a new KD's name.
    pub(super) lsb: Option<u16>,
    /// How UE_1 stands to protection of user data, where it says so.
    pub(super) up_policy: Option<Stated>,
    /// The name that UE_1 gives.
    pub(super) connection: Option<[u8; 4]>,
    /// Octets of the message.
    pub(super) l3_octets: usize,
}

/// Verifies a complete. `Ok(None)` when nothing waits for one; an error leaves the state as it was.
pub(super) fn prove(
    profile: Profile,
    answering: &mut Answering,
    header: OneToOneRepr,
    octets: &mut [u8],
) -> Result<Option<Proven>, PduError> {
    let (proposed, kd) = match take(answering) {
        Commanded::Proposed { proposed, kd } => (proposed, kd),
        other => {
            answering.phase = other;
            return Ok(None);
        }
    };
    match proposed.complete(header.sn, Lcid::PC5_S_SECURITY_MODE.value(), octets, HEADER_LEN) {
        Err((proposed, refusal)) => {
            answering.phase = Commanded::Proposed { proposed, kd };
            Err(refusal.into())
        }
        Ok((active, opened)) => {
            let message = &octets[HEADER_LEN..opened.end];
            match parse(profile, message).map(|repr| repr.body) {
                Ok(Body::SecurityModeComplete { kd_id_lsb, up_policy, connection }) => {
                    let (lsb, up_policy) =
                        (kd_id_lsb.map(u16::from_be_bytes), up_policy.and_then(frame::stated));
                    Ok(Some(Proven { active, kd, lsb, up_policy, connection, l3_octets: message.len() }))
                }
                // The peer holds the keys and says something else: it refuses, or is broken. The state is empty now
                // and its timer removes it.
                _ => Ok(None),
            }
        }
    }
}

const fn take(answering: &mut Answering) -> Commanded {
    core::mem::replace(&mut answering.phase, Commanded::Moving)
}
