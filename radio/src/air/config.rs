//! Configuration of the air and its ports: `[air]` and `[[air.port]]`.

use super::channel::Channel;
use crate::number::Number;
use crate::text::{self, TextError, parse_toml};
use serde::{Deserialize, Serialize};
use sidelink_phy::impair::array::Correlation;
use sidelink_phy::impair::awgn::noise_power_per_sample;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::units::{Antennas, Bandwidth, CyclicPrefix, Decibel, Hertz};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

/// A medium that several radios share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct AirConfig {
    /// Samples a second, of every port.
    pub rate: Number,
    /// Carrier in Hz.
    pub frequency: Number,
    /// Channel bandwidth in PRBs, to which `snr` refers; without it, the bandwidth that fits the rate.
    pub prb: Option<u32>,
    /// Lock-step, as fast as possible, or real time by the wall clock.
    pub pace: Pace,
    /// Seed of noise and fading.
    pub seed: u64,
    /// Es/N0 in dB of a resource element over a path of gain 0, at every receiver; without it the air is free of noise.
    pub snr: Option<f64>,
    /// Channel between any two ports: `awgn`, `epa5`, `eva70`, `etu300`, ..
    pub channel: Channel,
    /// Correlation between the outermost antennas of a port that has several: 0 for independent fading, to 1; 0.9 is that
    /// of a receiver in the medium and high correlation of TS 36.101 §B.2.3.
    pub correlation: f64,
    /// Path loss over distance; without it the gain does not depend on the distance.
    pub path_loss: Option<PathLoss>,
    /// Whether signals are delayed by the distance at the speed of light.
    pub flight: bool,
    /// UTC at the air's first sample, seconds since 1970. Without it: the wall clock's in real time, otherwise a
    /// constant.
    pub utc: Option<i64>,
    /// Number of ports that must be present before time begins.
    pub wait_for: usize,
    /// Seconds without progress after which a port that blocks the others is dropped.
    pub stall: f64,
    /// Largest number of ports.
    pub ports: usize,
    /// Length of the medium's memory, milliseconds.
    pub memory: f64,
    /// Sources of interference.
    pub interference: Vec<Interference>,
    /// Configured ports, by name.
    pub port: Vec<PortConfig>,
}

impl Default for AirConfig {
    fn default() -> Self {
        Self {
            rate: Number(15.36e6),
            frequency: Number(5.92e9),
            prb: None,
            pace: Pace::Free,
            seed: 1,
            snr: None,
            channel: Channel::default(),
            correlation: 0.0,
            path_loss: None,
            flight: false,
            utc: None,
            wait_for: 0,
            stall: 10.0,
            ports: 16,
            memory: 200.0,
            interference: Vec::new(),
            port: Vec::new(),
        }
    }
}

/// Pace of the samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Lock-step: no port receives a sample before all others have promised what they send in it.
    #[default]
    Free,
    /// Real time, by the wall clock.
    Realtime,
}

/// A word that is not the name of a [`Pace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPace(String);

impl fmt::Display for UnknownPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no pace; free or realtime", self.0)
    }
}

impl std::error::Error for UnknownPace {}

impl FromStr for Pace {
    type Err = UnknownPace;

    fn from_str(text: &str) -> Result<Self, UnknownPace> {
        match text {
            "free" => Ok(Self::Free),
            "realtime" => Ok(Self::Realtime),
            _ => Err(UnknownPace(text.to_owned())),
        }
    }
}

/// Gain over distance: `-10 exponent log10(distance / reference)` dB, and 0 dB up to the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PathLoss {
    /// Path loss exponent: 2 in free space; 3 to 4 in towns.
    pub exponent: f64,
    /// Reference distance in metres, at which the gain is 0 dB.
    pub reference: f64,
}

/// Periodic intervals, each at a random place in its period.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Every {
    /// The period in milliseconds.
    pub period: f64,
    /// Length of each interval in milliseconds.
    pub length: f64,
}

