use serde_json::{Value, json};

use super::*;
use crate::aka::Rand;
use crate::eap_peer::{self, EapPeer, IdentityPolicy};
use crate::hss::{self, Node, Purpose, Subject};
use crate::panf::Panf;
use crate::sbi::panf::{self as anchor, AnchorFunction};
use crate::sbi::tests::{NOW, body, refusal, request, with, without};
use crate::testing::eap::{self, Octets, REALM};
use crate::testing::{imsi, keys};
use crate::usim::{SqnArray, Usim};

pub(in crate::sbi) const AUTHENTICATIONS: &str = "/nausf-auth/v1/prose-authentications";
const NETWORK: &str = "5G:mnc001.mcc001.3gppnetwork.org";
const ROOT: &str = "http://127.0.0.1:8080";

fn pruk_id() -> String {
    format!("rid0.pid{}@prose-cp.5gc.mnc001.mcc001.3gppnetwork.org", "00".repeat(32))
}

/// A document that is right, with all members.
pub(in crate::sbi) fn info() -> Value {
    json!({
        "supiOrSuci": "suci-0-001-01-0012-0-0-0000000001", "5gPrukId": pruk_id(), "relayServiceCode": 66_051,
        "nonce1": Base64::encode_string(&[1; 16]), "servingNetworkName": NETWORK, "supportedFeatures": "0",
    })
}

fn by_suci() -> Value {
    without(&info(), "5gPrukId")
}

use base64ct::{Base64, Encoding};

pub(in crate::sbi) fn ausf(change: impl FnOnce(&mut aaa::Config)) -> Ausf {
    let mut aaa = eap::config();
    aaa.result_indications = aaa::ResultIndications::Never;
    change(&mut aaa);
    let config = Config {
        api_root: ROOT.into(),
        home: ("001".into(), "01".into()),
        serving_networks: vec![NETWORK.into()],
        routing_indicator: "0".into(),
        lifetime: 20_000,
        contexts: 3,
    };
    Ausf::new(config, aaa)
}

/// AUSF, anchor function and HSS.
struct World {
    ausf: Ausf,
    panf: AnchorFunction,
    hss: eap::World,
    rng: Octets,
    hss_answers: bool,
    store_works: bool,
    registered: Vec<Record>,
}

impl World {
    fn new(change: impl FnOnce(&mut aaa::Config)) -> Self {
        Self {
            ausf: ausf(change),
            panf: AnchorFunction::new(Panf::new(10, [])),
            hss: eap::World::new(|_| {}),
            rng: Octets(7),
            hss_answers: true,
            store_works: true,
            registered: Vec::new(),
        }
    }

    fn ask(&mut self, method: &str, path: &str, document: &Value) -> Response {
        let http = request(method, path, document);
        let (now, id) = (self.hss.now, RequestId(9));
        self.ausf.handle_input(Input::Request { now, request: id, http: &http }, &mut self.rng);
        self.drain().expect("an answer")
    }

