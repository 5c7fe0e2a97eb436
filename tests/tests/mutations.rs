//! Takes out, one at a time, every rule of security, prose, mac and store that refuses something, and looks whether a test of
//! its crate notices.
//!
//! A rule is an `if` whose body begins with `return`, `continue` or `break`, or a `match` arm with a guard that gives
//! `Err(..)`, `None`, `false` or such a body: its condition becomes false. An `if let .. && ..` is one too; a condition over
//! more than one line is not looked at. What survives stands in docs/mutations.md with the reason why nothing can notice it.
//!
//! The campaign is long. `SIDELINK_MUTATIONS=security/src/group,mac/src` chooses the files whose path holds one of these
//! texts:
//!
//! ```text
//! cargo nextest run -p sidelink-tests --test mutations --run-ignored all --no-capture
//! ```

#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use sidelink_tests::project::root;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The crates whose rules are taken out, with the packages whose tests must notice.
const CRATES: [(&str, &str); 4] = [
    ("security", "sidelink-security"),
    ("prose", "sidelink-prose"),
    ("mac", "sidelink-mac"),
    ("store", "sidelink-store"),
];

/// One rule that is taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mutation {
    package: &'static str,
    /// From the root of the workspace.
    file: String,
    /// From 0.
    line: usize,
    /// The line as it is.
    rule: String,
    /// The line without its rule.
    mutant: String,
}

impl Mutation {
    /// How docs/mutations.md names it: line numbers would move.
    fn name(&self) -> String {
        format!("{}: {}", self.file, self.rule.trim())
    }
}

/// Whether what begins so ends what is done, or leaves something out.
fn refuses(body: &str) -> bool {
    ["return", "continue", "break"].iter().any(|word| body.starts_with(word))
}

/// The line without its rule, if it is one; `next` is the line after it.
fn mutant(line: &str, next: &str) -> Option<String> {
    let indent = &line[..line.len() - line.trim_start().len()];
    let (text, next) = (line.trim(), next.trim());
    if let Some(condition) = text.strip_prefix("if ").and_then(|rest| rest.strip_suffix(" {")) {
        return refuses(next).then(|| match condition.contains("let ") {
            true => format!("{indent}if {condition} && false {{"),
            false => format!("{indent}if false && ({condition}) {{"),
        });
    }
    let (pattern, result) = text.split_once(" => ")?;
    let (pattern, guard) = pattern.split_once(" if ")?;
    let body = if result == "{" { next } else { result };
    let refuses = refuses(body) || ["Err(", "None", "false"].iter().any(|word| body.starts_with(word));
    refuses.then(|| format!("{indent}{pattern} if false && ({guard}) => {result}"))
}

/// All rules of a source, without its test module.
fn mutations_of(package: &'static str, file: &str, text: &str) -> Vec<Mutation> {
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().position(|line| line.starts_with("#[cfg(test)]")).unwrap_or(lines.len());
    (0..end)
        .filter_map(|line| {
            let mutant = mutant(lines[line], lines.get(line + 1).copied().unwrap_or(""))?;
            Some(Mutation { package, file: file.to_owned(), line, rule: lines[line].to_owned(), mutant })
        })
        .collect()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

/// Names of the modules that tests alone use, in files of their own.
fn modules_of_tests(text: &str) -> impl Iterator<Item = String> {
    let pairs = text.lines().zip(text.lines().skip(1)).filter(|(attribute, _)| *attribute == "#[cfg(test)]");
    pairs.filter_map(|(_, line)| Some(line.split_once("mod ")?.1.strip_suffix(';')?.to_owned()))
}

/// All rules below this root of a workspace.
fn mutations(root: &Path) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (dir, package) in CRATES {
        let mut files = Vec::new();
        sources(&root.join(dir).join("src"), &mut files);
        let texts: Vec<String> = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let of_tests: BTreeSet<String> = texts.iter().flat_map(|text| modules_of_tests(text)).collect();
        for (path, text) in files.iter().zip(&texts) {
            if path.file_stem().is_some_and(|name| of_tests.contains(&*name.to_string_lossy())) {
                continue;
            }
            let file = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            all.extend(mutations_of(package, &file, text));
        }
    }
    all
}

