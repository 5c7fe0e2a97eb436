//! `sidelink listen` and `sidelink monitor`: show received messages live.
//!
//! ```text
//! ear.rs     the receiver of samples with gaps
//! network.rs match reports, filters from the network
//! ```

mod ear;
mod network;

use super::announce::CARRIER;
use super::decode::{keys, open, since_first};
use super::record::{Annotations, RecordArgs};
use super::ue::{host_time, parse_duration, stop_on_signals};
use crate::Sample;
use crate::antennas::start_line;
use crate::args::{Form, Output, parse_antennas};
use crate::config::{ConfigError, CyclicPrefixName, RadioConfig, V2xConfig};
use crate::config::{receiver_config, set_timing};
use crate::open::{Opened, Opener};
use crate::outputs::{ForceArgs, OutputFile, Outputs, Place};
use crate::receive::{LearntRadio, SyncSeen};
use crate::report::{Board, Counts, PcapReport, Repeats, Report, annotation};
use crate::terminal;
use clap::Args;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use ear::{Ear, Listener};
use network::{Answer, NetworkOf};
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::receive::stream::StreamReceiver;
use sidelink_phy::units::{Antennas, CyclicPrefix, DfnSubframe, SidelinkMode, TransmissionMode};
use sidelink_radio::number::Number;
use sidelink_radio::{self as radio, Description, Radio, RadioError, RadioSettings, Receive, slices, views};
use sidelink_recordings::UtcMicros;
use sidelink_security::counter::UtcTime;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Buffers between radio and receiver: the most that a receiver may be behind.
const BUFFERS: usize = 256;

/// Samples of a buffer.
const BUFFER: usize = 8192;

/// Longest wait for samples before the stop flag is checked again.
const PATIENCE: Duration = Duration::from_millis(100);

/// Arguments of `sidelink listen` and `sidelink monitor`.
#[derive(Debug, Args)]
pub struct ListenArgs {
    /// Radio device, such as driver=uhd,serial=..; the default is the virtual air.
    #[arg(short, long, value_name = "ARGS", default_value = "driver=air")]
    pub args: String,
    /// Carrier frequency, such as 5.92G.
    #[arg(short, long, value_name = "HZ")]
    pub freq: Option<Number>,
    /// Receive gain in dB, or of elements, such as LNA=20,PGA=10, or auto.
    #[arg(short, long, value_name = "GAIN")]
    pub gain: Option<String>,
    /// Name of the antenna.
    #[arg(long, value_name = "NAME")]
    pub antenna: Option<String>,
    /// Receive antennas, 1 to 4, as channels 0, 1, .. of the device; without it as many as the device's arguments or the
    /// recording say.
    #[arg(long, value_name = "N", value_parser = parse_antennas)]
    pub antennas: Option<Antennas>,
    /// Samples per second; the default is the standard rate of the bandwidth.
    #[arg(short, long, value_name = "RATE")]
    pub rate: Option<Number>,
    /// Channel bandwidth in PRBs: 6, 15, 25, 50, 75 or 100.
    #[arg(long, value_name = "PRBS")]
    pub prb: Option<u32>,
    /// Transmission mode: 1 and 2 are D2D, 3 and 4 V2X.
    #[arg(long, value_name = "MODE", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub tm: Option<u8>,
    /// Cyclic prefix.
    #[arg(long, value_enum, value_name = "CP")]
    pub cp: Option<CyclicPrefixName>,
    /// The pool of modes 3 and 4: size=10,num=5,start=0,adjacent=yes[,..]
    #[arg(long, value_name = "POOL")]
    pub v2x_pool: Option<V2xConfig>,
    /// File with the carrier and its pools, of a radio, a scenario or a UE.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Form of the output: table (in place on a terminal), json, csv, or json:FILE, csv:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub output: Output,
    /// Write a line for each block, also on a terminal.
    #[arg(long)]
    pub lines: bool,
    /// Show each repetition of a block on a line of its own.
    #[arg(long)]
    pub repeats: bool,
    /// Write everything that is decoded for Wireshark, at once: to a file, a pipe, or standard output (-).
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Verify and decipher decoded messages with the keys of this key store.
    #[arg(long, value_name = "STORE")]
    pub keys: Option<PathBuf>,
    /// Follow the identities of this list of codes, from `sidelink keys new-codes`; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub codes: Vec<PathBuf>,
    /// Get filters and keys from the network as this UE's file says ([network]), and have its ProSe Function check what is
    /// heard: `to_report`, then `verified`. The keys are those of the file's store.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["keys", "codes"])]
    pub network: Option<PathBuf>,
    /// Recording of the received samples.
    #[command(flatten)]
    pub record: RecordArgs,
    /// At the end write the pools and the synchronisation that were learnt, with their evidence, as a file for
    /// `--config`.
    #[arg(long, value_name = "FILE")]
    pub learn: Option<PathBuf>,
    /// Whether existing recordings are replaced.
    #[command(flatten)]
    pub force: ForceArgs,
    /// End after this time, by the clock or on the air, whichever comes first: 90 (seconds), 5m, 1h30m.
    #[arg(short = 'T', long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
}

