//! Periods until a set is verified, with blocks lost at random: the arithmetic of the fragments.

use super::*;

/// Runs of each row.
const RUNS: usize = 400;

/// A row: scheme, rotation, chance to hear the announcer in a period, mean, and the number of periods that 95 % need.
type Row = (Scheme, Rotation, f64, f64, u64);

/// The mean of the coded build is K / s; the others are from a simulation of their own, of 10^6 runs each (coupon collector
/// in fixed order).
const ROWS: [Row; 12] = [
    (Scheme::Ed25519, Rotation::Plain, 0.95, 4.6, 8),
    (Scheme::Ed25519, Rotation::Coded, 0.95, 4.2, 5),
    (Scheme::EccsiCompressed, Rotation::Coded, 0.95, 5.3, 6),
    (Scheme::EccsiFull, Rotation::Coded, 0.95, 7.4, 9),
    (Scheme::Ed25519, Rotation::Plain, 0.88, 5.3, 9),
    (Scheme::Ed25519, Rotation::Coded, 0.88, 4.6, 6),
    (Scheme::EccsiCompressed, Rotation::Coded, 0.88, 5.7, 7),
    (Scheme::EccsiFull, Rotation::Coded, 0.88, 8.0, 10),
    (Scheme::Ed25519, Rotation::Plain, 0.78, 6.6, 12),
    (Scheme::Ed25519, Rotation::Coded, 0.78, 5.1, 7),
    (Scheme::EccsiCompressed, Rotation::Coded, 0.78, 6.4, 9),
    (Scheme::EccsiFull, Rotation::Plain, 0.78, 13.5, 25),
];

/// SplitMix64.
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / 2_f64.powi(64)
}

/// Returns the periods until a monitor that begins in period `join` of the next set has verified the announcer, which it
/// hears with the chance `s`. `now` is the period of the announcer.
fn periods(pair: &mut Pair, public: &SignedFollow, join: u64, s: f64, (now, state): &mut (u64, u64)) -> u64 {
    let length = u64::from(pair.timing.periods());
    let begin = *now / length * length + length + join;
    let mut monitor = agent(pair.timing);
    let follow = SignedFollow { key: public.key.clone(), filter: None, group: None, ..*public };
    monitor.monitor().follow_signed(follow).unwrap();
    for period in 0..2000 {
        let into = (random(state) * 16.0) as u64;
        *now = begin + period;
        let (at, block) = pair.block(*now, into);
        if random(state) < s && verified(&hear(&mut monitor, &at, &block)).is_some() {
            return period + 1;
        }
    }
    panic!("never verified");
}

/// The digest's table: each mean within three standard errors and its rounding, each 95 % point within what its share of
/// the runs allows.
#[test]
fn periods_to_a_complete_set_are_those_of_the_arithmetic() {
    let timing = SetTiming::new(320, 0, 255).unwrap();
    for (scheme, rotation, s, mean, p95) in ROWS {
        let mut pair = Pair::new(scheme, rotation, timing);
        let public = followed(&key(scheme, 1).verifying_key(), rotation);
        let mut state = (0, (s * 1000.0) as u64 + scheme.octets() as u64);
        let mut all: Vec<u64> = (0..RUNS).map(|_| periods(&mut pair, &public, 0, s, &mut state)).collect();
        all.sort_unstable();
        let n = RUNS as f64;
        let measured = all.iter().sum::<u64>() as f64 / n;
        let variance = all.iter().map(|&one| (one as f64 - measured).powi(2)).sum::<f64>() / (n - 1.0);
        let error = 3.0 * (variance / n).sqrt() + 0.05;
        let row = format!("{scheme} {rotation:?} s = {s}: {measured:.2} +- {error:.2}");
        assert!((measured - mean).abs() <= error, "{row}, the table has {mean}");
        // 3 sigma of the share of runs.
        let slack = 3.0 * (0.95_f64 * 0.05 / n).sqrt();
        let share = |limit: u64| all.iter().filter(|&&one| one <= limit).count() as f64 / n;
        assert!(share(p95) >= 0.95 - slack, "{row}: {:.3} need at most {p95}", share(p95));
        assert!(share(p95 - 1) <= 0.95 + slack, "{row}: {:.3} need at most {}", share(p95 - 1), p95 - 1);
    }
}

/// A monitor that joins anywhere in a set of 64 periods needs little more than one that joins at its begin.
#[test]
fn late_monitors_complete() {
    let (scheme, s) = (Scheme::Ed25519, 0.88);
    let mut pair = Pair::new(scheme, Rotation::Coded, SetTiming::DEFAULT);
    let public = followed(&key(scheme, 1).verifying_key(), Rotation::Coded);
    let mut state = (0, 5);
    let mut all: Vec<u64> =
        (0..1280_u64).map(|run| periods(&mut pair, &public, run % 64, s, &mut state)).collect();
    all.sort_unstable();
    let mean = all.iter().sum::<u64>() as f64 / 1280.0;
    assert!(
        (mean - 4.8).abs() < 0.25,
        "{mean}: 4.55 at the begin, and the periods of a set that ends too early"
    );
    assert!(*all.last().unwrap() <= 16, "{all:?}");
}
