//! The requested settings of a device, and its offer if it cannot meet them.

use super::library::{Device, Direction, Fault, Span};
use crate::number::Number;
use crate::{RadioError, RadioSettings};
use sidelink_phy::units::Antennas;
use std::fmt;

/// Relative tolerance of the rate.
const RATE_TOLERANCE: f64 = 1e-6;

/// Applies all requested settings; the clock first, since rates depend on it.
pub(super) fn apply(
    device: &Device,
    settings: &RadioSettings,
    ports: &Ports,
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
        set_antennas(device, ports, antenna)?;
    }
    for (direction, channel) in ports.all() {
        set_rate(device, direction, channel, settings.rate)?;
        if let Some(frequency) = settings.frequency {
            let offered = device.frequencies(direction);
            within("frequency", frequency, direction, &offered, 0.0)?;
            let told = |e| refused("frequency", &Number(frequency).to_string(), &e);
            device.set_frequency(direction, channel, frequency).map_err(told)?;
        }
        let gain = match direction {
            Direction::Transmit => &settings.tx_gain,
            Direction::Receive => &settings.rx_gain,
        };
        if let Some(gain) = gain {
            set_gain(device, direction, channel, gain)?;
        }
    }
    Ok(())
}

/// The channels of a device that are used.
pub(super) struct Ports {
    /// One a receive antenna.
    pub(super) receive: Vec<usize>,
    /// The channel that sends, if the device sends.
    pub(super) transmit: Option<usize>,
}

impl Ports {
    /// Chooses channels: those of `channels=0+1`, or the first `antennas`.
    pub(super) fn choose(
        device: &Device,
        channels: Option<&str>,
        antennas: Option<Antennas>,
    ) -> Result<Self, RadioError> {
        let has = device.channels(Direction::Receive);
        let receive = match channels {
            Some(text) => parse_channels(text).ok_or_else(|| {
                RadioError::unusable(
                    format!("channels={text}"),
                    "up to 4 different numbers from 0 on, such as channels=0+1",
                )
            })?,
            None => (0..antennas.map_or(1, Antennas::count)).collect(),
        };
        if antennas.is_some_and(|antennas| antennas.count() != receive.len()) {
            let what = format!("channels={} and another number of antennas", channels.unwrap_or_default());
            return Err(RadioError::unusable(
                what,
                "name a channel for each antenna, or leave one of the two out",
            ));
        }
        if let Some(missing) = receive.iter().find(|&&channel| channel >= has) {
            return Err(RadioError::unusable(
                format!("the device has no receive channel {missing}"),
                format!("it has {has}, numbered from 0"),
            ));
        }
        // The antenna that is named first sends.
        let sends = device.channels(Direction::Transmit);
        let first = receive.first().copied().unwrap_or(0);
        let transmit = (sends > 0).then_some(if first < sends { first } else { 0 });
        Ok(Self { receive, transmit })
    }

    /// Returns direction and channel of each.
    fn all(&self) -> impl Iterator<Item = (Direction, usize)> {
        let receive = self.receive.iter().map(|&channel| (Direction::Receive, channel));
        receive.chain(self.transmit.map(|channel| (Direction::Transmit, channel)))
    }
}

/// Parses different numbers, joined by `+`.
fn parse_channels(text: &str) -> Option<Vec<usize>> {
    let channels: Vec<usize> = text.split('+').map(|word| word.trim().parse().ok()).collect::<Option<_>>()?;
    let differ = channels.iter().enumerate().all(|(i, channel)| !channels[..i].contains(channel));
    (differ && channels.len() <= Antennas::MAX).then_some(channels)
}

fn set_rate(device: &Device, direction: Direction, channel: usize, rate: f64) -> Result<(), RadioError> {
    let offered = device.rates(direction);
    within("rate", rate, direction, &offered, RATE_TOLERANCE)?;
    let told = |e| refused("rate", &Number(rate).to_string(), &e);
    device.set_rate(direction, channel, rate).map_err(told)?;
    let got = device.rate(direction, channel);
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
fn set_gain(device: &Device, direction: Direction, channel: usize, text: &str) -> Result<(), RadioError> {
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
        return device.set_automatic_gain(direction, channel, true).map_err(|e| refused(name, text, &e));
    }
    if device.has_automatic_gain(direction) {
        device.set_automatic_gain(direction, channel, false).map_err(|e| refused(name, text, &e))?;
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
        device.set_gain(direction, channel, element.as_deref(), gain).map_err(|e| refused(name, text, &e))?;
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
fn set_antennas(device: &Device, ports: &Ports, text: &str) -> Result<(), RadioError> {
    for word in text.split(',').map(str::trim) {
        let (only, name) = match word.split_once(':') {
            Some(("tx", name)) => (Some(Direction::Transmit), name),
            Some(("rx", name)) => (Some(Direction::Receive), name),
            _ => (None, word),
        };
        let mut offered = Vec::new();
        let mut set = false;
        for (direction, channel) in ports.all().filter(|&(d, _)| only.is_none_or(|o| o == d)) {
            let antennas = device.antennas(direction);
            if antennas.iter().any(|a| a == name) {
                device.set_antenna(direction, channel, name).map_err(|e| refused("antenna", word, &e))?;
                set = true;
            }
            let has = format!("{} has {}", direction.as_str(), antennas.join(", "));
            if !offered.contains(&has) {
                offered.push(has);
            }
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
    fn channels_as_people_write_them() {
        assert_eq!(parse_channels("0"), Some(vec![0]));
        assert_eq!(parse_channels("1+0"), Some(vec![1, 0]));
        for wrong in ["", "0+", "0+0", "a", "-1", "0+1+2+3+4"] {
            assert_eq!(parse_channels(wrong), None, "{wrong}");
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
