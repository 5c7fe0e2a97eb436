//! The key management server of identity-based keys: who gets keys of which identity and period, and tickets of
//! MIKEY-TICKET. TS 33.180 Annex D, RFC 6509 §3.3; TS 33.328 Annexes A, B and D, RFC 6043.
//!
//! ```text
//! config.rs   what the operator says: periods, who has which identity, other servers, limits
//! io.rs       inputs, outputs, what is durable
//! masters.rs  the secrets
//! requests.rs KmsRequest: init, keyprov, certcache, cert
//! tickets.rs  REQUEST_INIT and RESOLVE_INIT
//! ticket/     messages of MIKEY-TICKET: opened, checked, made
//! ```
//!
//! A machine without clock, chance and I/O: [`Kms::handle_input`], then [`Kms::poll_output`] until it says
//! [`Output::Timeout`].
//!
//! - **Who asks** is whom TLS has proven, by a key of GBA or a certificate; what a KmsRequest says of its user must be
//!   granted to that subscriber. Groups and devices are identities as users are, granted to whoever manages or has them.
//! - **Periods**: keys of the present one, and of the next from two days before it begins; never more of the future, none of
//!   the past.
//! - **Each issue is recorded** before it leaves ([`Change::Issued`]): who got keys of whom, when.
//! - **Revocation** keeps new keys from an identity. Those that it has go on until the end of their period: others cannot
//!   know. The shorter a period, the sooner it works.
//! - **It can read all and sign as all**: keys follow from the master secrets. [`Input::Escrow`] does so for an operator who
//!   says who and why, and records it first ([`Change::Escrowed`]). Nothing makes anybody else notice: that property is the
//!   scheme's, not this program's.
//! - **A ticket** is for one peer and an hour, resolved by that peer alone; no request is taken twice, also after a crash.
//!
//! Keys for signing are made of chance that is bound to the identity, its period and the master secret: a source of
//! chance that repeats itself gives no two identities the same v, which would show KSAK.
//!
//! Not here: transport keys, redirects, tickets of another server, public-key modes.

mod config;
mod io;
mod masters;
mod requests;

pub use config::{Config, ConfigError, External, Grant, Limits, MAX_IDENTITIES};
pub use io::{
    Change, Durable, Escrow, EscrowRecord, EscrowRefused, Event, Holder, Input, IssueRecord, OrderId, Output,
    Refused, RequestId, Response, SeenRecord, Ticket,
};
pub use masters::{Masters, MastersError};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;

use crate::kms_messages::Uri;
use crate::limit::Bucket;
use io::Waiting;

/// Between two alarms of a flood, in milliseconds. Ours.
pub const ALARM_INTERVAL: u64 = 5_000;

/// A key management server.
pub struct Kms {
    config: Config,
    masters: Masters,
    now: UtcTime,
    chance: Entropy,
    draws: u64,
    revoked: BTreeSet<Uri>,
    rates: BTreeMap<Holder, Bucket>,
    rate: Option<Bucket>,
    alarmed: Option<UtcTime>,
    storing: Vec<(Ticket, Waiting)>,
    next_ticket: u64,
    outbox: VecDeque<Output>,
}

