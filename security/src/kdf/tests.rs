use super::*;
use crate::cipher::Algorithm;
use crate::cipher::tests::{hex, vectors};
use crate::keys::*;
use serde_json::Value;

fn octets(v: &Value, field: &str) -> Vec<u8> {
    hex(v[field].as_str().unwrap_or_else(|| panic!("{field} of {v}")))
}

fn array<const N: usize>(v: &Value, field: &str) -> [u8; N] {
    octets(v, field).try_into().unwrap()
}

#[test]
// TS 33.220 §B.2.1; TS 33.303 §A.1 (TS 33.220 §B.2.0)
fn generic_kdf_vectors() {
    let vectors = vectors("hmac_sha256_kdf.json");
    assert_eq!(vectors.len(), 8);
    for v in &vectors {
        let key = octets(v, "key");
        if v.get("msg").is_some() {
            assert_eq!(Keyed::new(&key).mac(&[&octets(v, "msg")])[..], octets(v, "hmac_sha256"));
            continue;
        }
        let number = u8::from_str_radix(v["FC"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        let parameters: Vec<_> =
            v["P"].as_array().unwrap().iter().map(|p| hex(p.as_str().unwrap())).collect();
        let parameters: Vec<&[u8]> = parameters.iter().map(|p| &p[..]).collect();
        let out = kdf(&key, Fc::Octet(number), &parameters).unwrap();
        assert_eq!(out[..], octets(v, "out"), "{}", v["test"]);
    }
}

#[test]
fn eap_aka_prime_vectors() {
    let vectors = vectors("eap_aka_prime.json");
    assert_eq!(vectors.len(), 4);
    for v in &vectors {
        let autn: [u8; 16] = array(v, "autn");
        let network = v["networkName"].as_str().unwrap();
        let sqn_xor_ak = autn[..6].try_into().unwrap();
        let primes = eap_aka::ck_ik_prime(&array(v, "ck"), &array(v, "ik"), network, &sqn_xor_ak).unwrap();
        assert_eq!(primes.ck_prime[..], octets(v, "ckPrime"));
        assert_eq!(primes.ik_prime[..], octets(v, "ikPrime"));
        let keys = eap_aka::master_keys(&primes, v["identity"].as_str().unwrap());
        for (field, value) in [
            ("kEncr", &keys.k_encr[..]),
            ("kAut", &keys.k_aut),
            ("kRe", &keys.k_re),
            ("msk", &keys.msk),
            ("emsk", &keys.emsk),
        ] {
            assert_eq!(value, octets(v, field), "{field} of {}", v["test"]);
        }
    }
}

/// Values that the authors of the vectors computed themselves: they compare encodings, but prove nothing.
#[test]
// TS 33.303 §A.3; TS 33.303 §A.4
fn prose_derivations_agree_with_another_implementation() {
    let vectors = vectors("selfcomputed_prose_kdf.json");
    assert_eq!(vectors.len(), 7);
    let v = &vectors[0];
    let ptk = lte::ptk(
        &Pgk::from(array(v, "PGK")),
        array(v, "P0_group_member_id"),
        u16::from_be_bytes(array(v, "P1_PTK_ID")),
        array(v, "P2_group_id"),
    );
    assert_eq!(ptk.as_bytes()[..], octets(v, "PTK"));
    assert_eq!(lte::pek(&ptk, Algorithm::Aes).as_bytes()[..], octets(&vectors[1], "PEK"));
    let v = &vectors[2];
    let sess = nr::knrp_sess(&Knrp::from(array(v, "KNRP")), &array(v, "Nonce_1"), &array(v, "Nonce_2"));
    assert_eq!(sess.as_bytes()[..], octets(v, "KNRP_sess"));
    let v = &vectors[3];
    let sess = KnrpSess::from(array(v, "KNRP_sess"));
    assert_eq!(nr::nrpek(&sess, 2).as_bytes()[..], octets(v, "NRPEK"));
    assert_eq!(nr::nrpik(&sess, 2).as_bytes()[..], octets(v, "NRPIK"));
    let v = &vectors[4];
    let knrp = nr::knrp_from_up_pruk(
        &UpPruk::from(array(v, "UP_PRUK")),
        array(v, "RSC"),
        &array(v, "freshness_1"),
        &array(v, "freshness_2"),
    );
    assert_eq!(knrp.as_bytes()[..], octets(v, "KNRP"));
    let v = &vectors[5];
    let (rand, impi, naf) = (array(v, "RAND"), v["IMPI"].as_str().unwrap(), octets(v, "NAF_Id"));
    let ks = Ks::from(array(v, "Ks"));
    assert_eq!(gba::ks_naf(&ks, &rand, impi, &naf).unwrap().as_bytes()[..], octets(v, "Ks_NAF"));
    assert_eq!(
        gba::ks_int_naf(&ks, &rand, impi, &naf).unwrap().as_bytes()[..],
        octets(&vectors[6], "Ks_int_NAF")
    );
}

/// Copies of published numbers, so that the project is checked where the files are absent.
#[test]
fn copied_vectors() {
    // RFC 4231, case 2.
    let mac = Keyed::new(b"Jefe").mac(&[b"what do ya want for nothing?"]);
    assert_eq!(mac[..], hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    // TS 33.401 §A.2, an instance of an implementation: K_ASME.
    let key = hex("7bc15d69309cf3ec5d324404edd6f0f9c15d69309cf3ec5d324404edd6f0f97b");
    let kasme = kdf(&key, fc::K_ASME, &[&hex("00f110"), &hex("5d69309ce135")]).unwrap();
    assert_eq!(kasme[..], hex("d5ef4d8f33266902295d42f322a2f2cf11fb2ccc124c09b4d88d361597037990"));
    // RFC 9048, case 1.
    let primes = eap_aka::ck_ik_prime(
        &hex("5349fbe098649f948f5d2e973a81c00f").try_into().unwrap(),
        &hex("9744871ad32bf9bbd1dd5ce54e3e2e5a").try_into().unwrap(),
        "WLAN",
        &hex("bb52e91c747a").try_into().unwrap(),
    )
    .unwrap();
    assert_eq!(primes.ck_prime[..], hex("0093962d0dd84aa5684b045c9edffa04"));
    let keys = eap_aka::master_keys(&primes, "0555444333222111");
    assert_eq!(keys.k_encr[..], hex("766fa0a6c317174b812d52fbcd11a179"));
    assert_eq!(keys.k_aut[..], hex("0842ea722ff6835bfa2032499fc3ec23c2f0e388b4f07543ffc677f1696d71ea"));
}

/// Values of another program, which also implements the formulas of TS 33.303 Annex A.
#[test]
// TS 33.303 §A.7
fn annex_a_agrees_with_another_program() {
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    let (code, mic) = (std::array::from_fn(|i| 0x40 + i as u8), hex("b30666fc").try_into().unwrap());
    let counter = crate::counter::UtcCounter::from_air(0x65a1_b2c7);
    let keyed = Keyed::new(&key);
    assert_eq!(keyed.mac(&[&lte::mic_input(0x41, &code, counter)])[28..], mic);
    let bits = keyed.mac(&[&lte::scrambling_input(counter.for_scrambling())]);
    assert_eq!(bits[5..], hex("ab4fccb8a2c552630dbc5ad7848f1ce23c7799ce4f62f39d8268ce"));
    let mask = std::array::from_fn(|i| if i < 8 { 0xff } else { 0 });
    let keystream = keyed.mac(&[&lte::confidentiality_input(counter, &code, &mask, &mic)]);
    assert_eq!(keystream[9..], hex("d49303a31cef087aa096743bfa8f017fd768e78b7f0abd"));
    let sess = lte::kd_sess(&Kd::from(key), &[0x11; 16], &[0x22; 16]);
    assert_eq!(sess.as_bytes()[..], hex("c8d877b54efdf666268bd87cf946415386de39b01a1d70a7229f29fdd8feeea6"));
    let relay = lte::relay_kd(&Pruk::from(key), &[0x0a, 0x0b, 0x0c], &[0x11; 16], &[0x33; 16]);
    assert_eq!(relay.as_bytes()[..], hex("15efd0c31ff8f6864bc7d78bb8810e45be3ae2acd0c8b66b7df81c5c22b56bd5"));
    let psdk = Psdk::from(key);
    let keys = [
        lte::dusk_from_psdk(&psdk).as_bytes().to_vec(),
        lte::duck_from_psdk(&psdk).as_bytes().to_vec(),
        lte::duik_from_psdk(&psdk).as_bytes().to_vec(),
    ];
    let expected = [
        "df72b9479b1df195f46bdd8130c597c397c4c48849fcb933a79097f0e607bd09",
        "6dfd72e19b28dc1d57b40933585fc3054dfb9bc9f1eaa2cac36d17e04c9decb4",
        "0c58d8611e129c7fd92ff6e53d77c7292b549c56bbe8bd5f9182238d1805ba2e",
    ];
    assert_eq!(keys, expected.map(hex));
    let ptk = lte::ptk(&Pgk::from(key), [1, 2, 3], 1, [0x0a, 0x0b, 0x0c]);
    assert_eq!(ptk.as_bytes()[..4], hex("8d5b168e"));
    assert_eq!(ptk.as_bytes()[29..], hex("e6b73d"));
    let ptk = Ptk::from(key);
    assert_eq!(lte::pek(&ptk, Algorithm::Aes).as_bytes()[..], hex("c9339772aa61a61ea1f714ae620f773f"));
    assert_eq!(lte::pik(&ptk, Algorithm::Aes).as_bytes()[..], hex("8b69a61f650e6af74d4a58a8e02e5e54"));
}

#[test]
// TS 33.303 §A.4
fn roles_and_algorithms_give_different_keys() {
    let sess = KdSess::from([7; 32]);
    let mut seen = Vec::new();
    for algorithm in Algorithm::ALL {
        seen.push(*lte::pek(&sess, algorithm).as_bytes());
        seen.push(*lte::pik(&sess, algorithm).as_bytes());
    }
    let psdk = Psdk::from([7; 32]);
    let bound = [[0, 0, 1], [0, 0, 2]].map(|id| own::psdk_of_identity(&psdk, id));
    for psdk in bound.iter().chain([&psdk]) {
        seen.push(lte::dusk_from_psdk(psdk).as_bytes()[..16].try_into().unwrap());
        seen.push(lte::duik_from_psdk(psdk).as_bytes()[..16].try_into().unwrap());
        seen.push(lte::duck_from_psdk(psdk).as_bytes()[..16].try_into().unwrap());
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

#[test]
fn a_parameter_beyond_16_bits_of_length_is_refused() {
    let long = vec![0; 65536];
    assert_eq!(kdf(&[0; 32], fc::KS_NAF, &[b"a", &long]), Err(ParameterTooLong { index: 1, octets: 65536 }));
    assert!(kdf(&[0; 32], fc::KS_NAF, &[&long[..65535]]).is_ok());
}

#[test]
// TS 33.303 §A.2 (1)
fn fixed_input_strings_equal_the_generic_encoding() {
    use crate::counter::UtcCounter;
    let counter = UtcCounter::from_air(0x0102_0304);
    let key = Keyed::new(&[5; 16]);
    let mic = key.mac(&[&lte::mic_input(0x86, &[9; 23], counter)]);
    assert_eq!(mic, *derive(&[5; 16], fc::MIC, &[&[0x86], &[9; 23], &[1, 2, 3, 4]]));
    let bits = key.mac(&[&lte::scrambling_input(counter)]);
    assert_eq!(bits, *derive(&[5; 16], fc::SCRAMBLING, &[&[1, 2, 3, 4]]));
    // The mask leaves the upper half of each octet unencrypted.
    let keystream = key.mac(&[&lte::confidentiality_input(counter, &[0x5a; 23], &[0x0f; 23], &[6; 4])]);
    let clear = [&[0x50; 23][..], &[6; 4]].concat();
    assert_eq!(keystream, *derive(&[5; 16], fc::CONFIDENTIALITY, &[&[1, 2, 3, 4], &clear]));
}

/// Key stores hold counters under this name: with another name they would begin again. The number is from another
/// program.
#[test]
fn streams_of_counters_keep_the_names_of_earlier_versions() {
    let key: Vec<u8> = (0..32).collect();
    let name = own::stream_id(&key, &[0x0a, 0x0b, 0x0c, 1, 2, 3]);
    assert_eq!(name[..], hex("3ea0954c3a2122c17dc2aa2b696037a9"));
}

#[test]
fn a_label_keeps_our_own_derivations_apart() {
    let labelled = kdf(&[5; 32], Fc::Own("one"), &[b"x"]).unwrap();
    assert_eq!(*labelled, *kdf(&[5; 32], Fc::Octet(fc::OWN), &[b"one", b"x"]).unwrap());
    assert_ne!(*labelled, *kdf(&[5; 32], Fc::Own("two"), &[b"x"]).unwrap());
}
