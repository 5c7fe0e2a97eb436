//! Exercises that are of more than one link: their names, and who runs them.

use super::{ScenarioArgs, discovery, groups, relay_finding, relays, u2u};
use crate::config::ConfigError;

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

/// Returns the error of a name that a family does not have.
pub(super) fn unknown(
    what: String,
    remedy: &str,
    list: impl Iterator<Item = (&'static str, &'static str)>,
) -> ConfigError {
    let known = list.map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    ConfigError::usage(what, format!("{remedy}: {known}"))
}
