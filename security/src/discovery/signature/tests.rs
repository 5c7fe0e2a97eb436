//! Signatures of every scheme: what they bind, and that OpenSSL agrees.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::identity::master::AuthenticationSecret;

const TIME: SignedTime = SignedTime { counter: UtcCounter::new(1_700_000_000), dfn: 517, subframe: 3 };
const CODE: Code = *b"code of 23 octets here!";

/// A key of `scheme`, its own for each `number`.
pub(crate) fn key(scheme: Scheme, number: u8) -> SigningKey {
    if !scheme.is_eccsi() {
        return SigningKey::new(scheme, &[number; 32]).unwrap();
    }
    let kms = AuthenticationSecret::generate(&[77; 64]).unwrap();
    let identity = [number; 32];
    let issued = kms.issue(&identity, &[number.wrapping_add(1); 64]).unwrap();
    SigningKey::eccsi(scheme, kms.public_key(), &issued).unwrap()
}

#[test]
fn a_signature_binds_purpose_content_time_and_key() {
    for scheme in Scheme::ALL {
        let (alice, mallory) = (key(scheme, 1), key(scheme, 2));
        let signature = alice.announce(&CODE, TIME, [9; 32]);
        assert_eq!(signature.as_octets().len(), scheme.octets(), "{scheme}");
        let public = alice.verifying_key();
        let verified = public.verify_announcement(&CODE, TIME, signature.as_ref()).unwrap().into_inner();
        assert_eq!(verified, SignedCode { code: CODE, time: TIME });
        let refused = |code: &Code, time| {
            assert_eq!(
                public.verify_announcement(code, time, signature.as_ref()),
                Err(Error::Signature),
                "{scheme}"
            );
        };
        refused(b"code of 23 octets herE!", TIME);
        refused(&CODE, SignedTime { counter: TIME.counter.plus(1), ..TIME });
        refused(&CODE, SignedTime { dfn: 518, ..TIME });
        refused(&CODE, SignedTime { subframe: 4, ..TIME });
        let content = announced(&CODE, TIME);
        assert_eq!(public.verify(Purpose::Announcement, &content, signature.as_ref()), Ok(()));
        assert_eq!(public.verify(Purpose::Pointer, &content, signature.as_ref()), Err(Error::Signature));
        assert_eq!(
            mallory.verifying_key().verify_announcement(&CODE, TIME, signature.as_ref()),
            Err(Error::Signature)
        );
        let forged = mallory.announce(&CODE, TIME, [9; 32]);
        assert!(public.verify_announcement(&CODE, TIME, forged.as_ref()).is_err(), "{scheme}");
    }
}

/// ECCSI full and compressed are one signature in two forms: the scheme in the signed input separates them.
#[test]
fn a_signature_of_one_scheme_is_none_of_another() {
    let kms = AuthenticationSecret::generate(&[77; 64]).unwrap();
    let issued = kms.issue(b"alice", &[1; 64]).unwrap();
    let full = SigningKey::eccsi(Scheme::EccsiFull, kms.public_key(), &issued).unwrap();
    let compressed = SigningKey::eccsi(Scheme::EccsiCompressed, kms.public_key(), &issued).unwrap();
    let cached = SigningKey::eccsi(Scheme::EccsiCachedPvt, kms.public_key(), &issued).unwrap();
    let signature = full.announce(&CODE, TIME, [3; 32]);
    let halves = &signature.as_ref()[..64];
    let as_compressed = [halves, &eccsi::compress(issued.pvt())].concat();
    assert!(full.verifying_key().verify_announcement(&CODE, TIME, signature.as_ref()).is_ok());
    assert!(compressed.verifying_key().verify_announcement(&CODE, TIME, &as_compressed).is_err());
    assert!(cached.verifying_key().verify_announcement(&CODE, TIME, halves).is_err());
}

