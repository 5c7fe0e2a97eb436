//! SAKKE against the published vectors, and what must be refused.

use serde_json::Value;

use super::params::{GENERATOR, PAIRED_GENERATOR};
use super::*;
use crate::identity::master::EncryptionSecret;
use crate::identity::tests::{hex, vectors};

mod arithmetic;
mod backends;
mod sums;

fn rfc() -> Value {
    vectors(include_str!("../../../vectors/sakke_rfc6508.json")).remove(0)
}

fn of(vector: &Value, x: &str, y: &str) -> Vec<u8> {
    [vec![4], hex(&vector[x]), hex(&vector[y])].concat()
}

fn data(vector: &Value) -> Vec<u8> {
    [of(vector, "Rb_x", "Rb_y"), hex(&vector["hint_H"])].concat()
}

fn key(vector: &Value) -> ReceiverKey {
    let z = PublicKey::from_octets(&of(vector, "Zx", "Zy")).unwrap();
    ReceiverKey::new(&z, &hex(&vector["b"]), &of(vector, "RSK_x", "RSK_y")).unwrap()
}

fn ssv(vector: &Value) -> [u8; 16] {
    hex(&vector["SSV"]).try_into().unwrap()
}

/// A user of another KMS, whose key every test that needs any may share.
fn user() -> (EncryptionSecret, ReceiverKey) {
    let kms = EncryptionSecret::generate(&[0x21; 144]).unwrap();
    let key = kms.issue(b"user").unwrap();
    (kms, key)
}

fn refusal(result: Result<Zeroizing<[u8; 16]>, Error>) -> Error {
    result.map(|_| ()).unwrap_err()
}

#[test]
fn the_parameters_are_those_of_rfc_6509() {
    let set: Value = serde_json::from_str(include_str!("../../../vectors/sakke_param_set1.json")).unwrap();
    assert_eq!(params::integer_octets(Residue::MODULUS.as_ref()).as_slice(), hex(&set["p"]));
    assert_eq!(params::integer_octets(&params::order()).as_slice(), hex(&set["q"]));
    assert_eq!(octets(&GENERATOR[0]).as_slice(), hex(&set["Px"]));
    assert_eq!(octets(&GENERATOR[1]).as_slice(), hex(&set["Py"]));
    assert_eq!(octets(&PAIRED_GENERATOR).as_slice(), hex(&set["g"]));
    assert!(Affine::GENERATOR.has_order_q());
    let lines = Pairing::new(Backend::detect(), &Affine::GENERATOR);
    assert_eq!(*represent(&lines.pair(&Affine::GENERATOR)), PAIRED_GENERATOR);
}

#[test]
fn the_example_of_rfc_6508() {
    let vector = rfc();
    let mut z = [0; 128];
    z[108..].copy_from_slice(&hex(&vector["z"]));
    let kms = EncryptionSecret::from_octets(&z).unwrap();
    assert_eq!(kms.public_key().to_octets().as_slice(), of(&vector, "Zx", "Zy"));
    let identifier = hex(&vector["b"]);
    let issued = kms.issue(&identifier).unwrap();
    assert_eq!(issued.to_octets().as_slice(), of(&vector, "RSK_x", "RSK_y"));
    let r = hash_below_q(&[&ssv(&vector), &identifier]);
    assert_eq!(params::integer_octets(&r).as_slice(), hex(&vector["r"]));
    let g_r = represent(&Backend::Portable.powers(&[Digits::new(&r)])[0]);
    assert_eq!(octets(&g_r).as_slice(), hex(&vector["g_r"]));
    assert_eq!(mask(&g_r).as_slice(), hex(&vector["mask"]));
    let made = encapsulate(kms.public_key(), &identifier, &ssv(&vector)).unwrap();
    assert_eq!(made.as_slice(), data(&vector));
    let made = Encapsulator::new(kms.public_key()).encapsulate(&identifier, &ssv(&vector)).unwrap();
    assert_eq!(made.as_slice(), data(&vector));
    assert_eq!(*key(&vector).decapsulate(&made).unwrap(), ssv(&vector));
}

