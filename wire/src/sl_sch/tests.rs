use proptest::prelude::*;

use super::*;

fn parse(bytes: &[u8]) -> Result<Repr<'_>, Error> {
    Packet::new_checked(bytes).and_then(|packet| Repr::parse(&packet))
}

/// Parses the structure of a PDU a second, slower way: subheaders one by one with explicit bit positions.
fn lengths(bytes: &[u8]) -> (Vec<(u8, Option<usize>)>, usize) {
    let mut at = if bytes[0] >> 4 == 3 { 7 } else { 6 };
    let mut subheaders = Vec::new();
    loop {
        let bit = |index: usize| usize::from(bytes[at + index / 8] >> (7 - index % 8) & 1);
        let number = |from: usize, to: usize| (from..to).fold(0, |sum, index| sum << 1 | bit(index));
        let (extension, lcid) = (bit(2), number(3, 8) as u8);
        if extension == 0 || lcid == 31 {
            subheaders.push((lcid, None));
            at += 1;
        } else if bit(8) == 0 {
            subheaders.push((lcid, Some(number(9, 16))));
            at += 2;
        } else {
            subheaders.push((lcid, Some(number(9, 24))));
            at += 3;
        }
        if extension == 0 {
            return (subheaders, at);
        }
    }
}

const WHOLE: Destination = Destination::Whole([0xda, 0xdb, 0xdc]);

fn emitted(repr: &Repr<'_>, len: usize) -> Vec<u8> {
    let mut out = vec![0xee; len];
    repr.emit(&mut out).unwrap();
    out
}

#[test]
// TS 36.321 §6.1.6 (1); TS 36.321 §6.2.4 E, R; TS 36.321 §6.2.4 SRC
fn header_of_a_padded_pdu() {
    let data = [0x11; 56];
    let mut repr = Repr::new([0x5a, 0x5b, 0x5c], WHOLE);
    repr.push(Sdu { lcid: 1, data: &data }).unwrap();
    let out = emitted(&repr, 85);
    assert_eq!(out[..10], [0x30, 0x5a, 0x5b, 0x5c, 0xda, 0xdb, 0xdc, 0x21, 0x38, 0x1f]);
    assert_eq!(out[10..66], data);
    assert!(out[66..].iter().all(|&octet| octet == 0));
    assert_eq!(parse(&out), Ok(repr));
}

#[test]
// TS 36.321 §6.1.6 (2); TS 36.321 §6.1.6 (3); TS 36.321 §6.2.4 F, L
fn padding_of_each_size_around_the_rules() {
    for len in [1, 127, 128, 300] {
        let data = vec![0x5a; len];
        let mut repr = Repr::new([1, 2, 3], Destination::Group([4, 5]));
        repr.push(Sdu { lcid: 3, data: &data }).unwrap();
        for padding in 0..6 {
            let out = emitted(&repr, repr.buffer_len() + padding);
            let (subheaders, end) = lengths(&out);
            let expected = match padding {
                0 => vec![(3, None)],
                1 => vec![(31, None), (3, None)],
                2 => vec![(31, None), (31, None), (3, None)],
                _ => vec![(3, Some(len)), (31, None)],
            };
            assert_eq!(subheaders, expected, "{len} octets and {padding} of padding");
            assert_eq!(out[end..end + len], data[..]);
            assert_eq!(parse(&out), Ok(repr));
        }
    }
}

#[test]
fn padding_alone_is_a_pdu() {
    let repr = Repr::new([0x77, 0x66, 0x55], Destination::Whole([0, 0, 9]));
    let out = emitted(&repr, 20);
    assert_eq!(out[..8], [0x30, 0x77, 0x66, 0x55, 0, 0, 9, 0x1f]);
    assert_eq!(parse(&out), Ok(repr));
    assert_eq!(repr.emit(&mut [0; 7]), Err(Error::BufferTooShort { needed: 8, have: 7 }));
}

#[test]
fn lengths_that_lie() {
    let lie = [0x30, 1, 2, 3, 4, 5, 6, 0x21, 5, 0x1f, 0, 0, 0, 0];
    assert_eq!(
        parse(&lie),
        Err(Error::LengthLies { what: "L of SL-SCH", stated: 5, have: 4 }),
        "five octets announced, four there"
    );
    let endless = [0x30, 1, 2, 3, 4, 5, 6, 0x21, 0];
    assert!(matches!(parse(&endless), Err(Error::Truncated { .. })));
    let cut_length = [0x30, 1, 2, 3, 4, 5, 6, 0x21, 0x80];
    assert!(matches!(parse(&cut_length), Err(Error::Truncated { what: "L of SL-SCH", .. })));
    assert!(matches!(parse(&[]), Err(Error::Truncated { .. })));
}

