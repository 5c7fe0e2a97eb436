//! The BSF: Ub from the HTTP server, Zn and Zpn from NAFs, Zh to the HSS.

use std::collections::HashMap;
use std::sync::Arc;

use http::StatusCode;
use sidelink_network::aka::Quintet;
use sidelink_network::bsf::{self, Bsf, Connection, KeyMaterial, KeyRefusal, Record, Request, Response};
use sidelink_network::gba_push::bsf::{self as push, PushBsf, Pushed};
use sidelink_network::hss::{Refusal, Resynchronisation, Ticket};
use sidelink_network::identity::{BTid, Fqdn, Impi, NafId};
use sidelink_security::counter::UtcTime;

use super::ledger::Ledger;
use super::{Address, Function, Reply, now};
use crate::status::Counters;
use crate::store::{Store, StoreError, Write};

/// Asks an HSS for a vector.
pub(crate) type Zh = Box<dyn Fn(Impi, Option<Resynchronisation>, Reply<Result<Quintet, Refusal>>) + Send>;

/// What a NAF is answered over Zpn.
pub(crate) type Pushing = Result<Pushed, push::Refusal>;

/// Who waits for a GPI, and which of its requests it is.
struct Pusher {
    ticket: Ticket,
    reply: Reply<(Ticket, Pushing)>,
}

/// What a BSF is asked.
pub(crate) enum BsfCommand {
    /// A request over Ub.
    Request { request: Request, reply: Reply<Response> },
    /// The HSS answered.
    Vector { ticket: Ticket, result: Result<Quintet, Refusal> },
    /// A NAF asks for its key, over Zn.
    Key { naf: Fqdn, b_tid: BTid, naf_id: NafId, reply: Reply<Result<KeyMaterial, KeyRefusal>> },
    /// A NAF asks for a GPI, over Zpn. The answer has the ticket of the request.
    Push { request: push::Request, reply: Reply<(Ticket, Pushing)> },
    /// The HSS answered for a GPI.
    PushVector { ticket: Ticket, result: Result<Quintet, Refusal> },
}

/// The BSF of a process.
pub(crate) struct BsfFunction {
    bsf: Bsf,
    push: PushBsf,
    ledger: Ledger,
    counters: Arc<Counters>,
    zh: Zh,
    own: Address<BsfCommand>,
    names: u64,
    requests: HashMap<Connection, Reply<Response>>,
    keys: HashMap<Ticket, Reply<Result<KeyMaterial, KeyRefusal>>>,
    pushers: HashMap<Ticket, Pusher>,
    stores: Vec<(Ticket, Record)>,
    forgotten: Vec<Impi>,
}

