//! UID, ECCSI and the secrets of a KMS against published vectors, and what must be refused.

use std::num::NonZeroU64;

use p256::Scalar;
use p256::elliptic_curve::PrimeField;
use serde_json::Value;

use super::eccsi::{self, Error, Peer, PublicAuthenticationKey, SigningKey};
use super::master::{AuthenticationSecret, EncryptionSecret};
use super::sakke::{self, PublicKey, ReceiverKey};
use super::uid::{EqualPeriods, uid};

pub(super) fn vectors(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    let vectors = file["vectors"].as_array().unwrap().clone();
    assert!(!vectors.is_empty());
    vectors
}

pub(super) fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn key_sets() -> Vec<Value> {
    vectors(include_str!("../../vectors/kms_keysets_33180.json"))
}

fn uid_of(vector: &Value, identifier: &str, kms: &str) -> [u8; 32] {
    let length = NonZeroU64::new(number(&vector["period"])).unwrap();
    let periods = EqualPeriods { length, offset: number(&vector["offset"]) };
    let text = |name: &str| vector[name].as_str().unwrap().to_owned();
    uid(&text(identifier), &text(kms), periods, number(&vector["period_no"]))
}

#[test]
fn uids_are_the_published_ones() {
    for vector in vectors(include_str!("../../vectors/uid_33180.json")) {
        assert_eq!(
            uid_of(&vector, "identifier", "kms").as_slice(),
            hex(&vector["uid"]),
            "{}",
            vector["test"]
        );
    }
    for vector in key_sets() {
        assert_eq!(uid_of(&vector, "uri", "kms_uri").as_slice(), hex(&vector["uid"]), "{}", vector["test"]);
    }
}

/// The example of the clause: 2014-01-26 10:07:14 lies in period 1388; the first vector has its UID.
#[test]
fn the_example_of_ts_33_180() {
    let periods = EqualPeriods { length: NonZeroU64::new(2_592_000).unwrap(), offset: 0 };
    let number = periods.number_at(3_599_719_634).unwrap();
    assert_eq!(number, 1388);
    let uid = uid("sip:user@example.org", "kms.example.org", periods, number);
    assert_eq!(uid[..8], [0x3a, 0x81, 0xfb, 0x14, 0xc3, 0xb1, 0xd0, 0xfe]);
}

#[test]
fn periods_are_counted_from_their_offset() {
    let periods = EqualPeriods { length: NonZeroU64::new(100).unwrap(), offset: 30 };
    let numbers = [29, 30, 129, 130].map(|now| periods.number_at(now));
    assert_eq!(numbers, [None, Some(0), Some(0), Some(1)]);
    assert_eq!(periods.start_of(1), Some(130));
    assert_eq!(periods.start_of(u64::MAX), None);
}

struct Rfc {
    kpak: PublicAuthenticationKey,
    key: SigningKey,
    identifier: Vec<u8>,
    message: Vec<u8>,
    j: Scalar,
    signature: Vec<u8>,
    vector: Value,
}

fn rfc() -> Rfc {
    let vector = vectors(include_str!("../../vectors/eccsi_rfc6507.json")).remove(0);
    let of = |name: &str| hex(&vector[name]);
    let kpak = PublicAuthenticationKey::from_octets(&of("KPAK")).unwrap();
    let identifier = of("ID");
    let key = SigningKey::new(&kpak, &identifier, &of("SSK").try_into().unwrap(), &of("PVT")).unwrap();
    let signature = [of("r"), of("s"), of("PVT")].concat();
    let (message, j) = (of("message"), scalar(&of("j")));
    Rfc { kpak, key, identifier, message, j, signature, vector }
}

fn scalar(octets: &[u8]) -> Scalar {
    Scalar::from_repr(<[u8; 32]>::try_from(octets).unwrap().into()).unwrap()
}

#[test]
fn the_example_of_rfc_6507() {
    let rfc = rfc();
    let of = |name: &str| hex(&rfc.vector[name]);
    let kms = AuthenticationSecret::from_octets(&of("KSAK").try_into().unwrap()).unwrap();
    assert_eq!(kms.public_key().as_octets().as_slice(), of("KPAK"));
    let issued = kms.issue_with(&rfc.identifier, &scalar(&of("v"))).unwrap();
    assert!(issued == rfc.key);
    assert_eq!(issued.ssk().as_slice(), of("SSK"));
    assert_eq!(issued.pvt().as_slice(), of("PVT"));
    let hs = eccsi::hs(&rfc.kpak, &rfc.identifier, issued.pvt());
    assert_eq!(hs.as_slice(), of("HS"));
    assert_eq!(eccsi::he(&hs, &of("r").try_into().unwrap(), &rfc.message).as_slice(), of("HE"));
    assert_eq!(rfc.key.sign_with(&rfc.message, &rfc.j).unwrap().as_slice(), rfc.signature);
    let verified = eccsi::verify(&rfc.kpak, &rfc.identifier, &rfc.message, &rfc.signature).unwrap();
    assert_eq!((verified.identifier(), verified.message()), (&*rfc.identifier, &*rfc.message));
    let peer = Peer::new(&rfc.kpak, &rfc.identifier, rfc.key.pvt()).unwrap();
    assert_eq!(peer.verify(&rfc.message, &rfc.signature), Ok(verified));
}

