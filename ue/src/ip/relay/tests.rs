use super::*;
use crate::links::Secrecy;
use crate::refused::Refused;
use crossbeam::channel::{Receiver, Sender, bounded};
use sidelink_prose::direct_link::{Identity, LinkId, Received};
use sidelink_security::pdu::Assurance;
use sidelink_wire::ip::dhcp::{self, Kind, Message};
use sidelink_wire::ip::{Datagram, protocol};
use std::net::Ipv4Addr;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

const fn peer(number: u8) -> Layer2Id {
    Layer2Id::from_octets([0, 0, number])
}

const fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 45, 0, number + 1)
}

/// A relay without an interface of the system, and the links of its remote UEs.
struct Rig {
    relay: Relay,
    to_air: Sender<Vec<u8>>,
    to_system: Receiver<Frame>,
    ms: u64,
}

impl Rig {
    /// Makes a relay with so many remote UEs that have addresses.
    fn new(remotes: u8) -> Self {
        let (to_air, packets) = bounded(256);
        let (frames, to_system) = bounded(256);
        let space = Space { own: (OWN, 24), prefix: None, hold: 60_000 };
        let terms = Terms { lease: 3600, mtu: 1400, dns: None };
        let limits = Limits { each: 10_000, total: 15_000, mtu: 1400 };
        let relay = Relay::new(Interface::of(packets, frames), Server::new(space, terms), limits);
        let mut rig = Self { relay, to_air, to_system, ms: 1000 };
        for number in 1..=remotes {
            rig.up(number);
            let request =
                Message { requested: Some(address(number)), ..Message::new(Kind::Request, 1, [0; 3]) };
            let (from, to) = ((Ipv4Addr::UNSPECIFIED, dhcp::CLIENT), (Ipv4Addr::BROADCAST, dhcp::SERVER));
            rig.hear(number, Datagram { from, to, payload: &request.emit() }.emit().unwrap());
            let [(to, _, answer)] = &rig.work(9)[..] else { panic!("one answer") };
            let answer = Message::parse(Datagram::parse(answer).unwrap().payload).unwrap();
            assert_eq!((*to, answer.kind, answer.your), (number, Kind::Ack, address(number)));
        }
        rig
    }

    fn now(&self) -> Moment {
        Moment { t: self.ms, utc: UtcTime::from_millis(self.ms) }
    }

    fn up(&mut self, number: u8) {
        let identity = Identity::user(&format!("ue{number}"));
        let change =
            LinkChange::Up { peer: peer(number), identity, allocation: None, secrecy: Secrecy::Ciphered };
        self.relay.event(self.now(), &Event::LinkChanged(&change));
    }

    fn down(&mut self, number: u8) {
        let change = LinkChange::Down { peer: peer(number) };
        self.relay.event(self.now(), &Event::LinkChanged(&change));
    }

    /// A packet comes over a link.
    fn hear(&mut self, number: u8, data: Vec<u8>) {
        let received = Received {
            link: LinkId(u32::from(number)),
            peer: peer(number),
            lcid: Lcid::LINK_DATA,
            sdu_type: SduType::Ip,
            assurance: Assurance::Deciphered,
            data,
        };
        self.relay.event(self.now(), &Event::Link(&direct_link::Event::Received(received)));
    }

    /// A subframe in which each link takes so many packets. Returns whose they were, on which channels.
    fn work(&mut self, room: usize) -> Vec<(u8, Lcid, Vec<u8>)> {
        self.ms += 1;
        let mut sent: Vec<(u8, Lcid, Vec<u8>)> = Vec::new();
        let now = self.now();
        self.relay.work(now, &mut |out: Outgoing<'_>| {
            let Address::Ue(to) = out.address else { panic!("not for a link") };
            let number = to.octets()[2];
            if sent.iter().filter(|(known, ..)| *known == number).count() == room {
                return Err(Refused::NoLink(to));
            }
            sent.push((number, out.lcid, out.data.to_vec()));
            Ok(())
        });
        sent
    }

    fn heard_by_system(&self) -> Vec<Vec<u8>> {
        let packet = |frame| match frame {
            Frame::Packet(packet) => packet,
            other => panic!("{other:?}"),
        };
        self.to_system.try_iter().map(packet).collect()
    }
}

