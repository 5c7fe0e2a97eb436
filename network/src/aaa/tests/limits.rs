//! What somebody who proves nothing may cost, and what time ends.

use super::*;
use crate::testing::eap::REALM;

fn said(id: u8, user: &str) -> Vec<u8> {
    emit(Code::Response, id, Type::Identity, format!("{user}@{REALM}").as_bytes()).unwrap()
}

#[test]
fn sessions_are_bounded() {
    let mut world = World::new(|config| config.sessions = 3);
    let mut outcome = Outcome::default();
    for n in 0..3 {
        let asked = world.tell(SessionId(n), &said(1, "x"), &mut outcome).unwrap();
        assert_eq!(asked[0], 1);
    }
    let ended = world.tell(SessionId(3), &said(1, "x"), &mut outcome).unwrap();
    assert_eq!((ended[0], outcome.rejected()), (4, Rejection::Busy));
    // Time makes room.
    world.now = world.now.plus_millis(30_000);
    world.aaa.handle_input(Input::Tick { now: world.now }, &mut world.rng);
    assert_eq!(world.tell(SessionId(3), &said(1, "x"), &mut outcome).unwrap()[0], 1);
}

#[test]
fn vectors_have_a_rate() {
    let mut world = World::new(|config| {
        config.rate = RateLimit { burst: 2, interval: 1000 };
        config.first_identity = FirstIdentity::Used;
    });
    for expected in [None, None, Some(Rejection::TooOften)] {
        let outcome = world.run(&mut peer());
        assert_eq!(outcome.server.unwrap().err(), expected);
    }
    assert_eq!(world.asked, 2);
    world.now = world.now.plus_millis(1000);
    world.hss_skip(20);
    world.run(&mut peer()).granted();
}

#[test]
fn identities_are_asked_for_three_times() {
    let mut world = World::new(|_| {});
    let mut outcome = Outcome::default();
    let mut packet = world.tell(SessionId(1), &said(9, "nobody"), &mut outcome).unwrap();
    let mut asked = Vec::new();
    while packet[0] == 1 {
        asked.push(packet[8]);
        let text = Response::Identity("nobody".into());
        let response = text.emit(Method::AkaPrime, packet[1], None).unwrap();
        packet = world.tell(SessionId(1), &response, &mut outcome).unwrap();
    }
    assert_eq!((asked, outcome.rejected()), (vec![13, 17, 10], Rejection::Identity));
    assert_eq!(world.asked, 0, "none of it costs a vector");
}

#[test]
fn identities_that_are_no_text_are_asked_for() {
    let long = format!("6{}@{}", imsi().digits(), "x".repeat(300)).into_bytes();
    for data in [vec![0xff; 10], long, Vec::new()] {
        let mut world = World::new(|config| config.first_identity = FirstIdentity::Used);
        let octets = emit(Code::Response, 1, Type::Identity, &data).unwrap();
        let asked = world.tell(SessionId(1), &octets, &mut Outcome::default()).unwrap();
        assert_eq!(asked[4..], [50, 5, 0, 0, 13, 1, 0, 0]);
    }
}

#[test]
fn what_does_not_belong_is_passed_over() {
    let mut world = World::new(|_| {});
    let mut outcome = Outcome::default();
    let id = SessionId(1);
    for (packet, why) in [
        (
            vec![2, 1],
            Discarded::Malformed(Error::Truncated { what: "the header of EAP", needed: 4, have: 2 }),
        ),
        (hello(1), Discarded::NotAResponse),
        (vec![3, 1, 0, 4], Discarded::NotAResponse),
        (vec![2, 1, 0, 8, 50, 2, 0, 0], Discarded::NoIdentity),
    ] {
        assert_eq!(world.tell(id, &packet, &mut outcome), None);
        assert_eq!(outcome.discarded.pop(), Some(why));
    }
    let asked = world.tell(id, &said(1, "x"), &mut outcome).unwrap();
    for (packet, why) in [(said(1, "x"), Discarded::Identifier), (said(asked[1], "x"), Discarded::Type)] {
        assert_eq!(world.tell(id, &packet, &mut outcome), None);
        assert_eq!(outcome.discarded.pop(), Some(why));
    }
}

#[test]
fn an_hss_that_is_silent_ends_it() {
    let mut world = World::new(|config| config.first_identity = FirstIdentity::Used);
    world.hss_answers = false;
    let mut outcome = Outcome::default();
    let user = identity::permanent(&imsi());
    assert_eq!(world.tell(SessionId(1), &said(1, &user), &mut outcome), None);
    assert_eq!(world.tell(SessionId(1), &said(1, &user), &mut outcome), None);
    assert_eq!(outcome.discarded, [Discarded::NothingAsked]);
    world.now = world.now.plus_millis(30_000);
    world.aaa.handle_input(Input::Tick { now: world.now }, &mut world.rng);
    let ended = world.drain(&mut outcome).unwrap();
    assert_eq!((ended[0], outcome.rejected()), (4, Rejection::Late));
    // What comes after that is used for nothing.
    let result = Err(hss::Refusal::Unknown);
    let late = Input::Vector { now: world.now, ticket: Ticket(1), result };
    world.aaa.handle_input(late, &mut world.rng);
    assert!(matches!(world.aaa.poll_output(), Output::Timeout(None)));
}

#[test]
fn contexts_end() {
    let (mut world, mut peer) = (World::new(|config| config.reauthentications = 2), peer());
    let mut how = |world: &mut World| world.run(&mut peer).granted().authentication;
    let many: Vec<_> = (0..5).map(|_| how(&mut world)).collect();
    use Authentication::{Fast, Full};
    assert_eq!(many, [Full, Fast, Fast, Full, Fast]);
    world.now = world.now.plus_millis(24 * 3_600_000);
    assert_eq!(how(&mut world), Full);
}

#[test]
fn contexts_are_bounded() {
    let (mut world, mut peer) = (World::new(|config| config.contexts = 0), peer());
    for _ in 0..2 {
        assert_eq!(world.run(&mut peer).granted().authentication, Authentication::Full);
    }
}

#[test]
fn there_is_a_time_to_come_back() {
    let mut world = World::new(|_| {});
    assert!(matches!(world.aaa.poll_output(), Output::Timeout(None)));
    world.run(&mut peer()).granted();
    let until = world.now.plus_millis(24 * 3_600_000);
    assert!(matches!(world.aaa.poll_output(), Output::Timeout(Some(at)) if at == until));
    world.aaa.handle_input(Input::Tick { now: until }, &mut world.rng);
    assert!(matches!(world.aaa.poll_output(), Output::Timeout(None)));
}
