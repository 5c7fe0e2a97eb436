//! The MME's part in direct keying: two UEs get a KD by the help of their networks. Flow N of TR 33.833 §6.4.1.
//!
//! ```text
//!  UE_1           MME_1                          MME_2           UE_2
//!   | attach: EPS AKA, K_ASME, NAS keys            |  the same     |
//!   |-- 1 service request -->| Store, Stored       |               |
//!   |                |-- 2 Direct-Keying-Request ->| [Store: a     |
//!   |                |                             |  spent id]    |
//!   |                |                             |-- 3 --------->| KD
//!   |                |                      Store, |<- 4 ----------|
//!   |                |<- 5 Direct-Keying-Answer ---| Stored        |
//!   |<- 6 -----------| Store, Stored               |               |
//!  KD
//! ```
//!
//! - Half keys: MME_1 makes KM_1, MME_2 makes KM_2, and both know KD: that is how the report draws it, and lawful
//!   interception lives by it. Public values: the UEs make them, the MMEs carry them and do not know KD; an MME that
//!   replaces them is in the middle of the link, since nothing signs them.
//! - A connection id is given once and named once. It is durable before the message that rests on it leaves: 1 before 2, that
//!   of UE_2 before 5, and that it is spent before 2 and 3.
//! - MME_2 believes a caller's name from that MME only which the directory has for it.
//!
//! What is real: AKA, the keys and the protection of the UEs' legs ([`crate::nas`] says what is not NAS). What is not: S1, a
//! protocol between MMEs; the directory is a table of the operator.
//!
//! - this file, the machine; [`message`], the messages
//! - `attach.rs`, contexts of UEs; `keying.rs`, the runs

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_security::keys::Secret256;
use sidelink_wire::direct_keying::ConnectionId;

use crate::hss::{EpsVector, Ticket};
use crate::identity::{Fqdn, Imsi};
use crate::limit::{Bucket, RateLimit};
use crate::nas::{self, Plain};

mod attach;
mod io;
mod keying;
pub mod message;

pub use io::{Callers, Dropped, Error, Event, Input, NotAttached, Output, Record, Subscription, UeRef};
use keying::{Incoming, Outgoing, Then};
use message::{Expression, Message};

/// UEs that are being authenticated, at most.
pub const MOST_PENDING: usize = 1000;

/// Runs of all UEs, at most: at each side.
pub const MOST_RUNS: usize = 1000;

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, as other MMEs have it in their directories.
    pub name: Fqdn,
    /// The serving network, which goes into K_ASME. TS 33.401 §A.2.
    pub serving_network: [u8; 3],
    /// How long a KD lives, in milliseconds; the shorter of the two networks' counts.
    pub kd_lifetime: u64,
    /// How long a run may take, in milliseconds.
    pub patience: u64,
    /// How long the UE and the HSS may take to attach, in milliseconds.
    pub attach_patience: u64,
    /// Vectors of all UEs together.
    pub vectors: RateLimit,
    /// Runs of one subscriber.
    pub calls: RateLimit,
    /// Runs that one other MME begins.
    pub foreign: RateLimit,
    /// Connections of one subscriber that are remembered, at most.
    pub connections: usize,
}

impl Config {
    /// A KD lives a day (TR 33.833 leaves it open), a run may take 2 s.
    pub fn new(name: Fqdn, serving_network: [u8; 3]) -> Self {
        Self {
            name,
            serving_network,
            kd_lifetime: 24 * 3_600_000,
            patience: 2_000,
            attach_patience: 5_000,
            vectors: RateLimit { burst: 50, interval: 20 },
            calls: RateLimit { burst: 10, interval: 10_000 },
            foreign: RateLimit { burst: 100, interval: 10 },
            connections: 1000,
        }
    }

    /// In whole seconds, as the messages have it.
    fn lifetime(&self) -> u32 {
        u32::try_from(self.kd_lifetime / 1000).unwrap_or(u32::MAX).max(1)
    }
}

struct Subscriber {
    subscription: Subscription,
    bucket: Option<Bucket>,
}

/// A UE that is being authenticated.
struct Pending {
    imsi: Imsi,
    until: UtcTime,
    resynchronised: bool,
    vector: Option<EpsVector>,
}

struct Attached {
    imsi: Imsi,
    context: nas::Context,
}

/// An MME.
pub struct Mme {
    config: Config,
    now: UtcTime,
    subscribers: BTreeMap<Imsi, Subscriber>,
    owners: BTreeMap<Expression, Imsi>,
    directory: BTreeMap<Expression, Fqdn>,
    pending: BTreeMap<UeRef, Pending>,
    fetches: BTreeMap<Ticket, UeRef>,
    attached: BTreeMap<UeRef, Attached>,
    ues: BTreeMap<Imsi, UeRef>,
    connections: BTreeMap<ConnectionId, Record>,
    /// Identities that UEs of other MMEs gave, as far as connections have them.
    counterparts: BTreeSet<(Fqdn, ConnectionId)>,
    outgoing: BTreeMap<ConnectionId, Outgoing>,
    incoming: BTreeMap<(Fqdn, ConnectionId), Incoming>,
    storing: BTreeMap<Ticket, Then>,
    keys_from: Entropy,
    drawn: u64,
    tickets: u64,
    vectors: Option<Bucket>,
    foreign: BTreeMap<Fqdn, Bucket>,
    outputs: VecDeque<Output>,
}

