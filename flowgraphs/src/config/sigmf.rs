//! Conversion to and from the `sidelink:` keys of SigMF.
//!
//! `sidelink:prb`, `sidelink:transmission_mode` and `sidelink:cyclic_prefix` have the contents of their names;
//! `sidelink:pools` is an object of the tables `sync`, `communication`, `discovery`, `v2x` and `v2x-also`, with the
//! keys of the TOML.

use super::text::parse_json;
use super::{ConfigError, CyclicPrefixName, RadioConfig};
use serde_json::{Map, Value};
use sidelink_radio::number::Number;
use sidelink_recordings::sigmf::{CyclicPrefix, Metadata, RadioConfig as SigmfRadio};

/// Returns the `sidelink:` keys for a configuration.
pub fn to_sigmf(config: &RadioConfig) -> SigmfRadio {
    let tables = RadioConfig { prb: None, rate: None, frequency: None, tm: None, cp: None, ..config.clone() };
    // A struct of numbers, texts and lists always has a JSON form.
    let pools = serde_json::to_value(&tables).ok().and_then(|v| v.as_object().cloned()).unwrap_or_default();
    SigmfRadio {
        prb: config.prb.and_then(|p| u16::try_from(p).ok()),
        transmission_mode: config.tm,
        cyclic_prefix: config.cp.map(|cp| match cp {
            CyclicPrefixName::Normal => CyclicPrefix::Normal,
            CyclicPrefixName::Extended => CyclicPrefix::Extended,
        }),
        pools: (!pools.is_empty()).then_some(pools),
    }
}

/// Returns the radio configuration in the metadata of a recording.
///
/// # Errors
/// A key in `sidelink:pools` does not exist or has the wrong type.
pub fn from_sigmf(metadata: &Metadata) -> Result<RadioConfig, ConfigError> {
    let radio = &metadata.global.radio;
    let mut config = RadioConfig::default();
    let mut pools = radio.pools.clone().unwrap_or_default();
    fn take<T: serde::de::DeserializeOwned>(
        pools: &mut Map<String, Value>,
        key: &str,
    ) -> Result<Option<T>, ConfigError> {
        pools.remove(key).map(|v| parse_json(v, &format!("sidelink:pools.{key}"))).transpose()
    }
    config.sync = take(&mut pools, "sync")?;
    config.communication = take(&mut pools, "communication")?.unwrap_or_default();
    config.discovery = take(&mut pools, "discovery")?.unwrap_or_default();
    config.v2x = take(&mut pools, "v2x")?;
    config.v2x_also = take(&mut pools, "v2x-also")?.unwrap_or_default();
    if let Some(key) = pools.keys().next() {
        let what = format!("unknown key {key:?}");
        return Err(ConfigError::new(
            what,
            "sidelink:pools",
            "known here: sync, communication, discovery, v2x, v2x-also",
        ));
    }
    config.prb = radio.prb.map(u32::from);
    config.tm = radio.transmission_mode;
    config.cp = radio.cyclic_prefix.map(|cp| match cp {
        CyclicPrefix::Normal => CyclicPrefixName::Normal,
        CyclicPrefix::Extended => CyclicPrefixName::Extended,
    });
    config.rate = metadata.global.sample_rate.map(Number);
    config.frequency = metadata.captures.first().and_then(|c| c.frequency).map(Number);
    Ok(config)
}
