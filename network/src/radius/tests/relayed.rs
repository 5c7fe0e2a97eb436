//! A relay, its server, and a remote UE behind it: from question to answer. T5.1-1 to T5.1-4, T5.1-6, T5.1-8 without the air.

use sidelink_wire::relay_keying::{Answer, Denial, Question};
use zeroize::Zeroizing;

use super::super::nas::{
    Config as NasConfig, Event as NasEvent, Input as NasInput, Output as NasOutput, Wrong,
};
use super::*;
use crate::aaa::{self, Aaa, Authentication, FirstIdentity, Rejection, ResultIndications};
use crate::aka::Rand;
use crate::eap_peer::EapPeer;
use crate::hss;
use crate::identity::Imsi;
use crate::pc8::Code as Service;
use crate::relay_access::{KdMaker, Refused, RelayAccess, RelayGrant, RemoteGrant};
use crate::relayed_peer::{Input as PeerInput, Output as PeerOutput, RelayedPeer};
use crate::testing::eap::{World, config, hello, other_keys, peer, peer_config};
use crate::testing::imsi;
use crate::usim::Usim;
use sidelink_security::counter::UtcTime;

const SERVICE: [u8; 3] = [0, 0, 1];
const OTHER: [u8; 3] = [0, 0, 2];
const LIFETIME: u32 = 1234;

/// What an answer says, without borrowing.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Packet(Vec<u8>),
    Keyed([u8; 32], u32, Vec<u8>),
    Refused,
    Unreachable,
    Nothing,
}

fn said(octets: Option<Zeroizing<Vec<u8>>>) -> Said {
    let Some(octets) = octets else { return Said::Nothing };
    match Answer::parse(&octets).unwrap() {
        Answer::Packet(packet) => Said::Packet(packet.to_vec()),
        Answer::Keyed { kd, lifetime, packet } => Said::Keyed(*kd, lifetime, packet.to_vec()),
        Answer::Refused { .. } => Said::Refused,
        Answer::Denied(Denial::Unreachable) => Said::Unreachable,
        other => panic!("{other:?}"),
    }
}

/// A relay and its server, without anything between them.
struct Lab {
    nas: Nas,
    server: RadiusServer,
    world: World,
    events: Vec<Event>,
    nas_events: Vec<NasEvent>,
    /// What was sent to the server and has not come there.
    lost: Vec<Vec<u8>>,
    /// Whether datagrams come to the server.
    reached: bool,
}

fn access(maker: KdMaker) -> RelayAccess {
    let service = |octets: &[[u8; 3]]| octets.iter().copied().map(Service).collect::<Vec<_>>();
    let relay =
        |name: &str, services: &[[u8; 3]]| RelayGrant { name: name.into(), services: service(services) };
    RelayAccess::new(crate::relay_access::Config {
        relays: vec![relay("ruth", &[SERVICE, OTHER]), relay("rolf", &[SERVICE])],
        remotes: vec![RemoteGrant { imsi: imsi(), name: b"mary".to_vec(), services: service(&[SERVICE]) }],
        maker,
        lifetime: LIFETIME,
    })
}

impl Lab {
    /// The server knows its client as the relay `known`, which calls itself `name`.
    fn new(known: &str, name: &str, maker: KdMaker) -> Self {
        let client = Client { address: [127, 0, 0, 1].into(), secret: secret(), relay: Some(known.into()) };
        let own = Config { relays: access(maker), ..Config::new(vec![client]) };
        let aaa = aaa::Config {
            first_identity: FirstIdentity::Used,
            result_indications: ResultIndications::Never,
            ..config()
        };
        Self {
            nas: Nas::new(NasConfig::new(name.into(), secret())),
            server: RadiusServer::new(own, Aaa::new(aaa)),
            world: World::new(|_| {}),
            events: Vec::new(),
            nas_events: Vec::new(),
            lost: Vec::new(),
            reached: true,
        }
    }

    /// Asks for a remote UE; the answer, if it comes at once.
    fn ask(&mut self, exchange: u8, service: [u8; 3], remote: &str, packet: &[u8]) -> Option<Said> {
        let exchange = [exchange; 8];
        let question = Question::ToServer { service, exchange, remote: remote.as_bytes(), packet };
        let (octets, now) = (question.emit().unwrap(), self.world.now);
        let input = NasInput::Question { now, ticket: 7, octets: &octets };
        self.nas.handle_input(input, &mut self.world.rng);
        self.settle()
    }

