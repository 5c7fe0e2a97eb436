//! `sidelink announce`: the sending half of a first discovery test; `sidelink monitor` is the receiving one.

use super::record::RecordArgs;
use super::ue::{UeArgs, run_config};
use crate::args::{Form, Output};
use crate::config::ConfigError;
use crate::config::ue_toml::UeConfig;
use crate::outputs::ForceArgs;
use clap::Args;
use sidelink_store::{Discovery, Hex, Keys, Protection};
use std::path::PathBuf;
use std::time::Duration;

/// Default carrier of a first test: 5 MHz, one discovery pool every 320 ms, each message sent twice.
pub(super) const CARRIER: &str = r#"
[radio]
prb = 25
tm = 2
# the announcer sends synchronisation signals, so that a monitor without GNSS finds it
[radio.sync]
offset = [0, 20]
[[radio.discovery]]
period = 320
offset = 1
bitmap = "1111 1111"
repetitions = 2
transmissions = 2
prb = { start = 0, end = 24, num = 12 }
"#;

/// Octets of a code.
const CODE: usize = 23;

/// Arguments of `sidelink announce`.
#[derive(Debug, Args)]
pub struct AnnounceArgs {
    /// Unprotected announcement: up to 23 octets of text, or hex:.. for a code of 184 bits.
    #[arg(required_unless_present = "keys", conflicts_with = "keys", value_name = "TEXT")]
    pub text: Option<String>,
    /// Key store with the announcements of --ue, which are protected.
    #[arg(long, value_name = "STORE", requires = "ue")]
    pub keys: Option<PathBuf>,
    /// Name of the UE in the key store.
    #[arg(long, value_name = "NAME")]
    pub ue: Option<String>,
    /// Radio device, such as driver=uhd,serial=..; the default is the virtual air.
    #[arg(short, long, value_name = "ARGS", default_value = "driver=air")]
    pub args: String,
    /// Carrier frequency, such as 5.92G.
    #[arg(short, long, value_name = "HZ")]
    pub freq: Option<sidelink_radio::number::Number>,
    /// Transmit gain in dB, or of elements, such as PAD=40,IAMP=3.
    #[arg(short, long, value_name = "GAIN")]
    pub gain: Option<String>,
    /// File with another carrier and pool, in the form of `sidelink ue --example`.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// End after this time, by the clock or on the air, whichever comes first: 90 (seconds), 5m, 1h30m.
    #[arg(short = 'T', long, value_name = "TIME", value_parser = super::ue::parse_duration)]
    pub duration: Option<Duration>,
}

/// Announces until Ctrl-C.
///
/// # Errors
/// The text is too long, or the radio has an error.
pub fn run(args: AnnounceArgs) -> anyhow::Result<()> {
    let name = args.ue.clone().unwrap_or_else(|| "announcer".to_owned());
    let mut config = match &args.config {
        Some(path) => UeConfig::from_file(path)?,
        None => UeConfig::from_toml(&format!("name = {name:?}\n{CARRIER}"), "the carrier of a first test")?,
    };
    config.name.clone_from(&name);
    config.keys.clone_from(&args.keys);
    config.device.args.clone_from(&args.args);
    config.device.tx_gain = args.gain.clone().or(config.device.tx_gain);
    config.radio.frequency = args.freq.or(config.radio.frequency);
    config.talk.clear();
    let keys = args.text.as_deref().map(|text| open_announcement(text, &name)).transpose()?;
    let ue_args = UeArgs {
        config: None,
        example: None,
        write: None,
        args: None,
        duration: args.duration,
        output: Output { form: Form::Table, file: None },
        pcap: None,
        record: RecordArgs::default(),
        force: ForceArgs::default(),
        all: true,
        control: None,
        control_token_file: None,
        applications: None,
        cpu: None,
        real_time: false,
    };
    run_config(&config, keys.as_ref(), &ue_args, None)
}

/// Makes an entry without keys that `name` announces.
fn open_announcement(text: &str, name: &str) -> Result<Keys, ConfigError> {
    let code = match text.strip_prefix("hex:") {
        Some(digits) => {
            digits
                .parse::<Hex>()
                .map_err(|e| ConfigError::new(e.to_string(), "the code", "46 hexadecimal digits"))?
                .0
        }
        None => text.as_bytes().to_vec(),
    };
    if code.is_empty() || code.len() > CODE {
        let what = format!("{} octets to announce", code.len());
        return Err(ConfigError::new(what, text.to_owned(), "a code has 1 to 23 octets (184 bits)"));
    }
    let mut entry = Discovery::new(text, Protection::None, u32::MAX);
    entry.code = Some(Hex(code.into_iter().chain(std::iter::repeat(0)).take(CODE).collect()));
    entry.announcer = Some(name.to_owned());
    Ok(Keys { discovery: vec![entry], ..Keys::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_a_code() {
        let keys = open_announcement("UE A is near", "a").unwrap();
        let code = &keys.discovery[0].code.as_ref().unwrap().0;
        assert_eq!((code.len(), &code[..12], code[12]), (23, &b"UE A is near"[..], 0));
        assert_eq!(
            open_announcement("hex:0102", "a").unwrap().discovery[0].code.as_ref().unwrap().0[..3],
            [1, 2, 0]
        );
        for wrong in ["", "hex:1", "hex:zz", "more than twenty-three octets"] {
            assert!(open_announcement(wrong, "a").is_err(), "{wrong}");
        }
    }
}
