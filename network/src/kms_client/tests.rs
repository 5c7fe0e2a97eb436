use std::num::NonZeroU32;

use super::*;
use crate::identity::Impi;
use crate::kms::{self, Config, Durable, Grant, Holder, Kms, Masters, RequestId, Response};
use crate::kms_messages::Number;

const START: u64 = 500_000 * 3_600_000 + 600_000;

fn uri(text: &str) -> Uri {
    Uri::new(text).unwrap()
}

fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(millis)
}

fn alice() -> Holder {
    Holder::Subscriber(Impi::new("alice@ims.lab").unwrap())
}

/// A server with other secrets for each number.
fn server(number: u8) -> Kms {
    let random = std::array::from_fn(|i| (i as u8).wrapping_mul(31).wrapping_add(number));
    let length = NonZeroU32::new(3600).unwrap();
    let mut config = Config::new(uri("kms.lab"), KeyPeriods::Seconds { length, offset: 0 });
    config.grants =
        ["sip:alice@lab", "sip:fire@lab"].map(|user| Grant { user: uri(user), holder: alice() }).into();
    Kms::new(config, Masters::generate(&random).unwrap(), &[number; 32], Durable::default()).unwrap()
}

fn answer(server: &mut Kms, now: UtcTime, path: &str, body: &str) -> Zeroizing<String> {
    let (request, holder, content_type) = (RequestId(1), alice(), "application/xml");
    let body = body.as_bytes();
    server.handle_input(kms::Input::Request { now, request, holder, path, content_type, body });
    loop {
        match server.poll_output() {
            kms::Output::Respond { response: Response::Document(document), .. } => return document,
            kms::Output::Respond { response, .. } => panic!("{response:?}"),
            kms::Output::Store { ticket, .. } => server.handle_input(kms::Input::Stored { now, ticket }),
            kms::Output::Timeout(_) => panic!("no answer"),
            _ => {}
        }
    }
}

/// Runs both ends against each other; `change` may change an answer on the way.
fn run(
    client: &mut KmsClient,
    server: &mut Kms,
    change: impl Fn(&str) -> String,
) -> Result<Box<Fetched>, Failure> {
    let now = at(START);
    loop {
        match client.poll_output().expect("the client goes on") {
            Output::Request { path, body } => {
                let document = change(&answer(server, now, &path, &body));
                client.handle_input(Input::Response { now, body: document.as_bytes() });
            }
            Output::Fetched(fetched) => return Ok(fetched),
            Output::Failed(why) => return Err(why),
        }
    }
}

fn fetch(client: &mut KmsClient, server: &mut Kms, user: Option<&str>) -> Result<Box<Fetched>, Failure> {
    client.handle_input(Input::Fetch { now: at(START), user: user.map(uri), time: None });
    run(client, server, str::to_owned)
}

fn client() -> KmsClient {
    KmsClient::new("kms.lab:8445", Some(uri("sip:alice@lab")), None)
}

#[test]
fn a_ue_fetches_its_identities_and_checks_them() {
    let (mut client, mut kms) = (client(), server(1));
    let fetched = fetch(&mut client, &mut kms, None).unwrap();
    let users: Vec<_> = fetched.keys.iter().map(|keys| keys.user.as_str()).collect();
    assert_eq!(users, ["sip:alice@lab", "sip:fire@lab"]);
    let keys = &fetched.keys[0];
    assert!(keys.period.contains(at(START)));
    assert_eq!((keys.from, keys.until), (keys.period.early(), keys.period.late()));
    // The second time it names itself and the server.
    let again = fetch(&mut client, &mut kms, Some("sip:fire@lab")).unwrap();
    assert_eq!((again.keys.len(), again.keys[0].user.as_str()), (1, "sip:fire@lab"));
    // What it signs and opens is right under the public keys of the server.
    let signature = keys.signing.sign(b"message", [3; 32]);
    eccsi::verify(&fetched.server.kpak, keys.signing.identifier(), b"message", &signature).unwrap();
    let ssv = [9; 16];
    let sealed = sakke::encapsulate(&fetched.server.z, keys.receiver.identifier(), &ssv).unwrap();
    assert_eq!(*keys.receiver.decapsulate(&sealed).unwrap(), ssv);
}

#[test]
fn a_server_that_is_known_is_the_same_the_next_time() {
    let mut client = client();
    fetch(&mut client, &mut server(1), None).unwrap();
    assert_eq!(fetch(&mut client, &mut server(2), None).unwrap_err(), Failure::OtherServer);
    fetch(&mut client, &mut server(1), None).unwrap();
}

