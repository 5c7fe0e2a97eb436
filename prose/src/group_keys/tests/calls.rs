//! Calls: late joiners, messages made ahead, ends, and two at once.

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::keys::Gsk;
use sidelink_wire::ids::Layer2Id;

use super::api::*;
use super::fake::Fake;
use super::rig::*;

const SEARCH: Layer2Id = Layer2Id::from_octets([0, 0, 0x88]);

fn distributed(seconds: u32) -> World {
    let mut world = World::new(4);
    world.distribute(0..4, seconds);
    world.run(3000);
    assert!((0..4).all(|index| world.gmk(index).is_some()));
    world
}

#[test]
fn a_late_joiner_gets_in_with_the_next_announcement_also_after_minutes() {
    let mut world = distributed(3600);
    world.channel = Box::new(|flying| if flying.target == 3 { vec![] } else { vec![flying] });
    world.start_call(1).unwrap();
    world.run(300_000);
    assert!(world.in_call(2, 1) && !world.in_call(3, 1));
    let announcements = world.messages(1, MessageKind::Call);
    assert_eq!(announcements.len(), 1 + 149, "one each 2 s");
    let mut different = announcements.clone();
    different.dedup();
    assert_eq!(different.len(), 10, "made anew each 30 s, before it is too old");
    world.channel = Box::new(|flying| vec![flying]);
    world.run(2100);
    assert!(world.in_call(3, 1), "{:?}", world.refusals(3));
    world.say(1, b"x");
    world.say(1, b"welcome");
    world.run(100);
    assert!(world.ues[3].heard.contains(&b"welcome".to_vec()));
    assert!(world.refusals(2).is_empty() && world.refusals(3).is_empty());
    let joined = world.ues[2].events.iter().filter(|e| matches!(e, Event::CallJoined { .. })).count();
    assert_eq!(joined, 1, "an announcement that is made anew is no new call");
}

#[test]
fn a_message_that_was_made_ahead_starts_a_call_at_once_until_it_is_too_old() {
    for (age, made_anew) in [(0, false), (55_000, false), (57_000, true), (200_000, true)] {
        let mut world = distributed(3600);
        let now = world.time();
        world.command(1, Input::PrepareCall { now, group: GROUP }).unwrap();
        world.run(100);
        assert!(world.messages(1, MessageKind::Call).is_empty() && world.ues[1].installed.is_empty());
        world.run(age);
        world.start_call(1).unwrap();
        // At once, without the store.
        assert_eq!(world.messages(1, MessageKind::Call).len(), usize::from(!made_anew), "age {age}");
        world.run(100);
        assert!(world.in_call(2, 1) && world.in_call(3, 1), "age {age}: {:?}", world.refusals(2));
        world.run(100_000);
        assert!(world.refusals(2).is_empty());
    }
}

#[test]
fn a_call_message_of_more_than_a_minute_is_refused_and_so_is_one_of_the_future() {
    let mut world = distributed(3600);
    let gmk = world.key(3);
    let message = |world: &World, time: u64| CallMessage {
        caller: user(3),
        time: UtcTime::from_millis(time),
        csb_id: CsbId::new(UtcTime::from_millis(time).counter(), 0x19),
        gmk_id: world.gmk(3).unwrap(),
        gsk: Gsk::from([1; 16]),
    };
    let from = Fake::new(&[&user(3)]);
    for (time, expected) in [
        (world.now - 60_001, Some(Refusal::TooOld)),
        (world.now + 32_001, Some(Refusal::FromFuture)),
        (world.now - 60_000, None),
    ] {
        let octets = from.forge_call(&message(&world, time), &gmk);
        let before = world.refusals(2).len();
        world.inject(3, 2, Destination::Group(GROUP), &octets);
        world.step_now();
        assert_eq!(world.refusals(2).get(before), expected.as_ref());
    }
    // To the destination of another group.
    let octets = from.forge_call(&message(&world, world.now), &gmk);
    world.inject(3, 2, Destination::Group(SEARCH), &octets);
    world.step_now();
    assert_eq!(world.refusals(2).last(), Some(&Refusal::OtherGroup));
    // Our own, sent back.
    world.start_call(2).unwrap();
    world.run(100);
    let own = world.messages(2, MessageKind::Call).remove(0);
    world.inject(3, 2, Destination::Group(GROUP), &own);
    world.step_now();
    assert_eq!(world.refusals(2).last(), Some(&Refusal::Reflected));
}

