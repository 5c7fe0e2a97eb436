//! Exercises that are of more than one link: their names, and who runs them.

use super::{Cases, ScenarioArgs, discovery, discovery_attacks, groups, relay_finding, relays, u2u};
use crate::config::{ConfigError, LongMessageWay};

/// Exercises of one kind.
pub(super) struct Family {
    list: fn() -> Vec<(&'static str, &'static str)>,
    /// Runs those of the arguments.
    pub(super) run: fn(&ScenarioArgs) -> anyhow::Result<()>,
}

const ALL: &[Family] = &[
    Family { list: || groups::list().collect(), run: groups::run },
    Family { list: || relays::list().collect(), run: relays::run },
    Family { list: || relay_finding::list().collect(), run: relay_finding::run },
    Family { list: || u2u::list().collect(), run: u2u::run },
    Family { list: || discovery::list().collect(), run: discovery::run },
    Family { list: || discovery_attacks::list().collect(), run: discovery_attacks::run },
];

/// Names of all exercises of families, and what each is.
pub(super) fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().flat_map(|family| (family.list)())
}

/// Returns the family of the first of these names that has one.
pub(super) fn of(names: &[String]) -> Option<&'static Family> {
    let has = |family: &Family, wanted: &String| (family.list)().iter().any(|(name, _)| name == wanted);
    names.iter().find_map(|wanted| ALL.iter().find(|family| has(family, wanted)))
}

/// Refuses forms of output that exercises of one link alone have.
///
/// # Errors
/// One is asked for; `remedy` says what to do.
pub(super) fn refuse_forms_of_links(args: &ScenarioArgs, remedy: &str) -> Result<(), ConfigError> {
    if args.diagram.is_none() && !args.messages {
        return Ok(());
    }
    Err(ConfigError::usage("--diagram and --messages are for scenarios of links", remedy))
}

/// Returns the options of a command line that are about links, groups and relays alone: those that differ from what they are
/// without it.
pub(super) fn options_of_links(cases: &Cases) -> Vec<&'static str> {
    given([
        ("--mcs", cases.mcs != [5]),
        ("--rekey-every", cases.rekey_every.is_some()),
        ("--kbps", cases.kbps.is_some()),
        ("--members", cases.members != [20]),
        ("--remotes", cases.remotes.is_some()),
        ("--long-messages", cases.long_messages != [LongMessageWay::Whole]),
    ])
}

/// Returns the options of a command line that are about the air of several families: those that differ from what they are
/// without it.
pub(super) fn options_of_air(cases: &Cases) -> Vec<&'static str> {
    given([
        ("--period", !cases.period.is_empty()),
        ("--snr", cases.snr != [20.0]),
        ("--seconds", cases.seconds.is_some()),
        ("--network-rtt", cases.network_rtt != [40]),
    ])
}

/// Returns the names of the options that are given.
pub(super) fn given(all: impl IntoIterator<Item = (&'static str, bool)>) -> Vec<&'static str> {
    all.into_iter().filter(|(_, is_given)| *is_given).map(|(option, _)| option).collect()
}

/// Refuses options that have no meaning for an exercise.
///
/// # Errors
/// There is one; `remedy` says what to do.
pub(super) fn refuse(options: &[&str], whose: &str, remedy: &str) -> Result<(), ConfigError> {
    if options.is_empty() {
        return Ok(());
    }
    Err(ConfigError::usage(format!("{} means nothing to {whose}", options.join(", ")), remedy))
}

/// Returns the error of a name that a family does not have.
pub(super) fn unknown(
    what: String,
    remedy: &str,
    list: impl Iterator<Item = (&'static str, &'static str)>,
) -> ConfigError {
    let known = list.map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    ConfigError::usage(what, format!("{remedy}: {known}"))
}
