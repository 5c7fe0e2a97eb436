//! The scenarios of UE-to-UE relays.

use super::{Cases, LEAST_SNR, MOST_SAID, ScenarioArgs, concluded, families};
use crate::config::ConfigError;
use crate::experiments::u2u::cases::{ALL, U2uCase, U2uScenario};
use crate::experiments::u2u::costs::U2uCosts;
use crate::experiments::u2u::{output, setup};
use crate::outputs::{Existing, Outputs};
use sidelink_phy::units::Decibel;
use std::io::Write;

/// Names of the scenarios, and what each is.
pub(super) fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|scenario| (scenario.name, scenario.what))
}

/// Runs the cases, and reports what happened and what it cost.
///
/// # Errors
/// A name is no scenario of a UE-to-UE relay, or a case came to something else than it must.
pub(super) fn run(args: &ScenarioArgs) -> anyhow::Result<()> {
    families::refuse_forms_of_links(args, "leave them out: the hops are always shown")?;
    let scenarios = args.name.iter().map(|name| scenario(name)).collect::<Result<Vec<_>, _>>()?;
    let mut outputs = Outputs::new(Existing::Keep);
    let mut out = args.output.claim(&mut outputs)?.create()?;
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    play(&args.cases, &scenarios, |case, costs| {
        let name = place(&costs);
        outcome(&name, &costs, &mut std::io::stderr().lock())?;
        let judged = if case.snr.0 >= LEAST_SNR { costs.unexpected(case) } else { costs.failure.clone() };
        failed.extend(judged.map(|why| format!("{name}: {why}")));
        all.push(costs);
        Ok(())
    })?;
    output::write(args.output.form, &all, &mut out)?;
    out.finish()?;
    concluded(failed)
}

/// Names a run.
pub(super) fn place(costs: &U2uCosts) -> String {
    let U2uCosts { name, period, snr_db, mcs, seed, .. } = costs;
    format!("{name} P = {period}, {snr_db} dB, MCS {mcs}, seed {seed}")
}

/// Returns the scenario of a name.
///
/// # Errors
/// There is none.
pub(super) fn scenario(name: &str) -> Result<&'static U2uScenario, ConfigError> {
    let found = ALL.iter().find(|scenario| scenario.name == name);
    found.ok_or_else(|| {
        families::unknown(
            format!("{name:?} is no scenario of a UE-to-UE relay"),
            "name those of UE-to-UE relays alone",
            list(),
        )
    })
}

/// Runs every configuration of the command line with every other.
///
/// # Errors
/// A value is out of range, the air fails, or `done` fails.
pub(super) fn play(
    given: &Cases,
    scenarios: &[&U2uScenario],
    mut done: impl FnMut(&U2uCase<'_>, U2uCosts) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    given.check_air()?;
    for scenario in scenarios {
        for &period in given.sc_periods() {
            for (snr, mcs) in given.snr.iter().flat_map(|snr| given.mcs.iter().map(move |mcs| (*snr, *mcs))) {
                for seed in given.seeds() {
                    let snr = Decibel(snr);
                    let case = U2uCase { scenario, period, snr, mcs, seed, seconds: given.seconds };
                    tracing::info!("{} P = {period}, {} dB, seed {seed}", scenario.name, snr.0);
                    let run = setup::play(&case)?;
                    done(&case, U2uCosts::of(&case, &run))?;
                }
            }
        }
    }
    Ok(())
}

/// Says what came of a case, for people.
fn outcome(name: &str, costs: &U2uCosts, out: &mut dyn Write) -> std::io::Result<()> {
    let words = costs.outcome.as_deref().unwrap_or("-");
    let gap = costs.longest_gap_ms.unwrap_or(0);
    let adversary = costs.adversary.as_deref().unwrap_or("nobody");
    writeln!(
        out,
        "{name}: {} sent, {} delivered, {gap} ms at most between two; attacker: {adversary}; outcome: {words}",
        costs.sent, costs.delivered
    )?;
    if let Some(ms) = costs.change_ms {
        let (hops, ends) = (costs.hop_keys, costs.end_keys);
        writeln!(
            out,
            "{name}: another relay after {ms} ms; {hops} keys of hops at the source, {ends} from end to end"
        )?;
    }
    let mut said: Vec<_> = costs.said.iter().collect();
    said.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (what, count) in costs.findings.iter().chain(said.into_iter().take(MOST_SAID)) {
        writeln!(out, "    {count:>5} {what}")?;
    }
    Ok(())
}