/// Made by an independent program (Python integers): this SSV gives a g^r that begins with a zero octet.
#[test]
fn leading_zeros_of_g_r_are_hashed() {
    let vector = rfc();
    let ssv: [u8; 16] = hex(&"0000000000000000000000000000005f".into()).try_into().unwrap();
    let expected = hex(&"d772638383a59c8938f43ff567496ec7".into());
    let key = key(&vector);
    let g_r =
        represent(&Backend::Portable.powers(&[Digits::new(&hash_below_q(&[&ssv, key.identifier()]))])[0]);
    assert_eq!(octets(&g_r)[0], 0);
    let z = PublicKey::from_octets(&of(&vector, "Zx", "Zy")).unwrap();
    let data = encapsulate(&z, key.identifier(), &ssv).unwrap();
    assert_eq!(data[POINT_OCTETS..], expected);
    assert_eq!(*key.decapsulate(&data).unwrap(), ssv);
}

/// The hash of 127 zeros and a 5, computed by itself.
#[test]
fn a_small_number_is_hashed_as_128_octets() {
    let five = (0..5).fold(Residue::ZERO, |sum, _| sum.add(&Residue::ONE));
    let mut octets = [0; 128];
    octets[127] = 5;
    assert_eq!(mask(&five), hash_128(&[&octets]));
    assert_ne!(mask(&five), hash_128(&[&[5]]));
}

#[test]
fn data_for_others_and_changed_data_are_refused_alike() {
    let (kms, key) = user();
    let good = encapsulate(kms.public_key(), b"user", &[7; 16]).unwrap();
    assert_eq!(*key.decapsulate(&good).unwrap(), [7; 16]);
    for at in [0, 1, 64, 128, 129, 200, 256, 257, 264, 272] {
        let mut bad = good;
        bad[at] ^= 1 << (at % 8);
        assert_eq!(refusal(key.decapsulate(&bad)), Error::Decapsulation, "octet {at}");
    }
    for length in [0, 257, 272] {
        assert_eq!(refusal(key.decapsulate(&good[..length])), Error::Decapsulation);
    }
    assert_eq!(refusal(key.decapsulate(&[&good[..], &[0]].concat())), Error::Decapsulation);
    let other = encapsulate(kms.public_key(), b"another", &[7; 16]).unwrap();
    assert_eq!(refusal(key.decapsulate(&other)), Error::Decapsulation);
}

/// Points of order 1, 2, 4 and 2q lie on the curve, or stand for points that do not exist: TEST refuses them all.
#[test]
fn degenerate_points_in_data_are_refused() {
    let (kms, key) = user();
    let good = encapsulate(kms.public_key(), b"user", &[7; 16]).unwrap();
    let zero = Affine { x: Residue::ZERO, y: Residue::ZERO };
    let of_2q = Jacobian::from(Affine::GENERATOR).add_affine(&zero).to_affine().unwrap();
    let points = [zero, order_4(), of_2q, Affine::GENERATOR];
    for (at, point) in points.into_iter().enumerate() {
        let mut bad = good;
        bad[..POINT_OCTETS].copy_from_slice(&point.to_octets());
        assert_eq!(refusal(key.decapsulate(&bad)), Error::Decapsulation, "{at}");
        if at < 3 {
            assert_eq!(PublicKey::from_octets(&point.to_octets()), Err(Error::Order), "{at}");
            let refused = ReceiverKey::new(kms.public_key(), b"user", &point.to_octets());
            assert_eq!(refused.map(|_| ()).unwrap_err(), Error::Order, "{at}");
        }
    }
    assert_eq!(refusal(key.decapsulate(&[0; ENCAPSULATED_OCTETS])), Error::Decapsulation);
    assert_eq!(refusal(key.decapsulate(&[0xff; ENCAPSULATED_OCTETS])), Error::Decapsulation);
}

/// The x coordinate p + x stands for the same point: refused, as is a point that is off the curve by one.
#[test]
fn points_out_of_range_or_off_the_curve_are_refused() {
    let (kms, key) = user();
    let small = (1_u8..).find_map(small_point).unwrap();
    let above = {
        let mut octets = small.to_octets();
        let x = small.x.retrieve().wrapping_add(Residue::MODULUS.as_ref());
        octets[1..129].copy_from_slice(&params::integer_octets(&x));
        octets
    };
    assert!(Affine::from_octets(&small.to_octets()).is_some());
    let mut off = kms.public_key().to_octets();
    off[256] ^= 1;
    let mut head = kms.public_key().to_octets();
    head[0] = 2;
    for bad in [&above[..], &off, &head, &head[..256], &[], &[0; 257]] {
        assert_eq!(PublicKey::from_octets(bad), Err(Error::Point));
        let made = ReceiverKey::new(kms.public_key(), b"user", bad);
        assert_eq!(made.map(|_| ()).unwrap_err(), Error::Point);
    }
    // The same data with its point in another writing.
    let z = *kms.public_key();
    assert_eq!(PublicKey::from_octets(&z.to_octets()), Ok(z));
    assert!(format!("{key:?} {kms:?}").matches("redacted").count() == 2);
}

