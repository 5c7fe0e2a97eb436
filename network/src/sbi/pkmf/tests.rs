use serde_json::{Value, json};

use super::*;
use crate::gba_push::bsf::PushBsf;
use crate::gba_push::ue::{self, PushUe};
use crate::sbi::tests::{NOW, body, refusal, request, with, without};
use crate::testing::eap::Octets;
use crate::testing::{self, impi, imsi};
use crate::usim::{SqnArray, Usim};

pub(in crate::sbi) const KEY: &str = "/npkmf-keyrequest/v1/prose-keys/request";
pub(in crate::sbi) const RESOLVE: &str = "/npkmf-userid/v1/resolve-id";
const SUCI: &str = "suci-0-001-01-0012-0-0-0000000001";

/// Documents that are right, with all members.
pub(in crate::sbi) fn documents() -> [Value; 2] {
    let zeros = |octets: usize| "00".repeat(octets);
    [
        json!({
            "relayServCode": 66_051, "knrpFreshness1": "11".repeat(16), "prukId": "x", "suci": SUCI,
            "resyncInfo": { "rand": zeros(16), "auts": zeros(14) },
        }),
        json!({ "upPrukId": "x", "plmnId": { "mcc": "001", "mnc": "01" } }),
    ]
}

fn by_suci() -> Value {
    without(&without(&documents()[0], "resyncInfo"), "prukId")
}

fn by_id(id: &str) -> Value {
    with(&without(&by_suci(), "suci"), "prukId", json!(id))
}

pub(in crate::sbi) fn keys(stored: Vec<Record>) -> RemoteKeys {
    let config = Config {
        naf_id: testing::naf(),
        home: ("001".into(), "01".into()),
        lifetime: 3_600_000,
        resynchronisation: 60_000,
        most: 4,
    };
    RemoteKeys::new(config, stored)
}

/// PKMF, BSF and HSS, and a store that works or does not.
struct World {
    keys: RemoteKeys,
    push: PushBsf,
    network: testing::World,
    rng: Octets,
    stored: Vec<Record>,
    works: bool,
}

impl World {
    fn new() -> Self {
        Self {
            keys: keys(Vec::new()),
            push: PushBsf::new(push::Config::default()),
            network: testing::World::new(|_| {}),
            rng: Octets(5),
            stored: Vec::new(),
            works: true,
        }
    }

    fn ask(&mut self, path: &str, document: &Value) -> Response {
        let (now, http) = (self.network.now, request("POST", path, document));
        self.keys.handle_input(Input::Request { now, request: RequestId(2), http: &http }, &mut self.rng);
        loop {
            match self.keys.poll_output() {
                Output::Respond { response, .. } => return response,
                Output::Push(request) => {
                    self.push.handle_input(push::Input::Request { now, request: *request });
                    let (ticket, result) = self.pushed();
                    self.keys.handle_input(Input::Pushed { now, ticket, result }, &mut self.rng);
                }
                Output::Store { ticket, record } => {
                    self.stored.push(record);
                    let input =
                        if self.works { Input::Stored { ticket } } else { Input::StoreFailed { ticket } };
                    self.keys.handle_input(input, &mut self.rng);
                }
                Output::Timeout(_) => panic!("no answer"),
            }
        }
    }

    fn pushed(&mut self) -> (Ticket, Result<Pushed, push::Refusal>) {
        loop {
            match self.push.poll_output() {
                push::Output::Fetch { ticket, impi, resynchronisation } => {
                    let result = self.network.vector(ticket, impi, resynchronisation);
                    self.push.handle_input(push::Input::Vector { now: self.network.now, ticket, result });
                }
                push::Output::Answer { ticket, result } => return (ticket, result),
                push::Output::Timeout(_) => panic!("no answer"),
            }
        }
    }
}

fn remote_ue(array: SqnArray) -> PushUe {
    PushUe::new(impi(), Usim::new(testing::keys(), array))
}

/// What a UE makes of a GPI.
fn take(ue: &mut PushUe, gpi: &Value) -> ue::Output {
    let octets = hex::decode(gpi.as_str().unwrap()).unwrap();
    ue.handle_input(ue::Input::Gpi { now: NOW, octets: &octets });
    loop {
        match ue.poll_output().expect("an answer") {
            ue::Output::Store(_) => ue.handle_input(ue::Input::Stored),
            other => return other,
        }
    }
}

/// K_NRP as the UE has it, by the KDF alone. TS 33.503 §A.8.
fn knrp(up_pruk: &[u8; 32], answer: &Value) -> String {
    use sidelink_security::kdf::{fc::Fc, kdf};
    let freshness_2 = hex::decode(answer["knrpFreshness2"].as_str().unwrap()).unwrap();
    hex::encode(*kdf(up_pruk, Fc::Octet(0x8a), &[&[1, 2, 3], &[0x11; 16], &freshness_2]).unwrap())
}

