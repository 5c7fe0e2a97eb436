//! Published vectors.

use super::*;
use serde_json::Value;

/// Reads the vectors of a file of `security/vectors`.
pub(crate) fn vectors(name: &str) -> Vec<Value> {
    let path = format!("{}/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    #[allow(clippy::disallowed_methods)]
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file: Value = serde_json::from_slice(&text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn octets(vector: &Value, field: &str) -> Vec<u8> {
    hex(vector[field].as_str().unwrap_or_else(|| panic!("{field} of {vector}")))
}

fn array<const N: usize>(vector: &Value, field: &str) -> [u8; N] {
    octets(vector, field).try_into().unwrap()
}

fn inputs(vector: &Value) -> Inputs {
    Inputs {
        count: Count::new(u32::from_be_bytes(array(vector, "count"))),
        bearer: Bearer::new(vector["bearer"].as_u64().unwrap() as u8).unwrap(),
        direction: direction(vector),
    }
}

fn direction(vector: &Value) -> Direction {
    if vector["direction"] == 1 { Direction::One } else { Direction::Zero }
}

fn check_eea(algorithm: Algorithm, vector: &Value) {
    let length = vector["length_bits"].as_u64().unwrap() as usize;
    for backend in Backend::available() {
        let eea = Eea::with_backend(algorithm, &Pek::from(array(vector, "key")), backend);
        let mut data = octets(vector, "data");
        eea.apply_bits(inputs(vector), &mut data, length).unwrap();
        let mut expected = octets(vector, "out");
        // The files end at the last octet of LENGTH.
        expected.resize(data.len(), 0);
        assert_eq!(data, expected, "{} {backend:?}", vector["test"]);
    }
}

fn check_eia(algorithm: Algorithm, vector: &Value, field: &str) {
    let length = vector["length_bits"].as_u64().unwrap() as usize;
    for backend in Backend::available() {
        let eia = Eia::with_backend(algorithm, &Pik::from(array(vector, "key")), backend);
        let tag = eia.protect_bits(inputs(vector), &octets(vector, "data"), length).unwrap();
        assert_eq!(tag.0.to_vec(), octets(vector, field), "{} {backend:?}", vector["test"]);
    }
}

#[test]
// TS 33.303 §6.2.3.6.1 (1); TS 33.303 §6.5.6.2 (1); TS 33.401 §B.1.3; TS 33.401 §B.2.3
fn aes_vectors() {
    let vectors = vectors("aes_128eea2_eia2.json");
    assert_eq!(vectors.len(), 14);
    for v in &vectors {
        match v["alg"].as_str().unwrap() {
            "128-EEA2" => check_eea(Algorithm::Aes, v),
            "128-EIA2" => check_eia(Algorithm::Aes, v, "out"),
            other => panic!("{other}"),
        }
    }
}

#[test]
// TS 33.303 §6.2.3.6.1 (1); TS 33.303 §6.5.6.2 (1); TS 33.401 §B.1.2; TS 33.401 §B.2.2
fn snow3g_vectors() {
    let vectors = vectors("snow3g_128eea1_eia1.json");
    assert_eq!(vectors.len(), 21);
    for v in &vectors {
        match v["alg"].as_str().unwrap() {
            "SNOW3G-keystream" => check_snow_keystream(v),
            "UEA2" | "128-EEA1" => check_eea(Algorithm::Snow3g, v),
            "128-EIA1" => check_eia(Algorithm::Snow3g, v, "out"),
            "UIA2" => {
                let key = Pik::from(array(v, "key"));
                for backend in Backend::available() {
                    let tag = eia1::Eia1::new(&key, backend).uia2(
                        u32::from_be_bytes(array(v, "count")),
                        u32::from_be_bytes(array(v, "fresh")),
                        direction(v).bit(),
                        &octets(v, "data"),
                        v["length_bits"].as_u64().unwrap() as usize,
                    );
                    assert_eq!(tag.to_be_bytes().to_vec(), octets(v, "out"), "{} {backend:?}", v["test"]);
                }
            }
            other => panic!("{other}"),
        }
    }
}

fn check_snow_keystream(v: &Value) {
    // The file lists K0..K3 and IV0..IV3: the reverse of the octet string's order.
    let mut key = snow3g::words(&array(v, "K0_K1_K2_K3"));
    let mut iv = snow3g::words(&array(v, "IV0_IV1_IV2_IV3"));
    if v.get("z1_z2").is_some() {
        key.reverse();
        iv.reverse();
        let mut snow = snow3g::Snow3g::new(&key, &iv);
        let z = [snow.word().to_be_bytes(), snow.word().to_be_bytes()].concat();
        assert_eq!(z, octets(v, "z1_z2"), "{}", v["test"]);
    } else {
        let mut snow = snow3g::Snow3g::new(&key, &iv);
        let stream: Vec<u8> = (0..2600).flat_map(|_| snow.word().to_be_bytes()).collect();
        if stream[..12] != octets(v, "first12") {
            key.reverse();
            iv.reverse();
            let mut snow = snow3g::Snow3g::new(&key, &iv);
            let stream: Vec<u8> = (0..2600).flat_map(|_| snow.word().to_be_bytes()).collect();
            assert_eq!(stream[..12].to_vec(), octets(v, "first12"));
            assert_eq!(stream[9996..10000].to_vec(), octets(v, "bytes_9996_10000"));
            return;
        }
        assert_eq!(stream[9996..10000].to_vec(), octets(v, "bytes_9996_10000"));
    }
}

#[test]
// TS 33.401 §B.1.4, §B.2.4
fn zuc_vectors() {
    let vectors = vectors("zuc_128eea3_eia3.json");
    assert_eq!(vectors.len(), 14);
    for v in &vectors {
        match v["alg"].as_str().unwrap() {
            "128-EEA3" => check_eea(Algorithm::Zuc, v),
            "128-EIA3" => check_eia(Algorithm::Zuc, v, "out"),
            "ZUC-keystream" => {
                let mut zuc = zuc::zuc128::Zuc128Keystream::new(&array(v, "key"), &array(v, "iv"));
                let n = v["n"].as_u64().unwrap() as usize;
                let stream: Vec<u8> = (0..n.div_ceil(4)).flat_map(|_| zuc.generate().to_be_bytes()).collect();
                let out = octets(v, "out");
                assert!(stream.starts_with(&out) || stream[..n].ends_with(&out), "{}", v["test"]);
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn milenage_vectors() {
    let vectors = vectors("milenage.json");
    assert_eq!(vectors.len(), 7);
    for v in &vectors {
        let subscriber = if v.get("OP").is_some() {
            let subscriber = milenage::Subscriber::with_op(array(v, "K"), array(v, "OP"));
            assert_eq!(subscriber.opc()[..], octets(v, "OPc"));
            subscriber
        } else {
            milenage::Subscriber::with_opc(array(v, "K"), array(v, "OPc"))
        };
        let (rand, sqn, amf) = (array(v, "RAND"), array(v, "SQN"), array(v, "AMF"));
        let vector = subscriber.vector(&rand, &sqn, &amf);
        let again = subscriber.resynchronisation(&rand, &sqn, &amf);
        for (field, value) in [
            ("f1", &vector.mac_a[..]),
            ("f1star", &again.mac_s),
            ("f2_RES", &vector.res),
            ("f3_CK", &vector.ck),
            ("f4_IK", &vector.ik),
            ("f5_AK", &vector.ak),
            ("f5star_AK", &again.ak),
        ] {
            if v.get(field).is_some() {
                assert_eq!(value, octets(v, field), "{field} of {}", v["test"]);
            }
        }
    }
}

/// Copies of published numbers, so that the project is checked where the files are absent: for each algorithm the
/// shortest and one of an odd bit length.
#[test]
fn copied_vectors() {
    let inputs = |count, bearer, direction| Inputs {
        count: Count::new(count),
        bearer: Bearer::new(bearer).unwrap(),
        direction: if direction == 1 { Direction::One } else { Direction::Zero },
    };
    let key = |text: &str| -> [u8; 16] { hex(text).try_into().unwrap() };
    // TS 33.401 §C.1, 128-EEA2 test set 1: 253 bits; UEA2 test set 4 (TS 35.217) has the same input.
    let plain = "981ba6824c1bfb1ab485472029b71d808ce33e2cc3c0b5fc1f3de8a6dc66b1f0";
    for (algorithm, bearer, out) in [
        (Algorithm::Aes, 21, "e9fed8a63d155304d71df20bf3e82214b20ed7dad2f233dc3c22d7bdeeed8e78"),
        (Algorithm::Snow3g, 5, "989b719cdc33ceb7cf276a52827cef94a56c40c0ab9d81f7a2a9bac60e11c4b0"),
    ] {
        let eea = Eea::new(algorithm, &Pek::from(key("d3c5d592327fb11c4035c6680af8c6d1")));
        let mut data = hex(plain);
        eea.apply_bits(inputs(0x398a_59b4, bearer, 1), &mut data, 253).unwrap();
        assert_eq!(data, hex(out), "{algorithm:?}");
        eea.apply_bits(inputs(0x398a_59b4, bearer, 1), &mut data, 253).unwrap();
        assert_eq!(data, hex(plain), "and back");
    }
    // 128-EEA3 test set 1: 193 bits.
    let eea = Eea::new(Algorithm::Zuc, &Pek::from(key("173d14ba5003731d7a60049470f00a29")));
    let mut data = hex("6cf65340735552ab0c9752fa6f9025fe0bd675d9005875b200000000");
    eea.apply_bits(inputs(0x6603_5492, 15, 0), &mut data, 193).unwrap();
    assert_eq!(data, hex("a6c85fc66afb8533aafc2518dfe784940ee1e4b030238cc80000000000000000")[..28]);
    // TS 33.401 §C.2, 128-EIA2 test set 1, 58 bits.
    let eia = Eia::new(Algorithm::Aes, &Pik::from(key("2bd6459f82c5b300952c49104881ff48")));
    let tag = eia.protect_bits(inputs(0x38a6_f056, 24, 0), &hex("3332346263393840"), 58);
    assert_eq!(tag.unwrap().0.to_vec(), hex("118c6eb8"));
    // TS 33.401 §C.2, 254 bits.
    let eia = Eia::new(Algorithm::Aes, &Pik::from(key("7e5e94431e11d73828d739cc6ced4573")));
    let tag = eia.protect_bits(
        inputs(0x36af_6144, 24, 1),
        &hex("b3d3c9170a4e1632f60f861013d22d84b726b6a278d802d1eeaf1321ba5929dc"),
        254,
    );
    assert_eq!(tag.unwrap().0.to_vec(), hex("1f60b01d"));
    // TS 33.401 §C.4, 88 bits.
    let eia = Eia::new(Algorithm::Snow3g, &Pik::from(key("2bd6459f82c5b300952c49104881ff48")));
    let tag = eia.protect_bits(inputs(0x38a6_f056, 31, 0), &hex("33323462633938613734790000000000"), 88);
    assert_eq!(tag.unwrap().0.to_vec(), hex("731f1165"));
    // TS 33.401 §C.4, 511 bits.
    let eia = Eia::new(Algorithm::Snow3g, &Pik::from(key("d3419be821087acd02123a9248033359")));
    let tag = eia.protect_bits(
        inputs(0xc759_0ea9, 23, 0),
        &hex("bbb057038809496bcff86d6fbc8ce5b135a06b166054f2d565be8ace75dc851e0bcdd8f07141c495872fb5d8c0c66a8b6da556663e4e461205d84580bee5bc7e"),
        511,
    );
    assert_eq!(tag.unwrap().0.to_vec(), hex("9a16c77d"));
    // 128-EIA3 test set 2, 90 bits.
    let eia = Eia::new(Algorithm::Zuc, &Pik::from(key("47054125561eb2dda94059da05097850")));
    let tag = eia.protect_bits(inputs(0x561e_b2dd, 20, 0), &hex("000000000000000000000000"), 90);
    assert_eq!(tag.unwrap().0.to_vec(), hex("6719a088"));
    // 128-EIA3 test set 3, 577 bits.
    let eia = Eia::new(Algorithm::Zuc, &Pik::from(key("c9e6cec4607c72db000aefa88385ab0a")));
    let tag = eia.protect_bits(
        inputs(0xa940_59da, 10, 1),
        &hex("983b41d47d780c9e1ad11d7eb70391b1de0b35da2dc62f83e7b78d6306ca0ea07e941b7be91348f9fcb170e2217fecd97f9f68adb16e5d7d21e569d280ed775cebde3f4093c5388100000000"),
        577,
    );
    assert_eq!(tag.unwrap().0.to_vec(), hex("fae8ff0b"));
}

#[test]
// TS 33.401 §B.1.1, §B.2.1
fn unused_bits_of_the_last_octet_do_not_matter() {
    for algorithm in [Algorithm::Snow3g, Algorithm::Aes, Algorithm::Zuc] {
        let eia = Eia::new(algorithm, &Pik::from([9; 16]));
        let inputs =
            Inputs { count: Count::new(7), bearer: Bearer::from_lcid(3), direction: Direction::Zero };
        for bits in 0..300 {
            let zeros = eia.protect_bits(inputs, &[0xa5; 40], bits).unwrap();
            let mut other = [0x5a; 40];
            for bit in 0..bits {
                other[bit / 8] = other[bit / 8] & !(0x80 >> (bit % 8)) | 0xa5 & (0x80 >> (bit % 8));
            }
            assert_eq!(eia.protect_bits(inputs, &other, bits).unwrap(), zeros, "{algorithm:?} {bits}");
        }
    }
}

/// Every length up to 300 bits, then lengths that leave every remainder of the groups of 16 blocks and of words.
#[test]
// As TS 33.401 §B.2.4
fn eia3_at_any_length_is_that_of_the_zuc_crate() {
    let key = [0x3b; 16];
    let message: Vec<u8> = (0..9000_usize).map(|i| (i * i % 251) as u8).collect();
    for (i, bits) in (0..300).chain((300..8 * message.len()).step_by(1021)).enumerate() {
        let inputs = Inputs {
            count: Count::new(0x9e37_79b9_u32.wrapping_mul(i as u32)),
            bearer: Bearer::from_lcid(i as u8),
            direction: if i % 3 == 0 { Direction::One } else { Direction::Zero },
        };
        let expected = zuc::eia3::Eia3Mac::compute(
            inputs.count.value(),
            inputs.bearer.value(),
            inputs.direction.bit() as u8,
            &key,
            &message,
            bits,
        );
        for backend in Backend::available() {
            let eia = Eia::with_backend(Algorithm::Zuc, &Pik::from(key), backend);
            let tag = eia.protect_bits(inputs, &message, bits).unwrap();
            assert_eq!(tag.0, expected.to_be_bytes(), "{bits} bits, {backend:?}");
        }
    }
}

#[test]
// TS 33.401 §B.1.1, §B.2.1
fn every_backend_gives_the_same_mac_at_any_length_in_bits() {
    let message: Vec<u8> = (0..9010_usize).map(|i| (i * i % 251) as u8).collect();
    let inputs = Inputs { count: Count::new(7), bearer: Bearer::from_lcid(3), direction: Direction::One };
    for algorithm in [Algorithm::Snow3g, Algorithm::Aes] {
        let key = Pik::from([9; 16]);
        let portable = Eia::with_backend(algorithm, &key, Backend::Portable);
        for (i, bits) in (0..2200).step_by(7).chain((2200..72_000).step_by(1021)).enumerate() {
            let message = &message[i % 10..];
            let expected = portable.protect_bits(inputs, message, bits).unwrap();
            for backend in Backend::available() {
                let eia = Eia::with_backend(algorithm, &key, backend);
                let tag = eia.protect_bits(inputs, message, bits).unwrap();
                assert_eq!(tag, expected, "{algorithm:?}, {bits} bits, {backend:?}");
            }
        }
    }
}

#[test]
// TS 33.401 §B.1.1, §B.2.1
fn eea_lengths_are_prefixes_of_one_keystream() {
    let inputs = Inputs { count: Count::new(7), bearer: Bearer::from_lcid(3), direction: Direction::Zero };
    for algorithm in Algorithm::ALL {
        let eea = Eea::new(algorithm, &Pek::from([9; 16]));
        let mut long = [0; 300];
        eea.apply(inputs, &mut long);
        for length in 0..300 {
            let mut short = vec![0; length];
            eea.apply(inputs, &mut short);
            assert_eq!(short, long[..length], "{algorithm:?} {length}");
        }
    }
}

#[test]
// TS 33.401 §B.2.1 (EIA0)
fn one_flipped_bit_is_refused_and_null_proves_nothing() {
    let inputs = Inputs { count: Count::new(7), bearer: Bearer::from_lcid(3), direction: Direction::Zero };
    let mut message = *b"a PDU that is to be believed";
    for algorithm in [Algorithm::Snow3g, Algorithm::Aes, Algorithm::Zuc] {
        let eia = Eia::new(algorithm, &Pik::from([9; 16]));
        let tag = eia.protect(inputs, &message);
        assert!(matches!(eia.verify(inputs, &message, &tag), Ok(Integrity::Verified(_))));
        for bit in 0..8 * message.len() {
            message[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(eia.verify(inputs, &message, &tag), Err(WrongMacI));
            message[bit / 8] ^= 1 << (bit % 8);
        }
        let elsewhere = Inputs { count: Count::new(8), ..inputs };
        assert_eq!(eia.verify(elsewhere, &message, &tag), Err(WrongMacI));
    }
    let null = Eia::new(Algorithm::Null, &Pik::from([9; 16]));
    assert_eq!(null.verify(inputs, &message, &MacI([1; 4])), Ok(Integrity::NotProtected));
}

#[test]
// TS 33.401 §5.1.3.2, §5.1.4.2
fn bad_arguments_are_errors() {
    let inputs = Inputs { count: Count::new(7), bearer: Bearer::from_lcid(0xff), direction: Direction::Zero };
    assert_eq!(Bearer::new(32), None);
    assert_eq!(Algorithm::try_from(4), Err(CipherError::UnknownAlgorithm { id: 4 }));
    let expected = CipherError::LengthBeyondData { length_bits: 33, available: 32 };
    for algorithm in Algorithm::ALL {
        let eea = Eea::new(algorithm, &Pek::from([0; 16]));
        assert_eq!(eea.apply_bits(inputs, &mut [0; 4], 33), Err(expected));
        assert_eq!(Eia::new(algorithm, &Pik::from([0; 16])).protect_bits(inputs, &[0; 4], 33), Err(expected));
    }
    assert_eq!(expected.to_string(), "LENGTH of 33 bits, but the data hold 32");
}
