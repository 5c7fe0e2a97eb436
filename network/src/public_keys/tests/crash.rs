//! Kills and failures of the store: nothing that was told is lost, nothing that was not stored is told.

use super::*;

/// The server is killed and starts with what its disk has.
fn killed(world: World) -> World {
    let World { disk, clients, signs, now, .. } = world;
    let mut again = World::on(config(), disk, 2);
    (again.clients, again.signs, again.now) = (clients, signs, now);
    again
}

#[test]
fn a_registration_is_told_once_it_is_durable() {
    let mut world = World::new();
    world.medium = Medium::Hangs;
    assert_eq!(world.announce(ANNA, user(ANNA), 11).len(), 0, "no answer yet");
    assert!(matches!(&world.hanging[..], [(_, changes)] if matches!(changes[..], [Change::PutKey(_)])));
    let keys = keys_of(world.say(BERT, &fetch(vec![user(ANNA)], Vec::new(), Some(BERT))));
    assert_eq!(keys.keys.len(), 0, "nobody is told a key that may be lost");
    let mut world = killed(world);
    assert_eq!(world.server.keys(), 0);
    // The UE asks again, and this time it is there for good.
    world.run(300 * SECOND);
    assert_eq!(world.server.keys(), 1);
    let mut world = killed(world);
    let keys = keys_of(world.say(BERT, &fetch(vec![user(ANNA)], Vec::new(), Some(BERT))));
    assert_eq!(keys.keys.len(), 1);
}

#[test]
fn a_failed_store_registers_nothing() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    world.run(60 * SECOND);
    world.medium = Medium::Fails;
    world.clients.remove(&ANNA);
    world.signs.clear();
    world.announce(ANNA, user(ANNA), 12);
    // The key that would have been replaced goes on: it is not revoked.
    let keys = keys_of(world.say(BERT, &fetch(vec![user(ANNA)], Vec::new(), Some(BERT))));
    assert_eq!(keys.keys.iter().map(|told| told.key.clone()).collect::<Vec<_>>(), [key(11)]);
    assert!(matches!(keys.list, ListNews::New(list) if list.number == ListNumber(0)));
    world.medium = Medium::Works;
    world.run(300 * SECOND);
    let keys = keys_of(world.say(BERT, &fetch(vec![user(ANNA)], Vec::new(), Some(BERT))));
    assert_eq!(keys.keys.iter().map(|told| told.key.clone()).collect::<Vec<_>>(), [key(12)]);
}

/// The operator is told when a revocation is durable; until then the key is told to nobody, and the list does not have it.
#[test]
fn a_revocation_counts_at_once_and_is_told_once_it_is_durable() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    world.medium = Medium::Fails;
    world.revoke(Withdrawal::Name(user(ANNA)));
    assert_eq!(world.done, []);
    let keys = keys_of(world.say(BERT, &fetch(vec![user(ANNA)], Vec::new(), Some(BERT))));
    assert_eq!(keys.keys.len(), 0);
    assert!(matches!(keys.list, ListNews::New(list) if list.number == ListNumber(0)));
    world.medium = Medium::Works;
    world.run(20 * SECOND);
    assert_eq!(world.done.len(), 1, "the store was tried again");
    let mut world = killed(world);
    let keys = keys_of(world.say(BERT, &fetch(vec![user(ANNA)], Vec::new(), Some(BERT))));
    let ListNews::New(list) = keys.list else { panic!() };
    assert_eq!((list.number, list.says(&key(11).fingerprint())), (ListNumber(1), Listed::Yes));
    // The next one has the next number, also after the kill.
    world.announce(4, user(4), 14);
    world.revoke(Withdrawal::Name(user(4)));
    let keys = keys_of(world.say(BERT, &fetch(vec![user(4)], Vec::new(), Some(BERT))));
    assert!(matches!(keys.list, ListNews::New(list) if list.number == ListNumber(2)));
}

