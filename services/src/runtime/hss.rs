//! The HSS: its machine, and what it says of ProSe subscriptions (PC4a).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use sidelink_network::aka::{Quintet, Rand};
use sidelink_network::hss::{self, Hss, Node, Purpose, Refusal, Resynchronisation, Subject, Ticket, Vector};
use sidelink_network::identity::{Impi, Imsi};
use sidelink_network::pc3::Imsi as Ue;
use sidelink_network::prose_function::{Answer, Subscription};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::Reservation;

use super::ledger::{Ledger, raise};
use super::{Function, Reply, now};
use crate::status::Counters;
use crate::store::{NewSubscriber, Store, StoreError, Write, Written};

/// Why a subscriber was not added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddError {
    /// One with this identity exists.
    Taken(hss::Error),
    /// It could not be made durable.
    Store,
    /// The HSS does not run here, or does not answer.
    NoHss,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(error) => error.fmt(f),
            Self::Store => f.write_str("the subscriber could not be stored: see the log"),
            Self::NoHss => f.write_str("the HSS does not run in this process, or does not answer"),
        }
    }
}

impl std::error::Error for AddError {}

/// Why a subscription was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// No such subscriber.
    Unknown,
    /// The change could not be made durable.
    Store,
    /// The network function does not run here, or does not answer.
    NotHere,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no such subscriber: add it first",
            Self::Store => "the change could not be stored: see the log",
            Self::NotHere => "the network function does not run in this process, or does not answer",
        })
    }
}

impl std::error::Error for SubscribeError {}

/// What an HSS is asked.
pub(crate) enum HssCommand {
    /// A vector of GBA, over Zh.
    Vector {
        impi: Impi,
        resynchronisation: Option<Resynchronisation>,
        reply: Reply<Result<Quintet, Refusal>>,
    },
    /// What a UE may do with ProSe, over PC4a.
    Subscription { ue: Ue, reply: Reply<Answer> },
    /// Adds a subscriber.
    Add { subscriber: Box<NewSubscriber>, reply: Reply<Result<(), AddError>> },
    /// Changes what a subscriber may do with ProSe.
    Subscribe { imsi: Imsi, subscription: Option<Subscription>, reply: Reply<Result<(), SubscribeError>> },
}

/// Who waits for a change.
enum Then {
    Add(Reply<Result<(), AddError>>),
    Subscribe(Reply<Result<(), SubscribeError>>),
}

/// The HSS of a process.
pub(crate) struct HssFunction {
    hss: Hss,
    ledger: Ledger,
    counters: Arc<Counters>,
    subscriptions: BTreeMap<String, Subscription>,
    tickets: u64,
    waiting: HashMap<Ticket, Reply<Result<Quintet, Refusal>>>,
    reservations: Vec<Reservation>,
    changes: Vec<(Write, Then)>,
}

impl HssFunction {
    /// With the subscribers of a store.
    pub(crate) fn new(
        config: hss::Config,
        mut store: Box<dyn Store>,
        counters: Arc<Counters>,
    ) -> Result<Self, StoreError> {
        let mut hss = Hss::new(config);
        let mut subscriptions = BTreeMap::new();
        for stored in store.subscribers()? {
            let (reserved, subscriber) = (stored.reserved, stored.subscriber);
            if let Some(subscription) = &subscriber.subscription {
                subscriptions.insert(subscriber.imsi.digits().to_owned(), subscription.clone());
            }
            hss.add(provisioned(&subscriber, reserved))
                .map_err(|e| StoreError::Damaged { table: "subscriber", what: e.to_string() })?;
            counters.subscribers.add();
        }
        Ok(Self {
            hss,
            ledger: Ledger::new("HSS", store, Arc::clone(&counters)),
            counters,
            subscriptions,
            tickets: 0,
            waiting: HashMap::new(),
            reservations: Vec::new(),
            changes: Vec::new(),
        })
    }

    fn vector(
        &mut self,
        impi: Impi,
        resynchronisation: Option<Resynchronisation>,
        reply: Reply<Result<Quintet, Refusal>>,
    ) {
        let mut rand = [0; 16];
        if getrandom::fill(&mut rand).is_err() {
            tracing::error!("HSS: the system gives no random octets");
            return reply(Err(Refusal::RepeatedRand));
        }
        if resynchronisation.is_some() {
            self.counters.resynchronisations.add();
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket, reply);
        self.hss.handle_input(hss::Input::Request(hss::Request {
            now: now(),
            ticket,
            subject: Subject::Impi(impi),
            node: Node::Bsf,
            purpose: Purpose::Gba,
            rand: Rand(rand),
            resynchronisation,
        }));
    }

