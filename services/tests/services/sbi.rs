//! The service-based interfaces, over HTTP/2 with prior knowledge by curl, and over HTTP/1.1.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use sidelink_network::aaa::ResultIndications;
use sidelink_network::eap_peer::{self, EapPeer, IdentityPolicy};
use sidelink_network::gba_push::ue::{self, PushUe};
use sidelink_network::identity::{Fqdn, NafId};
use sidelink_network::pc3::Command as Pc3Command;
use sidelink_network::sbi::pkmf;
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::keys::UpPruk;
use sidelink_services::client::Answered;
use sidelink_services::config::{AusfConfig, Neighbour, SbiConfig};
use sidelink_services::peers::Token;
use sidelink_services::tls::TlsMode;
use sidelink_services::{Config, Network};

use crate::common::{FOOD, K, NAF, OPC, World, announced, config, has, imsi, open_request, plmn};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const NETWORK: &str = "5G:mnc001.mcc001.3gppnetwork.org";

fn with_sbi(config: &mut Config) {
    config.sbi = Some(SbiConfig {
        token: Token::new(TOKEN).unwrap(),
        listen: Neighbour::new("127.0.0.1:0".parse().unwrap()).unwrap(),
        ausf: Some(AusfConfig {
            home: plmn(),
            serving_networks: vec![plmn()],
            routing_indicator: "0".into(),
        }),
        pkmf: Some(pkmf::Config {
            naf_id: NafId { fqdn: Fqdn::new(NAF).unwrap(), protocol: [1, 0, 0, 0, 7] },
            home: ("001".into(), "01".into()),
            lifetime: 3_600_000,
            resynchronisation: 60_000,
            most: 10,
        }),
    });
}

fn world() -> World {
    World::with(2, with_sbi)
}

/// An answer: status, version of HTTP, head, body.
#[derive(Debug)]
struct Answer {
    status: u16,
    version: String,
    head: String,
    body: Value,
}

