//! Detectors with several antennas of which one is loud, noisy or dead: what the others receive is found.

use super::*;
use crate::pool::V2xPool;
use crate::receive::acquire::{Acquisition, MAX_TIMINGS, Timing};
use crate::receive::receiver::tests::collisions::{Encoders, Heard, STRONG, format_1, numerology};

/// Damage to the second of two antennas.
#[derive(Clone, Copy, Debug)]
enum Second {
    /// The same signal as strong, and noise of its own.
    Good,
    /// Noise alone, with a gain.
    Noise(f32),
    Silent,
}

impl Second {
    fn apply(self, rng: &mut Rng, samples: &mut [Sample]) {
        match self {
            Self::Good => {}
            Self::Noise(gain) => samples.fill_with(|| rng.complex_gaussian() * gain),
            Self::Silent => samples.fill(Sample::default()),
        }
    }
}

const SECONDS: [Second; 4] = [Second::Good, Second::Noise(30.0), Second::Noise(0.01), Second::Silent];

/// Synchronisation signals at a known timing: identity, carrier offset and signal to noise ratio.
#[test]
fn signals_are_detected_whatever_the_other_antenna_does() {
    let n = Numerology::standard(Bandwidth::Prb6, CP);
    let mut encoder = psbch::Encoder::new(n, SidelinkMode::D2d, Arc::new(References::new(6)));
    let detector = Detector::new(SsssForm::Subframe0, CP);
    let mut front = Front::new(&[n], two());
    for second in SECONDS {
        let mut air = Air::new(Bandwidth::Prb6, "AWGN", 8.0, 21);
        let (mut right, mut snr) = (0_u8, 0.0);
        for i in 0..20 {
            let id = SlssId::new(7 * i + 3).unwrap();
            let mut grid = Grid::new(n);
            encoder.encode(&[1; 40], id, 1.0, &mut grid).unwrap();
            let mut samples = air.carry(&[&grid], two());
            second.apply(&mut air.rng, &mut samples[1]);
            assert!(front.load(&views(&samples), Hertz(-300.0)));
            let Some(seen) = detector.detect(front.grid(CP))[0] else { continue };
            if seen.id == id && (seen.cfo.0 - 300.0).abs() < 250.0 {
                right += 1;
                snr += seen.snr.to_f32();
            }
        }
        snr /= right.max(1) as f32;
        let expected = if matches!(second, Second::Good) { 11.0 } else { 8.0 };
        assert!(right >= 17 && (snr - expected).abs() < 2.0, "{second:?}: {right} of 20, {snr} dB");
    }
}

/// Synchronisation signals anywhere in samples.
#[test]
fn signals_are_found_whatever_the_other_antenna_does() {
    let n = Numerology::standard(Bandwidth::Prb25, CP);
    let mut encoder = psbch::Encoder::new(n, SidelinkMode::V2x, Arc::new(References::new(25)));
    let (len, at) = (n.subframe_samples(), 9876);
    let config = SearchConfig { antennas: two(), ..SearchConfig::default() };
    let mut search = Search::new(n, SsssForm::Subframe5, 10 * len, config).unwrap();
    let mut found = Vec::with_capacity(16);
    for second in SECONDS {
        let mut air = Air::new(Bandwidth::Prb25, "AWGN", 300.0, 22);
        let amplitude = 1.0 / (n.subcarriers() as f64).sqrt();
        let mut noise = Awgn::new(noise_power_per_sample(Decibel(4.0), amplitude, n.fft()), 3);
        let (mut right, mut snr) = (0, 0.0);
        for i in 0..6 {
            let id = SlssId::new(40 * i + 3).unwrap();
            let mut grid = Grid::new(n);
            encoder.encode(&[0; 48], id, 1.0, &mut grid).unwrap();
            let subframe = air.carry(&[&grid], two());
            let mut samples = vec![vec![Sample::default(); 10 * len]; 2];
            for (samples, subframe) in samples.iter_mut().zip(&subframe) {
                samples[at..at + len].copy_from_slice(subframe);
                noise.process(samples);
            }
            second.apply(&mut air.rng, &mut samples[1]);
            found.clear();
            search.search_antennas(&views(&samples), &mut found);
            let Some(first) = found.first() else { continue };
            right += usize::from(
                first.id == id && (first.sample - at as f64).abs() < 8.0 && first.cfo.0.abs() < 400.0,
            );
            snr += first.snr.to_f32() / 6.0;
        }
        let expected = if matches!(second, Second::Good) { 7.0 } else { 4.0 };
        assert!(right == 6 && (snr - expected).abs() < 2.0, "{second:?}: {right} of 6, {snr} dB");
    }
    // an antenna that ends earlier does not have the samples of the search before
    let mut rng = Rng::new(5);
    let noise: Vec<Sample> = (0..10 * len).map(|_| rng.complex_gaussian()).collect();
    let mut air = Air::new(Bandwidth::Prb25, "AWGN", 20.0, 23);
    let mut grid = Grid::new(n);
    encoder.encode(&[0; 48], SlssId::new(3).unwrap(), 1.0, &mut grid).unwrap();
    let signal = air.carry(&[&grid], Antennas::ONE)[0].repeat(10);
    search.search_antennas(&[&noise, &signal], &mut found);
    assert!(!found.is_empty());
    found.clear();
    search.search_antennas(&[&noise, &signal[..100]], &mut found);
    assert!(found.is_empty(), "{found:?}");
}

