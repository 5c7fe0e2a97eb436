//! Forged fragments: never a wrong message, bounded memory, bounded work.

use super::*;

/// A fragment with another octet in its part of the message.
fn spoilt(pdu: &[u8], by: u8) -> Vec<u8> {
    let mut pdu = pdu.to_vec();
    pdu[FRAGMENT_HEADER] ^= by;
    pdu
}

#[test]
fn a_wrong_set_is_never_given() {
    let message = message(900);
    let parts = pdus(coded(100, 0), 7, &message);
    let mut receiver = Receiver::default();
    let mut wrong = parts.clone();
    wrong[4] = spoilt(&parts[4], 1);
    assert!(give(&mut receiver, MARY, &wrong).is_empty());
    // The right one comes later.
    assert_eq!(give(&mut receiver, MARY, [&parts[4]]), vec![message]);
}

#[test]
fn forged_fragments_are_left_out() {
    let message = message(900);
    let parts = pdus(coded(100, 4), 7, &message);
    // Before, between and behind the right ones, with the same index and with others.
    for forged in [vec![0], vec![8], vec![12], vec![0, 5], vec![3, 10], vec![0, 1, 2]] {
        for first in [true, false] {
            let mut receiver = Receiver::default();
            let bad: Vec<_> = forged.iter().map(|&at| spoilt(&parts[at], 0x80)).collect();
            let (before, after) = if first { (&bad[..], &[][..]) } else { (&[][..], &bad[..]) };
            let (one, two) = parts.split_at(6);
            let order = before.iter().chain(one).chain(after).chain(two);
            assert_eq!(give(&mut receiver, MARY, order), vec![message.clone()], "{forged:?} {first}");
        }
    }
}

/// Forged fragments with indexes that never come, so that nothing tells them from the right ones.
#[test]
fn forged_parity_is_left_out() {
    let message = message(1200);
    let parts = pdus(coded(100, 40), 7, &message);
    let mut receiver = Receiver::default();
    let bad: Vec<_> = (50..52).map(|at| spoilt(&parts[at], 1)).collect();
    assert_eq!(give(&mut receiver, MARY, bad.iter().chain(&parts[..15])), vec![message]);
}

/// A forged fragment that takes another place in a full set does not stay for ever: the oldest goes.
#[test]
fn a_set_full_of_forged_fragments_recovers() {
    let message = message(300);
    let parts = pdus(coded(100, 20), 7, &message);
    let mut receiver = Receiver::default();
    let bad: Vec<_> = (3..20).map(|at| spoilt(&parts[at], 1)).collect();
    assert!(give(&mut receiver, MARY, &bad).is_empty());
    let config = Config::default();
    assert!(receiver.octets() <= (3 + config.spare) * (100 + Config::PER_FRAGMENT));
    assert_eq!(give(&mut receiver, MARY, &parts[..3]), vec![message]);
}

#[test]
fn tries_are_bounded() {
    let message = message(300);
    let parts = pdus(coded(100, 20), 7, &message);
    let mut receiver = Receiver::new(Config { choices: 5, ..Config::default() });
    let bad: Vec<_> = (3..9).map(|at| spoilt(&parts[at], 1)).collect();
    assert!(give(&mut receiver, MARY, &bad).is_empty());
    assert!(give(&mut receiver, MARY, &parts[..3]).is_empty(), "no choice is left");
    // The same message in a new set arrives.
    assert_eq!(give(&mut receiver, MARY, &pdus(coded(99, 2), 8, &message)), vec![message.clone()]);
    // Work for each PDU: the first choice is always tried, and here the second one is right.
    let order = [parts[0].clone(), spoilt(&parts[3], 1), parts[1].clone(), parts[4].clone()];
    for (work, expected) in [(0, 0), (1_000_000, 1)] {
        let mut receiver = Receiver::new(Config { work, ..Config::default() });
        assert_eq!(give(&mut receiver, MARY, &order).len(), expected, "{work}");
    }
}

#[test]
fn sources_do_not_exhaust_memory_nor_drive_out_what_arrives() {
    let message = message(900);
    let parts = pdus(coded(100, 0), 7, &message);
    let config = Config { octets: 40_000, ..Config::default() };
    let mut receiver = Receiver::new(config);
    let mut given = Vec::new();
    for (round, part) in parts.iter().enumerate() {
        given.extend(give(&mut receiver, MARY, [part]));
        for source in 0..100_u16 {
            let from = Layer2Id::from_octets([9, source as u8, round as u8]);
            let forged = spoilt(&parts[(source % 9) as usize], source as u8 | 1);
            let _ = receiver.handle(from, &forged, T0);
            assert!(receiver.octets() <= config.octets);
        }
    }
    assert_eq!(given, vec![message]);
    assert!(receiver.statistics().lost > 500);
}

