//! A second program, `tests/python/prose_kdf.py`, was written from the formulas of TS 33.303 alone. The keys and
//! messages of both are the same, for hundreds of parameters, and each accepts the other's messages.
//!
//! Skipped, with a message, where there is no Python. `SIDELINK_PYTHON` sets the interpreter; if it is set, the
//! interpreter must work.
#![allow(clippy::disallowed_methods)] // another program is run

mod oracle;

use oracle::{ask, hex, python};
use serde_json::{Value, json};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::open::{OpenKey, receive};
use sidelink_security::discovery::restricted::{Material, MicCheck, Received, Receiver, Sender};
use sidelink_security::discovery::{CodeFilter, Freshness, Message, Profile};
use sidelink_security::kdf::{fc, kdf, lte};
use sidelink_security::keys::{DiscoveryKey, Duck, Duik, Dusk, Kd, Pgk, Psdk, Ptk};

/// Draws octets that look random and are the same each time.
struct Draws(u64);

impl Draws {
    fn octet(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u8
    }

    fn octets<const N: usize>(&mut self) -> [u8; N] {
        [(); N].map(|()| self.octet())
    }

    /// Draws a time, often at an edge of the low bits of the counter.
    fn unix(&mut self) -> u32 {
        let any = u32::from_be_bytes(self.octets()) >> 1;
        match self.octet() % 4 {
            0 => any & !0xf,
            1 => any | 0xf,
            2 => any & !0xff,
            _ => any,
        }
    }
}

#[test]
// TS 33.303 §6.6.7 (2); TS 33.303 §A.8; TS 33.303 §A.9
fn keys_agree_with_a_program_of_the_formulas() {
    let Some(python) = python() else { return };
    let mut draws = Draws(0x33_303);
    let (mut questions, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let key: [u8; 32] = draws.octets();
        let (member, group, id): ([u8; 3], [u8; 3], [u8; 2]) =
            (draws.octets(), draws.octets(), draws.octets());
        let (nonce_1, nonce_2): ([u8; 16], [u8; 16]) = (draws.octets(), draws.octets());
        let k = hex(&key);
        let mut put = |question: Value, our: &[u8]| {
            questions.push(question);
            ours.push(our.to_vec());
        };
        let ptk = lte::ptk(&Pgk::from(key), member, u16::from_be_bytes(id), group);
        put(
            json!({"what": "ptk", "pgk": k, "member": hex(&member), "ptk_id": hex(&id), "group": hex(&group)}),
            ptk.as_bytes(),
        );
        for algorithm in Algorithm::ALL {
            let root = Ptk::from(key);
            let id = algorithm.id();
            put(json!({"what": "pek", "root": k, "algorithm": id}), lte::pek(&root, algorithm).as_bytes());
            put(json!({"what": "pik", "root": k, "algorithm": id}), lte::pik(&root, algorithm).as_bytes());
        }
        put(
            json!({"what": "kd-sess", "kd": k, "nonce_1": hex(&nonce_1), "nonce_2": hex(&nonce_2)}),
            lte::kd_sess(&Kd::from(key), &nonce_1, &nonce_2).as_bytes(),
        );
        put(
            json!({"what": "relay-kd", "pruk": k, "code": hex(&group), "nonce_1": hex(&nonce_1), "freshness": hex(&nonce_2)}),
            &*kdf(&key, fc::RELAY_KD, &[&group, &nonce_1, &nonce_2]).unwrap(),
        );
        let psdk = Psdk::from(key);
        put(json!({"what": "dusk", "psdk": k}), lte::dusk_from_psdk(&psdk).as_bytes());
        put(json!({"what": "duck", "psdk": k}), lte::duck_from_psdk(&psdk).as_bytes());
        put(json!({"what": "duik", "psdk": k}), lte::duik_from_psdk(&psdk).as_bytes());
    }
    for ((question, our), other) in questions.iter().zip(&ours).zip(ask(&python, "prose_kdf.py", &questions))
    {
        assert_eq!(*our, other, "{question}");
    }
}

