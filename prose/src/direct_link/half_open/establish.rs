//! Methods that agree on a KD with a UE that requests a link.

use super::{Asker, Attempt, BUDGET, COOKIE_METHOD, HalfOpen};
use crate::direct_link::FromPruk;
use crate::direct_link::cause::Cause;
use crate::direct_link::kd::Ticket;
use crate::direct_link::key_establishment::{AgreedKd, Heard, Refusal, Step};
use crate::direct_link::manager::LinkManager;
use crate::direct_link::note::Note;
use crate::direct_link::request::METHOD_TURNS;
use crate::direct_link::target::{Establishing, Target};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pc5_signalling::AuthenticationPhase;

impl LinkManager {
    /// Agrees on a KD with the requesting UE, if none is shared. Returns true when a method handles it.
    // TS 33.303 §6.5.5.2 step 2
    pub(super) fn establish(&mut self, attempt: &Attempt<'_>) -> bool {
        let Attempt { source, ref identity, offer, message, .. } = *attempt;
        let understood = |info: &&[u8]| self.local.methods.iter().any(|method| method.understands(info));
        let Some(info) = attempt.info.filter(understood) else { return false };
        if !self.local.may_verify(source) {
            self.local.note(Note::NoRoom { source, what: REFUTED });
            return true;
        }
        // False signatures get no answer, and take none away from others.
        let may = if attempt.signed { self.local.may_judge() } else { self.local.may_answer() };
        if !may {
            self.local.note(Note::NoRoom { source, what: BUDGET });
            return true;
        }
        let method = self.local.methods.iter().find(|method| method.understands(info));
        let cookie = method.and_then(|method| method.cookie(info));
        let addresses = [self.source_towards(source), source];
        let busy = self.half_open.len() >= self.local.config.half_open / 4;
        if busy && cookie != Some(self.cookie(source, &offer)) {
            // Signatures are expensive: first the peer must show that it receives.
            if attempt.signed && !self.local.may_answer() {
                self.local.note(Note::NoRoom { source, what: BUDGET });
                return true;
            }
            let content = self.cookie(source, &offer);
            self.send_container(addresses, AuthenticationPhase::Reject, COOKIE_METHOD, &content);
            return true;
        }
        let relay = attempt.relay.clone();
        let begun = Establishing::begin(&mut self.local, (message, info), relay.clone());
        let Some(mut state) = begun else {
            self.local.note(Note::NoRoom { source, what: "no session number" });
            return true;
        };
        let step = match state.step(&self.local, identity, Heard::Begin) {
            Ok(step) => step,
            Err(refusal) => {
                self.request_not_authenticated(source, refusal);
                return true;
            }
        };
        if attempt.signed && !self.local.may_answer() {
            self.local.note(Note::NoRoom { source, what: BUDGET });
            return true;
        }
        let (deadline, identity) = (state.deadline(&self.local), identity.clone());
        let state = Target::Establishing(state);
        let half = HalfOpen { source, identity, offer, deadline, state, relay, steps: None };
        self.follow(half, Ok(step));
        true
    }

    /// Refuses a request that a method refused: its signature is false, or its time is over.
    fn request_not_authenticated(&mut self, source: Layer2Id, refusal: Refusal) {
        let Refusal { cause, why } = refusal;
        self.local.refute(source);
        self.local.note(Note::NotAuthenticated { peer: source, cause, why });
        // TS 24.334 §10.4.2.5 (3)
        self.refuse_request(source, cause);
    }

    /// Carries out a step of a method; a pending entry goes back into the table.
    pub(super) fn follow(&mut self, mut half: HalfOpen, step: Result<Step, Refusal>) {
        let addresses = [self.source_towards(half.source), half.source];
        let Target::Establishing(state) = &mut half.state else { return };
        let method = state.method;
        let mut say = None;
        let step = match step {
            Ok(Step::Admit(time)) => state.admit(&mut self.local, &half.identity, time).map(|()| Step::Wait),
            step => step,
        };
        match step {
            // A method without containers has none for a refusal either.
            Err(refusal) if method == FromPruk::METHOD => {
                return self.request_not_authenticated(half.source, refusal);
            }
            Err(refusal) => {
                self.local.refute(half.source);
                return self.local.not_authenticated(addresses, &refusal);
            }
            Ok(Step::Wait | Step::Admit(_) | Step::OutOfStep { .. }) => {}
            Ok(Step::Ask(question)) => {
                state.ask(&mut self.local, &half.identity, question);
                half.deadline = state.deadline(&self.local);
            }
            Ok(Step::Send(content)) => say = Some(content),
            Ok(Step::Agreed(kd)) => {
                let periods = if kd.command.is_some() { METHOD_TURNS } else { 0 };
                return self.command_new(half, kd, periods);
            }
            Ok(Step::SendAgreed(content, kd)) => {
                self.send_container(addresses, AuthenticationPhase::Request, method, &content);
                return self.command_new(half, kd, METHOD_TURNS);
            }
        }
        self.half_open.make_room(&mut self.local);
        self.half_open.0.push_back(half);
        if let Some(content) = say {
            self.send_container(addresses, AuthenticationPhase::Request, method, &content);
        }
    }

