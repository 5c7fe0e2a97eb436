use super::*;
use crate::aka::ARRAY;
use crate::testing::{World, bootstrap, client};
use proptest::prelude::*;

/// A UE that waits for the answer to its digest, and that answer.
fn before_the_end(world: &mut World) -> (UbClient, Response) {
    let mut ue = client(SqnArray::default());
    ue.handle_input(Input::Bootstrap { cnonce: [1; 16] });
    let mut last = None;
    while let Some(output) = ue.poll_output() {
        match output {
            Output::Request(request) => {
                let response = world.serve(&request);
                if response.status() == StatusCode::OK {
                    last = Some(response);
                } else {
                    ue.handle_input(Input::Response { now: world.now, response: &response });
                }
            }
            Output::Store(_) => ue.handle_input(Input::Stored),
            other => panic!("{other:?}"),
        }
    }
    (ue, last.unwrap())
}

fn outcome(ue: &mut UbClient, now: UtcTime, response: &Response) -> Result<Bootstrapped, Failure> {
    ue.handle_input(Input::Response { now, response });
    match ue.poll_output().unwrap() {
        Output::Done(key) => Ok(key),
        Output::Failed(why) => Err(why),
        other => panic!("{other:?}"),
    }
}

fn changed(change: impl FnOnce(&mut Response)) -> Result<Bootstrapped, Failure> {
    let mut world = World::new(|_| {});
    let (mut ue, mut response) = before_the_end(&mut world);
    change(&mut response);
    outcome(&mut ue, world.now, &response)
}

#[test]
fn only_what_the_bsf_proves_is_believed() {
    assert!(changed(|_| {}).is_ok());
    assert_eq!(changed(|r| r.body_mut().push(b' ')).unwrap_err(), Failure::NotProven);
    let name = "authentication-info";
    let field = HeaderValue::from_static("rspauth=\"00\"");
    assert_eq!(changed(|r| _ = r.headers_mut().insert(name, field.clone())).unwrap_err(), Failure::NotProven);
    let missing = Failure::NoHeaderField("Authentication-Info");
    assert_eq!(changed(|r| _ = r.headers_mut().remove(name)).unwrap_err(), missing);
    assert_eq!(changed(|r| _ = r.headers_mut().append(name, field.clone())).unwrap_err(), missing);
    let forbidden = StatusCode::FORBIDDEN;
    assert_eq!(changed(|r| *r.status_mut() = forbidden).unwrap_err(), Failure::Refused(forbidden));
}

#[test]
fn a_key_that_has_expired_is_none() {
    let mut world = World::new(|c| c.key_lifetime = 1000);
    let (mut ue, response) = before_the_end(&mut world);
    let late = UtcTime::from_millis(1_700_000_001_000);
    assert_eq!(outcome(&mut ue, late, &response).unwrap_err(), Failure::Expired);
    let (mut ue, response) = before_the_end(&mut world);
    assert!(outcome(&mut ue, late.minus_millis(1), &response).is_ok());
}

/// A challenge for a UE that has asked.
fn challenged(change: impl FnOnce(&mut Challenge)) -> UbClient {
    let (mut world, mut ue) = (World::new(|_| {}), client(SqnArray::default()));
    ue.config.algorithms = vec![Algorithm::AkaV1Md5];
    ue.handle_input(Input::Bootstrap { cnonce: [1; 16] });
    let Some(Output::Request(request)) = ue.poll_output() else { panic!() };
    let mut response = world.serve(&request);
    let mut challenge = Challenge::parse(response.headers()["www-authenticate"].as_bytes()).unwrap();
    change(&mut challenge);
    let field = HeaderValue::from_str(&challenge.emit()).unwrap();
    response.headers_mut().insert("www-authenticate", field);
    ue.handle_input(Input::Response { now: world.now, response: &response });
    ue
}

