//! The samples that a port receives: all other ports through the path of the pair, and noise. Each receiver mixes for
//! itself, each of its antennas with noise of its own.
//!
//! The value of a sample depends on the configuration and on the bursts of the others alone: not on the order of
//! arrival, on the size of reads, or on speed.

use super::config::{AirConfig, Every, Interference, PortConfig};
use super::medium::{Cell, Medium, State};
use crate::RadioError;
use crate::Sample;
use sidelink_phy::impair::addressed::{AddressedConfig, AddressedNoise, AddressedPath, SampleClock};
use sidelink_phy::impair::array::ArrayWeights;
use sidelink_phy::impair::fading::ChannelModel;
use sidelink_phy::units::{Antennas, Decibel, Hertz};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;

/// Samples that are mixed at a time.
const CHUNK: usize = 1024;

/// The receiver of a port.
pub(super) struct Mixer {
    medium: Arc<Medium>,
    slot: usize,
    port: PortConfig,
    /// Of each antenna.
    noise: Vec<AddressedNoise>,
    silences: Silences,
    interference: Vec<Interferer>,
    links: Vec<Link>,
    /// The arrivals for which `links` is valid.
    arrivals: Option<u64>,
    input: Vec<Sample>,
    /// A chunk of one signal before the antennas receive it.
    through: Vec<Sample>,
}

/// Another port and the path from it.
struct Link {
    slot: usize,
    generation: u64,
    name: String,
    /// Independent channels of equal geometry, and what each antenna receives of them.
    paths: Vec<AddressedPath>,
    weights: ArrayWeights,
    clock: SampleClock,
    silences: Silences,
}

impl Link {
    /// Returns a path; all have the same times.
    fn path(&self) -> &AddressedPath {
        &self.paths[0]
    }

    /// Adds samples `at` and after to what the antennas receive, `parts`. `through` has room for as many.
    fn add(
        &mut self,
        at: u64,
        input_first: i64,
        input: &[Sample],
        through: &mut [Sample],
        parts: &mut [&mut [Sample]],
    ) {
        if let ([path], [one]) = (&mut self.paths[..], &mut *parts) {
            return path.add(at, input_first, input, one);
        }
        for (channel, path) in self.paths.iter_mut().enumerate() {
            through.fill(Sample::default());
            path.add(at, input_first, input, through);
            self.weights.spread(channel, through, parts);
        }
    }
}

/// Intervals in which a port neither receives nor is received.
struct Silences {
    every: Option<Every>,
    stretches: Vec<[f64; 2]>,
    seed: u64,
    rate: f64,
}

impl Silences {
    fn new(config: &AirConfig, port: &PortConfig) -> Self {
        Self {
            every: port.drop_outs,
            stretches: port.silent.clone(),
            seed: config.port_seed(&port.name) ^ 1,
            rate: config.rate.0,
        }
    }

    /// Silences the part of `samples` that falls into the intervals; the first has the number `first` on `clock`.
    fn apply(&self, clock: SampleClock, first: i64, samples: &mut [Sample]) {
        if self.every.is_none() && self.stretches.is_empty() {
            return;
        }
        let count = samples.len();
        let time = times(clock, first, count);
        let mut silence =
            |stretch: Range<f64>| samples[within(clock, first, count, stretch)].fill(Sample::default());
        for [from, to] in &self.stretches {
            silence(from * self.rate..to * self.rate);
        }
        if let Some(every) = self.every {
            every.each(self.seed, self.rate, time, silence);
        }
    }
}

/// A source of interference as received by this port. Its samples are numbered by common time.
struct Interferer {
    every: Option<Every>,
    seed: u64,
    rate: f64,
    noise: AddressedNoise,
    weights: ArrayWeights,
}

impl Interferer {
    fn new(config: &AirConfig, source: &Interference, index: u64, port: &PortConfig) -> Self {
        let gain = source.gain + config.between(source.position, port.position).0;
        let seed = config.port_seed("interference").wrapping_add(index);
        let noise = AddressedNoise::new(10_f64.powf((gain * 1e6).round() * 1e-7), seed);
        let weights = ArrayWeights::phases(port.count(), seed ^ config.port_seed(&port.name));
        Self { every: source.every, seed, rate: config.rate.0, noise, weights }
    }

