//! `sidelink bench bler`: block error rates, with estimates and with perfect knowledge of the channel.

mod counts;

use crate::args::{Form, Output, parse_antennas};
use crate::bench::bler::collisions::Shared;
use crate::bench::bler::plan::{self, GOAL, Job, Wanted};
use crate::bench::bler::{AirConfig, CASES, Crossing, Effort, Knowledge, Point, page, plot};
use crate::config::ConfigError;
use crate::outputs::{OutputFile, Outputs, Place};
use clap::Args;
use serde_json::json;
use sidelink_phy::impair::fading::ChannelModel;
use sidelink_phy::units::{Antennas, Decibel, Hertz};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Channel models of `all`: white noise, and walking to 500 km/h between two cars at 5.9 GHz.
const ALL_CHANNELS: [&str; 8] =
    ["awgn", "epa5", "eva70", "etu300", "eva600", "eva1000", "eva1500", "eva2700"];

/// Largest carrier offset in Hz.
const MOST_CFO: f64 = 10_000.0;

/// Largest seed of the first run; the others follow it.
const MOST_SEED: u64 = 1_000_000_000_000;

/// Measurements of less time are not announced.
const LONG: Duration = Duration::from_secs(20);

/// Es/N0 of the stronger of two UEs that collide.
const STRONGER: Decibel = Decibel(20.0);

/// Files of `-o`.
const PAGE: &str = "bler.md";
const LINES: &str = "bler.jsonl";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sidelink bench bler --case pssch-tm4-8prb --channel eva70,etu300
      the Es/N0 at which 10 % of the blocks fail, for two channel models
  sidelink bench bler --case pscch --channel eva1000 --genie --plot pscch.png
      beside a receiver that knows the channel, with a picture
  sidelink bench bler --case pssch-tm4-8prb --sweep 0..20 --channel epa5 --seeds 3
      a whole curve over three sets of channels
  sidelink bench bler --channel all --genie -o figures
      the 10 % points of docs/performance.md, on all processors; it says how long that takes")]
pub(super) struct BlerArgs {
    /// Measure only cases whose name contains this text: a channel, `collisions` (two UEs on the same resources at 20 dB, of
    /// modes 4 and 2 and of discovery), `slss` or `false-sci`; all of them with `all`. These are counts without a curve:
    /// --genie, --sweep, --plot and -o are not about them. `slss` has one antenna and one seed; `false-sci` is noise alone,
    /// at one antenna and of one seed.
    #[arg(long, default_value = "all", value_name = "TEXT")]
    case: String,
    /// Number of blocks at each point and of each seed; a fifth of it where far more than 10 % fail.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    trials: u32,
    /// Channel models: awgn, epa5, eva70, etu300, eva600, eva1000, eva1500, eva2700, or flat, epa, eva or etu followed by
    /// any Doppler frequency in Hz; several with commas, those named here with all. At 5.9 GHz 300 Hz are 55 km/h between
    /// two cars, 2700 Hz 500 km/h. In fading the block error rate at 30 dB (the floor) is measured too.
    #[arg(long, default_value = "awgn", value_name = "MODEL,..", value_delimiter = ',')]
    channel: Vec<Channels>,
    /// Carrier offset in Hz, -10000 to 10000.
    #[arg(long, default_value_t = 0.0, allow_hyphen_values = true, value_name = "HZ", value_parser = parse_cfo)]
    cfo: f64,
    /// Receive antennas, 1 to 4, each with fading and noise of its own; Es/N0 is that of one.
    #[arg(long, default_value = "1", value_name = "N", value_parser = parse_antennas)]
    antennas: Antennas,
    /// Measure also the receiver that is given the true channel on every resource element, the true noise and the true
    /// carrier offset: the difference is what estimation costs.
    #[arg(long)]
    genie: bool,
    /// Sweep Es/N0 over FROM..TO in steps of 1 dB, within -30..60, instead of searching for 10 %; not with -o, whose tables
    /// are of the 10 % points.
    #[arg(long, value_name = "FROM..TO", allow_hyphen_values = true, value_parser = parse_range)]
    sweep: Option<(f64, f64)>,
    /// Number of seeds: each has channels and blocks of its own, which count together.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: u32,
    /// Seed of the first channels and blocks, 0 to 10^12; the others follow it.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=MOST_SEED))]
    seed: u64,
    /// Also draw the curves, as PNG or SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Write tables (bler.md), JSON lines (bler.jsonl) and a picture a case (CASE.png) into this folder, which may be new.
    #[arg(short = 'o', value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Form of the output: table, json or json:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    output: Output,
}

