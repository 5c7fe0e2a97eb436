use std::collections::BTreeSet;

use proptest::prelude::*;
use sidelink_security::direct::keying::{Names, kd_from_half_keys, kd_from_public_values};
use sidelink_security::direct::signed::Ephemeral;
use sidelink_wire::direct_keying::Side;

use super::message::{Answer, AnswerStep, Call, CallStep, Cause, Kind, Peer};
use super::*;
use crate::mme_client as client;
use crate::usim::SqnArray;
use world::{JOHN, Leg, MARY, World, connection, expression};

mod attaching;
mod formats;
mod world;

/// Runs of both kinds: one KD at both ends, six messages, and what each weighs.
#[test]
fn two_ues_get_one_kd_by_six_messages() {
    for (kind, octets) in
        [(Kind::HalfKeys, [25, 53, 93, 22, 50, 90]), (Kind::PublicValues, [57, 53, 61, 54, 50, 90])]
    {
        let mut world = World::new(kind);
        world.attach_all();
        world.traffic.clear();
        let kd = world.agree(MARY, JOHN, 7).expect("a KD");
        assert_eq!(kd.1, 24 * 3600);
        let legs: Vec<_> = world.traffic.iter().map(|(leg, _)| *leg).collect();
        let six =
            [Leg::Up(MARY), Leg::Mme(0, 1), Leg::Down(JOHN), Leg::Up(JOHN), Leg::Mme(1, 0), Leg::Down(MARY)];
        assert_eq!(legs, six);
        let lengths: Vec<_> = world.traffic.iter().map(|(_, octets)| octets.len()).collect();
        assert_eq!(lengths, octets, "{kind:?}");
        // Nothing on the legs of the UEs is in the open.
        for (leg, octets) in &world.traffic {
            let is_open = octets.windows(4).any(|window| window == b"mary");
            assert_eq!(is_open, matches!(leg, Leg::Mme(0, 1)), "{leg:?}");
        }
    }
}

#[test]
fn every_run_has_a_kd_of_its_own() {
    for kind in [Kind::HalfKeys, Kind::PublicValues] {
        let mut world = World::new(kind);
        world.attach_all();
        let mut seen = BTreeSet::new();
        for n in 0..5 {
            assert!(seen.insert(world.agree(MARY, JOHN, 1 + n).unwrap().0), "{n}");
        }
        assert!(seen.insert(world.agree(JOHN, MARY, 100).unwrap().0));
    }
}

/// T4.1-11 at the machines: who records what the MMEs carry computes KD of half keys, and not of public values.
#[test]
fn what_the_mmes_carry_is_kd_for_half_keys_alone() {
    for kind in [Kind::HalfKeys, Kind::PublicValues] {
        let mut world = World::new(kind);
        world.attach_all();
        world.traffic.clear();
        let (kd, _) = world.agree(MARY, JOHN, 7).unwrap();
        let messages = world.between_mmes();
        let [Message::Call(two), Message::Answer(five)] = &messages[..] else { panic!("2 and 5") };
        let names =
            Names { initiating: two.connection.octets(), target: five.target.octets(), dksi: five.dksi };
        let guess = kd_from_half_keys(&two.shares[0], &five.shares[0], &names);
        assert_eq!(*guess.as_bytes() == kd, kind == Kind::HalfKeys);
        let value = [two.shares[0].as_bytes(), five.shares[0].as_bytes()];
        let own = Ephemeral::new([9; 32]);
        assert!(kd_from_public_values(&own, value, &names).is_none(), "neither secret is known");
    }
}

/// An MME that replaces both values is in the middle: nothing signs them. The link's peers each share a KD with it.
#[test]
fn an_mme_that_replaces_public_values_is_in_the_middle() {
    let mut world = World::new(Kind::PublicValues);
    world.attach_all();
    world.traffic.clear();
    let mallory = Ephemeral::new([66; 32]);
    world.replaces = Some(mallory.public());
    let answers = world.ask_both(MARY, JOHN, 7);
    let [one, two] = answers.map(|answer| answer.expect("both have a KD").0);
    assert_ne!(one, two);
    let messages = world.between_mmes();
    let [Message::Call(call), Message::Answer(answer)] = &messages[..] else { panic!("2 and 5") };
    let (initiating, target, dksi) = (call.connection.octets(), answer.target.octets(), answer.dksi);
    let names = Names { initiating, target, dksi };
    let own = mallory.public();
    let with = |values| *kd_from_public_values(&mallory, values, &names).unwrap().as_bytes();
    assert_eq!(with([call.shares[0].as_bytes(), &own]), one);
    assert_eq!(with([&own, answer.shares[0].as_bytes()]), two);
}

