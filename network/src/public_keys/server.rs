//! The server of public keys: who has which, who may have it, which are revoked (TR 33.833 §6.2.3.2, steps 1 and 2).
//!
//! ```text
//! config.rs    what the operator says
//! io.rs        inputs, outputs, what is durable
//! table.rs     keys by name, hint, UE and end
//! register.rs  NONCE_REQUEST, REGISTER, WITHDRAW
//! fetch.rs     FETCH, and what functions of other networks ask
//! revoked.rs   revocation, and the list of revoked keys
//! ```
//!
//! A machine without clock, chance and I/O: [`PublicKeyServer::handle_input`], then [`PublicKeyServer::poll_output`] until it says
//! [`Output::Timeout`]. Requests come from [`crate::prose_function`], which has admitted them: who asks, rates, puzzles, subscription.
//!
//! - **Registration** needs the private key (a signature over the server's nonce) and a subscription that has the name. Another key of
//!   the same UE under the same name takes the place of the first, which is revoked: what was told of it counts nowhere any more.
//! - **Revocation** works here at once. The list that has it is told once it is durable, and its number never goes back.
//! - **Another network's keys** are asked for by this function for its UE, and asked of it by those: the home function proxies the
//!   visited one. Their validity is cut to [`Config::others_validity`], since their revocations are not told here.
//! - **A flood** of wrong names or hints costs a look into a table; questions to other networks have a rate for each UE, and for
//!   each network.

mod config;
mod fetch;
mod io;
mod register;
mod revoked;
mod table;

pub use config::{Config, ConfigError, Limits, MOST_PARTNERS};
pub use io::{
    Change, Durable, Event, Input, KeyRecord, OrderId, OtherQuery, Output, QuestionId, Response,
    RevokedRecord, Withdrawal,
};

use std::collections::{BTreeMap, HashSet, VecDeque};

use sidelink_security::counter::UtcTime;

use super::message::{KeyCause, KeyMessage, KeyReject};
use super::possession::Nonces;
use crate::limit::Bucket;
use crate::pc3::{Imsi, Plmn, Rpauid};
use crate::prose_function::{RequestId, Subscription, Ticket};
use fetch::Asked;
use revoked::{Revoked, Revoking};
use table::Table;

/// Between two tries of the store, in milliseconds. Ours.
pub const RETRY_INTERVAL: u64 = 10_000;

/// A server of public keys.
pub struct PublicKeyServer {
    config: Config,
    now: UtcTime,
    nonces: Nonces,
    table: Table,
    permissions: HashSet<(Rpauid, Rpauid)>,
    revoked: Revoked,
    storing: Vec<Storing>,
    /// Revocations that could not be stored, and when to try again.
    retries: Vec<(UtcTime, Revoking)>,
    /// Requests for which other networks are asked.
    asked: Vec<Asked>,
    budgets: BTreeMap<Imsi, Bucket>,
    others: BTreeMap<Plmn, Bucket>,
    next_ticket: u64,
    next_question: u64,
    outbox: VecDeque<Output>,
}

/// Changes on their way to the store.
struct Storing {
    ticket: Ticket,
    then: Then,
    deadline: UtcTime,
}

/// What depends on changes that are being stored.
enum Then {
    /// A key counts and its UE is told so, unless it was revoked meanwhile.
    Register {
        /// Who waits for the answer; none where it waited too long.
        request: Option<RequestId>,
        record: Box<KeyRecord>,
        replaced: Option<Revoking>,
        is_revoked: bool,
    },
    /// Revoked keys come into the list.
    Revoke(Revoking),
    Nothing,
}

/// A message that is being answered.
struct Work {
    request: RequestId,
    ue: Imsi,
    subscription: Subscription,
}

/// Why there is no answer but a refusal.
enum Stop {
    Cause(KeyCause),
    Busy,
}

impl From<KeyCause> for Stop {
    fn from(cause: KeyCause) -> Self {
        Self::Cause(cause)
    }
}

