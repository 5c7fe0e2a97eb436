//! The server: clients, duplicates, sessions. RFC 2865 §2.5, RFC 3579 §2, RFC 5080 §2.2.2 (from memory).
//!
//! A request that comes again (same source, identifier and authenticator) gets the same reply again, or none while the first
//! is under way: no retransmission moves the AAA server. Requests, replies that are kept and sessions are bounded.
//!
//! A client that is a relay asks for a service ([`crate::relay_access`]): whether it may, is judged before a packet of EAP is
//! looked at; whether its remote UE may, once that is authenticated.

use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_wire::rng::Rng;

use super::packet::{Attribute, Attributes, Code, Packet};
use super::secret::{MppeKey, Secret};
use crate::aaa::{self, Aaa, Grant, SessionId};
use crate::eap_aka::packet as eap;
use crate::pc8::Code as Service;
use crate::relay_access::{Asked, Granted, KdMaker, Refused, RelayAccess};

mod io;

pub use io::{Dropped, Event, Input, Output};

/// A client that is answered.
pub struct Client {
    /// Where it is.
    pub address: IpAddr,
    /// What it shares with the server.
    pub secret: Secret,
    /// The relay that it is, if it is one: its name there.
    pub relay: Option<Vec<u8>>,
}

/// Settings of a server.
pub struct Config {
    /// Who is answered.
    pub clients: Vec<Client>,
    /// Which relays serve whom.
    pub relays: RelayAccess,
    /// How long a reply is kept for a request that comes again, in milliseconds.
    pub reply_lifetime: u64,
    /// How long a State is good for, in milliseconds.
    pub state_lifetime: u64,
    /// Requests and replies that are kept, at most.
    pub requests: usize,
}

impl Config {
    /// Replies live 30 s, sessions a minute without a request; 20 000 requests; no relays.
    pub fn new(clients: Vec<Client>) -> Self {
        let relays = RelayAccess::none();
        Self { clients, relays, reply_lifetime: 30_000, state_lifetime: 60_000, requests: 20_000 }
    }
}

/// A request, by where it came from and its identifier.
struct Known {
    authenticator: [u8; 16],
    /// None while it is under way.
    reply: Option<Vec<u8>>,
    until: UtcTime,
}

/// What a reply to a session needs.
struct Pending {
    from: SocketAddr,
    identifier: u8,
    authenticator: [u8; 16],
    proxies: Vec<Vec<u8>>,
    wants_key_name: bool,
}

struct Conversation {
    session: SessionId,
    client: IpAddr,
    until: UtcTime,
    /// The service, and the name that the remote UE claims, where the client is a relay.
    asked: Option<(Service, Vec<u8>)>,
}

/// What an accepted session gives its client.
struct Given {
    grant: Grant,
    salts: [u8; 8],
    /// The KD of a link, where the client is a relay.
    link: Option<Granted>,
}

/// A RADIUS server around an AAA server.
pub struct RadiusServer {
    config: Config,
    aaa: Aaa,
    known: BTreeMap<(SocketAddr, u8), Known>,
    pending: BTreeMap<SessionId, Pending>,
    states: BTreeMap<[u8; 16], Conversation>,
    by_session: BTreeMap<SessionId, [u8; 16]>,
    sessions: u64,
    outputs: VecDeque<Output>,
}