/// Names of what is known to survive, from the table of docs/mutations.md.
fn known_survivors() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/mutations.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` |").map(|(name, _)| name.to_owned())).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // what was built, and not target.rs
        let built = path.is_dir() && name.starts_with("target");
        let left_out = built || name.starts_with('.');
        match path.is_dir() {
            _ if left_out => {}
            true => copy(&path, &to.join(name)),
            false => _ = fs::copy(&path, to.join(name)).unwrap(),
        }
    }
}

/// What becomes of the tests of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All pass: nothing noticed.
    Pass,
    Fail,
    /// They took too long, and were ended.
    Hang,
    /// What is no Rust proves nothing.
    DoesNotCompile,
}

/// Far more than any of the crates takes, when what it needs is built.
const PATIENCE: Duration = Duration::from_secs(300);

/// Those of the library first: mostly one of them notices, and the others need not be built.
fn run_tests(copy: &Path, package: &str, patience: Duration) -> Outcome {
    match run_some(copy, package, "--lib", patience) {
        Outcome::Pass => run_some(copy, package, "--tests", patience),
        outcome => outcome,
    }
}

fn run_some(copy: &Path, package: &str, which: &str, patience: Duration) -> Outcome {
    let log = copy.join("target/mutations.log");
    fs::create_dir_all(copy.join("target")).unwrap();
    let mut cargo = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--offline", which, "-p", package])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .env("CARGO_PROFILE_TEST_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_TEST_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "1")
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .process_group(0)
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        match cargo.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > patience => {
                let group = format!("kill -KILL -{}", cargo.id());
                Command::new("sh").args(["-c", &group]).status().unwrap();
                cargo.wait().unwrap();
                return Outcome::Hang;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    match fs::read_to_string(&log).unwrap().contains("could not compile") {
        _ if status.success() => Outcome::Pass,
        true => Outcome::DoesNotCompile,
        false => Outcome::Fail,
    }
}

/// What becomes of the tests without this rule.
fn try_out(mutation: &Mutation, copy: &Path) -> Outcome {
    let path = copy.join(&mutation.file);
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[mutation.line] = &mutation.mutant;
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let outcome = run_tests(copy, mutation.package, PATIENCE);
    fs::write(&path, &text).unwrap();
    outcome
}

#[test]
fn rules_are_found_and_taken_out() {
    let text = "fn f() {
    if now < then {
        return Err(Late);
    }
    if let Some(x) = y && x > 2 {
        continue;
    }
    if harmless {
        count += 1;
    }
    match x {
        Some(x) if x > 3 => Err(Far),
        Some(x) if x > 2 => Ok(x),
        Some(x) if x > 1 => {
            return self.refuse();
        }
    }
}
#[cfg(test)]
mod tests {
    if a {
        return Err(B);
    }
}
";
    let mutants: Vec<String> =
        mutations_of("", "f.rs", text).into_iter().map(|mutation| mutation.mutant).collect();
    let expected = [
        "    if false && (now < then) {",
        "    if let Some(x) = y && x > 2 && false {",
        "        Some(x) if false && (x > 3) => Err(Far),",
        "        Some(x) if false && (x > 1) => {",
    ];
    assert_eq!(mutants, expected);
}

#[test]
fn every_known_survivor_is_a_rule_of_today() {
    let names: BTreeSet<String> = mutations(&root()).iter().map(Mutation::name).collect();
    assert!(names.len() > 60, "{} rules", names.len());
    let gone: Vec<String> = known_survivors().difference(&names).cloned().collect();
    assert!(gone.is_empty(), "docs/mutations.md names what is no rule any more: {gone:#?}");
}

#[test]
#[ignore = "an hour or two"]
fn every_rule_is_missed_when_it_is_taken_out() {
    let wanted = std::env::var("SIDELINK_MUTATIONS").unwrap_or_default();
    let known = known_survivors();
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutations");
    let target = place.join("target");
    copy(&root(), &place);
    // of the copy: the sources may be edited meanwhile
    let all: Vec<Mutation> = mutations(&place)
        .into_iter()
        .filter(|rule| wanted.split(',').any(|path| rule.file.contains(path)))
        .collect();
    let (mut wrong, mut survivors) = (Vec::new(), 0);
    for (_, package) in CRATES {
        let chosen: Vec<&Mutation> = all.iter().filter(|rule| rule.package == package).collect();
        if chosen.is_empty() {
            continue;
        }
        let log = target.join("mutations.log");
        let whole = run_tests(&place, package, Duration::MAX);
        assert_eq!(whole, Outcome::Pass, "{package} without any mutation; see {}", log.display());
        for mutation in chosen {
            let outcome = try_out(mutation, &place);
            println!("{outcome:?} {}:{}", mutation.name(), mutation.line + 1);
            survivors += usize::from(outcome == Outcome::Pass);
            let survives = known.contains(&mutation.name());
            if outcome == Outcome::DoesNotCompile || survives != (outcome == Outcome::Pass) {
                wrong.push(format!("{outcome:?} {}", mutation.name()));
            }
        }
    }
    println!("{} rules taken out, {survivors} not noticed", all.len());
    assert!(wrong.is_empty(), "not as docs/mutations.md says: {wrong:#?}");
}