/// The claimed places of all outputs, none of them open.
struct Places {
    report: Place,
    pcap: Option<Place>,
    learn: Option<Place>,
}

impl Places {
    fn claim(args: &ListenArgs) -> Result<Self, ConfigError> {
        let mut outputs = Outputs::new(args.force);
        outputs.reads(args.config.iter().chain(&args.keys).chain(&args.codes).chain(&args.network));
        outputs.device(&args.args)?;
        args.record.claim(&mut outputs)?;
        let pcap = args.pcap.as_deref().map(|path| outputs.claim("--pcap", path)).transpose()?;
        let learn = args.learn.as_deref().map(|path| outputs.claim_new("--learn", path)).transpose()?;
        Ok(Self { report: args.output.claim(&mut outputs)?, pcap, learn })
    }

    /// Opens the outputs live, so that they can be read while they are written, except those that are written at the
    /// end. A table in place needs no report.
    fn open(self, form: Form, in_place: bool) -> std::io::Result<Open> {
        let Self { report, pcap, learn } = self;
        let open = || Ok::<_, std::io::Error>(Report::new(form, report.live()?, report.has_colours()));
        Ok(Open {
            report: (!in_place).then(open).transpose()?,
            pcap: pcap.map(PcapReport::live).transpose()?,
            learn: learn.map(|place| place.create()).transpose()?,
        })
    }
}

/// Outputs that are open.
struct Open {
    report: Option<Report>,
    pcap: Option<PcapReport>,
    learn: Option<OutputFile>,
}

/// All outputs.
struct Sinks {
    report: Option<Report>,
    board: Option<Board>,
    pcap: Option<PcapReport>,
    opener: Opener,
    network: Option<NetworkOf>,
    counts: Counts,
    start: UtcMicros,
    rate: f64,
    discovery_only: bool,
    clock: Option<(u64, DfnSubframe)>,
    /// Annotations of the recording, if one is made.
    annotations: Option<Annotations>,
    /// The radio's number of the receiver's first sample.
    first: u64,
    sync: SyncSeen,
    sidelink: SidelinkMode,
}

