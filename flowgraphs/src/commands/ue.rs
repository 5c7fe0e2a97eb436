//! `sidelink ue`: a UE on a radio, in real time.

mod example;
mod key_source;
mod permit;

use crate::antennas::start_line;
use crate::args::{Form as OutputForm, Output};
use crate::commands::record::{Annotations, RecordArgs};
use crate::config::ConfigError;
use crate::config::ue_toml::{Draws, RadioFacts, TimeSource, UeConfig};
use crate::control::{self, ApplicationsConfig, Board, ControlConfig, Server};
use crate::outputs::{ForceArgs, Outputs, Place};
use crate::report::events::{Form, Reporter, Writer};
use crate::report::{PcapReport, annotation};
use clap::Args;
pub use example::Example;
use key_source::{Built, KeySource};
use sidelink_radio::{self as radio, Anchor, HOST_UNCERTAINTY_NS, RadioSettings};
use sidelink_recordings::UtcMicros;
use sidelink_security::counter::UtcTime;
use sidelink_store::{self as keystore, Keys};
use sidelink_ue::clock::Clock;
use sidelink_ue::{Listener, Observer, Running, Stage, TableTimes, ThreadOptions, Ue};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Arguments of `sidelink ue`.
#[derive(Debug, Args)]
pub struct UeArgs {
    /// File of the UE.
    #[arg(short, long, value_name = "FILE", required_unless_present = "example")]
    pub config: Option<PathBuf>,
    /// Print a commented file, or write two UEs that are ready to run into the folder of -w.
    #[arg(
        long,
        value_enum,
        value_name = "WHICH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "ue"
    )]
    pub example: Option<Example>,
    /// The folder for --example=pair, link, group or v2x.
    #[arg(short = 'w', long = "write", value_name = "FOLDER", requires = "example")]
    pub write: Option<PathBuf>,
    /// Radio device, instead of the one in the file: driver=air,medium=NAME; driver=uhd,serial=..
    #[arg(short, long, value_name = "ARGS")]
    pub args: Option<String>,
    /// End after this time, by the clock or on the air, whichever comes first: 90 (seconds), 5m, 1h30m.
    #[arg(short = 'T', long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Form of the output: table or json, json:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub output: Output,
    /// Write everything that is received for Wireshark, at once: to a file, a pipe, or standard output (-).
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Recording of the received samples.
    #[command(flatten)]
    pub record: RecordArgs,
    /// Whether existing recordings are replaced.
    #[command(flatten)]
    pub force: ForceArgs,
    /// Also show own announcements and dropped messages, and at the end the time of each stage.
    #[arg(long)]
    pub all: bool,
    /// Serve status, metrics and commands over HTTP at this address, such as 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS")]
    pub control: Option<SocketAddr>,
    /// File with the token that clients of --control must present.
    #[arg(long, value_name = "FILE", requires = "control")]
    pub control_token_file: Option<PathBuf>,
    /// File of applications that may use this UE over --control, each with a token of its own and a grant by names.
    #[arg(long, value_name = "FILE", requires = "control_token_file")]
    pub applications: Option<PathBuf>,
    /// Pin the UE's thread to this processor.
    #[arg(long, value_name = "N")]
    pub cpu: Option<usize>,
    /// Request real-time priority.
    #[arg(long)]
    pub real_time: bool,
}

/// Runs until Ctrl-C, the duration or the radio's end.
///
/// # Errors
/// The fault in the file, in the device's arguments or of the radio.
pub fn run(args: UeArgs) -> anyhow::Result<()> {
    if let Some(example) = args.example {
        return example::write(example, args.write.as_deref());
    }
    run_config(&args.configuration()?, None, &args, None)
}

impl UeArgs {
    /// Reads the UE's file and applies the flags.
    pub(super) fn configuration(&self) -> anyhow::Result<UeConfig> {
        let Some(path) = &self.config else { anyhow::bail!("no UE is named: give its file with -c FILE") };
        let mut config = UeConfig::from_file(path)?;
        if let Some(device) = &self.args {
            config.device.args.clone_from(device);
        }
        config.check_relay_keying()?;
        Ok(config)
    }
}

/// Called when the UE runs, with the board through which commands go.
pub(super) type Console = Box<dyn FnOnce(Arc<Board>)>;

/// Reads the file of applications, if there is one.
fn applications(args: &UeArgs) -> Result<Option<ApplicationsConfig>, ConfigError> {
    args.applications.as_deref().map(|path| ApplicationsConfig::from_file(path, read_token)).transpose()
}

