//! What all interfaces share, and any bytes at each of them.
// The macro makes public types.
#![allow(unreachable_pub)]

use proptest::prelude::*;
use serde_json::{Value, json};
use sidelink_security::counter::UtcTime;

use super::common::{DateTime, Hex, PlmnId, RelayServiceCode, Subscriber};
use super::json::{document, objects};
use super::target::{Target, encoded};
use super::*;
use crate::identity::{Fqdn, Imsi};
use crate::panf::Panf;
use crate::testing::eap::Octets;

pub(super) const NOW: UtcTime = UtcTime::from_millis(1_700_000_000_000);

/// A request with a document.
pub(super) fn request(method: &str, path: &str, body: &Value) -> Request {
    raw(method, path, JSON, body.to_string().as_bytes())
}

pub(super) fn raw(method: &str, path: &str, media_type: &str, body: &[u8]) -> Request {
    super::request(method, path, media_type, body).unwrap()
}

pub(super) fn body(response: &Response) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// Status, cause, and the place of the first member that is wrong.
pub(super) fn refusal(response: &Response) -> (u16, String, String) {
    assert_eq!(response.headers()["content-type"], PROBLEM_JSON);
    let body = body(response);
    assert_eq!(body["status"], response.status().as_u16());
    assert!(body["title"].is_string() && body["detail"].is_string());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (response.status().as_u16(), text(&body["cause"]), text(&body["invalidParams"][0]["param"]))
}

/// The document without a member, and with another value of it.
pub(super) fn without(document: &Value, member: &str) -> Value {
    let mut document = document.clone();
    document.as_object_mut().unwrap().remove(member);
    document
}

pub(super) fn with(document: &Value, member: &str, value: Value) -> Value {
    let mut document = document.clone();
    document[member] = value;
    document
}

objects! {
    /// One of each kind of member.
    Sample {
        /// Mandatory.
        mandatory code: RelayServiceCode = "relayServiceCode";
        /// Nested.
        mandatory plmn: PlmnId = "plmnId";
        /// Optional.
        optional at: DateTime = "at";
        /// Optional, nested.
        optional other: PlmnId = "otherPlmnId";
        /// A list.
        optional list: Vec<Hex<2>> = "list";
        /// A name.
        optional name: Fqdn = "name";
    }
}

fn sample() -> Value {
    json!({ "relayServiceCode": 16_777_215, "plmnId": { "mcc": "001", "mnc": "01" } })
}

fn faults(value: &Value) -> Vec<(String, Fault)> {
    let read = document::<Sample>(value.to_string().as_bytes()).unwrap();
    read.err().unwrap_or_default().into_iter().map(|invalid| (invalid.param, invalid.fault)).collect()
}

#[test]
fn each_fault_is_named_by_its_place() {
    use Fault::{Mandatory, Missing, Optional};
    assert_eq!(faults(&sample()), []);
    assert_eq!(faults(&with(&sample(), "what", json!({"is": ["unknown", 1]}))), [], "passed over");
    for (value, expected) in [
        (without(&sample(), "relayServiceCode"), vec![("/relayServiceCode", Missing)]),
        (json!({}), vec![("/relayServiceCode", Missing), ("/plmnId", Missing)]),
        (with(&sample(), "plmnId", json!({"mcc": "001"})), vec![("/plmnId/mnc", Missing)]),
        (with(&sample(), "plmnId", json!({"mcc": "1", "mnc": "01"})), vec![("/plmnId/mcc", Mandatory)]),
        (with(&sample(), "plmnId", json!("00101")), vec![("/plmnId", Mandatory)]),
        (with(&sample(), "otherPlmnId", json!({"mcc": "001"})), vec![("/otherPlmnId/mnc", Optional)]),
        (with(&sample(), "list", json!(["0102", "xx"])), vec![("/list/1", Optional)]),
        (with(&sample(), "list", json!([])), vec![("/list", Optional)]),
        (with(&sample(), "list", Value::Null), vec![("/list", Optional)]),
        (with(&sample(), "list", json!(vec!["0102"; 257])), vec![("/list", Optional)]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(place, fault)| (place.to_owned(), fault)).collect();
        assert_eq!(faults(&value), expected, "{value}");
    }
}

