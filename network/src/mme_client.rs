//! The UE's end of direct keying: a context with the MME, and a KD for a link by the help of the networks. Flow N of
//! TR 33.833 §6.4.1; [`crate::mme`] has the drawing.
//!
//! The links of a UE ask for a KD by [`Input::Question`] and get [`Output::Answer`]: they know nothing of MMEs. The
//! initiating UE's question begins a run; that of the target UE waits for message 3, or finds that it came.

use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_security::direct::keying::{Names, kd_from_half_keys, kd_from_public_values};
use sidelink_security::direct::signed::Ephemeral;
use sidelink_security::keys::{Kd, Secret256};
use sidelink_wire::direct_keying::{self, ANSWER, ConnectionId, Question, Side};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::hss::k_asme;
use crate::identity::Imsi;
use crate::mme::message::{Answer, AnswerStep, Call, CallStep, Cause, Expression, Kind, Message, Peer};
use crate::nas::{self, End, Plain};
use crate::usim::{self, Domain, Usim};

mod io;

pub use io::{Dropped, Event, Input, NotAttached, Output};

/// Questions, runs and KDs that wait for their links, at most: of each.
pub const MOST: usize = 64;

/// How long a KD waits for the request of its link, in milliseconds.
pub const HELD: u64 = 10_000;

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The subscriber.
    pub imsi: Imsi,
    /// Its name towards other UEs.
    pub expression: Expression,
    /// What a KD is made of: what is offered, and the only thing that is taken.
    pub kind: Kind,
    /// The serving network, which goes into K_ASME.
    pub serving_network: [u8; 3],
    /// How long the MME may take, in milliseconds.
    pub patience: u64,
}

/// A run that this UE began.
struct Run {
    ticket: u64,
    peer: Expression,
    /// Whether it named the peer by a connection id.
    by_connection: bool,
    own: Option<Ephemeral>,
    until: UtcTime,
}

/// A KD of a run that another UE began.
struct Held {
    caller: Expression,
    kd: Kd,
    lifetime: u32,
    until: UtcTime,
}

/// A question of the target UE whose run is not known yet.
struct Waiting {
    ticket: u64,
    connection: ConnectionId,
    caller: Expression,
    until: UtcTime,
}

/// The part of a UE that speaks to an MME.
pub struct MmeClient {
    config: Config,
    now: UtcTime,
    usim: Usim,
    context: Option<nas::Context>,
    /// Of a challenge that was answered; the accept proves it.
    candidate: Option<nas::Context>,
    attaching: Option<UtcTime>,
    runs: BTreeMap<ConnectionId, Run>,
    held: BTreeMap<ConnectionId, Held>,
    waiting: Vec<Waiting>,
    /// Identity that a peer gave to the last connection: it names the peer once.
    peers: BTreeMap<Expression, ConnectionId>,
    draws_from: Entropy,
    drawn: u64,
    outputs: VecDeque<Output>,
}