#[test]
fn signatures_verify_and_nothing_changed_does() {
    let rfc = rfc();
    let peer = Peer::new(&rfc.kpak, &rfc.identifier, rfc.key.pvt()).unwrap();
    let refused = |identifier: &[u8], message: &[u8], signature: &[u8]| {
        if identifier == rfc.identifier {
            assert!(peer.verify(message, signature).is_err());
        }
        eccsi::verify(&rfc.kpak, identifier, message, signature).map(|_| ()).unwrap_err()
    };
    let good = rfc.key.sign(&rfc.message, [7; 32]);
    eccsi::verify(&rfc.kpak, &rfc.identifier, &rfc.message, &good).unwrap();
    peer.verify(&rfc.message, &good).unwrap();
    for at in 0..good.len() {
        let mut bad = good;
        bad[at] ^= 1 << (at % 8);
        let expected = if at < 64 { Error::Signature } else { Error::Point };
        assert_eq!(refused(&rfc.identifier, &rfc.message, &bad), expected, "octet {at}");
    }
    for length in [0, 64, 128] {
        assert_eq!(refused(&rfc.identifier, &rfc.message, &good[..length]), Error::Length(length));
    }
    assert_eq!(refused(&rfc.identifier, &[&*rfc.message, &[0]].concat(), &good), Error::Signature);
    assert_eq!(refused(b"another identifier", &rfc.message, &good), Error::Signature);
    let other = AuthenticationSecret::generate(&[9; 64]).unwrap();
    let result = eccsi::verify(other.public_key(), &rfc.identifier, &rfc.message, &good);
    assert_eq!(result, Err(Error::Signature));
}

/// A peer takes the PVT that it was made for only: the user's other device is another peer.
#[test]
fn a_peer_is_one_pvt() {
    let kms = AuthenticationSecret::generate(&[1; 64]).unwrap();
    let [first, second] = [2, 3].map(|random| kms.issue(b"id", &[random; 64]).unwrap());
    let peer = Peer::new(kms.public_key(), b"id", first.pvt()).unwrap();
    peer.verify(b"m", &first.sign(b"m", [0; 32])).unwrap();
    let other = second.sign(b"m", [0; 32]);
    assert_eq!(peer.verify(b"m", &other), Err(Error::Signature));
    eccsi::verify(kms.public_key(), b"id", b"m", &other).unwrap();
}

/// s = 0 makes J the point at infinity whoever signs; r = 0 would be its x coordinate in a careless implementation.
#[test]
fn s_of_zero_and_above_q_are_refused() {
    let rfc = rfc();
    let q = p256::FieldBytes::from(-Scalar::ONE);
    let s = scalar(&rfc.signature[32..64]);
    let mut above: [u8; 32] = q.into();
    above[31] += 1;
    let with = |r: [u8; 32], s: [u8; 32]| {
        let mut signature = rfc.signature.clone();
        signature[..32].copy_from_slice(&r);
        signature[32..64].copy_from_slice(&s);
        eccsi::verify(&rfc.kpak, &rfc.identifier, &rfc.message, &signature).map(|_| ())
    };
    let r = rfc.signature[..32].try_into().unwrap();
    for r in [r, [0; 32]] {
        assert_eq!(with(r, [0; 32]), Err(Error::Signature));
        assert_eq!(with(r, above), Err(Error::Signature));
        assert_eq!(with(r, [0xff; 32]), Err(Error::Signature));
    }
    // The other root verifies as well (RFC 6507 §6): signatures are no names.
    assert_eq!(with(r, p256::FieldBytes::from(-s).into()), Ok(()));
}

