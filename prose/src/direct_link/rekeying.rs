//! The initiating UE in re-keying, and automatic re-keying.

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{Active, Chosen, KdId};
use sidelink_security::pdu::Assurance;

use super::cause::{Cause, CauseOf};
use super::config::{FailedRekeying, NewKd};
use super::frame;
use super::io::{Closed, Error, Output, State as Reported};
use super::kd::{Change, KdRecord, Ticket};
use super::key_establishment::{Heard, Refusal, Step};
use super::link::Common;
use super::local::Local;
use super::note::{Note, PduError};
use super::relaying::{RelayLink, out_of_step};
use super::request::{
    CommandError, METHOD_TURNS, ProvenCommand, Request, user_plane_policy, wire_capabilities,
};
use super::session::{Exchange, Session, Up};
use super::target::Target;
use super::target_rekeying::TargetRekeying;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body, MessageType, RekeyingRequest};
use sidelink_wire::pdcp::OneToOneRepr;

/// Number of PDUs refused because of their SN before a re-keying begins. Some come late on any air.
const OUT_OF_STEP: u8 = 16;

/// Initiating: the request is sent.
#[derive(Debug)]
pub(super) struct Rekeying {
    pub(super) request: Request,
    /// The request as it is sent: every try repeats it, so that requests that cross are compared by the same nonces.
    message: Vec<u8>,
    tries: u8,
    /// A pending query.
    pub(super) question: Option<Ticket>,
    /// The command that the query is about, if it is about one, and whether the ID of its key is in use on this link.
    asked: Option<(OneToOneRepr, Vec<u8>, bool)>,
    pub(super) deadline: UtcTime,
}

/// Initiating: the command was right, and the new KD becomes durable before the complete names it.
#[derive(Debug)]
pub(super) struct StoringRekeyed {
    pub(super) ticket: Ticket,
    pub(super) active: Active,
    kd: KdId,
    tries: u8,
    reauthenticate: bool,
    pub(super) deadline: UtcTime,
}

/// Initiating: the complete is sent under the new key.
#[derive(Debug)]
pub(super) struct AwaitingResponse {
    /// The KD, if it is new too.
    new_kd: Option<KdId>,
    tries: u8,
    pub(super) deadline: UtcTime,
}

/// The peer is asked to ask: T4113 runs until its request comes.
#[derive(Debug)]
pub(super) struct Triggered {
    tries: u8,
    pub(super) deadline: UtcTime,
}

impl Up {
    /// Handles a PDU that can be the command of a re-keying.
    pub(super) fn on_command(
        self,
        link: &mut Common,
        local: &mut Local,
        header: OneToOneRepr,
        octets: &mut [u8],
        clashes: bool,
    ) -> (Self, Result<(), PduError>) {
        let Exchange::Rekeying(mut rekeying) = self.exchange else { return (self, Ok(())) };
        let mut up = Self::new(self.session);
        // One command at a time is what the network is asked about: the peer repeats the others.
        if rekeying.asked.is_some() {
            up.exchange = Exchange::Rekeying(rekeying);
            return (up, Ok(()));
        }
        let copy = rekeying.request.awaits_kd().then(|| octets.to_vec());
        match rekeying.request.on_command(link, local, header, octets, clashes) {
            Err(CommandError::Asks(question)) => {
                rekeying.asked = copy.map(|octets| (header, octets, clashes));
                rekeying.ask(link, local, question);
                up.exchange = Exchange::Rekeying(rekeying);
            }
            Err(CommandError::Pdu(error)) => {
                up.exchange = Exchange::Rekeying(rekeying);
                return (up, Err(error));
            }
            Err(CommandError::Refused(refusal)) => {
                let (peer, cause, why) = (link.remote, refusal.cause, refusal.why);
                local.note(Note::NotAuthenticated { peer, cause, why });
                up.exchange = Exchange::Rekeying(rekeying);
            }
            // Anybody can send it: no reply, and the exchange continues.
            Err(CommandError::Disagrees(disagreement, assurance)) if assurance != Assurance::Verified => {
                local.note(Note::Disagreed { peer: link.remote, disagreement });
                up.exchange = Exchange::Rekeying(rekeying);
            }
            // The peer itself disagrees: it gets the cause, and the exchange ends.
            Err(CommandError::Disagrees(disagreement, _)) => {
                local.note(Note::Disagreed { peer: link.remote, disagreement });
                up.session.refuse_rekeying(link, local, Cause::from(&disagreement));
                up.session.rekeyed_at = local.now;
                local.note(Note::RekeyingGivenUp { peer: link.remote });
            }
            Ok(commanded) => {
                up.session.heard_at = local.now;
                match commanded {
                    ProvenCommand::Known(active, kd) => up.take_over(link, local, active, (kd, false)),
                    ProvenCommand::New(active, record, pruk_id) => {
                        link.is_known_as(pruk_id);
                        up.exchange = rekeying.store(local, active, *record);
                    }
                }
            }
        }
        (up, Ok(()))
    }

