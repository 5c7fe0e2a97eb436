use super::*;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 1);
const MINE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 2);
const BOTH: Wanted = Wanted { v4: true, v6: true };
const V4: Wanted = Wanted { v4: true, v6: false };

fn at(ms: u64) -> UtcTime {
    UtcTime::from_millis(ms)
}

/// Returns the next message of DHCP, and where it came from.
fn asked(client: &mut Client, ms: u64) -> Option<Message> {
    let packet = client.poll(at(ms))?;
    let datagram = Datagram::parse(&packet).unwrap();
    assert_eq!(datagram.to, (Ipv4Addr::BROADCAST, dhcp::SERVER));
    let message = Message::parse(datagram.payload).unwrap();
    assert_eq!(datagram.from, (message.client, dhcp::CLIENT));
    Some(message)
}

fn answer(client: &mut Client, ms: u64, message: Message) {
    let payload = message.emit();
    let packet =
        Datagram { from: (OWN, dhcp::SERVER), to: (Ipv4Addr::BROADCAST, dhcp::CLIENT), payload: &payload };
    assert_eq!(client.handle(at(ms), &packet.emit().unwrap()), Taken::Yes);
}

fn ack(asked: &Message) -> Message {
    Message {
        kind: Kind::Ack,
        your: MINE,
        server: Some(OWN),
        router: Some(OWN),
        lease: Some(100),
        prefix: Some(24),
        mtu: Some(1400),
        requested: None,
        client: Ipv4Addr::UNSPECIFIED,
        ..*asked
    }
}

fn bound() -> Client {
    let mut client = Client::new([0, 0, 0xa1]);
    client.link_up(at(0), V4);
    let discover = asked(&mut client, 0).unwrap();
    answer(&mut client, 10, Message { kind: Kind::Offer, ..ack(&discover) });
    let request = asked(&mut client, 10).unwrap();
    answer(&mut client, 20, ack(&request));
    client
}

#[test]
fn an_address_in_four_messages() {
    let mut client = Client::new([0, 0, 0xa1]);
    assert_eq!(asked(&mut client, 0), None, "there is no link");
    client.link_up(at(0), V4);
    let discover = asked(&mut client, 0).unwrap();
    assert_eq!((discover.kind, discover.requested, discover.hardware), (Kind::Discover, None, [0, 0, 0xa1]));
    assert_eq!(asked(&mut client, 999), None);
    answer(&mut client, 10, Message { kind: Kind::Offer, ..ack(&discover) });
    assert_eq!(client.address(), None);
    let request = asked(&mut client, 10).unwrap();
    assert_eq!((request.kind, request.requested, request.server), (Kind::Request, Some(MINE), Some(OWN)));
    answer(&mut client, 20, ack(&request));
    assert_eq!(client.address(), Some(MINE));
    let lease = Lease { address: MINE, bits: 24, router: OWN, dns: None, mtu: Some(1400), seconds: 100 };
    assert_eq!(client.take_news(), [IpEvent::Configured(lease)]);
    // At half of the lease it is renewed, from the address itself.
    assert_eq!(asked(&mut client, 50_019), None);
    let renew = asked(&mut client, 50_020).unwrap();
    assert_eq!((renew.kind, renew.client, renew.requested, renew.server), (Kind::Request, MINE, None, None));
    answer(&mut client, 50_100, ack(&renew));
    assert_eq!(asked(&mut client, 100_099), None);
    assert!(asked(&mut client, 100_100).is_some());
}

#[test]
fn questions_are_repeated_ever_more_slowly_and_the_operator_hears_of_it() {
    let mut client = Client::new([0, 0, 0xa1]);
    client.link_up(at(0), V4);
    let times: Vec<_> = (0..100_000).filter(|ms| client.poll(at(*ms)).is_some()).collect();
    assert_eq!(times, [0, 1000, 3000, 7000, 15_000, 31_000, 47_000, 63_000, 79_000, 95_000]);
    assert_eq!(client.take_news(), [IpEvent::NoAddress { asked: 4 }]);
}

#[test]
fn a_lost_request_begins_anew_in_the_end() {
    let mut client = Client::new([0, 0, 0xa1]);
    client.link_up(at(0), V4);
    let discover = asked(&mut client, 0).unwrap();
    answer(&mut client, 0, Message { kind: Kind::Offer, ..ack(&discover) });
    let kinds: Vec<_> = (0..16_000).filter_map(|ms| asked(&mut client, ms)).map(|m| m.kind).collect();
    assert_eq!(kinds, [Kind::Request, Kind::Request, Kind::Request, Kind::Request, Kind::Discover]);
}

#[test]
fn the_end_of_a_lease_ends_the_address() {
    let mut client = bound();
    client.take_news();
    assert!((50_020..100_020).filter(|ms| asked(&mut client, *ms).is_some()).count() > 1);
    assert_eq!(client.address(), Some(MINE));
    assert_eq!(asked(&mut client, 100_020).unwrap().kind, Kind::Discover);
    assert_eq!((client.address(), client.take_news()), (None, vec![IpEvent::Lost(MINE)]));
}

