use serde_json::Value;

use super::*;

fn file() -> Value {
    let path = format!("{}/vectors/mikey.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
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
        let keys = MessageKeys::derive(&pmk, prf, mac, number(&m["csb_id"]), &hex(&m["rand"]));
        let (trace, octets) = (&m["trace"], mac.octets());
        assert_eq!(keys.encryption, hex(&trace["encr_key"])[..]);
        assert_eq!(keys.salt, hex(&trace["salt_key"])[..]);
        assert_eq!(keys.authentication[..octets], hex(&trace["auth_key"])[..]);

        let message = hex(&m["message"]);
        let (covered, tag) = message.split_at(message.len() - octets);
        assert_eq!(keys.verify(&[covered], tag), Ok(()));
        let key_data = hex(&trace["key_data"]);
        // In front of the MAC and its algorithm.
        let mut data = covered[covered.len() - 1 - key_data.len()..covered.len() - 1].to_vec();
        keys.cipher(number(&m["ts"]), &mut data);
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
    let keys = |rand: &[u8], csb| {
        MessageKeys::derive(&Pmk::from([7; 32]), Prf::Mikey1, MacAlgorithm::HmacSha1, csb, rand)
    };
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
