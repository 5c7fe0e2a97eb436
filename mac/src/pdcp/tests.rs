use std::collections::BTreeSet;

use proptest::prelude::*;
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_security::group::{GroupConfig, GroupKey};
use sidelink_security::keys::Pgk;

use super::*;

pub(crate) const NOW: UtcCounter = UtcCounter::new(1_700_000_000);
pub(crate) const EXPIRY: UtcCounter = UtcCounter::new(1_700_003_600);
const GROUP: Address = Address::Group(Layer2Id::from_octets([0x12, 0x34, 0x56]));
const ME: Layer2Id = Layer2Id::from_octets([0xab, 0xcd, 0xef]);

pub(crate) fn lcid(value: u8) -> Lcid {
    Lcid::new(value).unwrap()
}

pub(crate) fn group_config(group: Address, mac: Option<Algorithm>) -> GroupConfig {
    GroupConfig { group_id: group.layer2_id().octets(), eea: Algorithm::Aes, mac }
}

pub(crate) fn group_key(pgk_id: u8) -> GroupKey {
    let pgk = Pgk::from([pgk_id; 32]);
    GroupKey { pgk_id, pgk, valid_from: UtcCounter::new(0), expiry: EXPIRY }
}

fn transmitter(store: &mut Memory, mac: Option<Algorithm>) -> Transmitter {
    let mut sender = group::Sender::new(group_config(GROUP, mac), ME.octets());
    sender.install(group_key(33), ReserveConfig::default(), store).unwrap();
    Transmitter::new(Protection::Group(sender))
}

fn receiver(mac: Option<Algorithm>) -> Receiver {
    let mut receiver = Receiver::new(ReceiverConfig::default());
    let mut group = group::Receiver::new(group::ReceiverConfig::new(group_config(GROUP, mac)));
    group.install(group_key(33)).unwrap();
    receiver.insert_group(group);
    receiver
}

fn send(transmitter: &mut Transmitter, text: &[u8]) -> Vec<u8> {
    transmitter.emit_pdu(NOW, lcid(1), SduType::Ip, text).unwrap().to_vec()
}

#[test]
// TS 33.303 §6.2.3.3.1 step 3; TS 33.303 §6.2.3.6.2 (1); TS 36.323 §5.6.1 (2); TS 36.323 §5.6.1 (4)
// TS 36.323 §6.3.12
fn header_carries_the_count_and_the_data_is_ciphered() {
    let mut transmitter = transmitter(&mut Memory::default(), None);
    let mut receiver = receiver(None);
    for sn in 1..=3u16 {
        let pdu = send(&mut transmitter, b"to the group");
        let header = OneToManyRepr { sdu_type: SduType::Ip, pgk_index: 1, ptk_id: 1, sn };
        assert_eq!(Header::parse(GROUP, &pdu), Ok(Header::OneToMany(header)));
        assert_ne!(&pdu[HEADER_LEN..], b"to the group");
        let delivered = receiver.receive(NOW, ME, GROUP, lcid(1), &pdu).unwrap();
        assert_eq!(delivered.data, b"to the group");
        assert_eq!((delivered.assurance, delivered.pgk_id), (Assurance::Deciphered, Some(33)));
        assert_eq!(delivered.header.count(), Count::from_parts(1, sn));
    }
}

#[test]
// TS 36.323 §5.7 (3)
fn every_flipped_bit_is_caught_by_the_group_mac_and_none_without_it() {
    for mac in [None, Some(Algorithm::Aes)] {
        let pdu = send(&mut transmitter(&mut Memory::default(), mac), b"stop");
        assert_eq!(pdu.len(), HEADER_LEN + 4 + if mac.is_some() { 4 } else { 0 });
        for bit in 8 * HEADER_LEN..8 * pdu.len() {
            let mut flipped = pdu.clone();
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            let mut receiver = receiver(mac);
            let result = receiver.receive(NOW, ME, GROUP, lcid(1), &flipped);
            match mac {
                Some(_) => assert_eq!(result, Err(Error::Refused(PduRefusal::BadMac)), "bit {bit}"),
                None => assert_ne!(result.unwrap().data, b"stop", "TS 33.303 has no MAC here"),
            }
        }
    }
}