impl Kms {
    /// With its secrets, what is durable, and a seed of real chance.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(
        config: Config,
        masters: Masters,
        seed: &[u8; 32],
        durable: Durable,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let mut chance = Entropy::new(seed);
        // What the secrets are goes in too: a source of chance that is known gives nothing away.
        chance.mix(&masters.to_octets()[..]);
        Ok(Self {
            config,
            masters,
            now: UtcTime::from_millis(0),
            chance,
            draws: 0,
            revoked: durable.revocations.into_iter().collect(),
            rates: BTreeMap::new(),
            rate: None,
            alarmed: None,
            storing: Vec::new(),
            next_ticket: 0,
            outbox: VecDeque::new(),
        })
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        if let Some(now) = input.now() {
            self.now = self.now.max(now);
        }
        match input {
            Input::Request { request, holder, path, content_type, body, .. } => {
                if let Err(why) = self.request(request, holder, path, content_type, body) {
                    self.respond(request, Response::Refused(why));
                }
            }
            Input::Revoke { order, user, .. } => {
                // At once: what is not durable yet is refused already.
                self.revoked.insert(user.clone());
                self.store(vec![Change::PutRevocation(user)], Waiting::Order(order));
            }
            Input::Admit { order, user, .. } => {
                let change = vec![Change::RemoveRevocation(user.clone())];
                self.store(change, Waiting::Admit(order, user));
            }
            Input::Escrow { escrow, .. } => self.escrow(escrow),
            Input::Stored { ticket, .. } => self.stored(ticket),
            Input::StoreFailed { ticket, .. } => self.store_failed(ticket),
            Input::Tick { .. } => {}
            Input::Entropy { seed } => self.chance.mix(seed),
        }
        self.give_up();
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        self.outbox.pop_front().unwrap_or_else(|| {
            let deadlines = self.storing.iter().filter_map(|(_, waiting)| waiting.deadline());
            Output::Timeout(deadlines.min())
        })
    }

    fn store(&mut self, changes: Vec<Change>, waiting: Waiting) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.outbox.push_back(Output::Store { ticket, changes });
        self.storing.push((ticket, waiting));
    }

    fn take_stored(&mut self, ticket: Ticket) -> Option<Waiting> {
        let position = self.storing.iter().position(|(stored, _)| *stored == ticket)?;
        Some(self.storing.remove(position).1)
    }

    fn stored(&mut self, ticket: Ticket) {
        match self.take_stored(ticket) {
            Some(Waiting::Answer { request, event, response, users, .. }) => {
                // Revoked while it was being stored.
                if users.iter().any(|user| self.revoked.contains(user)) {
                    self.respond(request, Response::Refused(Refused::Busy));
                    return;
                }
                self.report(event);
                self.respond(request, response);
            }
            Some(Waiting::Order(order)) => self.outbox.push_back(Output::Done { order, stored: true }),
            Some(Waiting::Admit(order, user)) => {
                self.revoked.remove(&user);
                self.outbox.push_back(Output::Done { order, stored: true });
            }
            Some(Waiting::Escrow { order, key_set }) => {
                self.outbox.push_back(Output::Escrowed { order, result: Ok(key_set) });
            }
            None => {}
        }
    }

    fn store_failed(&mut self, ticket: Ticket) {
        match self.take_stored(ticket) {
            Some(Waiting::Answer { request, .. }) => {
                self.respond(request, Response::Refused(Refused::Busy));
            }
            Some(Waiting::Order(order) | Waiting::Admit(order, _)) => {
                self.outbox.push_back(Output::Done { order, stored: false });
            }
            Some(Waiting::Escrow { order, .. }) => {
                let result = Err(EscrowRefused::NotRecorded);
                self.outbox.push_back(Output::Escrowed { order, result });
            }
            None => {}
        }
    }

    /// Refuses what has waited for its store for too long.
    fn give_up(&mut self) {
        let now = self.now;
        let late = |waiting: &Waiting| waiting.deadline().is_some_and(|deadline| deadline <= now);
        let (gone, kept) = std::mem::take(&mut self.storing).into_iter().partition(|(_, w)| late(w));
        self.storing = kept;
        for (_, waiting) in Vec::<(Ticket, Waiting)>::into_iter(gone) {
            if let Waiting::Answer { request, .. } = waiting {
                self.respond(request, Response::Refused(Refused::Busy));
            }
        }
    }

    /// The holder's own rate first, so that one that floods takes nothing from the others.
    fn pay(&mut self, holder: &Holder) -> Result<(), Refused> {
        let (limits, now) = (self.config.limits, self.now);
        if !self.rates.contains_key(holder) && self.rates.len() >= limits.holders {
            self.rates.retain(|_, bucket| !bucket.is_full(limits.holder, now));
            if self.rates.len() >= limits.holders {
                self.flood();
                return Err(Refused::Busy);
            }
        }
        let own = self.rates.entry(holder.clone()).or_insert_with(|| Bucket::new(limits.holder, now));
        let all = self.rate.get_or_insert_with(|| Bucket::new(limits.all, now));
        if own.take(limits.holder, now) && all.take(limits.all, now) {
            return Ok(());
        }
        self.flood();
        Err(Refused::TooOften)
    }

    fn is_full(&self) -> bool {
        self.storing.len() >= self.config.limits.waiting
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        self.outbox.push_back(Output::Respond { request, response });
    }

    fn report(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }

    fn flood(&mut self) {
        if self.alarmed.is_none_or(|at| self.now >= at.plus_millis(ALARM_INTERVAL)) {
            self.alarmed = Some(self.now);
            self.report(Event::Flood);
        }
    }
}

#[cfg(test)]
mod tests;