#[test]
fn types_are_strict() {
    for code in [
        json!(-1),
        json!(16_777_216),
        json!("5"),
        json!(5.0),
        json!(5.5),
        json!(true),
        json!(null),
        json!([5]),
    ] {
        assert_eq!(faults(&with(&sample(), "relayServiceCode", code.clone())).len(), 1, "{code}");
    }
    for at in ["2030-01-01T00:00:00Z", "2030-01-01T00:00:00.25+05:30", "2030-01-01t00:00:00z"] {
        assert_eq!(faults(&with(&sample(), "at", json!(at))), [], "{at}");
    }
    for at in [
        "2030-01-01",
        "2030-01-01T00:00:00",
        "2030-01-01 00:00:00Z",
        "20300101T000000Z",
        "2030-13-01T00:00:00Z",
        "1960-01-01T00:00:00Z",
        "2030-01-01T00:00:00+05",
        "2030-01-01T00:00:00Z[UTC]",
        "",
    ] {
        assert_eq!(faults(&with(&sample(), "at", json!(at))).len(), 1, "{at}");
    }
    for name in ["a.bc", "naf.example.org.", "A-1.ORG"] {
        assert_eq!(faults(&with(&sample(), "name", json!(name))), [], "{name}");
    }
    for name in ["abc", "a.b", "-a.bc", "a-.bc", "a..bc", "a.b1", "a_b.cd", &format!("{}.de", "a".repeat(64))]
    {
        assert_eq!(faults(&with(&sample(), "name", json!(name))).len(), 1, "{name}");
    }
}

#[test]
fn what_is_no_object_is_refused_as_a_whole() {
    for text in ["", "{", "[]", "5", "{\"a\":1,\"a\":2}", "{\"a\":1}x", "\u{feff}{}", "{'a':1}", "{\"a\":01}"]
    {
        let request = raw("POST", "/", JSON, text.as_bytes());
        let problem = read::<Sample>(&request, JSON).unwrap_err();
        assert_eq!(problem.cause(), Some(Cause::InvalidMsgFormat), "{text}");
    }
    let nested = "[".repeat(MAX_BODY / 2) + &"]".repeat(MAX_BODY / 2);
    let problem = read::<Sample>(&raw("POST", "/", JSON, nested.as_bytes()), JSON).unwrap_err();
    assert_eq!(problem.cause(), Some(Cause::InvalidMsgFormat));
    let long = vec![b' '; MAX_BODY + 1];
    assert_eq!(read::<Sample>(&raw("POST", "/", JSON, &long), JSON).unwrap_err().status().as_u16(), 413);
    let text = sample().to_string();
    for (media_type, status) in [("Application/JSON; charset=utf-8", 200), ("text/json", 415), ("", 415)] {
        let read = read::<Sample>(&raw("POST", "/", media_type, text.as_bytes()), JSON);
        assert_eq!(read.err().map_or(200, |problem| problem.status().as_u16()), status, "{media_type}");
    }
    let mut twice = raw("POST", "/", JSON, text.as_bytes());
    twice.headers_mut().append(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    assert_eq!(read::<Sample>(&twice, JSON).unwrap_err().status().as_u16(), 415);
}

#[test]
fn a_key_is_not_repeated_by_an_error() {
    let key = "ab".repeat(31);
    for text in [format!("{{\"5gPruk\":\"{key}\""), format!("{{\"5gPruk\":\"{key}\"}}")] {
        let problem =
            read::<panf::ProseKeyResponse>(&raw("POST", "/", JSON, text.as_bytes()), JSON).unwrap_err();
        assert!(!String::from_utf8_lossy(problem.respond().body()).contains(&key));
    }
}

#[test]
fn a_path_is_interface_version_and_segments() {
    let api = |path| Api::of_request(&raw("GET", path, JSON, b""));
    assert_eq!(api("/nbsp-gba/v1/x").unwrap(), Api::NbspGba);
    for path in ["/", "/nbsp-gba", "/nbsp-gba/v2/x", "/other/v1/x", "/NBSP-GBA/v1"] {
        assert_eq!(refusal(&api(path).unwrap_err().respond()).1, "INVALID_API", "{path}");
    }
    let target = |path: &str| Target::of(&raw("GET", path, JSON, b""));
    assert_eq!(target("/a/v1/b%20c/%C3%A4").unwrap().segments(), ["b c", "ä"]);
    for path in ["/a/v1/%", "/a/v1/%2", "/a/v1/%zz", "/a/v1/%ff", "/a/v1/%00"] {
        assert_eq!(refusal(&target(path).err().unwrap().respond()).1, "INVALID_MSG_FORMAT", "{path}");
    }
    let query = refusal(&target("/a/v1/b?c=d").err().unwrap().respond());
    assert_eq!((query.0, query.2.as_str()), (400, "query c"));
    assert_eq!(refusal(&target(&"/a".repeat(20)).err().unwrap().respond()).0, 404);
    for segment in ["imsi-001", "a/b", "ä %", "user@realm", "?#"] {
        let path = format!("/a/v1/{}", encoded(segment));
        assert_eq!(target(&path).unwrap().segments(), [segment], "{path}");
    }
}

#[test]
fn who_a_suci_stands_for() {
    let imsi = Imsi::new("001010000000001").unwrap();
    for (text, expected) in [
        ("imsi-001010000000001", Subscriber::Imsi(imsi.clone(), None)),
        ("suci-0-001-01-0000-0-0-0000000001", Subscriber::Imsi(imsi, Some("0000".into()))),
        ("suci-0-001-01-0-1-27-aabbcc", Subscriber::Concealed),
        ("suci-0-001-01-0-0-0-", Subscriber::Other),
        ("suci-1-realm-0-0-0-user", Subscriber::Other),
        ("suci-0-001-1-0-0-0-0000000001", Subscriber::Other),
        ("nai-a@b", Subscriber::Other),
        ("imsi-1", Subscriber::Other),
    ] {
        assert_eq!(Subscriber::of(text), expected, "{text}");
    }
}

/// What each interface answers at once; none where it asks somebody first.
fn answer(api: Api, http: &Request) -> Option<Response> {
    let request = RequestId(1);
    match api {
        Api::NbspGba => {
            let mut gba = gba::Gba::default();
            gba.handle_input(gba::Input::Request { now: NOW, request, http });
            match gba.poll_output() {
                gba::Output::Respond { response, .. } => Some(response),
                _ => None,
            }
        }
        Api::NpanfProseKey | Api::NpanfUserId => {
            let mut panf = panf::AnchorFunction::new(Panf::new(10, []));
            panf.handle_input(panf::Input::Request { now: NOW, request, http });
            match panf.poll_output() {
                panf::Output::Respond { response, .. } => Some(response),
                _ => None,
            }
        }
        Api::NpkmfKeyRequest | Api::NpkmfUserId => {
            let mut keys = pkmf::tests::keys(Vec::new());
            keys.handle_input(pkmf::Input::Request { now: NOW, request, http }, &mut Octets(1));
            match keys.poll_output() {
                pkmf::Output::Respond { response, .. } => Some(response),
                _ => None,
            }
        }
        Api::DdnmfDiscovery => {
            let mut ddnmf = ddnmf::Ddnmf::new(String::new());
            ddnmf.handle_input(ddnmf::Input::Request { now: NOW, request, http });
            match ddnmf.poll_output() {
                ddnmf::Output::Respond { response, .. } => Some(response),
                _ => None,
            }
        }
        _ => {
            let mut ausf = ausf::tests::ausf(|_| {});
            ausf.handle_input(ausf::Input::Request { now: NOW, request, http }, &mut Octets(1));
            match ausf.poll_output() {
                ausf::Output::Respond { response, .. } => Some(response),
                _ => None,
            }
        }
    }
}

/// An operation: interface, method, path, a document that is right, the names of its members.
type Operation = (Api, &'static str, &'static str, Value, &'static [(&'static str, bool)]);

