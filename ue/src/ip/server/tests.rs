use super::*;
use sidelink_wire::ip::dhcp::Message;

const PEER: Layer2Id = Layer2Id::from_octets([0, 0, 0xa1]);
const OTHER: Layer2Id = Layer2Id::from_octets([0, 0, 0xb2]);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 1);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 2);

fn at(seconds: u64) -> UtcTime {
    UtcTime::from_millis(seconds * 1000)
}

fn server(bits: u8) -> Server {
    let space = Space { own: (OWN, bits), prefix: Some(("fd45::".parse().unwrap(), 56)), hold: 60_000 };
    let mut server = Server::new(space, Terms { lease: 3600, mtu: 1400, dns: Some(OWN) });
    server.link_up(at(0), PEER, &Identity::user("alice"));
    server
}

fn ask(server: &mut Server, seconds: u64, peer: Layer2Id, message: Message) -> Option<Message> {
    let from = (message.client, dhcp::CLIENT);
    let payload = message.emit();
    let packet = Datagram { from, to: (Ipv4Addr::BROADCAST, dhcp::SERVER), payload: &payload };
    let answer = server.handle(at(seconds), peer, &packet.emit().unwrap()).expect("it is for the server")?;
    let datagram = Datagram::parse(&answer).unwrap();
    assert_eq!((datagram.from, datagram.to.1), ((OWN, dhcp::SERVER), dhcp::CLIENT));
    Some(Message::parse(datagram.payload).unwrap())
}

fn message(kind: Kind) -> Message {
    Message::new(kind, 77, [1, 2, 3])
}

fn request(address: Ipv4Addr) -> Message {
    Message { requested: Some(address), ..message(Kind::Request) }
}

fn header(from: IpAddr) -> Header {
    let (IpAddr::V4(from), to) = (from, OWN) else {
        let (IpAddr::V6(from), to) = (from, LINK_LOCAL) else { unreachable!() };
        let packet = ndisc::Message::Solicitation.emit(from, to).unwrap();
        return Header::parse(&packet).unwrap();
    };
    Header::parse(&Datagram { from: (from, 1), to: (to, 2), payload: b"x" }.emit().unwrap()).unwrap()
}

// TS 24.334 §10.4.6.3 (1)
#[test]
fn an_address_in_four_messages() {
    let mut server = server(24);
    let offer = ask(&mut server, 1, PEER, message(Kind::Discover)).unwrap();
    assert_eq!((offer.kind, offer.your, offer.server), (Kind::Offer, FIRST, Some(OWN)));
    assert!(!server.is_own(PEER, &header(FIRST.into())), "not before it is requested");
    assert_eq!(server.take_news(), []);
    let ack = ask(&mut server, 2, PEER, Message { server: Some(OWN), ..request(FIRST) }).unwrap();
    assert_eq!((ack.kind, ack.your, ack.transaction, ack.hardware), (Kind::Ack, FIRST, 77, [1, 2, 3]));
    assert_eq!((ack.lease, ack.prefix, ack.router), (Some(3600), Some(24), Some(OWN)));
    assert_eq!((ack.dns, ack.mtu), (Some(OWN), Some(1400)));
    assert!(server.is_own(PEER, &header(FIRST.into())));
    assert!(!server.is_own(OTHER, &header(FIRST.into())));
    assert!(!server.is_own(PEER, &header(Ipv4Addr::new(10, 45, 0, 3).into())));
    let [IpEvent::Connected(remote)] = &server.take_news()[..] else { panic!("told once") };
    assert_eq!((remote.address, remote.since, remote.peer), (Some(FIRST), at(0), PEER));
    // A renewal is no news.
    let renew = Message { client: FIRST, ..message(Kind::Request) };
    assert_eq!(ask(&mut server, 1800, PEER, renew).unwrap().kind, Kind::Ack);
    assert_eq!(server.take_news(), []);
    server.on_time(at(1800 + 3599));
    assert_eq!(server.owner(FIRST.into()), Some(PEER));
    server.on_time(at(1800 + 3600));
    assert_eq!(server.owner(FIRST.into()), None);
    assert!(matches!(server.take_news()[..], [IpEvent::Disconnected(_)]));
}

#[test]
fn nobody_gets_the_address_of_another() {
    let mut server = server(24);
    server.link_up(at(0), OTHER, &Identity::user("bob"));
    assert_eq!(
        ask(&mut server, 1, PEER, request(FIRST)).unwrap().kind,
        Kind::Ack,
        "the first message may be a request"
    );
    assert_eq!(ask(&mut server, 1, OTHER, request(FIRST)).unwrap().kind, Kind::Nak);
    let offer =
        ask(&mut server, 1, OTHER, Message { requested: Some(FIRST), ..message(Kind::Discover) }).unwrap();
    assert_ne!(offer.your, FIRST);
    let renew = Message { client: FIRST, ..message(Kind::Request) };
    assert_eq!(ask(&mut server, 1, OTHER, renew).unwrap().kind, Kind::Nak);
    // Nor does anybody release it.
    assert_eq!(ask(&mut server, 1, OTHER, Message { client: FIRST, ..message(Kind::Release) }), None);
    assert_eq!(server.owner(FIRST.into()), Some(PEER));
    // Nor one without a link.
    let stranger = Layer2Id::from_octets([9, 9, 9]);
    assert_eq!(ask(&mut server, 1, stranger, message(Kind::Discover)), None);
}

