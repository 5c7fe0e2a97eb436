//! `driver=..,key=value,..`: a radio by its words, as SoapySDR and UHD take them.

use super::air::{Air, AirConfig, Pace};
use super::{Radio, RadioError};
use crate::number::Number;
use std::collections::BTreeMap;

/// Name of the medium where none is said.
const MEDIUM: &str = "sidelink";

/// Es/N0 in dB of an air that a UE makes because there is none.
const SNR: f64 = 25.0;

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
        }
    }
}

/// The words of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceArgs(BTreeMap<String, String>);

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

/// Drivers that are built in, for messages.
pub fn drivers() -> &'static str {
    "air"
}

/// Open a radio.
///
/// # Errors
/// No such device, or one that cannot do what is asked.
pub fn open(args: &str, settings: &RadioSettings) -> Result<Box<dyn Radio>, RadioError> {
    let mut args = DeviceArgs::parse(args)?;
    match args.take("driver").as_deref() {
        Some("air" | "virtualair") | None => open_air(args, settings),
        Some(other) => Err(RadioError::unusable(
            format!("this build has no driver {other:?}"),
            format!("it has {}; SoapySDR devices need --features soapysdr", drivers()),
        )),
    }
}

/// `driver=air[,medium=NAME][,port=NAME]`: the air of that name; where there is none, one is made, in real time.
fn open_air(mut args: DeviceArgs, settings: &RadioSettings) -> Result<Box<dyn Radio>, RadioError> {
    let medium = args.take("medium").unwrap_or_else(|| MEDIUM.to_owned());
    let port = args.take("port").unwrap_or_else(|| settings.name.clone());
    let snr = args.take_number("snr")?.unwrap_or(SNR);
    args.finish("air", "medium, port, snr")?;
    let air = match Air::open(&medium) {
        Ok(air) => air,
        Err(_) => {
            let config = AirConfig {
                rate: Number(settings.rate),
                frequency: Number(settings.frequency.unwrap_or(AirConfig::default().frequency.0)),
                prb: settings.prb,
                pace: Pace::Realtime,
                snr: Some(snr),
                ..AirConfig::default()
            };
            Air::create(&medium, config)?
        }
    };
    if air.config().rate.0 != settings.rate {
        return Err(RadioError::unusable(
            format!(
                "the air {medium:?} runs at {} and this radio at {}",
                air.config().rate,
                Number(settings.rate)
            ),
            "give all UEs of an air the same rate, or another medium=NAME",
        ));
    }
    air.attach_named(&port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_apart_and_none_is_lost() {
        let mut args = DeviceArgs::parse("driver=uhd, serial=30A,clock_source=external,fast").unwrap();
        assert_eq!(args.take("driver").as_deref(), Some("uhd"));
        assert_eq!(args.rest(), "clock_source=external,fast=yes,serial=30A");
        assert!(args.finish("air", "medium").is_err());
        assert!(DeviceArgs::parse("a=1,a=2").is_err());
        assert!(DeviceArgs::parse("=2").is_err());
        assert_eq!(DeviceArgs::parse("rate=15.36M").unwrap().take_number("rate").unwrap(), Some(15.36e6));
    }

    #[test]
    fn a_driver_that_is_not_there_is_named() {
        let error = open("driver=lime", &RadioSettings::new("a", 1.92e6)).err().unwrap().to_string();
        assert!(error.contains("lime") && error.contains("soapysdr"), "{error}");
    }
}
