//! AES key wrap: RFC 3394 §4.1 to §4.6, and messages of an independent program with a salt as initial value.

use super::super::key_wrap::{DEFAULT_INITIAL, unwrap, wrap};
use super::hex_text as hex;

/// Key, data, wrapped data.
const RFC_3394: [[&str; 3]; 6] = [
    [
        "000102030405060708090a0b0c0d0e0f",
        "00112233445566778899aabbccddeeff",
        "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
    ],
    [
        "000102030405060708090a0b0c0d0e0f1011121314151617",
        "00112233445566778899aabbccddeeff",
        "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d",
    ],
    [
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00112233445566778899aabbccddeeff",
        "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7",
    ],
    [
        "000102030405060708090a0b0c0d0e0f1011121314151617",
        "00112233445566778899aabbccddeeff0001020304050607",
        "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2",
    ],
    [
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00112233445566778899aabbccddeeff0001020304050607",
        "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1",
    ],
    [
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
        "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
    ],
];

fn both(kek: &[u8], data: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    fn with<const N: usize>(kek: &[u8], data: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>)
    where
        [u8; N]: super::super::key_wrap::Kek,
    {
        let kek: &[u8; N] = kek.try_into().unwrap();
        let wrapped = wrap(kek, &DEFAULT_INITIAL, data);
        let back = wrapped.as_ref().and_then(|wrapped| unwrap(kek, &DEFAULT_INITIAL, wrapped));
        (wrapped, back.map(|back| back.to_vec()))
    }
    match kek.len() {
        16 => with::<16>(kek, data),
        24 => with::<24>(kek, data),
        _ => with::<32>(kek, data),
    }
}

#[test]
fn the_vectors_of_rfc_3394() {
    for [kek, data, wrapped] in RFC_3394 {
        let (out, back) = both(&hex(kek), &hex(data));
        assert_eq!(out, Some(hex(wrapped)));
        assert_eq!(back, Some(hex(data)));
    }
}

#[test]
fn what_is_altered_does_not_unwrap() {
    let (kek, initial) = ([7; 16], [9; 8]);
    let wrapped = wrap(&kek, &initial, &[5; 40]).unwrap();
    assert_eq!(unwrap(&kek, &initial, &wrapped).unwrap()[..], [5; 40]);
    for at in 0..wrapped.len() {
        let mut altered = wrapped.clone();
        altered[at] ^= 1;
        assert!(unwrap(&kek, &initial, &altered).is_none(), "{at}");
    }
    assert!(unwrap(&kek, &DEFAULT_INITIAL, &wrapped).is_none());
    assert!(unwrap(&[8; 16], &initial, &wrapped).is_none());
    for octets in [0, 7, 8, 9, 15, 17, 36] {
        assert!(wrap(&kek, &initial, &vec![0; octets]).is_none(), "{octets}");
        assert!(unwrap(&kek, &initial, &vec![0; octets]).is_none(), "{octets}");
    }
    assert!(unwrap(&kek, &initial, &[0; 16]).is_none());
}
