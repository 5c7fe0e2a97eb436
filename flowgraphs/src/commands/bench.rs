//! `sidelink bench`: measurements of the testbed.

mod bler;
mod damage;
mod latency;

use crate::args::{Form, Output};
use crate::bench::phy;
use crate::bench::security::{self, Row};
use crate::bench::timing::Timing;
use crate::config::ConfigError;
use crate::inspect::plot;
use crate::outputs::{Existing, OutputFile, Outputs, Place};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
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
    /// Measure block error rates: the Es/N0 at which 10 % of the blocks fail, with its confidence interval.
    Bler(bler::BlerArgs),
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

/// Runs the measurements.
///
/// # Errors
/// A case that does not exist, or output that cannot be written.
pub fn run(args: BenchArgs) -> anyhow::Result<()> {
    let mut outputs = Outputs::new(Existing::Keep);
    match args.what {
        What::Phy(args) => finish(run_phy(&args, open(&args.output, &mut outputs)?)),
        What::Bler(args) => bler::run(&args, &mut outputs),
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
