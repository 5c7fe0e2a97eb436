use super::*;
use crate::impair::testing::{error_db, tone, tone_sample};
use proptest::prelude::*;

const RATES: [(u32, u32); 10] = [
    (1, 1),
    (1, 2),
    (2, 3),
    (3, 2),
    (1, 16),
    (16, 1),
    (1_920_000, 2_000_000),
    (25_000_000, 30_720_000),
    (7_680_000, 1_920_000),
    (1_920_000, 10_000_001),
];

fn convert(resampler: &mut Resampler, input: &[Sample]) -> Vec<Sample> {
    let mut output = vec![Sample::default(); resampler.output_len(input.len())];
    let written = resampler.process(input, &mut output);
    assert_eq!(written, output.len());
    output
}

#[test]
fn tones_in_the_flat_band_arrive_exactly() {
    for (from, to) in RATES {
        let step = f64::from(from) / f64::from(to);
        let low = 1.0 / step.max(1.0);
        for part in [-0.45, -0.3, -0.01, 0.0, 0.2, 0.449, 0.45] {
            let f = part * low;
            let mut resampler = Resampler::new(from, to).expect("a supported ratio");
            let n = (1500.0 * step.max(1.0)) as usize;
            let input: Vec<Sample> = (0..n).map(|i| tone_sample(f, i as f64)).collect();
            let output = convert(&mut resampler, &input);
            let settled = (resampler.lookahead() as f64 / step).ceil() as usize + 1;
            let expected = (settled..).map(|m| tone(f, m as f64 * step));
            let error = error_db(&output[settled..], expected);
            assert!(error < -65.0, "{from} to {to}, {f}: {error} dB");
        }
    }
}

#[test]
fn tones_beyond_the_band_are_gone() {
    for (from, to) in [(3, 2), (16, 1), (7_680_000, 1_920_000)] {
        let step = f64::from(from) / f64::from(to);
        let mut worst = f64::NEG_INFINITY;
        for i in 0..200 {
            let low = 0.55 / step;
            let f = low + (1.0 - 2.0 * low) * f64::from(i) / 199.0;
            let input: Vec<Sample> = (0..(600.0 * step) as usize).map(|n| tone_sample(f, n as f64)).collect();
            let mut resampler = Resampler::new(from, to).expect("a supported ratio");
            let output = convert(&mut resampler, &input);
            let settled = &output[64..];
            let power = settled.iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>() / settled.len() as f64;
            worst = worst.max(10.0 * power.log10());
        }
        assert!(worst < -70.0, "{from} to {to}: {worst} dB");
    }
}

/// Upsampling by 4: the spectrum of the output beyond the input's band, by a plain DFT of a windowed tone.
#[test]
fn images_are_gone() {
    for f in [0.05, 0.3, 0.44] {
        let input: Vec<Sample> = (0..1200).map(|n| tone_sample(f, f64::from(n))).collect();
        let output = convert(&mut Resampler::new(1, 4).expect("a supported ratio"), &input);
        let part = &output[400..2448];
        let level = |frequency: f64| {
            let sum: num_complex::Complex64 = part
                .iter()
                .enumerate()
                .map(|(n, s)| {
                    let hann = 0.5 - 0.5 * (core::f64::consts::TAU * n as f64 / part.len() as f64).cos();
                    crate::impair::testing::wide(*s) * tone(-frequency, n as f64) * hann
                })
                .sum();
            20.0 * (2.0 * sum.norm() / part.len() as f64).log10()
        };
        assert!(level(f / 4.0).abs() < 0.01);
        for image in 1..4 {
            let at = level((f + f64::from(image)) / 4.0);
            assert!(at < -70.0, "image {image} of {f}: {at} dB");
        }
    }
}

#[test]
fn a_long_stream_keeps_time() {
    // 100 ppm over 3 million samples: 300 samples, and the phase of a tone still right at the end.
    let ratio = 1.0 + 100e-6;
    let mut resampler = Resampler::with_ratio(ratio).expect("a supported ratio");
    let (mut read, mut written) = (0_usize, 0_usize);
    let mut output = vec![Sample::default(); 11_000];
    while read < 3_000_000 {
        let input: Vec<Sample> = (read..read + 10_000).map(|n| tone_sample(0.2, n as f64)).collect();
        let count = resampler.process(&input, &mut output);
        read += input.len();
        let first = written;
        written += count;
        if first > 0 {
            let expected = (first..).map(|m| tone(0.2, m as f64 / ratio));
            assert!(error_db(&output[..count], expected) < -75.0);
        }
    }
    assert_eq!(written, ((3_000_000 - resampler.lookahead()) as f64 * ratio).ceil() as usize);
}

#[test]
fn impossible_ratios_are_refused() {
    for (from, to) in [(0, 1), (1, 0), (65, 1), (1, 65), (u32::MAX, 1)] {
        assert_eq!(Resampler::new(from, to).err(), Some(UnsupportedRatio));
    }
    for ratio in [0.0, -1.0, f64::NAN, f64::INFINITY, 65.0, 0.01] {
        assert_eq!(Resampler::with_ratio(ratio).err(), Some(UnsupportedRatio));
    }
}

proptest! {
    #[test]
    fn blocks_do_not_matter(
        which in 0_usize..RATES.len(),
        cuts in prop::collection::vec(prop_oneof![0_usize..40, 0_usize..3000], 0..10),
    ) {
        let (from, to) = RATES[which];
        let input: Vec<Sample> =
            (0..5001).map(|n| Sample::new((n * n % 31) as f32 - 15.0, (n * 7 % 13) as f32)).collect();
        let mut resampler = Resampler::new(from, to).expect("a supported ratio");
        let whole = convert(&mut resampler, &input);
        resampler.reset();
        let mut parts = Vec::new();
        let mut read = 0;
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let end = read + cut.min(input.len() - read);
            parts.extend(convert(&mut resampler, &input[read..end]));
            read = end;
        }
        prop_assert_eq!(whole, parts);
    }
}