/// One channel model, or those that the figures are of.
#[derive(Clone, Copy, Debug)]
enum Channels {
    All,
    One(ChannelModel),
}

impl FromStr for Channels {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text == "all" {
            return Ok(Self::All);
        }
        let model: ChannelModel =
            text.parse().map_err(|e: sidelink_phy::impair::fading::UnknownChannelModel| {
                ConfigError::new(e.to_string(), "", "")
            })?;
        // the slowest samples of any case
        match model.fading(Hertz(1.92e6), 0) {
            Ok(_) => Ok(Self::One(model)),
            Err(e) => {
                Err(ConfigError::new(format!("{text:?}: {e}"), "", "write eva2700 for 500 km/h at 5.9 GHz"))
            }
        }
    }
}

fn parse_cfo(text: &str) -> Result<f64, ConfigError> {
    let wrong = || ConfigError::new(format!("{text:?} is not -10000 to 10000"), "", "write an offset in Hz");
    text.parse().ok().filter(|cfo: &f64| cfo.abs() <= MOST_CFO).ok_or_else(wrong)
}

fn parse_range(text: &str) -> Result<(f64, f64), ConfigError> {
    let wrong = || ConfigError::new(format!("{text:?} is no range within -30..60"), "", "write -10..5");
    let both = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    both.filter(|(a, b)| -30.0 <= *a && a <= b && *b <= 60.0).ok_or_else(wrong)
}

impl BlerArgs {
    fn is_wanted(&self, name: &str) -> bool {
        self.case == "all" || name.contains(&self.case)
    }

    fn channels(&self) -> Vec<ChannelModel> {
        let mut channels = Vec::new();
        for choice in &self.channel {
            let more = match choice {
                Channels::All => ALL_CHANNELS.iter().filter_map(|name| name.parse().ok()).collect(),
                Channels::One(model) => vec![*model],
            };
            for model in more {
                if !channels.contains(&model) {
                    channels.push(model);
                }
            }
        }
        channels
    }

    const fn effort(&self) -> Effort {
        Effort { trials: self.trials, seeds: self.seeds }
    }

    fn air(&self, channel: ChannelModel) -> AirConfig {
        AirConfig { channel, cfo: Hertz(self.cfo), antennas: self.antennas, seed: self.seed }
    }

    /// Returns the curves to measure: channel by channel, what is estimated before what is known.
    fn jobs(&self) -> Vec<Job> {
        let kinds: &[Knowledge] = match self.genie {
            true => &[Knowledge::Estimated, Knowledge::Perfect],
            false => &[Knowledge::Estimated],
        };
        let mut jobs = Vec::new();
        for channel in self.channels() {
            for case in CASES.iter().filter(|case| self.is_wanted(case.name)) {
                let job = |&knowledge| Job { case, air: self.air(channel), knowledge };
                jobs.extend(kinds.iter().map(job));
            }
        }
        jobs
    }

    fn wanted(&self) -> Wanted {
        match self.sweep {
            None => Wanted::Crossing,
            Some((from, to)) => Wanted::Sweep(
                (0..).map(|i| from + f64::from(i)).take_while(|db| *db <= to).map(Decibel).collect(),
            ),
        }
    }

    /// Checks that something is measured, and that it is what the options are about, before files are made.
    fn check(&self, jobs: &[Job]) -> anyhow::Result<()> {
        let names = || CASES.iter().map(|c| c.name).chain(counts::names());
        if !names().any(|name| self.is_wanted(name)) {
            let names = names().collect::<Vec<_>>().join(", ");
            anyhow::bail!("no case has {:?} in its name; there are {names}", self.case);
        }
        if self.sweep.is_some() && self.folder.is_some() {
            anyhow::bail!(
                "-o with --sweep: its tables are of the Es/N0 at which 10 % fail; leave one out, or write the points with \
                 --plot FILE and -F json:FILE"
            );
        }
        if !jobs.is_empty() {
            return Ok(());
        }
        let single = !Shared::ALL.into_iter().any(|shared| self.is_wanted(shared.case()));
        let noise = single && !self.is_wanted(counts::SLSS);
        let ignored = [
            ("-o", self.folder.is_some()),
            ("--plot", self.plot.is_some()),
            ("--genie", self.genie),
            ("--sweep", self.sweep.is_some()),
            ("--antennas", single && self.antennas != Antennas::ONE),
            ("--seeds", single && self.seeds != 1),
            ("--cfo", noise && self.cfo != 0.0),
            ("--channel", noise && self.channels() != [ChannelModel::Awgn]),
        ];
        if let Some((option, _)) = ignored.iter().find(|(_, is_ignored)| *is_ignored) {
            anyhow::bail!(
                "{option} is not for --case {}: leave it out, or take a case of a channel",
                self.case
            );
        }
        Ok(())
    }
}

