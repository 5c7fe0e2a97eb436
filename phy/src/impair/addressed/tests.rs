use super::*;
use crate::impair::testing::{error_db, tone, tone_sample, wide};
use num_complex::Complex64;
use proptest::prelude::*;

const RATE: Hertz = Hertz(1.92e6);

fn plain() -> AddressedConfig {
    AddressedConfig {
        gain: Decibel(0.0),
        frequency: Hertz(0.0),
        delay_samples: 0.0,
        transmitter: SampleClock::COMMON,
        receiver: SampleClock::COMMON,
        channel: ChannelModel::Awgn,
        seed: 1,
    }
}

/// Returns output `first..first + count` for a transmitter whose sample `m` is `sent(m)`.
fn through(path: &mut AddressedPath, first: u64, count: usize, sent: impl Fn(i64) -> Sample) -> Vec<Sample> {
    let reach = path.reach(first, count);
    let input: Vec<Sample> = reach.clone().map(sent).collect();
    let mut output = vec![Sample::default(); count];
    path.add(first, reach.start, &input, &mut output);
    output
}

#[test]
fn whole_samples_are_exact() {
    let receiver = SampleClock { start: 500.0, drift_ppm: 0.0 };
    let mut path =
        AddressedPath::new(&AddressedConfig { delay_samples: 7.0, receiver, ..plain() }, RATE).unwrap();
    assert_eq!(path.reach(100, 10), 593..603);
    assert_eq!(path.known_before(603), 110);
    assert_eq!(path.known_before(3), 0);
    let y = through(&mut path, 100, 1000, |m| Sample::new(m as f32, -1.0));
    for (n, y) in (100_i64..).zip(y) {
        assert_eq!(y, Sample::new((n + 500 - 7) as f32, -1.0));
    }
}

#[test]
fn fractions_drift_gain_and_frequency() {
    let clocks =
        (SampleClock { start: 12.25, drift_ppm: 15.0 }, SampleClock { start: 100.0, drift_ppm: -7.0 });
    let config = AddressedConfig {
        gain: Decibel(-6.0),
        frequency: Hertz(900.0),
        delay_samples: 3.5,
        transmitter: clocks.0,
        receiver: clocks.1,
        ..plain()
    };
    let mut path = AddressedPath::new(&config, RATE).unwrap();
    let gain = 10_f64.powf(-0.3);
    // After an hour it is still right: positions are integers and fixed-point numbers.
    for (first, f) in [(0_u64, 0.11), (5, -0.39), (1_000_003, 0.3), (7_000_000_001, 0.2)] {
        let y = through(&mut path, first, 700, |m| tone_sample(f, m as f64));
        let expected = (0..700_u64).map(|i| {
            let n = (first + i) as f64;
            let sent = clocks.0.sample_at(clocks.1.time_of(n) - 3.5);
            tone(f, sent) * gain * tone(config.frequency / RATE, n)
        });
        let error = error_db(&y, expected);
        assert!(error < -50.0, "from {first} at {f}: {error} dB");
    }
}

/// Against the formula of the module `fading`, with the gains themselves taken from a path that is flat.
#[test]
fn multipath_has_power_one_and_fades_at_the_doppler_frequency() {
    for (name, doppler) in [("epa5", 5.0), ("etu300", 300.0)] {
        let mut power = 0.0;
        let mut moved = 0.0;
        const SEEDS: u64 = 200;
        for seed in 0..SEEDS {
            let config = AddressedConfig { channel: name.parse().unwrap(), seed, ..plain() };
            let mut path = AddressedPath::new(&config, RATE).unwrap();
            let mut gain = |first: u64| wide(through(&mut path, first, 1, |_| Sample::new(1.0, 0.0))[0]);
            // J0(x) at a quarter turn of the maximum Doppler frequency: 0.472.
            let quarter = (RATE.0 / doppler / 4.0) as u64;
            let (a, b): (Complex64, Complex64) = (gain(12_345), gain(12_345 + quarter));
            power += a.norm_sqr() / SEEDS as f64;
            moved += (a * b.conj()).re / SEEDS as f64;
        }
        // A constant sees all paths in phase with independent gains: the mean power is 1, spread by 1 / sqrt(200).
        assert!((power - 1.0).abs() < 0.3, "{name}: {power}");
        assert!((moved - 0.472).abs() < 0.3, "{name}: {moved}");
    }
}

#[test]
fn both_directions_fade_alike() {
    let config = AddressedConfig { channel: "epa70".parse().unwrap(), ..plain() };
    let mut there = AddressedPath::new(&config, RATE).unwrap();
    let mut back = AddressedPath::new(&config, RATE).unwrap();
    let a = through(&mut there, 40_000, 300, |m| tone_sample(0.05, m as f64));
    let b = through(&mut back, 40_000, 300, |m| tone_sample(0.05, m as f64));
    assert_eq!(a, b);
}

