//! The key management server of identities: HTTPS, a store, and orders of the operator.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sidelink_network::bsf::{KeyMaterial, KeyRefusal};
use sidelink_network::identity::{Fqdn, NafId};
use sidelink_network::kms::{
    self, Change, Escrow, EscrowRefused, Event, Holder, Input, Kms, Masters, OrderId, Output, RequestId,
    Response, Ticket,
};
use sidelink_network::kms_messages::{KmsKeySet, Text, Uri};
use sidelink_network::mikey_ticket::UA_PROTOCOL;
use sidelink_network::mikey_ticket::initial::Exchange;
use sidelink_security::counter::UtcTime;

use super::seeds::Seeds;
use super::{Address, Function, Reply, now};
use crate::error::StartError;
use crate::status::Counters;
use crate::store::KmsStore;
use crate::tls::Zn;

/// What a key management server is asked.
pub(crate) enum KmsCommand {
    /// A POST of a subscriber that TLS has proven.
    Request { holder: Holder, path: String, content_type: String, body: Vec<u8>, reply: Reply<Response> },
    /// A request for a ticket, or to resolve one.
    Mikey { exchange: Exchange, octets: Vec<u8>, reply: Reply<Response> },
    /// The BSF answered.
    Key { ticket: Ticket, material: Option<KeyMaterial> },
    /// The operator lets an identity have no more keys, or again.
    Identity { change: IdentityChange, user: Uri, reply: Reply<Result<(), IdentityError>> },
    /// The operator wants keys of a user.
    Escrow {
        user: Uri,
        time: UtcTime,
        by: Text,
        why: Text,
        reply: Reply<Result<Box<KmsKeySet>, IdentityError>>,
    },
}

/// What becomes of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdentityChange {
    /// It is revoked.
    Revoked,
    /// It is admitted again.
    Admitted,
}

/// Why an order about an identity was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// No URI, or a text that is too long.
    Text,
    /// The identity is granted to nobody.
    NotGranted(String),
    /// The change could not be made durable. A revoked identity gets nothing as long as the process runs.
    Store,
    /// No keys were made.
    Escrow(EscrowRefused),
    /// The server does not run here, or does not answer.
    NotHere,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("an identity is a URI, a name and a reason are short texts"),
            Self::NotGranted(user) => write!(f, "{user} is granted to nobody: look at [kms]"),
            Self::Store => {
                f.write_str("the change could not be stored: see the log, and give the order again")
            }
            Self::Escrow(why) => why.fmt(f),
            Self::NotHere => {
                f.write_str("the key management server does not run in this process, or does not answer")
            }
        }
    }
}

impl std::error::Error for IdentityError {}

/// How the server gets the keys of those who ask for tickets.
pub(crate) struct Keys {
    /// The BSF.
    pub(crate) zn: Zn,
    /// The name of the server as a NAF.
    pub(crate) name: Fqdn,
    /// Where its answers go.
    pub(crate) own: Address<KmsCommand>,
}

/// The key management server of a process.
pub(crate) struct KmsThread {
    machine: Kms,
    store: Box<dyn KmsStore>,
    counters: Arc<Counters>,
    granted: Vec<Uri>,
    /// How the BSF is asked for a key of a ticket, and where its answer goes.
    zn: Zn,
    naf: NafId,
    own: Address<KmsCommand>,
    fails: bool,
    names: u64,
    requests: HashMap<u64, Reply<Response>>,
    orders: HashMap<u64, Reply<Result<(), IdentityError>>>,
    escrows: HashMap<u64, Reply<Result<Box<KmsKeySet>, IdentityError>>>,
    stores: Vec<Ticket>,
    writes: Vec<Change>,
    seeds: Seeds,
}

impl KmsThread {
    /// With what a store has.
    pub(crate) fn new(
        config: kms::Config,
        masters: Masters,
        mut store: Box<dyn KmsStore>,
        counters: Arc<Counters>,
        Keys { zn, name, own }: Keys,
    ) -> Result<Self, StartError> {
        let durable = store.durable(now())?;
        let (seeds, seed) = Seeds::first()?;
        let granted = config.grants.iter().map(|grant| grant.user.clone()).collect();
        Ok(Self {
            machine: Kms::new(config, masters, &seed, durable)?,
            store,
            counters,
            granted,
            zn,
            naf: NafId { fqdn: name, protocol: UA_PROTOCOL },
            own,
            fails: false,
            names: 0,
            requests: HashMap::new(),
            orders: HashMap::new(),
            escrows: HashMap::new(),
            stores: Vec::new(),
            writes: Vec::new(),
            seeds,
        })
    }

