use serde_json::{Value, json};
use sidelink_security::counter::reserve::{Lease, ReserveConfig, StreamId};
use sidelink_security::discovery::restricted::{Material, MicCheck};
use sidelink_security::keys::DiscoveryKey;

use super::*;
use crate::pc3::{
    ApplicationCode, ApplicationId, EntryId, Imsi, MaxOffset, Metadata, Minutes, OsAppId, Plmn,
    RestrictedCode, Rpauid,
};
use crate::prose_function::{
    self, Application, Config, Content, Durable, Keys, Limits, Permission, ProseFunction, Record,
    RestrictedPolicy, Role,
};
use crate::sbi::tests::{NOW, body, raw, refusal, request, with, without};

const FOOD: &str = "mcc001.mnc001.ProSeApp.Food";
const TAXI: &str = "mcc*.mnc*.ProSeApp.Taxi";
pub(in crate::sbi) const ANNOUNCE: &str = "/n5g-ddnmf-disc/v1/imsi-002010000000009/announce-authorize/1";
pub(in crate::sbi) const MONITOR: &str = "/n5g-ddnmf-disc/v1/imsi-002010000000009/monitor-authorize/a%20b";
pub(in crate::sbi) const MATCH: &str = "/n5g-ddnmf-disc/v1/imsi-002010000000009/match-report";

/// Documents that are right, with all members.
pub(in crate::sbi) fn documents() -> [Value; 3] {
    let user =
        json!({ "rpauid": "user2", "targetPduid": "x", "appId": "org.example", "targetRpauid": "user1" });
    [
        json!({
            "discType": "OPEN",
            "openDiscData": {
                "proseAppId": FOOD, "validityTime": "2023-11-14T22:30:00Z", "proseAppCode": "00".repeat(23),
                "metaData": "pizza",
            },
            "restrictedDiscData": {
                "rpauid": "user2", "appId": "org.example", "validityTime": "2023-11-14T22:30:00Z",
                "proseRestrictedCode": "00".repeat(8),
            },
        }),
        json!({
            "discType": "OPEN", "openDiscData": { "proseAppIdNames": [FOOD, TAXI] }, "restrictedDiscData": user,
        }),
        json!({
            "discType": "OPEN", "proseAppCodes": [hex::encode([7; 23])],
            "moniteredPlmnId": { "mcc": "001", "mnc": "01" },
        }),
    ]
}

fn restricted(document: &Value) -> Value {
    with(document, "discType", json!("RESTRICTED"))
}

fn records() -> Vec<Record> {
    let record = |entry, content| Record {
        ue: Imsi::new(Plmn::new("001", "01").unwrap(), "0000000001").unwrap(),
        entry: EntryId::new(entry).unwrap(),
        valid_until: NOW.plus_millis(600_000),
        kept_until: NOW.plus_millis(900_000),
        content,
    };
    let open = Content::OpenAnnounce {
        application_id: ApplicationId::new(FOOD).unwrap(),
        code: ApplicationCode([7; 23]),
        key: DiscoveryKey::from([1; 16]),
        metadata: Some(Metadata::new("pizza").unwrap()),
    };
    let user = Content::RestrictedAnnounce {
        rpauid: Rpauid::new("user1").unwrap(),
        application: application(),
        code: RestrictedCode([9; 8]),
        keys: Keys(Material { dusk: None, duik: None, duck: None }),
    };
    vec![record(1, open), record(2, user)]
}

fn application() -> Application {
    Application { os_id: [7; 16], os_app_id: OsAppId::new("org.example").unwrap() }
}

fn function(burst: u32) -> ProseFunction {
    let minutes = |minutes| Minutes::new(minutes).unwrap();
    let user = |name| Rpauid::new(name).unwrap();
    let roles = [Role::RestrictedAnnounce, Role::RestrictedMonitor];
    let config = Config {
        plmn: Plmn::new("001", "01").unwrap(),
        applications: roles.map(|role| (application(), role)).to_vec(),
        application_ids: vec![ApplicationId::new(FOOD).unwrap(), ApplicationId::new(TAXI).unwrap()],
        permissions: vec![Permission { target: user("user1"), watcher: user("user2") }],
        restricted: RestrictedPolicy { check: MicCheck::Local, encrypted: None },
        validity: minutes(10),
        ttl: minutes(30),
        refresh: minutes(10),
        max_offset: MaxOffset::new(32).unwrap(),
        report_delay: 60,
        limits: Limits { burst, ..Limits::default() },
    };
    let numbers = Lease::at(StreamId([9; 16]), 0, 1, u64::MAX, ReserveConfig::default());
    ProseFunction::new(config, numbers, &[1; 32], Durable { records: records(), refused: Vec::new() })
        .unwrap()
}

