//! AAA server: EAP-AKA' for whoever carries EAP, RADIUS or a relay. RFC 4187, RFC 9048, from memory; TS 33.402 §6.2.
//!
//! ```text
//!   first response: an identity -> of a re-authentication that is known  -> Reauthentication
//!                               -> pseudonym that opens, IMSI            -> Fetch, Vector -> Challenge
//!                               -> anything else                         -> Identity: any, full, permanent
//!   Challenge, AUTS             -> Fetch with it, once                   -> Challenge
//!              RES              -> Notification, if both ends want it    -> Accept
//!   anything wrong              -> Notification                          -> Reject
//! ```
//!
//! Nothing here has to survive a crash. Pseudonyms open under a key of the operator and are stored nowhere
//! ([`crate::eap_aka::identity`]). The contexts of re-authentications are memory only: when they are lost, so are their keys and
//! counters, no counter comes twice, and every peer is authenticated in full again. SQN is the HSS's, which makes it durable.
//!
//! A peer proves nothing before its response to the challenge. Until then it costs a session (bounded), and one vector, for which
//! there is a rate of all peers here and one of each subscriber in the HSS.
//!
//! Not there: EAP-AKA, the derivation with forward secrecy of RFC 9678, permission of services (AT_NOTIFICATION 1026 and 1031 are
//! never sent).

use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_wire::rng::Rng;

use crate::eap_aka::identity::{self, Kind, MAX_IDENTITY, PseudonymKey};
use crate::eap_aka::packet::{failure, success};
use crate::eap_aka::{
    Code, IdentityRequest, Method, Notification, Packet, Request, Response, Transcript, Type,
};
use crate::hss::{self, EapAkaPrimeVector, Resynchronisation, Ticket};
use crate::identity::Imsi;
use crate::limit::{Bucket, RateLimit};

mod challenge;
mod contexts;
mod io;
mod reauthentication;
mod session;

use challenge::{Challenged, Extras};
use contexts::{Context, Contexts};
pub use io::{Authentication, Discarded, Grant, Input, Output, Rejection, SessionId};
use reauthentication::{Judged, Reauthenticating};
pub(crate) use session::session_id;
use session::{Proven, Session, State, Step, random};

/// Whether the IMSI in the first response is believed. What carries it may have altered it, and then the keys differ, since
/// they are derived from it; a round more finds that out sooner. RFC 4187 §4.1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstIdentity {
    /// An IMSI is asked for again within EAP-AKA'.
    AskedAgain,
    /// It is used as it is: a round less.
    Used,
}

/// Whether success is told under AT_MAC, to peers that want it. RFC 4187 §6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultIndications {
    /// To those that want it.
    Offered,
    /// To nobody: a round less.
    Never,
}

/// Settings of an AAA server.
pub struct Config {
    /// Name of the access network, which keys are bound to. TS 24.302 §8.1.1.1.
    pub network_name: String,
    /// Realm of the names of re-authentications, if they have one.
    pub realm: Option<String>,
    /// Keys of pseudonyms; new ones are made under the first.
    pub pseudonym_keys: Vec<PseudonymKey>,
    /// See there.
    pub first_identity: FirstIdentity,
    /// See there.
    pub result_indications: ResultIndications,
    /// How long a peer may take to answer, and the HSS too, in milliseconds.
    pub answer_timeout: u64,
    /// How long re-authentications are possible, in milliseconds.
    pub context_lifetime: u64,
    /// Re-authentications after a full authentication, at most.
    pub reauthentications: u16,
    /// Sessions, at most.
    pub sessions: usize,
    /// Subscribers that can re-authenticate, at most.
    pub contexts: usize,
    /// Vectors of all peers together.
    pub rate: RateLimit,
}

impl Config {
    /// Half a minute for an answer, a day and 100 re-authentications for a context, 10 000 sessions, 100 000 contexts, 50
    /// vectors a second.
    pub fn new(network_name: &str, key: PseudonymKey) -> Self {
        Self { pseudonym_keys: vec![key], ..Self::without_pseudonyms(network_name) }
    }

    /// The same without a key: no peer gets a pseudonym.
    pub fn without_pseudonyms(network_name: &str) -> Self {
        Self {
            network_name: network_name.to_owned(),
            realm: None,
            pseudonym_keys: Vec::new(),
            first_identity: FirstIdentity::AskedAgain,
            result_indications: ResultIndications::Offered,
            answer_timeout: 30_000,
            context_lifetime: 24 * 3_600_000,
            reauthentications: 100,
            sessions: 10_000,
            contexts: 100_000,
            rate: RateLimit { burst: 50, interval: 20 },
        }
    }
}