fn curl(address: SocketAddr, arguments: &[&str], path: &str, document: &Value) -> Answer {
    let url = if path.starts_with("http") { path.to_owned() } else { format!("http://{address}{path}") };
    let token = format!("Authorization: Bearer {TOKEN}");
    let mut child = Command::new("curl")
        .args(["-s", "-i", "-m", "20", "-w", "\n%{http_code} %{http_version}", "-H", &token])
        .args(["-H", "Content-Type: application/json", "--data-binary", "@-"])
        .args(arguments)
        .arg(&url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(document.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (answer, last) = text.rsplit_once('\n').unwrap();
    let (status, version) = last.split_once(' ').unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
    let (status, version): (u16, _) = (status.parse().unwrap(), version.to_owned());
    // For a validator by the published schemas, which are not here.
    if let Some(file) = std::env::var_os("SBI_DOCUMENTS") {
        let line = json!({ "arguments": arguments, "url": url, "request": document, "status": status, "answer": body });
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    eprintln!(
        "{path}: {} octets, answer {status}: head {}, body {}",
        document.to_string().len(),
        head.len(),
        answer.len() - head.len()
    );
    Answer { status, version, head: head.to_ascii_lowercase(), body }
}

/// By HTTP/2, without a word about it before.
fn http2(address: SocketAddr, method: &str, path: &str, document: &Value) -> Answer {
    let answer = curl(address, &["--http2-prior-knowledge", "-X", method], path, document);
    assert_eq!(answer.version, "2", "{answer:?}");
    answer
}

fn naf() -> Value {
    json!({ "nafFqdn": NAF, "uaSecProtId": "0100010002" })
}

#[test]
fn a_naf_asks_the_bsf() {
    if !has("curl", "curl") {
        return;
    }
    let world = world();
    let address = world.handle.sbi_address().unwrap();
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    let b_tid = ue.key().unwrap().b_tid.as_str().to_owned();
    let path = "/nbsp-gba/v1/bootstrapping-info-retrieval";
    let answer = http2(address, "POST", path, &json!({ "btId": b_tid, "nafId": naf() }));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("cache-control: no-store"));
    assert_eq!(answer.body["meKeyMaterial"].as_str().unwrap().len(), 64);
    assert_eq!(answer.body["impi"], imsi(1).impi(2).unwrap().as_str());
    let older = curl(address, &["--http1.1", "-X", "POST"], path, &json!({ "btId": b_tid, "nafId": naf() }));
    assert_eq!((older.version.as_str(), &older.body), ("1.1", &answer.body));
    let push = json!({
        "ueId": imsi(2).impi(2).unwrap().as_str(), "ueIdType": "PRIVATE", "uiccAppLabel": "", "nafId": naf(),
        "ptId": "p1", "uiccOrMe": "GBA_ME", "requestedLifeTime": soon(),
    });
    let answer = http2(address, "POST", "/nbsp-gba/v1/push-info-retrieval", &push);
    assert_eq!(answer.status, 200, "{answer:?}");
    // 33 octets in the open, no label, NAF_Id, lifetime, P-TID, MAC. TS 33.223 §5.3.5.
    let octets = 33 + 1 + 1 + NAF.len() + 5 + 4 + 1 + 2 + 4;
    assert_eq!(answer.body["gbaPushInfo"].as_str().unwrap().len(), 2 * octets);
}

/// Ten minutes from now, as the schema has times.
fn soon() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let millis = now.as_millis() as u64 + 600_000;
    sidelink_network::bootstrapping_info::date(sidelink_security::counter::UtcTime::from_millis(millis))
}

fn peer() -> EapPeer {
    let config = eap_peer::Config {
        imsi: imsi(1),
        realm: "wlan.mnc001.mcc001.3gppnetwork.org".into(),
        network_name: NETWORK.into(),
        pseudonym: None,
        identity_policy: IdentityPolicy::Liberal,
        result_indications: ResultIndications::Offered,
    };
    EapPeer::new(config, Usim::new(Subscriber::with_opc(K, OPC), SqnArray::default()))
}

fn tell(peer: &mut EapPeer, packet: &Value) -> (Option<String>, Option<[u8; 64]>) {
    let packet = Base64::decode_vec(packet.as_str().unwrap()).unwrap();
    let mut rng = || 7;
    peer.handle_input(eap_peer::Input::Packet(&packet), &mut rng);
    let (mut said, mut emsk) = (None, None);
    while let Some(output) = peer.poll_output() {
        match output {
            eap_peer::Output::Response(packet) => said = Some(Base64::encode_string(&packet)),
            eap_peer::Output::Store(_) => peer.handle_input(eap_peer::Input::Stored, &mut rng),
            eap_peer::Output::Success(success) => emsk = Some(success.keys.emsk),
            other => panic!("{other:?}"),
        }
    }
    (said, emsk)
}

fn info() -> Value {
    let supi = format!("imsi-{}", imsi(1).digits());
    json!({
        "supiOrSuci": supi, "relayServiceCode": 5, "nonce1": Base64::encode_string(&[1; 16]),
        "servingNetworkName": NETWORK,
    })
}

/// Authenticates a UE; the last document.
fn authenticated(address: SocketAddr) -> Value {
    let path = "/nausf-auth/v1/prose-authentications";
    let begun = http2(address, "POST", path, &info());
    assert_eq!(begun.status, 201, "{begun:?}");
    assert!(begun.head.contains("content-type: application/3gpphal+json"));
    let link = begun.body["_links"]["prose-auth"]["href"].as_str().unwrap();
    assert!(link.starts_with(&format!("http://{address}{path}/")), "{link}");
    assert!(begun.head.contains(&format!("location: {}", link.strip_suffix("/prose-auth").unwrap())));
    let mut peer = peer();
    let said = tell(&mut peer, &begun.body["proSeAuthData"]).0.unwrap();
    let ended = http2(address, "POST", link, &json!({ "eapPayload": said }));
    assert_eq!(
        (ended.status, &ended.body["authResult"]),
        (200, &json!("AUTHENTICATION_SUCCESS")),
        "{ended:?}"
    );
    let emsk = tell(&mut peer, &ended.body["eapPayload"]).1.expect("the UE is authenticated too");
    let nonce_2 = Base64::decode_vec(ended.body["nonce2"].as_str().unwrap()).unwrap();
    assert_eq!(ended.body["knrProSe"], knr_prose(&emsk, &nonce_2));
    let deleted = http2(address, "DELETE", link, &Value::Null);
    assert_eq!(deleted.status, 204);
    ended.body
}

/// As the UE derives it. TS 33.503 §A.2, §A.4.
fn knr_prose(emsk: &[u8; 64], nonce_2: &[u8]) -> String {
    use sidelink_security::kdf::{fc::Fc, kdf};
    let pruk = kdf(&emsk[..32], Fc::Octet(0x85), &[imsi(1).digits().as_bytes(), &[0, 0, 5]]).unwrap();
    hex::encode(*kdf(&pruk[..], Fc::Octet(0x87), &[nonce_2, &[1; 16]]).unwrap())
}

#[test]
fn a_remote_ue_is_authenticated_and_its_key_outlives_the_process() {
    if !has("curl", "curl") {
        return;
    }
    let World { handle, folder } = world();
    let address = handle.sbi_address().unwrap();
    let ended = authenticated(address);
    let id = &ended["5gPrukId"];
    let known = json!({ "5gPrukId": id, "relayServiceCode": 5 });
    let retrieve = "/npanf-prosekey/v1/prose-keys/retrieve";
    let key = http2(address, "POST", retrieve, &known);
    assert_eq!(key.status, 200, "{key:?}");
    drop(handle);
    let again = start(folder.path());
    let address = again.sbi_address().unwrap();
    let after = http2(address, "POST", retrieve, &known);
    assert_eq!((after.status, &after.body), (200, &key.body), "it is durable");
    let mut by_name = info();
    by_name["5gPrukId"] = id.clone();
    by_name.as_object_mut().unwrap().remove("supiOrSuci");
    let answer = http2(address, "POST", "/nausf-auth/v1/prose-authentications", &by_name);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(answer.body["nonce2"], ended["nonce2"]);
    let resolved =
        http2(address, "POST", "/npanf-userid/v1/prose-resolution/get", &json!({ "cpPrukId": id }));
    assert_eq!(resolved.body["supi"], format!("imsi-{}", imsi(1).digits()));
    let other = id.as_str().unwrap().replace("pid", "pid00");
    let register = json!({
        "supi": format!("imsi-{}", imsi(2).digits()), "5gPruk": "ab".repeat(32), "5gPrukId": other,
        "relayServiceCode": 6,
    });
    let answer = http2(address, "POST", "/npanf-prosekey/v1/prose-keys/register", &register);
    assert_eq!((answer.status, &answer.body), (204, &Value::Null));
}

fn start(folder: &Path) -> sidelink_services::Handle {
    let mut config = config(folder, 2);
    with_sbi(&mut config);
    Network::start(config).unwrap()
}

#[test]
fn another_network_asks_the_prose_function() {
    if !has("curl", "curl") {
        return;
    }
    let world = world();
    let address = world.handle.sbi_address().unwrap();
    let mut ue = world.client(1, TlsMode::Tls13);
    let Answered::Message(message) = ue.send(&open_request(1, Pc3Command::Announce)).unwrap() else {
        panic!("no message")
    };
    let (_, code, _) = announced(&message);
    let root = "/n5g-ddnmf-disc/v1/imsi-002010000000001";
    let monitor = json!({ "discType": "OPEN", "openDiscData": { "proseAppIdNames": [FOOD] } });
    let answer = http2(address, "PUT", &format!("{root}/monitor-authorize/1"), &monitor);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["authDataOpen"]["proseAppCodes"], json!([hex::encode(code)]));
    assert!(answer.head.contains(&format!("location: http://{address}{root}/monitor-authorize/1")));
    let heard = json!({ "discType": "OPEN", "proseAppCodes": [hex::encode(code)] });
    let answer = http2(address, "POST", &format!("{root}/match-report"), &heard);
    assert_eq!((answer.status, &answer.body["proseAppIdNames"]), (200, &json!([FOOD])), "{answer:?}");
    let announce =
        json!({ "discType": "OPEN", "openDiscData": { "proseAppId": FOOD, "validityTime": soon() } });
    let answer = http2(address, "PUT", &format!("{root}/announce-authorize/2"), &announce);
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[test]
fn another_key_management_function_asks_about_a_remote_ue() {
    if !has("curl", "curl") {
        return;
    }
    let World { handle, folder } = world();
    let address = handle.sbi_address().unwrap();
    let path = "/npkmf-keyrequest/v1/prose-keys/request";
    let suci = format!("suci-0-001-01-0-0-0-{}", &imsi(1).digits()[5..]);
    let asked = json!({ "relayServCode": 5, "knrpFreshness1": "11".repeat(16), "suci": suci });
    let first = http2(address, "POST", path, &asked);
    assert_eq!(first.status, 200, "{first:?}");
    let gpi = hex::decode(first.body["gpi"].as_str().unwrap()).unwrap();
    let mut ue =
        PushUe::new(imsi(1).impi(2).unwrap(), Usim::new(Subscriber::with_opc(K, OPC), SqnArray::default()));
    let now = sidelink_security::counter::UtcTime::from_millis(0);
    ue.handle_input(ue::Input::Gpi { now, octets: &gpi });
    ue.handle_input(ue::Input::Stored);
    let outputs: Vec<_> = std::iter::from_fn(|| ue.poll_output()).collect();
    let Some(ue::Output::Associated(association)) = outputs.last() else { panic!("{outputs:?}") };
    drop(handle);
    let again = start(folder.path());
    let address = again.sbi_address().unwrap();
    let by_name =
        json!({ "relayServCode": 5, "knrpFreshness1": "22".repeat(16), "prukId": association.p_tid });
    let second = http2(address, "POST", path, &by_name);
    assert_eq!((second.status, second.body.get("gpi")), (200, None), "{second:?}");
    let freshness_2: [u8; 16] =
        hex::decode(second.body["knrpFreshness2"].as_str().unwrap()).unwrap().try_into().unwrap();
    let up_pruk = UpPruk::from(*association.ks_naf.as_bytes());
    let knrp = sidelink_security::kdf::nr::knrp_from_up_pruk(&up_pruk, [0, 0, 5], &[0x22; 16], &freshness_2);
    assert_eq!(second.body["knrp"], hex::encode(knrp.as_bytes()));
    let whose =
        http2(address, "POST", "/npkmf-userid/v1/resolve-id", &json!({ "upPrukId": association.p_tid }));
    assert_eq!(whose.body["supi"], format!("imsi-{}", imsi(1).digits()));
}

/// The whole answer to octets.
fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n{fields}\r\n{body}")
        .into_bytes()
}