    fn drain(&mut self) -> Option<Response> {
        let now = self.hss.now;
        loop {
            match self.ausf.poll_output() {
                Output::Respond { response, .. } => return Some(response),
                Output::Fetch { .. } if !self.hss_answers => {}
                Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    self.hss.asked += 1;
                    let result = self.hss.vector(hss::Request {
                        now,
                        ticket,
                        subject: Subject::Imsi(imsi),
                        node: Node::Aaa,
                        purpose: Purpose::EapAkaPrime { network_name },
                        rand: Rand([self.hss.asked; 16]),
                        resynchronisation,
                    });
                    self.ausf.handle_input(Input::Vector { now, ticket, result }, &mut self.rng);
                }
                Output::Retrieve { ticket, id, relay_service_code } => {
                    let key = self.panf.key(&id, relay_service_code);
                    let key = key.map(|key| CpPruk::from(*key.as_bytes()));
                    self.ausf.handle_input(Input::Retrieved { now, ticket, key }, &mut self.rng);
                }
                Output::Register { ticket, record } => {
                    self.panf.handle_input(anchor::Input::Register { now, ticket, record });
                    let result = self.store();
                    self.ausf.handle_input(Input::Registered { ticket, result }, &mut self.rng);
                }
                Output::Timeout(_) => return None,
            }
        }
    }

    fn store(&mut self) -> Result<(), panf::Refusal> {
        loop {
            match self.panf.poll_output() {
                anchor::Output::Store { ticket, record } => {
                    self.registered.push(record);
                    self.panf.handle_input(match self.store_works {
                        true => anchor::Input::Stored { ticket },
                        false => anchor::Input::StoreFailed { ticket },
                    });
                }
                anchor::Output::Registered { result, .. } => return result,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The first answer, and where it goes on.
    fn begin(&mut self) -> (Vec<u8>, String) {
        let response = self.ask("POST", AUTHENTICATIONS, &by_suci());
        assert_eq!(response.status().as_u16(), 201, "{}", body(&response));
        assert_eq!(response.headers()["content-type"], HAL_JSON);
        let document = body(&response);
        let link = document["_links"]["prose-auth"]["href"].as_str().unwrap().to_owned();
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(format!("{location}/prose-auth"), link);
        assert_eq!(document["authType"], "EAP_AKA_PRIME");
        (payload(&document, "proSeAuthData"), link.strip_prefix(ROOT).unwrap().to_owned())
    }

    /// What the peer says, until the authentication is over.
    fn go_on(&mut self, peer: &mut EapPeer) -> (Value, Option<eap_peer::Success>) {
        let (mut packet, path) = self.begin();
        loop {
            let (said, _) = tell(peer, &packet);
            let response = self.ask("POST", &path, &eap(&said.expect("the peer answers")));
            assert_eq!(response.status().as_u16(), 200, "{}", body(&response));
            let document = body(&response);
            packet = payload(&document, "eapPayload");
            if document["authResult"] != "AUTHENTICATION_ONGOING" {
                return (document, tell(peer, &packet).1);
            }
            assert_eq!(response.headers()["content-type"], HAL_JSON);
            assert_eq!(document["_links"]["prose-auth"]["href"], format!("{ROOT}{path}"));
        }
    }
}

fn payload(document: &Value, member: &str) -> Vec<u8> {
    Base64::decode_vec(document[member].as_str().unwrap()).unwrap()
}

fn eap(packet: &[u8]) -> Value {
    json!({ "eapPayload": Base64::encode_string(packet) })
}

fn peer(subscriber: sidelink_security::cipher::milenage::Subscriber, array: SqnArray) -> EapPeer {
    let config = eap_peer::Config {
        imsi: imsi(),
        realm: REALM.into(),
        network_name: NETWORK.into(),
        pseudonym: None,
        identity_policy: IdentityPolicy::Liberal,
        result_indications: aaa::ResultIndications::Offered,
    };
    EapPeer::new(config, Usim::new(subscriber, array))
}

/// Response of a peer, and its success.
fn tell(peer: &mut EapPeer, packet: &[u8]) -> (Option<Vec<u8>>, Option<eap_peer::Success>) {
    let mut rng = Octets(3);
    peer.handle_input(eap_peer::Input::Packet(packet), &mut rng);
    let (mut said, mut success) = (None, None);
    while let Some(output) = peer.poll_output() {
        match output {
            eap_peer::Output::Response(packet) => said = Some(packet),
            eap_peer::Output::Store(_) => peer.handle_input(eap_peer::Input::Stored, &mut rng),
            eap_peer::Output::Success(keys) => success = Some(keys),
            eap_peer::Output::Remember { .. } => panic!("no pseudonyms in 5G"),
            eap_peer::Output::Failed(_) | eap_peer::Output::Discard(_) => {}
        }
    }
    (said, success)
}

/// What the UE derives, by the KDF alone: TS 33.503 §A.2, §A.3, §A.4.
fn expected(emsk: &[u8; 64], nonce_1: [u8; 16], nonce_2: &[u8]) -> (String, String) {
    use sidelink_security::kdf::{fc::Fc, kdf};
    let (rsc, supi) = ([1, 2, 3], imsi().digits().as_bytes().to_vec());
    let pruk = kdf(&emsk[..32], Fc::Octet(0x85), &[&supi, &rsc]).unwrap();
    let id = kdf(&emsk[..32], Fc::Octet(0x86), &[b"PRUK-ID", &rsc, &supi]).unwrap();
    let key = kdf(&pruk[..], Fc::Octet(0x87), &[nonce_2, &nonce_1]).unwrap();
    (hex::encode(*id), hex::encode(*key))
}

#[test]
fn a_remote_ue_is_authenticated_and_both_ends_have_the_key() {
    for ind in [aaa::ResultIndications::Never, aaa::ResultIndications::Offered] {
        let mut world = World::new(|aaa| aaa.result_indications = ind);
        let (document, success) = world.go_on(&mut peer(keys(), SqnArray::default()));
        assert_eq!(document["authResult"], "AUTHENTICATION_SUCCESS");
        let nonce_2 = payload(&document, "nonce2");
        let (id, key) = expected(&success.expect("keys").keys.emsk, [1; 16], &nonce_2);
        assert_eq!(document["knrProSe"], key);
        let name = format!("rid0012.pid{id}@prose-cp.5gc.mnc001.mcc001.3gppnetwork.org");
        assert_eq!(document["5gPrukId"], name);
        assert_eq!(world.registered.len(), 1);
        // By the name of the key there is no EAP any more, and Nonce_2 is another.
        let again = with(&without(&info(), "supiOrSuci"), "5gPrukId", json!(name));
        let response = world.ask("POST", AUTHENTICATIONS, &again);
        assert_eq!(response.status().as_u16(), 200);
        let known = body(&response);
        assert_ne!(payload(&known, "nonce2"), nonce_2);
        assert_ne!(known["knrProSe"], key);
        assert_eq!(world.hss.asked, 1);
    }
}

#[test]
fn a_usim_out_of_synchronisation_is_resynchronised() {
    let mut world = World::new(|_| {});
    let array = SqnArray::from_entries([1 << 20; 32]).unwrap();
    let (document, success) = world.go_on(&mut peer(keys(), array));
    assert_eq!(document["authResult"], "AUTHENTICATION_SUCCESS");
    assert!(success.is_some());
    assert_eq!(world.hss.asked, 2);
}

#[test]
fn a_card_of_another_subscriber_fails_and_gets_no_key() {
    let mut world = World::new(|_| {});
    let (document, success) = world.go_on(&mut peer(eap::other_keys(), SqnArray::default()));
    assert_eq!(document["authResult"], "AUTHENTICATION_FAILURE");
    assert_eq!((document.get("knrProSe"), document.get("nonce2"), success.is_none()), (None, None, true));
    assert!(world.registered.is_empty());
}

#[test]
fn a_forged_response_gets_no_key() {
    let mut world = World::new(|_| {});
    let (packet, path) = world.begin();
    let mut said = tell(&mut peer(keys(), SqnArray::default()), &packet).0.unwrap();
    *said.last_mut().unwrap() ^= 1;
    let document = body(&world.ask("POST", &path, &eap(&said)));
    assert_eq!((&document["authResult"], document.get("knrProSe")), (&json!("AUTHENTICATION_ONGOING"), None));
    assert!(world.registered.is_empty(), "a notification of failure goes out");
}

#[test]
fn a_key_that_is_not_durable_is_not_given() {
    let mut world = World::new(|_| {});
    world.store_works = false;
    let (packet, path) = world.begin();
    let said = tell(&mut peer(keys(), SqnArray::default()), &packet).0.unwrap();
    assert_eq!(refusal(&world.ask("POST", &path, &eap(&said))).0, 503);
    assert_eq!(refusal(&world.ask("POST", &path, &eap(&said))).1, "CONTEXT_NOT_FOUND", "it is over");
}

#[test]
fn each_refusal_has_its_status() {
    let unknown = "suci-0-001-01-0-0-0-9999999999";
    for (member, value, expected) in [
        (
            "servingNetworkName",
            json!("5G:mnc001.mcc002.3gppnetwork.org"),
            (403, "SERVING_NETWORK_NOT_AUTHORIZED"),
        ),
        ("servingNetworkName", json!("WLAN"), (400, "MANDATORY_IE_INCORRECT")),
        ("supiOrSuci", json!("suci-0-001-01-0-1-1-aabb"), (501, "UNSUPPORTED_PROTECTION_SCHEME")),
        ("supiOrSuci", json!("nai-a@b"), (400, "OPTIONAL_IE_INCORRECT")),
        ("supiOrSuci", json!(unknown), (404, "USER_NOT_FOUND")),
        ("nonce1", json!(Base64::encode_string(&[1; 15])), (400, "MANDATORY_IE_INCORRECT")),
        ("nonce1", Value::Null, (400, "MANDATORY_IE_INCORRECT")),
        ("relayServiceCode", json!(1 << 24), (400, "MANDATORY_IE_INCORRECT")),
    ] {
        let mut world = World::new(|_| {});
        let (status, cause, _) =
            refusal(&world.ask("POST", AUTHENTICATIONS, &with(&by_suci(), member, value.clone())));
        assert_eq!((status, cause.as_str()), expected, "{member} {value}");
        assert!(matches!(world.ausf.poll_output(), Output::Timeout(None)), "nothing is kept of it");
    }
    let mut world = World::new(|_| {});
    let neither = without(&by_suci(), "supiOrSuci");
    let expected = (400, "MANDATORY_IE_MISSING".into(), "/supiOrSuci".into());
    assert_eq!(refusal(&world.ask("POST", AUTHENTICATIONS, &neither)), expected);
    let only_name = without(&info(), "supiOrSuci");
    assert_eq!(refusal(&world.ask("POST", AUTHENTICATIONS, &only_name)).1, "CONTEXT_NOT_FOUND");
    assert_eq!(world.ask("POST", AUTHENTICATIONS, &info()).status().as_u16(), 201, "the SUCI is there too");
}

#[test]
fn what_is_no_eap_response_is_refused_and_the_authentication_goes_on() {
    let mut world = World::new(|_| {});
    let (packet, path) = world.begin();
    for wrong in [eap(&[]), eap(&packet), eap(&[2, 99, 0, 5, 1]), json!({}), json!({ "eapPayload": null })] {
        let (status, _, place) = refusal(&world.ask("POST", &path, &wrong));
        assert_eq!((status, place.as_str()), (400, "/eapPayload"), "{wrong}");
    }
    let said = tell(&mut peer(keys(), SqnArray::default()), &packet).0.unwrap();
    assert_eq!(body(&world.ask("POST", &path, &eap(&said)))["authResult"], "AUTHENTICATION_SUCCESS");
    let elsewhere = format!("{AUTHENTICATIONS}/00112233445566778899aabbccddeeff/prose-auth");
    assert_eq!(refusal(&world.ask("POST", &elsewhere, &eap(&said))).1, "CONTEXT_NOT_FOUND");
    assert_eq!(refusal(&world.ask("PUT", &path, &eap(&said))).0, 405);
    let deleted = world.ask("DELETE", &path, &json!({}));
    assert_eq!((deleted.status().as_u16(), deleted.body().len()), (204, 0));
    assert_eq!(refusal(&world.ask("DELETE", &path, &json!({}))).1, "CONTEXT_NOT_FOUND");
}

#[test]
fn a_packet_never_begins_another_authentication() {
    let mut world = World::new(|_| {});
    let (packet, path) = world.begin();
    let mut ue = peer(keys(), SqnArray::default());
    let said = tell(&mut ue, &packet).0.unwrap();
    let http = request("POST", &path, &eap(&said));
    let (now, id) = (world.hss.now, RequestId(9));
    world.ausf.handle_input(Input::Request { now, request: id, http: &http }, &mut world.rng);
    let Output::Register { ticket, .. } = world.ausf.poll_output() else { panic!("no key") };
    // The identity of a UE, while the key is being registered: EAP-Response/Identity begins a session of the server.
    let identity = [&[2, 1, 0, 21, 1, b'6'][..], imsi().digits().as_bytes()].concat();
    assert_eq!(refusal(&world.ask("POST", &path, &eap(&identity))).1, "UNSPECIFIED_MSG_FAILURE");
    world.ausf.handle_input(Input::Registered { ticket, result: Ok(()) }, &mut world.rng);
    assert_eq!(body(&world.drain().unwrap())["authResult"], "AUTHENTICATION_SUCCESS");
    assert_eq!(refusal(&world.ask("POST", &path, &eap(&identity))).1, "CONTEXT_NOT_FOUND");
    assert_eq!(world.hss.asked, 1);
}

#[test]
fn authentications_are_bounded_in_number_and_time() {
    let mut world = World::new(|_| {});
    let paths: Vec<_> = (0..3).map(|_| world.begin().1).collect();
    assert_eq!(refusal(&world.ask("POST", AUTHENTICATIONS, &by_suci())).1, "NF_CONGESTION");
    assert_eq!(paths.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    let Output::Timeout(Some(at)) = world.ausf.poll_output() else { panic!("they end") };
    world.hss.now = at;
    world.ausf.handle_input(Input::Tick { now: at }, &mut world.rng);
    assert!(world.drain().is_none());
    assert_eq!(refusal(&world.ask("POST", &paths[0], &eap(&[2, 1, 0, 5, 1]))).1, "CONTEXT_NOT_FOUND");
    world.begin();
}

#[test]
fn an_hss_that_does_not_answer_is_504() {
    let mut world = World::new(|_| {});
    world.hss_answers = false;
    let http = request("POST", AUTHENTICATIONS, &by_suci());
    world.ausf.handle_input(Input::Request { now: NOW, request: RequestId(9), http: &http }, &mut world.rng);
    assert!(world.drain().is_none());
    world.ausf.handle_input(Input::Tick { now: NOW.plus_millis(60_000) }, &mut world.rng);
    assert_eq!(refusal(&world.drain().unwrap()).0, 504);
}
