//! A NAF for group keys with its BSF and HSS, and the UEs that reach it, on the simulated clock: TR 33.833 §6.3.2.
//!
//! Every UE has bootstrapped before: what is counted is what a group adds. A question of the NAF to the BSF takes a round trip; a
//! push takes two, for the vector of the HSS.

use crate::experiments::network::messages::Service;
use crate::experiments::network::naf::naf_id;
use sidelink_network::aka::Rand;
use sidelink_network::bsf::{self, Bsf, KeyMaterial, KeyRefusal};
use sidelink_network::digest::Algorithm;
use sidelink_network::gba_push::bsf::{self as push, PushBsf, Pushed};
use sidelink_network::group_naf::message::Cause;
use sidelink_network::group_naf::{Config, Durable, GroupNaf, Input, Output, RequestId};
use sidelink_network::group_naf_client::{self as client, GroupNafClient};
use sidelink_network::hss::{self, Hss, Node, Purpose, Subject, Ticket, Vector};
use sidelink_network::identity::{Fqdn, Impi, Imsi, NafId};
use sidelink_network::limit::RateLimit;
use sidelink_network::ub_client::{self, UbClient};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_ue::air_rng::AirRng;
use std::collections::BTreeMap;

/// Milliseconds until a UE that was told to try later does, and as many again by chance.
const LATER: u64 = 1000;

const BSF: &str = "bsf.mnc001.mcc001.pub.3gppnetwork.org";

/// What is under way.
enum Flight {
    Request(usize, Vec<u8>),
    Answer(usize, Vec<u8>),
    Key(Ticket, Result<KeyMaterial, KeyRefusal>),
    Pushed(Ticket, Result<Pushed, push::Refusal>),
    Again(usize),
}

/// Messages of UEs and NAF, and vectors of the HSS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) messages: u64,
    pub(crate) octets: u64,
    pub(crate) vectors: u64,
}

impl Traffic {
    /// Returns what went after `before`.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            messages: self.messages - before.messages,
            octets: self.octets - before.octets,
            vectors: self.vectors - before.vectors,
        }
    }
}

/// The network.
pub(crate) struct NafNetwork {
    now: UtcTime,
    /// Milliseconds there and back, between any two.
    round_trip: u64,
    rng: AirRng,
    hss: Hss,
    bsf: Bsf,
    push: PushBsf,
    naf: GroupNaf,
    disk: Memory,
    clients: Vec<GroupNafClient>,
    by_impi: BTreeMap<Impi, usize>,
    in_flight: BTreeMap<(UtcTime, u64), Flight>,
    sent: u64,
    pub(crate) traffic: Traffic,
    /// Keys that came to UEs: when, to whom, and the PGK ID.
    keys: Vec<(UtcTime, usize, u8)>,
}

impl NafNetwork {
    /// With UEs that have bootstrapped.
    ///
    /// # Errors
    /// More UEs than identities, or one that cannot bootstrap.
    pub(crate) fn new(now: UtcTime, ues: usize, round_trip: u64, seed: u64) -> anyhow::Result<Self> {
        let mut rng = AirRng::seeded(seed, "naf");
        let naf = naf_id(Service::ProseFunction);
        let unlimited = RateLimit { burst: 0, interval: 0 };
        let mut bsf_config = bsf::Config::new(Fqdn::new(BSF)?);
        bsf_config.rate = unlimited;
        let push = push::Config { rate: unlimited, ..push::Config::default() };
        let mut network = Self {
            now,
            round_trip,
            hss: Hss::new(hss::Config::default()),
            bsf: Bsf::new(bsf_config, []),
            push: PushBsf::new(push),
            naf: GroupNaf::new(Config::new(naf.clone()), &rng.octets(), Durable::default()),
            disk: Memory::default(),
            clients: Vec::new(),
            by_impi: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            traffic: Traffic::default(),
            keys: Vec::new(),
            rng,
        };
        for ue in 0..ues {
            network.subscribe(ue, &naf)?;
        }
        network.traffic = Traffic::default();
        Ok(network)
    }

    /// The name of a UE.
    ///
    /// # Errors
    /// A number above those of the simulated network.
    pub(crate) fn user(ue: usize) -> anyhow::Result<Impi> {
        Ok(Imsi::new(&format!("00101{ue:010}"))?.impi(2)?)
    }

    /// Hands something to the client of a UE.
    pub(crate) fn act(&mut self, ue: usize, input: impl FnOnce(UtcTime) -> client::Input<'static>) {
        let input = input(self.now);
        self.clients[ue].handle_input(input);
        self.follow(ue);
    }

