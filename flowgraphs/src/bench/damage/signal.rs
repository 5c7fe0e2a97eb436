//! The signals that are damaged.

use crate::Sample;
use crate::config::{ConfigError, Radio, to_sigmf};
use crate::scenario::{Event, Generator, Scenario};
use clap::ValueEnum;
use sidelink_phy::impair::measure::Levels;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::units::Hertz;
use sidelink_recordings::WriterOptions;
use std::fmt;

/// Which signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignalName {
    /// Transmission mode 4 on 50 PRB, 15.36 MS/s, with synchronisation signals and MIB-SL-V2X.
    V2x,
    /// The same without synchronisation signals: the UEs have their time from GNSS.
    V2xGnss,
    /// Transmission mode 2 on 25 PRB, 7.68 MS/s, with synchronisation signals and MIB-SL.
    D2d,
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V2x => "v2x",
            Self::V2xGnss => "v2x-gnss",
            Self::D2d => "d2d",
        })
    }
}

/// A signal before the damage.
pub struct Signal {
    /// Name of the signal.
    pub name: SignalName,
    /// Carrier and sample rate.
    pub numerology: Numerology,
    /// Configuration of the receiver: mode, pools, place of synchronisation signals.
    pub radio: Radio,
    /// The samples.
    pub samples: Vec<Sample>,
    /// All transmissions, in order of subframes.
    pub sent: Vec<Event>,
    /// Mean power of a sample of the subframes with a transmission, to which strengths refer.
    pub power: f64,
    scenario: Scenario,
    ues: Vec<String>,
}

impl Signal {
    /// Generates `subframes` of a signal, its noise and payloads drawn from `seed`.
    ///
    /// # Errors
    /// The scenario is wrong, which the tests rule out.
    pub fn new(name: SignalName, subframes: u64, seed: u64) -> Result<Self, ConfigError> {
        let scenario = Scenario { duration: subframes, seed, ..scenario(name)? };
        let radio = scenario.radio.resolve()?;
        let mut generator = Generator::new(&scenario)?;
        let numerology = generator.numerology();
        let n = numerology.subframe_samples();
        let mut samples = vec![Sample::default(); n * subframes as usize];
        let mut sent = Vec::new();
        let mut levels = Levels::default();
        for subframe in samples.chunks_exact_mut(n) {
            let events = generator.next_subframe(subframe);
            if !events.is_empty() {
                levels = levels.merge(Levels::of(subframe, f32::INFINITY));
            }
            sent.extend(events);
        }
        let ues = (0..scenario.ue.len()).map(|ue| generator.ue_name(ue).to_owned()).collect();
        Ok(Self { name, numerology, radio, samples, sent, power: levels.power(), scenario, ues })
    }

    /// Returns the name of a UE.
    pub fn ue_name(&self, ue: usize) -> &str {
        self.ues.get(ue).map_or("?", String::as_str)
    }

    /// Returns the carrier frequency.
    pub fn frequency(&self) -> Hertz {
        Hertz(self.radio.frequency.unwrap_or_default())
    }

    /// Returns a description of the signal in one sentence.
    pub fn description(&self) -> String {
        let snr = self.scenario.snr.unwrap_or(f64::INFINITY);
        let (ues, seed) = (self.ues.len(), self.scenario.seed);
        format!("Signal {} of `sidelink bench damage`: {ues} UEs, Es/N0 {snr} dB, seed {seed}", self.name)
    }

    /// Returns the metadata of a recording of it.
    pub(super) fn writer_options(&self) -> WriterOptions {
        WriterOptions {
            frequency: self.radio.frequency,
            recorder: concat!("sidelink ", env!("CARGO_PKG_VERSION")).to_owned(),
            radio: to_sigmf(&self.scenario.radio),
            ..WriterOptions::new(self.numerology.sample_rate().0)
        }
    }
}

fn scenario(name: SignalName) -> Result<Scenario, ConfigError> {
    if name == SignalName::D2d {
        return Scenario::from_toml(include_str!("d2d.toml"), "the D2D signal");
    }
    let mut scenario = Scenario::from_toml(include_str!("v2x.toml"), "the V2X signal")?;
    if name == SignalName::V2xGnss {
        scenario.radio.sync = None;
        scenario.ue.iter_mut().for_each(|ue| ue.sync = None);
    }
    Ok(scenario)
}
