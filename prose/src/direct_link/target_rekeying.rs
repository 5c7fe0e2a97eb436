//! The target UE in re-keying.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{Active, Capabilities, KdId, Nonce, Offer};

use super::cause::Cause;
use super::config::NewKd;
use super::half_open::NO_NUMBER_OR_NAME;
use super::io::State as Reported;
use super::kd::{Identity, KdRecord};
use super::key_establishment::{AgreedKd, Heard, Refusal, Step};
use super::link::Common;
use super::local::Local;
use super::note::{Note, PduError};
use super::relaying::SERVICE_ALONE;
use super::session::{Answer, Exchange, Session, Up};
use super::target::{Agreed, AwaitingComplete, Carried, Completed, Establishing, KdInUse, Target};
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body, RekeyingRequest};
use sidelink_wire::pdcp::OneToOneRepr;

/// The request was answered.
#[derive(Debug)]
pub(super) struct TargetRekeying {
    pub(super) offer: Offer,
    /// Sequence number of the request: an older one, which was delayed, does not replace it.
    sequence: u16,
    pub(super) state: Target,
    /// The steps of a method that may go on after the command.
    steps: Option<Establishing>,
    tries: u8,
    pub(super) deadline: UtcTime,
}

impl Up {
    /// Handles a request to re-key, under the current key.
    pub(super) fn on_rekeying_request(
        mut self,
        link: &mut Common,
        local: &mut Local,
        request: &RekeyingRequest<'_>,
        (sequence, message): (u16, &[u8]),
    ) -> Self {
        let mut wanted = false;
        match &self.exchange {
            Exchange::Rekeying(own) if own.stays(link, local, &request.nonce) => return self,
            Exchange::StoringRekeyed(_) => return self,
            // The peer still uses the old ID: it has not given up the new one yet.
            Exchange::UpdateAccepted(update) if !update.is_last_try(local) => return self,
            // The request is under the key that this end just completed: the peer has received the complete.
            Exchange::AwaitingResponse(_) => self = self.rekeying_done(link, local),
            Exchange::TargetRekeying(TargetRekeying { state: Target::StoringKd(_), .. }) => return self,
            Exchange::TargetRekeying(target) if target.offer.nonce_1 == request.nonce => {
                self.repeat_command(link, local);
                return self;
            }
            Exchange::TargetRekeying(target) if !local.is_newer(sequence, target.sequence) => return self,
            Exchange::TargetRekeying(_) => {}
            // Glare lost, or what was asked for: this end wants it too, however short a time ago the last one was.
            Exchange::Triggered(_) | Exchange::Rekeying(_) => {
                (wanted, self.exchange) = (true, Exchange::Idle)
            }
            // Identifiers can wait.
            Exchange::UpdateRequested(_) | Exchange::UpdateAccepted(_) => self.exchange = Exchange::Idle,
            Exchange::Idle => {}
        }
        if !wanted && self.exchange.is_idle() && self.session.rekeyed_lately(local) {
            local.note(Note::RekeyingStorm { peer: link.remote });
            return self;
        }
        let capabilities = Capabilities { eea: request.capabilities.eea, eia: request.capabilities.eia };
        let stated = local.stated(capabilities);
        let offer = Offer { nonce_1: request.nonce, msb: request.kd_sess_msb, capabilities, stated };
        let asks_new = request.re_auth.is_some_and(|flag| flag != 0);
        let info = request.key_info.or(link.relay.as_ref().map(|_| SERVICE_ALONE));
        if let (Some(relay), Some(id)) = (&mut link.relay, request.pruk_id) {
            // TS 33.303 §6.7.3.2.1.3: the link's own keys protect the name.
            relay.user = Identity { kind: Identity::PRUK_ID, value: id.to_vec() };
        }
        self.answer_rekeying(link, local, (offer, sequence), (info, asks_new), message);
        self
    }

    fn answer_rekeying(
        &mut self,
        link: &mut Common,
        local: &mut Local,
        asked: (Offer, u16),
        (info, asks_new): (Option<&[u8]>, bool),
        message: &[u8],
    ) {
        // TS 33.303 §6.5.5.3 step 2
        if asks_new {
            // The flag alone is all that TS 33.303 §6.5.7.3.2 has.
            let info = info.or(Some(&[]));
            if !self.establish(link, local, asked, info, message) {
                self.session.refuse_rekeying(link, local, Cause::AuthenticationFailure);
            }
            return;
        }
        let (clock, number) = (local.clock, local.number());
        let record = local.keyring.find(self.session.kd, &link.identity, clock, number).map(KdRecord::copy);
        let Some(record) = record else {
            return self.session.refuse_rekeying(link, local, Cause::AuthenticationFailure);
        };
        if local.wants_new_kd(&record) && self.establish(link, local, asked, info, message) {
            return;
        }
        let peer = link.remote;
        match local.propose(local.terms(Some(self.in_use())), asked.0, &record.kd) {
            Err(Some(disagreement)) => {
                local.note(Note::Disagreed { peer, disagreement });
                self.session.refuse_rekeying(link, local, Cause::from(&disagreement));
            }
            Err(None) => {
                local.note(Note::NoRoom { source: peer, what: NO_NUMBER_OR_NAME });
            }
            Ok(proposal) => {
                let (kd, sequence) = (KdInUse::Known(record.id), link.next_sequence());
                if let Some(command) =
                    AwaitingComplete::new(local, proposal, kd, sequence, &Carried::default())
                {
                    self.await_complete(link, local, asked, None, command);
                }
            }
        }
    }

