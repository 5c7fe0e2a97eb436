use super::*;
use crate::impair::awgn::{Awgn, noise_power_per_sample};
use crate::impair::fading::{Fading, Profile};
use crate::impair::offset::FrequencyOffset;
use crate::impair::rng::Rng;
use crate::sc_fdma::{Demodulator, Modulator};
use crate::units::{Bandwidth, CyclicPrefix, Decibel, Hertz, SidelinkMode};

mod accuracy;
mod second_try;
mod subtraction;

const FIRST: usize = 60;
const SNR: Decibel = Decibel(15.0);

/// Estimates PSSCH of modes 3 and 4, or of 1 and 2, sent repeatedly over a channel.
struct Bench {
    numerology: Numerology,
    sidelink: SidelinkMode,
    layout: Layout,
    references: Arc<References>,
    estimator: Estimator,
    seed: u64,
}

impl Bench {
    fn new(sidelink: SidelinkMode) -> Self {
        let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
        let references = Arc::new(References::new(25));
        Self {
            numerology,
            sidelink,
            layout: Layout::shared(sidelink, CyclicPrefix::Normal),
            estimator: Estimator::new(numerology, references.clone(), Antennas::ONE),
            references,
            seed: 0,
        }
    }

    fn measure(&mut self, m_sc: usize, fading: Option<(Profile, f64)>, cfo: f64, near: f64) -> Measurement {
        let n = self.numerology;
        self.seed += 1;
        let dmrs = Dmrs::pssch(self.seed as u16, 3, self.sidelink);
        let mut grid = Grid::new(n);
        for (m, &l) in self.layout.dmrs.iter().enumerate() {
            self.references.emit(&dmrs, m, &mut grid.symbol_mut(l as usize)[FIRST..FIRST + m_sc]);
        }
        let mut samples = vec![Sample::default(); n.subframe_samples()];
        Modulator::new(n).modulate(&grid, &mut samples);
        if let Some((profile, doppler)) = fading {
            samples.resize(n.subframe_samples() + Fading::LATENCY, Sample::default());
            Fading::new(profile, Hertz(doppler), n.sample_rate(), self.seed).unwrap().process(&mut samples);
            samples.drain(..Fading::LATENCY);
        }
        FrequencyOffset::new(Hertz(cfo), n.sample_rate()).process(&mut samples);
        let amplitude = 1.0 / (n.subcarriers() as f64).sqrt();
        Awgn::new(noise_power_per_sample(SNR, amplitude, n.fft()), self.seed).process(&mut samples);
        // a large offset was removed from the grid already; a small one stays
        let removed = if cfo.abs() > 500.0 { cfo - 100.0 } else { 0.0 };
        Demodulator::new(n, n.fft() * 72 / 2048).demodulate(&samples, Hertz(removed), &mut grid);
        let mut measurement = self.estimator.estimate(
            std::slice::from_ref(&grid),
            FIRST,
            m_sc,
            self.layout,
            &dmrs,
            Hertz(near - removed),
        );
        measurement.cfo = measurement.cfo + Hertz(removed);
        measurement.offset = measurement.offset + Hertz(removed);
        measurement
    }
}

/// The offset of a static channel is measured correctly, and removed completely.
#[test]
fn offsets_of_still_channels_are_measured() {
    for sidelink in [SidelinkMode::D2d, SidelinkMode::V2x] {
        let mut bench = Bench::new(sidelink);
        for cfo in [-6900.0, -2000.0, -400.0, -150.0, 0.0, 60.0, 450.0, 7000.0] {
            for m_sc in [24, 96] {
                let m = bench.measure(m_sc, None, cfo, cfo + 200.0);
                assert!((m.cfo - Hertz(cfo)).abs() < Hertz(40.0), "{sidelink:?} {cfo} Hz: {m:?}");
                assert!((m.offset - m.cfo).abs() <= Hertz(20.0), "{sidelink:?} {cfo} Hz: {m:?}");
                assert!(m.doppler <= Hertz(50.0), "{sidelink:?} {cfo} Hz: {m:?}");
            }
        }
    }
}