/// Returns the configuration with its lists of codes read.
fn with_code_lists(config: &UeConfig) -> Result<UeConfig, ConfigError> {
    let mut keys = Keys::default();
    keys.add_code_lists(&config.codes)?;
    Ok(UeConfig { codes: Vec::new(), read_codes: keys.codes, ..config.clone() })
}

/// Runs a UE with this configuration, with the keys of its store or with these.
pub(super) fn run_config(
    config: &UeConfig,
    keys: Option<&Keys>,
    args: &UeArgs,
    console: Option<Console>,
) -> anyhow::Result<()> {
    let places = Places::claim(config, args)?;
    let stop = stop_on_signals()?;
    // Before the radio runs: a list of a million identities takes long to read.
    let mut config = with_code_lists(config)?;
    let radio = radio::open(&config.device.args, &settings(&config)?.for_duration(args.duration))?;
    config.device.antennas = Some(radio.description().antennas.count());
    let config = &config;
    let place = args.config.as_ref().map_or_else(String::new, |path| path.display().to_string());
    let source = KeySource::open(config, keys, radio.description().real_time, &place)?;
    permit::check(config, UtcTime::from_millis(u64::from(keystore::utc_now()) * 1000))?;
    let (radio, annotations) = args.record.open(radio, &config.radio, config.numerology()?)?;
    let description = radio.description().clone();
    let token = args.control_token_file.as_deref().map(read_token).transpose()?;
    let applications = applications(args)?;
    let streams = radio.start()?;
    let facts = RadioFacts {
        anchor: anchor(config, streams.anchor),
        real_time: description.real_time,
        draws: Draws::on(&description),
    };
    let form = form(args, &places.report)?;
    let out: Box<dyn Write + Send> = Box::new(places.report.live()?);
    let (reporter, writer) = Reporter::new(&config.name, form, out);
    let (built, writer) = source.build_under(writer, config, facts, reporter)?;
    let Built { mut ue, updates, network } = built;
    let pcap = places.pcap.map(PcapReport::live).transpose()?;
    if pcap.is_some() || annotations.is_some() {
        ue.set_listener(listener(pcap, annotations));
    }
    if let Some(duration) = args.duration {
        ue.set_duration(duration.as_millis() as u64);
    }
    let (board, panel) = control::board_for(Arc::clone(&stop), applications);
    let server = args.control.map(|at| serve(at, token, &board)).transpose()?;
    eprintln!("{} on {}", config.name, start_line(&description));
    let options = ThreadOptions { cpu: args.cpu, real_time: args.real_time, duration: args.duration };
    let observers = Observers([Some(Box::new(panel) as Box<dyn Observer<Ue>>), updates]);
    let running = Running::start(ue, streams, description.real_time, options, Some(Box::new(observers)))?;
    if let Some(console) = console {
        console(board);
    }
    while !running.is_finished() && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (ue, result) =
        running.stop().map_err(|_| anyhow::anyhow!("the UE's thread failed; this is a bug"))?;
    drop(server);
    // Its lines come before the summary.
    drop(network);
    sum_up(ue, writer, args.all)?;
    result.map_err(Into::into)
}

/// Starts the server of commands at this address.
fn serve(listen: SocketAddr, token: Option<Zeroizing<String>>, board: &Arc<Board>) -> anyhow::Result<Server> {
    let server = Server::start(ControlConfig { listen, token }, Arc::clone(board))?;
    eprintln!("control at http://{}/status", server.address());
    Ok(server)
}

/// Returns the form of the lines about events.
fn form(args: &UeArgs, report: &Place) -> Result<Form, ConfigError> {
    match args.output.form {
        OutputForm::Json => Ok(Form::Json),
        OutputForm::Csv => {
            let remedy = "write table, json or json:FILE";
            Err(ConfigError::usage("csv is a form of what decode and listen hear", remedy))
        }
        OutputForm::Table => Ok(Form::Text { colours: report.has_colours(), all: args.all }),
    }
}

/// Observers of one UE, one after the other.
struct Observers<const N: usize>([Option<Box<dyn Observer<Ue>>>; N]);

impl<const N: usize> Observer<Ue> for Observers<N> {
    fn look(&mut self, ue: &mut Ue) {
        self.0.iter_mut().flatten().for_each(|observer| observer.look(ue));
    }
}

