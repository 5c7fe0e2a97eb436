//! `sidelink scenario`: named cases of one-to-one links, of groups, of UE-to-UE relays and of discovery over the virtual air, with their costs.

pub mod compare;
mod compare_discovery;
mod compare_groups;
mod compare_relays;
mod compare_u2u;
mod compared;
mod discovery;
mod discovery_attacks;
mod families;
mod groups;
mod relay_finding;
mod relays;
mod u2u;

use crate::args::Output;
use crate::config::{ConfigError, LongMessageWay};
use crate::experiments::cases::Expect;
use crate::experiments::metrics::{Case, Costs};
use crate::experiments::output::Detail;
use crate::experiments::overlay::costs::OverlayCosts;
use crate::experiments::{cases, diagram, output, setup};
use crate::outputs::{Existing, Outputs};
use crate::terminal;
use clap::Args;
use sidelink_phy::units::Decibel;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `sidelink scenario`.
#[derive(Debug, Args)]
pub struct ScenarioArgs {
    /// Names of scenarios; several are shown side by side.
    #[arg(required_unless_present = "list", value_name = "NAME")]
    pub name: Vec<String>,
    /// List the scenarios.
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    cases: Cases,
    /// Show a line for each message instead of each phase.
    #[arg(long)]
    pub messages: bool,
    /// Form of the output: table, json or csv, json:FILE.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub output: Output,
    /// Draw the messages of the first run: a .svg file, or text on standard output with -.
    #[arg(long, value_name = "FILE")]
    pub diagram: Option<PathBuf>,
}

/// Most runs of a case.
const MOST_RUNS: u64 = 100_000;
/// Largest seed of the first run: parts of a run have seeds that are multiples of it.
const MOST_SEED: u64 = 1_000_000_000_000;

/// The configurations to run, each with every other.
#[derive(Debug, Args)]
struct Cases {
    /// SC period in subframes: 40, 80, 160 or 320; several as 40,160; 40 without it. Of discovery: the discovery period, 40,
    /// 60, 70, 80, 120, 140, 160, 240, 280, 320, 640, 1280 or 2560; 320 without it.
    #[arg(long, value_name = "P", value_delimiter = ',')]
    period: Vec<u64>,
    /// Es/N0 in dB, -30 to 60; several as 0,10,20.
    #[arg(long, value_name = "DB", default_value = "20", value_delimiter = ',', allow_hyphen_values = true)]
    snr: Vec<f64>,
    /// I_MCS of PSSCH, 0 to 20; several as 0,5. A lower one tolerates more noise, but needs more blocks.
    #[arg(long, value_delimiter = ',', default_value = "5", value_parser = clap::value_parser!(u8).range(0..=20))]
    mcs: Vec<u8>,
    /// Milliseconds between re-keyings instead of the scenario's; 0 for none.
    #[arg(long, value_name = "MS")]
    rekey_every: Option<u64>,
    /// Data that UE_1 sends in kbit/s, where the scenario has data.
    #[arg(long, value_name = "KBIT/S")]
    kbps: Option<f64>,
    /// Seconds on the air instead of the scenario's, 1 to 36000. Of protections of discovery: 12.8 without it. Attacks on
    /// discovery have times, UEs and pools of their own.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=36_000))]
    seconds: Option<u64>,
    /// Members of a group besides its manager; several as 2,20,200. 2 to 90 on the air, and to 2000 where `compare` needs no
    /// modem.
    #[arg(long, value_name = "N", default_value = "20", value_delimiter = ',',
        value_parser = clap::value_parser!(u64).range(2..=2000))]
    members: Vec<u64>,
    /// Remote UEs of a relay instead of the scenario's, in scenarios of relays.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    remotes: Option<u8>,
    /// Milliseconds there and back between a UE and its network, in scenarios of relays; several as 100,500,2000.
    #[arg(long, value_name = "MS", default_value = "40", value_delimiter = ',',
        value_parser = clap::value_parser!(u64).range(0..=10_000))]
    network_rtt: Vec<u64>,
    /// How messages travel that are longer than a block, in scenarios of groups; several as whole,coded.
    #[arg(long, value_name = "WAY", value_delimiter = ',', default_value = "whole")]
    long_messages: Vec<LongMessageWay>,
    /// Number of runs of each case, each with its own seed: 1 to 100000.
    #[arg(long, visible_alias = "seeds", value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=MOST_RUNS))]
    runs: u64,
    /// Seed of the first run, 0 to 10^12; the others follow it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=MOST_SEED))]
    seed: u64,
    #[command(flatten)]
    discovery: discovery::DiscoveryArgs,
}