    /// An invitation by the owner, UE 0.
    pub(crate) fn invite(
        &mut self,
        group: sidelink_network::key_delivery::ServiceId,
        invitee: Impi,
    ) -> Vec<u8> {
        let (now, expires) = (self.now, self.now.plus_millis(INVITED));
        self.clients[0].invite(now, group, invitee, expires)
    }

    /// Lets time pass until `end`. Returns the keys that came.
    pub(crate) fn run_until(&mut self, end: UtcTime) -> Vec<(UtcTime, usize, u8)> {
        loop {
            let arrival = self.in_flight.keys().next().map(|(at, _)| *at);
            let deadline = match self.naf.poll_output() {
                Output::Timeout(at) => at,
                // `work` has taken everything.
                _ => None,
            };
            let Some(next) = arrival.into_iter().chain(deadline).min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            match self.in_flight.first_entry().filter(|entry| entry.key().0 <= self.now) {
                Some(entry) => {
                    let flight = entry.remove();
                    self.arrive(flight);
                }
                None => {
                    self.naf.handle_input(Input::Tick { now: self.now });
                    self.work();
                }
            }
        }
        self.now = self.now.max(end);
        std::mem::take(&mut self.keys)
    }

    fn subscribe(&mut self, ue: usize, naf: &NafId) -> anyhow::Result<()> {
        let (k, opc): ([u8; 16], [u8; 16]) = (self.rng.octets(), self.rng.octets());
        let card = || Subscriber::with_opc(k, opc);
        let imsi = Imsi::new(&format!("00101{ue:010}"))?;
        let impi = Self::user(ue)?;
        self.hss.add(hss::Subscription { imsi, impi: impi.clone(), keys: card(), reserved: 0 })?;
        let config = ub_client::Config {
            impi: impi.clone(),
            bsf: Fqdn::new(BSF)?,
            algorithms: vec![Algorithm::AkaV1Md5, Algorithm::AkaV1Sha256],
        };
        let mut ub = UbClient::new(config, Usim::new(card(), SqnArray::default()));
        let (b_tid, ks_naf, array) = self.bootstrap(&mut ub, naf)?;
        let config = client::Config { impi: impi.clone(), naf_id: naf.clone(), b_tid, ks_naf };
        let seed = self.rng.octets();
        self.clients.push(GroupNafClient::new(config, Usim::new(card(), array), &seed, []));
        self.by_impi.insert(impi, ue);
        Ok(())
    }

    fn bootstrap(
        &mut self,
        ub: &mut UbClient,
        naf: &NafId,
    ) -> anyhow::Result<(sidelink_network::identity::BTid, sidelink_security::keys::KsNaf, SqnArray)> {
        let mut card = SqnArray::default();
        ub.handle_input(ub_client::Input::Bootstrap { cnonce: self.rng.octets() });
        loop {
            match ub.poll_output() {
                Some(ub_client::Output::Request(request)) => {
                    let from = bsf::Connection(0);
                    self.bsf.handle_input(bsf::Input::Request { now: self.now, from, request: &request });
                    if let Some(response) = self.serve_ub() {
                        ub.handle_input(ub_client::Input::Response { now: self.now, response: &response });
                    }
                }
                Some(ub_client::Output::Store(array)) => {
                    card = array;
                    ub.handle_input(ub_client::Input::Stored);
                }
                Some(ub_client::Output::Done(key)) => {
                    let ks_naf = key.ks_naf(self.now, naf);
                    let ks_naf = ks_naf.ok_or_else(|| anyhow::anyhow!("a new key has expired"))?;
                    return Ok((key.b_tid.clone(), ks_naf, card));
                }
                Some(ub_client::Output::Failed(why)) => anyhow::bail!("a UE cannot bootstrap: {why}"),
                None => anyhow::bail!("a UE cannot bootstrap: no answer"),
            }
        }
    }

    /// Does what the BSF says until it answers a UE.
    fn serve_ub(&mut self) -> Option<bsf::Response> {
        let mut response = None;
        loop {
            match self.bsf.poll_output() {
                bsf::Output::Response { response: said, .. } => response = Some(said),
                bsf::Output::Fetch { ticket, impi, resynchronisation } => {
                    let result = self.vector(ticket, impi, resynchronisation);
                    self.bsf.handle_input(bsf::Input::Vector { now: self.now, ticket, result });
                }
                bsf::Output::Store { ticket, .. } => self.bsf.handle_input(bsf::Input::Stored { ticket }),
                bsf::Output::Timeout(_) => return response,
                _ => {}
            }
        }
    }

