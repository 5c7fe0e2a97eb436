//! The receiver that an input asks for.

use crate::Sample;
use crate::config::{ConfigError, Radio};
use crate::input::Input;
use sidelink_phy::numerology::{Numerology, SUBCARRIER_HZ};
use sidelink_phy::receive::receiver::{CommunicationPlace, Config, DiscoveryPlace};
use sidelink_phy::receive::stream::StreamReceiver;
use sidelink_phy::units::{Bandwidth, TransmissionMode};

/// Seconds at the start of a recording on which a mode is chosen when nobody says it.
const PROBE_SECONDS: f64 = 0.4;

/// A receiver, and what was assumed to build it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The receiver.
    pub config: Config,
    /// Whether the recording has to be resampled to the receiver's rate.
    pub resample: bool,
    /// What nobody said and was assumed or found, in words.
    pub assumed: Vec<String>,
}

/// Decide how to receive `input`. Reads the start of the recording when the mode is not known, and goes back.
///
/// # Errors
/// A rate that no bandwidth fits, or what the recording's reader says.
pub fn plan(input: &mut Input, name: &str) -> anyhow::Result<Plan> {
    let bandwidth = match input.bandwidth() {
        Some(bandwidth) => bandwidth,
        None => widest_that_fits(input.rate).ok_or_else(|| {
            let what = format!("{} samples a second are too few for any sidelink carrier", input.rate);
            ConfigError::new(what, name, "a carrier of 6 PRBs takes 1.08 MHz: give the right --rate")
        })?,
    };
    let mut assumed = std::mem::take(&mut input.assumed);
    let cp = input.radio.sync.as_ref().map_or(input.radio.default_cp(), |s| s.cp);
    let (numerology, resample) = match Numerology::at_rate(bandwidth, cp, input.rate) {
        Ok(numerology) => (numerology, false),
        Err(_) => {
            let occupied = bandwidth.subcarriers() as f64 * SUBCARRIER_HZ;
            if input.rate < occupied {
                let what = format!("{} samples a second cannot hold {bandwidth} ({occupied} Hz)", input.rate);
                return Err(ConfigError::new(what, name, "give the right --rate or a smaller --prb").into());
            }
            let numerology = Numerology::standard(bandwidth, cp);
            assumed.push(format!("resampled from {} to {} samples/s", input.rate, numerology.sample_rate()));
            (numerology, true)
        }
    };
    let radio = &input.radio;
    let mut config = receiver_config(radio, numerology);
    config.mode = match radio.mode {
        Some(mode) => mode,
        None if config.v2x.is_some() => TransmissionMode::Tm4,
        None if !config.is_blind() => TransmissionMode::Tm2,
        None => {
            let mode = probe(input, &config, resample)?;
            let family = if mode.is_v2x() { "modes 3 and 4 (V2X)" } else { "modes 1 and 2 (D2D)" };
            assumed.push(format!("transmission {family}, by what the start of the recording holds"));
            mode
        }
    };
    if config.is_blind() {
        assumed.push("no pool is known: every PRB of every subframe is searched".to_owned());
    }
    Ok(Plan { config, resample, assumed })
}

/// The receiver of a radio configuration; the mode is the caller's to set where it was not said.
pub fn receiver_config(radio: &Radio, numerology: Numerology) -> Config {
    let mut config = Config::new(numerology, radio.mode.unwrap_or(TransmissionMode::Tm4));
    let places = radio.communication.iter();
    config.communication = places
        .map(|c| CommunicationPlace { pool: c.pool.clone(), control_cp: c.control_cp, data_cp: c.data_cp })
        .collect();
    config.discovery =
        radio.discovery.iter().map(|d| DiscoveryPlace { pool: d.pool.clone(), cp: d.cp }).collect();
    config.v2x = radio.v2x.clone();
    config.v2x_also = radio.v2x_also.clone();
    config
}

fn widest_that_fits(rate: f64) -> Option<Bandwidth> {
    Bandwidth::ALL.into_iter().rev().find(|b| b.subcarriers() as f64 * SUBCARRIER_HZ <= rate)
}

/// The family of modes in which more is heard at the start of the recording.
fn probe(input: &mut Input, config: &Config, resample: bool) -> anyhow::Result<TransmissionMode> {
    let mut samples = vec![Sample::default(); (PROBE_SECONDS * input.rate) as usize];
    let mut filled = 0;
    // a pipe passes once: what is read here is read again
    input.recording.mark();
    while filled < samples.len() {
        match input.recording.read(&mut samples[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    input.recording.seek(0)?;
    samples.truncate(filled);
    if resample {
        let ratio = config.numerology.sample_rate() / input.rate;
        let Ok(mut resampler) = sidelink_phy::impair::resample::Resampler::with_ratio(ratio) else {
            anyhow::bail!("cannot resample by {ratio}");
        };
        let mut out = vec![Sample::default(); resampler.output_len(samples.len())];
        let written = resampler.process(&samples, &mut out);
        out.truncate(written);
        samples = out;
    }
    let count = |mode| {
        let mut receiver = StreamReceiver::new(Config { mode, ..config.clone() });
        let mut heard = 0;
        receiver.push(&samples, &mut |_, _| heard += 1);
        receiver.finish(&mut |_, _| heard += 1);
        heard
    };
    let (v2x, d2d) = (count(TransmissionMode::Tm4), count(TransmissionMode::Tm2));
    Ok(if d2d > v2x { TransmissionMode::Tm2 } else { TransmissionMode::Tm4 })
}