/// An AAA server.
pub struct Aaa {
    config: Config,
    sessions: BTreeMap<SessionId, Session>,
    fetches: BTreeMap<Ticket, SessionId>,
    contexts: Contexts,
    bucket: Option<Bucket>,
    tickets: u64,
    outputs: VecDeque<Output>,
}

impl Aaa {
    /// Without sessions.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            sessions: BTreeMap::new(),
            fetches: BTreeMap::new(),
            contexts: Contexts::default(),
            bucket: None,
            tickets: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input. `rng` must be one that nobody can guess.
    pub fn handle_input(&mut self, input: Input<'_>, rng: &mut dyn Rng) {
        match input {
            Input::Packet { now, session, packet } => {
                if let Err(why) = self.packet(now, session, packet, rng) {
                    self.outputs.push_back(Output::Discard { session, why });
                }
            }
            Input::Begin { now, session, imsi, network_name } => {
                self.begin_known(now, session, imsi, network_name, rng);
            }
            Input::Vector { now, ticket, result } => self.vector(now, ticket, result, rng),
            Input::Tick { now } => self.expire(now),
        }
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let sessions = self.sessions.values().map(|session| session.until);
            Output::Timeout(sessions.chain(self.contexts.next()).min())
        })
    }

    fn packet(
        &mut self,
        now: UtcTime,
        id: SessionId,
        octets: &[u8],
        rng: &mut dyn Rng,
    ) -> Result<(), Discarded> {
        let packet = Packet::new_checked(octets).map_err(Discarded::Malformed)?;
        if packet.code() != Code::Response {
            return Err(Discarded::NotAResponse);
        }
        let Some(session) = self.sessions.get(&id) else { return self.begin(now, id, &packet, rng) };
        if matches!(session.state, State::Vector { .. }) {
            return Err(Discarded::NothingAsked);
        }
        if packet.identifier() != session.identifier {
            return Err(Discarded::Identifier);
        }
        let response = match packet.kind() {
            Some(Type::Nak) => None,
            Some(Type::Method(Method::AkaPrime)) => Some(Response::parse(&packet)),
            _ => return Err(Discarded::Type),
        };
        let Some(mut session) = self.sessions.remove(&id) else { return Err(Discarded::NothingAsked) };
        let state = std::mem::replace(&mut session.state, State::Failed(Rejection::Unexpected));
        let step = match (response, state) {
            (None, _) => Step::Reject(Rejection::Nak),
            (_, State::Failed(why)) => Step::Reject(why),
            (Some(Ok((_, Response::ClientError(code)))), _) => Step::Reject(Rejection::ClientError(code)),
            (Some(Err(error)), _) => Step::Fail(Rejection::Malformed(error)),
            (Some(Ok((_, response))), state) => self.judge(now, &mut session, state, &packet, response),
        };
        self.go(now, id, session, step, rng);
        Ok(())
    }

    fn begin(
        &mut self,
        now: UtcTime,
        id: SessionId,
        packet: &Packet<'_>,
        rng: &mut dyn Rng,
    ) -> Result<(), Discarded> {
        if packet.kind() != Some(Type::Identity) {
            return Err(Discarded::NoIdentity);
        }
        // An identity that is no text is asked for again.
        let identity = std::str::from_utf8(packet.data()).unwrap_or_default();
        let identity = if identity.len() > MAX_IDENTITY { "" } else { identity }.to_owned();
        let session = Session {
            identifier: packet.identifier(),
            until: now,
            identity,
            transcript: Transcript::default(),
            begun_for: None,
            state: State::Failed(Rejection::Unexpected),
        };
        let step = match self.sessions.len() < self.config.sessions {
            true => self.route(now, &session.identity, None),
            false => Step::Reject(Rejection::Busy),
        };
        self.go(now, id, session, step, rng);
        Ok(())
    }

    fn begin_known(
        &mut self,
        now: UtcTime,
        id: SessionId,
        imsi: Imsi,
        network_name: String,
        rng: &mut dyn Rng,
    ) {
        let session = Session {
            identifier: 0,
            until: now,
            identity: imsi.digits().to_owned(),
            transcript: Transcript::default(),
            begun_for: Some(network_name),
            state: State::Failed(Rejection::Unexpected),
        };
        let step = match self.sessions.len() < self.config.sessions && !self.sessions.contains_key(&id) {
            true => Step::Fetch { imsi, resynchronisation: None },
            false => Step::Reject(Rejection::Busy),
        };
        self.go(now, id, session, step, rng);
    }

    /// What an identity leads to, after the request that it answers. RFC 4187 §4.1.4, §4.1.5.
    fn route(&self, now: UtcTime, text: &str, asked: Option<IdentityRequest>) -> Step {
        let ask = |which| match asked {
            Some(before) if before >= which => Step::Reject(Rejection::Identity),
            _ => Step::Ask(which),
        };
        match Kind::of(text) {
            Kind::Reauthentication(name) => match self.contexts.find(&name, now) {
                Some(context) if context.counter <= self.config.reauthentications => {
                    Step::Reauthenticate(name)
                }
                _ => ask(IdentityRequest::Fullauth),
            },
            Kind::Pseudonym(name) => {
                match self.config.pseudonym_keys.iter().find_map(|key| key.open(&name)) {
                    Some(imsi) => Step::Fetch { imsi, resynchronisation: None },
                    None => ask(IdentityRequest::Permanent),
                }
            }
            Kind::Permanent(_)
                if asked.is_none() && self.config.first_identity == FirstIdentity::AskedAgain =>
            {
                Step::Ask(IdentityRequest::Any)
            }
            Kind::Permanent(imsi) => Step::Fetch { imsi, resynchronisation: None },
            Kind::Other => ask(match asked {
                None => IdentityRequest::Any,
                Some(IdentityRequest::Any) => IdentityRequest::Fullauth,
                Some(_) => IdentityRequest::Permanent,
            }),
        }
    }

    fn judge(
        &mut self,
        now: UtcTime,
        session: &mut Session,
        state: State,
        packet: &Packet<'_>,
        response: Response,
    ) -> Step {
        match (state, response) {
            (State::Identity(asked), Response::Identity(identity)) => {
                session.transcript.add(packet.octets());
                session.identity = identity;
                self.route(now, &session.identity, Some(asked))
            }
            (State::Challenge(challenged), response) => challenged.judge(packet, response),
            (State::Reauthentication(under_way), Response::Reauthentication(response)) => {
                let Some(context) = self.contexts.find(&under_way.name, now) else {
                    return Step::Fail(Rejection::Superseded);
                };
                let judged = under_way.judge(packet, &response, context);
                let context = self.contexts.take(&under_way.name, now);
                match (judged, context) {
                    (Ok(Judged::Passed { result_ind }), Some(context)) => {
                        under_way.proven(context, result_ind)
                    }
                    (Ok(Judged::CounterTooSmall), Some(context)) => {
                        Step::Fetch { imsi: context.imsi, resynchronisation: None }
                    }
                    (Ok(_), None) => Step::Fail(Rejection::Superseded),
                    (Err(why), context) => {
                        if let Some(context) = context {
                            self.contexts.keep(under_way.name, context, self.config.contexts);
                        }
                        Step::Fail(why)
                    }
                }
            }
            (State::Proven(proven), Response::Notification { proof }) => match proven.judge(packet, &proof) {
                Ok(()) => Step::Accept(proven),
                Err(why) => Step::Reject(why),
            },
            _ => Step::Fail(Rejection::Unexpected),
        }
    }

    /// Does a step of a session, which goes on or ends with it.
    fn go(&mut self, now: UtcTime, id: SessionId, mut session: Session, step: Step, rng: &mut dyn Rng) {
        session.until = now.plus_millis(self.config.answer_timeout);
        let next = session.identifier.wrapping_add(1);
        let request = match step {
            Step::Ask(which) => {
                session.state = State::Identity(which);
                let made = Request::Identity(which).emit(Method::AkaPrime, next, None);
                made.inspect(|packet| session.transcript.add(packet))
            }
            Step::Fetch { imsi, resynchronisation } => {
                return self.fetch(now, id, session, (imsi, resynchronisation), rng);
            }
            Step::Reauthenticate(name) => self.reauthenticate(now, &mut session, name, rng),
            Step::Notify(proven) => {
                let made = proven.notification(next, random(rng));
                session.state = State::Proven(proven);
                made
            }
            Step::Accept(proven) => return self.accept(now, id, session.identifier, *proven),
            Step::Fail(why) => {
                session.state = State::Failed(why);
                let code = Notification::GENERAL_FAILURE;
                Request::Notification(Notification::Before { code }).emit(Method::AkaPrime, next, None)
            }
            Step::Reject(why) => return self.reject(id, session.identifier, why),
        };
        match request {
            Ok(packet) => self.send(id, session, packet),
            Err(error) => self.reject(id, session.identifier, Rejection::Malformed(error)),
        }
    }

    fn send(&mut self, id: SessionId, mut session: Session, packet: Vec<u8>) {
        session.identifier = session.identifier.wrapping_add(1);
        self.sessions.insert(id, session);
        self.outputs.push_back(Output::Request { session: id, packet });
    }

    fn reject(&mut self, session: SessionId, identifier: u8, why: Rejection) {
        self.outputs.push_back(Output::Reject { session, packet: failure(identifier), why });
    }

    fn accept(&mut self, now: UtcTime, session: SessionId, identifier: u8, proven: Proven) {
        let Proven { grant, keys, counter, next_name } = proven;
        let context = Context {
            imsi: grant.imsi.clone(),
            keys,
            counter: counter.map_or(1, |counter| counter.saturating_add(1)),
            until: now.plus_millis(self.config.context_lifetime),
        };
        if let Some(next_name) = next_name {
            self.contexts.keep(next_name, context, self.config.contexts);
        }
        self.outputs.push_back(Output::Accept { session, packet: success(identifier), grant });
    }

    fn fetch(
        &mut self,
        now: UtcTime,
        id: SessionId,
        mut session: Session,
        (imsi, resynchronisation): (Imsi, Option<Resynchronisation>),
        rng: &mut dyn Rng,
    ) {
        let bucket = self.bucket.get_or_insert_with(|| Bucket::new(self.config.rate, now));
        if !bucket.take(self.config.rate, now) {
            let step = failed(&session, resynchronisation.is_some(), Rejection::TooOften);
            return self.go(now, id, session, step, rng);
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let resynchronised = resynchronisation.is_some();
        session.state = State::Vector { imsi: imsi.clone(), ticket, resynchronised };
        let network_name = self.network_name(&session);
        self.fetches.insert(ticket, id);
        self.sessions.insert(id, session);
        self.outputs.push_back(Output::Fetch { ticket, imsi, network_name, resynchronisation });
    }

    fn vector(
        &mut self,
        now: UtcTime,
        ticket: Ticket,
        result: Result<EapAkaPrimeVector, hss::Refusal>,
        rng: &mut dyn Rng,
    ) {
        // One that came too late is used for nothing.
        let Some(id) = self.fetches.remove(&ticket) else { return };
        let Some(mut session) = self.sessions.remove(&id) else { return };
        let state = std::mem::replace(&mut session.state, State::Failed(Rejection::Late));
        let State::Vector { imsi, resynchronised, .. } = state else { return };
        let made = match result {
            Err(refusal) => {
                let step = failed(&session, resynchronised, Rejection::Hss(refusal));
                return self.go(now, id, session, step, rng);
            }
            Ok(vector) => {
                let extras = self.extras(&session, &imsi, resynchronised, rng);
                Challenged::new(&session, session.identifier.wrapping_add(1), imsi, &vector, extras)
            }
        };
        session.until = now.plus_millis(self.config.answer_timeout);
        match made {
            Ok((challenged, packet)) => {
                session.state = State::Challenge(Box::new(challenged));
                self.send(id, session, packet);
            }
            Err(error) => self.reject(id, session.identifier, Rejection::Malformed(error)),
        }
    }

    fn reauthenticate(
        &self,
        now: UtcTime,
        session: &mut Session,
        name: String,
        rng: &mut dyn Rng,
    ) -> Result<Vec<u8>, crate::eap_aka::Error> {
        let next = session.identifier.wrapping_add(1);
        let Some(context) = self.contexts.find(&name, now) else {
            session.state = State::Failed(Rejection::Superseded);
            let code = Notification::GENERAL_FAILURE;
            return Request::Notification(Notification::Before { code }).emit(Method::AkaPrime, next, None);
        };
        let extras = (random(rng), self.extras(session, &context.imsi, false, rng));
        let (under_way, packet) = Reauthenticating::new(session, next, name, context, extras)?;
        session.state = State::Reauthentication(Box::new(under_way));
        Ok(packet)
    }

    fn network_name(&self, session: &Session) -> String {
        session.begun_for.as_ref().unwrap_or(&self.config.network_name).clone()
    }

    fn extras(&self, session: &Session, imsi: &Imsi, resynchronised: bool, rng: &mut dyn Rng) -> Extras {
        let is_named = session.begun_for.is_none();
        let key = self.config.pseudonym_keys.first().filter(|_| is_named);
        Extras {
            network_name: self.network_name(session),
            pseudonym: key.map(|key| key.seal(imsi, random(rng))),
            next_name: is_named.then(|| identity::reauthentication(random(rng))),
            realm: self.config.realm.clone(),
            iv: random(rng),
            result_ind: self.config.result_indications == ResultIndications::Offered,
            resynchronised,
        }
    }

    fn expire(&mut self, now: UtcTime) {
        let late = self.sessions.iter().filter(|(_, s)| s.until <= now).map(|(id, _)| *id);
        for id in late.collect::<Vec<_>>() {
            let Some(session) = self.sessions.remove(&id) else { continue };
            // Only here somebody waits for an answer of ours.
            if let State::Vector { ticket, .. } = session.state {
                self.fetches.remove(&ticket);
                self.reject(id, session.identifier, Rejection::Late);
            }
        }
        self.contexts.expire(now);
    }
}

/// A peer that was sent nothing yet need not be told a failure.
const fn failed(session: &Session, resynchronised: bool, why: Rejection) -> Step {
    if session.begun_for.is_some() && !resynchronised { Step::Reject(why) } else { Step::Fail(why) }
}

#[cfg(test)]
mod tests;