/// A source of bursts of white noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Interference {
    /// Power in dB, relative to a carrier that a UE of gain 0 fills.
    pub gain: f64,
    /// Intervals of activity; without them it is always active.
    #[serde(default)]
    pub every: Option<Every>,
    /// Position in metres, x and y.
    #[serde(default)]
    pub position: [f64; 2],
}

/// One radio in the air.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct PortConfig {
    /// Name, unique in the air. Noise and fading are drawn by it.
    pub name: String,
    /// Position in metres, x and y.
    pub position: [f64; 2],
    /// Power in dB, relative to a transmitter of gain 0.
    pub gain: f64,
    /// Receive antennas, 1 to 4; it sends with the first.
    pub antennas: usize,
    /// Offset of its carrier in Hz, positive if it is too high.
    pub cfo: Number,
    /// Error of its sample clock in parts per million, positive if it runs too fast.
    pub drift: f64,
    /// The air's time, in samples, at its own sample 0. Without it: 0, or the present for a port that attaches later.
    pub start: Option<Number>,
    /// Delay of all its bursts, samples.
    pub delay: f64,
    /// Half duplex: it receives nothing of the others while it transmits.
    pub half_duplex: bool,
    /// Receive only: no port waits for it.
    pub listen_only: bool,
    /// Drop-outs: intervals in which it neither receives nor is received.
    pub drop_outs: Option<Every>,
    /// Intervals in which it neither receives nor is received: from and to, in seconds of the air's time.
    pub silent: Vec<[f64; 2]>,
    /// Whether it knows UTC (GNSS).
    pub utc: bool,
    /// Its error of UTC, in microseconds.
    pub utc_error: f64,
    /// The uncertainty of UTC that it reports, in microseconds.
    pub utc_uncertainty: f64,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            position: [0.0; 2],
            gain: 0.0,
            antennas: 1,
            cfo: Number(0.0),
            drift: 0.0,
            start: None,
            delay: 0.0,
            half_duplex: false,
            listen_only: false,
            drop_outs: None,
            silent: Vec::new(),
            utc: true,
            utc_error: 0.0,
            utc_uncertainty: 0.1,
        }
    }
}

impl PortConfig {
    /// Returns a port at the origin with default settings.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Returns the number of its antennas.
    pub(super) fn count(&self) -> Antennas {
        Antennas::new(self.antennas).unwrap_or(Antennas::ONE)
    }
}

