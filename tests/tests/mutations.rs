//! Takes out, one at a time, every rule of security, prose, mac and store that refuses something, and looks whether a test of
//! its crate notices.
//!
//! A rule is an `if` whose body begins with `return Err(` or `return None`, or a `match` arm with a guard that gives
//! `Err(..)`: its condition becomes false. What survives stands in docs/mutations.md with the reason why nothing can notice it.
//!
//! The campaign is long. `SIDELINK_MUTATIONS=security/src/group` chooses the files whose path holds this text:
//!
//! ```text
//! cargo nextest run -p sidelink-tests --test mutations --run-ignored all --no-capture
//! ```

#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The line without its rule, if it is one; `next` is the line after it.
fn mutant(line: &str, next: &str) -> Option<String> {
    let indent = &line[..line.len() - line.trim_start().len()];
    let (text, next) = (line.trim(), next.trim());
    let refuses = next.starts_with("return Err(") || next.starts_with("return None");
    if let Some(condition) = text.strip_prefix("if ").and_then(|rest| rest.strip_suffix(" {"))
        && refuses
        && !condition.contains("let ")
    {
        return Some(format!("{indent}if false && ({condition}) {{"));
    }
    let (pattern, result) = text.split_once(" => ")?;
    let (pattern, guard) = pattern.split_once(" if ")?;
    (result.starts_with("Err(") || result.starts_with("return Err("))
        .then(|| format!("{indent}{pattern} if false && ({guard}) => {result}"))
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

fn mutations() -> Vec<Mutation> {
    let root = root();
    let mut all = Vec::new();
    for (dir, package) in CRATES {
        let mut files = Vec::new();
        sources(&root.join(dir).join("src"), &mut files);
        for path in files {
            let file = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            all.extend(mutations_of(package, &file, &fs::read_to_string(&path).unwrap()));
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
        let left_out = name.starts_with("target") || name.starts_with('.');
        match path.is_dir() {
            _ if left_out => {}
            true => copy(&path, &to.join(name)),
            false => _ = fs::copy(&path, to.join(name)).unwrap(),
        }
    }
}

/// Whether the tests of the package pass in the copy.
fn tests_pass(copy: &Path, package: &str) -> bool {
    let status = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--offline", "--lib", "--tests", "-p", package])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .env("CARGO_PROFILE_TEST_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_TEST_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.success()
}

#[test]
fn rules_are_found_and_taken_out() {
    let text = "fn f() {\n    if now < then {\n        return Err(Late);\n    }\n    match x {\n        Some(x) if x > 3 \
                => Err(Far),\n        Some(x) if x > 2 => Ok(x),\n    }\n}\n#[cfg(test)]\nmod tests {\n    if a {\n        \
                return Err(B);\n    }\n}\n";
    let mutants: Vec<String> =
        mutations_of("", "f.rs", text).into_iter().map(|mutation| mutation.mutant).collect();
    assert_eq!(
        mutants,
        ["    if false && (now < then) {", "        Some(x) if false && (x > 3) => Err(Far),"]
    );
}

#[test]
fn every_known_survivor_is_a_rule_of_today() {
    let names: BTreeSet<String> = mutations().iter().map(Mutation::name).collect();
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
    let mut wrong = Vec::new();
    let mut count = (0, 0);
    for (_, package) in CRATES {
        let chosen: Vec<Mutation> = mutations()
            .into_iter()
            .filter(|mutation| mutation.package == package && mutation.file.contains(&wanted))
            .collect();
        if chosen.is_empty() {
            continue;
        }
        assert!(tests_pass(&place, package), "the tests of {package} fail without any mutation");
        for mutation in chosen {
            let path = place.join(&mutation.file);
            let text = fs::read_to_string(&path).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            lines[mutation.line] = &mutation.mutant;
            fs::write(&path, lines.join("\n") + "\n").unwrap();
            let survived = tests_pass(&place, package);
            fs::write(&path, &text).unwrap();
            count = (count.0 + 1, count.1 + u32::from(survived));
            println!(
                "{} {}:{}",
                if survived { "SURVIVED" } else { "noticed " },
                mutation.name(),
                mutation.line + 1
            );
            if survived != known.contains(&mutation.name()) {
                wrong.push(mutation.name());
            }
        }
    }
    println!("{} rules taken out, {} not noticed; {}", count.0, count.1, target.display());
    assert!(wrong.is_empty(), "not as docs/mutations.md says: {wrong:#?}");
}