#[test]
fn points_off_the_curve_or_out_of_range_are_refused() {
    let rfc = rfc();
    let good = *rfc.kpak.as_octets();
    let mut off = good;
    off[64] ^= 1;
    let mut compressed = good;
    compressed[0] = 2;
    // The point with x = 5, and its x written as p + 5.
    let y = hex(&"459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc".into());
    let small = [&[4][..], &[0; 31], &[5], &y].concat();
    let x = hex(&"ffffffff00000001000000000000000000000001000000000000000000000004".into());
    let above = [&[4][..], &x, &y].concat();
    PublicAuthenticationKey::from_octets(&small).unwrap();
    for bad in [&off[..], &compressed, &above, &good[..64], &good[1..], &[0], &[], &[0; 65]] {
        assert_eq!(PublicAuthenticationKey::from_octets(bad), Err(Error::Point));
        let mut signature = rfc.signature.clone();
        if bad.len() == 65 {
            signature[64..].copy_from_slice(bad);
            let result = eccsi::verify(&rfc.kpak, &rfc.identifier, &rfc.message, &signature);
            assert_eq!(result, Err(Error::Point));
        }
        let made = SigningKey::new(&rfc.kpak, &rfc.identifier, rfc.key.ssk(), bad);
        assert_eq!(made.map(|_| ()).unwrap_err(), Error::Point);
    }
}

#[test]
fn signing_keys_of_others_are_refused() {
    let rfc = rfc();
    let new = |kpak: &_, identifier: &[u8], ssk: [u8; 32], pvt: &[u8]| {
        SigningKey::new(kpak, identifier, &ssk, pvt).map(|_| ()).unwrap_err()
    };
    let ssk = *rfc.key.ssk();
    let other = AuthenticationSecret::generate(&[9; 64]).unwrap();
    let mut wrong = ssk;
    wrong[31] ^= 1;
    assert_eq!(new(other.public_key(), &rfc.identifier, ssk, rfc.key.pvt()), Error::KeyPair);
    assert_eq!(new(&rfc.kpak, b"another", ssk, rfc.key.pvt()), Error::KeyPair);
    assert_eq!(new(&rfc.kpak, &rfc.identifier, wrong, rfc.key.pvt()), Error::KeyPair);
    let pvt = other.issue(&rfc.identifier, &[3; 64]).unwrap();
    assert_eq!(new(&rfc.kpak, &rfc.identifier, ssk, pvt.pvt()), Error::KeyPair);
    for ssk in [[0; 32], [0xff; 32]] {
        assert_eq!(new(&rfc.kpak, &rfc.identifier, ssk, rfc.key.pvt()), Error::Secret);
        assert_eq!(AuthenticationSecret::from_octets(&ssk).map(|_| ()).unwrap_err(), Error::Secret);
    }
    assert_eq!(other.issue(b"id", &[0; 64]).map(|_| ()).unwrap_err(), Error::Secret);
    assert_eq!(AuthenticationSecret::generate(&[0; 64]).map(|_| ()).unwrap_err(), Error::Secret);
}

/// A repeated nonce gives another j for another message: two signatures with one j would give SSK away.
#[test]
fn a_repeated_nonce_does_not_repeat_j() {
    let key = rfc().key;
    let [a, b, again, other] =
        [(b"a", 0), (b"b", 0), (b"a", 0), (b"a", 1)].map(|(message, nonce)| key.sign(message, [nonce; 32]));
    assert_ne!(a[..32], b[..32]);
    assert_ne!(a[..32], other[..32]);
    assert_eq!(a, again);
    assert!(key.sign_with(b"a", &Scalar::ZERO).is_none());
}

#[test]
fn the_key_sets_of_another_maker_pass_every_check() {
    for vector in key_sets() {
        let of = |name: &str| hex(&vector[name]);
        let kpak = PublicAuthenticationKey::from_octets(&of("KPAK")).unwrap();
        let ssk = of("SSK").try_into().unwrap();
        let key = SigningKey::new(&kpak, &of("uid"), &ssk, &of("PVT")).unwrap();
        assert_eq!(eccsi::hs(&kpak, &of("uid"), key.pvt()).as_slice(), of("HS"));
        eccsi::verify(&kpak, &of("uid"), b"message", &key.sign(b"message", [1; 32])).unwrap();
        let z = PublicKey::from_octets(&of("Z")).unwrap();
        let receiver = ReceiverKey::new(&z, &of("uid"), &of("RSK")).unwrap();
        let data = sakke::encapsulate(&z, &of("uid"), &[0x5a; 16]).unwrap();
        assert_eq!(*receiver.decapsulate(&data).unwrap(), [0x5a; 16]);
    }
}

#[test]
fn secrets_come_back_from_their_octets() {
    let signing = AuthenticationSecret::generate(&[5; 64]).unwrap();
    let again = AuthenticationSecret::from_octets(&signing.to_octets()).unwrap();
    assert_eq!(signing.public_key(), again.public_key());
    let encryption = EncryptionSecret::generate(&[6; 144]).unwrap();
    let again = EncryptionSecret::from_octets(&encryption.to_octets()).unwrap();
    assert_eq!(encryption.public_key(), again.public_key());
    let shown = format!("{signing:?} {encryption:?} {:?}", signing.issue(b"id", &[7; 64]).unwrap());
    assert!(shown.matches("redacted").count() == 3, "{shown}");
}