#[test]
fn no_flipped_bit_of_a_signature_is_accepted() {
    for scheme in Scheme::ALL {
        let signing = key(scheme, 5);
        let public = signing.verifying_key();
        let signature = signing.announce(&CODE, TIME, [9; 32]);
        for bit in 0..8 * scheme.octets() {
            let mut octets = signature.as_octets().to_vec();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert!(public.verify_announcement(&CODE, TIME, &octets).is_err(), "{scheme}, bit {bit}");
        }
        for octets in [&[][..], &signature.as_octets()[1..], &[0; 200]] {
            let expected = Error::Length { scheme, have: octets.len() };
            assert_eq!(public.verify_announcement(&CODE, TIME, octets), Err(expected));
        }
    }
}

#[test]
fn keys_survive_their_octets() {
    for scheme in Scheme::ALL {
        let signing = key(scheme, 4);
        let octets = signing.to_octets();
        let again = SigningKey::from_octets(&octets).unwrap();
        assert_eq!((again.scheme(), again.to_octets()), (scheme, octets.clone()));
        let public = signing.verifying_key();
        let octets_of_public = public.to_octets();
        let read = VerifyingKey::from_octets(&octets_of_public).unwrap();
        assert_eq!((&read, read.hint(), read.scheme()), (&public, public.hint(), scheme));
        let signature = again.announce(&CODE, TIME, [1; 32]);
        assert!(read.verify_announcement(&CODE, TIME, signature.as_ref()).is_ok(), "{scheme}");
        for cut in 0..octets.len().min(34) {
            assert!(SigningKey::from_octets(&octets[..cut]).is_err(), "{scheme}, {cut} octets");
        }
        for cut in 0..octets_of_public.len().min(33) {
            assert!(VerifyingKey::from_octets(&octets_of_public[..cut]).is_err(), "{scheme}, {cut} octets");
        }
        assert!(!format!("{signing:?}").contains("44"), "nothing of the key in {signing:?}");
    }
    assert_eq!(SigningKey::new(Scheme::EcdsaP256, &[0xff; 32]).err(), Some(Error::Secret));
    assert_eq!(SigningKey::new(Scheme::EcdsaP256, &[0; 32]).err(), Some(Error::Secret));
    assert_eq!(VerifyingKey::from_octets(&[9; 33]).err(), Some(Error::Scheme(9)));
}

/// A key of small order would verify one signature over many contents.
#[test]
fn a_weak_key_is_refused() {
    let mut octets = [0; 33];
    octets[0] = Scheme::Ed25519.octet();
    octets[1] = 1;
    assert_eq!(VerifyingKey::from_octets(&octets).err(), Some(Error::Point));
}

/// A signature whose commitment R is the neutral point fulfils the equation of RFC 8032 §5.1.7, and is refused: computed by
/// another program from the secret of `key(Ed25519, 1)`.
#[test]
fn a_commitment_of_small_order_is_refused() {
    let mut signature = [0; 64];
    signature[0] = 1;
    let s = "efaf3156dbb0ab63f5522cd2a5c53404aff4931c9b0c06628c79879bba00f703";
    for (at, octet) in signature[32..].iter_mut().enumerate() {
        *octet = u8::from_str_radix(&s[2 * at..2 * at + 2], 16).unwrap();
    }
    let public = key(Scheme::Ed25519, 1).verifying_key();
    assert_eq!(public.verify(Purpose::Statement, b"content", &signature), Err(Error::Signature));
    let Public::Ed25519(point) = &public.0 else { panic!("of another scheme") };
    let input = Purpose::Statement.input(Scheme::Ed25519, b"content");
    let lax =
        ed25519_dalek::Verifier::verify(point, &input, &ed25519_dalek::Signature::from_bytes(&signature));
    assert!(lax.is_ok(), "strictness alone refuses it");
}