#[test]
fn answers_that_were_changed_on_the_way_are_not_taken() {
    let changed = |from: &'static str, to: &'static str| {
        let (mut client, mut kms) = (client(), server(1));
        client.handle_input(Input::Fetch { now: at(START), user: Some(uri("sip:alice@lab")), time: None });
        run(&mut client, &mut kms, |document| document.replace(from, to)).unwrap_err()
    };
    let alice = uri("sip:alice@lab");
    assert_eq!(
        changed("<UserUri>sip:alice@lab</UserUri><UserID>", "<UserUri>sip:bob@lab</UserUri><UserID>"),
        Failure::UserId(uri("sip:bob@lab"))
    );
    // A digit of each key, behind the mark of its element.
    let digit = |element: &'static str| {
        let (mut client, mut kms) = (client(), server(1));
        client.handle_input(Input::Fetch { now: at(START), user: Some(uri("sip:alice@lab")), time: None });
        run(&mut client, &mut kms, |document| {
            let Some(at) = document.find(element) else { return document.to_owned() };
            let at = at + document[at..].find('>').unwrap() + 60;
            let other = if &document[at..=at] == "0" { "1" } else { "0" };
            format!("{}{other}{}", &document[..at], &document[at + 1..])
        })
        .unwrap_err()
    };
    assert_eq!(digit("<UserSigningKeySSK"), Failure::Signing(alice.clone(), eccsi::Error::KeyPair));
    assert_eq!(digit("<UserPubTokenPVT"), Failure::Signing(alice.clone(), eccsi::Error::Point));
    assert_eq!(digit("<UserDecryptKey"), Failure::Receiver(alice, sakke::Error::Point));
    assert_eq!(digit("<PubEncKey"), Failure::Z(sakke::Error::Point));
    assert_eq!(digit("<PubAuthKey"), Failure::Kpak(eccsi::Error::Point));
    assert!(matches!(
        changed("<UserKeyPeriod>3600", "<UserKeyPeriod>3601"),
        Failure::Period | Failure::UserId(_)
    ));
    assert_eq!(changed("<UserKeyPeriod>3600", "<UserKeyPeriod>0"), Failure::Period);
    assert_eq!(changed("<Revoked>false", "<Revoked>true"), Failure::CertificateEnded);
    assert!(matches!(changed("KmsResponse", "KmsRequest"), Failure::Malformed(_)));
}

/// Keys of other identities than the one that was asked for, of another server, or of a server that is not the one of
/// the certificate.
#[test]
fn keys_that_were_not_asked_for_are_not_taken() {
    let (mut client, mut kms) = (client(), server(1));
    client.handle_input(Input::Fetch { now: at(START), user: Some(uri("sip:fire@lab")), time: None });
    let Some(Output::Request { path, body }) = client.poll_output() else { panic!() };
    let document = answer(&mut kms, at(START), &path, &body);
    client.handle_input(Input::Response { now: at(START), body: document.as_bytes() });
    let _ = client.poll_output();
    let path = Resource::KeyProv { user: Some(uri("sip:alice@lab")), time: None }.to_path();
    let document = answer(&mut kms, at(START), &path, "");
    client.handle_input(Input::Response { now: at(START), body: document.as_bytes() });
    assert!(matches!(client.poll_output(), Some(Output::Failed(Failure::Unexpected))));
    client.handle_input(Input::Response { now: at(START), body: document.as_bytes() });
    assert!(client.poll_output().is_none(), "nobody asked");

    client.handle_input(Input::Fetch { now: at(START), user: None, time: Some(at(START + 3_600_000)) });
    let _ = client.poll_output();
    client.handle_input(Input::Lost);
    assert!(matches!(client.poll_output(), Some(Output::Failed(Failure::Lost))));
}

#[test]
fn a_refusal_of_the_server_is_told() {
    let (mut client, mut kms) = (client(), server(1));
    let error = fetch(&mut client, &mut kms, Some("sip:bob@lab")).unwrap_err();
    let Failure::Refused(info) = &error else { panic!("{error}") };
    assert_eq!(info.code(), Some(crate::kms_messages::ErrorCode::NotYours));
    assert!(error.to_string().contains("not granted"), "{error}");
}

/// Key sets of another implementation (shared vectors).
#[test]
fn foreign_key_sets_pass_the_same_checks() {
    let text = include_str!("../../../security/vectors/kms_keysets_33180.json");
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let octets = |name: &str| hex::decode(text(name)).unwrap();
        let number = |name: &str| u32::try_from(vector[name].as_u64().unwrap()).unwrap();
        let length = number("period").try_into().unwrap();
        let server = Server {
            uri: uri(text("kms_uri")),
            periods: KeyPeriods::Seconds { length, offset: number("offset") },
            z: PublicKey::from_octets(&octets("Z")).unwrap(),
            kpak: PublicAuthenticationKey::from_octets(&octets("KPAK")).unwrap(),
        };
        let document = format!(
            "<KmsResponse xmlns=\"urn:3gpp:ns:mcsecKMSInterface:1.0\"><UserUri>a</UserUri><KmsUri>b</KmsUri>\
             <Time>2025-01-01T00:00:00</Time><ClientReqUrl>c</ClientReqUrl><KmsMessage><KmsKeyProv><KmsKeySet>\
             <KmsUri>{}</KmsUri><UserUri>{}</UserUri><UserID>{}</UserID><KeyPeriodNo>{}</KeyPeriodNo>\
             <UserDecryptKey>{}</UserDecryptKey><UserSigningKeySSK>{}</UserSigningKeySSK>\
             <UserPubTokenPVT>{}</UserPubTokenPVT></KmsKeySet></KmsKeyProv></KmsMessage></KmsResponse>",
            text("kms_uri"),
            text("uri"),
            text("uid"),
            number("period_no"),
            text("RSK"),
            text("SSK"),
            text("PVT")
        );
        let response = KmsResponse::from_xml(document.as_bytes()).unwrap();
        let Some(KmsMessage::KeyProv(mut keys)) = response.message else { panic!() };
        server.check(&keys.key_sets[0]).unwrap();
        keys.key_sets[0].period = Number(number("period_no") + 1);
        assert!(matches!(server.check(&keys.key_sets[0]), Err(Failure::UserId(_))));
    }
}
