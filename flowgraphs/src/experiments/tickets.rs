//! A key management server that gives tickets to the UEs of an exercise (MIKEY-TICKET), and its subscribers' ends. TR 33.833
//! §6.4.2, TS 33.328 Annex A.
//!
//! The machine is that of `sidelink-network`. What is counted is MIKEY, without HTTP and without the base64 that HTTP carries; each
//! UE has its key (a Ks_NAF) before, so that bootstrapping is not in it. Questions to the BSF are counted without octets: their
//! coding is not this machine's. Each leg takes [`LEG`].

use crate::experiments::answers::Answers;
use crate::experiments::metrics::NetworkSpent;
use sidelink_network::bsf::KeyMaterial;
use sidelink_network::identity::{BTid, Impi};
use sidelink_network::kms::{
    Config, Durable, Event, Grant, Holder, Input, Kms, Masters, Output, RequestId, Response,
};
use sidelink_network::kms_messages::Uri;
use sidelink_network::mikey_ticket::initial::Claimed;
use sidelink_prose::direct_link::{Ticket, TicketAccess, Window};
use sidelink_security::counter::UtcTime;
use sidelink_security::key_period::KeyPeriods;
use sidelink_security::keys::KsNaf;
use sidelink_ue::{KeyNetwork, NetworkAnswer, Ue};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Milliseconds that a message takes one way: between a UE and the server, or between the server and the BSF.
const LEG: u64 = 10;

/// Legs until a UE has its answer: to the server, to the BSF and back, and to the UE.
const LEGS: u64 = 4;

/// URI of the server.
const KMS: &str = "kms.example.org";

/// Seconds of a period of keys, which tickets have no use for.
const PERIOD: NonZeroU32 = NonZeroU32::new(30 * 86_400).expect("not zero");

/// Milliseconds that a Ks_NAF lives.
const KEY_LIFE: u64 = 3_600_000;

/// The subscribers: UE_1, UE_2, and one more that is no party to their link.
const NAMES: [&str; 3] = ["mary", "john", "peter"];

/// Reference points.
const UE_KMS: &str = "UE-KMS";
const ZN: &str = "KMS-BSF";

/// How a UE comes to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In time.
    There,
    /// Nothing comes back.
    Away,
}

/// The server and what it took.
pub(crate) struct Server {
    kms: Kms,
    requests: u64,
    now: UtcTime,
    spent: NetworkSpent,
    found: BTreeMap<String, u64>,
}

/// Name of a subscriber's key, and the subscriber.
fn subscriber(name: &str) -> anyhow::Result<(BTid, Impi)> {
    let named = BTid::new(&format!("{name}@bsf.example.org")).map_err(|e| anyhow::anyhow!("{e}"))?;
    let impi = Impi::new(&format!("{name}@ims.example.org")).map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok((named, impi))
}

/// The key of a subscriber. It is no secret.
fn key(name: &str) -> [u8; 32] {
    let mut key = [0x4b; 32];
    key[..name.len()].copy_from_slice(name.as_bytes());
    key
}

impl Server {
    /// With its subscribers. Its secrets come of the seed: they are none.
    ///
    /// # Errors
    /// A name that is none.
    fn new(seed: u64) -> anyhow::Result<Self> {
        let uri = |text: &str| Uri::new(text).ok_or_else(|| anyhow::anyhow!("{text} is no URI"));
        let periods = KeyPeriods::Seconds { length: PERIOD, offset: 0 };
        let mut config = Config::new(uri(KMS)?, periods);
        for name in NAMES {
            let holder = Holder::Subscriber(subscriber(name)?.1);
            config.grants.push(Grant { user: uri(&format!("ProSe:{name}"))?, holder });
        }
        let mut octets = [0x21; 32];
        octets[..8].copy_from_slice(&seed.to_be_bytes());
        let random = std::array::from_fn(|at| octets[at % 32] ^ at as u8);
        let masters = Masters::generate(&random)?;
        let kms = Kms::new(config, masters, &octets, Durable::default())?;
        let (spent, found) = (NetworkSpent::default(), BTreeMap::new());
        Ok(Self { kms, requests: 0, now: UtcTime::from_millis(0), spent, found })
    }