    /// Adds samples `first` and after to what the antennas receive, `parts`. `through` has room for as many.
    fn add(&mut self, clock: SampleClock, first: u64, through: &mut [Sample], parts: &mut [&mut [Sample]]) {
        if let [one] = parts {
            return self.add_one(clock, first, one);
        }
        through.fill(Sample::default());
        self.add_one(clock, first, through);
        self.weights.spread(0, through, parts);
    }

    fn add_one(&mut self, clock: SampleClock, first: u64, samples: &mut [Sample]) {
        // Rounded to the nearest sample.
        let ahead = clock.start.round() as u64;
        let noise = &mut self.noise;
        let Some(every) = self.every else { return noise.add(first + ahead, samples) };
        let time = times(clock, first as i64, samples.len());
        every.each(self.seed, self.rate, time, |stretch| {
            let part = within(clock, first as i64, samples.len(), stretch);
            noise.add(first + ahead + part.start as u64, &mut samples[part]);
        });
    }
}

/// Returns the common times of `count` samples.
fn times(clock: SampleClock, first: i64, count: usize) -> Range<f64> {
    clock.time_of(first as f64)..clock.time_of(first as f64 + count as f64)
}

/// Returns which of `count` samples fall into an interval of common time.
fn within(clock: SampleClock, first: i64, count: usize, stretch: Range<f64>) -> Range<usize> {
    let index = |time: f64| ((clock.sample_at(time) - first as f64).ceil().max(0.0) as usize).min(count);
    index(stretch.start)..index(stretch.end)
}

/// The slot that limits what can be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// Samples before this one are known.
    pub(super) known: u64,
    /// The slot that limits `known`, if any does.
    pub(super) by: Option<usize>,
}

impl Mixer {
    pub(super) fn new(medium: Arc<Medium>, slot: usize, port: PortConfig) -> Self {
        let config = medium.config();
        let noise =
            |antenna| AddressedNoise::new(config.noise_power(), config.noise_seed(&port.name, antenna));
        let sources = config.interference.iter().zip(0..);
        Self {
            noise: (0..port.count().count()).map(noise).collect(),
            silences: Silences::new(config, &port),
            interference: sources.map(|(source, i)| Interferer::new(config, source, i, &port)).collect(),
            slot,
            port,
            links: Vec::new(),
            arrivals: None,
            // Clocks differ by at most a thousandth; the filters look back and ahead.
            input: vec![Sample::default(); 2 * CHUNK + 64 + (config.rate.0 * 10e-6) as usize],
            through: vec![Sample::default(); CHUNK],
            medium,
        }
    }

    pub(super) fn antennas(&self) -> Antennas {
        self.port.count()
    }

    pub(super) fn clock(&self) -> SampleClock {
        self.medium.clock(self.slot)
    }

    /// Updates the links to the ports that are present. Allocates only after an arrival or a departure.
    pub(super) fn look(&mut self) -> Result<(), RadioError> {
        let arrivals = self.medium.arrivals();
        if self.arrivals == Some(arrivals) {
            return Ok(());
        }
        let medium = Arc::clone(&self.medium);
        let generation = |slot| medium.word(slot, Cell::Generation).load(Acquire);
        self.links.retain(|l| medium.state(l.slot).is_heard() && generation(l.slot) == l.generation);
        for slot in medium.slots() {
            let known = self.links.iter().any(|l| l.slot == slot);
            if slot == self.slot || known || !medium.state(slot).is_heard() {
                continue;
            }
            let Some(other) = medium.port(slot) else { continue };
            if other.listen_only {
                continue;
            }
            let (weights, paths) = self.paths_from(slot, &other)?;
            self.links.push(Link {
                slot,
                generation: generation(slot),
                paths,
                weights,
                clock: medium.clock(slot),
                silences: Silences::new(medium.config(), &other),
                name: other.name,
            });
        }
        // Sums of floating-point numbers depend on their order.
        self.links.sort_by(|a, b| a.name.cmp(&b.name));
        self.arrivals = Some(arrivals);
        Ok(())
    }

