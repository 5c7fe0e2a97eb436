use super::*;
use crate::aka::{ARRAY, Amf, Rand, Sqn};
use crate::testing::{World, bootstrap, client, impi, keys, naf, name};
use crate::ub_client::{self, Output as UeOutput, UbClient};
use crate::usim::SqnArray;
use proptest::prelude::*;
use sidelink_wire::hex;

fn usual() -> World {
    World::new(|_| {})
}

/// The next request of a UE; its USIM's store works.
fn request(client: &mut UbClient) -> Request {
    loop {
        match client.poll_output().unwrap() {
            UeOutput::Request(request) => return request,
            UeOutput::Store(_) => client.handle_input(ub_client::Input::Stored),
            other => panic!("{other:?}"),
        }
    }
}

fn first(client: &mut UbClient) -> Request {
    client.handle_input(ub_client::Input::Bootstrap { cnonce: [6; 16] });
    request(client)
}

fn answer(world: &World, client: &mut UbClient, response: &Response) -> Request {
    client.handle_input(ub_client::Input::Response { now: world.now, response });
    request(client)
}

/// A request with another header field.
fn with_field(field: &str) -> Request {
    http::Request::get("/").header("authorization", field).body(Vec::new()).unwrap()
}

fn field(request: &Request) -> &str {
    request.headers()["authorization"].to_str().unwrap()
}

#[test]
fn both_ends_have_the_same_ks_naf() {
    for algorithm in [Algorithm::AkaV1Md5, Algorithm::AkaV1Sha256] {
        let mut world = World::new(|c| c.algorithm = algorithm);
        let key = bootstrap(&mut world, &mut client(SqnArray::default())).unwrap();
        let material = world.key(&key.b_tid, &naf().fqdn).unwrap();
        assert_eq!(key.ks_naf(world.now, &naf()), Some(material.ks_naf));
        assert_eq!((material.impi, material.expires), (impi(), key.expires));
        assert_eq!(key.expires.millis(), 1_700_086_400_000, "whole seconds at both ends");
        let other = NafId { protocol: [1, 0, 0, 0, 8], ..naf() };
        assert_ne!(key.ks_naf(world.now, &naf()), key.ks_naf(world.now, &other));
    }
}

#[test]
fn a_naf_gets_the_key_of_its_own_name_while_it_lives() {
    let mut world = usual();
    let key = bootstrap(&mut world, &mut client(SqnArray::default())).unwrap();
    assert_eq!(world.key(&key.b_tid, &name()).unwrap_err(), KeyRefusal::NotItsName);
    let unknown = BTid::new("AAAA@bsf").unwrap();
    assert_eq!(world.key(&unknown, &naf().fqdn).unwrap_err(), KeyRefusal::UnknownBTid);
    world.now = UtcTime::from_millis(key.expires.millis() - 1);
    assert!(world.key(&key.b_tid, &naf().fqdn).is_ok() && key.ks_naf(world.now, &naf()).is_some());
    world.now = key.expires;
    assert_eq!(world.key(&key.b_tid, &naf().fqdn).unwrap_err(), KeyRefusal::UnknownBTid);
    assert!(key.ks_naf(world.now, &naf()).is_none());
    assert_eq!(world.stored.len(), 1);
    world.bsf.handle_input(Input::Tick { now: world.now });
    world.drain();
    assert!(world.stored.is_empty() && world.bsf.records.is_empty() && world.bsf.by_b_tid.is_empty());
}

#[test]
fn a_key_survives_a_restart() {
    let mut world = usual();
    let key = bootstrap(&mut world, &mut client(SqnArray::default())).unwrap();
    let stored = std::mem::take(&mut world.stored).into_values();
    world.bsf = Bsf::new(Config::new(name()), stored);
    assert_eq!(Some(world.key(&key.b_tid, &naf().fqdn).unwrap().ks_naf), key.ks_naf(world.now, &naf()));
}