    fn tick(&mut self, millis: u64) -> Option<Said> {
        self.world.now = self.world.now.plus_millis(millis);
        let now = self.world.now;
        self.nas.handle_input(NasInput::Tick { now }, &mut self.world.rng);
        self.settle()
    }

    fn settle(&mut self) -> Option<Said> {
        let mut answer = None;
        loop {
            match self.nas.poll_output() {
                NasOutput::Datagram(octets) if self.reached => {
                    for octets in self.serve(&octets) {
                        let now = self.world.now;
                        let input = NasInput::Datagram { now, octets: &octets };
                        self.nas.handle_input(input, &mut self.world.rng);
                    }
                }
                NasOutput::Datagram(octets) => self.lost.push(octets),
                NasOutput::Answer { ticket, octets } => {
                    assert_eq!(ticket, 7);
                    answer = Some(said(octets));
                }
                NasOutput::Event(event) => self.nas_events.push(event),
                NasOutput::Timeout(_) => return answer,
            }
        }
    }

    /// Gives a datagram to the server; its replies.
    fn serve(&mut self, octets: &[u8]) -> Vec<Vec<u8>> {
        let (now, from) = (self.world.now, "127.0.0.1:5000".parse().unwrap());
        self.server.handle_input(Input::Datagram { now, from, octets }, &mut self.world.rng);
        let mut sent = Vec::new();
        loop {
            match self.server.poll_output() {
                Output::Datagram { octets, .. } => sent.push(octets),
                Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    self.world.asked += 1;
                    let request = hss::Request {
                        now,
                        ticket,
                        subject: hss::Subject::Imsi(imsi),
                        node: hss::Node::Aaa,
                        purpose: hss::Purpose::EapAkaPrime { network_name },
                        rand: Rand([self.world.asked; 16]),
                        resynchronisation,
                    };
                    let result = self.world.vector(request);
                    self.server.handle_input(Input::Vector { now, ticket, result }, &mut self.world.rng);
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(_) => return sent,
            }
        }
    }

    /// What the remote UE says to a packet that this relay passed on.
    fn tell(&mut self, peer: &mut RelayedPeer, relay: &str, packet: &[u8]) -> Said {
        let question = Question::ToPeer { service: SERVICE, relay: relay.as_bytes(), packet }.emit().unwrap();
        peer.handle_input(PeerInput::Question { ticket: 9, octets: &question }, &mut self.world.rng);
        let mut answer = None;
        while let Some(output) = peer.poll_output() {
            match output {
                PeerOutput::Answer { ticket: 9, octets } => answer = Some(said(octets)),
                PeerOutput::Store(_) => peer.handle_input(PeerInput::Stored, &mut self.world.rng),
                _ => {}
            }
        }
        answer.unwrap()
    }

    /// A whole conversation with a remote UE that believes to be at `believed`: what the relay and the remote UE have.
    fn run(&mut self, peer: &mut RelayedPeer, exchange: u8, (believed, remote): (&str, &str)) -> [Said; 2] {
        let mut packet = hello(0);
        loop {
            let response = match self.tell(peer, believed, &packet) {
                Said::Packet(response) => response,
                other => panic!("{other:?}"),
            };
            match self.ask(exchange, SERVICE, remote, &response).expect("an answer") {
                Said::Packet(next) => packet = next,
                Said::Keyed(kd, lifetime, success) => {
                    let of_remote = self.tell(peer, believed, &success);
                    return [Said::Keyed(kd, lifetime, success), of_remote];
                }
                other => return [other, Said::Nothing],
            }
        }
    }
}

fn remote(maker: KdMaker) -> RelayedPeer {
    RelayedPeer::new(peer(), maker, LIFETIME)
}

fn kds([relay, remote]: [Said; 2]) -> [[u8; 32]; 2] {
    let (Said::Keyed(relay, LIFETIME, _), Said::Keyed(remote, LIFETIME, _)) = (relay, remote) else {
        panic!()
    };
    [relay, remote]
}