#[test]
fn a_key_is_pushed_then_known_by_its_name() {
    let mut world = World::new();
    let first = body(&world.ask(KEY, &by_suci()));
    let ue::Output::Associated(association) = take(&mut remote_ue(SqnArray::default()), &first["gpi"]) else {
        panic!("no key")
    };
    assert_eq!(first["knrp"], knrp(association.ks_naf.as_bytes(), &first));
    let id = association.p_tid;
    assert!(
        id.starts_with("rid0012.pid") && id.ends_with("@prose-up.5gc.mnc001.mcc001.3gppnetwork.org"),
        "{id}"
    );
    let again = body(&world.ask(KEY, &by_id(&id)));
    assert_eq!(again["knrp"], knrp(association.ks_naf.as_bytes(), &again));
    assert_eq!(again.get("gpi"), None);
    assert_ne!((&again["knrp"], &again["knrpFreshness2"]), (&first["knrp"], &first["knrpFreshness2"]));
    let supi = json!({ "supi": format!("imsi-{}", imsi().digits()) });
    assert_eq!(body(&world.ask(RESOLVE, &json!({ "upPrukId": id }))), supi);
    assert_eq!(
        world.stored.iter().map(|record| record.slot).collect::<Vec<_>>(),
        [Slot::Candidate, Slot::Confirmed]
    );
    world.keys = keys(std::mem::take(&mut world.stored));
    let later = body(&world.ask(KEY, &by_id(&id)));
    assert_eq!(later["knrp"], knrp(association.ks_naf.as_bytes(), &later), "after a start too");
    assert!(world.stored.is_empty());
}

#[test]
fn a_push_that_does_not_arrive_leaves_the_key_before_it() {
    let mut world = World::new();
    world.ask(KEY, &by_suci());
    let first = world.stored[0].id.clone();
    assert_eq!(world.ask(KEY, &by_id(&first)).status().as_u16(), 200);
    for _ in 0..3 {
        world.ask(KEY, &by_suci());
        assert_eq!(world.ask(KEY, &by_id(&first)).status().as_u16(), 200, "the UE still has it");
    }
    let last = world.stored.last().unwrap().id.clone();
    assert_eq!(world.ask(KEY, &by_id(&last)).status().as_u16(), 200);
    assert_eq!(refusal(&world.ask(KEY, &by_id(&first))).1, "CONTEXT_NOT_FOUND", "the UE has another");
    assert_eq!(refusal(&world.ask(RESOLVE, &json!({ "upPrukId": first }))).0, 404);
}

#[test]
fn a_usim_out_of_synchronisation_is_resynchronised_by_its_challenge_alone() {
    let mut world = World::new();
    let mut entries = [0; 32];
    entries[0] = 1 << 20;
    let mut ue = remote_ue(SqnArray::from_entries(entries).unwrap());
    let first = body(&world.ask(KEY, &by_suci()));
    let ue::Output::Resynchronise { rand, auts } = take(&mut ue, &first["gpi"]) else {
        panic!("in synchronisation")
    };
    let info = json!({ "rand": hex::encode(rand.0), "auts": hex::encode(auts.0) });
    let follow_up = with(&without(&by_suci(), "suci"), "resyncInfo", info);
    let second = body(&world.ask(KEY, &follow_up));
    assert!(matches!(take(&mut ue, &second["gpi"]), ue::Output::Associated(_)));
    assert_eq!(refusal(&world.ask(KEY, &follow_up)).0, 404, "once");
    assert_eq!(refusal(&world.ask(KEY, &documents()[0])).1, "CONTEXT_NOT_FOUND", "a RAND of nobody");
}

#[test]
fn what_is_not_durable_is_not_given_and_a_key_ends() {
    let mut world = World::new();
    world.works = false;
    assert_eq!(refusal(&world.ask(KEY, &by_suci())).0, 503);
    let lost = world.stored[0].id.clone();
    assert_eq!(refusal(&world.ask(KEY, &by_id(&lost))).0, 404);
    world.works = true;
    world.ask(KEY, &by_suci());
    let id = world.stored[1].id.clone();
    assert_eq!(world.ask(KEY, &by_id(&id)).status().as_u16(), 200);
    world.network.now = world.network.now.plus_millis(3_600_001);
    assert_eq!(refusal(&world.ask(KEY, &by_id(&id))).0, 404);
}

#[test]
fn each_refusal_has_its_status() {
    for (document, expected) in [
        (without(&by_suci(), "suci"), (400, "MANDATORY_IE_MISSING", "/suci")),
        (by_id("nobody"), (404, "CONTEXT_NOT_FOUND", "")),
        (
            with(&by_suci(), "suci", json!("suci-0-001-01-0-1-1-ab")),
            (501, "UNSUPPORTED_PROTECTION_SCHEME", ""),
        ),
        (with(&by_suci(), "suci", json!("imsi-001010000000001")), (400, "OPTIONAL_IE_INCORRECT", "/suci")),
        (with(&by_suci(), "suci", json!("suci-0-001-01-0-0-0-9999999999")), (404, "USER_NOT_FOUND", "")),
        (with(&by_suci(), "suci", json!("suci-0-002-01-0-0-0-0000000001")), (404, "USER_NOT_FOUND", "")),
        (with(&by_suci(), "knrpFreshness1", json!("11")), (400, "MANDATORY_IE_INCORRECT", "/knrpFreshness1")),
    ] {
        let (status, cause, place) = refusal(&World::new().ask(KEY, &document));
        assert_eq!((status, cause.as_str(), place.as_str()), expected, "{document}");
    }
}
