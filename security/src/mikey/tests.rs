use serde_json::Value;

use super::*;
use crate::keys::Pmk;

mod key_wrap;
mod profile;
mod ticket;

fn file() -> Value {
    let path = format!("{}/vectors/mikey.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    hex_text(value.as_str().unwrap())
}

fn hex_text(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn number(value: &Value) -> u32 {
    u32::from_be_bytes(hex(value).try_into().unwrap())
}

#[test]
fn keys_of_another_maker() {
    let file = file();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 14);
    for v in vectors {
        let cs_id = u8::try_from(v["cs_id"].as_u64().unwrap()).unwrap();
        let label = [&hex(&v["constant"])[..], &[cs_id], &hex(&v["csb_id"]), &hex(&v["rand"])].concat();
        let expected = hex(&v["out"]);
        let mut out = vec![0; expected.len()];
        expand(Prf::HmacSha256, &hex(&v["key"]), &label, &mut out);
        assert_eq!(out, expected, "{}", v["test"]);
    }
}

/// Messages of an independent program: its keys, what it ciphered, and both MACs.
#[test]
fn messages_of_another_program() {
    let file = file();
    let messages = file["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2);
    for (m, (prf, mac)) in messages
        .iter()
        .zip([(Prf::HmacSha256, MacAlgorithm::HmacSha256), (Prf::Mikey1, MacAlgorithm::HmacSha1)])
    {
        let pmk = Pmk::try_from(&hex(&m["psk"])[..]).unwrap();
        let keys = MessageKeys::derive(pmk.as_bytes(), prf, mac, number(&m["csb_id"]), &hex(&m["rand"]));
        let (trace, octets) = (&m["trace"], mac.octets());
        assert_eq!(keys.encryption[..16], hex(&trace["encr_key"])[..]);
        assert_eq!(keys.salt, hex(&trace["salt_key"])[..]);
        assert_eq!(keys.authentication[..octets], hex(&trace["auth_key"])[..]);

        let message = hex(&m["message"]);
        let (covered, tag) = message.split_at(message.len() - octets);
        assert_eq!(keys.verify(&[covered], tag), Ok(()));
        let key_data = hex(&trace["key_data"]);
        // In front of the MAC and its algorithm.
        let mut data = covered[covered.len() - 1 - key_data.len()..covered.len() - 1].to_vec();
        keys.cipher(number(&m["ts"]).into(), &mut data);
        assert_eq!(data, key_data, "{}", m["test"]);

        let answer = hex(&m["verification"]);
        let (covered, tag) = answer.split_at(answer.len() - octets);
        let parts = [covered, &hex(&m["idi"]), &hex(&m["idr"]), &hex(&m["ts"])];
        assert_eq!(keys.mac(&parts), tag);
        for i in 0..tag.len() {
            let mut wrong = tag.to_vec();
            wrong[i] ^= 1;
            assert_eq!(keys.verify(&parts, &wrong), Err(WrongMac));
        }
        assert_eq!(keys.verify(&parts, &tag[..octets - 1]), Err(WrongMac));
        assert_eq!(keys.verify(&parts, &[]), Err(WrongMac));
    }
}

/// RFC 3830 §4.1.2: a key above 256 bits goes through in blocks that are XORed.
#[test]
fn a_long_key_is_cut_into_blocks() {
    let key: Vec<u8> = (0..50).collect();
    for prf in [Prf::Mikey1, Prf::HmacSha256] {
        let (mut whole, mut first, mut second) = ([0; 50], [0; 50], [0; 50]);
        expand(prf, &key, b"label", &mut whole);
        expand(prf, &key[..32], b"label", &mut first);
        expand(prf, &key[32..], b"label", &mut second);
        let both: Vec<u8> = first.iter().zip(second).map(|(a, b)| a ^ b).collect();
        assert_eq!(whole[..], both);
    }
}

#[test]
fn the_key_stream_is_that_of_a_counter() {
    let keys =
        |rand: &[u8], csb| MessageKeys::derive(&[7; 32], Prf::Mikey1, MacAlgorithm::HmacSha1, csb, rand);
    let stream = |keys: &MessageKeys, counter| {
        let mut data = [0; 40];
        keys.cipher(counter, &mut data);
        data
    };
    let one = keys(&[1; 16], 5);
    assert_ne!(stream(&one, 1), stream(&one, 2));
    assert_ne!(stream(&one, 1), stream(&keys(&[2; 16], 5), 1));
    assert_ne!(stream(&one, 1), stream(&keys(&[1; 16], 6), 1));
    assert_eq!(format!("{one:?}"), "MessageKeys(redacted)");
}

/// RFC 3711 Appendix B.2: a counter that is not ours, but the same key stream.
#[test]
fn counter_mode_of_rfc_3711() {
    let block = |text: &str| <[u8; 16]>::try_from(hex_text(text)).unwrap();
    let mut keys = MessageKeys::derive(&[1; 16], Prf::HmacSha256, MacAlgorithm::HmacSha256, 0, &[]);
    keys.encryption = [0; 32];
    keys.encryption[..16].copy_from_slice(&block("2b7e151628aed2a6abf7158809cf4f3c"));
    keys.salt.copy_from_slice(&block("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000")[..14]);
    let stream = keys.encrypt(Encryption::AesCm128, 0, &[0; 48]).unwrap();
    let expected =
        "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0";
    assert_eq!(stream, hex_text(expected));
}

/// Of three messages of an independent program: how keys are ciphered, key data, and as they are sent.
const ENCRYPTIONS: [(Encryption, &str, &str); 3] = [
    (
        Encryption::AesCm128,
        "00220020f7624a5d915925957a546845e6116444e39ea2eb9d7e92563a587cf1aebc8c0c04e900000004e9278d00",
        "cf21927265388e89f2cdbf267d9c637ab4acf33c142ed0d45bc49448d3b7737d3edb1067788c108a174e3ad3f804",
    ),
    (
        Encryption::AesCm256,
        "00220020f7624a5d915925957a546845e6116444e39ea2eb9d7e92563a587cf1aebc8c0c04e900000004e9278d00",
        "219a51aee8b9d2575d6f9e639304d773c1c4ba28cc1e914f9af964593e12c7a6af9c266671bb3a4802e71dfef7b3",
    ),
    (
        Encryption::AesKw128,
        "00200024f7624a5d915925957a546845e6116444e39ea2eb9d7e92563a587cf1aebc8c0c39efe08f",
        "06d58d2fa12f1ece7a1bb055f25ff38e9bb2c61277cd85f20626e9a7d9f5b82f963969d620bd8eff558785d2a0bd1520",
    ),
];

#[test]
fn every_encryption_of_another_program() {
    let psk = hex_text("2a9536ccbd7237930f0fd874f13e62f1c503229b8ffda6d39a827f9854f7d865");
    let rand = hex_text("93b611b0b4c7aeca24eb4aeb79ef6c7a");
    let keys = MessageKeys::derive(&psk, Prf::HmacSha256, MacAlgorithm::HmacSha256, 0x11223344, &rand);
    for (encryption, plain, sent) in ENCRYPTIONS {
        assert_eq!(keys.encrypt(encryption, 7, &hex_text(plain)), Ok(hex_text(sent)), "{encryption:?}");
        assert_eq!(keys.decrypt(encryption, 7, &hex_text(sent)).unwrap()[..], hex_text(plain));
    }
    let error = keys.encrypt(Encryption::AesKw128, 7, &[0; 36]).unwrap_err();
    assert_eq!(error, KeyDataError::NotWrappable { octets: 36 });
    assert_eq!(keys.decrypt(Encryption::AesKw128, 7, &[0; 40]), Err(KeyDataError::WrongKey));
    // Seconds alone stand in front: 64 bits count, not 32.
    let ciphered = |timestamp| keys.encrypt(Encryption::AesCm128, timestamp, &[0; 16]).unwrap();
    assert_ne!(ciphered(1), ciphered(1 << 32 | 1));
}
