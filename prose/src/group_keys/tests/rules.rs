//! Rules of the machine, one by one.

use sidelink_security::keys::{Gmk, Gsk};
use sidelink_wire::group_keys as wire;
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
fn nothing_leaves_before_it_is_durable() {
    let mut world = World::new(2);
    world.distribute(0..2, 3600);
    assert!(world.sent.is_empty() && world.gmk(0).is_none());
    world.run(1);
    assert!(world.sent.is_empty());
    world.run(500);
    assert_eq!(world.messages(0, MessageKind::Gmk).len(), 1);
    assert_eq!(world.messages(1, MessageKind::Acknowledgement).len(), 1);
    world.sent.clear();
    world.start_call(0).unwrap();
    assert!(world.sent.is_empty() && world.ues[0].installed.is_empty());
    world.run(2);
    assert_eq!(world.messages(0, MessageKind::Call).len(), 1);
    assert!(world.ues[1].installed.is_empty());
    world.run(11);
    assert!(world.ues[1].installed.is_empty(), "the member's own store is not done");
    world.run(2);
    assert!(world.in_call(1, 0));
}

#[test]
fn what_the_store_refuses_is_not_done_and_may_come_again() {
    let mut world = World::new(2);
    world.failing.insert(1);
    world.distribute(0..2, 3600);
    world.run(30);
    assert!(world.gmk(1).is_none());
    assert!(world.ues[1].events.contains(&Event::StoreFailed { group: GROUP }));
    assert!(world.messages(1, MessageKind::Acknowledgement).is_empty());
    world.run(2000);
    assert!(world.gmk(1).is_some(), "the next round brought it");
    world.failing.insert(0);
    world.start_call(0).unwrap();
    world.run(3000);
    assert!(world.messages(0, MessageKind::Call).is_empty() && world.ues[0].installed.is_empty());
    world.start_call(0).unwrap();
    world.run(100);
    assert!(world.in_call(1, 0));
}

#[test]
fn an_expired_gmk_neither_sends_nor_receives_and_is_deleted() {
    let mut world = distributed(60);
    world.start_call(1).unwrap();
    world.run(50_000);
    assert!(world.in_call(2, 1) && world.say(1, b"in time") | world.say(1, b"in time"));
    let gmk = world.key(3);
    let id = world.gmk(3).unwrap();
    world.run(20_000);
    for index in 0..4 {
        let ue = &mut world.ues[index];
        assert!(ue.machine.current_gmk(GROUP).is_none() && ue.installed.is_empty());
        assert!(ue.events.contains(&Event::GmkEnded { group: GROUP, gmk_id: id, replaced: false }));
        let kept = world.kept(index);
        assert!(kept.gmks.is_empty() && kept.calls.is_empty(), "it is deleted");
    }
    let announced = world.messages(1, MessageKind::Call).len();
    assert_eq!(world.start_call(1), Err(Error::NoGmk(GROUP)));
    // One that kept it is refused.
    let message = CallMessage {
        caller: user(3),
        time: world.time(),
        csb_id: CsbId::new(world.seconds(), 0x19),
        gmk_id: id,
        gsk: Gsk::from([1; 16]),
    };
    let octets = Fake::new(&[&user(3)]).forge_call(&message, &gmk);
    world.inject(3, 2, Destination::Group(GROUP), &octets);
    // And the update that brought it, at a UE that missed it.
    let update = world.messages(0, MessageKind::Gmk).remove(0);
    world.ues[1].disk = Box::<MemoryDisk>::default();
    world.crash(1);
    world.inject(0, 1, Destination::Ue(l2(1)), &update);
    world.run(5000);
    assert_eq!(world.refusals(2), [Refusal::UnknownGmk]);
    assert_eq!(world.refusals(1).last(), Some(&Refusal::Expired));
    assert_eq!(world.messages(1, MessageKind::Call).len(), announced, "no announcement under it");
}

/// The removal of an expired GMK may not have become durable.
#[test]
fn an_expired_gmk_that_the_store_still_has_is_not_used() {
    let mut world = distributed(60);
    world.now += 61_000;
    // The process was not there when the period ended.
    world.crash(1);
    assert!(world.gmk(1).is_none());
    assert_eq!(world.start_call(1), Err(Error::NoGmk(GROUP)));
    assert!(world.kept(1).gmks.is_empty());
}