/// Motion is neither noise nor an offset, and an offset beside it is measured on the average.
#[test]
fn motion_is_told_from_noise_and_from_an_offset() {
    let mut bench = Bench::new(SidelinkMode::V2x);
    for doppler in [300.0, 600.0, 1000.0] {
        let trials = 60;
        let (mut noise, mut near, mut left) = (0.0, 0, 0);
        for _ in 0..trials {
            let m = bench.measure(96, Some((Profile::Eva, doppler)), 0.0, 0.0);
            noise += m.noise / trials as f32;
            near += usize::from((0.5 * doppler..=1.5 * doppler).contains(&m.doppler.0));
            left += usize::from(m.offset == Hertz(0.0) || m.cfo.abs() < Hertz(40.0));
        }
        let excess = Decibel::of_ratio_f32(noise) + SNR;
        // errors of the estimate on a moving channel count as noise
        assert!((-1.0..1.5).contains(&excess.0), "{doppler} Hz: noise is {excess} off");
        assert!(near > 45, "{doppler} Hz: Doppler near {near} of {trials}");
        assert!(left >= 35, "{doppler} Hz: offset left in {left} of {trials}");
    }
}

/// Wide allocations tell the profile: a channel of many delays is estimated well, and so is a flat one.
#[test]
fn the_channel_is_estimated_whatever_its_delays() {
    let bench = Bench::new(SidelinkMode::V2x);
    let dmrs = Dmrs::pssch(77, 3, SidelinkMode::V2x);
    let mut estimator = Estimator::new(bench.numerology, bench.references.clone(), Antennas::ONE);
    let mut rng = Rng::new(11);
    // two equal paths apart by microseconds, the first or the second is the stronger one; 20 dB
    for (m_sc, apart, most) in
        [(96, 0.0, -30.0), (96, 1e-6, -24.0), (96, 4e-6, -22.0), (24, 1e-6, -23.0), (12, 0.5e-6, -22.0)]
    {
        let (mut error, mut power) = (0.0, 0.0);
        for _ in 0..60 {
            let (a, b) = (rng.complex_gaussian(), rng.complex_gaussian());
            let channel = |k: usize| a + b * phasor(-apart * 15e3 * k as f64);
            let mut grid = Grid::new(bench.numerology);
            for (m, &l) in bench.layout.dmrs.iter().enumerate() {
                let part = &mut grid.symbol_mut(l as usize)[FIRST..FIRST + m_sc];
                bench.references.emit(&dmrs, m, part);
                for (k, x) in part.iter_mut().enumerate() {
                    *x = *x * channel(k) + rng.complex_gaussian() * 0.1414;
                }
            }
            estimator.estimate(std::slice::from_ref(&grid), FIRST, m_sc, bench.layout, &dmrs, Hertz(0.0));
            let mut estimated = vec![Sample::default(); m_sc];
            estimator.channel(&mut estimated);
            for (k, h) in estimated.iter().enumerate() {
                error += (h - channel(k)).norm_sqr();
                power += channel(k).norm_sqr();
            }
        }
        let off = Decibel::of_ratio_f32(error / power);
        assert!(off.0 < most, "{m_sc} subcarriers, {apart} s apart: {off:.1}");
    }
}

/// The noise of a faint signal is measured whatever part of its band fades.
#[test]
fn the_noise_of_a_faint_selective_channel_is_measured() {
    let bench = Bench::new(SidelinkMode::V2x);
    let dmrs = Dmrs::pssch(77, 3, SidelinkMode::V2x);
    let mut estimator = Estimator::new(bench.numerology, bench.references.clone(), Antennas::ONE);
    let mut rng = Rng::new(13);
    let mut worst: f32 = 0.0;
    for _ in 0..40 {
        let (a, b) = (phasor(rng.uniform()), phasor(rng.uniform()));
        let channel = |k: usize| (a + b * phasor(-0.5e-6 * 15e3 * k as f64)) * 0.7;
        let mut grid = Grid::new(bench.numerology);
        for (m, &l) in bench.layout.dmrs.iter().enumerate() {
            let row = grid.symbol_mut(l as usize);
            bench.references.emit(&dmrs, m, row);
            for (k, x) in row.iter_mut().enumerate() {
                *x = *x * channel(k) + rng.complex_gaussian();
            }
        }
        let grids = std::slice::from_ref(&grid);
        let m = estimator.estimate(grids, 0, 300, bench.layout, &dmrs, Hertz(0.0));
        worst = worst.max((m.noise - 1.0).abs());
    }
    assert!(worst < 0.2, "noise is {worst} off");
}

