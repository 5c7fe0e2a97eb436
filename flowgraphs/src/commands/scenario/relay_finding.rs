//! The scenarios of finding a relay.

use super::{LEAST_SNR, ScenarioArgs, concluded, families};
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
    families::refuse_forms_of_links(args, "leave them out: events of relays are always shown")?;
    args.cases.check_air()?;
    let mut outputs = Outputs::new(Existing::Keep);
    let mut out = args.output.claim(&mut outputs)?.create()?;
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    let given = &args.cases;
    for scenario in scenarios {
        for &snr in &given.snr {
            for &mcs in &given.mcs {
                for seed in given.seeds() {
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
    concluded(failed)
}

fn scenario(name: &str) -> Result<&'static FindingScenario, ConfigError> {
    let found = ALL.iter().find(|scenario| scenario.name == name);
    found.ok_or_else(|| {
        families::unknown(
            format!("{name:?} is no scenario of finding a relay"),
            "name scenarios of it alone",
            list(),
        )
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
