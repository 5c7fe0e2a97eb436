use super::*;

fn policy(flags: TicketFlags, data: &[u8]) -> TicketPolicy<'_> {
    TicketPolicy { ticket_type: TicketType::MIKEY_BASE, prf: Prf::HmacSha256, flags, data }
}

#[test]
fn flags_demand_each_other() {
    let f = TicketFlags::NONE;
    for good in [
        TicketFlags::GPP_BASE,
        f.with(TicketFlags::L).with(TicketFlags::H),
        f.with(TicketFlags::D).with(TicketFlags::H),
        TicketFlags::GPP_BASE.with(TicketFlags::J).with(TicketFlags::K).with(TicketFlags::M),
    ] {
        assert_eq!(good.check(), Ok(()), "{:03x}", good.bits());
    }
    let all = TicketFlags::from_bits(0xfff).unwrap();
    assert_eq!(all.check(), Ok(()));
    for (lacks, rule) in [
        (TicketFlags::D.with(TicketFlags::L), "ticket flags of MIKEY without D and L"),
        (TicketFlags::F, "ticket flags of MIKEY with G without F"),
        (TicketFlags::G.with(TicketFlags::H), "ticket flags of MIKEY without G and H"),
        (TicketFlags::E, "ticket flags of MIKEY with I without E"),
        (TicketFlags::D, "ticket flags of MIKEY with K without D"),
        (TicketFlags::F.with(TicketFlags::G), "ticket flags of MIKEY with M without F"),
    ] {
        let flags = all.without(lacks);
        assert_eq!(flags.check(), Err(Error::Reserved { what: rule, value: flags.bits().into() }));
    }
    assert_eq!(TicketFlags::from_bits(0x1000), None);
    assert_eq!((TicketFlags::D.bits(), TicketFlags::O.bits()), (0x800, 1));
    assert!(all.has(TicketFlags::D.with(TicketFlags::O)) && !all.without(TicketFlags::O).has(TicketFlags::O));
}

#[test]
fn what_is_inside_a_ticket_comes_back() {
    let inside = [
        Payload::IdRole { role: IdRole::Kms, kind: IdType::Nai, data: b"kms" },
        Payload::TimestampRole { role: TimestampRole::Start, timestamp: Timestamp::NtpUtc32(5) },
        Payload::IdRole { role: IdRole::Responder, kind: IdType::Uri, data: b"b" },
    ];
    let data = emit_inner(&inside).unwrap();
    assert_eq!(
        hex::of_bytes(&data),
        "0e0d0300 00036b6d73 0e02 03 00000005 00 02 01 0001 62".replace(' ', "")
    );
    assert_eq!(inner_payloads(&data).unwrap(), inside);
    assert_eq!((inner_payloads(&[]), emit_inner(&[])), (Ok(vec![]), Ok(vec![])));
    assert_eq!(inner_payloads(&[0]), Ok(vec![]));
    assert!(matches!(inner_payloads(&[0, 1]), Err(Error::Oversized { .. })));
    assert!(matches!(inner_payloads(&[99]), Err(Error::Reserved { value: 99, .. })));

    let ticket_data = TicketData {
        header: b"issuer",
        payloads: vec![Payload::Timestamp(Timestamp::NtpUtc(7)), Payload::Rand(&[1; 16])],
    };
    let octets = ticket_data.emit().unwrap();
    assert_eq!(octets[..9], *b"\x05\0\x06issuer");
    assert_eq!(TicketData::parse(&octets), Ok(ticket_data));
    let longer = [&octets[..], &[0]].concat();
    assert!(matches!(TicketData::parse(&longer), Err(Error::Oversized { .. })));

    let ticket =
        Ticket { policy: policy(TicketFlags::GPP_BASE, &data), data: &octets, initiator_data: &[1, 2] };
    let issued = ticket.issued_octets().unwrap();
    assert_eq!(Ticket::parse_body(&[&issued[..], &[0, 2, 1, 2]].concat()), Ok(ticket));
    assert!(Ticket::parse_body(&[&issued[..], &[0, 2, 1, 2, 3]].concat()).is_err());
}

/// TP data of an independent program.
const TERMS: &str = "0e0e0301000b6b6d732e746573746265640d0101000f7369703a75653140746573746265640d0203e90000000e0303e9000e1000\
                     0201000f7369703a7565324074657374626564";

