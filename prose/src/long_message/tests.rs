use std::collections::BTreeSet;

use proptest::prelude::*;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::{Content, FRAGMENT_HEADER, MAX_LEN};

use super::*;

mod attacks;
mod curves;

const T0: UtcTime = UtcTime::from_millis(1_700_000_000_000);
const MARY: Layer2Id = Layer2Id::from_octets([1, 2, 3]);
const JOHN: Layer2Id = Layer2Id::from_octets([1, 2, 4]);

fn message(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at * 41 + at / 11 + 3) as u8).collect()
}

fn pdus(way: Way, sequence: u16, message: &[u8]) -> Vec<Vec<u8>> {
    Sender::new(way, sequence, Content::Mikey, message).unwrap().collect()
}

fn coded(fragment: u16, parity: u8) -> Way {
    Way::Coded { fragment, parity }
}

/// Gives PDUs to a receiver, and returns the messages.
fn give<'a>(
    receiver: &mut Receiver,
    from: Layer2Id,
    pdus: impl IntoIterator<Item = &'a Vec<u8>>,
) -> Vec<Vec<u8>> {
    let given = pdus.into_iter().filter_map(|pdu| receiver.handle(from, pdu, T0).ok().flatten());
    given
        .map(|message| {
            assert_eq!((message.from, message.content), (from, Content::Mikey));
            message.octets
        })
        .collect()
}

#[test]
fn each_way_brings_a_message_once() {
    for length in [1, 2, 84, 85, 86, 900, 7999, MAX_LEN] {
        let message = message(length);
        for way in [Way::Whole, Way::Repeated { times: 3 }, coded(85, 4), coded(8000, 0), coded(40, 1)] {
            let mut receiver = Receiver::default();
            let sent = pdus(way, 7, &message);
            let (count, octets) = way.pdus(length).unwrap();
            assert_eq!(sent.len(), count, "{way:?}");
            assert!(sent.iter().all(|pdu| pdu.len() == octets), "{way:?} {octets}");
            assert_eq!(give(&mut receiver, MARY, &sent), vec![message.clone()], "{way:?} {length}");
            assert_eq!(give(&mut receiver, MARY, &sent), Vec::<Vec<u8>>::new(), "copies");
            assert_eq!(receiver.octets(), 0);
            assert_eq!(receiver.statistics().lost, 0);
        }
    }
}

#[test]
fn the_reasons_of_a_refusal() {
    let (mut receiver, message) = (Receiver::default(), message(300));
    let parts = pdus(coded(100, 1), 7, &message);
    assert_eq!(receiver.handle(MARY, &parts[0], T0), Ok(None));
    assert_eq!(receiver.handle(MARY, &parts[0], T0), Err(Refused::Twice));
    assert_eq!(receiver.handle(MARY, &parts[3], T0), Ok(None));
    assert!(receiver.handle(MARY, &parts[1], T0).unwrap().is_some());
    assert_eq!(receiver.handle(MARY, &parts[2], T0), Err(Refused::Known));
    // The same message in another way is the same message.
    assert_eq!(receiver.handle(MARY, &pdus(Way::Whole, 7, &message)[0], T0), Err(Refused::Known));
    assert_eq!(receiver.statistics(), Statistics { messages: 1, copies: 3, lost: 0 });
    // Its fragments are not needed any more when it comes whole.
    assert_eq!(receiver.handle(MARY, &pdus(coded(99, 1), 6, &message)[0], T0), Ok(None));
    assert!(receiver.handle(MARY, &pdus(Way::Whole, 6, &message)[0], T0).unwrap().is_some());
    assert_eq!(receiver.octets(), 0);
    assert_eq!(receiver.statistics(), Statistics { messages: 2, copies: 3, lost: 0 });
    // Another sequence number, another sender, another content: another message.
    assert!(receiver.handle(MARY, &pdus(Way::Whole, 8, &message)[0], T0).unwrap().is_some());
    assert!(receiver.handle(JOHN, &pdus(Way::Whole, 7, &message)[0], T0).unwrap().is_some());
    let other = Sender::new(Way::Whole, 7, Content::GroupOwner, &message).unwrap().next().unwrap();
    assert!(receiver.handle(MARY, &other, T0).unwrap().is_some());
    assert!(matches!(receiver.handle(MARY, &[0xe0, 0, 0, 1, 2], T0), Err(Refused::Malformed(_))));
    let mut small = Receiver::new(Config { octets: 100, ..Config::default() });
    assert_eq!(small.handle(MARY, &parts[0], T0), Err(Refused::TooLong));
}

