//! Two operators for the UEs of an exercise: an MME and an HSS each, and the UEs' ends. UE_1 is a subscriber of the first, UE_2
//! of the second.
//!
//! The machines are those of `sidelink-network`. Their messages are made at once and counted; a UE has its answer when each
//! leg before it would have taken [`LEG`].

use crate::experiments::answers::Answers;
use crate::experiments::metrics::NetworkSpent;
use anyhow::Context;
use sidelink_network::aka::Rand;
use sidelink_network::hss::{self, Hss, Node, Purpose, Subject, Vector};
use sidelink_network::identity::{Fqdn, Imsi};
use sidelink_network::limit::RateLimit;
use sidelink_network::mme::message::{Expression, Kind};
use sidelink_network::mme::{self, Callers, Mme, Subscription, UeRef};
use sidelink_network::mme_client::{self, MmeClient};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_prose::direct_link::Ticket;
use sidelink_security::cipher::milenage::Subscriber as SubscriberKeys;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_ue::{KeyNetwork, NetworkAnswer};
use sidelink_wire::direct_keying::{Question, Side};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Milliseconds that a message between a UE and its MME, or between MMEs, takes one way.
const LEG: u64 = 10;

/// Legs until UE_1 has its answer, and until UE_2 has it.
const LEGS: [u64; 2] = [6, 3];

/// Reference points.
const NAS: &str = "UE-MME";
const MMES: &str = "MME-MME";

/// The names of UE_1 and UE_2.
const NAMES: [&str; 2] = ["mary", "john"];

/// Two operators and their subscribers.
pub(crate) struct Operators {
    mmes: Vec<Mme>,
    hss: Vec<Hss>,
    disk: Memory,
    clients: Vec<MmeClient>,
    spent: NetworkSpent,
    rands: u64,
    now: UtcTime,
    /// When the last run began.
    began: UtcTime,
    answer: Option<Zeroizing<Vec<u8>>>,
}

fn name(mme: usize) -> anyhow::Result<Fqdn> {
    Ok(Fqdn::new(&format!("mme{mme}.example.org"))?)
}

fn expression(ue: usize) -> anyhow::Result<Expression> {
    Expression::new(NAMES[ue].as_bytes()).map_err(|error| anyhow::anyhow!("{error}"))
}

impl Operators {
    /// With their subscribers attached. Half keys and public values come of the seed: they are no secret.
    ///
    /// # Errors
    /// An identity that is none.
    pub(crate) fn new(material: Kind, seed: u64) -> anyhow::Result<Self> {
        let now = UtcTime::from_millis(0);
        let mut operators = Self {
            mmes: Vec::new(),
            hss: Vec::new(),
            disk: Memory::default(),
            clients: Vec::new(),
            spent: NetworkSpent::default(),
            rands: 0,
            now,
            began: now,
            answer: None,
        };
        for ue in 0..NAMES.len() {
            let seed_of = |what: u8| {
                let mut octets = [what + ue as u8; 32];
                octets[..8].copy_from_slice(&seed.to_be_bytes());
                octets
            };
            let keys = || SubscriberKeys::with_opc([ue as u8; 16], [9; 16]);
            let imsi = Imsi::new(&format!("0010{}0000000001", 1 + ue))?;
            let mut hss =
                Hss::new(hss::Config { rate: RateLimit { burst: 0, interval: 0 }, ..hss::Config::default() });
            let impi = imsi.impi(2)?;
            hss.add(hss::Subscription { imsi: imsi.clone(), impi, keys: keys(), reserved: 0 })?;
            let serving_network = [0, 0xf1, 0x10 + ue as u8];
            let directory = [(expression(1 - ue)?, name(1 - ue)?)].into();
            let config = mme::Config::new(name(ue)?, serving_network);
            let mut mme = Mme::new(config, &seed_of(0x20), directory, []);
            let (expressions, callers) = (vec![expression(ue)?], Callers::Anybody);
            mme.add(Subscription { imsi: imsi.clone(), expressions, callers })?;
            let expression = expression(ue)?;
            let config =
                mme_client::Config { imsi, expression, kind: material, serving_network, patience: 2_000 };
            let usim = Usim::new(keys(), SqnArray::default());
            let mut client = MmeClient::new(config, usim, &seed_of(0x30));
            client.handle_input(mme_client::Input::Attach { now });
            operators.hss.push(hss);
            operators.mmes.push(mme);
            operators.clients.push(client);
        }
        operators.work()?;
        let spent = std::mem::take(&mut operators.spent);
        operators.spent = NetworkSpent {
            attach_messages: spent.messages,
            attach_octets: spent.octets,
            ..NetworkSpent::default()
        };
        Ok(operators)
    }

