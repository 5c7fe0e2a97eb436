//! Relays: who may have a KD of whom, what a push may cost, what is durable. Whole links are in the tests of
//! [`crate::remote_ue`].

use super::*;
use crate::gba_push::bsf::{Pushed, Refusal};
use crate::hss;
use crate::pc8::request::KdRequest;
use crate::pc8::{Auts, Msisdn};
use crate::testing::relay_world::{OTHER, RelayWorld, config as relays, relay_ue, remote_imsi};
use sidelink_security::keys::KsNaf;

fn kd(edit: impl Fn(&mut KdRequest)) -> String {
    let mut message = KeyRequest::new(TransactionId::new(3).unwrap());
    let mut kd = KdRequest {
        pruk_id: None,
        imsi: Some(remote_imsi()),
        relay_service_code: RELAY,
        nonce_1: [4; 16],
        rand: None,
        auts: None,
    };
    edit(&mut kd);
    message.kd = Some(kd);
    Message::KeyRequest(message).to_xml().to_string()
}

fn held(world: &RelayWorld) -> PrukId {
    world.slots.current.as_ref().unwrap().id
}

/// The answer, or why there is none.
fn says(world: &mut RelayWorld, relay: u8, body: &str) -> Result<KeyResponse, Refused> {
    match world.ask(relay_ue(relay), body).unwrap().expect("an answer") {
        Response::Message(body) => match Message::from_xml(body.as_bytes()) {
            Ok(Message::KeyResponse(answer)) => Ok(answer),
            other => panic!("{other:?}"),
        },
        Response::Refused(why) => Err(why),
    }
}

#[test]
fn one_name_of_a_remote_ue_is_known_or_none_is() {
    let mut world = RelayWorld::new(relays());
    world.fetch().unwrap();
    let id = held(&world);
    let mut error = |edit: &dyn Fn(&mut KdRequest)| says(&mut world, 1, &kd(edit)).unwrap().kd_error;
    let by_id = |id| move |r: &mut KdRequest| (r.pruk_id, r.imsi) = (Some(id), None);
    assert_eq!(error(&by_id(id)), None);
    for wrong in [PrukId([0; 8]), PrukId([9; 8])] {
        assert_eq!(error(&by_id(wrong)), Some(ErrorCode::UnknownRemoteUe));
    }
    let other = crate::pc3::Imsi::new(remote_imsi().plmn(), "0000000077").unwrap();
    assert_eq!(error(&|r| r.imsi = Some(other)), Some(ErrorCode::UnknownRemoteUe));
    assert_eq!(error(&|r| r.imsi = None), Some(ErrorCode::UnknownRemoteUe));
    assert_eq!(error(&|r| r.pruk_id = Some(id)), Some(ErrorCode::UnknownRemoteUe), "two names");
    // A relay that serves it, for a service that the remote UE may not have.
    let service = Code([7; 3]);
    let elsewhere = |r: &mut KdRequest| {
        by_id(id)(r);
        r.relay_service_code = service;
    };
    assert_eq!(error(&elsewhere), Some(ErrorCode::NotServed));
    // Nobody's resynchronisation, or half of one.
    assert_eq!(error(&|r| r.rand = Some([1; 16])), Some(ErrorCode::NotServed));
    assert_eq!(error(&|r| r.auts = Some(Auts([1; 14]))), Some(ErrorCode::NotServed));
    assert_eq!(
        error(&|r| (r.rand, r.auts) = (Some([1; 16]), Some(Auts([1; 14])))),
        Some(ErrorCode::NotServed)
    );
    assert_eq!(world.pushes, 0, "no vector for any of them");
}

