//! The codes alone.

use super::wanted;
use crate::bench::timing::{Timing, time};
use sidelink_phy::Llr;
use sidelink_phy::coding::tail_biting::{ControlDecoder, ControlEncoder};
use sidelink_phy::coding::turbo::{Check, DecoderConfig, TurboDecoder, TurboEncoder};
use sidelink_phy::impair::rng::Rng;
use std::hint::black_box;
use std::time::Duration;

/// Mbit/s of the peer's AVX2 decoder at K = 6144, by half-iterations.
const PEER: [(usize, f64); 6] = [(1, 694.0), (2, 399.0), (3, 334.0), (5, 218.0), (10, 113.0), (20, 60.0)];

const K: usize = 6144;

pub(super) fn run(budget: Duration, only: &str, done: &mut dyn FnMut(&Timing)) {
    turbo(budget, only, done);
    for (k, peer) in [(48, 3.8), (64, 4.5)] {
        let name = format!("tail-biting Viterbi, {k} bits");
        if wanted(&name, only) {
            let payload = vec![1; k - 16];
            let mut coded = vec![0; 480];
            if ControlEncoder::new(k).encode(&payload, &mut coded).is_err() {
                continue;
            }
            let llrs = noisy(&coded, 4);
            let mut decoder = ControlDecoder::new(k);
            let mut out = vec![0; k - 16];
            done(
                &time(name, budget, || {
                    let _ = black_box(decoder.decode(&llrs, &mut out));
                })
                .against(peer, 1.0),
            );
        }
    }
}

fn turbo(budget: Duration, only: &str, done: &mut dyn FnMut(&Timing)) {
    let mut rng = Rng::new(2);
    let block: Vec<u8> = (0..K / 8).map(|_| rng.below(256) as u8).collect();
    let mut encoder = TurboEncoder::new();
    let name = format!("turbo encoding, K = {K}");
    if wanted(&name, only) {
        let peer = K as f64 / 1360.0;
        let t = time(name, budget, || {
            let _ = black_box(encoder.encode(&block));
        });
        done(&t.with_rate(K as f64 / 1e6, "Mbit/s").against(peer, 1.0));
    }
    if encoder.encode(&block).is_err() {
        return;
    }
    let mut streams = [vec![0u8; K + 4], vec![0u8; K + 4], vec![0u8; K + 4]];
    for (i, s) in streams.iter_mut().enumerate() {
        if encoder.stream(i, s).is_err() {
            return;
        }
    }
    let llrs = streams.map(|s| noisy(&s, 9));
    for (half_iterations, mbit) in PEER {
        let name = format!("turbo decoding, K = {K}, {half_iterations} half-iterations");
        if !wanted(&name, only) {
            continue;
        }
        let config = DecoderConfig { max_half_iterations: half_iterations, ..DecoderConfig::default() };
        let mut decoder = TurboDecoder::new(K, config);
        let mut out = vec![0u8; K / 8];
        let t = time(name, budget, || {
            let _ = black_box(decoder.decode([&llrs[0], &llrs[1], &llrs[2]], 0, Check::None, &mut out));
        });
        done(&t.with_rate(K as f64 / 1e6, "Mbit/s").against(K as f64 / mbit, 1.5));
    }
}

/// Returns soft bits of coded bits, with some noise.
fn noisy(bits: &[u8], seed: u64) -> Vec<Llr> {
    let mut rng = Rng::new(seed);
    let soft = |b: &u8| (1.0 - 2.0 * *b as f32) * 40.0 + 15.0 * rng.complex_gaussian().re;
    bits.iter().map(soft).map(|v| v as Llr).collect()
}
