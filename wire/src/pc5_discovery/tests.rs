use proptest::prelude::*;

use super::*;

/// The bit layout of TS 24.334 §12.2.2.10, written out a second time.
fn octet(discovery: u8, content: u8, model: u8) -> u8 {
    discovery << 6 | content << 2 | model
}

#[test]
// TS 24.334 §11.2.5.1 table 2; TS 24.334 §12.2.2.10 (1); TS 24.334 §12.2.2.10 (2); TS 33.303 §6.1.3.4.3.2 step 1
fn type_octets_follow_the_bit_layout() {
    let expected = [
        (MessageType::OpenAnnouncement, octet(0b01, 0b0000, 0b01)),
        (MessageType::RestrictedAnnouncement, octet(0b10, 0b0000, 0b01)),
        (MessageType::RestrictedResponse, octet(0b10, 0b0000, 0b10)),
        (MessageType::RestrictedQuery, octet(0b10, 0b0001, 0b10)),
        (MessageType::RelayAnnouncement, octet(0b10, 0b0100, 0b01)),
        (MessageType::RelayResponse, octet(0b10, 0b0100, 0b10)),
        (MessageType::RelaySolicitation, octet(0b10, 0b0101, 0b10)),
        (MessageType::GroupMemberAnnouncement, octet(0b10, 0b0110, 0b01)),
        (MessageType::GroupMemberResponse, octet(0b10, 0b0110, 0b10)),
        (MessageType::GroupMemberSolicitation, octet(0b10, 0b0111, 0b10)),
        (MessageType::RelayAdditionalInformation, octet(0b10, 0b1000, 0b01)),
    ];
    for (message_type, octet) in expected {
        assert_eq!(message_type.octet(), octet, "{message_type:?}");
        assert!(!message_type.is_experimental());
    }
    assert_eq!(MessageType::ALL.iter().filter(|t| t.is_experimental()).count(), 5);
    for message_type in MessageType::ALL {
        assert_eq!(MessageType::from_octet(message_type.octet()), Ok(message_type));
    }
}

/// The message of some content, with a MIC of 0xaa and 0x5c for the counter.
fn emitted(content: Content) -> [u8; LEN] {
    assert_eq!(content.check(), Ok(()));
    let repr = Repr::Standard { content, mic: [0xaa; 4], utc_lsb: 0x5c };
    let mut out = [0xff; LEN];
    repr.emit(&mut out).unwrap();
    assert_eq!(Repr::parse(&Packet::new_checked(out).unwrap()), Ok(repr));
    out
}

/// Octets 1 to 29 from the fields of a table, with the spare octets behind them.
fn octets(fields: &[&[u8]]) -> [u8; LEN] {
    let mut out = [0; LEN];
    let fields = fields.concat();
    out[..fields.len()].copy_from_slice(&fields);
    out[24..].copy_from_slice(&[0xaa, 0xaa, 0xaa, 0xaa, 0x5c]);
    out
}

const SERVICE: [u8; 3] = [1, 2, 3];
const INFO: [u8; 6] = [4, 5, 6, 7, 8, 9];
const UE: [u8; 3] = [0xd, 0xe, 0xf];

/// TS 24.334 §11.2.5.1 tables 4 to 6, written out.
#[test]
// TS 24.334 §11.2.5.1 table 1; TS 24.334 §11.2.5.1 table 2; TS 24.334 §11.2.5.1 table 4; TS 24.334 §11.2.5.1 table 5
// TS 24.334 §11.2.5.1 table 6; TS 24.334 §12.1A (1); TS 24.334 §12.2.2.50; TS 24.334 §12.2.2.66; TS 24.334 §12.2.2.67
fn messages_of_relays_stand_as_the_tables_say() {
    let relay = Relay { service: SERVICE, info: INFO, relay: UE, status: Status { resources: true } };
    for (content, kind) in [(Content::RelayAnnouncement(relay), 0x91), (Content::RelayResponse(relay), 0x92)]
    {
        assert_eq!(emitted(content), octets(&[&[kind], &SERVICE, &INFO, &UE, &[0x80]]));
    }
    let full = Relay { status: Status { resources: false }, ..relay };
    assert_eq!(emitted(Content::RelayAnnouncement(full))[13], 0);
    let any = Content::RelaySolicitation { service: SERVICE, info: INFO, relay: None };
    assert_eq!(emitted(any), octets(&[&[0x96], &SERVICE, &INFO, &[0]]));
    let one = Content::RelaySolicitation { service: SERVICE, info: INFO, relay: Some(UE) };
    assert_eq!(emitted(one), octets(&[&[0x96], &SERVICE, &INFO, &[0x80], &UE]));
}

/// TS 24.334 §11.2.5.1 tables 7 to 9, written out.
#[test]
// TS 24.334 §11.2.5.1 table 7; TS 24.334 §11.2.5.1 table 8; TS 24.334 §11.2.5.1 table 9; TS 24.334 §12.2.2.55
fn messages_of_group_members_stand_as_the_tables_say() {
    let (group, info, ue) = (SERVICE, INFO, UE);
    let announcement = Content::GroupMemberAnnouncement { group, info, ue };
    assert_eq!(emitted(announcement), octets(&[&[0x99], &group, &info, &ue]));
    let response = Content::GroupMemberResponse { group, info, ue };
    assert_eq!(emitted(response), octets(&[&[0x9a], &group, &info, &ue]));
    let user = [0x21, 0x22, 0x23, 0x24, 0x25, 0x26];
    let solicitation = |target| Content::GroupMemberSolicitation { group, info, target };
    let expected = octets(&[&[0x9e], &group, &info, &[0x80], &user]);
    assert_eq!(emitted(solicitation(Target::User(user))), expected);
    let expected = octets(&[&[0x9e], &group, &info, &[0x40], &[0x31, 0x32, 0x33]]);
    assert_eq!(emitted(solicitation(Target::Group([0x31, 0x32, 0x33]))), expected);
}