#[test]
fn what_is_dropped_and_why() {
    let mut transmitter = transmitter(&mut Memory::default(), Some(Algorithm::Snow3g));
    let mut receiver = receiver(Some(Algorithm::Snow3g));
    let pdu = send(&mut transmitter, b"once");
    let mut receive = |now, source, address, pdu: &[u8]| {
        receiver.receive(now, source, address, lcid(1), pdu).map(|delivered| delivered.data.to_vec())
    };
    assert!(receive(NOW, ME, GROUP, &pdu).is_ok());
    assert_eq!(receive(NOW, ME, GROUP, &pdu), Err(Error::Refused(PduRefusal::Replay)));
    let other = Layer2Id::from_octets([1, 2, 3]);
    assert_eq!(receive(NOW, other, GROUP, &pdu), Err(Error::Refused(PduRefusal::BadMac)), "another sender");
    let elsewhere = Address::Group(other);
    assert_eq!(receive(NOW, ME, elsewhere, &pdu), Err(Error::Refused(PduRefusal::UnknownKey)));
    let late = UtcCounter::new(EXPIRY.value() + 3600);
    assert_eq!(receive(late, ME, GROUP, &pdu), Err(Error::Refused(PduRefusal::Expired)));
    assert!(matches!(receive(NOW, ME, GROUP, &pdu[..4]), Err(Error::Malformed(_))));
    let mut reserved = pdu.clone();
    reserved[0] |= 0x80;
    assert!(matches!(
        receive(NOW, ME, GROUP, &reserved),
        Err(Error::Malformed(wire::Error::Reserved { what: "SDU Type of PDCP", value: 4 }))
    ));
    let huge = vec![0; HEADER_LEN + MAX_SDU_LEN + MAC_I_LEN + 1];
    assert!(matches!(receive(NOW, ME, GROUP, &huge), Err(Error::Malformed(wire::Error::Oversized { .. }))));
    let clear = [0, 0, 0, 0, 0, 1, 2, 3];
    assert_eq!(receive(NOW, ME, GROUP, &clear), Err(Error::Refused(PduRefusal::Unprotected)));
}

#[test]
// TS 36.323 §4.3.1
fn sender_without_a_usable_key_sends_nothing() {
    let mut store = Memory::default();
    let mut first = transmitter(&mut store, None);
    assert_eq!(first.emit_pdu(EXPIRY, lcid(1), SduType::Ip, b"x"), Err(Error::Send(SendError::NoValidKey)));
    assert_eq!(first.emit_pdu(NOW, lcid(1), SduType::Ip, b""), Err(Error::SduLen { len: 0 }));
    let long = vec![0; MAX_SDU_LEN + 1];
    assert!(matches!(first.emit_pdu(NOW, lcid(1), SduType::Ip, &long), Err(Error::SduLen { .. })));

    // All but two counters were used in earlier runs.
    let stream = first.group().unwrap().stream(&group_key(33));
    store.set(stream, (1 << 32) - 2);
    let mut last = transmitter(&mut store, None);
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        assert!(seen.insert(Header::parse(GROUP, &send(&mut last, b"x")).unwrap().count()));
    }
    let exhausted = Err(Error::Send(SendError::Exhausted { pgk_id: 33 }));
    for _ in 0..3 {
        assert_eq!(last.emit_pdu(NOW, lcid(1), SduType::Ip, b"x"), exhausted);
    }
    assert_eq!(seen.last(), Some(&Count::from_parts(0xffff, 0xffff)));
    // With a new key, sending continues.
    let group = last.group().unwrap();
    group.install(group_key(34), ReserveConfig::default(), &mut store).unwrap();
    assert!(last.emit_pdu(NOW, lcid(1), SduType::Ip, b"x").is_ok());
}

#[test]
// TS 36.323 §5.1.3 (1)
fn restart_never_repeats_a_count() {
    let mut store = Memory::default();
    let mut seen = BTreeSet::new();
    for life in 0..20 {
        let mut transmitter = transmitter(&mut store, None);
        for _ in 0..life {
            let pdu = send(&mut transmitter, b"x");
            assert!(seen.insert(Header::parse(GROUP, &pdu).unwrap().count()));
        }
    }
}

#[test]
// TS 33.185 §6.5.2 (1); TS 33.303 §6.2.3.6.2 (2); TS 36.323 §5.1.2.1.4 (1); TS 36.323 §5.1.4 (1)
// TS 36.323 §5.6.1 (5); TS 36.323 §5.6.1 (6); TS 36.323 §6.3.14
fn unprotected_data_as_v2x_sends_it() {
    let address = Address::V2x(Layer2Id::from_octets([0, 0, 1]));
    let mut transmitter = Transmitter::new(Protection::Plain(PlainSn::Zero));
    let pdu = transmitter.emit_pdu(NOW, lcid(1), SduType::NonIp, b"cam").unwrap().to_vec();
    assert_eq!(pdu, b"\x60\0\0\0\0cam");
    let mut receiver = Receiver::new(ReceiverConfig::default());
    for _ in 0..2 {
        // SN 0 keeps no state: the same PDU is delivered a second time.
        let delivered = receiver.receive(NOW, ME, address, lcid(1), &pdu).unwrap();
        assert_eq!((delivered.data, delivered.assurance), (&b"cam"[..], Assurance::Unprotected));
    }
    let strict = ReceiverConfig { accept_unprotected: false, ..ReceiverConfig::default() };
    let refused = Receiver::new(strict).receive(NOW, ME, address, lcid(1), &pdu).map(|_| ());
    assert_eq!(refused, Err(Error::Refused(PduRefusal::Unprotected)));
}

