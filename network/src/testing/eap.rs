//! An AAA server with its HSS, and peers, for tests.

use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;

use super::{impi, imsi, keys};
use crate::aaa::{self, Aaa, Config, Discarded, Grant, Rejection, ResultIndications, SessionId};
use crate::aka::Rand;
use crate::eap_aka::identity::PseudonymKey;
use crate::eap_aka::packet::{Code, Type, emit};
use crate::eap_peer::{self, EapPeer, Failure, IdentityPolicy, Input, Output, Success};
use crate::hss::{self, EapAkaPrimeVector, Hss, Node, Purpose, Subject, Vector};
use crate::limit::RateLimit;
use crate::usim::{SqnArray, Usim};

pub(crate) const NETWORK: &str = "PROSE:000001";
pub(crate) const REALM: &str = "wlan.mnc001.mcc001.3gppnetwork.org";

/// Octets that look random, and are the same in each run.
pub(crate) struct Octets(pub(crate) u64);

impl sidelink_wire::rng::Rng for Octets {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 29
    }
}

/// The network.
pub(crate) struct World {
    pub(crate) now: UtcTime,
    pub(crate) aaa: Aaa,
    pub(crate) hss: Hss,
    pub(crate) counters: Memory,
    pub(crate) rng: Octets,
    /// Vectors that the HSS was asked for.
    pub(crate) asked: u8,
    /// Whether the HSS answers.
    pub(crate) hss_answers: bool,
    sessions: u64,
}

/// What came of a conversation.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) server: Option<Result<Grant, Rejection>>,
    pub(crate) peer: Option<Result<Success, Failure>>,
    /// All that was sent, requests and responses in turn.
    pub(crate) packets: Vec<Vec<u8>>,
    pub(crate) discarded: Vec<Discarded>,
    pub(crate) passed_over: Vec<eap_peer::Discarded>,
    pub(crate) pseudonym: Option<String>,
    pub(crate) stored: Option<SqnArray>,
}

impl Outcome {
    /// Both ends are authenticated and have the same keys: who, and how.
    pub(crate) fn granted(&self) -> &Grant {
        let Some(Ok(grant)) = &self.server else { panic!("{self:?}") };
        let Some(Ok(success)) = &self.peer else { panic!("{self:?}") };
        assert!(grant.keys.msk == success.keys.msk && grant.keys.emsk == success.keys.emsk);
        assert_ne!(grant.keys.msk[..32], grant.keys.msk[32..]);
        assert_eq!(grant.session_id, success.session_id);
        grant
    }

    pub(crate) fn rejected(&self) -> Rejection {
        self.server.as_ref().expect("the server ended it").as_ref().expect_err("it was rejected").to_owned()
    }

    pub(crate) fn failed(&self) -> Failure {
        self.peer.as_ref().expect("the peer ended it").as_ref().expect_err("it failed").to_owned()
    }
}

pub(crate) fn config() -> Config {
    let rate = RateLimit { burst: 0, interval: 0 };
    Config { rate, ..Config::new(NETWORK, PseudonymKey { number: 1, key: [0x5a; 16] }) }
}

pub(crate) fn peer_config() -> eap_peer::Config {
    eap_peer::Config {
        imsi: imsi(),
        realm: REALM.into(),
        network_name: NETWORK.into(),
        pseudonym: None,
        identity_policy: IdentityPolicy::Liberal,
        result_indications: ResultIndications::Offered,
    }
}

pub(crate) fn peer() -> EapPeer {
    EapPeer::new(peer_config(), Usim::new(keys(), SqnArray::default()))
}

/// The request for an identity that an authenticator begins with.
pub(crate) fn hello(identifier: u8) -> Vec<u8> {
    emit(Code::Request, identifier, Type::Identity, &[]).unwrap()
}