#[test]
fn a_connection_id_is_given_once_even_after_a_crash() {
    let mut world = World::new(Kind::HalfKeys);
    world.attach_all();
    world.agree(MARY, JOHN, 7).unwrap();
    world.traffic.clear();
    assert_eq!(world.refused(MARY, JOHN, 7), Cause::ConnectionUsed);
    world.restart(0);
    world.attach(MARY);
    assert_eq!(world.refused(MARY, JOHN, 7), Cause::ConnectionUsed);
    assert!(!world.took(Leg::Mme(0, 1)), "nobody else is told");
    world.agree(MARY, JOHN, 8).unwrap();
    // The other MME knows the caller's too: a first one that lost its store gains nothing.
    world.disks[0].clear();
    world.restart(0);
    world.attach(MARY);
    assert_eq!(world.refused(MARY, JOHN, 7), Cause::ConnectionUsed);
    world.agree(MARY, JOHN, 9).unwrap();
}

/// The second agreement names the peer by the identity that it gave in the first, and no third by the same.
#[test]
fn a_connection_id_names_its_peer_once() {
    let mut world = World::new(Kind::HalfKeys);
    world.attach_all();
    world.agree(MARY, JOHN, 7).unwrap();
    world.traffic.clear();
    world.agree(MARY, JOHN, 8).unwrap();
    let messages = world.between_mmes();
    let Message::Call(Call { peer: Peer::Connection(named), .. }) = messages[0] else { panic!("by its id") };
    world.traffic.clear();
    for at_mme_2 in [false, true] {
        let call = world.call(11 + u32::from(at_mme_2), Peer::Connection(named));
        let cause = if at_mme_2 { world.inject_mme(call) } else { world.inject_ue(call) };
        assert_eq!(cause, Some(Cause::ConnectionUsed), "{at_mme_2}");
        assert!(!world.took(Leg::Mme(0, 1)) && !world.took(Leg::Down(JOHN)));
    }
    // Both MMEs know that after a crash.
    for index in 0..2 {
        world.restart(index);
    }
    world.attach_all();
    let call = world.call(13, Peer::Connection(named));
    assert_eq!(world.inject_mme(call), Some(Cause::ConnectionUsed));
    assert!(world.disks.iter().all(|disk| disk.values().filter(|record| record.spent).count() == 1));
}

/// No message leaves before that is durable on which it rests.
#[test]
fn nothing_leaves_before_it_is_durable() {
    for (index, messages) in [(0, 1), (1, 4)] {
        let mut world = World::new(Kind::HalfKeys);
        world.attach_all();
        world.traffic.clear();
        world.store_works[index] = false;
        assert_eq!(world.refused(MARY, JOHN, 7), Cause::Store);
        let legs: Vec<_> = world.traffic.iter().map(|(leg, _)| *leg).take(messages).collect();
        assert!(!legs.contains(&Leg::Mme(index, 1 - index)), "{legs:?}");
        assert!(world.disks[index].is_empty());
        world.store_works[index] = true;
        world.agree(MARY, JOHN, 8).unwrap();
    }
}

#[test]
fn who_may_not_call_is_refused() {
    let mut world = World::new(Kind::HalfKeys);
    world.attach_all();
    let nobody = Peer::Expression(expression("nobody"));
    let call = world.call(20, nobody.clone());
    assert_eq!(world.inject_ue(call), Some(Cause::UnknownPeer));
    world.traffic.clear();
    let call = Call { caller: expression("john"), ..world.call(21, Peer::Expression(expression("john"))) };
    assert_eq!(world.inject_ue(call), Some(Cause::NotAllowed), "in another's name");
    assert!(!world.took(Leg::Mme(0, 1)));
    // An MME that speaks for subscribers that are not its own.
    let (step, shares) = (CallStep::KeyingRequest, vec![[5; 32].into()]);
    let call = Call { step, shares, lifetime: 9, ..world.call(22, Peer::Expression(expression("john"))) };
    let octets = Message::Call(call).emit().unwrap();
    assert_eq!(world.by_mme(9, 1, &octets), Some(Cause::NotAllowed));
    let call = world.call(23, nobody);
    assert_eq!(world.inject_mme(call), Some(Cause::UnknownPeer));
    world.agree(MARY, JOHN, 30).unwrap();
    let given = *world.disks[1].keys().next().unwrap();
    let by_peter = Call { caller: expression("peter"), ..world.call(31, Peer::Connection(given)) };
    assert_eq!(world.inject_mme(by_peter), Some(Cause::UnknownPeer), "that was for Mary");
    let of_nobody = world.call(24, Peer::Connection(connection(0xabcd)));
    assert_eq!(world.inject_mme(of_nobody), Some(Cause::UnknownPeer));
    // John takes calls of Mary alone: Peter is at MME_1 too.
    assert_eq!(world.refused(world::PETER, JOHN, 25), Cause::NotAllowed);
    world.agree(MARY, JOHN, 26).unwrap();
}