#[test]
fn noise_has_its_power_and_does_not_repeat() {
    let mut noise = AddressedNoise::new(0.25, 3);
    let mut x = vec![Sample::default(); 100_000];
    noise.add(0, &mut x);
    let power = x.iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>() / x.len() as f64;
    assert!((power / 0.25 - 1.0).abs() < 5.0 / (x.len() as f64).sqrt());
    let (a, b) = (&x[..AddressedNoise::BLOCK], &x[AddressedNoise::BLOCK..2 * AddressedNoise::BLOCK]);
    let r: Complex64 = a.iter().zip(b).map(|(a, b)| wide(*a) * wide(*b).conj()).sum();
    assert!(r.norm() < 5.0 * 0.25 * (AddressedNoise::BLOCK as f64).sqrt());
    let mut nothing = [Sample::default(); 3];
    AddressedNoise::new(f64::NAN, 1).add(9, &mut nothing);
    assert_eq!(nothing, [Sample::default(); 3]);
}

/// Both components of ten million samples against the normal distribution: moments of order 1 to 6, and the share
/// beyond 1, 2 .. 4.5 and 5 standard deviations, each within five standard deviations of its estimate.
#[test]
fn noise_is_gaussian_to_its_tails() {
    const BOUNDS: [(f64, f64); 6] = [
        (1.0, 0.317_310_507_863),
        (2.0, 0.045_500_263_896),
        (3.0, 0.002_699_796_063),
        (4.0, 6.334_248_4e-5),
        (4.5, 6.795_346e-6),
        (5.0, 5.733_031e-7),
    ];
    let mut noise = AddressedNoise::new(2.0, 11);
    let mut x = vec![Sample::default(); 100_000];
    let (mut moments, mut beyond, mut count) = ([0.0_f64; 6], [0_u64; 6], 0.0);
    for i in 0..100 {
        x.fill(Sample::default());
        noise.add(i * 100_000, &mut x);
        for v in x.iter().flat_map(|s| [f64::from(s.re), f64::from(s.im)]) {
            let mut power = 1.0;
            for moment in &mut moments {
                power *= v;
                *moment += power;
            }
            for (beyond, (bound, _)) in beyond.iter_mut().zip(BOUNDS) {
                *beyond += u64::from(v.abs() > bound);
            }
            count += 1.0;
        }
    }
    // E x^k of the normal distribution for k = 0 to 12
    let exact = [1.0, 0.0, 1.0, 0.0, 3.0, 0.0, 15.0, 0.0, 105.0, 0.0, 945.0, 0.0, 10_395.0];
    for (k, sum) in (1..).zip(moments) {
        let spread = f64::sqrt((exact[2 * k] - exact[k] * exact[k]) / count);
        assert!((sum / count - exact[k]).abs() < 5.0 * spread, "moment {k}: {}", sum / count);
    }
    for (beyond, (bound, share)) in beyond.into_iter().zip(BOUNDS) {
        let expected = share * count;
        assert!(
            (beyond as f64 - expected).abs() < 5.0 * expected.sqrt(),
            "{beyond} beyond {bound}: {expected}"
        );
    }
}

/// Products of samples, of their powers, and of both components, at every distance within a chunk, a block and beyond;
/// the same between two seeds.
#[test]
fn noise_is_white_and_independent() {
    const N: usize = 1 << 19;
    let made = |seed| {
        let mut x = vec![Sample::default(); N + 3000];
        AddressedNoise::new(1.0, seed).add(0, &mut x);
        x
    };
    let (x, other) = (made(1), made(2));
    let lags = (1..=32).chain([64, 128, 136, 256, 512, 1016, 1024, 1032, 2048, 3000]);
    // of four hundred estimates none is beyond six standard deviations
    let bound = 6.0 * (N as f64).sqrt();
    for (lag, y) in lags.map(|lag| (lag, &x)).chain([(0, &other), (1, &other), (8, &other)]) {
        let pairs = || x.iter().zip(&y[lag..]).take(N).map(|(a, b)| (wide(*a), wide(*b)));
        let product: Complex64 = pairs().map(|(a, b)| a * b.conj()).sum();
        let square: Complex64 = pairs().map(|(a, b)| a * b).sum();
        let power: f64 = pairs().map(|(a, b)| (a.norm_sqr() - 1.0) * (b.norm_sqr() - 1.0)).sum();
        let cubes: f64 = pairs().map(|(a, b)| (a * a * b).re * b.re).sum();
        assert!(product.norm() < bound && square.norm() < bound, "lag {lag}: {product} {square}");
        assert!(power.abs() < bound && cubes.abs() < 2.0 * bound, "lag {lag}: {power} {cubes}");
    }
    let within: f64 = x.iter().map(|s| f64::from(s.re * s.im)).sum();
    assert!(within.abs() < bound);
}