#[test]
fn a_kd_is_fresh_for_each_request_and_bound_to_its_service() {
    let mut world = RelayWorld::new(relays());
    world.fetch().unwrap();
    let id = held(&world);
    let body = kd(|r| (r.pruk_id, r.imsi) = (Some(id), None));
    let answers: Vec<_> = (0..3).map(|_| says(&mut world, 1, &body).unwrap().kd.unwrap()).collect();
    for (n, answer) in answers.iter().enumerate() {
        assert!(
            answers[..n].iter().all(|other| other.freshness != answer.freshness && other.kd != answer.kd)
        );
        assert!(world.kd_is_of(&answer.kd, &answer.freshness, &[4; 16]));
        assert!(!world.kd_is_of(&answer.kd, &answer.freshness, &[5; 16]), "Nonce_1");
        assert!(answer.gpi.is_none() && answer.other == Some(OTHER));
    }
    // Nothing of a KD is durable (TR-10): a restart gives others.
    world.restart_pkmf();
    let again = says(&mut world, 1, &body).unwrap().kd.unwrap();
    assert!(answers.iter().all(|answer| answer.freshness != again.freshness && answer.kd != again.kd));
}

#[test]
fn the_relay_is_told_what_the_operator_says() {
    let msisdn = Msisdn::new("49", "30", "1234567").unwrap();
    for told in [Told::Imsi, Told::Msisdn(msisdn.clone()), Told::Other(OTHER)] {
        let mut config = relays();
        config.relays.remotes[0].told = told.clone();
        let answer = says(&mut RelayWorld::new(config), 1, &kd(|_| ())).unwrap().kd.unwrap();
        let [imsi, number, other] = match told {
            Told::Imsi => [true, false, false],
            Told::Msisdn(_) => [false, true, false],
            Told::Other(_) => [false, false, true],
        };
        assert_eq!((answer.imsi, answer.other), (imsi.then(remote_imsi), other.then_some(OTHER)));
        assert_eq!(answer.msisdn, number.then(|| msisdn.clone()));
    }
}

/// A PRUK and keys of a group in one request, as §6.7.3.2.2.2 has it.
#[test]
fn a_pruk_comes_with_the_keys_of_groups() {
    let mut config = relays();
    let members = vec![(crate::testing::impi(), MemberId([1; 3]))];
    config.services = vec![Service { id: FIRE, kind: Kind::Group { algorithm: Algorithm::Null, members } }];
    let mut world = RelayWorld::new(config);
    let mut message = KeyRequest::new(TransactionId::new(3).unwrap());
    message.pruk_id = Some(PrukId([0; 8]));
    message.groups = vec![group(POLICE, &[0])];
    let answer = world.message(crate::testing::impi(), &Message::KeyRequest(message).to_xml());
    assert_eq!(answer.group_rejects.len(), 1);
    let given = answer.pruk.expect("a PRUK");
    let known = world.disk.remotes.values().next().unwrap();
    assert!(known.confirmed.is_none() && known.candidate.as_ref().unwrap().pruk == given.pruk);
    // Two UEs at once nobody is.
    let both = kd(|_| ()).replace("<KDReqinfo>", "<PRUKID>0000000000000000</PRUKID><KDReqinfo>");
    assert!(matches!(says(&mut world, 1, &both), Err(Refused::Unexpected)));
    // Who may use no relay gets none.
    let mut message = KeyRequest::new(TransactionId::new(3).unwrap());
    message.pruk_id = Some(PrukId([0; 8]));
    let answer = world.message(relay_ue(1), &Message::KeyRequest(message).to_xml());
    assert_eq!((answer.pruk.is_some(), answer.pruk_error), (false, Some(ErrorCode::NoPruk)));
}

/// Vectors of a remote UE are few, whatever relays ask for (TR-8).
#[test]
fn pushes_and_requests_have_rates() {
    let mut config = relays();
    config.limits.push = crate::limit::RateLimit { burst: 2, interval: 1000 };
    let mut world = RelayWorld::new(config);
    for relay in [1, 2] {
        assert!(says(&mut world, relay, &kd(|_| ())).unwrap().kd.is_some());
    }
    assert_eq!(says(&mut world, 1, &kd(|_| ())).unwrap_err(), Refused::TooOften);
    world.fetch().unwrap();
    let id = held(&world);
    world.pass(86_400_000 - 1);
    // Old, and no push is left: what is there serves on.
    for expected in [3, 4, 4] {
        world.pass(1);
        let answer = says(&mut world, 1, &kd(|r| (r.pruk_id, r.imsi) = (Some(id), None))).unwrap();
        assert_eq!((answer.kd.is_some(), world.pushes), (true, expected));
    }
    let mut config = relays();
    config.limits.relay = crate::limit::RateLimit { burst: 3, interval: 1000 };
    let mut world = RelayWorld::new(config);
    let answers: Vec<_> = (0..5).map(|_| says(&mut world, 1, &kd(|_| ())).is_ok()).collect();
    assert_eq!(answers, [true, true, true, false, false]);
}