#[test]
fn each_fault_of_a_request_is_a_problem() {
    let world = world();
    let address = world.handle.sbi_address().unwrap();
    let known = format!("Authorization: Bearer {TOKEN}\r\n");
    let json_type = format!("{known}Content-Type: application/json\r\n");
    let long = "x".repeat(17_000);
    let path = "/npanf-userid/v1/prose-resolution/get";
    for (request, status, says) in [
        (post(path, "", "{}"), "401", "www-authenticate: Bearer"),
        (post(path, &format!("Authorization: Bearer {TOKEN}x\r\n"), "{}"), "401", "Unauthorized"),
        (post(path, &format!("{known}{known}"), "{}"), "401", "Unauthorized"),
        (post(path, &known, "{}"), "415", "application/json"),
        (post(path, &json_type, "{"), "400", "INVALID_MSG_FORMAT"),
        (post(path, &json_type, "{}"), "400", "{\"param\":\"/cpPrukId\""),
        (post(path, &json_type, &long), "413", "Payload Too Large"),
        (post("/other/v1/x", &json_type, "{}"), "400", "INVALID_API"),
        (post("/npkmf-discovery/v1/x", &json_type, "{}"), "400", "does not run here"),
        (post("/npanf-userid/v1/x", &json_type, "{}"), "404", "RESOURCE_URI_STRUCTURE_NOT_FOUND"),
        (
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{known}\r\n").into_bytes(),
            "405",
            "allow: POST",
        ),
    ] {
        let answer = raw(address, &request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
        assert_eq!(answer.get(9..12), Some(status), "{shown}\n{answer}");
        assert!(answer.contains(says) && answer.contains("application/problem+json"), "{shown}\n{answer}");
    }
    assert_eq!(world.handle.status().sbi_served, 0);
}

#[test]
fn who_says_nothing_or_half_of_it_is_not_waited_for() {
    let world = World::with(1, |config| {
        with_sbi(config);
        config.limits.handshake = Duration::from_millis(300);
        config.limits.head = Duration::from_millis(300);
        config.limits.life = Duration::from_millis(900);
    });
    let address = world.handle.sbi_address().unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    for said in
        [&b""[..], b"P", &preface[..20], preface, &[preface, settings].concat(), b"POST / HT", &[0xff; 9]]
    {
        let began = std::time::Instant::now();
        raw(address, said);
        assert!(began.elapsed() < Duration::from_secs(10), "{said:?}");
    }
    assert_eq!(raw(address, &post("/x", "", "")).get(9..12), Some("401"), "it serves on");
}