#[test]
fn relay_and_remote_ue_have_one_kd_in_full_and_fast() {
    let (mut lab, mut peer) = (Lab::new("ruth", "ruth", KdMaker::Network), remote(KdMaker::Network));
    let [full, of_remote] = kds(lab.run(&mut peer, 1, ("ruth", "mary")));
    assert_eq!(full, of_remote);
    let [fast, of_remote] = kds(lab.run(&mut peer, 2, ("ruth", "mary")));
    assert_eq!(fast, of_remote);
    assert_ne!(full, fast);
    let how = |event: &Event| match event {
        Event::Accepted { authentication, .. } => *authentication,
        other => panic!("{other:?}"),
    };
    let how: Vec<_> = lab.events.iter().map(how).collect();
    assert_eq!((how, lab.world.asked), (vec![Authentication::Full, Authentication::Fast], 1));
}

/// T5.1-2: whoever announces another relay's name has a KD that fits nothing; in the draft it fits.
#[test]
fn a_relay_that_announces_the_name_of_another_is_found_out_by_the_kd_of_the_network_alone() {
    for (maker, fits) in [(KdMaker::Network, false), (KdMaker::Relay, true)] {
        let (mut lab, mut peer) = (Lab::new("rolf", "rolf", maker), remote(maker));
        let [relay, remote] = kds(lab.run(&mut peer, 1, ("ruth", "mary")));
        assert_eq!(relay == remote, fits, "{maker:?}");
    }
}

#[test]
fn a_relay_with_a_bound_kd_hears_nothing_of_the_msk() {
    for (maker, keys) in [(KdMaker::Network, 1), (KdMaker::Relay, 2)] {
        let (mut lab, mut peer) = (Lab::new("ruth", "ruth", maker), remote(maker));
        let Said::Packet(response) = lab.tell(&mut peer, "ruth", &hello(0)) else { panic!() };
        let Some(Said::Packet(challenge)) = lab.ask(1, SERVICE, "mary", &response) else { panic!() };
        let Said::Packet(response) = lab.tell(&mut peer, "ruth", &challenge) else { panic!() };
        lab.reached = false;
        assert_eq!(lab.ask(1, SERVICE, "mary", &response), None);
        let request = lab.lost.remove(0);
        let reply = lab.serve(&request).remove(0);
        let packet = Packet::new_checked(&reply).unwrap();
        assert_eq!(packet.code(), Code::AccessAccept);
        assert_eq!(packet.values(Attribute::VendorSpecific).count(), keys, "{maker:?}");
    }
}

/// A relay is who its secret says, not who it says; and it serves what it may.
#[test]
fn a_relay_that_may_not_ask_costs_no_vector() {
    for (known, name, service, why) in [
        ("rolf", "ruth", SERVICE, Refused::OtherRelay),
        ("rolf", "rolf", OTHER, Refused::Relay(Service(OTHER))),
        ("rogue", "rogue", SERVICE, Refused::Relay(Service(SERVICE))),
    ] {
        let (mut lab, mut peer) = (Lab::new(known, name, KdMaker::Network), remote(KdMaker::Network));
        let Said::Packet(response) = lab.tell(&mut peer, name, &hello(0)) else { panic!() };
        assert_eq!(lab.ask(1, service, "mary", &response), Some(Said::Refused));
        let from = "127.0.0.1:5000".parse().unwrap();
        assert_eq!((lab.events, lab.world.asked), (vec![Event::NotServed { from, why }], 0));
    }
}

/// T5.1-3: a subscriber who may not use the service, or takes another's name, costs one vector and gets nothing.
#[test]
fn a_remote_ue_that_may_not_is_refused_after_one_vector() {
    let (mut lab, mut peer) = (Lab::new("ruth", "ruth", KdMaker::Network), remote(KdMaker::Network));
    assert_eq!(lab.run(&mut peer, 1, ("ruth", "john"))[0], Said::Refused);
    assert_eq!(lab.events, [Event::Forbidden { imsi: imsi(), why: Refused::Name }]);
    assert_eq!(lab.world.asked, 1);
    // The failure reaches it when the relay passes it on.
    let usim = Usim::new(other_keys(), Default::default());
    let mut stranger = RelayedPeer::new(EapPeer::new(peer_config(), usim), KdMaker::Network, LIFETIME);
    assert_eq!(lab.run(&mut stranger, 2, ("ruth", "mary"))[0], Said::Refused);
    assert_eq!(lab.events[1], Event::Rejected { why: Rejection::AuthenticationReject });
    let nobody = crate::eap_peer::Config { imsi: Imsi::new("001019999999999").unwrap(), ..peer_config() };
    let nobody = EapPeer::new(nobody, Usim::new(other_keys(), Default::default()));
    let mut nobody = RelayedPeer::new(nobody, KdMaker::Network, LIFETIME);
    assert_eq!(lab.run(&mut nobody, 3, ("ruth", "mary"))[0], Said::Refused);
}

