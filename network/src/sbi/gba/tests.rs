use serde_json::{Value, json};

use super::*;
use crate::gba_push::bsf::PushBsf;
use crate::gba_push::ue::{self, PushUe};
use crate::sbi::tests::{NOW, body, refusal, request, with, without};
use crate::testing::{self, World, bootstrap, client, impi};
use crate::usim::{SqnArray, Usim};

pub(in crate::sbi) const BOOTSTRAPPING: &str = "/nbsp-gba/v1/bootstrapping-info-retrieval";
pub(in crate::sbi) const PUSH: &str = "/nbsp-gba/v1/push-info-retrieval";

fn naf() -> Value {
    json!({ "nafFqdn": testing::naf().fqdn.as_str(), "uaSecProtId": "0100000007" })
}

/// Documents that are right, with all members.
pub(in crate::sbi) fn documents() -> [Value; 2] {
    [
        json!({ "btId": "a@bsf.example.org", "nafId": naf(), "gbaUAware": false, "gsIds": [1] }),
        json!({
            "ueId": impi().as_str(), "ueIdType": "PRIVATE", "uiccAppLabel": "", "nafId": naf(),
            "ptId": "association 1", "uiccOrMe": "GBA_ME", "requestedLifeTime": "2023-11-15T00:00:00Z",
            "privateIdRequest": true, "gbaUAware": false, "gsIds": [0], "auts": "00".repeat(14),
            "rand": "00".repeat(16), "securityFeaturesRequest": ["GPL_U"],
        }),
    ]
}

fn push() -> Value {
    without(&without(&documents()[1], "auts"), "rand")
}

/// The answer of a BSF with its HSS.
fn ask(world: &mut World, push_bsf: &mut PushBsf, path: &str, document: &Value) -> Response {
    let mut gba = Gba::default();
    let http = request("POST", path, document);
    gba.handle_input(Input::Request { now: world.now, request: RequestId(5), http: &http });
    loop {
        match gba.poll_output() {
            Output::Respond { request, response } => {
                assert_eq!(request, RequestId(5));
                return response;
            }
            Output::Key { ticket, b_tid, naf_id } => {
                let result = world.key(&b_tid, &naf_id.fqdn);
                gba.handle_input(Input::Key { ticket, result });
            }
            Output::Push(request) => {
                push_bsf.handle_input(push::Input::Request { now: world.now, request: *request });
                let (ticket, result) = pushed_by(world, push_bsf);
                gba.handle_input(Input::Pushed { ticket, result });
            }
            Output::Timeout(_) => panic!("no answer"),
        }
    }
}

fn pushed_by(world: &mut World, bsf: &mut PushBsf) -> (Ticket, Result<Pushed, push::Refusal>) {
    loop {
        match bsf.poll_output() {
            push::Output::Fetch { ticket, impi, resynchronisation } => {
                let result = world.vector(ticket, impi, resynchronisation);
                bsf.handle_input(push::Input::Vector { now: world.now, ticket, result });
            }
            push::Output::Answer { ticket, result } => return (ticket, result),
            push::Output::Timeout(_) => panic!("no answer"),
        }
    }
}

fn answer(path: &str, document: &Value) -> Response {
    ask(&mut World::new(|_| {}), &mut PushBsf::new(push::Config::default()), path, document)
}

#[test]
fn a_naf_gets_the_key_of_a_ue_that_has_bootstrapped() {
    let mut world = World::new(|_| {});
    let key = bootstrap(&mut world, &mut client(SqnArray::default())).unwrap();
    let document = json!({ "btId": key.b_tid.as_str(), "nafId": naf(), "unknown": [] });
    let mut bsf = PushBsf::new(push::Config::default());
    let response = ask(&mut world, &mut bsf, BOOTSTRAPPING, &document);
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(
        (&response.headers()["content-type"], &response.headers()["cache-control"]),
        (&"application/json".parse().unwrap(), &"no-store".parse().unwrap())
    );
    let expected = world.key(&key.b_tid, &testing::naf().fqdn).unwrap();
    assert_eq!(
        body(&response),
        json!({
            "meKeyMaterial": hex::encode(expected.ks_naf.as_bytes()),
            "keyExpiryTime": "2023-11-15T22:13:20Z",
            "bootstrappingInfoCreationTime": "2023-11-14T22:13:20Z",
            "gbaType": "3G_GBA",
            "impi": impi().as_str(),
        })
    );
    let unknown = ask(&mut world, &mut bsf, BOOTSTRAPPING, &documents()[0]);
    assert_eq!(refusal(&unknown).0, 404);
}

