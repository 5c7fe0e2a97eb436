//! The profile of 3GPP: values of three makers.

use super::super::profile::*;
use super::super::{CryptoSession, WrongMac};
use super::hex_text as hex;

/// User, GMK, GMK-ID, user salt, GUK-ID; RAND, CS ID 4, master key and salt of SRTP where they are known.
type GukId = (&'static str, &'static str, u32, u32, u32, Option<[&'static str; 3]>);

const GUK_IDS: &[GukId] = &[
    (
        "sip:p25user01@etherstack.com",
        "fcfe65cd967c58d260b603ccb9a887a9",
        0x09bf9d37,
        0x877434c,
        0x01c8de7b,
        Some([
            "6819e679461120e10ac458cce67b8024",
            "64837d2b4d69a266e4489d3807353ad9",
            "8b2f081ce8e8bdab1f8d9eb8",
        ]),
    ),
    (
        "sip:p25user02@etherstack.co.jp",
        "fcfe65cd967c58d260b603ccb9a887a9",
        0x09bf9d37,
        0x301f4e7,
        0x0abe69d0,
        Some([
            "6819e679461120e10ac458cce67b8024",
            "de81b70c4ae0ff3f79364df586c2e0ce",
            "750ea7422b4d5a8ff475c6d5",
        ]),
    ),
    (
        "sip:92100002447@att.com",
        "fcfe65cd967c58d260b603ccb9a887a9",
        0x09bf9d37,
        0x5fb0a10,
        0x0c449727,
        Some([
            "6819e679461120e10ac458cce67b8024",
            "f097ac3325f1f784bc8ba4112c5e5f88",
            "97a154fb24efbfb353a265e2",
        ]),
    ),
    (
        "sip:P25SU-00003002000531@server-dev43-ws.streamwideus.com",
        "52079f77690731437e407a5b4845aab3",
        0x03f3453d,
        0xdfd46cf,
        0x0e0e03f2,
        None,
    ),
];
#[test]
fn user_salts_and_guk_ids() {
    assert!(GUK_IDS.len() >= 3);
    for &(user, gmk, gmk_id, salt, expected, _) in GUK_IDS {
        let gmk = hex(gmk);
        assert_eq!(user_salt(&gmk, user), Ok(salt));
        assert_eq!(guk_id(&gmk, gmk_id, user), Ok(expected), "{user}");
        assert_eq!(guk_id(&gmk, expected, user), Ok(gmk_id), "and back");
    }
    let purpose = guk_id(&[1; 16], 0xa000_0000, "sip:a@b").unwrap() >> 28;
    assert_eq!(purpose, 0xa, "the purpose stays");
    assert!(user_salt(&[1; 16], &"x".repeat(0x1_0000)).is_err());
}

#[test]
fn srtp_keys_of_another_maker() {
    let mut seen = 0;
    for &(_, gmk, _, _, guk_id, srtp) in GUK_IDS {
        let Some([rand, key, salt]) = srtp else { continue };
        let gmk: [u8; 16] = hex(gmk).try_into().unwrap();
        let master = srtp_master(&gmk, CryptoSession { cs_id: 4, csb_id: guk_id }, &hex(rand));
        assert_eq!((&master.key[..], &master.salt[..]), (&hex(key)[..], &hex(salt)[..]));
        assert_eq!(format!("{master:?}"), "SrtpMaster(redacted)");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

/// Of an I_MESSAGE of another maker: its key, the ID, and the extension behind its type.
const GMK: &str = "07d1a1677ac36d8e81620484689b3c2d";
const PROTECTED: &str = "43000000000100000000000128704fa41c8fe20f881c1bab0d32d8ca06a12aea0000244eddc3bf8c2a4a5d3fc9848440123e7d\
                         054dab4308d505759206cc789d05a4ce0e49364d";

#[test]
fn parameters_of_another_maker_open() {
    let (octets, gmk) = (hex(PROTECTED), <[u8; 16]>::try_from(hex(GMK)).unwrap());
    let (associated, id) = (&octets[..32], 0x06a1_2aea);
    let iv: [u8; 16] = octets[12..28].try_into().unwrap();
    let plain = open_parameters(&gmk, id, &iv, associated, &octets[35..]).unwrap();
    assert_eq!(plain[..], hex("0000000001000000000000000000000000000100"));
    assert_eq!(protect_parameters(&gmk, id, &iv, associated, &plain), octets[35..]);
    for at in 0..octets.len() {
        let mut altered = octets.clone();
        altered[at] ^= 1;
        let iv: [u8; 16] = altered[12..28].try_into().unwrap();
        let opened = open_parameters(&gmk, id, &iv, &altered[..32], &altered[35..]);
        assert_eq!(opened.is_ok(), (32..35).contains(&at), "{at}");
    }
    assert_eq!(open_parameters(&gmk, id + 1, &iv, associated, &octets[35..]), Err(WrongMac));
    assert_eq!(open_parameters(&[0; 16], id, &iv, associated, &octets[35..]), Err(WrongMac));
    assert_eq!(
        open_parameters(&gmk, id, &iv, associated, &octets[35..50]),
        Err(WrongMac),
        "shorter than a tag"
    );
}

#[test]
fn dpcks_of_two_makers() {
    let gmk = <[u8; 16]>::try_from(hex(GMK)).unwrap();
    assert_eq!(dpck(&gmk, 0x06a1_2aea)[..], hex("9768340935db3c2e770f2a3e97a4bb09"));
    let dppk = <[u8; 16]>::try_from(hex("000102030405060708090a0b0c0d0e0f")).unwrap();
    assert_eq!(dpck(&dppk, 0xdead_baad)[..], hex("d853d0bd6916ffc9837e2a2012a39491"));
}
