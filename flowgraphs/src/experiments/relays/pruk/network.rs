//! The functions of the network behind relays: PKMF, BSF and HSS.
//!
//! ```text
//! remote UE --- PC8 --- PKMF --- Zpn --- BSF --- Zh --- HSS
//! relay     --- PC8 ---'
//! ```
//!
//! The machines are those of `sidelink-network`. Their messages are made at once, and an answer is there when each leg before it
//! would have taken its time. PC8 is counted without HTTP and TLS, which stand before; Zpn and Zh without octets, since
//! their coding is not these machines'.

use super::super::cases::{CORE_RTT, RelayCase};
use super::super::parties::SERVICE;
use super::super::setup::START;
use super::{Card, PrukSettings};
use crate::experiments::metrics::NetworkSpent;
use crate::relay_keys::relay::Reply;
use crate::relay_keys::remote::Record;
use core::net::{IpAddr, Ipv4Addr};
use sidelink_network::aka::{ARRAY, Quintet, Rand};
use sidelink_network::gba_push::bsf::{self as push, PushBsf};
use sidelink_network::hss::{self, Hss, Node, Purpose, Subject, Vector};
use sidelink_network::identity::{self, Fqdn, Impi};
use sidelink_network::limit::RateLimit;
use sidelink_network::pc3::{Imsi, MaxOffset, Plmn};
use sidelink_network::pc8::{self, Code, OtherId};
use sidelink_network::pkmf::{self, Pkmf, Remote, Response, Told};
use sidelink_network::pkmf_client::{self as client, PkmfClient};
use sidelink_network::remote_ue::{Held, Slots};
use sidelink_network::usim::SqnArray;
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::{Lease, ReserveConfig, StreamId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// Reference points.
const PC8_REMOTE: &str = "PC8 (remote UE)";
const PC8_RELAY: &str = "PC8 (relay)";
const ZPN: &str = "Zpn";
const ZH: &str = "Zh";

/// Home PLMN of all.
const HOME: (&str, &str) = ("001", "01");

/// Number of the first relay's subscriber.
const RELAYS: usize = 900;

/// SEQ that a USIM has accepted which is ahead.
const AHEAD: u64 = 1000;

/// Numbers of the PKMF, in its store.
const NUMBERS: StreamId = StreamId(*b"numbers of pkmf.");

fn digits(number: usize) -> String {
    format!("{:010}", number + 1)
}

/// Returns the IMSI of a remote UE.
///
/// # Errors
/// A number with more digits than an IMSI has.
pub(super) fn imsi(number: usize) -> anyhow::Result<Imsi> {
    Ok(Imsi::new(Plmn::new(HOME.0, HOME.1)?, &digits(number))?)
}

/// Returns the private identity of a remote UE.
///
/// # Errors
/// As [`imsi`].
pub(super) fn impi(number: usize) -> anyhow::Result<Impi> {
    Ok(subscriber_imsi(number)?.impi(HOME.1.len())?)
}

fn subscriber_imsi(number: usize) -> anyhow::Result<identity::Imsi> {
    Ok(identity::Imsi::new(&format!("{}{}{}", HOME.0, HOME.1, digits(number)))?)
}

/// Returns K and OPc of a remote UE. They are no secrets.
pub(super) fn subscriber(number: usize) -> Subscriber {
    Subscriber::with_opc([0x40 + number as u8; 16], [9; 16])
}

/// Returns the name of the PKMF.
///
/// # Errors
/// It is none.
pub(super) fn pkmf_name() -> anyhow::Result<Fqdn> {
    Ok(Fqdn::new("pkmf.mnc001.mcc001.pub.3gppnetwork.org")?)
}

/// What is durable of a remote UE.
struct Disk {
    slots: Slots,
    usim: SqnArray,
}

/// The functions, what is durable of them and of the remote UEs, and what they took.
pub(super) struct Network {
    rtt: u64,
    now: UtcTime,
    pkmf: Pkmf,
    push: PushBsf,
    hss: Hss,
    counters: Memory,
    disks: Vec<Disk>,
    rands: u64,
    requests: u64,
    vectors: u64,
    /// Questions to the BSF that are on the way of the request that is served.
    pushes: u64,
    spent: NetworkSpent,
    found: BTreeMap<String, u64>,
}

impl Network {
    /// With its subscribers. Its keys come of the seed: they are no secrets.
    ///
    /// # Errors
    /// A name that is none.
    pub(super) fn new(case: &RelayCase<'_>, settings: PrukSettings) -> anyhow::Result<Self> {
        let unlimited = RateLimit { burst: 0, interval: 0 };
        let mut hss = Hss::new(hss::Config { rate: unlimited, ..hss::Config::default() });
        let mut counters = Memory::default();
        let mut config = pkmf::Config::new(pkmf_name()?, Vec::new(), MaxOffset::new(32)?);
        let mut disks = Vec::new();
        for number in 0..case.remotes {
            let (imsi, ue) = (subscriber_imsi(number)?, impi(number)?);
            let keys = subscriber(number);
            hss.add(hss::Subscription { imsi, impi: ue.clone(), keys, reserved: 0 })?;
            let told = Told::Other(OtherId([number as u8; 16]));
            config.relays.remotes.push(Remote {
                ue,
                imsi: self::imsi(number)?,
                codes: vec![Code(SERVICE)],
                told,
            });
            let usim = match settings.card {
                Card::InStep => SqnArray::default(),
                Card::Ahead => SqnArray::from_entries([AHEAD; ARRAY])?,
            };
            disks.push(Disk { slots: Slots::default(), usim });
        }
        for relay in 0..case.scenario.relays {
            config.relays.relays.push((impi(RELAYS + relay)?, vec![Code(SERVICE)]));
        }
        let reserve = ReserveConfig { block: 64, low_water: 16 };
        let numbers = Lease::open(NUMBERS, 1, u64::MAX, reserve, &mut counters)?;
        let mut seed = [0x6b; 32];
        seed[..8].copy_from_slice(&case.seed.to_be_bytes());
        Ok(Self {
            rtt: case.network_rtt,
            now: UtcTime::from_millis(1000 * START),
            pkmf: Pkmf::new(config, numbers, &seed, pkmf::Durable::default())?,
            push: PushBsf::new(push::Config::default()),
            hss,
            counters,
            disks,
            rands: case.seed << 32,
            requests: 0,
            vectors: 0,
            pushes: 0,
            spent: NetworkSpent::default(),
            found: BTreeMap::new(),
        })
    }

    /// Lets a remote UE fetch its PRUK over PC8.
    ///
    /// # Errors
    /// It gets none.
    pub(super) fn provision(&mut self, number: usize) -> anyhow::Result<()> {
        let (now, ue) = (self.now, impi(number)?);
        let mut client = PkmfClient::new(client::Config::new(pkmf_name()?), client::Durable::default());
        client.handle_input(client::Input::Want { now, wanted: &[client::Wanted::Pruk] });
        loop {
            match client.poll_output() {
                client::Output::Timeout(_) => anyhow::bail!("remote UE {number} gets no PRUK"),
                client::Output::Request(body) => {
                    let Reply::Document(body) = self.ask(PC8_REMOTE, ue.clone(), &body) else {
                        anyhow::bail!("the key management function does not answer remote UE {number}")
                    };
                    client.handle_input(client::Input::Response { now, body: &body });
                }
                client::Output::Pruk(info) => {
                    let current = Some(Held { id: info.id, pruk: info.pruk });
                    self.write(number, Record::Slots(Slots { current, pending: None }));
                    return Ok(());
                }
                client::Output::Store { ticket, .. } => {
                    client.handle_input(client::Input::Stored { now, ticket });
                }
                client::Output::Send(_) | client::Output::Event(_) => {}
            }
        }
    }

    /// Answers a relay, and says when the answer is there.
    pub(super) fn ask_as_relay(&mut self, now: UtcTime, relay: usize, document: &str) -> (UtcTime, Reply) {
        self.now = self.now.max(now);
        self.pushes = 0;
        let Ok(relay) = impi(RELAYS + relay) else { return (now, Reply::Lost) };
        let reply = self.ask(PC8_RELAY, relay, document);
        // Zpn and Zh, there and back.
        (now.plus_millis(self.rtt + 2 * CORE_RTT * self.pushes), reply)
    }

    fn ask(&mut self, point: &str, ue: Impi, document: &str) -> Reply {
        self.spent.count(point, document.len());
        self.requests += 1;
        let (now, request) = (self.now, pkmf::RequestId(self.requests));
        let (address, content_type) = (IpAddr::V4(Ipv4Addr::LOCALHOST), pc8::MEDIA_TYPE);
        let body = document.as_bytes();
        self.pkmf.handle_input(pkmf::Input::Request { now, request, ue, address, content_type, body });
        match self.work() {
            Some(Response::Message(body)) => {
                self.spent.count(point, body.len());
                Reply::Document(Zeroizing::new(body.as_bytes().to_vec()))
            }
            Some(Response::Refused(why)) => {
                self.spent.count(point, 0);
                self.found(format!("requests that the key management function refused: {why}"));
                Reply::Lost
            }
            None => Reply::Lost,
        }
    }

    /// Lets the functions work until nothing is left to do; the answer.
    fn work(&mut self) -> Option<Response> {
        let mut answer = None;
        loop {
            let now = self.now;
            match self.pkmf.poll_output() {
                pkmf::Output::Timeout(_) => return answer,
                pkmf::Output::Respond { response, .. } => answer = Some(response),
                pkmf::Output::Store { ticket, changes } => {
                    self.spent.durable_writes += changes.len() as u64;
                    self.pkmf.handle_input(pkmf::Input::Stored { now, ticket });
                }
                pkmf::Output::Push(request) => {
                    let (ticket, result) = (request.ticket, self.pushed(*request));
                    self.pkmf.handle_input(pkmf::Input::Pushed { now, ticket, result });
                }
                pkmf::Output::Reserve(reservation) => {
                    let stream = reservation.stream();
                    self.pkmf.handle_input(match reservation.commit(&mut self.counters) {
                        Ok(granted) => pkmf::Input::Granted { now, granted },
                        Err(_) => pkmf::Input::ReservationFailed { now, stream },
                    });
                }
                pkmf::Output::Send { .. } | pkmf::Output::Event(_) => {}
            }
        }
    }

    /// The BSF and its HSS.
    fn pushed(&mut self, request: push::Request) -> Result<push::Pushed, push::Refusal> {
        let now = self.now;
        self.pushes += 1;
        (0..2).for_each(|_| self.spent.count(ZPN, 0));
        self.push.handle_input(push::Input::Request { now, request });
        loop {
            match self.push.poll_output() {
                push::Output::Fetch { ticket, impi, resynchronisation } => {
                    let result = self.vector(ticket, impi, resynchronisation);
                    self.push.handle_input(push::Input::Vector { now, ticket, result });
                }
                push::Output::Answer { result, .. } => return result,
                push::Output::Timeout(_) => return Err(push::Refusal::Late),
            }
        }
    }

    fn vector(
        &mut self,
        ticket: hss::Ticket,
        impi: Impi,
        resynchronisation: Option<hss::Resynchronisation>,
    ) -> Result<Quintet, hss::Refusal> {
        (0..2).for_each(|_| self.spent.count(ZH, 0));
        self.rands += 1;
        let mut rand = [0x55; 16];
        rand[..8].copy_from_slice(&self.rands.to_be_bytes());
        self.hss.handle_input(hss::Input::Request(hss::Request {
            now: self.now,
            ticket,
            subject: Subject::Impi(impi),
            node: Node::Bsf,
            purpose: Purpose::Gba,
            rand: Rand(rand),
            resynchronisation,
        }));
        let mut answer = Err(hss::Refusal::Busy);
        loop {
            match self.hss.poll_output() {
                hss::Output::Reserve(reservation) => {
                    let stream = reservation.stream();
                    self.hss.handle_input(match reservation.commit(&mut self.counters) {
                        Ok(granted) => hss::Input::Granted { granted },
                        Err(_) => hss::Input::ReservationFailed { stream },
                    });
                }
                hss::Output::Answer { result, .. } => answer = result,
                hss::Output::Timeout(_) => break,
            }
        }
        match answer? {
            Vector::Gba(quintet) => {
                self.vectors += 1;
                Ok(quintet)
            }
            _ => Err(hss::Refusal::NotForThisNode),
        }
    }

    /// Returns what is durable of a remote UE.
    pub(super) fn durable(&self, number: usize) -> (Slots, SqnArray) {
        let Disk { slots, usim } = &self.disks[number];
        (slots.duplicate(), usim.clone())
    }

    /// Makes something durable for a remote UE.
    pub(super) fn write(&mut self, number: usize, record: Record) {
        match record {
            Record::Slots(slots) => self.disks[number].slots = slots,
            Record::Usim(array) => self.disks[number].usim = array,
        }
        self.found("durable writes of remote UEs".to_owned());
    }

    /// Counts something that was seen.
    pub(super) fn found(&mut self, what: String) {
        *self.found.entry(what).or_default() += 1;
    }

    pub(super) fn spent(&self) -> NetworkSpent {
        self.spent.clone()
    }

    pub(super) const fn vectors(&self) -> u64 {
        self.vectors
    }

    pub(super) fn findings(&self) -> BTreeMap<String, u64> {
        self.found.clone()
    }
}

/// The network of an exercise, whose UEs run in threads of their own.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Network>>);

impl Shared {
    pub(super) fn new(network: Network) -> Self {
        Self(Arc::new(Mutex::new(network)))
    }

    /// Returns it, for one caller at a time.
    pub(super) fn open(&self) -> MutexGuard<'_, Network> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
