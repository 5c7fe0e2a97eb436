//! Messages that others made: six I_MESSAGEs of two makers, and those of an independent program.
//!
//! Skipped, loudly, where there is no `../shared` beside the checkout.

use std::num::NonZeroU32;
use std::path::Path;

use serde_json::Value;
use sidelink_prose::mikey::i_message::{Name, OpenAs, Opened, ParameterForm, ProvenSender, Received, Trust};
use sidelink_prose::mikey::identity::Kms;
use sidelink_prose::mikey::{Refused, SignatureCoverage, SignatureLeniency, Window};
use sidelink_security::identity::eccsi::PublicAuthenticationKey;
use sidelink_security::identity::sakke::{PublicKey, ReceiverKey};
use sidelink_security::key_period::KeyPeriods;
use sidelink_wire::mikey::{KeyType, StatusReading};

fn vectors(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            eprintln!("SKIPPED: no ../shared ({} is looked for beside the checkout)", path.display());
            None
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

fn hex(text: &str) -> Vec<u8> {
    sidelink_wire::hex::bytes(text).unwrap()
}

fn octets(value: &Value, name: &str) -> Vec<u8> {
    hex(text(value, name))
}

const fn periods(length: u32) -> KeyPeriods {
    KeyPeriods::Seconds { length: NonZeroU32::new(length).unwrap(), offset: 0 }
}

/// What a vector is opened with.
struct Case {
    message: Vec<u8>,
    kms: String,
    periods: KeyPeriods,
    kpak: PublicAuthenticationKey,
    key: ReceiverKey,
    initiator: String,
    responder: String,
}

impl Case {
    fn new(vector: &Value, kms: &str, periods: KeyPeriods) -> Self {
        let z = PublicKey::from_octets(&octets(vector, "Z")).unwrap();
        Self {
            message: octets(vector, "i_message"),
            kms: kms.to_owned(),
            periods,
            kpak: PublicAuthenticationKey::from_octets(&octets(vector, "KPAK")).unwrap(),
            key: ReceiverKey::new(&z, &octets(vector, "responder_uid"), &octets(vector, "RSK")).unwrap(),
            initiator: text(vector, "initiator").to_owned(),
            responder: text(vector, "responder").to_owned(),
        }
    }

    fn kms(&self) -> Kms<'_> {
        Kms { uri: &self.kms, periods: self.periods, kpak: &self.kpak }
    }

    fn trust(&self, received: &Received<'_>) -> Trust<'_> {
        Trust {
            window: Window::around(received.time.to_utc(), 1000, 1000),
            sender_kms: self.kms(),
            sender: None,
            local_kms: self.kms(),
            local: &self.responder,
            key: &self.key,
            recipient: OpenAs::Responder,
            signatures: SignatureLeniency::Strict,
        }
    }
}

/// The key management servers of the two makers.
fn foreign() -> Option<Vec<(Value, Case)>> {
    let file = vectors("mikey_sakke_imessages.json")?;
    let cases = file["vectors"].as_array().unwrap().iter().map(|vector| {
        let (kms, length) = match text(vector, "test").starts_with("Alea") {
            true => ("sip:common_kms.test.org", 914_544_000),
            false => ("kms.mydev.streamwide.com", 16_777_215),
        };
        (vector.clone(), Case::new(vector, kms, periods(length)))
    });
    Some(cases.collect())
}

#[test]
fn messages_of_two_makers_open() {
    let Some(cases) = foreign() else { return };
    assert_eq!(cases.len(), 6);
    for (vector, case) in cases {
        let name = text(&vector, "test");
        let received = Received::parse(&case.message).unwrap();
        assert!(
            matches!(received.initiator, Name::Hidden(uid) if uid == octets(&vector, "initiator_uid")),
            "{name}"
        );
        assert_eq!(received.csb_id().to_be_bytes()[..], octets(&vector, "csb_id"));
        let opened =
            received.open(&case.trust(&received)).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        assert_eq!(opened.key()[..], octets(&vector, "ssv"), "{name}");
        assert_eq!(opened.sender(), &ProvenSender::Hidden);
        assert_eq!(opened.coverage(), SignatureCoverage::Standard);
        check_parameters(&vector, &received, &opened);
        if let Some(gmk_id) = vector["gmk_id"].as_str() {
            assert_eq!(opened.key_id(&case.responder).unwrap().to_be_bytes()[..], hex(gmk_id), "{name}");
        }
        let opened = opened.disclose(&case.initiator, &case.kms()).unwrap();
        assert_eq!(opened.identity(), Some(&case.initiator[..]));
        assert_eq!(opened.disclose("sip:mallory@test.org", &case.kms()).unwrap_err(), Refused::Disclosure);
    }
}

fn check_parameters(vector: &Value, received: &Received<'_>, opened: &Opened) {
    let Some(extension) = vector["ext"]["data"].as_str() else {
        assert!(received.parameters.is_none());
        return;
    };
    let parameters = opened.parameters().unwrap();
    match vector["ext"]["key_parameters"].as_str() {
        Some(plain) => {
            assert!(matches!(received.parameters, Some(ParameterForm::Sealed(_))));
            assert_eq!(parameters.emit().unwrap(), hex(plain));
            let expected = KeyType::of_key_id(opened.csb_id()).unwrap();
            assert_eq!(parameters.key_type, expected);
        }
        None => {
            assert_eq!(received.parameters, Some(ParameterForm::Plain(&hex(extension))));
            assert_eq!(parameters.emit().unwrap(), hex(extension));
        }
    }
    // One maker marks its live keys as the clause says, the other does not.
    let alea = text(vector, "test").starts_with("Alea");
    assert_eq!(parameters.status.is_revoked(StatusReading::Standard), alea);
    assert!(!parameters.status.is_revoked(StatusReading::AlwaysLive));
}

#[test]
fn a_foreign_message_with_any_octet_changed_is_refused() {
    let Some(cases) = foreign() else { return };
    let (_, case) = &cases[0];
    let received = Received::parse(&case.message).unwrap();
    let trust = Trust { sender: Some(&case.initiator), ..case.trust(&received) };
    received.open(&trust).unwrap();
    // Every octet of the head, then every seventh: a verification takes some time.
    let places = (0..60).chain((60..case.message.len()).step_by(7));
    for at in places {
        let mut message = case.message.clone();
        message[at] ^= 1;
        let refused = match Received::parse(&message) {
            Ok(received) => received.open(&trust).unwrap_err(),
            Err(refused) => refused,
        };
        assert_ne!(refused, Refused::Decapsulation, "{at}: the signature is checked first");
    }
}

#[test]
fn every_check_of_a_foreign_message_stands_for_itself() {
    let Some(cases) = foreign() else { return };
    let (_, case) = &cases[0];
    let (_, other) = &cases[2];
    let received = Received::parse(&case.message).unwrap();
    let good = case.trust(&received);
    let refused = |trust: Trust<'_>| received.open(&trust).unwrap_err();
    let time = received.time.to_utc();
    let late = Window { earliest: time.plus_millis(1), latest: time.plus_millis(9) };
    assert_eq!(refused(Trust { window: late, ..good }), Refused::Time { time });
    let early = Window { earliest: time.minus_millis(9), latest: time.minus_millis(1) };
    assert_eq!(refused(Trust { window: early, ..good }), Refused::Time { time });
    let exact = Window { earliest: time, latest: time };
    received.open(&Trust { window: exact, ..good }).unwrap();
    let wrong = Kms { uri: "sip:other", ..case.kms() };
    use sidelink_prose::mikey::Named;
    assert_eq!(refused(Trust { sender_kms: wrong, ..good }), Refused::Name(Named::InitiatorKms));
    assert_eq!(
        refused(Trust { sender: Some("sip:bob@streamwide.com"), ..good }),
        Refused::Name(Named::Initiator)
    );
    assert_eq!(refused(Trust { local_kms: wrong, ..good }), Refused::Period, "its UIDs are others");
    assert_eq!(refused(Trust { key: &other.key, ..good }), Refused::Period);
    let bob = Trust { local: &other.responder, key: &other.key, ..good };
    assert_eq!(refused(bob), Refused::Name(Named::Responder));
    assert_eq!(
        refused(Trust { recipient: OpenAs::InitiatorItself, ..good }),
        Refused::Name(Named::Initiator)
    );
    let kpak = &cases[4].1.kpak;
    let other_kms = Kms { kpak, ..case.kms() };
    assert_eq!(refused(Trust { sender_kms: other_kms, ..good }), Refused::Signature);
}