#[test]
fn a_call_that_ended_is_not_brought_back_by_its_message() {
    let mut world = distributed(3600);
    world.start_call(1).unwrap();
    world.run(100);
    let octets = world.messages(1, MessageKind::Call).remove(0);
    let now = world.time();
    world.command(1, Input::EndCall { now, group: GROUP }).unwrap();
    assert!(world.ues[1].installed.is_empty());
    assert_eq!(world.command(1, Input::EndCall { now, group: GROUP }), Err(Error::NoCall(GROUP)));
    world.run(100);
    // The members do not know that it ended: the keys stay until another call needs the index.
    assert_eq!(world.ues[2].installed.len(), 1);
    world.crash(2);
    assert_eq!(world.ues[2].installed.len(), 1, "and survive a crash");
    world.start_call(1).unwrap();
    world.run(100);
    world.inject(1, 2, Destination::Group(GROUP), &octets);
    world.run(100);
    assert_eq!(world.refusals(2), [Refusal::Replayed]);
    assert_eq!(world.ues[2].machine.calls().count(), 1, "the second call has ended the first");
    world.inject(2, 1, Destination::Group(GROUP), &octets);
    world.run(100);
    assert_eq!(world.refusals(1), [Refusal::Reflected]);
    let announced = world.messages(1, MessageKind::Call).len();
    world.run(4000);
    assert_eq!(world.messages(1, MessageKind::Call).len(), announced + 2, "of the second call alone");
}

/// Two that take one PGK index at one moment.
#[test]
fn of_two_calls_with_one_index_the_earlier_stays_at_every_member() {
    let mut world = distributed(3600);
    let gmk = world.key(3);
    let message = |world: &World, caller: usize, since: u32, pgk_id: u8| CallMessage {
        caller: user(caller),
        time: world.time(),
        csb_id: CsbId::new(UtcCounter::new(since), pgk_id),
        gmk_id: world.gmk(3).unwrap(),
        gsk: Gsk::from([caller as u8; 16]),
    };
    let since = world.seconds().value();
    let early = Fake::new(&[&user(1)]).forge_call(&message(&world, 1, since - 1, 0x19), &gmk);
    let late = Fake::new(&[&user(3)]).forge_call(&message(&world, 3, since, 0x39), &gmk);
    world.inject(1, 2, Destination::Group(GROUP), &early);
    world.inject(3, 0, Destination::Group(GROUP), &late);
    world.run(50);
    world.inject(3, 2, Destination::Group(GROUP), &late);
    world.inject(1, 0, Destination::Group(GROUP), &early);
    world.run(50);
    for index in [0, 2] {
        let calls: Vec<_> = world.ues[index].machine.calls().map(|call| call.csb_id).collect();
        assert_eq!(calls.iter().map(|c| c.pgk_id()).collect::<Vec<_>>(), [0x19], "UE {index}");
        assert_eq!(world.ues[index].installed.keys().copied().collect::<Vec<_>>(), [0x19]);
    }
    assert_eq!(world.refusals(2), [Refusal::IndexInUse]);
    // One that is silent makes room.
    world.run(31_000);
    let later = Fake::new(&[&user(3)]);
    let octets = later.forge_call(&message(&world, 3, world.seconds().value(), 0x59), &gmk);
    world.inject(3, 2, Destination::Group(GROUP), &octets);
    world.run(50);
    assert_eq!(world.ues[2].installed.keys().copied().collect::<Vec<_>>(), [0x59]);
    // Index 0 marks PDUs without protection.
    let octets = later.forge_call(&message(&world, 3, world.seconds().value(), 0), &gmk);
    world.inject(3, 2, Destination::Group(GROUP), &octets);
    world.run(50);
    assert_eq!(world.refusals(2).last(), Some(&Refusal::Period));
}

#[test]
fn calls_of_all_members_go_on_side_by_side() {
    let mut world = World::new(12);
    world.distribute(0..12, 3600);
    world.run(3000);
    for round in 0..3 {
        for index in 0..12 {
            world.start_call(index).unwrap();
            world.run(10);
        }
        world.run(500);
        for index in 0..12 {
            assert_eq!(world.ues[index].machine.calls().count(), 12);
            assert!((0..12).all(|caller| world.in_call(index, caller)), "round {round}, UE {index}");
        }
        // The ended ones are silent.
        for index in 0..12 {
            let now = world.time();
            world.command(index, Input::EndCall { now, group: GROUP }).unwrap();
        }
        world.run(31_000);
    }
}