impl Mme {
    /// With the records that were stored and not forgotten, and the MMEs of those who are not its own. `seed` is secret and
    /// of this start alone: half keys come of it.
    pub fn new(
        config: Config,
        seed: &[u8; 32],
        directory: BTreeMap<Expression, Fqdn>,
        stored: impl IntoIterator<Item = Record>,
    ) -> Self {
        let mut mme = Self {
            config,
            now: UtcTime::from_millis(0),
            subscribers: BTreeMap::new(),
            owners: BTreeMap::new(),
            directory,
            pending: BTreeMap::new(),
            fetches: BTreeMap::new(),
            attached: BTreeMap::new(),
            ues: BTreeMap::new(),
            connections: BTreeMap::new(),
            counterparts: BTreeSet::new(),
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            storing: BTreeMap::new(),
            keys_from: Entropy::new(seed),
            drawn: 0,
            tickets: 0,
            vectors: None,
            foreign: BTreeMap::new(),
            outputs: VecDeque::new(),
        };
        stored.into_iter().for_each(|record| mme.remember(record));
        mme
    }

    /// Makes a subscriber known.
    ///
    /// # Errors
    /// Somebody has its IMSI or one of its expressions.
    pub fn add(&mut self, subscription: Subscription) -> Result<(), Error> {
        let imsi = subscription.imsi.clone();
        if self.subscribers.contains_key(&imsi) {
            return Err(Error::ImsiTaken(imsi));
        }
        let taken = |e: &&Expression| self.owners.contains_key(*e) || self.directory.contains_key(*e);
        if let Some(expression) = subscription.expressions.iter().find(taken) {
            return Err(Error::ExpressionTaken(expression.clone()));
        }
        for expression in &subscription.expressions {
            self.owners.insert(expression.clone(), imsi.clone());
        }
        self.subscribers.insert(imsi, Subscriber { subscription, bucket: None });
        Ok(())
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Uplink { now, from, octets } => {
                self.at(now);
                if let Err(why) = self.uplink(from, octets) {
                    self.report(Event::Dropped(why));
                }
            }
            Input::FromMme { now, from, octets } => {
                self.at(now);
                let result = Message::parse(octets).map_err(Dropped::Malformed);
                if let Err(why) = result.and_then(|message| self.of_mme(from, message)) {
                    self.report(Event::Dropped(why));
                }
            }
            Input::Vector { now, ticket, result } => {
                self.at(now);
                self.vector(ticket, result);
            }
            Input::Stored { now, ticket } => {
                self.at(now);
                if let Some(then) = self.storing.remove(&ticket) {
                    self.stored(then);
                }
            }
            Input::StoreFailed { now, ticket } => {
                self.at(now);
                if let Some(then) = self.storing.remove(&ticket) {
                    self.store_failed(then);
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
            let pending = self.pending.values().map(|pending| pending.until);
            let outgoing = self.outgoing.values().map(|run| run.until);
            let incoming = self.incoming.values().map(|run| run.until);
            let records = self.connections.values().map(|record| record.expires);
            Output::Timeout(pending.chain(outgoing).chain(incoming).chain(records).min())
        })
    }

    fn at(&mut self, now: UtcTime) {
        self.now = self.now.max(now);
    }

    fn uplink(&mut self, from: UeRef, octets: &[u8]) -> Result<(), Dropped> {
        if !nas::is_protected(octets) {
            return self.unprotected(from, Plain::parse(octets).map_err(Dropped::Malformed)?);
        }
        let attached = self.attached.get_mut(&from).ok_or(Dropped::NotAttached)?;
        let plain = attached.context.verify(octets).map_err(Dropped::Nas)?;
        let imsi = attached.imsi.clone();
        match Plain::parse(&plain).map_err(Dropped::Malformed)? {
            Plain::Service(message) => {
                self.of_ue(imsi, Message::parse(&message).map_err(Dropped::Malformed)?)
            }
            _ => Err(Dropped::Unexpected),
        }
    }

    /// Sends a message to a UE under its context; false when it has none.
    fn tell(&mut self, imsi: &Imsi, message: &Message) -> bool {
        let ue = self.ues.get(imsi).copied();
        let Some((to, attached)) = ue.and_then(|ue| Some((ue, self.attached.get_mut(&ue)?))) else {
            return false;
        };
        let service = message.emit().expect("the runs give each message its shares");
        let Ok(octets) = attached.context.protect(&Plain::Service(service)) else {
            // Every COUNT is used: the UE must attach again.
            self.attached.remove(&to);
            self.ues.remove(imsi);
            return false;
        };
        self.outputs.push_back(Output::Downlink { to, octets });
        true
    }

    fn tell_mme(&mut self, to: Fqdn, message: &Message) {
        let octets = message.emit().expect("the runs give each message its shares");
        self.outputs.push_back(Output::ToMme { to, octets });
    }

    fn half_key(&mut self) -> Secret256 {
        self.drawn += 1;
        Secret256::from(self.keys_from.draw(self.drawn))
    }

    const fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn store(&mut self, records: Vec<Record>, then: Then) {
        let ticket = self.ticket();
        // From now on nobody else can use them, whatever the store says.
        records.iter().cloned().for_each(|record| self.remember(record));
        self.storing.insert(ticket, then);
        self.outputs.push_back(Output::Store { ticket, records });
    }

    fn remember(&mut self, record: Record) {
        if let Some(counterpart) = record.counterpart {
            self.counterparts.insert((record.mme.clone(), counterpart));
        }
        self.connections.insert(record.connection, record);
    }

    fn expire(&mut self) {
        self.expire_pending();
        self.expire_runs();
        let now = self.now;
        let old = self.connections.values().filter(|record| record.expires <= now);
        for connection in old.map(|record| record.connection).collect::<Vec<_>>() {
            if let Some(record) = self.connections.remove(&connection)
                && let Some(counterpart) = record.counterpart
            {
                self.counterparts.remove(&(record.mme, counterpart));
            }
            self.outputs.push_back(Output::Forget { connection });
        }
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

#[cfg(test)]
mod tests;