/// Each operation with a document that is right.
fn operations() -> Vec<Operation> {
    let [bootstrapping, push] = gba::tests::documents();
    let [register, retrieve, resolve] = panf::tests::documents();
    let [announce, monitor, heard] = ddnmf::tests::documents();
    let [key, whose] = pkmf::tests::documents();
    let (ddnmf, panf) = (Api::DdnmfDiscovery, Api::NpanfProseKey);
    vec![
        (
            Api::NbspGba,
            "POST",
            gba::tests::BOOTSTRAPPING,
            bootstrapping,
            gba::BootstrappingInfoRequest::MEMBERS,
        ),
        (Api::NbspGba, "POST", gba::tests::PUSH, push, gba::PushInfoRequest::MEMBERS),
        (panf, "POST", panf::tests::REGISTER, register, panf::ProseContextInfo::MEMBERS),
        (panf, "POST", panf::tests::RETRIEVE, retrieve, panf::ProseKeyRequest::MEMBERS),
        (Api::NpanfUserId, "POST", panf::tests::RESOLVE, resolve, panf::ResolveReqData::MEMBERS),
        (
            Api::NausfAuth,
            "POST",
            ausf::tests::AUTHENTICATIONS,
            ausf::tests::info(),
            ausf::ProSeAuthenticationInfo::MEMBERS,
        ),
        (ddnmf, "PUT", ddnmf::tests::ANNOUNCE, announce, ddnmf::AnnounceAuthData::MEMBERS),
        (ddnmf, "PUT", ddnmf::tests::MONITOR, monitor, ddnmf::MonitorAuthReqData::MEMBERS),
        (ddnmf, "POST", ddnmf::tests::MATCH, heard, ddnmf::MatchReportReqData::MEMBERS),
        (Api::NpkmfKeyRequest, "POST", pkmf::tests::KEY, key, pkmf::ProseKeyReqData::MEMBERS),
        (Api::NpkmfUserId, "POST", pkmf::tests::RESOLVE, whose, pkmf::ResolveRequest::MEMBERS),
    ]
}

