//! Messages that the other program wrote down.

use std::num::NonZeroU32;

use serde_json::Value;
use sidelink_prose::mikey::i_message::{self, OpenAs};
use sidelink_prose::mikey::identity::Kms;
use sidelink_prose::mikey::{SignatureCoverage, SignatureLeniency, Window, group_call, psk};
use sidelink_security::identity::eccsi::PublicAuthenticationKey;
use sidelink_security::identity::sakke::{PublicKey, ReceiverKey};
use sidelink_security::key_period::KeyPeriods;
use sidelink_wire::mikey::IdType;

use crate::{file, octets};

/// Its key management server and users: names, identifiers and keys.
struct OnFile<'a>(&'a Value);

impl OnFile<'_> {
    fn user(&self, name: &str) -> &Value {
        self.0["users"].as_array().unwrap().iter().find(|user| user["name"] == name).unwrap()
    }

    fn kpak(&self) -> PublicAuthenticationKey {
        PublicAuthenticationKey::from_octets(&octets(&self.0["kms"]["KPAK"])).unwrap()
    }

    fn receiver(&self, name: &str) -> ReceiverKey {
        let z = PublicKey::from_octets(&octets(&self.0["kms"]["Z"])).unwrap();
        let user = self.user(name);
        ReceiverKey::new(&z, &octets(&user["uid"]), &octets(&user["RSK"])).unwrap()
    }
}

#[test]
fn messages_on_file_open() {
    let Some(file) = file("selfmade_mikey_psk_sakke.json") else { return };
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 8);
    vectors[..4].iter().for_each(psk_on_file);
    let users = OnFile(&vectors[4]);
    let kpak = users.kpak();
    call_on_file(&vectors[4], &kpak);
    let key = users.receiver("sip:ue2@testbed");
    for vector in &vectors[5..] {
        i_message_on_file(vector, &kpak, &key);
    }
}

fn psk_on_file(vector: &Value) {
    let name = vector["test"].as_str().unwrap();
    let (message, psk) = (octets(&vector["message"]), octets(&vector["psk"]));
    let received = psk::Received::parse(&message).unwrap();
    let proven = received.verify(&psk, None).unwrap();
    assert_eq!(*proven.key_data().unwrap(), octets(&vector["trace"]["key_data"]), "{name}");
    let idr = octets(&vector["idr"]);
    let answer = proven.verification(Some((IdType::Octets, &idr))).unwrap();
    assert_eq!(answer, octets(&vector["verification"]), "{name}");
}

/// The key management server of the messages: 30 days a period.
const fn on_file(kpak: &PublicAuthenticationKey) -> Kms<'_> {
    let length = NonZeroU32::new(2_592_000).unwrap();
    Kms { uri: "kms.testbed", periods: KeyPeriods::Seconds { length, offset: 0 }, kpak }
}

fn call_on_file(vector: &Value, kpak: &PublicAuthenticationKey) {
    let message = octets(&vector["message"]);
    assert_eq!(message.len(), 258);
    let received = group_call::Received::parse(&message).unwrap();
    let window = Window::around(received.time.to_utc(), 0, 0);
    let trust = group_call::Trust { window, kms: on_file(kpak), signatures: SignatureLeniency::Strict };
    let gmk = octets(&vector["gmk"]).try_into().unwrap();
    let opened = received.open(&gmk, &trust).unwrap();
    assert_eq!(opened.gsk()[..], octets(&vector["gsk"]));
    assert_eq!(opened.caller(), "sip:ue1@testbed");
}

fn i_message_on_file(vector: &Value, kpak: &PublicAuthenticationKey, key: &ReceiverKey) {
    let name = vector["test"].as_str().unwrap();
    let message = octets(&vector["message"]);
    let received = i_message::Received::parse(&message).unwrap();
    let (sender, local) = (vector["sender"].as_str().unwrap(), vector["receiver"].as_str().unwrap());
    let trust = i_message::Trust {
        window: Window::around(received.time.to_utc(), 0, 0),
        sender_kms: on_file(kpak),
        sender: Some(sender),
        local_kms: on_file(kpak),
        local,
        key,
        recipient: OpenAs::Responder,
        signatures: SignatureLeniency::HeadOptional,
    };
    let opened = received.open(&trust).unwrap();
    assert_eq!(opened.key()[..], octets(&vector["ssv"]), "{name}");
    let deviates = name.contains("without the SIGN head");
    let coverage = if deviates { SignatureCoverage::WithoutHead } else { SignatureCoverage::Standard };
    assert_eq!(opened.coverage(), coverage, "{name}");
    let strict = i_message::Trust { signatures: SignatureLeniency::Strict, ..trust };
    assert_eq!(received.open(&strict).is_ok(), !deviates, "{name}");
}
