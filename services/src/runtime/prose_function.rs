//! The ProSe Function: PC3 from the HTTPS server, PC4a to the HSS.

use std::collections::HashMap;
use std::sync::Arc;

use sidelink_network::pc3::Imsi;
use sidelink_network::prose_function::{
    self, Alarm, Answer, Durable, Event, NotTold, ProseFunction, Query, Refused, RequestId, Response,
    Revocation, Ticket, Told,
};
use sidelink_network::public_keys::server::{self as public_keys, Withdrawal};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Lease, Reservation, ReserveConfig, StreamId};

use super::ledger::{Ledger, raise};
use super::public_keys::KeyServer;
use super::seeds::Seeds;
use super::{Address, Function, Reply, now};
use crate::error::StartError;
use crate::status::Counters;
use crate::store::{Store, Write, Written};

/// The stream of the numbers that codes and keys are bound to.
pub(crate) const NUMBERS: StreamId = StreamId(*b"ProSe Function 1");

/// Between two tries of a database that fails, in milliseconds.
const RETRY: u64 = 200;

/// Refusals that are worth a commit of their own; fewer wait for the next one, or for a quiet moment.
const HINTS: usize = 32;

/// Asks an HSS what a UE may do.
pub(crate) type Pc4a = Box<dyn Fn(Imsi, Reply<Answer>) + Send>;

/// What a ProSe Function is asked.
pub(crate) enum ProseCommand {
    /// The body of a request over PC3, of a UE that TLS has proven.
    Message { ue: Imsi, solution: Option<String>, body: Vec<u8>, reply: Reply<Response> },
    /// The body of a request about public keys, of a UE that TLS has proven.
    PublicKeys { ue: Imsi, solution: Option<String>, body: Vec<u8>, reply: Reply<Response> },
    /// The HSS answered.
    Subscription { ue: Imsi, answer: Answer },
    /// The function of another network asks.
    Ask { query: Query, reply: Reply<Result<Told, NotTold>> },
    /// The operator withdraws something.
    Revoke { what: Revocation, reply: Reply<()> },
    /// The operator revokes public keys; the reply says how many.
    RevokeKeys { what: Withdrawal, reply: Reply<usize> },
}

/// The ProSe Function of a process.
pub(crate) struct ProseFunctionThread {
    machine: ProseFunction,
    keys: KeyServer,
    ledger: Ledger,
    counters: Arc<Counters>,
    pc4a: Pc4a,
    own: Address<ProseCommand>,
    names: u64,
    requests: HashMap<u64, Reply<Response>>,
    queries: HashMap<u64, Reply<Result<Told, NotTold>>>,
    stores: Vec<Ticket>,
    writes: Vec<Write>,
    /// Refusals to write down with the next commit; lost where it fails.
    hints: Vec<Write>,
    /// Whether they are written though nothing else is.
    writes_hints: bool,
    reservations: Vec<Reservation>,
    seeds: Seeds,
}

impl ProseFunctionThread {
    /// With the entries and numbers of a store.
    pub(crate) fn new(
        (config, keys): (prose_function::Config, public_keys::Config),
        mut store: Box<dyn Store>,
        counters: Arc<Counters>,
        pc4a: Pc4a,
        own: Address<ProseCommand>,
    ) -> Result<Self, StartError> {
        let durable = Durable { records: store.entries()?, refused: store.refusals(now())? };
        let numbers = Lease::at(NUMBERS, store.reserved(NUMBERS)?, 1, u64::MAX, ReserveConfig::default());
        let (seeds, seed) = Seeds::first()?;
        let machine = ProseFunction::new(config, numbers, &seed, durable)?;
        let keys = KeyServer::new(keys, &seed, store.public_keys()?)?;
        counters.entries.set(machine.entries() as u64);
        Ok(Self {
            machine,
            keys,
            ledger: Ledger::new("ProSe Function", store, Arc::clone(&counters)),
            counters,
            pc4a,
            own,
            names: 0,
            requests: HashMap::new(),
            queries: HashMap::new(),
            stores: Vec::new(),
            writes: Vec::new(),
            hints: Vec::new(),
            writes_hints: false,
            reservations: Vec::new(),
            seeds,
        })
    }

    fn drain(&mut self) -> Option<UtcTime> {
        let at = self.drain_function();
        self.counters.public_keys.set(self.keys.keys() as u64);
        let (answers, keys_at) = self.keys.drain();
        for (request, response) in answers {
            self.respond(request, response);
        }
        at.into_iter().chain(keys_at).min()
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        match response {
            Response::Refused(Refused::Puzzle(_)) => {
                self.counters.puzzles_asked.add();
                self.counters.pc3_refused.add();
            }
            Response::Refused(_) => self.counters.pc3_refused.add(),
            Response::Message(_) | Response::Accepted => self.counters.pc3_answered.add(),
        }
        if let Some(reply) = self.requests.remove(&request.0) {
            reply(response);
        }
    }

