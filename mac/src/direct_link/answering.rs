//! UE_2: hears requests, commands, and believes who completes. Set-up and re-keying alike.

use sidelink_security::direct::{
    Active, Capabilities, Command, Disagreement, KdId, KdSessId, Offer, PduRefusal, Proposed, Terms,
    pick_half,
};

use super::asking::wire_capabilities;
use super::frame;
use super::hub::{Hub, assurance, parse};
use super::io::{Closed, Error, State};
use super::kd::{Change, Identity, KdRecord, MAX_IDENTITY, Ticket};
use super::link::{Answer, Answering, Asked, Commanded, HalfOpen, KdInUse, Link, Stage};
use super::note::{Cause, Note};
use crate::ids::{Layer2Id, Lcid};
use crate::pdcp;
use crate::wire::pc5_signalling::{
    Algorithms, Body, CommunicationRequest, RekeyingRequest, SecurityModeCommand,
};
use crate::wire::pdcp::{HEADER_LEN, OneToOneRepr};

impl Hub {
    /// A request in the clear: anybody can have sent it, so that it costs little and ends nothing.
    pub(super) fn request_heard(
        &mut self,
        source: Layer2Id,
        request: &CommunicationRequest<'_>,
        message: &[u8],
    ) {
        let identity = Identity { kind: request.user_info.kind, value: request.user_info.value.to_vec() };
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
        };
        // A copy of a request that is being answered: one command a try.
        let copy = |half: &HalfOpen| half.source == source && half.answering.offer.nonce_1 == offer.nonce_1;
        if self.half_open.iter().any(copy) {
            return;
        }
        if let Some(link) = self.links.iter().find(|link| link.peer == source) {
            // Glare: both asked. The lower layer-2 identity stays UE_1, so it does not answer.
            if link.stage == Stage::Connecting && self.config.source < source {
                return;
            }
            if link.identity != identity {
                return self.refuse_request(source, Cause::Layer2IdConflict);
            }
        } else if self.links.len() >= self.config.links {
            return self.refuse_request(source, Cause::LackOfResources);
        }
        let id = request.kd_id.map(|id| KdId(u32::from_be_bytes(id)));
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
                self.send_octets(source, Lcid::PC5_S_SECURITY_MODE, 12, session, message, pdu);
            }
        }
    }

    /// The keys that answer an offer. `Err(None)` when there is no number or no half left.
    pub(super) fn propose(
        &mut self,
        terms: Terms,
        offer: Offer,
        kd: &sidelink_security::keys::Kd,
    ) -> Result<(Proposed, Command), Option<Disagreement>> {
        let chosen = self.config.policy.choose(offer.capabilities, None).map_err(Some)?;
        let drawn = self.draw().ok_or(None)?;
        let mut nonce_2 = [0; 16];
        nonce_2.copy_from_slice(&drawn[..16]);
        // The whole name must be free, too: the peer may hold it from an earlier exchange.
        let taken = |half| self.half_taken(KdSessId::lsb, half);
        let lsb = pick_half(drawn[16].into(), 0xff, taken).ok_or(None)? as u8;
        let command = Command { nonce_2, lsb, chosen, echo: offer.capabilities };
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
        });
        let message = frame::message(sequence, body);
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
        let message = frame::message(0, Body::CommunicationReject { cause: cause.value() });
        self.send_plain(source, &message);
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
    ) -> Result<(), pdcp::Error> {
        let Some(half) = self.half_open.get_mut(at) else { return Ok(()) };
        let Some((active, kd, lsb, l3_octets)) = prove(&mut half.answering, header, octets)? else {
            return Ok(());
        };
        let source = half.source;
        self.meter(source, false, 13, l3_octets, octets.len());
        match (kd, lsb) {
            (KdInUse::Known(kd), _) => {
                if let Some(half) = self.half_open.remove(at) {
                    self.accept(half, active, kd);
                }
            }
            (KdInUse::New(record), Some(lsb)) => {
                let (ticket, kd) = self.store_agreed(record, lsb);
                self.half_open[at].answering.phase = Commanded::Storing { ticket, active, kd };
            }
            // Without its half the new KD has no name: the peer broke the rule.
            (KdInUse::New(_), None) => drop(self.half_open.remove(at)),
        }
        Ok(())
    }

    /// A new KD gets its name and replaces the derived ones of this peer, in one durable step.
    fn store_agreed(&mut self, mut record: KdRecord, lsb: u16) -> (Ticket, KdId) {
        record.id = KdId::from_halves(record.id.msb(), lsb);
        let id = record.id;
        let mut changes = self.keyring.others(&record.peer, id);
        changes.push(Change::Put(record));
        (self.store(changes), id)
    }

    /// Both have proven each other: the link is up.
    fn accept(&mut self, half: HalfOpen, active: Active, kd: KdId) {
        let HalfOpen { source, identity, .. } = half;
        self.half_open.retain(|other| other.source != source);
        let index = match self.links.iter().position(|link| link.peer == source) {
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
        let mut up = Link::new(link.id, source, identity, now);
        up.stage = Stage::Up;
        up.active = Some(active);
        up.kd = kd;
        up.sequence = link.sequence;
        *link = up;
        self.send_protected(index, Lcid::PC5_S_PROTECTED, accept_body());
        if let Some(keys) = self.links[index].keys() {
            self.state(index, State::Up { initiator: false, keys });
        }
    }

    fn new_link(&mut self, peer: Layer2Id, identity: Identity) -> usize {
        let id = self.new_link_id();
        self.links.push(Link::new(id, peer, identity, self.now));
        self.links.len() - 1
    }

    /// A request to re-key, under the current key.
    pub(super) fn rekeying_heard(&mut self, index: usize, request: &RekeyingRequest<'_>, message: &[u8]) {
        let now = self.now;
        let link = &self.links[index];
        let (peer, identity, kd_id) = (link.peer, link.identity.clone(), link.kd);
        match link.asking.as_ref().map(|asking| &asking.phase) {
            // Glare: the lower layer-2 identity's request wins.
            Some(Asked::Requested) if self.config.source < peer => return,
            Some(Asked::Requested) => self.links[index].asking = None,
            // It asks under the key that we just completed: it has heard the complete.
            Some(Asked::Completed { .. }) => self.asking_done(index),
            Some(Asked::Storing { .. }) => return,
            None => {}
        }
        let link = &self.links[index];
        let early = now < link.rekeyed.plus_millis(self.config.rekey_interval);
        match &link.answering {
            Some(Answering { phase: Commanded::Storing { .. }, .. }) => return,
            Some(answering) if answering.offer.nonce_1 == request.nonce => return,
            Some(_) => {}
            None if early => return self.note(Note::RekeyingStorm { peer }),
            None => {}
        }
        let offer = Offer {
            nonce_1: request.nonce,
            msb: request.kd_sess_msb,
            capabilities: Capabilities { eea: request.capabilities.eea, eia: request.capabilities.eia },
        };
        let in_use = link.active.as_ref().map(|active| (active.chosen(), active.up_integrity()));
        if request.re_auth.is_some_and(|flag| flag != 0) {
            if !self.authenticate_rekeying(index, offer, message, request.key_info) {
                self.refuse_rekeying(index, Cause::AuthenticationFailure);
            }
            return;
        }
        let (terms, number) = (self.terms(in_use), self.numbers.peek());
        let Some(record) = self.keyring.find(kd_id, &identity, now, number).map(KdRecord::copy) else {
            return self.refuse_rekeying(index, Cause::AuthenticationFailure);
        };
        match self.propose(terms, offer, &record.kd) {
            Err(Some(disagreement)) => {
                self.note(Note::Disagreed { peer, disagreement });
                self.refuse_rekeying(index, Cause::from(&disagreement));
            }
            Err(None) => {
                self.note(Note::NoRoom { source: peer, what: "no session number, or no free KD-sess ID" })
            }
            Ok((proposed, command)) => {
                let sequence = self.links[index].next_sequence();
                let command = self.command(offer, proposed, command, KdInUse::Known(record.id), sequence);
                if let Some((message, pdu, answering)) = command {
                    let session = answering.session();
                    self.links[index].answering = Some(answering);
                    self.send_octets(peer, Lcid::PC5_S_SECURITY_MODE, 12, session, message, pdu);
                }
            }
        }
    }

    fn refuse_rekeying(&mut self, index: usize, cause: Cause) {
        let body = Body::SecurityModeReject { cause: cause.value(), rand: None, auts: None };
        self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
    }

    /// A PDU under the key that this side proposed in re-keying.
    pub(super) fn receive_on_proposed(
        &mut self,
        index: usize,
        lcid: Lcid,
        header: OneToOneRepr,
        octets: &mut [u8],
    ) -> Result<(), pdcp::Error> {
        let link = &mut self.links[index];
        let Some(answering) = &mut link.answering else { return Ok(()) };
        if !lcid.is_signalling() {
            let opened = match &mut answering.phase {
                Commanded::Proposed { proposed, .. } => {
                    proposed.open_early(header.sn, lcid.value(), octets, HEADER_LEN)?
                }
                Commanded::Storing { active, .. } => {
                    let kind = sidelink_security::direct::Kind::User;
                    active.open(header.sn, lcid.value(), kind, octets, HEADER_LEN)?
                }
                Commanded::Challenged(_) | Commanded::Moving => return Ok(()),
            };
            self.deliver(index, lcid, header.sdu_type, assurance(&opened), &octets[HEADER_LEN..opened.end]);
            return Ok(());
        }
        if lcid != Lcid::PC5_S_SECURITY_MODE {
            // It overtook the complete; what matters is repeated.
            return Err(PduRefusal::UnknownKey.into());
        }
        let Some((active, kd, lsb, l3_octets)) = prove(answering, header, octets)? else { return Ok(()) };
        let peer = link.peer;
        self.meter(peer, false, 13, l3_octets, octets.len());
        match (kd, lsb) {
            (KdInUse::Known(kd), _) => self.respond(index, active, kd, false),
            (KdInUse::New(record), Some(lsb)) => {
                let (ticket, kd) = self.store_agreed(record, lsb);
                if let Some(answering) = &mut self.links[index].answering {
                    answering.phase = Commanded::Storing { ticket, active, kd };
                }
            }
            (KdInUse::New(_), None) => self.links[index].answering = None,
        }
        Ok(())
    }

    /// Re-keying is proven: the new key sends.
    fn respond(&mut self, index: usize, active: Active, kd: KdId, new_kd: bool) {
        let (until, keep) = (self.now.plus_millis(self.config.overlap), self.config.retired);
        let now = self.now;
        let link = &mut self.links[index];
        link.answering = None;
        link.switch(active, until, keep);
        link.kd = kd;
        link.heard = now;
        link.rekeyed = now;
        link.answer = Answer::Response;
        self.send_protected(index, Lcid::PC5_S_PROTECTED, Body::RekeyingResponse);
        if let Some(keys) = self.links[index].keys() {
            self.state(index, State::Rekeyed { keys, new_kd });
        }
    }

    /// The complete came again: the answer to it was lost.
    pub(super) fn answer_again(&mut self, index: usize) {
        let body = match self.links[index].answer {
            Answer::Accept => accept_body(),
            Answer::Response => Body::RekeyingResponse,
        };
        self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
    }

    /// The complete of a re-keying did not come: the command again, or the end of it.
    pub(super) fn answering_due(&mut self, index: usize) {
        let deadline = self.now.plus_millis(self.config.t4111());
        let link = &mut self.links[index];
        let peer = link.peer;
        let Some(answering) = &mut link.answering else { return };
        let again = answering.tries < self.config.tries;
        answering.tries += 1;
        answering.deadline = deadline;
        match &mut answering.phase {
            Commanded::Proposed { proposed, .. } if again => {
                if let Ok(pdu) = frame::seal_command(proposed, &answering.command) {
                    let (session, l3_octets) = (Some(proposed.fingerprint()), answering.command.len());
                    self.send_octets(peer, Lcid::PC5_S_SECURITY_MODE, 12, session, l3_octets, pdu);
                }
            }
            // The store is slow: wait for it as often as for the peer.
            Commanded::Storing { .. } if again => {}
            _ => {
                link.answering = None;
                link.rekeyed = self.now;
                self.note(Note::RekeyingGivenUp { peer });
            }
        }
    }

    /// A new KD is durable.
    pub(super) fn stored(&mut self, ticket: Ticket) {
        let waits = |answering: &Answering| matches!(answering.phase, Commanded::Storing { ticket: t, .. } if t == ticket);
        if let Some(at) = self.half_open.iter().position(|half| waits(&half.answering)) {
            if let Some(mut half) = self.half_open.remove(at)
                && let Commanded::Storing { active, kd, .. } = take(&mut half.answering)
            {
                self.accept(half, active, kd);
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

    /// Sequence numbers end, and no new key came: the peer is told, and the link ends.
    pub(super) fn give_up_keys(&mut self, index: usize) {
        let body = Body::Release { reason: Cause::NotAvailable.value() };
        self.send_protected(index, Lcid::PC5_S_PROTECTED, body);
        self.close(index, Closed::Rekeying);
    }

    /// Begins to re-key when few sequence numbers are left.
    pub(super) fn rekey_if_due(&mut self, index: usize) {
        let link = &self.links[index];
        let (peer, stage) = (link.peer, link.stage);
        let Some(active) = &link.active else { return };
        let waits = self.now < link.rekeyed.plus_millis(self.config.rekey_interval);
        let (left, due) = (active.left(), active.wants_rekeying());
        if due && !waits && stage == Stage::Up && self.start_rekeying(index, false) == Ok::<(), Error>(()) {
            self.note(Note::RekeyingDue { peer, left });
        }
    }
}

/// What a complete proves: the keys, their KD, UE_1's half of a new KD's name, octets of the message.
type Proven = (Active, KdInUse, Option<u16>, usize);

/// Verifies a complete. `Ok(None)` when nothing waits for one; an error leaves the state as it was.
fn prove(
    answering: &mut Answering,
    header: OneToOneRepr,
    octets: &mut [u8],
) -> Result<Option<Proven>, pdcp::Error> {
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
            match parse(message).map(|repr| repr.body) {
                Ok(Body::SecurityModeComplete { kd_id_lsb }) => {
                    Ok(Some((active, kd, kd_id_lsb.map(u16::from_be_bytes), message.len())))
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

const fn accept_body() -> Body<'static> {
    Body::CommunicationAccept { ip_config: 1, link_local: None }
}
