//! All UEs through their paths to each antenna, added up, with noise.

use super::protected::{ProtectedTraffic, Secrets};
use super::sources::{Air, Instant, Source, sources};
use super::{Event, Scenario, Ue};
use crate::Sample;
use crate::config::{ConfigError, Radio};
use sidelink_phy::impair::array::{ArrayWeights, Correlation};
use sidelink_phy::impair::awgn::{Awgn, noise_power_per_sample};
use sidelink_phy::impair::fading::ChannelModel;
use sidelink_phy::impair::path::{PathConfig, RadioPath};
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::transmit::Modulator;
use sidelink_phy::transmit::{Content, Transmission};
use sidelink_phy::units::{
    Antennas, CyclicPrefix, Decibel, DfnSubframe, Hertz, SUBFRAMES_PER_DFN_PERIOD, TransmissionMode,
};
use std::collections::VecDeque;

/// Makes the samples of a scenario, subframe by subframe, without end: the scenario's length is for its caller to keep.
///
/// A resource element of power 1 is a subcarrier of amplitude `1 / sqrt(12 N_RB)`: a carrier that one UE of gain 0 fills
/// has power 1 a sample.
pub struct Generator {
    numerology: Numerology,
    mode: TransmissionMode,
    radio: Radio,
    first: u64,
    subframe: u64,
    ues: Vec<UeState>,
    modulator: Modulator,
    antennas: Antennas,
    /// Of each antenna; none if the scenario is free of noise.
    noise: Vec<Awgn>,
}

/// One transmitter on its way to the receiver.
struct UeState {
    name: String,
    index: usize,
    sources: Vec<Box<dyn Source>>,
    /// Independent channels, and what each antenna receives of them.
    paths: Vec<RadioPath>,
    weights: ArrayWeights,
    /// Samples of a subframe as received, per sample sent; and when the first arrives.
    stretch: f64,
    delay: f64,
    /// The next subframe that it sends.
    next: u64,
    /// Samples that have arrived through each channel and were not yet handed out.
    arrived: Vec<Vec<Sample>>,
    /// Transmissions of subframes that are not yet handed out.
    events: VecDeque<Event>,
    sent: Vec<Sample>,
    received: Vec<Sample>,
    transmissions: Vec<Transmission>,
}

impl Generator {
    /// Check a scenario without keys and make everything ready.
    ///
    /// # Errors
    /// The key that is wrong, why, and what to write instead.
    pub fn new(scenario: &Scenario) -> Result<Self, ConfigError> {
        Self::with_secrets(scenario, None)
    }

    /// Check a scenario and make everything ready. Counters of sending are reserved in the store of `secrets`, here and as
    /// they are used up: two generators never use the same, so that one scenario gives other samples each time.
    ///
    /// # Errors
    /// As [`Self::new`], or keys that are absent, over or revoked.
    pub fn with_secrets(scenario: &Scenario, secrets: Option<Secrets>) -> Result<Self, ConfigError> {
        let radio = scenario.radio.resolve().map_err(|e| e.within("[radio]"))?;
        let numerology = scenario.radio.numerology(CyclicPrefix::Normal).map_err(|e| e.within("[radio]"))?;
        let mode = mode(scenario, &radio);
        if scenario.first_subframe >= SUBFRAMES_PER_DFN_PERIOD {
            let what = format!("first-subframe {}", scenario.first_subframe);
            return Err(ConfigError::new(what, "", "10 DFN + subframe: 0 to 10239"));
        }
        let rng = Rng::new(scenario.seed);
        let traffic = ProtectedTraffic::new(secrets);
        let air = Air { radio: &radio, numerology, mode, traffic: &traffic };
        let ues = scenario.ue.iter().enumerate();
        let ues = ues.map(|(i, ue)| UeState::new(ue, i, scenario, &air, &rng));
        let ues = ues.collect::<Result<Vec<_>, ConfigError>>()?;
        let prefixes: Vec<_> = ues.iter().flat_map(|ue| &ue.sources).flat_map(|s| s.prefixes()).collect();
        let antennas = antennas(scenario)?;
        let noise = noise(scenario, antennas, numerology, &rng)?;
        Ok(Self {
            numerology,
            mode,
            radio,
            first: u64::from(scenario.first_subframe),
            subframe: 0,
            ues,
            modulator: Modulator::new(numerology, mode, &prefixes),
            antennas,
            noise,
        })
    }

