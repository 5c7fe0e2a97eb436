//! Recording of received samples: `--record` of the commands that use a radio.

use crate::args::Peak;
use crate::config::{ConfigError, RadioConfig, to_sigmf};
use crate::outputs::Outputs;
use clap::Args;
use sidelink_phy::numerology::Numerology;
use sidelink_radio::Radio;
use sidelink_radio::record::{Annotator, Recorded};
use sidelink_recordings::{Container, SampleFormat, WriterOptions, hints_of_name};
use std::path::{Path, PathBuf};

/// Arguments for a recording of the received samples.
#[derive(Clone, Debug, Args)]
pub struct RecordArgs {
    /// Record all received samples, with everything that was decoded as annotations.
    #[arg(long, value_name = "OUT")]
    pub record: Option<PathBuf>,
    /// Peak magnitude of the recording relative to full scale (1.0), such as -3dBFS; none leaves the samples as they
    /// are.
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "none",
        allow_hyphen_values = true,
        requires = "record"
    )]
    pub peak: Peak,
}

impl Default for RecordArgs {
    fn default() -> Self {
        Self { record: None, peak: Peak::AsIs }
    }
}

/// Adds annotations to a recording.
pub(super) struct Annotations {
    pub(super) annotator: Annotator,
    pub(super) numerology: Numerology,
    /// Carrier in Hz.
    pub(super) frequency: f64,
}

impl RecordArgs {
    /// Claims the places of the recording.
    ///
    /// # Errors
    /// As [`Outputs::claim_recording`], or a peak that this recording cannot have.
    pub(super) fn claim(&self, outputs: &mut Outputs) -> Result<(), ConfigError> {
        let Some(path) = &self.record else { return Ok(()) };
        let floats = format_of(path) == SampleFormat::CF32_LE;
        let scaled_later = floats && Container::of_output(path) != Container::Stream;
        if self.peak != Peak::AsIs && !scaled_later {
            let what = "--peak is known at the end, and these samples cannot be changed then";
            return Err(ConfigError::usage(what, "record floats to a file, as --record out.cf32"));
        }
        outputs.claim_recording("--record", path)
    }

    /// Wraps a radio so that it records what it receives, if requested.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(super) fn open(
        &self,
        radio: Box<dyn Radio>,
        config: &RadioConfig,
        numerology: Numerology,
    ) -> anyhow::Result<(Box<dyn Radio>, Option<Annotations>)> {
        let Some(path) = &self.record else { return Ok((radio, None)) };
        let mut options = WriterOptions::new(numerology.sample_rate().0);
        options.format = format_of(path);
        options.peak = self.peak.magnitude();
        options.radio = to_sigmf(config);
        options.recorder = concat!("sidelink ", env!("CARGO_PKG_VERSION")).to_owned();
        let mut recorded = Recorded::new(radio, path, options)?;
        let frequency = recorded.description().frequency;
        let annotations = Annotations { annotator: recorded.annotator(), numerology, frequency };
        Ok((Box::new(recorded), Some(annotations)))
    }
}

fn format_of(path: &Path) -> SampleFormat {
    hints_of_name(path).format.unwrap_or(SampleFormat::CF32_LE)
}