/// Open announcements: one program makes the MIC and the other checks it.
#[test]
fn open_announcements_agree_with_a_program_of_the_formulas() {
    let Some(python) = python() else { return };
    let mut draws = Draws(0x61_33);
    let cases: Vec<([u8; 16], [u8; 23], u32)> =
        (0..100).map(|_| (draws.octets(), draws.octets(), draws.unix())).collect();
    let question = |(key, code, unix): &([u8; 16], [u8; 23], u32)| json!({"what": "open", "key": hex(key), "type": 0x41, "code": hex(code), "unix": unix});
    let answers = ask(&python, "prose_kdf.py", &cases.iter().map(question).collect::<Vec<_>>());
    for ((key, code, unix), other) in cases.into_iter().zip(answers) {
        let (key, profile) = (OpenKey::new(&DiscoveryKey::from(key), Profile::default()), Profile::default());
        let freshness = Freshness::at(UtcCounter::new(unix));
        let mut ours: Message = [0; 29];
        ours[0] = 0x41;
        ours[1..24].copy_from_slice(&code);
        key.protect(&freshness, &mut ours).unwrap();
        assert_eq!(ours[..], other[..], "{unix}");
        let report = receive(&freshness, &other.try_into().unwrap(), &profile).unwrap();
        assert!(key.verify(&report, freshness.clock, 32, 0).is_ok());
    }
}

/// Restricted and public-safety messages, under every combination of keys.
#[test]
// TS 33.303 §A.5 (1); TS 33.303 §A.6 (1)
fn restricted_messages_agree_with_a_program_of_the_formulas() {
    let Some(python) = python() else { return };
    let mut draws = Draws(0x61_34);
    let types = [0x81, 0x82, 0x86, 0x91, 0x96, 0x99, 0x9e];
    let mut cases = Vec::new();
    for i in 0..400_usize {
        let material = Material {
            dusk: (i & 1 != 0).then(|| Dusk::from(draws.octets::<32>())),
            duik: (i & 2 != 0).then(|| Duik::from(draws.octets::<32>())),
            duck: (i & 4 != 0).then(|| (Duck::from(draws.octets::<32>()), draws.octets())),
        };
        cases.push((material, types[i % types.len()], draws.octets::<23>(), draws.unix()));
    }
    let question = |(material, message_type, code, unix): &(Material, u8, [u8; 23], u32)| {
        let key = |key: Option<&[u8]>| key.map(hex);
        json!({
            "what": "restricted", "type": message_type, "code": hex(code), "unix": unix,
            "dusk": key(material.dusk.as_ref().map(|k| k.as_bytes())),
            "duik": key(material.duik.as_ref().map(|k| k.as_bytes())),
            "duck": key(material.duck.as_ref().map(|(k, _)| k.as_bytes())),
            "mask": key(material.duck.as_ref().map(|(_, mask)| &mask[..])),
        })
    };
    let answers = ask(&python, "prose_kdf.py", &cases.iter().map(question).collect::<Vec<_>>());
    for ((material, message_type, code, unix), other) in cases.iter().zip(answers) {
        let freshness = Freshness::at(UtcCounter::new(*unix));
        let mut ours: Message = [0; 29];
        ours[0] = *message_type;
        ours[1..24].copy_from_slice(code);
        Sender::new(material, Profile::default()).protect(&freshness, &mut ours).unwrap();
        assert_eq!(ours[..], other[..], "{message_type:02x} {unix}");
        let filters = vec![CodeFilter::exact(*code)];
        let receiver = Receiver::new(material, MicCheck::Local, filters, Profile::default());
        let heard = receiver.verify(&freshness, &other.try_into().unwrap()).unwrap();
        assert_eq!(matches!(heard, Received::Verified(_)), material.duik.is_some());
    }
}
