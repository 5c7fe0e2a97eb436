//! The signalling of two networks that carries crypto attributes between the UEs of an exercise (SDES). TR 33.833 §6.4.2.
//!
//! An attribute of a UE waits for that of the other end. Whoever carries them sees both, and may alter them.

use crate::experiments::answers::Answers;
use crate::experiments::metrics::NetworkSpent;
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_ue::{KeyNetwork, NetworkAnswer, Ue};
use sidelink_wire::direct_keying::{ConnectionId, Side};
use sidelink_wire::sdes::{CryptoAttribute, Exchange, KEY};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Milliseconds that a message takes one way: between a UE and its network, or between networks.
const LEG: u64 = 10;

/// Legs from one UE to the other.
const LEGS: u64 = 3;

/// Reference points.
const UE_NETWORK: &str = "UE-network";
const NETWORKS: &str = "network-network";

/// What a function on the way does with the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// It reads what it carries.
    Reads,
    /// It puts another key into the offer.
    Alters,
}

/// An attribute that waits for the other.
struct Waiting {
    side: Side,
    connection: ConnectionId,
    ticket: Ticket,
    attribute: Zeroizing<Vec<u8>>,
}

/// The networks.
struct Carrier {
    proxy: Proxy,
    waiting: Vec<Waiting>,
    /// Answers to UE_1 and to UE_2.
    answers: [Answers; 2],
    /// Keys that were carried: of the offer and of the answer.
    seen: Vec<[[u8; KEY]; 2]>,
    spent: NetworkSpent,
}

/// The number of the UE at a side.
const fn end(side: Side) -> usize {
    match side {
        Side::Initiating => 0,
        Side::Target => 1,
    }
}

impl Carrier {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) -> Option<()> {
        let exchange = Exchange::parse(question).ok()?;
        let (side, connection) = (exchange.question.side, exchange.question.connection);
        let attribute = Zeroizing::new(exchange.attribute.to_vec());
        // Up to the network of this UE, to the other network, and down.
        self.spent.count(UE_NETWORK, question.len());
        self.spent.count(NETWORKS, question.len());
        self.spent.count(UE_NETWORK, attribute.len());
        let other = |waiting: &Waiting| waiting.connection == connection && waiting.side != side;
        let own = Waiting { side, connection, ticket, attribute };
        let Some(at) = self.waiting.iter().position(other) else {
            self.waiting.push(own);
            return Some(());
        };
        let other = self.waiting.remove(at);
        let (mut offer, answer) = if side == Side::Target { (other, own) } else { (own, other) };
        self.seen.push([key(&offer.attribute)?, key(&answer.attribute)?]);
        if self.proxy == Proxy::Alters {
            let forged = CryptoAttribute { tag: 1, key: &[0x41; KEY] }.emit().ok()?;
            offer.attribute = Zeroizing::new(forged);
        }
        let due = now.plus_millis(LEGS * LEG);
        self.answers[end(offer.side)].put(due, offer.ticket, Some(answer.attribute));
        // The offer was on its way since it was made.
        self.answers[end(answer.side)].put(now.plus_millis(LEG), answer.ticket, Some(offer.attribute));
        Some(())
    }
}

fn key(attribute: &[u8]) -> Option<[u8; KEY]> {
    let mut key = [0; KEY];
    CryptoAttribute::parse(attribute, &mut key).ok()?;
    Some(key)
}

/// The networks of an exercise, whose UEs run in threads of their own.
#[derive(Clone)]
pub(crate) struct Signalling(Arc<Mutex<Carrier>>);

impl Signalling {
    pub(crate) fn new(proxy: Proxy) -> Self {
        let (waiting, seen, spent) = (Vec::new(), Vec::new(), NetworkSpent::default());
        let answers = Default::default();
        Self(Arc::new(Mutex::new(Carrier { proxy, waiting, answers, seen, spent })))
    }

    /// Lets the links of UE `number` (0 or 1) exchange attributes.
    ///
    /// # Errors
    /// A UE without links.
    pub(crate) fn equip(&self, ue: &mut Ue, number: usize) -> anyhow::Result<()> {
        let Some(links) = ue.stack().links() else { anyhow::bail!("the UE has no links") };
        links.establish_by_sdes(self.way(number));
        Ok(())
    }

    /// The way of UE `number` (0 or 1) to its network.
    pub(crate) fn way(&self, number: usize) -> Box<dyn KeyNetwork> {
        Box::new(Way { networks: self.clone(), number })
    }

    /// The keys that were carried, in the order of offers and answers.
    pub(crate) fn seen(&self) -> Vec<[[u8; KEY]; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }

    /// What it all took.
    pub(crate) fn metered(&self) -> NetworkSpent {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spent.clone()
    }
}

/// A UE's way to its network.
struct Way {
    networks: Signalling,
    number: usize,
}

impl KeyNetwork for Way {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        let mut carrier = self.networks.0.lock().unwrap_or_else(PoisonError::into_inner);
        if carrier.ask(now, ticket, question).is_none() {
            carrier.answers[self.number].put(now, ticket, None);
        }
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        let mut carrier = self.networks.0.lock().unwrap_or_else(PoisonError::into_inner);
        carrier.answers[self.number].take(now)
    }
}