    /// Sizes of a subframe (with the normal cyclic prefix).
    pub fn numerology(&self) -> Numerology {
        self.numerology
    }

    /// Samples of a subframe.
    pub fn subframe_samples(&self) -> usize {
        self.numerology.subframe_samples()
    }

    /// Transmission mode.
    pub fn mode(&self) -> TransmissionMode {
        self.mode
    }

    /// Name of a UE.
    pub fn ue_name(&self, ue: usize) -> &str {
        self.ues.get(ue).map_or("?", |u| &u.name)
    }

    /// Number of antennas.
    pub fn antennas(&self) -> Antennas {
        self.antennas
    }

    /// Fill `out` ([`Self::subframe_samples`]) with the next subframe of the first antenna, and return what was sent in the
    /// subframe of that number, UE by UE.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn next_subframe(&mut self, out: &mut [Sample]) -> Vec<Event> {
        self.next_subframe_of(&mut [out])
    }

    /// Do the same for the first antennas, as many as `out` has slices.
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn next_subframe_of(&mut self, out: &mut [&mut [Sample]]) -> Vec<Event> {
        let length = self.numerology.subframe_samples();
        assert!(out.iter().all(|out| out.len() == length));
        out.iter_mut().for_each(|out| out.fill(Sample::default()));
        let mut events = Vec::new();
        for ue in &mut self.ues {
            while ue.arrived[0].len() < length || ue.next <= self.subframe {
                ue.send(self.first, &self.radio, self.numerology, &mut self.modulator);
            }
            for (channel, arrived) in ue.arrived.iter_mut().enumerate() {
                ue.weights.spread(channel, &arrived[..length], out);
                arrived.drain(..length);
            }
            let due = ue.events.iter().take_while(|e| e.subframe <= self.subframe).count();
            events.extend(ue.events.drain(..due));
        }
        for (out, noise) in out.iter_mut().zip(&mut self.noise) {
            noise.process(out);
        }
        self.subframe += 1;
        events
    }
}

/// The transmission mode that the radio says, or the one that its pools and UEs suggest.
fn mode(scenario: &Scenario, radio: &Radio) -> TransmissionMode {
    let v2x = radio.is_v2x() || scenario.ue.iter().any(|ue| !ue.v2x.is_empty());
    radio.mode.unwrap_or(if v2x { TransmissionMode::Tm4 } else { TransmissionMode::Tm2 })
}

/// The number of antennas of the receiver.
fn antennas(scenario: &Scenario) -> Result<Antennas, ConfigError> {
    let what = format!("antennas {}", scenario.antennas);
    Antennas::new(scenario.antennas).ok_or_else(|| ConfigError::new(what, "", "1 to 4"))
}

/// The noise of each antenna of the receiver, if there is any.
fn noise(
    scenario: &Scenario,
    antennas: Antennas,
    numerology: Numerology,
    rng: &Rng,
) -> Result<Vec<Awgn>, ConfigError> {
    let Some(snr) = scenario.snr else { return Ok(Vec::new()) };
    if !(-200.0..=200.0).contains(&snr) {
        let remedy = "Es/N0 in dB, -200 to 200; leave it out for no noise";
        return Err(ConfigError::new(format!("snr {snr}"), "", remedy));
    }
    let amplitude = 1.0 / (numerology.subcarriers() as f64).sqrt();
    let power = noise_power_per_sample(Decibel(snr), amplitude, numerology.fft());
    let seed = |antenna| rng.fork(u64::MAX - antenna).next_u64();
    Ok((0..antennas.count() as u64).map(|antenna| Awgn::new(power, seed(antenna))).collect())
}

/// Returns the share of each channel of a UE at each antenna.
fn weights(scenario: &Scenario, channel: ChannelModel, seed: u64) -> Result<ArrayWeights, ConfigError> {
    let antennas = antennas(scenario)?;
    let correlation = Correlation::new(scenario.correlation).ok_or_else(|| {
        let remedy = "0 (antennas that fade independently) to 1 (alike)";
        ConfigError::new(format!("correlation {}", scenario.correlation), "", remedy)
    })?;
    Ok(match channel {
        ChannelModel::Awgn => ArrayWeights::phases(antennas, seed),
        ChannelModel::Fading { .. } => ArrayWeights::correlated(antennas, correlation),
    })
}