/// Prints the summary of a UE after its last line.
fn sum_up(mut ue: Ue, writer: Writer, stages: bool) -> std::io::Result<()> {
    let summary = summary(&mut ue, stages);
    // The reporter is dropped with the UE; then the writer has written everything.
    drop(ue);
    let lost = writer.finish()?;
    eprint!("{summary}");
    if lost > 0 {
        eprintln!("{lost} lines were lost: the reader of the output is too slow");
    }
    Ok(())
}

/// The claimed places of all outputs, none of them open.
struct Places {
    report: Place,
    pcap: Option<Place>,
}

impl Places {
    fn claim(config: &UeConfig, args: &UeArgs) -> Result<Self, ConfigError> {
        let mut outputs = Outputs::new(args.force);
        outputs.reads(
            args.config
                .iter()
                .chain(&args.control_token_file)
                .chain(&args.applications)
                .chain(&config.keys)
                .chain(&config.codes),
        );
        outputs.device(&config.device.args)?;
        args.record.claim(&mut outputs)?;
        let pcap = args.pcap.as_deref().map(|path| outputs.claim("--pcap", path)).transpose()?;
        Ok(Self { report: args.output.claim(&mut outputs)?, pcap })
    }
}

/// Returns a listener that writes received messages to a capture and into the recording of its radio.
fn listener(mut pcap: Option<PcapReport>, annotations: Option<Annotations>) -> Listener {
    Box::new(move |event, sample, utc| {
        let time = Clock::dfn(event.subframe());
        if let Some(Annotations { annotator, numerology, frequency }) = &annotations
            && let Ok(sample) = u64::try_from(sample)
            && let Some(annotation) = annotation(event, sample, numerology, *frequency, Some(time))
        {
            annotator.add(annotation);
        }
        let start = Some(UtcMicros(1000 * utc.millis()));
        if let Some(report) = &mut pcap
            && let Err(e) = report.event(event, start, 0.0, Some(time))
        {
            tracing::warn!("the capture has ended: {e}");
            pcap = None;
        }
    })
}

/// Returns the settings of the radio of a UE.
pub(super) fn settings(config: &UeConfig) -> Result<RadioSettings, ConfigError> {
    let device = &config.device;
    Ok(RadioSettings {
        frequency: config.radio.frequency.map(|f| f.0),
        prb: config.radio.prb,
        tx_gain: device.tx_gain.clone(),
        rx_gain: device.rx_gain.clone(),
        antenna: device.antenna.clone(),
        antennas: device.antennas()?,
        ..RadioSettings::new(&config.name, config.rate()?)
    })
}

/// Returns the UTC at sample 0: the radio's, or else the host's with its uncertainty.
pub(super) fn anchor(config: &UeConfig, radio: Option<Anchor>) -> Anchor {
    radio.unwrap_or_else(|| {
        if config.time.source == TimeSource::Utc {
            tracing::warn!(
                "{}: the radio does not know the time: UTC of this computer is taken, good to {} ms",
                config.name,
                HOST_UNCERTAINTY_NS / 1_000_000
            );
        }
        host_time()
    })
}

/// Returns the UTC of this computer.
pub(super) fn host_time() -> Anchor {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Anchor {
        utc_ns: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        uncertainty_ns: HOST_UNCERTAINTY_NS,
    }
}

fn read_token(path: &std::path::Path) -> Result<Zeroizing<String>, ConfigError> {
    let place = || path.display().to_string();
    let failed =
        |e| ConfigError::new(format!("cannot read it: {e}"), place(), "openssl rand -hex 16 makes a token");
    std::fs::metadata(path).map_err(failed)?;
    keystore::check_mode(path)?;
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let token = text.trim();
    if token.len() < 16 {
        return Err(ConfigError::new(
            "a token of fewer than 16 characters",
            place(),
            "make one: openssl rand -hex 16",
        ));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// Returns a flag that Ctrl-C and SIGTERM set; the second Ctrl-C ends the program at once.
pub(super) fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    static FLAG: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);
    // Held while the handler is set: a process has one.
    let mut known = FLAG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(flag) = &*known {
        return Ok(Arc::clone(flag));
    }
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    Ok(Arc::clone(known.insert(flag)))
}