/// T5.1-8: what is said again is the same, and makes no second challenge; then it is given up.
#[test]
fn a_request_is_said_again_with_the_same_octets_and_given_up_in_the_end() {
    let (mut lab, mut peer) = (Lab::new("ruth", "ruth", KdMaker::Network), remote(KdMaker::Network));
    let Said::Packet(response) = lab.tell(&mut peer, "ruth", &hello(0)) else { panic!() };
    lab.reached = false;
    assert_eq!(lab.ask(1, SERVICE, "mary", &response), None);
    let waited: Vec<usize> = (0..29)
        .map(|_| {
            assert_eq!(lab.tick(1000), None);
            lab.lost.len()
        })
        .collect();
    // After 2, 6 and 14 s.
    assert_eq!((waited[0], waited[1], waited[5], waited[13], waited[28]), (1, 2, 3, 4, 4));
    assert!(lab.lost.iter().all(|octets| *octets == lab.lost[0]));
    let first = lab.serve(&lab.lost[0].clone());
    let again = lab.serve(&lab.lost[1].clone());
    assert_eq!((first, lab.world.asked), (again, 1));
    assert_eq!(lab.tick(1000), Some(Said::Unreachable));
    assert_eq!(lab.nas_events.last(), Some(&NasEvent::Silent));
    // Another try begins anew.
    lab.reached = true;
    let [relay, remote] = kds(lab.run(&mut peer, 2, ("ruth", "mary")));
    assert_eq!((relay, lab.world.asked), (remote, 2));
}

/// Anybody can claim a name: whoever does disturbs only its own exchange.
#[test]
fn two_exchanges_under_one_name_are_two() {
    let (mut lab, mut peer) = (Lab::new("ruth", "ruth", KdMaker::Network), remote(KdMaker::Network));
    let Said::Packet(response) = lab.tell(&mut peer, "ruth", &hello(0)) else { panic!() };
    let Some(Said::Packet(challenge)) = lab.ask(1, SERVICE, "mary", &response) else { panic!() };
    assert!(matches!(lab.ask(2, SERVICE, "mary", &response), Some(Said::Packet(_))));
    let Said::Packet(response) = lab.tell(&mut peer, "ruth", &challenge) else { panic!() };
    let Some(Said::Keyed(kd, ..)) = lab.ask(1, SERVICE, "mary", &response) else { panic!() };
    let Said::Keyed(of_remote, ..) = lab.tell(&mut peer, "ruth", &eap_success(&challenge)) else { panic!() };
    assert_eq!(kd, of_remote);
    // It is over: nothing of it serves again.
    assert_eq!(lab.ask(1, SERVICE, "mary", &response), Some(Said::Nothing));
    assert_eq!(lab.nas_events.last(), Some(&NasEvent::NotAsked { why: Wrong::Unknown }));
}

fn eap_success(request: &[u8]) -> [u8; 4] {
    crate::eap_aka::packet::success(request[1])
}

#[test]
fn a_reply_that_the_secret_does_not_prove_is_passed_over() {
    let (mut lab, mut peer) = (Lab::new("ruth", "ruth", KdMaker::Network), remote(KdMaker::Network));
    let Said::Packet(response) = lab.tell(&mut peer, "ruth", &hello(0)) else { panic!() };
    lab.reached = false;
    assert_eq!(lab.ask(1, SERVICE, "mary", &response), None);
    let request = lab.lost.remove(0);
    let reply = lab.serve(&request).remove(0);
    let now = lab.world.now;
    let other = Secret::new(b"another secret".to_vec()).unwrap();
    let authenticator = Packet::new_checked(&request).unwrap().authenticator();
    let mut forged = vec![request.clone(), reply[..30].to_vec()];
    forged.push(other.reply(Code::AccessAccept, request[1], authenticator, &Attributes::default()).unwrap());
    let of_another =
        secret().reply(Code::AccessAccept, request[1] + 1, authenticator, &Attributes::default());
    forged.push(of_another.unwrap());
    let mut altered = reply.clone();
    *altered.last_mut().unwrap() ^= 1;
    forged.push(altered);
    for octets in &forged {
        lab.nas.handle_input(NasInput::Datagram { now, octets }, &mut lab.world.rng);
        assert_eq!(lab.settle(), None);
    }
    assert_eq!(lab.nas_events.len(), forged.len());
    lab.nas.handle_input(NasInput::Datagram { now, octets: &reply }, &mut lab.world.rng);
    assert!(matches!(lab.settle(), Some(Said::Packet(_))));
}