#[test]
fn terms_come_back_in_their_order_alone() {
    let data = hex::bytes(TERMS).unwrap();
    let terms = TicketTerms::parse(&data).unwrap();
    assert_eq!(terms.kms, Some((IdType::Uri, &b"kms.testbed"[..])));
    assert_eq!(terms.initiator, Some((IdType::Uri, &b"sip:ue1@testbed"[..])));
    assert_eq!(terms.start, Some(Timestamp::NtpUtc32(0xe900_0000)));
    assert_eq!(terms.end, Some(Timestamp::NtpUtc32(0xe900_0e10)));
    assert!(terms.admits(b"sip:ue2@testbed") && !terms.admits(b"sip:ue3@testbed"));
    assert_eq!(terms.emit().unwrap(), data);
    let everyone = TicketTerms { responders: vec![(IdType::Nai, ANY_RESPONDER)], ..terms.clone() };
    assert!(everyone.admits(b"sip:ue3@testbed"));
    let full = TicketTerms {
        rekeying: Some(Timestamp::NtpUtc32(3600)),
        wanted_keys: Some(&[0, 0, 0, 1, 0]),
        applications: vec![(IdType::Octets, b"IMS-MEDIASEC"), (IdType::Octets, b"x")],
        responders: vec![(IdType::Uri, b"a"), (IdType::Uri, b"b")],
        ..terms
    };
    assert_eq!(TicketTerms::parse(&full.emit().unwrap()), Ok(full.clone()));
    assert_eq!(TicketTerms::parse(&[]), Ok(TicketTerms::default()));
    let payloads = inner_payloads(&data).unwrap();
    for index in 1..payloads.len() {
        let mut swapped = payloads.clone();
        swapped.swap(index - 1, index);
        assert!(TicketTerms::parse(&emit_inner(&swapped).unwrap()).is_err(), "{index}");
    }
    let twice = [payloads[0].clone(), payloads[0].clone()];
    assert!(TicketTerms::parse(&emit_inner(&twice).unwrap()).is_err());
    let stranger = emit_inner(&[Payload::Rand(&[1])]).unwrap();
    assert_eq!(
        TicketTerms::parse(&stranger).unwrap_err(),
        Error::Reserved { what: "payload of TP data of MIKEY", value: 11 }
    );
}

#[test]
fn an_mpk_has_no_salt() {
    let mpk = KeyData { kind: KeyKind::Mpk, key: &[1; 16], salt: None, validity: Validity::Spi(&[0]) };
    let mut out = vec![0; KeyData::all_len(&[mpk])];
    KeyData::emit_all(&[mpk], &mut out).unwrap();
    assert_eq!(out[..4], [0, 0x61, 0, 16]);
    assert_eq!(KeyData::parse_all(&out), Ok(vec![mpk]));
    let salted = KeyData { salt: Some(&[1]), ..mpk };
    assert!(matches!(KeyData::emit_all(&[salted], &mut [0; 99]), Err(Error::NotCarried { .. })));
}

proptest! {
    #[test]
    fn any_ticket_comes_back(
        flags in 0_u16..0x1000, kind: u16, subtype: u8, version: u8, tp in octets(40), data in octets(40), initiator in octets(40),
    ) {
        let policy = TicketPolicy {
            ticket_type: TicketType { kind, subtype, version },
            flags: TicketFlags::from_bits(flags).unwrap(),
            ..policy(TicketFlags::NONE, &tp)
        };
        let ticket = Ticket { policy, data: &data, initiator_data: &initiator };
        let header = Header {
            data_type: DataType::TransferInit, wants_verification: true, prf: Prf::HmacSha256, csb_id: 3,
            sessions: CsIdMap::Empty,
        };
        let repr = Repr { header, payloads: vec![Payload::TicketPolicy(policy), Payload::Ticket(ticket)] };
        let octets = repr.to_octets().unwrap();
        prop_assert_eq!(parse(&octets), Ok(repr));
        let packet = Packet::new_checked(&octets[..]).unwrap();
        let range = packet.payloads().find_map(|raw| initiator_data_range(&raw)).unwrap();
        prop_assert_eq!(&octets[range.start + 2..range.end], &initiator[..]);
        let issued = ticket.issued_octets().unwrap();
        prop_assert!(octets[..range.start].ends_with(&issued));
    }
}
