//! Stores that fail, hang and are slow, crashes at any point, and a channel that does everything. What must never happen is
//! looked for by the world itself: a counter or a PMK twice, two keys under one name, anything sent that is not durable.

use proptest::prelude::*;

use super::*;

fn response(world: &mut KeyWorld) -> Response {
    world.responses.pop().unwrap().1
}

fn body(held: &[u8]) -> Vec<u8> {
    let mut message = KeyRequest::new(TransactionId::new(1).unwrap());
    message.algorithms = Some(Algorithms::of(&Algorithm::ALL));
    message.groups = vec![group(FIRE, held)];
    Message::KeyRequest(message).to_xml().as_bytes().to_vec()
}

#[test]
fn a_request_is_answered_once_its_pmk_is_durable() {
    let mut world = KeyWorld::new(config());
    world.medium = Medium::Hangs;
    world.request(1, &body(&[0]));
    world.drain();
    assert!(world.responses.is_empty() && world.sent.is_empty());
    world.request(1, &body(&[0]));
    world.drain();
    let busy = matches!(response(&mut world), Response::Refused(Refused::Busy));
    assert!(busy, "one request of a UE at a time");
    world.medium = Medium::Works;
    world.unhang();
    assert!(matches!(response(&mut world), Response::Message(_)));
    world.run(10);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_store_that_fails_refuses_and_one_that_hangs_does_so_in_time() {
    let mut world = KeyWorld::new(config());
    world.medium = Medium::Fails;
    world.request(1, &body(&[0]));
    world.drain();
    assert!(matches!(response(&mut world), Response::Refused(Refused::Busy)));
    world.medium = Medium::Hangs;
    world.request(1, &body(&[0]));
    world.run(world.config.limits.patience);
    assert!(matches!(response(&mut world), Response::Refused(Refused::Busy)));
    world.medium = Medium::Works;
    world.unhang();
    let pmk = world.disk.ues[&ue(1)].pmk_id;
    world.request(1, &body(&[1]));
    world.drain();
    assert_ne!(world.disk.ues[&ue(1)].pmk_id, pmk, "nobody was told of the first");
}

#[test]
fn what_waits_for_the_store_is_bounded() {
    let mut config = config();
    config.limits.waiting = 2;
    let mut world = KeyWorld::new(config);
    world.medium = Medium::Hangs;
    for number in 1..=3 {
        world.request(number, &body(&[0]));
        world.drain();
    }
    assert!(matches!(response(&mut world), Response::Refused(Refused::Busy)));
    assert!(world.responses.is_empty());
}

#[test]
fn a_key_that_is_not_durable_is_given_to_nobody() {
    let mut world = KeyWorld::new(config());
    world.request(1, &body(&[0]));
    // The UE is stored, the key is not.
    let Output::Store { ticket, .. } = world.pkmf.poll_output() else { panic!() };
    let now = world.now;
    world.medium = Medium::Fails;
    world.pkmf.handle_input(Input::Stored { now, ticket });
    world.disk.ues.clear();
    loop {
        match world.pkmf.poll_output() {
            Output::Store { ticket, changes } => {
                assert!(matches!(changes[..], [Change::PutKey(_)]));
                world.pkmf.handle_input(Input::StoreFailed { now, ticket });
            }
            Output::Send { .. } => panic!("it is not durable"),
            Output::Timeout(Some(at)) => {
                assert_eq!(at, now.plus_millis(RETRY_INTERVAL));
                break;
            }
            _ => {}
        }
    }
    let now = now.plus_millis(RETRY_INTERVAL);
    world.pkmf.handle_input(Input::Tick { now });
    let again = matches!(world.pkmf.poll_output(), Output::Store { .. });
    assert!(again, "it is tried again");
}

#[test]
fn a_revocation_holds_at_once_and_is_stored_until_it_is() {
    let mut world = world(&[1, 2]);
    world.medium = Medium::Fails;
    let now = world.now;
    world.input(Input::Revoke { now, service: FIRE, ue: ue(2) });
    assert!(!world.pkmf.services[&FIRE].may_have(&ue(2)));
    world.run(RETRY_INTERVAL / 2);
    assert!(world.disk.revocations.is_empty());
    world.medium = Medium::Works;
    world.run(RETRY_INTERVAL + 5_000);
    assert!(world.disk.revocations.contains(&(FIRE, ue(2))));
    let standing = world.disk.keys.values().find(|record| record.name.id.get() == 1).unwrap().standing;
    assert_eq!(standing, Standing::Revoked);
    assert_eq!(world.ids(1, FIRE), [2]);
}

#[test]
fn a_ue_is_admitted_once_that_is_durable() {
    let mut world = world(&[1, 2]);
    let now = world.now;
    world.input(Input::Revoke { now, service: FIRE, ue: ue(2) });
    world.medium = Medium::Hangs;
    let may = |world: &KeyWorld| world.pkmf.services[&FIRE].may_have(&ue(2));
    world.input(Input::Admit { now, service: FIRE, ue: ue(2) });
    assert!(!may(&world));
    // Revoked again before it was admitted.
    world.input(Input::Revoke { now, service: FIRE, ue: ue(2) });
    world.unhang();
    assert!(!may(&world) && world.disk.revocations.contains(&(FIRE, ue(2))));
    world.input(Input::Admit { now, service: FIRE, ue: ue(2) });
    world.unhang();
    assert!(may(&world) && world.disk.revocations.is_empty());
}

#[test]
fn what_was_on_its_way_when_the_store_came_back_is_what_is_true_then() {
    let mut world = world(&[1, 2]);
    world.medium = Medium::Fails;
    let now = world.now;
    world.input(Input::Revoke { now, service: FIRE, ue: ue(2) });
    world.input(Input::Admit { now, service: FIRE, ue: ue(2) });
    world.medium = Medium::Works;
    world.run(RETRY_INTERVAL + 5_000);
    assert!(world.disk.revocations.is_empty());
}

#[test]
fn counters_go_on_after_a_restart_and_nobody_is_forgotten() {
    let mut world = world(&[1, 2]);
    world.restart();
    let lead = u64::from(world.config.lifetime - world.config.lead) * 1000;
    world.run(lead + 2_000);
    assert_eq!(world.ids(1, FIRE), [1, 2], "the next key comes to whom the PKMF knew");
    assert_eq!(world.ids(2, FIRE), [1, 2]);
    let keys = world.disk.keys.len();
    world.restart();
    world.run(1_000);
    assert_eq!(world.disk.keys.len(), keys, "nothing is made anew");
}

#[test]
fn a_ue_takes_no_message_twice_and_acknowledges_what_is_durable() {
    let mut world = KeyWorld::new(config());
    world.add_phone(1);
    world.want(1, &[GROUP]);
    world.phone(1).card_works = false;
    world.run(1_000);
    assert!(world.ids(1, FIRE).is_empty());
    assert!(!world.events.iter().any(|event| matches!(event, Event::Delivered { .. })));
    world.phone(1).card_works = true;
    world.run(3_000);
    assert_eq!(world.ids(1, FIRE), [1], "it was said again");
    let last = world.sent.last().unwrap().1.clone();
    world.restart_phone(1);
    let now = world.now;
    world.phone(1).events.clear();
    world.phone(1).client.handle_input(client::Input::Datagram { now, octets: &last });
    world.drain();
    let replayed = client::Event::Refused(client::Refused::Replayed);
    assert!(world.phone(1).events.contains(&replayed), "after a crash too");
}

fn wanted(number: u8) -> Vec<Want> {
    match number {
        1 | 2 => vec![GROUP, Want::Relay(RELAY)],
        3 => vec![GROUP, Want::Group(POLICE), Want::GroupMember(TEAM)],
        4 => vec![GROUP],
        _ => vec![Want::Group(POLICE)],
    }
}

/// What may happen in a life.
#[derive(Clone, Copy, Debug)]
enum Act {
    Run(u64),
    Restart,
    RestartPhone(u8),
    NewPhone(u8),
    Revoke(u8),
    Admit(u8),
    Medium(u8),
    Card(u8, bool),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let number = || 1_u8..=5;
    let act = prop_oneof![
        6 => (1_u64..20_000).prop_map(Act::Run),
        2 => (20_000_u64..90_000_000).prop_map(Act::Run),
        2 => Just(Act::Restart),
        2 => number().prop_map(Act::RestartPhone),
        1 => number().prop_map(Act::NewPhone),
        2 => number().prop_map(Act::Revoke),
        1 => number().prop_map(Act::Admit),
        2 => (0_u8..3).prop_map(Act::Medium),
        1 => (number(), any::<bool>()).prop_map(|(number, works)| Act::Card(number, works)),
    ];
    proptest::collection::vec(act, 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever happens, nothing of what must not; and when everything works again, everybody has what it may have.
    #[test]
    fn over_a_bad_channel_with_crashes(acts in acts(), seed: u64, lost in 0_u8..120, repeated in 0_u8..120, delay in 0_u64..6_000) {
        let mut world = KeyWorld::new(config());
        world.seed(seed);
        world.channel = Channel { lost, repeated, delay };
        for number in 1..=5 {
            world.add_phone(number);
            world.want(number, &wanted(number));
        }
        let mut revoked = BTreeSet::new();
        for act in acts {
            let now = world.now;
            match act {
                Act::Run(millis) => world.run(millis),
                Act::Restart => {
                    // What was said by the operator and not stored is said again.
                    world.restart();
                    let now = world.now;
                    for number in 1..=5 {
                        let (service, ue) = (FIRE, ue(number));
                        if revoked.contains(&number) {
                            world.input(Input::Revoke { now, service, ue });
                        } else {
                            world.input(Input::Admit { now, service, ue });
                        }
                    }
                }
                Act::RestartPhone(number) => world.restart_phone(number),
                Act::NewPhone(number) => {
                    world.add_phone(number);
                    world.want(number, &wanted(number));
                }
                Act::Revoke(number) => {
                    revoked.insert(number);
                    world.input(Input::Revoke { now, service: FIRE, ue: ue(number) });
                }
                Act::Admit(number) => {
                    revoked.remove(&number);
                    world.input(Input::Admit { now, service: FIRE, ue: ue(number) });
                }
                Act::Medium(medium) => {
                    world.unhang();
                    world.medium = [Medium::Works, Medium::Fails, Medium::Hangs][usize::from(medium)];
                }
                Act::Card(number, works) => world.phone(number).card_works = works,
            }
        }
        world.unhang();
        world.medium = Medium::Works;
        world.channel = Channel::default();
        for number in 1..=5 {
            world.phone(number).card_works = true;
            world.want(number, &wanted(number));
        }
        world.run(60_000);
        for number in 1..=5 {
            world.want(number, &wanted(number));
        }
        world.run(2 * u64::from(world.config.lifetime) * 1000);
        let now = world.now.counter();
        for number in 1..=4_u8 {
            let valid = world.phone(number).client.group_keys(FIRE).into_iter().filter(|key| now < key.expiry).count();
            prop_assert_eq!(valid > 0, !revoked.contains(&number), "UE {}", number);
        }
        for number in 1..=3_u8 {
            let want = if number == 3 { Want::GroupMember(TEAM) } else { Want::Relay(RELAY) };
            prop_assert!(world.phone(number).client.discovery_key(want, now).is_some(), "UE {}", number);
        }
    }
}
