//! The scenarios of finding a relay.

use super::{LEAST_SNR, ScenarioArgs};
use crate::config::ConfigError;
use crate::experiments::relay_finding::cases::{ALL, FindingCase, FindingScenario};
use crate::experiments::relay_finding::costs::FindingCosts;
use crate::experiments::relay_finding::{output, setup};
use crate::outputs::{Existing, Outputs};
use sidelink_phy::units::Decibel;
use std::io::Write;

/// Names of the scenarios, and what each is.
pub(super) fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|scenario| (scenario.name, scenario.what))
}

/// Runs the cases, and reports what happened and what was measured.
///
/// # Errors
/// A name is none of these scenarios, or a case came to something else than it must.
pub(super) fn run(args: &ScenarioArgs) -> anyhow::Result<()> {
    let scenarios = args.name.iter().map(|name| scenario(name)).collect::<Result<Vec<_>, _>>()?;
    if args.diagram.is_some() || args.messages {
        let what = "--diagram and --messages are for scenarios of links";
        return Err(ConfigError::usage(what, "leave them out: events of relays are always shown").into());
    }
    args.cases.check_air()?;
    let mut outputs = Outputs::new(Existing::Keep);
    let mut out = args.output.claim(&mut outputs)?.create()?;
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    let given = &args.cases;
    for scenario in scenarios {
        for &snr in &given.snr {
            for &mcs in &given.mcs {
                for seed in given.seed..given.seed.saturating_add(given.runs) {
                    let case = FindingCase { scenario, snr: Decibel(snr), mcs, seed };
                    let name = format!("{} {snr} dB, MCS {mcs}, seed {seed}", scenario.name);
                    tracing::info!("{name}");
                    let played = setup::play(&case)?;
                    let costs = FindingCosts::of(&case, &played);
                    let mut err = std::io::stderr().lock();
                    writeln!(err, "{name}")?;
                    output::events(&played, &mut err)?;
                    outcome(&costs, &mut err)?;
                    let judged = costs.failure.clone().filter(|_| snr >= LEAST_SNR);
                    failed.extend(judged.map(|why| format!("{name}: {why}")));
                    all.push(costs);
                }
            }
        }
    }
    output::write(args.output.form, &all, &mut out)?;
    out.finish()?;
    if failed.is_empty() { Ok(()) } else { anyhow::bail!("{}", failed.join("\n")) }
}

fn scenario(name: &str) -> Result<&'static FindingScenario, ConfigError> {
    ALL.iter().find(|scenario| scenario.name == name).ok_or_else(|| {
        let known = list().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        let what = format!("{name:?} is no scenario of finding a relay");
        ConfigError::usage(what, format!("name scenarios of it alone: {known}"))
    })
}

/// Says what came of a case, for people.
fn outcome(costs: &FindingCosts, out: &mut dyn Write) -> std::io::Result<()> {
    if let Some(adversary) = &costs.adversary {
        writeln!(
            out,
            "{} transmissions of {adversary}; outcome: {}; taken for a relay {} times",
            costs.attacks, costs.outcome, costs.fooled
        )?;
    }
    for (why, count) in &costs.refused {
        writeln!(out, "    {count:>5} {why}")?;
    }
    Ok(())
}