/// TS 24.334 §11.2.5.1 table 10, written out: the relay stands before the information here.
#[test]
// TS 24.334 §11.2.5.1 table 10; TS 24.334 §12.2.2.57 to .59
fn additional_information_stands_as_the_table_says() {
    let information =
        |more| Content::RelayAdditionalInformation { service: SERVICE, relay: UE, info: INFO, more };
    // 262-01 in nibbles, then an ECI of seven hexadecimal digits.
    let ecgi = [0x62, 0xf2, 0x10, 0x21, 0x43, 0x65, 0x07];
    let expected = octets(&[&[0xa1], &SERVICE, &UE, &INFO, &[0x40], &ecgi]);
    assert_eq!(emitted(information(More::Ecgi(ecgi))), expected);
    let (tmgi, group) = ([0x41, 0x42, 0x43, 0x62, 0xf2, 0x10], [0x51, 0x52, 0x53]);
    let expected = octets(&[&[0xa1], &SERVICE, &UE, &INFO, &[0x80], &tmgi, &group]);
    assert_eq!(emitted(information(More::Mbms { tmgi, group })), expected);
}

/// Compositions whose two bits are equal are reserved. Protected octets have them by chance and parse; opened ones are to be
/// refused.
#[test]
// TS 24.334 §12.2.2.55; TS 24.334 §12.2.2.57 to .59
fn compositions_with_equal_bits_are_reserved() {
    for (kind, at) in [(0x9e, 10), (0xa1, 13)] {
        for composition in 0..=255u8 {
            let mut message = [0x55; LEN];
            (message[0], message[at]) = (kind, composition);
            let Ok(Repr::Standard { content, .. }) = Repr::parse(&Packet::new_checked(message).unwrap())
            else {
                panic!("{kind:#x}");
            };
            let valid = matches!(composition & 0xc0, 0x40 | 0x80);
            assert_eq!(content.check().is_ok(), valid, "{kind:#x} {composition:#x}");
            assert!(valid || content.check().unwrap_err().is_malformed());
        }
    }
}

/// TS 24.334 §12.1A: spare bits and octets are ignored.
#[test]
// TS 24.334 §12.1A (2); TS 24.334 §12.2.2.67
fn spare_bits_change_nothing() {
    // Octets that are spare, and spare bits of another octet.
    let spare = [
        (0x91u8, 14..=23usize, vec![(13usize, 0x7fu8)]),
        (0x96, 14..=23, vec![(10, 0x7f)]),
        (0x99, 13..=23, vec![]),
        (0x9a, 13..=23, vec![]),
        (0x9e, 17..=23, vec![(10, 0x3f)]),
        (0xa1, 23..=23, vec![(13, 0x3f), (20, 0xf0)]),
    ];
    for (kind, range, bits) in spare {
        let mut message = [0x11; LEN];
        message[0] = kind;
        message[if kind == 0xa1 { 13 } else { 10 }] = if kind == 0xa1 { 0x40 } else { 0x80 };
        let parsed = |message: [u8; LEN]| Repr::parse(&Packet::new_checked(message).unwrap()).unwrap();
        let plain = parsed(message);
        message[range].fill(0xee);
        for (at, mask) in bits {
            message[at] |= mask;
        }
        assert_eq!(parsed(message), plain, "{kind:#x}");
    }
}

#[test]
// TS 24.334 §11.2.5.1 table 1; TS 24.334 §9.2.1; TS 24.334 §9.2.2 (2)
fn only_29_octets_and_known_types() {
    assert!(Packet::new_checked([0x41; 28]).is_err());
    assert!(Packet::new_checked([0x41; 30]).is_err());
    let known: Vec<u8> = (0..=255)
        .filter(|&first| {
            let mut bytes = [0; LEN];
            bytes[0] = first;
            Repr::parse(&Packet::new_checked(bytes).unwrap()).is_ok()
        })
        .collect();
    let mut expected: Vec<u8> = MessageType::ALL.iter().map(|t| t.octet()).collect();
    expected.sort_unstable();
    assert_eq!(known, expected);
}

proptest! {
    #[test]
    fn any_bytes_parse_and_emit_the_same_fields(
        kind in 0..MessageType::ALL.len(),
        mut bytes in prop::collection::vec(any::<u8>(), LEN),
        known in any::<bool>(),
    ) {
        if known {
            bytes[0] = MessageType::ALL[kind].octet();
        }
        let Ok(repr) = Repr::parse(&Packet::new_checked(&bytes[..]).unwrap()) else {
            prop_assert!(!known);
            return Ok(());
        };
        let mut out = [0; LEN];
        repr.emit(&mut out).unwrap();
        prop_assert_eq!(Repr::parse(&Packet::new_checked(out).unwrap()), Ok(repr));
        // Only codes and experiments have no spare bits.
        let has_spare = !repr.message_type().is_experimental() && bytes[0] > 0x90;
        prop_assert!(has_spare || out[..] == bytes[..]);
    }

    #[test]
    fn any_length_is_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let parsed = Packet::new_checked(&bytes[..]).and_then(|packet| Repr::parse(&packet));
        prop_assert!(bytes.len() == LEN || parsed.is_err());
    }
}