/// A request whose answer waits for the BSF.
fn waits(world: &mut Pkmf, now: UtcTime) -> hss::Ticket {
    let (request, content_type) = (RequestId(1), crate::pc8::MEDIA_TYPE);
    let body = kd(|_| ());
    let address = core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
    let body = body.as_bytes();
    world.handle_input(Input::Request { now, request, ue: relay_ue(1), address, content_type, body });
    loop {
        match world.poll_output() {
            Output::Push(request) => return request.ticket,
            Output::Timeout(_) => panic!("it pushes"),
            _ => {}
        }
    }
}

fn pushed(now: UtcTime) -> Pushed {
    Pushed { gpi: vec![0x10; 120], ks_naf: KsNaf::from([6; 32]), expires: now }
}

fn answer(world: &mut Pkmf) -> Option<Response> {
    loop {
        match world.poll_output() {
            Output::Respond { response, .. } => return Some(response),
            Output::Timeout(_) => return None,
            Output::Store { .. } => panic!("nothing is to be stored"),
            _ => {}
        }
    }
}

#[test]
fn what_was_revoked_meanwhile_is_pushed_to_nobody() {
    let mut world = RelayWorld::new(relays());
    let now = world.now();
    says(&mut world, 3, &kd(|_| ())).unwrap();
    let ticket = waits(&mut world.pkmf, now);
    world.pkmf.handle_input(Input::RevokeRemote { now, ue: crate::testing::impi() });
    assert!(matches!(world.pkmf.poll_output(), Output::Store { .. }));
    world.pkmf.handle_input(Input::Pushed { now, ticket, result: Ok(pushed(now)) });
    let Some(Response::Message(body)) = answer(&mut world.pkmf) else { panic!() };
    assert!(body.contains("<KDError>7<") && !body.contains("KeyKD"));
}

#[test]
fn a_bsf_that_is_late_or_refuses() {
    for (result, said) in [
        (Err(Refusal::Hss(hss::Refusal::Unknown)), Some("<KDError>6<")),
        (Err(Refusal::Hss(hss::Refusal::Auts)), Some("<KDError>6<")),
        (Err(Refusal::TooOften), None),
    ] {
        let mut world = RelayWorld::new(relays());
        let now = world.now();
        says(&mut world, 3, &kd(|_| ())).unwrap();
        let ticket = waits(&mut world.pkmf, now);
        world.pkmf.handle_input(Input::Pushed { now, ticket, result });
        match (answer(&mut world.pkmf).unwrap(), said) {
            (Response::Message(body), Some(said)) => assert!(body.contains(said)),
            (Response::Refused(Refused::Busy), None) => {}
            other => panic!("{other:?}"),
        }
    }
    let mut world = RelayWorld::new(relays());
    let now = world.now();
    says(&mut world, 3, &kd(|_| ())).unwrap();
    let ticket = waits(&mut world.pkmf, now);
    let Output::Timeout(Some(at)) = world.pkmf.poll_output() else { panic!() };
    assert_eq!(at, now.plus_millis(5_000));
    // A second relay waits for the first: one push of a remote UE is under way.
    assert_eq!(says(&mut world, 2, &kd(|_| ())).unwrap_err(), Refused::Busy);
    world.pkmf.handle_input(Input::Tick { now: at });
    assert!(matches!(answer(&mut world.pkmf), Some(Response::Refused(Refused::Busy))));
    world.pkmf.handle_input(Input::Pushed { now: at, ticket, result: Ok(pushed(now)) });
    assert!(answer(&mut world.pkmf).is_none(), "too late");
}

