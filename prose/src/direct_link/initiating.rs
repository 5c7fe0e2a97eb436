//! The initiating UE in set-up: request, command, complete, accept.

use core::mem;

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{Active, KdId};
use sidelink_security::pdu::Assurance;

use super::cause::{Cause, CauseOf};
use super::config::Allocation;
use super::frame;
use super::io::{Closed, Output, Role};
use super::kd::{Change, Identity, Ticket};
use super::key_establishment::{Heard, Step};
use super::link::{Common, Message, Next, State};
use super::local::Local;
use super::note::Note;
use super::relaying::out_of_step;
use super::request::{
    CommandError, METHOD_TURNS, ProvenCommand, Request, user_plane_policy, wire_capabilities,
};
use super::session::{Answer, Session, Up};
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{
    AuthenticationPhase, Body, CommunicationRequest, SIGNATURE_LEN, UserInfo, UserPlane,
};
use sidelink_wire::pdcp::OneToOneRepr;

/// Common part of the tries of a set-up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Setup {
    pub(super) tries: u8,
    /// The last refusal in the peer's name, unproven.
    pub(super) hint: Option<Cause>,
    /// Whether this UE cannot authenticate.
    pub(super) unable: bool,
}

/// Number of PDUs that wait for the answer to a query, at most: anybody can send one.
const EARLY: usize = 4;

/// The request is sent.
#[derive(Debug)]
pub(super) struct AwaitingSecurityMode {
    pub(super) setup: Setup,
    pub(super) request: Request,
    /// A pending query.
    question: Option<Ticket>,
    /// The command that the query is about, if it is about one.
    asked: Option<(OneToOneRepr, Vec<u8>)>,
    /// PDUs that may be the command, under the key that a query or a container brings.
    pub(super) early: Vec<(OneToOneRepr, Vec<u8>)>,
    pub(super) deadline: UtcTime,
}

/// The command was right, and the new KD becomes durable before the complete names it.
#[derive(Debug)]
pub(super) struct StoringKd {
    pub(super) setup: Setup,
    pub(super) ticket: Ticket,
    pub(super) active: Active,
    kd: KdId,
    pub(super) deadline: UtcTime,
}

/// The complete is sent.
#[derive(Debug)]
pub(super) struct AwaitingAccept {
    pub(super) setup: Setup,
    pub(super) active: Active,
    kd: KdId,
    /// Whether the KD was agreed on in this set-up.
    new_kd: bool,
    /// The one-time identity that this end gives.
    given: Option<[u8; 4]>,
    pub(super) deadline: UtcTime,
}

impl State {
    /// Returns the common part of the tries of the set-up.
    pub(super) const fn setup(&mut self) -> Option<&mut Setup> {
        match self {
            Self::AwaitingSecurityMode(state) => Some(&mut state.setup),
            Self::StoringKd(state) => Some(&mut state.setup),
            Self::AwaitingAccept(state) => Some(&mut state.setup),
            Self::Up(_) | Self::Releasing(_) => None,
        }
    }
}

/// Sends a request with a new nonce, as the next try. Returns the set-up when no session number is durable.
pub(super) fn request(
    link: &mut Common,
    local: &mut Local,
    mut setup: Setup,
    cookie: Option<[u8; 16]>,
) -> Result<AwaitingSecurityMode, Setup> {
    let number = local.number();
    let Some(mut request) = Request::new(local, None, None, false) else { return Err(setup) };
    // After a crash the peer may have an older key than ours: every try names the next one.
    let shared = local.keyring.of_peer(&link.identity, local.clock, number);
    // The network of a relay is asked for each link.
    let known: Vec<KdId> = shared.filter(|_| link.relay.is_none()).map(|record| record.id).collect();
    let kd = known.get(usize::from(setup.tries) % known.len().max(1)).copied();
    request.name(kd);
    setup.tries += 1;
    // The first try offers no authentication if a KD is known: it fits into one block then.
    if (kd.is_none() || setup.tries > 1) && request.offer_agreement(local, link, cookie).is_none() {
        return Err(setup);
    }
    // Who is asked by a one-time name would not know for which path.
    let connection =
        if link.hop.is_some() { None } else { local.connection_to(&link.identity, kd, setup.tries) };
    link.next_sequence();
    let unsigned = request_message(link, local, &request, (kd, connection), None);
    let message = match request.sign(local, &link.identity, &unsigned) {
        Ok(None) => unsigned,
        // TS 24.334 §10.4.2.2 (9); TS 33.303 §6.5.7.3.1 step 1
        Ok(signature) => request_message(link, local, &request, (kd, connection), signature),
        Err(refusal) => {
            let (peer, cause, why) = (link.remote, refusal.cause, refusal.why);
            local.note(Note::NotAuthenticated { peer, cause, why });
            setup.unable = true;
            return Err(setup);
        }
    };
    // TS 24.334 §10.4.2.2 (10)
    let deadline = local.now.plus_millis(request.patience(local, setup.tries));
    let kind = sidelink_wire::pc5_signalling::MessageType::CommunicationRequest;
    // TS 24.334 §10.4.2.2 (10)
    local.send_plain([link.local, link.remote], kind, &message);
    request.sent(message);
    let mut state =
        AwaitingSecurityMode { setup, request, question: None, asked: None, early: Vec::new(), deadline };
    state.step(link, local, Heard::Begin);
    Ok(state)
}

