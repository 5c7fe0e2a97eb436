use super::*;
use crate::impair::testing::{error_db, in_blocks, tone, tone_sample};
use num_complex::Complex64;
use proptest::prelude::*;

fn ramp(n: usize) -> Vec<Sample> {
    (0..n as i64).map(|n| Sample::new((n * n % 31) as f32 - 15.0, (n * 7 % 13) as f32)).collect()
}

#[test]
fn frequency_offset_is_exact_however_long_the_stream() {
    for (hz, rate) in [(1234.5678, 1.92e6), (-5000.0, 30.72e6), (0.001, 1.92e6), (7.0e5, 1.92e6)] {
        let mut offset = FrequencyOffset::new(Hertz(hz), Hertz(rate));
        let mut block = vec![Sample::default(); 10_000];
        for round in 0..100_usize {
            block.fill(Sample::new(1.0, 0.0));
            offset.process(&mut block);
            let expected = (round * block.len()..).map(|n| tone(hz / rate, n as f64));
            let error = error_db(&block, expected);
            assert!(error < -130.0, "{hz} Hz, round {round}: {error} dB");
        }
    }
}

#[test]
fn frequency_and_phase_may_change_on_the_way() {
    let mut offset = FrequencyOffset::new(Hertz(1000.0), Hertz(8000.0));
    offset.set_phase(core::f64::consts::FRAC_PI_2);
    let mut block = [Sample::new(0.0, 2.0); 3];
    offset.process(&mut block);
    offset.set_frequency(Hertz(-2000.0), Hertz(8000.0));
    let mut next = [Sample::new(1.0, 0.0); 2];
    offset.process(&mut next);
    let turns = [0.25 + 0.25, 0.25 + 0.375, 0.25 + 0.5];
    for (s, t) in block.iter().zip(turns) {
        assert!((crate::impair::testing::wide(*s) - 2.0 * tone(t, 1.0)).norm() < 1e-6);
    }
    // After three eighths more the phase is 0.625 turns; the new step is minus a quarter.
    for (s, t) in next.iter().zip([0.625, 0.375]) {
        assert!((crate::impair::testing::wide(*s) - tone(t, 1.0)).norm() < 1e-6);
    }
}

#[test]
fn nonsense_frequency_is_no_offset() {
    for (hz, rate) in [(1.0, 0.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0)] {
        let mut x = ramp(100);
        FrequencyOffset::new(Hertz(hz), Hertz(rate)).process(&mut x);
        assert_eq!(x, ramp(100));
    }
}

#[test]
fn clock_drift_moves_samples_by_the_promised_amount() {
    for ppm in [-20.0, 0.1, 10.0] {
        let mut drift = ClockDrift::new(ppm).expect("a small drift");
        let input: Vec<Sample> = (0..400_000).map(|n| tone_sample(0.23, f64::from(n))).collect();
        let mut output = vec![Sample::default(); drift.output_len(input.len())];
        assert_eq!(drift.process(&input, &mut output), output.len());
        let expected = (300_000..).map(|m| tone(0.23, f64::from(m) / (1.0 + ppm * 1e-6)));
        let error = error_db(&output[300_000..], expected);
        assert!(error < -70.0, "{ppm} ppm: {error} dB");
    }
    assert!(ClockDrift::new(f64::NAN).is_err());
    assert!(ClockDrift::new(-2e6).is_err());
}

#[test]
fn fractional_delay_of_tones_in_the_band() {
    for delay in [0.0, 0.001, 0.25, 0.5, 0.9, 1.0, 17.3, 1000.75] {
        for f in [-0.45, -0.3, 0.0, 0.1, 0.45] {
            let mut x: Vec<Sample> = (0..3000).map(|n| tone_sample(f, f64::from(n))).collect();
            FractionalDelay::new(delay).process(&mut x);
            let settled = 1200;
            let total = FractionalDelay::LATENCY as f64 + delay;
            let expected = (settled..).map(|n| tone(f, f64::from(n) - total));
            let error = error_db(&x[settled as usize..], expected);
            assert!(error < -70.0, "delay {delay}, frequency {f}: {error} dB");
        }
    }
}

#[test]
fn whole_delay_is_exact() {
    let x = ramp(500);
    for delay in [0_usize, 1, 40] {
        let mut y = x.clone();
        FractionalDelay::new(delay as f64).process(&mut y);
        let total = delay + FractionalDelay::LATENCY;
        for (n, s) in y.iter().enumerate() {
            let expected = if n < total { Sample::default() } else { x[n - total] };
            assert!((s - expected).norm() < 1e-5, "delay {delay}, sample {n}");
        }
    }
}

#[test]
fn gain_and_phase() {
    let mut x = [Sample::new(1.0, 0.0)];
    Gain::new(Decibel(6.0), core::f64::consts::FRAC_PI_6).process(&mut x);
    let expected = Complex64::from_polar(10_f64.powf(0.3), core::f64::consts::FRAC_PI_6);
    assert!((crate::impair::testing::wide(x[0]) - expected).norm() < 1e-6);
}

#[test]
fn saturation_limits_and_counts() {
    let mut x =
        [Sample::new(0.5, -0.25), Sample::new(1.5, 0.0), Sample::new(-3.0, -2.0), Sample::new(1.0, -1.0)];
    assert_eq!(Saturation::new(1.0).process(&mut x), 2);
    let expected = [(0.5, -0.25), (1.0, 0.0), (-1.0, -1.0), (1.0, -1.0)].map(|(re, im)| Sample::new(re, im));
    assert_eq!(x, expected);

    let mut x = [Sample::new(0.3, -0.3), Sample::new(1.0, -1.0), Sample::new(0.88, -1.2)];
    assert_eq!(Saturation::with_word_length(1.0, 4).process(&mut x), 2);
    let expected = [(0.25, -0.25), (0.875, -1.0), (0.875, -1.0)].map(|(re, im)| Sample::new(re, im));
    assert_eq!(x, expected);
    // A converter with wrong settings must not bring the process down.
    Saturation::new(f32::NAN).process(&mut x);
    Saturation::with_word_length(0.0, 99).process(&mut x);
}

proptest! {
    #[test]
    fn blocks_do_not_matter(
        hz in -9e5_f64..9e5,
        delay in 0.0_f64..40.0,
        cuts in prop::collection::vec(0_usize..400, 0..8),
    ) {
        let chain = || (FrequencyOffset::new(Hertz(hz), Hertz(1.92e6)), FractionalDelay::new(delay));
        let mut whole = ramp(1500);
        let (mut offset, mut line) = chain();
        offset.process(&mut whole);
        line.process(&mut whole);
        let mut parts = ramp(1500);
        let (mut offset, mut line) = chain();
        in_blocks(&mut parts, &cuts, |block| {
            offset.process(block);
            line.process(block);
        });
        prop_assert_eq!(whole, parts);
    }
}
