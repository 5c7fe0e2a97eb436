use proptest::prelude::*;

use super::*;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::{Layer2Id, Lcid};

const NOW: UtcTime = UtcTime::from_millis(1_000_000);

fn key(lcid: u8) -> Key {
    Key {
        source: Layer2Id::new(0x5a_5b5c).unwrap(),
        destination: Layer2Id::new(1).unwrap(),
        lcid: Lcid::new(lcid).unwrap(),
        window: Window::None,
    }
}

fn receive(receiver: &mut Receiver, pdu: &[u8]) -> Vec<Vec<u8>> {
    let mut sdus = Vec::new();
    receiver.receive(key(1), NOW, pdu, |sdu| sdus.push(sdu.to_vec())).unwrap();
    sdus
}

fn pdu(transmitter: &mut Transmitter, room: usize) -> Vec<u8> {
    let mut out = vec![0xee; room];
    let len = transmitter.emit_pdu(&mut out);
    assert!(out[len..].iter().all(|&octet| octet == 0xee), "octets behind the PDU are untouched");
    out.truncate(len);
    out
}

#[test]
// TS 36.321 §5.14.1.3.1 (3); TS 36.322 §5.1.2.1.1; TS 36.322 §5.1.2.2.3 (1)
fn two_segments_make_one_sdu() {
    let sdu: Vec<u8> = (0..=255).chain(0..=36).collect();
    let mut transmitter = Transmitter::new(1000, 4);
    transmitter.sn = 6;
    transmitter.push(&sdu).unwrap();
    let first = pdu(&mut transmitter, 193);
    let second = pdu(&mut transmitter, 193);
    assert_eq!((first[0], first.len()), (0x46, 193), "FI 01, SN 6");
    assert_eq!((second[0], second.len()), (0x87, 102), "FI 10, SN 7");
    assert_eq!(transmitter.queued(), 0);

    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert!(receive(&mut receiver, &first).is_empty());
    assert_eq!(receive(&mut receiver, &second), [sdu]);
    let expected = ReceiverCounters { pdus: 2, sdus: 1, ..ReceiverCounters::default() };
    assert_eq!(*receiver.counters(), expected);
}

#[test]
// TS 36.321 §5.14.1.3.1 (3)
fn small_sdus_are_concatenated() {
    let mut transmitter = Transmitter::new(100, 8);
    for sdu in [&b"one"[..], b"three", b"seven"] {
        transmitter.push(sdu).unwrap();
    }
    let out = pdu(&mut transmitter, 100);
    assert_eq!(out.len(), 1 + 3 + 13);
    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert_eq!(receive(&mut receiver, &out), [&b"one"[..], b"three", b"seven"]);
}

#[test]
// TS 36.322 §7.1 VT(US)
fn no_room_builds_nothing_and_loses_nothing() {
    let mut transmitter = Transmitter::new(100, 8);
    transmitter.push(b"abc").unwrap();
    assert_eq!(transmitter.emit_pdu(&mut []), 0);
    assert_eq!(transmitter.emit_pdu(&mut [0]), 0);
    assert_eq!((transmitter.queued(), transmitter.sn), (3, 0));
    assert_eq!(pdu(&mut transmitter, 2), [0x40, b'a']);
}

#[test]
// TS 36.322 §6.2.2.2 (2)
fn element_that_no_length_indicator_can_state_ends_the_pdu() {
    let mut transmitter = Transmitter::new(9000, 8);
    transmitter.push(&[1; MAX_LI + 1]).unwrap();
    transmitter.push(&[2; 10]).unwrap();
    let first = pdu(&mut transmitter, 4000);
    assert_eq!(first.len(), 1 + MAX_LI + 1);
    assert_eq!(pdu(&mut transmitter, 4000).len(), 11);
}

#[test]
fn queue_says_when_it_is_full() {
    let mut transmitter = Transmitter::new(10, 2);
    assert_eq!(transmitter.push(&[]), Err(Error::EmptySdu));
    assert_eq!(transmitter.push(&[0; MAX_SDU_LEN + 1]), Err(Error::SduTooLong { len: MAX_SDU_LEN + 1 }));
    transmitter.push(&[0; 5]).unwrap();
    transmitter.push(&[0; 1]).unwrap();
    assert!(matches!(transmitter.push(&[0; 1]), Err(Error::QueueFull { queued: 6, .. })));
}