impl BsfFunction {
    /// With the keys of a store.
    pub(crate) fn new(
        config: bsf::Config,
        mut store: Box<dyn Store>,
        counters: Arc<Counters>,
        zh: Zh,
        own: Address<BsfCommand>,
    ) -> Result<Self, StoreError> {
        // Vectors of NAFs are limited as those of Ub are, and apart from them.
        let limits = push::Config {
            rate: config.rate,
            fetch_timeout: config.fetch_timeout,
            ..push::Config::default()
        };
        let bsf = Bsf::new(config, store.keys()?);
        Ok(Self {
            bsf,
            push: PushBsf::new(limits),
            ledger: Ledger::new("BSF", store, Arc::clone(&counters)),
            counters,
            zh,
            own,
            names: 0,
            requests: HashMap::new(),
            keys: HashMap::new(),
            pushers: HashMap::new(),
            stores: Vec::new(),
            forgotten: Vec::new(),
        })
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// Does what both machines say, and returns when one of them wants to be called again.
    fn drain_all(&mut self) -> Option<UtcTime> {
        [self.drain_push(), self.drain()].into_iter().flatten().min()
    }

    fn drain_push(&mut self) -> Option<UtcTime> {
        loop {
            match self.push.poll_output() {
                push::Output::Fetch { ticket, impi, resynchronisation } => {
                    let own = self.own.clone();
                    // A queue that is full: the machine gives the fetch up by its own time.
                    let answer = move |result| _ = own.send(BsfCommand::PushVector { ticket, result });
                    (self.zh)(impi, resynchronisation, Box::new(answer));
                }
                push::Output::Answer { ticket, result } => {
                    match result {
                        Ok(_) => self.counters.keys_pushed.add(),
                        Err(_) => self.counters.pushes_refused.add(),
                    }
                    if let Some(Pusher { ticket, reply }) = self.pushers.remove(&ticket) {
                        reply((ticket, result));
                    }
                }
                push::Output::Timeout(at) => return at,
            }
        }
    }

    /// Does what the machine says, and returns when it wants to be called again.
    fn drain(&mut self) -> Option<UtcTime> {
        loop {
            match self.bsf.poll_output() {
                bsf::Output::Response { to, response } => {
                    match response.status() {
                        StatusCode::OK => self.counters.bootstrapped.add(),
                        StatusCode::UNAUTHORIZED => self.counters.challenges.add(),
                        _ => self.counters.ub_refused.add(),
                    }
                    if let Some(reply) = self.requests.remove(&to) {
                        reply(response);
                    }
                }
                bsf::Output::Fetch { ticket, impi, resynchronisation } => {
                    let own = self.own.clone();
                    // A queue that is full: the machine gives the fetch up by its own time.
                    let answer = move |result| _ = own.send(BsfCommand::Vector { ticket, result });
                    (self.zh)(impi, resynchronisation, Box::new(answer));
                }
                bsf::Output::Store { ticket, record } => self.stores.push((ticket, record)),
                bsf::Output::Forget { impi } => self.forgotten.push(impi),
                bsf::Output::Key { ticket, result } => {
                    match result {
                        Ok(_) => self.counters.keys_given.add(),
                        Err(_) => self.counters.keys_refused.add(),
                    }
                    if let Some(reply) = self.keys.remove(&ticket) {
                        reply(result);
                    }
                }
                bsf::Output::Timeout(at) => return at,
            }
        }
    }

    /// What was forgotten stands in front: a key of the same subscriber may come after it.
    fn commit(&mut self) {
        let mut writes: Vec<Write> = self.forgotten.drain(..).map(Write::ForgetKey).collect();
        let mut tickets = Vec::new();
        for (ticket, record) in self.stores.drain(..) {
            tickets.push(ticket);
            writes.push(Write::PutKey(record));
        }
        let is_durable = self.ledger.commit(&writes).is_some();
        for ticket in tickets {
            self.bsf.handle_input(match is_durable {
                true => bsf::Input::Stored { ticket },
                false => bsf::Input::StoreFailed { ticket },
            });
        }
    }
}

impl Function for BsfFunction {
    type Command = BsfCommand;

    fn take(&mut self, command: BsfCommand) {
        let now = now();
        match command {
            BsfCommand::Request { request, reply } => {
                let from = Connection(self.name());
                self.requests.insert(from, reply);
                self.bsf.handle_input(bsf::Input::Request { now, from, request: &request });
            }
            BsfCommand::Vector { ticket, result } => {
                self.bsf.handle_input(bsf::Input::Vector { now, ticket, result });
            }
            BsfCommand::Key { naf, b_tid, naf_id, reply } => {
                let ticket = Ticket(self.name());
                self.keys.insert(ticket, reply);
                self.bsf.handle_input(bsf::Input::KeyRequest { now, ticket, naf, b_tid, naf_id });
            }
            BsfCommand::Push { mut request, reply } => {
                // NAFs number their requests each from 1.
                let name = Ticket(self.name());
                let ticket = std::mem::replace(&mut request.ticket, name);
                self.pushers.insert(name, Pusher { ticket, reply });
                self.push.handle_input(push::Input::Request { now, request });
            }
            BsfCommand::PushVector { ticket, result } => {
                self.push.handle_input(push::Input::Vector { now, ticket, result });
            }
        }
    }

    fn tick(&mut self, now: UtcTime) {
        self.bsf.handle_input(bsf::Input::Tick { now });
        self.push.handle_input(push::Input::Tick { now });
    }

    fn settle(&mut self) -> Option<UtcTime> {
        loop {
            let at = self.drain_all();
            if self.stores.is_empty() && self.forgotten.is_empty() {
                return at;
            }
            self.commit();
        }
    }
}