/// What is being stored when the operator revokes is told to nobody, and is not there afterwards.
#[test]
fn a_pruk_that_is_being_stored_is_revoked_too() {
    let mut world = RelayWorld::new(relays());
    let (now, ue) = (world.now(), crate::testing::impi());
    says(&mut world, 3, &kd(|_| ())).unwrap();
    let mut message = KeyRequest::new(TransactionId::new(3).unwrap());
    message.pruk_id = Some(PrukId([0; 8]));
    let body = Message::KeyRequest(message).to_xml();
    let address = core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
    let ask = |world: &mut RelayWorld, number| {
        let (request, ue, content_type) = (RequestId(number), ue.clone(), crate::pc8::MEDIA_TYPE);
        let body = body.as_bytes();
        world.pkmf.handle_input(Input::Request { now, request, ue, address, content_type, body });
    };
    ask(&mut world, 1);
    let (ticket, changes) = loop {
        match world.pkmf.poll_output() {
            Output::Store { ticket, changes } => break (ticket, changes),
            Output::Timeout(_) => panic!("it stores"),
            _ => {}
        }
    };
    changes.into_iter().for_each(|change| world.disk.apply(change));
    ask(&mut world, 2);
    assert!(matches!(answer(&mut world.pkmf), Some(Response::Refused(Refused::Busy))), "one at a time");
    world.pkmf.handle_input(Input::RevokeRemote { now, ue: ue.clone() });
    let mut refused = 0;
    let last = loop {
        match world.pkmf.poll_output() {
            Output::Store { ticket, changes } => {
                changes.into_iter().for_each(|change| world.disk.apply(change));
                break ticket;
            }
            Output::Respond { response: Response::Refused(Refused::Busy), .. } => refused += 1,
            Output::Timeout(_) => panic!("the revocation is stored"),
            other => panic!("{other:?}"),
        }
    };
    for ticket in [ticket, last] {
        world.pkmf.handle_input(Input::Stored { now, ticket });
    }
    assert_eq!((refused, answer(&mut world.pkmf).is_none()), (1, true));
    let known = &world.disk.remotes[&ue];
    assert_eq!((known.standing, known.candidate.is_none()), (Standing::Revoked, true));
    ask(&mut world, 3);
    let Some(Response::Message(body)) = answer(&mut world.pkmf) else { panic!() };
    assert!(body.contains("<PRUKError>5<"));
}

/// Of two relays one is revoked: over a restart too, and until the store has it that it may be one again.
#[test]
fn a_relay_that_was_revoked_gets_no_kd_until_it_is_admitted() {
    let mut world = RelayWorld::new(relays());
    world.fetch().unwrap();
    let id = held(&world);
    let body = kd(|r| (r.pruk_id, r.imsi) = (Some(id), None));
    let error = |world: &mut RelayWorld, relay| says(world, relay, &body).unwrap().kd_error;
    let now = world.now();
    assert_eq!(error(&mut world, 1), None);
    world.input(Input::RevokeRelay { now, ue: relay_ue(1) });
    for _ in 0..2 {
        assert_eq!(error(&mut world, 1), Some(ErrorCode::NotServed));
        assert_eq!(error(&mut world, 2), None, "another relay");
        world.restart_pkmf();
    }
    world.pkmf.handle_input(Input::AdmitRelay { now, ue: relay_ue(1) });
    let Output::Store { ticket, changes } = world.pkmf.poll_output() else { panic!("it stores") };
    assert!(matches!(&changes[..], [Change::RemoveRelayRevocation(ue)] if *ue == relay_ue(1)));
    assert_eq!(error(&mut world, 1), Some(ErrorCode::NotServed), "it is not durable");
    world.pkmf.handle_input(Input::Stored { now, ticket });
    assert_eq!(error(&mut world, 1), None);
    // Revoked again before that is durable: it stays so.
    world.input(Input::RevokeRelay { now, ue: relay_ue(1) });
    world.pkmf.handle_input(Input::AdmitRelay { now, ue: relay_ue(1) });
    let Output::Store { ticket, .. } = world.pkmf.poll_output() else { panic!("it stores") };
    world.input(Input::RevokeRelay { now, ue: relay_ue(1) });
    world.pkmf.handle_input(Input::Stored { now, ticket });
    assert_eq!(error(&mut world, 1), Some(ErrorCode::NotServed));
}