#[test]
fn what_is_forgotten_comes_again() {
    let (mut receiver, message) = (Receiver::default(), message(300));
    let whole = pdus(Way::Whole, 7, &message).remove(0);
    let parts = pdus(coded(100, 1), 8, &message);
    let Config { lifetime, memory, remembered, .. } = Config::default();
    assert!(receiver.handle(MARY, &whole, T0).unwrap().is_some());
    assert_eq!(receiver.handle(MARY, &whole, T0.plus_millis(memory - 1)), Err(Refused::Known));
    assert!(receiver.handle(MARY, &whole, T0.plus_millis(memory)).unwrap().is_some());
    let later = T0.plus_millis(memory);
    // Each fragment prolongs the life of its set.
    for (at, part) in parts[..3].iter().enumerate() {
        let now = later.plus_millis(at as u64 * (lifetime - 1));
        assert_eq!(receiver.handle(MARY, part, now).unwrap().is_some(), at == 2);
    }
    let later = later.plus_millis(2 * lifetime);
    let parts = pdus(coded(100, 1), 9, &message);
    for (at, part) in parts[..2].iter().enumerate() {
        let now = later.plus_millis(at as u64 * lifetime);
        assert_eq!(receiver.handle(MARY, part, now), Ok(None));
    }
    assert_eq!(receiver.handle(MARY, &parts[2], later.plus_millis(lifetime)), Ok(None), "the first is lost");
    assert_eq!(receiver.statistics().lost, 1);
    let now = later.plus_millis(lifetime);
    // Memory of messages is bounded as well.
    for sequence in 0..remembered as u16 {
        receiver.handle(JOHN, &pdus(Way::Whole, sequence, b"x")[0], now).unwrap();
    }
    assert!(receiver.handle(MARY, &whole, now).unwrap().is_some());
}

#[test]
fn ways_that_are_not_possible() {
    let new = |way, length| Sender::new(way, 0, Content::Mikey, &vec![0; length]).map(|_| ());
    for length in [0, 8001] {
        assert_eq!(new(Way::Whole, length), Err(Error::Length { have: length }));
    }
    assert_eq!(new(Way::Repeated { times: 0 }, 5), Err(Error::NoCopies));
    assert_eq!(new(coded(0, 5), 5), Err(Error::NoOctets));
    assert_eq!(new(coded(1, 0), 256), Err(Error::TooManyFragments { data: 256, parity: 0 }));
    assert_eq!(new(coded(100, 250), 900), Err(Error::TooManyFragments { data: 9, parity: 250 }));
    assert_eq!(new(coded(100, 246), 900), Ok(()));
    // 101 usable octets of 10 PRB at MCS 5: PDCP 5, header 16.
    assert_eq!(Way::coded(101, 0, 2), Some(coded(80, 2)));
    assert_eq!(Way::coded(101, 4, 2), Some(coded(76, 2)));
    assert_eq!(Way::coded(21, 0, 2), None);
    assert_eq!(Way::coded(22, 0, 2), Some(coded(1, 2)));
    assert_eq!(Way::coded(20_000, 0, 0), Some(coded(8000, 0)));
}

proptest! {
    /// Whatever is lost, repeated and reordered: a message arrives exactly if K of its fragments do, and once.
    #[test]
    fn loss_repetition_and_order(
        length in 1_usize..2000,
        fragment in 20_u16..300,
        parity in 0_u8..20,
        arrivals in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
    ) {
        let message = message(length);
        let sent = pdus(coded(fragment, parity), 9, &message);
        let needed = sent.len() - usize::from(parity);
        let arrivals: Vec<usize> = arrivals.iter().map(|index| index.index(sent.len())).collect();
        let distinct: BTreeSet<usize> = arrivals.iter().copied().collect();
        let mut receiver = Receiver::default();
        let given = give(&mut receiver, MARY, arrivals.iter().map(|at| &sent[*at]));
        let expected = if distinct.len() >= needed { vec![message] } else { Vec::new() };
        prop_assert_eq!(given, expected);
    }

    /// Messages of two senders, in turn: they do not mix.
    #[test]
    fn sets_do_not_mix(order in prop::collection::vec(any::<(bool, bool, prop::sample::Index)>(), 0..120)) {
        let mut receiver = Receiver::default();
        let sent: Vec<_> =
            (0..4_u8).map(|at| {
                let message: Vec<u8> = message(600).into_iter().map(|octet| octet ^ at).collect();
                // Two of them have the same sequence number.
                (pdus(coded(100, 3), u16::from(at / 2), &message), message)
            }).collect();
        for (john, second, which) in order {
            let (pdus, _) = &sent[usize::from(john) * 2 + usize::from(second)];
            let from = if john { JOHN } else { MARY };
            if let Ok(Some(given)) = receiver.handle(from, &pdus[which.index(pdus.len())], T0) {
                let expected = &sent[usize::from(given.from == JOHN) * 2 + usize::from(second)].1;
                prop_assert_eq!(&given.octets, expected);
            }
        }
    }

    #[test]
    fn any_octets_are_taken(pdus in prop::collection::vec(
        (any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..40)) {
        let mut receiver = Receiver::new(Config { octets: 2000, ..Config::default() });
        for (fragment, tail) in pdus {
            // Some have a header that fits their size.
            let mut pdu = vec![if fragment { 0xe4 } else { 0xe3 }];
            pdu.extend(&tail);
            if pdu.len() > FRAGMENT_HEADER {
                let size = pdu.len() - FRAGMENT_HEADER;
                (pdu[3], pdu[4], pdu[5]) = (1, 0, (size * 2) as u8);
                (pdu[6], pdu[7]) = (2, pdu[7] % 4);
            }
            let _ = receiver.handle(MARY, &pdu, T0);
            prop_assert!(receiver.octets() <= 2000);
        }
    }
}
