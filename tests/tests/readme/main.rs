//! What README.md and docs/ show is what happens: every shell block runs in an empty folder, in order, by the program itself,
//! and prints what is shown below it.
//!
//! ````text
//! ```sh                               a block: the commands run by bash, the first that fails ends it
//! sidelink ue -c alice.toml
//! # another terminal                  what is above goes on running, until what is below has ended
//! sidelink ue -c bob.toml -T 5
//! ```
//! ```text                             right below it: what the block prints, in order
//! ...                                 lines that are left out
//! 01:41:44.643 bob  discovered ..     `..` stands for anything; times, dates and measured decimals need not agree
//! ```
//! <!-- not run: needs a USRP -->      before a block: why it cannot run here; listed, with their number
//! ````

// Files, time, threads and sockets are what this test is about.
#![allow(clippy::disallowed_methods)]

mod compare;
mod markdown;
mod pair;
mod shell;
mod wireshark;

use libtest_mimic::{Arguments, Failed, Trial};
use markdown::{Block, Kind, Step};
use shell::Folder;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    if Path::new(&called).file_name().is_some_and(|name| name == "sidelink") {
        return sidelink_flowgraphs::commands::main();
    }
    let mut trials: Vec<_> = documents()
        .into_iter()
        .map(|document| {
            let name = relative(&document);
            Trial::test(format!("blocks of {name}"), move || run(&document))
        })
        .collect();
    trials.push(Trial::test("every block runs or says why not", every_block_runs_or_says_why_not));
    trials.push(Trial::test("what differs is found", compare::what_differs_is_found));
    trials.extend(pair::trials());
    trials.extend(wireshark::trials());
    let mut arguments = Arguments::from_args();
    // examples and documents have fixed UDP ports, which two at once cannot have
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/")).to_owned()
}

fn relative(document: &Path) -> String {
    document.strip_prefix(root()).unwrap_or(document).display().to_string()
}

/// README.md and everything in docs/, sorted.
fn documents() -> Vec<PathBuf> {
    let mut all = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|extension| extension == "md") => all.push(path),
                _ => {}
            }
        }
    }
    all[1..].sort();
    all
}

fn steps(document: &Path) -> Result<Vec<Step>, Failed> {
    let text = std::fs::read_to_string(document)?;
    markdown::steps(&text).map_err(|problem| format!("{}:{problem}", relative(document)).into())
}

/// How often a document with terminals beside each other is tried: UEs in real time miss what a busy machine withholds.
const TRIES: usize = 3;

/// Runs the blocks of a document in a new folder, and those of one in real time again where they fail.
fn run(document: &Path) -> Result<(), Failed> {
    let live = std::fs::read_to_string(document)?.contains(shell::TERMINAL);
    let tries = if live { TRIES } else { 1 };
    let mut result = run_once(document);
    for _ in 1..tries {
        if let Err(failed) = &result {
            eprintln!("{}", failed.message().unwrap_or_default());
            result = run_once(document);
        }
    }
    result
}

fn run_once(document: &Path) -> Result<(), Failed> {
    let folder = Folder::new(&relative(document))?;
    for step in steps(document)? {
        let Block { line, text, not_run: None, .. } = &step.commands else { continue };
        let place = format!("{}:{line}", relative(document));
        let printed = shell::run(&folder, text).map_err(|problem| format!("{place}: {problem}"))?;
        let Some(shown) = &step.shown else { continue };
        compare::compare(&shown.text, &printed).map_err(|problem| format!("{place}: {problem}"))?;
    }
    Ok(())
}

/// Counts and lists the blocks that do not run.
fn every_block_runs_or_says_why_not() -> Result<(), Failed> {
    let (mut run, mut left_out) = (0, Vec::new());
    for document in documents() {
        for step in steps(&document)? {
            match &step.commands.not_run {
                Some(why) => left_out.push(format!("{}:{}: {why}", relative(&document), step.commands.line)),
                None => run += usize::from(step.commands.kind == Kind::Shell),
            }
        }
    }
    eprintln!("{run} blocks run, {} do not:\n{}", left_out.len(), left_out.join("\n"));
    if run < 10 || left_out.iter().any(|line| line.trim_end().ends_with(':')) {
        return Err("too few blocks run, or one does not say why it does not".into());
    }
    Ok(())
}
