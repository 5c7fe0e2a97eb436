//! The scenarios of relays.

use super::{Cases, LEAST_SNR, ScenarioArgs, concluded, families};
use crate::config::ConfigError;
use crate::experiments::relays::cases::{RelayCase, RelayScenario, all};
use crate::experiments::relays::costs::RelayCosts;
use crate::experiments::relays::{output, setup};
use crate::outputs::{Existing, Outputs};
use sidelink_phy::units::Decibel;
use std::io::Write;

/// Names of the scenarios, and what each is.
pub(super) fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().map(|scenario| (scenario.name, scenario.what))
}

/// Runs the cases, and reports what happened and what it cost.
///
/// # Errors
/// A name is no scenario of relays, or a case came to something else than it must.
pub(super) fn run(args: &ScenarioArgs) -> anyhow::Result<()> {
    let scenarios = args.name.iter().map(|name| scenario(name)).collect::<Result<Vec<_>, _>>()?;
    families::refuse_forms_of_links(args, "leave them out: -F json has the messages of each hop")?;
    args.cases.check_air()?;
    let mut outputs = Outputs::new(Existing::Keep);
    let mut out = args.output.claim(&mut outputs)?.create()?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    play(&args.cases, &scenarios, |case, costs| {
        let name = name_of(case);
        let mut err = std::io::stderr().lock();
        writeln!(err, "{name}")?;
        output::outcome(&costs, &mut err)?;
        // Below, lost blocks may end it.
        let judged = if case.snr.0 >= LEAST_SNR { costs.unexpected(case) } else { costs.failure.clone() };
        failed.extend(judged.map(|why| format!("{name}: {why}")));
        done.push(costs);
        Ok(())
    })?;
    output::write(args.output.form, &done, &mut out)?;
    out.finish()?;
    concluded(failed)
}

/// Plays every configuration of the command line with every other; `done` gets each case with its costs.
///
/// # Errors
/// The air fails, or `done` does.
pub(super) fn play(
    given: &Cases,
    scenarios: &[&RelayScenario],
    mut done: impl FnMut(&RelayCase<'_>, RelayCosts) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for case in cases(given, scenarios) {
        tracing::info!("{}", name_of(&case));
        let run = setup::play(&case)?;
        done(&case, RelayCosts::of(&case, &run))?;
    }
    Ok(())
}

fn name_of(case: &RelayCase<'_>) -> String {
    let RelayCase { scenario, remotes, period, snr, mcs, network_rtt, seed, .. } = case;
    let (name, snr) = (scenario.name, snr.0);
    format!(
        "{name} {remotes} remote UEs, P = {period}, {snr} dB, MCS {mcs}, RTT {network_rtt} ms, seed {seed}"
    )
}

fn scenario(name: &str) -> Result<&'static RelayScenario, ConfigError> {
    let found = all().find(|scenario| scenario.name == name);
    found.ok_or_else(|| {
        families::unknown(
            format!("{name:?} is no scenario of relays"),
            "name scenarios of relays alone",
            list(),
        )
    })
}

fn cases<'a>(given: &Cases, scenarios: &[&'a RelayScenario]) -> Vec<RelayCase<'a>> {
    let mut cases = Vec::new();
    for &scenario in scenarios {
        let remotes = given.remotes.map_or(scenario.remotes, usize::from);
        for &period in given.sc_periods() {
            for &snr in &given.snr {
                for (&mcs, &network_rtt) in
                    given.mcs.iter().flat_map(|mcs| given.network_rtt.iter().map(move |rtt| (mcs, rtt)))
                {
                    let (snr, seconds) = (Decibel(snr), given.seconds);
                    let seeds = given.seeds();
                    cases.extend(seeds.map(|seed| RelayCase {
                        scenario,
                        remotes,
                        period,
                        snr,
                        mcs,
                        network_rtt,
                        seconds,
                        seed,
                    }));
                }
            }
        }
    }
    cases
}
