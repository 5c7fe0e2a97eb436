//! Method 4: a KD from the networks, without a block on the air.

use proptest::prelude::*;
use sidelink_security::counter::UtcTime;
use sidelink_wire::direct_keying::{Question, Side};
use sidelink_wire::ids::Lcid;

use super::super::*;
use super::rig::{Air, NETWORK_LIFETIME, Outside, PERIOD, l2, name, network_answer};

fn air(outside: [Outside; 2]) -> Air {
    let mut air = Air::without_keys(2, |_, _| {}, |_, manager| manager.establish_by(Box::new(FromNetwork)));
    for (ue, outside) in air.ues.iter_mut().zip(outside) {
        ue.outside = outside;
    }
    air
}

fn answer(air: &mut Air, ue: usize, answer: Option<&[u8]>) {
    let (now, ticket) = (air.time(ue), air.ues[ue].asked.remove(0));
    air.ues[ue].manager.handle_input(Input::Answered { now, ticket, answer }).unwrap();
    air.drain(ue);
}

#[test]
fn both_ends_get_a_kd_without_a_message_on_the_air() {
    let mut air = air([Outside::Answers; 2]);
    air.connect(0, 1);
    air.run(6 * PERIOD);
    assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    let sent: Vec<_> = air.log.iter().filter_map(|flying| flying.message()).collect();
    assert_eq!(sent, [1, 12, 13, 2], "those of a shared KD");
    let mut before = air.up(0, 1).unwrap().1.kd;
    for (ue, peer) in [(0, 1), (1, 0)] {
        let record = &air.ues[ue].disk.keys[0];
        let life = record.expiry.millis() - air.now;
        let most = u64::from(NETWORK_LIFETIME) * 1000;
        assert!((most - 6 * PERIOD..=most).contains(&life), "{life}");
        assert_eq!(record.peer, name(peer));
    }
    for (from, to) in [(0, 1), (1, 0)] {
        air.run(1500);
        let sent = air.log.len();
        air.rekey(from, to, true).unwrap();
        air.run(4 * PERIOD);
        let kd = air.up(0, 1).unwrap().1.kd;
        assert!(air.agreed(0, 1) && kd != before);
        before = kd;
        assert!(air.log[sent..].iter().all(|flying| !matches!(flying.message(), Some(0xe0..=0xe2))));
    }
}

/// Each end asks in the name of its peer, and both mean one connection; another try is another connection.
#[test]
fn the_questions_name_one_connection_and_the_peer() {
    let mut air = air([Outside::Silent; 2]);
    air.connect(0, 1);
    air.run(40_000);
    let questions = |ue: usize| {
        let all = air.ues[ue].questions.iter().map(|octets| Question::parse(octets).unwrap());
        all.map(|question| (question.side, question.connection, question.expression)).collect::<Vec<_>>()
    };
    let (one, two) = (questions(0), questions(1));
    assert_eq!((one.len(), two.len()), (3, 3));
    for (one, two) in one.iter().zip(&two) {
        assert_eq!((one.0, one.2), (Side::Initiating, &name(1).value[..]));
        assert_eq!(*two, (Side::Target, one.1, &name(0).value[..]));
    }
    assert!(one[0].1 != one[1].1 && one[1].1 != one[2].1 && one[0].1 != one[2].1);
}

/// The target UE is told first: its command comes before the answer to the initiating UE, and is not lost.
#[test]
fn a_command_waits_for_the_answer() {
    let mut air = air([Outside::Silent, Outside::Answers]);
    air.connect(0, 1);
    air.run(2 * PERIOD);
    let commands = |air: &Air| air.log.iter().filter(|flying| flying.message() == Some(12)).count();
    assert_eq!(commands(&air), 1);
    // Junk in the peer's name takes the places that are left, and no more.
    let [_, msb, ..] = air.log.iter().find(|flying| flying.message() == Some(12)).unwrap().pdu.octets[..]
    else {
        panic!()
    };
    for number in 0..20 {
        let octets = [&[0x60, msb, 9, 0, number][..], &[0; 30]].concat();
        air.inject(l2(0x11), 0, Lcid::PC5_S_SECURITY_MODE, octets);
    }
    air.run(0);
    let link::State::AwaitingSecurityMode(state) = &air.ues[0].manager.links[0].state else { panic!() };
    assert_eq!(state.early.len(), 4);
    let question = air.ues[0].questions[0].clone();
    answer(&mut air, 0, Some(&network_answer(&question)));
    air.run(2 * PERIOD);
    assert!(air.agreed(0, 1), "{:?}", air.ues[0].notes);
    assert_eq!((commands(&air), air.log.iter().filter(|flying| flying.message() == Some(1)).count()), (1, 1));
}

/// Other KDs at the two ends, as a network in the middle would give: no link.
#[test]
fn ends_with_different_keys_have_no_link() {
    let mut air = air([Outside::Silent; 2]);
    air.connect(0, 1);
    air.run(2 * PERIOD);
    for ue in 0..2 {
        let mut octets = network_answer(&air.ues[ue].questions[0]);
        octets[31] ^= ue as u8;
        answer(&mut air, ue, Some(&octets));
    }
    air.run(20_000);
    assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none());
    assert!(air.ues.iter().all(|ue| ue.disk.keys.is_empty()));
}

#[test]
fn an_answer_that_is_none_and_a_refusal() {
    for answered in [None, Some(&[5; 32][..]), Some(&[0; 36]), Some(&[5; 37])] {
        for ue in 0..2 {
            let mut outside = [Outside::Answers; 2];
            outside[ue] = Outside::Silent;
            let mut air = air(outside);
            air.connect(0, 1);
            air.run(2 * PERIOD);
            answer(&mut air, ue, answered);
            air.run(20_000);
            assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none(), "{answered:?}");
        }
    }
}

/// A method that names users does not ask for an IMSI or a PRUK ID.
#[test]
fn a_network_is_asked_for_users_alone() {
    let mut air = air([Outside::Answers; 2]);
    let identity = Identity { kind: 3, value: b"001010000000001".to_vec() };
    let (now, peer) = (air.time(0), air.ues[1].config.source);
    air.ues[0].manager.handle_input(Input::Connect { now, peer, identity }).unwrap();
    air.drain(0);
    air.run(20_000);
    assert!(air.up(0, 1).is_none());
    let asked = air.ues[0].notes.iter().any(|note| matches!(note, Note::NotAuthenticated { .. }));
    assert!(asked, "{:?}", air.ues[0].notes);
}

proptest! {
    #[test]
    fn any_key_information_is_understood_or_not(info: Vec<u8>, own: bool) {
        let info = if own { [&[FromNetwork::METHOD][..], &info].concat() } else { info };
        let understood = FromNetwork.understands(&info);
        prop_assert_eq!(FromNetwork.answer(&info, [0; 32]).is_some(), understood);
        if understood {
            prop_assert!([5, 21].contains(&info.len()));
            prop_assert_eq!(FromNetwork.cookie(&info).is_some(), info.len() == 21);
        }
    }

    #[test]
    fn what_one_end_says_the_other_understands(seed: [u8; 32], cookie: Option<[u8; 16]>) {
        if let Some((_, info)) = FromNetwork.initiate(UtcTime::from_millis(0), None, seed, cookie) {
            prop_assert!(FromNetwork.understands(&info));
            prop_assert_eq!(FromNetwork.cookie(&info), cookie);
        }
    }
}
