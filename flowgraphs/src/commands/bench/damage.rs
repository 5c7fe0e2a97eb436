//! `sidelink bench damage`: cost of damage to the samples.

use crate::args::{Form, Output};
use crate::bench::damage::{self, CASES, Damage, Kind, Score, Signal, SignalName, Tally};
use crate::commands::ue::parse_duration;
use crate::config::ConfigError;
use crate::outputs::{ForceArgs, OutputFile, Outputs};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct DamageArgs {
    /// Kinds of damage; the default is all.
    #[arg(long, value_delimiter = ',', value_name = "KIND,..")]
    kind: Vec<Kind>,
    /// Signals; the default is all.
    #[arg(long, value_delimiter = ',', value_name = "SIGNAL,..")]
    signal: Vec<SignalName>,
    /// Duration of each signal, such as 0.5, 3s or 1m: 0.1 s to 60 s.
    #[arg(long, default_value = "3", value_name = "TIME", value_parser = duration)]
    duration: Duration,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Also write every damaged signal into this folder, as SigMF with annotations: 123 MB for a second at 15.36 MS/s.
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
    /// Whether existing recordings are replaced.
    #[command(flatten)]
    force: ForceArgs,
    /// Form of the output: table, json or json:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub(super) output: Output,
}

fn duration(text: &str) -> Result<Duration, ConfigError> {
    let range = Duration::from_millis(100)..=Duration::from_secs(60);
    let error = || ConfigError::new(format!("{text:?} is not 0.1 s to 60 s"), "", "");
    parse_duration(text).ok().filter(|duration| range.contains(duration)).ok_or_else(error)
}

impl DamageArgs {
    fn signals(&self) -> &[SignalName] {
        if self.signal.is_empty() { SignalName::value_variants() } else { &self.signal }
    }

    fn cases(&self) -> impl Iterator<Item = &'static Damage> {
        CASES.iter().filter(|case| self.kind.is_empty() || self.kind.contains(&case.kind()))
    }

    /// Returns the path of the recording of a damaged signal, if there is to be one.
    fn path(&self, signal: SignalName, damage: &Damage) -> Option<PathBuf> {
        self.write.as_ref().map(|folder| folder.join(format!("{signal}_{}.sigmf-meta", damage.slug())))
    }

    /// Claims the places of all recordings, and opens the output of the figures, before the time is spent.
    fn claim(&self) -> anyhow::Result<OutputFile> {
        let mut outputs = Outputs::new(self.force);
        let names = self.signals().iter().flat_map(|signal| self.cases().map(|case| (*signal, case)));
        let paths = names.filter_map(|(signal, case)| self.path(signal, case));
        paths.into_iter().try_for_each(|path| outputs.claim_recording("--write", &path))?;
        super::open(&self.output, &mut outputs)
    }
}

pub(super) fn run(args: &DamageArgs) -> anyhow::Result<OutputFile> {
    let mut out = args.claim()?;
    if args.output.form == Form::Table {
        writeln!(out, "{}", header())?;
    }
    for &name in args.signals() {
        let subframes = u64::try_from(args.duration.as_millis())?;
        let signal = Signal::new(name, subframes, args.seed)?;
        for case in args.cases() {
            let score = measure(&signal, case, args.seed, args.path(name, case).as_deref())?;
            match args.output.form {
                Form::Table => writeln!(out, "{}", line(&signal, case, &score))?,
                _ => writeln!(out, "{}", to_json(&signal, case, &score, args))?,
            }
            out.flush()?;
        }
    }
    Ok(out)
}

fn measure(signal: &Signal, case: &Damage, seed: u64, path: Option<&Path>) -> anyhow::Result<Measured> {
    let damaged = case.apply(signal, seed);
    if let Some(path) = path {
        damage::write(signal, case, &damaged, path)?;
    }
    let score = damage::receive(signal, &damaged);
    let rate = signal.numerology.sample_rate().0;
    let since = |missed: i64| damaged.places.only_loss_end().map(|end| (missed - end).max(0) as f64 / rate);
    let recovery_ms = score.last_missed.and_then(since).map(|seconds| 1e3 * seconds);
    Ok(Measured { score, recovery_ms })
}

/// Counts, and the duration of the effects of a loss.
struct Measured {
    score: Score,
    /// Milliseconds from the end of the only loss to that of the last missed SCI or block that it does not overlap.
    recovery_ms: Option<f64>,
}

fn header() -> String {
    let title = |name: &str| format!("{:>11} {:>6}", name, "%");
    format!(
        "{:<8} {:<12} {:<27} {} {} {:>7} {:>7} {:>6} {:>5}",
        "signal",
        "damage",
        "strength",
        title("SCIs"),
        title("blocks"),
        "clear %",
        "MIBs",
        "false",
        "ms"
    )
}

fn line(signal: &Signal, case: &Damage, measured: &Measured) -> String {
    let Measured { score, recovery_ms } = measured;
    let share = |tally: &Tally| {
        format!("{:>11} {:>6}", format!("{}/{}", tally.heard, tally.sent), percent(tally.heard, tally.sent))
    };
    let false_ones = score.scis.false_ones + score.blocks.false_ones + score.mibs.false_ones;
    let line = format!(
        "{:<8} {:<12} {case:<27} {} {} {:>7} {:>7} {false_ones:>6} {:>5}",
        signal.name,
        case.kind(),
        share(&score.scis),
        share(&score.blocks),
        percent(score.blocks.clear_heard, score.blocks.clear),
        format!("{}/{}", score.mibs.heard, score.mibs.sent),
        recovery_ms.map_or(String::new(), |ms| format!("{ms:.0}")),
    );
    line.trim_end().to_owned()
}

/// Formats a percentage, never rounded up to 100.
fn percent(part: u32, whole: u32) -> String {
    match 100.0 * f64::from(part) / f64::from(whole) {
        share if share.is_nan() => "-".to_owned(),
        share => format!("{:.1}", (10.0 * share).floor() / 10.0),
    }
}

fn to_json(signal: &Signal, case: &Damage, measured: &Measured, args: &DamageArgs) -> Value {
    let tally = |t: &Tally| {
        json!({
            "sent": t.sent, "heard": t.heard, "clear": t.clear, "clear_heard": t.clear_heard,
            "repeated": t.repeated, "false": t.false_ones,
        })
    };
    let score = &measured.score;
    json!({
        "type": "damage",
        "signal": signal.name.to_string(),
        "kind": case.kind().to_string(),
        "strength": case.to_string(),
        "seconds": args.duration.as_secs_f64(),
        "rate": signal.numerology.sample_rate().0,
        "seed": args.seed,
        "sci": tally(&score.scis),
        "sl_sch": tally(&score.blocks),
        "mib": tally(&score.mibs),
        "recovery_ms": measured.recovery_ms,
    })
}