#[test]
fn each_mandatory_member_is_missed_and_each_member_is_judged() {
    for (api, method, path, document, members) in operations() {
        let ok = answer(api, &request(method, path, &document));
        let status = ok.map_or(0, |response| response.status().as_u16());
        assert!(matches!(status, 0 | 404), "{path}: {status}");
        for (member, is_mandatory) in members {
            let lacking = answer(api, &request(method, path, &without(&document, member)));
            let place = format!("/{member}");
            if *is_mandatory {
                let expected = (400, "MANDATORY_IE_MISSING".to_owned(), place.clone());
                assert_eq!(refusal(&lacking.unwrap()), expected, "{path}");
            }
            // Links of a request say nothing.
            let wrong = answer(api, &request(method, path, &with(&document, member, json!({"no": 1}))));
            let (status, cause, at) = refusal(&wrong.unwrap());
            let word = if *is_mandatory { "MANDATORY_IE" } else { "OPTIONAL_IE" };
            assert_eq!(status, 400, "{path} {member}");
            assert!(cause.starts_with(word) && at.starts_with(&place), "{path} {member}: {cause} {at}");
        }
        for other in ["GET", "HEAD", "OPTIONS", "DELETE"] {
            let response = answer(api, &request(other, path, &document)).unwrap();
            assert_eq!(response.status().as_u16(), 405, "{path}");
            assert!(response.headers()["allow"].to_str().unwrap().contains(method), "{path}");
        }
        let response =
            answer(api, &raw(method, path, "text/plain", document.to_string().as_bytes())).unwrap();
        assert_eq!(refusal(&response).0, 415);
        let response = answer(api, &request(method, &format!("{path}/more"), &document)).unwrap();
        assert_eq!(refusal(&response), (404, "RESOURCE_URI_STRUCTURE_NOT_FOUND".into(), String::new()));
        let response = answer(api, &request(method, &format!("{path}?a=b"), &document)).unwrap();
        assert_eq!(refusal(&response).1, "INVALID_QUERY_PARAM");
    }
}

