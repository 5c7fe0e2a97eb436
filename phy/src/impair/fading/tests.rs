use super::*;
use crate::impair::rng::Rng;
use crate::impair::testing::{error_db, in_blocks, tone, tone_sample, wide};
use num_complex::Complex64;
use proptest::prelude::*;

const PROFILES: [Profile; 4] = [Profile::Flat, Profile::Epa, Profile::Eva, Profile::Etu];

fn channel(profile: Profile, doppler: f64, sample_rate: f64, seed: u64) -> Fading {
    Fading::new(profile, Hertz(doppler), Hertz(sample_rate), seed).expect("numbers in range")
}

/// Returns `g(n)` by the formula of the module, in double precision, from the state before the first sample.
fn exact_gain(tap: &Tap, interval: usize, n: f64) -> Complex64 {
    let wave = |k: usize| {
        let step = tap.process.steps[k] as i64 as f64 / TWO_POW_64 / interval as f64;
        tone(1.0, tap.process.phases[k] as f64 / TWO_POW_64 + step * n).re
    };
    let re: f64 = (0..Rayleigh::ANGLES).map(wave).sum();
    let im: f64 = (Rayleigh::ANGLES..2 * Rayleigh::ANGLES).map(wave).sum();
    Complex64::new(re, im) * f64::from(tap.process.scale)
}

const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;

/// Computes the Bessel function of the first kind and order 0: its integral by the trapezoidal rule, which is exact for
/// periods.
fn bessel_j0(x: f64) -> f64 {
    (0..256).map(|k| (x * (core::f64::consts::PI * (f64::from(k) + 0.5) / 256.0).sin()).cos()).sum::<f64>()
        / 256.0
}

/// The rms delay spreads that TS 36.101 Table B.2.1-1 states follow from the tables of paths.
#[test]
fn tables_have_the_stated_delay_spread() {
    for (profile, expected) in [(Profile::Epa, 43.0), (Profile::Eva, 357.0), (Profile::Etu, 991.0)] {
        let weight = |p: &Path| 10_f64.powf(p.power.0 / 10.0);
        let total: f64 = profile.paths().iter().map(weight).sum();
        let mean = profile.paths().iter().map(|p| weight(p) * p.delay_ns).sum::<f64>() / total;
        let spread =
            profile.paths().iter().map(|p| weight(p) * (p.delay_ns - mean).powi(2)).sum::<f64>() / total;
        assert!((spread.sqrt() - expected).abs() < 1.0, "{profile:?}: {}", spread.sqrt());
    }
}