impl RadiusServer {
    /// Around an AAA server.
    pub fn new(config: Config, aaa: Aaa) -> Self {
        Self {
            config,
            aaa,
            known: BTreeMap::new(),
            pending: BTreeMap::new(),
            states: BTreeMap::new(),
            by_session: BTreeMap::new(),
            sessions: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input. `rng` must be one that nobody can guess.
    pub fn handle_input(&mut self, input: Input<'_>, rng: &mut dyn Rng) {
        match input {
            Input::Datagram { now, from, octets } => {
                if let Err(why) = self.datagram(now, from, octets, rng) {
                    self.outputs.push_back(Output::Event(Event::Dropped { from, why }));
                }
            }
            Input::Vector { now, ticket, result } => {
                self.aaa.handle_input(aaa::Input::Vector { now, ticket, result }, rng);
            }
            Input::Tick { now } => {
                self.expire(now);
                self.aaa.handle_input(aaa::Input::Tick { now }, rng);
            }
        }
        self.drain(rng);
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let aaa = match self.aaa.poll_output() {
                aaa::Output::Timeout(at) => at,
                // Drained after every input.
                _ => None,
            };
            let known = self.known.values().map(|known| known.until);
            let states = self.states.values().map(|conversation| conversation.until);
            Output::Timeout(known.chain(states).chain(aaa).min())
        })
    }

    fn datagram(
        &mut self,
        now: UtcTime,
        from: SocketAddr,
        octets: &[u8],
        rng: &mut dyn Rng,
    ) -> Result<(), Dropped> {
        let client = self.config.clients.iter().find(|client| client.address == from.ip());
        let secret = &client.ok_or(Dropped::Stranger)?.secret;
        let packet = Packet::new_checked(octets).map_err(Dropped::Malformed)?;
        if packet.code() != Code::AccessRequest {
            return Err(Dropped::NotARequest);
        }
        let authenticator = packet.authenticator();
        if !secret.verify(&packet, &authenticator) {
            return Err(Dropped::MessageAuthenticator);
        }
        let key = (from, packet.identifier());
        let again = self.known.get(&key).filter(|k| k.authenticator == authenticator && k.until > now);
        if let Some(known) = again {
            let reply = known.reply.clone().ok_or(Dropped::UnderWay)?;
            self.outputs.push_back(Output::Datagram { to: from, octets: reply });
            return Ok(());
        }
        if self.is_full() {
            self.expire(now);
            if self.is_full() {
                return Err(Dropped::Busy);
            }
        }
        let until = now.plus_millis(self.config.reply_lifetime);
        self.known.insert(key, Known { authenticator, reply: None, until });
        let pending = Pending {
            from,
            identifier: packet.identifier(),
            authenticator,
            proxies: packet.values(Attribute::ProxyState).map(<[u8]>::to_vec).collect(),
            wants_key_name: packet.values(Attribute::EapKeyName).next().is_some(),
        };
        self.request(now, &packet, pending, rng)
    }

    fn is_full(&self) -> bool {
        self.known.len().max(self.states.len()) >= self.config.requests
    }

    /// A request that is new and the client's.
    fn request(
        &mut self,
        now: UtcTime,
        packet: &Packet<'_>,
        pending: Pending,
        rng: &mut dyn Rng,
    ) -> Result<(), Dropped> {
        let Some(eap) = packet.eap() else {
            self.reply(&pending, Code::AccessReject, Attributes::default());
            return Ok(());
        };
        let until = now.plus_millis(self.config.state_lifetime);
        let session = match packet.values(Attribute::State).next() {
            None => match self.asked(packet, pending.from.ip()) {
                Ok(asked) => self.begin(until, (pending.from.ip(), asked), rng),
                Err(why) => {
                    self.reject(&pending, &eap);
                    let from = pending.from;
                    self.outputs.push_back(Output::Event(Event::NotServed { from, why }));
                    return Ok(());
                }
            },
            Some(state) => {
                let state: Option<[u8; 16]> = state.try_into().ok();
                let known = state.and_then(|state| self.states.get_mut(&state));
                match known.filter(|c| c.client == pending.from.ip() && c.until > now) {
                    Some(conversation) => {
                        conversation.until = until;
                        conversation.session
                    }
                    None => {
                        self.reject(&pending, &eap);
                        return Ok(());
                    }
                }
            }
        };
        if self.pending.contains_key(&session) {
            self.known.remove(&(pending.from, pending.identifier));
            return Err(Dropped::UnderWay);
        }
        self.pending.insert(session, pending);
        if eap.is_empty() {
            // EAP-Start: the client leaves the first request to the server. RFC 3579 §2.1.
            let hello = eap::emit(crate::eap_aka::Code::Request, 0, crate::eap_aka::Type::Identity, &[]);
            let hello = hello.unwrap_or_default();
            self.answer(session, Code::AccessChallenge, &hello, None);
            return Ok(());
        }
        self.aaa.handle_input(aaa::Input::Packet { now, session, packet: &eap }, rng);
        Ok(())
    }