    /// Returns the protection of the link.
    pub(super) fn in_use(&self) -> (Chosen, bool) {
        self.session.in_use()
    }

    /// Begins to re-key; with a new KD if `reauthenticate`.
    pub(super) fn start_rekeying(
        &mut self,
        link: &mut Common,
        local: &mut Local,
        reauthenticate: bool,
    ) -> Result<(), Error> {
        if self.session.active.chosen().eia == Algorithm::Null {
            return Err(Error::NothingToRekey);
        }
        if !self.exchange.is_idle() {
            return Err(Error::RekeyingTooSoon);
        }
        // TS 24.334 §10.4.8.2 (1)
        self.exchange = begin(&mut self.session, link, local, reauthenticate, 1);
        Ok(())
    }

    /// Begins to re-key when few sequence numbers are left.
    pub(super) fn rekey_if_due(&mut self, link: &mut Common, local: &mut Local) {
        let (left, due) = (self.session.active.left(), self.session.active.wants_rekeying());
        if due
            && !self.session.rekeyed_lately(local)
            && self.start_rekeying(link, local, false) == Ok::<(), Error>(())
        {
            local.note(Note::RekeyingDue { peer: link.remote, left });
        }
    }

    /// Counts data that was refused because of its SN. A forged SN may have moved the window beyond the peer's SN: a
    /// new key gives new windows.
    pub(super) fn data_refused(&mut self, link: &mut Common, local: &mut Local) {
        self.session.out_of_step = self.session.out_of_step.saturating_add(1);
        if self.session.out_of_step >= OUT_OF_STEP
            && !self.session.rekeyed_lately(local)
            && self.start_rekeying(link, local, false) == Ok::<(), Error>(())
        {
            self.session.out_of_step = 0;
            local.note(Note::OutOfStep { peer: link.remote });
        }
    }

    /// Asks the peer to re-key with a new KD, and repeats it until its request comes: T4113. TS 24.334 §10.4.8.2 lets a relay
    /// alone do so; here the operator answers for it.
    pub(super) fn trigger_rekeying(&mut self, link: &mut Common, local: &mut Local) -> Result<(), Error> {
        if !self.exchange.is_idle() {
            return Err(Error::RekeyingTooSoon);
        }
        self.exchange = Triggered { tries: 0, deadline: local.now }.send(&mut self.session, link, local);
        Ok(())
    }

    /// The peer wants this end to ask for a new KD. Where only the operator gives keys, for a new session key.
    pub(super) fn on_rekeying_trigger(mut self, link: &mut Common, local: &mut Local) -> Self {
        if self.session.rekeyed_lately(local) {
            local.note(Note::RekeyingStorm { peer: link.remote });
        } else {
            // Already under way, or nothing to re-key: the trigger has nothing to add.
            // TS 24.334 §10.4.8.2 (6)
            let _ = self.start_rekeying(link, local, !local.methods.is_empty());
        }
        self
    }

    /// Ends the re-keying: the response came under the new key.
    // TS 24.334 §10.4.8.4
    pub(super) fn rekeying_done(mut self, link: &mut Common, local: &mut Local) -> Self {
        if let Exchange::AwaitingResponse(AwaitingResponse { new_kd, .. }) = self.exchange {
            self.session.rekeyed_at = local.now;
            let (keys, new) = (self.session.keys(), new_kd.is_some());
            link.report(local, Reported::Rekeyed { keys, new_kd: new });
            if let Some(kd) = new_kd {
                local.remove_others(&link.identity, kd);
            }
            self.exchange = Exchange::Idle;
        }
        self
    }

    /// Handles a refusal of the proven peer to re-key.
    // TS 24.334 §10.4.5.5 (4)
    pub(super) fn rekeying_refused(mut self, link: &mut Common, local: &mut Local, cause: Cause) -> Self {
        if matches!(self.exchange, Exchange::Rekeying(_) | Exchange::TargetRekeying(_)) {
            self.exchange = Exchange::Idle;
            self.session.rekeyed_at = local.now;
            local.note(Note::PeerRefuses { peer: link.remote, cause, proven: true });
            local.note(Note::RekeyingGivenUp { peer: link.remote });
        }
        self
    }