#[test]
fn names_parse_and_print() {
    for (text, profile, doppler) in [
        ("epa5", Profile::Epa, 5.0),
        ("eva70", Profile::Eva, 70.0),
        ("etu300", Profile::Etu, 300.0),
        ("eva2700", Profile::Eva, 2700.0),
        ("flat0.5", Profile::Flat, 0.5),
    ] {
        let model = ChannelModel::Fading { profile, doppler: Hertz(doppler) };
        assert_eq!(text.parse(), Ok(model));
        assert_eq!(text.to_uppercase().parse(), Ok(model));
        assert_eq!(model.to_string(), text);
    }
    assert_eq!("awgn".parse(), Ok(ChannelModel::Awgn));
    assert_eq!(ChannelModel::Awgn.to_string(), "awgn");
    for text in
        ["", "epa", "epa-5", "epainf", "epanan", "epa1e3", "epa5hz", "etu 70", "awgn5", "tdl5", "epa1.2.3"]
    {
        assert_eq!(text.parse::<ChannelModel>(), Err(UnknownChannelModel(text.to_owned())));
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    for rate in [0.0, -1.92e6, f64::NAN, f64::INFINITY, 1e12] {
        assert_eq!(
            Fading::new(Profile::Epa, Hertz(5.0), Hertz(rate), 1).err(),
            Some(FadingError::SampleRate)
        );
    }
    for doppler in [-1.0, f64::NAN, f64::INFINITY, 2e5] {
        assert_eq!(
            Fading::new(Profile::Epa, Hertz(doppler), Hertz(1.92e6), 1).err(),
            Some(FadingError::Doppler)
        );
    }
    assert!(ChannelModel::Awgn.fading(Hertz(1.92e6), 1).expect("no fading").is_none());
}

/// A static channel is a linear system with a known frequency response.
#[test]
fn static_channel_has_the_response_of_its_paths() {
    for profile in PROFILES {
        for rate in [1.92e6, 5.76e6, 15.36e6, 30.72e6] {
            let fading = channel(profile, 0.0, rate, 11);
            for f in [-0.41, -0.2, 0.0, 0.13, 0.41] {
                let response: Complex64 = fading
                    .taps
                    .iter()
                    .zip(profile.paths())
                    .map(|(tap, path)| {
                        exact_gain(tap, fading.interval, 0.0) * tone(-f, path.delay_ns * 1e-9 * rate)
                    })
                    .sum();
                let mut x: Vec<Sample> = (0..1000).map(|n| tone_sample(f, f64::from(n))).collect();
                fading.clone().process(&mut x);
                let expected = (300..).map(|n| tone(f, f64::from(n) - Fading::LATENCY as f64));
                // Relative to the mean channel gain 1, not to the gain at this frequency.
                let error: f64 = x[300..]
                    .iter()
                    .zip(expected)
                    .map(|(s, e)| (wide(*s) - response * e).norm_sqr())
                    .sum::<f64>()
                    / 700.0;
                let error = 10.0 * error.log10();
                assert!(error < -55.0, "{profile:?} at {rate}, {f}: {error} dB");
            }
        }
    }
}

/// The gain that the samples get is that of the formula, for slow and for fast channels.
#[test]
fn gains_follow_the_sum_of_sinusoids() {
    for (doppler, rate) in
        [(5.0, 1.92e6), (300.0, 1.92e6), (2700.0, 1.92e6), (2700.0, 30.72e6), (1.0e5, 1.92e6)]
    {
        let fading = channel(Profile::Flat, doppler, rate, 3);
        let mut x = vec![Sample::new(1.0, 0.0); 40_000];
        fading.clone().process(&mut x);
        let settled = Fading::TAPS;
        let expected = (settled..).map(|n| exact_gain(&fading.taps[0], fading.interval, n as f64));
        let error = error_db(&x[settled..], expected);
        let bound = if fading.interval == 1 { -110.0 } else { -58.0 };
        assert!(error < bound, "{doppler} Hz at {rate}: {error} dB");
    }
}

#[test]
fn paths_have_the_powers_of_the_table() {
    for profile in PROFILES {
        let total: f64 = profile.paths().iter().map(|p| 10_f64.powf(p.power.0 / 10.0)).sum();
        let (seeds, mut powers) = (4000_u64, vec![0.0; profile.paths().len()]);
        let mut channel_power = 0.0;
        for seed in 0..seeds {
            let fading = channel(profile, 5.0, 1.92e6, seed);
            let mut sum = Complex64::default();
            for (tap, power) in fading.taps.iter().zip(&mut powers) {
                let gain = wide(tap.process.gain());
                *power += gain.norm_sqr() / seeds as f64;
                sum += gain;
            }
            channel_power += sum.norm_sqr() / seeds as f64;
        }
        // |g|² of a path has the standard deviation of its mean: five of them over the number of seeds.
        let tolerance = 5.0 / (seeds as f64).sqrt();
        for (power, path) in powers.iter().zip(profile.paths()) {
            let expected = 10_f64.powf(path.power.0 / 10.0) / total;
            assert!((power / expected - 1.0).abs() < tolerance, "{profile:?}: {power} for {expected}");
        }
        // Paths are uncorrelated: their powers add up.
        assert!((channel_power - 1.0).abs() < tolerance, "{profile:?}: {channel_power}");
    }
}

/// A stream of unit power comes out with unit power, over realisations and through the whole of `process`.
#[test]
fn mean_power_gain_is_one() {
    let mut power = 0.0;
    let seeds = 400;
    for seed in 0..seeds {
        let mut x: Vec<Sample> = (0..2000).map(|n| tone_sample(0.17, f64::from(n))).collect();
        channel(Profile::Etu, 300.0, 1.92e6, seed).process(&mut x);
        power +=
            x[200..].iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>() / 1800.0 / f64::from(seeds as u32);
    }
    assert!((power - 1.0).abs() < 5.0 / 400_f64.sqrt(), "{power}");
}

#[test]
fn autocorrelation_is_a_bessel_function() {
    // One grid step is a hundredth of a Doppler period.
    let (lags, times, seeds) = (150_usize, 3000_usize, 40_u64);
    let mut measured = vec![Complex64::default(); lags];
    let mut quadratures = 0.0;
    for seed in 0..seeds {
        let mut process = Rayleigh::new(1.0, 0.01, &mut Rng::new(seed));
        let gains: Vec<Complex64> = (0..times + lags)
            .map(|_| {
                let g = wide(process.gain());
                process.advance();
                g
            })
            .collect();
        let mut realisation = Complex64::default();
        for (lag, sum) in measured.iter_mut().enumerate() {
            let r: Complex64 = (0..times).map(|t| gains[t + lag] * gains[t].conj()).sum();
            *sum += r / (times as f64 * seeds as f64);
            if lag == 0 {
                realisation = r / times as f64;
            }
        }
        quadratures += gains.iter().map(|g| g.re * g.im).sum::<f64>() / (gains.len() as f64 * seeds as f64);
        // Mean power 1 in every realisation; 30 Doppler periods are not forever.
        assert!((realisation.re - 1.0).abs() < 0.35, "seed {seed}: {realisation}");
    }
    for (lag, r) in measured.iter().enumerate() {
        let expected = bessel_j0(core::f64::consts::TAU * 0.01 * lag as f64);
        assert!((r - expected).norm() < 0.05, "lag {lag}: {r} for {expected}");
    }
    assert!(quadratures.abs() < 0.02, "I and Q correlate: {quadratures}");
}

/// Kolmogorov-Smirnov of |g|² over realisations against the exponential distribution.
#[test]
fn envelope_is_rayleigh() {
    let mut powers: Vec<f64> = (0..4000)
        .map(|seed| wide(channel(Profile::Flat, 5.0, 1.92e6, seed).taps[0].process.gain()).norm_sqr())
        .collect();
    powers.sort_by(f64::total_cmp);
    let n = powers.len() as f64;
    let worst = powers
        .iter()
        .enumerate()
        .map(|(i, p)| (1.0 - (-p).exp() - (i as f64 + 0.5) / n).abs())
        .fold(0.0, f64::max);
    // 1.95 / sqrt(n) is the 0.1 % point; the rest allows for having 16 angles only.
    assert!(worst < 1.95 / n.sqrt() + 0.005, "Kolmogorov-Smirnov distance {worst}");
}

/// The same seed gives the same samples on every platform; another seed gives others.
#[test]
fn samples_are_pinned() {
    let run = |seed| {
        let mut x = [Sample::new(1.0, 0.0); 300];
        channel(Profile::Eva, 70.0, 7.68e6, seed).process(&mut x);
        x.iter().fold(0_u64, |hash, s| {
            (hash ^ u64::from(s.re.to_bits()) ^ (u64::from(s.im.to_bits()) << 32))
                .wrapping_mul(0x0100_0000_01b3)
        })
    };
    assert_eq!(run(1), PINNED_HASH, "{:#x}", run(1));
    assert_ne!(run(1), run(2));
}

const PINNED_HASH: u64 = 0x760d_5e80_7856_86fb;

proptest! {
    #[test]
    fn blocks_do_not_matter(
        which in 0_usize..4,
        doppler in prop_oneof![Just(0.0), 1.0_f64..5000.0],
        seed: u64,
        cuts in prop::collection::vec(0_usize..400, 0..8),
    ) {
        let input: Vec<Sample> =
            (0..1500_i64).map(|n| Sample::new((n * n % 31) as f32 - 15.0, (n * 7 % 13) as f32)).collect();
        let mut whole = input.clone();
        channel(PROFILES[which], doppler, 3.84e6, seed).process(&mut whole);
        let mut parts = input;
        let mut fading = channel(PROFILES[which], doppler, 3.84e6, seed);
        in_blocks(&mut parts, &cuts, |block| fading.process(block));
        prop_assert_eq!(whole, parts);
    }
}

/// A carrier at 0 Hz meets the sum of the paths: its mean over a stretch is that of the gains, after the filter's delay.
#[test]
fn mean_gains_are_those_that_samples_meet() {
    for (profile, doppler) in [(Profile::Flat, 5.0), (Profile::Eva, 300.0), (Profile::Etu, 2700.0)] {
        let rate = Hertz(15.36e6);
        let mut fading = Fading::new(profile, Hertz(doppler), rate, 3).unwrap();
        let (from, len) = (4_000, 1024);
        let gains: Vec<Sample> = fading.mean_gains(from + Fading::LATENCY, len).collect();
        assert_eq!(gains.len(), profile.paths().len());
        let mut samples = vec![Sample::new(1.0, 0.0); from + len + Fading::LATENCY];
        fading.process(&mut samples);
        let met: Sample = samples[from + Fading::LATENCY..].iter().sum::<Sample>() / len as f32;
        let error = (gains.iter().sum::<Sample>() - met).norm();
        assert!(error < 2e-3, "{profile:?} {doppler}: {error}");
    }
}
