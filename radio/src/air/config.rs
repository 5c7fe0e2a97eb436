//! What the air is like and who is in it: `[air]` and `[[air.port]]`.

use super::channel::Channel;
use crate::number::Number;
use crate::text::{self, TextError, parse_toml};
use serde::{Deserialize, Serialize};
use sidelink_phy::impair::awgn::noise_power_per_sample;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::units::{Bandwidth, CyclicPrefix};
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
    /// Channel bandwidth in PRBs, which `snr` refers to; else what the rate suggests.
    pub prb: Option<u32>,
    /// As fast as possible with everybody waiting for everybody, or by the wall clock.
    pub pace: Pace,
    /// Draws noise and fading.
    pub seed: u64,
    /// Es/N0 in dB of a resource element over a path of gain 0, at every receiver; without it there is no noise.
    pub snr: Option<f64>,
    /// Channel between any two: `awgn`, `epa5`, `eva70`, `etu300`, ..
    pub channel: Channel,
    /// How the gain falls with the distance; without it, it does not.
    pub path_loss: Option<PathLoss>,
    /// Whether signals take the time of the distance at the speed of light.
    pub flight: bool,
    /// Seconds of UTC since 1970 at the air's first sample. Without it: the wall clock's in real time, else a constant.
    pub utc: Option<i64>,
    /// Ports that must be there before time begins.
    pub wait_for: usize,
    /// Seconds after which a port that keeps the others waiting is left behind.
    pub stall: f64,
    /// Ports that fit in.
    pub ports: usize,
    /// Milliseconds that the medium remembers.
    pub memory: f64,
    /// Bursts of noise from somewhere.
    pub interference: Vec<Interference>,
    /// Ports that are known by name: what each attaches with.
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

/// What makes samples come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Lock-step: nobody hears a sample before everybody has said what they send in it.
    #[default]
    Free,
    /// The wall clock.
    Realtime,
}

/// A word that names no [`Pace`].
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
    /// 2 in free space; 3 to 4 in towns.
    pub exponent: f64,
    /// Metres at which the gain is 0 dB.
    pub reference: f64,
}

/// Stretches of time that come again, each at a random place in its period.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Every {
    /// The period in milliseconds.
    pub period: f64,
    /// How long each takes, in milliseconds.
    pub length: f64,
}

/// A source of bursts of white noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Interference {
    /// Power in dB, against a carrier that a UE of gain 0 fills.
    pub gain: f64,
    /// When; without it, always.
    #[serde(default)]
    pub every: Option<Every>,
    /// Metres, x and y.
    #[serde(default)]
    pub position: [f64; 2],
}

/// One radio in the air.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct PortConfig {
    /// Its name: one of its kind. Noise and fading are drawn by it.
    pub name: String,
    /// Metres, x and y.
    pub position: [f64; 2],
    /// Power against a transmitter of gain 0, in dB.
    pub gain: f64,
    /// How far its carrier is too high, in Hz.
    pub cfo: Number,
    /// How much too fast its sample clock runs, in parts per million.
    pub drift: f64,
    /// The air's time, in samples, of its own sample 0. Without it: 0, or the present for one who comes later.
    pub start: Option<Number>,
    /// Samples by which everything that it sends is late.
    pub delay: f64,
    /// Hears nothing of the others while it sends.
    pub half_duplex: bool,
    /// Never sends: nobody waits for it.
    pub listen_only: bool,
    /// Neither hears nor is heard, now and then.
    pub drop_outs: Option<Every>,
    /// Neither hears nor is heard, in these stretches: from and to, in seconds of the air's time.
    pub silent: Vec<[f64; 2]>,
    /// Knows UTC (GNSS).
    pub utc: bool,
    /// How wrong it is about UTC, in microseconds.
    pub utc_error: f64,
    /// How wrong it thinks to be at most, in microseconds.
    pub utc_uncertainty: f64,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            position: [0.0; 2],
            gain: 0.0,
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
    /// A port at the origin with everything at its default.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl AirConfig {
    /// Read the table `[air]` of a TOML text; the rest of it is left to others. `name` is that of the file.
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

    /// Read a TOML file.
    ///
    /// # Errors
    /// As [`Self::from_toml`], or that there is no such file.
    pub fn from_file(path: &Path) -> Result<Self, TextError> {
        Self::from_toml(&text::read(path)?, &path.display().to_string())
    }

    /// Every number in its range, every name once.
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

    /// The configured port of a name, else one with everything at its default.
    pub fn port_named(&self, name: &str) -> PortConfig {
        self.port.iter().find(|p| p.name == name).cloned().unwrap_or_else(|| PortConfig::named(name))
    }

    fn bandwidth(&self) -> Option<Bandwidth> {
        match self.prb {
            Some(prb) => Bandwidth::from_prbs(prb as usize),
            None => Bandwidth::of_rate(self.rate.0),
        }
    }

    /// Noise power of a sample at every receiver. A carrier that one UE of gain 0 fills has power 1 a sample.
    pub(super) fn noise_power(&self) -> f64 {
        match (self.snr, self.bandwidth()) {
            (Some(snr), Some(bandwidth)) => {
                let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
                let amplitude = 1.0 / (numerology.subcarriers() as f64).sqrt();
                let fft = self.rate.0 / (numerology.sample_rate() / numerology.fft() as f64);
                noise_power_per_sample(snr, amplitude, fft.round() as usize)
            }
            _ => 0.0,
        }
    }

    /// Gain in dB and flight in samples between two positions.
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

    /// The seed of what two ports share: the same in both directions, whoever came first.
    pub(super) fn pair_seed(&self, a: &str, b: &str) -> u64 {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        Rng::new(self.seed).fork(key(a)).fork(key(b)).next_u64()
    }

    /// The seed of what belongs to one port.
    pub(super) fn port_seed(&self, name: &str) -> u64 {
        Rng::new(self.seed).fork(key(name)).next_u64()
    }
}

impl PortConfig {
    /// Every number in its range.
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

    /// Calls with the stretches, in samples of common time, that touch `time`.
    pub(super) fn each(self, seed: u64, rate: f64, time: Range<f64>, mut f: impl FnMut(Range<f64>)) {
        let (period, length) = (self.period * 1e-3 * rate, self.length * 1e-3 * rate);
        let rng = Rng::new(seed);
        // The start of time is long before any burst.
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

/// A number for a name: FNV-1a, 64 bits.
fn key(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
