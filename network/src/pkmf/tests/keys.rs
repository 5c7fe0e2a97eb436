//! Periods, IDs, revocation, PMKs.

use super::*;

fn has(world: &KeyWorld, event: &Event) -> bool {
    world.events.contains(event)
}

fn name_of(service: ServiceId, id: u8) -> crate::key_delivery::KeyName {
    crate::key_delivery::KeyName { service, id: id.try_into().unwrap() }
}

#[test]
fn the_next_key_is_there_before_the_last_one_ends() {
    let mut world = world(&[1, 2]);
    let (lifetime, lead) = (u64::from(world.config.lifetime), u64::from(world.config.lead));
    world.run((lifetime - lead) * 1000 - 2_000);
    assert_eq!(world.ids(1, FIRE), [1]);
    world.run(2_000);
    assert_eq!(world.ids(1, FIRE), [1, 2], "an hour before");
    let keys = world.phone(1).client.group_keys(FIRE);
    assert_eq!(keys[0].expiry, keys[1].valid_from, "one follows the other");
    assert!(keys[0].expiry < keys[1].expiry, "later keys end later");
    for day in 1..40 {
        world.run(lifetime * 1000);
        let ids = world.ids(2, FIRE);
        let next = |id: u8| id % 255 + 1;
        assert!(ids.contains(&(day + 2)) && ids.contains(&(day + 1)), "day {day}: {ids:?}");
        assert!(ids.len() <= 3, "the last one that ended, the one that counts, the next: {ids:?}");
        assert_eq!(next(day + 1), day + 2);
        assert!(world.disk.keys.len() <= 3);
    }
}

#[test]
fn ids_are_never_0_and_apart_in_five_bits() {
    let mut config = config();
    (config.lifetime, config.lead) = (100, 90);
    let mut world = KeyWorld::new(config);
    world.add_phone(1);
    world.want(1, &[GROUP]);
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        world.run(100_000);
        let alive: Vec<_> = world.disk.keys.keys().map(|name| name.id.get()).collect();
        let indices: BTreeSet<_> = alive.iter().map(|id| id & 0x1f).collect();
        assert_eq!(indices.len(), alive.len(), "{alive:?}");
        seen.extend(alive);
    }
    assert_eq!(seen, (1..=255).collect(), "every ID comes, but 0");
}

#[test]
fn after_a_long_sleep_a_key_counts_from_now_on() {
    let mut world = world(&[1]);
    world.phones.clear();
    world.want_nothing_for(10 * u64::from(world.config.lifetime) * 1000);
    world.add_phone(2);
    world.want(2, &[GROUP]);
    world.run(1_000);
    let keys = world.phone(2).client.group_keys(FIRE);
    assert!(keys.iter().any(|key| key.valid_from <= world.now.counter() && world.now.counter() < key.expiry));
}

#[test]
fn a_revoked_member_loses_the_key_and_the_others_get_another() {
    let mut world = world(&[1, 2, 3]);
    let now = world.now;
    world.input(Input::Revoke { now, service: FIRE, ue: ue(2) });
    world.run(5_000);
    assert_eq!(world.ids(2, FIRE), [] as [u8; 0], "it deletes what it is told to");
    for number in [1, 3] {
        assert_eq!(world.ids(number, FIRE), [2], "a new one, and the old one is gone");
        let key = world.phone(number).client.group_keys(FIRE).remove(0);
        assert!(key.valid_from <= world.now.counter());
    }
    assert!(has(&world, &Event::Deleted { ue: ue(2), key: name_of(FIRE, 1) }));
    // The new key came first: nobody was without one.
    let of_1: Vec<_> = world
        .phone(1)
        .events
        .iter()
        .filter(|e| matches!(e, client::Event::Key(_) | client::Event::Deleted(_)))
        .cloned()
        .collect();
    assert_eq!(
        of_1,
        [
            client::Event::Key(name_of(FIRE, 1)),
            client::Event::Key(name_of(FIRE, 2)),
            client::Event::Deleted(name_of(FIRE, 1))
        ]
    );
    let answer = ask(&mut world, 2, |message| message.groups = vec![group(FIRE, &[0])]);
    assert_eq!(answer.group_rejects[0].error, ErrorCode::NotAuthorised);
    world.restart();
    let answer = ask(&mut world, 2, |message| message.groups = vec![group(FIRE, &[0])]);
    assert_eq!(answer.group_rejects[0].error, ErrorCode::NotAuthorised, "after a restart too");
    world.run(u64::from(world.config.lifetime) * 1000);
    assert_eq!(world.ids(2, FIRE), [] as [u8; 0]);
    let now = world.now;
    world.input(Input::Admit { now, service: FIRE, ue: ue(2) });
    let answer = ask(&mut world, 2, |message| message.groups = vec![group(FIRE, &[0])]);
    assert_eq!(answer.groups.len(), 1);
    assert!(world.disk.revocations.is_empty());
}

