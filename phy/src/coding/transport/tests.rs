use super::*;
use crate::Llr;
use crate::coding::CodingError;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random_bytes(n: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random()).collect()
}

fn llrs(bits: &[u8], amplitude: Llr) -> Vec<Llr> {
    bits.iter().map(|&bit| if bit == 0 { amplitude } else { -amplitude }).collect()
}

fn round_trip(tb: &[u8], g: usize, qm: usize, rvs: &[u8]) -> (TransportDecode, Vec<u8>, f32) {
    let tbs = 8 * tb.len();
    let mut buffer = SoftBuffer::new(tbs);
    buffer.reset(tbs).unwrap();
    let mut decoder = TransportDecoder::new(tbs, DecoderConfig::default());
    let mut encoder = TransportEncoder::new(tbs);
    for &rv in rvs {
        let mut coded = vec![9; g];
        encoder.encode(tb, g, qm, rv, &mut coded).unwrap();
        decoder.combine(&mut buffer, &llrs(&coded, 100), qm, rv).unwrap();
    }
    let mut found = vec![0; tb.len()];
    let result = decoder.decode(&mut buffer, &mut found).unwrap();
    let correlation = decoder.correlation(&buffer).unwrap();
    (result, found, correlation)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn clean_blocks_decode(
        bytes in prop_oneof![1usize..100, 1usize..1000, 760usize..3500],
        seed in any::<u64>(),
        rate in 0.1f64..0.75,
        qm in 1usize..4,
        rv in 0u8..4,
    ) {
        let (tb, qm) = (random_bytes(bytes, seed), 2 * qm);
        // Redundancy versions other than 0 may omit many systematic bits, and then need a lower rate.
        let rate = if rv == 0 { rate } else { rate.min(0.5) };
        let g = ((8.0 * bytes as f64 + 100.0) / rate) as usize / qm * qm;
        let (result, found, correlation) = round_trip(&tb, g, qm, &[rv]);
        prop_assert!(result.crc_ok, "{:?}", result);
        prop_assert_eq!(found, tb);
        prop_assert!((correlation - 1.0).abs() < 1e-6);
    }

    #[test]
    fn broken_arguments_are_errors(
        bytes in 0usize..900, g in 0usize..4000, qm in 0usize..8, rv in 0u8..6, len in 0usize..4000,
    ) {
        let blocks = if 8 * bytes + 24 > 6144 { 2 } else { 1 };
        let good = (1..=875).contains(&bytes) && matches!(qm, 2 | 4 | 6) && rv < 4 && g % qm.max(1) == 0
            && g >= qm * blocks;
        let tb = vec![0x5A; bytes];
        let mut coded = vec![0; g];
        let mut encoder = TransportEncoder::new(7000);
        prop_assert_eq!(encoder.encode(&tb, g, qm, rv, &mut coded).is_ok(), good);
        if len != g {
            prop_assert!(encoder.encode(&tb, g, qm, rv, &mut vec![0; len]).is_err());
        }
        let decoder = TransportDecoder::new(7000, DecoderConfig::default());
        let mut buffer = SoftBuffer::new(7000);
        prop_assert!(decoder.combine(&mut buffer, &vec![1; g], qm, rv).is_err());
        if buffer.reset(8 * bytes).is_ok() {
            prop_assert_eq!(decoder.combine(&mut buffer, &vec![1; g], qm, rv).is_ok(), good);
        } else {
            prop_assert!(!(1..=875).contains(&bytes));
        }
    }
}

#[test]
fn two_sizes_of_code_blocks_with_filler() {
    let mut tried = 0;
    for bytes in (768..2400).step_by(7) {
        let plan = plan(8 * bytes, 8 * bytes).unwrap();
        if plan.c_minus > 0 && plan.filler > 0 {
            let tb = random_bytes(bytes, bytes as u64);
            let (result, found, _) = round_trip(&tb, 24 * bytes, 4, &[0]);
            assert!(result.crc_ok && result.code_blocks_ok == plan.blocks() && found == tb, "{plan:?}");
            tried += 1;
        }
    }
    assert!(tried > 20);
}

#[test]
fn transmissions_add_up() {
    // Each carries 1.25 times fewer bits than the block has: they decode only together.
    let tb = random_bytes(1200, 5);
    assert!(!round_trip(&tb, 7680, 2, &[0]).0.crc_ok);
    let (result, found, _) = round_trip(&tb, 7680, 2, &[0, 2, 3, 1]);
    assert!(result.crc_ok && found == tb);
}

#[test]
fn nothing_stays_from_a_larger_block() {
    let mut encoder = TransportEncoder::new(20_000);
    let mut decoder = TransportDecoder::new(20_000, DecoderConfig::default());
    let mut buffer = SoftBuffer::new(20_000);
    for (bytes, g, amplitude) in
        [(2500, 40_000, 4095), (29, 576, 20), (2400, 40_000, 20), (2, 288, 1), (767, 9216, 3)]
    {
        let tb = random_bytes(bytes, bytes as u64);
        let mut coded = vec![0; g];
        encoder.encode(&tb, g, 2, 0, &mut coded).unwrap();
        buffer.reset(8 * bytes).unwrap();
        decoder.combine(&mut buffer, &llrs(&coded, amplitude), 2, 0).unwrap();
        let mut found = vec![0; bytes];
        let result = decoder.decode(&mut buffer, &mut found).unwrap();
        assert!(result.crc_ok && found == tb, "{bytes} bytes: {result:?}");
    }
}

#[test]
fn code_blocks_that_were_right_are_not_decoded_again() {
    let tb = random_bytes(1500, 7);
    let (mut coded, g) = (vec![0; 36_000], 36_000);
    TransportEncoder::new(12_000).encode(&tb, g, 2, 0, &mut coded).unwrap();
    let mut received = llrs(&coded, 50);
    received[g / 2..].fill(0);
    let mut decoder = TransportDecoder::new(12_000, DecoderConfig::default());
    let mut buffer = SoftBuffer::new(12_000);
    buffer.reset(12_000).unwrap();
    decoder.combine(&mut buffer, &received, 2, 0).unwrap();
    let mut found = vec![0; 1500];
    let first = decoder.decode(&mut buffer, &mut found).unwrap();
    assert_eq!((first.crc_ok, first.code_blocks_ok), (false, 1));
    decoder.combine(&mut buffer, &llrs(&coded, 50), 2, 0).unwrap();
    let second = decoder.decode(&mut buffer, &mut found).unwrap();
    assert!(second.crc_ok && second.half_iterations == 1 && found == tb);
}

#[test]
fn silence_is_no_block() {
    let mut buffer = SoftBuffer::new(1000);
    let mut decoder = TransportDecoder::new(1000, DecoderConfig::default());
    let mut found = [0; 125];
    assert!(matches!(decoder.decode(&mut buffer, &mut found), Err(CodingError::BlockSize { .. })));
    buffer.reset(1000).unwrap();
    decoder.combine(&mut buffer, &[0; 3000], 2, 0).unwrap();
    assert!(!decoder.decode(&mut buffer, &mut found).unwrap().crc_ok);
    assert_eq!(buffer.energy(), 0.0);
    assert_eq!(decoder.correlation(&buffer).unwrap(), 0.0);
}
