//! `sidelink decode`: shows the content of a recording.

use crate::args::{Form, Output, RadioArgs, parse_utc};
use crate::config::{ConfigError, set_timing};
use crate::lock::lock;
use crate::open::{Opened, Opener};
use crate::outputs::{ForceArgs, OutputFile, Outputs, Place};
use crate::receive::{self, Outcome, Threads};
use crate::report::{self, Counts, PcapReport, Repeats, Report};
use crate::{input, terminal};
use clap::Args;
use indicatif::ProgressBar;
use sidelink_phy::receive::receiver::{ControlInformation, Event};
use sidelink_phy::units::DfnSubframe;
use sidelink_prose::discovery::{AirTime, FrameTime};
use sidelink_recordings::{Container, UtcMicros};
use sidelink_security::counter::UtcTime;
use sidelink_store::{self as keystore, Keys};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Arguments of `sidelink decode`.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// Recordings: SigMF (.sigmf-meta, .sigmf-data, .sigmf) or raw samples.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Parameters that the recording does not state itself.
    #[command(flatten)]
    pub radio: RadioArgs,
    /// Form of the output: table, json, csv, or json:FILE, csv:FILE; may be repeated.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub output: Vec<Output>,
    /// Show each repetition of a block on a line of its own.
    #[arg(long)]
    pub repeats: bool,
    /// Write everything that was decoded to a capture file for Wireshark (link type 252).
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Verify and decipher decoded messages with the keys of this key store, or of its TOML form.
    #[arg(long, value_name = "STORE")]
    pub keys: Option<PathBuf>,
    /// Follow the identities of this list of codes, from `sidelink keys new-codes`; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub codes: Vec<PathBuf>,
    /// Write the pools and the synchronisation that were learnt, with their evidence, as a file for `--config`.
    #[arg(long, value_name = "FILE")]
    pub learn: Option<PathBuf>,
    /// UTC of the first sample in seconds, instead of that in the recording (core:datetime).
    #[arg(long, value_name = "SECONDS", value_parser = parse_utc)]
    pub utc: Option<UtcMicros>,
    /// Whether existing recordings are replaced.
    #[command(flatten)]
    pub force: ForceArgs,
}

/// The claimed places of all outputs, none of them open.
struct Places {
    reports: Vec<(Form, Place)>,
    pcap: Option<Place>,
    learn: Option<Place>,
}

impl Places {
    fn claim(args: &DecodeArgs) -> anyhow::Result<Self> {
        let mut outputs = Outputs::new(args.force);
        outputs.reads_recordings(&args.files);
        outputs.reads(args.radio.config.iter().chain(&args.keys).chain(&args.codes));
        let pcap = args.pcap.as_deref().map(|path| outputs.claim("--pcap", path)).transpose()?;
        let learn = args.learn.as_deref().map(|path| outputs.claim_new("--learn", path)).transpose()?;
        let reports = args.output.iter().map(|output| Ok((output.form, output.claim(&mut outputs)?)));
        Ok(Self { reports: reports.collect::<Result<_, ConfigError>>()?, pcap, learn })
    }

    fn open(self, repeats: Repeats) -> anyhow::Result<Sinks> {
        let open = |(form, place): (Form, Place)| {
            Ok(Report::new(form, place.create()?, place.has_colours()).repeats(repeats))
        };
        let reports = self.reports.into_iter().map(open).collect::<std::io::Result<_>>()?;
        let pcap = self.pcap.map(|place| PcapReport::create(place.create()?)).transpose()?;
        let learn = self.learn.map(|place| place.create()).transpose()?;
        Ok(Sinks { reports, pcap, learn })
    }
}

/// The open outputs, common to all files.
struct Sinks {
    reports: Vec<Report>,
    pcap: Option<PcapReport>,
    learn: Option<OutputFile>,
}

