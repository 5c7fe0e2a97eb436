//! The requested settings of a device, and its offer if it cannot meet them.

use super::library::{Device, Direction, Fault, Span};
use crate::number::Number;
use crate::{RadioError, RadioSettings};
use std::fmt;

/// Relative tolerance of the rate.
const RATE_TOLERANCE: f64 = 1e-6;

/// Applies all requested settings; the clock first, since rates depend on it.
pub(super) fn apply(
    device: &Device,
    settings: &RadioSettings,
    clock_source: Option<&str>,
    time_source: Option<&str>,
) -> Result<(), RadioError> {
    if device.channels(Direction::Receive) == 0 {
        return Err(RadioError::unusable(
            format!("the device {} has no receiver", device.driver()),
            "take another; `sidelink find` lists them",
        ));
    }
    if let Some(source) = clock_source {
        one_of("clock_source", source, &device.clock_sources())?;
        device.set_clock_source(source).map_err(|e| refused("clock_source", source, &e))?;
    }
    if let Some(source) = time_source {
        one_of("time_source", source, &device.time_sources())?;
        device.set_time_source(source).map_err(|e| refused("time_source", source, &e))?;
    }
    if let Some(antenna) = &settings.antenna {
        set_antennas(device, antenna)?;
    }
    for direction in directions(device) {
        set_rate(device, direction, settings.rate)?;
        if let Some(frequency) = settings.frequency {
            let offered = device.frequencies(direction);
            within("frequency", frequency, direction, &offered, 0.0)?;
            let told = |e| refused("frequency", &Number(frequency).to_string(), &e);
            device.set_frequency(direction, frequency).map_err(told)?;
        }
        let gain = match direction {
            Direction::Transmit => &settings.tx_gain,
            Direction::Receive => &settings.rx_gain,
        };
        if let Some(gain) = gain {
            set_gain(device, direction, gain)?;
        }
    }
    Ok(())
}

/// Returns the directions that a device has.
fn directions(device: &Device) -> impl Iterator<Item = Direction> {
    Direction::BOTH.into_iter().filter(|&d| device.channels(d) > 0)
}

fn set_rate(device: &Device, direction: Direction, rate: f64) -> Result<(), RadioError> {
    let offered = device.rates(direction);
    within("rate", rate, direction, &offered, RATE_TOLERANCE)?;
    let set = device.set_rate(direction, rate).map_err(|e| refused("rate", &Number(rate).to_string(), &e));
    set?;
    let got = device.rate(direction);
    if (got - rate).abs() > rate * RATE_TOLERANCE {
        return Err(RadioError::unusable(
            format!(
                "the device runs its {} side at {got} instead of {rate} samples a second",
                direction.as_str()
            ),
            format!(
                "it offers {}; choose a bandwidth (prb) or a master clock that gives the rate",
                spans(&offered)
            ),
        ));
    }
    Ok(())
}

/// Sets the gain by `40`, `PAD=40,IAMP=3` or `auto`.
fn set_gain(device: &Device, direction: Direction, text: &str) -> Result<(), RadioError> {
    let name = match direction {
        Direction::Transmit => "tx-gain",
        Direction::Receive => "rx-gain",
    };
    if text == "auto" {
        if !device.has_automatic_gain(direction) {
            return Err(RadioError::unusable(
                format!("{name}=auto: the device has no automatic gain"),
                "write a number of dB",
            ));
        }
        return device.set_automatic_gain(direction, true).map_err(|e| refused(name, text, &e));
    }
    if device.has_automatic_gain(direction) {
        device.set_automatic_gain(direction, false).map_err(|e| refused(name, text, &e))?;
    }
    for (element, gain) in parse_gain(text).map_err(|e| {
        RadioError::unusable(format!("{name}={text}: {e}"), "write 40, or elements as PAD=40,IAMP=3, or auto")
    })? {
        let elements = device.gains(direction);
        if let Some(element) = &element {
            one_of(&format!("{name}: element"), element, &elements)?;
        }
        let offered =
            device.gain_range(direction, element.as_deref()).map_err(|e| refused(name, text, &e))?;
        let what = element.as_ref().map_or_else(|| name.to_owned(), |e| format!("{name} {e}"));
        within(&what, gain, direction, &[offered], 0.0)?;
        device.set_gain(direction, element.as_deref(), gain).map_err(|e| refused(name, text, &e))?;
    }
    Ok(())
}

/// Reason why a text is not a gain.
#[derive(Clone, Debug, PartialEq, Eq)]
enum GainError {
    /// This part is not a number of dB.
    Number(String),
    /// This part of a list names no element.
    NoElement(String),
}