/// The files beside the output.
struct Files {
    plot: Option<Place>,
    folder: Option<PathBuf>,
}

pub(super) fn run(args: &BlerArgs, outputs: &mut Outputs) -> anyhow::Result<()> {
    let jobs = args.jobs();
    args.check(&jobs)?;
    let plot = args.plot.as_deref().map(|path| crate::inspect::plot::claim(outputs, path)).transpose()?;
    if let Some(folder) = &args.folder {
        let names = [PAGE.to_owned(), LINES.to_owned()].into_iter().chain(pictures(&jobs));
        outputs.claim_folder("-o", folder, &names.collect::<Vec<_>>())?;
        std::fs::create_dir_all(folder).map_err(|e| {
            ConfigError::new(format!("-o: cannot make it: {e}"), folder.display().to_string(), "")
        })?;
    }
    let files = Files { plot, folder: args.folder.clone() };
    let mut out = super::open(&args.output, outputs)?;
    announce(args, &jobs);
    let curves = measure(args, &jobs, &mut out)?;
    counts::run(args, args.output.form, &mut out)?;
    write_files(args, &files, &curves)?;
    Ok(out.finish()?)
}

/// Says how long it takes, where that is long.
fn announce(args: &BlerArgs, jobs: &[Job]) {
    let time = plan::time(jobs, &args.wanted(), args.effort());
    if time > LONG {
        eprintln!(
            "{} curves, {} blocks a point: about {} on {} processors",
            jobs.len(),
            u64::from(args.trials) * u64::from(args.seeds),
            minutes(time),
            plan::processors(jobs.len())
        );
    }
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 90 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) }
}

/// Measures all curves, and writes each when it is due.
fn measure(args: &BlerArgs, jobs: &[Job], out: &mut OutputFile) -> anyhow::Result<Vec<(Job, Crossing)>> {
    let json = args.output.form == Form::Json;
    let mut curves: Vec<(Job, Crossing)> = Vec::with_capacity(jobs.len());
    let began = Instant::now();
    let mut told = began;
    plan::run(jobs, &args.wanted(), args.effort(), &mut |at, curve| -> anyhow::Result<()> {
        let job = jobs[at];
        if !json && curves.last().is_none_or(|(last, _)| last.air.channel != job.air.channel) {
            head(args, &job, out)?;
        }
        curves.push((job, curve));
        if json {
            json_lines(out, args, &curves[at].0, &curves[at].1)?;
        } else if job.knowledge == Knowledge::Perfect || !args.genie {
            let estimated = if args.genie { &curves[at - 1] } else { &curves[at] };
            table_lines(out, args, estimated, args.genie.then_some(&curves[at].1))?;
        }
        out.flush()?;
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            let left = began.elapsed().mul_f64((jobs.len() - at - 1) as f64 / (at + 1) as f64);
            eprintln!("{} of {} curves, about {} left", at + 1, jobs.len(), minutes(left));
        }
        Ok(())
    })?;
    Ok(curves)
}

fn head(args: &BlerArgs, job: &Job, out: &mut dyn Write) -> std::io::Result<()> {
    let antennas = match args.antennas {
        Antennas::ONE => "one receive antenna".to_owned(),
        several => format!("{several} receive antennas"),
    };
    writeln!(
        out,
        "{} at {} Hz of carrier offset, {antennas}, {} blocks a point",
        job.air.channel,
        args.cfo,
        u64::from(args.trials) * u64::from(args.seeds)
    )?;
    if args.sweep.is_some() {
        return Ok(());
    }
    let floor = if job.air.channel == ChannelModel::Awgn { "" } else { "BLER at 30 dB" };
    let genie = if args.genie { format!(" {:>15} {:>8}", "channel known", "lost") } else { String::new() };
    let line = format!(
        "{:<24} {:>18} {:>16} {:>9}{genie} {floor:>16}",
        "channel", "10 % BLER at dB", "95 %", "target"
    );
    writeln!(out, "{}", line.trim_end())
}

