//! The AAA server of an exercise with its HSS, the clients that it knows, and its subscribers.

use super::{Before, EapSettings, LIFETIME};
use crate::experiments::metrics::NetworkSpent;
use crate::experiments::relays::cases::RelayCase;
use crate::experiments::relays::parties::{Party, SERVICE};
use crate::experiments::relays::setup::START;
use sidelink_network::aaa::{self, Aaa};
use sidelink_network::aka::Rand;
use sidelink_network::eap_aka::identity::PseudonymKey;
use sidelink_network::eap_aka::{Code as EapCode, Type, packet};
use sidelink_network::eap_peer::{self, EapPeer, IdentityPolicy};
use sidelink_network::hss::{self, Hss, Node, Purpose, Subject, Vector};
use sidelink_network::identity::Imsi;
use sidelink_network::limit::RateLimit;
use sidelink_network::pc8::Code;
use sidelink_network::radius::nas::{self, Nas};
use sidelink_network::radius::{
    Attribute, Client, Event, Input, Output, Packet, RadiusServer, Secret, server,
};
use sidelink_network::relay_access::{self, RelayAccess, RelayGrant, RemoteGrant};
use sidelink_network::relayed_peer::{self, RelayedPeer};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_ue::air_rng::AirRng;
use sidelink_wire::relay_keying::{Answer, Question};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reference points.
const RELAY_AAA: &str = "relay-AAA";
const AAA_HSS: &str = "AAA-HSS";

/// Name of the access network, which keys are bound to.
const NETWORK: &str = "PROSE:000007";

pub(super) const REALM: &str = "wlan.mnc001.mcc001.3gppnetwork.org";

/// Which K the HSS has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HssKeys {
    /// That of the USIMs.
    True,
    /// Another one: the AAA server of a relay that has none.
    MadeUp,
}

/// Who may not use the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subscribers {
    /// All remote UEs of the case may.
    Allowed,
    /// All are subscribers, and none may.
    NotAllowed,
}

/// The network of a case.
pub(super) struct Network {
    server: RadiusServer,
    hss: Hss,
    disk: Memory,
    rng: AirRng,
    spent: NetworkSpent,
    vectors: u64,
    /// Exchanges that relays began.
    begun: u64,
    authenticators: BTreeSet<[u8; 16]>,
    found: BTreeMap<String, u64>,
    now: UtcTime,
    settings: EapSettings,
    /// A challenge that somebody heard.
    kept: Option<Vec<u8>>,
}

/// A remote UE's peer, and the challenge that it answered before, if it did.
pub(super) struct Prepared {
    pub(super) peer: RelayedPeer,
    pub(super) challenge: Option<Vec<u8>>,
}

pub(super) fn imsi(number: usize) -> anyhow::Result<Imsi> {
    Ok(Imsi::new(&format!("00101{:010}", number + 1))?)
}

fn card(number: usize, keys: HssKeys) -> Subscriber {
    let octet = if keys == HssKeys::True { 0x30 } else { 0xa0 };
    Subscriber::with_opc([octet + number as u8; 16], [9; 16])
}

/// The secret of a relay and its server. It is none here.
fn secret(relay: usize) -> anyhow::Result<Secret> {
    let octets = format!("secret of relay {relay} at its server").into_bytes();
    Secret::new(octets).ok_or_else(|| anyhow::anyhow!("a secret without octets"))
}

fn address(relay: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, 1 + relay as u8])
}

impl Network {
    /// Makes the network of a case, whose server knows relay `n` by the name `proven(n)`.
    ///
    /// # Errors
    /// An identity that is none.
    pub(super) fn new(
        case: &RelayCase<'_>,
        settings: EapSettings,
        (keys, subscribers): (HssKeys, Subscribers),
        proven: impl Fn(usize) -> String,
    ) -> anyhow::Result<Self> {
        let none = RateLimit { burst: 0, interval: 0 };
        let mut hss = Hss::new(hss::Config { rate: none, ..hss::Config::default() });
        let mut remotes = Vec::new();
        for number in 0..case.remotes {
            let (imsi, keys) = (imsi(number)?, card(number, keys));
            let impi = imsi.impi(2)?;
            hss.add(hss::Subscription { imsi: imsi.clone(), impi, keys, reserved: 0 })?;
            let services = match subscribers {
                Subscribers::Allowed => vec![Code(SERVICE)],
                Subscribers::NotAllowed => Vec::new(),
            };
            remotes.push(RemoteGrant { imsi, name: Party::Remote(number).name().into_bytes(), services });
        }
        let (mut clients, mut relays) = (Vec::new(), Vec::new());
        for relay in 0..case.scenario.relays {
            let name = proven(relay).into_bytes();
            relays.push(RelayGrant { name: name.clone(), services: vec![Code(SERVICE)] });
            clients.push(Client { address: address(relay), secret: secret(relay)?, relay: Some(name) });
        }
        let access = relay_access::Config { relays, remotes, maker: settings.maker, lifetime: LIFETIME };
        let own = server::Config { relays: RelayAccess::new(access), ..server::Config::new(clients) };
        let key = PseudonymKey { number: 1, key: [0x5a; 16] };
        let aaa = aaa::Config {
            realm: Some(REALM.to_owned()),
            first_identity: settings.first_identity,
            result_indications: settings.result_indications,
            ..aaa::Config::new(NETWORK, key)
        };
        Ok(Self {
            server: RadiusServer::new(own, Aaa::new(aaa)),
            hss,
            disk: Memory::default(),
            rng: AirRng::seeded(case.seed, "aaa"),
            spent: NetworkSpent::default(),
            vectors: 0,
            begun: 0,
            authenticators: BTreeSet::new(),
            found: BTreeMap::new(),
            now: UtcTime::from_millis(0),
            settings,
            kept: None,
        })
    }