/// What a relay waits for when it is revoked it does not get: neither what the BSF makes, nor what is being stored.
#[test]
fn a_relay_that_is_revoked_meanwhile_is_told_nothing() {
    let mut world = RelayWorld::new(relays());
    let now = world.now();
    says(&mut world, 3, &kd(|_| ())).unwrap();
    let ticket = waits(&mut world.pkmf, now);
    world.input(Input::RevokeRelay { now, ue: relay_ue(1) });
    world.pkmf.handle_input(Input::Pushed { now, ticket, result: Ok(pushed(now)) });
    let Some(Response::Message(body)) = answer(&mut world.pkmf) else { panic!() };
    assert!(body.contains("<KDError>7<") && !body.contains("KeyKD"));
    let mut world = RelayWorld::new(relays());
    says(&mut world, 3, &kd(|_| ())).unwrap();
    let ticket = waits(&mut world.pkmf, now);
    world.pkmf.handle_input(Input::Pushed { now, ticket, result: Ok(pushed(now)) });
    let mut stored = None;
    loop {
        match world.pkmf.poll_output() {
            Output::Store { ticket, .. } => stored = Some(ticket),
            Output::Respond { .. } => panic!("it is not durable"),
            Output::Timeout(_) => break,
            _ => {}
        }
    }
    world.pkmf.handle_input(Input::RevokeRelay { now, ue: relay_ue(1) });
    world.pkmf.handle_input(Input::Stored { now, ticket: stored.unwrap() });
    let mut said = Vec::new();
    loop {
        match world.pkmf.poll_output() {
            Output::Respond { response, .. } => said.push(response),
            Output::Timeout(_) => break,
            _ => {}
        }
    }
    assert!(matches!(&said[..], [Response::Refused(Refused::Busy)]), "{said:?}");
}

#[test]
fn a_configuration_of_relays_that_cannot_be_is_refused() {
    let built = |edit: fn(&mut Config)| {
        let mut config = relays();
        edit(&mut config);
        config.check().err()
    };
    assert_eq!(built(|_| ()), None);
    let again = |config: &mut Config| config.relays.relays.push((relay_ue(1), Vec::new()));
    assert_eq!(built(again), Some(ConfigError::RelayTwice(relay_ue(1))));
    let ue = crate::testing::impi();
    let twice = |config: &mut Config| config.relays.remotes.push(config.relays.remotes[0].clone());
    assert_eq!(built(twice), Some(ConfigError::RemoteTwice(ue)));
    let imsi = |config: &mut Config| {
        let other = Remote { ue: relay_ue(9), ..config.relays.remotes[0].clone() };
        config.relays.remotes.push(other);
    };
    assert_eq!(built(imsi), Some(ConfigError::RemoteTwice(relay_ue(9))));
    assert_eq!(built(|config| config.relays.pruk_lifetime = 0), Some(ConfigError::PrukLifetime));
}

/// Octets of each exchange over PC8, as they are reported.
#[test]
fn sizes_are_those_that_are_said() {
    let mut world = RelayWorld::new(relays());
    world.fetch().unwrap();
    let pruk = world.octets;
    world.connect().unwrap();
    let by_id = world.octets;
    let mut world = RelayWorld::new(relays());
    world.connect().unwrap();
    let by_imsi = world.octets;
    assert_eq!([pruk, by_id, by_imsi], [(239, 339), (354, 456), (384, 673)]);
    assert_eq!(world.gpis[0].len(), 103);
}