fn request_message(
    link: &Common,
    local: &Local,
    request: &Request,
    (kd, connection): (Option<KdId>, Option<[u8; 4]>),
    signature: Option<[u8; SIGNATURE_LEN]>,
) -> Vec<u8> {
    let (relay, hop) = (link.relay.as_ref(), link.hop.as_ref());
    // TS 24.334 §10.4.2.2 (2)
    let (own, offer) = (relay.map_or(&local.config.identity, |relay| &relay.user), request.offer());
    // A remote UE gives its relay no addresses.
    let allocation = relay.map_or(local.config.allocation, |_| Allocation::NotSupported);
    let body = Body::CommunicationRequest(CommunicationRequest {
        user_info: match &connection {
            Some(_) => UserInfo { kind: own.kind, value: &[] },
            None => UserInfo { kind: own.kind, value: &own.value },
        },
        ip_config: allocation.octet(),
        // TS 24.334 §10.4.2.2 (6)
        maximum_inactivity: u32::try_from(local.config.inactivity.div_ceil(1000)).unwrap_or(u32::MAX),
        policy: offer.stated.map(frame::wire_policy),
        target: hop.map(|hop| hop.target.value.as_slice()),
        nonce: offer.nonce_1,
        capabilities: wire_capabilities(offer.capabilities),
        // TS 24.334 §10.4.2.2 (7)
        kd_sess_msb: offer.msb,
        // TS 24.334 §10.4.2.2 (8); TS 33.303 §6.5.5.2 step 1 (2)
        kd_id: kd.filter(|_| connection.is_none()).map(|kd| kd.0.to_be_bytes()),
        relay_service_code: relay.map(|relay| relay.service).or(hop.map(|hop| hop.service)),
        signature,
        link_local: None,
        key_info: request.info(),
        connection,
    });
    frame::message(local.config.profile, link.sequence, body)
}

impl Setup {
    /// Handles the end of a try: starts the next one, or ends the set-up. The peer may be up already; a request with a
    /// new nonce is right in both cases. `wait` makes the state that waits for a session number.
    fn next_try(
        self,
        link: &mut Common,
        local: &mut Local,
        wait: impl FnOnce(Self, UtcTime) -> Next,
    ) -> Next {
        local.note(Note::TryEnded { peer: link.remote, number: self.tries });
        if self.tries >= local.config.tries {
            return Next::Close(Closed::NoAnswer { hint: self.hint });
        }
        match request(link, local, self, None) {
            Ok(state) => state.into(),
            Err(Self { unable: true, .. }) => Next::Close(Closed::CannotAuthenticate),
            Err(setup) => wait(setup, local.now.plus_millis(local.config.sc_period)),
        }
    }
}

impl AwaitingSecurityMode {
    pub(super) fn on_time(self, link: &mut Common, local: &mut Local) -> Next {
        if self.question.is_some() {
            local.note(Note::NetworkSilent { peer: link.remote });
        }
        self.setup.next_try(link, local, |setup, deadline| Self { setup, deadline, ..self }.into())
    }