impl UeState {
    /// UE number `i` of the scenario, before its first subframe.
    fn new(ue: &Ue, i: usize, scenario: &Scenario, air: &Air<'_>, rng: &Rng) -> Result<Self, ConfigError> {
        let place = format!("ue[{i}]");
        let seed = rng.fork(i as u64).next_u64();
        let path = PathConfig {
            gain: Decibel(ue.gain),
            phase_radians: ue.phase.to_radians(),
            frequency: Hertz(ue.cfo.0 + scenario.cfo.0),
            delay_samples: ue.delay.0 + scenario.delay.0,
            drift_ppm: ue.drift,
            channel: ue.channel.unwrap_or(scenario.channel).0,
            seed,
        };
        let weights = weights(scenario, path.channel, seed)?;
        let path_of = |channel: usize| {
            // The first antenna hears the same whatever their number.
            let seed = if channel == 0 { seed } else { Rng::new(seed).fork(channel as u64).next_u64() };
            RadioPath::new(&PathConfig { seed, ..path }, air.numerology.sample_rate())
        };
        let paths = (0..weights.channels()).map(path_of).collect::<Result<Vec<_>, _>>();
        let sender = rng.fork(1_000_000 + i as u64);
        let name = ue.name.clone().unwrap_or_else(|| format!("UE {i}"));
        Ok(Self {
            sources: sources(ue, (i, &name), air, &sender, &place)?,
            name,
            index: i,
            arrived: vec![Vec::new(); weights.channels()],
            weights,
            paths: paths.map_err(|e| {
                ConfigError::new(e.to_string(), &place, "mend gain, phase, cfo, delay, drift or channel")
            })?,
            stretch: 1.0 / (1.0 + ue.drift * 1e-6),
            delay: path.delay_samples,
            next: 0,
            events: VecDeque::new(),
            sent: vec![Sample::default(); air.numerology.subframe_samples()],
            received: Vec::new(),
            transmissions: Vec::new(),
        })
    }

    /// Send the next subframe.
    fn send(&mut self, first: u64, radio: &Radio, numerology: Numerology, modulator: &mut Modulator) {
        let now = Instant { subframe: self.next, at: DfnSubframe::from_count(first + self.next) };
        self.transmissions.clear();
        for source in &mut self.sources {
            source.plan(now, &mut self.transmissions);
        }
        self.keep_possible(now, radio, numerology);
        if let Err(e) = modulator.render(&self.transmissions, &mut self.sent) {
            tracing::error!("{} in subframe {}: {e}", self.name, now.subframe);
        }
        let sample =
            (now.subframe as f64 * self.sent.len() as f64 * self.stretch + self.delay).round() as i64;
        self.events.extend(self.transmissions.drain(..).map(|transmission| Event {
            subframe: now.subframe,
            at: now.at,
            sample,
            ue: self.index,
            transmission,
        }));
        for (path, arrived) in self.paths.iter_mut().zip(&mut self.arrived) {
            let room = path.room(self.sent.len());
            self.received.resize(room.max(self.received.len()), Sample::default());
            let n = path.process(&self.sent, &mut self.received);
            arrived.extend_from_slice(&self.received[..n]);
        }
        self.next += 1;
    }

    /// A UE sends nothing but synchronisation signals in the subframes that are set aside for them (TS 36.211 §9.1.3), and
    /// not twice on one PRB: what comes first in the scenario stays.
    // TS 36.211 §9.1.3 (2)
    fn keep_possible(&mut self, now: Instant, radio: &Radio, numerology: Numerology) {
        if self.transmissions.is_empty() {
            return;
        }
        let reserved = radio.sync.as_ref().is_some_and(|s| s.offsets.contains(&(now.at.count() % s.period)));
        let mut used: Vec<std::ops::Range<usize>> = Vec::new();
        let name = &self.name;
        self.transmissions.retain(|t| {
            if reserved && !matches!(t.content, Content::Sync { .. }) {
                tracing::debug!("{name}: no {} in synchronisation subframe {}", t.channel(), now.subframe);
                return false;
            }
            let range = t.subcarriers(numerology.bandwidth());
            let clash = used.iter().any(|u| u.start < range.end && range.start < u.end);
            if clash {
                tracing::warn!(
                    "{name}: {} in subframe {} left out: its PRBs are in use",
                    t.channel(),
                    now.subframe
                );
            }
            used.push(range);
            !clash
        });
    }
}