    /// Sends a command, and waits for its complete.
    fn await_complete(
        &mut self,
        link: &Common,
        local: &mut Local,
        (offer, sequence): (Offer, u16),
        steps: Option<Establishing>,
        (state, pdu): (AwaitingComplete, Vec<u8>),
    ) {
        state.transmit(local, [link.local, link.remote], pdu);
        let (state, deadline) =
            (Target::AwaitingComplete(state), local.now.plus_millis(local.config.t4111()));
        self.exchange =
            Exchange::TargetRekeying(TargetRekeying { offer, sequence, state, steps, tries: 1, deadline });
    }

    /// The peer repeats its request: it did not receive the command.
    fn repeat_command(&mut self, link: &Common, local: &mut Local) {
        if let Exchange::TargetRekeying(target) = &mut self.exchange
            && let Target::AwaitingComplete(state) = &mut target.state
        {
            state.again(local, link);
        }
    }

    /// Agrees on a new KD. Returns true when a method handles it.
    fn establish(
        &mut self,
        link: &mut Common,
        local: &mut Local,
        (offer, sequence): (Offer, u16),
        info: Option<&[u8]>,
        message: &[u8],
    ) -> bool {
        let understood = |info: &&[u8]| local.methods.iter().any(|method| method.understands(info));
        let Some(info) = info.filter(understood) else { return false };
        let Some(mut state) = Establishing::begin(local, (message, info), link.relay.clone()) else {
            return false;
        };
        let Ok(step) = state.step(local, &link.identity, Heard::Begin) else { return false };
        let deadline = state.deadline(local);
        let tries = local.config.tries;
        self.follow(
            link,
            local,
            TargetRekeying {
                offer,
                sequence,
                state: Target::Establishing(state),
                steps: None,
                tries,
                deadline,
            },
            Ok(step),
        );
        true
    }

    /// Carries out a step of the target UE's method.
    pub(super) fn follow(
        &mut self,
        link: &mut Common,
        local: &mut Local,
        mut target: TargetRekeying,
        step: Result<Step, Refusal>,
    ) {
        let Target::Establishing(state) = &mut target.state else { return };
        let (method, phase) = (state.method, AuthenticationPhase::Request);
        let step = match step {
            Ok(Step::Admit(time)) => state.admit(local, &link.identity, time).map(|()| Step::Wait),
            step => step,
        };
        match step {
            Err(refusal) => self.session.refuse_authentication(link, local, &refusal),
            Ok(Step::Wait | Step::Admit(_) | Step::OutOfStep { .. }) => {}
            Ok(Step::Ask(question)) => {
                state.ask(local, &link.identity, question);
                target.deadline = state.deadline(local);
            }
            Ok(Step::Send(content)) => {
                self.session.send(link, local, Body::Authentication { phase, method, content: &content });
            }
            Ok(Step::Agreed(kd)) => return self.command_new(link, local, target, kd),
            Ok(Step::SendAgreed(content, kd)) => {
                self.session.send(link, local, Body::Authentication { phase, method, content: &content });
                return self.command_new(link, local, target, kd);
            }
        }
        self.exchange = Exchange::TargetRekeying(target);
    }

    fn command_new(&mut self, link: &mut Common, local: &mut Local, target: TargetRekeying, kd: AgreedKd) {
        let (offer, sequence, in_use) = (target.offer, target.sequence, Some(self.in_use()));
        let (goes_on, to) = (kd.freshness.is_some(), (link.remote, link.next_sequence()));
        match (local.command_under_new(to, &link.identity, offer, kd, in_use), target.state) {
            (Some(command), state) => {
                // Only the remote UE of a relay can have something to say against the KD.
                let steps = match state {
                    Target::Establishing(steps) if goes_on => Some(steps),
                    _ => None,
                };
                self.await_complete(link, local, (offer, sequence), steps, command);
            }
            (None, state) => self.exchange = Exchange::TargetRekeying(TargetRekeying { state, ..target }),
        }
    }