#[test]
fn the_address_outlives_its_link_and_is_asked_for_again() {
    let mut client = bound();
    assert_eq!(client.link_down(), None);
    assert_eq!((client.address(), asked(&mut client, 60_000)), (Some(MINE), None));
    client.link_up(at(60_000), V4);
    let request = asked(&mut client, 60_000).unwrap();
    assert_eq!((request.kind, request.requested, request.server), (Kind::Request, Some(MINE), None));
    answer(&mut client, 60_100, ack(&request));
    assert_eq!(client.address(), Some(MINE));
    // Another relay refuses it.
    client.link_down();
    client.link_up(at(70_000), V4);
    let request = asked(&mut client, 70_000).unwrap();
    client.take_news();
    answer(&mut client, 70_100, Message { kind: Kind::Nak, your: Ipv4Addr::UNSPECIFIED, ..ack(&request) });
    assert_eq!((client.address(), client.take_news()), (None, vec![IpEvent::Lost(MINE)]));
    assert_eq!(asked(&mut client, 70_100).unwrap().kind, Kind::Discover);
    // One that says nothing is asked for any address, after two requests.
    let mut client = bound();
    client.link_down();
    client.link_up(at(60_000), V4);
    let kinds: Vec<_> = (60_000..63_001).filter_map(|ms| asked(&mut client, ms)).map(|m| m.kind).collect();
    assert_eq!(kinds, [Kind::Request, Kind::Request, Kind::Discover]);
}

#[test]
fn answers_to_others_and_unasked_ones_change_nothing() {
    let mut client = Client::new([0, 0, 0xa1]);
    client.link_up(at(0), V4);
    let discover = asked(&mut client, 0).unwrap();
    let offer = Message { kind: Kind::Offer, ..ack(&discover) };
    for other in [
        Message { transaction: discover.transaction + 1, ..offer },
        Message { hardware: [0, 0, 0xb2], ..offer },
        Message { server: None, ..offer },
        Message { your: Ipv4Addr::UNSPECIFIED, ..offer },
        ack(&discover),
    ] {
        answer(&mut client, 1, other);
        assert_eq!(asked(&mut client, 999), None);
    }
    answer(&mut client, 999, offer);
    let request = asked(&mut client, 999).unwrap();
    answer(&mut client, 999, Message { your: OWN, ..ack(&request) });
    assert_eq!(client.address(), None, "another address than the one that was requested");
    let mut client = bound();
    let stray = Message::new(Kind::Nak, client.transaction + 1, [0, 0, 0xa1]);
    answer(&mut client, 30, Message { server: Some(OWN), ..stray });
    assert_eq!(client.address(), Some(MINE));
}

#[test]
fn a_lease_of_no_time_is_not_renewed_all_the_time() {
    let mut client = Client::new([0, 0, 0xa1]);
    client.link_up(at(0), V4);
    let discover = asked(&mut client, 0).unwrap();
    answer(&mut client, 0, Message { kind: Kind::Offer, ..ack(&discover) });
    let request = asked(&mut client, 0).unwrap();
    answer(&mut client, 0, Message { lease: Some(0), ..ack(&request) });
    assert_eq!((asked(&mut client, 4999), client.address()), (None, Some(MINE)));
    assert!(asked(&mut client, 5000).is_some());
}

#[test]
fn a_prefix_is_solicited_and_goes_to_the_system() {
    let mut client = Client::new([0, 0, 0xa1]);
    client.link_up(at(0), BOTH);
    let solicitation = client.poll(at(0)).unwrap();
    assert_eq!(
        ndisc::Message::parse(&solicitation),
        Some((Ipv6Addr::UNSPECIFIED, ndisc::Message::Solicitation))
    );
    assert_eq!(asked(&mut client, 0).unwrap().kind, Kind::Discover);
    assert_eq!(
        ndisc::Message::parse(&client.poll(at(1000)).unwrap()).map(|m| m.1),
        Some(ndisc::Message::Solicitation)
    );
    let advertisement =
        Advertisement { router: 100, prefix: [0xfd, 0x45, 0, 0, 0, 0, 0, 2], valid: 100, mtu: 1400 };
    let (from, to) = (super::super::server::LINK_LOCAL, super::super::server::ALL_NODES);
    let packet = ndisc::Message::Advertisement(advertisement).emit(from, to).unwrap();
    assert_eq!(client.handle(at(1100), &packet), Taken::No, "the system makes its address of it");
    assert_eq!(client.handle(at(1100), &packet), Taken::No);
    assert_eq!(client.take_news(), [IpEvent::Advertised { prefix: advertisement.prefix, mtu: 1400 }]);
    assert_eq!(client.prefix(), Some(advertisement.prefix));
    client.state = State::Idle;
    assert_eq!(client.poll(at(90_000)), None, "no more solicitations");
    // When the link ends the system hears that there is no router any more.
    let over = client.link_down().unwrap();
    let Some((_, ndisc::Message::Advertisement(over))) = ndisc::Message::parse(&over) else { panic!() };
    assert_eq!(over, Advertisement { router: 0, ..advertisement });
    assert_eq!(client.prefix(), None);
}

#[test]
fn other_packets_are_the_systems() {
    let mut client = bound();
    let datagram = Datagram { from: (OWN, 53), to: (MINE, 5000), payload: b"x" }.emit().unwrap();
    assert_eq!(client.handle(at(0), &datagram), Taken::No);
    assert_eq!(client.handle(at(0), b"no packet"), Taken::No);
}
