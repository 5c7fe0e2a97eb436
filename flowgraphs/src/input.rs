//! A recording opened with all knowledge of its metadata, a file and the flags.

use crate::args::RadioArgs;
use crate::config::{self, ConfigError, Radio, RadioConfig, Said};
use sidelink_phy::numerology::Numerology;
use sidelink_phy::units::{Antennas, Bandwidth, CyclicPrefix, Hertz};
use sidelink_recordings::{Channels, Container, OpenOptions, Recording};
use std::path::Path;

/// A recording and its radio configuration.
pub struct Input {
    /// The samples.
    pub recording: Recording,
    /// The radio configuration from all sources, without contradiction.
    pub config: RadioConfig,
    /// Its meaning.
    pub radio: Radio,
    /// Samples a second.
    pub rate: f64,
    /// Assumptions for missing values, as text.
    pub assumed: Vec<String>,
}

/// Opens `path`. Faults that reading survives are logged as warnings.
///
/// # Errors
/// The fault of the file or of the configuration, or their contradiction.
pub fn open(path: &Path, args: &RadioArgs) -> anyhow::Result<Input> {
    let name = path.display().to_string();
    let options = OpenOptions {
        format: args.format,
        rate: args.rate.map(|rate| rate.0),
        interleaved: args.channels.map(usize::from),
        channels: args.channel.map_or(Channels::All, |channel| Channels::One(channel.into())),
        ..OpenOptions::default()
    };
    let recording = Recording::open(path, &options)?;
    let info = recording.info();
    let sigmf = info.metadata.as_ref().map(|metadata| {
        Ok::<_, ConfigError>(Said {
            config: config::from_sigmf(metadata).map_err(|e| e.within(&name))?,
            by: name.clone(),
        })
    });
    let (mut config, notes) = config::combine(args.flags(), args.file()?, sigmf.transpose()?);
    for warning in recording.warnings().iter().map(ToString::to_string).chain(notes) {
        tracing::warn!("{name}: {warning}");
    }
    let mut assumed = Vec::new();
    if config.rate.is_none()
        && let Some(rate) = info.rate
    {
        config.rate = Some(sidelink_radio::number::Number(rate));
        let source = if info.container == Container::Wav { "head of the file" } else { "file name" };
        assumed.push(format!("{rate} samples a second, from the {source}"));
    }
    let radio = config.resolve().map_err(|e| e.within(&name))?;
    let rate = match (radio.rate, radio.bandwidth) {
        (Some(rate), _) => rate,
        (None, Some(bandwidth)) => {
            let rate = Numerology::standard(bandwidth, CyclicPrefix::Normal).sample_rate().0;
            assumed.push(format!("{rate} samples a second, the standard rate of {bandwidth}"));
            rate
        }
        (None, None) => {
            let remedy = "give --rate (such as 15.36M) or --prb (such as 50)";
            return Err(ConfigError::new("the sample rate is unknown", name, remedy).into());
        }
    };
    Ok(Input { recording, config, radio, rate, assumed })
}

impl Input {
    /// Returns the number of antennas: the channels of the recording, or one that was chosen.
    pub fn antennas(&self) -> Antennas {
        Antennas::new(self.recording.delivered()).unwrap_or(Antennas::ONE)
    }

    /// Returns the bandwidth: as given, otherwise the one that fits the rate, which is noted as an assumption.
    pub fn bandwidth(&mut self) -> Option<Bandwidth> {
        if self.radio.bandwidth.is_none()
            && let Some(guess) = Bandwidth::of_rate(Hertz(self.rate))
        {
            self.radio.bandwidth = Some(guess);
            self.assumed.push(format!("{guess}, from {} samples a second", self.rate));
        }
        self.radio.bandwidth
    }
}
