//! What a radio is asked for: the words of a device, and what it is set to.

use super::{RadioError, air};
use crate::number::Number;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// What a radio is set to.
#[derive(Clone, Debug, PartialEq)]
pub struct RadioSettings {
    /// Who uses it: the name of its port where nothing else is said.
    pub name: String,
    /// Samples a second.
    pub rate: f64,
    /// Carrier in Hz; what the device is tuned to without it.
    pub frequency: Option<f64>,
    /// Channel bandwidth in PRBs.
    pub prb: Option<u32>,
    /// Transmit gain: a number of dB, elements as `PAD=40,IAMP=3`, or `auto`.
    pub tx_gain: Option<String>,
    /// Receive gain, likewise.
    pub rx_gain: Option<String>,
    /// Antenna; `tx:NAME` or `rx:NAME` for one direction.
    pub antenna: Option<String>,
    /// How long a start waits for other radios that must be there first, at most.
    pub patience: Duration,
}

impl RadioSettings {
    /// At a rate, and everything else as it is.
    pub fn new(name: impl Into<String>, rate: f64) -> Self {
        Self {
            name: name.into(),
            rate,
            frequency: None,
            prb: None,
            tx_gain: None,
            rx_gain: None,
            antenna: None,
            patience: air::PATIENCE,
        }
    }

    /// With a start that waits for others no longer than what is started shall run.
    #[must_use]
    pub fn for_duration(mut self, duration: Option<Duration>) -> Self {
        self.patience = duration.map_or(self.patience, |duration| duration.min(self.patience));
        self
    }
}

/// The words of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceArgs(pub(super) BTreeMap<String, String>);

impl DeviceArgs {
    /// `key=value,key=value`; a key alone has the value `yes`.
    ///
    /// # Errors
    /// A key twice, or an empty one.
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

    /// Take a word out.
    pub fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// The words whose keys begin with `prefix`, taken out and without it.
    #[cfg(any(test, feature = "soapysdr"))]
    pub fn take_prefixed(&mut self, prefix: &str) -> Self {
        let all = std::mem::take(&mut self.0).into_iter();
        let (taken, kept): (BTreeMap<_, _>, _) = all.partition(|(key, _)| key.starts_with(prefix));
        self.0 = kept;
        Self(taken.into_iter().map(|(key, value)| (key[prefix.len()..].to_owned(), value)).collect())
    }

    /// A number taken out.
    ///
    /// # Errors
    /// What is no number.
    pub fn take_number(&mut self, key: &str) -> Result<Option<f64>, RadioError> {
        let Some(text) = self.take(key) else { return Ok(None) };
        let number = text
            .parse::<Number>()
            .map_err(|e| RadioError::unusable(format!("{key}={text}: {e}"), "as 15.36M"))?;
        Ok(Some(number.0))
    }

    /// A value of any kind taken out; `value` stays as it is where there is none.
    ///
    /// # Errors
    /// What it is not.
    pub fn set<T: FromStr<Err: Display>>(&mut self, key: &str, value: &mut T) -> Result<(), RadioError> {
        if let Some(text) = self.take(key) {
            *value = text.parse().map_err(|e| {
                RadioError::unusable(format!("{key}={text}: {e}"), format!("give {key} another value"))
            })?;
        }
        Ok(())
    }

    /// `yes` or `no` taken out.
    ///
    /// # Errors
    /// Anything else.
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

    /// What is left, in one text.
    pub fn rest(&self) -> String {
        self.0.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
    }

    /// # Errors
    /// Words that nobody took: `known` are those of the driver.
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
