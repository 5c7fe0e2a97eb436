//! `driver=..,key=value,..`: opens a radio by its device arguments, as SoapySDR and UHD take them.

use super::air::{Air, AirConfig, Pace, PortConfig};
use super::file::{FileRadio, FileRadioOptions};
use super::settings::{DeviceArgs, RadioSettings};
use super::{Description, Radio, RadioError};
use crate::number::Number;
use sidelink_phy::units::Antennas;
use sidelink_recordings::SampleFormat;
use std::path::{Path, PathBuf};

/// Name of the medium if neither the arguments nor the environment name one.
const MEDIUM: &str = "sidelink";

/// Environment variable that names the medium.
const MEDIUM_VARIABLE: &str = "SIDELINK_MEDIUM";

/// Es/N0 in dB of an air that a UE makes because there is none.
const SNR: f64 = 25.0;

/// Returns the built-in drivers, for messages.
pub fn drivers() -> &'static str {
    if cfg!(feature = "zmq") { "air, file, zmq" } else { "air, file" }
}

/// Opens a radio.
///
/// # Errors
/// There is no such device, or it cannot do what was requested.
pub fn open(args: &str, settings: &RadioSettings) -> Result<Box<dyn Radio>, RadioError> {
    let radio = open_driver(args, settings)?;
    let Description { name, antennas, .. } = radio.description();
    check_antennas(name, *antennas, settings)?;
    Ok(radio)
}

/// Checks that a radio has the antennas that are asked for.
fn check_antennas(name: &str, has: Antennas, settings: &RadioSettings) -> Result<(), RadioError> {
    let Some(wanted) = settings.antennas.filter(|wanted| *wanted != has) else { return Ok(()) };
    let words = |antennas: Antennas| match antennas {
        Antennas::ONE => "one receive antenna".to_owned(),
        several => format!("{several} receive antennas"),
    };
    let asked = if wanted == Antennas::ONE { "one is".to_owned() } else { format!("{wanted} are") };
    Err(RadioError::unusable(
        format!("{name} has {}, and {asked} asked for", words(has)),
        format!("ask for {has}, or for no number; or open a radio with {}", words(wanted)),
    ))
}

fn open_driver(args: &str, settings: &RadioSettings) -> Result<Box<dyn Radio>, RadioError> {
    let mut args = DeviceArgs::parse(args)?;
    match args.take("driver").as_deref() {
        Some("air") | None => open_air(args, settings),
        Some("file") => open_file(args, settings),
        #[cfg(feature = "zmq")]
        Some("zmq") => super::zmq::open(args, settings),
        Some(other) => open_soapy(other, args, settings),
    }
}

/// Opens any device with a SoapySDR driver.
#[cfg(feature = "soapysdr")]
fn open_soapy(
    driver: &str,
    mut args: DeviceArgs,
    settings: &RadioSettings,
) -> Result<Box<dyn Radio>, RadioError> {
    args.0.insert("driver".to_owned(), driver.to_owned());
    if driver == "virtualair" {
        // As with driver=air: each user of a medium has a port of its own.
        args.0.entry("port".to_owned()).or_insert_with(|| settings.name.clone());
        let said = args.0.get("antennas").map(|text| {
            let antennas = text.parse().ok().and_then(Antennas::new);
            antennas.ok_or_else(|| RadioError::unusable(format!("antennas={text}"), "write antennas=1 to 4"))
        });
        let said = said.transpose()?;
        if let Some(antennas) = settings.antennas {
            args.0.entry("antennas".to_owned()).or_insert_with(|| antennas.to_string());
        } else if !args.0.contains_key("channels") {
            return super::soapy::open(args, &RadioSettings { antennas: said, ..settings.clone() });
        }
    }
    super::soapy::open(args, settings)
}

#[cfg(not(feature = "soapysdr"))]
fn open_soapy(driver: &str, _: DeviceArgs, _: &RadioSettings) -> Result<Box<dyn Radio>, RadioError> {
    Err(RadioError::unusable(
        format!("this build has no driver {driver:?}"),
        format!("it has {}; for SoapySDR devices build with --features soapysdr", drivers()),
    ))
}

