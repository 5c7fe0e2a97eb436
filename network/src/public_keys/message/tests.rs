//! Messages there and back, and any octets.

use proptest::prelude::*;
use sidelink_security::discovery::signature::{Scheme, SigningKey};

use super::*;
use crate::pc3::ApplicationId;

fn key(number: u8) -> PublicKey {
    PublicKey::of(SigningKey::new(Scheme::Ed25519, &[number; 32]).unwrap().verifying_key())
}

fn user(name: &str) -> KeyName {
    KeyName::User(Rpauid::new(name).unwrap())
}

fn time(millis: u64) -> UtcTime {
    UtcTime::from_millis(1_785_000_000_000 + millis)
}

fn all() -> Vec<KeyMessage> {
    let shop = KeyName::Application(ApplicationId::new("mcc001.mnc001.ProSeApp.Shop").unwrap());
    let told = |number| ToldKey { name: user("anna <&>"), key: key(number), valid_until: time(5) };
    let keys: Vec<Fingerprint> = (0..300_u16).map(|n| Fingerprint([(n % 251) as u8; 16])).collect();
    let answer = |list| Keys {
        current_time: time(1),
        keys: vec![told(1), told(2)],
        absent: vec![
            Absent { subject: Subject::Hint(Hint([1, 2])), not_before: time(9) },
            Absent { subject: Subject::Name(shop.clone()), not_before: time(9) },
        ],
        more: vec![Hint([3, 4])],
        list,
    };
    let list = |keys: &[Fingerprint]| RevocationList::of(ListNumber(7), time(3), keys.to_vec());
    vec![
        KeyMessage::NonceRequest(NonceRequest { name: user("anna") }),
        KeyMessage::Nonce(NonceAnswer { current_time: time(0), nonce: Nonce([7; 24]) }),
        KeyMessage::Register(Box::new(Register {
            name: shop.clone(),
            key: key(3),
            nonce: Nonce([1; 24]),
            signature: Octets(vec![5; 64]),
        })),
        KeyMessage::Registered(Registered { current_time: time(0), valid_until: time(2) }),
        KeyMessage::Withdraw(Withdraw { name: user("anna"), fingerprint: key(1).fingerprint() }),
        KeyMessage::Withdrawn(Withdrawn { current_time: time(0), number: ListNumber(4) }),
        KeyMessage::Fetch(Fetch {
            watcher: Rpauid::new("bert").ok(),
            names: vec![user("anna"), shop.clone()],
            hints: vec![Hint([0xab, 0xcd])],
            list: Some(ListNumber(0)),
        }),
        KeyMessage::Keys(answer(ListNews::Same(ListNumber(7)))),
        KeyMessage::Keys(answer(ListNews::New(list(&[])))),
        KeyMessage::Keys(answer(ListNews::New(list(&keys[..5])))),
        KeyMessage::Keys(answer(ListNews::New(list(&keys)))),
        KeyMessage::Reject(KeyReject { cause: KeyCause::Proof }),
    ]
}

#[test]
fn each_message_comes_back_as_it_went() {
    for message in all() {
        let text = message.to_xml();
        let again = KeyMessage::from_xml(text.as_bytes()).unwrap();
        assert_eq!(again.to_xml(), text);
        assert_eq!(format!("{again:?}"), format!("{message:?}"));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let fetch = |names: usize, hints: usize| {
        KeyMessage::Fetch(Fetch {
            watcher: None,
            names: (0..names).map(|n| user(&n.to_string())).collect(),
            hints: (0..hints).map(|n| Hint([0, n as u8])).collect(),
            list: None,
        })
        .to_xml()
    };
    assert!(KeyMessage::from_xml(fetch(16, 16).as_bytes()).is_ok());
    assert!(KeyMessage::from_xml(fetch(17, 0).as_bytes()).is_err());
    assert!(KeyMessage::from_xml(fetch(0, 17).as_bytes()).is_err());
    let messages = all();
    let register = messages[2].to_xml();
    for (from, to) in [
        ("<nonce>01", "<nonce>"),
        ("<public-key>01", "<public-key>09"),
        ("<application>", "<user>x</user><application>"),
        ("urn:sidelink:prose:public-keys:1", "urn:3GPP:ns:ProSe:Discovery:2014"),
        ("<nonce>", "<name><user>x</user></name><nonce>"),
    ] {
        assert!(register.contains(from), "{from}");
        assert!(KeyMessage::from_xml(register.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
    }
    for (octets, fits) in [(0, false), (1, true), (322, true), (323, false)] {
        let signed = register.replacen(&"05".repeat(64), &"05".repeat(octets), 1);
        assert_eq!(KeyMessage::from_xml(signed.as_bytes()).is_ok(), fits, "{octets} octets");
    }
    let filter = messages[10].to_xml();
    for (from, to) in [
        ("<hashes>10", "<hashes>33"),
        ("<hashes>10", "<hashes>0"),
        ("<number>7", "<number>-7"),
        ("<number>7", "<number>9223372036854775808"),
        ("<octets>", "<octets>?"),
    ] {
        assert!(filter.contains(from), "{from} in {}", &filter[..600]);
        assert!(KeyMessage::from_xml(filter.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_octets_panic(octets: Vec<u8>, which in 0_usize..12, at: usize, octet: u8) {
        let _ = KeyMessage::from_xml(&octets);
        let mut text = all()[which].to_xml().into_bytes();
        let at = at % text.len();
        text[at] = octet;
        if let Ok(message) = KeyMessage::from_xml(&text) {
            prop_assert!(KeyMessage::from_xml(message.to_xml().as_bytes()).is_ok());
        }
    }
}
