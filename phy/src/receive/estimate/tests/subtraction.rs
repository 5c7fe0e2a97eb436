//! What the subtraction of a known transmission leaves of it.

use super::accuracy::{ETU, EVA, Scene};
use super::*;
use crate::channel::pssch::{Encoder, Grant};
use crate::units::{PrbRange, TransmissionMode};

/// A transmission at several antennas, and how well it is known.
#[derive(Clone, Copy, Debug)]
struct Case {
    scene: Scene,
    /// Gain of each antenna.
    gains: &'static [f32],
    /// Gain of the noise of each antenna, more than 1 where it is noisier.
    noises: &'static [f32],
    /// Errors of the first guess: offset in Hz, delay in seconds.
    wrong: (f64, f32),
}

impl Case {
    const V2X: Self = Self {
        scene: Scene { snr_db: 25.0, ..Scene::V2X },
        gains: &[1.0],
        noises: &[1.0, 1.0],
        wrong: (0.0, 0.0),
    };

    fn replica(&self) -> Replica {
        let numerology = Numerology::standard(Bandwidth::Prb50, CyclicPrefix::Normal);
        Replica::new(numerology, Antennas::new(self.gains.len()).unwrap())
    }

    /// Returns the power that is left of the signal, the noise apart: on the allocation, and beside it, in dB against the
    /// whole signal.
    fn left(&self, replica: &mut Replica, trials: u64) -> (f64, f64) {
        let Scene { prbs, sidelink, snr_db, offset_hz, .. } = self.scene;
        let numerology = Numerology::standard(Bandwidth::Prb50, CyclicPrefix::Normal);
        let references = Arc::new(References::new(50));
        let mode = TransmissionMode::Tm4;
        let layout = Layout::shared(sidelink, CyclicPrefix::Normal);
        let antennas = Antennas::new(self.gains.len()).unwrap();
        let mut estimator = Estimator::new(numerology, references.clone(), antennas);
        let mut encoder = Encoder::new(numerology, mode, references);
        let mut modulator = Modulator::new(numerology);
        let mut demodulator = Demodulator::new(numerology, numerology.fft() * 72 / 2048);
        let times: [f64; 14] = std::array::from_fn(|l| numerology.symbol_distance(0, l));
        let mut rng = Rng::new(55);
        let noise = 10f64.powf(-snr_db / 20.0) as f32;
        let mut sums = [0.0; 3];
        for trial in 0..trials {
            let range = PrbRange { start: 1, len: prbs };
            let grant = Grant {
                prbs: range,
                mcs: 8,
                rv: 0,
                n_id: trial as u16,
                n_ssf: 3,
                transmission_format: false,
            };
            let octets = grant.size(sidelink).unwrap().1 / 8;
            let block: Vec<u8> = (0..octets).map(|_| rng.below(256) as u8).collect();
            let mut sent = Grid::new(numerology);
            encoder.encode(&block, &grant, 1.0, &mut sent).unwrap();
            let mut receive = |gain: &f32, rng: &mut Rng| {
                let gains = self.scene.gains(rng, &times);
                let mut faded = sent.clone();
                for k in 0..faded.subcarriers() {
                    let turns: Vec<Sample> = self.scene.turns(k).collect();
                    for l in 0..14 {
                        let h: Sample = gains.iter().zip(&turns).map(|(gain, turn)| gain[l] * turn).sum();
                        faded.symbol_mut(l)[k] *= h * gain;
                    }
                }
                let mut samples = vec![Sample::default(); numerology.subframe_samples()];
                modulator.modulate(&faded, &mut samples);
                FrequencyOffset::new(Hertz(offset_hz), numerology.sample_rate()).process(&mut samples);
                demodulator.demodulate(&samples, Hertz(0.0), &mut faded);
                faded
            };
            let signal: Vec<Grid> = self.gains.iter().map(|gain| receive(gain, &mut rng)).collect();
            let noise: Vec<Grid> = self
                .gains
                .iter()
                .zip(self.noises)
                .map(|(gain, more)| {
                    let noise = noise * gain * more;
                    let mut grid = Grid::new(numerology);
                    (0..13).for_each(|l| grid.symbol_mut(l).fill_with(|| rng.complex_gaussian() * noise));
                    grid
                })
                .collect();
            let mut grids = signal.clone();
            for (grid, noise) in grids.iter_mut().zip(&noise) {
                (0..14).for_each(|l| {
                    grid.symbol_mut(l).iter_mut().zip(noise.symbol(l)).for_each(|(x, n)| *x += n)
                });
            }
            let (first, m_sc) = (range.first_subcarrier(), range.subcarriers());
            let dmrs = Dmrs::pssch(grant.n_id, grant.n_ssf, sidelink);
            let mut measurement = estimator.estimate(&grids, first, m_sc, layout, &dmrs, Hertz(offset_hz));
            measurement.offset = measurement.offset + Hertz(self.wrong.0);
            measurement.delay += self.wrong.1;
            assert!(replica.fit(&Sent { grid: &sent, first, m_sc, layout }, &measurement, &grids));
            replica.subtract(&mut grids);
            let scales = self.gains.iter().zip(self.noises).map(|(gain, more)| (gain * more).powi(-2));
            for ((grid, noise), (signal, scale)) in grids.iter().zip(&noise).zip(signal.iter().zip(scales)) {
                for l in 1..13 {
                    for k in 0..grid.subcarriers() {
                        let left = (grid.symbol(l)[k] - noise.symbol(l)[k]).norm_sqr() * scale;
                        sums[usize::from(!(first..first + m_sc).contains(&k))] += left;
                        sums[2] += signal.symbol(l)[k].norm_sqr() * scale;
                    }
                }
            }
        }
        let db = |sum: f32| Decibel::of_ratio_f32((sum / sums[2]).max(1e-20)).0;
        (db(sums[0]), db(sums[1]))
    }
}