impl PublicKeyServer {
    /// With what is durable, and a seed of real chance.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(config: Config, seed: &[u8; 32], durable: Durable) -> Result<Self, ConfigError> {
        config.check()?;
        let permissions = config.permissions.iter().map(|p| (p.target.clone(), p.watcher.clone())).collect();
        let mut table = Table::default();
        durable.keys.into_iter().for_each(|record| table.put(record));
        Ok(Self {
            config,
            now: UtcTime::from_millis(0),
            nonces: Nonces::new(seed),
            table,
            permissions,
            revoked: Revoked::of(durable.revoked),
            storing: Vec::new(),
            retries: Vec::new(),
            asked: Vec::new(),
            budgets: BTreeMap::new(),
            others: BTreeMap::new(),
            next_ticket: 0,
            next_question: 0,
            outbox: VecDeque::new(),
        })
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input) {
        self.now = self.now.max(input.now());
        self.expire();
        match input {
            Input::Tick { .. } => {}
            Input::Message { request, ue, subscription, message, .. } => {
                self.message(Work { request, ue, subscription }, message);
            }
            Input::Revoke { order, what, .. } => self.revoke(order, what),
            Input::OtherNetwork { request, plmn, query, .. } => self.other_network(request, plmn, &query),
            Input::OtherAnswered { question, keys, .. } => self.other_answered(question, keys),
            Input::Stored { ticket, .. } => self.stored(ticket),
            Input::StoreFailed { ticket, .. } => self.store_failed(ticket),
        }
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        self.outbox.pop_front().unwrap_or_else(|| {
            let waits = |then: &Then| matches!(then, Then::Register { request: Some(_), .. });
            let storing = self.storing.iter().filter(|storing| waits(&storing.then));
            let deadlines = storing.map(|storing| storing.deadline);
            let asked = self.asked.iter().map(|asked| asked.deadline);
            let retries = self.retries.iter().map(|(at, _)| *at);
            let ends = self.table.next_end().into_iter().chain(self.revoked.next_end());
            Output::Timeout(deadlines.chain(asked).chain(retries).chain(ends).min())
        })
    }

    /// How many keys there are.
    pub const fn keys(&self) -> usize {
        self.table.len()
    }

    fn message(&mut self, work: Work, message: KeyMessage) {
        let (request, ue) = (work.request, work.ue);
        let done = match message {
            KeyMessage::NonceRequest(asked) => self.give_nonce(&work, asked),
            KeyMessage::Register(register) => self.register(&work, *register),
            KeyMessage::Withdraw(withdraw) => self.withdraw(&work, &withdraw),
            KeyMessage::Fetch(fetch) => self.fetch(&work, fetch),
            KeyMessage::Nonce(_)
            | KeyMessage::Registered(_)
            | KeyMessage::Withdrawn(_)
            | KeyMessage::Keys(_)
            | KeyMessage::Reject(_) => {
                self.outbox.push_back(Output::Respond { request, response: Response::Unexpected });
                Ok(())
            }
        };
        match done {
            Ok(()) => {}
            Err(Stop::Cause(cause)) => self.reject(request, ue, cause),
            Err(Stop::Busy) => self.outbox.push_back(Output::Respond { request, response: Response::Busy }),
        }
    }

    fn reject(&mut self, request: RequestId, ue: Imsi, cause: KeyCause) {
        self.report(Event::Rejected { ue, cause });
        self.answer(request, &KeyMessage::Reject(KeyReject { cause }));
    }

    fn answer(&mut self, request: RequestId, message: &KeyMessage) {
        let response = Response::Message(message.to_xml());
        self.outbox.push_back(Output::Respond { request, response });
    }

    fn busy(&mut self, request: Option<RequestId>) {
        let answer = |request| Output::Respond { request, response: Response::Busy };
        self.outbox.extend(request.map(answer));
    }

    fn report(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }

    fn store(&mut self, changes: Vec<Change>, then: Then) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.outbox.push_back(Output::Store { ticket, changes });
        let deadline = self.now.plus_millis(self.config.limits.patience);
        self.storing.push(Storing { ticket, then, deadline });
    }

    fn take_stored(&mut self, ticket: Ticket) -> Option<Then> {
        let position = self.storing.iter().position(|storing| storing.ticket == ticket)?;
        Some(self.storing.remove(position).then)
    }

    fn stored(&mut self, ticket: Ticket) {
        match self.take_stored(ticket) {
            Some(Then::Register { request, record, replaced, is_revoked }) => {
                self.registered(request, *record, replaced, is_revoked);
            }
            Some(Then::Revoke(revoking)) => self.is_revoked(revoking),
            Some(Then::Nothing) | None => {}
        }
    }

    /// A key that is not durable was not registered. What is revoked stays revoked, and is tried again.
    fn store_failed(&mut self, ticket: Ticket) {
        match self.take_stored(ticket) {
            Some(Then::Register { request, replaced, .. }) => {
                if let Some(replaced) = replaced {
                    self.revoked.take_back(&replaced);
                }
                self.busy(request);
            }
            Some(Then::Revoke(revoking)) => {
                self.retries.push((self.now.plus_millis(RETRY_INTERVAL), revoking));
            }
            Some(Then::Nothing) | None => {}
        }
    }

    /// Keys, revocations, requests and tries of the store whose time has come.
    fn expire(&mut self) {
        let now = self.now;
        let ended = self.table.expire(now).into_iter().map(|(name, ue)| Change::RemoveKey(name, ue));
        let changes: Vec<Change> = ended.chain(self.revoked.expire(now)).collect();
        if !changes.is_empty() {
            self.store(changes, Then::Nothing);
        }
        while let Some(due) = self.retries.iter().position(|(at, _)| *at <= now) {
            let (_, revoking) = self.retries.remove(due);
            self.store(revoking.changes(), Then::Revoke(revoking));
        }
        while let Some(late) = self.asked.iter().position(|asked| asked.deadline <= now) {
            let asked = self.asked.remove(late);
            self.finish(asked);
        }
        // What is stored late counts nevertheless, once it is durable.
        for storing in self.storing.iter_mut().filter(|storing| storing.deadline <= now) {
            if let Then::Register { request, .. } = &mut storing.then
                && let Some(request) = request.take()
            {
                self.outbox.push_back(Output::Respond { request, response: Response::Busy });
            }
        }
    }
}
