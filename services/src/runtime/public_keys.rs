//! The server of public keys, in the thread of the ProSe Function that admits its requests.
//!
//! There is no way to the functions of other networks yet: none is asked, and a server is configured with none.

use std::collections::HashMap;

use sidelink_network::pc3::Imsi;
use sidelink_network::prose_function::{Refused, RequestId, Response, Subscription, Ticket};
use sidelink_network::public_keys::KeyMessage;
use sidelink_network::public_keys::server::{
    self, Config, Durable, Input, OrderId, Output, PublicKeyServer, Withdrawal,
};
use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use super::Reply;
use crate::error::StartError;
use crate::store::Write;

/// The server of public keys of a ProSe Function.
pub(super) struct KeyServer {
    machine: PublicKeyServer,
    names: u64,
    orders: HashMap<u64, Reply<usize>>,
    stores: Vec<Ticket>,
    writes: Vec<Write>,
}

impl KeyServer {
    pub(super) fn new(config: Config, seed: &[u8; 32], durable: Durable) -> Result<Self, StartError> {
        let machine = PublicKeyServer::new(config, seed, durable)?;
        Ok(Self { machine, names: 0, orders: HashMap::new(), stores: Vec::new(), writes: Vec::new() })
    }

    pub(super) fn message(
        &mut self,
        now: UtcTime,
        (request, ue): (RequestId, Imsi),
        message: KeyMessage,
        subscription: Subscription,
    ) {
        self.machine.handle_input(Input::Message { now, request, ue, subscription, message });
    }

    /// Withdraws something; the reply has the number of keys that are revoked, once that is durable.
    pub(super) fn revoke(&mut self, now: UtcTime, what: Withdrawal, reply: Reply<usize>) {
        self.names += 1;
        self.orders.insert(self.names, reply);
        self.machine.handle_input(Input::Revoke { now, order: OrderId(self.names), what });
    }

    pub(super) fn tick(&mut self, now: UtcTime) {
        self.machine.handle_input(Input::Tick { now });
    }

    /// How many keys there are.
    pub(super) const fn keys(&self) -> usize {
        self.machine.keys()
    }

    /// Answers that are ready, and the time of the next look.
    pub(super) fn drain(&mut self) -> (Vec<(RequestId, Response)>, Option<UtcTime>) {
        let mut answers = Vec::new();
        loop {
            match self.machine.poll_output() {
                Output::Respond { request, response } => answers.push((request, of(response))),
                Output::Done { order, revoked } => {
                    if let Some(reply) = self.orders.remove(&order.0) {
                        reply(revoked);
                    }
                }
                Output::Store { ticket, changes } => {
                    self.stores.push(ticket);
                    self.writes.extend(changes.into_iter().map(Write::PublicKey));
                }
                Output::AskOther { question, plmn, .. } => {
                    tracing::debug!("public keys: there is no way to {plmn}, for {question:?}");
                }
                Output::Tell { .. } => {}
                Output::Event(event) => tracing::debug!("public keys: {event:?}"),
                Output::Timeout(at) => return (answers, at),
            }
        }
    }

    /// Whether something is to be stored.
    pub(super) fn stores(&self) -> bool {
        !self.stores.is_empty()
    }

    /// What is to be stored, and the tickets of those that wait for it.
    pub(super) fn take_writes(&mut self) -> (Vec<Ticket>, Vec<Write>) {
        (std::mem::take(&mut self.stores), std::mem::take(&mut self.writes))
    }

    /// Hands back what became of it.
    pub(super) fn written(&mut self, now: UtcTime, tickets: Vec<Ticket>, is_durable: Option<()>) {
        for ticket in tickets {
            self.machine.handle_input(match is_durable {
                Some(()) => Input::Stored { now, ticket },
                None => Input::StoreFailed { now, ticket },
            });
        }
    }
}

fn of(response: server::Response) -> Response {
    match response {
        server::Response::Message(body) => Response::Message(Zeroizing::new(body)),
        server::Response::Unexpected => Response::Refused(Refused::Unexpected),
        server::Response::Busy => Response::Refused(Refused::Busy),
    }
}