    /// What a UE's question comes to, and when it has the answer.
    fn ask(
        &mut self,
        ue: usize,
        now: UtcTime,
        question: &[u8],
    ) -> anyhow::Result<(UtcTime, Option<Zeroizing<Vec<u8>>>)> {
        self.now = self.now.max(now);
        let is_first = matches!(Question::parse(question), Ok(question) if question.side == Side::Initiating);
        if is_first {
            self.began = now;
        }
        self.mmes.iter_mut().for_each(|mme| mme.handle_input(mme::Input::Tick { now }));
        self.clients.iter_mut().for_each(|client| client.handle_input(mme_client::Input::Tick { now }));
        self.answer = None;
        self.clients[ue].handle_input(mme_client::Input::Question { now, ticket: 0, octets: question });
        self.work()?;
        let legs = if is_first { LEGS[0] } else { LEGS[1] };
        Ok((self.began.plus_millis(legs * LEG), self.answer.take()))
    }

    /// Lets all of them work until nothing is left to do.
    fn work(&mut self) -> anyhow::Result<()> {
        loop {
            let mut worked = false;
            for at in 0..self.mmes.len() {
                worked |= self.mme(at)?;
                worked |= self.client(at);
            }
            if !worked {
                return Ok(());
            }
        }
    }

    fn count(&mut self, point: &'static str, octets: usize) {
        self.spent.count(point, octets);
    }

    fn mme(&mut self, at: usize) -> anyhow::Result<bool> {
        let now = self.now;
        match self.mmes[at].poll_output() {
            mme::Output::Timeout(_) => return Ok(false),
            mme::Output::Downlink { octets, .. } => {
                self.count(NAS, octets.len());
                self.clients[at].handle_input(mme_client::Input::Downlink { now, octets: &octets });
            }
            mme::Output::ToMme { octets, .. } => {
                self.count(MMES, octets.len());
                let from = &name(at)?;
                self.mmes[1 - at].handle_input(mme::Input::FromMme { now, from, octets: &octets });
            }
            mme::Output::Fetch { ticket, imsi, serving_network, resynchronisation } => {
                self.rands += 1;
                let mut rand = [0x55; 16];
                rand[..8].copy_from_slice(&self.rands.to_be_bytes());
                let (subject, rand) = (Subject::Imsi(imsi), Rand(rand));
                let (node, purpose) = (Node::Mme, Purpose::Eps { serving_network });
                self.hss[at].handle_input(hss::Input::Request(hss::Request {
                    now,
                    ticket,
                    subject,
                    node,
                    purpose,
                    rand,
                    resynchronisation,
                }));
                self.vectors(at)?;
            }
            mme::Output::Store { ticket, records } => {
                self.spent.durable_writes += records.len() as u64;
                self.mmes[at].handle_input(mme::Input::Stored { now, ticket });
            }
            mme::Output::Forget { .. } | mme::Output::Event(_) => {}
        }
        Ok(true)
    }

    fn vectors(&mut self, at: usize) -> anyhow::Result<()> {
        loop {
            match self.hss[at].poll_output() {
                hss::Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.disk).context("counters in memory")?;
                    self.hss[at].handle_input(hss::Input::Granted { granted });
                }
                hss::Output::Answer { ticket, result } => {
                    let result = result.and_then(|vector| match vector {
                        Vector::Eps(vector) => Ok(vector),
                        _ => Err(hss::Refusal::NotForThisNode),
                    });
                    self.mmes[at].handle_input(mme::Input::Vector { now: self.now, ticket, result });
                }
                hss::Output::Timeout(_) => return Ok(()),
            }
        }
    }

    fn client(&mut self, at: usize) -> bool {
        let now = self.now;
        match self.clients[at].poll_output() {
            mme_client::Output::Timeout(_) => return false,
            mme_client::Output::Uplink(octets) => {
                self.count(NAS, octets.len());
                let from = UeRef(at as u64);
                self.mmes[at].handle_input(mme::Input::Uplink { now, from, octets: &octets });
            }
            mme_client::Output::Store(_) => self.clients[at].handle_input(mme_client::Input::Stored { now }),
            mme_client::Output::Answer { answer, .. } => {
                self.answer = answer.map(|octets| Zeroizing::new(octets.to_vec()));
            }
            mme_client::Output::Event(_) => {}
        }
        true
    }
}

/// The operators of an exercise, whose UEs run in threads of their own.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Operators>>);

impl Shared {
    pub(crate) fn new(operators: Operators) -> Self {
        Self(Arc::new(Mutex::new(operators)))
    }

    /// A UE's way to its network.
    ///
    /// # Errors
    /// It is no subscriber.
    pub(crate) fn subscriber(&self, name: &str) -> anyhow::Result<Subscriber> {
        let ue = NAMES.iter().position(|known| *known == name);
        let ue = ue.with_context(|| format!("{name} is no subscriber: {} are", NAMES.join(" and ")))?;
        Ok(Subscriber { operators: self.clone(), ue, answers: Answers::default() })
    }

    /// What it all took.
    pub(crate) fn metered(&self) -> NetworkSpent {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spent.clone()
    }
}

/// A UE's way to its network.
pub(crate) struct Subscriber {
    operators: Shared,
    ue: usize,
    answers: Answers,
}

impl KeyNetwork for Subscriber {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        let mut operators = self.operators.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (due, octets) = operators.ask(self.ue, now, question).unwrap_or((now, None));
        self.answers.put(due, ticket, octets);
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        self.answers.take(now)
    }
}