// TS 24.334 §10.4.6.3 (2)
#[test]
fn a_place_is_free_when_its_link_ends() {
    let mut server = server(30);
    ask(&mut server, 1, PEER, request(FIRST)).unwrap();
    assert_eq!(server.free(at(1)), 0);
    server.link_up(at(2), OTHER, &Identity::user("bob"));
    assert_eq!(ask(&mut server, 2, OTHER, message(Kind::Discover)), None);
    assert_eq!(ask(&mut server, 3, OTHER, message(Kind::Discover)), None);
    let news = server.take_news();
    let told = |event: &IpEvent| matches!(event, IpEvent::Exhausted { peer, .. } if *peer == OTHER);
    assert_eq!(news.iter().filter(|event| told(event)).count(), 1, "said, and once");
    server.link_down(at(10), PEER);
    assert_eq!(server.owner(FIRST.into()), None);
    assert!(matches!(server.take_news()[..], [IpEvent::Disconnected(_)]));
    assert_eq!(ask(&mut server, 11, OTHER, message(Kind::Discover)), None, "it waits for its UE");
    assert_eq!(ask(&mut server, 70, OTHER, message(Kind::Discover)).unwrap().your, FIRST);
}

#[test]
fn a_released_address_is_told_and_waits() {
    let mut server = server(24);
    ask(&mut server, 1, PEER, request(FIRST)).unwrap();
    assert_eq!(ask(&mut server, 2, PEER, Message { client: FIRST, ..message(Kind::Release) }), None);
    assert_eq!(server.owner(FIRST.into()), None);
    assert_eq!(server.take_news().len(), 2);
    assert_eq!(ask(&mut server, 3, PEER, message(Kind::Discover)).unwrap().your, FIRST, "its own again");
}

/// The same UE under another layer-2 ID has what it had; under the old one nobody has it.
#[test]
fn a_ue_keeps_its_place_when_its_layer_2_id_changes() {
    let mut server = server(24);
    ask(&mut server, 1, PEER, request(FIRST)).unwrap();
    server.link_up(at(2), OTHER, &Identity::user("alice"));
    assert_eq!(server.owner(FIRST.into()), None);
    assert_eq!(ask(&mut server, 3, OTHER, request(FIRST)).unwrap().kind, Kind::Ack);
    assert_eq!(server.owner(FIRST.into()), Some(OTHER));
    // A prefix is nobody's before it is advertised.
    let of_place = ndisc::address([0xfd, 0x45, 0, 0, 0, 0, 0, 2], [9; 8]);
    assert_eq!(server.owner(of_place.into()), None);
    // Another UE under the old ID does not come to it.
    server.link_up(at(4), PEER, &Identity::user("mallory"));
    server.link_up(at(4), PEER, &Identity::user("mallory"));
    assert_eq!(server.remotes().len(), 2);
    server.link_up(at(4), OTHER, &Identity::user("bob"));
    assert_eq!((server.owner(FIRST.into()), server.remotes().len()), (None, 2), "one UE under one ID");
    server.link_up(at(4), OTHER, &Identity::user("alice"));
    ask(&mut server, 4, OTHER, request(FIRST)).unwrap();
    assert_eq!(ask(&mut server, 5, PEER, request(FIRST)).unwrap().kind, Kind::Nak);
}

#[test]
fn a_message_for_another_server_is_not_answered() {
    let mut server = server(24);
    let other = Message { server: Some(FIRST), ..request(FIRST) };
    assert_eq!(ask(&mut server, 1, PEER, other), None);
    for kind in [Kind::Decline, Kind::Inform] {
        assert_eq!(ask(&mut server, 1, PEER, message(kind)), None);
    }
}

// TS 24.334 §10.4.6.4 (1)
#[test]
fn a_prefix_for_each_remote_ue() {
    let mut server = server(24);
    server.link_up(at(0), OTHER, &Identity::user("bob"));
    let solicit = ndisc::Message::Solicitation.emit(Ipv6Addr::UNSPECIFIED, ndisc::ALL_ROUTERS).unwrap();
    let mut prefixes = Vec::new();
    for peer in [PEER, OTHER, PEER] {
        let answer = server.handle(at(1), peer, &solicit).unwrap().unwrap();
        let Some((from, ndisc::Message::Advertisement(a))) = ndisc::Message::parse(&answer) else { panic!() };
        assert_eq!((from, a.router, a.valid, a.mtu), (LINK_LOCAL, 3600, 3600, 1400));
        assert_eq!(Header::parse(&answer).unwrap().to, IpAddr::from(ALL_NODES));
        prefixes.push(a.prefix);
        assert_eq!(server.owner(ndisc::address(a.prefix, [9; 8]).into()), Some(peer));
        assert!(server.is_own(peer, &header(ndisc::address(a.prefix, [9; 8]).into())));
    }
    assert_eq!(prefixes[0], prefixes[2]);
    assert_ne!(prefixes[0], prefixes[1]);
    assert!(!server.is_own(OTHER, &header(ndisc::address(prefixes[0], [9; 8]).into())));
    assert_eq!(server.take_news().len(), 2);
    // The IPv4 address of the same place may end before.
    let offer = ask(&mut server, 2, PEER, message(Kind::Discover)).unwrap();
    ask(&mut server, 2, PEER, request(offer.your)).unwrap();
    server.on_time(at(2 + 3600));
    assert_eq!(server.owner(offer.your.into()), None);
    assert_eq!(server.owner(ndisc::address(prefixes[0], [9; 8]).into()), Some(PEER));
    // A remote UE that says it is a router is not passed on.
    let advertisement = Advertisement { router: 9, prefix: prefixes[0], valid: 9, mtu: 1280 };
    let rogue = ndisc::Message::Advertisement(advertisement).emit(LINK_LOCAL, ALL_NODES).unwrap();
    assert_eq!(server.handle(at(1), PEER, &rogue), Some(None));
}