#[test]
fn a_gmk_is_used_from_its_activation_on_and_its_predecessor_until_then() {
    let mut world = distributed(3600);
    let old = world.gmk(1);
    let now = world.time();
    let activation = world.seconds().plus(10);
    let period = Period { activation, expiry: activation.plus(3600) };
    world.command(0, Input::Rekey { now, group: GROUP, without: &[], period }).unwrap();
    world.run(5000);
    assert!((0..4).all(|index| world.gmk(index) == old));
    world.start_call(1).unwrap();
    world.run(100);
    assert!(world.in_call(2, 1));
    world.run(10_000);
    let new = world.gmk(0);
    assert!(new.is_some() && new != old && (1..4).all(|index| world.gmk(index) == new));
    assert!(world.ues[2].installed.is_empty(), "calls under the old one have ended");
    // Of two that are ahead each comes into use, unless the later one was before it.
    let ahead = |world: &mut World, seconds: u32| {
        let (now, activation) = (world.time(), world.seconds().plus(seconds));
        let period = Period { activation, expiry: activation.plus(600) };
        world.command(0, Input::Rekey { now, group: GROUP, without: &[], period }).unwrap();
        world.run(2000);
        world.kept(2).gmks.last().map(|record| record.id)
    };
    let all_have = |world: &World, id| (0..4).all(|index| world.gmk(index) == id);
    let (first, second) = (ahead(&mut world, 20), ahead(&mut world, 30));
    assert!(first != second && world.kept(2).gmks.len() == 3 && all_have(&world, new));
    world.run(20_000);
    assert!(all_have(&world, first));
    world.run(10_000);
    assert!(all_have(&world, second) && world.kept(2).gmks.len() == 1);
    let (never, third) = (ahead(&mut world, 30), ahead(&mut world, 10));
    world.run(10_000);
    assert!(never != third && all_have(&world, third) && world.kept(2).gmks.len() == 1);
}