#[test]
// TS 36.322 §4.2.1.2.3 (2)
fn lost_segment_loses_one_sdu_and_no_more() {
    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert!(receive(&mut receiver, &[0x40, 1]).is_empty());
    // SN 1 is lost; SN 2 ends the SDU and brings a whole one.
    assert_eq!(receive(&mut receiver, &[0xa2, 0x00, 0x10, 9, 7]), [[7]]);
    assert_eq!((receiver.counters().lost_pdus, receiver.counters().lost_sdus), (1, 1));
    // SN 3 follows: whole.
    assert_eq!(receive(&mut receiver, &[0x03, 5]), [[5]]);
}

#[test]
// TS 36.300 §23.10.2.1 (2); TS 36.322 §7.1 VR(UR), VR(UH)
fn first_heard_in_mid_stream() {
    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert!(receive(&mut receiver, &[0x80 | 17, 1]).is_empty(), "the tail of an SDU");
    assert_eq!(receiver.counters().lost_pdus, 0, "the first SN starts the count");
    assert_eq!(receiver.counters().lost_sdus, 1);
    assert_eq!(receive(&mut receiver, &[18, 2]), [[2]]);
}

#[test]
// TS 36.322 §4.2.1.2.3 (2)
fn beginning_that_is_never_continued() {
    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert!(receive(&mut receiver, &[0x40, 1]).is_empty());
    assert_eq!(receive(&mut receiver, &[0x01, 2]), [[2]]);
    assert_eq!(receiver.counters().lost_sdus, 1);
}

#[test]
// TS 36.322 §5.1.2.2.1; TS 36.322 §5.1.2.2.2 (1); TS 36.322 §7.2 (1)
fn repeated_pdu_is_counted() {
    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert_eq!(receive(&mut receiver, &[0x05, 1]), [[1]]);
    assert_eq!(receive(&mut receiver, &[0x05, 1]), [[1]]);
    assert_eq!((receiver.counters().repeated_pdus, receiver.counters().lost_pdus), (1, 0));
}

/// TS 36.322 §6.2.1.3: the number of elements has no limit but the size of the PDU.
#[test]
// TS 36.322 §6.2.1.3 (3)
fn any_number_of_elements() {
    let octets = [7; 100];
    let mut pdu = vec![0; 1 + 99 * 3 / 2 + 1 + 100];
    let lengths = [1usize; 100];
    wire::rlc_um::emit_header(FramingInfo::default(), 0, lengths.into_iter(), &mut pdu).unwrap();
    pdu.truncate(wire::rlc_um::header_len(100));
    pdu.extend(octets);
    let mut receiver = Receiver::new(ReceiverConfig::default());
    assert_eq!(receive(&mut receiver, &pdu), vec![vec![7]; 100]);
    // An element without octets is reserved, wherever it is.
    let mut empty = Receiver::new(ReceiverConfig::default());
    assert!(empty.receive(key(1), NOW, &[0x20, 0, 0, 1], |_| {}).is_err());
    assert!(empty.receive(key(1), NOW, &[0x00], |_| {}).is_err());
    assert_eq!(empty.counters().malformed, 2);
}

/// TS 36.322 §7.2: PDUs of V2X are put in order, and an SDU of which a segment was late is whole; in modes 1 and 2 a PDU is
/// taken apart when it comes.
#[test]
// TS 36.322 §4.2.1.2.3 (1)
fn v2x_has_a_window_and_sidelink_communication_has_none() {
    let pdus: [&[u8]; 4] = [&[0x40, 1], &[0x82, 3], &[0xc1, 2], &[0xc1, 2]];
    for (window, expected) in [(Window::None, vec![]), (Window::Sixteen, vec![vec![1, 2, 3]])] {
        let mut receiver = Receiver::new(ReceiverConfig::default());
        let key = Key { window, ..key(1) };
        let mut sdus = Vec::new();
        for pdu in pdus {
            receiver.receive(key, NOW, pdu, |sdu| sdus.push(sdu.to_vec())).unwrap();
        }
        assert_eq!(sdus, expected, "{window:?}");
        let (lost, discarded) = (receiver.counters().lost_sdus, receiver.counters().discarded_pdus);
        assert_eq!((lost > 0, discarded), (window == Window::None, u64::from(window == Window::Sixteen)));
    }
}