/// Decodes. Several files are decoded at the same time, each in its own order.
///
/// # Errors
/// A file cannot be read, or a configuration is wrong. The other files are still decoded.
pub fn run(args: DecodeArgs) -> anyhow::Result<()> {
    if args.learn.is_some() && args.files.len() > 1 {
        let remedy = "decode one of them: another may be of another radio";
        return Err(ConfigError::usage("--learn with several recordings", remedy).into());
    }
    let places = Places::claim(&args)?;
    let keys = keys(args.keys.as_deref(), &args.codes)?;
    let sinks = Mutex::new(places.open(Repeats::from_flag(args.repeats))?);
    let next = AtomicUsize::new(0);
    let errors = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(args.files.len());
    let work = || {
        while let Some(path) = args.files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(e) = decode(path, &args, keys.as_ref(), &sinks) {
                lock(&errors).push(e);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(work);
        }
        work();
    });
    let sinks = sinks.into_inner().unwrap_or_else(|e| e.into_inner());
    sinks.reports.into_iter().try_for_each(Report::finish)?;
    sinks.pcap.map_or(Ok(()), PcapReport::finish)?;
    let mut errors = errors.into_inner().unwrap_or_else(|e| e.into_inner());
    if errors.len() > 1 {
        let all: Vec<_> = errors.iter().map(|e| format!("{e:#}")).collect();
        anyhow::bail!("{} of {} files were not decoded:\n{}", all.len(), args.files.len(), all.join("\n"));
    }
    errors.pop().map_or(Ok(()), Err)
}

/// Reads the keys of a store and lists of codes; `None` when neither is named.
///
/// # Errors
/// A file cannot be read, or is none of these.
pub(super) fn keys(store: Option<&Path>, codes: &[PathBuf]) -> Result<Option<Keys>, ConfigError> {
    let mut keys = store.map(keystore::read).transpose()?;
    if !codes.is_empty() {
        keys.get_or_insert_default().add_code_lists(codes)?;
    }
    Ok(keys)
}

fn decode(path: &Path, args: &DecodeArgs, keys: Option<&Keys>, sinks: &Mutex<Sinks>) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let several = args.files.len() > 1;
    let mut input = input::open(path, &args.radio)?;
    let mut plan = receive::plan(&mut input, &name)?;
    plan.threads = Threads::for_each_of(args.files.len());
    for assumed in &plan.assumed {
        tracing::info!("{name}: {assumed}");
    }
    let start = args.utc.or(input.recording.info().start);
    let mut opener = match keys {
        Some(keys) => Opener::with_keys(keys.clone())?,
        None => Opener::headers_only(),
    };
    if opener.has_keys() && start.is_none() {
        let remedy = "give --utc SECONDS: counters and the validity of keys are reckoned from it";
        return Err(ConfigError::new("the recording does not say when it was made", name, remedy).into());
    }
    let endless = input.recording.info().container == Container::Stream;
    let bar = if several || endless {
        ProgressBar::hidden()
    } else {
        terminal::progress(input.recording.info().length, "decode")
    };
    if let Some(discovery) = plan.config.discovery.first() {
        opener.set_timing(set_timing(&discovery.pool));
    }
    let counts = Counts::default();
    let mut file = DecodedFile { name, several, start, rate: input.rate, opener, counts, clock: None };
    let outcome: Outcome = receive::run(
        &mut input,
        &plan,
        &mut |event, sample| file.event(&event, sample, &mut lock(sinks)),
        &mut |samples| bar.set_position(samples),
    )?;
    bar.finish_and_clear();
    plan.assumed.extend(outcome.learnt.v2x().iter().map(report::learnt_v2x));
    plan.assumed.extend(outcome.learnt.in_words());
    let DecodedFile { name, counts, .. } = file;
    if let Some(file) = lock(sinks).learn.take() {
        outcome.learnt.write(file, &name)?;
        if outcome.learnt.pools() == 0 {
            tracing::warn!("{name}: no pool was learnt; the file of --learn says why");
        }
    }
    for run in input.recording.damage().runs() {
        tracing::warn!("{name}: {run}");
    }
    for report in &mut lock(sinks).reports {
        report.summary(&name, several, &counts, &outcome, &plan.assumed)?;
    }
    Ok(())
}