fn packet(from: Ipv4Addr, to: Ipv4Addr, len: usize) -> Vec<u8> {
    Datagram { from: (from, 1), to: (to, 2), payload: &vec![7; len] }.emit().unwrap()
}

#[test]
fn packets_go_to_the_link_whose_address_they_are_for() {
    let mut rig = Rig::new(3);
    for number in [2, 3, 1, 2] {
        rig.to_air.send(packet(FAR, address(number), 10)).unwrap();
    }
    let mut sent: Vec<_> =
        rig.work(9).into_iter().map(|(number, lcid, packet)| (number, lcid, packet.len())).collect();
    sent.sort_unstable_by_key(|(number, ..)| *number);
    assert_eq!(sent, [1, 2, 2, 3].map(|number| (number, Lcid::LINK_DATA, 38)));
    let status = rig.relay.ip_status().unwrap();
    assert_eq!((status.packets[0], status.octets[0]), (4 + 3, 4 * 38 + 3 * 328));
    assert_eq!((status.remotes.len(), status.free), (3, Some(250)));
}

#[test]
fn only_packets_from_an_address_of_ones_own_go_on() {
    let mut rig = Rig::new(2);
    let good = packet(address(1), FAR, 10);
    rig.hear(1, good.clone());
    for from in [address(2), OWN, FAR, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST] {
        rig.hear(1, packet(from, FAR, 10));
    }
    rig.hear(9, packet(address(1), FAR, 10));
    rig.hear(1, b"no packet".to_vec());
    assert_eq!(rig.heard_by_system(), std::slice::from_ref(&good));
    let dropped = rig.relay.ip_status().unwrap().dropped;
    assert_eq!((dropped.source, dropped.malformed), (6, 1));
    // Nor does one whose link has ended send or receive anything.
    rig.down(1);
    rig.hear(1, good);
    rig.to_air.send(packet(FAR, address(1), 10)).unwrap();
    assert_eq!(rig.work(9), []);
    let [answer] = &rig.heard_by_system()[..] else { panic!("the sender is told") };
    assert_eq!((answer[9], answer[20..22].to_vec()), (protocol::ICMP, vec![3, 1]));
}

#[test]
fn a_new_link_has_no_address_until_it_asks() {
    let mut rig = Rig::new(1);
    rig.up(2);
    rig.hear(2, packet(address(2), FAR, 10));
    rig.to_air.send(packet(FAR, address(2), 10)).unwrap();
    assert_eq!(rig.work(9), []);
    assert_eq!(rig.relay.ip_status().unwrap().dropped.source, 1);
}

#[test]
fn what_is_too_big_is_answered_and_not_sent() {
    let mut rig = Rig::new(1);
    rig.to_air.send(packet(FAR, address(1), 1400 - 28)).unwrap();
    rig.to_air.send(packet(FAR, address(1), 1401 - 28)).unwrap();
    assert_eq!(rig.work(9).len(), 1);
    let [answer] = &rig.heard_by_system()[..] else { panic!("one answer") };
    let header = Header::parse(answer).unwrap();
    assert_eq!((header.from, header.to), (address(1).into(), FAR.into()));
    assert_eq!(
        (answer[20..22].to_vec(), answer[26..28].to_vec()),
        (vec![3, 4], 1400_u16.to_be_bytes().to_vec())
    );
    assert_eq!(rig.relay.ip_status().unwrap().dropped.too_big, 1);
}

#[test]
fn answers_to_senders_are_few() {
    let mut rig = Rig::new(1);
    let round = |rig: &mut Rig| {
        for _ in 0..60 {
            rig.to_air.send(packet(FAR, address(9), 10)).unwrap();
        }
        rig.work(9);
        rig.heard_by_system().len()
    };
    assert_eq!((round(&mut rig), round(&mut rig)), (20, 0));
    rig.ms += 1000;
    assert_eq!(round(&mut rig), 20);
    assert_eq!(rig.relay.ip_status().unwrap().dropped.nobody, 180);
}

