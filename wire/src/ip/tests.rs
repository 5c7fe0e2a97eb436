use super::dhcp::{Kind, Message};
use super::icmp::Reason;
use super::ndisc::{self, ALL_ROUTERS, Advertisement};
use super::*;
use proptest::prelude::*;

const HERE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const HOST: Ipv6Addr = Ipv6Addr::new(0xfd45, 0, 0, 1, 0, 0, 0, 9);

fn datagram(payload: &[u8]) -> Vec<u8> {
    Datagram { from: (THERE, 5000), to: (HERE, 53), payload }.emit().unwrap()
}

/// A packet of IPv6 with UDP, as the text of RFC 8200 has it.
fn packet_v6(len: usize) -> Vec<u8> {
    let mut packet = vec![0x6b, 0x80, 0, 0];
    packet.extend_from_slice(&(len as u16).to_be_bytes());
    packet.extend_from_slice(&[protocol::UDP, 64]);
    packet.extend_from_slice(&HOST.octets());
    packet.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
    packet.resize(IPV6_HEADER + len, 1);
    packet
}

#[test]
fn the_fields_that_a_relay_reads() {
    let mut packet = datagram(b"hello");
    packet[1] = 46 << 2 | 1;
    let header = Header::parse(&packet).unwrap();
    assert_eq!((header.from, header.to), (THERE.into(), HERE.into()));
    assert_eq!((header.dscp, header.protocol, header.len), (46, protocol::UDP, 33));
    assert_eq!(header.fragment, Fragment::Whole);
    for (flags, fragment) in [(0x2000_u16, Fragment::First), (0x2001, Fragment::Later), (1, Fragment::Later)]
    {
        packet[6..8].copy_from_slice(&flags.to_be_bytes());
        let header = Header::parse(&packet).unwrap();
        assert_eq!(header.fragment, fragment);
        assert_eq!(Datagram::parse(&packet), None, "a piece");
    }
    let header = Header::parse(&packet_v6(30)).unwrap();
    assert_eq!((header.from, header.to), (HOST.into(), Ipv6Addr::LOCALHOST.into()));
    assert_eq!((header.dscp, header.protocol, header.len), (46, protocol::UDP, 70));
}

#[test]
fn lengths_that_lie_are_refused() {
    for good in [datagram(b"hello"), packet_v6(9)] {
        for len in 0..good.len() {
            assert!(Header::parse(&good[..len]).is_err(), "{len}");
        }
        assert!(Header::parse(&[&good[..], &[0]].concat()).is_err(), "an octet behind it");
    }
    let mut short = datagram(b"hello");
    short[0] = 0x44;
    assert!(Header::parse(&short).is_err());
    short[0] = 0x4f;
    assert!(Header::parse(&short).is_err(), "options that are not there");
    short[0] = 0x55;
    assert!(Header::parse(&short).is_err());
    let mut lies = datagram(b"hello");
    lies[24..26].copy_from_slice(&14_u16.to_be_bytes());
    assert_eq!(Datagram::parse(&lies), None);
    lies[24..26].copy_from_slice(&7_u16.to_be_bytes());
    assert_eq!(Datagram::parse(&lies), None);
}

#[test]
fn datagrams_come_back_and_their_headers_sum_up() {
    for payload in [&b""[..], b"x", &[7; 1472]] {
        let packet = datagram(payload);
        let parsed = Datagram::parse(&packet).unwrap();
        assert_eq!(parsed, Datagram { from: (THERE, 5000), to: (HERE, 53), payload });
        assert_eq!(checksum(&[&packet[..20]]), 0);
    }
    assert_eq!(Datagram { from: (HERE, 1), to: (HERE, 1), payload: &[0; 65536] }.emit(), None);
}