/// Listens until Ctrl-C, the duration or the radio's end.
///
/// # Errors
/// The fault of the configuration or the radio.
pub fn run(args: ListenArgs, discovery_only: bool) -> anyhow::Result<()> {
    let places = Places::claim(&args)?;
    let stop = stop_on_signals()?;
    let config = carrier(&args, discovery_only)?;
    let radio_config = config.resolve()?;
    let numerology =
        config.numerology(radio_config.sync.as_ref().map_or(radio_config.default_cp(), |s| s.cp))?;
    let mut receiver = receiver_config(&radio_config, numerology);
    if radio_config.mode.is_none() && receiver.v2x.is_none() {
        receiver.mode = TransmissionMode::Tm2;
    }
    let rate = numerology.sample_rate().0;
    let settings = settings(&args, &config, discovery_only, rate);
    let radio = radio::open(&device(&args), &settings.for_duration(args.duration))?;
    let description = radio.description().clone();
    receiver.antennas = description.antennas;
    let (radio, annotations) = args.record.open(radio, &config, numerology)?;
    let (network, mut opener) = opener(&args)?;
    if let Some(discovery) = radio_config.discovery.first() {
        opener.set_timing(set_timing(&discovery.pool));
    }
    // Only a list makes a table so large that receiving would wait for it.
    if !args.codes.is_empty() && radio.description().real_time {
        opener.build_ahead();
    }
    let in_place = places.report == Place::Standard
        && args.output.form == Form::Table
        && !args.lines
        && terminal::colours_on_stdout();
    let Open { report, pcap, learn } = places.open(args.output.form, in_place)?;
    let report = report.map(|report| report.repeats(Repeats::from_flag(args.repeats)));
    let mut sinks = Sinks {
        report,
        board: in_place.then(Board::new),
        pcap,
        opener,
        network,
        counts: Counts::default(),
        start: UtcMicros(0),
        rate,
        discovery_only,
        clock: None,
        annotations,
        first: 0,
        sync: SyncSeen::default(),
        sidelink: receiver.mode.sidelink(),
    };
    banner(&description, in_place)?;
    let mut receiver = StreamReceiver::new(receiver);
    let result = listen(radio, &mut receiver, &mut sinks, args.duration, &stop);
    if let Some(file) = learn {
        let learnt = LearntRadio::new(receiver.receiver_mut(), std::mem::take(&mut sinks.sync));
        learnt.write(file, &description.name)?;
        eprintln!("{} pools learnt", learnt.pools());
    }
    say_heard(&sinks.counts);
    result
}

/// Says which radio is listened to, and clears the screen for a table in place.
fn banner(description: &Description, in_place: bool) -> anyhow::Result<()> {
    eprintln!("{}", start_line(description));
    if in_place {
        terminal::print("\x1b[2J")?;
    }
    Ok(())
}

fn say_heard(counts: &Counts) {
    let Counts { psbch, sci, sl_sch, sl_dch, .. } = counts;
    eprintln!("heard {psbch} MIBs, {sci} SCIs, {sl_sch} SL-SCH blocks, {sl_dch} discovery messages");
}

/// Returns what opens blocks, by the keys of a store or of the network, which goes on then.
fn opener(args: &ListenArgs) -> anyhow::Result<(Option<NetworkOf>, Opener)> {
    if let Some(path) = &args.network {
        let (network, keys) = NetworkOf::start(path)?;
        return Ok((Some(network), Opener::with_keys(keys)?));
    }
    let opener = match keys(args.keys.as_deref(), &args.codes)? {
        Some(keys) => Opener::with_keys(keys)?,
        None => Opener::headers_only(),
    };
    Ok((None, opener))
}

/// Returns the settings of the radio.
fn settings(args: &ListenArgs, config: &RadioConfig, discovery_only: bool, rate: f64) -> RadioSettings {
    RadioSettings {
        frequency: config.frequency.map(|f| f.0),
        prb: config.prb,
        rx_gain: args.gain.clone(),
        antenna: args.antenna.clone(),
        antennas: args.antennas,
        ..RadioSettings::new(if discovery_only { "monitor" } else { "listen" }, rate)
    }
}

/// Returns the device; on a virtual air no port waits for a listener.
fn device(args: &ListenArgs) -> String {
    if args.args.starts_with("driver=air") && !args.args.contains("listen-only") {
        format!("{},listen-only", args.args)
    } else {
        args.args.clone()
    }
}

/// Returns the carrier: flags override the file, and the file overrides the carrier of a first test.
fn carrier(args: &ListenArgs, discovery_only: bool) -> Result<RadioConfig, ConfigError> {
    let mut config = match &args.config {
        Some(path) => RadioConfig::from_file(path)?,
        None if discovery_only => RadioConfig::from_toml(CARRIER, "the carrier of a first test")?,
        None => RadioConfig::default(),
    };
    config.prb = args.prb.or(config.prb);
    config.rate = args.rate.or(config.rate);
    config.tm = args.tm.or(config.tm);
    config.cp = args.cp.or(config.cp);
    config.frequency = args.freq.or(config.frequency);
    config.v2x = args.v2x_pool.clone().or(config.v2x);
    if config.prb.is_none() {
        let remedy = "say --prb 6, 15, 25, 50, 75 or 100, or give a file with -c";
        return Err(ConfigError::new("no bandwidth", "", remedy));
    }
    config.numerology(CyclicPrefix::Normal)?;
    Ok(config)
}

