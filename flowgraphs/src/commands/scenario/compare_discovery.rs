//! `sidelink compare` of discovery: what each protection costs, with confidence intervals over seeds.

use super::compared;
use super::discovery::{add, configurations, failure, groups, named, once, play};
use super::{Cases, concluded};
use crate::args::Output;
use crate::config::ConfigError;
use crate::experiments::discovery::builds::{Build, all};
use crate::experiments::discovery::cases;
use crate::experiments::discovery::costs::DiscoveryCosts;
use crate::experiments::discovery::output::{Group, labels, rows};
use crate::experiments::discovery::statistics::Figure;
use crate::experiments::output::write_as;
use crate::inspect::plot::{self, Panel};
use crate::outputs::Outputs;
use std::path::Path;

/// Stands for all of them.
const ALL: &str = "discovery";

/// Most configurations of a picture.
const MOST_LINES: usize = 250;

/// Protections to compare: builds to run, and costs of earlier runs.
pub(super) struct Chosen {
    builds: Vec<&'static Build>,
    costs: Vec<DiscoveryCosts>,
}

/// Returns what is compared, where all names are of discovery or of files of it; `None` where none is.
///
/// # Errors
/// They are named beside something else, or are attacks: those have outcomes, and no costs.
pub(super) fn chosen(what: &[String]) -> Result<Option<Chosen>, ConfigError> {
    let mut chosen = Chosen { builds: Vec::new(), costs: Vec::new() };
    let mut others = Vec::new();
    for name in what {
        if name == ALL {
            all().for_each(|build| add(&mut chosen.builds, build));
        } else if cases::all().any(|case| case.name == name) {
            let what = format!("{name} is not compared: it has an outcome, and no costs");
            return Err(ConfigError::usage(what, "run it with `sidelink scenario`"));
        } else if let Ok(build) = named(name) {
            add(&mut chosen.builds, build);
        } else {
            match read(name) {
                Ok(costs) if !costs.is_empty() => chosen.costs.extend(costs),
                result => {
                    if let Some(kind) = results(Path::new(name)) {
                        return Err(not_costs(name, kind, result.err()));
                    }
                    others.push(name);
                }
            }
        }
    }
    match others[..] {
        [] => Ok(Some(chosen)),
        _ if others.len() == what.len() => Ok(None),
        [first, ..] => {
            let what = format!("{first:?} is not compared with protections of discovery");
            Err(ConfigError::usage(what, "compare them in two runs"))
        }
    }
}

/// How a file of runs is made.
const REMEDY: &str = "make it with `sidelink scenario discovery-restricted -F json:FILE`";

fn read(name: &str) -> Result<Vec<DiscoveryCosts>, ConfigError> {
    compared::read(Path::new(name), REMEDY)
}

/// Content of a file of discovery, by its first line.
enum Results {
    /// Lines of `compare`: the runs are not in them.
    Comparison,
    /// What attacks came to.
    Outcomes,
    /// Runs, one of which cannot be read.
    Runs,
}

/// Returns what a file holds that is of discovery; `None` for another file.
fn results(path: &Path) -> Option<Results> {
    let text = std::fs::read_to_string(path).ok()?;
    let first: serde_json::Value = serde_json::from_str(text.lines().next()?).ok()?;
    let name = first.get("name")?.as_str()?;
    if cases::all().any(|case| case.name == name) {
        return Some(Results::Outcomes);
    }
    named(name).ok()?;
    Some(if first.get("seed").is_none() { Results::Comparison } else { Results::Runs })
}

fn not_costs(name: &str, kind: Results, error: Option<ConfigError>) -> ConfigError {
    let new = |what: &str| ConfigError::new(what, name, REMEDY);
    match (kind, error) {
        (Results::Outcomes, _) => {
            new("it holds what attacks came to, and no costs of protections of discovery")
        }
        (Results::Comparison, _) => {
            new("it holds a comparison, whose lines are of several runs, and not the runs themselves")
        }
        (Results::Runs, Some(error)) => error,
        (Results::Runs, None) => new("it holds no runs"),
    }
}

/// Runs the builds, and prints the costs of each configuration.
///
/// # Errors
/// A value is out of range, or a forbidden outcome occurred.
pub(super) fn run(
    chosen: Chosen,
    cases: &Cases,
    (output, plot): (&Output, Option<&Path>),
    mut outputs: Outputs,
) -> anyhow::Result<()> {
    if plot.is_some() {
        check_lines(&chosen, cases)?;
    }
    let picture = plot.map(|path| plot::claim(&mut outputs, path)).transpose()?;
    let mut out = output.claim(&mut outputs)?.create()?;
    let Chosen { builds, costs: mut all } = chosen;
    all.extend(play(cases, &builds)?);
    let all = once(all);
    let groups = groups(&all);
    write_as(output.form, &groups, || rows(&groups), &mut out)?;
    out.finish()?;
    for words in incomparable(&groups) {
        eprintln!("{words}");
    }
    if let Some(place) = &picture {
        let title = match groups.iter().any(|g| g.runs > 1) {
            true => "What protections of discovery cost, with 95 % confidence intervals",
            false => "What protections of discovery cost",
        };
        plot::draw(place, title, &panels(&groups))?;
    }
    concluded(all.iter().filter_map(failure))
}