/// Returns the summary of the UE, in a few lines; with `stages`, the time of each stage of a subframe too.
fn summary(ue: &mut Ue, stages: bool) -> String {
    use std::fmt::Write;
    let totals = *ue.totals();
    let [mibs, scis, blocks, messages] = totals.heard;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}: {} subframes, {} given up, silent in {}, {} samples lost, {} bursts of which {} late",
        ue.name(),
        totals.subframes,
        totals.skipped,
        totals.silent,
        totals.lost_samples,
        totals.bursts,
        totals.late_bursts
    );
    let _ = writeln!(
        text,
        "heard {mibs} MIBs, {scis} SCIs, {blocks} SL-SCH blocks, {messages} discovery messages"
    );
    if let Some(why) = ue.silence() {
        let _ = writeln!(text, "it sent nothing in the end: {why}");
    }
    let outcomes: Vec<_> = ue
        .stack()
        .counters()
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(outcome, n)| format!("{} {n}", outcome.as_str()))
        .collect();
    if !outcomes.is_empty() {
        let _ = writeln!(text, "of them {}", outcomes.join(", "));
    }
    if !stages {
        return text;
    }
    let TableTimes { built, total, longest } = ue.stack().table_times();
    if built > 0 {
        let (mean, longest) = (1e3 * total.as_secs_f64() / built as f64, 1e3 * longest.as_secs_f64());
        let _ =
            writeln!(text, "{built} tables of codes, built in {mean:.1} ms each, at most {longest:.1} ms");
    }
    let _ = writeln!(text, "{:<18} {:>9} {:>9} {:>9} {:>9}", "stage, us", "p50", "p99", "p99.9", "worst");
    for stage in Stage::ALL {
        if ue.latency_stats().histogram(stage).is_empty() {
            continue;
        }
        let [p50, p99, p999, worst] = ue.latency_stats().microseconds(stage);
        let _ = writeln!(text, "{:<18} {p50:>9.1} {p99:>9.1} {p999:>9.1} {worst:>9.1}", stage.as_str());
    }
    text
}

/// Parses `90`, `90s`, `5m`, `1h30m` or `01:30`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, ConfigError> {
    let wrong = || ConfigError::new(format!("{text:?} is no time"), "", "write 90, 5m, 1h30m or 01:30");
    if let Some((minutes, seconds)) = text.split_once(':') {
        let minutes: u64 = minutes.parse().map_err(|_| wrong())?;
        let seconds: u64 = seconds.parse().map_err(|_| wrong())?;
        return Ok(Duration::from_secs(minutes * 60 + seconds));
    }
    let (mut total, mut number) = (0.0, String::new());
    for c in text.chars() {
        let unit = match c {
            'h' => 3600.0,
            'm' => 60.0,
            's' => 1.0,
            _ => {
                number.push(c);
                continue;
            }
        };
        total += unit * number.parse::<f64>().map_err(|_| wrong())?;
        number.clear();
    }
    if !number.is_empty() {
        total += number.parse::<f64>().map_err(|_| wrong())?;
    }
    Duration::try_from_secs_f64(total).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration with a key in it, and a token, must be readable by their owner only; a configuration without a
    /// key need not.
    #[cfg(unix)]
    #[test]
    fn files_with_secrets_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("sidelink-ue-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        let write = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let refused = |error: Option<ConfigError>, mode: &str| {
            let error = error.map(|e| e.to_string()).unwrap_or_default();
            let words = format!("secrets that others may read or write (mode {mode})");
            assert!(error.contains(&words) && error.contains("chmod 600"), "{error}");
        };
        let link = "name = \"a\"\n[radio]\nprb = 25\n[[link]]\npeer = \"b\"\nid = \"0000b2\"\n";
        let with_key = format!("{link}kd = \"{}\"\n", "07".repeat(32));
        for mode in [0o644, 0o620] {
            write(&with_key, mode);
            refused(UeConfig::from_file(&path).err(), &format!("{mode:04o}"));
            write("a token of 22 letters", mode);
            refused(read_token(&path).err(), &format!("{mode:04o}"));
        }
        write(&with_key, 0o600);
        assert!(UeConfig::from_file(&path).is_ok());
        write(link, 0o644);
        assert!(UeConfig::from_file(&path).is_ok());
        write("a token of 22 letters\n", 0o600);
        assert_eq!(*read_token(&path).unwrap(), "a token of 22 letters");
        let error = read_token(&folder.join("none")).unwrap_err().to_string();
        assert!(error.contains("cannot read it") && error.contains("openssl rand"), "{error}");
        let _ = std::fs::remove_dir_all(&folder);
    }

    #[test]
    fn times_as_people_write_them() {
        for (text, seconds) in
            [("90", 90.0), ("0.5", 0.5), ("5m", 300.0), ("1h30m", 5400.0), ("2m3s", 123.0), ("01:30", 90.0)]
        {
            assert_eq!(parse_duration(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for text in ["x", "5x", "m", "-3", "1:y"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
