use super::*;
use crate::links::Secrecy;
use crate::refused::Refused;
use crossbeam::channel::{Receiver, Sender, bounded};
use sidelink_prose::direct_link::{Identity, LinkId, Received};
use sidelink_security::pdu::Assurance;
use sidelink_wire::ip::Datagram;
use sidelink_wire::ip::dhcp::{self, Kind, Message};
use std::net::Ipv4Addr;

const RELAY: Layer2Id = Layer2Id::from_octets([0, 0, 1]);
const OTHER: Layer2Id = Layer2Id::from_octets([0, 0, 2]);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 1);
const MINE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 2);
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

struct Rig {
    remote: Remote,
    to_air: Sender<Vec<u8>>,
    to_system: Receiver<Frame>,
    ms: u64,
}

impl Rig {
    fn new(relay: RelayOf, version: Version) -> Self {
        let (to_air, packets) = bounded(256);
        let (frames, to_system) = bounded(256);
        let config = IpConfig { version, ..IpConfig::new("relay") };
        let own = Layer2Id::from_octets([0, 0, 0xa1]);
        let remote = Remote::new(Interface::of(packets, frames), relay, own, &config);
        Self { remote, to_air, to_system, ms: 0 }
    }

    fn now(&self) -> Moment {
        Moment { t: self.ms, utc: UtcTime::from_millis(self.ms) }
    }

    fn up(&mut self, peer: Layer2Id, allocation: Option<Allocation>) {
        let identity = Identity::user("relay");
        let change = LinkChange::Up { peer, identity, allocation, secrecy: Secrecy::Ciphered };
        self.remote.event(self.now(), &Event::LinkChanged(&change));
    }

    fn down(&mut self, peer: Layer2Id) {
        self.remote.event(self.now(), &Event::LinkChanged(&LinkChange::Down { peer }));
    }

    fn hear(&mut self, peer: Layer2Id, data: Vec<u8>) {
        let (link, lcid, assurance) = (LinkId(1), Lcid::LINK_DATA, Assurance::Deciphered);
        let received = Received { link, peer, lcid, sdu_type: SduType::Ip, assurance, data };
        self.remote.event(self.now(), &Event::Link(&direct_link::Event::Received(received)));
    }

    fn work(&mut self) -> Vec<Vec<u8>> {
        self.work_with(usize::MAX)
    }

    fn work_with(&mut self, room: usize) -> Vec<Vec<u8>> {
        self.ms += 1;
        let (now, mut sent) = (self.now(), Vec::new());
        self.remote.work(now, &mut |out: Outgoing<'_>| {
            if sent.len() == room {
                return Err(Refused::NoLink(RELAY));
            }
            assert_eq!((out.address, out.sdu_type), (Address::Ue(RELAY), SduType::Ip));
            sent.push(out.data.to_vec());
            Ok(())
        });
        sent
    }

    fn frames(&self) -> Vec<Frame> {
        self.to_system.try_iter().collect()
    }

    /// Gets an address of the relay.
    fn bind(&mut self) {
        let [asked] = &self.work()[..] else { panic!("one question") };
        let mut message = Message::parse(Datagram::parse(asked).unwrap().payload).unwrap();
        for kind in [Kind::Offer, Kind::Ack] {
            let (server, mtu) = (Some(ROUTER), Some(1400));
            message =
                Message { kind, your: MINE, server, lease: Some(3600), prefix: Some(24), mtu, ..message };
            let (from, to) = ((ROUTER, dhcp::SERVER), (Ipv4Addr::BROADCAST, dhcp::CLIENT));
            self.hear(RELAY, Datagram { from, to, payload: &message.emit() }.emit().unwrap());
            self.work();
        }
        assert!(matches!(self.remote.take_news()[..], [IpEvent::Configured(_)]));
    }
}

fn packet(from: Ipv4Addr, to: Ipv4Addr, len: usize) -> Vec<u8> {
    Datagram { from: (from, 1), to: (to, 2), payload: &vec![7; len] }.emit().unwrap()
}

