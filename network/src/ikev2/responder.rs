//! The ProSe Function's end: many SAs.

use core::net::SocketAddrV4;
use std::collections::{BTreeMap, VecDeque};

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::initiator::{is_failure, is_success, random};
use super::keys::{IkeKeys, Signed, nat_detection};
use super::wire::{
    Exchange, HEADER, Header, Kind, Payloads, Protocol, chain, choose, nonce, notification, notify, proposal,
    public_value, selector_of, selectors,
};
use super::{Child, Error, ResponderKey, Selector};
use sidelink_wire::rng::Rng;

/// A SA that is made: a number of the responder's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Settings of a responder.
pub struct ResponderConfig {
    /// Its name, ID_FQDN.
    pub name: String,
    /// How it proves itself before EAP.
    pub key: ResponderKey,
    /// Own address, for the detection of NAT.
    pub address: SocketAddrV4,
    /// Addresses of UEs, and those behind it.
    pub selectors: [Selector; 2],
    /// SAs that are made at once, at most: then the oldest gives way.
    pub half_open: usize,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A message came.
    Message {
        /// From where, for the detection of NAT.
        from: SocketAddrV4,
        /// Its octets.
        octets: &'a [u8],
    },
    /// The EAP server has a request, the first or the next, or EAP-Failure.
    Eap {
        /// Of which SA.
        session: SessionId,
        /// The packet.
        packet: &'a [u8],
    },
    /// The EAP server is through.
    Msk {
        /// Of which SA.
        session: SessionId,
        /// EAP-Success.
        packet: &'a [u8],
        /// MSK.
        msk: &'a [u8; 64],
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this back to where the last message of the SA came from.
    Send(Vec<u8>),
    /// A UE wants in: let the EAP server begin, and hand back [`Input::Eap`].
    Begin {
        /// Of which SA.
        session: SessionId,
        /// Who it says it is.
        identity: Vec<u8>,
    },
    /// Give this to the EAP server.
    Eap {
        /// Of which SA.
        session: SessionId,
        /// The packet.
        packet: Vec<u8>,
    },
    /// Both ends are authenticated; the CHILD_SA, or why there is none.
    Established {
        /// Which.
        session: SessionId,
        /// It.
        child: Result<Child, Error>,
    },
    /// There is no SA.
    Failed {
        /// Which.
        session: SessionId,
        /// Why.
        why: Error,
    },
    /// A message was passed over.
    Dropped(Error),
}

enum Stage {
    /// IKE_AUTH is awaited.
    Keyed,
    /// The EAP server is asked.
    Server,
    /// The UE is asked.
    Ue,
    /// EAP-Success was sent: AUTH is awaited.
    Proven(Zeroizing<[u8; 64]>),
    /// It is over: only the last answer may be sent again.
    Over,
}

struct Session {
    id: SessionId,
    spis: [[u8; 8]; 2],
    nonces: [Vec<u8>; 2],
    keys: IkeKeys,
    first: [Vec<u8>; 2],
    stage: Stage,
    /// ID of the UE, its SPI of ESP, and the selectors that it asks for.
    wanted: Option<Wanted>,
    /// The request that was answered last, and the answer.
    message_id: u32,
    answer: Vec<u8>,
    /// Whether IDr and AUTH were said.
    is_identified: bool,
}

struct Wanted {
    identity: Vec<u8>,
    child: Result<(u8, [u8; 4], [Selector; 2]), Error>,
}

/// A responder.
pub struct Responder {
    config: ResponderConfig,
    sessions: BTreeMap<[u8; 8], Session>,
    next: u64,
    failures: u64,
    outputs: VecDeque<Output>,
}

impl Responder {
    /// Without SAs.
    pub const fn new(config: ResponderConfig) -> Self {
        Self { config, sessions: BTreeMap::new(), next: 0, failures: 0, outputs: VecDeque::new() }
    }

    /// SAs that failed after their keys were there: EAP or AUTH.
    pub const fn failures(&self) -> u64 {
        self.failures
    }