/// `driver=air[,medium=NAME][,port=NAME]`: opens the air of that name. If there is none, makes one: in real time, or as
/// the arguments or the file of `config` specify. The other arguments are of this port.
fn open_air(mut args: DeviceArgs, settings: &RadioSettings) -> Result<Box<dyn Radio>, RadioError> {
    let medium = args.take("medium").or_else(|| std::env::var(MEDIUM_VARIABLE).ok());
    let medium = medium.filter(|name| !name.is_empty()).unwrap_or_else(|| MEDIUM.to_owned());
    let given = args.take("port");
    let mut name = given.clone().unwrap_or_else(|| settings.name.clone());
    let mut config = match args.take("config") {
        Some(file) => AirConfig::from_file(Path::new(&file))
            .map_err(|e| RadioError::unusable(e.to_string(), "mend the file that config= names"))?,
        None => AirConfig {
            rate: Number(settings.rate),
            frequency: Number(settings.frequency.unwrap_or(AirConfig::default().frequency.0)),
            prb: settings.prb,
            pace: Pace::Realtime,
            snr: Some(SNR),
            ..AirConfig::default()
        },
    };
    config.snr = args.take_number("snr")?.or(config.snr);
    args.set("pace", &mut config.pace)?;
    args.set("channel", &mut config.channel)?;
    args.set("correlation", &mut config.correlation)?;
    args.set("seed", &mut config.seed)?;
    args.set("wait-for", &mut config.wait_for)?;
    args.set("memory", &mut config.memory)?;
    // Errors in the arguments are reported before anything is made.
    let mut words = args.clone();
    let mut port = config.port_named(&name);
    take_port(&mut words, settings, &mut port)?;
    words.finish(
        "air",
        "medium, port; config, pace, snr, channel, correlation, seed, wait-for, memory for its maker; antennas, gain, cfo, drift, \
         delay, start, x, y, half-duplex, listen-only, utc of the port",
    )?;
    let air = Air::open_or_create(&medium, &config)?;
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
    // Several receivers may use a default name: they are numbered.
    if given.is_none() && port.listen_only && air.has_port(&name) {
        let free = (2..=air.config().ports).map(|i| format!("{name}-{i}")).find(|name| !air.has_port(name));
        name = free.unwrap_or(name);
    }
    // The port may be configured differently in an air that existed already.
    let mut port = air.config().port_named(&name);
    take_port(&mut args, settings, &mut port)?;
    air.attach_with_patience(port, settings.patience)
}

fn take_port(
    args: &mut DeviceArgs,
    settings: &RadioSettings,
    port: &mut PortConfig,
) -> Result<(), RadioError> {
    port.antennas = settings.antennas.map_or(port.antennas, Antennas::count);
    args.set("antennas", &mut port.antennas)?;
    if let Some(antennas) = Antennas::new(port.antennas) {
        check_antennas(&format!("port {:?}", port.name), antennas, settings)?;
    }
    args.set("gain", &mut port.gain)?;
    args.set("cfo", &mut port.cfo)?;
    args.set("drift", &mut port.drift)?;
    args.set("delay", &mut port.delay)?;
    args.set("x", &mut port.position[0])?;
    args.set("y", &mut port.position[1])?;
    port.start = args.take_number("start")?.map(Number).or(port.start);
    args.set_flag("half-duplex", &mut port.half_duplex)?;
    args.set_flag("listen-only", &mut port.listen_only)?;
    args.set_flag("utc", &mut port.utc)
}

/// Returns the files that the arguments of a device name: those that are read, and the recording that is written.
pub fn files_of(args: &str) -> (Vec<PathBuf>, Option<PathBuf>) {
    let words = DeviceArgs::parse(args).map(|args| args.0).unwrap_or_default();
    let path = |key: &str| words.get(key).map(PathBuf::from);
    (["read", "config"].into_iter().filter_map(path).collect(), path("write"))
}