/// The example of RFC 1071 §3.
#[test]
fn the_checksum_of_the_rfc() {
    assert_eq!(checksum(&[&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
    assert_eq!(checksum(&[&[0, 1], &[0xf2]]), !0xf201);
}

#[test]
fn what_is_too_big_is_answered_with_the_mtu() {
    let packet = datagram(&[1; 1500]);
    let answer = Reason::TooBig { mtu: 1400 }.answer(&packet).unwrap();
    let header = Header::parse(&answer).unwrap();
    assert_eq!((header.from, header.to, header.protocol), (HERE.into(), THERE.into(), protocol::ICMP));
    assert_eq!(answer[20..22], [3, 4]);
    assert_eq!(answer[26..28], 1400_u16.to_be_bytes());
    assert_eq!(answer[28..], packet[..548], "the packet is quoted as it was");
    assert_eq!((checksum(&[&answer[..20]]), checksum(&[&answer[20..]])), (0, 0));
    let packet = packet_v6(2000);
    let answer = Reason::TooBig { mtu: 1400 }.answer(&packet).unwrap();
    assert_eq!(answer.len(), IPV6_LEAST_MTU);
    assert_eq!((answer[40], u32::from_be_bytes([answer[44], answer[45], answer[46], answer[47]])), (2, 1400));
    assert!(is_sound_icmpv6(&answer));
    assert_eq!(Header::parse(&answer).unwrap().to, IpAddr::from(HOST));
}

#[test]
fn nobody_has_the_address() {
    let answer = Reason::NoSuchHost.answer(&datagram(b"x")).unwrap();
    assert_eq!(answer[20..22], [3, 1]);
    let answer = Reason::NoSuchHost.answer(&packet_v6(1)).unwrap();
    assert_eq!(answer[40..42], [1, 3]);
}

/// Otherwise two routers could answer one another for ever, or one packet make many.
#[test]
fn no_answer_to_errors_to_many_and_to_pieces() {
    let none = |packet: &[u8]| assert_eq!(Reason::NoSuchHost.answer(packet), None);
    none(&Reason::NoSuchHost.answer(&datagram(b"x")).unwrap());
    none(&Reason::NoSuchHost.answer(&packet_v6(1)).unwrap());
    for (at, address) in [(12, [0; 4]), (12, [255; 4]), (16, [224, 0, 0, 1]), (16, [255; 4])] {
        let mut packet = datagram(b"x");
        packet[at..at + 4].copy_from_slice(&address);
        none(&packet);
    }
    for (at, address) in [(8, Ipv6Addr::UNSPECIFIED), (24, ALL_ROUTERS)] {
        let mut packet = packet_v6(1);
        packet[at..at + 16].copy_from_slice(&address.octets());
        none(&packet);
    }
    let mut piece = datagram(b"x");
    piece[7] = 1;
    none(&piece);
    // An echo is no error.
    let mut echo = datagram(b"x");
    (echo[9], echo[20]) = (protocol::ICMP, 8);
    assert!(Reason::NoSuchHost.answer(&echo).is_some());
}

fn message(kind: Kind) -> Message {
    Message {
        client: HERE,
        your: THERE,
        requested: Some(THERE),
        server: Some(HERE),
        lease: Some(3600),
        prefix: Some(24),
        router: Some(HERE),
        dns: Some(THERE),
        mtu: Some(1400),
        ..Message::new(kind, 0x1234_5678, [0, 0, 0xa1])
    }
}

#[test]
fn messages_of_dhcp_come_back() {
    for kind in
        [Kind::Discover, Kind::Offer, Kind::Request, Kind::Decline, Kind::Ack, Kind::Nak, Kind::Release]
    {
        for message in [message(kind), Message::new(kind, 7, [1, 2, 3])] {
            let bytes = message.emit();
            assert!(bytes.len() >= 300);
            assert_eq!(Message::parse(&bytes), Some(message));
        }
    }
    // A server that speaks as a client.
    let mut bytes = message(Kind::Offer).emit();
    bytes[0] = 1;
    assert_eq!(Message::parse(&bytes), None);
    // No cookie, no kind, and a mask with a hole.
    let mut bytes = message(Kind::Offer).emit();
    bytes[236] = 0;
    assert_eq!(Message::parse(&bytes), None);
    let mut bytes = message(Kind::Offer).emit();
    bytes[240] = 250;
    assert_eq!(Message::parse(&bytes), None);
    let mut bytes = message(Kind::Offer).emit();
    bytes[246] = 0;
    assert_eq!(Message::parse(&bytes), None);
    for bits in 0..=32 {
        let message = Message { prefix: Some(bits), ..message(Kind::Ack) };
        assert_eq!(Message::parse(&message.emit()), Some(message));
    }
}

/// The options as Debian's dhclient writes a request: those that are not known are passed over.
#[test]
fn other_options_are_passed_over() {
    let mut bytes = message(Kind::Request).emit();
    let end = bytes.iter().rposition(|octet| *octet == 255).unwrap();
    bytes.truncate(end);
    bytes.extend_from_slice(&[0, 0, 12, 2, b'u', b'e', 55, 3, 1, 28, 2, 255]);
    assert_eq!(Message::parse(&bytes), Some(message(Kind::Request)));
    bytes.truncate(bytes.len() - 3);
    assert_eq!(Message::parse(&bytes), None, "an option that ends too early");
}

fn advertisement() -> Advertisement {
    Advertisement { router: 1800, prefix: [0xfd, 0x45, 0, 0, 0, 0, 0, 3], valid: 7200, mtu: 1400 }
}

#[test]
fn messages_of_routers_come_back() {
    let (router, host) = (ROUTER, HOST);
    let advertised = ndisc::Message::Advertisement(advertisement());
    for (from, to, message) in [(host, ALL_ROUTERS, ndisc::Message::Solicitation), (router, host, advertised)]
    {
        let packet = message.emit(from, to).unwrap();
        assert_eq!(ndisc::Message::parse(&packet), Some((from, message)));
        for at in 0..packet.len() {
            let mut other = packet.clone();
            other[at] ^= 1;
            // The flow label and the traffic class are under no checksum.
            if !(0..4).contains(&at) {
                assert_eq!(ndisc::Message::parse(&other), None, "octet {at} is another");
            }
        }
    }
    // One that came through a router is nobody's on this link.
    let mut far = advertised.emit(router, host).unwrap();
    far[7] = 254;
    assert_eq!(ndisc::Message::parse(&far), None);
}

#[test]
fn a_prefix_that_makes_no_addresses_is_none() {
    let advertised = ndisc::Message::Advertisement(advertisement()).emit(ROUTER, HOST).unwrap();
    let with = |at: usize, value: u8| {
        let mut body = advertised[IPV6_HEADER..].to_vec();
        body[at] = value;
        icmpv6(ROUTER, HOST, 255, body).unwrap()
    };
    assert!(ndisc::Message::parse(&with(16, 3)).is_some());
    assert_eq!(ndisc::Message::parse(&with(18, 48)), None, "not of 64 bits");
    assert_eq!(ndisc::Message::parse(&with(19, 0)), None, "not for addresses");
    assert_eq!(ndisc::Message::parse(&with(17, 0)), None, "an option without a length");
    assert_eq!(ndisc::Message::parse(&with(17, 200)), None, "an option that is longer than the message");
}

#[test]
fn an_address_has_its_prefix() {
    let address = ndisc::address([0xfd, 0x45, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!((address, ndisc::prefix_of(address)), (HOST, [0xfd, 0x45, 0, 0, 0, 0, 0, 1]));
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400), version in prop_oneof![Just(4_u8), Just(6)]) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = version << 4 | (*first & 0xf);
        }
        if bytes.len() >= 6 {
            let (at, len) = if version == 4 { (2, bytes.len()) } else { (4, bytes.len().saturating_sub(40)) };
            bytes[at..at + 2].copy_from_slice(&(len as u16).to_be_bytes());
        }
        let _ = (Header::parse(&bytes), Datagram::parse(&bytes), ndisc::Message::parse(&bytes));
        if let Some(answer) = Reason::NoSuchHost.answer(&bytes) {
            prop_assert!(Header::parse(&answer).is_ok());
        }
        let mut message = message(Kind::Discover).emit();
        message.truncate(240);
        message.extend_from_slice(&bytes);
        let _ = (Message::parse(&message), Message::parse(&bytes));
    }
}
