use serde_json::{Value, json};

use super::*;
use crate::sbi::tests::{NOW, body, refusal, request, with};

pub(in crate::sbi) const REGISTER: &str = "/npanf-prosekey/v1/prose-keys/register";
pub(in crate::sbi) const RETRIEVE: &str = "/npanf-prosekey/v1/prose-keys/retrieve";
pub(in crate::sbi) const RESOLVE: &str = "/npanf-userid/v1/prose-resolution/get";

fn id(number: u8) -> String {
    format!("rid0.pid{number:02x}@prose-cp.5gc.mnc001.mcc001.3gppnetwork.org")
}

/// Documents that are right, with all members.
pub(in crate::sbi) fn documents() -> [Value; 3] {
    [
        json!({ "supi": "imsi-001010000000001", "5gPruk": "Ab".repeat(32), "5gPrukId": id(1), "relayServiceCode": 5 }),
        json!({ "5gPrukId": id(1), "relayServiceCode": 5 }),
        json!({ "cpPrukId": id(1) }),
    ]
}

/// A function, and a store that works or does not.
struct World {
    function: AnchorFunction,
    stored: Vec<Record>,
    works: bool,
}

impl World {
    fn new() -> Self {
        Self { function: AnchorFunction::new(Panf::new(3, [])), stored: Vec::new(), works: true }
    }

    fn ask(&mut self, path: &str, document: &Value) -> Response {
        let http = request("POST", path, document);
        self.function.handle_input(Input::Request { now: NOW, request: RequestId(3), http: &http });
        loop {
            match self.function.poll_output() {
                Output::Respond { response, .. } => return response,
                Output::Store { ticket, record } => {
                    assert_eq!(
                        self.function.key(&record.id, record.relay_service_code),
                        None,
                        "not before it is durable"
                    );
                    self.stored.push(record);
                    let input =
                        if self.works { Input::Stored { ticket } } else { Input::StoreFailed { ticket } };
                    self.function.handle_input(input);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_key_is_registered_retrieved_and_resolved() {
    let mut world = World::new();
    let [register, retrieve, resolve] = documents();
    assert_eq!(refusal(&world.ask(RETRIEVE, &retrieve)).1, "CONTEXT_NOT_FOUND");
    assert_eq!(refusal(&world.ask(RESOLVE, &resolve)).1, "CONTEXT_NOT_FOUND");
    let response = world.ask(REGISTER, &register);
    assert_eq!((response.status().as_u16(), response.body().len()), (204, 0));
    assert_eq!(body(&world.ask(RETRIEVE, &retrieve)), json!({ "5gPruk": "ab".repeat(32) }));
    assert_eq!(body(&world.ask(RESOLVE, &resolve)), json!({ "supi": "imsi-001010000000001" }));
    let other_service = with(&retrieve, "relayServiceCode", json!(6));
    assert_eq!(refusal(&world.ask(RETRIEVE, &other_service)).0, 404, "a key is for its service alone");
    let mut again = AnchorFunction::new(Panf::new(3, world.stored));
    let http = request("POST", RETRIEVE, &retrieve);
    again.handle_input(Input::Request { now: NOW, request: RequestId(3), http: &http });
    assert!(
        matches!(again.poll_output(), Output::Respond { response, .. } if response.status().is_success())
    );
}

#[test]
fn what_is_not_durable_is_not_registered() {
    let mut world = World::new();
    world.works = false;
    assert_eq!(refusal(&world.ask(REGISTER, &documents()[0])).0, 503);
    assert_eq!(refusal(&world.ask(RETRIEVE, &documents()[1])).0, 404);
    world.works = true;
    assert_eq!(world.ask(REGISTER, &documents()[0]).status().as_u16(), 204);
}

#[test]
fn a_supi_that_is_no_imsi_and_a_name_that_is_taken_are_refused() {
    let mut world = World::new();
    let [register, ..] = documents();
    let (status, _, place) = refusal(&world.ask(REGISTER, &with(&register, "supi", json!("nai-a@b.org"))));
    assert_eq!((status, place.as_str()), (400, "/supi"));
    assert_eq!(world.ask(REGISTER, &register).status().as_u16(), 204);
    let other = with(&register, "5gPruk", json!("00".repeat(32)));
    assert_eq!(refusal(&world.ask(REGISTER, &other)).1, "MODIFICATION_NOT_ALLOWED");
    assert_eq!(world.stored.len(), 1);
}

#[test]
fn names_of_keys_are_nais() {
    let name = id(0xab);
    for (text, fits) in [
        (name.clone(), true),
        (name.replace("rid0", "rid1234"), true),
        (name.replace("rid0", "rid"), false),
        (name.replace("rid0", "rid12345"), false),
        (name.replace("pidab", "pidxy"), false),
        (name.replace("pidab", "pid"), false),
        (name.replace("mnc001", "mnc01"), true),
        (name.replace("mcc001", "mcc01"), false),
        (name.replace("prose-cp", "prose-up"), false),
        (format!("{name}x"), false),
        (format!("x{name}"), false),
    ] {
        assert_eq!(PrukId5g::new(&text).is_some(), fits, "{text}");
    }
}