/// Writes one case for people: `perfect` is the curve of perfect knowledge.
fn table_lines(
    out: &mut dyn Write,
    args: &BlerArgs,
    (job, found): &(Job, Crossing),
    perfect: Option<&Crossing>,
) -> std::io::Result<()> {
    if args.sweep.is_some() {
        for (i, point) in found.points.iter().enumerate() {
            let known = perfect.and_then(|curve| curve.points.get(i));
            let known = known.map_or(String::new(), |point| format!(", channel known {}", rate(point)));
            writeln!(out, "{:<24} {:>8.2} dB  BLER {}{known}", job.case.name, point.es_n0.0, rate(point))?;
        }
        return Ok(());
    }
    let none = if found.floor.is_some() { "not up to 30 dB" } else { "not within 12 dB" };
    let decibel = |es_n0: Option<Decibel>| es_n0.map_or(none.to_owned(), |es_n0| format!("{:.2}", es_n0.0));
    let at = decibel(found.es_n0);
    let interval = found.interval.map_or(String::new(), |[a, b]| format!("{:.2} to {:.2}", a.0, b.0));
    let floor = found.floor.map_or(String::new(), |f| format!("{:.3}", f.bler()));
    let genie = perfect.map_or(String::new(), |perfect| {
        let both = found.es_n0.zip(perfect.es_n0);
        let lost = both.map_or("-".to_owned(), |(own, known)| format!("{:.2}", own.0 - known.0));
        format!(" {:>15} {lost:>8}", decibel(perfect.es_n0))
    });
    let target = job.case.target.0;
    let line = format!("{:<24} {at:>18} {interval:>16} {target:>9.1}{genie} {floor:>16}", job.case.name);
    writeln!(out, "{}", line.trim_end())
}

fn rate(point: &Point) -> String {
    format!("{:.4} ({}/{})", point.bler(), point.errors, point.trials)
}

fn json_lines(out: &mut dyn Write, args: &BlerArgs, job: &Job, found: &Crossing) -> std::io::Result<()> {
    let about = json!({
        "case": job.case.name, "channel": job.air.channel.to_string(), "cfo_hz": job.air.cfo.0,
        "antennas": job.air.antennas.count(), "knowledge": job.knowledge.name(), "seed": args.seed, "seeds": args.seeds,
    });
    let mut line = |kind: &str, mut figures: serde_json::Value| {
        figures["type"] = kind.into();
        if let (Some(figures), Some(about)) = (figures.as_object_mut(), about.as_object()) {
            figures.extend(about.clone());
        }
        writeln!(out, "{figures}")
    };
    for point in found.points.iter().chain(&found.floor) {
        let (db, bler) = (point.es_n0.0, point.bler());
        line(
            "bler",
            json!({ "es_n0_db": db, "trials": point.trials, "errors": point.errors, "bler": bler }),
        )?;
    }
    if args.sweep.is_some() {
        return Ok(());
    }
    let figures = json!({
        "bler": GOAL, "es_n0_db": found.es_n0.map(|es_n0| es_n0.0), "target_db": job.case.target.0,
        "interval_db": found.interval.map(|ends| ends.map(|end| end.0)), "floor_bler": found.floor.map(|f| f.bler()),
    });
    line("bler-crossing", figures)
}

/// Returns the name of the picture of each case.
fn pictures(jobs: &[Job]) -> Vec<String> {
    let mut names: Vec<String> = jobs.iter().map(picture).collect();
    names.sort();
    names.dedup();
    names
}

fn picture(job: &Job) -> String {
    format!("{}.png", job.case.name)
}

fn write_files(args: &BlerArgs, files: &Files, curves: &[(Job, Crossing)]) -> anyhow::Result<()> {
    let title = "Block error rates";
    if let Some(place) = &files.plot {
        plot::draw(place, title, curves)?;
    }
    let Some(folder) = &files.folder else { return Ok(()) };
    let create = |name: &str| -> anyhow::Result<OutputFile> { Ok(Place::File(folder.join(name)).create()?) };
    let mut lines = create(LINES)?;
    for (job, curve) in curves {
        json_lines(&mut lines, args, job, curve)?;
    }
    lines.finish()?;
    let mut tables = create(PAGE)?;
    tables.write_all(page::markdown(curves).as_bytes())?;
    tables.finish()?;
    let jobs: Vec<Job> = curves.iter().map(|(job, _)| *job).collect();
    for name in pictures(&jobs) {
        let of_case: Vec<_> = curves.iter().filter(|(job, _)| picture(job) == name).cloned().collect();
        plot::draw(&Place::File(Path::new(folder).join(&name)), title, &of_case)?;
    }
    Ok(())
}
