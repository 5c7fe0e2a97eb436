//! Whether the time of a call depends on its secrets: the test of dudect (Reparaz, Balasch, Verbauwhede, 2017). Calls
//! with one fixed secret and calls with fresh ones alternate at random, and Welch's t compares their times. Above 4.5 the
//! two differ; a loaded machine shows less, never more but by chance.
//!
//! A long campaign, not part of the tests; prints its statistics and asserts only that the method sees a leak:
//!
//! ```text
//! cargo test --release -p sidelink-security --test constant_time -- --ignored --nocapture --test-threads=1
//! ```
#![allow(clippy::disallowed_methods, missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use sha2::{Digest, Sha256};
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::{Backend, Encapsulator, ReceiverKey};

/// Calls of a campaign.
const CALLS: usize = 20_000;

/// Octets that look random, the same ones in every run.
fn octets<const N: usize>(seed: &[u8], number: usize) -> [u8; N] {
    let mut out = [0; N];
    for (at, chunk) in out.chunks_mut(32).enumerate() {
        let block =
            Sha256::new().chain_update(seed).chain_update(number.to_be_bytes()).chain_update([at as u8]);
        chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
    }
    out
}

/// Times `call` on inputs of both classes and returns the largest |t| over all times and the fastest shares of them.
fn campaign<T>(name: &str, inputs: &[(bool, T)], mut call: impl FnMut(&T)) -> f64 {
    inputs.iter().take(20).for_each(|(_, input)| call(input));
    let mut times: Vec<(bool, f64)> = inputs
        .iter()
        .map(|(fixed, input)| {
            let before = Instant::now();
            call(input);
            (*fixed, before.elapsed().as_secs_f64() * 1e9)
        })
        .collect();
    times.sort_by(|a, b| a.1.total_cmp(&b.1));
    let shares = [0.5, 0.8, 0.95, 1.0];
    let statistics = shares.map(|share| t(&times[..(times.len() as f64 * share) as usize]));
    eprintln!(
        "{name:44} {:6} calls, least {:9.0} ns, t of the fastest 50, 80, 95, 100 %: {:6.2} {:6.2} {:6.2} {:6.2}",
        inputs.len(),
        times[0].1,
        statistics[0],
        statistics[1],
        statistics[2],
        statistics[3],
    );
    statistics.into_iter().map(f64::abs).fold(0.0, f64::max)
}

/// Welch's t of the two classes.
fn t(times: &[(bool, f64)]) -> f64 {
    let [a, b] = [true, false].map(|class| {
        let of: Vec<f64> = times.iter().filter(|(fixed, _)| *fixed == class).map(|(_, time)| *time).collect();
        let count = of.len() as f64;
        let mean = of.iter().sum::<f64>() / count;
        let variance = of.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    (a.0 - b.0) / (a.1 + b.1).sqrt()
}

/// Inputs of two classes in random order: input 0, or one of its own.
fn classes<T>(calls: usize, input: impl Fn(usize) -> T) -> Vec<(bool, T)> {
    let fixed = |number: usize| octets::<1>(b"class", number)[0] & 1 == 0;
    (1..=calls).map(|number| (fixed(number), input(if fixed(number) { 0 } else { number }))).collect()
}

#[test]
#[ignore = "a campaign of seconds; run with --release"]
fn signing() {
    let kms = AuthenticationSecret::generate(&octets(b"ksak", 0)).unwrap();
    let key = kms.issue(b"user", &octets(b"v", 0)).unwrap();
    let nonces = classes(CALLS, |number| octets::<32>(b"nonce", number));
    campaign("sign, nonce", &nonces, |nonce| _ = black_box(key.sign(b"message", *nonce)));
    let keys: Vec<_> = (0..256).map(|number| kms.issue(b"user", &octets(b"v", number)).unwrap()).collect();
    let keys = classes(CALLS, |number| &keys[number % 256]);
    campaign("sign, SSK", &keys, |key| _ = black_box(key.sign(b"message", [1; 32])));
}

#[test]
#[ignore = "a campaign of minutes; run with --release"]
fn encapsulating_and_decapsulating() {
    let kms = EncryptionSecret::generate(&octets(b"z", 0)).unwrap();
    let rsk = kms.issue(b"user").unwrap().to_octets();
    for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
        let encapsulator = Encapsulator::with_backend(kms.public_key(), backend);
        let key = ReceiverKey::with_backend(kms.public_key(), b"user", &*rsk, backend).unwrap();
        let calls = if backend == Backend::Portable { CALLS / 10 } else { CALLS };
        let ssvs = classes(calls, |number| octets::<16>(b"ssv", number));
        campaign(&format!("encapsulate, SSV, {backend:?}"), &ssvs, |ssv| {
            _ = black_box(encapsulator.encapsulate(b"user", ssv));
        });
        let data = |number: usize| encapsulator.encapsulate(b"user", &octets(b"ssv", number)).unwrap();
        let pool: Vec<_> = (0..256).map(data).collect();
        let good = classes(calls, |number| pool[number % 256]);
        campaign(&format!("decapsulate, SSV, {backend:?}"), &good, |data| {
            _ = black_box(key.decapsulate(data))
        });
        // The fixed class is right, the other one wrong: in its point, and in its masked SSV.
        for (what, at) in [("point off the curve", 200), ("masked SSV", 260)] {
            let changed = |number: usize| {
                let mut data = pool[0];
                data[at] ^= u8::from(number != 0);
                data
            };
            let mixed = classes(calls, changed);
            campaign(&format!("decapsulate, right or {what}, {backend:?}"), &mixed, |data| {
                _ = black_box(key.decapsulate(data));
            });
        }
    }
    let keys: Vec<_> = (0..16)
        .map(|number| {
            let kms = EncryptionSecret::generate(&octets(b"z", number)).unwrap();
            let key = kms.issue(b"user").unwrap();
            let data = Encapsulator::new(kms.public_key()).encapsulate(b"user", &[1; 16]).unwrap();
            (key, data)
        })
        .collect();
    // Every input has lines and tables of its own, so that both classes find them in the same caches.
    let keys = classes(CALLS / 4, |number| &keys[if number == 0 { 0 } else { 1 + number % 15 }]);
    campaign("decapsulate, RSK (caches differ)", &keys, |(key, data)| _ = black_box(key.decapsulate(data)));
}

/// The method finds a comparison that ends at the first difference: without this, small numbers above mean nothing.
#[test]
#[ignore = "a campaign of seconds; run with --release"]
fn a_leak_is_seen() {
    let secret: Vec<u8> = (0..4096).map(|i| i as u8).collect();
    let inputs = classes(CALLS, |number| {
        let mut guess = secret.clone();
        guess[if number == 0 { 4095 } else { number % 4096 }] ^= 1;
        guess
    });
    let leak = campaign("control: comparison that ends early", &inputs, |guess| {
        _ = black_box(guess.iter().zip(black_box(&secret)).position(|(a, b)| a != b));
    });
    assert!(leak > 4.5, "the campaign does not see a plain leak: the machine is too busy");
}