#[test]
fn packets_to_many_are_dropped_without_a_word() {
    let mut rig = Rig::new(1);
    for to in [Ipv4Addr::BROADCAST, Ipv4Addr::new(224, 0, 0, 251)] {
        rig.to_air.send(packet(FAR, to, 10)).unwrap();
    }
    assert_eq!((rig.work(9), rig.heard_by_system()), (vec![], vec![]));
}

// TS 24.334 §10.4.7.1 (1)
#[test]
fn urgent_packets_have_a_bearer_of_their_own_and_go_first() {
    let mut rig = Rig::new(1);
    for dscp in [0_u8, 8, 46] {
        let mut packet = packet(FAR, address(1), 10);
        packet[1] = dscp << 2;
        rig.to_air.send(packet).unwrap();
    }
    let lcids: Vec<_> = rig.work(9).into_iter().map(|(_, lcid, _)| lcid).collect();
    assert_eq!(lcids, [Lcid::LINK_URGENT, Lcid::LINK_DATA, Lcid::LINK_BULK]);
}

/// One remote UE whose link takes nothing does not hold up the others, and what waits is bounded.
#[test]
fn queues_are_bounded_for_each_and_for_all() {
    let mut rig = Rig::new(3);
    for number in [1, 2] {
        for _ in 0..20 {
            rig.to_air.send(packet(FAR, address(number), 1000 - 28)).unwrap();
        }
        rig.work(0);
    }
    let status = rig.relay.ip_status().unwrap();
    let queued: Vec<_> = status.remotes.iter().map(|remote| remote.queued).collect();
    assert_eq!((queued, status.dropped.queue), (vec![10_000, 5000, 0], 25));
    rig.to_air.send(packet(FAR, address(3), 1000 - 28)).unwrap();
    rig.work(0);
    assert_eq!(rig.relay.ip_status().unwrap().dropped.queue, 26, "the total is full");
    // Each gets its turn: one packet a subframe for each.
    let sent: Vec<_> = (0..2).map(|_| rig.work(1).len()).collect();
    assert_eq!(sent, [2, 2]);
    rig.to_air.send(packet(FAR, address(3), 1000 - 28)).unwrap();
    assert_eq!(rig.work(1).len(), 3);
}

#[test]
fn a_full_queue_to_the_system_is_counted() {
    let mut rig = Rig::new(1);
    for _ in 0..300 {
        rig.hear(1, packet(address(1), FAR, 1));
    }
    assert_eq!(rig.relay.ip_status().unwrap().dropped.system, 300 - 256);
}

#[test]
fn a_lease_that_is_over_lets_nothing_through() {
    let mut rig = Rig::new(1);
    rig.ms += 3600 * 1000;
    rig.work(9);
    rig.hear(1, packet(address(1), FAR, 10));
    assert_eq!((rig.heard_by_system(), rig.relay.ip_status().unwrap().dropped.source), (vec![], 1));
}

#[test]
fn answers_of_the_server_wait_for_a_link_in_small_numbers() {
    let mut rig = Rig::new(0);
    rig.up(1);
    let (from, to) = ((Ipv4Addr::UNSPECIFIED, dhcp::CLIENT), (Ipv4Addr::BROADCAST, dhcp::SERVER));
    for _ in 0..10 {
        let discover = Message::new(Kind::Discover, 1, [0; 3]).emit();
        rig.hear(1, Datagram { from, to, payload: &discover }.emit().unwrap());
    }
    assert_eq!(rig.work(99).len(), REPLIES);
}

/// Where layer 2 takes one packet a subframe in all, each remote UE gets its turn.
#[test]
fn each_has_its_turn() {
    let mut rig = Rig::new(2);
    for number in [1, 1, 2, 2] {
        rig.to_air.send(packet(FAR, address(number), 10)).unwrap();
    }
    let mut order = Vec::new();
    for _ in 0..4 {
        let (now, mut is_taken) = (rig.now(), false);
        rig.relay.work(now, &mut |out: Outgoing<'_>| {
            let id = out.address.layer2_id();
            if std::mem::replace(&mut is_taken, true) {
                return Err(Refused::NoLink(id));
            }
            order.push(id);
            Ok(())
        });
    }
    assert_ne!(order[0], order[1], "{order:?}");
    assert_ne!(order[2], order[3], "{order:?}");
}