/// `driver=file,read=FILE[,write=FILE][,pace=free][,format=cf32][,channels=2][,channel=0]`: a recording; bursts go to another, or are discarded.
fn open_file(mut args: DeviceArgs, settings: &RadioSettings) -> Result<Box<dyn Radio>, RadioError> {
    let Some(read) = args.take("read") else {
        let remedy = "write read=FILE, such as read=drive.sigmf-meta";
        return Err(RadioError::unusable("driver=file lacks a recording", remedy));
    };
    let mut pace = Pace::Realtime;
    args.set("pace", &mut pace)?;
    let format = args.take("format").map(|name| name.parse::<SampleFormat>());
    let format = format.transpose().map_err(|e| RadioError::unusable(e.to_string(), "as format=cf32"))?;
    let (interleaved, channel) = (args.take_count("channels")?, args.take_count("channel")?);
    let options = FileRadioOptions {
        interleaved,
        channel,
        antennas: settings.antennas,
        write: args.take("write").map(Into::into),
        real_time: pace == Pace::Realtime,
        frequency: settings.frequency.unwrap_or_default(),
        rate: Some(settings.rate),
        format,
    };
    args.finish("file", "read, write, pace, format, channels, channel")?;
    let radio = FileRadio::open(Path::new(&read), options)?;
    let rate = radio.description().rate;
    if rate != settings.rate {
        return Err(RadioError::unusable(
            format!(
                "{read} has {} and this radio {}",
                Number(rate).with_unit("S/s"),
                Number(settings.rate).with_unit("S/s")
            ),
            "set the rate of the recording",
        ));
    }
    Ok(Box::new(radio))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_driver_that_is_not_there_is_named() {
        let error = open("driver=lime", &RadioSettings::new("a", 1.92e6)).err().unwrap().to_string();
        assert!(error.contains("lime") && error.contains("soapysdr"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_the_words_is_told() {
        let settings = RadioSettings::new("ue", 1.92e6);
        for (args, words) in [
            ("driver=air,medium=never,pace=fast", "realtime"),
            ("driver=air,medium=never,half-duplex=maybe", "half-duplex=yes"),
            ("driver=air,medium=never,colour=red", "colour"),
            ("driver=air,medium=never,config=no-such-file.toml", "no-such-file"),
            ("driver=air,medium=never/ever", "letters"),
            ("driver=file", "read=FILE"),
            ("driver=file,read=no-such-file", "no-such-file"),
            ("driver=file,read=no-such-file,channel=-1", "channel=-1 is no whole number"),
            ("driver=file,read=no-such-file,channel=0.9", "channel=0.9 is no whole number"),
            ("driver=file,read=no-such-file,channels=2.7", "channels=2.7 is no whole number"),
        ] {
            let error = open(args, &settings).err().unwrap().to_string();
            assert!(error.contains(words), "{args}: {error}");
        }
        assert!(Air::open("never").is_err());
    }

    #[test]
    fn a_radio_with_another_number_of_antennas_is_refused() {
        let settings = |antennas| RadioSettings { antennas, ..RadioSettings::new("ue", 1.92e6) };
        let medium = format!("open-antennas-{}", std::process::id());
        let args = format!("driver=air,medium={medium},antennas=1");
        let error = open(&args, &settings(Antennas::new(2))).err().unwrap().to_string();
        assert!(error.contains("has one receive antenna, and 2 are asked for: ask for 1"), "{error}");
        assert!(Air::open(&medium).is_err(), "nothing is made");
        let args = format!("driver=air,medium={medium},antennas=2");
        let error = open(&args, &settings(Some(Antennas::ONE))).err().unwrap().to_string();
        assert!(error.contains("has 2 receive antennas, and one is asked for: ask for 2"), "{error}");
        for antennas in [None, Antennas::new(2)] {
            assert_eq!(open(&args, &settings(antennas)).unwrap().description().antennas.count(), 2);
        }
    }

    #[test]
    #[cfg(feature = "soapysdr")]
    fn words_of_a_virtual_air_are_checked_before_soapysdr_is_asked() {
        for antennas in ["0", "5", "two", "1.5"] {
            let args = format!("driver=virtualair,antennas={antennas}");
            let error = open(&args, &RadioSettings::new("ue", 1.92e6)).err().unwrap().to_string();
            assert!(error.contains("write antennas=1 to 4"), "{error}");
        }
    }

    #[test]
    fn a_start_waits_for_others_no_longer_than_it_shall_run() {
        let settings = RadioSettings::new("ue", 1.92e6).for_duration(Some(Duration::from_millis(300)));
        assert_eq!(settings.clone().for_duration(Some(Duration::from_secs(3))).patience, settings.patience);
        let medium = format!("open-patience-{}", std::process::id());
        for pace in ["free", "realtime"] {
            let args = format!("driver=air,medium={medium}-{pace},pace={pace},wait-for=2");
            let radio = open(&args, &settings).unwrap();
            let began = std::time::Instant::now();
            let error = radio.start().err().unwrap().to_string();
            assert!(error.contains("1 of 2 ports") && error.contains("0.3 s"), "{error}");
            assert!(began.elapsed() < Duration::from_secs(20));
        }
    }

    #[test]
    fn two_meet_by_the_name_of_the_medium() {
        let medium = format!("open-test-{}", std::process::id());
        let args = format!("driver=air,medium={medium},pace=free,wait-for=2,snr=20,channel=flat0");
        let settings = RadioSettings::new("ue", 1.92e6);
        let first = open(&format!("{args},port=a,gain=40"), &settings).unwrap();
        assert!(!first.description().real_time);
        let second = open(&args, &settings).unwrap();
        let error = open(&args, &settings).err().unwrap().to_string();
        assert!(error.contains("another name"), "{error}");
        let error = open(&args, &RadioSettings::new("c", 3.84e6)).err().unwrap().to_string();
        assert!(error.contains("the same rate"), "{error}");
        let (mut first, mut second) = (first.start().unwrap(), second.start().unwrap());
        first.transmit.transmit(100, &[crate::Sample::new(1.0, 0.0); 100]).unwrap();
        first.transmit.advance(1000).unwrap();
        second.transmit.advance(1000).unwrap();
        let mut into = [crate::Sample::default(); 900];
        assert_eq!(second.receive.receive(&mut into, Duration::from_secs(20)).unwrap().count, 900);
        assert!(into[150].norm() > 1.0 && into[500].norm() < 1.0, "{} {}", into[150], into[500]);
    }
}