#[test]
fn one_bootstrapping_replaces_another() {
    let (mut world, mut ue) = (usual(), client(SqnArray::default()));
    let before = bootstrap(&mut world, &mut ue).unwrap();
    let after = bootstrap(&mut world, &mut ue).unwrap();
    assert_eq!(world.key(&before.b_tid, &naf().fqdn).unwrap_err(), KeyRefusal::UnknownBTid);
    assert!(world.key(&after.b_tid, &naf().fqdn).is_ok());
    assert_eq!((world.bsf.records.len(), world.bsf.by_b_tid.len()), (1, 1));
}

#[test]
fn of_two_ues_of_one_subscriber_each_gets_a_key_and_the_last_one_counts() {
    let (mut world, mut one, mut two) = (usual(), client(SqnArray::default()), client(SqnArray::default()));
    let challenges = [first(&mut one), first(&mut two)].map(|request| world.serve(&request));
    assert_eq!(world.asked, 1, "the same challenge for both");
    let answers = [answer(&world, &mut one, &challenges[0]), answer(&world, &mut two, &challenges[1])];
    let done = world.serve(&answers[0]);
    assert_eq!(done.status(), StatusCode::OK);
    let again = world.serve(&answers[1]);
    assert_eq!((again.status(), world.asked), (StatusCode::UNAUTHORIZED, 2));
    let last = answer(&world, &mut two, &again);
    assert_eq!(world.serve(&last).status(), StatusCode::OK);
    assert_eq!(world.bsf.by_b_tid.len(), 1);
}

#[test]
fn a_usim_ahead_of_the_network_is_followed() {
    let (mut world, mut ue) = (usual(), client(SqnArray::from_entries([90_000; ARRAY]).unwrap()));
    let key = bootstrap(&mut world, &mut ue).unwrap();
    assert_eq!(world.asked, 2);
    assert!(world.key(&key.b_tid, &naf().fqdn).is_ok());
}

#[test]
fn what_proves_nothing_costs_one_vector_a_challenge() {
    let (mut world, mut ue) = (usual(), client(SqnArray::default()));
    let asking = first(&mut ue);
    let challenge = world.serve(&asking);
    for _ in 0..100 {
        assert_eq!(world.serve(&asking).headers(), challenge.headers());
    }
    assert_eq!(world.asked, 1);
    world.now = world.now.plus_millis(29_999);
    world.serve(&asking);
    assert_eq!(world.asked, 1);
    world.now = world.now.plus_millis(1);
    assert_ne!(world.serve(&asking).headers(), challenge.headers());
    assert_eq!(world.asked, 2);
}

#[test]
fn wrong_answers_are_refused_and_close_nothing() {
    let (mut world, mut ue) = (usual(), client(SqnArray::default()));
    let challenge = world.serve(&first(&mut ue));
    let right = answer(&world, &mut ue, &challenge);
    let at = field(&right).find("response=\"").unwrap() + 10;
    let mut wrong = field(&right).to_owned();
    wrong.replace_range(at..at + 4, "zzzz");
    let wrong = with_field(&wrong);
    let statuses: Vec<_> = (0..5).map(|_| world.serve(&wrong).status().as_u16()).collect();
    assert_eq!((&statuses[..], world.asked), (&[401, 401, 403, 403, 403][..], 1));
    let body = http::Request::get("/").header("authorization", field(&right)).body(vec![1]).unwrap();
    assert_eq!(world.serve(&body).status(), StatusCode::FORBIDDEN, "the digest is over the body");
    assert_eq!(world.serve(&right).status(), StatusCode::OK);
}

#[test]
fn an_answer_counts_once() {
    let (mut world, mut ue) = (usual(), client(SqnArray::default()));
    let challenge = world.serve(&first(&mut ue));
    let right = answer(&world, &mut ue, &challenge);
    assert_eq!(world.serve(&right).status(), StatusCode::OK);
    assert_eq!(world.serve(&right).status(), StatusCode::UNAUTHORIZED, "a repetition gets a new challenge");
    // The 200 was lost: the UE bootstraps anew.
    ue.handle_input(ub_client::Input::Lost);
    assert!(matches!(ue.poll_output(), Some(UeOutput::Failed(ub_client::Failure::Lost))));
    assert!(bootstrap(&mut world, &mut ue).is_ok());
}