#[test]
fn what_remote_ues_cost_is_bounded() {
    let mut lab = Lab::new("ruth", "ruth", KdMaker::Network);
    let response = [&[2, 0, 0, 21, 1, b'6'][..], imsi().digits().as_bytes()].concat();
    let with = |lab: &mut Lab, exchange| {
        let answered = lab.ask(exchange, SERVICE, "mary", &response);
        matches!(answered, Some(Said::Packet(_)))
    };
    let admitted = (0..20).filter(|n| with(&mut lab, *n)).count();
    assert_eq!((admitted, lab.world.asked), (8, 8), "as many at once as the rate allows");
    assert_eq!(lab.nas_events.last(), Some(&NasEvent::NotAsked { why: Wrong::TooOften }));
    assert_eq!(lab.ask(20, SERVICE, "mary", &response), Some(Said::Unreachable));
    lab.tick(1000);
    let admitted = (20..40).filter(|n| with(&mut lab, *n)).count();
    assert_eq!((admitted, lab.world.asked), (4, 12), "and four a second");
    // The table of exchanges, which the rate alone would fill.
    let mut full = Lab::new("ruth", "ruth", KdMaker::Network);
    full.nas = Nas::new(NasConfig { exchanges: 3, ..NasConfig::new("ruth".into(), secret()) });
    let admitted = (0..5).filter(|n| with(&mut full, *n)).count();
    assert_eq!((admitted, full.nas_events.last()), (3, Some(&NasEvent::NotAsked { why: Wrong::Busy })));
    full.tick(61_000);
    assert!(with(&mut full, 9), "exchanges end");
}

#[test]
fn what_is_no_question_of_a_relay_is_not_passed_on() {
    let mut lab = Lab::new("ruth", "ruth", KdMaker::Network);
    for (packet, why) in
        [(&[2, 0, 0, 8, 50, 1, 0, 0][..], Wrong::Unknown), (&[1, 0, 0, 5, 1], Wrong::Unknown)]
    {
        assert_eq!(lab.ask(1, SERVICE, "mary", packet), Some(Said::Nothing));
        assert_eq!(lab.nas_events.last(), Some(&NasEvent::NotAsked { why }));
    }
    assert_eq!(lab.ask(1, SERVICE, "mary", &[9]), Some(Said::Nothing));
    let question = Question::ToPeer { service: SERVICE, relay: b"ruth", packet: &[1] }.emit().unwrap();
    let now = lab.world.now;
    let input = NasInput::Question { now, ticket: 7, octets: &question };
    lab.nas.handle_input(input, &mut lab.world.rng);
    assert_eq!(lab.settle(), Some(Said::Nothing));
    assert_eq!(lab.world.asked, 0);
}

/// A server that knows nothing of relays gives the MSK: what the draft does.
#[test]
fn a_server_without_relays_gives_the_draft() {
    let (mut lab, mut peer) = (Lab::new("ruth", "ruth", KdMaker::Network), remote(KdMaker::Relay));
    let client = Client { address: [127, 0, 0, 1].into(), secret: secret(), relay: None };
    lab.server = RadiusServer::new(
        Config::new(vec![client]),
        Aaa::new(aaa::Config { result_indications: ResultIndications::Never, ..config() }),
    );
    let [relay, remote] = lab.run(&mut peer, 1, ("ruth", "mary"));
    let (Said::Keyed(relay, 3600, _), Said::Keyed(remote, ..)) = (relay, remote) else { panic!() };
    assert_eq!(relay, remote);
}

#[test]
fn time_that_passes_gives_a_tick() {
    let (mut lab, mut peer) = (Lab::new("ruth", "ruth", KdMaker::Network), remote(KdMaker::Network));
    let Said::Packet(response) = lab.tell(&mut peer, "ruth", &hello(0)) else { panic!() };
    lab.reached = false;
    lab.ask(1, SERVICE, "mary", &response);
    let NasOutput::Timeout(Some(at)) = lab.nas.poll_output() else { panic!() };
    assert_eq!(at, UtcTime::from_millis(lab.world.now.millis() + 2000));
}
