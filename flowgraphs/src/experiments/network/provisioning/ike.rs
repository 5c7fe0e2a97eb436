//! Over IKEv2 with EAP-AKA', and ESP: the AAA server and the HSS are in the process of the ProSe Function.

use super::{Ends, Exchange, Measured, http};
use crate::experiments::network::ways::Ways;
use sidelink_network::aaa::{self, Aaa};
use sidelink_network::aka::Rand;
use sidelink_network::eap_aka::identity::PseudonymKey;
use sidelink_network::eap_aka::{Code, Type, packet};
use sidelink_network::eap_peer::{self, EapPeer, IdentityPolicy};
use sidelink_network::hss::{self, Hss, Node, Purpose, Subject, Vector};
use sidelink_network::identity::Imsi;
use sidelink_network::ikev2::esp::{Inbound, Outbound};
use sidelink_network::ikev2::{
    Child, Initiator, InitiatorConfig, Input, Output, Responder, ResponderConfig, ResponderInput,
    ResponderKey, ResponderOutput, ResponderProof, Selector, SessionId,
};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_ue::air_rng::AirRng;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;
use zeroize::Zeroizing;

const NAME: &str = "prosefunction.mnc001.mcc001.pub.3gppnetwork.org";
const REALM: &str = "wlan.mnc001.mcc001.3gppnetwork.org";
const NETWORK: &str = "PROSE:000001";
const NOW: UtcTime = UtcTime::from_millis(1_800_000_000_000);

/// IPv4 and TCP of a packet in the tunnel.
const INNER: usize = 20 + 20;

/// Octets of a message in one packet.
const PACKET: usize = 1360;

struct Gateway {
    responder: Responder,
    aaa: Aaa,
    hss: Hss,
    store: Memory,
    rng: AirRng,
}

struct Ue {
    initiator: Initiator,
    peer: EapPeer,
    rng: AirRng,
}

/// What comes of an end.
#[derive(Default)]
struct Said {
    messages: VecDeque<Vec<u8>>,
    child: Option<Child>,
}

fn ends() -> [SocketAddrV4; 2] {
    [1, 2].map(|host| SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, host), 500))
}

fn subscriber() -> Subscriber {
    Subscriber::with_opc([1; 16], [2; 16])
}

impl Ue {
    fn new(seed: u64) -> anyhow::Result<Self> {
        let imsi = Imsi::new("001010000000001")?;
        let config = eap_peer::Config {
            imsi: imsi.clone(),
            realm: REALM.into(),
            network_name: NETWORK.into(),
            pseudonym: None,
            identity_policy: IdentityPolicy::Liberal,
            result_indications: aaa::ResultIndications::Never,
        };
        let initiator = Initiator::new(InitiatorConfig {
            identity: format!("6{}@{REALM}", imsi.digits()),
            responder: NAME.to_owned(),
            proof: ResponderProof::EapOnly,
            addresses: ends(),
            selectors: [Selector::ALL; 2],
        });
        let peer = EapPeer::new(config, Usim::new(subscriber(), SqnArray::default()));
        Ok(Self { initiator, peer, rng: AirRng::seeded(seed, "ike ue") })
    }

    fn take(&mut self, input: Input<'_>) -> anyhow::Result<Said> {
        let mut said = Said::default();
        self.initiator.handle_input(input, &mut self.rng);
        while let Some(output) = self.initiator.poll_output() {
            match output {
                Output::Send(message) => said.messages.push_back(message),
                Output::Eap(packet) => self.eap(&packet),
                Output::Established(child) => said.child = Some(child?),
                Output::Failed(why) | Output::Dropped(why) => return Err(why.into()),
            }
        }
        Ok(said)
    }

    fn eap(&mut self, packet: &[u8]) {
        self.peer.handle_input(eap_peer::Input::Packet(packet), &mut self.rng);
        while let Some(output) = self.peer.poll_output() {
            let rng = &mut self.rng;
            match output {
                eap_peer::Output::Response(response) => {
                    self.initiator.handle_input(Input::Eap(&response), rng)
                }
                eap_peer::Output::Store(_) => self.peer.handle_input(eap_peer::Input::Stored, rng),
                eap_peer::Output::Success(success) => {
                    self.initiator.handle_input(Input::Msk(&success.keys.msk), rng);
                }
                eap_peer::Output::Failed(_) => self.initiator.handle_input(Input::EapFailed, rng),
                eap_peer::Output::Remember { .. } | eap_peer::Output::Discard(_) => {}
            }
        }
    }
}

impl Gateway {
    fn new(seed: u64) -> anyhow::Result<Self> {
        let imsi = Imsi::new("001010000000001")?;
        let mut hss = Hss::new(hss::Config::default());
        hss.add(hss::Subscription { impi: imsi.impi(2)?, imsi, keys: subscriber(), reserved: 0 })?;
        let mut config = aaa::Config::new(NETWORK, PseudonymKey { number: 1, key: [3; 16] });
        config.result_indications = aaa::ResultIndications::Never;
        let [_, address] = ends();
        let responder = Responder::new(ResponderConfig {
            name: NAME.to_owned(),
            key: ResponderKey::EapOnly,
            address,
            selectors: [Selector::ALL; 2],
            half_open: 16,
        });
        let rng = AirRng::seeded(seed, "ike gateway");
        Ok(Self { responder, aaa: Aaa::new(config), hss, store: Memory::default(), rng })
    }