    fn drain_function(&mut self) -> Option<UtcTime> {
        use prose_function::Output;
        self.counters.entries.set(self.machine.entries() as u64);
        loop {
            match self.machine.poll_output() {
                Output::Respond { request, response } => self.respond(request, response),
                Output::PublicKeys { request, ue, message, subscription } => {
                    self.keys.message(now(), (request, ue), *message, subscription);
                }
                Output::Tell { request, told } => {
                    if let Some(reply) = self.queries.remove(&request.0) {
                        reply(told);
                    }
                }
                Output::Push { ue, .. } => {
                    self.counters.pushes_unsent.add();
                    tracing::info!("ProSe Function: {ue} is not told: there is neither OMA Push nor polling");
                }
                Output::AskSubscription { ue } => {
                    self.counters.subscriptions_asked.add();
                    let own = self.own.clone();
                    // A queue that is full: the machine refuses what waits by its own time.
                    let answer = move |answer| _ = own.send(ProseCommand::Subscription { ue, answer });
                    (self.pc4a)(ue, Box::new(answer));
                }
                Output::EpcLevel { request, .. } => {
                    self.respond(request, Response::Refused(Refused::NoEpcLevel));
                }
                Output::RememberRefusal { ue, until } => {
                    self.hints.push(Write::Refusal { ue, until, now: now() });
                }
                Output::Store { ticket, changes } => {
                    self.stores.push(ticket);
                    self.writes.extend(changes.into_iter().map(Write::Entry));
                }
                Output::Reserve(reservation) => self.reservations.push(reservation),
                Output::Event(Event::Flood(Alarm { whose, refused, since })) => {
                    let seconds = now().millis().saturating_sub(since.millis()) / 1000;
                    tracing::warn!(
                        "ProSe Function: a flood, {whose:?}: {refused} requests refused in {seconds} s"
                    );
                }
                Output::Event(event) => tracing::debug!("ProSe Function: {event:?}"),
                Output::Timeout(at) => return at,
            }
        }
    }

    fn commit(&mut self) {
        let (stores, reservations) =
            (std::mem::take(&mut self.stores), std::mem::take(&mut self.reservations));
        let mut writes = std::mem::take(&mut self.writes);
        let entries = writes.len();
        writes.extend(reservations.iter().map(raise::<Write>));
        writes.append(&mut self.hints);
        let (keys, mut key_writes) = self.keys.take_writes();
        writes.append(&mut key_writes);
        let written = self.ledger.commit(&writes);
        let now = now();
        self.keys.written(now, keys, written.as_ref().map(drop));
        for ticket in stores {
            self.machine.handle_input(match written {
                Some(_) => prose_function::Input::Stored { now, ticket },
                None => prose_function::Input::StoreFailed { now, ticket },
            });
        }
        for (at, reservation) in reservations.into_iter().enumerate() {
            let written: Option<Written> =
                written.as_ref().and_then(|written| written.get(entries + at).copied());
            self.machine.handle_input(match self.ledger.grant(reservation, written) {
                Some(granted) => prose_function::Input::Granted { now, granted },
                None => prose_function::Input::ReservationFailed { now },
            });
        }
    }

    fn reseed(&mut self, now: UtcTime) {
        if let Some(seed) = self.seeds.again(now) {
            self.machine.handle_input(prose_function::Input::Entropy { seed: &seed[..] });
        }
    }
}

impl Function for ProseFunctionThread {
    type Command = ProseCommand;

    fn take(&mut self, command: ProseCommand) {
        let now = now();
        self.reseed(now);
        match command {
            ProseCommand::Message { ue, solution, body, reply } => {
                self.names += 1;
                self.requests.insert(self.names, reply);
                let request = RequestId(self.names);
                let (solution, body) = (solution.as_deref(), &body[..]);
                self.machine.handle_input(prose_function::Input::Message {
                    now,
                    request,
                    ue,
                    solution,
                    body,
                });
            }
            ProseCommand::PublicKeys { ue, solution, body, reply } => {
                self.names += 1;
                self.requests.insert(self.names, reply);
                let request = RequestId(self.names);
                let (solution, body) = (solution.as_deref(), &body[..]);
                let input = prose_function::Input::PublicKeys { now, request, ue, solution, body };
                self.machine.handle_input(input);
            }
            ProseCommand::Subscription { ue, answer } => {
                self.machine.handle_input(prose_function::Input::Subscription { now, ue, answer });
            }
            ProseCommand::Ask { query, reply } => {
                self.names += 1;
                self.queries.insert(self.names, reply);
                let request = RequestId(self.names);
                self.machine.handle_input(prose_function::Input::OtherNetwork { now, request, query });
            }
            ProseCommand::Revoke { what, reply } => {
                let of_keys = match &what {
                    Revocation::Ue(ue) => Withdrawal::Ue(*ue),
                    Revocation::Permission(permission) => Withdrawal::Permission(permission.clone()),
                };
                self.machine.handle_input(prose_function::Input::Revoke { now, what });
                self.keys.revoke(now, of_keys, Box::new(move |_| reply(())));
            }
            ProseCommand::RevokeKeys { what, reply } => self.keys.revoke(now, what, reply),
        }
    }

    fn tick(&mut self, now: UtcTime) {
        self.writes_hints = !self.hints.is_empty();
        self.machine.handle_input(prose_function::Input::Tick { now });
        self.keys.tick(now);
    }

    fn settle(&mut self) -> Option<UtcTime> {
        loop {
            let at = self.drain();
            let hints = std::mem::take(&mut self.writes_hints) || self.hints.len() >= HINTS;
            let stores = !self.stores.is_empty() || self.keys.stores();
            if !stores && self.reservations.is_empty() && !hints {
                return at;
            }
            self.commit();
            if self.ledger.fails() {
                // The machine asks for its numbers again at once, and would ask a disk that is gone for ever.
                self.drain();
                return Some(now().plus_millis(RETRY));
            }
        }
    }
}