#[test]
fn receiver_keys_of_others_are_refused() {
    let (kms, key) = user();
    let other = EncryptionSecret::generate(&[0x22; 144]).unwrap();
    let rsk = key.to_octets();
    let new = |z: &PublicKey, identifier: &[u8], rsk: &[u8]| {
        ReceiverKey::new(z, identifier, rsk).map(|_| ()).unwrap_err()
    };
    assert_eq!(new(kms.public_key(), b"another", &*rsk), Error::ReceiverKey);
    assert_eq!(new(other.public_key(), b"user", &*rsk), Error::ReceiverKey);
    assert_eq!(new(kms.public_key(), b"user", &Affine::GENERATOR.to_octets()), Error::ReceiverKey);
    let negated = Affine { x: key.rsk.x, y: key.rsk.y.neg() };
    assert_eq!(new(kms.public_key(), b"user", &negated.to_octets()), Error::ReceiverKey);
    ReceiverKey::new(kms.public_key(), b"user", &*rsk).unwrap();
}

#[test]
fn identifiers_are_integers_from_2_to_q_minus_1() {
    let z = *user().0.public_key();
    let q = params::integer_octets(&params::order());
    let below = params::integer_octets(&params::order().wrapping_sub(&U1024::ONE));
    for bad in [&[][..], &[0], &[1], &[0, 0, 1], &q, &[0xff; 128], &[1; 129]] {
        assert_eq!(encapsulate(&z, bad, &[0; 16]), Err(Error::Identifier), "{bad:?}");
        assert_eq!(Encapsulator::new(&z).encapsulate(bad, &[0; 16]), Err(Error::Identifier));
    }
    encapsulate(&z, &[2], &[0; 16]).unwrap();
    encapsulate(&z, &below, &[0; 16]).unwrap();
    // leading zeros are no digits, but they are hashed
    let [a, b] = [&[9][..], &[0, 9]].map(|id| encapsulate(&z, id, &[0; 16]).unwrap());
    assert_ne!(a, b);
}

/// [b]P + Z at infinity: an identifier of which everybody would know r g.
#[test]
fn an_identifier_that_cancels_the_public_key_is_refused() {
    let mut secret = [0; 128];
    secret[127] = 2;
    let kms = EncryptionSecret::from_octets(&secret).unwrap();
    let minus_2 = params::integer_octets(&params::order().wrapping_sub(&U1024::from_u8(2)));
    assert_eq!(encapsulate(kms.public_key(), &minus_2, &[0; 16]), Err(Error::Degenerate));
    assert_eq!(Encapsulator::new(kms.public_key()).encapsulate(&minus_2, &[0; 16]), Err(Error::Degenerate));
    assert_eq!(kms.issue(&minus_2).map(|_| ()).unwrap_err(), Error::Secret);
    for (low, high) in [(0, 0), (1, 0), (0xff, 0xff)] {
        let mut secret = [high; 128];
        secret[127] = low;
        assert_eq!(EncryptionSecret::from_octets(&secret).map(|_| ()).unwrap_err(), Error::Secret);
    }
    for low in [0, 1] {
        let mut random = [0; 144];
        random[143] = low;
        assert_eq!(EncryptionSecret::generate(&random).map(|_| ()).unwrap_err(), Error::Secret, "z = {low}");
    }
}

/// A point whose x coordinate is small.
fn small_point(x: u8) -> Option<Affine> {
    let x = Residue::new(&U1024::from_u8(x));
    let three = Residue::new(&U1024::from_u8(3));
    let square = x.square().sub(&three).mul(&x);
    let y = square.pow(&params::order());
    (y.square() == square).then_some(Affine { x, y })
}

/// A point of order 4: its double is (0, 0).
fn order_4() -> Affine {
    let point = (1_u8..)
        .filter_map(small_point)
        .map(|point| {
            let mut product = Jacobian::from(point);
            for bit in (0..params::order().bit_width() - 1).rev() {
                product = product.double();
                if bool::from(params::order().bit(bit)) {
                    product = product.add_affine(&point);
                }
            }
            product
        })
        .find_map(|product| product.to_affine().filter(|point| point.y != Residue::ZERO));
    let point = point.unwrap();
    assert_eq!(Jacobian::from(point).double().y, Residue::ZERO);
    point
}