#[test]
fn auts_that_are_made_up_are_refused_and_bounded() {
    let (mut world, mut ue) = (usual(), client(SqnArray::default()));
    let challenge = world.serve(&first(&mut ue));
    let right = answer(&world, &mut ue, &challenge);
    let parsed = Authorization::parse(field(&right).as_bytes()).unwrap();
    let forged = |password: &[u8]| {
        let mut made = parsed.clone();
        let answer = made.answer.as_mut().unwrap();
        answer.auts = Some(crate::aka::Auts([1; 14]));
        let digest = parsed.exchange(parsed.answer.as_ref().unwrap()).digest(password, Of::Request(&[]));
        answer.response = digest.to_string();
        with_field(&made.emit())
    };
    for _ in 0..5 {
        assert_eq!(world.serve(&forged(&[])).status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(world.asked, 1 + 3, "the HSS hears of three");
    assert_eq!(world.serve(&forged(b"RES")).status(), StatusCode::FORBIDDEN);
    assert_eq!(world.serve(&right).status(), StatusCode::OK);
}

#[test]
fn no_answer_before_the_key_is_stored_and_none_where_it_cannot_be() {
    let (mut world, mut ue) = (usual(), client(SqnArray::default()));
    let challenge = world.serve(&first(&mut ue));
    let right = answer(&world, &mut ue, &challenge);
    let (now, from) = (world.now, Connection(1));
    world.bsf.handle_input(Input::Request { now, from, request: &right });
    let Output::Store { ticket, record } = world.bsf.poll_output() else { panic!() };
    assert!(matches!(world.bsf.poll_output(), Output::Timeout(_)), "an answer before the key was stored");
    assert_eq!(world.key(&record.b_tid, &naf().fqdn).unwrap_err(), KeyRefusal::UnknownBTid);
    world.bsf.handle_input(Input::StoreFailed { ticket });
    let failed = world.drain().pop().unwrap();
    assert_eq!(
        (failed.status(), &failed.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse::<http::HeaderValue>().unwrap())
    );
    assert_eq!(world.key(&record.b_tid, &naf().fqdn).unwrap_err(), KeyRefusal::UnknownBTid);
    assert!(bootstrap(&mut world, &mut ue).is_ok());
}

#[test]
fn one_key_of_a_subscriber_is_stored_at_a_time() {
    let (mut world, mut ue, mut two) = (usual(), client(SqnArray::default()), client(SqnArray::default()));
    let challenge = world.serve(&first(&mut ue));
    let right = answer(&world, &mut ue, &challenge);
    let (now, from) = (world.now, Connection(1));
    world.bsf.handle_input(Input::Request { now, from, request: &right });
    let Output::Store { ticket, .. } = world.bsf.poll_output() else { panic!() };
    let challenge = world.serve(&first(&mut two));
    let second = answer(&world, &mut two, &challenge);
    assert_eq!(world.serve(&second).status(), StatusCode::SERVICE_UNAVAILABLE);
    world.bsf.handle_input(Input::Stored { ticket });
    assert_eq!(world.drain().pop().unwrap().status(), StatusCode::OK);
    assert_eq!(world.serve(&second).status(), StatusCode::OK);
}

#[test]
fn what_waits_for_the_hss_is_bounded_in_number_and_time() {
    let (mut bsf, now) = (Bsf::new(Config::new(name()), []), UtcTime::from_millis(0));
    let asking = first(&mut client(SqnArray::default()));
    for n in 0..=MOST_WAITING as u64 {
        bsf.handle_input(Input::Request { now, from: Connection(n), request: &asking });
    }
    let Output::Fetch { ticket, .. } = bsf.poll_output() else { panic!() };
    let busy = |output| matches!(output, Output::Response { response, .. } if response.status() == StatusCode::SERVICE_UNAVAILABLE);
    assert!(busy(bsf.poll_output()));
    assert!(matches!(bsf.poll_output(), Output::Timeout(Some(at)) if at.millis() == 5000));
    bsf.handle_input(Input::Tick { now: UtcTime::from_millis(4999) });
    assert!(matches!(bsf.poll_output(), Output::Timeout(Some(_))));
    bsf.handle_input(Input::Tick { now: UtcTime::from_millis(5000) });
    assert!((0..MOST_WAITING).all(|_| busy(bsf.poll_output())));
    assert!(matches!(bsf.poll_output(), Output::Timeout(None)));
    let late = Quintet::new(&keys(), Rand([1; 16]), Sqn::new(1, 0).unwrap(), Amf::OPEN);
    bsf.handle_input(Input::Vector { now, ticket, result: Ok(late) });
    assert!(matches!(bsf.poll_output(), Output::Timeout(None)), "a vector that came too late");
}

/// Statuses of first requests in as many names, before the HSS answers any.
fn in_many_names(config: Config, many: usize) -> (usize, usize) {
    let (mut bsf, now) = (Bsf::new(config, []), UtcTime::from_millis(0));
    for n in 0..many {
        let name = name();
        let asking =
            format!("Digest username=\"{n}@a\", realm=\"{name}\", nonce=\"\", uri=\"/\", response=\"\"");
        bsf.handle_input(Input::Request { now, from: Connection(0), request: &with_field(&asking) });
    }
    let outputs: Vec<_> = std::iter::repeat_with(|| bsf.poll_output()).take(many).collect();
    let fetches = outputs.iter().filter(|o| matches!(o, Output::Fetch { .. })).count();
    (fetches, outputs.len() - fetches)
}

#[test]
fn fetches_for_all_together_are_limited() {
    assert_eq!(in_many_names(Config::new(name()), 60), (50, 10));
    let unlimited = RateLimit { burst: 0, interval: 0 };
    assert_eq!(
        in_many_names(Config { rate: unlimited, ..Config::new(name()) }, MOST_FETCHES + 5),
        (MOST_FETCHES, 5)
    );
}

#[test]
fn what_the_hss_refuses_is_refused() {
    let mut world = usual();
    let name = name();
    let stranger = format!("Digest username=\"x@y\", realm=\"{name}\", nonce=\"\", uri=\"/\", response=\"\"");
    assert_eq!(world.serve(&with_field(&stranger)).status(), StatusCode::FORBIDDEN);
    let asking = first(&mut client(SqnArray::default()));
    world.bsf.handle_input(Input::Request { now: world.now, from: Connection(0), request: &asking });
    let Output::Fetch { ticket, .. } = world.bsf.poll_output() else { panic!() };
    let (now, result) = (world.now, Err(hss::Refusal::TooOften));
    world.bsf.handle_input(Input::Vector { now, ticket, result });
    assert_eq!(world.drain().pop().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn requests_that_are_none_are_refused() {
    let mut world = usual();
    let good = first(&mut client(SqnArray::default()));
    let field = field(&good).to_owned();
    let with = |method: &str, uri: &str, body: usize| {
        let request = http::Request::builder().method(method).uri(uri).header("authorization", &field);
        request.body(vec![0; body]).unwrap()
    };
    for (request, status) in [
        (with("POST", "/", 0), 405),
        (with("GET", "/x", 0), 404),
        (with("GET", "/", MAX_BODY + 1), 413),
        (with("GET", "/", MAX_BODY), 401),
        (with("GET", "/?x", 0), 400),
        (http::Request::get("/").body(Vec::new()).unwrap(), 400),
        (
            http::Request::get("/")
                .header("authorization", &field)
                .header("authorization", &field)
                .body(Vec::new())
                .unwrap(),
            400,
        ),
        (with_field(&field.replace("Digest", "Basic")), 400),
        (with_field(&field.replace("realm=\"bsf", "realm=\"bsg")), 400),
        (with_field(&field.replace("@", "")), 400),
        (with_field(&field.replace("realm=\"bsf", "realm=\"BSF")), 401),
    ] {
        assert_eq!(world.serve(&request).status().as_u16(), status, "{request:?}");
    }
    let mut ue = client(SqnArray::default());
    let challenge = world.serve(&first(&mut ue));
    let right = answer(&world, &mut ue, &challenge);
    let other = self::field(&right).replace("AKAv1-MD5", "AKAv1-SHA-256");
    assert_eq!(world.serve(&with_field(&other)).status(), StatusCode::BAD_REQUEST);
}

/// The self-made case of `vectors/digest_aka_gba.json`, which another program computed.
#[test]
#[allow(clippy::disallowed_methods)]
fn another_program_computes_the_same() {
    let path = format!("{}/vectors/digest_aka_gba.json", env!("CARGO_MANIFEST_DIR"));
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let case = &file["cases"][3];
    let text = |name: &str| case[name].as_str().unwrap_or_else(|| panic!("{name}"));
    let rand = Rand(hex::bytes(text("rand")).unwrap().try_into().unwrap());
    let sqn = Sqn::from_octets(hex::bytes("ff9bb4d0b607").unwrap().try_into().unwrap());
    let cnonce = hex::bytes(text("cnonce")).unwrap().try_into().unwrap();
    let ahead = Sqn::from_octets(hex::bytes(text("sqn_ms")).unwrap().try_into().unwrap());
    for (algorithm, expected, behind) in [
        (Algorithm::AkaV1Md5, "response_AKAv1_MD5", false),
        (Algorithm::AkaV1Sha256, "response_AKAv1_SHA256", false),
        (Algorithm::AkaV1Md5, "response_resync_empty_password_MD5", true),
    ] {
        let mut entries = [0; ARRAY];
        entries[0] = ahead.seq();
        if behind {
            entries[sqn.ind()] = sqn.seq();
        }
        let mut ue = client(SqnArray::from_entries(entries).unwrap());
        let mut bsf = Bsf::new(Config { algorithm, ..Config::new(name()) }, []);
        let (now, from) = (UtcTime::from_millis(0), Connection(0));
        ue.handle_input(ub_client::Input::Bootstrap { cnonce });
        bsf.handle_input(Input::Request { now, from, request: &request(&mut ue) });
        let Output::Fetch { ticket, .. } = bsf.poll_output() else { panic!() };
        let quintet = Quintet::new(&keys(), rand, sqn, Amf([0xb9, 0xb9]));
        bsf.handle_input(Input::Vector { now, ticket, result: Ok(quintet) });
        let Output::Response { response, .. } = bsf.poll_output() else { panic!() };
        ue.handle_input(ub_client::Input::Response { now, response: &response });
        let second = request(&mut ue);
        let made = Authorization::parse(field(&second).as_bytes()).unwrap().answer.unwrap();
        assert_eq!((&*made.nonce, &*made.response), (text("nonce"), text(expected)));
        bsf.handle_input(Input::Request { now, from, request: &second });
        if behind {
            assert_eq!(made.auts.map(|a| hex::of_bytes(&a.0)), Some(text("auts").to_owned()));
            continue;
        }
        let Output::Store { record, .. } = bsf.poll_output() else { panic!() };
        assert_eq!(record.b_tid.as_str(), text("b_tid"));
        bsf.keep(record);
        let octets = hex::bytes(text("naf_id_tls13")).unwrap();
        assert_eq!(naf().octets(), octets);
        let b_tid = BTid::new(text("b_tid")).unwrap();
        let key = bsf.key(now, &naf().fqdn, &b_tid, &naf()).unwrap();
        assert_eq!(hex::of_bytes(key.ks_naf.as_bytes()), text("ks_naf_tls13"));
    }
}

proptest! {
    #[test]
    fn any_header_field_gets_an_answer(text in "[ -~]{0,100}", name in "[a-z]{1,9}", value in "[ !#-~]{0,30}") {
        let mut world = usual();
        let mut ue = client(SqnArray::default());
        let challenge = world.serve(&first(&mut ue));
        let right = answer(&world, &mut ue, &challenge);
        let changed = format!("{}, {name}=\"{value}\"", field(&right));
        for text in [&text, &format!("Digest {text}"), &changed] {
            prop_assert!(world.serve(&with_field(text)).status() != StatusCode::INTERNAL_SERVER_ERROR);
        }
    }
}
