//! One subframe over the air and back.

use super::Knowledge;
use super::truth;
use sidelink_phy::Sample;
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::awgn::{Awgn, noise_power_per_sample};
use sidelink_phy::impair::fading::{ChannelModel, Fading};
use sidelink_phy::impair::offset::FrequencyOffset;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::sc_fdma::Modulator;
use sidelink_phy::units::{Antennas, Decibel, Hertz};

/// Effects between transmitter and receiver.
#[derive(Clone, Copy, Debug)]
pub struct AirConfig {
    /// Fading, independent at each antenna.
    pub channel: ChannelModel,
    /// Carrier offset.
    pub cfo: Hertz,
    /// Receive antennas.
    pub antennas: Antennas,
    /// Seed of everything random.
    pub seed: u64,
}

/// Transmits subframes over a channel. Each is faded and turned independently of the last.
pub(super) struct Air {
    pub(super) numerology: Numerology,
    pub(super) config: AirConfig,
    modulator: Modulator,
    pub(super) rng: Rng,
    /// Subframes so far, for independent fading.
    count: u64,
    antennas: Vec<Antenna>,
    sent: Vec<Sample>,
    /// The channel of each antenna on every resource element, where it is wanted.
    truth: Option<Vec<Grid>>,
    noise: f32,
}

/// The part that differs between antennas.
struct Antenna {
    noise: Awgn,
    samples: Vec<Sample>,
    /// Phases of all antennas but the first, whose phase is drawn with the block.
    rng: Rng,
    /// Makes seeds differ; 0 for the first.
    salt: u64,
}

impl Air {
    pub(super) fn new(numerology: Numerology, config: AirConfig, knowledge: Knowledge) -> Self {
        let count = config.antennas.count();
        let antenna = |a: usize| {
            let salt = (a as u64) << 40;
            Antenna {
                noise: Awgn::new(1.0, config.seed ^ 0x5eed ^ salt),
                samples: Vec::new(),
                rng: Rng::new(config.seed ^ 0xfa5e ^ salt),
                salt,
            }
        };
        Self {
            numerology,
            config,
            modulator: Modulator::new(numerology),
            rng: Rng::new(config.seed),
            count: 0,
            antennas: (0..count).map(antenna).collect(),
            sent: vec![Sample::default(); numerology.subframe_samples()],
            truth: (knowledge == Knowledge::Perfect).then(|| vec![Grid::new(numerology); count]),
            noise: 1.0,
        }
    }

    pub(super) fn set_es_n0(&mut self, es_n0: Decibel) {
        let amplitude = 1.0 / (self.numerology.subcarriers() as f64).sqrt();
        let power = noise_power_per_sample(es_n0, amplitude, self.numerology.fft());
        self.antennas.iter_mut().for_each(|antenna| antenna.noise.set_power(power));
        self.noise = (1.0 / es_n0.power_ratio()) as f32;
    }

    /// Carries `grid`; [`Self::samples`] is what each antenna receives.
    pub(super) fn carry(&mut self, grid: &Grid) {
        let n = self.numerology.subframe_samples();
        let rate = self.numerology.sample_rate();
        self.modulator.modulate(grid, &mut self.sent);
        let mut phase = 2.0 * std::f64::consts::PI * self.rng.uniform();
        let seed = self.config.seed.wrapping_mul(0x9e37_79b9).wrapping_add(self.count);
        self.count += 1;
        for (a, antenna) in self.antennas.iter_mut().enumerate() {
            if a > 0 {
                phase = 2.0 * std::f64::consts::PI * antenna.rng.uniform();
            }
            let samples = &mut antenna.samples;
            samples.clear();
            samples.extend_from_slice(&self.sent);
            let fading = self.config.channel.fading(rate, seed ^ antenna.salt).ok().flatten();
            if let Some(truth) = &mut self.truth {
                let turn = Sample::from_polar(1.0, phase as f32);
                truth::write(&mut truth[a], self.numerology, self.config.channel, fading.as_ref(), turn);
            }
            if let Some(mut fading) = fading {
                // the filter has a delay: feed that many more samples, and drop the first ones
                let late = Fading::LATENCY;
                samples.resize(n + late, Sample::default());
                fading.process(samples);
                samples.drain(..late);
            }
            let mut offset = FrequencyOffset::new(self.config.cfo, rate);
            offset.set_phase(phase);
            offset.process(samples);
            antenna.noise.process(samples);
        }
    }

    /// Returns the samples of each antenna.
    pub(super) fn samples(&self) -> Vec<&[Sample]> {
        self.antennas.iter().map(|antenna| &antenna.samples[..]).collect()
    }

    /// Returns the channel of each antenna on every resource element and the power of the noise on one, where they are
    /// known.
    pub(super) fn truth(&self) -> Option<(&[Grid], f32)> {
        self.truth.as_deref().map(|channels| (channels, self.noise))
    }
}