impl AirConfig {
    /// Reads the table `[air]` of a TOML text; other tables are ignored. `name` is that of the file.
    ///
    /// # Errors
    /// The line, and the nearest key that exists; or that there is no such table.
    pub fn from_toml(text: &str, name: &str) -> Result<Self, TextError> {
        #[derive(Deserialize)]
        struct File {
            air: Option<AirConfig>,
        }
        let Some(config) = parse_toml::<File>(text, name)?.air else {
            let remedy =
                "write a table [air], as [air] pace = \"free\"; or do not name this file as that of an air";
            return Err(TextError::new("the file says nothing of an air", name, remedy));
        };
        config.check().map_err(|e| e.within(name))?;
        Ok(config)
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    /// As [`Self::from_toml`], or that there is no such file.
    pub fn from_file(path: &Path) -> Result<Self, TextError> {
        Self::from_toml(&text::read(path)?, &path.display().to_string())
    }

    /// Checks that every number is in its range and that names are unique.
    ///
    /// # Errors
    /// The first key that is wrong, and what to write instead.
    pub fn check(&self) -> Result<(), TextError> {
        let wrong = |what: String, remedy: &str| Err(TextError::new(what, "[air]", remedy));
        if !(1e5..=1e9).contains(&self.rate.0) {
            return wrong(
                format!("rate {}", self.rate),
                "0.1 to 1000 million samples a second, such as 15.36M",
            );
        }
        if !(0.0..=1e12).contains(&self.frequency.0) {
            return wrong(format!("frequency {}", self.frequency), "the carrier in Hz, such as 5.92G");
        }
        if self.snr.is_some_and(|snr| !(-200.0..=200.0).contains(&snr)) {
            return wrong(
                format!("snr {:?}", self.snr),
                "Es/N0 in dB, -200 to 200; leave it out for no noise",
            );
        }
        if self.snr.is_some() && self.bandwidth().is_none() {
            return wrong("snr refers to no bandwidth".into(), "write prb = 6, 15, 25, 50, 75 or 100");
        }
        if Correlation::new(self.correlation).is_none() {
            return wrong(
                format!("correlation {}", self.correlation),
                "0 (antennas that fade independently) to 1 (alike)",
            );
        }
        if let Some(loss) = self.path_loss
            && !((0.0..=10.0).contains(&loss.exponent) && (1e-3..=1e9).contains(&loss.reference))
        {
            return wrong(
                "path-loss is out of range".into(),
                "an exponent of 0 to 10, a reference above 0 m",
            );
        }
        if !(1..=256).contains(&self.ports) || self.wait_for > self.ports {
            return wrong(
                format!("ports = {}, wait-for = {}", self.ports, self.wait_for),
                "1 to 256 ports, and no more to wait for than fit in",
            );
        }
        if !(10.0..=10_000.0).contains(&self.memory) {
            return wrong(format!("memory {}", self.memory), "10 to 10000 milliseconds");
        }
        if !(0.01..=1e6).contains(&self.stall) {
            return wrong(format!("stall {}", self.stall), "seconds above 0.01");
        }
        for source in &self.interference {
            if source.gain.is_nan() || source.gain.abs() > 200.0 || source.every.is_some_and(|e| !e.is_good())
            {
                return wrong("[[air.interference]] is out of range".into(), Every::REMEDY);
            }
        }
        for (i, port) in self.port.iter().enumerate() {
            port.check()?;
            if self.port[..i].iter().any(|p| p.name == port.name) {
                return wrong(format!("two ports are named {:?}", port.name), "give each its own name");
            }
        }
        Ok(())
    }

    /// Returns the correlation of the antennas of a port.
    pub(super) fn correlation(&self) -> Correlation {
        Correlation::new(self.correlation).unwrap_or(Correlation::NONE)
    }

    /// Returns the configured port of a name, or one with default settings.
    pub fn port_named(&self, name: &str) -> PortConfig {
        self.port.iter().find(|p| p.name == name).cloned().unwrap_or_else(|| PortConfig::named(name))
    }

    fn bandwidth(&self) -> Option<Bandwidth> {
        match self.prb {
            Some(prb) => Bandwidth::from_prbs(prb as usize),
            None => Bandwidth::of_rate(Hertz(self.rate.0)),
        }
    }

    /// Returns the noise power of a sample at every receiver. A carrier that one UE of gain 0 fills has power 1 a sample.
    pub(super) fn noise_power(&self) -> f64 {
        match (self.snr, self.bandwidth()) {
            (Some(snr), Some(bandwidth)) => {
                let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
                let amplitude = 1.0 / (numerology.subcarriers() as f64).sqrt();
                let fft = self.rate.0 / (numerology.sample_rate().0 / numerology.fft() as f64);
                noise_power_per_sample(Decibel(snr), amplitude, fft.round() as usize)
            }
            _ => 0.0,
        }
    }

    /// Returns gain in dB and flight in samples between two positions.
    pub(super) fn between(&self, a: [f64; 2], b: [f64; 2]) -> (f64, f64) {
        let (x, y) = (a[0] - b[0], a[1] - b[1]);
        let distance = (x * x + y * y).sqrt();
        let gain = self.path_loss.map_or(0.0, |loss| {
            let ratio = (distance / loss.reference).max(1.0);
            // The library's logarithm may differ in the last bit from one machine to the next.
            let millionths = (-10e6 * loss.exponent * ratio.log10()).round();
            millionths * 1e-6
        });
        let flight = if self.flight { distance / SPEED_OF_LIGHT * self.rate.0 } else { 0.0 };
        (gain, flight)
    }

    /// Returns the seed of a pair of ports: the same in both directions and in either order of arrival.
    pub(super) fn pair_seed(&self, a: &str, b: &str) -> u64 {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        Rng::new(self.seed).fork(key(a)).fork(key(b)).next_u64()
    }

    /// Returns the seed of channel `channel` from a pair of ports to the antennas of one of them. The first is that of the
    /// pair: both directions fade alike between first antennas.
    pub(super) fn channel_seed(&self, pair: u64, receiver: &str, channel: usize) -> u64 {
        match channel {
            0 => pair,
            more => Rng::new(pair).fork(key(receiver)).fork(more as u64).next_u64(),
        }
    }

    /// Returns the seed of one port.
    pub(super) fn port_seed(&self, name: &str) -> u64 {
        Rng::new(self.seed).fork(key(name)).next_u64()
    }

    /// Returns the seed of the noise of an antenna of a port.
    pub(super) fn noise_seed(&self, name: &str, antenna: usize) -> u64 {
        match antenna {
            0 => self.port_seed(name),
            more => Rng::new(self.port_seed(name)).fork(more as u64).next_u64(),
        }
    }
}

impl PortConfig {
    /// Checks that every number is in its range.
    ///
    /// # Errors
    /// The first key that is wrong, and what to write instead.
    pub fn check(&self) -> Result<(), TextError> {
        let place = format!("[[air.port]] {:?}", self.name);
        let wrong = |what: String, remedy: &str| Err(TextError::new(what, place.clone(), remedy));
        if self.name.is_empty() || self.name.len() > 100 {
            return wrong("no name, or one beyond 100 letters".into(), "write name = \"ue1\"");
        }
        if !self.position.iter().all(|x| x.abs() <= 1e9) {
            return wrong(format!("position {:?}", self.position), "x and y in metres");
        }
        if self.gain.is_nan() || self.gain.abs() > 200.0 {
            return wrong(format!("gain {}", self.gain), "-200 to 200 dB");
        }
        if Antennas::new(self.antennas).is_none() {
            return wrong(format!("antennas {}", self.antennas), "1 to 4");
        }
        if self.drift.is_nan() || self.drift.abs() > 500.0 {
            return wrong(format!("drift {}", self.drift), "-500 to 500 parts per million");
        }
        if self.start.is_some_and(|s| !(0.0..=1e15).contains(&s.0)) {
            return wrong("start is negative".into(), "samples of the air from 0 on");
        }
        if self.drop_outs.is_some_and(|e| !e.is_good()) {
            return wrong("drop-outs is out of range".into(), Every::REMEDY);
        }
        if self.silent.iter().any(|[from, to]| !(0.0..=1e9).contains(from) || !(from..=&1e9).contains(&to)) {
            return wrong("silent is out of range".into(), "pairs of seconds, such as [[1.5, 2.0]]");
        }
        if !(0.0..=1e6).contains(&self.delay) {
            return wrong(format!("delay {}", self.delay), "0 to 1000000 samples");
        }
        if !(self.utc_error.abs() <= 1e12 && (0.0..=1e12).contains(&self.utc_uncertainty)) {
            return wrong("utc-error or utc-uncertainty is out of range".into(), "microseconds");
        }
        Ok(())
    }
}

impl Every {
    const REMEDY: &'static str =
        "gain in dB; a period of 0.1 to 10000000 ms that is at least as long as the length";

    fn is_good(self) -> bool {
        (0.1..=1e7).contains(&self.period) && (0.0..=self.period).contains(&self.length)
    }

    /// Calls `f` with the intervals, in samples of common time, that touch `time`.
    pub(super) fn each(self, seed: u64, rate: f64, time: Range<f64>, mut f: impl FnMut(Range<f64>)) {
        let (period, length) = (self.period * 1e-3 * rate, self.length * 1e-3 * rate);
        let rng = Rng::new(seed);
        // Time may start long before any burst.
        let first = (time.start / period).floor().max(0.0) as u64;
        let last = (time.end / period).floor().max(0.0) as u64;
        for k in first..=last {
            let start = k as f64 * period + rng.fork(k).uniform() * (period - length);
            if start < time.end && start + length > time.start {
                f(start..start + length);
            }
        }
    }
}

const SPEED_OF_LIGHT: f64 = 299_792_458.0;

/// Hashes a name to a number: FNV-1a, 64 bits.
fn key(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