#[test]
fn what_v2x_waits_for_in_vain_is_lost_in_time() {
    let mut receiver = Receiver::new(ReceiverConfig { entities: 1, max_sdu_len: 100 });
    let v2x = Key { window: Window::Sixteen, ..key(1) };
    let mut sdus = Vec::new();
    for pdu in [[0, 1], [2, 3]] {
        receiver.receive(v2x, NOW, &pdu, |sdu| sdus.push(sdu.to_vec())).unwrap();
    }
    assert_eq!(sdus, [[1]]);
    let expiry = receiver.next_timeout().unwrap();
    receiver.tick(expiry.minus_millis(1), |_, _| panic!("too early"));
    receiver.tick(expiry, |key, sdu| {
        assert_eq!(key, v2x);
        sdus.push(sdu.to_vec());
    });
    assert_eq!(sdus, [[1], [3]]);
    assert_eq!((receiver.counters().lost_pdus, receiver.next_timeout()), (1, None));
    // Another sender takes the place with nothing of the first one in it.
    receiver.receive(v2x, NOW, &[5, 1], |_| {}).unwrap();
    receiver
        .receive(Key { window: Window::Sixteen, ..key(2) }, NOW, &[9, 1], |sdu| sdus.push(sdu.to_vec()))
        .unwrap();
    assert_eq!((sdus.len(), receiver.next_timeout(), receiver.counters().lost_sdus), (3, None, 1));
}

#[test]
fn sdu_beyond_the_limit_is_dropped() {
    let mut receiver = Receiver::new(ReceiverConfig { entities: 1, max_sdu_len: 4 });
    assert!(receive(&mut receiver, &[0x40, 1, 2, 3]).is_empty());
    assert!(receive(&mut receiver, &[0xc1, 4, 5]).is_empty());
    assert!(receive(&mut receiver, &[0x82, 6]).is_empty());
    assert!(receive(&mut receiver, &[0x03, 1, 2, 3, 4, 5]).is_empty());
    assert_eq!((receiver.counters().oversized_sdus, receiver.counters().sdus), (2, 0));
    assert_eq!(receive(&mut receiver, &[0x04, 1, 2, 3, 4]), [[1, 2, 3, 4]]);
}

#[test]
// TS 36.321 §6.2.4 LCID (1); TS 36.322 §4.2.1 (1)
fn silent_sender_gives_way_to_a_new_one() {
    let mut receiver = Receiver::new(ReceiverConfig { entities: 2, max_sdu_len: 100 });
    let mut feed = |lcid: u8, pdu: &[u8]| {
        let mut sdus = 0;
        receiver.receive(key(lcid), NOW, pdu, |_| sdus += 1).unwrap();
        sdus
    };
    feed(1, &[0x40, 1]);
    feed(2, &[0x40, 1]);
    feed(1, &[0xc1, 1]);
    feed(3, &[0x40, 1]); // takes the place of 2
    assert_eq!(feed(1, &[0x82, 1]), 1, "1 was kept");
    assert_eq!(feed(2, &[0x81, 1]), 0, "2 starts anew, in mid-SDU");
    assert_eq!(receiver.counters().evicted, 2);
}

proptest! {
    #[test]
    // TS 36.322 §4.2.1.2.2; TS 36.322 §5.1.2.2.3 (1); TS 36.322 §6.2.2.2 (1)
    fn any_sdus_through_any_rooms(
        sdus in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3000), 1..30),
        rooms in prop::collection::vec(2usize..2500, 1..8),
    ) {
        let mut transmitter = Transmitter::new(100_000, 64);
        for sdu in &sdus {
            transmitter.push(sdu).unwrap();
        }
        let mut receiver = Receiver::new(ReceiverConfig::default());
        let mut got = Vec::new();
        for room in rooms.iter().cycle() {
            if transmitter.queued() == 0 {
                break;
            }
            let pdu = pdu(&mut transmitter, *room);
            prop_assert!(!pdu.is_empty());
            got.extend(receive(&mut receiver, &pdu));
        }
        prop_assert_eq!(got, sdus);
        prop_assert_eq!(receiver.counters().lost_sdus, 0);
    }

    #[test]
    fn any_bytes_never_deliver_more_than_they_hold(
        pdus in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..40),
    ) {
        let mut receiver = Receiver::new(ReceiverConfig { entities: 2, max_sdu_len: 64 });
        let (mut heard, mut delivered) = (0, 0);
        for pdu in &pdus {
            heard += pdu.len();
            let _ = receiver.receive(key(1), NOW, pdu, |sdu| delivered += sdu.len());
        }
        prop_assert!(delivered <= heard);
        let counters = receiver.counters();
        prop_assert_eq!(counters.pdus + counters.malformed, pdus.len() as u64);
    }
}