/// Checks that a picture has room for a bar of each configuration, before any work is done.
fn check_lines(chosen: &Chosen, cases: &Cases) -> Result<(), ConfigError> {
    let lines = groups(&chosen.costs).len() + chosen.builds.len() * configurations(cases)?;
    if lines <= MOST_LINES {
        return Ok(());
    }
    let remedy =
        format!("at most {MOST_LINES}: choose fewer protections or configurations, or leave --plot out");
    Err(ConfigError::usage(format!("--plot of {lines} configurations"), remedy))
}

/// Says which figures do not mean the same in all lines.
fn incomparable(groups: &[Group]) -> Vec<String> {
    let mut words = Vec::new();
    let names = |wanted: &dyn Fn(&Group) -> bool| {
        let mut names: Vec<&str> =
            groups.iter().filter(|g| wanted(g)).map(|g| g.configuration.name.as_str()).collect();
        names.dedup();
        names.join(", ")
    };
    let nobody = names(&|g| g.verifier == "nobody");
    if !nobody.is_empty() {
        words.push(format!("{nobody}: nothing is ever verified; only its first matches are compared"));
    }
    let network = names(&|g| g.verifier == "network");
    if !network.is_empty() && groups.iter().any(|g| g.verifier != "network") {
        words.push(format!(
            "{network}: verified by the network, in coverage alone; the others need none then"
        ));
    }
    if groups.iter().any(|g| !g.configuration.is_same_case(&groups[0].configuration)) {
        words.push(
            "configurations differ in their UEs, pool, noise, clocks or time: compare lines of the same ones"
                .to_owned(),
        );
    }
    if groups.iter().any(|g| g.runs < 2) {
        words.push("a configuration with one seed has no confidence interval: use --seeds".to_owned());
    }
    words
}

fn panels(groups: &[Group]) -> Vec<Panel<'static>> {
    let labels = labels(groups);
    let bars = |title: &str, unit: &str, value: &dyn Fn(&Group) -> Option<Figure>| {
        let rounded = |v: f64| (v * 100.0).round() / 100.0;
        let bars: Vec<_> = groups
            .iter()
            .zip(&labels)
            .filter_map(|(g, label)| value(g).map(|f| (label.clone(), rounded(f.mean), f.ci.map(rounded))))
            .collect();
        (!bars.is_empty()).then(|| Panel::Intervals { title: title.to_owned(), unit: unit.to_owned(), bars })
    };
    let percent =
        |f: Option<Figure>| f.map(|f| Figure { mean: 100.0 * f.mean, ci: f.ci.map(|ci| 100.0 * ci) });
    let all = [
        bars("Time to the first match, mean", "ms", &|g| g.first_ms),
        bars("Time to verification, mean", "ms", &|g| g.verified_ms),
        bars("Time to verification, 95 %", "ms", &|g| g.verified_ms_p95),
        bars("Blocks of another UE that are heard", "%", &|g| percent(g.heard)),
        bars("PSDCH subframes of a UE", "in a second", &|g| g.sf_psdch_per_s),
        bars("Agent of a monitor, for a block", "us", &|g| g.receive_us),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_no_runs_say_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let error = |line: &str| {
            let path = folder.path().join("results.json");
            std::fs::write(&path, line).unwrap();
            chosen(&[path.display().to_string()]).err().map(|error| error.to_string()).unwrap()
        };
        assert!(error(r#"{"name": "discovery-restricted", "runs": 3}"#).contains("it holds a comparison"));
        let attack = r#"{"name": "attack-discovery-wormhole", "seed": 1, "expected": "passes (X)"}"#;
        assert!(error(attack).contains("what attacks came to"));
        assert!(error(r#"{"name": "discovery-restricted", "seed": 1}"#).contains("line 1 holds no costs"));
    }

    #[test]
    fn what_has_no_costs_is_not_compared() {
        let of = |names: &[&str]| chosen(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        assert!(of(&["discovery-restricted", "discovery-rotating"]).unwrap().is_some());
        assert!(of(&["u2u-l2"]).unwrap().is_none());
        assert!(of(&["u2u-l2", "discovery-restricted"]).is_err());
        assert!(of(&["attack-discovery-wormhole"]).is_err());
        assert!(of(&["discovery-pointer"]).is_err());
    }
}