    /// Handles a container of the peer, under the current key.
    pub(super) fn on_container(
        self,
        link: &mut Common,
        local: &mut Local,
        phase: AuthenticationPhase,
        content: &[u8],
    ) -> Self {
        let Self { session, exchange } = self;
        let mut up = Self { session, exchange: Exchange::Idle };
        up.exchange = match (exchange, phase) {
            (Exchange::Rekeying(mut state), AuthenticationPhase::Request) => {
                state.step(&mut up.session, link, local, Heard::Container(content));
                Exchange::Rekeying(state)
            }
            (Exchange::TargetRekeying(mut target), AuthenticationPhase::Response) => {
                if let Target::Establishing(state) = &mut target.state {
                    let step = state.step(local, &link.identity, Heard::Container(content));
                    up.follow(link, local, target, step);
                    return up;
                }
                Exchange::TargetRekeying(target)
            }
            (exchange, _) => exchange,
        };
        up
    }

    /// Whether a query with this ticket is pending.
    pub(super) fn has_asked(&self, ticket: Ticket) -> bool {
        match &self.exchange {
            Exchange::Rekeying(state) => state.question == Some(ticket),
            Exchange::TargetRekeying(target) => target.state.has_asked(ticket),
            _ => false,
        }
    }

    /// Handles the answer to a query of the exchange, or its refusal.
    pub(super) fn on_answer(mut self, link: &mut Common, local: &mut Local, answer: Option<&[u8]>) -> Self {
        let asked = match &mut self.exchange {
            Exchange::Rekeying(state) => state.asked.take(),
            _ => None,
        };
        let Some(answer) = answer else {
            if let (Exchange::Rekeying(state), Some(_)) = (&mut self.exchange, &asked) {
                // The network has nothing for this command; another one may come.
                state.question = None;
                return self;
            }
            let mut up = self.rekeying_refused(link, local, Cause::AuthenticationFailure);
            up.session.refuse_rekeying(link, local, Cause::AuthenticationFailure);
            return up;
        };
        let Self { session, exchange } = self;
        let mut up = Self { session, exchange: Exchange::Idle };
        match exchange {
            Exchange::Rekeying(mut state) => {
                state.question = None;
                if asked.is_none() {
                    state.deadline = state.request.answered(local, state.tries);
                }
                state.step(&mut up.session, link, local, Heard::Answer(answer));
                let has_kd = !state.request.awaits_kd();
                up.exchange = Exchange::Rekeying(state);
                if let Some((header, mut octets, clashes)) = asked.filter(|_| has_kd) {
                    let (next, result) = up.on_command(link, local, header, &mut octets, clashes);
                    if let Err(error) = result {
                        let (source, lcid) = (link.remote, Lcid::PC5_S_SECURITY_MODE);
                        local.note(Note::Refused { source, lcid, error });
                    }
                    return next;
                }
            }
            Exchange::TargetRekeying(mut target) => match &mut target.state {
                Target::Establishing(state) => {
                    state.question = None;
                    let step = state.step(local, &link.identity, Heard::Answer(answer));
                    up.follow(link, local, target, step);
                }
                _ => up.exchange = Exchange::TargetRekeying(target),
            },
            exchange => up.exchange = exchange,
        }
        up
    }

    /// Switches sending to the keys of a proven command.
    pub(super) fn take_over(
        &mut self,
        link: &mut Common,
        local: &mut Local,
        active: Active,
        (kd, new_kd): (KdId, bool),
    ) {
        // TS 24.334 §10.4.5.3 (5)
        self.session.switch(active, link, local);
        self.session.kd = kd;
        let mut state = AwaitingResponse { new_kd: new_kd.then_some(kd), tries: 0, deadline: local.now };
        state.complete(&mut self.session.active, link, local);
        self.exchange = Exchange::AwaitingResponse(state);
    }

    /// Continues when the new KD of this ticket is durable.
    pub(super) fn on_stored(mut self, link: &mut Common, local: &mut Local) -> Self {
        match core::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::StoringRekeyed(StoringRekeyed { active, kd, .. }) => {
                self.take_over(link, local, active, (kd, true));
            }
            Exchange::TargetRekeying(TargetRekeying { state: Target::StoringKd(storing), .. }) => {
                self.respond(link, local, storing.active, (storing.kd, true));
            }
            Exchange::TargetRekeying(mut target) => match &mut target.state {
                Target::Establishing(state) => {
                    state.admitting = None;
                    let step = state.step(local, &link.identity, Heard::Admitted);
                    self.follow(link, local, target, step);
                }
                _ => self.exchange = Exchange::TargetRekeying(target),
            },
            exchange => self.exchange = exchange,
        }
        self
    }
}