#[test]
fn the_interface_gets_what_the_relay_gives() {
    let mut rig = Rig::new(RelayOf::Peer(RELAY), Version::Ipv4);
    rig.up(OTHER, None);
    assert_eq!((rig.work(), rig.frames()), (vec![], vec![]), "another UE is no relay");
    rig.up(RELAY, Some(Allocation::Dhcpv4Server));
    rig.to_air.send(packet(MINE, FAR, 10)).unwrap();
    rig.bind();
    let frames = rig.frames();
    assert!(
        matches!(&frames[..], [Frame::Up, Frame::Address(lease, 1400)] if lease.address == MINE && lease.bits == 24),
        "{frames:?}"
    );
    assert_eq!(rig.remote.ip_status().unwrap().dropped.source, 1, "before it had the address");
    rig.to_air.send(packet(MINE, FAR, 10)).unwrap();
    assert_eq!(rig.work(), [packet(MINE, FAR, 10)]);
    rig.hear(RELAY, packet(FAR, MINE, 10));
    rig.hear(OTHER, packet(FAR, MINE, 11));
    assert_eq!(rig.frames(), [Frame::Packet(packet(FAR, MINE, 10))], "from the relay alone");
    rig.down(OTHER);
    assert_eq!(rig.frames(), []);
    rig.down(RELAY);
    assert_eq!(rig.frames(), [Frame::Down]);
    assert_eq!(rig.remote.ip_status().unwrap().address, Some(MINE), "it outlives the link");
}

// TS 24.334 §10.4.6.2 (1)
#[test]
fn what_a_relay_gives_decides_what_is_asked_for() {
    let asked = |version, allocation| {
        let mut rig = Rig::new(RelayOf::Any, version);
        rig.up(RELAY, allocation);
        let sent = rig.work();
        let is_v6 = |packet: &Vec<u8>| packet[0] >> 4 == 6;
        (sent.iter().any(|packet| !is_v6(packet)), sent.iter().any(is_v6))
    };
    let both = Some(Allocation::Both);
    assert_eq!(asked(Version::Ipv4, both), (true, false));
    assert_eq!(asked(Version::Ipv6, both), (false, true));
    assert_eq!(asked(Version::Both, both), (true, true));
    assert_eq!(asked(Version::Ipv4, Some(Allocation::Ipv6Router)), (false, true));
    assert_eq!(asked(Version::Ipv6, Some(Allocation::Dhcpv4Server)), (true, false));
    assert_eq!(asked(Version::Both, Some(Allocation::NotSupported)), (false, false));
    assert_eq!(asked(Version::Ipv6, None), (false, true));
}

#[test]
fn whoever_is_there_first_is_the_relay_until_its_link_ends() {
    let mut rig = Rig::new(RelayOf::Any, Version::Ipv4);
    rig.up(RELAY, None);
    rig.up(OTHER, None);
    assert_eq!(rig.work().len(), 1);
    rig.down(RELAY);
    rig.up(OTHER, None);
    assert_eq!(rig.remote.up, Some(OTHER));
}

#[test]
fn packets_from_other_addresses_and_too_big_ones_stay_here() {
    let mut rig = Rig::new(RelayOf::Any, Version::Ipv4);
    rig.up(RELAY, None);
    rig.bind();
    rig.frames();
    rig.to_air.send(packet(FAR, FAR, 10)).unwrap();
    rig.to_air.send(packet(MINE, FAR, 1401 - 28)).unwrap();
    rig.to_air.send(packet(MINE, FAR, 1400 - 28)).unwrap();
    rig.to_air.send(b"no packet".to_vec()).unwrap();
    assert_eq!(rig.work().len(), 1);
    let [Frame::Packet(answer)] = &rig.frames()[..] else { panic!("an answer about the MTU") };
    let header = Header::parse(answer).unwrap();
    assert_eq!((header.from, header.to), (FAR.into(), MINE.into()));
    assert_eq!(
        (answer[20..22].to_vec(), answer[26..28].to_vec()),
        (vec![3, 4], 1400_u16.to_be_bytes().to_vec())
    );
    let dropped = rig.remote.ip_status().unwrap().dropped;
    assert_eq!((dropped.source, dropped.too_big, dropped.malformed), (1, 1, 1));
}

#[test]
fn a_question_that_layer_2_does_not_take_is_kept() {
    let mut rig = Rig::new(RelayOf::Any, Version::Ipv4);
    rig.up(RELAY, None);
    assert_eq!(rig.work_with(0).len(), 0);
    assert_eq!((rig.work().len(), rig.work().len()), (1, 0));
}
