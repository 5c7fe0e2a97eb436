//! The HSS: its machine, and what it says of ProSe subscriptions (PC4a).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use sidelink_network::aka::{Quintet, Rand};
use sidelink_network::hss::{
    self, EapAkaPrimeVector, Hss, Node, Purpose, Refusal, Resynchronisation, Subject, Ticket, Vector,
};
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

/// Who waits for a vector.
enum Waiting {
    Gba(Reply<Result<Quintet, Refusal>>),
    EapAkaPrime(Reply<Result<EapAkaPrimeVector, Refusal>>),
}

impl Waiting {
    fn answer(self, result: Result<Vector, Refusal>) {
        match (self, result) {
            (Self::Gba(reply), Ok(Vector::Gba(quintet))) => reply(Ok(quintet)),
            (Self::EapAkaPrime(reply), Ok(Vector::EapAkaPrime(vector))) => reply(Ok(vector)),
            (waiting, Ok(_)) => waiting.refuse(Refusal::NotForThisNode),
            (waiting, Err(why)) => waiting.refuse(why),
        }
    }

    fn refuse(self, why: Refusal) {
        match self {
            Self::Gba(reply) => reply(Err(why)),
            Self::EapAkaPrime(reply) => reply(Err(why)),
        }
    }
}

/// A request for a vector.
struct Asked {
    subject: Subject,
    node: Node,
    purpose: Purpose,
    resynchronisation: Option<Resynchronisation>,
    waiting: Waiting,
}

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
    /// A vector of EAP-AKA', for an AAA server or AUSF.
    EapAkaPrime {
        imsi: Imsi,
        network_name: String,
        resynchronisation: Option<Resynchronisation>,
        reply: Reply<Result<EapAkaPrimeVector, Refusal>>,
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
    waiting: HashMap<Ticket, Waiting>,
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

    fn vector(&mut self, asked: Asked) {
        let mut rand = [0; 16];
        if getrandom::fill(&mut rand).is_err() {
            tracing::error!("HSS: the system gives no random octets");
            return asked.waiting.refuse(Refusal::RepeatedRand);
        }
        let Asked { subject, node, purpose, resynchronisation, waiting } = asked;
        if resynchronisation.is_some() {
            self.counters.resynchronisations.add();
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket, waiting);
        self.hss.handle_input(hss::Input::Request(hss::Request {
            now: now(),
            ticket,
            subject,
            node,
            purpose,
            rand: Rand(rand),
            resynchronisation,
        }));
    }

    fn drain(&mut self) {
        loop {
            match self.hss.poll_output() {
                hss::Output::Reserve(reservation) => self.reservations.push(reservation),
                hss::Output::Answer { ticket, result } => {
                    let Some(waiting) = self.waiting.remove(&ticket) else { continue };
                    if result.is_ok() {
                        self.counters.vectors.add();
                    }
                    waiting.answer(result);
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
            HssCommand::Vector { impi, resynchronisation, reply } => self.vector(Asked {
                subject: Subject::Impi(impi),
                node: Node::Bsf,
                purpose: Purpose::Gba,
                resynchronisation,
                waiting: Waiting::Gba(reply),
            }),
            HssCommand::EapAkaPrime { imsi, network_name, resynchronisation, reply } => self.vector(Asked {
                subject: Subject::Imsi(imsi),
                node: Node::Aaa,
                purpose: Purpose::EapAkaPrime { network_name },
                resynchronisation,
                waiting: Waiting::EapAkaPrime(reply),
            }),
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