/// Noise passes the search as often with three antennas as with one.
#[test]
fn a_search_passes_as_much_noise_as_with_one_antenna() {
    let n = Numerology::standard(Bandwidth::Prb6, CP);
    let passed = |antennas: usize| {
        let config =
            SearchConfig { antennas: Antennas::new(antennas).unwrap(), accept: 13.0, ..Default::default() };
        let mut search = Search::new(n, SsssForm::Subframe0, 10 * n.subframe_samples(), config).unwrap();
        let mut rng = Rng::new(24);
        let mut found = Vec::with_capacity(16);
        let mut count = 0;
        for _ in 0..60 {
            let samples: Vec<Vec<Sample>> = [1.0, 20.0, 0.1][..antennas]
                .iter()
                .map(|gain| (0..10 * n.subframe_samples()).map(|_| rng.complex_gaussian() * *gain).collect())
                .collect();
            found.clear();
            search.search_antennas(&views(&samples), &mut found);
            count += found.len();
        }
        count
    };
    let (one, three) = (passed(1), passed(3));
    assert!(one >= 6 && three <= 2 * one, "{one} {three}");
}

/// The begin of subframes by cyclic prefixes.
#[test]
fn prefixes_are_found_whatever_the_other_antenna_does() {
    let n = numerology();
    let pool = V2xPool::simple(8, 3);
    for second in SECONDS {
        let mut ue = Encoders::new(TransmissionMode::Tm4, 25);
        let mut streams = vec![vec![Sample::default(); 777]; 2];
        for k in 0..10 {
            for stream in &mut streams {
                let mut air = vec![Sample::default(); n.subframe_samples()];
                ue.v2x(&pool, &format_1(&pool, 0, 3, 1), 0, 3, k % 10, &mut Vec::new());
                ue.send(STRONG, &mut air);
                ue.noise(10.0, &mut air);
                stream.extend(air);
            }
        }
        second.apply(&mut Rng::new(26), &mut streams[1]);
        let mut acquisition = Acquisition::new(n, two());
        acquisition.add(&views(&streams), 0);
        let mut timings = [Timing::default(); MAX_TIMINGS];
        assert!(acquisition.best(&mut timings) > 0, "{second:?}");
        assert!(timings[0].offset.abs_diff(777) < 12, "{second:?}: {timings:?}");
    }
}

