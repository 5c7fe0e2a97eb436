//! Common arguments of several sub-commands.

use crate::config::{ConfigError, CyclicPrefixName, RadioConfig, Said, V2xConfig};
use crate::outputs::{Outputs, Place};
use clap::Args;
use sidelink_phy::units::Antennas;
use sidelink_radio::number::Number;
use sidelink_recordings::{SampleFormat, UtcMicros};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// How the samples are stored and what the radio is, as far as the recording does not say it itself.
#[derive(Clone, Debug, Default, Args)]
pub struct RadioArgs {
    /// How the samples are stored: cf32, ci16, ci8, .. (SigMF and the file name say it too).
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<SampleFormat>,
    /// Channels that take turns in the file, one an antenna (SigMF, WAV and a name such as x_2ch.cf32 say it too).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub channels: Option<u8>,
    /// Use only this channel, counted from 0, of a recording with several.
    #[arg(long, value_name = "N")]
    pub channel: Option<u8>,
    /// Samples a second, such as 15.36M.
    #[arg(short, long, value_name = "RATE")]
    pub rate: Option<Number>,
    /// Channel bandwidth in PRBs: 6, 15, 25, 50, 75 or 100.
    #[arg(long, value_name = "PRBS", value_parser = parse_prb)]
    pub prb: Option<u32>,
    /// Transmission mode: 1 and 2 are D2D, 3 and 4 V2X.
    #[arg(long, value_name = "MODE", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub tm: Option<u8>,
    /// Cyclic prefix.
    #[arg(long, value_enum, value_name = "CP")]
    pub cp: Option<CyclicPrefixName>,
    /// The pool of modes 3 and 4: size=10,num=5,start=0,adjacent=yes[,pscch-start=..][,bitmap=..][,sync-offset=..+..]
    #[arg(long, value_name = "POOL")]
    pub v2x_pool: Option<V2xConfig>,
    /// A file with the radio configuration (or a scenario); flags go before it.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl RadioArgs {
    /// Returns the configuration by the flags.
    pub fn flags(&self) -> RadioConfig {
        RadioConfig {
            prb: self.prb,
            rate: self.rate,
            tm: self.tm,
            cp: self.cp,
            v2x: self.v2x_pool.clone(),
            ..RadioConfig::default()
        }
    }

    /// Reads the file of `--config`, if there is one.
    ///
    /// # Errors
    /// As [`RadioConfig::from_file`].
    pub fn file(&self) -> Result<Option<Said>, ConfigError> {
        let read = |path: &PathBuf| {
            Ok(Said { config: RadioConfig::from_file(path)?, by: path.display().to_string() })
        };
        self.config.as_ref().map(read).transpose()
    }
}

pub(crate) fn parse_prb(text: &str) -> Result<u32, ConfigError> {
    let wrong = || ConfigError::new(format!("{text:?} is no number of PRBs"), "", "");
    let prb = text.parse().map_err(|_| wrong())?;
    if sidelink_phy::units::Bandwidth::from_prbs(prb as usize).is_none() {
        return Err(ConfigError::new(format!("no carrier has {prb} PRBs"), "", "6, 15, 25, 50, 75 or 100"));
    }
    Ok(prb)
}

/// Parses a number of antennas.
pub(crate) fn parse_antennas(text: &str) -> Result<Antennas, ConfigError> {
    let antennas = text.parse().ok().and_then(Antennas::new);
    antennas.ok_or_else(|| ConfigError::new(format!("{text:?} is no number of antennas"), "", "1 to 4"))
}

/// A form of output and its destination: `table`, `json`, `csv`, `json:FILE`; `json:-` is standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The form.
    pub form: Form,
    /// The file; standard output without one.
    pub file: Option<PathBuf>,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Table,
    /// One JSON object a line.
    Json,
    /// One row an event, always the same columns.
    Csv,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Csv => "csv",
        })
    }
}

impl Output {
    /// Claims its place among the outputs of a command; call it after those of data.
    ///
    /// # Errors
    /// As [`Outputs::claim`].
    pub fn claim(&self, outputs: &mut Outputs) -> Result<Place, ConfigError> {
        let option = format!("-F {}", self.form);
        match &self.file {
            Some(path) => outputs.claim(&option, path),
            None => outputs.for_people(&option),
        }
    }
}

impl FromStr for Output {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (name, file) = match text.split_once(':') {
            Some((_, "")) => {
                return Err(ConfigError::new(format!("{text:?} names no file"), "", "write json:out.json"));
            }
            Some((name, "-")) => (name, None),
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let form = match name {
            "table" => Form::Table,
            "json" => Form::Json,
            "csv" => Form::Csv,
            _ => {
                return Err(ConfigError::new(
                    format!("{name:?} is no form of output"),
                    "",
                    "table, json, csv or json:FILE, csv:FILE",
                ));
            }
        };
        Ok(Self { form, file })
    }
}

/// Parses UTC in seconds since 1970, as an argument.
///
/// # Errors
/// The text is not such a number.
pub fn parse_utc(text: &str) -> Result<UtcMicros, ConfigError> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..4_294_967_296.0).contains(&seconds) => {
            Ok(UtcMicros((seconds * 1e6).round() as u64))
        }
        _ => Err(ConfigError::new(
            format!("{text:?} is no UTC"),
            "",
            "write seconds since 1970, such as 1795238400",
        )),
    }
}

/// The largest magnitude of a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Peak {
    /// Any magnitude: samples are not scaled.
    AsIs,
    /// In dB of full scale.
    Dbfs(f32),
}

impl Peak {
    /// Returns the magnitude relative to full scale, if samples are to be scaled.
    pub fn magnitude(self) -> Option<f32> {
        match self {
            Self::AsIs => None,
            Self::Dbfs(level) => Some(10_f32.powf(level / 20.0)),
        }
    }
}

impl FromStr for Peak {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let number = ["dBFS", "dbfs", "dB"].iter().find_map(|unit| text.strip_suffix(unit)).unwrap_or(text);
        match number.trim().parse::<f32>() {
            _ if text == "none" => Ok(Self::AsIs),
            Ok(level) if (-120.0..=60.0).contains(&level) => Ok(Self::Dbfs(level)),
            _ => Err(ConfigError::new(
                format!("{text:?} is no level"),
                "",
                "write -3dBFS (from -120 to 60), or none",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks() {
        assert_eq!("none".parse(), Ok(Peak::AsIs));
        assert_eq!("-6dBFS".parse(), Ok(Peak::Dbfs(-6.0)));
        assert!((Peak::Dbfs(-20.0).magnitude().unwrap() - 0.1).abs() < 1e-6);
        assert!("loud".parse::<Peak>().is_err() && "99".parse::<Peak>().is_err());
    }

    #[test]
    fn outputs() {
        assert_eq!("table".parse(), Ok(Output { form: Form::Table, file: None }));
        assert_eq!("json:a:b".parse(), Ok(Output { form: Form::Json, file: Some("a:b".into()) }));
        assert_eq!("json:-".parse(), Ok(Output { form: Form::Json, file: None }));
        assert!("json:".parse::<Output>().is_err());
        assert_eq!("csv:a".parse(), Ok(Output { form: Form::Csv, file: Some("a".into()) }));
        assert!("xml".parse::<Output>().unwrap_err().to_string().contains("json:FILE"));
    }
}
