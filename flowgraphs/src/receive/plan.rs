//! The receiver for an input.

use super::Threads;
use super::findings::Findings;
use crate::Sample;
use crate::config::{ConfigError, receiver_config};
use crate::input::Input;
use sidelink_phy::numerology::{Numerology, SUBCARRIER_SPACING};
use sidelink_phy::receive::receiver::{Config, Event};
use sidelink_phy::receive::stream::StreamReceiver;
use sidelink_phy::units::{Bandwidth, Hertz, TransmissionMode};
use sidelink_radio::{slices, views};

/// Seconds at the start of a recording on which a mode is chosen if none is given.
const PROBE_SECONDS: f64 = 0.4;

/// A receiver, and the assumptions in it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Configuration of the receiver.
    pub config: Config,
    /// Whether the recording has to be resampled to the receiver's rate.
    pub resample: bool,
    /// Threads that receive it.
    pub threads: Threads,
    /// Assumptions and findings for missing values, as text.
    pub assumed: Vec<String>,
}

/// Plans the reception of `input`. Reads the start of the recording when the mode is unknown, and goes back.
///
/// # Errors
/// No bandwidth fits the rate, or an error of the recording's reader.
pub fn plan(input: &mut Input, name: &str) -> anyhow::Result<Plan> {
    let told = input.bandwidth();
    let bandwidth = match told {
        Some(bandwidth) => bandwidth,
        None => widest_that_fits(input.rate).ok_or_else(|| {
            let what = format!("{} samples a second are too few for any sidelink carrier", input.rate);
            ConfigError::new(what, name, "a carrier of 6 PRBs takes 1.08 MHz: give the right --rate")
        })?,
    };
    let mut assumed = std::mem::take(&mut input.assumed);
    let cp = input.radio.sync.as_ref().map_or(input.radio.default_cp(), |s| s.cp);
    let (numerology, resample) = match Numerology::at_rate(bandwidth, cp, Hertz(input.rate)) {
        Ok(numerology) => (numerology, false),
        Err(_) => {
            let occupied = bandwidth.subcarriers() as f64 * SUBCARRIER_SPACING.0;
            if input.rate < occupied {
                let what = format!("{} samples a second cannot hold {bandwidth} ({occupied} Hz)", input.rate);
                return Err(ConfigError::new(what, name, "give the right --rate or a smaller --prb").into());
            }
            let numerology = Numerology::standard(bandwidth, cp);
            assumed.push(format!(
                "resampled from {} to {} samples/s",
                input.rate,
                numerology.sample_rate().0
            ));
            (numerology, true)
        }
    };
    let mut config = receiver_config(&input.radio, numerology);
    config.antennas = input.antennas();
    let others =
        if told.is_none() && config.is_blind() { others_at(numerology, input.rate) } else { Vec::new() };
    let modes = match input.radio.mode {
        Some(mode) => vec![mode],
        None if config.v2x.is_some() => vec![TransmissionMode::Tm4],
        None if !config.is_blind() => vec![TransmissionMode::Tm2],
        None => vec![TransmissionMode::Tm4, TransmissionMode::Tm2],
    };
    config.mode = modes[0];
    if modes.len() > 1 || !others.is_empty() {
        let first = config.numerology;
        let (numerology, mode) = probe(input, &config, resample, &others, &modes)?;
        (config.numerology, config.mode) = (numerology, mode);
        if modes.len() > 1 {
            let family = if mode.is_v2x() { "modes 3 and 4 (V2X)" } else { "modes 1 and 2 (D2D)" };
            assumed.push(format!("transmission {family}, by what the start of the recording holds"));
        }
        if !others.is_empty() {
            assumed.push(also_fits(numerology, &others, &first, input.rate));
        }
    }
    if config.is_blind() {
        assumed.push("no pool is known: every PRB of every subframe is searched".to_owned());
    }
    Ok(Plan { config, resample, threads: Threads::One, assumed })
}

/// Returns the note about a bandwidth that was chosen among those that fit the rate.
fn also_fits(chosen: Numerology, others: &[Numerology], first: &Numerology, rate: f64) -> String {
    let bandwidth = chosen.bandwidth();
    let fitting = others.iter().chain([first]).map(|n| n.bandwidth()).filter(|b| *b != bandwidth);
    let fitting = fitting.map(|b| b.to_string()).collect::<Vec<_>>().join(" and ");
    let rate = rate / 1e6;
    format!("{bandwidth}, by what the start of the recording holds: {rate} MS/s fits {fitting} too")
}

fn widest_that_fits(rate: f64) -> Option<Bandwidth> {
    Bandwidth::ALL.into_iter().rev().find(|b| b.subcarriers() as f64 * SUBCARRIER_SPACING.0 <= rate)
}

/// Returns other bandwidths that run at exactly this rate.
fn others_at(numerology: Numerology, rate: f64) -> Vec<Numerology> {
    let at = |bandwidth| Numerology::at_rate(bandwidth, numerology.cp(), Hertz(rate)).ok();
    Bandwidth::ALL.into_iter().filter_map(at).filter(|n| *n != numerology).collect()
}

/// Returns the bandwidth and the family of modes with the most receptions at the start of the recording.
fn probe(
    input: &mut Input,
    config: &Config,
    resample: bool,
    others: &[Numerology],
    modes: &[TransmissionMode],
) -> anyhow::Result<(Numerology, TransmissionMode)> {
    let samples = start_of(input, config.numerology.sample_rate().0, resample)?;
    let mut best = (config.numerology, config.mode);
    let mut most = 0;
    for &numerology in std::iter::once(&config.numerology).chain(others) {
        for &mode in modes {
            let heard = worth(&samples, Config { mode, numerology, ..config.clone() });
            if heard > most {
                (best, most) = ((numerology, mode), heard);
            }
        }
    }
    Ok(best)
}

/// Scores the receptions of `samples`: blocks count most, and the MIBs that state this bandwidth.
fn worth(samples: &[Vec<Sample>], config: Config) -> u64 {
    let prbs = config.numerology.bandwidth().prbs();
    let mut receiver = StreamReceiver::new(config);
    let mut findings = Findings::default();
    let mut worth = 0;
    let mut note = |event: Event<'_>, _sample: i64| {
        findings.note(&event);
        worth += match event {
            Event::SlSch(_) | Event::SlDch { .. } => 10,
            Event::Mib { .. } if findings.mib_prbs() == Some(prbs as u16) => 10,
            Event::Discontinuity { .. } => 0,
            _ => 1,
        };
    };
    let length = samples.first().map_or(0, Vec::len);
    receiver.push_antennas(&views(samples, length)[..samples.len()], &mut note);
    receiver.finish(&mut note);
    worth
}

/// Reads the first samples of each antenna of a recording, at `rate`; the recording goes back to its beginning.
fn start_of(input: &mut Input, rate: f64, resample: bool) -> anyhow::Result<Vec<Vec<Sample>>> {
    let (count, antennas) = ((PROBE_SECONDS * input.rate) as usize, input.antennas().count());
    let mut samples = vec![vec![Sample::default(); count]; antennas];
    let filled = input.recording.read_channels(&mut slices(&mut samples, count)[..antennas])?;
    input.recording.seek(0)?;
    for samples in &mut samples {
        samples.truncate(filled);
        if resample {
            let mut resampler = super::source::resampler(rate / input.rate)?;
            let mut out = vec![Sample::default(); resampler.output_len(samples.len())];
            let written = resampler.process(samples, &mut out);
            out.truncate(written);
            *samples = out;
        }
    }
    Ok(samples)
}