/// A second hypothesis may be supposed any number of times, and the first one comes back with the next estimate.
#[test]
fn a_hypothesis_is_supposed_once() {
    let mut bench = Bench::new(SidelinkMode::D2d);
    let first = bench.measure(24, Some((Profile::Eva, 5.0)), 0.0, 0.0);
    let supposed = bench.estimator.suppose(Hypothesis::WideAndFast);
    assert_eq!(supposed.doppler, Hertz(300.0));
    assert_eq!((supposed.cfo, supposed.delay), (first.cfo, first.delay));
    assert_eq!(bench.estimator.suppose(Hypothesis::WideAndFast), supposed);
    bench.seed -= 1;
    assert_eq!(bench.measure(24, Some((Profile::Eva, 5.0)), 0.0, 0.0), first);
}

/// Offset, delay and Doppler are common; an antenna that is dead, broken, without a grid, or has another gain spoils
/// none of them, and noise and signal are its own.
#[test]
fn antennas_are_measured_together_and_apart() {
    let bench = Bench::new(SidelinkMode::V2x);
    let mut rng = Rng::new(9);
    let dmrs = Dmrs::pssch(77, 3, SidelinkMode::V2x);
    let mut estimator = Estimator::new(bench.numerology, bench.references.clone(), Antennas::new(3).unwrap());
    let mut sent = Grid::new(bench.numerology);
    for (m, &l) in bench.layout.dmrs.iter().enumerate() {
        bench.references.emit(&dmrs, m, &mut sent.symbol_mut(l as usize)[FIRST..FIRST + 96]);
    }
    // 300 Hz and 1 us late, 15 dB at the first antenna, 5 dB at the second, whose gain is 40 dB higher
    let mut receive = |channel: Sample, noise: f32| {
        let mut grid = sent.clone();
        for l in 0..grid.symbols() {
            let turn = phasor(300.0 * bench.numerology.symbol_distance(0, l));
            for (k, x) in grid.symbol_mut(l).iter_mut().enumerate() {
                *x = *x * channel * turn * phasor(-0.015 * k as f64) + rng.complex_gaussian() * noise.sqrt();
            }
        }
        grid
    };
    let near = receive(Sample::new(0.6, 0.8), 10f32.powf(-1.5));
    let loud = receive(Sample::new(0.0, 100.0), 10f32.powf(3.5));
    let silent = Grid::new(bench.numerology);
    let mut broken = silent.clone();
    for l in 0..broken.symbols() {
        broken.symbol_mut(l).fill(Sample::new(f32::NAN, f32::INFINITY));
    }
    for third in [Some(&silent), Some(&broken), None] {
        let mut grids = vec![near.clone(), loud.clone()];
        grids.extend(third.cloned());
        let m = estimator.estimate(&grids, FIRST, 96, bench.layout, &dmrs, Hertz(0.0));
        assert!((m.offset - Hertz(300.0)).abs() < Hertz(20.0), "{m:?}");
        assert!((m.delay - 1e-6).abs() < 1e-7, "{m:?}");
        assert_eq!(m.doppler, Hertz(0.0), "{m:?}");
        let [a, b, c] = &estimator.branches[..] else { panic!("three antennas") };
        for (branch, snr) in [(a, 15.0), (b, 5.0)] {
            let measured = Decibel::of_ratio_f32(branch.signal / branch.noise).0;
            assert!((measured - snr).abs() < 1.0, "{measured} dB of {snr} dB");
        }
        assert!(!c.is_heard());
        let both = 10f32.powf(1.5) + 10f32.powf(0.5);
        assert!((m.ratio() / both - 1.0).abs() < 0.3, "{m:?}");
    }
    let m = estimator.estimate(&[], FIRST, 96, bench.layout, &dmrs, Hertz(0.0));
    assert!(m.signal == 0.0, "{m:?}");
}

/// All received values are NaN, or all are zero.
#[test]
fn anything_can_be_estimated() {
    for sidelink in [SidelinkMode::D2d, SidelinkMode::V2x] {
        let bench = Bench::new(sidelink);
        let mut estimator = bench.estimator;
        for value in [Sample::default(), Sample::new(f32::NAN, 0.0), Sample::new(f32::MAX, f32::INFINITY)] {
            let mut grid = Grid::new(bench.numerology);
            for l in 0..grid.symbols() {
                grid.symbol_mut(l).fill(value);
            }
            for m_sc in [12, 24, 96, 300] {
                estimator.estimate(
                    std::slice::from_ref(&grid),
                    0,
                    m_sc,
                    bench.layout,
                    &Dmrs::pssch(5, 3, sidelink),
                    Hertz(0.0),
                );
            }
        }
    }
}