impl MmeClient {
    /// Without a context. `seed` is secret and of this start alone.
    pub fn new(config: Config, usim: Usim, seed: &[u8; 32]) -> Self {
        Self {
            config,
            now: UtcTime::from_millis(0),
            usim,
            context: None,
            candidate: None,
            attaching: None,
            runs: BTreeMap::new(),
            held: BTreeMap::new(),
            waiting: Vec::new(),
            peers: BTreeMap::new(),
            draws_from: Entropy::new(seed),
            drawn: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Attach { now } => {
                self.at(now);
                self.attach();
            }
            Input::Downlink { now, octets } => {
                self.at(now);
                if let Err(why) = self.downlink(octets) {
                    self.report(Event::Dropped(why));
                }
            }
            Input::Stored { now } => {
                self.at(now);
                self.usim_says(usim::Input::Stored);
            }
            Input::StoreFailed { now } => {
                self.at(now);
                self.usim_says(usim::Input::StoreFailed);
            }
            Input::Question { now, ticket, octets } => {
                self.at(now);
                if let Err(why) = self.question(ticket, octets) {
                    self.report(Event::Dropped(why));
                    self.answer(ticket, None);
                }
            }
            Input::Tick { now } => {
                self.at(now);
                self.expire();
            }
        }
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let runs = self.runs.values().map(|run| run.until);
            let held = self.held.values().map(|held| held.until);
            let waiting = self.waiting.iter().map(|waiting| waiting.until);
            Output::Timeout(runs.chain(held).chain(waiting).chain(self.attaching).min())
        })
    }

    /// Whether there is a context.
    pub const fn is_attached(&self) -> bool {
        self.context.is_some()
    }

    fn at(&mut self, now: UtcTime) {
        self.now = self.now.max(now);
    }

    fn attach(&mut self) {
        self.attaching = Some(self.now.plus_millis(self.config.patience));
        let request = Plain::AttachRequest(self.config.imsi.clone());
        self.outputs.push_back(Output::Uplink(request.emit().to_vec()));
    }

    fn downlink(&mut self, octets: &[u8]) -> Result<(), Dropped> {
        if !nas::is_protected(octets) {
            return self.unprotected(Plain::parse(octets).map_err(Dropped::Malformed)?);
        }
        if let Some(plain) = self.candidate.as_mut().and_then(|candidate| candidate.verify(octets).ok()) {
            let accepted = Plain::parse(&plain).map_err(Dropped::Malformed)? == Plain::AttachAccept;
            if !accepted {
                return Err(Dropped::Unexpected);
            }
            self.context = self.candidate.take();
            self.attaching = None;
            self.report(Event::Attached);
            return Ok(());
        }
        let context = self.context.as_mut().ok_or(Dropped::NotAttached)?;
        let plain = context.verify(octets).map_err(Dropped::Nas)?;
        let Plain::Service(message) = Plain::parse(&plain).map_err(Dropped::Malformed)? else {
            return Err(Dropped::Unexpected);
        };
        match Message::parse(&message).map_err(Dropped::Malformed)? {
            Message::Call(call) if call.step == CallStep::Notification => self.notified(call),
            Message::Answer(answer) if answer.step == AnswerStep::ServiceAnswer => self.answered(&answer),
            Message::Reject { connection, cause } => self.rejected(connection, cause),
            _ => Err(Dropped::Unexpected),
        }
    }

    /// Message 7. A network that has forgotten a connection is told the peer's expression.
    fn rejected(&mut self, connection: ConnectionId, cause: Cause) -> Result<(), Dropped> {
        let mut run = self.runs.remove(&connection).ok_or(Dropped::Unexpected)?;
        if cause == Cause::UnknownPeer && run.by_connection {
            run.by_connection = false;
            self.request(connection, run.own.as_ref(), Peer::Expression(run.peer.clone()))?;
            self.runs.insert(connection, run);
            return Ok(());
        }
        self.report(Event::Refused { connection, cause });
        self.answer(run.ticket, None);
        Ok(())
    }

    /// A message without protection: only those that make a context, and only while it is made.
    fn unprotected(&mut self, message: Plain) -> Result<(), Dropped> {
        self.attaching.ok_or(Dropped::Unexpected)?;
        match message {
            Plain::AuthenticationRequest { rand, autn } => {
                self.usim_says(usim::Input::Authenticate { rand, autn, domain: Domain::Eps });
                Ok(())
            }
            Plain::AttachReject => {
                self.not_attached(NotAttached::Rejected);
                Ok(())
            }
            _ => Err(Dropped::Unexpected),
        }
    }

    /// Hands something to the USIM, and does what it says. It is busy until its last state is durable.
    fn usim_says(&mut self, input: usim::Input) {
        if self.usim.handle_input(input).is_err() {
            return self.report(Event::Dropped(Dropped::Unexpected));
        }
        match self.usim.poll_output() {
            Some(usim::Output::Store(array)) => self.outputs.push_back(Output::Store(Box::new(array))),
            Some(usim::Output::Answer(usim::Answer::Keys(quintet))) => {
                let k_asme = k_asme(&quintet, &self.config.serving_network);
                self.candidate = Some(nas::Context::new(&k_asme, End::Ue));
                let response = Plain::AuthenticationResponse(quintet.res);
                self.outputs.push_back(Output::Uplink(response.emit().to_vec()));
            }
            Some(usim::Output::Answer(usim::Answer::OutOfSync(auts))) => {
                let failure = Plain::AuthenticationFailure(auts);
                self.outputs.push_back(Output::Uplink(failure.emit().to_vec()));
            }
            Some(usim::Output::Answer(usim::Answer::Refused(why))) => {
                self.not_attached(NotAttached::Usim(why));
            }
            None => {}
        }
    }

    fn not_attached(&mut self, why: NotAttached) {
        (self.attaching, self.candidate) = (None, None);
        self.report(Event::NotAttached(why));
    }

    fn question(&mut self, ticket: u64, octets: &[u8]) -> Result<(), Dropped> {
        let question = Question::parse(octets).map_err(Dropped::Malformed)?;
        let peer = Expression::new(question.expression).map_err(Dropped::Malformed)?;
        let (connection, until) = (question.connection, self.now.plus_millis(self.config.patience));
        match question.side {
            Side::Initiating => self.begin(ticket, connection, peer, until),
            Side::Target => match self.held.get(&connection) {
                Some(held) => {
                    let answer = (held.caller == peer).then(|| answer_of(&held.kd, held.lifetime));
                    self.answer(ticket, answer);
                    Ok(())
                }
                None if self.waiting.len() >= MOST => Err(Dropped::Busy),
                None => {
                    self.waiting.push(Waiting { ticket, connection, caller: peer, until });
                    Ok(())
                }
            },
        }
    }

    /// Message 1.
    fn begin(
        &mut self,
        ticket: u64,
        connection: ConnectionId,
        peer: Expression,
        until: UtcTime,
    ) -> Result<(), Dropped> {
        if self.context.is_none() {
            return Err(Dropped::NotAttached);
        }
        if self.runs.len() >= MOST || self.runs.contains_key(&connection) {
            return Err(Dropped::Busy);
        }
        let own = self.ephemeral();
        let named = self.peers.remove(&peer);
        let called = named.map_or_else(|| Peer::Expression(peer.clone()), Peer::Connection);
        self.request(connection, own.as_ref(), called)?;
        self.runs.insert(connection, Run { ticket, peer, by_connection: named.is_some(), own, until });
        Ok(())
    }

    fn request(
        &mut self,
        connection: ConnectionId,
        own: Option<&Ephemeral>,
        peer: Peer,
    ) -> Result<(), Dropped> {
        self.tell(&Message::Call(Call {
            step: CallStep::ServiceRequest,
            kind: self.config.kind,
            connection,
            shares: own.iter().map(|own| Secret256::from(own.public())).collect(),
            lifetime: 0,
            caller: self.config.expression.clone(),
            peer,
        }))
    }

    /// Message 6.
    fn answered(&mut self, answer: &Answer) -> Result<(), Dropped> {
        let connection = answer.connection;
        if answer.kind != self.config.kind {
            return Err(Dropped::Unexpected);
        }
        let run = self.runs.remove(&connection).ok_or(Dropped::Unexpected)?;
        let names =
            Names { initiating: connection.octets(), target: answer.target.octets(), dksi: answer.dksi };
        let [one, two] = &answer.shares[..] else { return Err(Dropped::Unexpected) };
        let kd = match &run.own {
            None => Some(kd_from_half_keys(one, two, &names)),
            Some(own) if !bool::from(own.public().ct_eq(one.as_bytes())) => None,
            Some(own) => kd_from_public_values(own, [one.as_bytes(), two.as_bytes()], &names),
        };
        let Some(kd) = kd else {
            self.report(Event::Dropped(Dropped::Material));
            self.answer(run.ticket, None);
            return Ok(());
        };
        self.remember(run.peer, answer.target);
        self.report(Event::Keyed { connection, side: Side::Initiating });
        self.answer(run.ticket, Some(answer_of(&kd, answer.lifetime)));
        Ok(())
    }

    /// Message 3, and 4.
    fn notified(&mut self, call: Call) -> Result<(), Dropped> {
        let connection = call.connection;
        let refused = match call.kind == self.config.kind {
            false => Some(Cause::Kind),
            true if self.held.contains_key(&connection) => Some(Cause::ConnectionUsed),
            true if self.held.len() >= MOST => Some(Cause::TooOften),
            true => None,
        };
        if let Some(cause) = refused {
            self.report(Event::Refused { connection, cause });
            return self.tell(&Message::Reject { connection, cause });
        }
        let [a, b, c, d, e, f, g, h, ..] = self.draw();
        let target = ConnectionId::new([a, b, c, d]).ok_or(Dropped::Busy)?;
        let dksi = [e, f, g, h];
        let names = Names { initiating: connection.octets(), target: target.octets(), dksi };
        let own = self.ephemeral();
        let kd = match (&call.shares[..], &own) {
            ([one, two], None) => Some(kd_from_half_keys(one, two, &names)),
            ([one], Some(own)) => kd_from_public_values(own, [one.as_bytes(), &own.public()], &names),
            _ => None,
        };
        let Some(kd) = kd else {
            self.tell(&Message::Reject { connection, cause: Cause::Kind })?;
            return Err(Dropped::Material);
        };
        let shares = own.iter().map(|own| Secret256::from(own.public())).collect();
        let (step, kind) = (AnswerStep::NotificationAnswer, call.kind);
        self.tell(&Message::Answer(Answer { step, kind, connection, target, dksi, shares, lifetime: 0 }))?;
        self.remember(call.caller.clone(), connection);
        let until = self.now.plus_millis(HELD);
        self.report(Event::Keyed { connection, side: Side::Target });
        let held = Held { caller: call.caller, kd, lifetime: call.lifetime, until };
        let (asked, waiting) = self.waiting.drain(..).partition(|waiting| waiting.connection == connection);
        self.waiting = waiting;
        let asked: Vec<Waiting> = asked;
        for Waiting { ticket, caller, .. } in asked {
            let answer = (caller == held.caller).then(|| answer_of(&held.kd, held.lifetime));
            self.answer(ticket, answer);
        }
        self.held.insert(connection, held);
        Ok(())
    }

    fn remember(&mut self, peer: Expression, connection: ConnectionId) {
        if self.peers.len() >= MOST && !self.peers.contains_key(&peer) {
            self.peers.pop_first();
        }
        self.peers.insert(peer, connection);
    }

    fn tell(&mut self, message: &Message) -> Result<(), Dropped> {
        let context = self.context.as_mut().ok_or(Dropped::NotAttached)?;
        let service = message.emit().expect("each message is given its shares");
        let octets = context.protect(&Plain::Service(service)).map_err(Dropped::Nas)?;
        self.outputs.push_back(Output::Uplink(octets));
        Ok(())
    }

    fn expire(&mut self) {
        let now = self.now;
        self.held.retain(|_, held| held.until > now);
        let late = self.runs.iter().filter(|(_, run)| run.until <= now);
        let late: Vec<_> = late.map(|(connection, _)| *connection).collect();
        for connection in late {
            if let Some(run) = self.runs.remove(&connection) {
                self.report(Event::Refused { connection, cause: Cause::Late });
                self.answer(run.ticket, None);
                // The MME may have lost the context.
                if self.attaching.is_none() {
                    self.attach();
                }
            }
        }
        let (late, waiting) = self.waiting.drain(..).partition(|waiting| waiting.until <= now);
        self.waiting = waiting;
        let late: Vec<Waiting> = late;
        late.into_iter().for_each(|waiting| self.answer(waiting.ticket, None));
        if self.attaching.is_some_and(|until| until <= now) {
            self.not_attached(NotAttached::Late);
        }
    }

    /// A pair of this run alone, if KDs are made of public values.
    fn ephemeral(&mut self) -> Option<Ephemeral> {
        (self.config.kind == Kind::PublicValues).then(|| Ephemeral::new(self.draw()))
    }

    fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        self.draws_from.draw(self.drawn)
    }

    fn answer(&mut self, ticket: u64, answer: Option<Zeroizing<[u8; ANSWER]>>) {
        self.outputs.push_back(Output::Answer { ticket, answer });
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

fn answer_of(kd: &Kd, lifetime: u32) -> Zeroizing<[u8; ANSWER]> {
    let mut octets = Zeroizing::new([0; ANSWER]);
    direct_keying::Answer { kd: kd.as_bytes(), lifetime }.emit(&mut octets);
    octets
}
