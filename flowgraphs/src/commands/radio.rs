//! `sidelink find`, `sidelink probe`, `sidelink radio-test`: the radios that are present, their capabilities, their
//! measured performance.

use super::ue::parse_duration;
use crate::terminal;
use clap::Args;
use sidelink_radio::number::Number;
use sidelink_radio::trial::{Measured, Trial, measure};
use sidelink_radio::{self as radio, RadioSettings};
use std::fmt::Write;
use std::time::Duration;

/// Arguments of `sidelink find`.
#[derive(Debug, Args)]
pub struct FindArgs {
    /// List only devices that match: driver=uhd.
    #[arg(short, long, value_name = "ARGS", default_value = "")]
    pub args: String,
}

/// Arguments of `sidelink probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Radio device, such as driver=uhd,serial=..
    #[arg(short, long, value_name = "ARGS")]
    pub args: String,
}

/// Arguments of `sidelink radio-test`.
#[derive(Debug, Args)]
#[command(
    after_help = "To measure the delay, lead the transmitter to the receiver by a cable with an attenuator of \
                        30 dB or more. Never without one."
)]
pub struct RadioTestArgs {
    /// Radio device, such as driver=uhd,serial=..
    #[arg(short, long, value_name = "ARGS")]
    pub args: String,
    /// Samples per second.
    #[arg(short, long, value_name = "RATE", default_value = "15.36M")]
    pub rate: Number,
    /// Carrier in Hz.
    #[arg(short, long, value_name = "HZ")]
    pub freq: Option<Number>,
    /// Transmit gain in dB, or of elements, such as PAD=40,IAMP=3, or auto.
    #[arg(long, value_name = "GAIN")]
    pub tx_gain: Option<String>,
    /// Receive gain, in the same form.
    #[arg(long, value_name = "GAIN")]
    pub rx_gain: Option<String>,
    /// Antenna: RX2; tx:NAME or rx:NAME for one direction.
    #[arg(long, visible_alias = "ant", value_name = "NAME")]
    pub antenna: Option<String>,
    /// Duration of the reception, such as 5 (seconds) or 1m.
    #[arg(short = 'T', long, value_name = "TIME", default_value = "2", value_parser = parse_duration)]
    pub time: Duration,
    /// Number of bursts to send; with 0 only receive.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub bursts: usize,
}

/// Returns the error of a build without SoapySDR.
#[cfg(not(feature = "soapysdr"))]
fn without() -> anyhow::Error {
    radio::RadioError::unusable(
        "this build knows no SoapySDR devices",
        "build it with --features soapysdr (it takes libsoapysdr-dev and pkg-config); built in are driver=air, file and zmq",
    )
    .into()
}

/// Lists devices.
///
/// # Errors
/// The library's error.
#[cfg(feature = "soapysdr")]
pub fn find(args: &FindArgs) -> anyhow::Result<()> {
    let found = radio::soapy::find(&args.args)?;
    let mut text = String::new();
    for device in &found {
        writeln!(text, "{device}")?;
    }
    terminal::print(&text)?;
    if found.is_empty() {
        let modules = radio::soapy::modules();
        eprintln!(
            "no device found; SoapySDR has {} modules{}",
            modules.len(),
            match modules.is_empty() {
                true => ": install soapysdr-module-.. or set SOAPY_SDR_PLUGIN_PATH",
                false => "",
            }
        );
    }
    Ok(())
}

/// Lists devices.
///
/// # Errors
/// Always: this build supports none.
#[cfg(not(feature = "soapysdr"))]
pub fn find(_: &FindArgs) -> anyhow::Result<()> {
    Err(without())
}

/// Queries a device.
///
/// # Errors
/// There is no such device.
#[cfg(feature = "soapysdr")]
pub fn probe(args: &ProbeArgs) -> anyhow::Result<()> {
    terminal::print(&radio::soapy::probe(&args.args)?.to_string())?;
    Ok(())
}

/// Queries a device.
///
/// # Errors
/// Always: this build supports none.
#[cfg(not(feature = "soapysdr"))]
pub fn probe(_: &ProbeArgs) -> anyhow::Result<()> {
    Err(without())
}

/// Measures a radio of any driver.
///
/// # Errors
/// It cannot do what was requested, or is gone.
pub fn test(args: &RadioTestArgs) -> anyhow::Result<()> {
    let settings = RadioSettings {
        frequency: args.freq.map(|f| f.0),
        tx_gain: args.tx_gain.clone(),
        rx_gain: args.rx_gain.clone(),
        antenna: args.antenna.clone(),
        ..RadioSettings::new("radio-test", args.rate.0)
    };
    let radio = radio::open(&args.args, &settings)?;
    let description = radio.description().clone();
    let trial = Trial { rate: description.rate, time: args.time, bursts: args.bursts };
    let measured = measure(radio.start()?, &trial)?;
    let duplex = if description.full_duplex { "full" } else { "half" };
    let mut text = format!("{:<16}{}, {duplex} duplex\n", "radio", description.name);
    text.push_str(&report(&measured, description.rate));
    terminal::print(&text)?;
    Ok(())
}

fn report(measured: &Measured, rate: f64) -> String {
    let mut text = String::new();
    let (received, time) = measured.received;
    let achieved = received as f64 / time.max(1e-9);
    let _ = writeln!(
        text,
        "{:<16}{:.3} MS/s in {time:.1} s, asked for {:.3}; {} samples lost",
        "receive",
        achieved / 1e6,
        rate / 1e6,
        measured.lost
    );
    let names = ["late", "underflow", "overflow", "time error", "clock jump"];
    let events: Vec<_> =
        names.iter().zip(measured.events).filter(|(_, n)| *n > 0).map(|(e, n)| format!("{e} {n}")).collect();
    let events = if events.is_empty() { "none".to_owned() } else { events.join(", ") };
    let _ = writeln!(text, "{:<16}{events}", "events");
    if measured.sent == 0 {
        return text;
    }
    let _ = writeln!(text, "{:<16}{} bursts, {} heard", "send", measured.sent, measured.delays.len());
    match measured.delay() {
        Some(delay) => {
            let _ = writeln!(
                text,
                "{:<16}{delay:.2} samples ({:.3} us), spread {:.2} samples",
                "delay",
                delay / rate * 1e6,
                measured.spread()
            );
            let _ = writeln!(text, "transmit-advance = {:.0}      # [device] of ue.toml, at this rate", delay);
        }
        None => text.push_str(
            "The radio does not hear itself. Lead its transmitter to its receiver by a cable with an attenuator of 30 dB \
             or more,\nor raise --tx-gain and --rx-gain.\n",
        ),
    }
    text
}
