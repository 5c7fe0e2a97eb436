//! Whether the configuration that the operator gave a UE lets it transmit as its file says. A UE asks before its radio starts.

use crate::config::ConfigError;
use crate::config::network_toml::NetworkConfig;
use crate::config::ue_toml::UeConfig;
use sidelink_network::configuration::{Configuration, Place, Transmission, Use};
use sidelink_security::counter::UtcTime;
use std::path::Path;

/// What a UE may do about a configuration that it cannot use.
const FETCH: &str = "`sidelink keys fetch` fetches it";

/// Judges a UE's file by its sealed configuration, where it names one.
///
/// # Errors
/// No configuration, one that was edited or has ended, or a transmission that it does not allow.
pub(in crate::commands) fn check(config: &UeConfig, now: UtcTime) -> Result<(), ConfigError> {
    let Some((network, path)) = named(config) else { return Ok(()) };
    let place = path.display().to_string();
    let file = std::fs::read(path).map_err(|e| {
        ConfigError::new(
            format!("the configuration of the operator cannot be read: {e}"),
            place.clone(),
            FETCH,
        )
    })?;
    let key = network.sealing_key()?;
    let held = key.open(&file).map_err(|e| ConfigError::new(e.to_string(), place.clone(), FETCH))?;
    judge(config, network, &held, now).map_err(|e| e.within(&place))
}

fn named(config: &UeConfig) -> Option<(&NetworkConfig, &Path)> {
    let network = config.network.as_ref()?;
    Some((network, network.configuration.as_deref()?))
}

/// What the file makes the UE send.
fn uses(config: &UeConfig) -> Vec<Use> {
    let mut uses = Vec::new();
    if !config.radio.communication.is_empty() || config.radio.v2x.is_some() {
        uses.push(Use::OneToMany);
    }
    if !config.link.is_empty() {
        uses.push(Use::OneToOne);
    }
    if !config.radio.discovery.is_empty() {
        uses.push(Use::Announcing);
    }
    uses
}

fn judge(
    config: &UeConfig,
    network: &NetworkConfig,
    held: &Configuration,
    now: UtcTime,
) -> Result<(), ConfigError> {
    let refused = |why: &dyn std::fmt::Display| {
        ConfigError::new(why.to_string(), "", "correct [radio] or [network] at, or ask the operator")
    };
    let radio = config.resolve()?;
    let frequency = radio.frequency.filter(|hertz| hertz.fract() == 0.0 && *hertz > 0.0);
    let carrier = frequency.ok_or_else(|| refused(&"no frequency of whole Hz in [radio]"))? as u64;
    let prbs = radio.bandwidth.map_or(0, |bandwidth| bandwidth.prbs());
    let place = network.at.and_then(|[north, east]| Place::from_degrees(north, east));
    for purpose in uses(config) {
        let transmission = Transmission {
            purpose,
            carrier,
            bandwidth: u8::try_from(prbs).unwrap_or(0),
            // A device has gains, and no power in dBm.
            power: None,
            place: place.as_ref(),
        };
        held.permits(now, &transmission).map_err(|why| refused(&why))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