/// Names as the OpenAPI documents of release 18 have them, `!` for what they require. Optional members that count for nothing
/// here are passed over, and not listed.
#[test]
fn names_are_those_of_the_schemas() {
    let written = |members: &[(&str, bool)]| -> String {
        let name =
            |(name, is_mandatory): &(&str, bool)| format!("{name}{}", if *is_mandatory { "!" } else { "" });
        members.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    for (members, expected) in [
        (gba::NafId::MEMBERS, "nafFqdn! uaSecProtId!"),
        (gba::BootstrappingInfoRequest::MEMBERS, "btId! nafId! gbaUAware gsIds"),
        (
            gba::BootstrappingInfoResponse::MEMBERS,
            "meKeyMaterial! keyExpiryTime bootstrappingInfoCreationTime gbaType impi",
        ),
        (
            gba::PushInfoRequest::MEMBERS,
            "ueId! ueIdType! uiccAppLabel! nafId! ptId! uiccOrMe! requestedLifeTime! privateIdRequest gbaUAware \
             gsIds auts rand securityFeaturesRequest",
        ),
        (gba::PushInfoResponse::MEMBERS, "meKeyMaterial! gbaPushInfo! keyExpiryTime gbaType impi"),
        (panf::ProseContextInfo::MEMBERS, "supi! 5gPruk! 5gPrukId! relayServiceCode!"),
        (panf::ProseKeyRequest::MEMBERS, "5gPrukId! relayServiceCode!"),
        (panf::ProseKeyResponse::MEMBERS, "5gPruk!"),
        (panf::ResolveReqData::MEMBERS, "cpPrukId!"),
        (panf::ResolveRspData::MEMBERS, "supi!"),
        (
            ausf::ProSeAuthenticationInfo::MEMBERS,
            "supiOrSuci 5gPrukId relayServiceCode! nonce1! servingNetworkName! supportedFeatures",
        ),
        (ausf::ProSeAuthenticationCtx::MEMBERS, "authType! _links! proSeAuthData!"),
        (
            ausf::ProSeEapSession::MEMBERS,
            "eapPayload! knrProSe _links authResult supportedFeatures nonce2 5gPrukId",
        ),
        (ausf::ProSeAuthenticationResult::MEMBERS, "knrProSe nonce2"),
        (pkmf::ProseKeyReqData::MEMBERS, "relayServCode! knrpFreshness1! resyncInfo prukId suci"),
        (pkmf::ProseKeyRspData::MEMBERS, "knrp! knrpFreshness2! gpi"),
        (pkmf::ResolveRequest::MEMBERS, "upPrukId! plmnId"),
        (pkmf::ResolveResponse::MEMBERS, "supi!"),
        (ddnmf::AnnounceAuthData::MEMBERS, "discType! openDiscData restrictedDiscData"),
        (ddnmf::AnnounceDiscDataForOpen::MEMBERS, "proseAppId! validityTime! proseAppCode metaData"),
        (ddnmf::AnnounceDiscDataForRestricted::MEMBERS, "rpauid! appId! validityTime! proseRestrictedCode"),
        (ddnmf::AnnounceUpdateData::MEMBERS, "discType! validityTime! proseAppCode"),
        (ddnmf::MonitorAuthReqData::MEMBERS, "discType! openDiscData restrictedDiscData"),
        (ddnmf::MonitorDiscDataForOpen::MEMBERS, "proseAppIdNames!"),
        (ddnmf::MonitorDiscDataForRestricted::MEMBERS, "rpauid! targetPduid! appId! targetRpauid!"),
        (ddnmf::MonitorAuthRespData::MEMBERS, "authDataOpen authDataRestricted"),
        (ddnmf::MonitorAuthDataForOpen::MEMBERS, "proseAppCodes proseAppMasks! ttl!"),
        (ddnmf::MonitorAuthDataForRestricted::MEMBERS, "proseRestrictedCode! validityTime!"),
        (ddnmf::MonitorUpdateData::MEMBERS, "discType! openUpdateData"),
        (ddnmf::MonitorUpdateDataForOpen::MEMBERS, "proseAppIdName! ttl!"),
        (ddnmf::MatchReportReqData::MEMBERS, "discType! proseAppCodes moniteredPlmnId"),
        (ddnmf::MatchReportRespData::MEMBERS, "proseAppIdNames validityTime metaData metaDataIndexMasks"),
        (common::ResynchronizationInfo::MEMBERS, "rand! auts!"),
        (PlmnId::MEMBERS, "mcc! mnc!"),
    ] {
        assert_eq!(written(members), expected);
    }
}

proptest! {
    #[test]
    fn any_path_and_body_are_answered_or_asked_about(
        at in 0_usize..11,
        path in "(/[a-z0-9%@{}._-]{0,12}){0,6}",
        own_path: bool,
        body: Vec<u8>,
        method in "(GET|POST|PUT|PATCH|DELETE)",
    ) {
        let (api, _, usual, ..) = operations()[at].clone();
        let path = if own_path { usual.to_owned() } else { format!("/{}/v1{path}", api.as_str()) };
        if let Some(http) = super::request(&method, &path, JSON, &body) {
            let status = answer(api, &http).expect("no document comes of chance").status();
            prop_assert!(!status.is_success(), "{status}");
        }
    }

    /// A document with anything in the place of a member: nothing is done where a mandatory member is not right.
    #[test]
    fn any_value_of_a_member_is_judged(at in 0_usize..11, member: prop::sample::Index, value in values()) {
        let (api, method, path, document, members) = operations()[at].clone();
        let (member, is_mandatory) = members[member.index(members.len())];
        let mut changed = document.clone();
        match value {
            Some(value) => changed[member] = value,
            None => _ = changed.as_object_mut().unwrap().remove(member),
        }
        let is_gone = changed.get(member).is_none();
        let response = answer(api, &request(method, path, &changed));
        if is_mandatory && is_gone {
            prop_assert_eq!(response.unwrap().status().as_u16(), 400);
        }
    }
}

fn values() -> impl Strategy<Value = Option<Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[0-9a-fA-F]{0,70}".prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z]{0,8}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    });
    prop::option::of(nested)
}
