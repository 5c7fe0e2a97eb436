//! Messages under a pre-shared key.

use serde_json::{Value, json};
use sidelink_prose::mikey::psk::{self, Message};
use sidelink_prose::mikey::suite::{Hash, KeyCipher};
use sidelink_wire::mikey::{Extension, ExtensionType, IdType, KeyData, KeyKind, Timestamp, Validity};

use crate::{CASES, Draws, ask, octets, text};

struct PskCase {
    psk: Vec<u8>,
    hash: Hash,
    cipher: KeyCipher,
    timestamp: Timestamp,
    csb_id: u32,
    rand: Vec<u8>,
    ids: [Vec<u8>; 2],
    extension: Vec<u8>,
    answer: psk::Answer,
    keys: Vec<Key>,
}

/// A key: its kind and octets, its salt, the kind of its validity, and the limits of that.
type Key = (KeyKind, Vec<u8>, Option<Vec<u8>>, u8, [Vec<u8>; 2]);

impl PskCase {
    fn draw(draws: &mut Draws) -> Self {
        let cipher = draws.one_of(&[KeyCipher::AesCm128, KeyCipher::AesKw128, KeyCipher::AesCm256]);
        let key = |draws: &mut Draws| {
            let kind = draws.one_of(&[KeyKind::Tgk, KeyKind::Tek, KeyKind::Gtgk]);
            let salt = draws.coin().then(|| draws.some(1, 14));
            (kind, draws.some(16, 40), salt, draws.octet() % 3, [draws.some(0, 9), draws.some(0, 9)])
        };
        // A key wrap takes multiples of 8 octets: 4 + 20.
        let wrapped = (KeyKind::Tek, draws.octets::<20>().to_vec(), None, 0, [vec![], vec![]]);
        let keys = match cipher {
            KeyCipher::AesKw128 => vec![wrapped],
            _ => (0..=draws.octet() % 3).map(|_| key(draws)).collect(),
        };
        Self {
            psk: draws.some(16, 70),
            hash: draws.one_of(&[Hash::HmacSha1, Hash::HmacSha256]),
            cipher,
            timestamp: match draws.octet() % 3 {
                0 => Timestamp::Counter(draws.number()),
                1 => Timestamp::NtpUtc(u64::from(draws.number()) << 32 | u64::from(draws.number())),
                _ => Timestamp::NtpUtc32(draws.number()),
            },
            csb_id: draws.number(),
            rand: draws.some(1, 40),
            ids: [draws.some(0, 40), draws.some(0, 40)],
            extension: draws.some(0, 20),
            answer: draws.one_of(&[psk::Answer::Wanted, psk::Answer::NotWanted]),
            keys,
        }
    }

    fn key_data(&self) -> Vec<KeyData<'_>> {
        self.keys
            .iter()
            .map(|(kind, key, salt, validity, [from, to])| KeyData {
                kind: *kind,
                key,
                salt: salt.as_deref(),
                validity: match validity {
                    0 => Validity::Always,
                    1 => Validity::Spi(from),
                    _ => Validity::Interval { from, to },
                },
            })
            .collect()
    }

    fn message(&self) -> Message<'_> {
        Message {
            initiator: Some((IdType::Uri, &self.ids[0])),
            responder: Some((IdType::Octets, &self.ids[1])),
            extensions: vec![Extension { kind: ExtensionType::KEY_IDS, data: &self.extension }],
            keys: self.key_data(),
            answer: self.answer,
            hash: self.hash,
            cipher: self.cipher,
            ..Message::new(self.csb_id, self.timestamp, &self.rand)
        }
    }

    fn keys_as_json(&self) -> Value {
        let key = |key: &KeyData<'_>| {
            let kind = match key.kind {
                KeyKind::Tgk => 0,
                KeyKind::Tek => 2,
                KeyKind::Gtgk => 4,
                KeyKind::Mpk => 6,
            };
            let mut out =
                json!({ "type": kind + u8::from(key.salt.is_some()), "key": text(key.key), "kv": 0 });
            if let Some(salt) = key.salt {
                out["salt"] = text(salt).into();
            }
            match key.validity {
                Validity::Always => {}
                Validity::Spi(spi) => (out["kv"], out["spi"]) = (1.into(), text(spi).into()),
                Validity::Interval { from, to } => {
                    (out["kv"], out["vf"], out["vt"]) = (2.into(), text(from).into(), text(to).into());
                }
            }
            out
        };
        self.key_data().iter().map(key).collect()
    }

    fn question(&self, message: &[u8]) -> Value {
        let (prf, mac) = if self.hash == Hash::HmacSha1 { (0, 1) } else { (1, 2) };
        let enc = match self.cipher {
            KeyCipher::AesCm128 => 1,
            KeyCipher::AesKw128 => 2,
            KeyCipher::AesCm256 => 3,
        };
        let ts_type = match self.timestamp {
            Timestamp::NtpUtc(_) => 0,
            Timestamp::Ntp(_) => 1,
            Timestamp::Counter(_) => 2,
            Timestamp::NtpUtc32(_) => 3,
        };
        json!({
            "case": "psk", "message": text(message), "psk": text(&self.psk), "csb": self.csb_id, "prf": prf, "mac": mac,
            "enc": enc, "ts_type": ts_type, "ts": text(&self.timestamp.octets()), "rand": text(&self.rand),
            "idi": text(&self.ids[0]), "idr": text(&self.ids[1]), "ext": text(&self.extension),
            "v": u8::from(self.answer == psk::Answer::Wanted), "keys": self.keys_as_json(),
        })
    }
}

#[test]
fn messages_under_a_pre_shared_key_are_the_same_octets() {
    let mut draws = Draws(0x1234_5678_9abc_def1);
    let cases: Vec<_> = (0..CASES).map(|_| PskCase::draw(&mut draws)).collect();
    let ours: Vec<_> =
        cases.iter().map(|case| psk::make(&case.psk, &case.message(), None).unwrap()).collect();
    let questions: Vec<_> = cases.iter().zip(&ours).map(|(case, message)| case.question(message)).collect();
    let Some(answers) = ask(&questions) else { return };
    for ((case, ours), answer) in cases.iter().zip(&ours).zip(answers) {
        assert_eq!(answer["keys"], case.keys_as_json(), "it opens what we made");
        let theirs = octets(&answer["message"]);
        assert_eq!(text(&theirs), text(ours), "it makes the same octets");
        let received = psk::Received::parse(&theirs).unwrap();
        let proven = received.verify(&case.psk, None).unwrap();
        assert_eq!(KeyData::parse_all(&proven.key_data().unwrap()).unwrap(), case.key_data());
        let their_answer = octets(&answer["answer"]);
        assert_eq!(proven.verification(Some((IdType::Octets, &case.ids[1]))).unwrap(), their_answer);
        assert_eq!(proven.acknowledged(&their_answer), Ok(()));
    }
}
