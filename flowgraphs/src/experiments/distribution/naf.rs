//! A NAF for group keys with its BSF and HSS, on a simulated clock: TR 33.833 §6.3.2. UEs post messages and take theirs.
//!
//! Every UE has bootstrapped before: what is counted is what a group adds. A question of the NAF to the BSF takes a round trip; a
//! push takes two, for the vector of the HSS.
//!
//! What is on its way is ordered by its time and its sender, not by who came first: UEs in threads of their own get the same
//! answers in every run, as long as none is ahead of another by half a round trip.

use crate::experiments::network::messages::Service;
use crate::experiments::network::naf::naf_id;
use sidelink_network::aka::Rand;
use sidelink_network::bsf::{self, Bsf, KeyMaterial, KeyRefusal};
use sidelink_network::digest::Algorithm;
use sidelink_network::gba_push::bsf::{self as push, PushBsf, Pushed};
use sidelink_network::group_naf::message::Answer;
use sidelink_network::group_naf::{Config, Durable, GroupNaf, Input, Output, RequestId};
use sidelink_network::group_naf_client as client;
use sidelink_network::hss::{self, Hss, Node, Purpose, Subject, Ticket, Vector};
use sidelink_network::identity::{BTid, Fqdn, Impi, Imsi, NafId};
use sidelink_network::limit::RateLimit;
use sidelink_network::ub_client::{self, UbClient};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_security::cipher::milenage::Subscriber as Card;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::keys::KsNaf;
use sidelink_ue::air_rng::AirRng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const BSF: &str = "bsf.mnc001.mcc001.pub.3gppnetwork.org";

/// Sender of what the network itself sends, behind all UEs.
const NETWORK: usize = usize::MAX;

/// What is under way.
enum Flight {
    Request(usize, Vec<u8>),
    Answer(usize, Vec<u8>),
    Key(Ticket, Result<KeyMaterial, KeyRefusal>),
    Pushed(Ticket, Result<Pushed, push::Refusal>),
}

/// Messages of UEs and NAF, and vectors of the HSS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) messages: u64,
    pub(crate) octets: u64,
    /// Requests that were answered.
    pub(crate) round_trips: u64,
    pub(crate) vectors: u64,
}

impl Traffic {
    /// Returns what went after `before`.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            messages: self.messages - before.messages,
            octets: self.octets - before.octets,
            round_trips: self.round_trips - before.round_trips,
            vectors: self.vectors - before.vectors,
        }
    }
}

/// Who is between UEs and NAF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Path {
    /// Nobody.
    #[default]
    Clear,
    /// Somebody who lets no UE have the first key that it is pushed, nor the first that it did not ask for.
    Loses,
    /// Somebody who says every pushed key again after this many milliseconds.
    Repeats(u64),
}

/// A subscriber: what its UE needs.
struct Subscriber {
    impi: Impi,
    k: [u8; 16],
    opc: [u8; 16],
    b_tid: BTid,
    ks_naf: KsNaf,
    /// After bootstrapping.
    array: SqnArray,
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
    path: Path,
    lost: BTreeSet<(usize, Pushes)>,
    subscribers: Vec<Subscriber>,
    by_impi: BTreeMap<Impi, usize>,
    in_flight: BTreeMap<(UtcTime, usize, u64), Flight>,
    sent: u64,
    traffic: Traffic,
    vectors: BTreeMap<Impi, u64>,
    /// When to note the traffic of before, and it.
    mark: (UtcTime, Option<Traffic>),
    /// Messages that have come to UEs, and when.
    mail: Vec<VecDeque<(UtcTime, Vec<u8>)>>,
}

