use proptest::prelude::*;
use serde_json::Value;
use sidelink_security::kdf::eap_aka;
use sidelink_wire::hex;

use super::identity::{Kind, PseudonymKey};
use super::message::{MacKey, NotificationProof};
use super::packet::{emit, failure, success};
use super::protection::verify_mac;
use super::*;
use crate::identity::Imsi;

mod refused;

pub(super) fn bytes(digits: &str) -> Vec<u8> {
    hex::bytes(digits).unwrap()
}

pub(super) fn array<const N: usize>(v: &Value, field: &str) -> [u8; N] {
    bytes(v[field].as_str().unwrap()).try_into().unwrap()
}

fn cases() -> Vec<Value> {
    let text = include_str!("../../vectors/eap_aka_prime_radius_wire.json");
    let file: Value = serde_json::from_str(text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn keys_of(case: &Value) -> Keys {
    let v = &case["keys_last_full_auth"];
    Keys { k_encr: array(v, "k_encr"), k_aut: array(v, "k_aut"), k_re: array(v, "k_re") }
}

/// Every packet of three exchanges between programs of other makers: to meaning, and back to the same octets, with AT_MAC
/// computed again. The challenge that was answered with AUTS is under keys that the file does not have.
#[test]
fn every_packet_of_real_exchanges_comes_back_the_same() {
    let mut seen = 0;
    for case in cases() {
        let keys = keys_of(&case);
        let nonce_s = case["reauth"]["nonce_s"].as_str().map(bytes).unwrap_or_default();
        for message in case["messages"].as_array().unwrap() {
            let octets = bytes(message["eap"].as_str().unwrap());
            let packet = Packet::new_checked(&octets).unwrap();
            let Some(Type::Method(_)) = packet.kind() else { continue };
            seen += 1;
            let id = packet.identifier();
            let is_old = octets[8..].starts_with(&bytes("010500003ccac64f"))
                && case["name"].as_str().unwrap().starts_with("sync");
            let again = if packet.code() == Code::Request {
                let (method, request) = Request::parse(&packet).unwrap();
                let key = MacKey { k_aut: &keys.k_aut, extra: &[] };
                request.emit(method, id, Some(key))
            } else {
                let (method, response) = Response::parse(&packet).unwrap();
                let of_nonce = matches!(response, Response::Reauthentication(_));
                let extra: &[u8] = if of_nonce { &nonce_s } else { &[] };
                response.emit(method, id, Some(MacKey { k_aut: &keys.k_aut, extra }))
            };
            if is_old {
                assert_eq!(again.unwrap()[..octets.len() - 16], octets[..octets.len() - 16]);
            } else {
                assert_eq!(again.unwrap(), octets, "{message}");
            }
        }
    }
    assert_eq!(seen, 24);
}

#[test]
fn what_is_encrypted_in_real_exchanges_is_read() {
    let mut seen = 0;
    for case in cases() {
        let keys = keys_of(&case);
        for message in case["messages"].as_array().unwrap() {
            let Some(plain) = message["decrypted_attrs"].as_str() else { continue };
            let octets = bytes(message["eap"].as_str().unwrap());
            let packet = Packet::new_checked(&octets).unwrap();
            if verify_mac(&packet, &keys.k_aut, &[]).is_err() && packet.code() == Code::Request {
                continue;
            }
            let sealed = sealed_of(&packet);
            let inner = sealed.open(&keys.k_encr).unwrap();
            assert_eq!(Sealed::seal(&keys.k_encr, sealed.iv, &inner).unwrap(), sealed, "{plain}");
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
}

fn sealed_of(packet: &Packet<'_>) -> Sealed {
    if packet.code() == Code::Response {
        return match Response::parse(packet).unwrap().1 {
            Response::Reauthentication(message) => message.sealed,
            Response::Notification { proof: NotificationProof::MacAndCounter(sealed) } => sealed,
            other => panic!("{other:?}"),
        };
    }
    match Request::parse(packet).unwrap().1 {
        Request::Challenge(challenge) => challenge.sealed.unwrap(),
        Request::Reauthentication(message) => message.sealed,
        Request::Notification(Notification::After { sealed, .. }) => sealed.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Keys from CK' and IK' on, of a full authentication and of a re-authentication.
#[test]
fn keys_of_real_exchanges_are_derived() {
    for case in cases() {
        let v = &case["keys_last_full_auth"];
        let autn: [u8; 16] = array(v, "autn");
        let name = v["network_name"].as_str().unwrap();
        let primes =
            eap_aka::ck_ik_prime(&array(v, "ck"), &array(v, "ik"), name, autn.first_chunk().unwrap());
        let master = eap_aka::master_keys(&primes.unwrap(), v["identity"].as_str().unwrap());
        let (keys, exported) = Keys::split(&master);
        assert_eq!((keys.k_encr, keys.k_aut), (array(v, "k_encr"), array(v, "k_aut")));
        assert_eq!((exported.msk, exported.emsk), (array(v, "msk"), array(v, "emsk")));
        assert_eq!(keys.k_re, array(v, "k_re"));
        let again = &case["reauth"];
        if again.is_object() {
            let [_, counter] = bytes(again["counter"].as_str().unwrap())[..] else { panic!() };
            let identity = again["reauth_identity"].as_str().unwrap();
            let made = eap_aka::reauthentication_keys(
                &keys.k_re,
                identity,
                counter.into(),
                &array(again, "nonce_s"),
            );
            assert_eq!((made.msk, made.emsk), (array(again, "msk"), array(again, "emsk")));
        }
    }
}

#[test]
fn the_checkcode_is_over_the_exchange_of_identities() {
    for case in cases() {
        let mut transcript = Transcript::default();
        assert_eq!(transcript.checkcode(), Checkcode::Empty);
        let mut checked = 0;
        for message in case["messages"].as_array().unwrap() {
            let octets = bytes(message["eap"].as_str().unwrap());
            let packet = Packet::new_checked(&octets).unwrap();
            let Some(Type::Method(_)) = packet.kind() else { continue };
            match (packet.code(), Request::parse(&packet), Response::parse(&packet)) {
                (_, Ok((_, Request::Identity(_))), _) | (_, _, Ok((_, Response::Identity(_)))) => {
                    transcript.add(&octets);
                }
                (_, Ok((_, Request::Challenge(challenge))), _) => {
                    assert_eq!(challenge.checkcode, Some(transcript.checkcode()));
                    checked += 1;
                }
                (_, _, Ok((_, Response::Challenge { checkcode, .. }))) => {
                    assert_eq!(checkcode, Some(transcript.checkcode()));
                    checked += 1;
                }
                _ => {}
            }
        }
        assert!(checked >= 2, "{checked}");
    }
}

#[test]
fn the_end_is_four_octets() {
    assert_eq!((success(0x35).to_vec(), failure(7).to_vec()), (bytes("03350004"), bytes("04070004")));
    let octets = success(1);
    let packet = Packet::new_checked(&octets).unwrap();
    assert_eq!((packet.code(), packet.kind(), packet.data()), (Code::Success, None, &[][..]));
}

#[test]
fn a_pseudonym_is_the_imsi_for_whoever_has_the_key() {
    let key = PseudonymKey { number: 3, key: [9; 16] };
    let other = PseudonymKey { number: 3, key: [8; 16] };
    for digits in ["001010", "00101000000000", "001010000000001"] {
        let imsi = Imsi::new(digits).unwrap();
        let (first, second) = (key.seal(&imsi, [1; 8]), key.seal(&imsi, [2; 8]));
        assert_ne!(first, second);
        assert!(!first.contains(digits) && first.starts_with("703"));
        assert_eq!((key.open(&first), key.open(&second)), (Some(imsi.clone()), Some(imsi)));
        assert_eq!(other.open(&first), None);
        assert_eq!(PseudonymKey { number: 4, key: [9; 16] }.open(&first), None);
        assert_eq!(Kind::of(&format!("{first}@home1.net")), Kind::Pseudonym(first));
    }
}

#[test]
fn what_follows_the_digits_of_a_pseudonym_is_filler() {
    use aes::cipher::{BlockCipherEncrypt, KeyInit};
    let key = PseudonymKey { number: 3, key: [9; 16] };
    for (block, is_one) in
        [("001010ffffffffff", true), ("001010ffffffff5f", false), ("00101affffffffff", false)]
    {
        let mut sealed: [u8; 16] = bytes(&format!("{block}0000000000000000")).try_into().unwrap();
        aes::Aes128::new(&[9; 16].into()).encrypt_block((&mut sealed).into());
        let name = format!("703{}", hex::of_bytes(&sealed));
        assert_eq!(key.open(&name).is_some(), is_one, "{block}");
    }
}

#[test]
fn user_names_say_what_they_are() {
    let imsi = Imsi::new("232010000000000").unwrap();
    assert_eq!(identity::permanent(&imsi), "6232010000000000");
    assert_eq!(Kind::of("6232010000000000@wlan.mnc010.mcc232.3gppnetwork.org"), Kind::Permanent(imsi));
    let name = identity::reauthentication([0xab; 16]);
    assert_eq!(Kind::of(&format!("{name}@x")), Kind::Reauthentication(name));
    for text in ["", "@", "0232010000000000@x", "6", "6abc@x", "anonymous@x", "é"] {
        assert_eq!(Kind::of(text), Kind::Other, "{text}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets: Vec<u8>) {
        if let Ok(packet) = Packet::new_checked(&octets) {
            let _ = (Request::parse(&packet), Response::parse(&packet), packet.data());
            let _ = verify_mac(&packet, &[0; 32], &[]);
        }
    }

    #[test]
    fn any_attributes_are_read_or_refused(subtype in 0_u8..16, code in 1_u8..3,
                                         parts: Vec<(u8, u8, Vec<u8>)>) {
        let mut data = vec![subtype, 0, 0];
        for (number, units, value) in parts {
            data.extend([number % 140, units]);
            data.extend(value);
        }
        let code = if code == 1 { Code::Request } else { Code::Response };
        let octets = emit(code, 1, Type::Method(Method::AkaPrime), &data).unwrap();
        let packet = Packet::new_checked(&octets).unwrap();
        let _ = (Request::parse(&packet), Response::parse(&packet));
        let _ = verify_mac(&packet, &[0; 32], &[]);
    }

    #[test]
    fn any_blocks_are_opened_or_refused(iv: [u8; 16], blocks in proptest::collection::vec(any::<[u8; 16]>(), 0..5)) {
        let _ = Sealed { iv, data: blocks.concat() }.open(&[3; 16]);
    }

    /// AT_MAC covers every bit of a packet.
    #[test]
    fn one_bit_changed_is_noticed(bit in 0_usize..8 * 80) {
        let case = &cases()[0];
        let mut octets = bytes(case["messages"][4]["eap"].as_str().unwrap());
        let k_aut = keys_of(case).k_aut;
        prop_assert!(verify_mac(&Packet::new_checked(&octets).unwrap(), &k_aut, &[]).is_ok());
        octets[bit / 8] ^= 1 << (bit % 8);
        if let Ok(packet) = Packet::new_checked(&octets) {
            prop_assert!(verify_mac(&packet, &k_aut, &[]).is_err());
        }
    }

    #[test]
    fn any_pseudonym_is_somebodys_or_nobodys(text in "7[0-9a-f]{34}|.*") {
        if let Some(imsi) = (PseudonymKey { number: 0, key: [1; 16] }).open(&text) {
            prop_assert!(Imsi::new(imsi.digits()).is_ok());
        }
    }
}