/// The keystream of a concealed code is another one at each time, and for each key.
#[test]
fn a_concealed_code_depends_on_time_and_key() {
    let group = Duck::from([6; 16]);
    let (alice, bob) = (key(Scheme::Ed25519, 1).verifying_key(), key(Scheme::Ed25519, 2).verifying_key());
    let concealed = alice.conceal(&group, TIME, &CODE);
    assert_eq!(alice.conceal(&group, TIME, &concealed), CODE);
    let others = [
        bob.conceal(&group, TIME, &CODE),
        alice.conceal(&group, SignedTime { counter: TIME.counter.plus(1), ..TIME }, &CODE),
        alice.conceal(&Duck::from([7; 16]), TIME, &CODE),
        CODE,
    ];
    assert!(!others.contains(&concealed));
}

/// One key has one form; keys of identities have a scheme and an identity that fit.
#[test]
fn forms_of_keys_are_checked() {
    for scheme in [Scheme::Ed25519, Scheme::EcdsaP256] {
        let mut octets = key(scheme, 1).to_octets();
        octets.push(0);
        assert_eq!(SigningKey::from_octets(&octets).err(), Some(Error::KeyLength { scheme, have: 33 }));
    }
    let Public::EcdsaP256(point) = key(Scheme::EcdsaP256, 1).verifying_key().0 else { panic!() };
    let whole = [&[Scheme::EcdsaP256.octet()], point.to_sec1_point(false).as_bytes()].concat();
    let wrong = Error::KeyLength { scheme: Scheme::EcdsaP256, have: 65 };
    assert_eq!(VerifyingKey::from_octets(&whole).err(), Some(wrong));

    let kms = AuthenticationSecret::generate(&[77; 64]).unwrap();
    let long = [b'a'; MAX_IDENTITY_OCTETS + 1];
    let of_identity = |scheme, identity| VerifyingKey::of_identity(scheme, kms.public_key(), identity).err();
    assert_eq!(of_identity(Scheme::EccsiFull, &long[1..]), None);
    assert!(of_identity(Scheme::EccsiFull, &long).is_some());
    assert!(of_identity(Scheme::Ed25519, b"alice").is_some());
    assert!(of_identity(Scheme::EccsiCachedPvt, b"alice").is_some());
    let issued = kms.issue(b"alice", &[1; 64]).unwrap();
    assert!(SigningKey::eccsi(Scheme::Ed25519, kms.public_key(), &issued).is_err());
    let issued = kms.issue(&long, &[1; 64]).unwrap();
    assert!(SigningKey::eccsi(Scheme::EccsiFull, kms.public_key(), &issued).is_err());
    let pvt = issued.pvt();
    assert!(VerifyingKey::of_identity_and_pvt(kms.public_key(), &long, pvt).is_err());
}

proptest::proptest! {
    #[test]
    fn no_octets_panic(octets: Vec<u8>, scheme in 0_u8..7, signature: Vec<u8>) {
        let octets = [&[scheme], &octets[..]].concat();
        let _ = SigningKey::from_octets(&octets);
        if let Ok(key) = VerifyingKey::from_octets(&octets) {
            proptest::prop_assert_eq!(key.to_octets(), octets);
            proptest::prop_assert!(key.verify(Purpose::Announcement, b"", &signature).is_err());
        }
    }
}