#[test]
fn one_source_has_a_bounded_number_of_sets() {
    let (one, other) = (message(300), message(200));
    let mut receiver = Receiver::default();
    let waiting = pdus(coded(100, 0), 1, &other);
    assert!(give(&mut receiver, JOHN, &waiting[..1]).is_empty());
    let most = Config::default().sets_per_sender;
    for sequence in 0..100 {
        let part = pdus(coded(100, 0), sequence, &one).remove(0);
        assert_eq!(receiver.handle(MARY, &part, T0), Ok(None));
        assert!(receiver.octets() <= (most + 1) * 164);
    }
    assert_eq!(give(&mut receiver, JOHN, &waiting[1..]), vec![other], "another sender's set stays");
}

/// Copies of a fragment cost no choices: nobody can use up those of a message by saying its fragments again.
#[test]
fn copies_of_a_fragment_cost_no_choices() {
    let message = message(300);
    let parts = pdus(coded(100, 1), 7, &message);
    let mut receiver = Receiver::new(Config { choices: 8, ..Config::default() });
    let mut forged = parts[2].clone();
    *forged.last_mut().unwrap() ^= 1;
    for part in [&parts[0], &forged, &parts[1]] {
        assert_eq!(receiver.handle(MARY, part, T0), Ok(None));
    }
    for _ in 0..20 {
        assert_eq!(receiver.handle(MARY, &parts[0], T0), Err(Refused::Twice));
    }
    let whole = receiver.handle(MARY, &parts[3], T0).unwrap();
    assert_eq!(whole.map(|whole| whole.octets), Some(message));
}

/// Sets of other sources do not count among those of a sender.
#[test]
fn other_sources_take_no_place_of_a_sender() {
    let mut receiver = Receiver::default();
    for other in 0..20 {
        let part = &pdus(coded(100, 0), 7, &message(300))[0];
        assert_eq!(receiver.handle(Layer2Id::from_octets([9, 9, other]), part, T0), Ok(None));
    }
    let parts: Vec<_> = [7, 8, 9].map(|sequence| pdus(coded(100, 0), sequence, &message(200))).into();
    parts.iter().for_each(|parts| assert_eq!(receiver.handle(MARY, &parts[0], T0), Ok(None)));
    for parts in parts {
        assert_eq!(give(&mut receiver, MARY, [&parts[1]]), vec![message(200)]);
    }
}

/// Without any work left one choice is tried all the same: a lost fragment alone does not lose the message.
#[test]
fn one_choice_is_always_tried() {
    let message = message(300);
    let parts = pdus(coded(100, 1), 7, &message);
    let mut receiver = Receiver::new(Config { work: 0, ..Config::default() });
    assert_eq!(give(&mut receiver, MARY, [&parts[0], &parts[1], &parts[3]]), vec![message]);
}

/// Choices that hold one index twice are passed over, and do not count among those that are tried.
#[test]
fn an_index_that_stands_twice_costs_no_choice() {
    let message = message(300);
    let parts = pdus(coded(100, 0), 7, &message);
    let forged = [1, 2].map(|by| spoilt(&parts[0], by));
    // With each of the three that say to be the first one: three choices.
    let mut receiver = Receiver::new(Config { choices: 3, ..Config::default() });
    let order = forged.iter().chain(&parts);
    assert_eq!(give(&mut receiver, MARY, order), vec![message]);
}

/// The way from one choice to the next is bounded as well: here the right one is the last of 12870.
#[test]
fn steps_between_choices_are_bounded() {
    let message = message(900);
    let parts = pdus(coded(100, 0), 7, &message);
    let forged: Vec<_> = (1..=8).map(|by| spoilt(&parts[0], by)).collect();
    let mut receiver = Receiver::new(Config { choices: u32::MAX, ..Config::default() });
    let order = parts[..8].iter().chain(&forged).chain(&parts[8..]);
    assert!(give(&mut receiver, MARY, order).is_empty());
    // Said anew it arrives.
    assert_eq!(give(&mut receiver, MARY, &pdus(coded(100, 0), 8, &message)), vec![message]);
}