impl fmt::Display for GainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(text) => write!(f, "{text:?} is no number of dB"),
            Self::NoElement(word) => write!(f, "{word:?} names no element"),
        }
    }
}

/// Parses gains in dB with their elements, or one without.
fn parse_gain(text: &str) -> Result<Vec<(Option<String>, f64)>, GainError> {
    let number = |text: &str| {
        let gain = text.trim().parse::<f64>().ok().filter(|g| g.is_finite());
        gain.ok_or_else(|| GainError::Number(text.to_owned()))
    };
    if !text.contains('=') {
        return Ok(vec![(None, number(text)?)]);
    }
    let one = |word: &str| {
        let (element, gain) = word.split_once('=').ok_or_else(|| GainError::NoElement(word.to_owned()))?;
        Ok((Some(element.trim().to_owned()), number(gain)?))
    };
    text.split(',').map(one).collect()
}

/// Sets antennas by `RX2`, `tx:TX/RX`, `tx:TX/RX,rx:RX2`.
fn set_antennas(device: &Device, text: &str) -> Result<(), RadioError> {
    for word in text.split(',').map(str::trim) {
        let (only, name) = match word.split_once(':') {
            Some(("tx", name)) => (Some(Direction::Transmit), name),
            Some(("rx", name)) => (Some(Direction::Receive), name),
            _ => (None, word),
        };
        let mut offered = Vec::new();
        let mut set = false;
        for direction in directions(device).filter(|&d| only.is_none_or(|o| o == d)) {
            let antennas = device.antennas(direction);
            if antennas.iter().any(|a| a == name) {
                device.set_antenna(direction, name).map_err(|e| refused("antenna", word, &e))?;
                set = true;
            }
            offered.push(format!("{} has {}", direction.as_str(), antennas.join(", ")));
        }
        if !set {
            return Err(RadioError::unusable(format!("antenna {word}: there is none"), offered.join("; ")));
        }
    }
    Ok(())
}

fn one_of(key: &str, value: &str, offered: &[String]) -> Result<(), RadioError> {
    if offered.iter().any(|o| o == value) {
        return Ok(());
    }
    let remedy = match offered.is_empty() {
        true => "the device offers none: leave it out".to_owned(),
        false => format!("the device offers {}", offered.join(", ")),
    };
    Err(RadioError::unusable(format!("{key} {value:?} is not there"), remedy))
}

/// Checks a value against the device's ranges. A device that reports no range gets the request, and decides itself.
fn within(
    what: &str,
    value: f64,
    direction: Direction,
    offered: &[Span],
    tolerance: f64,
) -> Result<(), RadioError> {
    let slack = value.abs() * tolerance;
    if offered.is_empty() || offered.iter().any(|&(from, to)| (from - slack..=to + slack).contains(&value)) {
        return Ok(());
    }
    Err(RadioError::unusable(
        format!("{what} {}: the device cannot {} at that", Number(value), direction.as_str()),
        format!("it offers {}", spans(offered)),
    ))
}

fn refused(key: &str, value: &str, fault: &Fault) -> RadioError {
    RadioError::unusable(
        format!("{key}={value}: the device refuses: {fault}"),
        "`sidelink probe` shows what it can do",
    )
}

/// Formats ranges as `1.92M, 3.84M to 61.44M`.
pub(super) fn spans(spans: &[Span]) -> String {
    let one = |&(from, to): &Span| match from == to {
        true => Number(from).to_string(),
        false => format!("{} to {}", Number(from), Number(to)),
    };
    spans.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_as_people_write_them() {
        assert_eq!(parse_gain("40").unwrap(), [(None, 40.0)]);
        assert_eq!(parse_gain("-3.5").unwrap(), [(None, -3.5)]);
        let both = [(Some("PAD".to_owned()), 40.0), (Some("IAMP".to_owned()), 3.0)];
        assert_eq!(parse_gain("PAD=40, IAMP=3").unwrap(), both);
        for wrong in ["", "much", "PAD=40,3", "PAD=x", "nan"] {
            assert!(parse_gain(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_told_what_is_in_it() {
        let offered = [(1.92e6, 1.92e6), (3.84e6, 61.44e6)];
        assert!(within("rate", 15.36e6, Direction::Receive, &offered, 1e-6).is_ok());
        assert!(within("rate", 1.92e6 + 1.0, Direction::Receive, &offered, 1e-6).is_ok());
        let error = within("rate", 2e6, Direction::Receive, &offered, 1e-6).unwrap_err().to_string();
        assert!(error.contains("2M") && error.contains("1.92M, 3.84M to 61.44M"), "{error}");
        assert!(within("rate", 2e6, Direction::Receive, &[], 0.0).is_ok());
    }
}