#[test]
// TS 36.323 §5.1.2.1.4.1 (1); TS 36.323 §5.6.1 (7)
fn duplicates_of_counted_unprotected_pdus_are_found_through_the_wrap() {
    let address = Address::V2x(ME);
    let mut transmitter = Transmitter::new(Protection::Plain(PlainSn::Counting(0xfff0)));
    let mut receiver = Receiver::new(ReceiverConfig::default());
    let mut sns = Vec::new();
    for _ in 0..40 {
        let pdu = transmitter.emit_pdu(NOW, lcid(1), SduType::NonIp, b"x").unwrap().to_vec();
        sns.push(Header::parse(address, &pdu).unwrap().count().sn());
        assert!(receiver.receive(NOW, ME, address, lcid(1), &pdu).is_ok());
        let copy = receiver.receive(NOW, ME, address, lcid(1), &pdu).map(|_| ());
        assert_eq!(copy, Err(Error::Refused(PduRefusal::Replay)));
    }
    let expected: Vec<u16> = (0xfff0..=0xffff).chain(1..=24).collect();
    assert_eq!(sns, expected, "SN 0 is never used");
    // Another sender has a window of its own.
    let pdu = b"\x60\0\0\0\x05x";
    assert!(receiver.receive(NOW, Layer2Id::from_octets([9; 3]), address, lcid(1), pdu).is_ok());
}

#[test]
fn senders_without_end_take_no_memory() {
    let address = Address::V2x(ME);
    let mut receiver = Receiver::new(ReceiverConfig { plain_windows: 4, ..ReceiverConfig::default() });
    for n in 0..100 {
        let source = Layer2Id::new(n).unwrap();
        assert!(receiver.receive(NOW, source, address, lcid(1), b"\x60\0\0\0\x05x").is_ok());
    }
    assert_eq!(receiver.plain.len(), 4);
    let last = Layer2Id::new(99).unwrap();
    assert!(receiver.receive(NOW, last, address, lcid(1), b"\x60\0\0\0\x05x").is_err(), "remembered");
}

#[test]
// TS 36.323 §6.2.10 (2)
fn one_to_one_needs_a_link_unless_it_is_unprotected() {
    let address = Address::Ue(ME);
    let mut receiver = Receiver::new(ReceiverConfig::default());
    let delivered = receiver.receive(NOW, ME, address, Lcid::PC5_S_UNPROTECTED, b"\x40\0\0\0\0msg").unwrap();
    assert_eq!((delivered.data, delivered.header.sdu_type()), (&b"msg"[..], SduType::Pc5Signalling));
    let protected = receiver.receive(NOW, ME, address, Lcid::PC5_S_PROTECTED, b"\x40\x12\x34\0\x01msg");
    assert_eq!(protected, Err(Error::Refused(PduRefusal::UnknownKey)));
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_a_panic(
        pdu in prop::collection::vec(any::<u8>(), 0..64),
        channel in 1u8..=10,
        kind in 0..3,
        known in any::<bool>(),
    ) {
        let id = if known { GROUP.layer2_id() } else { ME };
        let address = [Address::Group(id), Address::Ue(id), Address::V2x(id)][kind as usize];
        let mut receiver = receiver(Some(Algorithm::Aes));
        let result = receiver.receive(NOW, ME, address, lcid(channel), &pdu);
        if let Ok(delivered) = result {
            prop_assert_ne!(delivered.assurance, Assurance::Verified);
        }
    }
}

/// TS 36.323 §5.1.2.1.4.1, §7.3 with t-Reordering 0: what is behind the last SN that was delivered is late, by half of all numbers.
#[test]
// TS 36.300 §23.14.1.1 (1); TS 36.323 §5.1.4 (3)
fn late_pdus_of_counted_unprotected_data_are_dropped() {
    let address = Address::V2x(ME);
    for (first, second, expected) in [
        (1000u16, 1001u16, Ok(())),
        (1000, 999, Err(PduRefusal::Late)),
        (1000, 1000, Err(PduRefusal::Replay)),
        (1000, 1000 + 32_768, Ok(())),
        (1000, 1000 + 32_769, Err(PduRefusal::Late)),
        (65_535, 1, Ok(())),
        (1, 65_535, Err(PduRefusal::Late)),
    ] {
        let mut receiver = Receiver::new(ReceiverConfig::default());
        let mut hear = |sn: u16| {
            let [high, low] = sn.to_be_bytes();
            receiver.receive(NOW, ME, address, lcid(1), &[0x60, 0, 0, high, low, b'x']).map(|_| ())
        };
        assert_eq!(hear(first), Ok(()));
        assert_eq!(hear(second), expected.map_err(Error::Refused), "{second} after {first}");
    }
}
