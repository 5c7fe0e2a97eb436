//! The client's end: a relay that passes the EAP of its remote UEs on. RFC 2865 §2, RFC 3579 §2, RFC 5080 §2.2.1 (from memory);
//! TR 33.833 §6.5.1.
//!
//! ```text
//!   question of a link (wire::relay_keying) -> Access-Request: User-Name, NAS-Identifier, Called-Station-Id = name ":" service,
//!                                              Calling-Station-Id = remote UE's name, EAP-Message, State
//!     no reply                              -> the same octets again, after 2 s, 4 s .. 16 s; after `patience`: Answer::Denied
//!   Access-Challenge, State                 -> Answer::Packet
//!   Access-Accept, MS-MPPE-Recv-Key         -> Answer::Keyed: the 32 octets are the KD, Session-Timeout is its life
//!   Access-Reject                           -> Answer::Refused
//! ```
//!
//! Whose KD it is, the server decides ([`crate::relay_access`]): bound to this relay, or, from a server that knows nothing of relays,
//! the first half of the MSK, which is the draft's. A request that comes again has the same identifier and authenticator, so that no
//! retransmission moves the server: no challenge is made twice.
//!
//! What remote UEs cost is bounded: exchanges at a time, and new ones by a rate of all of them together.

use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_wire::relay_keying::{Answer, Denial, EXCHANGE, Question, SERVICE};
use sidelink_wire::rng::Rng;
use zeroize::Zeroizing;

use super::packet::{Attribute, Attributes, Code, MAX_VALUE, Packet};
use super::secret::{MppeKey, Secret};
use crate::eap_aka::{self, Type};
use crate::limit::{Bucket, RateLimit};

mod io;

pub use io::{Event, Input, Output, Wrong};

/// Settings of a relay.
pub struct Config {
    /// Name of this relay, as its discovery says it: at most 64 octets.
    pub name: Vec<u8>,
    /// What it shares with the server.
    pub secret: Secret,
    /// Milliseconds until a request is said again; twice as long each time.
    pub again: u64,
    /// The longest such time, in milliseconds.
    pub longest: u64,
    /// Milliseconds after which a request without a reply is given up.
    pub patience: u64,
    /// Seconds that a KD lives where the server does not say it.
    pub lifetime: u32,
    /// New exchanges of all remote UEs together.
    pub rate: RateLimit,
    /// Exchanges at a time, at most.
    pub exchanges: usize,
}

impl Config {
    /// Again after 2 s and at most 16 s, for 30 s (RFC 5080); a KD lives an hour; 8 new exchanges at once, and 4 a second; 64
    /// exchanges.
    pub fn new(name: Vec<u8>, secret: Secret) -> Self {
        let rate = RateLimit { burst: 8, interval: 250 };
        let (again, longest, patience, lifetime, exchanges) = (2_000, 16_000, 30_000, 3600, 64);
        Self { name, secret, again, longest, patience, lifetime, rate, exchanges }
    }
}

/// Of whom an exchange is.
type Key = ([u8; SERVICE], [u8; EXCHANGE]);

/// An exchange with the server.
struct Exchange {
    remote: Vec<u8>,
    user: Vec<u8>,
    state: Option<Vec<u8>>,
    until: UtcTime,
}

/// A request that waits for its reply.
struct Request {
    ticket: u64,
    key: Key,
    authenticator: [u8; 16],
    octets: Vec<u8>,
    again: UtcTime,
    wait: u64,
    until: UtcTime,
}

/// The RADIUS client of a relay.
pub struct Nas {
    config: Config,
    exchanges: BTreeMap<Key, Exchange>,
    /// By identifier.
    requests: BTreeMap<u8, Request>,
    identifier: u8,
    bucket: Option<Bucket>,
    outputs: VecDeque<Output>,
}

impl Nas {
    /// Without exchanges.
    pub fn new(config: Config) -> Self {
        let (exchanges, requests, outputs) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Self { config, exchanges, requests, identifier: 0, bucket: None, outputs }
    }