#[test]
fn a_peer_that_is_not_attached_and_one_of_another_kind() {
    let mut world = World::new(Kind::HalfKeys);
    world.attach(MARY);
    assert_eq!(world.refused(MARY, JOHN, 7), Cause::Unreachable);
    let mut world = World::new(Kind::PublicValues);
    world.attach_all();
    let call = Call { kind: Kind::HalfKeys, ..world.call(8, Peer::Expression(expression("john"))) };
    assert_eq!(world.inject_ue(call), Some(Cause::Kind), "no UE is talked down to half keys");
}

#[test]
fn silence_ends_a_run_and_a_late_answer_changes_nothing() {
    for lost in [Leg::Mme(0, 1), Leg::Down(JOHN), Leg::Up(JOHN), Leg::Mme(1, 0)] {
        let mut world = World::new(Kind::HalfKeys);
        world.attach_all();
        world.traffic.clear();
        world.loses = Some(lost);
        world.ask(MARY, JOHN, 7, Side::Initiating);
        world.run();
        assert!(world.answers[MARY].is_empty(), "{lost:?}");
        world.loses = None;
        world.pass(2_000);
        assert!(matches!(world.answers[MARY][..], [(_, None)]), "{lost:?}");
        let late = world.lost.take().unwrap();
        world.deliver(lost, &late);
        world.run();
        assert_eq!(world.answers[MARY].len(), 1);
        // It attached again: the MME could have lost its context.
        world.agree(MARY, JOHN, 8).unwrap();
    }
}

#[test]
fn a_repeated_message_between_mmes_is_refused() {
    let mut world = World::new(Kind::HalfKeys);
    world.attach_all();
    world.traffic.clear();
    world.agree(MARY, JOHN, 7).unwrap();
    let traffic = std::mem::take(&mut world.traffic);
    world.deliver(Leg::Mme(0, 1), &traffic[1].1);
    assert_eq!(world.run_causes(), [Cause::ConnectionUsed]);
    assert!(!world.took(Leg::Down(JOHN)), "the UE is not troubled");
    world.traffic.clear();
    for at in [0, 2, 3, 4, 5] {
        world.deliver(traffic[at].0, &traffic[at].1);
        world.run();
    }
    assert!(world.traffic.is_empty(), "each is passed over");
}

/// While a run waits for its answer nobody else ends it: neither another MME, nor another UE, nor with another kind.
#[test]
fn a_run_is_answered_by_whom_it_asked() {
    let mut world = World::new(Kind::HalfKeys);
    world.attach_all();
    world.loses = Some(Leg::Mme(1, 0));
    world.ask(MARY, JOHN, 7, Side::Initiating);
    world.run();
    let answer = world.lost.take().unwrap();
    world.traffic.clear();
    let reject = Message::Reject { connection: connection(7), cause: Cause::Late }.emit().unwrap();
    for octets in [&answer[..], &reject] {
        assert_eq!(world.by_mme(9, 0, octets), None, "a stranger");
    }
    let Ok(Message::Answer(other)) = Message::parse(&answer) else { panic!() };
    let other = Message::Answer(Answer { kind: Kind::PublicValues, ..other }).emit().unwrap();
    assert_eq!(world.by_mme(1, 0, &other), None);
    assert!(world.traffic.is_empty() && world.answers[MARY].is_empty());
    world.deliver(Leg::Mme(1, 0), &answer);
    world.run();
    assert!(matches!(world.answers[MARY][..], [(_, Some(_))]));

    let mut world = World::new(Kind::HalfKeys);
    world.attach_all();
    world.agree(MARY, JOHN, 7).unwrap();
    let used = *world.disks[1].keys().next().unwrap();
    world.loses = Some(Leg::Up(JOHN));
    world.ask(MARY, JOHN, 8, Side::Initiating);
    world.run();
    let (step, kind) = (AnswerStep::NotificationAnswer, Kind::HalfKeys);
    let (connection, dksi, shares) = (connection(8), [1; 4], Vec::new());
    let answer = Answer { step, kind, connection, target: used, dksi, shares, lifetime: 0 };
    let imsi = world::imsi;
    let by_another = Answer { shares: Vec::new(), target: world::connection(99), ..answer };
    assert_eq!(
        world.mmes[1].of_ue(imsi(world::PETER), Message::Answer(by_another)),
        Err(Dropped::Unexpected)
    );
    world.mme_events.clear();
    let answer = Answer { step, kind, connection, target: used, dksi, shares: Vec::new(), lifetime: 0 };
    world.mmes[1].of_ue(imsi(JOHN), Message::Answer(answer)).unwrap();
    world.run();
    assert_eq!(world.cause(), Some(Cause::ConnectionUsed), "an id that John gave before");
}