impl Cases {
    /// Returns the seed of each run of a case.
    const fn seeds(&self) -> std::ops::Range<u64> {
        self.seed..self.seed + self.runs
    }

    /// Returns the SC periods.
    fn sc_periods(&self) -> &[u64] {
        if self.period.is_empty() { &[40] } else { &self.period }
    }

    /// Checks the values that are about the air.
    ///
    /// # Errors
    /// The first one that is out of range.
    fn check_air(&self) -> Result<(), ConfigError> {
        if let Some(period) = self.sc_periods().iter().find(|p| ![40, 80, 160, 320].contains(p)) {
            let what = format!("--period {period}: there is no SC period of {period} subframes here");
            return Err(ConfigError::usage(what, "40, 80, 160 or 320"));
        }
        if let Some(snr) = self.snr.iter().find(|snr| !(-30.0..=60.0).contains(*snr)) {
            return Err(ConfigError::usage(format!("--snr {snr}: out of range"), "-30 to 60 dB"));
        }
        Ok(())
    }

    /// Runs the scenarios of these names one after the other, as fast as the processors allow. `done` gets each case
    /// with its costs.
    ///
    /// # Errors
    /// A name or a value is invalid, the air fails, or `done` fails.
    fn play(
        &self,
        names: &[String],
        mut done: impl FnMut(&Case<'_>, Costs) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.check_air()?;
        if let Some(kbps) = self.kbps.filter(|kbps| !(0.1..=3000.0).contains(kbps)) {
            return Err(
                ConfigError::usage(format!("--kbps {kbps}: out of range"), "0.1 to 3000 kbit/s").into()
            );
        }
        let (rekey, kbps, seconds) = (self.rekey_every, self.kbps, self.seconds);
        for name in names {
            let Some(scenario) = cases::all().find(|s| s.name == name) else {
                let names = cases::all().map(|s| s.name);
                let others = families::list().map(|(name, _)| name);
                let known = names.chain(others).collect::<Vec<_>>().join(", ");
                let what = format!("no scenario {name:?}");
                return Err(ConfigError::usage(what, format!("there are {known}")).into());
            };
            for &period in self.sc_periods() {
                for &snr in &self.snr {
                    for &mcs in &self.mcs {
                        for seed in self.seeds() {
                            let case =
                                Case { scenario, period, snr: Decibel(snr), mcs, rekey, kbps, seconds, seed };
                            tracing::info!("{name} P = {period}, {snr} dB, MCS {mcs}, seed {seed}");
                            let played = setup::play(&case)?;
                            done(&case, Costs::of(&case, &played))?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Runs the cases, and reports their costs.
///
/// # Errors
/// A name is unknown, or a case failed its purpose.
pub fn run(args: ScenarioArgs) -> anyhow::Result<()> {
    if args.list {
        let mut out = terminal::stdout();
        let links = cases::all().map(|scenario| (scenario.name, scenario.what));
        for (name, what) in links.chain(families::list()) {
            writeln!(out, "{name:<28} {what}")?;
        }
        out.flush()?;
        return Ok(());
    }
    if let Some(family) = families::of(&args.name) {
        return (family.run)(&args);
    }
    let mut outputs = Outputs::new(Existing::Keep);
    let drawing = args.diagram.as_deref().map(|path| outputs.claim("--diagram", path)).transpose()?;
    let mut out = args.output.claim(&mut outputs)?.create()?;
    let mut drawing = drawing.map(|place| place.create()).transpose()?;
    let format = diagram::Format::of(args.diagram.as_deref());
    let mut all: Vec<Costs> = Vec::new();
    args.cases.play(&args.name, |_, costs| {
        if let Some(mut file) = drawing.take() {
            file.write_all(diagram::draw(&costs.messages, format).as_bytes())?;
            file.finish()?;
        }
        all.push(costs);
        Ok(())
    })?;
    let detail = if args.messages { Detail::Messages } else { Detail::Phases };
    output::write(args.output.form, &all, detail, &mut out)?;
    out.finish()?;
    outcomes(&all)
}

/// Prints the outcomes of data and attacks, for people; returns an error if a forbidden outcome occurred.
fn outcomes(all: &[Costs]) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for c in all {
        let case = format!("{} P = {}, {} dB, seed {}", c.name, c.period, c.snr_db, c.seed);
        if c.delivered > 0 {
            let gap = c.longest_gap_ms.unwrap_or(0);
            eprintln!(
                "{case}: {} sent, {} delivered, {} lost between them, {gap} ms at most between two; {} back; {} re-keyings",
                c.sent, c.delivered, c.lost, c.delivered_back, c.rekeyings[0]
            );
        }
        if let Some(network) = &c.network {
            for (point, spent) in &network.points {
                eprintln!("{case}: {point}: {} messages, {} octets", spent.messages, spent.octets);
            }
        }
        if let Some(overlay) = &c.overlay {
            overlay_outcome(&case, overlay);
        }
        for (ue, (why, ms)) in c.closed.iter().zip(c.closed_ms).enumerate() {
            if let (Some(why), Some(ms)) = (why, ms) {
                eprintln!("{case}: UE_{} gives its link up after {ms} ms: {why}", ue + 1);
            }
        }
        if c.adversary.is_some() {
            eprintln!(
                "{case}: {} transmissions of {}; {}; links that came of it: {}; refused with a note: {}",
                c.attacks,
                c.adversary.as_deref().unwrap_or("nobody"),
                c.outcome.as_deref().unwrap_or("-"),
                c.foreign_links,
                c.notes
            );
            let mut said: Vec<_> = c.said.iter().collect();
            said.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (what, count) in c.findings.iter().chain(said.iter().copied().take(MOST_SAID)) {
                eprintln!("    {count:>5} {what}");
            }
            if said.len() > MOST_SAID {
                eprintln!("          and {} other kinds of notes (-F json has all)", said.len() - MOST_SAID);
            }
        }
        match &c.failure {
            Some(why) => failed.push(format!("{case}: {why}")),
            None if c.snr_db >= LEAST_SNR => failed.extend(unexpected(c).map(|why| format!("{case}: {why}"))),
            None => {}
        }
    }
    concluded(failed)
}

/// Returns the outcomes that must not be as one error; none is success.
fn concluded(failed: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let failed: Vec<_> = failed.into_iter().collect();
    if failed.is_empty() { Ok(()) } else { anyhow::bail!("{}", failed.join("\n")) }
}

/// Prints what an overlay came to, for people.
fn overlay_outcome(case: &str, overlay: &OverlayCosts) {
    match overlay.both_ready_ms() {
        None => eprintln!("{case}: overlay ({}): no keys", overlay.method),
        Some(ms) => eprintln!(
            "{case}: overlay ({}): keys after {ms} ms, {} packets of {} octets; {:.0} octets added to {:.0}; {} of {} packets came, {} over the network, {} ms at most between two",
            overlay.method,
            overlay.messages.iter().sum::<u64>(),
            overlay.octets.iter().sum::<u64>(),
            overlay.added_octets,
            overlay.plain_octets,
            overlay.came[1],
            overlay.sent[0],
            overlay.over_network,
            overlay.gap_ms.unwrap_or(0)
        ),
    }
    for (why, count) in &overlay.refused {
        eprintln!("    {count:>5} {why}");
    }
}

/// Largest number of kinds of notes that are shown.
const MOST_SAID: usize = 6;

/// Es/N0 in dB above which every case works; below, a lost block may end it.
const LEAST_SNR: f64 = 8.0;

/// Returns the unexpected outcome of a case, if any.
fn unexpected(c: &Costs) -> Option<&'static str> {
    let expect = cases::all().find(|s| s.name == c.name)?.attack.map(|attack| attack.expect);
    match expect {
        None | Some(Expect::Stopped) if !c.linked() => Some("there is no link"),
        Some(Expect::Stopped) if c.outcome.as_deref() != Some("stopped") => {
            Some("the attack was not stopped")
        }
        Some(Expect::Denied) if c.linked() => Some("there is a link, which nothing here is known to allow"),
        Some(Expect::Passes) if c.outcome.as_deref() == Some("stopped") => {
            Some("the attack was stopped, which nothing here is known to do")
        }
        _ => None,
    }
}