    fn take(&mut self, octets: &[u8]) -> anyhow::Result<Said> {
        let mut said = Said::default();
        let [from, _] = ends();
        self.responder.handle_input(ResponderInput::Message { from, octets }, &mut self.rng);
        while let Some(output) = self.responder.poll_output() {
            match output {
                ResponderOutput::Send(message) => said.messages.push_back(message),
                ResponderOutput::Begin { session, .. } => {
                    let packet = packet::emit(Code::Request, 1, Type::Identity, &[])?;
                    let input = ResponderInput::Eap { session, packet: &packet };
                    self.responder.handle_input(input, &mut self.rng);
                }
                ResponderOutput::Eap { session, packet } => self.eap(session, &packet)?,
                ResponderOutput::Established { child, .. } => said.child = Some(child?),
                ResponderOutput::Failed { why, .. } | ResponderOutput::Dropped(why) => return Err(why.into()),
            }
        }
        Ok(said)
    }

    fn eap(&mut self, session: SessionId, packet: &[u8]) -> anyhow::Result<()> {
        let id = aaa::SessionId(session.0);
        self.aaa.handle_input(aaa::Input::Packet { now: NOW, session: id, packet }, &mut self.rng);
        loop {
            match self.aaa.poll_output() {
                aaa::Output::Request { packet, .. } => {
                    let input = ResponderInput::Eap { session, packet: &packet };
                    self.responder.handle_input(input, &mut self.rng);
                }
                aaa::Output::Reject { packet, .. } => {
                    let input = ResponderInput::Eap { session, packet: &packet };
                    self.responder.handle_input(input, &mut self.rng);
                }
                aaa::Output::Accept { packet, grant, .. } => {
                    let input = ResponderInput::Msk { session, packet: &packet, msk: &grant.keys.msk };
                    self.responder.handle_input(input, &mut self.rng);
                }
                aaa::Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    let request = hss::Request {
                        now: NOW,
                        ticket,
                        subject: Subject::Imsi(imsi),
                        node: Node::Aaa,
                        purpose: Purpose::EapAkaPrime { network_name },
                        rand: Rand([9; 16]),
                        resynchronisation,
                    };
                    let result = self.vector(request)?;
                    self.aaa.handle_input(aaa::Input::Vector { now: NOW, ticket, result }, &mut self.rng);
                }
                aaa::Output::Discard { why, .. } => return Err(why.into()),
                aaa::Output::Timeout(_) => return Ok(()),
            }
        }
    }

    fn vector(
        &mut self,
        request: hss::Request,
    ) -> anyhow::Result<Result<hss::EapAkaPrimeVector, hss::Refusal>> {
        self.hss.handle_input(hss::Input::Request(request));
        let mut answer = None;
        loop {
            match self.hss.poll_output() {
                hss::Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.store)?;
                    self.hss.handle_input(hss::Input::Granted { granted });
                }
                hss::Output::Answer { result, .. } => answer = Some(result),
                hss::Output::Timeout(_) => break,
            }
        }
        match answer {
            Some(Ok(Vector::EapAkaPrime(vector))) => Ok(Ok(vector)),
            Some(Err(why)) => Ok(Err(why)),
            _ => anyhow::bail!("the HSS gave another vector; this is a bug"),
        }
    }
}

/// Sends a message of HTTP through the tunnel; octets of its packets.
fn tunnelled(out: &mut Outbound, inbound: &mut Inbound, message: usize) -> anyhow::Result<Vec<usize>> {
    let mut sizes = Vec::new();
    for at in (0..message).step_by(PACKET) {
        let packet = Zeroizing::new(vec![0x45; INNER + PACKET.min(message - at)]);
        let sealed = out.seal(&packet)?;
        sizes.push(sealed.len());
        anyhow::ensure!(inbound.open(&sealed)? == *packet, "ESP changed a packet; this is a bug");
    }
    Ok(sizes)
}

pub(super) fn over_ike(name: &'static str, ways: &Ways, seed: u64) -> anyhow::Result<Measured> {
    let (mut ue, mut gateway, mut ends) = (Ue::new(seed)?, Gateway::new(seed)?, Ends::new()?);
    let clock = Instant::now();
    let mut exchange = Exchange::new(ways, seed);
    let mut said = ue.take(Input::Start)?;
    let mut children = [None, None];
    while let Some(request) = said.messages.pop_front() {
        let mut answer = gateway.take(&request)?;
        children[1] = children[1].take().or(answer.child.take());
        let Some(response) = answer.messages.pop_front() else { anyhow::bail!("no answer; this is a bug") };
        exchange.round_trip(request.len(), response.len())?;
        said = ue.take(Input::Message(&response))?;
        children[0] = children[0].take().or(said.child.take());
    }
    let [Some(at_ue), Some(at_gateway)] = children else { anyhow::bail!("no CHILD_SA; this is a bug") };
    // TCP in the tunnel.
    exchange.wait(1);
    let [there, back] = http(&ends.exchange()?);
    let mut up = (
        Outbound::new(&at_ue.keys.to_responder, at_ue.spi_responder),
        Inbound::new(&at_gateway.keys.to_responder, at_gateway.spi_responder),
    );
    let mut down = (
        Outbound::new(&at_gateway.keys.to_initiator, at_gateway.spi_initiator),
        Inbound::new(&at_ue.keys.to_initiator, at_ue.spi_initiator),
    );
    let there = tunnelled(&mut up.0, &mut up.1, there)?;
    let back = tunnelled(&mut down.0, &mut down.1, back)?;
    exchange.packets(&there)?;
    exchange.packets(&back)?;
    exchange.meter.round_trips(super::ReferencePoint::Pc3, 1);
    Ok(exchange.measured(name, clock))
}