#[test]
// TS 36.321 §6.2.4 V (2)
fn reserved_versions_make_the_pdu_invalid() {
    for version in [0u8, 4, 8, 15] {
        let bytes = [version << 4, 1, 2, 3, 4, 5, 0x1f];
        let reserved = Error::Reserved { what: "V of SL-SCH", value: u32::from(version) };
        assert_eq!(parse(&bytes), Err(reserved));
    }
}

/// TS 36.321 §5.11, Table 6.2.4-1.
#[test]
// TS 36.321 §5.11
fn reserved_logical_channels_lose_their_own_sdu_only() {
    for lcid in 0u8..=30 {
        let bytes = [0x30, 1, 2, 3, 4, 5, 6, 0x21, 1, 0x20 | lcid, 2, 2, 0xaa, 0xbb, 0xbb, 0xcc];
        let reserved = matches!(lcid, 0 | 21..=27);
        let packet = Packet::new_checked(&bytes[..]).unwrap();
        assert_eq!(packet.reserved_lcid(), reserved.then_some(lcid));
        let repr = parse(&bytes).unwrap();
        let expected: Vec<(u8, &[u8])> = [(1, &bytes[12..13]), (lcid, &bytes[13..15]), (2, &bytes[15..])]
            .into_iter()
            .filter(|(at, _)| *at != lcid || !reserved)
            .collect();
        assert_eq!(repr.sdus().iter().map(|sdu| (sdu.lcid, sdu.data)).collect::<Vec<_>>(), expected);
        let pushed = Repr::new([1, 2, 3], WHOLE).push(Sdu { lcid, data: &[0] });
        assert_eq!(pushed.is_err(), reserved, "none is sent");
    }
}

#[test]
fn more_sdus_than_a_pdu_holds() {
    let mut bytes = vec![0x30, 1, 2, 3, 4, 5, 6];
    for _ in 0..MAX_SDUS {
        bytes.extend([0x21, 0]);
    }
    bytes.push(0x01);
    assert!(matches!(parse(&bytes), Err(Error::TooMany { .. })));
}

#[test]
fn sdu_that_no_length_can_state() {
    let mut bytes = vec![0x30, 1, 2, 3, 4, 5, 6, 0x01];
    bytes.resize(8 + MAX_SDU_LEN + 1, 0xaa);
    let oversized = Error::Oversized { what: "MAC SDU", max: MAX_SDU_LEN, have: MAX_SDU_LEN + 1 };
    assert_eq!(parse(&bytes), Err(oversized), "the bytes are to blame");
    bytes.pop();
    assert!(parse(&bytes).is_ok());
}

fn destination() -> impl Strategy<Value = Destination> {
    prop_oneof![
        any::<[u8; 2]>().prop_map(Destination::Group),
        any::<[u8; 2]>().prop_map(Destination::Ue),
        any::<[u8; 3]>().prop_map(Destination::Whole),
    ]
}

proptest! {
    #[test]
    // TS 36.321 §6.1.6 (1); TS 36.321 §6.2.4 V (1)
    fn any_sdus_come_back(
        source in any::<[u8; 3]>(),
        destination in destination(),
        sdus in prop::collection::vec((1u8..=10, prop::collection::vec(any::<u8>(), 0..200)), 0..6),
        padding in 0usize..300,
    ) {
        let mut repr = Repr::new(source, destination);
        for (lcid, data) in &sdus {
            repr.push(Sdu { lcid: *lcid, data }).unwrap();
        }
        let out = emitted(&repr, repr.buffer_len() + padding);
        prop_assert_eq!(parse(&out), Ok(repr));
    }

    #[test]
    // TS 36.321 §6.1.6 (4)
    fn any_bytes_are_judged_without_a_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        version in 0u8..5,
    ) {
        if let (Some(first), 1..) = (bytes.first_mut(), version) {
            *first = version << 4;
        }
        if let Ok(packet) = Packet::new_checked(&bytes[..]) {
            // Every announced octet lies in the buffer, in order and without overlap.
            let (subheaders, mut at) = lengths(&bytes);
            for (element, (lcid, length)) in packet.elements().zip(subheaders.iter()) {
                prop_assert_eq!(element.lcid, *lcid);
                if let Some(length) = length {
                    prop_assert_eq!(element.data, &bytes[at..at + length]);
                    at += length;
                }
            }
            prop_assert_eq!(packet.elements().count(), subheaders.len());
        }
        if let Ok(repr) = parse(&bytes) {
            let again = emitted(&repr, bytes.len().max(repr.buffer_len()));
            prop_assert_eq!(parse(&again), Ok(repr));
        }
    }
}
