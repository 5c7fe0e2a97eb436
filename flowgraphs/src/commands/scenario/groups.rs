//! The scenarios of groups.

use super::{LEAST_SNR, ScenarioArgs, concluded, families};
use crate::config::ConfigError;
use crate::experiments::groups::cases::{ALL, GroupCase, GroupScenario};
use crate::experiments::groups::costs::GroupCosts;
use crate::experiments::groups::{output, setup};
use crate::outputs::{Existing, Outputs};
use sidelink_phy::units::Decibel;
use std::io::Write;

/// Members of a group on the air, at most.
const MOST_MEMBERS: u64 = 90;

/// Names of the scenarios, and what each is.
pub(super) fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|scenario| (scenario.name, scenario.what))
}

/// Runs the cases, and reports what happened and what it cost.
///
/// # Errors
/// A name is no scenario of a group, or a case came to something else than it must.
pub(super) fn run(args: &ScenarioArgs) -> anyhow::Result<()> {
    let scenarios = args.name.iter().map(|name| scenario(name)).collect::<Result<Vec<_>, _>>()?;
    families::refuse_forms_of_links(args, "leave them out: events of groups are always shown")?;
    args.cases.check_air()?;
    if let Some(members) = args.cases.members.iter().find(|members| **members > MOST_MEMBERS) {
        let what = format!("--members {members}: more than {MOST_MEMBERS} do not fit on the air here");
        return Err(ConfigError::usage(what, "`sidelink compare` has up to 2000, without a modem").into());
    }
    let mut outputs = Outputs::new(Existing::Keep);
    let mut out = args.output.claim(&mut outputs)?.create()?;
    let mut all = Vec::new();
    let mut failed = Vec::new();
    for case in cases(args, &scenarios) {
        let name = format!(
            "{} N = {}, P = {}, {} dB, MCS {}, {}, seed {}",
            case.scenario.name,
            case.members,
            case.period,
            case.snr.0,
            case.mcs,
            case.way.name(),
            case.seed
        );
        tracing::info!("{name}");
        let played = setup::play(&case)?;
        let costs = GroupCosts::of(&case, &played);
        let mut err = std::io::stderr().lock();
        writeln!(err, "{name}")?;
        output::events(&played, &mut err)?;
        outcome(&costs, &mut err)?;
        let judged = if snr_is_enough(&case) { costs.unexpected(&case) } else { costs.failure.clone() };
        failed.extend(judged.map(|why| format!("{name}: {why}")));
        all.push(costs);
    }
    output::write(args.output.form, &all, &mut out)?;
    out.finish()?;
    concluded(failed)
}

fn scenario(name: &str) -> Result<&'static GroupScenario, ConfigError> {
    let found = ALL.iter().find(|scenario| scenario.name == name);
    found.ok_or_else(|| {
        families::unknown(
            format!("{name:?} is no scenario of a group"),
            "name scenarios of groups alone",
            list(),
        )
    })
}

/// Every configuration of the command line with every other.
fn cases<'a>(args: &'a ScenarioArgs, scenarios: &[&'a GroupScenario]) -> Vec<GroupCase<'a>> {
    let given = &args.cases;
    let mut cases = Vec::new();
    for scenario in scenarios {
        for &members in &given.members {
            for &period in given.sc_periods() {
                for &snr in &given.snr {
                    let ways = |mcs: &'a u8| given.long_messages.iter().map(move |way| (*mcs, *way));
                    for (mcs, way) in given.mcs.iter().flat_map(ways) {
                        let (members, snr) = (members as usize, Decibel(snr));
                        let seeds = given.seeds();
                        let case = |seed| GroupCase { scenario, members, period, snr, mcs, way, seed };
                        cases.extend(seeds.map(case));
                    }
                }
            }
        }
    }
    cases
}

/// Says what came of a case, for people.
fn outcome(costs: &GroupCosts, out: &mut dyn Write) -> std::io::Result<()> {
    let words = costs.outcome.as_deref().unwrap_or("-");
    match &costs.adversary {
        Some(adversary) => {
            writeln!(out, "{} transmissions of {adversary}; outcome: {words}", costs.attacks)?;
        }
        None => writeln!(out, "outcome: {words}")?,
    }
    if let Some(thief) = &costs.thief {
        writeln!(
            out,
            "the thief reads {} of {} messages before the re-keying, and {} of {} after it",
            thief.read_before, thief.sent_before, thief.read_after, thief.sent_after
        )?;
    }
    for (why, count) in &costs.refused {
        writeln!(out, "    {count:>5} {why}")?;
    }
    Ok(())
}

/// Whether every case works at this Es/N0: below, lost blocks may end it.
fn snr_is_enough(case: &GroupCase<'_>) -> bool {
    case.snr.0 >= LEAST_SNR
}
