//! `sidelink bench`: measurements of the testbed.

mod damage;
mod latency;

use crate::args::{Form, Output};
use crate::bench::bler::{self, AirConfig, CASES, Case, Crossing, Point};
use crate::bench::phy;
use crate::bench::security::{self, Row};
use crate::bench::timing::Timing;
use crate::config::ConfigError;
use crate::inspect::plot;
use crate::outputs::{Existing, OutputFile, Outputs, Place};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sidelink_phy::impair::fading::ChannelModel;
use sidelink_phy::units::{Decibel, Hertz, SidelinkMode};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `sidelink bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The measurement.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure the time of each stage of the physical layer, on one thread.
    Phy(PhyArgs),
    /// Measure block error rates: the Es/N0 at which 10 % of the blocks fail.
    Bler(BlerArgs),
    /// Measure the cost of protection: bits, collisions, tables, ciphers, a protected frame, identities.
    Security(SecurityArgs),
    /// Measure the effect of damaged samples: SCIs and blocks received of those sent, with DC, spurs, lost samples,
    /// offsets, ..
    Damage(damage::DamageArgs),
    /// Measure UEs in real time: time of each stage, missed deadlines, turn-round, latency between applications.
    Latency(latency::LatencyArgs),
}

#[derive(Debug, Args)]
struct PhyArgs {
    /// Measure only stages whose name contains this text.
    #[arg(long, default_value = "", value_name = "TEXT")]
    case: String,
    /// Milliseconds of measurement for each stage.
    #[arg(long, default_value_t = 300, value_name = "MS")]
    time: u64,
    /// Form of the output: table, json or json:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct SecurityArgs {
    /// Measure only lines whose group or name contains this text: protection, collision, verification, matching,
    /// cipher, frame, identity, EEA2, ..
    #[arg(long, default_value = "", value_name = "TEXT")]
    case: String,
    /// Milliseconds of measurement for each line.
    #[arg(long, default_value_t = 100, value_name = "MS")]
    time: u64,
    /// Largest number of identities to follow: tables of 1000 up to this number, each ten times as large as the last.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    keys: usize,
    /// Also draw the figures, as PNG or SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Form of the output: table, json or json:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct BlerArgs {
    /// Measure only cases whose name contains this text: a channel, `slss` or `false-sci`.
    #[arg(long, default_value = "", value_name = "TEXT")]
    case: String,
    /// Number of blocks at each point; a fifth of it where far more than 10 % fail.
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    trials: u32,
    /// Channel models: awgn, epa5, eva70, etu300, eva600, eva1000, eva1500, or flat, epa, eva or etu followed by any
    /// Doppler frequency in Hz; several with commas. In fading the block error rate at 30 dB (the floor) is measured
    /// too.
    #[arg(long, default_value = "awgn", value_name = "MODEL,..", value_delimiter = ',')]
    channel: Vec<ChannelModel>,
    /// Carrier offset in Hz.
    #[arg(long, default_value_t = 0.0, allow_hyphen_values = true, value_name = "HZ")]
    cfo: f64,
    /// Sweep Es/N0 over FROM..TO in steps of 1 dB instead of searching for 10 %.
    #[arg(long, value_name = "FROM..TO", allow_hyphen_values = true, value_parser = parse_range)]
    sweep: Option<(f64, f64)>,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Form of the output: table, json or json:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    output: Output,
}

/// Runs the measurements.
///
/// # Errors
/// A case that does not exist, or output that cannot be written.
pub fn run(args: BenchArgs) -> anyhow::Result<()> {
    let mut outputs = Outputs::new(Existing::Keep);
    match args.what {
        What::Phy(args) => finish(run_phy(&args, open(&args.output, &mut outputs)?)),
        What::Bler(args) => finish(run_bler(&args, open(&args.output, &mut outputs)?)),
        What::Security(args) => {
            let picture = args.plot.as_deref().map(|path| plot::claim(&mut outputs, path)).transpose()?;
            finish(run_security(&args, picture.as_ref(), open(&args.output, &mut outputs)?))
        }
        What::Damage(args) => finish(damage::run(&args)),
        What::Latency(args) => latency::run(&args, &mut outputs),
    }
}

/// Opens the output of the figures, before the time is spent on measuring.
fn open(output: &Output, outputs: &mut Outputs) -> anyhow::Result<OutputFile> {
    if output.form == Form::Csv {
        let remedy = "write table, json or json:FILE";
        return Err(ConfigError::usage("csv is a form of what decode and listen hear", remedy).into());
    }
    Ok(output.claim(outputs)?.create()?)
}

/// Completes the output: a file gets its name when it is complete.
fn finish(measured: anyhow::Result<OutputFile>) -> anyhow::Result<()> {
    Ok(measured?.finish()?)
}

fn run_phy(args: &PhyArgs, mut out: OutputFile) -> anyhow::Result<OutputFile> {
    if args.output.form == Form::Table {
        let line = ("stage", "median us", "p99 us", "1 ms, %", "rate", "peer us", "faster", "wanted");
        writeln!(out, "{}", phy_line(line))?;
    }
    let mut failure = None;
    let mut count = 0;
    phy::run(Duration::from_millis(args.time), &args.case, &mut |t: &Timing| {
        count += 1;
        let written = match args.output.form {
            Form::Table => writeln!(out, "{}", phy_row(t)),
            _ => writeln!(out, "{}", phy_json(t)),
        };
        if let Err(e) = written.and_then(|()| out.flush()) {
            failure.get_or_insert(e);
        }
    });
    if count == 0 {
        anyhow::bail!("no stage has {:?} in its name; `sidelink bench phy` lists them all", args.case);
    }
    failure.map_or(Ok(out), |e| Err(e.into()))
}

fn phy_line(c: (&str, &str, &str, &str, &str, &str, &str, &str)) -> String {
    format!("{:<58} {:>10} {:>10} {:>8} {:>14} {:>9} {:>7} {:>7}", c.0, c.1, c.2, c.3, c.4, c.5, c.6, c.7)
}

fn phy_row(t: &Timing) -> String {
    let rate = t.rate.map_or(String::new(), |(v, unit)| format!("{v:.0} {unit}"));
    let (peer, faster, wanted) = match t.peer {
        Some((us, factor)) => {
            (format!("{us:.1}"), format!("{:.1}x", us / t.median_us), format!("{factor:.1}x"))
        }
        None => Default::default(),
    };
    let (median, p99) = (format!("{:.2}", t.median_us), format!("{:.2}", t.p99_us));
    phy_line((&t.name, &median, &p99, &format!("{:.2}", t.budget_percent()), &rate, &peer, &faster, &wanted))
}

fn phy_json(t: &Timing) -> Value {
    json!({
        "type": "phy",
        "stage": t.name,
        "calls": t.calls,
        "median_us": t.median_us,
        "p99_us": t.p99_us,
        "budget_percent": t.budget_percent(),
        "rate": t.rate.map(|r| r.0),
        "rate_unit": t.rate.map(|r| r.1),
        "peer_us": t.peer.map(|p| p.0),
        "faster": t.peer.map(|p| p.0 / t.median_us),
        "wanted": t.peer.map(|p| p.1),
    })
}

fn run_security(
    args: &SecurityArgs,
    picture: Option<&Place>,
    mut out: OutputFile,
) -> anyhow::Result<OutputFile> {
    let mut rows = Vec::new();
    let mut failure = None;
    let mut last = "";
    security::run(Duration::from_millis(args.time), &args.case, args.keys, &mut |row: &Row| {
        let written = match args.output.form {
            Form::Table => security_row(&mut out, row, last != row.about),
            _ => writeln!(out, "{}", security_json(row)),
        };
        last = row.about;
        rows.push(row.clone());
        if let Err(e) = written.and_then(|()| out.flush()) {
            failure.get_or_insert(e);
        }
    });
    if last.is_empty() {
        anyhow::bail!("nothing has {:?} in its name; `sidelink bench security` lists all", args.case);
    }
    failure.map_or(Ok(()), Err)?;
    picture.map_or(Ok(()), |place| security::draw(place, &rows))?;
    Ok(out)
}

fn security_json(row: &Row) -> Value {
    let mut o = json!({ "type": "security", "about": row.about, "name": row.name });
    for (name, value) in &row.figures {
        o[*name] = value.clone();
    }
    o
}

fn security_row(out: &mut dyn Write, row: &Row, first: bool) -> std::io::Result<()> {
    if first {
        let names: String = row.figures.iter().map(|(name, _)| format!(" {name:>16}")).collect();
        writeln!(out, "{:<62}{names}", row.about)?;
    }
    let values: String = row
        .figures
        .iter()
        .map(|(_, value)| match value.as_f64() {
            Some(v) if v != 0.0 && v.abs() < 0.01 => format!(" {:>16}", format!("{v:.1e}")),
            Some(v) => format!(" {:>16}", (v * 1e4).round() / 1e4),
            None => format!(" {:>16}", value.to_string()),
        })
        .collect();
    writeln!(out, "  {:<60}{values}", row.name)
}

fn run_bler(args: &BlerArgs, mut out: OutputFile) -> anyhow::Result<OutputFile> {
    for &channel in &args.channel {
        run_bler_over(args, channel, &mut out)?;
    }
    Ok(out)
}

fn run_bler_over(args: &BlerArgs, channel: ChannelModel, out: &mut dyn Write) -> anyhow::Result<()> {
    let air = AirConfig { channel, cfo: Hertz(args.cfo), seed: args.seed };
    let json = args.output.form == Form::Json;
    let mut count = 0;
    for case in CASES.iter().filter(|c| c.name.contains(&args.case)) {
        if count == 0 && !json {
            writeln!(out, "{channel} at {} Hz of carrier offset, {} blocks a point", args.cfo, args.trials)?;
            let floor = if channel == ChannelModel::Awgn { "" } else { "BLER at 30 dB" };
            let line = format!("{:<24} {:>18} {:>9} {floor:>16}", "channel", "10 % BLER at dB", "target");
            writeln!(out, "{}", line.trim_end())?;
        }
        count += 1;
        if let Some((from, to)) = args.sweep {
            let steps = (0..).map(|i| from + i as f64).take_while(|&db| db <= to).map(Decibel);
            for point in bler::sweep(case, &air, &steps.collect::<Vec<_>>(), args.trials) {
                point_line(out, json, case, &air, &point)?;
            }
        } else {
            crossing_line(out, json, case, &air, &bler::crossing(case, &air, 0.1, args.trials))?;
        }
        out.flush()?;
    }
    if args.case.is_empty() || "slss".contains(&args.case) {
        count += 1;
        run_slss(args, &air, json, out)?;
    }
    if args.case.is_empty() || "false-sci".contains(&args.case) {
        count += 1;
        run_false_sci(args, json, out)?;
    }
    if count == 0 {
        let names: Vec<_> = CASES.iter().map(|c| c.name).chain(["slss", "false-sci"]).collect();
        anyhow::bail!("no case has {:?} in its name; there are {}", args.case, names.join(", "));
    }
    Ok(())
}

fn crossing_line(
    out: &mut dyn Write,
    json: bool,
    case: &Case,
    air: &AirConfig,
    found: &Crossing,
) -> std::io::Result<()> {
    if !json {
        let none = if found.floor.is_some() { "not up to 30 dB" } else { "not within 12 dB" };
        let at = found.es_n0.map_or(none.to_owned(), |es_n0| format!("{:.2}", es_n0.0));
        let floor = found.floor.map_or(String::new(), |f| format!("{:.3}", f.bler()));
        let line = format!("{:<24} {at:>18} {:>9.1} {floor:>16}", case.name, case.target.0);
        return writeln!(out, "{}", line.trim_end());
    }
    for point in found.points.iter().chain(&found.floor) {
        point_line(out, json, case, air, point)?;
    }
    let line = json!({
        "type": "bler-crossing", "case": case.name, "channel": air.channel.to_string(), "cfo_hz": air.cfo.0,
        "bler": 0.1, "es_n0_db": found.es_n0.map(|es_n0| es_n0.0), "target_db": case.target.0,
        "floor_bler": found.floor.map(|f| f.bler()),
    });
    writeln!(out, "{line}")
}

fn point_line(
    out: &mut dyn Write,
    json: bool,
    case: &Case,
    air: &AirConfig,
    point: &Point,
) -> std::io::Result<()> {
    if json {
        let line = json!({
            "type": "bler", "case": case.name, "channel": air.channel.to_string(), "cfo_hz": air.cfo.0,
            "es_n0_db": point.es_n0.0, "trials": point.trials, "errors": point.errors, "bler": point.bler(),
        });
        return writeln!(out, "{line}");
    }
    writeln!(
        out,
        "{:<24} {:>8.2} dB  BLER {:.4} ({}/{})",
        case.name,
        point.es_n0.0,
        point.bler(),
        point.errors,
        point.trials
    )
}

/// A mode of each family, by its name in the output.
const FAMILIES: [(SidelinkMode, &str); 2] = [(SidelinkMode::D2d, "tm2"), (SidelinkMode::V2x, "tm4")];

fn run_slss(args: &BlerArgs, air: &AirConfig, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
    for (sidelink, mode) in FAMILIES {
        for es_n0 in [Some(Decibel(-4.0)), Some(Decibel(-6.0)), None] {
            let o = bler::slss::run(es_n0, air, sidelink, args.trials);
            if json {
                let line = json!({
                    "type": "slss-search", "mode": mode, "es_n0_db": es_n0.map(|es_n0| es_n0.0), "trials": o.trials,
                    "right": o.right, "missed": o.missed, "wrong": o.wrong,
                });
                writeln!(out, "{line}")?;
            } else {
                let at = es_n0.map_or("noise alone".to_owned(), |es_n0| es_n0.to_string());
                let share = 100.0 * o.right as f64 / o.trials as f64;
                writeln!(
                    out,
                    "slss {mode}, 40 ms, {at}: right {share:.2} %, missed {}, wrong {} of {}",
                    o.missed, o.wrong, o.trials
                )?;
            }
            out.flush()?;
        }
    }
    Ok(())
}

fn run_false_sci(args: &BlerArgs, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
    for (sidelink, mode) in FAMILIES {
        let o = bler::false_sci::run(sidelink, 10 * args.trials, args.seed);
        if json {
            let line = json!({
                "type": "false-sci", "mode": mode, "screened": o.screened, "decoded": o.decoded, "found": o.found,
            });
            writeln!(out, "{line}")?;
        } else {
            writeln!(
                out,
                "false SCI {mode}: {} of {} places in noise ({} of them decoded)",
                o.found, o.screened, o.decoded
            )?;
        }
    }
    Ok(())
}

fn parse_range(text: &str) -> Result<(f64, f64), ConfigError> {
    let wrong = || ConfigError::new(format!("{text:?} is no range"), "", "write -10..5");
    let both = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    both.filter(|(a, b)| a <= b).ok_or_else(wrong)
}