fn failure(mut ue: UbClient) -> Failure {
    match ue.poll_output() {
        Some(Output::Failed(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn challenges_of_others_are_refused() {
    assert!(matches!(challenged(|_| {}).poll_output(), Some(Output::Store(_))));
    assert_eq!(failure(challenged(|c| c.realm.push('x'))), Failure::Realm);
    let sha = Algorithm::AkaV1Sha256;
    assert_eq!(failure(challenged(|c| c.algorithm = sha)), Failure::Algorithm(sha));
    let forged = digest::nonce(Rand([1; 16]), crate::aka::Autn([2; 16]));
    assert_eq!(failure(challenged(|c| c.nonce = forged)), Failure::Usim(usim::Refusal::Mac));
    let short = Failure::HeaderField(digest::Error::Value("nonce"));
    assert_eq!(failure(challenged(|c| c.nonce = "AAAA".into())), short);
}

#[test]
fn a_usim_that_cannot_store_answers_nothing() {
    let mut ue = challenged(|_| {});
    assert!(matches!(ue.poll_output(), Some(Output::Store(_))));
    assert!(ue.poll_output().is_none(), "an answer before the state was stored");
    ue.handle_input(Input::StoreFailed);
    assert_eq!(failure(ue), Failure::Usim(usim::Refusal::Store));
}

#[test]
fn a_run_may_begin_anew_while_the_usim_stores() {
    let mut ue = challenged(|_| {});
    assert!(matches!(ue.poll_output(), Some(Output::Store(_))));
    let mut world = World::new(|_| {});
    assert!(bootstrap(&mut world, &mut ue).is_ok());
}

#[test]
fn a_network_that_stays_behind_is_given_up() {
    let mut world = World::new(|_| {});
    let mut ue = client(SqnArray::from_entries([90_000; ARRAY]).unwrap());
    ue.handle_input(Input::Bootstrap { cnonce: [1; 16] });
    let Some(Output::Request(request)) = ue.poll_output() else { panic!() };
    let response = world.serve(&request);
    ue.handle_input(Input::Response { now: world.now, response: &response });
    assert!(matches!(ue.poll_output(), Some(Output::Request(_))), "AUTS");
    ue.handle_input(Input::Response { now: world.now, response: &response });
    assert_eq!(failure(ue), Failure::OutOfSync);
}

#[test]
fn challenge_after_challenge_is_given_up() {
    let (mut world, mut ue) = (World::new(|c| c.challenge_lifetime = 10), client(SqnArray::default()));
    ue.handle_input(Input::Bootstrap { cnonce: [1; 16] });
    let mut requests = 0;
    let why = loop {
        match ue.poll_output().unwrap() {
            Output::Request(request) => {
                requests += 1;
                world.now = world.now.plus_millis(10);
                let response = world.serve(&request);
                ue.handle_input(Input::Response { now: world.now, response: &response });
            }
            Output::Store(_) => ue.handle_input(Input::Stored),
            Output::Failed(why) => break why,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((why, requests), (Failure::TooManyChallenges, 1 + MOST_CHALLENGES));
}

#[test]
fn what_nobody_waits_for_changes_nothing() {
    let mut world = World::new(|_| {});
    let (_, response) = before_the_end(&mut world);
    let mut ue = client(SqnArray::default());
    for input in [Input::Lost, Input::Stored, Input::StoreFailed] {
        ue.handle_input(input);
    }
    ue.handle_input(Input::Response { now: world.now, response: &response });
    assert!(ue.poll_output().is_none());
    assert!(bootstrap(&mut world, &mut ue).is_ok());
}

proptest! {
    #[test]
    fn any_answer_is_taken_or_refused(status in 100_u16..600, field in "[ -~]{0,80}", body: Vec<u8>, at_end: bool) {
        let mut world = World::new(|_| {});
        let mut ue = if at_end { before_the_end(&mut world).0 } else { client(SqnArray::default()) };
        if !at_end {
            ue.handle_input(Input::Bootstrap { cnonce: [1; 16] });
            ue.poll_output();
        }
        let response = http::Response::builder()
            .status(status)
            .header("www-authenticate", format!("Digest {field}"))
            .header("authentication-info", &field)
            .body(body)
            .unwrap();
        ue.handle_input(Input::Response { now: world.now, response: &response });
        prop_assert!(!matches!(ue.poll_output(), Some(Output::Done(_))));
    }
}