/// A8: a subscriber that calls without end is stopped before anything is stored or sent.
#[test]
fn calls_of_one_subscriber_are_limited() {
    let mut world = World::new(Kind::HalfKeys);
    world.attach_all();
    for n in 0..10 {
        world.agree(MARY, JOHN, 50 + n).unwrap();
    }
    let stored = world.disks[0].len();
    assert_eq!(world.refused(MARY, JOHN, 60), Cause::TooOften);
    assert_eq!(world.disks[0].len(), stored);
    world.pass(10_000);
    world.agree(MARY, JOHN, 61).unwrap();
}

#[test]
fn what_one_mme_begins_and_what_one_subscriber_keeps_is_bounded() {
    let mut world = World::with(Kind::HalfKeys, |config| {
        config.foreign = RateLimit { burst: 2, interval: 1000 };
        config.connections = 3;
    });
    world.attach_all();
    for n in 0..2 {
        world.agree(MARY, JOHN, 50 + n).unwrap();
    }
    assert_eq!(world.refused(MARY, JOHN, 52), Cause::TooOften, "MME_2");
    world.pass(2000);
    assert_eq!(world.refused(MARY, JOHN, 53), Cause::TooOften, "MME_1 keeps three of hers");
}

#[test]
fn a_kd_and_its_record_end_with_their_lifetime() {
    let mut world = World::with(Kind::HalfKeys, |config| config.kd_lifetime = 60_000);
    world.mmes[0].config.kd_lifetime = 90_000;
    world.attach_all();
    assert_eq!(world.agree(MARY, JOHN, 7).unwrap().1, 60, "the shorter");
    world.pass(90_000);
    assert!(world.disks.iter().all(BTreeMap::is_empty));
    assert!(world.mmes.iter().all(|mme| mme.connections.is_empty() && mme.counterparts.is_empty()));
    world.agree(MARY, JOHN, 7).unwrap();
}

/// The target UE's link may ask before the network has told it, and as often as requests come.
#[test]
fn the_target_is_answered_whenever_it_asks() {
    let mut world = World::new(Kind::HalfKeys);
    world.attach_all();
    world.ask(JOHN, MARY, 7, Side::Target);
    world.run();
    assert!(world.answers[JOHN].is_empty());
    let (kd, _) = world.agree(MARY, JOHN, 7).unwrap();
    assert!(world.answers[JOHN].iter().all(|(_, answer)| answer.unwrap().0 == kd));
    assert_eq!(world.answers[JOHN].len(), 2);
    // In the name of another UE: it gets nothing, neither before nor after.
    world.ask(JOHN, world::PETER, 9, Side::Target);
    world.agree(MARY, JOHN, 9).unwrap();
    let all = std::mem::take(&mut world.answers[JOHN]);
    assert!(all[2].1.is_none() && all[3].1.is_some());
    world.answers[JOHN] = all[..2].to_vec();
    world.ask(JOHN, world::PETER, 7, Side::Target);
    assert!(world.answers[JOHN][2].1.is_none());
    world.pass(client::HELD);
    world.ask(JOHN, MARY, 7, Side::Target);
    world.pass(2_000);
    assert!(world.answers[JOHN][3].1.is_none(), "too late");
}

#[test]
fn questions_that_are_none_and_too_many() {
    let mut world = World::new(Kind::HalfKeys);
    world.ask(MARY, JOHN, 7, Side::Initiating);
    assert!(world.answers[MARY][0].1.is_none(), "not attached");
    world.attach_all();
    let now = world.now;
    world.clients[MARY].handle_input(client::Input::Question { now, ticket: 1, octets: &[9, 9] });
    world.run();
    assert!(world.answers[MARY][1].1.is_none(), "no question");
    for n in 0..=client::MOST {
        world.ask(JOHN, MARY, 1000 + n as u32, Side::Target);
    }
    assert!(matches!(world.answers[JOHN][..], [(_, None)]), "the one too many");
}
