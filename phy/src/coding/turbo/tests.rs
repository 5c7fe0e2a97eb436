use super::*;
use crate::Llr;
use crate::coding::crc::CRC24B;
use crate::coding::rate_match::{CircularBuffer, Deinterleaver, TURBO_COLUMNS};
use crate::kernel::Backend;
use crate::kernel::turbo::{Kernel, kernels, portable_kernels};
use crate::tables::qpp::QPP;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn unpack(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1)).collect()
}

/// Runs the shift registers of TS 36.212 Figure 5.1.3-2, step by step.
fn reference(bits: &[u8]) -> [Vec<u8>; 3] {
    let k = bits.len();
    let qpp = crate::tables::qpp::qpp(k).unwrap();
    let constituent = |input: Vec<u8>| {
        let (mut s, mut z) = ([0u8; 3], Vec::new());
        for u in input {
            let a = u ^ s[1] ^ s[2];
            z.push(a ^ s[0] ^ s[2]);
            s = [a, s[0], s[1]];
        }
        let mut tail = Vec::new();
        for _ in 0..3 {
            tail.push((s[1] ^ s[2], s[0] ^ s[2]));
            s = [0, s[0], s[1]];
        }
        (z, tail)
    };
    let (z, t) = constituent(bits.to_vec());
    let (z2, t2) = constituent((0..k).map(|i| bits[qpp.at(i)]).collect());
    let with = |mut d: Vec<u8>, tail: [u8; 4]| {
        d.extend(tail);
        d
    };
    [
        with(bits.to_vec(), [t[0].0, t[1].1, t2[0].0, t2[1].1]),
        with(z, [t[0].1, t[2].0, t2[0].1, t2[2].0]),
        with(z2, [t[1].0, t[2].1, t2[1].0, t2[2].1]),
    ]
}

/// Returns the circular buffer with its NULLs (2), as TS 36.212 §5.1.4.1.1 and §5.1.4.1.2 word it.
fn reference_circular(d: &[Vec<u8>; 3], filler: usize) -> Vec<u8> {
    const NULL: u8 = 2;
    let rows = d[0].len().div_ceil(32);
    let k_pi = 32 * rows;
    let y = |i: usize| {
        let mut y = vec![NULL; k_pi - d[i].len()];
        y.extend(d[i].iter().enumerate().map(|(k, &bit)| if i < 2 && k < filler { NULL } else { bit }));
        y
    };
    let column = |k: usize| TURBO_COLUMNS[k / rows] as usize + 32 * (k % rows);
    let (y0, y1, y2) = (y(0), y(1), y(2));
    let mut w: Vec<u8> = (0..k_pi).map(|k| y0[column(k)]).collect();
    for k in 0..k_pi {
        w.push(y1[column(k)]);
        w.push(y2[(column(k) + 1) % k_pi]);
    }
    w
}

fn random_block(k: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut block: Vec<u8> = (0..k / 8).map(|_| rng.random()).collect();
    let parity = CRC24B.bytes(&block[..k / 8 - 3]).to_be_bytes();
    block[k / 8 - 3..].copy_from_slice(&parity[1..]);
    block
}

/// Returns the streams of a block over white noise: the soft values of BPSK of amplitude 1 and noise variance `sigma`^2.
fn noisy(block: &[u8], sigma: f32, rng: &mut ChaCha8Rng) -> [Vec<Llr>; 3] {
    let mut encoder = TurboEncoder::new();
    encoder.encode(block).unwrap();
    std::array::from_fn(|i| {
        let mut bits = vec![0; 8 * block.len() + 4];
        encoder.stream(i, &mut bits).unwrap();
        let normal = |rng: &mut ChaCha8Rng| {
            let u: f32 = 1.0 - rng.random::<f32>();
            (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * rng.random::<f32>()).cos()
        };
        bits.iter()
            .map(|&bit| {
                let received = 1.0 - 2.0 * f32::from(bit) + sigma * normal(rng);
                (received * 2.0 / (sigma * sigma) * crate::LLR_UNITS_PER_NAT).clamp(-4095.0, 4095.0) as Llr
            })
            .collect()
    })
}

fn views(d: &[Vec<Llr>; 3]) -> [&[Llr]; 3] {
    [&d[0], &d[1], &d[2]]
}

#[test]
// TS 36.212 §5.4.2 with §5.1.3.2
fn encoder_matches_the_figure_at_every_length() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut encoder = TurboEncoder::new();
    for qpp in QPP {
        let k = usize::from(qpp.k);
        let block = random_block(k, &mut rng);
        encoder.encode(&block).unwrap();
        let expected = reference(&unpack(&block));
        for (i, expected) in expected.iter().enumerate() {
            let mut found = vec![0; k + 4];
            encoder.stream(i, &mut found).unwrap();
            assert_eq!(&found, expected, "K = {k}, stream {i}");
        }
    }
}

