//! Rules of the machine, one by one.

use std::collections::BTreeSet;

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

fn search() -> Identity {
    Identity::user("search@ad-hoc.example")
}

fn create(world: &mut World, members: &[Member], identity: LocalIdentity, seconds: u32) -> Result<(), Error> {
    let (now, period, name) = (world.time(), world.period(seconds), search());
    world.command(1, Input::CreateAdHoc { now, group: SEARCH, name: &name, members, period, identity })
}

fn in_search(world: &World, index: usize) -> bool {
    world.ues[index].machine.current_gmk(SEARCH).is_some()
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
    // Of two that are not in use yet the latest counts.
    for seconds in [20, 10] {
        let (now, activation) = (world.time(), world.seconds().plus(seconds));
        let period = Period { activation, expiry: activation.plus(600) };
        world.command(0, Input::Rekey { now, group: GROUP, without: &[], period }).unwrap();
        world.run(3000);
    }
    let kept = world.kept(2);
    assert_eq!(kept.gmks.len(), 2);
    world.run(30_000);
    assert!((1..4).all(|index| world.gmk(index) == world.gmk(0)));
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
        time: sidelink_security::counter::UtcTime::from_millis(time),
        csb_id: CsbId::new(sidelink_security::counter::UtcTime::from_millis(time).counter(), 0x19),
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
        csb_id: CsbId::new(sidelink_security::counter::UtcCounter::new(since), pgk_id),
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
fn an_ad_hoc_group_is_made_over_links_and_all_its_members_call() {
    let mut world = World::new(5);
    create(&mut world, &[member(2), member(3)], LocalIdentity::User, 600).unwrap();
    world.run(3000);
    assert!((1..4).all(|index| in_search(&world, index)) && !in_search(&world, 4));
    assert_eq!(world.ues[1].machine.missing(SEARCH), 0);
    assert_eq!(world.ues[1].links_wanted, 2);
    let kept = world.kept(3);
    let listed: Vec<_> = kept.gmks[0].members.iter().map(|m| m.identity.clone()).collect();
    assert_eq!((listed, kept.gmks[0].kind), (vec![user(1), user(2), user(3)], GroupKind::AdHoc));
    assert!(
        world.sent.iter().all(|(_, m)| matches!(m.to, Destination::Link(_))),
        "over links and nowhere else"
    );
    // A second group of this layer-2 identity or name: no.
    let again = create(&mut world, &[member(2)], LocalIdentity::User, 600);
    assert_eq!(again, Err(Error::GroupExists(SEARCH)));
    // Its maker re-keys it without a member, and a member does not.
    let (now, period, without) = (world.time(), world.period(600), [user(3)]);
    let rekey = Input::Rekey { now, group: SEARCH, without: &without, period };
    assert_eq!(world.command(2, rekey), Err(Error::NotManager(SEARCH)));
    let rekey = Input::Rekey { now, group: SEARCH, without: &without, period };
    world.command(1, rekey).unwrap();
    world.run(3000);
    let id = |index: usize| world.ues[index].machine.current_gmk(SEARCH);
    assert!(id(1) == id(2) && id(1) != id(3));
    let kept = world.kept(2);
    assert!(kept.gmks[0].members.iter().all(|m| m.identity != user(3)));
}

#[test]
fn an_ad_hoc_group_waits_for_members_whose_link_does_not_come() {
    let mut world = World::new(3);
    world.distribute(0..1, 600);
    let absent = Member { identity: user(9), layer2: l2(9) };
    create(&mut world, &[member(2), absent], LocalIdentity::User, 600).unwrap();
    world.run(5000);
    assert!(in_search(&world, 2));
    assert_eq!(world.ues[1].machine.missing(SEARCH), 1);
    assert!(world.ues[1].links_wanted > 2);
    let rounds = world.ues[1].events.iter().filter(|e| matches!(e, Event::Round { missing: 1, .. })).count();
    assert!(rounds >= 3);
    // A link with that layer-2 identity, whose peer proves another one, is not taken.
    let (now, other) = (world.time(), user(8));
    let sent = world.sent.len();
    world.command(1, Input::LinkUp { now, peer: l2(9), identity: &other }).unwrap();
    assert_eq!(world.sent.len(), sent);
    let right = user(9);
    world.command(1, Input::LinkUp { now, peer: l2(9), identity: &right }).unwrap();
    assert_eq!(world.sent.len(), sent + 1);
}

#[test]
fn groups_out_of_the_box_have_identities_of_mes_and_short_periods() {
    let mut world = World::new(4);
    let of = |index| Member { identity: me(index), layer2: l2(index) };
    let all = [of(2), of(3)];
    let long = create(&mut world, &all, LocalIdentity::Me, 7300);
    assert_eq!(long, Err(Error::Period { max: 7200 }));
    create(&mut world, &all, LocalIdentity::Me, 7200).unwrap();
    world.run(3000);
    assert!((1..4).all(|index| in_search(&world, index)));
    // No network, no manager: and a call signed by the ME.
    let now = world.time();
    world.command(3, Input::StartCall { now, group: SEARCH }).unwrap();
    world.run(500);
    let call = world.ues[2].machine.calls().next().unwrap();
    assert_eq!(call.caller, me(3));
    // A member does not take a longer period than its ME allows, whoever offers it.
    world.ues[2].config.me = Some(MeIdentity { identity: me(2), longest_period: 60 });
    world.ues[2].disk = Box::<MemoryDisk>::default();
    world.crash(2);
    world.run(70_000);
    assert!(world.refusals(2).contains(&Refusal::Period) || !in_search(&world, 2));
}

#[test]
fn whom_this_ue_does_not_trust_makes_no_group_with_it() {
    let listed: BTreeSet<_> = [user(3)].into();
    for (trust, accepted) in
        [(AdHocTrust::Everyone, true), (AdHocTrust::Nobody, false), (AdHocTrust::Listed(listed), false)]
    {
        let mut world = World::with(
            4,
            Box::new(fake),
            move |index, config| {
                if index == 2 {
                    config.ad_hoc = trust.clone();
                }
            },
            |_| Box::<MemoryDisk>::default(),
        );
        create(&mut world, &[member(2)], LocalIdentity::User, 600).unwrap();
        world.run(3000);
        assert_eq!(in_search(&world, 2), accepted);
        assert_eq!(world.refusals(2).contains(&Refusal::NotTrusted), !accepted);
    }
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