/// Blocks without a pool: their place is found by reference signals.
#[test]
fn blocks_are_found_whatever_the_other_antenna_does() {
    let pool = V2xPool::simple(8, 3);
    for second in SECONDS {
        let mut config = Config::new(numerology(), TransmissionMode::Tm4);
        config.antennas = two();
        let mut receiver = Receiver::new(config);
        let mut ue = Encoders::new(TransmissionMode::Tm4, 27);
        let mut arrived = 0;
        for k in 0..10 {
            let mut airs = vec![vec![Sample::default(); numerology().subframe_samples()]; 2];
            let mut block = Vec::new();
            for air in &mut airs {
                ue.v2x(&pool, &format_1(&pool, 0, 2, 1), 1, 3, (k % 10) as u8, &mut block);
                ue.send(STRONG, air);
                ue.noise(6.0, air);
            }
            second.apply(&mut ue.rng, &mut airs[1]);
            let mut heard = Heard::default();
            heard.process_antennas(&mut receiver, k, &views(&airs));
            arrived += usize::from(heard.layer(&block).is_some());
        }
        assert!(arrived >= 9, "{second:?}: {arrived} of 10");
    }
}

/// Without noise, rounding makes a share of the power larger than 1.
#[test]
fn channels_without_noise_are_present() {
    let n = Numerology::standard(Bandwidth::Prb50, CP);
    let references = Arc::new(References::new(50));
    let mut presence = Presence::new(50, references.clone());
    let (d2d, v2x) = (Layout::shared(SidelinkMode::D2d, CP), Layout::shared(SidelinkMode::V2x, CP));
    for prb in 0..48 {
        let mut grids = vec![Grid::new(n); 2];
        for (a, grid) in grids.iter_mut().enumerate() {
            let gain = Sample::from_polar(0.3 + 0.7 * a as f32, prb as f32);
            for (m, &l) in d2d.dmrs.iter().enumerate() {
                let part = &mut grid.symbol_mut(l as usize)[12 * prb..12 * prb + 12];
                references.emit(&Dmrs::pscch_or_psdch(), m, part);
                part.iter_mut().for_each(|x| *x *= gain);
            }
        }
        let metric = presence.narrow(&grids, 12 * prb, 12, d2d, &Dmrs::pscch_or_psdch());
        assert!(metric > 0.99, "{prb}: {metric}");
        let mut grids = vec![Grid::new(n); 2];
        for grid in &mut grids {
            for (m, &l) in v2x.dmrs.iter().enumerate() {
                references.emit(
                    &Dmrs::pscch_v2x(3),
                    m,
                    &mut grid.symbol_mut(l as usize)[12 * prb..12 * prb + 24],
                );
            }
        }
        let (shift, metric) = presence.control_v2x(&grids, 12 * prb, v2x);
        assert!(shift == 3 && metric > 0.99, "{prb}: {metric}");
    }
}

/// Of the antennas the one that receives most counts (TS 36.214 §5.1.28), and of the symbols those in the middle.
#[test]
fn the_strongest_antenna_gives_the_power_of_a_sub_channel() {
    let ranges = [PrbRange { start: 2, len: 8 }];
    let mut rng = Rng::new(28);
    let n = numerology();
    let mut samples: Vec<Sample> = (0..n.subframe_samples()).map(|_| rng.complex_gaussian()).collect();
    samples[..n.symbol_start(1)].iter_mut().for_each(|x| *x *= 30.0);
    let power = |gains: &[f32]| {
        let antennas: Vec<Vec<Sample>> =
            gains.iter().map(|gain| samples.iter().map(|x| x * *gain).collect()).collect();
        let mut config = Config::new(n, TransmissionMode::Tm4);
        config.antennas = Antennas::new(gains.len()).unwrap();
        let mut receiver = Receiver::new(config);
        receiver.process_antennas(0, &views(&antennas), &mut |_| {});
        let mut power = [0.0];
        receiver.sub_channel_powers(&ranges, &mut power);
        power[0]
    };
    let one = power(&[1.0]);
    // noise of power 1 on every sample: as much on each of the 96 resource elements
    let scale = Decibel::of_ratio_f32(one / power(&[2.0])).0;
    assert!((scale + 6.02).abs() < 0.01, "{scale}");
    let flat = one / 96.0;
    let scale = noise_power_per_sample(Decibel(0.0), (n.subcarriers() as f64).powf(-0.5), n.fft()) as f32;
    assert!((0.8..1.25).contains(&(flat * scale)), "{flat} {scale}");
    for gains in [[1.0, 2.0], [2.0, 1.0], [2.0, 0.0]] {
        assert_eq!(power(&gains), power(&[2.0]), "{gains:?}");
    }
}
