use super::*;
use crate::impair::testing::{error_db, tone, tone_sample};
use num_complex::Complex64;
use proptest::prelude::*;

/// Edge of the pass band, in cycles per output sample.
const EDGE: f64 = 0.55 / 1.92;

fn decimate(factor: usize, input: &[Sample]) -> Vec<Sample> {
    let mut decimator = Decimator::new(factor).expect("a supported factor");
    let mut output = vec![Sample::default(); decimator.output_len(input.len())];
    let written = decimator.process(input, &mut output);
    assert_eq!(written, output.len());
    output
}

#[test]
fn tones_in_the_band_come_out_whole_and_on_time() {
    for factor in Decimator::FACTORS {
        let delay = Decimator::new(factor).expect("a supported factor").delay();
        for step in -10..=10 {
            let f = EDGE * f64::from(step) / 10.0;
            let input: Vec<Sample> =
                (0..400 * factor).map(|n| tone_sample(f / factor as f64, n as f64)).collect();
            let output = decimate(factor, &input);
            let settled = 32;
            let expected = (settled..).map(|m| tone(f, m as f64 - delay as f64));
            let error = error_db(&output[settled..], expected);
            // The sum of the ripples: 0.008 dB is -60 dB of error. Any error of the delay would dwarf it.
            assert!(error < -59.5, "factor {factor}, {f} cycles per sample: {error} dB");
        }
    }
}

#[test]
fn tones_that_would_alias_into_the_band_are_gone() {
    for factor in Decimator::FACTORS {
        let mut worst = f64::NEG_INFINITY;
        for zone in 1..factor as i32 {
            for step in -8..=8 {
                let f = (f64::from(zone) + EDGE * f64::from(step) / 8.0) / factor as f64;
                let input: Vec<Sample> = (0..128 * factor).map(|n| tone_sample(f, n as f64)).collect();
                let output = decimate(factor, &input);
                let power: f64 = output[32..].iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>() / 96.0;
                worst = worst.max(10.0 * power.log10());
            }
        }
        assert!(worst < -70.0, "factor {factor}: aliases at {worst} dB");
    }
}

/// The cascade against its definition: the convolution of the upsampled filters, evaluated in double precision.
#[test]
fn cascade_equals_one_long_filter() {
    for factor in Decimator::FACTORS {
        let long = impulse_response(factor);
        let delay = Decimator::new(factor).expect("a supported factor").delay();
        assert_eq!(long.len() % 2, 1);
        let half = long.len() / 2;
        let input: Vec<Sample> =
            (0..60 * factor).map(|n| Sample::new((n * n % 31) as f32 - 15.0, (n * 7 % 13) as f32)).collect();
        let output = decimate(factor, &input);
        let mut expected = Vec::new();
        for m in 0..output.len() {
            let centre = (m as i64 - delay as i64) * factor as i64;
            let mut sum = Complex64::default();
            for (k, h) in long.iter().enumerate() {
                let n = centre + half as i64 - k as i64;
                if (0..input.len() as i64).contains(&n) {
                    let s = input[n as usize];
                    sum += Complex64::new(f64::from(s.re), f64::from(s.im)) * h;
                }
            }
            expected.push(sum);
        }
        let error = error_db(&output, expected.into_iter());
        assert!(error < -125.0, "factor {factor}: {error} dB");
    }
}

fn impulse_response(factor: usize) -> Vec<f64> {
    fn halfband(c: &[f32]) -> Vec<f64> {
        let mut h = vec![0.0; 4 * c.len() - 1];
        for (k, &v) in c.iter().enumerate() {
            h[2 * k] = f64::from(v);
            let mirror = h.len() - 1 - 2 * k;
            h[mirror] = f64::from(v);
        }
        h[2 * c.len() - 1] = 0.5;
        h
    }
    let third = || (0..29_usize).map(|t| f64::from(THIRDBAND_29[t.min(28 - t)])).collect::<Vec<_>>();
    let (h7, h11, h19) = (halfband(&HALFBAND_7), halfband(&HALFBAND_11), halfband(&HALFBAND_19));
    let stages = match factor {
        1 => vec![],
        2 => vec![(2, h19)],
        3 => vec![(3, third())],
        4 => vec![(2, h11), (2, h19)],
        6 => vec![(2, h7), (3, third())],
        8 => vec![(2, h7), (2, h11), (2, h19)],
        12 => vec![(2, h7.clone()), (2, h7), (3, third())],
        _ => vec![(2, h7.clone()), (2, h7), (2, h11), (2, h19)],
    };
    let mut total = vec![1.0];
    let mut rate = 1;
    for (by, h) in stages {
        let mut next = vec![0.0; total.len() + rate * (h.len() - 1)];
        for (i, a) in total.iter().enumerate() {
            for (k, b) in h.iter().enumerate() {
                next[i + rate * k] += a * b;
            }
        }
        total = next;
        rate *= by;
    }
    total
}

#[test]
fn other_factors_are_refused() {
    for factor in [0, 5, 7, 9, 10, 15, 32] {
        assert_eq!(Decimator::new(factor).err(), Some(UnsupportedFactor(factor)));
    }
}

#[test]
fn reset_forgets_the_stream() {
    for factor in Decimator::FACTORS {
        let input: Vec<Sample> = (0..533).map(|n| tone_sample(0.01, f64::from(n))).collect();
        let mut decimator = Decimator::new(factor).expect("a supported factor");
        let mut first = vec![Sample::default(); decimator.output_len(input.len())];
        decimator.process(&input, &mut first);
        decimator.reset();
        let mut second = vec![Sample::default(); decimator.output_len(input.len())];
        decimator.process(&input, &mut second);
        assert_eq!(first, second);
    }
}

proptest! {
    #[test]
    fn blocks_do_not_matter(
        which in 0_usize..8,
        cuts in prop::collection::vec(prop_oneof![0_usize..40, 0_usize..4000], 0..12),
    ) {
        let factor = Decimator::FACTORS[which];
        let input: Vec<Sample> =
            (0..9001).map(|n| Sample::new((n * n % 31) as f32 - 15.0, (n * 7 % 13) as f32)).collect();
        let whole = decimate(factor, &input);
        let mut decimator = Decimator::new(factor).expect("a supported factor");
        let mut parts = vec![Sample::default(); whole.len()];
        let (mut read, mut written) = (0, 0);
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let end = read + cut.min(input.len() - read);
            written += decimator.process(&input[read..end], &mut parts[written..]);
            read = end;
        }
        prop_assert_eq!(written, parts.len());
        prop_assert_eq!(whole, parts);
    }
}

#[test]
fn every_backend_gives_the_same_bits_however_the_samples_come() {
    let mut rng = crate::impair::rng::Rng::new(3);
    let input: Vec<Sample> = (0..9000).map(|_| rng.complex_gaussian()).collect();
    for factor in Decimator::FACTORS {
        let mut made = Vec::new();
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
            for pieces in [vec![9000], vec![1, 300, 17, 1600, 5, 40, 4096, 2941]] {
                let mut decimator =
                    Decimator::with_loops(factor, &loops(backend)).expect("a supported factor");
                let mut output = vec![Sample::default(); decimator.output_len(input.len())];
                let (mut from, mut to) = (0, 0);
                for piece in pieces {
                    to += decimator.process(&input[from..from + piece], &mut output[to..]);
                    from += piece;
                }
                assert_eq!((from, to), (input.len(), output.len()));
                made.push(output.iter().map(|x| [x.re.to_bits(), x.im.to_bits()]).collect::<Vec<_>>());
            }
        }
        assert!(made.iter().all(|output| *output == made[0]), "factor {factor}");
    }
}
