//! Messages that other makers' programs made are walked payload by payload and come back bit for bit. They lie in
//! `../shared/vectors` beside the checkout; without it the test is skipped, loudly.
#![allow(clippy::disallowed_methods)] // files of vectors are read

use std::path::Path;

use serde_json::Value;
use sidelink_wire::hex;
use sidelink_wire::mikey::{Packet, PayloadType, Repr};

/// The vectors of a file, if it is there.
fn vectors(name: &str) -> Option<Vec<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors").join(name);
    let Ok(text) = std::fs::read(&path) else {
        eprintln!("SKIPPED: no {name} (vectors are looked for in ../shared beside the checkout)");
        return None;
    };
    let document: Value = serde_json::from_slice(&text).unwrap();
    Some(document["vectors"].as_array().unwrap().clone())
}

/// The types of its payloads; it must come back as it was.
fn walk(digits: &str) -> Vec<u8> {
    let bytes = hex::bytes(digits).unwrap();
    let packet = Packet::new_checked(&bytes[..]).unwrap();
    let repr = Repr::parse(&packet).unwrap();
    let mut out = vec![0; repr.buffer_len()];
    repr.emit(&mut out).unwrap();
    assert_eq!(out, bytes);
    let kinds = packet.payloads().map(|raw| raw.kind.0).collect();
    assert!(!repr.payloads.iter().any(|payload| !(1..=26).contains(&payload.kind().0)), "{kinds:?}");
    kinds
}

#[test]
fn sakke_messages_of_two_makers() {
    let Some(vectors) = vectors("mikey_sakke_imessages.json") else { return };
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        let kinds = walk(vector["i_message"].as_str().unwrap());
        let number = |name: &str| match name {
            "T" => PayloadType::TIMESTAMP,
            "RAND" => PayloadType::RAND,
            "IDR" => PayloadType::ID_ROLE,
            "SP" => PayloadType::POLICY,
            "SAKKE" => PayloadType::SAKKE,
            "EXT" => PayloadType::EXTENSION,
            "SIGN" => PayloadType::SIGN,
            other => panic!("{other}"),
        };
        let order: Vec<u8> =
            vector["order"].as_array().unwrap().iter().map(|name| number(name.as_str().unwrap()).0).collect();
        assert_eq!(kinds, order, "{}", vector["test"]);
    }
}

#[test]
fn messages_of_an_independent_program() {
    let mut walked = 0;
    for name in ["selfmade_mikey_psk_sakke.json", "selfmade_mikey_ticket.json"] {
        let Some(vectors) = vectors(name) else { return };
        for vector in vectors {
            let messages = vector.as_object().unwrap().iter().filter(|(key, _)| {
                matches!(key.as_str(), "message" | "verification")
                    || key.contains("_INIT")
                    || key.contains("_RESP")
            });
            for (_, message) in messages {
                walk(message.as_str().unwrap());
                walked += 1;
            }
        }
    }
    assert_eq!(walked, 24);
}
