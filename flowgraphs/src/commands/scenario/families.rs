//! Exercises that are of more than one link: their names, and who runs them.

use super::{ScenarioArgs, groups, relay_finding, relays, u2u};

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