/// Tones, also those in step with the rows of the transform that makes the noise, have the power and the fourth moment
/// of noise.
#[test]
fn no_frequency_is_special() {
    const LENGTH: usize = 128;
    let mut noise = AddressedNoise::new(1.0, 7);
    let mut block = [Sample::default(); LENGTH];
    let mut sums = [[0.0_f64; 2]; LENGTH];
    const BLOCKS: u64 = 4000;
    let turns: Vec<Complex64> = (0..LENGTH).map(|i| tone(1.0 / LENGTH as f64, i as f64)).collect();
    for i in 0..BLOCKS {
        block.fill(Sample::default());
        noise.add(i * LENGTH as u64, &mut block);
        for (k, sums) in sums.iter_mut().enumerate() {
            let bin: Complex64 =
                block.iter().enumerate().map(|(n, s)| wide(*s) * turns[k * n % LENGTH].conj()).sum();
            let power = bin.norm_sqr() / LENGTH as f64;
            *sums = [sums[0] + power, sums[1] + power * power];
        }
    }
    for (k, [power, square]) in sums.into_iter().enumerate() {
        let (power, square) = (power / BLOCKS as f64, square / BLOCKS as f64);
        // exponentially distributed: 1 +- 1, and 2 +- sqrt(20)
        assert!((power - 1.0).abs() < 5.0 / (BLOCKS as f64).sqrt(), "bin {k}: {power}");
        assert!((square - 2.0).abs() < 5.0 * (20.0 / BLOCKS as f64).sqrt(), "bin {k}: {square}");
    }
}

/// A platform that computes other samples is detected.
#[test]
fn noise_is_pinned() {
    let mut x = [Sample::default(); 1];
    let bits = [0, 1, 127, 1024, 1 << 40].map(|at| {
        x[0] = Sample::default();
        AddressedNoise::new(1.0, 42).add(at, &mut x);
        (x[0].re.to_bits(), x[0].im.to_bits())
    });
    let pinned = [
        (1_054_162_465, 3_203_572_921),
        (3_208_638_812, 3_206_361_215),
        (3_205_637_959, 1_050_015_067),
        (3_213_613_179, 3_210_836_024),
        (1_049_903_497, 3_213_323_555),
    ];
    assert_eq!(bits, pinned, "{bits:?}");
}

#[test]
fn nonsense_is_refused() {
    let with = |f: fn(&mut AddressedConfig)| {
        let mut c = plain();
        f(&mut c);
        AddressedPath::new(&c, RATE).err()
    };
    assert_eq!(with(|c| c.gain = Decibel(f64::NAN)), Some(PathError::Gain));
    assert_eq!(with(|c| c.frequency = Hertz(1e6)), Some(PathError::Frequency));
    assert_eq!(with(|c| c.delay_samples = f64::INFINITY), Some(PathError::Delay));
    assert_eq!(with(|c| c.receiver.start = f64::NAN), Some(PathError::Delay));
    assert_eq!(with(|c| c.transmitter.drift_ppm = 1001.0), Some(PathError::Drift));
    let far = |c: &mut AddressedConfig| {
        c.channel = ChannelModel::Fading { profile: Profile::Epa, doppler: Hertz(1e6) };
    };
    assert_eq!(with(far), Some(PathError::Fading(FadingError::Doppler)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Any division into reads, in any order, by objects with different histories: the same samples.
    #[test]
    fn only_the_number_of_a_sample_matters(
        first in 0_u64..1 << 40,
        cuts in prop::collection::vec(1_usize..400, 1..8),
        channel in prop::sample::select(vec!["awgn", "epa5", "eva70", "etu300"]),
        drift in -20.0..20.0_f64,
        delay in 0.0..50.0_f64,
        frequency in -3000.0..3000.0_f64,
    ) {
        let config = AddressedConfig {
            gain: Decibel(3.0),
            frequency: Hertz(frequency),
            delay_samples: delay,
            transmitter: SampleClock { start: 0.0, drift_ppm: drift },
            receiver: SampleClock { start: 31.0, drift_ppm: 0.0 },
            channel: channel.parse().unwrap(),
            seed: 9,
        };
        let sent = |m: i64| Sample::new((m % 17) as f32, (m % 5) as f32);
        let total: usize = cuts.iter().sum();
        let mut path = AddressedPath::new(&config, RATE).unwrap();
        let known = path.known_before(path.reach(first, total).end);
        prop_assert!(known == first + total as u64 || known == first + total as u64 + 1);
        prop_assert!(path.reach(0, known as usize).end <= path.reach(first, total).end);
        let mut whole = through(&mut path, first, total, sent);
        let mut noise = AddressedNoise::new(1.0, 5);
        noise.add(first, &mut whole);
        let mut at = total;
        for cut in cuts.into_iter().rev() {
            at -= cut;
            let mut part = through(&mut path, first + at as u64, cut, sent);
            noise.add(first + at as u64, &mut part);
            prop_assert_eq!(&part[..], &whole[at..at + cut]);
        }
    }
}