/// A key that a UE asked for, or that it is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pushes {
    Asked,
    Brought,
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
            path: Path::default(),
            lost: BTreeSet::new(),
            subscribers: Vec::new(),
            by_impi: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            traffic: Traffic::default(),
            vectors: BTreeMap::new(),
            mark: (UtcTime::from_millis(u64::MAX), None),
            mail: vec![VecDeque::new(); ues],
            rng,
        };
        for ue in 0..ues {
            network.subscribe(ue, &naf)?;
        }
        network.traffic = Traffic::default();
        network.vectors.clear();
        Ok(network)
    }

    /// Puts somebody between UEs and NAF.
    pub(crate) const fn set_path(&mut self, path: Path) {
        self.path = path;
    }

    /// Notes the traffic until then.
    pub(crate) const fn mark(&mut self, at: UtcTime) {
        self.mark.0 = at;
    }

    /// The name of a UE.
    ///
    /// # Errors
    /// A number above those of the simulated network.
    pub(crate) fn user(ue: usize) -> anyhow::Result<Impi> {
        Ok(Imsi::new(&format!("00101{ue:010}"))?.impi(2)?)
    }

    /// What the machine of a UE needs: its name, its key from Ub, and its USIM as it was then.
    pub(crate) fn subscriber(&self, ue: usize) -> Option<(client::Config, Usim)> {
        let Subscriber { impi, k, opc, b_tid, ks_naf, array } = self.subscribers.get(ue)?;
        let config = client::Config {
            impi: impi.clone(),
            naf_id: naf_id(Service::ProseFunction),
            b_tid: b_tid.clone(),
            ks_naf: KsNaf::from(*ks_naf.as_bytes()),
        };
        Some((config, Usim::new(Card::with_opc(*k, *opc), array.clone())))
    }

    /// Octets for a seed.
    pub(crate) fn seed(&mut self) -> [u8; 32] {
        self.rng.octets()
    }

    /// The NAF, for whoever runs it.
    pub(crate) const fn naf(&self) -> &GroupNaf {
        &self.naf
    }

    /// What went so far.
    pub(crate) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// What went until the mark, and since then.
    pub(crate) fn traffic_by_phase(&self) -> [Traffic; 2] {
        let before = self.mark.1.unwrap_or(self.traffic);
        [before, self.traffic.since(before)]
    }

    /// Vectors that the HSS made for a UE.
    pub(crate) fn vectors_of(&self, ue: usize) -> u64 {
        let impi = self.subscribers.get(ue).map(|subscriber| &subscriber.impi);
        impi.and_then(|impi| self.vectors.get(impi)).copied().unwrap_or_default()
    }

    /// Takes a message of a UE to the NAF.
    pub(crate) fn post(&mut self, at: UtcTime, ue: usize, octets: Vec<u8>) {
        self.fly(at.plus_millis(self.round_trip / 2), ue, Flight::Request(ue, octets));
    }

    /// Returns a message that came to a UE by this time.
    pub(crate) fn take(&mut self, ue: usize, by: UtcTime) -> Option<Vec<u8>> {
        let mail = self.mail.get_mut(ue)?;
        if mail.front().is_none_or(|(at, _)| *at > by) {
            return None;
        }
        mail.pop_front().map(|(_, octets)| octets)
    }

    /// When something happens next.
    pub(crate) fn next_event(&mut self) -> Option<UtcTime> {
        let arrival = self.in_flight.keys().next().map(|(at, ..)| *at);
        let deadline = match self.naf.poll_output() {
            Output::Timeout(at) => at,
            // `work` has taken everything.
            _ => None,
        };
        arrival.into_iter().chain(deadline).min()
    }

    /// Lets time pass until `end`.
    pub(crate) fn run_until(&mut self, end: UtcTime) {
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            if self.mark.0 <= next && self.mark.1.is_none() {
                self.mark.1 = Some(self.traffic);
            }
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
    }

    fn subscribe(&mut self, ue: usize, naf: &NafId) -> anyhow::Result<()> {
        let (k, opc): ([u8; 16], [u8; 16]) = (self.rng.octets(), self.rng.octets());
        let card = || Card::with_opc(k, opc);
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
        self.subscribers.push(Subscriber { impi: impi.clone(), k, opc, b_tid, ks_naf, array });
        self.by_impi.insert(impi, ue);
        Ok(())
    }

    fn bootstrap(&mut self, ub: &mut UbClient, naf: &NafId) -> anyhow::Result<(BTid, KsNaf, SqnArray)> {
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
        *self.vectors.entry(impi.clone()).or_default() += 1;
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

    fn fly(&mut self, at: UtcTime, from: usize, flight: Flight) {
        self.sent += 1;
        self.in_flight.insert((at, from, self.sent), flight);
    }

    /// Sends a UE a message, as far as whoever is between lets it.
    fn send(&mut self, ue: usize, octets: Vec<u8>) {
        self.traffic.messages += 1;
        self.traffic.octets += octets.len() as u64;
        let at = self.now.plus_millis(self.round_trip / 2);
        if let (Path::Loses | Path::Repeats(_), Ok(Answer::Push(push))) = (self.path, Answer::parse(&octets))
        {
            let is_brought = push.nonce == sidelink_network::group_naf::message::Nonce::NONE;
            let pushes = if is_brought { Pushes::Brought } else { Pushes::Asked };
            match self.path {
                Path::Loses if self.lost.insert((ue, pushes)) => return,
                Path::Repeats(after) => {
                    self.fly(at.plus_millis(after), NETWORK, Flight::Answer(ue, octets.clone()));
                }
                Path::Clear | Path::Loses => {}
            }
        }
        self.fly(at, NETWORK, Flight::Answer(ue, octets));
    }

    fn arrive(&mut self, flight: Flight) {
        let now = self.now;
        match flight {
            Flight::Request(ue, octets) => {
                self.traffic.messages += 1;
                self.traffic.octets += octets.len() as u64;
                let request = RequestId(ue as u64);
                self.naf.handle_input(Input::Request { now, request, octets: &octets });
            }
            Flight::Answer(ue, octets) => {
                if let Some(mail) = self.mail.get_mut(ue) {
                    mail.push_back((now, octets));
                }
                return;
            }
            Flight::Key(ticket, result) => self.naf.handle_input(Input::Key { now, ticket, result }),
            Flight::Pushed(ticket, result) => self.naf.handle_input(Input::Pushed { now, ticket, result }),
        }
        self.work();
    }

    /// Does what the NAF says.
    fn work(&mut self) {
        let now = self.now;
        loop {
            match self.naf.poll_output() {
                Output::AskKey { ticket, b_tid } => {
                    let naf_id = naf_id(Service::ProseFunction);
                    let naf = naf_id.fqdn.clone();
                    self.bsf.handle_input(bsf::Input::KeyRequest { now, ticket, naf, b_tid, naf_id });
                    if let bsf::Output::Key { ticket, result } = self.bsf.poll_output() {
                        self.fly(now.plus_millis(self.round_trip), NETWORK, Flight::Key(ticket, result));
                    }
                }
                Output::Push(request) => self.push_key(request),
                Output::Store { ticket, .. } => self.naf.handle_input(Input::Stored { now, ticket }),
                Output::Respond { request, octets } => {
                    self.traffic.round_trips += 1;
                    self.send(request.0 as usize, octets);
                }
                Output::Deliver { to, octets } => {
                    if let Some(ue) = self.by_impi.get(&to).copied() {
                        self.send(ue, octets);
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
                    let at = now.plus_millis(2 * self.round_trip);
                    self.fly(at, NETWORK, Flight::Pushed(ticket, result));
                }
                push::Output::Timeout(_) => return,
            }
        }
    }
}