    /// Refuses a packet of EAP that no session is there for.
    fn reject(&mut self, pending: &Pending, packet: &[u8]) {
        let mut attributes = Attributes::default();
        let id = packet.get(1).copied().unwrap_or_default();
        let _ = attributes.push_eap(&eap::failure(id));
        self.reply(pending, Code::AccessReject, attributes);
    }

    /// What the first request of a relay asks for; of other clients nothing.
    fn asked(&self, packet: &Packet<'_>, client: IpAddr) -> Result<Option<(Service, Vec<u8>)>, Refused> {
        let Some(relay) = self.relay(client) else { return Ok(None) };
        let called = packet.values(Attribute::CalledStationId).next().and_then(super::relay_and_service);
        let (named, service) = called.ok_or(Refused::NoService)?;
        if named != relay {
            return Err(Refused::OtherRelay);
        }
        let remote = packet.values(Attribute::CallingStationId).next().unwrap_or_default();
        let service = Service(service);
        self.config.relays.admits(&Asked { relay, service, remote })?;
        Ok(Some((service, remote.to_vec())))
    }

    fn begin(
        &mut self,
        until: UtcTime,
        (client, asked): (IpAddr, Option<(Service, Vec<u8>)>),
        rng: &mut dyn Rng,
    ) -> SessionId {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let state = (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())).to_be_bytes();
        self.states.insert(state, Conversation { session, client, until, asked });
        self.by_session.insert(session, state);
        session
    }

    fn drain(&mut self, rng: &mut dyn Rng) {
        loop {
            match self.aaa.poll_output() {
                aaa::Output::Request { session, packet } => {
                    self.answer(session, Code::AccessChallenge, &packet, None);
                }
                aaa::Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    self.outputs.push_back(Output::Fetch { ticket, imsi, network_name, resynchronisation });
                }
                aaa::Output::Accept { session, packet, grant } => {
                    let salts = rng.next_u64().to_be_bytes();
                    self.accept(session, &packet, (grant, salts));
                    self.end(session);
                }
                aaa::Output::Reject { session, packet, why } => {
                    self.answer(session, Code::AccessReject, &packet, None);
                    self.end(session);
                    self.outputs.push_back(Output::Event(Event::Rejected { why }));
                }
                aaa::Output::Discard { session, why } => {
                    // The same request may come again, with what is awaited.
                    if let Some(pending) = self.pending.remove(&session) {
                        let from = pending.from;
                        self.known.remove(&(from, pending.identifier));
                        let why = Dropped::Eap(why);
                        self.outputs.push_back(Output::Event(Event::Dropped { from, why }));
                    }
                }
                aaa::Output::Timeout(_) => return,
            }
        }
    }

    /// Answers for a peer that is authenticated: whether a relay may serve it is judged here.
    fn accept(&mut self, session: SessionId, packet: &[u8; 4], (grant, salts): (Grant, [u8; 8])) {
        let (imsi, authentication) = (grant.imsi.clone(), grant.authentication);
        let event = match self.link_of(session, &grant) {
            Ok(link) => {
                let given = Given { grant, salts, link };
                self.answer(session, Code::AccessAccept, packet, Some(&given));
                Event::Accepted { imsi, authentication }
            }
            Err(why) => {
                self.answer(session, Code::AccessReject, &eap::failure(packet[1]), None);
                Event::Forbidden { imsi, why }
            }
        };
        self.outputs.push_back(Output::Event(event));
    }

    /// The KD of the link of a session, where its client is a relay.
    fn link_of(&self, session: SessionId, grant: &Grant) -> Result<Option<Granted>, Refused> {
        let conversation = self.by_session.get(&session).and_then(|state| self.states.get(state));
        let Some(Conversation { client, asked: Some((service, remote)), .. }) = conversation else {
            return Ok(None);
        };
        let relay = self.relay(*client).ok_or(Refused::OtherRelay)?;
        self.config.relays.grant(&Asked { relay, service: *service, remote }, grant).map(Some)
    }

    /// Answers the request of a session that is under way.
    fn answer(&mut self, session: SessionId, code: Code, eap: &[u8], given: Option<&Given>) {
        let Some(pending) = self.pending.remove(&session) else { return };
        let mut attributes = Attributes::default();
        let mut written = attributes.push_eap(eap);
        if let (Code::AccessChallenge, Some(state)) = (code, self.by_session.get(&session)) {
            written = written.and_then(|()| attributes.push(Attribute::State, state));
        }
        if let (Some(Given { grant, salts, link }), Some(secret)) = (given, self.secret(pending.from.ip())) {
            let [a, b, c, ..] = *salts;
            let (recv, send) = grant.keys.msk.split_at(32);
            let recv = link.as_ref().map_or(recv, |link| link.kd.as_bytes());
            // A KD that is bound to a relay has no second half, and of the MSK it hears nothing.
            let is_bound = link.is_some() && self.config.relays.maker() == KdMaker::Network;
            let halves = [(MppeKey::Recv, recv, [a, b]), (MppeKey::Send, send, [a, b ^ (c | 1)])];
            for (which, half, salt) in halves.into_iter().take(if is_bound { 1 } else { 2 }) {
                let half = half.first_chunk().expect("MSK has twice 32 octets, and a KD has 32");
                let value = secret.hide(which, half, salt, &pending.authenticator);
                written = written.and_then(|()| attributes.push(Attribute::VendorSpecific, &value));
            }
            if let Some(link) = link {
                let seconds = link.lifetime.to_be_bytes();
                written = written.and_then(|()| attributes.push(Attribute::SessionTimeout, &seconds));
            }
            if pending.wants_key_name {
                written = written.and_then(|()| attributes.push(Attribute::EapKeyName, &grant.session_id));
            }
        }
        // Nothing of it is too long for an attribute.
        debug_assert!(written.is_ok());
        self.reply(&pending, code, attributes);
    }

    fn reply(&mut self, pending: &Pending, code: Code, mut attributes: Attributes) {
        for proxy in &pending.proxies {
            let _ = attributes.push(Attribute::ProxyState, proxy);
        }
        let Some(secret) = self.secret(pending.from.ip()) else { return };
        let Ok(octets) = secret.reply(code, pending.identifier, pending.authenticator, &attributes) else {
            let (from, why) = (pending.from, Dropped::TooLong);
            self.outputs.push_back(Output::Event(Event::Dropped { from, why }));
            return;
        };
        if let Some(known) = self.known.get_mut(&(pending.from, pending.identifier)) {
            known.reply = Some(octets.clone());
        }
        self.outputs.push_back(Output::Datagram { to: pending.from, octets });
    }

    /// The relay at an address, if it is one.
    fn relay(&self, address: IpAddr) -> Option<&[u8]> {
        self.config.clients.iter().find(|client| client.address == address)?.relay.as_deref()
    }

    fn secret(&self, address: IpAddr) -> Option<&Secret> {
        self.config.clients.iter().find(|client| client.address == address).map(|client| &client.secret)
    }

    fn end(&mut self, session: SessionId) {
        if let Some(state) = self.by_session.remove(&session) {
            self.states.remove(&state);
        }
    }

    fn expire(&mut self, now: UtcTime) {
        self.known.retain(|_, known| known.until > now);
        self.states.retain(|_, conversation| conversation.until > now);
        let states = &self.states;
        self.by_session.retain(|_, state| states.contains_key(state));
        let by_session = &self.by_session;
        self.pending.retain(|session, _| by_session.contains_key(session));
    }
}