    fn vector(
        &mut self,
        ticket: Ticket,
        impi: Impi,
        resynchronisation: Option<hss::Resynchronisation>,
    ) -> Result<sidelink_network::aka::Quintet, hss::Refusal> {
        self.traffic.vectors += 1;
        let (subject, rand) = (Subject::Impi(impi), Rand(self.rng.octets()));
        let (node, purpose, now) = (Node::Bsf, Purpose::Gba, self.now);
        let request = hss::Request { now, ticket, subject, node, purpose, rand, resynchronisation };
        self.hss.handle_input(hss::Input::Request(request));
        let mut answer = Err(hss::Refusal::NotForThisNode);
        loop {
            match self.hss.poll_output() {
                hss::Output::Reserve(reservation) => {
                    if let Ok(granted) = reservation.commit(&mut self.disk) {
                        self.hss.handle_input(hss::Input::Granted { granted });
                    }
                }
                hss::Output::Answer { result, .. } => {
                    answer = result.and_then(|vector| match vector {
                        Vector::Gba(quintet) => Ok(quintet),
                        _ => Err(hss::Refusal::NotForThisNode),
                    });
                }
                hss::Output::Timeout(_) => return answer,
            }
        }
    }

    fn send(&mut self, after: u64, flight: Flight) {
        if let Flight::Request(_, octets) | Flight::Answer(_, octets) = &flight {
            self.traffic.messages += 1;
            self.traffic.octets += octets.len() as u64;
        }
        self.sent += 1;
        self.in_flight.insert((self.now.plus_millis(after), self.sent), flight);
    }

    fn arrive(&mut self, flight: Flight) {
        let now = self.now;
        match flight {
            Flight::Request(ue, octets) => {
                let request = RequestId(ue as u64);
                self.naf.handle_input(Input::Request { now, request, octets: &octets });
                self.work();
            }
            Flight::Answer(ue, octets) => {
                self.clients[ue].handle_input(client::Input::Answer { now, octets: &octets });
                self.follow(ue);
            }
            Flight::Key(ticket, result) => {
                self.naf.handle_input(Input::Key { now, ticket, result });
                self.work();
            }
            Flight::Pushed(ticket, result) => {
                self.naf.handle_input(Input::Pushed { now, ticket, result });
                self.work();
            }
            Flight::Again(ue) => {
                self.clients[ue].handle_input(client::Input::Again);
                self.follow(ue);
            }
        }
    }

    /// Does what a client says.
    fn follow(&mut self, ue: usize) {
        while let Some(output) = self.clients[ue].poll_output() {
            match output {
                client::Output::Request(octets) => {
                    self.send(self.round_trip / 2, Flight::Request(ue, octets))
                }
                client::Output::Store(_) => {
                    self.clients[ue].handle_input(client::Input::Stored { now: self.now });
                }
                client::Output::Key(key) => self.keys.push((self.now, ue, key.pgk_id)),
                client::Output::Refused(Cause::TooOften | Cause::Busy | Cause::Late) => {
                    let after = LATER + self.rng.next_u64() % LATER;
                    self.send(after, Flight::Again(ue));
                }
                client::Output::Refused(_) | client::Output::Dropped(_) => {}
            }
        }
    }

    /// Does what the NAF says.
    fn work(&mut self) {
        let (now, half) = (self.now, self.round_trip / 2);
        loop {
            match self.naf.poll_output() {
                Output::AskKey { ticket, b_tid } => {
                    let naf_id = naf_id(Service::ProseFunction);
                    let naf = naf_id.fqdn.clone();
                    self.bsf.handle_input(bsf::Input::KeyRequest { now, ticket, naf, b_tid, naf_id });
                    if let bsf::Output::Key { ticket, result } = self.bsf.poll_output() {
                        self.send(self.round_trip, Flight::Key(ticket, result));
                    }
                }
                Output::Push(request) => self.push_key(request),
                Output::Store { ticket, .. } => self.naf.handle_input(Input::Stored { now, ticket }),
                Output::Respond { request, octets } => {
                    self.send(half, Flight::Answer(request.0 as usize, octets));
                }
                Output::Deliver { to, octets } => {
                    if let Some(ue) = self.by_impi.get(&to).copied() {
                        self.send(half, Flight::Answer(ue, octets));
                    }
                }
                Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }

    fn push_key(&mut self, request: push::Request) {
        let now = self.now;
        self.push.handle_input(push::Input::Request { now, request });
        loop {
            match self.push.poll_output() {
                push::Output::Fetch { ticket, impi, resynchronisation } => {
                    let result = self.vector(ticket, impi, resynchronisation);
                    self.push.handle_input(push::Input::Vector { now, ticket, result });
                }
                push::Output::Answer { ticket, result } => {
                    self.send(2 * self.round_trip, Flight::Pushed(ticket, result));
                }
                push::Output::Timeout(_) => return,
            }
        }
    }
}

/// Milliseconds that an invitation is good for.
const INVITED: u64 = 600_000;