#[test]
fn little_is_left_of_a_known_transmission() {
    let scene = Case::V2X.scene;
    let moving = |paths, doppler_hz| Scene { paths, doppler_hz, ..scene };
    let offset = |offset_hz, snr_db| Scene { offset_hz, snr_db, ..scene };
    let of = |scene| Case { scene, ..Case::V2X };
    let gains: &[f32] = &[1.0, 30.0];
    for (left_db, beside_db, case) in [
        (-45.0, -60.0, Case::V2X),
        (-38.5, -60.0, of(Scene { prbs: 2, ..scene })),
        (-39.5, -44.0, of(offset(300.0, 25.0))),
        (-31.0, -36.5, of(offset(900.0, 45.0))),
        (-34.5, -50.0, Case { wrong: (130.0, 0.0), ..Case::V2X }),
        (-45.0, -60.0, Case { wrong: (0.0, 0.3e-6), ..Case::V2X }),
        (-35.5, -60.0, of(moving(EVA, 70.0))),
        (-24.0, -60.0, of(Scene { snr_db: 40.0, ..moving(EVA, 600.0) })),
        (-11.0, -50.0, of(Scene { prbs: 2, ..moving(EVA, 1000.0) })),
        (-25.0, -60.0, of(Scene { prbs: 24, ..moving(ETU, 5.0) })),
        (-22.5, -60.0, of(moving(ETU, 300.0))),
        (-17.5, -60.0, of(Scene { snr_db: 0.0, ..moving(EVA, 70.0) })),
        (-32.0, -50.0, Case { gains, scene: moving(EVA, 70.0), wrong: (100.0, 0.0), ..Case::V2X }),
        // as well as without the second antenna
        (-27.0, -50.0, Case { gains, noises: &[1.0, 600.0], scene: moving(EVA, 70.0), ..Case::V2X }),
    ] {
        let (left, beside) = case.left(&mut case.replica(), 25);
        assert!(left < left_db && beside < beside_db, "{left:.2} {beside:.2} dB: {case:?}");
    }
    // a moving channel leaves nothing to the next transmission
    let case = Case::V2X;
    let mut used = case.replica();
    of(moving(EVA, 1000.0)).left(&mut used, 3);
    assert_eq!(case.left(&mut used, 3), case.left(&mut case.replica(), 3));
}

#[test]
fn what_is_no_number_is_not_subtracted() {
    let case = Case::V2X;
    let mut replica = case.replica();
    let numerology = Numerology::standard(Bandwidth::Prb50, CyclicPrefix::Normal);
    let layout = Layout::shared(SidelinkMode::V2x, CyclicPrefix::Normal);
    let mut rng = Rng::new(3);
    let mut sent = Grid::new(numerology);
    (0..14).for_each(|l| sent.symbol_mut(l).fill_with(|| rng.complex_gaussian()));
    let mut fits = |offset: f32, delay, value: Option<f32>| {
        let mut grid = sent.clone();
        if let Some(value) = value {
            grid.symbol_mut(4)[20] = Sample::new(value, 0.0);
        }
        let measurement = Measurement { offset: Hertz::from(offset), delay, ..Measurement::default() };
        let sent = Sent { grid: &sent, first: 12, m_sc: 96, layout };
        replica.fit(&sent, &measurement, std::slice::from_ref(&grid))
    };
    assert!(fits(0.0, 0.0, None));
    for bad in [f32::NAN, f32::INFINITY] {
        assert!(!fits(bad, 0.0, None) && !fits(0.0, bad, None) && !fits(0.0, 0.0, Some(bad)), "{bad}");
    }
}