#[test]
// TS 36.212 §5.4.2 with §5.1.4.1.1; TS 36.212 §5.4.2 with §5.1.4.1.2 (1)
fn circular_buffer_matches_the_matrix_at_every_length() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut encoder = TurboEncoder::new();
    for qpp in QPP {
        let k = usize::from(qpp.k);
        for filler in [0, 8 * rng.random_range(1..8).min(k / 8 - 4)] {
            let mut block = random_block(k, &mut rng);
            block[..filler / 8].fill(0);
            encoder.encode(&block).unwrap();
            let full = reference_circular(&reference(&unpack(&block)), filler);
            let layout = CircularBuffer::new(k, filler);
            let mut found = vec![0; layout.len()];
            encoder.circular_buffer(layout, &mut found).unwrap();
            assert!(found.iter().eq(full.iter().filter(|bit| **bit != 2)), "K = {k}, F = {filler}");

            let rows = (k + 4).div_ceil(32);
            for rv in 0..4 {
                // k_0 in the words of TS 36.212 §5.1.4.1.2.
                let k0 = rows * (2 * full.len().div_ceil(8 * rows) * usize::from(rv) + 2);
                let before = full[..k0].iter().filter(|bit| **bit != 2).count();
                assert_eq!(layout.start(rv), before, "K = {k}, F = {filler}, rv = {rv}");
            }

            // Soft values return to the places from which the bits came.
            let soft: Vec<Llr> = found.iter().map(|&bit| 1 - 2 * Llr::from(bit)).collect();
            let mut d = [vec![9; k + 4], vec![9; k + 4], vec![9; k + 5]];
            let [d0, d1, d2] = &mut d;
            Deinterleaver::new(k, Backend::detect()).run(layout, &soft, [d0, d1, d2]);
            d[2].pop();
            for (i, (soft, bits)) in d.iter().zip(reference(&unpack(&block))).enumerate() {
                let skip = if i < 2 { filler } else { 0 };
                assert!(soft[..skip].iter().all(|&llr| llr == 9));
                assert!(
                    soft[skip..].iter().zip(&bits[skip..]).all(|(&llr, &bit)| llr == 1 - 2 * Llr::from(bit))
                );
            }
        }
    }
}

#[test]
fn noisy_blocks_decode_at_every_length_on_every_backend() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
        let config = DecoderConfig { backend: Some(backend), ..DecoderConfig::default() };
        let mut decoder = TurboDecoder::new(6144, config);
        for qpp in QPP {
            let k = usize::from(qpp.k);
            let block = random_block(k, &mut rng);
            // 3 dB above the point at which blocks of 40 bits fail now and then.
            let d = noisy(&block, 0.7, &mut rng);
            let mut found = vec![0; k / 8];
            let result = decoder.decode(views(&d), 0, Check::Crc24B, &mut found).unwrap();
            assert!(result.crc_ok && found == block, "K = {k} on {backend:?}: {result:?}");
        }
    }
}

/// Kernels with the same number of lanes do the same arithmetic: they agree in every bit and in the number of half
/// iterations, for any input.
#[test]
fn backends_agree_with_portable_code() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
        for &kernel in kernels(backend) {
            let decoder = |kernel: Kernel| {
                // Lengths that the lanes do not divide go to the single lane.
                let kernels = Box::leak(Box::new([kernel, *portable(1)]));
                TurboDecoder::with_kernels(6144, DecoderConfig::default(), backend, kernels)
            };
            let mut decoders = [decoder(kernel), decoder(*portable(kernel.lanes))];
            for k in QPP.iter().map(|qpp| usize::from(qpp.k)).step_by(3) {
                let block = random_block(k, &mut rng);
                let mut d = noisy(&block, 1.0 + 0.1 * rng.random::<f32>(), &mut rng);
                if rng.random_ratio(1, 4) {
                    d = std::array::from_fn(|_| (0..k + 4).map(|_| rng.random()).collect());
                }
                let [a, b] = decoders.each_mut().map(|decoder| {
                    let mut found = vec![0; k / 8];
                    (decoder.decode(views(&d), 0, Check::Crc24B, &mut found).unwrap(), found)
                });
                assert_eq!(a, b, "K = {k}, {} lanes of {backend:?}", kernel.lanes);
            }
        }
    }
}

fn portable(lanes: usize) -> &'static Kernel {
    portable_kernels().iter().find(|kernel| kernel.lanes == lanes).unwrap()
}