struct Filled {
    first: u64,
    count: usize,
    samples: Buffers,
}

/// A buffer for each antenna.
type Buffers = Vec<Vec<Sample>>;

fn listen(
    radio: Box<dyn Radio>,
    receiver: &mut StreamReceiver,
    sinks: &mut Sinks,
    duration: Option<Duration>,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let real_time = radio.description().real_time;
    let streams = radio.start()?;
    let began = Instant::now();
    let anchor = streams.anchor.unwrap_or_else(host_time);
    sinks.start = UtcMicros((anchor.utc_ns / 1000).max(0) as u64);
    drop(streams.transmit);
    let receive = streams.receive;
    let (full, filled) = bounded::<Filled>(BUFFERS);
    let (give_back, empty) = bounded::<Buffers>(BUFFERS + 2);
    // For the fetcher only: the end of this command is no signal to others.
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let fetcher = std::thread::Builder::new()
        .name("in".to_owned())
        .spawn(move || fetch(receive, real_time, &full, &empty, &ended))?;
    let mut out = std::io::stdout();
    let mut ear = Ear::new(receiver, sinks.rate);
    let air = duration.map(|d| (d.as_secs_f64() * sinks.rate) as u64);
    // The duration is that of the wall clock or of the air, whichever ends first.
    let is_over = |taken: u64| {
        stop.load(Ordering::Relaxed)
            || air.is_some_and(|air| taken >= air)
            || duration.is_some_and(|duration| began.elapsed() >= duration)
    };
    let mut result = Ok(());
    while result.is_ok() && !is_over(ear.taken()) {
        let Filled { first, count, samples } = match filled.recv_timeout(PATIENCE) {
            Ok(filled) => filled,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let views = &views(&samples, count)[..samples.len()];
        result = ear.take(first, views, sinks).and_then(|()| sinks.answers());
        let _ = give_back.try_send(samples);
        result = result.and_then(|()| sinks.look_ahead(ear.seconds()));
        sinks.show(&mut out, ear.seconds(), ear.lost())?;
    }
    over.store(true, Ordering::Relaxed);
    drop(filled);
    let result = result.and_then(|()| ear.finish(sinks));
    // The recording waits for the last annotation.
    sinks.annotations = None;
    let fetched =
        fetcher.join().unwrap_or_else(|_| Err(RadioError::Lost("the receiving thread failed".to_owned())));
    result?;
    sinks.show(&mut out, ear.seconds(), ear.lost())?;
    if ear.lost() > 0 {
        eprintln!("{} samples were lost: the radio or this machine is too slow for the rate", ear.lost());
    }
    Ok(fetched?)
}

/// Fetches from the radio, and never decodes.
fn fetch(
    mut receive: Box<dyn Receive>,
    real_time: bool,
    full: &Sender<Filled>,
    empty: &Receiver<Buffers>,
    stop: &AtomicBool,
) -> Result<(), RadioError> {
    let antennas = receive.antennas().count();
    let mut spare: Option<Buffers> = None;
    while !stop.load(Ordering::Relaxed) {
        let take = || empty.try_recv().unwrap_or_else(|_| vec![vec![Sample::default(); BUFFER]; antennas]);
        let mut samples = spare.take().unwrap_or_else(take);
        let received = match receive.receive_antennas(&mut slices(&mut samples, BUFFER)[..antennas], PATIENCE)
        {
            Err(RadioError::Ended) => return Ok(()),
            other => other?,
        };
        let filled = Filled { first: received.first, count: received.count, samples };
        if received.count == 0 {
            spare = Some(filled.samples);
        } else if real_time {
            // A receiver that is too slow loses samples; the radio loses none.
            if let Err(e) = full.try_send(filled) {
                if e.is_disconnected() {
                    return Ok(());
                }
                spare = Some(e.into_inner().samples);
            }
        } else if full.send(filled).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

impl Listener for Sinks {
    fn begin(&mut self, first: u64) {
        self.first = first;
    }

    fn restart(&mut self) {
        // Its subframes are counted from 0 again.
        self.clock = None;
    }

    fn event(&mut self, event: &Event<'_>, sample: i64) -> anyhow::Result<()> {
        self.sync.event(event, self.sidelink);
        if self.discovery_only && !matches!(event, Event::SlDch { .. }) {
            return Ok(());
        }
        self.counts.add(event);
        if let Event::Mib { subframe, time: Some(time), .. } = event {
            self.clock = Some((*subframe, *time));
        }
        let seconds = sample as f64 / self.rate;
        let dfn = |(k, t): (u64, DfnSubframe)| {
            DfnSubframe::from_count(t.count() as u64 + event.subframe().saturating_sub(k))
        };
        if let Some(Annotations { annotator, numerology, frequency }) = &self.annotations {
            let at = self.first.saturating_add_signed(sample);
            let annotation = annotation(event, at, numerology, *frequency, self.clock.map(dfn));
            annotation.into_iter().for_each(|annotation| annotator.add(annotation));
        }
        if let Some(report) = &mut self.report {
            report.event("", false, event, sample)?;
        }
        if let Some(board) = &mut self.board {
            board.event(event, seconds);
        }
        if let Some(pcap) = &mut self.pcap {
            pcap.event(event, Some(self.start), seconds, self.clock.map(dfn))?;
        }
        let ago = 1e-3 * since_first(event);
        let micros = self.start.0.saturating_add_signed(((seconds - ago) * 1e6).round() as i64);
        let now = UtcTime::from_millis(micros.saturating_add(500) / 1000);
        let Self { report, board, pcap, opener, network, start, clock, .. } = self;
        let mut failure = None;
        open(opener, event, now, *clock, &mut |opened: Opened<'_>| {
            if let (Some(network), Opened::Discovery(heard)) = (network.as_mut(), &opened) {
                network.hear(heard, event.subframe());
            }
            let mut write = || -> std::io::Result<()> {
                if let Some(report) = report {
                    report.opened("", false, &opened, event.subframe())?;
                }
                if let Some(board) = board {
                    board.opened(&opened);
                }
                pcap.as_mut().map_or(Ok(()), |pcap| pcap.opened(&opened, Some(*start), seconds))
            };
            failure = failure.take().or(write().err());
        })?;
        if let Some(network) = network
            && let Some(hint) = opener.take_wanted_key()
        {
            network.want_key(hint);
        }
        failure.map_or(Ok(()), |e| Err(e.into()))
    }
}

impl Sinks {
    /// Has tables of codes built for the time after `seconds` of samples.
    fn look_ahead(&mut self, seconds: f64) -> anyhow::Result<()> {
        let micros = self.start.0.saturating_add((seconds * 1e6) as u64);
        Ok(self.opener.look_ahead(UtcTime::from_millis(micros / 1000))?)
    }

    /// What the network said since the last look.
    fn answers(&mut self) -> anyhow::Result<()> {
        while let Some(answer) = self.network.as_mut().and_then(NetworkOf::poll) {
            match answer {
                Answer::Keys(keys) => self.opener.renew(*keys)?,
                Answer::Checked(checked, subframe) => {
                    let opened = Opened::Discovery(checked);
                    if let Some(report) = &mut self.report {
                        report.opened("", false, &opened, subframe)?;
                    }
                    if let Some(board) = &mut self.board {
                        board.opened(&opened);
                    }
                }
            }
        }
        Ok(())
    }

    fn show(&mut self, out: &mut dyn Write, seconds: f64, lost: u64) -> std::io::Result<()> {
        if let Some(report) = &mut self.report {
            report.flush()?;
        }
        let Some(board) = &mut self.board else { return Ok(()) };
        let notes = format!("{seconds:.0} s of air, {lost} samples lost; Ctrl-C ends it");
        board.draw(out, seconds, &notes, true)
    }
}