    /// Handles a PDU that can be the command.
    pub(super) fn on_command(
        mut self,
        link: &mut Common,
        local: &mut Local,
        header: OneToOneRepr,
        octets: &mut [u8],
    ) -> (Next, Result<(), super::note::PduError>) {
        // One command at a time is what the network is asked about: the peer repeats the others.
        if self.asked.is_some() {
            return (self.into(), Ok(()));
        }
        // The key can be the one that is asked for, or that a container brings.
        let early = (self.question.is_some() || self.request.awaits_kd()).then(|| octets.to_vec());
        let next = match self.request.on_command(link, local, header, octets, false) {
            Err(CommandError::Pdu(error)) => {
                let waits = early.filter(|_| self.early.len() < EARLY);
                let result = if waits.is_some() { Ok(()) } else { Err(error) };
                self.early.extend(waits.map(|octets| (header, octets)));
                return (self.into(), result);
            }
            Err(CommandError::Asks(question)) => {
                self.asked = early.map(|octets| (header, octets));
                self.ask(link, local, question);
                self.into()
            }
            Err(CommandError::Refused(refusal)) => {
                self.setup.hint = Some(refusal.cause);
                local.not_authenticated([link.local, link.remote], &refusal);
                self.into()
            }
            Err(CommandError::Disagrees(disagreement, assurance)) => {
                let cause = Cause::from(&disagreement);
                local.note(Note::Disagreed { peer: link.remote, disagreement });
                // Once a try, and only to a proven peer: a forger cannot make this UE transmit.
                if assurance == Assurance::Verified && self.setup.hint != Some(cause) {
                    let octet = cause.octet(local.config.profile, CauseOf::SecurityModeReject);
                    let body = Body::SecurityModeReject { cause: octet, rand: None, auts: None };
                    link.send_plain(local, body);
                }
                self.setup.hint = Some(cause);
                self.into()
            }
            Ok(ProvenCommand::Known(active, kd)) => {
                AwaitingAccept::enter(self.setup, active, kd, false, link, local)
            }
            Ok(ProvenCommand::New(active, record, pruk_id)) => {
                link.is_known_as(pruk_id);
                let (setup, kd, deadline) = (self.setup, record.id, self.deadline);
                let ticket = local.store(vec![Change::Put(*record)]);
                StoringKd { setup, ticket, active, kd, deadline }.into()
            }
        };
        (next, Ok(()))
    }

    /// Handles a container of the peer, which anybody can have sent.
    pub(super) fn on_container(mut self, link: &mut Common, local: &mut Local, content: &[u8]) -> Next {
        if !local.may_judge() {
            return self.into();
        }
        self.step(link, local, Heard::Container(content));
        if self.request.awaits_kd() { self.into() } else { self.on_early(link, local) }
    }

    /// Takes the commands that came before their KD: a short one overtakes a long container.
    fn on_early(mut self, link: &mut Common, local: &mut Local) -> Next {
        for (header, mut octets) in mem::take(&mut self.early) {
            match self.on_command(link, local, header, &mut octets) {
                (Next::To(State::AwaitingSecurityMode(still)), _) => self = still,
                (next, _) => return next,
            }
        }
        self.into()
    }

    /// Handles the answer to a query, or its refusal, which ends the set-up.
    pub(super) fn on_answer(mut self, link: &mut Common, local: &mut Local, answer: Option<&[u8]>) -> Next {
        self.question = None;
        let asked = self.asked.take();
        let Some(answer) = answer else {
            // Anybody can have sent the command that the network was asked about.
            return if asked.is_some() { self.into() } else { Next::Close(Closed::NotEstablished) };
        };
        // A command is anybody's: what the network says of it prolongs nothing.
        if asked.is_none() {
            self.deadline = self.request.answered(local, self.setup.tries);
        }
        self.step(link, local, Heard::Answer(answer));
        match asked {
            // What it leads to proves it; otherwise the next one is heard.
            Some((header, mut octets)) if !self.request.awaits_kd() => {
                let (next, result) = self.on_command(link, local, header, &mut octets);
                if let Err(error) = result {
                    local.note(Note::Refused { source: link.remote, lcid: Lcid::PC5_S_SECURITY_MODE, error });
                }
                next
            }
            Some(_) => self.into(),
            None => self.on_early(link, local),
        }
    }

    fn step(&mut self, link: &mut Common, local: &mut Local, heard: Heard<'_>) {
        let method = self.request.method();
        match self.request.step(local, &link.identity, heard) {
            Ok(Step::Wait | Step::Admit(_)) => {}
            Ok(Step::Agreed(kd)) => self.request.agreed(kd),
            Ok(Step::Send(content)) => self.say(link, local, method, &content),
            Ok(Step::SendAgreed(content, kd)) => {
                self.request.agreed(kd);
                self.deadline = local.now.plus_millis(local.config.t4100(METHOD_TURNS));
                self.say(link, local, method, &content);
            }
            Ok(Step::Ask(question)) => self.ask(link, local, question),
            Ok(Step::OutOfStep { rand, auts }) => {
                let body = out_of_step(local.config.profile, (rand, auts));
                link.send_plain(local, body);
                // The relay asks its network once more: once an exchange, so that forged commands prolong nothing without end.
                self.deadline = self.deadline.max(self.request.answered(local, self.setup.tries));
            }
            Err(refusal) => {
                self.setup.hint = Some(refusal.cause);
                local.not_authenticated([link.local, link.remote], &refusal);
            }
        }
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

    fn say(&self, link: &mut Common, local: &mut Local, method: u8, content: &[u8]) {
        let phase = AuthenticationPhase::Response;
        link.send_plain(local, Body::Authentication { phase, method, content });
    }

    /// Whether this state waits for the answer to this query.
    pub(super) fn has_asked(&self, ticket: Ticket) -> bool {
        self.question == Some(ticket)
    }

    /// Handles a cookie, which the target UE demands before it signs: repeats the same try with the cookie.
    pub(super) fn on_cookie(self, link: &mut Common, local: &mut Local, cookie: [u8; 16]) -> Self {
        if !self.request.takes_cookie() {
            return self;
        }
        let setup = Setup { tries: self.setup.tries.saturating_sub(1), ..self.setup };
        match request(link, local, setup, Some(cookie)) {
            Ok(state) => state,
            Err(setup) => Self { setup, deadline: local.now.plus_millis(local.config.sc_period), ..self },
        }
    }
}

impl StoringKd {
    pub(super) fn on_time(self, link: &mut Common, local: &mut Local) -> Next {
        self.setup.next_try(link, local, |setup, deadline| Self { setup, deadline, ..self }.into())
    }

