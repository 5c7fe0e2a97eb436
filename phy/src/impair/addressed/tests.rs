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