    /// Answers a message of MIKEY-TICKET.
    fn ask(&mut self, now: UtcTime, octets: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.now = self.now.max(now);
        let now = self.now;
        self.spent.count(UE_KMS, octets.len());
        let exchange = Claimed::read(octets).ok()?.exchange;
        self.requests += 1;
        self.kms.handle_input(Input::Mikey { now, request: RequestId(self.requests), exchange, octets });
        let mut answer = None;
        loop {
            match self.kms.poll_output() {
                Output::Timeout(_) => break,
                Output::AskKey { ticket, name } => {
                    (0..2).for_each(|_| self.spent.count(ZN, 0));
                    let material = self.material(&name);
                    self.kms.handle_input(Input::Key { now, ticket, material });
                }
                Output::Store { ticket, changes } => {
                    self.spent.durable_writes += changes.len() as u64;
                    self.kms.handle_input(Input::Stored { now, ticket });
                }
                Output::Respond { response: Response::Mikey(octets), .. } => {
                    self.spent.count(UE_KMS, octets.len());
                    answer = Some(Zeroizing::new(octets));
                }
                Output::Event(event) => self.report(&event),
                Output::Respond { .. } | Output::Done { .. } | Output::Escrowed { .. } => {}
            }
        }
        answer
    }

    /// What the BSF has under a name.
    fn material(&self, named: &BTid) -> Option<KeyMaterial> {
        let name = NAMES.iter().find(|name| subscriber(name).is_ok_and(|(known, _)| known == *named))?;
        let (_, impi) = subscriber(name).ok()?;
        let expires = self.now.plus_millis(KEY_LIFE);
        Some(KeyMaterial { ks_naf: KsNaf::from(key(name)), impi, created: self.now, expires })
    }

    fn report(&mut self, event: &Event) {
        let what = match event {
            Event::TicketGranted { user } => format!("tickets that the server granted to {user}"),
            Event::TicketResolved { user } => format!("tickets that the server resolved for {user}"),
            Event::TicketRefused { number } => format!("requests that the server refused: {number:?}"),
            _ => return,
        };
        *self.found.entry(what).or_default() += 1;
    }
}

/// The server of an exercise, whose UEs run in threads of their own.
#[derive(Clone)]
pub(crate) struct SharedServer(Arc<Mutex<Server>>);

impl SharedServer {
    /// Makes a server.
    ///
    /// # Errors
    /// A name that is none.
    pub(crate) fn new(seed: u64) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Server::new(seed)?))))
    }

    /// Lets the links of `ue` take tickets, with the key of subscriber `name`.
    ///
    /// # Errors
    /// A UE without links.
    pub(crate) fn equip(&self, ue: &mut Ue, name: &str, reach: Reach) -> anyhow::Result<()> {
        let (access, way) = self.access(name, reach)?;
        let Some(links) = ue.stack().links() else { anyhow::bail!("{name} has no links") };
        links.establish_by_ticket(Arc::new(access));
        links.ask_over(way);
        Ok(())
    }

    /// The key of subscriber `name`, and its way to the server.
    ///
    /// # Errors
    /// A name that is none.
    pub(crate) fn access(
        &self,
        name: &str,
        reach: Reach,
    ) -> anyhow::Result<(TicketAccess, Box<dyn KeyNetwork>)> {
        let (named, _) = subscriber(name)?;
        let access = TicketAccess {
            kms: KMS.to_owned(),
            key: Zeroizing::new(key(name).to_vec()),
            key_id: Some(named.as_str().as_bytes().to_vec()),
            window: Window::Strict,
        };
        Ok((access, Box::new(Way { server: self.clone(), reach, answers: Answers::default() })))
    }

    /// What it all took.
    pub(crate) fn metered(&self) -> NetworkSpent {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spent.clone()
    }

    /// What the server saw.
    pub(crate) fn findings(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).found.clone()
    }
}

/// A UE's way to the server.
struct Way {
    server: SharedServer,
    reach: Reach,
    answers: Answers,
}

impl KeyNetwork for Way {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        if self.reach == Reach::Away {
            return;
        }
        let mut server = self.server.0.lock().unwrap_or_else(PoisonError::into_inner);
        let octets = server.ask(now, question);
        self.answers.put(now.plus_millis(LEGS * LEG), ticket, octets);
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        self.answers.take(now)
    }
}