#[test]
fn commands_that_cannot_be_followed_say_why() {
    let mut world = World::new(3);
    let (now, period) = (world.time(), world.period(600));
    let none = Input::Rekey { now, group: GROUP, without: &[], period };
    assert_eq!(world.command(0, none), Err(Error::NoGmk(GROUP)));
    let all: Vec<_> = (0..3).map(member).collect();
    let mut distribute = |index: usize, group, members: &[Member], period| {
        world.command(index, Input::Distribute { now, group, members, period })
    };
    assert_eq!(distribute(1, GROUP, &all, period), Err(Error::NotManager(GROUP)));
    assert_eq!(distribute(0, SEARCH, &all, period), Err(Error::UnknownGroup(SEARCH)));
    assert_eq!(distribute(0, GROUP, &[], period), Err(Error::Members { given: 0, max: 4096 }));
    let twice = [member(1), member(2), member(1)];
    assert_eq!(distribute(0, GROUP, &twice, period), Err(Error::MemberTwice(user(1))));
    let twice = [member(1), Member { layer2: l2(1), ..member(2) }];
    assert!(matches!(distribute(0, GROUP, &twice, period), Err(Error::MemberTwice(_))));
    let empty = [Member { identity: Identity::user(""), layer2: l2(1) }];
    assert_eq!(distribute(0, GROUP, &empty, period), Err(Error::IdentityLength { len: 0 }));
    let past = Period { activation: period.activation, expiry: period.activation };
    assert!(matches!(distribute(0, GROUP, &all, past), Err(Error::Period { .. })));
    let long = Period { activation: period.activation, expiry: period.activation.plus(40 * 86_400) };
    assert!(matches!(distribute(0, GROUP, &all, long), Err(Error::Period { .. })));
    assert_eq!(distribute(0, GROUP, &all, period), Ok(()));
    assert_eq!(distribute(0, GROUP, &all, period), Err(Error::Busy(GROUP)));
    world.run(1000);
    world.start_call(1).unwrap();
    assert_eq!(world.start_call(1), Err(Error::Busy(GROUP)));
    world.run(100);
    assert!(matches!(world.start_call(1), Err(Error::InCall(_))));
    let others = [user(1)];
    let now = world.time();
    world.command(2, Input::SetMembers { now, group: GROUP, members: &others }).unwrap();
    assert_eq!(world.start_call(2), Err(Error::NotMember(GROUP)));
    for error in [Error::NoCall(GROUP), Error::NotMember(GROUP), Error::NoMeIdentity] {
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn an_acknowledgement_counts_for_the_one_that_made_it() {
    let mut world = World::new(3);
    world.channel = Box::new(|_| vec![]);
    world.distribute(0..3, 3600);
    world.run(500);
    let (id, time) = {
        let kept = world.kept(0);
        (kept.gmks[0].id, kept.gmks[0].time)
    };
    let gmk = world.key(0);
    let ack = |gmk: &Gmk, gmk_id: u32, time: u64, index: usize| {
        let name = user(index).value;
        let mac = sidelink_security::kdf::own::gmk_acknowledgement(gmk, gmk_id, time, &name);
        let member = wire::Name { kind: 1, octets: &name };
        wire::Acknowledgement { gmk_id, time, member, mac }.emit().unwrap()
    };
    let cases = [
        (ack(&Gmk::from([1; 16]), id.0, time.millis(), 1), Some(Refusal::Mac)),
        (ack(&gmk, id.0 ^ 1, time.millis(), 1), Some(Refusal::NotAsked)),
        (ack(&gmk, id.0, time.millis() + 1, 1), Some(Refusal::NotAsked)),
        (ack(&gmk, id.0, time.millis(), 7), Some(Refusal::NotOnList)),
        (ack(&gmk, id.0, time.millis(), 1), None),
    ];
    for (octets, expected) in cases {
        let before = world.refusals(0).len();
        world.inject(1, 0, Destination::Ue(l2(0)), &octets);
        world.step_now();
        assert_eq!(world.refusals(0).get(before), expected.as_ref());
    }
    assert_eq!(world.ues[0].machine.missing(GROUP), 1);
}

#[test]
fn without_acknowledgements_all_messages_are_repeated_blindly() {
    let mut world = World::with(
        4,
        Box::new(fake),
        |_, config| config.acknowledgement = Acknowledgement::None,
        |_| Box::<MemoryDisk>::default(),
    );
    world.distribute(0..4, 3600);
    world.run(600_000);
    assert!((1..4).all(|index| world.gmk(index) == world.gmk(0)));
    assert_eq!(world.messages(0, MessageKind::Gmk).len(), 9, "three rounds of three");
    assert!((1..4).all(|index| world.messages(index, MessageKind::Acknowledgement).is_empty()));
}

#[test]
fn one_identity_that_cannot_be_encapsulated_to_holds_up_nobody() {
    let mut world = World::new(4);
    let mut members: Vec<_> = (0..4).map(member).collect();
    members.insert(2, Member { identity: Identity::user("unheard-of"), layer2: l2(9) });
    let (now, period) = (world.time(), world.period(600));
    world.command(0, Input::Distribute { now, group: GROUP, members: &members, period }).unwrap();
    world.run(3000);
    assert!((1..4).all(|index| world.gmk(index) == world.gmk(0)));
    assert_eq!(world.ues[0].machine.missing(GROUP), 1);
    assert!(world.refusals(0).contains(&Refusal::Decapsulation));
}

#[test]
fn a_flood_costs_a_bounded_number_of_signatures() {
    let verified = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counter = std::sync::Arc::clone(&verified);
    let make = move |index: usize| -> Box<dyn Messages> {
        let mut fake = Fake::new(&[&user(index)]);
        if index == 1 {
            fake.verified = std::sync::Arc::clone(&counter);
        }
        Box::new(fake)
    };
    let mut world = World::with(2, Box::new(make), |_, _| {}, |_| Box::<MemoryDisk>::default());
    let from = Fake::new(&[&user(0)]);
    let (gmk, group) = (Gmk::from([7; 16]), fire());
    for n in 0..1000 {
        let time = sidelink_security::counter::UtcTime::from_millis(world.now + n);
        let offer = GmkOffer { group: &group, time, id: GmkId(1), gmk: &gmk, period: world.period(60) };
        let octets = from.forge_gmk(&offer, &user(1));
        world.inject(0, 1, Destination::Ue(l2(1)), &octets);
    }
    world.step_now();
    assert_eq!(verified.load(std::sync::atomic::Ordering::Relaxed), 128);
    assert_eq!(world.refusals(1).iter().filter(|why| **why == Refusal::RateLimited).count(), 872);
}

/// After the loss of its store a UE joins a call that may have been its own before: it hears, and does not send.
#[test]
fn a_ue_whose_store_was_lost_sends_in_no_call_that_began_before() {
    let mut world = distributed(3600);
    world.start_call(1).unwrap();
    world.run(100);
    assert!(world.in_call(2, 1));
    let lost = world.time();
    world.ues[2].disk = Box::new(MemoryDisk { lost: Some(lost), ..MemoryDisk::default() });
    world.crash(2);
    // The manager sends the same GMK under a later time: here by a message of our own.
    world.run(40_000);
    let gmk = world.key(0);
    let (group, time, id) = (fire(), world.time(), world.gmk(0).unwrap());
    let offer = GmkOffer { group: &group, time, id, gmk: &gmk, period: world.period(600) };
    let octets = Fake::new(&[&fire()]).forge_gmk(&offer, &user(2));
    world.inject(0, 2, Destination::Ue(l2(2)), &octets);
    // Its announcement is made anew.
    world.run(30_000);
    assert!(world.in_call(2, 1));
    assert_eq!(world.ues[2].installed.values().map(|(_, may_send)| *may_send).collect::<Vec<_>>(), [false]);
    assert!(!world.say(2, b"perhaps a second time"));
    // A call that begins now is another thing.
    world.run(1000);
    world.start_call(3).unwrap();
    world.run(100);
    assert!(world.ues[2].installed.values().any(|(_, may_send)| *may_send));
}

#[test]
fn one_gmk_id_does_not_stand_for_two_keys() {
    let mut world = distributed(3600);
    let (id, group) = (world.gmk(2).unwrap(), fire());
    for (key, expected) in [([7; 16], Some(Refusal::GmkIdInUse)), (*world.key(2).as_bytes(), None)] {
        world.run(1000);
        let (gmk, before) = (Gmk::from(key), world.refusals(2).len());
        let offer = GmkOffer { group: &group, time: world.time(), id, gmk: &gmk, period: world.period(60) };
        let octets = Fake::new(&[&fire()]).forge_gmk(&offer, &user(2));
        world.inject(0, 2, Destination::Ue(l2(2)), &octets);
        world.run(100);
        assert_eq!(world.refusals(2).get(before), expected.as_ref());
    }
}

/// A store that returns an older time after a newer one.
#[test]
fn a_highest_time_is_never_lowered() {
    let mut world = distributed(3600);
    let newest = world.kept(2).gmks.remove(0).time;
    let update = world.messages(0, MessageKind::Gmk);
    let highest = |time| Change::Raise(Highest { sender: fire(), group: GROUP, stream: Stream::Gmk, time });
    let changes = vec![highest(newest), highest(newest.minus_millis(9))];
    world.ues[2].disk = Box::new(MemoryDisk { changes, ..MemoryDisk::default() });
    world.crash(2);
    for octets in &update {
        world.inject(0, 2, Destination::Ue(l2(2)), octets);
    }
    world.step_now();
    assert!(world.refusals(2).contains(&Refusal::Replayed) && world.gmk(2).is_none());
}

#[test]
fn a_message_that_comes_twice_while_the_store_works_is_taken_once() {
    let mut world = World::new(2);
    world.channel = Box::new(|flying| vec![flying.clone(), flying]);
    world.distribute(0..2, 3600);
    world.run(100);
    assert_eq!(world.refusals(1), [Refusal::Busy]);
    let received = |event: &&Event| matches!(event, Event::GmkReceived { .. });
    assert_eq!(world.ues[1].events.iter().filter(received).count(), 1);
    assert_eq!(world.messages(1, MessageKind::Acknowledgement).len(), 1);
}