impl World {
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        let rate = RateLimit { burst: 0, interval: 0 };
        let mut hss = Hss::new(hss::Config { rate, ..hss::Config::default() });
        hss.add(hss::Subscription { imsi: imsi(), impi: impi(), keys: keys(), reserved: 0 }).unwrap();
        Self {
            now: UtcTime::from_millis(1_700_000_000_000),
            aaa: Aaa::new(config),
            hss,
            counters: Memory::default(),
            rng: Octets(1),
            asked: 0,
            hss_answers: true,
            sessions: 0,
        }
    }

    /// A whole conversation.
    pub(crate) fn run(&mut self, peer: &mut EapPeer) -> Outcome {
        self.meddle(peer, |_, _| {})
    }

    /// One in which somebody changes what is sent, by its place.
    pub(crate) fn meddle(
        &mut self,
        peer: &mut EapPeer,
        mut change: impl FnMut(usize, &mut Vec<u8>),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let mut request = Some(hello(self.sessions as u8));
        while let Some(mut octets) = request.take() {
            change(outcome.packets.len(), &mut octets);
            outcome.packets.push(octets.clone());
            let Some(mut response) = self.ask(peer, &octets, &mut outcome) else { break };
            change(outcome.packets.len(), &mut response);
            outcome.packets.push(response.clone());
            request = self.tell(session, &response, &mut outcome);
        }
        outcome
    }

    /// Gives a packet to the peer; its response.
    pub(crate) fn ask(
        &mut self,
        peer: &mut EapPeer,
        octets: &[u8],
        outcome: &mut Outcome,
    ) -> Option<Vec<u8>> {
        peer.handle_input(Input::Packet(octets), &mut self.rng);
        let mut response = None;
        while let Some(output) = peer.poll_output() {
            match output {
                Output::Response(packet) => response = Some(packet),
                Output::Store(array) => {
                    outcome.stored = Some(array);
                    peer.handle_input(Input::Stored, &mut self.rng);
                }
                Output::Remember { pseudonym } => outcome.pseudonym = Some(pseudonym),
                Output::Success(success) => outcome.peer = Some(Ok(success)),
                Output::Failed(why) => outcome.peer = Some(Err(why)),
                Output::Discard(why) => outcome.passed_over.push(why),
            }
        }
        response
    }

    /// Gives a packet to the server; what it sends.
    pub(crate) fn tell(
        &mut self,
        session: SessionId,
        packet: &[u8],
        outcome: &mut Outcome,
    ) -> Option<Vec<u8>> {
        self.aaa.handle_input(aaa::Input::Packet { now: self.now, session, packet }, &mut self.rng);
        self.drain(outcome)
    }

    pub(crate) fn drain(&mut self, outcome: &mut Outcome) -> Option<Vec<u8>> {
        let mut sent = None;
        loop {
            match self.aaa.poll_output() {
                aaa::Output::Request { packet, .. } => sent = Some(packet),
                aaa::Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    self.asked += 1;
                    if !self.hss_answers {
                        continue;
                    }
                    let purpose = Purpose::EapAkaPrime { network_name };
                    let (now, rand) = (self.now, Rand([self.asked; 16]));
                    let subject = Subject::Imsi(imsi);
                    let node = Node::Aaa;
                    let request =
                        hss::Request { now, ticket, subject, node, purpose, rand, resynchronisation };
                    let result = self.vector(request);
                    self.aaa.handle_input(aaa::Input::Vector { now, ticket, result }, &mut self.rng);
                }
                aaa::Output::Accept { packet, grant, .. } => {
                    outcome.server = Some(Ok(grant));
                    sent = Some(packet.to_vec());
                }
                aaa::Output::Reject { packet, why, .. } => {
                    outcome.server = Some(Err(why));
                    sent = Some(packet.to_vec());
                }
                aaa::Output::Discard { why, .. } => outcome.discarded.push(why),
                aaa::Output::Timeout(_) => return sent,
            }
        }
    }

    pub(crate) fn vector(&mut self, request: hss::Request) -> Result<EapAkaPrimeVector, hss::Refusal> {
        self.hss.handle_input(hss::Input::Request(request));
        let mut answer = None;
        loop {
            match self.hss.poll_output() {
                hss::Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.counters).unwrap();
                    self.hss.handle_input(hss::Input::Granted { granted });
                }
                hss::Output::Answer { result, .. } => answer = Some(result),
                hss::Output::Timeout(_) => break,
            }
        }
        answer.unwrap().map(|vector| match vector {
            Vector::EapAkaPrime(vector) => vector,
            other => panic!("{other:?}"),
        })
    }
}

/// A subscriber with other keys.
pub(crate) fn other_keys() -> Subscriber {
    Subscriber::with_opc([7; 16], [8; 16])
}