    /// Takes an input. `rng` must be one that nobody can guess.
    pub fn handle_input(&mut self, input: Input<'_>, rng: &mut dyn Rng) {
        match input {
            Input::Message { from, octets } => {
                if let Err(why) = self.message(from, octets, rng) {
                    self.outputs.push_back(Output::Dropped(why));
                }
            }
            Input::Eap { session, packet } => self.eap(session, packet, None, rng),
            Input::Msk { session, packet, msk } => self.eap(session, packet, Some(msk), rng),
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn message(&mut self, from: SocketAddrV4, octets: &[u8], rng: &mut dyn Rng) -> Result<(), Error> {
        let header = Header::parse(octets)?;
        if header.is_response || !header.from_initiator {
            return Err(Error::Unexpected);
        }
        if header.exchange == Exchange::SaInit {
            return self.init(from, &header, octets, rng);
        }
        let session = self.sessions.get_mut(&header.spi_responder).ok_or(Error::Unexpected)?;
        if session.spis[0] != header.spi_initiator || header.exchange != Exchange::Auth {
            return Err(Error::Unexpected);
        }
        let (next, inner) = session.keys.initiator.open(&header, octets)?;
        if header.message_id == session.message_id && !session.answer.is_empty() {
            self.outputs.push_back(Output::Send(session.answer.clone()));
            return Ok(());
        }
        if header.message_id != session.message_id.wrapping_add(1)
            || matches!(session.stage, Stage::Server | Stage::Over)
        {
            return Err(Error::Unexpected);
        }
        session.message_id = header.message_id;
        session.answer.clear();
        let spi = header.spi_responder;
        let done = match std::mem::replace(&mut session.stage, Stage::Server) {
            Stage::Keyed => self.first(spi, next, &inner, rng),
            Stage::Ue => self.eap_of_ue(spi, next, &inner),
            Stage::Proven(msk) => self.last(spi, &*msk, next, &inner, rng),
            stage => {
                session.stage = stage;
                Err(Error::Unexpected)
            }
        };
        if let Err(why) = done {
            self.fail(spi, why, rng);
        }
        Ok(())
    }

    /// Keys for whoever asks: nothing is proven, so that their number is bounded.
    fn init(
        &mut self,
        from: SocketAddrV4,
        header: &Header,
        octets: &[u8],
        rng: &mut dyn Rng,
    ) -> Result<(), Error> {
        if header.spi_responder != [0; 8] || header.spi_initiator == [0; 8] || header.message_id != 0 {
            return Err(Error::Unexpected);
        }
        let again = self.sessions.values().find(|session| session.first[0] == octets);
        if let Some(session) = again {
            self.outputs.push_back(Output::Send(session.first[1].clone()));
            return Ok(());
        }
        let payloads = Payloads::parse(header.next, &octets[HEADER..])?;
        let chosen = choose(Protocol::Ike, payloads.need(Kind::Sa, "SA")?);
        let number = match chosen {
            Ok((number, _)) => number,
            Err(why) => return self.refuse(header, why),
        };
        let nonce = nonce(payloads.need(Kind::Nonce, "Ni")?)?;
        let public = public_value(payloads.need(Kind::Ke, "KE")?)?;
        let own = StaticSecret::from(random::<32>(rng));
        let secret = own.diffie_hellman(&PublicKey::from(public));
        if !secret.was_contributory() {
            return Err(Error::Dh);
        }
        let (spi, own_nonce): ([u8; 8], [u8; 32]) = (random(rng), random(rng));
        let spis = [header.spi_initiator, spi];
        let nat = [self.config.address, from].map(|at| nat_detection([&spis[0], &spis[1]], at));
        let (next, chain) = chain(&[
            (Kind::Sa, proposal(Protocol::Ike, number, &[])),
            (Kind::Ke, [&[0, 31, 0, 0], &PublicKey::from(&own).as_bytes()[..]].concat()),
            (Kind::Nonce, own_nonce.to_vec()),
            (Kind::Notify, notification(notify::NAT_DETECTION_SOURCE, &nat[0])),
            (Kind::Notify, notification(notify::NAT_DETECTION_DESTINATION, &nat[1])),
        ])?;
        let header = Header { spi_responder: spi, next, from_initiator: false, is_response: true, ..*header };
        let message = header.emit(&chain)?;
        let keys = IkeKeys::new([nonce, &own_nonce], secret.as_bytes(), [&spis[0], &spis[1]]);
        self.make_room();
        let id = SessionId(self.next);
        self.next += 1;
        let session = Session {
            id,
            spis,
            nonces: [nonce.to_vec(), own_nonce.to_vec()],
            keys,
            first: [octets.to_vec(), message.clone()],
            stage: Stage::Keyed,
            wanted: None,
            message_id: 0,
            answer: Vec::new(),
            is_identified: false,
        };
        self.sessions.insert(spi, session);
        self.outputs.push_back(Output::Send(message));
        Ok(())
    }

    /// Says that no suite is spoken here; nothing is remembered of it.
    fn refuse(&mut self, header: &Header, why: Error) -> Result<(), Error> {
        let body = notification(notify::NO_PROPOSAL_CHOSEN, &[]);
        let (next, chain) = chain(&[(Kind::Notify, body)])?;
        let header = Header { next, from_initiator: false, is_response: true, ..*header };
        self.outputs.push_back(Output::Send(header.emit(&chain)?));
        Err(why)
    }

    fn make_room(&mut self) {
        while self.sessions.len() >= self.config.half_open.max(1) {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.id).map(|(spi, _)| *spi);
            oldest.map(|spi| self.sessions.remove(&spi));
        }
    }

    fn session(&mut self, spi: [u8; 8]) -> Result<&mut Session, Error> {
        self.sessions.get_mut(&spi).ok_or(Error::Unexpected)
    }

    /// Who it is, and what it wants: EAP is to begin, unless both share a key.
    fn first(&mut self, spi: [u8; 8], next: u8, inner: &[u8], rng: &mut dyn Rng) -> Result<(), Error> {
        let [ues, own] = self.config.selectors;
        let is_eap_only = matches!(self.config.key, ResponderKey::EapOnly);
        let shared = match &self.config.key {
            ResponderKey::SharedKey { initiator, key } => Some((initiator.clone(), key.clone())),
            ResponderKey::Signature(_) | ResponderKey::EapOnly => None,
        };
        let session = self.session(spi)?;
        let payloads = Payloads::parse(next, inner)?;
        let identity = payloads.need(Kind::IdInitiator, "IDi")?.to_vec();
        if shared.is_none() && payloads.find(Kind::Auth).is_some() {
            return Err(Error::Value("AUTH of an initiator that is to do EAP"));
        }
        if is_eap_only && !payloads.notifications().any(|kind| kind == notify::EAP_ONLY) {
            return Err(Error::Missing("EAP_ONLY_AUTHENTICATION"));
        }
        let child = || -> Result<_, Error> {
            let (number, esp) = choose(Protocol::Esp, payloads.need(Kind::Sa, "SA")?)?;
            let esp = <[u8; 4]>::try_from(esp).map_err(|_| Error::Length("SPI"))?;
            let asked = [
                selector_of(payloads.need(Kind::TsInitiator, "TSi")?)?.narrowed(ues),
                selector_of(payloads.need(Kind::TsResponder, "TSr")?)?.narrowed(own),
            ];
            match asked {
                [Some(initiator), Some(responder)] => Ok((number, esp, [initiator, responder])),
                _ => Err(Error::TrafficSelectors),
            }
        };
        let name = identity.get(4..).unwrap_or_default().to_vec();
        let wanted = Wanted { identity, child: child() };
        session.wanted = Some(wanted);
        if let Some((initiator, key)) = shared {
            if name != initiator.as_bytes() {
                return Err(Error::Value("IDi"));
            }
            return self.last(spi, key.octets(), next, inner, rng);
        }
        let begin = Output::Begin { session: session.id, identity: name };
        self.outputs.push_back(begin);
        Ok(())
    }

    fn eap_of_ue(&mut self, spi: [u8; 8], next: u8, inner: &[u8]) -> Result<(), Error> {
        let payloads = Payloads::parse(next, inner)?;
        let packet = payloads.need(Kind::Eap, "EAP")?.to_vec();
        let session = self.session(spi)?.id;
        self.outputs.push_back(Output::Eap { session, packet });
        Ok(())
    }

    fn eap(&mut self, id: SessionId, packet: &[u8], msk: Option<&[u8; 64]>, rng: &mut dyn Rng) {
        let found = self.sessions.iter_mut().find(|(_, session)| session.id == id);
        let Some((spi, session)) = found.filter(|(_, session)| matches!(session.stage, Stage::Server)) else {
            return;
        };
        let spi = *spi;
        let mut payloads = Vec::new();
        if !session.is_identified {
            session.is_identified = true;
            let identity = [&[2, 0, 0, 0], self.config.name.as_bytes()].concat();
            payloads.push((Kind::IdResponder, identity.clone()));
            if let ResponderKey::Signature(key) = &self.config.key {
                payloads.push((Kind::Auth, ours(session, &identity).body_by_key(key)));
            }
        }
        payloads.push((Kind::Eap, packet.to_vec()));
        // Only what the server calls success is: a packet that says so without a key is none.
        session.stage = match msk {
            Some(msk) if is_success(packet) => Stage::Proven(Zeroizing::new(*msk)),
            _ => Stage::Ue,
        };
        let result = self.respond(spi, &payloads, rng);
        if is_failure(packet) {
            self.over(spi, Error::Eap);
        } else if let Err(why) = result {
            self.over(spi, why);
        }
    }

    fn respond(
        &mut self,
        spi: [u8; 8],
        payloads: &[(Kind, Vec<u8>)],
        rng: &mut dyn Rng,
    ) -> Result<(), Error> {
        let iv = random(rng);
        let session = self.session(spi)?;
        let header = Header {
            spi_initiator: session.spis[0],
            spi_responder: spi,
            next: 0,
            exchange: Exchange::Auth,
            from_initiator: false,
            is_response: true,
            message_id: session.message_id,
        };
        let message = session.keys.responder.seal(header, payloads, iv)?;
        session.answer.clone_from(&message);
        self.outputs.push_back(Output::Send(message));
        Ok(())
    }

    fn last(
        &mut self,
        spi: [u8; 8],
        msk: &[u8],
        next: u8,
        inner: &[u8],
        rng: &mut dyn Rng,
    ) -> Result<(), Error> {
        let esp: [u8; 4] = random(rng);
        let esp = [esp[0] | 1, esp[1], esp[2], esp[3]];
        let own = [&[2, 0, 0, 0], self.config.name.as_bytes()].concat();
        let session = self.session(spi)?;
        let payloads = Payloads::parse(next, inner)?;
        let wanted = session.wanted.take().ok_or(Error::Unexpected)?;
        let theirs = Signed {
            message: &session.first[0],
            nonce: &session.nonces[1],
            sk_p: &session.keys.initiator.p,
            identity: &wanted.identity,
        };
        theirs.verify_msk(msk, payloads.need(Kind::Auth, "AUTH")?)?;
        let auth = ours(session, &own).body_by_msk(msk);
        let mut answer = Vec::new();
        if !session.is_identified {
            answer.push((Kind::IdResponder, own));
        }
        answer.push((Kind::Auth, auth));
        let child = wanted.child.map(|(number, spi_initiator, [initiator, responder])| {
            answer.extend([
                (Kind::Sa, proposal(Protocol::Esp, number, &esp)),
                (Kind::TsInitiator, selectors(initiator)),
                (Kind::TsResponder, selectors(responder)),
            ]);
            let keys = session.keys.child([&session.nonces[0], &session.nonces[1]]);
            Child { spi_initiator, spi_responder: esp, keys, initiator, responder }
        });
        if let Err(why) = child {
            let kind = match why {
                Error::TrafficSelectors => notify::TS_UNACCEPTABLE,
                _ => notify::NO_PROPOSAL_CHOSEN,
            };
            answer.push((Kind::Notify, notification(kind, &[])));
        }
        session.stage = Stage::Over;
        let id = session.id;
        self.respond(spi, &answer, rng)?;
        self.outputs.push_back(Output::Established { session: id, child });
        Ok(())
    }

    /// Says that authentication failed, and forgets who it was but for that answer.
    fn fail(&mut self, spi: [u8; 8], why: Error, rng: &mut dyn Rng) {
        let body = notification(notify::AUTHENTICATION_FAILED, &[]);
        // The answer is short enough for any message.
        let _ = self.respond(spi, &[(Kind::Notify, body)], rng);
        self.over(spi, why);
    }

    fn over(&mut self, spi: [u8; 8], why: Error) {
        self.failures += 1;
        if let Some(session) = self.sessions.get_mut(&spi) {
            session.stage = Stage::Over;
            let failed = Output::Failed { session: session.id, why };
            self.outputs.push_back(failed);
        }
    }
}

fn ours<'a>(session: &'a Session, identity: &'a [u8]) -> Signed<'a> {
    let Session { first, nonces, keys, .. } = session;
    Signed { message: &first[1], nonce: &nonces[0], sk_p: &keys.responder.p, identity }
}