    fn drain(&mut self) -> Option<UtcTime> {
        loop {
            match self.machine.poll_output() {
                Output::Respond { request, response } => {
                    match response {
                        Response::Refused(_) => self.counters.kms_refused.add(),
                        _ => self.counters.kms_answered.add(),
                    }
                    if let Some(reply) = self.requests.remove(&request.0) {
                        reply(response);
                    }
                }
                Output::AskKey { ticket, name } => {
                    let own = self.own.clone();
                    // A queue that is full: the machine refuses what waits by its own time.
                    let reply = Box::new(move |answer: Result<KeyMaterial, KeyRefusal>| {
                        _ = own.send(KmsCommand::Key { ticket, material: answer.ok() });
                    });
                    (self.zn)(name, self.naf.clone(), reply);
                }
                Output::Store { ticket, changes } => {
                    self.stores.push(ticket);
                    self.writes.extend(changes);
                }
                Output::Done { order, stored } => {
                    if let Some(reply) = self.orders.remove(&order.0) {
                        reply(if stored { Ok(()) } else { Err(IdentityError::Store) });
                    }
                }
                Output::Escrowed { order, result } => {
                    if let Some(reply) = self.escrows.remove(&order.0) {
                        reply(result.map_err(IdentityError::Escrow));
                    }
                }
                Output::Event(event) => self.report(&event),
                Output::Timeout(at) => return at,
            }
        }
    }

    fn report(&self, event: &Event) {
        match event {
            Event::Issued { key_sets, .. } => (0..*key_sets).for_each(|_| self.counters.identity_keys.add()),
            Event::Rejected { .. } => self.counters.identities_rejected.add(),
            Event::TicketGranted { .. } => self.counters.tickets_granted.add(),
            Event::TicketResolved { .. } => self.counters.tickets_resolved.add(),
            Event::TicketRefused { .. } => self.counters.tickets_refused.add(),
            Event::Flood => return tracing::warn!("KMS: more requests than are served"),
            _ => {}
        }
        tracing::debug!("KMS: {event:?}");
    }

    fn commit(&mut self) {
        let stores = std::mem::take(&mut self.stores);
        let committed = self.store.commit(&std::mem::take(&mut self.writes));
        match &committed {
            Ok(()) if std::mem::take(&mut self.fails) => tracing::info!("KMS: the database works again"),
            Ok(()) => {}
            Err(error) => {
                self.counters.store_failures.add();
                if !std::mem::replace(&mut self.fails, true) {
                    tracing::error!("KMS: {error}; what waits for it is answered with 503");
                }
            }
        }
        let now = now();
        for ticket in stores {
            self.machine.handle_input(match committed {
                Ok(()) => Input::Stored { now, ticket },
                Err(_) => Input::StoreFailed { now, ticket },
            });
        }
    }
}

impl Function for KmsThread {
    type Command = KmsCommand;

    fn take(&mut self, command: KmsCommand) {
        let now = now();
        if let Some(seed) = self.seeds.again(now) {
            self.machine.handle_input(Input::Entropy { seed: &seed });
        }
        self.names += 1;
        match command {
            KmsCommand::Request { holder, path, content_type, body, reply } => {
                self.requests.insert(self.names, reply);
                let request = RequestId(self.names);
                let (path, content_type, body) = (path.as_str(), content_type.as_str(), &body[..]);
                self.machine.handle_input(Input::Request { now, request, holder, path, content_type, body });
            }
            KmsCommand::Mikey { exchange, octets, reply } => {
                self.requests.insert(self.names, reply);
                let request = RequestId(self.names);
                self.machine.handle_input(Input::Mikey { now, request, exchange, octets: &octets });
            }
            KmsCommand::Key { ticket, material } => {
                self.machine.handle_input(Input::Key { now, ticket, material });
            }
            KmsCommand::Identity { user, reply, .. } if !self.granted.contains(&user) => {
                reply(Err(IdentityError::NotGranted(user.to_string())));
            }
            KmsCommand::Identity { change, user, reply } => {
                self.orders.insert(self.names, reply);
                let order = OrderId(self.names);
                self.machine.handle_input(match change {
                    IdentityChange::Revoked => Input::Revoke { now, order, user },
                    IdentityChange::Admitted => Input::Admit { now, order, user },
                });
            }
            KmsCommand::Escrow { user, time, by, why, reply } => {
                self.escrows.insert(self.names, reply);
                tracing::warn!("KMS: {by} takes the keys of {user}: {why}");
                let escrow = Escrow { order: OrderId(self.names), user, time, by, why };
                self.machine.handle_input(Input::Escrow { now, escrow });
            }
        }
    }

    fn tick(&mut self, now: UtcTime) {
        self.machine.handle_input(Input::Tick { now });
    }

    fn settle(&mut self) -> Option<UtcTime> {
        loop {
            let at = self.drain();
            if self.stores.is_empty() {
                return at;
            }
            self.commit();
        }
    }
}
