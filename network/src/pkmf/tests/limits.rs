//! Floods, octets that are no requests, and answers that are none.

use proptest::prelude::*;

use super::*;
use crate::limit::RateLimit;

fn refused(world: &mut KeyWorld) -> Refused {
    match world.responses.pop().unwrap().1 {
        Response::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ue_that_floods_takes_nothing_from_others() {
    let mut config = config();
    config.limits.ue = RateLimit { burst: 3, interval: 1_000 };
    config.limits.all = RateLimit { burst: 8, interval: 1_000 };
    let mut world = KeyWorld::new(config);
    for _ in 0..3 {
        ask(&mut world, 1, |_| {});
    }
    for _ in 0..20 {
        world.request(1, b"no matter");
        assert_eq!(
            {
                world.drain();
                refused(&mut world)
            },
            Refused::TooOften
        );
    }
    let alarms = world.events.iter().filter(|event| **event == Event::Flood).count();
    assert_eq!(alarms, 1, "one alarm in 5 s");
    for number in [2, 3] {
        ask(&mut world, number, |_| {});
        ask(&mut world, number, |_| {});
    }
    ask(&mut world, 4, |_| {});
    world.request(4, b"");
    world.drain();
    assert_eq!(refused(&mut world), Refused::TooOften, "all together");
    world.run(1_000);
    ask(&mut world, 1, |_| {});
}

#[test]
fn rates_of_so_many_ues_are_remembered() {
    let mut config = config();
    config.limits.ue = RateLimit { burst: 2, interval: 1_000 };
    config.limits.ues = 2;
    let mut world = KeyWorld::new(config);
    ask(&mut world, 1, |_| {});
    ask(&mut world, 2, |_| {});
    world.request(3, b"");
    world.drain();
    assert_eq!(refused(&mut world), Refused::Busy);
    world.run(1_000);
    ask(&mut world, 3, |_| {});
}

#[test]
fn what_is_no_request_is_refused() {
    let mut world = KeyWorld::new(config());
    world.request(1, b"<a/>");
    world.drain();
    assert!(matches!(refused(&mut world), Refused::Malformed(_)));
    let answer = Message::KeyResponse(KeyResponse::new(TransactionId::new(1).unwrap())).to_xml();
    world.request(1, answer.as_bytes());
    world.drain();
    assert_eq!(refused(&mut world), Refused::Unexpected);
    let body = Message::KeyRequest(KeyRequest::new(TransactionId::new(1).unwrap())).to_xml();
    let (now, request, ue) = (world.now, RequestId(0), ue(1));
    let address = "10.0.0.1".parse().unwrap();
    let body = body.as_bytes();
    world.pkmf.handle_input(Input::Request { now, request, ue, address, content_type: "text/xml", body });
    let Output::Respond { response: Response::Refused(why), .. } = world.pkmf.poll_output() else { panic!() };
    assert_eq!(why, Refused::MediaType);
}

#[test]
fn messages_on_their_way_to_a_ue_are_bounded() {
    let mut config = config();
    config.limits.deliveries = 5;
    let mut world = KeyWorld::new(config);
    let ids: Vec<u8> = (100..160).collect();
    ask(&mut world, 1, |message| message.groups = vec![group(FIRE, &ids)]);
    // One place is of the renewal of the PMK, four delete what nobody knows; a new key goes to all.
    assert_eq!(world.sent.len(), 4 + 1);
}

#[test]
fn forged_answers_count_for_nothing() {
    let mut world = KeyWorld::new(config());
    world.add_phone(1);
    world.channel.lost = 255;
    world.want(1, &[GROUP]);
    world.channel.lost = 255;
    let lost = world.events.clone();
    assert!(!lost.iter().any(|event| matches!(event, Event::Delivered { .. })));
    world.channel.lost = 0;
    world.want(1, &[GROUP]);
    world.drain();
    let from = "10.0.0.66".parse().unwrap();
    let (now, octets) = (world.now, world.sent[0].1.clone());
    // What the PKMF said itself is no answer.
    world.input(Input::Datagram { now, from, octets: &octets });
    world.input(Input::Datagram { now, from, octets: b"anything" });
    let refused = world.events.iter().filter(|event| matches!(event, Event::Refused { .. })).count();
    assert_eq!(refused, 2);
}

#[test]
fn an_answer_under_another_key_counts_for_nothing() {
    let mut world = KeyWorld::new(config());
    world.channel.lost = 255;
    ask(&mut world, 1, |message| message.groups = vec![group(FIRE, &[0])]);
    let octets = world.sent[0].1.clone();
    let name = pkmf_name();
    let received = crate::key_delivery::Received::parse(&octets, &name).unwrap();
    let pmk = &world.disk.ues[&ue(1)].pmk;
    let answer = received.verify(pmk).unwrap().answer.unwrap();
    let mut forged = answer.clone();
    *forged.last_mut().unwrap() ^= 1;
    let (now, from) = (world.now, "10.0.0.66".parse().unwrap());
    world.input(Input::Datagram { now, from, octets: &forged });
    let delivered =
        |world: &KeyWorld| world.events.iter().any(|event| matches!(event, Event::Delivered { .. }));
    assert!(!delivered(&world));
    assert!(matches!(world.events.last(), Some(Event::Refused { .. })));
    world.input(Input::Datagram { now, from, octets: &answer });
    assert!(delivered(&world));
    let events = world.events.len();
    world.input(Input::Datagram { now, from, octets: &answer });
    assert_eq!(world.events.len(), events, "an answer again is nothing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_octets_are_taken_or_refused(body: Vec<u8>, octets: Vec<u8>, at: prop::sample::Index, value: u8) {
        let mut world = world(&[1]);
        world.request(1, &body);
        let (now, from) = (world.now, "10.0.0.66".parse().unwrap());
        let mut damaged = world.sent[0].1.clone();
        let place = at.index(damaged.len());
        damaged[place] = value;
        for octets in [&octets, &damaged] {
            world.input(Input::Datagram { now, from, octets });
            world.phone(1).client.handle_input(client::Input::Datagram { now, octets });
            world.phone(1).client.handle_input(client::Input::Response { now, body: octets });
        }
        world.drain();
        prop_assert_eq!(world.ids(1, FIRE), [1]);
    }
}