/// Two revocations become durable in the other order: a list that lacks the first is never told with the number of the second.
#[test]
fn a_list_has_all_revocations_up_to_its_number() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    world.announce(4, user(4), 14);
    world.medium = Medium::Hangs;
    world.revoke(Withdrawal::Name(user(ANNA)));
    world.revoke(Withdrawal::Name(user(4)));
    let [first, second] = <[_; 2]>::try_from(core::mem::take(&mut world.hanging)).unwrap();
    let list = |world: &mut World| match keys_of(
        world.say(BERT, &fetch(Vec::new(), vec![Hint([0, 0])], Some(BERT))),
    )
    .list
    {
        ListNews::New(list) => list,
        ListNews::Same(_) => panic!(),
    };
    world.input(server::Input::Stored { now: world.now, ticket: second.0 });
    assert_eq!(list(&mut world).number, ListNumber(0));
    world.input(server::Input::Stored { now: world.now, ticket: first.0 });
    let list = list(&mut world);
    assert_eq!(list.number, ListNumber(2));
    assert!([11, 14].iter().all(|number| list.says(&key(*number).fingerprint()) == Listed::Yes));
}

/// A name is revoked while its registration is being stored: the UE is not told that it is registered.
#[test]
fn a_revocation_overtakes_a_registration() {
    let mut world = World::new();
    world.medium = Medium::Hangs;
    world.announce(ANNA, user(ANNA), 11);
    world.revoke(Withdrawal::Name(user(ANNA)));
    world.medium = Medium::Works;
    for (ticket, changes) in core::mem::take(&mut world.hanging) {
        changes.into_iter().for_each(|change| world.disk.apply(change));
        world.input(server::Input::Stored { now: world.now, ticket });
    }
    assert_eq!((world.server.keys(), world.disk.keys.len(), world.disk.revoked.len()), (0, 0, 1));
    assert_eq!(world.done.len(), 1);
    let answer = world.answers.values().next().unwrap().as_ref().unwrap();
    let answer = KeyMessage::from_xml(answer.as_bytes()).unwrap();
    assert!(matches!(answer, KeyMessage::Reject(KeyReject { cause: KeyCause::Revoked })));
}

/// A store that hangs: the UE is told so once its patience is over, and the server asks for no more ticks. What becomes durable
/// late counts, unless its validity is over by then.
#[test]
fn a_store_that_hangs_is_not_waited_for_for_long() {
    for (late, counts) in [(60 * SECOND, true), (25 * HOUR, false)] {
        let mut world = World::new();
        world.medium = Medium::Hangs;
        world.announce(ANNA, user(ANNA), 11);
        world.clients.clear();
        assert_eq!(world.answers.len(), 0);
        world.run(10 * SECOND);
        assert_eq!(world.answers.values().collect::<Vec<_>>(), [&Err(NoAnswer::Lost)]);
        assert!(matches!(world.server.poll_output(), server::Output::Timeout(None)), "nothing is due");
        world.run(late);
        world.answers.clear();
        let (ticket, _) = world.hanging.pop().unwrap();
        world.input(server::Input::Stored { now: world.now, ticket });
        assert_eq!(world.answers.len(), 0, "it was answered");
        let keys = keys_of(world.say(BERT, &fetch(vec![user(ANNA)], Vec::new(), Some(BERT))));
        assert_eq!(keys.keys.len(), usize::from(counts));
    }
}

/// While another key takes its place the first one is told to nobody.
#[test]
fn a_key_that_is_being_replaced_is_not_told() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    world.run(60 * SECOND);
    world.medium = Medium::Hangs;
    world.clients.clear();
    world.signs.clear();
    world.announce(ANNA, user(ANNA), 12);
    let keys = keys_of(world.say(BERT, &fetch(vec![user(ANNA)], vec![key(11).hint()], Some(BERT))));
    assert_eq!(keys.keys.len(), 0);
}
