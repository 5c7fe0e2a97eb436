//! The attacks on discovery, and what was predicted of its pools.

use super::{Cases, ScenarioArgs, concluded, families};
use crate::args::Form;
use crate::config::ConfigError;
use crate::experiments::discovery::cases::{AttackCase, Findings, Game, Scale, all, play};
use crate::experiments::discovery::runs;
use crate::experiments::output::{Rows, write_as};
use crate::outputs::{Existing, Outputs};
use std::io::Write;

/// Names of the cases, and what each is.
pub(super) fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().map(|case| (case.name, case.what))
}

/// Plays the cases on all cores, and says what each came to.
///
/// # Errors
/// A name is no attack on discovery, or a case came to something else than it must.
pub(super) fn run(args: &ScenarioArgs) -> anyhow::Result<()> {
    families::refuse_forms_of_links(args, "leave them out")?;
    refuse_options(&args.cases)?;
    let cases = args.name.iter().map(|name| named(name)).collect::<Result<Vec<_>, _>>()?;
    let mut outputs = Outputs::new(Existing::Keep);
    let mut out = args.output.claim(&mut outputs)?.create()?;
    let games: Vec<(&AttackCase, Game)> = cases
        .iter()
        .flat_map(|case| args.cases.seeds().map(|seed| (*case, Game { seed, scale: Scale::Whole })))
        .collect();
    let found = runs::each(&games, |(case, game)| {
        tracing::info!("{}, seed {}", case.name, game.seed);
        play(case, *game)
    })?;
    match args.output.form {
        Form::Table => said(&found, &mut out)?,
        form => write_as(form, &found, || rows(&found), &mut out)?,
    }
    out.finish()?;
    concluded(found.iter().flat_map(|findings| {
        let Findings { name, seed, .. } = findings;
        findings.unexpected.iter().map(move |words| format!("{name}, seed {seed}: not as expected: {words}"))
    }))
}

/// Refuses all options of configurations but seeds: each case has its own UEs, pool and time.
fn refuse_options(given: &Cases) -> Result<(), ConfigError> {
    let mut options = given.discovery.given();
    options.extend(families::options_of_air(given));
    options.extend(families::options_of_links(given));
    families::refuse(
        &options,
        "this case, which has UEs, a pool and a time of its own",
        "--seeds and --seed alone",
    )
}

fn named(name: &str) -> Result<&'static AttackCase, ConfigError> {
    all().find(|case| case.name == name).ok_or_else(|| {
        let what = format!("{name:?} is no attack on discovery");
        families::unknown(what, "name those of discovery alone", list())
    })
}

fn said(found: &[Findings], out: &mut dyn Write) -> std::io::Result<()> {
    for findings in found {
        writeln!(out, "{}, seed {}: expected: {}", findings.name, findings.seed, findings.expected)?;
        if let Some(case) = all().find(|case| case.name == findings.name) {
            writeln!(out, "   {}", case.what)?;
        }
        for words in &findings.found {
            let mark = if findings.unexpected.contains(words) { "!!" } else { "  " };
            writeln!(out, "  {mark} {words}")?;
        }
    }
    Ok(())
}

fn rows(found: &[Findings]) -> Rows {
    let line = |findings: &Findings, words: &String| {
        let as_expected = if findings.unexpected.contains(words) { "no" } else { "yes" };
        let Findings { name, seed, expected, .. } = findings;
        vec![name.clone(), seed.to_string(), expected.clone(), as_expected.to_owned(), words.clone()]
    };
    let lines = found.iter().flat_map(|f| f.found.iter().map(move |words| line(f, words)));
    Rows { head: vec!["case", "seed", "expected", "as expected", "found"], lines: lines.collect() }
}