    fn drain(&mut self) {
        loop {
            match self.hss.poll_output() {
                hss::Output::Reserve(reservation) => self.reservations.push(reservation),
                hss::Output::Answer { ticket, result } => {
                    let Some(reply) = self.waiting.remove(&ticket) else { continue };
                    reply(match result {
                        Ok(Vector::Gba(quintet)) => {
                            self.counters.vectors.add();
                            Ok(quintet)
                        }
                        Ok(_) => Err(Refusal::NotForThisNode),
                        Err(why) => Err(why),
                    });
                }
                hss::Output::Timeout(_) => break,
            }
        }
    }

    fn commit(&mut self) {
        let reservations = std::mem::take(&mut self.reservations);
        let mut writes: Vec<Write> = reservations.iter().map(raise::<Write>).collect();
        let reserved = writes.len();
        let (changes, thens): (Vec<_>, Vec<_>) = std::mem::take(&mut self.changes).into_iter().unzip();
        writes.extend(changes);
        let written = self.ledger.commit(&writes);
        let of = |at: usize| written.as_ref().and_then(|written| written.get(at).copied());
        for (at, reservation) in reservations.into_iter().enumerate() {
            let stream = reservation.stream();
            self.hss.handle_input(match self.ledger.grant(reservation, of(at)) {
                Some(granted) => hss::Input::Granted { granted },
                None => hss::Input::ReservationFailed { stream },
            });
        }
        let changed = writes.into_iter().skip(reserved);
        for (at, (write, then)) in changed.zip(thens).enumerate() {
            self.changed(write, then, of(reserved + at));
        }
    }

    fn changed(&mut self, write: Write, then: Then, written: Option<Written>) {
        match (write, then) {
            (Write::AddSubscriber(subscriber), Then::Add(reply)) => {
                reply(self.added(&subscriber, written));
            }
            (Write::Subscription(imsi, subscription), Then::Subscribe(reply)) => {
                reply(match written {
                    Some(Written::Done) => {
                        let digits = imsi.digits().to_owned();
                        match subscription {
                            Some(subscription) => _ = self.subscriptions.insert(digits, subscription),
                            None => _ = self.subscriptions.remove(&digits),
                        }
                        Ok(())
                    }
                    Some(Written::Conflict) => Err(SubscribeError::Unknown),
                    None => Err(SubscribeError::Store),
                });
            }
            _ => {}
        }
    }

    fn added(&mut self, subscriber: &NewSubscriber, written: Option<Written>) -> Result<(), AddError> {
        match written {
            Some(Written::Done) => {
                self.hss.add(provisioned(subscriber, 0)).map_err(AddError::Taken)?;
                if let Some(subscription) = &subscriber.subscription {
                    let digits = subscriber.imsi.digits().to_owned();
                    self.subscriptions.insert(digits, subscription.clone());
                }
                self.counters.subscribers.add();
                Ok(())
            }
            // The machine says which of the two identities is taken.
            Some(Written::Conflict) => {
                let taken = self.hss.add(provisioned(subscriber, 0)).err();
                Err(AddError::Taken(taken.unwrap_or_else(|| hss::Error::ImsiTaken(subscriber.imsi.clone()))))
            }
            None => Err(AddError::Store),
        }
    }
}

fn provisioned(subscriber: &NewSubscriber, reserved: u64) -> hss::Subscription {
    hss::Subscription {
        imsi: subscriber.imsi.clone(),
        impi: subscriber.impi.clone(),
        keys: subscriber.credentials.milenage(),
        reserved,
    }
}

impl Function for HssFunction {
    type Command = HssCommand;

    fn take(&mut self, command: HssCommand) {
        match command {
            HssCommand::Vector { impi, resynchronisation, reply } => {
                self.vector(impi, resynchronisation, reply);
            }
            HssCommand::Subscription { ue, reply } => {
                let subscription = self.subscriptions.get(&ue.to_string());
                reply(subscription.map_or(Answer::Unknown, |found| Answer::Known(found.clone())));
            }
            HssCommand::Add { subscriber, reply } => {
                self.changes.push((Write::AddSubscriber(*subscriber), Then::Add(reply)));
            }
            HssCommand::Subscribe { imsi, subscription, reply } => {
                self.changes.push((Write::Subscription(imsi, subscription), Then::Subscribe(reply)));
            }
        }
    }

    fn tick(&mut self, _: UtcTime) {}

    fn settle(&mut self) -> Option<UtcTime> {
        loop {
            self.drain();
            if self.reservations.is_empty() && self.changes.is_empty() {
                return None;
            }
            self.commit();
        }
    }
}
