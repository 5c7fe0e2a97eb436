//! Every backend against the portable one, that one against definitions and against crates, at any length and alignment.

use super::super::tests::hex;
use super::portable::{Table, multiply, window};
use super::*;
use ::aes::Aes128Enc;
use ::aes::cipher::{BlockCipherEncrypt, KeyInit};
use proptest::prelude::*;

/// Longest message, in octets.
const LONGEST: usize = 9000;

fn aes_loops() -> impl Iterator<Item = (Backend, AesLoops)> {
    Backend::available().filter_map(|backend| Some((backend, loops(backend).aes?)))
}

fn encrypted(aes: &Aes128Enc, block: u128) -> u128 {
    let mut block = block.to_be_bytes().into();
    aes.encrypt_block(&mut block);
    u128::from_be_bytes(block.into())
}

/// Octets that repeat only after a prime number of them.
fn octets(seed: u64, length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|i| (seed.wrapping_mul(i % 8191 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

#[test]
fn this_machine_runs_what_it_detects() {
    assert!(Backend::available().any(|backend| backend == Backend::Portable));
    assert_eq!(Backend::available().last(), Some(Backend::detect()));
}

#[test]
fn round_keys_are_those_of_the_standard() {
    // FIPS 197 §A.1
    let key = hex("2b7e151628aed2a6abf7158809cf4f3c").try_into().unwrap();
    for (backend, loops) in aes_loops() {
        let keys = (loops.expand)(&key);
        assert_eq!(keys.0[0], key, "{backend:?}");
        assert_eq!(keys.0[1].to_vec(), hex("a0fafe1788542cb123a339392a6c7605"), "{backend:?}");
        assert_eq!(keys.0[10].to_vec(), hex("d014f9a8c9ee2589e13f0cc8b6630ca6"), "{backend:?}");
    }
}

#[test]
fn the_middle_word_of_a_product_are_the_windows() {
    // Bit 0 selects the window at bit 0, bit 31 the one at bit 31.
    assert_eq!(window(0x1234_5678, 0x9abc_def0, 0x8000_0000), 0x1234_5678);
    assert_eq!(window(0x1234_5678, 0x9abc_def0, 0x0800_0000), 0x2345_6789);
    assert_eq!(window(0x1234_5678, 0x9abc_def0, 0x0000_0001), 0x4d5e_6f78);
    assert_eq!(window(0x1234_5678, 0x9abc_def0, 0x8800_0000), 0x1234_5678 ^ 0x2345_6789);
}

#[test]
fn windows_without_keystream_are_nothing() {
    for backend in Backend::available() {
        let windows = loops(backend).windows;
        for words in [0, 1, 3, 4, 5, 40] {
            assert_eq!(windows(&[], &vec![[0xff; 4]; words]), 0, "{backend:?} {words}");
            assert_eq!(windows(&[u32::MAX], &vec![[0xff; 4]; words]), 0, "{backend:?} {words}");
        }
        // The shorter one counts.
        let keystream: Vec<u32> = (0..40_u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
        let message = vec![[0xa5; 4]; 60];
        assert_eq!(windows(&keystream, &message), windows(&keystream, &message[..39]), "{backend:?}");
        assert_eq!(
            windows(&keystream, &message[..7]),
            windows(&keystream[..8], &message[..7]),
            "{backend:?}"
        );
    }
}

proptest! {
    #[test]
    fn table_equals_the_definition(v: u64, p: u64) {
        prop_assert_eq!(Table::new(p).multiply(v), multiply(v, p));
    }

    #[test]
    fn multiplication_commutes_and_distributes(a: u64, b: u64, c: u64) {
        prop_assert_eq!(multiply(a, b), multiply(b, a));
        prop_assert_eq!(multiply(a ^ b, c), multiply(a, c) ^ multiply(b, c));
    }

    #[test]
    fn uia2_is_the_polynomial_on_every_backend(
        p: u64, q: u64, seed: u64, length in 0..=LONGEST, offset in 0_usize..16, last: Option<u64>, bits: u64,
    ) {
        let message = octets(seed, offset + length);
        let (blocks, _) = message[offset..].as_chunks::<8>();
        let inputs = Uia2 { p, q, blocks, last, length: bits };
        let values = blocks.iter().map(|block| u64::from_be_bytes(*block)).chain(last);
        let expected = multiply(values.fold(0, |eval, block| multiply(eval ^ block, p)) ^ bits, q);
        for backend in Backend::available() {
            prop_assert_eq!((loops(backend).uia2)(&inputs), expected, "{:?} {}", backend, length);
        }
    }

    #[test]
    fn windows_are_those_of_each_word_on_every_backend(
        seed: u64, words in 0_usize..=64, offset in 0_usize..16, from in 0_usize..4,
    ) {
        let keystream: Vec<u32> =
            octets(!seed, 4 * (from + words + 1)).as_chunks().0.iter().map(|word| u32::from_be_bytes(*word)).collect();
        let message = octets(seed, offset + 4 * words);
        let (message, _) = message[offset..].as_chunks::<4>();
        let keystream = &keystream[from..];
        let expected = (0..words).fold(0, |sum, i| {
            sum ^ window(keystream[i], keystream[i + 1], u32::from_be_bytes(message[i]))
        });
        for backend in Backend::available() {
            prop_assert_eq!((loops(backend).windows)(keystream, message), expected, "{:?}", backend);
        }
    }

    #[test]
    fn counter_mode_is_the_block_cipher_of_each_counter(
        key: [u8; 16], nonce: u64, seed: u64, length in 0..=LONGEST, offset in 0_usize..64,
    ) {
        let message = octets(seed, offset + length + 7);
        let aes = Aes128Enc::new(&key.into());
        let mut expected = message.clone();
        for (counter, block) in expected[offset..offset + length].chunks_mut(16).enumerate() {
            let keystream = encrypted(&aes, u128::from(nonce) << 64 | counter as u128).to_be_bytes();
            block.iter_mut().zip(keystream).for_each(|(octet, keystream)| *octet ^= keystream);
        }
        for (backend, loops) in aes_loops() {
            let mut data = message.clone();
            (loops.counter_mode)(&(loops.expand)(&key), nonce, &mut data[offset..offset + length]);
            // Nothing outside of the data is touched.
            prop_assert!(data == expected, "{:?} {} octets from {}", backend, length, offset);
        }
    }
}