    /// Returns the channels from another port, and their weights at the antennas.
    fn paths_from(
        &self,
        slot: usize,
        other: &PortConfig,
    ) -> Result<(ArrayWeights, Vec<AddressedPath>), RadioError> {
        let config = self.medium.config();
        let (gain, flight) = config.between(self.port.position, other.position);
        let pair = config.pair_seed(&self.port.name, &other.name);
        let weights = match config.channel.0 {
            ChannelModel::Awgn => {
                ArrayWeights::phases(self.port.count(), config.channel_seed(pair, &self.port.name, 1))
            }
            ChannelModel::Fading { .. } => ArrayWeights::correlated(self.port.count(), config.correlation()),
        };
        let path = |channel| AddressedConfig {
            gain: Decibel(other.gain + gain),
            frequency: Hertz(other.cfo.0 - self.port.cfo.0),
            delay_samples: other.delay + flight,
            transmitter: self.medium.clock(slot),
            receiver: self.clock(),
            channel: config.channel.0,
            seed: config.channel_seed(pair, &self.port.name, channel),
        };
        let paths =
            (0..weights.channels()).map(|channel| AddressedPath::new(&path(channel), Hertz(config.rate.0)));
        let paths = paths.collect::<Result<_, _>>().map_err(|e| {
            let what = format!("the path from {:?} to {:?}: {e}", other.name, self.port.name);
            RadioError::unusable(what, "mend gain, cfo, drift, delay, position or channel")
        })?;
        Ok((weights, paths))
    }

    /// Returns the bound up to which samples are known in lock-step.
    pub(super) fn bound(&self) -> Bound {
        let mut bound = Bound { known: u64::MAX, by: None };
        if self.port.half_duplex {
            let own = self.medium.word(self.slot, Cell::Horizon).load(Acquire);
            bound = Bound { known: own, by: Some(self.slot) };
        }
        for link in &self.links {
            let horizon = match self.medium.state(link.slot) {
                State::Running => self.medium.word(link.slot, Cell::Horizon).load(Acquire),
                _ => u64::MAX,
            };
            if horizon != u64::MAX {
                let known = link.path().known_before(horizon as i64);
                if known < bound.known {
                    bound = Bound { known, by: Some(link.slot) };
                }
            }
        }
        bound
    }

    /// Whether any other port runs, or has samples that are not received yet at `first`.
    pub(super) fn is_company(&self, first: u64) -> bool {
        self.links.iter().any(|l| {
            let tail = self.medium.word(l.slot, Cell::Tail).load(Acquire);
            self.medium.state(l.slot) == State::Running || l.path().reach(first, 1).start < tail as i64
        })
    }

    /// Whether another port was ever present.
    pub(super) fn had_company(&self) -> bool {
        !self.links.is_empty()
    }

    /// Returns the first sample that the memory of all ports still holds, if `first` is already lost. A port that begins
    /// later has nothing to lose before it.
    pub(super) fn lost_before(&self, first: u64) -> Option<u64> {
        let ring = self.medium.ring() as i64;
        let mut lost = None;
        for link in &self.links {
            let tail = self.medium.word(link.slot, Cell::Tail).load(Acquire) as i64;
            let oldest = link.path().reach(first, 1).start;
            let missing = tail - ring - oldest;
            if oldest >= 0 && missing > 0 {
                lost = lost.max(Some(first + missing as u64 + (ring / 8) as u64));
            }
        }
        lost
    }

    /// Fills `out` with the samples from `first` on of the first antennas, as many as it has slices of one length.
    pub(super) fn mix(&mut self, first: u64, out: &mut [&mut [Sample]]) {
        let clock = self.clock();
        let (count, antennas) = (out.first().map_or(0, |out| out.len()), out.len());
        out.iter_mut().for_each(|out| out.fill(Sample::default()));
        for start in (0..count).step_by(CHUNK) {
            let at = first + start as u64;
            let mut parts: [&mut [Sample]; Antennas::MAX] = Default::default();
            for (part, out) in parts.iter_mut().zip(out.iter_mut()) {
                *part = &mut out[start..count.min(start + CHUNK)];
            }
            let parts = &mut parts[..antennas];
            let length = parts.first().map_or(0, |part| part.len());
            for link in &mut self.links {
                let reach = link.path().reach(at, length);
                let input = &mut self.input[..(reach.end - reach.start) as usize];
                if self.medium.read(link.slot, reach.clone(), input) {
                    link.silences.apply(link.clock, reach.start, input);
                    link.add(at, reach.start, input, &mut self.through[..length], parts);
                }
            }
            for source in &mut self.interference {
                source.add(clock, at, &mut self.through[..length], parts);
            }
            for (part, noise) in parts.iter_mut().zip(&mut self.noise) {
                if self.port.half_duplex {
                    self.medium.silence(self.slot, at, part);
                }
                self.silences.apply(clock, at as i64, part);
                noise.add(at, part);
            }
        }
    }
}
