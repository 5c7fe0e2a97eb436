//! Relays that ask the AAA server for their remote UEs: the KD is for one relay and one service. TR 33.833 §6.5.1.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use sidelink_network::aaa::{FirstIdentity, ResultIndications};
use sidelink_network::eap_aka::{Code as EapCode, Type, packet};
use sidelink_network::pc8::Code;
use sidelink_network::radius::nas::{self, Nas};
use sidelink_network::radius::{Client, Config};
use sidelink_network::relay_access::{self, KdMaker, RelayAccess, RelayGrant, RemoteGrant};
use sidelink_network::relayed_peer::{self, RelayedPeer};
use sidelink_security::counter::UtcTime;
use sidelink_wire::relay_keying::{Answer, Question};

use super::nas::{peer, secret, with_aaa};
use crate::common::{World, imsi};

const SERVICE: [u8; 3] = [0, 0, 7];

/// Two relays at two addresses, of which the second serves nothing.
fn world() -> World {
    World::with(2, |config| {
        let folder = config.database.file().unwrap().parent().unwrap().to_owned();
        with_aaa(config, &folder);
        let relay =
            |name: &str, services: &[Code]| RelayGrant { name: name.into(), services: services.to_vec() };
        let remote = |number, name: &str, services: &[Code]| RemoteGrant {
            imsi: imsi(number),
            name: name.into(),
            services: services.to_vec(),
        };
        let access = relay_access::Config {
            relays: vec![relay("ruth", &[Code(SERVICE)]), relay("rolf", &[])],
            remotes: vec![remote(1, "mary", &[Code(SERVICE)]), remote(2, "john", &[])],
            maker: KdMaker::Network,
            lifetime: 99,
        };
        let client = |last, name: &str| Client {
            address: [127, 0, 0, last].into(),
            secret: secret(),
            relay: Some(name.into()),
        };
        let aaa = config.aaa.as_mut().unwrap();
        aaa.aaa.first_identity = FirstIdentity::Used;
        aaa.aaa.result_indications = ResultIndications::Never;
        aaa.radius = Config {
            relays: RelayAccess::new(access),
            ..Config::new(vec![client(1, "ruth"), client(2, "rolf")])
        };
    })
}

fn now() -> UtcTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UtcTime::from_millis(since.as_millis() as u64)
}

fn random() -> u64 {
    getrandom::u64().unwrap()
}

struct Relay {
    socket: UdpSocket,
    nas: Nas,
    exchange: u8,
}

/// What the server says to a packet.
enum Said {
    Packet(Vec<u8>),
    Keyed([u8; 32], u32, Vec<u8>),
    Refused,
}

impl Relay {
    fn at(server: SocketAddr, address: &str, name: &str) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { socket, nas: Nas::new(nas::Config::new(name.into(), secret())), exchange: 0 }
    }

    fn ask(&mut self, service: [u8; 3], remote: &str, packet: &[u8]) -> Said {
        let (exchange, remote) = ([self.exchange; 8], remote.as_bytes());
        let octets = Question::ToServer { service, exchange, remote, packet }.emit().unwrap();
        let question = nas::Input::Question { now: now(), ticket: 1, octets: &octets };
        self.nas.handle_input(question, &mut random);
        let (begun, mut buffer) = (Instant::now(), [0; 4096]);
        while begun.elapsed() < Duration::from_secs(10) {
            match self.nas.poll_output() {
                nas::Output::Datagram(octets) => _ = self.socket.send(&octets),
                nas::Output::Answer { octets: Some(octets), .. } => {
                    return match Answer::parse(&octets).unwrap() {
                        Answer::Packet(packet) => Said::Packet(packet.to_vec()),
                        Answer::Keyed { kd, lifetime, packet } => Said::Keyed(*kd, lifetime, packet.to_vec()),
                        _ => Said::Refused,
                    };
                }
                nas::Output::Answer { octets: None, .. } => panic!("not asked"),
                nas::Output::Event(event) => panic!("{event:?}"),
                nas::Output::Timeout(_) => {
                    if let Ok(length) = self.socket.recv(&mut buffer) {
                        let octets = &buffer[..length];
                        self.nas.handle_input(nas::Input::Datagram { now: now(), octets }, &mut random);
                    }
                }
            }
        }
        panic!("no answer");
    }

    /// A whole conversation: what the relay has, and what the remote UE has, which believes to be at `believed`.
    fn run(
        &mut self,
        peer: &mut RelayedPeer,
        (believed, remote): (&str, &str),
    ) -> Option<([u8; 32], u32, [u8; 32])> {
        self.exchange += 1;
        let mut packet = packet::emit(EapCode::Request, 0, Type::Identity, &[]).unwrap();
        loop {
            let Said::Packet(response) = tell(peer, believed, &packet) else { panic!() };
            match self.ask(SERVICE, remote, &response) {
                Said::Packet(next) => packet = next,
                Said::Keyed(kd, lifetime, success) => {
                    let Said::Keyed(remote, ..) = tell(peer, believed, &success) else { panic!() };
                    return Some((kd, lifetime, remote));
                }
                Said::Refused => return None,
            }
        }
    }
}