struct World {
    ddnmf: Ddnmf,
    function: ProseFunction,
    now: UtcTime,
}

impl World {
    fn new() -> Self {
        Self { ddnmf: Ddnmf::new("http://here".into()), function: function(1000), now: NOW }
    }

    fn send(&mut self, http: &Request) -> Response {
        let now = self.now;
        self.ddnmf.handle_input(Input::Request { now, request: RequestId(4), http });
        loop {
            match self.ddnmf.poll_output() {
                Output::Respond { response, .. } => return response,
                Output::Ask { ticket, query } => {
                    let request = prose_function::RequestId(ticket.0);
                    self.function.handle_input(prose_function::Input::OtherNetwork { now, request, query });
                    let told = self.told(request);
                    self.ddnmf.handle_input(Input::Told { now, ticket, told });
                }
                Output::Timeout(_) => panic!("no answer"),
            }
        }
    }

    fn told(&mut self, asked: prose_function::RequestId) -> Result<Told, NotTold> {
        loop {
            match self.function.poll_output() {
                prose_function::Output::Tell { request, told } => {
                    assert_eq!(request, asked);
                    return told;
                }
                prose_function::Output::Timeout(_) => panic!("no answer"),
                _ => {}
            }
        }
    }

    fn ask(&mut self, method: &str, path: &str, document: &Value) -> Response {
        self.send(&request(method, path, document))
    }

    fn patch(&mut self, path: &str, document: &Value) -> Response {
        self.send(&raw("PATCH", path, MERGE_PATCH_JSON, document.to_string().as_bytes()))
    }
}

#[test]
fn a_ue_of_another_network_may_announce_for_as_long_as_this_one_lets_it() {
    let mut world = World::new();
    let [announce, ..] = documents();
    let response = world.ask("PUT", ANNOUNCE, &announce);
    assert_eq!(response.status().as_u16(), 201);
    assert_eq!(response.headers()["location"], format!("http://here{ANNOUNCE}"));
    let expected = "2023-11-14T22:23:20Z";
    assert_eq!(body(&response)["openDiscData"]["validityTime"], expected, "ten minutes, not seventeen");
    assert_eq!(body(&response)["openDiscData"]["proseAppId"], FOOD);
    let again = world.ask("PUT", ANNOUNCE, &announce);
    assert_eq!((again.status().as_u16(), again.body().len()), (204, 0));
    let user = world.ask("PUT", &ANNOUNCE.replace("/1", "/2"), &restricted(&announce));
    assert_eq!(body(&user)["restrictedDiscData"]["validityTime"], expected);
}

#[test]
fn an_announcement_is_shortened_and_ended() {
    let mut world = World::new();
    world.ask("PUT", ANNOUNCE, &documents()[0]);
    let until = |time| json!({ "discType": "OPEN", "validityTime": time });
    assert_eq!(world.patch(ANNOUNCE, &until("2023-11-14T22:20:00Z")).status().as_u16(), 204);
    let longer = world.patch(ANNOUNCE, &until("2023-11-14T22:23:00Z"));
    assert_eq!(refusal(&longer).1, "MODIFICATION_NOT_ALLOWED");
    let other = restricted(&until("2023-11-14T22:15:00Z"));
    assert_eq!(refusal(&world.patch(ANNOUNCE, &other)).2, "/discType");
    assert_eq!(world.patch(ANNOUNCE, &until("2023-11-14T22:13:20Z")).status().as_u16(), 204, "it ends");
    assert_eq!(refusal(&world.patch(ANNOUNCE, &until("2023-11-14T22:15:00Z"))).1, "CONTEXT_NOT_FOUND");
    assert_eq!(world.ask("PUT", ANNOUNCE, &documents()[0]).status().as_u16(), 201);
    world.now = NOW.plus_millis(600_000);
    assert_eq!(
        refusal(&world.patch(ANNOUNCE, &until("2023-11-14T22:15:00Z"))).0,
        404,
        "it has ended by time"
    );
    assert_eq!(refusal(&world.ask("PATCH", ANNOUNCE, &until("2023-11-14T22:15:00Z"))).0, 415);
}

