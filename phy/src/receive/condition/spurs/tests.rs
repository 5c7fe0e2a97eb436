use super::*;
use crate::impair::rng::Rng;

const BLOCK: usize = 7680;

fn power(x: &[Sample]) -> f64 {
    x.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>() / x.len() as f64
}

/// Makes block `k` of bursts in noise: a tenth of the band wide, every third block, at 25 dB.
fn bursts(k: u64, shaped: &mut Vec<Sample>) {
    let mut rng = Rng::new(k);
    shaped.clear();
    let mut low = Sample::default();
    for _ in 0..BLOCK {
        low = low * 0.8 + rng.complex_gaussian() * 0.6 * if k.is_multiple_of(3) { 1.0 } else { 0.056 };
        shaped.push(low + rng.complex_gaussian() * 0.056);
    }
}

/// Returns the power of the rest beside the bursts, and the frequencies that are subtracted, after `blocks` blocks with
/// `lines` of frequency (turns per sample) and amplitude.
fn left(lines: &[(f64, f32)], blocks: u64, lost: impl Fn(u64) -> usize) -> (f64, Vec<f64>) {
    let mut spurs = Spurs::new(BLOCK);
    let (mut clean, mut at, mut sum) = (Vec::new(), 0usize, 0.0);
    for k in 0..blocks {
        bursts(k, &mut clean);
        at += lost(k);
        let mut block = clean.clone();
        for &(step, amplitude) in lines {
            for (i, x) in block.iter_mut().enumerate() {
                let turns = (step * (at + i) as f64).fract();
                *x += Sample::from_polar(amplitude, (std::f64::consts::TAU * turns) as f32);
            }
        }
        at += BLOCK;
        let of_block = power(&block);
        spurs.process(&mut block, of_block);
        if k >= blocks - 20 {
            let rest: Vec<Sample> = block.iter().zip(&clean).map(|(a, b)| a - b).collect();
            sum += power(&rest) / 20.0;
        }
    }
    (sum, spurs.frequencies().collect())
}

#[test]
fn two_lines_are_found_and_taken_out_by_30_decibels() {
    for (seed, amplitude) in [(0.0, 0.1), (0.03, 0.18), (0.0, 1.0)] {
        let lines = [(0.0717 + seed, amplitude), (-0.2131 + seed, amplitude)];
        let (rest, found) = left(&lines, 100, |_| 0);
        assert_eq!(found.len(), 2, "{amplitude}: {found:?}");
        for (step, _) in lines {
            let nearest = found.iter().map(|f| (f - step).abs() * BLOCK as f64).fold(f64::MAX, f64::min);
            assert!(nearest < 0.01, "{amplitude}: {nearest} turns a block off");
        }
        let before = 2.0 * f64::from(amplitude * amplitude);
        assert!(rest < 1e-3 * before, "{amplitude}: {:.1} dB", 10.0 * (rest / before).log10());
    }
}

#[test]
fn lost_samples_break_a_line_for_one_block_only() {
    let (rest, found) = left(&[(0.0717, 0.18)], 100, |k| if k == 80 { 777 } else { 0 });
    assert_eq!(found.len(), 1);
    assert!(rest < 1e-2 * 0.0324, "{rest}");
}

#[test]
fn bursts_and_noise_have_no_lines() {
    let (rest, found) = left(&[], 400, |_| 0);
    assert_eq!(found, [0.0; 0]);
    assert_eq!(rest, 0.0);
}

#[test]
fn a_line_that_ends_is_given_up() {
    let mut spurs = Spurs::new(BLOCK);
    let mut clean = Vec::new();
    for k in 0..400u64 {
        bursts(k, &mut clean);
        if k < 100 {
            for (i, x) in clean.iter_mut().enumerate() {
                *x += Sample::from_polar(
                    0.2,
                    (0.3 * (k as usize * BLOCK + i) as f64 % std::f64::consts::TAU) as f32,
                );
            }
        }
        let of_block = power(&clean);
        spurs.process(&mut clean, of_block);
        if k == 99 {
            assert_eq!(spurs.frequencies().count(), 1);
        }
    }
    assert_eq!(spurs.frequencies().count(), 0);
}
