use sidelink_security::mikey as crypto;
use sidelink_wire::mikey::{
    Extension, ExtensionType, IdType, KeyData, KeyKind, Mac, MacAlgorithm, Packet, Payload, Timestamp,
    Validity,
};

use super::super::psk::{Answer, Message, Received, make};
use super::super::suite::{Hash, KeyCipher};
use super::*;

const PSK: [u8; 32] = [0x61; 32];
const RAND: [u8; 16] = [0x62; 16];
const IDI: (IdType, &[u8]) = (IdType::Uri, b"sip:a@b");
const IDR: (IdType, &[u8]) = (IdType::Octets, &[0, 0, 0, 1]);

fn message() -> Message<'static> {
    let key = KeyData { kind: KeyKind::Tek, key: &[7; 32], salt: None, validity: Validity::Spi(&[1, 2, 3]) };
    Message {
        initiator: Some(IDI),
        responder: Some(IDR),
        extensions: vec![Extension { kind: ExtensionType::KEY_IDS, data: &[0, 1, 5] }],
        keys: vec![key],
        answer: Answer::Wanted,
        ..Message::new(9, Timestamp::Counter(3), &RAND)
    }
}

#[test]
fn every_suite_comes_back_and_is_answered() {
    for hash in [Hash::HmacSha1, Hash::HmacSha256] {
        for cipher in [KeyCipher::AesCm128, KeyCipher::AesKw128, KeyCipher::AesCm256] {
            let message = Message { hash, cipher, ..message() };
            let octets = make(&PSK, &message, None).unwrap();
            let received = Received::parse(&octets).unwrap();
            assert_eq!(received.ids, [IDI, IDR]);
            assert_eq!((received.answer(), received.timestamp), (Answer::Wanted, Timestamp::Counter(3)));
            let proven = received.verify(&PSK, None).unwrap();
            assert_eq!(KeyData::parse_all(&proven.key_data().unwrap()).unwrap(), message.keys);
            assert_eq!(received.verify(&[0; 32], None).unwrap_err(), Refused::WrongMac);
            let answer = proven.verification(Some(IDR)).unwrap();
            assert_eq!(proven.acknowledged(&answer), Ok(()));
            for at in 0..answer.len() {
                let mut altered = answer.clone();
                altered[at] ^= 1;
                assert!(proven.acknowledged(&altered).is_err(), "{hash:?} {at}");
            }
            let other = make(&PSK, &Message { csb_id: 8, ..message }, None).unwrap();
            let other = Received::parse(&other).unwrap();
            let proven = other.verify(&PSK, None).unwrap();
            assert_eq!(proven.acknowledged(&answer), Err(Refused::WrongMac), "of another bundle");
        }
    }
}

#[test]
fn any_changed_octet_is_refused() {
    let octets = make(&PSK, &message(), None).unwrap();
    for at in 0..octets.len() {
        let mut altered = octets.clone();
        altered[at] ^= 1;
        let result = Received::parse(&altered).and_then(|received| received.verify(&PSK, None).map(|_| ()));
        assert!(result.is_err(), "{at}");
    }
}

#[test]
fn a_later_message_rests_on_the_first_rand() {
    let octets = make(&PSK, &Message { rand: &[], ..message() }, Some(&RAND)).unwrap();
    let received = Received::parse(&octets).unwrap();
    assert_eq!(received.rand, None);
    assert!(received.verify(&PSK, Some(&RAND)).is_ok());
    assert_eq!(received.verify(&PSK, Some(&[1; 16])).unwrap_err(), Refused::WrongMac);
    assert!(matches!(received.verify(&PSK, None), Err(Refused::Profile(_))));
}

#[test]
fn keys_in_clear_and_messages_without_a_mac_are_refused() {
    let octets = make(&PSK, &message(), None).unwrap();
    let (_, mut repr) = parse(&octets).unwrap();
    if let Some(Payload::Kemac { mac, .. }) = repr.payloads.last_mut() {
        *mac = Mac { algorithm: MacAlgorithm::Null, tag: &[] };
    }
    let unproven = repr.to_octets().unwrap();
    let refused = Received::parse(&unproven).unwrap().verify(&PSK, None).unwrap_err();
    assert_eq!(refused, Refused::Profile("a MAC, never NULL"));
    // NULL encryption by a holder of the key, who makes the MAC anew.
    let mut clear = octets.clone();
    let kemac = Packet::new_checked(&octets[..]).unwrap().payloads().last().unwrap().at;
    clear[kemac + 1] = 0;
    let covered = clear.len() - 32;
    let (prf, mac) = (crypto::Prf::HmacSha256, crypto::MacAlgorithm::HmacSha256);
    let mac = crypto::MessageKeys::derive(&PSK, prf, mac, 9, &RAND).mac(&[&clear[..covered]]);
    clear[covered..].copy_from_slice(&mac);
    let received = Received::parse(&clear).unwrap();
    let refused = received.verify(&PSK, None).unwrap().key_data().unwrap_err();
    assert_eq!(refused, Refused::Profile("ciphered keys, never NULL"));
}

#[test]
fn a_message_may_carry_no_key() {
    let octets = make(&PSK, &Message { keys: Vec::new(), ..message() }, None).unwrap();
    let received = Received::parse(&octets).unwrap();
    assert!(received.verify(&PSK, None).unwrap().key_data().unwrap().is_empty());
}

/// A receiver that has the key answers with another time: the MAC is right, the answer is not.
#[test]
fn an_answer_has_the_time_of_its_message() {
    let octets = make(&PSK, &message(), None).unwrap();
    let received = Received::parse(&octets).unwrap();
    let proven = received.verify(&PSK, None).unwrap();
    let mut answer = proven.verification(None).unwrap();
    assert_eq!(proven.acknowledged(&answer), Ok(()));
    let (end, time) = (answer.len() - 32, 12);
    answer[time..time + 4].copy_from_slice(&[0, 0, 0, 4]);
    let (prf, mac) = (crypto::Prf::HmacSha256, crypto::MacAlgorithm::HmacSha256);
    let keys = crypto::MessageKeys::derive(&PSK, prf, mac, 9, &RAND);
    let mac = keys.mac(&[&answer[..end], IDI.1, IDR.1, &[0, 0, 0, 3]]);
    answer[end..].copy_from_slice(&mac);
    assert_eq!(proven.acknowledged(&answer), Err(Refused::WrongMac));
}