#[test]
fn who_is_no_member_is_not_revoked() {
    let mut world = world(&[1]);
    let now = world.now;
    world.input(Input::Revoke { now, service: FIRE, ue: ue(5) });
    world.input(Input::Revoke { now, service: ServiceId([7; 3]), ue: ue(1) });
    world.run(1_000);
    assert_eq!(world.ids(1, FIRE), [1]);
    assert!(world.disk.revocations.is_empty());
}

#[test]
fn revocations_end_when_no_index_is_free() {
    let mut config = config();
    let Kind::Group { members, .. } = &mut config.services[0].kind else { panic!() };
    *members = (1..=60).map(|n| (ue(n), MemberId([1, 0, n]))).collect();
    let mut world = KeyWorld::new(config);
    world.add_phone(60);
    world.want(60, &[GROUP]);
    world.run(1_000);
    for number in 1..=31 {
        let now = world.now;
        world.input(Input::Revoke { now, service: FIRE, ue: ue(number) });
        world.run(100);
        assert_eq!(world.ids(60, FIRE), [number + 1]);
    }
    let now = world.now;
    world.input(Input::Revoke { now, service: FIRE, ue: ue(32) });
    world.run(1_000);
    assert!(has(&world, &Event::NoFreeId(FIRE)));
    assert_eq!(world.ids(60, FIRE), [] as [u8; 0], "who was revoked has the last one");
    world.run(u64::from(world.config.lifetime) * 1000 + 1_000);
    assert!(!world.ids(60, FIRE).is_empty(), "indices are free again once keys end");
}

#[test]
fn a_ue_that_comes_back_with_an_old_key_deletes_it() {
    let mut world = world(&[1, 2, 3]);
    // Out of reach while the key is replaced.
    let away = world.phones.remove(&1).unwrap();
    let now = world.now;
    world.input(Input::Revoke { now, service: FIRE, ue: ue(2) });
    world.run(60_000);
    assert!(has(&world, &Event::Unanswered { ue: ue(1), key: name_of(FIRE, 2) }));
    world.phones.insert(1, away);
    assert_eq!(world.ids(1, FIRE), [1]);
    let pmk = world.disk.ues[&ue(1)].pmk_id;
    world.want(1, &[GROUP, Want::Relay(RELAY)]);
    world.run(5_000);
    assert_eq!(world.ids(1, FIRE), [2]);
    assert_ne!(world.disk.ues[&ue(1)].pmk_id, pmk, "it did not answer: it may have lost its PMK");
    // One of which nobody knows.
    let before = world.sent.len();
    ask(&mut world, 3, |message| message.groups = vec![group(FIRE, &[2, 77])]);
    world.run(1_000);
    assert_eq!(world.sent.len(), before + 1, "77 is to be deleted, 2 is right");
    assert!(has(&world, &Event::Deleted { ue: ue(3), key: name_of(FIRE, 77) }));
}

#[test]
fn a_pmk_is_renewed_by_a_key_request() {
    let mut world = world(&[1]);
    let first = world.disk.ues[&ue(1)].pmk_id;
    // A UE that has its keys keeps its PMK.
    let answer = ask(&mut world, 1, |message| message.groups = vec![group(FIRE, &[1])]);
    assert!(answer.pmk.is_none());
    world.run(world.config.pmk_lifetime + 1_000);
    let second = world.disk.ues[&ue(1)].pmk_id;
    assert_ne!(first, second, "a message with ID 0 made it ask");
    assert_eq!(world.phone(1).card.pmk.as_ref().unwrap().id, second);
}