    /// Takes a datagram of a relay; what goes back. The HSS answers at once: it stands beside the server.
    pub(super) fn serve(&mut self, now: UtcTime, relay: usize, octets: &[u8]) -> Vec<Vec<u8>> {
        self.now = self.now.max(now);
        let (now, from) = (self.now, SocketAddr::new(address(relay), 1812));
        self.spent.count(RELAY_AAA, octets.len());
        self.see(octets);
        self.server.handle_input(Input::Tick { now }, &mut self.rng);
        self.server.handle_input(Input::Datagram { now, from, octets }, &mut self.rng);
        let mut sent = Vec::new();
        loop {
            match self.server.poll_output() {
                Output::Datagram { octets, .. } => {
                    self.spent.count(RELAY_AAA, octets.len());
                    sent.push(octets);
                }
                Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    // SWx is Diameter, which nothing here speaks: messages without octets.
                    (0..2).for_each(|_| self.spent.count(AAA_HSS, 0));
                    self.vectors += 1;
                    let request = hss::Request {
                        now,
                        ticket,
                        subject: Subject::Imsi(imsi),
                        node: Node::Aaa,
                        purpose: Purpose::EapAkaPrime { network_name },
                        rand: Rand(random(&mut self.rng)),
                        resynchronisation,
                    };
                    let result = self.vector(request);
                    self.server.handle_input(Input::Vector { now, ticket, result }, &mut self.rng);
                }
                Output::Event(event) => self.note(&event),
                Output::Timeout(_) => return sent,
            }
        }
    }

    /// Counts an exchange that begins: its first request has no State. One that is said again has an authenticator that was there
    /// before.
    fn see(&mut self, octets: &[u8]) {
        let Ok(packet) = Packet::new_checked(octets) else { return };
        let begins = packet.values(Attribute::State).next().is_none();
        if begins && self.authenticators.insert(packet.authenticator()) {
            self.begun += 1;
        }
    }

    fn vector(&mut self, request: hss::Request) -> Result<hss::EapAkaPrimeVector, hss::Refusal> {
        self.hss.handle_input(hss::Input::Request(request));
        let mut answer = Err(hss::Refusal::Busy);
        loop {
            match self.hss.poll_output() {
                hss::Output::Reserve(reservation) => {
                    // A memory stores everything.
                    if let Ok(granted) = reservation.commit(&mut self.disk) {
                        self.spent.durable_writes += 1;
                        self.hss.handle_input(hss::Input::Granted { granted });
                    }
                }
                hss::Output::Answer { result, .. } => {
                    answer = result.and_then(|vector| match vector {
                        Vector::EapAkaPrime(vector) => Ok(vector),
                        _ => Err(hss::Refusal::NotForThisNode),
                    });
                }
                hss::Output::Timeout(_) => return answer,
            }
        }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Accepted { authentication, .. } => {
                self.found(format!("remote UEs that the AAA server accepts: {authentication:?}"));
            }
            Event::Rejected { why } => self.found(format!("remote UEs that the AAA server rejects: {why}")),
            Event::NotServed { why, .. } => self.found(format!("relays that the AAA server refuses: {why}")),
            Event::Forbidden { why, .. } => {
                self.found(format!("remote UEs that the AAA server does not let through: {why}"));
            }
            Event::Dropped { why, .. } => self.found(format!("datagrams that the AAA server drops: {why}")),
        }
    }

    /// Counts what was seen.
    pub(super) fn found(&mut self, what: String) {
        *self.found.entry(what).or_default() += 1;
    }

    pub(super) fn findings(&self) -> BTreeMap<String, u64> {
        self.found.clone()
    }

    pub(super) fn spent(&self) -> NetworkSpent {
        self.spent.clone()
    }

    pub(super) const fn vectors(&self) -> u64 {
        self.vectors
    }

    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }

    /// Keeps a challenge that a relay has heard.
    pub(super) fn keep(&mut self, challenge: Vec<u8>) {
        self.kept = Some(challenge);
    }

    pub(super) fn kept(&self) -> Option<Vec<u8>> {
        self.kept.clone()
    }

    /// The client of a relay, which calls itself `name`.
    pub(super) fn nas(&self, relay: usize, name: &str) -> anyhow::Result<Nas> {
        Ok(Nas::new(nas::Config::new(name.as_bytes().to_vec(), secret(relay)?)))
    }

    /// A remote UE with its USIM, which has done before what its settings say.
    pub(super) fn remote(&mut self, number: usize) -> anyhow::Result<Prepared> {
        let config = eap_peer::Config {
            imsi: imsi(number)?,
            realm: REALM.to_owned(),
            network_name: NETWORK.to_owned(),
            pseudonym: None,
            identity_policy: IdentityPolicy::Liberal,
            result_indications: self.settings.result_indications,
        };
        let usim = Usim::new(card(number, HssKeys::True), SqnArray::default());
        let peer = RelayedPeer::new(EapPeer::new(config, usim), self.settings.maker, LIFETIME);
        let mut prepared = Prepared { peer, challenge: None };
        if self.settings.before == Before::Authenticated {
            self.authenticate(number, &mut prepared)?;
        }
        Ok(prepared)
    }

    /// A whole conversation through relay 0, off the air. It is in no figure.
    pub(super) fn authenticate(&mut self, number: usize, prepared: &mut Prepared) -> anyhow::Result<()> {
        let (spent, found) = (self.spent.clone(), self.found.clone());
        let (vectors, begun) = (self.vectors, self.begun);
        let now = UtcTime::from_millis(1000 * START).minus_millis(3_600_000);
        let (mut nas, remote) = (self.nas(0, &Party::Relay(0).name())?, Party::Remote(number).name());
        let mut packet = packet::emit(EapCode::Request, 0, Type::Identity, &[])?;
        // An identity, a challenge and success; with all that may be asked besides.
        for _ in 0..8 {
            let response = self.tell(&mut prepared.peer, &packet)?;
            let Some(response) = response else {
                (self.spent, self.found) = (spent, found);
                (self.vectors, self.begun) = (vectors, begun);
                return Ok(());
            };
            let (exchange, remote) = ([number as u8; 8], remote.as_bytes());
            let question = Question::ToServer { service: SERVICE, exchange, remote, packet: &response };
            let octets = question.emit().map_err(|error| anyhow::anyhow!("{error}"))?;
            nas.handle_input(nas::Input::Question { now, ticket: 0, octets: &octets }, &mut self.rng);
            packet = self.passed_on(now, &mut nas)?;
            if packet.get(5) == Some(&CHALLENGE) {
                prepared.challenge = Some(packet.clone());
            }
        }
        anyhow::bail!("{} was not authenticated", Party::Remote(number).name())
    }

    /// What a remote UE answers; nothing once it is authenticated.
    fn tell(&mut self, peer: &mut RelayedPeer, packet: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        let relay = Party::Relay(0).name();
        let question = Question::ToPeer { service: SERVICE, relay: relay.as_bytes(), packet };
        let octets = question.emit().map_err(|error| anyhow::anyhow!("{error}"))?;
        peer.handle_input(relayed_peer::Input::Question { ticket: 0, octets: &octets }, &mut self.rng);
        let mut said = None;
        while let Some(output) = peer.poll_output() {
            match output {
                relayed_peer::Output::Store(_) => {
                    peer.handle_input(relayed_peer::Input::Stored, &mut self.rng);
                }
                relayed_peer::Output::Answer { octets: Some(octets), .. } => match Answer::parse(&octets) {
                    Ok(Answer::Packet(packet)) => said = Some(packet.to_vec()),
                    Ok(Answer::Keyed { .. }) => said = None,
                    _ => anyhow::bail!("a remote UE does not believe its own network"),
                },
                _ => {}
            }
        }
        Ok(said)
    }

    /// What the server sends back for a remote UE.
    fn passed_on(&mut self, now: UtcTime, nas: &mut Nas) -> anyhow::Result<Vec<u8>> {
        let mut answer = None;
        loop {
            match nas.poll_output() {
                nas::Output::Datagram(octets) => {
                    for octets in self.serve(now, 0, &octets) {
                        nas.handle_input(nas::Input::Datagram { now, octets: &octets }, &mut self.rng);
                    }
                }
                nas::Output::Answer { octets, .. } => answer = octets,
                nas::Output::Event(_) => {}
                nas::Output::Timeout(_) => break,
            }
        }
        match answer.as_ref().map(|octets| Answer::parse(octets)) {
            Some(Ok(Answer::Packet(packet) | Answer::Keyed { packet, .. })) => Ok(packet.to_vec()),
            _ => anyhow::bail!("the AAA server refuses what it must accept"),
        }
    }
}

/// AKA-Challenge. RFC 4187 §11.
const CHALLENGE: u8 = 1;

fn random(rng: &mut AirRng) -> [u8; 16] {
    (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())).to_be_bytes()
}

/// The network of an exercise, whose UEs run in threads of their own.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Network>>);

impl Shared {
    pub(super) fn new(network: Network) -> Self {
        Self(Arc::new(Mutex::new(network)))
    }

    pub(super) fn open(&self) -> MutexGuard<'_, Network> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
