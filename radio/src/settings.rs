//! Arguments of a device, and settings of a radio.

use super::{RadioError, air};
use crate::number::Number;
use sidelink_phy::units::Antennas;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// Settings of a radio.
#[derive(Clone, Debug, PartialEq)]
pub struct RadioSettings {
    /// Name of the user: the name of its port unless the arguments name another.
    pub name: String,
    /// Samples a second.
    pub rate: f64,
    /// Carrier in Hz; without it the device keeps its own.
    pub frequency: Option<f64>,
    /// Channel bandwidth in PRBs.
    pub prb: Option<u32>,
    /// Receive antennas; without it as many as the arguments of the device say, or the recording has, or one.
    pub antennas: Option<Antennas>,
    /// Transmit gain: a number of dB, elements as `PAD=40,IAMP=3`, or `auto`.
    pub tx_gain: Option<String>,
    /// Receive gain, likewise.
    pub rx_gain: Option<String>,
    /// Antenna; `tx:NAME` or `rx:NAME` for one direction.
    pub antenna: Option<String>,
    /// Longest wait of a start for other radios that must be present first.
    pub patience: Duration,
}

impl RadioSettings {
    /// Returns settings with a rate, and everything else unchanged.
    pub fn new(name: impl Into<String>, rate: f64) -> Self {
        Self {
            name: name.into(),
            rate,
            frequency: None,
            prb: None,
            antennas: None,
            tx_gain: None,
            rx_gain: None,
            antenna: None,
            patience: air::PATIENCE,
        }
    }

    /// Limits the wait of a start for others to the duration of the run.
    #[must_use]
    pub fn for_duration(mut self, duration: Option<Duration>) -> Self {
        self.patience = duration.map_or(self.patience, |duration| duration.min(self.patience));
        self
    }
}

/// Arguments of a device: keys and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceArgs(pub(super) BTreeMap<String, String>);

impl DeviceArgs {
    /// Parses `key=value,key=value`; a key alone has the value `yes`.
    ///
    /// # Errors
    /// A duplicate or empty key.
    pub fn parse(text: &str) -> Result<Self, RadioError> {
        let mut all = BTreeMap::new();
        for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            let (key, value) = word.split_once('=').unwrap_or((word, "yes"));
            let (key, value) = (key.trim(), value.trim());
            if key.is_empty() || all.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(RadioError::unusable(
                    format!("{word:?} in the device arguments {text:?} has no key, or comes twice"),
                    "write driver=NAME,key=value",
                ));
            }
        }
        Ok(Self(all))
    }

    /// Takes an argument out.
    pub fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// Takes out the arguments whose keys begin with `prefix`, and returns them without it.
    #[cfg(any(test, feature = "soapysdr"))]
    pub fn take_prefixed(&mut self, prefix: &str) -> Self {
        let all = std::mem::take(&mut self.0).into_iter();
        let (taken, kept): (BTreeMap<_, _>, _) = all.partition(|(key, _)| key.starts_with(prefix));
        self.0 = kept;
        Self(taken.into_iter().map(|(key, value)| (key[prefix.len()..].to_owned(), value)).collect())
    }

    /// Takes a number out.
    ///
    /// # Errors
    /// The value is not a number.
    pub fn take_number(&mut self, key: &str) -> Result<Option<f64>, RadioError> {
        let Some(text) = self.take(key) else { return Ok(None) };
        let number = text
            .parse::<Number>()
            .map_err(|e| RadioError::unusable(format!("{key}={text}: {e}"), "as 15.36M"))?;
        Ok(Some(number.0))
    }

    /// Takes a whole number out.
    ///
    /// # Errors
    /// The value is anything else.
    pub fn take_count(&mut self, key: &str) -> Result<Option<usize>, RadioError> {
        let Some(text) = self.take(key) else { return Ok(None) };
        let wrong = |_| {
            RadioError::unusable(format!("{key}={text} is no whole number from 0 on"), format!("as {key}=1"))
        };
        text.parse().map(Some).map_err(wrong)
    }

    /// Takes out a value of any type; `value` is unchanged if the argument is absent.
    ///
    /// # Errors
    /// The value cannot be parsed.
    pub fn set<T: FromStr<Err: Display>>(&mut self, key: &str, value: &mut T) -> Result<(), RadioError> {
        if let Some(text) = self.take(key) {
            *value = text.parse().map_err(|e| {
                RadioError::unusable(format!("{key}={text}: {e}"), format!("give {key} another value"))
            })?;
        }
        Ok(())
    }

    /// Takes out `yes` or `no`.
    ///
    /// # Errors
    /// The value is anything else.
    pub fn set_flag(&mut self, key: &str, value: &mut bool) -> Result<(), RadioError> {
        *value = match self.take(key).as_deref() {
            None => return Ok(()),
            Some("yes" | "true" | "1") => true,
            Some("no" | "false" | "0") => false,
            Some(other) => {
                let remedy = format!("write {key}=yes or {key}=no");
                return Err(RadioError::unusable(format!("{key}={other}"), remedy));
            }
        };
        Ok(())
    }

    /// Returns the remaining arguments as one text.
    pub fn rest(&self) -> String {
        self.0.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
    }

    /// # Errors
    /// Arguments that the driver does not know: `known` lists those that it knows.
    pub fn finish(&self, driver: &str, known: &str) -> Result<(), RadioError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(RadioError::unusable(
            format!("driver={driver} does not know {}", self.rest()),
            format!("it knows {known}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_apart_and_none_is_lost() {
        let mut args = DeviceArgs::parse("driver=uhd, serial=30A,clock_source=external,fast").unwrap();
        assert_eq!(args.take("driver").as_deref(), Some("uhd"));
        assert_eq!(args.rest(), "clock_source=external,fast=yes,serial=30A");
        let mut remote = DeviceArgs::parse("driver=remote,stream:remote:prot=tcp,remote:driver=uhd").unwrap();
        assert_eq!(remote.take_prefixed("stream:").rest(), "remote:prot=tcp");
        assert_eq!(remote.rest(), "driver=remote,remote:driver=uhd");
        assert!(args.finish("air", "medium").is_err());
        assert!(DeviceArgs::parse("a=1,a=2").is_err());
        assert!(DeviceArgs::parse("=2").is_err());
        assert_eq!(DeviceArgs::parse("rate=15.36M").unwrap().take_number("rate").unwrap(), Some(15.36e6));
    }
}
