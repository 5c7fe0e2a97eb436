//! Contexts of UEs.

use super::world::{imsi, keys};
use super::*;
use crate::aka::{Amf, Quintet, Rand, Sqn};

fn challenge_of(world: &mut World, ue: usize) -> (Rand, crate::aka::Autn) {
    let now = world.now;
    let octets = Plain::AttachRequest(imsi(ue)).emit();
    world.loses = Some(Leg::Down(ue));
    world.mmes[usize::from(ue == JOHN)].handle_input(Input::Uplink {
        now,
        from: UeRef(ue as u64),
        octets: &octets,
    });
    world.run();
    match Plain::parse(&world.lost.take().unwrap()).unwrap() {
        Plain::AuthenticationRequest { rand, autn } => (rand, autn),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_res_gives_no_context_and_ends_the_challenge() {
    let mut world = World::new(Kind::HalfKeys);
    let (rand, autn) = challenge_of(&mut world, MARY);
    let (quintet, _) = Quintet::of_challenge(&keys(MARY), rand, autn).unwrap();
    let mut wrong = quintet.res;
    wrong[0] ^= 1;
    world.deliver(Leg::Up(MARY), &Plain::AuthenticationResponse(wrong).emit());
    world.run();
    assert!(world.mme_events.contains(&Event::NotAttached(NotAttached::Res)));
    world.deliver(Leg::Up(MARY), &Plain::AuthenticationResponse(quintet.res).emit());
    world.run();
    assert!(world.mmes[0].attached.is_empty());
    assert!(matches!(world.mme_events.last(), Some(Event::Dropped(Dropped::Unexpected))));
}

#[test]
fn who_is_no_subscriber_costs_no_vector() {
    let mut world = World::new(Kind::HalfKeys);
    let stranger = Plain::AttachRequest(Imsi::new("999990000000009").unwrap());
    world.deliver(Leg::Up(MARY), &stranger.emit());
    world.run();
    assert_eq!(world.mme_events, [Event::NotAttached(NotAttached::Unknown)]);
    assert_eq!(world.asked, 0);
}

#[test]
fn vectors_of_all_are_limited() {
    let limit = RateLimit { burst: 3, interval: 1000 };
    let mut world = World::with(Kind::HalfKeys, |config| config.vectors = limit);
    for _ in 0..3 {
        challenge_of(&mut world, MARY);
    }
    world.mme_events.clear();
    world.deliver(Leg::Up(MARY), &Plain::AttachRequest(imsi(MARY)).emit());
    world.run();
    assert_eq!(world.mme_events, [Event::NotAttached(NotAttached::TooOften)]);
}

/// An attach request of somebody else does not take a UE's context away; only its own USIM does.
#[test]
fn a_forged_attach_request_ends_no_context() {
    let mut world = World::new(Kind::HalfKeys);
    world.attach_all();
    challenge_of(&mut world, MARY);
    world.agree(MARY, JOHN, 7).unwrap();
    world.pass(5_000);
    assert!(world.mme_events.contains(&Event::NotAttached(NotAttached::Late)));
    world.agree(MARY, JOHN, 8).unwrap();
    let now = world.now;
    world.clients[MARY].handle_input(client::Input::Downlink { now, octets: &Plain::AttachReject.emit() });
    world.run();
    assert!(world.clients[MARY].is_attached(), "nor does a forged reject");
}

#[test]
fn a_usim_that_is_ahead_is_followed_once() {
    let mut world = World::new(Kind::HalfKeys);
    world.clients[MARY] = world.client(MARY, SqnArray::from_entries([500; 32]).unwrap());
    world.attach(MARY);
    world.attach_all();
    world.agree(MARY, JOHN, 7).unwrap();
    // A USIM that always says so is not followed without end.
    let (rand, _) = challenge_of(&mut world, MARY);
    let highest = Sqn::new(600, 0).unwrap();
    let auts = crate::aka::auts(&keys(MARY), rand, highest);
    world.loses = Some(Leg::Down(MARY));
    world.deliver(Leg::Up(MARY), &Plain::AuthenticationFailure(auts).emit());
    world.run();
    let Plain::AuthenticationRequest { rand, .. } = Plain::parse(&world.lost.take().unwrap()).unwrap() else {
        panic!()
    };
    let auts = crate::aka::auts(&keys(MARY), rand, Sqn::new(900, 0).unwrap());
    world.deliver(Leg::Up(MARY), &Plain::AuthenticationFailure(auts).emit());
    world.run();
    assert!(world.mme_events.contains(&Event::NotAttached(NotAttached::OutOfSync)));
}

/// A vector for GBA has no separation bit: K_ASME is not made of it.
#[test]
fn the_usim_takes_vectors_for_eps_alone() {
    let mut world = World::new(Kind::HalfKeys);
    let now = world.now;
    world.clients[MARY].handle_input(client::Input::Attach { now });
    let open = Quintet::new(&keys(MARY), Rand([3; 16]), Sqn::new(9, 0).unwrap(), Amf::OPEN);
    let request = Plain::AuthenticationRequest { rand: open.rand, autn: open.autn };
    world.clients[MARY].handle_input(client::Input::Downlink { now, octets: &request.emit() });
    let refused = client::Event::NotAttached(client::NotAttached::Usim(crate::usim::Refusal::SeparationBit));
    let events = std::iter::from_fn(|| match world.clients[MARY].poll_output() {
        client::Output::Timeout(_) => None,
        output => Some(output),
    });
    assert!(events.into_iter().any(|o| matches!(o, client::Output::Event(event) if event == refused)));
}

/// Another serving network than that of the vector: the keys differ, and the accept is not believed.
#[test]
fn another_serving_network_gives_no_context() {
    let mut world = World::new(Kind::HalfKeys);
    world.mmes[0].config.serving_network = [9; 3];
    let now = world.now;
    world.clients[MARY].handle_input(client::Input::Attach { now });
    world.run();
    assert!(!world.clients[MARY].is_attached());
    world.pass(2_000);
    assert!(world.events.contains(&client::Event::NotAttached(client::NotAttached::Late)));
}

#[test]
fn a_store_of_the_usim_that_fails_gives_no_context() {
    let mut world = World::new(Kind::HalfKeys);
    let (rand, autn) = challenge_of(&mut world, MARY);
    let now = world.now;
    world.clients[MARY].handle_input(client::Input::Attach { now });
    let request = Plain::AuthenticationRequest { rand, autn };
    world.clients[MARY].handle_input(client::Input::Downlink { now, octets: &request.emit() });
    world.clients[MARY].handle_input(client::Input::StoreFailed { now });
    let uplinks = std::iter::from_fn(|| match world.clients[MARY].poll_output() {
        client::Output::Timeout(_) => None,
        output => Some(output),
    });
    let uplinks = uplinks.filter(|output| matches!(output, client::Output::Uplink(_)));
    assert_eq!(uplinks.count(), 1, "the request alone, no RES");
}

#[test]
fn an_expression_has_one_owner() {
    let mut world = World::new(Kind::HalfKeys);
    let new = |expressions: &[&str]| Subscription {
        imsi: Imsi::new("001010000000099").unwrap(),
        expressions: expressions.iter().map(|name| expression(name)).collect(),
        callers: Callers::Anybody,
    };
    let mme = &mut world.mmes[0];
    for taken in ["mary", "john"] {
        assert_eq!(mme.add(new(&[taken])), Err(Error::ExpressionTaken(expression(taken))));
    }
    assert_eq!(mme.add(new(&["anna"])), Ok(()));
    assert!(matches!(mme.add(new(&["paul"])), Err(Error::ImsiTaken(_))));
}