/// A recording while it is decoded.
struct DecodedFile {
    name: String,
    /// Whether it is one of several.
    several: bool,
    /// UTC of the first sample.
    start: Option<UtcMicros>,
    /// Samples per second.
    rate: f64,
    opener: Opener,
    counts: Counts,
    /// The time in the last MIB, and the capture subframe of that MIB.
    clock: Option<(u64, DfnSubframe)>,
}

impl DecodedFile {
    /// Counts an event in the subframe that began at `sample`, and hands it to the outputs.
    fn event(&mut self, event: &Event<'_>, sample: i64, sinks: &mut Sinks) -> anyhow::Result<()> {
        let Self { name, several, start, rate, opener, counts, clock } = self;
        counts.add(event);
        if let Event::Mib { subframe, time: Some(time), .. } = event {
            *clock = Some((*subframe, *time));
        }
        for report in &mut sinks.reports {
            report.event(name, *several, event, sample)?;
        }
        let seconds = sample as f64 / *rate;
        if let Some(pcap) = &mut sinks.pcap {
            let time = clock
                .map(|(k, t)| DfnSubframe::from_count(t.count() as u64 + event.subframe().saturating_sub(k)));
            pcap.event(event, *start, seconds, time)?;
        }
        let now = utc(*start, seconds - 1e-3 * since_first(event));
        let mut failure = None;
        open(opener, event, now, *clock, &mut |opened| {
            if failure.is_none() {
                failure = sinks.opened(name, *several, &opened, event.subframe(), *start, seconds).err();
            }
        })?;
        failure.map_or(Ok(()), |e| Err(e.into()))
    }
}

/// Returns the subframes since the transmission that determines the time of the event.
pub(super) fn since_first(event: &Event<'_>) -> f64 {
    match event {
        Event::SlDch { since_first, .. } => f64::from(*since_first),
        _ => 0.0,
    }
}

/// Returns the time of the first transmission of a block that has `now`. Frames follow from the last MIB, `clock`, and from
/// UTC where there was none.
fn air_time(event: &Event<'_>, now: UtcTime, clock: Option<(u64, DfnSubframe)>) -> AirTime {
    let air = AirTime::at(now);
    let Some((subframe, time)) = clock else { return air };
    let turn = u64::from(FrameTime::TURN);
    let since = event.subframe().saturating_sub(subframe) % turn;
    let ago = since_first(event) as u64 % turn;
    let count = (u64::from(time.count()) + since + turn - ago) % turn;
    AirTime { frame: FrameTime::of_count(count as u16), ..air }
}

/// Opens the block of an event, if it has one that was not opened before.
pub(super) fn open(
    opener: &mut Opener,
    event: &Event<'_>,
    now: UtcTime,
    clock: Option<(u64, DfnSubframe)>,
    emit: &mut dyn FnMut(Opened<'_>),
) -> Result<(), ConfigError> {
    match event {
        Event::SlSch(block) if !block.repeat => {
            let group = match block.information {
                ControlInformation::Format0(sci) => Some(sci.group_destination),
                ControlInformation::Format1(_) => None,
            };
            opener.sl_sch(now, group, block.block, emit);
        }
        Event::SlDch { message, repeat: false, .. } => {
            if let Some(opened) = opener.sl_dch_in(&air_time(event, now, clock), message)? {
                emit(opened);
            }
        }
        _ => {}
    }
    Ok(())
}

impl Sinks {
    fn opened(
        &mut self,
        file: &str,
        several: bool,
        opened: &Opened<'_>,
        subframe: u64,
        start: Option<UtcMicros>,
        seconds: f64,
    ) -> std::io::Result<()> {
        for report in &mut self.reports {
            report.opened(file, several, opened, subframe)?;
        }
        self.pcap.as_mut().map_or(Ok(()), |pcap| pcap.opened(opened, start, seconds))
    }
}

/// Returns the UTC of an instant of a recording, to the nearest millisecond: a subframe begins there.
fn utc(start: Option<UtcMicros>, seconds: f64) -> UtcTime {
    let micros = start.map_or(0, |s| s.0).saturating_add_signed((seconds * 1e6).round() as i64);
    UtcTime::from_millis(micros.saturating_add(500) / 1000)
}
