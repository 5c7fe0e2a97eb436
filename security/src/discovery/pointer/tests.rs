use super::super::signature::Scheme;
use super::*;

const CODE: Code = [0x5a; 23];

fn key(scheme: Scheme, octet: u8) -> SigningKey {
    SigningKey::new(scheme, &[octet; 32]).unwrap()
}

fn time() -> SignedTime {
    SignedTime { counter: UtcCounter::new(1_700_000_000), dfn: 1023, subframe: 9 }
}

#[test]
fn message_and_announcement_belong_together() {
    for scheme in [Scheme::Ed25519, Scheme::EcdsaP256] {
        let signing = key(scheme, 1);
        let pointed = announce(&signing, &CODE, time(), [0; 32]);
        assert_eq!(pointed.announcement.len(), 97);
        let pointing = Pointing::read(&pointed.message).unwrap();
        let announced = Announced::read(&pointed.announcement).unwrap();
        assert_eq!(pointing.pointer, announced.pointer());
        let verified = announced.verify(&signing.verifying_key(), &pointing).unwrap();
        assert_eq!(*verified, PointedCode { code: CODE, time: time() });
        let other = announced.verify(&key(scheme, 2).verifying_key(), &pointing);
        assert_eq!(other, Err(Refusal::BadSignature));
    }
}

#[test]
fn every_bit_counts() {
    let signing = key(Scheme::Ed25519, 1);
    let pointed = announce(&signing, &CODE, time(), [0; 32]);
    let verifies = |message: &Message, announcement: &[u8]| {
        let (Some(pointing), Some(announced)) = (Pointing::read(message), Announced::read(announcement))
        else {
            return false;
        };
        announced.verify(&signing.verifying_key(), &pointing).is_ok()
    };
    assert!(verifies(&pointed.message, &pointed.announcement));
    for bit in 0..232 {
        let mut flipped = pointed.message;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!verifies(&flipped, &pointed.announcement), "bit {bit} of the message");
    }
    for bit in 0..8 * pointed.announcement.len() {
        let mut flipped = pointed.announcement.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!verifies(&pointed.message, &flipped), "bit {bit} of the announcement");
        // With a pointer to the changed one, too.
        let mut message = pointed.message;
        message[24..26].copy_from_slice(&pointer(&flipped));
        assert!(!verifies(&message, &flipped), "bit {bit} of the announcement, with its pointer");
    }
}

#[test]
fn damaged_announcements_are_not_read() {
    let pointed = announce(&key(Scheme::Ed25519, 1), &CODE, time(), [0; 32]);
    for length in 0..pointed.announcement.len() {
        let read = Announced::read(&pointed.announcement[..length]);
        assert_eq!(read.is_some(), length >= HEAD, "{length}");
        let verified = read.map(|read| {
            let pointing = Pointing { pointer: read.pointer(), ..Pointing::read(&pointed.message).unwrap() };
            read.verify(&key(Scheme::Ed25519, 1).verifying_key(), &pointing)
        });
        assert!(verified.is_none_or(|verified| verified == Err(Refusal::BadSignature)), "{length}");
    }
    for (at, octet) in [(0, 2), (30, 4), (32, 10)] {
        let mut wrong = pointed.announcement.clone();
        wrong[at] = octet;
        assert!(Announced::read(&wrong).is_none(), "{at}");
    }
}
