//! A relay that asks `hostapd` for its remote UE: our client of RADIUS, our peer behind it.
//!
//! `hostapd` knows nothing of relays: it gives the MSK in MS-MPPE keys, so that the KD is the draft's, the first half of it
//! ([`KdMaker::Relay`]). A KD that is bound to a relay comes from our own AAA server alone.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use sidelink_network::aaa::ResultIndications;
use sidelink_network::eap_aka::{Code, Type, packet};
use sidelink_network::eap_peer::{Config, EapPeer, IdentityPolicy};
use sidelink_network::radius::Secret;
use sidelink_network::radius::nas::{self, Nas};
use sidelink_network::relay_access::KdMaker;
use sidelink_network::relayed_peer::{Input, Output, RelayedPeer};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_wire::relay_keying::{Answer, Question};

use super::auc::Source;
use super::hostapd::Hostapd;
use super::{REALM, SECRET, has, imsi, keys, now, rng};

const SERVICE: [u8; 3] = [0, 0, 7];

/// What an end says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Packet(Vec<u8>),
    Keyed([u8; 32], Vec<u8>),
    Refused,
}

fn said(octets: Option<impl std::ops::Deref<Target = Vec<u8>>>) -> Said {
    match octets.as_ref().map(|octets| Answer::parse(octets).unwrap()) {
        Some(Answer::Packet(packet)) => Said::Packet(packet.to_vec()),
        Some(Answer::Keyed { kd, packet, .. }) => Said::Keyed(*kd, packet.to_vec()),
        _ => Said::Refused,
    }
}

fn remote(ahead: u64, keys: sidelink_security::cipher::milenage::Subscriber) -> RelayedPeer {
    let config = Config {
        imsi: imsi(),
        realm: REALM.into(),
        network_name: "WLAN".into(),
        pseudonym: None,
        identity_policy: IdentityPolicy::Liberal,
        result_indications: ResultIndications::Never,
    };
    let usim = Usim::new(keys, SqnArray::from_entries([ahead; 32]).unwrap());
    RelayedPeer::new(EapPeer::new(config, usim), KdMaker::Relay, 3600)
}

struct Relay {
    socket: UdpSocket,
    nas: Nas,
    exchange: u8,
}

impl Relay {
    fn new(port: u16, secret: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        // hostapd may still be starting.
        let config = nas::Config {
            again: 200,
            longest: 400,
            patience: 5_000,
            ..nas::Config::new(b"ruth".to_vec(), Secret::new(secret.into()).unwrap())
        };
        Self { socket, nas: Nas::new(config), exchange: 0 }
    }

    /// Passes a packet on; what comes back, and what happened.
    fn ask(&mut self, packet: &[u8]) -> (Said, Vec<nas::Event>) {
        let (exchange, mut rng) = ([self.exchange; 8], rng());
        let question = Question::ToServer { service: SERVICE, exchange, remote: b"mary", packet };
        let octets = question.emit().unwrap();
        self.nas.handle_input(nas::Input::Question { now: now(), ticket: 1, octets: &octets }, &mut rng);
        let (begun, mut events, mut buffer) = (Instant::now(), Vec::new(), [0; 4096]);
        while begun.elapsed() < Duration::from_secs(10) {
            match self.nas.poll_output() {
                nas::Output::Datagram(octets) => _ = self.socket.send(&octets),
                nas::Output::Answer { octets, .. } => return (said(octets), events),
                nas::Output::Event(event) => events.push(event),
                nas::Output::Timeout(_) => match self.socket.recv(&mut buffer) {
                    Ok(length) => {
                        let input = nas::Input::Datagram { now: now(), octets: &buffer[..length] };
                        self.nas.handle_input(input, &mut rng);
                    }
                    Err(_) => self.nas.handle_input(nas::Input::Tick { now: now() }, &mut rng),
                },
            }
        }
        panic!("no answer: {events:?}");
    }

    /// A whole conversation: the KDs of relay and remote UE.
    fn run(&mut self, peer: &mut RelayedPeer) -> [Said; 2] {
        self.exchange += 1;
        let mut packet = packet::emit(Code::Request, 0, Type::Identity, &[]).unwrap();
        loop {
            let Said::Packet(response) = tell(peer, &packet) else { panic!("the peer says nothing") };
            match self.ask(&response).0 {
                Said::Packet(next) => packet = next,
                Said::Keyed(kd, success) => {
                    let remote = tell(peer, &success);
                    return [Said::Keyed(kd, success), remote];
                }
                Said::Refused => return [Said::Refused, Said::Refused],
            }
        }
    }
}

fn tell(peer: &mut RelayedPeer, packet: &[u8]) -> Said {
    let question = Question::ToPeer { service: SERVICE, relay: b"ruth", packet }.emit().unwrap();
    let mut rng = rng();
    peer.handle_input(Input::Question { ticket: 1, octets: &question }, &mut rng);
    let mut answer = Said::Refused;
    while let Some(output) = peer.poll_output() {
        match output {
            Output::Store(_) => peer.handle_input(Input::Stored, &mut rng),
            Output::Answer { octets, .. } => answer = said(octets),
            _ => {}
        }
    }
    answer
}

/// In full, with a card that is ahead of the network, and fast.
#[test]
fn a_relay_and_a_remote_ue_have_one_kd_from_a_server_of_another_maker() {
    if !has("hostapd", "hostapd") {
        return;
    }
    for (ahead, expected) in [(0, 1), (700, 3)] {
        let hostapd = Hostapd::start(Source::Separated);
        let (mut relay, mut peer) = (Relay::new(hostapd.port, SECRET), remote(ahead, keys()));
        let runs = [relay.run(&mut peer), relay.run(&mut peer)];
        let (asked, log) = hostapd.stop();
        let mut kds = Vec::new();
        for run in runs {
            let [Said::Keyed(relay, _), Said::Keyed(remote, _)] = run else { panic!("{run:?}\n{log}") };
            assert_eq!(relay, remote, "{log}");
            kds.push(relay);
        }
        assert_ne!(kds[0], kds[1]);
        // One vector, or one, AUTS and another; the second time is fast.
        assert_eq!(asked.len(), expected, "{asked:?}");
    }
}

/// T5.1-3 and a wrong secret: no key, and a clean end.
#[test]
fn a_server_of_another_maker_refuses_another_card_and_another_secret() {
    if !has("hostapd", "hostapd") {
        return;
    }
    let hostapd = Hostapd::start(Source::Separated);
    let other = sidelink_security::cipher::milenage::Subscriber::with_opc([1; 16], [2; 16]);
    let mut relay = Relay::new(hostapd.port, SECRET);
    assert_eq!(relay.run(&mut remote(0, other)), [Said::Refused, Said::Refused]);
    let [Said::Keyed(..), Said::Keyed(..)] = relay.run(&mut remote(0, keys())) else { panic!() };
    let mut stranger = Relay::new(hostapd.port, "another secret");
    let packet = packet::emit(Code::Request, 0, Type::Identity, &[]).unwrap();
    let Said::Packet(response) = tell(&mut remote(0, keys()), &packet) else { panic!() };
    let (answer, events) = stranger.ask(&response);
    assert_eq!((answer, events.last()), (Said::Refused, Some(&nas::Event::Silent)));
    hostapd.stop();
}