/// Begins to re-key, with fresh values, as try number `tries`. Without a session number the exchange does not begin: the
/// next PDU tries again.
fn begin(
    session: &mut Session,
    link: &mut Common,
    local: &mut Local,
    reauthenticate: bool,
    tries: u8,
) -> Exchange {
    let (in_use, kd) = (session.in_use(), session.kd);
    let Some(mut request) = Request::new(local, Some(in_use), Some(kd), reauthenticate) else {
        return Exchange::Idle;
    };
    let signs = reauthenticate || local.config.new_kd != NewKd::WhenAsked;
    if signs && request.offer_agreement(local, link, None).is_none() {
        return Exchange::Idle;
    }
    let message = request_message(link, local, &request);
    request.sent(message.clone());
    let rekeying = Rekeying { request, message, tries, question: None, asked: None, deadline: local.now };
    let mut rekeying = rekeying.send(session, link, local);
    rekeying.step(session, link, local, Heard::Begin);
    Exchange::Rekeying(rekeying)
}

fn request_message(link: &mut Common, local: &Local, request: &Request) -> Vec<u8> {
    let offer = request.offer();
    // TS 33.303 §6.5.5.3 step 1
    let body = Body::RekeyingRequest(RekeyingRequest {
        capabilities: wire_capabilities(offer.capabilities),
        nonce: offer.nonce_1,
        // TS 24.334 §10.4.8.2 (2)
        kd_sess_msb: offer.msb,
        // TS 24.334 §10.4.8.2 (3)
        re_auth: request.reauthenticate.then_some(1),
        // TS 33.303 §6.7.3.2.1.3
        pruk_id: link.relay.as_ref().and_then(RelayLink::pruk_id),
        key_info: request.info(),
    });
    frame::message(local.config.profile, link.next_sequence(), body)
}

impl Rekeying {
    /// Sends the request, or sends it again.
    fn send(mut self, session: &mut Session, link: &Common, local: &mut Local) -> Self {
        self.deadline = local.now.plus_millis(self.request.patience(local, self.tries));
        let (lcid, kind) = (Lcid::PC5_S_PROTECTED, MessageType::RekeyingRequest);
        link.send_message(local, &mut session.active, lcid, (kind, &self.message));
        self
    }

    /// Ends a try. The next one repeats the message; where the peer's authentication had begun, that cannot begin again,
    /// and a new request is sent.
    // TS 24.334 §10.4.8.6.1
    pub(super) fn on_time(
        self,
        session: &mut Session,
        link: &mut Common,
        local: &mut Local,
    ) -> Result<Exchange, Closed> {
        if self.request.has_stepped() || self.tries >= local.config.tries {
            return next_try((self.tries, self.request.reauthenticate), session, link, local);
        }
        local.note(Note::TryEnded { peer: link.remote, number: self.tries });
        let again = Self { tries: self.tries + 1, ..self };
        Ok(Exchange::Rekeying(again.send(session, link, local)))
    }

    /// Stores the new KD after a right command.
    pub(super) fn store(self, local: &mut Local, active: Active, record: KdRecord) -> Exchange {
        let Self { request, tries, deadline, .. } = self;
        let (kd, reauthenticate) = (record.id, request.reauthenticate);
        let ticket = local.store(vec![Change::Put(record)]);
        Exchange::StoringRekeyed(StoringRekeyed { ticket, active, kd, tries, reauthenticate, deadline })
    }

    pub(super) fn step(
        &mut self,
        session: &mut Session,
        link: &mut Common,
        local: &mut Local,
        heard: Heard<'_>,
    ) {
        let (phase, method) = (AuthenticationPhase::Response, self.request.method());
        let content = match self.request.step(local, &link.identity, heard) {
            Ok(Step::Wait | Step::Admit(_)) => return,
            // TS 24.334 §10.4.5.5: the keys of before stay.
            Ok(Step::OutOfStep { rand, auts }) => {
                return session.send(link, local, out_of_step(local.config.profile, (rand, auts)));
            }
            Ok(Step::Agreed(kd)) => return self.request.agreed(kd),
            Ok(Step::Send(content)) => content,
            Ok(Step::SendAgreed(content, kd)) => {
                self.request.agreed(kd);
                self.deadline = local.now.plus_millis(local.config.t4100(METHOD_TURNS));
                content
            }
            Ok(Step::Ask(question)) => return self.ask(link, local, question),
            Err(refusal) => return session.refuse_authentication(link, local, &refusal),
        };
        session.send(link, local, Body::Authentication { phase, method, content: &content });
    }

