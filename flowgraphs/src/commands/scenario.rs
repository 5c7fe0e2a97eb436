//! `sidelink scenario`: named cases of one-to-one links over the virtual air, with what they cost.

mod cast;
mod diagram;
mod meter;

use crate::args::{Form, Output};
use crate::config::ConfigError;
use crate::terminal;
use clap::Args;
use meter::{Case, Costs};
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `sidelink scenario`.
#[derive(Debug, Args)]
pub struct ScenarioArgs {
    /// Which; several are set side by side.
    #[arg(required_unless_present = "list", value_name = "NAME")]
    pub name: Vec<String>,
    /// Say what there is.
    #[arg(long)]
    pub list: bool,
    /// SC period in subframes: 40, 80, 160 or 320; several as 40,160.
    #[arg(long, value_name = "P", default_value = "40", value_delimiter = ',')]
    pub period: Vec<u64>,
    /// Es/N0 in dB; several as 0,10,20.
    #[arg(long, value_name = "DB", default_value = "20", value_delimiter = ',', allow_hyphen_values = true)]
    pub snr: Vec<f64>,
    /// Runs of each case, with seeds of their own.
    #[arg(long, default_value_t = 1)]
    pub runs: u64,
    /// Seed of the first run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Form of the output: table or json, json:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub output: Output,
    /// Draw the messages of the first run: a .svg file, or text on standard output with -.
    #[arg(long, value_name = "FILE")]
    pub diagram: Option<PathBuf>,
}

/// Run the cases one after the other, as fast as the processors allow.
///
/// # Errors
/// A name that is none, or a case that did not do what it is for.
pub fn run(args: ScenarioArgs) -> anyhow::Result<()> {
    if args.list {
        let mut out = terminal::stdout();
        for scenario in cast::ALL {
            writeln!(out, "{:<20} {}", scenario.name, scenario.what)?;
        }
        out.flush()?;
        return Ok(());
    }
    for period in &args.period {
        if ![40, 80, 160, 320].contains(period) {
            let what = format!("no SC period of {period} subframes here");
            return Err(ConfigError::new(what, "--period", "40, 80, 160 or 320").into());
        }
    }
    let mut all = Vec::new();
    for name in &args.name {
        let Some(scenario) = cast::ALL.iter().find(|s| s.name == name) else {
            let known = cast::ALL.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
            return Err(
                ConfigError::new(format!("no scenario {name:?}"), "", format!("there are {known}")).into()
            );
        };
        for &period in &args.period {
            for &snr in &args.snr {
                for run in 0..args.runs.max(1) {
                    let case = Case { scenario, period, snr, seed: args.seed + run };
                    tracing::info!("{} P = {period}, {snr} dB, seed {}", scenario.name, case.seed);
                    let played = cast::play(&case)?;
                    if all.is_empty()
                        && let Some(path) = &args.diagram
                    {
                        diagram::draw(&played.messages(), path)?;
                    }
                    all.push(Costs::of(&case, &played));
                }
            }
        }
    }
    match args.output.form {
        Form::Json => meter::json(&all, args.output.file.as_deref())?,
        Form::Table => meter::table(&all, args.output.file.as_deref())?,
    }
    let failed: Vec<_> =
        all.iter().filter_map(|c| c.failure.as_deref().map(|f| format!("{}: {f}", c.name))).collect();
    if failed.is_empty() { Ok(()) } else { anyhow::bail!("{}", failed.join("\n")) }
}
