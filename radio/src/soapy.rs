//! Radios through SoapySDR: any device that it has a driver for (feature `soapysdr`).
//!
//! A device's clock counts nanoseconds, a [`Radio`] samples. Sample 0 is the first that is delivered; all others are
//! counted from its time on the device's clock ([`time`]). A device without a clock can receive; it cannot transmit,
//! since its bursts could not be timed.
//!
//! ```text
//! library.rs   the C functions: the only unsafe code
//! setup.rs     the requested settings, and the device's offer if it cannot meet them
//! time.rs      nanoseconds <-> samples
//! pulse.rs     UTC by a pulse a second
//! streams.rs   the two ends
//! probe.rs     the devices that are present, and their capabilities
//! ```

mod library;
mod probe;
mod pulse;
mod setup;
mod streams;
mod time;

pub use probe::{Ability, Found, Probe, find, modules, probe};

use super::{Description, DeviceArgs, Radio, RadioError, RadioSettings, Streams};
use crate::Sample;
use library::{Device, Direction, Fault};
use sidelink_phy::units::Antennas;
use std::time::{Duration, Instant};
use time::Ticks;

/// Longest wait for the first samples of a device.
const FIRST: Duration = Duration::from_secs(3);

/// Samples of a read at the start.
const READ: usize = 4096;

/// A device that is open and set up.
struct SoapyRadio {
    device: Device,
    description: Description,
    ports: setup::Ports,
    time_source: Option<String>,
    /// Arguments of the streams.
    stream: String,
}

/// Opens the device of these arguments, `driver` among them, and sets it up.
pub(super) fn open(mut args: DeviceArgs, settings: &RadioSettings) -> Result<Box<dyn Radio>, RadioError> {
    let clock_source = args.take("clock_source").or_else(|| args.take("clock"));
    let time_source = args.take("time_source");
    let stream = args.take_prefixed("stream:").rest();
    let channels = args.take("channels");
    let words = args.rest();
    let device = Device::open(&words).map_err(|e| not_there(&words, &e))?;
    let ports = setup::Ports::choose(&device, channels.as_deref(), settings.antennas)?;
    setup::apply(&device, settings, &ports, clock_source.as_deref(), time_source.as_deref())?;
    let description = Description {
        name: format!("{} ({})", device.driver(), device.hardware()),
        rate: device.rate(Direction::Receive, ports.receive[0]),
        frequency: device.frequency(Direction::Receive, ports.receive[0]),
        full_duplex: device.full_duplex(Direction::Receive),
        antennas: Antennas::new(ports.receive.len()).unwrap_or(Antennas::ONE),
        real_time: true,
    };
    // A source without a pulse is not waited for.
    let time_source = time_source.filter(|s| !matches!(s.as_str(), "none" | "internal"));
    Ok(Box::new(SoapyRadio { device, description, ports, time_source, stream }))
}

/// Returns the error of a device that does not exist, with those that do.
fn not_there(words: &str, fault: &Fault) -> RadioError {
    let found = library::enumerate("").unwrap_or_default();
    let list = |device: &library::Words| {
        device.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
    };
    let remedy = if found.is_empty() {
        "SoapySDR finds no device at all: is it plugged in, and is its module (soapysdr-module-..) installed? \
         SOAPY_SDR_PLUGIN_PATH names more folders of modules"
            .to_owned()
    } else {
        format!("SoapySDR finds {}", found.iter().map(list).collect::<Vec<_>>().join("; "))
    };
    RadioError::unusable(format!("no device {words:?}: {fault}"), remedy)
}

impl Radio for SoapyRadio {
    fn description(&self) -> &Description {
        &self.description
    }

    fn start(self: Box<Self>) -> Result<Streams, RadioError> {
        let refused = |what: &str, fault: &Fault| {
            RadioError::unusable(
                format!("{}: {what}: {fault}", self.description.name),
                "is another program using it? `sidelink probe` shows what it can do",
            )
        };
        let mut receive = self
            .device
            .stream(Direction::Receive, &self.ports.receive, &self.stream)
            .map_err(|e| refused("no receive stream", &e))?;
        let mut transmit = None;
        if let Some(channel) = self.ports.transmit {
            let stream = self.device.stream(Direction::Transmit, &[channel], &self.stream);
            transmit = Some(stream.map_err(|e| refused("no transmit stream", &e))?);
        }
        receive.activate().map_err(|e| refused("reception does not start", &e))?;
        if let Some(transmit) = &mut transmit {
            transmit.activate().map_err(|e| refused("transmission does not start", &e))?;
        }
        let mut buffers = vec![vec![Sample::default(); READ]; self.ports.receive.len()];
        let mut buffer: Vec<&mut [Sample]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
        if let Some(source) = &self.time_source {
            let mut drain = || {
                let _ = receive.read(&mut buffer, Duration::from_millis(20));
            };
            pulse::set_utc(&self.device, source, &mut drain)?;
        }
        let base = self.first_time(&mut receive, &mut buffer)?;
        let anchor = self.time_source.as_ref().and(base).map(pulse::anchor);
        let shared = streams::Shared::new(Ticks::new(self.description.rate), base, self.device.clone());
        let mtu = transmit.as_ref().map_or(0, library::Stream::mtu);
        Ok(Streams {
            receive: Box::new(streams::ReceiveEnd::new(shared.clone(), receive, self.description.antennas)),
            transmit: Box::new(streams::TransmitEnd::new(shared, transmit, mtu)),
            anchor,
        })
    }
}

impl SoapyRadio {
    /// Returns the time of the next sample, `None` if the device delivers samples without a time. Samples that were
    /// received before the device's clock was read are discarded: they may be older than a setting of the clock.
    fn first_time(
        &self,
        receive: &mut library::Stream,
        buffer: &mut [&mut [Sample]],
    ) -> Result<Option<i64>, RadioError> {
        let ticks = Ticks::new(self.description.rate);
        let has_clock = self.device.has_hardware_time();
        let began = self.device.hardware_time();
        let deadline = Instant::now() + FIRST;
        let mut last = None;
        while Instant::now() < deadline {
            match receive.read(buffer, Duration::from_millis(100)) {
                Ok(read) if read.count > 0 => match read.time_ns {
                    Some(time) if !has_clock || time >= began => {
                        return Ok(Some(time.saturating_add(ticks.ns(read.count as i64))));
                    }
                    Some(_) => {}
                    None => return Ok(None),
                },
                Ok(_) => {}
                Err(e) => last = Some(e),
            }
        }
        Err(RadioError::unusable(
            format!(
                "{}: no samples within {} s of its start{}",
                self.description.name,
                FIRST.as_secs(),
                last.map_or_else(String::new, |e| format!(" ({e})"))
            ),
            "plug it in again, try a lower rate, or look at what its driver logs with -v",
        ))
    }
}
