//! UE_2 in re-keying, and when re-keying begins by itself.

use sidelink_security::direct::{Active, Capabilities, KdId, Offer};

use super::answering::{Proven, prove};
use super::config::NewKd;
use super::frame;
use super::hub::Hub;
use super::io::{Closed, Error, State};
use super::kd::KdRecord;
use super::link::{Answer, Answering, Asked, Commanded, KdInUse, Stage, Update};
use super::note::{Cause, Note, PduError};
use sidelink_security::pdu::PduRefusal;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{Body, MessageType, RekeyingRequest};
use sidelink_wire::pdcp::{HEADER_LEN, OneToOneRepr};

impl Hub {
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
        match &self.links[index].update {
            // Who asks for a new key first gets it; identifiers can wait.
            Some(Update::Asking { .. }) => self.links[index].update = None,
            Some(Update::Answering { repeat, .. }) if repeat.tries < self.config.tries => return,
            // It still uses the old name: it has given up the new one.
            Some(Update::Answering { .. }) => self.links[index].update = None,
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
        let capabilities = Capabilities { eea: request.capabilities.eea, eia: request.capabilities.eia };
        let offer = Offer {
            nonce_1: request.nonce,
            msb: request.kd_sess_msb,
            capabilities,
            stated: self.stated(capabilities),
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
        if self.wants_new_kd(&record) && self.authenticate_rekeying(index, offer, message, request.key_info) {
            return;
        }
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
                    self.send_octets(
                        peer,
                        Lcid::PC5_S_SECURITY_MODE,
                        MessageType::SecurityModeCommand,
                        session,
                        message,
                        pdu,
                    );
                }
            }
        }
    }

    /// UE_2's own wish, without the Re-auth flag.
    fn wants_new_kd(&self, record: &KdRecord) -> bool {
        match self.config.new_kd {
            NewKd::WhenAsked => false,
            NewKd::WhenDue => record.due(self.now, self.numbers.peek(), self.config.kd_lifetime),
            NewKd::Always => true,
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
    ) -> Result<(), PduError> {
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
            self.deliver(
                index,
                lcid,
                header.sdu_type,
                (&opened.proof).into(),
                &octets[HEADER_LEN..opened.end],
            );
            return Ok(());
        }
        if lcid != Lcid::PC5_S_SECURITY_MODE {
            // It overtook the complete; what matters is repeated.
            return Err(PduRefusal::UnknownKey.into());
        }
        let proven = prove(self.config.profile, answering, header, octets)?;
        let Some(Proven { active, kd, lsb, l3_octets, .. }) = proven else { return Ok(()) };
        let peer = link.peer;
        self.meter(peer, false, MessageType::SecurityModeComplete, l3_octets, octets.len());
        match (kd, lsb) {
            (KdInUse::Known(kd), _) => self.respond(index, active, kd, false),
            (KdInUse::New(record), Some(lsb)) => {
                let (ticket, kd) = self.store_agreed(record, lsb);
                if let Some(answering) = &mut self.links[index].answering {
                    answering.phase = Commanded::Storing { ticket, active, kd, connection: None };
                }
            }
            (KdInUse::New(_), None) => self.links[index].answering = None,
        }
        Ok(())
    }

    /// Re-keying is proven: the new key sends.
    pub(super) fn respond(&mut self, index: usize, active: Active, kd: KdId, new_kd: bool) {
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
                    self.send_octets(
                        peer,
                        Lcid::PC5_S_SECURITY_MODE,
                        MessageType::SecurityModeCommand,
                        session,
                        l3_octets,
                        pdu,
                    );
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