#[test]
fn a_naf_gets_a_gpi_and_its_key() {
    let mut world = World::new(|_| {});
    let mut bsf = PushBsf::new(push::Config::default());
    let response = ask(&mut world, &mut bsf, PUSH, &push());
    assert_eq!(response.status().as_u16(), 200, "{}", body(&response));
    let answer = body(&response);
    assert_eq!(
        (&answer["keyExpiryTime"], &answer["impi"]),
        (&json!("2023-11-15T00:00:00Z"), &json!(impi().as_str()))
    );
    let gpi = hex::decode(answer["gbaPushInfo"].as_str().unwrap()).unwrap();
    // The UE's end comes to the same key.
    let mut ue = PushUe::new(impi(), Usim::new(testing::keys(), SqnArray::default()));
    ue.handle_input(ue::Input::Gpi { now: world.now, octets: &gpi });
    assert!(matches!(ue.poll_output(), Some(ue::Output::Store(_))));
    ue.handle_input(ue::Input::Stored);
    let Some(ue::Output::Associated(association)) = ue.poll_output() else { panic!("no key") };
    assert_eq!(answer["meKeyMaterial"], hex::encode(association.ks_naf.as_bytes()));
    assert_eq!(association.p_tid, "association 1");
    let silent = ask(&mut world, &mut bsf, PUSH, &with(&push(), "privateIdRequest", json!(false)));
    assert_eq!(body(&silent).get("impi"), None, "only if asked");
    assert_ne!(body(&silent)["meKeyMaterial"], answer["meKeyMaterial"], "another vector");
}

#[test]
fn each_refusal_of_a_push_has_its_status() {
    for (member, value, expected) in [
        ("ueIdType", json!("PUBLIC"), (501, "UNSPECIFIED_NF_FAILURE", "")),
        ("uiccOrMe", json!("GBA_U"), (501, "UNSPECIFIED_NF_FAILURE", "")),
        ("ueId", json!("no realm"), (400, "MANDATORY_IE_INCORRECT", "/ueId")),
        ("ueId", json!("other@ims.example.org"), (404, "USER_NOT_FOUND", "")),
        (
            "requestedLifeTime",
            json!("2023-11-14T22:13:20Z"),
            (400, "MANDATORY_IE_INCORRECT", "/requestedLifeTime"),
        ),
        (
            "requestedLifeTime",
            json!("2023-11-20T00:00:00Z"),
            (400, "MANDATORY_IE_INCORRECT", "/requestedLifeTime"),
        ),
        ("rand", json!("00".repeat(16)), (400, "MANDATORY_IE_MISSING", "/auts")),
        ("auts", json!("00".repeat(14)), (400, "MANDATORY_IE_MISSING", "/rand")),
    ] {
        let (status, cause, place) = refusal(&answer(PUSH, &with(&push(), member, value.clone())));
        assert_eq!((status, cause.as_str(), place.as_str()), expected, "{member} {value}");
    }
    // AUTS of nobody's USIM.
    assert_eq!(refusal(&answer(PUSH, &documents()[1])).0, 403);
}

#[test]
fn an_answer_that_does_not_come_is_504_and_the_number_that_waits_is_bounded() {
    let mut gba = Gba::default();
    let http = request("POST", BOOTSTRAPPING, &documents()[0]);
    let mut asked = Vec::new();
    for number in 0..=crate::sbi::pending::MOST as u64 {
        gba.handle_input(Input::Request { now: NOW, request: RequestId(number), http: &http });
        match gba.poll_output() {
            Output::Key { ticket, .. } => asked.push(ticket),
            Output::Respond { response, .. } => {
                assert_eq!(refusal(&response).1, "NF_CONGESTION");
                assert_eq!(response.headers()["retry-after"], "1");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(asked.len(), crate::sbi::pending::MOST);
    let Output::Timeout(Some(at)) = gba.poll_output() else { panic!("it waits") };
    gba.handle_input(Input::Tick { now: at });
    for _ in &asked {
        let Output::Respond { response, .. } = gba.poll_output() else { panic!("it is given up") };
        assert_eq!(refusal(&response).0, 504);
    }
    gba.handle_input(Input::Key { ticket: asked[0], result: Err(KeyRefusal::UnknownBTid) });
    assert!(matches!(gba.poll_output(), Output::Timeout(None)), "too late");
}
