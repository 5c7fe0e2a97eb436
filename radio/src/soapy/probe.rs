//! Devices that are present, and their capabilities.

use super::library::{self, Device, Direction, Fault, Span};
use super::setup::spans;
use crate::RadioError;
use std::fmt::{self, Write};

/// A device that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Arguments to open it by.
    pub args: Vec<(String, String)>,
}

/// Capabilities of one direction of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Ability {
    /// `receive` or `transmit`.
    pub direction: &'static str,
    /// Number of channels; the first is used.
    pub channels: usize,
    /// Whether both directions work at once.
    pub full_duplex: bool,
    /// Ranges of the sample rate, samples a second.
    pub rates: Vec<(f64, f64)>,
    /// Ranges of the carrier, Hz.
    pub frequencies: Vec<(f64, f64)>,
    /// Gain elements with their ranges in dB; the one without a name is all of them together.
    pub gains: Vec<(String, (f64, f64))>,
    /// Whether the device sets the gain itself.
    pub automatic_gain: bool,
    /// Antennas.
    pub antennas: Vec<String>,
    /// Formats of samples.
    pub formats: Vec<String>,
}

/// Properties that a device reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Driver.
    pub driver: String,
    /// Model.
    pub hardware: String,
    /// Serial numbers and versions.
    pub info: Vec<(String, String)>,
    /// Whether it has a clock, which transmission requires.
    pub hardware_time: bool,
    /// Clock sources.
    pub clock_sources: Vec<String>,
    /// Time sources.
    pub time_sources: Vec<String>,
    /// Sensors and their present values.
    pub sensors: Vec<(String, String)>,
    /// Reception, then transmission.
    pub abilities: Vec<Ability>,
}

/// Returns the devices that match `args`; all devices if it is empty.
///
/// # Errors
/// The library's error.
pub fn find(args: &str) -> Result<Vec<Found>, RadioError> {
    let told = |e: Fault| RadioError::unusable(format!("cannot look for devices: {e}"), "write driver=NAME");
    Ok(library::enumerate(args).map_err(told)?.into_iter().map(|args| Found { args }).collect())
}

/// Returns the paths of SoapySDR's modules: without any it finds no device.
pub fn modules() -> Vec<String> {
    library::modules()
}

/// Queries the capabilities of a device.
///
/// # Errors
/// There is no such device.
pub fn probe(args: &str) -> Result<Probe, RadioError> {
    let device = Device::open(args).map_err(|e| super::not_there(args, &e))?;
    let ability = |direction: Direction| {
        let gains = device.gains(direction).into_iter().map(|g| {
            let range = device.gain_range(direction, Some(&g)).unwrap_or_default();
            (g, range)
        });
        let all = device.gain_range(direction, None).unwrap_or_default();
        Ability {
            direction: direction.as_str(),
            channels: device.channels(direction),
            full_duplex: device.full_duplex(direction),
            rates: device.rates(direction),
            frequencies: device.frequencies(direction),
            gains: std::iter::once((String::new(), all)).chain(gains).collect(),
            automatic_gain: device.has_automatic_gain(direction),
            antennas: device.antennas(direction),
            formats: device.formats(direction),
        }
    };
    let sensor = |key: String| {
        let value = device.sensor(&key).unwrap_or_else(|e| format!("({e})"));
        (key, value)
    };
    Ok(Probe {
        driver: device.driver(),
        hardware: device.hardware(),
        info: device.hardware_info(),
        hardware_time: device.has_hardware_time(),
        clock_sources: device.clock_sources(),
        time_sources: device.time_sources(),
        sensors: device.sensors().into_iter().map(sensor).collect(),
        abilities: Direction::BOTH.into_iter().filter(|&d| device.channels(d) > 0).map(ability).collect(),
    })
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // identifying arguments before describing ones
        let describes = |key: &str| matches!(key, "label" | "product" | "version" | "name");
        let words: Vec<_> =
            self.args.iter().filter(|(k, _)| !describes(k)).map(|(k, v)| format!("{k}={v}")).collect();
        f.write_str(&words.join(","))?;
        match self.args.iter().find(|(k, _)| k == "label") {
            Some((_, label)) => write!(f, "   {label}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
        let pairs = |pairs: &[(String, String)]| {
            pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "{:<16}{} ({})", "device", self.driver, self.hardware)?;
        if !self.info.is_empty() {
            writeln!(f, "{:<16}{}", "info", pairs(&self.info))?;
        }
        let clock = if self.hardware_time { "yes: it can send" } else { "no: it can only be listened to" };
        writeln!(f, "{:<16}{clock}", "hardware time")?;
        writeln!(f, "{:<16}{}", "clock_source", list(&self.clock_sources))?;
        writeln!(f, "{:<16}{}", "time_source", list(&self.time_sources))?;
        if !self.sensors.is_empty() {
            writeln!(f, "{:<16}{}", "sensors", pairs(&self.sensors))?;
        }
        for a in &self.abilities {
            let duplex = if a.full_duplex { "full" } else { "half" };
            writeln!(f, "{}: {} channel(s), {duplex} duplex, {}", a.direction, a.channels, list(&a.formats))?;
            writeln!(f, "  {:<14}{}", "rate", spans(&a.rates))?;
            writeln!(f, "  {:<14}{}", "frequency", spans(&a.frequencies))?;
            writeln!(f, "  {:<14}{}", "gain", gains(&a.gains, a.automatic_gain))?;
            writeln!(f, "  {:<14}{}", "antenna", list(&a.antennas))?;
        }
        Ok(())
    }
}

fn gains(gains: &[(String, Span)], automatic: bool) -> String {
    let mut text = String::new();
    for (name, (from, to)) in gains {
        let name = if name.is_empty() { String::new() } else { format!("; {name}=") };
        let _ = write!(text, "{name}{from} to {to} dB");
    }
    if automatic {
        text.push_str("; auto");
    }
    text
}