#[test]
fn the_next_call_of_a_ue_ends_its_last_one_at_every_member() {
    let mut world = distributed(3600);
    let (gmk, gmk_id) = (world.key(3), world.gmk(3).unwrap());
    for pgk_id in [0x19, 0x18, 0x39] {
        let csb_id = CsbId::new(world.seconds(), pgk_id);
        let gsk = Gsk::from([pgk_id; 16]);
        let message = CallMessage { caller: user(3), time: world.time(), csb_id, gmk_id, gsk };
        let octets = Fake::new(&[&user(3)]).forge_call(&message, &gmk);
        world.inject(3, 2, Destination::Group(GROUP), &octets);
        world.run(50);
        assert_eq!(world.ues[2].machine.calls().map(|call| call.csb_id).collect::<Vec<_>>(), [csb_id]);
        assert_eq!(world.ues[2].installed.keys().copied().collect::<Vec<_>>(), [pgk_id]);
        assert_eq!(world.kept(2).calls.len(), 1);
    }
}

#[test]
fn a_call_under_a_gmk_that_is_not_in_use_yet_or_over_meanwhile_is_not_joined() {
    // The store is done after the GMK is over, or at that very moment.
    (1..=2).for_each(over_meanwhile);
}

fn over_meanwhile(millis: u64) {
    let mut world = distributed(3600);
    let (old, old_id) = (world.key(2), world.gmk(2).unwrap());
    let activation = world.seconds().plus(100);
    let (now, period) = (world.time(), Period { activation, expiry: activation.plus(600) });
    world.command(0, Input::Rekey { now, group: GROUP, without: &[], period }).unwrap();
    world.run(3000);
    let ahead = world.kept(2).gmks.remove(1);
    let call = |world: &World, gmk_id: GmkId, gmk: &_| {
        let csb_id = CsbId::new(world.seconds(), 0x19);
        let gsk = Gsk::from([1; 16]);
        let message = CallMessage { caller: user(3), time: world.time(), csb_id, gmk_id, gsk };
        Fake::new(&[&user(3)]).forge_call(&message, gmk)
    };
    let octets = call(&world, ahead.id, &ahead.gmk);
    world.inject(3, 2, Destination::Group(GROUP), &octets);
    world.step_now();
    assert_eq!(world.refusals(2), [Refusal::NotActive]);
    // It is joined while the store works, and the GMK is over before the store is done.
    let to_activation = u64::from(activation.value()) * 1000 - world.now;
    world.run(to_activation - millis);
    let octets = call(&world, old_id, &old);
    world.inject(3, 2, Destination::Group(GROUP), &octets);
    world.run(100);
    assert_eq!(world.gmk(2), Some(ahead.id));
    assert!(!world.ues[2].events.iter().any(|event| matches!(event, Event::CallJoined { .. })));
    assert!(world.ues[2].installed.is_empty() && world.kept(2).calls.is_empty());
}

#[test]
fn a_call_that_began_before_the_longest_call_ago_is_over() {
    let mut world = distributed(7200);
    world.run(4_000_000);
    let (gmk, gmk_id) = (world.key(3), world.gmk(3).unwrap());
    for (age, expected) in [(3601, Some(Refusal::Period)), (3590, None)] {
        let csb_id = CsbId::new(UtcCounter::new(world.seconds().value() - age), 0x19);
        let gsk = Gsk::from([1; 16]);
        let message = CallMessage { caller: user(3), time: world.time(), csb_id, gmk_id, gsk };
        let octets = Fake::new(&[&user(3)]).forge_call(&message, &gmk);
        let before = world.refusals(2).len();
        world.inject(3, 2, Destination::Group(GROUP), &octets);
        world.run(100);
        assert_eq!(world.refusals(2).get(before), expected.as_ref());
    }
    assert_eq!(world.ues[2].installed.len(), 1);
    world.run(10_000);
    assert!(world.ues[2].installed.is_empty(), "an hour after it began");
}