    /// Queries the network.
    fn ask(&mut self, link: &Common, local: &mut Local, question: Vec<u8>) {
        let (ticket, remote) = (local.new_ticket(), link.identity.clone());
        self.question = Some(ticket);
        if self.asked.is_none() {
            self.deadline = self.request.asked(local);
        }
        local.push(Output::Ask { ticket, method: self.request.method(), remote, question });
    }
}

/// Ends a try of a re-keying: begins the next one with fresh values, or gives up. Then a link of LTE ends too, unless the
/// configuration spares it.
fn next_try(
    (tries, reauthenticate): (u8, bool),
    session: &mut Session,
    link: &mut Common,
    local: &mut Local,
) -> Result<Exchange, Closed> {
    let peer = link.remote;
    if tries < local.config.tries {
        local.note(Note::TryEnded { peer, number: tries });
        return Ok(begin(session, link, local, reauthenticate, tries + 1));
    }
    // TS 24.334 §10.4.8.6.1
    if !local.is_nr() && local.config.failed_rekeying == FailedRekeying::Release {
        session.send_release(link, local, Cause::NotAvailable);
        return Err(Closed::Rekeying);
    }
    session.rekeyed_at = local.now;
    local.note(Note::RekeyingGivenUp { peer });
    Ok(Exchange::Idle)
}

impl StoringRekeyed {
    /// Abandons this try when the store takes longer than the peer's timer.
    pub(super) fn on_time(
        self,
        session: &mut Session,
        link: &mut Common,
        local: &mut Local,
    ) -> Result<Exchange, Closed> {
        next_try((self.tries, self.reauthenticate), session, link, local)
    }
}

impl Triggered {
    fn send(mut self, session: &mut Session, link: &mut Common, local: &mut Local) -> Exchange {
        self.tries += 1;
        self.deadline = local.now.plus_millis(local.config.t4101());
        session.send(link, local, Body::RekeyingTrigger);
        Exchange::Triggered(self)
    }

    pub(super) fn on_time(self, session: &mut Session, link: &mut Common, local: &mut Local) -> Exchange {
        local.note(Note::TryEnded { peer: link.remote, number: self.tries });
        if self.tries < local.config.tries { self.send(session, link, local) } else { Exchange::Idle }
    }
}

impl AwaitingResponse {
    pub(super) fn on_time(
        mut self,
        session: &mut Session,
        link: &mut Common,
        local: &mut Local,
    ) -> Result<Exchange, Closed> {
        if self.tries >= local.config.tries {
            // Under the new key: the old one opens at the peer for a while at most.
            session.send_release(link, local, Cause::NotAvailable);
            return Err(Closed::Rekeying);
        }
        self.complete(&mut session.active, link, local);
        Ok(Exchange::AwaitingResponse(self))
    }

    /// Sends the complete, or sends it again.
    pub(super) fn complete(&mut self, active: &mut Active, link: &mut Common, local: &mut Local) {
        self.tries += 1;
        self.deadline = local.now.plus_millis(local.config.t4111());
        let kd_id_lsb = self.new_kd.map(|kd| kd.lsb().to_be_bytes());
        let up_policy = user_plane_policy(local).map(frame::wire_policy);
        let body = Body::SecurityModeComplete { kd_id_lsb, up_policy, connection: None };
        link.send_protected(local, active, Lcid::PC5_S_SECURITY_MODE, body);
    }
}

impl Session {
    pub(super) fn in_use(&self) -> (Chosen, bool) {
        (self.active.chosen(), self.active.up_integrity())
    }

    pub(super) fn refuse_rekeying(&mut self, link: &mut Common, local: &mut Local, cause: Cause) {
        let cause = cause.octet(local.config.profile, CauseOf::SecurityModeReject);
        self.send(link, local, Body::SecurityModeReject { cause, rand: None, auts: None });
    }

    pub(super) fn refuse_authentication(&mut self, link: &mut Common, local: &mut Local, refusal: &Refusal) {
        let (peer, cause) = (link.remote, refusal.cause);
        local.note(Note::NotAuthenticated { peer, cause, why: refusal.why.clone() });
        let (phase, content) = (AuthenticationPhase::Reject, [cause.value()]);
        self.send(link, local, Body::Authentication { phase, method: 0, content: &content });
    }
}