#[test]
fn a_ue_of_another_network_gets_codes_and_masks() {
    let mut world = World::new();
    let response = world.ask("PUT", MONITOR, &documents()[1]);
    assert_eq!(response.status().as_u16(), 201, "{}", body(&response));
    assert_eq!(response.headers()["location"], format!("http://here{MONITOR}"));
    let mask = format!("dfffff{}{}", "ff".repeat(8), "00".repeat(12));
    assert_eq!(
        body(&response),
        json!({ "authDataOpen": { "proseAppCodes": ["07".repeat(23)], "proseAppMasks": [mask], "ttl": 30 } })
    );
    let ttl =
        |ttl: u32| json!({ "discType": "OPEN", "openUpdateData": { "proseAppIdName": FOOD, "ttl": ttl } });
    assert_eq!(world.patch(MONITOR, &ttl(5)).status().as_u16(), 204);
    assert_eq!(world.patch(MONITOR, &ttl(0)).status().as_u16(), 204);
    assert_eq!(refusal(&world.patch(MONITOR, &ttl(1))).0, 404);
    let response = world.ask("PUT", MONITOR, &restricted(&documents()[1]));
    assert_eq!(
        body(&response),
        json!({ "authDataRestricted": { "proseRestrictedCode": "09".repeat(8), "validityTime": "2023-11-14T22:23:20Z" } })
    );
    assert_eq!(refusal(&world.patch(MONITOR, &restricted(&ttl(1)))).0, 501);
}

#[test]
fn a_code_that_was_heard_has_a_name() {
    let mut world = World::new();
    let response = world.ask("POST", MATCH, &documents()[2]);
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(
        body(&response),
        json!({
            "proseAppIdNames": [FOOD], "validityTime": "2023-11-14T22:23:20Z", "metaData": "pizza",
            "metaDataIndexMasks": [format!("{}ff", "00".repeat(22))],
        })
    );
    let unknown = with(&documents()[2], "proseAppCodes", json!(["00".repeat(23)]));
    assert_eq!(refusal(&world.ask("POST", MATCH, &unknown)).0, 404);
    assert_eq!(refusal(&world.ask("POST", MATCH, &restricted(&documents()[2]))).2, "/discType");
    let nothing = without(&documents()[2], "proseAppCodes");
    assert_eq!(refusal(&world.ask("POST", MATCH, &nothing)).1, "MANDATORY_IE_MISSING");
    world.now = NOW.plus_millis(600_000);
    assert_eq!(refusal(&world.ask("POST", MATCH, &documents()[2])).0, 404, "the code has ended");
}

#[test]
fn each_refusal_has_its_status() {
    let [announce, monitor, _] = documents();
    let nested = |document: &Value, of: &str, member: &str, value: Value| {
        with(document, of, with(&document[of], member, value))
    };
    for (path, document, expected) in [
        (
            ANNOUNCE,
            nested(&announce, "openDiscData", "proseAppId", json!("mcc001.mnc001.ProSeApp.X")),
            (403, "UNAUTHORIZED_APPLICATION"),
        ),
        (
            ANNOUNCE,
            nested(&announce, "openDiscData", "validityTime", json!("2023-11-14T22:13:20Z")),
            (400, "MANDATORY_IE_INCORRECT"),
        ),
        (
            ANNOUNCE,
            nested(&announce, "openDiscData", "proseAppCode", json!("00")),
            (400, "OPTIONAL_IE_INCORRECT"),
        ),
        (ANNOUNCE, without(&announce, "openDiscData"), (400, "MANDATORY_IE_MISSING")),
        (
            ANNOUNCE,
            restricted(&nested(&announce, "restrictedDiscData", "appId", json!("org.other"))),
            (403, "UNAUTHORIZED_APPLICATION"),
        ),
        (
            MONITOR,
            nested(&monitor, "openDiscData", "proseAppIdNames", json!([TAXI])),
            (404, "CONTEXT_NOT_FOUND"),
        ),
        (
            MONITOR,
            restricted(&nested(&monitor, "restrictedDiscData", "rpauid", json!("user3"))),
            (403, "PROSE_SERVICE_UNAUTHORIZED"),
        ),
        (MONITOR, restricted(&without(&monitor, "restrictedDiscData")), (400, "MANDATORY_IE_MISSING")),
        (&MONITOR.replace("monitor-", "discovery-"), monitor.clone(), (501, "UNSPECIFIED_NF_FAILURE")),
        (&ANNOUNCE.replace("imsi-002010000000009", ""), announce.clone(), (400, "MANDATORY_IE_INCORRECT")),
    ] {
        let (status, cause, _) = refusal(&World::new().ask("PUT", path, &document));
        assert_eq!((status, cause.as_str()), expected, "{path} {document}");
    }
    for (method, path) in [("GET", ANNOUNCE), ("POST", MONITOR), ("PUT", MATCH), ("DELETE", ANNOUNCE)] {
        assert_eq!(refusal(&World::new().ask(method, path, &announce)).0, 405, "{method} {path}");
    }
    let mut world = World { function: function(1), ..World::new() };
    assert_eq!(world.ask("POST", MATCH, &documents()[2]).status().as_u16(), 200);
    assert_eq!(refusal(&world.ask("POST", MATCH, &documents()[2])).0, 429);
}