    /// Sends the command under a KD on which a method agreed; `periods` more than one pass until it is on the air.
    fn command_new(&mut self, half: HalfOpen, kd: AgreedKd, periods: u64) {
        let HalfOpen { source, identity, offer, state, .. } = half;
        let sequence = self.local.next_sequence();
        // Only the remote UE of a relay can have something to say against the KD.
        let steps = match state {
            Target::Establishing(steps) if kd.freshness.is_some() => Some(steps),
            _ => None,
        };
        if let Some(command) = self.local.command_under_new((source, sequence), &identity, offer, kd, None) {
            self.await_complete(Asker { source, identity, offer }, steps, (command, periods));
        }
    }

    /// Handles the message of a remote UE that its USIM is out of step, which anybody can have sent: the network is asked once
    /// more, and another command follows.
    // TS 33.303 §6.7.3.2.1.2
    pub(in crate::direct_link) fn out_of_step(
        &mut self,
        source: Layer2Id,
        (rand, auts): (&[u8; 16], &[u8; 14]),
    ) {
        let waiting = |half: &HalfOpen| half.source == source && half.steps.is_some();
        let Some(at) = self.half_open.0.iter().position(waiting) else { return };
        if !self.local.may_judge() {
            return self.local.note(Note::NoRoom { source, what: BUDGET });
        }
        let half = &mut self.half_open.0[at];
        let Some(steps) = &mut half.steps else { return };
        let step = steps.step(&self.local, &half.identity, Heard::OutOfStep { rand, auts });
        if let Ok(Step::Ask(question)) = step
            && let Some(mut half) = self.half_open.0.remove(at)
            && let Some(steps) = half.steps.take()
        {
            half.state = Target::Establishing(steps);
            self.follow(half, Ok(Step::Ask(question)));
        }
    }

    /// Handles a container of an initiating UE in set-up, for whichever of its entries it fits.
    pub(in crate::direct_link) fn on_half_open_container(
        &mut self,
        source: Layer2Id,
        method: u8,
        content: &[u8],
    ) {
        let mut refused = None;
        // The newest first: a container is of the last try, and those of earlier ones may wait for a network still.
        for at in (0..self.half_open.len()).rev() {
            let half = &mut self.half_open.0[at];
            let Target::Establishing(state) = &mut half.state else { continue };
            if half.source != source || state.method != method {
                continue;
            }
            if !self.local.may_verify(source) {
                return self.local.note(Note::NoRoom { source, what: REFUTED });
            }
            if !self.local.may_judge() {
                return self.local.note(Note::NoRoom { source, what: BUDGET });
            }
            match state.step(&self.local, &half.identity, Heard::Container(content)) {
                Ok(Step::Wait) => {}
                Err(refusal) => refused = Some(refusal),
                Ok(step) => {
                    if let Some(half) = self.half_open.0.remove(at) {
                        self.follow(half, Ok(step));
                    }
                    return;
                }
            }
        }
        if let Some(refusal) = refused {
            self.local.refute(source);
            let addresses = [self.source_towards(source), source];
            self.local.not_authenticated(addresses, &refusal);
        }
    }

    /// Handles the answer, or the refusal, of a query of a half-open entry. Returns false when no entry has this query.
    pub(in crate::direct_link) fn half_open_answered(
        &mut self,
        ticket: Ticket,
        answer: Option<&[u8]>,
    ) -> bool {
        let Some(at) = self.half_open.0.iter().position(|half| half.state.has_asked(ticket)) else {
            return false;
        };
        let Some(mut half) = self.half_open.0.remove(at) else { return true };
        let Target::Establishing(state) = &mut half.state else { return true };
        state.question = None;
        match answer {
            Some(answer) => {
                let step = state.step(&self.local, &half.identity, Heard::Answer(answer));
                self.follow(half, step);
            }
            None => self.refuse_request(half.source, Cause::AuthenticationFailure),
        }
        true
    }
}

const REFUTED: &str = "too many of its proofs were false in this second";