/// Runs log-MAP in floating point over the whole block, without any approximation; returns whether it finds `block`.
fn floating_point_decodes(d: &[Vec<Llr>; 3], block: &[u8], half_iterations: usize) -> bool {
    let k = 8 * block.len();
    let qpp = crate::tables::qpp::qpp(k).unwrap();
    let nats = |llr: Llr| f32::from(llr) / crate::LLR_UNITS_PER_NAT;
    let tail = |i: usize| nats(d[i % 3][k + i / 3]);
    let order: [Vec<usize>; 2] = [(0..k).collect(), (0..k).map(|i| qpp.at(i)).collect()];
    let mut extrinsic = [vec![0.0; k], vec![0.0; k]];
    for half in 0..half_iterations {
        let (code, order) = (half % 2, &order[half % 2]);
        let known: Vec<f32> = order.iter().map(|&i| nats(d[0][i]) + extrinsic[1 - code][i]).collect();
        let parity: Vec<f32> = d[1 + code][..k].iter().map(|&llr| nats(llr)).collect();
        let tails = std::array::from_fn(|i| tail(6 * code + i));
        for (value, &i) in log_map(&known, &parity, tails).into_iter().zip(order) {
            extrinsic[code][i] = value;
        }
    }
    unpack(block)
        .iter()
        .enumerate()
        .all(|(i, &bit)| (nats(d[0][i]) + extrinsic[0][i] + extrinsic[1][i] < 0.0) == (bit == 1))
}

fn log_map(known: &[f32], parity: &[f32], tail: [f32; 6]) -> Vec<f32> {
    const NEVER: f32 = -1e9;
    let add = |sum: &mut f32, x: f32| *sum = sum.max(x) + (-(*sum - x).abs()).exp().ln_1p();
    let branch = |s: usize, u: usize| {
        let (s1, s2, s3) = (s >> 2, s >> 1 & 1, s & 1);
        let a = u ^ s2 ^ s3;
        (4 * a + (s >> 1), a ^ s1 ^ s3)
    };
    let cost = |i: usize, u: usize, z: usize| known[i] * u as f32 + parity[i] * z as f32;
    let mut alpha = vec![[NEVER; 8]; known.len() + 1];
    alpha[0][0] = 0.0;
    for i in 0..known.len() {
        for (s, u) in (0..16).map(|n| (n / 2, n % 2)) {
            let (next, z) = branch(s, u);
            let metric = alpha[i][s] - cost(i, u, z);
            add(&mut alpha[i + 1][next], metric);
        }
    }
    let mut beta = [NEVER; 8];
    beta[0] = 0.0;
    for pair in tail.chunks(2).rev() {
        beta = std::array::from_fn(|s| {
            let u = (s >> 1 ^ s) & 1;
            beta[s >> 1] - pair[0] * u as f32 - pair[1] * branch(s, u).1 as f32
        });
    }
    let mut extrinsic = vec![0.0; known.len()];
    for i in (0..known.len()).rev() {
        let (mut before, mut sums) = ([NEVER; 8], [NEVER; 2]);
        for (s, u) in (0..16).map(|n| (n / 2, n % 2)) {
            let (next, z) = branch(s, u);
            add(&mut sums[u], alpha[i][s] + beta[next] - cost(i, 0, z));
            add(&mut before[s], beta[next] - cost(i, u, z));
        }
        extrinsic[i] = sums[0] - sums[1];
        beta = before;
    }
    extrinsic
}

/// At points where most blocks decode, fixed point, windows and straight lines together lose no more of them than 0.1
/// dB of noise would: the points in 100 that are listed beside the block length.
#[test]
fn decoding_is_within_a_tenth_of_a_decibel_of_floating_point() {
    let blocks = 150;
    for (k, points, sigma) in [(40, 3, 1.1), (256, 4, 1.14), (1024, 10, 1.17)] {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let mut decoder = TurboDecoder::new(k, DecoderConfig::default());
        let (mut found, mut truth) = (0, 0);
        for _ in 0..blocks {
            let block = random_block(k, &mut rng);
            let d = noisy(&block, sigma, &mut rng);
            let mut decoded = vec![0; k / 8];
            found += usize::from(decoder.decode(views(&d), 0, Check::Crc24B, &mut decoded).unwrap().crc_ok);
            truth += usize::from(floating_point_decodes(&d, &block, 16));
        }
        assert!(truth > blocks / 2 && truth < blocks * 9 / 10, "K = {k}: {truth} of {blocks}");
        assert!(found + blocks * points / 100 >= truth, "K = {k}: {found}, but {truth} in floating point");
    }
}

#[test]
fn silence_is_no_block() {
    let mut found = [1; 32];
    let d = [0; 260];
    let result =
        TurboDecoder::new(256, DecoderConfig::default()).decode([&d; 3], 0, Check::Crc24A, &mut found);
    assert!(!result.unwrap().crc_ok);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_input_decodes_to_something(seed in any::<u64>(), row in 0usize..188, filler in 0usize..70) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let k = usize::from(QPP[row].k);
        let d: [Vec<Llr>; 3] = std::array::from_fn(|_| (0..k + 4).map(|_| rng.random()).collect());
        let mut decoder = TurboDecoder::new(k, DecoderConfig::default());
        let mut found = vec![0; k / 8];
        let result = decoder.decode(views(&d), filler, Check::Crc24A, &mut found).unwrap();
        prop_assert!(result.half_iterations <= 16);
        prop_assert!(decoder.decode(views(&d), filler, Check::None, &mut vec![0; k / 8 + 1]).is_err());
    }
}