/// Ed25519 and ECDSA of `openssl pkeyutl` and ours, both ways; `openssl` reads our keys as DER.
#[test]
#[allow(clippy::disallowed_methods)] // another program is run
fn openssl_agrees() {
    let room = std::env::temp_dir().join(format!("sidelink-signature-{}", std::process::id()));
    let Ok(version) = Command::new("openssl").arg("version").output() else {
        eprintln!("SKIPPED: no openssl (install the command line of OpenSSL)");
        return;
    };
    assert!(version.status.success());
    std::fs::create_dir_all(&room).unwrap();
    for scheme in [Scheme::Ed25519, Scheme::EcdsaP256] {
        let signing = key(scheme, 0x31);
        let public = signing.verifying_key();
        let input = Purpose::Announcement.input(scheme, &announced(&CODE, TIME));
        std::fs::write(room.join("input"), &input).unwrap();
        std::fs::write(room.join("public.der"), subject_public_key_info(&public)).unwrap();
        std::fs::write(room.join("private.der"), private_key(&signing)).unwrap();

        let ours = signing.announce(&CODE, TIME, [0; 32]);
        std::fs::write(room.join("signature"), for_openssl(scheme, ours.as_ref())).unwrap();
        let verify = ["-verify", "-pubin", "-inkey", "public.der", "-sigfile", "signature"];
        assert!(pkeyutl(&room, scheme, &verify), "{scheme}: OpenSSL refuses ours");
        std::fs::write(room.join("input"), [&input[..], b"!"].concat()).unwrap();
        assert!(!pkeyutl(&room, scheme, &verify), "{scheme}: OpenSSL accepts anything");
        std::fs::write(room.join("input"), &input).unwrap();

        assert!(pkeyutl(&room, scheme, &["-sign", "-inkey", "private.der", "-out", "theirs"]));
        let theirs = from_openssl(scheme, &std::fs::read(room.join("theirs")).unwrap());
        assert!(public.verify_announcement(&CODE, TIME, &theirs).is_ok(), "{scheme}: we refuse OpenSSL's");
    }
    std::fs::remove_dir_all(&room).unwrap();
}

fn pkeyutl(room: &Path, scheme: Scheme, arguments: &[&str]) -> bool {
    let mut command = Command::new("openssl");
    command.current_dir(room).args(["pkeyutl", "-rawin", "-keyform", "DER", "-in", "input"]);
    if scheme == Scheme::EcdsaP256 {
        command.args(["-digest", "sha256"]);
    }
    command.args(arguments).output().unwrap().status.success()
}

/// The header of RFC 8410 or RFC 5480, and the key.
fn subject_public_key_info(key: &VerifyingKey) -> Vec<u8> {
    let octets = &key.to_octets()[1..];
    match key.scheme() {
        Scheme::Ed25519 => [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], octets].concat(),
        _ => {
            let algorithm =
                b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
            [&[0x30, 0x39][..], algorithm, &[3, 0x22, 0], octets].concat()
        }
    }
}

/// PKCS #8 of RFC 8410, or the SEC 1 key of RFC 5915 in PKCS #8.
fn private_key(key: &SigningKey) -> Vec<u8> {
    let secret = &key.to_octets()[1..33];
    match key.scheme() {
        Scheme::Ed25519 => {
            [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], secret].concat()
        }
        _ => {
            let algorithm =
                b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
            let head = [&[0x30, 0x41, 2, 1, 0][..], algorithm].concat();
            [&head, &[4, 0x27, 0x30, 0x25, 2, 1, 1, 4, 0x20][..], secret].concat()
        }
    }
}

/// OpenSSL has ECDSA signatures as DER, we as r and s.
fn for_openssl(scheme: Scheme, signature: &[u8]) -> Vec<u8> {
    if scheme == Scheme::Ed25519 {
        return signature.to_vec();
    }
    let integer = |half: &[u8]| {
        let zeros = half.iter().take_while(|&&octet| octet == 0).count().min(half.len() - 1);
        let mut octets = half[zeros..].to_vec();
        if octets[0] >= 0x80 {
            octets.insert(0, 0);
        }
        [&[2, octets.len() as u8][..], &octets].concat()
    };
    let body = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, body.len() as u8][..], &body].concat()
}

fn from_openssl(scheme: Scheme, signature: &[u8]) -> Vec<u8> {
    if scheme == Scheme::Ed25519 {
        return signature.to_vec();
    }
    let (mut out, mut rest) = (Vec::new(), &signature[2..]);
    for _ in 0..2 {
        let (integer, after) = rest[2..].split_at(usize::from(rest[1]));
        let significant = &integer[integer.len().saturating_sub(32)..];
        out.extend(std::iter::repeat_n(0, 32 - significant.len()));
        out.extend(significant);
        rest = after;
    }
    out
}