    /// Takes an input. `rng` must be one that nobody can guess.
    pub fn handle_input(&mut self, input: Input<'_>, rng: &mut dyn Rng) {
        match input {
            Input::Question { now, ticket, octets } => {
                self.expire(now);
                if let Err(why) = self.ask(now, ticket, octets, rng) {
                    self.outputs.push_back(Output::Event(Event::NotAsked { why }));
                    let busy = matches!(why, Wrong::Busy | Wrong::TooOften);
                    self.outputs.push_back(Output::Answer { ticket, octets: busy.then(unreachable) });
                }
            }
            Input::Datagram { now, octets } => {
                if let Err(why) = self.reply(now, octets) {
                    self.outputs.push_back(Output::Event(Event::Dropped { why }));
                }
            }
            Input::Tick { now } => self.expire(now),
        }
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let requests = self.requests.values().map(|request| request.again.min(request.until));
            let exchanges = self.exchanges.values().map(|exchange| exchange.until);
            Output::Timeout(requests.chain(exchanges).min())
        })
    }

    /// Passes a packet of a remote UE on.
    fn ask(&mut self, now: UtcTime, ticket: u64, octets: &[u8], rng: &mut dyn Rng) -> Result<(), Wrong> {
        let Ok(Question::ToServer { service, exchange, remote, packet }) = Question::parse(octets) else {
            return Err(Wrong::Question);
        };
        let key = (service, exchange);
        if self.requests.values().any(|request| request.key == key) {
            return Err(Wrong::UnderWay);
        }
        if !self.exchanges.contains_key(&key) {
            self.begin(now, key, remote, packet)?;
        }
        let identifier = (0..=u8::MAX).map(|more| self.identifier.wrapping_add(more));
        let identifier = identifier.into_iter().find(|free| !self.requests.contains_key(free));
        let identifier = identifier.ok_or(Wrong::Busy)?;
        self.identifier = identifier.wrapping_add(1);
        let until = now.plus_millis(self.config.patience);
        let exchange = self.exchanges.get_mut(&key).ok_or(Wrong::Unknown)?;
        // Longer than the request: the remote UE answers after it.
        exchange.until = until.plus_millis(self.config.patience);
        let authenticator = (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())).to_be_bytes();
        let attributes = attributes(&self.config.name, service, exchange, packet).map_err(Wrong::Packet)?;
        let octets =
            self.config.secret.request(identifier, authenticator, &attributes).map_err(Wrong::Packet)?;
        let wait = self.config.again;
        let again = now.plus_millis(wait);
        self.outputs.push_back(Output::Datagram(octets.clone()));
        self.requests.insert(identifier, Request { ticket, key, authenticator, octets, again, wait, until });
        Ok(())
    }

    /// Begins an exchange, if there may be another one.
    fn begin(&mut self, now: UtcTime, key: Key, remote: &[u8], packet: &[u8]) -> Result<(), Wrong> {
        let packet = eap_aka::Packet::new_checked(packet).map_err(Wrong::Eap)?;
        if packet.code() != eap_aka::Code::Response || packet.kind() != Some(Type::Identity) {
            return Err(Wrong::Unknown);
        }
        if self.exchanges.len() >= self.config.exchanges {
            return Err(Wrong::Busy);
        }
        let bucket = self.bucket.get_or_insert_with(|| Bucket::new(self.config.rate, now));
        if !bucket.take(self.config.rate, now) {
            return Err(Wrong::TooOften);
        }
        let user = packet.data().get(..packet.data().len().min(MAX_VALUE)).unwrap_or_default().to_vec();
        let exchange = Exchange { remote: remote.to_vec(), user, state: None, until: now };
        self.exchanges.insert(key, exchange);
        Ok(())
    }

    /// Takes a reply of the server.
    fn reply(&mut self, now: UtcTime, octets: &[u8]) -> Result<(), Wrong> {
        let packet = Packet::new_checked(octets).map_err(Wrong::Packet)?;
        let request = self.requests.get(&packet.identifier()).ok_or(Wrong::Unknown)?;
        let authenticator = request.authenticator;
        if packet.code() == Code::AccessRequest || !self.config.secret.verify_reply(&packet, &authenticator) {
            return Err(Wrong::Authenticator);
        }
        let Some(Request { ticket, key, .. }) = self.requests.remove(&packet.identifier()) else {
            return Err(Wrong::Unknown);
        };
        let eap = packet.eap().unwrap_or_default();
        let state = packet.values(Attribute::State).next().map(<[u8]>::to_vec);
        let secret = &self.config.secret;
        let mut keys = packet.values(Attribute::VendorSpecific);
        let key_of_link = keys.find_map(|value| secret.reveal(MppeKey::Recv, value, &authenticator));
        let answer = match (packet.code(), &key_of_link, self.exchanges.get_mut(&key)) {
            (Code::AccessChallenge, _, Some(exchange)) if !eap.is_empty() => {
                exchange.state = state;
                exchange.until = now.plus_millis(self.config.patience);
                Answer::Packet(&eap)
            }
            (Code::AccessAccept, Some(kd), Some(_)) => {
                let lifetime = lifetime(&packet).unwrap_or(self.config.lifetime);
                Answer::Keyed { kd, lifetime, packet: &eap }
            }
            (Code::AccessAccept, None, _) => {
                self.outputs.push_back(Output::Event(Event::NoKey));
                Answer::Refused { packet: &[] }
            }
            _ => Answer::Refused { packet: &eap },
        };
        if !matches!(answer, Answer::Packet(_)) {
            self.exchanges.remove(&key);
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(1 + 32 + 4 + eap.len()));
        answer.emit(&mut octets);
        self.outputs.push_back(Output::Answer { ticket, octets: Some(octets) });
        Ok(())
    }

    /// Says again what has no reply, and gives up what has had none for too long.
    fn expire(&mut self, now: UtcTime) {
        let late: Vec<u8> = self.requests.iter().filter(|(_, r)| r.until <= now).map(|(id, _)| *id).collect();
        for request in late.into_iter().filter_map(|identifier| self.requests.remove(&identifier)) {
            self.exchanges.remove(&request.key);
            self.outputs.push_back(Output::Event(Event::Silent));
            self.outputs.push_back(Output::Answer { ticket: request.ticket, octets: Some(unreachable()) });
        }
        for request in self.requests.values_mut().filter(|request| request.again <= now) {
            request.wait = request.wait.saturating_mul(2).min(self.config.longest);
            request.again = now.plus_millis(request.wait);
            self.outputs.push_back(Output::Datagram(request.octets.clone()));
            self.outputs.push_back(Output::Event(Event::SaidAgain));
        }
        self.exchanges.retain(|_, exchange| exchange.until > now);
    }
}

/// The server does not answer, or there is too much to do: the remote UE may try again.
fn unreachable() -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new(Vec::new());
    Answer::Denied(Denial::Unreachable).emit(&mut octets);
    octets
}

/// The attributes of a request.
fn attributes(
    name: &[u8],
    service: [u8; SERVICE],
    exchange: &Exchange,
    packet: &[u8],
) -> Result<Attributes, super::Error> {
    let mut attributes = Attributes::default();
    attributes.push(Attribute::UserName, &exchange.user)?;
    attributes.push(Attribute::NasIdentifier, name)?;
    attributes.push(Attribute::CalledStationId, &super::called_station(name, service))?;
    attributes.push(Attribute::CallingStationId, &exchange.remote)?;
    attributes.push_eap(packet)?;
    if let Some(state) = &exchange.state {
        attributes.push(Attribute::State, state)?;
    }
    Ok(attributes)
}

/// Session-Timeout, which is never zero.
fn lifetime(packet: &Packet<'_>) -> Option<u32> {
    let value = packet.values(Attribute::SessionTimeout).next()?;
    Some(u32::from_be_bytes(value.try_into().ok()?)).filter(|seconds| *seconds > 0)
}