    /// Handles the message of the remote UE that its USIM is out of step: the network is asked once more, and another command
    /// follows. A second one ends the exchange.
    // TS 33.303 §6.7.3.2.1.2
    pub(super) fn on_out_of_step(
        mut self,
        link: &mut Common,
        local: &mut Local,
        (rand, auts): (&[u8; 16], &[u8; 14]),
    ) -> Self {
        if let Exchange::TargetRekeying(target) = &mut self.exchange
            && let Some(steps) = &mut target.steps
            && let Ok(Step::Ask(question)) =
                steps.step(local, &link.identity, Heard::OutOfStep { rand, auts })
            && let Exchange::TargetRekeying(mut target) =
                core::mem::replace(&mut self.exchange, Exchange::Idle)
            && let Some(steps) = target.steps.take()
        {
            target.state = Target::Establishing(steps);
            self.follow(link, local, target, Ok(Step::Ask(question)));
            return self;
        }
        self.rekeying_refused(link, local, Cause::SynchronisationError)
    }

    /// Handles a PDU that can be the complete of a re-keying.
    pub(super) fn on_complete(
        self,
        link: &mut Common,
        local: &mut Local,
        header: OneToOneRepr,
        octets: &mut [u8],
    ) -> (Self, Result<(), PduError>) {
        let Self { session, exchange } = self;
        let Exchange::TargetRekeying(mut target) = exchange else {
            return (Self { session, exchange }, Ok(()));
        };
        let mut up = Self::new(session);
        let Target::AwaitingComplete(waiting) = target.state else {
            up.exchange = Exchange::TargetRekeying(target);
            return (up, Ok(()));
        };
        match waiting.on_complete(local, link.remote, header, octets) {
            Completed::Ended => {
                up.session.rekeyed_at = local.now;
                local.note(Note::RekeyingGivenUp { peer: link.remote });
            }
            Completed::Refused(waiting, error) => {
                target.state = Target::AwaitingComplete(waiting);
                up.exchange = Exchange::TargetRekeying(target);
                return (up, Err(error));
            }
            Completed::Proven(proven) => match proven.agree(local) {
                Agreed::Now(active, kd, _) => up.respond(link, local, active, (kd, false)),
                Agreed::Storing(storing) => {
                    target.state = Target::StoringKd(storing);
                    up.exchange = Exchange::TargetRekeying(target);
                }
                Agreed::Nothing => {}
            },
        }
        (up, Ok(()))
    }

    /// Ends a proven re-keying: the new key sends.
    pub(super) fn respond(
        &mut self,
        link: &mut Common,
        local: &mut Local,
        active: Active,
        (kd, new_kd): (KdId, bool),
    ) {
        self.exchange = Exchange::Idle;
        let session = &mut self.session;
        session.switch(active, link, local);
        session.kd = kd;
        session.heard_at = local.now;
        session.rekeyed_at = local.now;
        session.answer = Answer::Response;
        // TS 24.334 §10.4.8.3 (3)
        session.send(link, local, Body::RekeyingResponse);
        link.report(local, Reported::Rekeyed { keys: session.keys(), new_kd });
    }
}

impl super::rekeying::Rekeying {
    /// Whether this end stays the initiating UE in glare. LTE: the larger Nonce_1, as a number of 128 bits, does (TS 24.334
    /// §10.4.8.3, §10.4.8.5). NR, whose text was not read: the lower layer-2 identity.
    // TS 24.334 §10.4.8.3 (2)
    fn stays(&self, link: &Common, local: &Local, received: &Nonce) -> bool {
        if local.is_nr() { link.local < link.remote } else { *received <= self.request.offer().nonce_1 }
    }
}

impl TargetRekeying {
    /// Handles the timer of the complete: repeats the command, or ends the exchange.
    pub(super) fn on_time(mut self, session: &mut Session, link: &mut Common, local: &mut Local) -> Exchange {
        let again = self.tries < local.config.tries;
        self.tries += 1;
        self.deadline = local.now.plus_millis(local.config.t4111());
        match &mut self.state {
            // TS 24.334 §10.4.5.6.1 (2)
            Target::AwaitingComplete(state) if again => state.again(local, link),
            // The store is slow: it gets as much time as the peer.
            Target::StoringKd(_) if again => {}
            state => {
                // A method that waits for the peer has done nothing yet: the peer may ask again at once.
                if !matches!(state, Target::Establishing(_)) {
                    session.rekeyed_at = local.now;
                }
                local.note(Note::RekeyingGivenUp { peer: link.remote });
                return Exchange::Idle;
            }
        }
        Exchange::TargetRekeying(self)
    }
}

impl Local {
    /// Whether one sequence number of messages is newer than another. NR has one octet of it.
    const fn is_newer(&self, sequence: u16, than: u16) -> bool {
        let ahead = sequence.wrapping_sub(than);
        if self.is_nr() { ahead & 0xff != 0 && ahead & 0xff < 0x80 } else { ahead != 0 && ahead < 0x8000 }
    }

    /// Whether the target UE wants a new KD by itself, without the Auth Flag.
    fn wants_new_kd(&self, record: &KdRecord) -> bool {
        match self.config.new_kd {
            NewKd::WhenAsked => false,
            NewKd::WhenDue => record.due(self.clock, self.number(), self.config.kd_lifetime),
            NewKd::Always => true,
        }
    }
}