#[test]
fn who_has_no_key_may_have_lost_its_pmk() {
    let mut world = world(&[1]);
    let first = world.disk.ues[&ue(1)].pmk_id;
    world.add_phone(1);
    world.want(1, &[GROUP]);
    world.run(1_000);
    assert_ne!(world.disk.ues[&ue(1)].pmk_id, first, "another PMK, under which old messages are nothing");
    assert_eq!(world.ids(1, FIRE), [1]);
    let old: Vec<_> = world.sent.iter().map(|(_, octets)| octets.clone()).collect();
    let now = world.now;
    for octets in &old {
        world.phone(1).client.handle_input(client::Input::Datagram { now, octets });
    }
    world.drain();
    let refused: Vec<_> =
        granted(&mut world, 1).into_iter().filter(|e| matches!(e, client::Event::Refused(_))).collect();
    assert_eq!(
        refused,
        [
            client::Event::Refused(client::Refused::UnknownPmk),
            client::Event::Refused(client::Refused::Replayed)
        ]
    );
}

#[test]
fn what_was_on_its_way_under_the_old_pmk_comes_under_the_new_one() {
    let mut world = KeyWorld::new(config());
    world.channel.lost = 255;
    ask(&mut world, 3, |message| message.groups = vec![group(FIRE, &[0])]);
    // It asks for something else, and has never seen the first key.
    ask(&mut world, 3, |message| message.groups = vec![group(POLICE, &[0])]);
    let pmk = &world.disk.ues[&ue(3)].pmk;
    let name = pkmf_name();
    let under_it = world.sent.iter().filter_map(|(_, octets)| {
        let received = crate::key_delivery::Received::parse(octets, &name).unwrap();
        received.verify(pmk).ok().map(|proven| proven.content)
    });
    let services: BTreeSet<_> = under_it
        .map(|content| match content {
            crate::key_delivery::Content::Key(name, ..) => name.service,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(services, BTreeSet::from([FIRE, POLICE]));
    // An answer to it is an answer, whatever was sent under the old PMK with the same counter.
    let last = world.sent.iter().rev().find_map(|(_, octets)| {
        let received = crate::key_delivery::Received::parse(octets, &name).unwrap();
        let proven = received.verify(&world.disk.ues[&ue(3)].pmk).unwrap();
        let of_fire =
            matches!(&proven.content, crate::key_delivery::Content::Key(key, ..) if key.service == FIRE);
        of_fire.then_some((received.counter, proven.answer.unwrap()))
    });
    let (counter, answer) = last.unwrap();
    assert_eq!(counter, 1);
    let (now, from) = (world.now, "10.0.0.3".parse().unwrap());
    world.input(Input::Datagram { now, from, octets: &answer });
    assert!(has(&world, &Event::Delivered { ue: ue(3), key: name_of(FIRE, 1) }));
}

/// Keys that are made in one second end in different ones.
#[test]
fn no_two_keys_end_together() {
    let mut world = world(&[3]);
    let now = world.now;
    world.input(Input::Revoke { now, service: FIRE, ue: ue(1) });
    world.input(Input::Revoke { now, service: FIRE, ue: ue(2) });
    let ends: BTreeSet<_> = world.disk.keys.values().map(|record| record.period.to).collect();
    assert_eq!((world.disk.keys.len(), ends.len()), (3, 3));
}

/// A UE keeps the key that ended last (TS 33.303 §6.2.3.1), and is left alone for it.
#[test]
fn the_key_that_ended_last_is_nothing_to_delete() {
    let mut world = world(&[1]);
    world.run(u64::from(world.config.lifetime) * 1000);
    let before = world.sent.len();
    ask(&mut world, 1, |message| message.groups = vec![group(FIRE, &[1, 2])]);
    assert_eq!(world.sent.len(), before);
    assert!(world.disk.keys.contains_key(&name_of(FIRE, 1)));
}

#[test]
fn what_is_on_its_way_stops_when_it_is_wanted_no_more() {
    let mut world = KeyWorld::new(config());
    world.channel.lost = 255;
    ask(&mut world, 1, |message| message.groups = vec![group(FIRE, &[0])]);
    assert_eq!(world.sent.len(), 1);
    ask(&mut world, 1, |message| message.stop_groups = vec![FIRE]);
    world.run(60_000);
    assert_eq!(world.sent.len(), 1, "it is not said again");
}

/// The world looks whether a key has ended.
#[test]
fn a_key_that_ends_while_it_is_said_is_said_no_more() {
    let mut config = config();
    (config.lifetime, config.lead, config.interval) = (5, 1, 3_000);
    let mut world = KeyWorld::new(config);
    world.channel.lost = 255;
    ask(&mut world, 1, |message| message.groups = vec![group(FIRE, &[0])]);
    world.run(60_000);
    assert!(world.sent.len() > 12);
}