    /// Continues when the new KD is durable: the complete may be sent.
    pub(super) fn on_stored(self, link: &mut Common, local: &mut Local) -> Next {
        AwaitingAccept::enter(self.setup, self.active, self.kd, true, link, local)
    }
}

impl AwaitingAccept {
    /// Enters the state with the complete.
    fn enter(
        setup: Setup,
        active: Active,
        kd: KdId,
        new_kd: bool,
        link: &mut Common,
        local: &mut Local,
    ) -> Next {
        let given = local.give_connection(kd, &link.identity);
        let mut state = Self { setup, active, kd, new_kd, given, deadline: local.now };
        state.complete(link, local);
        state.into()
    }

    /// Sends the complete, or sends it again.
    fn complete(&mut self, link: &mut Common, local: &mut Local) {
        self.deadline = local.now.plus_millis(local.config.t4111());
        // TS 24.334 §10.4.5.3 (5); TS 33.303 §6.5.5.2 step 4 (2)
        let kd_id_lsb = self.new_kd.then(|| self.kd.lsb().to_be_bytes());
        let up_policy = user_plane_policy(local).map(frame::wire_policy);
        let body = Body::SecurityModeComplete { kd_id_lsb, up_policy, connection: self.given };
        link.send_protected(local, &mut self.active, Lcid::PC5_S_SECURITY_MODE, body);
    }

    pub(super) fn on_time(self, link: &mut Common, local: &mut Local) -> Next {
        self.setup.next_try(link, local, |setup, deadline| Self { setup, deadline, ..self }.into())
    }

    pub(super) fn on_message(mut self, link: &mut Common, local: &mut Local, message: &Message<'_>) -> Next {
        let security_mode = message.lcid == Lcid::PC5_S_SECURITY_MODE;
        match message.repr.body {
            // The complete was lost: the peer repeats the command under the same key.
            Body::SecurityModeCommand(_) if security_mode => self.complete(link, local),
            _ if security_mode => link.unexpected(local, message),
            Body::CommunicationAccept { ip_config, up, connection, .. } => {
                link.allocation = Allocation::new(ip_config);
                return self.accepted(link, local, up, connection);
            }
            Body::CommunicationReject { cause } => {
                let (peer, profile) = (link.remote, local.config.profile);
                let cause = Cause::from_octet(profile, CauseOf::Reject, cause);
                local.note(Note::PeerRefuses { peer, cause, proven: true });
                local.is_refused_by(link.permanent, cause);
                return Next::Close(Closed::NoAnswer { hint: Some(cause) });
            }
            _ => link.unexpected(local, message),
        }
        self.into()
    }

    /// Handles the accept, which states the protection of user data.
    fn accepted(
        mut self,
        link: &mut Common,
        local: &mut Local,
        up: Option<UserPlane>,
        connection: Option<[u8; 4]>,
    ) -> Next {
        if let Some(up) = up {
            let chosen = self.active.chosen();
            if !local.config.policy.allows_user_plane(up.integrity, up.ciphering, chosen) {
                let cause = Cause::NotAligned;
                let reason = cause.octet(local.config.profile, CauseOf::Release);
                let body = Body::Release { reason };
                link.send_protected(local, &mut self.active, Lcid::PC5_S_PROTECTED, body);
                return Next::Close(Closed::NoAnswer { hint: Some(cause) });
            }
            self.active.agree_up_integrity(up.integrity);
        }
        local.take_connection(self.kd, &link.identity, connection);
        let mut session = Session::new(self.active, self.kd, Answer::Accept(None), local.now);
        session.renamed_at = link.created_at;
        // TS 24.334 §10.4.2.4
        link.report_up(local, Role::Initiating, session.keys());
        if self.new_kd {
            local.remove_others(&link.identity, self.kd);
        }
        Up::new(session).into()
    }
}

impl Local {
    /// Removes all derived KDs of a peer but one.
    pub(super) fn remove_others(&mut self, peer: &Identity, kd: KdId) {
        let old = self.keyring.others(peer, kd);
        if !old.is_empty() {
            self.store(old);
        }
    }
}
