//! One subframe over the air and back.

use sidelink_phy::Sample;
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::awgn::{Awgn, noise_power_per_sample};
use sidelink_phy::impair::fading::{ChannelModel, Fading};
use sidelink_phy::impair::offset::FrequencyOffset;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::sc_fdma::Modulator;
use sidelink_phy::units::{Decibel, Hertz};

/// Effects between transmitter and receiver.
#[derive(Clone, Copy, Debug)]
pub struct AirConfig {
    /// Fading.
    pub channel: ChannelModel,
    /// Carrier offset.
    pub cfo: Hertz,
    /// Seed of everything random.
    pub seed: u64,
}

/// Transmits subframes over a channel. Each is faded and turned independently of the last.
pub(super) struct Air {
    pub(super) numerology: Numerology,
    config: AirConfig,
    modulator: Modulator,
    noise: Awgn,
    pub(super) rng: Rng,
    /// Subframes so far, for independent fading.
    count: u64,
    samples: Vec<Sample>,
}

impl Air {
    pub(super) fn new(numerology: Numerology, config: AirConfig) -> Self {
        Self {
            numerology,
            config,
            modulator: Modulator::new(numerology),
            noise: Awgn::new(1.0, config.seed ^ 0x5eed),
            rng: Rng::new(config.seed),
            count: 0,
            samples: Vec::new(),
        }
    }

    pub(super) fn set_es_n0(&mut self, es_n0: Decibel) {
        let amplitude = 1.0 / (self.numerology.subcarriers() as f64).sqrt();
        self.noise.set_power(noise_power_per_sample(es_n0, amplitude, self.numerology.fft()));
    }

    /// Returns the samples of `grid` as they are received.
    pub(super) fn carry(&mut self, grid: &Grid) -> &[Sample] {
        let n = self.numerology.subframe_samples();
        let rate = self.numerology.sample_rate();
        self.samples.resize(n, Sample::default());
        self.modulator.modulate(grid, &mut self.samples);
        let phase = 2.0 * std::f64::consts::PI * self.rng.uniform();
        let seed = self.config.seed.wrapping_mul(0x9e37_79b9).wrapping_add(self.count);
        self.count += 1;
        if let Ok(Some(mut fading)) = self.config.channel.fading(rate, seed) {
            // the filter has a delay: feed that many more samples, and drop the first ones
            let late = Fading::LATENCY;
            self.samples.resize(n + late, Sample::default());
            fading.process(&mut self.samples);
            self.samples.drain(..late);
        }
        let mut offset = FrequencyOffset::new(self.config.cfo, rate);
        offset.set_phase(phase);
        offset.process(&mut self.samples);
        self.noise.process(&mut self.samples);
        &self.samples
    }
}