fn tell(peer: &mut RelayedPeer, relay: &str, packet: &[u8]) -> Said {
    let octets = Question::ToPeer { service: SERVICE, relay: relay.as_bytes(), packet }.emit().unwrap();
    peer.handle_input(relayed_peer::Input::Question { ticket: 1, octets: &octets }, &mut random);
    let mut answer = Said::Refused;
    while let Some(output) = peer.poll_output() {
        match output {
            relayed_peer::Output::Store(_) => {
                peer.handle_input(relayed_peer::Input::Stored, &mut random);
            }
            relayed_peer::Output::Answer { octets: Some(octets), .. } => {
                answer = match Answer::parse(&octets).unwrap() {
                    Answer::Packet(packet) => Said::Packet(packet.to_vec()),
                    Answer::Keyed { kd, lifetime, .. } => Said::Keyed(*kd, lifetime, Vec::new()),
                    _ => Said::Refused,
                };
            }
            _ => {}
        }
    }
    answer
}

fn remote(number: u32) -> RelayedPeer {
    RelayedPeer::new(peer(number, 0), KdMaker::Network, 99)
}

#[test]
fn a_relay_gets_the_kd_of_its_remote_ues_and_of_nobody_else() {
    let world = world();
    let server = world.handle.radius_address().unwrap();
    let mut ruth = Relay::at(server, "127.0.0.1:0", "ruth");
    let mut mary = remote(1);
    let (relay, lifetime, own) = ruth.run(&mut mary, ("ruth", "mary")).unwrap();
    assert_eq!((relay, lifetime), (own, 99));
    // T5.1-2: who announces another name has a key that fits nothing.
    let (relay, _, own) = ruth.run(&mut mary, ("rolf", "mary")).unwrap();
    assert_ne!(relay, own);
    // A subscriber who may not, and a relay that may not.
    assert!(ruth.run(&mut remote(2), ("ruth", "john")).is_none());
    let before = world.handle.status().vectors;
    let mut rolf = Relay::at(server, "127.0.0.2:0", "rolf");
    assert!(rolf.run(&mut mary, ("rolf", "mary")).is_none());
    let mut liar = Relay::at(server, "127.0.0.2:0", "ruth");
    assert!(liar.run(&mut mary, ("ruth", "mary")).is_none());
    // What was answered is counted a moment later.
    let until = Instant::now() + Duration::from_secs(10);
    while world.handle.status().eap_rejected < 3 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = world.handle.status();
    assert_eq!((status.vectors, status.eap_full, status.eap_fast), (before, 1, 1), "{status:?}");
    assert_eq!(status.eap_rejected, 3, "{status:?}");
}
