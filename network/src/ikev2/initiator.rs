//! The UE's end.

use core::net::SocketAddrV4;
use std::collections::VecDeque;

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::keys::{IkeKeys, Signed, nat_detection};
use super::wire::{
    Exchange, HEADER, Header, Kind, Payloads, Protocol, chain, choose, nonce, notification, notify, proposal,
    public_value, selector_of, selectors,
};
use super::{Child, Error, ResponderProof, Selector};
use sidelink_wire::rng::Rng;

/// Times that a request is sent.
const TRIES: u32 = 3;

/// EAP codes.
const EAP_SUCCESS: u8 = 3;
const EAP_FAILURE: u8 = 4;

/// Settings of an initiator.
#[derive(Clone)]
pub struct InitiatorConfig {
    /// Its identity: a NAI. ID_RFC822_ADDR.
    pub identity: String,
    /// Name of the responder, ID_FQDN, and how it proves itself.
    pub responder: String,
    /// See there.
    pub proof: ResponderProof,
    /// Own address and that of the responder, for the detection of NAT.
    pub addresses: [SocketAddrV4; 2],
    /// Addresses that the tunnel shall carry: own, and the responder's.
    pub selectors: [Selector; 2],
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Begin.
    Start,
    /// A message came.
    Message(&'a [u8]),
    /// The EAP peer answers.
    Eap(&'a [u8]),
    /// The EAP peer is through: EAP-Success came, and this is MSK.
    Msk(&'a [u8; 64]),
    /// The EAP peer is not.
    EapFailed,
    /// The other end has not answered for the time that the caller gives it.
    Timeout,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Send(Vec<u8>),
    /// Give this to the EAP peer: a request, or EAP-Success.
    Eap(Vec<u8>),
    /// Both ends are authenticated; the CHILD_SA, or why there is none.
    Established(Result<Child, Error>),
    /// There is no SA.
    Failed(Error),
    /// A message was passed over.
    Dropped(Error),
}

/// Of an exchange that is under way.
struct Sa {
    spis: [[u8; 8]; 2],
    nonces: [Vec<u8>; 2],
    keys: IkeKeys,
    /// The first message of each end.
    first: [Vec<u8>; 2],
    message_id: u32,
    esp_spi: [u8; 4],
    /// Of the responder, once it has said it.
    identity: Vec<u8>,
}

struct Begun {
    spi: [u8; 8],
    nonce: [u8; 32],
    secret: StaticSecret,
    message: Vec<u8>,
}

enum State {
    Idle,
    Init(Box<Begun>),
    /// IKE_AUTH was sent, and this is the answer to it.
    First(Box<Sa>),
    /// EAP goes on: the peer is asked, or the responder.
    EapPeer(Box<Sa>),
    EapResponder(Box<Sa>),
    /// IKE_AUTH was sent, which proves a shared key.
    Shared(Box<Sa>),
    /// AUTH was sent.
    Last(Box<Sa>, Zeroizing<[u8; 64]>),
    Over,
}

/// An initiator.
pub struct Initiator {
    config: InitiatorConfig,
    state: State,
    /// The last request, and how often it was sent.
    last: (Vec<u8>, u32),
    outputs: VecDeque<Output>,
}

fn octets<const N: usize>(rng: &mut dyn Rng) -> [u8; N] {
    let mut octets = [0; N];
    octets.chunks_mut(8).for_each(|part| part.copy_from_slice(&rng.next_u64().to_be_bytes()[..part.len()]));
    octets
}

impl Initiator {
    /// One that has not begun.
    pub const fn new(config: InitiatorConfig) -> Self {
        Self { config, state: State::Idle, last: (Vec::new(), 0), outputs: VecDeque::new() }
    }

    /// Takes an input. `rng` must be one that nobody can guess.
    pub fn handle_input(&mut self, input: Input<'_>, rng: &mut dyn Rng) {
        let state = std::mem::replace(&mut self.state, State::Over);
        let done = match (input, state) {
            (Input::Start, State::Idle) => self.start(rng),
            (Input::Message(message), state) => return self.message(message, state, rng),
            (Input::Eap(packet), State::EapPeer(sa)) => {
                let payloads = [(Kind::Eap, packet.to_vec())];
                self.request(sa, &payloads, rng).map(State::EapResponder)
            }
            (Input::Msk(msk), State::EapPeer(sa)) => {
                let auth = self.signed(&sa).body_by_msk(msk);
                let msk = Zeroizing::new(*msk);
                self.request(sa, &[(Kind::Auth, auth)], rng).map(|sa| State::Last(sa, msk))
            }
            (Input::EapFailed, State::EapPeer(_)) => Err(Error::Eap),
            (
                Input::Timeout,
                state @ (State::Init(_)
                | State::First(_)
                | State::EapResponder(_)
                | State::Shared(_)
                | State::Last(..)),
            ) => self.again().map(|()| state),
            (_, state) => Ok(state),
        };
        self.settle(done);
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn settle(&mut self, done: Result<State, Error>) {
        match done {
            Ok(state) => self.state = state,
            Err(why) => {
                self.state = State::Over;
                self.outputs.push_back(Output::Failed(why));
            }
        }
    }

    fn send(&mut self, message: Vec<u8>) {
        self.last = (message.clone(), 1);
        self.outputs.push_back(Output::Send(message));
    }

    fn again(&mut self) -> Result<(), Error> {
        if self.last.1 >= TRIES {
            return Err(Error::Late);
        }
        self.last.1 += 1;
        self.outputs.push_back(Output::Send(self.last.0.clone()));
        Ok(())
    }

    fn start(&mut self, rng: &mut dyn Rng) -> Result<State, Error> {
        let (spi, nonce): ([u8; 8], [u8; 32]) = (octets(rng), octets(rng));
        let secret = StaticSecret::from(octets::<32>(rng));
        let public = PublicKey::from(&secret);
        let spis = [&spi, &[0; 8]];
        let nat = self.config.addresses.map(|at| nat_detection(spis, at));
        let payloads = [
            (Kind::Sa, proposal(Protocol::Ike, 1, &[])),
            (Kind::Ke, [&[0, 31, 0, 0], &public.as_bytes()[..]].concat()),
            (Kind::Nonce, nonce.to_vec()),
            (Kind::Notify, notification(notify::NAT_DETECTION_SOURCE, &nat[0])),
            (Kind::Notify, notification(notify::NAT_DETECTION_DESTINATION, &nat[1])),
            // Ed25519 hashes nothing before.
            (Kind::Notify, notification(notify::SIGNATURE_HASHES, &[0, 5])),
        ];
        let (next, chain) = chain(&payloads)?;
        let header = Header {
            spi_initiator: spi,
            spi_responder: [0; 8],
            next,
            exchange: Exchange::SaInit,
            from_initiator: true,
            is_response: false,
            message_id: 0,
        };
        let message = header.emit(&chain)?;
        self.send(message.clone());
        Ok(State::Init(Box::new(Begun { spi, nonce, secret, message })))
    }

    /// A message that is not for this state, or not proven, changes nothing.
    fn message(&mut self, message: &[u8], state: State, rng: &mut dyn Rng) {
        let drop = |this: &mut Self, state, why| {
            this.state = state;
            this.outputs.push_back(Output::Dropped(why));
        };
        let done = match state {
            State::Init(begun) => match Self::init_response(&begun, message) {
                Ok(sa) => self.first(sa, rng),
                Err(why) => return drop(self, State::Init(begun), why),
            },
            State::First(sa) => match Self::open(&sa, message) {
                Ok((next, inner)) => self.identified(sa, next, &inner),
                Err(why) => return drop(self, State::First(sa), why),
            },
            State::EapResponder(sa) => match Self::open(&sa, message) {
                Ok((next, inner)) => self.eap(sa, next, &inner),
                Err(why) => return drop(self, State::EapResponder(sa), why),
            },
            State::Shared(sa) => match Self::open(&sa, message) {
                Ok((next, inner)) => self.shared(sa, next, &inner),
                Err(why) => return drop(self, State::Shared(sa), why),
            },
            State::Last(sa, msk) => match Self::open(&sa, message) {
                Ok((next, inner)) => self.last(&sa, &*msk, next, &inner),
                Err(why) => return drop(self, State::Last(sa, msk), why),
            },
            state => return drop(self, state, Error::Unexpected),
        };
        self.settle(done);
    }

    /// Nothing proves the answer yet: what is wrong with it is passed over, and the right one may come.
    fn init_response(begun: &Begun, message: &[u8]) -> Result<Sa, Error> {
        let header = Header::parse(message)?;
        let is_ours = header.spi_initiator == begun.spi && header.is_response && !header.from_initiator;
        if !is_ours
            || header.exchange != Exchange::SaInit
            || header.message_id != 0
            || header.spi_responder == [0; 8]
        {
            return Err(Error::Unexpected);
        }
        let payloads = Payloads::parse(header.next, &message[HEADER..])?;
        if let Some(why) = payloads.fault() {
            return Err(why);
        }
        choose(Protocol::Ike, payloads.need(Kind::Sa, "SA")?)?;
        let nonce = nonce(payloads.need(Kind::Nonce, "Nr")?)?;
        let public = public_value(payloads.need(Kind::Ke, "KE")?)?;
        let secret = begun.secret.diffie_hellman(&PublicKey::from(public));
        if !secret.was_contributory() {
            return Err(Error::Dh);
        }
        let keys =
            IkeKeys::new([&begun.nonce, nonce], secret.as_bytes(), [&begun.spi, &header.spi_responder]);
        Ok(Sa {
            spis: [begun.spi, header.spi_responder],
            nonces: [begun.nonce.to_vec(), nonce.to_vec()],
            keys,
            first: [begun.message.clone(), message.to_vec()],
            message_id: 0,
            esp_spi: [0; 4],
            identity: Vec::new(),
        })
    }

    fn identity(&self) -> Vec<u8> {
        [&[3, 0, 0, 0], self.config.identity.as_bytes()].concat()
    }

    fn first(&mut self, mut sa: Sa, rng: &mut dyn Rng) -> Result<State, Error> {
        let mut payloads = vec![(Kind::IdInitiator, self.identity())];
        if matches!(self.config.proof, ResponderProof::EapOnly) {
            payloads.push((Kind::Notify, notification(notify::EAP_ONLY, &[])));
        }
        // 0 to 255 are reserved. RFC 4303 §2.1.
        sa.esp_spi = octets(rng);
        sa.esp_spi[0] |= 1;
        let shared = match &self.config.proof {
            ResponderProof::SharedKey(key) => Some(self.signed(&sa).body_by_msk(key.octets())),
            _ => None,
        };
        let then = if shared.is_some() { State::Shared } else { State::First };
        payloads.extend(shared.map(|auth| (Kind::Auth, auth)));
        let [own, other] = self.config.selectors;
        payloads.extend([
            (Kind::Sa, proposal(Protocol::Esp, 1, &sa.esp_spi)),
            (Kind::TsInitiator, selectors(own)),
            (Kind::TsResponder, selectors(other)),
        ]);
        self.request(Box::new(sa), &payloads, rng).map(then)
    }

    fn request(
        &mut self,
        mut sa: Box<Sa>,
        payloads: &[(Kind, Vec<u8>)],
        rng: &mut dyn Rng,
    ) -> Result<Box<Sa>, Error> {
        sa.message_id += 1;
        let header = Header {
            spi_initiator: sa.spis[0],
            spi_responder: sa.spis[1],
            next: 0,
            exchange: Exchange::Auth,
            from_initiator: true,
            is_response: false,
            message_id: sa.message_id,
        };
        let message = sa.keys.initiator.seal(header, payloads, octets(rng))?;
        self.send(message);
        Ok(sa)
    }

    fn open(sa: &Sa, message: &[u8]) -> Result<(u8, Zeroizing<Vec<u8>>), Error> {
        let header = Header::parse(message)?;
        let is_ours = [header.spi_initiator, header.spi_responder] == sa.spis;
        let is_answer = header.is_response && !header.from_initiator && header.exchange == Exchange::Auth;
        if !is_ours || !is_answer || header.message_id != sa.message_id {
            return Err(Error::Unexpected);
        }
        sa.keys.responder.open(&header, message)
    }

    fn signed<'a>(&self, sa: &'a Sa) -> OwnSigned<'a> {
        OwnSigned { sa, identity: self.identity() }
    }

    /// IDr, AUTH, and the first of EAP.
    fn identified(&mut self, mut sa: Box<Sa>, next: u8, inner: &[u8]) -> Result<State, Error> {
        let payloads = Payloads::parse(next, inner)?;
        if let Some(why) = payloads.fault() {
            return Err(why);
        }
        sa.identity = self.responder_of(&payloads)?;
        if let ResponderProof::Signature(key) = &self.config.proof {
            theirs(&sa).verify_key(key, payloads.need(Kind::Auth, "AUTH")?)?;
        }
        self.outputs.push_back(Output::Eap(payloads.need(Kind::Eap, "EAP")?.to_vec()));
        Ok(State::EapPeer(sa))
    }

    /// IDr, which has to be the name of the responder.
    fn responder_of(&self, payloads: &Payloads<'_>) -> Result<Vec<u8>, Error> {
        let identity = payloads.need(Kind::IdResponder, "IDr")?.to_vec();
        let [2, _, _, _, name @ ..] = &identity[..] else { return Err(Error::Value("IDr")) };
        match name.eq_ignore_ascii_case(self.config.responder.as_bytes()) {
            true => Ok(identity),
            false => Err(Error::Value("IDr")),
        }
    }

    /// IDr, AUTH by the shared key, and the CHILD_SA.
    fn shared(&mut self, mut sa: Box<Sa>, next: u8, inner: &[u8]) -> Result<State, Error> {
        let ResponderProof::SharedKey(key) = self.config.proof.clone() else { return Err(Error::Unexpected) };
        let payloads = Payloads::parse(next, inner)?;
        if payloads.find(Kind::Auth).is_some() {
            sa.identity = self.responder_of(&payloads)?;
        }
        self.last(&sa, key.octets(), next, inner)
    }

    fn eap(&mut self, sa: Box<Sa>, next: u8, inner: &[u8]) -> Result<State, Error> {
        let payloads = Payloads::parse(next, inner)?;
        if let Some(why) = payloads.fault() {
            return Err(why);
        }
        let packet = payloads.need(Kind::Eap, "EAP")?;
        if packet.first() == Some(&EAP_FAILURE) {
            return Err(Error::Eap);
        }
        self.outputs.push_back(Output::Eap(packet.to_vec()));
        Ok(State::EapPeer(sa))
    }

    fn last(&mut self, sa: &Sa, msk: &[u8], next: u8, inner: &[u8]) -> Result<State, Error> {
        let payloads = Payloads::parse(next, inner)?;
        let Some(auth) = payloads.find(Kind::Auth) else {
            return Err(payloads.fault().unwrap_or(Error::Missing("AUTH")));
        };
        theirs(sa).verify_msk(msk, auth)?;
        let child = match payloads.fault() {
            Some(why) => Err(why),
            None => self.child(sa, &payloads),
        };
        self.outputs.push_back(Output::Established(child));
        Ok(State::Over)
    }

    fn child(&self, sa: &Sa, payloads: &Payloads<'_>) -> Result<Child, Error> {
        let (_, spi) = choose(Protocol::Esp, payloads.need(Kind::Sa, "SA")?)?;
        let spi_responder = <[u8; 4]>::try_from(spi).map_err(|_| Error::Length("SPI"))?;
        let [own, other] = self.config.selectors;
        let narrowed = |kind, name, asked: Selector| {
            let selector = selector_of(payloads.need(kind, name)?)?;
            selector.narrowed(asked).filter(|both| *both == selector).ok_or(Error::TrafficSelectors)
        };
        Ok(Child {
            spi_initiator: sa.esp_spi,
            spi_responder,
            keys: sa.keys.child([&sa.nonces[0], &sa.nonces[1]]),
            initiator: narrowed(Kind::TsInitiator, "TSi", own)?,
            responder: narrowed(Kind::TsResponder, "TSr", other)?,
        })
    }
}

struct OwnSigned<'a> {
    sa: &'a Sa,
    identity: Vec<u8>,
}

impl OwnSigned<'_> {
    fn body_by_msk(&self, msk: &[u8]) -> Vec<u8> {
        let Sa { first, nonces, keys, .. } = self.sa;
        let signed = Signed {
            message: &first[0],
            nonce: &nonces[1],
            sk_p: &keys.initiator.p,
            identity: &self.identity,
        };
        signed.body_by_msk(msk)
    }
}

fn theirs(sa: &Sa) -> Signed<'_> {
    let Sa { first, nonces, keys, identity, .. } = sa;
    Signed { message: &first[1], nonce: &nonces[0], sk_p: &keys.responder.p, identity }
}

/// Whether an EAP packet says success.
pub(super) fn is_success(packet: &[u8]) -> bool {
    packet.first() == Some(&EAP_SUCCESS)
}

pub(super) fn is_failure(packet: &[u8]) -> bool {
    packet.first() == Some(&EAP_FAILURE)
}

pub(super) fn random<const N: usize>(rng: &mut dyn Rng) -> [u8; N] {
    octets(rng)
}
